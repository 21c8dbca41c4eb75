"""Copy a trained network for prediction only: in float32, with Keras' own layers, without training-only layers."""

import keras

from fer_utils.models.classifier import TrainingCrop
from fer_utils.models.layers import BatchNormalization, Conv2D

# Our layer class -> the Keras class that predicts the same.
KERAS = {BatchNormalization: keras.layers.BatchNormalization, Conv2D: keras.layers.Conv2D}


def for_answers(model):
    """A copy of `model` without augmentation and dropout, and with a plain crop.

    model: from ``build_classifier``, in any precision. The copy has the same inputs and outputs and predicts the same,
    up to rounding. Its file can be read without this project's classes and exported to other formats.
    """
    plain = keras.models.clone_model(model, clone_function=_plain)
    plain.set_weights(model.get_weights())
    return plain


def _plain(layer):
    """The new layer that replaces `layer`; Identity for one that acts in training only."""
    if layer.name == "augmentation" or isinstance(layer, keras.layers.Dropout):
        return keras.layers.Identity(name=layer.name, dtype="float32")
    if isinstance(layer, TrainingCrop | keras.layers.CenterCrop):
        size = layer.answer_crop if isinstance(layer, TrainingCrop) else layer.height
        removed = layer.input.shape[1] - size
        before = removed // 2
        return keras.layers.Cropping2D(((before, removed - before),) * 2, name=layer.name, dtype="float32")
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=_plain)
    if isinstance(layer, keras.layers.InputLayer) or not isinstance(layer, keras.layers.Layer):
        return type(layer).from_config(layer.get_config())  # the uint8 input, or an operation: no precision to change
    layer_class = KERAS.get(type(layer), type(layer))
    configuration = layer.get_config() | {"dtype": "float32"}
    if "kernel_initializer" in configuration:
        configuration["kernel_initializer"] = "zeros"  # weights are copied later; VGG16's initialiser is our own class
    return layer_class.from_config(configuration)
