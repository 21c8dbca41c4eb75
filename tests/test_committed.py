"""Notebook 09 shows what the repository keeps where a reader lacks votes or runs, and says whose numbers these are."""

import matplotlib

matplotlib.use("Agg")

import nbformat
import papermill
import pytest
from PIL import Image

from fer_utils import runs
from fer_utils.labels import committed

pytestmark = pytest.mark.usefixtures("closed_figures")

STEM = "09_labels_and_errors"
REFERENCE = "outputs/reference/cpu"
SILENT = {"cell-03", "cell-04", "cell-16"}  # parameters; the run's folder; rows of the next cell's figure


def test_a_figure_is_the_one_that_was_kept_and_is_named_as_not_the_readers(capsys):
    ax = committed.figure(REFERENCE, "scale", "votes")
    path = runs.PROJECT_ROOT / REFERENCE / "labels/figures/scale.png"
    assert ax.images[0].get_array().shape[1::-1] == Image.open(path).size
    said = capsys.readouterr().out
    assert "not yours (outputs/reference/cpu/labels: fer2013.csv, 18 runs)" in said and "DATA to fer2013.csv" in said


def test_a_table_is_the_one_that_was_kept(capsys):
    table = committed.table(REFERENCE, "twins_in_training", "runs")
    assert table.set_index("split").loc["PrivateTest", ["images", "twins"]].tolist() == [3589, 643]
    assert "set DATA to FER-2013, or OUTPUT_DIR" in capsys.readouterr().out
    assert "expected_all_wrong        55" in committed.sharing(REFERENCE)


@pytest.mark.parametrize(("reference", "words"), [("", "REFERENCE is empty"), ("outputs/nothing", "outputs/nothing")])
def test_without_a_reference_it_says_what_is_missing(reference, words, capsys):
    assert committed.figure(reference, "scale", "votes") is None
    assert committed.table(reference, "scale", "votes").empty and committed.sharing(reference) == ""
    assert capsys.readouterr().out.count(words) == 3


def test_every_cell_of_notebook_09_shows_something_as_it_is_opened(tmp_path, monkeypatch):
    monkeypatch.delenv("FER_DATA", raising=False)
    executed = papermill.execute_notebook(
        runs.PROJECT_ROOT / "notebooks" / f"{STEM}.ipynb",
        tmp_path / "executed.ipynb",
        parameters={"OUTPUT_DIR": str(tmp_path / "outputs")},  # a fresh clone's has no runs either
        kernel_name="python3",
        cwd=runs.PROJECT_ROOT / "notebooks",
        progress_bar=False,
    )
    own = {cell.id for cell in nbformat.read(runs.PROJECT_ROOT / "notebooks" / f"{STEM}.ipynb", 4).cells}
    silent = {cell.id for cell in executed.cells if cell.cell_type == "code" and not cell.outputs} & own
    assert silent == SILENT
    shown = [cell.id for cell in executed.cells if "not yours (outputs/reference" in str(cell.get("outputs"))]
    assert len(shown) == 15
    assert str([cell.get("outputs") for cell in executed.cells]).count("keeps no image of it") == 2
