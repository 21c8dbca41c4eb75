"""Reading run folders: finished runs whole, what is damaged refused with its reason (notebooks 06 to 09).

Comparison, audit and ladder read nothing but these folders.
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

REQUIRED = {  # what comparison reads of a run, file by file
    "manifest.json": ("architecture", "strategy", "parameters", "seed", "seconds", "data_checksum", "device"),
    "metrics.json": ("train", "validation", "test"),
    "history.csv": ("epoch", "val_accuracy", "seconds"),
}
KINDS = {"architecture": str, "strategy": str, "seed": int, "seconds": int | float, "data_checksum": str}  # else dict
# What may differ between seeds of one training: paths, what is kept or shown, and what has its effect in `settings`.
FREE = {
    "SEED", "DATA", "OUTPUT_DIR", "WEIGHTS", "REFERENCE", "NAME", "FINAL", "KEEP_EPOCHS", "RECIPE", "CHANGES",
    "TEACHERS",
}  # fmt: skip
BEFORE = {  # the value that a parameter had, in effect, in runs of before there was such a parameter
    "TRAIN_WITHOUT": "none", "CLASS_WEIGHTS": "none", "PRECISION": "float32", "DEVICES": 1, "HEAD": "paper",
    "HEAD_STAGE": 5, "HEAD_UNITS": "", "FEATURE_COPIES": 0, "DROPOUT": 0.5, "FREEZE_BATCH_NORM": True,
}  # fmt: skip
LARGEST_ARRAYS = 1 << 28  # bytes; the predictions of all 35,887 faces in six views take 3 MB


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
    """Read one finished run: Run. Raises RunError that names the folder, the file and what is wrong with it.

    needs: the split that it must hold predictions of; "validation" for a rung of the ladder, which opens no test split.
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
    """The arrays of an .npz file, name -> array. Raises OSError without the file, ValueError where it is damaged.

    largest: bytes that it may unpack to, so that no small file fills the memory. Objects are never read: a pickle could
    run code.
    """
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise ValueError(f"{path.name} is no file")
    try:
        with zipfile.ZipFile(path) as archive:
            stated = sum(member.file_size for member in archive.infolist())
        if stated > largest:
            raise ValueError(f"it unpacks to {stated / 1e9:,.1f} GB, and at most {largest / 1e9:,.1f} are expected")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except OSError as error:  # zipfile seeks to where a changed byte points
        if error.filename is not None:
            raise
        raise ValueError(f"{path.name} is damaged: {error}") from error
    # Empty, cut short, or with changed bytes, which zipfile may also take for a kind of zip that it does not know.
    # MemoryError: an array's header states more than its file holds.
    except (ValueError, RuntimeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error


def _content(path, required):
    """A JSON or CSV file as dict or DataFrame. ValueError where it is damaged or lacks one of `required`."""
    try:
        content = pd.read_csv(path) if path.suffix == ".csv" else json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    except RecursionError:
        raise ValueError(f"{path.name} is damaged: brackets within brackets without end") from None
    if not isinstance(content, dict | pd.DataFrame):
        raise ValueError(f"{path.name} holds a {type(content).__name__}, not names with values")
    missing = [key for key in required if key not in content]
    if missing:
        raise ValueError(f"{path.name} lacks {', '.join(missing)}")
    if not len(content):
        raise ValueError(f"{path.name} has no epoch")
    for key in required:
        _check_kind(path.name, key, content[key])
    return content


def _check_kind(name, key, value):
    """ValueError where what comparison computes with is of another kind: text for a number, a list for names."""
    if isinstance(value, pd.Series):
        if not pd.api.types.is_numeric_dtype(value) or value.isna().any():
            raise ValueError(f"{name} has something else than numbers in {key}")
        return
    kind = KINDS.get(key, dict)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} has {type(value).__name__} for {key}")


def _predictions(arrays, needs):
    """The splits' (row ids, labels, probabilities that sum to 1); ValueError where they cannot be scored."""
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
            raise ValueError(f"predictions.npz: image {ids[counts > 1][0]} is there {counts.max()} times in {split}")
        predictions[split] = (row_ids, labels, probabilities)
    if needs not in predictions:
        raise ValueError(f"predictions.npz holds no predictions of the {needs} split")
    return predictions


def collect(output_dir, names="*"):
    """All finished training runs below `output_dir` whose names match, as a shell would match them; sorted by name.

    A run that cannot be used (a file missing, damaged or incomplete; predictions that cannot be scored; an image twice)
    is named in a printed line and left out.
    Folders of other notebooks, which have no predictions by nature, are passed over.
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
    """The first thing in which two trainings differ, as text: "EPOCHS is 3, not 25"; "" where at most their seeds do.

    Compared are the data, the protocol, and every parameter and setting of a recipe (``FREE`` are left out). only, but:
    names that are compared alone, or not at all.
    """
    ours, theirs = _made(run), _made(other)
    for name in only or {**theirs, **ours}:
        one, two = (values.get(name) or 0 for values in (ours, theirs))  # a setting that came later was off: 0 or ""
        if name not in but and one != two:
            return f"{name} is {one}, not {two}"
    return ""


def _made(run):
    """How a run was trained: name -> value."""
    manifest = run.manifest
    found = BEFORE | manifest["parameters"] | manifest.get("settings", {})
    found = {name: value for name, value in found.items() if name not in FREE}
    weights = "ImageNet's" if manifest.get("weights_checksum") == "imagenet" else "not ImageNet's"
    teachers = sorted(
        " ".join([*sorted(str(one.get("CHANGES")).split()), f"{one.get('RECIPE')}, without {one.get('TRAIN_WITHOUT')}"])
        for one in manifest.get("teachers", [])
    )
    return {"data checksum": manifest["data_checksum"][:12], **found, "weights": weights, "teachers": teachers}


def as_seeds(found):
    """The runs, sorted by seed. Raises RunError, naming two folders, unless they are seeds of one training.

    Seeds of one training are alike but for their seed (``unlike``), and each seed is there once. Only such runs may be
    averaged.
    """
    own = sorted(found, key=lambda run: run.manifest["seed"])
    for one, run in itertools.pairwise(own):
        if run.manifest["seed"] == one.manifest["seed"]:
            raise RunError(
                f"{shown(run.folder)} has the same seed as {shown(one.folder)}: move one of them to another folder"
            )
        if difference := unlike(run, own[0]):
            raise RunError(
                f"{shown(run.folder)} is no further seed of {shown(own[0].folder)}: {difference}. Train it like that "
                "one, or move one of them elsewhere"
            )
    return own


def _is_training(folder):
    try:
        strategy = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["strategy"]
    except (OSError, ValueError, KeyError, TypeError):  # TypeError: JSON, but no dict
        return False
    return strategy in STRATEGIES
