"""Snakemake's command for a study, on this machine or a cluster, and what each of its shells does first (Snakefile)."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from fer_utils import kernels
from fer_utils.names import did_you_mean
from fer_utils.project import PROJECT_ROOT as ROOT
from fer_utils.workflow.profiles import ProfileError

# --- this machine ----------------------------------------------------------------------------------------------------


def core_count():
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_ids():
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; an empty list without any."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    gpus = dict(re.findall(r"^GPU (\d+): .*UUID: ([\w-]+)", listed, re.MULTILINE))  # number -> name
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(gpus.values())
    known = re.findall(r"UUID: ([\w-]+)", listed)  # parts of a GPU (MIG) too; the beginning of a name will do
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return [name for name in names if name in gpus or any(uuid.startswith(name) for uuid in known)]


def shell_prefix(gpus):
    """What bash does before each papermill command: set the environment and, if there are `gpus`, lock one for the run.

    Snakemake counts GPUs but chooses none. A lock a device, held for as long as the run lives, does; while other
    studies hold all of them, a run waits here. In an allocation of Slurm the locks are its own: to each, its first GPU
    may be number 0.
    """
    # Snakemake sets OMP_NUM_THREADS to the rule's threads; TensorFlow has its own names for the same thing.
    commands = [
        "set -euo pipefail",
        "export TF_CPP_MIN_LOG_LEVEL=3",
        "export FER_KEEP_CHECKPOINT=1",  # until the executed notebook is in its place, too; the rule removes it then
        "export TF_NUM_INTRAOP_THREADS=$OMP_NUM_THREADS TF_NUM_INTEROP_THREADS=$OMP_NUM_THREADS",
    ]
    commands += [f"export {name}={shlex.quote(value)}" for name, value in kernels.settings().items()]
    if gpus:
        job = f"job{os.environ['SLURM_JOB_ID']}-" if "SLURM_JOB_ID" in os.environ else ""
        try_each = (
            f"for gpu in {shlex.join(gpus)}; do exec 9>/tmp/fer-gpu-$UID-{job}$gpu.lock; "
            "if flock -n 9; then export CUDA_VISIBLE_DEVICES=$gpu; break 2; fi; done"
        )
        commands.append(f"while true; do {try_each}; sleep 2; done")
    return "; ".join(commands) + "; "


# --- the command line ------------------------------------------------------------------------------------------------


# Of a killed study, whatever is there is whole: metrics.json and then the executed notebook are put in their places
# last, each in one step. So nothing is "incomplete" that has both.
# A finished run is made again when its command changes (params) or when it starts from other files (input), but not
# because the Snakefile's code changed: that must not cost hours of training. A newer input counts always, hence
# `ancient` there.
ALWAYS = ["--rerun-triggers", "params", "input", "--keep-going", "--ignore-incomplete", "--scheduler", "greedy"]


def snakemake_command(settings, jobs, threads, gpus):
    """The snakemake command, as a list of words, that runs a study with `jobs` runs at once of `threads` threads each.

    settings: the path of ``handover.write_settings``. gpus: as of `gpu_ids`.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", str(threads * jobs), "--configfile", str(settings)]
    if gpus:
        command += ["--resources", f"gpu={len(gpus)}"]
    return [*command, *ALWAYS]


def cluster_command(settings, executor, jobs=None):
    """The snakemake command, as a list of words, that runs a study as jobs of a cluster.

    settings: as in ``snakemake_command``. executor: a folder of `profiles/` with Snakemake's settings for the cluster,
    which say what a run asks for. jobs: at once; None leaves that to them too.
    """
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", f"profiles/{executor}"]
    command += ["--jobs", str(jobs)] if jobs else []
    return [*command, "--configfile", str(settings), *ALWAYS]


def check_shell():
    """Raise ProfileError where bash is missing, as on Windows: the Snakefile's rules are written in it."""
    if not shutil.which("bash"):
        mend = "The commands that `python -m fer_utils.workflow plan` prints need none; see docs/running.md"
        raise ProfileError(f"There is no bash, in which Snakemake runs each notebook. {mend}")


def check_executor(executor, root=ROOT):
    """Raise ProfileError unless there is a folder profiles/<executor>/ and what Snakemake needs for it is installed."""
    folder = Path(root) / "profiles" / executor
    if not (folder / "config.yaml").is_file():
        known = sorted(found.parent.name for found in folder.parent.glob("*/config.yaml"))
        raise ProfileError(f"EXECUTOR: there is no profiles/{executor}/config.yaml{did_you_mean(executor, known)}")
    plugin = (yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")) or {}).get("executor")
    if not plugin:
        raise ProfileError(f"profiles/{executor}/config.yaml: has no line `executor: ...`, which Snakemake needs")
    if (folder / _module(plugin)).is_dir():  # of the profile's own, named after the one that it builds upon
        plugin = plugin.partition("-")[0]
    if importlib.util.find_spec(_module(plugin)) is None:
        mend = f"{shlex.quote(sys.executable)} -m pip install snakemake-executor-plugin-{plugin}"
        raise ProfileError(f"EXECUTOR={executor} needs snakemake-executor-plugin-{plugin}: {mend}")


def _module(plugin):
    return f"snakemake_executor_plugin_{plugin.replace('-', '_')}"
