"""Parsed data on disk, so that only the first notebook waits for a CSV of 301 MB or for 35,887 small images.

An entry is one file: a line of JSON (checksums, warnings, source), then the arrays as NumPy writes them, uncompressed.
It is found by its source and the source's state (size, time of change), so a changed source is read again; its content
is checked at each load; it appears under its name only when it is whole. A cache that cannot be used costs time and
nothing else.
"""

import hashlib
import json
import os
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np

from fer_utils import parameters
from fer_utils.faces import DataWarning, Faces
from fer_utils.project import PROJECT_ROOT

ARRAYS = ("images", "labels", "usage", "row_ids")


def cache_folder():
    """$FER_CACHE, else fer_utils in $XDG_CACHE_HOME, else in ~/.cache, or without a home in the temporary folder."""
    if chosen := os.environ.get("FER_CACHE"):
        return PROJECT_ROOT / parameters.expand_path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "fer_utils"
    home = os.path.expanduser("~")  # which is left as it is for a user whom the machine does not know, without HOME
    return Path(home if home != "~" else tempfile.gettempdir()) / ".cache" / "fer_utils"


def entry_path(source, state):
    """Where the entry of `source` (a name or a path) in `state` (whatever changes with its content) lies."""
    parts = [hashlib.sha256(str(part).encode("utf-8", "surrogateescape")).hexdigest()[:16] for part in (source, state)]
    return cache_folder() / f"faces-{parts[0]}-{parts[1]}.cache"


def load(path):
    """(Faces, list of the reader's warnings) from the entry at `path`; None if there is none.

    A damaged entry counts as none, with a warning that says so.
    """
    try:
        with open(path, "rb") as file:
            details = json.loads(file.readline())
            arrays = {name: np.load(file, allow_pickle=False) for name in ARRAYS}
        if _content_check(arrays, details) != details["check"]:
            raise ValueError("its content does not match its checksum")
        return Faces(**arrays, source=details["source"], checksum=details["checksum"]), details["warnings"]
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged file makes NumPy and json raise almost anything
        warnings.warn(
            f"The cache file {path} is damaged or cannot be read ({type(error).__name__}: {error}); "
            "the source is read again.",
            DataWarning,
            stacklevel=4,
        )
        return None


def store(path, faces, messages):
    """Write an entry at `path`, whole or not at all, in place of older entries of the same source."""
    arrays = {name: getattr(faces, name) for name in ARRAYS}
    details = {"source": faces.source, "checksum": faces.checksum, "warnings": messages}
    details["check"] = _content_check(arrays, details)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".faces-", delete=False) as file:
            temporary = file.name
            file.write(json.dumps(details).encode() + b"\n")
            for array in arrays.values():
                np.save(file, array, allow_pickle=False)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        warnings.warn(
            f"The data cannot be cached in {path.parent} ({error}), so each load reads its source again. "
            "Set FER_CACHE to a folder that can be written.",
            DataWarning,
            stacklevel=4,
        )
        return
    _remove_older(path)


def _content_check(arrays, details):
    """A fast checksum over all that an entry holds, against damage; `Faces.checksum` says what the data are."""
    check = zlib.crc32(json.dumps([details["source"], details["checksum"], details["warnings"]]).encode())
    for array in arrays.values():
        check = zlib.crc32(f"{array.dtype}{array.shape}".encode(), check)
        check = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1), check)
    return check


def _remove_older(path):
    for other in path.parent.glob(path.name[: len("faces-") + 17] + "*.cache"):
        if other.name != path.name:
            other.unlink(missing_ok=True)
