"""Export a network as ONNX or LiteRT: python -m fer_utils.recognize.export --to onnx network.onnx

The file's input is `image`, grey levels uint8 (n, 48, 48). Its output is calibrated `probabilities`, float32 (n, 7), in
the order of its labels. It scales the pixels itself; layers that act in training only are left out. The default is the
network that comes with this package. int8 is calibrated on faces of Training, so it needs --data. More: docs/exports.md
"""

import argparse
import importlib.metadata
import sys
from pathlib import Path

import keras

from fer_utils import data, runs
from fer_utils.command_line import data_source, leave_with
from fer_utils.evaluation.calibration import RANGE
from fer_utils.models import saved_models
from fer_utils.models.answering import for_answers
from fer_utils.names import EMOTIONS
from fer_utils.recognize import network
from fer_utils.recognize.to_litert import to_litert
from fer_utils.recognize.to_onnx import to_onnx

SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
PRECISIONS = ("float32", "float16", "int8")
CALIBRATED_ON = 256  # faces


class ExportError(ValueError):
    """The network cannot be exported; the message gives the reason and the fix."""


def export(model, path, precision="float32", temperature=1.0, faces=None, about=None, **options):
    """Write a Keras model to `path`, .onnx or .tflite, completely or not at all.

    model: from ``models.build_classifier`` or ``load_network``. precision: one of ``PRECISIONS``, for the weights; int8
    also computes in int8. temperature: the divisor of the logits. faces: uint8 (n, 48, 48), to calibrate int8.
    about: further metadata, str -> str. options: method and bits of ``to_onnx``. Raises ExportError, or RunError if the
    file cannot be written.
    """
    path = Path(path)
    _check(path, precision, faces)
    plain = with_temperature_inside(model, temperature)
    properties = {
        "labels": ",".join(EMOTIONS),
        "input": "image: one gray face each, grey levels 0 to 255 as uint8 (n, 48, 48), framed as in FER-2013",
        "output": "probabilities: float32 (n, 7), in the order of labels",
        "precision": precision,
        "temperature": str(temperature),
        "version": importlib.metadata.version("fer-utils"),
        **(about or {}),
    }
    convert = to_onnx if path.suffix == SUFFIXES["onnx"] else to_litert
    try:
        content = convert(plain, precision, properties, faces, **options)
    except ImportError as error:
        raise ExportError(f"{error.name} is not installed. Install it: pip install -e '.[export]'") from error
    runs.write_whole(path, lambda stream: stream.write(content))


def with_temperature_inside(model, temperature):
    """A copy of `model` for inference (``for_answers``) whose last layer divides the logits by the temperature."""
    if not RANGE[0] <= temperature <= RANGE[1]:
        raise ExportError(f"temperature={temperature!r} must lie in {list(RANGE)}")
    plain = for_answers(model)
    last = plain.layers[-1]
    if temperature != 1 and not isinstance(last, keras.layers.Dense):
        raise ExportError(f"{model.name} ends in {last.name}, not in a dense layer. Give no temperature other than 1")
    last.set_weights([weights / temperature for weights in last.get_weights()])
    return plain


def calibration_faces(source, count=CALIBRATED_ON, seed=0):
    """Draw faces of Training at random from FER-2013 in any form: uint8 (count, 48, 48)."""
    # "paper" needs no PublicTest, which image folders may lack; Training is the same.
    return data.apply_protocol(data.load_fer2013(source), "paper", count, seed).train.images


def _check(path, precision, faces):
    """Raise ExportError for arguments that cannot work, before the export, which can take a minute."""
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"exporting needs TensorFlow, but Keras runs on {keras.backend.backend()} here. Set "
            "KERAS_BACKEND=tensorflow; it can read a model.keras of any backend"
        )
    if path.suffix not in SUFFIXES.values():
        raise ExportError(f"{path}: the file name must end in {' or '.join(SUFFIXES.values())}")
    if not path.parent.is_dir():
        raise ExportError(f"{path}: there is no folder {path.parent}. Make it first")
    if precision not in PRECISIONS:
        raise ExportError(f"precision={precision!r} is unknown: use one of {', '.join(map(repr, PRECISIONS))}")
    if precision == "int8" and (faces is None or not len(faces)):
        raise ExportError(f"{path}: int8 is calibrated on faces of Training. Give FER-2013 as --data")


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m fer_utils.recognize.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="the file to write: a name that ends in .onnx or .tflite")
    parser.add_argument("--to", required=True, choices=SUFFIXES)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--network", help="model.keras of a run; by default the network that comes with the package")
    parser.add_argument("--temperature", type=float, help="default: the package's network's, or 1 with --network")
    parser.add_argument("--data", help="FER-2013 in any form, for int8")
    given = parser.parse_args(arguments)
    try:
        if given.file.suffix != SUFFIXES[given.to]:
            raise ExportError(f"{given.file}: with --to {given.to}, the name must end in {SUFFIXES[given.to]}")
        faces = calibration_faces(data_source(given.data)) if given.data and given.precision == "int8" else None
        if given.network:
            model, temperature, about = saved_models.load_classifier(given.network), 1.0, {}
        else:
            model, temperature, about = network.load_network(), *shipped()
        temperature = temperature if given.temperature is None else given.temperature
        export(model, given.file, given.precision, temperature, faces, about)
    except data.DataError as error:
        print(f"--data: {error}", file=sys.stderr)
        return 2
    except (ExportError, runs.RunError, saved_models.WeightsError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{given.file}: {given.file.stat().st_size:,} bytes, {given.precision}, temperature {temperature}")
    return 0


def shipped():
    """The temperature of the network that comes with the package, and the metadata of its file (`about`)."""
    facts = network.facts()
    about = {"run": facts["run"], "git_commit": facts["git_commit"]}
    about |= {"model_card": "docs/model-card.md of fer_utils", "licence": "MIT"}
    return facts["temperatures"]["single"], about


if __name__ == "__main__":
    leave_with(main)
