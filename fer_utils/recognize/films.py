"""Predict emotions over time, in a film or in front of a camera."""

import os
import time

import numpy as np
import pandas as pd

from fer_utils.names import EMOTIONS
from fer_utils.recognize import detection, extras
from fer_utils.recognize.answers import predict
from fer_utils.recognize.pictures import PictureError

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".ogv")
USED_RATE = 5.0  # frames to use each second
USUAL_RATE = 25.0  # frames a second, if a film does not state its rate
OVERLAP = 0.3  # intersection over union of two boxes above which they show the same face
BATCH = 16


def over_time(source, network, seconds=60.0, views="single"):
    """Predict probabilities over time: a DataFrame, a row a face and frame; columns seconds, face and the emotions.

    source: a film's path, or the number of a camera. seconds: the maximum length. A face keeps its number as long as
    its box overlaps the last one. Probabilities are NaN for faces that are too small. Raises PictureError if the source
    cannot be opened or decoded.
    """
    rows, probabilities, followed = [], [], []
    for group in _groups(frames(source, seconds)):
        found = []
        for (when, picture), faces in zip(group, detection.find_all([picture for _, picture in group]), strict=True):
            rows += [(when, number) for number in follow(followed, faces)]
            found += [(picture, face) for face in faces]
        probabilities.append(predict(found, network, views)[2])  # a whole film does not fit into memory
    columns = pd.DataFrame(rows, columns=["seconds", "face"])
    return pd.concat([columns, pd.DataFrame(np.concatenate(probabilities), columns=EMOTIONS)], axis=1)


def follow(followed, faces):
    """Number the faces of a frame from 1, no two alike. followed: the last Face of each number, changed in place."""
    numbers = []
    for face in faces:
        overlaps = [0 if number in numbers else overlap(face, last) for number, last in enumerate(followed, start=1)]
        if max(overlaps, default=0) > OVERLAP:
            index = int(np.argmax(overlaps))
            followed[index] = face
        else:
            index = len(followed)
            followed.append(face)
        numbers.append(index + 1)
    return numbers


def overlap(one, other):
    """Intersection over union of two faces' boxes, 0 to 1."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    both = max(0.0, width) * max(0.0, height)
    return both / (one.width * one.height + other.width * other.height - both)


def frames(source, seconds=60.0):
    """Yield pairs (seconds, RGB uint8 (height, width, 3)). Arguments and errors are as in ``over_time``."""
    cv2 = opencv()
    camera = isinstance(source, int)
    name = f"camera {source}" if camera else str(source)
    if not camera and not os.path.isfile(source):
        raise PictureError(f"{name}: there is no such file. Give a film's path")
    film = cv2.VideoCapture(source if camera else name)
    try:
        if not film.isOpened():
            if camera:
                raise PictureError(f"{name}: was not found. Plug it in, and close other programs that use it")
            raise PictureError(f"{name}: is not a film that OpenCV can read. Convert it to MP4 (H.264)")
        seen = False
        for when, picture in _taken(film, camera, film.get(cv2.CAP_PROP_FPS), seconds):
            seen = True
            yield when, np.ascontiguousarray(picture[..., ::-1])  # OpenCV has blue first
        if not seen:
            fix = "Allow programs to use it" if camera else "Save it again as MP4 (H.264)"
            raise PictureError(f"{name}: no picture could be read. {fix}")
    finally:
        film.release()


def _taken(film, camera, rate, seconds):
    """Yield (seconds from the start, BGR picture) of each frame to use."""
    rate = rate if 0 < rate <= 1000 else USUAL_RATE
    began, when, due, step = time.monotonic(), -1 / rate, 0.0, 1 / USED_RATE  # due: the time of the next frame to use
    while film.grab():
        # Phones and browsers space frames unevenly, so the film's own time counts, where it has one that goes on.
        stated = time.monotonic() - began if camera else film.get(opencv().CAP_PROP_POS_MSEC) / 1000
        when = stated if stated > when else when + 1 / rate
        if when >= seconds:
            return
        if when + 1e-9 < due:
            continue
        decoded, picture = film.retrieve()
        if not decoded:
            return
        due = when + step if camera else ((when + 1e-9) // step + 1) * step  # a camera goes on during each prediction
        yield when, picture


def _groups(timed_pictures):
    """Yield lists of up to BATCH pairs (seconds, picture) whose pictures have one shape."""
    group = []
    for when, picture in timed_pictures:
        if group and (len(group) == BATCH or group[0][1].shape != picture.shape):
            yield group
            group = []
        group.append((when, picture))
    if group:
        yield group


def opencv():
    """Import OpenCV without its own messages: an error in a film is reported once, by this package."""
    cv2 = extras.load("cv2", "reading films")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
