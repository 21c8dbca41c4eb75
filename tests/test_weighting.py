"""The price of class weights, on two runs of 14 test images made by hand."""

import re

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.markers import CARETLEFT, CARETRIGHT
from test_compare import device, write_run  # noqa: F401  (the fixture keeps manifests from asking git)

from fer_utils import data, runs
from fer_utils.data.faces import Faces
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
    table = weighting.price_of_weights(*pairs[0], np.repeat(np.arange(7), [2, 1, 2, 4, 2, 2, 1]))
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
    [
        ({"WIDTH": 0.5}, "differ in more than their class weights: WIDTH is 0.5, not 0.25"),
        ({"CLASS_WEIGHTS": "none"}, "needs CLASS_WEIGHTS=bal"),
        ({"TRAIN_WITHOUT": "twins"}, "class weights: TRAIN_WITHOUT is twins, not none"),  # newer than the plain run
        ({"PRECISION": "mixed_bfloat16"}, "class weights: PRECISION is mixed_bfloat16, not float32"),
    ],
)
def test_runs_that_differ_in_more_are_left_out_with_a_word(tmp_path, parameters, said):
    pairs, (note,) = weighting.weighted_twins([twins(tmp_path, **parameters)])
    assert pairs == []
    assert note.startswith("Left out: balanced/vgg16-scratch-seed0")
    assert re.search(said, note)


def test_runs_that_start_from_other_backbones_are_left_out_wherever_these_lay(tmp_path):
    plain = twins(tmp_path, WEIGHTS="elsewhere/backbone.weights.h5")
    assert len(weighting.weighted_twins([plain])[0]) == 1  # from scratch, or the same backbone in another place
    for folder, checksum in ((plain.folder, "a"), (tmp_path / weighting.FOLDER / plain.name, "b")):
        manifest = runs.read_run(folder).manifest
        runs.write_json(folder / "manifest.json", {**manifest, "weights_checksum": checksum})
    pairs, (note,) = weighting.weighted_twins([runs.read_run(plain.folder)])
    assert pairs == [] and "vgg16-scratch-seed0 start from different backbones: give both the same WEIGHTS" in note


def test_weights_come_from_the_images_that_the_run_was_given(tmp_path):
    usage = np.repeat(data.USAGES, [40, 14, 14])
    labels = np.concatenate([np.repeat(range(7), [10, 2, 4, 12, 4, 4, 4]), LABELS, LABELS]).astype(np.uint8)
    faces = Faces(np.zeros((68, 48, 48), np.uint8), labels, usage, np.arange(68), "made", "a" * 64)
    whole = runs.read_run(write_run(tmp_path, "vgg16-scratch"))
    assert weighting.train_labels(whole, faces).tolist() == labels[:40].tolist()
    part = runs.read_run(write_run(tmp_path, "vgg16-scratch", seed=1, MAX_IMAGES=20))
    assert np.bincount(weighting.train_labels(part, faces)).tolist() == [5, 1, 2, 6, 2, 2, 2]
    halves = [
        weighting.train_labels(runs.read_run(write_run(tmp_path, "vgg16-scratch", seed=2, TRAIN_WITHOUT=half)), faces)
        for half in ("first half", "second half")
    ]
    assert sorted(np.concatenate(halves).tolist()) == labels[:40].tolist() and 0 < len(halves[0]) < 40


def test_runs_without_a_twin_are_no_complaint(tmp_path):
    assert weighting.weighted_twins([runs.read_run(write_run(tmp_path, "vgg16-scratch"))]) == ([], [])


def test_arrows_go_from_the_plain_run_to_the_weighted_one(tmp_path):
    pairs, _ = weighting.weighted_twins([twins(tmp_path)])
    table = weighting.price_of_weights(*pairs[0], LABELS)
    recall, precision = plots.weighting_arrows(table)
    assert [text.get_text() for text in recall.get_yticklabels()][0] == "angry (2)"
    lines = {tuple(line.get_xdata()): line for line in recall.lines if len(set(line.get_ydata())) == 1}
    assert lines[0.5, 1.0].get_ydata().tolist() == [1, 1] and lines[0.5, 1.0].get_color() == plots.GREEN
    heads = [line for line in recall.lines if len(line.get_xdata()) == 1]
    assert [(line.get_xdata()[0], line.get_marker()) for line in heads[:4]] == [
        (1.0, "D"), (1.0, CARETRIGHT), (1.0, "D"), (0.5, CARETLEFT),
    ]  # fmt: skip
    assert "diamond" not in recall.get_xlabel()
    plt.close("all")


def test_what_was_never_answered_before_is_marked_after(tmp_path):
    pairs, _ = weighting.weighted_twins([twins(tmp_path)])
    table = weighting.price_of_weights(*pairs[0], LABELS)
    table.loc["disgust", "precision"] = np.nan
    precision = plots.weighting_arrows(table)[1]
    marks = [line for line in precision.lines if line.get_marker() == "D" and line.get_ydata()[0] == 1]
    assert marks[0].get_xdata()[0] == pytest.approx(2 / 3)
    assert "diamond: never answered without them" in precision.get_xlabel()
    plt.close("all")
