"""Scores of one set of answers by this study's standard, as one dict (``score``)."""

import numpy as np

from fer_utils import evaluation
from fer_utils.evaluation.paired import LEVEL
from fer_utils.labels import duplicates, ferplus
from fer_utils.labels.errors import score
from fer_utils.names import EMOTIONS


def report(answers, known) -> dict:
    """Everything that is said of `answers` (``Answers`` about the rows of `known`, ``Known``): a dict for JSON.

    Rates from 0 to 1, each with n and its interval (95 %); see the keys' own functions. Without probabilities
    calibration is None.
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
    """Accuracy on the faces whose label none of FER+'s ten voters gave, and which have no twin in Training.

    Nobody sees these labels in the faces, so who names many of them rightly knows them from elsewhere: from these very
    images, or from what made the labels (search words), which can be learned to some part. Held against the most that
    any of our reference runs has; `suspicious` where even the lower end is above the upper end of that.
    """
    chosen = (ferplus.share_for(known.labels, known.votes) == 0) & ~known.twins
    own = score(right[chosen])
    ours = {name: score((answer == known.labels)[chosen]) for name, answer in known.answers.items()}
    if not ours:
        return own | {"most_of_ours": None, "suspicious": None}
    name = max(ours, key=lambda run: ours[run]["accuracy"])
    return own | {"most_of_ours": {"run": name, **ours[name]}, "suspicious": bool(own["low"] > ours[name]["high"])}


def compared(right, known) -> list:
    """Against each of our reference runs, face by face: list of dicts, the nearest in accuracy first.

    run, accuracy (of the run), difference (these answers minus the run's) with low, high, p_value (McNemar, exact),
    p_holm (corrected for all runs), differ. It speaks of these networks, not of what made them: other seeds differ too.
    """
    rows = []
    for name, answer in known.answers.items():
        other = answer == known.labels
        change = right.astype(float) - other
        mean, n = float(change.mean()), len(change)
        row = {"run": name, "accuracy": float(other.mean()), "difference": mean}
        row |= evaluation.difference_test(mean, change.var(ddof=1) / n, n - 1, 0, np.inf)
        rows.append(row | {"p_value": evaluation.mcnemar(right, other)["p_value"]})
    corrected = evaluation.holm([row["p_value"] for row in rows])
    for row, p_holm in zip(rows, corrected, strict=True):
        row |= {"p_holm": float(p_holm), "differ": bool(p_holm < LEVEL)}
    return sorted(rows, key=lambda row: abs(row["difference"]))
