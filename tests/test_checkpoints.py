"""A training that is stopped anywhere and started again against one that never was: equal to the bit."""

import keras
import numpy as np
import pytest
import tensorflow
from cells import eagerly, smallest_networks

from fer_utils import models, runs, training
from fer_utils.ladder.optimizer import make_optimizer, separate
from fer_utils.ladder.recipes import Recipe
from fer_utils.training import checkpoints

N = 48
AUGMENTATION = {"flip": True, "rotation": 10.0, "width_shift": 0.1, "brightness": 0.2, "erasing": 0.5}
IDENTITY = {"parameters": {"SEED": 0}, "data": "abc"}
SHARE = checkpoints.SHARE


@pytest.fixture(autouse=True)
def after_each_epoch(monkeypatch):
    """Else these short epochs would be checkpointed or not as the machine is fast."""
    monkeypatch.setattr(checkpoints, "SHARE", 1.0)


@pytest.fixture(scope="module", autouse=True)
def small():
    with smallest_networks(), eagerly():
        yield


class Killed(Exception):
    """Stands for the end of the process."""


class KillAt(keras.callbacks.Callback):
    """Ends training at the n-th batch or epoch end of all fits, counted from 1."""

    memory = ()

    def __init__(self, batch=0, epoch=0):
        super().__init__()
        self.batch, self.epoch = batch, epoch

    def on_train_batch_end(self, batch, logs=None):
        self.batch -= 1
        if self.batch == 0:
            raise Killed

    def on_epoch_end(self, epoch, logs=None):
        self.epoch -= 1
        if self.epoch == 0:
            raise Killed


@pytest.fixture(scope="module")
def faces():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, N).astype("uint8")
    images = generator.integers(0, 60, (N, 48, 48), dtype="uint8") + 25 * labels[:, None, None]
    return images.astype("uint8"), labels


def classifier(**keywords):
    return models.build_classifier(
        "deepcnn", "scratch", width=0.02, augmentation=AUGMENTATION, head="average", seed=0, **keywords
    )


def plateau(folder, faces, killer):
    """One fit with Adam, labels, class weights and everything that notebook 03 watches with."""
    images, labels = faces
    keras.utils.set_random_seed(0)
    model = classifier()
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    batches = training.Batches(images, labels, 20, seed=0)
    recorder = training.RecordHistory(folder / "history.csv")
    callbacks = [
        recorder,
        training.KeepEpochs(folder),
        training.StopAtAccuracy(1.0),
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2, min_delta=1.0),  # falls for sure
        keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=3, restore_best_weights=True),
    ]
    checkpoint = checkpoints.Checkpoint(folder, batches, IDENTITY)
    first = checkpoint.begin(callbacks, 6, fit=1)
    model.fit(
        batches,
        initial_epoch=first,
        epochs=6,
        validation_data=(images[:20], labels[:20]),
        class_weight={label: 1 + label / 7 for label in range(7)},
        callbacks=[*callbacks, checkpoint, killer],
        shuffle=False,
        verbose=0,
    )
    kept = callbacks[1].predict({"validation": images[:5]})["validation"]
    return model, recorder, kept


def two_fits(folder, faces, killer):
    """The head alone, then all of it, as in notebook 05."""
    images, labels = faces
    keras.utils.set_random_seed(0)
    model = classifier()
    batches = training.Batches(images, labels, 20, seed=0)
    recorder = training.RecordHistory(folder / "history.csv", phase="head")
    checkpoint = checkpoints.Checkpoint(folder, batches, IDENTITY)
    for fit, phase in enumerate(("head", "unfrozen"), start=1):
        model.get_layer("deepcnn").trainable = phase == "unfrozen"
        model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
        recorder.phase = phase
        callbacks = [recorder]
        if phase == "unfrozen":
            callbacks.append(keras.callbacks.EarlyStopping("val_accuracy", patience=3, restore_best_weights=True))
        model.fit(
            batches,
            initial_epoch=checkpoint.begin(callbacks, 3, fit=fit),
            epochs=3,
            validation_data=(images[:20], labels[:20]),
            callbacks=[*callbacks, checkpoint, killer],
            shuffle=False,
            verbose=0,
        )
    return model, recorder, np.zeros(0)


def sizes(folder, faces, killer):
    """Two sizes, mixup, SGD with a cosine and an average of the weights, as in notebook 08."""
    images, labels = faces
    recipe = Recipe(
        optimizer="sgd", schedule="cosine", learning_rate=0.05, warmup=1, average=0.9, epochs=6, weight_decay=1e-3
    )  # fmt: skip
    keras.utils.set_random_seed(0)
    model = classifier(crop=40, any_size=True, input_size=0)
    batches = training.Batches(images, np.eye(7, dtype="float32")[labels], 20, seed=0, mixup=0.3)
    optimizer = make_optimizer(recipe, len(batches))
    recorder = training.RecordHistory(folder / "history.csv")
    checkpoint = checkpoints.Checkpoint(folder, batches, IDENTITY)
    for fit, (size, first, end) in enumerate(((16, 0, 3), (24, 3, 6)), start=1):
        model = models.at_size(model, size)
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        model.fit(
            batches,
            initial_epoch=checkpoint.begin([recorder], end, first, fit=fit),
            epochs=end,
            validation_data=(images[:20], np.eye(7)[labels[:20]]),
            callbacks=[recorder, checkpoint, killer],
            shuffle=False,
            verbose=0,
        )
        separate(optimizer)
    return model, recorder, np.zeros(0)


# "two fits" and "sizes" change over after the third epoch: killed before, right after, and after that.
KINDS = {"plateau": plateau, "two fits": two_fits, "sizes": sizes}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """kind -> the folder of a training that nothing stops."""
    return {kind: tmp_path_factory.mktemp("whole") for kind in KINDS}


@pytest.fixture(scope="module")
def undisturbed(faces, folders):
    """kind -> what it comes to when nothing stops it."""
    return {name: result(*kind(folders[name], faces, KillAt())) for name, kind in KINDS.items()}


def result(model, recorder, kept):
    history = recorder.frame().drop(columns="seconds")
    return history, model.get_weights(), kept


@pytest.mark.parametrize("kills", [[{"epoch": 2}, {"epoch": 1}], [{"batch": 5}, {"batch": 3}], [{"epoch": 4}]])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_training_ends_as_if_it_had_not_been_stopped(undisturbed, faces, tmp_path, kind, kills, capsys):
    for kill in kills:
        with pytest.raises(Killed):
            KINDS[kind](tmp_path, faces, KillAt(**kill))
    again = KINDS[kind](tmp_path, faces, KillAt())
    assert "Training resumes after" in capsys.readouterr().out
    assert_equal(result(*again), undisturbed[kind])
    on_disk = np.genfromtxt(tmp_path / "history.csv", delimiter=",", skip_header=1, usecols=3)
    assert len(on_disk) == len(undisturbed[kind][0])


def test_a_stopped_training_that_was_traced_ends_so_too(faces, tmp_path):
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    tensorflow.config.run_functions_eagerly(False)
    try:
        whole = result(*sizes(tmp_path / "whole", faces, KillAt()))
        with pytest.raises(Killed):
            sizes(tmp_path / "stopped", faces, KillAt(batch=11))
        assert_equal(result(*sizes(tmp_path / "stopped", faces, KillAt())), whole)
    finally:
        tensorflow.config.run_functions_eagerly(True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_was_through_is_not_repeated(undisturbed, faces, folders, kind):
    again = KINDS[kind](folders[kind], faces, KillAt(batch=1))  # would be killed by its first batch
    assert_equal(result(*again), undisturbed[kind])


def assert_equal(ours, theirs):
    assert len(ours[0]) == len(theirs[0])
    assert ours[0].equals(theirs[0]), ours[0].compare(theirs[0])
    assert len(ours[1]) == len(theirs[1])
    assert all(np.array_equal(one, other) for one, other in zip(ours[1], theirs[1]))
    np.testing.assert_array_equal(ours[2], theirs[2])


def test_best_weights_without_dimensions_are_kept_too(faces, tmp_path):
    images, labels = faces
    layers = [keras.Input((48, 48)), keras.layers.Normalization(axis=-1), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(7, "softmax")])
    assert any(weight.ndim == 0 for weight in model.get_weights())
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    batches = training.Batches(images, labels, 20)
    stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=3, restore_best_weights=True)
    checkpoint = checkpoints.Checkpoint(tmp_path, batches, IDENTITY)
    checkpoint.begin([stopping], 1, fit=1)
    model.fit(batches, epochs=1, validation_data=faces, callbacks=[stopping, checkpoint], shuffle=False, verbose=0)
    found = checkpoints.Checkpoint(tmp_path, batches, IDENTITY).found
    kept = [found["arrays"][f"callback0_best_weights_{index:04d}"] for index in range(len(model.weights))]
    assert all(np.array_equal(one, other) for one, other in zip(kept, model.get_weights(), strict=True))


def test_checkpoints_take_a_twentieth_of_the_time_at_most(monkeypatch, tmp_path):
    now, written = [0.0], []
    monkeypatch.setattr(checkpoints, "SHARE", SHARE)
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])

    def write(epoch):
        written.append(epoch)
        now[0] += 0.5

    checkpoint = checkpoints.Checkpoint(tmp_path, training.Batches(np.zeros((4, 48, 48)), np.zeros(4), 2), IDENTITY)
    checkpoint.set_model(keras.Sequential())
    checkpoint.model.stop_training = False
    checkpoint.set_params({"epochs": 30})
    checkpoint._write = write
    for epoch in range(30):  # of a second each, and half a second for what is kept after one
        now[0] += 1.0
        checkpoint.on_epoch_end(epoch)
    assert written == [1, 11, 21, 30]  # the last whatever it costs
    checkpoint.model.stop_training = True
    checkpoint.on_epoch_end(5)
    assert written[-1] == 6


def test_plateau_and_patience_were_put_to_the_test(undisturbed):
    history = undisturbed["plateau"][0]
    assert history["learning_rate"].nunique() > 1  # else the plateau's memory was never needed
    assert len(undisturbed["sizes"][0]) == 6 and set(undisturbed["two fits"][0]["phase"]) == {"head", "unfrozen"}


def begun(tmp_path, faces, identity=IDENTITY):
    """A checkpoint after one epoch, and what reads it."""
    with pytest.raises(Killed):
        plateau(tmp_path, faces, KillAt(epoch=1))
    return checkpoints.Checkpoint(tmp_path, training.Batches(*faces, 20), identity)


def test_a_checkpoint_of_other_parameters_is_not_taken_up(faces, tmp_path, capsys):
    checkpoint = begun(tmp_path, faces, {"parameters": {"SEED": 1}, "data": "abc"})
    assert checkpoint.begin([], 6, fit=1) == 0
    assert "parameters.SEED was 0 and is 1" in capsys.readouterr().out
    assert not (tmp_path / runs.CHECKPOINT).exists()


def test_what_decides_nothing_in_a_training_does_not_end_it(faces, tmp_path):
    elsewhere = {"SEED": 0, "OUTPUT_DIR": "b", "DATA": "c.csv", "REFERENCE": "", "FINAL": True}
    assert begun(tmp_path, faces, {**IDENTITY, "parameters": elsewhere}).begin([], 6, fit=1) == 1


@pytest.mark.parametrize("planned", [{"settings": {"epochs": 3}}, {"parameters": {"EPOCHS": 3}}])
def test_too_few_epochs_are_not_saved(planned, faces, tmp_path):
    checkpoint = checkpoints.Checkpoint(tmp_path, training.Batches(*faces, 20), planned)
    model = keras.Sequential([keras.Input(faces[0].shape[1:]), keras.layers.Flatten(), keras.layers.Dense(7)])
    model.compile(loss="sparse_categorical_crossentropy")
    model.fit(checkpoint.batches, epochs=2, callbacks=[checkpoint], shuffle=False, verbose=0)
    with pytest.raises(runs.RunError, match="it was trained for 2 of 3 epochs"):
        checkpoint.verify(model)


def test_a_fit_that_was_stopped_early_does_not_count_as_epochs_that_lack(faces, tmp_path):
    """As in notebook 08, with several sizes and a plateau; the second time, all comes from the checkpoint."""
    for again in (False, True):
        model = keras.Sequential([keras.Input((48, 48)), keras.layers.Flatten(), keras.layers.Dense(7, "softmax")])
        batches = training.Batches(*faces, 20)
        checkpoint = checkpoints.Checkpoint(tmp_path, batches, {"settings": {"epochs": 6}})
        stopping = training.StopAtAccuracy(0.001)
        for fit, (first, end) in enumerate([(0, 3), (3, 6)], start=1):
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
            begin = checkpoint.begin([stopping], end, first, fit=fit)
            watching = {"validation_data": faces, "callbacks": [stopping, checkpoint]}
            model.fit(batches, initial_epoch=begin, epochs=end, shuffle=False, verbose=0, **watching)
            stopping.threshold = 1.0  # which the second fit does not reach
            if fit == 1 and not again:  # the second fit has not run
                with pytest.raises(runs.RunError, match="trained for 1 of 6 epochs, and callbacks skipped 2"):
                    checkpoint.verify(model)
        assert checkpoint.epochs_done == 4
        checkpoint.verify(model)


def test_a_damaged_checkpoint_is_not_taken_up(faces, tmp_path, capsys):
    begun(tmp_path, faces)
    path = tmp_path / runs.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-2000])
    assert checkpoints.Checkpoint(tmp_path, training.Batches(*faces, 20), IDENTITY).begin([], 6, fit=1) == 0
    assert "it is damaged" in capsys.readouterr().out


def test_a_half_written_checkpoint_leaves_the_last_one(faces, tmp_path):
    begun(tmp_path, faces)
    part = tmp_path / f"{runs.CHECKPOINT}.part"
    part.write_bytes(b"half")
    checkpoint = checkpoints.Checkpoint(tmp_path, training.Batches(*faces, 20), IDENTITY)
    memory = [training.RecordHistory(tmp_path / "history.csv"), training.KeepEpochs(), training.StopAtAccuracy(1.0)]
    assert checkpoint.begin(memory, 6, fit=1) == 1
    assert not part.exists()


def test_a_training_is_taken_up_in_the_kernel_that_it_was_interrupted_in(faces, tmp_path):
    """There Keras counts on: the same layer, made again, has another name."""
    batches = training.Batches(*faces, 20)
    for first in (0, 1):
        layers = [keras.Input((48, 48)), keras.layers.Flatten(), keras.layers.Dense(7, "softmax")]
        model = keras.Sequential(layers)
        model.compile("adam", "sparse_categorical_crossentropy")
        checkpoint = checkpoints.Checkpoint(tmp_path, batches, IDENTITY)
        assert checkpoint.begin([], 2, fit=1) == first
        model.fit(batches, initial_epoch=first, epochs=first + 1, callbacks=[checkpoint], shuffle=False, verbose=0)
    assert checkpoint.epochs_done == 2


@pytest.mark.parametrize("places", [(0, 1, 2, 4, 3), (0, 1, 2, 4), (0, 1, 2, 3, 4, 2)])
def test_what_one_callback_remembers_is_not_given_to_another(places, faces, tmp_path):
    """Code is no part of the identity, so a notebook's callbacks may be others since, or in another order."""
    checkpoint = begun(tmp_path, faces)
    watching = [training.RecordHistory(tmp_path / "history.csv"), training.KeepEpochs(), training.StopAtAccuracy(1.0)]
    watching += [keras.callbacks.ReduceLROnPlateau(), keras.callbacks.EarlyStopping()]
    checkpoint.begin([watching[place] for place in places], 6, fit=1)
    model = classifier()
    model.compile("adam")
    checkpoint.set_model(model)
    with pytest.raises(runs.RunError, match="checkpoint.npz: is for other callbacks. Delete it and restart the run"):
        checkpoint.on_train_begin()


def test_a_callback_with_an_unknown_memory_is_refused():
    class Counter(keras.callbacks.Callback):
        pass

    with pytest.raises(runs.RunError, match="Counter: it is not known what this callback remembers"):
        checkpoints.memory_of(Counter())


def test_a_full_disk_is_named_and_the_last_checkpoint_stands(faces, tmp_path, monkeypatch):
    begun(tmp_path, faces)
    before = (tmp_path / runs.CHECKPOINT).read_bytes()

    def full(*_args, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(runs.RunError, match="cannot be written .No space left on device.*MB"):
        plateau(tmp_path, faces, KillAt())
    assert (tmp_path / runs.CHECKPOINT).read_bytes() == before
    assert not (tmp_path / f"{runs.CHECKPOINT}.part").exists()
