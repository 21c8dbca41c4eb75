"""The votes that come with the package: Microsoft's counts, unchanged, their licence, and the tool that wrote them."""

import tomllib
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import votes

from fer_utils.labels import ferplus
from fer_utils.names import USAGE_COUNTS

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / "data" / "fer2013new.csv"
BESIDE = ferplus.SHIPPED.with_name("ferplus_votes.LICENSE")
RUN = ROOT / "outputs" / "reference" / "cpu" / "vgg16-scratch-seed0"


@pytest.fixture(scope="module")
def shipped():
    return ferplus.shipped_votes()


def test_the_counts_are_those_of_the_published_file(shipped):
    assert shipped.shape == (35_887, 10) and shipped.dtype == np.int64
    # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
    assert shipped.sum(axis=0).tolist() == [107485, 91446, 41490, 47446, 28468, 5391, 12174, 6062, 16964, 1943]
    assert np.bincount(shipped.sum(axis=1)).tolist() == [0] * 9 + [1, 35_886]  # ten votes a row; one row has nine
    assert zlib.crc32(shipped.astype(np.uint8).tobytes()) == 3_193_953_213
    assert shipped[0].tolist() == [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]  # fer0000000.png


def test_the_rows_are_in_the_order_of_the_csv(shipped):
    assert dict(zip(*np.unique(ferplus.csv_order(), return_counts=True))) == USAGE_COUNTS
    assert ferplus.csv_order()[[0, 28_708, 28_709, 32_297, 32_298, 35_886]].tolist() == (
        ["Training"] * 2 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
    )


def test_the_votes_fit_the_labels_of_a_committed_run(shipped):
    """In FER-2013's own order, the label is the voters' favourite in 61 % of images; in any other order in 20 %."""
    with np.load(RUN / "predictions.npz") as kept:
        rows, labels = kept["test_row_ids"], kept["test_labels"]
    assert set(ferplus.csv_order()[rows]) == {"PrivateTest"}
    assert (ferplus.favourite(shipped[rows]) == labels).sum() == 2196  # as notebook 09 counts them


@pytest.mark.real
@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs FER+'s fer2013new.csv as data/fer2013new.csv")
def test_the_published_file_has_these_votes(shipped):
    assert np.array_equal(votes.read(PUBLISHED), shipped)


def test_a_published_file_in_another_order_is_refused(shipped, tmp_path):
    table = pd.DataFrame(shipped, columns=ferplus.VOTES).assign(Usage=ferplus.csv_order())
    table.to_csv(tmp_path / "votes.csv", index=False)
    assert np.array_equal(votes.read(tmp_path / "votes.csv"), shipped)
    table.replace({"NF": {0: None}}).to_csv(tmp_path / "votes.csv", index=False)
    with pytest.raises(ValueError, match="votes.csv: a count is missing"):
        votes.read(tmp_path / "votes.csv")
    table.iloc[::-1].to_csv(tmp_path / "votes.csv", index=False)
    with pytest.raises(ValueError, match="votes.csv: its rows are not in the order of fer2013.csv"):
        votes.read(tmp_path / "votes.csv")


def test_the_tool_writes_what_is_shipped_and_the_same_bytes_each_time(shipped, tmp_path, monkeypatch):
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    votes.write(shipped, first)
    votes.write(shipped, second)
    assert first.read_bytes() == second.read_bytes()
    monkeypatch.setattr(ferplus, "SHIPPED", first)
    assert np.array_equal(ferplus.shipped_votes(), shipped)


def test_the_tool_refuses_what_a_byte_does_not_hold(tmp_path):
    with pytest.raises(ValueError, match="256 votes for one answer"):
        votes.write(np.array([[256] + [0] * 9]), tmp_path / "votes.npz")
    assert not list(tmp_path.iterdir())


def test_votes_and_licence_are_small_and_go_into_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["fer_utils.labels"]
    packed = {path.name for pattern in patterns for path in ferplus.SHIPPED.parent.glob(pattern)}
    assert packed == {ferplus.SHIPPED.name, BESIDE.name}
    assert str(BESIDE.relative_to(ROOT)) in project["project"]["license-files"]
    assert ferplus.SHIPPED.stat().st_size < 500_000
    licence = BESIDE.read_text(encoding="utf-8")
    assert (
        "Copyright (c) Microsoft Corporation" in licence and "Permission is hereby granted, free of charge" in licence
    )
