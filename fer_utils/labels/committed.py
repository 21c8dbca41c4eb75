"""What the repository keeps of notebook 09, shown where a reader has no votes or no runs of their own.

It was made from FER-2013, FER+'s votes and the runs of one profile: tables, and the figures that show no face. Each
function first prints whose numbers these are, and what to set for one's own.
"""

import json

import matplotlib.image
import pandas as pd

from fer_utils.plotting.style import axes_or_new
from fer_utils.project import resolve, shown

FOLDER = "labels"  # notebook 09's run in a profile's reference
DOTS = 150  # an inch, as ``runs.save_figure`` saves
SETTINGS = {  # what is missing -> how to get it
    "votes": "DATA to fer2013.csv or icml_face_data.csv",
    "runs": "DATA to FER-2013, or OUTPUT_DIR to a folder with runs of notebooks 03 to 05 on the DATA that you have",
    "weighted runs": 'CLASS_WEIGHTS = "balanced" and OUTPUT_DIR = ".../balanced" in notebook 03, 04 or 05',
}
NO_FACES = (
    "No pictures here: FER-2013's faces are people's, and this repository keeps no image of it. With DATA set to "
    "FER-2013, this cell shows them."
)


def figure(reference, name, missing):
    """Draw the figure that the reference kept as `name`; returns its Axes, or None where it kept none.

    reference: the notebook's REFERENCE, such as outputs/reference/cpu; "" for none. missing: a key of ``SETTINGS``.
    """
    path = _find(reference, f"figures/{name}.png", missing)
    if path is None:
        return None
    pixels = matplotlib.image.imread(path)
    ax = axes_or_new(None, (pixels.shape[1] / DOTS, pixels.shape[0] / DOTS))
    ax.imshow(pixels)
    ax.set_axis_off()
    return ax


def table(reference, name, missing):
    """The table that the reference kept as `name`, rounded to three decimals: DataFrame, empty where it kept none.

    reference, missing: as for ``figure``.
    """
    path = _find(reference, f"tables/{name}.csv", missing)
    return pd.DataFrame() if path is None else pd.read_csv(path).round(3)


def sharing(reference):
    """What ``errors.sharing`` told of the reference's runs, as text, a line a number; says so where it kept none."""
    path = _find(reference, "metrics.json", "runs")
    counts = {} if path is None else json.loads(path.read_text(encoding="utf-8"))["sharing"]
    return "\n".join(f"{name:20}{value:8.0f}" for name, value in counts.items())


def _find(reference, name, missing):
    """The path of a kept file, or None; prints what it is and what would give the reader's own."""
    mend = f"For your own, set {SETTINGS[missing]}."
    folder = resolve(reference or ".") / FOLDER
    if not reference or not (folder / name).is_file():
        print(f"Nothing to show: {name} is not in {reference or 'a reference, since REFERENCE is empty'}. {mend}")
        return None
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    data = manifest["parameters"]["DATA"].rpartition("/")[2]
    print(f"The committed reference's, not yours ({shown(folder)}: {data}, {len(manifest['runs'])} runs). {mend}")
    return folder / name
