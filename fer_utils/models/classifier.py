"""A whole network: from a raw face through preprocessing, backbone and head to seven probabilities.

Every model takes raw uint8 images and returns class probabilities: augmentation, cropping, resizing and scaling are
layers, so a saved model needs nothing beside it. Models are returned uncompiled; compiling and freezing stay in the
notebooks. Source of the heads: Jahangir et al. 2024, section "Results and Discussion".

`model(x)` answers as `model.predict(x)` does. Keras' Resizing, CenterCrop and random layers train unless they are told
not to, and then so does every layer behind them; hence training=False where they are called, which `fit` overrules.
"""

import keras
import numpy as np

from fer_utils.models.augmentation import augmentation_layer, augmentation_ranges
from fer_utils.models.backbones import build_backbone, choose
from fer_utils.models.heads import add_head, backbone_of, check_stage, cut_at
from fer_utils.names import CHOICES

# keras.applications' "caffe" preprocessing, which both ImageNet checkpoints were trained with: BGR minus these means.
IMAGENET_BGR_MEANS = (103.939, 116.779, 123.68)


def prepare(x, input_size, channels, preprocessing):
    """Repeat gray to RGB where needed, scale, and resize (bilinear, paper's Fig. 6).

    x: symbolic images (n, height, width, 1 or 3), 0 to 255. preprocessing: "rescale" divides by 255 as the paper does,
    also for ImageNet backbones; "imagenet" subtracts the channel means, which is what those were trained with.

    All three are linear in each pixel, so their order changes nothing but rounding. Resizing comes last: to 224x224,
    the three take half the time so, and raw bytes would be rounded to bytes again.
    """
    choose("PREPROCESSING", preprocessing, CHOICES["PREPROCESSING"])
    if x.shape[-1] == 1 and channels == 3:
        x = keras.layers.Concatenate(name="gray_to_rgb")([x, x, x])
    if x.shape[-1] != channels:
        raise ValueError(f"cannot make {channels} channel(s) out of images with {x.shape[-1]}: use 1 or 3")
    x = _scale(x, channels, preprocessing)
    if x.shape[1:3] != (input_size, input_size):
        x = keras.layers.Resizing(input_size, input_size, interpolation="bilinear", name="resize")(x, training=False)
    return x


def _scale(x, channels, preprocessing):
    if preprocessing == "rescale":
        return keras.layers.Rescaling(1 / 255, name="rescale")(x)
    if channels != 3:
        raise ValueError("PREPROCESSING='imagenet' needs three channels: its means are per colour")
    offsets = [-mean for mean in IMAGENET_BGR_MEANS]
    return keras.layers.Rescaling(1.0, offset=offsets, name="imagenet_means")(x[..., ::-1])


@keras.saving.register_keras_serializable(package="fer_utils")
class TrainingCrop(keras.layers.Layer):
    """Keep the middle `crop` pixels of each side in training, the middle `answer_crop` outside it.

    A network that was trained on parts of faces answers better about all of them, at no cost in training (Touvron et
    al. 2019, arXiv:1906.06423). Images (n, height, width, channels) in and out, of the same dtype.
    """

    def __init__(self, crop, answer_crop, **kwargs):
        super().__init__(**kwargs)
        self.crop, self.answer_crop = crop, answer_crop

    def call(self, images, training=False):
        size = self.crop if training else self.answer_crop
        top, left = ((side - size) // 2 for side in images.shape[1:3])
        return images[:, top : top + size, left : left + size]

    def compute_output_spec(self, images, training=False):
        return keras.KerasTensor((images.shape[0], None, None, images.shape[-1]), dtype=images.dtype)

    def get_config(self):
        return {**super().get_config(), "crop": self.crop, "answer_crop": self.answer_crop}


def build_classifier(
    architecture,
    strategy,
    *,
    input_size=48,
    channels=1,
    width=1.0,
    preprocessing="rescale",
    augmentation="paper",
    weights=None,
    head_stage=5,
    classes=7,
    head="paper",
    head_units=(),
    dropout=0.5,
    crop=0,
    answer_crop=0,
    any_size=False,
    image_shape=(48, 48),
    seed=0,
):
    """One arm of the study: raw uint8 images (n, *image_shape), 0 to 255, in; probabilities float32 (n, classes) out.

    The backbone is a nested model: `model.get_layer(architecture)`. Augmentation acts in training only, on the raw
    image before it is enlarged, where it costs least. crop: keep the middle `crop` pixels of each side, after the
    augmentation, whose shifts so become random crops; 0 for the whole image. answer_crop: the same outside training,
    where it is another; 0 for as many. input_size: what that is resized to; 0 for as it is. any_size: let ``at_size``
    make others of it, which answer_crop does, too. head, head_units and dropout: as in ``add_head``. head_stage: the
    convolution stage that the head stands on, 3 to 5, as in ``cut_at``; 5 is the whole backbone, which is what
    `weights` are of whatever the stage.
    image_shape may have a last axis of 3 for colour images. The model is returned uncompiled, with every layer
    trainable. Raises ValueError for unknown names and for sizes and stages that do not fit, WeightsError for weights
    that do not fit.
    """
    check_stage(architecture, head_stage)  # a large network takes its time to build
    inputs = keras.Input(image_shape, dtype="uint8", name="image")
    x = inputs if len(image_shape) == 3 else keras.layers.Reshape((*image_shape, 1), name="add_channel")(inputs)
    if augmentation_ranges(augmentation):
        x = augmentation_layer(augmentation, seed)(x, training=False)
    side = min(image_shape[:2])
    for name, size in (("crop", crop), ("answer_crop", answer_crop)):
        if not 0 <= size <= side:
            raise ValueError(f"{name}={size!r} must lie in 0 (none) to {side}, the image's size in pixels")
    if answer_crop not in (0, crop):
        x, any_size = TrainingCrop(crop or side, answer_crop, name="crop")(x), True
    elif crop:
        x = keras.layers.CenterCrop(crop, crop, name="crop")(x, training=False)
    input_size = input_size or x.shape[1]
    x = prepare(x, input_size, channels, preprocessing)
    backbone = build_backbone(architecture, None if any_size else input_size, channels, width, weights)
    backbone = cut_at(backbone, head_stage)
    x = add_head(backbone(x), architecture, strategy, width, classes, head_units, dropout, head)
    return keras.Model(inputs, x, name=f"{architecture}_{strategy}")


def at_size(model, size):
    """The same classifier seeing its images at `size` pixels a side, bilinearly resized; every weight is shared.

    model: from ``build_classifier`` with any_size and a head that averages. For training on small images first, which
    costs less, and on large ones later (progressive resizing; Howard 2018, fast.ai's entry to DAWNBench). Raises
    ValueError for a model that sees one size only, or scales its pixels otherwise than by "rescale".
    """
    _check_sizes(model)
    inputs = x = keras.Input(model.input_shape[1:], dtype="uint8", name="image")
    for layer in model.layers[1:]:
        if layer.name == "rescale":
            # In float32: bfloat16 has too few bits for a grey level and a part of it.
            resize = keras.layers.Resizing(size, size, interpolation="bilinear", name="resize", dtype="float32")
            x = resize(x, training=False)
        if layer.name != "resize":
            x = layer(x, training=False)
    return keras.Model(inputs, x, name=model.name)


def answer_size(model):
    """Pixels a side at which the backbone of what ``at_size`` takes sees an image when it answers."""
    _check_sizes(model)
    x = np.zeros((1, *model.input_shape[1:]), "uint8")
    for layer in model.layers[1 : model.layers.index(backbone_of(model))]:
        x = layer(x, training=False)
    return x.shape[1]


def _check_sizes(model):
    names = [layer.name for layer in model.layers]
    if backbone_of(model).input_shape[1] is not None or "rescale" not in names or "gray_to_rgb" in names:
        raise ValueError(f"{model.name} sees images at one size only. Ask it with views single or flip")


def parameter_counts(model):
    """(trainable, frozen) numbers of parameters of a model, as ints."""
    trainable = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    return trainable, model.count_params() - trainable
