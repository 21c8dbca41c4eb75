"""manifest.json: everything that is needed to make a run again, and where it was made (all notebooks)."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from fer_utils import project
from fer_utils.runs.folder import write_json
from fer_utils.runs.papermill import command
from fer_utils.runs.parameters import check_declared

PACKAGES = ("tensorflow", "jax", "keras", "numpy", "pandas", "scikit-learn", "scipy", "matplotlib", "papermill")


def save_manifest(folder, *, notebook, parameters, seconds, data_checksum, **more):
    """Write manifest.json: everything that is needed to make the run again, and where it was made.

    seconds: of training, float. more: further JSON-able entries. Raises RunError if the notebook's parameters are no
    longer those that it began with.
    """
    check_declared(parameters)
    write_json(
        Path(folder) / "manifest.json",
        {
            "run": Path(folder).name,
            "notebook": notebook,
            "command": command(notebook, parameters),
            "parameters": parameters,
            "seed": parameters.get("SEED"),
            "seconds": round(float(seconds), 2),
            "data_checksum": data_checksum,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "git_commit": git_commit(),
            "versions": versions(),
            "environment": {name: os.environ[name] for name in DECIDING if name in os.environ},
            "device": device(),
            **more,
        },
    )


def checksum(*arrays):
    """SHA-256 of arrays' bytes, as hex: which data a run was trained on."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def file_checksum(path):
    """SHA-256 of a file as hex; a name that is no file ("imagenet") is returned as it is."""
    if not Path(path).is_file():
        return str(path)
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def identity(parameters, data_checksum, **more):
    """What a training has to have in common with a checkpoint that it goes on from: a dict (``checkpoints``).

    Raises RunError if the notebook's parameters are no longer those that it began with.
    """
    check_declared(parameters)
    keras = sys.modules.get("keras")
    found = {"parameters": parameters, "data": data_checksum, "versions": versions()}
    return found | {"backend": keras.backend.backend() if keras else ""} | more


def git_commit():
    """The code's commit, with "-dirty" if tracked files differ from it; "unknown: <why>" where it cannot be known.

    Of an archive without its history, that is what `git archive` wrote into .git_archival.txt, and of a package that
    was installed without `-e` what pip noted; the commit of another checkout around the code is not its.
    """
    code = project.CODE_ROOT
    if not project.is_root(code):
        return _noted_commit(code)
    # git reads no checkout of another user, as a container mounts it, unless told to; but this one's code runs already.
    git = ["git", "-c", f"safe.directory={code}", "-C", str(code)]
    top, problem = _answer([*git, "rev-parse", "--show-toplevel"])
    if top and Path(top).resolve() == code:
        described, problem = _answer([*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        return described or f"unknown: {problem}"
    try:
        stated = (code / ".git_archival.txt").read_text(encoding="utf-8").partition("node: ")[2].strip()
    except OSError:
        stated = ""
    if not stated or "$" in stated:
        return f"unknown: {'no checkout of its own, but inside another one' if top else problem}"
    commit, dash, rest = stated.partition("-")
    return stated if stated.startswith("unknown") else commit[:12] + dash + rest


def versions():
    """Versions of Python and of the packages that decide results, by name."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def device():
    """What the run was computed on: backend ("" without Keras), processor, cores, and the GPU if one is used."""
    keras = sys.modules.get("keras")  # a notebook that trains nothing need not load it
    devices = keras.distribution.list_devices() if keras else []
    gpus = [name for name in devices if not name.lower().startswith("cpu")]
    smi = _answer(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])[0] if gpus else ""
    return {
        "backend": keras.backend.backend() if keras else "",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": (smi or ", ".join(gpus)).splitlines()[0] if gpus else "",
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


DECIDING = (  # what may decide results, too, where somebody has set it in the environment
    *("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "TF_ENABLE_ONEDNN_OPTS", "TF_DETERMINISTIC_OPS"),
    *("TF_XLA_FLAGS", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE", "JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION"),
    *("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"),  # and the seconds
)


def _noted_commit(packages):
    """The commit of the package in a folder of installed ones: pip notes it where it took the package from git."""
    found = importlib.metadata.distributions(name="fer-utils", path=[str(packages)])
    notes = [distribution.read_text("direct_url.json") for distribution in found]
    commit = json.loads(next(iter(notes), None) or "{}").get("vcs_info", {}).get("commit_id", "")
    return commit[:12] or "unknown: installed without its history, which pip install -e of a checkout keeps"


def _answer(command_line):
    """(what a command prints, "") or ("", why there is no answer): its first line of error without the path in it."""
    try:
        done = subprocess.run(command_line, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"{command_line[0]} does not answer ({type(error).__name__})"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
    return "", f"{command_line[0]} says " + re.split(r" at '| \(or any", said.removeprefix("fatal: "))[0]
