"""Before a study starts: what it reads is there, its folder can be written, nothing of a killed one is in the way."""

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

STUDY_VARIABLE = "FER_STUDY"  # of every run: "<machine>:<process id of its Snakemake>:<the project's folder>"


def check_paths(study, root=ROOT):
    """Raise ProfileError unless each run's folder can be written, and all is there that it reads and no run makes."""
    made = {study.backbone(architecture) for architecture in study.profile.architectures}
    for run in study.runs():
        for name in PATHS:
            if (given := run.parameters.get(name)) and given not in (*made, "imagenet"):
                existing_path(f"{study.profile.path}: {run.notebook}: {name}", given, root)
    if trouble := unwritable(Path(root) / study.output_dir):
        raise ProfileError(trouble)


def check_data(study):
    """Read each data set that the study is given a path of; raise ProfileError where it, or its split, cannot be used.

    Otherwise each run would start, find the same mistake, and have removed what an earlier one left in its folder. What
    is read here is in the cache for all of them.
    """
    wanted = {}  # DATA -> protocol -> the first notebook that has it
    for run in study.runs():
        given = {**study.declared[run.notebook], **run.parameters}
        if given.get("DATA", "") not in ("", *BUILT_IN_DATA):
            wanted.setdefault(given["DATA"], {}).setdefault(given.get("PROTOCOL", ""), run.notebook)
    for place, protocols in wanted.items():
        asking = ""
        try:
            faces = data.load_fer2013(place)
            for protocol, notebook in protocols.items():
                if protocol:
                    asking = f" (PROTOCOL={protocol} of {notebook})"
                    data.apply_protocol(faces, protocol)
        except data.DataError as error:
            raise ProfileError(f"{error}{asking}") from None


def replaced(study, root=ROOT):
    """In words, which finished runs were made of other data and will be made again; "" for none."""
    count = 0
    for run in study.runs():
        given = {**study.declared[run.notebook], **run.parameters}
        count += _made_of(study, run, root) not in (None, given.get("DATA"))
    if not count:
        return ""
    return (
        f"{count} finished run(s) in {study.output_dir} were made of other DATA and are made again. "
        "Stop now (Ctrl-C), and give OUTPUT_DIR in a profile of your own, to keep both."
    )


def _made_of(study, run, root):
    """The DATA of a finished run's manifest; None where there is no such run."""
    for folder in (Path(root) / study.output_dir / below / run.name for below in ("", "ladder")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            if (folder / "metrics.json").is_file():
                return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["parameters"]["DATA"]
    return None


def unwritable(output_dir):
    """In words, why a study cannot write its results; "" if it can. The folder is made.

    Snakemake would end in a traceback. A single run's folder is left to its notebook, which names it while the other
    runs go on.
    """
    try:
        logs = Path(output_dir) / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=logs).close()
    except OSError as error:
        mend = "Make it writable, or set OUTPUT_DIR to another folder, and give the same command again."
        return f"{output_dir}: {error.strerror}. {mend}"
    return ""


def clear_stale_lock(root):
    """Remove the lock of a study that was killed; leave it alone while any Snakemake works in the folder `root`."""
    locks = Path(root) / ".snakemake" / "locks"
    if any(locks.glob("*.lock")) and not _another_at_work(root):
        print("Removing the lock of a study that was killed.", flush=True)
        shutil.rmtree(locks)  # what `snakemake --unlock` does, without its start-up time


def _another_at_work(root):
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        named = any("snakemake" in word for word in words[:4])
        if named and process.info["cwd"] == str(root) and process.pid != os.getpid():
            return True
    return False


def mark_runs(root):
    """Mark this process's children as runs of the study in `root`, so that `stop_leftovers` knows them later."""
    os.environ.setdefault(STUDY_VARIABLE, f"{socket.gethostname()}:{os.getpid()}:{root}")


def stop_leftovers(root):
    """End runs of a killed Snakemake in `root` that still train: they hold folders that are to be made anew.

    Only those whose Snakemake was on this machine: whether one on a cluster's login node lives, a node cannot tell.
    What is ended goes on from its checkpoint.
    """
    ours = re.compile(rf"{re.escape(socket.gethostname())}:(\d+):{re.escape(str(root))}")
    left = []
    for process in psutil.process_iter(["environ"]):
        environment = process.info["environ"] or {}  # None where this user may not ask
        mark = ours.fullmatch(environment.get(STUDY_VARIABLE, ""))
        if mark and not psutil.pid_exists(int(mark[1])):
            left.append(process)
    if left:
        print(f"Ending what a killed study left running: {len(left)} process(es).", flush=True)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)
