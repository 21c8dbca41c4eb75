"""Figures of maps and of the effects of changes. Each takes arrays or tables and returns its Axes."""

import numpy as np
from matplotlib import ticker

from fer_utils.plotting.style import BLACK, BLUE, ORANGE, axes_grid, axes_or_new, finish, heat_map, require
from fer_utils.recognize.changes import KINDS

COLOURS = "inferno"


def overlays(images, rows, titles=None, figure=None, title=None):
    """Draw faces in the first row, and in the rows below maps over them, each scaled to its own largest value.

    images: uint8 (n, 48, 48). rows: dict, name of the row -> maps (n, 48, 48), of which the part above 0 is shown, or
    bool masks; uint8 is shown as other faces. titles: strings (n,), above the faces. Returns Axes (rows + 1, n).
    """
    rows = [("face", images), *rows.items()]
    axes = axes_grid(figure, len(rows), len(images), (1.25 * len(images) + 1.2, 1.35 * len(rows)), title)
    for line, (name, maps) in zip(axes, rows, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for column, ax in enumerate(line):
            ax.set(xticks=[], yticks=[])
            finish(ax, None, spines=())
            are_faces = maps is images or maps.dtype == np.uint8
            ax.imshow(maps[column] if are_faces else images[column], cmap="gray", vmin=0, vmax=255)
            if not are_faces:
                over = np.maximum(maps[column].astype(float), 0)
                ax.imshow(over, cmap=COLOURS, alpha=0.6, vmin=0, vmax=max(over.max(), 1e-9))
    if titles is not None:
        for column, ax in enumerate(axes[0]):
            ax.set_title(str(titles[column]), fontsize=9, pad=3)
    return axes


def mean_maps(maps, figure=None, title=None):
    """Draw the mean map of each emotion, all on one scale. maps: dict, name -> (48, 48). Returns an array of Axes."""
    axes = axes_grid(figure, 1, len(maps), (1.35 * len(maps), 1.7), title)[0]
    largest = max(float(np.max(one)) for one in maps.values())
    for ax, (name, one) in zip(axes, maps.items(), strict=True):
        ax.imshow(one, cmap=COLOURS, vmin=0, vmax=max(largest, 1e-9))
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=9, pad=3)
        finish(ax, None, spines=())
    return axes


def cascade_curves(table, ax=None, title=None):
    """Draw how similar the maps stay while one layer after the other is randomised. Returns the Axes.

    table: DataFrame with the columns layer, rank_correlation and structural_similarity, a row a step.
    """
    require(table, ["layer", "rank_correlation", "structural_similarity"])
    ax = axes_or_new(ax, (8, 3.8))
    place = np.arange(len(table))
    ax.plot(place, table["rank_correlation"], "o-", color=BLUE, label="rank correlation (Spearman)")
    ax.plot(place, table["structural_similarity"], "s--", color=ORANGE, label="structural similarity (SSIM)")
    ax.axhline(0, color="0.5", linewidth=1)
    ax.set_xticks(place, table["layer"], rotation=35, ha="right", rotation_mode="anchor", fontsize=8.5)
    ax.set(xlabel="randomised down to this layer", ylabel="similarity to the original maps", ylim=(-0.3, 1.05))
    ax.legend(frameon=False)
    return finish(ax, title)


def parts_matrix(table, ax=None, title=None):
    """Draw the share of each emotion's maps on each emotion's parts, as a multiple of chance. Returns the Axes.

    table: DataFrame from ``scoring.by_parts``.
    """
    texts = table.map(lambda value: "" if np.isnan(value) else f"{value:.1f}")
    ax = heat_map(table, texts, "Blues", max(float(np.nanmax(table.to_numpy())), 1e-9), ax)
    ax.set(xlabel="parts of this emotion", ylabel="emotion shown")
    return finish(ax, title, spines=())


def change_curves(tables, kinds=None, figure=None, title=None):
    """Draw accuracy over the amount of each change: a panel for each kind, a line with its interval for each network.

    tables: dict, name of the line -> DataFrame from ``changes.robustness``. kinds: those to show; None for all. Returns
    an array of Axes. Raises ValueError for more than three tables, or a kind that one of them lacks.
    """
    styles = ((BLUE, "o-"), (ORANGE, "s--"), (BLACK, "^:"))
    if len(tables) > len(styles):
        raise ValueError(f"{len(tables)} tables: draw {len(styles)} at most, since each needs a colour of its own")
    kinds = list(kinds or next(iter(tables.values()))["kind"].unique())
    for name, table in tables.items():
        require(table, ["kind", "amount", "accuracy", "low", "high"])
        if lacking := sorted(set(kinds) - set(table["kind"])):
            raise ValueError(f"{name}: the table has no rows of kind {', '.join(map(repr, lacking))}")
    columns = min(3, len(kinds))
    lines = int(np.ceil(len(kinds) / columns))
    axes = axes_grid(figure, lines, columns, (3.4 * columns, 2.7 * lines), title)
    for ax in axes.flat[len(kinds) :]:
        ax.set_axis_off()
    for ax, kind in zip(axes.flat, kinds, strict=False):
        for (name, table), (colour, style) in zip(tables.items(), styles, strict=False):
            rows = table[table["kind"] == kind]
            ax.plot(rows["amount"], rows["accuracy"], style, color=colour, markersize=4, label=name)
            ax.fill_between(rows["amount"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
        ax.axvline(KINDS[kind][1], color="0.6", linewidth=1)
        ax.set(ylim=(0, 1), title=kind)
        ax.set_xlabel(KINDS[kind][0], fontsize=8.5)
        ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
        finish(ax, None)
    axes.flat[0].legend(frameon=False, fontsize=8.5)
    return axes
