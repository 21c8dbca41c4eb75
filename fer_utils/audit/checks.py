"""The arithmetic of the audit: small pure functions, each puts one kind of number to one test (notebook 07).

A check returns a ``Check``: the number that arithmetic gives, a verdict out of ``VERDICTS``, and a sentence. Nothing
here reads a file, a run, or the paper's table: ``claims`` does, and hands the numbers over.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from fer_utils import evaluation
from fer_utils.names import EMOTIONS, EXPECTED_COUNTS, RESNET50_STAGES, USAGES, VGG16_BLOCKS

CONSISTENT = "consistent"
SELF_CONTRADICTED = "contradicted by the paper itself"
ARITHMETIC = "contradicted by arithmetic"
BY_DATA = "contradicted by the data"
IMPLAUSIBLE = "implausible"
REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced at this scale"
CANNOT_BE_TOLD = "cannot be told"
NOT_CHECKABLE = "not checkable"
# With CANNOT_BE_TOLD, the verdicts on statements; the last is of those that no run of ours could decide.
HOLDS, FAILS, NOT_OF_RUNS = "holds", "does not hold", "not a matter of runs"
# What each word means, in the order in which it decides: the first that applies is a number's verdict.
VERDICTS = {
    SELF_CONTRADICTED: "another place of the paper gives another value, beyond rounding",
    ARITHMETIC: "no reading of the stated setting gives this number",
    BY_DATA: "FER-2013 as published has another number",
    IMPLAUSIBLE: "possible only under an unlikely reading, which is named",
    REPRODUCED: (
        "our runs agree: a validation accuracy with the whole 95 % interval of the difference within 3 points and 0 in "
        "it, a training accuracy within 2 points, a loss within 0.1 nats beside a reproduced accuracy, happy faces "
        "within 5 %"
    ),
    NOT_REPRODUCED: (
        "our runs differ: an accuracy beyond chance, the others by more than that; they are smaller or shorter than "
        "the paper's, as said beside them"
    ),
    CONSISTENT: "agrees with the other places and with arithmetic",
    CANNOT_BE_TOLD: "what would decide it is missing",
    NOT_CHECKABLE: "a setting or another's result: nothing in the paper or in our runs bears on it",
}

TRAINING_COUNTS, PUBLIC_COUNTS, PRIVATE_COUNTS = (
    dict(zip(EMOTIONS, EXPECTED_COUNTS[usage], strict=True)) for usage in USAGES
)
MERGED_COUNTS = {emotion: PUBLIC_COUNTS[emotion] + PRIVATE_COUNTS[emotion] for emotion in EMOTIONS}
TRAINING_IMAGES, SPLIT_IMAGES, MERGED_IMAGES = (
    sum(TRAINING_COUNTS.values()),
    sum(PRIVATE_COUNTS.values()),
    sum(MERGED_COUNTS.values()),
)
BATCH_SIZE = 32  # the only one that the paper states
# A generator asked for n // batch_size steps leaves out the last images: 224 batches of 32 are 7,168 of 7,178.
WHOLE_BATCHES = MERGED_IMAGES // BATCH_SIZE * BATCH_SIZE

PROSE_TOLERANCE = 2.0  # percentage points by which a curve, read by eye, may be off


class Check(NamedTuple):
    """value: what arithmetic gives (NaN if it gives no number). verdict: a key of ``VERDICTS``. text: one sentence."""

    value: float
    verdict: str
    text: str


# --- places ----------------------------------------------------------------------------------------------------------


def last_place(value):
    """The size of the last decimal that a number is printed with: 67.23 gives 0.01, 67.2 gives 0.1, 100 gives 1."""
    digits = f"{value:.10f}".rstrip("0").partition(".")[2]
    return 10.0 ** -len(digits)


def agree(value, other, prose=False):
    """Whether two numbers may be one, printed with different precision.

    They may if they differ by less than one unit of the coarser one's last place, so that cutting off is forgiven as
    well as rounding; where one is the prose reading of a curve, by up to ``PROSE_TOLERANCE``.
    """
    tolerance = PROSE_TOLERANCE if prose else max(last_place(value), last_place(other)) * (1 - 1e-9)
    return abs(value - other) <= tolerance


def places(value, others, prose=False) -> Check:
    """A number against what other places give for the same quantity: ``others`` holds (value, place, is prose).

    A printed number is not blamed for what the prose reads off a curve; the reading is, where it is off.
    """
    counted = [other for other in others if prose or not other[2]] or others
    if not counted:
        return Check(np.nan, NOT_CHECKABLE, "given in one place only")
    apart = [(other, place) for other, place, read in counted if not agree(value, other, prose or read)]
    if apart and (prose or not all(read for _, _, read in counted)):
        text = ", ".join(f"{other:,.10g} ({place})" for other, place in apart)
        return Check(apart[0][0], SELF_CONTRADICTED, f"elsewhere it is {text}")
    agreeing = len(counted) - len(apart)
    if not agreeing:
        return Check(np.nan, NOT_CHECKABLE, f"printed in one place; the prose reads {counted[0][0]:g} off a curve")
    return Check(counted[0][0], CONSISTENT, f"agrees with {agreeing} other place{'s' if agreeing > 1 else ''}")


def swapped(training, validations) -> Check:
    """A training accuracy that another place prints as the validation accuracy of the same arm (value, place)."""
    twins = [place for value, place in validations if agree(training, value)]
    if not twins:
        return Check(np.nan, NOT_CHECKABLE, "no other place has it as validation accuracy")
    return Check(training, SELF_CONTRADICTED, f"printed as the validation accuracy elsewhere ({', '.join(twins)})")


# --- shares of a whole -----------------------------------------------------------------------------------------------


def right_answers(percent, n):
    """How many right answers of ``n`` print as ``percent`` with two decimals: an int, or None if no number does.

    The idea of the GRIM test (Brown and Heathers 2017, doi:10.1177/1948550616673876).
    """
    near = round(percent / 100 * n)
    return next((k for k in (near - 1, near, near + 1) if abs(round(100 * k / n, 2) - percent) < 1e-9), None)


def granularity(percent) -> Check:
    """Which test sets a percentage with two decimals can come from; value: the right answers of the first that can."""
    sets = {
        MERGED_IMAGES: "the merged test folder",
        WHOLE_BATCHES: f"the {WHOLE_BATCHES // BATCH_SIZE} whole batches of {BATCH_SIZE} in it",
    }
    found = {n: right_answers(percent, n) for n in sets}
    alone = "also" if right_answers(percent, SPLIT_IMAGES) is not None else "not"
    fits = [f"{k:,} / {n:,} ({sets[n]})" for n, k in found.items() if k is not None]
    value = next((k for k in found.values() if k is not None), np.nan)
    if not fits:
        return Check(
            np.nan, ARITHMETIC, f"{percent:.2f} % is no number of {MERGED_IMAGES:,} or {WHOLE_BATCHES:,} images"
        )
    return Check(float(value), CONSISTENT, f"{' or '.join(fits)}; {alone} a share of Table 2's {SPLIT_IMAGES:,}")


def interval(percent, n=MERGED_IMAGES):
    """Wilson's 95 % interval of a percentage measured on ``n`` images: (low, high) in percent."""
    low, high = evaluation.accuracy_interval(percent / 100, n)
    return 100 * low, 100 * high


def total(counts, stated) -> Check:
    """Class counts against the total that is printed above them."""
    summed = float(sum(counts))
    verdict = CONSISTENT if summed == stated else SELF_CONTRADICTED
    return Check(summed, verdict, f"the class counts add up to {summed:,.0f}, the stated total is {stated:,.0f}")


def class_count(stated, actual, bound=None) -> Check:
    """One class count against the one published (``actual``), and against all images of that class (``bound``)."""
    if stated == actual:
        return Check(actual, CONSISTENT, f"FER-2013 has {actual:,}")
    more = f"{stated - actual:+,.0f}, {100 * (stated / actual - 1):+.1f} %"
    subset = " and so is no part of the published split" if stated > actual else ""
    text = f"FER-2013 has {actual:,} ({more}){subset}"
    if bound is not None and stated > bound:
        text += f", nor of the whole data set's {bound:,}"
    return Check(actual, BY_DATA, text)


def found_faces(found, stated_count, actual_count, share) -> Check:
    """Right answers of one class in a confusion matrix, against how many faces of it the evaluated set has."""
    text = f"the merged test folder has {actual_count:,}, of which this is {found / actual_count:.1%}"
    if found > stated_count:
        text += f"; Table 2's test set has only {stated_count:,.0f}, so another set was evaluated"
    if found > actual_count:
        return Check(actual_count, ARITHMETIC, text)
    return Check(actual_count, CONSISTENT, f"{text}; {share}" if share else text)


def majority_class(percent, happy, whole) -> Check:
    """An accuracy against always answering "happy": ``happy`` of ``whole`` images."""
    value = 100 * happy / whole
    same = agree(percent, round(value, 2))
    text = f"always answering happy scores {happy:,} / {whole:,} = {value:.2f} %{'' if same else f', not {percent:g}'}"
    return Check(value, CONSISTENT if same else CANNOT_BE_TOLD, text)


# --- losses ----------------------------------------------------------------------------------------------------------


def entropy(counts) -> float:
    """Entropy in nats of the shares of ``counts``: the least loss of whoever answers all images alike."""
    return float(stats.entropy(list(counts)))


def loss_bounds(accuracy, classes=7, floor=evaluation.PROBABILITY_FLOOR):
    """Least and greatest mean cross-entropy (nats) that a softmax can have at an ``accuracy`` of 0 to 1.

    A wrong answer leaves the true class at most 1/2 (someone else has as much), and at least the ``floor``; a right
    one at most 1, and at least 1/classes.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy must lie between 0 and 1, got {accuracy}")
    return (1 - accuracy) * np.log(2), (1 - accuracy) * -np.log(floor) + accuracy * np.log(classes)


def loss(value, accuracy, constant=False) -> Check:
    """A loss against the bounds at its accuracy (0 to 1); ``constant``: all images get the same answer."""
    low, high = loss_bounds(accuracy)
    prior = entropy(MERGED_COUNTS.values())
    if value > high:
        gap = (value - accuracy * np.log(7)) / (1 - accuracy)
        text = (
            f"at {accuracy:.1%} accuracy, probabilities clipped at {evaluation.PROBABILITY_FLOOR:g} give at most "
            f"{high:.1f} nats; a loss taken from logits could be larger, if wrong answers were wrong by e^{gap:.0f} on "
            "average"
        )
        return Check(high, IMPLAUSIBLE, text)
    if value < low:
        return Check(low, ARITHMETIC, f"at {accuracy:.1%} accuracy no softmax is below {low:.2f} nats")
    if constant and value < prior:
        text = (
            f"whoever answers the same to all images has at least the entropy of the class prior, {prior:.2f} nats; "
            f"a network that always says happy, but with well-graded doubts, could be lower, down to {low:.2f}"
        )
        return Check(prior, IMPLAUSIBLE, text)
    side = "below" if value < prior else "above"
    text = f"within {low:.2f} and {high:.1f} nats at {accuracy:.1%} accuracy; {side} the class prior's {prior:.2f}"
    return Check(prior, CONSISTENT, text)


# --- time ------------------------------------------------------------------------------------------------------------


def ratio_at_least(seconds, others, factor=2.0) -> Check:
    """Whether ``seconds`` is more than ``factor`` times each of ``others`` (one arm's several stated times)."""
    ratios = [seconds / other for other in others]
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    holding = sum(ratio > factor for ratio in ratios)
    if holding == len(ratios):
        return Check(min(ratios), CONSISTENT, f"the stated times give {shown}")
    return Check(
        min(ratios), SELF_CONTRADICTED, f"the stated times give {shown}: {holding} of {len(ratios)} above {factor:g}"
    )


# --- networks --------------------------------------------------------------------------------------------------------


def vgg16_size(side=224):
    """(parameters, multiply-accumulates of one forward pass) of VGG16 with its ImageNet head on ``side`` pixels."""
    parameters = operations = 0
    channels, pixels = 3, side
    for convolutions, filters in VGG16_BLOCKS:
        for _ in range(convolutions):
            parameters += 9 * channels * filters + filters
            operations += 9 * channels * filters * pixels**2
            channels = filters
        pixels //= 2
    features = channels * pixels**2
    for units in (4096, 4096, 1000):
        parameters, operations, features = parameters + features * units + units, operations + features * units, units
    return parameters, operations


def resnet50_size(side=224):
    """(parameters, multiply-accumulates of one forward pass) of ResNet50 as in Keras: biases, batch norm's four."""
    pixels, channels = side // 4, 64
    layers = [(7, 3, 64, side // 2)]
    for blocks, filters, stride in RESNET50_STAGES:
        pixels //= stride
        for block in range(blocks):
            layers += [(1, channels, 4 * filters, pixels)] if block == 0 else []
            layers += [(1, channels, filters, pixels), (3, filters, filters, pixels), (1, filters, 4 * filters, pixels)]
            channels = 4 * filters
    parameters = sum(kernel**2 * inputs * outputs + 5 * outputs for kernel, inputs, outputs, _ in layers)
    operations = sum(kernel**2 * inputs * outputs * pixels**2 for kernel, inputs, outputs, pixels in layers)
    return parameters + channels * 1000 + 1000, operations + channels * 1000


def roughly(stated, actual, tolerance=0.03) -> Check:
    """A number given as "about" against the exact one; ``tolerance`` is relative."""
    verdict = CONSISTENT if abs(stated / actual - 1) <= tolerance else ARITHMETIC
    return Check(float(actual), verdict, f"counted layer by layer: {actual:,.0f}")


def exactly(stated, actual, what) -> Check:
    """A whole number against the one that follows from a definition (``what``)."""
    return Check(float(actual), CONSISTENT if stated == actual else ARITHMETIC, f"{what}: {actual:g}")
