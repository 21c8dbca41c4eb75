"""The table of tools/memory.py, on networks whose right answers are known."""

import json
import shutil

import heads
import memory
import numpy as np
import pytest
from test_ladder import make_run

from fer_utils import evaluation, runs
from fer_utils.score import known

TWINS = np.arange(100) < 40


def network(of_twins, of_others):
    """bool (100,): right about so many of the 40 faces with a duplicate, and so many of the 60 without."""
    return np.concatenate([np.arange(40) < of_twins, np.arange(60) < of_others])


@pytest.fixture
def right():
    return {
        "all": np.stack([network(36, 30), network(38, 31)]),
        "without others": np.stack([network(36, 31)]),
        "without twins": np.stack([network(28, 30), network(30, 33)]),
    }


def test_memory_is_what_only_faces_with_a_duplicate_lose(right):
    table = memory.memory(right, TWINS).set_index(["faces", "first", "second"])
    lost = table.loc["with a duplicate", "without twins", "all"]
    assert (lost["n"], lost["accuracy_first"], lost["accuracy_second"]) == (40, 29 / 40, 37 / 40)
    assert lost["difference"] == pytest.approx(-8 / 40)
    same = table.loc["without a duplicate", "without twins", "all"]
    assert (same["n"], same["difference"]) == (60, pytest.approx(1 / 60))
    assert table.loc["without a duplicate", "without others", "all"]["difference"] == pytest.approx(0.5 / 60)


def test_the_seeds_of_all_three_trainings_tell_how_much_one_varies(right):
    lost = memory.memory(right, TWINS).iloc[0]
    of_seeds = (2 * 1**2 + 2 * 1**2) / 40**2 / 2  # 36 and 38, 28 and 30, and one alone, which adds nothing
    change = np.zeros(40)  # per face, mean of two seeds: 28 to 30 lose half, 30 to 36 all, 36 to 38 half
    change[28:30], change[30:36], change[36:38] = -0.5, -1, -0.5
    expected = evaluation.difference_test(change.mean(), change.var(ddof=1) / 40, 39, of_seeds * (1 / 2 + 1 / 2), 2)
    assert (lost["low"], lost["high"]) == pytest.approx((expected["low"], expected["high"]))
    assert lost["p_value"] == pytest.approx(expected["p_value"])


def test_with_one_seed_each_only_these_networks_are_compared(right):
    alone = {name: answers[:1] for name, answers in right.items()}
    lost = memory.memory(alone, TWINS).iloc[0]  # 28 of 40 against 36: right about the same first 28
    expected = evaluation.paired_difference(alone["without twins"][0, :40], alone["all"][0, :40], samples=2000)
    assert (lost["difference"], lost["low"], lost["high"]) == tuple(expected.values())
    assert lost["p_value"] == pytest.approx(2 / 2**8)  # McNemar: 8 of 8 faces for one side
    assert memory.caption(alone) == (
        "Seeds: 1 all, 1 without others, 1 without twins. The intervals cover other faces only."
    )


def test_the_table_is_for_readers(right):
    said = memory.markdown(memory.memory(right, TWINS)).splitlines()
    assert len(said) == 2 + 2 * 3
    assert said[2].startswith("| with a duplicate | 40 | without twins | 72.5 | all | 92.5 | -20.0 (")
    assert memory.caption(right) == (
        "Seeds: 2 all, 1 without others, 2 without twins. The intervals cover other faces and other seeds."
    )


def test_a_training_without_a_run_is_named(tmp_path, capsys):
    assert memory.main([str(tmp_path)]) == 1
    assert "no finished run" in capsys.readouterr().err


def test_heads_are_held_against_themselves_trained_without(tmp_path, capsys):
    """Two of three seeds name all rightly; without twins, none of those with a duplicate."""
    _, labels, twins = heads.public_test()
    wrong = (labels + 1) % 7
    (tmp_path / "heads.csv").touch()
    own = {"none": labels, "others": labels, "twins": np.where(twins, wrong, labels)}
    for seed in range(3):
        assert memory.main([str(tmp_path)]) == (seed < 2)  # one seed does not tell how much seeds vary
        for without, answers in own.items():
            key = (96, "imagenet", 4, 2, "256", 1e-4, 25, without, seed)
            heads.keep(tmp_path, key, (answers if seed else wrong).astype("uint8"))
    assert "holds no head that was trained with two seeds" in capsys.readouterr().err
    heads.keep(tmp_path, (96, "imagenet", 4, 2, "paper", 1e-4, 25, "none", 0), labels.astype("uint8"))
    ((words, right),) = memory.read_heads(tmp_path)  # the paper's head was trained in one way alone
    assert words == "size 96, preprocessing imagenet, stage 4, versions 2, head 256, rate 0.0001, epochs 25; 3 seeds"
    table = memory.memory(right, twins).set_index(["faces", "first", "second"])
    assert table.loc[("with a duplicate", "without twins", "all"), "n"] == 610
    assert table.loc[("with a duplicate", "without twins", "all"), "difference"] == pytest.approx(-2 / 3)
    assert table.loc[("without a duplicate", "without twins", "all"), "difference"] == 0
    assert memory.main([str(tmp_path)]) == 0 and words in capsys.readouterr().out


def rewrite(folder, **manifest):
    written = json.loads((folder / "manifest.json").read_text()) | manifest
    runs.write_json(folder / "manifest.json", written)


@pytest.fixture
def trained(tmp_path):
    """Finished runs of a recipe, asked in six views: all named rightly, and without twins none of those with one."""
    facts = known.facts("official")
    wrong = (facts.labels + 1) % 7
    for lacks in memory.TRAININGS.values():
        named = np.where(facts.twins, wrong, facts.labels) if lacks == "twins" else facts.labels
        for seed in range(2):
            place = tmp_path if lacks == "none" else tmp_path / f"without-{lacks}"
            folder = make_run(place, "whole", {"validation": 1}, seed)
            rewrite(folder, parameters={"TRAIN_WITHOUT": lacks}, settings={"epochs": 80})
            private = (facts.row_ids, facts.labels, np.eye(7)[named])
            public = (np.arange(7), np.arange(7), np.eye(7))
            runs.save_predictions(folder, {"validation": public, "test-scales": private})
    return tmp_path


def test_a_recipe_is_held_against_itself_trained_without(trained, capsys):
    right = memory.read(trained, "whole", "scales")
    assert {name: answers.shape for name, answers in right.items()} == dict.fromkeys(memory.TRAININGS, (2, 3589))
    assert memory.main([str(trained), "--recipe", "whole", "--views", "scales"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Seeds: 2 all, 2 without others, 2 without twins. ")
    assert said[4].startswith("| with a duplicate | 643 | without twins | 0.0 | all | 100.0 | -100.0 (")
    assert said[7].startswith("| without a duplicate | 2,946 | without twins | 100.0 | all | 100.0 | +0.0 (")


def test_trainings_may_have_unlike_numbers_of_seeds(trained):
    shutil.rmtree(trained / "without-twins/ladder/whole-seed1")
    right = memory.read(trained, "whole", "scales")
    assert {name: len(answers) for name, answers in right.items()} == {
        "all": 2, "without others": 2, "without twins": 1
    }  # fmt: skip


WRONG = {
    "other faces": "without-twins/ladder/whole-seed1: its faces or labels are not PrivateTest's",
    "other labels": "without-twins/ladder/whole-seed1: its faces or labels are not PrivateTest's. Train on",
    "other settings": "without-twins/ladder/whole-seed0 was trained unlike ",
    "a setting that came later": "ladder/whole-seed0: voted is 1.0, not 0",
    "other data": "ladder/whole-seed0: data checksum is of another, not 0",
    "another training": "without-twins/ladder/whole-seed0: was not trained with TRAIN_WITHOUT=twins, as its path says",
    "no seed": "without-twins: holds no run of whole. Make one with TRAIN_WITHOUT=twins",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_trainings_that_cannot_be_held_against_each_other_are_named(trained, wrong, capsys):
    folder = trained / "without-twins/ladder/whole-seed1"
    written = {
        "other settings": {"settings": {"epochs": 40}},
        "a setting that came later": {"settings": {"epochs": 80, "voted": 1.0}},
        "other data": {"data_checksum": "of another"},
        "another training": {"parameters": {"TRAIN_WITHOUT": "others"}},
    }
    if wrong in ("other faces", "other labels"):
        predictions, part = dict(np.load(folder / "predictions.npz")), "labels" if "labels" in wrong else "row_ids"
        predictions[f"test-scales_{part}"] = predictions[f"test-scales_{part}"] - (
            predictions[f"test-scales_{part}"] > 0
        )
        np.savez(folder / "predictions.npz", **predictions)
    elif wrong in written:
        for seed in range(2):
            rewrite(folder.with_name(f"whole-seed{seed}"), **written[wrong])
    else:
        for seed in range(2):
            shutil.rmtree(folder.with_name(f"whole-seed{seed}"))
    assert memory.main([str(trained), "--recipe", "whole", "--views", "scales"]) == 1
    assert WRONG[wrong] in capsys.readouterr().err


def test_a_recipe_that_kept_private_test_shut_is_named(trained, capsys):
    assert memory.main([str(trained), "--recipe", "whole"]) == 1
    assert "whole-seed0: has no predictions 'test'. FINAL opens PrivateTest" in capsys.readouterr().err


def test_heads_have_no_recipe(tmp_path, capsys):
    (tmp_path / "heads.csv").touch()
    with pytest.raises(SystemExit):
        memory.main([str(tmp_path), "--recipe", "whole"])
    assert "holds heads, which have no recipe" in capsys.readouterr().err
