"""Lab 6: plausible wrong answers are refused with a hint that helps, right ones pass however they are written."""

import numpy as np
import pytest
from lab_answers import both_ways, said_of

from fer_utils import project, runs
from fer_utils.course import lab6
from fer_utils.evaluation import epoch_choice
from fer_utils.labels import ferplus

RUN = project.resolve("outputs/reference/gpu/vgg16-scratch-seed0")  # the lab's
EDGES = (0, 0.45, 0.65, 0.85, 1)
COLUMNS = np.array(ferplus.EMOTION_COLUMNS)


def halves(right, order):
    half = len(order) // 2
    return right[:, order[:half]].mean(axis=1), right[:, order[half:]].mean(axis=1)


def gap_in_a_loop(right, order):
    first, second = set(order[: len(order) // 2].tolist()), set(order[len(order) // 2 :].tolist())
    scores = [[np.mean([bool(epoch[i]) for i in half]) for half in (first, second)] for epoch in right]
    best = max(scores, key=lambda pair: pair[0])  # of equal ones the earliest
    return best[0] - best[1]


def chosen_on_all(right, order):
    first, second = halves(right, order)
    best = right.mean(axis=1).argmax()
    return first[best] - second[best]


def chosen_on_the_second(right, order):
    first, second = halves(right, order)
    return first[second.argmax()] - second[second.argmax()]


def scored_where_chosen(right, order):
    first, _ = halves(right, order)
    return first.max() - first[first.argmax()]


def best_of_each(right, order):
    first, second = halves(right, order)
    return first.max() - second.max()


def without_sign(right, order):
    return abs(lab6.half_gap(right, order))


def latest_of_equals(right, order):
    first, second = halves(right, order)
    best = len(first) - 1 - first[::-1].argmax()
    return first[best] - second[best]


def unshuffled(right, order):
    return lab6.half_gap(right, np.arange(len(order)))


def own_votes(labels, votes):
    return votes[np.arange(len(labels)), COLUMNS[labels]]


def stands_by_others(labels, votes):
    others = votes.copy()
    others[np.arange(len(labels)), COLUMNS[labels]] = -1
    return np.array([own > rest.max() for own, rest in zip(own_votes(labels, votes), others)])


def binned(right, share):
    found = [right[(share > low) & (share <= high)] for low, high in zip(EDGES[:-1], EDGES[1:])]
    return [one.mean() if len(one) else np.nan for one in found]


def by_a_table(right, votes):
    bins = np.searchsorted(EDGES[1:], votes.max(axis=1) / votes.sum(axis=1))
    return np.array([right[bins == place].sum() / max(1, (bins == place).sum()) for place in range(4)]) + np.where(
        np.bincount(bins, minlength=4) == 0, np.nan, 0
    )


# (exercise, right answer written in another way than the lab's solution)
RIGHT = [
    ("luck guess", -0.5),
    ("half_gap", gap_in_a_loop),
    ("luck", 0.0118),
    ("many guess", 3),
    ("label_stands", stands_by_others),
    ("accuracy_by_agreement", by_a_table),
    ("doubt guess", 0.67),
    ("doubtful_errors", lambda right, stands: 1 - stands[right == 0].mean()),
    ("doubtful_errors", lambda right, stands: sum(~right & ~stands) / sum(~right)),
]

# (exercise, what students write instead, words of the message)
WRONG = [
    ("luck guess", None, "a number of percentage points from -10 to 30"),
    ("half_gap", chosen_on_all, "do not use the other half to choose"),
    ("half_gap", chosen_on_the_second, "Choose the best epoch there"),
    ("half_gap", scored_where_chosen, "minus its accuracy on the other half"),
    ("half_gap", best_of_each, "do not use the other half to choose"),
    ("half_gap", without_sign, "with its sign"),
    ("half_gap", lambda right, order: -lab6.half_gap(right, order), "with its sign"),
    ("half_gap", latest_of_equals, "the earliest if several are best"),
    ("half_gap", unshuffled, "order[: n // 2]"),
    ("half_gap", lambda right, order: 100 * lab6.half_gap(right, order), "a share"),
    ("luck", 0.0, "Draw a new order each time"),  # chosen on all
    ("luck", 1.18, "one percentage point is 0.01"),
    ("luck", 0.0047, "the mean of half_gap"),  # best epoch less the official one
    ("label_stands", lambda labels, votes: own_votes(labels, votes) == votes.max(axis=1), "Five to five is a tie"),
    ("label_stands", lambda labels, votes: votes.argmax(axis=1) == COLUMNS[labels], "Five to five is a tie"),
    (
        "label_stands",
        lambda labels, votes: 2 * own_votes(labels, votes) > votes.sum(axis=1),
        "does not need more than half of all votes",
    ),
    ("label_stands", lambda labels, votes: own_votes(labels, votes) == votes.sum(axis=1), "each other answer"),  # all
    ("label_stands", lambda labels, votes: votes.argmax(axis=1) == labels, "another order than the codes"),
    (
        "label_stands",  # the seven emotions only
        lambda labels, votes: stands_by_others(labels, np.where(np.arange(10) < 7, votes, 0)),
        "also for contempt, unknown and NF",
    ),
    ("label_stands", lambda labels, votes: (ferplus.favourite(votes) == labels).sum(), "another order"),
    (
        "accuracy_by_agreement",
        lambda right, votes: binned(right, votes.max(axis=1) / 10),
        "These are not always ten",
    ),
    (
        "accuracy_by_agreement",  # unanimous or not
        lambda right, votes: binned(right, (votes.max(axis=1) == votes.sum(axis=1)).astype(float)),
        "the number of votes for the most frequent answer",
    ),
    (
        "accuracy_by_agreement",  # an empty bin as 0
        lambda right, votes: np.nan_to_num(lab6.accuracy_by_agreement(right, votes)),
        "empty group is np.nan",
    ),
    (
        "accuracy_by_agreement",
        lambda right, votes: lab6.accuracy_by_agreement(right, votes)[::-1],
        "above its lower edge",
    ),
    ("doubt guess", 67, "a share from 0 to 1"),
    ("doubtful_errors", lambda right, stands: (~right)[~stands].mean(), "is another number"),  # the other way round
    ("doubtful_errors", lambda right, stands: (~right & ~stands).mean(), "a share of the errors"),
    ("doubtful_errors", lambda right, stands: stands[~right].mean(), "whose label does not stand"),
    ("doubtful_errors", lambda right, stands: (~right & ~stands).sum(), "a share of the errors"),
]


test_right_answers_pass, test_wrong_answers_are_refused = both_ways(RIGHT, WRONG)


@pytest.fixture(scope="module")
def epochs():
    return epoch_choice.read_epochs(RUN)["test"]


def test_the_gap_is_one_sample_of_the_packages_measure(epochs):
    generator, samples = np.random.default_rng(0), 50
    gaps = [lab6.half_gap(epochs, generator.permutation(epochs.shape[1])) for _ in range(samples)]
    assert np.mean(gaps) == pytest.approx(epoch_choice.optimism(epochs, samples, seed=0)["mean"])


@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_student_measures_lies_in_the_range(epochs, seed):
    generator = np.random.default_rng(seed)
    luck = np.mean([lab6.half_gap(epochs, generator.permutation(epochs.shape[1])) for _ in range(200)])
    assert said_of("luck", luck) is None


def test_the_worked_example_of_the_lab():
    right = np.array([[True, False, True, True], [True, True, False, True]])
    assert lab6.half_gap(right, np.arange(4)) == 0.5


def test_what_the_lab_says_of_the_run():
    """The sentences of the lab rest on these numbers."""
    rows, labels, probabilities = runs.read_run(RUN).predictions["test"]
    votes = ferplus.shipped_votes()[rows]
    right, stands = probabilities.argmax(axis=1) == labels, lab6.label_stands(labels, votes)
    assert (~right).sum() == 1155 and (~right & ~stands).sum() == 774 and (~stands).sum() == 1393
    assert lab6.doubtful_errors(right, stands) == pytest.approx(0.670, abs=5e-4)  # and 56 % of the doubtful are errors
    assert lab6.accuracy_by_agreement(right, votes) == pytest.approx([0.562, 0.553, 0.629, 0.824], abs=5e-4)
    assert lab6.accuracy_by_agreement(stands, votes) == pytest.approx([0.186, 0.412, 0.607, 0.863], abs=5e-4)
