"""The cells of a notebook in one namespace, in orders that a kernel allows: what is saved is what was declared.

Networks and data are the smallest that the cells run with, and cells that draw are left out.
"""

import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow

from fer_utils import backbones, data, models, runs, source, training, views

SHARED = {"ARCHITECTURE": "deepcnn", "EPOCHS": 2, "WEIGHTS": "imagenet", "AUGMENTATION": "none", "PRECISION": "float32"}
OWN = {
    "02_pretrain_backbone": {},
    "03_train_from_scratch": {},
    "04_transfer_learning": {},
    "05_fine_tuning": {"HEAD_EPOCHS": 1},
    "08_beyond_the_paper": {"NAME": "tiny", "CHANGES": "epochs=2 sizes=24,40 head=average augmentation=none"},
}
LATER = {"08_beyond_the_paper": ("CHANGES", "epochs=3")}  # what is set in a cell of one's own; else of EPOCHS


def one_convolution(architecture, size, channels, *_):
    inputs = keras.Input((size, size, channels))
    features = backbones.BatchNormalization()(keras.layers.Conv2D(4, 3, strides=4, name="block4_conv1")(inputs))
    return keras.Model(inputs, features, name=architecture)


@pytest.fixture(autouse=True)
def smallest(monkeypatch, pixels):
    labels = (np.arange(42) % 7).astype("uint8")
    faces = data.Faces(pixels, labels, np.repeat(data.USAGES, 14), np.arange(42))
    monkeypatch.setattr(data, "load_fer2013", lambda _path: faces)
    monkeypatch.setattr(source, "load_source", lambda *_: (pixels, np.arange(42) % 2, ["a", "b"]))
    monkeypatch.setattr(models, "build_backbone", one_convolution)
    monkeypatch.setattr(views, "predict", lambda _model, images, *_: np.full((len(images), 7), 1 / 7, np.float32))
    warnings.filterwarnings("ignore", "Even though the", UserWarning)  # of tf.data, which stays as it is
    tensorflow.config.run_functions_eagerly(True)  # tracing takes longer than all the steps
    yield
    tensorflow.config.run_functions_eagerly(False)


class Kernel:
    """A notebook's cells and their namespace."""

    def __init__(self, stem, output_dir):
        cells = json.loads((runs.PROJECT_ROOT / f"notebooks/{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        self.cells = [cell for cell in code if "plotting." not in cell]
        self.cells = self.cells[: self.place("finish_run") + 1]
        self.begin, self.fit, self.save = (self.place(word) for word in ("start_run", "Checkpoint(", "finish_run"))
        declared = runs.declared_parameters(stem)
        given = {**SHARED, **OWN[stem], "OUTPUT_DIR": str(output_dir)}
        self.names, self.given = {}, {name: value for name, value in given.items() if name in declared}

    def place(self, word):
        """The number of the first cell that has a word in it."""
        return next(number for number, cell in enumerate(self.cells) if word in cell)

    def run(self, first=0, end=None, times=1):
        """Run the cells from `first` to before `end`, those that fit so many `times`."""
        for number in range(first, len(self.cells) if end is None else end):
            if number == self.begin:
                self.names.update(self.given)
            for _ in range(times if ".fit(" in self.cells[number] else 1):
                exec(self.cells[number], self.names)

    def files(self):
        """What lies in the run's folder: path -> bytes."""
        return {path: path.read_bytes() for path in self.names["folder"].rglob("*") if path.is_file()}

    def weights(self):
        return self.names["model"].get_weights()


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("stem", OWN)
def test_what_is_kept_is_what_the_manifest_says(stem, tmp_path):
    kernel = Kernel(stem, tmp_path)
    kernel.run()
    once = kernel.weights()
    kernel.run(times=2)  # all cells again, and those that fit twice
    assert_equal(kernel.weights(), once)
    assert kernel.names["recorder"].frame()["epoch"].tolist() == [1, 2]
    kept = kernel.files()
    assert {path.name for path in kept} >= {"manifest.json", "metrics.json", "history.csv"}
    fits = [number for number, cell in enumerate(kernel.cells) if ".fit(" in cell]
    for number in {kernel.fit, *fits}:
        with pytest.raises(runs.RunError, match="this run is finished, .*Restart the kernel and run all cells"):
            kernel.run(number)
    name, value = LATER.get(stem, ("EPOCHS", 6))
    kernel.names[name] = value
    for number in (kernel.fit, kernel.save):
        with pytest.raises(runs.RunError, match=f"{name} was .* when the run began and is {value!r} now.*Restart"):
            kernel.run(number)
    assert kernel.files() == kept
    assert_equal(kernel.weights(), once)


def test_a_training_that_was_broken_off_is_not_saved_and_goes_on(tmp_path, monkeypatch):
    kernel, through = Kernel("05_fine_tuning", tmp_path / "a"), Kernel("05_fine_tuning", tmp_path / "b")
    through.run()
    kernel.given["EPOCHS"] = through.given["EPOCHS"] = 2
    begin = training.RecordHistory.on_epoch_begin

    def interrupted(recorder, epoch, logs=None):
        begin(recorder, epoch, logs)
        if recorder.phase == "unfrozen":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training.RecordHistory, "on_epoch_begin", interrupted)
        kernel.run()
    with pytest.raises(runs.RunError, match="1 of 2 epochs are behind it"):
        kernel.run(kernel.save - 1)
    assert not list(tmp_path.glob("a/*/model.keras"))
    kernel.run(kernel.place("unfreeze_from"))
    assert_equal(kernel.weights(), through.weights())


def test_another_model_than_the_trained_one_is_not_saved(tmp_path):
    kernel = Kernel("03_train_from_scratch", tmp_path)
    build = kernel.place("build_classifier")
    kernel.run(end=kernel.fit)
    kernel.names["model"].fit(kernel.names["train"].images, kernel.names["train"].labels, verbose=0)
    with pytest.raises(runs.RunError, match="has been trained before, and `fit` would go on"):
        kernel.run(kernel.fit)
    kernel.run(end=kernel.fit + 1)
    kernel.names["model"].fit(kernel.names["train"].images, kernel.names["train"].labels, verbose=0)
    with pytest.raises(runs.RunError, match="since it was trained on afterwards"):
        kernel.run(kernel.fit + 1)
    kernel.run(build, kernel.fit)
    with pytest.raises(runs.RunError, match="since it is not the one that was trained"):
        kernel.run(kernel.fit + 1)
    assert not list(tmp_path.glob("*/model.keras"))
    kernel.run(kernel.begin, kernel.begin + 1)
    with pytest.raises(runs.RunError, match="`model` was made before the run began"):
        kernel.run(kernel.fit)
