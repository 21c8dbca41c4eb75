"""Which arms differ: paired tests of finished runs on the images that they share.

Two accuracies of 67.2 and 67.1 % on the same faces say little by themselves; on how many faces the two networks differ,
and to whose favour, says more. Everything here is computed from the committed predictions, without images or a GPU.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from fer_utils import evaluation
from fer_utils.runs import RunError

LEVEL = 0.05  # corrected p values below are called a difference
COLUMNS = [
    "first", "second", "seeds_first", "seeds_second", "n", "difference", "low", "high",
    "first_only", "second_only", "p_value",
]  # fmt: skip


def right_answers(finished, arm):
    """Which test images each run of an arm named rightly: bool (seeds, n), in the order of seeds and predictions."""
    own = sorted((run for run in finished if run.arm == arm), key=lambda run: run.manifest["seed"])
    test = [run.predictions["test"] for run in own]
    return np.stack([probabilities.argmax(axis=1) == labels for _, labels, probabilities in test])


def check_same_images(finished):
    """Raise RunError, naming two runs, unless all were tested on the same images in the same order, labels included."""
    for run in finished[1:]:
        first = finished[0]
        pairs = zip(("images", "labels"), run.predictions["test"][:2], first.predictions["test"][:2], strict=True)
        for what, ours, theirs in pairs:
            if not np.array_equal(ours, theirs):
                raise RunError(
                    f"{run.name} and {first.name} cannot be paired: their test {what} differ ({len(ours)} and "
                    f"{len(theirs)}, or in another order). Make both from the same DATA, PROTOCOL and MAX_IMAGES"
                )


def pairwise(finished, samples=2000):
    """Every pair of arms, compared on the same test images: a row per pair, the first arm's accuracy the higher.

    finished: list of ``runs.Run`` of several arms and seeds. Columns: first, second (arms), seeds_first, seeds_second,
    n (images), difference (mean accuracy of the first minus that of the second, 0 to 1), low, high (95 %, bootstrap
    over images and, with several seeds, over those too), first_only, second_only (images that only this one named
    rightly, lowest seed of each), p_value (``paired_p_value``), p_holm (corrected for the number of pairs), differ
    (p_holm < 0.05). Raises RunError unless all runs were tested on the same images.
    """
    check_same_images(finished)
    right = {arm: right_answers(finished, arm) for arm in dict.fromkeys(run.arm for run in finished)}
    ordered = sorted(right, key=lambda arm: -right[arm].mean())
    rows = [_compare(first, second, right, samples) for first, second in itertools.combinations(ordered, 2)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["p_holm"] = evaluation.holm(table["p_value"])
    table["differ"] = table["p_holm"] < LEVEL
    return table


def _compare(first, second, right, samples):
    one, other = right[first], right[second]
    told_apart = evaluation.mcnemar(one[0], other[0])
    return {
        "first": first,
        "second": second,
        "seeds_first": len(one),
        "seeds_second": len(other),
        "n": one.shape[1],
        **evaluation.paired_difference(one, other, samples=samples),
        "first_only": told_apart["first_only"],
        "second_only": told_apart["second_only"],
        "p_value": paired_p_value(one, other),
    }


def paired_p_value(first_right, second_right) -> float:
    """Two-sided p value of two arms being equally accurate; bool (seeds, n) each, on the same images.

    One run each: McNemar's exact test, which speaks of these two networks. More: a t test of the mean difference, whose
    variance adds that of the images (of the difference, averaged over seeds) to that of the seeds (pooled over arms, so
    an arm with one seed is taken to vary like the other), with Satterthwaite's degrees of freedom (1946,
    doi:10.2307/3002019): few where the seeds decide, many where the images do. It speaks of other seeds and images.
    """
    first, second = np.atleast_2d(first_right), np.atleast_2d(second_right)
    freedom, n = len(first) + len(second) - 2, first.shape[1]
    if freedom == 0:
        return evaluation.mcnemar(first[0], second[0])["p_value"]
    per_image = first.mean(axis=0) - second.mean(axis=0)
    squares = sum(((side.mean(axis=1) - side.mean()) ** 2).sum() for side in (first, second))
    of_images = per_image.var(ddof=1) / n
    of_seeds = squares / freedom * (1 / len(first) + 1 / len(second))
    variance = of_images + of_seeds
    if variance == 0:
        return float(per_image.mean() == 0)
    effective = variance**2 / (of_images**2 / (n - 1) + of_seeds**2 / freedom)
    return float(2 * stats.t.sf(abs(per_image.mean()) / np.sqrt(variance), effective))
