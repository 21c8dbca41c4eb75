"""From a profile to the study's papermill commands, and from a command line to Snakemake.

    profiles/<name>.yaml  ->  Study  ->  one papermill command a run

The Snakefile builds its rules from a Study. `make plan` and `make reproduce` call this module's command line, which
prints the commands, or checks everything and hands over to Snakemake.
"""

import argparse
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from fer_utils import cost, handover, kernels
from fer_utils.command_line import leave_with
from fer_utils.parameters import expand_path
from fer_utils.profiles import (
    Profile,
    ProfileError,
    check_output_dir,
    choose_data,
    existing_path,
    read_count,
    read_profile,
    read_seeds,
    reads_as_another_type,
    suggest,
)
from fer_utils.progress import clear_stale_lock, unwritable
from fer_utils.project import PROJECT_ROOT as ROOT
from fer_utils.recipes import RecipeError
from fer_utils.runs import RunError, declared_parameters

EXPLORE, PRETRAIN, COMPARE = "01_explore_data", "02_pretrain_backbone", "06_compare_strategies"
BEYOND = "08_beyond_the_paper"
ARMS = {"scratch": "03_train_from_scratch", "transfer": "04_transfer_learning", "finetune": "05_fine_tuning"}
REPORTS = {"audit": "07_audit_the_paper", "labels": "09_labels_and_errors"}
NOTEBOOKS = (EXPLORE, PRETRAIN, *ARMS.values(), COMPARE, REPORTS["audit"], BEYOND, REPORTS["labels"])
PATHS = ("DATA", "SOURCE", "WEIGHTS", "FERPLUS")  # that a study reads
DATA_STAND_IN = "path/to/fer2013.csv"


@dataclass(frozen=True)
class Run:
    """One papermill run: its name (also its folder's), its notebook's stem and the parameters that it is given."""

    name: str
    notebook: str
    parameters: dict


@dataclass(frozen=True)
class Study:
    """A checked profile with everything filled in that the command line and the machine decide.

    declared: stem -> {parameter: default}. data, source: DATA and SOURCE for every notebook that has them; "" leaves
    them to the notebook's section and its default.
    """

    profile: Profile
    declared: dict
    seeds: tuple
    data: str
    source: str

    @property
    def output_dir(self):
        """The folder that holds the runs' folders."""
        return expand_path(self.profile.common.get("OUTPUT_DIR") or f"outputs/{self.profile.name}")

    def explore(self):
        """The run of notebook 01."""
        return Run("explore", EXPLORE, self.parameters(EXPLORE))

    def pretrain(self, architecture):
        """The run of notebook 02 for one architecture."""
        return Run(f"{architecture}-pretrain", PRETRAIN, self.parameters(PRETRAIN, architecture))

    def arm(self, architecture, strategy, seed):
        """The run of one arm with one seed."""
        parameters = self.parameters(ARMS[strategy], architecture, int(seed))
        return Run(f"{architecture}-{strategy}-seed{seed}", ARMS[strategy], parameters)

    def compare(self):
        """The run of notebook 06."""
        return Run("compare", COMPARE, self.parameters(COMPARE))

    def report(self, name):
        """The run of a report on the finished arms: "audit" (notebook 07) or "labels" (notebook 09)."""
        return Run(name, REPORTS[name], self.parameters(REPORTS[name]))

    def arms(self):
        """The runs of all arms, seed by seed."""
        architectures = self.profile.architectures
        return [self.arm(name, strategy, seed) for seed in self.seeds for name in architectures for strategy in ARMS]

    def comparators(self):
        """The runs from scratch of the networks that the paper has no arm of, seed by seed."""
        return [self.arm(name, "scratch", seed) for seed in self.seeds for name in self.profile.comparators]

    def recipe(self, name, seed):
        """The run of notebook 08 for a rung of the ladder or a final candidate; its folder is below ladder/."""
        final = self.profile.finals.get(name)
        given = self.parameters(BEYOND, seed=int(seed))
        given |= {**final, "NAME": name, "FINAL": True} if final else {"RECIPE": name}
        return Run(f"{name}-seed{seed}", BEYOND, {key: given[key] for key in self.declared[BEYOND] if key in given})

    def ladder(self):
        """The runs of the ladder's rungs, seed by seed."""
        return [self.recipe(name, seed) for seed in self.seeds for name in self.profile.ladder]

    def finals(self):
        """The runs of the final candidates, seed by seed."""
        return [self.recipe(name, seed) for seed in self.seeds for name in self.profile.finals]

    def runs(self):
        """Every run of the study, in an order in which one could type them."""
        starts = [
            self.pretrain(name)
            for name in self.profile.architectures
            if any(self.pretrained(strategy, name) for strategy in ARMS)
        ]
        reports = [self.report(name) for name in self.profile.reports]
        compared = [self.compare()] if self.arms() else []
        trained = [*starts, *self.arms(), *self.comparators(), *self.ladder(), *self.finals()]
        return [self.explore(), *trained, *compared, *reports]

    def pretrained(self, strategy, architecture):
        """Whether the arm starts from notebook 02's backbone: it transfers, and the profile names no WEIGHTS."""
        return strategy != "scratch" and not self._from_profile(ARMS[strategy], architecture).get("WEIGHTS")

    def backbone(self, architecture):
        """The path of the weights that notebook 02 writes."""
        return f"{self.output_dir}/{architecture}-pretrain/backbone.weights.h5"

    def parameters(self, notebook, architecture=None, seed=None):
        """What a notebook is given, in the order of its parameters cell.

        The architecture's sub-section beats the notebook's section, which beats `all:`. What the command line gives
        (DATA, SOURCE) and what the graph decides (OUTPUT_DIR, ARCHITECTURE, SEED, the backbone's path) beats them all.
        """
        given = self._from_profile(notebook, architecture)
        decided = {"OUTPUT_DIR": self.output_dir, "DATA": self.data, "SOURCE": self.source}
        decided |= {"ARCHITECTURE": architecture, "SEED": seed}
        given |= {name: value for name, value in decided.items() if value not in ("", None)}
        if any(ARMS[strategy] == notebook and self.pretrained(strategy, architecture) for strategy in ARMS):
            given["WEIGHTS"] = self.backbone(architecture)
        return {name: given[name] for name in self.declared[notebook] if name in given}

    def papermill(self, run):
        """A run's papermill command; the notebook is executed into the logs' folder, where a failure leaves it."""
        return papermill_command(run.notebook, f"{self.output_dir}/logs/{run.name}.ipynb", run.parameters)

    def _from_profile(self, notebook, architecture):
        section = self.profile.sections[notebook]
        own = {key: value for key, value in section.items() if key.isupper()}
        given = {**self.profile.common, **own, **(section.get(architecture) or {})}
        return {name: expand_path(value) if name in PATHS else value for name, value in given.items()}


def load_study(profile="sample", data="", source="", seeds="", root=ROOT):
    """Read and check a profile, and fill in the rest.

    profile: a name in profiles/, or the path of a YAML file. data, source: DATA and SOURCE from the command line, ""
    for none. seeds: "0 1 2", instead of the profile's. root: the project's folder. Raises ProfileError.
    """
    declared = {stem: _declared(Path(root) / "notebooks" / f"{stem}.ipynb") for stem in NOTEBOOKS}
    checked = read_profile(profile, declared, root)
    study = Study(
        profile=checked,
        declared=declared,
        seeds=read_seeds("SEEDS", str(seeds)) if str(seeds) else checked.seeds,
        data=choose_data(checked, data, root) if data != DATA_STAND_IN else data,
        source=existing_path("SOURCE", source, root),
    )
    check_output_dir(checked.path, study.output_dir)
    return study


def _declared(path):
    try:
        return declared_parameters(path)
    except RunError as error:
        raise ProfileError(str(error)) from error


# --- papermill commands ----------------------------------------------------------------------------------------------


def papermill_command(notebook, executed, parameters):
    """The papermill command, as one would type it, that runs `notebook` (a stem) into the file `executed`."""
    words = ["papermill", f"notebooks/{notebook}.ipynb", str(executed), "-k", "python3", "--cwd", "notebooks"]
    # What cells print, each epoch too, goes to the log as it happens; a kill loses two seconds of the notebook, not 30.
    words += ["--log-output", "--autosave-cell-every", "2"]
    for name, value in parameters.items():
        words += parameter_flag(name, value)
    return shlex.join(words)


def parameter_flag(name, value):
    """papermill's option for one parameter, as a list of words, such that the notebook gets `value` with its type.

    `-p` turns what reads like a number, True, False or None into one; so a string of that look goes as `-r` (raw), and
    a list or dict as YAML.
    """
    if isinstance(value, list | dict):
        return ["-y", yaml.safe_dump({name: value}, default_flow_style=True, width=2**30, sort_keys=False).strip()]
    return ["-r" if isinstance(value, str) and reads_as_another_type(value) else "-p", name, str(value)]


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
# because a file is newer or the Snakefile's code changed: that must not cost hours of training.
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


def study_settings(study, options):
    """What the Snakefile has to know of `study` (``handover.SETTINGS``). options: of the command line."""
    settings = {"profile": options.profile, "data": study.data, "source": study.source}
    settings["seeds"] = "".join(f"{seed}," for seed in study.seeds)  # with a comma even one is a list, not a number
    return settings | ({"timeout": read_count("TIMEOUT", options.timeout)} if options.timeout else {})


def check_executor(executor, root=ROOT):
    """Raise ProfileError unless there is a folder profiles/<executor>/ and what Snakemake needs for it is installed."""
    folder = Path(root) / "profiles" / executor
    if not (folder / "config.yaml").is_file():
        known = sorted(found.parent.name for found in folder.parent.glob("*/config.yaml"))
        raise ProfileError(f"EXECUTOR: there is no profiles/{executor}/config.yaml{suggest(executor, known)}")
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
    print(f"# {expected(study, jobs, threads, gpus)}\nmkdir -p {shlex.quote(study.output_dir)}/logs")
    for run in study.runs():
        print(f"\n# {run.name}\n{study.papermill(run)}")


def reproduce(options):
    """Check everything, say what is about to happen, and become Snakemake."""
    study = load_study(options.profile, options.data, options.source, options.seeds)
    check_paths(study)
    prepare = on_a_cluster if options.executor else on_this_machine
    command, where = prepare(study, options)
    if other := os.environ.pop("SNAKEMAKE_PROFILE", ""):
        print(f"SNAKEMAKE_PROFILE={other} in the environment is left aside: EXECUTOR=... is how a study goes elsewhere")
    os.chdir(ROOT)
    put_first("PATH", Path(sys.executable).parent)
    if options.executor:
        put_first("PYTHONPATH", ROOT / "profiles" / options.executor)  # for an executor of its own
    print(f"Profile {study.profile.name}: {len(study.runs())} notebooks, {where}\nTo follow one:")
    print(f"    tail -f {shlex.quote(study.output_dir)}/logs/<name>.log", flush=True)
    os.execv(command[0], command)  # not a child, so that Ctrl-C reaches Snakemake and nothing else


def check_paths(study, root=ROOT):
    """Raise ProfileError unless each run's folder can be written, and all is there that it reads and no run makes."""
    made = {study.backbone(architecture) for architecture in study.profile.architectures}
    for run in study.runs():
        for name in PATHS:
            if (given := run.parameters.get(name)) and given not in (*made, "imagenet"):
                existing_path(f"{study.profile.path}: {run.notebook}: {name}", given, root)
    if trouble := unwritable(Path(root) / study.output_dir):
        raise ProfileError(trouble.removeprefix("Nothing was started. "))


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
