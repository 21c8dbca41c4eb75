"""Augmentation as layers: one affine resampling an image, light, erasing (notebooks 01 to 05 and 08)."""

import math

import keras
from keras import ops

from fer_utils.models.backbones import choose


@keras.saving.register_keras_serializable(package="fer_utils")
class RandomAffine(keras.layers.Layer):
    """Draw one affine map an image and resample it once, bilinearly; edges repeat. Does nothing outside training.

    The ranges mean what they mean in `ImageDataGenerator`, each drawn uniformly and independently for each image:
    flip: mirror left-right with probability 1/2; rotation: within +-degrees; width_shift, height_shift: within
    +-fraction of the size; shear: within +-degrees; zoom: factors for both axes within 1 +-zoom.

    Input: uint8 or float images (n, height, width, channels); output: float32 of the same shape and range.
    Raises ValueError for a range that makes no sense.
    """

    RANGES = {"rotation": 180, "width_shift": 1, "height_shift": 1, "shear": 89, "zoom": 0.99}  # name -> largest value

    def __init__(
        self, flip=False, rotation=0.0, width_shift=0.0, height_shift=0.0, shear=0.0, zoom=0.0, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        values = {
            "rotation": rotation,
            "width_shift": width_shift,
            "height_shift": height_shift,
            "shear": shear,
            "zoom": zoom,
        }
        for name, limit in self.RANGES.items():
            if not 0 <= values[name] <= limit:
                raise ValueError(f"augmentation {name}={values[name]!r} must lie in [0, {limit}]")
        self.flip = flip
        self.ranges = values
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
        """One row (a0, a1, a2, b0, b1, b2, 0, 0) an image: output pixel (x, y) shows input (a0 x + a1 y + a2, ...)."""

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
    """Compose the maps into rows for `keras.ops.image.affine_transform`; all arguments but the sizes are (n,) tensors.

    The order is the generator's (keras.src.legacy.preprocessing.image, `apply_affine_transform`): in (column, row)
    coordinates about the centre, input = rotation . shift . shear . zoom . output, the mirror coming last in the
    picture and so first here. rotation and shear in radians, shifts in pixels, mirror -1 or 1. (The generator draws its
    horizontal shift from the range of the vertical one and the other way round; equal ranges do not tell.)
    """
    cosine, sine = ops.cos(rotation), ops.sin(rotation)
    # rotation . shear in (column, row): [[c, -s], [s, c]] . [[1, -sin(h)], [0, cos(h)]]
    shear_sine, shear_cosine = ops.sin(shear), ops.cos(shear)
    column_column, column_row = cosine * zoom_x * mirror, (-cosine * shear_sine - sine * shear_cosine) * zoom_y
    row_column, row_row = sine * zoom_x * mirror, (-sine * shear_sine + cosine * shear_cosine) * zoom_y
    # rotation . shift: the shift is turned with the image
    column_shift, row_shift = cosine * shift_x - sine * shift_y, sine * shift_x + cosine * shift_y
    centre_row, centre_column = (height - 1) / 2, (width - 1) / 2
    row_offset = centre_row + row_shift - row_row * centre_row - row_column * centre_column
    column_offset = centre_column + column_shift - column_row * centre_row - column_column * centre_column
    zeros = ops.zeros_like(rotation)
    return ops.stack([column_column, column_row, column_offset, row_column, row_row, row_offset, zeros, zeros], axis=1)


# The paper names the transformations (section "Data Preprocessing") and gives no ranges; these are ours, mild enough to
# keep a 48x48 face recognisable.
AUGMENTATIONS = {
    "none": {},
    "flip": {"flip": True},
    "paper": {
        "flip": True,
        "rotation": 10.0,
        "width_shift": 0.1,
        "height_shift": 0.1,
        "shear": 5.0,
        "zoom": 0.1,
    },
}
LIGHT = ("brightness", "contrast")  # what an augmentation may hold beside RandomAffine's ranges; and "erasing"
ERASED_SHARE = (0.02, 0.25)  # of the image: how much of it one erased rectangle covers


def augmentation_ranges(augmentation):
    """The ranges that ``augmentation_layer`` takes: those of a name of AUGMENTATIONS, or the dict itself."""
    if isinstance(augmentation, dict):
        return augmentation
    return AUGMENTATIONS[choose("AUGMENTATION", augmentation, AUGMENTATIONS)]


def augmentation_layer(augmentation, seed=0):
    """The augmentation as one layer, which acts in training only: a name of AUGMENTATIONS, or a dict of ranges.

    Beside `RandomAffine`'s ranges, a dict may hold brightness (changed by up to that share of 255), contrast (by up to
    that factor) and erasing (probability that a random rectangle of 2 to 25 % of the image becomes noise; Zhong et al.
    2020, arXiv:1708.04896), each from 0 to 1. Raises ValueError for ranges that make no sense.
    """
    ranges = dict(augmentation_ranges(augmentation))
    further = {name: ranges.pop(name, 0.0) for name in (*LIGHT, "erasing")}
    for name, value in further.items():
        if not 0 <= value <= 1:
            raise ValueError(f"augmentation {name}={value!r} must lie in [0, 1]")
    unknown = sorted(set(ranges) - set(RandomAffine.RANGES) - {"flip"})
    if unknown:
        known = ", ".join(("flip", *RandomAffine.RANGES, *further))
        raise ValueError(f"augmentation has no range {', '.join(unknown)}: use {known}")
    affine = RandomAffine(**ranges, seed=seed, name="augmentation")
    if not any(further.values()):
        return affine
    layers = [affine]
    if further["brightness"]:
        layers.append(keras.layers.RandomBrightness(further["brightness"], seed=seed + 1))
    if further["contrast"]:
        layers.append(keras.layers.RandomContrast(further["contrast"], seed=seed + 2))
    if further["erasing"]:
        probability = (further["erasing"], further["erasing"])  # else Keras draws the probability, too
        layers.append(keras.layers.RandomErasing(probability, scale=ERASED_SHARE, seed=seed + 3))
    return keras.Sequential(layers, name="augmentation")
