"""Answers to labs' exercises as tests: right ones pass however they are written, wrong ones get words that help."""

import pytest

from fer_utils.course import checking


def said_of(name, answer):
    """What the student reads; None where the answer is right."""
    return checking.exercises()[name].wrong(name, answer)


def both_ways(right, wrong):
    """Two tests. right: (exercise, answer), ...; wrong: (exercise, answer, words that the student has to read), ..."""

    @pytest.mark.parametrize("name, answer", right, ids=_ids(right))
    def test_right(name, answer):
        assert said_of(name, answer) is None

    @pytest.mark.parametrize("name, answer, words", wrong, ids=_ids(wrong))
    def test_wrong(name, answer, words):
        assert words in said_of(name, answer)

    return test_right, test_wrong


def _ids(cases):
    return [f"{place}-{case[0]}" for place, case in enumerate(cases)]
