import json

import numpy as np
import pytest

from fer_utils import evaluation
from fer_utils.names import EMOTIONS

ANGRY, DISGUST, FEAR, HAPPY, SAD, SURPRISE, NEUTRAL = range(7)


def certain(predicted, probability=0.7):
    """Rows that give the predicted class 0.7 and every other class 0.05."""
    rows = np.full((len(predicted), 7), (1 - probability) / 6)
    rows[np.arange(len(predicted)), predicted] = probability
    return rows


# Ten faces, worked out by hand:    angry x4 (3 right), happy x4 (2 right), sad x2 (1 right); 6 of 10 are right.
LABELS = np.array([ANGRY] * 4 + [HAPPY] * 4 + [SAD] * 2)
PREDICTED = np.array([ANGRY, ANGRY, ANGRY, HAPPY, HAPPY, HAPPY, ANGRY, FEAR, SAD, HAPPY])


@pytest.fixture
def summary():
    return evaluation.summarize(LABELS, certain(PREDICTED))


def test_confusion_matrix_has_true_rows_and_predicted_columns(summary):
    expected = np.zeros((7, 7), dtype=int)
    expected[ANGRY, [ANGRY, HAPPY]] = [3, 1]
    expected[HAPPY, [HAPPY, ANGRY, FEAR]] = [2, 1, 1]
    expected[SAD, [SAD, HAPPY]] = [1, 1]
    assert summary["confusion_matrix"] == expected.tolist()
    assert summary["n"] == 10
    assert summary["accuracy"] == pytest.approx(0.6)


def test_precision_recall_f1_and_support_by_hand(summary):
    per_class = summary["per_class"]
    assert tuple(per_class) == EMOTIONS
    assert per_class["angry"] == pytest.approx(
        {"precision": 3 / 4, "recall": 3 / 4, "f1": 3 / 4, "support": 4, "auc": per_class["angry"]["auc"]}
    )
    assert per_class["happy"]["precision"] == pytest.approx(2 / 4)
    assert per_class["happy"]["recall"] == pytest.approx(2 / 4)
    assert per_class["sad"]["precision"] == pytest.approx(1.0)
    assert per_class["sad"]["recall"] == pytest.approx(1 / 2)
    assert per_class["sad"]["f1"] == pytest.approx(2 / 3)
    assert [per_class[name]["support"] for name in EMOTIONS] == [4, 0, 0, 4, 2, 0, 0]


def test_means_are_over_the_classes_that_have_a_value(summary):
    assert summary["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    # Fear was predicted once and never there: its F1 is 0 and counts, as in scikit-learn's macro average.
    assert summary["macro_f1"] == pytest.approx((3 / 4 + 0 + 1 / 2 + 2 / 3) / 4)
    aucs = [summary["per_class"][name]["auc"] for name in ("angry", "happy", "sad")]
    assert summary["macro_auc"] == pytest.approx(sum(aucs) / 3)


def test_auc_by_hand(summary):
    # Angry scores 0.7 on 3 of 4 angry faces and on 1 of the 6 others, else 0.05. Of 24 pairs, 3 x 5 are won and
    # 3 x 1 + 1 x 5 tied: (15 + 8 / 2) / 24.
    assert summary["per_class"]["angry"]["auc"] == pytest.approx(19 / 24)


def test_ties_stay_ties_although_seven_numbers_sum_to_one_only_roughly():
    """0.7 and six times 0.05 sum to 1 or a little less, as the class has it that holds the 0.7."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, 300)
    predicted = np.where(generator.random(300) < 0.5, labels, generator.integers(0, 7, 300))
    found = evaluation.summarize(labels, certain(predicted))["per_class"]
    for code, emotion in enumerate(EMOTIONS):  # with one threshold, the mean of the two classes' hit rates
        own, others = predicted[labels == code] == code, predicted[labels != code] != code
        assert found[emotion]["auc"] == pytest.approx((own.mean() + others.mean()) / 2)
    exact = certain(predicted, 0.94)  # 0.01 is left for each of the others, and all rows sum to the same number
    intervals = [
        evaluation.metric_intervals(labels, rows, samples=20)["macro_auc"] for rows in (certain(predicted), exact)
    ]
    assert intervals[0] == pytest.approx(intervals[1])


def test_log_loss_by_hand(summary):
    assert summary["log_loss"] == pytest.approx(-(6 * np.log(0.7) + 4 * np.log(0.05)) / 10)


def test_log_loss_of_a_sure_mistake_is_finite_and_keras_own():
    wrong = evaluation.summarize([ANGRY], np.eye(7, dtype=np.float32)[[HAPPY]])
    assert wrong["log_loss"] == pytest.approx(-np.log(1e-7), rel=1e-6)
    assert wrong["accuracy"] == 0.0


def test_absent_classes_give_none_and_the_result_is_json(summary):
    assert summary["per_class"]["surprise"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "auc": None,
        "support": 0,
    }
    assert summary["per_class"]["fear"]["precision"] == 0.0
    assert summary["per_class"]["fear"]["recall"] is None
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_split_of_one_class_has_no_auc():
    summary = evaluation.summarize([HAPPY, HAPPY], certain([HAPPY, HAPPY]))
    assert summary["per_class"]["happy"]["auc"] is None
    assert summary["macro_auc"] is None
    assert summary["balanced_accuracy"] == 1.0


def test_majority_class_predictor_on_the_merged_test_folder():
    """The paper's fine-tuned ResNet50: it says "happy" to all 7,178 faces and is right on 1,774."""
    counts = np.array([467 + 491, 56 + 55, 496 + 528, 895 + 879, 653 + 594, 415 + 416, 607 + 626])
    labels = np.repeat(np.arange(7), counts)
    summary = evaluation.summarize(labels, np.tile(counts / counts.sum(), (7178, 1)))
    assert summary["accuracy"] == pytest.approx(1774 / 7178)
    assert summary["balanced_accuracy"] == pytest.approx(1 / 7)
    assert summary["macro_auc"] == pytest.approx(0.5)
    share = counts / counts.sum()
    assert summary["log_loss"] == pytest.approx(-(share * np.log(share)).sum())


def test_a_tie_goes_to_the_lower_code():
    summary = evaluation.summarize([ANGRY, NEUTRAL], np.full((2, 7), 1 / 7))
    assert summary["accuracy"] == 0.5


def test_float16_rows_and_uint8_labels_are_taken():
    summary = evaluation.summarize(LABELS.astype(np.uint8), certain(PREDICTED).astype(np.float16))
    assert summary["accuracy"] == pytest.approx(0.6)


def test_interval_of_the_papers_headline():
    low, high = evaluation.wilson_interval(round(0.6723 * 7178), 7178)
    assert low == pytest.approx(0.6613, abs=2e-4)
    assert high == pytest.approx(0.6831, abs=2e-4)


def test_wilson_interval_by_its_formula():
    correct, n, z = 6, 10, 1.959963984540054
    centre = (correct + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(correct * (n - correct) / n + z**2 / 4)
    assert evaluation.wilson_interval(correct, n) == pytest.approx((centre - half, centre + half))
    assert evaluation.summarize(LABELS, certain(PREDICTED))["accuracy_interval"] == pytest.approx(
        [centre - half, centre + half]
    )


def test_wilson_interval_at_the_ends_stays_inside():
    low, high = evaluation.wilson_interval(0, 20)
    assert low == pytest.approx(0.0, abs=1e-12)
    assert 0.1 < high < 0.2
    assert evaluation.wilson_interval(20, 20)[1] == pytest.approx(1.0)


@pytest.mark.parametrize("arguments", [(-1, 10), (11, 10), (0, 0), (0.67, 7178), (6, 9.5)])
def test_wilson_interval_refuses_nonsense(arguments):
    with pytest.raises(ValueError, match="wilson_interval needs"):
        evaluation.wilson_interval(*arguments)


def broken(row, column, value):
    rows = certain(PREDICTED)
    rows[row, column] = value
    return rows


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (LABELS, certain(PREDICTED)[:, :6], r"shape \(10, 7\).*\(10, 6\)"),
        (LABELS, certain(PREDICTED)[:9], r"shape \(10, 7\).*\(9, 7\)"),
        (LABELS[:, np.newaxis], certain(PREDICTED), r"integers of shape \(n,\), got int64 of shape \(10, 1\)"),
        (LABELS.astype(float), certain(PREDICTED), "integers of shape"),
        (LABELS, np.full((10, 7), "0.1"), "floats of shape"),
        (np.array([], dtype=int), np.zeros((0, 7)), "empty"),
        (np.where(np.arange(10) == 4, 7, LABELS), certain(PREDICTED), "0 to 6, got 7 at row 4$"),
        (LABELS - 1, certain(PREDICTED), r"got -1 at row 0 \(and 3 more\)"),
        (LABELS, broken(3, 2, np.nan), "NaN or infinity at row 3$"),
        (LABELS, broken(3, 2, np.inf), "NaN or infinity at row 3$"),
        (LABELS, broken(5, 1, -0.05), "negative number at row 5.*logits"),
        (LABELS, broken(8, 1, 0.0521), "row 8 sums to 1.0021"),
        (LABELS, certain(PREDICTED) * 2, r"row 0 sums to 2 \(and 9 more\)"),
    ],
)
def test_bad_input_is_one_clear_error(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        evaluation.summarize(labels, probabilities)


def test_rows_off_by_less_than_the_tolerance_are_taken():
    assert evaluation.summarize(LABELS, broken(8, 1, 0.0509))["n"] == 10
