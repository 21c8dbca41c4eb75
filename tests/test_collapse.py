"""The collapse experiment on run folders made by hand."""

import json
import math
import shlex

import numpy as np
import pytest
from test_statements import write_run

from fer_utils import runs
from fer_utils.audit import collapse


def write_variant(output_dir, name, constant=None, share=0.5, seed=0, n=700):
    return write_run(
        output_dir / "collapse" / name, "resnet50-finetune", seed, np.arange(n) < share * n, constant=constant
    )


def test_each_variant_is_one_change_or_one_change_back():
    names = [variant.name for variant in collapse.VARIANTS]
    assert len(set(names)) == len(names)
    by_name = {variant.name: {**collapse.PAPER_SETTING, **variant.parameters} for variant in collapse.VARIANTS}
    rates = {"LEARNING_RATE", "FINE_TUNING_RATE"}
    for name, setting in by_name.items():
        against = by_name["repaired"] if name.startswith("repaired") else by_name["paper"]
        changed = {key for key in setting if setting[key] != against[key]}
        changed = changed - rates | ({"rate"} if changed & rates else set())
        assert len(changed) == (0 if name in ("paper", "repaired") else 1), name
    assert by_name["paper"] == collapse.PAPER_SETTING


def test_parameters_are_those_of_notebook_05():
    declared = set(runs.declared_parameters(collapse.NOTEBOOK))
    found = collapse.commands("outputs/x", "data.csv", weights="imagenet", WIDTH=0.5)
    for variant in collapse.VARIANTS:
        words = shlex.split(found[variant.name])
        given = {words[place + 1]: words[place + 2] for place, word in enumerate(words) if word in ("-p", "-r")}
        assert set(given) <= declared
        assert given["OUTPUT_DIR"] == f"outputs/x/collapse/{variant.name}"
        assert given["WIDTH"] == "0.5"


def test_commands_of_all_variants():
    found = collapse.commands("outputs/x", "data.csv", EPOCHS=30)
    assert list(found) == ["resnet50-pretrain", *(variant.name for variant in collapse.VARIANTS)]
    assert "-p PREPROCESSING imagenet" in found["resnet50-pretrain"]
    words = shlex.split(found["imagenet-preprocessing"])
    assert words[:2] == ["papermill", "notebooks/05_fine_tuning.ipynb"]
    assert words[words.index("PREPROCESSING") + 1] == "imagenet"
    assert words[words.index("WEIGHTS") + 1] == "outputs/x/collapse/resnet50-pretrain/backbone.weights.h5"
    assert "-p HEAD_UNITS '512 128'" in found["wider-head"]
    assert "-r HEAD_UNITS 256" in found["repaired"]  # a string, although it reads like a number
    assert "PREPROCESSING" not in found["paper"]  # 05's default
    assert "resnet50-pretrain" not in collapse.commands("outputs/x", weights="imagenet")


def test_a_collapse_and_a_repair_are_told_apart(tmp_path):
    write_variant(tmp_path, "paper", constant="happy")
    write_variant(tmp_path, "repaired", share=0.5)
    table, notes = collapse.summarize_collapse(tmp_path)
    assert notes == []
    assert list(table.columns) == collapse.COLUMNS
    broken, mended = table.to_dict("records")
    assert (broken["variant"], broken["majority"], broken["collapsed"]) == ("paper", "happy", True)
    assert broken["majority_share"] == 1.0
    assert broken["answer_entropy"] == 0.0
    assert broken["accuracy"] == pytest.approx(1 / 7)
    assert broken["prior_entropy"] == pytest.approx(math.log(7))
    # 0.4 for the true class where it is happy (1 in 7), 0.1 elsewhere.
    assert broken["log_loss"] == pytest.approx(-(math.log(0.4) + 6 * math.log(0.1)) / 7, abs=1e-3)
    assert (mended["collapsed"], mended["accuracy"]) == (False, 0.5)
    assert mended["majority_share"] < 0.2
    lines = collapse.explanation(table)
    assert lines[0].startswith("The paper's setting collapses here: 100% of its answers are the same, 14.3% are right")
    assert "no collapse, 50.0% right" in lines[1]
    others = [variant.name for variant in collapse.VARIANTS if variant.name not in ("paper", "repaired")]
    assert lines[2] == f"No run yet, so nothing is known about: {', '.join(others)}."
    assert "One seed" in lines[3] and len(lines) == 4


def test_with_all_variants_and_several_seeds_nothing_is_said_to_be_missing(tmp_path):
    for variant in collapse.VARIANTS:
        for seed in (0, 1):
            write_variant(tmp_path, variant.name, seed=seed, n=70)
    lines = collapse.explanation(collapse.summarize_collapse(tmp_path)[0])
    assert len(lines) == len(collapse.VARIANTS)
    assert not any("No run yet" in line or "one seed" in line for line in lines)


def test_seeds_are_rows_and_unusable_runs_are_named(tmp_path):
    for seed in (0, 1):
        write_variant(tmp_path, "paper", constant="happy", seed=seed)
    folder = write_variant(tmp_path, "higher-rate")
    (folder / "predictions.npz").unlink()
    damaged = write_variant(tmp_path, "lower-rate")
    with np.load(damaged / "predictions.npz") as arrays:
        content = {name: array.copy() for name, array in arrays.items()}
    content["validation_probabilities"][3, 2] = np.nan
    np.savez_compressed(damaged / "predictions.npz", **content)
    lacking = write_variant(tmp_path, "wider-head") / "metrics.json"
    metrics = json.loads(lacking.read_text())
    del metrics["validation"]["confusion_matrix"]
    lacking.write_text(json.dumps(metrics))
    table, notes = collapse.summarize_collapse(tmp_path)
    assert table["variant"].tolist() == ["paper", "paper"]
    assert table["seed"].tolist() == [0, 1]
    assert len(notes) == 3
    assert "wider-head" in notes[2] and "lacks 'confusion_matrix'" in notes[2]
    assert "higher-rate" in notes[0] and "lower-rate" in notes[1] and "NaN" in notes[1]


def test_a_variant_that_differs_in_more_than_its_change_is_named(tmp_path):
    write_variant(tmp_path, "paper", constant="happy")
    longer = write_variant(tmp_path, "higher-rate")
    manifest = runs.read_run(longer).manifest
    for changed, notes in (({"LEARNING_RATE": 1e-3}, []), ({"EPOCHS": 30}, ["EPOCHS is 30, not 0"])):
        parameters = {**manifest["parameters"], **changed}
        runs.write_json(longer / "manifest.json", {**manifest, "parameters": parameters})
        table, found = collapse.summarize_collapse(tmp_path)
        assert len(table) == 2 - len(notes)
        assert len(found) == len(notes) and all(word in note for word, note in zip(notes, found, strict=True))
    assert "higher-rate" in found[0] and "in more than its variant's change" in found[0]


def test_without_runs_there_is_an_empty_table(tmp_path):
    table, notes = collapse.summarize_collapse(tmp_path)
    assert table.empty and notes == []
    assert collapse.explanation(table) == ["The paper's setting has not been run yet, so nothing is explained."]


def test_the_command_line(capsys):
    assert collapse.main(["outputs/x", "data.csv", "WEIGHTS=imagenet", "WIDTH=1.0", "EPOCHS=30"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mkdir -p outputs/x/collapse"
    assert len(lines) == 1 + len(collapse.VARIANTS)
    assert all("-p WIDTH 1.0" in line and "-p EPOCHS 30" in line for line in lines[1:])
    assert collapse.main(["outputs/x", "data.csv", "SOURCE=pictures", "PRETRAIN_EPOCHS=2", "EPOCHS=6"]) == 0
    pretraining, *others = capsys.readouterr().out.splitlines()[1:]
    assert "-p SOURCE pictures" in pretraining and "-p EPOCHS 2" in pretraining
    assert all("-p EPOCHS 6" in line for line in others)
    assert collapse.main(["outputs/x", "data.csv", "NONSENSE=1"]) == 1
    assert "has no parameter NONSENSE" in capsys.readouterr().err
    words = ["AUGMENTATION=flip", "STOP_ACCURACY=1", "PROTOCOL=paper", "PLATEAU_PATIENCE=3", "KEEP_EPOCHS=True"]
    assert collapse.main(["outputs/x", "data.csv", "WEIGHTS=imagenet", *words, "BATCH_SIZE=64"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    for chosen in ("AUGMENTATION flip", "PROTOCOL paper", "PLATEAU_PATIENCE 3", "KEEP_EPOCHS True", "BATCH_SIZE 64"):
        assert f"-p {chosen}" in line
    assert "STOP_ACCURACY" not in line  # 1 is the default, 1.0
    assert collapse.main(["my outputs", "data.csv", "WEIGHTS=imagenet"]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert shlex.split(first) == ["mkdir", "-p", "my outputs/collapse"]
    assert "my outputs/collapse/paper.ipynb" in shlex.split(second)


def test_values_are_read_as_the_notebook_has_them():
    assert collapse.read_value("LEARNING_RATE=1e-5") == ("LEARNING_RATE", 1e-5)
    assert collapse.read_value("WIDTH=1") == ("WIDTH", 1.0) and isinstance(collapse.read_value("WIDTH=1")[1], float)
    assert collapse.read_value("HEAD_UNITS=512 128") == ("HEAD_UNITS", "512 128")
    assert collapse.read_value("FREEZE_BATCH_NORM=False") == ("FREEZE_BATCH_NORM", False)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("EPOCHS", "EPOCHS: must read NAME=VALUE"),
        ("WIDTH=abc", "WIDTH=abc: WIDTH is of type float, as in WIDTH=0.125"),
        ("EPOCHS=1.5", "EPOCHS is of type int"),
        ("FREEZE_BATCH_NORM=1", "FREEZE_BATCH_NORM is of type bool, as in FREEZE_BATCH_NORM=True"),
        ("DATA=other.csv", "DATA: each variant has its own value. Leave it out"),
        ("DROPOUT=0.3", "DROPOUT: each variant has its own value"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(word, message, capsys):
    assert collapse.main(["outputs/x", "data.csv", word]) == 1
    assert message in capsys.readouterr().err
