"""Exercises of lab 2, a first network: parameters counted by hand, a small network, its training curve."""

from typing import NamedTuple

import numpy as np

from fer_utils.course.kinds import Function, Judged, Number, Prediction
from fer_utils.names import EMOTIONS


class Layer(NamedTuple):
    """kernel: places in a filter's window, 1 if dense. inputs, outputs: channels. places: of one output channel."""

    name: str
    kernel: int
    inputs: int
    outputs: int
    places: int

    def weights(self):
        return self.kernel * self.inputs * self.outputs

    def parameters(self):
        return self.weights() + self.outputs

    def multiplications(self):
        return self.weights() * self.places


LAYERS = (
    Layer("conv 1", 9, 1, 16, 48 * 48),
    Layer("conv 2", 9, 16, 32, 24 * 24),
    Layer("conv 3", 9, 32, 64, 12 * 12),
    Layer("dense 1", 1, 6 * 6 * 64, 64, 1),
    Layer("dense 2", 1, 64, len(EMOTIONS), 1),
)
ALL_CHANNELS = "A filter sees all channels of its input, not only one."
ONE_PLACE = "That is the number for one place. A filter is applied at every place of its output."
SHARED = "The same weights are used at every place. Count them only once."
# The usual mistakes: (sentence, function of a layer that returns the number to which the mistake leads).
OF_PARAMETERS = (
    ("The biases are missing: there is one for each output.", Layer.weights),
    ("There is one bias for each output, not one for the layer.", lambda layer: layer.weights() + 1),
    (ALL_CHANNELS, lambda layer: layer.kernel * layer.outputs + layer.outputs),
    (SHARED, lambda layer: layer.parameters() * layer.places),
    ("A filter has 3 x 3 places, not 3.", lambda layer: 3 * layer.inputs * layer.outputs + layer.outputs),
    ("The inputs are all numbers of 6 x 6 maps in 64 channels.", lambda layer: 64 * layer.outputs + layer.outputs),
)
OF_MULTIPLICATIONS = (
    (ONE_PLACE, Layer.weights),
    ("A bias is added, not multiplied.", lambda layer: layer.parameters() * layer.places),
    ("Count the places before pooling. Pooling comes after this layer.", lambda layer: layer.multiplications() // 4),
    (ALL_CHANNELS, lambda layer: layer.kernel * layer.outputs * layer.places),
)


def _counted(answers, count, mistakes):
    answers = list(answers)
    if len(answers) != len(LAYERS):
        return f"There are {len(LAYERS)} layers with parameters. The length of your list is {len(answers)}."
    for layer, answer in zip(LAYERS, answers, strict=True):
        if answer != count(layer):
            for sentence, mistaken_count in mistakes:
                if answer == mistaken_count(layer):
                    return f"{layer.name}: {answer} is not right. {sentence}"
            return f"{layer.name}: {answer} is not right."
    return None


def _small_cnn(answer):
    from fer_utils.course import networks  # imports Keras, which may be absent when another lab is checked

    return networks.judge_network(answer, LAYERS)


def best_epoch(history):
    """The epoch with the smallest validation loss, counted from 1; on a tie, the earliest."""
    return int(np.argmin(history["val_loss"])) + 1


def overfits_from(history):
    """The first epoch after the best one with a lower training loss than the best one has; None if there is none."""
    best, losses = best_epoch(history), history["loss"]
    lower = (epoch for epoch in range(best + 1, len(losses) + 1) if losses[epoch - 1] < losses[best - 1])
    return next(lower, None)


def _draw_history(generator, case):
    """A history as from `fit`, of 2 + case epochs, with ties. In every fifth history, the last epoch is the best."""
    n = 2 + case
    epochs = np.arange(n)
    last_is_best = case % 5 == 4
    turn = n if last_is_best else generator.integers(0, n)  # the validation loss falls up to there
    noise = 0 if last_is_best else generator.normal(0, 0.06, n)
    curves = {
        "loss": 1.9 - 0.05 * epochs + generator.normal(0, 0.06, n),
        "accuracy": generator.random(n),
        "val_loss": 1.9 - 0.06 * np.minimum(epochs, turn) + 0.03 * np.maximum(epochs - turn, 0) + noise,
        "val_accuracy": generator.random(n),
    }
    return {"history": {name: curve.round(1 if case % 2 else 3).tolist() for name, curve in curves.items()}}


EXERCISES = {
    "accuracy guess": Prediction(0, 1, "a share"),
    "parameters": Judged(
        lambda answers: _counted(answers, Layer.parameters, OF_PARAMETERS),
        "A filter has 3 x 3 weights for each channel of its input, and one bias. How many filters are there?",
    ),
    "small_cnn": Judged(_small_cnn, "Write one line of code for each line of the table. Do not compile the network."),
    "multiplications": Judged(
        lambda answers: _counted(answers, Layer.multiplications, OF_MULTIPLICATIONS),
        "How many weights does the layer have? At how many places of the layer's own output is each weight used?",
    ),
    "best_epoch": Function(
        best_epoch,
        _draw_history,
        "Find the smallest validation loss. Epochs are counted from 1, lists from 0.",
    ),
    "overfits_from": Function(
        overfits_from,
        _draw_history,
        "Begin with best_epoch. Look only at the epochs after it. Compare their training loss with the training loss "
        "of the best epoch itself. If none is lower, return None.",
    ),
    # Ten seeds of the lab's network have 0.597, 0.592, 0.653, 0.617, 0.567, 0.597, 0.603, 0.600, 0.608 and 0.585; the
    # floor is 0.237. The bounds also allow another batch size, rate or number of epochs.
    "test accuracy": Number(
        0.35,
        0.8,
        "Give a share of the test faces, from 0 to 1. Below 0.35, the network has hardly learned: did `fit` run to its "
        "end? Above 0.8, is this the accuracy on faces that it was trained on?",
    ),
}
