"""Faces on which FER+ has no votes."""

import numpy as np

from fer_utils.data.faces import DataError, Faces
from fer_utils.labels.ferplus import join

from .case import FACES, Case


def faces(source, usage="Training", row_ids=range(21)):
    """Makes faces that came from `source`, to be joined with votes; "" is an image folder."""

    def make(folder):
        place = source if source == "sample" else str(folder / source)
        return Faces(FACES, np.full(21, 2, np.uint8), np.full(21, usage), np.array(row_ids, np.int64), source=place)

    return make


def joined(given):
    return join(given, np.tile([9, 0, 0, 0, 0, 0, 0, 0, 0, 1], (35_887, 1)))


def join_case(name, make, says, names="f.csv"):
    return Case(f"votes: {name}", make, joined, DataError, says, names)


CASES = [
    join_case("of drawn faces", faces("sample"), "sample: .*no votes on them. Give", "sample"),
    join_case("of image folders", faces(""), "image folders do not keep the CSV's row order. Give", "given"),
    join_case(
        "of rows beyond them", faces("f.csv", row_ids=range(35_880, 35_901)), "14 of 21 row ids are no rows.*Give"
    ),
    join_case(
        "of other usages", faces("f.csv", usage="PublicTest"), "21 of 21 rows have another usage.*Give fer2013.csv"
    ),
]
