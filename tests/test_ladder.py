import json
import shutil

import ladder
import numpy as np
import pandas as pd
import pytest

from fer_utils import evaluation, runs
from fer_utils.ladder import recipes, results
from fer_utils.plotting.uncertainty import ladder_differences

N = 400


def make_run(output_dir, name, counts, seed=0, n=N):
    """A finished run of a recipe on disk; counts: kind of answer -> how many of the first n images are right."""
    folder = output_dir / results.FOLDER / f"{name}-seed{seed}"
    (folder / "figures").mkdir(parents=True)
    labels = np.arange(n) % 7
    answers = {}
    for kind, count in counts.items():
        guessed = np.where(np.arange(n) < count, labels, (labels + 1) % 7)
        answers[kind] = (np.arange(n), labels, 0.4 * np.eye(7)[guessed] + 0.6 / 7)
    runs.save_predictions(folder, answers)
    history = pd.DataFrame({"epoch": [1, 2], "val_accuracy": [0.1, 0.2], "seconds": [50, 50]})
    history.to_csv(folder / "history.csv", index=False)
    manifest = {"recipe": name, "seed": seed, "seconds": 100.0, "trainable_parameters": 1_500_000}
    manifest |= {"architecture": "vgg16", "strategy": "recipe", "data_checksum": "0", "parameters": {}, "device": {}}
    runs.write_json(folder / "manifest.json", manifest)
    metrics = {kind: evaluation.summarize(part[1], part[2]) for kind, part in answers.items()}
    runs.finish_run(folder, metrics)
    return folder


@pytest.fixture
def climbed(tmp_path, monkeypatch):
    rungs = (
        recipes.Rung("start", "the start", {}),
        recipes.Rung("dead", "+ what does not help", {"dropout": 0.1}),
        recipes.Rung("better", "+ what helps", {"crop": 40}),
        recipes.Rung("untried", "+ what nobody ran", {"light": 0.1}),
        recipes.Rung("mirror", "+ the mirror image", {"views": "flip"}, same_run=True),
    )
    monkeypatch.setattr(recipes, "LADDER", rungs)
    monkeypatch.setattr(recipes, "NAMES", tuple(rung.name for rung in rungs))
    make_run(tmp_path, "start", {"validation": 200, "validation-flip": 210})
    make_run(tmp_path, "dead", {"validation": 190, "validation-flip": 190})
    make_run(tmp_path, "better", {"validation": 240, "validation-flip": 250})
    return tmp_path


def test_each_rung_is_held_against_the_last_one_that_was_run(climbed):
    table = results.summarize(results.load(climbed), samples=300).set_index("rung")
    assert table.index.tolist() == ["start", "dead", "better"]
    assert table["accuracy"].tolist() == pytest.approx([0.5, 0.475, 0.6])
    assert table["before"].tolist()[1:] == ["start", "dead"]
    assert table["difference"].tolist()[1:] == pytest.approx([-0.025, 0.125])
    # exact McNemar: 10 images to one side, 50 to the other; Holm doubles the smaller
    assert table["p_value"].tolist()[1:] == pytest.approx([2 / 2**10, 2 / 2**50])
    assert table["p_holm"].tolist()[1:] == pytest.approx([2 / 2**10, 4 / 2**50])
    assert np.isnan(table.loc["start", "difference"]) and not table.loc["start", "differ"]
    assert table.loc["better", "differ"]
    assert table.loc["better", "low"] == pytest.approx(evaluation.wilson_interval(240, N)[0])


def test_a_rung_that_only_asks_differently_answers_with_the_network_below(climbed):
    make_run(climbed, "untried", {"validation": 240, "validation-flip": 260})
    table = results.summarize(results.load(climbed), samples=300).set_index("rung")
    assert table.loc["mirror", "accuracy"] == pytest.approx(260 / N)
    assert table.loc["mirror", "before"] == "untried"
    assert table.loc["mirror", "difference"] == pytest.approx(20 / N)


def test_views_without_those_of_the_rung_before_are_compared_with_the_network_below(climbed, monkeypatch):
    """As after `reference.py --answers validation validation-scales`: "whole" has no predictions of its own views."""
    whole = recipes.Rung("whole", "+ the whole face", {"head": "average", "views": "flip"})
    sizes = recipes.Rung("sizes", "+ three sizes", {"views": "scales"}, same_run=True)
    monkeypatch.setattr(recipes, "LADDER", (*recipes.LADDER, whole, sizes))
    monkeypatch.setattr(recipes, "NAMES", (*recipes.NAMES, "whole", "sizes"))
    make_run(climbed, "whole", {"validation": 240, "validation-scales": 265})
    row = results.summarize(results.load(climbed), samples=300).set_index("rung").loc["sizes"]
    assert row["before"] == "better" and row["difference"] == pytest.approx(25 / N)
    assert row["p_value"] == pytest.approx(2 / 2**25)


def test_networks_that_are_asked_differently_are_tested_on_all_seeds_and_on_what_changes(climbed):
    """Accuracy varies over seeds far more than what the mirror image adds, which is 20, 20 and 23 faces."""
    for seed, right in enumerate((200, 240, 280)):
        make_run(climbed, "untried", {"validation": right, "validation-flip": right + (20, 20, 23)[seed]}, seed=seed)
    mirror = results.summarize(results.load(climbed), samples=300).set_index("rung").loc["mirror"]
    assert mirror["difference"] == pytest.approx(21 / N)
    of_images = np.repeat([1 / 3, 0], [63, N - 63]).var(ddof=1) / N  # each seed gains other faces
    of_seeds = np.var([20 / N, 20 / N, 23 / N], ddof=1) / 3
    low = evaluation.difference_test(21 / N, of_images, N - 1, of_seeds, 2)["low"]
    assert mirror["difference_low"] == pytest.approx(low) and low > 0
    make_run(climbed, "untried", {"validation": 300}, seed=3)  # of before there were mirror images
    again = results.summarize(results.load(climbed), samples=300).set_index("rung").loc["mirror"]
    assert again["difference_low"] == pytest.approx(low) and again["seeds"] == 3


def test_a_change_is_told_with_those_of_the_rungs_between_that_have_no_run(climbed):
    make_run(climbed, "untried", {"validation": 240})
    shutil.rmtree(climbed / results.FOLDER / "better-seed0")
    table = results.summarize(results.load(climbed), samples=300).set_index("rung")
    assert table.loc["untried", "before"] == "dead"
    assert table.loc["untried", "change"] == "+ what helps, + what nobody ran"
    assert table.loc["dead", "change"] == "+ what does not help"


def test_reference_fills_in_what_the_folder_has_not(climbed, tmp_path_factory, capsys):
    fresh = tmp_path_factory.mktemp("fresh")
    make_run(fresh, "better", {"validation": 300})
    table = results.summarize(results.load(fresh, climbed), samples=300).set_index("rung")
    assert table["accuracy"].tolist() == pytest.approx([0.5, 0.475, 0.75])
    assert f"Runs of {fresh}: better. All others are of {climbed}." in capsys.readouterr().out
    assert results.summarize(results.load(fresh), samples=300)["rung"].tolist() == ["better"]


def test_a_reference_of_other_images_stays_out_as_a_whole(climbed, tmp_path_factory, capsys):
    fresh = tmp_path_factory.mktemp("fresh")
    make_run(fresh, "better", {"validation": 60}, n=100)
    table = results.summarize(results.load(fresh, climbed), samples=300)
    assert table[["rung", "n"]].values.tolist() == [["better", 100]]
    assert "validated on other images than these" in capsys.readouterr().out


def test_runs_on_other_images_and_damaged_ones_are_named_and_left_out(climbed, capsys):
    make_run(climbed, "untried", {"validation": 100}, n=300)
    (climbed / results.FOLDER / "dead-seed0" / "predictions.npz").unlink()
    table = results.summarize(results.load(climbed), samples=300)
    assert table["rung"].tolist() == ["start", "better"]
    said = capsys.readouterr().out
    assert "dead-seed0: not a finished run (No such file or directory: predictions.npz)" in said
    assert "untried-seed0 cannot be paired with start-seed0: other validation images" in said


def rewrite(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    runs.write_json(folder / "manifest.json", manifest | changes)


UNLIKE = {
    "settings": ({"settings": {"epochs": 3}}, "epochs is 3, not 0"),
    "a set of images": ({"parameters": {"TRAIN_WITHOUT": "twins"}}, "TRAIN_WITHOUT is twins, not none"),
    "fewer images": ({"parameters": {"MAX_IMAGES": 9999}}, "MAX_IMAGES is 9999, not 0"),
    "other data": ({"data_checksum": "ffff"}, "data checksum is ffff, not 0"),
    "other teachers": (
        {"teachers": [{"CHANGES": "epochs=9", "TRAIN_WITHOUT": "first half"}]},
        "teachers is ['epochs=9 None",
    ),
    "filters of others": ({"weights_checksum": "imagenet"}, "weights is ImageNet's, not not ImageNet's"),
    "the same seed": ({"seed": 0}, "has the same seed as"),
}


@pytest.mark.parametrize("what", UNLIKE)
def test_what_is_no_further_seed_is_left_out_by_name(climbed, what, capsys):
    changes, reason = UNLIKE[what]
    for seed in range(3):
        make_run(climbed, "chosen", {"validation": 240 + 10 * seed, "test": 250}, seed=seed)
    rewrite(climbed / results.FOLDER / "chosen-seed1", **changes)
    assert [run.manifest["seed"] for run in results.load(climbed)["chosen"]] == [0, 2]
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("Left out: ") and "chosen-seed1 " in said and "chosen-seed0" in said and reason in said


def test_seeds_may_differ_in_paths_and_in_settings_that_came_later(climbed):
    for seed, made in enumerate(({"settings": {"epochs": 3}}, {"settings": {"epochs": 3, "voted": 0.0, "sizes": ""}})):
        parameters = {"DATA": f"{seed}.csv", "OUTPUT_DIR": f"{seed}", "SEED": seed, "CHANGES": " " * seed}
        parameters |= {"TRAIN_WITHOUT": "none", "PRECISION": "float32"} if seed else {}
        rewrite(make_run(climbed, "chosen", {"validation": 240}, seed=seed), parameters=parameters, **made)
    assert len(results.load(climbed)["chosen"]) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parameters": {"MAX_IMAGES": 9999}}, "cannot be paired with start-seed0: MAX_IMAGES is 9999, not 0"),
        ({"data_checksum": "ffff"}, "cannot be paired with start-seed0: data checksum is ffff, not 0"),
        ({"parameters": {"PROTOCOL": "paper"}}, "has PROTOCOL=paper, so PrivateTest steered its training"),
    ],
)
def test_a_rung_of_other_training_images_or_of_the_papers_protocol_is_left_out(climbed, changes, reason, capsys):
    rewrite(climbed / results.FOLDER / "better-seed0", **changes)
    assert results.summarize(results.load(climbed), samples=300)["rung"].tolist() == ["start", "dead"]
    assert f"better-seed0 {reason}" in capsys.readouterr().out


def test_a_network_trained_on_votes_stands_among_no_finals_and_in_no_race(climbed, capsys):
    for name, voted in (("votes", 1.0), ("labels", 0.0)):
        folder = make_run(climbed, name, {"validation": 290, "test": 250})
        rewrite(folder, settings={"voted": voted}, device={"gpu": "Acme"})
    for make in (results.finals, results.race):
        assert make(results.load(climbed))["recipe"].tolist() == ["labels"]
        assert "Left out: votes, trained on votes" in capsys.readouterr().out


def test_a_seed_that_was_not_asked_so_is_named(climbed, capsys):
    for seed, kinds in enumerate((("", "-flip"), ("",))):
        answers = {f"{split}{kind}": 240 for split in ("validation", "test") for kind in kinds}
        make_run(climbed, "chosen", answers, seed=seed)
    table = results.finals(results.load(climbed)).set_index(["views", "networks"])["seeds"]
    assert table.to_dict() == {("single", 1): 2, ("single", 2): 1, ("flip", 1): 1}
    assert (
        capsys.readouterr().out
        == "Left out: chosen-seed1, which has no predictions named validation-flip and test-flip.\n"
    )


def test_seeds_are_averaged(climbed):
    make_run(climbed, "better", {"validation": 260}, seed=1)
    row = results.summarize(results.load(climbed), samples=300).set_index("rung").loc["better"]
    assert row["seeds"] == 2
    assert row["accuracy"] == pytest.approx(250 / N)
    assert row["difference"] == pytest.approx(60 / N)  # against "dead"


def test_markdown_has_a_row_a_rung(climbed, capsys):
    assert ladder.main([str(climbed)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 3
    assert lines[4].startswith("| better | + what helps | 1 | 60.0 | 55.1 to 64.7 | +12.5 (+9.")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("none", "there is no such folder"),
        (".", "holds no finished run in ladder/"),
        ("ladder", "Give the one above it"),
    ],
)
def test_a_folder_without_a_ladder_is_told_what_it_is(tmp_path, place, reason, capsys):
    make_run(tmp_path / "x", "own", {"validation": 240})
    for more in ([], ["--against", "own"]):
        assert ladder.main([str(tmp_path / ("" if place == "." else "x") / place), *more]) == 1
        assert reason in capsys.readouterr().err
    assert ladder.main([str(tmp_path / "x")]) == 1
    assert "x: none of own-seed0 is a rung or a final candidate that can be shown. --against" in capsys.readouterr().err


def test_a_run_of_a_rung_as_it_once_was_is_left_out(climbed, capsys):
    for name in ("start", "better"):
        path = climbed / results.FOLDER / f"{name}-seed0" / "manifest.json"
        settings = recipes.as_dict(recipes.read_recipe(name))
        changed = settings | {"epochs": 10} if name == "better" else settings
        del changed["answer_crop"]  # as in a run made before there was such a setting
        runs.write_json(path, json.loads(path.read_text()) | {"settings": changed})
    assert results.summarize(results.load(climbed), samples=300)["rung"].tolist() == ["start", "dead"]
    assert "better-seed0 was trained with other settings than its rung has now" in capsys.readouterr().out


def test_a_run_without_some_images_is_no_rung(climbed, capsys):
    path = climbed / results.FOLDER / "better-seed0" / "manifest.json"
    runs.write_json(path, json.loads(path.read_text()) | {"parameters": {"TRAIN_WITHOUT": "first half"}})
    assert results.summarize(results.load(climbed), samples=300)["rung"].tolist() == ["start", "dead"]
    assert "better-seed0 was trained with other settings" in capsys.readouterr().out


def test_a_run_of_another_notebook_is_named(climbed, capsys):
    path = climbed / results.FOLDER / "better-seed0" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["recipe"]
    runs.write_json(path, manifest)
    assert results.summarize(results.load(climbed), samples=300)["rung"].tolist() == ["start", "dead"]
    assert "better-seed0 is not a run of notebook 08. Move it elsewhere." in capsys.readouterr().out


def test_the_ladder_is_drawn_where_it_is_asked_to_be(climbed, tmp_path):
    assert ladder.main([str(climbed), "--figure", str(tmp_path / "ladder.png")]) == 0
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")


def test_finals_are_those_that_opened_the_test_split(climbed, capsys):
    assert results.finals(results.load(climbed)).empty
    for seed, (one, two) in enumerate(((260, 270), (290, 295), (300, 305))):
        answers = {"validation": 250, "validation-flip": 255, "test": one, "test-flip": two}
        make_run(climbed, "chosen", answers, seed=seed)
    table = results.finals(results.load(climbed)).set_index(["recipe", "views", "networks"])
    assert table.index.tolist() == [("chosen", views, count) for views in ("single", "flip") for count in (1, 3)]
    alone = table.xs(1, level="networks")
    assert alone["private"].tolist() == pytest.approx([850 / 3 / N, 870 / 3 / N])
    assert alone["public"].tolist() == pytest.approx([250 / N, 255 / N])
    assert alone["sd"].tolist() == pytest.approx(
        [np.std(seeds, ddof=1) / N for seeds in ((260, 290, 300), (270, 295, 305))]
    )
    assert alone["low"].iloc[0] == pytest.approx(evaluation.wilson_interval(283, N)[0])
    assert alone["seconds"].tolist() == [100, 100]
    ladder.main([str(climbed)])
    assert "| chosen | flip | 1 | 3 | 63.7 | 72.5 | 67.9 to 76.6 | 4.5 | 100 |" in capsys.readouterr().out


def test_an_ensemble_answers_with_the_mean_of_its_networks_probabilities(climbed):
    # All answer with equal confidence, so a face goes to the majority: that of the middle one of three.
    for seed, count in enumerate((260, 290, 300)):
        make_run(climbed, "chosen", {"validation": 250, "test": count}, seed=seed)
    ensemble = results.finals(results.load(climbed)).set_index("networks").loc[3]
    assert ensemble["private"] == pytest.approx(290 / N) and ensemble["public"] == pytest.approx(250 / N)
    assert (ensemble["low"], ensemble["high"]) == pytest.approx(evaluation.wilson_interval(290, N))
    assert ensemble["seeds"] == 1 and np.isnan(ensemble["sd"])
    assert ensemble["seconds"] == 300


def test_a_candidates_price_includes_its_teachers_once(climbed):
    for seed in range(2):
        folder = make_run(climbed, "chosen", {"validation": 250, "test": 260}, seed=seed)
        manifest = json.loads((folder / "manifest.json").read_text())
        taught_by = [{"answers": "both", "seconds": 40.0}, {"answers": f"one-{seed}", "seconds": 7.0}]
        manifest |= {"teachers": taught_by, "device": {"gpu": "", "processor": "Acme", "cores": 2}}
        runs.write_json(folder / "manifest.json", manifest)
    assert results.finals(results.load(climbed)).set_index("networks")["seconds"].to_dict() == {1: 147, 2: 254}
    assert results.race(results.load(climbed), accuracy=0.62)["seconds"].tolist() == [147, 147]


def test_race_takes_the_first_epoch_that_gets_there_or_the_average_at_the_end(climbed):
    assert results.race(results.load(climbed)).empty
    for name, accuracies, right in (
        ("late", [0.5, 0.6, 0.7], 280),
        ("early", [0.68, 0.5, 0.6], 240),
        ("averaged", [0.1, 0.2, 0.3], 269),  # 67.25 % of 400
        ("never", [0.6, 0.66, 0.67], 268),  # 67.0 %
    ):
        folder = make_run(climbed, name, {"validation": right})
        history = pd.DataFrame({"epoch": [1, 2, 3], "val_accuracy": accuracies, "seconds": [50, 40, 30]})
        history.to_csv(folder / "history.csv", index=False)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["device"] = {"gpu": "", "processor": "Acme(R) CPU @ 2.50GHz", "cores": 2}
        runs.write_json(folder / "manifest.json", manifest)
    table = results.race(results.load(climbed)).set_index("recipe")
    assert table["seconds"].to_dict() == {"early": 50, "late": 120, "averaged": 120}
    assert table["epoch"].to_dict() == {"early": 1, "late": 3, "averaged": 3}
    assert table.loc["early", "hardware"] == "Acme 2.50 GHz, 2 cores"
    assert table.index[0] == "early"
    nothing = pd.DataFrame()
    (said,) = ladder.markdown(nothing, nothing, results.race(results.load(climbed)))
    assert "| early | 0 | 50 | 1 | 3 | 1.50 M | Acme 2.50 GHz, 2 cores |" in said.splitlines()


def test_figure_marks_differences(climbed):
    table = results.summarize(results.load(climbed), samples=300)
    with pytest.raises(ValueError, match="lacks the columns \\['difference_low'\\]"):
        ladder_differences(table.drop(columns="difference_low"))
    left, right = ladder_differences(table)
    marks = [line for line in right.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx([-2.5, 12.5])
    assert [label.get_text() for label in left.get_yticklabels()][0] == "the start"


def test_the_command_prints_final_candidates_without_a_ladder(tmp_path, capsys):
    assert ladder.main([str(tmp_path)]) == 1
    make_run(tmp_path, "long", {"validation": 240, "test": 230})
    assert ladder.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("| long | single | 1 | 1 | 60.0 | 57.5 |") == 1
    assert ladder.main([str(tmp_path), "--figure", str(tmp_path / "ladder.png")]) == 1  # there is none to draw
