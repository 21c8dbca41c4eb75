"""Recognize files that are not CSV files by their first bytes, since a file may have any name."""

import bz2
import codecs
import gzip
import lzma

FIRST_BYTES = 512  # enough for a tar, whose mark is at byte 257
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNPACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
UNPACK = "Unpack it, and give the path of what was in it"
ROWS = "Write its rows into a CSV file with the columns emotion, pixels and Usage, or give fer2013.csv"
AGAIN = "Download the data again (DATA=kaggle fetches them)"
KINDS = (  # first bytes (one or several possible), what such a file is, and the fix
    (tuple(UNPACKERS), "a compressed file", UNPACK),
    (b"PK\3\4", "a zip", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"PAR1", "a Parquet table", ROWS),
    (b"\x89HDF", "an HDF5 file", ROWS),
    (b"\x93NUMPY", "a NumPy array", ROWS),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook, or another file of Microsoft Office", ROWS),
    ((b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5"), "a pickle, which is not read, since it could run code", ROWS),
    ((b"\x89PNG", b"\xff\xd8\xff"), "one image", "Give the folder that holds train and test"),
    (b"L\0\0\0\x01\x14\x02\0", "a shortcut of Windows", "Give the path of what it leads to"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the data", "Run git lfs pull where you cloned it"),
    (b"<", "a web page or XML, such as a page to sign in or a server's error", AGAIN),
    (b"{", "JSON, such as a server's error", AGAIN),
)


def recognize(start):
    """Return (what a file is, the fix) by its first bytes, or None if it may be a CSV file in UTF-8."""
    if is_tar(start):
        return "a tar archive", UNPACK
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    for marks, kind, fix in KINDS:
        if text.startswith(marks):
            return kind, fix
    has_zeros = b"\0" in start
    if start.startswith(UTF16) or (has_zeros and b"emotion" in start.replace(b"\0", b"").lower()):
        return "text in UTF-16", "Save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"
    if has_zeros and not start.strip(b"\0"):
        return "nothing but zeros, which an interrupted copy or download may leave", AGAIN
    return ("binary data of an unknown kind", AGAIN) if has_zeros else None


def is_tar(start):
    """Return whether a file with these first bytes is a tar archive (POSIX or GNU)."""
    return start[257:262] == b"ustar"


def unpacker(start):
    """Return the function that opens a compressed file by its path and a mode, as ``open`` does; None for others."""
    return next((unpack for mark, unpack in UNPACKERS.items() if start.startswith(mark)), None)
