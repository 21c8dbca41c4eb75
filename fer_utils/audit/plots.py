"""The figures of the audit: the paper's numbers, its verdicts, and the collapse experiment."""

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib import ticker

from fer_utils import comparison
from fer_utils.audit import checks
from fer_utils.comparison import paper
from fer_utils.names import EMOTIONS
from fer_utils.plotting.style import BARS, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, axes_or_new, finish

VERDICT_COLOURS = {
    checks.SELF_CONTRADICTED: RED,
    checks.ARITHMETIC: RED,
    checks.BY_DATA: ORANGE,
    checks.IMPLAUSIBLE: ORANGE,
    checks.NOT_REPRODUCED: PURPLE,
    checks.REPRODUCED: GREEN,
    checks.CONSISTENT: BLUE,
    checks.HOLDS: GREEN,
    checks.FAILS: RED,
}


def class_counts(stated, ax=None):
    """Bars of the training images per class, in Table 2 and in FER-2013. stated: Table 2's, emotion -> images."""
    ax = axes_or_new(ax, (9, 3.8))
    both = {"the paper's Table 2": stated, "FER-2013": checks.TRAINING_COUNTS}
    table = pd.DataFrame({f"{name}: {sum(counts.values()):,.0f}": counts for name, counts in both.items()})
    long = table.loc[list(EMOTIONS)].melt(var_name="source", value_name="images", ignore_index=False).reset_index()
    sns.barplot(long, x="index", y="images", hue="source", palette=[ORANGE, BLUE], **BARS, ax=ax)
    for bars in ax.containers:
        ax.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=8)
    ax.set_xlabel("")
    ax.set_ylabel("training images")
    ax.legend(frameon=False)
    return finish(ax)


def stated_accuracies(reported, ax=None):
    """Every validation accuracy that the paper states, by arm, with its 95 % interval for 7,178 images.

    reported: ``paper.reported()``. Hollow marks are values that the text reads off a curve. Dashed lines are the
    thresholds that were to stop an arm. The dotted line is the accuracy that people are said to reach.
    """
    ax = axes_or_new(ax, (9, 5.2))
    rows = reported[reported["quantity"].isin(["validation accuracy", "stopping threshold"])]
    labels, ticks, height = [], [], 0
    for arm in paper.ARMS:
        own = rows[rows["arm"] == arm]
        start = height
        for row in own[own["quantity"] == "validation accuracy"].to_dict("records"):
            low, high = checks.interval(row["value"])
            error = [[row["value"] - low], [high - row["value"]]]
            face = "white" if "prose" in row["note"] else BLUE
            ax.errorbar(row["value"], height, xerr=error, fmt="o", color=BLUE, markerfacecolor=face, capsize=3)
            labels.append(f"{comparison.arm_name(arm)}: {row['place'].removeprefix('section ')}")
            ticks.append(height)
            height += 1
        for threshold in own.loc[own["quantity"] == "stopping threshold", "value"]:
            ax.plot([threshold, threshold], [start - 0.4, height - 0.6], "--", color=RED)
        height += 0.7
    ax.axvline(65.5, linestyle=":", color="black", linewidth=1)
    ax.set_yticks(ticks, labels, fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel("validation accuracy, % (whiskers: Wilson, 95 %, n = 7,178)")
    return finish(ax)


def costs(table, axes=None):
    """Bars of the seconds per epoch and per megapixel for every time that the paper states; returns two Axes.

    table: from ``claims.stated_costs``.
    """
    if axes is None:
        axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")[1]
    titles = {"seconds_per_epoch": "seconds an epoch", "seconds_per_megapixel": "seconds a megapixel"}
    for ax, (column, title) in zip(axes, titles.items(), strict=True):
        sns.barplot(table, y="label", x=column, color=SKY, **BARS, ax=ax)
        ax.bar_label(ax.containers[0], fmt="{:.3g}", padding=3, fontsize=8)
        ax.set(xlabel=title, ylabel="")
        ax.margins(x=0.15)
        finish(ax)
    return axes


def verdicts(counts, ax=None):
    """Bars of the number of rows with each verdict. counts: from ``claims.verdict_counts``."""
    ax = axes_or_new(ax, (8, 0.4 * len(counts) + 1))
    colours = [VERDICT_COLOURS.get(name, "0.7") for name in counts.index]
    sns.barplot(x=counts.to_numpy(), y=list(counts.index), hue=list(counts.index), palette=colours, **BARS, ax=ax)
    for bars in ax.containers:
        ax.bar_label(bars, padding=3)
    ax.set_xlabel("rows")
    return finish(ax)


def collapse(table, ax=None):
    """Bars of each variant's majority_share and accuracy. table: from ``collapse.summarize_collapse``."""
    means = table.groupby("change", sort=False)[["majority_share", "accuracy"]].mean()
    ax = axes_or_new(ax, (9, 0.5 * len(means) + 1.2))
    means = means.set_axis(["share of the most frequent answer", "accuracy"], axis=1)
    long = means.melt(var_name="what", value_name="share", ignore_index=False).reset_index()
    sns.barplot(long, y="change", x="share", hue="what", palette=[ORANGE, BLUE], **BARS, ax=ax)
    for bars in ax.containers:
        ax.bar_label(bars, fmt="{:.0%}", padding=3, fontsize=8)
    ax.set_ylabel("")
    ax.set_xlim(0, 1.1)
    ax.set_xlabel("share of the validation images")
    ax.xaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return finish(ax)
