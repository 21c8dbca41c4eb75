"""How a fair reviewer might explain the paper's numbers: the kindest sentence that fits each.

The verdict is computed elsewhere; a sentence only says what may have caused it. A test checks that each sentence
belongs to a number of the paper.
"""

_TWO_RUNS = (
    "Probably two runs that were mixed: 1,218.66 s for 78 epochs with 67.08 %, and 1,092.51 s with 67.23 %, which at "
    "the same pace are 70 epochs; the two accuracies differ by 11 of 7,178 faces, far less than chance allows."
)
_SWAPPED = (
    "Training and validation accuracy look swapped in the comparison (46.5 and 48.1 for 48.1 and 46.5): then section, "
    "Fig. 15 and comparison agree, and only the abstract's 64.80 % stands alone, maybe from another run."
)
_LOADER = (
    "Two times are stated; by the sections', transfer and fine-tuning took 163 s an epoch to within 0.2 %, though one "
    "computes gradients that the other does not, so they may measure the image generator; the shorter may be other "
    "runs."
)
_SAME_SECONDS = (
    "The authors notice it themselves; most likely one variable was printed twice, so one of the two arms has no time."
)
_COLLAPSED = (
    "Fits a network that answers happy to all faces: right on all 1,774 happy ones of 224 whole batches of 32, which "
    "is 24.75 % of 7,168, if no happy face is among the ten left out; the authors see the bias and suspect the class "
    "imbalance or the training. Our experiment collapses likewise with their preprocessing (cpu/collapse/paper)."
)
_TABLE2 = (
    "Kindly read, a cleaned or another copy of FER-2013; but the counts do not add up to their own total, and angry "
    "and neutral exceed the published split."
)
_TABLE2_TEST = (
    "Kindly read, another split of FER-2013; with angry garbled, neither PublicTest nor PrivateTest, nor the set that "
    "the confusion matrices were made on."
)
_SETTING = "A setting, not a result: our notebooks take it as it stands unless their parameters cell says otherwise."
_FIGURE = "Read off a curve that is not in the text."
_OTHERS = "Measured by others, on splits that this paper does not name: only repeated here."

# (arm, quantity) or (arm, quantity, place) -> sentence. The longer key takes precedence.
_READINGS = {
    ("vgg16-scratch", "validation accuracy"): _TWO_RUNS,
    ("vgg16-scratch", "validation accuracy", "Fig. 19"): "Read off a curve; it fits both printed numbers.",
    ("vgg16-scratch", "seconds"): _TWO_RUNS,
    ("vgg16-scratch", "epochs"): "Fig. 19 may simply have its last axis label at 75 where training stopped at 78.",
    ("vgg16-scratch", "stopping threshold"): (
        "Stopped the moment it passed 67 %, and on the images that it reports, so the number is a first passage "
        "over a line, not a height that was measured; the line of the transfer arm was 75 %."
    ),
    ("vgg16-transfer", "validation accuracy", "Fig. 11"): (
        "Seven points below the section's number: a loose reading of the curve, or the curve of another run."
    ),
    ("vgg16-transfer", "validation accuracy"): (
        "The section's number and the comparison's agree, being cut off rather than rounded there; the images are "
        "those that its rate schedule watched."
    ),
    ("vgg16-transfer", "seconds"): _LOADER,
    ("vgg16-finetune", "seconds"): _LOADER,
    ("vgg16-finetune", "validation accuracy"): _SWAPPED,
    ("vgg16-finetune", "training accuracy"): _SWAPPED,
    ("vgg16-finetune", "validation loss"): (
        "Clipped probabilities cannot give it; taken from logits, as some Keras versions do, it says that training "
        "diverged, which the spike in Fig. 15 says too."
    ),
    ("vgg16-finetune", "batch size"): (
        "The only batch size stated; in whole batches of it, happy is 24.75 % of the validation and 25.14 % of the "
        "training faces, to the digit what ResNet50 fine-tuning reports."
    ),
    ("resnet50-finetune", "validation accuracy"): _COLLAPSED,
    ("resnet50-finetune", "training accuracy"): (
        "7215 / 28704, the share of happy in 897 whole batches of 32: the majority class again, not learning."
    ),
    ("resnet50-finetune", "happy faces right"): _COLLAPSED,
    ("resnet50-finetune", "loss"): (
        "A network that says happy to everything has 1.81 nats; maybe 1.81 was misread off the curve, since nothing "
        "else in the section fits 1.41."
    ),
    ("resnet50-finetune", "seconds"): _SAME_SECONDS,
    ("resnet50-transfer", "seconds"): (
        "159 s an epoch fits the other arms at 224 pixels, so this is the arm that the figure belongs to."
    ),
    ("resnet50-transfer", "happy faces right"): (
        "Possible only on the merged 7,178 faces, not on the 3,589 of Table 2; nearly nine in ten happy faces, and "
        "one in eleven of the others: little more than the majority class."
    ),
    ("resnet50-transfer", "training loss"): (
        "0.07 nats below the class prior: the head had begun to learn, but its rate was low or the features said "
        "little."
    ),
    ("", "test images"): (
        "Printed as the count of angry; 3,589 is the size of PublicTest and of PrivateTest, but the matrices hold "
        "twice as many faces, the 7,178 of the merged folder."
    ),
    ("", "training images"): (
        "The right size of FER-2013's training split, under class counts that are 1,605 short of it."
    ),
    ("", "human accuracy"): (
        "The contest's report has 65 +- 5 %; the half point has no source there, and at +- 5 few arms could be told "
        "from people."
    ),
    ("", "ResNet50 seconds relative to VGG16"): (
        "True of one of the four pairs of times that the paper states (transfer, with the shorter of VGG16's two)."
    ),
    ("", "VGG16 convolutional layers"): "Thirteen is right; the four is a slip, maybe for the first four blocks.",
    ("", "VGG16 convolution blocks"): "Five is right; the thirteen blocks are the thirteen layers in them.",
    ("", "published validation accuracy: VGGNet"): "A slip of the conclusion: Table 4 has 51.11 % for VGGNet.",
    ("", "published accuracy: Prasad and Chandana"): (
        "Of thermal images, not of FER-2013; the reference beside it is Gaddam's."
    ),
    ("", "published training accuracy: Irmak et al."): (
        "Said to be training accuracy, which a table of results should not set beside validation accuracies."
    ),
    ("", "memory"): (
        "Explains the image generator: as float64, what NumPy makes of a division, the images do not fit."
    ),
    ("", "pixel divisor"): (
        "Right for [0, 1], but also done to ImageNet backbones, which were trained on 0 to 255 less the channel means."
    ),
}  # fmt: skip
_BY_PREFIX = (
    ("training class count", _TABLE2),
    ("test class count", _TABLE2_TEST),
    ("published", _OTHERS),
    ("Sarvakar", _OTHERS),
    ("settling epoch", _FIGURE),
    ("spike epoch", _FIGURE),
)
_SETTINGS = (
    "epochs", "epochs planned", "learning rate", "learning rate factor", "plateau patience", "dropout", "dense units",
    "GPU memory",
)  # fmt: skip


def reading(row) -> str:
    """The sentence for one row of ``paper.reported()`` (a dict); "" if there is none."""
    arm, quantity, place = row["arm"], row["quantity"], row["place"]
    for key in ((arm, quantity, place), (arm, quantity)):
        if key in _READINGS:
            return _READINGS[key]
    for prefix, sentence in _BY_PREFIX:
        if quantity.startswith(prefix):
            return sentence
    return _SETTING if quantity in _SETTINGS else ""
