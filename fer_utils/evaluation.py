"""Metrics of one split: what is right, how sure that number is, which class is taken for which; and paired tests.

Everything takes arrays and returns plain numbers or tables, so the result can go straight into a JSON or CSV file.
All of it can be recomputed from a run's ``predictions.npz``, without the images and without a GPU.

Three kinds of chance are kept apart: which images happened to be tested (Wilson, bootstrap, McNemar), which seed a
network was trained from (``over_seeds``), and that of many comparisons one is lucky (``holm``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics

from fer_utils.data import EMOTIONS

ROW_SUM_TOLERANCE = 1e-3
# Keras clips probabilities here before it takes the logarithm. The same floor makes our log loss agree with the
# ``val_loss`` of the history instead of punishing a float32 zero with 36 nats.
PROBABILITY_FLOOR = 1e-7
RESAMPLES_AT_ONCE = 100  # bootstrap samples that are held in memory together
CALIBRATION_BINS = 15  # as in Guo et al. 2017, arXiv:1706.04599


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
    labels, probabilities = checked(labels, probabilities)
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
    confidence = _checked_confidence(confidence)
    interval = stats.binomtest(int(correct), int(n)).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


# --- intervals -------------------------------------------------------------------------------------------------------


def bootstrap_intervals(labels, probabilities, samples=2000, seed=0, confidence=0.95) -> dict[str, list[float] | None]:
    """Percentile bootstrap intervals of the metrics of one split, from drawing its images again with replacement.

    labels, probabilities: as for ``summarize``. Returns measure -> [low, high] for ``accuracy``,
    ``balanced_accuracy``, ``macro_f1``, ``macro_auc``, ``log_loss``, ``calibration_error`` and ``recall <emotion>``;
    None for the recall of a class that is absent. In a resample that misses a rare class, the means are taken over
    the classes that it has. (Efron, Tibshirani 1993, chapter 13.)
    """
    labels, probabilities = checked(labels, probabilities)
    confidence = _checked_confidence(confidence)
    generator = np.random.default_rng(seed)
    drawn = []
    for start in range(0, samples, RESAMPLES_AT_ONCE):
        size = min(RESAMPLES_AT_ONCE, samples - start)
        drawn.append(_resampled_measures(labels, probabilities, _draw_counts(generator, len(labels), size)))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    intervals = {}
    for name in drawn[0]:
        values = np.concatenate([part[name] for part in drawn])
        values = values[~np.isnan(values)]
        intervals[name] = [float(bound) for bound in np.quantile(values, tails)] if values.size else None
    return intervals


def _draw_counts(generator, n, size) -> np.ndarray:
    """How often each of n images is in each of `size` resamples: float64 (size, n)."""
    rows = generator.integers(0, n, (size, n)) + n * np.arange(size)[:, np.newaxis]
    return np.bincount(rows.ravel(), minlength=size * n).reshape(size, n).astype(float)


def _resampled_measures(labels, probabilities, counts) -> dict[str, np.ndarray]:
    """Every measure of each resample, floats (samples,); counts (samples, n) says how often each image was drawn."""
    classes, n = len(EMOTIONS), len(labels)
    predicted = probabilities.argmax(axis=1)
    cells = np.zeros((n, classes * classes))
    cells[np.arange(n), labels * classes + predicted] = 1
    confusion = (counts @ cells).reshape(-1, classes, classes)
    right, true, guessed = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2), confusion.sum(axis=1)
    with np.errstate(invalid="ignore"):
        recall = right / true
        f1 = 2 * right / (true + guessed)
    aucs = np.stack([_weighted_auc(labels == code, probabilities[:, code], counts) for code in range(classes)], axis=1)
    losses = -np.log(_floored(probabilities)[np.arange(n), labels])
    gaps = _calibration_gaps(labels, probabilities)
    return {
        "accuracy": right.sum(axis=1) / n,
        "balanced_accuracy": _row_means(recall),
        "macro_f1": _row_means(f1),
        "macro_auc": _row_means(aucs),
        "log_loss": counts @ losses / n,
        "calibration_error": np.abs(counts @ gaps).sum(axis=1) / n,
        **{f"recall {emotion}": recall[:, code] for code, emotion in enumerate(EMOTIONS)},
    }


def _weighted_auc(is_class, score, counts) -> np.ndarray:
    """Area under the ROC curve of each resample (samples,): the share of pairs in order, ties counted as half."""
    values, group = np.unique(score, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(values)))
    positive = np.add.reduceat((counts * is_class)[:, order], starts, axis=1)
    negative = np.add.reduceat((counts * ~is_class)[:, order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore"):
        return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))


def _row_means(values) -> np.ndarray:
    """Mean of each row over the numbers that are there; NaN for a row without any."""
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(present, values, 0).sum(axis=1) / present.sum(axis=1)


def over_seeds(values, confidence=0.95) -> dict[str, float | int | None]:
    """Mean, standard deviation and t interval of the mean over seeds: n, mean, sd (n - 1), low, high.

    It covers which seed was drawn, for the test images at hand. With one seed, sd, low and high are None.
    """
    values, confidence = np.asarray(values, float), _checked_confidence(confidence)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"over_seeds needs one finite number a seed, got {values.tolist()}")
    result = {"n": values.size, "mean": float(values.mean()), "sd": None, "low": None, "high": None}
    if values.size > 1:
        deviation = float(values.std(ddof=1))
        half = float(stats.t.ppf((1 + confidence) / 2, values.size - 1)) * deviation / np.sqrt(values.size)
        result |= {"sd": deviation, "low": float(result["mean"] - half), "high": float(result["mean"] + half)}
    return result


def pooled_over_seeds(groups) -> tuple[float, int]:
    """Variance of one run around its arm's mean over seeds, pooled over arms, and its degrees of freedom.

    groups: for each arm, its numbers, one a seed. Arms with one seed add nothing; (0.0, 0) if no arm has two. Pooling
    takes all arms to vary alike over seeds, which few seeds an arm can neither show nor refute.
    """
    groups = [np.asarray(values, float) for values in groups]
    freedom = sum(values.size - 1 for values in groups)
    squares = sum(((values - values.mean()) ** 2).sum() for values in groups)
    return (float(squares / freedom), freedom) if freedom else (0.0, 0)


# --- calibration -----------------------------------------------------------------------------------------------------


def reliability(labels, probabilities, bins=CALIBRATION_BINS) -> pd.DataFrame:
    """What a reliability diagram shows: a row for each of `bins` equal ranges of the predicted class's probability.

    Columns: low, high (the range, low excluded), n (images in it), confidence (their mean probability), accuracy; the
    last two are NaN where n is 0.
    """
    labels, probabilities = checked(labels, probabilities)
    edges = np.linspace(0, 1, bins + 1)
    right = probabilities.argmax(axis=1) == labels
    index = _calibration_bin(probabilities.max(axis=1), bins)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(index, probabilities.max(axis=1), bins) / count
        accuracy = np.bincount(index, right, bins) / count
    return pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "n": count, "confidence": confidence, "accuracy": accuracy}
    )


def calibration_error(labels, probabilities, bins=CALIBRATION_BINS) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy over the bins, weighted by n.

    Between 0 and 1; Guo et al. 2017 (arXiv:1706.04599), equation 3. It depends on the bins, so compare like with like.
    """
    labels, probabilities = checked(labels, probabilities)
    gaps = _calibration_gaps(labels, probabilities, bins)
    return float(np.abs(gaps.sum(axis=0)).sum() / len(labels))


def _calibration_bin(confidence, bins) -> np.ndarray:
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def _calibration_gaps(labels, probabilities, bins=CALIBRATION_BINS) -> np.ndarray:
    """Right (1 or 0) minus confidence of each image, in its bin's column: floats (n, bins)."""
    confidence = probabilities.max(axis=1)
    gaps = np.zeros((len(labels), bins))
    right = probabilities.argmax(axis=1) == labels
    gaps[np.arange(len(labels)), _calibration_bin(confidence, bins)] = right - confidence
    return gaps


# --- two runs on the same images -------------------------------------------------------------------------------------


def mcnemar(first_right, second_right) -> dict[str, float | int]:
    """McNemar's exact test of whether two classifiers are right equally often on the same images.

    first_right, second_right: bool (n,), whether each image was named rightly. Returns the counts ``both``,
    ``first_only``, ``second_only``, ``neither`` and the two-sided ``p_value``: only images on which they differ say
    anything, and under the hypothesis each falls to either side like a coin (McNemar 1947, doi:10.1007/BF02295996).
    """
    first, second = _checked_pair(first_right, second_right)
    first_only, second_only = int((first & ~second).sum()), int((~first & second).sum())
    discordant = first_only + second_only
    return {
        "both": int((first & second).sum()),
        "first_only": first_only,
        "second_only": second_only,
        "neither": int((~first & ~second).sum()),
        "p_value": float(stats.binomtest(first_only, discordant).pvalue) if discordant else 1.0,
    }


def paired_difference(first_right, second_right, samples=10_000, seed=0, confidence=0.95) -> dict[str, float]:
    """Accuracy of the first run minus that of the second, with its paired percentile bootstrap interval, as rates.

    first_right, second_right: bool (n,), whether each image was named rightly. The interval covers other images, not
    other seeds (``difference_test`` does). Returns difference, low, high.
    """
    first, second = _checked_pair(first_right, second_right)
    change = first.astype(float) - second
    confidence, generator = _checked_confidence(confidence), np.random.default_rng(seed)
    sizes = [min(RESAMPLES_AT_ONCE, samples - start) for start in range(0, samples, RESAMPLES_AT_ONCE)]
    drawn = np.concatenate([_draw_counts(generator, len(change), size) @ change for size in sizes]) / len(change)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"difference": float(change.mean()), "low": float(low), "high": float(high)}


def difference_test(difference, of_images, images_freedom, of_seeds, seeds_freedom, confidence=0.95):
    """Interval and two-sided p value of a difference with two kinds of chance, as a dict low, high, p_value.

    of_images, of_seeds: the variance that each adds to the difference; images_freedom, seeds_freedom: the degrees of
    freedom of each estimate (infinity: known). A t test of their sum (``satterthwaite``). Interval and test agree: the
    p value is below 1 - confidence exactly where the interval leaves out 0.
    """
    variance = of_images + of_seeds
    if variance == 0:
        return {"low": float(difference), "high": float(difference), "p_value": float(difference == 0)}
    effective = satterthwaite([of_images, of_seeds], [images_freedom, seeds_freedom])
    half = float(stats.t.ppf((1 + _checked_confidence(confidence)) / 2, effective) * np.sqrt(variance))
    return {
        "low": float(difference - half),
        "high": float(difference + half),
        "p_value": float(2 * stats.t.sf(abs(difference) / np.sqrt(variance), effective)),
    }


def satterthwaite(variances, freedoms) -> float:
    """Degrees of freedom of a sum of independent variance estimates, from those of each (1946, doi:10.2307/3002019).

    Few where an estimate decides that rests on few numbers, as seeds; many where the images do; infinity if all are 0.
    """
    shares = sum(part**2 / freedom for part, freedom in zip(variances, freedoms, strict=True) if part)
    return float(sum(variances) ** 2 / shares) if shares else np.inf


def holm(p_values) -> np.ndarray:
    """p values corrected for being several, by Holm's step-down method: floats in the order given, at most 1.

    If all those under 0.05 are called differences, the chance that any of them is none is at most 5 %
    (Holm 1979, https://www.jstor.org/stable/4615733).
    """
    p_values = np.asarray(p_values, float)
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"holm needs p values between 0 and 1, got {p_values.tolist()}")
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


# --- checks and small steps ------------------------------------------------------------------------------------------


def _checked_confidence(confidence) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return confidence


def _checked_pair(first, second) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first), np.asarray(second)
    if first.dtype != bool or second.dtype != bool or first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(
            f"two runs are compared by two bool arrays of the same length, got {first.dtype} {first.shape} and "
            f"{second.dtype} {second.shape}"
        )
    return first, second


def checked(labels, probabilities) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities as every measure here needs them, or one clear ValueError.

    labels: integers (n,), 0 to 6. probabilities: numbers (n, 7), at least 0, each row summing to 1 within 0.001 (what
    float16 leaves of it). Returns int64 (n,) and float64 (n, 7), whose rows sum to exactly 1.
    """
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
    return float(metrics.log_loss(labels, _floored(probabilities), labels=np.arange(len(EMOTIONS))))


def _floored(probabilities: np.ndarray) -> np.ndarray:
    floored = np.clip(probabilities, PROBABILITY_FLOOR, 1.0)
    return floored / floored.sum(axis=1, keepdims=True)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: np.ndarray) -> float | None:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else None
