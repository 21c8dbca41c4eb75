"""Features of a frozen backbone that are computed once: what they are, and that a head trained on them is the same."""

import frozen
import heads
import keras
import numpy as np
import pandas as pd
import pytest
from cells import Kernel, eagerly, smallest_networks

from fer_utils import data, models, runs, training
from fer_utils.models import saved_models


def classifier(augmentation="flip", seed=0, frozen=True, **options):
    keras.utils.set_random_seed(seed)
    model = models.build_classifier(
        "vgg16", "transfer", channels=3, width=0.0625, augmentation=augmentation, head_stage=3, seed=seed, **options
    )
    if frozen:
        models.freeze(model.get_layer("vgg16"))
    return model


def test_a_split_classifier_answers_as_before_and_learns_with_its_head(pixels):
    model = classifier(preprocessing="imagenet")
    body, head = models.split_at_head(model)
    before = model.predict(pixels, verbose=0)
    np.testing.assert_allclose(head.predict(body.predict(pixels, verbose=0), verbose=0), before, atol=1e-5)
    assert body.output_shape == (None, 6, 6, 16) and len(head.trainable_weights) == 6
    head.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    head.fit(body.predict(pixels, verbose=0), np.zeros(len(pixels)), verbose=0)
    after = model.predict(pixels, verbose=0)
    assert after[:, 0].mean() > before[:, 0].mean()
    np.testing.assert_allclose(head.predict(body.predict(pixels, verbose=0), verbose=0), after, atol=1e-5)


def test_what_has_no_backbone_is_not_split():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(7)], name="flat")
    with pytest.raises(ValueError, match="flat holds 0 nested models"):
        models.split_at_head(model)


def test_the_first_version_is_the_image_and_the_others_are_augmented(pixels):
    body, _ = models.split_at_head(classifier("flip"))
    plain, mirrored = (body.predict(images, verbose=0).astype("float16") for images in (pixels, pixels[:, :, ::-1]))
    versions = training.frozen_features(body, pixels, 3)
    assert [version.dtype for version in versions] == [np.float16] * 3
    np.testing.assert_allclose(versions[0], plain, atol=2e-3)
    turned = []
    for version in versions[1:]:
        pairs = zip(version, zip(plain, mirrored, strict=True), strict=True)
        close = [[np.allclose(got, wanted, atol=2e-3) for wanted in pair] for got, pair in pairs]
        assert all(any(pair) for pair in close)
        turned.append([pair[1] for pair in close])
    assert 0 < np.sum(turned[0]) < len(pixels) and turned[0] != turned[1]
    again = training.frozen_features(models.split_at_head(classifier("flip"))[0], pixels, 3)
    assert all(np.array_equal(one, other) for one, other in zip(versions, again))


def test_features_that_would_change_or_do_not_fit_are_refused(pixels):
    with pytest.raises(ValueError, match="freeze the backbone"):
        training.frozen_features(models.split_at_head(classifier(frozen=False))[0], pixels)
    large = classifier()
    backbone = large.get_layer("vgg16")
    backbone.set_weights([1e3 * weight for weight in backbone.get_weights()])
    with pytest.raises(ValueError, match="above 65,504"), np.errstate(over="ignore"):
        training.frozen_features(models.split_at_head(large)[0], pixels)


def test_each_epoch_takes_the_next_version_of_the_same_images():
    versions = [np.arange(10) + 100 * number for number in range(3)]
    batches = training.Batches(versions, np.arange(10), 4)
    for epoch in (0, 1, 2, 3, 7):
        batches.set_epoch(epoch)
        pairs = [batches[index] for index in range(len(batches))]
        images, targets = (np.concatenate(parts) for parts in zip(*pairs))
        assert np.array_equal(images - 100 * (epoch % 3), targets) and sorted(targets) == list(range(10))


def test_all_stages_side_by_side_are_each_stages_features(pixels):
    body, columns = frozen.body_of(48, "imagenet", None)
    found, labels = training.frozen_features(body, pixels[:4], 2), np.arange(4)
    for stage in frozen.STAGES:
        model = models.build_classifier(
            "vgg16", "transfer", channels=3, preprocessing="imagenet", head_stage=stage, augmentation="none"
        )
        backbone = model.get_layer("vgg16")
        backbone.set_weights(body.get_layer("stages").get_weights()[: len(backbone.get_weights())])
        alone = models.split_at_head(model)[0].predict(pixels[:4], verbose=0).reshape(4, -1)
        np.testing.assert_allclose(found[0][:, columns[stage]], alone, rtol=2e-3, atol=1e-3)
        for some in (slice(None), np.array([True, False, True, True])):
            for own, version in zip(frozen.stage_of(found, columns[stage], some), found, strict=True):
                np.testing.assert_array_equal(own, version[labels[some]][:, columns[stage]])


def test_what_a_head_answered_at_its_best_epoch_is_kept_beside_others(tmp_path):
    """Features that say the emotion, in a head that learns too fast: a later epoch is worse than the best one."""
    labels = np.arange(70) % 7
    features = (np.eye(7)[labels] + 0.3 * np.random.default_rng(0).normal(size=(70, 7))).astype("float16")
    batches = training.Batches(features, labels, 64, 0)
    row, answers = frozen.train_head({"units": (8,), "dropout": 0.0}, 2.0, 12, 1, batches, features, labels)
    assert row["right"] == (answers == labels).sum() and answers.dtype == np.uint8
    assert row["best epoch"] < 12 and row["right"] > 70 / 7
    first, second = (
        (96, "imagenet", 4, 2, "paper", 1e-4, 25, "none", 0),
        (96, "imagenet", 4, 2, "paper", 1e-4, 25, "twins", 1),
    )
    for key, kept in ((first, answers), (second, answers[::-1]), (first, answers)):
        heads.keep(tmp_path, key, kept)
    found = heads.answered(tmp_path)
    assert list(found) == [first, second] and np.array_equal(found[second], answers[::-1])
    assert heads.answered(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--images", "7"], "name another folder with --out"), ([], "its PublicTest is not that of fer2013.csv")],
)
def test_heads_of_other_faces_do_not_get_into_the_reference(options, message, tmp_path, monkeypatch, capsys):
    weights = tmp_path / "backbone.weights.h5"
    weights.touch()
    monkeypatch.setattr("sys.argv", ["frozen.py", "sample", str(weights), *options])
    with pytest.raises(SystemExit):
        frozen.main()
    assert message in capsys.readouterr().err


def test_heads_on_other_weights_do_not_get_among_them(tmp_path, monkeypatch, capsys):
    weights = tmp_path / "backbone.weights.h5"
    weights.touch()
    runs.write_json(tmp_path / "heads.json", {"python tools/frozen.py": {"weights_checksum": "46e9d67c"}})
    monkeypatch.setattr("sys.argv", ["frozen.py", "sample", str(weights), "--images", "7", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        frozen.main()
    assert f"{tmp_path}: holds heads on other weights" in capsys.readouterr().err


def test_the_table_of_heads_says_what_each_has_on_faces_without_a_duplicate():
    row_ids, labels, twins = heads.public_test()
    answers = np.where(twins, labels, (labels + (np.arange(3589) % 4 > 0)) % 7)  # a fourth of the others, and all twins
    trained = {"size": 96, "preprocessing": "imagenet", "stage": 4, "versions": 2, "head": "256", "rate": 1e-4}
    found = {"best epoch": 3, "Training %": 50.0, "right": 1350, "n": 3589, "dead units": "0 of 256"}
    table = pd.DataFrame([{**trained, "epochs": 25, "without": own, "seed": 0, **found} for own in ("none", "twins")])
    key = tuple(table.iloc[0][heads.KEY])
    kept, other = frozen.markdown(table, {key: answers}).splitlines()[2:]
    share = 100 * (answers == labels)[~twins].mean()
    assert len(row_ids) == 3589 and twins.sum() == 610 and 24 < share < 26
    assert f" | {share:.1f} | 0 of 256 |" in kept and " |  | 0 of 256 |" in other and "| twins | 0 | 3 |" in other


@pytest.fixture
def kernel(pixels, monkeypatch, tmp_path):
    labels = (np.arange(len(pixels)) % 7).astype("uint8")
    usages = np.repeat(data.USAGES, len(pixels) // 3)
    faces = data.Faces(pixels, labels, usages, np.arange(len(pixels)))
    monkeypatch.setattr(data, "load_fer2013", lambda _path: faces)

    def make(name, **given):
        shared = {"EPOCHS": 3, "WEIGHTS": "imagenet", "AUGMENTATION": "none", "BATCH_SIZE": 4}
        return Kernel("04_transfer_learning", {**shared, **given, "OUTPUT_DIR": str(tmp_path / name)})

    with smallest_networks(), eagerly():
        yield make


def test_a_notebook_comes_to_the_same_network_by_stored_features(kernel):
    running, stored = kernel("running"), kernel("stored", FEATURE_COPIES=2)
    running.run()
    stored.run(times=2)
    for one, other in zip(running.weights(), stored.weights(), strict=True):
        np.testing.assert_allclose(other, one, atol=2e-3)
    folder = stored.names["folder"]
    kept = saved_models.load_classifier(folder / "model.keras")
    test = stored.names["test"]
    _, _, predicted = runs.read_run(folder).predictions["test"]
    np.testing.assert_allclose(kept.predict(test.images, verbose=0), predicted, atol=2e-3)
    assert runs.read_run(folder).manifest["parameters"]["FEATURE_COPIES"] == 2


def test_a_classifier_whose_head_was_not_the_trained_one_is_not_saved(kernel):
    stored = kernel("stored", FEATURE_COPIES=1)
    stored.run(end=stored.fits[-1] + 1)
    stored.run(stored.place("build_classifier"), stored.place("build_classifier") + 1)
    with pytest.raises(runs.RunError, match="not the one that was trained"):
        stored.run(stored.saves[0])


def test_a_head_that_is_trained_on_behind_its_checkpoint_is_not_saved(kernel):
    stored = kernel("stored", FEATURE_COPIES=1)
    stored.run(end=stored.fits[-1] + 1)
    stored.names["trained"].fit(stored.names["validation_inputs"], stored.names["validation"].labels, verbose=0)
    with pytest.raises(runs.RunError, match="trained further afterwards"):
        stored.run(stored.saves[0])
