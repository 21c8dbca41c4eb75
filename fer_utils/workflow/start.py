"""Checks before a study starts: its inputs exist, its folder can be written, and leftovers of a killed one are gone."""

import contextlib
import json
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path

import psutil

from fer_utils import data
from fer_utils.project import PROJECT_ROOT as ROOT
from fer_utils.workflow.profiles import BUILT_IN_DATA, ProfileError, existing_path
from fer_utils.workflow.study import PATHS

STUDY_VARIABLE = "FER_STUDY"  # set for every run: "<machine>:<process id of its Snakemake>:<the project's folder>"


def check_paths(study, root=ROOT):
    """Raise ProfileError unless the study's folder can be written and all inputs that no run makes exist."""
    made = {study.backbone(architecture) for architecture in study.profile.architectures}
    for run in study.runs():
        for name in PATHS:
            given = run.parameters.get(name)
            if given and given not in (*made, "imagenet"):
                existing_path(f"{study.profile.path}: {run.notebook}: {name}", given, root)
    if trouble := unwritable(Path(root) / study.output_dir):
        raise ProfileError(trouble)


def check_data(study):
    """Read each data set that the study names by its path; raise ProfileError if it or its split cannot be used.

    Otherwise each run would start, delete an earlier run's files in its folder, and then find the same mistake. The
    data that are read here are in the cache for all runs.
    """
    wanted = {}  # DATA -> {PROTOCOL: the first notebook that has it}
    for run in study.runs():
        given = {**study.declared[run.notebook], **run.parameters}
        if given.get("DATA", "") not in ("", *BUILT_IN_DATA):
            protocols = wanted.setdefault(given["DATA"], {})
            if given.get("PROTOCOL"):
                protocols.setdefault(given["PROTOCOL"], run.notebook)
    for path, protocols in wanted.items():
        place = ""
        try:
            faces = data.load_fer2013(path)
            for protocol, notebook in protocols.items():
                place = f" (PROTOCOL={protocol} of {notebook})"
                data.apply_protocol(faces, protocol)
        except data.DataError as error:
            raise ProfileError(f"{error}{place}") from None


def replaced(study, root=ROOT):
    """Return a message about finished runs of other data, which will be made again; "" if there are none."""
    count = 0
    for run in study.runs():
        given = {**study.declared[run.notebook], **run.parameters}
        if _data_of(study, run, root) not in (None, given.get("DATA")):
            count += 1
    if not count:
        return ""
    return (
        f"{count} finished run(s) in {study.output_dir} were made from other DATA and will be made again. "
        "To keep both, stop now (Ctrl-C) and set OUTPUT_DIR in a profile of your own."
    )


def _data_of(study, run, root):
    """Return DATA from a finished run's manifest; None if there is no such run."""
    for folder in (Path(root) / study.output_dir / below / run.name for below in ("", "ladder")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # TypeError: JSON, but not a dict
            if (folder / "metrics.json").is_file():
                return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["parameters"]["DATA"]
    return None


def unwritable(output_dir):
    """Create the folder and return why a study cannot write its results there; "" if it can.

    Otherwise Snakemake would end with a traceback. A run's own folder is checked by its notebook, and other runs go on.
    """
    try:
        logs = Path(output_dir) / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=logs).close()
    except OSError as error:
        fix = "Make it writable, or set OUTPUT_DIR to another folder, and give the same command again."
        return f"{output_dir}: {error.strerror}. {fix}"
    return ""


def clear_stale_lock(root):
    """Remove the lock of a killed study, unless a Snakemake is running in the folder `root`."""
    locks = Path(root) / ".snakemake" / "locks"
    if any(locks.glob("*.lock")) and not _another_at_work(root):
        print("Removing the lock of a study that was killed.", flush=True)
        shutil.rmtree(locks)  # as `snakemake --unlock` does, without its start-up time


def _another_at_work(root):
    """Whether another process of Snakemake runs in the folder `root`."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        named = any("snakemake" in word for word in words[:4])
        if named and process.info["cwd"] == str(root) and process.pid != os.getpid():
            return True
    return False


def mark_runs(root):
    """Mark this process's children as runs of the study in `root`, so that `stop_leftovers` can recognise them."""
    os.environ.setdefault(STUDY_VARIABLE, f"{socket.gethostname()}:{os.getpid()}:{root}")


def stop_leftovers(root):
    """End runs of a killed Snakemake in `root` that still train: they lock folders that the new study needs.

    Only runs whose Snakemake was on this machine are ended: whether one on a cluster's login node is alive is unknown
    here. An ended run continues from its checkpoint later.
    """
    ours = re.compile(rf"{re.escape(socket.gethostname())}:(\d+):{re.escape(str(root))}")
    left = []
    for process in psutil.process_iter(["environ"]):
        environment = process.info["environ"] or {}  # None for another user's process
        mark = ours.fullmatch(environment.get(STUDY_VARIABLE, ""))
        if mark and not psutil.pid_exists(int(mark[1])):
            left.append(process)
    if left:
        print(f"Ending what a killed study left running: {len(left)} process(es).", flush=True)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)
