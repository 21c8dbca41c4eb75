"""What a case of the corpus is, and what more than one table needs to make one."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fer_utils.names import EMOTIONS, USAGES

FACES = np.random.default_rng(0).integers(0, 256, (21, 48, 48), dtype=np.uint8)


class Case(NamedTuple):
    """One broken input.

    name: unique in the corpus. make: an empty folder -> what `read` gets, a path or values. error: its class. says: a
    regular expression for its message. names: what the message has to name; "" for the last part of the path.
    """

    name: str
    make: Callable
    read: Callable
    error: type
    says: str
    names: str = ""


def write(path, content=b""):
    """Write bytes or text, with the folders that it takes; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pipe(path):
    """A named pipe that nobody writes into, which whoever opens it waits for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def link(path, target):
    """A symbolic link; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


# --- data ------------------------------------------------------------------------------------------------------------


def numbers(face):
    return " ".join(map(str, face.ravel()))


def csv_lines():
    """A whole fer2013.csv of 21 faces: its lines."""
    rows = [f"{row % 7},{numbers(face)},{USAGES[row % 3]}" for row, face in enumerate(FACES)]
    return ["emotion,pixels,Usage", *rows]


def csv_bytes(lines=None):
    return ("\n".join(lines or csv_lines()) + "\n").encode()


def png(face=FACES[0]):
    stream = io.BytesIO()
    Image.fromarray(face).save(stream, "PNG")
    return stream.getvalue()


def png_that_states(width, height, pixels=b""):
    """A small PNG file whose header states any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def image_folders(root):
    """train/ and test/ with a face in each class; returns the root."""
    for split, usage in (("train", "Training"), ("test", "PublicTest")):
        for code, emotion in enumerate(EMOTIONS):
            write(root / split / emotion / f"{usage}_{code}.png", png(FACES[code]))
    return root


def zip_of(path, members, states=None):
    """A zip of name -> bytes. states: how many bytes its directory claims that each of them has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        for member in archive.filelist if states else ():
            member.file_size = states
    return path


# --- code that must not run ------------------------------------------------------------------------------------------


class Touch:
    """Pickled, it makes a file when somebody unpickles it; the folder's listing tells."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def pickled(folder):
    """The bytes of a pickle that leaves folder/ran behind if it is ever read as one."""
    return pickle.dumps(Touch(folder / "ran"))


def array_of_objects(folder):
    """A NumPy array that is kept as a pickle, with the same trap in it."""
    return np.array([Touch(folder / "ran")], dtype=object)
