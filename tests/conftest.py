"""Fixtures for tests about data: nothing of the user's own data, environment or cache is touched."""

import os

import numpy as np
import pytest
from hypothesis import settings
from stand_ins import make_project

from fer_utils import kernels

os.environ.update(kernels.settings())

# Of damaged inputs (test_fuzz), the same few in every `make test`; `make fuzz` draws new ones by the thousand.
settings.register_profile("few", max_examples=60, deadline=None, derandomize=True, database=None)
settings.register_profile("many", max_examples=4000, deadline=None, database=None, print_blob=True)
settings.load_profile("few")

# The files that take longest are begun first, so that none of them is left to one process at the end.
LONGEST = ("test_notebooks", "test_labs", "test_site_browser", "test_checkpoints", "test_box", "test_models")
LONGEST += ("test_failures", "test_benchmarks", "test_network", "test_export", "test_try_page", "test_workflow")


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture
def closed_figures():
    """Whatever figures a test draws are closed after it."""
    yield
    from matplotlib import pyplot as plt  # of those alone that draw

    plt.close("all")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own, and no FER_DATA."""
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def pixels():
    """Random images: uint8 (42, 48, 48), two for each usage and emotion."""
    return np.random.default_rng(0).integers(0, 256, (42, 48, 48), dtype=np.uint8)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the real Snakefile and stand-ins for the notebooks (``stand_ins``)."""
    monkeypatch.delenv("FER_DATA", raising=False)
    return make_project(tmp_path)
