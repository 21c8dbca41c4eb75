"""A picture of the built-in sample: `python tools/contact_sheet.py sample.png`."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils.names import EMOTIONS
from fer_utils.sample import draw


def contact_sheet(columns: int = 12, scale: int = 2, seed: int = 2013) -> Image.Image:
    """A picture of the sample as it is: a row an emotion in the order of EMOTIONS, each face enlarged `scale` times."""
    images, _, _, details = draw(1400, seed)
    rows = [images[details["true_label"] == code][:columns] for code in range(len(EMOTIONS))]
    picture = Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows]))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    contact_sheet().save(sys.argv[1])
