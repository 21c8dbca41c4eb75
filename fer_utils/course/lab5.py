"""Exercises of lab 5, reading a paper: shares of whole numbers, always one answer, losses, verdicts."""

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

    Reckoned in whole numbers, since 67.225 is no float. A tie may be printed either way, so both counts are possible.
    """
    near, reach = round(percent / 100 * n), n // 10_000 + 2
    counts = range(max(0, near - reach), min(n, near + reach) + 1)
    return [k for k in counts if 2 * abs(10_000 * k - round(100 * percent) * n) <= n]


def always_happy(happy, n, batch_size):
    """Percent right of whoever always answers happy, on the whole batches among n images, all happy ones in them."""
    return checks.majority_class(0.0, happy, n // batch_size * batch_size).value


def _draw_percent(generator, case):
    """Half of the percentages are shares of n, the others mostly not; no tie, which programs round differently."""
    n = (7, 30, 365, 3589, 7178, 28_709, 50_021)[case % 7]
    while True:
        right = int(generator.integers(0, n + 1))
        percent = round(100 * right / n, 2) if case % 2 else int(generator.integers(0, 10_001)) / 100
        if all(2 * abs(10_000 * k - round(100 * percent) * n) != n for k in possible_counts(percent, n)):
            return {"percent": percent, "n": n}


def _draw_always_happy(generator, case):
    n = 20 + 37 * case + int(generator.integers(0, 30))
    batch_size = int(generator.integers(2, 17))
    return {"happy": int(generator.integers(1, n // batch_size * batch_size)), "n": n, "batch_size": batch_size}


def _draw_counts(generator, case):
    """Two equal classes first, then up to seven; later, some are empty."""
    if case == 0:
        return {"counts": [5, 5]}
    counts = generator.integers(1, 40, 2 + case % 6)
    if case > 6:
        counts[1:] *= generator.random(len(counts) - 1) > 0.3
    return {"counts": counts.tolist()}


def _three_verdicts(answers):
    if len(answers) != 3:
        return f"Verdicts on three numbers are asked for; yours: {len(answers)}."
    known = paper.reported()["id"].tolist()
    for name, answer in answers.items():
        if name not in known:
            return f"{name!r} is no number of the paper; their ids go from {known[0]} to {known[-1]}."
        if isinstance(answer, str) or len(answer) != 2:
            return f'{name}: a pair is asked for, such as ("{WORDS[0]}", "why you say so").'
        word, reason = answer
        if word not in WORDS:
            return f"{name}: {word!r} is none of the verdicts: {', '.join(map(repr, WORDS))}."
        if len(str(reason).split()) < FEWEST_WORDS:
            return f"{name}: your reason has fewer than {FEWEST_WORDS} words. Which number or which sum says so?"
    return None


EXERCISES = {
    "possible guess": Prediction(0, 8, "a number of percentages"),
    "largest gap": Number(
        18.29,
        18.31,
        "For each arm, the largest less the smallest of its validation accuracies, wherever they are printed; then the "
        "largest of the six. Training accuracies do not belong here, and no two arms are compared.",
    ),
    "possible_counts": Function(
        possible_counts,
        _draw_percent,
        "Go forward, not only back. 40.00 % of 7 would be 2.8 right answers. The counts beside it, 2 and 3, print as "
        "28.57 and 42.86, so the list is empty. Ask of each count whether it prints as the percentage, the one below "
        "as well as the one above; of more than 10,000 images, several may.",
    ),
    "faces apart": Number(
        4, 4, "Of 7,178 faces, each of the two percentages allows one count. How far apart are they?"
    ),
    "always_happy": Function(
        always_happy,
        _draw_always_happy,
        "30 images in batches of 8 are 3 whole batches: 24 images are asked about. All happy faces are among them, so "
        "only what you divide by changes. The result is in percent, and not rounded.",
    ),
    "class_entropy": Function(
        checks.entropy,
        _draw_counts,
        "Shares first: each count divided by the sum of all. Then minus the sum of share times natural logarithm of "
        "the share. [5, 5] has 0.693. A class without an image adds nothing.",
    ),
    "least_loss": Function(
        lambda accuracy: float(checks.loss_bounds(accuracy)[0]),
        lambda generator, case: {"accuracy": [0.0, 1.0, 0.5][case] if case < 3 else float(generator.random())},
        "What does a right answer cost at least, if the network is as sure as can be? In a wrong one, another class "
        "has at least as much probability as the true one: how much is left for the true one at most? Take the mean "
        "over right and wrong answers, in nats. How many classes there are does not matter.",
    ),
    "verdicts": Judged(
        _three_verdicts,
        "A dict of three: the number's id, and with it a pair of the verdict and your reason in one sentence.",
        WRITTEN,
    ),
}
