"""What happens around `fit`: seeds, the paper's callbacks, and a history that survives the run.

Compiling and fitting stay in the notebooks. Where Keras has the callback (`ReduceLROnPlateau`, `EarlyStopping`), the
notebooks use it directly.
"""

import math
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from fer_utils import parameters, runs

READ_AHEAD = 2  # batches
PRECISIONS = parameters.CHOICES["PRECISION"]

HISTORY_COLUMNS = ["epoch", "phase", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds"]


def untune_datasets():
    """Keep `fit`, `evaluate` and `predict` under TensorFlow from waiting at the end of their data; called on import.

    tf.data tunes itself in a thread that often misses the end of its iterator and is then waited for, up to as long
    again as the iterator has lived (TensorFlow 2.21: `StartCancel` wakes it before it calls itself cancelled). Eight of
    eleven epochs that took 15 to 30 seconds ended after 20.5 or 41. Keras asks for tuning in its last call, `prefetch`,
    and has no parameter for it; here that reads two batches ahead, untuned.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if hasattr(tf.data.Dataset.prefetch, "tuned"):
        return
    tuned = tf.data.Dataset.prefetch

    def prefetch(dataset, buffer_size, name=None):
        options = tf.data.Options()
        options.autotune.enabled = False
        ahead = READ_AHEAD if buffer_size == tf.data.AUTOTUNE else buffer_size
        return tuned(dataset, ahead, name=name).with_options(options)

    prefetch.tuned = tuned
    tf.data.Dataset.prefetch = prefetch


def compile_with_xla():
    """Whether `compile` should be told to use XLA: under JAX, which always does, and not under TensorFlow.

    TensorFlow's XLA has no kernel for the projective transform of the augmentation, and on a CPU doubles the time of a
    VGG16 step.
    """
    return keras.backend.backend() == "jax"


def precision(name):
    """The Keras dtype policy that PRECISION asks for; "auto" is "mixed_bfloat16" where the machine computes in it.

    That is under TensorFlow on x86 CPUs with AVX512-BF16 or AMX, where the deep CNN's step takes half the time, and on
    GPUs from NVIDIA's Ampere on; "float32" elsewhere, where bfloat16 would be emulated. Weights, batch norm's
    statistics and probabilities are float32 in both. Raises ValueError for a name that is none of PRECISIONS.
    """
    if name not in PRECISIONS:
        raise ValueError(f"PRECISION={name!r} is unknown: use one of {', '.join(PRECISIONS)}")
    if name == "auto":
        return "mixed_bfloat16" if _computes_in_bfloat16() else "float32"
    return name


def _computes_in_bfloat16(cpuinfo="/proc/cpuinfo"):
    on_jax = keras.backend.backend() == "jax"
    if any(device.startswith(("gpu", "cuda")) for device in keras.distribution.list_devices()):
        if on_jax:
            import jax

            capability = str(getattr(jax.devices()[0], "compute_capability", "0")).split(".")
        else:
            import tensorflow as tf

            gpu = tf.config.list_physical_devices("GPU")[0]
            capability = tf.config.experimental.get_device_details(gpu).get("compute_capability", (0,))
        return int(capability[0]) >= 8
    if on_jax or not Path(cpuinfo).is_file():
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(Path(cpuinfo).read_text().split())


def set_seeds(seed):
    """Seed Python, NumPy and the Keras backend; the same seed gives the same bits on one machine and backend."""
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"SEED={seed!r} must be a whole number from 0 to 2**32 - 1")
    keras.utils.set_random_seed(seed)


def make_variables(model):
    """Make the variables of a compiled classifier's optimizer and metrics now instead of in the first step of `fit`.

    TensorFlow traces a step again if the first trace made variables. ResNet50's first step took 38 CPU seconds without
    this, 33 with the optimizer's variables alone and 20 with all.
    """
    model.optimizer.build(model.trainable_variables)
    classes = model.output_shape[-1]
    model.compute_metrics(None, np.zeros(1, "int32"), np.full((1, classes), 1 / classes, "float32"))
    model.reset_metrics()


# --- what a recipe asks for ------------------------------------------------------------------------------------------


def make_optimizer(recipe, steps_per_epoch):
    """The optimizer of a ``recipes.Recipe``, uncompiled: its schedule, weight decay and average of the weights in it.

    steps_per_epoch: batches in an epoch, which a cosine is laid over. Batch norm and biases do not decay.
    """
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        warmup = round(recipe.warmup * steps_per_epoch)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup),
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    shared = {"weight_decay": recipe.weight_decay or None, "use_ema": bool(recipe.average)}
    if recipe.average:
        shared["ema_momentum"] = recipe.average
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **shared)
    else:
        optimizer = keras.optimizers.Adam(rate, **shared)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def separate(optimizer):
    """Let an optimizer that averages weights be used by another `fit`; call it after each but the last.

    At its end, `fit` makes the averages the weights. JAX then holds both in one buffer, which the next step of another
    model may not take twice. This copies the optimizer's own.
    """
    for variable in optimizer.variables:
        variable.assign(keras.ops.copy(variable))


class Batches(keras.utils.PyDataset):
    """Batches of images with their targets, in an order that follows from seed and epoch alone.

    images: uint8 (n, height, width) or (n, height, width, 3); targets: labels (n,) or shares float32 (n, classes). A
    batch size larger than n gives one batch. Pass shuffle=False to `fit`, which would deal the batches once more.

    mixup, cutmix: blend each image with another (mixup) or with a rectangle of another (cutmix), and their shares
    alike: the Beta parameter of the share that an image keeps, one of them 0 (Zhang et al. 2018, arXiv:1710.09412; Yun
    et al. 2019, arXiv:1905.04899).
    """

    def __init__(self, images, targets, batch_size, seed=0, mixup=0.0, cutmix=0.0):
        super().__init__()
        self.images, self.targets, self.batch_size = images, targets, batch_size
        self.seed, self.mixup, self.cutmix = seed, mixup, cutmix
        self.set_epoch(0)

    def __len__(self):
        return math.ceil(len(self.images) / self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        if not self.mixup and not self.cutmix:
            return self.images[rows], self.targets[rows]
        generator = np.random.default_rng([self.seed, self.epoch, index])
        images, targets = self.images[rows], self.targets[rows]
        others = generator.permutation(len(rows))
        mix, parameter = (_paste, self.cutmix) if self.cutmix else (_blend, self.mixup)
        kept, images = mix(images, others, generator, parameter)
        return images, kept[:, None] * targets + (1 - kept[:, None]) * targets[others]

    def on_epoch_end(self):
        self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch):
        """Deal the images for an epoch, counted from 0; epochs that follow each other need not be told."""
        self.epoch = epoch
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))


def _blend(images, others, generator, parameter):
    """The share float32 (n,) that each image keeps, and the images blended with those at `others`.

    In whole numbers, the share a multiple of 1/256: an eighth of the time of floats, for which an H200 had to wait.
    """
    parts = np.rint(256 * generator.beta(parameter, parameter, len(images))).astype("uint16")
    share = parts[:, None, None]
    blended = images.astype("uint16")
    other = blended[others]
    blended *= share  # in place: allocating would take most of the time
    other *= 256 - share
    blended += other
    blended += 128  # at most 255 * 256 + 128, which 16 bits hold
    blended >>= 8
    return parts.astype("float32") / 256, blended.astype("uint8")


def _paste(images, others, generator, parameter):
    """The share float32 (n,) that each image keeps, and the images, one rectangle a batch from those at `others`."""
    height, width = images.shape[1:3]
    side = np.sqrt(1 - generator.beta(parameter, parameter))
    rows, columns = (
        np.clip(np.rint([centre - side * size / 2, centre + side * size / 2]).astype(int), 0, size)
        for size, centre in ((size, generator.uniform(0, size)) for size in (height, width))
    )
    pasted = images.copy()
    place = np.s_[:, rows[0] : rows[1], columns[0] : columns[1]]
    pasted[place] = images[others][place]
    kept = 1 - (rows[1] - rows[0]) * (columns[1] - columns[0]) / (height * width)
    return np.full(len(images), kept, "float32"), pasted


# --- callbacks -------------------------------------------------------------------------------------------------------


class StopAtAccuracy(keras.callbacks.Callback):
    """Stop training once validation accuracy exceeds `threshold` (0 to 1), as the paper's arms do.

    The paper stops VGG16 from scratch and fine-tuned at 67 %, both transfer arms at 75 %. A threshold on the set that
    is also reported picks a lucky epoch; under the `official` protocol that set is PublicTest, not what is reported.
    """

    memory = ("stopped_epoch",)

    def __init__(self, threshold, monitor="val_accuracy"):
        super().__init__()
        if not 0 < threshold <= 1:
            raise ValueError(f"STOP_ACCURACY={threshold!r} must lie in (0, 1]: 0.67 is 67 %")
        self.threshold = threshold
        self.monitor = monitor
        self.stopped_epoch = None

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in (logs or {}):
            raise ValueError(
                f"StopAtAccuracy watches {self.monitor!r}, which fit does not report: pass validation_data"
            )
        if logs[self.monitor] > self.threshold:
            self.stopped_epoch = epoch + 1
            self.model.stop_training = True


class RecordHistory(keras.callbacks.Callback):
    """Collect one row an epoch and write them to `path` as CSV after each, so that a killed run keeps its curve.

    Rows: epoch (from 1, counted on over several `fit` calls), phase (what `fit` trains: "all", "head", ...), accuracy,
    loss, val_accuracy, val_loss, learning_rate, seconds (wall clock of the epoch, its validation included).
    """

    memory = ("rows",)

    def __init__(self, path=None, phase="all"):
        super().__init__()
        self.path = path
        self.phase = phase
        self.rows = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append(
            {
                **{key: float(value) for key, value in (logs or {}).items()},
                "epoch": len(self.rows) + 1,
                "phase": self.phase,
                "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
                "seconds": time.perf_counter() - self.started,
            }
        )
        self._save()

    def on_train_end(self, logs=None):
        self._save()  # where a resumed training has no epoch left

    def _save(self):
        if self.path is not None:
            self.frame().to_csv(self.path, index=False)

    def frame(self):
        """The history so far: a DataFrame with HISTORY_COLUMNS, one row an epoch."""
        return pd.DataFrame(self.rows).reindex(columns=HISTORY_COLUMNS)

    def total_seconds(self):
        """Seconds spent in epochs; compilation of the first step is in the first epoch."""
        return float(sum(row["seconds"] for row in self.rows))


class KeepEpochs(keras.callbacks.Callback):
    """Keep the weights of every epoch until the run is finished, so that choosing an epoch can be studied afterwards.

    folder: a run's folder, where they lie in `epochs/` meanwhile; None keeps nothing. Counts on over several `fit`s.
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
        """What each epoch would have answered: split -> probabilities float32 (epochs, n, 7).

        images: split -> uint8 (n, 48, 48). The model gets its weights back.
        """
        weights, predictions = self.model.get_weights(), {split: [] for split in images}
        for number in range(1, self.count + 1):
            self.model.load_weights(self._file(number))
            for split, faces in images.items():
                predictions[split].append(self.model.predict(faces, batch_size=256, verbose=0))
        self.model.set_weights(weights)
        return {split: np.array(rows, np.float32) for split, rows in predictions.items()}

    def _file(self, number):
        return self.folder / f"{number:03d}.weights.h5"


untune_datasets()
