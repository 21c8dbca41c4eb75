"""Which arms differ: paired tests of finished runs on the same test images.

Accuracies of 67.2 and 67.1 % on the same faces say little by themselves. It matters on how many faces only one of the
two networks is right, and which one. All tests use the saved predictions, without images or a GPU.
"""

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from fer_utils.evaluation.intervals import TAILS, draws, pooled_over_seeds
from fer_utils.runs.folder import RunError

LEVEL = 0.05  # a corrected p value below it counts as a difference
NETWORKS, ARMS = "these networks", "their arms"  # what a test's result is about
COLUMNS = [
    "first", "second", "seeds_first", "seeds_second", "n", "difference", "low", "high",
    "first_only", "second_only", "speaks_of", "p_value", "own_low", "own_high", "own_p_value",
]  # fmt: skip


def mcnemar(first_right, second_right) -> dict[str, float | int]:
    """McNemar's exact test of whether two classifiers are right equally often on the same images.

    first_right, second_right: bool (n,), whether each prediction is right. Returns the counts ``both``, ``first_only``,
    ``second_only``, ``neither`` and the two-sided ``p_value``. Only images with exactly one right prediction decide it.
    Under the null hypothesis, each of them is a coin toss (McNemar 1947, doi:10.1007/BF02295996).
    """
    first, second = _checked_pair(first_right, second_right)
    first_only, second_only = int((first & ~second).sum()), int((~first & second).sum())
    discordant = first_only + second_only
    return {
        "both": int((first & second).sum()),
        "first_only": first_only,
        "second_only": second_only,
        "neither": int((~first & ~second).sum()),
        "p_value": float(stats.binomtest(first_only, discordant).pvalue) if discordant else 1.0,
    }


def paired_difference(first_right, second_right, samples=10_000, seed=0) -> dict[str, float]:
    """Accuracy of the first run minus accuracy of the second, with its paired percentile bootstrap interval.

    first_right, second_right: bool (n,), whether each prediction is right. The interval covers other images, not other
    seeds (``difference_test`` does). Returns a dict difference, low, high, as rates.
    """
    first, second = _checked_pair(first_right, second_right)
    change = first.astype(float) - second
    drawn = np.concatenate([counts @ change for counts in draws(len(change), samples, seed)]) / len(change)
    low, high = np.quantile(drawn, TAILS)
    return {"difference": float(change.mean()), "low": float(low), "high": float(high)}


def difference_test(difference, of_images, images_freedom, of_seeds, seeds_freedom):
    """Test a difference that varies with images and seeds: a dict low, high (95 %) and p_value (two-sided).

    of_images, of_seeds: the variance from each. images_freedom, seeds_freedom: the degrees of freedom of each variance
    estimate (infinity: known). It is a t test with the summed variance (``satterthwaite``). Interval and test agree:
    the p value is below 0.05 exactly if the interval does not contain 0.
    """
    variance = of_images + of_seeds
    if variance == 0:
        return {"low": float(difference), "high": float(difference), "p_value": float(difference == 0)}
    effective = satterthwaite([of_images, of_seeds], [images_freedom, seeds_freedom])
    half = float(stats.t.ppf(TAILS[1], effective) * np.sqrt(variance))
    return {
        "low": float(difference - half),
        "high": float(difference + half),
        "p_value": float(2 * stats.t.sf(abs(difference) / np.sqrt(variance), effective)),
    }


def satterthwaite(variances, freedoms) -> float:
    """Degrees of freedom of a sum of independent variance estimates (Satterthwaite 1946, doi:10.2307/3002019).

    freedoms: those of each estimate. The result is small if the seeds' variance dominates, as there are few seeds. It
    is large if the images' variance does, and infinity if all variances are 0.
    """
    shares = sum(part**2 / freedom for part, freedom in zip(variances, freedoms, strict=True) if part)
    return float(sum(variances) ** 2 / shares) if shares else np.inf


def holm(p_values) -> np.ndarray:
    """p values corrected for multiple tests, by Holm's step-down method: floats in the order given, at most 1.

    If every corrected p value below 0.05 is called a difference, the chance of any false one is at most 5 % (Holm 1979,
    https://www.jstor.org/stable/4615733).
    """
    p_values = np.asarray(p_values, float)
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"holm needs p values between 0 and 1, got {p_values.tolist()}")
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def _checked_pair(first, second) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first), np.asarray(second)
    if first.dtype != bool or second.dtype != bool or first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(
            f"two runs are compared by two bool arrays of the same length, got {first.dtype} {first.shape} and "
            f"{second.dtype} {second.shape}"
        )
    return first, second


def right_by_seed(own, answers="test"):
    """Which predictions of each run are right: bool (runs, n). answers: a split, or one like "validation-flip"."""
    return np.stack([run.predictions[answers][2].argmax(axis=1) == run.predictions[answers][1] for run in own])


def check_same_images(finished):
    """Raise RunError, naming two runs, unless all have the same test images and labels, in the same order."""
    for run in finished[1:]:
        first = finished[0]
        for index, what in enumerate(("images", "labels")):
            ours, theirs = run.predictions["test"][index], first.predictions["test"][index]
            if not np.array_equal(ours, theirs):
                raise RunError(
                    f"{run.name} and {first.name} cannot be paired: their test {what} differ ({len(ours)} and "
                    f"{len(theirs)}, or in another order). Make both from the same DATA, PROTOCOL and MAX_IMAGES"
                )


def pairwise(finished, samples=2000):
    """Compare every pair of arms on the same test images: DataFrame, one row per pair, the more accurate arm first.

    finished: list of ``runs.Run`` of several arms and seeds. Columns: first, second (arms), seeds_first, seeds_second,
    n (images), difference (mean accuracy of the first minus that of the second, 0 to 1), low, high (its 95 % interval),
    first_only, second_only (images on which only this arm's lowest seed is right), speaks_of, p_value, p_holm
    (corrected for the number of pairs, which the intervals are not), differ (p_holm < 0.05). Raises RunError unless all
    runs have the same test images.

    All pairs have the same test. If any arm has several seeds, it tests whether the *arms* differ, over other seeds and
    images (``compare_arms``). If none has, it tests whether *these networks* differ, over other images: McNemar's exact
    test and the paired bootstrap (`samples`).

    ``compare_arms`` assumes that all arms vary alike over seeds. own_low, own_high, own_p_value, own_p_holm and
    own_differ do not: they use each arm's own variance (Welch's test). They are empty if an arm has one seed.
    """
    check_same_images(finished)
    by_seed = sorted(finished, key=lambda run: run.manifest["seed"])
    arms = dict.fromkeys(run.arm for run in finished)
    right = {arm: right_by_seed([run for run in by_seed if run.arm == arm]) for arm in arms}
    of_seeds = pooled_over_seeds(answers.mean(axis=1) for answers in right.values())
    ordered = sorted(right, key=lambda arm: -right[arm].mean())
    pairs = itertools.combinations(ordered, 2)
    rows = [_row(first, second, right[first], right[second], of_seeds, samples) for first, second in pairs]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["p_holm"] = holm(table["p_value"])
    table["differ"] = table["p_holm"] < LEVEL
    tested = table["own_p_value"].notna()
    table.loc[tested, "own_p_holm"] = holm(table.loc[tested, "own_p_value"])
    table["own_differ"] = (table["own_p_holm"] < LEVEL).where(tested)
    return table


def _row(first, second, one, other, of_seeds, samples):
    counts = mcnemar(one[0], other[0])
    return {
        "first": first,
        "second": second,
        "seeds_first": len(one),
        "seeds_second": len(other),
        "n": one.shape[1],
        "first_only": counts["first_only"],
        "second_only": counts["second_only"],
        "speaks_of": ARMS if of_seeds[1] else NETWORKS,
        **compare_answers(one, other, of_seeds, samples),
        **_with_own_variances(one, other),
    }


def _with_own_variances(one, other):
    """``compare_arms`` with each arm's own variance over seeds; NaN if one of them has a single seed."""
    if min(len(one), len(other)) < 2:
        return dict.fromkeys(["own_low", "own_high", "own_p_value"], np.nan)
    of_means = [answers.mean(axis=1).var(ddof=1) / len(answers) for answers in (one, other)]
    freedom = satterthwaite(of_means, [len(one) - 1, len(other) - 1])
    per_image = one.mean(axis=0) - other.mean(axis=0)
    n = len(per_image)
    tested = difference_test(per_image.mean(), per_image.var(ddof=1) / n, n - 1, sum(of_means), freedom)
    return {f"own_{name}": value for name, value in tested.items()}


def compare_answers(one, other, of_seeds, samples=2000) -> dict[str, float]:
    """The difference in accuracy of two arms or recipes: a dict difference, low, high (95 %), p_value.

    one, other: bool (seeds, n). of_seeds: from ``evaluation.pooled_over_seeds`` for all compared arms. If it has no
    degrees of freedom, since each arm has one seed, the result is about these two networks only.
    """
    if of_seeds[1]:
        return compare_arms(one, other, *of_seeds)
    p_value = mcnemar(one[0], other[0])["p_value"]
    return paired_difference(one[0], other[0], samples=samples) | {"p_value": p_value}


def compare_arms(first_right, second_right, seed_variance, seed_freedom) -> dict[str, float]:
    """Test whether two arms differ, over other seeds and images: a dict difference, low, high (95 %), p_value.

    first_right, second_right: bool (seeds, n) on the same images. seed_variance, seed_freedom: of one run's accuracy
    around its arm's mean, from ``evaluation.pooled_over_seeds`` for all arms. So an arm with one seed is assumed to
    vary like those with several, and in every pair alike.

    The variance of the mean difference is the sum of two: the images' (of the per-image difference, averaged over
    seeds) and the seeds'. A seed's luck with single images is in both, so the test errs on the careful side.
    """
    first, second = np.asarray(first_right), np.asarray(second_right)
    per_image = first.mean(axis=0) - second.mean(axis=0)
    difference, n = float(per_image.mean()), len(per_image)
    of_seeds = seed_variance * (1 / len(first) + 1 / len(second))
    tested = difference_test(difference, per_image.var(ddof=1) / n, n - 1, of_seeds, seed_freedom)
    return {"difference": difference, **tested}
