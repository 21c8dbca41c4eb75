"""Find the project's folder (the one with notebooks/), and resolve paths given as parameters."""

import os
import re
from pathlib import Path

FIRST_NOTEBOOK = "notebooks/01_explore_data.ipynb"

CODE_ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds fer_utils: the project, or site-packages if it was installed without pip's `-e`."""


def is_root(folder):
    """Return whether `folder` is a project, by its first notebook; False if it may not be read."""
    return os.path.isfile(Path(folder) / FIRST_NOTEBOOK)


def find_root(code=CODE_ROOT):
    """Return the project's folder.

    Without FER_ROOT in the environment, it is the folder of the `code`, if that is a project. Otherwise the search
    starts at FER_ROOT, or else at the working directory (a notebook's own folder), and goes up to the first project.
    Without any, the start is returned: scripts that use the package without its notebooks expect relative paths to
    start there. Code that needs the notebooks reports that they are missing (``runs.declared_parameters``).
    """
    given = os.environ.get("FER_ROOT", "")
    if not given and is_root(code):
        return code
    start = Path(given).expanduser().resolve()
    return next((folder for folder in (start, *start.parents) if is_root(folder)), start)


PROJECT_ROOT = find_root()


def other_project():
    """Return the project in which the process works, if it is not the one of this code; None if it is, or if none is.

    A project that was copied with its .venv still runs the code of the first, and would write into it.
    """
    folder = Path.cwd()
    here = next((place for place in (folder, *folder.parents) if is_root(place)), PROJECT_ROOT)
    return None if os.environ.get("FER_ROOT") or here == PROJECT_ROOT else here


def expand_path(path):
    """Return `path` as text, with ~ and the environment's $VARIABLES filled in.

    Unknown ones stay as they are. So does every $ in a path that exists: it may be part of a name.
    """
    text = os.path.expanduser(os.fspath(path))
    return text if os.path.exists(PROJECT_ROOT / text) else os.path.expandvars(text)


def unknown_in_path(path):
    """Return the first ~ or $VARIABLE in a path that has no value; "" if there is none or the path exists."""
    found = re.search(r"^~[^/]*|\$(\w+|\{[^}]*\})", expand_path(path))
    return found[0] if found and not os.path.exists(resolve(path)) else ""


def resolve(path):
    """Return an absolute path, with ~ and $VARIABLES filled in; relative ones start at the project's root."""
    return PROJECT_ROOT / expand_path(path)


def shown(path):
    """Return a path as messages show it: relative to the project's root if it is inside, so that it is short."""
    path = Path(path)
    return path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path
