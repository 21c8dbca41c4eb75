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
# **90 minutes. One network has an accuracy of 61.8 %, another has 61.0 %. Is the first network better, or was it lucky?**
#
# | | |
# |---|---|
# | You can do afterwards | put an interval on an accuracy; compare two networks on the same images; correct for many comparisons |
# | You need | lab 1; Python functions, NumPy masks; what a probability is |
# | Belongs to | notebook [06_compare_strategies](../notebooks/06_compare_strategies.ipynb) |
# | Words | [glossary](../docs/glossary.md) |
#
# You work with real predictions. 18 trained networks predicted each of the 3,589 faces of FER-2013's PrivateTest. You need only
# the predictions, not the faces. Nothing is trained, so every cell takes about a second. How to open this lab:
# [Start](README.md#start).
#
# The name of a network says its architecture (`vgg16` or `resnet50`) and how it was trained:
#
# - `scratch`: from random weights;
# - `transfer`: on features that were learned for another task;
# - `finetune`: like `transfer`, but then these features were trained further.
#
# An *arm* is an architecture together with one of these ways. A *seed* is the random start of a training. Each arm has three
# seeds. Lab 4 asks what the three ways are worth.

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
# `vgg16-scratch-seed0` predicts 61.8 % of these 3,589 faces correctly. Its true rate, over all faces of this kind, is unknown.
# We want an interval around 61.8 %. 95 of 100 such intervals must contain the true rate. **How many percentage points must the
# interval reach to either side?** Half a percent is 0.5 points.

# %%
points_guess = None
### BEGIN SOLUTION
points_guess = 0.5
### END SOLUTION
course.check("points guess", points_guess)

# %% [markdown]
# ## 2. An interval for a share (25 minutes)
#
# If k of n predictions are correct, the rate is k / n. The usual interval is rate ± z · sqrt(rate · (1 − rate) / n). It fails
# for few images, and for rates near 0 or 1. For 0 of 55 it is 0 to 0, as if we were certain. **Wilson's interval** contains the
# true rates for which our rate would be no surprise. Its two ends are low = centre − half and high = centre + half, with
#
# centre = (rate + z² / (2n)) / (1 + z² / n)
#
# half = z · sqrt(rate · (1 − rate) / n + z² / (4n²)) / (1 + z² / n)
#
# and z = 1.96 for 95 %.
#
# By hand, for 3 of 10:
#
# - rate = 0.3, z² = 3.84, z² / n = 0.384
# - centre = (0.3 + 0.192) / 1.384 = 0.356
# - half = 1.96 · sqrt(0.021 + 0.0096) / 1.384 = 0.248
#
# So the interval is 0.108 to 0.603. Three of ten says little about the true rate.
#
# Write `wilson`. It returns low and high, not rounded.

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
rate = right["vgg16-scratch-seed0"].mean()
low, high = wilson(right["vgg16-scratch-seed0"].sum(), n)
print(f"{rate:.1%}, interval {low:.1%} to {high:.1%}: about {100 * (high - low) / 2:.1f} points to either side.")
print(f"You expected {points_guess}.")
for size in (55, 359, 3589, 35887):
    low, high = wilson(round(rate * size), size)
    print(f"n = {size:6,}: {low:.1%} to {high:.1%}")

# %% [markdown]
# With ten times as many faces, the interval is only about three times as narrow.
#
# Do 95 % of the intervals contain the true rate? The next cell draws 10,000 test sets of 55 faces for a network whose true rate
# is known. It counts how often each kind of interval contains this rate.

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
# The usual interval fails where the rate is small. For 0 of 55, its width is zero. Wilson's interval stays near 95 %. It is not
# exactly 95 %, because counts are whole numbers.
#
# **Discuss.** PrivateTest has 55 faces of disgust, and networks find few of them. Which row of the table is about such
# networks?

# %% [markdown]
# ## 3. Emotion by emotion (15 minutes)
#
# The **recall** of an emotion is a share. Take all faces with this label. The recall is the share that the network predicts as
# this emotion.
#
# Write `recall`. It returns 7 rates, in the order of the codes 0 to 6. The rate of a class without a face is `np.nan`. `labels`
# and `predicted` are integer arrays.


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
table = pd.DataFrame({arm: list(recall(labels, answers[f"{arm}-seed0"])) for arm in ARMS}, index=EMOTIONS)
table.map("{:.0%}".format)

# %%
hits = int((answers["vgg16-finetune-seed0"][labels == 1] == 1).sum())
low, high = wilson(hits, int((labels == 1).sum()))
print(f"disgust, fine-tuned VGG16: {hits} of {(labels == 1).sum()}; interval {low:.1%} to {high:.1%}")

# %% [markdown]
# 0 of 55 found does not mean that the true recall is 0. A true recall of up to about one in fifteen would be no surprise.
#
# **Discuss.** Of the six networks above, five find no disgusted face. How many percentage points of accuracy can this cost them
# at most? Which number would you report to somebody who cares about disgust?

# %% [markdown]
# ## 4. Two networks, the same faces (23 minutes)
#
# If two intervals overlap, the networks may still differ. Both networks predicted the same faces. So compare the networks face
# by face. Then the difficulty of the faces cancels out. **McNemar's test** uses only the faces on which exactly one of the two
# networks is right. If both networks were equally good, each of these faces would be like a coin toss.
#
# By hand: two networks differ on 10 faces. On 8 of these, only the first network is right. On 2, only the second is right. The
# probability of 2 or fewer heads in 10 tosses is (1 + 10 + 45) / 1024 = 0.0547. Either network could have been the worse one,
# so p = 2 · 0.0547 = 0.109. This does not show a difference.
#
# Write `mcnemar`. It returns the p value. `comb(d, k)` is the number of ways in which k of d tosses are heads. There are `2**d`
# ways in all. p is at most 1. If the networks differ on no face, p is 1. `first_right` and `second_right` are bool of shape
# (n,).
#
# Convert your counts with `int(...)`. Counts that NumPy made are 64-bit integers, and `2**d` overflows at d = 63 without a
# warning. Python's own integers have no limit.


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
    """One row: the accuracies of two networks, and McNemar's p value on these faces."""
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
# **Look at seeds 2 and 1 of `vgg16-finetune`.** They belong to the *same arm*, but the test finds a significant difference. The
# test is right: these two networks differ on these faces. But the test is about the two networks, not about the arm. To show
# that one *method* is better, you need several seeds of each method.
#
# **Common mistake.** "p = 0.03, so the probability that they are equal is 3 %." This is wrong. p is the probability that two
# equally good networks look at least this different.

# %% [markdown]
# ## 5. Many comparisons (17 minutes)
#
# Seed 0 of the six arms makes 15 pairs of networks. Suppose that no two networks truly differ. 15 tests at 5 % would still find
# a "difference" in about half of all studies. (If the tests were independent, it would be 1 − 0.95¹⁵ = 54 %.) **Holm's
# correction** keeps the probability of even one such false alarm at 5 % or below.
#
# Write `holm`. It takes m p values and returns the corrected ones, in the same order. Do these steps:
#
# 1. Sort the p values.
# 2. Multiply the smallest by m, the next by m − 1, and so on.
# 3. If a value is now smaller than the one before it, raise it to that one. If a value is above 1, set it to 1.
#
# By hand, for 0.01, 0.04, 0.03:
#
# - Sorted and multiplied: 0.01 · 3 = 0.03, then 0.03 · 2 = 0.06, then 0.04 · 1 = 0.04. The last value is raised to 0.06.
# - In the old order: 0.03, 0.06, 0.06.
#
# Before the correction, three values were below 0.05. After the correction, one value is.


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
# These six networks lie far apart, so the correction removes no significant difference. This table is about seed 0 only. With
# all three seeds, VGG16 and ResNet50 do not differ significantly with transfer learning. They do not differ significantly when
# fine-tuned, either (notebook 07, section 7).
#
# All 18 networks make 153 pairs, and some of these pairs are close. There, the correction removes significant differences. It
# removes more of them with a tenth of the faces:

# %%
names = list(right)
close = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
for size in (len(labels), 359):
    p_values = np.array([mcnemar(right[one][:size], right[other][:size]) for one, other in close])
    before, after = (p_values < 0.05).sum(), (np.array(holm(p_values)) < 0.05).sum()
    print(f"{size:5,} faces: {before} of {len(close)} pairs are below 0.05, {after} of them still are when corrected")

# %% [markdown]
# ## 6. Your result (5 minutes)
#
# The next cell shows all seeds of each arm, with the interval of each:

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
# Choose two arms. Write one sentence about them that a strict reader would accept. Say which two arms you compare, on how many
# faces, and with how many seeds. Say by how many percentage points they differ, how sure that is, and what your sentence does
# not show.

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
# 1. `run.predictions["validation"]` holds the predictions for PublicTest, which was used to choose the epoch. Compare each
#    network's PublicTest accuracy with its PrivateTest interval. For how many of the 18 networks does it lie inside? Do the
#    others all lie on one side? What would you have expected?
# 2. Train one arm yourself (notebook 03, FER-2013, `WIDTH = 0.25`, another `SEED`), or use your own runs: set `RUNS`. How many
#    seeds would you need to show that your two best arms differ? (Begin with the standard deviation over seeds.)
# 3. Find a paper that compares two methods on one test set without an interval. How many test faces would make Wilson's
#    interval narrower than the difference of the two methods?
