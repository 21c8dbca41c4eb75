"""FER-2013 in memory: load it from whatever layout there is, check it, and say who is train, validation and test.

The readers of the layouts are in `fer_utils.readers`, what is kept between loads in `fer_utils.cache`.
"""

import hashlib
import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils import cache, downloads, parameters, readers
from fer_utils.faces import EMOTIONS, MERGED_USAGE, USAGES, DataError, DataWarning, Faces
from fer_utils.project import PROJECT_ROOT

__all__ = [
    "EMOTIONS",
    "PROTOCOLS",
    "USAGES",
    "DataError",
    "DataWarning",
    "Faces",
    "IntegrityReport",
    "Splits",
    "apply_protocol",
    "class_weights",
    "exact_duplicates",
    "integrity_report",
    "load_fer2013",
    "stratified_subset",
]

CLASS_WEIGHTINGS = parameters.CHOICES["CLASS_WEIGHTS"]
PROTOCOLS = parameters.CHOICES["PROTOCOL"]
EXPECTED_COUNTS = {  # of the original FER-2013 (Goodfellow et al. 2013), in the order of EMOTIONS
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}


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
    path = PROJECT_ROOT / parameters.expand_path(source)
    faces, messages = _load_download() if source == "kaggle" else _load_path(path)
    for message in messages + _differences(faces):
        warnings.warn(message, DataWarning, stacklevel=2)
    return faces


def _load_path(path, read=None):
    """(Faces, warnings) of a file or folder. read: instead of ``readers.read``."""
    path = readers.locate(path).resolve()
    return _through_cache(str(path), readers.state(path), lambda: (read or readers.read)(path))


def _through_cache(source, state, read):
    """(Faces, warnings) from the cache, or from `read()` and then into the cache."""
    entry = cache.entry_path(source, state)
    if (cached := cache.load(entry)) is not None:
        return cached
    parsed = read()
    faces = Faces(parsed.images, parsed.labels, parsed.usage, parsed.row_ids, source=source)
    cache.store(entry, faces, parsed.warnings)
    return faces, parsed.warnings


def _load_sample():
    def draw():
        from fer_utils import sample  # here, since drawing is needed only when the cache has no sample

        images, labels, usage, _ = sample.draw()
        return readers.Parsed(images, labels, usage, np.arange(len(labels), dtype=np.int64), [])

    faces, _ = _through_cache("sample", _sample_state(), draw)
    return faces


def _sample_state():
    """A digest of the sources that draw the sample: those of `fer_utils.sample` and of the siblings that it imports."""
    folder = Path(__file__).parent
    pending, texts = ["sample"], {}
    while pending:
        name = pending.pop()
        file = folder / f"{name}.py"
        if name in texts or not file.exists():
            continue
        texts[name] = file.read_bytes()
        for first, names in re.findall(
            rb"^\s*(?:from|import) +fer_utils(?:\.(\w+))?(?: +import +(.+))?", texts[name], re.MULTILINE
        ):
            pending += [first.decode()] if first else re.findall(r"\w+", names.decode())
    digest = hashlib.sha256(f"parser {readers.PARSER_VERSION}, numpy {np.__version__}\n".encode())
    for name in sorted(texts):
        digest.update(texts[name])
    return digest.hexdigest()


def _load_download():
    """(Faces, warnings) of what Kaggle has; a download that is no FER-2013 is removed and refused."""
    folder = downloads.fetch()
    try:
        return _load_path(folder, _read_download)
    except DataError as error:
        if (
            getattr(error.__cause__, "filename", None) is not None
        ):  # an OSError of this machine's: the data may be whole
            raise
        raise downloads.discard(folder, str(error)) from None


def _read_download(path):
    """``readers.read``, held against the published file: one that differs in more than its spelling is a DataError."""
    parsed = readers.read(path)
    difference = downloads.differs_from_published(path)
    if not difference:
        return parsed
    faces = Faces(parsed.images, parsed.labels, parsed.usage, parsed.row_ids, checksum="not needed")
    if _differences(faces):
        raise DataError(f"{path}: {difference}; and its counts of images are not FER-2013's.")
    return parsed._replace(warnings=[*parsed.warnings, f"{path}: {difference}. Its counts are the original's."])


@dataclass(frozen=True, eq=False)
class IntegrityReport:
    """What `integrity_report` found; `str()` is for reading.

    counts, expected, differences: DataFrames, a row for each usage and a column for each emotion; differences is counts
    less expected. constant_images: int64 array of the row ids of images with one gray value only. is_original: whether
    all counts are those of the original.
    """

    source: str
    counts: pd.DataFrame
    expected: pd.DataFrame
    differences: pd.DataFrame
    constant_images: np.ndarray
    is_original: bool

    def __getitem__(self, name):
        return getattr(self, name)

    def __str__(self):
        lines = [f"{int(self.counts.to_numpy().sum())} images from {self.source}"]
        lines.append(self.counts.assign(total=self.counts.sum(axis=1)).to_string())
        if self.is_original:
            lines.append("All counts are those of the original FER-2013.")
        else:
            lines.append("Not the original FER-2013. Counts less the original's:")
            lines.append(self.differences.assign(total=self.differences.sum(axis=1)).to_string())
        ids = self.constant_images
        shown = ", ".join(map(str, ids[:20])) + (", ..." if len(ids) > 20 else "")
        lines.append(f"Constant images (one gray value only): {len(ids)}" + (f", row ids {shown}" if len(ids) else ""))
        return "\n".join(lines)


def integrity_report(faces):
    """Compare `faces` with the original FER-2013 (28,709 / 3,589 / 3,589 images): IntegrityReport."""
    counts, expected = _count_tables(faces)
    differences = counts - expected
    flat = faces.images.reshape(len(faces), -1)
    constant = faces.row_ids[(flat == flat[:, :1]).all(axis=1)]
    return IntegrityReport(faces.source, counts, expected, differences, constant, not differences.to_numpy().any())


def _count_tables(faces):
    """Counts and expected counts: DataFrames with the same rows (usages) and columns (emotions)."""
    if (faces.usage == MERGED_USAGE).any():
        merged = np.add(EXPECTED_COUNTS["PublicTest"], EXPECTED_COUNTS["PrivateTest"])
        known = {"Training": EXPECTED_COUNTS["Training"], MERGED_USAGE: tuple(merged.tolist())}
    else:
        known = EXPECTED_COUNTS
    rows = list(known) + sorted(set(np.unique(faces.usage).tolist()) - set(known))
    counted = [np.bincount(faces.labels[faces.usage == usage], minlength=len(EMOTIONS)) for usage in rows]
    expected = [known.get(usage, (0,) * len(EMOTIONS)) for usage in rows]
    return tuple(pd.DataFrame(table, index=rows, columns=EMOTIONS).astype(int) for table in (counted, expected))


def _differences(faces):
    """One warning that says which counts differ from the original's; none if all agree."""
    counts, expected = _count_tables(faces)
    if counts.equals(expected):
        return []
    said = []
    for usage in counts.index:
        differing = [emotion for emotion in EMOTIONS if counts.at[usage, emotion] != expected.at[usage, emotion]]
        if not counts.loc[usage].any():
            said.append(f"{usage} no image instead of {expected.loc[usage].sum()}")
        elif differing:
            total = f"{usage} {counts.loc[usage].sum()} images instead of {expected.loc[usage].sum()}"
            each = (f"{name} {counts.at[usage, name]} instead of {expected.at[usage, name]}" for name in differing)
            said.append(f"{total} ({', '.join(each)})")
    return [f"{faces.source}: other counts than the original FER-2013 has: {'; '.join(said)}."]


def exact_duplicates(faces):
    """Every image that has a copy with the very same bytes: DataFrame, a row an image, empty if there is none.

    Columns: group (int from 0, in the order of first appearance), row_id, usage, emotion (name), constant (bool: one
    gray value only, so that sameness says nothing about a face). Sorted by group, within it in the order of `faces`.
    """
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in faces.images]
    codes = pd.factorize(np.array(digests, dtype=object))[0]
    positions = np.flatnonzero(np.bincount(codes)[codes] > 1) if len(faces) else np.array([], dtype=np.int64)
    copies = faces.images[positions]
    table = pd.DataFrame(
        {
            "group": pd.factorize(codes[positions])[0],
            "row_id": faces.row_ids[positions],
            "usage": faces.usage[positions],
            "emotion": np.array(EMOTIONS)[faces.labels[positions]],
            "constant": (copies == copies[:, :1, :1]).all(axis=(1, 2)),
        }
    )
    return table.sort_values("group", kind="stable", ignore_index=True)


@dataclass
class Splits:
    """Who is train, validation and test (three Faces) under which protocol.

    Nothing that trains, selects, stops or schedules needs the test split, so it is not in reach by accident: it is
    taken out with ``open_test``, and ``test_openings`` counts how often. Under "paper", test is validation.
    """

    protocol: str
    train: Faces
    validation: Faces
    _test: Faces = field(repr=False)
    test_openings: int = 0

    @property
    def test_size(self):
        """How many images the test split holds."""
        return len(self._test)

    def open_test(self):
        """The test split, to report on; each call is counted, and the count belongs into the run's manifest."""
        self.test_openings += 1
        return self._test


def apply_protocol(faces, protocol="official", max_images=0, seed=0):
    """Split faces by a protocol: Splits.

    protocol: "official" trains on Training, selects on PublicTest and reports on PrivateTest. "paper" does as the paper
    did: the merged PublicTest and PrivateTest (its 7,178-image "validation set") both select and report.
    max_images: cut each split to at most so many, stratified by class and the same for the same seed; 0 cuts nothing.
    Raises ValueError for an unknown protocol, DataError where the data lack a split that it needs.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"Unknown protocol {protocol!r}; PROTOCOL is one of {', '.join(map(repr, PROTOCOLS))}.")
    if max_images < 0:
        raise ValueError(f"MAX_IMAGES is {max_images}; give 0 for all images, or how many each split may have.")
    _check_usages(faces, protocol)

    def part(*usages):
        chosen = np.flatnonzero(np.isin(faces.usage, usages))
        if 0 < max_images < len(chosen):
            chosen = chosen[stratified_subset(faces.labels[chosen], max_images, seed)]
        return faces.take(chosen)

    train = part("Training")
    if protocol == "paper":
        held_out = part("PublicTest", "PrivateTest", MERGED_USAGE)
        return Splits(protocol, train, held_out, held_out)
    return Splits(protocol, train, part("PublicTest"), part("PrivateTest"))


def _check_usages(faces, protocol):
    """Raise DataError if a split that the protocol needs has no image."""
    found = set(np.unique(faces.usage).tolist())
    merged = MERGED_USAGE in found
    replaced = USAGES[1:] if merged and protocol == "paper" else ()
    missing = [usage for usage in USAGES if usage not in found and usage not in replaced]
    if merged and protocol == "official" and "Training" in found:
        raise DataError(
            f"{faces.source}: PROTOCOL=official needs PublicTest and PrivateTest apart, but the test folder's names "
            "do not tell them apart. PROTOCOL=paper works with these data; for the official one give fer2013.csv."
        )
    if missing:
        raise DataError(
            f"{faces.source}: PROTOCOL={protocol} needs {' and '.join(missing)}, of which the data have no image. Give "
            "fer2013.csv or icml_face_data.csv, which hold all three splits (DATA=kaggle downloads one)."
        )


def class_weights(labels):
    """Balanced weights {code: n / (7 * count)}, so that every class weighs the same in a loss.

    labels: integer array (n,), 0 to 6. A class without an image (disgust, in a tiny subset) weighs 0.0: it occurs in no
    batch, and the others' weights stay as they are.
    """
    counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=len(EMOTIONS))
    if len(counts) > len(EMOTIONS):
        raise ValueError(f"Labels must be 0 to {len(EMOTIONS) - 1}; found {len(counts) - 1}.")
    n = int(counts.sum())
    return {code: n / (len(EMOTIONS) * int(count)) if count else 0.0 for code, count in enumerate(counts)}


def weigh_classes(how, labels):
    """What `fit` takes as class_weight: None for "none", ``class_weights(labels)`` for "balanced"; else ValueError."""
    if how not in CLASS_WEIGHTINGS:
        raise ValueError(f"Unknown CLASS_WEIGHTS {how!r}; it is one of {', '.join(map(repr, CLASS_WEIGHTINGS))}.")
    return class_weights(labels) if how == "balanced" else None


def stratified_subset(labels, size, seed):
    """Positions of a random subset with the classes' shares: sorted int64 (min(size, n),).

    Every class that exists keeps at least one image if size allows it. The same for the same labels, size and seed.
    Raises ValueError if size is below 1.
    """
    if size < 1:
        raise ValueError(f"A subset needs at least one image; size is {size}.")
    labels = np.asarray(labels)
    if size >= len(labels):
        return np.arange(len(labels), dtype=np.int64)
    classes, counts = np.unique(labels, return_counts=True)
    chosen = []
    for position, share in enumerate(_shares(counts, size)):
        generator = np.random.default_rng([seed, position])
        chosen.append(generator.permutation(np.flatnonzero(labels == classes[position]))[:share])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _shares(counts, size):
    """How many of each class to take: an int array that adds up to size, as near to the proportions as can be."""
    quota = counts * (size / counts.sum())
    least = 1 if size >= len(counts) else 0
    shares = np.maximum(np.floor(quota).astype(int), least)
    while shares.sum() != size:
        missing = quota - shares
        if shares.sum() < size:
            shares[np.argmax(np.where(shares < counts, missing, -np.inf))] += 1
        else:  # the classes that got their one image at the others' cost
            shares[np.argmin(np.where(shares > least, missing, np.inf))] -= 1
    return shares
