"""The arithmetic of the audit: small pure functions, each of which tests one kind of number.

A check returns a ``Check``: the number that arithmetic gives, a verdict from ``VERDICTS``, and a sentence. Nothing
here reads a file, a run, or the paper's table: the other modules do, and pass the numbers as arguments.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from fer_utils import evaluation
from fer_utils.names import EMOTIONS, EXPECTED_COUNTS, RESNET50_STAGES, USAGE_COUNTS, VGG16_BLOCKS

CONSISTENT = "consistent"
SELF_CONTRADICTED = "contradicted by the paper itself"
ARITHMETIC = "contradicted by arithmetic"
BY_DATA = "contradicted by the data"
IMPLAUSIBLE = "implausible"
REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced at this scale"
CANNOT_BE_TOLD = "cannot be told"
NOT_CHECKABLE = "not checkable"
# The verdicts on statements are these three and CANNOT_BE_TOLD. NOT_OF_RUNS: no run of ours could decide it.
HOLDS, FAILS, NOT_OF_RUNS = "holds", "does not hold", "not a matter of runs"
# What each word means. The order counts: a number's verdict is the first that applies.
VERDICTS = {
    SELF_CONTRADICTED: "another place of the paper gives another value, beyond rounding",
    ARITHMETIC: "no reading of the stated setting gives this number",
    BY_DATA: "FER-2013 as published has another number",
    IMPLAUSIBLE: "possible only under an unlikely reading, which is named",
    REPRODUCED: (
        "our runs agree: for a validation accuracy, the 95 % interval of the difference includes 0 and is within 3 "
        "points; a training accuracy is within 2 points; a loss is within 0.1 nats and its accuracy is reproduced; "
        "happy faces are within 5 % and happy is the answer to more than half of all faces"
    ),
    NOT_REPRODUCED: (
        "our runs differ: a validation accuracy by more than chance, the others by more than the limits above; next "
        "to each is how our runs are smaller or shorter than the paper's"
    ),
    CONSISTENT: "agrees with the other places and with arithmetic",
    CANNOT_BE_TOLD: "the evidence that would decide it is missing",
    NOT_CHECKABLE: "a setting or another's result: nothing in the paper or in our runs can test it",
}

TRAINING_COUNTS = dict(zip(EMOTIONS, EXPECTED_COUNTS["Training"], strict=True))
PUBLIC_COUNTS = dict(zip(EMOTIONS, EXPECTED_COUNTS["PublicTest"], strict=True))
PRIVATE_COUNTS = dict(zip(EMOTIONS, EXPECTED_COUNTS["PrivateTest"], strict=True))
MERGED_COUNTS = {emotion: PUBLIC_COUNTS[emotion] + PRIVATE_COUNTS[emotion] for emotion in EMOTIONS}
TRAINING_IMAGES = USAGE_COUNTS["Training"]
SPLIT_IMAGES = USAGE_COUNTS["PrivateTest"]  # PublicTest has as many
MERGED_IMAGES = sum(MERGED_COUNTS.values())
BATCH_SIZE = 32  # the only one that the paper states
# A generator of n // batch_size steps leaves out the last images: 224 batches of 32 are 7,168 of 7,178.
WHOLE_BATCHES = MERGED_IMAGES // BATCH_SIZE * BATCH_SIZE

PROSE_TOLERANCE = 2.0  # percentage points by which a curve that was read by eye may be off


class Check(NamedTuple):
    """value: the result of the arithmetic (NaN if none). verdict: a key of ``VERDICTS``. text: one sentence."""

    value: float
    verdict: str
    text: str


# --- places ----------------------------------------------------------------------------------------------------------


def last_place(value):
    """The size of a number's last printed decimal place: 0.01 for 67.23, 0.1 for 67.2, 1 for 100."""
    digits = f"{value:.10f}".rstrip("0").partition(".")[2]
    return 10.0 ** -len(digits)


def agree(value, other, prose=False):
    """Whether two numbers may be the same number, printed with different precision.

    They may if they differ by less than one unit in the last place of the coarser one. This allows for cutting off as
    well as for rounding. prose: one of them was read off a curve, so they may differ by up to ``PROSE_TOLERANCE``.
    """
    tolerance = PROSE_TOLERANCE if prose else max(last_place(value), last_place(other)) * (1 - 1e-9)
    return abs(value - other) <= tolerance


def places(value, others, prose=False) -> Check:
    """Compare a number with what other places state for the same quantity.

    others: list of (value, place, whether the text reads it off a curve). prose: whether `value` itself is such a
    reading. Where a reading and a printed number disagree, only the reading is contradicted.
    """
    if not others:
        return Check(np.nan, NOT_CHECKABLE, "given in one place only")
    printed = [other for other in others if not other[2]]
    compared = printed if printed and not prose else others
    apart = [(other, place) for other, place, read in compared if not agree(value, other, prose or read)]
    if apart and (prose or printed):
        text = ", ".join(f"{other:,.10g} ({place})" for other, place in apart)
        return Check(apart[0][0], SELF_CONTRADICTED, f"elsewhere it is {text}")
    agreeing = len(compared) - len(apart)
    if not agreeing:
        return Check(np.nan, NOT_CHECKABLE, f"printed in one place; the prose reads {compared[0][0]:g} off a curve")
    return Check(compared[0][0], CONSISTENT, f"agrees with {agreeing} other place{'s' if agreeing > 1 else ''}")


def swapped(training, validations) -> Check:
    """Find places that print a training accuracy as validation accuracy. validations: the same arm's (value, place)."""
    found = [place for value, place in validations if agree(training, value)]
    if not found:
        return Check(np.nan, NOT_CHECKABLE, "no other place has it as validation accuracy")
    return Check(training, SELF_CONTRADICTED, f"printed as the validation accuracy elsewhere ({', '.join(found)})")


# --- shares of a whole -----------------------------------------------------------------------------------------------


def right_answers(percent, n):
    """How many correct predictions of ``n`` print as ``percent`` with two decimals: an int, or None if no number does.

    Half a hundredth may have been rounded up or down: 1 of 32 prints as 3.12 or 3.13. If several numbers fit, it is the
    nearest. The idea is that of the GRIM test (Brown and Heathers 2017, doi:10.1177/1948550616673876).
    """
    nearest = round(percent / 100 * n)
    return nearest if abs(100 * nearest / n - percent) <= 0.005 + 1e-9 else None


def granularity(percent) -> Check:
    """Find the test sets that a percentage with two decimals can come from; value: right answers in the first one."""
    sets = {
        MERGED_IMAGES: "the merged test folder",
        WHOLE_BATCHES: f"the {WHOLE_BATCHES // BATCH_SIZE} whole batches of {BATCH_SIZE} in it",
    }
    counts = {n: right_answers(percent, n) for n in sets}
    fitting = {n: count for n, count in counts.items() if count is not None}
    if not fitting:
        text = f"{percent:.2f} % is no number of {MERGED_IMAGES:,} or {WHOLE_BATCHES:,} images"
        return Check(np.nan, ARITHMETIC, text)
    text = " or ".join(f"{count:,} / {n:,} ({sets[n]})" for n, count in fitting.items())
    also = "not" if right_answers(percent, SPLIT_IMAGES) is None else "also"
    value = float(next(iter(fitting.values())))
    return Check(value, CONSISTENT, f"{text}; {also} a share of Table 2's {SPLIT_IMAGES:,}")


def interval(percent, n=MERGED_IMAGES):
    """Wilson's 95 % interval of a percentage measured on ``n`` images: (low, high) in percent."""
    low, high = evaluation.accuracy_interval(percent / 100, n)
    return 100 * low, 100 * high


def total(counts, stated) -> Check:
    """Compare the sum of class counts with the total that is printed above them."""
    summed = float(sum(counts))
    verdict = CONSISTENT if summed == stated else SELF_CONTRADICTED
    return Check(summed, verdict, f"the class counts add up to {summed:,.0f}, the stated total is {stated:,.0f}")


def class_count(stated, actual, bound) -> Check:
    """Compare a class count with FER-2013's (``actual``), and with all images of that class (``bound``)."""
    if stated == actual:
        return Check(actual, CONSISTENT, f"FER-2013 has {actual:,}")
    more = f"{stated - actual:+,.0f}, {100 * (stated / actual - 1):+.1f} %"
    subset = " and so is no part of the published split" if stated > actual else ""
    text = f"FER-2013 has {actual:,} ({more}){subset}"
    if stated > bound:
        text += f", nor of the whole data set's {bound:,}"
    return Check(actual, BY_DATA, text)


def found_faces(found, stated_count, actual_count, share) -> Check:
    """Compare one class's right predictions with its faces in Table 2 and in the merged folder. share: text to add."""
    text = f"the merged test folder has {actual_count:,}, of which this is {found / actual_count:.1%}"
    if found > stated_count:
        text += f"; Table 2's test set has only {stated_count:,.0f}, so another set was evaluated"
    if found > actual_count:
        return Check(actual_count, ARITHMETIC, text)
    return Check(actual_count, CONSISTENT, f"{text}; {share}")


def majority_class(percent, happy, whole) -> Check:
    """Compare an accuracy (percent) with always predicting "happy": ``happy`` of ``whole`` images are right."""
    value = 100 * happy / whole
    same = agree(percent, round(value, 2))
    text = f"always answering happy scores {happy:,} / {whole:,} = {value:.2f} %{'' if same else f', not {percent:g}'}"
    return Check(value, CONSISTENT if same else CANNOT_BE_TOLD, text)


# --- losses ----------------------------------------------------------------------------------------------------------


def entropy(counts) -> float:
    """Entropy in nats of the shares of ``counts``: the least loss with the same probabilities for every image."""
    return float(stats.entropy(list(counts)))


def loss_bounds(accuracy):
    """Least and greatest mean cross-entropy (nats) that a softmax over 7 classes can have at an ``accuracy`` (0 to 1).

    A wrong prediction gives the true class at least ``PROBABILITY_FLOOR`` and at most 1/2, since another class has as
    much or more. A right one gives it at least 1/7 and at most 1. Raises ValueError unless ``accuracy`` is from 0 to 1.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy must be between 0 and 1, got {accuracy}")
    high = (1 - accuracy) * -np.log(evaluation.PROBABILITY_FLOOR) + accuracy * np.log(len(EMOTIONS))
    return (1 - accuracy) * np.log(2), high


def loss(value, accuracy, constant=False) -> Check:
    """Compare a loss with the bounds at its accuracy (0 to 1). constant: the network predicts one class for all."""
    low, high = loss_bounds(accuracy)
    prior = entropy(MERGED_COUNTS.values())
    if value > high:
        gap = (value - accuracy * np.log(len(EMOTIONS))) / (1 - accuracy)
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
    """Check whether ``seconds`` is more than ``factor`` times each of ``others``, the times stated for another arm."""
    ratios = [seconds / other for other in others]
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    above = sum(ratio > factor for ratio in ratios)
    text = f"the stated times give {shown}"
    if above == len(ratios):
        return Check(min(ratios), CONSISTENT, text)
    return Check(min(ratios), SELF_CONTRADICTED, f"{text}: {above} of {len(ratios)} above {factor:g}")


# --- networks --------------------------------------------------------------------------------------------------------


def vgg16_size():
    """(parameters, multiply-accumulates of one forward pass) of VGG16 with its ImageNet head on 224 pixels a side."""
    parameters = operations = 0
    channels, side = 3, 224
    for convolutions, filters in VGG16_BLOCKS:
        for _ in range(convolutions):
            parameters += 9 * channels * filters + filters
            operations += 9 * channels * filters * side**2
            channels = filters
        side //= 2
    features = channels * side**2
    for units in (4096, 4096, 1000):
        parameters += features * units + units
        operations += features * units
        features = units
    return parameters, operations


def resnet50_size():
    """(parameters, multiply-accumulates of one forward pass) of Keras' ResNet50 with its head on 224 pixels a side."""
    layers = [(7, 3, 64, 112)]  # (kernel size, input channels, output channels, pixels a side of the output)
    channels, side = 64, 56
    for blocks, filters, stride in RESNET50_STAGES:
        side //= stride
        layers.append((1, channels, 4 * filters, side))  # the first block's shortcut
        for _ in range(blocks):
            layers += [(1, channels, filters, side), (3, filters, filters, side), (1, filters, 4 * filters, side)]
            channels = 4 * filters
    # Keras has a bias in each convolution, and batch norm has four numbers per channel: five in all.
    parameters = sum(kernel**2 * inputs * outputs + 5 * outputs for kernel, inputs, outputs, _ in layers)
    operations = sum(kernel**2 * inputs * outputs * side**2 for kernel, inputs, outputs, side in layers)
    return parameters + channels * 1000 + 1000, operations + channels * 1000


def roughly(stated, actual) -> Check:
    """Compare a number that is stated as "about" with the exact one: 3 % are allowed."""
    verdict = CONSISTENT if abs(stated / actual - 1) <= 0.03 else ARITHMETIC
    return Check(float(actual), verdict, f"counted layer by layer: {actual:,.0f}")


def exactly(stated, actual, what) -> Check:
    """Compare a whole number with the one that follows from a definition (``what``)."""
    return Check(float(actual), CONSISTENT if stated == actual else ARITHMETIC, f"{what}: {actual:g}")
