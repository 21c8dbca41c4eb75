"""Find out which layout of FER-2013 a path has (CSV file, image folders, archive), and read it into arrays."""

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

PARSER_VERSION = 2  # increase it when the same data give other arrays or warnings, so that older entries are not used
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
CHALLENGE_TRAIN, CHALLENGE_TEST = "train.csv", "test.csv"
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".csv.gz", ".tar.bz2", ".csv.bz2", ".tar.xz", ".csv.xz")
LAYOUTS = (
    "fer2013.csv, icml_face_data.csv, the challenge's train.csv, folders train and test (validation) with a folder for "
    "each emotion, or a zip or tar.gz of any of these"
)
GIVE_A_PATH = f"Give the path of {LAYOUTS}"
DEEPEST = 3  # levels of folders that are searched: unpacking nests fer2013/fer2013/fer2013.csv
MOST_FOLDERS = 2000  # that are searched on one level: a folder with more is not a copy of FER-2013
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError)
DAMAGED += (UnicodeDecodeError,)  # from a file name in a zip


class Parsed(NamedTuple):
    """images uint8 (n, 48, 48), labels uint8 (n,), usage <U11 (n,), row_ids int64 (n,), warnings (list of str)."""

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    row_ids: np.ndarray
    warnings: list


def locate(path):
    """Return the data file in `path`, if it is a folder that holds one, else `path`. Raises DataError if none fits."""
    path = Path(path)
    if not os.path.exists(path):
        raise DataError(f"{path}: {_why_missing(path)}")
    if path.is_dir():
        with _errors_of(path):
            kind, name, _ = _find_layout(DiskTree(path))
        return path / name if kind == "file" else path
    if not path.is_file():
        raise DataError(f"{path}: is neither a file nor a folder. {GIVE_A_PATH}.")
    return path


def _why_missing(path):
    if kaggle.is_at_kaggle(path):
        return "is a data set at Kaggle, not a path. Give DATA=kaggle, which downloads FER-2013 from there."
    if re.search("(https?|ftp|s3|gs):/|www[.]|git@", path.as_posix()):
        return f"is an address, not a path. Download the data from there. {GIVE_A_PATH}."
    return (
        f"no such file or folder. {GIVE_A_PATH}. Or give DATA=sample for the built-in sample, or DATA=kaggle to "
        "download FER-2013."
    )


def state(path):
    """Return a text that changes with the data at `path` (from ``locate``). It depends on sizes and times only."""
    digest = hashlib.sha256(f"parser {PARSER_VERSION}\n".encode())
    with _errors_of(path):
        if path.is_dir():
            _, base, splits = _find_layout(DiskTree(path))
            for name in splits.values():
                _add_folder_state(digest, path / base / name)
        else:
            _add_state(digest, path.name, path.stat())
    return digest.hexdigest()


def _add_folder_state(digest, folder, depth=2):
    """Add a split's class folders and their files. Deeper folders are refused later, and could be links back here."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            is_dead_link = not os.path.exists(entry.path)
            _add_state(digest, entry.path, entry.stat(follow_symlinks=not is_dead_link))
            if depth > 1 and entry.is_dir():
                _add_folder_state(digest, entry.path, depth - 1)


def _add_state(digest, name, stat):
    # `touch` and `cp -p` can set the time of modification (mtime) back, but not the time of change (ctime).
    times = f"{stat.st_mtime_ns}\0{stat.st_ctime_ns}"
    digest.update(f"{name}\0{stat.st_size}\0{times}\n".encode("utf-8", "surrogateescape"))


def read(path):
    """Read the data at `path` (from ``locate``), whatever their layout: Parsed. Raises DataError."""
    path = Path(path)
    with _errors_of(path), contextlib.ExitStack() as opened:
        if path.is_dir():
            return _read_tree(DiskTree(path))
        file = opened.enter_context(DiskTree(path.parent).open(path.name))
        start = file.read(file_kinds.FIRST_BYTES)
        if unpack := file_kinds.unpacker(start):
            file = opened.enter_context(unpacked(path, unpack))
            start = file.read(file_kinds.FIRST_BYTES)
        elif start.startswith(b"PK") or (path.suffix.lower() == ".zip" and not file_kinds.recognize(start)):
            return _read_tree(zip_tree(path))
        file.seek(0)
        if file_kinds.is_tar(start):
            return _read_tree(tar_tree(path, file))
        return _read_csv(file, str(path), path.name)


@contextlib.contextmanager
def _errors_of(path):
    """Turn every error that reading `path` may raise into a DataError."""
    try:
        yield
    except (*DAMAGED, RuntimeError, OSError) as error:
        reason = str(error)[:300]  # zipfile quotes file names, which damage may have made very long
        is_from_bz2 = type(error) is OSError and error.errno is None  # how bz2 reports damage
        if isinstance(error, DAMAGED) or is_from_bz2:
            raise DataError(f"{path}: is not an archive, or is damaged ({reason}). Download it again.") from None
        if isinstance(error, RuntimeError):  # from zipfile, for a password or an unknown kind of compression
            fix = "Unpack it and give the folder, or download it again"
            raise DataError(f"{path}: cannot be unpacked ({reason}). {fix}.") from None
        raise DataError(f"{path}: cannot be read ({error}). Check the file's permissions and the disk.") from error


def _read_tree(tree):
    kind, name, splits = _find_layout(tree)
    if kind == "folders":
        return Parsed(*read_folders(tree, name, splits))
    with tree.open(name) as stream:
        return _read_csv(stream, tree.place(name), PurePosixPath(name).name)


def _read_csv(stream, place, name):
    """Read the CSV file that is open as `stream`: Parsed. place: how messages name it. name: its file name."""
    is_train = name.lower().startswith(CHALLENGE_TRAIN)  # or train.csv.gz
    images, labels, usage = csv_file.read_csv(stream, place, usage_needed=not is_train)
    messages = []
    if is_train and (usage == "Training").all():
        messages.append(
            f"{place} holds training rows only, so no protocol can evaluate with it (the challenge's test.csv has no "
            "labels). To evaluate, give fer2013.csv or icml_face_data.csv (DATA=kaggle downloads one)."
        )
    return Parsed(images, labels, usage, np.arange(len(labels), dtype=np.int64), messages)


def _find_layout(tree):
    """Find the data set in the folder itself or up to DEEPEST folders below it: (kind, name, splits).

    Returns ("file", the file's name, None) or ("folders", the splits' parent folder, {split: folder name}). The
    published CSV files are preferred, since they have all splits. Raises DataError for no data set, or more than one.
    """
    bases, published, parents = [], [], {}  # parents: {folder that holds splits: its splits}
    for base, folders, files in _bases(tree):
        bases.append((base, folders, files))
        if name := _first_named(files, CSV_NAMES):
            published.append(_join(base, name))
            if not base:
                break
        splits = split_folders(folders, tree.place(base))
        # A copy inside another data set, such as Kaggle's images/images, does not count as a second data set.
        if splits and not any(PurePosixPath(base).is_relative_to(outer) for outer in parents):
            parents[base] = splits
    if published:
        return "file", _only_file(tree, published), None
    if parents:
        base = _only(tree, list(parents))
        return "folders", base, parents[base]
    other = []
    for base, _, files in bases:
        train = _first_named(files, [CHALLENGE_TRAIN])
        names = [train] if train else [name for name in files if _holds_faces(tree, _join(base, name))]
        other += [_join(base, name) for name in names]
    if not other and isinstance(tree, DiskTree):
        other = [_join(base, name) for base, _, files in bases for name in files if name.lower().endswith(ARCHIVES)]
    if other:
        return "file", _only_file(tree, other), None
    raise DataError(_no_layout(tree, bases))


def _bases(tree):
    """Yield (name, folders, files) for the folder itself and those below it, level by level, but not below a split."""
    level = [""]
    for depth in range(DEEPEST + 1):
        deeper = []
        for name in level[:MOST_FOLDERS]:
            try:
                folders, files = tree.children(name)
            except PermissionError:
                if depth < 2:
                    raise
                continue  # so deep, it is probably another user's folder
            yield name, folders, files
            if not _is_split(name):
                deeper += [_join(name, folder) for folder in folders]
        level = deeper


def _is_split(name):
    return PurePosixPath(name).name.lower() in SPLIT_NAMES


def _only_file(tree, found):
    """Return the only file found, or the only one of them in the folder itself. Raises DataError for several."""
    own = [name for name in found if "/" not in name]
    return _only(tree, own if len(own) == 1 else found)


def _only(tree, found):
    if len(found) > 1:
        raise DataError(
            f"{tree.place('')}: holds {len(found)} data sets, and it is not clear which one is meant: "
            f"{', '.join(found)}. Give the path of one of them."
        )
    return found[0]


def _first_named(files, wanted):
    """Return the file with the first `wanted` name that any file has, upper or lower case; None if there is none."""
    return next((name for want in wanted for name in files if name.lower() == want), None)


def _join(base, name):
    return f"{base}/{name}" if base else name


def _holds_faces(tree, name):
    """Return whether a file is a CSV file of labelled faces, by its name and its first line."""
    if not name.lower().endswith(".csv"):
        return False
    with tree.open(name) as stream:
        return csv_file.looks_like_faces(stream)


def _no_layout(tree, bases):
    _, folders, files = bases[0]
    inside = [name + "/" for name in folders] + files
    shown = ", ".join(inside[:8]) + (", ..." if len(inside) > 8 else "") if inside else "nothing"
    message = f"{tree.place('')}: holds no known layout of FER-2013; found {shown}. "
    if any(_first_named(files, [CHALLENGE_TEST]) for _, _, files in bases):
        message += "The challenge's test.csv has no labels. "
    if packed := [name for name in files if name.lower().endswith(ARCHIVES)]:
        message += f"Unpack it, and give the path of {packed[0]} in it. "
    if "[Content_Types].xml" in files:
        message += "It is an Excel workbook, or another Office file: save the table as a CSV file. "
    if files and all(name.endswith(".npy") for name in files):
        message += f"It holds NumPy arrays. {file_kinds.ROWS}. "
    if classes := [base for base, folders, _ in bases if holds_classes(folders)]:
        fix = "move them into a folder train, next to a folder test"
        if _is_split(classes[0]):
            fix = "a folder train must be next to it"
        elif isinstance(tree, DiskTree) and not classes[0] and _is_split(tree.root.name):
            fix = f"give the folder above it, {tree.root.parent}"
        message += f"{tree.place(classes[0])} holds folders named after emotions, as a single split does: {fix}. "
    return message + f"Give {LAYOUTS}."
