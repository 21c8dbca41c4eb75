"""Where the faces and their eyes are in a picture (notebook 10).

The detector is MTCNN (Zhang et al. 2016, arXiv:1604.02878), from the package mtcnn, whose weights come in its wheel.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fer_utils.recognize import extras
from fer_utils.recognize.pictures import PictureError

LEAST_FACE = 20  # pixels: the smallest that is looked for
SURE = 0.95  # confidence below which nothing is called a face: MTCNN's own 0.8 lets a helmet's edge be one
LARGEST_SIDE = 1280  # of the picture that it is shown; what is larger is shrunk to it, for the time it takes


@dataclass(frozen=True)
class Face:
    """A face in a picture, in its pixels from the top left corner; parts of the box may lie outside.

    left, top, width, height: the detector's box. eyes: (x, y) of the eye further left in the picture and of the other.
    confidence: the detector's, 0 to 1.
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
        """Radians by which the line through the eyes is turned clockwise, as seen."""
        (left, upper), (right, lower) = self.eyes
        return math.atan2(lower - upper, right - left)


def find_faces(picture):
    """The faces of a picture, uint8 (height, width, 3), from left to right: a list of Face.

    Raises RequirementError where MTCNN is missing or Keras does not run on TensorFlow.
    """
    return find_all([picture])[0]


def find_all(pictures):
    """Faces of several pictures of one size, which is faster than one by one: a list of lists of Face."""
    if len({np.shape(picture) for picture in pictures}) > 1:
        raise PictureError("the pictures have different sizes. Give those of one size, or each to find_faces")
    small = [_shrunk(picture) for picture in pictures]
    found = _detector().detect_faces(small, fit_to_image=False, min_face_size=LEAST_FACE) if small else []
    factor = max(1, max(np.shape(pictures[0])[:2]) / LARGEST_SIDE) if small else 1
    faces = [[_face(answer, factor) for answer in answers if answer["confidence"] >= SURE] for answers in found]
    return [sorted(group, key=lambda face: face.centre) for group in faces]


def _shrunk(picture):
    image = Image.fromarray(picture)
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return np.asarray(image)


def _face(answer, factor):
    """A Face of MTCNN's answer about a picture that was shrunk by `factor`."""
    left, top, width, height = (float(value) * factor for value in answer["box"])
    eyes = [tuple(float(value) * factor for value in answer["keypoints"][eye]) for eye in ("left_eye", "right_eye")]
    return Face(left, top, width, height, tuple(sorted(eyes)), float(answer["confidence"]))


@functools.cache
def _detector():
    extras.require_tensorflow("the face detector")
    return extras.load("mtcnn", "the face detector").MTCNN()
