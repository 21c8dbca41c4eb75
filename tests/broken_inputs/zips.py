"""Broken zips of the data."""

from fer_utils.data.faces import DataError
from fer_utils.data.loading import load_fer2013

from .case import Case, csv_bytes, csv_lines, png, png_that_states, write, zip_of


def members(given=None):
    """Makes archive.zip of name -> bytes; of a whole fer2013.csv where none are given."""
    return lambda folder: zip_of(folder / "archive.zip", given or {"fer2013.csv": csv_bytes()})


def changed(change):
    """Makes the zip of a whole fer2013.csv and changes its bytes."""

    def make(folder):
        path = members()(folder)
        return write(path, change(path.read_bytes()))

    return make


def states_less(content):
    """The directory and the member's own header both claim 5,000 bytes fewer than there are."""
    size = len(csv_bytes())
    return content.replace(size.to_bytes(4, "little"), (size - 5000).to_bytes(4, "little"))


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


def encrypted(content):
    """The flag that says so, in the member's header and in the directory."""
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.index(mark) + place
        content = content[:at] + bytes([content[at] | 1]) + content[at + 1 :]
    return content


def packed_by_something_else(content):
    for mark, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        at = content.index(mark) + place
        content = content[:at] + b"\x63\0" + content[at + 2 :]
    return content


def bad_row():
    return csv_bytes([*csv_lines()[:4], "3,1 2 3,Training"])


def name_without_text(content):
    """Directory and header say that the name is UTF-8 (bit 11 of the flags), and the header has other bytes."""
    content = bytearray(content)
    content[content.rindex(b"PK\x01\x02") + 9] |= 0x08
    content[7] |= 0x08
    content[30] = 0xE8
    return bytes(content)


def name_without_end(content):
    """The member's own header states a name of 20,000 bytes."""
    return content[:26] + (20_000).to_bytes(2, "little") + content[28:]


def case(name, make, says, names="archive.zip"):
    return Case(f"zip: {name}", make, load_fer2013, DataError, says, names)


CASES = [
    case(
        "no zip",
        lambda folder: write(folder / "archive.zip", b"<html>sign in</html>"),
        "is a web page or XML.*Download",
    ),
    case(
        "empty file", lambda folder: write(folder / "archive.zip"), "not an archive, or is damaged.*Download it again"
    ),
    case(
        "cut off",
        changed(lambda content: content[: len(content) // 2]),
        "not an archive, or is damaged.*Download it again",
    ),
    case("a changed byte", changed(flip), "archive.zip.*ownload"),
    case(
        "a name that is no text",
        changed(name_without_text),
        "not an archive, or is damaged .*utf-8.*Download it again",
    ),
    case(
        "a name without end",
        changed(name_without_end),
        r"not an archive, or is damaged \(.{,300}\). Download it again",
    ),
    case("no member", lambda folder: zip_of(folder / "archive.zip", {}), "found nothing. Give fer2013.csv"),
    case("other members", members({"cat.jpg": b"x", "notes/a.txt": b""}), "found notes/, cat.jpg. Give fer2013.csv"),
    case("a zip in it", members({"fer2013.zip": b"PK"}), "Unpack it, and give the path of fer2013.zip in it"),
    case(
        "an Excel workbook", members({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "Excel workbook.*save the"
    ),
    case("an .npz", members({"images.npy": b"", "labels.npy": b""}), "It holds NumPy arrays. Write its rows"),
    case("one split", members({f"{name}/1.png": png() for name in ("happy", "sad")}), "single split does: move them"),
    case("more in it than it states", changed(states_less), "archive.zip.*ownload"),
    case("encrypted", changed(encrypted), "encrypted.*Unpack it and give the folder"),
    case(
        "packed by something else",
        changed(packed_by_something_else),
        "cannot be unpacked .*not supported.*Unpack it",
    ),
    case(
        "a bad row in it",
        members({"fer2013/fer2013.csv": bad_row()}),
        "fer2013/fer2013.csv, row 4 .*wrong pixel count 3",
    ),
    case(
        "an absurd image in it",
        members({"train/happy/1.png": png_that_states(60_000, 60_000)}),
        "1.png: is not an image",
    ),
    case("an unknown class in it", members({"train/bored/1.png": png()}), "train/bored: unknown class folder 'bored'"),
]
