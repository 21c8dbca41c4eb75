"""Broken folders of runs."""

import io
import json
import zipfile

import numpy as np
import pandas as pd

from fer_utils import comparison, evaluation, runs
from fer_utils.evaluation import epoch_choice

from .case import Case, array_of_objects, pickled, pipe, write

NAME = "vgg16-scratch-seed0"
SPLITS = ("train", "validation", "test")


def finished(root):
    """A run of 14 images as a notebook would have left it; returns its folder."""
    folder = root / NAME
    folder.mkdir()
    labels = np.arange(14) % 7
    answers = 0.4 * np.eye(7)[labels] + 0.6 / 7
    runs.save_predictions(folder, {split: (np.arange(14), labels, answers) for split in SPLITS})
    history = {"epoch": [1, 2], "val_accuracy": [0.1, 0.2], "seconds": [5.0, 6.0]}
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    manifest = {"architecture": "vgg16", "strategy": "scratch", "parameters": {}, "seed": 0, "seconds": 9.5}
    runs.write_json(folder / "manifest.json", {**manifest, "data_checksum": "a", "device": {}})
    runs.write_json(folder / "metrics.json", {split: evaluation.summarize(labels, answers) for split in SPLITS})
    return folder


def without(name):
    def make(folder):
        (finished(folder) / name).unlink()
        return folder / NAME

    return make


def replaced(name, content):
    """Makes a run whose file `name` is other bytes: `content`, or content(the old bytes)."""

    def make(folder):
        path = finished(folder) / name
        write(path, content(path.read_bytes()) if callable(content) else content)
        return folder / NAME

    return make


def with_entry(file, key, value):
    """Makes a run in which an entry of a JSON file is another."""
    return replaced(file, lambda old: json.dumps({**json.loads(old), key: value}))


def without_checksum(old):
    return json.dumps({key: value for key, value in json.loads(old).items() if key != "data_checksum"})


def with_arrays(change):
    """Makes a run whose predictions went through change(arrays)."""

    def changed(old):
        arrays = dict(np.load(io.BytesIO(old)))
        change(arrays)
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        return stream.getvalue()

    return replaced("predictions.npz", changed)


def trapped(file, save):
    """Makes a run whose `file` holds a pickle that would tell if it were read."""

    def make(folder):
        save(finished(folder) / file, array_of_objects(folder))
        return folder / NAME

    return make


def states_more(old):
    """The first array's header claims ten million million rows; what is behind it stays."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(old)) as archive, zipfile.ZipFile(stream, "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            head = np.lib.format.magic(1, 0) + b"v\0" + b"{'descr': '<i8', 'fortran_order': False, 'shape': "
            lie = (head + b"(10000000000000,)}").ljust(127) + b"\n"
            other.writestr(name, lie + content[128:] if name.startswith("test_row_ids") else content)
    return stream.getvalue()


def claims(size):
    """The zip's directory claims so many bytes for each array."""

    def change(old):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as other:
            other.writestr("test_labels.npy", b"x")
            other.filelist[0].file_size = size
        return stream.getvalue()

    return change


def pipe_for_predictions(folder):
    (finished(folder) / "predictions.npz").unlink()
    return pipe(folder / NAME / "predictions.npz").parent


def folder_for_predictions(folder):
    (finished(folder) / "predictions.npz").unlink()
    (folder / NAME / "predictions.npz").mkdir()
    return folder / NAME


def case(name, make, says):
    return Case(f"run: {name}", make, runs.read_run, runs.RunError, says + ".*Run its notebook again", NAME)


def other(name, make, read, says, names=""):
    return Case(f"run: {name}", make, read, runs.RunError, says, names)


def logits(arrays):
    arrays["test_probabilities"] = arrays["test_probabilities"] * 9 - 4


def first(key, value):
    def change(arrays):
        arrays[key][0] = value

    return change


def other_name(arrays):
    for name in [name for name in arrays if name.startswith("test_")]:
        arrays["exam" + name] = arrays.pop(name)


DEEP = "[" * 200_000
CASES = [
    case("no folder", lambda folder: folder / NAME, "No such file or directory: manifest.json"),
    case("stopped before its end", without("metrics.json"), "No such file or directory: metrics.json"),
    case("no predictions", without("predictions.npz"), "No such file or directory: predictions.npz"),
    case("predictions of objects", trapped("predictions.npz", lambda p, a: np.savez(p, test_labels=a)), "allow_pickle"),
    case(
        "predictions that are one pickle",
        lambda f: write(finished(f) / "predictions.npz", pickled(f)).parent,
        "not a zip",
    ),
    case(
        "predictions of .npy",
        replaced("predictions.npz", b"\x93NUMPY\1\0v\0{}"),
        "predictions.npz is damaged: .*not a zip",
    ),
    case("predictions of nothing", replaced("predictions.npz", b""), "predictions.npz is damaged"),
    case("predictions cut off", replaced("predictions.npz", lambda old: old[:-300]), "predictions.npz is damaged"),
    case(
        "predictions that claim 3 GB",
        replaced("predictions.npz", claims(3_000_000_000)),
        "unpacks to 3.0 GB, and at most",
    ),
    case("an array that claims 80 TB", replaced("predictions.npz", states_more), "predictions.npz is damaged"),
    case("a pipe for predictions", pipe_for_predictions, "predictions.npz is not a file"),
    case("a folder for predictions", folder_for_predictions, "predictions.npz is not a file"),
    case("logits", with_arrays(logits), "predictions.npz, test: probabilities hold a negative number"),
    case("NaN for an answer", with_arrays(first("test_probabilities", np.nan)), "probabilities hold NaN or infinity"),
    case("a row of zeros", with_arrays(lambda a: a["test_probabilities"].__setitem__(3, 0)), "test: .*row 3 sums to 0"),
    case(
        "answers of five classes",
        with_arrays(lambda a: a.update(test_probabilities=np.ones((14, 5)) / 5)),
        r"test: .*shape \(14, 5\)",
    ),
    case(
        "fewer labels than answers",
        with_arrays(lambda a: a.update(test_labels=a["test_labels"][:3])),
        r"shape \(3, 7\).* \(14, 7\)",
    ),
    case(
        "a member's header that is none",
        replaced("predictions.npz", lambda old: old.replace(b"PK\3\4", b"PK\3\5", 1)),
        "predictions.npz is damaged",
    ),
    case("label 9", with_arrays(first("test_labels", 9)), "labels must be from 0 to 6, got 9"),
    case("an image twice", with_arrays(first("test_row_ids", 3)), "image 3 occurs 2 times in test"),
    case("ids of other images", with_arrays(lambda a: a.update(test_row_ids=np.arange(9))), r"row ids of shape \(9,\)"),
    case("no answers of the test split", with_arrays(other_name), "has no predictions for the test split"),
    case("no probabilities", with_arrays(lambda a: a.pop("test_probabilities")), "lacks test_probabilities"),
    case("metrics of nothing", replaced("metrics.json", ""), "metrics.json is damaged"),
    case("metrics cut off", replaced("metrics.json", lambda old: old[:-30]), "metrics.json is damaged"),
    case("metrics that are a list", replaced("metrics.json", "[1, 2]"), "metrics.json holds a list"),
    case("metrics of one split", replaced("metrics.json", '{"test": {}}'), "metrics.json lacks train, validation"),
    case("a number for a split's metrics", with_entry("metrics.json", "test", 0.9), "metrics.json has float for test"),
    case("brackets in brackets", replaced("metrics.json", DEEP), "metrics.json is damaged: brackets within brackets"),
    case("a manifest of UTF-16", replaced("manifest.json", "{}".encode("utf-16")), "manifest.json is damaged"),
    case("a manifest of bytes", replaced("manifest.json", bytes(range(256))), "manifest.json is damaged"),
    case("a word for the seed", with_entry("manifest.json", "seed", "zero"), "manifest.json has str for seed"),
    case(
        "a list of parameters", with_entry("manifest.json", "parameters", []), "manifest.json has list for parameters"
    ),
    case("no checksum of the data", replaced("manifest.json", without_checksum), "manifest.json lacks data_checksum"),
    case("no architecture", replaced("manifest.json", "{}"), "manifest.json lacks architecture, strategy"),
    case("a history of nothing", replaced("history.csv", ""), "history.csv is damaged"),
    case(
        "a history without epochs", replaced("history.csv", "epoch,val_accuracy,seconds\n"), "history.csv has no epoch"
    ),
    case(
        "a word for an accuracy",
        replaced("history.csv", "epoch,val_accuracy,seconds\n1,good,5\n"),
        "numbers in val_acc",
    ),
    case("a history cut off", replaced("history.csv", lambda old: old[:-6]), "something other than numbers in seconds"),
    case(
        "no accuracy in the history", replaced("history.csv", "epoch,seconds\n1,5\n"), "history.csv lacks val_accuracy"
    ),
    other(
        "no answers of every epoch",
        finished,
        epoch_choice.read_epochs,
        "epochs.npz: no predictions .*Run with KEEP_EPOCHS=True",
    ),
    other(
        "answers of every epoch as a pickle",
        trapped(epoch_choice.FILE, lambda path, array: np.savez(path, test_answers=array)),
        epoch_choice.read_epochs,
        "no predictions of every epoch.*allow_pickle=False.*Run with KEEP_EPOCHS=True",
    ),
    other(
        "nothing to compare", lambda folder: folder, comparison.load_runs, "no finished run of any arm in .*Make runs"
    ),
    other(
        "a file for the folder of runs", lambda f: write(f / "out"), lambda p: runs.start_run(p, "a"), "Set OUTPUT_DIR"
    ),
    other(
        "a name that climbs",
        lambda f: f / "runs",
        lambda p: runs.start_run(p, "../a"),
        "'../a' is not a run's name",
        "../a",
    ),
    other(
        "no name",
        lambda folder: folder / "runs",
        lambda p: runs.start_run(p, ""),
        "is not a run's name. Give a name",
        "''",
    ),
]
