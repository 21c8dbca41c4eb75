"""Heads on a backbone, and freezing the backbone.

Source of the paper's heads: Jahangir et al. 2024, "Results and Discussion".
"""

import keras

from fer_utils.models.backbones import BATCH_NORM_MOMENTUM, choose, scaled
from fer_utils.names import HEADS, NETWORKS, RANGES, STRATEGIES


def cut_at(backbone, stage):
    """The backbone up to and including convolution stage `stage` (3 to 5) and its pooling, if any; 5 is all of it.

    backbone: from ``build_backbone``. The returned model has the same name, input and (shared) weights.
    Output at stage 3 of VGG16: float (n, height // 8, width // 8, 256 * width); at stage 4, half the height and width
    and 512 * width channels. ResNet50 rounds sizes up and has 512 and 1024 * width channels. The deep CNN has four
    stages, so 4 is also all of it. Raises ValueError as ``check_stage`` does.

    The later a layer, the more specific its features are to the task that it was trained on, and the less they
    transfer (Yosinski et al. 2014, arXiv:1411.1792).
    """
    check_stage(backbone.name, stage)
    if stage == RANGES["HEAD_STAGE"][1]:
        return backbone
    layers = [layer for layer in backbone.layers if layer.name.startswith((f"block{stage}_", f"conv{stage}_"))]
    return keras.Model(backbone.input, layers[-1].output, name=backbone.name)


def check_stage(architecture, stage):
    """Raise ValueError for a stage outside 3 to 5, or one other than 5 for a network without such stages."""
    choose("ARCHITECTURE", architecture, NETWORKS)
    least, whole = RANGES["HEAD_STAGE"]
    if stage not in range(least, whole + 1):
        raise ValueError(f"HEAD_STAGE={stage!r} must be a stage from {least} to {whole} (the whole backbone)")
    if stage != whole and NETWORKS[architecture].stages <= least:
        raise ValueError(f"HEAD_STAGE={stage!r}: {architecture} has no such stages; give {whole}, the whole backbone")


def add_head(features, architecture, strategy, width=1.0, classes=7, units=(), dropout=0.5, head="paper"):
    """Add the head of one arm to features (n, height, width, channels); returns softmax probabilities (n, classes).

    units: sizes of dense layers that replace the paper's; () keeps the paper's. dropout: share of units that is dropped
    where the paper drops half of them. head: "paper"; "batch_norm" for the paper's head of VGG16 fine-tuning in every
    arm; or "average" for global average pooling and dropout alone. "vgg16bn" has VGG16's heads; the other backbones
    that are not in the paper get "average". strategy: an arm's, or "pretrain" for the classifier of the source task.

    The paper leaves two details open. For VGG16 from scratch it names only "several convolutional layers, and fully
    connected layers" (its Table 3 is a picture); we take VGG16's own two layers of 4096 units with dropout, scaled by
    `width`. It gives no size for the dense layer of ResNet50 transfer; we take 128, as in its from-scratch arm.
    """
    choose("strategy", strategy, (*STRATEGIES, "pretrain"))
    choose("head", head, HEADS)
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
    arm = ("vgg16" if architecture == "vgg16bn" else architecture, strategy)
    if head == "batch_norm":
        steps = heads["vgg16", "finetune"]
    elif head == "paper" and arm in heads:
        steps = heads[arm]
    else:
        steps = ["average"] if strategy == "pretrain" else ["average", "dropout"]
    makers = {
        "flatten": layers.Flatten,
        "average": layers.GlobalAveragePooling2D,
        "dropout": lambda: layers.Dropout(dropout),
        "batch_norm": lambda: layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM),
    }
    x = features
    for step in _with_units(steps, units):
        if isinstance(step, int):
            x = layers.Dense(step, "relu", kernel_initializer="he_normal")(x)
        else:
            x = makers[step]()(x)
    return layers.Dense(classes, "softmax", name="probabilities", dtype="float32")(x)


def _with_units(steps, units):
    """A head's steps with its dense layers replaced by those of `units`, at the place of the first one."""
    dense = [step for step in steps if isinstance(step, int)]
    if not units or not dense:
        return steps
    place = steps.index(dense[0])
    others = [step for step in steps if not isinstance(step, int)]
    return [*others[:place], *units, *others[place:]]


def freeze(backbone):
    """Freeze a whole backbone, including its batch-norm statistics. Compile the classifier again afterwards."""
    backbone.trainable = False


def backbone_of(model):
    """The nested model with a classifier's convolutions. Raises ValueError unless there is exactly one."""
    models = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    # An augmentation of several layers is a Sequential; a backbone never is.
    nested = [layer for layer in models if not isinstance(layer, keras.Sequential)]
    if len(nested) != 1:
        raise ValueError(f"{model.name} holds {len(nested)} nested models: give a model of models.build_classifier")
    return nested[0]


def split_at_head(model):
    """Cut a classifier in two behind its backbone: (body, head). Both share every layer with the classifier.

    body: from raw images to the backbone's features, with augmentation and preprocessing. head: from features to
    probabilities. If the backbone is frozen, the head can be trained on features that were computed once
    (``training.frozen_features``), and the classifier then uses it. Raises ValueError as ``backbone_of`` does.
    """
    features = model.layers[model.layers.index(backbone_of(model)) + 1].input
    return keras.Model(model.input, features, name="body"), keras.Model(features, model.output, name="head")


def unfreeze_from(backbone, stage, freeze_batch_norm=True):
    """Unfreeze `backbone` from convolution stage `stage` (1 to 5) on, by default without its batch norm.

    In Keras, only `trainable=False` stops batch norm from updating its statistics. With small batches of another
    domain, those updates would spoil the features. Compile the classifier again afterwards. Raises ValueError if
    the deepest convolution would stay frozen, as in a network with fewer stages.
    """
    if stage not in range(1, 6):
        raise ValueError(f"UNFREEZE_FROM={stage!r} must be a stage from 1 (all) to 5 (the deepest convolutions only)")
    prefixes = tuple(f"{word}{number}" for word in ("block", "conv") for number in range(stage, 6))
    backbone.trainable = True
    for layer in backbone.layers:
        frozen = freeze_batch_norm and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name.startswith(prefixes) and not frozen
    deepest = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D)][-1]
    if not deepest.trainable:
        raise ValueError(f"UNFREEZE_FROM={stage!r} leaves {deepest.name}, the deepest convolution, frozen: give less")


def read_units(text):
    """Read HEAD_UNITS: "" as (), the paper's sizes; "512 128" as (512, 128). Raises ValueError for anything else."""
    words = str(text).split()
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise ValueError(f'HEAD_UNITS={text!r} must be sizes of dense layers such as "512 128", or "" for the paper\'s')
    return tuple(int(word) for word in words)
