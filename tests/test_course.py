"""What ``course.check`` says to a student: where it first goes wrong, in what, and never the answer."""

import re

import numpy as np
import pandas as pd
import pytest

from fer_utils import course, data
from fer_utils.course import checking, kinds, lab1, lab3
from fer_utils.names import EMOTIONS


def said(name, answer):
    with pytest.raises(course.NotYet) as raised:
        course.check(name, answer)
    return str(raised.value)


def doubling(answer, hint="Twice."):
    exercise = kinds.Function(lambda x: 2.0 * x, lambda generator, case: {"x": np.arange(case + 1.0)}, hint)
    return exercise.wrong("double", answer)


# --- the kinds -------------------------------------------------------------------------------------------------------


def test_a_right_function_passes_on_all_inputs():
    calls = []
    assert doubling(lambda x: calls.append(x) or (x + x).tolist()) is None
    assert len(calls) == kinds.CASES


def test_the_first_input_that_goes_wrong_is_shown_and_not_the_answer():
    text = doubling(lambda x: x * 2 if len(x) < 3 else x * 2 + (x == 2))
    assert "x = array([0., 1., 2.])" not in text and "x = [0., 1., 2.]" in text
    assert "Your function returns [0., 2., 5.]" in text and "wrong at 1 of 3 places, first at [2]" in text
    assert text.endswith("Hint: Twice.") and "4." not in text


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda x: None, "returns None, but here something else is expected. Is a `return` line missing"),
        (lambda x: 2.0, r"has the shape \(\); the shape \(1,\) is expected"),
        (lambda x: (2 * x).reshape(-1, 1), r"has the shape \(1, 1\)"),
        (lambda x: "much", r"has the shape"),
        (lambda x: [object()], "Numbers are expected"),
        (lambda x: 1 / 0, "raises ZeroDivisionError: division by zero"),
        (lambda y: y, "must have the arguments x"),
        (lambda x, times=2: times * str(x) + 1, "raises TypeError"),
        (lambda x: x.sort_values(), "raises AttributeError"),
        (3.0, "Give the function itself, as in check.'double', double.. You gave 3.0"),
    ],
)
def test_what_kind_of_thing_is_wrong_is_said(answer, words):
    assert re.search(words, doubling(answer))


def test_an_error_is_shown_with_the_students_own_line():
    def deep(x):
        return np.linalg.inv(x)

    assert "in its line `return np.linalg.inv(x)`" in doubling(deep)


def test_an_unwritten_function_is_called_that():
    def empty(x):
        raise NotImplementedError

    assert doubling(empty) == "The body of your function is not written yet."  # no hint before an attempt


def test_a_name_that_is_forgotten_is_asked_for():
    with pytest.raises(course.NotYet, match="name of the exercise first"):
        course.check(len)


def test_warnings_of_numpy_are_left_to_the_student(recwarn):
    doubling(lambda x: (np.mean([]), x + x)[1])
    assert not recwarn.list


def test_an_argument_that_is_changed_is_named():
    def changing(x):
        x *= 2
        return x

    assert "changes its argument x" in doubling(changing)


def test_a_function_cannot_change_what_it_is_compared_with():
    exercise = kinds.Function(lambda x: x, lambda generator, case: {"x": np.zeros(2)}, "")
    assert "changes its argument" in exercise.wrong("same", lambda x: np.add(x, 1, out=x))


@pytest.mark.parametrize(
    "expected, right, wrong, words",
    [
        ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}, {"a": 1.0}, "The keys are 'a'; 'a', 'b' are expected"),
        ({0: 1.0}, pd.Series([1.0]), {0: 1.5}, "At the key 0: Another value"),
        ((0.1, 0.3), [0.1, 0.3], (0.3, 0.1), "wrong at 2 of 2 places"),
        (np.array([np.nan, 1]), [float("nan"), 1], [0, 1], "first at .0."),
        (np.array([True]), np.array([True]), [1], "Truth values"),
        (True, np.True_, 1, "True or False"),
        ("happy", "happy", "sad", "Another text"),
        (["a", "b"], ("a", "b"), ["b", "a"], "A list with other contents"),
        (["a"], ["a"], [["a"], ["b", "c"]], "A list with other contents"),
        (0.3, np.float32(0.3), 0.31, "Another value"),
        (np.array([], int), pd.Series([]), pd.Series([1]), r"the shape \(0,\) is expected"),
    ],
)
def test_things_are_compared_by_what_they_mean(expected, right, wrong, words):
    assert kinds.difference(expected, right) is None
    assert re.search(words, kinds.difference(expected, wrong))


@pytest.mark.parametrize(
    "answer, words",
    [
        (12, None),
        (12.4, None),
        (7, "Hint: look"),
        (None, "number"),
        (True, "number"),
        ([1], "number"),
        ("12", "number"),
    ],
)
def test_a_number_lies_within_its_bounds(answer, words):
    text = kinds.Number(12, 12.5, "look").wrong("x", answer)
    assert text is None if words is None else words in text


@pytest.mark.parametrize(
    "answer, right",
    [(0.3, True), (1.2, False), (None, False), ("soon", False), ("0.3", False), (float("nan"), False)],
)
def test_a_prediction_only_has_to_be_written_down(answer, right):
    assert (kinds.Prediction(0, 1, "a share").wrong("guess", answer) is None) == right


def test_a_judge_that_cannot_judge_says_so():
    exercise = kinds.Judged(lambda answer: None if answer.output_shape == (7,) else "No.", "Build it.")
    assert "stopped with an error: AttributeError" in exercise.wrong("net", 3)


def test_long_arrays_are_shown_by_their_shape():
    assert kinds.described(np.zeros((50, 48, 48), np.uint8)).startswith("array of uint8, shape (50, 48, 48)")
    assert len(kinds.described("x" * 9000)) < 600


def test_names_are_given_once_and_inputs_are_the_same_every_time():
    names = [name for lab in checking.LABS for name in checking.exercises_of(lab)]
    assert len(names) == len(set(names)) == len(checking.exercises())
    assert said("wilson", lambda correct, n: (0, 1)) == said("wilson", lambda correct, n: (0, 1))


def test_jupyter_shows_the_message_and_no_traceback():
    error = course.NotYet("wilson: not accepted yet.\nHint")
    assert error._render_traceback_() == ["wilson: not accepted yet.", "Hint"]


# --- lab 1: what students get wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        lambda train_labels, test_labels: np.mean(test_labels == np.bincount(test_labels).argmax()),
        lambda train_labels, test_labels: np.mean(train_labels == np.bincount(train_labels).argmax()),
        lambda train_labels, test_labels: np.sum(test_labels == np.bincount(train_labels).argmax()),
        lambda train_labels, test_labels: (
            lab1.floor_accuracy(train_labels, test_labels) * (len(test_labels) / len(train_labels))
        ),
        lambda train_labels, test_labels: 100 * lab1.floor_accuracy(train_labels, test_labels),
        # On a tie the one that comes first in the labels.
        lambda train_labels, test_labels: np.mean(
            test_labels == max(train_labels.tolist(), key=train_labels.tolist().count)
        ),
    ],
)
def test_wrong_floors_are_seen(wrong):
    assert "Another value" in said("floor_accuracy", wrong)


def test_the_floor_by_hand():
    assert lab1.floor_accuracy(np.array([3, 3, 0]), np.array([3, 0, 0, 0])) == 0.25


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda labels: {c: len(labels) / k for c, k in enumerate(np.bincount(labels, minlength=7)) if k}, "keys"),
        (lambda labels: {c: 1 / k if k else 0 for c, k in enumerate(np.bincount(labels, minlength=7))}, "At the key"),
        (lambda labels: list(data.class_weights(labels).values()), "A dict with the keys 0, 1"),
        (lambda labels: dict(zip(EMOTIONS, data.class_weights(labels).values())), "The keys are 'angry'"),
    ],
)
def test_wrong_weights_are_seen(wrong, words):
    assert words in said("class_weights", wrong)


def test_wrong_copies_are_seen():
    def anywhere(images, usage):
        seen = [image.tobytes() for image in images]
        return [place for place, image in enumerate(seen) if seen.count(image) > 1 and usage[place] != "Training"]

    def other_way(images, usage):
        tested = {image.tobytes() for image in images[usage != "Training"]}
        return [p for p in np.flatnonzero(usage == "Training") if images[p].tobytes() in tested]

    def almost(images, usage):
        close = np.abs(images[:, None].astype(int) - images[None]).max(axis=(2, 3)) <= 1
        return np.flatnonzero((usage != "Training") & (close & (usage == "Training")).any(axis=1))

    def by_mean(images, usage):
        known = {image.mean() for image in images[usage == "Training"]}
        return [place for place in np.flatnonzero(usage != "Training") if images[place].mean() in known]

    def as_printed(images, usage):
        known = {str(image) for image in images[usage == "Training"]}
        return [place for place in np.flatnonzero(usage != "Training") if str(images[place]) in known]

    for wrong in (anywhere, other_way, almost, by_mean, as_printed):
        assert "shape" in said("copied", wrong) or "wrong at" in said("copied", wrong)
    course.check("copied", lambda images, usage: lab1.copied(images, usage).tolist())


@pytest.mark.parametrize(
    "labels, words",
    [(["happy"] * 13, "14 faces. You gave 13 answers"), (["joy"] * 14, "'joy' is not one of the seven")],
)
def test_own_labels_are_fourteen_emotions(labels, words):
    assert words in said("own labels", labels)


# --- lab 3 -----------------------------------------------------------------------------------------------------------


def usual(correct, n):
    rate = correct / n
    half = 1.96 * np.sqrt(rate * (1 - rate) / n)
    return rate - half, rate + half


def rounded_wilson(correct, n):
    """With z = 1.96, as books have it."""
    share, rate = 1.96**2 / n, correct / n
    half = 1.96 * np.sqrt(rate * (1 - rate) / n + share / (4 * n))
    return (rate + share / 2 - half) / (1 + share), (rate + share / 2 + half) / (1 + share)


def test_wilson_may_use_the_books_z_and_not_the_usual_interval():
    course.check("wilson", rounded_wilson)
    assert "correct = 3\n    n = 10" in said("wilson", usual)
    assert "int(...)" in said("mcnemar", lambda first_right, second_right: 0.5)
    assert "wrong at 2 of 2" in said("wilson", lambda correct, n: rounded_wilson(correct, n)[::-1])


def test_precision_is_not_recall():
    def precision(labels, predicted):
        return np.array([np.mean(labels[predicted == c] == c) if (predicted == c).any() else np.nan for c in range(7)])

    def zero_for_none(labels, predicted):
        return np.nan_to_num(lab3.recall(labels, predicted))

    assert "wrong at" in said("recall", precision) and "wrong at" in said("recall", zero_for_none)


@pytest.mark.parametrize("factor, cap", [(1, True), (2, False)], ids=["one-sided", "above 1"])
def test_mcnemar_is_two_sided_and_a_probability(factor, cap):
    from math import comb

    def test(first_right, second_right):
        one, other = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
        p = factor * sum(comb(one + other, k) for k in range(min(one, other) + 1)) / 2 ** (one + other)
        return min(1.0, p) if cap else p

    assert "Another value" in said("mcnemar", test)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p_values: np.minimum(1, p_values * len(p_values)),  # Bonferroni
        lambda p_values: np.minimum(1, np.sort(p_values) * np.arange(len(p_values), 0, -1)),  # not in order
        lambda p_values: np.minimum(1, p_values * (len(p_values) - np.argsort(np.argsort(p_values)))),  # not monotone
    ],
)
def test_wrong_corrections_are_seen(wrong):
    assert "wrong at" in said("holm", wrong)


@pytest.mark.parametrize(
    "text", [None, "It is better.", "VGG16 is better than ResNet50 by a lot, and that is really all there is."]
)
def test_a_sentence_without_numbers_is_no_result(text):
    assert "at least twelve words" in said("own sentence", text) or "numbers" in said("own sentence", text)
