# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 6 · Choosing, and labels
#
# **90 minutes. An epoch was chosen by the same accuracy that is reported. Ten people doubt many of the labels. What is this
# accuracy worth?**
#
# | | |
# |---|---|
# | You can do afterwards | measure the luck of a choice; judge an accuracy with the votes of ten people; keep two shares apart |
# | You need | NumPy (masks, `argmax`, `mean` over an axis); [lab 3](lab3.ipynb) helps |
# | Belongs to | section 9 of notebook [07](../notebooks/07_audit_the_paper.ipynb), and notebook [09](../notebooks/09_labels_and_errors.ipynb) |
# | Words | [glossary](../docs/glossary.md) |
#
# Write code where it says `YOUR CODE HERE`. The line below it checks your code. Run the cells in order: Shift + Enter. Nothing
# is trained here. The network's predictions and the voters' answers come with this project as numbers. You need no faces.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fer_utils import course, plotting, project, runs
from fer_utils.evaluation import epoch_choice
from fer_utils.labels import ferplus
from fer_utils.names import EMOTIONS

# %% tags=["parameters"]
RUN = "outputs/reference/gpu/vgg16-scratch-seed0"  # a run that kept what every epoch answered

# %% [markdown]
# ## 1. Predict first (5 minutes)
#
# VGG16 was trained from scratch on FER-2013 for 63 epochs. The network of each epoch predicted the 3,589 faces of PrivateTest.
# Now split these faces into two random halves, and choose the epoch that is best on the first half. **By how many percentage
# points is this epoch better on the first half than on the second half, on average?** Write down your guess.

# %%
luck_guess = None  # in percentage points, such as 0.5
### BEGIN SOLUTION
luck_guess = 0.3
### END SOLUTION
course.check("luck guess", luck_guess)

# %% [markdown]
# ## 2. The predictions of every epoch (10 minutes)
#
# `epochs` holds two splits: "validation" is PublicTest, and "test" is PrivateTest. Each split is an array of True and False
# with the shape (epochs, faces). True means that the network of this epoch predicts this face correctly. In the figure, the
# rings mark the best epoch of each split.

# %%
folder = project.resolve(RUN)
epochs = epoch_choice.read_epochs(folder)
right = epochs["test"]
print(right.shape, right.dtype)
ax = plotting.selection_curves(epochs)

# %%
table = epoch_choice.selection_table(epochs)
table[["rule", "epoch", "reported on", "reported", "private"]].style.format(precision=3).hide()

# %% [markdown]
# The table shows one training, scored by six rules that are in use. `reported` is the number that would be printed. `private`
# is the accuracy on PrivateTest in the chosen epoch.
#
# **Discuss.** Which rules choose the epoch on the same faces that they report? Which do not? In this run, the best epoch on
# PrivateTest has half a percentage point more than the epoch of the official rule. Is that skill, or luck?

# %% [markdown]
# ## 3. Choose on one half, score on the other (25 minutes)
#
# A choice on a single split can be lucky or not. The mean over many splits shows how much luck there is.
#
# By hand first: there are two epochs and four faces. The first two faces are the first half.
#
# | | face 1 | face 2 | face 3 | face 4 | first half | second half |
# |---|---|---|---|---|---|---|
# | epoch 1 | right | wrong | right | right | 0.5 | 1.0 |
# | epoch 2 | right | right | wrong | right | 1.0 | 0.5 |
#
# On the first half, epoch 2 is best. Its accuracy is 1.0 there, and 0.5 on the second half. So the gap is 0.5.
#
# Write `half_gap`. `right` is bool of shape (epochs, n). `order` holds the positions 0 to n - 1 in random order. The first half
# is `order[: n // 2]`, and the second half is the rest. Do these steps:
#
# 1. Choose the epoch with the best accuracy on the first half. If several epochs are best, choose the earliest.
# 2. Return this epoch's accuracy on the first half minus its accuracy on the second half.


# %%
def half_gap(right, order):
    ### BEGIN SOLUTION
    half = len(order) // 2
    on_first = right[:, order[:half]].mean(axis=1)
    on_second = right[:, order[half:]].mean(axis=1)
    best = on_first.argmax()
    return on_first[best] - on_second[best]
    ### END SOLUTION


course.check("half_gap", half_gap)

# %% [markdown]
# Now compute the mean of `half_gap` over at least 200 random orders of the PrivateTest faces. Use `generator.permutation`.

# %%
generator = np.random.default_rng()
luck = None  # a share, such as 0.003
### BEGIN SOLUTION
luck = np.mean([half_gap(right, generator.permutation(right.shape[1])) for _ in range(300)])
### END SOLUTION
course.check("luck", luck)

# %%
gaps = 100 * np.array([half_gap(right, generator.permutation(right.shape[1])) for _ in range(300)])
plt.hist(gaps, bins=30)
plt.axvline(0, color="black")
plt.xlabel("accuracy on the first half less that on the second, points")
print(f"You guessed {luck_guess:.1f} points. It is {100 * luck:.1f} points on average.")
print(f"The package's own measure: {100 * epoch_choice.optimism(right, samples=300)['mean']:.1f} points")

# %% [markdown]
# Both halves are drawn in the same way. So without a choice, the mean would be 0. The mean gap comes from the choice. In a
# single split, the gap can also be negative: see the part of the histogram left of 0. With all 3,589 faces instead of half of
# them, the luck is smaller, by about the square root of two. An accuracy over more faces varies less by chance.
#
# **Common mistake.** People choose the epoch on all faces, and then compare two halves. The choice has then used both halves,
# and the mean is 0. Luck cannot be seen on the data that were used to choose.
#
# ## 4. More networks, more luck (10 minutes)
#
# The epochs of one training resemble each other. Now take networks that are independent and equally good: each predicts a face
# correctly with a probability of 65 %. **Take the best of 100 such networks on one half. How many percentage points does it
# lose on the other half?**

# %%
many_guess = None  # in percentage points
### BEGIN SOLUTION
many_guess = 1
### END SOLUTION
course.check("many guess", many_guess)

# %%
tried = (1, 3, 10, 30, 100)
losses = {}
for networks in tried:
    coins = (generator.random((networks, 3589)) < 0.65 for _ in range(40))
    losses[networks] = 100 * np.mean([half_gap(coin, generator.permutation(3589)) for coin in coins])
print(f"You guessed {many_guess} points for 100 networks. It is {losses[100]:.1f} points.")
pd.Series(losses, name="points lost").rename_axis("networks tried").round(1)

# %% [markdown]
# All these networks are equally good, so there was no better one to find. Some studies try seeds, epochs and settings on the
# test set, and report the best. Their accuracy contains this luck, too.
#
# **Discuss.** The table is about halves of 1,794 faces. A paper tries 30 settings on the 3,589 faces of PrivateTest. Its best
# setting is 1.5 points above the old record. What do you say? What could the authors have done instead?

# %% [markdown]
# ## 5. The votes of ten people (15 minutes)
#
# FER-2013's labels came from web searches. Later, Microsoft asked ten people about each face (FER+, Barsoum et al. 2016). Their
# answer could be one of the seven emotions, contempt, "unknown", or "no face" (NF).
#
# - `votes` has the number of votes for each answer, for the test faces.
# - `labels` are FER-2013's own labels, as codes from 0 to 6.
# - `columns` says which column of `votes` belongs to each code.

# %%
rows, labels, probabilities = runs.read_run(folder).predictions["test"]
votes = ferplus.shipped_votes()[rows]
columns = np.array(ferplus.EMOTION_COLUMNS)
print("columns:", dict(zip(EMOTIONS, columns.tolist())))
shown = pd.DataFrame(votes[:8], columns=ferplus.VOTES)
shown.insert(0, "label", [EMOTIONS[code] for code in labels[:8]])
shown

# %% [markdown]
# A label *stands* if it has more votes than every other answer. With 4 votes for sad, 3 for neutral and 3 for fear, the label
# sad stands. With 5 votes for sad and 5 for neutral, the label sad does not stand. That is a tie.
#
# Write `label_stands`. It returns True or False for each face: an array of shape (n,). `labels` has the shape (n,), and `votes`
# has the shape (n, 10).


# %%
def label_stands(labels, votes):
    ### BEGIN SOLUTION
    own = votes[np.arange(len(labels)), columns[labels]]
    most = votes.max(axis=1)
    alone = (votes == most[:, None]).sum(axis=1) == 1
    return (own == most) & alone
    ### END SOLUTION


course.check("label_stands", label_stands)

# %%
stands = np.array(label_stands(labels, votes))
print(f"{stands.mean():.1%} of {len(labels):,} labels stand.")
by_class = {name: stands[labels == code].mean() for code, name in enumerate(EMOTIONS)}
pd.Series(by_class, name="stands").map("{:.0%}".format)

# %% [markdown]
# **Discuss.** Fear is the label that stands least often. Is the label wrong, then? Ten voters saw one small gray picture. The
# person who gave the first label may have known what was searched for. What do the voters know that this person does not know?
# What does this person know that the voters do not know?

# %% [markdown]
# ## 6. Accuracy where people agree, and where not (15 minutes)
#
# The *agreement* of a face is the share of its votes that went to its most frequent answer, whichever answer that is. With 6
# votes for fear, 3 for sad and 1 for neutral, the agreement is 6 / 10.
#
# Write `accuracy_by_agreement`. It returns four accuracies, one for each of these groups of faces, in this order:
#
# 1. agreement up to 45 %
# 2. agreement above 45 and up to 65 %
# 3. agreement above 65 and up to 85 %
# 4. agreement above 85 %
#
# If a group has no face, its accuracy is `np.nan`. `right` is bool of shape (n,), and `votes` has the shape (n, 10). One face
# of FER+ has nine votes instead of ten.


# %%
def accuracy_by_agreement(right, votes):
    ### BEGIN SOLUTION
    agreement = votes.max(axis=1) / votes.sum(axis=1)
    edges = (0, 0.45, 0.65, 0.85, 1)
    inside = [right[(agreement > low) & (agreement <= high)] for low, high in zip(edges[:-1], edges[1:])]
    return [found.mean() if len(found) else np.nan for found in inside]
    ### END SOLUTION


course.check("accuracy_by_agreement", accuracy_by_agreement)

# %%
named_rightly = probabilities.argmax(axis=1) == labels
bins = ["up to 45 %", "45 to 65 %", "65 to 85 %", "above 85 %"]
shares = {
    "network is right": list(accuracy_by_agreement(named_rightly, votes)),
    "label stands": list(accuracy_by_agreement(stands, votes)),
}
pd.DataFrame(shares, index=bins).map("{:.1%}".format)

# %% [markdown]
# Look at the first row. There, people hardly agree, and the label stands for only one face in five. (In a tie it does not
# stand.) But the network predicts the label correctly for more than half of these faces.
#
# **Discuss.** There are two explanations. The first: the network has learned how FER-2013's labels were made, and not only how
# faces look. The second: the network remembers. 643 of all 3,589 faces have a duplicate in Training, mostly with the same label
# ([lab 1](lab1.ipynb)). How would you find out which explanation is right?
#
# **Predict first.** The network is wrong about 1,155 faces. **On what share of these errors does the label not stand?** Write
# down your guess, from 0 to 1.

# %%
doubt_guess = None  # a share from 0 to 1
### BEGIN SOLUTION
doubt_guess = 0.4
### END SOLUTION
course.check("doubt guess", doubt_guess)

# %% [markdown]
# Write `doubtful_errors`. It returns a share of the errors: those on faces whose label does not stand. `right` and `stands` are
# bool of shape (n,). For example, take 10 errors, 4 of them on faces whose label does not stand. The result is 0.4.


# %%
def doubtful_errors(right, stands):
    ### BEGIN SOLUTION
    return (~stands[~right]).mean()
    ### END SOLUTION


course.check("doubtful_errors", doubtful_errors)

# %%
print(f"You guessed {doubt_guess:.0%}. It is {doubtful_errors(named_rightly, stands):.0%} of the errors.")
print(f"Of the right answers it is {np.mean(~stands[named_rightly]):.0%}.")
network = np.where(named_rightly, "network right", "network wrong")
label = np.where(stands, "label stands", "label does not stand")
pd.crosstab(network, label, rownames=[""], colnames=[""])

# %% [markdown]
# **Common mistake.** Two sentences are confused. The first is "Two thirds of the errors are on doubtful labels", and it is
# true. The second is "The network is wrong about two thirds of the doubtful labels", and it is not true. Compute that share
# from the table. Neither sentence says that the label is the cause. A face that is hard to read makes voters disagree *and*
# networks err.

# %% [markdown]
# ## 7. Your result (10 minutes)
#
# Write three sentences for a reader who has not done this lab:
#
# 1. The best epoch on PrivateTest has an accuracy of 68.3 %. About how many points of luck does such a choice bring on average?
#    Which number of section 2 contains no such luck, and why?
# 2. What share of the network's errors would you not count against it? Why may that be too kind?
# 3. A paper says that its network is "better than people (65.5 %)". Which two questions do you ask?
#
# ## Homework
#
# 1. Set `RUN` to `outputs/reference/cpu/vgg16-scratch-seed1` and run sections 2 and 3 again. (The check of `luck` is made for
#    the first run and will not pass.) The luck is much smaller. Look at the curves: why?
# 2. Compare the network with the voters instead of the labels. Use only the faces on which one of the seven emotions has more
#    votes than every other answer (`ferplus.favourite`). By how many points does the accuracy change? Do the same with the run
#    of question 1. Which number would you print, and what would you write next to it?
#
# With the real data: get FER-2013 ([how](../docs/running.md#real-data)), then `from fer_utils import data` and
# `faces = data.load_fer2013(path)`, where path is that of the CSV.
#
# 3. Find the PrivateTest faces on which *all* voters agree on one answer that is not the label. How many are there? How often
#    does the network predict the voters' answer, and how often the label? Look at 14 of these faces with
#    `plotting.sample_grid`. Do you agree with the voters, or with the label? (Show faces on your own machine only.)
# 4. Find duplicates with `near_duplicates.near_groups(faces)` (`from fer_utils.data import near_duplicates`; it takes a
#    minute). `near_duplicates.twin_in(faces, groups)` says which faces have a duplicate in Training. Take the faces whose label
#    does not stand. How often does the network predict this label, on faces with a duplicate and on faces without? Which of the
#    two explanations of section 6 is right?
