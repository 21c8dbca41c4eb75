"""Known answers, worked out by hand or taken from the networks' and the data set's own descriptions."""

import math

import pytest

from fer_utils.audit import checks


def test_the_data_sets_counts_add_up():
    assert sum(checks.TRAINING_COUNTS.values()) == 28709
    assert sum(checks.PUBLIC_COUNTS.values()) == sum(checks.PRIVATE_COUNTS.values()) == 3589
    assert sum(checks.MERGED_COUNTS.values()) == 7178
    assert checks.MERGED_COUNTS["happy"] == 1774
    assert checks.WHOLE_BATCHES == 7168


@pytest.mark.parametrize(
    ("value", "expected"), [(67.23, 0.01), (67.2, 0.1), (64.80, 0.1), (100.0, 1.0), (0.5686, 1e-4)]
)
def test_last_place(value, expected):
    assert checks.last_place(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "other", "prose", "expected"),
    [
        (67.23, 67.2, False, True),  # rounded
        (67.18, 67.1, False, True),  # cut off
        (67.23, 67.08, False, False),
        (67.08, 67.2, False, False),
        (1445.0, 1445.48, False, True),
        (67.18, 60.0, True, False),
        (67.18, 66.0, True, True),
        (66.2, 66.3, False, False),  # a whole unit of the last place
    ],
)
def test_agree(value, other, prose, expected):
    assert checks.agree(value, other, prose) is expected
    assert checks.agree(other, value, prose) is expected


def test_places_blame_the_reading_of_a_curve_and_not_the_printed_number():
    assert checks.places(67.18, [(60.0, "Fig. 11", True)]).verdict == checks.NOT_CHECKABLE
    assert checks.places(67.18, [(60.0, "Fig. 11", True), (67.1, "comparison", False)]).verdict == checks.CONSISTENT
    assert checks.places(60.0, [(67.18, "section", False)], prose=True).verdict == checks.SELF_CONTRADICTED
    assert checks.places(67.18, [(67.08, "section", False)]).verdict == checks.SELF_CONTRADICTED
    assert checks.places(67.18, []).verdict == checks.NOT_CHECKABLE


def test_swapped_columns_are_seen():
    assert checks.swapped(46.5, [(46.50, "section"), (48.1, "comparison")]).verdict == checks.SELF_CONTRADICTED
    assert checks.swapped(73.7, [(67.2, "comparison")]).verdict == checks.NOT_CHECKABLE


@pytest.mark.parametrize(
    ("percent", "merged", "batches", "split"),
    [
        (67.23, 4826, 4819, 2413),
        (67.08, 4815, 4808, None),
        (67.18, 4822, None, 2411),
        (64.80, 4651, 4645, None),
        (46.50, 3338, 3333, 1669),
        (54.69, 3926, 3920, 1963),
        (28.46, 2043, 2040, None),
        (24.75, None, 1774, None),
    ],
)
def test_which_numbers_of_right_answers_print_so(percent, merged, batches, split):
    assert checks.right_answers(percent, 7178) == merged
    assert checks.right_answers(percent, 7168) == batches
    assert checks.right_answers(percent, 3589) == split
    assert checks.granularity(percent).value == (merged or batches)


@pytest.mark.parametrize(
    ("percent", "n", "count"),
    [(3.12, 32, 1), (3.13, 32, 1), (3.14, 32, None), (0.0, 28_709, 0), (100.0, 28_709, 28_709)],
)
def test_half_a_hundredth_may_have_been_rounded_up_or_down(percent, n, count):
    assert checks.right_answers(percent, n) == count  # 1 of 32 is 3.125 %


def test_a_share_of_no_such_set():
    assert checks.right_answers(50.02, 7178) is None
    assert checks.right_answers(50.02, 7168) is None
    assert checks.granularity(50.02).verdict == checks.ARITHMETIC


def test_the_majority_class_predictor():
    assert checks.majority_class(24.75, 1774, 7168).verdict == checks.CONSISTENT
    assert checks.majority_class(25.14, 7215, 28704).value == pytest.approx(25.1359, abs=1e-4)
    assert checks.majority_class(28.46, 1774, 7178).verdict == checks.CANNOT_BE_TOLD


def test_intervals_at_the_merged_size():
    low, high = checks.interval(67.23)
    assert (low, high) == pytest.approx((66.14, 68.31), abs=0.01)
    assert checks.interval(67.23, 3589) == pytest.approx((65.68, 68.75), abs=0.02)


def test_table_2_does_not_add_up():
    check = checks.total([4324, 434, 3207, 7091, 4309, 2485, 5254], 28709)
    assert check.value == 27104
    assert check.verdict == checks.SELF_CONTRADICTED
    assert checks.total([2, 3], 5).verdict == checks.CONSISTENT


def test_class_counts_against_the_data():
    assert checks.class_count(4965, 4965, 6198).verdict == checks.CONSISTENT
    assert checks.class_count(4324, 3995, 4953).verdict == checks.BY_DATA
    assert "no part of the published split" in checks.class_count(4324, 3995, 4953).text
    assert "nor of the whole" not in checks.class_count(4324, 3995, 4953).text
    assert "no part" not in checks.class_count(434, 436, 547).text
    assert "nor of the whole" in checks.class_count(9000, 7215, 8989).text


def test_more_faces_found_than_there_are():
    assert checks.found_faces(1774, 870, 1774, "").verdict == checks.CONSISTENT
    assert "another set was evaluated" in checks.found_faces(1774, 870, 1774, "").text
    assert checks.found_faces(1775, 870, 1774, "").verdict == checks.ARITHMETIC


def test_entropy():
    assert checks.entropy([1] * 7) == pytest.approx(math.log(7))
    assert checks.entropy([5, 0, 0]) == 0
    assert checks.entropy([1, 1, 2]) == pytest.approx(1.5 * math.log(2))
    assert checks.entropy(checks.TRAINING_COUNTS.values()) == pytest.approx(1.8096, abs=1e-4)
    assert checks.entropy(checks.MERGED_COUNTS.values()) == pytest.approx(1.8128, abs=1e-4)


def test_loss_bounds_are_reached():
    assert checks.loss_bounds(1.0) == pytest.approx((0, math.log(7)))
    assert checks.loss_bounds(0.0) == pytest.approx((math.log(2), math.log(1e7)))
    low, high = checks.loss_bounds(0.465)
    assert low == pytest.approx(0.535 * math.log(2))
    assert high == pytest.approx(0.535 * 16.1181 + 0.465 * 1.9459, abs=1e-3)
    with pytest.raises(ValueError, match="between 0 and 1"):
        checks.loss_bounds(46.5)


def test_losses_of_the_paper():
    assert checks.loss(160.38, 0.465).verdict == checks.IMPLAUSIBLE
    assert "e^298" in checks.loss(160.38, 0.465).text  # (160.38 - 0.465 ln 7) / 0.535
    assert checks.loss(1.41, 0.2475, constant=True).verdict == checks.IMPLAUSIBLE
    assert checks.loss(1.41, 0.2475).verdict == checks.CONSISTENT
    assert checks.loss(1.82, 0.2475, constant=True).verdict == checks.CONSISTENT
    assert checks.loss(1.0750, 0.6718).verdict == checks.CONSISTENT
    assert checks.loss(0.1, 0.5).verdict == checks.ARITHMETIC


def test_costs():
    assert checks.ratio_at_least(15911.03, [16304.71, 6651.64]).verdict == checks.SELF_CONTRADICTED
    assert checks.ratio_at_least(15911.03, [16304.71, 6651.64]).value == pytest.approx(0.976, abs=1e-3)
    assert checks.ratio_at_least(10, [4, 3]).verdict == checks.CONSISTENT


def test_networks_have_their_published_sizes():
    """Parameters as keras.applications counts them; operations as in the networks' papers (15.5 and 3.8 billion)."""
    assert checks.vgg16_size() == (138_357_544, 15_470_264_320)
    parameters, operations = checks.resnet50_size()
    assert parameters == 25_636_712
    assert operations == pytest.approx(3.86e9, rel=0.01)
    assert checks.roughly(138e6, checks.vgg16_size()[0]).verdict == checks.CONSISTENT
    assert checks.roughly(100e6, checks.vgg16_size()[0]).verdict == checks.ARITHMETIC
    assert checks.exactly(4, 13, "layers").verdict == checks.ARITHMETIC
