"""Read the folders of finished runs, and refuse damaged ones with the reason.

The subpackages comparison, audit and ladder read nothing but these folders.
"""

import itertools
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.names import STRATEGIES
from fer_utils.project import resolve, shown
from fer_utils.runs.folder import RunError
from fer_utils.runs.predictions import checked

REQUIRED = {  # file -> the keys or columns that the comparison needs
    "manifest.json": ("architecture", "strategy", "parameters", "seed", "seconds", "data_checksum", "device"),
    "metrics.json": ("train", "validation", "test"),
    "history.csv": ("epoch", "val_accuracy", "seconds"),
}
KINDS = {"architecture": str, "strategy": str, "seed": int, "seconds": int | float, "data_checksum": str}  # else dict
# What may differ between seeds of one training: paths, what is saved or shown, and what `settings` records in full.
FREE = {
    "SEED", "DATA", "OUTPUT_DIR", "WEIGHTS", "REFERENCE", "NAME", "FINAL", "KEEP_EPOCHS", "RECIPE", "CHANGES",
    "TEACHERS",
}  # fmt: skip
# Newer parameter -> the value that describes older runs, which lack it. DEVICES is one of older runs, always 1.
BEFORE = {
    "TRAIN_WITHOUT": "none", "CLASS_WEIGHTS": "none", "PRECISION": "float32", "DEVICES": 1, "HEAD": "paper",
    "HEAD_STAGE": 5, "HEAD_UNITS": "", "FEATURE_COPIES": 0, "DROPOUT": 0.5, "FREEZE_BATCH_NORM": True,
}  # fmt: skip
LARGEST_ARRAYS = 1 << 28  # bytes (256 MiB); predictions for all 35,887 faces in six views take 3 MB


@dataclass(frozen=True)
class Run:
    """A finished run. predictions: split -> (row ids int64 (n,), labels uint8 (n,), probabilities float64 (n, 7))."""

    folder: Path
    manifest: dict
    metrics: dict
    history: pd.DataFrame
    predictions: dict

    @property
    def name(self):
        return self.folder.name

    @property
    def arm(self):
        return f"{self.manifest['architecture']}-{self.manifest['strategy']}"


def read_run(folder, needs="test"):
    """Read one finished run and return a Run. Raises RunError that names the folder, the file and what is wrong.

    needs: the split that must have predictions: "validation" for the ladder's rungs, which do not use the test split.
    """
    folder = Path(folder)
    try:
        required = REQUIRED if needs == "test" else {**REQUIRED, "metrics.json": (needs,)}
        manifest, metrics, history = (_content(folder / name, keys) for name, keys in required.items())
        predictions = _predictions(read_arrays(folder / "predictions.npz"), needs)
    except (OSError, ValueError) as error:
        named = isinstance(error, OSError) and error.filename
        reason = f"{error.strerror}: {Path(error.filename).name}" if named else error
        raise RunError(f"{shown(folder)}: not a finished run ({reason}). Run its notebook again") from error
    return Run(folder, manifest, metrics, history, predictions)


def read_arrays(path, largest=LARGEST_ARRAYS):
    """Read an .npz file: name -> array. Raises OSError if it is missing, ValueError if it is damaged.

    largest: the most bytes that it may unpack to, so that a small file cannot fill the memory. Pickled objects are
    refused, since reading them can run code.
    """
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise ValueError(f"{path.name} is not a file")
    try:
        with zipfile.ZipFile(path) as archive:
            stated = sum(member.file_size for member in archive.infolist())
        if stated > largest:
            raise ValueError(f"it unpacks to {stated / 1e9:,.1f} GB, and at most {largest / 1e9:,.1f} are expected")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    # The errors of a file that is empty, cut short or has changed bytes. RuntimeError: an unknown kind of zip.
    # MemoryError: an array's header states more than its file holds. OSError without a filename: a wrong offset.
    except (OSError, ValueError, RuntimeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(f"{path.name} is damaged: {error}") from error


def _content(path, required):
    """Read a JSON or CSV file as dict or DataFrame.

    Raises ValueError if it is damaged, lacks a `required` name, or has a value of the wrong type.
    """
    try:
        content = pd.read_csv(path) if path.suffix == ".csv" else json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    except RecursionError:
        raise ValueError(f"{path.name} is damaged: brackets within brackets, too deep to read") from None
    if not isinstance(content, dict | pd.DataFrame):
        raise ValueError(f"{path.name} holds a {type(content).__name__}, not names with values")
    missing = [key for key in required if key not in content]
    if missing:
        raise ValueError(f"{path.name} lacks {', '.join(missing)}")
    if not len(content):
        raise ValueError(f"{path.name} has no epoch")
    for key in required:
        value = content[key]
        if isinstance(value, pd.Series):
            if not pd.api.types.is_numeric_dtype(value) or value.isna().any():
                raise ValueError(f"{path.name} has something other than numbers in {key}")
        elif not isinstance(value, KINDS.get(key, dict)) or isinstance(value, bool):
            raise ValueError(f"{path.name} has {type(value).__name__} for {key}")
    return content


def _predictions(arrays, needs):
    """The predictions, checked: split -> (row ids, labels, probabilities). Raises ValueError if they are wrong."""
    predictions = {}
    for split in [name.removesuffix("_labels") for name in arrays if name.endswith("_labels")]:
        try:
            row_ids, labels = arrays[f"{split}_row_ids"], arrays[f"{split}_labels"]
            _, probabilities = checked(labels, arrays[f"{split}_probabilities"])
        except KeyError as error:
            raise ValueError(f"predictions.npz lacks {error.args[0]}") from None
        except ValueError as error:
            raise ValueError(f"predictions.npz, {split}: {error}") from error
        if row_ids.shape != labels.shape:
            raise ValueError(f"predictions.npz, {split}: row ids of shape {row_ids.shape} for {len(labels)} labels")
        ids, counts = np.unique(row_ids, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"predictions.npz: image {ids[counts > 1][0]} occurs {counts.max()} times in {split}")
        predictions[split] = (row_ids, labels, probabilities)
    if needs not in predictions:
        raise ValueError(f"predictions.npz has no predictions for the {needs} split")
    return predictions


def collect(output_dir, names="*"):
    """All finished training runs directly below `output_dir`, sorted by name: list of Run.

    names: a shell pattern. Prints a line for each run that it leaves out: one with a missing, damaged or incomplete
    file, with wrong predictions, or with an image twice. Ignores folders of notebooks that make no predictions.
    """
    found = []
    for path in sorted(resolve(output_dir).glob(f"{names}/metrics.json")):
        folder = path.parent
        if (folder / "predictions.npz").exists() or _is_training(folder):
            try:
                found.append(read_run(folder))
            except RunError as error:
                print(f"Left out: {error}.")
    return found


def unlike(run, other, only=None, but=()):
    """The first difference between two trainings, as text ("EPOCHS is 3, not 25"), or "" if only their seeds differ.

    Compares the data, the protocol, and every parameter and setting of a recipe, except ``FREE``. only: the only names
    to compare. but: names not to compare.
    """
    ours, theirs = _training(run), _training(other)
    for name in only or {**theirs, **ours}:
        one, two = ours.get(name) or 0, theirs.get(name) or 0  # a missing, newer setting was off: 0 or ""
        if name not in but and one != two:
            return f"{name} is {one}, not {two}"
    return ""


def _training(run):
    """How a run was trained: name -> value."""
    manifest = run.manifest
    found = BEFORE | manifest["parameters"] | manifest.get("settings", {})
    found = {name: value for name, value in found.items() if name not in FREE}
    weights = "ImageNet's" if manifest.get("weights_checksum") == "imagenet" else "not ImageNet's"
    teachers = []
    for teacher in manifest.get("teachers", []):
        changes = sorted(str(teacher.get("CHANGES")).split())
        teachers.append(" ".join([*changes, f"{teacher.get('RECIPE')}, without {teacher.get('TRAIN_WITHOUT')}"]))
    found |= {"weights": weights, "teachers": sorted(teachers)}
    return {"data checksum": manifest["data_checksum"][:12], **found}


def as_seeds(found):
    """The runs, sorted by seed. Raises RunError, naming two folders, unless they are seeds of one training.

    Only such runs may be averaged: they differ in nothing but their seed (``unlike``), and no seed occurs twice.
    """
    ordered = sorted(found, key=lambda run: run.manifest["seed"])
    for previous, run in itertools.pairwise(ordered):
        if run.manifest["seed"] == previous.manifest["seed"]:
            raise RunError(f"{shown(run.folder)} has the same seed as {shown(previous.folder)}: move one elsewhere")
        if difference := unlike(run, ordered[0]):
            raise RunError(
                f"{shown(run.folder)} differs from {shown(ordered[0].folder)} in more than its seed: {difference}. "
                "Train both alike, or move one elsewhere"
            )
    return ordered


def _is_training(folder):
    try:
        strategy = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["strategy"]
    except (OSError, ValueError, KeyError, TypeError):  # TypeError: JSON, but not a dict
        return False
    return strategy in STRATEGIES
