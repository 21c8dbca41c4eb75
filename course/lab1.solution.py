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
# # Lab 1 · What is in the data?
#
# **90 minutes. You look at the data before you train a network: how many images, of which emotions, and which images twice.**
#
# | | |
# |---|---|
# | You can do afterwards | compute the accuracy of a constant answer; give weights to rare classes; find test images that are also in Training |
# | You need | Python functions, NumPy arrays (indexing, masks); nothing about networks |
# | Belongs to | notebook [01_explore_data](../notebooks/01_explore_data.ipynb), which you may read afterwards |
# | Words | [glossary](../docs/glossary.md) |
#
# Write code where it says `YOUR CODE HERE`. The line below it checks your code. A check calls your function with inputs of its
# own, and shows the first input on which your function is wrong. Run the cells in order: Shift + Enter. How to open this lab:
# [Start](README.md#start).

# %%
import numpy as np
import pandas as pd

from fer_utils import course, data, plotting
from fer_utils.data import exploration

# %% tags=["parameters"]
DATA = "sample"  # "sample": drawn faces; at home the path of FER-2013's CSV, zip or folder

# %%
faces = data.load_fer2013(DATA)
train = faces.take(faces.usage == "Training")
test = faces.take(faces.usage == "PrivateTest")
print(f"{len(train):,} faces to train on, {len(test):,} to test on")

# %% [markdown]
# ## 1. Predict first (5 minutes)
#
# There are seven emotions. A program gives the same answer for every face: the most frequent emotion. **On what share of the
# test faces is this program right?** Write down your guess, from 0 to 1. Do not look at the data first. A wrong guess is fine.

# %%
floor_guess = None
### BEGIN SOLUTION
floor_guess = 1 / 7
### END SOLUTION
course.check("floor guess", floor_guess)

# %% [markdown]
# ## 2. Label 14 faces yourself (10 minutes)
#
# The next cell shows 14 faces of the training set: two of each emotion, in random order. Write down one emotion for each face,
# row by row: angry, disgust, fear, happy, sad, surprise or neutral.

# %%
generator = np.random.default_rng(7)
chosen = np.concatenate([generator.permutation(np.flatnonzero(train.labels == code))[:2] for code in range(7)])
chosen = generator.permutation(chosen)
axes = plotting.sample_grid(train.images[chosen], titles=[f"{number}" for number in range(1, 15)], columns=7)
# %%
own_labels = []  # such as ["happy", "sad", ...]
### BEGIN SOLUTION
own_labels = ["neutral"] * 14
### END SOLUTION
course.check("own labels", own_labels)

# %%
truth = [data.EMOTIONS[code] for code in train.labels[chosen]]
agreed = sum(own == true for own, true in zip(own_labels, truth))
print(f"You agree with {agreed} of 14 labels.")
pd.DataFrame({"yours": own_labels, "label": truth}, index=range(1, 15)).T

# %% [markdown]
# On the real FER-2013, people agree with the label about two times in three: 65 %, give or take 5, say its makers. The labels
# came from web searches, and few people checked them. So an accuracy on FER-2013 measures agreement with a label. It does not
# measure agreement with a feeling.
#
# **Discuss.** Which pairs of emotions did you confuse? Would another person confuse the same pairs?

# %% [markdown]
# ## 3. The floor: the accuracy of a constant answer (15 minutes)
#
# Write `floor_accuracy`. Find the most frequent label in `train_labels`. Return the accuracy on `test_labels` of a program that
# always gives this label. Labels are integers from 0 to 6. If two labels are equally frequent in training, take the lower one.
#
# This accuracy is the **floor**: a network below it is worse than a constant answer.


# %%
def floor_accuracy(train_labels, test_labels):
    ### BEGIN SOLUTION
    commonest = np.bincount(train_labels).argmax()
    return np.mean(test_labels == commonest)
    ### END SOLUTION


course.check("floor_accuracy", floor_accuracy)

# %%
floor = floor_accuracy(train.labels, test.labels)
print(f"You guessed {floor_guess:.1%}. It is {floor:.1%}; one in seven would be {1 / 7:.1%}.")
ax = plotting.class_counts(faces.labels, faces.usage)

# %% [markdown]
# **Common mistake.** People compare a network with one in seven (14 %). Then an accuracy of 25 % looks like learning. The
# paper of this study reports a network with 24.8 %. That is about the accuracy of always answering "happy" (lab 5).

# %% [markdown]
# ## 4. Rare emotions (15 minutes)
#
# Disgust has very few faces. So a network loses hardly any accuracy if it never predicts disgust.
#
# Training makes a number small, the *loss*. An image adds more to the loss if the network gave its label a low probability. A
# class weight multiplies what an image adds. With *balanced* weights, the weights of each class have the same sum.
#
# Write `class_weights`. It returns a dict from each code (0 to 6) to its weight. The weights of all n images add up to n, as
# long as every class has an image. A class without an image has the weight 0.0.
#
# By hand first: of 14 images, 12 are happy and 2 are sad. There are seven classes, so each class that has images gets a sum of
# 14 / 7 = 2. A happy face then weighs 2 / 12, and a sad face weighs 2 / 2.


# %%
def class_weights(labels):
    ### BEGIN SOLUTION
    counts = np.bincount(labels, minlength=7)
    return {code: len(labels) / (7 * count) if count else 0.0 for code, count in enumerate(counts)}
    ### END SOLUTION


course.check("class_weights", class_weights)

# %%
weights = class_weights(train.labels)
pd.Series({data.EMOTIONS[code]: weight for code, weight in weights.items()}, name="weight").round(2)

# %% [markdown]
# **Discuss.** With these weights, how many mistakes on happy faces cost as much as one mistake on a disgusted face? What
# happens to a network if one label of disgust in ten is wrong?

# %% [markdown]
# ## 5. Copies across the splits (30 minutes)
#
# FER-2013's photographs were collected from the web, and some were collected twice. If one copy is in Training and another copy
# is in a test split, the test may reward memory.
#
# Write `copied`. It returns the positions of all images *outside Training* that are equal to an image of Training in every
# byte. The positions are in ascending order, and count from 0 in `images`. `images` is uint8 of shape (n, 48, 48). `usage` is
# an array of n names: "Training", "PublicTest" or "PrivateTest".
#
# Comparing each image with every other image takes 36,000 times 36,000 comparisons. Can you find the copies in 36,000 steps?


# %%
def copied(images, usage):
    ### BEGIN SOLUTION
    known = {image.tobytes() for image in images[usage == "Training"]}
    outside = np.flatnonzero(usage != "Training")
    return np.array([position for position in outside if images[position].tobytes() in known], dtype=int)
    ### END SOLUTION


course.check("copied", copied)

# %%
print(f"{len(copied(faces.images, faces.usage))} images of the two test splits are in Training, to the byte")

# %% [markdown]
# The drawn sample has no copies, because each of its people is drawn once. So you plant some copies. The last cell of this
# section replaces a fifth of the test faces by copies from Training. A program then answers by memory alone: it gives the label
# of the most similar training face.
#
# **Predict first.** Without copies, this program is right on one drawn face in five, which is below the floor. **What is its
# accuracy when a fifth of the faces are copies?**

# %%
memory_guess = None  # a share from 0 to 1
### BEGIN SOLUTION
memory_guess = 0.45
### END SOLUTION
course.check("memory guess", memory_guess)


# %%
def by_memory(images):
    """The label of the most similar training face (by 16x16 thumbnails): integers (n,)."""
    similarity = exploration.thumbnails(images) @ exploration.thumbnails(train.images).T
    return train.labels[similarity.argmax(axis=1)]


# %%
# Replace a fifth of the test faces by training faces, then score.
planted = generator.permutation(len(test))[: len(test) // 5]
sources = generator.permutation(len(train))[: len(planted)]
with_copies, labels = test.images.copy(), test.labels.copy()
with_copies[planted], labels[planted] = train.images[sources], train.labels[sources]
honest = np.mean(by_memory(test.images) == test.labels)
right = by_memory(with_copies) == labels
rest = np.setdiff1d(np.arange(len(test)), planted)
accuracies = {"no copies": honest, "a fifth planted": right.mean()}
accuracies |= {"only the planted": right[planted].mean(), "only the others": right[rest].mean()}
pd.Series(accuracies, name="accuracy").map("{:.1%}".format)

# %% [markdown]
# ## 6. Your result (15 minutes)
#
# Write three sentences for a reader who has not done this lab:
#
# 1. What is the floor of this data set, and why is it not one in seven?
# 2. By how many percentage points do the copies raise the accuracy of the memory program? By how many points do they raise its
#    accuracy on the faces that are not planted? (These are 480 of the 600 faces. So their accuracy differs a little from that
#    of all faces.)
# 3. A paper reports 70 % on a test set. 18 % of the test images have a duplicate in Training. What do you ask the authors for?
#
# ## Homework: the real data
#
# Get FER-2013 ([how](../docs/running.md#real-data)), set `DATA` to its path, and run all cells again.
#
# 1. Compute the floor on PublicTest and on PrivateTest. Is Training's most frequent class the best constant answer for both?
# 2. Count the images of PrivateTest that are also in Training to the byte. Copies with another crop or brightness are not
#    found. Notebook 09 finds those, too: 643 duplicates in all. Why does one gray value of difference hide a copy from
#    `copied`? How accurate is the memory program on real faces, on the copies and on the other faces?
# 3. Find two copies with different labels. What is the best accuracy that any network can have on such a pair?
