"""Loading FER-2013 from whatever layout there is, or the built-in sample (notebooks 01 to 09)."""

import os
import warnings

import numpy as np

from fer_utils.data import archives, cache, kaggle
from fer_utils.data.checks import _differences
from fer_utils.data.faces import DataError, DataWarning, Faces
from fer_utils.project import resolve


def load_fer2013(source=None):
    """Load FER-2013, or data in its form: Faces.

    source: a path (a CSV file, a folder, a zip; a relative one starts at the project's root), "sample" for the
    built-in drawn faces, or "kaggle" to download the public data set without an account. None or "" means $FER_DATA,
    and where that is not set "sample".
    A second load comes from a cache ($FER_CACHE, else the user's cache folder).
    Warns (DataWarning) where the data differ from the original. Raises DataError with the file, the place and the mend.
    """
    source = os.fspath(source or os.environ.get("FER_DATA") or "sample")
    if source == "sample":
        return _load_sample()
    path = resolve(source)
    faces, messages = _load_download() if source == "kaggle" else _load_path(path)
    for message in messages + _differences(faces):
        warnings.warn(message, DataWarning, stacklevel=2)
    return faces


def _load_path(path, read=None):
    """(Faces, warnings) of a file or folder. read: instead of ``archives.read``."""
    path = archives.locate(path)
    # A file that tells its kind by its name does so as a link, too, whose target may be called anything.
    path = path.parent.resolve() / path.name if path.name.lower() == archives.CHALLENGE_TRAIN else path.resolve()
    return _through_cache(str(path), archives.state(path), lambda: (read or archives.read)(path))


def _through_cache(source, state, read):
    """(Faces, warnings) from the cache, or from `read()` and then into the cache."""
    if (cached := cache.load(source, state)) is not None:
        return cached
    parsed = read()
    faces = Faces(parsed.images, parsed.labels, parsed.usage, parsed.row_ids, source=source)
    cache.store(faces, state, parsed.warnings)
    return faces, parsed.warnings


def _load_sample():
    from fer_utils import sample  # here, since who reads FER-2013 needs no drawing

    def draw():
        images, labels, usage, _ = sample.draw()
        return archives.Parsed(images, labels, usage, np.arange(len(labels), dtype=np.int64), [])

    # NumPy's random numbers may change with its version.
    state = f"sample {sample.VERSION}, parser {archives.PARSER_VERSION}, numpy {np.__version__}"
    faces, _ = _through_cache("sample", state, draw)
    return faces


def _load_download():
    """(Faces, warnings) of what Kaggle has; a download that is no FER-2013 is removed and refused."""
    folder = kaggle.fetch()
    try:
        return _load_path(folder, _read_download)
    except DataError as error:
        if getattr(error.__cause__, "filename", None):  # an OSError of this machine's: the data may be whole
            raise
        raise kaggle.discard(folder, str(error)) from None


def _read_download(path):
    """``archives.read``, held against the published file: one that differs in more than its spelling is a DataError."""
    parsed = archives.read(path)
    difference = kaggle.differs_from_published(path)
    if not difference:
        return parsed
    faces = Faces(parsed.images, parsed.labels, parsed.usage, parsed.row_ids, checksum="not needed")
    if _differences(faces):
        raise DataError(f"{path}: {difference}; and its counts of images are not FER-2013's.")
    return parsed._replace(warnings=[*parsed.warnings, f"{path}: {difference}. Its counts are the original's."])
