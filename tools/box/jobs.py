"""The runs of a plan on the box: their progress, and when they will end."""

import contextlib
import csv
import shlex
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

START = 90.0  # seconds from papermill's start to the first epoch's end: on an H100, while four runs compile at once
START_TINY = 30.0  # the same in a rehearsal, on two cores


@dataclass
class Job:
    """A run of the plan (``plan.read_plan``) and its state.

    state: "waiting", "running", "done", "failed", "cut off" or "left out". reason: why, in words, for the last three.
    """

    entry: dict
    root: Path
    state: str = "waiting"
    reason: str = ""
    process: subprocess.Popen | None = None
    began: float = 0.0  # time.monotonic()
    ended: float = 0.0
    rows: list = field(default_factory=list)  # the rows of history.csv
    read: float = 0.0  # modification time of history.csv when it was last read

    @property
    def name(self):
        """The run's folder below the study's. It is unique in a plan; the run's own name may occur twice."""
        return self.entry["folder"].split("/", 2)[-1]

    @property
    def folder(self):
        return self.root / self.entry["folder"]

    @property
    def log(self):
        return self.root / f"{self.entry['log']}.log"

    def finished(self):
        """Return whether the run has finished: metrics.json is the last file that a run writes."""
        return (self.folder / "metrics.json").is_file()

    def start(self, environment, tiny=False):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                shlex.split(self.entry["tiny" if tiny else "command"]),
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C reaches only run.py, which then ends its runs in order
            )
        self.state, self.began = "running", time.monotonic()

    def look(self):
        """Read the run's progress from history.csv, and update its state if it has ended."""
        path = self.folder / "history.csv"
        try:
            written = path.stat().st_mtime
            if written != self.read:
                with open(path, newline="", encoding="utf-8") as stream:
                    rows = [row for row in csv.DictReader(stream) if row.get("seconds")]  # without a half-written one
                self.rows, self.read = max(self.rows, rows, key=len), written
        except OSError:
            pass
        status = self.process.poll()
        if status is None or self.state != "running":
            return
        self.ended = time.monotonic()
        if status == 0 and self.finished():
            self.state = "done"
        else:
            self.state, self.reason = "failed", f"{last_error(self.log)} (exit {status}; {self.log})"

    @property
    def epochs_left(self):
        return max(0, self.entry["epochs"] - len(self.rows))

    def epoch_seconds(self):
        """Return the median of the last three epochs, or None. The first, which compiles, counts only if alone."""
        seconds = [float(row["seconds"]) for row in self.rows]
        return statistics.median((seconds[1:] or seconds)[-3:]) if seconds else None

    def shown(self):
        """Return the run's progress in a few words, for the line that is printed every ten seconds."""
        if not self.rows:
            return f"{self.name} starting"
        accuracy = float(self.rows[-1].get("val_accuracy") or "nan")
        return f"{self.name} {len(self.rows)}/{self.entry['epochs']} {accuracy:.1%} {self.epoch_seconds():.1f} s"


def stop(jobs, reason, patience=3.0):
    """End these runs and their processes, by force after `patience` seconds. Each run keeps its checkpoint."""
    # A notebook's kernel has a session of its own, so it would survive the end of a papermill that hangs.
    started = []
    for job in jobs:
        with contextlib.suppress(psutil.Error):  # the process has ended meanwhile
            process = psutil.Process(job.process.pid)
            started += [process, *process.children(recursive=True)]
        job.process.terminate()
    end = time.monotonic() + patience
    while time.monotonic() < end and any(job.process.poll() is None for job in jobs):
        time.sleep(0.05)
    for process in started:
        with contextlib.suppress(psutil.Error):
            process.kill()
    for job in jobs:
        job.process.wait()
        job.look()
        if job.state != "done":  # the run may have finished by itself just now
            job.state, job.reason, job.ended = "cut off", reason, time.monotonic()


def last_error(path):
    """Return the last line of a log that looks like an error message, or else its last line."""
    text = path.read_text(errors="replace") if path.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line.split(":")[0]]
    return (named or lines or ["it wrote nothing"])[-1][:300]


class Clock:
    """Estimates when runs will end, from the device's measured rates and the epochs so far.

    rates: architecture -> multiply-adds per second of a run alone. start: seconds until a run's first epoch ends.
    """

    def __init__(self, rates, start=START):
        self.rates, self.start = rates, start
        self.corrections = {}  # architecture -> measured over estimated seconds of an epoch

    def reckoned(self, job):
        """Return the estimated seconds for the job's remaining epochs if it had the device alone."""
        entry = job.entry
        whole = entry["work"] / self.rates[entry["architecture"]] if entry["architecture"] else 0.0
        return whole * job.epochs_left / entry["epochs"] * self.corrections.get(entry["architecture"], 1.0)

    def learn(self, running):
        """Correct the estimates by the epochs that the running jobs have finished."""
        for job in running:
            seconds = job.epoch_seconds()
            if len(job.rows) > 1 and seconds and job.epochs_left:
                architecture = job.entry["architecture"]
                self.corrections.pop(architecture, None)
                alone = self.reckoned(job) / job.epochs_left
                self.corrections[architecture] = seconds / len(running) / alone if alone else 1.0

    def ends(self, jobs):
        """Return the seconds from now until each job ends, if no other starts: a dict of id(job) -> seconds.

        The jobs that train share the device evenly. A job that has not started is assumed to start now.
        """
        now = time.monotonic()
        begins = {}  # id(job) -> seconds until it trains
        for job in jobs:
            if job.process is None:
                begins[id(job)] = self.start
            elif job.rows:
                begins[id(job)] = 0.0
            else:
                begins[id(job)] = max(0.0, self.start - (now - job.began))
        left = {id(job): self.reckoned(job) for job in jobs}
        ends, clock = {}, 0.0
        while len(ends) < len(jobs):
            open_jobs = [key for key in left if key not in ends]
            active = [key for key in open_jobs if begins[key] <= clock]
            # With n runs at once, each takes n times as long as alone: seven at once kept an H100 busy, but no busier.
            speed = 1 / len(active) if active else 0.0
            steps = [begins[key] - clock for key in open_jobs if begins[key] > clock]
            steps += [left[key] / speed for key in active]
            step = min(steps)
            for key in active:
                left[key] -= step * speed
                if left[key] <= 1e-9:
                    ends[key] = clock + step
            clock += step
        return {id(job): ends[id(job)] + job.entry["tail"] for job in jobs}


def startable(jobs, clock, seconds, slots, free_bytes):
    """Return the next job to start (or None), and why each more valuable job was not chosen: id(job) -> words.

    jobs: the most valuable first. seconds: time left. slots: runs at once. free_bytes: free space on the disk.
    A job waits, and keeps its place, until another has finished an epoch and so compiled the same program for it.
    """
    committed = [job for job in jobs if job.state == "running"]
    running, reasons = list(committed), {}
    folders = [job.entry["folder"] for job in jobs if job.state in ("waiting", "running")]
    free_bytes -= sum(job.entry["disk"] * job.epochs_left / job.entry["epochs"] for job in running)
    clock.learn(running)
    for job in (job for job in jobs if job.state == "waiting"):
        why = lacks(job, folders) or crowded(job, running, committed, slots, free_bytes)
        why = why or late(job, committed, clock, seconds)
        if not why and any(other.entry["program"] == job.entry["program"] and not other.rows for other in running):
            committed.append(job)
            why = "waits for a run that compiles the same"
        if not why:
            return job, reasons
        reasons[id(job)] = why
        if why == "runs alone" and not late(job, committed, clock, seconds):
            break  # it is the most valuable job that waits, so nothing else starts until the running jobs have ended
    return None, reasons


def lacks(job, folders):
    """Return in words which file the job waits for, "" for none. folders: of the runs that still run or wait."""
    missing = [path for path in job.entry["needs"] if not (job.root / path).exists()]
    if not missing:
        return ""
    coming = missing[0].startswith(("data/", *folders))
    return f"needs {missing[0]}" + ("" if coming else ", which nothing makes")


def crowded(job, running, committed, slots, free_bytes):
    """Return in words why the job cannot run next to the others, or "" if it can."""
    if running and job.entry["alone"]:
        return "runs alone"
    if any(other.entry["alone"] for other in running):
        return "another runs alone"
    if len(committed) >= slots:
        return "no free place"
    if job.entry["disk"] > free_bytes:
        return f"needs {job.entry['disk'] / 1e9:.1f} GB of disk, and {max(0, free_bytes) / 1e9:.1f} are free in --work"
    return ""


def late(job, committed, clock, seconds):
    """Return in words that the job would end too late, or make a more valuable one end too late; "" otherwise."""
    before, after = clock.ends(committed), clock.ends([*committed, job])
    missed = [other for other in committed if before[id(other)] <= seconds < after[id(other)]]
    if after[id(job)] <= seconds and not missed:
        return ""
    whom = missed[0].name if missed else "it"
    return f"{whom} would not end in time ({max(after.values()):.0f} s, {seconds:.0f} are left)"
