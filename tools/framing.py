r"""How FER-2013's faces are framed, and what a wrong frame costs (notebook 10).

    python tools/framing.py measure fer2013.csv    where the detector's box lies in images of Training
    python tools/framing.py curve fer2013.csv      accuracy on PublicTest with wrong margins, shifts, sizes and tilts

Both write into outputs/reference/framing and print a table. No photograph outside FER-2013 has a label here, so the
curve wrongs FER-2013's own frames: a margin of 1.25 shows a face as if the frame had been a quarter too large.
"""

import argparse
import functools
import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from results import markdown

from fer_utils import data, evaluation, runs
from fer_utils.models import tta
from fer_utils.names import SIDE
from fer_utils.recognize import detection, framing, network

FOLDER = runs.PROJECT_ROOT / "outputs/reference/framing"
ENLARGED = 2  # times, since the detector's last stage looks at 48 pixels of a face and a little around it
BORDER = SIDE // 2  # pixels of the image's edge, repeated around it, so that a box may reach out of the image
BATCH = 50
SHARES = (0.25, 0.5, 0.75)

WRONGED = {
    "margin": (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6),
    "shift right": (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2),
    "shift down": (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2),
    "pixels": (12, 16, 20, 24, 32, 40, 48),
    "tilt": (0, 5, 10, 15, 20, 30),
}
"""Kind -> what is tried: margin, in right ones; shifts, in sides of the frame; pixels a side; tilt, in degrees."""


# --- where the box lies -----------------------------------------------------------------------------------------------


def enlarged(image):
    """An image of FER-2013 as a picture: twice as large, its edge repeated around it; uint8 (192, 192, 3)."""
    side = SIDE * ENLARGED
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    return np.repeat(np.pad(large, BORDER * ENLARGED, mode="edge")[..., None], 3, axis=2)


def places(images, find=detection.find_all):
    """Of images in which a detector finds one face, where: dict of float arrays (n,), in sides of the image.

    find: of another detector, from a list of pictures to a list of lists of ``detection.Face``.
    """
    found = []
    for start in range(0, len(images), BATCH):
        found += find([enlarged(image) for image in images[start : start + BATCH]])
    faces = [group[0] for group in found if len(group) == 1]
    scale, border = SIDE * ENLARGED, BORDER / SIDE
    eyes = np.array([face.eyes for face in faces]) / scale - border  # (n, left and right, x and y)
    return {
        "centre_x": np.array([face.centre[0] for face in faces]) / scale - border,
        "centre_y": np.array([face.centre[1] for face in faces]) / scale - border,
        "width": np.array([face.width for face in faces]) / scale,
        "height": np.array([face.height for face in faces]) / scale,
        "mean_side": np.array([np.sqrt(face.width * face.height) for face in faces]) / scale,
        "eye_distance": np.hypot(*(eyes[:, 1] - eyes[:, 0]).T),
        "eyes_x": eyes[..., 0].mean(axis=1),
        "eyes_y": eyes[..., 1].mean(axis=1),
        "tilt": np.degrees([face.tilt for face in faces]),
    }


def measure(faces, count, seed, detector, find):
    """The quartiles of ``places`` for `count` images of Training, and the frame that follows from them: a dict."""
    training = np.flatnonzero(faces.usage == "Training")
    chosen = np.sort(np.random.default_rng(seed).choice(training, min(count, len(training)), replace=False))
    measured = places(faces.images[chosen], find)
    quartiles = {
        name: dict(zip(("lower", "median", "upper"), np.quantile(values, SHARES).round(4).tolist(), strict=True))
        for name, values in measured.items()
    }
    middle = {name: values["median"] for name, values in quartiles.items()}
    return {
        "detector": detector,
        "data_checksum": faces.checksum,
        "split": "Training",
        "seed": seed,
        "images": len(chosen),
        "one_face": len(measured["width"]),
        "margin": round(1 / middle["mean_side"], 3),
        "eyes": [round(middle["eyes_x"], 3), round(middle["eyes_y"], 3)],
        "in sides of the image": quartiles,
    }


# --- what a wrong frame costs -----------------------------------------------------------------------------------------


def wronged(image, kind, value):
    """An image of FER-2013, uint8 (48, 48), as a wrong frame would show it."""
    middle, side = np.full(2, SIDE / 2), SIDE
    if kind == "margin":
        return framing.cut(image, middle, side * value)
    if kind == "tilt":
        return framing.cut(image, middle, side, np.radians(value))
    if kind == "pixels":
        small = framing.cut(image, middle, side, size=value)
        return framing.cut(small, middle * value / SIDE, value)
    return framing.cut(image, middle + side * value * np.array([kind == "shift right", kind == "shift down"]), side)


def curve(faces, model, views):
    """Accuracy of `faces` under every wrong of WRONGED: rows of kind, value, n, correct, accuracy, low, high."""
    rows, answered = [], functools.cache(lambda kind, value: _correct(faces, model, views, kind, value))
    for kind, values in WRONGED.items():
        for value in values:
            right_frame = value == {"margin": 1.0, "pixels": SIDE}.get(kind, 0)
            correct = answered("margin", 1.0) if right_frame else answered(kind, value)
            low, high = evaluation.wilson_interval(correct, len(faces))
            row = {"kind": kind, "value": value, "n": len(faces), "correct": correct}
            rows.append(row | {"accuracy": correct / len(faces), "low": low, "high": high})
    return rows


def _correct(faces, model, views, kind, value):
    images = np.stack([wronged(image, kind, value) for image in faces.images])
    return int((tta.predict(model, images, views, size=SIDE).argmax(axis=1) == faces.labels).sum())


# --- the command ------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "curve"))
    parser.add_argument("data", help="FER-2013")
    parser.add_argument("--images", type=int, default=2000, help="of Training that are measured")
    parser.add_argument("--max-images", type=int, default=0, help="of PublicTest for the curve; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--views", default="single", choices=("single", "flip", "scales"))
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    faces = data.load_fer2013(given.data)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.what == "measure":
        mtcnn = f"mtcnn {importlib.metadata.version('mtcnn')}"
        measured = measure(faces, given.images, given.seed, mtcnn, detection.find_all)
        runs.write_json(given.out / "mtcnn.json", measured)
        print(json.dumps(measured, indent=1))
        return
    public = data.apply_protocol(faces, "official", given.max_images, given.seed, "none").validation
    rows = curve(public, network.load_network(), given.views)
    facts = {name: network.facts()[name] for name in ("run", "git_commit")}
    runs.write_json(given.out / "curve.json", facts | {"split": "PublicTest", "views": given.views, "rows": rows})
    print(markdown(["wrong", "value", "accuracy, %", "95 %"], [table_row(row) for row in rows]))


def table_row(row):
    interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    return [row["kind"], f"{row['value']:g}", f"{100 * row['accuracy']:.1f}", interval]


if __name__ == "__main__":
    main()
