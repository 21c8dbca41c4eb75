"""Read what a box runs: the list `box:` of a profile as papermill commands, the most valuable first.

    box:
      - {runs: [vgg16-scratch], seeds: [0, 1, 2], set: {KEEP_EPOCHS: true}}
      - {runs: [vgg16-scratch], folder: paper-protocol, set: {PROTOCOL: paper}}
      - {runs: [race-whole-30], alone: true}

runs: an arm, a comparator ("deepcnn-scratch"), a pretraining ("resnet50-pretrain"), a rung of the ladder or one of the
profile's trials or finals. seeds: by default the profile's. folder: a folder below the study's, for a run with the same
name as another but other settings. set: parameters of the notebook that differ. alone: nothing else runs meanwhile.
"""

import dataclasses
from functools import partial

from fer_utils.ladder import recipes
from fer_utils.names import did_you_mean
from fer_utils.project import PROJECT_ROOT
from fer_utils.workflow import cost, profiles
from fer_utils.workflow.study import ARMS, BEYOND, DATA_STAND_IN, PRETRAIN, load_study

DATA, SOURCE = "data/fer2013.csv", "data/source"  # where the box unpacks them, relative to the code's root
KEYS = ("runs", "seeds", "folder", "set", "alone")
# The parameters that decide what a run compiles. Runs with equal values can share a compiled program.
COMPILED = ("ARCHITECTURE", "INPUT_SIZE", "WIDTH", "HEAD_STAGE", "PREPROCESSING", "AUGMENTATION", "BATCH_SIZE")
COMPILED += ("PRECISION", "UNFREEZE_FROM", "FREEZE_BATCH_NORM", "RECIPE", "CHANGES")
# Parameters with which each notebook takes seconds, for a rehearsal.
TINY_ARM = {"MAX_IMAGES": 48, "WIDTH": 0.0625, "BATCH_SIZE": 16}
TINY = {
    PRETRAIN: {"MAX_IMAGES": 200, "WIDTH": 0.0625, "BATCH_SIZE": 32, "EPOCHS": 1},
    ARMS["scratch"]: {**TINY_ARM, "EPOCHS": 2},
    ARMS["transfer"]: {**TINY_ARM, "INPUT_SIZE": 48, "EPOCHS": 1},
    ARMS["finetune"]: {**TINY_ARM, "INPUT_SIZE": 48, "EPOCHS": 2, "HEAD_EPOCHS": 1},
    BEYOND: {"MAX_IMAGES": 48},
}
TINY_CHANGES = "width=0.05 epochs=2 warmup=0 batch_size=16"


def read_plan(profile="gpu", root=PROJECT_ROOT):
    """Return the plan of a profile: a list of one dict per run, in order. Raises ProfileError for the first fault.

    Keys of a dict: name, folder and log of the run. command, tiny: the papermill command, and its form for a rehearsal.
    needs: paths that must exist before the run starts. program: equal for runs that compile to the same program.
    architecture, work (multiply-adds of its epochs), epochs, disk (bytes), tail (seconds after the last epoch): for
    estimating time and space. resumes: whether a checkpoint is enough to resume. Paths start at the code's root.
    """
    study = load_study(profile, data=DATA_STAND_IN, root=root)
    study = dataclasses.replace(study, data=DATA, source=SOURCE)
    place, entries = f"{study.profile.path}: box", study.profile.box
    if "OUTPUT_DIR" in study.profile.common:
        raise profiles.ProfileError(f"{study.profile.path}: all: a box has a folder of its own: leave out OUTPUT_DIR")
    if not isinstance(entries, list) or not entries:
        raise profiles.ProfileError(f"{place}: needs a list of what to run, such as `- {{runs: [vgg16-scratch]}}`")
    plan = []
    for number, entry in enumerate(entries, start=1):
        plan += _runs(study, f"{place}: entry {number}", entry)
    folders = [run["folder"] for run in plan]
    if twice := next((folder for folder in folders if folders.count(folder) > 1), None):
        raise profiles.ProfileError(f"{place}: two runs would write {twice}. Give one of them a `folder:` of its own")
    return plan


def _runs(study, place, entry):
    """Yield the runs of one entry of `box:`, each as a dict (see `read_plan`). place: of the entry, for messages."""
    if not isinstance(entry, dict) or not isinstance(entry.get("runs"), list):
        raise profiles.ProfileError(f"{place}: needs `runs:` with a list of names")
    for key in entry:
        if key not in KEYS:
            raise profiles.ProfileError(f"{place}: unknown key {key}{did_you_mean(key, KEYS)}")
    seeds = profiles.read_seeds(f"{place}: seeds", entry.get("seeds", list(study.seeds)))
    folder = entry.get("folder", "")
    if folder and not str(folder).replace("-", "").isalnum():
        raise profiles.ProfileError(f"{place}: folder {folder!r} must be a name of letters, digits and '-'")
    if folder:
        common = {**study.profile.common, "OUTPUT_DIR": f"{study.output_dir}/{folder}"}
        study = dataclasses.replace(study, profile=dataclasses.replace(study.profile, common=common))
    for seed in seeds:
        for name in entry["runs"]:
            run = named_run(study, place, name, seed)
            declared = {key: default for key, default in study.declared[run.notebook].items() if key != "ARCHITECTURE"}
            profiles.check_parameters(f"{place}: set", entry.get("set") or {}, declared)
            yield _described(study, _with(study, run, entry.get("set") or {}), bool(entry.get("alone")))


def named_run(study, place, name, seed):
    """Return the ``study.PlannedRun`` of a name in `runs:`, with a seed."""
    known = {}  # name -> a function that makes its run
    for architecture in study.profile.architectures:
        known[f"{architecture}-pretrain"] = partial(study.pretrain, architecture)
        for strategy in ARMS:
            known[f"{architecture}-{strategy}"] = partial(study.arm, architecture, strategy, seed)
    for architecture in study.profile.comparators:
        known[f"{architecture}-scratch"] = partial(study.arm, architecture, "scratch", seed)
    for recipe in (*study.profile.finals, *study.profile.trials, *study.profile.ladder):
        known[recipe] = partial(study.recipe, recipe, seed)
    if name not in known:
        raise profiles.ProfileError(f"{place}: unknown run {name}{did_you_mean(name, known)}")
    return known[name]()


def _with(study, run, changes):
    """Return the run with changed parameters, in the order of its notebook's parameters cell."""
    given = run.parameters | changes
    ordered = {name: given[name] for name in study.declared[run.notebook] if name in given}
    return dataclasses.replace(run, parameters=ordered)


def _described(study, run, alone):
    """Return a run as a dict of the plan (see `read_plan`)."""
    given = {**study.declared[run.notebook], **run.parameters}
    estimated = cost.estimate(run, study)
    recipe = recipes.read_recipe(given["RECIPE"], given["CHANGES"]) if "RECIPE" in given else None
    epochs = recipe.epochs if recipe else given["EPOCHS"]
    kept = epochs if given.get("KEEP_EPOCHS") else 4  # a checkpoint takes about four times the weights' space
    below = f"{study.output_dir}/ladder" if recipe else study.output_dir
    tiny = dict(TINY[run.notebook])
    foreign_weights = given.get("WEIGHTS") and not given["WEIGHTS"].startswith(study.output_dir)
    if foreign_weights or given.get("ARCHITECTURE") == "efficientnetb0":
        del tiny["WIDTH"]  # the file of WEIGHTS, or the architecture, has only one width
    if recipe:
        tiny["CHANGES"] = f"{given['CHANGES']} {TINY_CHANGES}".strip()
    return {
        "name": run.name,
        "folder": f"{below}/{run.name}",
        "log": f"{study.output_dir}/logs/{run.name}",
        "command": study.papermill(run),
        "tiny": study.papermill(_with(study, run, tiny)),
        "needs": [given[name] for name in ("DATA", "SOURCE", "WEIGHTS") if given.get(name)],
        "program": " ".join([run.notebook, *(str(given[name]) for name in COMPILED if name in given)]),
        "architecture": estimated.architecture,
        "work": estimated.multiply_adds,
        "epochs": epochs,
        "resumes": not given.get("KEEP_EPOCHS"),
        "disk": int(estimated.size * (1 + kept / 3)),  # `size` counts the weights and Adam's two moments
        "tail": 15 + (0.5 * epochs if given.get("KEEP_EPOCHS") else 0),
        "alone": alone,
    }
