"""What was tried beside one recipe (fer_utils/ladder/trials.py), on runs whose answers are known."""

import json

import ladder
import numpy as np
import pytest
from test_ladder import N, make_run

from fer_utils import evaluation, runs
from fer_utils.ladder import recipes, results, trials


def make_trial(place, name, counts, changes="", seed=0, **manifest):
    """A finished run of the rung "crop" with `changes`, as notebook 08 writes it."""
    folder = make_run(place, name, counts, seed)
    settings = recipes.as_dict(recipes.read_recipe("crop", changes))
    written = json.loads((folder / "manifest.json").read_text()) | {"settings": settings} | manifest
    runs.write_json(folder / "manifest.json", written)


@pytest.fixture
def place(tmp_path):
    """A base with two seeds, one trial that is better and one that is worse."""
    for seed, count in enumerate((240, 244)):
        make_trial(tmp_path, "base", {"validation": count, "validation-flip": count + 8}, "epochs=40", seed)
    make_trial(tmp_path, "wider", {"validation": 282}, "epochs=40 width=0.75")
    make_trial(tmp_path, "bare", {"validation": 200, "validation-flip": 260}, "epochs=40 dropout=0 weight_decay=0")
    return tmp_path


def test_each_trial_is_held_against_the_base_and_says_in_what_it_differs(place):
    table = trials.tried(place, "base").set_index("recipe")
    assert table.index.tolist() == ["base", "wider", "bare"]  # the base first, then the best
    assert table["changes"].tolist() == ["", "width=0.75", "dropout=0.0 weight_decay=0.0"]
    assert table["accuracy"].tolist() == pytest.approx([242 / N, 282 / N, 200 / N])
    assert table["difference"].tolist()[1:] == pytest.approx([40 / N, -42 / N])
    assert np.isnan(table.loc["base", ["difference", "p_value", "p_holm"]].astype(float)).all()


def test_seeds_are_chance_as_soon_as_a_recipe_has_two(place):
    wider = trials.tried(place, "base").set_index("recipe").loc["wider"]
    # Variance of a seed: of 240 and 244 of 400. The trial, which has one, is taken to vary alike.
    of_seeds = 8 / N**2 * (1 / 2 + 1)
    change = np.zeros(N)  # per image: base 1 up to 240, a half up to 244; wider 1 up to 282
    change[240:244], change[244:282] = 0.5, 1
    expected = evaluation.difference_test(change.mean(), change.var(ddof=1) / N, N - 1, of_seeds, 1)
    assert (wider["low"], wider["high"]) == pytest.approx((expected["low"], expected["high"]))
    assert wider["p_value"] == pytest.approx(expected["p_value"])


def test_p_values_are_corrected_for_the_number_of_trials(place):
    table = trials.tried(place, "base").set_index("recipe").loc[["wider", "bare"]]
    assert table["p_holm"].tolist() == pytest.approx(evaluation.holm(table["p_value"]).tolist())
    assert table["p_holm"].min() == pytest.approx(2 * table["p_value"].min())


def test_a_trial_that_does_not_answer_so_is_left_out_by_name(place, capsys):
    table = trials.tried(place, "base", "flip").set_index("recipe")
    assert capsys.readouterr().out == "Left out: wider-seed0, which has no predictions named validation-flip.\n"
    assert table["accuracy"].to_dict() == pytest.approx({"base": 250 / N, "bare": 260 / N})


def test_rungs_have_a_table_of_their_own_and_images_left_out_are_named(place):
    make_trial(place, "crop", {"validation": 300})
    make_trial(place, "clean", {"validation": 230}, "epochs=40", parameters={"TRAIN_WITHOUT": "twins"})
    table = trials.tried(place, "base").set_index("recipe")
    assert "crop" not in table.index and table.loc["clean", "changes"] == "TRAIN_WITHOUT=twins"


def test_what_the_base_left_out_and_how_exactly_it_computed_is_told_where_another_did_not(place):
    for seed in range(2):
        path = place / results.FOLDER / f"base-seed{seed}" / "manifest.json"
        runs.write_json(path, json.loads(path.read_text()) | {"parameters": {"TRAIN_WITHOUT": "twins"}})
    both = {"TRAIN_WITHOUT": "twins", "PRECISION": "mixed_bfloat16"}
    make_trial(place, "rough", {"validation": 230}, "epochs=40", parameters=both)
    told = trials.tried(place, "base").set_index("recipe")["changes"]
    assert told["base"] == "" and told["rough"] == "PRECISION=mixed_bfloat16"
    assert told["wider"] == "width=0.75 TRAIN_WITHOUT=none"


def test_a_setting_that_came_later_had_its_default(place):
    path = place / results.FOLDER / "base-seed0" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["settings"]["taught"], manifest["settings"]["cutmix"]
    runs.write_json(path, manifest)
    assert trials.tried(place, "base").set_index("recipe").loc["bare", "changes"] == "dropout=0.0 weight_decay=0.0"


def test_teachers_are_paid_for(place):
    make_trial(
        place, "pupil", {"validation": 270}, "epochs=40 taught=0.5", teachers=[{"answers": "a", "seconds": 55.0}]
    )
    assert trials.tried(place, "base").set_index("recipe").loc["pupil", "seconds"] == 155


def test_the_command_prints_the_table_or_names_what_there_is(place, capsys):
    assert ladder.main([str(place), "--against", "base"]) == 0
    assert "| wider | width=0.75 | 1 | 70.5 | +10.0 (" in capsys.readouterr().out
    assert ladder.main([str(place), "--against", "base", "--views", "scales"]) == 1
    assert ladder.main([str(place), "--against", "best"]) == 1
    assert (
        "holds no run of best with predictions for views='single'. There are: bare, base, wider"
        in capsys.readouterr().err
    )
