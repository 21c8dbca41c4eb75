"""Settings of the backend: precision, XLA, a patch of tf.data."""

import warnings
from pathlib import Path

import keras
import numpy as np

from fer_utils.models.backbones import choose
from fer_utils.names import CHOICES
from fer_utils.training.batches import READ_AHEAD


def untune_datasets():
    """Stop TensorFlow from waiting at the end of the data in `fit`, `evaluate` and `predict`. Called on import.

    tf.data tunes itself in a thread that often misses the end of its iterator. TensorFlow then waits for the thread, up
    to as long again as the iterator has existed (TensorFlow 2.21: `StartCancel` wakes the thread before marking it as
    cancelled). Eight of eleven epochs of 15 to 30 seconds ended after 20.5 or 41 seconds. Keras requests the tuning in
    its last call, `prefetch`, and has no parameter to turn it off. The patched `prefetch` reads two
    batches ahead, untuned.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if hasattr(tf.data.Dataset.prefetch, "tuned"):
        return
    tuned = tf.data.Dataset.prefetch

    def prefetch(dataset, buffer_size, name=None):
        options = tf.data.Options()
        options.autotune.enabled = False
        ahead = READ_AHEAD if buffer_size == tf.data.AUTOTUNE else buffer_size
        return tuned(dataset, ahead, name=name).with_options(options)

    prefetch.tuned = tuned
    tf.data.Dataset.prefetch = prefetch


def compile_with_xla():
    """Whether `compile` should use XLA: True under JAX, which always uses it, False under TensorFlow.

    TensorFlow's XLA lacks a kernel for the augmentation's projective transform, and doubles a VGG16 step on a CPU.
    """
    return keras.backend.backend() == "jax"


def precision(name):
    """The Keras dtype policy for PRECISION; "auto" becomes "mixed_bfloat16" if the hardware supports it.

    Supported are NVIDIA GPUs from Ampere on and, under TensorFlow, x86 CPUs with AVX512-BF16 or AMX, where the deep
    CNN's step takes half the time. Elsewhere bfloat16 would be emulated, so "auto" becomes "float32". Weights, batch
    norm's statistics and probabilities are float32 in both. Raises ValueError for an unknown name. Warns if bfloat16 is
    emulated.
    """
    choose("PRECISION", name, CHOICES["PRECISION"])
    if name == "auto":
        return "mixed_bfloat16" if _computes_in_bfloat16() else "float32"
    if name == "mixed_bfloat16" and not _computes_in_bfloat16():
        warnings.warn(
            "PRECISION='mixed_bfloat16': this processor has no bfloat16. To emulate it takes many times as long as "
            "float32, which PRECISION='auto' chooses here",
            stacklevel=2,
        )
    return name


def _computes_in_bfloat16(cpuinfo="/proc/cpuinfo"):
    """Whether the GPU, or the CPU described in the file `cpuinfo`, computes in bfloat16 without emulation."""
    on_jax = keras.backend.backend() == "jax"
    if any(device.startswith(("gpu", "cuda")) for device in keras.distribution.list_devices()):
        if on_jax:
            import jax

            capability = str(getattr(jax.devices()[0], "compute_capability", "0")).split(".")
        else:
            import tensorflow as tf

            gpu = tf.config.list_physical_devices("GPU")[0]
            capability = tf.config.experimental.get_device_details(gpu).get("compute_capability", (0,))
        return int(capability[0]) >= 8  # Ampere
    if on_jax or not Path(cpuinfo).is_file():
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(Path(cpuinfo).read_text().split())


def make_variables(model):
    """Create the variables of a compiled classifier's optimizer and metrics before the first step of `fit`.

    TensorFlow traces a step again if its first trace created variables. ResNet50's first step took 38 CPU seconds
    without this function, 33 with the optimizer's variables alone and 20 with all.
    """
    model.optimizer.build(model.trainable_variables)
    classes = model.output_shape[-1]
    model.compute_metrics(None, np.zeros(1, "int32"), np.full((1, classes), 1 / classes, "float32"))
    model.reset_metrics()


untune_datasets()
