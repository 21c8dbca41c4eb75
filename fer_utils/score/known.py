"""The facts needed to score predictions for FER-2013, as numbers: labels, duplicates, votes, our runs' predictions.

``known.npz`` comes with the package and contains no image; ``tools/known.py`` writes it. FER+'s votes are Microsoft's
(``labels.ferplus``). Rows are rows of fer2013.csv.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.labels import ferplus
from fer_utils.names import USAGE_COUNTS, USAGES

FILE = Path(__file__).with_name("known.npz")
REPORTED = {"official": USAGES[2:], "paper": USAGES[1:]}
"""The splits that each protocol reports."""


@dataclass(frozen=True, eq=False)
class Known:
    """The facts about the images that a protocol reports.

    protocol: a key of ``REPORTED``. row_ids: int64 (n,), increasing. labels: int64 (n,), 0 to 6. twins: bool (n,),
    whether Training has a near duplicate. votes: int64 (n, 10), from FER+. answers: run -> uint8 (n,), the predictions
    of our reference runs for PrivateTest; empty under "paper".
    """

    protocol: str
    row_ids: np.ndarray
    labels: np.ndarray
    twins: np.ndarray
    votes: np.ndarray
    answers: dict

    @property
    def images(self):
        """The name of these images."""
        return " and ".join(REPORTED[self.protocol])


def facts(protocol="official") -> Known:
    """Return the facts about the images of a protocol: "official" (PrivateTest) or "paper" (both test splits)."""
    with np.load(FILE) as arrays:
        labels, twins = arrays["labels"].astype(np.int64), arrays["twins"]
        runs = [str(name) for name in arrays["runs"]]
        answers = dict(zip(runs, arrays["answers"], strict=True)) if protocol == "official" else {}
    rows = np.arange(USAGE_COUNTS["Training"], sum(USAGE_COUNTS.values()))
    chosen = np.isin(usage_of(rows), REPORTED[protocol])
    votes = ferplus.shipped_votes()[rows[chosen]]
    return Known(protocol, rows[chosen], labels[chosen], twins[chosen], votes, answers)


def usage_of(rows):
    """Return the split of each row of fer2013.csv, str (n,): "none" for a row that the file does not have."""
    return pd.Series(ferplus.csv_order()).reindex(rows, fill_value="none").to_numpy(str)
