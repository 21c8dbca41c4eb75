"""What choosing an epoch on the reported images does to the number that is reported (notebooks 07 and 08).

A network's accuracy wavers from epoch to epoch. Whoever picks the best of them on the reported images picks in part
the luck of those images, and would not find it on others (Cawley, Talbot 2010, JMLR 11, 2079-2107). Here one training
is scored by the rules that are in use, from what its every epoch answers (``epochs.npz``, from a run with
KEEP_EPOCHS).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils import runs
from fer_utils.evaluation.intervals import wilson_interval
from fer_utils.evaluation.paired import paired_difference

FILE = "epochs.npz"
THRESHOLD = 0.67  # the paper's, for VGG16 from scratch


def save_epochs(folder, labels, probabilities):
    """Write what each epoch answers to each image as epochs.npz into a run's folder, as uint8.

    labels: split ("validation", "test") -> uint8 (n,). probabilities: split -> floats (epochs, n, 7).
    """
    arrays = {f"{split}_labels": np.asarray(values, np.uint8) for split, values in labels.items()}
    arrays |= {
        f"{split}_answers": np.argmax(np.asarray(values, np.float16), axis=2).astype(np.uint8)
        for split, values in probabilities.items()
    }
    runs.write_whole(Path(folder) / FILE, lambda stream: np.savez_compressed(stream, **arrays))


def read_epochs(folder):
    """Whether each image was named rightly in each epoch: split -> bool (epochs, n). RunError without the file."""
    path = Path(folder) / FILE
    try:
        arrays = runs.read_arrays(path)
        return {split: arrays[f"{split}_answers"] == arrays[f"{split}_labels"] for split in ("validation", "test")}
    except (OSError, ValueError, KeyError) as error:
        raise runs.RunError(f"{path}: no answers of every epoch ({error}). Run with KEEP_EPOCHS=True") from error


def with_epochs(finished):
    """Of finished runs those that ``selection_table`` can score, and a sentence on each other that kept its epochs.

    Under the paper's protocol, validation and test are the same images, so no rule can be held against another.
    """
    kept = [run for run in finished if (run.folder / FILE).is_file()]
    official = [run for run in kept if run.manifest["parameters"]["PROTOCOL"] == "official"]
    notes = [
        f"Left out: {run.name} was made by the protocol {run.manifest['parameters']['PROTOCOL']}, not official."
        for run in kept
        if run not in official
    ]
    return official, notes


def selection_table(right, threshold=THRESHOLD):
    """One training scored by the rules in use: a row per rule.

    right: split -> bool (epochs, n), from ``read_epochs``, of a run under the official protocol. threshold: of the
    paper's stop, 0 to 1. Columns: rule, epoch (from 1; missing where the threshold was never passed), reported on,
    n, reported, low, high (Wilson 95 %), private (accuracy of that epoch on PrivateTest), inflation (reported minus
    what the official rule's epoch has on the same images, which may be easier or harder than PrivateTest),
    inflation_low, inflation_high (its paired bootstrap interval, 95 %). Rates 0 to 1.
    """
    images = {"PublicTest": right["validation"], "PrivateTest": right["test"]}
    images["both merged"] = np.concatenate(list(images.values()), axis=1)
    score = {split: answers.mean(axis=1) for split, answers in images.items()}
    above = np.flatnonzero(score["both merged"] > threshold)
    choices = [
        ("last epoch", len(score["PublicTest"]) - 1, "PrivateTest"),
        ("best on PublicTest (official)", int(score["PublicTest"].argmax()), "PrivateTest"),
        ("best on PrivateTest", int(score["PrivateTest"].argmax()), "PrivateTest"),
        ("best on PublicTest, and that is reported", int(score["PublicTest"].argmax()), "PublicTest"),
        ("best on both merged (paper)", int(score["both merged"].argmax()), "both merged"),
        (f"first above {100 * threshold:g} % on both merged (paper)", above[0] if above.size else None, "both merged"),
    ]
    official = choices[1][1]
    return pd.DataFrame([_row(rule, epoch, split, images, official) for rule, epoch, split in choices])


def _row(rule, epoch, split, images, official):
    row = {"rule": rule, "epoch": None, "reported on": split, "n": images[split].shape[1]}
    if epoch is None:
        names = ("reported", "low", "high", "private", "inflation", "inflation_low", "inflation_high")
        return row | dict.fromkeys(names, np.nan)
    chosen = images[split][epoch]
    low, high = wilson_interval(int(chosen.sum()), len(chosen))
    private = float(images["PrivateTest"][epoch].mean())
    row |= {"epoch": int(epoch) + 1, "reported": float(chosen.mean()), "low": low, "high": high, "private": private}
    added = paired_difference(chosen, images[split][official], samples=2000)
    return row | dict(zip(("inflation", "inflation_low", "inflation_high"), added.values(), strict=True))


def optimism(right, samples=2000, seed=0):
    """How much the best epoch's score owes to the images that it was chosen on: mean, low, high (95 % of the samples).

    right: bool (epochs, n). In each sample the images fall into two random halves; the epoch that is best on the first
    is scored on both, and the difference is pure luck. With half of the images the luck is larger than with all.
    """
    right = np.asarray(right, float)
    generator, gaps = np.random.default_rng(seed), []
    n = right.shape[1]
    for _ in range(samples):
        order = generator.permutation(n)
        first, second = (right[:, half].mean(axis=1) for half in (order[: n // 2], order[n // 2 :]))
        best = first.argmax()
        gaps.append(first[best] - second[best])
    low, high = np.quantile(gaps, [0.025, 0.975])
    return {"mean": float(np.mean(gaps)), "low": float(low), "high": float(high)}
