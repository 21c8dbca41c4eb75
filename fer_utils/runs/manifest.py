"""manifest.json: everything that is needed to repeat a run, and where it was made."""

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
DECIDING = (  # environment variables that may change results; those in the last row change the time, too
    "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "TF_ENABLE_ONEDNN_OPTS", "TF_DETERMINISTIC_OPS",
    "TF_XLA_FLAGS", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE", "JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION",
    "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS",
)  # fmt: skip


def save_manifest(folder, *, notebook, parameters, seconds, data_checksum, **more):
    """Write manifest.json into a run's folder.

    seconds: training time, float. more: further entries that JSON can hold. Raises RunError if the notebook's
    parameters have changed since the run began.
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
    """SHA-256 of the arrays' bytes, as hex: it identifies the data that a run was trained on."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def file_checksum(path):
    """SHA-256 of a file, as hex. A name that is not a file ("imagenet") is returned unchanged."""
    if not Path(path).is_file():
        return str(path)
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def identity(parameters, data_checksum, **more):
    """Everything in which a training and the checkpoint that it resumes must agree, as a dict (``checkpoints``).

    Raises RunError if the notebook's parameters have changed since the run began.
    """
    check_declared(parameters)
    keras = sys.modules.get("keras")
    backend = keras.backend.backend() if keras else ""
    return {"parameters": parameters, "data": data_checksum, "versions": versions(), "backend": backend, **more}


def git_commit():
    """The code's commit, with "-dirty" if tracked files differ from it, or "unknown: <reason>".

    For an archive without history, it is what `git archive` wrote into .git_archival.txt. For a package installed
    without `-e`, it is what pip noted. The commit of another checkout that contains the code does not count.
    """
    code = project.CODE_ROOT
    if not project.is_root(code):
        return _noted_commit(code)
    # Git refuses another user's checkout, as containers mount it, without safe.directory. This one's code runs already.
    git = ["git", "-c", f"safe.directory={code}", "-C", str(code)]
    top, problem = _output([*git, "rev-parse", "--show-toplevel"])
    if top and Path(top).resolve() == code:
        described, problem = _output([*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        return described or f"unknown: {problem}"
    try:
        stated = (code / ".git_archival.txt").read_text(encoding="utf-8").partition("node: ")[2].strip()
    except OSError:
        stated = ""
    if not stated or "$" in stated:  # a "$" means that `git archive` did not write this file
        return f"unknown: {'no checkout of its own, but inside another one' if top else problem}"
    if stated.startswith("unknown"):
        return stated
    commit, dash, rest = stated.partition("-")
    return commit[:12] + dash + rest


def versions():
    """Versions of Python and of the packages that can change results: name -> version."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def device():
    """The hardware of this run, as a dict: backend ("" without Keras), processor, cores, and gpu ("" without one)."""
    keras = sys.modules.get("keras")  # not imported here: a notebook that trains nothing does not need it
    devices = keras.distribution.list_devices() if keras else []
    gpus = [name for name in devices if not name.lower().startswith("cpu")]
    gpu = ""
    if gpus:
        named, _ = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
        gpu = (named or ", ".join(gpus)).splitlines()[0]
    return {
        "backend": keras.backend.backend() if keras else "",
        "processor": _processor(),
        "cores": core_count(),
        "gpu": gpu,
    }


def core_count():
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _noted_commit(packages):
    """The installed package's commit, which pip notes if it installed from git. packages: the site-packages folder."""
    installed = next(iter(importlib.metadata.distributions(name="fer-utils", path=[str(packages)])), None)
    note = installed.read_text("direct_url.json") if installed else None
    commit = json.loads(note or "{}").get("vcs_info", {}).get("commit_id", "")
    return commit[:12] or "unknown: installed without its history, which pip install -e of a checkout keeps"


def _output(command_line):
    """Run a command: (what it prints, ""), or ("", the reason why it failed: its first error line, without paths)."""
    try:
        done = subprocess.run(command_line, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"{command_line[0]} does not answer ({type(error).__name__})"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0].removeprefix("fatal: ")
    return "", f"{command_line[0]} says " + re.split(r" at '| \(or any", reason)[0]
