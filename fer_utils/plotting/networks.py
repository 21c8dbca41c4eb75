"""Figures of a network, made from the model itself.

Keras is not imported: the functions only ask a model's layers for their attributes. As in all of ``plotting``, no
function shows or saves a figure or changes rcParams.
"""

import math
import re
import textwrap
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import Polygon

# Okabe and Ito's colours, lightened so that black text stays readable on them.
KIND_COLOURS = {
    "input": "#D9D9D9",
    "preparation": "#D9D9D9",
    "convolution": "#8EC6E6",
    "residual": "#DDB4CC",
    "pooling": "#F2C46D",
    "head": "#8FD1BC",
}
# Layers that belong to the stage of the layer before them.
FOLLOWERS = ("BatchNormalization", "Activation", "ReLU", "Dropout", "Softmax")
COLUMN = 1.3  # inches from one stage to the next
TALLEST = 1.7  # inches, the height of the largest image


@dataclass
class Stage:
    """Consecutive layers drawn as one group. shape: of the output, without the batch axis."""

    kind: str
    shape: tuple
    layers: list = field(default_factory=list)

    @property
    def parameters(self) -> int:
        return sum(int(layer.count_params()) for layer in self.layers)

    @property
    def frozen(self) -> bool:
        weighted = [layer for layer in self.layers if layer.count_params()]
        return bool(weighted) and not any(layer.trainable for layer in weighted)


def flat_layers(model) -> list:
    """The layers of a model in order; a nested model is replaced by its layers. Raises ValueError without layers."""
    layers = []
    for layer in model.layers:
        if getattr(layer, "layers", None):
            # The input of a nested model is only where the outer tensor enters.
            layers.extend(inner for inner in flat_layers(layer) if _type(inner) != "InputLayer")
        else:
            layers.append(layer)
    if not layers:
        raise ValueError(f"{getattr(model, 'name', model)!r} has no layers: build the model before drawing it")
    return layers


def stages(model) -> list[Stage]:
    """Group a model's layers into stages: the input, the preparation, the convolutions and the head.

    Preparation is what comes before the first convolution. Convolutions have one stage per image size, including the
    pooling before it; with Add layers, its kind is "residual". The head has one stage for each flattening, pooling and
    dense layer, including its dropout and batch norm.
    """
    groups: list[Stage] = []
    padding: list = []
    convolved = False
    for layer in flat_layers(model):
        name, shape = _type(layer), _shape(layer)
        if name == "ZeroPadding2D":
            padding.append(layer)  # belongs to the next layer, but has another size
            continue
        convolved = convolved or "Conv" in name
        if name == "InputLayer":
            kind = "input"
        elif len(shape) == 1:
            kind = "head"
        else:
            kind = "convolution" if convolved else "preparation"
        if not (groups and _joins(groups[-1], kind, name, shape)):
            groups.append(Stage(kind, shape))
        groups[-1].layers += [*padding, layer]
        groups[-1].shape = shape
        padding = []
    for group in groups:
        names = [_type(layer) for layer in group.layers]
        if "Add" in names:
            group.kind = "residual"
        elif group.kind == "convolution" and not any("Conv" in name for name in names):
            group.kind = "pooling"
    return groups


def architecture(model, ax=None, title=None):
    """Draw a network as slabs, one per convolution or residual block.

    Height shows image size, thickness the number of channels. Below each stage: output shape, layers, parameters, and
    whether all are frozen. Counterpart of the paper's Figs. 4 and 5. model: a built Keras model, also a nested one, for
    images of one size.
    """
    groups = stages(model)
    texts = [_describe(group) for group in groups]
    width = COLUMN * len(groups)
    text_height = 0.3 + 0.165 * max(text.count("\n") + 1 for text in texts)
    font = 8.5
    if ax is None:
        ax = plt.subplots(figsize=(width, TALLEST + text_height + 0.9), layout="constrained")[1]
    else:
        font *= float(np.clip(ax.get_window_extent().width / ax.figure.dpi / width, 0.5, 1.1))
    largest = max(group.shape[0] for group in groups if len(group.shape) > 1 or group is groups[0])
    right = None
    for index, group in enumerate(groups):
        left, end = _draw_stage(ax, group, (index + 0.5) * COLUMN, largest)
        if right is not None:
            ax.annotate("", (left - 0.02, 0), (right + 0.02, 0), arrowprops={"arrowstyle": "->", "color": "0.45"})
        right = end
        x, y = (index + 0.5) * COLUMN, -0.56 * TALLEST - 0.12
        ax.text(x, y, " x ".join(map(str, group.shape)), ha="center", va="top", fontsize=font, fontweight="bold")
        ax.text(x, y - 0.2, texts[index], ha="center", va="top", fontsize=font, linespacing=1.25)
    ax.set(xlim=(0, width), ylim=(-0.56 * TALLEST - 0.12 - text_height, 0.56 * TALLEST + 0.1), aspect="equal")
    ax.set_axis_off()
    total = f"{sum(group.parameters for group in groups):,} parameters"
    ax.set_title(f"{title} ({total})" if title else total)
    return ax


def _type(layer) -> str:
    return type(layer).__name__


def _shape(layer) -> tuple:
    """Shape of the output, or of the first of several outputs, without the batch axis."""
    output = layer.output[0] if isinstance(layer.output, (list, tuple)) else layer.output
    return tuple(output.shape)[1:]


def _joins(group, kind, name, shape) -> bool:
    """Whether a layer belongs to the group before it."""
    if group.kind == "input":
        return False
    if name in FOLLOWERS:
        return True
    if group.kind != kind:
        return False
    return kind == "preparation" or (kind == "convolution" and group.shape[:2] == shape[:2])


def _describe(group) -> str:
    names = [_type(layer) for layer in group.layers]
    lines = []
    if group.kind == "input":
        lines.append("input")
    elif group.kind == "preparation":
        lines += [re.sub(r"_\d+$", "", layer.name).replace("_", " ") for layer in group.layers]
    elif group.kind == "head":
        lines += [_head_line(layer) for layer in group.layers if _type(layer) not in ("Activation", "ReLU")]
    else:
        lines += ["max pool" if "Max" in name else "average pool" for name in names if "Pooling" in name]
        kernels = Counter("x".join(map(str, layer.kernel_size)) for layer in group.layers if "Conv" in _type(layer))
        if group.kind == "residual":
            blocks = names.count("Add")
            lines.append(f"{blocks} residual block{'s' if blocks > 1 else ''}:")
        lines += [f"{count} conv {kernel}" for kernel, count in kernels.items()]
    if group.parameters:
        lines.append(f"{_short(group.parameters)} parameters")
    if group.frozen:
        lines.append("(frozen)")
    return "\n".join(textwrap.fill(line, 18) for line in lines)


def _head_line(layer) -> str:
    name = _type(layer)
    if name == "Dense":
        activation = getattr(layer.activation, "__name__", "")
        return f"dense {_shape(layer)[-1]} {activation}".strip()
    if name == "Dropout":
        return f"dropout {layer.rate}"
    # GlobalAveragePooling2D -> global average pooling
    return " ".join(re.findall(r"[A-Z][a-z]+", name)).lower()


def _short(count) -> str:
    for limit, suffix in ((1e6, " M"), (1e3, " k")):
        if count >= 0.9995 * limit:  # a count that would round to 1,000 k becomes 1 M
            return f"{float(f'{count / limit:.3g}'):,g}{suffix}"
    return str(count)


def _draw_stage(ax, group, centre, largest) -> tuple[float, float]:
    """Draw the slabs of one stage around ``centre``; returns their left and right ends at half height."""
    names = [_type(layer) for layer in group.layers]
    if len(group.shape) == 1 and group.kind != "input":
        height, depth = TALLEST * max(0.12, min(1.0, math.log2(group.shape[0] + 1) / 13)), 0.0
    else:
        # The square root keeps a 1 x 1 image visible next to one of 224 x 224.
        height = TALLEST * max(0.08, math.sqrt(group.shape[0] / largest))
        depth = 0.2 * height
    slabs = names.count("Add") or max(1, sum("Conv" in name for name in names))
    channels = group.shape[-1] if len(group.shape) == 3 else 1
    gap = 0.05
    thickest = (COLUMN - 0.25 - depth) / slabs - gap
    thickness = max(0.02, min(0.03 * math.log2(channels + 2), thickest))
    left = centre - (slabs * (thickness + gap) - gap + depth) / 2
    for slab in range(slabs):
        _draw_slab(ax, left + slab * (thickness + gap), thickness, height, depth, KIND_COLOURS[group.kind])
    return left, left + slabs * (thickness + gap) - gap + depth


def _draw_slab(ax, left, thickness, height, depth, colour):
    right, rise = left + thickness, 0.6 * depth
    top, bottom = height / 2 - rise / 2, -height / 2 - rise / 2
    front = [(left, bottom), (right, bottom), (right, top), (left, top)]
    side = [(right, bottom), (right + depth, bottom + rise), (right + depth, top + rise), (right, top)]
    lid = [(left, top), (right, top), (right + depth, top + rise), (left + depth, top + rise)]
    for corners, darkness in ((front, 0.0), (lid, 0.125), (side, 0.0625)):
        ax.add_patch(Polygon(corners, facecolor=colour, edgecolor="0.25", linewidth=0.6))
        ax.add_patch(Polygon(corners, facecolor="black", alpha=darkness, edgecolor="none"))
