"""Example pictures and an example film: a photo in the public domain, and drawn faces."""

import numpy as np
from PIL import Image

from fer_utils import sample
from fer_utils.recognize import extras
from fer_utils.recognize.films import opencv
from fer_utils.recognize.pictures import read_picture

HAPPY = {6: 0.8, 12: 1.0, 25: 0.8}  # Action Units and their strengths
SURPRISED = {1: 0.9, 2: 0.9, 5: 0.8, 25: 0.8, 26: 0.8}
SAD = {1: 0.9, 4: 0.5, 15: 0.9}
PEOPLE = (  # hair and skin, units, roll, side in pixels, top left corner
    ({"hair_style": "short"}, HAPPY, 0.0, 220, (60, 60)),
    ({"hair_style": "long", "skin": 0.6}, SURPRISED, 0.25, 190, (330, 120)),
    ({"hair_style": "curly", "skin": 0.6}, SAD, -0.12, 200, (565, 60)),
)
BACKGROUND = 190


def pictures():
    """A dict, name -> RGB uint8 (height, width, 3): the astronaut Eileen Collins (NASA), and three drawn people."""
    photos = extras.load("skimage.data", "the astronaut's photo")
    return {"astronaut": read_picture(photos.astronaut()), "drawn people": drawn_people()}


def drawn_people():
    """Draw three faces of three sizes, upright and tilted: RGB uint8 (340, 780, 3)."""
    canvas = Image.new("L", (780, 340), BACKGROUND)
    for looks, units, roll, side, corner in PEOPLE:
        view = sample.View(roll=roll, backdrop_left=BACKGROUND / 255, backdrop_right=BACKGROUND / 255)
        canvas.paste(Image.fromarray(sample.draw_face(units, sample.Identity(**looks), view, side)), corner)
    return np.array(canvas.convert("RGB"))


def write_film(path, seconds=3.0, rate=10):
    """Write a film of a drawn face that turns from neutral to happy: Motion JPEG (.avi), 320 x 240 pixels."""
    cv2 = opencv()
    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (320, 240))
    for share in np.linspace(0, 1, round(seconds * rate)):
        canvas = Image.new("L", (320, 240), BACKGROUND)
        units = {unit: strength * share for unit, strength in HAPPY.items()}
        canvas.paste(Image.fromarray(sample.draw_face(units, size=200)), (60, 20))
        film.write(np.array(canvas.convert("RGB")))
    film.release()
