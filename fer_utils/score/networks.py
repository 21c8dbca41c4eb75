"""Predict FER-2013's faces with a network from a file: .keras, .onnx or .tflite (``score``).

The network gets the original faces: gray, 48 x 48, 0 to 255, one channel. The owner of a network that needs other
pixels predicts with it and gives predictions.csv.
"""

import re
import zipfile

import numpy as np

from fer_utils import data
from fer_utils.names import EMOTIONS, SIDE
from fer_utils.score.answers import Answers, ScoreError, emotion_of, order_of, probabilities_of, sorted_columns

KINDS = (".keras", ".onnx", ".tflite")
BATCH = 64
FIX = "Predict the faces yourself and give predictions.csv"


def predict(path, given, facts) -> Answers:
    """Predict the images of `facts` (``Known``) with a network. Raises ScoreError if that is impossible.

    path: the network. given: FER-2013 in any form that keeps the order of fer2013.csv. The order of the outputs is that
    of the file's labels (ONNX's metadata, LiteRT's labels.txt). Without labels, ``order_of`` finds it.
    """
    if not given:
        raise ScoreError(f"{path}: a network needs the faces to predict them. Give FER-2013 as --data")
    if not path.is_file():
        raise ScoreError(f"{path}: no such file. Give the path of a network")
    faces = data.load_fer2013(given)
    chosen = faces.take(np.isin(faces.row_ids, facts.row_ids))
    chosen = chosen.take(np.argsort(chosen.row_ids))
    if not np.array_equal(chosen.row_ids, facts.row_ids) or not np.array_equal(chosen.labels, facts.labels):
        raise ScoreError(f"{given}: is not the original FER-2013 in the order of fer2013.csv. Give that")
    try:
        run = {".keras": _keras, ".onnx": _onnx, ".tflite": _tflite}[path.suffix.lower()]
        outputs, labels = run(path, chosen.images)
    except ImportError as error:
        raise ScoreError(f"{path}: {error.name} is not installed. Install it (pip install {error.name})") from error
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise ScoreError(f"{path}: cannot predict ({' '.join(str(error).split())[:300]}). {FIX}") from error
    if outputs.shape != (len(chosen), len(EMOTIONS)):
        raise ScoreError(f"{path}: returns {outputs.shape[1:]} per face, where 7 emotions are needed. {FIX}")
    broken = int((~np.isfinite(outputs)).any(axis=1).sum())
    if broken:
        raise ScoreError(f"{path}: returns NaN or infinity for {broken:,} of {len(chosen):,} faces. {FIX}")
    notes = []
    probabilities = probabilities_of(outputs, notes)
    order = re.findall(r"[^,\r\n]*[^\W\d][^,\r\n]*", labels)  # numbers are no names
    if order and ":" not in labels:  # in {"sad": 4, "angry": 0}, the numbers are the order
        named = [emotion_of(name) for name in order]
        if sorted(map(str, named)) != sorted(EMOTIONS):
            raise ScoreError(f"{path}: its labels are {', '.join(order)}, not the seven emotions. {FIX}")
        notes.append(f"The file names its labels: {', '.join(order)}.")
        probabilities = sorted_columns(probabilities, named)
    else:
        probabilities = order_of(path, probabilities, facts.labels, notes, f"{FIX}, with the emotions' names")
    return Answers(str(path), facts.row_ids, probabilities.argmax(axis=1), probabilities, notes)


# Each function returns the outputs (n, 7), and the file's text that names its labels, or "".


def _keras(path, images):
    from fer_utils.models import saved_models, tta  # here, so that scoring a CSV does not import Keras

    try:
        model = saved_models.load_classifier(path)
    except saved_models.WeightsError as error:  # its fix is for runs of this project
        raise ValueError(str(error).removeprefix(f"{path}: ").removesuffix(f". {saved_models.AGAIN}")) from error
    return tta.predict(model, images), ""


def _onnx(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    kind = np.uint8 if "uint8" in taken.type else np.float32
    batches = _shaped(images, taken.shape, kind)
    outputs = np.concatenate([session.run(None, {taken.name: batch})[0] for batch in batches])
    return outputs, session.get_modelmeta().custom_metadata_map.get("labels", "")


def _tflite(path, images):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow import lite  # lite is an attribute of tensorflow, not a module

        Interpreter = lite.Interpreter
    network = Interpreter(str(path))
    network.allocate_tensors()
    taken, given = network.get_input_details()[0], network.get_output_details()[0]
    if taken["dtype"] is np.int8:  # int8 starts at -128, not at 0
        images = (images.astype(np.int16) - 128).astype(np.int8)
    outputs = []
    for batch in _shaped(images, taken["shape_signature"], taken["dtype"]):
        if tuple(network.get_input_details()[0]["shape"]) != batch.shape:
            network.resize_tensor_input(taken["index"], batch.shape)
            network.allocate_tensors()
        network.set_tensor(taken["index"], batch)
        network.invoke()
        outputs.append(network.get_tensor(given["index"]).copy())
    scale, zero = given["quantization"]  # the scale of a float output is 0
    labels = ""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            labels = archive.read("labels.txt").decode() if "labels.txt" in archive.namelist() else ""
    return (np.concatenate(outputs).astype(np.float32) - zero) * (scale or 1), labels


def _shaped(images, shape, kind):
    """Yield the images in batches of the network's input shape: (n, 48, 48), (n, 48, 48, 1) or (n, 1, 48, 48)."""
    wanted = tuple(shape)[1:]
    if wanted not in ((SIDE, SIDE), (SIDE, SIDE, 1), (1, SIDE, SIDE)):
        raise ValueError(f"it takes {wanted}, not gray faces of {SIDE} x {SIDE}")
    size = int(shape[0]) if isinstance(shape[0], int | np.integer) and shape[0] > 0 else BATCH
    if len(images) % size and size != BATCH:
        raise ValueError(f"it takes {size} faces at once, no more and no fewer")
    for start in range(0, len(images), size):
        yield images[start : start + size].reshape(-1, *wanted).astype(kind)
