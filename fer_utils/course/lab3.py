"""Exercises of lab 3, how sure: Wilson's interval, recall, McNemar's test, Holm's correction."""

import re

import numpy as np
from sklearn import metrics

from fer_utils import evaluation
from fer_utils.course.kinds import WRITTEN, Function, Judged, Prediction
from fer_utils.names import EMOTIONS


def recall(labels, predicted):
    """Share of each class's images that were named rightly: float (7,), NaN for a class without an image."""
    codes = range(len(EMOTIONS))
    return metrics.recall_score(labels, predicted, labels=codes, average=None, zero_division=np.nan)


def mcnemar(first_right, second_right):
    return evaluation.mcnemar(first_right, second_right)["p_value"]


def _draw_count(generator, case):
    n = [10, 10, 1, 55][case] if case < 4 else int(generator.integers(2, 4000))
    correct = [3, 0, 1, 0][case] if case < 4 else int(generator.integers(0, n + 1))
    return {"correct": correct, "n": n}


def _draw_answers(generator, case):
    if case == 0:  # recall of the code 3 is 2 / 3, its precision 1
        return {"labels": np.array([3, 3, 3, 4]), "predicted": np.array([3, 3, 4, 4])}
    n = 4 + 3 * case
    labels = generator.integers(0, len(EMOTIONS), n)
    wrong = generator.random(n) < 0.5
    return {"labels": labels, "predicted": np.where(wrong, generator.integers(0, len(EMOTIONS), n), labels)}


def _draw_pair(generator, case):
    """The lab's own case (8 to 2), a pair that differs nowhere, and pairs that differ on up to hundreds of images."""
    if case == 0:
        return {"first_right": np.array([True] * 8 + [False] * 2), "second_right": np.array([False] * 8 + [True] * 2)}
    n = 10 + 20 * case
    first = generator.random(n) < 0.6
    turned = generator.random(n) < (0 if case == 1 else generator.uniform(0.05, 0.4))
    onesided = generator.random(n) < generator.uniform(0, 0.8)
    return {"first_right": first, "second_right": np.where(turned & (first | ~onesided), ~first, first)}


def _draw_p_values(generator, case):
    if case == 0:
        return {"p_values": np.array([0.01, 0.04, 0.03])}  # the lab's own case
    p_values = generator.random(1 + case // 3) ** 3
    if len(p_values) > 3:
        p_values[1] = p_values[2]  # a tie
    return {"p_values": p_values}


def _a_sentence(text):
    if not isinstance(text, str) or len(text.split()) < 12:
        return "A sentence of at least twelve words is asked for."
    numbers = re.findall(r"\b\d", text)  # not the one of VGG16
    return None if numbers else "A result has numbers in it: how much, of how many, how sure."


EXERCISES = {
    "points guess": Prediction(0.1, 50, "points"),
    "own sentence": Judged(
        _a_sentence, "Which two arms, what n, what difference, what p value, what does it not say?", WRITTEN
    ),
    "wilson": Function(
        evaluation.wilson_interval,
        _draw_count,
        "Work the case of 3 right of 10 by hand, step by step: rate, z * z / n, the centre, the half width; both are "
        "divided by 1 + z * z / n. Return the two ends, low first, as rates, not rounded.",
        tolerance=1e-4,
    ),
    "recall": Function(
        recall,
        _draw_answers,
        "For each code, take the images whose *label* is this code. Which share of them was named so? A class without "
        "an image has no recall: np.nan. (Dividing by those that were *named* so is precision.)",
    ),
    "mcnemar": Function(
        mcnemar,
        _draw_pair,
        "Only images on which the two differ count. How likely is it that d throws of a coin show the rarer side so "
        "few times, or fewer? Twice that, since either side may be the rarer; never above 1. If they differ nowhere, "
        "the p value is 1. If only large counts go wrong: are they Python integers, from int(...)?",
    ),
    "holm": Function(
        evaluation.holm,
        _draw_p_values,
        "Sort. The smallest of m is multiplied by m, the next by m - 1, and so on. Then none may be smaller than the "
        "one before it, and none above 1. Give them back in the order in which they came.",
    ),
}
