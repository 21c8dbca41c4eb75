"""Write FER+'s votes for the package: ``python tools/votes.py DATA`` writes fer_utils/labels/ferplus_votes.npz.

DATA: fer2013new.csv from github.com/microsoft/FERPlus. Of its 1.6 MB only the counts are kept, one row per image, in
the order of fer2013.csv. The same counts make the same bytes.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils.labels import ferplus
from fer_utils.runs import write_whole


def read(path):
    """Return the published file's counts: integers (35887, 10), columns in the order of ``ferplus.VOTES``."""
    table = pd.read_csv(path)
    if not np.array_equal(table["Usage"], ferplus.csv_order()):
        raise ValueError(f"{path}: its rows are not in the order of fer2013.csv. Download it again")
    counts = table[list(ferplus.VOTES)].to_numpy()
    if counts.dtype.kind != "i" or counts.min() < 0:
        raise ValueError(f"{path}: a count is missing, broken or negative. Download it again")
    return counts


def write(votes, path=ferplus.SHIPPED):
    """Write integers (35887, 10), each up to 255, as the only array of an npz file."""
    if votes.max() > 255:
        raise ValueError(f"{votes.max()} votes for one answer: more than a byte can store, and FER+ has ten per row")
    write_whole(path, lambda stream: np.savez_compressed(stream, votes=votes.astype(np.uint8)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    given = read(sys.argv[1])
    write(given)
    print(f"{ferplus.SHIPPED}: {ferplus.SHIPPED.stat().st_size:,} bytes, {given.sum():,} votes")
