"""What a box is to run: the list `box:` of a profile as papermill commands, in the order of their worth.

    box:
      - {runs: [vgg16-scratch], seeds: [0, 1, 2], set: {KEEP_EPOCHS: true}}
      - {runs: [vgg16-scratch], folder: paper-protocol, set: {PROTOCOL: paper}}
      - {runs: [race-whole-30], alone: true}

runs: an arm, a comparator ("deepcnn-scratch"), a pretraining ("resnet50-pretrain"), a rung of the ladder or one of the
profile's trials or finals. seeds: the profile's, if not given. folder: below the study's, for what has other settings
than its namesake. set: parameters of the notebook that differ. alone: nothing else runs at the same time.
"""

import dataclasses

from fer_utils.ladder import recipes
from fer_utils.names import did_you_mean
from fer_utils.project import PROJECT_ROOT
from fer_utils.workflow import cost, profiles
from fer_utils.workflow.study import ARMS, BEYOND, DATA_STAND_IN, PRETRAIN, load_study

DATA, SOURCE = "data/fer2013.csv", "data/source"  # where the box unpacks them, from the root of the code
KEYS = ("runs", "seeds", "folder", "set", "alone")
# What decides a run's programs, so that runs which agree in it can share what one of them has compiled.
COMPILED = ("ARCHITECTURE", "INPUT_SIZE", "WIDTH", "HEAD_STAGE", "PREPROCESSING", "AUGMENTATION", "BATCH_SIZE")
COMPILED += ("PRECISION", "UNFREEZE_FROM", "FREEZE_BATCH_NORM", "RECIPE", "CHANGES")
# What makes each notebook a matter of seconds, for a rehearsal.
TINY = {
    PRETRAIN: {"MAX_IMAGES": 200, "WIDTH": 0.0625, "BATCH_SIZE": 32, "EPOCHS": 1},
    ARMS["scratch"]: {"MAX_IMAGES": 48, "WIDTH": 0.0625, "BATCH_SIZE": 16, "EPOCHS": 2},
    ARMS["transfer"]: {"MAX_IMAGES": 48, "WIDTH": 0.0625, "BATCH_SIZE": 16, "INPUT_SIZE": 48, "EPOCHS": 1},
    ARMS["finetune"]: {"MAX_IMAGES": 48, "WIDTH": 0.0625, "BATCH_SIZE": 16, "INPUT_SIZE": 48, "EPOCHS": 2}
    | {"HEAD_EPOCHS": 1},
    BEYOND: {"MAX_IMAGES": 48},
}
TINY_CHANGES = "width=0.05 epochs=2 warmup=0 batch_size=16"


def read_plan(profile="gpu", root=PROJECT_ROOT):
    """The plan of a profile: a list of dicts, a run each, in order. Raises ProfileError for the first thing wrong.

    name, folder, log: of the run. command, tiny: papermill's words, as they are and for a rehearsal. needs: paths that
    must be there before it starts. program: what runs share that compile to the same. architecture, work (multiply-adds
    of its epochs), epochs, disk (bytes), tail (seconds after the last epoch): what its needs are reckoned from.
    resumes: whether a checkpoint is all that it goes on from. Paths count from the root of the code.
    """
    study = load_study(profile, data=DATA_STAND_IN, root=root)
    study = dataclasses.replace(study, data=DATA, source=SOURCE)
    place, entries = f"{study.profile.path}: box", study.profile.box
    if "OUTPUT_DIR" in study.profile.common:
        raise profiles.ProfileError(f"{study.profile.path}: all: a box has a folder of its own: leave out OUTPUT_DIR")
    if not isinstance(entries, list) or not entries:
        raise profiles.ProfileError(f"{place}: needs a list of what to run, such as `- {{runs: [vgg16-scratch]}}`")
    plan = [
        run for number, entry in enumerate(entries, start=1) for run in _runs(study, f"{place}: entry {number}", entry)
    ]
    folders = [run["folder"] for run in plan]
    if twice := next((folder for folder in folders if folders.count(folder) > 1), None):
        raise profiles.ProfileError(f"{place}: two runs would write {twice}. Give one of them a `folder:` of its own")
    return plan


def _runs(study, place, entry):
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
            profiles.check_parameters(f"{place}: set", entry.get("set") or {}, study.declared[run.notebook])
            yield _described(study, _with(study, run, entry.get("set") or {}), bool(entry.get("alone")))


def named_run(study, place, name, seed):
    """The ``study.PlannedRun`` of a name in `runs:`, with a seed."""
    architectures, comparators = study.profile.architectures, study.profile.comparators
    known = {}
    for architecture in architectures:
        known[f"{architecture}-pretrain"] = lambda found=architecture: study.pretrain(found)
        for strategy in ARMS:
            known[f"{architecture}-{strategy}"] = lambda found=architecture, how=strategy: study.arm(found, how, seed)
    for architecture in comparators:
        known[f"{architecture}-scratch"] = lambda found=architecture: study.arm(found, "scratch", seed)
    for recipe in (*study.profile.finals, *study.profile.trials, *study.profile.ladder):
        known[recipe] = lambda found=recipe: study.recipe(found, seed)
    if name not in known:
        raise profiles.ProfileError(f"{place}: unknown run {name}{did_you_mean(name, known)}")
    return known[name]()


def _with(study, run, changes):
    given = {**run.parameters, **changes}
    ordered = {name: given[name] for name in study.declared[run.notebook] if name in given}
    return dataclasses.replace(run, parameters=ordered)


def _described(study, run, alone):
    given = {**study.declared[run.notebook], **run.parameters}
    reckoned = cost.estimate(run, study)
    recipe = recipes.read_recipe(given["RECIPE"], given["CHANGES"]) if "RECIPE" in given else None
    epochs = recipe.epochs if recipe else given["EPOCHS"]
    kept = epochs if given.get("KEEP_EPOCHS") else 4  # a checkpoint holds the weights some four times
    below = f"{study.output_dir}/ladder" if recipe else study.output_dir
    tiny = dict(TINY[run.notebook])
    if given.get("WEIGHTS") and not given["WEIGHTS"].startswith(study.output_dir):
        del tiny["WIDTH"]  # the file's own
    if given.get("ARCHITECTURE") == "efficientnetb0":
        del tiny["WIDTH"]
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
        "architecture": reckoned.architecture,
        "work": reckoned.multiply_adds,
        "epochs": epochs,
        "resumes": not given.get("KEEP_EPOCHS"),
        "disk": int(reckoned.size * (1 + kept / 3)),  # `size` counts the weights and what Adam remembers of them
        "tail": 15 + (0.5 * epochs if given.get("KEEP_EPOCHS") else 0),
        "alone": alone,
    }
