"""Lab 5: plausible wrong answers are refused with a hint that helps, right ones pass however they are written."""

import math
import re

import labs
import numpy as np
import pytest
from lab_answers import both_ways, said_of

from fer_utils.audit import checks
from fer_utils.comparison import paper
from fer_utils.course import lab5


def log2_entropy(counts):
    shares = np.array([count for count in counts if count]) / sum(counts)
    return -(shares * np.log2(shares)).sum()


def naive_entropy(counts):
    shares = np.array(counts) / sum(counts)
    return -(shares * np.log(shares)).sum()


# (exercise, right answer written in another way than the lab's solution)
RIGHT = [
    ("possible guess", 3),
    ("largest gap", 64.80 - 46.50),
    ("possible_counts", lambda percent, n: [k for k in range(n + 1) if round(100 * k / n, 2) == percent]),
    (
        "possible_counts",
        lambda percent, n: np.flatnonzero([f"{100 * k / n:.2f}" == f"{percent:.2f}" for k in range(n + 1)]),
    ),
    ("faces apart", 4826 - 4822),
    ("always_happy", lambda happy, n, batch_size: happy / (n - n % batch_size) * 100),
    ("class_entropy", lambda counts: sum(-c / sum(counts) * math.log(c / sum(counts)) for c in counts if c > 0)),
    ("least_loss", lambda accuracy: -(1 - accuracy) * math.log(0.5)),
    (
        "verdicts",
        dict.fromkeys(["P004", "P075", "P140"], ["cannot be told", "seven or eight words that give a reason here"]),
    ),
]

# (exercise, what students write instead, words of the message)
WRONG = [
    ("possible guess", None, "a number of percentages from 0 to 8"),
    ("possible guess", 67.23, "a number of percentages from 0 to 8"),
    ("largest gap", 67.23 - 24.75, "do not compare two arms"),  # over all arms
    ("largest gap", 0.183, "Subtract the smallest from the largest"),  # as a share
    # the nearest count, whether it prints as the percentage or not
    ("possible_counts", lambda percent, n: [round(percent / 100 * n)], "The nearest counts, 2 and 3, print as"),
    # cut off, and only this one asked
    (
        "possible_counts",
        lambda percent, n: [k for k in [int(percent / 100 * n)] if round(100 * k / n, 2) == percent],
        "of each count, below and above the product",
    ),
    # one count, where a large n has several
    (
        "possible_counts",
        lambda percent, n: [k for k in [checks.right_answers(percent, n)] if k is not None],
        "With more than 10,000 images, several counts may fit",
    ),
    # not all n of n
    (
        "possible_counts",
        lambda percent, n: [k for k in range(n) if round(100 * k / n, 2) == percent],
        "percent = 100.0\n    n = 3589",
    ),
    # only an exact product
    ("possible_counts", lambda percent, n: [int(percent * n / 100)] * (percent * n % 100 == 0), "2 and 3, print as"),
    # as a yes or no
    ("possible_counts", lambda percent, n: checks.right_answers(percent, n) is not None, "so the list is empty"),
    ("faces apart", 3.589, "each of the two percentages allows one count"),  # 0.05 % of 7,178
    ("faces apart", 2, "For 7,178 faces"),  # of 3,589
    ("always_happy", lambda happy, n, batch_size: 100 * happy / n, "3 whole batches: 24 images"),
    ("always_happy", lambda happy, n, batch_size: 100 * happy / (-(-n // batch_size) * batch_size), "24 images"),
    ("always_happy", lambda happy, n, batch_size: happy / (n // batch_size * batch_size), "in percent"),
    (
        "always_happy",
        lambda happy, n, batch_size: round(100 * happy / (n // batch_size * batch_size), 2),
        "not rounded",
    ),
    (
        "always_happy",
        lambda happy, n, batch_size: 100 * (happy - n % batch_size) / (n // batch_size * batch_size),
        "only the number that you divide by changes",
    ),
    ("class_entropy", log2_entropy, "natural logarithm"),
    ("class_entropy", naive_entropy, "A class without an image adds nothing"),  # 0 log 0 is NaN
    ("class_entropy", lambda counts: math.log(len(counts)), "First compute the shares"),  # of equal shares
    ("class_entropy", lambda counts: -sum(c * math.log(c) for c in counts if c), "compute the shares"),  # of counts
    ("least_loss", lambda accuracy: -math.log(max(accuracy, 1e-9)), "as sure as possible"),
    (
        "least_loss",
        lambda accuracy: (1 - accuracy) * math.log(7),
        "The number of classes does not matter",
    ),
    ("least_loss", lambda accuracy: 1 - accuracy, "in nats"),  # bits
    ("least_loss", lambda accuracy: 0.0, "How much can the true class have at most"),
    ("verdicts", {}, "Give verdicts on three numbers. You gave 0."),
    ("verdicts", dict.fromkeys(["P1", "P075", "P081"], ("consistent", "a " * 8)), "'P1' is not the id of a number"),
    ("verdicts", dict.fromkeys(["P034", "P075", "P081"], "consistent"), "give a pair"),
    ("verdicts", dict.fromkeys(["P034", "P075", "P081"], ("wrong", "a " * 8)), "'wrong' is not one of the verdicts"),
    ("verdicts", dict.fromkeys(["P034", "P075", "P081"], ("implausible", "I think so")), "Which number or which sum"),
]


test_right_answers_pass, test_wrong_answers_are_refused = both_ways(RIGHT, WRONG)


def test_a_list_of_another_length_is_said_in_plain_words():
    said = said_of("possible_counts", lambda percent, n: [round(percent / 100 * n)])
    assert "The result has 1 entries; 0 are expected." in said


@pytest.mark.parametrize("n", [7, 30, 3589, 7168, 7178])
def test_the_counts_are_those_of_the_audit(n):
    for number in range(10_001):
        counts = lab5.possible_counts(number / 100, n)
        tied = [k for k in counts if 2 * abs(10_000 * k - number * n) == n]  # 3.125 prints as 3.12 or 3.13
        found = checks.right_answers(number / 100, n)
        assert found in counts if found is not None else counts == tied


def test_of_many_images_all_counts_are_found():
    assert lab5.possible_counts(25.14, 28_709) == [7217, 7218]  # 25.138 and 25.142; always happy has 7215
    assert lab5.possible_counts(100.0, 28_709) == [28_708, 28_709]
    assert lab5.possible_counts(0.0, 28_709) == [0, 1]
    assert lab5.possible_counts(40.0, 7) == []


def test_what_the_lab_says_of_the_paper():
    """The sentences of the lab rest on these numbers."""
    reported = paper.reported()
    accuracies = reported[reported["quantity"] == "validation accuracy"]
    exact = accuracies[~accuracies["place"].str.contains("Fig|comparison")].drop_duplicates(["arm", "value"])
    fitting = {n: sum(bool(lab5.possible_counts(value, n)) for value in exact["value"]) for n in (3589, 7178, 7168)}
    assert len(exact) == 8 and fitting == {3589: 4, 7178: 7, 7168: 7}
    assert lab5.possible_counts(67.23, 7178) == [4826] and lab5.possible_counts(67.18, 7178) == [4822]
    scores = [round(lab5.always_happy(*given), 2) for given in ((1774, 7178, 1), (1774, 7178, 32), (7215, 28_709, 32))]
    assert scores == [24.71, 24.75, 25.14]
    assert checks.entropy([12, 2]) == pytest.approx(0.410, abs=5e-4)
    # The lab's number that passes when it is rounded, and does not print like it.
    assert lab5.possible_counts(67.08, 3589) == [] and round(100 * 2408 / 3589, 2) == 67.09


def test_the_products_of_the_text_are_right():
    """Each is rounded to the decimals that are printed."""
    text = next(path for path in labs.solutions() if path.name.startswith("lab5")).read_text(encoding="utf-8")
    products = re.findall(r"(0\.\d+) x ([\d,]+) = ([\d,]+)\.(\d+)", text)
    assert len(products) == 2
    for share, n, whole, decimals in products:
        product = float(share) * int(n.replace(",", ""))
        assert f"{product:,.{len(decimals)}f}" == f"{whole}.{decimals}"
