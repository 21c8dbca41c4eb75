"""Find the faces and their eyes in a picture.

The detector is MTCNN (Zhang et al. 2016, arXiv:1604.02878), from the package mtcnn. Its wheel contains the weights.
"""

import functools
import math
from dataclasses import dataclass

import keras
import numpy as np
from PIL import Image

from fer_utils.recognize import extras
from fer_utils.recognize.pictures import PictureError

LEAST_FACE = 20  # pixels: the smallest face to look for
SURE = 0.95  # lowest confidence of a face; with MTCNN's own 0.8, the edge of a helmet was found as a face
LARGEST_SIDE = 1280  # pixels: larger pictures are shrunk to this before detection, to save time


@dataclass(frozen=True)
class Face:
    """A face, in pixels from the picture's top left corner. Parts of its box may be outside the picture.

    left, top, width, height: the detector's box. eyes: (x, y) of the left and of the right eye as seen in the picture.
    confidence: of the detector, 0 to 1.
    """

    left: float
    top: float
    width: float
    height: float
    eyes: tuple[tuple[float, float], tuple[float, float]]
    confidence: float

    @property
    def centre(self):
        return self.left + self.width / 2, self.top + self.height / 2

    @property
    def tilt(self):
        """The angle in radians by which the line through the eyes is turned clockwise, as seen."""
        (left, upper), (right, lower) = self.eyes
        return math.atan2(lower - upper, right - left)


def find_faces(picture):
    """Find the faces of a picture, uint8 (height, width, 3). Returns a list of Face, from left to right.

    Raises RequirementError if MTCNN is missing or Keras does not run on TensorFlow.
    """
    return find_all([picture])[0]


def find_all(pictures):
    """A list of faces for each of several pictures, faster than one by one. Raises PictureError if sizes differ."""
    if not len(pictures):
        return []
    if len({np.shape(picture) for picture in pictures}) > 1:
        raise PictureError("the pictures have different sizes. Give pictures of one size, or each to find_faces")
    images = [Image.fromarray(picture) for picture in pictures]
    for image in images:
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    small = [np.asarray(image) for image in images]
    factor = max(1, max(np.shape(pictures[0])[:2]) / LARGEST_SIDE)
    faces = []
    for found in _detector().detect_faces(small, fit_to_image=False, min_face_size=LEAST_FACE):
        group = [_face(detected, factor) for detected in found if detected["confidence"] >= SURE]
        faces.append(sorted(group, key=lambda face: face.centre))
    return faces


def _face(detected, factor):
    """A Face from MTCNN's output for a picture that was shrunk by `factor`."""
    left, top, width, height = (float(value) * factor for value in detected["box"])
    eyes = [tuple(float(value) * factor for value in detected["keypoints"][eye]) for eye in ("left_eye", "right_eye")]
    return Face(left, top, width, height, tuple(sorted(eyes)), float(detected["confidence"]))


@functools.cache
def _detector():
    if keras.backend.backend() != "tensorflow":
        raise extras.RequirementError(
            f"the face detector needs TensorFlow, but Keras runs on {keras.backend.backend()} here. "
            "Set KERAS_BACKEND=tensorflow in the environment and start again"
        )
    return extras.load("mtcnn", "the face detector").MTCNN()
