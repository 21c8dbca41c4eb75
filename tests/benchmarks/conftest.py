"""What the benchmarks share. They print and assert no time: `make bench` runs them and keeps their ratios."""

import os

import keras
import numpy as np
import pytest

from fer_utils import data

if "FER_BENCHMARK_IMAGES" in os.environ and keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)  # untimed, for a few images tracing takes longer than all steps


@pytest.fixture(scope="session")
def faces():
    """The real FER-2013 where FER_DATA names it, else the built-in sample."""
    return data.load_fer2013(os.environ.get("FER_DATA") or "sample")


@pytest.fixture(scope="session")
def train(faces):
    """2,560 training images with their labels, forty batches of 64; fewer where FER_BENCHMARK_IMAGES says so."""
    part = data.apply_protocol(faces).train
    return part.take(np.arange(min(int(os.environ.get("FER_BENCHMARK_IMAGES", 2560)), len(part))))
