"""Duplicates: their conflicting labels, test images that leak, and accuracy without them.

``data.near_duplicates`` finds them. In column names and parameters, a twin is a duplicate.
"""

import numpy as np
import pandas as pd

from fer_utils.data.faces import constant
from fer_utils.data.near_duplicates import twin_in
from fer_utils.labels.errors import score
from fer_utils.labels.ferplus import share_for
from fer_utils.names import EMOTIONS, MERGED_USAGE, USAGES

SAMPLES = 4000  # of the bootstrap in ``gap_within``


def summary(faces, groups):
    """Count the duplicates: a dict of ints.

    groups: int64 (n,), from `exact_groups` or `near_groups`. "superfluous images" is the number of images with a
    duplicate minus the number of groups. "across splits" means that a group's images have more than one usage.
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
    """In how many groups two labels occur together: DataFrame (7, 7). The diagonal counts groups with one label."""
    members = _members(faces, groups)
    table = pd.crosstab(members["group"], members["label"]).reindex(columns=range(len(EMOTIONS)), fill_value=0)
    present = (table.to_numpy() > 0).astype(int)  # (groups, 7): 1 if an image of the group has the label
    counts = present.T @ present
    np.fill_diagonal(counts, present[present.sum(axis=1) == 1].sum(axis=0))
    return pd.DataFrame(counts, index=list(EMOTIONS), columns=list(EMOTIONS))


def conflicting_pairs(faces, groups):
    """One pair of images with different labels from each group that has one: int64 (k, 2), positions in `faces`."""
    labels = pd.Series(faces.labels, dtype=np.int64)
    found = []
    for _, members in labels[groups >= 0].groupby(groups[groups >= 0]):
        other = members[members != members.iloc[0]]
        if len(other):
            found.append((members.index[0], other.index[0]))
    return np.array(found, np.int64).reshape(-1, 2)


def leaks(faces, groups):
    """How many images of each other split have a duplicate in Training: DataFrame, one row per split.

    Columns: images, twins (images with a duplicate there), with_label (a duplicate there has the same label),
    other_label (none there has the same label), share (twins / images).
    """
    twins = twin_in(faces, groups)
    group_and_label = pd.MultiIndex.from_arrays([groups, faces.labels])
    same = twins & group_and_label.isin(group_and_label[faces.usage == "Training"])
    counts = pd.DataFrame({"images": 1, "twins": twins, "with_label": same}).groupby(faces.usage).sum()
    counts = counts.reindex([name for name in (*USAGES[1:], MERGED_USAGE) if name in counts.index])
    counts["other_label"] = counts["twins"] - counts["with_label"]
    return counts.assign(share=counts["twins"] / counts["images"])


def score_without(right, twins):
    """One run's accuracy on all images, on those without a duplicate, and on those with one: DataFrame of three rows.

    right: bool (n,), whether each prediction is right. twins: bool (n,), from `twin_in`, for the same images. Columns:
    n, correct, accuracy, low, high (Wilson, 95 %).
    """
    right, twins = np.asarray(right, bool), np.asarray(twins, bool)
    if right.shape != twins.shape:
        raise ValueError(f"right and twins must be for the same images, got {right.shape} and {twins.shape}")
    rows = {"all": score(right), "without twins": score(right[~twins]), "twins only": score(right[twins])}
    return pd.DataFrame.from_dict(rows, orient="index")


def gap_within(right, twins, strata):
    """Accuracy on images with a duplicate minus accuracy on others of the same kind: a dict gap, low, high (95 %).

    right, twins: bool (n,). strata: numbers or names (n,), the kind of each image, such as its label. In PrivateTest,
    29 % of the duplicates are surprise, but 8 % of the others. So the plain difference mixes memory with how easy an
    emotion is. Here it is taken within each stratum, and averaged with the numbers of duplicates as weights (direct
    standardisation). The interval draws each stratum's counts again (parametric bootstrap). Strata without duplicates
    or without others are left out. Raises ValueError if none is left.
    """
    right, twins, strata = np.asarray(right, float), np.asarray(twins, bool), np.asarray(strata)
    generator = np.random.default_rng(0)
    gap, draws, weight = 0.0, np.zeros(SAMPLES), 0
    for stratum in np.unique(strata):
        inside = strata == stratum
        duplicates, others = right[inside & twins], right[inside & ~twins]
        n = len(duplicates)
        if not n or not len(others):
            continue
        drawn = generator.binomial(n, duplicates.mean(), SAMPLES) / n
        drawn_others = generator.binomial(len(others), others.mean(), SAMPLES) / len(others)
        gap += n * (duplicates.mean() - others.mean())
        draws += n * (drawn - drawn_others)
        weight += n
    if not weight:
        raise ValueError("no stratum has both images with a duplicate and images without")
    low, high = np.quantile(draws / weight, [0.025, 0.975])
    return {"gap": gap / weight, "low": float(low), "high": float(high)}


def gaps(right, twins, labels, votes=None):
    """``gap_within`` for each run: within emotions and, with FER+'s votes, also within the voters' agreement.

    right: run -> bool (n,). twins: bool (n,). labels: integers (n,). votes: (n, 10) or None. The second way also
    separates the votes for the label (up to 3 of ten, 4 to 6, 7 and more), since duplicates may be the clearer faces.
    Returns a DataFrame with gap, low, high, indexed by run and within.
    """
    ways = {"emotions": np.asarray(labels, np.int64)}
    if votes is not None:
        ways["emotions and votes"] = 3 * ways["emotions"] + np.digitize(share_for(labels, votes), [0.35, 0.65])
    rows = {(run, way): gap_within(own, twins, strata) for run, own in right.items() for way, strata in ways.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["run", "within"])


def _members(faces, groups):
    if len(groups) != len(faces):
        raise ValueError(f"groups must have one number for each of {len(faces)} faces, got {len(groups)}")
    chosen = groups >= 0
    return pd.DataFrame({"group": groups[chosen], "usage": faces.usage[chosen], "label": faces.labels[chosen]})
