"""Figures that show images."""

import math
import textwrap

import numpy as np
from PIL import Image

from fer_utils.names import EMOTIONS
from fer_utils.plotting.style import axes_grid, finish


def sample_grid(images, labels=None, columns=7, titles=None, figure=None, title=None):
    """Draw a grid of images, row by row (the paper's Fig. 2; also a batch before and after augmentation).

    images: (n, height, width), (n, height, width, 1) or RGB (n, height, width, 3); uint8 or floats from 0 to 255, or
    floats from 0 to 1. labels: integers (n,), 0 to 6, shown as emotions, or strings. titles: strings (n,), shown
    instead of the labels. Returns an array of Axes (rows, columns); the last ones may be empty.
    """
    images = _as_images(images)
    captions = _captions(len(images), labels, titles)
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    rows = max(1, math.ceil(len(images) / columns))
    size = (columns * 1.25, rows * (1.45 if captions else 1.25) + (0.4 if title else 0))
    axes = axes_grid(figure, rows, columns, size, title)
    for index, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if index < len(images):
            _show_image(ax, images[index], captions[index] if captions else None)
    return axes


def challenges(panels, captions=None, figure=None, title=None):
    """Draw one row of images per difficulty of the data set, with its name on the left (Fig. 3).

    panels: dict, title of the row -> images as ``sample_grid`` takes them; rows may differ in length and image size.
    captions: dict, title of the row -> one string per image; rows may be missing. Returns Axes (rows, longest row).
    """
    if not panels:
        raise ValueError("challenges needs at least one row of images")
    rows = {name: _as_images(images) for name, images in panels.items()}
    columns = max(1, *(len(images) for images in rows.values()))
    axes = axes_grid(figure, len(rows), columns, (columns * 1.25 + 1.8, len(rows) * 1.4 + (0.4 if title else 0)), title)
    for (name, images), row in zip(rows.items(), axes, strict=True):
        texts = _captions(len(images), None, (captions or {}).get(name))
        for index, ax in enumerate(row):
            ax.set(xticks=[], yticks=[])
            finish(ax, spines=())
            if index < len(images):
                _show_image(ax, images[index], texts[index] if texts else None)
        # A label of the first Axes rather than free text, so that the layout makes room for it.
        row[0].set_ylabel(textwrap.fill(name, 20), rotation=0, ha="right", va="center", fontsize=10)
    return axes


def resize_comparison(image, size=224, figure=None, title=None):
    """Draw an image as stored and its bilinear enlargement next to it at the same size (Fig. 6).

    image: uint8 (height, width), 0 to 255. size: pixels per side after resizing. Returns two Axes.
    """
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"resize_comparison needs one uint8 image (height, width), got {image.dtype} {image.shape}")
    enlarged = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
    axes = axes_grid(figure, 1, 2, (7.2, 4), title)[0]
    ratio = f"{size * size / image.size:.1f} times as many, nothing new in them"
    texts = (f"{image.shape[0]} x {image.shape[1]} pixels, as stored", f"{size} x {size} pixels, bilinear\n({ratio})")
    for ax, shown, text in zip(axes, (image, enlarged), texts, strict=True):
        _show_image(ax, shown / np.float32(255))
        ax.set(xticks=[0, shown.shape[1] - 1], yticks=[0, shown.shape[0] - 1])
        ax.tick_params(length=0, labelsize=8)
        ax.set_title(text, fontsize=10)
        finish(ax, spines=())
    return axes


def _as_images(images):
    """Images as float32 (n, height, width) or (n, height, width, 3), 0 to 1. Raises ValueError for other shapes."""
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3):
        raise ValueError(f"images must be (n, height, width) or (n, height, width, 1 or 3), got {images.shape}")
    in_bytes = images.dtype.kind in "iu" or (images.size and images.max() > 1.5)  # else floats from 0 to 1
    # Augmentation may exceed the range by a rounding error, for which matplotlib would warn about RGB images.
    return np.clip(images.astype(np.float32) / (255 if in_bytes else 1), 0, 1)


def _show_image(ax, image, caption=None):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    if caption is not None:
        ax.set_title(caption, fontsize=9, pad=3)


def _captions(n, labels, titles):
    if titles is None and labels is not None:
        labels = np.asarray(labels)
        titles = [EMOTIONS[code] for code in labels] if labels.dtype.kind in "iu" else labels
    if titles is None:
        return None
    if len(titles) != n:
        raise ValueError(f"{n} images, but {len(titles)} labels or titles")
    return [str(text) for text in titles]
