"""Labelled faces in memory, and the exceptions for data."""

from dataclasses import dataclass

import numpy as np

from fer_utils.names import EMOTIONS, SIDE
from fer_utils.runs import checksum

CODES = ", ".join(f"{code} {name}" for code, name in enumerate(EMOTIONS))
"""The emotions' codes, for messages."""

PIXELS = SIDE * SIDE


class DataError(ValueError):
    """The data cannot be used. The message has the file, the place in it, what is wrong, and the fix."""


class DataWarning(UserWarning):
    """The data can be used, but differ from FER-2013 in a way that the user should know."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled faces in memory.

    images: uint8 (n, 48, 48), 0 to 255. labels: uint8 (n,), 0 to 6 in the order of EMOTIONS. usage: <U11 (n,), one of
    USAGES, or "Test" if the source does not distinguish PublicTest from PrivateTest. row_ids: int64 (n,), the CSV's row
    from 0. For image folders, it is the number in the file name; if a name has no number, or two have the same, it is
    the position. source: where the faces came from.
    checksum: SHA-256 (hexadecimal) of images, labels and usage; computed if it is not given.

    Raises ValueError if the arrays' shapes or the images' dtype are wrong.
    """

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    row_ids: np.ndarray
    source: str = ""
    checksum: str = ""

    def __post_init__(self):
        n = len(self.labels)
        for name, wanted in {"images": (n, SIDE, SIDE), "labels": (n,), "usage": (n,), "row_ids": (n,)}.items():
            found = getattr(self, name).shape
            if found != wanted:
                raise ValueError(f"Faces: {name} has shape {found}, but {n} labels need {wanted}.")
        if self.images.dtype != np.uint8:
            raise ValueError(f"Faces: images must be uint8, 0 to 255, not {self.images.dtype}.")
        if not self.checksum:
            usage = np.frombuffer("\n".join(self.usage.tolist()).encode(), np.uint8)
            object.__setattr__(self, "checksum", checksum(self.images, self.labels.astype(np.uint8), usage))

    def __len__(self):
        return len(self.labels)

    def __repr__(self):
        names, counts = np.unique(self.usage, return_counts=True)
        counts = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
        return f"Faces({len(self)} images: {counts}; source={self.source!r}, checksum={self.checksum[:12]})"

    def take(self, chosen):
        """Return the `chosen` faces. chosen: an integer array of positions or a boolean mask (n,)."""
        picked = (array[chosen] for array in (self.images, self.labels, self.usage, self.row_ids))
        return Faces(*picked, source=self.source)


def constant(images):
    """Return whether each image has one gray value only: bool (n,). images: uint8 (n, 48, 48)."""
    return (images == images[:, :1, :1]).all(axis=(1, 2))
