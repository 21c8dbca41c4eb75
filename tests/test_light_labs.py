"""The labs that train nothing run where neither Keras nor a backend is installed, as on Binder."""

import os
import subprocess
import sys

import labs
import pytest

LIGHT = ("lab3", "lab5", "lab6")
ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("keras", "tensorflow", "jax", "torch"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.mark.slow
@pytest.mark.parametrize("lab", LIGHT)
def test_a_lab_that_trains_nothing_needs_no_keras(lab):
    notebook = labs.with_solutions(labs.COURSE / f"{lab}.solution.py")
    cells = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    environment = os.environ | {"MPLBACKEND": "agg"}
    command = [sys.executable, "-c", ABSENT + cells]
    done = subprocess.run(command, cwd=labs.COURSE, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
