"""Image folders: usage from names, labels in the CSV's order, and errors that name the image or the folder."""

import struct
import zlib

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
    assert "14 file names in test do not tell PublicTest from PrivateTest" in parsed.warnings[0]
    assert "official protocol cannot be had" in parsed.warnings[0]
    assert "PROTOCOL=paper can" in parsed.warnings[0]


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
    assert "1 files lie in another split's folder" in parsed.warnings[0]
    assert "PublicTest_5.png" in parsed.warnings[0]


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


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n rest"])
def test_an_image_that_is_no_image(folders, content):
    (folders / "test" / "sad" / "PublicTest_1.jpg").write_bytes(content)
    with pytest.raises(
        DataError, match=r"test.sad.PublicTest_1.jpg: is no image, or a damaged one. Delete it, or download"
    ):
        archives.read(folders)


def test_a_truncated_image(folders):
    path = next((folders / "train" / "fear").iterdir())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=rf"{path.name}: is no image, or a damaged one"):
        archives.read(folders)


def test_an_image_of_another_size(folders):
    Image.new("L", (224, 48)).save(folders / "train" / "fear" / "Training_1.png")
    with pytest.raises(DataError, match=r"Training_1.png: is 224 x 48 pixels; .*48 x 48. Delete it.*or resize it"):
        archives.read(folders)


@pytest.mark.parametrize("side", [15_000, 60_000])
def test_an_image_whose_header_states_an_absurd_size_is_refused_unread(folders, side):
    # a small file, whose pixels would take 0.2 or 3.6 GB
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    (folders / "test" / "sad" / "PublicTest_1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(DataError, match=r"PublicTest_1.png: is (no image|15000 x 15000 pixels)"):
        archives.read(folders)


def test_an_image_in_colour(folders):
    Image.new("RGB", (48, 48), (10, 10, 12)).save(folders / "train" / "fear" / "Training_1.png")
    with pytest.raises(DataError, match=r"Training_1.png: is in colour; FER-2013 is gray. .*convert\('L'\)"):
        archives.read(folders)


def test_an_image_of_sixteen_bits(folders):
    Image.fromarray(np.zeros((48, 48), np.uint16)).save(folders / "train" / "fear" / "Training_1.png")
    with pytest.raises(DataError, match=r"Training_1.png: has the mode I;16; .*8 bits are needed. .*convert it"):
        archives.read(folders)


def test_an_empty_class_folder(folders):
    for path in (folders / "test" / "disgust").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"test.disgust: the class folder is empty. Delete it.*download the data again"):
        archives.read(folders)


def test_an_unknown_class_folder(folders):
    (folders / "train" / "contempt").mkdir()
    with pytest.raises(
        DataError, match=r"train.contempt: unknown class folder 'contempt'. .*neutral: rename it or move"
    ):
        archives.read(folders)


def test_a_split_without_class_folders(folders):
    (folders / "val").mkdir()
    with pytest.raises(DataError, match=r"val: must hold a folder for each emotion .*, but holds nothing. .*download"):
        archives.read(folders)


def test_images_beside_the_class_folders(folders):
    (folders / "train" / "1.png").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"train: must hold a folder for each emotion .*the file 1.png. Move the images"
    ):
        archives.read(folders)


def test_a_folder_among_the_images(folders):
    (folders / "train" / "sad" / "more").mkdir()
    with pytest.raises(DataError, match=r"train.sad: holds a folder \(more\) among the images. Move it away"):
        archives.read(folders)


def test_two_folders_for_one_split(folders):
    (folders / "val").mkdir()
    (folders / "validation").mkdir()
    with pytest.raises(DataError, match=r"Two folders for the same split, val and validation: move one away"):
        archives.read(folders)
