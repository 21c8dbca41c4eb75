"""Random flips, rotations, shifts, shears and zooms as one affine resampling an image.

Keras' own layers for these resample the image once each and cannot be compiled; the image generator that the paper used
composes them into one matrix and resamples once. So does this layer, on the device and inside the compiled step.
"""

import math

import keras
from keras import ops


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
