"""A study: the list of runs that a profile describes, each with its papermill command (Snakefile, Makefile)."""

from dataclasses import dataclass
from pathlib import Path

from fer_utils.project import PROJECT_ROOT as ROOT
from fer_utils.project import expand_path
from fer_utils.runs.folder import RunError
from fer_utils.runs.papermill import papermill_command
from fer_utils.runs.parameters import declared_parameters, problem_together
from fer_utils.workflow.profiles import (
    BEYOND,
    Profile,
    ProfileError,
    check_output_dir,
    choose_data,
    existing_path,
    read_profile,
    read_seeds,
)

PRETRAIN = "02_pretrain_backbone"
ARMS = {"scratch": "03_train_from_scratch", "transfer": "04_transfer_learning", "finetune": "05_fine_tuning"}
REPORTS = {"audit": "07_audit_the_paper", "labels": "09_labels_and_errors"}
PACKAGED = {"photos": "10_on_your_own_photos", "explain": "11_why_this_answer"}  # they read no run of the study
# Notebooks that run once for all seeds.
ONCE = {"explore": "01_explore_data", "compare": "06_compare_strategies", **REPORTS, **PACKAGED}
NOTEBOOKS = (PRETRAIN, BEYOND, *ARMS.values(), *ONCE.values())

PATHS = ("DATA", "SOURCE", "WEIGHTS")  # parameters that name an input file or folder
DATA_STAND_IN = "path/to/fer2013.csv"


@dataclass(frozen=True)
class PlannedRun:
    """A papermill run of a study: its name (also its folder's), its notebook's stem and its parameters."""

    name: str
    notebook: str
    parameters: dict


@dataclass(frozen=True)
class Study:
    """A checked profile, completed with the settings of the command line.

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

    def once(self, name):
        """The run of a notebook that runs once for all seeds: "explore", "compare", or one that a profile reports."""
        return PlannedRun(name, ONCE[name], self.parameters(ONCE[name]))

    def pretrain(self, architecture):
        """The run of notebook 02 for one architecture."""
        return PlannedRun(f"{architecture}-pretrain", PRETRAIN, self.parameters(PRETRAIN, architecture))

    def arm(self, architecture, strategy, seed):
        """The run of one arm with one seed."""
        parameters = self.parameters(ARMS[strategy], architecture, int(seed))
        return PlannedRun(f"{architecture}-{strategy}-seed{seed}", ARMS[strategy], parameters)

    def arms(self):
        """The runs of all arms, seed by seed."""
        architectures = self.profile.architectures
        return [self.arm(name, strategy, seed) for seed in self.seeds for name in architectures for strategy in ARMS]

    def comparators(self):
        """The runs from scratch of networks that are not in the paper, seed by seed."""
        return [self.arm(name, "scratch", seed) for seed in self.seeds for name in self.profile.comparators]

    def recipe(self, name, seed):
        """The run of notebook 08 for a rung, a final candidate or a trial; its folder is below ladder/."""
        given = self.parameters(BEYOND, seed=int(seed))
        if name in self.profile.finals:
            given |= {**self.profile.finals[name], "NAME": name, "FINAL": True}
        elif name in self.profile.trials:
            given |= {**self.profile.trials[name], "NAME": name}
        else:
            given["RECIPE"] = name
        in_order = {key: given[key] for key in self.declared[BEYOND] if key in given}
        return PlannedRun(f"{name}-seed{seed}", BEYOND, in_order)

    def recipes(self, kind):
        """The runs of the profile's "ladder", "trials" or "finals", seed by seed."""
        return [self.recipe(name, seed) for seed in self.seeds for name in getattr(self.profile, kind)]

    def runs(self):
        """Every run of the study, in an order in which one could type the commands."""
        wanted = [name for name in self.profile.architectures if any(self.pretrained(how, name) for how in ARMS)]
        runs = [self.once("explore"), *map(self.pretrain, wanted), *self.arms(), *self.comparators()]
        runs += self.recipes("ladder") + self.recipes("trials") + self.recipes("finals")
        reports = ("compare", *self.profile.reports) if self.arms() else self.profile.reports
        return [*runs, *map(self.once, reports)]

    def pretrained(self, strategy, architecture):
        """Whether the arm starts from notebook 02's backbone: not from scratch, and the profile names no WEIGHTS."""
        return strategy != "scratch" and not self._from_profile(ARMS[strategy], architecture).get("WEIGHTS")

    def backbone(self, architecture):
        """The path of the weights that notebook 02 writes."""
        return f"{self.output_dir}/{architecture}-pretrain/backbone.weights.h5"

    def parameters(self, notebook, architecture=None, seed=None):
        """The parameters that a notebook is given, in the order of its parameters cell.

        The architecture's sub-section overrides the notebook's section, which overrides `all:`. DATA and SOURCE from
        the command line override these, and so do OUTPUT_DIR, ARCHITECTURE, SEED and the backbone's path.
        """
        given = self._from_profile(notebook, architecture)
        decided = {"OUTPUT_DIR": self.output_dir, "DATA": self.data, "SOURCE": self.source}
        decided |= {"ARCHITECTURE": architecture, "SEED": seed}
        given |= {name: value for name, value in decided.items() if value not in ("", None)}
        if any(ARMS[strategy] == notebook and self.pretrained(strategy, architecture) for strategy in ARMS):
            given["WEIGHTS"] = self.backbone(architecture)
        return {name: given[name] for name in self.declared[notebook] if name in given}

    def papermill(self, run):
        """A run's papermill command; it writes the executed notebook into logs/, where it stays after a failure."""
        return papermill_command(run.notebook, f"{self.output_dir}/logs/{run.name}.ipynb", run.parameters)

    def _from_profile(self, notebook, architecture):
        """The parameters that the profile has for a notebook and an architecture (or None), with paths filled in."""
        section = self.profile.sections[notebook]
        own = {key: value for key, value in section.items() if key.isupper()}
        given = {**self.profile.common, **own, **(section.get(architecture) or {})}
        return {name: expand_path(value) if name in PATHS else value for name, value in given.items()}


def load_study(profile="sample", data="", source="", seeds="", root=ROOT):
    """Read and check a profile, and complete it with the settings of the command line: Study.

    profile: a name in profiles/, or the path of a YAML file. data, source: DATA and SOURCE from the command line, ""
    for none. seeds: "0 1 2", instead of the profile's. root: the project's folder. Raises ProfileError.
    """
    try:
        declared = {stem: declared_parameters(Path(root) / "notebooks" / f"{stem}.ipynb") for stem in NOTEBOOKS}
    except RunError as error:
        raise ProfileError(str(error)) from error
    checked = read_profile(profile, declared, root)
    study = Study(
        profile=checked,
        declared=declared,
        seeds=read_seeds("SEEDS", str(seeds)) if str(seeds) else checked.seeds,
        data=choose_data(checked, data, root) if data != DATA_STAND_IN else data,
        source=existing_path("SOURCE", source, root),
    )
    check_output_dir(checked.path, study.output_dir)
    names = [run.name for run in study.runs()]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ProfileError(f"{checked.path}: two runs are named {twice} and share a log: rename a final or trial")
    for run in study.runs():
        if wrong := problem_together({**declared[run.notebook], **run.parameters}):
            raise ProfileError(f"{checked.path}: {run.name}: {wrong}")
    return study
