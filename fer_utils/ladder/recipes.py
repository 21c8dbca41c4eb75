"""Recipes: all settings of one training from scratch, and the ladder of recipes.

    read_recipe("crop")                            the recipe of the rung "crop"
    read_recipe("crop", "EPOCHS=60 WIDTH=0.5")     the same with two settings changed

The first rung is the paper's VGG16 from scratch, as profile `cpu` trains it. Each rung is one step from the rung
before it, even where that rung did not help. A step may change several settings, as a new optimizer needs its own rate;
then its description names all of them. Notebook 08 trains one recipe; ``results`` compares them.

No Keras here: a recipe is plain values, which can be printed and saved in a manifest.
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from fer_utils.names import CHOICES, HEADS, NETWORKS, RANGES, SCALES, SIDE, VIEWS, did_you_mean
from fer_utils.runs.parameters import problem_together

WORDS = {  # name -> allowed values of every text in a recipe except `sizes`
    "architecture": CHOICES["ARCHITECTURE"],
    "head": HEADS,
    "optimizer": ("adam", "sgd"),
    "schedule": ("plateau", "constant", "cosine"),
    "augmentation": CHOICES["AUGMENTATION"],
    "views": VIEWS,
}


class RecipeError(ValueError):
    """The name of a recipe or one of its values is not allowed; the message says what is."""


@dataclass(frozen=True)
class Recipe:
    """The settings of one training from scratch. Raises RecipeError for a value that is not allowed."""

    architecture: str = "vgg16"  # a name in backbones.BACKBONES
    width: float = 0.25  # channels relative to the published network
    head: str = "paper"  # or "batch_norm", the paper's for fine-tuning VGG16; or "average": pooling, one dense layer
    dropout: float = 0.5  # share of units dropped in the head
    input_size: int = 0  # pixels a side that the crop is resized to; 0 for no resizing
    sizes: str = ""  # input sizes for equal parts of the training, as in 24,32,40; predictions use the last
    optimizer: str = "adam"  # or "sgd", with Nesterov momentum of 0.9
    learning_rate: float = 5e-4  # the highest rate
    schedule: str = "plateau"  # halve on a plateau, as the paper; "constant"; or "cosine" down to 0 over all epochs
    warmup: float = 0.0  # epochs over which a cosine first rises from 0
    # Decoupled: each step subtracts learning_rate times this share of every kernel. With momentum of 0.9, this is ten
    # times the value usually quoted for L2 in the gradient, which momentum multiplies.
    weight_decay: float = 0.0
    label_smoothing: float = 0.0  # share of each label that is spread over all classes
    taught: float = 0.0  # share of each label that comes from the TEACHERS' predictions (``teaching``)
    voted: float = 0.0  # share of each label that comes from the votes of FER+'s ten people, which are other data
    augmentation: str = "paper"  # a name in models.AUGMENTATIONS: flip, rotation, shifts, shear, zoom
    crop: int = 0  # pixels a side of the centre crop, which the shifts move over the face in training; 0 for all
    # Pixels to predict on instead (Touvron et al. 2019, arXiv:1906.06423); 0 for `crop`. Not for VGG16: at 48
    # pixels, its last pooling drops features as it never does in training on 40.
    answer_crop: int = 0
    light: float = 0.0  # brightness changes, and contrast rises, by up to this share
    erasing: float = 0.0  # probability that a rectangle becomes noise
    mixup: float = 0.0  # Beta parameter for blending two images; 0 for no mixup
    cutmix: float = 0.0  # Beta parameter for the part of an image that another image replaces; 0 for no cutmix
    average: float = 0.0  # momentum of the moving average of the weights, which is used to predict; 0 for none
    # Views to average over. "flip": with the mirror image; "ten-crop": crops at corners and centre; "scales": 3 sizes.
    views: str = "single"
    batch_size: int = 64
    epochs: int = 6  # of a rung; a final candidate has more

    def __post_init__(self):
        for name, allowed in WORDS.items():
            if getattr(self, name) not in allowed:
                raise RecipeError(f"{name}={getattr(self, name)!r} is unknown: use one of {', '.join(allowed)}")
        for name, (low, high) in NUMBERS.items():
            if not low <= getattr(self, name) <= high:
                raise RecipeError(f"{name}={getattr(self, name)!r} must lie in [{low}, {high}]")
        if self.sizes and (self.head != "average" or not all(_is_size(word) for word in self.sizes.split(","))):
            raise RecipeError(f"sizes={self.sizes!r} must be pixels from 16 to 512, as in 24,32,40, with head=average")
        if len(self.sizes.split(",")) > self.epochs:
            raise RecipeError(f"sizes={self.sizes!r} needs an epoch for each size, but epochs={self.epochs}")
        if self.answer_crop and (self.head != "average" or self.input_size or self.sizes):
            raise RecipeError(f"answer_crop={self.answer_crop} needs head=average, and neither input_size nor sizes")
        least = NETWORKS[self.architecture].least_size
        smallest = min([size or self.crop or SIDE for size, _, _ in self.parts()] + [self.answer_size()])
        if smallest < least:
            raise RecipeError(f"{self.architecture} needs {least} pixels a side, but it would see {smallest}")
        if self.views not in self.possible_views():
            needs = {
                "ten-crop": f"a crop below the image's {SIDE} pixels, not {self.seen()}",
                "scales": f"head=average and, for {self.architecture}, {least} pixels at {SCALES[0]:.2f} of the size",
            }
            raise RecipeError(f"views={self.views!r} needs {needs[self.views]}")
        if narrow := problem_together({"ARCHITECTURE": self.architecture, "WIDTH": self.width}):
            raise RecipeError(narrow)
        if self.schedule == "cosine" and self.warmup >= self.epochs:
            raise RecipeError(f"warmup={self.warmup} leaves none of epochs={self.epochs} for the cosine: give less")
        if self.average and self.schedule == "plateau":
            raise RecipeError("average needs another schedule: plateau restores the best epoch's own weights")
        if self.taught and self.voted:
            raise RecipeError("taught and voted exclude each other: set one of them to 0")
        if self.mixup and self.cutmix:
            raise RecipeError("mixup and cutmix exclude each other: set one of them to 0")

    def seen(self):
        """Pixels a side of the centre crop for predictions, before any resizing."""
        return self.answer_crop or self.crop or SIDE

    def answer_size(self):
        """Pixels a side that the centre crop is resized to for predictions."""
        return int(self.sizes.split(",")[-1]) if self.sizes else self.input_size or self.seen()

    def possible_views(self):
        """The names in VIEWS that this recipe's network can predict with: list of str."""
        too_small = round(SCALES[0] * self.answer_size()) < NETWORKS[self.architecture].least_size
        unfit = {"ten-crop": self.seen() == SIDE, "scales": self.head != "average" or too_small}
        return [kind for kind in VIEWS if not unfit.get(kind)]

    def parts(self):
        """The parts of the training: list of (pixels a side, first epoch, epoch after the last), from epoch 0."""
        sizes = [int(word) for word in self.sizes.split(",")] if self.sizes else [self.input_size]
        ends = [round(self.epochs * (index + 1) / len(sizes)) for index in range(len(sizes))]
        return list(zip(sizes, [0, *ends], ends, strict=False))

    def augmentation_ranges(self, named):
        """The augmentation for ``models.build_classifier``: dict. named: models.AUGMENTATIONS."""
        further = {"brightness": self.light, "contrast": self.light, "erasing": self.erasing}
        return named[self.augmentation] | {name: value for name, value in further.items() if value}


def _is_size(word):
    return word.isdecimal() and len(word) <= 4 and 16 <= int(word) <= 512


# name -> (least, largest) for every number in a recipe; the same as the notebooks' ranges where these exist
NUMBERS = {
    **{name: RANGES[name.upper()] for name in ("width", "dropout", "learning_rate", "batch_size", "epochs")},
    "input_size": (0, 512),
    "warmup": (0.0, 100.0),
    "weight_decay": (0.0, 1.0),
    "label_smoothing": (0.0, 0.9),
    "taught": (0.0, 1.0),
    "voted": (0.0, 1.0),
    "crop": (0, SIDE),
    "answer_crop": (0, SIDE),
    "light": (0.0, 1.0),
    "erasing": (0.0, 1.0),
    "mixup": (0.0, 10.0),
    "cutmix": (0.0, 10.0),
    "average": (0.0, 0.99999),
}


class Rung(NamedTuple):
    """A step of the ladder. name: RECIPE of notebook 08. change: in words. settings: the changed settings.

    same_run: it averages other views with the network of the rung before, so nothing is trained for it.
    """

    name: str
    change: str
    settings: dict
    same_run: bool = False


LADDER = (
    Rung("vgg16", "the paper's VGG16 from scratch, at a quarter of its width", {}),
    Rung("batch-norm", "+ batch norm after every convolution", {"architecture": "vgg16bn"}),
    Rung("average-head", "+ average pooling instead of two wide dense layers", {"head": "average"}),
    Rung("cosine", "+ a cosine schedule from 0.001, instead of 0.0005 halved on plateaus",
         {"schedule": "cosine", "learning_rate": 1e-3, "warmup": 1.0}),
    Rung("sgd", "+ SGD with Nesterov momentum, at a rate of 0.05, instead of Adam",
         {"optimizer": "sgd", "learning_rate": 0.05}),
    Rung("weight-decay", "+ weight decay", {"weight_decay": 5e-3}),
    Rung("label-smoothing", "+ label smoothing", {"label_smoothing": 0.1}),
    Rung("deepcnn", "+ ten convolutions in four stages, not 13 in five; twice as wide",
         {"architecture": "deepcnn", "width": 0.5}),
    Rung("crop", "+ random crops of 40 pixels", {"crop": 40}),
    Rung("light", "+ brightness, and higher contrast", {"light": 0.2}),
    Rung("erasing", "+ random erasing", {"erasing": 0.5}),
    Rung("mixup", "+ mixup", {"mixup": 0.2}),
    Rung("average", "+ a moving average of the weights", {"average": 0.998}),
    Rung("flip", "+ averaged with the mirror image", {"views": "flip"}, same_run=True),
    Rung("ten-crop", "+ four corners and the centre, and their mirror images", {"views": "ten-crop"}, same_run=True),
    Rung("whole-face", "+ crops in training only: two views, of the whole face", {"answer_crop": 48, "views": "flip"}),
    Rung("scales", "+ at 11/12, 1 and 13/12 of its size", {"views": "scales"}, same_run=True),
)  # fmt: skip
NAMES = tuple(rung.name for rung in LADDER)


def path(name):
    """Return the rungs below the rung `name`, lowest first, and itself. Raises RecipeError for an unknown name."""
    if name not in NAMES:
        raise RecipeError(f"RECIPE={name!r} is unknown{did_you_mean(name, NAMES)}")
    return list(LADDER[: NAMES.index(name) + 1])


def network_of(name):
    """Return the rung whose network the rung `name` predicts with: itself, unless it only adds views."""
    return next(rung.name for rung in reversed(path(name)) if not rung.same_run)


def read_recipe(name, changes=""):
    """Return the recipe of a rung with `changes`, such as "epochs=60 width=0.5". Raises RecipeError."""
    fields = {field.name: field.default for field in dataclasses.fields(Recipe)}
    settings = {setting: value for step in path(name) for setting, value in step.settings.items()}
    changed = set()
    for word in str(changes).split():
        if len(word) > 200:
            raise RecipeError(f"CHANGES: '{word[:40]}...' is too long for a setting: give name=value")
        key, _, text = word.partition("=")
        key = key.lower()
        if key not in fields:
            raise RecipeError(f"CHANGES: {word!r} names no setting of a recipe{did_you_mean(key, fields)}")
        if key in changed:
            raise RecipeError(f"CHANGES: {key} is given twice: give it once")
        changed.add(key)
        kind = type(fields[key])  # str, int or float
        try:
            settings[key] = kind(text)
        except ValueError:
            needed = "a whole number" if kind is int else "a number"
            raise RecipeError(f"CHANGES: {key}={text!r} must be {needed}") from None
    return Recipe(**settings)


def run_name(name, changes="", given="", without="none"):
    """Return the name of a run: the one `given`, else the rung's.

    Raises RecipeError for a recipe with changes, or with TRAIN_WITHOUT (`without`), that has no name of its own, and
    for a rung that only adds views: the ladder shows these with the network of a rung below.
    """
    if not given and not str(changes).strip() and without == "none":
        if (network := network_of(name)) != name:
            raise RecipeError(f"RECIPE={name!r} only adds views to another rung's network: give RECIPE={network!r}")
        return name
    if not given or given in NAMES or not all(letter.isalnum() or letter in "-_." for letter in given):
        raise RecipeError(
            f"NAME={given!r}: a recipe with CHANGES or TRAIN_WITHOUT needs a name of its own, of letters, digits, "
            "'-', '_' and '.', that no rung of the ladder has"
        )
    return given


def answer_name(split, views):
    """Return the name of a split's predictions in a run's files: "validation", or "validation-flip" with more views."""
    return split if views == "single" else f"{split}-{views}"


def as_dict(recipe):
    """Return all settings of a recipe: name -> value."""
    return dataclasses.asdict(recipe)


def settings_table(name, changes=""):
    """Return every setting of a recipe, its value, and the rung (or "CHANGES") that introduced it: DataFrame."""
    recipe = as_dict(read_recipe(name, changes))
    origin = {setting: step.name for step in path(name) for setting in step.settings}
    for word in str(changes).split():
        origin[word.partition("=")[0].lower()] = "CHANGES"
    rows = [(key, value, origin.get(key, "")) for key, value in recipe.items()]
    return pd.DataFrame(rows, columns=["setting", "value", "rung"]).set_index("setting")
