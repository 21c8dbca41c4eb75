"""Exercises of lab 1, what is in the data: the floor, class weights, copies across splits."""

import numpy as np

from fer_utils import data
from fer_utils.course.kinds import WRITTEN, Function, Judged, Prediction
from fer_utils.names import EMOTIONS, SIDE, USAGES


def floor_accuracy(train_labels, test_labels):
    """Accuracy on the test labels of always predicting the most frequent training label (on a tie, the lower code)."""
    return float(np.mean(test_labels == np.bincount(train_labels).argmax()))


def copied(images, usage):
    """Positions of the images outside Training that equal a Training image in every byte, ascending: int64 (k,)."""
    labels = np.zeros(len(images), np.uint8)
    table = data.exact_duplicates(data.Faces(images, labels, usage, np.arange(len(images))))
    in_training = table["usage"] == "Training"
    copies = ~in_training & table["group"].isin(table.loc[in_training, "group"])
    return np.sort(table.loc[copies, "row_id"].to_numpy())


def _draw_labels(generator, case):
    n = 5 + 5 * case
    shares = generator.dirichlet(np.ones(len(EMOTIONS)))
    return generator.choice(len(EMOTIONS), n, p=shares)


def _draw_splits(generator, case):
    """Labels of two splits of different sizes; in the second case, the most frequent training labels tie."""
    if case == 1:
        return {"train_labels": np.array([5, 2, 2, 5, 0]), "test_labels": np.array([2, 5, 5])}
    return {"train_labels": _draw_labels(generator, case), "test_labels": _draw_labels(generator, case + 1)}


def _draw_images(generator, case):
    """6 + case faces of random gray values, with more planted copies from case to case, within and across splits."""
    n = 6 + case
    images = generator.integers(0, 256, (n, SIDE, SIDE), dtype=np.uint8)
    usage = np.array(USAGES)[generator.integers(0, 3, n)]
    for source, copy in generator.integers(0, n, (case // 2, 2)):
        images[copy] = images[source]
    # Two near copies: one differs by one gray value in the middle, one is upside down and has the same mean.
    images[-2:] = images[0], images[0][::-1]
    images[-2, SIDE // 2, SIDE // 2] ^= 1
    return {"images": images, "usage": usage}


def _fourteen_emotions(answers):
    answers = [str(answer) for answer in answers]
    unknown = sorted(set(answers) - set(EMOTIONS))
    if unknown:
        return f"{unknown[0]!r} is not one of the seven emotions: {', '.join(EMOTIONS)}."
    return None if len(answers) == 14 else f"There are 14 faces. You gave {len(answers)} answers."


EXERCISES = {
    "floor guess": Prediction(0, 1, "a share"),
    "memory guess": Prediction(0, 1, "a share"),
    "own labels": Judged(_fourteen_emotions, "Give one emotion for each face, row by row from the top left.", WRITTEN),
    "floor_accuracy": Function(
        floor_accuracy,
        _draw_splits,
        "There are two steps. First find the most frequent training label; on a tie, take the lower code. Then compute "
        "which share of the test labels equals this label. Do not use the test labels in the first step. Use the "
        "arguments, not `train` and `test`.",
    ),
    "class_weights": Function(
        data.class_weights,
        lambda generator, case: {"labels": _draw_labels(generator, case)},
        "Add up the weights of all images of one class: the sum must be n / 7, for each class that has an image. A "
        "class without an image has the weight 0.0. The keys are the codes 0 to 6.",
    ),
    "copied": Function(
        copied,
        _draw_images,
        "Two images are copies if all their 2,304 bytes are equal. image.tobytes() makes bytes that you can look up in "
        "a set. Return positions in `images`, as integers. A copy that is only in Training, or only in the test "
        "splits, does not count.",
    ),
}
