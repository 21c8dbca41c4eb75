"""CSV layouts: right arrays from every spelling, and for bad input one error that names the row and the mend."""

import io

import numpy as np
import pytest

from fer_utils.data import csv_file
from fer_utils.data.faces import DataError

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 48, 48), dtype=np.uint8)
IMAGES[0, 0, :6] = [0, 9, 10, 99, 100, 255]
LABELS = [6, 0, 3, 1, 5]
USAGES = ["Training", "Training", "PublicTest", "PrivateTest", "Training"]


def numbers(image):
    return " ".join(map(str, image.ravel().tolist()))


def fer2013_lines():
    rows = [f"{label},{numbers(image)},{usage}" for image, label, usage in zip(IMAGES, LABELS, USAGES, strict=True)]
    return ["emotion,pixels,Usage", *rows]


def read(lines, end="\n", **options):
    text = "\n".join(lines) + end if isinstance(lines, list) else lines
    return csv_file.read_csv(io.BytesIO(text.encode() if isinstance(text, str) else text), "fer2013.csv", **options)


def check(found):
    images, labels, usage = found
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, IMAGES)
    assert labels.tolist() == LABELS
    assert usage.tolist() == USAGES
    assert usage.dtype == "<U11"


def test_reads_the_columns_of_fer2013_csv():
    check(read(fer2013_lines()))


def test_reads_icml_face_data_with_blanks_in_its_header():
    rows = [f"{label},{usage},{numbers(image)}" for image, label, usage in zip(IMAGES, LABELS, USAGES, strict=True)]
    check(read(["emotion, Usage, pixels", *rows]))


def test_reads_quotes_byte_order_mark_and_windows_line_ends():
    rows = [
        f'"{label}","{numbers(image)}","{usage}"\r' for image, label, usage in zip(IMAGES, LABELS, USAGES, strict=True)
    ]
    check(read('\ufeff"emotion","pixels","Usage"\r\n' + "\n".join(rows)))


def test_reads_the_line_ends_of_old_macs():
    check(read("\r".join(fer2013_lines())))


def test_reads_other_columns_blank_lines_and_no_line_end():
    rows = [f"{usage},x,{numbers(image)},{label}\n" for image, label, usage in zip(IMAGES, LABELS, USAGES, strict=True)]
    check(read(["usage,note,Pixels,EMOTION", *rows], end=""))


def test_reads_two_blanks_and_leading_zeros():
    lines = fer2013_lines()
    lines[2] = lines[2].replace(" ", "  ", 3)
    first, rest = lines[3].split(",", 1)
    check(read([*lines[:3], f"{first},000{rest}", *lines[4:]]))


def test_train_csv_has_no_usage_column():
    rows = [f'{label},"{numbers(image)}"' for image, label in zip(IMAGES, LABELS, strict=True)]
    images, labels, usage = read(["emotion,pixels", *rows], usage_needed=False)
    assert np.array_equal(images, IMAGES)
    assert labels.tolist() == LABELS
    assert set(usage) == {"Training"}


def test_every_value_is_read_beside_every_other():
    images = np.random.default_rng(2).integers(0, 256, (60, 48, 48), dtype=np.uint8)
    images[0] = np.resize(np.arange(256), (48, 48))
    found, _, _ = read(["emotion,pixels,Usage", *(f"0,{numbers(image)},Training" for image in images)])
    assert np.array_equal(found, images)


def with_row(number, change):
    """fer2013.csv's lines with `change(emotion, pixels, usage)` applied to data row `number` (from 1)."""
    lines = fer2013_lines()
    lines[number] = change(*lines[number].split(","))
    return lines


def pixel(position, value):
    def change(emotion, pixels, usage):
        parts = pixels.split(" ")
        parts[position - 1] = value
        return f"{emotion},{' '.join(parts)},{usage}"

    return change


BAD_ROWS = {
    "too few pixels": (lambda e, p, u: f"{e},{p.rpartition(' ')[0]},{u}", "wrong pixel count 2303; .* = 2304"),
    "too many pixels": (lambda e, p, u: f"{e},{p} 7,{u}", "wrong pixel count 2305"),
    "pixel 300": (pixel(2304, "300"), "pixel 2304 is '300', outside 0 to 255"),
    "pixel 1000": (pixel(1, "1000"), "pixel 1 is '1000', outside 0 to 255"),
    "pixel 65536": (pixel(5, "65536"), "pixel 5 is '65536', outside 0 to 255"),
    "pixel 2 ** 64": (pixel(5, str(2**64)), "pixel 5 is '18446744073709551616', outside 0 to 255"),
    "a pixel left out": (pixel(5, ""), "wrong pixel count 2303"),
    "a slash": (pixel(4, "/1"), "pixel 4 is not a whole number: '/1'"),
    "a letter behind the last": (pixel(2304, "7x"), "pixel 2304 is not a whole number: '7x'"),
    "other bytes": (pixel(4, "é"), "pixel 4 is not a whole number"),
    "emotion -1": (lambda e, p, u: f"-1,{p},{u}", "unknown emotion code '-1'"),
    "a column too few": (lambda e, p, u: f"{e},{p}", "2 columns where the header has 3"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
@pytest.mark.parametrize("row", [1, 3])
def test_a_bad_row_is_named_with_what_is_wrong_and_the_mend(name, row):
    change, message = BAD_ROWS[name]
    place = rf"^fer2013.csv, row {row} \(line {row + 1}\): "
    with pytest.raises(DataError, match=place + message) as error:
        read(with_row(row, change))
    assert "Download the file again" in str(error.value)
    assert "or fix the row" in str(error.value)
    assert "truncated" not in str(error.value)


def test_a_missing_pixel_is_not_made_up_for_by_the_next_row():
    lines = with_row(1, BAD_ROWS["too few pixels"][0])
    lines[2] = BAD_ROWS["too many pixels"][0](*lines[2].split(","))
    with pytest.raises(DataError, match=r"row 1 \(line 2\): wrong pixel count 2303"):
        read(lines)


def test_line_numbers_count_blank_lines_and_row_numbers_do_not():
    lines = with_row(2, pixel(9, "x"))
    with pytest.raises(DataError, match=r"row 2 \(line 5\): pixel 9"):
        read([lines[0], "", lines[1], " ", *lines[2:]])


@pytest.mark.parametrize("cut", [3, 20, 6000])
def test_a_truncated_last_row_is_said_to_be_so(cut):
    text = "\n".join(fer2013_lines())[:-cut]
    with pytest.raises(
        DataError, match=r"row 5 \(line 6\): .*last row, so the file may be truncated. Download the file"
    ):
        read(text)


def test_a_truncated_last_row_whose_pixels_stand_last():
    rows = [f"{label},{usage},{numbers(image)}" for image, label, usage in zip(IMAGES, LABELS, USAGES, strict=True)]
    text = "\n".join(["emotion, Usage, pixels", *rows])[:-200]
    with pytest.raises(DataError, match=r"row 5 \(line 6\): wrong pixel count 22\d\d; .* truncated"):
        read(text)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("emotion,image,Usage", "missing column 'pixels'; .*'image'.* The first line must be emotion,pixels,Usage"),
        ("a,b,c", "missing column 'emotion' and 'pixels' and 'usage'"),
        ("0,1 2 3,Training", "The first line must be emotion,pixels,Usage .*: add it"),
        ("emotion,pixels", "missing column 'usage'.*rename it to train.csv"),
        ("pixels", "challenge's test.csv, which has no labels: give fer2013.csv"),
        ("emotion;pixels;Usage", "separated by commas: save the file with commas"),
        ("no header" + "x" * 200, r"first line has 'no headerx+\.\.\.\. .*download fer2013.csv again"),
    ],
)
def test_a_missing_column(header, message):
    with pytest.raises(DataError, match="^fer2013.csv: missing column .*" + message.removeprefix("missing column ")):
        read([header, *fer2013_lines()[1:]])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_the_wrong_encoding(encoding):
    with pytest.raises(DataError, match=r"^fer2013.csv: is text in UTF-16. Save it as UTF-8"):
        read("\n".join(fer2013_lines()).encode(encoding))
