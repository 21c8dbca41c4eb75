"""FER-2013's CSV layouts: fer2013.csv, icml_face_data.csv, and the challenge's train.csv.

The file holds 83 million numbers as text. The usual way (pandas, then `split(" ")` for each row) makes a Python string
of each number. Here NumPy turns the text of a whole image into numbers. Each line is split at its commas, since these
files have no commas inside a field.
"""

import io
import math
import re
import warnings

import numpy as np

from fer_utils.data import file_kinds
from fer_utils.data.faces import CODES, PIXELS, DataError
from fer_utils.names import EMOTIONS, SIDE, USAGES

BLANKS = ' \t\n"'  # characters allowed around a field: icml_face_data.csv has blanks, train.csv has quotes
LABELS = {str(code): code for code in range(len(EMOTIONS))}
AGAIN = "Download the file again (DATA=kaggle fetches it)"


def looks_like_faces(stream):
    """Return whether a CSV file, opened in binary mode, has the columns that every labelled layout has."""
    _, names = next(_filled_lines(io.BytesIO(stream.read(4096))), (0, []))
    return {"emotion", "pixels"} <= {name.lower() for name in names}


def read_csv(stream, place, usage_needed=True):
    """Read a FER-2013 CSV from a binary stream with ``seek``.

    place: how errors name the file. usage_needed: False for the challenge's train.csv, whose rows are all Training.
    Returns images uint8 (n, 48, 48), labels uint8 (n,), usage <U11 (n,).
    Raises DataError, naming the row (from 1, without the header) and the file's line.
    """
    if known := file_kinds.recognize(stream.read(file_kinds.FIRST_BYTES)):
        kind, fix = known
        raise DataError(f"{place}: is {kind}. {fix}.")
    stream.seek(0)
    lines = _filled_lines(stream)
    _, header = next(lines, (0, None))
    if header is None:
        raise DataError(f"{place}: the file is empty. {AGAIN}.")
    names = [name.lower() for name in header]
    _check_columns(names, place, usage_needed)
    rows = []
    for line, fields in lines:
        try:
            rows.append(_read_row(fields, names))
        except ValueError as error:
            where = f"{place}, row {len(rows) + 1} (line {line})"
            hint = "" if next(lines, None) else "It is the last row, so the file may be truncated. "
            raise DataError(f"{where}: {error}. {hint}{AGAIN}, or fix the row.") from None
    if not rows:
        raise DataError(f"{place}: has a header but no row below it. {AGAIN}.")
    labels, usage, images = zip(*rows, strict=True)
    return np.stack(images), np.array(labels, np.uint8), np.array(usage, "<U11")


def _filled_lines(stream):
    """Yield (number from 1, fields) for each line that is not blank, with any line ending. Closes the stream."""
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="backslashreplace") as text:
        for number, line in enumerate(text, start=1):
            fields = [field.strip(BLANKS) for field in line.split(",")]
            if any(fields):
                yield number, fields


def _check_columns(names, place, usage_needed):
    wanted = ["emotion", "pixels", "usage"] if usage_needed else ["emotion", "pixels"]
    if twice := [name for name in wanted if names.count(name) > 1]:
        raise DataError(f"{place}: has the column {twice[0]!r} twice. Delete one of them, or download the file again.")
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    if names == ["pixels"]:
        fix = "This is the challenge's test.csv, which has no labels: give fer2013.csv or icml_face_data.csv."
    elif missing == ["usage"]:
        fix = "Give fer2013.csv. If this is the challenge's train.csv, rename it to train.csv."
    elif {"image name", "neutral"} <= set(names):
        fix = "These are the votes of FER+, which come with this package: give fer2013.csv."
    elif len(names) > PIXELS:
        fix = "Each pixel has a column of its own: make them one column, pixels, separated by blanks."
    elif any(";" in name or "\t" in name for name in names):
        fix = "The columns must be separated by commas: save the file with commas."
    else:
        fix = "The first line must be emotion,pixels,Usage (in any order): add it, or download fer2013.csv again."
    found = _shortened(", ".join(map(repr, names)), 100)
    raise DataError(f"{place}: missing column {' and '.join(map(repr, missing))}; the first line has {found}. {fix}")


def _read_row(fields, names):
    """Return the label, usage and image of one row. Raises ValueError that says what is wrong with the row."""
    if len(fields) != len(names):
        raise ValueError(f"{len(fields)} columns where the header has {len(names)}")
    row = dict(zip(names, fields, strict=True))
    label, usage = row["emotion"], row.get("usage", "Training")
    if label not in LABELS:
        raise ValueError(f"unknown emotion code {_shortened(label)!r}; the codes are {CODES}")
    if usage not in USAGES:
        raise ValueError(f"unknown usage {_shortened(usage)!r}; the usages are {', '.join(USAGES)}")
    return LABELS[label], usage, _read_pixels(row["pixels"])


def _read_pixels(text):
    """Return the image for its text of numbers: uint8 (48, 48). Raises ValueError that says what is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # NumPy before 2.4 only warns if a number is invalid
            values = np.fromstring(text, np.int64, sep=" ")  # as uint8, 256 would become 0
    except (ValueError, DeprecationWarning):
        raise ValueError(_bad_pixels(text)) from None
    if len(values) != PIXELS or values.min() < 0 or values.max() > 255:
        raise ValueError(_bad_pixels(text))
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def _bad_pixels(text):
    """Return what is wrong with an image's numbers: the first that is not a gray value, else their count."""
    numbers = re.findall(r"[^ \t\r\n]+", text)
    for position, number in enumerate(numbers, start=1):
        if not re.fullmatch("[-+]?[0-9]+", number):
            return f"pixel {position} is not a whole number: {_shortened(number)!r}"
        if not 0 <= float(number) <= 255:  # Python refuses to make an int of thousands of digits
            return f"pixel {position} is {_shortened(number)!r}, outside 0 to 255"
    wrong = f"wrong pixel count {len(numbers)}; an image has {SIDE} x {SIDE} = {PIXELS}"
    side = math.isqrt(len(numbers))
    if side > 1 and side * side == len(numbers):
        wrong += f". If all rows have {side} x {side}, this is another data set"
    return wrong


def _shortened(text, longest=40):
    return text if len(text) <= longest else text[:longest] + "..."
