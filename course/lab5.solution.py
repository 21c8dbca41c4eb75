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
# # Lab 5 · Reading a paper
#
# **90 minutes. A paper's numbers can be tested without its code and without its data: do they fit each other, and can they be
# at all?**
#
# | | |
# |---|---|
# | You can do afterwards | say which test sets an accuracy allows; spot a network that always says the same; judge fairly |
# | You need | Python functions, percentages, the natural logarithm; [lab 1](lab1.ipynb) helps |
# | Belongs to | notebook [07_audit_the_paper](../notebooks/07_audit_the_paper.ipynb), which you may read afterwards |
# | Words | [glossary](../docs/glossary.md) |
#
# You write code where it says `YOUR CODE HERE`, and the line below it checks what you wrote. Run the cells in order: Shift +
# Enter. Nothing is trained here. No face is needed.

# %%
import numpy as np
import pandas as pd

from fer_utils import course, project
from fer_utils.audit import checks
from fer_utils.comparison import paper

# %% [markdown]
# The paper is Jahangir et al. 2024. It trains two networks, VGG16 and ResNet50, in three ways each: from scratch, by transfer
# learning, by fine-tuning. That makes six *arms*. The data are FER-2013, the test set has 3,589 faces, says its text. Each
# arm is trained once.
#
# ## 1. Predict first (5 minutes)
#
# The paper prints eight different validation accuracies with two decimals, such as 67.23 %. An accuracy is a number of right
# answers divided by the number of faces. **How many of the eight can be a share of 3,589 faces?** Write your guess down, from
# 0 to 8.

# %%
possible_guess = None
### BEGIN SOLUTION
possible_guess = 8
### END SOLUTION
course.check("possible guess", possible_guess)

# %% [markdown]
# ## 2. One arm, several numbers (10 minutes)
#
# Here is every number that the paper prints, one row a number: what it is about, its value and the place. `reported` has them
# all; the cell shows the validation accuracies. "Fig." means that the text reads the value off a curve.

# %%
reported = paper.reported()
accuracies = reported[reported["quantity"] == "validation accuracy"]
accuracies[["id", "arm", "value", "place"]]

# %% [markdown]
# Some arms have more than one value. In which arm do they lie furthest apart, and by how many percentage points?

# %%
largest_gap = None
### BEGIN SOLUTION
values = accuracies.groupby("arm")["value"]
largest_gap = (values.max() - values.min()).max()
### END SOLUTION
course.check("largest gap", largest_gap)

# %% [markdown]
# **Discuss.** 46.5 stands in the section of this arm as *validation* accuracy, and in the comparison as *training* accuracy.
# What simple mistake would explain that? Does it explain 64.80 in the abstract as well?

# %% [markdown]
# ## 3. Which right answers does a percentage allow? (20 minutes)
#
# By hand first, with a test set of 7 faces. Two right answers print as 28.57 %, three as 42.86 %. Someone reports 40.00 %. No
# number of right answers prints like that, so the test set was another one, or the number is wrong.
#
# Now 67.23 % of 3,589. That would be 0.6723 x 3,589 = 2,412.86 right answers. But 2,413 / 3,589 = 67.2332 %, which prints as
# 67.23. So 2,413 is possible.
#
# Write `possible_counts`: the list of all whole numbers k from 0 to n for which 100 k / n, rounded to two decimals, is
# `percent`. The list may be empty. If n is large, it may hold several.


# %%
def possible_counts(percent, n):
    ### BEGIN SOLUTION
    nearest = round(percent / 100 * n)
    around = range(max(0, nearest - 10), min(n, nearest + 10) + 1)
    return [k for k in around if abs(100 * k / n - percent) < 0.005 + 1e-9]
    ### END SOLUTION


course.check("possible_counts", possible_counts)

# %% [markdown]
# Three sets of images come into question:
#
# - 3,589: the test set as the paper describes it. FER-2013 has two splits of that size, PublicTest and PrivateTest.
# - 7,178: both together. In the copy of FER-2013 that comes as image folders, they are one folder, called `test`.
# - 7,168: the first 224 batches of 32 of these, if a program asks for whole batches only and leaves the last 10 images out.

# %%
exact = accuracies[~accuracies["place"].str.contains("Fig|comparison")].drop_duplicates(["arm", "value"])
table = exact[["arm", "value"]].set_index("arm")
for n in (3589, 7178, 7168):
    table[f"{n:,}"] = [possible_counts(percent, n) for percent in exact["value"]]
fitting = sum(len(counts) > 0 for counts in table["3,589"])
print(f"You guessed that {possible_guess} of the eight can be shares of 3,589. It is {fitting}.")
table

# %% [markdown]
# Read this with care. There are 10,001 percentages with two decimals, and 3,590 possible counts. So a percentage that has
# nothing to do with 3,589 faces fits all the same in 36 % of cases. With 7,178 faces it fits in 72 %. **A full cell proves
# nothing. An empty cell excludes something.** (Brown and Heathers 2017 call this the GRIM test.)
#
# The title says that training from scratch is best. It has 67.23 %, and transfer learning has 67.18 %. If both are shares of
# 7,178 faces, how many more faces does training from scratch get right?

# %%
faces_apart = None
### BEGIN SOLUTION
faces_apart = possible_counts(67.23, 7178)[0] - possible_counts(67.18, 7178)[0]
### END SOLUTION
course.check("faces apart", faces_apart)

# %%
low, high = checks.interval(67.23, 7178)
print(f"True rates from {low:.1f} to {high:.1f} % fit 67.23 % of 7,178 faces (95 % interval).")

# %% [markdown]
# **Discuss.** No column is full. Find two kind explanations: one in which the arms were not all evaluated by the same code,
# and one in which somebody copied numbers by hand. What would you need to tell them apart?
#
# **What people get wrong.** They compute 0.6708 x 3,589 = 2,407.5, round it to 2,408 and are content. Every percentage passes
# that test. The count has to print as the percentage again: 2,408 prints as 67.09, and 2,407 as 67.07.

# %% [markdown]
# ## 4. What "always happy" scores (15 minutes)
#
# ResNet50's fine-tuning has 24.75 % on validation and 25.14 % in training. Its confusion matrix (Fig. 14) has 1,774 happy
# faces named rightly. FER-2013 has 895 happy faces in PublicTest and 879 in PrivateTest. Together that is 1,774: all of them.
# And 24.75 % is hardly more than the share of happy faces. So here is a suspicion: the network answers "happy" to every face.
#
# Test it. 1,774 / 7,178 is 24.71 %, which is near and yet another number. The paper gives a batch size of 32 for another arm.
# Write `always_happy`: the percentage, not rounded, of whoever always answers happy, if only whole batches are asked about.
# All `happy` faces are among those asked. For example: 30 images, 10 happy, batches of 8. Three batches are whole, which
# makes 24 images, and 10 / 24 is 41.67 %.


# %%
def always_happy(happy, n, batch_size):
    ### BEGIN SOLUTION
    asked = n // batch_size * batch_size
    return 100 * happy / asked
    ### END SOLUTION


course.check("always_happy", always_happy)

# %%
sizes = (1, 16, 32, 64)
validation = [always_happy(1774, 7178, size) for size in sizes]
training = [always_happy(7215, 28709, size) for size in sizes]
suspicion = pd.DataFrame({"validation": validation, "training": training}, index=sizes)
suspicion.loc["printed"] = [24.75, 25.14]
suspicion.rename_axis("batch size").round(2)

# %% [markdown]
# With batches of 32, both numbers fit to the last digit; with batches of 16 they do, too. In alphabetical order the last ten images are
# surprised ones, so all happy faces stay in. In training, images are usually shuffled; there the fit may be luck by a face or
# two.

# %%
print("25.14 % of all 28,709 training faces:", possible_counts(25.14, 28709), "right; always happy has 7215")

# %% [markdown]
# **Discuss.** The authors see that the network prefers happy, and say so. What do they not say? Which single number would
# have settled the matter, had it been printed?
#
# **What people get wrong.** They hold 24.75 % against one in seven, 14.3 %, and conclude that something was learned.

# %% [markdown]
# ## 5. What a loss tells (20 minutes)
#
# The loss is the mean of minus the natural logarithm of the probability that the true class got. Its unit is the *nat*. Say a
# network gives the same probabilities to every face. Then it does best with the class shares, and its loss is their
# **entropy**.
#
# By hand: two classes, equally frequent. Each share is 0.5, and minus ln 0.5 is 0.693. With 12 happy and 2 sad faces the
# shares are 0.857 and 0.143, and the entropy is 0.857 x 0.154 + 0.143 x 1.946 = 0.410.
#
# Write `class_entropy`: the entropy in nats from a list of class counts. Some counts may be 0.


# %%
def class_entropy(counts):
    ### BEGIN SOLUTION
    shares = np.array([count for count in counts if count > 0]) / sum(counts)
    return -(shares * np.log(shares)).sum()
    ### END SOLUTION


course.check("class_entropy", class_entropy)

# %% [markdown]
# A second bound holds for every network, whatever it answers. Write `least_loss`: the least mean loss in nats that is
# possible at an `accuracy` from 0 to 1. Think of one face that is named rightly and one that is named wrongly, and ask for
# each how much probability the true class can have *at most*. The answer of a network is the class with the most probability;
# if two have equally much, it may be either.


# %%
def least_loss(accuracy):
    ### BEGIN SOLUTION
    return (1 - accuracy) * np.log(2)
    ### END SOLUTION


course.check("least_loss", least_loss)

# %%
prior = class_entropy(list(checks.MERGED_COUNTS.values()))
stated = pd.DataFrame(
    [
        ("resnet50-finetune, Fig. 13", 0.2475, 1.41),
        ("resnet50-transfer, training, Fig. 9", 0.265, 1.74),
        ("vgg16-transfer, section", 0.6718, 1.0750),
        ("vgg16-finetune, section", 0.4650, 160.38),
    ],
    columns=["number", "accuracy", "loss"],
)
stated["least"] = [least_loss(accuracy) for accuracy in stated["accuracy"]]
stated["same to all"] = prior
stated["most, clipped"] = [checks.loss_bounds(accuracy)[1] for accuracy in stated["accuracy"]]
np.round(stated, 2)

# %% [markdown]
# `same to all` is the entropy of the 7,178 faces. The last column is the most that Keras can give, where it clips
# probabilities at one ten-millionth: a wrong answer then costs at most 16.1 nats. Where it computes the loss before the
# softmax, nothing is clipped.
#
# A loss near the entropy together with an accuracy near the largest share: that is how a network looks that gives all images
# the same answer.
#
# **Discuss.** 1.41 lies above `least` and below `same to all`. So it is possible, for a network that answers happy to all
# but gives the true class of the others about 0.2 each. How likely is that? The text read 1.41 off a curve: what else could have stood there? And what must
# have happened to an arm with a loss of 160.38?

# %% [markdown]
# ## 6. Your verdict (10 minutes)
#
# Choose **three** of these numbers and write a verdict on each, before you see anybody else's. Use one of the words below,
# and give your reason in a sentence: which number or which sum says so, and which kind explanation is left.

# %%
offered = ["P004", "P016", "P034", "P037", "P049", "P068", "P074", "P075", "P081", "P110", "P140"]
words = [checks.CONSISTENT, checks.SELF_CONTRADICTED, checks.ARITHMETIC, checks.BY_DATA]
for word in [*words, checks.IMPLAUSIBLE, checks.CANNOT_BE_TOLD]:
    print(f"{word}: {checks.VERDICTS[word]}")
reported.set_index("id").loc[offered, ["arm", "quantity", "value", "unit", "place"]]

# %%
verdicts = {}  # such as {"P075": ("consistent", "it is the share of ..."), ...}
### BEGIN SOLUTION
verdicts = {
    "P034": (checks.SELF_CONTRADICTED, "the section has 46.5 and the comparison 48.1; perhaps it is of another run"),
    "P081": (checks.IMPLAUSIBLE, "always the same answer costs at least 1.81 nats; 1.81 may have been misread as 1.41"),
    "P110": (checks.SELF_CONTRADICTED, "1,774 happy faces are found where the test set is said to have only 870"),
}
### END SOLUTION
course.check("verdicts", verdicts)

# %% [markdown]
# ## 7. Compare, and your result (10 minutes)
#
# The study's own audit of every number is `outputs/reference/cpu/audit/claims.csv`. It may be too harsh or too kind, as yours may.

# %%
claims = pd.read_csv(project.resolve("outputs/reference/cpu/audit/claims.csv")).set_index("id")
for number, (word, reason) in verdicts.items():
    row = claims.loc[number]
    print(f"{number}, {row['quantity']} {row['value']:g} ({row['place']})")
    print(f"  yours: {word}. {reason}")
    print(f"  audit: {row['arithmetic_verdict']}. {row['arithmetic']}\n  kindest reading: {row['reason']}\n")

# %% [markdown]
# In three sentences, as a letter to the authors, whom you want to answer:
#
# 1. Which of their numbers cannot all be true together?
# 2. What explanation without bad intent do you see?
# 3. Which one file would you ask for, and what would it decide?
#
# ## Homework
#
# 1. ResNet50's transfer learning has 28.46 % and 1,558 happy faces right (Fig. 10). On 7,178 faces, how many *other* faces
#    does it get right, and what share of the others is that? What does "always happy" have there?
# 2. On the real data: get FER-2013 ([how](../docs/running.md#real-data)) and load it with `data.load_fer2013(path)` (`from
#    fer_utils import data`). Section 4 assumed that no happy face is among the ten that are left out. Take PublicTest and
#    PrivateTest in the order of the CSV, and leave out the last ten. What does "always happy" score on the rest? What does
#    that say about the order in which the authors' program read?
# 3. Take a paper of your own field that prints accuracies with two decimals and the size of its test set. Test three of them.
#    What does an impossible number tell you, and what does it not?
