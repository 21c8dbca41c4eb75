"""What runs answered, on four hand-made images and three runs."""

from types import SimpleNamespace

import numpy as np
import pytest

from fer_utils.data.faces import Faces
from fer_utils.evaluation.intervals import wilson_interval
from fer_utils.labels import errors

CHECKSUM = "c" * 64
LABELS = np.array([0, 3, 4, 6])
IDS = np.array([10, 11, 12, 13])


@pytest.fixture
def faces():
    images = np.zeros((5, 48, 48), np.uint8)
    return Faces(
        images, np.array([0, 3, 4, 6, 1], np.uint8), np.full(5, "PrivateTest", "U11"), np.arange(10, 15), "d", CHECKSUM
    )


def run(name, predicted, ids=IDS, labels=LABELS, sure=0.7, checksum=CHECKSUM):
    """A run that answers `predicted`, each with probability `sure`, the rest shared evenly."""
    probabilities = np.full((len(predicted), 7), (1 - sure) / 6)
    probabilities[np.arange(len(predicted)), predicted] = sure
    predictions = {"test": (np.array(ids), np.array(labels, np.uint8), probabilities)}
    return SimpleNamespace(name=name, manifest={"data_checksum": checksum}, predictions=predictions)


RUNS = [run("a", [0, 3, 6, 4]), run("b", [0, 4, 6, 3]), run("c", [1, 3, 6, 4])]


def test_score_and_its_empty_case():
    assert errors.score([True, True, False]) == {
        "n": 3, "correct": 2, "accuracy": 2 / 3, "low": wilson_interval(2, 3)[0], "high": wilson_interval(2, 3)[1],
    }  # fmt: skip
    nothing = errors.score([])
    assert nothing["n"] == nothing["correct"] == 0 and np.isnan([nothing["accuracy"], nothing["low"]]).all()


def test_mean_interval_by_hand():
    found = errors.mean_interval([0.0, 1.0, 1.0, 0.0])
    reach = 1.959964 * np.sqrt(1 / 3) / 2
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((0.5, 0.5 - reach, 0.5 + reach))
    assert np.isnan(errors.mean_interval([1.0])["low"]) and np.isnan(errors.mean_interval([])["mean"])


def test_answers_are_collected_in_the_rows_order(faces):
    turned = run("turned", [4, 6, 3, 0], IDS[::-1], LABELS[::-1])
    found, refused = errors.collect([turned, *RUNS], faces)
    assert refused == [] and len(found) == 4
    assert found.row_ids.tolist() == IDS.tolist()
    assert found.predicted["turned"].tolist() == [0, 3, 6, 4]
    assert found.right.to_numpy().T.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (run("odd", [0] * 4, checksum="e" * 64), "odd is left out: it was made from other data"),
        (run("odd", [0] * 3, IDS[:3], LABELS[:3]), "its test images are not those of a"),
        (run("odd", [0] * 4, IDS + 90), "its test rows are not in the data"),
        (run("odd", [0] * 4, IDS, [0, 0, 4, 6]), "its test labels are not those of the data"),
    ],
)  # fmt: skip
def test_runs_that_do_not_fit_are_named_and_left_out(faces, odd, reason):
    found, refused = errors.collect([*RUNS, odd], faces)
    assert list(found.probabilities) == ["a", "b", "c"]
    assert len(refused) == 1 and reason in refused[0]


def test_no_run_at_all(faces):
    assert errors.collect([], faces) == (None, [])


@pytest.fixture
def found(faces):
    return errors.collect(RUNS, faces)[0]


def test_hardest_come_first(found):
    table = errors.hardest(found, 3)
    assert table["row_id"].tolist()[:2] == [12, 13] and len(table) == 3
    assert table["wrong"].tolist() == [3, 3, 1]
    assert table["loss"].tolist()[:2] == pytest.approx([-np.log(0.05)] * 2)
    assert table["label"].tolist()[:2] == ["sad", "neutral"] and table["answer"].tolist()[:2] == ["neutral", "sad"]


def test_errors_that_all_share(found):
    assert errors.shared_errors(found).tolist() == [False, False, True, True]
    facts = errors.sharing(found)
    assert (facts["runs"], facts["n"], facts["none_wrong"], facts["all_wrong"]) == (3, 4, 0, 2)
    assert facts["expected_all_wrong"] == pytest.approx(2)  # each emotion has one image here, two of them wrong in all
    assert facts["same_answer"] == 1  # for image 12 all say neutral


def test_chance_overlaps_more_where_an_emotion_is_hard_for_all():
    """Two runs: on 10 happy faces each errs once, on 10 sad ones 8 times. By chance 0.1 and 6.4, not 20 * 0.45 ** 2."""
    labels = np.repeat([3, 4], 10).astype(np.uint8)
    answer = labels.copy()
    answer[[0, *range(10, 18)]] = 6
    found = errors.Answers(np.arange(20), labels, {run: np.eye(7)[answer] for run in "ab"})
    assert errors.sharing(found)["expected_all_wrong"] == pytest.approx(0.1 + 6.4)


def test_confusions_count_each_image_once(found):
    matrix = errors.confusions(found, errors.shared_errors(found))
    assert matrix.to_numpy().sum() == pytest.approx(2)
    assert matrix.at["sad", "neutral"] == pytest.approx(1)
    assert matrix.at["neutral", "sad"] == pytest.approx(2 / 3)
    table = errors.top_confusions(matrix)
    assert table["images"].tolist() == pytest.approx([1, 2 / 3, 1 / 3])
    assert table["share_of_errors"].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    everything = errors.confusions(found)
    assert everything.at["happy", "happy"] == pytest.approx(2 / 3) and everything.to_numpy().sum() == pytest.approx(4)
    assert errors.top_confusions(everything * 0).empty
