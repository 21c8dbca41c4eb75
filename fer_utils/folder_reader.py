"""FER-2013's image-folder layouts: train/<emotion>/*.jpg beside test/ and, in some releases, validation/ or val/."""

import io
import re
import warnings
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from fer_utils.faces import EMOTIONS, MERGED_USAGE, SIDE, USAGES, DataError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
    "testing": "test",
}
SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
LARGEST_FILE = 1 << 20  # bytes of an image file
PREFIX = re.compile("(" + "|".join(USAGES) + ")_", re.IGNORECASE)
PREFIX_USAGE = {name.lower(): name for name in USAGES}


def split_folders(names):
    """{"train" | "validation" | "test": folder name} for the names that are splits; empty if there is no train."""
    splits = {}
    for name in names:
        split = SPLIT_NAMES.get(name.lower())
        if split in splits and split:
            raise DataError(f"Two folders for the same split, {splits[split]} and {name}: move one away.")
        if split:
            splits[split] = name
    return splits if "train" in splits else {}


def read_folders(tree, base, splits):
    """Read class folders from a tree of `fer_utils.readers`.

    splits: {"train" | "validation" | "test": folder name} under `base`. Images are 48 x 48 and gray, or RGB with three
    equal channels; an image in colour is an error, since FER-2013 has none and a silent conversion would hide that the
    data are something else. Returns images uint8 (n, 48, 48), labels uint8 (n,), usage <U11 (n,), row_ids int64 (n,),
    warnings (list of str). Raises DataError, naming the image or folder.
    """
    listed = []  # (split, label, name of the file)
    for split, folder in splits.items():
        listed += [(split, *item) for item in _list_split(tree, f"{base}/{folder}" if base else folder)]
    images = np.empty((len(listed), SIDE, SIDE), np.uint8)
    for position, (_, _, name) in enumerate(listed):
        images[position] = _read_image(tree, name)
    labels = np.array([label for _, label, _ in listed], np.uint8)
    usage, messages = _usages([(split, name) for split, _, name in listed], splits, tree.place(base))
    return images, labels, usage, _row_ids([name for _, _, name in listed]), messages


def _list_split(tree, folder):
    """[(label, name of the file)] of all images of a split, in the label order and then by name."""
    classes, files = tree.children(folder)
    if files or not classes:
        found = f"the file {files[0]}" if files else "nothing"
        raise DataError(
            f"{tree.place(folder)}: must hold a folder for each emotion ({', '.join(EMOTIONS)}), but holds {found}. "
            "Move the images into such folders and other files away, or download the data again."
        )
    listed = []
    for name in classes:
        inner = f"{folder}/{name}"
        label = _label(name, tree.place(inner))
        subfolders, files = tree.children(inner)
        if subfolders:
            raise DataError(f"{tree.place(inner)}: holds a folder ({subfolders[0]}) among the images. Move it away.")
        if not files:
            raise DataError(
                f"{tree.place(inner)}: the class folder is empty. Delete it if that is meant, or download the data "
                "again."
            )
        listed += [(label, f"{inner}/{file}") for file in files]
    return sorted(listed)


def _label(name, place):
    word = name.strip().lower()
    word = SYNONYMS.get(word, word)
    if word not in EMOTIONS:
        raise DataError(
            f"{place}: unknown class folder {name!r}. The classes are {', '.join(EMOTIONS)}: rename it or move it away."
        )
    return EMOTIONS.index(word)


def _read_image(tree, name):
    """uint8 (48, 48). Raises DataError naming the image."""
    place = tree.place(name)
    again = "Delete it, or download the data again"
    with tree.open(name) as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise DataError(f"{place}: is larger than {LARGEST_FILE >> 20} MB; FER-2013's images take 2 KB. {again}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # nothing is decompressed before the check
            image = Image.open(io.BytesIO(content))
        if image.size == (SIDE, SIDE):
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise DataError(f"{place}: is no image, or a damaged one. {again}.") from None
    if image.size != (SIDE, SIDE):
        width, height = image.size
        raise DataError(
            f"{place}: is {width} x {height} pixels; FER-2013's images are {SIDE} x {SIDE}. {again}, or resize it."
        )
    if image.mode == "L":
        return np.asarray(image)
    if image.mode not in ("RGB", "RGBA", "LA", "P", "1"):
        raise DataError(
            f"{place}: has the mode {image.mode}; gray images of 8 bits are needed. {again}, or convert it."
        )
    channels = np.asarray(image.convert("RGB"))
    if (channels != channels[..., :1]).any():
        raise DataError(
            f"{place}: is in colour; FER-2013 is gray. {again}, or convert all to gray (Pillow: convert('L'))."
        )
    return channels[..., 0]


def _usages(listed, splits, place):
    """Usage of each (split, file name), and warnings about what the folders do not tell."""
    held_out = splits.keys() - {"train"}
    fallback = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    if len(held_out) < 2:
        fallback |= {"validation": MERGED_USAGE, "test": MERGED_USAGE}
    usage, unnamed, elsewhere = [], 0, []
    for split, name in listed:
        prefix = PREFIX.match(PurePosixPath(name).name)
        usage.append(PREFIX_USAGE[prefix[1].lower()] if prefix else fallback[split])
        unnamed += prefix is None and split != "train"
        if prefix and (usage[-1] == "Training") != (split == "train"):
            elsewhere.append(name)
    messages = []
    if unnamed and len(held_out) == 2:
        messages.append(
            f"{place}: {unnamed} file names do not tell PublicTest from PrivateTest, so {splits['validation']} counts "
            f"as PublicTest and {splits['test']} as PrivateTest. These are the uploader's splits, perhaps not the "
            "official ones, which fer2013.csv has."
        )
    elif unnamed:
        messages.append(
            f"{place}: {unnamed} file names in the folder {splits[next(iter(held_out))]} have no prefix PublicTest_ or "
            "PrivateTest_, so the official protocol cannot be had (PROTOCOL=paper can); fer2013.csv tells them apart."
        )
    if elsewhere:
        messages.append(
            f"{place}: {len(elsewhere)} files lie in another split's folder than their names say, {elsewhere[0]} the "
            "first; the names decide. Move them, or download the data again."
        )
    return np.array(usage, dtype="<U11"), messages


def _row_ids(names):
    """The number in each file name where all have one and no two the same, else the position: int64 (n,)."""
    numbers = [re.findall(r"\d+", PurePosixPath(name).stem) for name in names]
    if all(numbers):
        ids = [int(found[-1]) for found in numbers]
        if len(set(ids)) == len(ids) and max(ids) < 2**63:
            return np.array(ids, dtype=np.int64)
    return np.arange(len(names), dtype=np.int64)
