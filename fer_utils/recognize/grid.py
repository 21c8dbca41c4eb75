"""Which pixels of a face the cells of a layer see, through crops, resizing, padding and strides.

To lay a map of cells over a face, two numbers are needed. The receptive fields of neighbouring cells are `step` pixels
apart, and the first is centred on pixel `start` (Araujo, Norris, Sim 2019, doi:10.23915/distill.00021). Both follow
from the layers before.
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
    """The cells of a layer along one side of the face; both sides are equal.

    start: the pixel, 0 to 47, at the centre of the first cell's receptive field. step: pixels from cell to cell.
    seen: the first pixel that the network sees, and the first one after those.
    """

    start: float
    step: float
    seen: tuple[int, int]


def stages(model):
    """The layers that a map can be computed for, from fine to coarse: name -> ``Grid``.

    These are the last layers before each halving of the map's size. The prediction depends on nothing that bypasses
    them. Grad-CAM usually takes the very last: it is the last layer with positions.
    """
    backbone = backbone_of(model)
    found = {}
    skipped = (*POOLING, keras.layers.ZeroPadding2D, keras.layers.InputLayer)
    for layer in _path_to(backbone.output):
        if len(layer.output.shape) == 4 and not isinstance(layer, skipped):
            grid = grid_of(model, layer.name)
            found[grid.step] = (layer.name, grid)
    return dict(found.values())


def grid_of(model, layer):
    """The ``Grid`` of a layer of the backbone. layer: its name."""
    backbone = backbone_of(model)
    before = model.layers[: model.layers.index(backbone)]
    start, step, seen = 0.0, 1.0, (0, SIDE)
    for operation in (*before, *_path_to(backbone.get_layer(layer).output)):
        offset, ratio = _offset_and_stride(operation, seen[1] - seen[0])
        if isinstance(operation, CROPS):
            seen = (offset, offset + _kept(operation))  # in pixels of the face: a crop comes before all other layers
        start, step = start + offset * step, ratio * step
    return Grid(start, step, seen)


def enlarging(grid, cells):
    """The matrix, float32 (48, cells), that interpolates a row of `cells` values linearly to the face's 48 pixels.

    A map (cells, cells) becomes matrix @ map @ matrix.T. Pixels beyond the outermost centres get the outermost value.
    Pixels that the network does not see get 0.
    """
    pixels = np.arange(SIDE)
    place = np.clip((pixels - grid.start) / grid.step, 0, cells - 1)
    weight = np.maximum(1 - np.abs(place[:, None] - np.arange(cells)), 0)
    weight[(pixels < grid.seen[0]) | (pixels >= grid.seen[1])] = 0
    return weight.astype(np.float32)


def _path_to(tensor):
    """The layers from a model's input to `tensor`, along the first input of each."""
    path = []
    while tensor is not None:
        layer = tensor._keras_history.operation
        path.insert(0, layer)
        inputs = [] if isinstance(layer, keras.layers.InputLayer) else keras.tree.flatten(layer.input)
        tensor = inputs[0] if inputs else None
    return path


def _offset_and_stride(layer, side):
    """How far a layer moves the first cell's centre, and its stride, both in cells of its input.

    side: of the input of a crop or a resizing, in pixels.
    """
    if isinstance(layer, keras.layers.Resizing):
        ratio = side / layer.height
        return (ratio - 1) / 2, ratio  # pixels are areas: the corners of both images coincide
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return -layer.padding[0][0], 1
    if isinstance(layer, CROPS):
        return (side - _kept(layer)) // 2, 1
    if not isinstance(layer, WINDOWS):
        return 0, 1
    size = (layer.pool_size if isinstance(layer, POOLING) else layer.kernel_size)[0]
    stride = layer.strides[0]
    if layer.padding == "valid":
        return (size - 1) / 2, stride
    return (size - 1) / 2 - (size - stride) // 2, stride  # correct if the stride divides the side of the input


def _kept(crop):
    """How many pixels a side a crop keeps outside training."""
    return crop.answer_crop if isinstance(crop, TrainingCrop) else crop.output.shape[1]
