"""Judges of the students' Keras networks and functions (labs 2 and 4). They need Keras, so labs import them late."""

import itertools
import math

import keras
import numpy as np

from fer_utils import models
from fer_utils.course.kinds import described
from fer_utils.names import EMOTIONS, SIDE
from fer_utils.plotting.networks import flat_layers

# Mean over noise images of the largest of seven probabilities. With random weights, lab 2's network has 0.15 to 0.18 if
# the pixels are scaled, and 0.87 to 1 if they are not (twelve seeds).
TOO_SURE = 0.6


def judge_network(answer, layers):
    """What is wrong with the function `answer`, which must return a new network with lab 2's `layers`, or None."""
    if isinstance(answer, keras.Model) or not callable(answer):
        return f"Give the function itself, small_cnn, without brackets. You gave {described(answer)}."
    model = answer()
    if model is None:
        return "Your function returns nothing. Does it end with a `return` line?"
    if not isinstance(model, keras.Model):
        return f"Your function returns {described(model)}. A keras.Model is expected."
    if not model.built:
        return f"The network does not know the size of its images. Begin with keras.Input(({SIDE}, {SIDE}, 1))."
    shapes = {"input": (model.input_shape[1:], (SIDE, SIDE, 1)), "output": (model.output_shape[1:], (len(EMOTIONS),))}
    for what, (found, wanted) in shapes.items():
        if found != wanted:
            return f"The shape of the network's {what} is {found}; {wanted} is expected."
    if model.compiled:
        return "The network is already compiled. Do not compile it: a later cell of the lab does."
    return _wrong_layers(model, layers) or _wrong_answers(model) or _without_relu(model, layers)


def _wrong_layers(model, layers):
    found = [layer for layer in flat_layers(model) if layer.count_params()]
    if len(found) != len(layers):
        names = ", ".join(f"{part.name} ({part.count_params():,})" for part in found) or "none"
        return f"The table has {len(layers)} layers with parameters. Your network has: {names}."
    for layer, part in zip(layers, found, strict=True):
        name, count = part.name, part.count_params()
        places = math.prod(part.output.shape[1:-1])
        if count == layer.parameters():
            if places == layer.places:
                continue
            said = f"The output of your {name} has {places:,} places; that of {layer.name} has {layer.places:,}."
            return f"{said} Look at padding, strides and pooling."
        said = f"Your {name} has {count:,} parameters; {layer.name} of the table has {layer.parameters():,}."
        if count == layer.weights():
            return f"{said} The biases are missing."
        if layer.name == "dense 1":
            said += " Its input is 64 maps of 6 x 6, after padding 'same' and three poolings."
        return said
    return None


def _wrong_answers(model):
    answers = _answers_to_noise(model)
    if answers.min() < 0 or not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        return f"The outputs are not probabilities: the seven of one image add up to {answers[0].sum():.2f}, not to 1."
    surest = answers.max(axis=1).mean()
    if surest > TOO_SURE:
        return f"With random weights, the network is already {surest:.0%} sure. Are the pixels divided by 255?"
    return None


def _answers_to_noise(model):
    """The network's answers to 16 noise images: float64 (16, 7)."""
    images = np.random.default_rng(0).integers(0, 256, (16, SIDE, SIDE, 1)).astype("float32")
    return keras.ops.convert_to_numpy(model(images)).astype(float)


def _without_relu(model, layers):
    """A sentence on the first hidden layer whose output can fall below 0, or None. The weights stay as they are.

    With a very low bias, the output of a layer with ReLU is 0, so the kernel of the next layer makes no difference.
    An activation that falls to 0 in another way, such as sigmoid, is not noticed.
    """
    weights, said = model.get_weights(), None
    parts = [layer for layer in flat_layers(model) if layer.count_params()]
    # A softmax of large numbers would be 0 or 1.
    parts[-1].set_weights([0.01 * values for values in parts[-1].get_weights()])
    for layer, (part, following) in zip(layers, itertools.pairwise(parts), strict=False):
        (kernel, bias), (next_kernel, next_bias) = part.get_weights(), following.get_weights()
        part.set_weights([kernel, bias - 100])
        before = _answers_to_noise(model)
        following.set_weights([0 * next_kernel, next_bias])
        if not said and not np.allclose(before, _answers_to_noise(model), atol=1e-6):
            said = f"{layer.name} of the table has ReLU, which turns numbers below 0 into 0. Your {part.name} has not."
        part.set_weights([kernel, bias])
        following.set_weights([next_kernel, next_bias])
    model.set_weights(weights)
    return said


def judge_freeze(answer):
    """What is wrong with the function `answer`, which must freeze the model that it gets, or None."""
    for build in BACKBONES.values():
        backbone = build()
        model = classifier(backbone)
        answer(backbone)
        said = _wrongly_trained(model, {"probabilities/kernel", "probabilities/bias"}, "After freeze(backbone)")
        if not said:
            answer(model)
            said = _wrongly_trained(model, set(), "After freeze(model), for a model that contains another model")
        if said:
            return said
    return None


def judge_unfreeze(answer):
    """What is wrong with the function `answer`, which must unfreeze a frozen backbone from a stage on, or None.

    Each stage is tested on a new network. Under TensorFlow, setting `trainable` to its old value does nothing. So a
    correct answer that sets a backbone to True would fail the second time.
    """
    for name, build in BACKBONES.items():
        for stage in (3, 1, 2, 4):
            backbone, reference = build(), build()
            model, expected = classifier(backbone), classifier(reference)
            models.freeze(backbone)
            models.unfreeze_from(reference, stage)
            answer(backbone, stage)
            said = _wrongly_trained(model, _trained(expected), f"In {name}, from stage {stage} on")
            if said:
                return said
    return None


def classifier(backbone):
    """A model that contains the backbone and a head, as in lab 4."""
    images = keras.Input(backbone.input_shape[1:])
    x = keras.layers.GlobalAveragePooling2D()(backbone(images))
    outputs = keras.layers.Dense(len(EMOTIONS), "softmax", name="probabilities")(x)
    return keras.Model(images, outputs)


def _by_hand():
    """A backbone whose batch norms have other names; one has no trainable weights. Its first layer has no stage."""
    layers = [keras.Input((8, 8, 1), name="by_hand_input"), keras.layers.Conv2D(2, 1, name="entry_conv")]
    for stage in (1, 2, 3, 4):
        weights = stage != 2
        layers.append(keras.layers.Conv2D(2, 3, padding="same", name=f"block{stage}_conv"))
        layers.append(keras.layers.BatchNormalization(center=weights, scale=weights, name=f"block{stage}_scaling"))
    return keras.Sequential(layers, name="by_hand")


BACKBONES = {
    "a small VGG16": lambda: models.build_backbone("vgg16", 32, 1, 1 / 64),
    "a small deep CNN": lambda: models.build_backbone("deepcnn", 8, 1, 1 / 64),
    "a network by hand": _by_hand,
}


def _trained(model):
    return {weight.path for weight in model.trainable_weights}


def _wrongly_trained(model, expected, when):
    found = _trained(model)
    if found - expected:
        return f"{when}, these weights are trained and should not be: {_some(found - expected)}."
    if expected - found:
        return f"{when}, these weights are not trained and should be: {_some(expected - found)}."
    for layer in flat_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            return f"{when}, the batch norm {layer.name} has trainable=True, so its statistics still change."
    return None


def _some(names):
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(sorted(names)[:4]) + more
