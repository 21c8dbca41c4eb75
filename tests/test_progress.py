"""What a person sees: lines of progress, and why a run failed."""

import json
import logging
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fer_utils import progress as reporting
from fer_utils.progress import Progress, clear_stale_lock, duration, read_failure, stop_leftovers


def code(source, count, *outputs):
    return {"cell_type": "code", "source": [source], "execution_count": count, "metadata": {}, "outputs": list(outputs)}


def write_notebook(path, *cells):
    text = {"cell_type": "markdown", "source": ["# A title"], "metadata": {}}
    path.write_text(json.dumps({"cells": [text, *cells]}), encoding="utf-8")
    return path


ERROR = {
    "output_type": "error",
    "ename": "ValueError",
    "evalue": "images have shape (32, 40),\n\x1b[31mbut 48\x1b[0m is needed",
    "traceback": [],
}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_a_failed_cell_is_named_with_its_error(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", code("x = 1", 1), code("fit()", 2, ERROR), code("save()", None))
    failure = read_failure(path, "a")
    assert (failure.cell, failure.reason) == ("2", "ValueError: images have shape (32, 40), but 48 is needed")


def test_a_dead_kernel_leaves_no_error_but_a_cell_that_never_ended(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", code("x = 1", 1), code("fit()", None), code("save()", None))
    failure = read_failure(path, "a")
    assert failure.cell == "2"
    assert failure.reason.startswith("the process died without an error: out of memory, most often")


def test_a_notebook_that_ends_without_its_results(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", code("x = 1", 1), code("", None))
    assert read_failure(path, "a").reason == "the notebook ran through, but did not write its metrics.json"


def test_where_papermill_never_started_the_log_says_why(tmp_path):
    (tmp_path / "a.log").write_text("Traceback\nNoSuchKernel: No such kernel named python3\n\n")
    failure = read_failure(tmp_path / "a.ipynb", "a")
    assert failure.reason == "papermill could not start: NoSuchKernel: No such kernel named python3"
    old = write_notebook(tmp_path / "a.ipynb", code("fit()", 1, ERROR))
    os.utime(old, (1000, 1000))
    assert read_failure(old, "a", since=2000) == failure


TRACEBACK = 'Traceback (most recent call last):\n  File "papermill/engines.py", line 440\n'
UNANSWERED = TRACEBACK + "RuntimeError: Kernel died before replying to kernel_info\n"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (UNANSWERED, "its kernel could not start: it died without a word: out of memory, most often (try JOBS=1)"),
        (
            "Traceback (most recent call last):\nzmq.error.ZMQError: Address already in use\n" + UNANSWERED,
            "its kernel could not start: zmq.error.ZMQError: Address already in use",
        ),
        (
            TRACEBACK + "ModuleNotFoundError: No module named 'ipykernel'\n" + UNANSWERED,
            "its kernel could not start: ModuleNotFoundError: No module named 'ipykernel'. The environment is not "
            f"whole: {sys.executable} -m pip install ipykernel, or make the environment anew",
        ),
        (
            f"/usr/bin/python3: No module named ipykernel_launcher\n{UNANSWERED}",
            "its kernel could not start: /usr/bin/python3: No module named ipykernel_launcher. The environment is not "
            f"whole: {sys.executable} -m pip install ipykernel, or make the environment anew",
        ),
        (
            TRACEBACK + "jupyter_client.kernelspec.NoSuchKernel: No such kernel named python3\n",
            "its kernel could not start: jupyter_client.kernelspec.NoSuchKernel: No such kernel named python3. The "
            f"environment is not whole: {sys.executable} -m pip install ipykernel, or make the environment anew",
        ),
        (
            TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: '/old/bin/python'\n",
            "its kernel could not start: FileNotFoundError: [Errno 2] No such file or directory: '/old/bin/python'",
        ),
        (
            TRACEBACK + "RuntimeError: Kernel didn't respond in 300 seconds\n",
            "its kernel did not answer within 300 s: the machine is too busy (try JOBS=1), or its disk is",
        ),
    ],
)
def test_a_kernel_that_never_was_is_not_one_that_died_at_work(tmp_path, log, reason):
    path = write_notebook(tmp_path / "a.ipynb", code("x = 1", None), code("fit()", None))
    (tmp_path / "a.log").write_text(log)
    failure = read_failure(path, "a")
    assert (failure.cell, failure.reason) == ("", reason)
    worked = write_notebook(tmp_path / "a.ipynb", code("x = 1", 1), code("fit()", None))  # which the log cannot know
    assert read_failure(worked, "a").cell == "2"


def test_a_kernel_that_died_in_its_first_cell_was_at_work(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", code("x = 1", None))
    (tmp_path / "a.log").write_text("Executing Cell 1\nValueError: printed by the cell\n" + TRACEBACK)
    with open(tmp_path / "a.log", "a") as log:
        log.write("nbclient.exceptions.DeadKernelError: Kernel died\n")
    failure = read_failure(path, "a")
    assert failure.cell == "1" and failure.reason.startswith("the process died without an error")


def event(name, **fields):
    return SimpleNamespace(event=name, msg=None, levelno=logging.INFO, **fields)


@pytest.fixture
def study(tmp_path):
    """A Progress on three runs, with a clock that goes on by 65 seconds at each look; and the lines it writes."""
    lines, ticks = [], iter(range(0, 65_000, 65))
    names = ["explore", "vgg16-scratch-seed0", "compare"]
    progress = Progress(str(tmp_path), names, write=lines.append, clock=lambda: next(ticks))
    return progress, lines, tmp_path


def test_a_line_for_each_start_and_end(study):
    progress, lines, folder = study
    progress.emit(event("run_info", stats={"explore": 1, "compare": 1, "all": 1, "total": 3}))
    progress.emit(event("job_info", jobid=0, log=[]))
    progress.emit(event("job_info", jobid=1, log=[f"{folder}/logs/explore.log", f"{folder}/logs/explore.ipynb"]))
    progress.emit(event("job_finished", job_id=1))
    progress.emit(event("job_finished", job_id=0))
    assert lines[0] == "2 of 3 runs are to be made; the others are complete."
    assert [line[10:] for line in lines[1:]] == [
        "start   explore",
        "done    explore              in 1 min 05 s (1 of 2)",
    ]
    assert progress.closing().startswith("Done in ")
    assert f"Results: {folder}/compare" in progress.closing()


def test_a_failure_is_told_at_once_and_summed_up_at_the_end(study):
    progress, lines, folder = study
    (folder / "logs").mkdir()
    (folder / "explore").mkdir()
    (folder / "explore" / "metrics.json").write_text("{}")
    write_notebook(folder / "logs" / "vgg16-scratch-seed0.ipynb", code("fit()", 3, ERROR))
    log = f"{folder}/logs/vgg16-scratch-seed0.log"
    progress.emit(event("job_info", jobid=2, log=[log]))
    progress.emit(event("job_error", jobid=2, log=[log]))
    assert "FAILED  vgg16-scratch-seed0  after 1 min 05 s: ValueError: images" in lines[-1]
    assert (
        progress.closing()
        == f"""
1 run failed (after 3 min 15 s):

  vgg16-scratch-seed0: cell [3], ValueError: images have shape (32, 40), but 48 is needed
    log       {folder}/logs/vgg16-scratch-seed0.log
    notebook  {folder}/logs/vgg16-scratch-seed0.ipynb

  Not run, since they need what failed: compare

The other runs are kept. Mend the cause and give the same command again.
"""
    )


def test_a_retry_takes_the_failure_back(study):
    progress, lines, folder = study
    log = [f"{folder}/logs/explore.log", f"{folder}/logs/explore.ipynb"]
    for name in ("job_info", "job_error", "job_info"):
        progress.emit(event(name, jobid=1, log=log))
    progress.emit(event("job_finished", job_id=1))
    assert [" ".join(line.split()[1:4]) for line in lines] == [
        "start explore",
        "FAILED explore after",
        "start explore again",
        "done explore in",
    ]
    assert progress.closing().startswith("Done in ")


ENDING = "For further error details see the cluster/cloud log and the log files of the involved rule(s)."


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (None, ""),
        ("SLURM-job '7' failed, SLURM status is: 'FAILED'. Reason: Unknown.", " (see {slurm_log})"),
        (
            "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. ",
            " (SLURM-job '7' failed, SLURM status is: 'TIMEOUT'; see {slurm_log})",
        ),
        ("SLURM sbatch failed: 'no such partition'.\n    sbatch call:", " (SLURM sbatch failed: 'no such partition')"),
    ],
)
def test_what_a_cluster_says_of_a_failed_job_is_passed_on(study, message, said):
    progress, lines, folder = study
    log = [f"{folder}/logs/explore.log", f"{folder}/logs/explore.ipynb"]
    progress.emit(event("job_info", jobid=1, log=log))
    slurm_log = f"{folder}/slurm_logs/7.log"
    known = {"log": [*log, slurm_log] if "{slurm_log}" in said else log, "rule_msg": message and message + ENDING}
    progress.emit(event("job_error", jobid=1, **known))
    assert lines[-1].endswith(f": papermill could not start: it left no log{said.format(slurm_log=slurm_log)}")


def test_where_the_notebook_says_why_the_log_of_its_job_is_not_needed(study):
    progress, lines, folder = study
    (folder / "logs").mkdir()
    write_notebook(folder / "logs" / "explore.ipynb", code("fit()", 3, ERROR))
    log = [f"{folder}/logs/explore.log", f"{folder}/logs/explore.ipynb"]
    progress.emit(event("job_info", jobid=1, log=log))
    message = "SLURM-job '7' failed, SLURM status is: 'FAILED'. " + ENDING
    progress.emit(event("job_error", jobid=1, log=[*log, f"{folder}/7.log"], rule_msg=message))
    assert lines[-1].endswith("ValueError: images have shape (32, 40), but 48 is needed")


def test_an_interruption_is_no_failure(study):
    progress, lines, folder = study
    progress.emit(event("job_info", jobid=2, log=[f"{folder}/logs/explore.log"]))
    progress.emit(SimpleNamespace(event=None, msg="Terminating processes on user request, this might take some time."))
    progress.emit(event("job_error", jobid=2, log=[]))
    assert len(lines) == 1
    assert progress.closing().startswith("Interrupted after")


def test_snakemakes_own_words_are_kept_only_where_they_say_more():
    def kept(text, level=logging.ERROR, event="error"):
        return reporting.keep_only_errors(SimpleNamespace(event=event, msg=text, levelno=level))

    assert kept("LockException: Directory cannot be locked.")
    assert kept("Terminating processes on user request", logging.INFO, None)
    assert not kept("RuleException: CalledProcessError in file Snakefile")
    assert not kept("Error in rule scratch", event="job_error")
    assert not kept("Building DAG of jobs...", logging.INFO, None)


def test_a_folder_that_snakemake_cannot_empty_is_one_line_and_then_what_failed(study):
    progress, lines, folder = study
    text = "Traceback (most recent call last):\n\n  File \"dag.py\", line 351\n\nPermissionError: [Errno 1] no: 'a'\n"
    record = SimpleNamespace(event=None, msg=text, levelno=logging.ERROR)
    assert not reporting.keep_only_errors(record)
    progress.emit(record)
    assert lines == [
        "PermissionError: [Errno 1] no: 'a'. Make what it names writable, and give the same command again."
    ]
    progress.emit(event("job_info", jobid=2, log=[f"{folder}/logs/explore.log"]))
    progress.emit(event("job_error", jobid=2, log=[]))
    progress.emit(record)
    assert "1 run failed" in lines[-1]
    other = SimpleNamespace(event=None, msg="Traceback (most recent call last):\nKeyError: 3", levelno=logging.ERROR)
    assert reporting.keep_only_errors(other)


def in_papermill(cell, started):
    return {**cell, "metadata": {"papermill": {"start_time": started}}}


def test_the_cell_that_died_is_the_last_that_was_started(tmp_path):
    started = [in_papermill(code("fit()", 1), "10:00"), in_papermill(code("save()", None), None)]
    assert read_failure(write_notebook(tmp_path / "a.ipynb", *started), "a").cell == "1"
    silent = [in_papermill(code("x = 1", 1), "10:00"), in_papermill(code("fit()", None), "10:01")]
    assert read_failure(write_notebook(tmp_path / "a.ipynb", *silent), "a").cell == "2"


def test_a_kernel_that_died_in_the_last_cell_is_known_by_the_log(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", code("x = 1", 1), code("save()", 2))
    (tmp_path / "a.log").write_text("nbclient.exceptions.DeadKernelError: Kernel died\n")
    failure = read_failure(path, "a")
    assert failure.cell == "2" and failure.reason.startswith("the process died without an error")


@pytest.mark.parametrize("outputs", [[ERROR], []])
def test_a_cell_that_took_too_long_is_not_a_keyboard_interrupt(tmp_path, outputs):
    path = write_notebook(tmp_path / "a.ipynb", code("fit()", 1, *outputs))
    (tmp_path / "a.log").write_text("Timeout waiting for execute reply (90s).\nKeyboardInterrupt\n")
    failure = read_failure(path, "a")
    assert (failure.cell, failure.reason) == ("1", "the cell took longer than TIMEOUT=90 (seconds) allows")


def test_a_stale_lock_is_removed_but_not_while_another_snakemake_works_there(tmp_path, monkeypatch, capsys):
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
    assert "interrupted" in capsys.readouterr().out


def test_only_the_runs_of_a_dead_snakemake_in_this_folder_are_ended(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    here = socket.gethostname()
    marks = [f"{dead.pid}@{here}:{tmp_path}", f"{os.getpid()}@{here}:{tmp_path}", f"{dead.pid}@{here}:{tmp_path}-other"]
    marks += [f"{dead.pid}@login-{here}:{tmp_path}"]  # whose Snakemake may be alive, on another machine
    runs = [subprocess.Popen(sleeper, env={**os.environ, reporting.STUDY_VARIABLE: mark}) for mark in marks]
    try:
        lines = []
        assert stop_leftovers(tmp_path, write=lines.append) == 1
        assert lines == ["Ending what an interrupted study left running: 1 process(es)."]
        assert [run.poll() is None for run in runs] == [False, True, True, True]
    finally:
        for run in runs:
            run.kill()
            run.wait()
