"""Broken files of FER+'s votes."""

import numpy as np

from fer_utils.data.faces import DataError, Faces
from fer_utils.labels.ferplus import VOTES, FerPlus, join, load_ferplus
from fer_utils.names import USAGES

from .case import FACES, Case, pipe, write, zip_of

COUNTS = (28_709, 3_589, 3_589)


def lines():
    usage = np.repeat(USAGES, COUNTS)
    rows = [f"{name},fer{row:07d}.png,4,0,0,1,3,0,0,0,1,1" for row, name in enumerate(usage)]
    return ["Usage,Image name," + ",".join(VOTES), *rows]


WHOLE = lines()


def text(changed=None, row=None, cut=None):
    """The file with row `row` replaced by `changed`, or cut off after so many rows."""
    given = list(WHOLE[:cut])
    if row is not None:
        given[row] = changed
    return "\n".join(given) + "\n"


def content(what, name="fer2013new.csv"):
    return lambda folder: write(folder / name, what() if callable(what) else what)


def row_7(changed):
    return content(lambda: text(changed, row=7))


def large(folder):
    with open(folder / "fer2013new.csv", "wb") as file:
        file.truncate(1 << 36)  # 64 GB, none of them written
    return folder / "fer2013new.csv"


def zipped(members):
    return lambda folder: zip_of(folder / "votes.zip", members)


def cut_zip(folder):
    path = zip_of(folder / "votes.zip", {"fer2013new.csv": text()})
    return write(path, path.read_bytes()[:-5000])


def faces(source, usage="Training", row_ids=range(21)):
    """Makes faces that came from `source`, to be joined with votes that are whole; "" is an image folder."""

    def make(folder):
        place = source if source == "sample" else str(folder / source)
        return Faces(FACES, np.full(21, 2, np.uint8), np.full(21, usage), np.array(row_ids, np.int64), source=place)

    return make


def joined(given):
    usage = np.repeat(USAGES, COUNTS)
    return join(given, FerPlus(usage, np.tile([9, 0, 0, 0, 0, 0, 0, 0, 0, 1], (35_887, 1)), "fer2013new.csv"))


def case(name, make, says, names=""):
    return Case(f"votes: {name}", make, load_ferplus, DataError, says, names)


def join_case(name, make, says, names="f.csv"):
    return Case(f"votes: {name}", make, joined, DataError, says, names)


ZEROS = "Training,fer.png," + ",".join("0" * 10)
CASES = [
    case(
        "no such file", lambda folder: folder / "votes.csv", "no such file or folder. Give the path of fer2013new.csv"
    ),
    case("a folder without them", lambda folder: folder, "holds no fer2013new.csv, nor does a folder in it. Download"),
    case("empty", content(""), "cannot be read as a CSV file.*Download"),
    case("a page to sign in", content("<html>\n<body>\n"), "missing column 'Usage'.*Download"),
    case("bytes of anything", content(bytes(range(256)) * 9), "Download fer2013new.csv again"),
    case("UTF-16", content(lambda: text().encode("utf-16")), "cannot be read as a CSV file.*Download"),
    case("no column of unknown", content(lambda: text().replace("unknown", "unsure")), "missing column 'unknown'"),
    case("cut off", content(lambda: text(cut=20_000)), "has 19,999 rows, but .*35,887. Download"),
    case("a row too many", content(lambda: text() + WHOLE[-1] + "\n"), "has 35,888 rows, but .*35,887. Download"),
    case("an unknown usage", row_7("Testing,f,1,0,0,0,0,0,0,0,0,0"), "row 7: unknown usage 'Testing'"),
    case("a negative vote", row_7("Training,f,-1,0,0,0,0,0,0,0,0,9"), "row 7: the votes for neutral are '-1'"),
    case("an empty vote", row_7("Training,f,,0,0,0,0,0,0,0,0,9"), "row 7: the votes for neutral are ''"),
    case("a fraction of a vote", row_7("Training,f,1.5,0,0,0,0,0,0,0,0,9"), "row 7: the votes for neutral are '1.5'"),
    case("endless votes", row_7("Training,f,inf,0,0,0,0,0,0,0,0,9"), "row 7: the votes for neutral are 'inf'"),
    case("a word for a vote", row_7("Training,f,no,0,0,0,0,0,0,0,0,9"), "row 7: the votes for neutral are 'no'"),
    case("no vote at all", row_7(ZEROS), "row 7: has no vote at all"),
    case("a field too many", row_7("Training,f" + ",1" * 12), "cannot be read as a CSV file.*Download"),
    case("a file of 64 GB", large, "is no file of the votes' 2 MB.*Download"),
    case("a pipe", lambda folder: pipe(folder / "fer2013new.csv"), "is no file of the votes' 2 MB.*Download"),
    case("a zip without them", zipped({"other.csv": b""}), "holds no fer2013new.csv. Download"),
    case("a zip cut off", cut_zip, "votes.zip.*Download"),
    join_case("of drawn faces", faces("sample"), "sample: .*no votes on them. Give", "sample"),
    join_case("of image folders", faces(""), "image folders do not keep the CSV's row order. Give", "given"),
    join_case(
        "of rows beyond them", faces("f.csv", row_ids=range(35_880, 35_901)), "14 of 21 row ids are no rows.*Give"
    ),
    join_case(
        "of other usages", faces("f.csv", usage="PublicTest"), "21 of 21 rows have another usage.*Give fer2013.csv"
    ),
]
