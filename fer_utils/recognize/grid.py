"""Where in a face the cells of a layer look, to the pixel: through crops, resizing, padding and strides (notebook 11).

A layer of 6 x 6 cells says something about places in the face. Which, follows from what lies before it: the receptive
fields of neighbouring cells are `step` pixels apart, and the first is centred on pixel `start` (Araujo, Norris, Sim
2019, doi:10.23915/distill.00021). To lay a map of cells over a face is to know these two numbers.
"""

from typing import NamedTuple

import keras
import numpy as np

from fer_utils.models.classifier import TrainingCrop
from fer_utils.models.heads import backbone_of
from fer_utils.names import SIDE

POOLING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
WINDOWS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, *POOLING)
CROPS = (keras.layers.CenterCrop, keras.layers.Cropping2D, TrainingCrop)


class Grid(NamedTuple):
    """The cells of a layer along one side of the face; both sides are alike.

    start: the pixel, 0 to 47, on which the first cell's receptive field is centred. step: pixels from one cell to the
    next. seen: the first pixel that the network sees, and the first behind it.
    """

    start: float
    step: float
    seen: tuple[int, int]


def stages(model):
    """The layers that a map can be made at, from fine to coarse: name -> ``Grid``.

    The last layer before each halving of the map's size, so all that the network answers has passed through it. The
    very last is the one that Grad-CAM is usually made at: no later one knows places.
    """
    backbone = backbone_of(model)
    found = {}
    for layer in _way(backbone.output):
        kept = len(layer.output.shape) == 4 and not isinstance(layer, (*POOLING, keras.layers.ZeroPadding2D))
        if kept and not isinstance(layer, keras.layers.InputLayer):
            grid = grid_of(model, layer.name)
            found[grid.step] = (layer.name, grid)
    return dict(found.values())


def grid_of(model, layer):
    """The ``Grid`` of a layer of the backbone, by its name."""
    backbone = backbone_of(model)
    before = model.layers[: model.layers.index(backbone)]
    start, step, seen = 0.0, 1.0, (0, SIDE)
    for operation in (*before, *_way(backbone.get_layer(layer).output)):
        offset, ratio = _moved(operation, seen[1] - seen[0])
        if isinstance(operation, CROPS):
            seen = (offset, SIDE - offset)  # a crop comes first, on the raw pixels
        start, step = start + offset * step, ratio * step
    return Grid(start, step, seen)


def enlarging(grid, cells):
    """The matrix that lays a row of `cells` values over the face's 48 pixels, bilinearly: float32 (48, cells).

    A map (cells, cells) becomes matrix @ map @ matrix.T. Beyond the outermost centres the outermost value holds; a
    pixel that the network does not see gets nothing.
    """
    pixels = np.arange(SIDE)
    place = np.clip((pixels - grid.start) / grid.step, 0, cells - 1)
    weight = np.maximum(1 - np.abs(place[:, None] - np.arange(cells)), 0)
    weight[(pixels < grid.seen[0]) | (pixels >= grid.seen[1])] = 0
    return weight.astype(np.float32)


def _way(tensor):
    """The layers from a model's input to `tensor`, along the first input of each."""
    way = []
    while tensor is not None:
        layer = tensor._keras_history.operation
        way.insert(0, layer)
        given = [] if isinstance(layer, keras.layers.InputLayer) else keras.tree.flatten(layer.input)
        tensor = given[0] if given else None
    return way


def _moved(layer, side):
    """How far a layer moves the first cell's centre, in cells that it is given, and how many of these its step is.

    side: of the image, in pixels, which is what a crop or a resizing is given.
    """
    if isinstance(layer, keras.layers.Resizing):
        ratio = side / layer.height
        return (ratio - 1) / 2, ratio  # pixels are areas: the corners of both images lie on each other
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return -layer.padding[0][0], 1
    if isinstance(layer, CROPS):
        kept = layer.answer_crop if isinstance(layer, TrainingCrop) else layer.output.shape[1]
        return (side - kept) // 2, 1
    if not isinstance(layer, WINDOWS):
        return 0, 1
    size = (layer.pool_size if isinstance(layer, POOLING) else layer.kernel_size)[0]
    stride = layer.strides[0]
    if layer.padding == "valid":
        return (size - 1) / 2, stride
    return (size - 1) / 2 - (size - stride) // 2, stride  # of sides that the stride divides
