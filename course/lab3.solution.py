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
# # Lab 3 · How sure?
#
# **90 minutes. One network has 61.8 %, another 61.0 %. Is the first better, or was it lucky?**
#
# | | |
# |---|---|
# | You can do afterwards | put an interval on an accuracy; compare two networks on the same images; compare many without fooling yourself |
# | You need | lab 1; Python functions, NumPy masks; what a probability is |
# | Belongs to | notebook [06_compare_strategies](../notebooks/06_compare_strategies.ipynb) |
# | Words | [glossary](../docs/glossary.md) |
#
# You work with real answers: what 18 trained networks said to each of the 3,589 faces of FER-2013's PrivateTest. The faces
# are not here; the answers are enough. Nothing is trained, so every cell takes a second. How to open this lab:
# [Start](README.md#start).
#
# Their names: two architectures (`vgg16`, `resnet50`), each trained in three ways: from `scratch`; by `transfer`, on features that
# another task had made; by `finetune`, where these features were trained further. An architecture with a way is an *arm*. A
# *seed* is the random start of a training; each arm has three. What these ways are worth is lab 4's question.

# %%
from math import comb

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fer_utils import course, runs
from fer_utils.names import EMOTIONS

# %% tags=["parameters"]
RUNS = "outputs/reference/cpu"  # a folder of runs; at home, your own study's

# %%
ARMS = [f"{network}-{way}" for network in ("vgg16", "resnet50") for way in ("scratch", "transfer", "finetune")]
folder = runs.resolve(RUNS)
finished = [runs.read_run(folder / f"{arm}-seed{seed}") for arm in ARMS for seed in range(3)]
labels = finished[0].predictions["test"][1]
answers = {run.name: run.predictions["test"][2].argmax(axis=1) for run in finished}
right = {name: answer == labels for name, answer in answers.items()}
n = len(labels)
print(f"{len(answers)} networks, {n:,} faces")

# %% [markdown]
# ## 1. Predict first (5 minutes)
#
# `vgg16-scratch-seed0` names 61.8 % of these 3,589 faces rightly. Its true rate, over all faces of this kind, is unknown.
# **How many points to either side of 61.8 % must an interval reach, so that 95 of 100 such intervals hold the true rate?** Half a
# percent is 0.5 points.

# %%
points_guess = None
### BEGIN SOLUTION
points_guess = 0.5
### END SOLUTION
course.check("points guess", points_guess)

# %% [markdown]
# ## 2. An interval for a share (25 minutes)
#
# If k of n answers are right, the rate is k / n. The usual interval, rate ± z · sqrt(rate · (1 − rate) / n), fails for few images
# and for rates near 0 or 1: for 0 of 55 it says 0 to 0, as if we were certain. **Wilson's interval** asks the other way round:
# for which true rates would our rate be no surprise? Its ends are
#
# centre = (rate + z² / (2n)) / (1 + z² / n)
#
# half = z · sqrt(rate · (1 − rate) / n + z² / (4n²)) / (1 + z² / n)
#
# and low = centre − half, high = centre + half. z = 1.96 for 95 %.
#
# By hand, for 3 of 10: rate 0.3, z² = 3.84, z² / n = 0.384; centre = (0.3 + 0.192) / 1.384 = 0.356; half = 1.96 · sqrt(0.021 +
# 0.0096) / 1.384 = 0.248. So 0.108 to 0.603: three of ten says little. Your function does not round.

# %%
Z = 1.959964


def wilson(correct, n):
    ### BEGIN SOLUTION
    rate, share = correct / n, Z**2 / n
    centre = (rate + share / 2) / (1 + share)
    half = Z * np.sqrt(rate * (1 - rate) / n + share / (4 * n)) / (1 + share)
    return centre - half, centre + half
    ### END SOLUTION


course.check("wilson", wilson)

# %%
low, high = wilson(right["vgg16-scratch-seed0"].sum(), n)
print(f"61.8 %, interval {low:.1%} to {high:.1%}: about {100 * (high - low) / 2:.1f} points to either side.")
print(f"You expected {points_guess}.")
for size in (55, 359, 3589, 35887):
    low, high = wilson(round(0.618 * size), size)
    print(f"n = {size:6,}: {low:.1%} to {high:.1%}")

# %% [markdown]
# Ten times as many faces make the interval about three times as narrow, not ten.
#
# Does it keep its promise? Below, 10,000 test sets of 55 faces are drawn for a network whose true rate is known. How often does
# each interval contain it?

# %%
generator = np.random.default_rng(0)
rows = []
for true_rate in (0.02, 0.1, 0.3, 0.6):
    counts = generator.binomial(55, true_rate, 10_000)
    rate = counts / 55
    half = Z * np.sqrt(rate * (1 - rate) / 55)
    low, high = np.transpose([wilson(count, 55) for count in counts])
    usual = np.mean((rate - half <= true_rate) & (true_rate <= rate + half))
    rows.append({"true rate": true_rate, "usual": usual, "Wilson": np.mean((low <= true_rate) & (true_rate <= high))})
pd.DataFrame(rows).set_index("true rate").map("{:.1%}".format)

# %% [markdown]
# The usual interval fails where the rate is small: 0 of 55 gives it no width at all. Wilson's stays near 95 %. It is not exact,
# since counts are whole numbers.
#
# **Discuss.** PrivateTest has 55 faces of disgust, and networks find few of them. Which of these rows is theirs?

# %% [markdown]
# ## 3. Emotion by emotion (15 minutes)
#
# **Recall** of an emotion: of the faces that have this label, the share that was named so. Write `recall`: 7 rates, in the order of
# the codes 0 to 6; `np.nan` for a class without a face. `labels` and `predicted` are integer arrays.


# %%
def recall(labels, predicted):
    ### BEGIN SOLUTION
    rates = np.full(7, np.nan)
    for code in np.unique(labels):
        rates[code] = np.mean(predicted[labels == code] == code)
    return rates
    ### END SOLUTION


course.check("recall", recall)

# %%
table = pd.DataFrame({arm: recall(labels, answers[f"{arm}-seed0"]) for arm in ARMS}, index=EMOTIONS)
table.map("{:.0%}".format)

# %%
hits = int((answers["vgg16-finetune-seed0"][labels == 1] == 1).sum())
low, high = wilson(hits, int((labels == 1).sum()))
print(f"disgust, fine-tuned VGG16: {hits} of {(labels == 1).sum()}; interval {low:.1%} to {high:.1%}")

# %% [markdown]
# A recall of 0 of 55 is not the knowledge that it is 0: up to about one in fifteen would be no surprise.
#
# **Discuss.** Of the six networks above, five find not one disgusted face. How many points of accuracy can that cost them at
# most? Which number would you report to somebody who cares about disgust?

# %% [markdown]
# ## 4. Two networks, the same faces (23 minutes)
#
# Overlapping intervals do not show that two networks are equal: both saw the same faces, so what is hard about these faces drops
# out when they are compared face by face. **McNemar's test** looks only at faces on which exactly one of the two is right. If both were
# equally good, each such face would fall to either side like a coin.
#
# By hand: they differ on 10 faces, 8 to the first's favour, 2 to the second's. So few as 2, or fewer, of 10 throws: (1 + 10 +
# 45) / 1024 = 0.0547. Either could have been the rarer, so p = 2 · 0.0547 = 0.109. No proof of anything.
#
# Write `mcnemar`: the p value. `comb(d, k)` counts in how many ways k of d throws are heads; all ways are `2**d`. p is at most 1,
# and 1 if they differ nowhere. `first_right` and `second_right` are bool (n,).
#
# Mind one thing. Counts that NumPy made are 64-bit integers, and `2**d` then runs over at d = 63 without a word. Python's own integers
# have no end: make one with `int(...)`.


# %%
def mcnemar(first_right, second_right):
    ### BEGIN SOLUTION
    first_only = int(np.sum(first_right & ~second_right))
    differing = int(np.sum(first_right != second_right))
    rarer = min(first_only, differing - first_only)
    return min(1.0, 2 * sum(comb(differing, k) for k in range(rarer + 1)) / 2**differing)
    ### END SOLUTION


course.check("mcnemar", mcnemar)


# %%
def compared(first, second):
    """One row: what two networks have, and whether they can be told apart on these faces."""
    one, other = right[first], right[second]
    return {
        "first": f"{first} {one.mean():.1%}",
        "second": f"{second} {other.mean():.1%}",
        "only the first": int((one & ~other).sum()),
        "only the second": int((~one & other).sum()),
        "p": mcnemar(one, other),
    }


pairs = [("vgg16-scratch-seed0", "vgg16-scratch-seed1"), ("vgg16-finetune-seed2", "vgg16-finetune-seed1")]
pairs += [("vgg16-finetune-seed2", "resnet50-scratch-seed2"), ("resnet50-scratch-seed0", "vgg16-finetune-seed0")]
pd.DataFrame([compared(*pair) for pair in pairs])

# %% [markdown]
# **Look at seeds 2 and 1 of `vgg16-finetune`.** They are the *same arm*, and the test tells them apart. It is right: these two
# networks do differ on these faces. It just does not speak of the arm. To say that one *method* is better takes several seeds of each.
#
# **What people get wrong.** "p = 0.03, so the chance that they are equal is 3 %." No: p is how often equal networks would look
# at least this different.

# %% [markdown]
# ## 5. Many comparisons (17 minutes)
#
# Seed 0 of the six arms makes 15 pairs of networks. If nothing differed at all, 15 tests at 5 % would still find a "difference" in about half of all
# studies (1 − 0.95¹⁵ = 54 %, were they independent). **Holm's correction** keeps the chance of even one such false alarm at 5 % or below: of m p values, the smallest is multiplied
# by m, the next by m − 1, and so on; none may then be smaller than the one before it, and none above 1.
#
# By hand: 0.01, 0.04, 0.03. Sorted: 0.01 · 3 = 0.03; 0.03 · 2 = 0.06; 0.04 · 1 = 0.04, which is raised to 0.06. In the old
# order: 0.03, 0.06, 0.06. Before, three were below 0.05; now one is.


# %%
def holm(p_values):
    ### BEGIN SOLUTION
    order = np.argsort(p_values)
    corrected, largest = np.empty(len(p_values)), 0.0
    for place, index in enumerate(order):
        largest = max(largest, p_values[index] * (len(p_values) - place))
        corrected[index] = min(1.0, largest)
    return corrected
    ### END SOLUTION


course.check("holm", holm)

# %%
pairs = [(one, other) for place, one in enumerate(ARMS) for other in ARMS[place + 1 :]]
table = pd.DataFrame([compared(f"{one}-seed0", f"{other}-seed0") for one, other in pairs])
table["p, corrected"] = holm(table["p"].to_numpy())
table.sort_values("p").style.format({"p": "{:.2g}", "p, corrected": "{:.2g}"})

# %% [markdown]
# These six networks lie so far apart that the correction takes nothing away. That is about seed 0. With all three seeds, VGG16 and
# ResNet50 cannot be told apart by transfer learning, nor fine-tuned (notebook 07, section 7). All 18 networks make 153 pairs, some of them close. There it
# does, and more so with a tenth of the faces:

# %%
names = list(right)
close = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
for size in (len(labels), 359):
    p_values = np.array([mcnemar(right[one][:size], right[other][:size]) for one, other in close])
    before, after = (p_values < 0.05).sum(), (holm(p_values) < 0.05).sum()
    print(f"{size:5,} faces: {before} of {len(close)} pairs are below 0.05, {after} of them still are when corrected")

# %% [markdown]
# ## 6. Your result (5 minutes)
#
# The seeds of each arm, with the interval of each:

# %%
fig, ax = plt.subplots(figsize=(8, 4))
for place, name in enumerate(right):
    low, high = wilson(int(right[name].sum()), n)
    ax.errorbar(
        right[name].mean(), place, xerr=[[right[name].mean() - low], [high - right[name].mean()]], fmt="o", color="C0"
    )
ax.set(yticks=range(len(right)), yticklabels=list(right), xlabel="PrivateTest accuracy, with Wilson's 95 % interval")
ax.invert_yaxis()

# %% [markdown]
# Choose two arms. Write one sentence that a strict reader would sign: which two, on how many faces and seeds, by how many points
# they differ, how sure that is, and what it does not say.

# %%
own_sentence = ""
### BEGIN SOLUTION
own_sentence = (
    "On the same 3,589 faces VGG16 from scratch (61.2 % as the mean of three seeds) names 9.6 points more rightly than "
    "fine-tuned VGG16 (51.6 %); in all nine pairs of seeds McNemar's p is below 0.001, which is about these six networks, and "
    "three seeds an arm say little of further seeds; both have a quarter of the width and backbones of Tiny ImageNet, so it says "
    "nothing of full networks."
)
### END SOLUTION
course.check("own sentence", own_sentence)

# %% [markdown]
# ## Homework: the real data
#
# 1. `run.predictions["validation"]` holds the answers to PublicTest, which chose the epoch. How many of the 18 networks have a PublicTest
#    accuracy inside their PrivateTest interval? Are those outside it all on one side? What would you have expected?
# 2. Train one arm yourself (notebook 03, FER-2013, `WIDTH = 0.25`, another `SEED`), or use your own runs: set `RUNS`. How many
#    seeds would you need to tell your two best arms apart? (Begin with the standard deviation over seeds.)
# 3. Find a paper that compares two methods on one test set without an interval. How large would its test set have to be for its
#    difference to be wider than Wilson's interval?
