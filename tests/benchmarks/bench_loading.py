"""FER-2013's CSV into memory: ours the first time, ours from the cache, and the pandas idiom of most notebooks."""

import itertools
import os

import numpy as np
import pandas as pd
import pytest

from fer_utils import data

pytestmark = pytest.mark.benchmark(group="loading a CSV")


@pytest.fixture(scope="module")
def csv(faces, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "fer2013.csv"
    step = -(-len(faces) // int(os.environ.get("FER_BENCHMARK_IMAGES", len(faces))))
    some = faces.take(slice(None, None, step))  # of all splits
    pixels = [" ".join(map(str, image.ravel())) for image in some.images]
    pd.DataFrame({"emotion": some.labels, "pixels": pixels, "Usage": some.usage}).to_csv(path, index=False)
    return path


def idiom(path):
    table = pd.read_csv(path)
    return np.array([np.array(row.split(" "), dtype="uint8").reshape(48, 48) for row in table["pixels"]])


@pytest.mark.filterwarnings("ignore::fer_utils.data.DataWarning")
def bench_first_load(benchmark, csv, tmp_path, monkeypatch):
    """Parsing, checking and filling the cache."""
    fresh = (tmp_path / str(number) for number in itertools.count())

    def empty_cache():
        monkeypatch.setenv("FER_CACHE", str(next(fresh)))

    benchmark.pedantic(lambda: data.load_fer2013(csv), setup=empty_cache, rounds=3)


@pytest.mark.filterwarnings("ignore::fer_utils.data.DataWarning")
def bench_second_load(benchmark, csv, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    data.load_fer2013(csv)
    benchmark.pedantic(data.load_fer2013, args=[csv], rounds=5)


def bench_baseline_pandas(benchmark, csv):
    benchmark.pedantic(idiom, args=[csv], rounds=3)
