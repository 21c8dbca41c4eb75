"""Metrics of one split: what is right, how sure that number is, and which class is taken for which.

Everything takes arrays and returns plain numbers, so the result can go straight into ``metrics.json``.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from sklearn import metrics

from fer_utils.data import EMOTIONS

ROW_SUM_TOLERANCE = 1e-3
# Keras clips probabilities here before it takes the logarithm. The same floor makes our log loss agree with the
# ``val_loss`` of the history instead of punishing a float32 zero with 36 nats.
PROBABILITY_FLOOR = 1e-7


def summarize(labels, probabilities) -> dict:
    """Every metric of one split.

    Parameters
    ----------
    labels: integers (n,), 0 to 6, in the order of ``EMOTIONS``.
    probabilities: floats (n, 7), each row summing to 1. The prediction is the most probable class; a tie goes to the
        lower code.

    Returns
    -------
    A dict that ``json.dumps`` accepts, all rates between 0 and 1:

    - ``n``, ``accuracy``, ``accuracy_interval`` ([low, high], Wilson, 95 %)
    - ``balanced_accuracy`` (mean recall), ``macro_f1``, ``macro_auc`` (mean of one class against the rest),
      ``log_loss`` (nats per image)
    - ``per_class``: emotion -> ``precision``, ``recall``, ``f1``, ``auc``, ``support``
    - ``confusion_matrix``: 7 x 7 counts, rows true, columns predicted

    A measure with nothing to divide by (the recall and AUC of a class absent from ``labels``, the precision of a class
    never predicted) is None, and the means are taken over the classes that have one, as scikit-learn does.

    Raises ValueError that names what is wrong and where.
    """
    labels, probabilities = _checked(labels, probabilities)
    codes = np.arange(len(EMOTIONS))
    predicted = probabilities.argmax(axis=1)
    correct = int((predicted == labels).sum())
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=codes, zero_division=np.nan
    )
    auc = np.array([_one_against_rest_auc(labels == code, probabilities[:, code]) for code in codes])
    per_class = {
        emotion: {
            "precision": _number(precision[code]),
            "recall": _number(recall[code]),
            "f1": _number(f1[code]),
            "auc": _number(auc[code]),
            "support": int(support[code]),
        }
        for code, emotion in enumerate(EMOTIONS)
    }
    return {
        "n": len(labels),
        "accuracy": correct / len(labels),
        "accuracy_interval": list(wilson_interval(correct, len(labels))),
        "balanced_accuracy": _mean(recall),
        "macro_f1": _mean(f1),
        "macro_auc": _mean(auc),
        "log_loss": _log_loss(labels, probabilities),
        "per_class": per_class,
        "confusion_matrix": metrics.confusion_matrix(labels, predicted, labels=codes).tolist(),
    }


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the rate ``correct / n``: (low, high), both within 0 to 1.

    It holds its coverage near 0 and 1 and for small n, where the usual plus-minus interval leaves the unit range
    (Wilson 1927, doi:10.1080/01621459.1927.10502953). It covers the draw of the test images, not the training seed.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"wilson_interval needs 0 <= correct <= n and n >= 1, got correct={correct}, n={n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    interval = stats.binomtest(int(correct), int(n)).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


def _checked(labels, probabilities) -> tuple[np.ndarray, np.ndarray]:
    """labels int64 (n,) and probabilities float64 (n, 7) with rows that sum to exactly 1, or one clear ValueError."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    classes = len(EMOTIONS)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers of shape (n,), got {labels.dtype} of shape {labels.shape}")
    if probabilities.shape != (len(labels), classes) or probabilities.dtype.kind not in "fiu":
        raise ValueError(
            f"probabilities must be floats of shape ({len(labels)}, {classes}), one row a label, "
            f"got {probabilities.dtype} of shape {probabilities.shape}"
        )
    if len(labels) == 0:
        raise ValueError("labels are empty: there is nothing to evaluate")
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        row = outside[0]
        raise ValueError(f"labels must lie in 0 to {classes - 1}, got {labels[row]} at row {row}{_others(outside)}")
    # float64 before the sums: seven float16 or float32 numbers add up to 1 only roughly.
    probabilities = probabilities.astype(np.float64)
    not_finite = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if not_finite.size:
        raise ValueError(f"probabilities hold NaN or infinity at row {not_finite[0]}{_others(not_finite)}")
    negative = np.flatnonzero((probabilities < 0).any(axis=1))
    if negative.size:
        raise ValueError(
            f"probabilities hold a negative number at row {negative[0]}{_others(negative)}: are these logits?"
        )
    sums = probabilities.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > ROW_SUM_TOLERANCE)
    if off.size:
        raise ValueError(f"probabilities must sum to 1, row {off[0]} sums to {sums[off[0]]:.6g}{_others(off)}")
    return labels.astype(np.int64), probabilities / sums[:, np.newaxis]


def _others(rows: np.ndarray) -> str:
    return f" (and {rows.size - 1} more)" if rows.size > 1 else ""


def _one_against_rest_auc(is_class: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve of one class, or NaN where only one of the two sides is there."""
    if is_class.all() or not is_class.any():
        return np.nan
    return metrics.roc_auc_score(is_class, score)


def _log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    floored = np.clip(probabilities, PROBABILITY_FLOOR, 1.0)
    floored /= floored.sum(axis=1, keepdims=True)
    return float(metrics.log_loss(labels, floored, labels=np.arange(len(EMOTIONS))))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: np.ndarray) -> float | None:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else None
