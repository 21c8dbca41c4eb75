"""Figures of maps, and the tools that write what is committed of them."""

import json
import sys

import exports as exports_tool
import maps as maps_tool
import matplotlib
import numpy as np
import pandas as pd
import pytest
import robustness as robustness_tool
from figure_rules import check_it_draws_where_it_is_told, check_it_makes_one_figure
from test_changes import bright_is_happy

from fer_utils.data import Faces
from fer_utils.names import EMOTIONS, USAGES
from fer_utils.recognize import changes, map_plots

matplotlib.use("Agg")

pytestmark = pytest.mark.usefixtures("closed_figures")

FACES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
CASCADE = pd.DataFrame(
    {"layer": ["none", "top", "bottom"], "rank_correlation": [1, 0.4, 0.0], "structural_similarity": [1, 0.5, 0.1]}
)
MATRIX = pd.DataFrame(np.arange(36).reshape(6, 6) / 10, EMOTIONS[:6], EMOTIONS[:6])
TABLE = changes.robustness(bright_is_happy, FACES, [3, 3, 4], {"shift right": (-3, 3), "blur": (1,), "size": (8, 24)})

SINGLE = {
    "cascade_curves": lambda ax: map_plots.cascade_curves(CASCADE, ax=ax),
    "parts_matrix": lambda ax: map_plots.parts_matrix(MATRIX, ax=ax),
}
PANELS = {
    "overlays": lambda figure: map_plots.overlays(FACES, {"map": FACES > 99}, figure=figure, title="t"),
    "mean_maps": lambda figure: map_plots.mean_maps({"happy": FACES[0], "sad": FACES[1]}, figure=figure, title="t"),
    "change_curves": lambda figure: map_plots.change_curves({"a": TABLE, "b": TABLE}, figure=figure, title="t"),
}


@pytest.mark.parametrize("name", [*SINGLE, *PANELS])
def test_a_figure_draws_where_it_is_told_and_touches_nothing_else(name):
    check_it_draws_where_it_is_told((SINGLE | PANELS)[name], name in PANELS)


@pytest.mark.parametrize("name", [*SINGLE, *PANELS])
def test_a_figure_makes_one_of_its_own(name):
    check_it_makes_one_figure((SINGLE | PANELS)[name])


def test_overlays_lay_each_map_over_its_face_on_a_scale_of_its_own():
    found = np.stack([np.full((48, 48), -1.0), np.eye(48), 7 * np.eye(48)])
    axes = map_plots.overlays(FACES, {"Grad-CAM": found}, ["one", "two", "three"])
    assert axes.shape == (2, 3)
    assert [ax.get_title() for ax in axes[0]] == ["one", "two", "three"]
    assert [axes[0, 0].get_ylabel(), axes[1, 0].get_ylabel()] == ["face", "Grad-CAM"]
    face, over = axes[1, 2].get_images()
    assert np.array_equal(face.get_array(), FACES[2]) and over.get_clim() == (0, 7)
    assert axes[1, 0].get_images()[1].get_array().max() == 0
    (plain,) = map_plots.overlays(FACES, {"at rest": FACES[::-1]})[1, 0].get_images()
    assert np.array_equal(plain.get_array(), FACES[2])


def test_curves_run_over_the_amounts_and_mark_the_one_that_changes_nothing():
    shift, blur, size = map_plots.change_curves({"a network": TABLE}).flat
    assert shift.lines[0].get_xdata().tolist() == [-3, 0, 3] and shift.get_title() == "shift right"
    assert size.lines[0].get_xdata().tolist() == [8, 24, 48] and size.lines[1].get_xdata() == [48, 48]
    assert blur.lines[0].get_ydata() == pytest.approx(TABLE[TABLE["kind"] == "blur"]["accuracy"])


def test_no_network_and_no_kind_is_left_out_of_the_curves_silently():
    with pytest.raises(ValueError, match="4 tables: draw 3 at most"):
        map_plots.change_curves(dict.fromkeys("abcd", TABLE))
    with pytest.raises(ValueError, match="b: the table has no rows of kind 'blur'"):
        map_plots.change_curves({"a": TABLE, "b": TABLE[TABLE["kind"] != "blur"]})
    with pytest.raises(ValueError, match="a: the table has no rows of kind 'blurr'"):
        map_plots.change_curves({"a": TABLE}, ["size", "blurr"])


def test_a_table_that_lacks_a_column_is_refused():
    with pytest.raises(ValueError, match=r"lacks the columns \['structural_similarity'\]"):
        map_plots.cascade_curves(CASCADE.drop(columns="structural_similarity"))


# --- tools -----------------------------------------------------------------------------------------------------------

FACTS = {"run": "r", "git_commit": "c", "seed": 0, "data_checksum": "d"}


@pytest.fixture
def small(monkeypatch):
    """Ninety faces in place of FER-2013 and of the sample, and a network that calls what is bright happy."""
    labels = np.arange(90) % 7
    images = np.random.default_rng(0).integers(0, 90, (90, 48, 48), dtype=np.uint8)
    images[labels == 3] += 100
    faces = Faces(images, labels.astype(np.uint8), np.repeat(USAGES, 30), np.arange(90))
    for tool in (robustness_tool, maps_tool):
        monkeypatch.setattr(tool.data, "load_fer2013", lambda path: faces)
        monkeypatch.setattr(tool.recognize, "load_network", lambda: None)
        monkeypatch.setattr(tool.recognize, "facts", lambda: FACTS)
        monkeypatch.setattr(tool.tta, "predict", lambda model, images: bright_is_happy(images))
    return faces


def test_the_robustness_tool_writes_a_row_for_each_amount(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", f"robustness.py --data x --split PublicTest --faces 20 --out {tmp_path}".split())
    robustness_tool.main()
    facts = json.loads((tmp_path / "robustness.json").read_text())
    assert facts["faces"] == {"PublicTest": 20, "drawn faces": 20} and facts["network"] == FACTS["run"]
    for name in ("PublicTest", "drawn_faces"):
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert len(table) == sum(len(amounts) + 1 for _, _, amounts in changes.KINDS.values())
        assert table.loc[table["amount"] == 0, "stay"].max() == 1 and (table["n"] == 20).all()
    assert not (tmp_path / "PrivateTest.csv").exists()
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == "| change | right, PublicTest | same answer | right, drawn faces | same answer |"
    assert any(line.startswith("| brightness: -80 (grey levels added) | ") for line in lines)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        (robustness_tool, "--split PublicTest", "name another folder with --out"),
        (robustness_tool, "--faces 20", "name another folder with --out"),
        (exports_tool, "--images 5 --out outputs/reference/exports", "name another folder with --out"),
        (exports_tool, "--split PublicTest", "name another folder with --out"),
        (maps_tool, "--occluded 5", "name another folder with --out"),
        (maps_tool, "--occluded -1", "at least one face of each emotion, not -1"),
    ],
)
def test_a_trial_does_not_write_over_what_is_committed(tool, arguments, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", f"tool --data sample {arguments}".split())
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert words in capsys.readouterr().err


def test_the_maps_tool_writes_means_of_faces_that_are_named_rightly(small, tmp_path, monkeypatch):
    seen = []

    def one_pixel(model, images):
        seen.append(len(images))
        found = np.zeros((len(images), 48, 48))
        found[:, 1, 2] = 4
        return found

    monkeypatch.setattr(maps_tool.maps, "grad_cam", one_pixel)
    monkeypatch.setattr(maps_tool.maps, "occlusion", one_pixel)
    monkeypatch.setattr(sys, "argv", f"maps.py --data x --occluded 2 --out {tmp_path}".split())
    maps_tool.main()
    with np.load(tmp_path / "mean_maps.npz") as stored:
        assert {name: (stored[name].shape, str(stored[name].dtype)) for name in stored.files} == dict.fromkeys(
            ("grad_cam", "occlusion"), ((7, 48, 48), "float16")
        )
        assert stored["grad_cam"][3, 1, 2] == 48**2 and stored["grad_cam"][3].sum() == 48**2
    facts = json.loads((tmp_path / "maps.json").read_text())
    rightly = int(((small.usage == "PublicTest") & (small.labels == 3)).sum())
    assert facts["faces"]["grad_cam"][3] == rightly and facts["faces"]["occlusion"][3] == 2
    assert facts["split"] == "PublicTest"
