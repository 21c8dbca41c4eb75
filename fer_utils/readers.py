"""The layouts in which people have FER-2013, each read into the same arrays: CSV files, image folders, zips."""

import contextlib
import hashlib
import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from fer_utils import csv_reader
from fer_utils.faces import DataError
from fer_utils.folder_reader import read_folders, split_folders

PARSER_VERSION = 1  # raise it when the same file gives other arrays, so that no cache entry of before is used
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
CHALLENGE_TRAIN, CHALLENGE_TEST = "train.csv", "test.csv"
LAYOUTS = (
    "fer2013.csv, icml_face_data.csv, the challenge's train.csv, folders train and test (validation) with a folder for "
    "each emotion, or a zip of any of these"
)
ONLY_TRAINING = (
    "holds the challenge's training rows only: its test.csv has no labels, so neither protocol's evaluation can be "
    "had. For that, give fer2013.csv or icml_face_data.csv (DATA=kaggle downloads one)."
)


LARGEST_ZIP = 4 << 30  # bytes unpacked; FER-2013 takes 0.3 GB


class Parsed(NamedTuple):
    """images uint8 (n, 48, 48), labels uint8 (n,), usage <U11 (n,), row_ids int64 (n,), and what to warn of."""

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    row_ids: np.ndarray
    warnings: list


class DiskTree:
    """A folder on disk, seen through relative names with forward slashes; "" is the folder itself."""

    def __init__(self, root):
        self.root = Path(root)

    def children(self, name):
        """(folders, files) in the folder `name`: sorted names, without hidden files and what operating systems add."""
        with os.scandir(self.root / name) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries]
        return _sorted_children(found)

    def open(self, name):
        path = self.root / name
        if not path.is_file():  # a link that leads nowhere, or a pipe, which one would wait for for ever
            raise DataError(f"{path}: is no file, nor a link to one. Delete it, or download the data again.")
        return open(path, "rb")

    def place(self, name):
        return str(self.root / name)


class ZipTree:
    """A zip seen the same way as a folder; nothing is unpacked to disk.

    largest: bytes that it may unpack to, None for LARGEST_ZIP. Raises DataError for a zip that cannot be trusted.
    """

    def __init__(self, path, largest=None):
        self.path = path
        self.members = {}  # name as seen here: member of the zip
        try:
            self.zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise DataError(f"{path}: is no zip or a damaged one ({str(error)[:300]}). Download it again.") from None
        self.tree = {"": {}}
        self._check_sizes(LARGEST_ZIP if largest is None else largest)
        for member in self.zip.infolist():
            name = self._checked_name(member)
            if name:
                self.members[name] = member
                self._add(name, member.is_dir() or member.filename.endswith("\\"))

    def _check_sizes(self, largest):
        """zipfile reads no more of a member than the zip states, so what is stated can be relied on."""
        stated = sum(member.file_size for member in self.zip.infolist())
        if stated > largest:
            raise DataError(
                f"{self.path}: unpacks to {stated / 1e9:,.1f} GB, where at most {largest / 1e9:,.1f} GB are "
                "expected. It is something else, or made to fill the memory: download another."
            )

    def _checked_name(self, member):
        """A member's name with forward slashes. Nothing is unpacked, but a zip with such members is none to trust."""
        name = member.filename.replace("\\", "/").removeprefix("./")
        mend = "Do not trust it: download another"
        if ".." in name.split("/") or name.startswith("/") or name[1:3] == ":/":
            raise DataError(f"{self.path}: its member {member.filename!r} leads out of the zip. {mend}.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{self.path}: its member {member.filename!r} is a link. {mend}, or give the folder.")
        name = name.strip("/")
        if name in self.members and not member.is_dir():
            raise DataError(f"{self.path}: holds {name!r} twice, so it is not clear which one is meant. {mend}.")
        return name

    def _add(self, name, is_folder):
        parent, _, last = name.rpartition("/")
        if is_folder:
            self.tree.setdefault(name, {})
        if parent not in self.tree:
            self._add(parent, True)
        self.tree[parent][last] = is_folder

    def children(self, name):
        return _sorted_children(self.tree[name].items())

    def open(self, name):
        return self.zip.open(self.members[name])

    def place(self, name):
        return f"{self.path}, {name}" if name else str(self.path)


def _sorted_children(found):
    kept = [(name, is_folder) for name, is_folder in found if not _is_clutter(name)]
    return sorted(name for name, folder in kept if folder), sorted(name for name, folder in kept if not folder)


def _is_clutter(name):
    return name.startswith((".", "__MACOSX")) or name.lower() in ("thumbs.db", "desktop.ini")


def locate(path):
    """What to read for `path`: the CSV in a folder that holds one, else `path`. Raises DataError if nothing fits."""
    path = Path(path)
    give = f"Give the path of {LAYOUTS}"
    if not _exists(path):
        raise DataError(
            f"{_shown(path)}: no such file or folder. {give}; or DATA=sample for the built-in sample, or DATA=kaggle "
            "to download FER-2013."
        )
    if path.is_dir():
        with _errors_of(path):
            kind, name, _ = _find_layout(DiskTree(path))
        return path / name if kind == "csv" else path
    if not path.is_file():
        raise DataError(f"{path}: is neither a file nor a folder. {give}.")
    return path


def _exists(path):
    try:
        return path.exists()
    except OSError:  # a name that is too long, or a folder on the way that may not be entered
        return False


def _shown(path):
    text = str(path)
    return text if len(text) <= 300 else text[:300] + "..."


def state(path):
    """A text that changes when the data at `path` (as `locate` gives it) change: sizes and times, not contents."""
    digest = hashlib.sha256(f"parser {PARSER_VERSION}\n".encode())
    with _errors_of(path):
        if path.is_dir():
            _, base, splits = _find_layout(DiskTree(path))
            for folder in splits.values():
                _add_folder_state(digest, path / base / folder)
        else:
            _add_state(digest, path.name, path.stat())
    return digest.hexdigest()


def _add_folder_state(digest, folder, depth=2):
    """A split's classes and their files; what lies deeper is refused, and could be a link back to where it lies."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            _add_state(digest, entry.path, entry.stat(follow_symlinks=not _leads_nowhere(entry)))
            if depth > 1 and entry.is_dir():
                _add_folder_state(digest, entry.path, depth - 1)


def _leads_nowhere(entry):
    return entry.is_symlink() and not _exists(Path(entry.path))


def _add_state(digest, name, stat):
    digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))


def read(path):
    """Read whatever layout lies at `path` (as `locate` gives it): Parsed. Raises DataError."""
    path = Path(path)
    with _errors_of(path):
        if path.is_dir():
            return _read_tree(DiskTree(path))
        with DiskTree(path.parent).open(path.name) as file:
            start = file.read(4)
        if start.startswith(b"PK") or path.suffix.lower() == ".zip":
            return _read_tree(ZipTree(path))
        if start.startswith(b"\x1f\x8b"):
            raise DataError(f"{path}: a gzip or tar.gz is not read. Unpack it (tar xf) and give fer2013.csv from it.")
        return _read_csv(DiskTree(path.parent), path.name)


@contextlib.contextmanager
def _errors_of(path):
    """Whatever reading `path` raises is one DataError."""
    try:
        yield
    # UnicodeDecodeError: of a name in the zip; zipfile also quotes names, however long damage has made them.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the zip is damaged ({str(error)[:300]}). Download it again.") from None
    except RuntimeError as error:  # what zipfile raises for a member with a password
        raise DataError(f"{path}: {error}. Unpack it and give the folder.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}). Check the file's permissions and the disk.") from error


def _read_tree(tree):
    kind, name, splits = _find_layout(tree)
    if kind == "csv":
        return _read_csv(tree, name)
    return Parsed(*read_folders(tree, name, splits))


def _read_csv(tree, name):
    is_train = PurePosixPath(name).name.lower() == CHALLENGE_TRAIN
    with tree.open(name) as stream:
        images, labels, usage = csv_reader.read_csv(stream, tree.place(name), usage_needed=not is_train)
    messages = [f"{tree.place(name)} {ONLY_TRAINING}"] if is_train and (usage == "Training").all() else []
    return Parsed(images, labels, usage, np.arange(len(labels), dtype=np.int64), messages)


def _find_layout(tree):
    """("csv", name, None) or ("folders", base folder, {split: folder}), in the root or one folder down."""
    folders, files = tree.children("")
    bases = [("", folders, files)] + [(name, *tree.children(name)) for name in folders]
    published, split, other = [], [], []
    for base, folders, files in bases:
        published += [_join(base, found) for found in [_first_named(files, CSV_NAMES)] if found]
        split += [(base, splits) for splits in [split_folders(folders)] if splits]
    if published:
        return "csv", _only(tree, published), None
    if split:
        base = _only(tree, [base for base, _ in split])
        return "folders", base, dict(split)[base]
    for base, _, files in bases:
        train = _named(files, CHALLENGE_TRAIN)
        other += [_join(base, name) for name in ([train] if train else _csvs_with_faces(tree, base, files))]
    if other:
        return "csv", _only(tree, other), None
    raise DataError(_no_layout(tree, bases))


def _only(tree, found):
    """The one data set of those found, or what lies in the folder itself. DataError where there are several."""
    own = [name for name in found if "/" not in name] if "" not in found else [""]
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
                if csv_reader.looks_like_faces(stream.readline(csv_reader.FIRST_BYTES)):
                    found.append(name)
    return found


def _no_layout(tree, bases):
    _, folders, files = bases[0]
    inside = [name + "/" for name in folders] + files
    shown = ", ".join(inside[:8]) + (", ..." if len(inside) > 8 else "") if inside else "nothing"
    message = f"{tree.place('')}: holds no layout of FER-2013 that is known; found {shown}. "
    if any(_named(files, CHALLENGE_TEST) for _, _, files in bases):
        message += "The challenge's test.csv has no labels. "
    return message + f"Give {LAYOUTS}."
