"""Drawn faces of which it is known what makes their expression: each can be drawn without it (notebook 11).

A photograph does not say which of its pixels make a face look afraid. A drawing does: drawn again with the same person,
view and light, but without the Action Units, the pixels that differ are the expression, and there is no other.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from fer_utils.names import EMOTIONS, SIDE
from fer_utils.sample.dataset import EXPRESSIVENESS, PROTOTYPES, _develop, _random_identities, _random_views, _render
from fer_utils.sample.drawing import Identity, View

MOVING = tuple(name for name in EMOTIONS if name != "neutral")
"""The emotions that something moves for."""

THRESHOLD = 0.05  # of the grey scale: less is lost in the camera's noise and JPEG's rounding


@dataclass(frozen=True)
class Expressions:
    """n drawn faces, each with an emotion, and what they were drawn from.

    images: uint8 (n, 48, 48), photographed as the sample's are; labels: uint8 (n,), codes of MOVING. identities, views:
    n each. units: for each face, its Action Units and their strengths.
    """

    images: np.ndarray
    labels: np.ndarray
    identities: list[Identity]
    units: list[dict[int, float]]
    views: list[View]

    def take(self, chosen):
        """Those faces that `chosen`, an integer array of positions, picks."""
        identities, units, views = ([row[i] for i in chosen] for row in (self.identities, self.units, self.views))
        return Expressions(self.images[chosen], self.labels[chosen], identities, units, views)


def draw_expressions(n=300, seed=0):
    """n new people, each emotion of MOVING as often as the others (to one): ``Expressions``.

    Drawn as the sample is, with these exceptions, so that nothing else is there to be pointed at: no Action Unit but
    the emotion's, no caption, hand or hair across the face, no cartoon. The same n and seed give the same bits. Raises
    ValueError for fewer faces than emotions, or a negative seed.
    """
    if n < len(MOVING):
        raise ValueError(f"n must be at least {len(MOVING)}, one face an emotion; got {n}.")
    rng = np.random.default_rng([seed, 2])
    labels = np.array([EMOTIONS.index(MOVING[i % len(MOVING)]) for i in range(n)], np.uint8)
    identities, views = _random_identities(rng, n), [replace(view, cartoon=False) for view in _random_views(rng, n)]
    units = [_units(rng, EMOTIONS[label]) for label in labels]
    images = _develop(_render(identities, units, views, SIDE), rng)
    return Expressions(images, labels, identities, units, views)


def at_rest(faces):
    """The faces of ``Expressions`` without any Action Unit, no camera in between: float32 (n, 48, 48), 0 to 1."""
    return _drawn(faces, [{}] * len(faces.units))


def moved(faces, without=None):
    """How much the Action Units of each face change its pixels: float32 (n, 48, 48), shares of the grey scale.

    without: an Action Unit, to see what that one changes among the others; None for all of them.
    """
    if without is None:
        return np.abs(_drawn(faces, faces.units) - at_rest(faces))
    others = [{unit: strength for unit, strength in row.items() if unit != without} for row in faces.units]
    return np.abs(_drawn(faces, faces.units) - _drawn(faces, others))


def would_move(faces):
    """The same for every emotion of MOVING on every face: float32 (6, n, 48, 48).

    Each is shown in the mean form of its first prototype, so these are the emotions' parts, whatever a face shows.
    """
    rest, changes = at_rest(faces), []
    for emotion in MOVING:
        typical = {unit: (low + high) / 2 for unit, low, high, chance in PROTOTYPES[emotion][0] if chance > 0.5}
        changes.append(np.abs(_drawn(faces, [typical] * len(faces.units)) - rest))
    return np.stack(changes)


def parts(change, threshold=THRESHOLD):
    """The parts of the face that move: bool, of the shape (..., 48, 48) of a change in shares of the grey scale.

    Where the change is above the threshold, and one pixel around: what moves is edges, and a mark beside is no miss.
    """
    reach = (*[1] * (np.ndim(change) - 2), 3, 3)
    return ndimage.maximum_filter(np.asarray(change) > threshold, size=reach)


def _drawn(faces, units):
    return _render(faces.identities, units, faces.views, SIDE).clip(0, 1)


def _units(rng, emotion):
    """One of the emotion's prototypes, every unit with a random strength, some left out."""
    prototype = PROTOTYPES[emotion][rng.integers(len(PROTOTYPES[emotion]))]
    expressiveness = rng.uniform(*EXPRESSIVENESS)
    return {
        unit: float(expressiveness * rng.uniform(low, high))
        for unit, low, high, chance in prototype
        if rng.random() < chance
    }
