"""Read and write the results of ``tools/frozen.py``, without Keras: heads.csv, and the predictions for PublicTest."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils import runs
from fer_utils.score import known

KEY = ["size", "preprocessing", "stage", "versions", "head", "rate", "epochs", "without", "seed"]


def read_table(path):
    """Read heads.csv. Without a column "without", the heads were trained on all of Training."""
    table = pd.read_csv(path, dtype={"head": str})
    return table if "without" in table else table.assign(without="none")


def answered(folder):
    """Return the predictions of a folder's heads: key of a row, as KEY -> codes uint8 (3589,); {} if there are none."""
    path = Path(folder) / "answers.npz"
    if not path.exists():
        return {}
    with np.load(path) as kept:
        return {tuple(json.loads(name)): kept[name] for name in kept.files}


def keep(folder, key, answers):
    """Add a row's predictions to answers.npz, or replace them there."""
    kept = {**answered(folder), key: answers}
    named = {json.dumps(key): own for key, own in sorted(kept.items())}
    runs.write_whole(Path(folder) / "answers.npz", lambda stream: np.savez_compressed(stream, **named))


def public_test():
    """Return PublicTest in the CSV's order: row_ids, labels, whether Training has a duplicate (bool), each (3589,)."""
    facts = known.facts("paper")
    chosen = known.usage_of(facts.row_ids) == "PublicTest"
    return facts.row_ids[chosen], facts.labels[chosen], facts.twins[chosen]
