"""What our runs show beside one number of the paper: the audit's half that needs run folders (notebook 07)."""

import numpy as np

from fer_utils import comparison, evaluation
from fer_utils.audit import checks
from fer_utils.audit.checks import Check
from fer_utils.comparison import paper
from fer_utils.names import EMOTIONS

# "Reproduced" needs a yes, not the lack of a no: a difference that may be nothing and cannot be much. See VERDICTS.
ACCURACY_TOLERANCE = 3.0  # points, for the whole 95 % interval of the difference
TRAINING_TOLERANCE = 2.0  # points; training accuracy is measured with augmentation on, whose ranges the paper omits
LOSS_TOLERANCE = 0.1  # nats
HAPPY_TOLERANCE = 0.05  # of the happy faces


def compare_with_runs(row, summary, finished) -> Check:
    """What our runs of the row's arm show; verdict "" where they say nothing, text "" where there is no such run."""
    own = [run for run in finished if run.arm == row["arm"]]
    if not own or row["quantity"] not in _OURS:
        return Check(np.nan, "", "")
    ours = summary[summary["arm"] == row["arm"]].iloc[0]
    value, verdict, text = _OURS[row["quantity"]](row, ours, own, finished)
    if verdict and row["arm"] in foreign_features(own):
        verdict, text = checks.CANNOT_BE_TOLD, f"{text}, but with other features than ImageNet's"
    if verdict and ours["n"] not in comparison.TEST_SIZES.values():
        verdict, text = checks.CANNOT_BE_TOLD, f"{text}, but not on the whole of FER-2013"
    return Check(float(value), verdict, f"{text} ({scale(ours, own)})" if text else "")


def foreign_features(finished):
    """Arms whose runs start from other features than the paper's, which are ImageNet's, and so say nothing of its."""
    transferred = [run for run in finished if run.manifest["strategy"] != "scratch"]
    return {run.arm for run in transferred if run.manifest.get("weights_checksum") != "imagenet"}


def scale(ours, own) -> str:
    """The size of an arm's runs in words: "1 seed, 24 epochs, width 0.25, 48 pixels"."""
    words = [f"{ours['runs']:.0f} seed{'s' if ours['runs'] > 1 else ''}", f"{ours['epochs']:.0f} epochs"]
    for name, form in (("WIDTH", "width {}"), ("INPUT_SIZE", "{} pixels")):
        values = sorted({run.manifest["parameters"].get(name, "?") for run in own}, key=str)
        words.append(form.format(" and ".join(map(str, values))))
    return ", ".join(words)


def accuracy_difference(stated, ours, n, seeds, seed_variance=0.0, seed_freedom=0) -> dict[str, float]:
    """Our mean accuracy less the paper's, unpaired, as rates: difference, low, high (95 %), p_value.

    stated: the paper's, of one network on the 7,178 merged images; ours: the mean of `seeds` networks on n images. The
    images' part is that of the two-proportion z test; seed_variance, seed_freedom (``evaluation.pooled_over_seeds``)
    add the seeds', the paper's one included. Without them, it speaks of these networks only.
    """
    theirs_n = checks.MERGED_IMAGES
    pooled = (stated * theirs_n + ours * n) / (theirs_n + n)
    of_images = pooled * (1 - pooled) * (1 / theirs_n + 1 / n)
    tested = evaluation.difference_test(ours - stated, of_images, np.inf, seed_variance * (1 + 1 / seeds), seed_freedom)
    return {"difference": ours - stated, **tested}


def _seed_spread(finished):
    """Variance of validation accuracy over seeds, pooled over all arms, and its degrees of freedom."""
    arms = {
        run.arm: [other.metrics["validation"]["accuracy"] for other in finished if other.arm == run.arm]
        for run in finished
    }
    return evaluation.pooled_over_seeds(arms.values())


def _our_validation(row, ours, own, finished):
    spread = _seed_spread(finished)
    images = own[0].metrics["validation"]["n"]
    tested = accuracy_difference(row["value"] / 100, ours["validation_accuracy"], images, ours["runs"], *spread)
    difference, low, high = (100 * tested[name] for name in ("difference", "low", "high"))
    inside = max(abs(low), abs(high)) <= ACCURACY_TOLERANCE
    verdict = (
        checks.NOT_REPRODUCED if tested["p_value"] < 0.05 else checks.REPRODUCED if inside else checks.CANNOT_BE_TOLD
    )
    value = 100 * ours["validation_accuracy"]
    chance = "seeds and images" if spread[1] else "images only"
    return (
        value,
        verdict,
        f"validation {value:.1f} %, {difference:+.1f} points ({low:+.1f} to {high:+.1f}, over {chance})",
    )


def _our_training(row, ours, own, finished):
    value = 100 * ours["training_accuracy"]
    near = abs(value - row["value"]) <= TRAINING_TOLERANCE
    return value, checks.REPRODUCED if near else checks.NOT_REPRODUCED, f"training {value:.1f} %"


def _our_loss(row, ours, own, finished):
    split = "train" if row["quantity"] == "training loss" else "validation"
    value = float(np.mean([run.metrics[split]["log_loss"] for run in own]))
    text = f"{split} loss {value:.3f} nats"
    if not _accuracy_reproduced(row["arm"], split, ours, own, finished):
        return value, "", f"{text}, of a network of another accuracy"
    near = abs(value - row["value"]) <= LOSS_TOLERANCE
    return value, checks.REPRODUCED if near else checks.NOT_REPRODUCED, text


def _accuracy_reproduced(arm, split, ours, own, finished):
    """Whether our runs reproduce any accuracy that the paper prints for an arm: else a loss compares two networks."""
    quantity = {"train": "training accuracy", "validation": "validation accuracy"}[split]
    rows = paper.reported().query("arm == @arm and quantity == @quantity").to_dict("records")
    return any(_OURS[quantity](row, ours, own, finished)[1] == checks.REPRODUCED for row in rows)


def _our_seconds(row, ours, own, finished):
    text = f"{ours['seconds']:,.0f} s on {comparison.hardware(own[0])}: another machine"
    return ours["seconds"], checks.CANNOT_BE_TOLD, text


def _our_epochs(row, ours, own, finished):
    return ours["epochs"], "", f"{ours['epochs']:.0f} epochs"


def _our_happy(row, ours, own, finished):
    happy = EMOTIONS.index("happy")
    matrices = [np.array(run.metrics["validation"]["confusion_matrix"]) for run in own]
    share = float(np.mean([matrix[happy, happy] / max(1, matrix[happy].sum()) for matrix in matrices]))
    said = float(np.mean([matrix[:, happy].sum() / matrix.sum() for matrix in matrices]))
    theirs = row["value"] / checks.MERGED_COUNTS["happy"]
    verdict = checks.REPRODUCED if abs(share - theirs) < HAPPY_TOLERANCE and said > 0.5 else checks.NOT_REPRODUCED
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
