"""A network as a LiteRT file (once TensorFlow Lite), for phones and small boards (``export``).

TensorFlow's own converter makes it. What the file says of itself is appended as a zip archive, as TensorFlow Lite's
metadata has labels: interpreters do not look behind the network, and zip's readers begin at a file's end.
"""

import io
import json
import tempfile
import zipfile

import keras

from fer_utils.names import SIDE

DAY = (2020, 1, 1, 0, 0, 0)  # of the files in the archive


def to_litert(model, precision, properties, faces=None):
    """A Keras model as LiteRT: bytes. It takes uint8 (n, 48, 48), after resizing its input, and gives float32 (n, 7).

    model: plain, of ``answering.for_answers``. precision: "float32", "float16" or "int8". properties: str -> str,
    appended. faces: uint8 (n, 48, 48), for int8.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        _save(model, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: ([face[None]] for face in faces)
        return converter.convert() + _archive(properties)


def _save(model, folder):
    """Save the model as TensorFlow does, with names for what it takes and gives."""
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda image: {"probabilities": model(image, training=False)},
        input_signature=[tf.TensorSpec((None, SIDE, SIDE), tf.uint8, name="image")],
    )
    archive.write_out(folder, verbose=False)


def _archive(properties):
    """labels.txt, a label a line, and network.json, as the bytes of a zip archive."""
    stream = io.BytesIO()
    texts = {
        "labels.txt": properties["labels"].replace(",", "\n") + "\n",
        "network.json": json.dumps(properties, indent=1) + "\n",
    }
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, DAY), text)
    return stream.getvalue()
