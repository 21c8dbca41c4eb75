"""Load a run's model.keras without running code from it. Importing this module registers our layers with Keras.

A `.keras` file is a zip whose config.json names the classes to build and their modules. Keras' `safe_mode` refuses
Lambda layers, which hold bytecode. For files from elsewhere this is not enough: before Keras reads the file, this
module checks that it names only classes of Keras and of this package.
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

PACKAGES = ("keras", "builtins", "fer_utils")  # Keras lists functions that it knows by name under `builtins`
# Importing these classes registers them with Keras.
OURS = (RandomAffine, layers.BatchNormalization, layers.Conv2D, backbones.CenteredHe, TrainingCrop)
CODE = ("Lambda", "__lambda__")
LARGEST = 1 << 33  # bytes unpacked; the widest network takes 1.6 GB with its optimizer's state
AGAIN = "Use a model.keras that a run of this project wrote, or run its notebook again"


def load_classifier(path):
    """Load the uncompiled network of a run's model.keras: from raw uint8 faces (n, 48, 48) to (n, 7).

    Raises WeightsError with the file, the reason and the fix if the file is missing or damaged, holds code, names
    classes of other packages than Keras and ours, would fill the memory, or holds another kind of network.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file. {AGAIN}")
    try:
        configuration = _configuration(path)
        _check_names(configuration)
        _call_without_training(configuration)
        model = keras.saving.deserialize_keras_object({**configuration, "compile_config": None}, safe_mode=True)
        model.load_weights(path)
        inputs, outputs = model.input_shape, model.output_shape
    except Exception as error:  # zipfile, json, h5py and Keras each raise their own exceptions
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(f"{path}: cannot be loaded ({reason}). {AGAIN}") from error
    if inputs[1:] != (SIDE, SIDE) or outputs[1:] != (len(EMOTIONS),):
        raise WeightsError(
            f"{path}: has inputs {inputs} and outputs {outputs}, but faces of {SIDE} x {SIDE} and "
            f"{len(EMOTIONS)} emotions are needed. {AGAIN}"
        )
    return model


def _configuration(path):
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > LARGEST:
            raise ValueError(f"it unpacks to {unpacked / 1e9:,.1f} GB")
        return json.loads(archive.read("config.json"))


def _check_names(content):
    """Raise ValueError for the first entry of a configuration that is code or a class of another package."""
    if isinstance(content, dict):
        if content.get("class_name") in CODE:
            raise ValueError("it holds code, a Lambda, which would run when it is loaded")
        module = content.get("module")
        if "class_name" in content and isinstance(module, str) and module.split(".")[0] not in PACKAGES:
            raise ValueError(f"it names {module}.{content['class_name']}, which is neither Keras' nor this project's")
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            _check_names(item)


def _call_without_training(configuration):
    """Call layers with training=False, as ``models`` does now. The configurations of the first runs lack this."""
    for layer in configuration["config"].get("layers", []):
        for call in layer.get("inbound_nodes", []):
            if layer["class_name"] == "Sequential" or call["kwargs"].get("training"):
                call["kwargs"]["training"] = False
