"""The paper's conclusions, on runs whose right answers are set by hand."""

import re

import numpy as np
import pandas as pd
import pytest

from fer_utils import compare, evaluation, paper, runs, significance
from fer_utils.audit import checks, other_statements
from fer_utils.audit.statements import paper_pair, statements
from fer_utils.data import EMOTIONS

CANNOT = checks.CANNOT_BE_TOLD
DEVICE = {"backend": "tensorflow", "processor": "Acme", "cores": 2, "gpu": ""}


def probabilities_for(right, labels, constant=None):
    predicted = np.where(right, labels, (labels + 1) % 7)
    if constant:
        predicted = np.full(len(labels), EMOTIONS.index(constant))
    return np.where(np.eye(7)[predicted] > 0, 0.4, 0.1)


def write_run(
    folder, arm, seed=0, right=None, seconds=(10.0, 10.0, 10.0, 10.0), constant=None, row_ids=None, **parameters
):
    """A finished run whose validation and test answers are right where `right`, bool (n,), says so."""
    right = np.arange(200) < 120 if right is None else np.asarray(right)
    n = len(right)
    labels = (np.arange(n) * 5 % 7).astype(np.uint8)
    probabilities = probabilities_for(right, labels, constant)
    row_ids = np.arange(n) if row_ids is None else row_ids
    architecture, strategy = arm.split("-")
    path = runs.start_run(folder, f"{arm}-seed{seed}")
    measured = evaluation.summarize(labels, probabilities)
    kept = measured["accuracy"]
    pd.DataFrame(
        {
            "epoch": range(1, len(seconds) + 1),
            "accuracy": 0.6,
            "loss": 1.0,
            "val_accuracy": [kept - 0.05 * step for step in range(len(seconds))][::-1],
            "val_loss": 1.0,
            "seconds": seconds,
        }
    ).to_csv(path / "history.csv", index=False)
    runs.save_predictions(path, dict.fromkeys(("validation", "test"), (row_ids, labels, probabilities)))
    runs.write_json(
        path / "manifest.json",
        {
            "parameters": {"SEED": seed, "PROTOCOL": "official", "INPUT_SIZE": 48, "WIDTH": 0.25, **parameters},
            "seed": seed,
            "seconds": sum(seconds),
            "data_checksum": "a" * 64,
            "device": DEVICE,
            "architecture": architecture,
            "strategy": strategy,
        },
    )
    runs.finish_run(path, {"train": {**measured, "n": 28709}, "validation": measured, "test": measured})
    return path


def row(table, beginning):
    (found,) = table[table["statement"].str.startswith(beginning)].to_dict("records")
    return found


# --- the statements --------------------------------------------------------------------------------------------------


def test_without_runs_everything_is_open_but_what_the_paper_refutes_itself():
    table = statements([])
    assert table["id"].is_unique
    assert set(table["verdict"]) == {CANNOT, checks.FAILS}
    assert row(table, "All methods in Table 4")["verdict"] == checks.FAILS
    assert "2 of the 5" in row(table, "All methods in Table 4")["on_paper"]
    assert (table["reason"].str.len() > 10).all()


def test_what_the_papers_own_numbers_say():
    assert paper_pair("vgg16-scratch", "vgg16-transfer")[0] == CANNOT
    assert paper_pair("vgg16-scratch", "vgg16-finetune")[0] == checks.HOLDS
    assert paper_pair("resnet50-finetune", "resnet50-scratch")[0] == checks.FAILS
    assert "-0.1 to +0.1" in paper_pair("vgg16-scratch", "vgg16-transfer")[1]
    table = statements([])
    assert row(table, "VGG16 from scratch is the best")["paper_verdict"] == CANNOT
    assert row(table, "Transfer learning is the best")["paper_verdict"] == CANNOT
    assert row(table, "ResNet50 takes more than twice")["paper_verdict"] == checks.SELF_CONTRADICTED
    assert "0.98, 2.39, 0.97, 1.29" in row(table, "ResNet50 takes more than twice")["on_paper"]


def test_a_clear_difference_holds_and_its_reverse_does_not(tmp_path):
    n = 400
    write_run(tmp_path, "vgg16-scratch", right=np.arange(n) < 200)
    write_run(tmp_path, "vgg16-transfer", right=np.arange(n) < 260)
    write_run(tmp_path, "vgg16-finetune", right=np.arange(n) < 180)
    table = statements(compare.load_runs(tmp_path))
    reverse = row(table, "Transfer learning is the best")  # the first pair the other way round
    assert reverse["verdict"] == checks.HOLDS
    low, high = re.search(r"\+15\.0 points \((\+[\d.]+) to (\+[\d.]+)\)", reverse["ours"]).groups()
    assert 10 < float(low) < 15 < float(high) < 20
    assert row(table, "VGG16: training from scratch beats")["verdict"] == checks.HOLDS
    best = row(table, "VGG16 from scratch is the best")
    assert best["verdict"] == checks.FAILS
    assert "1 of 5 comparisons go the other way" in best["reason"]
    assert "no runs of" in best["reason"]
    assert "one seed each" in best["reason"]
    low, high = re.search(r"-15\.0 points \((-[\d.]+) to (-[\d.]+)\)", best["ours"]).groups()
    assert -20 < float(low) < -15 < float(high) < -10


def test_features_that_are_not_imagenets_are_said_to_be_others(tmp_path):
    right = np.arange(200)
    write_run(tmp_path, "vgg16-scratch", right=right < 180)
    path = write_run(tmp_path, "vgg16-finetune", right=right < 100)
    beginning = "VGG16: training from scratch beats fine-tuning"
    reason = row(statements(compare.load_runs(tmp_path)), beginning)["reason"]
    assert reason.startswith("The one comparison goes this way beyond chance (one seed each")
    assert reason.endswith("not ImageNet's, so this says nothing of the paper's own arms.")
    manifest = runs.read_run(path).manifest
    runs.write_json(path / "manifest.json", {**manifest, "weights_checksum": "imagenet"})
    assert "ImageNet" not in row(statements(compare.load_runs(tmp_path)), beginning)["reason"]


def test_a_small_difference_cannot_be_told(tmp_path):
    write_run(tmp_path, "vgg16-scratch", right=np.arange(400) < 204)
    write_run(tmp_path, "vgg16-finetune", right=np.arange(400) < 200)
    table = statements(compare.load_runs(tmp_path))
    assert row(table, "VGG16: training from scratch beats")["verdict"] == CANNOT
    assert row(table, "VGG16: training from scratch beats")["p_value"] == pytest.approx(0.125)


def test_p_values_are_those_of_all_pairs_corrected(tmp_path):
    for index, arm in enumerate(paper.ARMS):
        write_run(tmp_path, arm, right=np.arange(300) < 150 - 6 * index)
    finished = compare.load_runs(tmp_path)
    pairs = significance.pairwise(finished).set_index(["first", "second"])
    assert len(pairs) == 15
    found = row(statements(finished), "VGG16: training from scratch beats")["p_value"]
    assert found == pairs.loc[("vgg16-scratch", "vgg16-finetune"), "p_holm"] > 2 / 2**12


def test_a_difference_alone_would_do_but_not_among_many(tmp_path):
    """6 discordant images to none: p = 1/32 for one pair; among several pairs it is no evidence."""
    for arm in ("vgg16-scratch", "vgg16-finetune"):
        write_run(tmp_path, arm, right=np.arange(300) < (156 if arm == "vgg16-scratch" else 150))
    assert row(statements(compare.load_runs(tmp_path)), "VGG16: training from")["verdict"] == checks.HOLDS
    for arm in paper.ARMS:
        if arm not in ("vgg16-scratch", "vgg16-finetune"):
            write_run(tmp_path, arm, right=np.arange(300) < 152)
    assert row(statements(compare.load_runs(tmp_path)), "VGG16: training from")["verdict"] == CANNOT


# --- time and the rest -----------------------------------------------------------------------------------------------


def write_times(folder, **seconds):
    for arm, value in seconds.items():
        write_run(
            folder, arm.replace("_", "-"), seconds=(value, value, 50 * value, value)
        )  # one slow epoch must not matter


def test_twice_the_time(tmp_path):
    write_times(tmp_path, vgg16_transfer=1.0, resnet50_transfer=2.5, vgg16_finetune=2.0, resnet50_finetune=2.5)
    table = statements(compare.load_runs(tmp_path))
    twice = row(table, "ResNet50 takes more than twice")
    assert twice["verdict"] == checks.FAILS
    assert "takes 2.50 times" in twice["ours"]
    assert "takes 1.25 times" in twice["ours"]
    write_times(tmp_path, resnet50_finetune=5.0)
    assert row(statements(compare.load_runs(tmp_path)), "ResNet50 takes more than twice")["verdict"] == checks.HOLDS


def test_times_of_other_machines_or_sizes_are_not_compared(tmp_path):
    write_times(tmp_path, vgg16_transfer=1.0, vgg16_finetune=1.0, resnet50_finetune=5.0)
    write_run(tmp_path, "resnet50-transfer", INPUT_SIZE=96, seconds=(5.0,) * 4)
    twice = row(statements(compare.load_runs(tmp_path)), "ResNet50 takes more than twice")
    assert twice["verdict"] == CANNOT
    assert "differ in input size" in twice["reason"]


def test_epochs_to_converge(tmp_path):
    write_run(tmp_path, "vgg16-scratch", right=np.arange(200) < 160)  # 0.65, 0.7, 0.75, 0.8: 95 % of 0.8 is 0.76
    (run,) = compare.load_runs(tmp_path)
    assert other_statements.epochs_to_converge(run) == 4


def test_all_other_statements_have_the_same_columns():
    for statement in other_statements.OTHERS:
        assert list(statement([])) == list(other_statements._row("", "", "", ""))
