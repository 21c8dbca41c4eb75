"""What a file is that is no CSV file, told by its first bytes, since its name may say anything."""

import bz2
import codecs
import gzip
import lzma

FIRST_BYTES = 512  # the mark of a tar stands at its byte 257
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNPACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
UNPACK = "Unpack it, and give the path of what was in it"
ROWS = "Write its rows into a CSV file with the columns emotion, pixels and Usage, or give fer2013.csv"
AGAIN = "Download the data again (DATA=kaggle fetches them)"
KINDS = (  # first bytes, what begins so, and the mend
    *((mark, "a compressed file", UNPACK) for mark in UNPACKERS),
    (b"PK\3\4", "a zip", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"PAR1", "a Parquet table", ROWS),
    (b"\x89HDF", "an HDF5 file", ROWS),
    (b"\x93NUMPY", "a NumPy array", ROWS),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook, or another file of Microsoft Office", ROWS),
    *(
        (bytes([0x80, protocol]), "a pickle, which is not read, since it could run code", ROWS)
        for protocol in range(2, 6)
    ),
    (b"\x89PNG", "one image", "Give the folder that holds train and test"),
    (b"\xff\xd8\xff", "one image", "Give the folder that holds train and test"),
    (b"L\0\0\0\x01\x14\x02\0", "a shortcut of Windows", "Give the path of what it leads to"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, not the data",
        "Run git lfs pull where you cloned it",
    ),
    (b"<", "a web page or XML, such as a page to sign in or a server's error", AGAIN),
    (b"{", "JSON, such as a server's error", AGAIN),
)


def recognize(start):
    """(what a file is, the mend) for its first bytes; None for what may be a CSV file in UTF-8."""
    if is_tar(start):
        return "a tar archive", UNPACK
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    for mark, kind, mend in KINDS:
        if text.startswith(mark):
            return kind, mend
    has_zeros = b"\0" in start
    if start.startswith(UTF16) or (has_zeros and b"emotion" in start.replace(b"\0", b"").lower()):
        return "text in UTF-16", "Save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"
    if has_zeros and not start.strip(b"\0"):
        return "zeros, as a copy or download leaves that broke off", AGAIN
    return ("binary data of an unknown kind", AGAIN) if has_zeros else None


def is_tar(start):
    """Whether a file with these first bytes is a tar archive (POSIX or GNU)."""
    return start[257:262] == b"ustar"


def unpacker(start):
    """What opens a compressed file with these first bytes, or None: takes its path and a mode, as ``open`` does."""
    return next((unpack for mark, unpack in UNPACKERS.items() if start.startswith(mark)), None)
