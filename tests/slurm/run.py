"""The study on a real Slurm, and what it comes to compared to the bit with the same study without one.

    python tests/slurm/run.py --study small outputs/slurm-test

Three times: on this machine alone; as jobs of a Slurm of two nodes (cluster.py); and so again, with a node lost in the
middle of a training and the processes of another training killed. Every run has one thread, since their number shows
in the last bits. Exit status 1 for any difference, and where a training did not go on from its checkpoint. On Debian,
as root, with slurm-wlm and munge installed; best in a container.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path

import cluster
import h5py
import pandas as pd
import yaml

from fer_utils import runs
from fer_utils.project import PROJECT_ROOT
from fer_utils.workflow.__main__ import study_settings
from fer_utils.workflow.handover import write_settings
from fer_utils.workflow.snakemake import cluster_command, snakemake_command
from fer_utils.workflow.study import load_study

# Small enough to be looked at, and long enough to be disturbed in the middle of scratch and of finetune.
SMALL = """
architectures: [vgg16]
all: {DATA: sample, WIDTH: 0.0625, MAX_IMAGES: 420, BATCH_SIZE: 32, EPOCHS: 3, AUGMENTATION: flip}
03_train_from_scratch: {EPOCHS: 40, STOP_PATIENCE: 40}
05_fine_tuning: {EPOCHS: 40, STOP_PATIENCE: 40, HEAD_EPOCHS: 2, UNFREEZE_FROM: 2}
"""
# Instead of lines of profiles/slurm: one core a run, no accounting, and no patience.
CLUSTER = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5", "--set-threads"]
CLUSTER += [f"{rule}=1" for rule in ("explore", "pretrain", "scratch", "transfer", "finetune", "compare")]


def write_profile(folder, name, text):
    """The study's profile with `folder/name` as its OUTPUT_DIR; returns its path."""
    content, path = yaml.safe_load(text), folder / f"{name}.yaml"
    content["all"]["OUTPUT_DIR"] = str(folder / name)
    path.write_text(yaml.safe_dump(content))
    return str(path)


@contextlib.contextmanager
def started(folder, name, text, where):
    """Snakemake at work on the study, as a process that is ended with the block. where: "here" or "slurm"."""
    profile = write_profile(folder, name, text)
    settings = study_settings(load_study(profile), argparse.Namespace(profile=str(profile), timeout=""))
    if where == "slurm":
        command = cluster_command(write_settings(settings, PROJECT_ROOT), "slurm") + CLUSTER
    else:
        command = snakemake_command(write_settings(settings | {"threads": 1}, PROJECT_ROOT), jobs=2, threads=1, gpus=[])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with open(folder / f"{name}.log", "w") as log:
        options = {"cwd": PROJECT_ROOT, "env": {**os.environ, "PATH": path}, "stdout": log, "stderr": log}
        process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()  # Snakemake cancels its jobs
            process.wait()


def finish(process, folder, name, began):
    """Wait for the study; returns its seconds. SystemExit where it fails."""
    if process.wait():
        raise SystemExit(f"The study failed:\n{(folder / f'{name}.log').read_text()}")
    seconds = round(time.monotonic() - began, 1)
    print(f"{name}: {seconds} s", flush=True)
    return seconds


def undisturbed(folder, name, text, where):
    """The study as it is; returns its seconds."""
    began = time.monotonic()
    with started(folder, name, text, where) as process:
        return finish(process, folder, name, began)


def disturbed(folder, name, text, slurm):
    """The study with a lost node and a killed job; returns its seconds, and what was done and what came of it."""
    began = time.monotonic()
    with started(folder, name, text, "slurm") as process:
        faults = [fault(process, folder / name, slurm, rule) for rule in ("scratch", "finetune")]
        seconds = finish(process, folder, name, began)
    said = (folder / f"{name}.log").read_text().splitlines()
    for found in faults:
        found["restarts_by_slurm"] = cluster.restarts(found["job"])
        again = [line for line in said if found["run"] in line and line.endswith(" again")]
        found["retries_by_snakemake"] = len(again)
        found["went_on_after_epochs"] = went_on(folder / name / "logs" / f"{found['run']}.log")
    return seconds, faults


def fault(process, output, slurm, rule):
    """In the middle of a training of `rule`: lose its node, or (finetune) kill its processes. Returns what was done."""
    job, node, run = wait_for_training(process, output, rule)
    if rule == "scratch":
        what, killed = f"{node} lost", slurm.lose(node)
    else:
        mine = cluster.processes_of("SLURM_JOB_ID", job)
        what, killed = "job killed", cluster.kill([one for one in mine if one.name() != "slurmstepd"])
    done = epochs_done(output / run)
    print(f"{what}: {run} after {done} epochs, {killed} processes killed", flush=True)
    return {"what": what, "run": run, "job": job, "epochs_done": done, "processes_killed": killed}


def wait_for_training(process, output, rule):
    """Until a training of `rule` has two epochs behind it; its job, its node and its run."""
    while process.poll() is None:
        for job, node, comment in cluster.jobs():
            if comment.startswith(f"rule_{rule}_wildcards_"):
                architecture, seed = comment.removeprefix(f"rule_{rule}_wildcards_").split("_")
                run = f"{architecture}-{rule}-seed{seed}"
                if epochs_done(output / run) >= 2:
                    return job, node, run
        time.sleep(0.05)
    raise SystemExit(f"The study ended before {rule} could be disturbed; see {output}.log")


def epochs_done(folder):
    """How many epochs a run's checkpoint has behind it; 0 without one."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(str(runs.read_arrays(folder / runs.CHECKPOINT)["state"]))["epochs_done"]
    return 0


def went_on(log):
    """After which epoch a training went on, by its log; 0 where it began anew."""
    lines = [line for line in log.read_text().splitlines() if "Training resumes after " in line]
    return int(lines[0].split("Training resumes after ")[1].split()[0]) if lines else 0


# --- comparing -------------------------------------------------------------------------------------------------------


def outcome(folder):
    """All numbers that a study has come to, as name -> array or text; what was measured in seconds is left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name == "metrics.json":
            found[name] = json.dumps(without_seconds(json.loads(path.read_text())))
        elif path.name == "history.csv":
            found[name] = pd.read_csv(path).drop(columns="seconds").to_csv()
        elif path.suffix == ".npz":
            found |= {f"{name} {key}": array for key, array in runs.read_arrays(path).items()}
        elif path.suffix in (".h5", ".keras"):
            found |= {f"{name} {key}": array for key, array in weights(path).items()}
    return found


def without_seconds(content):
    """JSON without the entries that are seconds, and the sentences that tell some, at any depth."""
    if isinstance(content, dict):
        return {key: without_seconds(value) for key, value in content.items() if not key.startswith("seconds")}
    if isinstance(content, list):
        return [without_seconds(value) for value in content]
    return "" if isinstance(content, str) and re.search(r"\d s\b", content) else content


def weights(path):
    """The arrays of a .weights.h5 file, or of the one in a .keras file."""
    stream = BytesIO(zipfile.ZipFile(path).read("model.weights.h5")) if path.suffix == ".keras" else path
    found = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(stream) as file:
        file.visititems(collect)
    return found


def differences(one, other):
    """The names that only one of two outcomes has, or whose contents differ in any bit."""
    same = {name for name in {*one} & {*other} if identical(one[name], other[name])}
    return sorted({*one, *other} - same)


def identical(one, other):
    if isinstance(one, str):
        return one == other
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


# --- all of it -------------------------------------------------------------------------------------------------------


def shortcomings(report):
    """What is not as it should be, as a list of texts."""
    found = [f"{name} differs: {what}" for name, names in report["differences"].items() for what in names]
    if not report["compared"]:
        found.append("nothing was compared")
    for fault in report["faults"]:
        if fault["went_on_after_epochs"] != fault["epochs_done"]:
            found.append(f"{fault['run']} did not go on from its last checkpoint")
        if not fault["restarts_by_slurm"] + fault["retries_by_snakemake"]:
            found.append(f"{fault['run']} was not disturbed")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="is made anew; holds the three studies, all logs and report.json")
    parser.add_argument("--study", choices=["small", "sample"], default="small")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that Slurm is stopped then too
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text = SMALL if options.study == "small" else (PROJECT_ROOT / "profiles" / "sample.yaml").read_text()
    report = {"study": options.study, "slurm": cluster.query("slurmd", "-V").strip()}
    report["seconds"] = {"here": undisturbed(folder, "here", text, "here")}
    with cluster.Cluster(folder) as slurm:
        report["seconds"]["slurm"] = undisturbed(folder, "slurm", text, "slurm")
        report["seconds"]["disturbed"], report["faults"] = disturbed(folder, "disturbed", text, slurm)
    expected = outcome(folder / "here")
    report["compared"] = len(expected)
    report["differences"] = {name: differences(outcome(folder / name), expected) for name in ("slurm", "disturbed")}
    report["shortcomings"] = shortcomings(report)
    report |= {"git_commit": runs.git_commit(), "versions": runs.versions(), "device": runs.device()}
    runs.write_json(folder / "report.json", report)
    print(json.dumps({name: report[name] for name in ("seconds", "faults", "compared", "shortcomings")}, indent=1))
    return int(bool(report["shortcomings"]))


if __name__ == "__main__":
    sys.exit(main())
