"""A run as one papermill command, and the run that makes another one's weights (notebooks 04 and 05; the workflow)."""

import json
import os
import shlex
from pathlib import Path

import yaml

from fer_utils import kernels
from fer_utils.project import PROJECT_ROOT, resolve, shown
from fer_utils.runs.folder import RunError
from fer_utils.runs.parameters import declared_parameters


def command(notebook, parameters, executed="executed.ipynb"):
    """The papermill command that runs `notebook` with the `parameters` that differ from its defaults."""
    defaults = declared_parameters(notebook)
    changed = {name: value for name, value in parameters.items() if value != defaults.get(name)}
    return papermill_command(notebook, executed, changed)


def pretrained_backbone(weights, output_dir, architecture, **parameters):
    """What to pass as a backbone's weights: "imagenet", or the path of a file made by notebook 02.

    weights: the notebook's WEIGHTS. Empty means the backbone of `output_dir`; if it is not there yet, notebook 02 makes
    it now with `parameters`, so that a notebook opened on its own runs. Where the manifest beside a file says that it
    was made otherwise than notebook 02 would make it for this run, a printed line names how. Raises RunError where it
    cannot serve: for another ARCHITECTURE or WIDTH, and for another PREPROCESSING unless it is named in `weights`.
    """
    if weights == "imagenet":
        return weights
    path = resolve(weights or Path(output_dir) / f"{architecture}-pretrain" / "backbone.weights.h5")
    if not weights and not (path.parent / "metrics.json").exists():
        import papermill

        print(f"No pretrained backbone in {path.parent}: running notebook 02 first ...")
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        os.environ.update(kernels.settings())
        papermill.execute_notebook(
            PROJECT_ROOT / "notebooks" / "02_pretrain_backbone.ipynb",
            path.parent.parent / f"{architecture}-pretrain.ipynb",
            parameters={"ARCHITECTURE": architecture, "OUTPUT_DIR": str(output_dir), **parameters},
            kernel_name="python3",
            cwd=PROJECT_ROOT / "notebooks",
            progress_bar=False,
        )
    wanted = {**declared_parameters("02_pretrain_backbone"), "ARCHITECTURE": architecture, **parameters}
    _hold_against(path, wanted, needed=("ARCHITECTURE", "WIDTH", *(() if weights else ("PREPROCESSING",))))
    return str(path)


def reads_as_another_type(text):
    """Whether papermill's `-p` (and a hurried reader) would take `text` for a number, a truth value or None."""
    if text in ("True", "False", "None"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def papermill_command(notebook, executed, parameters):
    """The papermill command, as one would type it, that runs `notebook` (a stem) into the file `executed`."""
    words = ["papermill", f"notebooks/{notebook}.ipynb", str(executed), "-k", "python3", "--cwd", "notebooks"]
    # What cells print, each epoch too, goes to the log as it happens; a kill loses two seconds of the notebook, not 30.
    words += ["--log-output", "--autosave-cell-every", "2"]
    for name, value in parameters.items():
        words += parameter_flag(name, value)
    return shlex.join(words)


def parameter_flag(name, value):
    """papermill's option for one parameter, as a list of words, such that the notebook gets `value` with its type.

    `-p` turns what reads like a number, True, False or None into one; so a string of that look goes as `-r` (raw), and
    a list or dict as YAML.
    """
    if isinstance(value, list | dict):
        return ["-y", yaml.safe_dump({name: value}, default_flow_style=True, width=2**30, sort_keys=False).strip()]
    return ["-r" if isinstance(value, str) and reads_as_another_type(value) else "-p", name, str(value)]


OF_NO_WEIGHT = ("OUTPUT_DIR", "PRECISION")  # parameters of notebook 02 that say nothing of what it makes


def _hold_against(path, wanted, needed):
    """Print how a backbone was made otherwise than `wanted`; raise RunError for one of the `needed` parameters."""
    try:
        made = dict(json.loads(path.with_name("manifest.json").read_text(encoding="utf-8"))["parameters"])
    except (OSError, ValueError, KeyError, TypeError):  # weights of one's own: they fit, or loading them says why not
        return
    unlike = [name for name in wanted if name not in OF_NO_WEIGHT and made.get(name, wanted[name]) != wanted[name]]
    words = ", ".join(f"{name}={made[name]!r} instead of {wanted[name]!r}" for name in unlike)
    if not set(unlike).isdisjoint(needed):
        raise RunError(
            f"{shown(path)}: was made with {words}. Set OUTPUT_DIR to another folder, where notebook 02 makes one that "
            "fits, or WEIGHTS to the file that is meant"
        )
    if unlike:
        print(f"Backbone {shown(path)}: was made with {words}.")
