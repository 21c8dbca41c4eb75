"""Intervals for the metrics of one split: bootstrap, and Wilson's for the recalls."""

import numpy as np
import pandas as pd

from fer_utils.evaluation.intervals import TAILS, draws, wilson_interval
from fer_utils.evaluation.metrics import _calibration_gaps, _floored, _with_ties
from fer_utils.names import EMOTIONS
from fer_utils.runs.predictions import checked


def metric_intervals(labels, probabilities, samples=2000, seed=0) -> dict[str, list[float] | None]:
    """95 % intervals for the metrics of one split, over other test images: metric -> [low, high].

    labels, probabilities: as for ``summarize``. ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``macro_auc``,
    ``log_loss`` and ``calibration_error`` have percentile bootstrap intervals: the images are drawn again with
    replacement (Efron, Tibshirani 1993, chapter 13). The interval of the calibration error lies too high: drawing again
    adds noise to each bin, and the error counts it as a gap. If a resample misses a rare class, the means are over the
    other classes. ``recall <emotion>`` has Wilson's interval, since a bootstrap of 0 correct among 55 faces would be 0
    to 0. The recall of an absent class has None.
    """
    labels, probabilities = checked(labels, probabilities)
    drawn = [_resampled_measures(labels, probabilities, counts) for counts in draws(len(labels), samples, seed)]
    intervals = {}
    for name in drawn[0]:
        values = np.concatenate([part[name] for part in drawn])
        values = values[~np.isnan(values)]
        intervals[name] = [float(bound) for bound in np.quantile(values, TAILS)] if values.size else None
    right = probabilities.argmax(axis=1) == labels
    for code, emotion in enumerate(EMOTIONS):
        own = right[labels == code]
        intervals[f"recall {emotion}"] = list(wilson_interval(own.sum(), own.size)) if own.size else None
    return intervals


def _resampled_measures(labels, probabilities, counts) -> dict[str, np.ndarray]:
    """Every metric of each resample: name -> floats (samples,). counts: (samples, n), how often each image is drawn."""
    classes, n = len(EMOTIONS), len(labels)
    predicted = probabilities.argmax(axis=1)
    cells = np.zeros((n, classes * classes))
    cells[np.arange(n), labels * classes + predicted] = 1
    confusion = (counts @ cells).reshape(-1, classes, classes)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    with np.errstate(invalid="ignore"):
        recall = right / confusion.sum(axis=2)
        f1 = 2 * right / (confusion.sum(axis=2) + confusion.sum(axis=1))
    aucs = np.stack([_weighted_auc(labels == code, probabilities[:, code], counts) for code in range(classes)], axis=1)
    losses = -np.log(_floored(probabilities)[np.arange(n), labels])
    gaps = _calibration_gaps(labels, probabilities)
    return {
        "accuracy": right.sum(axis=1) / n,
        "balanced_accuracy": pd.DataFrame(recall).mean(axis=1).to_numpy(),
        "macro_f1": pd.DataFrame(f1).mean(axis=1).to_numpy(),
        "macro_auc": pd.DataFrame(aucs).mean(axis=1).to_numpy(),
        "log_loss": counts @ losses / n,
        "calibration_error": np.abs(counts @ gaps).sum(axis=1) / n,
    }


def _weighted_auc(is_class, score, counts) -> np.ndarray:
    """Area under the ROC curve of each resample (samples,): the share of pairs in the right order, ties count half."""
    values, group = np.unique(_with_ties(score), return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(values)))
    positive = np.add.reduceat((counts * is_class)[:, order], starts, axis=1)
    negative = np.add.reduceat((counts * ~is_class)[:, order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore"):
        return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))
