"""Confidence intervals: over other images (Wilson, bootstrap) and over other seeds."""

import numpy as np
from scipy import stats

TAILS = 0.025, 0.975  # quantiles between which a 95 % interval lies
RESAMPLES_AT_ONCE = 100  # bootstrap samples in memory at the same time


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval for the rate ``correct / n``: (low, high), both from 0 to 1.

    Its coverage stays close to 95 % near 0 and 1 and for small n, where the usual plus-minus interval leaves 0 to 1
    (Wilson 1927, doi:10.1080/01621459.1927.10502953). It covers the draw of the test images, not the training seed.
    """
    if n < 1 or not 0 <= correct <= n or correct % 1 or n % 1:
        raise ValueError(
            f"wilson_interval needs whole numbers, 0 <= correct <= n and n >= 1, got correct={correct}, n={n}"
        )
    interval = stats.binomtest(int(correct), int(n)).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def accuracy_interval(accuracy: float, n: int) -> tuple[float, float]:
    """Wilson's interval for an accuracy (0 to 1) on n images, such as a mean over seeds; NaN if n is 0."""
    return wilson_interval(round(accuracy * n), n) if n else (np.nan, np.nan)


def draws(n, samples, seed):
    """Bootstrap: how often each of `samples` resamples draws each of n images. Yields float64 (at most 100, n)."""
    generator = np.random.default_rng(seed)
    for start in range(0, samples, RESAMPLES_AT_ONCE):
        size = min(RESAMPLES_AT_ONCE, samples - start)
        rows = generator.integers(0, n, (size, n)) + n * np.arange(size)[:, np.newaxis]
        yield np.bincount(rows.ravel(), minlength=size * n).reshape(size, n).astype(float)


def over_seeds(values) -> dict[str, float | int | None]:
    """Mean over seeds with its 95 % t interval: a dict n, mean, sd (dividing by n - 1), low, high.

    The interval covers other seeds on the same test images. With one seed, sd, low and high are None.
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"over_seeds needs one finite number per seed, got {values.tolist()}")
    result = {"n": values.size, "mean": float(values.mean()), "sd": None, "low": None, "high": None}
    if values.size > 1:
        deviation = float(values.std(ddof=1))
        half = float(stats.t.ppf(TAILS[1], values.size - 1)) * deviation / np.sqrt(values.size)
        result |= {"sd": deviation, "low": float(result["mean"] - half), "high": float(result["mean"] + half)}
    return result


def pooled_over_seeds(groups) -> tuple[float, int]:
    """Variance of one run around its arm's mean over seeds, pooled over arms, and its degrees of freedom.

    groups: for each arm, one number per seed. Arms with one seed add nothing; (0.0, 0) if no arm has two. Pooling
    assumes that all arms vary alike over seeds, which a few seeds per arm can neither show nor refute.
    """
    groups = [np.asarray(values, float) for values in groups]
    freedom = sum(values.size - 1 for values in groups)
    squares = sum(((values - values.mean()) ** 2).sum() for values in groups)
    return (float(squares / freedom), freedom) if freedom else (0.0, 0)
