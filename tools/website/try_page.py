"""The page on which a face is tried (docs/try-it.md): its panel, and the files that it loads, beside it in docs/try."""

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
        *[f"model/{model}_model{end}" for model in ("tiny_face_detector", "face_landmark_68_tiny")
          for end in (".bin", "-weights_manifest.json")],
    ),
}  # fmt: skip
RUNTIME = "ort-wasm-simd-threaded.wasm"  # and the network: files whose coming the page follows
PLACE = re.compile(r'<div id="try-it">.*?</div>', re.DOTALL)  # of the panel, in PAGE


def packed():
    """What comes from npm: name -> bytes. Raises NpmError where a package cannot be had."""
    read = {package: npm.read(package, names) for package, names in PACKED.items()}
    return {name.rpartition("/")[2]: content for files in read.values() for name, content in files.items()}


def files():
    """All that the page loads: name -> bytes. Raises NpmError as ``packed``, and PageError where ours are missing."""
    found = packed() | {path.name: path.read_bytes() for path in OWN.iterdir() if path.suffix != ".html"}
    found[NETWORK.name] = _own(NETWORK, "python tools/exports.py")
    found["drawn.png"] = picture(sample.draw_face({6: 0.8, 12: 1.0}, size=480), "PNG")
    found["astronaut.jpg"] = picture(astronaut(), "JPEG")  # of NASA, in the public domain
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
    """The texts of the pages (path -> Markdown), PAGE with its panel."""
    panel = (OWN / "panel.html").read_text(encoding="utf-8")
    return texts | {PAGE: PLACE.sub(lambda _: panel, texts[PAGE])}


def without_panel(texts, reason):
    """The texts, PAGE with a sentence that says why nothing can be tried on it."""
    note = f"Nothing can be tried on this copy of the site: {html.escape(str(reason))}. Then run `make site` again."
    return texts | {PAGE: PLACE.sub(lambda _: f":::{{note}}\n{note}\n:::", texts[PAGE])}


def put(folder, loaded):
    """Write the files beside the finished page. folder: of the site's HTML."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, content in loaded.items():
        (folder / FOLDER / name).write_bytes(content)


def _own(path, command):
    if not path.is_file():
        raise PageError(f"{path.relative_to(ROOT)} is missing; `{command}` makes it")
    return path.read_bytes()


def picture(pixels, kind):
    """Pixels as the bytes of a PNG or JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(stream, kind, quality=90)
    return stream.getvalue()
