"""Layers that are computed in other ways than Keras': the same answers and gradients."""

import keras
import numpy as np
import pytest

from fer_utils import models
from fer_utils.models import layers

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch):
    monkeypatch.setattr(layers, "_has_gpu", lambda: False)


@pytest.fixture
def taken(monkeypatch):
    """Shapes of the kernels whose gradients were products."""
    shapes, ours = [], layers.kernel_gradient
    monkeypatch.setattr(layers, "kernel_gradient", lambda *given: shapes.append(tuple(given[2])) or ours(*given))
    return shapes


def rounded(values):
    """As bfloat16 keeps them, in float64."""
    in_bfloat16 = keras.ops.cast(keras.ops.cast(values, "bfloat16"), "float32")
    return keras.ops.convert_to_numpy(in_bfloat16).astype("float64")


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_batch_norm_trains_as_keras_does(policy):
    images = np.random.default_rng(0).normal(3, 2, (16, 5, 5, 4)).astype("float32")
    gamma, beta = np.array([0.5, 1, 1.5, 2], "float32"), np.array([-1, 0, 1, 2], "float32")
    shared = {"momentum": 0.9, "epsilon": 1e-3, "dtype": policy}
    ours, theirs = layers.BatchNormalization(**shared), keras.layers.BatchNormalization(**shared)
    for layer in (ours, theirs):
        layer.build(images.shape)
        layer.set_weights([gamma, beta, np.ones(4, "float32"), np.full(4, 7, "float32")])
    answers = [keras.ops.cast(layer(images, training=True), "float32") for layer in (ours, theirs)]
    ours_out, theirs_out = (keras.ops.convert_to_numpy(answer) for answer in answers)
    np.testing.assert_allclose(ours_out, theirs_out, atol=1e-5 if policy == "float32" else 0.03)
    values = images.astype("float64") if policy == "float32" else rounded(images)
    unbiased = keras.backend.backend() == "tensorflow"
    variance = values.var(axis=(0, 1, 2), ddof=int(unbiased))
    mean = values.mean(axis=(0, 1, 2))
    running = [keras.ops.convert_to_numpy(weight) for weight in (ours.moving_mean, ours.moving_variance)]
    np.testing.assert_allclose(running, [0.9 * 1 + 0.1 * mean, 0.9 * 7 + 0.1 * variance], rtol=1e-5)


def test_frozen_batch_norm_keeps_its_statistics():
    layer = layers.BatchNormalization(epsilon=0.0)
    layer.build((None, 2, 2, 1))
    layer.set_weights([np.array([3.0]), np.array([1.0]), np.array([5.0]), np.array([4.0])])
    layer.trainable = False
    answer = keras.ops.convert_to_numpy(layer(np.full((2, 2, 2, 1), 9, "float32"), training=True))
    np.testing.assert_allclose(answer, 3 * (9 - 5) / 2 + 1)
    np.testing.assert_allclose([float(layer.moving_mean[0]), float(layer.moving_variance[0])], [5, 4])


def moved(images, top, left):
    """What lies at (top - 1, left - 1) from each place of images (n, height, width, channels); 0 outside."""
    height, width = images.shape[1:3]
    return np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])[:, top : top + height, left : left + width]


def drawn(shape=(3, 4, 5, 128), filters=6):
    rng = np.random.default_rng(0)
    images, kernel = rng.normal(size=shape), rng.normal(size=(3, 3, shape[-1], filters))
    weights = rng.normal(size=(*shape[:3], filters))  # of each number that comes out, in the loss
    return [values.astype("float32") for values in (images, kernel, weights)]


def weighted(weights, answers):
    """A loss of which `weights` is the gradient by the answers."""
    return keras.ops.sum(weights * keras.ops.cast(answers, weights.dtype))


def trained(images, weights, *convolutions):
    """One step of SGD with a rate of 1, so that kernels change by their gradients."""
    model = keras.Sequential([keras.Input(images.shape[1:]), *convolutions])
    model.compile(keras.optimizers.SGD(1.0), weighted)
    model.train_on_batch(images, weights)


def convolution(kind, kernel, policy="mixed_bfloat16"):
    layer = kind(kernel.shape[-1], len(kernel), padding="same", use_bias=False, dtype=policy)
    layer.build((None, None, None, kernel.shape[-2]))
    layer.set_weights([kernel])
    return layer


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_gradient_of_a_kernel(policy, taken):
    images, kernel, weights = drawn()
    layer = convolution(layers.Conv2D, kernel, policy)
    trained(images, weights, layer)
    assert taken == ([(3, 3, 128, 6)] if policy == "mixed_bfloat16" and ON_TENSORFLOW else [])
    seen, back = (rounded(values) if policy == "mixed_bfloat16" else values for values in (images, weights))
    by_hand = [[np.einsum("nhwc,nhwf->cf", moved(seen, top, left), back) for left in range(3)] for top in range(3)]
    close = np.abs(by_hand).max() * (0.01 if policy == "mixed_bfloat16" else 1e-5)
    np.testing.assert_allclose(kernel - layer.get_weights()[0], by_hand, atol=close)


def test_answers_and_the_gradient_of_images_are_keras_own():
    images, kernel, weights = drawn()
    answers, gradients = [], []
    for kind in (layers.Conv2D, keras.layers.Conv2D):
        before, layer = (
            convolution(keras.layers.Conv2D, np.eye(128, dtype="float32")[None, None]),
            convolution(kind, kernel),
        )
        answers.append(keras.ops.convert_to_numpy(keras.ops.cast(layer(images), "float32")))
        trained(images, weights, before, layer)
        gradients.append(before.get_weights()[0])
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert np.abs(gradients[0]).max() > 1


@pytest.mark.parametrize(
    ("shape", "changes", "products"),
    [
        ((None, 6, 6, 128), {}, True),
        ((None, 1, 6, 640), {}, True),
        ((None, 6, 6, 127), {}, False),
        ((None, 7, 6, 640), {}, False),
        ((None, 6, 7, 640), {}, False),
        ((None, None, None, 600), {}, False),
        ((None, 6, 6, 128), {"dtype": "float32"}, False),
        ((None, 6, 6, 128), {"kernel_size": 1}, False),
        ((None, 6, 6, 128), {"strides": 2}, False),
        ((None, 6, 6, 128), {"dilation_rate": 2}, False),
        ((None, 6, 6, 128), {"padding": "valid"}, False),
        ((None, 6, 6, 128), {"groups": 2}, False),
        ((None, 6, 6, 128), {"data_format": "channels_first"}, False),
    ],
)
def test_which_convolutions_take_products(shape, changes, products):
    layer = layers.Conv2D(4, **{"kernel_size": 3, "padding": "same", "dtype": "mixed_bfloat16", **changes})
    assert layer._takes_products(keras.KerasTensor(shape)) is (products and ON_TENSORFLOW)


def test_none_takes_products_on_a_gpu(monkeypatch):
    monkeypatch.setattr(layers, "_has_gpu", lambda: True)
    layer = layers.Conv2D(4, 3, padding="same", dtype="mixed_bfloat16")
    assert layer._takes_products(keras.KerasTensor((None, 6, 6, 128))) is False


def test_the_deep_cnn_takes_products_on_its_last_places(taken):
    """Though its sides are unknown until it trains, since it trains on crops and answers about whole faces."""
    sizes = {"input_size": 0, "crop": 40, "answer_crop": 48}
    faces, targets = np.zeros((2, 48, 48), "uint8"), np.full((2, 7), 1 / 7, "float32")
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = models.build_classifier("deepcnn", "scratch", width=0.5, head="average", **sizes)
    keras.config.set_dtype_policy("float32")
    model.compile("sgd", "categorical_crossentropy")
    model.train_on_batch(faces, targets)
    expected = [(3, 3, 128, 256), (3, 3, 256, 256), (3, 3, 256, 256)]  # on five by five places
    assert sorted(taken) == (expected if ON_TENSORFLOW else [])
