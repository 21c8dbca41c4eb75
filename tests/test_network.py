"""The network that comes with the package: its file, its answers, its temperatures, and its card's numbers."""

import functools
import io
import json
import subprocess
import sys
from pathlib import Path

import card
import h5py
import keras
import network as shipping
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_utils import data, evaluation, models, recognize, runs, sample
from fer_utils.evaluation.calibration import fit_temperature, with_temperature
from fer_utils.ladder.recipes import answer_name
from fer_utils.models import tta
from fer_utils.models.answering import for_answers
from fer_utils.recognize import network

REAL = Path(__file__).resolve().parents[2] / "shared" / "fer2013"
FACES = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
KINDS = {
    "deepcnn-whole": ("deepcnn", {"crop": 40, "answer_crop": 48, "head": "average", "augmentation": "paper"}),
    "deepcnn-part": ("deepcnn", {"crop": 40, "answer_crop": 45, "head": "average", "augmentation": {"erasing": 0.5}}),
    "vgg16": ("vgg16", {"crop": 43, "input_size": 64, "channels": 3, "preprocessing": "imagenet"}),
    "resnet50": ("resnet50", {"input_size": 64}),
}


@functools.cache
def network_of(kind):
    """A narrow network of a kind; batch norm's statistics are not those of a new one. No test changes it."""
    architecture, settings = KINDS[kind]
    keras.utils.set_random_seed(0)
    model = models.build_classifier(architecture, "scratch", width=0.0625, **settings)
    draw = np.random.default_rng(1)
    weights = [weight * draw.uniform(0.8, 1.2, weight.shape) for weight in model.get_weights()]
    model.set_weights([weight + draw.normal(0, 0.01, weight.shape) for weight in weights])
    answering = model.layers[-1]  # soft enough for answers that differ: pixels that are not scaled make large scores
    answering.set_weights([weight * (0.02 if architecture == "vgg16" else 1) for weight in answering.get_weights()])
    return model


@pytest.fixture(params=KINDS)
def trained(request):
    return network_of(request.param)


def test_the_tool_changes_the_network_only_once_all_is_known_of_it(tmp_path, monkeypatch):
    run, shipped = tmp_path / "run", tmp_path / "shipped"
    run.mkdir()
    shipped.mkdir()
    network_of("deepcnn-whole").save(run / "model.keras")
    (run / "history.csv").write_text("epoch\n1\n")
    manifest = dict.fromkeys(shipping.COPIED, "x") | {"seed": 2}
    runs.write_json(run / "manifest.json", manifest)
    for name, path in (("FILE", shipped / "network.keras"), ("FACTS", shipped / "network.json")):
        monkeypatch.setattr(network, name, path)
    monkeypatch.setattr(shipping, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(sys, "argv", ["network.py", str(run), "--data", "x"])

    def damaged(path):
        raise data.DataError("x: is damaged")

    monkeypatch.setattr(shipping.data, "load_fer2013", damaged)
    with pytest.raises(data.DataError):
        shipping.main()
    assert not list(shipped.iterdir()) and not (tmp_path / "reference").exists()
    images, labels, usage, _ = sample.draw(70)
    faces = data.Faces(images, labels, usage, np.arange(70))
    monkeypatch.setattr(shipping.data, "load_fer2013", lambda path: faces)
    shipping.main()
    facts = json.loads(network.FACTS.read_text())
    assert facts["sha256"] == runs.file_checksum(network.FILE) and set(facts["temperatures"]) == set(shipping.VIEWS)
    assert sorted(path.name for path in shipped.iterdir()) == ["network.json", "network.keras"]
    with np.load(tmp_path / "reference/predictions.npz") as kept:
        expected = recognize.load_network().predict(images[usage == "PrivateTest"], verbose=0)
        np.testing.assert_allclose(kept["test_probabilities"], expected, atol=1e-3)
        assert kept["test_row_ids"].tolist() == np.flatnonzero(usage == "PrivateTest").tolist()


def test_for_answers_answers_alike(trained):
    plain = for_answers(trained)
    expected = trained.predict(FACES, verbose=0)
    assert expected.std(axis=0).max() > 1e-4
    np.testing.assert_allclose(plain.predict(FACES, verbose=0), expected, atol=1e-5)
    assert "fer_utils" not in json.dumps(json.loads(plain.to_json()))


def test_for_answers_needs_no_class_of_ours(tmp_path):
    for kind in KINDS:
        for_answers(network_of(kind)).save(tmp_path / f"{kind}.keras")
    code = "print(*(keras.models.load_model(path).count_params() for path in sys.argv[1:]), 'fer_utils' in sys.modules)"
    command = [sys.executable, "-c", f"import sys, keras; {code}", *(f"{kind}.keras" for kind in KINDS)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split()
    assert printed == [*(str(network_of(kind).count_params()) for kind in KINDS), "False"]


def test_for_answers_acts_in_training_as_outside():
    model = models.build_classifier("deepcnn", "scratch", width=0.0625, augmentation="paper", head="average")
    plain = for_answers(model)
    norm = [layer for layer in plain.get_layer("deepcnn").layers if "bn" in layer.name]
    for layer in norm:
        layer.trainable = False  # what is left that trains otherwise than it answers
    one, other = (keras.ops.convert_to_numpy(plain(FACES, training=training)) for training in (True, False))
    np.testing.assert_array_equal(one, other)


def test_for_answers_is_in_float32_whatever_it_was_trained_in():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.build_classifier("deepcnn", "scratch", width=0.0625, head="average")
    finally:
        keras.config.set_dtype_policy("float32")
    plain = for_answers(model)
    kinds = {layer.compute_dtype for layer in [*plain.layers[1:], *plain.get_layer("deepcnn").layers]}
    assert kinds == {"float32"}
    np.testing.assert_allclose(plain.predict(FACES, verbose=0), model.predict(FACES, verbose=0), atol=0.02)


# --- temperature -----------------------------------------------------------------------------------------------------


def drawn_answers(n=20_000):
    """Probabilities, and labels that were drawn by them: calibrated by construction."""
    draw = np.random.default_rng(2)
    probabilities = draw.dirichlet(np.full(7, 0.5), n)
    labels = (draw.uniform(size=(n, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 6)
    return labels, probabilities


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_that_was_undone_is_found(temperature):
    labels, probabilities = drawn_answers()
    sharpened = with_temperature(probabilities, 1 / temperature)
    assert fit_temperature(labels, sharpened) == pytest.approx(temperature, rel=0.03)
    again = with_temperature(sharpened, temperature)
    np.testing.assert_allclose(again.argmax(axis=1), probabilities.argmax(axis=1))
    assert evaluation.calibration_error(labels, again) < 0.01


def test_a_temperature_divides_logits():
    logits = np.random.default_rng(3).normal(0, 2, (4, 7))

    def softmax(values):
        return np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(with_temperature(softmax(logits), 1.7), softmax(logits / 1.7), atol=1e-6)


def test_temperatures_that_make_no_sense_are_refused():
    labels, probabilities = drawn_answers(50)
    with pytest.raises(ValueError, match="temperature=0 must lie in"):
        with_temperature(probabilities, 0)
    with pytest.raises(ValueError, match="all 50 predictions are right"):
        fit_temperature(probabilities.argmax(axis=1), probabilities)
    with pytest.raises(ValueError, match="all 50 predictions are wrong"):
        fit_temperature(probabilities.argmin(axis=1), probabilities)


# --- the file --------------------------------------------------------------------------------------------------------


def test_a_file_of_half_the_size_holds_the_same_network(trained, tmp_path):
    plain = for_answers(trained)
    shipping.write_half(plain, tmp_path / "half.keras")
    shipping.write_half(plain, tmp_path / "again.keras")
    assert (tmp_path / "half.keras").read_bytes() == (tmp_path / "again.keras").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"half.keras", "again.keras"}
    half = keras.models.load_model(tmp_path / "half.keras")
    for read, weight in zip(half.get_weights(), plain.get_weights(), strict=True):
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, weight.astype(np.float16).astype(np.float32))


def test_halving_keeps_what_is_no_float32():
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["deep/inside"] = np.array([1.0, 65_504.0], np.float32)
        file["counts"] = np.array([70_000])
        file["deep"].attrs["name"] = "kept"
    with h5py.File(io.BytesIO(shipping.halved(stream.getvalue()))) as file:
        assert file["deep/inside"].dtype == np.float16 and file["deep/inside"][1] == 65_504
        assert file["counts"].dtype == np.int64 and file["counts"][0] == 70_000  # float16 inf would equal 70,000, too
        assert file["deep"].attrs["name"] == "kept"


# --- the network that is shipped -------------------------------------------------------------------------------------


def test_the_weights_are_those_that_its_facts_are_of():
    facts = recognize.facts()
    assert runs.file_checksum(network.FILE) == facts["sha256"]
    assert facts["emotions"] == list(data.EMOTIONS)
    assert recognize.load_network().count_params() == 1_915_175
    assert network.FILE.stat().st_size < 2 * 1_915_175


def test_its_temperatures_follow_from_its_committed_answers():
    run = runs.read_run(card.FOLDER, needs="validation")
    facts = recognize.facts()
    assert run.manifest["git_commit"] == facts["git_commit"] and run.manifest["run"] == facts["run"]
    for views, temperature in facts["temperatures"].items():
        _, labels, probabilities = run.predictions[answer_name("validation", views)]
        assert fit_temperature(labels, probabilities) == pytest.approx(temperature, abs=1e-4)


def test_it_is_the_run_that_is_committed_in_other_arithmetic():
    """The run answered in bfloat16, with weights of float32; the shipped network is asked in float32 with halves."""
    run = runs.read_run(
        runs.PROJECT_ROOT / "outputs/reference/tuned/ladder" / recognize.facts()["run"], needs="validation"
    )
    own = runs.read_run(card.FOLDER, needs="validation")
    for views in card.VIEWS:
        for part in ("validation", "test"):
            rows, labels, answered = run.predictions[answer_name(part, views)]
            mine, other_labels, probabilities = own.predictions[answer_name(part, views)]
            assert np.array_equal(rows, mine) and np.array_equal(labels, other_labels)
            assert np.abs(answered.astype(float) - probabilities).max() < 0.1
            assert (answered.argmax(axis=1) == probabilities.argmax(axis=1)).mean() > 0.99


def test_calibrated_probabilities_are_the_networks_at_its_temperature():
    model = recognize.load_network()
    found = recognize.probabilities(model, FACES, "flip")
    expected = with_temperature(tta.predict(model, FACES, "flip"), recognize.facts()["temperatures"]["flip"])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    uncalibrated = recognize.probabilities(model, FACES, "flip", temperature=1.0)
    np.testing.assert_allclose(uncalibrated, tta.predict(model, FACES, "flip"), atol=1e-6)


@pytest.mark.parametrize("views", ["single", "flip"])
def test_another_network_gets_no_temperature_of_this_one(views):
    other = network_of("deepcnn-whole")
    found = recognize.probabilities(other, FACES, views)
    np.testing.assert_allclose(found, tta.predict(other, FACES, views), atol=1e-6)
    assert recognize.probabilities(other, FACES[:0], views).shape == (0, 7)


def test_its_temperature_is_gone_once_it_is_trained():
    model = recognize.load_network()
    assert network.temperature_for(model, "flip") == recognize.facts()["temperatures"]["flip"]
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)  # tracing takes longer than the step
    model.fit(FACES, np.arange(5), verbose=0)
    np.testing.assert_allclose(recognize.probabilities(model, FACES), tta.predict(model, FACES), atol=1e-6)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real FER-2013 in ../shared/fer2013")
@pytest.mark.parametrize("views", ["single", "scales"])
def test_it_answers_about_the_real_faces_as_committed(views):
    sheet = np.asarray(Image.open(REAL / "PrivateTest.png"))  # 100 faces a row
    images = sheet.reshape(-1, 48, 100, 48).transpose(0, 2, 1, 3).reshape(-1, 48, 48)
    rows, _, expected = runs.read_run(card.FOLDER, needs="validation").predictions[answer_name("test", views)]
    chosen = np.arange(0, len(rows), 12)  # 300 faces
    found = tta.predict(recognize.load_network(), images[rows[chosen] - rows.min()], views)
    np.testing.assert_allclose(found, expected[chosen], atol=2e-3)


def test_the_card_has_the_tables_that_its_command_prints():
    text = (runs.PROJECT_ROOT / "docs/model-card.md").read_text(encoding="utf-8")
    for heading, table in card.tables().items():
        assert table in text, heading


def test_the_pages_say_what_the_changes_cost():
    folder = runs.PROJECT_ROOT / "outputs/reference/robustness"
    right = pd.read_csv(folder / "PrivateTest.csv").set_index(["kind", "amount"])["accuracy"]
    unchanged = json.loads((folder / "robustness.json").read_text(encoding="utf-8"))["unchanged"]["PrivateTest"]
    pages = ("docs/model-card.md", "docs/on-your-photos.md")
    text = " ".join(" ".join((runs.PROJECT_ROOT / page).read_text(encoding="utf-8").split()) for page in pages)
    assert f"on the unchanged faces is {100 * unchanged:.1f} % (PrivateTest) and" in text
    assert f"With their own frames, accuracy is {100 * unchanged:.1f} %" in text
    for kind, amount, words in (
        ("noise", 10, "10 grey levels already costs {} points"),
        ("zoom", 80, "| face at 80 % of the right size | {} |"),
        ("zoom", 125, "| face at 125 % of the right size | {} |"),
        ("zoom", 60, "| face at 60 % of the right size | {} |"),
        ("rotation", -20, "| turned by 20 degrees, clockwise | {} |"),
        ("rotation", 20, "| turned by 20 degrees, anticlockwise | {} |"),
        ("shift down", 9, "| 9 pixels too far down | {} |"),
        ("size", 24, "| only 24 pixels a side | {} |"),
    ):
        assert words.format(f"{100 * (unchanged - right[kind, amount]):.1f}") in text, (kind, amount)
    small = [("zoom", 90), ("zoom", 110), ("rotation", -10), ("rotation", 10)]
    small += [(f"shift {way}", pixels) for way in ("right", "down") for pixels in (-3, 3)]
    assert max(unchanged - right[change] for change in small) < 0.02
