import io
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import reference
from PIL import Image

from fer_utils import runs


def write_run(folder, figures=("accuracy",), **manifest):
    """A run folder with everything that must and must not be kept."""
    (folder / "figures").mkdir(parents=True)
    (folder / "tables").mkdir()
    for name in ("history.csv", "predictions.npz", "model.keras", "backbone.weights.h5", "executed.ipynb"):
        (folder / name).write_bytes(b"x" * 1000)
    for name in figures:
        Image.new("RGBA", (4, 4), "red").save(folder / "figures" / f"{name}.png")
    (folder / "tables" / "table5.csv").write_text("a,b\n")
    runs.write_json(folder / "manifest.json", {"parameters": {"DATA": "data/fer2013.csv"}, **manifest})
    runs.finish_run(folder, {"test": {"n": 1}})


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_keeps_numbers_and_harmless_figures_only(tmp_path):
    write_run(tmp_path / "cpu" / "vgg16-scratch-seed0", ["history", "confusion_matrix", "roc", "accuracy", "faces"])
    write_run(
        tmp_path / "cpu" / "explore", ["class_counts", "history", "sample_grid", "workflow", "architecture_vgg16"]
    )
    (tmp_path / "cpu" / "logs").mkdir()
    sizes = reference.copy_reference(tmp_path / "cpu", tmp_path / "kept")
    numbers = ["history.csv", "manifest.json", "metrics.json", "predictions.npz", "tables/table5.csv"]
    expected = ["figures/accuracy.png", *numbers]
    assert names_in(tmp_path / "kept" / "vgg16-scratch-seed0") == expected
    expected = ["figures/architecture_vgg16.png", "figures/class_counts.png", *numbers]
    assert names_in(tmp_path / "kept" / "explore") == expected
    assert sorted(sizes) == ["explore", "vgg16-scratch-seed0"]
    kept = (tmp_path / "kept" / "explore").rglob("*")
    assert sizes["explore"] == sum(path.stat().st_size for path in kept if path.is_file())
    assert reference.left_out(tmp_path / "cpu" / "explore") == ["history.png", "sample_grid.png", "workflow.png"]


def test_some_of_the_answers_may_be_enough(tmp_path):
    write_run(tmp_path / "cpu" / "a")
    answers = (np.arange(3), np.array([0, 3, 6]), np.full((3, 7), 1 / 7))
    runs.save_predictions(tmp_path / "cpu" / "a", {"validation": answers, "validation-flip": answers, "test": answers})
    reference.copy_reference(tmp_path / "cpu", tmp_path / "kept", ["validation", "test"])
    with np.load(tmp_path / "kept/a/predictions.npz") as kept:
        assert {name.rpartition("_")[0].removesuffix("_row") for name in kept} == {"validation", "test"}
        np.testing.assert_array_equal(kept["test_row_ids"], answers[0])
    with pytest.raises(
        runs.RunError, match="a/predictions.npz: holds no validation-scales_row_ids. Give other --answers"
    ):
        reference.copy_reference(tmp_path / "cpu", tmp_path / "elsewhere", ["validation-scales"])
    assert not (tmp_path / "elsewhere").exists()


def test_leaves_out_unfinished_runs_and_replaces_older_copies_whole(tmp_path):
    write_run(tmp_path / "cpu" / "a")
    write_run(tmp_path / "cpu" / "unfinished")
    (tmp_path / "cpu" / "unfinished" / "metrics.json").unlink()
    stale = tmp_path / "kept" / "a" / "figures" / "stale.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"png")
    reference.copy_reference(tmp_path / "cpu", tmp_path / "kept")
    assert not stale.exists()
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["a"]


def test_experiments_in_folders_of_their_own_are_kept_where_they_are(tmp_path):
    write_run(tmp_path / "cpu" / "a")
    write_run(tmp_path / "cpu" / "collapse" / "paper" / "a")
    write_run(tmp_path / "cpu" / "balanced" / "a", DATA="/home/somebody/fer2013.csv")
    with pytest.raises(runs.RunError, match="/home/somebody"):
        reference.copy_reference(tmp_path / "cpu", tmp_path / "kept")
    runs.write_json(tmp_path / "cpu" / "balanced" / "a" / "manifest.json", {})
    sizes = reference.copy_reference(tmp_path / "cpu", tmp_path / "kept")
    assert sorted(sizes) == ["a", "balanced/a", "collapse/paper/a"]
    assert names_in(tmp_path / "kept" / "collapse" / "paper" / "a") == names_in(tmp_path / "kept" / "a")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/home/me/fer2013.csv", "/home/me/fer2013.csv"),
        ("papermill x.ipynb -p DATA '/mnt/big disk/f.csv'", "/mnt/big"),
        ("file:///srv/data.zip", "file:///srv/data.zip"),
        ("~/data", "~/data"),
        (r"C:\Users\me\fer.csv", r"C:\Users\me\fer.csv"),
        ("-p DATA=/data", "/data"),
    ],
)
def test_an_absolute_path_is_refused_by_name_and_nothing_is_copied(tmp_path, text, found):
    write_run(tmp_path / "cpu" / "a")
    write_run(tmp_path / "cpu" / "b", notes=["fine", {"inner": text}])
    with pytest.raises(runs.RunError) as caught:
        reference.copy_reference(tmp_path / "cpu", tmp_path / "kept")
    assert f"b/manifest.json: notes[1].inner holds the absolute path {found}." in str(caught.value)
    assert not (tmp_path / "kept").exists()


def test_a_figure_keeps_its_colours_in_fewer_bytes_and_a_gray_one_is_left_as_it_is(tmp_path):
    figure, ax = plt.subplots()
    ax.plot([0, 1, 0.5], label="training")
    ax.plot([1, 0, 0.7], label="validation")
    ax.set(title="Accuracy over epochs", xlabel="epoch", ylabel="share of all images")
    ax.legend()
    figure.savefig(tmp_path / "figure.png", dpi=150)
    kept = reference.small_enough(tmp_path / "figure.png")
    assert len(kept) < 0.6 * (tmp_path / "figure.png").stat().st_size
    drawn = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB")).astype(int)
    seen = np.asarray(Image.open(io.BytesIO(kept)).convert("RGB")).astype(int)
    assert seen.shape == drawn.shape and np.abs(seen - drawn).max() <= 8
    line = (drawn == (31, 119, 180)).all(axis=-1)  # matplotlib's first colour
    assert line.sum() > 1000 and np.abs(seen - drawn)[line].max() <= 2
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype="uint8")
    Image.fromarray(noise).save(tmp_path / "gray.png")
    assert reference.small_enough(tmp_path / "gray.png") == (tmp_path / "gray.png").read_bytes()


def test_a_damaged_figure_is_named_and_nothing_is_copied(tmp_path):
    write_run(tmp_path / "cpu" / "a")
    write_run(tmp_path / "cpu" / "b")
    figure = tmp_path / "cpu" / "b" / "figures" / "accuracy.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype="uint8")).save(figure)
    chunks = figure.read_bytes().split(b"IDAT")
    for damaged in (b"\x89PNG\r\n", b"IDAT".join(chunks[:2]) + b"\0\0\0\0" + b"IDAT".join(chunks[2:])):
        figure.write_bytes(damaged)
        with pytest.raises(runs.RunError, match="b/figures/accuracy.png: is no readable PNG"):
            reference.copy_reference(tmp_path / "cpu", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_damaged_answers_are_named_and_nothing_is_copied(tmp_path):
    write_run(tmp_path / "cpu" / "b")
    with pytest.raises(runs.RunError, match="b/predictions.npz is damaged: File is not a zip file. Run its notebook"):
        reference.copy_reference(tmp_path / "cpu", tmp_path / "kept", ["validation"])
    assert not (tmp_path / "kept").exists()


def test_relative_paths_addresses_and_slashes_in_prose_are_fine(tmp_path):
    path = tmp_path / "manifest.json"
    texts = [
        "data/fer2013.csv",
        "https://doi.org/10.1/x",
        "and / or",
        "-p OUTPUT_DIR outputs/cpu",
        "1/2",
        "a~b",
        "../x",
    ]
    path.write_text(json.dumps(texts))
    reference.refuse_absolute_paths(path)


def test_what_would_be_lost_or_could_not_be_made_again_is_refused(tmp_path):
    write_run(tmp_path / "cpu" / "a")
    write_run(tmp_path / "cpu" / "a" / "again")
    with pytest.raises(runs.RunError, match="a/again: is in another run's folder"):
        reference.copy_reference(tmp_path / "cpu", tmp_path / "kept")
    with pytest.raises(runs.RunError, match="cpu/a: is a run itself"):
        reference.copy_reference(tmp_path / "cpu" / "a", tmp_path / "kept")
    write_run(tmp_path / "gpu" / "b")
    for damage in (lambda path: path.write_text("{"), Path.unlink):
        damage(tmp_path / "gpu" / "b" / "manifest.json")
        with pytest.raises(runs.RunError, match="b/manifest.json: cannot be read"):
            reference.copy_reference(tmp_path / "gpu", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_copy_that_was_killed_between_two_renames_is_not_lost(tmp_path):
    (tmp_path / ".a.old").mkdir()
    (tmp_path / ".a.old" / "x").write_text("before")

    def full(*_):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        reference.write_folder(tmp_path / "a", {"x": b"after"})
    assert (tmp_path / "a" / "x").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_too_much_is_refused_before_anything_is_copied(tmp_path, monkeypatch):
    write_run(tmp_path / "cpu" / "a")
    monkeypatch.setattr(reference, "LIMIT", 1000)
    with pytest.raises(runs.RunError, match="more than the .* a is the largest"):
        reference.copy_reference(tmp_path / "cpu", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_command_line_prints_sizes_or_says_why_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fer_utils.project.PROJECT_ROOT", tmp_path)
    write_run(tmp_path / "outputs" / "cpu" / "a", ["accuracy", "faces"])
    assert reference.main(["outputs/cpu"]) == 0
    printed = capsys.readouterr().out
    assert "left out: faces.png" in printed and "total" in printed
    write_run(tmp_path / "outputs" / "more" / "collapse" / "a", ["history"])
    assert reference.main(["outputs/more"]) == 0 and "left out: history.png" in capsys.readouterr().out
    size = sum(path.stat().st_size for path in (tmp_path / "outputs/reference").rglob("*") if path.is_file())
    monkeypatch.setattr(reference, "LIMIT", size + 10)  # with what lies beside it, a third profile is too much
    write_run(tmp_path / "outputs" / "third" / "a")
    assert reference.main(["outputs/third"]) == 1 and "more than the" in capsys.readouterr().err
    assert reference.main(["outputs/more"]) == 0 and capsys.readouterr().out  # what is there takes its own place
    assert (tmp_path / "outputs" / "reference" / "cpu" / "a" / "metrics.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda *_: os.open("/dev/null/x", os.O_WRONLY))  # as on a full disk
        assert reference.main(["outputs/more"]) == 1
        assert capsys.readouterr().err.startswith("Not all was copied. [Errno 20] Not a directory")
    assert reference.main(["outputs/none"]) == 1
    assert "Nothing was copied. outputs/none: holds no finished run" in capsys.readouterr().err
