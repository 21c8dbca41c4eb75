"""`python -m fer_utils.workflow`: the command behind `make plan` and `make reproduce`."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from fer_utils.command_line import leave_with
from fer_utils.ladder.recipes import RecipeError
from fer_utils.project import PROJECT_ROOT as ROOT
from fer_utils.runs.manifest import core_count
from fer_utils.workflow import cost, handover
from fer_utils.workflow.profiles import ProfileError, read_count
from fer_utils.workflow.snakemake import (
    check_executor,
    check_shell,
    cluster_command,
    gpu_ids,
    keras_sees_a_gpu,
    snakemake_command,
)
from fer_utils.workflow.start import check_data, check_paths, clear_stale_lock, replaced
from fer_utils.workflow.study import DATA_STAND_IN, PRETRAIN, load_study


def study_settings(study, options):
    """Return the settings that the Snakefile needs (``handover.SETTINGS``). options: the command line's."""
    settings = {"profile": options.profile, "data": study.data, "source": study.source}
    settings["seeds"] = "".join(f"{seed}," for seed in study.seeds)  # with a comma, "3," is a list and not a count
    if options.timeout:
        settings["timeout"] = read_count("TIMEOUT", options.timeout)
    return settings


def usable_gpus():
    """Return ``gpu_ids``, or [] if Keras finds none of them: then a line says so, and the runs train on the CPU."""
    gpus = gpu_ids()
    if gpus and not keras_sees_a_gpu():
        print(
            f"nvidia-smi lists {len(gpus)} GPU(s), but Keras finds none: the runs train on the CPU. To use a GPU, "
            "install CUDA's packages (docs/running.md, On a GPU).",
            file=sys.stderr,
        )
        return []
    return gpus


def placement(study, jobs=""):
    """Return (runs at once, cores per run, GPUs). Raises ProfileError.

    jobs: from the command line; "" for one run a GPU or, without GPUs, for as many as the profile says memory allows.
    """
    gpus, cores = usable_gpus(), core_count()
    suggested = len(gpus) or min(study.profile.jobs, cores)
    at_once = read_count("JOBS", jobs) if jobs else suggested
    if gpus:
        at_once = min(at_once, len(gpus))  # each run waits for a GPU of its own (``shell_prefix``)
    return at_once, max(1, cores // at_once), gpus


def expected(study, jobs, gpus):
    """Return the expected cost of the whole study in words, finished runs included."""
    costs = [cost.estimate(run, study) for run in study.runs()]
    return cost.summary(costs, jobs, "gpu" if gpus else "cpu", core_count())


def plan(options):
    """Print every papermill command of the study, without running any."""
    try:
        study = load_study(options.profile, options.data, options.source, options.seeds)
    except ProfileError as error:
        study = load_study(options.profile, options.data or DATA_STAND_IN, options.source, options.seeds)
        reason = str(error).splitlines()[0]
        print(f"# {DATA_STAND_IN} stands for your data set: give its path as DATA=... ({reason})")
    jobs, _, gpus = placement(study, options.jobs)
    print(f"# Profile {study.profile.name}. {source_note(study)}".rstrip())
    print(f"# {expected(study, jobs, gpus)}\nmkdir -p {shlex.quote(study.output_dir)}/logs")
    for run in study.runs():
        print(f"\n# {run.name}\n{study.papermill(run)}")


def reproduce(options):
    """Check everything, print what will happen, and replace this process by Snakemake."""
    study = load_study(options.profile, options.data, options.source, options.seeds)
    check_shell()
    check_paths(study)
    check_data(study)
    prepare = on_a_cluster if options.executor else on_this_machine
    command, where = prepare(study, options)
    if other := os.environ.pop("SNAKEMAKE_PROFILE", ""):
        print(f"SNAKEMAKE_PROFILE={other} in the environment is ignored: to use a cluster, give EXECUTOR=...")
    os.chdir(ROOT)
    put_first("PATH", Path(sys.executable).parent)
    if options.executor:
        put_first("PYTHONPATH", ROOT / "profiles" / options.executor)  # which may hold an executor of its own
    print(f"Profile {study.profile.name}: {len(study.runs())} notebooks, {where}")
    for note in filter(None, (source_note(study), replaced(study))):
        print(note)
    print("To follow one:")
    print(f"    tail -f {shlex.quote(study.output_dir)}/logs/<name>.log", flush=True)
    os.execv(command[0], command)  # replaces this process, so that Ctrl-C reaches Snakemake alone


def source_note(study):
    """Return a note if a study on real data pretrains its backbones on drawn faces; else ""."""
    sources = {run.parameters.get("SOURCE", "sample") for run in study.runs() if run.notebook == PRETRAIN}
    drawn = "sample" in sources and study.data not in ("", "sample")
    return "Backbones are pretrained on the sample's own source task, since no SOURCE is given." if drawn else ""


def put_first(variable, folder):
    """Put `folder` first in an environment variable that lists folders."""
    os.environ[variable] = os.pathsep.join(filter(None, [str(folder), os.environ.get(variable)]))


def on_this_machine(study, options):
    """Return Snakemake's command and, in words, where the runs will be. Removes the lock of a killed study."""
    jobs, threads, gpus = placement(study, options.jobs)
    settings = handover.write_settings(study_settings(study, options) | {"threads": threads}, ROOT)
    command = snakemake_command(settings, jobs, threads, gpus)
    clear_stale_lock(ROOT)
    where = f"{len(gpus)} GPU(s)" if gpus else f"{core_count()} CPU core(s)"
    return command, f"{jobs} at once, on {where}.\n{expected(study, jobs, gpus)}"


def on_a_cluster(study, options):
    """Return Snakemake's command and, in words, where the runs will be.

    A lock stays: its study may be running on another login node. Snakemake prints how to remove a dead study's lock.
    """
    check_executor(options.executor)
    jobs = read_count("JOBS", options.jobs) if options.jobs else None
    settings = handover.write_settings(study_settings(study, options), ROOT)
    where = f"each a job with the settings in profiles/{options.executor}."
    return cluster_command(settings, options.executor, jobs), where


def main(arguments=None):
    """Run `make plan` or `make reproduce`; return the exit status. Options default to make's (``handover``)."""
    parser = argparse.ArgumentParser(prog="python -m fer_utils.workflow", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["plan", "reproduce"])
    for name in ("profile", "data", "source", "seeds", "jobs", "timeout", "executor"):
        parser.add_argument(f"--{name}", default=handover.from_make(name))
    options = parser.parse_args(arguments)
    options.profile = options.profile or "sample"
    handover.tell_surroundings()
    try:
        action = plan if options.action == "plan" else reproduce
        action(options)
    except (ProfileError, RecipeError) as error:
        print(f"Nothing was started. {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    leave_with(main)
