"""Changes to a face, each with a known answer (recognize.changes)."""

import numpy as np
import pytest

from fer_utils.recognize import changes
from fer_utils.recognize.changes import KINDS, change


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(0).integers(60, 190, (4, 48, 48), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_amount_that_changes_nothing_changes_nothing_and_others_change_every_face(kind, faces):
    unit, nothing, amounts = KINDS[kind]
    same = change(faces, kind, nothing)
    assert np.array_equal(same, faces) and same is not faces
    for amount in amounts:
        changed = change(faces, kind, amount)
        assert changed.shape == faces.shape and changed.dtype == np.uint8
        assert (changed != faces).any(axis=(1, 2)).all()
        assert np.array_equal(changed, change(faces, kind, amount))
    assert nothing not in amounts and list(amounts) == sorted(amounts)
    assert len(change(faces[:0], kind, amounts[0])) == 0


def test_light(faces):
    assert np.array_equal(change(faces, "brightness", 40), faces + 40)
    assert np.array_equal(change(faces, "brightness", -60), faces - 60)
    assert change(faces, "brightness", 200).max() == 255  # cut, not carried over
    flat = change(faces, "contrast", 50).astype(float)
    assert flat.mean(axis=(1, 2)) == pytest.approx(faces.mean(axis=(1, 2)), abs=0.5)
    assert flat.std(axis=(1, 2)) == pytest.approx(faces.std(axis=(1, 2)) / 2, rel=0.01)
    assert len(np.unique(change(faces, "contrast", 0)[0])) == 1


def test_a_shift_is_exact_and_repeats_the_edge(faces):
    right, left = change(faces, "shift right", 3), change(faces, "shift right", -3)
    assert np.array_equal(right[:, :, 3:], faces[:, :, :-3]) and (right[:, :, :3] == faces[:, :, :1]).all()
    assert np.array_equal(left[:, :, :-3], faces[:, :, 3:]) and (left[:, :, -3:] == faces[:, :, -1:]).all()
    down = change(faces, "shift down", 2)
    assert np.array_equal(down[:, 2:], faces[:, :-2]) and (down[:, :2] == faces[:, :1]).all()


def test_a_quarter_turn_is_exact_and_anticlockwise(faces):
    assert np.array_equal(change(faces, "rotation", 90), np.rot90(faces, axes=(1, 2)))
    assert np.array_equal(change(faces, "rotation", 180), faces[:, ::-1, ::-1])


def test_zoom_makes_the_face_larger_around_its_middle():
    face = np.zeros((1, 48, 48), np.uint8)
    face[:, 16:32, 16:32] = 255
    assert [(change(face, "zoom", percent) > 127).sum() for percent in (50, 100, 150)] == [8 * 8, 16 * 16, 24 * 24]
    larger = change(face, "zoom", 150)
    assert np.array_equal(larger, larger[:, ::-1]) and np.array_equal(larger, larger[:, :, ::-1])


def test_blur_keeps_the_mean_and_spreads_a_point_as_a_gaussian():
    face = np.zeros((1, 48, 48), np.uint8)
    face[0, 24, 24] = 255
    spread = change(face, "blur", 1)[0]
    assert spread[24, 24] == round(255 / (2 * np.pi)) and spread[24, 26] == pytest.approx(
        255 / (2 * np.pi) * np.exp(-2), abs=1
    )


def test_noise_has_its_deviation_and_is_another_for_each_face_and_seed():
    gray = np.full((2, 48, 48), 128, np.uint8)
    noisy = change(gray, "noise", 10).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.05) and noisy.mean() == pytest.approx(128, abs=0.5)
    assert not np.array_equal(noisy[0], noisy[1])
    assert not np.array_equal(change(gray, "noise", 10, seed=1), noisy)


def test_occlusion_is_one_square_of_the_faces_mean(faces):
    covered = change(faces, "occlusion", 12)
    for face, hidden in zip(faces, covered):
        differs = hidden != face
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        assert np.ptp(rows) < 12 and np.ptp(columns) < 12
        assert (hidden[differs] == round(face.mean())).all() and 130 < differs.sum() <= 144
    assert (change(faces, "occlusion", 48) == faces.mean(axis=(1, 2)).round()[:, None, None]).all()


def test_size_keeps_what_so_few_pixels_can_hold(faces):
    assert (np.ptp(change(faces, "size", 1), axis=(1, 2)) == 0).all()
    blocks = np.repeat(np.repeat(faces[:, ::8, ::8], 8, axis=1), 8, axis=2)
    six = change(blocks, "size", 6)
    middle = blocks[:, 3::8, 3::8].astype(float)
    assert np.abs(six[:, 3::8, 3::8] - middle).max() < 30  # bilinear: near a block's middle it is the block
    assert change(faces, "size", 12).std() < 0.5 * faces.std()


@pytest.mark.parametrize(
    ("kind", "amount", "message"),
    [
        ("blurr", 1, "did you mean blur"),
        ("blur", -1, "blur: amount=-1 must be a number from 0"),
        ("shift right", 2.5, "shift right: amount=2.5 must be a whole number"),
        ("shift down", 48, "must be a whole number from -47 to 47 .pixels"),
        ("size", 0, "must be a whole number from 1 to 48"),
        ("occlusion", 49, "must be a whole number from 0 to 48"),
        ("zoom", 0, "must be a number from 10"),
        ("noise", float("nan"), "noise: amount=nan"),
    ],
)
def test_what_makes_no_sense_is_refused(kind, amount, message, faces):
    with pytest.raises(ValueError, match=message):
        change(faces, kind, amount)


def bright_is_happy(faces):
    """A network that calls what is brighter than 100 happy and all else sad."""
    happy = faces.mean(axis=(1, 2)) > 100
    return np.eye(7)[np.where(happy, 3, 4)]


def test_what_makes_no_sense_is_refused_before_the_first_prediction(faces):
    with pytest.raises(ValueError, match="kind='blurr' is unknown; did you mean blur"):
        changes.robustness(None, faces, [4] * len(faces), {"noise": (5,), "blurr": (1,)})
    with pytest.raises(ValueError, match="zoom: amount=0 must be a number from 10"):
        changes.robustness(None, faces, [4] * len(faces), {"noise": (5,), "zoom": (80, 0)})


def test_the_table_counts_right_answers_and_those_that_stay():
    faces = np.stack([np.full((48, 48), grey, np.uint8) for grey in (50, 90, 110, 150)])
    table = changes.robustness(bright_is_happy, faces, [4, 4, 3, 4], {"brightness": (20, -40), "shift down": (5,)})
    assert table["kind"].tolist() == ["brightness"] * 3 + ["shift down"] * 2
    assert table["amount"].tolist() == [-40, 0, 20, 0, 5]
    assert table["right"].tolist() == [2, 3, 2, 3, 3] and (table["n"] == 4).all()
    assert table["stay"].tolist() == [0.75, 1, 0.75, 1, 1]
    assert table["accuracy"].tolist() == [0.5, 0.75, 0.5, 0.75, 0.75]
    assert (table["low"] < table["accuracy"]).all() and (table["accuracy"] < table["high"]).all()
