import numpy as np
import pytest

from fer_utils import models
from fer_utils.models import tta

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)


def centre(images, crop):
    margin = (48 - crop) // 2
    return images[:, margin : margin + crop, margin : margin + crop]


def test_single_and_flip():
    (only,) = tta.views(IMAGES, "single")
    np.testing.assert_array_equal(only, IMAGES)
    seen = list(tta.views(IMAGES, "flip"))
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[1], IMAGES[:, :, ::-1])


@pytest.mark.parametrize("crop", [40, 41, 44])
def test_ten_crops_are_the_corners_the_centre_and_their_mirror_images(crop):
    seen = [centre(view, crop) for view in tta.views(IMAGES, "ten-crop", crop)]
    end = 48 - crop
    places = [(end // 2, end // 2), (0, 0), (0, end), (end, 0), (end, end)]
    expected = {
        images[:, row : row + crop, column : column + crop].tobytes()
        for images in (IMAGES, IMAGES[:, :, ::-1])
        for row, column in places
    }
    assert len(seen) == 10
    assert {part.tobytes() for part in seen} == expected


def test_scales_are_the_face_and_its_mirror_image_at_three_sizes():
    model = models.build_classifier(
        "deepcnn", "scratch", input_size=0, width=0.0625, crop=40, answer_crop=48, head="average", augmentation="none"
    )
    small, large = (models.at_size(model, size) for size in (44, 52))
    expected = np.mean([tta.predict(network, IMAGES, "flip") for network in (small, model, large)], axis=0)
    np.testing.assert_allclose(tta.predict(model, IMAGES, "scales"), expected, rtol=1e-5)
    assert np.abs(tta.predict(model, IMAGES, "flip") - expected).max() > 1e-6
    # About what the network resizes to, where it does.
    resized = models.at_size(model, 24)
    expected = np.mean([tta.predict(models.at_size(model, size), IMAGES, "flip") for size in (22, 24, 26)], axis=0)
    np.testing.assert_allclose(tta.predict(resized, IMAGES, "scales"), expected, rtol=1e-5)


def test_scales_are_of_the_crop_that_a_network_answers_on():
    model = models.build_classifier(
        "deepcnn", "scratch", input_size=0, width=0.0625, crop=40, any_size=True, head="average", augmentation="none"
    )
    networks = [models.at_size(model, 37), model, models.at_size(model, 43)]
    expected = np.mean([tta.predict(network, IMAGES, "flip") for network in networks], axis=0)
    np.testing.assert_allclose(tta.predict(model, IMAGES, "scales"), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "given",
    [
        {"any_size": True, "head": "average", "preprocessing": "imagenet", "channels": 3},
        {"any_size": True, "head": "average", "channels": 3},
        {"input_size": 48},
    ],
)
def test_a_network_of_one_size_is_not_asked_at_others(given):
    """Not so, it would be resized where no layer is, and answer three times alike."""
    model = models.build_classifier(
        "vgg16", "scratch", **{"input_size": 0, "width": 0.0625, "augmentation": "none", **given}
    )
    with pytest.raises(ValueError, match="vgg16_scratch takes images of one size only"):
        tta.predict(model, IMAGES, "scales")


class Brightness:
    """Stands for a model: says how bright the left half of what it keeps is."""

    input_shape = (None, 48, 48)

    def predict(self, images, batch_size, verbose):
        kept = centre(images, 40)[:, :, :20].mean(axis=(1, 2)) / 255
        return np.stack([kept, 1 - kept], axis=1).astype("float32")


def test_prediction_is_the_mean_over_the_views():
    expected = np.mean([Brightness().predict(view, 256, 0) for view in tta.views(IMAGES, "ten-crop", 40)], axis=0)
    answer = tta.predict(Brightness(), IMAGES, "ten-crop", 40)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, expected, rtol=1e-6)
    single = tta.predict(Brightness(), IMAGES)
    assert np.abs(single - expected).max() > 1e-3


@pytest.mark.parametrize("kind", [np.uint8, float])
def test_no_faces_have_no_answers(kind):
    answers = tta.predict(Brightness(), np.zeros((0, 48, 48), kind))
    assert answers.shape == (0, 7) and answers.dtype == np.float32


def test_views_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="views='twelve' is unknown: use one of 'single', 'flip', 'ten-crop'"):
        list(tta.views(IMAGES, "twelve"))
    for crop in (0, 48):
        with pytest.raises(ValueError, match="ten crops need a crop between 0 and the image's 48 pixels"):
            list(tta.views(IMAGES, "ten-crop", crop))


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.uint16])
def test_whole_grey_levels_of_another_type_are_answered_alike(kind):
    expected = tta.predict(Brightness(), IMAGES)
    np.testing.assert_array_equal(tta.predict(Brightness(), IMAGES.astype(kind)), expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES / 255, r"float64 from 0 to 1, .*grey levels from 0 to 255 .*scales them itself: multiply by 255"),
        (IMAGES / 2, r"float64 from 0 to 127.5, .*the model scales them itself$"),
        (np.zeros((2, 48, 48)), "multiply by 255"),
        (IMAGES.astype(int) + 100, "from 100 to 355"),
        (IMAGES.astype(int) - 1, "something else than grey levels"),
        (np.full((1, 48, 48), np.nan), "something else than grey levels"),
        (IMAGES[0], r"shape \(48, 48\): give \(n, height, width\), one face as images\[None\]"),
        (IMAGES[..., None], r"shape \(3, 48, 48, 1\): give \(n, height, width\), as images\[..., 0\]"),
        (np.repeat(IMAGES[..., None], 3, axis=-1), r"as images.mean\(axis=-1\)"),
        (IMAGES[:, :40], r"shape \(3, 40, 48\): resize them to the model's \(n, 48, 48\)$"),
    ],
)
def test_pixels_that_are_not_what_the_model_takes_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        tta.predict(Brightness(), images)
