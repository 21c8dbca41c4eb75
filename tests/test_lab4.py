"""Lab 4's exercises: what students plausibly get wrong is refused in words that help; other right ways pass."""

import keras
import numpy as np
import pytest
from test_course import said

from fer_utils import course, models
from fer_utils.course import lab4, networks

BatchNorm = keras.layers.BatchNormalization


def stage(layer):
    return int(layer.name[5]) if layer.name.startswith("block") else 0


# --- freezing --------------------------------------------------------------------------------------------------------


def layer_by_layer(model):
    for layer in model.layers:
        layer.trainable = False


@pytest.mark.parametrize("answer", [models.freeze, layer_by_layer])
def test_right_ways_to_freeze_pass(answer):
    course.check("freeze", answer)


def only_asks(model):
    model.trainable == False  # noqa: B015, E712


def all_but_the_last(model):
    for layer in model.layers[:-1]:
        layer.trainable = False


def weight_by_weight(model):
    for weight in model.trainable_weights:
        weight.trainable = False


def only_convolutions(model):
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.trainable = False


@pytest.mark.parametrize(
    "answer, words",
    [
        (
            only_asks,
            "After freeze(backbone), these weights are trained and should not be: block1_conv1/bias",
        ),
        (all_but_the_last, "these weights are trained and should not be: probabilities/bias, probabilities/kernel."),
        (weight_by_weight, "the batch norm block1_conv1_bn has trainable=True, so its statistics still change"),
        (only_convolutions, "After freeze(model), for a model that contains another model, these weights are trained"),
        (lambda backbone: backbone.trainable.set(False), "stopped with an error: AttributeError"),
        (None, "TypeError"),
    ],
)
def test_what_is_left_unfrozen_is_named(answer, words):
    text = said("freeze", answer)
    assert words in text and "`=` sets a value, `==` only compares" in text


# --- unfreezing ------------------------------------------------------------------------------------------------------


def by_the_book(backbone, first_stage):
    """As in Keras' guide: everything, then what is to stay frozen."""
    backbone.trainable = True
    for layer in backbone.layers:
        if stage(layer) < first_stage or isinstance(layer, BatchNorm):
            layer.trainable = False


def only_what_is_late(backbone, first_stage):
    for layer in backbone.layers:
        if stage(layer) >= first_stage and "BatchNorm" not in type(layer).__name__:
            layer.trainable = True


@pytest.mark.parametrize("answer", [models.unfreeze_from, by_the_book, only_what_is_late])
def test_right_ways_to_unfreeze_pass(answer):
    course.check("unfreeze", answer)


def with_batch_norm(backbone, first_stage):
    for layer in backbone.layers:
        layer.trainable = stage(layer) >= first_stage


def batch_norm_by_its_name(backbone, first_stage):
    for layer in backbone.layers:
        layer.trainable = stage(layer) >= first_stage and "bn" not in layer.name


def one_stage(backbone, first_stage):
    for layer in backbone.layers:
        layer.trainable = stage(layer) == first_stage and not isinstance(layer, BatchNorm)


def one_too_late(backbone, first_stage):
    for layer in backbone.layers:
        layer.trainable = stage(layer) > first_stage and not isinstance(layer, BatchNorm)


def everything(backbone, first_stage):
    backbone.trainable = True


def always_the_third(backbone, first_stage):
    models.unfreeze_from(backbone, 3)


def all_but_early_stages(backbone, first_stage):
    for layer in backbone.layers:
        layer.trainable = not isinstance(layer, BatchNorm) and stage(layer) not in range(1, first_stage)


def weights_of_batch_norm(backbone, first_stage):
    """Its scale and shift stay as they are, and its statistics do not."""
    by_the_book(backbone, first_stage)
    for layer in backbone.layers:
        if isinstance(layer, BatchNorm):
            layer.trainable = True
            for weight in layer.trainable_weights:
                weight.trainable = False


@pytest.mark.parametrize(
    "answer, words",
    [
        (
            with_batch_norm,
            "In a small deep CNN, from stage 3 on, these weights are trained and should not be: block3_conv1_bn",
        ),
        (batch_norm_by_its_name, "In a network by hand, from stage 3 on, these weights are trained and should not be"),
        (one_stage, "from stage 3 on, these weights are not trained and should be: block4_conv1/bias"),
        (one_too_late, "from stage 3 on, these weights are not trained and should be: block3_conv1/bias"),
        (everything, "from stage 3 on, these weights are trained and should not be: block1_conv1/bias"),
        (always_the_third, "from stage 1 on, these weights are not trained and should be: block1_conv1/bias"),
        (
            all_but_early_stages,
            "In a network by hand, from stage 3 on, these weights are trained and should not be: by_hand/entry_conv",
        ),
        (weights_of_batch_norm, "the batch norm block1_conv1_bn has trainable=True"),
        (lambda backbone, first_stage: None, "these weights are not trained and should be: block3_conv1/bias"),
    ],
)
def test_what_is_unfrozen_wrongly_is_named(answer, words):
    text = said("unfreeze", answer)
    assert words in text and "isinstance(layer, keras.layers.BatchNormalization)" in text


def test_the_judges_networks_have_batch_norm_by_several_names():
    backbones = [build() for build in networks.BACKBONES.values()]
    norms = [layer.name for backbone in backbones for layer in backbone.layers if isinstance(layer, BatchNorm)]
    assert any("bn" in name for name in norms) and not all("bn" in name for name in norms)
    assert all({1, 2, 3, 4} <= {stage(layer) for layer in backbone.layers} for backbone in backbones)


def test_what_a_frozen_arm_trains_is_counted_by_hand():
    assert models.build_backbone("deepcnn", 48, channels=1, width=0.125).output_shape[-1] == 64  # the lab's backbone
    course.check("trained parameters", 64 * 7 + 7)
    assert "each output has a bias" in said("trained parameters", 64 * 7)
    assert "each is averaged" in said("trained parameters", 6 * 6 * 64 * 7 + 7)


# --- features --------------------------------------------------------------------------------------------------------


def test_the_labs_example():
    features = np.array([[2.0, 5, 0], [4, 5, 0], [6, 5, 0]])
    assert lab4.feature_spread(features) == pytest.approx(np.sqrt(8 / 3) / 3 / 3)
    assert lab4.feature_spread(1000 * features) == pytest.approx(lab4.feature_spread(features))
    assert lab4.feature_spread(np.zeros((3, 2), "float32")) == 0


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda features: features.std(axis=0).mean() / features.mean(), "Another value"),  # NaN if all are 0
        (lambda features: features.std(axis=0).mean(), "Another value"),
        (lambda features: np.nan_to_num(features.std() / features.mean()), "Another value"),
        (lambda features: np.nan_to_num(features.std(axis=1).mean() / features.mean()), "Another value"),
        (lambda features: np.nan_to_num(features.std(axis=0) / features.mean(axis=0)).mean(), "Another value"),
        (lambda features: np.nan_to_num(features.std(axis=0) / features.mean()), "a single number is expected"),
    ],
)
def test_other_measures_of_spread_are_refused(answer, words):
    text = said("feature_spread", answer)
    assert words in text and "If all are 0, the spread is 0.0" in text


def test_spread_may_be_written_in_other_ways():
    course.check("feature_spread", lambda features: np.nan_to_num(features.std(0).sum() / features.mean(0).sum()))
    course.check("feature_spread", lambda features: np.sqrt(features.var(axis=0)).mean() / (features.mean() or 1))
