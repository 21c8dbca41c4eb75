"""Convert a network to LiteRT (formerly TensorFlow Lite), for phones and small boards (``export``).

TensorFlow's own converter makes the file. The metadata are appended as a zip archive, as in TensorFlow Lite's files
with labels. Interpreters ignore what follows the network, and zip's readers start at the end of a file.
"""

import io
import json
import tempfile
import zipfile

import keras

from fer_utils.names import SIDE

DAY = (2020, 1, 1, 0, 0, 0)  # fixed, so that equal content makes equal archives


def to_litert(model, precision, properties, faces=None):
    """Convert a Keras model to LiteRT: bytes. Input: uint8 (n, 48, 48), after it is resized. Output: float32 (n, 7).

    model: from ``answering.for_answers``. precision: "float32", "float16" or "int8". properties: the metadata, str ->
    str. faces: uint8 (n, 48, 48), to calibrate int8.
    """
    import tensorflow as tf

    archive = keras.export.ExportArchive()  # names the input and output
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda image: {"probabilities": model(image, training=False)},
        input_signature=[tf.TensorSpec((None, SIDE, SIDE), tf.uint8, name="image")],
    )
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: ([face[None]] for face in faces)
        return converter.convert() + _archive(properties)


def _archive(properties):
    """A zip archive as bytes, with labels.txt (a label a line) and network.json (all properties)."""
    stream = io.BytesIO()
    texts = {
        "labels.txt": properties["labels"].replace(",", "\n") + "\n",
        "network.json": json.dumps(properties, indent=1) + "\n",
    }
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, DAY), text)
    return stream.getvalue()
