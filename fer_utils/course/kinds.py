"""The kinds of exercises in the labs of ``course/``. Their ``wrong`` returns what is wrong with an answer, or None."""

import copy
import math
import traceback
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

CASES = 40  # inputs that a function is called with
TOLERANCE = 1e-6  # relative; adding up in another order changes a result by less
FROM_ZERO = 1e-9  # absolute, for a result of 0
RIGHT = "right."
UNWRITTEN = "The body of your function is not written yet."
WRITTEN = "written down. This check does not judge its content."
LONGEST = 500  # characters of a value that are shown


@dataclass(frozen=True)
class Function:
    """A function that must return the same as the package's own function, on inputs that grow from case to case.

    reference: the package's own function. draw: (numpy Generator, number of the case from 0) -> dict of arguments.
    hint: how to think about the exercise, without the answer. tolerance: relative.
    """

    reference: Callable
    draw: Callable
    hint: str
    tolerance: float = TOLERANCE
    said = RIGHT

    def wrong(self, name, answer) -> str | None:
        if not callable(answer):
            return f"Give the function itself, as in check({name!r}, {name}). You gave {described(answer)}."
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        for case in range(CASES):
            given = self.draw(generator, case)
            expected = self.reference(**copy.deepcopy(given))
            problem = _called(answer, given, expected, self.tolerance)
            if problem == UNWRITTEN:
                return problem  # no hint before the first attempt
            if problem:
                arguments = "\n".join(f"    {argument} = {described(value)}" for argument, value in given.items())
                return f"Your function is wrong on this input:\n{arguments}\n{problem}\nHint: {self.hint}"
        return None


@dataclass(frozen=True)
class Number:
    """A number that the student computed or measured. It must be from `low` to `high`, both allowed."""

    low: float
    high: float
    hint: str
    said = RIGHT

    def wrong(self, name, answer) -> str | None:
        if not _is_number(answer):
            return f"Give a number. You gave {described(answer)}."
        if not self.low <= float(answer) <= self.high:
            return f"Your number, {answer}, is not accepted.\nHint: {self.hint}"
        return None


@dataclass(frozen=True)
class Prediction:
    """A guess that the student must write down. Every number from `low` to `high` is accepted."""

    low: float
    high: float
    unit: str
    said = WRITTEN

    def wrong(self, name, answer) -> str | None:
        if _is_number(answer) and self.low <= float(answer) <= self.high:
            return None
        return f"First write down your guess as a number: {self.unit} from {self.low:g} to {self.high:g}."


@dataclass(frozen=True)
class Judged:
    """An answer that can be right in more than one way, such as a network.

    judge: function of the answer that returns a sentence on what is wrong, or None. said: printed if nothing is wrong.
    """

    judge: Callable
    hint: str
    said: str = RIGHT

    def wrong(self, name, answer) -> str | None:
        try:
            problem = self.judge(answer)
        except NotImplementedError:
            return UNWRITTEN
        except Exception as error:
            problem = f"The check of your answer stopped with an error: {type(error).__name__}: {error}"
        return f"{problem}\nHint: {self.hint}" if problem else None


def _called(answer, given, expected, tolerance):
    """What is wrong with one call of the student's function, or None."""
    own = copy.deepcopy(given)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            got = answer(**own)
    except NotImplementedError:
        return UNWRITTEN
    except TypeError as error:
        if error.__traceback__.tb_next is None:  # raised by the call itself, not in the function
            return f"Your function must have the arguments {', '.join(given)}. Python says: {error}"
        return _raised(error)
    except Exception as error:
        return _raised(error)
    if got is None and expected is not None:
        return "Your function returns None, but here something else is expected. Is a `return` line missing?"
    for name in given:
        if difference(given[name], own[name]):
            return f"Your function changes its argument {name}. Make a copy, and change only the copy."
    problem = difference(expected, got, tolerance)
    return f"Your function returns {described(got)}\n{problem}" if problem else None


def _raised(error):
    frames = traceback.extract_tb(error.__traceback__)  # the first is in this module, the second is the student's
    line = f", in its line `{frames[1].line}`" if len(frames) > 1 and frames[1].line else ""
    return f"Your function raises {type(error).__name__}: {error}{line}."


def difference(expected, got, tolerance=TOLERANCE) -> str | None:
    """How `got` differs from `expected`, without showing the expected value; None if they agree."""
    if expected is None:
        return None if got is None else "None is expected."
    if isinstance(expected, dict):
        return _of_dicts(expected, got, tolerance)
    if isinstance(expected, str):
        return None if isinstance(got, str) and got == expected else "Another text is expected."
    if isinstance(expected, bool | np.bool_):
        same = isinstance(got, bool | np.bool_) and got == expected
        return None if same else "Another answer (True or False) is expected."
    kind = type(expected).__name__
    other = f"A {kind} with other contents is expected." if kind in ("list", "tuple") else "Another result is expected."
    try:
        wanted, found = np.asarray(expected), np.asarray(got)
    except ValueError:  # a nested list whose parts have several lengths
        return other
    if isinstance(expected, list) and wanted.ndim == found.ndim == 1 and len(wanted) != len(found):
        return f"The result has {len(found)} entries; {len(wanted)} are expected."
    if wanted.shape != found.shape:
        shape = f"the shape {wanted.shape}" if wanted.shape else "a single number"
        return f"The result has the shape {found.shape}; {shape} is expected."
    if wanted.dtype.kind in "biuf":
        return _of_numbers(wanted, found, tolerance)
    return None if wanted.tolist() == found.tolist() else other


def _of_dicts(expected, got, tolerance):
    if not isinstance(got, dict | pd.Series):
        return f"A dict with the keys {', '.join(map(repr, expected))} is expected."
    got = dict(got)
    if set(got) != set(expected):
        return f"The keys are {', '.join(map(repr, got)) or 'none'}; {', '.join(map(repr, expected))} are expected."
    for key, value in expected.items():
        problem = difference(value, got[key], tolerance)
        if problem:
            return f"At the key {key!r}: {problem}"
    return None


def _of_numbers(wanted, found, tolerance):
    if found.size and found.dtype.kind not in "biuf":  # an empty Series of pandas has the dtype object
        return "Numbers are expected."
    if wanted.dtype.kind == "b" and found.dtype.kind != "b":
        return "Truth values (True, False) are expected."
    close = np.isclose(found.astype(float), wanted.astype(float), rtol=tolerance, atol=FROM_ZERO, equal_nan=True)
    if close.all():
        return None
    if not wanted.ndim:
        return "Another value is expected."
    wrong = np.argwhere(~close)
    return f"The result is wrong at {len(wrong)} of {close.size} places, first at {wrong[0].tolist()}."


def _is_number(value):
    """Whether a value is one finite number, and no text or Python's True: later cells of the labs compute with it."""
    try:
        return not isinstance(value, bool | str) and np.ndim(value) == 0 and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def described(value) -> str:
    """A value as text, cut off if it is long; of an array with more than 60 numbers, the dtype, shape and beginning."""
    if isinstance(value, np.ndarray) and value.size > 60:
        return f"array of {value.dtype}, shape {value.shape}, beginning with {np.array2string(value.ravel()[:8])}"
    text = np.array2string(value, separator=", ") if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
