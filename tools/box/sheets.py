"""Store a data set as sheets of images, for a box. FER-2013 takes 55 MiB as PNG sheets, and 301 MB as its CSV.

    python tools/box/sheets.py unpack-faces SHEETS fer2013.csv     write the challenge's CSV, with the very same faces
    python tools/box/sheets.py unpack-source SHEETS FOLDER         write a folder of images per class

Only NumPy and Pillow are needed, so a box can unpack before anything is installed.
"""

import argparse
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

PER_ROW, PER_SHEET = 50, 2500
STATED = "sheets.json"


def write_sheets(folder, images, lossless=True, **stated):
    """Write images uint8 (n, side, side) or (n, side, side, 3) as sheets of 2,500 images, and facts about them.

    lossless: PNG, else WebP. stated: the facts, as JSON can hold them, such as a label per image.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    side, suffix = images.shape[1], "png" if lossless else "webp"

    def write(number):
        part = images[number * PER_SHEET : (number + 1) * PER_SHEET]
        rows = math.ceil(len(part) / PER_ROW)
        tiles = np.zeros((rows * PER_ROW, *images.shape[1:]), np.uint8)
        tiles[: len(part)] = part
        sheet = tiles.reshape(rows, PER_ROW, side, side, -1).swapaxes(1, 2).reshape(rows * side, PER_ROW * side, -1)
        options = {"optimize": True} if lossless else {"quality": 66, "method": 4}
        Image.fromarray(sheet.squeeze()).save(folder / f"{number:03d}.{suffix}", **options)

    sheets = math.ceil(len(images) / PER_SHEET)
    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(sheets)))  # list() raises what a thread raised
    (folder / STATED).write_text(json.dumps({"count": len(images), "side": side, **stated}), encoding="utf-8")


def read_sheets(folder):
    """Return images, uint8 (n, side, side[, 3]), and `stated`. Raises ValueError if a sheet is missing or misshapen."""
    folder = Path(folder)
    stated = json.loads((folder / STATED).read_text(encoding="utf-8"))
    side, count = stated["side"], stated["count"]

    def read(number):
        path = next(folder.glob(f"{number:03d}.*"), None)
        if path is None:
            raise ValueError(f"{folder}: sheet {number:03d} is missing. Carry the archive again")
        sheet = np.asarray(Image.open(path))
        if sheet.shape[0] % side or sheet.shape[1] != PER_ROW * side:
            raise ValueError(f"{path}: is no sheet of {PER_ROW} images of {side} pixels. Carry the archive again")
        tiles = sheet.reshape(-1, side, PER_ROW, side, *sheet.shape[2:]).swapaxes(1, 2)
        return tiles.reshape(-1, side, side, *sheet.shape[2:])

    with ThreadPoolExecutor() as pool:
        images = np.concatenate(list(pool.map(read, range(math.ceil(count / PER_SHEET)))))[:count]
    return images, stated


def pack_faces(faces, folder):
    """Write ``data.Faces`` as PNG sheets, with the emotion and usage of each face."""
    usages = sorted(set(faces.usage.tolist()))
    write_sheets(
        folder,
        faces.images,
        emotions=faces.labels.tolist(),
        usages=usages,
        usage=[usages.index(name) for name in faces.usage.tolist()],
        checksum=faces.checksum,
    )


def unpack_faces(folder, path):
    """Write the sheets of ``pack_faces`` as the challenge's CSV (emotion, pixels, Usage), whole or not at all."""
    images, stated = read_sheets(folder)
    texts = [str(value) for value in range(256)]  # to look a text up is faster than str() of 83 million pixels
    part = Path(f"{path}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with open(part, "w", encoding="ascii") as stream:
        stream.write("emotion,pixels,Usage\n")
        flat = images.reshape(len(images), -1)
        for image, emotion, usage in zip(flat, stated["emotions"], stated["usage"], strict=True):
            pixels = " ".join(map(texts.__getitem__, image.tolist()))
            stream.write(f"{emotion},{pixels},{stated['usages'][usage]}\n")
    os.replace(part, path)


def pack_source(images, labels, names, folder):
    """Write a source task's images uint8 (n, side, side, 3) as WebP sheets, with the class of each image."""
    write_sheets(folder, images, lossless=False, labels=[int(label) for label in labels], names=list(names))


def unpack_source(folder, target):
    """Write the sheets of ``pack_source`` as target/<class>/<number>.bmp, whole or not at all."""
    images, stated = read_sheets(folder)
    part = Path(f"{target}.part")
    for name in stated["names"]:
        (part / name).mkdir(parents=True, exist_ok=True)

    def write(index):
        Image.fromarray(images[index]).save(part / stated["names"][stated["labels"][index]] / f"{index:06d}.bmp")

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(len(images))))
    os.replace(part, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["unpack-faces", "unpack-source"])
    parser.add_argument("sheets", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    {"unpack-faces": unpack_faces, "unpack-source": unpack_source}[given.action](given.sheets, given.target)


if __name__ == "__main__":
    main()
