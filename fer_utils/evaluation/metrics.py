"""Metrics of one split: accuracy, confusion matrix and calibration.

All functions take arrays and return plain numbers or tables, which fit into a JSON or CSV file. Their input is a run's
``predictions.npz``, so they need no images and no GPU.

The package separates three kinds of chance: the choice of test images (Wilson, bootstrap, McNemar), the training seed
(``over_seeds``), and a lucky result among many comparisons (``holm``).
"""

import numpy as np
import pandas as pd
from sklearn import metrics

from fer_utils.evaluation.intervals import wilson_interval
from fer_utils.names import EMOTIONS
from fer_utils.runs.predictions import checked

# Keras clips probabilities here before it takes the logarithm. With the same floor, our log loss agrees with the
# history's ``val_loss``. With scikit-learn's own floor, a probability of 0 would cost 36 nats.
PROBABILITY_FLOOR = 1e-7

BINS = 15  # of the predicted class's probability, for calibration: as in Guo et al. 2017, arXiv:1706.04599


def summarize(labels, probabilities) -> dict:
    """Compute every metric of one split: a dict that ``json.dumps`` accepts, with rates from 0 to 1.

    labels: integers (n,), 0 to 6, in the order of ``EMOTIONS``. probabilities: floats (n, 7), each row summing to 1.
    The prediction is the most probable class, and in a tie the one with the lower code. Keys:

    - ``n``, ``accuracy``, ``accuracy_interval`` ([low, high], Wilson, 95 %)
    - ``balanced_accuracy`` (mean recall), ``macro_f1``, ``macro_auc`` (mean of one class against the rest),
      ``log_loss`` (nats per image)
    - ``per_class``: emotion -> ``precision``, ``recall``, ``f1``, ``auc``, ``support``
    - ``confusion_matrix``: 7 x 7 counts, rows true, columns predicted

    A metric with a zero denominator is None: recall and AUC of a class absent from ``labels``, precision of a class
    never predicted. The means are over the other classes, as in scikit-learn. Raises ValueError that names what is
    wrong, and where.
    """
    labels, probabilities = checked(labels, probabilities)
    codes = np.arange(len(EMOTIONS))
    predicted = probabilities.argmax(axis=1)
    correct = int((predicted == labels).sum())
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=codes, zero_division=np.nan
    )
    auc = np.array([_one_against_rest_auc(labels == code, probabilities[:, code]) for code in codes])
    per_class = {}
    for code, emotion in enumerate(EMOTIONS):
        rates = {"precision": precision[code], "recall": recall[code], "f1": f1[code], "auc": auc[code]}
        per_class[emotion] = {name: _number(value) for name, value in rates.items()} | {"support": int(support[code])}
    return {
        "n": len(labels),
        "accuracy": correct / len(labels),
        "accuracy_interval": list(wilson_interval(correct, len(labels))),
        "balanced_accuracy": _number(pd.Series(recall).mean()),
        "macro_f1": _number(pd.Series(f1).mean()),
        "macro_auc": _number(pd.Series(auc).mean()),
        "log_loss": float(metrics.log_loss(labels, _floored(probabilities), labels=codes)),
        "per_class": per_class,
        "confusion_matrix": metrics.confusion_matrix(labels, predicted, labels=codes).tolist(),
    }


def reliability(labels, probabilities) -> pd.DataFrame:
    """The data of a reliability diagram: one row for each of 15 equal ranges of the predicted class's probability.

    Columns: low, high (the range, without low itself), n (images in it), confidence (their mean probability), accuracy.
    The last two are NaN where n is 0.
    """
    labels, probabilities = checked(labels, probabilities)
    edges = np.linspace(0, 1, BINS + 1)
    right = probabilities.argmax(axis=1) == labels
    index = _calibration_bin(probabilities.max(axis=1))
    n = np.bincount(index, minlength=BINS)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(index, probabilities.max(axis=1), BINS) / n
        accuracy = np.bincount(index, right, BINS) / n
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "n": n, "confidence": confidence, "accuracy": accuracy})


def calibration_error(labels, probabilities) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy over the bins, weighted by n.

    From 0 to 1; Guo et al. 2017 (arXiv:1706.04599), equation 3. Compare only errors with the same number of bins.
    """
    labels, probabilities = checked(labels, probabilities)
    gaps = _calibration_gaps(labels, probabilities)
    return float(np.abs(gaps.sum(axis=0)).sum() / len(labels))


def _calibration_bin(confidence) -> np.ndarray:
    return np.ceil(confidence * BINS).astype(int).clip(1, BINS) - 1


def _calibration_gaps(labels, probabilities) -> np.ndarray:
    """Right (1 or 0) minus confidence of each image, in the column of its bin: floats (n, BINS), 0 elsewhere."""
    confidence = probabilities.max(axis=1)
    gaps = np.zeros((len(labels), BINS))
    right = probabilities.argmax(axis=1) == labels
    gaps[np.arange(len(labels)), _calibration_bin(confidence)] = right - confidence
    return gaps


def _one_against_rest_auc(is_class: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve of one class against the rest; NaN if one of the two is empty."""
    if is_class.all() or not is_class.any():
        return np.nan
    return metrics.roc_auc_score(is_class, _with_ties(score))


def _with_ties(score: np.ndarray) -> np.ndarray:
    """Scores as float32, in which ties are ties although ``checked`` divided by sums that differ by rounding errors.

    Scores that were stored as float16 have larger rounding errors, so ``checked`` can break their ties.
    """
    return score.astype(np.float32)


def _floored(probabilities: np.ndarray) -> np.ndarray:
    floored = np.clip(probabilities, PROBABILITY_FLOOR, 1.0)
    return floored / floored.sum(axis=1, keepdims=True)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
