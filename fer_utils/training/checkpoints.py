"""Checkpoints: a killed training goes on, and ends as if never stopped (notebooks 02 to 05 and 08).

After an epoch, ``Checkpoint`` keeps all that the next one depends on: the weights, what the optimizer and every source
of random numbers remember, moving averages, the callbacks' own memory and the history. What remains, the order of the
images, follows from seed and epoch (``training.Batches``).

Keras' `BackupAndRestore` keeps neither the random numbers nor what the callbacks remember, so a training that it
restores goes another way.
"""

import json
import time
import weakref
from pathlib import Path

import keras
import numpy as np

from fer_utils import runs
from fer_utils.training.callbacks import KeepEpochs, RecordHistory

# What a callback of Keras' remembers from epoch to epoch; ours say it themselves, in `memory`.
MEMORY = {
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "wait", "stopped_epoch", "best_weights"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
}
STATE = ("identity", "fit", "epoch", "epochs_done", "stopped", "variables", "callbacks")  # what is read of it
SHARE = 0.05  # of a training's time for its checkpoints: on a GPU, writing one can take longer than an epoch
TRAINED = weakref.WeakSet()  # last layers of models that have begun an epoch; models of other sizes share them
LARGEST = 1 << 35  # bytes; the widest network's weights with Adam's memory and the best epoch's take 2 GB


class Checkpoint(keras.callbacks.Callback):
    """Keeps the state of a training in folder/checkpoint.npz after an epoch, and goes on from what it finds there.

    That is after each epoch, unless they are so short that it would take more than SHARE of the time; then after the
    first that leaves it below, and after the last. So a kill costs an epoch, or twenty times what a checkpoint takes.

        checkpoint = Checkpoint(folder, batches, {"parameters": ...})
        callbacks = [...]
        first = checkpoint.begin(callbacks, EPOCHS)
        model.fit(batches, epochs=EPOCHS, initial_epoch=first, shuffle=False, callbacks=[*callbacks, checkpoint])

    batches: ``training.Batches``, which are told the number of each epoch. identity: JSON-able; what a checkpoint must
    have been made with to be taken up, but for paths and other parameters that change nothing in it (``runs.FREE``).
    One of another identity, or a damaged one, is removed, and a printed line says why. Code is no part of it: whoever
    mends a figure after hours of training wants to go on. So `commits` holds those at which the epochs so far were
    trained, for the manifest.

    A training of several `fit`s calls `begin` before each; those that the checkpoint has behind it are skipped. The
    checkpoint has to be the last callback of each, since it keeps what the others have decided.

    In a notebook any cell can be run again: what would train a model further than its manifest will say is refused in
    `begin` and at the start of `fit`, and what happened elsewhere in `verify`, which is called before a run is saved.
    """

    def __init__(self, folder, batches, identity):
        super().__init__()
        self.path = Path(folder) / runs.CHECKPOINT
        self.batches = batches
        self.parameters = identity.get("parameters", {})
        kept = {
            name: value for name, value in self.parameters.items() if name not in runs.FREE - {"SEED", "KEEP_EPOCHS"}
        }
        self.identity = json.loads(json.dumps({**identity, "parameters": kept}))  # as it will be read
        self.planned = identity.get("settings", {}).get("epochs") or self.parameters.get("EPOCHS")
        self.fits = 0  # begun so far
        self.epochs_done = 0  # over all fits
        self.stopped = self.underway = False  # whether a callback ended the last fit, whether an epoch was begun in it
        self.steps = None  # of the optimizer when the last fit ended
        self.callbacks = []
        self.resumes = False  # whether the fit that was begun last is the one that the checkpoint stopped in
        self.found = self._read()
        self.commits = list(dict.fromkeys([*(self.found or {}).get("commits", []), runs.git_commit()]))
        self.due = 0.0  # time.monotonic() from which on another checkpoint stays within SHARE

    def begin(self, callbacks, epochs, first=0, fit=None):
        """Start the next `fit`; returns its `initial_epoch`.

        callbacks: those whose memory is to be kept, in the order in which `fit` gets them. epochs, first: the number of
        epochs that `fit` is given, and where it would begin without a checkpoint. fit: which one it is, counted from 1,
        so that a cell that is run twice begins the same one again. Raises RunError for a callback whose memory is not
        known, and in a finished run.
        """
        for callback in callbacks:
            memory_of(callback)
        if self.path.with_name("metrics.json").exists():
            folder = runs.shown(self.path.parent)
            raise runs.RunError(f"{folder}: this run is finished, and `fit` would train its model on. {runs.AGAIN}")
        if fit is not None and fit <= self.fits:
            self.found = self._read()
        self.fits = fit or self.fits + 1
        self.callbacks = list(callbacks)
        self.resumes = self.found is not None and self.found["fit"] == self.fits
        if self.found is None or self.found["fit"] < self.fits:
            return first
        if self.found["fit"] > self.fits or self.found["stopped"]:
            return epochs
        return self.found["epoch"]

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        if not optimizer.built:  # a `fit` without an epoch would still look for its averages of the weights
            optimizer.build(self.model.trainable_variables)
        if self.resumes:
            self._restore()
        elif self.found is None or self.found["fit"] < self.fits:
            self._check_new(optimizer)

    def _check_new(self, optimizer):
        """Raise RunError for a model that a first `fit` would train on, or a later one after another was broken off."""
        trained = self.underway or (self.fits == 1 and (self.model.layers[-1] in TRAINED or int(optimizer.iterations)))
        if trained:
            raise runs.RunError(f"{self.model.name}: has been trained before, and `fit` would go on. {runs.AGAIN}")

    def on_train_end(self, logs=None):
        self.underway, self.steps = False, int(self.model.optimizer.iterations)

    def verify(self, model):
        """Raise RunError unless `model` is what the fits made, all of them, by the parameters as they were declared.

        Where a head alone was trained (``models.split_at_head``), `model` is the classifier that answers with it.
        """
        runs.check_declared(self.parameters)
        planned, reason = self.planned or self.epochs_done, ""
        optimizer = getattr(model, "optimizer", None) or getattr(self.model, "optimizer", None)
        if self.model is None or model.layers[-1] is not self.model.layers[-1]:
            reason = "it is not the one that was trained"
        elif self.underway or (self.epochs_done != planned and not self.stopped):
            reason = f"{self.epochs_done} of {planned} epochs are behind it, and no callback stopped it"
        elif int(optimizer.iterations) != self.steps:
            reason = "it was trained on afterwards"
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
        self.found = None
        begun = time.monotonic()
        if begun >= self.due or self.model.stop_training or epoch + 1 == self.params["epochs"]:
            self._write(epoch + 1)
            ended = time.monotonic()
            self.due = ended + (ended - begun) * (1 / SHARE - 1)

    def _write(self, epoch):
        """Write the state beside the last one and put it in its place, so that there is always a whole one."""
        arrays = {
            f"{kind}_{index:04d}": keras.ops.convert_to_numpy(variable)
            for kind, variables in self._variables().items()
            for index, variable in enumerate(variables)
        }
        memories = []
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
            "variables": {kind: _shapes(variables) for kind, variables in self._variables().items()},
            "callbacks": memories,
        }
        try:
            runs.write_whole(self.path, lambda stream: np.savez(stream, state=np.array(json.dumps(state)), **arrays))
        except runs.RunError as error:
            size = sum(array.nbytes for array in arrays.values()) / 1e6
            raise runs.RunError(
                f"{error}. A checkpoint takes {size:,.0f} MB, and as much again while it is being replaced; the last "
                "one stands"
            ) from error

    def _restore(self):
        for kind, variables in self._variables().items():
            if self.found["variables"][kind] != _shapes(variables):
                raise runs.RunError(f"{runs.shown(self.path)}: is of another {kind}. Delete it and start the run again")
            for index, variable in enumerate(variables):
                variable.assign(self.found["arrays"][f"{kind}_{index:04d}"])
        for place, (callback, memory) in enumerate(zip(self.callbacks, self.found["callbacks"], strict=True)):
            for name, value in memory.items():
                if isinstance(value, dict) and "arrays" in value:
                    keys = [f"callback{place}_{name}_{index:04d}" for index in range(value["arrays"])]
                    value = [self.found["arrays"][key] for key in keys]
                setattr(callback, name, value)
        self.epochs_done, self.stopped = self.found["epochs_done"], self.found["stopped"]
        print(f"Goes on after {self.epochs_done} epochs, from {runs.shown(self.path)}.")

    def _variables(self):
        return {"model": self.model.variables, "optimizer": self.model.optimizer.variables}

    def _read(self):
        """The state that was kept, with its arrays; None where there is none that this training can take up."""
        self.path.with_name(f"{runs.CHECKPOINT}.part").unlink(missing_ok=True)
        try:
            arrays = runs.read_arrays(self.path, LARGEST)
            state = json.loads(str(arrays.pop("state")))
            lacking = [name for name in STATE if name not in state]
            reason = f"it lacks {', '.join(lacking)}" if lacking else _difference(state["identity"], self.identity)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError) as error:  # TypeError: a state that is no dict
            reason = f"it is damaged: {error}"
        if reason:
            print(f"Starts anew, and not from {runs.shown(self.path)}: {reason}.")
            self.path.unlink()
            return None
        return {**state, "arrays": arrays}


def keep_run(folder, batches, identity, keep_epochs=False, phase="all"):
    """The callbacks that keep what a training leaves in a run's folder: (recorder, keeper, checkpoint).

    recorder: a ``RecordHistory``, which writes history.csv, a row an epoch, and calls what is trained `phase`.
    keeper: a ``KeepEpochs``, which keeps the weights of every epoch, or with `keep_epochs` False of none.
    checkpoint: a ``Checkpoint`` of batches and identity, from which a training that was stopped goes on.

        recorder, keeper, checkpoint = training.keep_run(folder, batches, runs.identity(PARAMETERS, checksum))
        callbacks = [recorder, keeper, ...]
        first = checkpoint.begin(callbacks, EPOCHS, fit=1)
        model.fit(batches, epochs=EPOCHS, initial_epoch=first, shuffle=False, callbacks=[*callbacks, checkpoint])

    The recorder comes first, since it notes the learning rate of the epoch that ends, and the checkpoint last. Nothing
    is written before an epoch has ended. Raises TypeError for an identity that JSON cannot hold.
    """
    recorder = RecordHistory(Path(folder) / "history.csv", phase)
    return recorder, KeepEpochs(folder if keep_epochs else None), Checkpoint(folder, batches, identity)


def memory_of(callback):
    """The names of the attributes in which a callback remembers something from epoch to epoch."""
    if hasattr(callback, "memory"):
        return callback.memory
    for kind, names in MEMORY.items():
        if isinstance(callback, kind):
            return names
    raise runs.RunError(
        f"{type(callback).__name__}: it is not known what this callback remembers, so training could not be resumed. "
        "Name the attributes in a class attribute `memory`, () for none"
    )


def _is_weights(value):
    """np.generic: what TensorFlow makes of a weight without dimensions, which EfficientNet's normalization has."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, np.ndarray | np.generic) for item in value)


def _shapes(variables):
    """Names would do more, but Keras counts them on when a notebook builds its model again in the same kernel."""
    return [list(variable.shape) for variable in variables]


def _difference(theirs, ours, place=""):
    """In words, the first thing in which two identities differ; "" where they are equal."""
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return "" if theirs == ours else f"{place} was {theirs!r} and is {ours!r}"
    for name in {**theirs, **ours}:
        found = _difference(theirs.get(name), ours.get(name), f"{place}.{name}" if place else name)
        if found:
            return found
    return ""
