"""Carry a network anywhere, as ONNX or LiteRT: python -m fer_utils.recognize.export --to onnx network.onnx

The file takes grey levels as they are, `image` uint8 (n, 48, 48), and gives calibrated `probabilities` float32 (n, 7)
in the order of its labels. Scaling is inside; what acts in training alone is not. By default it is the network that
comes with this package. int8 is calibrated on faces of Training, which needs --data. More: docs/exports.md.
"""

import argparse
import importlib.metadata
import sys
from pathlib import Path

from fer_utils.command_line import data_source, leave_with
from fer_utils.names import EMOTIONS

SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
PRECISIONS = ("float32", "float16", "int8")
CALIBRATED_ON = 256  # faces


class ExportError(ValueError):
    """A network that cannot be exported; the message says why, and the mend."""


def export(model, path, precision="float32", temperature=1.0, faces=None, about=None, **options):
    """Write a Keras model as `path`, .onnx or .tflite, whole or not at all.

    model: of ``models.build_classifier`` or ``load_network``. precision: one of ``PRECISIONS``: of the weights, and for
    int8 of what is computed with, too. temperature: what the logits are divided by. faces: uint8 (n, 48, 48), which
    int8 is calibrated on. about: what else the file says of itself, str -> str. options: of ``to_onnx`` or
    ``to_litert``. Raises ExportError, and RunError where the file cannot be written.
    """
    from fer_utils import runs

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
    try:
        if path.suffix == SUFFIXES["onnx"]:
            from fer_utils.recognize.to_onnx import to_onnx as convert
        else:
            from fer_utils.recognize.to_litert import to_litert as convert
        content = convert(plain, precision, properties, faces, **options)
    except ImportError as error:
        raise ExportError(f"{error.name} is not installed. Install it: pip install -e '.[export]'") from error
    runs.write_whole(path, lambda stream: stream.write(content))


def with_temperature_inside(model, temperature):
    """A plain copy of `model` (``for_answers``) whose softmax gets logits divided by the temperature."""
    from fer_utils.evaluation.calibration import RANGE
    from fer_utils.models.answering import for_answers

    if not RANGE[0] <= temperature <= RANGE[1]:
        raise ExportError(f"temperature={temperature!r} must lie in {list(RANGE)}")
    plain = for_answers(model)
    last = plain.layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])
    return plain


def calibration_faces(source, count=CALIBRATED_ON, seed=0):
    """Faces of Training drawn at random from FER-2013 in any form: uint8 (count, 48, 48)."""
    from fer_utils import data

    return data.apply_protocol(data.load_fer2013(source), "official", count, seed).train.images


def _check(path, precision, faces):
    """Raise ExportError for what cannot be exported so; before a minute is spent on it."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"exports are made by TensorFlow, and Keras runs on {keras.backend.backend()} here. Set "
            "KERAS_BACKEND=tensorflow; it reads a model.keras of any backend"
        )
    if path.suffix not in SUFFIXES.values():
        raise ExportError(f"{path}: a network is exported as {' or '.join(SUFFIXES.values())}. Name it so")
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
    parser.add_argument("file", type=Path, help="what is written: a name that ends in .onnx or .tflite")
    parser.add_argument("--to", required=True, choices=SUFFIXES)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--network", help="a run's model.keras; by default the network that comes with the package")
    parser.add_argument("--temperature", type=float, help="instead of the package's network's, or 1 with --network")
    parser.add_argument("--data", help="FER-2013 in any form, for int8")
    given = parser.parse_args(arguments)
    from fer_utils.data import DataError
    from fer_utils.models import saved_models
    from fer_utils.recognize import network
    from fer_utils.runs import RunError

    try:
        if given.file.suffix != SUFFIXES[given.to]:
            raise ExportError(f"{given.file}: {given.to} files end in {SUFFIXES[given.to]}. Name it so")
        faces = calibration_faces(data_source(given.data)) if given.data and given.precision == "int8" else None
        if given.network:
            model, temperature, about = saved_models.load_classifier(given.network), 1.0, {}
        else:
            model, temperature, about = network.load_network(), *shipped()
        temperature = temperature if given.temperature is None else given.temperature
        export(model, given.file, given.precision, temperature, faces, about)
    except (ExportError, DataError, RunError, saved_models.WeightsError) as error:
        print(f"--data: {error}" if isinstance(error, DataError) else error, file=sys.stderr)
        return 2
    print(f"{given.file}: {given.file.stat().st_size:,} bytes, {given.precision}, temperature {temperature}")
    return 0


def shipped():
    """(temperature, what else a file says of itself) of the network that comes with the package."""
    from fer_utils.recognize import network

    facts = network.facts()
    about = {
        "run": facts["run"],
        "git_commit": facts["git_commit"],
        "model_card": "docs/model-card.md of fer_utils",
        "licence": "MIT",
    }
    return facts["temperatures"]["single"], about


if __name__ == "__main__":
    leave_with(main)
