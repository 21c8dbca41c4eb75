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
# **90 minutes. You test the numbers of a paper without its code and without its data. Do the numbers agree with each other? Is
# each number possible at all?**
#
# | | |
# |---|---|
# | You can do afterwards | say which test sets an accuracy allows; recognize a network that always gives the same answer; judge fairly |
# | You need | Python functions, percentages, the natural logarithm; [lab 1](lab1.ipynb) helps |
# | Belongs to | notebook [07_audit_the_paper](../notebooks/07_audit_the_paper.ipynb), which you may read afterwards |
# | Words | [glossary](../docs/glossary.md) |
#
# Write code where it says `YOUR CODE HERE`. The line below it checks your code. Run the cells in order: Shift + Enter. Nothing
# is trained here, and you need no faces.

# %%
import numpy as np
import pandas as pd

from fer_utils import course, project
from fer_utils.audit import checks
from fer_utils.comparison import paper

# %% [markdown]
# The paper is Jahangir et al. 2024. It trains two networks, VGG16 and ResNet50, each in three ways: from scratch, by transfer
# learning, and by fine-tuning. That makes six *arms*. Each arm is trained once. The data are FER-2013. According to the paper's
# text, the test set has 3,589 faces.
#
# ## 1. Predict first (5 minutes)
#
# The paper prints eight different validation accuracies with two decimals, such as 67.23 %. An accuracy is the number of
# correct predictions divided by the number of faces. **How many of the eight can be a share of 3,589 faces?** Write down your
# guess, from 0 to 8.

# %%
possible_guess = None
### BEGIN SOLUTION
possible_guess = 8
### END SOLUTION
course.check("possible guess", possible_guess)

# %% [markdown]
# ## 2. One arm, several numbers (10 minutes)
#
# `reported` has every number that the paper prints. Each row says what the number is about, its value, and its place in the
# paper. The next cell shows only the validation accuracies. "Fig." means that the paper's text reads the value off a curve.

# %%
reported = paper.reported()
accuracies = reported[reported["quantity"] == "validation accuracy"]
accuracies[["id", "arm", "value", "place"]]

# %% [markdown]
# Some arms have more than one value. Find the arm whose values lie furthest apart. By how many percentage points do they
# differ?

# %%
largest_gap = None
### BEGIN SOLUTION
values = accuracies.groupby("arm")["value"]
largest_gap = (values.max() - values.min()).max()
### END SOLUTION
course.check("largest gap", largest_gap)

# %% [markdown]
# **Discuss.** In the section of this arm, 46.5 is the *validation* accuracy. In the comparison, 46.5 is the *training*
# accuracy. Which simple mistake would explain that? Does the same mistake explain the 64.80 in the abstract?

# %% [markdown]
# ## 3. Which counts does a percentage allow? (20 minutes)
#
# By hand first, with a test set of 7 faces. Two correct predictions print as 28.57 %, and three as 42.86 %. Somebody reports
# 40.00 %. No number of correct predictions prints as 40.00 %. So the test set was another one, or the number is wrong.
#
# Now take 67.23 % of 3,589 faces. That would be 0.6723 x 3,589 = 2,412.88 correct predictions. But 2,413 / 3,589 = 67.2332 %,
# which prints as 67.23. So 2,413 is possible.
#
# Write `possible_counts`. It returns a list of whole numbers k from 0 to n: all those for which 100 k / n, rounded to two
# decimals, is `percent`. The list may be empty. If n is large, the list may hold several numbers.


# %%
def possible_counts(percent, n):
    ### BEGIN SOLUTION
    nearest = round(percent / 100 * n)
    around = range(max(0, nearest - 10), min(n, nearest + 10) + 1)
    return [k for k in around if abs(100 * k / n - percent) < 0.005 + 1e-9]
    ### END SOLUTION


course.check("possible_counts", possible_counts)

# %% [markdown]
# The paper may have used one of three sets of images:
#
# - 3,589: the test set as the paper describes it. FER-2013 has two splits of this size, PublicTest and PrivateTest.
# - 7,178: both splits together. In the copy of FER-2013 that consists of image folders, they are one folder, called `test`.
# - 7,168: the first 224 batches of 32 of these images. A program that uses whole batches only leaves the last 10 images out.

# %%
exact = accuracies[~accuracies["place"].str.contains("Fig|comparison")].drop_duplicates(["arm", "value"])
table = exact[["arm", "value"]].set_index("arm")
for n in (3589, 7178, 7168):
    table[f"{n:,}"] = [possible_counts(percent, n) for percent in exact["value"]]
fitting = sum(len(counts) > 0 for counts in table["3,589"])
print(f"You guessed that {possible_guess} of the eight can be shares of 3,589. It is {fitting}.")
table

# %% [markdown]
# Read this table with care. There are 10,001 percentages with two decimals, and 3,590 possible counts. So 36 % of all
# percentages fit 3,589 faces by chance. With 7,178 faces, 72 % fit by chance. **A filled cell proves nothing. An empty cell
# `[]` shows that this percentage and this test set do not fit.** (Brown and Heathers 2017 call this the GRIM test.)
#
# The title of the paper says that training from scratch is best. Training from scratch has 67.23 %, and transfer learning has
# 67.18 %. Suppose that both are shares of 7,178 faces. How many more faces does training from scratch predict correctly?

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
# **Discuss.** No column is completely filled. Find two kind explanations. In the first, the arms were not all evaluated by the
# same code. In the second, somebody copied numbers by hand. What would you need to know to decide between them?
#
# **Common mistake.** People compute 0.6708 x 3,589 = 2,407.5, round it to 2,408, and stop. Every percentage passes that test.
# The count must also print as the percentage again: 2,408 prints as 67.09, and 2,407 as 67.07.

# %% [markdown]
# ## 4. What "always happy" scores (15 minutes)
#
# The fine-tuned ResNet50 has an accuracy of 24.75 % in validation and 25.14 % in training. According to its confusion matrix
# (Fig. 14), it predicts 1,774 happy faces correctly. FER-2013 has 895 happy faces in PublicTest and 879 in PrivateTest.
# Together, that is 1,774: all of them. And 24.75 % is hardly more than the share of happy faces. So we suspect that the network
# answers "happy" for every face.
#
# Test this suspicion. 1,774 / 7,178 is 24.71 %. That is near 24.75 %, but another number. The paper states a batch size of 32
# for another arm. Perhaps only whole batches were evaluated.
#
# Write `always_happy`. It returns the accuracy, in percent and not rounded, of always answering happy. Only whole batches are
# evaluated, and all `happy` faces are in them. For example, take 30 images, 10 of them happy, and batches of 8. Three batches
# are whole, which makes 24 images. 10 / 24 is 41.67 %.


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
# With batches of 32, both numbers fit to the last digit. They also fit with batches of 16. In alphabetical order, the last ten
# images are surprised faces, so no happy face is left out. In training, images are usually shuffled. So the fit of the training
# number may be luck, by a face or two.

# %%
print("25.14 % of all 28,709 training faces:", possible_counts(25.14, 28709), "right; always happy has 7215")

# %% [markdown]
# **Discuss.** The authors see that the network prefers happy, and say so. What do they not say? Which single number would have
# settled the question, if the paper had printed it?
#
# **Common mistake.** People compare 24.75 % with one in seven, 14.3 %, and conclude that the network learned something.

# %% [markdown]
# ## 5. What a loss tells (20 minutes)
#
# The loss of a face is minus the natural logarithm of the probability that the network gives to the true class. The loss of a
# test set is the mean over its faces. The unit of the loss is the *nat*. Suppose that a network gives the same probabilities to
# every face. Its loss is smallest if these probabilities are the class shares. This smallest loss is the **entropy** of the
# class shares.
#
# By hand: of two equally frequent classes, each has the share 0.5. Minus ln 0.5 is 0.693, so the entropy is 0.693. With 12
# happy and 2 sad faces, the shares are 0.857 and 0.143. The entropy is 0.857 x 0.154 + 0.143 x 1.946 = 0.410.
#
# Write `class_entropy`. It takes a list of class counts and returns the entropy in nats. Some counts may be 0.


# %%
def class_entropy(counts):
    ### BEGIN SOLUTION
    shares = np.array([count for count in counts if count > 0]) / sum(counts)
    return -(shares * np.log(shares)).sum()
    ### END SOLUTION


course.check("class_entropy", class_entropy)

# %% [markdown]
# A second bound holds for every network. Write `least_loss`. It returns the smallest mean loss, in nats, that is possible at an
# `accuracy` from 0 to 1.
#
# Think of one face that is predicted correctly, and of one that is predicted wrongly. For each of them: how much probability
# can the true class have *at most*? A network predicts the class with the largest probability. If two classes share the largest
# probability, the network may predict either of them.


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
# `same to all` is the entropy of the labels of the 7,178 faces. The last column is the largest loss that Keras can give when it
# clips probabilities at one ten-millionth. A wrong prediction then costs at most 16.1 nats. When Keras computes the loss before
# the softmax, it clips nothing.
#
# A network that gives all images the same answer shows two signs together. Its loss is near the entropy, and its accuracy is
# near the largest share.
#
# **Discuss.** 1.41 lies above `least` and below `same to all`. So 1.41 is possible: a network could answer happy for all faces,
# but give the true class of the other faces about 0.2 each. How likely is that? The paper's text reads 1.41 off a curve. Which
# other number could it have been? And what must have happened to an arm with a loss of 160.38?

# %% [markdown]
# ## 6. Your verdict (10 minutes)
#
# Choose **three** of these numbers. Write a verdict on each of them before you see anybody else's. Use one of the words below,
# and give your reason in one sentence. The reason names the number or the sum that supports your verdict, and the kind
# explanation that is left.

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
# The study's own audit of every number is `outputs/reference/cpu/audit/claims.csv`. This audit may be too harsh or too kind,
# and so may yours.

# %%
claims = pd.read_csv(project.resolve("outputs/reference/cpu/audit/claims.csv")).set_index("id")
for number, (word, reason) in verdicts.items():
    row = claims.loc[number]
    print(f"{number}, {row['quantity']} {row['value']:g} ({row['place']})")
    print(f"  yours: {word}. {reason}")
    print(f"  audit: {row['arithmetic_verdict']}. {row['arithmetic']}\n  kindest reading: {row['reason']}\n")

# %% [markdown]
# Write three sentences, as a letter to the authors. You want them to answer.
#
# 1. Which of their numbers cannot all be true together?
# 2. Which explanation without bad intent do you see?
# 3. Which one file would you ask for, and what would it decide?
#
# ## Homework
#
# 1. ResNet50 with transfer learning has an accuracy of 28.46 %, and predicts 1,558 happy faces correctly (Fig. 10). On 7,178
#    faces, how many *other* faces does it predict correctly? What share of the other faces is that? What share of them does
#    "always happy" predict correctly?
# 2. Section 4 assumed that no happy face is among the ten that are left out. Test this on the real data. Get FER-2013
#    ([how](../docs/running.md#real-data)) and load it with `data.load_fer2013(path)` (`from fer_utils import data`). Take
#    PublicTest and PrivateTest in the order of the CSV, and leave out the last ten. What does "always happy" score on the rest?
#    What does that say about the order in which the authors' program read the images?
# 3. Take a paper of your own field that prints accuracies with two decimals and the size of its test set. Test three of these
#    accuracies. What does an impossible number tell you, and what does it not tell you?
