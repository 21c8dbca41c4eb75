"""Figures of faces in pictures and of the predictions for them.

Every function draws on ``ax`` or ``figure`` (or on a new one) and returns the Axes.
"""

import numpy as np
from matplotlib import ticker
from matplotlib.patches import Polygon

from fer_utils.names import EMOTIONS
from fer_utils.plotting.style import BLUE, CLASS_STYLES, ORANGE, SKY, axes_grid, axes_or_new, finish, require
from fer_utils.recognize import framing


def found_faces(picture, faces, ax=None, title=None):
    """Draw a picture with the detector's box, the eyes and the frame of each face, or with a note if there is none.

    picture: uint8 (height, width, 3). faces: list of ``detection.Face``.
    """
    ax = axes_or_new(ax, (6, 4.5))
    ax.imshow(picture)
    for number, face in enumerate(faces, start=1):
        left, top, right, bottom = face.left, face.top, face.left + face.width, face.top + face.height
        box = [(left, top), (right, top), (right, bottom), (left, bottom)]
        ax.add_patch(Polygon(box, fill=False, edgecolor=SKY, linestyle="--", linewidth=1.5))
        ax.add_patch(Polygon(corners(face), fill=False, edgecolor=ORANGE, linewidth=1.8))
        ax.plot(*zip(*face.eyes, strict=True), "+", color=SKY, markersize=7)
        style = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
        ax.text(*corners(face)[0], str(number), fontsize=9, ha="left", va="bottom", bbox=style)
    ax.set(xticks=[], yticks=[], xlabel="" if faces else "no face found")
    return finish(ax, title, spines=())


def corners(face):
    """The four corners of a face's frame in the picture, clockwise from the top left: floats (4, 2)."""
    centre, side, tilt = framing.square(face)
    right = side / 2 * np.array([np.cos(tilt), np.sin(tilt)])
    down = side / 2 * np.array([-np.sin(tilt), np.cos(tilt)])
    return np.array([-right - down, right - down, right + down, down - right]) + centre


def probability_bars(before, after, ax=None, title=None):
    """Draw the seven probabilities of one face, without and with the temperature.

    before, after: floats (7,). Returns the Axes; ``ax.containers`` are the bars before and after.
    """
    before, after = np.asarray(before), np.asarray(after)
    if before.shape != (len(EMOTIONS),) or after.shape != before.shape:
        raise ValueError(f"before and after must be (7,), got {before.shape} and {after.shape}")
    ax = axes_or_new(ax, (4.5, 2.8))
    place = np.arange(len(EMOTIONS))
    ax.barh(place - 0.2, np.nan_to_num(before), 0.36, color="0.75", label="not calibrated")
    bars = ax.barh(place + 0.2, np.nan_to_num(after), 0.36, color=BLUE, label="calibrated")
    ax.bar_label(bars, ["" if np.isnan(value) else f"{value:.0%}" for value in after], padding=2, fontsize=8)
    ax.set_yticks(place, EMOTIONS)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.12), xticks=[0, 0.5, 1])
    ax.xaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    return finish(ax, title)


def face_rows(answer, figure=None, title=None):
    """Draw a row for each face of an ``answers.Answer``: the network's input and its probabilities. Axes (faces, 2)."""
    if not answer.faces:
        raise ValueError("the picture has no face to show")
    count = len(answer.faces)
    axes = axes_grid(figure, count, 2, (6.4, 2.3 * count + 0.5), title)
    for number, (row, image) in enumerate(zip(axes, answer.frames, strict=True), start=1):
        row[0].imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        row[0].set(xticks=[], yticks=[], xlabel=f"face {number}, 48 x 48")
        finish(row[0], spines=())
        probability_bars(answer.before[number - 1], answer.after[number - 1], row[1])
    axes[0, 1].legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return axes


def over_time(table, face=1, ax=None, title=None):
    """Draw a face's probabilities over time. table: DataFrame from ``films.over_time``. face: the face's number."""
    require(table, ["seconds", "face", *EMOTIONS])
    ax = axes_or_new(ax, (7.5, 3.6))
    own = table[table["face"] == face]
    marker = "o" if len(own) == 1 else None  # a single moment is a point, not a line
    for emotion, (colour, line) in CLASS_STYLES.items():
        ax.plot(own["seconds"], own[emotion], color=colour, linestyle=line, label=emotion, marker=marker)
    ax.set(ylim=(0, 1), xlabel="seconds", ylabel="probability")
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return finish(ax, title)
