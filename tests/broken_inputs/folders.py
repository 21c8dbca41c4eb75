"""Broken image folders, for FER-2013 and for what a backbone is pretrained on."""

import io
import shutil

import numpy as np
from PIL import Image

from fer_utils.data.faces import DataError
from fer_utils.data.loading import load_fer2013
from fer_utils.data.source_task import SourceError, load_source

from .case import FACES, Case, image_folders, link, pipe, png, png_that_states, write


def with_image(content, name="test/sad/PublicTest_90.png"):
    """Makes folders that are whole but for one image of this content."""

    def make(folder):
        write(image_folders(folder) / name, content)
        return folder

    return make


def after(change):
    """Makes whole folders and lets `change(folder)` break them."""

    def make(folder):
        change(image_folders(folder))
        return folder

    return make


def of_another_kind(content):
    """Makes train/ and test/ whose images all have this content."""

    def make(folder):
        for path in image_folders(folder).glob("*/*/*"):
            path.write_bytes(content)
        return folder

    return make


def saved(image, kind="PNG"):
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def empty_class(folder):
    for path in (folder / "train" / "disgust").iterdir():
        path.unlink()


def loops(folder):
    for name in "abc":  # each leads back to all of them: a walk that followed links would take for ever
        link(folder / "train" / "happy" / name, folder / "train")


def case(name, make, says, names=""):
    return Case(f"folders: {name}", make, load_fer2013, DataError, says, names)


def source(name, make, says, names=""):
    return Case(f"source: {name}", make, lambda path: load_source(path, size=32), SourceError, says, names)


def two_classes(**files):
    """Makes cats/ with two images and dogs/ with one, and these further files in dogs/."""

    def make(folder):
        for name in ("cats", "dogs"):
            write(folder / name / "1.png", png())
        write(folder / "cats" / "0.png", png())
        for name, content in files.items():
            write(folder / "dogs" / f"{name}.png", content)
        return folder

    return make


def broken_link(folder):
    two_classes()(folder)
    link(folder / "dogs" / "2.png", folder / "gone")
    return folder


def source_pipe(folder):
    two_classes()(folder)
    pipe(folder / "dogs" / "2.png")
    return folder


SIXTEEN_BITS = saved(Image.fromarray(np.zeros((48, 48), np.uint16)))
IN_COLOUR = saved(Image.new("RGB", (48, 48), (9, 9, 200)))
CASES = [
    case("empty", lambda folder: folder, "holds no known layout of FER-2013.*found nothing. Give fer2013.csv"),
    case("other files", lambda folder: write(folder / "notes.txt").parent, "found notes.txt. Give fer2013.csv"),
    case("an image of no bytes", with_image(b""), "PublicTest_90.png: is not an image, or is damaged. Delete it"),
    case("a text called .png", with_image(b"not a face"), "PublicTest_90.png: is not an image, or is damaged"),
    case("an image cut off", with_image(png()[:900]), "PublicTest_90.png: is not an image, or is damaged"),
    case("an image of another size", with_image(png(FACES[0][:40])), "is 48 x 40 pixels; .*48 x 48"),
    case("a header that states 60,000 pixels a side", with_image(png_that_states(60_000, 60_000)), "is not an image"),
    case(
        "a header that states 15,000 pixels a side",
        with_image(png_that_states(15_000, 15_000)),
        "is (not an image|15000 x 15000)",
    ),
    case("a header that states no pixels", with_image(png_that_states(0, 0)), "is not an image"),
    case(
        "a header of 48 pixels and nothing behind it",
        with_image(png_that_states(48, 48)),
        "is not an image, or is damaged",
    ),
    case(
        "all images of another size",
        of_another_kind(png(FACES[0][:40])),
        "is 48 x 40 .*another data set: .*SOURCE",
    ),
    case("all images in colour", of_another_kind(IN_COLOUR), "is in colour.*another data set: give .*SOURCE"),
    case(
        "train itself",
        lambda f: image_folders(f) / "train",
        "as a single split does: give the folder above it",
        "given",
    ),
    case(
        "no splits",
        lambda f: (image_folders(f) / "train").rename(f / "all"),
        "single split does: move them into a folder",
    ),
    case(
        "numbers of other data",
        after(lambda f: (f / "train" / "7").mkdir()),
        "class folder '7'. .* 0 angry, .*6 neutral",
    ),
    case(
        "no train", after(lambda f: shutil.rmtree(f / "train")), "given/test holds .* a folder train must be next to it"
    ),
    case(
        "pointers of Git LFS",
        of_another_kind(b"version https://git-lfs.github.com"),
        "is a pointer of Git LFS.*Run git",
    ),
    case("an image in colour", with_image(IN_COLOUR), r"is in colour; FER-2013 is gray. .*convert\('L'\)"),
    case("an image of sixteen bits", with_image(SIXTEEN_BITS), "has the mode I;16; .*8 bits are needed"),
    case(
        "an unknown class",
        after(lambda folder: (folder / "train" / "contempt").mkdir()),
        "'contempt'. .*rename or move it",
    ),
    case("an empty class", after(empty_class), "train/disgust: the class folder is empty. Delete it"),
    case("a folder among images", after(lambda folder: (folder / "test/sad/more").mkdir()), r"holds a folder \(more\)"),
    case(
        "images beside classes",
        after(lambda folder: write(folder / "test" / "1.png", png())),
        "the file 1.png. Move the",
    ),
    case(
        "two folders of a split",
        after(lambda folder: (folder / "Training").mkdir()),
        ": holds two folders for one split, .* Move one",
        "train",
    ),
    case(
        "a link to nothing",
        after(lambda f: link(f / "test/sad/9.png", f / "gone")),
        "9.png: is neither a file nor a link",
    ),
    case("a link to no image", after(lambda f: link(f / "test/sad/9.png", __file__)), "9.png: is not an image"),
    case("links back to their own folder", after(loops), r"train/happy: holds a folder \(a\) among the images. Move"),
    case(
        "a pipe for an image",
        after(lambda f: pipe(f / "test/sad/9.png")),
        "9.png: is neither a file nor a link to one. Delete",
    ),
    Case(
        "source: one image",
        two_classes(),
        lambda path: load_source(path, 32, 1),
        SourceError,
        "MAX_IMAGES=1 leaves none",
    ),
    source("no such folder", lambda folder: folder / "gone", "no such folder. Give SOURCE as 'sample' or"),
    source("a file", lambda folder: write(folder / "images.zip"), "is a file. Unpack it, and give a folder"),
    source("one class", lambda folder: write(folder / "cats" / "1.png", png()).parents[1], "has 1 class folder.*Give"),
    source("a class without images", lambda f: (two_classes()(f) / "owls").mkdir() or f, "owls: this class.*Remove it"),
    source("a text called .png", two_classes(b=b"no image"), "b.png: not a readable image.*Remove it"),
    source(
        "a header that states 9,000 pixels a side", two_classes(b=png_that_states(9000, 9000)), "9000 x 9000 pixels"
    ),
    source("an image cut off", two_classes(b=png()[:900]), "b.png: not a readable image.*Remove it"),
    source("a link to nothing", broken_link, r"2.png: not a readable image \(it is not a file\).*Remove it"),
    source("a pipe", source_pipe, r"2.png: not a readable image \(it is not a file\).*Remove it"),
]
