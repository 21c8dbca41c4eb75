"""What our runs show beside one number of the paper: the half of the audit that needs run folders."""

from __future__ import annotations

import numpy as np

from fer_utils import compare
from fer_utils.audit import checks
from fer_utils.audit.checks import Check
from fer_utils.data import EMOTIONS

TRAINING_TOLERANCE = 2.0  # points; training accuracy is measured with augmentation on, whose ranges the paper omits
LOSS_TOLERANCE = 0.1  # nats


def compare_with_runs(row, summary, finished=()) -> Check:
    """What our runs of the row's arm show; verdict "" where they say nothing, text "" where there is no such run."""
    if not row["arm"] or summary is None:
        return Check(np.nan, "", "")
    ours = summary[summary["arm"] == row["arm"]].iloc[0]
    own = [run for run in finished if run.arm == row["arm"]]
    if not ours["runs"] or row["quantity"] not in _OURS:
        return Check(np.nan, "", "")
    value, verdict, text = _OURS[row["quantity"]](row, ours, own)
    if verdict and ours["n"] not in compare.TEST_SIZES.values():
        verdict, text = checks.CANNOT_BE_TOLD, f"{text}, but not on the whole of FER-2013"
    return Check(float(value), verdict, f"{text} ({scale(ours, own)})" if text else "")


def scale(ours, own=()) -> str:
    """The size of an arm's runs in words: "1 seed, 24 epochs, width 0.25, 48 pixels"."""
    words = [f"{ours['runs']:.0f} seed{'s' if ours['runs'] > 1 else ''}", f"{ours['epochs']:.0f} epochs"]
    for name, form in (("WIDTH", "width {}"), ("INPUT_SIZE", "{} pixels")):
        values = sorted({run.manifest["parameters"].get(name, "?") for run in own}, key=str)
        words += [form.format(" and ".join(map(str, values)))] if values else []
    return ", ".join(words)


def _our_validation(row, ours, own):
    value, low, high = (100 * ours[name] for name in ("validation_accuracy", "validation_low", "validation_high"))
    theirs = checks.interval(row["value"])
    verdict = checks.REPRODUCED if low <= theirs[1] and theirs[0] <= high else checks.NOT_REPRODUCED
    return value, verdict, f"validation {value:.1f} % ({low:.1f} to {high:.1f})"


def _our_training(row, ours, own):
    value = 100 * ours["training_accuracy"]
    near = abs(value - row["value"]) <= TRAINING_TOLERANCE
    return value, checks.REPRODUCED if near else checks.NOT_REPRODUCED, f"training {value:.1f} %"


def _our_loss(row, ours, own):
    split = "train" if row["quantity"] == "training loss" else "validation"
    losses = [run.metrics[split].get("log_loss") for run in own]
    losses = [loss for loss in losses if loss is not None]
    if not losses:
        return np.nan, "", ""
    value = float(np.mean(losses))
    near = abs(value - row["value"]) <= LOSS_TOLERANCE
    return value, checks.REPRODUCED if near else checks.NOT_REPRODUCED, f"{split} loss {value:.3f} nats"


def _our_seconds(row, ours, own):
    machine = f" on {compare.hardware(own[0])}" if own else ""
    return ours["seconds"], checks.CANNOT_BE_TOLD, f"{ours['seconds']:,.0f} s{machine}: another machine"


def _our_epochs(row, ours, own):
    return ours["epochs"], "", f"{ours['epochs']:.0f} epochs"


def _our_happy(row, ours, own):
    happy = EMOTIONS.index("happy")
    matrices = [np.array(run.metrics["validation"]["confusion_matrix"]) for run in own]
    if not matrices:
        return np.nan, "", ""
    share = float(np.mean([matrix[happy, happy] / max(1, matrix[happy].sum()) for matrix in matrices]))
    said = float(np.mean([matrix[:, happy].sum() / matrix.sum() for matrix in matrices]))
    theirs = row["value"] / checks.MERGED_COUNTS["happy"]
    verdict = checks.REPRODUCED if abs(share - theirs) < 0.05 and said > 0.5 else checks.NOT_REPRODUCED
    return 100 * share, verdict, f"{share:.0%} of the happy faces found, happy said of {said:.0%} of all"


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
