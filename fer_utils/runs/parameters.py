"""A notebook's parameters cell: read, checked, and held against what the notebook does later (all notebooks)."""

import ast
import json
import os
import sys
import textwrap
import weakref
from pathlib import Path

from fer_utils.names import CHOICES, NETWORKS, RANGES, Architecture, did_you_mean
from fer_utils.project import resolve, shown, unknown_in_path
from fer_utils.runs.folder import AGAIN, RunError

KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "a dict"}

MADE = ("model", "splits", "train_images")  # what notebooks call the things that they make as the parameters say


class Collected(dict):
    """A notebook's parameters, name -> value, which can tell whether the notebook still goes by them.

    Cells can be run in any order: a parameter that is set after the run has begun, or a model that is left from before,
    makes a training that these values do not describe. namespace: the notebook's `globals()`.
    """

    def __init__(self, values, namespace):
        super().__init__(values)
        self._namespace = namespace
        self._declared = {name: namespace[name] for name in values}  # a path as it was given, where `values` has text
        there = {name: namespace[name] for name in MADE if name in namespace}
        self._left = {name: weakref.ref(made) for name, made in there.items() if type(made).__weakrefoffset__}

    def departure(self):
        """The first thing in the notebook that these values do not describe, in words; "" where there is none."""
        for name, value in self._declared.items():
            if self._namespace.get(name) != value:
                return f"{name} was {_short(value)} when the run began and is {_short(self._namespace.get(name))} now"
        for name, left in self._left.items():
            if name in self._namespace and self._namespace[name] is left():
                return f"`{name}` was made before the run began"
        return ""


def problem(name, value, default):
    """What is wrong with a parameter's value and what it may be, in words; "" where nothing is.

    default: the notebook's own, whose type says what the value has to be; None allows any. Of what has a range, the
    range says it, since whoever edits the cell may have changed the default itself.
    """
    kind = RANGES[name][0] if name in RANGES else default
    if kind is not None and not _is_of_kind(value, kind):
        return f"{name}={_short(value)} makes no sense: give {KINDS[type(kind)]}"
    if name in CHOICES and value not in CHOICES[name]:
        return f"{name}={_short(value)} is unknown: use one of {', '.join(map(repr, CHOICES[name]))}"
    if name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:  # NaN lies nowhere
        low, high = RANGES[name]
        return f"{name}={_short(value)} makes no sense: give {KINDS[type(kind)]} from {low} to {high}"
    if name == "OUTPUT_DIR" and not str(value or "").strip():
        return "OUTPUT_DIR is empty: give the folder for the runs, such as 'outputs/interactive'"
    if isinstance(value, str) and "\0" in value:
        return f"{name}={_short(value)} holds a character that no path can have: give it without"
    if name == "OUTPUT_DIR" and (unknown := unknown_in_path(value)):  # a folder of that name would be made
        return f"OUTPUT_DIR={_short(value)}: {unknown} stands for nothing here: write out what it should stand for"
    return ""


def problem_together(values):
    """What is wrong with parameters that do not fit together, in words; "" where nothing is. values: name -> value."""
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
    if values.get("HEAD_EPOCHS", 0) >= values.get("EPOCHS", 1):
        return (
            f"HEAD_EPOCHS={values['HEAD_EPOCHS']} leaves none of EPOCHS={values['EPOCHS']} to what is unfrozen: "
            "give fewer, or more EPOCHS"
        )
    stage, first = values.get("HEAD_STAGE", 5), values.get("UNFREEZE_FROM", 1)
    if first > stage:
        return (
            f"UNFREEZE_FROM={first} leaves nothing to unfreeze, since HEAD_STAGE={stage} ends the backbone there: give "
            f"{stage} or less, or a later HEAD_STAGE"
        )
    if values.get("HEAD") == "average" and values.get("HEAD_UNITS"):
        return "HEAD_UNITS are of dense layers, which HEAD='average' has none of: give \"\", or another HEAD"
    if stage < 5 and not network.has_stages:
        return f"HEAD_STAGE={stage} is not for {values['ARCHITECTURE']}, which has no such stages: give 5, all of it"
    return ""


def _is_of_kind(value, default):
    if isinstance(default, bool) or isinstance(value, bool):
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
    """The names and default values in a notebook's cell tagged `parameters`, as a dict in their order.

    notebook: a stem such as "03_train_from_scratch", or a path. Raises RunError where the cell has more than literals.
    """
    path = Path(notebook) if str(notebook).endswith(".ipynb") else resolve(f"notebooks/{notebook}.ipynb")
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    except FileNotFoundError:
        raise RunError(
            f"{path}: there is no such notebook. If the project (the folder with notebooks/) lies elsewhere, start "
            "Jupyter or papermill in it, or set FER_ROOT to it in the environment"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # half saved, or a merge that git left undecided
        raise RunError(f"{shown(path)}: is damaged or no notebook ({error}). Save it anew, or git restore it") from None
    if len(tagged) != 1:
        raise RunError(f"{shown(path)}: needs exactly one cell tagged `parameters`, has {len(tagged)}")
    return _literals(tagged[0], shown(path))


def collect_parameters(notebook, namespace):
    """The values that a notebook runs with, as a dict; call it in the cell after the parameters.

    notebook: its stem. namespace: the notebook's `globals()`. papermill injects whatever it is given and only warns of
    names that the notebook does not have, so a typing error would train for hours with the default: an UPPERCASE name
    that is not a declared parameter raises RunError here, unless one of IPython's start-up files made it, and so does a
    value that makes no sense (``names``).
    PARAMETERS is the notebook's name for the answer, and there when its cell is run again. Whatever is saved with the
    answer is held against the namespace once more (``check_declared``).
    """
    declared = declared_parameters(notebook)
    given = [name for name in namespace if name.isupper() and not name.startswith("_") and name != "PARAMETERS"]
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    before = getattr(shell, "user_ns_hidden", {})  # names of before the first cell, and their values
    for name in given:
        if name not in declared and not (name in before and before[name] is namespace[name]):
            raise RunError(f"{notebook} has no parameter {name}{did_you_mean(name, declared)}")
    values = {name: namespace[name] for name in declared}
    values = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in values.items()}
    problems = [problem(name, values[name], default) for name, default in declared.items()]
    if wrong := next(filter(None, problems), "") or problem_together(values):
        raise RunError(f"{notebook}: {wrong}")
    return Collected(values, namespace)


def _literals(text, place):
    """The assignments in a parameters cell's text, with or without annotations: name -> value. place: the notebook."""
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
                    if json.loads(json.dumps(found[name], allow_nan=False)) != found[name]:  # a manifest has to hold it
                        raise ValueError("a tuple, or a key that is no text")
                case _:
                    raise ValueError("no assignment to one name")
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:  # as literal_eval's page has it
        if isinstance(error, SyntaxError) and error.lineno:
            line, code, reason = error.lineno, text.splitlines()[error.lineno - 1], f" ({error.msg})"
        raise RunError(
            f"{place}: line {line} of the parameters cell is `{textwrap.shorten(code, 80)}`, but has to be NAME = a "
            f"number, text, True, False, None, list or dict{reason}. Write the value itself, all else in the next cell"
        ) from None
    return found


def check_declared(collected):
    """Raise RunError if the notebook no longer goes by the parameters that ``collect_parameters`` returned."""
    reason = collected.departure() if isinstance(collected, Collected) else ""
    if reason:
        raise RunError(f"{reason}, so the manifest would describe another run than this one. {AGAIN}")
