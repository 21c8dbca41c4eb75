"""FER+ votes: reading, joining and refusing, and tables whose numbers were worked out by hand."""

import numpy as np
import pytest

from fer_utils.data.faces import DataError, Faces
from fer_utils.evaluation.intervals import wilson_interval
from fer_utils.labels import ferplus
from fer_utils.names import EMOTIONS, USAGES

ANGRY, DISGUST, FEAR, HAPPY, SAD, SURPRISE, NEUTRAL = range(7)
COUNTS = (28709, 3589, 3589)


def votes_of(**given):
    """One row of votes by name."""
    return [given.get(name, 0) for name in ferplus.VOTES]


@pytest.fixture(scope="module")
def loaded():
    """Row r has all votes for EMOTIONS[r % 7]."""
    votes = np.zeros((35_887, 10), np.int64)
    rows = np.arange(len(votes))
    votes[rows, np.array(ferplus.EMOTION_COLUMNS)[rows % 7]] = 10
    return votes


def faces_at(row_ids, labels=None, usage=None, source="fer2013.csv"):
    row_ids = np.array(row_ids, np.int64)
    labels = row_ids % 7 if labels is None else np.array(labels)
    usage = np.repeat(USAGES, COUNTS)[row_ids] if usage is None else np.array(usage, "U11")
    return Faces(np.zeros((len(row_ids), 48, 48), np.uint8), labels.astype(np.uint8), usage, row_ids, source=source)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_the_columns_are_mapped_to_our_order():
    named = [ferplus.VOTES[column] for column in ferplus.EMOTION_COLUMNS]
    assert named == ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]


# --- joining ---------------------------------------------------------------------------------------------------------


def test_votes_come_by_row_id_in_any_order_and_for_a_part(loaded):
    joined = ferplus.join(faces_at([35_886, 6, 28_709]), loaded)
    assert ferplus.favourite(joined).tolist() == [35_886 % 7, 6, 28_709 % 7]
    assert joined.shape == (3, 10)


def test_faces_without_the_csv_order_are_refused(loaded, tmp_path):
    def refused(faces, message):
        with pytest.raises(DataError, match=message) as caught:
            ferplus.join(faces, loaded)
        assert faces.source in str(caught.value) and "Give fer2013.csv" in str(caught.value)

    refused(faces_at([0, 1], source="sample"), "the drawn faces are not FER-2013")
    refused(faces_at([0, 1], source=str(tmp_path)), "image folders do not keep the CSV's row order")
    refused(faces_at([0, 1_426_440], [0, 0], ["Training"] * 2), "1 of 2 row ids are no rows of")
    refused(faces_at([0, 3, 3]), "or some occur twice")
    refused(faces_at([0, 28_709], usage=["Training", "Training"]), "1 of 2 rows have another usage")
    ids = np.arange(7 * 20)
    refused(faces_at(ids, labels=np.sort(ids % 7)), r"only 20 of 140 labels agree with the votes")  # sorted by class


# --- what the votes say ----------------------------------------------------------------------------------------------

VOTES = np.array(
    [
        votes_of(anger=6, neutral=4),
        votes_of(happiness=10),
        votes_of(fear=5, surprise=5),  # a tie
        votes_of(contempt=6, anger=4),
        votes_of(NF=9, neutral=1),
        votes_of(unknown=5, sadness=4, fear=1),
        votes_of(sadness=4, neutral=3, fear=2, anger=1),  # 4 of the 9 that are left: no majority
        votes_of(sadness=4, neutral=3, fear=1, anger=1, disgust=1),  # 4 of the 7 that are left
        votes_of(surprise=5, fear=4),  # nine votes, as one row of FER+ has
    ]
)
LABELS = np.array([ANGRY, HAPPY, FEAR, ANGRY, NEUTRAL, SAD, FEAR, SAD, FEAR])


def test_the_favourite_by_both_rules():
    assert ferplus.favourite(VOTES).tolist() == [ANGRY, HAPPY, -1, -1, -1, -1, SAD, SAD, SURPRISE]
    assert ferplus.favourite(VOTES, "majority").tolist() == [ANGRY, HAPPY, -1, -1, -1, -1, -1, SAD, SURPRISE]
    assert ferplus.favourite(VOTES).dtype == np.int8


def test_single_votes_decide_nothing_under_the_published_rule():
    ten_answers = np.ones((1, 10), int)
    assert ferplus.favourite(ten_answers, "majority").tolist() == [-1]
    assert ferplus.favourite([votes_of(disgust=1)]).tolist() == [DISGUST]


def test_agreement_and_the_votes_for_a_label():
    assert ferplus.agreement(VOTES).tolist() == pytest.approx([0.6, 1, 0.5, 0.6, 0.9, 0.5, 0.4, 0.4, 5 / 9])
    wanted = [0.6, 1, 0.5, 0.4, 0.1, 0.4, 0.2, 0.4, 4 / 9]
    assert ferplus.share_for(LABELS, VOTES).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(
    "votes", [np.ones((2, 9), int), np.ones((2, 10)), np.zeros((2, 10), int), -np.eye(10, dtype=int)]
)
def test_what_is_no_table_of_votes_is_refused(votes):
    with pytest.raises(ValueError, match="votes must"):
        ferplus.favourite(votes)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="unknown rule 'all'"):
        ferplus.favourite(VOTES, "all")


def test_answers_by_label():
    table = ferplus.answers_by_label(LABELS, VOTES)
    assert table.to_numpy().sum() == len(LABELS)
    assert table.at["angry", "angry"] == 1 and table.at["angry", "contempt"] == 1
    assert table.at["fear", "tie"] == 1 and table.at["fear", "sad"] == 1 and table.at["fear", "surprise"] == 1
    assert table.at["neutral", "NF"] == 1 and table.at["sad", "unknown"] == 1 and table.at["sad", "sad"] == 1


def test_agreement_by_class():
    table = ferplus.agreement_by_class(LABELS, VOTES)
    assert table.index.tolist() == [*EMOTIONS, "all"]
    assert table.loc["fear", ["n", "same", "other", "none"]].tolist() == [3, 0, 2, 1]
    assert table.loc["angry", ["n", "same", "other", "none"]].tolist() == [2, 1, 0, 1]
    assert table.loc["all", ["n", "same", "other", "none"]].tolist() == [9, 3, 2, 4]
    assert tuple(table.loc["all", ["low", "high"]]) == pytest.approx(wilson_interval(3, 9))
    assert table.at["fear", "agreement"] == pytest.approx((0.5 + 0.4 + 5 / 9) / 3)
    assert table.at["fear", "votes_for_label"] == pytest.approx((0.5 + 0.2 + 4 / 9) / 3)
    # More than half of all votes, not of those for an emotion: of three fears 5, 2 and 4 of 10, 10 and 9 are too few.
    assert table.loc[["angry", "fear", "all"], "over_half"].tolist() == pytest.approx([1 / 2, 0, 2 / 9])
    assert table.at["disgust", "n"] == 0 and np.isnan(table.at["disgust", "share"])


# --- runs ------------------------------------------------------------------------------------------------------------


def test_rescored():
    predicted = np.array([ANGRY, HAPPY, FEAR, HAPPY, HAPPY, HAPPY, SAD, SAD, SURPRISE])
    table = ferplus.rescored(LABELS, predicted, VOTES)
    assert table["n"].tolist() == [9, 5, 5]
    assert table["correct"].tolist() == [4, 3, 5]  # FER+ sees sad and surprise where the labels say fear
    assert tuple(table.iloc[2][["low", "high"]]) == pytest.approx(wilson_interval(5, 5))
    assert ferplus.rescored(LABELS, predicted, VOTES, "majority")["n"].tolist() == [9, 4, 4]


def test_accuracy_by_agreement_puts_every_image_in_one_bin():
    right = np.array([True, True, False, False, True, True, False, True, True])
    table = ferplus.by_agreement(right, VOTES)
    assert table["bin"].tolist() == ["up to 45%", "45% to 65%", "65% to 85%", "85% to 100%"]
    assert table["n"].tolist() == [2, 5, 0, 2]
    assert table["correct"].tolist() == [1, 3, 0, 2]
    assert np.isnan(table["accuracy"][2])


def test_the_ceiling_by_hand():
    usage = np.array(["Training"] * 4 + ["PrivateTest"] * 5)
    table = ferplus.label_noise_ceiling(LABELS, usage, VOTES)
    assert table.index.tolist() == ["Training", "PrivateTest", "all"]
    assert table["n"].tolist() == [4, 5, 9] and table["with_favourite"].tolist() == [2, 3, 5]
    assert table["favourite"].tolist() == pytest.approx([1, 1 / 3, 3 / 5])
    assert table["voter_same"].tolist() == pytest.approx([(0.6 + 1) / 2, (0.2 + 0.4 + 4 / 9) / 3, (2.2 + 4 / 9) / 5])
    assert table["favourite_or_wrong"].tolist() == pytest.approx([2 / 4, 1 / 5, 3 / 9])
    assert tuple(table.loc["all", ["favourite_low", "favourite_high"]]) == pytest.approx(wilson_interval(3, 5))
    found = tuple(table.loc["all", ["favourite_or_wrong_low", "favourite_or_wrong_high"]])
    assert found == pytest.approx(wilson_interval(3, 9))
    shares = [0.6, 1, 0.5, 0.4]
    assert table.at["Training", "voter"] == pytest.approx(np.mean(shares))
    reach = 1.959964 * np.std(shares, ddof=1) / 2
    assert table.at["Training", "voter_high"] == pytest.approx(np.mean(shares) + reach)
    # Among votes for one of seven: contempt's six and NF's nine are no answers.
    assert table.at["Training", "voter_of_seven"] == pytest.approx(np.mean([0.6, 1, 0.5, 1]))
    for name in ("voter_same", "voter_of_seven"):
        assert (table[f"{name}_low"] < table[name]).all() and (table[name] < table[f"{name}_high"]).all()


def test_a_perfect_predictor_of_agreed_labels_has_ceiling_one():
    labels = np.arange(7)
    votes = np.zeros((7, 10), int)
    votes[np.arange(7), list(ferplus.EMOTION_COLUMNS)] = 10
    table = ferplus.label_noise_ceiling(labels, np.array(["Training"] * 7), votes, "majority")
    rates = ["favourite", "voter_same", "favourite_or_wrong", "voter", "voter_of_seven"]
    assert table.loc["all", rates].tolist() == [1] * 5
