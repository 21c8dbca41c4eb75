"""Where the project lies (the folder with notebooks/), and what a path in a parameter means."""

import os
import re
from pathlib import Path

FIRST_NOTEBOOK = "notebooks/01_explore_data.ipynb"

CODE_ROOT = Path(__file__).resolve().parents[1]
"""The folder that fer_utils is in: the project, or site-packages where it was installed without pip's `-e`."""


def is_root(folder):
    """Whether `folder` is the project's, by its first notebook; False where one may not look."""
    return os.path.isfile(Path(folder) / FIRST_NOTEBOOK)


def find_root(code=CODE_ROOT):
    """The project's folder.

    That is what FER_ROOT names in the environment, else the folder of the `code`, else where the process works (for a
    notebook: beside it) or the first folder above that is a project. Where there is none, it is the working directory:
    scripts that use the package without its notebooks expect relative paths to start there, and what does need the
    notebooks says that it lacks them (``runs.declared_parameters``).
    """
    given = os.environ.get("FER_ROOT", "")
    if not given and is_root(code):
        return code
    start = Path(given).expanduser().resolve()
    return next((folder for folder in (start, *start.parents) if is_root(folder)), start)


PROJECT_ROOT = find_root()


def expand_path(path):
    """`path` as text, ~ and $VARIABLES of the environment filled in.

    What is unknown of them stays as it stands, and so does a path at which there is something: $ may be part of a name.
    """
    text = os.path.expanduser(os.fspath(path))
    return text if os.path.exists(PROJECT_ROOT / text) else os.path.expandvars(text)


def unknown_in_path(path):
    """The first ~ or $VARIABLE of a path that stands for nothing here; "" for none, or where the path exists."""
    found = re.search(r"^~[^/]*|\$(\w+|\{[^}]*\})", expand_path(path))
    return found[0] if found and not os.path.exists(resolve(path)) else ""


def resolve(path):
    """An absolute path, ~ and $VARIABLES filled in; relative ones count from the project's root, not the kernel's."""
    return PROJECT_ROOT / expand_path(path)


def shown(path):
    """A path as messages name it: from the project's root where it lies below it, so that it is short to read."""
    path = Path(path)
    return path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path
