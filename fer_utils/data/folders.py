"""FER-2013's image-folder layouts: train/<emotion>/*.jpg beside test/ and, in some releases, validation/ or val/."""

import io
import re
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from fer_utils.data import file_kinds
from fer_utils.data.faces import CODES, DataError
from fer_utils.names import EMOTIONS, MERGED_USAGE, SIDE, USAGES

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "publictest": "validation",
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}
SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
NUMBERS = {str(code) for code in range(len(EMOTIONS))}
ROUNDING = 1  # by how much the channels of a gray image differ once it is kept as WebP
AGAIN = "Delete it, or download the data again"
ALL_SUCH = (
    "Where all images are so, this is another data set: give FER-2013 as DATA, or, to pretrain on these as they are, "
    "their train folder as SOURCE of notebook 02"
)
PREFIX = re.compile("(" + "|".join(USAGES) + ")_", re.IGNORECASE)
PREFIX_USAGE = {name.lower(): name for name in USAGES}


def split_folders(names):
    """{"train" | "validation" | "test": name} for the folders' names that are splits; empty if there is no train."""
    splits = {}
    for name in names:
        split = SPLIT_NAMES.get(name.lower())
        if split in splits and split:
            raise DataError(f"Two folders for the same split, {splits[split]} and {name}: move one away.")
        if split:
            splits[split] = name
    return splits if "train" in splits else {}


def holds_classes(names):
    """Whether folders of these names are the emotions' own, as they lie in one split."""
    return len([name for name in names if _code(name) is not None]) > 1


def read_folders(tree, base, splits):
    """Read class folders from a tree of `fer_utils.data.archives`.

    splits: {"train" | "validation" | "test": folder name} under `base`. Images are 48 x 48 and gray, or RGB with three
    equal channels; an image in colour is an error, since FER-2013 has none and a silent conversion would hide that the
    data are something else. Returns images uint8 (n, 48, 48), labels uint8 (n,), usage <U11 (n,), row_ids int64 (n,),
    warnings (list of str). Raises DataError, naming the image or folder.
    """
    listed, numbered = [], False  # (split, label, name of the file)
    for split, folder in splits.items():
        classes, files = _list_split(tree, f"{base}/{folder}" if base else folder)
        listed += [(split, *item) for item in files]
        numbered |= not NUMBERS.isdisjoint(classes)
    images = np.empty((len(listed), SIDE, SIDE), np.uint8)
    for position, (_, _, name) in enumerate(listed):
        images[position] = _read_image(tree, name)
    labels = np.array([label for _, label, _ in listed], np.uint8)
    usage, messages = _usages([(split, name) for split, _, name in listed], splits, tree.place(base))
    if numbered:
        messages.append(f"{tree.place(base)}: folders named by numbers are read as the CSV's codes: {CODES}.")
    return images, labels, usage, _row_ids([name for _, _, name in listed]), messages


def _list_split(tree, folder):
    """The names of a split's class folders, and [(label, name of the file)] of all its images, by label and name."""
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
    return classes, sorted(listed)


def _label(name, place):
    if (code := _code(name)) is None:
        raise DataError(f"{place}: unknown class folder {name!r}. The classes are {CODES}: rename it or move it away.")
    return code


def _code(name):
    """The label that a class folder's name stands for, by word or by number; None if for none."""
    word = name.strip().lower()
    word = SYNONYMS.get(word, word)
    return EMOTIONS.index(word) if word in EMOTIONS else int(word) if word in NUMBERS else None


def _read_image(tree, name):
    """uint8 (48, 48). Raises DataError naming the image."""
    place = tree.place(name)
    with tree.open(name) as file:
        content = file.read()
    try:
        image = Image.open(io.BytesIO(content))
        if image.size == (SIDE, SIDE):  # else nothing is decoded, however much its header states
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        if content.startswith(b"version https://git-lfs"):
            kind, mend = file_kinds.recognize(content)
            raise DataError(f"{place}: is {kind}. {mend}.") from None
        raise DataError(f"{place}: is no image, or a damaged one. {AGAIN}.") from None
    return _gray_values(image, place)


def _gray_values(image, place):
    """uint8 (48, 48) of an image as FER-2013 has them; DataError for any other."""
    if image.size != (SIDE, SIDE):
        found = f"{image.width} x {image.height} pixels; FER-2013's images are {SIDE} x {SIDE}"
        raise DataError(f"{place}: is {found}. {AGAIN}, or resize it. {ALL_SUCH}.")
    if image.mode == "L":
        return np.asarray(image)
    if image.mode not in ("RGB", "RGBA", "LA", "P", "1"):
        found = f"the mode {image.mode}; gray images of 8 bits are needed"
        raise DataError(f"{place}: has {found}. {AGAIN}, or convert it. {ALL_SUCH}.")
    channels = np.asarray(image.convert("RGB"))
    if np.ptp(channels, axis=-1).max() > ROUNDING:
        found = "in colour; FER-2013 is gray"
        raise DataError(f"{place}: is {found}. {AGAIN}, or convert it to gray (Pillow: convert('L')). {ALL_SUCH}.")
    return channels[..., 1]


def _usage_of_splits(splits):
    """Which usage a split's images have where their names say none: {"train" | "validation" | "test": usage}."""
    usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    if len(splits) < 3:
        usage |= {"validation": MERGED_USAGE, "test": MERGED_USAGE}
    return usage | {split: PREFIX_USAGE[name.lower()] for split, name in splits.items() if name.lower() in PREFIX_USAGE}


def _not_told(place, splits, unnamed):
    """The warning that the names of so many held-out images do not tell their split."""
    if len(splits) == 3:
        return (
            f"{place}: {unnamed} file names do not tell PublicTest from PrivateTest, so {splits['validation']} counts "
            f"as PublicTest and {splits['test']} as PrivateTest. These are the uploader's splits, perhaps not the "
            "official ones, which fer2013.csv has."
        )
    held_out = next(name for split, name in splits.items() if split != "train")
    return (
        f"{place}: {unnamed} file names in {held_out} do not tell PublicTest from PrivateTest, so the official "
        "protocol cannot be had (PROTOCOL=paper can); fer2013.csv tells them apart."
    )


def _usages(listed, splits, place):
    """Usage of each (split, file name), and warnings about what the folders do not tell."""
    by_split = _usage_of_splits(splits)
    usage, unnamed, elsewhere = [], 0, []
    for split, name in listed:
        prefix = PREFIX.match(PurePosixPath(name).name)
        usage.append(PREFIX_USAGE[prefix[1].lower()] if prefix else by_split[split])
        unnamed += prefix is None and split != "train" and splits[split].lower() not in PREFIX_USAGE
        if prefix and (usage[-1] == "Training") != (split == "train"):
            elsewhere.append(name)
    messages = [_not_told(place, splits, unnamed)] if unnamed else []
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
