"""A folder, a zip and a tar with the same methods, so that the readers need not know which one they read.

Each has children(name) -> (folders, files), open(name) -> a binary stream, place(name) -> how messages name it. Names
are relative, with forward slashes; "" is the folder or archive itself.
"""

import contextlib
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from fer_utils.data.faces import DataError


class DiskTree:
    """A folder on disk."""

    def __init__(self, root):
        self.root = Path(root)

    def children(self, name):
        """Return (folders, files) in the folder `name`: sorted, without hidden files and those of operating systems."""
        with os.scandir(self.root / name) as entries:
            return _sorted_children((entry.name, entry.is_dir()) for entry in entries)

    def open(self, name):
        path = self.root / name
        if not path.is_file():  # a dead link, or a pipe, on which reading would wait forever
            raise DataError(f"{path}: is neither a file nor a link to one. Delete it, or download the data again.")
        return open(path, "rb")

    def place(self, name):
        return str(self.root / name)


class ArchiveTree:
    """An archive whose members are read without unpacking them to disk.

    members: (name, key) of each file and folder in it; a folder's name ends with a slash. open_member: key -> stream.
    """

    def __init__(self, path, members, open_member):
        self.path, self.open_member = path, open_member
        self.members = {}  # name: key
        self.folders = {"": {}}  # name: {name in it: whether that one is a folder}
        for stated, key in members:
            parts = [part for part in re.split(r"[/\\]", stated) if part not in ("", ".")]
            is_folder = stated.endswith(("/", "\\"))
            for depth, part in enumerate(parts):  # most archives do not list the folders themselves
                inside = self.folders.setdefault("/".join(parts[:depth]), {})
                inside[part] = is_folder or depth < len(parts) - 1
            if is_folder:
                self.folders.setdefault("/".join(parts), {})
            else:
                self.members["/".join(parts)] = key

    def children(self, name):
        return _sorted_children(self.folders[name].items())

    def open(self, name):
        return self.open_member(self.members[name])

    def place(self, name):
        return f"{self.path}, {name}" if name else str(self.path)


def zip_tree(path):
    archive = zipfile.ZipFile(path)
    return ArchiveTree(path, [(info.filename, info) for info in archive.infolist()], archive.open)


def tar_tree(path, stream):
    """stream: the open tar file, already unpacked if it was compressed. Links in the tar are skipped."""
    archive = tarfile.TarFile(fileobj=stream)
    kept = [info for info in archive.getmembers() if info.isfile() or info.isdir()]
    members = [(f"{info.name}/" if info.isdir() else info.name, info) for info in kept]
    return ArchiveTree(path, members, archive.extractfile)


@contextlib.contextmanager
def unpacked(path, unpack):
    """Unpack a compressed file into a temporary one for the time of a ``with`` block. unpack: such as ``gzip.open``."""
    with tempfile.TemporaryFile() as whole, unpack(path) as packed:
        shutil.copyfileobj(packed, whole)
        whole.seek(0)
        yield whole


def _sorted_children(found):
    kept = [(name, is_folder) for name, is_folder in found if not _is_clutter(name)]
    return sorted(name for name, folder in kept if folder), sorted(name for name, folder in kept if not folder)


def _is_clutter(name):
    return name.startswith((".", "__MACOSX")) or name.lower() in ("thumbs.db", "desktop.ini")
