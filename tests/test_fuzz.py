"""Damaged input by the thousand: every outcome is data of the right form, or the one error that names the file.

`make test` draws a few dozen of each kind, the same each time; `make fuzz` draws thousands, new ones.
"""

import io
import json
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from broken_inputs.run_folders import finished
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_utils import runs
from fer_utils.data import archives
from fer_utils.data.faces import DataError
from fer_utils.ladder import recipes
from fer_utils.names import EMOTIONS, USAGES
from fer_utils.workflow import profiles

FACES = np.random.default_rng(0).integers(0, 256, (6, 48, 48), dtype=np.uint8)
TOKENS = [b"", b"\n", b"\r\n", b",", b" ", b'"', b"\0", b"-1", b"256", b"nan", b"1e9", b"9" * 400, b"\xff\xfe", b"\xc3"]
TOKENS += [
    b"{",
    b"}",
    b"[",
    b"null",
    b"1e400",
    b"NaN",
    b"../",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"Usage",
    b"emotion",
    b": ",
]


@st.composite
def damaged(draw, whole):
    """`whole` (bytes) after one to four accidents: cut off, a piece lost, doubled or moved, bytes overwritten."""
    content = whole
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 1, 4, 40, 2000])))
        piece = content[start:end]
        put = draw(
            st.one_of(st.sampled_from(TOKENS), st.binary(max_size=6), st.sampled_from([piece * 2, piece[::-1], b""]))
        )
        content = content[:start] if draw(st.integers(0, 9)) == 0 else content[:start] + put + content[end:]
    return content


def fuzz(strategy):
    """A test that gets each draw of `strategy`; its other arguments are fixtures, shared by all draws."""
    check = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    return lambda test: check(given(content=strategy)(test))


# --- data ------------------------------------------------------------------------------------------------------------


def csv_bytes():
    rows = [f"{row},{' '.join(map(str, face.ravel()))},{USAGES[row % 3]}" for row, face in enumerate(FACES)]
    return "\n".join(["emotion,pixels,Usage", *rows, ""]).encode()


def png_bytes():
    stream = io.BytesIO()
    Image.fromarray(FACES[0]).save(stream, "PNG")
    return stream.getvalue()


def zip_bytes(members, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()


def tar_bytes(members, mode):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def read_or_refuse(path):
    """Read data; whatever comes is of the right form, or a DataError that names the file."""
    try:
        parsed = archives.read(archives.locate(path))
    except DataError as error:
        assert str(path) in str(error)
        assert len(str(error)) < 2000
        return
    n = len(parsed.labels)
    assert parsed.images.shape == (n, 48, 48) and parsed.images.dtype == parsed.labels.dtype == np.uint8
    assert len(parsed.row_ids) == len(set(parsed.row_ids.tolist())) == n
    assert (parsed.labels < len(EMOTIONS)).all() and len(parsed.usage) == n


@fuzz(damaged(csv_bytes()))
def test_csv(tmp_path, content):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    read_or_refuse(path)


@fuzz(damaged(zip_bytes({"fer2013/fer2013.csv": csv_bytes()})))
def test_zip_of_a_csv(tmp_path, content):
    path = tmp_path / "archive.zip"
    path.write_bytes(content)
    read_or_refuse(path)


TARS = {mode: tar_bytes({"fer2013/fer2013.csv": csv_bytes()}, mode) for mode in ("w:", "w:gz", "w:bz2", "w:xz")}


@fuzz(st.sampled_from(list(TARS)).flatmap(lambda mode: damaged(TARS[mode])))
def test_tar_of_a_csv(tmp_path, content):
    path = tmp_path / "fer2013.tar"
    path.write_bytes(content)
    read_or_refuse(path)


@fuzz(damaged(zip_bytes({f"{split}/happy/im0.png": png_bytes() for split in ("train", "test")}, zipfile.ZIP_STORED)))
def test_zip_of_folders(tmp_path, content):
    path = tmp_path / "archive.zip"
    path.write_bytes(content)
    read_or_refuse(path)


@fuzz(damaged(png_bytes()))
def test_an_image_in_a_folder(tmp_path, content):
    folder = tmp_path / "train" / "happy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "im0.png").write_bytes(content)
    read_or_refuse(tmp_path)


@fuzz(
    st.lists(st.sampled_from(["train", "test", "happy", "Happy", "sad", "..", "x", "", "fer2013.csv", "é"]), max_size=8)
)
def test_any_tree_of_folders(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("tree")
    for length in range(1, len(content) + 1, 2):
        (root / "/".join(name for name in content[:length] if name != "..")).mkdir(parents=True, exist_ok=True)
    read_or_refuse(root)


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run's folder and its files' bytes."""
    folder = finished(tmp_path_factory.mktemp("runs"))
    return folder, {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["manifest.json", "metrics.json", "history.csv", "predictions.npz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_file_of_a_run(run, name, data):
    folder, files = run
    (folder / name).write_bytes(data.draw(damaged(files[name])))
    try:
        found = runs.read_run(folder)
    except runs.RunError as error:
        assert folder.name in str(error) and "Run its notebook again" in str(error)
    else:
        row_ids, labels, probabilities = found.predictions["test"]
        assert probabilities.shape == (len(labels), 7) and len(row_ids) == len(labels)
        assert np.isfinite(probabilities).all()
    finally:
        (folder / name).write_bytes(files[name])


# --- what people type ------------------------------------------------------------------------------------------------

NOTEBOOKS = {
    "03_train_from_scratch": {"DATA": "", "OUTPUT_DIR": "outputs", "SEED": 0, "WIDTH": 0.1, "ARCHITECTURE": ""}
}
PROFILE = b"""seeds: [0, 1]
architectures: [vgg16, resnet50]
jobs: 2
ladder: [crop]
finals: {mine: {RECIPE: crop, CHANGES: "epochs=60"}}
trials: {wide: {RECIPE: crop, CHANGES: "width=0.75"}}
all: {DATA: sample}
03_train_from_scratch: {WIDTH: 0.5, vgg16: {WIDTH: 1.0}}
"""


@fuzz(damaged(PROFILE))
def test_a_profile(tmp_path, content):
    (tmp_path / "profiles").mkdir(exist_ok=True)
    (tmp_path / "profiles" / "mine.yaml").write_bytes(content)
    try:
        found = profiles.read_profile("mine", NOTEBOOKS, tmp_path)
    except profiles.ProfileError as error:
        assert "mine.yaml" in str(error)
        return
    assert all(isinstance(seed, int) for seed in found.seeds) and found.jobs >= 1


@fuzz(damaged(b"epochs=60 width=0.5 sizes=24,32 mixup=0.2 views=ten-crop crop=40 head=average").map(bytes))
def test_the_changes_of_a_recipe(content):
    try:
        recipe = recipes.read_recipe("crop", content.decode("utf-8", "replace"))
    except recipes.RecipeError as error:
        assert str(error)
        return
    assert recipe.epochs >= 1 and sum(end - first for _, first, end in recipe.parts()) == recipe.epochs
    json.dumps(recipes.as_dict(recipe), allow_nan=False)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
