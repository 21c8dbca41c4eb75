"""Compare networks by FER-2013's labels and by FER+'s votes: do ten voters agree with a better network's gain?

    python tools/by_votes.py [--split PublicTest] [--figure by_votes.png]

Uses the faces without a duplicate in Training whose most frequent vote ("favourite") is one of the seven emotions.
Prints the tables of docs/beyond-the-paper.md from the committed predictions.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import results
from front import NETWORKS, VIEWS, runs_of

from fer_utils import evaluation, runs
from fer_utils.labels import ferplus, plots
from fer_utils.ladder.recipes import answer_name
from fer_utils.ladder.results import said_gap
from fer_utils.names import EMOTIONS
from fer_utils.score import known

ALL = {**NETWORKS, "`small-80`, on votes": "votes/ladder/small-80-votes"}  # trained on the shares of votes
BASE, BEST = ("VGG16, quarter width", "one view"), ("`whole-80`", "six views")
SMALL, VOTED = ("`small-80`", "one view"), ("`small-80`, on votes", "one view")
SPLITS = {"PrivateTest": "test", "PublicTest": "validation"}  # split -> its name in the predictions of runs
MEASURES = {  # name -> function of ``hits_of`` (2, runs, n) that returns the compared values (runs, n)
    "by labels": lambda hits: hits[0],
    "by votes": lambda hits: hits[1],
    "more by labels": lambda hits: hits[0].astype(float) - hits[1],
}


class Faces(NamedTuple):
    """The faces that are used. split: its name. row_ids, labels, favourites: integers (n,), the last two 0 to 6.

    own_votes: integers (n,), the number of votes for each face's label.
    """

    split: str
    row_ids: np.ndarray
    labels: np.ndarray
    favourites: np.ndarray
    own_votes: np.ndarray


def faces_of(split):
    """Return the ``Faces`` of "PublicTest" or "PrivateTest"."""
    facts = known.facts("paper")
    favourites = ferplus.favourite(facts.votes)
    chosen = (known.usage_of(facts.row_ids) == split) & (favourites >= 0) & ~facts.twins
    labels, votes = facts.labels[chosen], facts.votes[chosen]
    own = np.rint(ferplus.share_for(labels, votes) * votes.sum(axis=1)).astype(int)
    return Faces(split, facts.row_ids[chosen], labels, favourites[chosen], own)


def answers_of(own, name, faces):
    """Return the classes that runs predict for these faces, integers (runs, n). name: of the predictions.

    Raises RunError if a run's rows are other faces.
    """
    found = []
    for run in own:
        row_ids, labels, probabilities = run.predictions[name]
        table = pd.DataFrame({"label": labels, "predicted": probabilities.argmax(axis=1)}, index=row_ids)
        table = table.reindex(faces.row_ids)
        if (table["label"] != faces.labels).any():
            raise runs.RunError(f"{runs.shown(run.folder)}: its {faces.split} is not that of fer2013.csv")
        found.append(table["predicted"].to_numpy(int))
    return np.stack(found)


def hits_of(answers, faces):
    """Return where predicted classes (runs, n) are the label, and where the voters' favourite: bool (2, runs, n)."""
    return np.stack([answers == faces.labels, answers == faces.favourites])


def all_hits(faces):
    """Return (network, views) -> ``hits_of``, for the views that a network's runs have predictions for."""
    found = {}
    for network, place in ALL.items():
        own = runs_of(place)
        for words, views in VIEWS.items():
            name = answer_name(SPLITS[faces.split], views)
            if all(name in run.predictions for run in own):
                found[network, words] = hits_of(answers_of(own, name, faces), faces)
    return found


def gain(hits, key, measure, base=BASE):
    """Return a network's gain over another by one of MEASURES: dict of difference, low, high (95 %) and p_value.

    Other seeds and faces count as chance. The variance over seeds is pooled over the networks, each in its first views.
    """
    measured = MEASURES[measure]
    first = {network: (network, views) for network, views in reversed(hits)}  # network -> key with its first views
    of_seeds = evaluation.pooled_over_seeds(measured(hits[pair]).mean(axis=1) for pair in first.values())
    return evaluation.compare_arms(measured(hits[key]), measured(hits[base]), *of_seeds)


def alike(hits, faces):
    """Return `hits` as floats, scaled so that their mean over faces is their mean over emotions.

    Each emotion, of the label or of the favourite, then counts equally, however many faces have it.
    """
    scaled = []
    for own, truth in zip(hits, (faces.labels, faces.favourites), strict=True):
        counts = np.bincount(truth)
        scaled.append(own * len(truth) / np.count_nonzero(counts) / counts[truth])
    return np.stack(scaled)


def _by_labels(hits):
    """Return the items of `hits`, the lowest accuracy by labels first."""
    return sorted(hits.items(), key=lambda item: item[1][0].mean())


def networks_markdown(hits, faces):
    """Return a table with one row for each of ``all_hits``, the lowest accuracy by labels first."""
    header = ["network", "views", "seeds", "labels %", "votes %", *MEASURES, "alike: labels %", "alike: votes %"]
    lines = []
    for (network, views), own in _by_labels(hits):
        gaps = ["" if (network, views) == BASE else _gap(gain(hits, (network, views), name)) for name in MEASURES]
        shares = [f"{100 * share:.1f}" for share in (*own.mean(axis=(1, 2)), *alike(own, faces).mean(axis=(1, 2)))]
        lines.append([network, views.split()[0], str(own.shape[1]), *shares[:2], *gaps, *shares[2:]])
    return results.markdown(header, lines)


def kinds_of(faces):
    """Return the kinds of faces for which a gain is given: words -> bool (n,)."""
    outvoted, neutral = faces.labels != faces.favourites, faces.favourites == EMOTIONS.index("neutral")
    return {
        "all": np.full(len(faces.labels), True),
        "the label is the favourite": ~outvoted,
        "it is not, and no voter gives it": outvoted & (faces.own_votes == 0),
        "it is not, and one voter gives it": outvoted & (faces.own_votes == 1),
        "it is not, and two or more give it": outvoted & (faces.own_votes > 1),
        "the favourite is neutral": neutral,
        "the favourite is another": ~neutral,
    }


def kinds_markdown(hits, faces, base=BASE, best=BEST):
    """Return a table with one row per kind of faces: the hits of `base` and `best`, and the gain of `best`."""
    lines = []
    for words, chosen in kinds_of(faces).items():
        own = {key: hits[key][:, :, chosen] for key in hits}
        cells = [words, f"{chosen.sum():,}"]
        for measure in ("by labels", "by votes"):
            before, after = (100 * MEASURES[measure](own[key]).mean() for key in (base, best))
            cells += [f"{before:.1f} to {after:.1f}", _gap(gain(own, best, measure, base))]
        lines.append(cells)
    return results.markdown(["faces", "n", "labels %", "gain by labels", "votes %", "gain by votes"], lines)


def alike_markdown(hits, faces):
    """Return a table of the gains of BEST over BASE and of VOTED over SMALL, with every emotion counted equally."""
    scaled = {key: alike(own, faces) for key, own in hits.items()}
    lines = []
    for better, base in ((BEST, BASE), (VOTED, SMALL)):
        gaps = [_gap(gain(scaled, better, measure, base)) for measure in MEASURES]
        lines.append([", ".join(better), ", ".join(base), *gaps])
    return results.markdown(["every emotion alike", "over", *MEASURES], lines)


def _gap(found):
    return said_gap(*(100 * found[name] for name in ("difference", "low", "high")))


def draw(hits, faces):
    """Draw how often each network predicts the label, and how often the favourite; return the Axes."""
    dots = []
    for (network, views), own in _by_labels(hits):
        for kind, share in zip(("the label", "the voters' favourite"), own.mean(axis=(1, 2)), strict=True):
            low, high = evaluation.accuracy_interval(share, len(faces.labels))
            name = f"{network.replace('`', '')}, {views}"
            dots.append({"name": name, "kind": kind, "value": share, "low": low, "high": high})
    return plots.interval_dots(pd.DataFrame(dots), xlabel=f"named, of {len(faces.labels):,} faces")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=SPLITS, default="PrivateTest")
    parser.add_argument("--figure", type=Path, help="where to write the figure")
    given = parser.parse_args()
    if given.figure and not given.figure.absolute().parent.is_dir():
        parser.error(f"--figure {given.figure}: its folder is missing. Make it first")
    faces = faces_of(given.split)
    hits = all_hits(faces)
    kinds = (kinds_markdown(hits, faces, *pair) for pair in ((BASE, BEST), (SMALL, VOTED)))
    print("\n\n".join([networks_markdown(hits, faces), *kinds, alike_markdown(hits, faces)]))
    if given.figure:
        draw(hits, faces).figure.savefig(given.figure, dpi=150, bbox_inches="tight", metadata={"Software": None})


if __name__ == "__main__":
    main()
