"""The price of class weights, on two runs of 14 test images made by hand."""

import re

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from test_compare import device, write_run  # noqa: F401  (the fixture keeps manifests from asking git)

from fer_utils import runs
from fer_utils.labels import plots, weighting

LABELS = np.arange(14, dtype=np.uint8) % 7  # two of each emotion


def answer(folder, predicted):
    """Put the run's test answers in place of those it has."""
    with np.load(folder / "predictions.npz") as arrays:
        content = {name: array.copy() for name, array in arrays.items()}
    content["test_labels"], content["test_row_ids"] = LABELS, np.arange(14)
    content["test_probabilities"] = np.where(np.eye(7)[predicted] > 0, 0.4, 0.1).astype(np.float16)
    np.savez_compressed(folder / "predictions.npz", **content)


def twins(tmp_path, **parameters):
    """Plain: the second disgust (1) is called happy (3). Weighted: both are found, and one happy becomes a disgust."""
    plain = write_run(tmp_path, "vgg16-scratch", CLASS_WEIGHTS="none")
    weighted = write_run(tmp_path / "balanced", "vgg16-scratch", **{"CLASS_WEIGHTS": "balanced", **parameters})
    first, second = LABELS.copy(), LABELS.copy()
    first[8], second[10] = 3, 1
    answer(plain, first)
    answer(weighted, second)
    return runs.read_run(plain)


def test_recall_and_precision_of_a_rare_class_by_hand(tmp_path):
    pairs, notes = weighting.weighted_twins([twins(tmp_path)])
    assert notes == []
    table = weighting.price_of_weights(*pairs[0], np.repeat(np.arange(7), [2, 1, 2, 4, 2, 2, 1]), samples=200)
    rare, common, everything = table.loc["disgust"], table.loc["happy"], table.loc["all"]
    assert rare[["n", "recall", "weighted_recall", "difference"]].tolist() == [2, 0.5, 1.0, 0.5]
    assert rare[["precision", "weighted_precision"]].tolist() == pytest.approx([1, 2 / 3])
    assert common[["recall", "weighted_recall", "difference"]].tolist() == [1.0, 0.5, -0.5]
    assert common[["precision", "weighted_precision"]].tolist() == pytest.approx([2 / 3, 1])
    assert (rare["weight"], common["weight"]) == (14 / 7, 14 / 28)
    assert everything[["n", "recall", "weighted_recall", "difference"]].tolist() == pytest.approx(
        [14, 13 / 14, 13 / 14, 0]
    )
    assert everything["low"] < 0 < everything["high"]
    assert table.loc["angry", ["low", "high"]].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [({"WIDTH": 0.5}, r"differ in WIDTH too \(0.5 and 0.25\)"), ({"CLASS_WEIGHTS": "none"}, "needs CLASS_WEIGHTS=bal")],
)
def test_runs_that_differ_in_more_are_left_out_with_a_word(tmp_path, parameters, said):
    pairs, (note,) = weighting.weighted_twins([twins(tmp_path, **parameters)])
    assert pairs == []
    assert note.startswith("Left out: balanced/vgg16-scratch-seed0")
    assert re.search(said, note)


def test_runs_without_a_twin_are_no_complaint(tmp_path):
    assert weighting.weighted_twins([runs.read_run(write_run(tmp_path, "vgg16-scratch"))]) == ([], [])


def test_arrows_go_from_the_plain_run_to_the_weighted_one(tmp_path):
    pairs, _ = weighting.weighted_twins([twins(tmp_path)])
    table = weighting.price_of_weights(*pairs[0], LABELS, samples=50)
    recall, precision = plots.weighting_arrows(table)
    assert [text.get_text() for text in recall.get_yticklabels()][0] == "angry (2)"
    disgust = recall.texts[1]
    assert (disgust.xyann, disgust.xy) == ((0.5, 1), (1.0, 1))
    assert len(precision.texts) == 7
    plt.close("all")
