"""Exercises of lab 6, choosing and labels: the luck of the best epoch, and errors on labels that voters doubt."""

import numpy as np

from fer_utils.course.kinds import Function, Number, Prediction
from fer_utils.labels import ferplus
from fer_utils.names import EMOTIONS


def half_gap(right, order):
    """Gap of the epoch that is best on the first half: its accuracy there minus that on the second half.

    right: bool (epochs, n). order: a permutation of range(n); the first half is order[: n // 2]. On a tie, the
    earliest epoch is chosen. This is one sample of ``epoch_choice.optimism``.
    """
    half = len(order) // 2
    first, second = right[:, order[:half]].mean(axis=1), right[:, order[half:]].mean(axis=1)
    best = first.argmax()
    return float(first[best] - second[best])


def label_stands(labels, votes):
    """Whether the label has more votes than every other answer: bool (n,)."""
    return ferplus.favourite(votes) == labels


def accuracy_by_agreement(right, votes):
    """Accuracy in four bins of images, from low to high agreement of the voters: float64 (4,), NaN for an empty bin."""
    return ferplus.by_agreement(right, votes)["accuracy"].to_numpy()


def doubtful_errors(right, stands):
    """Share of the errors that are on images whose label does not stand (``label_stands``)."""
    return float((~stands)[~right].mean())


def _draw_right(generator, case):
    """Few images, so that epochs tie. The numbers of epochs and images grow from case to case."""
    epochs, n = 2 + case // 4, 6 + case
    return {"right": generator.random((epochs, n)) < 0.6, "order": generator.permutation(n)}


def _draw_votes(generator, case):
    """Votes that are mostly for the label, 9 to 12 for each image (FER+ has ten), with some ties."""
    n = 4 + case
    labels = generator.integers(0, len(EMOTIONS), n)
    shares = generator.dirichlet(np.full(len(ferplus.VOTES), 0.3), n)
    own = np.array(ferplus.EMOTION_COLUMNS)[labels]
    shares[np.arange(n), own] += generator.random(n)
    shares /= shares.sum(axis=1, keepdims=True)
    totals = generator.integers(9, 13, n)
    votes = np.array([generator.multinomial(total, row) for total, row in zip(totals, shares, strict=True)])
    return {"labels": labels, "votes": votes}


def _draw_bins(generator, case):
    drawn = _draw_votes(generator, 6 + case)
    return {"right": generator.random(len(drawn["labels"])) < 0.6, "votes": drawn["votes"]}


def _draw_doubt(generator, case):
    n = 6 + 2 * case
    right, stands = generator.random((2, n)) < 0.6
    right[0] = False  # at least one error
    return {"right": right, "stands": stands}


EXERCISES = {
    "luck guess": Prediction(-10, 30, "a number of percentage points"),
    "half_gap": Function(
        half_gap,
        _draw_right,
        "There are three steps. Compute the accuracy of every epoch on the first half, order[: n // 2]. Choose the "
        "best epoch there, the earliest if several are best; do not use the other half to choose. Return its accuracy "
        "there minus its accuracy on the other half: a share, with its sign.",
    ),
    # Means of 300 orders with ten seeds: 0.0120 0.0125 0.0118 0.0111 0.0125 0.0127 0.0118 0.0120 0.0132 0.0117. The
    # standard deviation is 0.0148 for one order and 0.00105 for a mean of 200. The bounds are 0.0118 ± 3.5 times that.
    "luck": Number(
        0.0081,
        0.0155,
        "Take the mean of half_gap over at least 200 random orders of the PrivateTest images. Draw a new order each "
        "time: generator.permutation(n). The result is a share, so one percentage point is 0.01.",
    ),
    "many guess": Prediction(-10, 30, "a number of percentage points"),
    "label_stands": Function(
        label_stands,
        _draw_votes,
        "The votes for the label are at votes[image, columns[label]]: the columns have another order than the codes. "
        "They must be more than the votes for each other answer, also for contempt, unknown and NF. Five to five is a "
        "tie, and then the label does not stand. The label does not need more than half of all votes.",
    ),
    "accuracy_by_agreement": Function(
        accuracy_by_agreement,
        _draw_bins,
        "Agreement is the number of votes for the most frequent answer, divided by all votes of that image. These are "
        "not always ten. A group has the images above its lower edge, up to and including its upper edge. The "
        "accuracy of an empty group is np.nan.",
    ),
    "doubt guess": Prediction(0, 1, "a share"),
    "doubtful_errors": Function(
        doubtful_errors,
        _draw_doubt,
        "You need a share of the errors. Keep only the errors, and count those whose label does not stand. The share "
        "of errors among the doubtful labels is another number.",
    ),
}
