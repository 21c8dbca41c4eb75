"""Find hard images by their pixels alone, so that a rule chooses examples and not a person."""

import numpy as np
import pandas as pd

from fer_utils.names import SIDE

THUMBNAIL = 16  # side in pixels: enough for the layout of a face, too few for noise
SAME = 0.995  # above this correlation, two thumbnails are copies of one picture and not two similar pictures
CHUNK = 2048  # images at once, since 36,000 images as floats would take 300 MB


def pixel_statistics(images):
    """Compute brightness, contrast, sharpness and resemblance of each image: DataFrame (n rows), float.

    images: uint8 (n, 48, 48), 0 to 255. brightness: mean gray value. contrast: standard deviation of the gray values.
    sharpness: mean absolute difference of neighbouring pixels, divided by the contrast (low in a blurred image).
    resemblance: correlation with the mean of all images, -1 to 1 (low without an upright frontal face). Constant images
    have contrast 0, and NaN for sharpness and resemblance.
    """
    typical = thumbnails(images.mean(axis=0)[None])[0]
    parts = [_statistics(images[start : start + CHUNK], typical) for start in range(0, len(images), CHUNK)]
    return pd.concat(parts, ignore_index=True)


def lookalikes(images, labels, pairs=4, most=4000):
    """Find at most `pairs` pairs of similar images with different labels: int64 (k, 2), positions, most similar first.

    Similarity is the correlation of 16x16 thumbnails. Copies (correlation above 0.995) and constant images are skipped,
    and no image is in two pairs. Only the first `most` images are compared, since time grows with the square.
    """
    images, labels = images[:most], labels[:most]
    small = thumbnails(images)
    similarity = small @ small.T
    counted_once = np.tri(len(labels), k=-1, dtype=bool)
    similarity[~counted_once | (labels[:, None] == labels) | (similarity > SAME)] = -1
    found = []
    while len(found) < pairs and len(labels):
        later, earlier = np.unravel_index(np.argmax(similarity), similarity.shape)
        if similarity[later, earlier] <= 0:
            break
        found.append((earlier, later))
        similarity[[later, earlier]] = -1
        similarity[:, [later, earlier]] = -1
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _statistics(images, typical):
    gray = images.astype(np.float32)
    contrast = gray.std(axis=(1, 2))
    steps = [np.abs(np.diff(gray, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    flat = contrast == 0
    return pd.DataFrame(
        {
            "brightness": gray.mean(axis=(1, 2)),
            "contrast": contrast,
            "sharpness": np.where(flat, np.nan, (steps[0] + steps[1]) / 2 / np.where(flat, 1, contrast)),
            "resemblance": np.where(flat, np.nan, thumbnails(images) @ typical),
        }
    )


def thumbnails(images):
    """Compute means of 3x3 blocks, centred and scaled to length 1: float32 (n, 256). Dot products are correlations.

    images: numbers (n, 48, 48), 0 to 255. The row of an image with one gray value only is all zeros.
    """
    step = SIDE // THUMBNAIL
    blocks = images.reshape(-1, THUMBNAIL, step, THUMBNAIL, step).mean(axis=(2, 4), dtype=np.float32)
    blocks = blocks.reshape(len(blocks), -1)
    blocks -= blocks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(blocks, axis=1, keepdims=True)
    return blocks / np.where(length > 0, length, 1)
