"""Reading a profile, profiles/<name>.yaml, and checking it as a whole before anything starts.

    seeds: [0]                      # which runs there are
    architectures: [vgg16, resnet50]
    jobs: 2                         # at once, on a machine without a GPU
    comparators: [deepcnn]          # further networks that are trained from scratch only; none if not given
    ladder: all                     # rungs of recipes.LADDER that notebook 08 trains, or a list; none if not given
    finals:                         # recipes that open PrivateTest, after the ladder: name, rung and changes
      tuned: {RECIPE: crop, CHANGES: "epochs=60"}
    trials:                         # likewise, but PrivateTest stays shut, and they wait for nothing
      wider: {RECIPE: crop, CHANGES: "width=0.75"}
    reports: [audit, labels]        # made of the finished runs, beside the comparison; none if not given
    box: [{runs: [vgg16-scratch]}]  # what a GPU box is to run, by worth (tools/box/plan.py); none if not given
    all:                            # for every notebook that has the parameter
      DATA: sample
    03_train_from_scratch:          # for one notebook
      EPOCHS: 12
      resnet50:                     # and there for one architecture
        EPOCHS: 15

Each key has to be a parameter that the notebook declares in its cell tagged `parameters`, and each value of the type of
the notebook's default: a typing error is one message at once, not hours of training with a default.
"""

import os
import reprlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from fer_utils.data import kaggle
from fer_utils.ladder import recipes
from fer_utils.names import ARCHITECTURE_NAMES, ARCHITECTURES, COMPARATOR_NAMES, RANGES, did_you_mean
from fer_utils.project import expand_path, unknown_in_path
from fer_utils.runs.papermill import reads_as_another_type
from fer_utils.runs.parameters import problem

SET_BY_GRAPH = {
    "ARCHITECTURE": "architectures:",
    "SEED": "seeds:",
    "RECIPE": "ladder:",
    "NAME": "finals: or trials:",
    "FINAL": "finals:",
}
MOST_SEEDS = 100
BEYOND = "08_beyond_the_paper"
NO_TEACHERS = "a study trains no teachers before their student. Train them, and it, with papermill"
BUILT_IN_DATA = ("sample", "kaggle")
READ_BY_OTHERS = '{}$`"\\'  # by Snakemake, by papermill in its paths, or by the shells of a cluster's jobs


class ProfileError(ValueError):
    """A profile, or what was given beside it, that cannot be run; the message names the place and the mend."""


@dataclass(frozen=True)
class Profile:
    """A checked profile. path: as messages name it. common: `all:`. sections: parameters by notebook stem.

    ladder: names of rungs that are trained. finals, trials: name -> {RECIPE, CHANGES}. box: as it stands
    (tools/box/plan.py).
    """

    path: str
    name: str
    architectures: tuple
    comparators: tuple
    ladder: tuple
    finals: dict
    trials: dict
    seeds: tuple
    jobs: int
    reports: tuple
    common: dict
    sections: dict
    box: list


def read_profile(profile, notebooks, root):
    """Read and check a profile.

    profile: a name in profiles/, or the path of a YAML file. notebooks: stem -> {parameter: default}, of the notebooks
    that the study runs. root: what relative paths count from. Raises ProfileError for the first thing that is wrong.
    """
    path, content = _read_yaml(profile, Path(root))
    known = ("all", *SECTIONS, *notebooks)
    for key in content:
        if key not in known:
            raise ProfileError(f"{path}: unknown section {key}{did_you_mean(key, known)}")
    common = content.get("all") or {}
    everywhere = {name: default for declared in notebooks.values() for name, default in declared.items()}
    everywhere.pop("ARCHITECTURE", None)  # no sub-sections here: what fits an architecture depends on the notebook
    check_parameters(f"{path}: all", common, everywhere, shared=True)
    sections = {stem: content.get(stem) or {} for stem in notebooks}
    for stem, section in sections.items():
        check_parameters(f"{path}: {stem}", section, notebooks[stem])
    read = {key: reader(f"{path}: {key}", content.get(key, default)) for key, (default, reader) in SECTIONS.items()}
    _check_ladder(path, {**common, **sections.get(BEYOND, {})}, read["ladder"])
    if both := sorted(set(read["finals"]) & set(read["trials"])):
        raise ProfileError(f"{path}: trials: {both[0]} is one of finals, too, and would be its folder: rename one")
    return Profile(path=path, name=Path(path).stem, common=common, sections=sections, **read)


def _check_ladder(path, given, rungs):
    """Raise ProfileError for what would be found out in notebook 08 only, after all the runs before it."""
    if given.get("TEACHERS"):
        raise ProfileError(f"{path}: TEACHERS: {NO_TEACHERS}")
    for name, unset in {"TRAIN_WITHOUT": "none", "CHANGES": ""}.items():
        if rungs and given.get(name, unset) != unset:
            raise ProfileError(f"{path}: {name} would make other networks of the ladder's rungs: leave one out")


def read_count(place, value, least=1, largest=10**9):
    """A whole number, from an int or its text; `place` is for the message."""
    text = str(value)[:20] if isinstance(value, int | str) else ""  # of thousands of digits, Python makes no number
    if not text.isdecimal() or not least <= int(text) <= largest:
        raise ProfileError(f"{place}: needs a whole number from {least} to {largest}, not {reprlib.repr(value)}")
    return int(text)


def read_seeds(place, given):
    """Seeds as a tuple of ints, from a list or from text: "0 1 2" and "0,1,2" are themselves, "3" is three of them.

    One number as text is how many, counted from 0; "3," is seed 3 alone. `place` is for the message.
    """
    words = given.replace(",", " ").split() if isinstance(given, str) else given
    if not isinstance(words, list) or not words:
        raise ProfileError(f'{place}: needs whole numbers, such as "0 1 2" or [0, 1, 2], not {reprlib.repr(given)}')
    seeds = dict.fromkeys(read_count(place, word, 0, RANGES["SEED"][1]) for word in words)
    if isinstance(given, str) and given.strip().isdecimal() and int(given):
        seeds = range(int(given))
    if len(seeds) > MOST_SEEDS:
        mend = f'Give at most {MOST_SEEDS}; "{given}," is one seed'
        raise ProfileError(f"{place}: {len(seeds)} seeds are too many. {mend}")
    return tuple(seeds)


def choose_data(profile, given, root):
    """DATA: the one `given` on the command line, else the profile's, else $FER_DATA.

    Returns "" if the profile leaves DATA to the notebooks. Raises ProfileError if the profile has `DATA: ""`, which
    means that it needs one, and none is given; and if the path is not there.
    """
    from_profile = profile.common.get("DATA")
    if given or from_profile:
        return existing_path("DATA", given or from_profile, root)
    if os.environ.get("FER_DATA"):
        return existing_path("FER_DATA", os.environ["FER_DATA"], root)
    if from_profile == "":
        raise ProfileError(
            f"{profile.path} runs on the real FER-2013, which is not part of this project.\n"
            "Say which with DATA=... or in the environment variable FER_DATA:\n"
            "    DATA=path/to/fer2013.csv   or icml_face_data.csv, a folder of images, or a zip of one of these\n"
            "    DATA=kaggle                download it (public data set, no account needed)\n"
            "    DATA=sample                the built-in drawn faces"
        )
    return ""


def check_output_dir(place, folder):
    """Raise ProfileError for a folder that programs between here and the runs would take for another."""
    signs = [sign for sign in folder if sign in READ_BY_OTHERS or not sign.isprintable()]
    if signs or folder.startswith("-"):
        what = f"holds {signs[0]!r}" if signs else "begins with '-'"
        raise ProfileError(
            f"{place}: OUTPUT_DIR={folder}: {what}, which programs on the way take for something else. "
            "Give a folder without it"
        )


def existing_path(name, value, root):
    """`value` with ~ and $VARIABLES filled in, if it names something built in or is there; else ProfileError."""
    if not value or value in BUILT_IN_DATA:
        return value
    expanded = expand_path(value)
    if not (Path(root) / expanded).exists():
        unknown = unknown_in_path(value)
        reason = f": {unknown} stands for nothing here" if unknown else ""
        if name.endswith("DATA") and kaggle.is_at_kaggle(value):
            reason = ", but a place at Kaggle. Give DATA=kaggle, which downloads FER-2013 from there"
        elif not unknown:
            kinds = "; or 'sample', or 'kaggle' to download FER-2013" if name.endswith("DATA") else ""
            reason = f" (relative paths start in {root}). Give the path of one{kinds}"
        raise ProfileError(f"{name}: there is no file or folder {value}{reason}")
    return expanded


class _Loader(yaml.SafeLoader):
    """YAML without code, and without a key that stands twice: the second would silently take the place of the first."""

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if names.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
        return super().construct_mapping(node, deep)


def _read_yaml(profile, root):
    is_path = str(profile).endswith((".yaml", ".yml"))
    named = expand_path(profile) if is_path else f"profiles/{profile}.yaml"
    if not (root / named).is_file():
        known = sorted(found.stem for found in (root / "profiles").glob("*.yaml"))
        raise ProfileError(f"there is no profile {named}{did_you_mean(profile, known)}")
    try:
        text = (root / named).read_text(encoding="utf-8")
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken):  # a few lines of them can stand for more than any memory holds
                said = "names for parts, as in *x, are not read"
                raise yaml.MarkedYAMLError(problem=said, problem_mark=token.start_mark)
        content = yaml.load(text, Loader=_Loader) or {}
    # ValueError: not UTF-8, a date that is none, a number of thousands of digits
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:500]
        raise ProfileError(f"{named}: is not readable as YAML: {said}. Mend that place") from error
    if not isinstance(content, dict):
        raise ProfileError(f"{named}: needs sections, such as `all:`, at its top level")
    return named, content


def check_parameters(place, section, declared, shared=False):
    """Raise ProfileError unless `section` holds parameters that `declared` (name -> default) has, with values that fit.

    place: for the message. shared: whether the section is `all:`. Where a notebook takes ARCHITECTURE, a sub-section
    may be an architecture's own.
    """
    if not isinstance(section, dict):
        raise ProfileError(f"{place}: needs parameters below it, not {reprlib.repr(section)}")
    own = ARCHITECTURES if "ARCHITECTURE" in declared else ()
    for key, value in section.items():
        if key in own:
            inner = {name: default for name, default in declared.items() if name != "ARCHITECTURE"}
            check_parameters(f"{place}: {key}", value or {}, inner)
        elif key in SET_BY_GRAPH:
            raise ProfileError(f"{place}: {key} differs from run to run; use `{SET_BY_GRAPH[key]}` at the top level")
        elif key not in declared:
            raise ProfileError(f"{place}: unknown parameter {key}{did_you_mean(key, (*declared, *own))}")
        elif key == "OUTPUT_DIR" and not shared:
            raise ProfileError(f"{place}: OUTPUT_DIR is one for the whole study; set it under `all:`")
        elif wrong := problem(key, value, declared[key]):
            number = isinstance(declared[key], float) and isinstance(value, str) and reads_as_another_type(value)
            hint = "; YAML reads an exponent only with a point and a sign before it, as in 1.0e-4" if number else ""
            raise ProfileError(f"{place}: {wrong}{hint}")


def _names_of(known):
    """A reader of a list of some of the `known` names, each once; an empty list is none of them."""

    def read(place, given):
        if not isinstance(given, list):
            raise ProfileError(f"{place}: needs a list, such as [{', '.join(known)}]")
        for name in given:
            if name not in known:
                raise ProfileError(f"{place}: unknown name {name}{did_you_mean(name, known)}")
        return tuple(dict.fromkeys(given))

    return read


def _read_ladder(place, given):
    """The rungs to train; those that only ask another rung's network differently need no training."""
    trained = tuple(rung.name for rung in recipes.LADDER if not rung.same_run)
    return trained if given == "all" else _names_of(trained)(place, given)


def _read_recipes(place, given):
    if not isinstance(given, dict):
        raise ProfileError(f"{place}: needs names with RECIPE and CHANGES below them, not {reprlib.repr(given)}")
    for name, settings in given.items():
        words = isinstance(settings, dict) and all(isinstance(value, str) for value in settings.values())
        if not words or "RECIPE" not in settings or set(settings) - {"RECIPE", "CHANGES"}:
            raise ProfileError(f"{place}: {name}: needs RECIPE and, where it differs from the rung, CHANGES")
        try:
            changes = settings.get("CHANGES", "")
            if recipes.read_recipe(settings["RECIPE"], changes).taught:
                raise recipes.RecipeError(f"taught: {NO_TEACHERS}")
            recipes.run_name(settings["RECIPE"], changes or "epochs", name)
        except recipes.RecipeError as error:
            raise ProfileError(f"{place}: {name}: {error}") from None
    return given


SECTIONS = {  # of a profile, beside `all:` and the notebooks': what holds where it is not given, and what reads it
    "architectures": (list(ARCHITECTURE_NAMES), _names_of(ARCHITECTURE_NAMES)),
    "comparators": ([], _names_of(COMPARATOR_NAMES)),
    "ladder": ([], _read_ladder),
    "finals": ({}, _read_recipes),
    "trials": ({}, _read_recipes),
    "seeds": ([0], read_seeds),
    "jobs": (1, read_count),
    "reports": ([], _names_of(("audit", "labels", "photos", "explain"))),
    "box": ([], lambda place, given: given),  # which tools/box/plan.py checks
}
