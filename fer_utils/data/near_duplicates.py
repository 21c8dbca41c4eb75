"""Images that are in FER-2013 more than once: exact copies, or other crops or sizes.

Exact copies are found by their bytes. Near-duplicates are found in three steps:

1. A perceptual hash finds candidates among 644 million pairs in seconds. It is pHash of the library ImageHash: one bit
   for each of the 64 lowest cosine frequencies, which says whether it is above their median.
2. The correlation of thumbnails drops most pairs that are no duplicates.
3. The correlation of the pixels, at the best of 49 small shifts, decides.

The thresholds were chosen on FER-2013 itself: see `CORRELATION` and `DISTANCE`. All images of one photograph form a
group. Images with one gray value only are skipped: that two of them are equal says nothing about a face.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from fer_utils.data.exploration import thumbnails
from fer_utils.data.faces import constant
from fer_utils.names import SIDE

CORRELATION = 0.90
"""Two images with at least this aligned correlation count as one photograph. In FER-2013, the candidates' correlations
have two peaks: other faces around 0.7, copies around 0.96. The valley is between 0.84 and 0.90. Of 14 random pairs from
0.90 to 0.92, all were one photograph by eye; of 14 from 0.88 to 0.90, three were not. Of 20,000 random pairs of images,
none was above 0.90."""

DISTANCE = 12
"""In how many of the 64 bits candidates may differ. For reference, 500 PrivateTest images were compared with all others
without a hash. Of the pairs found there, 8 bits find 80 %, 10 bits 87 %, 12 bits 93 %, and 14 bits 95 % with several
times the candidates. So the number of pairs found is a lower bound: somewhat less than a tenth is missing."""

ROUGH = 0.80
"""The pixels of candidates are compared if their unshifted 16x16 thumbnails have at least this correlation. Of the 152
pairs in the comparison above, 149 reach it; most candidates at 12 bits do not."""

REACH = 3  # largest shift between two images in pixels, in each direction: crops of one photograph differ by as much
BLOCK = 512  # images whose distances to all others are computed at once: 18 million bytes
CHUNK = 1024  # pairs whose pixels are compared at once: about 40 MB


def perceptual_hashes(images):
    """Compute ImageHash's pHash of each image, 64 bits: uint64 (n,). images: uint8 (n, 48, 48)."""
    import imagehash  # here, since the search for exact copies does not need it
    from PIL import Image

    bits = [np.packbits(imagehash.phash(Image.fromarray(image)).hash) for image in images]
    return np.array(bits, np.uint8).reshape(-1, 8).view(np.uint64).ravel()


def candidate_pairs(hashes, distance=DISTANCE):
    """Find the pairs whose hashes differ in at most `distance` bits: int64 (k, 2), positions, the smaller first."""
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(hashes), BLOCK):
        differing = np.bitwise_count(hashes[start : start + BLOCK, None] ^ hashes[None, start:])
        first, second = np.nonzero(differing <= distance)
        found.append(np.stack([first, second], axis=1)[first < second] + start)
    return np.concatenate(found)


def aligned_correlation(images, pairs, reach=REACH):
    """Correlate the pixels of pairs at the best of all shifts up to `reach` pixels: float32 (k,), -1 to 1.

    images: uint8 (n, 48, 48). pairs: int64 (k, 2), positions. The middle of the first image is compared with windows of
    the same size in the second. Correlation ignores brightness and contrast. It is 0 for a window of one gray value.
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
    """Return windows as rows with mean 0 and length 1: float32 (k, pixels)."""
    rows = windows.reshape(len(windows), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows / np.where(length > 0, length, 1)


def near_pairs(images, distance=DISTANCE, correlation=CORRELATION):
    """Find the pairs of images of one photograph, with exact copies: int64 (k, 2), positions, the smaller first.

    images: uint8 (n, 48, 48). Constant images are in no pair. FER-2013's 35,887 images take about half a minute on one
    core, and 200 MB in addition to the images.
    """
    positions = np.flatnonzero(~constant(images))
    pairs = positions[candidate_pairs(perceptual_hashes(images[positions]), distance)]
    pairs = pairs[_rough_correlation(images, pairs) >= min(ROUGH, correlation)]
    return pairs[aligned_correlation(images, pairs) >= correlation]


def _rough_correlation(images, pairs):
    """Correlate the thumbnails of pairs: float32 (k,)."""
    small = thumbnails(images)
    values = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), CHUNK):
        first, second = pairs[start : start + CHUNK].T
        values[start : start + CHUNK] = np.einsum("ij,ij->i", small[first], small[second])
    return values


def connected(n, pairs):
    """Number the groups of images that pairs connect, directly or not: int64 (n,), from 0; -1 for a single image."""
    links = sparse.coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, component = sparse.csgraph.connected_components(links, directed=False)
    return _numbered(component)


def exact_groups(faces):
    """Number the groups of exact copies, without constant images: int64 (n,), from 0; -1 for an image without copy."""
    equal, _ = pd.Series([image.tobytes() for image in faces.images]).factorize()  # a number for each content
    alone = len(faces) + np.arange(len(faces))  # of its own for each image
    return _numbered(np.where(constant(faces.images), alone, equal))


def near_groups(faces, correlation=CORRELATION):
    """Number the groups of images of one photograph: int64 (n,), from 0; -1 for an image without duplicate.

    Exact copies are included. Pairs are linked to groups, so two images of a group may be below `correlation`.
    """
    return connected(len(faces), near_pairs(faces.images, correlation=correlation))


def _numbered(component):
    """Number the components with at least two members in the order of first appearance; the others are -1."""
    _, inverse, counts = np.unique(component, return_inverse=True, return_counts=True)
    together = counts[inverse] > 1
    groups = np.full(len(component), -1, np.int64)
    groups[together] = pd.factorize(inverse[together])[0]
    return groups


def twin_in(faces, groups):
    """Return whether each image outside Training has a duplicate in it: bool (n,), False for Training's own images."""
    inside = faces.usage == "Training"
    return ~inside & (groups >= 0) & np.isin(groups, groups[inside])
