"""What a frozen backbone makes of images, computed once instead of in every epoch (notebook 04)."""

import keras
import numpy as np

BATCH = 64  # more is no faster, and takes more memory


def frozen_features(body, images, copies=1):
    """The features of `copies` versions of the images: a list of float16 (n, ...).

    body: of ``models.split_at_head``, its backbone frozen. images: uint8 (n, 48, 48). The first version is the images
    as they are; each further one is augmented anew. A version costs one pass of all images through the backbone, and
    an epoch of the head alone then little. Raises ValueError for a backbone that can still learn, and for features
    that float16 cannot hold.
    """
    if body.trainable_weights:
        raise ValueError(f"{body.name}: has weights that can be trained, so its features change: freeze the backbone")
    return [_features(body, images, augmented=version > 0) for version in range(copies)]


def _features(body, images, augmented):
    found = np.empty((len(images), *body.output_shape[1:]), np.float16)
    for start in range(0, len(images), BATCH):
        batch = body(images[start : start + BATCH], training=augmented)
        found[start : start + BATCH] = keras.ops.convert_to_numpy(batch)
    if not np.isfinite(found).all():
        raise ValueError(f"{body.name}: gives features that float16 cannot hold (above 65,504, or NaN)")
    return found
