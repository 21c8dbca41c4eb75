import math

import keras
import numpy as np
import pytest

from fer_utils import data
from fer_utils.models.augmentation import RandomAffine, affine_rows

SIZE = 9
STILL = {"rotation": 0, "shift_x": 0, "shift_y": 0, "shear": 0, "zoom_x": 1, "zoom_y": 1, "mirror": 1}


def resample(image, **changes):
    """One image (9, 9) through the map that `changes` to the identity describe."""
    values = {name: np.array([value], "float32") for name, value in {**STILL, **changes}.items()}
    rows = affine_rows(**values, height=SIZE, width=SIZE)
    result = keras.ops.image.affine_transform(
        image[None, ..., None].astype("float32"), rows, interpolation="bilinear", fill_mode="nearest"
    )
    return keras.ops.convert_to_numpy(result)[0, ..., 0]


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(0, 255, (SIZE, SIZE)).astype("float32")


def test_no_change_is_the_identity(image):
    np.testing.assert_allclose(resample(image), image, atol=1e-3)


def test_mirror(image):
    np.testing.assert_allclose(resample(image, mirror=-1), image[:, ::-1], atol=1e-3)


def test_whole_pixel_shifts_repeat_the_edge(image):
    np.testing.assert_allclose(resample(image, shift_x=2)[:, :-2], image[:, 2:], atol=1e-3)
    np.testing.assert_allclose(resample(image, shift_x=2)[:, -1], image[:, -1], atol=1e-3)
    np.testing.assert_allclose(resample(image, shift_y=-3)[3:], image[:-3], atol=1e-3)


def test_quarter_turn_about_the_centre(image):
    turned = resample(image, rotation=math.pi / 2)
    assert min(np.abs(turned - np.rot90(image, turns)).max() for turns in (1, 3)) < 1e-2


def test_zoom_halves_about_the_centre(image):
    zoomed = resample(image, zoom_x=0.5, zoom_y=0.5)
    assert zoomed[4, 4] == pytest.approx(image[4, 4], abs=1e-3)
    np.testing.assert_allclose(zoomed[::2, ::2], image[2:7, 2:7], atol=1e-2)


def test_composition_is_the_generators():
    """The matrix of keras' legacy generator: rotation . shift . shear . zoom in (column, row), about the centre."""
    values = {"rotation": 0.3, "shift_x": 1.5, "shift_y": -2.0, "shear": 0.2, "zoom_x": 0.9, "zoom_y": 1.2}
    cosine, sine = math.cos(0.3), math.sin(0.3)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    shift = np.array([[1, 0, 1.5], [0, 1, -2.0], [0, 0, 1]])
    shear = np.array([[1, -math.sin(0.2), 0], [0, math.cos(0.2), 0], [0, 0, 1]])
    zoom = np.diag([0.9, 1.2, 1])
    centre = np.array([[1, 0, 4.0], [0, 1, 4.0], [0, 0, 1]])
    matrix = centre @ rotation @ shift @ shear @ zoom @ np.linalg.inv(centre)
    arguments = {name: np.array([value], "float32") for name, value in {**values, "mirror": 1}.items()}
    row = keras.ops.convert_to_numpy(affine_rows(**arguments, height=SIZE, width=SIZE))[0]
    expected = [*matrix[0], *matrix[1], 0, 0]
    np.testing.assert_allclose(row, expected, atol=1e-5)


def test_acts_in_training_only_and_differs_between_images_and_calls():
    layer = RandomAffine(flip=True, rotation=20, width_shift=0.1, seed=1)
    images = np.repeat(np.random.default_rng(1).integers(0, 256, (1, 16, 16, 1), dtype=np.uint8), 4, axis=0)
    still = keras.ops.convert_to_numpy(layer(images, training=False))
    np.testing.assert_array_equal(still, images.astype("float32"))
    first = keras.ops.convert_to_numpy(layer(images, training=True))
    second = keras.ops.convert_to_numpy(layer(images, training=True))
    assert np.abs(first[0] - first[1]).max() > 1
    assert np.abs(first - second).max() > 1
    assert first.min() >= 0
    assert first.max() <= 255


def test_same_seed_same_pictures():
    images = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 1), dtype=np.uint8)
    one, other = (RandomAffine(rotation=20, zoom=0.2, seed=5)(images, training=True) for _ in range(2))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))


def test_flip_alone_mirrors_about_half_of_the_images():
    images = np.tile(np.arange(8, dtype=np.uint8)[None, None, :, None], (400, 8, 1, 1))
    flipped = keras.ops.convert_to_numpy(RandomAffine(flip=True, seed=2)(images, training=True))[:, 0, 0, 0]
    assert set(np.round(flipped).tolist()) == {0, 7}
    assert 150 < (flipped > 3).sum() < 250


def test_layer_goes_through_its_config():
    layer = RandomAffine(flip=True, rotation=7, zoom=0.3, seed=4)
    assert RandomAffine.from_config(layer.get_config()).get_config() == layer.get_config()


# --- beside the image generator that the paper used ------------------------------------------------------------------


def generators_picture(image, values):
    """What the generator makes of an image (height, width, channels), given the same draws as `affine_rows`."""
    from tensorflow.keras.preprocessing.image import apply_affine_transform

    moved = apply_affine_transform(
        image,
        theta=math.degrees(values["rotation"]),
        tx=values["shift_x"],
        ty=values["shift_y"],
        shear=math.degrees(values["shear"]),
        zx=values["zoom_x"],
        zy=values["zoom_y"],
        row_axis=0,
        col_axis=1,
        channel_axis=2,
        fill_mode="nearest",
    )
    return moved[:, ::-1] if values["mirror"] < 0 else moved


def layers_picture(image, values):
    """What our resampling makes of it."""
    arrays = {name: np.array([value], "float32") for name, value in values.items()}
    rows = affine_rows(**arrays, height=image.shape[0], width=image.shape[1])
    moved = keras.ops.image.affine_transform(image[None], rows, interpolation="bilinear", fill_mode="nearest")
    return keras.ops.convert_to_numpy(moved)[0]


def draws(seed):
    """One draw from the ranges of AUGMENTATION="paper"."""
    rng = np.random.default_rng(seed)
    zooms = rng.uniform(0.9, 1.1, 2)
    shifts = rng.uniform(-4.8, 4.8, 2)
    angles = np.radians(rng.uniform(-10, 10)), np.radians(rng.uniform(-5, 5))
    values = {"rotation": angles[0], "shear": angles[1], "shift_x": shifts[0], "shift_y": shifts[1]}
    return {**values, "zoom_x": zooms[0], "zoom_y": zooms[1], "mirror": rng.choice([-1.0, 1.0])}


def faces(count):
    return data.load_fer2013("sample").images[:count, ..., None].astype("float32")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the image generator is TensorFlow's")
def test_same_draw_gives_the_generators_picture():
    for seed, face in enumerate(faces(20)):
        values = draws(seed)
        np.testing.assert_allclose(layers_picture(face, values), generators_picture(face, values), atol=0.1)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the image generator is TensorFlow's")
def test_augmenting_before_enlarging_gives_the_picture_of_augmenting_after():
    """We augment 48 pixels and then enlarge to 224; the paper's generator turns the enlarged image."""

    def enlarge(images):
        return keras.ops.convert_to_numpy(keras.ops.image.resize(images, (224, 224)))

    differences, effects = [], []
    for seed, face in enumerate(faces(20)):
        values = draws(seed)
        large = {**values, **{name: values[name] * 224 / 48 for name in ("shift_x", "shift_y")}}
        before, after = enlarge(layers_picture(face, values)), generators_picture(enlarge(face), large)
        differences.append(np.abs(before - after).mean())
        effects.append(np.abs(enlarge(face) - after).mean())
    # In gray levels of 255: a second bilinear resampling blurs a little, far less than what augmentation changes.
    assert np.mean(differences) < 3
    assert np.mean(differences) < 0.15 * np.mean(effects)
