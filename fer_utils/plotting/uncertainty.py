"""Figures about the uncertainty of results."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker

from fer_utils.names import EMOTIONS
from fer_utils.plotting.style import BLACK, BLUE, ORANGE, axes_or_new, finish, require


def pairwise_differences(table, names=str, ax=None, title=None):
    """Draw the difference in accuracy of each pair of arms with its interval; significant ones have filled marks.

    table: DataFrame from ``evaluation.pairwise``. If it has the interval from the two arms' own seeds, this is a thin
    line below. names: function from an arm to its name. Returns the Axes.
    """
    require(table, ["first", "second", "difference", "low", "high", "differ"])
    ax = axes_or_new(ax, (9, 0.38 * len(table) + 1.3))
    ax.axvline(0, color="0.5", linewidth=1)
    for y, row in enumerate(table.to_dict("records")):
        colour = BLUE if row["differ"] else "0.45"
        ax.plot([100 * row["low"], 100 * row["high"]], [y, y], color=colour, linewidth=1.6)
        own = [100 * row.get("own_low", np.nan), 100 * row.get("own_high", np.nan)]
        ax.plot(own, [y + 0.28, y + 0.28], color="0.6", linewidth=0.9)
        ax.plot(100 * row["difference"], y, "o", color=colour, markerfacecolor=colour if row["differ"] else "white")
    ax.set_yticks(range(len(table)), table["first"].map(names) + "  over  " + table["second"].map(names))
    ax.invert_yaxis()
    ax.set_xlabel("difference in test accuracy, percentage points (95 % interval; filled: corrected p < 0.05)")
    return finish(ax, title)


def reliability_diagram(table, error=None, ax=None, title=None):
    """Draw accuracy over confidence. On the diagonal, they are equal.

    table: DataFrame from ``evaluation.reliability``. error: the expected calibration error (0 to 1), shown below.
    """
    require(table, ["low", "high", "n", "confidence", "accuracy"])
    ax = axes_or_new(ax, (5, 4.6))
    used = table[table["n"] > 0]
    width = table["high"] - table["low"]
    shade = 0.25 + 0.75 * used["n"] / max(used["n"].max(), 1)
    bars = ax.bar(used["low"], used["accuracy"], width[used.index], align="edge", color=BLUE, edgecolor="white")
    for bar, alpha in zip(bars, shade, strict=True):
        bar.set_alpha(alpha)
    ax.plot([0, 1], [0, 1], "--", color=BLACK, linewidth=1, label="right as often as it says")
    ax.plot(used["confidence"], used["accuracy"], "o", color=ORANGE, markersize=4, label="mean of the bin")
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", ylabel="accuracy")
    note = "" if error is None else f" (expected calibration error {100 * error:.1f} %)"
    ax.set_xlabel(f"probability of the answer{note}")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(ticker.PercentFormatter(1.0))
    ax.legend(frameon=False, loc="upper left")
    return finish(ax, title)


def recall_intervals(summary, intervals, ax=None, title=None):
    """Draw the recall of each emotion with its interval and the number of its images.

    summary: from ``evaluation.summarize``; intervals: from ``evaluation.metric_intervals`` of the same predictions.
    An emotion without images has no mark. Returns the Axes.
    """
    ax = axes_or_new(ax, (7.5, 3.6))
    labels = []
    for place, emotion in enumerate(EMOTIONS):
        scores = summary["per_class"][emotion]
        labels.append(f"{emotion}\n{scores['support']:,}")
        interval = intervals[f"recall {emotion}"]
        if scores["recall"] is not None and interval is not None:
            ax.plot([place, place], interval, color=BLUE, linewidth=2)
            ax.plot(place, scores["recall"], "o", color=BLUE)
    ax.set_xticks(range(len(EMOTIONS)), labels)
    ax.set(ylim=(0, 1), ylabel="recall (95 % interval)")
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    return finish(ax, title)


def selection_curves(right, ax=None, title=None):
    """Draw the accuracy on PublicTest and PrivateTest after each epoch, with the best epoch of each marked.

    right: split -> bool (epochs, n), from ``epoch_choice.read_epochs``. Returns the Axes.
    """
    ax = axes_or_new(ax, (8, 4.2))
    for split, name, colour, style in (("validation", "PublicTest", ORANGE, "--"), ("test", "PrivateTest", BLUE, "-")):
        accuracy = right[split].mean(axis=1)
        epochs = np.arange(1, len(accuracy) + 1)
        ax.plot(epochs, accuracy, style, color=colour, label=name)
        best = int(accuracy.argmax())
        ax.plot(epochs[best], accuracy[best], "o", color=colour, markersize=8, markerfacecolor="none")
    ax.set(xlabel="epoch", ylabel="accuracy")
    ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    ax.legend(frameon=False)
    return finish(ax, title)


def ladder_differences(table, ax=None, title=None):
    """Draw the accuracy of each rung with its interval, and the difference to the rung that it changes.

    table: DataFrame from ``results.summarize``. Differences with filled marks are significant by the corrected test.
    Returns the two Axes.
    """
    columns = ["change", "accuracy", "low", "high", "difference", "difference_low", "difference_high", "differ"]
    require(table, columns)
    if ax is None:
        _, ax = plt.subplots(1, 2, figsize=(11, 0.42 * len(table) + 1.4), sharey=True, layout="constrained")
    for y, row in enumerate(table.to_dict("records")):
        ax[0].plot([100 * row["low"], 100 * row["high"]], [y, y], color="0.6", linewidth=1.4)
        ax[0].plot(100 * row["accuracy"], y, "o", color=BLACK)
        if np.isnan(row["difference"]):
            continue
        colour, fill = "0.45", "white"
        if row["differ"]:
            colour = fill = BLUE if row["difference"] > 0 else ORANGE
        ax[1].plot([100 * row["difference_low"], 100 * row["difference_high"]], [y, y], color=colour, linewidth=1.6)
        ax[1].plot(100 * row["difference"], y, "o", color=colour, markerfacecolor=fill)
    ax[1].axvline(0, color="0.5", linewidth=1)
    ax[0].set_yticks(range(len(table)), [textwrap.fill(change, 60) for change in table["change"]])
    ax[0].set_ylim(len(table) - 0.5, -0.5)
    ax[0].set_xlabel("accuracy on PublicTest, %\n(Wilson, 95 %)")
    ax[1].set_xlabel("difference to the rung before, points\n(95 %)")
    finish(ax[0], title)
    finish(ax[1])
    return ax
