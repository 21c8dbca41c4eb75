"""What was made faster in a training step and at its edges, and what was tried and left: the deep CNN, 128 faces."""

import keras
import numpy as np
import pytest
from bench_training import compiled, targets

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
