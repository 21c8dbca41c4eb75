"""Starts IPython's kernel such that a user's own settings decide nothing about results; `kernel.json` names it."""

import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def set_apart():
    """Put this project and Keras', IPython's and matplotlib's own settings before the user's."""
    sys.path[:] = [str(ROOT), *(folder for folder in sys.path if folder != str(HERE))]  # before PYTHONPATH
    from fer_utils.project import PROJECT_ROOT

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # whatever ~/.keras/keras.json says
    os.environ.pop("PYTHONSTARTUP", None)
    os.environ["IPYTHONDIR"] = str(PROJECT_ROOT / "outputs" / ".ipython")  # without start-up files; IPython makes it
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    if found := importlib.util.find_spec("matplotlib"):
        os.environ["MATPLOTLIBRC"] = str(Path(found.origin).with_name("mpl-data") / "matplotlibrc")


if __name__ == "__main__":
    set_apart()
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
