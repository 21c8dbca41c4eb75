"""Broken CSV files, and what is no CSV file at all."""

import gzip

import numpy as np

from fer_utils.data.faces import DataError
from fer_utils.data.loading import load_fer2013

from .case import Case, csv_bytes, csv_lines, link, pickled, pipe, png, write


def content(what, name="fer2013.csv"):
    """Makes a file of this content."""
    return lambda folder: write(folder / name, what)


def row(number, change):
    """Makes a CSV file whose data row `number` (from 1) went through `change(emotion, pixels, usage)`."""

    def make(folder):
        lines = csv_lines()
        lines[number] = change(*lines[number].split(","))
        return write(folder / "fer2013.csv", csv_bytes(lines))

    return make


def pixel(position, value):
    def change(emotion, pixels, usage):
        parts = pixels.split(" ")
        parts[position - 1] = value
        return f"{emotion},{' '.join(parts)},{usage}"

    return row(9, change)


def header(line, name="fer2013.csv"):
    """Makes a CSV file with another first line."""
    return content(csv_bytes([line, *csv_lines()[1:]]), name)


def array(folder):
    np.save(folder / "fer2013.npy", np.zeros(3))
    return folder / "fer2013.npy"


def at_64_pixels(folder):
    rows = [f"{row % 7},{' '.join(['7'] * 64 * 64)},Training" for row in range(3)]
    return write(folder / "fer2013.csv", csv_bytes([csv_lines()[0], *rows]))


def train_without_labels(folder):
    write(folder / "test.csv", "pixels\n" + csv_lines()[1].split(",")[1])
    return folder


def case(name, make, says, names=""):
    return Case(f"csv: {name}", make, load_fer2013, DataError, says, names)


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 301072766\n"
HTML = "<!DOCTYPE html>\n<html><title>Sign in</title></html>\n"
CASES = [
    case("empty", content(""), "the file is empty.*Download"),
    case("only blank lines", content("\n \r\n\n"), "the file is empty.*Download"),
    case("a header and no row", content("emotion,pixels,Usage\n"), "a header but no row below it.*Download"),
    case("a page to sign in", content(HTML), "is a web page or XML, such as a page to sign in.*Download"),
    case("a pointer of Git LFS", content(LFS), "is a pointer of Git LFS, not the data. Run git lfs pull"),
    case("UTF-16", content(csv_bytes().decode().encode("utf-16")), "is text in UTF-16. Save it as UTF-8"),
    case("bytes of anything", content(bytes(range(256)) * 40), "is binary data of an unknown kind. Download"),
    case("semicolons", content(csv_bytes().replace(b",", b";")), "separated by commas: save the file with commas"),
    case("tabs", content(csv_bytes().replace(b",", b"\t")), "separated by commas: save the file with commas"),
    case("votes of FER+", header("Usage,Image name,neutral,happiness"), "votes of FER.* give fer2013.csv"),
    case(
        "a column a pixel", header("emotion," + ",".join(map(str, range(48 * 48)))), "column of its own: make them one"
    ),
    case("no header", content(csv_bytes(csv_lines()[1:])), "The first line must be emotion,pixels,Usage.*add it"),
    case("no column of usages", header("emotion,pixels,kind"), "missing column 'usage'.*Give fer2013.csv"),
    case("no column of emotions", header("label,pixels,Usage"), "missing column 'emotion'.*The first line must be"),
    case("a column twice", header("emotion,pixels,Pixels,Usage"), "the column 'pixels' twice. Delete one of them"),
    case("the challenge's test.csv", train_without_labels, "test.csv has no labels. Give fer2013.csv"),
    case("a pixel too few", row(3, lambda e, p, u: f"{e},{p[: p.rindex(' ')]},{u}"), r"row 3 .*wrong pixel count 2303"),
    case("a pixel too many", row(3, lambda e, p, u: f"{e},{p} 1,{u}"), r"row 3 .*wrong pixel count 2305"),
    case("no pixels", row(3, lambda e, p, u: f"{e},,{u}"), r"row 3 .*wrong pixel count 0"),
    case("pixel 256", pixel(17, "256"), r"row 9 .*pixel 17 is '256', outside 0 to 255.*or fix the row"),
    case("pixel -1", pixel(17, "-1"), "row 9 .*pixel 17 is '-1', outside 0 to 255"),
    case("a pixel of thousands of digits", pixel(17, "9" * 6000), r"row 9 .*pixel 17 is '9{40}\.\.\.', outside"),
    case("a fraction for a pixel", pixel(17, "0.5"), "row 9 .*pixel 17 is not a whole number: '0.5'"),
    case("NaN for a pixel", pixel(17, "nan"), "row 9 .*pixel 17 is not a whole number: 'nan'"),
    case("digits of another script", pixel(17, "١٢"), "row 9 .*pixel 17 is not a whole number"),
    case("emotion 7", row(2, lambda e, p, u: f"7,{p},{u}"), "row 2 .*unknown emotion code '7'; the codes are 0 angry"),
    case("emotion by name", row(2, lambda e, p, u: f"happy,{p},{u}"), "row 2 .*unknown emotion code 'happy'"),
    case("no emotion", row(2, lambda e, p, u: f",{p},{u}"), "row 2 .*unknown emotion code ''"),
    case("an unknown usage", row(2, lambda e, p, u: f"{e},{p},Testing"), "row 2 .*unknown usage 'Testing'"),
    case("a field too many", row(2, lambda e, p, u: f"{e},{p},{u},x"), "row 2 .*4 columns where the header has 3"),
    case("cut off in the last row", content(csv_bytes()[:-4000]), "row 21 .*may be truncated. Download"),
    case("zeros where the disk was full", content(csv_bytes()[:-9000] + bytes(9000)), r"row \d+ .*or fix"),
    case(
        "two megabytes without a line end",
        content(csv_bytes()[:40] + b"1 " * 1_100_000),
        "row 1 .*2 columns where the header has 3",
    ),
    case(
        "gzip cut off",
        content(gzip.compress(csv_bytes())[:-900], "fer2013.csv.gz"),
        "not an archive, or is damaged.*Download",
    ),
    case("gzip in gzip", content(gzip.compress(gzip.compress(b"1")), "fer2013.csv.gz"), "is a compressed file. Unpack"),
    case("7z", content(b"7z\xbc\xaf\x27\x1c\0\4", "fer2013.7z"), "is a 7z archive. Unpack it"),
    case("RAR", content(b"Rar!\x1a\x07\x01\0", "fer2013.rar"), "is a RAR archive. Unpack it"),
    case(
        "Parquet", content(b"PAR1\x15\4\x15", "fer2013.parquet"), "is a Parquet table. Write its rows into a CSV file"
    ),
    case("a NumPy array", array, "is a NumPy array. Write its rows into a CSV file"),
    case(
        "a pickle", lambda folder: write(folder / "a.pkl", pickled(folder)), "is a pickle, which is not read, .*Write"
    ),
    case("HDF5", content(b"\x89HDF\r\n\x1a\n", "fer2013.h5"), "is an HDF5 file. Write its rows into a CSV file"),
    case("an old Excel workbook", content(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "is an Excel workbook.*Write its rows"),
    case("one image", content(png(), "happy.png"), "is one image. Give the folder that holds train and test"),
    case(
        "a shortcut", content(b"L\0\0\0\1\x14\2\0\0", "fer2013.lnk"), "is a shortcut of Windows. Give the path of what"
    ),
    case(
        "a server's error", content('{"code": 403, "message": "log in"}'), "is JSON, such as a server's error. Download"
    ),
    case(
        "nothing but zeros",
        content(bytes(9000)),
        "is nothing but zeros, which an interrupted copy or download may leave. Download",
    ),
    case(
        "images of another size",
        at_64_pixels,
        "row 1 .*count 4096; .*all rows have 64 x 64, this is another",
    ),
    case(
        "an address",
        lambda folder: "https://example.org/fer2013.csv",
        "is an address, not a path. Download",
        "example.org",
    ),
    case("an address at Kaggle", lambda folder: "https://www.kaggle.com/datasets/a/fer", "Give DATA=kaggle", "a/fer"),
    case("a data set of Kaggle", lambda folder: "msambare/fer2013", "is a data set at Kaggle.* Give DATA=kaggle"),
    case("no such file", lambda folder: folder / "nowhere.csv", "no such file or folder. Give the path of"),
    case("a name longer than any", lambda folder: folder / ("x" * 300), "no such file or folder. Give", "xxxxxxxx"),
    case(
        "a link to nothing",
        lambda folder: link(folder / "fer2013.csv", folder / "gone"),
        "no such file or folder. Give",
    ),
    case(
        "a link to itself", lambda folder: link(folder / "fer2013.csv", "fer2013.csv"), "no such file or folder. Give"
    ),
    case("a pipe", lambda folder: pipe(folder / "fer2013.csv"), "is neither a file nor a folder. Give the path of"),
    case("a pipe in a folder", lambda folder: pipe(folder / "fer2013.csv").parent, "fer2013.csv: is neither a file"),
]
