"""The names and limits that all subpackages share: emotions, splits, networks, strategies, parameters' ranges.

Keras is not imported here, so that planning runs need not wait for it.
"""

import difflib
from typing import NamedTuple

# --- the data --------------------------------------------------------------------------------------------------------

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The label order everywhere: the CSV's emotion codes 0 to 6. It is not alphabetical."""

USAGES = ("Training", "PublicTest", "PrivateTest")
"""The splits, as the CSV names them."""

MERGED_USAGE = "Test"
"""The usage of images from a test folder whose file names do not distinguish PublicTest from PrivateTest."""

SIDE = 48
"""Width and height of a face, in pixels."""

EXPECTED_COUNTS = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}
"""Number of images in the original FER-2013 (Goodfellow et al. 2013, arXiv:1307.0414), in the order of EMOTIONS."""

USAGE_COUNTS = {usage: sum(counts) for usage, counts in EXPECTED_COUNTS.items()}

# --- the networks ----------------------------------------------------------------------------------------------------

# (convolutions, filters) of VGG16's five blocks: configuration D of Simonyan and Zisserman 2015, Table 1.
VGG16_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
# (residual blocks, bottleneck filters, stride of the first block) of ResNet50's stages: He et al. 2016, Table 1.
RESNET50_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
# (convolutions, filters) of this project's deep CNN: VGG's idea for a face of 40 to 48 pixels. It is halved three times
# only, so that the last stage still has 5x5 positions. Half the width is the usual size: 1.9 M parameters.
DEEPCNN_STAGES = ((2, 64), (2, 128), (3, 256), (3, 512))
# (convolutions, filters) of the small CNN: few channels, two halvings, 0.09 M parameters.
SMALLCNN_STAGES = ((2, 16), (4, 32), (3, 48))


class Architecture(NamedTuple):
    """What must be known about a network before it is built (``models.backbones``).

    title: name in tables and figures. least_size: smallest side of the input in pixels, which the halvings reduce to
    1. least_width: relative to the published network. stages: of convolutions between halvings, which HEAD_STAGE and
    UNFREEZE_FROM count from 1. in_paper: whether the paper has all three arms of it. The others are trained from
    scratch only, for comparison.
    """

    title: str
    least_size: int = 32
    least_width: float = 0.0
    stages: int = 5
    in_paper: bool = False


NETWORKS = {
    "vgg16": Architecture("VGG16", in_paper=True),
    # With fewer than 16 input channels, TensorFlow's CPU kernels for the strided 1x1 convolutions write out of bounds.
    # This ends the process or corrupts its heap (TensorFlow 2.21: oneDNN's jit_1x1:avx512_core, the gradient of the
    # weights, odd batches).
    "resnet50": Architecture("ResNet50", least_width=16 / 256, in_paper=True),
    "vgg16bn": Architecture("VGG16 with batch norm"),
    "deepcnn": Architecture("deep CNN", least_size=8, stages=4),
    "smallcnn": Architecture("small CNN", least_size=4, stages=3),
    "efficientnetb0": Architecture("EfficientNetB0", stages=0),  # seven blocks, of other names
}
ARCHITECTURES = tuple(NETWORKS)
ARCHITECTURE_NAMES = {name: network.title for name, network in NETWORKS.items() if network.in_paper}
COMPARATOR_NAMES = {name: network.title for name, network in NETWORKS.items() if not network.in_paper}

STRATEGY_NAMES = {"scratch": "from scratch", "transfer": "transfer learning", "finetune": "fine-tuning"}
STRATEGIES = tuple(STRATEGY_NAMES)
HEADS = ("paper", "batch_norm", "average")
HALVES = ("first half", "second half")  # of the Training split

VIEWS = ("single", "flip", "ten-crop", "scales")
SCALES = (11 / 12, 1, 13 / 12)  # for "scales": a whole face at 44, 48 and 52 pixels

# --- the parameters --------------------------------------------------------------------------------------------------

CHOICES = {
    "PROTOCOL": ("official", "paper"),
    "ARCHITECTURE": ARCHITECTURES,
    "PREPROCESSING": ("rescale", "imagenet"),
    "AUGMENTATION": ("none", "flip", "paper"),
    "TRAIN_WITHOUT": ("none", "twins", "others", *HALVES),
    "CLASS_WEIGHTS": ("none", "balanced"),
    "HEAD": HEADS,
    "VIEWS": ("single", "flip", "scales"),  # for the network that comes with the package, which has no crop to choose
    "PRECISION": ("auto", "float32", "mixed_bfloat16", "mixed_float16"),
}
RANGES = {  # name -> (smallest, largest), both included
    "SEED": (0, 2**32 - 1),
    "MAX_IMAGES": (0, 10**9),
    "INPUT_SIZE": (8, 1024),
    "WIDTH": (0.001, 4.0),
    "BATCH_SIZE": (1, 65_536),
    "EPOCHS": (1, 10_000),
    "HEAD_EPOCHS": (0, 10_000),
    "LEARNING_RATE": (1e-9, 10.0),
    "FINE_TUNING_RATE": (1e-9, 10.0),
    "HEAD_STAGE": (3, 5),
    "FEATURE_COPIES": (0, 100),
    "UNFREEZE_FROM": (1, 5),
    "DROPOUT": (0.0, 0.95),
    "PLATEAU_PATIENCE": (1, 10_000),
    "STOP_PATIENCE": (1, 10_000),
    "STOP_ACCURACY": (0.001, 1.0),
    "THRESHOLD": (0.001, 1.0),
    "FACES": (6, 10_000),
}


def did_you_mean(name, known):
    """Return the end of a message about an unknown name: the closest of the `known` names, or all of them."""
    known = [str(one) for one in known]
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]}?" if close else f". Known: {', '.join(known)}"
