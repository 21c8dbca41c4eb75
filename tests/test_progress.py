"""What a person sees: a line an event, why a run failed, and what is cleared away after a kill."""

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fer_utils.command_line import duration
from fer_utils.workflow import start
from fer_utils.workflow.progress import Progress, accuracy, follow, keep_only_errors, why
from fer_utils.workflow.start import clear_stale_lock, stop_leftovers
from fer_utils.workflow.study import load_study


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (1530, "26 min"),
        (3599, "59 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


# --- why a run failed ------------------------------------------------------------------------------------------------

STARTED = "Executing notebook with kernel: python3\n"
CELLS = STARTED + "".join(f"Executing Cell {n}---\nEnding Cell {n}------\n" for n in (1, 2)) + "Executing Cell 3---\n"
TRACEBACK = 'Traceback (most recent call last):\n  File "papermill/engines.py", line 440\n    raise error\n'
RAISED = """papermill.exceptions.PapermillExecutionError:\x20
---------------------------------------------------------------------------
Exception encountered at "In [2]":
---------------------------------------------------------------------------
ValueError                                Traceback (most recent call last)
Cell In[2], line 1
----> 1 fit(images)

ValueError: images have shape (32, 40),
but 48 is needed

"""
EXITED = 'papermill.exceptions.PapermillExecutionError:\nException encountered at "In [2]":\n\nSystemExit: enough\n\n'
TOO_LONG = "nbclient.exceptions.CellTimeoutError: A cell timed out after 90 seconds.\nThe message was: timed out.\n"
UNANSWERED = TRACEBACK + "RuntimeError: Kernel died before replying to kernel_info\n"
MEMORY = "usually out of memory: try JOBS=1 or a smaller BATCH_SIZE; or a cell ended it, as exit() does"
WHOLE = "the environment is incomplete: remove .venv, then run make setup"


def cell(kind, started):
    return {"cell_type": kind, "metadata": {"papermill": {"start_time": started}}}


@pytest.fixture
def logs(tmp_path):
    """A function that writes the log and the notebook of a run that came to its second cell of code, or to none."""

    def write(text, started=True):
        time = "2026-11-24T10:00:00" if started else None
        cells = [cell("markdown", time), cell("code", time), cell("code", time), cell("code", None)]
        (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
        (tmp_path / "a.log").write_text(text)
        return tmp_path / "a.log"

    return write


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TRACEBACK + RAISED, "cell [2], ValueError: images have shape (32, 40), but 48 is needed"),
        (TRACEBACK + EXITED, "cell [2], SystemExit: enough"),
        (
            TRACEBACK + TOO_LONG,
            "cell [2], CellTimeoutError: A cell timed out after 90 seconds. The message was: timed out. "
            "(the cell took longer than TIMEOUT allows)",
        ),
        (
            f"ValueError: printed by the cell\n{TRACEBACK}nbclient.exceptions.DeadKernelError: Kernel died\n",
            f"cell [2], DeadKernelError: Kernel died ({MEMORY})",
        ),
        ("Ending Cell 3------\n", "the notebook ran through, but did not write its metrics.json"),
        ("Ending Cell 3------\n[IPKernelApp] late\n", "the notebook ran through, but did not write its metrics.json"),
        ("epoch 3 of 9\n", "cell [2], papermill was killed, usually because memory ran out: try JOBS=1"),
    ],
)
def test_the_log_says_why_a_cell_failed(logs, text, reason):
    assert why(logs(CELLS + text)) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (UNANSWERED, f"RuntimeError: Kernel died before replying to kernel_info ({MEMORY})"),
        (
            f"/usr/bin/python3: No module named ipykernel_launcher\n{UNANSWERED}",
            f"RuntimeError: Kernel died before replying to kernel_info ({WHOLE})",
        ),
        (
            TRACEBACK + "jupyter_client.kernelspec.NoSuchKernel: No such kernel named python3\n",
            f"NoSuchKernel: No such kernel named python3 ({WHOLE})",
        ),
        (
            TRACEBACK + "RuntimeError: Kernel didn't respond in 300 seconds\n",
            "RuntimeError: Kernel didn't respond in 300 seconds (the machine is too busy: try JOBS=1)",
        ),
    ],
)
def test_a_kernel_that_never_was_came_to_no_cell(logs, text, reason):
    assert why(logs(STARTED + text, started=False)) == reason


def test_the_programs_of_an_environment_that_was_moved_do_not_start(logs):
    said = "bash: line 1: /new/.venv/bin/papermill: /old/.venv/bin/python: bad interpreter: No such file or directory"
    assert why(logs(f"{said}\n", started=False)) == f"papermill did not start: {said} ({WHOLE})"


def test_a_log_of_an_earlier_try_says_nothing(logs):
    log = logs(CELLS + TRACEBACK + RAISED)
    os.utime(log, (1000, 1000))
    assert why(log, since=2000) == "papermill did not start, and left no log"


def test_a_notebook_that_a_kill_left_half_written_costs_only_the_cells_number(logs):
    log = logs(CELLS)
    log.with_suffix(".ipynb").write_text('{"cells": [')
    assert why(log) == "papermill was killed, usually because memory ran out: try JOBS=1"


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    assert why(tmp_path / "a.log") == f"the disk of {tmp_path} is full: make room"


# --- a line an event -------------------------------------------------------------------------------------------------


def event(name, created=0.0, **fields):
    return SimpleNamespace(event=name, msg=None, levelno=logging.INFO, created=created, **fields)


@pytest.fixture
def study(tmp_path, capsys):
    """A Progress, a function that sends it an event of the run `explore`, and one that reads what was printed."""
    progress = Progress(f"{tmp_path}/compare")
    log = [f"{tmp_path}/logs/explore.log", f"{tmp_path}/logs/explore.ipynb"]
    (tmp_path / "logs").mkdir()
    (tmp_path / "metrics.json").write_text("{}")

    def send(name, created=0.0, **fields):
        fields = {"log": log, "output": [f"{tmp_path}/metrics.json"], "rule_msg": None, **fields}
        progress.emit(event(name, created, jobid=1, job_id=1, **fields))

    return progress, send, lambda: [line[10:] for line in capsys.readouterr().out.splitlines()]


def test_a_line_for_each_start_and_end(study):
    progress, send, lines = study
    send("run_info", stats={"explore": 1, "all": 1, "total": 2})
    progress.emit(event("job_info", jobid=0, log=[]))
    send("job_info", 1000)
    send("job_finished", 1065)
    progress.emit(event("job_finished", job_id=0))
    assert lines() == ["start   explore", "done    explore                   in 1 min 05 s (1 of 1)"]
    assert progress.closing() == f"Done in 0 s. Results: {progress.results}"


@pytest.mark.parametrize(
    ("metrics", "stated"),
    [
        ({"test": {"accuracy": 0.5}, "validation": {"accuracy": 0.4321}}, ", validation accuracy 43.2%"),
        ({"held_out": {"accuracy": 0.25}}, ""),  # notebook 02's, which is of another task
    ],
)
def test_the_validation_accuracy_is_stated(metrics, stated, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert accuracy([f"{tmp_path}/backbone.weights.h5", f"{tmp_path}/metrics.json"]) == stated


def test_a_failure_is_told_at_once_and_summed_up_at_the_end(study, tmp_path):
    progress, send, lines = study
    progress.total = 3
    progress.done = 1
    send("job_info")
    (tmp_path / "logs/explore.log").write_text(TRACEBACK + RAISED)
    send("job_error", 65)
    assert lines()[-1] == (
        "FAILED  explore                   after 1 min 05 s: ValueError: images have shape (32, 40), but 48 is needed"
    )
    assert (
        progress.closing()
        == f"""
Failed: 1 of 3 runs, after 0 s.

  explore: ValueError: images have shape (32, 40), but 48 is needed
      {tmp_path}/logs/explore.log
      {tmp_path}/logs/explore.ipynb

  Runs not started, since they need what failed: 1

The whole error is in the log. Fix its cause and give the same command: it continues from here.
"""
    )


def test_a_retry_takes_the_failure_back(study):
    progress, send, lines = study
    for name in ("job_info", "job_error", "job_info", "job_finished"):
        send(name)
    assert [" ".join(line.split()[:3]) for line in lines()] == [
        "start explore",
        "FAILED explore after",
        "start explore again",
        "done explore in",
    ]
    assert progress.closing().startswith("Done in ")


def test_what_a_cluster_says_of_a_failed_job_is_passed_on(study, tmp_path):
    progress, send, lines = study
    send("job_info")
    said = "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. "
    ending = "For further error details see the cluster/cloud log and the log files of the involved rule(s)."
    slurm_log = f"{tmp_path}/slurm_logs/7.log"
    send("job_error", rule_msg=said + ending, log=[f"{tmp_path}/logs/explore.log", slurm_log])
    assert lines()[-1].endswith(f"papermill did not start, and left no log ({said.strip()})")
    assert f"\n      {slurm_log}\n" in progress.closing()


def test_an_interruption_is_no_failure(study):
    progress, send, lines = study
    send("job_info")
    progress.emit(SimpleNamespace(event=None, msg="Terminating processes on user request, this might take some time."))
    send("job_error")
    assert len(lines()) == 1
    assert progress.closing().startswith("Interrupted after")


def test_a_study_that_ends_early_without_a_failure_is_not_done(study):
    """So it is after SIGTERM: Snakemake finishes what runs, and starts nothing more."""
    progress, send, lines = study
    send("run_info", stats={"explore": 1, "compare": 1, "all": 1, "total": 3})
    send("job_info")
    send("job_finished")
    assert re.fullmatch(r"Ended early after .*, without a failed run\. Finished runs are kept: .*", progress.closing())


@pytest.mark.parametrize(
    ("profile", "results"),
    [
        ("", "outputs/mine/compare/executed.ipynb"),
        ("architectures: []\nladder: [crop]", "outputs/mine"),
        ("architectures: []\ncomparators: [deepcnn]", "outputs/mine"),
    ],
)
def test_the_results_that_are_named_are_there(profile, results, project):
    (project / "profiles/mine.yaml").write_text(f"{profile}\nall: {{DATA: sample}}")
    assert follow(load_study("mine", root=project), replace=False).results == results


def test_snakemakes_own_words_are_kept_only_where_they_say_more():
    def kept(text, level=logging.ERROR, event="error"):
        return keep_only_errors(SimpleNamespace(event=event, msg=text, levelno=level))

    assert kept("LockException: Directory cannot be locked.")
    assert kept("Terminating processes on user request", logging.INFO, None)
    assert not kept("RuleException: CalledProcessError in file Snakefile")
    assert not kept("Error in rule scratch", event="job_error")
    assert not kept("Building DAG of jobs...", logging.INFO, None)


# --- after a kill ----------------------------------------------------------------------------------------------------


def test_a_stale_lock_is_removed_but_not_while_another_snakemake_works_there(tmp_path, capsys):
    locks = tmp_path / ".snakemake" / "locks"
    clear_stale_lock(tmp_path)
    assert capsys.readouterr().out == ""
    locks.mkdir(parents=True)
    (locks / "0.input.lock").touch()
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)", "snakemake"]
    other = subprocess.Popen(sleeper, cwd=tmp_path)
    try:
        clear_stale_lock(tmp_path)
        assert locks.exists()
    finally:
        other.kill()
        other.wait()
    clear_stale_lock(tmp_path)
    assert not locks.exists()
    assert "that was killed" in capsys.readouterr().out


def test_only_the_runs_of_a_dead_snakemake_in_this_folder_are_ended(tmp_path, capsys):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    here = socket.gethostname()
    marks = [f"{here}:{dead.pid}:{tmp_path}", f"{here}:{os.getpid()}:{tmp_path}", f"{here}:{dead.pid}:{tmp_path}-other"]
    marks += [f"login-{here}:{dead.pid}:{tmp_path}"]  # whose Snakemake may be alive, on another machine
    runs = [subprocess.Popen(sleeper, env={**os.environ, start.STUDY_VARIABLE: mark}) for mark in marks]
    try:
        stop_leftovers(tmp_path)
        assert capsys.readouterr().out == "Ending what a killed study left running: 1 process(es).\n"
        assert [run.poll() is None for run in runs] == [False, True, True, True]
    finally:
        for run in runs:
            run.kill()
            run.wait()
