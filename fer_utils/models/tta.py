"""Test-time augmentation: a network's predictions averaged over several views of a face.

"single" is the unchanged face. "flip" adds its mirror image. "ten-crop" takes a crop at the four corners and the
centre, and their mirror images (Krizhevsky et al. 2012, section 4.1). "scales" takes the face and its mirror image at
three sizes (Simonyan and Zisserman 2015, section 3.2, arXiv:1409.1556).
"""

import numpy as np

from fer_utils.models.backbones import choose
from fer_utils.models.classifier import answer_size, at_size
from fer_utils.names import EMOTIONS, SCALES, VIEWS


def views(images, kind, crop=0):
    """Yield one array per view, uint8 and of the shape of `images` (n, height, width). "scales" is the same as "flip".

    crop: pixels per side that the network keeps in the middle. Rolling moves each corner of the image into that middle.
    This is exact, since pixels that wrap around the edge are outside the crop. Raises ValueError for an unknown kind,
    and for "ten-crop" unless the crop is above 0 and smaller than the image.
    """
    choose("views", kind, VIEWS)
    size = images.shape[1]
    if kind == "ten-crop" and not 0 < crop < size:
        raise ValueError(f"ten crops need a crop between 0 and the image's {size} pixels, not {crop}")
    before = (size - crop) // 2
    after = size - crop - before  # a pixel more than `before`, if their sum is odd
    shifts = [(0, 0)]
    if kind == "ten-crop":
        shifts += [(-after, -after), (-after, before), (before, -after), (before, before)]
    for shift in shifts:
        yield np.roll(images, shift, axis=(1, 2))
        if kind != "single":
            yield np.roll(images[:, :, ::-1], shift, axis=(1, 2))


def as_faces(images):
    """Convert `images` to what every model here takes: grey levels uint8 (n, height, width), 0 to 255.

    Whole numbers of other types become uint8. Keras would convert everything: pixels from 0 to 1 would become black
    images with equal predictions. Raises ValueError with what is expected and the fix.
    """
    images = np.asarray(images)
    if images.ndim != 3:
        fix = ""
        if images.ndim == 2:
            fix = ", one face as images[None]"
        elif images.ndim == 4 and images.shape[-1] == 1:
            fix = ", as images[..., 0]"
        elif images.ndim == 4 and images.shape[-1] == 3:
            fix = ", as images.mean(axis=-1).round().astype('uint8')"
        raise ValueError(f"images have shape {images.shape}: give (n, height, width){fix}")
    if images.dtype == np.uint8 or not images.size:
        return images.astype(np.uint8, copy=False)
    if images.dtype.kind not in "iuf" or not np.isfinite(images).all() or images.min() < 0:
        raise ValueError("images hold something else than grey levels from 0 to 255: give those, as uint8")
    is_float, largest = images.dtype.kind == "f", images.max()
    zero_to_one = is_float and largest <= 1
    whole = not is_float or np.array_equal(images, np.floor(images))
    if largest > 255 or zero_to_one or not whole:
        hint = ": multiply by 255, round, and convert with .astype('uint8')" if zero_to_one else ""
        raise ValueError(
            f"images are {images.dtype} from {images.min():g} to {largest:g}, where grey levels from 0 to 255 are "
            f"expected; the model scales them itself{hint}"
        )
    return images.astype(np.uint8)


def predict(model, images, kind="single", crop=0):
    """A model's probabilities, averaged over the views: float32 (n, 7), n may be 0. They are not calibrated.

    model: takes uint8 (n, height, width); for "scales", a model that ``models.at_size`` takes, which raises ValueError
    for others. images: as ``as_faces`` takes them. crop: for "ten-crop", pixels per side that the network keeps.
    Raises ValueError for images that are not grey levels, or of another size than the model takes.
    """
    images = as_faces(images)
    height, width = model.input_shape[1:3]
    if images.shape[1:] != (height, width):  # TensorFlow's own message has 50 lines
        raise ValueError(f"images have shape {images.shape}: resize them to the model's (n, {height}, {width})")
    if not len(images):
        return np.zeros((0, len(EMOTIONS)), np.float32)
    networks = _at_scales(model) if kind == "scales" else [model]
    total, count = 0.0, 0
    for network in networks:
        for view in views(images, kind, crop):
            total = total + network.predict(view, batch_size=256, verbose=0)
            count += 1
    return total / np.float32(count)


def _at_scales(model):
    """Yield the model for each of SCALES, relative to the image size that it predicts on."""
    size = answer_size(model)
    for scale in SCALES:
        network = model if scale == 1 else at_size(model, round(scale * size))
        network.jit_compile = model.jit_compile
        yield network
