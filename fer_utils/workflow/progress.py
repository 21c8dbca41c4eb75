"""Print a study's progress instead of Snakemake's messages: a line an event, and at the end what failed and why."""

import contextlib
import json
import logging
import re
import shutil
import textwrap
import time
from pathlib import Path

from fer_utils.command_line import duration

LEAST_ROOM = 1 << 20  # bytes; with less free space, neither a log nor a notebook can be written


class Progress(logging.Handler):
    """Print a line for each important event of Snakemake. results: where the results are, for the closing line."""

    def __init__(self, results):
        super().__init__()
        self.results = results
        self.began = time.time()
        self.total, self.done, self.interrupted = 0, 0, False
        self.running = {}  # Snakemake's job number -> the record of the job's start
        self.failed = {}  # name of a run -> its lines in the closing message

    def emit(self, record):
        """Handle one record of Snakemake's logger."""
        match str(getattr(record, "event", None)):
            case "run_info":
                self.total = sum(count for rule, count in record.stats.items() if rule not in ("all", "total"))
            case "job_info" if record.log:  # the rule `all`, which runs nothing, has no log
                self._start(record)
            case "job_finished" if record.job_id in self.running:
                self._finish(self.running.pop(record.job_id), record)
            case "job_error" if record.jobid in self.running and not self.interrupted:
                self._fail(self.running.pop(record.jobid), record)
        if "Nothing to be done" in str(record.msg):
            print(f"Nothing to do: every run is complete. Results: {self.results}", flush=True)
        self.interrupted |= str(record.msg).startswith("Terminating processes")

    def _start(self, record):
        name = _name(record)
        self.running[record.jobid] = record
        self._say("start ", name, "again" if self.failed.pop(name, None) else "")

    def _finish(self, start, record):
        self.done += 1
        took = duration(record.created - start.created)
        self._say("done  ", _name(start), f"in {took}{accuracy(start.output)} ({self.done} of {self.total})")

    def _fail(self, start, record):
        name, reason = _name(start), why(start.log[0], start.created)
        if record.rule_msg:  # how a cluster ended the job, for example out of time
            message = record.rule_msg.partition("For further error details")[0]
            reason += f" ({textwrap.shorten(message, 300)})"
        self.failed[name] = "\n".join([f"  {name}: {reason}", *(f"      {path}" for path in record.log)])
        self._say("FAILED", name, f"after {duration(record.created - start.created)}: {reason}")

    def _say(self, what, name, more):
        print(f"{time.strftime('%H:%M:%S')}  {what}  {name:24}  {more}".rstrip(), flush=True)

    def closing(self):
        """Return the last lines: where the results are, or what failed, why, and what to do."""
        took = duration(time.time() - self.began)
        kept = "Finished runs are kept: the same command continues from here."
        if self.interrupted:
            return f"Interrupted after {took}. {kept}"
        if not self.failed and self.done < self.total:  # told to end by SIGTERM, or after an error of Snakemake's own
            return f"Ended early after {took}, without a failed run. {kept}"
        if not self.failed:
            return f"Done in {took}. Results: {self.results}"
        paragraphs = [f"\nFailed: {len(self.failed)} of {self.total} runs, after {took}.", *self.failed.values()]
        if waiting := self.total - self.done - len(self.failed):
            paragraphs.append(f"  Runs not started, since they need what failed: {waiting}")
        paragraphs.append(
            "The whole error is in the log. Fix its cause and give the same command: it continues from here.\n"
        )
        return "\n\n".join(paragraphs)


def _name(start):
    return Path(start.log[0]).stem


def accuracy(outputs):
    """Return ", validation accuracy 43.2%" from the metrics.json among a run's `outputs`; "" if it has none."""
    # The test accuracy is never shown: it must not be seen while choices are still open.
    metrics = next(path for path in outputs if path.endswith("metrics.json"))
    validation = json.loads(Path(metrics).read_text(encoding="utf-8")).get("validation", {})
    return f", validation accuracy {validation['accuracy']:.1%}" if "accuracy" in validation else ""


INCOMPLETE = "the environment is incomplete: remove .venv, then run make setup"
HINTS = {  # text in the log of a failed run -> what it means, or what to do
    "No module named": INCOMPLETE,
    "No such kernel": INCOMPLETE,
    "Kernel didn't respond": "the machine is too busy: try JOBS=1",
    "CellTimeoutError": "the cell took longer than TIMEOUT allows",
    "Kernel died": "usually out of memory: try JOBS=1 or a smaller BATCH_SIZE; or a cell ended it, as exit() does",
}
# The start of a line that names an exception, up to its class name: "nbclient.exceptions." before "CellTimeoutError".
ERROR = re.compile(r"^(?:\w+\.)*(?=\w*(?:Error|Exception|Exit|Interrupt|NoSuchKernel)\b(?!\s+Traceback))", re.MULTILINE)


def why(log, since=0.0):
    """Return in one line why a run failed: the cell, the error, and a hint.

    log: papermill's, next to the executed notebook. since: seconds since 1970; an older log is an earlier try's.
    """
    log = Path(log)
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() and log.stat().st_mtime >= since else ""
    _, raised, error = text.rpartition("Traceback (most recent call last)")
    if not raised:
        return _without_error(log, text)
    error = ERROR.split(error)[-1].strip(" :\n")
    last_cell = text.rpartition("\nExecuting Cell ")[2]
    hint = next((f" ({hint})" for phrase, hint in HINTS.items() if phrase in last_cell), "")
    return f"{_cell(log.with_suffix('.ipynb'))}{textwrap.shorten(error, 200, placeholder=' ...')}{hint}"


def _without_error(log, text):
    """Return why a run failed whose log has no traceback of papermill."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(log.parent).free < LEAST_ROOM:
            return f"the disk of {log.parent} is full: make room"
    if not text:
        return "papermill did not start, and left no log"
    if not re.search(r"^(Input Notebook|Executing )", text, re.MULTILINE):  # the environment's folder may have moved
        return f"papermill did not start: {textwrap.shorten(text, 300)} ({INCOMPLETE})"
    # The kernel may add lines while it shuts down, so only the last cell's own end is looked for.
    if re.search(r"^Ending Cell \d+-+$", text.rpartition("\nExecuting Cell ")[2], re.MULTILINE):
        return "the notebook ran through, but did not write its metrics.json"
    return f"{_cell(log.with_suffix('.ipynb'))}papermill was killed, usually because memory ran out: try JOBS=1"


def _cell(notebook):
    """Return "cell [n], " for the last cell that papermill started, with the number that Jupyter shows; or ""."""
    with contextlib.suppress(OSError, ValueError, KeyError):  # a killed papermill may have left half a file
        code = [cell for cell in json.loads(notebook.read_bytes())["cells"] if cell["cell_type"] == "code"]
        started = [cell for cell in code if cell["metadata"]["papermill"]["start_time"]]
        return f"cell [{len(started)}], " if started else ""
    return ""


def keep_only_errors(record):
    """Filter Snakemake's own log records: keep errors and what `Progress` does not show."""
    event, text = str(getattr(record, "event", None)), str(record.msg)
    if event == "shellcmd" or text.startswith(("Will exit after", "Terminating processes")):
        return True  # commands reach this filter only with `snakemake --printshellcmds`
    shown_by_progress = ("CalledProcessError", "At least one job did not complete", "Exiting because a job")
    if event == "job_error" or any(part in text for part in shown_by_progress):
        return False
    return record.levelno >= logging.WARNING


def follow(study, replace=True):
    """Return a `Progress` that replaces Snakemake's messages; with replace=False these stay as they are."""
    progress = Progress(study.output_dir + ("/compare/executed.ipynb" if study.arms() else ""))
    if replace:
        from snakemake.logging import logger

        for handler in logger.handlers:
            handler.addFilter(keep_only_errors)
        logger.addHandler(progress)
    return progress
