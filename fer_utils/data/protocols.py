"""Split faces into train, validation and test: protocols, subsets, class weights."""

from dataclasses import dataclass, field

import numpy as np

from fer_utils.data import near_duplicates
from fer_utils.data.faces import DataError, Faces
from fer_utils.names import CHOICES, EMOTIONS, HALVES, MERGED_USAGE, USAGES

PROTOCOLS = CHOICES["PROTOCOL"]


@dataclass
class Splits:
    """Train, validation and test split (three Faces) under a protocol.

    Training, selecting, stopping and scheduling must not use the test split. So it cannot be used by accident: only
    ``open_test`` returns it, and ``test_openings`` counts the calls. Under "paper", test is validation. left_out: the
    images of Training that TRAIN_WITHOUT has removed from ``train``.
    """

    train: Faces
    validation: Faces
    _test: Faces = field(repr=False)
    left_out: Faces = field(repr=False)
    test_openings: int = 0

    @property
    def test_size(self):
        """Number of images in the test split."""
        return len(self._test)

    def open_test(self):
        """Return the test split, to report on. Each call is counted; the run's manifest must have the count."""
        self.test_openings += 1
        return self._test


def apply_protocol(faces, protocol="official", max_images=0, seed=0, without="none"):
    """Split faces by a protocol: Splits.

    protocol: "official" trains on Training, selects on PublicTest and reports on PrivateTest. "paper" does as the paper
    did: PublicTest and PrivateTest together (its 7,178-image "validation set") are used to select and to report.
    max_images: largest size of each split, stratified by class; 0 for all images. The seed draws Training's. The others
    are the same for all seeds, so that their runs can be compared. The images left out are not cut.
    without: what to remove from Training, see ``left_out``.
    Raises ValueError for an unknown protocol or `without`, and DataError if the data lack a split that the protocol
    needs or if Training would lack an emotion.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"Unknown protocol {protocol!r}; PROTOCOL is one of {', '.join(map(repr, PROTOCOLS))}.")
    if max_images < 0:
        raise ValueError(f"MAX_IMAGES is {max_images}; give 0 for all images, or the largest size of each split.")
    _check_usages(faces, protocol)
    is_left_out = left_out(faces, without, seed)
    missing = faces.take(is_left_out)
    faces = faces.take(~is_left_out)

    def part(*usages, seed=0):
        chosen = np.flatnonzero(np.isin(faces.usage, usages))
        if 0 < max_images < len(chosen):
            chosen = chosen[stratified_subset(faces.labels[chosen], max_images, seed)]
        return faces.take(chosen)

    train = part("Training", seed=seed)
    if protocol == "paper":
        held_out = part("PublicTest", "PrivateTest", MERGED_USAGE)
        return Splits(train, held_out, held_out, missing)
    return Splits(train, part("PublicTest"), part("PrivateTest"), missing)


def left_out(faces, without, seed=0):
    """Choose the images to remove from Training: bool (n,), all False for "none".

    without: "twins" chooses those with a duplicate in another split (``near_duplicates``). This separates what a
    network remembers from what it finds easy. "others" is the random control: as many images of each emotion, drawn
    with the seed from the rest of Training. It shows the effect of fewer images. "first half" and "second half" let a
    network predict images that it has not learned (``ladder.teaching``). They do not depend on the seed, and all images
    of one photograph are in the same half. Takes half a minute for FER-2013. Raises ValueError for another `without`,
    and DataError if an emotion has too few images.
    """
    known = CHOICES["TRAIN_WITHOUT"]
    if without not in known:
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
    wrong = (counts > 0) & ((rest == 0) | (found < counts))
    if wrong.any():
        names = ", ".join(np.array(EMOTIONS)[wrong])
        raise DataError(
            f"{faces.source}: TRAIN_WITHOUT={without} takes too many images of {names} out of Training. Give all of "
            "FER-2013, or set it to 'none'."
        )
    return chosen


def _twins(faces, training):
    """Return which images of Training have a duplicate in another split: bool (n,)."""
    groups = near_duplicates.near_groups(faces)
    return training & (groups >= 0) & np.isin(groups, groups[~training])


def _half(faces, training, which):
    """Return which images are in one half of Training, where a photograph's images stay together: bool (n,)."""
    own = faces.take(training)
    groups = near_duplicates.near_groups(own)
    numbers = np.where(groups < 0, len(own) + np.arange(len(own)), groups)  # one for each photograph
    _, first_images, photographs = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(first_images))
    # Sorted by the emotion of a photograph's first image, every second photograph is in the first half.
    by_emotion = order[np.argsort(own.labels[first_images[order]], kind="stable")]
    in_first_half = np.isin(np.arange(len(first_images)), by_emotion[::2])
    chosen = np.zeros(len(faces), bool)
    chosen[training] = in_first_half[photographs] == (which == HALVES[0])
    return chosen


def _as_many(labels, allowed, counts, seed):
    """Choose `counts` random images of each class among the `allowed` ones, or all if there are fewer: bool (n,)."""
    chosen = np.zeros(len(labels), bool)
    generator = np.random.default_rng(seed)
    for code, count in enumerate(counts):
        candidates = np.flatnonzero(allowed & (labels == code))
        chosen[generator.permutation(candidates)[:count]] = True
    return chosen


def _check_usages(faces, protocol):
    """Raise DataError if a split that the protocol needs has no image."""
    found = set(np.unique(faces.usage).tolist())
    merged = MERGED_USAGE in found
    needed = ["Training"] if merged and protocol == "paper" else USAGES
    missing = [usage for usage in needed if usage not in found]
    if merged and protocol == "official" and "Training" in found:
        raise DataError(
            f"{faces.source}: PROTOCOL=official needs PublicTest and PrivateTest separately, but the names in the test "
            "folder do not distinguish them. Use PROTOCOL=paper, or give fer2013.csv."
        )
    if missing:
        raise DataError(
            f"{faces.source}: PROTOCOL={protocol} needs {' and '.join(missing)}, but the data have no such image. Give "
            "fer2013.csv or icml_face_data.csv, which have all three splits (DATA=kaggle downloads one)."
        )


def class_weights(labels):
    """Compute balanced weights {code: n / (7 * count)}, so that every class has the same total weight in a loss.

    labels: integer array (n,), 0 to 6; ValueError for larger ones. A class without images (disgust, in a tiny subset)
    has weight 0.0: it is in no batch, and the weights of the other classes stay as they are.
    """
    counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=len(EMOTIONS))
    if len(counts) > len(EMOTIONS):
        raise ValueError(f"Labels must be 0 to {len(EMOTIONS) - 1}; found {len(counts) - 1}.")
    n = int(counts.sum())
    return {code: n / (len(EMOTIONS) * int(count)) if count else 0.0 for code, count in enumerate(counts)}


def stratified_subset(labels, size, seed):
    """Choose a random subset with the classes' shares: int64 (size,), sorted positions. size: 1 to len(labels).

    Every class in `labels` keeps at least one image if size allows it. The same for the same labels, size and seed.
    """
    classes, counts = np.unique(labels, return_counts=True)
    chosen = []
    for position, share in enumerate(_shares(counts, size)):
        generator = np.random.default_rng([seed, position])
        chosen.append(generator.permutation(np.flatnonzero(labels == classes[position]))[:share])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _shares(counts, size):
    """Return the number of images per class: an int array with the sum `size`, as proportional as possible."""
    quota = counts * (size / counts.sum())
    least = 1 if size >= len(counts) else 0
    shares = np.maximum(np.floor(quota).astype(int), least)
    while shares.sum() < size:
        shares[np.argmax(quota - shares)] += 1
    while shares.sum() > size:  # since classes with a share below 1 got one image
        shares[np.argmin(np.where(shares > least, quota - shares, np.inf))] -= 1
    return shares
