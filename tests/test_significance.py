from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_utils import evaluation, runs


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
    table = evaluation.pairwise(finished, samples=300)
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
    table = evaluation.pairwise([make_run("vgg16-scratch", left), make_run("vgg16-transfer", right)], samples=200)
    row = table.iloc[0]
    assert row["difference"] == 0 and row["p_value"] == 1 and not row["differ"]
    assert (row["first_only"], row["second_only"]) == (200, 200)


def test_one_arm_with_seeds_lends_their_spread_to_every_pair():
    """Once an arm has several seeds all pairs are asked the same question: whether arms differ, not two networks."""
    several = [make_run("vgg16-scratch", first_right(count), seed) for seed, count in ((2, 300), (0, 240), (1, 180))]
    singles = [make_run("vgg16-transfer", first_right(200)), make_run("vgg16-finetune", first_right(160))]
    table = evaluation.pairwise(several + singles).set_index(["first", "second"])
    assert set(table["speaks_of"]) == {evaluation.ARMS}
    # accuracies 0.75, 0.6, 0.45: variance 0.0225 with 2 degrees of freedom, taken over to arms with one seed
    for (first, second), row in table.iterrows():
        of_seeds = 0.0225 * (1 / row["seeds_first"] + 1 / row["seeds_second"])
        narrowest = stats.norm.ppf(0.975) * np.sqrt(of_seeds)
        assert (row["high"] - row["low"]) / 2 > narrowest, (first, second)
        assert row["p_value"] > 0.05
        assert row["low"] < 0 < row["high"]
    single = table.loc[("vgg16-transfer", "vgg16-finetune")]
    assert (single["seeds_first"], single["seeds_second"], single["first_only"]) == (1, 1, 40)
    assert table.loc[("vgg16-scratch", "vgg16-transfer"), "first_only"] == 40  # seed 0: 240 against 200
    alone = evaluation.pairwise(singles).iloc[0]
    assert alone["speaks_of"] == evaluation.NETWORKS and alone["p_value"] == pytest.approx(2 / 2**40)


def test_interval_and_test_agree():
    """From clear to unclear: wherever the test finds a difference, the interval leaves out 0, and nowhere else."""
    found = []
    for counts in ((240, 250, 245), (225, 250, 235), (200, 250, 225), (180, 270, 225)):
        runs_of_arm = [make_run("vgg16-scratch", first_right(count), seed) for seed, count in enumerate(counts)]
        row = evaluation.pairwise([*runs_of_arm, make_run("vgg16-transfer", first_right(200))]).iloc[0]
        assert (row["p_value"] < 0.05) == (row["low"] > 0), counts
        found.append(row["p_value"] < 0.05)
    assert set(found) == {True, False}


def test_own_variances_add_up_as_satterthwaite_has_it():
    counts = {"vgg16-scratch": (300, 302, 304), "vgg16-transfer": (200, 240, 190), "vgg16-finetune": (100,)}
    finished = [
        make_run(arm, first_right(count), seed) for arm, own in counts.items() for seed, count in enumerate(own)
    ]
    table = evaluation.pairwise(finished).set_index(["first", "second"])
    assert table["own_p_value"].notna().tolist() == [True, False, False]  # fine-tuning has one seed
    row = table.loc[("vgg16-scratch", "vgg16-transfer")]
    first, second = (np.mean([first_right(count) for count in counts[arm]], axis=0) for arm in list(counts)[:2])
    images = (first - second).var(ddof=1) / 400
    seeds = [np.var(np.array(counts[arm]) / 400, ddof=1) / 3 for arm in list(counts)[:2]]
    total = images + sum(seeds)
    freedom = total**2 / (images**2 / 399 + seeds[0] ** 2 / 2 + seeds[1] ** 2 / 2)
    assert row["own_p_value"] == pytest.approx(2 * stats.t.sf(row["difference"] / np.sqrt(total), freedom))
    assert row["own_p_holm"] == row["own_p_value"]  # the only pair that can be told so


def test_without_images_chance_it_is_welchs_test():
    welch = stats.ttest_ind_from_stats(0.755, 0.004, 3, 0.525, 0.066, 3, equal_var=False).pvalue
    seeds = [0.004**2 / 3, 0.066**2 / 3]
    tested = evaluation.difference_test(0.23, 0, np.inf, sum(seeds), evaluation.satterthwaite(seeds, [2, 2]))
    assert tested["p_value"] == pytest.approx(welch)


def test_own_variances_do_not_borrow_from_a_wild_arm():
    """Two steady arms beside a wild one: pooled, they cannot be told apart; by their own seeds they can."""
    counts = {"vgg16-scratch": (1220, 1224, 1216), "vgg16-transfer": (1100, 1104, 1096), "vgg16-finetune": (200, 900)}
    finished = [
        make_run(arm, first_right(count, 2000), seed) for arm, own in counts.items() for seed, count in enumerate(own)
    ]
    row = evaluation.pairwise(finished).set_index(["first", "second"]).loc[("vgg16-scratch", "vgg16-transfer")]
    assert not row["differ"] and row["own_differ"]


def test_a_single_arm_has_no_pairs():
    table = evaluation.pairwise([make_run("vgg16-scratch", first_right(3))])
    assert table.empty and "p_holm" in table


def test_runs_on_other_images_or_labels_are_refused_with_both_names():
    one = make_run("vgg16-scratch", first_right(5, 10))
    turned = make_run("vgg16-transfer", first_right(5, 10), row_ids=np.arange(10)[::-1])
    with pytest.raises(runs.RunError, match="vgg16-transfer-seed0 and vgg16-scratch-seed0 cannot be paired: .*images"):
        evaluation.pairwise([one, turned])
    relabelled = make_run("vgg16-transfer", first_right(5, 10), labels=[1] + [0] * 9)
    with pytest.raises(runs.RunError, match="cannot be paired: their test labels differ"):
        evaluation.pairwise([one, relabelled])
    shorter = make_run("vgg16-transfer", first_right(5, 9))
    with pytest.raises(runs.RunError, match=r"images differ \(9 and 10, or in another order\)"):
        evaluation.pairwise([one, shorter])


def test_one_run_each_is_mcnemars_exact_test():
    first, second = np.zeros((2, 40), bool)
    first[:9], second[9:10] = True, True  # 9 and 1 discordant: 2 * (1 + 10) / 2^10
    row = evaluation.pairwise([make_run("vgg16-scratch", first), make_run("vgg16-transfer", second)]).iloc[0]
    assert row["p_value"] == pytest.approx(22 / 1024)
    assert row["speaks_of"] == evaluation.NETWORKS


def test_several_seeds_count_images_and_seeds():
    """Worked by hand: n = 4, two seeds each. Means 1 and 0.25; image differences 0.5, 0.5, 1, 1."""
    first = np.ones((2, 4), bool)
    second = np.array([[True, True, False, False], [False, False, False, False]])
    variance, freedom = evaluation.pooled_over_seeds([first.mean(axis=1), second.mean(axis=1)])
    assert (variance, freedom) == (((0.5 - 0.25) ** 2 + (0 - 0.25) ** 2) / 2, 2)
    images, seeds = np.var([0.5, 0.5, 1, 1], ddof=1) / 4, variance * (1 / 2 + 1 / 2)
    # Welch's test of two means has the same variance and degrees of freedom, if one sample is the images (4) and the
    # other the seeds (3, for two degrees of freedom).
    spread = {"std1": np.sqrt(images * 4), "nobs1": 4, "std2": np.sqrt(seeds * 3), "nobs2": 3}
    expected = stats.ttest_ind_from_stats(mean1=0.75, mean2=0, **spread, equal_var=False).pvalue
    tested = evaluation.compare_arms(first, second, variance, freedom)
    assert tested["difference"] == 0.75
    assert tested["p_value"] == pytest.approx(expected)


def test_steady_seeds_leave_the_degrees_of_freedom_of_the_images():
    """Three steady seeds against one run, ten points apart: clear, although three seeds have two degrees of freedom."""
    several, other = [first_right(count, 2000) for count in (1240, 1244, 1236)], [first_right(1040, 2000)]
    pooled = evaluation.pooled_over_seeds([np.mean(several, axis=1), np.mean(other, axis=1)])
    assert evaluation.compare_arms(several, other, *pooled)["p_value"] < 1e-10


def test_a_large_difference_with_wild_seeds_is_not_significant():
    generator = np.random.default_rng(0)
    steady = [generator.random(2000) < rate for rate in (0.70, 0.70, 0.70)]
    wild = [generator.random(2000) < rate for rate in (0.45, 0.65, 0.85)]
    lower = [generator.random(2000) < 0.62 for _ in range(3)]
    for other, low, high in ((wild, 0.3, 1), (lower, 0, 0.01)):
        pooled = evaluation.pooled_over_seeds([np.mean(steady, axis=1), np.mean(other, axis=1)])
        assert low < evaluation.compare_arms(steady, other, *pooled)["p_value"] < high


def test_two_arms_of_one_skill_are_rarely_called_different():
    """Simulated: arms of one skill, whose seeds vary with sd 0.03, three or one each: about 5 % may look different."""
    generator = np.random.default_rng(1)
    found = []
    for _ in range(400):
        skills = [0.6 + 0.03 * generator.standard_normal(count) for count in (3, 3, 1, 1)]
        arms = [generator.random((len(skill), 1000)) < skill[:, np.newaxis] for skill in skills]
        pooled = evaluation.pooled_over_seeds([arm.mean(axis=1) for arm in arms])
        found.append([evaluation.compare_arms(arms[i], arms[j], *pooled)["p_value"] for i, j in ((0, 2), (2, 3))])
    assert (np.array(found) < 0.05).mean(axis=0) == pytest.approx([0.05, 0.05], abs=0.03)
