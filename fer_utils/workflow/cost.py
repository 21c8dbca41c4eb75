"""Estimate the cost of a study before it starts: device hours and gigabytes, from measured rates.

The estimate is rough: it distinguishes an hour from a week. It multiplies the multiply-adds of the convolutions by
images and epochs, and divides by a device's measured rate. No Keras is imported, so a plan is printed at once.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from fer_utils.command_line import duration
from fer_utils.ladder.recipes import read_recipe
from fer_utils.names import USAGE_COUNTS
from fer_utils.project import resolve

SAMPLE_IMAGES = 4800  # Training images of the sample
SOURCE_IMAGES = 4000  # images of the sample's source task
TINY_IMAGENET = 100_000  # images assumed for a SOURCE that does not exist yet


class Work(NamedTuple):
    """The cost of a network at full width.

    multiply_adds: in the convolutions, per pixel of one image; narrower networks need width squared times as many.
    parameters: with the paper's head. cpu, gpu: multiply-adds a second of one core and of one H200 in training, with
    all three passes counted.
    """

    multiply_adds: float
    parameters: float
    cpu: float
    gpu: float


# How the rates were measured: one short run each.
# "cpu": half the rate of two threads of an AMD EPYC with AVX-512 (TensorFlow 2.21, float32). VGG16 trained on 835 and
# ResNet50 on 511 images of 48 pixels a second (quarter width), the deep CNN on 316 crops of 40 (half width); the small
# CNN on 953 crops, on an Intel Xeon. The rates of vgg16bn and efficientnetb0 are guesses.
# "gpu": JAX in bfloat16. VGG16 trained on 22,477 images a second in batches of 64, the deep CNN on 60,445 crops of 40
# in batches of 256. ResNet50, efficientnetb0 and smallcnn were not measured: a quarter of that, or less.
WORK = {
    "vgg16": Work(305e3, 33.6e6, cpu=55e9, gpu=4.7e13),
    "resnet50": Work(80e3, 23.9e6, cpu=10e9, gpu=2e13),
    "vgg16bn": Work(305e3, 33.6e6, cpu=45e9, gpu=4.7e13),
    "deepcnn": Work(277e3, 7.6e6, cpu=52e9, gpu=8e13),
    "smallcnn": Work(14e3, 0.09e6, cpu=32e9, gpu=1e13),
    "efficientnetb0": Work(9.2e3, 4.1e6, cpu=4e9, gpu=5e12),
}
BASIS = {"cpu": "rates measured on two cores", "gpu": "rates measured on an H200 for VGG16 and the deep CNN"}
PASSES = {"02": 3, "03": 3, "04": 1, "05": 2.5, "08": 3}  # in forward passes; a backward one costs two, 04 has none
START = 25  # seconds until a notebook's first training step; the whole cost of a notebook that trains nothing
MEMORY = 1.2e9  # bytes of one process at a quarter of the width
BYTES_KEPT = 12  # bytes per parameter in model.keras, with Adam's two averages


@dataclass(frozen=True)
class Cost:
    """The cost of one run. architecture: "" for a run without training. size: bytes of the files that it leaves."""

    name: str
    architecture: str
    multiply_adds: float
    size: float

    def seconds(self, device="cpu"):
        """Seconds on one core ("cpu") or one "gpu"."""
        if not self.architecture:
            return START
        return START + self.multiply_adds / getattr(WORK[self.architecture], device)


def estimate(run, study):
    """Return the ``Cost`` of a ``study.PlannedRun`` of a ``study.Study``."""
    given = {**study.declared[run.notebook], **run.parameters}
    passes = PASSES.get(run.notebook[:2])
    if passes is None:
        return Cost(run.name, "", 0.0, 1e6)
    if "RECIPE" in given:
        recipe = read_recipe(given["RECIPE"], given["CHANGES"])
        architecture, width, epochs = recipe.architecture, recipe.width, recipe.epochs
        # The mean over epochs, since a recipe may train on several sizes.
        pixels = sum((size or recipe.crop or 48) ** 2 * (end - first) for size, first, end in recipe.parts()) / epochs
    else:
        architecture, width = given["ARCHITECTURE"], given["WIDTH"]
        # With stored features, the backbone sees each image once per copy, not once per epoch.
        epochs = given.get("FEATURE_COPIES") or given["EPOCHS"]
        pixels = given.get("INPUT_SIZE", 48) ** 2
    width = 1.0 if architecture == "efficientnetb0" else width
    work = WORK[architecture].multiply_adds * width**2 * pixels * passes * epochs * _images(given)
    return Cost(run.name, architecture, work, 1e6 + BYTES_KEPT * WORK[architecture].parameters * width**2)


def _images(given):
    """The number of training images of a run. given: its parameters."""
    if "SOURCE" in given:
        source = given["SOURCE"]
        count = SOURCE_IMAGES if source == "sample" else _files(source) or TINY_IMAGENET
    else:
        count = SAMPLE_IMAGES if given["DATA"] in ("", "sample") else USAGE_COUNTS["Training"]
    return min(count, given.get("MAX_IMAGES") or count)


@cache
def _files(source):
    return sum(1 for _ in resolve(source).glob("*/**/*.*"))


def summary(costs, jobs, device="cpu", cores=1):
    """Return a paragraph for the terminal: runs, device hours, wall clock with `jobs` at once, memory and disk.

    cores: of the machine, for device "cpu". The wall clock is a lower limit: the order in which Snakemake starts the
    runs may take longer.
    """
    total = sum(cost.seconds(device) for cost in costs)
    wall = _wall(costs, jobs, device, cores)
    return (
        f"Cost, from {BASIS[device]}: {len(costs)} runs, "
        f"{duration(total)} of a {'core' if device == 'cpu' else 'GPU'} in all, "
        f"{duration(wall)} with {jobs} at once; {_bytes(jobs * MEMORY)} of memory at a quarter of the full width, "
        f"{_bytes(sum(cost.size for cost in costs))} of disk."
    )


def _wall(costs, jobs, device="cpu", cores=1):
    """Seconds until all runs are finished, `jobs` at once: their sum over `jobs`, but at least the longest run.

    More jobs than cores are no faster than one for each core.
    """
    at_once, threads = (min(jobs, cores), max(1, cores // jobs)) if device == "cpu" else (jobs, 1)
    per_run = [START + (cost.seconds(device) - START) / threads for cost in costs]
    return max(max(per_run), sum(per_run) / at_once)


def _bytes(count):
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
