"""Read an upright RGB picture from an array or a file of any format that Pillow reads.

What cannot be read raises PictureError, which names the file, the reason and the fix.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

LEAST_SIDE = 24  # pixels: the detector's smallest face, and a little around it
LARGEST_SIDE = 4096  # pixels: larger pictures are shrunk to this; a face of a fiftieth of the side keeps its 48 pixels
BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, OverflowError)  # from Pillow's readers
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
HEIC_SUFFIXES = (".heic", ".heif", ".hif")
HEIC = "is HEIC, which Pillow cannot read. Save it as JPEG, or read it with the package pillow-heif and give the array"
DAMAGED = "is damaged or cut off ({}). Copy or save it again"
WRITTEN_ONLY = {".pdf", ".palm"}  # formats that Pillow writes and does not read
OWN = ".faces.png"  # end of the names of our own figures, which are not read as pictures


class PictureError(ValueError):
    """A picture or film cannot be used; the message names it, the reason and the fix."""


def read_picture(source):
    """Read a picture: RGB uint8 (height, width, 3), 24 to 4096 pixels a side.

    source: a path, a Pillow image, or an array, (height, width) for gray or (height, width, 3 or 4), with bytes, whole
    numbers of 16 bits, or floats from 0 to 1. Only the first frame of a file is read. The picture is turned as its EXIF
    orientation says, and transparent parts become white. Raises PictureError.
    """
    if isinstance(source, str | os.PathLike):
        name, image = str(source), _open(Path(source))
    elif isinstance(source, Image.Image):  # not as an array: a palette's numbers would be read as grey levels
        name, image = "the image", _as_rgb(_upright(_loaded(source)), "the image")
    else:
        name, image = "the array", _from_array(np.asarray(source), "the array")
    if min(image.size) < LEAST_SIDE:
        size = f"{image.width} x {image.height} pixels"
        raise PictureError(f"{name}: is too small, {size}. Give at least {LEAST_SIDE} pixels a side")
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), reducing_gap=3)
    if min(image.size) < LEAST_SIDE:
        raise PictureError(f"{name}: is too long and narrow to show a face. Crop it to the part with the face")
    return np.array(image)


def files_in(source, more=()):
    """List the pictures in a folder, chosen by suffix; a file is returned as a list of one. more: further suffixes.

    Raises PictureError if nothing is there, or if the folder has no picture.
    """
    source = Path(source)
    if not os.path.exists(source):
        raise PictureError(f"{source}: there is no such file or folder. Check the name")
    if not source.is_dir():
        return [source]
    Image.init()
    known = {*Image.registered_extensions(), *HEIC_SUFFIXES, *more} - WRITTEN_ONLY
    visible = [path for path in sorted(source.iterdir()) if not path.name.startswith(".") and path.is_file()]
    found = [path for path in visible if path.suffix.lower() in known and not path.name.endswith(OWN)]
    if not found:
        raise PictureError(f"{source}: contains no picture. Give a folder with pictures")
    return found


def _open(path):
    """Open a file as an upright Pillow image in RGB."""
    if os.path.isdir(path):
        raise PictureError(f"{path}: is a folder. Give a picture")
    if not os.path.exists(path):  # False for a name that is too long; Path's raises OSError
        raise PictureError(f"{path}: there is no such file. Give a picture")
    try:
        with warnings.catch_warnings(), open(path, "rb") as stream:
            warnings.simplefilter("ignore")  # about large pictures and damaged EXIF, which are handled here
            start = stream.read(12)
            stream.seek(0)
            if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS:
                raise PictureError(f"{path}: {HEIC}")
            image = Image.open(stream)
            image.draft(None, (LARGEST_SIDE, LARGEST_SIDE))  # decodes a large JPEG at a smaller size, to save time
            image.load()
            return _as_rgb(_upright(image), path)
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{path}: is not a picture that Pillow can read. Give a JPEG or PNG") from None
    except Image.DecompressionBombError:
        most = 2 * Image.MAX_IMAGE_PIXELS // 10**6
        raise PictureError(f"{path}: has more than {most} million pixels. Give a smaller copy") from None
    except PermissionError as error:
        raise PictureError(f"{path}: cannot be opened ({error.strerror}). Change its permissions") from None
    except BROKEN as error:
        raise PictureError(f"{path}: {DAMAGED.format(error)}") from None


def _loaded(image):
    """Return a Pillow image after its pixels were read, which Pillow puts off until they are needed."""
    try:
        image.load()
    except BROKEN as error:
        raise PictureError(f"the image: {DAMAGED.format(error)}") from None
    return image


def _upright(image):
    try:
        return ImageOps.exif_transpose(image)
    except BROKEN:  # damaged EXIF does not mean that the picture is damaged
        return image


def _as_rgb(image, name):
    """Convert a Pillow image of any mode to RGB, with white for transparent parts."""
    if image.mode.startswith("I;16") or image.mode in "IF":
        return _from_array(np.asarray(image), name)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _from_array(values, name):
    """Convert an array to a Pillow image in RGB. White is 255, 65535 or, for floats, 1 (``_white``)."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or values.shape[2:] not in ((), (3,), (4,)) or 0 in values.shape:
        raise PictureError(f"{name}: has shape {values.shape}. Give (height, width), or (height, width, 3) for colour")
    if values.dtype.kind not in "buif" or not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise PictureError(f"{name}: contains values other than grey levels. Give bytes from 0 to 255")
    if values.dtype != np.uint8:
        values = (values.astype(np.float64) * (255 / _white(values)) + 0.5).clip(max=255).astype(np.uint8)
    return _as_rgb(Image.fromarray(values), name)


def _white(values):
    """The number that means white, guessed from the dtype and the largest value."""
    # Enlarging leaves some floats a little above 1. No picture with floats up to 255 is that dark.
    if values.dtype.kind == "b" or (values.dtype.kind == "f" and values.max() <= 1.5):
        return 1
    is_16_bit = values.dtype.kind == "u" and values.dtype.itemsize == 2  # in either byte order
    return 65535 if is_16_bit or values.max() > 255 else 255
