"""Build Snakemake's command for a study, on this machine or a cluster, and the start of its shell commands."""

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


def gpu_ids():
    """Return the NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: list of str, or []."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    gpus = dict(re.findall(r"^GPU (\d+): .*UUID: ([\w-]+)", listed, re.MULTILINE))  # number -> UUID
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(gpus.values())
    known = re.findall(r"UUID: ([\w-]+)", listed)  # with the parts of a GPU (MIG); a prefix is enough
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return [name for name in names if name in gpus or any(uuid.startswith(name) for uuid in known)]


def keras_sees_a_gpu():
    """Return whether Keras finds a GPU. Asked in a process of its own, since a study's process does without Keras."""
    code = "import keras; print(all(name.lower().startswith('cpu') for name in keras.distribution.list_devices()))"
    environment = {"KERAS_BACKEND": "tensorflow"} | os.environ  # as the notebooks' kernel, whatever keras.json says
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    return found.stdout.strip() == "False"


def shell_prefix(gpus):
    """Return the bash commands before each papermill command: set the environment and, given `gpus`, lock one GPU.

    Snakemake counts GPUs but does not choose one. So a run locks one GPU for as long as it lives, and waits while
    other studies hold all of them. Each Slurm job has its own locks, since GPU 0 may be another device in each job.
    """
    # Snakemake sets OMP_NUM_THREADS to the rule's threads; TensorFlow reads other variables.
    commands = [
        "set -euo pipefail",
        "export TF_CPP_MIN_LOG_LEVEL=3",
        "export FER_KEEP_CHECKPOINT=1",  # the rule removes the checkpoint, after it has copied the executed notebook
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


# --ignore-incomplete: a killed study leaves only whole files, since metrics.json and then the executed notebook are
# each written last, in one step.
# --rerun-triggers: a finished run is repeated if its command (params) or its input files change, but not if the
# Snakefile's code changes, which must not cost hours of training. A newer input always counts, hence `ancient` there.
ALWAYS = ["--rerun-triggers", "params", "input", "--keep-going", "--ignore-incomplete", "--scheduler", "greedy"]


def snakemake_command(settings, jobs, threads, gpus):
    """Return the snakemake command, as a list of words, for a study with `jobs` runs at once of `threads` threads each.

    settings: the path from ``handover.write_settings``. gpus: from `gpu_ids`.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", str(threads * jobs), "--configfile", str(settings)]
    if gpus:
        command += ["--resources", f"gpu={len(gpus)}"]
    return [*command, *ALWAYS]


def cluster_command(settings, executor, jobs=None):
    """Return the snakemake command, as a list of words, for a study whose runs are jobs of a cluster.

    settings: as in `snakemake_command`. executor: a folder in profiles/ with Snakemake's settings for the cluster.
    jobs: runs at once; None leaves that to these settings.
    """
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", f"profiles/{executor}"]
    if jobs:
        command += ["--jobs", str(jobs)]
    return [*command, "--configfile", str(settings), *ALWAYS]


def check_shell():
    """Raise ProfileError if bash is missing, as on Windows: the Snakefile's rules are written in it."""
    if not shutil.which("bash"):
        fix = "Use the commands that `python -m fer_utils.workflow plan` prints; see docs/running.md"
        raise ProfileError(f"There is no bash, and Snakemake needs it to run the notebooks. {fix}")


def check_executor(executor, root=ROOT):
    """Raise ProfileError unless there is a folder profiles/<executor>/ and its Snakemake plugin is installed."""
    folder = Path(root) / "profiles" / executor
    if not (folder / "config.yaml").is_file():
        known = sorted(found.parent.name for found in folder.parent.glob("*/config.yaml"))
        raise ProfileError(f"EXECUTOR: there is no profiles/{executor}/config.yaml{did_you_mean(executor, known)}")
    try:
        settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"profiles/{executor}/config.yaml: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ProfileError(f"profiles/{executor}/config.yaml: is not readable as YAML: {reason}") from error
    plugin = settings.get("executor") if isinstance(settings, dict) else None
    if not isinstance(plugin, str):
        raise ProfileError(f"profiles/{executor}/config.yaml: has no line `executor: ...`, which Snakemake needs")
    if (folder / _module(plugin)).is_dir():  # the profile's own plugin; its first word is the plugin that it extends
        plugin = plugin.partition("-")[0]
    if importlib.util.find_spec(_module(plugin)) is None:
        fix = f"{shlex.quote(sys.executable)} -m pip install snakemake-executor-plugin-{plugin}"
        raise ProfileError(f"EXECUTOR={executor} needs snakemake-executor-plugin-{plugin}: {fix}")


def _module(plugin):
    return f"snakemake_executor_plugin_{plugin.replace('-', '_')}"
