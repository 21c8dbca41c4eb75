"""Seconds until a Python process has imported something, the interpreter's own start included."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.benchmark(group="import")


def started(code):
    subprocess.run([sys.executable, "-c", code], check=True, env={"TF_CPP_MIN_LOG_LEVEL": "3"})


@pytest.mark.parametrize("module", ["fer_utils", "fer_utils.data", "fer_utils.ladder.results", "fer_utils.models"])
def bench_import(benchmark, module):
    benchmark.pedantic(started, args=[f"import {module}"], rounds=5, warmup_rounds=1)


def bench_baseline_keras(benchmark):
    benchmark.pedantic(started, args=["import keras"], rounds=5, warmup_rounds=1)
