"""By FER-2013's labels and by FER+'s voters: what of a better network's gain do ten people agree with?

    python tools/by_votes.py [--split PublicTest]

On the faces of PrivateTest that have no duplicate in Training and whose voters have a favourite among the seven
emotions. Prints the table of docs/beyond-the-paper.md from the committed answers.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import results
from front import NETWORKS, VIEWS, runs_of

from fer_utils import evaluation
from fer_utils.labels import ferplus, plots
from fer_utils.ladder.recipes import answer_name
from fer_utils.ladder.results import said_gap
from fer_utils.score import known

BASE = ("VGG16, quarter width", "one view")
SPLITS = {"PrivateTest": "test", "PublicTest": "validation"}  # and what runs call their answers about it


class Faces(NamedTuple):
    """The faces that count. split: its name. row_ids, labels, favourites: integers (n,), the last two 0 to 6."""

    split: str
    row_ids: np.ndarray
    labels: np.ndarray
    favourites: np.ndarray


def faces_of(split):
    """Faces of "PublicTest" or "PrivateTest"."""
    facts = known.facts("paper")
    favourites = ferplus.favourite(facts.votes)
    chosen = (known.usage_of(facts.row_ids) == split) & (favourites >= 0) & ~facts.twins
    return Faces(split, facts.row_ids[chosen], facts.labels[chosen], favourites[chosen])


def answers_of(runs, name, faces):
    """What runs answered about these faces: integers (runs, n). name: of the predictions."""
    found = []
    for run in runs:
        row_ids, _, probabilities = run.predictions[name]
        predicted = pd.Series(probabilities.argmax(axis=1), index=row_ids)
        found.append(predicted.loc[faces.row_ids].to_numpy())
    return np.stack(found)


def all_answers(faces):
    """(network, views) -> answers; those that were not asked so are left out."""
    found = {}
    for (network, place), (words, views) in ((n, v) for n in NETWORKS.items() for v in VIEWS.items()):
        runs, name = runs_of(place), answer_name(SPLITS[faces.split], views)
        if all(name in run.predictions for run in runs):
            found[network, words] = answers_of(runs, name, faces)
    return found


def gains(found, faces):
    """A row for each of ``all_answers``: DataFrame, index as its keys, the fewest hits of labels first.

    Columns: seeds; labels, votes: share of the faces whose label, or whose favourite, is answered; shared: of the faces
    whose label is the favourite; rejected_labels, rejected_votes: of those whose label is not; more, low, high: by how
    much the gain over `BASE` by the labels exceeds that by the votes, with its 95 % interval over other seeds and
    faces, the seeds' spread pooled over all.
    """
    stands = faces.labels == faces.favourites
    hits = {key: np.stack([answers == faces.labels, answers == faces.favourites]) for key, answers in found.items()}
    excess = {key: labels.astype(float) - votes for key, (labels, votes) in hits.items()}
    of_seeds = evaluation.pooled_over_seeds(each.mean(axis=1) for each in excess.values())
    rows = {}
    for key, both in hits.items():
        row = {"seeds": both.shape[1]}
        row["labels"], row["votes"] = both.mean(axis=(1, 2))
        row["shared"], _ = both[:, :, stands].mean(axis=(1, 2))
        row["rejected_labels"], row["rejected_votes"] = both[:, :, ~stands].mean(axis=(1, 2))
        beyond = evaluation.compare_arms(excess[key], excess[BASE], *of_seeds)
        rows[key] = {**row, "more": beyond["difference"], "low": beyond["low"], "high": beyond["high"]}
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("labels")


def markdown(table):
    """The page's table."""
    header = ["network", "views", "seeds", "labels %", "votes %", "gained more by labels"]
    header += ["shared: label %", "rejected: label %", "favourite %"]
    lines = []
    for (network, views), row in table.iterrows():
        shares = [
            f"{100 * row[name]:.1f}" for name in ("labels", "votes", "shared", "rejected_labels", "rejected_votes")
        ]
        gap = "" if (network, views) == BASE else said_gap(*(100 * row[["more", "low", "high"]]))
        lines.append([network, views.split()[0], f"{row['seeds']:.0f}", *shares[:2], gap, *shares[2:]])
    return results.markdown(header, lines)


def draw(table, faces):
    """How often each row of ``gains`` names the label, and how often the favourite; returns the Axes."""
    dots = []
    for (network, views), row in table.iterrows():
        for kind, share in (("the label", row["labels"]), ("the voters' favourite", row["votes"])):
            low, high = evaluation.accuracy_interval(share, len(faces.labels))
            name = f"{network.replace('`', '')}, {views}"
            dots.append({"name": name, "kind": kind, "value": share, "low": low, "high": high})
    return plots.interval_dots(pd.DataFrame(dots), xlabel=f"named, of {len(faces.labels):,} faces")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=SPLITS, default="PrivateTest")
    parser.add_argument("--figure", type=Path, help="where to write the figure")
    given = parser.parse_args()
    faces = faces_of(given.split)
    rejected = (faces.labels != faces.favourites).sum()
    print(f"{len(faces.labels):,} faces; voters reject the label of {rejected:,}")
    table = gains(all_answers(faces), faces)
    print(markdown(table))
    if given.figure:
        draw(table, faces).figure.savefig(given.figure, dpi=150, bbox_inches="tight", metadata={"Software": None})


if __name__ == "__main__":
    main()
