"""Nothing that trains, selects, stops or schedules sees PrivateTest: noise in its place changes no bit of a run.

The cells of each notebook run twice, on two CSV files that differ in PrivateTest alone: in one, its pixels are noise
and its labels are dealt anew. Whatever of training or validation differs afterwards has looked where it must not.
"""

import keras
import numpy as np
import pytest
from cells import Kernel, eagerly, smallest_networks

from fer_utils import runs, sample

SMALL = {
    "WIDTH": 0.0625,
    "BATCH_SIZE": 64,
    "EPOCHS": 3,
    "HEAD_EPOCHS": 1,
    "PLATEAU_PATIENCE": 1,
    "PRECISION": "float32",
}


def write_csv(path, images, labels, usage):
    rows = (
        f"{label},{' '.join(map(str, image))},{split}\n"
        for image, label, split in zip(images.tolist(), labels, usage, strict=True)
    )
    path.write_text("emotion,pixels,Usage\n" + "".join(rows))


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two CSV files, the second with noise and dealt labels as PrivateTest."""
    folder = tmp_path_factory.mktemp("twins")
    images, labels, usage, _ = sample.draw(210)
    generator = np.random.default_rng(0)
    private = usage == "PrivateTest"
    spoilt, dealt = images.copy(), labels.copy()
    spoilt[private] = generator.integers(0, 256, spoilt[private].shape)
    dealt[private] = generator.permutation(dealt[private])
    write_csv(folder / "true.csv", images.reshape(len(images), -1), labels, usage)
    write_csv(folder / "noise.csv", spoilt.reshape(len(images), -1), dealt, usage)
    return folder


FOLDERS = {
    "03_train_from_scratch": "vgg16-scratch-seed0",
    "04_transfer_learning": "vgg16-transfer-seed0",
    "05_fine_tuning": "vgg16-finetune-seed0",
    "08_beyond_the_paper": "ladder/small-seed0",
}


def run_on(twins, name, stem, protocol):
    outputs = twins / f"{name}-{protocol}"
    outputs.mkdir(exist_ok=True)
    given = {**SMALL, "WEIGHTS": "imagenet", "DATA": str(twins / f"{name}.csv"), "OUTPUT_DIR": str(outputs)}
    if stem.startswith("08"):
        changes = "width=0.0625 epochs=2 batch_size=64 mixup=0.2"  # its schedule looks at validation
        given |= {"RECIPE": "vgg16", "CHANGES": changes, "NAME": "small", "FINAL": True}
    with smallest_networks(), eagerly():
        Kernel(stem, {**given, "PROTOCOL": protocol}).run()
    needs = "validation" if stem.startswith("08") else "test"
    return runs.read_run(outputs / FOLDERS[stem], needs)


def training_of(run):
    """What training left behind, its clock apart: history, weights, and what validation looks like."""
    weights = keras.saving.load_model(run.folder / "model.keras").get_weights()
    history = run.history.drop(columns="seconds")
    steering = [run.metrics[name] for name in run.metrics if not name.startswith("test")]
    return history.to_csv(), [weight.tobytes() for weight in weights], steering


@pytest.mark.parametrize("stem", FOLDERS)
def test_private_test_changes_no_bit_of_training(twins, stem):
    true, noise = (run_on(twins, name, stem, "official") for name in ("true", "noise"))
    assert training_of(true) == training_of(noise)
    for one, other in zip(true.predictions["validation"], noise.predictions["validation"], strict=True):
        assert one.tobytes() == other.tobytes()
    assert not np.array_equal(true.predictions["test"][2], noise.predictions["test"][2])  # the noise did arrive
    assert true.manifest["data_checksum"] != noise.manifest["data_checksum"]
    assert true.manifest["test_openings"] == noise.manifest["test_openings"] == 1


def test_the_papers_protocol_does_leak(twins):
    """The same comparison finds the leak where there is one, so that it is known to be able to."""
    true, noise = (run_on(twins, name, "03_train_from_scratch", "paper") for name in ("true", "noise"))
    assert training_of(true) != training_of(noise)
