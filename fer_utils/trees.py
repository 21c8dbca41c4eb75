"""Where data lie, seen alike: a folder, a zip, a tar. Names are relative with forward slashes, "" is the place itself.

Each has children(name) -> (folders, files), open(name) -> a binary stream, place(name) -> how messages name it.
"""

import contextlib
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from fer_utils.faces import DataError

LARGEST_UNPACKED = 4 << 30  # bytes; FER-2013 takes 0.3 GB


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


class Member(NamedTuple):
    """What an archive states of one of its members.

    key: what opens it. size: bytes. odd: "a link" or "a device" for what is neither file nor folder, else "".
    """

    name: str
    key: object
    size: int
    is_folder: bool
    odd: str = ""


class ArchiveTree:
    """An archive seen the same way as a folder; none of its members is unpacked to disk.

    members: a list of Member. largest: bytes that it may unpack to, None for LARGEST_UNPACKED. Raises DataError for an
    archive that cannot be trusted.
    """

    kind = "archive"

    def __init__(self, path, members, largest=None):
        self.path = path
        self.members = {}  # name as seen here: the member's key
        self.tree = {"": {}}
        self._check_sizes(members, LARGEST_UNPACKED if largest is None else largest)
        for member in members:
            name = self._checked_name(member)
            if name:
                self.members[name] = member.key
                self._add(name, member.is_folder)

    def _check_sizes(self, members, largest):
        """zipfile and tarfile read no more of a member than is stated, so what is stated can be relied on."""
        stated = sum(member.size for member in members)
        if stated > largest:
            raise DataError(_too_large(self.path, f"{stated / 1e9:,.1f} GB", largest))

    def _checked_name(self, member):
        """A member's name with forward slashes. Nothing is unpacked, but an archive with others is none to trust."""
        name = member.name.replace("\\", "/").removeprefix("./")
        mend = "Do not trust it: download another"
        if ".." in name.split("/") or name.startswith("/") or name[1:3] == ":/":
            raise DataError(f"{self.path}: its member {member.name!r} leads out of the {self.kind}. {mend}.")
        if member.odd:
            raise DataError(f"{self.path}: its member {member.name!r} is {member.odd}. {mend}, or give the folder.")
        name = name.strip("/").removeprefix(".")
        if name in self.members and not member.is_folder:
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

    def place(self, name):
        return f"{self.path}, {name}" if name else str(self.path)


class ZipTree(ArchiveTree):
    """A zip, read where it lies."""

    kind = "zip"

    def __init__(self, path, largest=None):
        try:
            self.zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise DataError(f"{path}: is no zip or a damaged one ({str(error)[:300]}). Download it again.") from None
        super().__init__(path, [self._member(info) for info in self.zip.infolist()], largest)

    @staticmethod
    def _member(info):
        odd = "a link" if stat.S_ISLNK(info.external_attr >> 16) else ""
        return Member(info.filename, info, info.file_size, info.is_dir() or info.filename.endswith("\\"), odd)

    def open(self, name):
        return self.zip.open(self.members[name])


class TarTree(ArchiveTree):
    """A tar in an open binary file, which is unpacked already if it was compressed."""

    kind = "tar"

    def __init__(self, path, stream):
        self.tar = tarfile.TarFile(fileobj=stream)
        super().__init__(path, [self._member(info) for info in self.tar.getmembers()])

    @staticmethod
    def _member(info):
        odd = "" if info.isreg() or info.isdir() else "a link" if info.issym() or info.islnk() else "a device"
        return Member(info.name, info, info.size, info.isdir(), odd)

    def open(self, name):
        return self.tar.extractfile(self.members[name])


def _too_large(path, size, largest):
    return (
        f"{path}: unpacks to {size}, where at most {largest / 1e9:,.1f} GB are expected. It is something else, or made "
        "to fill the memory: download another."
    )


@contextlib.contextmanager
def unpacked(path, unpack):
    """A file that holds what lies in a compressed one, and that is gone with the block. unpack: as ``gzip.open``."""
    with tempfile.TemporaryFile() as whole, unpack(path) as packed:
        while block := packed.read(1 << 20):
            whole.write(block)
            if whole.tell() > LARGEST_UNPACKED:
                raise DataError(_too_large(path, "more", LARGEST_UNPACKED))
        whole.seek(0)
        yield whole


def _sorted_children(found):
    kept = [(name, is_folder) for name, is_folder in found if not _is_clutter(name)]
    return sorted(name for name, folder in kept if folder), sorted(name for name, folder in kept if not folder)


def _is_clutter(name):
    return name.startswith((".", "__MACOSX")) or name.lower() in ("thumbs.db", "desktop.ini")
