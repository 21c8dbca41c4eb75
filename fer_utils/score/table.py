"""Read a CSV file as text that keeps its line numbers, so that each message can name a line (``score``)."""

import csv
import io
import re

import numpy as np
import pandas as pd

from fer_utils.data import archives, file_kinds


class ScoreError(ValueError):
    """The predictions cannot be scored: the message names the file, the place in it, the error and the fix."""


def read_table(path):
    """Return the cells of a CSV file with a header, as a DataFrame of stripped text. Raises ScoreError.

    columns: the header's names, which may be empty or repeated. index: the line numbers. Blank lines are left out.
    gzip, bzip2 and xz are unpacked.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=None), skipinitialspace=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        raise ScoreError(f"{path}: line {reader.line_num}: cannot be read ({error}). Save it as CSV") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) < 2:
        raise ScoreError(f"{path}: holds no row below its header. Give a line for each image")
    header, rows = lines[0][1], dict(lines[1:])
    _check_header(path, header)
    for line, cells in rows.items():
        if len(cells) != len(header):
            raise ScoreError(
                f"{path}: line {line}: has {len(cells)} values, where the first line has {len(header)} names. Give one "
                "value for each name, with a point for decimals"
            )
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=header)


def check_lines(path, cells, wrong, say):
    """Raise ScoreError with the text `say(cell)` for the first of `cells` (Series by line) that is `wrong` (bool)."""
    if np.any(wrong):
        first = int(np.argmax(wrong))
        raise ScoreError(f"{path}: line {cells.index[first]}: {say(cells.iloc[first])}")


def _text(path):
    try:
        with open(path, "rb") as file:
            unpack = file_kinds.unpacker(file.read(file_kinds.FIRST_BYTES)) or open
        with unpack(path, "rb") as file:
            content = file.read()
        if known := file_kinds.recognize(content[: file_kinds.FIRST_BYTES]):
            raise ValueError(f"it is {known[0]}")
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ScoreError(f"{path}: no such file. Give the path of predictions.csv") from error
    except (*archives.DAMAGED, OSError, ValueError) as error:
        raise ScoreError(
            f"{path}: is no CSV to read ({error}). Give a CSV file in UTF-8 with commas, the folder of a run, or a "
            "network whose name ends in .keras, .onnx or .tflite"
        ) from error


def _check_header(path, header):
    if len(header) == 1 and re.search(r"[;\t]|\S +\S+ +\S", header[0]):
        raise ScoreError(
            f"{path}: its columns are not separated by commas. Save it with commas, and points for decimals"
        )
    numbers = pd.to_numeric(pd.Series(header, dtype=str), errors="coerce").dropna().tolist()
    counted = [*range(len(numbers))], [*range(1, len(numbers) + 1)]  # usual headers of columns without names
    if numbers and numbers not in counted:
        raise ScoreError(f"{path}: the first line has no names, but numbers. Add a line of names above it")
