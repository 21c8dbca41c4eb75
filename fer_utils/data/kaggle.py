"""FER-2013 from Kaggle, without an account. A download that is not FER-2013 is removed again.

kagglehub resumes an interrupted download, compares the archive with the checksum that Kaggle sends, and marks a data
set as complete only when it is unpacked. But it cannot know whether the data are FER-2013. A damaged or replaced file
would stay in its cache and be returned each time.
"""

import hashlib
import shutil
from pathlib import Path

from fer_utils.data.faces import DataError

DATA_SETS = ("deadskull7/fer2013", "msambare/fer2013")  # the CSV first: it distinguishes PublicTest from PrivateTest
# MD5 of the challenge's own files, from torchvision.datasets.FER2013. The image folders have none.
PUBLISHED_MD5 = {
    "fer2013.csv": "f8428a1edbd21e88f42c73edd2a14f95",
    "icml_face_data.csv": "b114b9e04e6949e5fe8b6a98b3892b1d",
}
BY_BROWSER = "Or download fer2013.csv in a browser (kaggle.com, data set deadskull7/fer2013) and give its path as DATA"


def is_at_kaggle(path):
    """Return whether `path` is an address at Kaggle, or the name of one of DATA_SETS."""
    path = Path(path)
    return "kaggle.com/" in path.as_posix() or "/".join(path.parts[-2:]) in DATA_SETS


def fetch():
    """Return the folder with FER-2013 that kagglehub has downloaded, now or before. Raises DataError with the fix."""
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            f"DATA=kaggle: kagglehub is not installed. Install it (pip install kagglehub). {BY_BROWSER}."
        ) from None
    reasons = []
    for name in DATA_SETS:
        try:
            return Path(kagglehub.dataset_download(name))
        except Exception as error:  # kagglehub passes on every error of its network library
            reasons.append(f"{name}: {type(error).__name__}: {error}")
    reason = "; ".join(reasons)[:500]
    raise DataError(f"DATA=kaggle: nothing could be downloaded ({reason}). Check the network. {BY_BROWSER}.")


def differs_from_published(path):
    """Return how a file differs from the published one of its name; "" if it is the same or none is published."""
    published = PUBLISHED_MD5.get(path.name.lower())
    if published is None or not path.is_file():
        return ""
    with open(path, "rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    return "" if found == published else f"its MD5 is {found}, and that of the published {path.name} is {published}"


def discard(folder, reason):
    """Remove the download in `folder`, so that the next try downloads it again. Returns the DataError to raise."""
    shutil.rmtree(folder, ignore_errors=True)
    done = "could not be removed: delete it" if folder.exists() else "has been removed"
    fix = "Give the same command again to repeat the download"
    return DataError(f"DATA=kaggle: the download cannot be used and {done}. {reason} {fix}.")
