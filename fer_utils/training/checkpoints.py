"""Checkpoints: a killed training resumes and ends as if it had never stopped.

After an epoch, ``Checkpoint`` saves everything that the next one depends on: the weights, the state of the optimizer
and of every random number generator, moving averages, the state of the callbacks and the history. Only the order of
the images is not saved, since it follows from seed and epoch (``training.Batches``).

Keras' `BackupAndRestore` saves neither random number generators nor callbacks, so a resumed training
takes another course.
"""

import json
import time
import weakref
from pathlib import Path

import keras
import numpy as np

from fer_utils import runs
from fer_utils.training.callbacks import KeepEpochs, RecordHistory

# The attributes that Keras' callbacks keep from epoch to epoch; our callbacks list theirs in `memory`.
MEMORY = {
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "wait", "stopped_epoch", "best_weights"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
}
# Required in a checkpoint.
STATE = ("identity", "fit", "epoch", "epochs_done", "commits", "stopped", "skipped", "variables", "callbacks")
SHARE = 0.05  # of the training time for checkpoints: on a GPU, writing one can take longer than an epoch
TRAINED = weakref.WeakSet()  # last layers of models that began an epoch; the models of ``at_size`` share their layers
LARGEST = 1 << 35  # bytes; the widest network's weights, Adam's state and the best epoch's weights take 2 GB


class Checkpoint(keras.callbacks.Callback):
    """Save the state of a training in folder/checkpoint.npz, and resume from the state found there.

    The state is saved after each epoch, or less often if that would take more than SHARE of the time, but always after
    the last epoch. A kill therefore costs one epoch, or twenty times the time that a checkpoint takes. See ``keep_run``
    for an example.

    batches: ``training.Batches``; the checkpoint sets their epoch. identity: JSON-able. Training resumes only from a
    checkpoint of the same identity, apart from paths and other parameters that do not affect it (``runs.FREE``).
    A checkpoint of another identity, or a damaged one, is removed, and a printed line gives the reason. Code is not
    part of the identity, so that fixing a figure does not end hours of training. `commits` lists the git commits of the
    epochs so far, for the manifest.

    A training of several `fit`s calls `begin` before each; `fit`s that the checkpoint has completed are skipped. The
    checkpoint must be the last callback of each, since it saves what the others have decided.

    In a notebook, any cell can be run again. `begin` and the start of `fit` refuse to train a model further than its
    manifest will say. `verify`, called before a run is saved, refuses a model that was trained in another way.
    """

    def __init__(self, folder, batches, identity):
        super().__init__()
        self.path = Path(folder) / runs.CHECKPOINT
        self.batches = batches
        self.parameters = identity.get("parameters", {})
        free = runs.FREE - {"SEED", "KEEP_EPOCHS"}
        kept = {name: value for name, value in self.parameters.items() if name not in free}
        self.identity = json.loads(json.dumps({**identity, "parameters": kept}))  # as it will be read from the file
        self.planned = identity.get("settings", {}).get("epochs") or self.parameters.get("EPOCHS")
        self.fits = 0  # the number of the last `fit` that began
        self.epochs_done = 0  # over all fits
        self.stopped = False  # whether a callback ended the last fit
        self.skipped = 0  # epochs, over all fits, that were left when a callback ended their fit
        self.underway = False  # whether the last fit began an epoch and has not ended
        self.steps = None  # of the optimizer when the last fit ended
        self.callbacks = []
        self.resumes = False  # whether the last fit begun is the one in which the checkpoint was saved
        self.found = self._read()
        commits = self.found["commits"] if self.found else []
        self.commits = list(dict.fromkeys([*commits, runs.git_commit()]))  # each once, in order
        self.due = 0.0  # from this time.monotonic() on, another checkpoint stays within SHARE

    def begin(self, callbacks, epochs, first=0, *, fit):
        """Start the next `fit`; returns its `initial_epoch`.

        callbacks: those whose state is saved, in the order in which `fit` gets them. epochs: the value that `fit` gets.
        first: the initial epoch without a checkpoint. fit: the number of this `fit`, from 1. A cell that is run twice
        begins the same `fit` again. Raises RunError for a callback with unknown state, or if the run is finished.
        """
        for callback in callbacks:
            memory_of(callback)
        if self.path.with_name("metrics.json").exists():
            folder = runs.shown(self.path.parent)
            raise runs.RunError(f"{folder}: this run is finished, and `fit` would continue it. {runs.AGAIN}")
        if fit <= self.fits:
            self.found = self._read()
        self.fits = fit
        self.callbacks = list(callbacks)
        self.resumes = self.found is not None and self.found["fit"] == self.fits
        if self._is_new():
            return first
        if not self.resumes or self.found["stopped"]:
            return epochs
        return self.found["epoch"]

    def _is_new(self):
        """Whether no checkpoint has reached the present `fit`."""
        return self.found is None or self.found["fit"] < self.fits

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        if not optimizer.built:  # even a `fit` without epochs looks for the optimizer's averages of the weights
            optimizer.build(self.model.trainable_variables)
        if self.resumes:
            self._restore()
        trained = self.model.layers[-1] in TRAINED or int(optimizer.iterations) > 0
        if self._is_new() and (self.underway or (self.fits == 1 and trained)):
            raise runs.RunError(f"{self.model.name}: has been trained before, and `fit` would continue. {runs.AGAIN}")

    def on_train_end(self, logs=None):
        self.underway, self.steps = False, int(self.model.optimizer.iterations)

    def verify(self, model):
        """Raise RunError unless `model` was trained by all the fits, and the declared parameters have not changed.

        If only a head was trained (``models.split_at_head``), `model` is the classifier with this head.
        """
        runs.check_declared(self.parameters)
        planned = self.planned or self.epochs_done
        reason = ""
        optimizer = getattr(model, "optimizer", None) or getattr(self.model, "optimizer", None)
        if self.model is None or model.layers[-1] is not self.model.layers[-1]:
            reason = "it is not the one that was trained"
        elif self.underway or self.epochs_done + self.skipped != planned:
            reason = f"it was trained for {self.epochs_done} of {planned} epochs, and callbacks skipped {self.skipped}"
        elif int(optimizer.iterations) != self.steps:
            reason = "it was trained further afterwards"
        if reason:
            folder = runs.shown(self.path.parent)
            raise runs.RunError(f"{folder}: nothing of the model {model.name} was saved, since {reason}. {runs.AGAIN}")

    def on_epoch_begin(self, epoch, logs=None):
        self.underway = True
        TRAINED.add(self.model.layers[-1])
        self.batches.set_epoch(self.epochs_done)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs_done += 1
        self.stopped = bool(self.model.stop_training)
        self.skipped += self.params["epochs"] - epoch - 1 if self.stopped else 0
        self.found = None
        begun = time.monotonic()
        if begun >= self.due or self.model.stop_training or epoch + 1 == self.params["epochs"]:
            self._write(epoch + 1)
            ended = time.monotonic()
            self.due = ended + (ended - begun) * (1 / SHARE - 1)

    def _write(self, epoch):
        """Write the state to a second file that replaces the last one, so that there is always a complete one."""
        arrays, shapes, memories = {}, {}, []
        for kind, variables in self._variables().items():
            shapes[kind] = _shapes(variables)
            for index, variable in enumerate(variables):
                arrays[f"{kind}_{index:04d}"] = keras.ops.convert_to_numpy(variable)
        for place, callback in enumerate(self.callbacks):
            memory = {name: getattr(callback, name) for name in memory_of(callback)}
            for name, value in memory.items():
                if _is_weights(value):
                    arrays |= {f"callback{place}_{name}_{index:04d}": array for index, array in enumerate(value)}
                    memory[name] = {"arrays": len(value)}
                elif isinstance(value, np.generic):
                    memory[name] = value.item()
            memories.append(memory)
        state = {
            "identity": self.identity,
            "fit": self.fits,
            "epoch": epoch,
            "epochs_done": self.epochs_done,
            "commits": self.commits,
            "stopped": self.stopped,
            "skipped": self.skipped,
            "variables": shapes,
            "callbacks": memories,
        }
        try:
            runs.write_whole(self.path, lambda stream: np.savez(stream, state=np.array(json.dumps(state)), **arrays))
        except runs.RunError as error:
            size = sum(array.nbytes for array in arrays.values()) / 1e6
            raise runs.RunError(
                f"{error}. A checkpoint takes {size:,.0f} MB, and twice that while it replaces the last, which is kept"
            ) from error

    def _restore(self):
        ours = [set(memory_of(callback)) for callback in self.callbacks]
        if [set(memory) for memory in self.found["callbacks"]] != ours:
            raise runs.RunError(f"{runs.shown(self.path)}: is for other callbacks. Delete it and restart the run")
        for kind, variables in self._variables().items():
            if self.found["variables"][kind] != _shapes(variables):
                raise runs.RunError(f"{runs.shown(self.path)}: is for another {kind}. Delete it and restart the run")
            for index, variable in enumerate(variables):
                variable.assign(self.found["arrays"][f"{kind}_{index:04d}"])
        for place, (callback, memory) in enumerate(zip(self.callbacks, self.found["callbacks"], strict=True)):
            for name, value in memory.items():
                if isinstance(value, dict) and "arrays" in value:
                    keys = [f"callback{place}_{name}_{index:04d}" for index in range(value["arrays"])]
                    value = [self.found["arrays"][key] for key in keys]
                setattr(callback, name, value)
        self.epochs_done = self.found["epochs_done"]
        self.stopped, self.skipped = self.found["stopped"], self.found["skipped"]
        print(f"Training resumes after {self.epochs_done} epochs, from {runs.shown(self.path)}.")

    def _variables(self):
        return {"model": self.model.variables, "optimizer": self.model.optimizer.variables}

    def _read(self):
        """The saved state with its arrays; None without one from which this training can resume."""
        self.path.with_name(f"{runs.CHECKPOINT}.part").unlink(missing_ok=True)
        try:
            arrays = runs.read_arrays(self.path, LARGEST)
            state = json.loads(str(arrays.pop("state")))
            lacking = [name for name in STATE if name not in state]
            reason = f"it lacks {', '.join(lacking)}" if lacking else _difference(state["identity"], self.identity)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError) as error:  # TypeError: a state that is not a dict
            reason = f"it is damaged: {error}"
        if reason:
            print(f"Training starts from the beginning, not from {runs.shown(self.path)}: {reason}.")
            self.path.unlink()
            return None
        return {**state, "arrays": arrays}


def keep_run(folder, batches, identity, keep_epochs=False, phase="all"):
    """Make the callbacks that save a training in a run's folder: (recorder, keeper, checkpoint).

    recorder: a ``RecordHistory``, which writes history.csv, one row per epoch, with `phase` in each row.
    keeper: a ``KeepEpochs``, which keeps the weights of every epoch, or of none if `keep_epochs` is False.
    checkpoint: a ``Checkpoint`` of batches and identity, from which a stopped training resumes.

        recorder, keeper, checkpoint = training.keep_run(folder, batches, runs.identity(PARAMETERS, checksum))
        callbacks = [recorder, keeper, ...]
        first = checkpoint.begin(callbacks, EPOCHS, fit=1)
        model.fit(batches, epochs=EPOCHS, initial_epoch=first, shuffle=False, callbacks=[*callbacks, checkpoint])

    The recorder comes first, since it reads the learning rate before other callbacks change it; the checkpoint is last.
    Nothing is written before an epoch has ended. Raises TypeError for an identity that JSON cannot hold.
    """
    recorder = RecordHistory(Path(folder) / "history.csv", phase)
    return recorder, KeepEpochs(folder if keep_epochs else None), Checkpoint(folder, batches, identity)


def memory_of(callback):
    """The names of the attributes that a callback keeps from epoch to epoch. Raises RunError if unknown."""
    if hasattr(callback, "memory"):
        return callback.memory
    for kind, names in MEMORY.items():
        if isinstance(callback, kind):
            return names
    raise runs.RunError(
        f"{type(callback).__name__}: it is not known what this callback remembers, so training could not be resumed. "
        "Name its attributes in a class attribute `memory`, () for none"
    )


def _is_weights(value):
    """Whether a value is a list of weights. Weights without dimensions, as EfficientNet has, are np.generic."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, np.ndarray | np.generic) for item in value)


def _shapes(variables):
    """Shapes rather than names, since Keras makes new names when a notebook builds its model again."""
    return [list(variable.shape) for variable in variables]


def _difference(old, new, place=""):
    """Describe the first difference between two identities; "" if they are equal."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return "" if old == new else f"{place} was {old!r} and is {new!r}"
    for name in {**old, **new}:
        found = _difference(old.get(name), new.get(name), f"{place}.{name}" if place else name)
        if found:
            return found
    return ""
