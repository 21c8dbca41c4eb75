"""The whole study on the built-in sample, as `make reproduce` runs it."""

import subprocess
import sys

import pytest
import yaml

from fer_utils.project import PROJECT_ROOT

pytestmark = pytest.mark.benchmark(group="study")


def bench_sample_study(benchmark, tmp_path):
    profile = yaml.safe_load((PROJECT_ROOT / "profiles" / "sample.yaml").read_text())
    profile["all"]["OUTPUT_DIR"] = str(tmp_path / "runs")
    path = tmp_path / "sample.yaml"
    path.write_text(yaml.safe_dump(profile))
    command = [sys.executable, "-m", "fer_utils.workflow", "reproduce", "--profile", str(path)]
    benchmark.pedantic(subprocess.run, args=[command], kwargs={"check": True, "cwd": PROJECT_ROOT}, rounds=1)
