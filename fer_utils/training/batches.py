"""Batches dealt anew in each epoch, mixed where a recipe says so (notebooks 02 to 05 and 08)."""

import math

import keras
import numpy as np

READ_AHEAD = 2  # batches


class Batches(keras.utils.PyDataset):
    """Batches of images with their targets, in an order that follows from seed and epoch alone.

    images: uint8 (n, height, width) or (n, height, width, 3), or any other array (n, ...); or a list of such arrays,
    copies of the same images, of which each epoch takes the next. targets: labels (n,) or shares float32 (n, classes).
    A batch size larger than n gives one batch. Pass shuffle=False to `fit`, which would deal the batches once more.

    mixup, cutmix: blend each image with another (mixup) or with a rectangle of another (cutmix), and their shares
    alike: the Beta parameter of the share that an image keeps, one of them 0 (Zhang et al. 2018, arXiv:1710.09412; Yun
    et al. 2019, arXiv:1905.04899).
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
        if not self.mixup and not self.cutmix:
            return self.images[rows], self.targets[rows]
        generator = np.random.default_rng([self.seed, self.epoch, index])
        images, targets = self.images[rows], self.targets[rows]
        others = generator.permutation(len(rows))
        mix, parameter = (_paste, self.cutmix) if self.cutmix else (_blend, self.mixup)
        kept, images = mix(images, others, generator, parameter)
        return images, kept[:, None] * targets + (1 - kept[:, None]) * targets[others]

    def on_epoch_end(self):
        self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch):
        """Deal the images for an epoch, counted from 0; epochs that follow each other need not be told."""
        self.epoch, self.images = epoch, self.copies[epoch % len(self.copies)]
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))


def _blend(images, others, generator, parameter):
    """The share float32 (n,) that each image keeps, and the images blended with those at `others`.

    In whole numbers, the share a multiple of 1/256: an eighth of the time of floats, for which an H200 had to wait.
    """
    parts = np.rint(256 * generator.beta(parameter, parameter, len(images))).astype("uint16")
    share = parts[:, None, None]
    blended = images.astype("uint16")
    other = blended[others]
    blended *= share  # in place: allocating would take most of the time
    other *= 256 - share
    blended += other
    blended += 128  # at most 255 * 256 + 128, which 16 bits hold
    blended >>= 8
    return parts.astype("float32") / 256, blended.astype("uint8")


def _paste(images, others, generator, parameter):
    """The share float32 (n,) that each image keeps, and the images, one rectangle a batch from those at `others`."""
    height, width = images.shape[1:3]
    side = np.sqrt(1 - generator.beta(parameter, parameter))
    rows, columns = (
        np.clip(np.rint([centre - side * size / 2, centre + side * size / 2]).astype(int), 0, size)
        for size, centre in ((size, generator.uniform(0, size)) for size in (height, width))
    )
    pasted = images.copy()
    place = np.s_[:, rows[0] : rows[1], columns[0] : columns[1]]
    pasted[place] = images[others][place]
    kept = 1 - (rows[1] - rows[0]) * (columns[1] - columns[0]) / (height * width)
    return np.full(len(images), kept, "float32"), pasted
