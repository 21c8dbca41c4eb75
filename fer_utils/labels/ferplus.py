"""FER+: ten people's votes on each image of FER-2013, and what they show about its labels.

The votes are `fer2013new.csv` from https://github.com/microsoft/FERPlus: one row for each row of fer2013.csv, in the
same order. Source: Barsoum, Zhang, Canton Ferrer and Zhang 2016, "Training Deep Networks for Facial Expression
Recognition with Crowd-Sourced Label Distribution" (ICMI 2016, arXiv:1608.01041).

Voters chose one of ten answers: our seven emotions, contempt, "unknown", and NF ("no face"). `votes` is always an
integer array (n, 10), with columns in the order of `VOTES`.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.faces import DataError
from fer_utils.labels.errors import mean_interval, score
from fer_utils.names import EMOTIONS, USAGE_COUNTS, USAGES

VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
# The column in VOTES of each of EMOTIONS. The order and some names differ: "anger" is angry, for example.
EMOTION_COLUMNS = np.array(
    [VOTES.index({"angry": "anger", "happy": "happiness", "sad": "sadness"}.get(name, name)) for name in EMOTIONS]
)
RULES = ("plurality", "majority")
LOWEST_AGREEMENT = 0.5  # of labels and votes: about 0.7 in FER-2013's own order, about 0.2 in any other
FEWEST_TO_JUDGE = 50  # with this many images, a lower agreement cannot be chance
AGREEMENT_BINS = (0.0, 0.45, 0.65, 0.85, 1.0)  # of ten votes: up to 4, 5 or 6, 7 or 8, 9 or 10
SHIPPED = Path(__file__).with_name("ferplus_votes.npz")  # made by tools/votes.py; its licence is next to it


def shipped_votes():
    """Microsoft's votes (MIT licence, ``ferplus_votes.LICENSE``): int64 (35887, 10), one row per row of fer2013.csv."""
    with np.load(SHIPPED) as arrays:
        return arrays["votes"].astype(np.int64)


def csv_order():
    """The usage of each row of fer2013.csv: <U11 (35887,), first Training, then PublicTest, then PrivateTest."""
    return np.repeat(USAGES, [USAGE_COUNTS[name] for name in USAGES])


def join(faces, votes):
    """The votes on each of `faces`: int64 (len(faces), 10).

    faces: Faces read from one of the CSV layouts, or a part of them; their row ids are the CSV's rows. votes: of all
    rows, as from ``shipped_votes``. FER+ identifies an image only by its row. So this function checks the row ids'
    range, the usage of every row, and that votes and labels agree more often than by chance. Raises DataError if not.
    """
    fix = "Give fer2013.csv or icml_face_data.csv as DATA: FER+ identifies its images by their row in it"
    if faces.source == "sample":
        raise DataError(f"sample: the drawn faces are not FER-2013, so FER+ has no votes on them. {fix}.")
    if Path(faces.source).is_dir():
        raise DataError(f"{faces.source}: image folders do not keep the CSV's row order. {fix}.")
    outside = int(((faces.row_ids < 0) | (faces.row_ids >= len(votes))).sum())
    if outside or len(np.unique(faces.row_ids)) != len(faces):
        raise DataError(
            f"{faces.source}: {outside:,} of {len(faces):,} row ids are no rows of FER+ (0 to "
            f"{len(votes) - 1:,}), or some occur twice, as in image folders. {fix}."
        )
    other = int((csv_order()[faces.row_ids] != faces.usage).sum())
    if other:
        raise DataError(
            f"{faces.source}: {other:,} of {len(faces):,} rows have another usage than in FER+, so the "
            f"rows are not in the original order. {fix}."
        )
    own = votes[faces.row_ids]
    winner = favourite(own)
    known = int((winner >= 0).sum())
    same = int((winner == faces.labels).sum())  # a label is never -1
    if known >= FEWEST_TO_JUDGE and same < LOWEST_AGREEMENT * known:
        raise DataError(
            f"{faces.source}: only {same:,} of {known:,} labels agree with the votes of FER+, so the rows are not in "
            f"the original order. {fix}."
        )
    return own


def favourite(votes, rule="plurality"):
    """The emotion that the voters chose: int8 (n,), a code in the order of EMOTIONS, or -1 if there is none.

    votes: integers (n, 10). rule: "plurality" takes the answer with the most votes, even if it has only three of ten.
    "majority" is the rule of the code published with Barsoum et al. 2016 (arXiv:1608.01041): it drops answers with a
    single vote, and the winner needs more than half of the rest. It leaves out the faces on which people differ most.
    Both return -1 if contempt, unknown or NF won, or if two answers tie; "majority" also if no answer won.
    """
    votes = _checked(votes)
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}: use one of {', '.join(map(repr, RULES))}")
    if rule == "majority":
        votes = np.where(votes > 1, votes, 0)
    top = votes.max(axis=1)
    won = (votes == top[:, None]).sum(axis=1) == 1
    if rule == "majority":
        won &= 2 * top > votes.sum(axis=1)
    codes = np.full(len(VOTES), -1, np.int8)
    codes[EMOTION_COLUMNS] = range(len(EMOTIONS))
    return np.where(won, codes[votes.argmax(axis=1)], -1).astype(np.int8)


def agreement(votes):
    """Share of the votes for the most-voted answer, of all ten: float64 (n,), above 0, and 1 where all agree."""
    votes = _checked(votes)
    return votes.max(axis=1) / votes.sum(axis=1)


def share_for(labels, votes):
    """Share of the votes for each image's label: float64 (n,), 0 to 1. It is the hit rate of one random voter."""
    votes, labels = _checked(votes), np.asarray(labels, np.int64)
    return votes[np.arange(len(votes)), EMOTION_COLUMNS[labels]] / votes.sum(axis=1)


def answers_by_label(labels, votes):
    """How often each answer won, by plurality, among the images of each label: DataFrame of counts, rows EMOTIONS.

    Columns: EMOTIONS, then contempt, unknown, NF, and tie.
    """
    votes, labels = _checked(votes), np.asarray(labels, np.int64)
    tie = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1
    winner = np.where(tie, len(VOTES), votes.argmax(axis=1))
    counts = np.zeros((len(EMOTIONS), len(VOTES) + 1), np.int64)
    np.add.at(counts, (labels, winner), 1)
    order = [*EMOTION_COLUMNS, *range(len(EMOTIONS), len(VOTES) + 1)]
    names = [*EMOTIONS, *VOTES[len(EMOTIONS) :], "tie"]
    return pd.DataFrame(counts[:, order], index=list(EMOTIONS), columns=names)


def emotion_shares(votes):
    """Shares of the votes for the seven EMOTIONS: float64 (n, 7). Rows sum to 1, or are 0 if no emotion has a vote."""
    own = _checked(votes)[:, EMOTION_COLUMNS]
    return own / np.maximum(own.sum(axis=1, keepdims=True), 1)


def agreement_by_class(labels, votes, rule="plurality"):
    """Whether people see the emotion that the label names: DataFrame, one row for each of EMOTIONS and one for "all".

    Columns: n; same, other, none (counts of images whose `favourite` is the label, another of the seven emotions, or
    none of them); share (same / n) with low, high (Wilson, 95 %); over_half (share of the images on which more than
    half of all votes are for the label, under either rule); agreement (mean share of the votes for the most-voted
    answer); votes_for_label (mean share of the votes for the label). A class without images has NaN.
    """
    labels = np.asarray(labels, np.int64)
    winner, own = favourite(votes, rule), share_for(labels, votes)
    measures = {"over_half": own > 0.5, "agreement": agreement(votes), "votes_for_label": own}
    images = {name: labels == code for code, name in enumerate(EMOTIONS)} | {"all": np.full(len(labels), True)}
    rows = {}
    for name, chosen in images.items():
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
            **{column: values[chosen].mean() if chosen.any() else np.nan for column, values in measures.items()},
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def rescored(labels, predicted, votes, rule="plurality"):
    """One run's accuracy by FER-2013's labels and by FER+'s voters: DataFrame of three rows.

    labels, predicted: integers (n,), 0 to 6. votes: (n, 10) of the same images. Columns: n, correct, accuracy, low,
    high (Wilson, 95 %). The first and second row differ in the images: the second leaves out those without a
    `favourite`. The second and third row differ in the labels, on the same images.
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
    """The share of `right` among images on which few or many voters agree: DataFrame, one row per bin.

    right: bool (n,), such as predicted == labels of a run. votes: (n, 10). A bin of ``AGREEMENT_BINS`` includes its
    upper edge, but not its lower one. Columns: bin (text), n, correct, accuracy, low, high (Wilson, 95 %).
    """
    right, share = np.asarray(right, bool), agreement(votes)
    rows = []
    for low, high in itertools.pairwise(AGREEMENT_BINS):
        text = f"{low:.0%} to {high:.0%}" if low else f"up to {high:.0%}"
        rows.append({"bin": text, **score(right[(share > low) & (share <= high)])})
    return pd.DataFrame(rows)


def label_noise_ceiling(labels, usage, votes, rule="plurality"):
    """How often FER+'s voters hit FER-2013's labels, ten together and one alone: DataFrame, a row per split and "all".

    labels: integers (n,), 0 to 6. usage: strings (n,). votes: integers (n, 10). Columns: n; with_favourite (the number
    of images with a `favourite` under `rule`); then five rates, each with its interval (95 %) in <rate>_low and
    <rate>_high. Two rates are on the images with a favourite only, which are the easier ones:

    - favourite (Wilson): a perfect predictor of the voters' favourite. It assumes that the favourite is the truth.
    - voter_same (normal): one voter, drawn at random for each image, on the same images.

    Three rates are on all n images:

    - favourite_or_wrong (Wilson): the perfect predictor again, counted as wrong wherever there is no favourite.
    - voter (normal): one voter. "contempt", "unknown" and NF count as wrong, since no label has these names. This is
      "human accuracy": one person who labels the test set, if that person votes like FER+'s voters.
    - voter_of_seven (normal): one vote among those for the seven emotions, like a person who must choose one of seven
      names. Images without such a vote count as wrong.

    No rate is an upper bound for a network trained on FER-2013's labels. The network can learn what is systematic in
    how the labels were made (search words, for example), which no voter knows.
    """
    votes, labels, usage = _checked(votes), np.asarray(labels, np.int64), np.asarray(usage)
    winner, own = favourite(votes, rule), share_for(labels, votes)
    seven = votes[:, EMOTION_COLUMNS].sum(axis=1) / votes.sum(axis=1)
    forced = np.divide(own, seven, out=np.zeros_like(own), where=seven > 0)
    images = {name: usage == name for name in USAGES if name in usage} | {"all": np.full(len(labels), True)}
    rows = {}
    for name, chosen in images.items():
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
    """A rate and its interval as three columns, from the result of `score` or `mean_interval`."""
    value = found["accuracy"] if "accuracy" in found else found["mean"]
    return {name: value, f"{name}_low": found["low"], f"{name}_high": found["high"]}


def _checked(votes):
    votes = np.asarray(votes)
    if votes.ndim != 2 or votes.shape[1] != len(VOTES) or votes.dtype.kind not in "iu":
        raise ValueError(f"votes must be integers (n, {len(VOTES)}), got {votes.dtype} {votes.shape}")
    if (votes < 0).any() or (votes.sum(axis=1) == 0).any():
        raise ValueError("votes must not be negative, and every image needs at least one")
    return votes.astype(np.int64)
