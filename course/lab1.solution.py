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
# **90 minutes. Before a network sees the data, you do: how many, of what, and how often the same face twice.**
#
# | | |
# |---|---|
# | You can do afterwards | say what accuracy costs nothing; weigh rare classes; find test images that were trained on |
# | You need | Python functions, NumPy arrays (indexing, masks); nothing about networks |
# | Belongs to | notebook [01_explore_data](../notebooks/01_explore_data.ipynb), which you may read afterwards |
# | Words | [glossary](../docs/glossary.md) |
#
# You write code where it says `YOUR CODE HERE`, and the line below it checks what you wrote. A check calls your function with
# inputs of its own, and shows the first on which it goes wrong. Run the cells in order: Shift + Enter. How to open this lab:
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
# There are seven emotions. A program always answers the same one, the commonest. **What share of the test faces does it
# name rightly?** Write your guess down, from 0 to 1. It is right to be wrong here; it is wrong to look first.

# %%
floor_guess = None
### BEGIN SOLUTION
floor_guess = 1 / 7
### END SOLUTION
course.check("floor guess", floor_guess)

# %% [markdown]
# ## 2. Be the network (10 minutes)
#
# Here are 14 faces of the training set, two of each emotion, in random order. Write down one emotion for each, row by row: angry,
# disgust, fear, happy, sad, surprise or neutral.

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
# On the real FER-2013, people agree with the label about two times in three: 65 %, give or take 5, say its makers. The labels came from web
# searches and were tidied up by hand. So an accuracy here is agreement with a label, not with a feeling.
#
# **Discuss.** Which pairs did you confuse? Would a second person confuse the same ones?

# %% [markdown]
# ## 3. The accuracy that costs nothing (15 minutes)
#
# Write `floor_accuracy`: the accuracy on `test_labels` of whoever always answers the commonest of `train_labels`. Labels are
# integers from 0 to 6. If two are equally common in training, take the lower code.


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
# **What people get wrong.** They hold a network against one in seven, and 25 % looks like learning. The paper of this study
# reports a network with 24.8 %, about what always answering "happy" scores (lab 5).

# %% [markdown]
# ## 4. Rare emotions (15 minutes)
#
# Disgust has so few faces that a network may leave it out at hardly any cost. Training makes a number small, the *loss*. An image adds
# more to it if the network gave its label a low probability. A class weight multiplies what an image adds. *Balanced* weights give every class the same sum. Write `class_weights`: a dict from the code (0 to 6) to the weight,
# such that the weights of all n images add up to n (as long as every class has an image). A class without an image
# weighs 0.0.
#
# By hand first: of 14 images, 12 are happy and 2 are sad, and there are seven classes. Each class that is there gets a sum of
# 14 / 7 = 2. So a happy face weighs 2 / 12, and a sad one 2 / 2.


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
# **Discuss.** One mistake on a face of disgust now costs as much as how many on happy faces? What does that do to a network
# if one label of disgust in ten is wrong?

# %% [markdown]
# ## 5. The same face twice (30 minutes)
#
# FER-2013's photographs were collected from the web, and some were collected twice. If one copy trains and the other
# tests, the test asks for memory. Write `copied`: the positions, ascending, of all images *outside Training* that are equal
# to some image of Training in every byte. `images` is uint8 (n, 48, 48), `usage` an array of n names, one of "Training",
# "PublicTest" and "PrivateTest". The positions count from 0 in `images`.
#
# Comparing each image with each other takes 36,000 times 36,000 comparisons. Can you do with 36,000?


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
# The drawn sample has none: each of its people is drawn once. So plant some. Below, a fifth of the test faces are
# replaced by copies from Training, and a program answers by memory alone: the label of the most similar training face.
#
# **Predict first.** Without copies it names one drawn face in five rightly, which is below the floor. **What does it have with a
# fifth planted?**

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
# In three sentences, for someone who has not been here:
#
# 1. What is the floor of this data set, and why is it not one in seven?
# 2. By how many points do copies raise the accuracy of memory? And on the faces that are not planted? (They are 480 of the 600, so
#    their accuracy differs a little from that of all.)
# 3. A paper reports 70 % on a test set of which 18 % have a duplicate in Training. What do you ask its authors for?
#
# ## Homework: the real data
#
# Get FER-2013 ([how](../docs/running.md#real-data)), set `DATA` to its path, and run all cells again.
#
# 1. What is the floor, on PublicTest and on PrivateTest? Is the answer of Training's commonest class the best for both?
# 2. How many images of PrivateTest are in Training to the byte? Copies that are cut or lit a little differently are not
#    found: notebook 09 finds 643. Why is one gray value of difference enough to hide from `copied`? And how good is memory on
#    real faces, on copies and on the others?
# 3. Find two copies with different labels. What is the best accuracy that any network could have on such a pair?
