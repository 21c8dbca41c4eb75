"""A whole network: from a raw face through preprocessing, backbone and head to seven probabilities.

Every model takes raw uint8 images and returns class probabilities. Augmentation, cropping, resizing and scaling are
layers, so a saved model is complete. Models are returned uncompiled; the notebooks compile and freeze them.

`model(x)` predicts the same as `model.predict(x)`. By default, Keras' Resizing, CenterCrop and random layers act as in
training, and so do all layers behind them. They are therefore called with training=False, which `fit` overrides.
"""

import keras
import numpy as np

from fer_utils.models.augmentation import augmentation_layer, augmentation_ranges
from fer_utils.models.backbones import build_backbone, choose
from fer_utils.models.heads import add_head, backbone_of, check_stage, cut_at
from fer_utils.names import CHOICES

# Both ImageNet checkpoints were trained with keras.applications' "caffe" preprocessing: BGR minus these means.
IMAGENET_BGR_MEANS = (103.939, 116.779, 123.68)


def prepare(x, input_size, channels, preprocessing):
    """Repeat grey to RGB where needed, scale, and resize (bilinear, the paper's Fig. 6).

    x: symbolic images (n, height, width, 1 or 3), 0 to 255. preprocessing: "rescale" divides by 255 as the paper does,
    also for ImageNet backbones; "imagenet" subtracts the channel means that these backbones were trained with.

    All three steps are linear in each pixel, so their order changes nothing but rounding. Resizing comes last, because
    this halves the time at 224x224. Resizing the raw bytes would also round to bytes again.
    """
    choose("PREPROCESSING", preprocessing, CHOICES["PREPROCESSING"])
    if x.shape[-1] == 1 and channels == 3:
        x = keras.layers.Concatenate(name="gray_to_rgb")([x, x, x])
    if x.shape[-1] != channels:
        raise ValueError(f"cannot make {channels} channel(s) out of images with {x.shape[-1]}: use 1 or 3")
    if preprocessing == "rescale":
        x = keras.layers.Rescaling(1 / 255, name="rescale")(x)
    elif channels != 3:
        raise ValueError("PREPROCESSING='imagenet' needs three channels: its means are per colour")
    else:
        offsets = [-mean for mean in IMAGENET_BGR_MEANS]
        x = keras.layers.Rescaling(1.0, offset=offsets, name="imagenet_means")(x[..., ::-1])
    if x.shape[1:3] != (input_size, input_size):
        x = keras.layers.Resizing(input_size, input_size, interpolation="bilinear", name="resize")(x, training=False)
    return x


@keras.saving.register_keras_serializable(package="fer_utils")
class TrainingCrop(keras.layers.Layer):
    """Keep the middle `crop` pixels per side in training, the middle `answer_crop` pixels otherwise.

    A network that was trained on parts of faces predicts better on whole faces, at no cost in training (Touvron et al.
    2019, arXiv:1906.06423). Input and output: images (n, height, width, channels) of the same dtype.
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
    """Build the network of one arm: raw uint8 images (n, *image_shape), 0 to 255, to float32 (n, classes).

    The outputs are probabilities. The model is uncompiled and every layer trainable. The backbone is a nested model:
    `model.get_layer(architecture)`. Augmentation acts in training only, on the raw image, which costs least.

    image_shape: (height, width), or (height, width, 3) for colour. crop: pixels per side kept in the middle after the
    augmentation, so that its shifts become random crops; 0 keeps all. answer_crop: the same outside training; 0 for
    `crop`. input_size: pixels per side after resizing; 0 resizes nothing. any_size: let ``at_size`` change the size;
    an answer_crop implies it. head, head_units, dropout: as in ``add_head``. head_stage: the convolution stage below
    the head, 3 to 5, as in ``cut_at``. `weights` are always those of the whole backbone (stage 5).
    Raises ValueError for unknown names and for sizes and stages that do not fit, WeightsError for weights that do not.
    """
    check_stage(architecture, head_stage)  # first, since building a large network takes time
    inputs = keras.Input(image_shape, dtype="uint8", name="image")
    x = inputs if len(image_shape) == 3 else keras.layers.Reshape((*image_shape, 1), name="add_channel")(inputs)
    if augmentation_ranges(augmentation):
        x = augmentation_layer(augmentation, seed)(x, training=False)
    side = min(image_shape[:2])
    for name, size in (("crop", crop), ("answer_crop", answer_crop)):
        if not 0 <= size <= side:
            raise ValueError(f"{name}={size!r} must lie in 0 (none) to {side}, the image's size in pixels")
    if answer_crop not in (0, crop):
        x = TrainingCrop(crop or side, answer_crop, name="crop")(x)
        any_size = True
    elif crop:
        x = keras.layers.CenterCrop(crop, crop, name="crop")(x, training=False)
    input_size = input_size or x.shape[1]
    x = prepare(x, input_size, channels, preprocessing)
    whole = build_backbone(architecture, None if any_size else input_size, channels, width, weights)
    features = cut_at(whole, head_stage)(x)
    x = add_head(features, architecture, strategy, width, classes, head_units, dropout, head)
    return keras.Model(inputs, x, name=f"{architecture}_{strategy}")


def at_size(model, size):
    """The same classifier, with its images resized (bilinear) to `size` pixels per side; every weight is shared.

    model: from ``build_classifier`` with any_size and a head that averages. Progressive resizing trains on small
    images first, which costs less, and on large images later (Howard 2018, fast.ai's entry to DAWNBench). Raises
    ValueError for a model of one image size, or that repeats grey to RGB, or is not scaled by "rescale".
    """
    _check_sizes(model)
    inputs = x = keras.Input(model.input_shape[1:], dtype="uint8", name="image")
    for layer in model.layers[1:]:
        if layer.name == "rescale":
            # In float32: bytes would be rounded to bytes, and bfloat16 has too few bits for fractions of grey levels.
            x = keras.layers.Rescaling(1.0, name="as_floats", dtype="float32")(x)
            resize = keras.layers.Resizing(size, size, interpolation="bilinear", name="resize", dtype="float32")
            x = resize(x, training=False)
        if layer.name not in ("as_floats", "resize"):
            x = layer(x, training=False)
    return keras.Model(inputs, x, name=model.name)


def answer_size(model):
    """Pixels per side of the images that reach the backbone in prediction. model: as ``at_size`` takes."""
    _check_sizes(model)
    x = np.zeros((1, *model.input_shape[1:]), "uint8")
    for layer in model.layers[1 : model.layers.index(backbone_of(model))]:
        x = layer(x, training=False)
    return x.shape[1]


def _check_sizes(model):
    names = [layer.name for layer in model.layers]
    if backbone_of(model).input_shape[1] is not None or "rescale" not in names or "gray_to_rgb" in names:
        raise ValueError(f"{model.name} takes images of one size only. Use the views single or flip")


def parameter_counts(model):
    """Count a model's parameters: (trainable, frozen), both int."""
    trainable = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    return trainable, model.count_params() - trainable
