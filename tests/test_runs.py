import json
import re
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
import reference
from matplotlib.figure import Figure

from fer_utils import project, runs
from fer_utils.runs import manifest as manifest_module


@pytest.fixture(autouse=True)
def no_keras(monkeypatch):
    monkeypatch.setattr(
        manifest_module, "device", lambda: {"backend": "none", "processor": "a test", "cores": 2, "gpu": ""}
    )


def write_notebook(path, parameters, tags=("parameters",)):
    cell = nbformat.v4.new_code_cell(parameters, metadata={"tags": list(tags)})
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title"), cell]), path)
    return path


def finished_run(root, name="vgg16-scratch-seed0", accuracy=0.5, **more):
    folder = runs.start_run(root, name)
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(7), 5)
    history = pd.DataFrame({"epoch": [1], "val_accuracy": [accuracy], "seconds": [1.5]})
    history.to_csv(folder / "history.csv", index=False)
    runs.save_predictions(folder, {"test": (np.arange(5) + 100, np.arange(5), probabilities)})
    runs.save_manifest(
        folder,
        notebook="03_train_from_scratch",
        parameters={"SEED": 0, "EPOCHS": 1},
        seconds=1.5,
        data_checksum="abc",
        architecture="vgg16",
        strategy="scratch",
        **more,
    )
    runs.finish_run(folder, dict.fromkeys(("train", "validation", "test"), {"accuracy": accuracy}))
    return folder, probabilities


# --- parameters ---


def test_parameters_are_read_in_order(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", 'DATA = ""  # where\nEPOCHS = 3\nRATE = -1e-3\nSIZES = [1, 2]')
    assert runs.declared_parameters(path) == {"DATA": "", "EPOCHS": 3, "RATE": -0.001, "SIZES": [1, 2]}


def test_parameters_may_be_annotated_as_papermill_has_it(tmp_path):
    path = write_notebook(
        tmp_path / "a.ipynb", 'EPOCHS: int = 3  # passes\nNAME: "a text" = "x"\nSEED = None  # type: int'
    )
    assert runs.declared_parameters(path) == {"EPOCHS": 3, "NAME": "x", "SEED": None}


@pytest.mark.parametrize(
    ("cell", "line", "code"),
    [
        ("EPOCHS = 3\nRATE = 1e-3 / 2  # half", 2, "RATE = 1e-3 / 2"),
        ('NAME = (\n    "a" + "b"\n)', 1, 'NAME = ( "a" + "b" )'),
        ("%matplotlib inline\nEPOCHS = 3", 1, "%matplotlib inline"),
        ("EPOCHS = 3\n\n!pip install x", 3, "!pip install x"),
        ("EPOCHS: int", 1, "EPOCHS: int"),
        ("A, B = 1, 2", 1, "A, B = 1, 2"),
        ("A = B = 1", 1, "A = B = 1"),
        ("EPOCHS = 3\nEPOCHS += 1", 2, "EPOCHS += 1"),
        ("DATA = Path('x')", 1, "DATA = Path('x')"),
        ("SIZES = (1, 2)", 1, "SIZES = (1, 2)"),  # in a manifest it would be a list
        ("SIZES = {1, 2}", 1, "SIZES = {1, 2}"),
        ("RATE = 1e999", 1, "RATE = 1e999"),
        ("SIZES = " + "[" * 5000, 1, "SIZES = [...]"),
    ],
    ids=range(13),
)
def test_what_is_no_literal_in_the_parameters_cell_is_named_with_its_line(tmp_path, cell, line, code):
    path = write_notebook(tmp_path / "a.ipynb", cell)
    said = re.escape(f"a.ipynb: line {line} of the parameters cell is `{code}`, but has to be NAME = a number")
    with pytest.raises(runs.RunError, match=f"{said}.*Write the value itself"):
        runs.declared_parameters(path)


@pytest.mark.parametrize("content", ["", "<<<<<<< HEAD", '{"cells": [', "[]", '{"worksheets": []}', '{"cells": [1]}'])
def test_a_damaged_notebook_is_named(tmp_path, content):
    (tmp_path / "a.ipynb").write_text(content)
    with pytest.raises(runs.RunError, match="a.ipynb: is damaged or no notebook .*git restore"):
        runs.declared_parameters(tmp_path / "a.ipynb")


def test_a_path_among_the_parameters_can_be_kept_in_a_manifest(tmp_path):
    namespace = {**runs.declared_parameters("03_train_from_scratch"), "DATA": tmp_path}
    assert runs.collect_parameters("03_train_from_scratch", namespace)["DATA"] == str(tmp_path)


def test_a_notebook_without_parameters_cell_is_refused(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", "EPOCHS = 3", tags=())
    with pytest.raises(runs.RunError, match="exactly one cell tagged `parameters`, has 0"):
        runs.declared_parameters(path)


def test_collected_parameters_are_the_namespaces_values():
    declared = runs.declared_parameters("03_train_from_scratch")
    namespace = {**declared, "EPOCHS": 99, "keras": None, "_HIDDEN": 1, "Path": 2}
    assert runs.collect_parameters("03_train_from_scratch", namespace) == {**declared, "EPOCHS": 99}


def test_unknown_parameter_is_refused_with_the_nearest_name():
    namespace = {**runs.declared_parameters("03_train_from_scratch"), "EPOCH": 3}
    with pytest.raises(runs.RunError, match=r"03_train_from_scratch has no parameter EPOCH; did you mean EPOCHS\?"):
        runs.collect_parameters("03_train_from_scratch", namespace)


def test_a_parameter_whose_line_is_missing_is_named():
    namespace = runs.declared_parameters("03_train_from_scratch")
    del namespace["EPOCHS"]
    with pytest.raises(runs.RunError, match=r"03_train_from_scratch: EPOCHS has no value: .*parameters cell"):
        runs.collect_parameters("03_train_from_scratch", namespace)


def test_the_cell_after_the_parameters_can_be_run_again():
    namespace = runs.declared_parameters("03_train_from_scratch")
    namespace["PARAMETERS"] = runs.collect_parameters("03_train_from_scratch", namespace)
    assert runs.collect_parameters("03_train_from_scratch", namespace) == namespace["PARAMETERS"]


def test_relative_paths_count_from_the_project(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert runs.resolve("outputs/x") == runs.PROJECT_ROOT / "outputs" / "x"
    assert runs.resolve(tmp_path / "x") == tmp_path / "x"
    assert (runs.PROJECT_ROOT / "fer_utils" / "runs").is_dir()


# --- a run goes through its folder ---


def test_what_was_written_is_read(tmp_path):
    folder, probabilities = finished_run(tmp_path, note="more")
    run = runs.read_run(folder)
    assert (run.name, run.arm) == ("vgg16-scratch-seed0", "vgg16-scratch")
    assert run.metrics["test"] == {"accuracy": 0.5}
    assert run.manifest["seconds"] == 1.5
    assert run.manifest["note"] == "more"
    row_ids, labels, read = run.predictions["test"]
    assert row_ids.tolist() == [100, 101, 102, 103, 104]
    assert labels.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(read, probabilities, atol=5e-4)
    np.testing.assert_allclose(read.sum(axis=1), 1, atol=1e-12)


def test_half_precision_keeps_the_predicted_class_of_confident_rows(tmp_path):
    folder, probabilities = finished_run(tmp_path)
    np.testing.assert_array_equal(runs.read_run(folder).predictions["test"][2].argmax(1), probabilities.argmax(1))


def test_manifest_says_how_to_make_the_run_again(tmp_path, monkeypatch):
    for name in manifest_module.DECIDING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    folder, _ = finished_run(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["command"] == (
        "papermill notebooks/03_train_from_scratch.ipynb executed.ipynb -k python3 --cwd notebooks "
        "--log-output --autosave-cell-every 2 -p EPOCHS 1"
    )
    assert {"seed", "versions", "device", "git_commit", "finished", "data_checksum"} <= set(manifest)
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["environment"] == {"KERAS_MAX_EPOCHS": "1"}


def test_only_finished_runs_with_predictions_are_collected(tmp_path, capsys):
    finished_run(tmp_path, "b")
    finished_run(tmp_path, "a")
    (finished_run(tmp_path, "unfinished")[0] / "metrics.json").unlink()
    runs.finish_run(runs.start_run(tmp_path, "explore"), {})  # a notebook that trains nothing
    assert [run.name for run in runs.collect(tmp_path)] == ["a", "b"]
    assert capsys.readouterr().out == ""
    assert runs.collect(tmp_path / "nowhere") == []


def test_whoever_plans_runs_need_not_wait_for_scikit_learn():
    code = "import sys, fer_utils.runs, fer_utils.workflow; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=runs.PROJECT_ROOT).returncode == 0


def test_a_pretraining_has_no_predictions_by_nature(tmp_path, capsys):
    folder = finished_run(tmp_path, "vgg16-pretrain")[0]
    (folder / "predictions.npz").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    runs.write_json(folder / "manifest.json", {**manifest, "strategy": "pretrain"})
    assert runs.collect(tmp_path) == []
    assert capsys.readouterr().out == ""


def test_paths_are_named_from_the_projects_root():
    assert str(runs.shown(runs.PROJECT_ROOT / "outputs" / "cpu")) == "outputs/cpu"
    assert str(runs.shown("/elsewhere/cpu")) == "/elsewhere/cpu"


def test_a_run_without_predictions_is_left_out_with_a_word(tmp_path, capsys):
    (finished_run(tmp_path, "bare")[0] / "predictions.npz").unlink()
    assert runs.collect(tmp_path) == []
    assert "bare: not a finished run" in capsys.readouterr().out


def test_runs_are_collected_by_name(tmp_path):
    for name in ("vgg16-scratch-seed0", "vgg16-scratch-seed1", "deepcnn-scratch-seed0"):
        finished_run(tmp_path, name)
    assert [run.name for run in runs.collect(tmp_path, "vgg16-scratch-*")] == [
        "vgg16-scratch-seed0",
        "vgg16-scratch-seed1",
    ]


def test_starting_a_run_removes_the_old_one(tmp_path):
    folder, _ = finished_run(tmp_path)
    assert runs.start_run(tmp_path, folder.name) == folder
    assert sorted(path.name for path in folder.iterdir()) == ["figures"]


def test_an_unfinished_run_keeps_what_it_can_go_on_from_and_a_finished_one_does_not(tmp_path, monkeypatch):
    folder = runs.start_run(tmp_path, "run")
    for name in (runs.CHECKPOINT, "history.csv"):
        (folder / name).write_text("x")
    (folder / runs.EPOCHS).mkdir()
    runs.start_run(tmp_path, "run")
    assert sorted(path.name for path in folder.iterdir()) == [runs.CHECKPOINT, runs.EPOCHS, "figures"]
    monkeypatch.setenv("FER_KEEP_CHECKPOINT", "1")
    runs.finish_run(folder, {})
    assert (folder / runs.CHECKPOINT).exists() and (folder / runs.EPOCHS).exists()
    monkeypatch.delenv("FER_KEEP_CHECKPOINT")
    runs.finish_run(folder, {})
    assert sorted(path.name for path in folder.iterdir()) == ["figures", "metrics.json"]
    (folder / runs.CHECKPOINT).write_text("left over")
    runs.start_run(tmp_path, "run")
    assert sorted(path.name for path in folder.iterdir()) == ["figures"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(runs.RunError, match="file.*cannot be written.*OUTPUT_DIR"):
        runs.start_run(tmp_path / "file", "run")


def test_predictions_of_unequal_length_are_refused(tmp_path):
    with pytest.raises(runs.RunError, match="test has 3 ids, 2 labels, 2 rows"):
        runs.save_predictions(tmp_path, {"test": (np.arange(3), np.arange(2), np.ones((2, 7)))})


def test_not_a_number_never_reaches_a_json_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        runs.write_json(tmp_path / "metrics.json", {"accuracy": float("nan")})
    assert not (tmp_path / "metrics.json").exists()


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    def interrupted(stream):
        stream.write(b"half")
        raise KeyboardInterrupt

    (tmp_path / "faces.csv").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        runs.write_whole(tmp_path / "faces.csv", interrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["faces.csv"]
    assert (tmp_path / "faces.csv").read_text() == "old"


def test_figures_are_saved_in_the_runs_folder(tmp_path):
    folder = runs.start_run(tmp_path, "run")
    runs.save_figure(Figure().subplots(1, 2), folder, "curves")
    assert (folder / "figures" / "curves.png").read_bytes().startswith(b"\x89PNG")


# --- backbones ---


def test_weights_are_taken_as_given(tmp_path):
    assert runs.pretrained_backbone("imagenet", tmp_path, "vgg16") == "imagenet"
    assert runs.pretrained_backbone("outputs/w.weights.h5", tmp_path, "vgg16") == str(
        runs.PROJECT_ROOT / "outputs" / "w.weights.h5"
    )


def test_a_missing_backbone_is_made_by_notebook_02(tmp_path, monkeypatch):
    import papermill

    calls = []
    monkeypatch.setattr(papermill, "execute_notebook", lambda *given, **named: calls.append((given, named)))
    path = runs.pretrained_backbone("", tmp_path, "resnet50", WIDTH=0.5)
    assert path == str(tmp_path / "resnet50-pretrain" / "backbone.weights.h5")
    assert calls[0][0][0].name == "02_pretrain_backbone.ipynb"
    assert calls[0][1]["parameters"] == {"ARCHITECTURE": "resnet50", "OUTPUT_DIR": str(tmp_path), "WIDTH": 0.5}
    (tmp_path / "resnet50-pretrain").mkdir()
    (tmp_path / "resnet50-pretrain" / "metrics.json").write_text("{}")
    runs.pretrained_backbone("", tmp_path, "resnet50", WIDTH=0.5)
    assert len(calls) == 1


def backbone_of(tmp_path, **changes):
    """A finished pretraining of vgg16, as notebook 02's own parameters make it but for the `changes`."""
    folder = runs.start_run(tmp_path, "vgg16-pretrain")
    made = {**runs.declared_parameters("02_pretrain_backbone"), **changes}
    runs.save_manifest(folder, notebook="02_pretrain_backbone", parameters=made, seconds=1, data_checksum="")
    runs.finish_run(folder, {})
    return folder / "backbone.weights.h5"


def test_a_backbone_of_a_shorter_pretraining_is_named(tmp_path, capsys):
    path = backbone_of(tmp_path)
    assert runs.pretrained_backbone("", tmp_path, "vgg16", WIDTH=0.125, SEED=0) == str(path)
    assert capsys.readouterr().out == ""
    backbone_of(tmp_path, EPOCHS=1, MAX_IMAGES=64, PRECISION="mixed_bfloat16", OUTPUT_DIR="elsewhere")
    assert runs.pretrained_backbone("", tmp_path, "vgg16", WIDTH=0.125, SEED=0) == str(path)
    said = "was made with MAX_IMAGES=64 instead of 0, EPOCHS=1 instead of 8."
    assert capsys.readouterr().out == f"Backbone {path}: {said}\n"


@pytest.mark.parametrize(
    ("name", "made"), [("WIDTH", 0.25), ("ARCHITECTURE", "resnet50"), ("PREPROCESSING", "imagenet")]
)
def test_a_backbone_that_cannot_serve_is_refused_before_it_is_loaded(tmp_path, capsys, name, made):
    path = backbone_of(tmp_path, **{name: made})
    wanted = {"WIDTH": 0.125, "PREPROCESSING": "rescale"}
    with pytest.raises(runs.RunError, match=f"backbone.weights.h5: was made with {name}={made!r} instead of "):
        runs.pretrained_backbone("", tmp_path, "vgg16", **wanted)
    if name == "PREPROCESSING":  # the collapse of fine-tuned ResNet50 is studied so: who names the file may
        assert runs.pretrained_backbone(str(path), tmp_path, "vgg16", **wanted) == str(path)
        assert "PREPROCESSING='imagenet' instead of 'rescale'" in capsys.readouterr().out
    else:
        with pytest.raises(runs.RunError, match="Set OUTPUT_DIR"):
            runs.pretrained_backbone(str(path), tmp_path, "vgg16", **wanted)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"parameters": {"of": "another tool"}}'])
def test_weights_without_a_manifest_of_notebook_02_are_taken_as_they_are(tmp_path, capsys, content):
    (tmp_path / "manifest.json").write_text(content)
    path = tmp_path / "backbone.weights.h5"
    assert runs.pretrained_backbone(path, tmp_path, "vgg16", WIDTH=0.125) == str(path)
    assert capsys.readouterr().out == ""


def test_checksums(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256's own test vector
    assert runs.file_checksum(path) == known
    assert runs.checksum(np.frombuffer(b"a", np.uint8), np.frombuffer(b"bc", np.uint8)) == known
    assert runs.file_checksum("imagenet") == "imagenet"


@pytest.fixture
def a_copy(tmp_path, monkeypatch):
    """The code's project is a folder in no checkout, and git has no settings of the user's or the machine's."""
    root = tmp_path / "copy"
    (root / "notebooks").mkdir(parents=True)
    (root / project.FIRST_NOTEBOOK).write_text("{}")
    monkeypatch.setattr(project, "CODE_ROOT", root)
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return root


def commit_in(folder):
    git = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a commit"], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout[:12]


def test_the_commit_of_an_archive_is_the_one_written_into_it(a_copy):
    assert runs.git_commit() == "unknown: git says not a git repository"
    stated = a_copy / ".git_archival.txt"
    stated.write_text("node: $Format:%H$\n")  # of a copy that git never packed
    assert runs.git_commit() == "unknown: git says not a git repository"
    for written, read in {
        "0123456789abcdef0123456789abcdef01234567": "0123456789ab",
        "0123456789ab-dirty": "0123456789ab-dirty",
        "unknown: git says not a git-repository": "unknown: git says not a git-repository",
    }.items():
        stated.write_text(f"node: {written}\n")
        assert runs.git_commit() == read


@pytest.mark.parametrize("of_another_user", [False, True])
def test_the_commit_of_a_checkout_and_whether_its_files_differ(a_copy, monkeypatch, of_another_user):
    subprocess.run(["git", "init", "-q", a_copy], check=True)
    assert runs.git_commit().startswith("unknown: git says")  # no commit yet
    commit = commit_in(a_copy)
    if of_another_user:
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert runs.git_commit() == commit
    (a_copy / project.FIRST_NOTEBOOK).write_text("changed")
    assert runs.git_commit() == f"{commit}-dirty"


def test_the_commit_of_a_checkout_that_the_project_lies_in_is_not_the_projects(a_copy):
    commit_in(a_copy.parent)
    assert runs.git_commit() == "unknown: no checkout of its own, but inside another one"


def test_a_checkout_that_git_refuses_to_read_is_said_without_its_path(a_copy, monkeypatch):
    commit_in(a_copy.parent)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert runs.git_commit() == "unknown: git says detected dubious ownership in repository"
    monkeypatch.setenv("PATH", str(a_copy))
    assert runs.git_commit() == "unknown: git does not answer (FileNotFoundError)"


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        ({"url": "https://a.b/c", "vcs_info": {"vcs": "git", "commit_id": "0123456789abcdef"}}, "0123456789ab"),
        ({"url": "file:///a", "dir_info": {}}, "unknown: installed without its history"),
        (None, "unknown: installed without its history"),
    ],
)
def test_the_commit_of_an_installed_package_is_what_pip_noted(tmp_path, monkeypatch, noted, said):
    (tmp_path / "file").touch()
    commit_in(tmp_path)  # an environment may lie in any checkout
    monkeypatch.setattr(project, "CODE_ROOT", tmp_path / "packages")
    information = tmp_path / "packages" / "fer_utils-0.1.0.dist-info"
    information.mkdir(parents=True)
    if noted:
        (information / "direct_url.json").write_text(json.dumps(noted))
    assert runs.git_commit().startswith(said)


def test_a_manifest_with_an_unknown_commit_is_kept_and_read_like_any_other(tmp_path, a_copy):
    folder = finished_run(tmp_path / "runs")[0]
    reference.refuse_absolute_paths(folder / "manifest.json")
    (run,) = runs.collect(tmp_path / "runs")
    assert run.manifest["git_commit"] == "unknown: git says not a git repository"
