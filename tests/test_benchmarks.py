"""That the benchmarks run, and what is made of their numbers; never how fast anything is."""

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from cells import eagerly

from fer_utils.project import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "tests" / "benchmarks"
RAW = {
    "benchmarks": [
        {"group": "loading", "name": "bench_ours", "stats": {"median": 0.5, "q1": 0.4, "q3": 0.6, "rounds": 3}},
        {"group": "loading", "name": "bench_baseline", "stats": {"median": 2.0, "q1": 1.9, "q3": 2.2, "rounds": 3}},
        {"group": "study", "name": "bench_all", "stats": {"median": 300.0, "q1": 300.0, "q3": 300.0, "rounds": 1}},
    ]
}


def test_ratios_are_to_the_baseline_of_the_same_group(tmp_path):
    raw, kept = tmp_path / "raw.json", tmp_path / "benchmarks.json"
    raw.write_text(json.dumps(RAW))
    command = [sys.executable, str(FOLDER / "summarize.py"), str(raw), str(kept)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    content = json.loads(kept.read_text())
    assert [row["times_as_fast"] for row in content["benchmarks"]] == [4.0, None, None]
    assert content["versions"]["python"] and content["device"]["cores"]
    assert "| loading: ours | 500.0 ms | 3 | 4.00 |" in printed
    assert "| study: all | 300.0 s | 1 |  |" in printed


def test_rounds_beside_their_own_baseline_are_compared_one_by_one(tmp_path):
    """The machine is twice as slow from the second round on, which is no matter of either side."""
    stats = {"median": 2.0, "q1": 1.5, "q3": 2.0, "rounds": 3, "data": [1.0, 2.0, 2.0]}
    beside = {"baseline": "baseline", "baseline_seconds": [0.9, 1.9, 1.6]}
    raw, kept = tmp_path / "raw.json", tmp_path / "benchmarks.json"
    bench = {"group": "a", "name": "bench_b", "stats": stats, "extra_info": beside}
    raw.write_text(json.dumps({"benchmarks": [bench]}))
    command = [sys.executable, str(FOLDER / "summarize.py"), str(raw), str(kept)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    own, baseline = json.loads(kept.read_text())["benchmarks"]
    assert [own[key] for key in ("times_low", "times_as_fast", "times_high")] == pytest.approx([0.85, 0.9, 0.925])
    assert (baseline["name"], baseline["seconds"], baseline["times_as_fast"]) == ("baseline", 1.6, None)
    assert "| a: b | 2.0 s | 3 | 0.90 (0.85 to 0.93) |" in printed


@pytest.mark.slow
def test_benchmarks_run(monkeypatch):
    """One of each kind, untimed, on a few images; the study itself is what test_workflow runs small."""
    pytest.importorskip("tensorflow")
    monkeypatch.setenv("FER_BENCHMARK_IMAGES", "64")
    monkeypatch.delenv("FER_DATA", raising=False)
    chosen = "loading or bench_augmentation or fit and bfloat16 or race or 20-64 and bfloat16"
    chosen += " or evaluation and flip or tuned or baseline_float32"
    command = [sys.executable, "-m", "pytest", "-q", str(FOLDER), "-k", chosen, "--benchmark-disable"]
    command += ["-o", "python_files=bench_*.py", "-o", "python_functions=bench_*", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT)
    assert done.returncode == 0, done.stdout[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) == 13, done.stdout[-2000:]


def test_what_is_timed_as_augmentation_changes_every_face():
    pytest.importorskip("tensorflow")
    import bench_augmentation

    faces = np.random.default_rng(0).integers(0, 256, (8, 48, 48), dtype=np.uint8)
    for size, channels in ((48, 1), (224, 3)):
        images = np.asarray(bench_augmentation.compiled(size, channels)(faces))
        assert images.shape == (8, size, size, channels)
        plain = np.asarray(keras.ops.image.resize(faces[..., None] / np.float32(255), (size, size)))
        assert (np.abs(images - plain).max(axis=(1, 2, 3)) > 0.1).all()


@pytest.mark.slow
def test_throughput_runs(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    import throughput

    words = ["--images", "70", "--matrix", "64", "--changes", "width=0.05"]
    monkeypatch.setattr(sys, "argv", ["throughput.py", str(tmp_path / "found.json"), *words])
    with eagerly():
        throughput.main()
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row["recipe"] for row in found["rows"]] == ["mixup", "vgg16"] and found["matrix_tflops"] > 0
    for row in found["rows"]:
        assert row["fraction"] == pytest.approx(row["fit_images_s"] / row["constant_images_s"])
