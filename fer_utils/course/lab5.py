"""Exercises of lab 5, reading a paper: possible counts, a constant prediction, losses, verdicts."""

from fer_utils.audit import checks
from fer_utils.comparison import paper
from fer_utils.course.kinds import WRITTEN, Function, Judged, Number, Prediction

WORDS = (
    checks.CONSISTENT,
    checks.SELF_CONTRADICTED,
    checks.ARITHMETIC,
    checks.BY_DATA,
    checks.IMPLAUSIBLE,
    checks.CANNOT_BE_TOLD,
)
FEWEST_WORDS = 8  # of a reason


def possible_counts(percent, n):
    """All whole numbers k from 0 to n, ascending, for which k / n prints as `percent` with two decimals: list of int.

    Computed with whole numbers, because no float is exactly 67.225. A tie may be rounded up or down, so it counts as
    possible for both percentages.
    """
    near, reach = round(percent / 100 * n), n // 10_000 + 2
    counts = range(max(0, near - reach), min(n, near + reach) + 1)
    return [k for k in counts if 2 * abs(10_000 * k - round(100 * percent) * n) <= n]


def always_happy(happy, n, batch_size):
    """Accuracy in percent of always predicting happy, on whole batches of n images that include all happy images."""
    return checks.majority_class(0.0, happy, n // batch_size * batch_size).value


def _draw_percent(generator, case):
    """Half of the percentages are shares of n, also 100 %; most others are not. No ties: programs round them apart."""
    n = (7, 30, 365, 3589, 7178, 28_709, 50_021)[case % 7]
    while True:
        right = n if case == 3 else int(generator.integers(0, n + 1))
        percent = round(100 * right / n, 2) if case % 2 else int(generator.integers(0, 10_001)) / 100
        if all(2 * abs(10_000 * k - round(100 * percent) * n) != n for k in possible_counts(percent, n)):
            return {"percent": percent, "n": n}


def _draw_always_happy(generator, case):
    n = 20 + 37 * case + int(generator.integers(0, 30))
    batch_size = int(generator.integers(2, 17))
    return {"happy": int(generator.integers(1, n // batch_size * batch_size)), "n": n, "batch_size": batch_size}


def _draw_counts(generator, case):
    """First two equal classes, then two to seven classes; after case 6, some are empty."""
    if case == 0:
        return {"counts": [5, 5]}
    counts = generator.integers(1, 40, 2 + case % 6)
    if case > 6:
        counts[1:] *= generator.random(len(counts) - 1) > 0.3
    return {"counts": counts.tolist()}


def _three_verdicts(answers):
    if len(answers) != 3:
        return f"Give verdicts on three numbers. You gave {len(answers)}."
    known = paper.reported()["id"].tolist()
    for name, answer in answers.items():
        if name not in known:
            return f"{name!r} is not the id of a number. The ids go from {known[0]} to {known[-1]}."
        if isinstance(answer, str) or len(answer) != 2:
            return f'{name}: give a pair, such as ("{WORDS[0]}", "why you say so").'
        word, reason = answer
        if word not in WORDS:
            return f"{name}: {word!r} is not one of the verdicts: {', '.join(map(repr, WORDS))}."
        if len(str(reason).split()) < FEWEST_WORDS:
            return f"{name}: your reason has fewer than {FEWEST_WORDS} words. Which number or which sum supports it?"
    return None


EXERCISES = {
    "possible guess": Prediction(0, 8, "a number of percentages"),
    "largest gap": Number(
        18.29,
        18.31,
        "For each arm, take all its validation accuracies, wherever they are printed. Subtract the smallest from the "
        "largest. Then take the largest of the six differences. Leave out training accuracies, and do not compare two "
        "arms with each other.",
    ),
    "possible_counts": Function(
        possible_counts,
        _draw_percent,
        "40.00 % of 7 would be 2.8 correct predictions. The nearest counts, 2 and 3, print as 28.57 and 42.86, so the "
        "list is empty. Compute the percentage of each count, below and above the product, and compare it with the "
        "given one. With more than 10,000 images, several counts may fit.",
    ),
    "faces apart": Number(
        4, 4, "For 7,178 faces, each of the two percentages allows one count. What is the difference of the counts?"
    ),
    "always_happy": Function(
        always_happy,
        _draw_always_happy,
        "30 images in batches of 8 are 3 whole batches: 24 images are evaluated. All happy faces are among them, so "
        "only the number that you divide by changes. Return the result in percent, not rounded.",
    ),
    "class_entropy": Function(
        checks.entropy,
        _draw_counts,
        "First compute the shares: each count divided by the sum of all counts. Multiply each share by its natural "
        "logarithm, add up, and change the sign. [5, 5] has 0.693. A class without an image adds nothing.",
    ),
    "least_loss": Function(
        lambda accuracy: float(checks.loss_bounds(accuracy)[0]),
        lambda generator, case: {"accuracy": [0.0, 1.0, 0.5][case] if case < 3 else float(generator.random())},
        "What is the smallest loss of a correct prediction, if the network is as sure as possible? In a wrong "
        "prediction, another class has at least the probability of the true class. How much can the true class have at "
        "most? Take the mean over correct and wrong predictions, in nats. The number of classes does not matter.",
    ),
    "verdicts": Judged(
        _three_verdicts,
        "Give a dict with three entries. The key is the id of the number. The value is a pair: verdict and reason.",
        WRITTEN,
    ),
}
