"""Flip, rotation, shifts, shear and zoom, with the same ranges: our layer and the image generator the paper used.

Both from raw faces in memory to the tensor that the network takes.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_utils import models

BATCH = 64
RANGES = models.AUGMENTATIONS["paper"]


def generator(images):
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(
        horizontal_flip=RANGES["flip"],
        rotation_range=RANGES["rotation"],
        width_shift_range=RANGES["width_shift"],
        height_shift_range=RANGES["height_shift"],
        shear_range=RANGES["shear"],
        zoom_range=RANGES["zoom"],
    ).flow(images.astype("float32"), batch_size=BATCH, shuffle=False)


def next_tensor(flow):
    return tf.convert_to_tensor(next(flow))


def compiled(input_size, channels):
    """Augmentation, then what the backbone's input takes, as one compiled function of raw faces, as in training."""
    inputs = keras.Input((48, 48), dtype="uint8")
    x = keras.layers.Reshape((48, 48, 1))(inputs)
    x = models.augmentation_layer("paper")(x)
    model = keras.Model(inputs, models.prepare(x, input_size, channels, "rescale"))
    return tf.function(lambda images: model(images, training=True))  # `predict` would leave the augmentation out


def enlarged(images):
    """RGB faces of 224 pixels, as the generator gets them from a folder."""
    resized = keras.ops.image.resize(images[..., None].astype("float32"), (224, 224))
    return np.repeat(keras.ops.convert_to_numpy(resized), 3, axis=-1)


@pytest.mark.benchmark(group="augmentation, 64 images of 48x48")
def bench_layer_48(benchmark, train):
    benchmark.pedantic(compiled(48, 1), args=[train.images[:BATCH]], rounds=30, warmup_rounds=2)


@pytest.mark.benchmark(group="augmentation, 64 images of 48x48")
def bench_baseline_generator_48(benchmark, train):
    flow = generator(train.images[:BATCH, ..., None])
    benchmark.pedantic(next_tensor, args=[flow], rounds=30, warmup_rounds=2)


@pytest.mark.benchmark(group="augmentation, 64 RGB images of 224x224")
def bench_layer_224(benchmark, train):
    """On the 48 pixels that a face has, before it is enlarged."""
    benchmark.pedantic(compiled(224, 3), args=[train.images[:BATCH]], rounds=15, warmup_rounds=2)


@pytest.mark.benchmark(group="augmentation, 64 RGB images of 224x224")
def bench_baseline_generator_224(benchmark, train):
    flow = generator(enlarged(train.images[:BATCH]))
    benchmark.pedantic(next_tensor, args=[flow], rounds=5, warmup_rounds=1)
