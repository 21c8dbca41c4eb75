"""Score how well a map points at what makes the expression, on drawn faces, where this is known.

The score is the share of a map's mass on the parts of the face that move (``sample.parts``). For a flat map, this is
the parts' share of the area: chance. Any map of the face's middle or of all edges is better than chance. So maps are
also compared with such maps, and their own emotion's parts with the other emotions' parts.
"""

import numpy as np
import pandas as pd
from scipy import ndimage

from fer_utils.names import EMOTIONS
from fer_utils.sample import MOVING, moved, parts
from fer_utils.sample.drawing import ACTION_UNITS

RESAMPLES = 2000


def share_on(maps, masks):
    """The share of each map's mass on its mask: float64 (n,), 0 to 1.

    maps: (n, 48, 48), of which the part above 0 counts; a map without mass counts as a flat one. masks: bool
    (n, 48, 48). Raises ValueError if the shapes differ.
    """
    maps, masks = np.asarray(maps, float), np.asarray(masks, bool)
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} must have the same shape (n, height, width)")
    mass = np.maximum(maps, 0)
    mass[mass.sum(axis=(1, 2)) == 0] = 1
    return (mass * masks).sum(axis=(1, 2)) / mass.sum(axis=(1, 2))


def score_maps(maps, masks, seed=0):
    """Score the maps of n faces: a dict of n, share (the mean), low, high (95 % interval), chance, and times.

    chance: the share of a flat map, which is the mean area of the masks. times: share / chance, 1 for a flat map. The
    interval is a bootstrap over the faces.
    """
    share, chance = share_on(maps, masks), float(np.mean(masks))
    low, high = _interval(share, seed)
    mean = float(share.mean())
    return {"n": len(share), "share": mean, "low": low, "high": high, "chance": chance, "times": mean / chance}


def by_unit(maps, faces, least=5):
    """Score the maps on each Action Unit's own part: DataFrame, a row a unit, columns as in ``score_maps``.

    maps: (n, 48, 48) of `faces`, a ``sample.Expressions``. A unit's part is what changes if only that unit is left out.
    Units that fewer than `least` faces show are left out, and so are faces on which a unit changes nothing visible.
    """
    rows = {}
    for unit, name in ACTION_UNITS.items():
        shown = np.flatnonzero([unit in units for units in faces.units])
        if len(shown) < least:
            continue
        masks = parts(moved(faces.take(shown), without=unit))
        seen = masks.any(axis=(1, 2))
        if seen.sum() >= least:
            rows[f"AU{unit} {name}"] = score_maps(maps[shown[seen]], masks[seen])
    return pd.DataFrame.from_dict(rows, orient="index")


def own_against_others(maps, labels, masks, seed=0):
    """Compare the maps' mass on their own emotion's parts with that on other emotions' parts of the same faces.

    labels: codes (n,) of the emotions shown, out of MOVING. masks: bool (6, n, 48, 48), ``parts`` of ``would_move``.
    Returns a dict of n, own and others (means over faces, as multiples of chance), their difference, and its interval
    low, high (95 %, bootstrap over faces). Above 0, maps distinguish emotions; at 0, they show what moves in any face.
    """
    times = _times(maps, masks)
    own_row = np.array([MOVING.index(EMOTIONS[label]) for label in labels])
    own = times[own_row, np.arange(len(own_row))]
    others = (times.sum(axis=0) - own) / (len(MOVING) - 1)
    low, high = _interval(own - others, seed)
    means = {"own": own.mean(), "others": others.mean(), "difference": (own - others).mean()}
    return {"n": len(own), **means, "low": low, "high": high}


def by_parts(maps, labels, masks):
    """The mean of share / area: DataFrame, a row for each emotion shown, a column for each emotion's parts.

    maps, labels, masks: as in ``own_against_others``. A row without faces is NaN.
    """
    table = pd.DataFrame(_times(maps, masks).T, columns=MOVING)
    return table.groupby(np.array(EMOTIONS)[labels]).mean().reindex(MOVING)


def edges(faces):
    """A map for comparison, of the face alone: the gradient of the grey levels at each pixel, float32 (n, 48, 48)."""
    return np.stack([ndimage.gaussian_gradient_magnitude(np.asarray(face, np.float32), 1) for face in faces])


def of_other_faces(maps, labels, seed=0):
    """Maps for comparison: for each face, the map of a random other face that shows another emotion."""
    labels = np.asarray(labels)
    rng = np.random.default_rng(seed)
    return np.stack([maps[rng.choice(np.flatnonzero(labels != label))] for label in labels])


def through(grid_matrix, masks):
    """The masks as a map of few cells would show them at best: float32 (n, 48, 48).

    grid_matrix: (48, cells) from ``enlarging``. Each cell is the masks' mean around its centre, interpolated as in a
    map. Its score shows the effect of the coarse cells alone.
    """
    gathering = grid_matrix / grid_matrix.sum(axis=0)
    cells = gathering.T @ np.asarray(masks, np.float32) @ gathering
    return grid_matrix @ cells @ grid_matrix.T


def _times(maps, masks):
    """The share / area of every map on every emotion's parts: float64 (6, n)."""
    shares = np.stack([share_on(maps, of_one) for of_one in masks])
    return shares / np.maximum(np.mean(masks, axis=(2, 3)), 1e-9)


def _interval(values, seed):
    """The 95 % bootstrap interval of the mean of `values`: low, high."""
    rows = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    return tuple(float(bound) for bound in np.quantile(values[rows].mean(axis=1), (0.025, 0.975)))
