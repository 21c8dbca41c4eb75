import time

import keras
import numpy as np
import pandas as pd
import pytest

from fer_utils import training


def small_model(seed=0):
    training.set_seeds(seed)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(3, "softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def task():
    rng = np.random.default_rng(0)
    return rng.normal(size=(32, 4)).astype("float32"), rng.integers(0, 3, 32)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow traces a step in Python twice")
def test_a_step_is_traced_once_when_all_variables_are_there(task):
    def traces(prepare):
        model, count = small_model(), []
        prepare(model)
        step = model.train_step
        model.train_step = lambda *arguments: count.append(1) or step(*arguments)
        model.fit(*task, batch_size=16, epochs=2, verbose=0)
        return len(count)

    assert traces(training.make_variables) == 1
    assert traces(lambda model: None) == 2  # if this fails, make_variables is no longer needed


def test_making_variables_changes_no_result(task):
    histories = []
    for prepare in (training.make_variables, lambda model: None):
        model = small_model()
        prepare(model)
        histories.append(model.fit(*task, validation_data=task, epochs=2, verbose=0).history)
    assert histories[0] == histories[1]


def stopped_after(callback, accuracies):
    """The number of epochs that `callback` lets pass when validation accuracy goes like this."""
    callback.set_model(keras.Sequential())
    callback.model.stop_training = False
    for epoch, accuracy in enumerate(accuracies):
        callback.on_epoch_end(epoch, {"val_accuracy": accuracy})
        if callback.model.stop_training:
            return epoch + 1
    return None


def test_stops_in_the_epoch_that_passes_the_threshold():
    callback = training.StopAtAccuracy(0.67)
    assert stopped_after(callback, [0.5, 0.66, 0.6701, 0.7]) == 3
    assert callback.stopped_epoch == 3


def test_reaching_the_threshold_is_not_passing_it():
    assert stopped_after(training.StopAtAccuracy(0.67), [0.67, 0.67]) is None
    assert stopped_after(training.StopAtAccuracy(1.0), [1.0, 1.0]) is None


def test_threshold_in_percent_and_missing_validation_are_refused(task):
    with pytest.raises(ValueError, match=r"STOP_ACCURACY=67 must lie in \(0, 1\]"):
        training.StopAtAccuracy(67)
    with pytest.raises(ValueError, match="pass validation_data"):
        small_model().fit(*task, callbacks=[training.StopAtAccuracy(0.5)], verbose=0)


def test_history_agrees_with_keras_and_goes_on_over_phases(task, tmp_path):
    recorder = training.RecordHistory(tmp_path / "history.csv", phase="head")
    model = small_model()
    first = model.fit(*task, validation_data=task, epochs=2, callbacks=[recorder], verbose=0)
    recorder.phase = "unfrozen"
    model.optimizer.learning_rate = 0.002
    second = model.fit(*task, validation_data=task, epochs=1, callbacks=[recorder], verbose=0)
    history = pd.read_csv(tmp_path / "history.csv")
    assert list(history.columns) == training.HISTORY_COLUMNS
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["phase"].tolist() == ["head", "head", "unfrozen"]
    np.testing.assert_allclose(history["learning_rate"], [0.01, 0.01, 0.002], rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], first.history["val_loss"] + second.history["val_loss"])
    np.testing.assert_allclose(history["accuracy"], first.history["accuracy"] + second.history["accuracy"])
    pd.testing.assert_frame_equal(history, recorder.frame(), check_dtype=False)


def test_seconds_are_the_epochs_wall_clock(task):
    class Sleep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.2)

    recorder = training.RecordHistory()
    started = time.perf_counter()
    small_model().fit(*task, batch_size=32, epochs=2, callbacks=[recorder, Sleep()], verbose=0)
    total = time.perf_counter() - started
    assert (recorder.frame()["seconds"] >= 0.2).all()
    assert 0.4 <= recorder.total_seconds() <= total


def test_history_on_disk_survives_a_run_that_dies(task, tmp_path):
    class Die(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    recorder = training.RecordHistory(tmp_path / "history.csv")
    with pytest.raises(KeyboardInterrupt):
        small_model().fit(*task, epochs=5, callbacks=[recorder, Die()], verbose=0)
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2


def test_same_seed_same_weights_other_seed_others(task):
    def weights(seed):
        model = small_model(seed)
        model.fit(*task, epochs=2, verbose=0)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    np.testing.assert_array_equal(weights(3), weights(3))
    assert not np.array_equal(weights(3), weights(4))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "0"])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="SEED=.* must be a whole number"):
        training.set_seeds(seed)


def test_every_epoch_is_kept_and_predicts_as_it_did(task, tmp_path):
    keeper, model = training.KeepEpochs(tmp_path), small_model()
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.predict(task[0], verbose=0))
    )
    model.fit(*task, epochs=2, callbacks=[keeper, watch], verbose=0)
    model.fit(*task, epochs=1, callbacks=[keeper, watch], verbose=0)
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    predictions = keeper.predict({"validation": task[0], "test": task[0][:5]})
    np.testing.assert_allclose(predictions["validation"], seen, rtol=1e-5)
    assert predictions["test"].shape == (3, 5, 3)
    assert not any(weight.any() for weight in model.get_weights())  # the model has its own weights back
    assert not (tmp_path / "epochs").exists()


def test_no_epoch_is_kept_unless_asked(task, tmp_path):
    keeper = training.KeepEpochs()
    small_model().fit(*task, epochs=1, callbacks=[keeper], verbose=0)
    assert keeper.files == [] and list(tmp_path.iterdir()) == []
