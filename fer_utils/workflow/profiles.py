"""Read a profile, profiles/<name>.yaml, and check it as a whole before anything starts.

    seeds: [0]                      # each training is run with each of them
    architectures: [vgg16, resnet50]
    jobs: 2                         # runs at once, on a machine without a GPU
    comparators: [deepcnn]          # further networks that are trained from scratch only; none if not given
    ladder: all                     # rungs of recipes.LADDER that notebook 08 trains, or a list; none if not given
    finals:                         # recipes that open PrivateTest, after the ladder: name, rung and changes
      tuned: {RECIPE: crop, CHANGES: "epochs=60"}
    trials:                         # likewise, but PrivateTest stays closed, and they do not wait for the ladder
      wider: {RECIPE: crop, CHANGES: "width=0.75"}
    reports: [audit, labels]        # notebooks about the finished runs, next to the comparison; none if not given
    box: [{runs: [vgg16-scratch]}]  # what a GPU box runs, most valuable first (tools/box/plan.py); none if not given
    all:                            # for every notebook that has the parameter
      DATA: sample
    03_train_from_scratch:          # for one notebook
      EPOCHS: 12
      resnet50:                     # and there for one architecture
        EPOCHS: 15

Each key must be a parameter that the notebook declares in its cell tagged `parameters`, and each value must have the
type of its default. So a typing error is reported at once, instead of after hours of training with a default.
"""

import os
import reprlib
from dataclasses import dataclass
from functools import partial
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
NO_TEACHERS = "a study cannot train teachers before their student. Train both with papermill"
BUILT_IN_DATA = ("sample", "kaggle")
READ_BY_OTHERS = '{}$`"\\'  # special to Snakemake, to papermill in paths, or to the shells of a cluster's jobs


class ProfileError(ValueError):
    """A profile or an option of the command line cannot be used; the message names the place and the fix."""


@dataclass(frozen=True)
class Profile:
    """A checked profile. path: as messages name it. common: `all:`. sections: parameters by notebook stem.

    ladder: names of rungs to train. finals, trials: name -> {RECIPE, CHANGES}. box: unchecked (tools/box/plan.py).
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
    """Read and check a profile: Profile.

    profile: a name in profiles/, or the path of a YAML file. notebooks: stem -> {parameter: default}, for the notebooks
    that the study runs. root: the folder that relative paths start in. Raises ProfileError for the first mistake.
    """
    path, content = _read_yaml(profile, Path(root))
    known = ("all", *SECTIONS, *notebooks)
    for key in content:
        if key not in known:
            raise ProfileError(f"{path}: unknown section {key}{did_you_mean(key, known)}")
    common = content.get("all") or {}
    everywhere = {name: default for declared in notebooks.values() for name, default in declared.items()}
    everywhere.pop("ARCHITECTURE", None)  # no sub-sections in `all:`: an architecture's settings depend on the notebook
    check_parameters(f"{path}: all", common, everywhere, shared=True)
    sections = {stem: content.get(stem) or {} for stem in notebooks}
    for stem, section in sections.items():
        check_parameters(f"{path}: {stem}", section, notebooks[stem])
    read = {key: reader(f"{path}: {key}", content.get(key, default)) for key, (default, reader) in SECTIONS.items()}
    _check_ladder(path, {**common, **sections.get(BEYOND, {})}, read["ladder"])
    return Profile(path=path, name=Path(path).stem, common=common, sections=sections, **read)


def _check_ladder(path, given, rungs):
    """Raise ProfileError for mistakes that only notebook 08 would find, after all the runs before it."""
    if given.get("TEACHERS"):
        raise ProfileError(f"{path}: TEACHERS: {NO_TEACHERS}")
    for name, unset in {"TRAIN_WITHOUT": "none", "CHANGES": ""}.items():
        if rungs and given.get(name, unset) != unset:
            raise ProfileError(
                f"{path}: {name} would change the networks of the ladder's rungs: leave out {name} or `ladder`"
            )


def read_count(place, value, least=1, largest=10**9):
    """Return a whole number from an int or its text. place: for the message. Raises ProfileError."""
    text = str(value)[:20] if isinstance(value, int | str) else ""  # int() refuses a text of thousands of digits
    if not text.isdecimal() or not least <= int(text) <= largest:
        raise ProfileError(f"{place}: needs a whole number from {least} to {largest}, not {reprlib.repr(value)}")
    return int(text)


def read_seeds(place, given):
    """Return seeds as a tuple of ints, from a list or from text such as "0 1 2" or "0,1,2". Raises ProfileError.

    A single number as text is a count: "3" means 0, 1 and 2, and "3," means seed 3 alone. place: for the message.
    """
    words = given.replace(",", " ").split() if isinstance(given, str) else given
    if not isinstance(words, list) or not words:
        raise ProfileError(f'{place}: needs whole numbers, such as "0 1 2" or [0, 1, 2], not {reprlib.repr(given)}')
    seeds = dict.fromkeys(read_count(place, word, 0, RANGES["SEED"][1]) for word in words)
    if isinstance(given, str) and given.strip().isdecimal() and int(given):
        seeds = range(int(given))
    if len(seeds) > MOST_SEEDS:
        fix = f'; "{given}," is one seed' if isinstance(seeds, range) else ""
        raise ProfileError(f"{place}: {len(seeds)} seeds are too many. Give at most {MOST_SEEDS}{fix}")
    return tuple(seeds)


def choose_data(profile, given, root):
    """Return DATA: the one `given` on the command line, else the profile's, else $FER_DATA.

    Returns "" if the profile leaves DATA to the notebooks. Raises ProfileError if the path does not exist, or if none
    is given for a profile with `DATA: ""`, which means that it needs one.
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
    """Raise ProfileError for a folder name that Snakemake, papermill or a shell would misread."""
    signs = [sign for sign in folder if sign in READ_BY_OTHERS or not sign.isprintable()]
    if signs or folder.startswith("-"):
        what = f"holds {signs[0]!r}" if signs else "begins with '-'"
        raise ProfileError(
            f"{place}: OUTPUT_DIR={folder}: {what}, which Snakemake, papermill or a shell would misread. "
            "Give a folder without it"
        )


def existing_path(name, value, root):
    """Return `value` with ~ and $VARIABLES filled in. Raises ProfileError unless it is built-in data or exists."""
    if not value or value in (BUILT_IN_DATA if name.endswith("DATA") else ("sample",)):
        return value
    expanded = expand_path(value)
    if not os.path.exists(Path(root) / expanded):  # False, too, for a folder that may not be read
        unknown = unknown_in_path(value)
        if name.endswith("DATA") and kaggle.is_at_kaggle(value):
            reason = ", but it is a page at Kaggle. Give DATA=kaggle, which downloads FER-2013 from there"
        elif unknown:
            reason = f": {unknown} has no value here"
        else:
            kinds = "; or 'sample', or 'kaggle' to download FER-2013" if name.endswith("DATA") else ""
            reason = f" (relative paths start in {root}). Give the path of one{kinds}"
        raise ProfileError(f"{name}: there is no file or folder {value}{reason}")
    return expanded


class _Loader(yaml.SafeLoader):
    """YAML without code, and without three things that it silently reads as something else.

    Of two equal keys, the second replaces the first. 012 is 10, and 1:30 is 90.
    """

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if names.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node):
        number = super().construct_yaml_int(node)
        digits = node.value.lstrip("+-")
        if ":" in digits or (digits.isdecimal() and int(digits) != abs(number)):
            problem = f"{node.value} would be read as {number}: write the number that you mean"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _read_yaml(profile, root):
    is_path = str(profile).endswith((".yaml", ".yml"))
    named = expand_path(profile) if is_path else f"profiles/{profile}.yaml"
    if not os.path.isfile(root / named):
        known = sorted(found.stem for found in (root / "profiles").glob("*.yaml"))
        raise ProfileError(f"there is no profile {named}{did_you_mean(profile, known)}")
    try:
        text = (root / named).read_text(encoding="utf-8")
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken):  # a few lines of aliases can expand to more than the memory holds
                raise yaml.MarkedYAMLError(problem="aliases, as in *x, are not allowed", problem_mark=token.start_mark)
        content = yaml.load(text, Loader=_Loader) or {}
    except OSError as error:
        raise ProfileError(f"{named}: cannot be read ({error.strerror}). Change its permissions") from error
    # ValueError: not UTF-8, an impossible date, or a number of thousands of digits.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:500]
        raise ProfileError(f"{named}: is not readable as YAML: {reason}. Fix that place") from error
    if not isinstance(content, dict):
        raise ProfileError(f"{named}: needs sections, such as `all:`, at its top level")
    return named, content


def check_parameters(place, section, declared, shared=False):
    """Raise ProfileError unless `section` holds only parameters of `declared` (name -> default), with valid values.

    place: for the message. shared: whether the section is `all:`. If a notebook takes ARCHITECTURE, its section may
    have a sub-section for each architecture.
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
        elif key in ("OUTPUT_DIR", "DATA") and not shared:
            raise ProfileError(f"{place}: {key} is the same for the whole study; set it under `all:`")
        elif wrong := problem(key, value, declared[key]):
            number = isinstance(declared[key], float) and isinstance(value, str) and reads_as_another_type(value)
            hint = "; YAML reads an exponent only with a point and a sign before it, as in 1.0e-4" if number else ""
            raise ProfileError(f"{place}: {wrong}{hint}")


def _read_names(known, place, given):
    """Read a list of names, each of which must be `known`; [] is allowed. place: for the message."""
    if not isinstance(given, list):
        raise ProfileError(f"{place}: needs a list, such as [{', '.join(known)}]")
    for name in given:
        if name not in list(known):  # a list, since a dict cannot look up a list that was given as a name
            raise ProfileError(f"{place}: unknown name {name}{did_you_mean(name, known)}")
    return tuple(dict.fromkeys(given))


def _read_ladder(place, given):
    """Read the rungs to train; a rung that only adds views to another rung's network needs no training."""
    trained = tuple(rung.name for rung in recipes.LADDER if not rung.same_run)
    return trained if given == "all" else _read_names(trained, place, given)


def _read_recipes(place, given):
    if not isinstance(given, dict):
        raise ProfileError(f"{place}: needs names with RECIPE and CHANGES below them, not {reprlib.repr(given)}")
    for name, settings in given.items():
        if not isinstance(name, str):
            raise ProfileError(f"{place}: {name} is no text: put the name between quotes")
        are_texts = isinstance(settings, dict) and all(isinstance(value, str) for value in settings.values())
        if not are_texts or "RECIPE" not in settings or set(settings) - {"RECIPE", "CHANGES"}:
            raise ProfileError(f"{place}: {name}: needs RECIPE and, where it differs from the rung, CHANGES")
        try:
            changes = settings.get("CHANGES", "")
            if recipes.read_recipe(settings["RECIPE"], changes).taught:
                raise recipes.RecipeError(f"taught: {NO_TEACHERS}")
            recipes.run_name(settings["RECIPE"], changes or "epochs", name)
        except recipes.RecipeError as error:
            raise ProfileError(f"{place}: {name}: {error}") from None
    return given


# The keys of a profile next to `all:` and the notebooks: name -> (default, function that reads and checks the value).
SECTIONS = {
    "architectures": (list(ARCHITECTURE_NAMES), partial(_read_names, ARCHITECTURE_NAMES)),
    "comparators": ([], partial(_read_names, COMPARATOR_NAMES)),
    "ladder": ([], _read_ladder),
    "finals": ({}, _read_recipes),
    "trials": ({}, _read_recipes),
    "seeds": ([0], read_seeds),
    "jobs": (1, read_count),
    "reports": ([], partial(_read_names, ("audit", "labels", "photos", "explain"))),
    "box": ([], lambda place, given: given),  # tools/box/plan.py checks it
}
