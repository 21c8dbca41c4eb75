"""Measure how FER-2013's faces are framed: ``python tools/framing.py fer2013.csv`` (notebook 10).

Detects the faces in 2,000 images of Training, and writes the medians and quartiles of their boxes and eyes to
outputs/reference/framing/mtcnn.json. tools/robustness.py measures the cost of a wrong frame.
"""

import argparse
import contextlib
import json

import numpy as np
from circumstances import circumstances
from PIL import Image

from fer_utils import data, runs
from fer_utils.names import SIDE
from fer_utils.recognize import detection

FOLDER = runs.PROJECT_ROOT / "outputs/reference/framing"
ENLARGED = 2  # times, since the detector's last stage needs 48 pixels for a face and a margin around it
BORDER = SIDE // 2  # pixels around the image that repeat its edge, so that a box can be larger than the image
BATCH = 50
SHARES = (0.25, 0.5, 0.75)
SEED, IMAGES = 0, 2000  # which images of Training, and how many


def enlarged(image):
    """Return an image of FER-2013 as a picture of twice its size, with a border: uint8 (192, 192, 3)."""
    side = SIDE * ENLARGED
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    return np.repeat(np.pad(large, BORDER * ENLARGED, mode="edge")[..., None], 3, axis=2)


def places(images, find=detection.find_all):
    """Return the faces' places in the n images with one detected face: dict of float (n,), in sides of the image.

    find: function of a detector, from a list of pictures to a list of lists of ``detection.Face``. tilt: in degrees.
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


def measure(faces, count, detector, find):
    """Return the quartiles of ``places`` for `count` images of Training, and the frame that follows, as a dict."""
    chosen = data.apply_protocol(faces, "official", count, SEED).train
    measured = places(chosen.images, find)
    quartiles = {
        name: dict(zip(("lower", "median", "upper"), np.quantile(values, SHARES).round(4).tolist(), strict=True))
        for name, values in measured.items()
    }
    middle = {name: values["median"] for name, values in quartiles.items()}
    return {
        "detector": detector,
        "data_checksum": faces.checksum,
        "split": "Training",
        "seed": SEED,
        "images": len(chosen),
        "one_face": len(measured["width"]),
        "margin": round(1 / middle["mean_side"], 3),
        "eyes": [round(middle["eyes_x"], 3), round(middle["eyes_y"], 3)],
        "in sides of the image": quartiles,
    }


def main(finder, detector, target, *packages):
    """Run the command line of a detector. finder: context manager that yields ``find``. target: the committed JSON."""
    parser = argparse.ArgumentParser(description=f"How FER-2013's faces are framed, as {detector} sees them")
    parser.add_argument("data", help="FER-2013")
    parser.add_argument("--images", type=int, default=IMAGES, help="of Training; another number needs --out")
    parser.add_argument("--out", type=runs.resolve, default=target)
    given = parser.parse_args()
    if given.images != IMAGES and given.out == target:
        parser.error("another number of --images is for trying the tool: name another file with --out")
    faces = data.load_fer2013(given.data)
    with finder as find:
        measured = measure(faces, given.images, detector, find)
    runs.write_json(given.out, measured | circumstances(*packages))
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main(contextlib.nullcontext(detection.find_all), "mtcnn", FOLDER / "mtcnn.json", "mtcnn")
