"""Start IPython's kernel so that a user's own settings cannot change results; `kernel.json` names this file."""

import importlib.util
import os
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def ignore_user_settings():
    """Use this project's code, and Keras, IPython and matplotlib without the user's settings files."""
    sys.path[:] = [str(ROOT), *(folder for folder in sys.path if folder != str(HERE))]  # before PYTHONPATH
    from fer_utils.project import PROJECT_ROOT

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # overrides ~/.keras/keras.json
    os.environ.pop("PYTHONSTARTUP", None)
    os.environ["IPYTHONDIR"] = str(PROJECT_ROOT / "outputs" / ".ipython")  # has no start-up files; IPython creates it
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    if found := importlib.util.find_spec("matplotlib"):
        os.environ["MATPLOTLIBRC"] = str(Path(found.origin).with_name("mpl-data") / "matplotlibrc")


def use_onednn():
    """Let TensorFlow use oneDNN on every x86 processor; on Linux it needs VNNI, bfloat16 or AMX to do so by itself.

    A value in the environment is kept. The gain is in docs/speed.md.
    """
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


if __name__ == "__main__":
    ignore_user_settings()
    use_onednn()
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
