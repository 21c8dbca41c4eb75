"""How a face is cut out: exact on known pictures; the margin is the one that was measured (recognize/framing)."""

import dataclasses
import json

import framing as framing_tool
import numpy as np
import pytest
from PIL import Image

from fer_utils import runs, sample
from fer_utils.recognize import detection, examples, framing
from fer_utils.recognize.detection import Face

NOISE = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(200), np.arange(200)).astype(np.uint8) // 2
MIDDLE = (24.0, 24.0)


def face_of(box, eyes=((10, 20), (30, 20))):
    return Face(*box, eyes, 1.0)


# --- cutting ----------------------------------------------------------------------------------------------------------


def test_the_whole_of_a_frame_is_the_frame_itself():
    assert np.array_equal(framing.cut(NOISE, MIDDLE, 48), NOISE)


def test_a_quarter_turn_is_a_quarter_turn():
    """A face whose right is the picture's down is turned back, so that its top, the picture's right, is up."""
    assert np.array_equal(framing.cut(NOISE, MIDDLE, 48, np.pi / 2), np.rot90(NOISE))


@pytest.mark.parametrize("times", [2, 3, 8, 11, 20])
def test_a_pixel_is_the_mean_of_the_area_that_it_covers(times):
    large = np.kron(NOISE, np.ones((times, times), np.uint8))
    assert np.abs(framing.cut(large, (24 * times,) * 2, 48 * times).astype(int) - NOISE).max() <= 1
    stripes = np.tile(np.array([0, 200], np.uint8), (48 * 2 * times, 48 * times))  # finer than a pixel: their mean
    assert np.abs(framing.cut(stripes, (48 * times,) * 2, 96 * times).astype(int) - 100).max() <= 1


def test_what_lies_outside_repeats_the_edge():
    moved = framing.cut(NOISE, (0.0, 24.0), 48)
    assert np.array_equal(moved[:, 24:], NOISE[:, :24])
    assert (moved[:, :24] == NOISE[:, :1]).all()


def test_gray_is_what_pillow_makes_of_colour():
    colour = np.random.default_rng(1).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert np.array_equal(framing.cut(colour, MIDDLE, 48), np.asarray(Image.fromarray(colour).convert("L")))


# --- the frame around a face ------------------------------------------------------------------------------------------


def test_the_box_says_how_large_the_frame_is_and_the_eyes_where():
    upright = face_of((50, 40, 50, 128), eyes=((70, 60), (90, 60)))  # as large as a square of 80
    assert framing.square(upright, 1.25, (0.4, 0.3)) == ((80 + 10, 60 + 20), 100, 0)
    tilted = dataclasses.replace(upright, eyes=((80, 50), (80, 70)))  # one above the other: a quarter turn clockwise
    (x, y), side, tilt = framing.square(tilted, 1.25, (0.4, 0.3))
    assert (x, y, side, tilt) == pytest.approx((80 - 20, 60 + 10, 100, np.pi / 2))


def test_places_are_in_sides_of_the_image_and_of_images_with_one_face():
    """The tool doubles an image and puts half a side around it: a box of 96 pixels at 48 is the whole of the image."""
    whole = face_of((48, 48, 96, 96), eyes=((48 + 0.3 * 96, 48 + 0.4 * 96), (48 + 0.7 * 96, 48 + 0.4 * 96)))
    low = face_of((48, 96, 48, 12), eyes=((48, 96), (48 + 24, 96 + 24)))
    found = framing_tool.places([NOISE] * 4, lambda pictures: [[whole], [], [whole, low], [low]])
    assert found["centre_x"].tolist() == [0.5, 0.25] and found["centre_y"].tolist() == [0.5, 0.5 + 1 / 16]
    assert found["width"].tolist() == [1, 0.5] and found["height"].tolist() == [1, 1 / 8]
    assert found["mean_side"].tolist() == [1, 0.25]
    assert found["eye_distance"] == pytest.approx([0.4, 0.25 * np.sqrt(2)])
    assert found["eyes_x"] == pytest.approx([0.5, 1 / 8]) and found["eyes_y"] == pytest.approx([0.4, 0.5 + 1 / 8])
    assert found["tilt"] == pytest.approx([0, 45])


def test_the_margin_and_the_eyes_place_are_those_that_were_measured():
    measured = json.loads((runs.PROJECT_ROOT / "outputs/reference/framing/mtcnn.json").read_text())
    assert measured["margin"] == framing.MARGIN and tuple(measured["eyes"]) == framing.EYES
    assert measured["split"] == "Training" and measured["images"] >= 2000
    middle = {name: values["median"] for name, values in measured["in sides of the image"].items()}
    # A median face of Training, found in its image, is framed as the whole image.
    left, top = middle["centre_x"] - middle["mean_side"] / 2, middle["centre_y"] - middle["mean_side"] / 2
    eyes = [(middle["eyes_x"] + half * middle["eye_distance"], middle["eyes_y"]) for half in (-0.5, 0.5)]
    (x, y), side, _ = framing.square(Face(left, top, middle["mean_side"], middle["mean_side"], tuple(eyes), 1.0))
    assert (x, y, side) == pytest.approx((0.5, 0.5, 1.0), abs=1e-3)


def test_the_numbers_on_the_pages_are_those_that_were_measured():
    pages = ["docs/on-your-photos.md", "docs/glossary.md", "course/answers.md"]
    guide, glossary, answers = (" ".join((runs.PROJECT_ROOT / page).read_text().split()) for page in pages)
    measured = json.loads((runs.PROJECT_ROOT / "outputs/reference/framing/mtcnn.json").read_text())
    counts = f"{measured['images']:,}", f"{measured['one_face']:,}"
    assert all(count in page for page in (guide, glossary) for count in counts)
    assert f"side of the frame: {framing.MARGIN} times" in guide and f"{framing.EYES[1]} of it from the top" in guide
    apart = {name: row["upper"] - row["lower"] for name, row in measured["in sides of the image"].items()}
    across = f"{apart['eyes_x']:.3f} of a side apart across and {apart['eyes_y']:.3f} up and down"
    assert f"{across}, those of the box's middle {apart['centre_x']:.3f} and {apart['centre_y']:.3f}" in guide
    pixels = [f"{48 * apart[name]:.1f}" for name in ("eyes_x", "eyes_y", "centre_x", "centre_y")]
    assert "{} and {} pixels apart, those of the box's {} and {}".format(*pixels) in answers


# --- the detector -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def astronaut():
    return examples.pictures()["astronaut"]


def alike(one, other):
    """Correlation of two images' grey levels."""
    return np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1]


def canvas_with(view, side=200, corner=(150, 100)):
    """A drawn face in a larger picture of one gray; RGB."""
    canvas = Image.new("L", (500, 420), 190)
    canvas.paste(Image.fromarray(sample.draw_face({12: 0.6}, view=view, size=side)), corner)
    return np.array(canvas.convert("RGB"))


@pytest.mark.slow
def test_the_astronauts_face_is_found_where_it_is(astronaut):
    (face,) = detection.find_faces(astronaut)
    assert (face.left, face.top, face.width, face.height) == pytest.approx((182, 64, 83, 107), abs=8)
    assert [*face.eyes[0], *face.eyes[1]] == pytest.approx([204, 100, 245, 102], abs=6)
    assert face.confidence > 0.9 and abs(face.tilt) < 0.15


@pytest.mark.slow
def test_a_larger_picture_gives_the_same_face(astronaut):
    (face,) = detection.find_faces(astronaut)
    (larger,) = detection.find_faces(np.asarray(Image.fromarray(astronaut).resize((2048, 2048))))
    assert [part / 4 for part in (*larger.centre, larger.height)] == pytest.approx([*face.centre, face.height], abs=6)


@pytest.mark.slow
def test_a_drawn_face_is_framed_back_as_it_was_drawn():
    """Drawn as large in its frame as FER-2013's faces are in theirs."""
    view = sample.View(scale=1.28)
    (face,) = detection.find_faces(canvas_with(view))
    drawn = sample.draw_face({12: 0.6}, view=view)
    (x, y), side, tilt = framing.square(face)
    assert (x, y, side) == pytest.approx((250, 200, 200), abs=14) and abs(tilt) < 0.05
    assert alike(framing.frame(canvas_with(view), face), drawn) > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("roll", [-0.3, 0.3])
def test_a_tilted_face_is_turned_upright(roll):
    upright, tilted = canvas_with(sample.View(scale=1.1)), canvas_with(sample.View(scale=1.1, roll=roll))
    (face,), (turned,) = detection.find_faces(upright), detection.find_faces(tilted)
    assert turned.tilt - face.tilt == pytest.approx(-roll, abs=0.1)  # a roll is counterclockwise
    x, y = np.mean(turned.eyes, axis=0)
    level = dataclasses.replace(turned, eyes=((x - 1, y), (x + 1, y)))
    goal = framing.frame(upright, face)
    assert alike(framing.frame(tilted, turned), goal) > alike(framing.frame(tilted, level), goal) + 0.1


@pytest.mark.slow
def test_several_faces_are_numbered_from_left_to_right_and_a_gray_wall_has_none():
    people = examples.drawn_people()
    faces = detection.find_faces(people)
    for face, (_, _, _, side, corner) in zip(faces, examples.PEOPLE, strict=True):
        assert face.centre == pytest.approx((corner[0] + side / 2, corner[1] + side / 2), abs=side / 6)
    again, on_a_wall = detection.find_all([people, np.full_like(people, 128)])
    assert on_a_wall == []
    for face, same in zip(faces, again, strict=True):  # on some processors two pictures are rounded unlike one
        assert same.confidence == pytest.approx(face.confidence, abs=1e-3)
        assert dataclasses.replace(same, confidence=face.confidence) == face
    assert detection.find_all([]) == []


def test_pictures_of_several_sizes_are_refused(astronaut):
    with pytest.raises(ValueError, match="different sizes"):
        detection.find_all([astronaut, astronaut[:100]])
