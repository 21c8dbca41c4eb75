"""Figures about labels: who agrees with them, and the accuracies that follow. None shows a face."""

import numpy as np
from matplotlib import ticker
from matplotlib.markers import CARETLEFT, CARETRIGHT

from fer_utils.plotting.style import (
    BAR_COLOURS,
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    RED,
    axes_grid,
    axes_or_new,
    finish,
    heat_map,
    require,
)

AGREEMENT_PARTS = (
    ("same", "the label", BLUE, ""),
    ("other", "another emotion", ORANGE, "////"),
    ("none", "no emotion, or a tie", "0.8", ""),
)
LINE_COLOURS = (RED, *BAR_COLOURS[:-1])  # without black, which "the labels themselves" have
DOT_COLOURS = (BLACK, *BAR_COLOURS)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def agreement_bars(table, ax=None, title=None):
    """Which answer got the most votes on the images of each label, as stacked bars in percent.

    table: DataFrame from ``ferplus.agreement_by_class``: rows EMOTIONS and "all", counts in the columns n, same, other
    and none. A class without images has no bar. Returns the Axes; ``ax.containers`` has one set of bars per part.
    """
    require(table, ["n", "same", "other", "none"])
    ax = axes_or_new(ax, (9, 0.45 * len(table) + 1.2))
    place = np.arange(len(table))
    start = np.zeros(len(table))
    n = np.maximum(table["n"].to_numpy(float), 1)
    for column, label, colour, hatch in AGREEMENT_PARTS:
        share = table[column].to_numpy(float) / n
        bars = ax.barh(place, share, 0.72, left=start, color=colour, hatch=hatch, edgecolor="white", label=label)
        texts = [f"{value:.0%}" if value >= 0.04 else "" for value in share]
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}
        ax.bar_label(bars, texts, label_type="center", fontsize=8.5, bbox=box)
        start += share
    ax.set_yticks(place, [f"{name} ({int(count):,})" for name, count in table["n"].items()])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel="share of the label's images for which the answer with the most votes is ...")
    ax.xaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    return finish(ax, title)


def accuracy_by_agreement(tables, ax=None, title=None):
    """Accuracy among images on which few to many voters agree, one line per run.

    tables: dict, name of the line -> DataFrame from ``ferplus.by_agreement`` (columns bin, n, accuracy, low, high); all
    with the same bins. The name "the labels themselves" is drawn black and dashed. Returns the Axes.
    """
    ax = axes_or_new(ax, (8, 4.6))
    first = next(iter(tables.values()))
    place = np.arange(len(first))
    for index, (name, table) in enumerate(tables.items()):
        require(table, ["bin", "n", "accuracy", "low", "high"])
        is_label = name == "the labels themselves"
        colour = BLACK if is_label else LINE_COLOURS[index % len(LINE_COLOURS)]
        value = table["accuracy"].to_numpy(float)
        reach = np.clip([value - table["low"], table["high"] - value], 0, None)
        shift = (index - (len(tables) - 1) / 2) * 0.05
        ax.errorbar(
            place + shift, value, reach, fmt="--" if is_label else "-", marker=MARKERS[index % len(MARKERS)],
            color=colour, capsize=3, linewidth=1.6, markersize=5, label=name,
        )  # fmt: skip
    ax.set_xticks(place, [f"{text}\n({n:,})" for text, n in zip(first["bin"], first["n"], strict=True)])
    ax.set(ylim=(0, 1), xlabel="voters who agree (images)", ylabel="accuracy")
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    ax.grid(axis="y", alpha=0.25)
    ax.legend(frameon=False, fontsize=9)
    return finish(ax, title)


def interval_dots(table, ax=None, title=None, xlabel="accuracy"):
    """Values with their intervals on one scale, one row each: ceilings, people, runs.

    table: DataFrame with the columns name, value, low, high (0 to 1; low and high may be NaN) and optionally kind,
    which decides colour and marker. Rows without a value are left out. Returns the Axes.
    """
    require(table, ["name", "value", "low", "high"])
    table = table[table["value"].notna()]
    if "kind" not in table:
        table = table.assign(kind="")
    ax = axes_or_new(ax, (9, 0.36 * len(table) + 1.3))
    for index, kind in enumerate(table["kind"].unique()):
        rows = np.flatnonzero(table["kind"] == kind)
        part = table.iloc[rows]
        value = part["value"].to_numpy(float)
        reach = np.nan_to_num(np.clip([value - part["low"], part["high"] - value], 0, None))
        style = {"fmt": MARKERS[index % len(MARKERS)], "color": DOT_COLOURS[index % len(DOT_COLOURS)], "capsize": 3}
        ax.errorbar(value, rows, xerr=reach, label=kind or None, **style)
        text = {"textcoords": "offset points", "va": "center", "fontsize": 8.5}
        for row, number, edge in zip(rows, value, np.fmax(part["high"], value), strict=True):
            ax.annotate(f"{100 * number:.1f}", (edge, row), (5, 0), **text)
    names = table["name"].where(table["name"] != table["name"].shift(), "")  # once for adjacent rows
    ax.set_yticks(range(len(table)), names)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_xlabel(xlabel)
    ax.xaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    ax.margins(x=0.12)
    ax.grid(axis="x", alpha=0.25)
    if table["kind"].nunique() > 1:
        ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return finish(ax, title)


def confusion_shares(matrix, ax=None, title=None):
    """A confusion matrix of some errors, with the counts as text and as colours.

    matrix: DataFrame (7, 7) of counts from ``errors.confusions``, rows labels, columns predictions. Fractions are
    rounded in the text. Returns the Axes.
    """
    counts = matrix.to_numpy(float)
    texts = np.where(counts > 0, [[f"{count:.0f}" for count in row] for row in counts], "")
    ax = heat_map(matrix, texts, "Oranges", max(counts.max(), 1e-9), ax)
    ax.set(xlabel="answer", ylabel="label")
    return finish(ax, title, spines=())


def weighting_arrows(table, figure=None, title=None):
    """Recall and precision of each emotion without and with class weights, as arrows; the rarest emotion on top.

    table: DataFrame from ``weighting.price_of_weights``; its row "all" is not drawn. Without a first value (the
    precision of an emotion that was never predicted), the second is a diamond without an arrow. Returns the array of
    two Axes.
    """
    require(table, ["n", "recall", "weighted_recall", "precision", "weighted_precision"])
    shown = table.drop(index="all", errors="ignore").sort_values("n", ascending=False)
    axes = axes_grid(figure, 1, 2, (11, 3.8), title)[0]
    place = np.arange(len(shown))
    for ax, measure in zip(axes, ("recall", "precision"), strict=True):
        before, after = shown[measure].to_numpy(float), shown[f"weighted_{measure}"].to_numpy(float)
        for y, start, end in zip(place, before, after, strict=True):
            colour, mark = BLUE, "D"
            if end > start:
                colour, mark = GREEN, CARETRIGHT
            elif end < start:
                colour, mark = ORANGE, CARETLEFT
            ax.plot([start, end], [y, y], color=colour, linewidth=2)
            # A caret with its tip at the value, since an arrow's head is longer than some changes.
            ax.plot(end, y, marker=mark, color=colour, markersize=7, zorder=3)
        ax.plot(before, place, "o", color=BLACK, markersize=5)
        without = "\n(diamond: never answered without them)" if (np.isnan(before) & np.isfinite(after)).any() else ""
        ax.set(xlim=(0, 1), xlabel=f"{measure}, test split: dot without weights, tip with them{without}")
        ax.xaxis.set_major_formatter(ticker.PercentFormatter(1.0))
        ax.set_yticks(place, [f"{name} ({int(n):,})" for name, n in shown["n"].items()])
        ax.set_ylim(-0.5, len(shown) - 0.5)  # the same rows in both Axes, even where one has no point
        finish(ax, None)
    return axes
