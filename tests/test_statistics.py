"""Intervals, calibration and paired tests of `fer_utils.evaluation`: by hand, and against a second implementation."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from statsmodels.stats import contingency_tables, multitest, weightstats

from fer_utils import evaluation
from fer_utils.evaluation.bootstrap import _resampled_measures
from fer_utils.evaluation.intervals import draws
from fer_utils.names import EMOTIONS


def random_split(n=400, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(7), generator.choice(7, n - 7, p=[0.14, 0.02, 0.14, 0.25, 0.17, 0.11, 0.17])])
    logits = generator.normal(0, 1, (n, 7))
    logits[np.arange(n), labels] += 1.2
    probabilities = np.exp(logits)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def bools(*counts):
    """Two bool arrays with so many images that both, the first only, the second only, and neither got right."""
    first = np.repeat([True, True, False, False], counts)
    second = np.repeat([True, False, True, False], counts)
    return first, second


# --- bootstrap -------------------------------------------------------------------------------------------------------


def test_measures_of_the_resample_that_draws_every_image_once_are_those_of_the_split():
    labels, probabilities = random_split()
    measures = _resampled_measures(labels, probabilities, np.ones((1, len(labels))))
    summary = evaluation.summarize(labels, probabilities)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "log_loss"):
        assert measures[name] == pytest.approx([summary[name]]), name
    assert measures["calibration_error"] == pytest.approx([evaluation.calibration_error(labels, probabilities)])


def test_measures_of_a_resample_are_scikit_learns_on_the_images_drawn():
    labels, probabilities = random_split()
    probabilities = np.round(probabilities, 1) + 1e-3  # ties, also within a class
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    scores = probabilities.astype(np.float32)  # in which they are ties although their rows' sums differ by rounding
    counts = next(draws(len(labels), 2, seed=3))
    measures = _resampled_measures(labels, probabilities, counts)
    for row in range(2):
        drawn = np.repeat(np.arange(len(labels)), counts[row].astype(int))
        true, predicted = labels[drawn], probabilities[drawn].argmax(axis=1)
        aucs = [metrics.roc_auc_score(true == code, scores[drawn, code]) for code in np.unique(true)]
        assert measures["macro_auc"][row] == pytest.approx(np.mean(aucs))
        assert measures["balanced_accuracy"][row] == pytest.approx(metrics.balanced_accuracy_score(true, predicted))
        assert measures["macro_f1"][row] == pytest.approx(metrics.f1_score(true, predicted, average="macro"))
        assert measures["log_loss"][row] == pytest.approx(
            metrics.log_loss(true, probabilities[drawn], labels=np.arange(7))
        )


def test_draws_as_many_images_as_there_are_with_replacement():
    counts = np.concatenate(list(draws(50, 400, seed=0)))
    assert (counts.sum(axis=1) == 50).all()
    assert counts.mean() == 1
    assert (counts == 0).mean() == pytest.approx(np.exp(-1), abs=0.01)  # the share left out, (1 - 1/50)^50 = 0.364


def test_bootstrap_interval_of_accuracy_agrees_with_the_normal_one_and_with_scipys():
    labels, probabilities = random_split(n=1000)
    low, high = evaluation.metric_intervals(labels, probabilities, samples=2000)["accuracy"]
    right = probabilities.argmax(axis=1) == labels
    rate = right.mean()
    half = 1.96 * np.sqrt(rate * (1 - rate) / 1000)
    assert [low, high] == pytest.approx([rate - half, rate + half], abs=0.004)
    theirs = stats.bootstrap((right,), np.mean, n_resamples=2000, method="percentile", random_state=0)
    assert [low, high] == pytest.approx(list(theirs.confidence_interval), abs=0.004)


def test_intervals_repeat_with_their_seed_and_hold_the_measure():
    labels, probabilities = random_split()
    first = evaluation.metric_intervals(labels, probabilities, samples=250, seed=4)
    assert first == evaluation.metric_intervals(labels, probabilities, samples=250, seed=4)
    assert first != evaluation.metric_intervals(labels, probabilities, samples=250, seed=5)
    summary = evaluation.summarize(labels, probabilities)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "log_loss"):
        assert first[name][0] < summary[name] < first[name][1], name
    widths = {emotion: np.ptp(first[f"recall {emotion}"]) for emotion in EMOTIONS}
    assert max(widths, key=widths.get) == "disgust"  # the rarest class is the least certain


def test_recalls_have_wilsons_interval_also_where_nothing_was_found():
    labels = np.array([1] * 55 + [3] * 10)
    probabilities = np.eye(7)[[3] * 55 + [3] * 3 + [0] * 7]
    intervals = evaluation.metric_intervals(labels, probabilities, samples=50)
    assert intervals["recall disgust"] == pytest.approx([0, 0.0653], abs=1e-4)
    assert intervals["recall happy"] == pytest.approx([0.108, 0.603], abs=1e-3)


def test_recall_of_an_absent_class_has_no_interval():
    labels, probabilities = random_split()
    kept = labels != EMOTIONS.index("disgust")
    intervals = evaluation.metric_intervals(labels[kept], probabilities[kept], samples=50)
    assert intervals["recall disgust"] is None
    assert intervals["balanced_accuracy"] is not None


# --- seeds -----------------------------------------------------------------------------------------------------------


def test_over_seeds_by_hand_and_against_statsmodels():
    # mean 62, deviations -1 0 1, sd 1; t(0.975, 2) = 4.303, times 1/sqrt(3) = 2.484
    result = evaluation.over_seeds([61.0, 62.0, 63.0])
    assert result == pytest.approx({"n": 3, "mean": 62, "sd": 1, "low": 62 - 2.4841, "high": 62 + 2.4841}, abs=1e-4)
    low, high = weightstats.DescrStatsW([61.0, 62.0, 63.0]).tconfint_mean()
    assert (result["low"], result["high"]) == pytest.approx((low, high))


def test_one_seed_has_no_spread():
    assert evaluation.over_seeds([0.5]) == {"n": 1, "mean": 0.5, "sd": None, "low": None, "high": None}


@pytest.mark.parametrize("values", [[], [0.5, np.nan], [[0.1, 0.2]]])
def test_over_seeds_wants_one_number_a_seed(values):
    with pytest.raises(ValueError, match="one finite number per seed"):
        evaluation.over_seeds(values)


# --- calibration -----------------------------------------------------------------------------------------------------


def test_calibration_error_by_hand():
    # Two images at 0.85, one right: |0.5 - 0.85| * 2/3. One at 0.55, right: |1 - 0.55| * 1/3. Together 0.3833.
    rows = np.full((3, 7), 0.15 / 6)
    rows[:2, 0] = 0.85
    rows[2] = 0.45 / 6
    rows[2, 0] = 0.55
    assert evaluation.calibration_error(np.array([0, 1, 0]), rows) == pytest.approx((0.7 + 0.45) / 3)
    table = evaluation.reliability(np.array([0, 1, 0]), rows)
    assert table["n"].tolist() == [0] * 8 + [1, 0, 0, 0, 2, 0, 0]  # 0.55 is above 8/15, 0.85 above 12/15
    assert table.loc[12, ["confidence", "accuracy"]].tolist() == pytest.approx([0.85, 0.5])
    assert table.loc[8, ["low", "high", "accuracy"]].tolist() == pytest.approx([8 / 15, 9 / 15, 1.0])
    assert table.loc[0, ["confidence", "accuracy"]].isna().all()


def test_probabilities_that_mean_what_they_say_are_calibrated():
    labels, probabilities = random_split(n=20_000)
    generator = np.random.default_rng(1)
    labels = (probabilities.cumsum(axis=1) < generator.random((len(labels), 1))).sum(axis=1).clip(0, 6)
    assert evaluation.calibration_error(labels, probabilities) < 0.02
    sharpened = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert evaluation.calibration_error(labels, sharpened) > 0.15


# --- paired ----------------------------------------------------------------------------------------------------------


def test_mcnemar_by_hand():
    # Six images told apart, one against five: 2 * (1 + 6) / 2^6
    result = evaluation.mcnemar(*bools(10, 1, 5, 4))
    expected = {"both": 10, "first_only": 1, "second_only": 5, "neither": 4, "p_value": 14 / 64}
    assert result == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(30, 12, 25, 10), (5, 0, 9, 1), (100, 7, 7, 3)])
def test_mcnemar_agrees_with_statsmodels(counts):
    both, first, second, neither = counts
    theirs = contingency_tables.mcnemar([[both, first], [second, neither]], exact=True)
    assert evaluation.mcnemar(*bools(*counts))["p_value"] == pytest.approx(theirs.pvalue)


def test_runs_that_never_differ_are_not_told_apart():
    assert evaluation.mcnemar(*bools(7, 0, 0, 3))["p_value"] == 1.0


def test_mcnemar_refuses_other_lengths_and_kinds():
    with pytest.raises(ValueError, match="bool arrays of the same length"):
        evaluation.mcnemar(np.array([True]), np.array([True, False]))
    with pytest.raises(ValueError, match="bool arrays of the same length"):
        evaluation.mcnemar(np.array([1, 0]), np.array([1, 1]))


def test_paired_difference_is_narrower_than_an_unpaired_one():
    first, second = bools(500, 60, 40, 400)
    result = evaluation.paired_difference(first, second, samples=2000)
    # var of the mean of +1 (60), -1 (40), 0 (900): (0.1 - 0.02^2) / 1000
    half = 1.96 * np.sqrt((0.1 - 0.02**2) / 1000)
    assert result == pytest.approx({"difference": 0.02, "low": 0.02 - half, "high": 0.02 + half}, abs=0.002)
    unpaired = 1.96 * np.sqrt(0.56 * 0.44 / 1000 + 0.54 * 0.46 / 1000)
    assert (result["high"] - result["low"]) / 2 < unpaired / 2


def test_paired_difference_wants_one_run_each():
    with pytest.raises(ValueError, match="bool arrays of the same length"):
        evaluation.paired_difference(np.ones((3, 5), bool), np.ones((3, 5), bool))


def test_difference_test_is_z_welch_or_nothing():
    # nothing but images of known variance: the z test, 1.96 standard errors
    tested = evaluation.difference_test(0.03, 0.01**2, np.inf, 0, 0)
    assert tested == pytest.approx({"low": 0.0104, "high": 0.0496, "p_value": 2 * stats.norm.sf(3)}, abs=1e-5)
    # two samples: Welch's test, by scipy
    one, other = np.array([3.0, 4, 5, 7]), np.array([1.0, 2, 6])
    variances = [side.var(ddof=1) / side.size for side in (one, other)]
    tested = evaluation.difference_test(one.mean() - other.mean(), variances[0], 3, variances[1], 2)
    theirs = stats.ttest_ind(one, other, equal_var=False)
    low, high = theirs.confidence_interval()
    assert tested == pytest.approx({"low": low, "high": high, "p_value": theirs.pvalue})
    assert evaluation.difference_test(0.1, 0, 9, 0, 0) == {"low": 0.1, "high": 0.1, "p_value": 0.0}
    assert evaluation.difference_test(0.0, 0, 9, 0, 0)["p_value"] == 1.0


def test_pooled_variance_is_the_residual_one_of_an_analysis_of_variance():
    # by hand: squares 2 (around 62) and 0.5 (around 50.5), 2 + 1 degrees of freedom; the single one adds nothing
    assert evaluation.pooled_over_seeds([[61, 62, 63], [50, 51], [30]]) == pytest.approx((2.5 / 3, 3))
    assert evaluation.pooled_over_seeds([[61], [50]]) == (0.0, 0)
    groups = [[0.61, 0.62, 0.60], [0.52, 0.49, 0.55]]
    within = sum(stats.sem(group) ** 2 * 3 * 2 for group in groups)
    assert evaluation.pooled_over_seeds(groups) == pytest.approx((within / 4, 4))
    # and the t test with equal variances, by scipy, is made of it
    means = np.mean(groups, axis=1)
    variance = evaluation.pooled_over_seeds(groups)[0]
    expected = (means[0] - means[1]) / np.sqrt(variance * 2 / 3)
    assert stats.ttest_ind(*groups).statistic == pytest.approx(expected)


def test_holm_by_hand_and_against_statsmodels():
    # sorted 0.01 0.02 0.03 0.5 times 4 3 2 1: 0.04 0.06 0.06 0.5; never less than the one before
    assert evaluation.holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    p_values = np.random.default_rng(0).random(15) ** 3
    assert evaluation.holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])
    assert evaluation.holm([0.4, 0.9]).tolist() == [0.8, 0.9]


def test_holm_refuses_what_is_no_p_value():
    with pytest.raises(ValueError, match="between 0 and 1"):
        evaluation.holm([0.2, 1.2])
