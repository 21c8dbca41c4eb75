"""Broken tars of the data."""

import io
import tarfile

from fer_utils.data.faces import DataError
from fer_utils.data.loading import load_fer2013

from .case import Case, csv_bytes, write


def tar_of(path, *members, mode="w:gz"):
    """A tar of (name, bytes or TarInfo's attributes); returns its path."""
    with tarfile.open(path, mode) as archive:
        for name, given in members:
            info = tarfile.TarInfo(name)
            content = given if isinstance(given, bytes) else b""
            info.size = len(content)
            for key, value in {} if isinstance(given, bytes) else given.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def members(*given):
    return lambda folder: tar_of(folder / "fer2013.tar.gz", *given)


def plain(change):
    """Makes an uncompressed tar of a whole fer2013.csv and changes its bytes."""

    def make(folder):
        path = tar_of(folder / "fer2013.tar", ("fer2013.csv", csv_bytes()), mode="w")
        return write(path, change(path.read_bytes()))

    return make


def case(name, make, says, names="fer2013.tar"):
    return Case(f"tar: {name}", make, load_fer2013, DataError, says, names)


WHOLE = ("fer2013.csv", csv_bytes())
CASES = [
    case("cut off", plain(lambda content: content[:9000]), "not an archive, or is damaged .*Download it again"),
    case(
        "a changed header",
        plain(lambda content: content[:20] + b"x" + content[21:]),
        "not an archive, or is damaged.*Download it",
    ),
    case(
        "nothing but a link", members(("fer2013.csv", {"type": tarfile.SYMTYPE, "linkname": "gone"})), "found nothing"
    ),
    case("other members", members(("notes/a.txt", b"")), "found notes/. Give fer2013.csv"),
    case(
        "a tar in it",
        members(("fer2013.csv", tarfile.TarInfo("a").tobuf())),
        "fer2013.csv: is a tar archive. Unpack it",
    ),
    case(
        "a bad row in it", members(("fer2013.csv", b"emotion,pixels,Usage\n3,1 2,Training\n")), "row 1 .*pixel count 2"
    ),
]
