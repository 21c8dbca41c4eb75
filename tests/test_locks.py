"""One process writes a folder; another is told by whom it is held; a dead one holds nothing."""

import os
import re
import signal
import subprocess
import sys

import pytest

from fer_utils import runs
from fer_utils.runs import lock

HOLDER = """
import sys, time
from fer_utils import runs
runs.start_run(sys.argv[1], "run")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds tmp_path/run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=runs.PROJECT_ROOT
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_folder_that_another_process_writes_is_refused_with_who_holds_it(other, tmp_path):
    with pytest.raises(runs.RunError) as caught:
        runs.start_run(tmp_path, "run")
    assert re.search(rf"run: is being written by process {other.pid} on \S+ since \d{{4}}-", str(caught.value))
    assert (tmp_path / "run" / "figures").is_dir()  # nothing was removed
    assert runs.start_run(tmp_path, "another").is_dir()


def test_a_dead_process_holds_nothing(other, tmp_path):
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (tmp_path / ".run.lock").read_text().startswith("process")
    assert runs.start_run(tmp_path, "run").is_dir()
    runs.finish_run(tmp_path / "run", {})


def test_a_process_may_start_a_run_again_and_lets_go_of_it_at_the_end(tmp_path):
    runs.start_run(tmp_path, "run")
    runs.start_run(tmp_path, "run")
    runs.finish_run(tmp_path / "run", {})
    held = [sys.executable, "-c", HOLDER.replace("time.sleep(60)", ""), str(tmp_path)]
    assert subprocess.run(held, capture_output=True, text=True, cwd=runs.PROJECT_ROOT).stdout == "held\n"


def test_letting_go_of_what_is_not_held_does_nothing(tmp_path):
    lock.release(tmp_path / "never")
    assert list(tmp_path.iterdir()) == []
