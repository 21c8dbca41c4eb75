"""Make the page on which a reader tries the network (docs/try-it.md): its panel, and the files it loads (docs/try)."""

import html
import io
import json
import re

import numpy as np
from addresses import ROOT
from PIL import Image
from skimage.data import astronaut

from fer_utils import sample
from fer_utils.names import EMOTIONS
from website import npm
from website.links import PageError

PAGE, FOLDER = "docs/try-it.md", "docs/try"
OWN = ROOT / "tools/website/try"
NETWORK = ROOT / "fer_utils/recognize/network-int8.onnx"
FRAMING = ROOT / "outputs/reference/framing/face-api-tiny.json"
PACKED = {
    "onnxruntime-web@1.30.0": ("dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm"),
    "@tensorflow/tfjs-backend-wasm@4.22.0": ("dist/tfjs-backend-wasm-simd.wasm",),
    "@vladmandic/face-api@1.7.15": (
        "dist/face-api.esm.js",
        "model/tiny_face_detector_model.bin",
        "model/tiny_face_detector_model-weights_manifest.json",
        "model/face_landmark_68_tiny_model.bin",
        "model/face_landmark_68_tiny_model-weights_manifest.json",
    ),
}
RUNTIME = "ort-wasm-simd-threaded.wasm"  # the page shows the progress of loading this file and the network
PLACE = re.compile(r'<div id="try-it">.*?</div>', re.DOTALL)  # the place of the panel in PAGE


def packed():
    """Return the files from npm: name -> bytes. Raises NpmError if a package cannot be fetched."""
    found = {}
    for package, names in PACKED.items():
        for name, content in npm.read(package, names).items():
            found[name.rpartition("/")[2]] = content
    return found


def files():
    """Return all files that the page loads: name -> bytes. Raises NpmError, or PageError for a missing file."""
    found = packed() | {path.name: path.read_bytes() for path in OWN.iterdir() if path.suffix != ".html"}
    found[NETWORK.name] = _own(NETWORK, "python tools/exports.py")
    found["drawn.png"] = picture(sample.draw_face({6: 0.8, 12: 1.0}, size=480), "PNG")
    found["astronaut.jpg"] = picture(astronaut(), "JPEG")  # by NASA, in the public domain
    framing = json.loads(_own(FRAMING, "python tools/framing_page.py fer2013.csv"))
    settings = {
        "emotions": EMOTIONS,
        "framing": {name: framing[name] for name in ("margin", "eyes")},
        "bytes": sum(map(len, found.values())),
        "followed": len(found[NETWORK.name]) + len(found[RUNTIME]),
    }
    found["settings.js"] = f"export default {json.dumps(settings)};\n".encode()
    return found


def with_panel(texts):
    """Return the pages' texts (path -> Markdown) with the panel in PAGE."""
    panel = (OWN / "panel.html").read_text(encoding="utf-8")
    return texts | {PAGE: PLACE.sub(lambda _: panel, texts[PAGE])}


def without_panel(texts, reason):
    """Return the pages' texts, where PAGE gives the `reason` why the network cannot be tried."""
    note = f"Nothing can be tried on this copy of the site: {html.escape(str(reason))}. Then run `make site` again."
    return texts | {PAGE: PLACE.sub(lambda _: f":::{{note}}\n{note}\n:::", texts[PAGE])}


def put(folder, loaded):
    """Write the files next to the finished page. folder: the site's HTML."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, content in loaded.items():
        (folder / FOLDER / name).write_bytes(content)


def _own(path, command):
    if not path.is_file():
        raise PageError(f"{path.relative_to(ROOT)} is missing. Make it with `{command}`")
    return path.read_bytes()


def picture(pixels, kind):
    """Return pixels, uint8 (height, width[, 3]), as the bytes of a file. kind: "PNG" or "JPEG"."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(stream, kind, quality=90)
    return stream.getvalue()
