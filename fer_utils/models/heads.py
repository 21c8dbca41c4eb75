"""Heads on a backbone, and what of it is frozen (notebooks 02 to 05 and 08).

The paper's heads: Jahangir et al. 2024, "Results and Discussion".
"""

import keras

from fer_utils.models.backbones import BATCH_NORM_MOMENTUM, choose, scaled
from fer_utils.names import HEADS, NETWORKS, RANGES, STRATEGIES


def cut_at(backbone, stage):
    """The same backbone up to convolution stage `stage` (3 to 5), with its pooling if it has one; 5 is all of it.

    backbone: from ``build_backbone``; it shares every weight with what is returned, which has its name and its input.
    Output: float (n, height // 8, width // 8, 256 * width) at stage 3 of VGG16, and half as many places a side with
    512 * width at stage 4; ResNet50 rounds up, with 512 and 1024 * width. The deep CNN has four stages, so 4 is all of
    it, too. Raises ValueError as ``check_stage`` does.

    The later a layer, the closer its features are to the task that it was trained on, and the less they transfer
    (Yosinski et al. 2014, arXiv:1411.1792).
    """
    check_stage(backbone.name, stage)
    if stage == RANGES["HEAD_STAGE"][1]:
        return backbone
    layers = [layer for layer in backbone.layers if layer.name.startswith((f"block{stage}_", f"conv{stage}_"))]
    return keras.Model(backbone.input, layers[-1].output, name=backbone.name)


def check_stage(architecture, stage):
    """ValueError for a stage that a head cannot stand on: not 3 to 5, or not the last of a network without stages."""
    choose("ARCHITECTURE", architecture, NETWORKS)
    least, whole = RANGES["HEAD_STAGE"]
    if stage not in range(least, whole + 1):
        raise ValueError(f"HEAD_STAGE={stage!r} must be a stage from {least} to {whole} (the whole backbone)")
    if stage != whole and not NETWORKS[architecture].has_stages:
        raise ValueError(f"HEAD_STAGE={stage!r}: {architecture} has no such stages; give {whole}, all of it")


# --- heads -----------------------------------------------------------------------------------------------------------


def add_head(features, architecture, strategy, width=1.0, classes=7, units=(), dropout=0.5, head="paper"):
    """The paper's head for one arm on backbone features (n, height, width, channels); returns softmax probabilities.

    units: sizes of dense layers to take instead of the paper's, in their place; () for the paper's. dropout: share of
    units that is dropped wherever the paper drops half of them. head: "paper"; "batch_norm" for the paper's of VGG16
    fine-tuning, whatever the arm; or "average" for global average pooling and dropout alone, which is what backbones
    get that the paper does not have.

    Two details are not in the paper: VGG16 from scratch has "several convolutional layers, and fully connected layers"
    (its Table 3 is a picture), for which VGG16's own pair of 4096 units with dropout stands here, scaled by `width`;
    ResNet50 transfer's dense layer has no size, for which 128 stands here, as in its from-scratch arm. "pretrain" is
    the plain classifier of the source task.
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
    plans = {"paper": heads.get((published, strategy), averaged), "batch_norm": heads["vgg16", "finetune"]}
    plan = plans.get(head, averaged)
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


def backbone_of(model):
    """The nested model with a classifier's convolutions. Raises ValueError where there is not exactly one.

    An augmentation of several layers is a Sequential, which no backbone is.
    """
    models = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    nested = [layer for layer in models if not isinstance(layer, keras.Sequential)]
    if len(nested) != 1:
        raise ValueError(f"{model.name} holds {len(nested)} nested models: give one of models.build_classifier")
    return nested[0]


def split_at_head(model):
    """(body, head): a classifier cut in two behind its backbone; both share every layer with it.

    body: raw images in, the backbone's features out, augmentation and preprocessing in it. head: features in,
    probabilities out. Behind a frozen backbone a head can be trained on features that were computed once
    (``training.frozen_features``), and the classifier then answers with it. Raises ValueError as ``backbone_of`` does.
    """
    features = model.layers[model.layers.index(backbone_of(model)) + 1].input
    return keras.Model(model.input, features, name="body"), keras.Model(features, model.output, name="head")


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
