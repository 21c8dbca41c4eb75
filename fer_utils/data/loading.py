"""Load FER-2013 in any layout, or the built-in sample."""

import os
import warnings

import numpy as np

from fer_utils.data import archives, cache, kaggle
from fer_utils.data.checks import count_differences
from fer_utils.data.faces import DataError, DataWarning, Faces
from fer_utils.project import resolve


def load_fer2013(source=None):
    """Load FER-2013, or data in its form: Faces.

    source: a path (a CSV file, a folder, a zip; relative to the project's root), "sample" for the built-in drawn faces,
    or "kaggle" to download the public data set without an account. None or "" means $FER_DATA, or "sample" if that is
    not set. A second load comes from a cache ($FER_CACHE, else the user's cache folder).
    Warns (DataWarning) if the data differ from the original. Raises DataError with the file, the place and the fix.
    """
    source = os.fspath(source or os.environ.get("FER_DATA") or "sample")
    if source == "sample":
        return _load_sample()
    faces, messages = _load_download() if source == "kaggle" else _load_path(resolve(source), archives.read)
    for message in messages + count_differences(faces):
        warnings.warn(message, DataWarning, stacklevel=2)
    return faces


def _load_path(path, read):
    """Return (Faces, warnings) for a file or folder. read: the function that reads it, such as ``archives.read``."""
    path = archives.locate(path)
    # The reader recognizes train.csv by its name. If the file is a link, its target may have any name.
    keeps_name = path.name.lower().startswith(archives.CHALLENGE_TRAIN)
    path = path.parent.resolve() / path.name if keeps_name else path.resolve()
    # A download is checked more closely than other data, so an entry of theirs does not count for it.
    return _through_cache(str(path), f"{read.__name__} {archives.state(path)}", lambda: read(path))


def _through_cache(source, state, read):
    """Return (Faces, warnings) from the cache, or from `read()`, which are then put into the cache."""
    cached = cache.load(source, state)
    if cached is not None:
        return cached
    parsed = read()
    faces = Faces(parsed.images, parsed.labels, parsed.usage, parsed.row_ids, source=source)
    cache.store(faces, state, parsed.warnings)
    return faces, parsed.warnings


def _load_sample():
    from fer_utils import sample  # here, since reading FER-2013 needs no drawn faces

    def draw():
        images, labels, usage, _ = sample.draw()
        return archives.Parsed(images, labels, usage, np.arange(len(labels), dtype=np.int64), [])

    # NumPy's random numbers may change with its version.
    state = f"sample {sample.VERSION}, parser {archives.PARSER_VERSION}, numpy {np.__version__}"
    faces, _ = _through_cache("sample", state, draw)
    return faces


def _load_download():
    """Return (Faces, warnings) for Kaggle's data. A download that is not FER-2013 is removed and refused."""
    folder = kaggle.fetch()
    try:
        return _load_path(folder, _read_download)
    except DataError as error:
        if isinstance(error.__cause__, OSError):  # an OSError of this machine: the data may be complete
            raise
        raise kaggle.discard(folder, str(error)) from None


def _read_download(path):
    """Read as ``archives.read``. Warns if the file is not the published one; DataError if its counts differ, too.

    Image folders have no published checksum: DataError if their counts differ.
    """
    parsed = archives.read(path)
    difference = kaggle.differs_from_published(path)
    if path.is_file() and not difference:
        return parsed
    faces = Faces(parsed.images, parsed.labels, parsed.usage, parsed.row_ids, checksum="not needed")
    if count_differences(faces):
        reasons = [*filter(None, [difference]), "its counts of images are not FER-2013's"]
        raise DataError(f"{path}: {', and '.join(reasons)}.")
    messages = [f"{path}: {difference}. Its counts are the original's."] if difference else []
    return parsed._replace(warnings=parsed.warnings + messages)
