"""Changes to a face that leave its expression as it is, and what they do to a network's answers (notebook 11).

    changed = change(faces, "blur", 1.5)
    table = robustness(lambda faces: tta.predict(model, faces), faces, labels)

Where a change brings in what lies beyond the picture, the picture's edge is repeated.
"""

import numpy as np
import pandas as pd
from scipy import ndimage

from fer_utils.evaluation import wilson_interval
from fer_utils.models.tta import as_faces
from fer_utils.names import SIDE, did_you_mean
from fer_utils.recognize import framing

KINDS = {  # name -> the unit of its amount, the amount that changes nothing, the amounts of the curves
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
LIMITS = {
    "brightness": (-255, 255),
    "rotation": (-180, 180),
    **dict.fromkeys(SHIFTS, (1 - SIDE, SIDE - 1)),
    "zoom": (10, 1000),
    "occlusion": (0, SIDE),
    "size": (1, SIDE),
}  # of the amounts; of other kinds 0 to 1000
FRAMING = ("zoom", *SHIFTS, "rotation", "size")  # what a wrong frame does


def change(faces, kind, amount, seed=0):
    """`faces` changed: uint8 (n, 48, 48), from uint8 (n, 48, 48).

    kind: one of KINDS, which has the unit of `amount` and the amount that changes nothing. seed: of noise and of the
    square's place, each face its own. Raises ValueError for another kind, and for an amount that makes no sense.
    """
    faces = as_faces(faces)
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown{did_you_mean(kind, KINDS)}")
    least, most = LIMITS.get(kind, (0, 1000))
    if not least <= amount <= most or (kind in (*SHIFTS, "occlusion", "size") and amount != int(amount)):
        raise ValueError(f"{kind}: amount={amount!r} must lie in {least} to {most} ({KINDS[kind][0]})")
    if amount == KINDS[kind][1] or not len(faces):
        return faces.copy()
    made = CHANGES[kind](faces, amount, np.random.default_rng(seed))
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def robustness(answer, faces, labels, kinds=None, seed=0):
    """What each change does to the answers: DataFrame, a row for each amount of each kind, in the order of the amounts.

    answer: function from faces uint8 (n, 48, 48) to probabilities (n, 7). labels: codes (n,). kinds: name -> amounts;
    by default those of KINDS. Columns: kind, amount, n, right, accuracy, low, high (Wilson, 95 %), and stay: the share
    of answers that are as for the unchanged face, right or wrong. The amount that changes nothing is among the rows.
    """
    labels = np.asarray(labels)
    first = answer(as_faces(faces)).argmax(axis=1)
    rows = []
    for kind, amounts in (kinds or {kind: amounts for kind, (_, _, amounts) in KINDS.items()}).items():
        for amount in sorted({KINDS[kind][1], *amounts}):
            same = amount == KINDS[kind][1]
            answers = first if same else answer(change(faces, kind, amount, seed)).argmax(axis=1)
            right = int((answers == labels).sum())
            low, high = wilson_interval(right, len(labels))
            rows.append((kind, amount, len(labels), right, right / len(labels), low, high, (answers == first).mean()))
    return pd.DataFrame(rows, columns=["kind", "amount", "n", "right", "accuracy", "low", "high", "stay"])


def _reframed(faces, right=0, down=0, percent=100, degrees=0):
    """Each face as another frame would show it: moved, enlarged and turned anticlockwise (``framing.cut``)."""
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
