"""Lab 2's exercises: what students plausibly get wrong is refused in words that help; other right ways pass."""

import keras
import numpy as np
import pytest
from test_course import said

from fer_utils import course
from fer_utils.course import checking, lab2

PARAMETERS = [160, 4_640, 18_496, 147_520, 455]  # 3 * 3 * 1 * 16 + 16, and so on
MULTIPLICATIONS = [331_776, 2_654_208, 2_654_208, 147_456, 448]  # 3 * 3 * 1 * 16 * 48 * 48, and so on


def network(
    softmax="softmax", scale=1 / 255, padding="same", bias=True, dense=64, side=48, dropout=(), linear=(), other=None
):
    """The lab's network, or one with something else in one place."""
    layers = [keras.Input((side, side, 1)), keras.layers.Rescaling(scale)]
    for filters in (16, 32, 64):
        relu = other if filters in linear else "relu"
        layers.append(keras.layers.Conv2D(filters, 3, padding=padding, activation=relu, use_bias=bias))
        layers.append(keras.layers.MaxPooling2D())
    layers += [keras.layers.Flatten(), keras.layers.Dense(dense, None if "dense" in linear else "relu"), *dropout]
    return keras.Sequential([*layers, keras.layers.Dense(7, softmax)])


# --- counted by hand -------------------------------------------------------------------------------------------------


def test_the_table_has_the_networks_numbers():
    assert [layer.parameters() for layer in lab2.LAYERS] == PARAMETERS
    assert [layer.multiplications() for layer in lab2.LAYERS] == MULTIPLICATIONS
    assert network().count_params() == sum(PARAMETERS) == 171_271
    course.check("parameters", np.array(PARAMETERS))
    course.check("multiplications", MULTIPLICATIONS)


@pytest.mark.parametrize(
    "place, number, words",
    [
        (0, 144, "conv 1: 144 is not right. The biases are missing"),
        (1, 4_609, "one bias for each output, not one for the layer"),
        (1, 320, "sees all channels of its input"),
        (2, 18_496 * 144, "used at every place. Count them only once"),
        (2, 3 * 32 * 64 + 64, "A filter has 3 x 3 places, not 3."),
        (3, 64 * 64 + 64, "all numbers of 6 x 6 maps in 64 channels"),
        (3, 147_521, "dense 1: 147521 is not right.\nHint: A filter has 3 x 3 weights"),
    ],
)
def test_how_parameters_were_miscounted_is_named(place, number, words):
    answers = [*PARAMETERS[:place], number, *PARAMETERS[place + 1 :]]
    assert words in said("parameters", answers)
    assert str(PARAMETERS[place]) not in said("parameters", answers).replace(str(number), "")


@pytest.mark.parametrize(
    "place, number, words",
    [
        (0, 144, "conv 1: 144 is not right. That is the number for one place"),
        (1, 4_640 * 24 * 24, "A bias is added, not multiplied"),
        (1, 4_608 * 12 * 12, "Count the places before pooling"),
        (2, 9 * 64 * 144, "sees all channels"),
    ],
)
def test_how_multiplications_were_miscounted_is_named(place, number, words):
    answers = [*MULTIPLICATIONS[:place], number, *MULTIPLICATIONS[place + 1 :]]
    assert words in said("multiplications", answers)


def test_all_layers_are_asked_for():
    assert "There are 5 layers with parameters. The length of your list is 0." in said("parameters", [])
    assert "The length of your list is 1." in said("multiplications", [sum(MULTIPLICATIONS)])


# --- the network -----------------------------------------------------------------------------------------------------


def functional():
    """Another way: pixels divided by an operation, convolutions in a model of their own, softmax as a layer."""
    images = keras.Input((48, 48, 1))
    stages = [keras.Input((48, 48, 1))]
    for filters in (16, 32, 64):
        stages += [keras.layers.Conv2D(filters, (3, 3), padding="same"), keras.layers.ReLU()]
        stages.append(keras.layers.MaxPool2D((2, 2)))
    x = keras.layers.Flatten()(keras.Sequential(stages)(images / 127.5 - 1))
    x = keras.layers.Dense(7)(keras.layers.Dense(64, activation="relu")(x))
    return keras.Model(images, keras.layers.Softmax()(x))


@pytest.mark.parametrize("build", [network, functional, lambda: network(dropout=[keras.layers.Dropout(0.5)])])
def test_right_networks_pass_however_they_are_written(build):
    for seed in range(3):  # the judge looks at random weights
        keras.utils.set_random_seed(seed)
        course.check("small_cnn", build)


def test_a_network_is_given_back_as_it_was():
    model = network()
    before = model.get_weights()
    course.check("small_cnn", lambda: model)
    assert all(np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True))


def compiled():
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def unwritten():
    raise NotImplementedError


def strided():
    """As many parameters as in the table, but strides do what pooling should."""
    convolutions = [keras.layers.Conv2D(n, 3, strides=2, padding="same", activation="relu") for n in (16, 32, 64)]
    return keras.Sequential([keras.Input((48, 48, 1)), *network().layers[:1], *convolutions, *network().layers[-3:]])


def without_the_last_pooling():
    dense = [keras.layers.Dense(64, "relu"), keras.layers.Dense(7, "softmax")]
    return keras.Sequential([keras.Input((48, 48, 1)), *network().layers[:6], keras.layers.Flatten(), *dense])


def without_dense():
    return keras.Sequential([keras.Input((48, 48, 1)), *network().layers[:-2], keras.layers.Dense(7, "softmax")])


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: network(softmax=None), "not probabilities: the seven of one image add up to"),
        (lambda: network(softmax="sigmoid"), "not probabilities"),
        (lambda: network(scale=1.0), "sure. Are the pixels divided by 255?"),
        (lambda: network(padding="valid"), "has 2,116 places; that of conv 1 has 2,304. Look at padding"),
        (without_the_last_pooling, "dense 1 of the table has 147,520. Its input is 64 maps of 6 x 6"),
        (lambda: network(bias=False), "has 144 parameters; conv 1 of the table has 160. The biases are missing"),
        (lambda: network(linear=[16]), "conv 1 of the table has ReLU, which turns numbers below 0 into 0. Your conv2d"),
        (lambda: network(linear=[64, "dense"]), "conv 3 of the table has ReLU"),
        (lambda: network(linear=["dense"]), "dense 1 of the table has ReLU"),
        (lambda: network(linear=[32], other="tanh"), "conv 2 of the table has ReLU"),
        (lambda: network(linear=[64], other="elu"), "conv 3 of the table has ReLU"),
        (strided, "has 576 places; that of conv 1 has 2,304. Look at padding, strides and pooling"),
        (lambda: network(dense=128), "has 295,040 parameters; dense 1 of the table has 147,520"),
        (lambda: network(side=64), "The shape of the network's input is (64, 64, 1); (48, 48, 1) is expected"),
        (without_dense, "has 5 layers with parameters. Your network has: "),
        (compiled, "already compiled"),
        (lambda: keras.Sequential(network().layers), "Begin with keras.Input((48, 48, 1))"),
        (unwritten, "The body of your function is not written yet."),
        (lambda: None, "Your function returns nothing"),
        (lambda: [keras.layers.Flatten()], "A keras.Model is expected"),
        (network(), "without brackets"),
        (lambda: keras.layers.Dense(7)(3), "The check of your answer stopped with an error: "),
    ],
)
def test_what_is_wrong_with_a_network_is_said(build, words):
    assert words in said("small_cnn", build)


# --- its curve -------------------------------------------------------------------------------------------------------


def test_the_labs_example():
    history = {"loss": [1.7, 1.3, 1.4, 1.1], "val_loss": [1.8, 1.5, 1.6, 1.7]}
    assert lab2.best_epoch(history) == 2
    assert lab2.overfits_from(history) == 4
    history["loss"][3] = 1.35
    assert lab2.overfits_from(history) is None


def test_histories_are_of_all_kinds():
    drawn = [lab2._draw_history(np.random.default_rng(0), case)["history"] for case in range(40)]
    assert any(lab2.overfits_from(history) is None for history in drawn)
    waits = [(lab2.overfits_from(history) or 0) - lab2.best_epoch(history) for history in drawn]
    assert {-1, 1, 2} <= {max(wait, -1) for wait in waits}  # never, at once, later
    assert any(history["val_loss"].count(min(history["val_loss"])) > 1 for history in drawn)


@pytest.mark.parametrize(
    "answer",
    [
        lambda history: int(np.argmin(history["val_loss"])),
        lambda history: int(np.argmax(history["val_accuracy"])) + 1,
        lambda history: int(np.argmin(history["loss"])) + 1,
        lambda history: (
            len(history["val_loss"]) - int(np.argmin(history["val_loss"][::-1]))
        ),  # the latest of equal ones
    ],
)
def test_other_best_epochs_are_refused(answer):
    assert "Another value is expected." in said("best_epoch", answer)
    assert "counted from 1, lists from 0" in said("best_epoch", answer)


def below_the_epoch_before(history):
    losses = history["loss"]
    best = lab2.best_epoch(history)
    return next((epoch + 1 for epoch in range(best, len(losses)) if losses[epoch] < losses[epoch - 1]), None)


def without_the_last_epoch(history):
    found = lab2.overfits_from(history)
    return None if found == len(history["loss"]) else found


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda history: lab2.best_epoch(history) + 1, "None is expected"),
        (lambda history: lab2.overfits_from(history) or 0, "None is expected"),
        (below_the_epoch_before, "Another value is expected|None is expected"),
        (without_the_last_epoch, "Your function returns None, but here something else is expected"),
    ],
)
def test_other_beginnings_of_overfitting_are_refused(answer, words):
    text = said("overfits_from", answer)
    assert any(word in text for word in words.split("|")) and "training loss of the best epoch itself" in text


def test_curves_may_be_read_in_other_ways():
    course.check("best_epoch", lambda history: min(zip(history["val_loss"], range(1, 100)))[1])


def test_a_test_accuracy_is_above_the_floor_and_below_memory():
    lowest, highest = checking.exercises()["test accuracy"].low, checking.exercises()["test accuracy"].high
    assert 0.237 < lowest < 0.567 and 0.653 < highest < 0.9
    assert "did `fit` run to its end?" in said("test accuracy", 0.237)
    assert "faces that it was trained on" in said("test accuracy", 0.94)
    assert "Give a share of the test faces" in said("test accuracy", 59.7)
    course.check("test accuracy", np.float64(0.597))
