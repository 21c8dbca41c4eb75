"""Measure how FER-2013's faces are framed, with the detector of the page "Try it".

    python tools/framing_page.py fer2013.csv

Does the same as tools/framing.py, with face-api's tiny detector instead of MTCNN. It runs in Chromium, with the page's
own code (tools/website/try/faces.js). Writes outputs/reference/framing/face-api-tiny.json, from which the page frames
the faces of a photo.
"""

import base64
import contextlib
import tempfile
from pathlib import Path

import framing
from playwright.sync_api import sync_playwright
from website import serving, try_page

from fer_utils.recognize.detection import Face

PAGE = """<!doctype html><script type="module">
import { SIZES, findFaces, loadFinder } from './faces.js';
await loadFinder(new URL('.', location.href));
window.find = async (picture) => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext('2d', { willReadFrequently: true }).drawImage(image, 0, 0);
  return findFaces(canvas, SIZES.camera);
};
</script>"""


@contextlib.contextmanager
def finder():
    """Yield a function of the page's detector, from a list of pictures to a list of lists of Face."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, serving.served(folder) as address:
        own = {"faces.js": (try_page.OWN / "faces.js").read_bytes(), "index.html": PAGE.encode()}
        for name, content in (try_page.packed() | own).items():
            Path(folder, name).write_bytes(content)
        browser = playwright.chromium.launch(executable_path=serving.CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_function("() => Boolean(window.find)")

        def find(pictures):
            encoded = [base64.b64encode(try_page.picture(picture, "PNG")).decode() for picture in pictures]
            found = [page.evaluate("(picture) => window.find(picture)", picture) for picture in encoded]
            return [[Face(*face["box"].values(), face["eyes"], face["score"]) for face in group] for group in found]

        yield find
        browser.close()


if __name__ == "__main__":
    framing.main(finder(), "face-api 1.7.15, tiny", try_page.FRAMING)
