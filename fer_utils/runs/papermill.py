"""Runs as papermill commands, and the pretraining that another run needs."""

import json
import os
import shlex
from pathlib import Path

import yaml

from fer_utils import kernels
from fer_utils.project import PROJECT_ROOT, resolve, shown
from fer_utils.runs.folder import RunError
from fer_utils.runs.parameters import declared_parameters

WITHOUT_EFFECT = ("OUTPUT_DIR", "PRECISION")  # parameters of notebook 02 that do not matter for its weights


def command(notebook, parameters, executed="executed.ipynb"):
    """The papermill command that runs `notebook` with those `parameters` that differ from its defaults, as text."""
    defaults = declared_parameters(notebook)
    changed = {name: value for name, value in parameters.items() if value != defaults.get(name)}
    return papermill_command(notebook, executed, changed)


def pretrained_backbone(weights, output_dir, architecture, **parameters):
    """A backbone's weights: "imagenet", or the path of a file made by notebook 02.

    weights: the notebook's WEIGHTS. Empty means the backbone in `output_dir`. If there is none yet, notebook 02 makes
    it now with `parameters`, so that a notebook opened on its own runs. Prints the differences if the file's manifest
    shows other parameters than notebook 02 would use for this run. Raises RunError if the file does not fit: for
    another ARCHITECTURE or WIDTH, and for another PREPROCESSING unless `weights` names the file.
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
    must_agree = ["ARCHITECTURE", "WIDTH"] if weights else ["ARCHITECTURE", "WIDTH", "PREPROCESSING"]
    _compare_with_manifest(path, wanted, must_agree)
    return str(path)


def reads_as_another_type(text):
    """Whether papermill's `-p` would turn `text` into a number, True, False or None."""
    if text in ("True", "False", "None"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def papermill_command(notebook, executed, parameters):
    """The papermill command, as typed in a shell, that runs `notebook` (a stem) and writes the file `executed`."""
    words = ["papermill", f"notebooks/{notebook}.ipynb", str(executed), "-k", "python3", "--cwd", "notebooks"]
    # The log gets the cells' output at once. A killed run loses the notebook's last 2 seconds instead of 30.
    words += ["--log-output", "--autosave-cell-every", "2"]
    for name, value in parameters.items():
        words += parameter_flag(name, value)
    return shlex.join(words)


def parameter_flag(name, value):
    """papermill's option for one parameter, as a list of words, which keeps the type of `value`.

    `-p` turns text such as "1" or "None" into a value. So such a string needs `-r` (raw), a list or dict `-y` (YAML).
    """
    if isinstance(value, list | dict):
        return ["-y", yaml.safe_dump({name: value}, default_flow_style=True, width=2**30, sort_keys=False).strip()]
    return ["-r" if isinstance(value, str) and reads_as_another_type(value) else "-p", name, str(value)]


def _compare_with_manifest(path, wanted, must_agree):
    """Print which parameters of a backbone differ from `wanted`. Raises RunError if one of `must_agree` differs."""
    try:
        made = dict(json.loads(path.with_name("manifest.json").read_text(encoding="utf-8"))["parameters"])
    except (OSError, ValueError, KeyError, TypeError):  # not notebook 02's file: loading it shows whether it fits
        return
    differing = [name for name in wanted if name not in WITHOUT_EFFECT and made.get(name, wanted[name]) != wanted[name]]
    words = ", ".join(f"{name}={made[name]!r} instead of {wanted[name]!r}" for name in differing)
    if any(name in must_agree for name in differing):
        raise RunError(
            f"{shown(path)}: was made with {words}. Set OUTPUT_DIR to another folder, where notebook 02 makes weights "
            "that fit, or set WEIGHTS to the right file"
        )
    if differing:
        print(f"Backbone {shown(path)}: was made with {words}.")
