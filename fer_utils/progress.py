"""What a person sees of a running study: a line when a run starts and ends, and at the end what failed and why.

The Snakefile puts `Progress` in the place of Snakemake's own messages, which fill a screen a run. Interrupted studies
are cleaned up here too: the lock that Snakemake leaves behind, and papermill processes that outlived it.
"""

import contextlib
import json
import logging
import os
import re
import shlex
import shutil
import socket
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

DIED = (
    "the process died without an error: out of memory, most often (try JOBS=1, or a smaller BATCH_SIZE), or a cell of "
    "the notebook ended it, as exit() does"
)
LEAST_ROOM = 1 << 20  # bytes, without which a notebook cannot even be saved
STUDY_VARIABLE = "FER_STUDY"  # of every run: "<process id of Snakemake>@<its machine>:<project folder>"


# --- while it runs ---------------------------------------------------------------------------------------------------


@dataclass
class _Job:
    name: str
    log: str
    started: float


class Progress(logging.Handler):
    """Turns Snakemake's log events into one line a run's start and end, and keeps what failed.

    output_dir: the study's folder, for the closing line. names: of all runs of the study. write: takes a line.
    """

    def __init__(self, output_dir, names, write=None, clock=time.time):
        super().__init__()
        self.output_dir, self.names, self.clock = output_dir, list(names), clock
        # Where to look first; a study of recipes alone has nothing to compare.
        self.results = f"{output_dir}/{'compare' if 'compare' in self.names else 'ladder'}"
        self.write = write or (lambda line: print(line, flush=True))
        self.started = clock()
        self.jobs, self.done, self.failed = {}, [], []
        self.total, self.interrupted = len(self.names), False

    def emit(self, record):
        """Handle one record of Snakemake's logger."""
        handle = {"job_info": self._start, "job_finished": self._finish, "job_error": self._fail}
        handle["run_info"] = self._announce
        event = str(getattr(record, "event", None) or "")
        if event in handle:
            handle[event](record)
        elif "Nothing to be done" in str(record.msg):
            self.write(f"Nothing to do: every run is complete. Results: {self.results}")
        elif str(record.msg).startswith("Terminating processes"):
            self.interrupted = True
        elif said := _error_of_the_disk(record.msg):
            mend = "Make room" if "No space" in said else "Make what it names writable"
            self.write(f"{said}. {mend}, and give the same command again.")
            if self.failed:
                self.write(self.closing())

    def _announce(self, record):
        self.total = sum(count for rule, count in record.stats.items() if rule not in ("all", "total"))
        if self.total < len(self.names):
            self.write(f"{self.total} of {len(self.names)} runs are to be made; the others are complete.")

    def _start(self, record):
        if not record.log:  # the rule that only asks for everything
            return
        name = Path(record.log[0]).stem
        self.jobs[record.jobid] = _Job(name, record.log[0], self.clock())
        before = len(self.failed)
        self.failed = [failure for failure in self.failed if failure.name != name]  # this is Snakemake's retry
        self._say("start ", name, "again" if len(self.failed) < before else "")

    def _finish(self, record):
        job = self.jobs.pop(record.job_id, None)
        if job:
            self.done.append(job.name)
            self._say("done  ", job.name, f"in {duration(self.clock() - job.started)} ({self._count()})")

    def _fail(self, record):
        job = self.jobs.pop(record.jobid, None)
        if job and not self.interrupted:
            failure = read_failure(Path(job.log).with_suffix(".ipynb"), job.name, job.started - 1)
            said = said_by_cluster(record, job, failure)
            failure = replace(failure, reason=f"{failure.reason} ({said})") if said else failure
            self.failed.append(failure)
            self._say("FAILED", job.name, f"after {duration(self.clock() - job.started)}: {failure.reason}")

    def _count(self):
        return f"{len(self.done)} of {self.total}"

    def _say(self, what, name, more=""):
        width = max(map(len, self.names), default=0)
        self.write(f"{time.strftime('%H:%M:%S')}  {what}  {name:{width}}  {more}".rstrip())

    def closing(self):
        """The last lines: where the results are, or what failed, why, and what to do."""
        took = duration(self.clock() - self.started)
        if self.interrupted:
            return f"Interrupted after {took}. Finished runs are kept: the same command goes on from here."
        if not self.failed:
            return f"Done in {took}. Results: {self.results} (start with executed.ipynb)"
        return failure_summary(self.failed, self._never_started(), took)

    def _never_started(self):
        """Runs without a result that did not fail themselves: they wait for one that did."""
        failed = {failure.name for failure in self.failed}
        finished = [Path(self.output_dir).glob(f"{below}*/metrics.json") for below in ("", "ladder/")]
        complete = {path.parent.name for found in finished for path in found}
        return [name for name in self.names if name not in failed | complete]


def duration(seconds):
    """Seconds as people say them: "42 s", "3 min 05 s", "2 h 07 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


# --- when it fails ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """One failed run: its name, the executed notebook that it left, the number of the cell ("" unknown), the reason."""

    name: str
    notebook: Path
    cell: str
    reason: str


def read_failure(executed, name, since=0.0):
    """Why a run failed, from the notebook that papermill was executing when it did.

    executed: its path; the log lies beside it. since: seconds since 1970; an older notebook is of an earlier try.
    """
    executed = Path(executed)
    log = executed.with_suffix(".log")
    try:
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"] if executed.stat().st_mtime >= since else []
    except (OSError, ValueError, KeyError):
        cells = []
    if not cells:
        reason = disk_trouble(executed.parent) or f"papermill could not start: {_last_line(log)}"
        return Failure(name, executed, "", reason)
    finished, too_long = 0, _limit_passed(log)
    for cell in cells:
        if cell["cell_type"] != "code" or not "".join(cell["source"]).strip():
            continue
        error = next((output for output in cell["outputs"] if output["output_type"] == "error"), None)
        if error:
            reason = too_long or _one_line(f"{error['ename']}: {error['evalue']}".rstrip(": "))
            return Failure(name, executed, str(cell["execution_count"]), reason)
        if not cell["execution_count"]:  # the kernel never answered; papermill calls such cells completed
            started = cell["metadata"].get("papermill", {}).get("start_time", "unknown")
            number = finished + 1 if started else finished or 1  # one that never started waited for the one before it
            reason = too_long or disk_trouble(executed.parent)
            if not (reason or finished) and (reason := never_started(log)):
                return Failure(name, executed, "", reason)
            return Failure(name, executed, str(number), reason or DIED)
        finished = cell["execution_count"]
    if too_long or "DeadKernelError" in _last_line(log):
        return Failure(name, executed, str(finished), too_long or DIED)
    return Failure(name, executed, "", "the notebook ran through, but did not write its metrics.json")


def never_started(log):
    """In words, why the kernel was never there to run a cell, if the log of papermill ends so; else "".

    What is known of the cause stands before papermill's own last line: the kernel writes into the same log.
    """
    last = _last_line(log)
    if found := re.search(r"Kernel didn't respond in (\d+) seconds", last):
        return f"its kernel did not answer within {found[1]} s: the machine is too busy (try JOBS=1), or its disk is"
    if not re.match(r"[\w.]*(Error|NoSuchKernel)\b", last) or "DeadKernelError" in last:
        return ""
    text = log.read_text(encoding="utf-8", errors="replace")
    said = re.findall(r"^(?:[\w.]+(?:Error|Exception)\b|\S+: No module named ).*", text, re.MULTILINE)
    cause = _one_line(next((line for line in said if "Kernel died before" not in line), ""))
    if "No module named" in cause or "NoSuchKernel" in last:
        mend = f"{shlex.quote(sys.executable)} -m pip install ipykernel, or make the environment anew"
        return f"its kernel could not start: {cause or last}. The environment is not whole: {mend}"
    return f"its kernel could not start: {cause or 'it died without a word: out of memory, most often (try JOBS=1)'}"


def unwritable(output_dir):
    """In words, why a study cannot write its results, asked before anything is started; "" if it can.

    The folder is made. Snakemake would end in a traceback. A single run's folder is left to its notebook, which names
    it while the other runs go on.
    """
    logs = Path(output_dir) / "logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
    else:
        reason = "" if os.access(output_dir, os.W_OK) and os.access(logs, os.W_OK) else "it may not be written"
    mend = "Make it writable, or set OUTPUT_DIR to another folder, and give the same command again"
    return f"Nothing was started. {output_dir}: {reason}. {mend}." if reason else ""


def disk_trouble(folder):
    """In words, why nothing can be written into a folder just now: its disk is full or read-only; "" if neither."""
    try:
        state = os.statvfs(folder)
    except (OSError, AttributeError):  # Windows has no statvfs
        return ""
    if state.f_flag & os.ST_RDONLY:
        return f"{folder} is on a disk that is read-only: make it writable, or set OUTPUT_DIR to another"
    free = state.f_bavail * state.f_frsize
    if free < LEAST_ROOM:
        return f"the disk of {folder} is full ({free / 1e6:.1f} MB left): make room"
    return ""


def _limit_passed(log):
    """In words, that a cell took longer than it may, if the log of papermill says so; else ""."""
    try:
        found = re.search(r"Timeout waiting for execute reply \((\d+)s\)", log.read_text("utf-8", errors="replace"))
    except OSError:
        return ""
    return f"the cell took longer than TIMEOUT={found[1]} (seconds) allows" if found else ""


def said_by_cluster(record, job, failure):
    """What a cluster's executor says of a failed job and the notebook cannot know; "" for a run of this machine.

    That is how Slurm ended it (out of time, say) and, where papermill did not start, the log of the Slurm job.
    record: Snakemake's, of the error. failure: what the notebook tells.
    """
    text = str(getattr(record, "rule_msg", None) or "").split("For further error details")[0].split("\n")[0]
    text = text.strip().rstrip(".")
    said = [text] if text and "'FAILED'" not in text else []  # which is what Slurm calls a program that failed
    said += [f"see {path}" for path in record.log if Path(path).stem != job.name and not failure.cell]
    return _one_line("; ".join(said), longest=400)


def _last_line(log):
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return "it left no log"
    return _one_line(next((line for line in reversed(lines) if line.strip()), "the log is empty"))


def _one_line(text, longest=200):
    plain = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."


def failure_summary(failures, never_started, took):
    """The text at the end of a study in which runs failed."""
    count = len(failures)
    lines = ["", f"{count} {'run' if count == 1 else 'runs'} failed (after {took}):"]
    for failure in failures:
        cell = f"cell [{failure.cell}], " if failure.cell else ""
        lines += [
            "",
            f"  {failure.name}: {cell}{failure.reason}",
            f"    log       {failure.notebook.with_suffix('.log')}",
            f"    notebook  {failure.notebook}",
        ]
    if never_started:
        lines += ["", f"  Not run, since they need what failed: {', '.join(never_started)}"]
    return "\n".join([*lines, "", "The other runs are kept. Mend the cause and give the same command again.", ""])


# --- after an interruption -------------------------------------------------------------------------------------------


def clear_stale_lock(root):
    """Remove the lock of a study that was killed; leave it alone while any Snakemake works in the folder `root`."""
    locks = Path(root) / ".snakemake" / "locks"
    if any(locks.glob("*.lock")) and not _others_at_work(root):
        print("Removing the lock of a study that was interrupted.", flush=True)
        shutil.rmtree(locks)  # what `snakemake --unlock` does, without its start-up time


def _others_at_work(root):
    import psutil

    for process in psutil.process_iter():
        try:
            named = any("snakemake" in word for word in process.cmdline()[:4])
            if named and process.pid != os.getpid() and Path(process.cwd()) == Path(root):
                return True
        except (psutil.Error, OSError):
            continue
    return False


def mark_study(root):
    """Mark this process's children as runs of the study in `root`, so that `stop_leftovers` knows them later."""
    os.environ.setdefault(STUDY_VARIABLE, f"{os.getpid()}@{socket.gethostname()}:{root}")


def stop_leftovers(root, write=print):
    """End runs of a killed Snakemake in `root` that still train: they would write into folders that are made anew.

    Only processes of this user that carry the mark of a Snakemake of this machine which is no longer alive: of one on a
    cluster's login node, a compute node cannot tell. Returns how many.
    """
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            owner, _, folder = process.environ().get(STUDY_VARIABLE, "").partition(":")
            owner, _, machine = owner.partition("@")
        except (psutil.Error, OSError):
            continue
        if folder == str(root) and machine == socket.gethostname() and not psutil.pid_exists(int(owner)):
            found.append(process)
    if found:
        write(f"Ending what an interrupted study left running: {len(found)} process(es).")
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(found, timeout=5)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return len(found)


def keep_only_errors(record):
    """A logging filter for Snakemake's own output: errors, and the little that Progress does not say better."""
    event, text = str(getattr(record, "event", None) or ""), str(record.msg)
    if event == "shellcmd" or text.startswith(("Will exit after", "Terminating processes")):
        return True  # commands come this far only with `snakemake --printshellcmds`
    said_better = ("CalledProcessError", "At least one job did not complete", "Exiting because a job")
    told = event == "job_error" or _error_of_the_disk(text) or any(part in text for part in said_better)
    return record.levelno >= logging.WARNING and not told


def _error_of_the_disk(text):
    """The last line of Snakemake's traceback, where it is of a folder that Snakemake itself cannot empty; else ""."""
    found = re.search(r"^(OSError|PermissionError): .*", str(text), re.MULTILINE)
    return found[0] if found and str(text).startswith("Traceback") else ""


def follow(study, root, replace=True):
    """Put Progress in the place of Snakemake's messages and return it; with replace=False these stay as they are."""
    progress = Progress(study.output_dir, [run.name for run in study.runs()])
    if replace:
        from snakemake.logging import logger

        for handler in logger.handlers:
            handler.addFilter(keep_only_errors)
        logger.addHandler(progress)
        mark_study(root)
    return progress
