"""Small stand-ins for the notebooks, which train nothing, in a project folder with the real Snakefile."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from fer_utils.workflow.study import NOTEBOOKS

ROOT = Path(__file__).resolve().parent.parent
COMMON = 'OUTPUT_DIR = "outputs/own"\nDATA = ""\n'
ARM = COMMON + 'SEED = 0\nARCHITECTURE = "vgg16"\nWIDTH = 0.125\nEPOCHS = 10\nLEARNING_RATE = 1e-3\n'
PARAMETERS = {
    "01_explore_data": COMMON,
    "02_pretrain_backbone": ARM + 'SOURCE = "sample"\n',
    "03_train_from_scratch": ARM,
    "04_transfer_learning": ARM + 'WEIGHTS = ""\n',
    "05_fine_tuning": ARM + 'WEIGHTS = ""\n',
    "06_compare_strategies": 'OUTPUT_DIR = "outputs/own"\n',
    "07_audit_the_paper": 'OUTPUT_DIR = "outputs/own"\nTHRESHOLD = 0.67\n',
    "08_beyond_the_paper": COMMON + 'SEED = 0\nRECIPE = "crop"\nCHANGES = ""\nNAME = ""\nFINAL = False\n',
    "09_labels_and_errors": COMMON,
    "10_on_your_own_photos": 'OUTPUT_DIR = "outputs/own"\nVIEWS = "single"\n',
    "11_why_this_answer": COMMON + 'NETWORK = ""\nSEED = 0\n',
}
RUN_NAMES = {
    "01_explore_data": '"explore"',
    "02_pretrain_backbone": 'f"{ARCHITECTURE}-pretrain"',
    "03_train_from_scratch": 'f"{ARCHITECTURE}-scratch-seed{SEED}"',
    "04_transfer_learning": 'f"{ARCHITECTURE}-transfer-seed{SEED}"',
    "05_fine_tuning": 'f"{ARCHITECTURE}-finetune-seed{SEED}"',
    "06_compare_strategies": '"compare"',
    "07_audit_the_paper": '"audit"',
    "08_beyond_the_paper": 'f"ladder/{NAME or RECIPE}-seed{SEED}"',
    "09_labels_and_errors": '"labels"',
    "10_on_your_own_photos": '"photos"',
    "11_why_this_answer": '"explain"',
}
# What a notebook does in the end, without training: its results, of which metrics.json is the last.
FINISH = """
from pathlib import Path
print("epoch 1 of 1")
folder = Path.cwd().parent / OUTPUT_DIR / {name}
folder.mkdir(parents=True, exist_ok=True)
(folder / "backbone.weights.h5").write_text("weights")
(folder / "metrics.json").write_text("{{}}")
"""
PROFILE = """
seeds: [0]
jobs: 2
all: {DATA: sample, WIDTH: 0.25, EPOCHS: 3}
03_train_from_scratch: {EPOCHS: 5, resnet50: {EPOCHS: 7, LEARNING_RATE: 1.0e-4}}
"""


def write_notebook(root, stem, before_the_end="pass"):
    """A notebook with the stem's parameters that does `before_the_end` and then writes its results."""
    sources = [PARAMETERS[stem], before_the_end, FINISH.format(name=RUN_NAMES[stem])]
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{i}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for i, source in enumerate(sources)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    text = json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    (root / "notebooks" / f"{stem}.ipynb").write_text(text, encoding="utf-8")


def make_project(root):
    """A folder with the real Snakefile, stand-ins for the notebooks, and the profiles `small` and `real`."""
    (root / "notebooks").mkdir()
    (root / "profiles").mkdir()
    for stem in NOTEBOOKS:
        write_notebook(root, stem)
    (root / "profiles" / "small.yaml").write_text(PROFILE)
    (root / "profiles" / "real.yaml").write_text('all: {DATA: ""}')
    shutil.copy(ROOT / "Snakefile", root)
    return root


def snakemake(folder, *arguments, modules=ROOT):
    """Snakemake's run in `folder`, whose programs come before all others. modules: where else Python looks for some."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(modules)]), "TMPDIR": str(folder)}
    environment["PATH"] = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    for name in ("FER_STUDY", "SNAKEMAKE_PROFILE"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def jobs_of(dry_run):
    """The table of jobs in the output of a dry run: rule -> count."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", dry_run.stdout, re.MULTILINE)}
