"""What the network says over time: of a film, or of a camera (notebook 10)."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.names import EMOTIONS
from fer_utils.recognize import answers, detection, extras
from fer_utils.recognize.pictures import PictureError

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".ogv")
USUAL_RATE = 25.0  # frames a second, where a film does not say
OVERLAP = 0.3  # of two boxes, above which they are one face's (intersection over union)
BATCH = 16


def over_time(source, network, a_second=5.0, seconds=60.0, views="single", temperature=None):
    """Probabilities over time: a DataFrame with the columns seconds, face and the seven emotions, a row a face seen.

    source: a film's path, or the number of a camera. a_second: frames that are looked at each second. seconds: of film
    or of looking, at most. A face keeps its number as long as its box overlaps the last one. NaN: too small. Raises
    PictureError for what is no film, cannot be decoded or gives no picture.
    """
    rows, after, followed = [], [np.empty((0, len(EMOTIONS)))], []
    for group in _groups(frames(source, a_second, seconds), BATCH):
        found = []
        for (when, picture), faces in zip(group, detection.find_all([picture for _, picture in group]), strict=True):
            numbers = follow(followed, faces)
            rows += [(when, number) for number in numbers]
            found += [(picture, face) for face in faces]
        after.append(answers.ask(found, network, views, temperature)[2])  # now, since a film does not fit the memory
    columns = pd.DataFrame(rows, columns=["seconds", "face"])
    return pd.concat([columns, pd.DataFrame(np.concatenate(after), columns=EMOTIONS)], axis=1)


def follow(followed, faces):
    """Give each of a frame's faces its number, from 1; followed: the last Face of each number, changed in place."""
    numbers = []
    for face in faces:
        overlaps = [0 if at + 1 in numbers else overlap(face, last) for at, last in enumerate(followed)]
        if max(overlaps, default=0) > OVERLAP:
            at = int(np.argmax(overlaps))
            followed[at] = face
        else:
            at = len(followed)
            followed.append(face)
        numbers.append(at + 1)
    return numbers


def overlap(one, other):
    """Intersection over union of two faces' boxes, 0 to 1."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    both = max(0.0, width) * max(0.0, height)
    return both / (one.width * one.height + other.width * other.height - both)


def frames(source, a_second=5.0, seconds=60.0):
    """Yield (seconds from the start, RGB uint8 (height, width, 3)) of a film or a camera. Raises PictureError."""
    cv2 = opencv()
    camera = isinstance(source, int)
    name = f"camera {source}" if camera else str(source)
    if not camera and not Path(source).is_file():
        raise PictureError(f"{name}: there is no such file. Give a film's path")
    film = cv2.VideoCapture(source if camera else name)
    try:
        if not film.isOpened():
            mend = "Plug one in, and close what else uses it" if camera else "Convert it to MP4 (H.264)"
            raise PictureError(f"{name}: {'is not there' if camera else 'is no film that OpenCV can read'}. {mend}")
        seen = 0
        for when, picture in _taken(film, camera, film.get(cv2.CAP_PROP_FPS), a_second, seconds):
            seen += 1
            yield when, np.ascontiguousarray(picture[..., ::-1])  # OpenCV has blue first
        if not seen:
            mend = "Allow it to be used" if camera else "Save it again, as MP4 (H.264)"
            raise PictureError(f"{name}: gives no picture. {mend}")
    finally:
        film.release()


def _taken(film, camera, rate, a_second, seconds):
    rate = rate if np.isfinite(rate) and 0 < rate <= 1000 else USUAL_RATE
    began, number, due = time.monotonic(), 0, 0.0
    while film.grab():
        when = time.monotonic() - began if camera else number / rate
        number += 1
        if when >= seconds:
            return
        if when + 1e-9 < due:
            continue
        whole, picture = film.retrieve()
        if not whole:
            return
        due = (when if camera else due) + 1 / a_second  # a camera goes on while its last faces are looked at
        yield when, picture


def _groups(items, size):
    """Lists of up to `size` items that have a picture of one shape."""
    group = []
    for item in items:
        if group and (len(group) == size or group[0][1].shape != item[1].shape):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def opencv():
    """The module cv2, silent: what is wrong with a film is said once, in words."""
    cv2 = extras.load("cv2", "reading films")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
