"""Test-time augmentation: a network's answers to several views of a face, averaged (notebook 08).

"single" is the face as it is. "flip" adds its mirror image. "ten-crop" takes the four corners and the centre that a
network with a crop can look at, and their mirror images (Krizhevsky et al. 2012, section 4.1). "scales" asks about the
face and its mirror image at three sizes (section 3.2 of Simonyan and Zisserman 2015, arXiv:1409.1556).
"""

import numpy as np

from fer_utils.models.backbones import choose
from fer_utils.models.classifier import answer_size, at_size
from fer_utils.names import EMOTIONS, SCALES, VIEWS


def views(images, kind, crop=0):
    """Yield arrays of the shape of `images` (n, height, width), uint8, one a view. "scales" yields those of "flip".

    crop: the middle so many pixels that the network keeps. A corner is brought there by rolling the image: what the
    roll carries over the edge lies outside the crop, so this is exact. Raises ValueError for an unknown kind, and for
    ten crops where the crop leaves nothing to choose from.
    """
    choose("views", kind, VIEWS)
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


def as_faces(images):
    """`images` as what every model here takes: grey levels uint8 (n, height, width), 0 to 255.

    Whole numbers of other types are turned into bytes. Keras would do that with anything, and make black images of
    pixels from 0 to 1, all of which are answered alike. Raises ValueError that says what is expected, and the mend.
    """
    images = np.asarray(images)
    if images.ndim == 2:
        raise ValueError(f"images have shape {images.shape}: give (n, height, width), one face as images[None]")
    if images.ndim != 3:
        mends = {1: "images[..., 0]", 3: "images.mean(axis=-1).round().astype('uint8')"}
        mend = mends.get(images.shape[-1]) if images.ndim == 4 else None
        raise ValueError(
            f"images have shape {images.shape}: give (n, height, width)" + (f", as {mend}" if mend else "")
        )
    if images.dtype == np.uint8 or not images.size:
        return images.astype(np.uint8, copy=False)
    whole = images.dtype.kind in "iu" or (images.dtype.kind == "f" and np.array_equal(images, np.floor(images)))
    if images.dtype.kind not in "iuf" or not np.isfinite(images).all() or images.min(initial=0) < 0:
        raise ValueError("images hold something else than grey levels from 0 to 255: give those, as uint8")
    if images.max(initial=0) > 255 or not whole or (images.dtype.kind == "f" and images.max(initial=0) <= 1):
        hint = ": multiply by 255, round, and convert with .astype('uint8')" if images.max(initial=0) <= 1 else ""
        raise ValueError(
            f"images are {images.dtype} from {images.min():g} to {images.max():g}, where grey levels from 0 to 255 are "
            f"expected; the model scales them itself{hint}"
        )
    return images.astype(np.uint8)


def predict(model, images, kind="single", crop=0):
    """Mean over the views of a model's probabilities: float32 (n, 7), n may be 0. They are not calibrated.

    model: takes uint8 (n, height, width), and so images are (``as_faces``); for "scales", one that ``models.at_size``
    takes, which raises ValueError for others. crop: for "ten-crop", the middle so many pixels that it answers on.
    Raises ValueError for images that are no bytes, or of another size than the model takes.
    """
    images, takes = as_faces(images), tuple(model.input_shape[1:3])
    if images.shape[1:] != takes:  # TensorFlow would say so in 50 lines
        raise ValueError(f"images have shape {images.shape}: resize them to the model's (n, {takes[0]}, {takes[1]})")
    if not len(images):
        return np.zeros((0, len(EMOTIONS)), np.float32)
    total, count = 0.0, 0
    for network in _at_scales(model) if kind == "scales" else [model]:
        for view in views(images, kind, crop):
            total = total + network.predict(view, batch_size=256, verbose=0)
            count += 1
    return total / np.float32(count)


def _at_scales(model):
    """The model as it sees a face at each of SCALES, relative to the size at which it answers."""
    size = answer_size(model)
    for scale in SCALES:
        network = model if scale == 1 else at_size(model, round(scale * size))
        network.jit_compile = model.jit_compile
        yield network
