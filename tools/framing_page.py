"""How FER-2013 frames its faces, as the detector of the page "Try it" sees them.

    python tools/framing_page.py fer2013.csv

Asks face-api's tiny detector, in Chromium and with the page's own code (tools/website/try/faces.js), about 2,000 faces
of Training, each enlarged and padded by repeating its edge. Writes outputs/reference/framing/face-api-tiny.json: where
the box and the eyes lie in the frame. The page frames the faces of a photo by the medians.
"""

import argparse
import base64
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright
from website import serving, try_page

from fer_utils import data, runs
from fer_utils.names import SIDE

ASKED, SEED = 2000, 0
SHARES = (0.25, 0.5, 0.75)
LARGE, PAD = 4 * SIDE, 2 * SIDE  # pixels: the enlarged face, and what is added on each side
FIND = """async (pictures) => {
  const found = [];
  for (const picture of pictures) {
    const image = new Image();
    image.src = `data:image/png;base64,${picture}`;
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext('2d', { willReadFrequently: true }).drawImage(image, 0, 0);
    found.push(await window.findFaces(canvas));
  }
  return found;
}"""
START = """<!doctype html><script type="module">
import { SIZES, findFaces, loadFinder } from './faces.js';
await loadFinder(new URL('.', location.href));
window.findFaces = (canvas) => findFaces(canvas, SIZES.camera);
</script>"""


def padded(face):
    """A face of uint8 (48, 48) in the middle of a picture of 384 x 384 pixels."""
    large = np.asarray(Image.fromarray(face).resize((LARGE, LARGE), Image.Resampling.BICUBIC))
    return np.pad(large, PAD, mode="edge")


def found_faces(faces):
    """What the page's detector finds in each of `faces`, uint8 (n, 48, 48): a list of what findFaces returns."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        own = {"faces.js": (try_page.OWN / "faces.js").read_bytes(), "index.html": START.encode()}
        for name, content in (try_page.packed() | own).items():
            Path(folder, name).write_bytes(content)
        with serving.served(folder) as address:
            browser = playwright.chromium.launch(executable_path=serving.CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(address)
            page.wait_for_function("() => Boolean(window.findFaces)")
            found = []
            for start in range(0, len(faces), 50):
                batch = [try_page.picture(padded(face), "PNG") for face in faces[start : start + 50]]
                found += page.evaluate(FIND, [base64.b64encode(picture).decode() for picture in batch])
            browser.close()
    return found


def places(found):
    """Where each found face lies, in sides of FER-2013's image: arrays by name, as tools/framing.py has them."""
    box = np.array([[face["box"][name] for name in ("x", "y", "width", "height")] for face in found]) / LARGE
    eyes = np.array([face["eyes"] for face in found]) / LARGE - PAD / LARGE  # (n, left and right, x and y)
    across, down = (eyes[:, 1] - eyes[:, 0]).T
    return {
        "centre_x": box[:, 0] + box[:, 2] / 2 - PAD / LARGE,
        "centre_y": box[:, 1] + box[:, 3] / 2 - PAD / LARGE,
        "width": box[:, 2],
        "height": box[:, 3],
        "eye_distance": np.hypot(across, down),
        "eyes_x": eyes[..., 0].mean(axis=1),
        "eyes_y": eyes[..., 1].mean(axis=1),
        "tilt": np.degrees(np.arctan2(down, across)),
    }


def summary(found):
    """How many images had one face, the quartiles of ``places``, and the framing that follows from the medians."""
    faces = [group[0] for group in found if len(group) == 1]
    quartiles = {
        name: dict(zip(("lower", "median", "upper"), np.quantile(values, SHARES).round(4).tolist(), strict=True))
        for name, values in places(faces).items()
    }
    middle = {name: values["median"] for name, values in quartiles.items()}
    return {
        "images": len(found),
        "one_face": len(faces),
        "margin": round(1 / middle["height"], 3),
        "shift": [round(0.5 - middle["centre_x"], 3), round(0.5 - middle["centre_y"], 3)],
        "in sides of the image": quartiles,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="FER-2013, as you downloaded it")
    faces = data.load_fer2013(parser.parse_args().data)
    training = np.flatnonzero(faces.usage == "Training")
    chosen = np.sort(np.random.default_rng(SEED).choice(training, ASKED, replace=False))
    content = {"detector": "face-api 1.7.15, tiny", "data_checksum": faces.checksum, "split": "Training", "seed": SEED}
    content |= summary(found_faces(faces.images[chosen]))
    runs.write_json(try_page.FRAMING, content)
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
