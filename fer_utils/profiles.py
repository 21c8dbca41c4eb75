"""Reading a profile, profiles/<name>.yaml, and checking it as a whole before anything starts.

    seeds: [0]                      # which runs there are
    architectures: [vgg16, resnet50]
    jobs: 2                         # at once, on a machine without a GPU
    comparators: [deepcnn]          # further networks that are trained from scratch only; none if not given
    ladder: all                     # rungs of recipes.LADDER that notebook 08 trains, or a list; none if not given
    finals:                         # recipes that open PrivateTest, after the ladder: name, rung and changes
      tuned: {RECIPE: crop, CHANGES: "epochs=60"}
    reports: [audit, labels]        # made of the finished runs, beside the comparison; none if not given
    box: [{runs: [vgg16-scratch]}]  # what a GPU box is to run, dearest first (tools/box/plan.py); none if not given
    all:                            # for every notebook that has the parameter
      DATA: sample
    03_train_from_scratch:          # for one notebook
      EPOCHS: 12
      resnet50:                     # and there for one architecture
        EPOCHS: 15

Each key has to be a parameter that the notebook declares in its cell tagged `parameters`, and each value of the type of
the notebook's default: a typing error is one message at once, not hours of training with a default.
"""

import difflib
import os
import reprlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from fer_utils import downloads, parameters, recipes

ARCHITECTURES = ("vgg16", "resnet50")
COMPARATORS = ("deepcnn", "efficientnetb0", "vgg16bn")  # which the paper has no arm of
REPORTS = ("audit", "labels")
TOP_LEVEL = ("all", "seeds", "architectures", "comparators", "ladder", "finals", "jobs", "reports", "box")
SET_BY_GRAPH = {"ARCHITECTURE": "architectures:", "SEED": "seeds:", "RECIPE": "ladder:", "NAME": "finals:"}
MOST_SEEDS = 100
FINAL_KEYS = ("RECIPE", "CHANGES")
BUILT_IN_DATA = ("sample", "kaggle")
READ_BY_OTHERS = '{}$`"\\'  # by Snakemake, by papermill in its paths, or by the shells of a cluster's jobs


class ProfileError(ValueError):
    """A profile, or what was given beside it, that cannot be run; the message names the place and the mend."""


@dataclass(frozen=True)
class Profile:
    """A checked profile. path: as messages name it. common: `all:`. sections: parameters by notebook stem.

    ladder: names of rungs that are trained. finals: name -> {RECIPE, CHANGES}. box: as it stands (tools/box/plan.py).
    """

    path: str
    name: str
    architectures: tuple
    comparators: tuple
    ladder: tuple
    finals: dict
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
    for key, section in content.items():
        if key in notebooks:
            check_parameters(f"{path}: {key}", section or {}, notebooks[key])
        elif key not in TOP_LEVEL:
            raise ProfileError(f"{path}: unknown section {key}{suggest(key, (*TOP_LEVEL, *notebooks))}")
    architectures = content.get("architectures", list(ARCHITECTURES))
    common = content.get("all") or {}
    _check_common(f"{path}: all", common, notebooks)
    return Profile(
        path=path,
        name=Path(path).stem,
        architectures=_names(f"{path}: architectures", architectures, ARCHITECTURES),
        comparators=_names(f"{path}: comparators", content.get("comparators", []), COMPARATORS),
        ladder=_read_ladder(f"{path}: ladder", content.get("ladder", [])),
        finals=_read_finals(f"{path}: finals", content.get("finals") or {}),
        seeds=read_seeds(f"{path}: seeds", content.get("seeds", [0])),
        jobs=read_count(f"{path}: jobs", content.get("jobs", 1)),
        reports=_names(f"{path}: reports", content.get("reports", []), REPORTS),
        common=common,
        sections={stem: content.get(stem) or {} for stem in notebooks},
        box=content.get("box", []),
    )


def read_seeds(place, given):
    """Seeds as a tuple of ints, from a list or from text: "0 1 2" and "0,1,2" are themselves, "3" is three of them.

    One number as text is how many, counted from 0; "3," is seed 3 alone. `place` is for the message.
    """
    words = given.replace(",", " ").split() if isinstance(given, str) else given
    words = [words] if isinstance(words, int) else words
    largest = parameters.RANGES["SEED"][1]
    if not isinstance(words, list) or not words or not all(_is_count(word, largest) for word in words):
        raise ProfileError(
            f'{place}: needs whole numbers from 0 on, to {largest}, such as "0 1 2", not {reprlib.repr(given)}'
        )
    seeds = tuple(dict.fromkeys(int(word) for word in words))
    if isinstance(given, str) and given.strip().isdecimal() and int(given):
        seeds = range(int(given))
    if len(seeds) > MOST_SEEDS:
        raise ProfileError(
            f'{place}: {len(seeds)} seeds are too many. Give at most {MOST_SEEDS}; "{given}," is one seed'
        )
    return tuple(seeds)


def _is_count(word, largest):
    """Whether an int or a text is a whole number from 0 to `largest`; of thousands of digits, Python makes none."""
    text = str(word)[:20] if isinstance(word, int | str) else ""
    return text.isdecimal() and int(text) <= largest


def read_count(place, value):
    """A whole number from 1 on, from an int or its text; `place` is for the message."""
    if not _is_count(value, 10**9) or int(value) < 1:
        raise ProfileError(f"{place}: needs a whole number from 1 on, not {reprlib.repr(value)}")
    return int(value)


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
    expanded = parameters.expand_path(value)
    if not (Path(root) / expanded).exists():
        unknown = parameters.unknown_in_path(value)
        reason = f": {unknown} stands for nothing here" if unknown else ""
        if name.endswith("DATA") and downloads.is_at_kaggle(value):
            reason = ", but a place at Kaggle. Give DATA=kaggle, which downloads FER-2013 from there"
        raise ProfileError(f"{name}: there is no file or folder {value}{reason}")
    return expanded


def suggest(key, known):
    """The end of a message about an unknown `key`: a near name, or all that are known."""
    close = difflib.get_close_matches(str(key), [str(name) for name in known], n=1)
    return f"; did you mean {close[0]}?" if close else f". Known: {', '.join(map(str, known))}"


def reads_as_another_type(text):
    """Whether papermill's `-p` (and a hurried reader) would take `text` for a number, a truth value or None."""
    if text in ("True", "False", "None"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Loader(yaml.SafeLoader):
    """YAML without code, and without two things that profiles have no use for.

    A key that stands twice: the second would silently take the place of the first. Names for parts (&x, *x): a few
    lines of them can stand for more than any memory holds.
    """

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            where = {"problem": "names for parts, as in *x, are not read", "problem_mark": self.peek_event().start_mark}
            raise yaml.composer.ComposerError(**where)
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} is there twice", problem_mark=key.start_mark
                )
        return super().construct_mapping(node, deep)


def _read_yaml(profile, root):
    is_path = str(profile).endswith((".yaml", ".yml"))
    named = parameters.expand_path(profile) if is_path else f"profiles/{profile}.yaml"
    if not (root / named).is_file():
        known = sorted(found.stem for found in (root / "profiles").glob("*.yaml"))
        raise ProfileError(f"there is no profile {named}{suggest(profile, known)}")
    try:
        content = yaml.load((root / named).read_text(encoding="utf-8"), Loader=_Loader) or {}
    # ValueError: not UTF-8, a date that is none, a number of thousands of digits
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProfileError(
            f"{named}: is not readable as YAML: {' '.join(str(error).split())[:500]}. Mend that place"
        ) from error
    if not isinstance(content, dict):
        raise ProfileError(f"{named}: needs sections, such as `all:`, at its top level")
    return named, content


def check_parameters(place, section, declared):
    """Raise ProfileError unless `section` holds parameters that `declared` (name -> default) has, with values that fit.

    place: for the message. Where a notebook takes ARCHITECTURE, a sub-section may be an architecture's own.
    """
    if not isinstance(section, dict):
        raise ProfileError(f"{place}: needs parameters below it, not {reprlib.repr(section)}")
    for key, value in section.items():
        if key in (*ARCHITECTURES, *COMPARATORS) and "ARCHITECTURE" in declared:
            inner = {name: default for name, default in declared.items() if name != "ARCHITECTURE"}
            check_parameters(f"{place}: {key}", value or {}, inner)
            continue
        _refuse_set_by_graph(place, key)
        if key == "OUTPUT_DIR":
            raise ProfileError(f"{place}: OUTPUT_DIR is one for the whole study; set it under `all:`")
        if key not in declared:
            known = (*declared, *ARCHITECTURES, *COMPARATORS) if "ARCHITECTURE" in declared else tuple(declared)
            raise ProfileError(f"{place}: unknown parameter {key}{suggest(key, known)}")
        _check_value(place, key, value, declared[key])


def _check_common(place, common, notebooks):
    if not isinstance(common, dict):
        raise ProfileError(f"{place}: needs parameters below it, not {reprlib.repr(common)}")
    for key, value in common.items():
        _refuse_set_by_graph(place, key)
        having = [declared for declared in notebooks.values() if key in declared]
        if not having:
            known = sorted({name for declared in notebooks.values() for name in declared})
            raise ProfileError(f"{place}: no notebook has a parameter {key}{suggest(key, known)}")
        for declared in having:
            _check_value(place, key, value, declared[key])


def _refuse_set_by_graph(place, key):
    if key in SET_BY_GRAPH:
        raise ProfileError(f"{place}: {key} differs from run to run; use `{SET_BY_GRAPH[key]}` at the top level")


def _check_value(place, key, value, default):
    if default is None or type(value) is type(default) or (type(default) is float and type(value) is int):
        if wrong := parameters.problem(key, value, default):
            raise ProfileError(f"{place}: {wrong}")
        return
    hint = ""
    if isinstance(value, str) and isinstance(default, float) and reads_as_another_type(value):
        hint = "; YAML reads an exponent as a number only with a decimal point and a sign, as in 1.0e-4"
    kinds = f"is of type {type(value).__name__}, but the notebook's {default!r} is of type {type(default).__name__}"
    raise ProfileError(f"{place}: {key}: {reprlib.repr(value)} {kinds}{hint}. Give a value of that type")


def _read_ladder(place, given):
    """The rungs to train; those that only ask another rung's network differently need no training."""
    trained = tuple(rung.name for rung in recipes.LADDER if not rung.same_run)
    return trained if given == "all" else _names(place, given, trained)


def _read_finals(place, given):
    if not isinstance(given, dict):
        raise ProfileError(f"{place}: needs names with RECIPE and CHANGES below them, not {reprlib.repr(given)}")
    for name, settings in given.items():
        words = isinstance(settings, dict) and all(isinstance(value, str) for value in settings.values())
        if not words or set(settings) - set(FINAL_KEYS) or "RECIPE" not in settings:
            raise ProfileError(f"{place}: {name}: needs RECIPE and, where it differs from the rung, CHANGES")
        try:
            changes = settings.get("CHANGES", "")
            recipes.read_recipe(settings["RECIPE"], changes)
            recipes.run_name(settings["RECIPE"], changes or "epochs", name)
        except recipes.RecipeError as error:
            raise ProfileError(f"{place}: {name}: {error}") from None
    return given


def _names(place, given, known):
    """The names in a list of some of the `known` ones, each once; an empty list is none of them."""
    if not isinstance(given, list):
        raise ProfileError(f"{place}: needs a list, such as [{', '.join(known)}]")
    for name in given:
        if name not in known:
            word = "rung" if place.endswith("ladder") else place.rsplit(": ", 1)[-1].removesuffix("s")
            raise ProfileError(f"{place}: unknown {word} {name}{suggest(name, known)}")
    return tuple(dict.fromkeys(given))
