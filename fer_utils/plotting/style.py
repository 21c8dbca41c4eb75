"""Colours, Axes and heat maps shared by all figures. No function shows or saves a figure or changes rcParams."""

import seaborn as sns
from matplotlib import pyplot as plt

from fer_utils.names import EMOTIONS

# Okabe and Ito's colours, which colour-blind people can distinguish (https://jfly.uni-koeln.de/color/). Their yellow
# is left out, since it is too faint on white.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"
BAR_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, BLACK)
# A colour and a line style per class, since four of these colours are almost the same in grey print.
LONG_DASHES, DASH_DOT_DOT, DENSE_DOTS = (0, (9, 2)), (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (1, 1))
STYLES = (
    (RED, LONG_DASHES),
    (GREEN, "--"),
    (PURPLE, "-."),
    (ORANGE, DASH_DOT_DOT),
    (BLUE, "-"),
    (SKY, DENSE_DOTS),
    (BLACK, ":"),
)
CLASS_STYLES = dict(zip(EMOTIONS, STYLES, strict=True))

BARS = {"saturation": 1, "gap": 0.06, "errorbar": None}  # seaborn's bars side by side in exactly the given colours


def heat_map(table, texts, colours, top, ax=None):
    """Draw a table as coloured cells from 0 to `top`, with texts and the names of rows and columns; returns the Axes.

    table: DataFrame of numbers. texts: strings, an array of the table's shape. colours: the name of a colour map.
    """
    ax = axes_or_new(ax, (6.2, 5.4))
    style = {"fmt": "", "annot_kws": {"fontsize": 8.5, "linespacing": 1.15}, "cbar": False, "square": True}
    sns.heatmap(table, annot=texts, cmap=colours, vmin=0, vmax=top, **style, ax=ax)
    ax.tick_params(length=0)
    ax.set_yticks(ax.get_yticks(), table.index, rotation=0)
    ax.set_xticks(ax.get_xticks(), table.columns, rotation=35, ha="right", rotation_mode="anchor")
    return ax


def require(table, columns):
    """Raise ValueError, naming the missing columns, if a table lacks some of `columns`."""
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"the table lacks the columns {missing}; it has {list(table.columns)}")


def axes_or_new(ax, size):
    """Return the given Axes, or those of a new figure of `size` (width, height) inches."""
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def axes_grid(figure, rows, columns, size, title):
    """An array of Axes (rows, columns) in the given figure, or in a new one of `size` (width, height) inches."""
    if figure is None:
        figure = plt.figure(figsize=size, layout="constrained")
    if title:
        figure.suptitle(title)
    return figure.subplots(rows, columns, squeeze=False)


def finish(ax, title=None, spines=("left", "bottom")):
    """Write the title, if any, hide all spines except `spines`, and return the Axes."""
    if title:
        ax.set_title(title)
    for side, spine in ax.spines.items():
        spine.set_visible(side in spines)
    return ax
