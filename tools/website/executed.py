"""The notebooks with their outputs, from run folders; refused where an output might show a real face.

FER-2013's faces are people's. So a notebook may stand on the site only if its run's data are the drawn sample, by
their checksum, or if it shows nothing but the committed reference, which holds no image (READ_REFERENCE). Of notebook
10, which shows photos, the data are its own examples: drawn people, and an astronaut's photo in the public domain.
"""

import functools
import json
import os
import shutil
import subprocess
import sys

import nbformat
from addresses import ROOT

from fer_utils import data, kernels, runs
from fer_utils.data import source_task
from fer_utils.recognize import examples
from website import outputs
from website.links import PageError, folded

# notebook -> its run in outputs/site, made by the Snakefile with profiles/site.yaml
STUDY = {
    "01_explore_data": "explore",
    "02_pretrain_backbone": "vgg16-pretrain",
    "03_train_from_scratch": "vgg16-scratch-seed0",
    "04_transfer_learning": "vgg16-transfer-seed0",
    "05_fine_tuning": "vgg16-finetune-seed0",
    "08_beyond_the_paper": "ladder/cosine-seed0",
    "10_on_your_own_photos": "photos",
    "11_why_this_answer": "explain",
}
# Executed here: they show the runs of outputs/reference, since a folder of their own has none.
REPORTS = {"06_compare_strategies": "compare", "07_audit_the_paper": "audit", "09_labels_and_errors": "labels"}
# Their manifests name the data of the runs that they read. Neither has a cell that draws an image of a data set.
READ_REFERENCE = ("06_compare_strategies", "07_audit_the_paper")
REFERENCE = "outputs/reference/cpu"


@functools.cache
def allowed_checksums(notebook):
    """The checksums of data that a notebook's run may have been made of."""
    if notebook == "02_pretrain_backbone":
        return {runs.checksum(*source_task.load_source("sample", 48, 0, 0)[:2])}
    if notebook == "10_on_your_own_photos":
        return {runs.checksum(*examples.pictures().values())}
    allowed = {data.load_fer2013("sample").checksum}
    if notebook in READ_REFERENCE:
        allowed |= {run.manifest["data_checksum"] for run in runs.collect(REFERENCE)}
    return allowed


def refuse_other_data(notebook, folder, allowed):
    """Raise PageError unless the run in `folder` is of this notebook, and was made of data with an allowed checksum."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if manifest.get("notebook") != notebook:
        raise PageError(f"{folder}/manifest.json: this is a run of {manifest.get('notebook')}, not of {notebook}")
    if manifest.get("data_checksum") not in allowed:
        raise PageError(
            f"{folder}/manifest.json: data_checksum {manifest.get('data_checksum')} is not the drawn sample's, so the "
            f"notebook may show real faces and does not go onto the site. Delete {folder} and run `make site` again"
        )


def with_outputs(notebook, folder, allowed, root=ROOT):
    """The notebook as committed, with the outputs (and the parameters given) of `folder`/executed.ipynb."""
    refuse_other_data(notebook, folder, allowed)
    page = nbformat.read(root / "notebooks" / f"{notebook}.ipynb", as_version=4)
    made = nbformat.read(folder / "executed.ipynb", as_version=4)
    if code_of(page) != code_of(made):
        raise PageError(f"{folder}/executed.ipynb: {notebook} has other code now. Delete {folder}, then `make site`")
    done = {cell["id"]: cell for cell in made.cells}
    cells = []
    for cell in page.cells:
        if cell.cell_type == "code":
            shown = json.dumps(done[cell["id"]].outputs).replace(f"{root}/", "")  # paths as a reader has them
            cell.outputs = [nbformat.from_dict(output) for output in outputs.tidy(json.loads(shown))]
        cells.append(cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells += [_given(other) for other in made.cells if _is_given(other)]
    page.cells = cells
    return page


def code_of(notebook):
    """The code cells by their ids, without what papermill put in."""
    return {cell["id"]: cell.source for cell in notebook.cells if cell.cell_type == "code" and not _is_given(cell)}


def forget_other_code(out, root=ROOT):
    """Have each run of STUDY made again whose notebook has other code now; the Snakefile keeps finished trainings."""
    for notebook, run in STUDY.items():
        made = root / out / run / "executed.ipynb"
        page = nbformat.read(root / "notebooks" / f"{notebook}.ipynb", as_version=4)
        if made.is_file() and code_of(page) != code_of(nbformat.read(made, as_version=4)):
            print(f"{notebook} has other code now: {out}/{run} is made again")
            shutil.rmtree(made.parent)


def _is_given(cell):
    return "injected-parameters" in cell.metadata.get("tags", [])


def _given(cell):
    """What papermill set, folded away."""
    return nbformat.v4.new_markdown_cell(
        folded("What the run on this page was given instead", cell.source), id=cell["id"]
    )


def execute_report(notebook, output_dir, root=ROOT):
    """Run one of REPORTS on the committed reference, unless its run is newer than all that it reads; its folder."""
    folder = root / output_dir / REPORTS[notebook]
    made = folder / "executed.ipynb"
    read = [
        root / "notebooks" / f"{notebook}.ipynb",
        *(root / "fer_utils").rglob("*.py"),
        *(root / REFERENCE).rglob("*"),
    ]
    if made.is_file() and made.stat().st_mtime > max(path.stat().st_mtime for path in read):
        return folder
    print(f"executing {notebook} on {REFERENCE} ...", flush=True)
    given = {"DATA": "sample", "OUTPUT_DIR": output_dir, "REFERENCE": REFERENCE}
    log = root / output_dir / f"{notebook}.ipynb"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "papermill", f"notebooks/{notebook}.ipynb", str(log), "-k", "python3"]
    command += ["--cwd", "notebooks", "--no-progress-bar"]
    for name in runs.declared_parameters(notebook):
        command += ["-p", name, given[name]] if name in given else []
    # Neither the user's FER-2013 nor FER+ has anything to do with the site.
    environment = {name: value for name, value in os.environ.items() if name != "FER_DATA"}
    ran = subprocess.run(command, cwd=root, env={**environment, **kernels.settings()}, capture_output=True, text=True)
    if ran.returncode:
        raise PageError(f"notebooks/{notebook}.ipynb could not be executed:\n{ran.stderr}")
    log.replace(made)
    return folder
