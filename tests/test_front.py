"""What tools/front.py prints of this study's networks, on the committed answers; nothing is timed here."""

import json
import shutil

import front
import pytest
from matplotlib.figure import Figure

from fer_utils import evaluation, models
from fer_utils.evaluation.paired import compare_arms
from fer_utils.ladder.results import right_by_seed

PAGE = (front.runs.PROJECT_ROOT / "docs/beyond-the-paper.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def kept():
    return json.loads((front.KEPT / "front.json").read_text(encoding="utf-8"))["networks"]


def test_the_page_has_the_table_that_was_measured(kept):
    assert front.markdown(kept) in PAGE


def test_the_page_holds_the_smallest_against_the_largest(kept):
    names = ("`small-80`", "VGG16 (GPU)")
    small, large = (right_by_seed(front.runs_of(kept[name]["runs"]), "test") for name in names)
    varied = evaluation.pooled_over_seeds(answers.mean(axis=1) for answers in (small, large))
    behind = {name: 100 * value for name, value in compare_arms(large, small, *varied).items()}
    page = " ".join(PAGE.split())
    said = "{difference:.1f} percentage points behind ({low:.1f} to {high:.1f}, over other seeds"
    assert said.format(**behind) in page
    parameters, pace = (kept[names[1]][what] / kept[names[0]][what] for what in ("parameters", "milliseconds"))
    said = f"full width has {parameters:.0f} times as many parameters as `small-80` and takes {pace:.0f} times as long"
    assert said in page
    resnet = kept["ResNet50, quarter width"]["one view"]["accuracy"]
    assert f"{100 * (small.mean() - resnet):.0f} points worse" in page


def test_accuracies_are_of_the_committed_answers(kept):
    assert list(kept) == list(front.NETWORKS)
    for name, row in kept.items():
        own = front.runs_of(front.NETWORKS[name])
        assert row["seeds"] == len(own) and row["runs"] == front.NETWORKS[name]
        assert {views: row[views] for views in front.VIEWS if views in row} == front.accuracies(own)
        one = [run.metrics["test"]["accuracy"] for run in own]
        assert row["one view"]["accuracy"] == pytest.approx(sum(one) / len(one), abs=1e-9)


def test_a_copied_run_is_no_further_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(front, "REFERENCE", tmp_path)
    for copy in ("race-22-seed0", "race-22-seed1", "race-22-seed1 (copy)"):
        source = front.KEPT.parent / "tuned/ladder" / copy.split(" ")[0]
        shutil.copytree(source, tmp_path / "ladder" / copy)
        if "copy" not in copy:
            own = front.runs_of("ladder/race-22")
    assert len(own) == 2
    with pytest.raises(front.runs.RunError, match="race-22-seed1.* has the same seed as .*race-22-seed1"):
        front.runs_of("ladder/race-22")


@pytest.mark.parametrize("name", ["`small-80`", "`whole-80`", "VGG16, quarter width"])
def test_what_is_timed_is_the_network_that_answered(kept, name):
    """Its parameters are those that its run counted; notebook 03 did not count, so there its size is compared."""
    manifest = front.runs_of(front.NETWORKS[name])[0].manifest
    model = front.build(manifest)
    assert models.parameter_counts(model)[0] == kept[name]["parameters"]
    if "trainable_parameters" in manifest:
        assert kept[name]["parameters"] == manifest["trainable_parameters"]
    else:
        assert model.name == "vgg16_scratch" and model.get_layer("vgg16").output.shape[-1] == 512 * 0.25


def test_the_smallest_comes_first_and_views_that_were_not_asked_stay_empty():
    own = {"accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    rows = {
        "large": {"seeds": 1, "parameters": 2_000_000, "milliseconds": 3.21, "one view": own},
        "small": {"seeds": 2, "parameters": 90_000, "milliseconds": 0.66, "one view": own, "six views": own},
    }
    said = front.markdown(rows).splitlines()
    assert said[2:] == [
        "| small | 0.09 M | 0.7 | 2 | 50.0 % | 40.0 to 60.0 | 50.0 % | 40.0 to 60.0 |",
        "| large | 2.00 M | 3.2 | 1 | 50.0 % | 40.0 to 60.0 |  |  |",
    ]
    ax = front.draw(rows, Figure().add_subplot())
    assert ax.get_xscale() == "log" and [text.get_text() for text in ax.get_legend().texts] == ["one view", "six views"]
    assert {"large\n3.2 ms a face", "small\n0.7 ms a face"} <= {text.get_text() for text in ax.texts}
