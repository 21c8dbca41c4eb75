"""Backbones: the networks without their tops, at any width, random or loaded (notebooks 01 to 05 and 08).

Sources: Simonyan and Zisserman 2015 (arXiv:1409.1556), He et al. 2016 (arXiv:1512.03385), Tan and Le 2019
(arXiv:1905.11946). Layer names of VGG16 and ResNet50 are those of `keras.applications`, so that its weights load into
`width=1.0` backbones.
"""

import warnings
from pathlib import Path

import keras
import numpy as np

from fer_utils.models.layers import BatchNormalization, Conv2D
from fer_utils.names import DEEPCNN_STAGES, NETWORKS, RESNET50_STAGES, SMALLCNN_STAGES, VGG16_BLOCKS

# Keras' default of 0.99 needs a thousand steps before the running statistics mean anything, more than a short run has.
# Momentum is no weight, so ImageNet checkpoints load all the same.
BATCH_NORM_MOMENTUM = 0.9
# The epsilon of keras.applications' ResNet50; equal outputs for equal weights depend on it.
BATCH_NORM_EPSILON = 1.001e-5

# Keras' own, whatever a ~/.keras/keras.json says; PRECISION is what chooses another type.
keras.config.set_image_data_format("channels_last")
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)


class WeightsError(ValueError):
    """Weights that cannot be had or do not fit; the message names the file, the reason and the mend."""


def choose(name, value, allowed):
    """Return `value` if it is one of `allowed`; raise ValueError that names the parameter and the choices otherwise."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r} is unknown: use one of {', '.join(map(repr, allowed))}")
    return value


def scaled(filters, width):
    """Number of channels at a relative `width` (1.0 is the published network); at least 1."""
    if not 0 < width <= 4:
        raise ValueError(f"width={width!r} must lie in (0, 4]: 1.0 is the published network, 0.25 a quarter of it")
    return max(1, round(filters * width))


@keras.saving.register_keras_serializable(package="fer_utils")
class CenteredHe(keras.initializers.HeNormal):
    """He initialisation (arXiv:1502.01852) with every filter's mean taken out.

    ReLU outputs are positive, so what a plain filter sees first is their common mean; through thirteen layers without
    batch norm all images grow alike, and at a quarter of the width VGG16 stayed at chance for two epochs of Tiny
    ImageNet. Filters that sum to zero ignore that mean.
    """

    def __call__(self, shape, dtype=None):
        kernel = super().__call__(shape, dtype)
        return kernel - keras.ops.mean(kernel, axis=tuple(range(len(shape) - 1)), keepdims=True)


def vgg16(input_shape, width=1.0, batch_norm=False):
    """VGG16's thirteen convolutions without its top.

    input_shape: (height, width, channels) of float images, height and width at least 32. batch_norm: normalize between
    each convolution and its ReLU, which the published network does not (Ioffe and Szegedy 2015, arXiv:1502.03167).
    Output: float (n, height // 32, width // 32, 512 * width).

    The convolutions start from `CenteredHe`; that has no effect once weights are loaded.
    """
    inputs = x = keras.Input(input_shape, name="vgg16_input")
    for block, (convolutions, filters) in enumerate(VGG16_BLOCKS, start=1):
        for convolution in range(1, convolutions + 1):
            x = _convolution(x, scaled(filters, width), f"block{block}_conv{convolution}", batch_norm)
        x = keras.layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    return keras.Model(inputs, x, name="vgg16bn" if batch_norm else "vgg16")


def vgg16bn(input_shape, width=1.0):
    """``vgg16`` with batch norm."""
    return vgg16(input_shape, width, batch_norm=True)


def deepcnn(input_shape, width=1.0):
    """Ten 3x3 convolutions with batch norm, a max-pooling after each stage of ``DEEPCNN_STAGES`` but the last.

    input_shape: (height, width, channels) of float images, height and width at least 8. Output: float
    (n, height // 8, width // 8, 512 * width).
    """
    return _in_stages(input_shape, width, DEEPCNN_STAGES, "deepcnn")


def smallcnn(input_shape, width=1.0):
    """Nine 3x3 convolutions with batch norm, a max-pooling after each stage of ``SMALLCNN_STAGES`` but the last.

    input_shape: (height, width, channels) of float images, height and width at least 4. Output: float
    (n, height // 4, width // 4, 48 * width). At width 1, 0.09 million parameters.
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
    """A 3x3 convolution with ReLU; with batch norm between the two, which makes the bias needless."""
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
    """EfficientNetB0 of `keras.applications` without its top; it exists at its published width only.

    input_shape: (height, width, channels) of float images. Output: float (n, ceil(height / 32), ceil(width / 32),
    1280).
    """
    if width != 1.0:
        raise ValueError(f"WIDTH={width!r}: efficientnetb0 exists in its published width only, 1.0")
    inputs = keras.Input(input_shape, name="efficientnetb0_input")
    # It divides by 255 itself, as our models have done before.
    raw = keras.layers.Rescaling(255.0, name="undo_rescale")(inputs)
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_tensor=raw)
    return keras.Model(inputs, network.output, name="efficientnetb0")


def resnet50(input_shape, width=1.0):
    """ResNet50 (version 1) without its top.

    input_shape: (height, width, channels) of float images, height and width at least 32. Output: float
    (n, ceil(height / 32), ceil(width / 32), 2048 * width).
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
            x = _residual_block(
                x, scaled(filters, width), stride if first else 1, project=first, name=f"conv{stage}_block{block}"
            )
    return keras.Model(inputs, x, name="resnet50")


def _batch_norm(name, scale="ones"):
    return BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=BATCH_NORM_EPSILON,
        gamma_initializer=scale,
        name=name,
    )


def _residual_block(x, filters, stride, project, name):
    """The bottleneck of He et al. 2016, Fig. 5: 1x1, 3x3, 1x1 with four times the filters, added to the shortcut."""
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
    # Each block starts as its shortcut alone (Goyal et al. 2017, arXiv:1706.02677, 5.1), so that training begins with a
    # shallow network; without it, ResNet50 was still at chance after 600 steps on the sample.
    x = _batch_norm(f"{name}_3_bn", scale="zeros")(x)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.Activation("relu", name=f"{name}_out")(x)


BACKBONES = {
    "vgg16": vgg16,
    "resnet50": resnet50,
    "vgg16bn": vgg16bn,
    "deepcnn": deepcnn,
    "smallcnn": smallcnn,
    "efficientnetb0": efficientnetb0,
}


def build_backbone(architecture, input_size, channels, width=1.0, weights=None):
    """A backbone with random or loaded weights.

    architecture: a name of BACKBONES. input_size: pixels a side, at least what the network's halvings leave a pixel of
    (32; deepcnn 8, smallcnn 4); None for any size from there on. channels: 1 or 3. weights: None (random), "imagenet"
    (downloaded, for vgg16 and resnet50; needs width 1.0 and 3 channels) or the path of a `.weights.h5` file that
    notebook 02 wrote for the same architecture, width and channels. Raises WeightsError if weights do not fit.
    """
    choose("ARCHITECTURE", architecture, BACKBONES)
    least = NETWORKS[architecture].least_size
    if input_size is not None and input_size < least:
        halvings = least.bit_length() - 1
        raise ValueError(
            f"INPUT_SIZE={input_size} is too small: {architecture} halves the image {halvings} times, so >= {least}"
        )
    backbone = BACKBONES[architecture]((input_size, input_size, channels), width)
    if weights:
        load_backbone_weights(backbone, weights)
    return backbone


def load_backbone_weights(backbone, weights):
    """Load "imagenet" or the file `weights` into `backbone`; raise WeightsError with the mend if that cannot be."""
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
            warnings.simplefilter("error", UserWarning)  # Keras warns, and goes on, where a part of the file is missing
            backbone.load_weights(path)
        if not all(np.isfinite(weight).all() for weight in backbone.get_weights()):
            raise ValueError("it holds NaN or infinity, so the training that made it went astray")
    except Exception as error:  # h5py, zip and Keras each raise their own kinds
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        channels = backbone.input_shape[-1]
        raise WeightsError(
            f"{path}: does not fit {backbone.name} with {channels} channel(s) and "
            f"{backbone.count_params():,} parameters ({first_line}). "
            "Use the ARCHITECTURE and WIDTH that the file was made with, or make it again with notebook 02"
        ) from error


def _load_imagenet(backbone):
    height, _, channels = backbone.input_shape[1:]
    applications = {"vgg16": keras.applications.VGG16, "resnet50": keras.applications.ResNet50}
    if backbone.name not in applications:
        raise WeightsError(f"WEIGHTS='imagenet' is for {' and '.join(applications)}, not {backbone.name}")
    application = applications[backbone.name]
    reference_count = application(include_top=False, weights=None, input_shape=(height, height, 3)).count_params()
    if channels != 3 or backbone.count_params() != reference_count:
        raise WeightsError("WEIGHTS='imagenet' needs three channels and WIDTH=1.0: the checkpoints exist in that size")
    try:
        reference = application(include_top=False, weights="imagenet", input_shape=(height, height, 3))
    except Exception as error:  # no network, a broken download: keras raises a bare Exception
        raise WeightsError(
            f"the ImageNet weights of {backbone.name} could not be downloaded ({error}). Without internet, put the "
            "file into ~/.keras/models yourself, or pretrain a backbone with notebook 02 and set WEIGHTS to its path"
        ) from error
    backbone.set_weights(reference.get_weights())  # layer by layer in one order (tested)
