"""Broken files of weights and of whole networks."""

import io
import json
import zipfile
from functools import cache

import h5py
import keras
import numpy as np

from fer_utils import models
from fer_utils.models import backbones, saved_models
from fer_utils.models.backbones import WeightsError

from .case import Case, pickled, pipe, write, zip_of

NAME = "backbone.weights.h5"


def load(path):
    backbones.load_backbone_weights(_backbone("vgg16", to_be="loaded"), path)


@cache
def _backbone(architecture, channels=3, width=0.02, to_be="saved"):
    """One that is only saved keeps its weights, whatever the broken files leave in the one that is loaded."""
    return backbones.build_backbone(architecture, 32, channels, width)


def weights_of(*given):
    """Makes the weights of another backbone."""

    def make(folder):
        _backbone(*given).save_weights(folder / NAME)
        return folder / NAME

    return make


def changed(change):
    """Makes fitting weights and lets `change(h5py.File)` break them."""

    def make(folder):
        path = weights_of("vgg16")(folder)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def first_kernel(file):
    """The group and the name of the first convolution's kernel in a file of weights."""
    group = file["layers"]["conv2d"]["vars"]
    return group, "0"


def is_nan(file):
    group, name = first_kernel(file)
    group[name][...] = np.nan


def lies_elsewhere(file):
    group, name = first_kernel(file)
    shape = group[name].shape
    del group[name]
    group.create_dataset(name, shape, "f4", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


def links_out(file):
    group, name = first_kernel(file)
    del group[name]
    group[name] = h5py.ExternalLink("/etc/other.h5", "/x")


def claims_terabytes(file):
    group, name = first_kernel(file)
    del group[name]
    group.create_dataset(name, (10**6, 10**6), "f4", chunks=(100, 100))


def lacks_a_layer(file):
    del file["layers"]["conv2d_3"]


def cut(folder):
    path = weights_of("vgg16")(folder)
    return write(path, path.read_bytes()[:-3000])


def empty_h5(folder):
    h5py.File(folder / NAME, "w").close()
    return folder / NAME


def weights(name, make, says, names=NAME):
    return Case(f"weights: {name}", make, load, WeightsError, says, names)


# --- whole networks --------------------------------------------------------------------------------------------------


def saved(build):
    """Makes model.keras of the network that `build(keras)` gives."""

    def make(folder):
        build().save(folder / "model.keras")
        return folder / "model.keras"

    return make


def classifier():
    return models.build_classifier("deepcnn", "scratch", width=0.02, head="average", augmentation="flip")


def with_lambda():
    return keras.Sequential([keras.Input((48, 48)), keras.layers.Lambda(lambda x: x[:, 0, :7])])


def another():
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(7)])


def with_configuration(change):
    """Makes a whole model.keras whose configuration, as text, went through `change`."""

    def make(folder):
        path = saved(classifier)(folder)
        stream = io.BytesIO()
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(stream, "w") as other:
            for name in archive.namelist():
                content = archive.read(name)
                other.writestr(name, change(content.decode()) if name == "config.json" else content)
        return write(path, stream.getvalue())

    return make


def calls_the_shell(text):
    """Its last layer is one of `os`."""
    config = json.loads(text)
    config["config"]["layers"][-1] |= {"module": "os", "class_name": "system", "registered_name": "system"}
    return json.dumps(config)


def hides_bytecode(text):
    config = json.loads(text)
    code = {"class_name": "__lambda__", "config": {"code": "4wAAAAA=", "defaults": None, "closure": None}}
    config["config"]["layers"][-1]["config"]["activation"] = code
    return json.dumps(config)


def cut_network(folder):
    path = saved(classifier)(folder)
    return write(path, path.read_bytes()[:-3000])


def network(name, make, says):
    says += ".*Use a model.keras that a run of this project wrote"
    return Case(f"network: {name}", make, saved_models.load_classifier, WeightsError, says, "model.keras")


BOMB = {"config.json": b"{}", "model.weights.h5": b""}
CASES = [
    weights("no such file", lambda folder: folder / NAME, "no such weights file. Make it with notebook 02"),
    weights("a folder", lambda folder: (folder / NAME).mkdir() or folder / NAME, "no such weights file. Make it"),
    weights("a pipe", lambda folder: pipe(folder / NAME), "no such weights file. Make it"),
    weights(
        "another ending", lambda folder: write(folder / "vgg16.h5"), "weights files end in .weights.h5", "vgg16.h5"
    ),
    weights("nothing in it", lambda folder: write(folder / NAME), "does not fit vgg16.*Use the ARCHITECTURE"),
    weights(
        "a page to sign in", lambda folder: write(folder / NAME, "<html>"), "does not fit vgg16.*Use the ARCHITECTURE"
    ),
    weights(
        "a pickle", lambda folder: write(folder / NAME, pickled(folder)), "does not fit vgg16.*Use the ARCHITECTURE"
    ),
    weights("a zip", lambda folder: zip_of(folder / NAME, {"a": b"b"}), "does not fit vgg16.*Use the ARCHITECTURE"),
    weights("cut off", cut, "does not fit vgg16.*Use the ARCHITECTURE"),
    weights("HDF5 without weights", empty_h5, "does not fit vgg16.*Use the ARCHITECTURE"),
    weights("of another architecture", weights_of("resnet50"), "does not fit vgg16.*Use the ARCHITECTURE and WIDTH"),
    weights("of another width", weights_of("vgg16", 3, 0.04), "does not fit vgg16.*Use the ARCHITECTURE and WIDTH"),
    weights("of gray images", weights_of("vgg16", 1), "does not fit vgg16 with 3 channel.*Use the ARCHITECTURE"),
    weights("without a layer", changed(lacks_a_layer), "does not fit vgg16.*Use the ARCHITECTURE"),
    weights("that went astray", changed(is_nan), "it holds NaN or infinity.*make it again with notebook 02"),
    weights("that lie in another file", changed(lies_elsewhere), "does not fit vgg16.*make it again"),
    weights("that link to another file", changed(links_out), "does not fit vgg16.*make it again"),
    weights("that claim 4 TB", changed(claims_terabytes), "does not fit vgg16.*make it again"),
    network("no such file", lambda folder: folder / "model.keras", "no such file"),
    network("a pipe", lambda folder: pipe(folder / "model.keras"), "no such file"),
    network("nothing in it", lambda folder: write(folder / "model.keras"), "cannot be loaded .File is not a zip"),
    network("a pickle", lambda folder: write(folder / "model.keras", pickled(folder)), "cannot be loaded"),
    network(
        "weights alone", lambda folder: weights_of("vgg16")(folder).rename(folder / "model.keras"), "cannot be loaded"
    ),
    network("cut off", cut_network, "cannot be loaded"),
    network("a zip of something else", lambda f: zip_of(f / "model.keras", {"a": b""}), "no item named 'config.json'"),
    network("a bomb", lambda f: zip_of(f / "model.keras", BOMB, states=4_290_000_000 * 2), "it unpacks to 17.2 GB"),
    network("a Lambda layer", saved(with_lambda), "it holds code, a Lambda"),
    network("bytecode for an activation", with_configuration(hides_bytecode), "it holds code, a Lambda"),
    network(
        "a layer of the operating system's", with_configuration(calls_the_shell), "it names os.system, which is neither"
    ),
    network("a configuration of nothing", with_configuration(lambda text: ""), "cannot be loaded"),
    network("another kind of network", saved(another), r"has inputs \(None, 8\) and outputs \(None, 7\)"),
]
