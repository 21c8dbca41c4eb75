"""Batches in a new order in each epoch, with mixup or CutMix if requested."""

import math

import keras
import numpy as np

READ_AHEAD = 2  # batches


class Batches(keras.utils.PyDataset):
    """Batches of images with their targets, in an order that depends on seed and epoch only.

    images: uint8 (n, height, width) or (n, height, width, 3), or any other array (n, ...); or a list of such arrays,
    versions of the same images, one for each epoch in turn. targets: labels (n,) or shares float32 (n, classes). A
    batch size above n makes one batch. Pass shuffle=False to `fit`, which would otherwise shuffle the batches again.

    mixup, cutmix: Beta parameter of the share that an image keeps; at most one of them is not 0. Mixup blends each
    image with another one, CutMix pastes a rectangle of another one into it; both mix the target shares in the same
    ratio, so targets must be shares (Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899).
    """

    def __init__(self, images, targets, batch_size, seed=0, mixup=0.0, cutmix=0.0):
        super().__init__()
        self.copies = images if isinstance(images, list) else [images]
        self.targets, self.batch_size = targets, batch_size
        self.seed, self.mixup, self.cutmix = seed, mixup, cutmix
        self.set_epoch(0)

    def __len__(self):
        return math.ceil(len(self.images) / self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images, targets = self.images[rows], self.targets[rows]
        if not self.mixup and not self.cutmix:
            return images, targets
        generator = np.random.default_rng([self.seed, self.epoch, index])
        others = generator.permutation(len(rows))
        if self.cutmix:
            kept, images = _paste(images, others, generator, self.cutmix)
        else:
            kept, images = _blend(images, others, generator, self.mixup)
        return images, kept[:, None] * targets + (1 - kept[:, None]) * targets[others]

    def on_epoch_end(self):
        self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch):
        """Set the order of the images for an epoch, counted from 0. `fit` calls `on_epoch_end` for the next epoch."""
        self.epoch, self.images = epoch, self.copies[epoch % len(self.copies)]
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))


def _blend(images, others, generator, parameter):
    """Blend the images with those at `others`; returns the share float32 (n,) that each image keeps, and the images.

    Shares are multiples of 1/256, so that whole numbers suffice: floats take eight times as long, and an H200 had to
    wait for them.
    """
    parts = np.rint(256 * generator.beta(parameter, parameter, len(images))).astype("uint16")
    share = parts.reshape(-1, *[1] * (images.ndim - 1))
    blended = images.astype("uint16")
    other = blended[others]
    blended *= share  # in place, since allocating memory would take most of the time
    other *= 256 - share
    blended += other
    blended += 128  # for rounding; at most 255 * 256 + 128, which fits into 16 bits
    blended >>= 8
    return parts.astype("float32") / 256, blended.astype("uint8")


def _paste(images, others, generator, parameter):
    """Paste one rectangle, the same for the whole batch, from the images at `others`; returns as ``_blend`` does."""
    height, width = images.shape[1:3]
    share = np.sqrt(1 - generator.beta(parameter, parameter))  # of each side
    top, bottom = _ends(height, share, generator)
    left, right = _ends(width, share, generator)
    pasted = images.copy()
    pasted[:, top:bottom, left:right] = images[others, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return np.full(len(images), kept, "float32"), pasted


def _ends(size, share, generator):
    """Both ends, within 0 to `size`, of a span of `share` times `size` around a random centre."""
    centre, half = generator.uniform(0, size), share * size / 2
    return np.clip(np.rint([centre - half, centre + half]).astype(int), 0, size)
