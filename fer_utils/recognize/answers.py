"""Predict the emotion of each face in a picture, before and after the temperature."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_utils.evaluation.calibration import with_temperature
from fer_utils.names import EMOTIONS, SIDE
from fer_utils.recognize import detection, framing
from fer_utils.recognize.network import probabilities, temperature_for
from fer_utils.recognize.pictures import read_picture

NO_FACE = "no face found"


@dataclass(frozen=True)
class Answer:
    """A picture, uint8 (height, width, 3), its faces from left to right, and the network's predictions for them.

    faces: list of ``detection.Face``. frames: uint8 (n, 48, 48), the network's input. before, after: probabilities,
    float64 (n, 7), without and with the temperature; NaN for faces that are too small.
    """

    picture: np.ndarray
    faces: list
    frames: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def table(self):
        """A DataFrame, a row a face: its number, the likeliest emotion, the probabilities in percent, and a note."""
        rows = []
        for number, (face, row) in enumerate(zip(self.faces, self.after, strict=True), start=1):
            likeliest = "" if np.isnan(row).any() else EMOTIONS[np.argmax(row)]
            rows.append((number, likeliest, *(100 * row).round(1), note(face)))
        return pd.DataFrame(rows, columns=["face", "answer", *EMOTIONS, "note"])


def note(face):
    """A note on a face that is small or too small; "" for a larger one."""
    side = framing.square(face)[1]
    if side < framing.LEAST_FRAME:
        return f"too small: {int(side)} pixels a side; at least {framing.LEAST_FRAME} are needed"
    return f"small: enlarged from {side:.0f} pixels a side" if side < SIDE - 1 else ""


def answer_about(picture, network, views="single", temperature=None):
    """Find the faces of a picture, frame them and predict their emotions. Returns an Answer.

    picture: as in ``read_picture``. views, temperature: as in ``network.probabilities``.
    """
    picture = read_picture(picture)
    faces = detection.find_faces(picture)
    return Answer(picture, faces, *predict([(picture, face) for face in faces], network, views, temperature))


def predict(found, network, views="single", temperature=None):
    """Frame n faces and predict their emotions. Returns frames, before and after, as in ``Answer``.

    found: list of pairs (picture, face).
    """
    frames = np.array([framing.frame(*pair) for pair in found], np.uint8).reshape(-1, SIDE, SIDE)
    large = np.array([framing.square(face)[1] >= framing.LEAST_FRAME for _, face in found], bool)
    before = np.full((len(found), len(EMOTIONS)), np.nan)
    after = before.copy()
    if large.any():
        before[large] = probabilities(network, frames[large], views, temperature=1.0)
        temperature = temperature_for(network, views) if temperature is None else temperature
        after[large] = with_temperature(before[large], temperature)
    return frames, before, after
