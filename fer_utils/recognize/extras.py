"""Packages that only some of this room needs: loaded when they are used, with one clear error where missing."""

import importlib


class RequirementError(RuntimeError):
    """Something that this needs is missing here; the message says what to install or set."""


def load(module, purpose, extra="photos"):
    """Import a module by name and return it. Raises RequirementError: what is missing, for what, and the mend."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RequirementError(f"{purpose} needs {module} ({error}). Install it: pip install -e '.[{extra}]'") from None


def require_tensorflow(purpose):
    """Raise RequirementError where Keras runs on something else."""
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise RequirementError(
            f"{purpose} needs TensorFlow, and Keras runs on {backend} here. "
            "Set KERAS_BACKEND=tensorflow in the environment and start again"
        )
