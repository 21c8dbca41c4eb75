"""Fixtures for tests about data: nothing of the user's own data, environment or cache is touched."""

import numpy as np
import pytest


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
