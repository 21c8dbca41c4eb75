"""Scoring anybody's answers: our runs give their committed numbers, and every broken file its sentence."""

import json
import os
import re
import shutil
import sys
from types import SimpleNamespace

import known as known_tool
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_utils import evaluation, runs, score
from fer_utils.command_line import leave_with
from fer_utils.data.faces import Faces
from fer_utils.labels import ferplus
from fer_utils.names import EMOTIONS, EXPECTED_COUNTS
from fer_utils.score import __main__ as command
from fer_utils.score import answers, known, measures, networks, page

REFERENCE = runs.PROJECT_ROOT / "outputs" / "reference"
RUN = REFERENCE / "cpu" / "vgg16-scratch-seed0"


@pytest.fixture(scope="module")
def facts():
    return known.facts()


@pytest.fixture(scope="module")
def ours():
    """Row ids, labels and probabilities of a committed run."""
    return runs.read_run(RUN).predictions["test"]


@pytest.fixture
def table(ours):
    """Its predictions as somebody would write them."""
    rows, _, probabilities = ours
    return pd.DataFrame(probabilities, columns=EMOTIONS).assign(row=rows)


def test_a_rung_of_the_ladder_can_be_scored_too(facts):
    """It keeps no answers to Training."""
    found = score.read_run(REFERENCE / "tuned/ladder/whole-80-seed0", facts).about(facts.row_ids)
    assert (found.predicted == facts.labels).sum() == 2502


def test_a_run_that_never_opened_privatetest_is_refused_as_that(facts):
    with pytest.raises(score.ScoreError, match=r"race-22-seed0: never opened PrivateTest. Give a run that did"):
        score.read_run(REFERENCE / "tuned/ladder/race-22-seed0", facts)


def saved(table, tmp_path, index=False):
    """The path of a file with this table, or with this text."""
    text = table if isinstance(table, str) else table.to_csv(index=index)
    (tmp_path / "predictions.csv").write_text(text, encoding="utf-8")
    return tmp_path / "predictions.csv"


def read(table, tmp_path, facts):
    return answers.read_csv(saved(table, tmp_path), facts).about(facts.row_ids)


def refused(table, tmp_path, facts):
    with pytest.raises(score.ScoreError) as raised:
        read(table, tmp_path, facts)
    assert str(tmp_path / "predictions.csv") in str(raised.value)
    return str(raised.value)


# --- what is known ---------------------------------------------------------------------------------------------------


def test_what_ships_is_fer2013s(facts):
    both = known.facts("paper")
    assert np.bincount(facts.labels).tolist() == list(EXPECTED_COUNTS["PrivateTest"])
    assert (
        np.bincount(both.labels).tolist() == np.add(*map(EXPECTED_COUNTS.get, ("PublicTest", "PrivateTest"))).tolist()
    )
    assert (len(facts.labels), facts.row_ids[0], facts.row_ids[-1], int(facts.twins.sum())) == (3589, 32298, 35886, 643)
    assert (both.images, both.answers, both.row_ids[0]) == ("PublicTest and PrivateTest", {}, 28709)


def test_the_answers_that_ship_are_those_of_the_reference(facts):
    kept = known_tool.reference_answers()
    assert list(kept) == list(facts.answers) and len(kept) >= 30
    for name, answer in kept.items():
        np.testing.assert_array_equal(answer, facts.answers[name], err_msg=name)


def test_answers_are_put_into_the_order_of_the_rows(monkeypatch, tmp_path):
    (tmp_path / "outputs/reference/cpu/a").mkdir(parents=True)
    (tmp_path / "outputs/reference/cpu/a/predictions.npz").touch()
    rows, probabilities = np.array([7, 5, 6]), np.eye(7)[[2, 0, 1]]
    run = SimpleNamespace(
        name="a", predictions={"test": (rows, None, probabilities)}, manifest={"parameters": {"PROTOCOL": "official"}}
    )
    monkeypatch.setattr(known_tool.runs, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(known_tool.runs, "read_run", lambda folder, needs: run)
    assert [answers.tolist() for answers in known_tool.reference_answers().values()] == [[0, 1, 2]]


def test_rows_lie_in_their_splits():
    found = known.usage_of([0, 28708, 28709, 32297, 32298, 35886, 35887, -1]).tolist()
    assert found == ["Training"] * 2 + ["PublicTest"] * 2 + ["PrivateTest"] * 2 + ["none"] * 2


# --- our own runs give the committed numbers -------------------------------------------------------------------------


def test_a_run_of_ours_gets_its_committed_numbers(facts, table, tmp_path):
    committed = json.loads((RUN / "metrics.json").read_text(encoding="utf-8"))["test"]
    for own in (read(table, tmp_path, facts), answers.read_run(RUN, facts).about(facts.row_ids)):
        result = measures.report(own, facts)
        assert result["accuracy"]["accuracy"] == pytest.approx(committed["accuracy"], abs=1e-12)
        assert [result["accuracy"][end] for end in ("low", "high")] == pytest.approx(committed["accuracy_interval"])
        assert result["macro_f1"] == pytest.approx(committed["macro_f1"], abs=1e-6)
        assert result["confusion_matrix"] == committed["confusion_matrix"]
        assert result["calibration"]["log_loss"] == pytest.approx(committed["log_loss"], abs=1e-3)
        same = next(row for row in result["compared"] if row["run"] == "vgg16-scratch-seed0 (quarter width)")
        assert (same["difference"], same["p_value"], same["differ"]) == (0, 1, False)


def test_without_twins_is_what_the_study_prints(facts, table, tmp_path):
    result = measures.report(read(table, tmp_path, facts), facts)
    kept = pd.read_csv(REFERENCE / "cpu" / "without_twins.csv")
    own = kept[(kept["run"] == "vgg16-scratch-seed0 test") & (kept["images"] == "without twins")].iloc[0]
    assert result["twins"]["without twins"]["accuracy"] == pytest.approx(own["accuracy"], abs=1e-9)
    assert result["twins"]["without twins"]["n"] == 2946


def test_under_the_papers_protocol_both_splits_count(table):
    both = known.facts("paper")
    result = measures.report(answers.read_run(RUN, both).about(both.row_ids), both)
    assert (result["accuracy"]["n"], result["compared"], result["unseen_labels"]["suspicious"]) == (7178, [], None)
    page.page(result)


def test_always_happy_scores_its_share_whatever_the_order(facts, tmp_path):
    result = measures.report(read(pd.DataFrame({"row": facts.row_ids, "label": 3}), tmp_path, facts), facts)
    assert result["accuracy"]["correct"] == 879 and result["calibration"] is None
    assert result["by_emotion"]["happy"]["accuracy"] == 1 and result["by_emotion"]["sad"]["precision"] is None
    assert result["memory_gap"]["gap"] == 0


# --- label orders ----------------------------------------------------------------------------------------------------


def test_an_alphabetical_order_is_seen_and_said(facts, ours, tmp_path):
    rows, labels, probabilities = ours
    alphabetical = probabilities[:, [EMOTIONS.index(name) for name in sorted(EMOTIONS)]]
    own = read(pd.DataFrame(alphabetical, columns=[f"p{c}" for c in range(7)]).assign(row=rows), tmp_path, facts)
    np.testing.assert_allclose(own.probabilities, probabilities, atol=1e-9)
    assert "alphabetical order (angry, disgust, fear, happy, neutral" in own.notes[0]


def test_codes_are_read_in_either_order(facts, ours, tmp_path):
    rows, _, probabilities = ours
    codes = probabilities.argmax(axis=1)
    sorted_codes = [sorted(EMOTIONS).index(EMOTIONS[code]) for code in codes]
    for given, order in ((codes, "the CSV's"), (sorted_codes, "alphabetical")):
        own = read(pd.DataFrame({"row": rows, "prediction": given}), tmp_path, facts)
        assert np.array_equal(own.predicted, codes) and order in own.notes[0]


def test_names_and_their_synonyms_need_no_order(facts, ours, tmp_path):
    rows, _, probabilities = ours
    shuffled = {"Happiness": 3, "p_sad": 4, "NEUTRAL": 6, "anger": 0, "fear": 2, "surprise": 5, "disgust": 1}
    frame = pd.DataFrame({name: probabilities[:, code] for name, code in shuffled.items()}).assign(row=rows)
    own = read(frame, tmp_path, facts)
    np.testing.assert_allclose(own.probabilities, probabilities, atol=1e-9)
    assert own.notes == []


NAMES_OF_PROBABILITIES = ["{}_prob", "{} (%)", "P({})", "prob.{}", "emotion_{}", "{}_score"]
NAMES_OF_PROBABILITIES += ["softmax_{}", "{}_confidence", "conf {}", "{}_proba", "probability of {}"]


@pytest.mark.parametrize("name", NAMES_OF_PROBABILITIES)
def test_names_of_columns_may_say_that_they_are_probabilities(facts, ours, tmp_path, name):
    rows, _, probabilities = ours
    shuffled = np.random.default_rng(2).permutation(7)
    columns = [name.format(EMOTIONS[code]) for code in shuffled]
    own = read(pd.DataFrame(probabilities[:, shuffled], columns=columns).assign(row=rows), tmp_path, facts)
    np.testing.assert_allclose(own.probabilities, probabilities, atol=1e-9)


@pytest.mark.parametrize(
    "change, words",
    [
        (
            lambda name: {"sad": "sadnes"}.get(name, name),
            "column 'sadnes' is none of the seven emotions; 'sad' is missing",
        ),
        (lambda name: {"neutral": "contempt"}.get(name, name), "column 'contempt' is none .*; 'neutral' is missing"),
        (
            lambda name: {"neutral": "happy"}.get(name, name),
            "columns 'happy' and 'happy' each mean happy; 'neutral' is",
        ),
        (
            lambda name: {"sad": "surprised"}.get(name, name),
            "columns 'surprised' and 'surprise' each mean surprise; 'sad'",
        ),
        (lambda name: f"true_{name}", "column 'true_angry' is none of the seven emotions; .*'neutral' is missing"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"label": 3}])
def test_names_of_which_only_some_are_emotions_are_refused(facts, table, tmp_path, change, words, more):
    """By their order they would be scored as other emotions, and a label beside them may be the truth."""
    order = ["row", "disgust", "fear", "angry", "happy", "sad", "surprise", "neutral"]
    spoilt = table[order].assign(**more).rename(columns=lambda name: name if name == "row" else change(name))
    assert re.search(words, refused(spoilt.rename(columns={"true_label": "label"}), tmp_path, facts))


@pytest.mark.parametrize("second", ["happy ", "Happiness", "happy.1"])
def test_two_columns_of_one_emotion_are_refused(facts, table, tmp_path, second):
    said = refused(table.assign(**{second: 0.0}), tmp_path, facts)
    assert f"the columns 'happy' and '{second.strip()}' each mean happy. Name each emotion once" in said


def test_which_seven_are_probabilities_is_asked_where_more_columns_hold_numbers(facts, table, tmp_path):
    """Otherwise the label beside them, the truth, would be scored."""
    unnamed = table.rename(columns={name: f"p{code}" for code, name in enumerate(EMOTIONS)})
    said = refused(unnamed.assign(confidence=0.5, label=facts.labels), tmp_path, facts)
    assert "which seven of the columns p0, p1, p2, p3, p4, p5, p6, confidence are probabilities?" in said


def test_codes_may_be_whole_floats(facts, ours, tmp_path):
    rows, _, probabilities = ours
    codes = probabilities.argmax(axis=1)
    own = read(pd.DataFrame({"row": rows, "label": codes.astype(float)}), tmp_path, facts)
    assert np.array_equal(own.predicted, codes)


def test_an_order_that_cannot_be_told_is_refused(facts, tmp_path):
    guesses = np.random.default_rng(0).integers(0, 7, len(facts.labels))
    assert "order of the labels is unclear" in refused(
        pd.DataFrame({"row": facts.row_ids, "label": guesses}), tmp_path, facts
    )


NEITHER = r"neither order: [\d,]+ predictions are right in .* order, and 2,2\d\d would be in another"


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("surprise fear disgust happy sad angry neutral", NEITHER),  # RAF-DB's
        ("neutral happy surprise sad angry disgust fear", "order of the labels is unclear"),  # FER+'s
        ("happy sad surprise fear angry disgust neutral", NEITHER),
    ],
)
def test_a_third_order_is_refused(facts, table, tmp_path, order, words):
    unnamed = table[["row", *order.split()]].set_axis(["row", *"0123456"], axis=1)
    said = refused(unnamed, tmp_path, facts)
    assert re.search(words, said) and "Name the seven columns" in said


def test_one_answer_to_all_faces_is_scored(facts, tmp_path):
    """Code 6 is neutral in the CSV's order and surprise in the other. Neutral is more frequent."""
    neutral = read(pd.DataFrame({"row": facts.row_ids, "label": 6}), tmp_path, facts)
    assert (neutral.predicted == EMOTIONS.index("neutral")).all()


# --- which image -----------------------------------------------------------------------------------------------------


def test_rows_in_any_order_and_names_of_ferplus(facts, table, tmp_path):
    first = read(table, tmp_path, facts)
    shuffled = table.sample(frac=1, random_state=1)
    named = shuffled.assign(file=[f"faces/fer{row:07d}.png" for row in shuffled["row"]]).drop(columns="row")
    assert np.array_equal(read(shuffled, tmp_path, facts).predicted, first.predicted)
    assert np.array_equal(read(named, tmp_path, facts).predicted, first.predicted)


@pytest.mark.parametrize("index", [False, True])
def test_names_of_ferplus_identify_the_images_whatever_their_column_is_called(facts, table, tmp_path, index):
    """As a loader of shuffled images writes them. In the order of the lines, each prediction is another image's."""
    shuffled = table.sample(frac=1, random_state=1, ignore_index=True)
    shuffled["image_path"] = [f"faces/fer{row:07d}.png" for row in shuffled.pop("row")]
    own = answers.read_csv(saved(shuffled, tmp_path, index), facts).about(facts.row_ids)
    assert np.mean(own.predicted == facts.labels) == pytest.approx(0.618, abs=1e-3) and own.notes == []


@pytest.mark.parametrize("header", ["Image name", "image_name", "File Name", "filename", "Row-ID"])
def test_the_name_of_the_images_column_may_be_written_in_several_ways(facts, table, tmp_path, header):
    """FER+'s own file calls it Image name. Left aside, the lines would be scored as other images."""
    names = [str(row) if "Row" in header else f"fer{row:07d}.png" for row in table["row"]]
    own = read(table.assign(**{header: names}).drop(columns="row").iloc[::-1], tmp_path, facts)
    assert np.mean(own.predicted == facts.labels) == pytest.approx(0.618, abs=1e-3) and own.notes == []


def test_without_rows_a_whole_split_is_taken_in_its_order_and_that_is_said(facts, table, tmp_path):
    own = read(table.drop(columns="row"), tmp_path, facts)
    assert "taken as PrivateTest in the order of fer2013.csv" in own.notes[0]
    assert np.mean(own.predicted == facts.labels) == pytest.approx(0.618, abs=1e-3)


def test_more_than_what_is_scored_is_left_aside(facts, table, tmp_path):
    more = pd.concat([table, table.assign(row=table["row"] - 3589)])
    assert len(read(more, tmp_path, facts).row_ids) == 3589


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda t: t.iloc[10:], "no prediction for 10 of 3,589 images; the first is row 32298"),
        (lambda t: pd.concat([t, t.iloc[:3]]), "3 images have more than one prediction, the first on lines 2 and 3591"),
        (lambda t: t.assign(row=t["row"] - 30000), "rows 2298 to 5886 of .* images of Training. Give predictions for"),
        (lambda t: t.assign(row=t["row"] + 1), "line 3590: '35887' is no row of fer2013.csv"),
        (lambda t: t.assign(row=t["row"] + 0.5), "line 2: .* is no row"),
        (lambda t: t.assign(row="PrivateTest_88305.jpg"), "File names of image folders do not show the row"),
        (lambda t: t.drop(columns="row").iloc[1:], "3,588 rows below the header are neither 3,589 nor 7,178"),
        (lambda t: t.drop(columns="sad"), ": 'sad' is missing. Name each emotion once"),
        (lambda t: t[["row"]], "needs seven columns of probabilities, or one called label; it has none"),
        (
            lambda t: t.rename(columns={"row": "image"}).assign(file="x"),
            "which of the columns 'image' and 'file' names the im",
        ),
        (
            lambda t: t.assign(sad=np.where(t["row"] == 32300, np.nan, t["sad"])),
            "line 4: column 'sad' has '', which is no n",
        ),
        (lambda t: t.assign(sad=t["sad"] - 1), "line 2: a probability is below 0, so these may be logits"),
        (lambda t: t.assign(sad=t["sad"] + 1), "line 2: the probabilities sum to 2, not to 1"),
        (lambda t: t.assign(sad=np.where(t["row"] == 32300, "much", "0")), "line 4: column 'sad' has 'much', which is"),
        (lambda t: t[["row"]].assign(label="joy"), "line 2: 'joy' is none of the seven emotions"),
        (lambda t: t[["row"]].assign(label=7), "line 2: 7 is no code from 0 to 6"),
        (lambda t: t[["row"]].assign(label=2.5), "line 2: 2.5 is no code from 0 to 6"),
        (
            lambda t: t[["row"]].assign(label=np.where(t["row"] == 32300, "", "3")),
            "line 4: has no prediction. Give one of",
        ),
        (lambda t: t.iloc[:0], "holds no row"),
        (lambda t: "", "holds no row"),
        (lambda t: t.to_csv(index=False, header=False), "the first line has no names, but numbers"),
        (lambda t: t[["row"]].assign(label="sad").to_csv(index=False, header=False), "the first line has no names"),
        (
            lambda t: t.to_csv(index=False, sep=";"),
            "not separated by commas. Save it with commas, and points for decimals",
        ),
        (lambda t: t.to_csv(index=False, sep=";", decimal=","), "not separated by commas"),
        (lambda t: t.to_csv(index=False, sep="\t"), "not separated by commas"),
        (lambda t: t.to_csv(index=False, sep=" "), "not separated by commas"),
        (lambda t: t.to_csv(index=False, decimal=","), "line 2: column 'angry' has '0,.*', which is no number"),
        (
            lambda t: t.to_csv(index=False, decimal=",").replace('"', ""),
            "line 2: has 15 values, where the first line has",
        ),
        (lambda t: t.to_csv(index=False)[:-9], "line 3590: has 7 values, where the first line has 8 names"),
        (
            lambda t: t.to_csv(index=False).replace("\n", "\n\n ,\n").replace("32300", "99999"),
            "line 10: '99999' is no row",
        ),
    ],
)
def test_each_broken_file_has_its_sentence(facts, table, tmp_path, spoil, words):
    assert re.search(words, refused(spoil(table), tmp_path, facts))


def test_which_column_answers_is_asked_where_the_truth_stands_beside_it(facts, tmp_path):
    """A table of results has both; scored on the truth, anything is perfect."""
    beside = pd.DataFrame({"row": facts.row_ids, "label": facts.labels, "predicted": 3})
    said = refused(beside, tmp_path, facts)
    assert "which of the columns label, predicted has the predictions? Keep that one" in said
    assert (read(beside.drop(columns="label"), tmp_path, facts).predicted == 3).all()


@pytest.mark.parametrize("truth", ["label", "emotion"])
@pytest.mark.parametrize("predicted", ["predicted_emotion", "Pred label", "y_pred", "predictions"])
def test_a_prediction_of_any_such_name_keeps_the_truth_from_being_scored(facts, tmp_path, truth, predicted):
    beside = pd.DataFrame({"row": facts.row_ids, truth: facts.labels, predicted: 3})
    said = refused(beside, tmp_path, facts)
    assert f"which of the columns {truth}, {predicted} has the predictions? Keep that one" in said
    assert (read(beside.drop(columns=truth), tmp_path, facts).predicted == 3).all()


def test_a_column_predicted_needs_no_other_of_that_name(facts, tmp_path):
    own = read(pd.DataFrame({"row": facts.row_ids, "predicted": "happy", "pred_conf": 0.5}), tmp_path, facts)
    assert (own.predicted == 3).all()


def test_a_name_of_an_emotion_beside_a_label_is_left_aside(facts, tmp_path):
    """One alone: of several, the labels beside them may be the truth."""
    labelled = pd.DataFrame({"row": facts.row_ids, "label": "sad", "is_happy": 0})
    assert (read(labelled, tmp_path, facts).predicted == EMOTIONS.index("sad")).all()
    assert "'angry' is missing" in refused(labelled.drop(columns="label"), tmp_path, facts)
    assert "'angry' is missing" in refused(labelled.assign(is_sad=1), tmp_path, facts)


@pytest.mark.parametrize("beside", ["path", "image", "file"])
def test_an_id_goes_before_the_name_of_a_file(facts, table, tmp_path, beside):
    named = table.rename(columns={"row": "id"}).iloc[::-1].assign(**{beside: "faces/88305.jpg"})
    assert np.mean(read(named, tmp_path, facts).predicted == facts.labels) == pytest.approx(0.618, abs=1e-3)


def test_the_index_of_a_frame_is_no_row_where_there_is_one(facts, tmp_path):
    table = pd.DataFrame({"row": facts.row_ids, "label": 3})
    own = answers.read_csv(saved(table, tmp_path, index=True), facts)
    assert own.row_ids.tolist() == facts.row_ids.tolist()


@pytest.mark.parametrize("before", ["index", "id", "Unnamed: 0", "file"])
def test_a_column_row_goes_before_other_names(facts, table, tmp_path, before):
    own = read(pd.concat([pd.Series(range(3589), name=before), table], axis=1), tmp_path, facts)
    assert np.mean(own.predicted == facts.labels) == pytest.approx(0.618, abs=1e-3) and own.notes == []


def test_the_index_that_a_frame_has_by_itself_is_no_row_and_its_order_is_taken(facts, table, tmp_path):
    saved(table.drop(columns="row"), tmp_path, index=True)
    own = answers.read_csv(tmp_path / "predictions.csv", facts)
    assert np.mean(own.predicted == facts.labels) == pytest.approx(0.618, abs=1e-3)
    assert "taken as PrivateTest in the order of fer2013.csv" in own.notes[0]
    saved(table.set_index("row").rename_axis(None).iloc[::-1], tmp_path, index=True)
    assert answers.read_csv(tmp_path / "predictions.csv", facts).row_ids.tolist() == facts.row_ids.tolist()[::-1]


def test_the_mark_of_numpys_header_belongs_to_no_name(facts, table, tmp_path):
    text = "# " + table[["row", *EMOTIONS]].iloc[::-1].to_csv(index=False)
    assert np.mean(read(text, tmp_path, facts).predicted == facts.labels) == pytest.approx(0.618, abs=1e-3)


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.csv", "row,label\n32298,sad\n".encode("utf-16"), "it is text in UTF-16"),
        ("a.csv", "row,label\n32298,fröhlich\n".encode("latin-1"), "codec can't decode byte"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "it is an HDF5 file"),
        ("a.pt", b"PK\3\4", "it is a zip"),
        ("a.csv.gz", b"\x1f\x8b\x08", "Compressed file ended"),
    ],
)
def test_what_is_no_csv_is_named_and_what_can_be_given(facts, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(score.ScoreError) as raised:
        answers.read_csv(tmp_path / name, facts)
    assert words in str(raised.value)
    assert (
        "Give a CSV file in UTF-8 with commas, the folder of a run, or a network whose name ends in .keras, .onnx"
        in str(raised.value)
    )


def test_probabilities_may_be_rounded_to_two_decimals(facts, table, tmp_path):
    """Seven roundings of up to 0.005 each: six of 0.1451 and one of 0.1294 become 0.15 and 0.13, which sum to 1.03."""
    rounded = table[["row"]].assign(**dict.fromkeys(EMOTIONS, 0.15) | {"happy": 0.13})
    assert read(rounded, tmp_path, facts).probabilities.sum(axis=1) == pytest.approx(1)
    assert "sum to 1.05" in refused(rounded.assign(happy=0.15), tmp_path, facts)


def test_percentages_are_understood(facts, table, tmp_path):
    percentages = table.assign(**{name: 100 * table[name] for name in EMOTIONS})
    assert "percentages" in read(percentages, tmp_path, facts).notes[0]


def test_a_run_on_drawn_faces_is_refused(facts, tmp_path):
    rows, labels, probabilities = runs.read_run(RUN).predictions["test"]
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("manifest.json", "metrics.json", "history.csv"):
        (folder / name).write_bytes((RUN / name).read_bytes())
    runs.save_predictions(folder, dict.fromkeys(("validation", "test"), (rows, (labels + 1) % 7, probabilities)))
    with pytest.raises(score.ScoreError, match="other data than FER-2013"):
        score.read_run(folder, facts)


# --- measures --------------------------------------------------------------------------------------------------------


def test_who_has_seen_the_labels_is_warned_of(facts):
    """Right on nine of ten faces at random: only the labels themselves can tell so much."""
    generator = np.random.default_rng(0)
    predicted = np.where(generator.random(len(facts.labels)) < 0.9, facts.labels, (facts.labels + 1) % 7)
    result = measures.report(answers.Answers("leak", facts.row_ids, predicted), facts)
    assert result["unseen_labels"]["suspicious"] and "Was the model trained on these" in page.page(result)
    assert result["unseen_labels"]["n"] == 479
    for name, answer in facts.answers.items():
        assert not measures.unseen_labels(answer == facts.labels, facts)["suspicious"], name


def test_the_voters_favourite_is_no_leak(facts):
    """Who answers as most voters do is right on none of the faces whose label nobody gave."""
    favourite = np.maximum(ferplus.favourite(facts.votes), 0)
    own = measures.unseen_labels(favourite == facts.labels, facts)
    assert own["accuracy"] < 0.05 and not own["suspicious"]


def test_differences_are_mcnemars_with_holms_correction(facts):
    first, second = list(facts.answers.values())[:2]
    right, other = first == facts.labels, second == facts.labels
    rows = {row["run"]: row for row in measures.compared(right, facts)}
    row = rows[list(facts.answers)[1]]
    only, either = int((right & ~other).sum()), int((right != other).sum())
    assert row["p_value"] == pytest.approx(stats.binomtest(only, either).pvalue)
    assert row["difference"] == pytest.approx(right.mean() - other.mean())
    drawn = evaluation.paired_difference(right, other, samples=2000)
    assert [row["low"], row["high"]] == pytest.approx([drawn["low"], drawn["high"]], abs=0.002)
    assert [row["p_holm"] for row in rows.values()] == pytest.approx(
        evaluation.holm([row["p_value"] for row in rows.values()])
    )


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_writes_a_page_and_json(table, tmp_path, capsys):
    table.to_csv(tmp_path / "mine.csv", index=False)
    assert command.main([str(tmp_path / "mine.csv")]) == 0
    result = json.loads((tmp_path / "mine.score.json").read_text(encoding="utf-8"))
    html = (tmp_path / "mine.score.html").read_text(encoding="utf-8")
    assert result["accuracy"]["correct"] == 2218 and "61.8 % of 3,589 faces" in capsys.readouterr().out
    assert "http" not in html and "<script" not in html and "61.8 %" in html


def test_the_folder_of_a_run_may_have_a_dot_in_its_name_and_be_the_one_one_stands_in(tmp_path, monkeypatch):
    folder = tmp_path / "vgg16-0.5-seed0"
    shutil.copytree(runs.PROJECT_ROOT / "outputs/reference/cpu/vgg16-scratch-seed0", folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/link").symlink_to(folder)
    assert command.main([str(tmp_path / "elsewhere/link")]) == 0
    assert sorted(path.name for path in (tmp_path / "elsewhere").glob("*.json")) == ["link.score.json"]
    shutil.rmtree(tmp_path / "elsewhere")
    monkeypatch.chdir(folder)
    assert command.main(["."]) == command.main([".", "--out", "."]) == 0
    written = [f"{folder.name}.score.html", f"{folder.name}.score.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, *written]


@pytest.mark.parametrize(
    "name, words",
    [
        ("none.csv", "no such file"),
        ("net.keras", "Give FER-2013 as --data"),
        ("net.ONNX", "Give FER-2013 as --data"),
        ("folder", "not a finished run"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong_and_writes_nothing(tmp_path, capsys, name, words):
    (tmp_path / "folder").mkdir()
    assert command.main([str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not list(tmp_path.glob("*.score.*"))


@pytest.mark.parametrize("out, written", [("none/mine", []), ("a/page", []), ("a/numbers", ["numbers.score.html"])])
def test_a_file_that_cannot_be_written_is_named_and_the_other_is_whole(table, tmp_path, capsys, out, written):
    """Neither into a folder that is not there, nor over a folder."""
    folders = ["a/page.score.html", "a/numbers.score.json"]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    assert command.main([str(saved(table, tmp_path)), "--out", str(tmp_path / out)]) == 2
    said = capsys.readouterr().err
    assert re.search(r"\.score\.(html|json): cannot be written \(.+\)\. .*--out.*\n$", said) and said.count("\n") == 1
    new = set(tmp_path.rglob("*")) - before
    assert sorted(path.name for path in new) == [*written, "predictions.csv"]
    assert all(path.read_text(encoding="utf-8").endswith("</html>\n") for path in new if path.suffix == ".html")


def test_data_that_are_not_there_are_named_with_their_option(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").touch()
    assert command.main(["net.onnx", "--data", "as DATA.csv"]) == 2
    assert capsys.readouterr().err.startswith(f"--data: {tmp_path}/as DATA.csv: no such file")


@pytest.fixture
def scored_network(facts, tmp_path, monkeypatch):
    """scored_network(outputs, labels): the command's exit code for an ONNX network with these outputs and this text."""
    n = len(facts.labels)
    faces = Faces(np.zeros((n, 48, 48), np.uint8), facts.labels, np.full(n, "PrivateTest"), facts.row_ids)
    monkeypatch.setattr(networks.data, "load_fer2013", lambda source: faces)
    (tmp_path / "a.onnx").touch()

    def run(outputs, labels):
        monkeypatch.setattr(networks, "_onnx", lambda path, images: (outputs, labels))
        return command.main([str(tmp_path / "a.onnx"), "--data", "x"])

    return run


def test_a_network_that_returns_nan_is_refused(facts, scored_network, capsys):
    """Trained in float16, a network may return NaN. Its largest value would be the first emotion's."""
    outputs = np.eye(7)[facts.labels]
    outputs[5] = np.nan
    assert scored_network(outputs, ",".join(EMOTIONS)) == 2
    said = capsys.readouterr().err
    assert "a.onnx: returns NaN or infinity for 1 of 3,589 faces. Predict the faces yourself" in said
    assert said.count("\n") == 1


def test_labels_with_numbers_are_no_list_in_the_order_of_the_outputs(facts, scored_network, capsys):
    """A dict's order in the text is not that of its numbers."""
    numbered = {name: code for code, name in enumerate(EMOTIONS)}
    text = json.dumps({name: numbered[name] for name in sorted(EMOTIONS, reverse=True)})
    assert scored_network(np.eye(7)[facts.labels], text) == 0
    assert "100.0 % of 3,589 faces" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_name_that_is_no_text_is_no_reason_to_refuse_a_file(table, tmp_path):
    """As unpacked from an archive of Windows."""
    shutil.move(saved(table, tmp_path), path := os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv"))
    with pytest.raises(SystemExit, match="0"):
        leave_with(lambda: command.main([path]))
    assert "caf\\udce9.csv: 61.8 % of" in (tmp_path / "caf\udce9.score.html").read_text(encoding="utf-8")


def test_a_name_of_a_file_is_no_html(facts):
    own = answers.Answers("<script>x</script>.csv", facts.row_ids, np.zeros(len(facts.labels), int))
    assert "<script>" not in page.page(measures.report(own, facts))


# --- what people install ---------------------------------------------------------------------------------------------


def test_the_table_of_packages_is_what_their_answers_come_to(facts):
    text = (runs.PROJECT_ROOT / "docs" / "score.md").read_text(encoding="utf-8")
    kept = json.loads((REFERENCE / "peers" / "peers.json").read_text(encoding="utf-8"))["peers"]
    assert len(kept) == 4
    for name, row in kept.items():
        own = score.read_csv(REFERENCE / "peers" / f"{name}.csv.gz", facts).about(facts.row_ids)
        result = measures.report(own, facts)
        assert result["accuracy"] == row["accuracy"]
        cells = [row["package"], page.percent(result["accuracy"]), page.interval(result["accuracy"])]
        cells += [page.percent(result["twins"]["without twins"]), f"{100 * result['macro_f1']:.1f} %"]
        assert f"| {' | '.join(cells)} |" in text
        assert not result["unseen_labels"]["suspicious"]
