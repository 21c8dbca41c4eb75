"""Exercises of lab 4, features of another task: freezing, unfreezing and the spread of features."""

import numpy as np

from fer_utils.course.kinds import Function, Judged, Number, Prediction


def feature_spread(features):
    """Mean of the features' standard deviations over images, divided by the mean of all features; 0 if all are 0.

    features: float (n, d), at least 0. The result stays the same if all features are multiplied by a number. (Features
    that are nearly always 0 would dominate a mean of each feature's own ratio.)
    """
    size = features.mean()
    return float(features.std(axis=0).mean() / size) if size else 0.0


def _draw_features(generator, case):
    """Features of all sizes as ReLU returns them: some are constant, some always 0. In every tenth case, all are 0."""
    n, d = 3 + case, 2 + case // 2
    features = np.maximum(0, generator.normal(0.5, 1, (n, d))) * 10 ** generator.uniform(-2, 2, d)
    kind = generator.random(d)
    features[:, kind < 0.2] = 0
    features[:, kind > 0.8] = 3
    return {"features": features * (case % 10 != 9)}


def _freeze(answer):
    from fer_utils.course import networks  # imports Keras, which may be absent when another lab is checked

    return networks.judge_freeze(answer)


def _unfreeze(answer):
    from fer_utils.course import networks

    return networks.judge_unfreeze(answer)


EXERCISES = {
    "frozen guess": Prediction(0, 1, "a share"),
    "same guess": Prediction(0, 1, "a share"),
    "freeze": Judged(
        _freeze,
        "Set `trainable` on the given model, not on its weights. A model passes it on to all its layers, also to batch "
        "norms and to models inside it. `=` sets a value, `==` only compares.",
    ),
    "trained parameters": Number(
        455,
        455,
        "Only the last dense layer is trained. It has 64 inputs: the backbone ends in 64 maps, and each is averaged. "
        "It has 7 outputs, and each output has a bias.",
    ),
    "unfreeze": Judged(
        _unfreeze,
        "Set `trainable` for every layer of the backbone. It is True if two things hold: the name begins with block "
        "and a large enough number, and the layer is not a batch norm. Names can be anything, so use isinstance(layer, "
        "keras.layers.BatchNormalization). The backbone is frozen at first: a layer that you do not set stays frozen.",
    ),
    "feature_spread": Function(
        feature_spread,
        _draw_features,
        "Each feature is a column, and each image is a row. First compute the standard deviation of every column "
        "(np.std). Then take the mean of these. Then divide once, by the mean of all numbers. If all are 0, the spread "
        "is 0.0.",
    ),
}
