"""`python -m fer_utils.workflow`: what `make plan` and `make reproduce` call."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from fer_utils.command_line import leave_with
from fer_utils.ladder.recipes import RecipeError
from fer_utils.project import PROJECT_ROOT as ROOT
from fer_utils.workflow import cost, handover
from fer_utils.workflow.profiles import ProfileError, read_count
from fer_utils.workflow.snakemake import (
    check_executor,
    check_shell,
    cluster_command,
    core_count,
    gpu_ids,
    snakemake_command,
)
from fer_utils.workflow.start import check_data, check_paths, clear_stale_lock, replaced
from fer_utils.workflow.study import DATA_STAND_IN, PRETRAIN, load_study


def study_settings(study, options):
    """What the Snakefile has to know of `study` (``handover.SETTINGS``). options: of the command line."""
    settings = {"profile": options.profile, "data": study.data, "source": study.source}
    settings["seeds"] = "".join(f"{seed}," for seed in study.seeds)  # with a comma even one is a list, not a number
    return settings | ({"timeout": read_count("TIMEOUT", options.timeout)} if options.timeout else {})


def placement(study, jobs=""):
    """(runs at once, cores of each, GPUs): one run a GPU; without any, as many as the profile says that memory allows.

    jobs: how many at once, from the command line; "" for what the machine suggests. Raises ProfileError.
    """
    gpus, cores = gpu_ids(), core_count()
    jobs = read_count("JOBS", jobs) if jobs else len(gpus) or min(study.profile.jobs, cores)
    return jobs, max(1, cores // jobs), gpus


def expected(study, jobs, threads, gpus):
    """What the whole study would cost here, runs that are finished already included."""
    costs = [cost.estimate(run, study) for run in study.runs()]
    return cost.summary(costs, jobs, "gpu" if gpus else "cpu", threads)


def plan(options):
    """Print every papermill command of the study, and run none."""
    try:
        study = load_study(options.profile, options.data, options.source, options.seeds)
    except ProfileError:
        study = load_study(options.profile, options.data or DATA_STAND_IN, options.source, options.seeds)
        print(f"# {DATA_STAND_IN} stands for the data set, which DATA=... would name")
    jobs, threads, gpus = placement(study, options.jobs)
    print(f"# Profile {study.profile.name}. {source_note(study)}".rstrip())
    print(f"# {expected(study, jobs, threads, gpus)}\nmkdir -p {shlex.quote(study.output_dir)}/logs")
    for run in study.runs():
        print(f"\n# {run.name}\n{study.papermill(run)}")


def reproduce(options):
    """Check everything, say what is about to happen, and become Snakemake."""
    study = load_study(options.profile, options.data, options.source, options.seeds)
    check_shell()
    check_paths(study)
    check_data(study)
    prepare = on_a_cluster if options.executor else on_this_machine
    command, where = prepare(study, options)
    if other := os.environ.pop("SNAKEMAKE_PROFILE", ""):
        print(f"SNAKEMAKE_PROFILE={other} in the environment is left aside: EXECUTOR=... is how a study goes elsewhere")
    os.chdir(ROOT)
    put_first("PATH", Path(sys.executable).parent)
    if options.executor:
        put_first("PYTHONPATH", ROOT / "profiles" / options.executor)  # for an executor of its own
    print(f"Profile {study.profile.name}: {len(study.runs())} notebooks, {where}")
    for note in filter(None, (source_note(study), replaced(study))):
        print(note)
    print("To follow one:")
    print(f"    tail -f {shlex.quote(study.output_dir)}/logs/<name>.log", flush=True)
    os.execv(command[0], command)  # not a child, so that Ctrl-C reaches Snakemake and nothing else


def source_note(study):
    """In words, that backbones of a study on the real data come from drawn faces; "" where they do not."""
    sources = {run.parameters.get("SOURCE", "sample") for run in study.runs() if run.notebook == PRETRAIN}
    drawn = sources & {"", "sample"} and study.data not in ("", "sample")
    return "Backbones are pretrained on the sample's own source task, since no SOURCE is given." if drawn else ""


def put_first(variable, folder):
    """Put `folder` before the others in an environment variable that lists folders."""
    others = os.environ.get(variable)
    os.environ[variable] = os.pathsep.join([str(folder), others]) if others else str(folder)


def on_this_machine(study, options):
    """Snakemake's command and, in words, where the runs will be; what a killed study locked here is open again."""
    jobs, threads, gpus = placement(study, options.jobs)
    settings = handover.write_settings(study_settings(study, options) | {"threads": threads}, ROOT)
    command = snakemake_command(settings, jobs, threads, gpus)
    clear_stale_lock(ROOT)
    where = f"{len(gpus)} GPU(s)" if gpus else f"{core_count()} CPU core(s)"
    return command, f"{jobs} at once, on {where}.\n{expected(study, jobs, threads, gpus)}"


def on_a_cluster(study, options):
    """Snakemake's command and, in words, where the runs will be.

    A lock is left alone: whoever holds it may be alive on another login node. Snakemake says how to open a dead one's.
    """
    check_executor(options.executor)
    jobs = read_count("JOBS", options.jobs) if options.jobs else None
    settings = handover.write_settings(study_settings(study, options), ROOT)
    return cluster_command(settings, options.executor, jobs), f"each a job as profiles/{options.executor} says."


def main(arguments=None):
    """The command line behind `make plan` and `make reproduce`; returns the exit status.

    What is not given as an option is taken from make (``handover``).
    """
    parser = argparse.ArgumentParser(prog="python -m fer_utils.workflow", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["plan", "reproduce"])
    for name in ("profile", "data", "source", "seeds", "jobs", "timeout", "executor"):
        parser.add_argument(f"--{name}", default=handover.from_make(name))
    options = parser.parse_args(arguments)
    options.profile = options.profile or "sample"
    handover.tell_surroundings()
    try:
        {"plan": plan, "reproduce": reproduce}[options.action](options)
    except (ProfileError, RecipeError) as error:
        print(f"Nothing was started. {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    leave_with(main)
