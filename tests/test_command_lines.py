"""The command lines of the package say how they are used, take no option for a folder, and end quietly."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stand_ins import ROOT

from fer_utils.audit import collapse
from fer_utils.command_line import data_source, leave_with
from fer_utils.recognize import __main__ as recognize
from fer_utils.recognize import export
from fer_utils.score import __main__ as score
from fer_utils.workflow import __main__ as workflow

MODULES = [collapse, export, recognize, score, workflow]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_help_is_given_and_nothing_is_done(module, capsys):
    with pytest.raises(SystemExit, match="0"):
        module.main(["--help"])
    assert f"usage: python -m {module.__name__.removesuffix('.__main__')}" in capsys.readouterr().out


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
@pytest.mark.parametrize("arguments", [[], ["outputs/x", "--nonsense"]], ids=["none", "unknown option"])
def test_a_wrong_call_is_answered_with_the_usage(module, arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        module.main(arguments)
    assert "usage: " in capsys.readouterr().err


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_its_end_is_that_of_all(module):
    last = Path(module.__file__).read_text(encoding="utf-8").splitlines()[-2:]
    assert last == ['if __name__ == "__main__":', "    leave_with(main)"]


def test_a_reader_that_goes_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "fer_utils.workflow", "plan"]
    found = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=ROOT, timeout=60, check=False)
    os.close(write)
    assert (found.returncode, found.stderr) == (0, b"")


@pytest.mark.parametrize("status", [0, 2])
def test_the_status_is_that_of_the_command(status):
    with pytest.raises(SystemExit, match=str(status)):
        leave_with(lambda: status)


def test_a_notebooks_output_will_do(monkeypatch):
    """In a notebook, as with `%run -m fer_utils.score`, the output is no file."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(SystemExit, match="0"):
        leave_with(lambda: 0)


@pytest.mark.parametrize(
    "given, expected",
    [(None, None), ("", ""), ("sample", "sample"), ("kaggle", "kaggle"), ("a/../b.csv", "{}/b.csv"), ("~/b", "{}/b")],
)
def test_data_count_from_the_working_folder(given, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_source(given) == (expected and expected.format(tmp_path))
