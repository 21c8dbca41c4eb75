"""Test-time augmentation: a network's answers to several views of a face, averaged.

"single" is the face as it is. "flip" adds its mirror image. "ten-crop" takes the four corners and the centre that a
network with a crop can look at, and their mirror images (Krizhevsky et al. 2012, section 4.1).
"""

import numpy as np

from fer_utils.recipes import VIEWS


def views(images, kind, crop=0):
    """Yield arrays of the shape of `images` (n, height, width), uint8, one a view.

    crop: the middle so many pixels that the network keeps. A corner is brought there by rolling the image: what the
    roll carries over the edge lies outside the crop, so this is exact. Raises ValueError for an unknown kind, and for
    ten crops where the crop leaves nothing to choose from.
    """
    if kind not in VIEWS:
        raise ValueError(f"views={kind!r} is unknown: use one of {', '.join(map(repr, VIEWS))}")
    size = images.shape[1]
    if kind == "ten-crop" and not 0 < crop < size:
        raise ValueError(f"ten crops need a crop between 0 and the image's {size} pixels, not {crop}")
    margin = (size - crop) // 2
    corners = [(row, column) for row in (-margin, margin) for column in (-margin, margin)]
    for row, column in [(0, 0), *(corners if kind == "ten-crop" else [])]:
        moved = np.roll(images, (row, column), axis=(1, 2))
        yield moved
        if kind != "single":
            yield moved[:, :, ::-1]


def predict(model, images, kind="single", crop=0):
    """Mean over the views of a model's probabilities: float32 (n, 7). model: takes uint8 (n, height, width)."""
    from fer_utils import devices  # which needs Keras; planning recipes does not

    total, count, batch_size = 0.0, 0, devices.answering_batch(len(images))
    for view in views(images, kind, crop):
        total = total + model.predict(view, batch_size=batch_size, verbose=0)
        count += 1
    return total / np.float32(count)
