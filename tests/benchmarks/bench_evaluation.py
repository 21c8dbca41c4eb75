"""What it costs to ask about a face in several ways."""

import pytest
from bench_training import compiled

from fer_utils.models import tta

pytestmark = pytest.mark.benchmark(group="answers to 1,024 images, deep CNN")


@pytest.mark.parametrize("kind", ["flip", "ten-crop", "scales"])
def bench_views(benchmark, kind, train):
    model = compiled("crop", augmented=True)
    benchmark.pedantic(tta.predict, args=[model, train.images[:1024], kind, 40], rounds=3, warmup_rounds=1)


def bench_baseline_single_view(benchmark, train):
    model = compiled("crop", augmented=True)
    benchmark.pedantic(tta.predict, args=[model, train.images[:1024]], rounds=3, warmup_rounds=1)
