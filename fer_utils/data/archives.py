"""The layouts in which people have FER-2013, each read into the same arrays: CSV files, image folders, archives."""

import contextlib
import gzip
import hashlib
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from fer_utils.data import csv_file, file_kinds, kaggle
from fer_utils.data.faces import DataError
from fer_utils.data.folders import SPLIT_NAMES, holds_classes, read_folders, split_folders
from fer_utils.data.trees import DiskTree, tar_tree, unpacked, zip_tree

PARSER_VERSION = 1  # raise it when the same file gives other arrays, so that no cache entry of before is used
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
CHALLENGE_TRAIN, CHALLENGE_TEST = "train.csv", "test.csv"
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".csv.gz", ".tar.bz2", ".csv.bz2", ".tar.xz", ".csv.xz")
LAYOUTS = (
    "fer2013.csv, icml_face_data.csv, the challenge's train.csv, folders train and test (validation) with a folder for "
    "each emotion, or a zip or tar.gz of any of these"
)
DEEPEST = 3  # folders down, as far as a data set is looked for: unpacking nests fer2013/fer2013/fer2013.csv
MOST_FOLDERS = 2000  # on one level: beyond that it is something else
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError),
    UnicodeDecodeError,  # of a name in a zip
)


class Parsed(NamedTuple):
    """images uint8 (n, 48, 48), labels uint8 (n,), usage <U11 (n,), row_ids int64 (n,), and what to warn of."""

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    row_ids: np.ndarray
    warnings: list


def locate(path):
    """What to read for `path`: the file in a folder that holds data as a file, else `path`. DataError if none fits."""
    path = Path(path)
    give = f"Give the path of {LAYOUTS}"
    if not os.path.exists(path):
        raise DataError(_not_there(path, give))
    if path.is_dir():
        with _errors_of(path):
            kind, name, _ = _find_layout(DiskTree(path))
        return path / name if kind == "file" else path
    if not path.is_file():
        raise DataError(f"{path}: is neither a file nor a folder. {give}.")
    return path


def _not_there(path, give):
    if kaggle.is_at_kaggle(path):
        return f"{path}: is a place at Kaggle, no path. Give DATA=kaggle, which downloads FER-2013 from there."
    if re.search("(https?|ftp|s3|gs):/|www[.]|git@", path.as_posix()):
        return f"{path}: is an address, no path. Download what is there. {give}."
    return (
        f"{path}: no such file or folder. {give}; or DATA=sample for the built-in sample, or DATA=kaggle "
        "to download FER-2013."
    )


def state(path):
    """A text that changes when the data at `path` (as `locate` gives it) change: sizes and times, not contents."""
    digest = hashlib.sha256(f"parser {PARSER_VERSION}\n".encode())
    with _errors_of(path):
        if path.is_dir():
            _, base, splits = _find_layout(DiskTree(path))
            for part in (path / base / name for name in splits.values()):
                _add_folder_state(digest, part) if part.is_dir() else _add_state(digest, part.name, part.stat())
        else:
            _add_state(digest, path.name, path.stat())
    return digest.hexdigest()


def _add_folder_state(digest, folder, depth=2):
    """A split's classes and their files; what lies deeper is refused, and could be a link back to where it lies."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            _add_state(digest, entry.path, entry.stat(follow_symlinks=os.path.exists(entry.path)))
            if depth > 1 and entry.is_dir():
                _add_folder_state(digest, entry.path, depth - 1)


def _add_state(digest, name, stat):
    # The time of change cannot be put back, as `touch` and `cp -p` put back that of modification.
    times = f"{stat.st_mtime_ns}\0{stat.st_ctime_ns}"
    digest.update(f"{name}\0{stat.st_size}\0{times}\n".encode("utf-8", "surrogateescape"))


def read(path):
    """Read whatever layout lies at `path` (as `locate` gives it): Parsed. Raises DataError."""
    path = Path(path)
    with _errors_of(path), contextlib.ExitStack() as opened:
        if path.is_dir():
            return _read_tree(DiskTree(path))
        file = opened.enter_context(DiskTree(path.parent).open(path.name))
        name, start = path.name, file.read(file_kinds.FIRST_BYTES)
        if unpack := file_kinds.unpacker(start):
            file = opened.enter_context(unpacked(path, unpack))
            name, start = path.stem, file.read(file_kinds.FIRST_BYTES)
        elif start.startswith(b"PK") or (path.suffix.lower() == ".zip" and not file_kinds.recognize(start)):
            return _read_tree(zip_tree(path))
        file.seek(0)
        if file_kinds.is_tar(start):
            return _read_tree(tar_tree(path, file))
        return _read_csv(file, str(path), name)


@contextlib.contextmanager
def _errors_of(path):
    """Whatever reading `path` raises is one DataError."""
    try:
        yield
    except DAMAGED as error:
        raise DataError(_damaged(path, error)) from None
    except RuntimeError as error:  # of zipfile: a password, or a way of packing that it does not know
        raise DataError(
            f"{path}: cannot be unpacked ({str(error)[:300]}). Unpack it and give the folder, or download it again."
        ) from None
    except OSError as error:
        if type(error) is OSError and error.errno is None:  # bz2's own word for damage
            raise DataError(_damaged(path, error)) from None
        raise DataError(f"{path}: cannot be read ({error}). Check the file's permissions and the disk.") from error


def _damaged(path, error):
    reason = str(error)[:300]  # zipfile quotes names, however long damage has made them
    return f"{path}: is no archive, or damaged ({reason}). Download it again."


def _read_tree(tree):
    kind, name, splits = _find_layout(tree)
    if kind == "folders":
        return Parsed(*read_folders(tree, name, splits))
    with tree.open(name) as stream:
        return _read_csv(stream, tree.place(name), PurePosixPath(name).name)


def _read_csv(stream, place, name):
    """A CSV file, open as `stream`: Parsed. place: how messages name it; name: its own, in its folder."""
    is_train = name.lower() == CHALLENGE_TRAIN
    images, labels, usage = csv_file.read_csv(stream, place, usage_needed=not is_train)
    only_training = (
        f"{place} holds training rows only, so neither protocol's evaluation can be had (the challenge's test.csv has "
        "no labels). For that, give fer2013.csv or icml_face_data.csv (DATA=kaggle downloads one)."
    )
    messages = [only_training] if is_train and (usage == "Training").all() else []
    return Parsed(images, labels, usage, np.arange(len(labels), dtype=np.int64), messages)


def _find_layout(tree):
    """What lies in the folder itself or up to DEEPEST folders down: (kind, name, {split: name}).

    ("file", its name, None) or ("folders", the splits' parent, splits). The published files go first, since they tell
    the splits. Raises DataError for none, or for several of a kind.
    """
    bases, published, split, other = [], [], [], []
    for base, folders, files in _bases(tree):
        bases.append((base, folders, files))
        published += [_join(base, found) for found in [_first_named(files, CSV_NAMES)] if found]
        if published and not base:
            break
        split += [(base, splits) for splits in [split_folders(folders)] if splits]
    if published:
        return "file", _only(tree, published), None
    if split:
        # A copy within, as Kaggle's images/images, is no other data set.
        bases = [base for base, _ in split]
        outer = [
            base for base in bases if not any(base.startswith(_join(other, "")) for other in bases if other != base)
        ]
        base = _only(tree, outer, own=())
        return "folders", base, dict(split)[base]
    for base, _, files in bases:
        train = _named(files, CHALLENGE_TRAIN)
        other += [_join(base, name) for name in ([train] if train else _csvs_with_faces(tree, base, files))]
    if not other and isinstance(tree, DiskTree):
        files = [_join(base, name) for base, _, files in bases for name in files]
        other = [name for name in files if name.lower().endswith(ARCHIVES)]
    if other:
        return "file", _only(tree, other), None
    raise DataError(_no_layout(tree, bases))


def _bases(tree):
    """(name, folders, files) of the folder itself and of those below it, the nearest first; splits are not searched."""
    level = [""]
    for depth in range(DEEPEST + 1):
        found = []
        for name in level[:MOST_FOLDERS]:
            try:
                found.append((name, *tree.children(name)))
            except PermissionError:  # somebody else's, deep down
                if depth < 2:
                    raise
        yield from found
        inside = [(name, folder) for name, folders, _ in found for folder in folders if not _is_split(name)]
        level = [_join(name, folder) for name, folder in inside]


def _is_split(name):
    return PurePosixPath(name).name.lower() in SPLIT_NAMES


def _only(tree, found, own=None):
    """The one data set of those found, or the file in the folder itself (`own`). DataError where there are several."""
    own = [name for name in found if "/" not in name] if own is None else own
    if len(found) > 1 and len(own) != 1:
        raise DataError(
            f"{tree.place('')}: holds {len(found)} data sets, and it is not clear which one is meant: "
            f"{', '.join(found)}. Give the path of one of them."
        )
    return own[0] if own else found[0]


def _first_named(files, wanted):
    return next((found for name in wanted if (found := _named(files, name))), None)


def _named(files, wanted):
    return next((name for name in files if name.lower() == wanted), None)


def _join(base, name):
    return f"{base}/{name}" if base else name


def _csvs_with_faces(tree, base, files):
    found = []
    for name in files:
        if name.lower().endswith(".csv"):
            with tree.open(_join(base, name)) as stream:
                if csv_file.looks_like_faces(stream):
                    found.append(name)
    return found


def _no_layout(tree, bases):
    _, folders, files = bases[0]
    inside = [name + "/" for name in folders] + files
    shown = ", ".join(inside[:8]) + (", ..." if len(inside) > 8 else "") if inside else "nothing"
    message = f"{tree.place('')}: holds no layout of FER-2013 that is known; found {shown}. "
    if any(_named(files, CHALLENGE_TEST) for _, _, files in bases):
        message += "The challenge's test.csv has no labels. "
    if packed := [name for name in files if name.lower().endswith(ARCHIVES)]:
        message += f"Unpack it, and give the path of {packed[0]} in it. "
    if "[Content_Types].xml" in files:
        message += "It is an Excel workbook, or another Office file: save the table as a CSV file. "
    if files and all(name.endswith(".npy") for name in files):
        message += f"It holds NumPy arrays. {file_kinds.ROWS}. "
    if classes := [base for base, folders, _ in bases if holds_classes(folders)]:
        mend = "move them into a folder train, beside a folder test"
        if _is_split(classes[0]):
            mend = "a folder train must lie beside it"
        elif isinstance(tree, DiskTree) and not classes[0] and _is_split(tree.root.name):
            mend = f"give the folder above it, {tree.root.parent}"
        message += f"{tree.place(classes[0])} holds the emotions' folders, as a single split does: {mend}. "
    return message + f"Give {LAYOUTS}."
