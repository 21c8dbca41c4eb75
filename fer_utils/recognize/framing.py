"""A face cut out of a picture as FER-2013's faces are: upright, square, gray, 48 pixels (notebook 10).

How much of a head an image of FER-2013 shows is not guessed. The detector was asked about images of its Training split,
and MARGIN and EYES are the medians of what it found in them: ``python tools/framing.py``, whose answers are in
outputs/reference/framing/mtcnn.json. The eyes say where the frame lies, since their middle varies less there than the
box's does; the box says how large it is.
"""

import math

import numpy as np
from PIL import Image
from scipy import ndimage

from fer_utils.names import SIDE

MARGIN = 1.092  # side of the frame, in sides of a square as large as the detector's box
EYES = (0.495, 0.38)  # where the middle of the eyes lies, right and down, in sides of the frame
LEAST_FRAME = 24  # pixels a side below which a face is called too small
FINEST = 8  # points a pixel and direction at most; beyond that the picture is shrunk first


def frame(picture, face, margin=MARGIN, eyes=EYES):
    """The face as the network knows faces: gray uint8 (48, 48).

    picture: uint8 (height, width, 3) or (height, width). face: ``detection.Face``. margin, eyes: as MARGIN and EYES.
    What lies outside the picture repeats its edge.
    """
    return cut(picture, *square(face, margin, eyes))


def square(face, margin=MARGIN, eyes=EYES):
    """The frame around a face: its centre (x, y) and side, in the picture's pixels, and its tilt in radians."""
    side = margin * math.sqrt(face.width * face.height)
    cos, sin = math.cos(face.tilt), math.sin(face.tilt)
    right, down = (side * (0.5 - part) for part in eyes)  # to the frame's centre, along the face
    x, y = (sum(pair) / 2 for pair in zip(*face.eyes, strict=True))
    return (x + cos * right - sin * down, y + sin * right + cos * down), side, face.tilt


def cut(picture, centre, side, tilt=0.0, size=SIDE):
    """A tilted square of a picture as gray uint8 (size, size), each pixel the mean of the area that it covers.

    Gray is ITU-R 601's luma, Pillow's "L". A pixel is the mean of so many points that none of the picture's is passed
    over; a single point would take one in ten of a large face and call that the face.
    """
    gray = Image.fromarray(picture).convert("L")
    shrink = max(1, int(side / (size * FINEST)))
    gray = np.asarray(gray.reduce(shrink), np.float32)
    points = max(1, math.ceil(side / shrink / size))
    step = side / shrink / (size * points)
    # Rows and columns of the frame to rows and columns of the picture, whose pixels' centres are at halves.
    turn = step * np.array([[math.cos(tilt), math.sin(tilt)], [-math.sin(tilt), math.cos(tilt)]])
    middle = np.array([centre[1], centre[0]]) / shrink - 0.5
    start = middle - turn @ np.full(2, (size * points - 1) / 2)
    sampled = ndimage.affine_transform(gray, turn, start, (size * points,) * 2, order=1, mode="nearest")
    return (sampled.reshape(size, points, size, points).mean(axis=(1, 3)) + 0.5).astype(np.uint8)
