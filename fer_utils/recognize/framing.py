"""Cut a face out of a picture as in FER-2013: upright, square, gray, 48 pixels a side.

How much of a head FER-2013's images show was measured: ``python tools/framing.py`` ran the detector on images of
Training. MARGIN and EYES are medians of its results, in outputs/reference/framing/mtcnn.json. The box determines the
size of the frame. The eyes determine its position, because their middle varies less than the middle of the box.
"""

import math

import numpy as np
from PIL import Image
from scipy import ndimage

from fer_utils.names import SIDE

MARGIN = 1.092  # side of the frame, in sides of a square as large as the detector's box
EYES = (0.495, 0.38)  # position of the middle between the eyes, right and down, in sides of the frame
LEAST_FRAME = 24  # pixels a side; a face with a smaller frame is too small
FINEST = 8  # sampled points a pixel and direction at most; for more, the picture is shrunk first


def frame(picture, face, margin=MARGIN, eyes=EYES):
    """The face as an input of the network: gray uint8 (48, 48). Outside the picture, its edge is repeated.

    picture: uint8 (height, width, 3) or (height, width). face: ``detection.Face``. margin, eyes: as MARGIN and EYES.
    """
    return cut(picture, *square(face, margin, eyes))


def square(face, margin=MARGIN, eyes=EYES):
    """The frame around a face: its centre (x, y) and side in pixels of the picture, and its tilt in radians."""
    side = margin * math.sqrt(face.width * face.height)
    cos, sin = math.cos(face.tilt), math.sin(face.tilt)
    right, down = side * (0.5 - eyes[0]), side * (0.5 - eyes[1])  # from the eyes to the frame's centre, along the face
    (x1, y1), (x2, y2) = face.eyes
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return (x + cos * right - sin * down, y + sin * right + cos * down), side, face.tilt


def cut(picture, centre, side, tilt=0.0, size=SIDE):
    """Cut a tilted square out of a picture: gray uint8 (size, size), each pixel the mean of the area that it covers.

    Gray is ITU-R 601's luma, Pillow's "L". Each pixel is the mean of so many points that no pixel of the picture is
    skipped. With a single point, only one in ten pixels of a large face would count.
    """
    gray = Image.fromarray(picture).convert("L")
    shrink = max(1, int(side / (size * FINEST)))
    gray = np.asarray(gray.reduce(shrink), np.float32)
    points = max(1, math.ceil(side / shrink / size))
    step = side / shrink / (size * points)
    # From rows and columns of the frame to those of the picture. The centres of its pixels are at halves.
    turn = step * np.array([[math.cos(tilt), math.sin(tilt)], [-math.sin(tilt), math.cos(tilt)]])
    middle = np.array([centre[1], centre[0]]) / shrink - 0.5
    start = middle - turn @ np.full(2, (size * points - 1) / 2)
    sampled = ndimage.affine_transform(gray, turn, start, (size * points,) * 2, order=1, mode="nearest")
    return (sampled.reshape(size, points, size, points).mean(axis=(1, 3)) + 0.5).astype(np.uint8)
