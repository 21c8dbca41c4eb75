"""Compute the features of a frozen backbone once instead of in every epoch."""

import keras
import numpy as np

BATCH = 64  # larger batches are not faster and take more memory


def frozen_features(body, images, copies=1):
    """Features of `copies` versions of the images: a list of float16 (n, ...).

    body: from ``models.split_at_head``, with a frozen backbone. images: uint8 (n, 48, 48). The first version is the
    unchanged images; each further version is augmented with new random draws. Each version costs one pass of all
    images through the backbone; afterwards, an epoch of the head alone is cheap. Raises ValueError if the backbone is
    not frozen, or if float16 cannot hold the features.
    """
    if body.trainable_weights:
        raise ValueError(
            f"{body.name}: has weights that can be trained, so its features would change: freeze the backbone"
        )
    return [_features(body, images, augmented=version > 0) for version in range(copies)]


def _features(body, images, augmented):
    features = np.empty((len(images), *body.output_shape[1:]), np.float16)
    for start in range(0, len(images), BATCH):
        batch = body(images[start : start + BATCH], training=augmented)
        features[start : start + BATCH] = keras.ops.convert_to_numpy(batch)
    if not np.isfinite(features).all():
        raise ValueError(f"{body.name}: returns features that float16 cannot hold (above 65,504, or NaN)")
    return features
