"""The networks of the study: heads, and the layers between a raw face and a backbone.

Every model takes raw uint8 images and returns class probabilities: augmentation, cropping, resizing and scaling are
layers, so a saved model needs nothing beside it. Models are returned uncompiled; compiling and freezing stay in the
notebooks. Source of the heads: Jahangir et al. 2024, section "Results and Discussion".

`model(x)` answers as `model.predict(x)` does. Keras' Resizing, CenterCrop and random layers train unless they are told
not to, and then so does every layer behind them; hence training=False where they are called, which `fit` overrules.
"""

import keras

from fer_utils import parameters
from fer_utils.augmentation import RandomAffine
from fer_utils.backbones import BATCH_NORM_MOMENTUM, build_backbone, choose, scaled
from fer_utils.recipes import HEADS

STRATEGIES = ("scratch", "transfer", "finetune")
PREPROCESSINGS = parameters.CHOICES["PREPROCESSING"]

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
LIGHT = ("brightness", "contrast")  # what an augmentation may hold beside RandomAffine's ranges; and "erasing"
ERASED_SHARE = (0.02, 0.25)  # of the image: how much of it one erased rectangle covers


# --- from a raw face to the backbone's input -------------------------------------------------------------------------


def augmentation_ranges(augmentation):
    """The ranges that ``augmentation_layer`` takes: those of a name of AUGMENTATIONS, or the dict itself."""
    if isinstance(augmentation, dict):
        return augmentation
    return AUGMENTATIONS[choose("AUGMENTATION", augmentation, AUGMENTATIONS)]


def augmentation_layer(augmentation, seed=0):
    """The augmentation as one layer, which acts in training only: a name of AUGMENTATIONS, or a dict of ranges.

    Beside `RandomAffine`'s ranges, a dict may hold brightness (changed by up to that share of 255), contrast (by up to
    that factor) and erasing (probability that a random rectangle of 2 to 25 % of the image becomes noise; Zhong et al.
    2020, arXiv:1708.04896), each from 0 to 1. Raises ValueError for ranges that make no sense.
    """
    ranges = dict(augmentation_ranges(augmentation))
    further = {name: ranges.pop(name, 0.0) for name in (*LIGHT, "erasing")}
    for name, value in further.items():
        if not 0 <= value <= 1:
            raise ValueError(f"augmentation {name}={value!r} must lie in [0, 1]")
    unknown = sorted(set(ranges) - set(RandomAffine.RANGES) - {"flip"})
    if unknown:
        known = ", ".join(("flip", *RandomAffine.RANGES, *further))
        raise ValueError(f"augmentation has no range {', '.join(unknown)}: use {known}")
    affine = RandomAffine(**ranges, seed=seed, name="augmentation")
    if not any(further.values()):
        return affine
    layers = [affine]
    if further["brightness"]:
        layers.append(keras.layers.RandomBrightness(further["brightness"], seed=seed + 1))
    if further["contrast"]:
        layers.append(keras.layers.RandomContrast(further["contrast"], seed=seed + 2))
    if further["erasing"]:
        probability = (further["erasing"], further["erasing"])  # else Keras draws the probability, too
        layers.append(keras.layers.RandomErasing(probability, scale=ERASED_SHARE, seed=seed + 3))
    return keras.Sequential(layers, name="augmentation")


def prepare(x, input_size, channels, preprocessing):
    """Repeat gray to RGB where needed, scale, and resize (bilinear, paper's Fig. 6).

    x: symbolic images (n, height, width, 1 or 3), 0 to 255. preprocessing: "rescale" divides by 255 as the paper does,
    also for ImageNet backbones; "imagenet" subtracts the channel means, which is what those were trained with.

    All three are linear in each pixel, so their order changes nothing but rounding. Resizing comes last: to 224x224,
    the three take half the time so, and raw bytes would be rounded to bytes again.
    """
    choose("PREPROCESSING", preprocessing, PREPROCESSINGS)
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


def cut_at(backbone, stage):
    """The same backbone up to convolution stage `stage` (3 to 5), with its pooling if it has one; 5 is all of it.

    backbone: from ``build_backbone``; it shares every weight with what is returned, which has its name and its input.
    Output: float (n, height // 8, width // 8, 256 * width) at stage 3 of VGG16, and half as many places a side with
    512 * width at stage 4; ResNet50 rounds up, with 512 and 1024 * width. The deep CNN has four stages, so 4 is all of
    it, too. Raises ValueError for another stage, and for a network without such stages (efficientnetb0) unless all of
    it is asked for.

    The later a layer, the closer its features are to the task that it was trained on, and the less they transfer
    (Yosinski et al. 2014, arXiv:1411.1792).
    """
    least, whole = parameters.RANGES["HEAD_STAGE"]
    if stage not in range(least, whole + 1):
        raise ValueError(f"HEAD_STAGE={stage!r} must be a stage from {least} to {whole} (the whole backbone)")
    if stage == whole:
        return backbone
    layers = [layer for layer in backbone.layers if layer.name.startswith((f"block{stage}_", f"conv{stage}_"))]
    if not layers:
        raise ValueError(f"HEAD_STAGE={stage!r}: {backbone.name} has no such stages; give {whole}, all of it")
    return keras.Model(backbone.input, layers[-1].output, name=backbone.name)


def at_size(model, size):
    """The same classifier seeing its images at `size` pixels a side, bilinearly resized; every weight is shared.

    model: from ``build_classifier`` with any_size and a head that averages. For training on small images first, which
    costs less, and on large ones later (progressive resizing; Howard 2018, fast.ai's entry to DAWNBench).
    """
    inputs = x = keras.Input(model.input_shape[1:], dtype="uint8", name="image")
    for layer in model.layers[1:]:
        if layer.name == "rescale":
            # In float32: bfloat16 has too few bits for a grey level and a part of it.
            resize = keras.layers.Resizing(size, size, interpolation="bilinear", name="resize", dtype="float32")
            x = resize(x, training=False)
        if layer.name != "resize":
            x = layer(x, training=False)
    return keras.Model(inputs, x, name=model.name)


# --- heads -----------------------------------------------------------------------------------------------------------


def add_head(features, architecture, strategy, width=1.0, classes=7, units=(), dropout=0.5, head="paper"):
    """The paper's head for one arm on backbone features (n, height, width, channels); returns softmax probabilities.

    units: sizes of dense layers to take instead of the paper's, in their place; () for the paper's. dropout: share of
    units that is dropped wherever the paper drops half of them. head: "paper", or "average" for global average pooling
    and dropout alone, which is what backbones get that the paper does not have.

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
    }
    averaged = ["average"] if strategy == "pretrain" else ["average", "dropout"]
    choose("head", head, HEADS)
    published = "vgg16" if architecture == "vgg16bn" else architecture  # batch norm is no reason for another head
    plan = averaged if head == "average" else heads.get((published, strategy), averaged)
    makers = {
        "flatten": layers.Flatten,
        "average": layers.GlobalAveragePooling2D,
        "dropout": lambda: layers.Dropout(dropout),
        "batch_norm": lambda: layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM),
    }
    x = features
    for step in _with_units(plan, units):
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
