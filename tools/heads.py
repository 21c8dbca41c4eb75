"""What ``tools/frozen.py`` keeps of its heads: rows of heads.csv, and their answers about PublicTest. No Keras."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils import runs
from fer_utils.score import known

KEY = ["size", "preprocessing", "stage", "versions", "head", "rate", "epochs", "without", "seed"]


def read_table(path):
    """heads.csv; where it says nothing of it, a head was trained on all of Training."""
    table = pd.read_csv(path, dtype={"head": str})
    return table if "without" in table else table.assign(without="none")


def answered(folder):
    """What a folder's heads answered: {key of a row, as KEY: emotion codes uint8 (3589,)}; {} where none is kept."""
    path = Path(folder) / "answers.npz"
    if not path.exists():
        return {}
    with np.load(path) as kept:
        return {tuple(json.loads(name)): kept[name] for name in kept.files}


def keep(folder, key, answers):
    """Write a row's answers beside those that are there."""
    everyones = {**answered(folder), key: answers}
    named = {json.dumps(key): own for key, own in sorted(everyones.items())}
    runs.write_whole(Path(folder) / "answers.npz", lambda stream: np.savez_compressed(stream, **named))


def public_test():
    """PublicTest in the file's order: (row_ids (3589,), labels (3589,), has a duplicate in Training: bool (3589,))."""
    facts = known.facts("paper")
    chosen = known.usage_of(facts.row_ids) == "PublicTest"
    return facts.row_ids[chosen], facts.labels[chosen], facts.twins[chosen]
