"""Drawn faces whose expression's pixels are known, to score maps that explain predictions.

In a photograph, nobody knows which pixels make a face look afraid. A drawn face can be drawn again with the same
person, view and light, but without the Action Units. Exactly the pixels that differ are the expression.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from fer_utils.names import EMOTIONS, SIDE
from fer_utils.sample.dataset import EXPRESSIVENESS, PROTOTYPES, _develop, _random_identities, _random_views, _render
from fer_utils.sample.drawing import Identity, View

MOVING = tuple(name for name in EMOTIONS if name != "neutral")
"""The emotions that move something in the face."""

THRESHOLD = 0.05  # of the grey scale; smaller changes are lost in the camera's noise and JPEG's rounding


@dataclass(frozen=True)
class Expressions:
    """n drawn faces, each with an emotion, and what they were drawn from.

    images: uint8 (n, 48, 48), with the sample's camera flaws; labels: uint8 (n,), emotion codes. identities, views:
    one for each face. units: for each face, its Action Units and their strengths.
    """

    images: np.ndarray
    labels: np.ndarray
    identities: list[Identity]
    units: list[dict[int, float]]
    views: list[View]

    def take(self, chosen):
        """The faces at the positions `chosen`, an integer array: ``Expressions``."""
        identities = [self.identities[i] for i in chosen]
        units, views = [self.units[i] for i in chosen], [self.views[i] for i in chosen]
        return Expressions(self.images[chosen], self.labels[chosen], identities, units, views)


def draw_expressions(n=300, seed=0):
    """Draw n new people: ``Expressions``. The numbers of faces per emotion of MOVING differ by one at most.

    They are drawn as the sample is, but with nothing else that a map could point at: only the Action Units of the
    emotion, nothing that covers the face, no cartoons. The same n and seed draw the same bits. Raises ValueError if n
    is below the number of emotions or the seed is negative.
    """
    if n < len(MOVING):
        raise ValueError(f"n must be at least {len(MOVING)}, one face for each emotion; got {n}.")
    rng = np.random.default_rng([seed, 2])
    labels = np.array([EMOTIONS.index(MOVING[i % len(MOVING)]) for i in range(n)], np.uint8)
    identities = _random_identities(rng, n)
    views = [replace(view, cartoon=False) for view in _random_views(rng, n)]
    units = [_units(rng, EMOTIONS[label]) for label in labels]
    images = _develop(_render(identities, units, views, SIDE), rng)
    return Expressions(images, labels, identities, units, views)


def at_rest(faces):
    """Draw the faces of ``Expressions`` without Action Units and camera flaws: float32 (n, 48, 48), 0 to 1."""
    return _drawn(faces, [{}] * len(faces.units))


def moved(faces, without=None):
    """How much the Action Units of each face change its pixels: float32 (n, 48, 48), shares of the grey scale.

    without: None for all units together, or one Action Unit, to get what this unit changes if the others stay.
    """
    if without is None:
        return np.abs(_drawn(faces, faces.units) - at_rest(faces))
    others = [{unit: strength for unit, strength in row.items() if unit != without} for row in faces.units]
    return np.abs(_drawn(faces, faces.units) - _drawn(faces, others))


def would_move(faces):
    """How much each emotion of MOVING would change each face: float32 (6, n, 48, 48), shares of the grey scale.

    Each emotion is drawn with its first prototype, whatever emotion the face shows: the units with a probability above
    0.5, at their mean strengths.
    """
    rest, changes = at_rest(faces), []
    for emotion in MOVING:
        typical = {unit: (low + high) / 2 for unit, low, high, chance in PROTOTYPES[emotion][0] if chance > 0.5}
        changes.append(np.abs(_drawn(faces, [typical] * len(faces.units)) - rest))
    return np.stack(changes)


def parts(change):
    """The parts of the face that move: bool (..., 48, 48). change: (..., 48, 48), shares of the grey scale.

    A part is where the change is above THRESHOLD, and one pixel around. Edges move, so a map may be one pixel off.
    """
    return ndimage.maximum_filter(np.asarray(change) > THRESHOLD, size=3, axes=(-2, -1))


def _drawn(faces, units):
    return _render(faces.identities, units, faces.views, SIDE).clip(0, 1)


def _units(rng, emotion):
    """The Action Units of one random prototype of the emotion, with random strengths: {unit: strength}."""
    prototype = PROTOTYPES[emotion][rng.integers(len(PROTOTYPES[emotion]))]
    expressiveness = rng.uniform(*EXPRESSIVENESS)
    units = {}
    for unit, low, high, chance in prototype:
        if rng.random() < chance:
            units[unit] = float(expressiveness * rng.uniform(low, high))
    return units
