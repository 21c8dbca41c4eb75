"""Images that FER-2013 holds more than once: to the byte, or as another crop or size (notebooks 03 to 05, 08 and 09).

Exact copies are found by a hash of their bytes, near ones in three steps. A perceptual hash (pHash of the library
ImageHash: of each of the 64 lowest cosine frequencies, whether it lies above their median) finds candidates among 644
million pairs in seconds; the correlation of thumbnails drops most of those that are none; the correlation of the
pixels, at the best of 49 small shifts, decides. The thresholds were chosen on FER-2013 itself: see `CORRELATION` and
`DISTANCE`.

All images of one photograph are a group, and to each of them the others are its twins. Images with one gray value only
are passed over: that two of them are equal says nothing about a face.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from fer_utils.data.checks import exact_duplicates
from fer_utils.data.exploration import thumbnails
from fer_utils.data.faces import constant
from fer_utils.names import SIDE

CORRELATION = 0.90
"""From which aligned correlation two images count as one photograph. In FER-2013 the candidates' correlations have two
humps, other faces around 0.7 and copies around 0.96, with the valley between 0.84 and 0.90. Of 14 pairs drawn at random
from 0.90 to 0.92 all were one photograph to our eyes, from 0.88 to 0.90 three of 14 were not; of 20,000 random pairs of
images, none lay above."""

DISTANCE = 12
"""Up to how many of the 64 bits candidates may differ. Against a comparison of 500 PrivateTest images with all others
without a hash, 8 bits find 80 % of the pairs, 10 find 87 %, 12 find 93 %, 14 find 95 % with several times the
candidates. So what is found is a lower bound, by something under a tenth."""

ROUGH = 0.80
"""From which correlation of 16x16 thumbnails, unshifted, a candidate's pixels are compared: 149 of the 152 pairs
in the comparison above reach it, most candidates at 12 bits do not."""

REACH = 3  # pixels by which one image is shifted against the other, each way: crops of one photograph differ by as much

BLOCK = 512  # images whose distances to all others are computed at once: 18 million bytes

CHUNK = 1024  # pairs whose pixels are compared at once: about 40 MB


def perceptual_hashes(images):
    """ImageHash's pHash of each image, 64 bits: uint64 (n,). images: uint8 (n, 48, 48)."""
    import imagehash  # here, so that who looks for exact copies only does not need it
    from PIL import Image

    bits = [np.packbits(imagehash.phash(Image.fromarray(image)).hash) for image in images]
    return np.array(bits, np.uint8).reshape(-1, 8).view(np.uint64).ravel()


def candidate_pairs(hashes, distance=DISTANCE):
    """Pairs of positions whose hashes differ in at most `distance` bits: int64 (k, 2), first below second."""
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(hashes), BLOCK):
        differing = np.bitwise_count(hashes[start : start + BLOCK, None] ^ hashes[None, start:])
        first, second = np.nonzero(differing <= distance)
        found.append(np.stack([first, second], axis=1)[first < second] + start)
    return np.concatenate(found)


def aligned_correlation(images, pairs, reach=REACH):
    """The correlation of two images' pixels at the best of all shifts up to `reach` pixels: float32 (k,), -1 to 1.

    images: uint8 (n, 48, 48). pairs: int64 (k, 2), positions. The middle of the first image is compared with as large
    windows of the second. Correlation ignores brightness and contrast. A window of one gray value correlates with
    nothing (0).
    """
    best = np.full(len(pairs), -1, np.float32)
    side = SIDE - 2 * reach
    for start in range(0, len(pairs), CHUNK):
        chosen = pairs[start : start + CHUNK]
        middle = _unit(images[chosen[:, 0], reach : reach + side, reach : reach + side])
        others = images[chosen[:, 1]].astype(np.float32)
        part = best[start : start + CHUNK]
        for top in range(2 * reach + 1):
            for left in range(2 * reach + 1):
                window = _unit(others[:, top : top + side, left : left + side])
                np.maximum(part, np.einsum("ij,ij->i", middle, window), out=part)
    return best


def _unit(windows):
    """Windows as rows with mean 0 and length 1: float32 (k, pixels)."""
    rows = windows.reshape(len(windows), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows / np.where(length > 0, length, 1)


def near_pairs(images, distance=DISTANCE, correlation=CORRELATION):
    """Pairs of images that are one photograph, exact copies included: int64 (k, 2), positions, first below second.

    images: uint8 (n, 48, 48). Constant images are in no pair. Takes about half a minute of one core for FER-2013's
    35,887 images and 200 MB beside them.
    """
    positions = np.flatnonzero(~constant(images))
    pairs = positions[candidate_pairs(perceptual_hashes(images[positions]), distance)]
    pairs = pairs[_rough_correlation(images, pairs) >= min(ROUGH, correlation)]
    return pairs[aligned_correlation(images, pairs) >= correlation]


def _rough_correlation(images, pairs):
    """Correlation of thumbnails: float32 (k,)."""
    small = thumbnails(images)
    parts = [pairs[start : start + CHUNK].T for start in range(0, len(pairs), CHUNK)]
    values = [np.einsum("ij,ij->i", small[first], small[second]) for first, second in parts]
    return np.concatenate(values) if values else np.zeros(0, np.float32)


def connected(n, pairs):
    """Groups of images that pairs connect, directly or over others: int64 (n,), from 0; -1 for who is alone."""
    links = sparse.coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, component = sparse.csgraph.connected_components(links, directed=False)
    return _numbered(component)


def exact_groups(faces):
    """Groups of images with the very same bytes, constant ones excluded: int64 (n,); -1 for who has no copy."""
    table = exact_duplicates(faces)
    table = table[~table["constant"]]
    position = pd.Series(np.arange(len(faces)), index=faces.row_ids)
    groups = np.arange(len(faces)) + len(faces)  # everybody a group of their own, above all numbers of the table
    groups[position[table["row_id"]]] = table["group"]
    return _numbered(groups)


def near_groups(faces, distance=DISTANCE, correlation=CORRELATION):
    """Groups of images of one photograph, exact copies included: int64 (n,); -1 for who has no twin.

    A group is all that pairs connect, so its ends may differ more than `correlation` allows a pair.
    """
    return connected(len(faces), near_pairs(faces.images, distance, correlation))


def _numbered(component):
    """Components with at least two members numbered in the order of first appearance, -1 for the others."""
    _, inverse, counts = np.unique(component, return_inverse=True, return_counts=True)
    together = counts[inverse] > 1
    groups = np.full(len(component), -1, np.int64)
    groups[together] = pd.factorize(inverse[together])[0]
    return groups


def twin_in(faces, groups, usage="Training"):
    """Whether each image that is not of `usage` has a twin in it: bool (n,), False for the images of `usage`."""
    inside = faces.usage == usage
    return ~inside & (groups >= 0) & np.isin(groups, np.unique(groups[inside & (groups >= 0)]))
