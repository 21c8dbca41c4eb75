"""Pictures of every format give the picture that was saved; what is none gives one clear error (recognize/pictures)."""

import numpy as np
import pytest
from PIL import Image

from fer_utils.recognize import pictures
from fer_utils.recognize.pictures import PictureError, read_picture

ROWS, COLUMNS = np.mgrid[0:40, 0:60]
GRAY = (3 * ROWS + 2 * COLUMNS).astype(np.uint8)  # 0 to 235; no turn or mirror image of it is itself
RGB = np.repeat(GRAY[..., None], 3, axis=2)
COLOUR = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=2)
LOSSY = 6  # grey levels by which JPEG may be off here


def saved(path, image, **options):
    image.save(path, **options)
    return path


def two_frames(folder):
    frames = [Image.fromarray(values) for values in (GRAY, 255 - GRAY)]
    return saved(folder / "a.gif", frames[0], save_all=True, append_images=frames[1:])


def half_clear(mode):
    """GRAY whose right half cannot be seen, over black there: white is what it should give."""
    alpha = np.where(COLUMNS < 30, 255, 0).astype(np.uint8)
    values = np.where(COLUMNS < 30, GRAY, 0).astype(np.uint8)
    return Image.merge("LA", [Image.fromarray(values), Image.fromarray(alpha)]).convert(mode)


HALF_WHITE = np.where((COLUMNS < 30)[..., None], RGB, 255)
FORMATS = {
    "PNG": (lambda folder: saved(folder / "a.png", Image.fromarray(COLOUR)), COLOUR, 0),
    "gray PNG": (lambda folder: saved(folder / "a.png", Image.fromarray(GRAY)), RGB, 0),
    "JPEG": (lambda folder: saved(folder / "a.jpg", Image.fromarray(COLOUR), quality=95), COLOUR, LOSSY),
    "gray JPEG": (lambda folder: saved(folder / "a.jpg", Image.fromarray(GRAY), quality=95), RGB, LOSSY),
    "CMYK JPEG": (lambda folder: saved(folder / "a.jpg", Image.fromarray(COLOUR).convert("CMYK")), COLOUR, 12),
    "CMYK TIFF": (lambda folder: saved(folder / "a.tif", Image.fromarray(COLOUR).convert("CMYK")), COLOUR, 1),
    "palette": (lambda folder: saved(folder / "a.png", Image.fromarray(RGB).quantize(256)), RGB, 1),
    "16 bits": (lambda folder: saved(folder / "a.png", Image.fromarray(GRAY.astype(np.uint16) * 256 + 128)), RGB, 0),
    "16-bit TIFF": (
        lambda folder: saved(folder / "a.tif", Image.fromarray(GRAY.astype(np.uint16) * 256 + 128)),
        RGB,
        0,
    ),
    "float TIFF": (lambda folder: saved(folder / "a.tif", Image.fromarray(GRAY.astype(np.float32) / 255)), RGB, 0),
    "black and white": (lambda folder: saved(folder / "a.png", Image.fromarray(GRAY > 99)), 255 * (RGB > 99), 0),
    "gray and alpha": (lambda folder: saved(folder / "a.png", half_clear("LA")), HALF_WHITE, 0),
    "colour and alpha": (lambda folder: saved(folder / "a.png", half_clear("RGBA")), HALF_WHITE, 0),
    "transparent palette": (
        lambda folder: saved(folder / "a.png", Image.fromarray(GRAY).convert("P"), transparency=0),
        np.where(RGB == 0, 255, RGB),
        0,
    ),
    "GIF": (two_frames, RGB, 1),
    "BMP": (lambda folder: saved(folder / "a.bmp", Image.fromarray(COLOUR)), COLOUR, 0),
    "WebP": (lambda folder: saved(folder / "a.webp", Image.fromarray(COLOUR), lossless=True), COLOUR, 0),
    "a wrong name": (lambda folder: saved(folder / "a.jpg", Image.fromarray(COLOUR), format="PNG"), COLOUR, 0),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_picture_that_was_saved(name, tmp_path):
    make, expected, off = FORMATS[name]
    found = read_picture(make(tmp_path))
    assert (found.dtype, found.shape) == (np.uint8, expected.shape)
    assert np.abs(found.astype(int) - expected).max() <= off


STORED = {  # EXIF's orientation -> how a camera that states it has stored an upright picture
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_is_turned_as_its_exif_says(orientation, tmp_path):
    exif, image = Image.Exif(), Image.fromarray(COLOUR)
    exif[0x0112] = orientation
    stored = image if STORED[orientation] is None else image.transpose(STORED[orientation])
    assert np.array_equal(read_picture(saved(tmp_path / "a.png", stored, exif=exif)), COLOUR)


def test_damaged_exif_is_no_reason_to_refuse_a_picture(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.fromarray(GRAY), quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09nonsense")
    assert np.abs(read_picture(path).astype(int) - RGB).max() <= LOSSY


ARRAYS = {
    "gray": (GRAY, RGB),
    "one channel": (GRAY[..., None], RGB),
    "colour": (COLOUR, COLOUR),
    "alpha": (np.dstack([COLOUR, np.full_like(GRAY, 255)]), COLOUR),
    "16 bits": (GRAY.astype(np.uint16) * 257, RGB),
    "16 bits, nearly black, in the other byte order": (GRAY.astype(">u2"), (RGB > 128).astype(np.uint8)),
    "whole numbers": (COLOUR.astype(np.int64), COLOUR),
    "floats to 1": (COLOUR / 255, COLOUR),
    "floats a little above 1": (np.where(COLOUR == 255, 1.04, COLOUR / 255), COLOUR),
    "floats to 255": (COLOUR.astype(np.float32), COLOUR),
    "black and white": (GRAY > 99, 255 * (RGB > 99)),
    "Pillow's": (Image.fromarray(COLOUR), COLOUR),
    "Pillow's, with a palette": (Image.fromarray((255 * (RGB > 99)).astype(np.uint8)).quantize(2), 255 * (RGB > 99)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_taken_by_the_range_of_its_numbers(name):
    given, expected = ARRAYS[name]
    before = given.copy()
    assert np.array_equal(read_picture(given), expected)
    assert np.array_equal(given, before)


def test_a_large_picture_is_shrunk(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(np.full((200, 5000), 99, np.uint8)))
    found = read_picture(path)
    assert found.shape == (164, 4096, 3) and (found == 99).all()


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def written(path, content):
    path.write_bytes(content)
    return path


BROKEN = {
    "nothing there": (lambda folder: folder / "none.jpg", "none.jpg: there is no such file"),
    "too long a name": (lambda folder: folder / f"{'a' * 300}.jpg", "a.jpg: there is no such file"),
    "a folder": (lambda folder: folder, "is a folder. Give a picture"),
    "a text": (lambda folder: written(folder / "a.jpg", b"no picture"), "a.jpg: is not a picture that Pillow can read"),
    "empty": (lambda folder: written(folder / "a.jpg", b""), "a.jpg: is not a picture that Pillow can read"),
    "cut off JPEG": (lambda folder: cut_off(saved(folder / "a.jpg", Image.fromarray(COLOUR))), "damaged or cut off"),
    "cut off PNG": (lambda folder: cut_off(saved(folder / "a.png", Image.fromarray(COLOUR))), "damaged or cut off"),
    "cut off GIF": (lambda folder: cut_off(two_frames(folder)), None),  # its first frame may be whole
    "HEIC": (lambda folder: written(folder / "a.heic", b"\0\0\0\x18ftypheic\0\0\0\0"), "is HEIC.*Save it as JPEG"),
    "HEIC as JPEG": (lambda folder: written(folder / "a.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0"), "pillow-heif"),
    "tiny": (lambda folder: saved(folder / "a.png", Image.new("L", (60, 23))), "too small, 60 x 23 pixels. Give .* 24"),
    "narrow": (lambda folder: saved(folder / "a.png", Image.new("L", (30, 6000))), "too long and narrow"),
    "below black": (lambda folder: saved(folder / "a.tif", Image.fromarray(GRAY - np.float32(9))), "a.tif: .* bytes"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_picture_is_one_clear_error(name, tmp_path):
    make, words = BROKEN[name]
    path = make(tmp_path)
    try:
        read_picture(path)
    except PictureError as error:
        assert words is None or pytest.raises(PictureError, read_picture, path).match(words)
        assert str(path) in str(error)
    else:
        assert words is None


def test_an_image_of_pillows_that_is_cut_off_is_one_clear_error(tmp_path):
    """Pillow reads the pixels of an opened file only when they are needed."""
    path = cut_off(saved(tmp_path / "a.png", Image.fromarray(COLOUR)))
    with pytest.raises(PictureError, match="the image: is damaged or cut off"):
        read_picture(Image.open(path))


def test_a_folders_formats_that_pillow_only_writes_are_no_pictures(tmp_path):
    for name in ("a.pdf", "b.mpo", "c.png"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures.files_in(tmp_path)] == ["b.mpo", "c.png"]


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", Image.fromarray(COLOUR))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(PictureError, match="a.png: has more than .* million pixels. Give a smaller copy"):
        read_picture(path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros(9, np.uint8), r"shape \(9,\)"),
        (np.zeros((40, 60, 2), np.uint8), r"shape \(40, 60, 2\)"),
        (np.zeros((0, 60), np.uint8), r"shape \(0, 60\)"),
        (np.full((40, 60), np.nan), "values other than grey levels"),
        (np.full((40, 60), -1), "values other than grey levels"),
        (np.full((40, 60), "a"), "values other than grey levels"),
        (np.full((40, 60), 70_000), "values other than grey levels"),
        (np.zeros((5, 60), np.uint8), "too small, 60 x 5 pixels"),
    ],
)
def test_an_array_that_is_no_picture_is_one_clear_error(values, words):
    with pytest.raises(PictureError, match=words):
        read_picture(values)


def test_pillow_may_read_heic_one_day_and_then_it_is_not_refused():
    """The refusal is true only as long as Pillow has no reader of its own."""
    Image.init()
    assert not set(pictures.HEIC_SUFFIXES) & set(Image.registered_extensions())
