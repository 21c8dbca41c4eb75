"""Read the notebooks' outputs from run folders, and refuse a run whose outputs might show a real face.

FER-2013's faces are real people's. So a notebook goes on the site only if its run used the drawn sample (by checksum),
or if it reads only the committed reference, which holds no image (READ_REFERENCE). Notebook 10 shows photos; its data
are its own examples: drawn people, and an astronaut's photo in the public domain.
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
# These are executed here, on the runs of outputs/reference, since folders of their own have no runs.
REPORTS = {"06_compare_strategies": "compare", "07_audit_the_paper": "audit", "09_labels_and_errors": "labels"}
# Their manifests name the data of the runs that they read. Neither has a cell that draws an image from a data set.
READ_REFERENCE = ("06_compare_strategies", "07_audit_the_paper")
REFERENCE = "outputs/reference/cpu"


@functools.cache
def allowed_checksums(notebook):
    """Return the checksums of the data that a notebook's run may have used."""
    if notebook == "02_pretrain_backbone":
        return {runs.checksum(*source_task.load_source("sample", 48, 0, 0)[:2])}
    if notebook == "10_on_your_own_photos":
        return {runs.checksum(*examples.pictures().values())}
    allowed = {data.load_fer2013("sample").checksum}
    if notebook in READ_REFERENCE:
        allowed |= {run.manifest["data_checksum"] for run in runs.collect(REFERENCE)}
    return allowed


def refuse_other_data(notebook, folder, allowed):
    """Raise PageError unless the run in `folder` is of this notebook and used data with an allowed checksum."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if manifest.get("notebook") != notebook:
        raise PageError(f"{folder}/manifest.json: this is a run of {manifest.get('notebook')}, not of {notebook}")
    if manifest.get("data_checksum") not in allowed:
        raise PageError(
            f"{folder}/manifest.json: data_checksum {manifest.get('data_checksum')} is not the drawn sample's, so the "
            f"notebook may show real faces and is not put on the site. Delete {folder} and run `make site` again"
        )


def with_outputs(notebook, folder, allowed, root=ROOT):
    """Return the committed notebook with the outputs and injected parameters of `folder`/executed.ipynb."""
    refuse_other_data(notebook, folder, allowed)
    page = nbformat.read(root / "notebooks" / f"{notebook}.ipynb", as_version=4)
    executed = nbformat.read(folder / "executed.ipynb", as_version=4)
    if code_of(page) != code_of(executed):
        raise PageError(
            f"{folder}/executed.ipynb: the code of {notebook} has changed. Delete {folder}, then `make site`"
        )
    executed_cells = {cell["id"]: cell for cell in executed.cells}
    cells = []
    for cell in page.cells:
        if cell.cell_type == "code":
            shown = json.dumps(executed_cells[cell["id"]].outputs).replace(f"{root}/", "")  # no path of this machine
            cell.outputs = [nbformat.from_dict(output) for output in outputs.tidy(json.loads(shown))]
        cells.append(cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells += [_parameters_note(other) for other in executed.cells if _is_injected(other)]
    page.cells = cells
    return page


def code_of(notebook):
    """Return {cell id: code}, without the cell that papermill injected."""
    return {cell["id"]: cell.source for cell in notebook.cells if cell.cell_type == "code" and not _is_injected(cell)}


def forget_other_code(out, root=ROOT):
    """Delete each run of STUDY whose notebook's code has changed. Otherwise the Snakefile would keep it as finished."""
    for notebook, run in STUDY.items():
        made = root / out / run / "executed.ipynb"
        page = nbformat.read(root / "notebooks" / f"{notebook}.ipynb", as_version=4)
        if made.is_file() and code_of(page) != code_of(nbformat.read(made, as_version=4)):
            print(f"The code of {notebook} has changed: {out}/{run} will be made again")
            shutil.rmtree(made.parent)


def _is_injected(cell):
    return "injected-parameters" in cell.metadata.get("tags", [])


def _parameters_note(cell):
    """Return a folded Markdown cell with the parameters that papermill injected."""
    text = folded("Parameters that the run on this page used instead", cell.source)
    return nbformat.v4.new_markdown_cell(text, id=cell["id"])


def execute_report(notebook, output_dir, root=ROOT):
    """Execute one of REPORTS on the reference, unless its run is newer than all files it reads; returns its folder."""
    folder = root / output_dir / REPORTS[notebook]
    executed = folder / "executed.ipynb"
    read = [root / f"notebooks/{notebook}.ipynb", *(root / "fer_utils").rglob("*.py"), *(root / REFERENCE).rglob("*")]
    if executed.is_file() and executed.stat().st_mtime > max(path.stat().st_mtime for path in read):
        return folder
    print(f"executing {notebook} on {REFERENCE} ...", flush=True)
    given = {"DATA": "sample", "OUTPUT_DIR": output_dir, "REFERENCE": REFERENCE}
    log = root / output_dir / f"{notebook}.ipynb"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "papermill", f"notebooks/{notebook}.ipynb", str(log), "-k", "python3"]
    command += ["--cwd", "notebooks", "--no-progress-bar"]
    for name in runs.declared_parameters(notebook):
        if name in given:
            command += ["-p", name, given[name]]
    # The site must use neither the user's FER-2013 nor FER+.
    environment = {name: value for name, value in os.environ.items() if name != "FER_DATA"}
    ran = subprocess.run(command, cwd=root, env={**environment, **kernels.settings()}, capture_output=True, text=True)
    if ran.returncode:
        raise PageError(f"notebooks/{notebook}.ipynb could not be executed:\n{ran.stderr}")
    log.replace(executed)
    return folder
