"""``check``: is what a student wrote right, and if not, where does it first go wrong?"""

import importlib

from fer_utils.names import did_you_mean

LABS = ("lab1", "lab2", "lab3", "lab4", "lab5", "lab6")


class NotYet(AssertionError):
    """An exercise is not accepted yet. Jupyter shows what is wrong, and no traceback through this package."""

    def _render_traceback_(self):
        return str(self).splitlines()


def exercises_of(lab) -> dict:
    """The exercises of one of ``LABS``: name -> one of the kinds of ``kinds``."""
    return importlib.import_module(f"fer_utils.course.{lab}").EXERCISES


def exercises() -> dict:
    """All exercises: name -> one of the kinds of ``kinds``. No name is given twice (tested)."""
    return {name: exercise for lab in LABS for name, exercise in exercises_of(lab).items()}


def check(name, answer=None):
    """Print that an answer is right, or raise NotYet: the first input on which it goes wrong, and a hint.

    name: of an exercise, as it stands in the lab. answer: the student's function, number or network. Functions are
    called with inputs that are drawn alike in every run, and compared with the package's own. The answer is not shown.
    """
    known = exercises()
    if not isinstance(name, str):
        raise NotYet('Give the name of the exercise first, as in the lab: check("floor_accuracy", floor_accuracy)')
    if name not in known:
        raise NotYet(f"There is no exercise {name!r}{did_you_mean(name, known)}")
    said = known[name].wrong(name, answer)
    if said:
        raise NotYet(f"{name}: not accepted yet.\n{said}")
    print(f"{name}: {getattr(known[name], 'said', 'right.')}")
