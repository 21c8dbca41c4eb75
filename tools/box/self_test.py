"""Test whether a box can run the study, one test per call by `run.py`. Prints the result as one line of JSON.

python tools/box/self_test.py --device gpu --matrix 8192       the device, its memory and its rate
python tools/box/self_test.py --device gpu --step vgg16        one training step of a network, narrow and small
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def matrix_rate(device, size, rounds=10):
    """Return a dict: device, memory in GB (0 for a CPU), TFLOP/s of a bfloat16 matrix product, and JAX's version."""
    import jax
    import jax.numpy as jnp

    found = jax.devices()[0]
    if (found.platform == "gpu") != (device == "gpu"):
        sys.exit(f"JAX sees a {found.platform}, not a {device}: look at nvidia-smi, or rehearse with --device cpu")
    left, right = (jax.random.normal(jax.random.key(seed), (size, size), jnp.bfloat16) for seed in (0, 1))
    product, seconds = jax.jit(jnp.matmul), []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        product(left, right).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return {
        "device": _gpu("name") or found.device_kind,
        "memory_gb": float(_gpu("memory.total").split()[0]) * 2**20 / 1e9 if device == "gpu" else 0.0,
        "matrix_tflops": 2 * size**3 / statistics.median(seconds[1:]) / 1e12,
        "jax": jax.__version__,
    }


def _gpu(field):
    try:
        command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.SubprocessError):
        return ""


def step(architecture):
    """Train a narrow network for one step on eight random faces, augmented. Exits if the loss is not finite."""
    import keras
    import numpy as np

    from fer_utils import models, training

    keras.config.set_dtype_policy(training.precision("auto"))
    model = models.build_classifier(architecture, "scratch", width=0.0625)
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=training.compile_with_xla())
    draw = np.random.default_rng(0)
    loss = model.train_on_batch(draw.integers(0, 256, (8, 48, 48), "uint8"), draw.integers(0, 7, 8))
    if not np.isfinite(loss):
        sys.exit(f"{architecture}: the loss of one step is {loss}")
    return {"precision": keras.config.dtype_policy().name}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["gpu", "cpu"], required=True)
    parser.add_argument("--matrix", type=int)
    parser.add_argument("--step")
    given = parser.parse_args()
    found = matrix_rate(given.device, given.matrix) if given.matrix else step(given.step)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
