"""Copies of images that were made on purpose, so that every group, conflict and score is known."""

import numpy as np
import pytest
from PIL import Image

from fer_utils.data import near_duplicates, protocols
from fer_utils.data.faces import DataError, Faces
from fer_utils.evaluation.intervals import wilson_interval
from fer_utils.labels import duplicates

ANGRY, HAPPY, SAD = 0, 3, 4


def pictures(n, seed=0):
    """Images with a layout of their own, as photographs have and noise has not: uint8 (n, 60, 60)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 6, 6), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((60, 60), Image.Resampling.BICUBIC)) for image in small])


def crop(picture, top=6, left=6):
    return picture[top : top + 48, left : left + 48]


@pytest.fixture(scope="module")
def faces():
    """0 to 7 are different; 8 copies 0; 9 copies 8; 10 is 1 darker; 11 is 2 shifted; 12, 13 and 14 are constant."""
    wide = pictures(8)
    images = [crop(picture) for picture in wide]
    images += [images[0], images[0], (images[1] * 0.6 + 10).astype(np.uint8), crop(wide[2], 7, 5)]
    images += [np.full((48, 48), 0, np.uint8)] * 2 + [np.full((48, 48), 7, np.uint8)]
    labels = np.array([ANGRY, HAPPY, SAD, 1, 2, 5, 6, 0, ANGRY, HAPPY, HAPPY, ANGRY, 0, 3, 0], np.uint8)
    usage = np.array(["Training"] * 8 + ["Training", "PrivateTest", "PublicTest", "PrivateTest"] + ["PrivateTest"] * 3)
    return Faces(np.stack(images), labels, usage.astype("U11"), np.arange(100, 115), source="made")


EXACT = [0, -1, -1, -1, -1, -1, -1, -1, 0, 0, -1, -1, -1, -1, -1]
NEAR = [0, 1, 2, -1, -1, -1, -1, -1, 0, 0, 1, 2, -1, -1, -1]


def test_constant_images_are_told(faces):
    assert np.flatnonzero(near_duplicates.constant(faces.images)).tolist() == [12, 13, 14]


def test_exact_groups_leave_out_constant_images(faces):
    assert near_duplicates.exact_groups(faces).tolist() == EXACT


def test_near_groups_hold_exact_copies_other_light_and_other_crops(faces):
    assert near_duplicates.near_groups(faces).tolist() == NEAR


def test_order_changes_the_numbers_only(faces):
    order = np.random.default_rng(3).permutation(len(faces))
    groups = near_duplicates.near_groups(faces.take(order))
    wanted = np.array(NEAR)[order]
    assert ((groups[:, None] == groups) == (wanted[:, None] == wanted)).all()
    assert ((groups < 0) == (wanted < 0)).all()


def test_the_hash_is_that_of_the_library(faces):
    imagehash = pytest.importorskip("imagehash")
    hashes = near_duplicates.perceptual_hashes(faces.images[:3])
    assert hashes.dtype == np.uint64
    first, second = (imagehash.phash(Image.fromarray(image)) for image in faces.images[:2])
    assert np.bitwise_count(hashes[0] ^ hashes[1]) == first - second


def test_candidates_are_all_pairs_within_the_distance(monkeypatch):
    hashes = np.array([0b0, 0b1, 0b111, 0b1111_1111, 2**63, 2**63 + 1], np.uint64)
    wanted = [(0, 1), (0, 4), (0, 5), (1, 2), (1, 4), (1, 5), (4, 5)]
    monkeypatch.setattr(near_duplicates, "BLOCK", 2)  # more than one block
    assert sorted(map(tuple, near_duplicates.candidate_pairs(hashes, 2).tolist())) == wanted
    assert near_duplicates.candidate_pairs(hashes, 0).shape == (0, 2)


def test_aligned_correlation_finds_the_shift_and_ignores_light():
    wide = pictures(2, seed=1)
    images = np.stack([crop(wide[0]), crop(wide[0], 9, 3), 255 - crop(wide[0]), crop(wide[1]), np.zeros((48, 48))])
    images = images.astype(np.uint8)
    pairs = np.array([[0, 0], [0, 1], [1, 0], [0, 4], [4, 0]])
    assert near_duplicates.aligned_correlation(images, pairs).tolist() == pytest.approx([1, 1, 1, 0, 0], abs=1e-5)
    assert near_duplicates.aligned_correlation(images, np.array([[0, 1]]), reach=1)[0] < 0.95  # the shift is 3
    unlike = near_duplicates.aligned_correlation(images, np.array([[0, 2], [0, 3]]))
    assert (unlike < 0.7).all()
    assert near_duplicates.aligned_correlation(images, np.array([[0, 2]]), reach=0)[0] == pytest.approx(-1, abs=1e-5)


def test_pixels_decide_not_the_hash(faces, monkeypatch):
    monkeypatch.setattr(near_duplicates, "perceptual_hashes", lambda images: np.zeros(len(images), np.uint64))
    assert near_duplicates.near_groups(faces).tolist() == NEAR  # every pair was a candidate


def test_a_half_alike_pair_passes_the_thumbnails_and_fails_by_its_pixels():
    first, second = (crop(picture).astype(float) for picture in pictures(2, seed=4))
    images = np.stack([first, 0.64 * first + 0.36 * second]).astype(np.uint8)
    value = near_duplicates.aligned_correlation(images, np.array([[0, 1]]))[0]
    assert near_duplicates.ROUGH + 0.02 < value < near_duplicates.CORRELATION - 0.005
    assert near_duplicates.near_pairs(images, distance=64).shape == (0, 2)
    assert near_duplicates.near_pairs(images, distance=64, correlation=0.8).tolist() == [[0, 1]]


def test_groups_are_connected_over_others():
    pairs = np.array([[1, 2], [2, 5], [3, 4]])
    assert near_duplicates.connected(6, pairs).tolist() == [-1, 0, 0, 1, 1, 0]
    assert near_duplicates.connected(3, np.empty((0, 2), np.int64)).tolist() == [-1, -1, -1]


def test_summary_by_hand(faces):
    exact = duplicates.summary(faces, np.array(EXACT))
    assert exact == {
        "images with a twin": 3,
        "groups": 1,
        "largest group": 3,
        "superfluous images": 2,
        "groups within one split": 0,
        "groups across splits": 1,
        "groups with different labels": 1,
        "images in groups with different labels": 3,
        "constant images, excluded": 3,
    }
    near = duplicates.summary(faces, np.array(NEAR))
    assert (near["groups"], near["images with a twin"], near["groups across splits"]) == (3, 7, 3)
    assert near["groups with different labels"] == 2  # 1 and 10 are both happy
    nothing = duplicates.summary(faces, np.full(len(faces), -1))
    assert nothing["groups"] == nothing["largest group"] == nothing["images with a twin"] == 0


def test_conflicts_name_the_labels_that_meet(faces):
    table = duplicates.conflicts(faces, np.array(NEAR))
    assert table.at["angry", "happy"] == table.at["happy", "angry"] == 1
    assert table.at["angry", "sad"] == 1 and table.at["happy", "happy"] == 1
    assert table.to_numpy().sum() == 5


def test_a_pair_of_different_labels_from_each_group(faces):
    assert duplicates.conflicting_pairs(faces, np.array(NEAR)).tolist() == [[0, 9], [2, 11]]
    assert duplicates.conflicting_pairs(faces, np.full(len(faces), -1)).shape == (0, 2)


def test_twins_and_leaks_by_split(faces):
    assert np.flatnonzero(near_duplicates.twin_in(faces, np.array(EXACT))).tolist() == [9]
    assert np.flatnonzero(near_duplicates.twin_in(faces, np.array(NEAR))).tolist() == [9, 10, 11]
    table = duplicates.leaks(faces, np.array(NEAR))
    assert table.loc["PublicTest", ["images", "twins", "with_label", "other_label"]].tolist() == [1, 1, 1, 0]
    assert table.loc["PrivateTest", ["images", "twins", "with_label", "other_label"]].tolist() == [5, 2, 0, 2]
    assert table.at["PrivateTest", "share"] == pytest.approx(2 / 5)


def test_a_twin_in_the_same_split_is_no_leak():
    usage = np.array(["PrivateTest", "PrivateTest", "Training"], "U11")
    faces = Faces(pictures(3)[:, :48, :48], np.zeros(3, np.uint8), usage, np.arange(3))
    assert not near_duplicates.twin_in(faces, np.array([0, 0, -1])).any()


def test_scores_without_twins():
    right = np.array([True, True, False, True])
    table = duplicates.score_without(right, np.array([True, False, False, False]))
    assert table["n"].tolist() == [4, 3, 1] and table["correct"].tolist() == [3, 2, 1]
    assert tuple(table.loc["without twins", ["low", "high"]]) == pytest.approx(wilson_interval(2, 3))
    assert np.isnan(duplicates.score_without(right, np.zeros(4, bool)).at["twins only", "accuracy"])


def test_what_does_not_fit_is_refused(faces):
    with pytest.raises(ValueError, match="same images"):
        duplicates.score_without(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(ValueError, match="each of 15 faces"):
        duplicates.summary(faces, np.zeros(3, int))


def test_the_gap_within_emotions_is_not_moved_by_which_emotions_the_twins_have():
    # Surprise is named rightly in 8 of 10 and fear in 2 of 10, twin or not; but most twins are surprised.
    labels = np.repeat([5, 5, 2, 2], [40, 10, 10, 40])
    twins = np.repeat([True, False, True, False], [40, 10, 10, 40])
    right = np.concatenate([np.arange(40) % 10 < 8, np.arange(10) < 8, np.arange(10) < 2, np.arange(40) % 10 < 2])
    assert right[twins].mean() - right[~twins].mean() == pytest.approx(0.68 - 0.32)
    found = duplicates.gap_within(right, twins, labels)
    assert found["gap"] == pytest.approx(0)
    assert found["low"] < 0 < found["high"]


def test_a_network_that_remembers_has_a_gap_within_emotions():
    labels, twins = np.repeat([0, 1], 100), np.tile([True, False], 100)
    right = twins | (np.arange(200) % 4 == 1)  # all twins, and half of the others
    found = duplicates.gap_within(right, twins, labels)
    assert found["gap"] == pytest.approx(0.5)
    # The standard error of half of 100 is 0.05.
    assert found["low"] == pytest.approx(0.5 - 1.96 * 0.05, abs=0.01)
    assert found["high"] == pytest.approx(0.5 + 1.96 * 0.05, abs=0.01)


def test_an_emotion_without_twins_says_nothing_of_the_gap():
    labels, twins = np.array([0, 0, 3, 3]), np.array([True, False, False, False])
    assert duplicates.gap_within([1, 0, 1, 1], twins, labels)["gap"] == 1
    with pytest.raises(ValueError, match="no stratum has both"):
        duplicates.gap_within([1, 0], [True, True], [0, 0])


def test_each_emotion_counts_by_its_share_of_the_twins():
    labels, twins = np.repeat([0, 0, 1, 1], [30, 10, 10, 30]), np.repeat([True, False, True, False], [30, 10, 10, 30])
    right = np.concatenate([np.ones(30), np.zeros(10), np.arange(10) % 2, np.arange(30) % 2])
    found = duplicates.gap_within(right, twins, labels)
    assert found["gap"] == pytest.approx(30 / 40)  # 1 for the first emotion, 0 for the second
    assert found["low"] < found["gap"] < found["high"]


def test_twins_that_are_only_clearer_have_no_gap_among_faces_on_which_voters_agree_alike():
    """Clear faces (nine votes of ten) are named rightly in 9 of 10, doubtful ones (two) in 2; most twins are clear."""
    clear, twins = np.repeat([1, 1, 0, 0], [80, 20, 20, 80]).astype(bool), np.repeat([1, 0, 1, 0], [80, 20, 20, 80])
    right = np.arange(200) % 10 < np.where(clear, 9, 2)
    votes = np.zeros((200, 10), np.int64)
    votes[:, 1] = np.where(clear, 9, 2)  # FER+'s happiness, which is label 3
    votes[:, 0] = 10 - votes[:, 1]
    found = duplicates.gaps({"run": right}, twins, np.full(200, 3), votes)["gap"]
    assert found["run", "emotions"] == pytest.approx(0.76 - 0.34)
    assert found["run", "emotions and votes"] == pytest.approx(0)
    assert list(duplicates.gaps({"run": right}, twins, np.full(200, 3))["gap"]) == [found["run", "emotions"]]


@pytest.fixture(scope="module")
def more(faces):
    """The same with nine more of Training, 15 to 23, three of each emotion that has twins; 23 copies 22."""
    images = [crop(picture) for picture in pictures(9, seed=1)]
    images[8] = images[7]
    labels = np.repeat(np.array([ANGRY, HAPPY, SAD], np.uint8), 3)
    return Faces(
        np.concatenate([faces.images, images]),
        np.concatenate([faces.labels, labels]),
        np.concatenate([faces.usage, np.full(9, "Training")]).astype("U11"),
        np.arange(100, 124),
        source="made",
    )


def test_training_is_left_without_what_other_splits_have_a_twin_of(more):
    twins = protocols.left_out(more, "twins")
    assert np.flatnonzero(twins).tolist() == [0, 1, 2, 8]
    assert not protocols.left_out(more, "none").any()


def test_as_many_others_of_the_same_emotions_are_left_out_instead(more):
    drawn = {seed: np.flatnonzero(protocols.left_out(more, "others", seed)) for seed in range(6)}
    for chosen in drawn.values():
        assert set(chosen) <= {3, 4, 5, 6, 7, *range(15, 24)}  # of Training, and no twin
        assert np.bincount(more.labels[chosen]).tolist() == [
            2,
            0,
            0,
            1,
            1,
        ]  # as of the twins
    np.testing.assert_array_equal(drawn[0], np.flatnonzero(protocols.left_out(more, "others", 0)))
    assert len({tuple(chosen) for chosen in drawn.values()}) > 1
    for seed, chosen in drawn.items():
        splits = protocols.apply_protocol(more, "official", seed=seed, without="others")
        assert splits.left_out.row_ids.tolist() == more.row_ids[chosen].tolist()


def test_a_protocol_without_twins_changes_training_alone(more):
    whole, without = (protocols.apply_protocol(more, "official", without=which) for which in ("none", "twins"))
    assert sorted(set(whole.train.row_ids) - set(without.train.row_ids)) == [100, 101, 102, 108]
    np.testing.assert_array_equal(whole.validation.row_ids, without.validation.row_ids)
    np.testing.assert_array_equal(whole.open_test().row_ids, without.open_test().row_ids)


def test_a_set_that_is_unknown_or_empties_an_emotion_is_refused(faces, more):
    with pytest.raises(ValueError, match="Unknown TRAIN_WITHOUT 'copies'; it is one of 'none', 'twins', 'others'"):
        protocols.left_out(more, "copies")
    alone = Faces(np.stack([crop(one) for one in pictures(24, seed=5)]), more.labels, more.usage, more.row_ids)
    for without in ("twins", "others"):
        with pytest.raises(
            DataError, match=f"TRAIN_WITHOUT={without} takes nothing out, since no image of Training has"
        ):
            protocols.left_out(alone, without)
    with pytest.raises(
        DataError, match="made: TRAIN_WITHOUT=twins takes too many images of happy, sad out of Training"
    ):
        protocols.left_out(faces, "twins")
    few = more.take(np.delete(np.arange(24), [15, 16, 7]))  # one angry image beside the two twins
    with pytest.raises(DataError, match="made: TRAIN_WITHOUT=others takes too many images of angry out of Training"):
        protocols.left_out(few, "others")
