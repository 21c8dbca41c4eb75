"""The comparison of the paper's numbers with our runs: the part of the audit that needs run folders."""

import numpy as np

from fer_utils import comparison, evaluation
from fer_utils.audit import checks
from fer_utils.audit.checks import Check
from fer_utils.comparison import paper
from fer_utils.evaluation.paired import LEVEL
from fer_utils.names import EMOTIONS

# "Reproduced" needs evidence of agreement, not only a lack of evidence against it: the difference may be zero, and it
# cannot be large. See VERDICTS.
ACCURACY_TOLERANCE = 3.0  # points, for the whole 95 % interval of the difference
TRAINING_TOLERANCE = 2.0  # points; it is measured with augmentation, whose ranges the paper omits
LOSS_TOLERANCE = 0.1  # nats
HAPPY_TOLERANCE = 0.05  # of the happy faces


def compare_with_runs(row, summary, finished) -> Check:
    """Compare a row (dict) with our runs of its arm: verdict "" if they decide nothing, text "" if there are none."""
    own = [run for run in finished if run.arm == row["arm"]]
    if not own or row["quantity"] not in _OURS:
        return Check(np.nan, "", "")
    ours = summary[summary["arm"] == row["arm"]].iloc[0]
    value, verdict, text = _OURS[row["quantity"]](row, ours, own, finished)
    if verdict and foreign_features(own):
        verdict, text = checks.CANNOT_BE_TOLD, f"{text}, but with other features than ImageNet's"
    if verdict and ours["n"] not in comparison.TEST_SIZES.values():
        verdict, text = checks.CANNOT_BE_TOLD, f"{text}, but not on the whole of FER-2013"
    return Check(float(value), verdict, f"{text} ({scale(ours, own)})" if text else "")


def foreign_features(finished):
    """The set of arms whose runs start from other features than ImageNet's, so they do not test the paper's arms."""
    transferred = [run for run in finished if run.manifest["strategy"] != "scratch"]
    return {run.arm for run in transferred if run.manifest.get("weights_checksum") != "imagenet"}


def scale(ours, own) -> str:
    """The size of an arm's runs in words: "1 seed, 24 epochs, width 0.25, 48 pixels, 5,000 training images".

    The number of training images is left out if it is FER-2013's.
    """
    words = [f"{ours['runs']:.0f} seed{'s' if ours['runs'] > 1 else ''}", f"{ours['epochs']:.0f} epochs"]
    for name, form in (("WIDTH", "width {}"), ("INPUT_SIZE", "{} pixels")):
        values = sorted({run.manifest["parameters"].get(name, "?") for run in own}, key=str)
        words.append(form.format(" and ".join(map(str, values))))
    images = own[0].metrics["train"]["n"]
    if images != checks.TRAINING_IMAGES:
        words.append(f"{images:,} training images")
    return ", ".join(words)


def accuracy_difference(stated, ours, n, seeds, seed_variance=0.0, seed_freedom=0) -> dict[str, float]:
    """Our mean accuracy minus the paper's, unpaired, as rates: difference, low, high (95 %), p_value.

    stated: the paper's accuracy, of one network on the 7,178 merged images. ours: the mean of `seeds` networks on n
    images. The variance over images is that of the two-proportion z test. seed_variance and seed_freedom
    (``evaluation.pooled_over_seeds``) add that over seeds, the paper's single one included. Without them, the result
    covers these networks only.
    """
    theirs_n = checks.MERGED_IMAGES
    pooled = (stated * theirs_n + ours * n) / (theirs_n + n)
    of_images = pooled * (1 - pooled) * (1 / theirs_n + 1 / n)
    tested = evaluation.difference_test(ours - stated, of_images, np.inf, seed_variance * (1 + 1 / seeds), seed_freedom)
    return {"difference": ours - stated, **tested}


def _our_validation(row, ours, own, finished):
    by_arm = {}
    for run in finished:
        by_arm.setdefault(run.arm, []).append(run.metrics["validation"]["accuracy"])
    variance, freedom = evaluation.pooled_over_seeds(by_arm.values())
    accuracy, images = ours["validation_accuracy"], own[0].metrics["validation"]["n"]
    tested = accuracy_difference(row["value"] / 100, accuracy, images, ours["runs"], variance, freedom)
    difference, low, high = (100 * tested[name] for name in ("difference", "low", "high"))
    if tested["p_value"] < LEVEL:
        verdict = checks.NOT_REPRODUCED
    elif max(abs(low), abs(high)) <= ACCURACY_TOLERANCE:
        verdict = checks.REPRODUCED
    else:
        verdict = checks.CANNOT_BE_TOLD
    chance = "seeds and images" if freedom else "images only"
    text = f"validation {100 * accuracy:.1f} %, {difference:+.1f} points ({low:+.1f} to {high:+.1f}, over {chance})"
    return 100 * accuracy, verdict, text


def _our_training(row, ours, own, finished):
    value = 100 * ours["training_accuracy"]
    near = abs(value - row["value"]) <= TRAINING_TOLERANCE
    return value, checks.REPRODUCED if near else checks.NOT_REPRODUCED, f"training {value:.1f} %"


def _our_loss(row, ours, own, finished):
    if row["quantity"] == "training loss":
        split, quantity, compare = "train", "training accuracy", _our_training
    else:
        split, quantity, compare = "validation", "validation accuracy", _our_validation
    value = float(np.mean([run.metrics[split]["log_loss"] for run in own]))
    text = f"{split} loss {value:.3f} nats"
    # Losses are comparable only if our runs reproduce one of the accuracies that the paper states for the arm.
    verdicts = [compare({"value": stated}, ours, own, finished)[1] for stated in paper.stated(row["arm"], quantity)]
    if checks.REPRODUCED not in verdicts:
        return value, "", f"{text}, of a network of another accuracy"
    near = abs(value - row["value"]) <= LOSS_TOLERANCE
    return value, checks.REPRODUCED if near else checks.NOT_REPRODUCED, text


def _our_seconds(row, ours, own, finished):
    text = f"{ours['seconds']:,.0f} s on {comparison.hardware(own[0])}: another machine"
    return ours["seconds"], checks.CANNOT_BE_TOLD, text


def _our_epochs(row, ours, own, finished):
    return ours["epochs"], "", f"{ours['epochs']:.0f} epochs"


def _our_happy(row, ours, own, finished):
    happy = EMOTIONS.index("happy")
    matrices = [np.array(run.metrics["validation"]["confusion_matrix"]) for run in own]
    share = float(np.mean([matrix[happy, happy] / max(1, matrix[happy].sum()) for matrix in matrices]))
    predicted = float(np.mean([matrix[:, happy].sum() / matrix.sum() for matrix in matrices]))
    theirs = row["value"] / checks.MERGED_COUNTS["happy"]
    alike = abs(share - theirs) < HAPPY_TOLERANCE and predicted > 0.5
    text = f"{share:.0%} of the happy faces found, happy said of {predicted:.0%} of all"
    return 100 * share, checks.REPRODUCED if alike else checks.NOT_REPRODUCED, text


# Quantity -> function that returns (value, verdict, text). ours: the arm's row of the summary. own: the arm's runs.
_OURS = {
    "validation accuracy": _our_validation,
    "training accuracy": _our_training,
    "validation loss": _our_loss,
    "training loss": _our_loss,
    "loss": _our_loss,
    "seconds": _our_seconds,
    "epochs": _our_epochs,
    "happy faces right": _our_happy,
}
