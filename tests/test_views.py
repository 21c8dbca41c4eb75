import numpy as np
import pytest

from fer_utils import views

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)


def centre(images, crop):
    margin = (48 - crop) // 2
    return images[:, margin : margin + crop, margin : margin + crop]


def test_single_and_flip():
    (only,) = views.views(IMAGES, "single")
    np.testing.assert_array_equal(only, IMAGES)
    seen = list(views.views(IMAGES, "flip"))
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[1], IMAGES[:, :, ::-1])


@pytest.mark.parametrize("crop", [40, 44])
def test_ten_crops_are_the_corners_the_centre_and_their_mirror_images(crop):
    seen = [centre(view, crop) for view in views.views(IMAGES, "ten-crop", crop)]
    end = 48 - crop
    places = [(end // 2, end // 2), (0, 0), (0, end), (end, 0), (end, end)]
    plain = [IMAGES[:, row : row + crop, column : column + crop] for row, column in places]
    expected = {part.tobytes() for part in plain} | {part[:, :, ::-1].tobytes() for part in plain}
    assert len(seen) == 10
    assert {part.tobytes() for part in seen} == expected


class Brightness:
    """Stands for a model: says how bright the left half of what it keeps is."""

    def predict(self, images, batch_size, verbose):
        kept = centre(images, 40)[:, :, :20].mean(axis=(1, 2)) / 255
        return np.stack([kept, 1 - kept], axis=1).astype("float32")


def test_prediction_is_the_mean_over_the_views():
    expected = np.mean([Brightness().predict(view, 256, 0) for view in views.views(IMAGES, "ten-crop", 40)], axis=0)
    answer = views.predict(Brightness(), IMAGES, "ten-crop", 40)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, expected, rtol=1e-6)
    single = views.predict(Brightness(), IMAGES)
    assert np.abs(single - expected).max() > 1e-3


def test_views_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="views='twelve' is unknown: use one of 'single', 'flip', 'ten-crop'"):
        list(views.views(IMAGES, "twelve"))
    for crop in (0, 48):
        with pytest.raises(ValueError, match="ten crops need a crop between 0 and the image's 48 pixels"):
            list(views.views(IMAGES, "ten-crop", crop))
