"""Callbacks: the paper's stopping rule, the history, and the weights of each epoch."""

import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from fer_utils import runs

HISTORY_COLUMNS = ["epoch", "phase", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds"]


class StopAtAccuracy(keras.callbacks.Callback):
    """Stop training once validation accuracy exceeds `threshold` (0 to 1), as the paper's arms do.

    The paper stops VGG16 from scratch and fine-tuned at 67 %, both transfer arms at 75 %. If results are reported on
    the validation images, a threshold picks a lucky epoch. The `official` protocol validates on PublicTest and reports
    another set.
    """

    memory = ()

    def __init__(self, threshold):
        super().__init__()
        if not 0 < threshold <= 1:
            raise ValueError(f"STOP_ACCURACY={threshold!r} must lie in (0, 1]: 0.67 is 67 %")
        self.threshold = threshold

    def on_epoch_end(self, epoch, logs=None):
        if "val_accuracy" not in (logs or {}):
            raise ValueError("StopAtAccuracy watches val_accuracy, which fit does not report: pass validation_data")
        if np.float32(logs["val_accuracy"]) > np.float32(self.threshold):  # Keras computes it in float32
            self.model.stop_training = True


class RecordHistory(keras.callbacks.Callback):
    """Collect one row per epoch. Write all rows to the CSV file `path` after each: a killed run keeps its history.

    Columns: epoch (from 1, continued over several `fit` calls), phase (what `fit` trains: "all", "head", ...),
    accuracy, loss, val_accuracy, val_loss, learning_rate, seconds (wall clock of the epoch including validation).
    """

    memory = ("rows",)

    def __init__(self, path, phase="all"):
        super().__init__()
        self.path = path
        self.phase = phase
        self.rows = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in (logs or {}).items()}
        row |= {"epoch": len(self.rows) + 1, "phase": self.phase}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row["seconds"] = time.perf_counter() - self.started
        self.rows.append(row)
        self._save()

    def on_train_end(self, logs=None):
        self._save()  # for a resumed training that has no epoch left

    def _save(self):
        runs.write_whole(self.path, lambda stream: self.frame().to_csv(stream, index=False))

    def frame(self):
        """The history so far: a DataFrame with HISTORY_COLUMNS, one row per epoch."""
        return pd.DataFrame(self.rows).reindex(columns=HISTORY_COLUMNS)

    def total_seconds(self):
        """Seconds spent in epochs. The first epoch includes the compilation of the first step."""
        return float(sum(row["seconds"] for row in self.rows))


class KeepEpochs(keras.callbacks.Callback):
    """Keep the weights of every epoch until the run is finished, so that choosing an epoch can be studied afterwards.

    folder: a run's folder; the weights go into its `epochs/`. None keeps nothing. Epochs count on over several `fit`s.
    """

    memory = ("count",)

    def __init__(self, folder=None):
        super().__init__()
        self.folder = None if folder is None else Path(folder) / runs.EPOCHS
        self.count = 0

    def on_epoch_end(self, epoch, logs=None):
        if self.folder is not None:
            self.folder.mkdir(exist_ok=True)
            self.count += 1
            self.model.save_weights(self._file(self.count))

    def predict(self, images):
        """Predictions after each epoch: split -> probabilities float32 (epochs, n, 7).

        images: split -> what the model takes (n, ...). Afterwards, the model has the same weights as before.
        """
        weights = self.model.get_weights()
        predictions = {split: [] for split in images}
        try:
            for number in range(1, self.count + 1):
                self.model.load_weights(self._file(number))
                for split, faces in images.items():
                    predictions[split].append(self.model.predict(faces, batch_size=256, verbose=0))
        finally:  # else an interrupted cell that is run again would save another epoch's weights
            self.model.set_weights(weights)
        return {split: np.array(rows, np.float32) for split, rows in predictions.items()}

    def _file(self, number):
        return self.folder / f"{number:03d}.weights.h5"
