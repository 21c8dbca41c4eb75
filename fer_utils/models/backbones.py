"""Backbones: the networks without their tops, at any width, random or loaded.

Every backbone takes float images and returns float features. Sources: Simonyan and Zisserman 2015 (arXiv:1409.1556),
He et al. 2016 (arXiv:1512.03385), Tan and Le 2019 (arXiv:1905.11946). VGG16 and ResNet50 have the layer names of
`keras.applications`, so that its weights fit at width 1.
"""

import warnings
from functools import partial
from pathlib import Path

import keras
import numpy as np

from fer_utils.models.layers import BatchNormalization, Conv2D
from fer_utils.names import DEEPCNN_STAGES, NETWORKS, RESNET50_STAGES, SMALLCNN_STAGES, VGG16_BLOCKS

# With Keras' default of 0.99, the running statistics need about a thousand steps, more than a short run has.
# Momentum is not a weight, so ImageNet checkpoints still load.
BATCH_NORM_MOMENTUM = 0.9
# The epsilon of keras.applications' ResNet50: with another one, equal weights would not give equal outputs.
BATCH_NORM_EPSILON = 1.001e-5

# Keras' defaults, even if ~/.keras/keras.json has other values. PRECISION chooses the number type of a run.
keras.config.set_image_data_format("channels_last")
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)


class WeightsError(ValueError):
    """Weights that are missing or do not fit; the message names the file, the reason and the fix."""


def choose(name, value, allowed):
    """Return `value`. Raises ValueError, naming the parameter and the choices, if `value` is not one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r} is unknown: use one of {', '.join(map(repr, allowed))}")
    return value


def scaled(filters, width):
    """Number of channels (at least 1) at a relative `width`; 1.0 is the published network."""
    if not 0 < width <= 4:
        raise ValueError(f"width={width!r} must lie in (0, 4]: 1.0 is the published network, 0.25 a quarter of it")
    return max(1, round(filters * width))


@keras.saving.register_keras_serializable(package="fer_utils")
class CenteredHe(keras.initializers.HeNormal):
    """He initialisation (arXiv:1502.01852) with the mean of every filter subtracted.

    ReLU outputs are not negative, so a plain filter mostly responds to their common mean. After thirteen layers without
    batch norm, the features of all images become almost equal: at a quarter of the width, VGG16 stayed at chance for
    two epochs of Tiny ImageNet. Filters that sum to zero ignore the common mean.
    """

    def __call__(self, shape, dtype=None):
        kernel = super().__call__(shape, dtype)
        return kernel - keras.ops.mean(kernel, axis=tuple(range(len(shape) - 1)), keepdims=True)


def vgg16(input_shape, width=1.0, batch_norm=False):
    """VGG16's thirteen convolutions without its top.

    input_shape: (height, width, channels), at least 32 x 32. Output: (n, height // 32, width // 32, 512 * width).
    batch_norm: add batch norm between each convolution and its ReLU (Ioffe and Szegedy 2015, arXiv:1502.03167). The
    published network has none; without it, the convolutions are initialised with `CenteredHe`.
    """
    inputs = x = keras.Input(input_shape, name="vgg16_input")
    for block, (convolutions, filters) in enumerate(VGG16_BLOCKS, start=1):
        for convolution in range(1, convolutions + 1):
            x = _convolution(x, scaled(filters, width), f"block{block}_conv{convolution}", batch_norm)
        x = keras.layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    return keras.Model(inputs, x, name="vgg16bn" if batch_norm else "vgg16")


def deepcnn(input_shape, width=1.0):
    """Ten 3x3 convolutions with batch norm, and max pooling after each stage of ``DEEPCNN_STAGES`` except the last.

    input_shape: (height, width, channels), at least 8 x 8. Output: (n, height // 8, width // 8, 512 * width).
    """
    return _in_stages(input_shape, width, DEEPCNN_STAGES, "deepcnn")


def smallcnn(input_shape, width=1.0):
    """Nine 3x3 convolutions with batch norm, and max pooling after each stage of ``SMALLCNN_STAGES`` except the last.

    input_shape: (height, width, channels), at least 4 x 4. Output: (n, height // 4, width // 4, 48 * width). It has
    0.09 million parameters at width 1.
    """
    return _in_stages(input_shape, width, SMALLCNN_STAGES, "smallcnn")


def _in_stages(input_shape, width, stages, name):
    inputs = x = keras.Input(input_shape, name=f"{name}_input")
    for stage, (convolutions, filters) in enumerate(stages, start=1):
        if stage > 1:
            x = keras.layers.MaxPooling2D(2, name=f"block{stage - 1}_pool")(x)
        for convolution in range(1, convolutions + 1):
            x = _convolution(x, scaled(filters, width), f"block{stage}_conv{convolution}", batch_norm=True)
    return keras.Model(inputs, x, name=name)


def _convolution(x, filters, name, batch_norm):
    """A 3x3 convolution with ReLU. Batch norm, if any, comes between the two and makes the bias unnecessary."""
    x = Conv2D(
        filters,
        3,
        padding="same",
        activation=None if batch_norm else "relu",
        use_bias=not batch_norm,
        kernel_initializer="he_normal" if batch_norm else CenteredHe(),
        name=name,
    )(x)
    if batch_norm:
        x = _batch_norm(f"{name}_bn")(x)
        x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
    return x


def efficientnetb0(input_shape, width=1.0):
    """EfficientNetB0 of `keras.applications` without its top. Raises ValueError for any width except 1.

    input_shape: (height, width, channels). Output: (n, ceil(height / 32), ceil(width / 32), 1280).
    """
    if width != 1.0:
        raise ValueError(f"WIDTH={width!r}: efficientnetb0 exists in its published width only, 1.0")
    inputs = keras.Input(input_shape, name="efficientnetb0_input")
    # EfficientNetB0 divides by 255 itself, but our preprocessing has already done so.
    raw = keras.layers.Rescaling(255.0, name="undo_rescale")(inputs)
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_tensor=raw)
    return keras.Model(inputs, network.output, name="efficientnetb0")


def resnet50(input_shape, width=1.0):
    """ResNet50 (version 1) without its top.

    input_shape: (height, width, channels), at least 32 x 32.
    Output: (n, ceil(height / 32), ceil(width / 32), 2048 * width).
    """
    inputs = keras.Input(input_shape, name="resnet50_input")
    x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = keras.layers.Conv2D(scaled(64, width), 7, strides=2, name="conv1_conv")(x)
    x = _batch_norm("conv1_bn")(x)
    x = keras.layers.Activation("relu", name="conv1_relu")(x)
    x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = keras.layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, (blocks, filters, stride) in enumerate(RESNET50_STAGES, start=2):
        for block in range(1, blocks + 1):
            first = block == 1
            name = f"conv{stage}_block{block}"
            x = _residual_block(x, scaled(filters, width), stride if first else 1, project=first, name=name)
    return keras.Model(inputs, x, name="resnet50")


def _batch_norm(name, scale="ones"):
    return BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, gamma_initializer=scale, name=name
    )


def _residual_block(x, filters, stride, project, name):
    """The bottleneck block of He et al. 2016, Fig. 5: convolutions 1x1, 3x3 and 1x1, added to the shortcut.

    The last convolution has four times the filters. project: give the shortcut a 1x1 convolution of that size.
    """
    shortcut = x
    if project:
        shortcut = keras.layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        shortcut = _batch_norm(f"{name}_0_bn")(shortcut)
    x = keras.layers.Conv2D(filters, 1, strides=stride, name=f"{name}_1_conv")(x)
    x = _batch_norm(f"{name}_1_bn")(x)
    x = keras.layers.Activation("relu", name=f"{name}_1_relu")(x)
    x = Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = _batch_norm(f"{name}_2_bn")(x)
    x = keras.layers.Activation("relu", name=f"{name}_2_relu")(x)
    x = keras.layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    # With a scale of zero, each block starts as its shortcut alone, so that training begins with a shallow network
    # (Goyal et al. 2017, arXiv:1706.02677, 5.1). Otherwise ResNet50 was still at chance after 600 steps on the sample.
    x = _batch_norm(f"{name}_3_bn", scale="zeros")(x)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.Activation("relu", name=f"{name}_out")(x)


BACKBONES = {
    "vgg16": vgg16,
    "resnet50": resnet50,
    "vgg16bn": partial(vgg16, batch_norm=True),
    "deepcnn": deepcnn,
    "smallcnn": smallcnn,
    "efficientnetb0": efficientnetb0,
}


def build_backbone(architecture, input_size, channels, width=1.0, weights=None):
    """Build a backbone with random or loaded weights.

    architecture: a name in BACKBONES. input_size: pixels per side, at least 32 (deepcnn 8, smallcnn 4), since each
    pooling or stride halves the image; None allows every such size. channels: 1 or 3. weights: None (random),
    "imagenet" (downloaded, for vgg16 and resnet50; needs width 1.0 and 3 channels) or the path of a `.weights.h5` file
    that notebook 02 wrote for the same architecture, width and channels. Raises ValueError for an unknown name or a
    size that is too small, WeightsError if the weights do not fit.
    """
    choose("ARCHITECTURE", architecture, BACKBONES)
    least = NETWORKS[architecture].least_size
    if input_size is not None and input_size < least:
        halvings = least.bit_length() - 1
        raise ValueError(
            f"INPUT_SIZE={input_size} is too small: {architecture} halves images {halvings} times, so give >= {least}"
        )
    backbone = BACKBONES[architecture]((input_size, input_size, channels), width)
    if weights:
        load_backbone_weights(backbone, weights)
    return backbone


def load_backbone_weights(backbone, weights):
    """Load "imagenet" or the file `weights` into `backbone`. Raises WeightsError if they are missing or do not fit."""
    if weights == "imagenet":
        return _load_imagenet(backbone)
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file. Make it with notebook 02, or set WEIGHTS to 'imagenet'")
    if not path.name.endswith(".weights.h5"):
        raise WeightsError(
            f"{path}: weights files end in .weights.h5. Give the backbone.weights.h5 that notebook 02 writes"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # if a part of the file is missing, Keras only warns
            backbone.load_weights(path)
        if not all(np.isfinite(weight).all() for weight in backbone.get_weights()):
            raise ValueError("it holds NaN or infinity, so the training that made it diverged")
    except Exception as error:  # h5py, zip and Keras each raise their own exceptions
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(
            f"{path}: does not fit {backbone.name} with {backbone.input_shape[-1]} channel(s) and "
            f"{backbone.count_params():,} parameters ({reason[0]}). "
            "Use the ARCHITECTURE and WIDTH that the file was made with, or make it again with notebook 02"
        ) from error


def _load_imagenet(backbone):
    height, _, channels = backbone.input_shape[1:]
    applications = {"vgg16": keras.applications.VGG16, "resnet50": keras.applications.ResNet50}
    if backbone.name not in applications:
        raise WeightsError(f"WEIGHTS='imagenet' exists for {' and '.join(applications)}, not for {backbone.name}")
    application = applications[backbone.name]
    reference_count = application(include_top=False, weights=None, input_shape=(height, height, 3)).count_params()
    if channels != 3 or backbone.count_params() != reference_count:
        raise WeightsError("WEIGHTS='imagenet' needs three channels and WIDTH=1.0: the checkpoints exist in that size")
    try:
        reference = application(include_top=False, weights="imagenet", input_shape=(height, height, 3))
    except Exception as error:  # without a network or after a broken download, Keras raises a bare Exception
        raise WeightsError(
            f"The ImageNet weights of {backbone.name} could not be downloaded ({error}). Without internet, put the "
            "file into ~/.keras/models yourself, or pretrain a backbone with notebook 02 and set WEIGHTS to its path"
        ) from error
    backbone.set_weights(reference.get_weights())  # both list their layers in the same order (tested)
