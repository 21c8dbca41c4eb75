"""``check``: test what a student wrote, and show the first input on which it is wrong."""

import importlib

from fer_utils.names import did_you_mean

LABS = ("lab1", "lab2", "lab3", "lab4", "lab5", "lab6")


class NotYet(AssertionError):
    """An exercise is not accepted yet. Jupyter shows the message without a traceback."""

    def _render_traceback_(self):
        return str(self).splitlines()


def exercises_of(lab) -> dict:
    """The exercises of one of ``LABS``: name -> ``Function``, ``Number``, ``Prediction`` or ``Judged`` (``kinds``)."""
    return importlib.import_module(f"fer_utils.course.{lab}").EXERCISES


def exercises() -> dict:
    """The exercises of all labs, as in ``exercises_of``. Each name is used once (tested)."""
    return {name: exercise for lab in LABS for name, exercise in exercises_of(lab).items()}


def check(name, answer=None):
    """Print that an answer is right, or raise NotYet with the first wrong input and a hint.

    name: of an exercise, as in the lab. answer: the student's function, number or network. A function is called with
    the same inputs in every run, and compared with the package's own function. The right result is not shown.
    """
    known = exercises()
    if not isinstance(name, str):
        raise NotYet('Give the name of the exercise first, as in the lab: check("floor_accuracy", floor_accuracy)')
    if name not in known:
        raise NotYet(f"There is no exercise {name!r}{did_you_mean(name, known)}")
    problem = known[name].wrong(name, answer)
    if problem:
        raise NotYet(f"{name}: not accepted yet.\n{problem}")
    print(f"{name}: {known[name].said}")
