"""A trained network for answering only: in float32, of Keras' own layers, without what acts in training alone."""

import keras

from fer_utils.models.augmentation import RandomAffine
from fer_utils.models.classifier import TrainingCrop
from fer_utils.models.layers import BatchNormalization, Conv2D

KERAS = {BatchNormalization: keras.layers.BatchNormalization, Conv2D: keras.layers.Conv2D}  # ours -> what it stands for


def for_answers(model):
    """A copy of `model` without augmentation and dropout, its crop a plain one.

    model: of ``build_classifier``, in any precision. The copy takes and gives what `model` does and answers alike, to
    rounding. Its file needs no class of this project to be read, and other formats than Keras' can hold it.
    """
    plain = keras.models.clone_model(model, clone_function=_plain)
    plain.set_weights(model.get_weights())
    return plain


def _plain(layer):
    """A new layer that stands for `layer`; Identity where it does nothing but in training."""
    if layer.name == "augmentation" or isinstance(layer, RandomAffine | keras.layers.Dropout):
        return keras.layers.Identity(name=layer.name, dtype="float32")
    if isinstance(layer, TrainingCrop | keras.layers.CenterCrop):
        kept = layer.answer_crop if isinstance(layer, TrainingCrop) else layer.height
        missing = layer.input.shape[1] - kept
        before = missing // 2
        return keras.layers.Cropping2D(((before, missing - before),) * 2, name=layer.name, dtype="float32")
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=_plain)
    if isinstance(layer, keras.layers.InputLayer) or not isinstance(layer, keras.layers.Layer):
        return type(layer).from_config(layer.get_config())  # the image's bytes, or an operation without a precision
    kind = KERAS.get(type(layer), type(layer))
    configuration = layer.get_config() | {"dtype": "float32"}
    if "kernel_initializer" in configuration:
        configuration["kernel_initializer"] = "zeros"  # its weights are copied; VGG16's own start is a class of ours
    return kind.from_config(configuration)
