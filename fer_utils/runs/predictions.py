"""A run's predictions: check them, and save them as predictions.npz."""

from pathlib import Path

import numpy as np

from fer_utils.names import EMOTIONS
from fer_utils.runs.folder import RunError, write_whole

ROW_SUM_TOLERANCE = 1e-3


def checked(labels, probabilities) -> tuple[np.ndarray, np.ndarray]:
    """Check labels and probabilities; returns them as int64 (n,) and float64 (n, 7), with rows that sum to 1.

    labels: integers (n,), 0 to 6. probabilities: numbers (n, 7), at least 0, each row summing to 1 within 0.001
    (float16 is not more exact). Raises ValueError that names what is wrong, and the first wrong row.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    classes = len(EMOTIONS)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers of shape (n,), got {labels.dtype} of shape {labels.shape}")
    if probabilities.shape != (len(labels), classes) or probabilities.dtype.kind not in "fiu":
        raise ValueError(
            f"probabilities must be floats of shape ({len(labels)}, {classes}), one row per label, "
            f"got {probabilities.dtype} of shape {probabilities.shape}"
        )
    if len(labels) == 0:
        raise ValueError("labels are empty: there is nothing to evaluate")
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        row = outside[0]
        raise ValueError(f"labels must be from 0 to {classes - 1}, got {labels[row]} at row {row}{_others(outside)}")
    # float64 before the sums: in float16 or float32, seven numbers sum to 1 only roughly.
    probabilities = probabilities.astype(np.float64)
    not_finite = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if not_finite.size:
        raise ValueError(f"probabilities hold NaN or infinity at row {not_finite[0]}{_others(not_finite)}")
    below = np.flatnonzero((probabilities < 0).any(axis=1))
    if below.size:
        raise ValueError(f"probabilities hold a negative number at row {below[0]}{_others(below)}: are these logits?")
    sums = probabilities.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > ROW_SUM_TOLERANCE)
    if off.size:
        raise ValueError(f"probabilities must sum to 1, row {off[0]} sums to {sums[off[0]]:.6g}{_others(off)}")
    return labels.astype(np.int64), probabilities / sums[:, np.newaxis]


def _others(rows: np.ndarray) -> str:
    return f" (and {rows.size - 1} more)" if rows.size > 1 else ""


def save_predictions(folder, predictions):
    """Write predictions.npz into a run's folder. Raises RunError if a split's arrays differ in length.

    predictions: split name -> (row ids int64 (n,), labels (n,), probabilities (n, 7)). Probabilities are saved as
    float16: half the size, with a relative error of 0.05 %, which no metric here notices.
    """
    arrays = {}
    for split, (row_ids, labels, probabilities) in predictions.items():
        if not len(row_ids) == len(labels) == len(probabilities):
            raise RunError(f"{folder}: {split} has {len(row_ids)} ids, {len(labels)} labels, {len(probabilities)} rows")
        arrays[f"{split}_row_ids"] = np.asarray(row_ids, np.int64)
        arrays[f"{split}_labels"] = np.asarray(labels, np.uint8)
        arrays[f"{split}_probabilities"] = np.asarray(probabilities, np.float16)
    write_whole(Path(folder) / "predictions.npz", lambda stream: np.savez_compressed(stream, **arrays))
