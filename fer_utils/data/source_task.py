"""The source task: other labelled images, on which a backbone is pretrained."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}

SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing")
LARGEST_IMAGE = 50_000_000  # pixels, more than any photograph in ImageNet; a small file's header may claim far more
CLASS_FOLDERS = "a folder with one folder of images per class"


class SourceError(ValueError):
    """The source data cannot be used. The message has the folder or file, what is wrong, and the fix."""


def load_source(source="sample", size=48, max_images=0, seed=0):
    """Load the images of a source task, shuffled.

    source: "sample" (drawn faces, gray, with the person as the class) or a folder with one folder of images per class,
    such as Tiny ImageNet's train folder (read as RGB, resized to `size` x `size` pixels). max_images: 0 for all.
    Returns images uint8 (n, 48, 48) for the sample or (n, size, size, 3) for a folder, labels int64 (n,) from 0, and
    class names. Raises SourceError.
    """
    if source == "sample":
        from fer_utils import sample

        images, labels = sample.draw_identities(seed=seed + 1)
        names = [f"person {number}" for number in range(labels.max() + 1)]
    else:
        files, labels, names = _list_class_folders(Path(source))
    if max_images == 1:
        raise SourceError(f"{source}: MAX_IMAGES=1 leaves none to train on, as one is held out. Give 2 or more, or 0")
    order = np.random.default_rng(seed).permutation(len(labels))
    if max_images:
        order = order[:max_images]
    if source == "sample":
        return images[order], labels[order], names
    return _read_images([files[index] for index in order], size), labels[order], names


def _list_class_folders(root):
    if root.is_file():
        raise SourceError(f"{root}: is a file. Unpack it, and give {CLASS_FOLDERS}")
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder. Give SOURCE as 'sample' or {CLASS_FOLDERS}")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        raise SourceError(
            f"{root}: has {len(folders)} class folder(s), at least 2 are needed. Give the folder that holds the class "
            "folders, such as tiny-imagenet-200/train"
        )
    if all(folder.name.lower() in SPLITS for folder in folders):
        inner = next((folder for folder in folders if folder.name.lower() in SPLITS[:2]), folders[0])
        names = ", ".join(folder.name for folder in folders)
        raise SourceError(f"{root}: its folders are splits ({names}), not classes. Give one of them, probably {inner}")
    files, labels = [], []
    for label, folder in enumerate(folders):
        found = sorted(path for path in folder.rglob("*") if _is_image(path.relative_to(folder)))
        if not found:
            raise SourceError(f"{folder}: this class folder has no image. Remove it or fill it")
        files += found
        labels += [label] * len(found)
    if len(files) == len(folders):
        raise SourceError(
            f"{root}: each of its {len(folders)} folders holds one image, so they are not classes. Give {CLASS_FOLDERS}"
        )
    return files, np.array(labels, np.int64), [folder.name for folder in folders]


def _is_image(path):
    """Return whether a path in a class folder is an image, and not a hidden file such as macOS' ._x.jpg."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _read_images(files, size):
    images = np.empty((len(files), size, size, 3), np.uint8)

    def read(index):
        try:
            if not files[index].is_file():  # reading from a pipe would wait forever
                raise OSError("it is not a file")
            with Image.open(files[index]) as image:
                if image.width * image.height > LARGEST_IMAGE:  # from the header: nothing is decoded yet
                    raise ValueError(f"its header claims {image.width} x {image.height} pixels")
                if image.mode.startswith(("I", "F")):  # Pillow would make all gray levels above 255 white
                    raise ValueError(f"its mode is {image.mode}; 8 bits per channel are needed")
                images[index] = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise SourceError(
                f"{files[index]}: not a readable image ({error}). Remove it or download it again"
            ) from error

    with ThreadPoolExecutor() as pool:  # Pillow releases the interpreter's lock while it decodes
        list(pool.map(read, range(len(files))))  # list raises the errors of `read`
    return images
