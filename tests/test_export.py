"""Exported networks answer as Keras does, say what they are, and leave nothing where they cannot be made."""

import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import zipfile

import exports
import keras
import numpy as np
import pytest
from PIL import Image

from fer_utils import data, models, runs, sample, score
from fer_utils.data.faces import Faces
from fer_utils.evaluation.calibration import with_temperature
from fer_utils.names import EMOTIONS
from fer_utils.recognize import export as exporting
from fer_utils.recognize.export import ExportError, export
from fer_utils.recognize.to_onnx import METHODS, to_onnx
from fer_utils.score import networks

onnx = pytest.importorskip("onnx", reason="exporting needs pip install -e '.[export]'")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports")

FACES = sample.draw(70)[0]
TEMPERATURE = 0.8
KINDS = {
    "deepcnn": {"crop": 40, "answer_crop": 44, "head": "average", "augmentation": "paper"},
    "vgg16": {"input_size": 56, "channels": 3, "preprocessing": "imagenet"},
    "resnet50": {"input_size": 56},
}


def narrow(architecture):
    """A narrow network with weights at random; batch norm's statistics are not those of a new one."""
    keras.utils.set_random_seed(4)  # with many others, the deep CNN gives all emotions nearly the same
    model = models.build_classifier(architecture, "scratch", width=0.0625, **KINDS[architecture])
    draw = np.random.default_rng(1)
    model.set_weights([weights * draw.uniform(0.8, 1.2, weights.shape) for weights in model.get_weights()])
    return model


def ask(path, faces):
    return {".onnx": networks._onnx, ".tflite": networks._tflite}[path.suffix](path, faces)[0]


def expected(model, faces, temperature=TEMPERATURE):
    return with_temperature(model.predict(faces, verbose=0), temperature)


@pytest.fixture(scope="module")
def deepcnn():
    return narrow("deepcnn")


@pytest.fixture(scope="module", params=[".onnx", ".tflite"])
def exported(request, deepcnn, tmp_path_factory):
    """precision -> file, of a deep CNN with augmentation and crops."""
    files = {}
    for precision in exporting.PRECISIONS:
        files[precision] = tmp_path_factory.mktemp("exported") / f"{precision}{request.param}"
        export(deepcnn, files[precision], precision, TEMPERATURE, FACES, {"run": "drawn"})
    return files


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 70])
def test_float32_answers_as_keras_does(exported, deepcnn, n):
    wanted = expected(deepcnn, FACES[:n])
    assert wanted.std(axis=1).mean() > 0.01
    np.testing.assert_allclose(ask(exported["float32"], FACES[:n]), wanted, atol=1e-4)


@pytest.mark.parametrize(("architecture", "suffix"), [("vgg16", ".onnx"), ("vgg16", ".tflite"), ("resnet50", ".onnx")])
def test_other_networks_and_sizes_do_so_too(architecture, suffix, tmp_path):
    model = narrow(architecture)
    export(model, tmp_path / f"network{suffix}")
    answers = ask(tmp_path / f"network{suffix}", FACES[:3])
    np.testing.assert_allclose(answers, expected(model, FACES[:3], 1.0), atol=1e-4)


def test_float16_halves_the_file_and_moves_little(exported, deepcnn):
    answers = ask(exported["float16"], FACES)
    np.testing.assert_allclose(answers, expected(deepcnn, FACES), atol=5e-3)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert exported["float16"].stat().st_size < 0.7 * exported["float32"].stat().st_size


def test_int8_answers_nearly_so(exported, deepcnn):
    wanted, answers = expected(deepcnn, FACES), ask(exported["int8"], FACES)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, wanted, atol=0.05)
    assert np.abs(answers - wanted).max() > 1e-4  # or nothing was quantized
    assert np.mean(answers.argmax(axis=1) == wanted.argmax(axis=1)) > 0.9


# --- the files -------------------------------------------------------------------------------------------------------


def properties(path):
    if path.suffix == ".onnx":
        return onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().split() == list(EMOTIONS)
        return json.loads(archive.read("network.json"))


def test_each_file_says_what_it_is(exported):
    for precision, path in exported.items():
        said = properties(path)
        assert said["labels"].split(",") == list(EMOTIONS)
        assert (said["precision"], said["temperature"], said["run"]) == (precision, "0.8", "drawn")


def test_an_onnx_file_has_names_and_nothing_that_trains(exported):
    for precision, path in exported.items():
        if path.suffix == ".onnx":
            model = onnx.load(path)
            onnx.checker.check_model(model, full_check=True)
            kinds = [node.op_type for node in model.graph.node]
            assert kinds.count("Conv") == 10 and not {"Identity", "Dropout", "BatchNormalization"} & set(kinds)
            (taken,), (given,) = model.graph.input, model.graph.output
            assert (taken.name, given.name) == ("image", "probabilities")
            assert [dim.dim_param or dim.dim_value for dim in taken.type.tensor_type.shape.dim] == ["n", 48, 48]
            assert [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim] == ["n", 7]
            assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
            whole = [weights for weights in model.graph.initializer if weights.data_type == onnx.TensorProto.INT8]
            kernels = [onnx.numpy_helper.to_array(weights) for weights in whole if len(weights.dims) > 1]
            # Of 7 bits, and none of the last layer's, whose steps the probabilities would show.
            assert [kernel.ndim for kernel in kernels] == [4] * (10 if precision == "int8" else 0)
            assert all(50 < np.abs(kernel.astype(int)).max() <= 64 for kernel in kernels)


# --- scoring ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brightness():
    """A network that tells seven grey levels: emotion k is brightness (k + 1) / 8."""
    inputs = keras.Input((48, 48), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(keras.layers.Reshape((48, 48, 1))(inputs))
    x = keras.layers.Conv2D(1, 1, kernel_initializer="ones")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(7, "softmax", name="probabilities")(x))
    middle = np.arange(-3, 4) / 8  # softmax of -200 (brightness - 1/2 - middle)^2
    model.layers[-1].set_weights([400 * middle[None], -200 * middle**2 - 200 * middle])
    return model


def whole_numbers_alone(model):
    """A LiteRT file that takes and gives int8, as converters are often told to make them."""
    import tensorflow as tf

    inputs = keras.Input((48, 48), name="image")
    x = inputs
    for layer in model.layers[1:]:
        x = layer(x)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, x))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    greys = np.arange(256, dtype=np.float32)[:, None, None].repeat(48, axis=1).repeat(48, axis=2)
    converter.representative_dataset = lambda: ([grey[None]] for grey in greys)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def give_faces(monkeypatch, facts, order):
    """Have PrivateTest be faces of one grey each, which `brightness` names rightly if its outputs are in this order."""
    codes = np.array([order.index(EMOTIONS[label]) for label in facts.labels])
    images = np.repeat((255 * (codes + 1.0) / 8).astype(np.uint8), 48 * 48).reshape(-1, 48, 48)
    given = Faces(images, facts.labels, np.full(len(images), "PrivateTest"), facts.row_ids, checksum="drawn")
    monkeypatch.setattr(networks.data, "load_fer2013", lambda source: given)
    return images


@pytest.mark.parametrize("name", ["a.keras", "a.onnx", "a.tflite"])
def test_a_damaged_network_is_named_in_a_sentence(name, tmp_path, monkeypatch):
    facts = score.facts()
    give_faces(monkeypatch, facts, EMOTIONS)
    (tmp_path / name).write_bytes(b"no network")
    with pytest.raises(score.ScoreError, match=f"{name}: cannot predict"):
        networks.predict(tmp_path / name, "drawn", facts)


@pytest.mark.parametrize("name", ["a.keras", "float32.onnx", "int8.onnx", "float32.tflite", "int8.tflite", "in.tflite"])
def test_a_network_of_any_kind_is_scored(brightness, name, tmp_path, monkeypatch):
    facts = score.facts()
    images = give_faces(monkeypatch, facts, EMOTIONS)
    path = tmp_path / name
    if path.suffix == ".keras":
        brightness.save(path)
    elif path.stem == "in":
        path.write_bytes(whole_numbers_alone(brightness))
    else:
        export(brightness, path, path.stem, faces=images[:64])
    answers = networks.predict(path, "drawn", facts)
    assert np.mean(answers.predicted == facts.labels) == 1
    np.testing.assert_allclose(answers.probabilities, brightness.predict(images, verbose=0), atol=0.1)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".ONNX"])
def test_the_labels_of_a_file_are_the_order_of_its_answers(brightness, suffix, tmp_path, monkeypatch):
    """Neither the CSV's order nor the alphabetical one."""
    facts, order, path = score.facts(), list(EMOTIONS[::-1]), tmp_path / f"a{suffix}"

    def asked(labels):
        export(brightness, path.with_suffix(suffix.lower()), about={"labels": labels})
        path.with_suffix(suffix.lower()).rename(path)
        return networks.predict(path, "drawn", facts)

    give_faces(monkeypatch, facts, order)
    assert np.array_equal(asked(",".join(order).replace("sad", "Sadness")).predicted, facts.labels)
    fix = "Predict the faces yourself and give predictions.csv, with the emotions' names"
    for none in ("", "0,1,2,3,4,5,6"):
        with pytest.raises(score.ScoreError, match=f"order of the labels is unclear: .* {fix}"):
            asked(none)
    with pytest.raises(score.ScoreError, match="its labels are contempt, surprise, .*, not the seven emotions"):
        asked(",".join(["contempt", *order[1:]]))


def test_a_keras_network_with_an_axis_of_channels_is_refused_and_the_docs_wrap_it(brightness, tmp_path, monkeypatch):
    facts = score.facts()
    give_faces(monkeypatch, facts, EMOTIONS)
    inputs = x = keras.Input((48, 48, 1))
    for layer in brightness.layers[3:]:  # behind what makes the axis, and pixels from 0 to 1
        x = layer(x)
    network = keras.Model(inputs, x)
    network.save(tmp_path / "network.keras")
    said = r"cannot predict \(has inputs \(None, 48, 48, 1\) and .* 7 emotions are needed\)\. "
    with pytest.raises(score.ScoreError, match=f"{said}Predict the faces yourself and give pred"):
        networks.predict(tmp_path / "network.keras", "drawn", facts)
    text = (runs.PROJECT_ROOT / "docs/score.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})
    answers = networks.predict(tmp_path / "whole.keras", "drawn", facts)
    assert np.array_equal(answers.predicted, facts.labels)


def test_answers_in_whole_numbers_are_made_probabilities(brightness, tmp_path):
    (tmp_path / "in.tflite").write_bytes(whole_numbers_alone(brightness))
    between = np.round(255 * np.arange(3, 14, 2) / 16).astype(np.uint8)  # grey levels where two emotions are as likely
    faces = np.broadcast_to(between[:, None, None], (6, 48, 48))
    wanted = brightness.predict(faces, verbose=0)
    assert wanted.max() < 0.7
    answers = ask(tmp_path / "in.tflite", faces)
    np.testing.assert_allclose(answers, wanted, atol=0.2)  # a step of its logits is 0.6


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("a.h5", {}, "a.h5: the file name must end in .onnx or .tflite"),
        ("none/a.onnx", {}, "there is no folder .*none. Make it first"),
        ("a.onnx", {"precision": "int4"}, "precision='int4' is unknown: use one of 'float32', 'float16', 'int8'"),
        ("a.tflite", {"precision": "int8"}, "a.tflite: int8 is calibrated on faces of Training. Give FER-2013"),
        ("a.onnx", {"temperature": 0.0}, "temperature=0.0 must lie in"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(deepcnn, tmp_path, name, options, words):
    with pytest.raises(ExportError, match=words):
        export(deepcnn, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "tf2onnx"])
def test_a_missing_package_is_named_with_its_mend(package, deepcnn, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match=rf"^{package} is not installed\. Install it: pip install -e '\.\[export\]'"):
        export(deepcnn, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_a_temperature_is_refused_where_no_dense_layer_can_take_it(brightness):
    """All weights of the network inside would be divided by it."""
    wrapped = keras.Sequential([keras.Input((48, 48), dtype="uint8"), brightness], name="whole")
    with pytest.raises(ExportError, match=r"whole ends in .*, not in a dense layer\. Give no temperature other than 1"):
        exporting.with_temperature_inside(wrapped, 2.0)
    faces = FACES[:3]
    same = exporting.with_temperature_inside(wrapped, 1.0).predict(faces, verbose=0)
    np.testing.assert_allclose(same, brightness.predict(faces, verbose=0), atol=1e-5)


def test_under_jax_tensorflow_is_asked_for(tmp_path):
    code = "import os, sys; from fer_utils.recognize.export import export; "
    code += (
        "print({'mtcnn', 'skimage'} & set(sys.modules), os.environ['TF_CPP_MIN_LOG_LEVEL']); export(None, sys.argv[1])"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    command = [sys.executable, "-c", code, str(tmp_path / "a.onnx")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=runs.PROJECT_ROOT)
    assert "exporting needs TensorFlow, but Keras runs on jax here. Set KERAS_BACKEND=tensorflow" in done.stderr
    assert done.stdout.strip() == "set() 3"  # importing the room loads no face detector, and lets TensorFlow be quiet


def test_the_command_writes_a_file_or_one_line_of_error(deepcnn, tmp_path, capsys):
    deepcnn.save(tmp_path / "model.keras")
    asked = ["--to", "onnx", "--network", str(tmp_path / "model.keras")]
    assert exporting.main([*asked, str(tmp_path / "a.tflite")]) == 2
    assert "a.tflite: with --to onnx, the name must end in .onnx\n" in capsys.readouterr().err
    assert exporting.main([*asked, "--temperature", "0.8", str(tmp_path / "a.onnx")]) == 0
    assert "float32, temperature 0.8" in capsys.readouterr().out
    np.testing.assert_allclose(ask(tmp_path / "a.onnx", FACES[:3]), expected(deepcnn, FACES[:3]), atol=1e-4)
    assert exporting.main([*asked, str(tmp_path / "b.onnx")]) == 0
    said = properties(tmp_path / "b.onnx")
    assert said["temperature"] == "1.0" and not {"run", "licence"} & set(said)  # what is the package's network's alone


def test_data_that_are_not_there_are_named_with_their_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert exporting.main(["--to", "onnx", "--precision", "int8", "--data", "none.csv", "a.onnx"]) == 2
    assert capsys.readouterr().err.startswith(f"--data: {tmp_path / 'none.csv'}: no such file")


@pytest.mark.filterwarnings("ignore::fer_utils.data.DataWarning")
def test_calibration_faces_are_of_training_and_the_same_each_time(own_cache, tmp_path):
    splits = ["Training"] * 28 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    rows = [f"{row % 7},{' '.join([str(row)] * 2304)},{split}" for row, split in enumerate(splits)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    faces = exporting.calibration_faces(tmp_path / "fer2013.csv", 20)
    drawn = faces[:, 0, 0].tolist()
    assert faces.shape == (20, 48, 48) and len(set(drawn)) == 20 and max(drawn) < 28
    assert exporting.calibration_faces(tmp_path / "fer2013.csv", 20)[:, 0, 0].tolist() == drawn
    official = data.apply_protocol(data.load_fer2013(tmp_path / "fer2013.csv"), "official", 20).train.images
    assert np.array_equal(official, faces)


@pytest.mark.filterwarnings("ignore::fer_utils.data.DataWarning")
def test_folders_train_and_test_are_enough_to_calibrate(own_cache, tmp_path):
    """Their names do not tell PublicTest from PrivateTest, which the official protocol needs."""
    for split, level in (("train", 1), ("test", 2)):
        for name in EMOTIONS:
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("L", (48, 48), level).save(tmp_path / split / name / "a.png")
    assert (exporting.calibration_faces(tmp_path) == np.ones((7, 48, 48))).all()


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_pages_examples_run_as_they_are(deepcnn, tmp_path, monkeypatch, capsys):
    text = (runs.PROJECT_ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    if importlib.util.find_spec("ai_edge_litert") is None:  # its Interpreter is TensorFlow's, which is here
        from tensorflow import lite

        for name in ("ai_edge_litert", "ai_edge_litert.interpreter"):
            monkeypatch.setitem(sys.modules, name, lite)
    for suffix in exporting.SUFFIXES.values():
        export(deepcnn, f"network{suffix}")
    Image.fromarray(FACES[0]).resize((60, 60)).save("face.png")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for example in examples:
        exec(example, {})
        printed = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in printed] == list(EMOTIONS)
        assert sum(float(line.split()[1].rstrip("%")) for line in printed) == pytest.approx(100, abs=0.5)
    assert len(examples) == 2


def test_int8_is_calibrated_by_what_answers_most_as_keras_does():
    tried = {f"{method}, 7 bits": {"mean_difference": 0.1 + place} for place, method in enumerate(METHODS)}
    tried[f"{METHODS[-1]}, 7 bits"] = {"mean_difference": 0.01}
    tried["MinMax, 8 bits"] = {"mean_difference": 0.001}  # for the page alone: some processors overflow
    assert exports.nearest(tried) == METHODS[-1]


def test_the_page_says_what_was_measured():
    reference = runs.PROJECT_ROOT / "outputs/reference/exports/exports.json"
    measured = json.loads(reference.read_text(encoding="utf-8"))
    files = measured["files"]
    page = (runs.PROJECT_ROOT / "docs/exports.md").read_text(encoding="utf-8")
    text = " ".join(page.split())
    assert exports.markdown(files) in page and measured["split"] == "PrivateTest"
    chosen = measured["calibrated"]["onnx"]["chosen"]
    assert chosen == exports.nearest(measured["calibrated"]["onnx"]["on_public_test"])
    assert inspect.signature(to_onnx).parameters["method"].default == chosen and f'`method="{chosen}"`' in text
    one = {name: row["milliseconds"]["1"] for name, row in files.items()}
    share = files["onnx int8"]["bytes"] / files["onnx float32"]["bytes"]
    assert f"{one['Keras, predict'] / one['onnx float32']:.0f} times as fast as Keras' `predict`" in text
    assert f"{one['Keras, predict_on_batch'] / one['onnx float32']:.1f} times as fast as `predict_on_batch`" in text
    assert f"has {100 * share:.0f} % of float32's size" in text
    assert f"ONNX: p = {files['onnx int8']['mcnemar']['p_value']:.2f}" in text
    assert f"it is {one['litert float32'] / one['litert int8']:.1f} times as fast as float32" in text
    assert f"In ONNX Runtime it is {one['onnx float32'] / one['onnx int8']:.1f} times as fast" in text
    tried = measured["calibrated"]["onnx"]["on_public_test"].values()
    more = [
        100 * (way["mcnemar"]["first_only"] - way["mcnemar"]["second_only"]) / way["accuracy"]["n"] for way in tried
    ]
    assert f"between {-min(more):.1f} points less and {max(more):.1f} more than Keras" in text
