"""Trains on one device and on several virtual CPUs, and prints what came of both as JSON (for test_devices).

    KERAS_BACKEND=jax python tests/share_batches.py FOLDER

A process has one number of devices, so these trainings cannot be tests themselves.
"""

import json
import os
import sys
from pathlib import Path

DEVICES, IMAGES, BATCH = 4, 53, 16  # the last batch of an epoch is five images, three and two

if os.environ["KERAS_BACKEND"] == "jax":
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"
else:
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * DEVICES)

import keras  # noqa: E402
import numpy as np  # noqa: E402

from fer_utils import checkpoints, devices, models, training  # noqa: E402

generator = np.random.default_rng(0)
FACES, LABELS = generator.integers(0, 256, (IMAGES, 32, 32)).astype("uint8"), generator.integers(0, 7, IMAGES)


def train(folder, random, *epochs):
    """History and weights of one training; with two numbers of epochs, of one that was stopped after the first."""
    folder.mkdir()
    for end in epochs:
        training.set_seeds(0)
        drawn = {"augmentation": "flip", "dropout": 0.3} if random else {"augmentation": "none", "dropout": 0.0}
        model = models.build_classifier(
            "deepcnn", "scratch", width=0.03, head="average", crop=24, image_shape=(32, 32), **drawn
        )
        optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
        xla = training.compile_with_xla()
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=xla)
        training.make_variables(model)
        recorder = training.RecordHistory()
        batches = training.Batches(FACES, LABELS, BATCH)
        checkpoint = checkpoints.Checkpoint(folder, batches, {"parameters": {}})
        model.fit(
            batches,
            initial_epoch=checkpoint.begin([recorder], end),
            epochs=end,
            validation_data=(FACES[:17], LABELS[:17]),
            validation_batch_size=devices.answering_batch(17, largest=BATCH),
            callbacks=[recorder, checkpoint],
            shuffle=False,
            verbose=0,
        )
    history = recorder.frame()[["accuracy", "loss", "val_accuracy", "val_loss"]]
    answers = model.predict(FACES[:33], batch_size=devices.answering_batch(33, largest=BATCH), verbose=0)
    weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
    return {"history": history.to_numpy().tolist(), "answers": answers.tolist(), "weights": weights.tobytes().hex()}


def main(folder):
    # TensorFlow's devices draw for themselves, so there only a training without chance is the same on two.
    plain = keras.backend.backend() == "tensorflow"
    one = train(folder / "one", not plain, 3)
    count = devices.share_batches(2, BATCH)
    two = train(folder / "two", not plain, 3)
    whole = train(folder / "whole", True, 3) if plain else two
    resumed = train(folder / "resumed", True, 2, 3)
    counts = {"devices": count, "available": len(devices.available())}
    print(json.dumps({**counts, "one": one, "two": two, "whole": whole, "resumed": resumed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
