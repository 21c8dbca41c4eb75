"""The cells of a notebook in one namespace, in orders that a kernel allows: what is saved is what was declared.

Networks and data are the smallest that the cells run with, and cells that draw are left out.
"""

import warnings

import numpy as np
import pytest
from cells import Kernel, eagerly, smallest_networks

from fer_utils import data, runs, training
from fer_utils.data import source_task
from fer_utils.models import tta

SHARED = {"ARCHITECTURE": "deepcnn", "EPOCHS": 2, "WEIGHTS": "imagenet", "AUGMENTATION": "none", "PRECISION": "float32"}
OWN = {
    "02_pretrain_backbone": {},
    "03_train_from_scratch": {},
    "04_transfer_learning": {},
    "05_fine_tuning": {"HEAD_EPOCHS": 1},
    "08_beyond_the_paper": {"NAME": "tiny", "CHANGES": "epochs=2 sizes=24,40 head=average augmentation=none"},
}
LATER = {"08_beyond_the_paper": ("CHANGES", "epochs=3")}  # what is set in a cell of one's own; else of EPOCHS


@pytest.fixture(autouse=True)
def smallest(monkeypatch, pixels):
    labels = (np.arange(42) % 7).astype("uint8")
    faces = data.Faces(pixels, labels, np.repeat(data.USAGES, 14), np.arange(42))
    monkeypatch.setattr(data, "load_fer2013", lambda _path: faces)
    monkeypatch.setattr(source_task, "load_source", lambda *_: (pixels, np.arange(42) % 2, ["a", "b"]))
    monkeypatch.setattr(tta, "predict", lambda _model, images, *_: np.full((len(images), 7), 1 / 7, np.float32))
    warnings.filterwarnings("ignore", "Even though the", UserWarning)  # of tf.data, which stays as it is
    with smallest_networks(), eagerly():
        yield


def kernel_of(stem, output_dir):
    return Kernel(stem, {**SHARED, **OWN[stem], "OUTPUT_DIR": str(output_dir)})


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("stem", OWN)
def test_what_is_kept_is_what_the_manifest_says(stem, tmp_path):
    kernel = kernel_of(stem, tmp_path)
    kernel.run()
    once = kernel.weights()
    kernel.run(times=2)  # all cells again, and those that fit twice
    assert_equal(kernel.weights(), once)
    assert kernel.names["recorder"].frame()["epoch"].tolist() == [1, 2]
    kept = kernel.files()
    assert {path.name for path in kept} >= {"manifest.json", "metrics.json", "history.csv"}
    for number in (kernel.identity, *kernel.fits):
        with pytest.raises(runs.RunError, match="this run is finished, .*Restart the kernel and run all cells"):
            kernel.run(number)
    name, value = LATER.get(stem, ("EPOCHS", 6))
    kernel.names[name] = value
    assert kernel.saves[-1] == kernel.place("finish_run")
    for number in (kernel.identity, kernel.place("save_manifest("), *kernel.saves):
        with pytest.raises(runs.RunError, match=f"{name} was .* when the run began and is {value!r} now.*Restart"):
            kernel.run(number)
    assert kernel.files() == kept
    assert_equal(kernel.weights(), once)


def test_notebook_08s_checkpoint_is_of_its_settings_and_training_images(tmp_path):
    kernel = kernel_of("08_beyond_the_paper", tmp_path)
    kernel.run(end=kernel.identity + 1)
    found = kernel.names["checkpoint"].identity
    assert found["settings"]["epochs"] == 2 and found["train"] == kernel.names["train"].checksum


def test_a_training_that_was_broken_off_is_not_saved_and_goes_on(tmp_path, monkeypatch):
    kernel, through = kernel_of("05_fine_tuning", tmp_path / "a"), kernel_of("05_fine_tuning", tmp_path / "b")
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
    with pytest.raises(runs.RunError, match="it was trained for 1 of 2 epochs"):
        kernel.run(kernel.place("open_test"))
    for number in kernel.saves:
        with pytest.raises(runs.RunError, match="it was trained for 1 of 2 epochs"):
            kernel.run(number)
    assert not any(list(tmp_path.glob(f"a/*/{name}")) for name in ("model.keras", "manifest.json", "predictions.npz"))
    kernel.run(kernel.place("unfreeze_from"))
    assert_equal(kernel.weights(), through.weights())


def test_another_model_than_the_trained_one_is_not_saved(tmp_path):
    kernel = kernel_of("03_train_from_scratch", tmp_path)
    build = kernel.place("build_classifier")
    after = kernel.fits[-1] + 1
    kernel.run(end=kernel.identity)
    kernel.names["model"].fit(kernel.names["train"].images, kernel.names["train"].labels, verbose=0)
    with pytest.raises(runs.RunError, match="has been trained before, and `fit` would continue"):
        kernel.run(kernel.identity)
    kernel.run(end=after)
    kernel.names["model"].fit(kernel.names["train"].images, kernel.names["train"].labels, verbose=0)
    for number in (after, *kernel.saves):
        with pytest.raises(runs.RunError, match="since it was trained further afterwards"):
            kernel.run(number)
    kernel.run(build, kernel.identity)
    for number in (after, *kernel.saves):
        with pytest.raises(runs.RunError, match="since it is not the one that was trained"):
            kernel.run(number)
    assert not list(tmp_path.glob("*/model.keras"))
    kernel.run(kernel.begin, kernel.begin + 1)
    with pytest.raises(runs.RunError, match="`model` was made before the run began"):
        kernel.run(kernel.identity)
