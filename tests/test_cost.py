"""What a study will cost: by hand for one run, against the networks themselves, and in words."""

import pytest

from fer_utils import runs
from fer_utils.command_line import duration
from fer_utils.names import ARCHITECTURES
from fer_utils.workflow import cost
from fer_utils.workflow.__main__ import main
from fer_utils.workflow.study import DATA_STAND_IN, PlannedRun, load_study

SCRATCH = "03_train_from_scratch"


def costs(study):
    return {run.name: cost.estimate(run, study) for run in study.runs()}


def test_a_run_by_hand():
    found = costs(load_study("cpu", data="sample"))["vgg16-scratch-seed0"]
    assert found.multiply_adds == pytest.approx(305e3 / 16 * 48 * 48 * 3 * 24 * 4800)
    assert found.seconds() == pytest.approx(25 + found.multiply_adds / 55e9)
    assert found.size == pytest.approx(1e6 + 12 * 33.6e6 / 16)


def test_a_recipe_counts_its_crop_and_the_sizes_of_its_parts():
    study = load_study("tuned", data="sample")
    given = {"DATA": "sample", "RECIPE": "crop", "CHANGES": "width=0.5 epochs=30 sizes=20,30,40"}
    found = cost.estimate(PlannedRun("mine", "08_beyond_the_paper", given), study)
    assert found.multiply_adds == pytest.approx(277e3 / 4 * (400 + 900 + 1600) * 10 * 3 * 4800)


def test_a_source_counts_from_the_project_wherever_the_command_is_given(tmp_path, monkeypatch):
    here = cost._images({"SOURCE": str(runs.PROJECT_ROOT / "outputs/reference")})
    monkeypatch.chdir(tmp_path)
    assert cost._images({"SOURCE": "outputs/reference"}) == here < cost.TINY_IMAGENET


def test_the_number_of_images_that_is_allowed_and_those_of_a_source_folder(tmp_path):
    for name in ("a/images/1.png", "a/images/2.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    study = load_study("cpu", data="sample", source=str(tmp_path))
    assert cost._images({"DATA": "faces.csv", "MAX_IMAGES": 100}) == 100
    assert cost._images({"DATA": "faces.csv", "MAX_IMAGES": 0}) == 28_709
    assert cost._images({"DATA": ""}) == 4_800  # the built-in sample
    assert costs(study)["vgg16-pretrain"].multiply_adds == pytest.approx(305e3 / 16 * 48 * 48 * 3 * 5 * 3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_constants_are_those_of_the_networks(architecture):
    keras = pytest.importorskip("keras")
    from fer_utils import models

    network = models.build_classifier(architecture, "scratch", input_size=48)
    assert network.count_params() == pytest.approx(cost.WORK[architecture].parameters, rel=0.03)
    found = 0
    for layer in network.get_layer(architecture).layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            _, height, width, _ = layer.output.shape
            found += height * width * int(keras.ops.size(layer.kernel))
    assert found / 48**2 == pytest.approx(cost.WORK[architecture].multiply_adds, rel=0.13)


def test_five_seeds_cost_five_times_what_one_costs():
    one, five = (costs(load_study("paper", data="sample", seeds=seeds)) for seeds in ("1", "5"))
    arms = [name for name in five if "seed" in name]
    assert len(arms) == 5 * 6 and {name[-1] for name in arms} == set("01234")
    in_arms = [sum(found.multiply_adds for name, found in some.items() if "seed" in name) for some in (one, five)]
    assert in_arms[1] == pytest.approx(5 * in_arms[0])


def test_of_stored_features_the_backbone_sees_each_copy_once():
    study = load_study("cpu", data="sample")
    given = {"DATA": "sample", "ARCHITECTURE": "vgg16", "WIDTH": 1.0, "INPUT_SIZE": 96, "EPOCHS": 25}
    passes = [
        cost.estimate(PlannedRun("mine", "04_transfer_learning", {**given, "FEATURE_COPIES": copies}), study)
        for copies in (0, 2)
    ]
    assert passes[0].multiply_adds == pytest.approx(305e3 * 96 * 96 * 25 * 4800)
    assert passes[1].multiply_adds == pytest.approx(305e3 * 96 * 96 * 2 * 4800)


def test_in_words():
    runs = [cost.Cost("explore", "", 0, 1e6), cost.Cost("long", "vgg16", 55e9 * 7200, 2e9)]
    found = cost.summary(runs, jobs=2, device="cpu", cores=4)
    assert found == (
        "Cost, from rates measured on two cores: 2 runs, 2 h 00 min of a core in all, 1 h 00 min with 2 at once; "
        "2.4 GB of memory at a quarter of the full width, 2.0 GB of disk."
    )
    on_gpu = cost.summary(runs, 1, "gpu")
    assert "measured on an H200 for VGG16 and the deep CNN: 2 runs, 58 s of a GPU in all" in on_gpu


def test_more_runs_at_once_than_cores_take_as_long_as_one_on_each_core():
    runs = [cost.Cost(f"run {number}", "vgg16", 55e9 * 3600, 2e9) for number in range(8)]
    found = [duration(cost._wall(runs, jobs, cores=2)) for jobs in (1, 2, 8)]
    assert found == ["4 h 03 min", "4 h 01 min", "4 h 01 min"]


def test_epochs_of_the_head_alone_are_among_the_epochs():
    study = load_study("cpu", data="sample")
    found = costs(study)["vgg16-finetune-seed0"]
    assert found.multiply_adds == pytest.approx(305e3 / 16 * 64 * 64 * 2.5 * 10 * 4800)


@pytest.mark.parametrize(("profile", "seeds"), [("paper", "1"), ("paper", "5"), ("tuned", "5"), ("gpu", "3")])
def test_the_pages_table(profile, seeds):
    found = list(costs(load_study(profile, data=DATA_STAND_IN, seeds=seeds)).values())
    row = [f"`PROFILE={profile} SEEDS={seeds}`, {len(found)} runs"]
    row += [duration(cost._wall(found, jobs, "gpu")) for jobs in (1, 8, 64)]
    row += [cost._bytes(sum(one.size for one in found))]
    assert f"| {' | '.join(row)} |" in (runs.PROJECT_ROOT / "docs/running.md").read_text(encoding="utf-8")


def test_the_plan_begins_with_it(capsys):
    assert main(["plan", "--profile", "sample", "--jobs", "2"]) == 0
    assert capsys.readouterr().out.startswith("# Profile sample.\n# Cost, from rates measured on two cores: 10 runs, ")
