"""What a study will cost, before anything starts: device hours and gigabytes, from measured rates.

    costs = [estimate(run, study) for run in study.runs()]
    print(summary(costs, jobs=2, device="cpu"))

An estimate, meant to tell an hour from a week: the multiply-adds of the convolutions, times images and epochs, over
what a device was measured to do of them a second. No Keras here, since a plan is printed in no time.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fer_utils.command_line import duration
from fer_utils.ladder.recipes import read_recipe
from fer_utils.names import USAGE_COUNTS

SAMPLE_IMAGES = 4800  # of its Training
SOURCE_IMAGES = 4000  # of the sample's source task
TINY_IMAGENET = 100_000  # what a source that is not there yet is taken for


class Work(NamedTuple):
    """What a network costs at full width.

    multiply_adds: of one image and pixel through its convolutions; with width squared for narrower ones. parameters:
    with the paper's head. cpu, gpu: multiply-adds a second in training, all three passes counted, of one core and of
    one H200.
    """

    multiply_adds: float
    parameters: float
    cpu: float
    gpu: float


# Rates. "cpu": half of what two threads did (AMD EPYC with AVX-512, TensorFlow 2.21, float32: VGG16 835 and ResNet50
# 511 images of 48 pixels a second at a quarter of the width, the deep CNN 316 crops of 40 at half, one short run each;
# the small CNN 953 crops on an Intel Xeon). Those of vgg16bn and efficientnetb0 are guesses. "gpu": under JAX in
# bfloat16, one short run each: VGG16 22,477 images a second in batches of 64, the deep CNN 60,445 crops of 40 in
# batches of 256. ResNet50's, efficientnetb0's and smallcnn's were not measured: a quarter of that, and less.
WORK = {
    "vgg16": Work(305e3, 33.6e6, cpu=55e9, gpu=4.7e13),
    "resnet50": Work(80e3, 23.9e6, cpu=10e9, gpu=2e13),
    "vgg16bn": Work(305e3, 33.6e6, cpu=45e9, gpu=4.7e13),
    "deepcnn": Work(277e3, 7.6e6, cpu=52e9, gpu=8e13),
    "smallcnn": Work(14e3, 0.09e6, cpu=32e9, gpu=1e13),
    "efficientnetb0": Work(9.2e3, 4.1e6, cpu=4e9, gpu=5e12),
}
BASIS = {"cpu": "rates measured on two cores", "gpu": "rates measured on an H200 for VGG16 and the deep CNN"}
PASSES = {"02": 3, "03": 3, "04": 1, "05": 2.5, "08": 3}  # forward and twice that backward; 04 does not go back
START = 25  # seconds until a notebook's first step; all there is in one that trains nothing
MEMORY = 1.2e9  # bytes of one process at a quarter of the width
BYTES_KEPT = 12  # a parameter, in model.keras with what Adam remembers of it


@dataclass(frozen=True)
class Cost:
    """One run's: multiply-adds in training, of which architecture, and bytes that it leaves."""

    name: str
    architecture: str
    multiply_adds: float
    size: float

    def seconds(self, device="cpu"):
        """On one core ("cpu") or one "gpu"."""
        return START + (self.multiply_adds / getattr(WORK[self.architecture], device) if self.architecture else 0)


def estimate(run, study):
    """The ``Cost`` of a ``study.PlannedRun`` of a ``study.Study``."""
    given = {**study.declared[run.notebook], **run.parameters}
    passes = PASSES.get(run.notebook[:2])
    if passes is None:
        return Cost(run.name, "", 0.0, 1e6)
    if "RECIPE" in given:
        recipe = read_recipe(given["RECIPE"], given["CHANGES"])
        architecture, width, epochs = recipe.architecture, recipe.width, recipe.epochs
        pixels = sum((size or recipe.crop or 48) ** 2 * (end - first) for size, first, end in recipe.parts()) / epochs
    else:
        architecture, width = given["ARCHITECTURE"], given["WIDTH"]
        # Of stored features, the backbone sees each image as often as there are copies.
        epochs, pixels = given.get("FEATURE_COPIES") or given["EPOCHS"], given.get("INPUT_SIZE", 48) ** 2
    width = 1.0 if architecture == "efficientnetb0" else width
    work = WORK[architecture].multiply_adds * width**2 * pixels * passes * epochs * _images(given)
    return Cost(run.name, architecture, work, 1e6 + BYTES_KEPT * WORK[architecture].parameters * width**2)


def _images(given):
    """Training images of a run."""
    if "SOURCE" in given:
        source = given["SOURCE"]
        count = SOURCE_IMAGES if source == "sample" else _files(source) or TINY_IMAGENET
    else:
        count = SAMPLE_IMAGES if given["DATA"] in ("", "sample") else USAGE_COUNTS["Training"]
    return min(count, given.get("MAX_IMAGES") or count)


@cache
def _files(source):
    return sum(1 for _ in Path(source).glob("*/**/*.*"))


def summary(costs, jobs, device="cpu", cores=1):
    """A paragraph for the terminal: runs, device hours, wall clock with `jobs` at once, memory and disk.

    cores: of a run, where device is "cpu". The wall clock is what the longest run allows, and the order in which
    Snakemake starts runs may cost some more.
    """
    in_all, wall = sum(cost.seconds(device) for cost in costs), _wall(costs, jobs, device, cores)
    return (
        f"Cost, from {BASIS[device]}: {len(costs)} runs, "
        f"{duration(in_all)} of a {'core' if device == 'cpu' else 'GPU'} in all, "
        f"{duration(wall)} with {jobs} at once; {_bytes(jobs * MEMORY)} of memory at a quarter of the full width, "
        f"{_bytes(sum(cost.size for cost in costs))} of disk."
    )


def _wall(costs, jobs, device="cpu", cores=1):
    """Seconds until all runs are through, `jobs` at once: their sum shared out, and no less than the longest."""
    per_run = [START + (cost.seconds(device) - START) / (cores if device == "cpu" else 1) for cost in costs]
    return max(max(per_run), sum(per_run) / jobs)


def _bytes(count):
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
