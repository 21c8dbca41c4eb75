"""Export the network that comes with the package in six ways, evaluate the files and time them.

    python tools/exports.py --data fer2013.csv

Writes the files to outputs/exports, and the int8 ONNX file also into the package. Writes each file's accuracy, size and
time per face to outputs/reference/exports/exports.json. Prints the table of docs/exports.md. All runs on one core; the
times are valid only on an idle machine. The calibration of int8 is chosen on PublicTest.
"""

import argparse
import itertools
import json
import os
import time
from pathlib import Path

if __name__ == "__main__" and hasattr(os, "sched_setaffinity"):  # before any library counts the cores
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np
import results
from circumstances import circumstances

from fer_utils import data, evaluation, recognize, runs
from fer_utils.labels import errors
from fer_utils.recognize import export as exporting
from fer_utils.recognize.to_onnx import METHODS
from fer_utils.score.page import interval, percent

WORK, KEPT = runs.PROJECT_ROOT / "outputs/exports", runs.PROJECT_ROOT / "outputs/reference/exports"
PACKAGED = Path(recognize.__file__).with_name("network-int8.onnx")
SEED = 0  # for drawing the faces that calibrate int8
ROUNDS = {1: 100, 64: 15}  # faces per batch -> number of timed predictions


def network_of(path):
    """Return a function from faces, uint8 (n, 48, 48), to probabilities, float32 (n, 7), on one thread."""
    if path.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda faces: session.run(["probabilities"], {"image": faces})[0]
    from tensorflow import lite

    runner = lite.Interpreter(str(path), num_threads=1).get_signature_runner()
    return lambda faces: runner(image=faces)["probabilities"]


def answers_of(network, faces):
    """Return a network's probabilities for faces, float32 (n, 7), in batches of 64."""
    return np.concatenate([network(faces[start : start + 64]) for start in range(0, len(faces), 64)])


def compared(answers, keras_answers, labels):
    """Compare a file's probabilities with Keras': accuracy with its interval, differences, McNemar's test."""
    difference = np.abs(answers - keras_answers)
    predicted, keras_predicted = answers.argmax(axis=1), keras_answers.argmax(axis=1)
    return {
        "accuracy": errors.score(predicted == labels),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "same_answer": float(np.mean(predicted == keras_predicted)),
        "mcnemar": evaluation.mcnemar(predicted == labels, keras_predicted == labels),
    }


def written(model, faces, public):
    """Export all files: (name -> path, the calibrations of int8 that were tried on `public`, and the chosen one)."""
    temperature, about = exporting.shipped()
    keras_answers = recognize.probabilities(model, public.images)
    tried, files = {}, {}
    for method, bits in [*((method, 7) for method in METHODS), ("MinMax", 8)]:
        path = WORK / "tried.onnx"
        exporting.export(model, path, "int8", temperature, faces, about, method=method, bits=bits)
        answers = answers_of(network_of(path), public.images)
        tried[f"{method}, {bits} bits"] = compared(answers, keras_answers, public.labels)
    best = nearest(tried)
    for precision, (kind, suffix) in itertools.product(exporting.PRECISIONS, exporting.SUFFIXES.items()):
        path = files[f"{kind} {precision}"] = WORK / f"network-{precision}{suffix}"
        options = {"method": best} if path.name == PACKAGED.name else {}
        exporting.export(model, path, precision, temperature, faces, about, **options)
    return files, {"chosen": best, "on_public_test": tried}


def nearest(tried):
    """Return the one of METHODS that is nearest to Keras with 7 bits. tried: "method, bits" -> as ``compared``."""
    return min(METHODS, key=lambda method: tried[f"{method}, 7 bits"]["mean_difference"])


def milliseconds(networks, faces):
    """Return name -> faces per batch -> median. The networks take turns, so that other load affects all equally."""
    times = {name: {count: [] for count in ROUNDS} for name in networks}
    for count, rounds in ROUNDS.items():
        for turn in range(-3, rounds):  # the first three turns are not timed
            batch = faces[np.arange(turn * count, (turn + 1) * count) % len(faces)]
            for name, network in networks.items():
                start = time.perf_counter()
                network(batch)
                if turn >= 0:
                    times[name][count].append(1000 * (time.perf_counter() - start))
    return {name: {count: float(np.median(kept)) for count, kept in own.items()} for name, own in times.items()}


def markdown(rows):
    """Return the table of docs/exports.md: one row per file, and one per way to predict with Keras."""
    table = []
    for name, row in rows.items():
        against_keras = [""] * 3
        if "mcnemar" in row:
            same, most = f"{100 * row['same_answer']:.1f} %", f"{row['largest_difference']:.1g}"
            against_keras = [same, most, f"{row['mcnemar']['p_value']:.2f}"]
        paces = [f"{row['milliseconds'][count]:.1f}" for count in ("1", "64")]
        own = row["accuracy"]
        table.append([name, f"{row['bytes'] / 1e6:.1f}", percent(own), interval(own), *against_keras, *paces])
    header = ["file", "MB", "accuracy", "95 %", "as Keras answers", "largest difference", "p"]
    return results.markdown([*header, "ms, 1 face", "ms, 64 faces"], table)


def measured(model, files, faces):
    """Return name -> row of the table, for each file and each way to predict with Keras. faces: ``Faces``."""
    keras_answers = recognize.probabilities(model, faces.images)
    networks = {name: network_of(path) for name, path in files.items()}
    ways = {
        "Keras, predict": lambda batch: model.predict(batch, verbose=0),
        "Keras, predict_on_batch": model.predict_on_batch,
        "Keras, model(faces)": lambda batch: model(batch, training=False).numpy(),
    }
    paces = milliseconds(networks | ways, faces.images)
    right = keras_answers.argmax(axis=1) == faces.labels
    rows = dict.fromkeys(ways, {"bytes": recognize.network.FILE.stat().st_size, "accuracy": errors.score(right)})
    for name, path in files.items():
        answers = answers_of(networks[name], faces.images)
        rows[name] = {"bytes": path.stat().st_size, **compared(answers, keras_answers, faces.labels)}
    return {name: row | {"milliseconds": paces[name]} for name, row in rows.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="FER-2013 in any form")
    parser.add_argument("--split", choices=("PublicTest", "PrivateTest"), default="PrivateTest")
    parser.add_argument("--images", type=int, default=0, help="use only so many, to try the tool; needs --out")
    parser.add_argument("--out", type=runs.resolve, default=KEPT, help="another folder leaves the package unchanged")
    given = parser.parse_args()
    if given.out == KEPT and (given.split, given.images) != ("PrivateTest", 0):
        parser.error("--split and --images are for trying the tool: name another folder with --out")
    made = circumstances("onnx", "tf2onnx", "onnxruntime", network=recognize.facts()["run"])
    faces = data.load_fer2013(given.data)
    splits = {name: np.flatnonzero(faces.usage == name)[: given.images or None] for name in ("PublicTest", given.split)}
    WORK.mkdir(parents=True, exist_ok=True)
    given.out.mkdir(parents=True, exist_ok=True)
    model = recognize.load_network()
    calibration = exporting.calibration_faces(given.data, seed=SEED)
    files, methods = written(model, calibration, faces.take(splits["PublicTest"]))
    rows = measured(model, files, faces.take(splits[given.split]))
    calibrated = {"faces": len(calibration), "seed": SEED, "onnx": methods}
    content = {"split": given.split, **made, "calibrated": calibrated, "rounds": ROUNDS, "files": rows}
    runs.write_json(given.out / "exports.json", content)
    if given.out == KEPT:
        runs.write_whole(PACKAGED, lambda stream: stream.write((WORK / PACKAGED.name).read_bytes()))
    print(markdown(json.loads((given.out / "exports.json").read_text(encoding="utf-8"))["files"]))


if __name__ == "__main__":
    main()
