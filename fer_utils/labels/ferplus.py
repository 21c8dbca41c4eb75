"""FER+: ten people's votes on each image of FER-2013, and what they say of its labels (notebook 09).

The votes are `fer2013new.csv` of https://github.com/microsoft/FERPlus, one row for each row of fer2013.csv, in its
order. They are those of Barsoum, Zhang, Canton Ferrer and Zhang 2016, "Training Deep Networks for Facial Expression
Recognition with Crowd-Sourced Label Distribution" (ICMI 2016, arXiv:1608.01041).

Voters had ten answers: our seven emotions, contempt, "unknown", and NF ("no face"). All functions that take `votes`
take an integer array (n, 10) in the order of `VOTES`.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.faces import DataError
from fer_utils.labels.errors import mean_interval, score
from fer_utils.names import EMOTIONS, USAGE_COUNTS, USAGES

VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
# The place of each of EMOTIONS among the columns of VOTES: angry is "anger", neutral comes first there and last here.
EMOTION_COLUMNS = tuple(
    VOTES.index({"angry": "anger", "happy": "happiness", "sad": "sadness"}.get(name, name)) for name in EMOTIONS
)
RULES = ("plurality", "majority")
LOWEST_AGREEMENT = 0.5  # of labels with votes: about 0.7 in FER-2013's own order, about 0.2 in any other
FEWEST_TO_JUDGE = 50  # images from which on an agreement below that cannot be chance
AGREEMENT_BINS = (0.0, 0.45, 0.65, 0.85, 1.0)  # of ten votes: up to 4, 5 or 6, 7 or 8, 9 or 10
SHIPPED = Path(__file__).with_name("ferplus_votes.npz")  # made by tools/votes.py; its licence is beside it


# --- reading ---------------------------------------------------------------------------------------------------------


def shipped_votes():
    """The votes that come with this package, a row for each of fer2013.csv: int64 (35887, 10), in the order of `VOTES`.

    They are Microsoft's, under the MIT licence (``ferplus_votes.LICENSE``).
    """
    with np.load(SHIPPED) as arrays:
        return arrays["votes"].astype(np.int64)


def csv_order():
    """The usage of each row of fer2013.csv: <U11 (35887,), Training first, then PublicTest, then PrivateTest."""
    return np.repeat(USAGES, [USAGE_COUNTS[name] for name in USAGES])


def join(faces, votes):
    """The votes on each of `faces`: int64 (len(faces), 10).

    faces: Faces read from one of the CSV layouts (or a part of them), whose row ids are the CSV's rows. votes: of all
    rows, as ``shipped_votes``. FER+ has no other key than the row, so everything that can tell a wrong order is
    checked: the row ids' range, the usage of every row, and that votes and labels agree far more often than chance.
    Raises DataError otherwise.
    """
    mend = "Give fer2013.csv or icml_face_data.csv as DATA: FER+ names its images by their row in it"
    if faces.source == "sample":
        raise DataError(f"sample: the drawn faces are not FER-2013, so FER+ has no votes on them. {mend}.")
    if Path(faces.source).is_dir():
        raise DataError(f"{faces.source}: image folders do not keep the CSV's row order. {mend}.")
    outside = int(((faces.row_ids < 0) | (faces.row_ids >= len(votes))).sum())
    if outside or len(np.unique(faces.row_ids)) != len(faces):
        raise DataError(
            f"{faces.source}: {outside:,} of {len(faces):,} row ids are no rows of FER+ (0 to "
            f"{len(votes) - 1:,}), or some occur twice, as image folders' do. {mend}."
        )
    other = int((csv_order()[faces.row_ids] != faces.usage).sum())
    if other:
        raise DataError(
            f"{faces.source}: {other:,} of {len(faces):,} rows have another usage than in FER+, so the "
            f"rows are not those of the original order. {mend}."
        )
    own = votes[faces.row_ids]
    _check_agreement(faces, own, mend)
    return own


def _check_agreement(faces, votes, mend):
    agrees = favourite(votes)
    known = agrees >= 0
    same = int((agrees[known] == faces.labels[known]).sum())
    if known.sum() >= FEWEST_TO_JUDGE and same < LOWEST_AGREEMENT * known.sum():
        raise DataError(
            f"{faces.source}: only {same:,} of {int(known.sum()):,} labels agree with the votes of FER+, as in "
            f"rows of another order. {mend}."
        )


# --- what the votes say ----------------------------------------------------------------------------------------------


def favourite(votes, rule="plurality"):
    """The emotion that the voters chose: int8 (n,), a code in the order of EMOTIONS, or -1 where there is none.

    votes: integers (n, 10). rule: "plurality" takes the answer with the most votes, be they three of ten. "majority" is
    the rule of the code published with Barsoum et al. 2016 (arXiv:1608.01041): answers with a single vote are dropped,
    and the winner must have more than half of what is left; it leaves out the faces on which people differ most.
    -1 under both: contempt, unknown or NF won, or two answers tie for the first place; under "majority" also no winner.
    """
    votes = _checked(votes)
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}; the rule is one of {', '.join(map(repr, RULES))}")
    if rule == "majority":
        votes = np.where(votes > 1, votes, 0)
    top = votes.max(axis=1)
    won = (votes == top[:, None]).sum(axis=1) == 1
    if rule == "majority":
        won &= 2 * top > votes.sum(axis=1)
    codes = np.full(len(VOTES), -1, np.int8)
    codes[list(EMOTION_COLUMNS)] = range(len(EMOTIONS))
    return np.where(won, codes[votes.argmax(axis=1)], -1).astype(np.int8)


def agreement(votes):
    """Share of the votes for the most-voted answer, whichever it is: float64 (n,), above 0, 1 where all agree."""
    votes = _checked(votes)
    return votes.max(axis=1) / votes.sum(axis=1)


def share_for(labels, votes):
    """Share of each image's votes that its label got: float64 (n,), 0 to 1; what one random voter's hit rate is."""
    votes, labels = _checked(votes), np.asarray(labels, np.int64)
    return votes[np.arange(len(votes)), np.array(EMOTION_COLUMNS)[labels]] / votes.sum(axis=1)


def answers_by_label(labels, votes):
    """How often each answer won among the images of each label: DataFrame of counts, rows EMOTIONS.

    Columns: EMOTIONS, then contempt, unknown, NF, and tie. Winning is by plurality.
    """
    votes, labels = _checked(votes), np.asarray(labels, np.int64)
    top = votes.max(axis=1)
    tie = (votes == top[:, None]).sum(axis=1) > 1
    columns = [*EMOTION_COLUMNS, *range(len(EMOTIONS), len(VOTES))]
    place = np.argsort(columns)[votes.argmax(axis=1)]
    place = np.where(tie, len(VOTES), place)
    counts = np.zeros((len(EMOTIONS), len(VOTES) + 1), np.int64)
    np.add.at(counts, (labels, place), 1)
    return pd.DataFrame(counts, index=list(EMOTIONS), columns=[*EMOTIONS, *VOTES[len(EMOTIONS) :], "tie"])


def emotion_shares(votes):
    """Shares of the votes for EMOTIONS: float64 (n, 7), rows that add up to 1, or zeros where none has a vote."""
    own = _checked(votes)[:, list(EMOTION_COLUMNS)]
    return own / np.maximum(own.sum(axis=1, keepdims=True), 1)


def agreement_by_class(labels, votes, rule="plurality"):
    """Do people see the emotion that the label names? DataFrame, a row for each of EMOTIONS and one for "all".

    Columns: n; same, other, none (images whose `favourite` is the label, another of the seven emotions, or none of
    them: counts); share (same / n) with low, high (Wilson, 95 %); over_half (share of the images on which more than
    half of all votes are for the label, whatever the rule); agreement (mean share of the votes for the most-voted
    answer); votes_for_label (mean share of the votes for the label). A class without images has NaN.
    """
    labels = np.asarray(labels, np.int64)
    winner, top, own = favourite(votes, rule), agreement(votes), share_for(labels, votes)
    rows = {}
    for code, name in [*enumerate(EMOTIONS), (None, "all")]:
        chosen = np.full(len(labels), True) if code is None else labels == code
        same = winner[chosen] == labels[chosen]
        none = winner[chosen] < 0
        scored = score(same)
        rows[name] = {
            "n": scored["n"],
            "same": scored["correct"],
            "other": int((~same & ~none).sum()),
            "none": int(none.sum()),
            "share": scored["accuracy"],
            "low": scored["low"],
            "high": scored["high"],
            "over_half": (own[chosen] > 0.5).mean() if chosen.any() else np.nan,
            "agreement": top[chosen].mean() if chosen.any() else np.nan,
            "votes_for_label": own[chosen].mean() if chosen.any() else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


# --- runs in the light of the votes ----------------------------------------------------------------------------------


def rescored(labels, predicted, votes, rule="plurality"):
    """One run's accuracy under FER-2013's labels and under FER+'s voters: DataFrame of three rows.

    labels, predicted: integers (n,), 0 to 6. votes: (n, 10) of the same images. Columns: n, correct, accuracy, low,
    high (Wilson, 95 %). The second and third row are of the same images, those with a `favourite`, so their
    difference is the labels' doing; that from the first to the second is the doing of leaving out images.
    """
    labels, predicted = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    winner = favourite(votes, rule)
    known = winner >= 0
    rows = {
        "FER-2013 labels, all images": score(predicted == labels),
        "FER-2013 labels, images with a favourite": score((predicted == labels)[known]),
        "the voters' favourite, the same images": score((predicted == winner)[known]),
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def by_agreement(right, votes):
    """The share of `right` among images on which few or many voters agree: DataFrame, a row a bin.

    right: bool (n,), such as predicted == labels of a run. votes: (n, 10). A bin holds what is above its lower and up
    to its upper edge (``AGREEMENT_BINS``). Columns: bin (text), n, correct, accuracy, low, high (Wilson, 95 %).
    """
    right, share = np.asarray(right, bool), agreement(votes)
    rows = []
    for low, high in itertools.pairwise(AGREEMENT_BINS):
        text = f"{low:.0%} to {high:.0%}" if low else f"up to {high:.0%}"
        rows.append({"bin": text, **score(right[(share > low) & (share <= high)])})
    return pd.DataFrame(rows)


def label_noise_ceiling(labels, usage, votes, rule="plurality"):
    """How often FER+'s voters hit FER-2013's labels, ten together and one alone: DataFrame, a row a split and "all".

    labels: integers (n,), 0 to 6. usage: strings (n,). votes: integers (n, 10). Columns: n; with_favourite (of these,
    the images that have a `favourite` under `rule`); then five rates, each with its interval (95 %) in <rate>_low and
    <rate>_high. Two are of the images with a favourite only, which are the easier ones:

    - favourite (Wilson): a perfect predictor of the voters' favourite. Assumes that it is the truth.
    - voter_same (normal): one voter, drawn at random for each image, on these same images.

    Three are of all n images:

    - favourite_or_wrong (Wilson): the perfect predictor again, counted as wrong wherever there is no favourite.
    - voter (normal): one voter. "contempt", "unknown" and NF count as wrong, since no label says so. This is the notion
      that "human accuracy" stands for: one person who labels the test set, if such a person answers like FER+'s voters.
    - voter_of_seven (normal): one vote among those for the seven emotions, the forced choice of a person who is given
      seven names; images without such a vote count as wrong.

    None of them bounds a network trained on FER-2013's labels: what is systematic in how these were made (search words,
    for one) can be learned, although no voter knows it.
    """
    votes, labels, usage = _checked(votes), np.asarray(labels, np.int64), np.asarray(usage)
    winner, own = favourite(votes, rule), share_for(labels, votes)
    seven = votes[:, list(EMOTION_COLUMNS)].sum(axis=1) / votes.sum(axis=1)
    forced = np.divide(own, seven, out=np.zeros_like(own), where=seven > 0)
    rows = {}
    for name in [*(name for name in USAGES if name in usage), "all"]:
        chosen = np.full(len(labels), True) if name == "all" else usage == name
        known = chosen & (winner >= 0)
        rows[name] = {
            "n": int(chosen.sum()),
            "with_favourite": int(known.sum()),
            **_rate("favourite", score(winner[known] == labels[known])),
            **_rate("voter_same", mean_interval(own[known])),
            **_rate("favourite_or_wrong", score(winner[chosen] == labels[chosen])),
            **_rate("voter", mean_interval(own[chosen])),
            **_rate("voter_of_seven", mean_interval(forced[chosen])),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _rate(name, found):
    """Three columns from what `score` or `mean_interval` says."""
    value = found["accuracy"] if "accuracy" in found else found["mean"]
    return {name: value, f"{name}_low": found["low"], f"{name}_high": found["high"]}


def _checked(votes):
    votes = np.asarray(votes)
    if votes.ndim != 2 or votes.shape[1] != len(VOTES) or votes.dtype.kind not in "iu":
        raise ValueError(f"votes must be integers (n, {len(VOTES)}), got {votes.dtype} {votes.shape}")
    if (votes < 0).any() or (votes.sum(axis=1) == 0).any():
        raise ValueError("votes must not be negative, and every image needs at least one")
    return votes.astype(np.int64)
