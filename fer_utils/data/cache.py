"""Parsed data on disk, so that only the first notebook waits for a CSV of 301 MB or for 35,887 small images.

An entry is an .npz file (uncompressed: a load is then hardly more than a copy). It holds the state that its source was
in (size, time of change), so a changed source is read again; zipfile checks its content at each load; and it appears
under its name only when it is whole. A cache that cannot be used costs time and nothing else.
"""

import hashlib
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np

from fer_utils.data.faces import DataWarning, Faces
from fer_utils.project import resolve

ARRAYS = ("images", "labels", "usage", "row_ids")


def cache_folder():
    """$FER_CACHE, else fer_utils in $XDG_CACHE_HOME, else in ~/.cache, or without a home in the temporary folder."""
    if chosen := os.environ.get("FER_CACHE"):
        return resolve(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "fer_utils"
    home = os.path.expanduser("~")  # which is left as it is for a user whom the machine does not know, without HOME
    return Path(home if home != "~" else tempfile.gettempdir()) / ".cache" / "fer_utils"


def entry_path(source):
    """Where the entry of `source` (a name or a path) lies."""
    name = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return cache_folder() / f"faces-{name}.npz"


def load(source, state):
    """(Faces, list of the reader's warnings) of `source` in `state` (whatever changes with its content), else None.

    A damaged entry counts as none, with a warning that says so.
    """
    path = entry_path(source)
    try:
        with np.load(path, allow_pickle=False) as entry:
            if str(entry["state"]) != state:
                return None
            arrays = {name: entry[name] for name in ARRAYS}
            return Faces(**arrays, source=source, checksum=str(entry["checksum"])), entry["warnings"].tolist()
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged file makes NumPy and zipfile raise almost anything
        warnings.warn(
            f"The cache file {path} is damaged or cannot be read ({type(error).__name__}: {error}); "
            "the source is read again.",
            DataWarning,
            stacklevel=5,
        )
        return None


def store(faces, state, messages):
    """Keep `faces` and the reader's warnings, whole or not at all, in place of an older entry of the same source."""
    path = entry_path(faces.source)
    content = {name: getattr(faces, name) for name in ARRAYS}
    content |= {"state": state, "checksum": faces.checksum, "warnings": np.array(messages, str)}
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".faces-", delete=False) as file:
            temporary = file.name
            np.savez(file, **content)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        warnings.warn(
            f"The data cannot be cached in {path.parent} ({error}), so each load reads its source again. "
            "Set FER_CACHE to a folder that can be written.",
            DataWarning,
            stacklevel=5,
        )
