"""What was made faster in a training step and at its edges, and what was tried and left: the deep CNN, 128 faces."""

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import keras
import numpy as np
import pytest
from bench_training import compiled, in_pairs, targets

from fer_utils import training
from fer_utils.models import layers

BATCH = 128
STEPS = 8
step = pytest.mark.benchmark(group=f"{STEPS} training steps of {BATCH} images, deep CNN")
end = pytest.mark.benchmark(group="evaluating 1,024 images ten times, deep CNN")


def steps(benchmark, train, augmented=True, **kwargs):
    model = compiled("erasing", augmented, **kwargs)
    images, labels = train.images[:BATCH], targets(train)[:BATCH]

    def some_steps():
        for _ in range(STEPS):
            model.train_on_batch(images, labels)

    benchmark.pedantic(some_steps, rounds=5, warmup_rounds=1)


@step
def bench_float32(benchmark, train):
    steps(benchmark, train)


@step
def bench_bfloat16(benchmark, train):
    steps(benchmark, train, policy="mixed_bfloat16")


@step
def bench_bfloat16_keras_batch_norm(benchmark, train, monkeypatch):
    monkeypatch.setattr(layers.BatchNormalization, "call", keras.layers.BatchNormalization.call)
    steps(benchmark, train, policy="mixed_bfloat16")


@step
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX always compiles")
def bench_xla_without_augmentation(benchmark, train):
    """TensorFlow's XLA has no kernel for the augmentation's projective transform."""
    steps(benchmark, train, augmented=False, xla=True)


@step
def bench_baseline_float32_keras_batch_norm(benchmark, train, monkeypatch):
    monkeypatch.setattr(layers.BatchNormalization, "call", keras.layers.BatchNormalization.call)
    steps(benchmark, train)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is about TensorFlow's oneDNN")
@pytest.mark.parametrize("recipe", ["vgg16", "resnet50", "erasing"])
@pytest.mark.parametrize("work", ["train", "predict"])
def bench_onednn(benchmark, work, recipe, train, monkeypatch):
    """A process whose TensorFlow uses oneDNN, as our kernel has it, against one whose TensorFlow does not."""
    images, labels = train.images[:BATCH], targets(train)[:BATCH]
    benchmark.group = f"{STEPS} times {BATCH} images, {work}, recipe {recipe}, float32"

    def steps_in(pool):
        pool.submit(steps_here, work, recipe, images, labels).result()

    with own_process(monkeypatch, "1") as on, own_process(monkeypatch, "0") as off:
        in_pairs(benchmark, lambda: steps_in(on), "without_onednn", lambda: steps_in(off))


def own_process(monkeypatch, value):
    """A pool of one process. TensorFlow reads the variable when it is imported."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    pool.submit(int).result()  # starts it
    return pool


def steps_here(work, recipe, images, labels):
    model = model_here(recipe)
    for _ in range(STEPS):
        if work == "train":
            model.train_on_batch(images, labels)
        else:
            model.predict_on_batch(images)


@functools.cache
def model_here(recipe):
    if recipe == "resnet50":
        return compiled("vgg16", augmented=True, changes="architecture=resnet50")
    return compiled(recipe, augmented=True)


# (pixels a side, channels) within and beyond what Conv2D takes products for: the deep CNN's at half its width, then
# VGG16's at full and at a quarter.
PLACES = [(20, 64), (10, 128), (5, 256), (12, 256), (6, 512), (3, 512), (12, 64), (6, 128), (3, 128)]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is about TensorFlow's gradient")
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize(("side", "channels"), PLACES)
def bench_kernel_gradient(benchmark, side, channels, dtype):
    """One 3x3 kernel's gradient as products of matrices, ten times, against TensorFlow's own."""
    import tensorflow as tf

    shape, numbers = (3, 3, channels, channels), np.random.default_rng(0).normal(size=(BATCH, side, side, channels))
    images = back = tf.cast(numbers, dtype)
    products = tf.function(lambda images, back: layers.kernel_gradient(images, back, shape))
    own = tf.function(
        lambda images, back: tf.compat.v1.nn.conv2d_backprop_filter(images, shape, back, [1, 1, 1, 1], "SAME")
    )
    benchmark.group = f"ten gradients of a kernel, {channels} channels of {BATCH} images, {side}x{side}, {dtype}"
    in_pairs(benchmark, ten_times(products, images, back), "tensorflow_own", ten_times(own, images, back))


def ten_times(function, *given):
    return lambda: [function(*given) for _ in range(10)]


def evaluations(benchmark, train):
    model = compiled("erasing", augmented=False)
    images, labels = train.images[:1024], targets(train)[:1024]

    def ten_times():
        for _ in range(10):
            model.evaluate(images, labels, batch_size=BATCH, verbose=0)

    benchmark.pedantic(ten_times, rounds=3, warmup_rounds=1)


@end
def bench_evaluate(benchmark, train):
    evaluations(benchmark, train)


@end
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is about TensorFlow's data")
def bench_baseline_tuned_by_tf_data(benchmark, train, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.data.Dataset, "prefetch", tf.data.Dataset.prefetch.tuned)
    evaluations(benchmark, train)


@pytest.mark.benchmark(group="one training epoch of 1,280 images, deep CNN")
@pytest.mark.parametrize("steps_at_once", [1, 10])
def bench_steps_per_execution(benchmark, train, steps_at_once):
    model = compiled("erasing", augmented=True, steps_per_execution=steps_at_once)
    images, labels = train.images[:1280], targets(train)[:1280]
    batches = training.Batches(images, labels, BATCH)
    benchmark.pedantic(model.fit, args=[batches], kwargs={"verbose": 0, "shuffle": False}, rounds=3, warmup_rounds=1)


def bench_rate_of_a_matrix_product(benchmark):
    """2 * 2048 ** 3 operations in float32: what the processor gives a library that only multiplies."""
    benchmark.group = "a product of 2048x2048 matrices, float32"
    left = np.random.default_rng(0).normal(size=(2048, 2048)).astype("float32")
    benchmark.pedantic(np.matmul, args=[left, left], rounds=10, warmup_rounds=2)
