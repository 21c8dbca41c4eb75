"""Kinds of exercises: each says what is wrong with an answer, or nothing (the labs of ``course/``)."""

import copy
import inspect
import math
import traceback
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

CASES = 40  # inputs that a function is called with
TOLERANCE = 1e-6  # relative; another order of additions differs by less
FROM_ZERO = 1e-9  # absolute, where a result is 0
UNWRITTEN = "The body of your function is not written yet."
WRITTEN = "written down. This check does not judge its content."
LONGEST = 500  # characters of a value that are shown


@dataclass(frozen=True)
class Function:
    """The student's function gives what the package's does, on inputs that grow from case to case.

    reference: the package's own. draw: (numpy Generator, number of the case from 0) -> dict of arguments. hint: how to
    think about it, without the answer. tolerance: relative.
    """

    reference: Callable
    draw: Callable
    hint: str
    tolerance: float = TOLERANCE

    def wrong(self, name, answer) -> str | None:
        if not callable(answer):
            return f"Give the function itself, as in check({name!r}, {name}). You gave {described(answer)}."
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        for case in range(CASES):
            given = self.draw(generator, case)
            expected = self.reference(**copy.deepcopy(given))
            said = _called(answer, given, expected, self.tolerance)
            if said == UNWRITTEN:
                return said  # a hint comes after an attempt
            if said:
                return f"Your function is wrong on this input:\n{_arguments(given)}\n{said}\nHint: {self.hint}"
        return None


@dataclass(frozen=True)
class Number:
    """A number that the student worked out or measured lies from `low` to `high`, both allowed."""

    low: float
    high: float
    hint: str

    def wrong(self, name, answer) -> str | None:
        if isinstance(answer, bool) or np.ndim(answer) or not _is_number(answer):
            return f"Give a number. You gave {described(answer)}."
        if not self.low <= float(answer) <= self.high:
            return f"Your number, {answer}, is not accepted.\nHint: {self.hint}"
        return None


@dataclass(frozen=True)
class Prediction:
    """Anything that can be meant, from `low` to `high`: what is asked for is that it was written down."""

    low: float
    high: float
    unit: str
    said: str = field(default=WRITTEN, init=False)

    def wrong(self, name, answer) -> str | None:
        inside = not isinstance(answer, bool) and not np.ndim(answer) and _is_number(answer)
        if not inside or not self.low <= float(answer) <= self.high:
            return f"First write down your guess: {self.unit} from {self.low:g} to {self.high:g}."
        return None


@dataclass(frozen=True)
class Judged:
    """Something that has no single right answer, such as a network.

    judge: answer -> a sentence on what is wrong, or None. said: what is printed of an answer that is right.
    """

    judge: Callable
    hint: str
    said: str = "right."

    def wrong(self, name, answer) -> str | None:
        try:
            said = self.judge(answer)
        except NotImplementedError:
            return UNWRITTEN
        except Exception as error:
            said = f"The check of your answer stopped with an error: {type(error).__name__}: {error}"
        return f"{said}\nHint: {self.hint}" if said else None


# --- calling -----------------------------------------------------------------------------------------------------


def _called(answer, given, expected, tolerance):
    """What is wrong with one call of the student's function, or None."""
    own = copy.deepcopy(given)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            got = answer(**own)
    except NotImplementedError:
        return UNWRITTEN
    except TypeError as error:
        if list(inspect.signature(answer).parameters) != list(given):
            return f"Your function must have the arguments {', '.join(given)}. Python says: {error}"
        return _raised(error)
    except Exception as error:
        return _raised(error)
    if got is None and expected is not None:
        return "Your function returns nothing. Does it end with a `return` line?"
    changed = next((name for name in given if difference(given[name], own[name])), None)
    if changed:
        return f"Your function changes its argument {changed}. Make a copy, and change only the copy."
    said = difference(expected, got, tolerance)
    return f"Your function returns {described(got)}\n{said}" if said else None


def _raised(error):
    own = traceback.extract_tb(error.__traceback__)[1:2]  # the first is the call in this module
    line = f", in its line `{own[0].line}`" if own and own[0].line else ""
    return f"Your function raises {type(error).__name__}: {error}{line}."


def _arguments(given):
    return "\n".join(f"    {name} = {described(value)}" for name, value in given.items())


# --- comparing ---------------------------------------------------------------------------------------------------


def difference(expected, got, tolerance=TOLERANCE) -> str | None:
    """In what `got` is another thing than `expected`, without naming the value that is expected; None if in nothing."""
    if expected is None:
        return None if got is None else "None is expected."
    if isinstance(expected, dict):
        return _of_dicts(expected, got, tolerance)
    if isinstance(expected, str | bool | np.bool_):
        same_kind = isinstance(got, str if isinstance(expected, str) else bool | np.bool_)
        return None if same_kind and expected == got else _asked(expected)
    try:
        wanted, found = np.asarray(expected), np.asarray(got)
    except ValueError:
        return _asked(expected)
    if isinstance(expected, list) and wanted.ndim == found.ndim == 1 and len(wanted) != len(found):
        return f"The result has {len(found)} entries; {len(wanted)} are expected."
    if wanted.shape != found.shape:
        return f"The result has the shape {found.shape}; {_shape(wanted.shape)} is expected."
    if wanted.dtype.kind in "biuf":
        return _of_numbers(wanted, found, tolerance)
    return None if wanted.tolist() == found.tolist() else _asked(expected)


def _of_dicts(expected, got, tolerance):
    if not isinstance(got, dict | pd.Series):
        return f"A dict with the keys {', '.join(map(repr, expected))} is expected."
    got = dict(got)
    if set(got) != set(expected):
        return f"The keys are {', '.join(map(repr, got)) or 'none'}; {', '.join(map(repr, expected))} are expected."
    wrong = {key: said for key, value in expected.items() if (said := difference(value, got[key], tolerance))}
    return next((f"At the key {key!r}: {said}" for key, said in wrong.items()), None)


def _of_numbers(wanted, found, tolerance):
    if found.dtype.kind not in "biuf":
        return "Numbers are expected."
    if wanted.dtype.kind == "b" and found.dtype.kind != "b":
        return "Truth values (True, False) are expected."
    close = np.isclose(found.astype(float), wanted.astype(float), rtol=tolerance, atol=FROM_ZERO, equal_nan=True)
    if close.all():
        return None
    if not wanted.ndim:
        return "Another value is expected."
    place = tuple(int(index) for index in np.argwhere(~close)[0])
    first = f"first at [{', '.join(map(str, place))}]"
    return f"The result is wrong at {int((~close).sum())} of {close.size} places, {first}."


def _asked(expected):
    truth, other = "Another answer (True or False)", "with other contents"
    kinds = {str: "Another text", bool: truth, np.bool_: truth, list: f"A list {other}", tuple: f"A tuple {other}"}
    return f"{kinds.get(type(expected), 'Another result')} is expected."


def _shape(shape):
    return "a single number" if shape == () else f"the shape {shape}"


def _is_number(value):
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def described(value) -> str:
    """A value as it is printed, cut where it is long; of arrays with more than a few numbers their shape too."""
    if isinstance(value, np.ndarray) and value.size > 60:
        return f"array of {value.dtype}, shape {value.shape}, beginning with {np.array2string(value.ravel()[:8])}"
    text = np.array2string(value, separator=", ") if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
