from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_utils import evaluation, runs, significance


def make_run(arm, right, seed=0, labels=None, row_ids=None):
    """A finished run whose prediction is right where `right` (n,) says so; labels are all 0 unless given."""
    right = np.asarray(right, bool)
    labels = np.zeros(len(right), np.uint8) if labels is None else np.asarray(labels, np.uint8)
    row_ids = np.arange(len(right)) if row_ids is None else np.asarray(row_ids)
    probabilities = np.eye(7)[np.where(right, labels, (labels + 1) % 7)]
    architecture, strategy = arm.split("-")
    manifest = {"architecture": architecture, "strategy": strategy, "seed": seed}
    folder = Path(f"outputs/x/{arm}-seed{seed}")
    return runs.Run(folder, manifest, {}, pd.DataFrame(), {"test": (row_ids, labels, probabilities)})


def first_right(count, n=400):
    return np.arange(n) < count


def test_every_pair_once_the_better_arm_first():
    finished = [make_run("vgg16-finetune", first_right(200)), make_run("vgg16-scratch", first_right(240))]
    finished.append(make_run("resnet50-scratch", first_right(230)))
    table = significance.pairwise(finished, samples=300)
    assert list(zip(table["first"], table["second"], strict=True)) == [
        ("vgg16-scratch", "resnet50-scratch"),
        ("vgg16-scratch", "vgg16-finetune"),
        ("resnet50-scratch", "vgg16-finetune"),
    ]
    assert table["difference"].tolist() == pytest.approx([0.025, 0.1, 0.075])
    assert table["first_only"].tolist() == [10, 40, 30]
    assert table["second_only"].tolist() == [0, 0, 0]
    # exact: 2 / 2^10, 2 / 2^40, 2 / 2^30; Holm multiplies the smallest by 3, the next by 2
    assert table["p_value"].tolist() == pytest.approx([2 / 2**10, 2 / 2**40, 2 / 2**30])
    assert table["p_holm"].tolist() == pytest.approx([2 / 2**10, 6 / 2**40, 4 / 2**30])
    assert table["differ"].all()
    assert (table["low"] < table["difference"]).all() and (table["difference"] < table["high"]).all()


def test_equal_accuracies_may_hide_two_different_networks():
    left, right = first_right(200), ~first_right(200)
    table = significance.pairwise([make_run("vgg16-scratch", left), make_run("vgg16-transfer", right)], samples=200)
    row = table.iloc[0]
    assert row["difference"] == 0 and row["p_value"] == 1 and not row["differ"]
    assert (row["first_only"], row["second_only"]) == (200, 200)


def test_seeds_enter_the_interval_and_the_test():
    several = [make_run("vgg16-scratch", first_right(count), seed) for seed, count in ((2, 300), (0, 240), (1, 180))]
    other = make_run("vgg16-transfer", first_right(200))
    row = significance.pairwise([*several, other], samples=300).iloc[0]
    assert (row["seeds_first"], row["seeds_second"]) == (3, 1)
    assert row["difference"] == pytest.approx((300 + 240 + 180) / 1200 - 0.5)
    assert row["first_only"] == 40  # seed 0: 240 against 200
    assert row["p_value"] > 0.1 > 2 / 2**40  # the seeds differ by more than the arms
    narrow = evaluation.paired_difference(first_right(240), first_right(200), samples=300)
    assert row["high"] - row["low"] > 1.5 * (narrow["high"] - narrow["low"])


def test_a_single_arm_has_no_pairs():
    table = significance.pairwise([make_run("vgg16-scratch", first_right(3))])
    assert table.empty and "p_holm" in table


def test_runs_on_other_images_or_labels_are_refused_with_both_names():
    one = make_run("vgg16-scratch", first_right(5, 10))
    turned = make_run("vgg16-transfer", first_right(5, 10), row_ids=np.arange(10)[::-1])
    with pytest.raises(runs.RunError, match="vgg16-transfer-seed0 and vgg16-scratch-seed0 cannot be paired: .*images"):
        significance.pairwise([one, turned])
    relabelled = make_run("vgg16-transfer", first_right(5, 10), labels=[1] + [0] * 9)
    with pytest.raises(runs.RunError, match="cannot be paired: their test labels differ"):
        significance.pairwise([one, relabelled])
    shorter = make_run("vgg16-transfer", first_right(5, 9))
    with pytest.raises(runs.RunError, match=r"images differ \(9 and 10, or in another order\)"):
        significance.pairwise([one, shorter])


def test_one_run_each_is_mcnemars_exact_test():
    first, second = np.zeros((2, 40), bool)
    first[:9], second[9:10] = True, True  # 9 and 1 discordant: 2 * (1 + 10) / 2^10
    assert significance.paired_p_value(first, second) == pytest.approx(22 / 1024)
    assert significance.paired_p_value(first, first) == 1.0


def test_several_seeds_count_images_and_seeds():
    """Worked by hand: n = 4, two seeds each. Means 1 and 0.25; image differences 0.5, 0.5, 1, 1."""
    first = np.ones((2, 4), bool)
    second = np.array([[True, True, False, False], [False, False, False, False]])
    images = np.var([0.5, 0.5, 1, 1], ddof=1) / 4
    seeds = ((0.5 - 0.25) ** 2 + (0 - 0.25) ** 2) / 2 * (1 / 2 + 1 / 2)
    # Welch's test of two means has the same variance and degrees of freedom, if one sample is the images (4) and the
    # other the seeds (3, for two degrees of freedom).
    spread = {"std1": np.sqrt(images * 4), "nobs1": 4, "std2": np.sqrt(seeds * 3), "nobs2": 3}
    expected = stats.ttest_ind_from_stats(mean1=0.75, mean2=0, **spread, equal_var=False).pvalue
    assert significance.paired_p_value(first, second) == pytest.approx(expected)


def test_steady_seeds_leave_the_degrees_of_freedom_of_the_images():
    """Three steady seeds against one run, ten points apart: clear, although three seeds have two degrees of freedom."""
    several, other = [first_right(count, 2000) for count in (1240, 1244, 1236)], first_right(1040, 2000)
    assert significance.paired_p_value(several, other) < 1e-10


def test_a_large_difference_with_wild_seeds_is_not_significant():
    generator = np.random.default_rng(0)
    steady = [generator.random(2000) < rate for rate in (0.70, 0.70, 0.70)]
    wild = [generator.random(2000) < rate for rate in (0.45, 0.65, 0.85)]
    assert significance.paired_p_value(steady, wild) > 0.3
    assert significance.paired_p_value(steady, [generator.random(2000) < 0.62 for _ in range(3)]) < 0.01
