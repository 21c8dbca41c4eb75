"""Every notebook at its smallest scale, through papermill, in the order in which the study runs them."""

import ast
import json
import re
import shutil

import keras
import nbformat
import pandas as pd
import papermill
import pytest
from cells import Kernel, eagerly

from fer_utils import data, runs
from fer_utils.audit import collapse
from fer_utils.comparison import paper
from fer_utils.evaluation import epoch_choice
from fer_utils.labels import weighting
from fer_utils.ladder import recipes
from fer_utils.models import saved_models
from fer_utils.recognize import examples
from fer_utils.recognize.changes import KINDS

NOTEBOOKS = sorted((runs.PROJECT_ROOT / "notebooks").glob("*.ipynb"))
TRAINING = ("03_train_from_scratch", "04_transfer_learning", "05_fine_tuning")
SMALLEST = {"WIDTH": 0.0625, "EPOCHS": 2, "MAX_IMAGES": 70, "BATCH_SIZE": 32}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


def execute(stem, outputs, **parameters):
    """Run one notebook as the workflow does and return it; the working directory is notebooks/, as in JupyterLab."""
    declared = runs.declared_parameters(stem)
    given = {**SMALLEST, "DATA": "sample", "OUTPUT_DIR": str(outputs), **parameters}
    return papermill.execute_notebook(
        runs.PROJECT_ROOT / "notebooks" / f"{stem}.ipynb",
        outputs / f"{stem}-{given.get('ARCHITECTURE', '')}.ipynb",
        parameters={name: value for name, value in given.items() if name in declared},
        kernel_name="python3",
        cwd=runs.PROJECT_ROOT / "notebooks",
        progress_bar=False,
    )


def run_cells(stem, outputs, **parameters):
    """The same in this process, without tracing and figures, where another test has a kernel run the notebook."""
    given = {**SMALLEST, "DATA": "sample", "OUTPUT_DIR": str(outputs), "PRECISION": "float32", **parameters}
    try:
        with eagerly():
            Kernel(stem, given).run()
    finally:
        keras.config.set_dtype_policy("float32")


def printed(notebook):
    """All that the cells of an executed notebook printed."""
    return "".join(
        output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    )


def test_01_explores(outputs):
    execute("01_explore_data", outputs)
    assert (outputs / "explore" / "metrics.json").is_file()


def test_02_pretrains_a_backbone(outputs):
    execute("02_pretrain_backbone", outputs, ARCHITECTURE="resnet50")  # which 04 and 05 then find
    folder = outputs / "resnet50-pretrain"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["parameters"]["WIDTH"] == SMALLEST["WIDTH"]
    assert (folder / "backbone.weights.h5").is_file()
    assert json.loads((folder / "metrics.json").read_text())["held_out"]["n"] == 4  # a twentieth of 70


def test_03_trains_the_comparators_too_in_any_precision(outputs):
    run_cells("03_train_from_scratch", outputs, ARCHITECTURE="deepcnn", EPOCHS=1, PRECISION="mixed_bfloat16")
    run = runs.read_run(outputs / "deepcnn-scratch-seed0")
    assert run.arm == "deepcnn-scratch" and run.manifest["parameters"]["PRECISION"] == "mixed_bfloat16"
    model = saved_models.load_classifier(run.folder / "model.keras")
    convolution = model.get_layer("deepcnn").get_layer("block1_conv1")
    assert (convolution.compute_dtype, convolution.variable_dtype) == ("bfloat16", "float32")
    assert model.layers[-1].compute_dtype == "float32"


def cells_of(path):
    """The code cells of a notebook, parsed, but for that of its parameters."""
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return [ast.parse(cell.source) for cell in cells if "parameters" not in cell.metadata.get("tags", [])]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_is_read(path):
    """The manifest names all values; one that no cell reads would be a claim that nothing keeps."""
    nodes = [node for cell in cells_of(path) for node in ast.walk(cell)]
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    declared = set(runs.declared_parameters(path.stem))
    assert declared <= read
    calls = [ast.unparse(node) for node in nodes if isinstance(node, ast.Call)]
    assert calls.count("keras.config.set_dtype_policy(PRECISION)") == int("PRECISION" in declared)


PASSED_ON = {  # function -> what it gets of the parameters, in every notebook that calls it
    "keras.utils.set_random_seed": {"SEED"},
    "data.apply_protocol": {"everything", "PROTOCOL", "MAX_IMAGES", "SEED", "TRAIN_WITHOUT"},
    "models.build_classifier": {"SEED"},
    "models.augmentation_layer": {"SEED"},
    "training.Batches": {"SEED"},
}
FITS = {"03_train_from_scratch": ["LEARNING_RATE"], "04_transfer_learning": ["LEARNING_RATE"]}
FITS["05_fine_tuning"] = ["LEARNING_RATE", "FINE_TUNING_RATE"]


@pytest.mark.parametrize("stem", [*TRAINING, "08_beyond_the_paper"])
def test_what_a_manifest_says_reaches_data_seeds_and_training(stem):
    """Most of it shows in no run of seed 0 on all images, which the other tests make."""
    nodes = [node for cell in cells_of(runs.PROJECT_ROOT / f"notebooks/{stem}.ipynb") for node in ast.walk(cell)]
    calls = [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]
    for function, names in PASSED_ON.items():
        given = [
            {inner.id for inner in ast.walk(call) if isinstance(inner, ast.Name)}
            for name, call in calls
            if name == function
        ]
        assert given or (function, stem[:2]) == ("models.augmentation_layer", "08"), function
        assert all(names <= found for found in given), function
    if stem in FITS:
        rates = [ast.unparse(call.args[0]) for name, call in calls if name == "keras.optimizers.Adam"]
        fits = [
            {word.arg: ast.unparse(word.value) for word in call.keywords}
            for name, call in calls
            if name.endswith(".fit")
        ]
        assert rates == FITS[stem] and len(fits) == len(rates)
        assert [fit["class_weight"] for fit in fits] == ["class_weight"] * len(fits)


RECIPES = {
    "tiny-plateau": ("vgg16", "width=0.0625 epochs=2", False),
    "tiny-whole": ("whole-face", "width=0.0625 epochs=2 batch_size=512", False),
    "tiny-mixed": (
        "crop",
        "width=0.0625 epochs=2 batch_size=512 sizes=24,40 mixup=0.2 light=0.2 erasing=0.5 average=0.9",
        True,
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_08_trains_a_recipe_and_opens_the_test_split_for_a_final_one_only(outputs, name):
    rung, changes, final = RECIPES[name]
    given = {"RECIPE": rung, "CHANGES": changes, "NAME": name, "FINAL": final, "REFERENCE": ""}
    if final:  # its summary is of all three
        assert "Left out" not in printed(execute("08_beyond_the_paper", outputs, **given))
    else:
        run_cells("08_beyond_the_paper", outputs, **given)
    run = runs.read_run(outputs / "ladder" / f"{name}-seed0", needs="validation")
    assert run.manifest["settings"] == recipes.as_dict(recipes.read_recipe(rung, changes))
    assert run.manifest["test_openings"] == int(final)
    views = ["validation", "validation-flip"] + {
        "tiny-plateau": [],
        "tiny-mixed": ["validation-ten-crop", "validation-scales"],
        "tiny-whole": ["validation-scales"],
    }[name]
    assert list(run.predictions) == views + [view.replace("validation", "test") for view in views] * final
    for answers, (_, labels, probabilities) in run.predictions.items():
        assert run.metrics[answers]["accuracy"] == (probabilities.argmax(axis=1) == labels).mean()
    if name == "tiny-plateau":  # the epoch that was kept is the best of those that were seen
        nearly = 1.5 / run.metrics["validation"]["n"]  # rounding may decide one image, so little was learned
        assert run.history["val_accuracy"].max() == pytest.approx(run.metrics["validation"]["accuracy"], abs=nearly)


# That each of the six arms trains what it should is for tests/test_models.py; it takes no notebook.
@pytest.mark.parametrize(("stem", "architecture"), list(zip(TRAINING, ["vgg16", "resnet50", "resnet50"], strict=True)))
def test_03_to_05_train_an_arm(outputs, stem, architecture):
    notebook = execute(stem, outputs, ARCHITECTURE=architecture, EPOCHS=4, HEAD_EPOCHS=2, KEEP_EPOCHS=True)
    strategy = {"03": "scratch", "04": "transfer", "05": "finetune"}[stem[:2]]
    run = runs.read_run(outputs / f"{architecture}-{strategy}-seed0")
    assert run.arm == f"{architecture}-{strategy}"
    phases = {"scratch": ["all"] * 4, "transfer": ["head"] * 4, "finetune": ["head"] * 2 + ["unfrozen"] * 2}[strategy]
    assert run.history["phase"].tolist() == phases
    faces = data.apply_protocol(data.load_fer2013("sample"), "official", SMALLEST["MAX_IMAGES"], 0)
    for name, part in {"validation": faces.validation, "test": faces.open_test()}.items():
        row_ids, labels, probabilities = run.predictions[name]
        assert row_ids.tolist() == part.row_ids.tolist()
        assert labels.tolist() == part.labels.tolist()
        right = probabilities.argmax(1) == labels
        assert run.metrics[name]["accuracy"] == right.mean()
        # The weights that were kept are those of one of the epochs: of the last phase, the best on validation.
        by_epoch = epoch_choice.read_epochs(run.folder)[name].mean(axis=1)
        assert right.mean() in by_epoch
        if name == "validation":
            assert right.mean() == by_epoch[run.history["phase"] == phases[-1]].max()
    assert len(epoch_choice.read_epochs(run.folder)["test"]) == 4
    assert (run.manifest["test_openings"], run.manifest["test_epochs_scored"]) == (1, 4)
    assert run.manifest["emotions"] == list(data.EMOTIONS)
    assert run.manifest["data_checksum"] == data.load_fer2013("sample").checksum
    assert {path.name for path in run.folder.glob("figures/*.png")} == {
        "history.png",
        "confusion_matrix.png",
        "roc.png",
    }
    frozen = [int(count.replace(",", "")) for count in re.findall(r"frozen ([\d,]+) parameters", printed(notebook))]
    if strategy == "scratch":  # only batch norm's running statistics are not trained
        assert frozen[0] < 5000
    if strategy == "finetune":
        assert frozen[0] > frozen[1] > 0


def test_06_compares_what_there_is(outputs):
    execute("06_compare_strategies", outputs)
    assert (outputs / "compare" / "metrics.json").is_file()
    assert len(list((outputs / "compare" / "figures").glob("*.png"))) >= 2


def test_07_audits_the_paper(outputs):
    for variant in ("paper", "repaired"):  # as if the collapse experiment had been run
        name = "resnet50-finetune-seed0"
        shutil.copytree(outputs / name, outputs / collapse.FOLDER / variant / name)
    notebook = execute("07_audit_the_paper", outputs)
    table = pd.read_csv(outputs / "audit" / "claims.csv")
    assert len(table) == len(paper.reported())
    assert table["verdict"].notna().all()
    arms = {run.name for run in runs.collect(outputs) if run.arm in paper.ARMS}  # no comparator is audited
    assert set(pd.read_csv(outputs / "audit" / "selection.csv")["run"]) == arms
    assert "The paper's setting" in printed(notebook) and (outputs / "audit" / "figures" / "collapse.png").is_file()
    assert (outputs / "audit" / "metrics.json").is_file()


def test_09_looks_at_labels_and_errors(outputs):
    balanced = outputs / weighting.FOLDER
    balanced.mkdir()
    run_cells("03_train_from_scratch", balanced, EPOCHS=4, CLASS_WEIGHTS="balanced")
    notebook = execute("09_labels_and_errors", outputs)
    manifest = runs.read_run(balanced / "vgg16-scratch-seed0").manifest
    assert manifest["test_epochs_scored"] == 0  # KEEP_EPOCHS is off
    prices = pd.read_csv(outputs / "labels" / "tables" / "class_weights.csv")
    assert set(prices["run"]) == {"vgg16-scratch-seed0"} and prices["emotion"].tolist() == [*data.EMOTIONS, "all"]
    assert "No FER+ votes" in printed(notebook)
    assert (outputs / "labels" / "metrics.json").is_file()
    assert not list((outputs / "labels").rglob("*hardest*.png"))  # faces are shown, never kept


def test_10_answers_about_faces_in_photos_and_in_a_film(outputs):
    notebook = execute("10_on_your_own_photos", outputs)
    folder = outputs / "photos"
    faces, film = (pd.read_csv(folder / f"{name}.csv") for name in ("faces", "film"))
    assert faces["picture"].tolist() == ["astronaut"] + ["drawn people"] * 3
    assert faces[list(data.EMOTIONS)].sum(axis=1).to_numpy() == pytest.approx(100, abs=0.4)
    assert set(film["face"]) == {1} and film["seconds"].max() == pytest.approx(2.8)
    assert json.loads((folder / "metrics.json").read_text())["faces"] == 4
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["data_checksum"] == runs.checksum(*examples.pictures().values())
    assert [path.name for path in folder.glob("figures/*.png") if path.stem != "wrong_frames"] == ["film_face1.png"]
    assert "astronaut: 1 faces" not in printed(notebook) and "drawn people: 3 faces" in printed(notebook)


def test_11_looks_into_networks(outputs, monkeypatch):
    monkeypatch.delenv("FER_DATA", raising=False)
    execute("11_why_this_answer", outputs, FACES=12, EPOCHS=1)
    folder = outputs / "explain"
    metrics = json.loads((folder / "metrics.json").read_text())
    scores = pd.DataFrame(metrics["scores"]).set_index(["kind", "name"])
    assert scores.loc[("to compare", "a flat map"), "times"] == pytest.approx(1)
    assert scores.loc[("to compare", "the truth, as coarse"), "times"] > 1.5
    assert set(scores.index.get_level_values("kind")) == {"of drawn faces", "of photographs", "to compare"}
    assert metrics["cascade"]["layer"] == "block1_conv1"
    stay = pd.DataFrame(metrics["robustness"]).set_index(["kind", "amount"])["stay"]
    assert [stay[kind, nothing] for kind, (_, nothing, _) in KINDS.items()] == [1] * len(KINDS)
    assert len(list((folder / "figures").glob("*.png"))) >= 9


def test_an_unknown_parameter_stops_a_notebook_before_it_begins(outputs):
    with pytest.raises(papermill.PapermillExecutionError, match=r"did you mean REFERENCE\?"):
        papermill.execute_notebook(
            runs.PROJECT_ROOT / "notebooks" / "06_compare_strategies.ipynb",
            outputs / "unknown.ipynb",
            parameters={"REFERENC": "", "OUTPUT_DIR": str(outputs / "unknown")},
            kernel_name="python3",
            cwd=runs.PROJECT_ROOT / "notebooks",
            progress_bar=False,
        )
    assert not (outputs / "unknown").exists()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_keep_the_houses_rules(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    text = "\n".join(cell.source for cell in code)
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert "tensorflow" not in text
    assert "\ndef " not in text
    assert not re.search(r"^[!%]", text, re.M)
    assert "What we learned" in str(notebook.cells[-1].source)
    assert len(re.findall(r"^\d\. ", notebook.cells[-1].source, re.M)) == 3  # exercises
    assert notebook.cells[0].source.startswith(f"# {path.stem[:2]} · ")
    assert "**Question: " in notebook.cells[0].source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_but_the_parameters_has_more_than_15_lines(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert len(lines) <= 15, f"{cell.id} has {len(lines)} lines:\n{cell.source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_finished_folder_is_emptied_once_all_inputs_are_read_and_before_a_training(path):
    """A wrong path stops the notebook while the last result is still there."""
    code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    reads = r"load_(fer2013|runs|source)\(|load_classifier\(runs\.resolve\(|read_picture\(|films\.frames\("
    read = [match.start() for match in re.finditer(reads, code)]
    (start,) = (match.start() for match in re.finditer(r"runs\.start_run\(", code))
    assert read and max(read) < start < min(code.find(word) % len(code) for word in (".fit(", "save_figure("))


def test_a_link_leads_to_a_notebook_and_to_a_section_that_it_has():
    links = 0
    for path in NOTEBOOKS:
        text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
        for section, number, target in re.findall(r"section\s(\d+)\sof\s\[notebook (\d\d)\]\((.+?)\)", text, re.I):
            linked = nbformat.read(path.parent / target, 4)
            assert target.startswith(number)
            assert any(re.search(rf"^## {section}\. ", cell.source, re.M) for cell in linked.cells), (path.stem, target)
            links += 1
    assert links >= 4


def test_the_three_strategies_have_the_same_sections():
    headings = []
    for stem in TRAINING:
        notebook = nbformat.read(runs.PROJECT_ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        headings.append(re.findall(r"^## .*", text, re.M))
    assert headings[0] == headings[1] == headings[2]
    assert len(headings[0]) == 10


def test_shared_parameters_mean_the_same_everywhere():
    comments = {}
    for stem in TRAINING:
        cells = nbformat.read(runs.PROJECT_ROOT / "notebooks" / f"{stem}.ipynb", as_version=4).cells
        (source,) = (cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
        for line in source.splitlines():
            assert re.fullmatch(r"[A-Z_]+ = .+  # .+", line), line
            name, comment = line.split(" = ")[0], re.split(r"[;(]", line.split("  # ")[1])[0]
            assert comments.setdefault(name, comment) == comment
