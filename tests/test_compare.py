"""Comparison of synthetic runs: small run folders, written by fer_utils.runs as the notebooks write them."""

import functools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import results

from fer_utils import comparison, evaluation, plotting, runs
from fer_utils.comparison import paper, sentences, tables
from fer_utils.runs import manifest as manifest_module

DEVICE = {"backend": "tensorflow", "processor": "Acme(R) Chip(TM)  3000", "cores": 2, "gpu": ""}


@pytest.fixture(autouse=True, scope="module")
def device():
    """Manifests without importing Keras or asking git."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_module, "device", lambda: DEVICE)
        patch.setattr(manifest_module, "versions", dict)
        patch.setattr(manifest_module, "git_commit", lambda: "0123456789ab")
        patch.setattr(manifest_module, "command", lambda notebook, parameters: f"papermill notebooks/{notebook}.ipynb")
        yield


@pytest.fixture(scope="module")
def study(device, tmp_path_factory):
    """Six arms with two seeds each, read; for tests that change nothing."""
    return write_study(tmp_path_factory.mktemp("study"))


def predictions_with(correct, n):
    """Labels uint8 (n,) and probabilities (n, 7), of which exactly `correct` are right."""
    labels = np.arange(n, dtype=np.uint8) % 7
    predicted = np.where(np.arange(n) < correct, labels, (labels + 1) % 7)
    return labels, np.where(np.eye(7)[predicted] > 0, 0.4, 0.1)


@functools.cache
def summarized(correct, n):
    return evaluation.summarize(*predictions_with(correct, n))


def write_run(output_dir, arm, seed=0, correct=60, n=100, checksum="a" * 64, seconds=120.0, name=None, **parameters):
    """One finished run: `correct` of `n` test images right, 10 fewer of the validation images; 4 epochs."""
    architecture, strategy = arm.split("-")
    folder = runs.start_run(output_dir, name or f"{arm}-seed{seed}")
    counts = {"train": min(n, correct + 20), "validation": correct - 10, "test": correct}
    arrays = {split: predictions_with(count, n) for split, count in counts.items()}
    metrics = {split: summarized(count, n) for split, count in counts.items()}
    kept = metrics["validation"]["accuracy"]
    pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "accuracy": [0.2, 0.4, 0.55, 0.9],
            "loss": 1.0,
            "val_accuracy": [kept - 0.2, kept - 0.1, kept + 1e-7, kept - 0.05],
            "val_loss": 1.0,
            "seconds": seconds / 4,
        }
    ).to_csv(folder / "history.csv", index=False)
    runs.save_predictions(folder, {split: (np.arange(n), *arrays[split]) for split in ("validation", "test")})
    runs.save_manifest(
        folder,
        notebook="03_train_from_scratch",
        parameters={"SEED": seed, "PROTOCOL": "official", "INPUT_SIZE": 50, "WIDTH": 0.25, "DATA": "x", **parameters},
        seconds=seconds,
        data_checksum=checksum,
        architecture=architecture,
        strategy=strategy,
    )
    runs.finish_run(folder, metrics)
    return folder


def write_pretraining(output_dir, architecture, seconds):
    folder = runs.start_run(output_dir, f"{architecture}-pretrain")
    runs.write_json(folder / "manifest.json", {"seconds": seconds})
    runs.finish_run(folder, {})


def write_study(output_dir, arms=paper.ARMS, seeds=(0, 1)):
    """The arms with 60, 62, 64 ... test images right in seed 0 and two fewer with each further seed."""
    for index, arm in enumerate(arms):
        for seed in seeds:
            write_run(output_dir, arm, seed, correct=60 + 2 * index - 2 * seed, seconds=100.0 * (index + 1))
    for architecture in ("vgg16", "resnet50"):
        write_pretraining(output_dir, architecture, 1000.0)
    return comparison.load_runs(output_dir)


# --- which runs ------------------------------------------------------------------------------------------------------


def test_runs_come_in_the_papers_order_and_leave_out_what_is_unfinished(tmp_path):
    write_study(tmp_path, arms=paper.ARMS[::-1], seeds=(1, 0))
    (tmp_path / "vgg16-scratch-seed1" / "metrics.json").unlink()
    names = [run.name for run in comparison.load_runs(tmp_path)]
    assert names[:3] == ["vgg16-scratch-seed0", "vgg16-transfer-seed0", "vgg16-transfer-seed1"]
    assert len(names) == 11


def test_reference_is_shown_aloud_where_there_are_no_runs(tmp_path, capsys):
    write_run(tmp_path / "kept", "vgg16-scratch")
    assert len(comparison.load_runs(tmp_path / "none", tmp_path / "kept")) == 1
    assert "No finished run in" in capsys.readouterr().out
    write_run(tmp_path / "own", "vgg16-transfer")
    assert comparison.load_runs(tmp_path / "own", tmp_path / "kept")[0].arm == "vgg16-transfer"
    assert capsys.readouterr().out == ""


def test_no_runs_at_all_is_one_clear_error(tmp_path):
    with pytest.raises(runs.RunError, match="no finished run of any arm in .*here nor in .*there.*make reproduce"):
        comparison.load_runs(tmp_path / "here", tmp_path / "there")
    with pytest.raises(ValueError, match="notebooks 03 to 05"):
        comparison.load_runs(tmp_path)


@pytest.mark.parametrize(
    ("other", "word"), [({"checksum": "b" * 64}, "data checksum is bbbb"), ({"PROTOCOL": "paper"}, "protocol is paper")]
)
def test_the_odd_run_out_is_refused_with_both_names(tmp_path, other, word):
    write_run(tmp_path, "resnet50-scratch", **other)
    for arm in ("vgg16-scratch", "vgg16-transfer"):
        write_run(tmp_path, arm)
    with pytest.raises(runs.RunError, match=f"resnet50-scratch-seed0 cannot be compared with vgg16-scratch.*{word}"):
        comparison.load_runs(tmp_path)


def rewrite_test_ids(folder, change):
    arrays = dict(np.load(folder / "predictions.npz"))
    arrays["test_row_ids"] = change(arrays["test_row_ids"])
    np.savez_compressed(folder / "predictions.npz", **arrays)


def test_runs_tested_on_other_images_are_refused_with_both_names(tmp_path):
    for arm in ("vgg16-scratch", "vgg16-transfer"):
        write_run(tmp_path, arm)
    rewrite_test_ids(write_run(tmp_path, "resnet50-scratch"), lambda ids: ids + 1)
    match = "resnet50-scratch-seed0 cannot be compared with vgg16-scratch-seed0: its set of test images is 100 "
    with pytest.raises(runs.RunError, match=match):
        comparison.load_runs(tmp_path)


def test_a_run_in_another_order_is_left_out_with_a_word(tmp_path, capsys):
    for arm in ("vgg16-scratch", "vgg16-transfer"):
        write_run(tmp_path, arm)
    rewrite_test_ids(write_run(tmp_path, "resnet50-scratch"), lambda ids: ids[::-1])
    assert [run.arm for run in comparison.load_runs(tmp_path)] == ["vgg16-scratch", "vgg16-transfer"]
    assert "resnet50-scratch-seed0 has its test images in another order" in capsys.readouterr().out


def test_a_copied_run_is_no_second_seed(tmp_path):
    for name in (None, "vgg16-scratch-copy"):
        write_run(tmp_path, "vgg16-scratch", name=name)
    with pytest.raises(runs.RunError, match="vgg16-scratch-seed0 has the same seed as .*vgg16-scratch-copy: move one"):
        comparison.load_runs(tmp_path)


@pytest.mark.parametrize("name", ["TRAIN_WITHOUT", "CLASS_WEIGHTS", "EPOCHS", "MAX_IMAGES", "WIDTH", "PRECISION"])
def test_an_arm_is_averaged_over_nothing_but_its_seeds(tmp_path, name):
    write_run(tmp_path, "vgg16-transfer", 1, **{name: "other"})  # another arm may differ, and a note says so
    for seed in range(2):
        write_run(tmp_path, "vgg16-scratch", seed)
    assert len(comparison.load_runs(tmp_path)) == 3
    write_run(tmp_path, "vgg16-scratch", 2, **{name: "other"})
    with pytest.raises(
        runs.RunError, match=f"scratch-seed2 differs from .*scratch-seed0 in more than its seed: {name} is other, not"
    ):
        comparison.load_runs(tmp_path)


def test_runs_table_and_hardware(study):
    table = comparison.runs_table(study)
    assert len(table) == 12
    assert table.loc["vgg16-scratch-seed1", ["seed", "protocol", "n test", "input", "epochs"]].tolist() == [
        1, "official", 100, 50, 4,
    ]  # fmt: skip
    assert set(table["device"]) == {"Acme Chip 3000, 2 cores"}


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_summary_has_means_ranges_and_the_interval_of_one_test_set(study):
    row = comparison.summarize_arms(study).iloc[0]  # 60 and 58 of 100
    assert (row["arm"], row["runs"], row["n"]) == ("vgg16-scratch", 2, 100)
    assert row[["test_accuracy", "test_accuracy_min", "test_accuracy_max"]].tolist() == pytest.approx([0.59, 0.58, 0.6])
    assert (row["test_low"], row["test_high"]) == evaluation.wilson_interval(59, 100)
    # sd of two values 0.02 apart is 0.02 / sqrt(2); the t quantile with one degree of freedom is 12.706.
    assert row["seeds_sd"] == pytest.approx(0.0141421, abs=1e-6)
    assert row["seeds_high"] == pytest.approx(0.59 + 12.7062 * 0.01, abs=1e-5)
    assert row["validation_accuracy"] == pytest.approx(0.49)
    # The third epoch was kept, not the last: its training accuracy counts.
    assert row["training_accuracy"] == pytest.approx(0.55)


def test_training_accuracy_is_of_the_best_epoch_after_unfreezing(tmp_path):
    """What was kept answers one image otherwise once rounded, as an epoch of the head did, or the epoch before."""
    folder = write_run(tmp_path, "vgg16-finetune")  # 0.5 of validation, as metrics.json has it
    history = pd.read_csv(folder / "history.csv")
    for of_validation, training in (([0.5, 0.49, 0.51, 0.45], 0.55), ([0.52, 0.5, 0.49, 0.51], 0.9)):
        phases = ["head", "head", "unfrozen", "unfrozen"]
        history.assign(val_accuracy=of_validation, phase=phases).to_csv(folder / "history.csv", index=False)
        (row,) = comparison.summarize_arms(comparison.load_runs(tmp_path), ["vgg16-finetune"]).to_dict("records")
        assert row["training_accuracy"] == training


def test_of_stored_features_the_backbone_saw_each_image_as_often_as_there_are_copies(tmp_path):
    write_run(tmp_path, "vgg16-transfer", seconds=100.0, FEATURE_COPIES=2)
    found = comparison.load_runs(tmp_path)
    row = comparison.summarize_arms(found, ["vgg16-transfer"]).iloc[0]
    assert row["seconds_per_megapixel"] == pytest.approx(100 / (2 * 100 * 50 * 50 / 1e6))
    assert row["seconds_per_epoch"] == 25
    write_run(tmp_path, "vgg16-finetune")
    assert "FEATURE_COPIES (0, 2)" in sentences.settings_note(comparison.load_runs(tmp_path))


def test_costs_of_ours_and_of_the_paper(study):
    summary = comparison.summarize_arms(study)
    row = summary.iloc[1]
    assert row["seconds_per_epoch"] == pytest.approx(200 / 4)
    assert row["seconds_per_megapixel"] == pytest.approx(200 / (4 * 100 * 50 * 50 / 1e6))
    theirs = comparison.paper_arms().set_index("arm")
    assert theirs["epochs"].to_dict() == {
        "vgg16-scratch": 78, "vgg16-transfer": 100, "vgg16-finetune": 100,
        "resnet50-scratch": 100, "resnet50-transfer": 100, "resnet50-finetune": 30,
    }  # fmt: skip
    assert theirs.loc["vgg16-transfer", "seconds_per_megapixel"] == pytest.approx(66.5164 / (28709 * 224**2 / 1e6))
    table = tables.cost_table(summary)
    assert table["relative, ours"].tolist() == pytest.approx([1, 2, 3, 4, 5, 6])
    assert table.loc["VGG16 transfer learning", "relative, paper"] == pytest.approx(6651.64 / 1092.51)


def test_table5_adds_what_the_backbone_cost(study):
    table = tables.table5(comparison.summarize_arms(study), comparison.pretraining_seconds(study))
    assert table["VGG16, ours"].tolist() == [100, 200, 300]
    assert table["VGG16, paper"].tolist() == [1092.51, 6651.64, 12329.30]
    assert table["ResNet50, pretraining"].tolist() == [0, 1000, 1000]


def test_imagenet_weights_have_no_pretraining_cost_of_ours(tmp_path):
    folder = write_run(tmp_path, "vgg16-transfer")
    write_pretraining(tmp_path, "vgg16", 1000.0)
    manifest = json.loads((folder / "manifest.json").read_text())
    runs.write_json(folder / "manifest.json", {**manifest, "weights_checksum": "imagenet"})
    assert np.isnan(comparison.pretraining_seconds(comparison.load_runs(tmp_path))["vgg16"])


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"seconds": null}'])
def test_a_damaged_pretraining_is_named_and_left_out(tmp_path, capsys, content):
    write_run(tmp_path, "vgg16-transfer")
    write_pretraining(tmp_path, "vgg16", 1000.0)
    (tmp_path / "vgg16-pretrain/manifest.json").write_text(content)
    assert np.isnan(comparison.pretraining_seconds(comparison.load_runs(tmp_path))["vgg16"])
    assert "vgg16-pretrain/manifest.json is damaged" in capsys.readouterr().out


def test_table6_reads_well_with_several_seeds_and_missing_arms(tmp_path):
    summary = comparison.summarize_arms(write_study(tmp_path, arms=paper.ARMS[:2]))
    table = tables.table6(summary)
    assert table.index.tolist() == [comparison.arm_name(arm) for arm in paper.ARMS]
    assert table.loc["VGG16 from scratch", ("test %", "ours")] == "59.0 (58.0 to 60.0)"
    assert table.loc["VGG16 from scratch", ("validation %", "paper")] == "67.2"
    assert table.loc["VGG16 from scratch", ("seconds", "ours")] == "100 (100 to 100)"
    assert set(table.loc["ResNet50 from scratch"].drop("paper", level=1)) == {"missing"}
    assert not table.map(lambda text: "nan" in text).any(axis=None)


def test_seeds_table_has_both_kinds_of_chance(tmp_path):
    write_study(tmp_path, arms=paper.ARMS[:1])
    write_run(tmp_path, "vgg16-transfer", correct=62)
    table = tables.seeds_table(comparison.summarize_arms(comparison.load_runs(tmp_path)))
    assert table.index.tolist() == ["VGG16 from scratch", "VGG16 transfer learning"]
    low, high = evaluation.wilson_interval(59, 100)
    expected = [2, 59, 100 * low, 100 * high, 1.41421, 59 - 12.7062, 59 + 12.7062]
    assert table.iloc[0].tolist() == pytest.approx(expected, abs=1e-3)
    assert table.iloc[1][["seeds", "mean"]].tolist() == [1, 62] and table.iloc[1].isna().sum() == 3


def test_recalls(tmp_path):
    finished = write_study(tmp_path, arms=("vgg16-scratch", "vgg16-transfer"), seeds=(0,))
    recalls = tables.recall_table(finished)
    assert recalls.shape == (6, 7)
    assert recalls.loc["VGG16 from scratch", "angry"] == pytest.approx(9 / 15)  # labels 0, 7, ... 98, of which 0 to 56
    assert recalls.loc["ResNet50 fine-tuning"].isna().all()


def test_table4_holds_literature_paper_and_ours(study):
    table = tables.table4(comparison.summarize_arms(study))
    assert len(table) == 4 + 6 + 6
    assert table.iloc[0].tolist() == ["VGGNet", 51.11, "", "validation", "Bhagat et al. 2024"]
    assert (table.loc[table["whose"] == "ours", "measured on"] == "test").all()


def test_comparators_get_their_rows_in_table4_and_none_elsewhere(tmp_path):
    write_study(tmp_path, arms=("vgg16-scratch",), seeds=(0,))
    write_run(tmp_path, "efficientnetb0-scratch", correct=58)
    for seed, correct in enumerate((64, 68)):
        write_run(tmp_path, "deepcnn-scratch", seed, correct)
    finished = comparison.load_runs(tmp_path)
    assert [run.arm for run in finished] == ["vgg16-scratch"]
    comparators = comparison.load_comparators(finished)
    assert [run.name for run in comparators] == [
        "deepcnn-scratch-seed0",
        "deepcnn-scratch-seed1",
        "efficientnetb0-scratch-seed0",
    ]
    table = tables.table4(comparison.summarize_arms(finished), comparators)
    assert len(table) == 4 + 6 + 6 + 2
    low, high = evaluation.wilson_interval(66, 100)
    assert table.iloc[-2].tolist() == [
        "deep CNN from scratch", 66, f"{100 * low:.1f} to {100 * high:.1f}", "test", "ours"
    ]  # fmt: skip
    assert table.iloc[-1]["method"] == "EfficientNetB0 from scratch"


def test_a_comparator_of_other_images_is_named_and_left_out(tmp_path, capsys):
    write_study(tmp_path, arms=("vgg16-scratch", "vgg16-transfer"), seeds=(0,))
    write_run(tmp_path, "deepcnn-scratch", checksum="b" * 64)
    assert comparison.load_comparators(comparison.load_runs(tmp_path)) == []
    assert "Left out: deepcnn-scratch-seed0 cannot be compared" in capsys.readouterr().out


def test_figures_take_the_tables_even_with_missing_arms(tmp_path):
    table = tables.bars(comparison.summarize_arms(write_study(tmp_path, arms=("resnet50-scratch",), seeds=(0,))))
    assert len(plotting.accuracy_bars(table)) == 2
    assert plotting.time_bars(table) is not None
    assert table["low"].notna().sum() == 7


def test_everything_becomes_strict_json(tmp_path):
    summary = comparison.summarize_arms(write_study(tmp_path, arms=("vgg16-scratch",)))
    records = json.loads(json.dumps(comparison.json_records(tables.side_by_side(summary)), allow_nan=False))
    assert records[0]["paper_validation_accuracy"] == 0.672
    assert records[1]["test_accuracy"] is None


# --- words -----------------------------------------------------------------------------------------------------------


def findings_of(finished):
    arguments = comparison.summarize_arms(finished), comparison.pretraining_seconds(finished)
    return sentences.findings(finished, *arguments, evaluation.pairwise(finished, samples=50))


def test_findings_name_the_best_arm_and_from_which_it_cannot_be_told(tmp_path):
    # Every image that the weaker arms name rightly, the stronger do too: 60 to 70 of 100 in steps of 2. By McNemar's
    # test and Holm's correction for 15 pairs, 10 to 0 (p = 0.002) is a difference, 8 to 0 (p = 0.008) is none.
    text = " ".join(findings_of(write_study(tmp_path, seeds=(0,))))
    assert "Highest test accuracy: ResNet50 fine-tuning, 70.0 % of 100 faces (95 % interval 60.4 to 78.1)" in text
    close = "ResNet50 transfer learning, ResNet50 from scratch, VGG16 fine-tuning and VGG16 transfer learning"
    how = "face by face, these networks only, corrected for 15 comparisons"
    assert f"Its network is not significantly different from those of {close} ({how})." in text
    assert "VGG16, by test accuracy: fine-tuning, transfer learning, from scratch (the paper: " in text
    # 600 s of its own and 1000 s of pretraining, against 100 s from scratch.
    assert "Cheapest, known pretraining included: VGG16 from scratch, 100 s. The most accurate arm took 16.0" in text
    assert "Missing" not in text


def test_seconds_of_two_machines_are_not_compared(tmp_path):
    write_study(tmp_path, seeds=(0,))
    path = tmp_path / "vgg16-transfer-seed0" / "manifest.json"
    made = json.loads(path.read_text())
    path.write_text(json.dumps({**made, "device": {**made["device"], "processor": "Acme", "cores": 2, "gpu": ""}}))
    (line,) = [line for line in findings_of(comparison.load_runs(tmp_path)) if "heapest" in line]
    assert line.startswith("Which arm is cheapest is unknown, because the runs were made on ")
    assert " and Acme, 2 cores" in line


def test_an_arm_is_told_from_another_only_by_both_tests_of_seeds():
    """Pooled over all arms the seeds vary little, but those of the best arm much."""
    pairs = pd.DataFrame(
        {
            "first": ["vgg16-scratch", "vgg16-scratch"],
            "second": ["vgg16-transfer", "resnet50-scratch"],
            "differ": [True, True],
            "own_p_holm": [0.2, np.nan],  # the last has one seed
            "speaks_of": evaluation.ARMS,
        }
    )
    said = sentences._best_against_others("vgg16-scratch", pairs)
    assert said.startswith("It is not significantly different from VGG16 transfer learning (")


def test_findings_with_one_clear_winner_and_missing_arms(tmp_path):
    write_run(tmp_path, "vgg16-scratch", correct=95)
    write_run(tmp_path, "vgg16-transfer", correct=60)
    text = " ".join(findings_of(comparison.load_runs(tmp_path)))
    how = "face by face, these networks only, corrected for 1 comparison"
    assert f"Its network differs significantly from that of every other arm ({how})." in text
    write_run(tmp_path, "vgg16-scratch", correct=94, seed=1)
    text = " ".join(findings_of(comparison.load_runs(tmp_path)))
    assert "(face by face, seeds and faces counted as chance, corrected for 1 comparison)" in text
    assert "VGG16 from scratch, 120 s. It is the most accurate arm as well." in text
    assert (
        "VGG16, by test accuracy: from scratch, transfer learning (the paper: from scratch, transfer learning)." in text
    )
    assert "VGG16 fine-tuning, ResNet50 from scratch, ResNet50 transfer learning and ResNet50 fine-tuning." in text
    assert "nan" not in text


def test_findings_of_a_single_run(tmp_path):
    write_run(tmp_path, "resnet50-finetune")
    lines = findings_of(comparison.load_runs(tmp_path))
    assert len(lines) == 2 and lines[1].startswith("Missing, because they have no finished run: VGG16")


def test_notes_say_what_is_comparable(tmp_path):
    official = [compare_run := runs.read_run(write_run(tmp_path / "a", "vgg16-scratch"))]
    assert "PrivateTest, opened once" in sentences.protocol_note(official)
    assert "tested on 100 images" in sentences.protocol_note(official)
    compare_run.metrics["test"]["n"] = 3589
    assert "images, not on" not in sentences.protocol_note(official)
    merged = [runs.read_run(write_run(tmp_path / "b", "vgg16-scratch", PROTOCOL="paper", WIDTH=1.0))]
    assert "one and the same merged folder" in sentences.protocol_note(merged)
    assert sentences.settings_note(merged) == ""
    assert "WIDTH (0.25, 1.0)" in sentences.settings_note(official + merged)
    assert "TRAIN_WITHOUT" not in sentences.settings_note(official + merged)
    fewer = [runs.read_run(write_run(tmp_path / "c", "vgg16-scratch", TRAIN_WITHOUT="twins"))]
    assert "TRAIN_WITHOUT (none, twins)" in sentences.settings_note(official + fewer)
    other = [runs.read_run(write_run(tmp_path / "d", "vgg16-transfer", HEAD="batch_norm", HEAD_STAGE=4))]
    assert "HEAD (batch_norm, paper) and HEAD_STAGE (4, 5)" in sentences.settings_note(official + other)
    wider = [runs.read_run(write_run(tmp_path / "e", "vgg16-transfer", HEAD_UNITS="256"))]
    assert 'HEAD_UNITS ("", 256)' in sentences.settings_note(official + wider)
    longer = {"EPOCHS": 5, "BATCH_SIZE": 7, "LEARNING_RATE": 0.5}
    longer = [runs.read_run(write_run(tmp_path / name, "vgg16-transfer", **longer | {name: 6})) for name in longer]
    assert (
        sentences.settings_note(longer[:2])
        == "Mind that these runs differ in more than their strategy: EPOCHS (5, 6) and BATCH_SIZE (6, 7)."
    )


def test_results_markdown_and_its_command(tmp_path, capsys):
    write_study(tmp_path, arms=paper.ARMS[:2], seeds=(0,))
    write_run(tmp_path, "vgg16-scratch", seed=1, correct=58, seconds=100.0)
    assert results.main([str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 6 and len({line.count("|") for line in lines}) == 1
    assert lines[0].startswith("| arm | paper | ours: PrivateTest accuracy | 95 %, other images (n = 100) | seeds |")
    assert lines[2].startswith(
        "| VGG16 from scratch | 67.2 % | **59.0 %** | 49.2 to 68.1 | 2: 58.0 to 60.0, sd 1.4 | 46.3 to 71.7 | 49.0 % | "
    )
    assert lines[2].endswith(" | 100 | Acme Chip 3000, 2 cores |")
    assert lines[3].startswith(
        "| VGG16 transfer learning | 67.1 % | **62.0 %** | 52.2 to 70.9 | 1 | unknown | 52.0 % |"
    )
    assert "| 200 + 1,000 pretraining |" in lines[3]
    assert lines[4].count("not yet run") == 8
    assert results.main([str(tmp_path / "none")]) == 2
    assert "no finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"processor": "Intel(R) Xeon(R) Processor @ 2.50GHz", "cores": 2, "gpu": ""}, "Intel Xeon 2.50 GHz, 2 cores"),
        ({"processor": "Intel(R) Core(TM) i7-9700K CPU @ 3.60GHz", "cores": 1}, "Intel Core i7-9700K 3.60 GHz, 1 core"),
        ({"processor": "AMD Ryzen 9 5900X 12-Core Processor", "cores": 24}, "AMD Ryzen 9 5900X 12-Core, 24 cores"),
        ({"processor": "x", "cores": 9, "gpu": "NVIDIA H200"}, "NVIDIA H200"),
    ],
)
def test_hardware_in_words(device, words):
    run = runs.Run(None, {"device": {"gpu": "", **device}}, {}, None, {})
    assert comparison.hardware(run) == words


@pytest.mark.parametrize(
    ("threads", "cores"), [("1", "1 of 4 cores"), ("4", "4 cores"), ("0", "4 cores"), ("", "4 cores")]
)
def test_hardware_says_when_a_run_used_fewer_cores(threads, cores):
    device = {"processor": "AMD EPYC", "cores": 4, "gpu": ""}
    run = runs.Run(None, {"device": device, "environment": {"TF_NUM_INTRAOP_THREADS": threads}}, {}, None, {})
    assert comparison.hardware(run) == f"AMD EPYC, {cores}"


def test_every_measure_of_every_run_has_its_interval(study):
    table = tables.intervals_table(study[:2], samples=200)
    assert table["run"].unique().tolist() == [run.name for run in study[:2]]
    assert len(table) == 2 * 13  # six measures of the split, seven recalls
    assert ((table["low"] <= table["value"] + 1e-9) & (table["value"] <= table["high"] + 1e-9)).all()
    first = table[table["run"] == study[0].name].set_index("measure")
    assert first.loc["accuracy", "value"] == study[0].metrics["test"]["accuracy"]
    # 0.4 is the probability of every answer: the calibration error is the distance of the accuracy from it
    expected = abs(study[0].metrics["test"]["accuracy"] - 0.4)
    assert first.loc["calibration_error", "value"] == pytest.approx(expected, abs=1e-3)
    assert first.loc["recall fear", "value"] == pytest.approx(
        study[0].metrics["test"]["per_class"]["fear"]["recall"], abs=1e-6
    )


def test_comparison_and_the_ladder_need_no_keras():
    modules = "fer_utils.comparison.tables, fer_utils.comparison.sentences, fer_utils.evaluation"
    modules += ", fer_utils.ladder.results, fer_utils.ladder.recipes"
    code = f"import sys, {modules}; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=runs.PROJECT_ROOT)
    assert done.stdout.strip() == "False", done.stderr
