"""How choosing the epoch on the reported images inflates the reported accuracy.

A network's accuracy varies from epoch to epoch. The best epoch on the reported images is best partly by luck on these
images, and this luck does not carry over to others (Cawley, Talbot 2010, JMLR 11, 2079-2107). Here one training is
scored by the rules in use, from the predictions of every epoch (``epochs.npz``, from a run with KEEP_EPOCHS).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils import runs
from fer_utils.evaluation.intervals import TAILS, wilson_interval
from fer_utils.evaluation.paired import paired_difference

FILE = "epochs.npz"
THRESHOLD = 0.67  # the paper's, for VGG16 from scratch


def save_epochs(folder, labels, probabilities):
    """Write the class that each epoch predicts for each image, as uint8, to epochs.npz in a run's folder.

    labels: split ("validation", "test") -> uint8 (n,). probabilities: split -> floats (epochs, n, 7).
    """
    arrays = {f"{split}_labels": np.asarray(values, np.uint8) for split, values in labels.items()}
    arrays |= {
        f"{split}_answers": np.argmax(np.asarray(values, np.float16), axis=2).astype(np.uint8)
        for split, values in probabilities.items()
    }
    runs.write_whole(Path(folder) / FILE, lambda stream: np.savez_compressed(stream, **arrays))


def read_epochs(folder):
    """Whether each epoch's prediction is right: split -> bool (epochs, n). Raises RunError if the file is missing."""
    path = Path(folder) / FILE
    try:
        arrays = runs.read_arrays(path)
        return {split: arrays[f"{split}_answers"] == arrays[f"{split}_labels"] for split in ("validation", "test")}
    except (OSError, ValueError, KeyError) as error:
        raise runs.RunError(f"{path}: no predictions of every epoch ({error}). Run with KEEP_EPOCHS=True") from error


def with_epochs(finished):
    """The finished runs with epochs.npz: (those that ``selection_table`` can score, a sentence on each of the others).

    Runs under the paper's protocol are left out: their validation and test images are the same, so the rules agree.
    """
    kept = [run for run in finished if (run.folder / FILE).is_file()]
    official, notes = [], []
    for run in kept:
        protocol = run.manifest["parameters"]["PROTOCOL"]
        if protocol == "official":
            official.append(run)
        else:
            notes.append(f"Left out: {run.name} was made by the protocol {protocol}, not official.")
    return official, notes


def selection_table(right, threshold=THRESHOLD):
    """One training scored by the rules in use: DataFrame, one row per rule.

    right: split -> bool (epochs, n), from ``read_epochs``, for a run under the official protocol. threshold: the
    paper's accuracy for stopping, 0 to 1. Columns: rule, epoch (from 1; missing if the threshold was never passed),
    reported on, n, reported, low, high (Wilson 95 %), private (accuracy of that epoch on PrivateTest), inflation
    (reported minus the accuracy of the official rule's epoch on the same images, which may be easier or harder than
    PrivateTest), inflation_low, inflation_high (paired bootstrap, 95 %). Rates 0 to 1.
    """
    images = {"PublicTest": right["validation"], "PrivateTest": right["test"]}
    images["both merged"] = np.concatenate(list(images.values()), axis=1)
    best = {split: int(correct.mean(axis=1).argmax()) for split, correct in images.items()}
    above = np.flatnonzero(images["both merged"].mean(axis=1) > threshold)
    choices = [
        ("last epoch", len(right["validation"]) - 1, "PrivateTest"),
        ("best on PublicTest (official)", best["PublicTest"], "PrivateTest"),
        ("best on PrivateTest", best["PrivateTest"], "PrivateTest"),
        ("best on PublicTest, and that is reported", best["PublicTest"], "PublicTest"),
        ("best on both merged (paper)", best["both merged"], "both merged"),
        (f"first above {100 * threshold:g} % on both merged (paper)", above[0] if above.size else None, "both merged"),
    ]
    return pd.DataFrame([_row(rule, epoch, split, images, best["PublicTest"]) for rule, epoch, split in choices])


def _row(rule, epoch, split, images, official):
    row = {"rule": rule, "epoch": None, "reported on": split, "n": images[split].shape[1]}
    if epoch is None:  # the other columns become NaN in the DataFrame
        return row
    chosen = images[split][epoch]
    low, high = wilson_interval(int(chosen.sum()), len(chosen))
    private = float(images["PrivateTest"][epoch].mean())
    row |= {"epoch": int(epoch) + 1, "reported": float(chosen.mean()), "low": low, "high": high, "private": private}
    gap = paired_difference(chosen, images[split][official], samples=2000)
    return row | {"inflation": gap["difference"], "inflation_low": gap["low"], "inflation_high": gap["high"]}


def optimism(right, samples=2000, seed=0):
    """How much of the best epoch's accuracy is luck on the images that chose it: mean, low, high (95 % of the samples).

    right: bool (epochs, n). Each sample splits the images at random into two halves. The epoch that is best on the
    first half is scored on both, and the difference is pure luck. With half the images, luck is larger than with all.
    """
    right = np.asarray(right, float)
    generator = np.random.default_rng(seed)
    gaps = []
    n = right.shape[1]
    for _ in range(samples):
        order = generator.permutation(n)
        first = right[:, order[: n // 2]].mean(axis=1)
        second = right[:, order[n // 2 :]].mean(axis=1)
        best = first.argmax()
        gaps.append(first[best] - second[best])
    low, high = np.quantile(gaps, TAILS)
    return {"mean": float(np.mean(gaps)), "low": float(low), "high": float(high)}
