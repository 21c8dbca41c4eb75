"""What the network says of each face of a picture, before and after its temperature (notebook 10).

network = recognize.load_network()
answer = recognize.answer_about("photo.jpg", network)
answer.table()
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_utils.evaluation.calibration import with_temperature
from fer_utils.names import EMOTIONS, SIDE
from fer_utils.recognize import detection, framing
from fer_utils.recognize import network as own
from fer_utils.recognize.pictures import read_picture

NO_FACE = "no face found"


@dataclass(frozen=True)
class Answer:
    """A picture, uint8 (height, width, 3), its faces from left to right, and what the network says of them.

    faces: list of ``detection.Face``. frames: uint8 (n, 48, 48), as the network sees them. before, after: float64
    (n, 7), without and with the temperature; NaN for faces that are too small.
    """

    picture: np.ndarray
    faces: list
    frames: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def table(self):
        """A row a face: DataFrame with its number, what is most likely, the probabilities in percent, and a note."""
        rows = [
            {"face": number, "answer": EMOTIONS[np.argmax(row)] if np.isfinite(row).all() else ""}
            | dict(zip(EMOTIONS, (100 * row).round(1), strict=True))
            | {"note": note(face)}
            for number, (face, row) in enumerate(zip(self.faces, self.after, strict=True), start=1)
        ]
        return pd.DataFrame(rows, columns=["face", "answer", *EMOTIONS, "note"])


def note(face):
    """What has to be said of a face's size; "" for nothing."""
    side = framing.square(face)[1]
    if side < framing.LEAST_FRAME:
        return f"too small: {side:.0f} pixels a side, and {framing.LEAST_FRAME} is the least"
    return f"small: enlarged from {side:.0f} pixels a side" if side < SIDE - 1 else ""


def answer_about(picture, network, views="single", temperature=None):
    """Find the faces of a picture, frame them and ask the network: an Answer.

    picture: as ``read_picture`` takes it. views, temperature: as ``network.probabilities`` has them.
    """
    picture = read_picture(picture)
    faces = detection.find_faces(picture)
    return Answer(picture, faces, *ask([(picture, face) for face in faces], network, views, temperature))


def ask(found, network, views="single", temperature=None):
    """Of pairs (picture, face): the frames uint8 (n, 48, 48), and float64 (n, 7) before and after the temperature."""
    frames = np.array([framing.frame(*pair) for pair in found], np.uint8).reshape(-1, SIDE, SIDE)
    large = np.array([framing.square(face)[1] >= framing.LEAST_FRAME for _, face in found], bool)
    before = np.full((len(found), len(EMOTIONS)), np.nan)
    after = before.copy()
    if large.any():
        before[large] = own.probabilities(network, frames[large], views, temperature=1.0)
        temperature = own.temperature_for(network, views) if temperature is None else temperature
        after[large] = with_temperature(before[large], temperature)
    return frames, before, after
