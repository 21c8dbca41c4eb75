"""What a parameter may be: the same names as in the modules that use them, and room for everything that is in use."""

import re
from pathlib import Path

import pytest

from fer_utils import data, models, runs
from fer_utils.data import source_task
from fer_utils.models import backbones
from fer_utils.names import ARCHITECTURES, CHOICES, NETWORKS, RANGES, VIEWS
from fer_utils.project import expand_path, unknown_in_path
from fer_utils.runs.parameters import problem, problem_together
from fer_utils.workflow.study import DATA_STAND_IN, NOTEBOOKS, load_study

NOTEBOOKS = {stem: runs.declared_parameters(stem) for stem in NOTEBOOKS}


def test_the_names_are_those_of_the_modules():
    architectures = tuple(name for name in ARCHITECTURES if name in backbones.BACKBONES)
    views = tuple(name for name in VIEWS if name != "ten-crop")
    made = {"ARCHITECTURE": architectures, "AUGMENTATION": tuple(models.AUGMENTATIONS), "VIEWS": views}
    assert made == {name: CHOICES[name] for name in made}


@pytest.mark.parametrize(
    ("path", "expanded", "unknown"),
    [
        ("~/runs", "/home/ada/runs", ""),
        ("$SCRATCH/my runs", "/s c/my runs", ""),
        ("${SCRATCH}x/~", "/s cx/~", ""),
        ("outputs/it's & so", "outputs/it's & so", ""),
        ("$NOWHERE/runs", "$NOWHERE/runs", "$NOWHERE"),
        ("a/${NOWHERE}", "a/${NOWHERE}", "${NOWHERE}"),
        ("~no-such-user/runs", "~no-such-user/runs", "~no-such-user"),
        (Path("a$"), "a$", ""),
    ],
)
def test_a_path_is_what_a_shell_would_make_of_it(path, expanded, unknown, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("SCRATCH", "/s c")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert (expand_path(path), unknown_in_path(path)) == (expanded, unknown)
    assert bool(problem("OUTPUT_DIR", path, "outputs")) == bool(unknown)


def test_a_folder_that_is_there_may_have_a_dollar_in_its_name(tmp_path):
    (tmp_path / "runs$x").mkdir()
    assert unknown_in_path(tmp_path / "runs$x") == "" and not problem("OUTPUT_DIR", str(tmp_path / "runs$x"), "outputs")


@pytest.mark.parametrize(
    "read",
    [
        data.load_fer2013,
        lambda path: source_task.load_source(runs.resolve(path)),  # as notebook 02 does
        lambda path: runs.start_run(path, "explore"),
    ],
    ids=["DATA", "SOURCE", "OUTPUT_DIR"],
)
def test_all_paths_are_read_alike(read, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "file" / "in"))):
        read("$SCRATCH/file/in")


def test_every_number_has_a_range():
    numbers = {
        name
        for declared in NOTEBOOKS.values()
        for name, default in declared.items()
        if isinstance(default, int | float) and not isinstance(default, bool)
    }
    assert numbers == set(RANGES)


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_a_notebooks_own_values_are_allowed(stem):
    assert runs.collect_parameters(stem, NOTEBOOKS[stem]) == NOTEBOOKS[stem]


@pytest.mark.parametrize("profile", sorted(path.stem for path in (runs.PROJECT_ROOT / "profiles").glob("*.yaml")))
def test_what_the_profiles_give_is_allowed(profile):
    for run in load_study(profile, data=DATA_STAND_IN).runs():
        given = NOTEBOOKS[run.notebook] | run.parameters
        assert runs.collect_parameters(run.notebook, given) == given


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SEED", [0, 2**32 - 1]),
        ("WIDTH", [0.001, 1, 4.0]),
        ("BATCH_SIZE", [1, 65_536]),
        ("EPOCHS", [1, 10_000]),
        ("STOP_ACCURACY", [0.67, 1.0, 1]),
        ("LEARNING_RATE", [1e-9, 10]),
        ("MAX_IMAGES", [0, 1]),
        ("DATA", ["", "kaggle", __file__]),
    ],
)
def test_the_ends_of_a_range_are_allowed(name, values):
    for value in values:
        assert problem(name, value, NOTEBOOKS["03_train_from_scratch"][name]) == ""


@pytest.mark.parametrize(
    ("name", "value", "default", "said"),
    [
        ("SEED", None, None, "SEED=None makes no sense: give a whole number"),
        ("EPOCHS", "3", "3", "EPOCHS='3' makes no sense: give a whole number"),
        ("EPOCHS", 3.0, 3.0, "EPOCHS=3.0 makes no sense: give a whole number"),
        ("OUTPUT_DIR", None, None, "OUTPUT_DIR is empty"),
        ("SOURCE", "", "sample", "SOURCE is empty: give 'sample', or a folder with"),
        ("SIZES", "24", [24, 32], "SIZES='24' makes no sense: give a list"),
        ("OWN", "anything", None, ""),
    ],
)
def test_a_value_that_was_edited_in_the_cell_itself_is_checked_too(name, value, default, said):
    found = problem(name, value, default)
    assert found.startswith(said) and bool(found) == bool(said)


def test_the_least_size_is_what_the_network_can_halve():
    for name, network in NETWORKS.items():
        least = network.least_size
        assert problem_together({"ARCHITECTURE": name, "INPUT_SIZE": least}) == ""
        assert "too small" in problem_together({"ARCHITECTURE": name, "INPUT_SIZE": least - 1})


def test_a_resnet50_is_wide_enough_to_be_trained_without_a_crash():
    assert problem_together({"ARCHITECTURE": "resnet50", "WIDTH": 0.0625}) == ""
    assert "too narrow for resnet50" in problem_together({"ARCHITECTURE": "resnet50", "WIDTH": 0.06})
    assert problem_together({"ARCHITECTURE": "vgg16", "WIDTH": 0.06}) == ""


def test_fine_tuning_keeps_an_epoch_for_what_is_unfrozen():
    assert problem_together({"HEAD_EPOCHS": 2, "EPOCHS": 3}) == ""
    assert "leaves none of EPOCHS=2" in problem_together({"HEAD_EPOCHS": 2, "EPOCHS": 2})


@pytest.mark.parametrize("stage", [3, 4, 5])
def test_fine_tuning_keeps_a_stage_to_unfreeze(stage):
    for first in range(1, 6):
        problem = problem_together({"HEAD_STAGE": stage, "UNFREEZE_FROM": first})
        assert ("leaves nothing to unfreeze" in problem) is (first > stage)
    assert problem_together({"HEAD_STAGE": stage}) == ""  # transfer unfreezes nothing
    assert problem_together({"UNFREEZE_FROM": 5}) == ""


@pytest.mark.parametrize(("name", "stages"), [("vgg16", 5), ("deepcnn", 4), ("smallcnn", 3), ("efficientnetb0", 0)])
def test_fine_tuning_needs_the_stage_that_it_unfreezes(name, stages):
    """Else notebook 05 would train its head first, and then find nothing to unfreeze."""
    for first in range(1, 6):
        problem = problem_together({"ARCHITECTURE": name, "WIDTH": 1.0, "UNFREEZE_FROM": first})
        assert (f"UNFREEZE_FROM={first} is not for {name}" in problem) is (first > stages)


def test_a_head_without_dense_layers_has_no_units():
    assert "HEAD='average' has none of" in problem_together({"HEAD": "average", "HEAD_UNITS": "256"})
    assert problem_together({"HEAD": "average", "HEAD_UNITS": ""}) == ""
    assert problem_together({"HEAD": "batch_norm", "HEAD_UNITS": "256"}) == ""


def test_the_networks_without_stages_are_those_that_cannot_be_cut():
    for name in ARCHITECTURES:
        backbone = backbones.build_backbone(name, 48, 3, 1.0 if name == "efficientnetb0" else 0.0625)
        if NETWORKS[name].stages < 4:
            assert not any(layer.name.startswith(("block4_", "conv4_")) for layer in backbone.layers)
            with pytest.raises(ValueError, match=f"HEAD_STAGE=4: {name} has no such stages; give 5"):
                models.cut_at(backbone, 4)
            problem = problem_together({"HEAD_STAGE": 4, "ARCHITECTURE": name})
            assert f"is not for {name}" in problem and "give 5" in problem
        else:
            assert models.cut_at(backbone, 4).name == name
            assert problem_together({"HEAD_STAGE": 4, "ARCHITECTURE": name}) == ""
        assert models.cut_at(backbone, 5) is backbone
        assert problem_together({"HEAD_STAGE": 5, "ARCHITECTURE": name}) == ""


def test_a_path_that_is_no_text_is_still_the_parameter_that_was_declared():
    namespace = {**NOTEBOOKS["03_train_from_scratch"], "DATA": Path("faces")}
    collected = runs.collect_parameters("03_train_from_scratch", namespace)
    assert collected["DATA"] == "faces"
    runs.check_declared(collected)
    namespace["DATA"] = Path("others")
    with pytest.raises(runs.RunError, match=r"DATA was .*faces.* when the run began and is .*others.* now"):
        runs.check_declared(collected)
