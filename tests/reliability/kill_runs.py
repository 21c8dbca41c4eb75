"""Kill one training many times, and compare what it comes to with the same training undisturbed.

    python tests/reliability/kill_runs.py --kills 50 outputs/reference/reliability.json

Notebook 03 on the built-in sample, through papermill, as the workflow runs it. SIGKILL goes to papermill and the kernel
below it: every second time at a moment drawn from the length of an undisturbed run, else as soon as a file that marks a
delicate moment comes into being, such as a half-written checkpoint. Each time that the run gets through, all it has
left is compared to the bit, and it begins again from nothing. Exit status 1 for any difference or loss.
"""

import argparse
import contextlib
import json
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import psutil

from fer_utils import kernels, runs
from fer_utils.models import saved_models
from fer_utils.runs.papermill import papermill_command

NOTEBOOK = "03_train_from_scratch"
PARAMETERS = {
    "DATA": "sample",
    "ARCHITECTURE": "vgg16",
    "WIDTH": 0.0625,
    "EPOCHS": 20,
    "MAX_IMAGES": 420,
    "STOP_PATIENCE": 20,
    "KEEP_EPOCHS": True,
}
NAME = "vgg16-scratch-seed0"
DELICATE = (
    f"{runs.CHECKPOINT}.part",
    f"{runs.EPOCHS}/*.h5",
    "history.csv",
    "model.keras",
    "predictions.npz",
    "manifest.json.part",
    "metrics.json",
)


def start(folder):
    """The workflow's own command, in a process of its own; what it prints goes to folder/log."""
    command = papermill_command(NOTEBOOK, folder / "executed.ipynb", {"OUTPUT_DIR": str(folder), **PARAMETERS})
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= kernels.settings()
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    with open(folder / "log", "w") as log:
        return psutil.Popen(shlex.split(command), cwd=runs.PROJECT_ROOT, env=environment, stdout=log, stderr=log)


def kill(process):
    """SIGKILL to a process and all below it, which papermill's kernel is in a session of its own."""
    family = [process, *process.children(recursive=True)]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family)


def wait_for(process, folder, pattern, since, limit):
    """Until a file that matches is newer than `since`, the process has ended, or `limit` seconds have passed."""
    end = time.monotonic() + limit
    while time.monotonic() < end and process.poll() is None:
        for path in (folder / NAME).glob(pattern):
            try:
                if path.stat().st_mtime >= since:
                    return
            except FileNotFoundError:
                continue
        time.sleep(0.0005)


def epochs_done(folder):
    """How many epochs the checkpoint has behind it; 0 without one, -1 for one that cannot be read."""
    try:
        arrays = runs.read_arrays(folder / NAME / runs.CHECKPOINT)
    except FileNotFoundError:
        return 0
    except ValueError:
        return -1
    return json.loads(str(arrays["state"]))["epochs_done"]


def outcome(folder):
    """All that a finished run has come to, as name -> array or text; times are left out."""
    folder = folder / NAME
    found = {"metrics": (folder / "metrics.json").read_text()}
    found["history"] = pd.read_csv(folder / "history.csv").drop(columns="seconds").to_csv()
    for name in ("predictions.npz", "epochs.npz"):
        found |= {f"{name} {key}": array for key, array in runs.read_arrays(folder / name).items()}
    weights = saved_models.load_classifier(folder / "model.keras").get_weights()
    return found | {f"weights {index}": array for index, array in enumerate(weights)}


def differences(one, other):
    return sorted({*one, *other} - {name for name in {*one} & {*other} if np.array_equal(one[name], other[name])})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        report = disturb(Path(scratch), options.kills, draw)
    report |= {"seed": options.seed, "command": " ".join(["python", *sys.argv]), "git_commit": runs.git_commit()}
    report |= {"versions": runs.versions(), "device": runs.device()}
    runs.write_json(options.report, report)
    print(json.dumps({name: report[name] for name in ("kills", "finished", "differences", "losses", "failures")}))
    return int(any(report[name] for name in ("differences", "losses", "failures")))


def disturb(scratch, kills, draw):
    """Kill until there have been enough; returns the report."""
    whole, folder = scratch / "whole", scratch / "killed"
    for path in (whole, folder):
        path.mkdir()
    began = time.monotonic()
    process = start(whole)
    if process.wait():
        raise SystemExit(f"The undisturbed run failed:\n{(whole / 'log').read_text()}")
    length, expected = time.monotonic() - began, outcome(whole)
    report = {"notebook": NOTEBOOK, "parameters": PARAMETERS, "undisturbed_seconds": round(length, 1)}
    report |= {"kills": 0, "finished": 0, "differences": [], "losses": [], "failures": [], "killed": []}
    behind = 0
    while report["kills"] < kills or behind:
        process, since = start(folder), time.time()
        at = "the end"
        if report["kills"] < kills:
            by_file = report["kills"] % 2
            at = draw.choice(DELICATE) if by_file else f"{draw.uniform(0, length):.2f} s"
            if by_file:
                wait_for(process, folder, at, since, length)
                time.sleep(draw.uniform(0, 0.02))
            else:
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(float(at.split()[0]))
        else:
            process.wait()
        if process.poll() is None:
            kill(process)
            done = epochs_done(folder)
            report["kills"] += 1
            report["killed"].append({"at": at, "epochs_done": done})
            if done < behind and not (folder / NAME / "metrics.json").exists():
                report["losses"].append(f"kill {report['kills']} at {at}: {behind} epochs were done, {done} are left")
            behind = max(done, 0)
            print(f"kill {report['kills']}: {at}, {done} epochs done", flush=True)
        elif process.returncode:
            report["failures"].append((folder / "log").read_text()[-2000:])
        if (folder / NAME / "metrics.json").exists():  # written last: what is there by now must be whole
            report["finished"] += 1
            report["differences"] += differences(outcome(folder), expected)
            print(f"finished {report['finished']}, differences: {report['differences']}", flush=True)
            shutil.rmtree(folder)
            folder.mkdir()
            behind = 0
        elif process.returncode and report["failures"]:
            break
    return report


if __name__ == "__main__":
    sys.exit(main())
