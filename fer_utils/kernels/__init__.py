"""The kernel that runs this project's notebooks: that of this environment, whatever else is called python3.

Jupyter looks for kernels in JUPYTER_PATH and often in the user's folders before it looks into the environment. So
``settings`` puts this folder first, where `python3/kernel.json` starts `python3/launch.py` with the Python that asks.
"""

import importlib.metadata
import os
from pathlib import Path

PROVISIONER = "fer-utils"  # its name in pyproject.toml


def settings():
    """What a process that starts kernels needs in its environment, as a dict of name -> value."""
    first = str(Path(__file__).resolve().parent.parent)
    others = [folder for folder in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if folder not in ("", first)]
    found = {"JUPYTER_PATH": os.pathsep.join([first, *others])}
    # Known only where the project was installed (pip install -e .); elsewhere kernels talk over TCP.
    if importlib.metadata.entry_points(group="jupyter_client.kernel_provisioners", name=PROVISIONER):
        found["JUPYTER_DEFAULT_PROVISIONER_NAME"] = PROVISIONER
    return found
