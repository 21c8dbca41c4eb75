"""Notebooks' cells run in this process, with the smallest network that they run with."""

import contextlib
import json

import keras
import pytest
import tensorflow

from fer_utils import models, runs
from fer_utils.models import layers


def one_convolution(architecture, size, channels, *_):
    """In a backbone's place: batch norm, since it has more than weights to remember, and a stage to unfreeze."""
    inputs = keras.Input((size, size, channels))
    features = layers.BatchNormalization()(keras.layers.Conv2D(4, 3, strides=4, name="block4_conv1")(inputs))
    return keras.Model(inputs, features, name=architecture)


@contextlib.contextmanager
def smallest_networks():
    """``one_convolution`` in the place of all backbones."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (models, models.classifier):
            patch.setattr(module, "build_backbone", one_convolution)
        yield


@contextlib.contextmanager
def eagerly():
    """Without tracing, which takes longer than all the steps of a few images."""
    tensorflow.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tensorflow.config.run_functions_eagerly(False)


class Kernel:
    """A notebook's cells up to `finish_run`, but for those that draw, and their namespace.

    given: parameter -> value; those that the notebook has are set before its run begins.
    """

    def __init__(self, stem, given):
        cells = json.loads((runs.PROJECT_ROOT / f"notebooks/{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        self.cells = [cell for cell in code if "plotting." not in cell]
        self.cells = self.cells[: self.place("finish_run") + 1]
        self.begin, self.identity = self.place("collect_parameters"), self.place("runs.identity(")
        self.fits, self.saves = self.places(".fit("), self.places("checkpoint.verify(model)")
        declared = runs.declared_parameters(stem)
        self.names, self.given = {}, {name: value for name, value in given.items() if name in declared}

    def place(self, word):
        """The number of the first cell that has a word in it."""
        return next(number for number, cell in enumerate(self.cells) if word in cell)

    def places(self, word):
        """The numbers of all cells that have a word in them, at least one."""
        return [number for number, cell in enumerate(self.cells) if word in cell] or [self.place(word)]

    def run(self, first=0, end=None, times=1):
        """Run the cells from `first` to before `end`, those that fit so many `times`."""
        for number in range(first, len(self.cells) if end is None else end):
            if number == self.begin:
                self.names.update(self.given)
            for _ in range(times if number in self.fits else 1):
                exec(self.cells[number], self.names)

    def files(self):
        """What lies in the run's folder: path -> bytes."""
        return {path: path.read_bytes() for path in self.names["folder"].rglob("*") if path.is_file()}

    def weights(self):
        return self.names["model"].get_weights()
