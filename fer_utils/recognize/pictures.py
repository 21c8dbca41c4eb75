"""A picture as RGB bytes, the right way up: from a file of any format that Pillow reads, or from an array.

What cannot be read ends in one PictureError that names the file, the reason and the mend.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

LEAST_SIDE = 24  # pixels: a detector's smallest face, and a little of what is around it
LARGEST_SIDE = 4096  # what is larger is shrunk to it, which leaves a face of a fiftieth of the picture its 48 pixels
BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, OverflowError)  # of Pillow's readers
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
HEIC_SUFFIXES = (".heic", ".heif", ".hif")
HEIC = (
    "is HEIC, which Pillow does not read. Save it as JPEG, or read it with the package pillow-heif and give the array"
)


OWN = ".faces.png"  # how the names of figures end that are made of pictures, and are none


class PictureError(ValueError):
    """A picture or film that cannot be used; the message names it, the reason and the mend."""


def read_picture(source):
    """uint8 (height, width, 3), RGB, 24 to 4096 pixels a side.

    source: a path, an image of Pillow's, or an array: (height, width), gray, or (height, width, 3 or 4), as bytes, as
    whole numbers of 16 bits, or as floats from 0 to 1. Of a file with several frames the first is taken. EXIF's
    orientation is undone, and what is transparent becomes white. Raises PictureError.
    """
    if isinstance(source, str | os.PathLike):
        name, image = str(source), _open(Path(source))
    elif isinstance(source, Image.Image):  # as an array, a palette's numbers would pass for grey levels
        name, image = "the image", _as_rgb(_upright(source), "the image")
    else:
        name = "the array"
        image = _from_array(np.asarray(source), name)
    if min(image.size) < LEAST_SIDE:
        raise PictureError(
            f"{name}: is too small, {image.width} x {image.height} pixels. Give at least {LEAST_SIDE} a side"
        )
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), reducing_gap=3)
    if min(image.size) < LEAST_SIDE:
        raise PictureError(f"{name}: is too long and narrow to show a face. Give the part that has one")
    return np.array(image)


def files_in(source, more=()):
    """A path as a list; of a folder, the pictures in it, by their names' ends, and those that end in one of `more`.

    Raises PictureError for a folder without any, and where there is nothing.
    """
    source = Path(source)
    if not os.path.exists(source):
        raise PictureError(f"{source}: there is no such file or folder. Check the name")
    if not source.is_dir():
        return [source]
    Image.init()
    known = {*Image.registered_extensions(), *HEIC_SUFFIXES, *more}
    found = [path for path in sorted(source.iterdir()) if path.suffix.lower() in known and path.is_file()]
    found = [path for path in found if not path.name.startswith(".") and not path.name.endswith(OWN)]
    if not found:
        raise PictureError(f"{source}: no picture is in it. Give a folder that has some")
    return found


def _open(path):
    """A Pillow image in RGB, upright."""
    if path.is_dir() or not path.exists():
        raise PictureError(f"{path}: {'is a folder' if path.is_dir() else 'there is no such file'}. Give a picture")
    try:
        with warnings.catch_warnings(), open(path, "rb") as stream:
            warnings.simplefilter("ignore")  # of large pictures and of damaged EXIF, which are dealt with here
            start = stream.read(12)
            stream.seek(0)
            if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS:
                raise PictureError(f"{path}: {HEIC}")
            image = Image.open(stream)
            image.draft(None, (LARGEST_SIDE, LARGEST_SIDE))  # a JPEG is decoded smaller where that is enough
            image.load()
            return _as_rgb(_upright(image), path)
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{path}: is no picture that Pillow can read. Give a JPEG or PNG") from None
    except Image.DecompressionBombError:
        most = 2 * Image.MAX_IMAGE_PIXELS // 10**6
        raise PictureError(f"{path}: has more than {most} million pixels. Give a smaller copy") from None
    except PermissionError as error:
        raise PictureError(f"{path}: cannot be opened ({error.strerror}). Allow it to be read") from None
    except BROKEN as error:
        raise PictureError(f"{path}: is damaged or cut off ({error}). Copy or save it again") from None


def _upright(image):
    try:
        return ImageOps.exif_transpose(image)
    except BROKEN:  # EXIF that cannot be read says nothing about the picture
        return image


def _as_rgb(image, name):
    """A Pillow image of any mode as RGB, on white where it is transparent."""
    if image.mode.startswith("I;16") or image.mode in "IF":
        return _from_array(np.asarray(image), name)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _from_array(values, name):
    """A Pillow image in RGB of an array, by the range of its numbers: 0 to 255, to 65535, or, of floats, to 1."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)) or 0 in values.shape:
        raise PictureError(f"{name}: has shape {values.shape}. Give (height, width), or (height, width, 3) for colour")
    if values.dtype.kind not in "buif" or not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise PictureError(f"{name}: holds something else than grey levels. Give bytes from 0 to 255")
    if values.dtype != np.uint8:
        top = _top(values)
        values = (values.astype(np.float64) * (255 / top) + 0.5).astype(np.uint8)
    return _as_rgb(Image.fromarray(values), name)


def _top(values):
    """The number that stands for white."""
    if values.dtype.kind == "b" or (values.dtype.kind == "f" and values.max() <= 1):
        return 1
    return 65535 if values.dtype == np.uint16 or values.max() > 255 else 255
