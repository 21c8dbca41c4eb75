"""A cache of parsed data on disk, so that only the first notebook waits for a CSV of 301 MB or for 35,887 small images.

An entry is an .npz file. It is uncompressed, so that loading takes hardly longer than copying. It holds the state of
its source (size, time of change), so that a changed source is read again. zipfile checks its content at each load. It
gets its name only when it is complete. A cache that cannot be used costs time, but is no error.
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
    """Return $FER_CACHE, or else fer_utils in $XDG_CACHE_HOME or ~/.cache (without a home, in the temporary folder)."""
    if chosen := os.environ.get("FER_CACHE"):
        return resolve(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "fer_utils"
    home = os.path.expanduser("~")  # stays "~" without HOME, if the machine does not know the user
    return Path(home if home != "~" else tempfile.gettempdir()) / ".cache" / "fer_utils"


def entry_path(source):
    """Return the path of the entry for `source` (a name or a path)."""
    name = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return cache_folder() / f"faces-{name}.npz"


def load(source, state):
    """Return (Faces, list of the reader's warnings) for `source` in `state`, or None if there is no such entry.

    state: a text that changes with the source's content. A damaged entry counts as none, with a DataWarning.
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
            f"The cache file {path} is damaged or cannot be read ({type(error).__name__}: {error}), so "
            "the source is read again.",
            DataWarning,
            stacklevel=5,
        )
        return None


def store(faces, state, messages):
    """Save `faces` and the reader's warnings, completely or not at all, in place of the source's older entry."""
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
        warnings.warn(
            f"The data cannot be cached in {path.parent} ({error}), so each load reads its source again. "
            "Set FER_CACHE to a folder that can be written.",
            DataWarning,
            stacklevel=5,
        )
    finally:  # after an interruption, too
        if temporary:
            Path(temporary).unlink(missing_ok=True)
