"""The scores of one set of predictions by this study's standard, as one dict (``score``)."""

import numpy as np

from fer_utils import evaluation
from fer_utils.evaluation.paired import LEVEL
from fer_utils.labels import duplicates, ferplus
from fer_utils.labels.errors import score
from fer_utils.names import EMOTIONS


def report(answers, known) -> dict:
    """Return all scores of `answers` (``Answers`` for the rows of `known`, ``Known``) as a dict for JSON.

    Rates are from 0 to 1, each with n and its 95 % interval. The functions called here describe their keys.
    "calibration" is None if there are no probabilities.
    """
    right = answers.predicted == known.labels
    return {
        "source": answers.source,
        "protocol": known.protocol,
        "images": known.images,
        "notes": list(answers.notes),
        "accuracy": score(right),
        **_by_emotion(known.labels, answers.predicted),
        "twins": duplicates.score_without(right, known.twins).to_dict("index"),
        "memory_gap": duplicates.gap_within(right, known.twins, known.labels),
        "by_agreement": ferplus.by_agreement(right, known.votes).to_dict("records"),
        "ferplus": {
            rule: ferplus.rescored(known.labels, answers.predicted, known.votes, rule).to_dict("index")
            for rule in ferplus.RULES
        },
        "calibration": _calibration(known.labels, answers.probabilities),
        "unseen_labels": unseen_labels(right, known),
        "compared": compared(right, known),
    }


def _by_emotion(labels, predicted):
    summary = evaluation.summarize(labels, np.eye(len(EMOTIONS))[predicted])
    emotions = {
        name: {**score(predicted[labels == code] == code), "precision": summary["per_class"][name]["precision"]}
        for code, name in enumerate(EMOTIONS)
    }
    return {
        "macro_f1": summary["macro_f1"],
        "balanced_accuracy": summary["balanced_accuracy"],
        "by_emotion": emotions,
        "confusion_matrix": summary["confusion_matrix"],
    }


def _calibration(labels, probabilities):
    if probabilities is None:
        return None
    summary = evaluation.summarize(labels, probabilities)
    return {
        "log_loss": summary["log_loss"],
        "expected_calibration_error": evaluation.calibration_error(labels, probabilities),
        "mean_confidence": float(probabilities.max(axis=1).mean()),
    }


def unseen_labels(right, known) -> dict:
    """Return the accuracy on the faces whose label no voter of FER+ chose and that have no duplicate in Training.

    Nobody sees these labels in the faces. A model that predicts many of them knows them from another source: from these
    images themselves, or from the search words that made the labels and can partly be learned. most_of_ours: the
    reference run with the highest accuracy. suspicious: whether the interval lies above that run's interval.
    """
    chosen = (ferplus.share_for(known.labels, known.votes) == 0) & ~known.twins
    own = score(right[chosen])
    ours = {run: score((predicted == known.labels)[chosen]) for run, predicted in known.answers.items()}
    if not ours:
        return own | {"most_of_ours": None, "suspicious": None}
    best = max(ours, key=lambda run: ours[run]["accuracy"])
    return own | {"most_of_ours": {"run": best, **ours[best]}, "suspicious": bool(own["low"] > ours[best]["high"])}


def compared(right, known) -> list:
    """Compare with each of our reference runs, face by face: list of dicts, the nearest in accuracy first.

    Keys: run, accuracy (of the run), difference (these predictions minus the run's) with low and high, p_value
    (McNemar, exact), p_holm (corrected for all runs), differ. The comparison describes these networks, not
    their settings: other seeds differ, too.
    """
    rows = []
    for name, predicted in known.answers.items():
        other = predicted == known.labels
        change = right.astype(float) - other
        mean, n = float(change.mean()), len(change)
        row = {"run": name, "accuracy": float(other.mean()), "difference": mean}
        row |= evaluation.difference_test(mean, change.var(ddof=1) / n, n - 1, 0, np.inf)
        rows.append(row | {"p_value": evaluation.mcnemar(right, other)["p_value"]})
    corrected = evaluation.holm([row["p_value"] for row in rows])
    for row, p_holm in zip(rows, corrected, strict=True):
        row.update(p_holm=float(p_holm), differ=bool(p_holm < LEVEL))
    return sorted(rows, key=lambda row: abs(row["difference"]))
