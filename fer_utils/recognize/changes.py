"""Change a face without changing its expression, and measure the effect on a network's predictions.

    changed = change(faces, "blur", 1.5)
    table = robustness(lambda faces: tta.predict(model, faces), faces, labels)

If a change needs pixels from outside the picture, the picture's edge is repeated.
"""

import numpy as np
import pandas as pd
from scipy import ndimage

from fer_utils.evaluation import wilson_interval
from fer_utils.models.tta import as_faces
from fer_utils.names import SIDE, did_you_mean
from fer_utils.recognize import framing

KINDS = {  # name -> unit of the amount, the amount that changes nothing, amounts to measure
    "brightness": ("grey levels added", 0, (-80, -40, -20, 20, 40, 80)),
    "contrast": ("% of the contrast", 100, (20, 40, 60, 150, 200)),
    "blur": ("Gaussian's standard deviation, pixels", 0, (0.5, 1, 1.5, 2, 3)),
    "noise": ("standard deviation, grey levels", 0, (5, 10, 20, 40)),
    "rotation": ("degrees, anticlockwise", 0, (-30, -20, -10, 10, 20, 30)),
    "shift right": ("pixels", 0, (-9, -6, -3, 3, 6, 9)),
    "shift down": ("pixels", 0, (-9, -6, -3, 3, 6, 9)),
    "zoom": ("% of the face's size", 100, (60, 70, 80, 90, 110, 125, 150)),
    "occlusion": ("side of a grey square somewhere, pixels", 0, (6, 12, 18, 24)),
    "size": ("pixels a side, then enlarged", SIDE, (8, 12, 16, 20, 24, 32, 40)),
}
SHIFTS = ("shift right", "shift down")
LIMITS = {  # smallest and largest amount; 0 and 1000 for the other kinds
    "brightness": (-255, 255),
    "rotation": (-180, 180),
    **dict.fromkeys(SHIFTS, (1 - SIDE, SIDE - 1)),
    "zoom": (10, 1000),
    "occlusion": (0, SIDE),
    "size": (1, SIDE),
}
FRAMING = ("zoom", *SHIFTS, "rotation", "size")  # the effects of a wrong frame


def change(faces, kind, amount, seed=0):
    """Change `faces`, uint8 (n, 48, 48). Returns a new array of the same shape and dtype.

    kind: a key of KINDS. amount: in the unit given in KINDS. seed: for the noise and the square's place, which differ
    between faces. Raises ValueError for an unknown kind or an amount outside its limits.
    """
    faces = as_faces(faces)
    _check(kind, amount)
    if amount == KINDS[kind][1] or not len(faces):
        return faces.copy()
    changed = CHANGES[kind](faces, amount, np.random.default_rng(seed))
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def _check(kind, amount):
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown{did_you_mean(kind, KINDS)}")
    least, most = LIMITS.get(kind, (0, 1000))
    whole = kind in (*SHIFTS, "occlusion", "size")
    if not least <= amount <= most or (whole and amount != int(amount)):
        number = "whole number" if whole else "number"
        raise ValueError(f"{kind}: amount={amount!r} must be a {number} from {least} to {most} ({KINDS[kind][0]})")


def robustness(answer, faces, labels, kinds=None, seed=0):
    """Measure the accuracy after each change: DataFrame, a row for each amount of each kind, in ascending order.

    answer: function from faces uint8 (n, 48, 48) to probabilities (n, 7). labels: codes (n,). kinds: name -> amounts;
    by default those of KINDS. The amount that changes nothing is always added. Columns: kind, amount, n, right,
    accuracy, low, high (Wilson, 95 %), and stay: the share of faces with the same prediction as before the change.

    Raises ValueError, before anything is predicted, for an unknown kind or an amount outside its limits.
    """
    if not kinds:
        kinds = {kind: amounts for kind, (_, _, amounts) in KINDS.items()}
    for kind, amounts in kinds.items():
        for amount in amounts:
            _check(kind, amount)
    labels, n = np.asarray(labels), len(labels)
    first = answer(as_faces(faces)).argmax(axis=1)
    rows = []
    for kind, amounts in kinds.items():
        unchanged = KINDS[kind][1]
        for amount in sorted({unchanged, *amounts}):
            predicted = first if amount == unchanged else answer(change(faces, kind, amount, seed)).argmax(axis=1)
            right = int((predicted == labels).sum())
            low, high = wilson_interval(right, n)
            rows.append((kind, amount, n, right, right / n, low, high, (predicted == first).mean()))
    return pd.DataFrame(rows, columns=["kind", "amount", "n", "right", "accuracy", "low", "high", "stay"])


def _reframed(faces, right=0, down=0, percent=100, degrees=0):
    """Each face as a different frame would show it: moved, enlarged and turned anticlockwise (``framing.cut``)."""
    centre, side = (SIDE / 2 - right, SIDE / 2 - down), SIDE * 100 / percent
    return np.stack([framing.cut(face, centre, side, np.radians(degrees)) for face in faces])


def _contrast(faces, percent, _):
    mean = faces.mean(axis=(1, 2), keepdims=True)
    return mean + (faces - mean) * (percent / 100)


def _occlusion(faces, side, rng):
    covered = faces.copy()
    for face, (row, column) in zip(covered, rng.integers(0, SIDE - int(side) + 1, (len(faces), 2)), strict=True):
        face[row : row + int(side), column : column + int(side)] = face.mean().round()
    return covered


def _size(faces, side, _):
    small = [framing.cut(face, (SIDE / 2, SIDE / 2), SIDE, size=int(side)) for face in faces]
    return np.stack([framing.cut(face, (side / 2, side / 2), side) for face in small])


CHANGES = {
    "brightness": lambda faces, levels, _: faces + np.float32(levels),
    "contrast": _contrast,
    "blur": lambda faces, sigma, _: ndimage.gaussian_filter(faces, (0, sigma, sigma), output="f4", mode="nearest"),
    "noise": lambda faces, deviation, rng: faces + rng.normal(0, deviation, faces.shape),
    "rotation": lambda faces, degrees, _: _reframed(faces, degrees=degrees),
    "shift right": lambda faces, pixels, _: _reframed(faces, right=pixels),
    "shift down": lambda faces, pixels, _: _reframed(faces, down=pixels),
    "zoom": lambda faces, percent, _: _reframed(faces, percent=percent),
    "occlusion": _occlusion,
    "size": _size,
}
