"""Notebook 09's committed results, shown to readers who have no votes or no runs of their own.

They were made from FER-2013, FER+'s votes and the runs of one profile: tables, and figures that show no face. Each
function first prints that the numbers are the reference's, and what to set to see one's own.
"""

import json

import matplotlib.image
import pandas as pd

from fer_utils.plotting.style import axes_or_new
from fer_utils.project import resolve, shown

FOLDER = "labels"  # notebook 09's run in a profile's reference
DOTS_PER_INCH = 150  # as in ``runs.save_figure``
SETTINGS = {  # what is missing -> what to set
    "votes": "DATA to fer2013.csv or icml_face_data.csv",
    "runs": "DATA to FER-2013, or OUTPUT_DIR to a folder with runs of notebooks 03 to 05 on the DATA that you have",
    "weighted runs": 'CLASS_WEIGHTS = "balanced" and OUTPUT_DIR = ".../balanced" in notebook 03, 04 or 05',
}
NO_FACES = (
    "No pictures here: FER-2013's faces are real people's, so this repository keeps no image of it. Set DATA to "
    "FER-2013, and this cell shows them."
)


def figure(reference, name, missing):
    """Draw the reference's figure `name` and return its Axes, or None if the reference has no such figure.

    reference: the notebook's REFERENCE, such as outputs/reference/cpu; "" for none. missing: a key of ``SETTINGS``.
    """
    path = _find(reference, f"figures/{name}.png", missing)
    if path is None:
        return None
    pixels = matplotlib.image.imread(path)
    ax = axes_or_new(None, (pixels.shape[1] / DOTS_PER_INCH, pixels.shape[0] / DOTS_PER_INCH))
    ax.imshow(pixels)
    ax.set_axis_off()
    return ax


def table(reference, name, missing):
    """The reference's table `name`, rounded to three decimals, or an empty DataFrame. Arguments as for ``figure``."""
    path = _find(reference, f"tables/{name}.csv", missing)
    return pd.DataFrame() if path is None else pd.read_csv(path).round(3)


def sharing(reference):
    """The result of ``errors.sharing`` for the reference's runs, as text with one number per line; "" if missing."""
    path = _find(reference, "metrics.json", "runs")
    counts = {} if path is None else json.loads(path.read_text(encoding="utf-8"))["sharing"]
    return "\n".join(f"{name:20}{value:8.0f}" for name, value in counts.items())


def _find(reference, name, missing):
    """The path of a file in the reference, or None. Prints where the file is from, and what to set for one's own."""
    fix = f"For your own, set {SETTINGS[missing]}."
    folder = resolve(reference or ".") / FOLDER
    if not reference or not (folder / name).is_file():
        print(f"Nothing to show: {name} is not in {reference or 'a reference, since REFERENCE is empty'}. {fix}")
        return None
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    data = manifest["parameters"]["DATA"].rpartition("/")[2]
    print(f"The committed reference's, not yours ({shown(folder)}: {data}, {len(manifest['runs'])} runs). {fix}")
    return folder / name
