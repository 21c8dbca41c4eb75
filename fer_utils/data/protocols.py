"""Who is train, validation and test: protocols, subsets and class weights (notebooks 01 to 05 and 08)."""

from dataclasses import dataclass, field

import numpy as np

from fer_utils.data import near_duplicates
from fer_utils.data.faces import DataError, Faces
from fer_utils.names import CHOICES, EMOTIONS, HALVES, MERGED_USAGE, USAGES

PROTOCOLS = CHOICES["PROTOCOL"]


@dataclass
class Splits:
    """Who is train, validation and test (three Faces) under which protocol.

    Nothing that trains, selects, stops or schedules needs the test split, so it is not in reach by accident: it is
    taken out with ``open_test``, and ``test_openings`` counts how often. Under "paper", test is validation. left_out:
    what of Training ``train`` lacks by TRAIN_WITHOUT.
    """

    protocol: str
    train: Faces
    validation: Faces
    _test: Faces = field(repr=False)
    left_out: Faces = field(repr=False)
    test_openings: int = 0

    @property
    def test_size(self):
        """How many images the test split holds."""
        return len(self._test)

    def open_test(self):
        """The test split, to report on; each call is counted, and the count belongs into the run's manifest."""
        self.test_openings += 1
        return self._test


def apply_protocol(faces, protocol="official", max_images=0, seed=0, without="none"):
    """Split faces by a protocol: Splits.

    protocol: "official" trains on Training, selects on PublicTest and reports on PrivateTest. "paper" does as the paper
    did: the merged PublicTest and PrivateTest (its 7,178-image "validation set") both select and report.
    max_images: cut each split to at most so many, stratified by class and the same for the same seed; 0 cuts nothing,
    and nothing of what is left out is cut.
    without: what Training is to lack, see ``left_out``. Raises ValueError for an unknown protocol or `without`,
    DataError where the data lack a split that the protocol needs, or Training is left without an emotion.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"Unknown protocol {protocol!r}; PROTOCOL is one of {', '.join(map(repr, PROTOCOLS))}.")
    if max_images < 0:
        raise ValueError(f"MAX_IMAGES is {max_images}; give 0 for all images, or how many each split may have.")
    _check_usages(faces, protocol)
    lacking = left_out(faces, without, seed)
    faces, missing = faces.take(~lacking), faces.take(lacking)

    def part(*usages):
        chosen = np.flatnonzero(np.isin(faces.usage, usages))
        if 0 < max_images < len(chosen):
            chosen = chosen[stratified_subset(faces.labels[chosen], max_images, seed)]
        return faces.take(chosen)

    train = part("Training")
    if protocol == "paper":
        held_out = part("PublicTest", "PrivateTest", MERGED_USAGE)
        return Splits(protocol, train, held_out, held_out, missing)
    return Splits(protocol, train, part("PublicTest"), part("PrivateTest"), missing)


def left_out(faces, without, seed=0):
    """Which images Training is to lack: bool (n,), all False for "none".

    without: "twins", all of Training of whose photograph another split has an image, too (``near_duplicates``), to tell
    what a network remembers from what it finds easy; "others", as many images of each emotion at random out of the rest
    of Training, to tell what fewer images cost; "first half" or "second half" of Training, to ask a network about what
    it has not learned (``ladder.teaching``). All images of one photograph are in the same half. The same for the same
    seed, and the halves for any. Takes half a minute for FER-2013. Raises ValueError for another word, DataError where
    an emotion has too few images for it.
    """
    if without not in (known := CHOICES["TRAIN_WITHOUT"]):
        raise ValueError(f"Unknown TRAIN_WITHOUT {without!r}; it is one of {', '.join(map(repr, known))}.")
    if without == "none":
        return np.zeros(len(faces), bool)
    training = faces.usage == "Training"
    chosen = _half(faces, training, without) if without in HALVES else _twins(faces, training)
    counts = np.bincount(faces.labels[chosen], minlength=len(EMOTIONS))
    if not chosen.any():
        raise DataError(
            f"{faces.source}: TRAIN_WITHOUT={without} takes nothing out, since no image of Training has a duplicate in "
            "another split. Set it to 'none'."
        )
    if without == "others":
        chosen = _as_many(faces.labels, training & ~chosen, counts, seed)
    rest = np.bincount(faces.labels[training & ~chosen], minlength=len(EMOTIONS))
    found = np.bincount(faces.labels[chosen], minlength=len(EMOTIONS))
    if (wrong := (counts > 0) & ((rest == 0) | (found < counts))).any():
        names = ", ".join(np.array(EMOTIONS)[wrong])
        raise DataError(
            f"{faces.source}: TRAIN_WITHOUT={without} takes more images of {names} out of Training than it can spare. "
            "Give all of FER-2013, or set it to 'none'."
        )
    return chosen


def _twins(faces, training):
    """Which of Training have a twin in another split: bool (n,)."""
    groups = near_duplicates.near_groups(faces)
    others = set(faces.usage.tolist()) - {"Training"}
    return training & np.any([near_duplicates.twin_in(faces, groups, usage) for usage in sorted(others)], axis=0)


def _half(faces, training, which):
    """One half of Training, photograph by photograph: bool (n,). No other split is looked at."""
    chosen, own = np.zeros(len(faces), bool), faces.take(training)
    groups = near_duplicates.near_groups(own)
    numbers = np.where(groups < 0, len(own) + np.arange(len(own)), groups)
    _, places, photographs = np.unique(numbers, return_index=True, return_inverse=True)
    dealt = np.random.default_rng(0).permutation(len(places))
    # Emotion by emotion (of a photograph's first image), one to this half and one to the other.
    by_emotion = dealt[np.argsort(own.labels[places[dealt]], kind="stable")]
    first = np.isin(np.arange(len(places)), by_emotion[::2])
    chosen[training] = first[photographs] == (which == HALVES[0])
    return chosen


def _as_many(labels, allowed, counts, seed):
    """As many of each class as `counts` says, at random out of those `allowed` (at most all of them): bool (n,)."""
    chosen, generator = np.zeros(len(labels), bool), np.random.default_rng(seed)
    for code, count in enumerate(counts):
        chosen[generator.permutation(np.flatnonzero(allowed & (labels == code)))[:count]] = True
    return chosen


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


def stratified_subset(labels, size, seed):
    """Positions of a random subset with the classes' shares: sorted int64 (size,). size: 1 to len(labels).

    Every class that exists keeps at least one image if size allows it. The same for the same labels, size and seed.
    """
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
    while shares.sum() < size:
        shares[np.argmax(quota - shares)] += 1
    while shares.sum() > size:  # some classes got their one image at the others' cost
        shares[np.argmin(np.where(shares > least, quota - shares, np.inf))] -= 1
    return shares
