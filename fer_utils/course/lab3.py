"""Exercises of lab 3, how sure: Wilson's interval, recall, McNemar's test and Holm's correction."""

import re

import numpy as np
from sklearn import metrics

from fer_utils import evaluation
from fer_utils.course.kinds import WRITTEN, Function, Judged, Prediction
from fer_utils.names import EMOTIONS


def recall(labels, predicted):
    """Share of each class's images that are predicted correctly: float (7,), NaN for a class without an image."""
    codes = range(len(EMOTIONS))
    return metrics.recall_score(labels, predicted, labels=codes, average=None, zero_division=np.nan)


def mcnemar(first_right, second_right):
    return evaluation.mcnemar(first_right, second_right)["p_value"]


def _draw_count(generator, case):
    if case < 4:
        return [{"correct": 3, "n": 10}, {"correct": 0, "n": 10}, {"correct": 1, "n": 1}, {"correct": 0, "n": 55}][case]
    n = int(generator.integers(2, 4000))
    return {"correct": int(generator.integers(0, n + 1)), "n": n}


def _draw_predictions(generator, case):
    if case == 0:  # code 3 has a recall of 2 / 3 and a precision of 1
        return {"labels": np.array([3, 3, 3, 4]), "predicted": np.array([3, 3, 4, 4])}
    n = 4 + 3 * case
    labels = generator.integers(0, len(EMOTIONS), n)
    wrong = generator.random(n) < 0.5
    return {"labels": labels, "predicted": np.where(wrong, generator.integers(0, len(EMOTIONS), n), labels)}


def _draw_pair(generator, case):
    """The lab's example (8 to 2), a pair without a difference, and pairs that differ on up to hundreds of images."""
    if case == 0:
        return {"first_right": np.array([True] * 8 + [False] * 2), "second_right": np.array([False] * 8 + [True] * 2)}
    n = 10 + 20 * case
    first = generator.random(n) < 0.6
    turned = generator.random(n) < (0 if case == 1 else generator.uniform(0.05, 0.4))
    onesided = generator.random(n) < generator.uniform(0, 0.8)
    return {"first_right": first, "second_right": np.where(turned & (first | ~onesided), ~first, first)}


def _draw_p_values(generator, case):
    if case == 0:
        return {"p_values": np.array([0.01, 0.04, 0.03])}  # the lab's example
    p_values = generator.random(1 + case // 3) ** 3
    if len(p_values) > 3:
        p_values[1] = p_values[2]  # a tie
    return {"p_values": p_values}


def _a_sentence(text):
    if not isinstance(text, str) or len(text.split()) < 12:
        return "Write a sentence of at least twelve words."
    if not re.search(r"\b\d", text):  # the digits in VGG16 do not count
        return "Put numbers into your sentence: the difference, the number of faces, and how sure it is."
    return None


EXERCISES = {
    "points guess": Prediction(0.1, 50, "a number of percentage points"),
    "own sentence": Judged(
        _a_sentence, "Name the two arms, n, the difference, the p value, and what the result does not show.", WRITTEN
    ),
    "wilson": Function(
        evaluation.wilson_interval,
        _draw_count,
        "Work out the case of 3 right of 10 by hand: rate, z * z / n, centre, half width. Centre and half width are "
        "both divided by 1 + z * z / n. Return the two ends, low first, as rates, not rounded.",
        tolerance=1e-4,
    ),
    "recall": Function(
        recall,
        _draw_predictions,
        "For each code, take the images whose *label* is this code. Which share of them is predicted as this code? The "
        "recall of a class without an image is np.nan. (If you divide by the images *predicted* as this code, you get "
        "the precision.)",
    ),
    "mcnemar": Function(
        mcnemar,
        _draw_pair,
        "Count only the d images on which the two networks differ. How likely is it that d tosses of a coin show the "
        "rarer side this often or less? Double it, since either side may be the rarer one. p is at most 1. If the "
        "networks differ nowhere, p is 1. If only large counts go wrong, convert the counts with int(...).",
    ),
    "holm": Function(
        evaluation.holm,
        _draw_p_values,
        "Sort the m values. Multiply the smallest by m, the next by m - 1, and so on. Then no value may be smaller "
        "than the one before it, and none may be above 1. Return the values in their old order.",
    ),
}
