"""What the notebooks' parameters may be: checked where they come in, before a run's folder is made or a profile starts.

Papermill and profiles take any value, and much that makes no sense would only show after the data are loaded, or never:
a learning rate of -1 trains, for hours. Names of rungs and their settings are checked in ``recipes``.
"""

import os
import re
import weakref

from fer_utils.project import PROJECT_ROOT

# No Keras here: whoever plans runs need not wait for it. A test holds the architectures and augmentations against the
# tables of their modules; the other modules take their names from here.
ARCHITECTURES = ("vgg16", "resnet50", "vgg16bn", "deepcnn", "efficientnetb0")
CHOICES = {
    "PROTOCOL": ("official", "paper"),
    "ARCHITECTURE": ARCHITECTURES,
    "PREPROCESSING": ("rescale", "imagenet"),
    "AUGMENTATION": ("none", "flip", "paper"),
    "CLASS_WEIGHTS": ("none", "balanced"),
    "PRECISION": ("auto", "float32", "mixed_bfloat16", "mixed_float16"),
}
RANGES = {  # name -> (least, largest), both allowed
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
    "UNFREEZE_FROM": (1, 5),
    "DROPOUT": (0.0, 0.95),
    "PLATEAU_PATIENCE": (1, 10_000),
    "STOP_PATIENCE": (1, 10_000),
    "STOP_ACCURACY": (0.001, 1.0),
    "THRESHOLD": (0.001, 1.0),
}
WITHOUT_STAGES = ("efficientnetb0",)  # its seven blocks are not the five stages that HEAD_STAGE counts
LEAST_SIZES = {name: 8 if name == "deepcnn" else 32 for name in ARCHITECTURES}  # pixels that survive the halvings
# TensorFlow's CPU kernels for ResNet50's strided 1x1 convolutions write out of bounds with fewer than 16 channels
# coming in, which ends the process or spoils its heap (TensorFlow 2.21: oneDNN's jit_1x1:avx512_core, the gradient of
# the weights, odd batches).
LEAST_WIDTHS = {"resnet50": 16 / 256}
KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "a dict"}

MADE = ("model", "splits", "train_images")  # what notebooks call the things that they make as the parameters say


class Collected(dict):
    """A notebook's parameters, name -> value, which can tell whether the notebook still goes by them.

    Cells can be run in any order: a parameter that is set after the run has begun, or a model that is left from before,
    makes a training that these values do not describe. namespace: the notebook's `globals()`.
    """

    def __init__(self, values, namespace):
        super().__init__(values)
        self._namespace = namespace
        self._declared = {name: namespace[name] for name in values}  # a path as it was given, where `values` has text
        there = {name: namespace[name] for name in MADE if name in namespace}
        self._left = {name: weakref.ref(made) for name, made in there.items() if type(made).__weakrefoffset__}

    def departure(self):
        """The first thing in the notebook that these values do not describe, in words; "" where there is none."""
        for name, value in self._declared.items():
            if self._namespace.get(name) != value:
                return f"{name} was {_short(value)} when the run began and is {_short(self._namespace.get(name))} now"
        for name, left in self._left.items():
            if name in self._namespace and self._namespace[name] is left():
                return f"`{name}` was made before the run began"
        return ""


def expand_path(path):
    """`path` as text, ~ and $VARIABLES of the environment filled in.

    What is unknown of them stays as it stands, and so does a path at which there is something: $ may be part of a name.
    """
    text = os.path.expanduser(os.fspath(path))
    return text if os.path.exists(PROJECT_ROOT / text) else os.path.expandvars(text)


def unknown_in_path(path):
    """The first ~ or $VARIABLE of a path that stands for nothing here; "" for none."""
    found = re.search(r"^~[^/]*|\$(\w+|\{[^}]*\})", expand_path(path))
    return found[0] if found else ""


def problem(name, value, default):
    """What is wrong with a parameter's value and what it may be, in words; "" where nothing is.

    default: the notebook's own, whose type says what the value has to be; None allows any. Of what has a range, the
    range says it, since whoever edits the cell may have changed the default itself.
    """
    kind = RANGES[name][0] if name in RANGES else default
    if kind is not None and not _is_of_kind(value, kind):
        return f"{name}={_short(value)} makes no sense: give {KINDS[type(kind)]}"
    if name in CHOICES and value not in CHOICES[name]:
        return f"{name}={_short(value)} is unknown: use one of {', '.join(map(repr, CHOICES[name]))}"
    if name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:  # NaN lies nowhere
        low, high = RANGES[name]
        return f"{name}={_short(value)} makes no sense: give {KINDS[type(kind)]} from {low} to {high}"
    if name == "OUTPUT_DIR" and not str(value or "").strip():
        return "OUTPUT_DIR is empty: give the folder for the runs, such as 'outputs/interactive'"
    if isinstance(value, str) and "\0" in value:
        return f"{name}={_short(value)} holds a character that no path can have: give it without"
    if name == "OUTPUT_DIR" and (unknown := unknown_in_path(value)):  # a folder of that name would be made
        return f"OUTPUT_DIR={_short(value)}: {unknown} stands for nothing here: write out what it should stand for"
    return ""


def problem_together(values):
    """What is wrong with parameters that do not fit together, in words; "" where nothing is. values: name -> value."""
    size, least = values.get("INPUT_SIZE"), LEAST_SIZES.get(values.get("ARCHITECTURE"), 0)
    if size is not None and size < least:
        halvings = f"{values['ARCHITECTURE']} halves the image {least.bit_length() - 1} times"
        return f"INPUT_SIZE={size} is too small, since {halvings}: give {least} or more"
    width, narrowest = values.get("WIDTH"), LEAST_WIDTHS.get(values.get("ARCHITECTURE"), 0)
    if width is not None and width < narrowest:
        return (
            f"WIDTH={width} is too narrow for {values['ARCHITECTURE']}, whose training crashes TensorFlow on CPUs with "
            f"fewer than 16 channels: give {narrowest} or more"
        )
    if values.get("HEAD_EPOCHS", 0) >= values.get("EPOCHS", 1):
        return (
            f"HEAD_EPOCHS={values['HEAD_EPOCHS']} leaves none of EPOCHS={values['EPOCHS']} to what is unfrozen: "
            "give fewer, or more EPOCHS"
        )
    stage, first = values.get("HEAD_STAGE", 5), values.get("UNFREEZE_FROM", 1)
    if first > stage:
        return (
            f"UNFREEZE_FROM={first} leaves nothing to unfreeze, since HEAD_STAGE={stage} ends the backbone there: give "
            f"{stage} or less, or a later HEAD_STAGE"
        )
    if stage < 5 and values.get("ARCHITECTURE") in WITHOUT_STAGES:
        return f"HEAD_STAGE={stage} is not for {values['ARCHITECTURE']}, which has no such stages: give 5, all of it"
    return ""


def _is_of_kind(value, default):
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, str):
        return isinstance(value, str | os.PathLike)
    return isinstance(value, type(default))


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
