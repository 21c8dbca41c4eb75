"""A notebook's parameters cell: read it, check it, and notice later changes in the notebook."""

import ast
import json
import os
import sys
import textwrap
import weakref
from pathlib import Path

from fer_utils.names import CHOICES, NETWORKS, RANGES, Architecture, did_you_mean
from fer_utils.project import PROJECT_ROOT, other_project, resolve, shown, unknown_in_path
from fer_utils.runs.folder import AGAIN, RunError

KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a dict"}
NEEDED = {  # an empty path would be the project's own folder
    "OUTPUT_DIR": "the folder for the runs, such as 'outputs/interactive'",
    "SOURCE": "'sample', or a folder with one folder of images per class",
}

MADE = ("model", "splits", "train_images")  # the notebooks' variables whose content depends on the parameters


class Collected(dict):
    """A notebook's parameters, name -> value, with a check that the notebook still uses them.

    Cells can be run in any order. A parameter may be changed after the run began, or a model may be left from an
    earlier run. Then these values do not describe the training. namespace: the notebook's `globals()`.
    """

    def __init__(self, values, namespace):
        super().__init__(values)
        self._namespace = namespace
        self._declared = {name: namespace[name] for name in values}  # may hold Path objects, where `values` has text
        existing = {name: namespace[name] for name in MADE if name in namespace}
        # Weak references: they do not keep an old model in memory.
        self._earlier = {name: weakref.ref(made) for name, made in existing.items() if type(made).__weakrefoffset__}

    def departure(self):
        """The first difference between the notebook and these values, in words; "" if there is none."""
        for name, value in self._declared.items():
            if self._namespace.get(name) != value:
                return f"{name} was {_short(value)} when the run began and is {_short(self._namespace.get(name))} now"
        for name, earlier in self._earlier.items():
            if name in self._namespace and self._namespace[name] is earlier():
                return f"`{name}` was made before the run began"
        return ""


def problem(name, value, default):
    """What is wrong with a parameter's value and which values are allowed, in words; "" if nothing is wrong.

    default: the notebook's default, whose type the value must have; None allows any type. For a parameter in RANGES,
    the range decides the type, since an edited cell may hold another default.
    """
    kind = RANGES[name][0] if name in RANGES else default
    if kind is not None and not _is_of_kind(value, kind):
        return f"{name}={_short(value)} makes no sense: give {KINDS[type(kind)]}"
    if name in CHOICES and value not in CHOICES[name]:
        return f"{name}={_short(value)} is unknown: use one of {', '.join(map(repr, CHOICES[name]))}"
    if name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:  # also refuses NaN
        low, high = RANGES[name]
        return f"{name}={_short(value)} makes no sense: give {KINDS[type(kind)]} from {low} to {high}"
    if name in NEEDED and not str(value or "").strip():
        return f"{name} is empty: give {NEEDED[name]}"
    if isinstance(value, str) and "\0" in value:
        return f"{name}={_short(value)} contains a null character, which no path can have: give it without"
    if name == "OUTPUT_DIR" and (unknown := unknown_in_path(value)):  # else a folder with that name would be made
        return f"OUTPUT_DIR={_short(value)}: {unknown} has no value here: write the path out in full"
    return ""


def problem_together(values):
    """Which parameters do not fit together, in words; "" if all do. values: name -> value."""
    network = NETWORKS.get(values.get("ARCHITECTURE"), Architecture("none", least_size=0))
    size, least = values.get("INPUT_SIZE"), network.least_size
    if size is not None and size < least:
        halvings = f"{values['ARCHITECTURE']} halves the image {least.bit_length() - 1} times"
        return f"INPUT_SIZE={size} is too small, since {halvings}: give {least} or more"
    if values.get("ARCHITECTURE") == "efficientnetb0" and values.get("WIDTH", 1.0) != 1:
        return f"WIDTH={values['WIDTH']}: efficientnetb0 exists in its published width only: give 1.0"
    if values.get("WIDTH", 1.0) < network.least_width:
        return (
            f"WIDTH={values['WIDTH']} is too narrow for {values['ARCHITECTURE']}, whose training crashes TensorFlow on "
            f"CPUs with fewer than 16 channels: give {network.least_width} or more"
        )
    head, epochs = values.get("HEAD_EPOCHS", 0), values.get("EPOCHS", 1)
    if head >= epochs:
        return f"HEAD_EPOCHS={head} leaves none of EPOCHS={epochs} for the unfrozen layers: give fewer, or more EPOCHS"
    stage, first = values.get("HEAD_STAGE", 5), values.get("UNFREEZE_FROM", 1)
    if first > stage:
        return (
            f"UNFREEZE_FROM={first} leaves nothing to unfreeze, since HEAD_STAGE={stage} cuts off the stages after it: "
            f"give {stage} or less, or a later HEAD_STAGE"
        )
    if values.get("HEAD") == "average" and values.get("HEAD_UNITS"):
        return "HEAD_UNITS sets dense layers, and HEAD='average' has none of them: give \"\", or another HEAD"
    if stage < 5 and network.stages < 4:
        return f"HEAD_STAGE={stage} is not for {values['ARCHITECTURE']}, which has no such stages: give 5, all of it"
    if "UNFREEZE_FROM" in values and first > network.stages:
        fix = f"give {network.stages} or less" if network.stages else "notebook 05 is for networks with stages"
        return f"UNFREEZE_FROM={first} is not for {values['ARCHITECTURE']}, which has no such stage: {fix}"
    return ""


def _is_of_kind(value, default):
    if isinstance(value, bool) or isinstance(default, bool):  # bool is a subclass of int
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, str):
        return isinstance(value, str | os.PathLike)
    return isinstance(value, type(default))


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def declared_parameters(notebook):
    """The names and default values in a notebook's cell tagged `parameters`, as a dict in the cell's order.

    notebook: a stem such as "03_train_from_scratch", or a path. Raises RunError if the notebook cannot be read, or if
    the cell contains anything but literals.
    """
    path = Path(notebook) if str(notebook).endswith(".ipynb") else resolve(f"notebooks/{notebook}.ipynb")
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    except FileNotFoundError:
        raise RunError(
            f"{path}: there is no such notebook. If the project (the folder with notebooks/) is elsewhere, start "
            "Jupyter or papermill in it, or set FER_ROOT to it in the environment"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # half saved, or with git's conflict markers
        raise RunError(f"{shown(path)}: is damaged or no notebook ({error}). Save it again or git restore it") from None
    if len(tagged) != 1:
        raise RunError(f"{shown(path)}: needs exactly one cell tagged `parameters`, has {len(tagged)}")
    return _literals(tagged[0], shown(path))


def collect_parameters(notebook, namespace):
    """The values that a notebook runs with, checked, as a dict; call it in the cell after the parameters.

    notebook: its stem. namespace: the notebook's `globals()`. Raises RunError for a value that is missing or makes no
    sense (``names``), and for an UPPERCASE name that is not a declared parameter. papermill only warns of unknown
    names, so a typing error would train for hours with the default. PARAMETERS, the notebook's name for this dict, and
    names from IPython's start-up files are allowed. ``check_declared`` compares dict and namespace again later.
    Raises RunError, too, in a copy of the project that would run the code of the first and write there.
    """
    if here := other_project():
        raise RunError(
            f"{here}: its notebooks would run the code of {PROJECT_ROOT} and write there. If it is a copy, remove its "
            ".venv, run `make setup` in it, and use its own environment; or set FER_ROOT to the project to work in"
        )
    declared = declared_parameters(notebook)
    given = [name for name in namespace if name.isupper() and not name.startswith("_") and name != "PARAMETERS"]
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    before = getattr(shell, "user_ns_hidden", {})  # what existed before the first cell: name -> value
    for name in given:
        if name not in declared and not (name in before and before[name] is namespace[name]):
            raise RunError(f"{notebook} has no parameter {name}{did_you_mean(name, declared)}")
    if lacking := [name for name in declared if name not in namespace]:
        raise RunError(f"{notebook}: {lacking[0]} has no value: restore its line in the parameters cell, and run it")
    values = {name: namespace[name] for name in declared}
    values = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in values.items()}
    problems = [problem(name, values[name], default) for name, default in declared.items()]
    wrong = next((text for text in problems if text), "") or problem_together(values)
    if wrong:
        raise RunError(f"{notebook}: {wrong}")
    return Collected(values, namespace)


def _literals(text, place):
    """The values assigned in a parameters cell, with or without annotations: name -> value. place: the notebook."""
    found = {}
    line, code, reason = 1, text, ""
    try:
        for item in ast.parse(text).body:
            line, code = item.lineno, ast.get_source_segment(text, item)
            match item:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    found[name] = ast.literal_eval(value)
                    if json.loads(json.dumps(found[name], allow_nan=False)) != found[name]:
                        raise ValueError("a manifest cannot hold a tuple, or a key that is not a string")
                case _:
                    raise ValueError("not an assignment to one name")
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:  # what literal_eval may raise
        if isinstance(error, SyntaxError) and error.lineno:
            line, code, reason = error.lineno, text.splitlines()[error.lineno - 1], f" ({error.msg})"
        raise RunError(
            f"{place}: line {line} of the parameters cell is `{textwrap.shorten(code, 80)}`, but has to be NAME = a "
            f"number, text, True, False, None, list or dict{reason}. Write the value itself, all else in the next cell"
        ) from None
    return found


def check_declared(collected):
    """Raise RunError if the notebook no longer uses the parameters that ``collect_parameters`` returned."""
    reason = collected.departure() if isinstance(collected, Collected) else ""
    if reason:
        raise RunError(f"{reason}, so the manifest would not describe this run. {AGAIN}")
