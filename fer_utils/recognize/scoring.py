"""How well a map points at what makes the expression, on drawn faces, where that is known (notebook 11).

The score is the share of a map's mass on the parts of the face that move (``sample.parts``). A flat map has the parts'
share of the area: chance. But any map of the middle of the face beats a flat one, and so does one of all edges; what
says more is how a map fares beside those, and on its own emotion's parts beside the other emotions'.
"""

import numpy as np
import pandas as pd
from scipy import ndimage

from fer_utils.names import EMOTIONS
from fer_utils.sample import MOVING, moved, parts
from fer_utils.sample.drawing import ACTION_UNITS

RESAMPLES = 2000


def share_on(maps, masks):
    """Share of each map's mass on its mask: float64 (n,), 0 to 1.

    maps: (n, 48, 48), of which the part above 0 counts. masks: bool (n, 48, 48). A map without mass points nowhere, so
    it counts as a flat one. Raises ValueError for shapes that differ.
    """
    maps, masks = np.asarray(maps, float), np.asarray(masks, bool)
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} must both be (n, height, width)")
    mass = np.maximum(maps, 0)
    mass[mass.sum(axis=(1, 2)) == 0] = 1
    return (mass * masks).sum(axis=(1, 2)) / mass.sum(axis=(1, 2))


def score_maps(maps, masks, seed=0):
    """What the maps of n faces score: a dict of n, share (the mean), its interval low, high, chance, and times.

    chance: the share of a flat map, which is the mean area of the masks. times: share / chance; 1 is what a flat map
    has. The interval (95 %) is a bootstrap over the faces.
    """
    share, chance = share_on(maps, masks), float(np.mean(masks))
    low, high = _interval(share, seed)
    mean = float(share.mean())
    return {"n": len(share), "share": mean, "low": low, "high": high, "chance": chance, "times": mean / chance}


def by_unit(maps, faces, least=5):
    """What the maps score on each Action Unit's own part: DataFrame, a row a unit, columns as of ``score_maps``.

    maps: (n, 48, 48) of ``sample.Expressions`` faces. A unit's part is what changes if that unit alone is left out.
    Units that fewer than `least` faces show, and faces on which a unit changes nothing that can be seen, are left out.
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
    """Whether the maps point at their own emotion's parts rather than at those of the other emotions on the same face.

    labels: codes (n,) of MOVING, what each face shows. masks: bool (6, n, 48, 48), ``parts`` of ``would_move``. Returns
    a dict of n, own and others (times chance, the mean over faces), their difference, and its interval (95 %, bootstrap
    over faces) low, high. Above 0, a map tells emotions apart; at 0, it points at what is expressive in any face.
    """
    times = _times(maps, masks)
    own_row = np.array([MOVING.index(EMOTIONS[label]) for label in labels])
    own = times[own_row, np.arange(len(own_row))]
    others = (times.sum(axis=0) - own) / (len(MOVING) - 1)
    low, high = _interval(own - others, seed)
    means = {"own": own.mean(), "others": others.mean(), "difference": (own - others).mean()}
    return {"n": len(own), **means, "low": low, "high": high}


def by_parts(maps, labels, masks):
    """Mean of share / area by what a face shows and whose parts are looked at: DataFrame, MOVING x MOVING.

    maps, labels, masks: as in ``own_against_others``. A row without faces is NaN.
    """
    table = pd.DataFrame(_times(maps, masks).T, columns=MOVING)
    return table.groupby(np.array(EMOTIONS)[labels]).mean().reindex(MOVING)


# --- maps that know nothing of the network, to hold the others against ------------------------------------------------


def edges(faces):
    """How steep the grey levels are at each pixel: float32 (n, 48, 48). Knows the face, but no emotion."""
    return np.stack([ndimage.gaussian_gradient_magnitude(np.asarray(face, np.float32), 1) for face in faces])


def of_other_faces(maps, labels, seed=0):
    """For each face the map of another one that shows another emotion. Knows where faces are, but not this one."""
    labels = np.asarray(labels)
    rng = np.random.default_rng(seed)
    return np.stack([maps[rng.choice(np.flatnonzero(labels != label))] for label in labels])


def through(grid_matrix, masks):
    """The masks as a map of so few cells would show them at best: float32 (n, 48, 48).

    grid_matrix: (48, cells) from ``enlarging``. Each cell gets the masks' mean around its centre, and is laid over the
    face as a map's is. What this scores is what the coarseness leaves.
    """
    gathering = grid_matrix / grid_matrix.sum(axis=0)
    cells = gathering.T @ np.asarray(masks, np.float32) @ gathering
    return grid_matrix @ cells @ grid_matrix.T


def _times(maps, masks):
    """Share / area of every map on every emotion's parts: float64 (6, n)."""
    shares = np.stack([share_on(maps, of_one) for of_one in masks])
    return shares / np.maximum(np.mean(masks, axis=(2, 3)), 1e-9)


def _interval(values, seed):
    """95 % of the means of the values drawn again with replacement: low, high."""
    rows = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    return tuple(float(bound) for bound in np.quantile(values[rows].mean(axis=1), (0.025, 0.975)))
