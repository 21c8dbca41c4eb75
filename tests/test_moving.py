"""Drawn faces whose moving parts are known, and the score of a map on them (sample.moving, recognize.scoring)."""

import numpy as np
import pytest

from fer_utils import sample
from fer_utils.names import EMOTIONS
from fer_utils.recognize import scoring
from fer_utils.recognize.grid import Grid, enlarging
from fer_utils.sample import dataset, moving


@pytest.fixture(scope="module")
def faces():
    return sample.draw_expressions(24, seed=3)


def of(faces, emotion):
    return faces.labels == EMOTIONS.index(emotion)


def test_faces_come_in_the_samples_form(faces):
    assert faces.images.shape == (24, 48, 48) and faces.images.dtype == np.uint8
    assert np.bincount(faces.labels, minlength=7).tolist() == [4, 4, 4, 4, 4, 4, 0]
    assert not any(view.cartoon for view in faces.views)
    again = sample.draw_expressions(24, seed=3)
    assert np.array_equal(again.images, faces.images)
    assert not np.array_equal(sample.draw_expressions(24, seed=4).images, faces.images)
    for units, label in zip(faces.units, faces.labels):
        possible = {row[0] for prototype in dataset.PROTOTYPES[EMOTIONS[label]] for row in prototype}
        assert set(units) <= possible


def test_nothing_moves_without_units(faces):
    still = sample.Expressions(faces.images, faces.labels, faces.identities, [{}] * 24, faces.views)
    assert sample.moved(still).max() == 0
    assert np.array_equal(sample.moved(faces, without=99), np.zeros_like(sample.moved(faces)))  # a unit that none has


def test_what_moves_is_what_the_emotions_units_move(faces):
    change = sample.moved(faces)
    assert change.shape == (24, 48, 48) and change.dtype == np.float32 and 0 <= change.min() <= change.max() <= 1
    masks = sample.parts(change)
    rows = masks.any(axis=2)
    assert all(rows[of(faces, "happy")][:, 24:].any(axis=1))  # a mouth that smiles
    brows = [7, 20]  # rows between hair and eyes of a face that fills the picture
    assert masks[of(faces, "surprise"), slice(*brows)].mean() > 2 * masks[of(faces, "happy"), slice(*brows)].mean()
    assert 0.02 < masks.mean() < 0.4


def test_a_unit_moves_its_own_part_only(faces):
    with_jaw = np.array([26 in units for units in faces.units])
    jaw = sample.moved(faces, without=26)
    assert jaw[~with_jaw].max() < 0.02  # faces are painted in batches, whose rounding differs a little
    assert jaw[with_jaw].max(axis=(1, 2)).min() > 0.05
    assert jaw[with_jaw][:, :16].max() < 0.05  # no forehead


def test_the_parts_of_all_emotions_are_drawn_on_every_face(faces):
    change = sample.would_move(faces)
    assert change.shape == (6, 24, 48, 48)
    lower = change[:, :, 24:].mean(axis=(1, 2, 3)) / change.mean(axis=(1, 2, 3))
    assert moving.MOVING[lower.argmax()] == "happy"


def test_parts_are_what_changes_and_a_pixel_around():
    change = np.zeros((2, 48, 48))
    change[0, 10, 20], change[1, 5, 5] = 0.2, 0.04
    masks = sample.parts(change)
    assert masks[0].sum() == 9 and masks[0, 9:12, 19:22].all()
    assert not masks[1].any()
    assert np.array_equal(sample.parts(change[None])[0], masks)


@pytest.mark.parametrize(("given", "message"), [((5, 0), "one face for each emotion"), ((12, -1), "non-negative")])
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        sample.draw_expressions(*given)


# --- scores ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def masks():
    """Ten faces with parts of other places and sizes."""
    found = np.zeros((10, 48, 48), bool)
    for k, mask in enumerate(found):
        mask[2 * k : 2 * k + 12, 4 * k : 4 * k + 6 + k] = True
    return found


def test_a_map_that_is_the_mask_scores_one_and_a_flat_one_chance(masks):
    perfect, flat = scoring.score_maps(masks.astype(float), masks), scoring.score_maps(np.ones(masks.shape), masks)
    assert perfect["share"] == 1 and perfect["times"] == pytest.approx(1 / masks.mean())
    assert flat["share"] == pytest.approx(masks.mean()) and flat["times"] == pytest.approx(1)
    assert perfect["low"] == perfect["high"] == 1


def test_shares_are_of_the_mass_above_zero_and_an_empty_map_is_a_flat_one():
    found, mask = np.zeros((2, 48, 48)), np.zeros((2, 48, 48), bool)
    mask[:, :, :12] = True
    found[0, 0, 0], found[0, 0, 40], found[0, 5, 5] = 3, 1, -50
    assert scoring.share_on(found, mask) == pytest.approx([0.75, 0.25])
    with pytest.raises(ValueError, match="must have the same shape"):
        scoring.share_on(found, mask[0])


def test_the_interval_holds_the_score_and_narrows_with_more_faces():
    rng = np.random.default_rng(0)
    found, mask = rng.random((400, 48, 48)), np.zeros((400, 48, 48), bool)
    mask[:, :10] = True
    found[::2, :10] *= 3
    few, many = scoring.score_maps(found[:20], mask[:20]), scoring.score_maps(found, mask)
    assert few["low"] < few["share"] < few["high"]
    assert many["high"] - many["low"] < (few["high"] - few["low"]) / 2


def test_own_parts_are_told_from_those_of_the_others():
    labels = np.array([EMOTIONS.index(name) for name in sample.MOVING for _ in range(2)])
    parts = np.zeros((6, 12, 48, 48), bool)
    for k in range(6):
        parts[k, :, 8 * k : 8 * k + 8] = True
    own = parts[np.repeat(np.arange(6), 2), np.arange(12)].astype(float)
    told = scoring.own_against_others(own, labels, parts)
    assert (told["own"], told["others"], told["difference"]) == pytest.approx((6, 0, 6))
    flat = scoring.own_against_others(np.ones(own.shape), labels, parts)
    assert (flat["own"], flat["others"], flat["low"]) == pytest.approx((1, 1, 0))
    table = scoring.by_parts(own, labels, parts)
    assert list(table.index) == list(table.columns) == list(sample.MOVING)
    assert table.to_numpy() == pytest.approx(6 * np.eye(6))
    assert scoring.by_parts(own[:2], labels[:2], parts[:, :2]).isna().to_numpy()[1:].all()


def test_each_units_part_is_scored_alone(faces):
    jaw = sample.moved(faces, without=26)
    table = scoring.by_unit(jaw, faces)
    assert table["times"].idxmax() == "AU26 jaw drop" and table.loc["AU26 jaw drop", "share"] > 0.9
    assert table.loc["AU4 brow lowerer", "times"] < 1
    assert (table["n"] >= 5).all() and table.loc["AU26 jaw drop", "n"] == sum(26 in units for units in faces.units)


def test_the_maps_to_hold_others_against():
    faces = np.zeros((2, 48, 48), np.uint8)
    faces[:, 20:30, 20:30] = 200
    steep = scoring.edges(faces)
    assert steep[0, 25, 25] < 1 and steep[0, 20, 25] > 20 and steep[0, 3, 3] == 0
    numbered = np.arange(6)[:, None, None] * np.ones((1, 48, 48))
    labels = np.array([0, 0, 0, 3, 3, 3])
    taken = scoring.of_other_faces(numbered, labels)[:, 0, 0].astype(int)
    assert (labels[taken] != labels).all()


def test_a_mask_seen_through_coarse_cells_keeps_its_place_but_not_its_edges(masks):
    coarse = scoring.through(enlarging(Grid(3.5, 8.0, (0, 48)), 6), masks)
    fine = scoring.through(enlarging(Grid(0.0, 1.0, (0, 48)), 48), masks)
    assert fine == pytest.approx(masks.astype(float))
    scores = [scoring.score_maps(found, masks)["times"] for found in (np.ones(masks.shape), coarse, fine)]
    assert scores[0] < scores[1] < scores[2]
