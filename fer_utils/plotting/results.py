"""Figures of class counts, training curves, confusion matrices and arms."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import ticker
from sklearn import metrics

from fer_utils.command_line import duration
from fer_utils.names import ARCHITECTURE_NAMES, EMOTIONS, STRATEGY_NAMES, USAGES
from fer_utils.plotting.style import (
    BAR_COLOURS,
    BARS,
    BLACK,
    BLUE,
    CLASS_STYLES,
    ORANGE,
    RED,
    axes_grid,
    axes_or_new,
    finish,
    heat_map,
    require,
)


def class_counts(labels, usage, ax=None, title=None):
    """Draw bars of the number of images per class and split (the paper's Table 2 and Fig. 7).

    labels: integers (n,), 0 to 6. usage: strings (n,), the split of each image; splits are drawn in the order of
    ``USAGES``, other names after them. Returns the Axes; ``ax.containers`` holds one set of seven bars per split.
    """
    labels, usage = np.asarray(labels), np.asarray(usage)
    if labels.shape != usage.shape or labels.ndim != 1 or not labels.size:
        raise ValueError(f"labels and usage must both be (n,) and not empty, got {labels.shape} and {usage.shape}")
    known = [*USAGES, *sorted(set(usage.tolist()) - set(USAGES))]
    splits = [name for name in known if name in usage]
    counts = pd.crosstab(labels, usage).reindex(index=range(len(EMOTIONS)), columns=splits, fill_value=0)
    counts = counts.set_axis(EMOTIONS).set_axis([f"{name} ({n:,})" for name, n in counts.sum().items()], axis=1)
    table = counts.melt(var_name="split", value_name="images", ignore_index=False).reset_index(names="emotion")
    colours = [BAR_COLOURS[known.index(name) % len(BAR_COLOURS)] for name in splits]
    ax = axes_or_new(ax, (10, 4.2))
    sns.barplot(table, x="emotion", y="images", hue="split", palette=colours, **BARS, ax=ax)
    for bars in ax.containers:
        ax.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=8)
    ax.set_xlabel("")
    ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    ax.margins(y=0.1)
    ax.legend(frameon=False)
    return finish(ax, title)


def history_curves(history, monitor="val_accuracy", figure=None, title=None):
    """Draw loss and accuracy by epoch, for training and validation (Figs. 9, 11, 13, 15, 17, 19).

    history: DataFrame with the columns epoch (from 1), loss, accuracy and, if validated, val_loss and val_accuracy.
    monitor: column whose best epoch (highest accuracy, lowest loss) is marked; None marks none. Returns two Axes.
    """
    require(history, ["epoch", "loss", "accuracy"])
    axes = axes_grid(figure, 1, 2, (11, 3.8), title)[0]
    best = None
    values = history.get(monitor, pd.Series(dtype=float)).dropna()
    if not values.empty:
        best = history.loc[values.idxmax() if "accuracy" in monitor else values.idxmin()]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        _draw_curve(ax, history, name, "training", BLUE, "-")
        if f"val_{name}" in history:
            _draw_curve(ax, history, f"val_{name}", "validation", ORANGE, "--")
            if best is not None:
                _mark_best(ax, best, f"val_{name}")
        ax.set(xlabel="epoch", ylabel="cross-entropy (nats)" if name == "loss" else "accuracy")
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
        if name == "accuracy":
            ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
        ax.grid(alpha=0.25)
        ax.legend(frameon=False)
        finish(ax)
    return axes


def confusion_matrix(matrix, ax=None, title=None):
    """Draw a confusion matrix with the share and count in each cell (Figs. 10, 12, 14, 16, 18, 20).

    matrix: counts (7, 7), rows true, columns predicted. Shares and colours are per row, so the diagonal is the recall.
    """
    matrix = np.asarray(matrix)
    size = len(EMOTIONS)
    if matrix.shape != (size, size) or (matrix < 0).any():
        raise ValueError(f"a confusion matrix is ({size}, {size}) counts, got {matrix.shape}")
    totals = matrix.sum(axis=1, keepdims=True)
    share = matrix / np.maximum(totals, 1)
    texts = np.vectorize("{:,}".format, otypes=[object])(matrix)
    # A row without images shows no shares, since 0 % would claim a measurement.
    texts = np.where(totals > 0, np.vectorize("{:.0%}\n".format, otypes=[object])(share) + texts, texts)
    names = [f"{name} ({total:,})" for name, total in zip(EMOTIONS, totals[:, 0], strict=True)]
    ax = heat_map(pd.DataFrame(share, names, EMOTIONS), texts, "Blues", 1.0, ax)
    ax.set(xlabel="predicted", ylabel="true (images)")
    return finish(ax, title, spines=())


def roc_curves(labels, probabilities, ax=None, title=None):
    """Draw one ROC curve per class against the rest, with its AUC in the legend (Fig. 21).

    labels: integers (n,), 0 to 6. probabilities: floats (n, 7). A class of no image or of all images has no curve.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim != 1 or probabilities.shape != (len(labels), len(EMOTIONS)):
        raise ValueError(f"needed: labels (n,), probabilities (n, 7); got {labels.shape} and {probabilities.shape}")
    ax = axes_or_new(ax, (6, 5.4))
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle=(0, (2, 3)))
    for code, emotion in enumerate(EMOTIONS):
        is_class = labels == code
        if not is_class.any() or is_class.all():
            continue
        false_rate, true_rate, _ = metrics.roc_curve(is_class, probabilities[:, code])
        label = f"{emotion} (AUC {metrics.auc(false_rate, true_rate):.3f})"
        colour, line = CLASS_STYLES[emotion]
        ax.plot(false_rate, true_rate, linestyle=line, color=colour, linewidth=1.8, label=label)
    ax.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    if len(ax.get_lines()) > 1:
        ax.legend(loc="lower right", frameon=False, fontsize=9, handlelength=3)
    return finish(ax, title)


def accuracy_bars(table, figure=None, title=None):
    """Draw training and validation accuracy by strategy, one panel per architecture (Fig. 22).

    table: DataFrame with one row per architecture, strategy and source. Columns: architecture, strategy, source
    ("ours", "paper", ...; each has its own bars, solid for the first), training_accuracy and validation_accuracy (0 to
    1 or NaN), and low and high, the ends of the validation accuracy's interval.
    Returns an array of Axes, one per architecture.
    """
    table = _arms(table, ["training_accuracy", "validation_accuracy", "low", "high"])
    architectures, sources = list(table["architecture"].unique()), list(table["source"].unique())
    axes = axes_grid(figure, 1, len(architectures), (max(6, 2.4 + 1.15 * len(table)), 4.4), title)[0]
    width = 0.86 / (2 * len(sources))
    for ax, architecture in zip(axes, architectures, strict=True):
        rows = table[table["architecture"] == architecture]
        strategies = [name for name in STRATEGY_NAMES if name in set(rows["strategy"])]
        for index, source in enumerate(sources):
            ordered = rows[rows["source"] == source].set_index("strategy").reindex(strategies)
            for half, (split, colour) in enumerate((("training", BLUE), ("validation", ORANGE))):
                position = np.arange(len(strategies)) + (2 * index + half - len(sources) + 0.5) * width
                values = ordered[f"{split}_accuracy"].to_numpy(float)
                style = _bar_style(colour, index) | {"error_kw": {"ecolor": BLACK, "elinewidth": 1.3, "capsize": 3}}
                if split == "validation":
                    low, high = ordered[["low", "high"]].to_numpy(float).T
                    style["yerr"] = np.stack([values - low, high - values]).clip(min=0)
                bars = ax.bar(position, values, width * 0.94, label=f"{split}, {source}", **style)
                ax.bar_label(bars, [f"{100 * value:.1f}" for value in values], padding=2, fontsize=8)
        ax.set_xticks(range(len(strategies)), [STRATEGY_NAMES[name] for name in strategies])
        ax.set(ylim=(0, 1), ylabel="accuracy")
        ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))
        finish(ax, ARCHITECTURE_NAMES.get(architecture, architecture))
    handles, texts = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, texts, loc="outside lower center", ncols=len(texts), frameon=False)
    return axes


def time_bars(table, ax=None, title=None):
    """Draw the training time of each arm on a logarithmic axis, since machines differ much (Fig. 23).

    table: DataFrame with the columns architecture, strategy, seconds and source, as in ``accuracy_bars``.
    """
    table = _arms(table, ["seconds"])
    sources = list(table["source"].unique())
    names = [table["architecture"].replace(ARCHITECTURE_NAMES), table["strategy"].replace(STRATEGY_NAMES)]
    table = table.assign(arm=names[0] + ", " + names[1])
    ax = axes_or_new(ax, (8, 1 + 0.36 * table["arm"].nunique() * (len(sources) + 0.4)))
    colours = BAR_COLOURS[: len(sources)]
    sns.barplot(table, y="arm", x="seconds", hue="source", palette=colours, legend=False, **BARS, ax=ax)
    for index, bars in enumerate(ax.containers):
        for bar in bars:
            bar.set(**_bar_style(BAR_COLOURS[index % len(BAR_COLOURS)], index))
        ax.bar_label(bars, fmt=_seconds, padding=4, fontsize=8.5)
    ax.set_xscale("log")
    ax.margins(x=0.3)  # room for the text at the longest bar's end
    ax.set(ylabel="", xlabel="training time (seconds, logarithmic)")
    if len(sources) > 1:
        ax.legend(ax.containers, sources, frameon=False)
    return finish(ax, title)


def _arms(table, columns):
    """Return the table. Raises ValueError for missing columns, unknown strategies and repeated rows."""
    require(table, ["architecture", "strategy", "source", *columns])
    unknown = sorted(set(table["strategy"]) - set(STRATEGY_NAMES))
    if unknown:
        raise ValueError(f"unknown strategies {unknown}: use {list(STRATEGY_NAMES)}")
    repeated = table.duplicated(["architecture", "strategy", "source"])
    if repeated.any():
        raise ValueError(f"one row per architecture, strategy and source, but row {repeated.idxmax()} repeats one")
    return table


def _bar_style(colour, index):
    """Solid bars for the first source, hatched outlines for the others, so that they also differ in grey print."""
    if index == 0:
        return {"color": colour, "edgecolor": colour}
    return {"facecolor": "white", "edgecolor": colour, "hatch": ("////", "....", "xxxx")[(index - 1) % 3]}


def _seconds(seconds):
    if seconds >= 600:
        return f"{seconds:,.0f} s ({duration(seconds)})"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _draw_curve(ax, history, column, label, colour, style):
    # A single epoch is a point, not a line, and needs a marker to be visible.
    marker = "o" if len(history) == 1 else None
    ax.plot(history["epoch"], history[column], style, color=colour, label=label, linewidth=1.8, marker=marker)


def _mark_best(ax, best, column):
    epoch, value = int(best["epoch"]), float(best[column])
    text = f"best epoch {epoch}: {value:.1%}" if column.endswith("accuracy") else f"at epoch {epoch}: {value:.3f}"
    ax.axvline(epoch, color="0.5", linewidth=1, linestyle=":")
    # A ring, so that the curve's own point stays visible.
    ax.plot([epoch], [value], "o", color=RED, markerfacecolor="none", markeredgewidth=2, markersize=10, label=text)
