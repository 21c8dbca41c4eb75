"""Augmentation as layers: one affine resampling per image, light, erasing."""

import math

import keras
from keras import ops

from fer_utils.models.backbones import choose


@keras.saving.register_keras_serializable(package="fer_utils")
class RandomAffine(keras.layers.Layer):
    """Draw one affine map per image and resample it once, bilinearly; edge pixels repeat. Acts in training only.

    The ranges mean the same as in `ImageDataGenerator`. Each is drawn uniformly and independently for each image:
    flip: mirror left-right with probability 1/2; rotation: within +-degrees; width_shift, height_shift: within
    +-fraction of the size; shear: within +-degrees; zoom: factors for both axes within 1 +-zoom.

    Input: uint8 or float images (n, height, width, channels); output: float32 of the same shape and range.
    Raises ValueError for a value outside RANGES.
    """

    RANGES = {"rotation": 180, "width_shift": 1, "height_shift": 1, "shear": 89, "zoom": 0.99}  # name -> largest value

    def __init__(
        self, flip=False, rotation=0.0, width_shift=0.0, height_shift=0.0, shear=0.0, zoom=0.0, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        ranges = {"rotation": rotation, "width_shift": width_shift, "height_shift": height_shift}
        ranges |= {"shear": shear, "zoom": zoom}
        for name, limit in self.RANGES.items():
            if not 0 <= ranges[name] <= limit:
                raise ValueError(f"augmentation {name}={ranges[name]!r} must lie in [0, {limit}]")
        self.flip = flip
        self.ranges = ranges
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        images = ops.cast(images, "float32")
        if not training:
            return images
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        transforms = self._draw(count, height, width)
        return ops.image.affine_transform(images, transforms, interpolation="bilinear", fill_mode="nearest")

    def _draw(self, count, height, width):
        """Draw (count, 8) rows (a0, a1, a2, b0, b1, b2, 0, 0): output (x, y) shows input (a0 x + a1 y + a2, ...)."""

        def uniform(limit):
            return keras.random.uniform((count,), -limit, limit, seed=self.seed_generator)

        ranges = self.ranges
        flips = keras.random.uniform((count,), 0.0, 1.0, seed=self.seed_generator)
        mirror = ops.where(flips < (0.5 if self.flip else 0.0), -1.0, 1.0)
        return affine_rows(
            rotation=uniform(math.radians(ranges["rotation"])),
            shift_x=uniform(ranges["width_shift"] * width),
            shift_y=uniform(ranges["height_shift"] * height),
            shear=uniform(math.radians(ranges["shear"])),
            zoom_x=1.0 + uniform(ranges["zoom"]),
            zoom_y=1.0 + uniform(ranges["zoom"]),
            mirror=mirror,
            height=height,
            width=width,
        )

    def get_config(self):
        return {**super().get_config(), "flip": self.flip, **self.ranges, "seed": self.seed}

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, images, training=False):
        return keras.KerasTensor(images.shape, dtype="float32")


def affine_rows(rotation, shift_x, shift_y, shear, zoom_x, zoom_y, mirror, height, width):
    """Compose the maps into rows (n, 8) for `keras.ops.image.affine_transform`.

    rotation, shear: radians (n,). shift_x, shift_y: pixels (n,). zoom_x, zoom_y: factors (n,). mirror: -1 or 1 (n,).

    The order is that of `ImageDataGenerator` (keras.src.legacy.preprocessing.image, `apply_affine_transform`): in
    (column, row) coordinates about the centre, input = rotation . shift . shear . zoom . output. The image is mirrored
    last, so the mirror applies to the output first. The generator swaps the ranges of the two shifts, which makes no
    difference if they are equal.
    """
    cosine, sine = ops.cos(rotation), ops.sin(rotation)
    shear_sine, shear_cosine = ops.sin(shear), ops.cos(shear)
    # rotation . shear in (column, row): [[c, -s], [s, c]] . [[1, -sin(h)], [0, cos(h)]]
    column_column = cosine * zoom_x * mirror
    column_row = (-cosine * shear_sine - sine * shear_cosine) * zoom_y
    row_column = sine * zoom_x * mirror
    row_row = (-sine * shear_sine + cosine * shear_cosine) * zoom_y
    # rotation . shift: the shift is rotated with the image
    column_shift = cosine * shift_x - sine * shift_y
    row_shift = sine * shift_x + cosine * shift_y
    centre_row, centre_column = (height - 1) / 2, (width - 1) / 2
    row_offset = centre_row + row_shift - row_row * centre_row - row_column * centre_column
    column_offset = centre_column + column_shift - column_row * centre_row - column_column * centre_column
    zeros = ops.zeros_like(rotation)
    return ops.stack([column_column, column_row, column_offset, row_column, row_row, row_offset, zeros, zeros], axis=1)


# The paper names the transformations (section "Data Preprocessing") but no ranges. These ranges are ours, mild enough
# to keep a 48x48 face recognisable.
AUGMENTATIONS = {
    "none": {},
    "flip": {"flip": True},
    "paper": {"flip": True, "rotation": 10.0, "width_shift": 0.1, "height_shift": 0.1, "shear": 5.0, "zoom": 0.1},
}
FURTHER = ("brightness", "contrast", "erasing")  # what an augmentation may hold in addition to RandomAffine's ranges
ERASED_SHARE = (0.02, 0.25)  # share of the image that one erased rectangle covers


def augmentation_ranges(augmentation):
    """The dict of ranges for ``augmentation_layer``: looked up by a name in AUGMENTATIONS, or the given dict itself."""
    if isinstance(augmentation, dict):
        return augmentation
    return AUGMENTATIONS[choose("AUGMENTATION", augmentation, AUGMENTATIONS)]


def augmentation_layer(augmentation, seed=0):
    """Build one layer that augments in training only, from a name in AUGMENTATIONS or a dict of ranges.

    In addition to `RandomAffine`'s ranges, a dict may hold brightness (changed by up to that share of 255), contrast
    (raised by up to that share; Keras' `RandomContrast` does not lower it if it gets one number) and erasing
    (probability that a random rectangle of 2 to 25 % of the image becomes noise; Zhong et al. 2020, arXiv:1708.04896),
    each from 0 to 1. Raises ValueError for unknown names and invalid ranges.
    """
    ranges = dict(augmentation_ranges(augmentation))
    further = {name: ranges.pop(name, 0.0) for name in FURTHER}
    for name, value in further.items():
        if not 0 <= value <= 1:
            raise ValueError(f"augmentation {name}={value!r} must lie in [0, 1]")
    unknown = sorted(set(ranges) - set(RandomAffine.RANGES) - {"flip"})
    if unknown:
        known = ", ".join(("flip", *RandomAffine.RANGES, *FURTHER))
        raise ValueError(f"augmentation has no range {', '.join(unknown)}: use {known}")
    layers = [RandomAffine(**ranges, seed=seed, name="augmentation")]
    if further["brightness"]:
        layers.append(keras.layers.RandomBrightness(further["brightness"], seed=seed + 1))
    if further["contrast"]:
        layers.append(keras.layers.RandomContrast(further["contrast"], seed=seed + 2))
    if further["erasing"]:
        probability = (further["erasing"], further["erasing"])  # for a single number, Keras draws the probability, too
        layers.append(keras.layers.RandomErasing(probability, scale=ERASED_SHARE, seed=seed + 3))
    return layers[0] if len(layers) == 1 else keras.Sequential(layers, name="augmentation")
