"""One table of every number that the paper reports, with its place in the paper.

Jahangir et al. 2024 give several values for the same quantity in different places. The table corrects none and leaves
out none. ``headline`` picks the values of the sections on comparison and training time, to which Tables 5 and 6 and
Figs. 22 and 23 belong. Tables 1, 3, 5 and 6 are printed as pictures; their numbers come from the text about them.
"""

import pandas as pd

from fer_utils.names import ARCHITECTURE_NAMES, EMOTIONS, STRATEGY_NAMES

ARMS = tuple(f"{architecture}-{strategy}" for architecture in ARCHITECTURE_NAMES for strategy in STRATEGY_NAMES)

# Places in the paper that are named more than once.
_ABSTRACT, _CONCLUSION, _COMPARISON = "abstract", "conclusion", "comparison section"
_TIMING = "training time comparison"
_DATA, _SETUP = "section 'Dataset Description'", "section 'Experiment Setup'"
_REVIEW = "literature review"
_PREPROCESSING, _MODELS = "section 'Data Preprocessing'", "section 'Model Architectures'"
_VGG_SCRATCH = "section 'VGG16 Trained from Scratch'"
_VGG_TRANSFER = "section 'VGG16 with Pre-Trained Weights'"
_VGG_FINETUNE = "section 'VGG16 with Fine-Tuning'"
_RES_SCRATCH = "section 'ResNet50 Trained from Scratch'"
_RES_TRANSFER = "section 'ResNet50 with Pre-Trained Weights'"
_RES_FINETUNE = "section 'ResNet50 with Fine-Tuning'"
_VALIDATION, _TRAINING = "validation accuracy", "training accuracy"
_PROSE = "prose reading of the curve"

# (arm, quantity, value, unit, place, note): one row per printed number.
_ARM_ROWS = [
    ("vgg16-scratch", _VALIDATION, 67.23, "%", _ABSTRACT, ""),
    ("vgg16-scratch", _VALIDATION, 67.23, "%", "Table 4", ""),
    ("vgg16-scratch", _VALIDATION, 67.23, "%", _CONCLUSION, ""),
    ("vgg16-scratch", _VALIDATION, 67.08, "%", _VGG_SCRATCH, "given twice"),
    ("vgg16-scratch", _VALIDATION, 67.2, "%", _COMPARISON, ""),
    ("vgg16-scratch", _VALIDATION, 67.0, "%", "Fig. 19", _PROSE),
    ("vgg16-scratch", "validation loss", 1.0, "nats", "Fig. 19", 'prose: "still almost 1"'),
    ("vgg16-scratch", _TRAINING, 72.0, "%", "Fig. 19", _PROSE),
    ("vgg16-scratch", _TRAINING, 73.7, "%", _COMPARISON, ""),
    ("vgg16-scratch", "seconds", 1218.66, "s", _VGG_SCRATCH, ""),
    ("vgg16-scratch", "seconds", 1092.51, "s", _TIMING, "contradicts the section"),
    ("vgg16-scratch", "epochs planned", 100, "", _VGG_SCRATCH, ""),
    ("vgg16-scratch", "epochs", 78, "", _VGG_SCRATCH, "stopped at the threshold"),
    ("vgg16-scratch", "epochs", 75, "", "Fig. 19", "contradicts the section"),
    ("vgg16-scratch", "stopping threshold", 67.0, "%", _VGG_SCRATCH, "on validation accuracy"),
    ("vgg16-transfer", _VALIDATION, 67.18, "%", _VGG_TRANSFER, ""),
    ("vgg16-transfer", _VALIDATION, 67.1, "%", _COMPARISON, ""),
    ("vgg16-transfer", _VALIDATION, 60.0, "%", "Fig. 11", _PROSE + ", contradicts the section"),
    ("vgg16-transfer", "validation loss", 1.0750, "nats", _VGG_TRANSFER, ""),
    ("vgg16-transfer", _TRAINING, 79.69, "%", _VGG_TRANSFER, ""),
    ("vgg16-transfer", _TRAINING, 79.7, "%", _COMPARISON, ""),
    ("vgg16-transfer", _TRAINING, 80.0, "%", "Fig. 11", 'prose: "approaches 80%"'),
    ("vgg16-transfer", "training loss", 0.5686, "nats", _VGG_TRANSFER, ""),
    ("vgg16-transfer", "seconds", 16304.71, "s", _VGG_TRANSFER, ""),
    ("vgg16-transfer", "seconds", 6651.64, "s", _TIMING, "contradicts the section"),
    ("vgg16-transfer", "epochs", 100, "", _VGG_TRANSFER, ""),
    ("vgg16-transfer", "learning rate", 0.0001, "", _VGG_TRANSFER, "Adam"),
    ("vgg16-transfer", "stopping threshold", 75.0, "%", _VGG_TRANSFER, "on validation accuracy"),
    ("vgg16-transfer", "learning rate factor", 0.5, "", _VGG_TRANSFER, "on a plateau"),
    ("vgg16-transfer", "plateau patience", 2, "epochs", _VGG_TRANSFER, ""),
    ("vgg16-transfer", "dropout", 0.5, "", _VGG_TRANSFER, ""),
    ("vgg16-transfer", "dense units", 64, "", _VGG_TRANSFER, "first dense layer"),
    ("vgg16-transfer", "dense units", 32, "", _VGG_TRANSFER, "second dense layer"),
    ("vgg16-finetune", _VALIDATION, 64.80, "%", _ABSTRACT, ""),
    ("vgg16-finetune", _VALIDATION, 46.50, "%", _VGG_FINETUNE, "contradicts the abstract"),
    ("vgg16-finetune", _VALIDATION, 48.1, "%", _COMPARISON, "contradicts abstract and section"),
    ("vgg16-finetune", "validation loss", 160.38, "nats", _VGG_FINETUNE, ""),
    ("vgg16-finetune", _TRAINING, 50.0, "%", "Fig. 15", _PROSE),
    ("vgg16-finetune", _TRAINING, 46.5, "%", _COMPARISON, "the section's validation accuracy"),
    ("vgg16-finetune", "seconds", 16326.17, "s", _VGG_FINETUNE, ""),
    ("vgg16-finetune", "seconds", 12329.30, "s", _TIMING, "contradicts the section"),
    ("vgg16-finetune", "epochs", 100, "", _VGG_FINETUNE, 'printed as "a hundred years"'),
    ("vgg16-finetune", "learning rate", 0.0001, "", _VGG_FINETUNE, "Adam"),
    ("vgg16-finetune", "batch size", 32, "images", _VGG_FINETUNE, 'printed as "average batch number"'),
    ("vgg16-finetune", "stopping threshold", 67.0, "%", _VGG_FINETUNE, "on validation accuracy"),
    ("vgg16-finetune", "dropout", 0.5, "", _VGG_FINETUNE, ""),
    ("vgg16-finetune", "dense units", 64, "", _VGG_FINETUNE, "first dense layer"),
    ("vgg16-finetune", "dense units", 32, "", _VGG_FINETUNE, "second dense layer"),
    ("resnet50-scratch", _VALIDATION, 54.69, "%", _ABSTRACT, ""),
    ("resnet50-scratch", _VALIDATION, 54.69, "%", _RES_SCRATCH, ""),
    ("resnet50-scratch", _VALIDATION, 54.7, "%", _COMPARISON, ""),
    ("resnet50-scratch", _VALIDATION, 55.0, "%", "Fig. 17", _PROSE),
    ("resnet50-scratch", _TRAINING, 56.18, "%", _RES_SCRATCH, ""),
    ("resnet50-scratch", _TRAINING, 56.2, "%", _COMPARISON, ""),
    ("resnet50-scratch", "seconds", 1445, "s", _RES_SCRATCH, 'also "about 24 minutes"'),
    ("resnet50-scratch", "seconds", 1445.48, "s", _TIMING, ""),
    ("resnet50-scratch", "epochs", 100, "", _RES_SCRATCH, ""),
    ("resnet50-scratch", "learning rate", 0.0001, "", _RES_SCRATCH, "Adam"),
    ("resnet50-scratch", "dropout", 0.5, "", _RES_SCRATCH, 'printed as "half of the neurons off"'),
    ("resnet50-scratch", "dense units", 128, "", _RES_SCRATCH, "first dense layer"),
    ("resnet50-scratch", "dense units", 64, "", _RES_SCRATCH, "second dense layer"),
    ("resnet50-transfer", _VALIDATION, 28.46, "%", _RES_TRANSFER, ""),
    ("resnet50-transfer", _VALIDATION, 28.5, "%", "Fig. 9", "from 24 % at the first epoch"),
    ("resnet50-transfer", _VALIDATION, 28.5, "%", _COMPARISON, ""),
    ("resnet50-transfer", "first validation accuracy", 24.0, "%", "Fig. 9", _PROSE),
    ("resnet50-transfer", _TRAINING, 26.5, "%", _COMPARISON, ""),
    ("resnet50-transfer", "first training loss", 1.86, "nats", "Fig. 9", _PROSE),
    ("resnet50-transfer", "training loss", 1.74, "nats", "Fig. 9", _PROSE),
    ("resnet50-transfer", "seconds", 15911.03, "s", _TIMING, ""),
    ("resnet50-transfer", "epochs planned", 100, "", _RES_TRANSFER, '"a cap of 100 epochs"'),
    ("resnet50-transfer", "learning rate", 0.0001, "", _RES_TRANSFER, "Adam"),
    ("resnet50-transfer", "stopping threshold", 75.0, "%", _RES_TRANSFER, "on validation accuracy"),
    ("resnet50-transfer", "learning rate factor", 0.5, "", _RES_TRANSFER, "on a plateau"),
    ("resnet50-transfer", "happy faces right", 1558, "images", "Fig. 10", ""),
    ("resnet50-finetune", _VALIDATION, 24.75, "%", _RES_FINETUNE, ""),
    ("resnet50-finetune", _VALIDATION, 24.8, "%", _COMPARISON, ""),
    ("resnet50-finetune", _VALIDATION, 24.5, "%", "Fig. 13", _PROSE),
    ("resnet50-finetune", _TRAINING, 25.14, "%", _RES_FINETUNE, ""),
    ("resnet50-finetune", _TRAINING, 25.1, "%", _COMPARISON, ""),
    ("resnet50-finetune", _TRAINING, 25.5, "%", "Fig. 13", _PROSE),
    ("resnet50-finetune", "loss", 1.41, "nats", "Fig. 13", "training and validation, prose reading of the curve"),
    ("resnet50-finetune", "seconds", 15911.03, "s", _TIMING, "the figure of transfer; the authors notice it"),
    ("resnet50-finetune", "epochs", 30, "", _RES_FINETUNE, ""),
    ("resnet50-finetune", "learning rate", 0.0001, "", _RES_FINETUNE, "Adam"),
    ("resnet50-finetune", "dropout", 0.5, "", _RES_FINETUNE, ""),
    ("resnet50-finetune", "dense units", 64, "", _RES_FINETUNE, "first dense layer"),
    ("resnet50-finetune", "dense units", 32, "", _RES_FINETUNE, "second dense layer"),
    ("resnet50-finetune", "happy faces right", 1774, "images", "Fig. 14", ""),
]

_SURVEY = "literature review and Table 1"
_OTHER_ROWS = [
    ("", "human accuracy", 65.5, "%", "introduction", "about; again in the discussion"),
    ("", "published validation accuracy: VGGNet", 51.11, "%", "Table 4", "Bhagat et al. 2024"),
    ("", "published validation accuracy: ResNet50", 54.67, "%", "Table 4", "Bhagat et al. 2024"),
    ("", "published validation accuracy: ResNet50", 54.67, "%", _CONCLUSION, "said of VGGNet as well"),
    ("", "published validation accuracy: EfficientNet", 58.41, "%", "Table 4", "Bhagat et al. 2024"),
    ("", "published validation accuracy: deep CNN", 65.68, "%", "Table 4", "Bhagat et al. 2024"),
    ("", "published accuracy: Sarvakar et al.", 60.0, "%", _SURVEY, ""),
    ("", "published accuracy: Zahara et al.", 65.97, "%", _SURVEY, ""),
    ("", "published validation accuracy: Xiang et al.", 60.7, "%", _SURVEY, ""),
    ("", "published accuracy: Mukhopadhyay et al.", 65.0, "%", _SURVEY, ""),
    ("", "published training accuracy: Gaddam et al.", 75.45, "%", _SURVEY, "ResNet50"),
    ("", "published test accuracy: Gaddam et al.", 54.56, "%", _SURVEY, "ResNet50"),
    ("", "published accuracy: Prasad and Chandana", 95.7, "%", _REVIEW, "thermal RGB-D-T data set, not FER-2013"),
    ("", "published accuracy: Singh et al.", 61.7, "%", _SURVEY, "without pre-processing"),
    ("", "published training accuracy: Rakshith et al.", 88.0, "%", _SURVEY, ""),
    ("", "published validation accuracy: Rakshith et al.", 61.0, "%", _SURVEY, ""),
    ("", "published training accuracy: Irmak et al.", 70.62, "%", _SURVEY, ""),
    ("", "published accuracy: Huang et al.", 63.10, "%", _SURVEY, ""),
    ("", "published training accuracy: Bhagat et al.", 82.56, "%", _SURVEY, "deep CNN"),
    ("", "published validation accuracy: Bhagat et al.", 65.68, "%", _SURVEY, "deep CNN"),
    ("", "training images", 28709, "images", _DATA, "its class counts add up to 27,104"),
    ("", "test images", 3589, "images", _DATA, 'printed as the count of "angry"'),
    *(
        ("", f"training class count: {emotion}", count, "images", "Table 2", "the text on it; the table is a picture")
        for emotion, count in zip(EMOTIONS, (4324, 434, 3207, 7091, 4309, 2485, 5254), strict=True)
    ),
    *(
        ("", f"test class count: {emotion}", count, "images", "Table 2", "no count of angry is given")
        for emotion, count in zip(EMOTIONS[1:], (59, 400, 870, 577, 435, 728), strict=True)
    ),
    ("", "classes", 7, "", _DATA, ""),
    ("", "image size", 48, "pixels", _DATA, "a side, grayscale"),
    ("", "resized image size", 224, "pixels", _PREPROCESSING, "a side; bilinear, RGB"),
    ("", "pixel divisor", 255, "", _PREPROCESSING, "into [0, 1], also for ImageNet backbones"),
    ("", "VGG16 parameters", 138e6, "", _MODELS, "almost; with its ImageNet head"),
    ("", "VGG16 convolutional layers", 13, "", _MODELS, ""),
    ("", "VGG16 dense units", 4096, "", _MODELS, "two layers, ImageNet head"),
    ("", "ResNet50 parameters", 25e6, "", _MODELS, ""),
    ("", "ResNet50 layers", 50, "", _MODELS, "49 convolutional, one dense"),
    ("", "GPU memory", 16, "GB", _SETUP, "NVIDIA GeForce RTX 4080 Super, Ventus 3X OC"),
    ("", "memory", 32, "GB", _SETUP, "CPU: AMD Ryzen 9 5900X"),
]

_NO_DENSE = 'later: "instead of fully connected layers, [it] does not have them"'
# Found on a second reading. They are at the end, so that the ids of the others did not change.
_LATER_ROWS = [
    ("resnet50-scratch", "minutes", 24, "min", _RES_SCRATCH, "about; the 1,445 seconds in other words"),
    ("resnet50-finetune", "settling epoch", 10, "", "Fig. 13", 'prose: "decreasing rapidly in the first 10 epochs"'),
    ("vgg16-finetune", "spike epoch", 60, "", "Fig. 15", 'prose: "a significant spike around the 60th epoch"'),
    ("", "human accuracy", 65.5, "%", "discussion", "about"),
    ("", "published validation accuracy: VGGNet", 54.67, "%", _CONCLUSION, "contradicts Table 4"),
    ("", "ResNet50 seconds relative to VGG16", 2, "times", _TIMING, "more than; transfer learning and fine-tuning"),
    ("", "VGG16 convolutional layers", 4, "", _MODELS, 'of "the initial ImageNet model"; contradicts the thirteen'),
    ("", "VGG16 convolution blocks", 5, "", _MODELS, ""),
    ("", "VGG16 dense layers", 3, "", _MODELS, "two of 4,096 neurons and the last"),
    ("", "VGG16 wide dense layers", 2, "", _MODELS, "of 4,096 neurons each"),
    ("", "VGG16 filter size", 3, "pixels", _MODELS, "a side"),
    ("", "VGG16 convolution stride", 1, "pixels", _MODELS, 'printed as "a speed of 1"'),
    ("", "VGG16 pooling size", 2, "pixels", _MODELS, "a side"),
    ("", "VGG16 pooling stride", 2, "pixels", _MODELS, ""),
    ("", "ResNet50 convolutional layers", 49, "", _MODELS, ""),
    ("", "ResNet50 dense layers", 1, "", _MODELS, _NO_DENSE),
    ("", "ResNet50 stages", 5, "", _MODELS, ""),
    ("", "ResNet50 convolutions per block", 3, "", _MODELS, "1x1, 3x3, 1x1"),
    ("", "year of ResNet50", 2015, "", _MODELS, ""),
    ("", "year of FER-2013", 2013, "", "introduction", ""),
    ("", "Sarvakar et al.: convolutional layers", 6, "", _REVIEW, ""),
    ("", "Sarvakar et al.: pooling layers", 2, "", _REVIEW, ""),
    ("", "Sarvakar et al.: dense layers", 2, "", _REVIEW, ""),
    # Found on a third reading.
    ("", "VGG16 convolution blocks", 13, "", _MODELS, "contradicts the five; thirteen layers are meant"),
    ("", "VGG16 convolutions per block", 2, "", _MODELS, "two or three"),
    ("", "VGG16 convolutions per block", 3, "", _MODELS, "two or three"),
    ("", "year of Ekman's six expressions", 1971, "", _REVIEW, ""),
    ("", "first year of the publication trend", 2013, "", "Fig. 1", ""),
    ("", "last year of the publication trend", 2024, "", "Fig. 1", ""),
]


REPORTED = pd.DataFrame(
    _ARM_ROWS + _OTHER_ROWS + _LATER_ROWS, columns=["arm", "quantity", "value", "unit", "place", "note"]
).astype({"value": float})
REPORTED.insert(0, "id", [f"P{number:03d}" for number in range(1, len(REPORTED) + 1)])


def reported() -> pd.DataFrame:
    """Return a copy of the whole table, which the caller may change.

    Columns: id ("P001" and on), arm ("vgg16-scratch", ... or "" for no arm), quantity, value (float in its unit;
    accuracies in percent, as printed), unit ("%", "s", "nats", "images", ...), place (in the paper), note.
    """
    return REPORTED.copy()


def headline(arm) -> dict[str, float]:
    """Return the three numbers of an arm that the paper compares in its sections on comparison and training time.

    They are those of Table 6: training_accuracy and validation_accuracy, 0 to 1 as in ``metrics.json``, and seconds.
    Raises ValueError for an unknown arm.
    """
    if arm not in ARMS:
        raise ValueError(f"the paper has no arm {arm!r}: use one of {', '.join(ARMS)}")
    rows = REPORTED[REPORTED["arm"] == arm].set_index(["quantity", "place"])["value"]
    return {
        # Rounded, since 67.1 / 100 is not exactly 0.671 as a float.
        "training_accuracy": round(float(rows[_TRAINING, _COMPARISON]) / 100, 6),
        "validation_accuracy": round(float(rows[_VALIDATION, _COMPARISON]) / 100, 6),
        "seconds": float(rows["seconds", _TIMING]),
    }


def stated(arm, quantity) -> list[float]:
    """Return all values that the paper states for an arm ("" for no arm), in the order of ``reported``."""
    return REPORTED.loc[(REPORTED["arm"] == arm) & (REPORTED["quantity"] == quantity), "value"].tolist()


def epochs_and_size(arm) -> tuple[float, int]:
    """Return (epochs, pixels a side) of an arm's training; the planned epochs if the paper states no others."""
    epochs = (stated(arm, "epochs") or stated(arm, "epochs planned"))[0]
    return epochs, 48 if arm.endswith("scratch") else 224
