import time

import keras
import numpy as np
import pandas as pd
import pytest

from fer_utils import runs, training
from fer_utils.ladder.optimizer import make_optimizer, separate
from fer_utils.ladder.recipes import Recipe
from fer_utils.names import CHOICES
from fer_utils.training import backend as backend_module
from fer_utils.training.backend import _computes_in_bfloat16


def small_model(seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(3, "softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


only_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is about TensorFlow's ways")


@pytest.fixture
def task():
    rng = np.random.default_rng(0)
    return rng.normal(size=(32, 4)).astype("float32"), rng.integers(0, 3, 32)


@only_tensorflow
@pytest.mark.parametrize("kind", ["arrays", "batches"])
def test_no_data_are_tuned_by_a_thread_that_is_waited_for(kind, monkeypatch):
    import tensorflow as tf

    images, labels = np.zeros((8, 48, 48), "uint8"), np.eye(7, dtype="float32")[[0] * 8]
    sources = {
        "arrays": lambda: {"x": images, "y": labels, "batch_size": 4},
        "batches": lambda: {"x": training.Batches(images, labels, 4)},
    }
    model = keras.Sequential([keras.Input((48, 48)), keras.layers.Flatten(), keras.layers.Dense(7, "softmax")])
    model.compile("sgd", "categorical_crossentropy")
    tuned, iterate = [], tf.data.Dataset.__iter__
    monkeypatch.setattr(
        tf.data.Dataset,
        "__iter__",
        lambda dataset: tuned.append(dataset.options().autotune.enabled is not False) or iterate(dataset),
    )
    model.fit(**sources[kind](), epochs=1, verbose=0)
    assert tuned and not any(tuned)
    training.untune_datasets()  # on import, and no more than once
    assert not hasattr(tf.data.Dataset.prefetch.tuned, "tuned")


@only_tensorflow
def test_reading_ahead_keeps_the_data_and_their_order():
    import tensorflow as tf

    numbers = tf.data.Dataset.range(7)
    for ahead in (tf.data.AUTOTUNE, 1, 3):
        assert list(numbers.prefetch(ahead).as_numpy_iterator()) == list(range(7))


def test_precision_is_what_was_asked_for(monkeypatch):
    monkeypatch.setattr(backend_module, "_computes_in_bfloat16", lambda: True)
    assert [training.precision(name) for name in CHOICES["PRECISION"][1:]] == list(CHOICES["PRECISION"][1:])
    with pytest.raises(ValueError, match=r"PRECISION='half' is unknown: use one of 'auto', 'float32'"):
        training.precision("half")


def test_emulated_bfloat16_is_not_silent(monkeypatch):
    monkeypatch.setattr(backend_module, "_computes_in_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match="no bfloat16. To emulate it takes many times as long"):
        assert training.precision("mixed_bfloat16") == "mixed_bfloat16"


@only_tensorflow
@pytest.mark.parametrize(
    ("flags", "policy"),
    [
        ("fpu avx512f avx512_bf16", "mixed_bfloat16"),
        ("amx_bf16", "mixed_bfloat16"),
        ("avx512f avx512_bf161", "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_processor_has_it(flags, policy, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    in_bfloat16 = _computes_in_bfloat16
    monkeypatch.setattr(backend_module, "_computes_in_bfloat16", lambda: in_bfloat16(tmp_path / "cpuinfo"))
    assert training.precision("auto") == policy
    monkeypatch.setattr(backend_module, "_computes_in_bfloat16", lambda: in_bfloat16(tmp_path / "no such file"))
    assert training.precision("auto") == "float32"


@only_tensorflow  # traces a step in Python
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
    assert stopped_after(training.StopAtAccuracy(0.67), [0.5, 0.66, 0.6701, 0.7]) == 3


def test_reaching_the_threshold_is_not_passing_it():
    assert stopped_after(training.StopAtAccuracy(0.67), [0.67, 0.67]) is None
    assert stopped_after(training.StopAtAccuracy(1.0), [1.0, 1.0]) is None
    reported = float(np.float32(0.67))  # what Keras reports of 67 images of 100, which is more than 0.67
    assert reported > 0.67 and stopped_after(training.StopAtAccuracy(0.67), [reported]) is None


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
    assert list(history.columns) == training.callbacks.HISTORY_COLUMNS
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["phase"].tolist() == ["head", "head", "unfrozen"]
    np.testing.assert_allclose(history["learning_rate"], [0.01, 0.01, 0.002], rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], first.history["val_loss"] + second.history["val_loss"])
    np.testing.assert_allclose(history["accuracy"], first.history["accuracy"] + second.history["accuracy"])
    pd.testing.assert_frame_equal(history, recorder.frame(), check_dtype=False)


def test_seconds_are_the_epochs_wall_clock(task, tmp_path):
    class Sleep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.2)

    recorder = training.RecordHistory(tmp_path / "history.csv")
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


def test_a_run_that_dies_while_it_writes_keeps_the_history_so_far(task, tmp_path, monkeypatch):
    recorder = training.RecordHistory(tmp_path / "history.csv")
    small_model().fit(*task, epochs=2, callbacks=[recorder], verbose=0)
    before = (tmp_path / "history.csv").read_text()

    def die(_frame, target, **_options):
        write = target.write if hasattr(target, "write") else target.write_bytes
        write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", die)
    with pytest.raises(runs.RunError, match="history.csv: cannot be written .No space left on device.*Make room"):
        small_model().fit(*task, epochs=1, callbacks=[recorder], verbose=0)
    assert (tmp_path / "history.csv").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


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


def test_a_model_has_its_own_weights_back_if_predicting_is_interrupted(task, tmp_path, monkeypatch):
    """The notebooks save the model before they ask for these predictions: a cell run again must not save others."""
    keeper, model = training.KeepEpochs(tmp_path), small_model()
    model.fit(*task, epochs=1, callbacks=[keeper], verbose=0)
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])

    def interrupt(*_given, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "predict", interrupt)
    with pytest.raises(KeyboardInterrupt):
        keeper.predict({"validation": task[0]})
    assert not any(weight.any() for weight in model.get_weights())


def test_one_line_keeps_the_history_the_epochs_and_a_checkpoint(task, tmp_path):
    batches = training.Batches(*task, 16)
    recorder, keeper, checkpoint = training.keep_run(tmp_path, batches, {"data": "abc"}, True, phase="head")
    assert list(tmp_path.iterdir()) == []
    callbacks = [recorder, keeper, keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=9.0)]
    first = checkpoint.begin(callbacks, 2, fit=1)
    model = small_model()
    model.fit(batches, initial_epoch=first, epochs=2, callbacks=[*callbacks, checkpoint], shuffle=False, verbose=0)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["phase"].tolist() == ["head", "head"]
    # Each epoch's own rate: the plateau halves it after the recorder has noted it.
    np.testing.assert_allclose(history["learning_rate"], [0.01, 0.01], rtol=1e-5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.005)
    assert keeper.count == 2 and len(list((tmp_path / runs.EPOCHS).iterdir())) == 2
    again = training.keep_run(tmp_path, batches, {"data": "abc"}, True)
    assert again[2].begin([*again[:2], callbacks[2]], 2, fit=1) == 2  # nothing is left to do
    other = training.keep_run(tmp_path, batches, {"data": "of others"})
    assert other[2].begin([*other[:2], callbacks[2]], 2, fit=1) == 0


def test_one_line_keeps_no_epochs_unless_asked_and_no_identity_that_json_cannot_hold(task, tmp_path):
    batches = training.Batches(*task, 16)
    _, keeper, _ = training.keep_run(tmp_path, batches, {})
    small_model().fit(batches, callbacks=[keeper], shuffle=False, verbose=0)
    assert keeper.count == 0 and list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="not JSON serializable"):
        training.keep_run(tmp_path, batches, {"data": b"abc"})


# --- what a recipe asks for ------------------------------------------------------------------------------------------


def rates(optimizer, steps):
    """The learning rate at each of the steps."""
    return [float(optimizer._learning_rate(step)) for step in steps]


def test_a_cosine_rises_falls_and_ends_at_nothing():
    recipe = Recipe(schedule="cosine", learning_rate=0.1, warmup=1.0, epochs=5)
    optimizer = make_optimizer(recipe, steps_per_epoch=10)
    assert rates(optimizer, [0, 5, 10, 30, 50]) == pytest.approx([0, 0.05, 0.1, 0.05, 0], abs=1e-6)
    plain = make_optimizer(Recipe(schedule="cosine", learning_rate=0.1, epochs=4), 10)
    assert rates(plain, [0, 20, 40]) == pytest.approx([0.1, 0.05, 0], abs=1e-6)


def test_plateau_and_constant_start_from_a_plain_rate():
    for schedule in ("plateau", "constant"):
        assert float(make_optimizer(Recipe(schedule=schedule), 10).learning_rate) == pytest.approx(5e-4)


def test_kernels_decay_and_batch_norm_and_biases_do_not():
    recipe = Recipe(optimizer="sgd", schedule="constant", learning_rate=0.1, weight_decay=0.5)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    optimizer = make_optimizer(recipe, 1)
    optimizer.build(model.trainable_variables)
    before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    gradients = [keras.ops.zeros(variable.shape) for variable in model.trainable_variables]
    optimizer.apply(gradients, model.trainable_variables)
    factors = {"kernel": 1 - 0.1 * 0.5, "bias": 1, "gamma": 1, "beta": 1}
    for old, variable in zip(before, model.trainable_variables):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), factors[variable.name] * old, rtol=1e-6)


def test_sgd_takes_nesterovs_step():
    recipe = Recipe(optimizer="sgd", schedule="constant", learning_rate=0.1)
    optimizer = make_optimizer(recipe, 1)
    variable = keras.Variable([1.0])
    for _ in range(2):
        optimizer.apply([keras.ops.convert_to_tensor([1.0])], [variable])
    # velocity -0.1, then -0.19; each step is 0.9 velocity - 0.1
    assert float(variable[0]) == pytest.approx(1 - 0.19 - 0.271, rel=1e-5)


def test_averaged_weights_are_what_fit_leaves(task):
    recipe = Recipe(optimizer="sgd", schedule="constant", learning_rate=0.5, average=0.9)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax", kernel_initializer="ones")])
    model.compile(make_optimizer(recipe, 1), "sparse_categorical_crossentropy")
    kernels = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kernels.append(model.layers[0].get_weights()[0])
    )
    model.fit(*task, batch_size=32, epochs=3, shuffle=False, callbacks=[keep], verbose=0)
    expected = kernels[0]  # Keras starts the average at the weights after the first step
    for kernel in kernels[1:]:
        expected = 0.9 * expected + 0.1 * kernel
    assert np.abs(kernels[-1] - expected).max() > 1e-3
    np.testing.assert_allclose(model.layers[0].get_weights()[0], expected, atol=1e-5)


def test_an_averaging_optimizer_goes_on_with_another_model_of_the_same_weights(task):
    recipe = Recipe(optimizer="sgd", schedule="constant", learning_rate=0.5, average=0.9)
    first = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax", kernel_initializer="ones")])
    second = keras.Sequential([keras.Input((4,)), *first.layers])
    optimizer = make_optimizer(recipe, 1)
    for model in (first, second):
        model.compile(optimizer, "sparse_categorical_crossentropy")
        before = first.layers[0].get_weights()[0]
        model.fit(*task, epochs=2, verbose=0)
        separate(optimizer)
        assert np.abs(first.layers[0].get_weights()[0] - before).max() > 1e-3
    assert int(optimizer.iterations) == 4


def batches(size=4, n=10, seed=3, **keywords):
    images = np.arange(n, dtype=np.uint8)[:, None, None].repeat(8, axis=1).repeat(8, axis=2) * 20
    return training.Batches(images, np.eye(n, dtype="float32"), size, seed, **keywords)


def test_another_seed_deals_and_mixes_otherwise_and_so_does_another_epoch():
    one, other = batches(mixup=0.4), batches(seed=4, mixup=0.4)
    assert one.order.tolist() != other.order.tolist()
    mixed = [one[0][0]]
    other.order = one.order  # from here on, what differs is the mixing
    mixed.append(other[0][0])
    order = one.order
    one.set_epoch(1)
    assert one.order.tolist() != order.tolist()
    one.order = order
    mixed.append(one[0][0])
    assert len({images.tobytes() for images in mixed}) == 3
    np.testing.assert_array_equal(batches(mixup=0.4)[0][0], mixed[0])


def test_mixup_blends_images_and_targets_by_the_same_share():
    mixed = batches(mixup=0.4)
    seen = np.concatenate([mixed[index][0] for index in range(len(mixed))])
    told = np.concatenate([mixed[index][1] for index in range(len(mixed))])
    assert len(mixed) == 3 and len(seen) == 10
    np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(seen[:, 0, 0], told @ (20 * np.arange(10)), atol=0.51)
    assert ((told > 0).sum(axis=1) > 1).any()


def test_mixup_of_the_brightest_images_does_not_overflow():
    images = np.full((64, 8, 8), 255, np.uint8)
    for parameter in (0.01, 0.2, 5.0):
        assert (training.Batches(images, np.eye(64, dtype="float32"), 64, mixup=parameter)[0][0] == 255).all()


def test_mixup_blends_images_in_colour_too():
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 6, 3), dtype=np.uint8)  # as many as an image has rows
    seen, told = training.Batches(images, np.eye(8, dtype="float32"), 8, mixup=0.4)[0]
    np.testing.assert_allclose(seen, np.einsum("ij,jhwc->ihwc", told, images), atol=0.51)


def test_cutmix_tells_the_share_of_pixels_that_were_replaced():
    mixed = batches(size=10, cutmix=1.0)
    for _ in range(5):
        seen, told = mixed[0]
        for image, target in zip(seen, told):
            shares = np.bincount(image.ravel() // 20, minlength=10) / image.size
            np.testing.assert_allclose(target, shares, atol=1e-6)
        mixed.on_epoch_end()


def test_every_image_comes_once_an_epoch_in_an_order_of_its_own():
    mixed = batches(mixup=1e-9)  # shares of 0 or 1
    orders = []
    for _ in range(2):
        orders.append(mixed.order.tolist())
        mixed.on_epoch_end()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1]
    again = batches(mixup=1e-9)
    assert again.order.tolist() == orders[0]
    np.testing.assert_array_equal(again[1][0], batches(mixup=1e-9)[1][0])


def test_a_batch_larger_than_the_data_is_one_batch():
    mixed = batches(size=64, mixup=0.2)
    assert len(mixed) == 1 and len(mixed[0][0]) == 10


def test_an_augmented_classifier_is_trained_as_it_is_compiled_in_the_notebooks():
    """XLA, where it is asked for, has to know the augmentation."""
    from fer_utils import models

    model = models.build_classifier("deepcnn", "scratch", width=0.03, head="average", augmentation="paper", crop=40)
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=training.compile_with_xla())
    before = model.get_weights()[0].copy()
    model.train_on_batch(np.full((4, 48, 48), 100, "uint8"), np.arange(4))
    assert not np.array_equal(before, model.get_weights()[0])
