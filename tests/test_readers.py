"""Which layout is found where: files of any name, folders, zips, and what is none of these."""

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_utils.data import archives
from fer_utils.data.faces import DataError
from fer_utils.data.trees import DiskTree
from fer_utils.names import EMOTIONS, USAGES


def csv_text(pixels, header="emotion,pixels,Usage"):
    """The rows have the labels 0, 0, 1, 1, ... and the usages in turn."""
    lines = [header]
    for row, image in enumerate(pixels):
        fields = {"emotion": str(row // 2 % 7), "pixels": " ".join(map(str, image.ravel())), "usage": USAGES[row % 3]}
        lines.append(",".join(fields[name.strip().lower()] for name in header.split(",")))
    return "\n".join(lines) + "\n"


def read(path):
    return archives.read(archives.locate(path))


def check(parsed, pixels, usages=USAGES):
    assert np.array_equal(parsed.images, pixels)
    assert parsed.labels.tolist() == [row // 2 % 7 for row in range(len(pixels))]
    assert parsed.usage.tolist() == [usages[row % len(usages)] for row in range(len(pixels))]
    assert parsed.row_ids.tolist() == list(range(len(pixels)))
    assert parsed.row_ids.dtype == np.int64


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_csv_file_of_any_name(tmp_path, pixels):
    check(read(write(tmp_path / "my faces.txt", csv_text(pixels, "Usage,emotion,pixels"))), pixels)


@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv", "FER2013.CSV", "copy of it.csv"])
@pytest.mark.parametrize("folder", ["", "fer2013/"])
def test_a_folder_that_holds_a_csv(tmp_path, pixels, name, folder):
    write(tmp_path / "README.md", "other file")
    path = write(tmp_path / (folder + name), csv_text(pixels, "emotion, Usage, pixels"))
    assert archives.locate(tmp_path) == path
    check(read(tmp_path), pixels)


def test_fer2013_csv_comes_before_train_csv_and_folders(tmp_path, pixels):
    write(tmp_path / "train.csv", "emotion,pixels\n")
    (tmp_path / "train" / "happy").mkdir(parents=True)
    path = write(tmp_path / "sub" / "fer2013.csv", csv_text(pixels))
    assert archives.locate(tmp_path) == path


def class_folders(root, pixels):
    for split in ("train", "test"):
        (root / split / "happy").mkdir(parents=True)
        Image.fromarray(pixels[0]).save(root / split / "happy" / "PublicTest_1.png")


def test_two_data_sets_in_one_folder_are_refused_and_listed(tmp_path, pixels):
    for name in ("ckplus48", "fer2013"):
        class_folders(tmp_path / "folders" / name, pixels)
    for name in ("ck.csv", "fer2013_clean.csv"):
        write(tmp_path / "files" / name, csv_text(pixels))
    for name in ("a/fer2013.csv", "b/icml_face_data.csv"):
        write(tmp_path / "published" / name, csv_text(pixels))
    for folder, names in {
        "folders": "ckplus48, fer2013",
        "files": "ck.csv, fer2013_clean.csv",
        "published": "a/fer2013.csv, b/icml_face_data.csv",
    }.items():
        with pytest.raises(DataError, match=rf"{folder}: holds 2 data sets.*: {names}\. Give the path of one"):
            archives.locate(tmp_path / folder)
    assert archives.locate(tmp_path / "published" / "a") == tmp_path / "published/a/fer2013.csv"


def test_two_data_sets_of_folders_are_refused_though_one_lies_deeper(tmp_path, pixels):
    for name in ("a", "b/c"):
        class_folders(tmp_path / name, pixels)
    with pytest.raises(DataError, match="holds 2 data sets.*: a, b/c. Give the path of one"):
        archives.read(tmp_path)
    class_folders(tmp_path, pixels)  # what lies in the folder itself is meant
    assert len(archives.read(tmp_path).labels) == 2


def test_a_copy_within_the_folders_is_no_other_data_set(tmp_path, pixels):
    """As in face-expression-recognition-dataset on Kaggle."""
    for name in ("images", "images/images"):
        class_folders(tmp_path / name, pixels)
    Image.fromarray(pixels[1]).save(tmp_path / "images/train/happy/2.png")
    assert len(archives.read(tmp_path).labels) == 3  # the outer one's


def test_the_same_data_in_two_forms_is_one_data_set(tmp_path, pixels):
    for name in ("fer2013.csv", "icml_face_data.csv", "older/fer2013.csv"):
        write(tmp_path / name, csv_text(pixels))
    assert archives.locate(tmp_path) == tmp_path / "fer2013.csv"


def test_train_csv_beside_test_csv_is_all_training_and_says_so(tmp_path, pixels):
    write(tmp_path / "train.csv", csv_text(pixels, "emotion,pixels"))
    write(tmp_path / "test.csv", "pixels\n")
    parsed = read(tmp_path)
    check(parsed, pixels, ["Training"])
    assert len(parsed.warnings) == 1
    assert "no protocol can evaluate with it (the challenge's test.csv has no labels)" in parsed.warnings[0]


def test_train_csv_in_a_zip_is_all_training_too(tmp_path, pixels):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train.csv", csv_text(pixels, "emotion,pixels"))
    parsed = read(tmp_path / "a.zip")
    check(parsed, pixels, ["Training"])
    assert "test.csv has no labels" in parsed.warnings[0]


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013/icml_face_data.csv", "./fer2013.csv", "faces.csv"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_of_a_csv_is_read_where_it_lies(tmp_path, pixels, name, compression):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w", compression) as archive:
        archive.writestr("__MACOSX/._fer2013.csv", b"clutter")
        archive.writestr(name, csv_text(pixels))
    check(read(tmp_path / "archive.zip"), pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["archive.zip"]


@pytest.mark.parametrize("base", ["", "fer2013/", "fer2013\\"])
def test_a_zip_of_folders_is_read_where_it_lies(tmp_path, pixels, base):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for row, image in enumerate(pixels):
            usage, label = USAGES[row % 3], row // 6
            Image.fromarray(image).save(tmp_path / "image.png")
            split = "train" if usage == "Training" else "test"
            name = f"{base}{split}/{EMOTIONS[label]}/{usage}_{row}.png".replace("/", "\\" if "\\" in base else "/")
            archive.write(tmp_path / "image.png", name)
    parsed = read(tmp_path / "archive.zip")
    order = np.argsort(parsed.row_ids)
    assert np.array_equal(parsed.images[order], pixels)
    assert parsed.labels[order].tolist() == [row // 6 for row in range(42)]
    assert parsed.usage[order].tolist() == [USAGES[row % 3] for row in range(42)]


def test_an_empty_class_folder_in_a_zip(tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/happy/", b"")
    with pytest.raises(DataError, match=r"archive.zip, train/happy: the class folder is empty. Delete it"):
        read(path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("name", ["fer2013/fer2013.csv", "./fer2013.csv"])
def test_a_tar_of_a_csv_is_read_where_it_lies(tmp_path, pixels, mode, name):
    write(tmp_path / "made" / "fer2013.csv", csv_text(pixels))
    with tarfile.open(tmp_path / "fer2013.tar.gz", mode) as archive:  # whatever it is called
        archive.add(tmp_path / "made", "./" if name.startswith(".") else "fer2013")
    shutil.rmtree(tmp_path / "made")
    check(read(tmp_path / "fer2013.tar.gz"), pixels)
    check(read(tmp_path), pixels)  # the folder that holds nothing else
    assert [path.name for path in tmp_path.iterdir()] == ["fer2013.tar.gz"]


def test_a_tar_of_folders(tmp_path, pixels):
    class_folders(tmp_path / "made", pixels)
    with tarfile.open(tmp_path / "images.tgz", "w:gz") as archive:
        archive.add(tmp_path / "made", "images")
    assert read(tmp_path / "images.tgz").labels.tolist() == [3, 3]


@pytest.mark.parametrize("pack", [gzip, bz2, lzma])
def test_a_compressed_csv(tmp_path, pixels, pack):
    check(read(write(tmp_path / "fer2013.csv.gz", pack.compress(csv_text(pixels).encode()))), pixels)
    text = csv_text(pixels, "emotion,pixels")
    check(read(write(tmp_path / "train.csv.gz", pack.compress(text.encode()))), pixels, ["Training"])


@pytest.mark.parametrize("base", ["fer2013/fer2013", "a/b/c"])
def test_data_nested_by_unpacking_are_found(tmp_path, pixels, base):
    path = write(tmp_path / "csv" / base / "fer2013.csv", csv_text(pixels))
    assert archives.locate(tmp_path / "csv") == path
    class_folders(tmp_path / "images" / base, pixels)
    assert read(tmp_path / "images").labels.tolist() == [3, 3]
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr(f"{base}/fer2013.csv", csv_text(pixels))
    check(read(tmp_path / "archive.zip"), pixels)


def test_two_data_sets_at_different_depths_are_refused(tmp_path, pixels):
    for name in ("a/fer2013.csv", "b/c/d/fer2013.csv"):
        write(tmp_path / name, csv_text(pixels))
    with pytest.raises(DataError, match=r"holds 2 data sets.*: a/fer2013.csv, b/c/d/fer2013.csv\. Give"):
        archives.locate(tmp_path)


def test_what_lies_deep_and_may_not_be_read_is_passed_over(tmp_path, pixels, monkeypatch):
    path = write(tmp_path / "fer2013" / "fer2013.csv", csv_text(pixels))
    (tmp_path / "others" / "private").mkdir(parents=True)
    children = DiskTree.children

    def refuse(tree, name):
        if name.endswith("private"):
            raise PermissionError("Permission denied")
        return children(tree, name)

    monkeypatch.setattr(DiskTree, "children", refuse)
    assert archives.locate(tmp_path) == path


def test_a_file_that_cannot_be_opened_is_a_data_error(tmp_path, pixels, monkeypatch):
    path = write(tmp_path / "fer2013.csv", csv_text(pixels))

    def refuse(*_):
        raise PermissionError("Permission denied")

    monkeypatch.setattr(DiskTree, "open", refuse)
    with pytest.raises(
        DataError, match=r"fer2013.csv: cannot be read \(Permission denied\). Check the file's permissions"
    ):
        read(path)


def test_state_follows_the_content_of_a_file(tmp_path, pixels):
    path = write(tmp_path / "fer2013.csv", csv_text(pixels))
    before = archives.state(path)
    assert archives.state(path) == before
    write(path, csv_text(pixels[:-1]))
    assert archives.state(path) != before


def test_state_follows_an_edit_that_keeps_size_and_time(tmp_path, pixels):
    path = write(tmp_path / "fer2013.csv", csv_text(pixels))
    before, times = archives.state(path), path.stat()
    path.write_text(path.read_text().replace("\n0,", "\n6,", 1))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size and archives.state(path) != before


@pytest.mark.parametrize("change", ["rename", "rewrite", "add"])
def test_state_follows_the_files_in_folders(tmp_path, change):
    path = write(tmp_path / "train" / "happy" / "1.png", b"x")
    before = archives.state(tmp_path)
    assert archives.state(tmp_path) == before
    if change == "rename":
        path.rename(path.with_name("2.png"))
    else:
        write(path if change == "rewrite" else Path(f"{path}.png"), b"longer")
    assert archives.state(tmp_path) != before
