"""FER-2013 from Kaggle, without an account: whole, or removed again.

kagglehub resumes a download that broke off, holds the archive against the checksum that Kaggle sends, and marks a data
set as complete only when it is unpacked. What it cannot know is whether the data inside are FER-2013: a damaged or
exchanged file would stay in its cache and be given out again and again.
"""

import hashlib
import shutil
from pathlib import Path

from fer_utils.data.faces import DataError

DATA_SETS = ("deadskull7/fer2013", "msambare/fer2013")  # the CSV first: it tells PublicTest from PrivateTest
# Of the challenge's own files, as torchvision publishes them (torchvision.datasets.FER2013); the folders have none.
PUBLISHED_MD5 = {
    "fer2013.csv": "f8428a1edbd21e88f42c73edd2a14f95",
    "icml_face_data.csv": "b114b9e04e6949e5fe8b6a98b3892b1d",
}
IN_A_BROWSER = (
    "Download fer2013.csv in a browser instead (kaggle.com, data set deadskull7/fer2013) and give its path as DATA"
)


def is_at_kaggle(path):
    """Whether what is given as a path is an address at Kaggle, or the name of one of DATA_SETS there."""
    path = Path(path)
    return "kaggle.com/" in path.as_posix() or "/".join(path.parts[-2:]) in DATA_SETS


def fetch():
    """The folder with FER-2013 that kagglehub downloaded (or has from before). Raises DataError with the mend."""
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            f"DATA=kaggle: kagglehub is not installed. Install it (pip install kagglehub). {IN_A_BROWSER}."
        ) from None
    reasons = []
    for name in DATA_SETS:
        try:
            return Path(kagglehub.dataset_download(name))
        except Exception as error:  # kagglehub lets through whatever its network library raises
            reasons.append(f"{name}: {type(error).__name__}: {error}")
    reason = "; ".join(reasons)[:500]
    raise DataError(f"DATA=kaggle: nothing could be downloaded ({reason}). Is there a network? {IN_A_BROWSER}.")


def differs_from_published(path):
    """In words, how a file differs from the published one of its name; "" if it does not, or none is published."""
    path = Path(path)
    published = PUBLISHED_MD5.get(path.name.lower())
    if published is None or not path.is_file():
        return ""
    with open(path, "rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    return "" if found == published else f"its MD5 is {found}, and that of the published {path.name} is {published}"


def discard(folder, reason):
    """Remove what was downloaded into `folder`, so that the next try downloads it anew: the DataError to raise."""
    shutil.rmtree(folder, ignore_errors=True)
    done = "could not be removed: delete it" if Path(folder).exists() else "has been removed"
    return DataError(
        f"DATA=kaggle: what was downloaded cannot be used and {done}. {reason} Give the same command again to "
        "download it anew."
    )
