"""Reading a run's model.keras: a network, and no code. Importing this tells Keras this project's layers.

A `.keras` file is a zip whose config.json names the classes to build by their modules. Keras' `safe_mode` refuses
Lambda layers, which hold bytecode, but whoever gets a file from elsewhere wants to know more: that it names nothing but
Keras' own classes and this package's. That is looked at here before Keras sees the file.
"""

import json
import zipfile
from pathlib import Path

import keras

from fer_utils.models import backbones, layers
from fer_utils.models.augmentation import RandomAffine
from fer_utils.models.backbones import WeightsError
from fer_utils.models.classifier import TrainingCrop
from fer_utils.names import EMOTIONS, SIDE

PACKAGES = ("keras", "builtins", "fer_utils")  # `builtins` is what Keras files functions under that it knows by name
OURS = (  # imported, Keras knows them
    RandomAffine,
    layers.BatchNormalization,
    layers.Conv2D,
    backbones.CenteredHe,
    TrainingCrop,
)
CODE = ("Lambda", "__lambda__")
LARGEST = 1 << 33  # bytes unpacked; the widest network with its optimizer's memory takes 1.6 GB
AGAIN = "Use a model.keras that a run of this project wrote, or run its notebook again"


def load_classifier(path):
    """The network that a run left in model.keras, uncompiled: raw uint8 faces (n, 48, 48) in, (n, 7) out.

    Raises WeightsError with the file, the reason and the mend: for no file, a damaged one, one that holds code or names
    other classes than Keras' and ours, one that would fill the memory, and for another kind of network.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file. {AGAIN}")
    try:
        configuration = _configuration(path)
        _check_names(configuration)
        _tell_not_to_train(configuration)
        model = keras.saving.deserialize_keras_object({**configuration, "compile_config": None}, safe_mode=True)
        model.load_weights(path)
        takes, answers = model.input_shape, model.output_shape
    except Exception as error:  # zipfile, json, h5py and Keras each raise their own kinds
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(f"{path}: is not a model to load ({reason}). {AGAIN}") from error
    if takes[1:] != (SIDE, SIDE) or answers[1:] != (len(EMOTIONS),):
        raise WeightsError(
            f"{path}: takes {takes} and answers {answers}, where faces of {SIDE} x {SIDE} and "
            f"{len(EMOTIONS)} emotions are needed. {AGAIN}"
        )
    return model


def _configuration(path):
    with zipfile.ZipFile(path) as archive:
        stated = sum(member.file_size for member in archive.infolist())
        if stated > LARGEST:
            raise ValueError(f"it unpacks to {stated / 1e9:,.1f} GB")
        return json.loads(archive.read("config.json"))


def _check_names(content):
    """Raise ValueError for the first entry of a configuration that is code, or a class of another package."""
    if isinstance(content, list):
        for item in content:
            _check_names(item)
    if not isinstance(content, dict):
        return
    if content.get("class_name") in CODE:
        raise ValueError("it holds code, a Lambda, which would run when it is loaded")
    module = content.get("module")
    if "class_name" in content and isinstance(module, str) and module.split(".")[0] not in PACKAGES:
        raise ValueError(f"it names {module}.{content['class_name']}, which is neither Keras' nor this project's")
    for item in content.values():
        _check_names(item)


def _tell_not_to_train(configuration):
    """Let no layer train unless asked to, as ``models`` builds them now: the first runs were saved without that."""
    for layer in configuration["config"].get("layers", []):
        for call in layer.get("inbound_nodes", []):
            if layer["class_name"] == "Sequential" or call["kwargs"].get("training"):
                call["kwargs"]["training"] = False
