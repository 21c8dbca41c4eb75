"""What must be known to score answers about FER-2013, as numbers: labels, twins, votes, what our runs answered.

``known.npz`` comes with the package and holds no image; ``tools/known.py`` writes it. FER+'s votes are Microsoft's
(``labels.ferplus``). Rows are those of fer2013.csv.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_utils.labels import ferplus
from fer_utils.names import USAGE_COUNTS, USAGES

FILE = Path(__file__).with_name("known.npz")
REPORTED = {"official": USAGES[2:], "paper": USAGES[1:]}
"""The splits whose images a protocol reports."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the images that a protocol reports.

    protocol: of ``REPORTED``. row_ids: int64 (n,), increasing. labels: int64 (n,), 0 to 6. twins: bool (n,), whether
    Training holds a near duplicate. votes: int64 (n, 10), FER+'s. answers: run -> uint8 (n,), what our reference runs
    answered; only of PrivateTest, so empty under "paper".
    """

    protocol: str
    row_ids: np.ndarray
    labels: np.ndarray
    twins: np.ndarray
    votes: np.ndarray
    answers: dict

    def __len__(self):
        return len(self.row_ids)

    @property
    def images(self):
        """What these images are called."""
        return " and ".join(REPORTED[self.protocol])


def facts(protocol="official") -> Known:
    """What is known of the images that `protocol` ("official": PrivateTest, "paper": both test splits) reports."""
    with np.load(FILE) as arrays:
        labels, twins = arrays["labels"].astype(np.int64), arrays["twins"]
        runs = [str(name) for name in arrays["runs"]]
        answers = dict(zip(runs, arrays["answers"], strict=True)) if protocol == "official" else {}
    rows = np.arange(USAGE_COUNTS["Training"], sum(USAGE_COUNTS.values()))
    chosen = np.isin(usage_of(rows), REPORTED[protocol])
    votes = ferplus.shipped_votes()[rows[chosen]]
    return Known(protocol, rows[chosen], labels[chosen], twins[chosen], votes, answers)


def usage_of(rows):
    """The split of each row of fer2013.csv: <U11 (n,); rows that it does not have are called "none"."""
    usages = np.append(ferplus.csv_order(), "none")
    inside = (np.asarray(rows) >= 0) & (np.asarray(rows) < len(usages))
    return usages[np.where(inside, rows, -1)]
