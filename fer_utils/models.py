"""The networks of the study: backbones, heads, and the layers between a raw face and a backbone.

Every model takes raw uint8 images and returns class probabilities: augmentation, resizing and scaling are layers, so
a saved model needs nothing beside it. Models are returned uncompiled; compiling and freezing stay in the notebooks.

Sources: Simonyan and Zisserman 2015 (arXiv:1409.1556), He et al. 2016 (arXiv:1512.03385), and for the heads
Jahangir et al. 2024, section "Results and Discussion". Layer names are those of `keras.applications`, so that its
weights load into `width=1.0` backbones.
"""

import warnings
from pathlib import Path

import keras

from fer_utils.augmentation import RandomAffine

ARCHITECTURES = ("vgg16", "resnet50")
STRATEGIES = ("scratch", "transfer", "finetune")
PREPROCESSINGS = ("rescale", "imagenet")

# keras.applications' "caffe" preprocessing, which both ImageNet checkpoints were trained with: BGR minus these means.
IMAGENET_BGR_MEANS = (103.939, 116.779, 123.68)

# The paper names the transformations (section "Data Preprocessing") and gives no ranges; these are ours, mild enough to
# keep a 48x48 face recognisable.
AUGMENTATIONS = {
    "none": {},
    "flip": {"flip": True},
    "paper": {
        "flip": True,
        "rotation": 10.0,
        "width_shift": 0.1,
        "height_shift": 0.1,
        "shear": 5.0,
        "zoom": 0.1,
    },
}

# (convolutions, filters) of VGG16's five blocks: configuration D of Simonyan and Zisserman 2015, Table 1.
VGG16_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
# (residual blocks, bottleneck filters, stride of the first) of ResNet50's stages: He et al. 2016, Table 1.
RESNET50_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
# Keras' default of 0.99 needs a thousand steps before the running statistics mean anything, more than a short run has.
# Momentum is no weight, so ImageNet checkpoints load all the same.
BATCH_NORM_MOMENTUM = 0.9
# The epsilon of keras.applications' ResNet50; equal outputs for equal weights depend on it.
BATCH_NORM_EPSILON = 1.001e-5


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


# --- backbones -------------------------------------------------------------------------------------------------------


def vgg16(input_shape, width=1.0):
    """VGG16's thirteen convolutions without its top.

    input_shape: (height, width, channels) of float images, height and width at least 32. Output: float
    (n, height // 32, width // 32, 512 * width).

    The convolutions start from `CenteredHe`; that has no effect once weights are loaded.
    """
    inputs = x = keras.Input(input_shape, name="vgg16_input")
    for block, (convolutions, filters) in enumerate(VGG16_BLOCKS, start=1):
        for convolution in range(1, convolutions + 1):
            x = keras.layers.Conv2D(
                scaled(filters, width),
                3,
                padding="same",
                activation="relu",
                kernel_initializer=CenteredHe(),
                name=f"block{block}_conv{convolution}",
            )(x)
        x = keras.layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    return keras.Model(inputs, x, name="vgg16")


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
    return keras.layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, gamma_initializer=scale, name=name
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
    x = keras.layers.Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = _batch_norm(f"{name}_2_bn")(x)
    x = keras.layers.Activation("relu", name=f"{name}_2_relu")(x)
    x = keras.layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    # Each block starts as its shortcut alone (Goyal et al. 2017, arXiv:1706.02677, 5.1), so that training begins with a
    # shallow network; without it, ResNet50 was still at chance after 600 steps on the sample.
    x = _batch_norm(f"{name}_3_bn", scale="zeros")(x)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.Activation("relu", name=f"{name}_out")(x)


BACKBONES = {"vgg16": vgg16, "resnet50": resnet50}


def build_backbone(architecture, input_size, channels, width=1.0, weights=None):
    """A backbone with random or loaded weights.

    architecture: "vgg16" or "resnet50". input_size: pixels a side, at least 32. channels: 1 or 3. weights: None
    (random), "imagenet" (downloaded; needs width 1.0 and 3 channels) or the path of a `.weights.h5` file that
    notebook 02 wrote for the same architecture, width and channels. Raises WeightsError if weights do not fit.
    """
    choose("ARCHITECTURE", architecture, ARCHITECTURES)
    if input_size < 32:
        raise ValueError(f"INPUT_SIZE={input_size} is too small: {architecture} halves the image five times, so >= 32")
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
        raise WeightsError(f"{path}: weights files end in .weights.h5; notebook 02 writes backbone.weights.h5")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras warns, and goes on, where a part of the file is missing
            backbone.load_weights(path)
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
    application = {"vgg16": keras.applications.VGG16, "resnet50": keras.applications.ResNet50}[backbone.name]
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
    copy_weights(reference, backbone)


def copy_weights(source, target):
    """Copy weights between two models layer by layer, matching layers by name."""
    for layer in source.layers:
        if layer.weights:
            target.get_layer(layer.name).set_weights(layer.get_weights())


# --- from a raw face to the backbone's input -------------------------------------------------------------------------


def augmentation_ranges(augmentation):
    """The keyword arguments of `RandomAffine` for a name of AUGMENTATIONS or for a dict of ranges."""
    if isinstance(augmentation, dict):
        return augmentation
    return AUGMENTATIONS[choose("AUGMENTATION", augmentation, AUGMENTATIONS)]


def augmentation_layer(augmentation, seed=0):
    """The augmentation as a layer: a name of AUGMENTATIONS, or a dict of `RandomAffine`'s ranges."""
    return RandomAffine(**augmentation_ranges(augmentation), seed=seed, name="augmentation")


def prepare(x, input_size, channels, preprocessing):
    """Resize (bilinear, paper's Fig. 6), repeat gray to RGB where needed, and scale.

    x: symbolic images (n, height, width, 1 or 3), 0 to 255. preprocessing: "rescale" divides by 255 as the paper does,
    also for ImageNet backbones; "imagenet" subtracts the channel means, which is what those were trained with.
    """
    choose("PREPROCESSING", preprocessing, PREPROCESSINGS)
    if x.shape[1:3] != (input_size, input_size):
        x = keras.layers.Resizing(input_size, input_size, interpolation="bilinear", name="resize")(x)
    if x.shape[-1] == 1 and channels == 3:
        x = keras.layers.Concatenate(name="gray_to_rgb")([x, x, x])
    if x.shape[-1] != channels:
        raise ValueError(f"cannot make {channels} channel(s) out of images with {x.shape[-1]}: use 1 or 3")
    if preprocessing == "rescale":
        return keras.layers.Rescaling(1 / 255, name="rescale")(x)
    if channels != 3:
        raise ValueError("PREPROCESSING='imagenet' needs three channels: its means are per colour")
    offsets = [-mean for mean in IMAGENET_BGR_MEANS]
    return keras.layers.Rescaling(1.0, offset=offsets, name="imagenet_means")(x[..., ::-1])


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
    classes=7,
    head_units=(),
    dropout=0.5,
    image_shape=(48, 48),
    seed=0,
):
    """One arm of the study: raw uint8 images (n, *image_shape), 0 to 255, in; probabilities float32 (n, classes) out.

    The backbone is a nested model: `model.get_layer(architecture)`. Augmentation acts in training only, on the raw
    image before it is enlarged, where it costs least. head_units and dropout: as in ``add_head``. image_shape may have
    a last axis of 3 for colour images. The model is returned uncompiled, with every layer trainable. Raises ValueError
    for unknown names, WeightsError for weights that do not fit.
    """
    inputs = keras.Input(image_shape, dtype="uint8", name="image")
    x = inputs if len(image_shape) == 3 else keras.layers.Reshape((*image_shape, 1), name="add_channel")(inputs)
    if augmentation_ranges(augmentation):
        x = augmentation_layer(augmentation, seed)(x)
    x = prepare(x, input_size, channels, preprocessing)
    backbone = build_backbone(architecture, input_size, channels, width, weights)
    x = add_head(backbone(x), architecture, strategy, width, classes, head_units, dropout)
    return keras.Model(inputs, x, name=f"{architecture}_{strategy}")


# --- heads -----------------------------------------------------------------------------------------------------------


def add_head(features, architecture, strategy, width=1.0, classes=7, units=(), dropout=0.5):
    """The paper's head for one arm on backbone features (n, height, width, channels); returns softmax probabilities.

    units: sizes of dense layers to take instead of the paper's, in their place; () for the paper's. dropout: share of
    units that is dropped wherever the paper drops half of them.

    Two details are not in the paper: VGG16 from scratch has "several fully connected layers" (its Table 3 is a
    picture), for which VGG16's own pair of 4096 units with dropout stands here, scaled by `width`; ResNet50 transfer's
    dense layer has no size, for which 128 stands here, as in its from-scratch arm. "pretrain" is the plain classifier
    of the source task.
    """
    choose("strategy", strategy, (*STRATEGIES, "pretrain"))
    layers = keras.layers
    wide = scaled(4096, width)
    heads = {
        ("vgg16", "scratch"): ["flatten", wide, "dropout", wide, "dropout"],
        ("vgg16", "transfer"): ["flatten", "dropout", 64, 32],
        ("vgg16", "finetune"): ["flatten", "batch_norm", 64, 32, "dropout"],
        ("resnet50", "scratch"): ["average", 128, "dropout", 64],
        ("resnet50", "transfer"): ["average", 128, "dropout"],
        ("resnet50", "finetune"): ["flatten", 64, 32, "dropout"],
        (architecture, "pretrain"): ["average"],
    }
    makers = {
        "flatten": layers.Flatten,
        "average": layers.GlobalAveragePooling2D,
        "dropout": lambda: layers.Dropout(dropout),
        "batch_norm": lambda: layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM),
    }
    x = features
    for step in _with_units(heads[architecture, strategy], units):
        dense = isinstance(step, int)
        x = (layers.Dense(step, "relu", kernel_initializer="he_normal") if dense else makers[step]())(x)
    return layers.Dense(classes, "softmax", name="probabilities", dtype="float32")(x)


def _with_units(steps, units):
    """A head's steps with all dense layers replaced by ones of `units`, where the first of them stood."""
    dense = [step for step in steps if isinstance(step, int)]
    if not units or not dense:
        return steps
    place = steps.index(dense[0])
    return [*steps[:place], *units, *(step for step in steps[place:] if not isinstance(step, int))]


# --- freezing --------------------------------------------------------------------------------------------------------


def freeze(backbone):
    """Freeze a whole backbone, its batch-norm statistics included. Compile the classifier again afterwards."""
    backbone.trainable = False


def unfreeze_from(backbone, stage, freeze_batch_norm=True):
    """Unfreeze `backbone` from convolution stage `stage` (1 to 5) on; batch norm stays frozen unless told otherwise.

    In Keras only `trainable=False` stops a batch norm from updating its statistics; with small batches of another
    domain those updates would wreck the features. Compile the classifier again afterwards.
    """
    if stage not in range(1, 6):
        raise ValueError(f"UNFREEZE_FROM={stage!r} must be a stage from 1 (all) to 5 (the deepest convolutions only)")
    prefixes = tuple(f"{word}{number}" for word in ("block", "conv") for number in range(stage, 6))
    backbone.trainable = True
    for layer in backbone.layers:
        frozen = freeze_batch_norm and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name.startswith(prefixes) and not frozen


def read_units(text):
    """HEAD_UNITS as a tuple: "" is (), the paper's own; "512 128" is (512, 128). ValueError for anything else."""
    words = str(text).split()
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise ValueError(f'HEAD_UNITS={text!r} must be sizes of dense layers such as "512 128", or "" for the paper\'s')
    return tuple(int(word) for word in words)


def parameter_counts(model):
    """(trainable, frozen) numbers of parameters of a model, as ints."""
    trainable = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    return trainable, model.count_params() - trainable
