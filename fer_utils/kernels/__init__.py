"""The kernel that runs this project's notebooks: this environment's, even if another kernel is called python3.

Jupyter looks for kernels in JUPYTER_PATH, and often in the user's folders, before it looks into the environment. So
``settings`` puts the package first. Its `kernels/python3/kernel.json` starts `launch.py` with the Python that runs
Jupyter.
"""

import importlib.metadata
import os
from pathlib import Path

PROVISIONER = "fer-utils"  # its name in pyproject.toml


def settings():
    """Return the environment variables for a process that starts kernels: a dict of name -> value."""
    first = str(Path(__file__).resolve().parent.parent)
    others = [folder for folder in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if folder not in ("", first)]
    found = {"JUPYTER_PATH": os.pathsep.join([first, *others])}
    # The entry point exists only if the project is installed (pip install -e .). Otherwise kernels use TCP.
    if importlib.metadata.entry_points(group="jupyter_client.kernel_provisioners", name=PROVISIONER):
        found["JUPYTER_DEFAULT_PROVISIONER_NAME"] = PROVISIONER
    return found
