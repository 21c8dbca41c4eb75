"""What duplicates say: which labels meet, which test images leak, what runs score without them (notebook 09).

Which images are duplicates is found in ``data.near_duplicates``.
"""

import numpy as np
import pandas as pd

from fer_utils.data.faces import constant
from fer_utils.data.near_duplicates import twin_in
from fer_utils.labels.errors import score
from fer_utils.labels.ferplus import share_for
from fer_utils.names import EMOTIONS, USAGES


def summary(faces, groups):
    """Counts, as a dict of ints.

    groups: int64 (n,) from `exact_groups` or `near_groups`. images: those with a twin; superfluous: images less groups;
    across splits: groups whose images have more than one usage; conflicts: groups whose images have more than one
    label.
    """
    members = _members(faces, groups)
    by_group = members.groupby("group").agg(
        n=("usage", "size"), splits=("usage", "nunique"), labels=("label", "nunique")
    )
    differing = by_group[by_group["labels"] > 1]
    return {
        "images with a twin": len(members),
        "groups": len(by_group),
        "largest group": int(by_group["n"].max()) if len(by_group) else 0,
        "superfluous images": len(members) - len(by_group),
        "groups within one split": int((by_group["splits"] == 1).sum()),
        "groups across splits": int((by_group["splits"] > 1).sum()),
        "groups with different labels": len(differing),
        "images in groups with different labels": int(differing["n"].sum()),
        "constant images, excluded": int(constant(faces.images).sum()),
    }


def conflicts(faces, groups):
    """Which labels meet in one group: DataFrame (7, 7) of counts of groups; the diagonal counts groups of one label."""
    members = _members(faces, groups)
    table = pd.crosstab(members["group"], members["label"]).reindex(columns=range(len(EMOTIONS)), fill_value=0)
    held = (table.to_numpy() > 0).astype(int)  # (groups, 7): whether an image of the group has the label
    counts = held.T @ held
    np.fill_diagonal(counts, held[held.sum(axis=1) == 1].sum(axis=0))
    return pd.DataFrame(counts, index=list(EMOTIONS), columns=list(EMOTIONS))


def conflicting_pairs(faces, groups):
    """One pair of images with different labels from each group that has such: int64 (k, 2), positions in `faces`."""
    labels = pd.Series(faces.labels, dtype=np.int64)
    found = []
    for _, members in labels[groups >= 0].groupby(groups[groups >= 0]):
        other = members[members != members.iloc[0]]
        if len(other):
            found.append((members.index[0], other.index[0]))
    return np.array(found, np.int64).reshape(-1, 2)


def leaks(faces, groups, usage="Training"):
    """How many of each other split's images have a twin in `usage`: DataFrame, a row a split.

    Columns: images, twins, with_label (a twin there has the same label), other_label (none has), share (twins /
    images).
    """
    twins = twin_in(faces, groups, usage)
    inside = (faces.usage == usage) & (groups >= 0)
    known = set(zip(groups[inside].tolist(), faces.labels[inside].tolist(), strict=True))
    pairs = zip(groups.tolist(), faces.labels.tolist(), strict=True)
    same = twins & np.fromiter((pair in known for pair in pairs), bool, len(faces))
    counts = pd.DataFrame({"images": 1, "twins": twins, "with_label": same}).groupby(faces.usage).sum()
    order = [*USAGES, *sorted(set(counts.index) - set(USAGES))]
    counts = counts.reindex([name for name in order if name in counts.index and name != usage])
    counts["other_label"] = counts["twins"] - counts["with_label"]
    return counts.assign(share=counts["twins"] / counts["images"])


def score_without(right, twins):
    """One run's accuracy on all images, on those without a twin, and on those with one: DataFrame of three rows.

    right: bool (n,). twins: bool (n,), as `twin_in` says of the same images. Columns: n, correct, accuracy, low, high
    (Wilson, 95 %).
    """
    right, twins = np.asarray(right, bool), np.asarray(twins, bool)
    if right.shape != twins.shape:
        raise ValueError(f"right and twins must be about the same images, got {right.shape} and {twins.shape}")
    rows = {"all": score(right), "without twins": score(right[~twins]), "twins only": score(right[twins])}
    return pd.DataFrame.from_dict(rows, orient="index")


def gap_within(right, twins, strata, samples=4000, seed=0):
    """How much more often twins are named rightly than other images of the same kind: gap, low, high (95 %).

    right, twins: bool (n,); strata: integers (n,), the kind of each image, such as its label. Twins are 29 % surprise
    in PrivateTest and the others 8 %, so the plain difference mixes memory with which emotions are easy. Here it is
    taken within each stratum and averaged by the twins' share of it (direct standardisation); a stratum that lacks
    twins or others is left out. The interval draws each stratum's counts anew (parametric bootstrap). Raises ValueError
    where no stratum has both.
    """
    right, twins, strata = np.asarray(right, float), np.asarray(twins, bool), np.asarray(strata)
    generator, gap, draws, weight = np.random.default_rng(seed), 0.0, np.zeros(samples), 0
    for stratum in np.unique(strata):
        groups = [right[(strata == stratum) & (twins == which)] for which in (True, False)]
        sizes = [len(group) for group in groups]
        if not all(sizes):
            continue
        rates = [group.mean() for group in groups]
        drawn = [generator.binomial(n, rate, samples) / n for n, rate in zip(sizes, rates, strict=True)]
        gap += sizes[0] * (rates[0] - rates[1])
        draws += sizes[0] * (drawn[0] - drawn[1])
        weight += sizes[0]
    if not weight:
        raise ValueError("no stratum has both images with a twin and images without")
    low, high = np.quantile(draws / weight, [0.025, 0.975])
    return {"gap": gap / weight, "low": float(low), "high": float(high)}


def gaps(right, twins, labels, votes=None):
    """``gap_within`` of each run, within emotions and, with FER+'s votes, among images on which voters agree alike.

    right: run -> bool (n,). twins: bool (n,). labels: integers (n,). votes: (n, 10) or None. The second way also
    compares within how many of ten voters gave the label (up to 3, 4 to 6, 7 and more), since twins may be the clearer
    faces. Returns a DataFrame with gap, low, high, indexed by run and within.
    """
    ways = {"emotions": np.asarray(labels, np.int64)}
    if votes is not None:
        ways["emotions and votes"] = 3 * ways["emotions"] + np.digitize(share_for(labels, votes), [0.35, 0.65])
    rows = {(run, way): gap_within(own, twins, strata) for run, own in right.items() for way, strata in ways.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["run", "within"])


def _members(faces, groups):
    if len(groups) != len(faces):
        raise ValueError(f"groups must say something of each of {len(faces)} faces, got {len(groups)}")
    chosen = groups >= 0
    return pd.DataFrame({"group": groups[chosen], "usage": faces.usage[chosen], "label": faces.labels[chosen]})
