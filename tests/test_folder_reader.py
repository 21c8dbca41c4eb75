"""Image folders: usage from names, labels in the CSV's order, and errors that name the image or the folder."""

import numpy as np
import pytest
from PIL import Image

from fer_utils.data import archives
from fer_utils.data.faces import DataError
from fer_utils.names import EMOTIONS

PREFIXED = {"train": ["Training"], "test": ["PublicTest", "PrivateTest"]}


def write_folders(root, pixels, splits=("train", "test"), names=EMOTIONS, prefixed=True, mode="L", number=1000):
    """PNG files, since JPEG changes pixels; returns {path: (label, image)}."""
    written, images = {}, iter(pixels)
    for split in splits:
        for label, emotion in enumerate(names):
            for usage in PREFIXED.get(split, ["Training"]):
                number -= 7
                name = f"{usage}_{number}.png" if prefixed else f"im{number}.png"
                path = root / split / emotion / name
                path.parent.mkdir(parents=True, exist_ok=True)
                image = next(images)
                Image.fromarray(image).convert(mode).save(path)
                written[path] = label, image
    return written


def check(written, root):
    """Every written image comes back with its label under its number."""
    parsed = archives.read(root)
    rows = zip(parsed.row_ids, parsed.labels, parsed.images, strict=True)
    found = {row_id: (label, image) for row_id, label, image in rows}
    assert len(found) == len(written)
    for path, (label, image) in written.items():
        row_id = int("".join(filter(str.isdigit, path.stem)))
        assert found[row_id][0] == label
        assert np.array_equal(found[row_id][1], image)


def test_usage_comes_from_the_file_names(tmp_path, pixels):
    written = write_folders(tmp_path, pixels)
    check(written, tmp_path)
    parsed = archives.read(tmp_path)
    assert parsed.images.dtype == parsed.labels.dtype == np.uint8
    assert parsed.row_ids.dtype == np.int64
    assert parsed.usage.dtype == "<U11"
    assert {name: int((parsed.usage == name).sum()) for name in np.unique(parsed.usage)} == {
        "Training": 7,
        "PublicTest": 7,
        "PrivateTest": 7,
    }
    assert parsed.warnings == []


@pytest.mark.parametrize(
    "names",
    [
        [name.upper() for name in EMOTIONS],
        ["Anger", "Disgusted", "fearful", "Happiness", "sadness", "Surprised", "Neutral"],
    ],
)
def test_class_names_in_any_case_and_common_synonyms(tmp_path, pixels, names):
    check(write_folders(tmp_path, pixels, names=names), tmp_path)


def test_classes_named_by_the_csvs_codes_are_read_and_said(tmp_path, pixels):
    check(write_folders(tmp_path, pixels, names="0123456"), tmp_path)
    (message,) = archives.read(tmp_path).warnings
    assert message.endswith(
        "are read as the CSV's codes: 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral."
    )


def test_folders_called_by_the_splits_own_names_tell_them(tmp_path, pixels):
    write_folders(tmp_path, pixels, splits=("Training", "PublicTest", "PrivateTest"), prefixed=False)
    parsed = archives.read(tmp_path)
    assert parsed.usage.tolist() == np.repeat(["PrivateTest", "PublicTest", "Training"], 7).tolist()
    assert parsed.warnings == []
    (tmp_path / "PrivateTest").rename(tmp_path / "later")
    assert archives.read(tmp_path).usage.tolist() == np.repeat(["PublicTest", "Training"], 7).tolist()


def test_folders_may_lie_one_folder_deeper(tmp_path, pixels):
    check(write_folders(tmp_path / "fer2013", pixels, splits=("Train", "Test"), prefixed=False), tmp_path)


def test_test_folder_without_prefixes_is_said_to_be_merged(tmp_path, pixels):
    write_folders(tmp_path, pixels, prefixed=False)
    parsed = archives.read(tmp_path)
    assert set(parsed.usage) == {"Training", "Test"}
    assert len(parsed.warnings) == 1
    assert "14 file names in test do not distinguish PublicTest from PrivateTest" in parsed.warnings[0]
    assert "as the official protocol requires" in parsed.warnings[0]
    assert "Use PROTOCOL=paper" in parsed.warnings[0]


@pytest.mark.parametrize("validation", ["validation", "val", "Validation"])
def test_uploaders_validation_and_test_folders(tmp_path, pixels, validation):
    write_folders(tmp_path, pixels, splits=("train", validation, "test"), prefixed=False)
    parsed = archives.read(tmp_path)
    assert [int((parsed.usage == name).sum()) for name in ("Training", "PublicTest", "PrivateTest")] == [7, 7, 14]
    assert len(parsed.warnings) == 1
    assert f"{validation} counts as PublicTest and test as PrivateTest" in parsed.warnings[0]
    assert "the uploader's splits" in parsed.warnings[0]


def test_a_single_validation_folder_is_the_merged_one(tmp_path, pixels):
    write_folders(tmp_path, pixels, splits=("train", "validation"), prefixed=False)
    parsed = archives.read(tmp_path)
    assert set(parsed.usage) == {"Training", "Test"}
    assert "names in validation do not" in parsed.warnings[0]


def test_a_name_that_contradicts_its_folder_decides_and_is_said(tmp_path, pixels):
    written = write_folders(tmp_path, pixels)
    path = next(iter(written))
    path.rename(path.with_name("PublicTest_5.png"))
    parsed = archives.read(tmp_path)
    assert (parsed.usage == "PublicTest").sum() == 8
    assert "1 files are in another split's folder" in parsed.warnings[0]
    assert "PublicTest_5.png" in parsed.warnings[0]


def test_a_name_of_the_other_test_split_is_said_too(tmp_path, pixels):
    write_folders(tmp_path, pixels, splits=("Training", "PublicTest", "PrivateTest"), prefixed=False)
    path = next((tmp_path / "PrivateTest" / "sad").iterdir())
    path.rename(path.with_name("PublicTest_5.png"))
    parsed = archives.read(tmp_path)
    assert (parsed.usage == "PublicTest").sum() == 8
    assert "1 files are in another split's folder" in parsed.warnings[0]


def test_row_ids_are_positions_where_numbers_repeat(tmp_path, pixels):
    written = write_folders(tmp_path, pixels)
    paths = list(written)
    paths[0].rename(paths[0].with_name("Training_" + paths[1].stem.split("_")[1] + ".png"))
    assert archives.read(tmp_path).row_ids.tolist() == list(range(21))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_gray_images_stored_with_channels_are_read(tmp_path, pixels, mode):
    check(write_folders(tmp_path, pixels, mode=mode), tmp_path)


def test_gray_images_kept_as_webp_are_gray(tmp_path, pixels):
    for path, (_, image) in write_folders(tmp_path, pixels).items():
        Image.fromarray(image).convert("RGB").save(path.with_suffix(".webp"), quality=90)
        path.unlink()
    assert len(archives.read(tmp_path).labels) == 21


def test_hidden_and_system_files_are_passed_over(tmp_path, pixels):
    written = write_folders(tmp_path, pixels)
    for name in (".DS_Store", "Thumbs.db", "._Training_1.png"):
        (tmp_path / "train" / "happy" / name).write_bytes(b"x")
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    check(written, tmp_path)


@pytest.fixture
def folders(tmp_path, pixels):
    write_folders(tmp_path, pixels)
    return tmp_path


def test_a_split_without_class_folders(folders):
    (folders / "val").mkdir()
    with pytest.raises(DataError, match=r"val: must hold a folder for each emotion .*, but holds nothing. .*download"):
        archives.read(folders)
