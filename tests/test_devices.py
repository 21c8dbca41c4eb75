"""Batches shared among several devices: the curve of one device, on virtual CPUs of both backends."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from fer_utils import devices
from fer_utils.runs import PROJECT_ROOT


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def trained(request, tmp_path_factory):
    """What tests/share_batches.py prints."""
    pytest.importorskip(request.param)
    environment = {**os.environ, "KERAS_BACKEND": request.param, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(PROJECT_ROOT / "tests" / "share_batches.py"), str(tmp_path_factory.mktemp("runs"))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_two_devices_train_as_one_does(trained):
    """Batch norm sees the whole batch; the last of an epoch and of validation cannot be parted equally; under JAX, what
    is drawn is the same, too."""
    assert (trained["devices"], trained["available"]) == (2, 4)
    one, two = trained["one"], trained["two"]
    # TensorFlow weighs three images and two as halves of a batch of five, which moves the loss by up to 0.003; a batch
    # norm of half a batch each moved it by 0.02.
    losses = (np.array(run["history"])[:, [1, 3]] for run in (two, one))
    np.testing.assert_allclose(*losses, atol=6e-3)
    np.testing.assert_allclose(two["answers"], one["answers"], atol=6e-3)
    assert np.std(one["answers"], axis=0).max() > 1e-3 and not np.allclose(one["history"][0], one["history"][2])


@pytest.mark.slow
def test_a_shared_training_that_was_stopped_goes_on_to_the_bit(trained):
    assert trained["resumed"] == trained["whole"]


def test_one_device_changes_nothing():
    assert devices.share_batches(1, 33) == 1
    assert devices.count() == 1 and not devices.synchronized()


def test_the_number_of_devices_stays_what_it_was_in_a_process(monkeypatch):
    monkeypatch.setitem(devices._sharing, "devices", 2)
    monkeypatch.setattr(devices, "available", lambda: ["gpu:0", "gpu:1"])
    assert devices.share_batches(2, 32) == 2
    with pytest.raises(devices.DeviceError, match="DEVICES=1: this process shares its batches among 2.*Restart"):
        devices.share_batches(1, 32)


def test_more_devices_than_there_are_or_unequal_parts_are_refused(monkeypatch):
    monkeypatch.setattr(devices, "available", lambda: ["gpu:0", "gpu:1"])
    with pytest.raises(devices.DeviceError, match=r"DEVICES=3: this machine has 2 .*\(gpu:0, gpu:1\). Give at most 2"):
        devices.share_batches(3, 33)
    for wanted in (0, 2):
        with pytest.raises(devices.DeviceError, match="BATCH_SIZE=33 cannot be shared .* DEVICES=2: give a multiple"):
            devices.share_batches(wanted, 33)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX shares any batch")
def test_every_device_gets_an_image_of_every_batch(monkeypatch):
    """As TensorFlow cuts a batch: five among four are two, two, one and none."""
    for count in range(1, 10):
        monkeypatch.setattr(devices, "count", lambda count=count: count)
        for images in range(1, 60):
            part = -(-images // count)
            parts = [len(range(images)[start : start + part]) for start in range(0, count * part, part)]
            assert devices.goes_round(images) == (min(parts) > 0) and sum(parts) == images


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX shares any batch")
def test_batches_of_answers_can_be_shared(monkeypatch):
    assert devices.answering_batch(3589) == 256
    for count in (2, 3, 4, 8):
        monkeypatch.setattr(devices, "count", lambda count=count: count)
        for images in (3589, 7178, 28709, 420, 512):
            size = devices.answering_batch(images)
            assert 128 < size <= 256 and size % count == 0 and (images % size == 0 or devices.goes_round(images % size))
