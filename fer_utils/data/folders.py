"""FER-2013's image-folder layouts: train/<emotion>/*.jpg next to test/ and, in some releases, validation/ or val/."""

import io
import re
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from fer_utils.data import file_kinds
from fer_utils.data.faces import CODES, DataError
from fer_utils.names import EMOTIONS, MERGED_USAGE, SIDE, USAGES

SPLIT_NAMES = dict.fromkeys(("train", "training"), "train")
SPLIT_NAMES |= dict.fromkeys(("validation", "val", "valid", "publictest"), "validation")
SPLIT_NAMES |= dict.fromkeys(("test", "testing", "privatetest"), "test")
SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
NUMBERS = {str(code) for code in range(len(EMOTIONS))}
ROUNDING = 1  # gray levels by which the channels of a gray image may differ after it was saved as WebP
AGAIN = "Delete it, or download the data again"
ALL_SUCH = (
    "If all images are like this, this is another data set: give FER-2013 as DATA. To pretrain on these images as they "
    "are, give their train folder as SOURCE of notebook 02"
)
PREFIX = re.compile("(" + "|".join(USAGES) + ")_", re.IGNORECASE)
PREFIX_USAGE = {name.lower(): name for name in USAGES}


def split_folders(names, place):
    """Return {"train" | "validation" | "test": name} for the folders in `place` that are splits; {} without train."""
    splits = {}
    for name in names:
        split = SPLIT_NAMES.get(name.lower())
        if split in splits:
            raise DataError(f"{place}: holds two folders for one split, {splits[split]} and {name}. Move one away.")
        if split:
            splits[split] = name
    return splits if "train" in splits else {}


def holds_classes(names):
    """Return whether at least two of the folders' names are emotions, as in a split."""
    return sum(_code(name) is not None for name in names) > 1


def read_folders(tree, base, splits):
    """Read class folders from a tree (``data.trees``).

    splits: {"train" | "validation" | "test": folder name} under `base`. Images must be 48 x 48 and gray, or RGB with
    three equal channels. An image in colour is an error: FER-2013 has none, and a silent conversion would hide that
    this is another data set. Returns images uint8 (n, 48, 48), labels uint8 (n,), usage <U11 (n,), row_ids int64 (n,),
    warnings (list of str). Raises DataError, naming the image or folder.
    """
    listed, classes = [], set()  # listed: (split, label, file name)
    for split, folder in splits.items():
        names, files = _list_split(tree, f"{base}/{folder}" if base else folder)
        classes.update(names)
        listed += [(split, label, name) for label, name in files]
    images = np.empty((len(listed), SIDE, SIDE), np.uint8)
    for position, (_, _, name) in enumerate(listed):
        images[position] = _read_image(tree, name)
    labels = np.array([label for _, label, _ in listed], np.uint8)
    usage, messages = _usages([(split, name) for split, _, name in listed], splits, tree.place(base))
    if NUMBERS & classes:
        messages.append(f"{tree.place(base)}: folders named by numbers are read as the CSV's codes: {CODES}.")
    return images, labels, usage, _row_ids([name for _, _, name in listed]), messages


def _list_split(tree, folder):
    """Return the names of a split's class folders, and [(label, file name)] of all its images, sorted."""
    classes, files = tree.children(folder)
    if files or not classes:
        found = f"the file {files[0]}" if files else "nothing"
        raise DataError(
            f"{tree.place(folder)}: must hold a folder for each emotion ({', '.join(EMOTIONS)}), but holds {found}. "
            "Move the images into such folders, move other files away, or download the data again."
        )
    listed = []
    for name in classes:
        inner = f"{folder}/{name}"
        place = tree.place(inner)
        label = _code(name)
        if label is None:
            raise DataError(f"{place}: unknown class folder {name!r}. The classes are {CODES}: rename or move it.")
        subfolders, files = tree.children(inner)
        if subfolders:
            raise DataError(f"{place}: holds a folder ({subfolders[0]}) among the images. Move it away.")
        if not files:
            raise DataError(
                f"{place}: the class folder is empty. Delete it if it should be empty, or download the data again."
            )
        listed += [(label, f"{inner}/{file}") for file in files]
    return classes, sorted(listed)


def _code(name):
    """Return the label for a class folder's name, which is a word or a number; None for an unknown name."""
    word = name.strip().lower()
    word = SYNONYMS.get(word, word)
    if word in NUMBERS:
        return int(word)
    return EMOTIONS.index(word) if word in EMOTIONS else None


def _read_image(tree, name):
    """Return the image as uint8 (48, 48). Raises DataError naming the image."""
    place = tree.place(name)
    with tree.open(name) as file:
        content = file.read()
    try:
        image = Image.open(io.BytesIO(content))
        if image.size == (SIDE, SIDE):  # any other size is refused without decoding the image, however large it is
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        if content.startswith(b"version https://git-lfs"):
            kind, fix = file_kinds.recognize(content)
            raise DataError(f"{place}: is {kind}. {fix}.") from None
        raise DataError(f"{place}: is not an image, or is damaged. {AGAIN}.") from None
    return _gray_values(image, place)


def _gray_values(image, place):
    """Return uint8 (48, 48) for an image of FER-2013's size that is gray. Raises DataError for any other."""
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
        fix = f"{AGAIN}, or convert it to gray (Pillow: convert('L'))"
        raise DataError(f"{place}: is in colour; FER-2013 is gray. {fix}. {ALL_SUCH}.")
    return channels[..., 1]


def _usage_of_splits(splits):
    """Return each split's usage for images whose file names have none: {"train" | "validation" | "test": usage}."""
    usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    if len(splits) < 3:
        usage |= {"validation": MERGED_USAGE, "test": MERGED_USAGE}
    return usage | {split: PREFIX_USAGE[name.lower()] for split, name in splits.items() if name.lower() in PREFIX_USAGE}


def _unnamed_warning(place, splits, unnamed):
    """Return the warning that this many held-out images have no split in their file names."""
    if len(splits) == 3:
        return (
            f"{place}: {unnamed} file names do not distinguish PublicTest from PrivateTest, so {splits['validation']} "
            f"counts as PublicTest and {splits['test']} as PrivateTest. These are the uploader's splits, which may "
            "differ from the official ones in fer2013.csv."
        )
    held_out = next(name for split, name in splits.items() if split != "train")
    return (
        f"{place}: {unnamed} file names in {held_out} do not distinguish PublicTest from PrivateTest, as the official "
        "protocol requires. Use PROTOCOL=paper, or give fer2013.csv, which has both splits."
    )


def _usages(listed, splits, place):
    """Return the usage for each (split, file name), and warnings about missing or contradictory names."""
    by_split = _usage_of_splits(splits)
    usage, unnamed, elsewhere = [], 0, []
    for split, name in listed:
        is_known = split == "train" or splits[split].lower() in PREFIX_USAGE  # from the folder's name alone
        if prefix := PREFIX.match(PurePosixPath(name).name):
            usage.append(PREFIX_USAGE[prefix[1].lower()])
            if usage[-1] != by_split[split] and (is_known or usage[-1] == "Training"):
                elsewhere.append(name)
        else:
            usage.append(by_split[split])
            unnamed += not is_known
    messages = [_unnamed_warning(place, splits, unnamed)] if unnamed else []
    if elsewhere:
        messages.append(
            f"{place}: {len(elsewhere)} files are in another split's folder than their names say, such as "
            f"{elsewhere[0]}. Their names decide the split. Move the files, or download the data again."
        )
    return np.array(usage, dtype="<U11"), messages


def _row_ids(names):
    """Return the number in each file name, if all have one and all differ, else the position: int64 (n,)."""
    numbers = [re.findall(r"\d+", PurePosixPath(name).stem) for name in names]
    if all(numbers):
        ids = [int(found[-1]) for found in numbers]
        if len(set(ids)) == len(ids) and max(ids) < 2**63:
            return np.array(ids, dtype=np.int64)
    return np.arange(len(names), dtype=np.int64)
