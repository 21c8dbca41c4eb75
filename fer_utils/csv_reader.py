"""FER-2013's CSV layouts: fer2013.csv, icml_face_data.csv, and the challenge's train.csv.

A row holds 2,304 numbers as text, 301 MB in all. The usual way (pandas, then `split(" ")` for each row) makes 82
million Python strings. Here blocks of rows are turned into numbers with NumPy on the raw bytes; a block in which
anything is odd is read again row by row, slowly and carefully, so that the error can name the row and what is wrong.
"""

import codecs
import math
from typing import NamedTuple

import numpy as np

from fer_utils import file_kinds
from fer_utils.faces import CODES, EMOTIONS, PIXELS, SIDE, USAGES, DataError

BLOCK_BYTES = 1 << 20  # small enough to stay in the processor's cache, large enough to make Python's share negligible
BLANKS = b' \t\r"'  # what may stand around a field: icml_face_data.csv has blanks, train.csv has quotes
FIRST_BYTES = 4096
LONGEST_ROW = 1 << 20  # 2,304 numbers take at most 9 KB
LABEL_CODES = {str(code).encode(): code for code in range(len(EMOTIONS))}
USAGE_CODES = {name.encode(): code for code, name in enumerate(USAGES)}
AGAIN = "Download the file again (DATA=kaggle fetches it)"


class Columns(NamedTuple):
    """Where the fields stand in a row; usage is None where the file has no such column."""

    emotion: int
    pixels: int
    usage: int | None
    count: int


class Block(NamedTuple):
    """Some rows: images uint8 (k, 2304), labels uint8 (k,), usage codes uint8 (k,)."""

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray


def header_names(line):
    """The column names of a header line (bytes), without blanks, quotes and byte order mark, in lower case."""
    text = line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    return [name.strip(' \t\r\n"').lower() for name in text.split(",")]


def looks_like_faces(line):
    """Whether a CSV's first line (bytes) has the columns that every labelled layout has."""
    return {"emotion", "pixels"} <= set(header_names(line))


def read_csv(stream, place, usage_needed=True):
    """Read a FER-2013 CSV from a binary stream.

    place: how errors name the file. usage_needed: False for the challenge's train.csv, all of whose rows are Training.
    Returns images uint8 (n, 48, 48), labels uint8 (n,), usage <U11 (n,).
    Raises DataError, naming the row (from 1, without the header) and the file's line.
    """
    start = stream.read(FIRST_BYTES)
    _check_kind(start, place)
    while b"\n" not in start and len(start) < LONGEST_ROW and (more := stream.read(FIRST_BYTES)):
        start += more
    header, _, rest = start.partition(b"\n")
    if b"\r" in header.rstrip(b"\r"):
        raise DataError(f"{place}: its lines end as on old Macs (CR). Save it with the line ends of Unix or Windows.")
    columns = _find_columns(header, place, usage_needed)
    blocks, rows, line = [], 0, 2
    for lines, is_last in _blocks_of_lines(stream, rest):
        block = _parse_fast(lines, columns)
        if block is None:
            block = _parse_carefully(lines, columns, place, rows, line, is_last)
        blocks.append(block)
        rows += len(block.labels)
        line += len(lines)
    if not rows:
        raise DataError(f"{place}: has a header but no row below it. {AGAIN}.")
    images, labels, usage = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return images.reshape(-1, SIDE, SIDE), labels, np.array(USAGES)[usage]


def _check_kind(start, place):
    if not start.strip():
        raise DataError(f"{place}: the file is empty. {AGAIN}.")
    if known := file_kinds.recognize(start):
        raise DataError(f"{place}: is {known[0]}. {known[1]}.")


def _find_columns(header, place, usage_needed):
    names = header_names(header)
    wanted = ["emotion", "pixels"] + ["usage"] * usage_needed
    missing = [name for name in wanted if name not in names]
    if twice := [name for name in wanted if names.count(name) > 1]:
        raise DataError(f"{place}: has the column {twice[0]!r} twice. Delete one of them, or download the file again.")
    if not missing:
        usage = names.index("usage") if "usage" in names else None
        return Columns(names.index("emotion"), names.index("pixels"), usage, len(names))
    found = ", ".join(map(repr, names))
    found = found if len(found) <= 100 else found[:100] + "..."
    message = f"{place}: missing column {' and '.join(map(repr, missing))}; the first line has {found}. "
    if names == ["pixels"]:
        message += "This is the challenge's test.csv, which has no labels: give fer2013.csv or icml_face_data.csv."
    elif missing == ["usage"]:
        message += "Give fer2013.csv, or, if this is the challenge's train.csv, call it train.csv."
    elif {"image name", "neutral"} <= set(names):
        message += (
            "These are the votes of FER+, which go with FER-2013: give them as FER_PLUS, and fer2013.csv as DATA."
        )
    elif len(names) > PIXELS:
        message += "Each pixel has a column of its own: make them one column, pixels, with blanks between them."
    elif any(";" in name or "\t" in name for name in names):
        message += "The columns must be separated by commas: save the file so."
    else:
        message += "The first line must be emotion,pixels,Usage (in any order): add it, or download fer2013.csv again."
    raise DataError(message)


def _blocks_of_lines(stream, rest):
    """Yield (lines, is_last): lists of whole lines without their ends, about BLOCK_BYTES together."""
    while more := stream.read(BLOCK_BYTES):
        rest += more
        cut = rest.rfind(b"\n")
        if cut < 0 and len(rest) > LONGEST_ROW:  # let the careful parser say what this is now, not after the whole file
            cut = len(rest)
        if cut >= 0:
            yield rest[:cut].split(b"\n"), False
            rest = rest[cut + 1 :]
    yield rest.removesuffix(b"\n").split(b"\n") if rest else [], True


def _parse_fast(lines, columns):
    """The rows of `lines` as a Block, or None if anything at all is odd about them."""
    rows = [line.split(b",") for line in lines]
    if any(len(row) != columns.count for row in rows):
        return None
    labels = [LABEL_CODES.get(row[columns.emotion].strip(BLANKS)) for row in rows]
    usage = [0] * len(rows)
    if columns.usage is not None:
        usage = [USAGE_CODES.get(row[columns.usage].strip(BLANKS)) for row in rows]
    if None in labels or None in usage:
        return None
    images = _parse_numbers([row[columns.pixels].strip(BLANKS) for row in rows])
    if images is None:
        return None
    return Block(images, np.array(labels, np.uint8), np.array(usage, np.uint8))


def _parse_numbers(fields):
    """Each field's 2,304 numbers: uint8 (k, 2304); None unless every byte is as it should be.

    All fields are laid out in one array of bytes, one blank after every number. For each byte the value of the number
    that ends there follows from it and the two bytes before it, so a handful of operations on whole arrays give all
    values; those that stand just before a blank are the wanted ones.
    """
    if not fields:
        return np.empty((0, PIXELS), np.uint8)
    text = np.frombuffer(b"   " + b" ".join(fields) + b" ", np.uint8)
    blank = text == ord(" ")
    inside = ~blank
    digit = (text - np.uint8(ord("0"))) * inside  # 0 for a blank, above 9 for anything that is no digit
    ones, tens = digit[3:], digit[2:-1]
    hundreds = digit[1:-2] * inside[2:-1]  # of "7 25" the 7 is no hundred: a blank stands between
    below_hundred = ones + 10 * tens
    odd = ((hundreds > 2) | ((hundreds == 2) & (below_hundred > 55))) & inside[3:]
    odd |= ones > 9
    odd |= inside[3:] & inside[2:-1] & inside[1:-2] & inside[:-3]  # four digits
    odd |= blank[3:] & blank[2:-1]  # two blanks, or an empty field
    if odd.any():
        return None
    ends = np.flatnonzero(blank[3:])
    lengths = np.fromiter(map(len, fields), np.int64, len(fields))
    row_ends = np.cumsum(lengths + 1) - 1
    # The count of all numbers alone would let one row's missing pixel be made up for by another row's extra one.
    if len(ends) != len(fields) * PIXELS or not np.array_equal(ends[PIXELS - 1 :: PIXELS], row_ends):
        return None
    return (below_hundred + 100 * hundreds)[ends - 1].reshape(-1, PIXELS)


def _parse_carefully(lines, columns, place, rows_before, first_line, is_last):
    """The rows of `lines` as a Block, one by one, without blank lines. Raises DataError at the first bad row."""
    images, labels, usage = [], [], []
    filled = [index for index, line in enumerate(lines) if line.strip()]
    for index in filled:
        row = rows_before + len(labels) + 1
        where = f"{place}, row {row} (line {first_line + index})"
        cut_off = is_last and index == filled[-1]
        try:
            label, split, image = _parse_row(lines[index], columns)
        except ValueError as error:
            if row == 1:
                _check_size(lines, columns, place)
            hint = "It is the last row, so the file may be truncated. " if cut_off else ""
            raise DataError(f"{where}: {error}. {hint}{AGAIN}, or mend or delete the row.") from None
        images.append(image)
        labels.append(label)
        usage.append(split)
    pixels = np.array(images, np.uint8).reshape(-1, PIXELS)
    return Block(pixels, np.array(labels, np.uint8), np.array(usage, np.uint8))


def _check_size(lines, columns, place):
    """Raise DataError if the first rows agree on another number of pixels: then it is no matter of one row."""
    rows = [line.split(b",") for line in lines[:10] if line.strip()]
    counts = {len(row[columns.pixels].split()) for row in rows if len(row) == columns.count}
    if len(rows) > 1 and len(counts) == 1 and (count := counts.pop()) not in (0, 1, PIXELS):
        side = math.isqrt(count)
        size = f"{side} x {side} = {count}" if side * side == count else count
        raise DataError(
            f"{place}: its images have {size} pixels, and FER-2013's {SIDE} x {SIDE} = {PIXELS}, so this is another "
            f"data set. Give fer2013.csv (DATA=kaggle downloads it), or resize all of these to {SIDE} x {SIDE} first."
        )


def _parse_row(line, columns):
    """Label, usage code and pixels of one row. Raises ValueError that says what is wrong with it."""
    fields = [field.strip(BLANKS) for field in line.split(b",")]
    if len(fields) != columns.count:
        counted = len(fields[columns.pixels].split()) if len(fields) > columns.pixels else 0
        raise ValueError(f"{len(fields)} columns where the header has {columns.count} ({counted} of {PIXELS} pixels)")
    if (label := LABEL_CODES.get(fields[columns.emotion])) is None:
        raise ValueError(f"unknown emotion code {_quote(fields[columns.emotion])}; the codes are {CODES}")
    split = 0
    if columns.usage is not None and (split := USAGE_CODES.get(fields[columns.usage])) is None:
        raise ValueError(f"unknown usage {_quote(fields[columns.usage])}; the usages are {', '.join(USAGES)}")
    numbers = fields[columns.pixels].split()
    for position, number in enumerate(numbers, start=1):
        _check_pixel(number, position)
    if len(numbers) != PIXELS:
        raise ValueError(f"wrong pixel count {len(numbers)}; an image has {SIDE} x {SIDE} = {PIXELS}")
    return label, split, [int(number) for number in numbers]


def _check_pixel(number, position):
    if number.isdigit():
        if len(number.lstrip(b"0")) > 3 or int(number) > 255:
            raise ValueError(f"pixel {position} is {_quote(number)}, outside 0 to 255")
    elif number.startswith(b"-") and number[1:].isdigit():
        raise ValueError(f"pixel {position} is {_quote(number)}, outside 0 to 255")
    else:
        raise ValueError(f"pixel {position} is not a whole number: {_quote(number)}")


def _quote(field):
    text = field.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 40 else text[:40] + "...")
