"""Work through a plan on a box until its minutes are over; `run.sh` calls this.

    python tools/box/run.py --seconds 540 --out DIR [--device cpu] [--tiny] [--only NAME ...]

First the device is tested, while the data are unpacked. Then come the runs, the most valuable first, several at once.
No run starts that could not end in time. Each run that ends is packed into DIR at once. Every ten seconds a line shows
the progress.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jobs as box_jobs
import pack

from fer_utils import kernels

ROOT = Path(__file__).resolve().parents[2]
EVERY = 10.0  # seconds between two lines
PACKING = 8.0  # seconds reserved for ending the runs and packing their files
GIGABYTES = 10  # of the device's memory per run; VGG16 at full width with its workspace takes less
SELF_TEST = 300.0  # seconds that the self-test may take; on an H100 with 16 cores it took one minute
TESTED = ("vgg16", "resnet50", "deepcnn")  # the others take a minute to compile on few cores


class BoxError(RuntimeError):
    """The box cannot run the plan. The message names the fault and the fix."""


def main():
    given = arguments()
    clock = Deadline(given.seconds)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    on_signals(ended_from_outside)
    plan = json.loads((ROOT / "plan.json").read_text(encoding="utf-8"))
    jobs, unpacking, steps, report, ended = [], [], None, {}, False
    try:
        jobs = chosen(plan, given.only, given.tiny)
        environment = surroundings(given.device, given.jobs)
        unpacking = unpack(environment)
        matrix = ["--matrix", "512" if given.device == "cpu" else "8192"]
        say(f"{len(jobs)} runs, commit {plan['commit']}, data: {plan['data']['what']}")
        report |= SelfTest([matrix], given.device, environment, clock).wait()
        say(f"{report['device']}: {report['matrix_tflops']:.3g} TFLOP/s in products of matrices")
        # Compiling a step of each network takes a minute, so the first runs start during these tests.
        planned = {job.entry["architecture"] for job in jobs}
        questions = [["--step", name] for name in TESTED if name in planned]
        steps = SelfTest(questions, given.device, environment, clock)
        slots = given.jobs or places(report, given.device)
        report |= {"began": now, "commit": plan["commit"], "output_dir": plan["output_dir"], "data": plan["data"]}
        report |= {"slots": slots, "cores": core_count(), "command": given.command, "tiny": given.tiny}
        start = box_jobs.START_TINY if given.tiny else box_jobs.START
        reckoning = box_jobs.Clock(rates(plan, report, given.device), start)
        work(jobs, reckoning, environment, slots, clock, given, report, unpacking, steps)
    except BoxError as error:
        ended = any(job.began for job in jobs)
        print(f"{'Ended' if ended else 'Nothing was run'}. {error}", file=sys.stderr)
        if not ended:
            return 2
    finally:
        for process in unpacking:
            process.kill()
        if steps:
            steps.stop()
    status = close(jobs, clock, given, report)
    return 2 if ended else status


def on_signals(action):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, action)


def ended_from_outside(number, frame):
    on_signals(signal.SIG_IGN)  # a second signal must not keep `close` from ending and packing the runs
    raise BoxError(f"It was ended from outside ({signal.Signals(number).name})")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--jobs", type=count, default=0, help="runs at once; 0 for what cores and memory bear")
    parser.add_argument("--only", nargs="+", default=[], help="of the plan, these runs only")
    parser.add_argument("--part-mb", type=count, default=0, help="of the parts that come home; 0: one whole")
    parser.add_argument("--home-mb", type=count, default=0, help="add checkpoints up to this size in all; 0: none")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal: each run at settings that take seconds")
    parser.add_argument("--command", default="", help="for the report: what was typed")
    return parser.parse_args()


def count(text):
    """Return an option's value as a whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 0 on")
    return int(text)


class Deadline:
    """Counts the seconds that have gone, and those that are left."""

    def __init__(self, seconds):
        self.began, self.seconds = time.monotonic(), seconds

    @property
    def gone(self):
        return time.monotonic() - self.began

    @property
    def left(self):
        """Return the seconds until runs have to be stopped, so that their files can still be packed."""
        return self.seconds - self.gone - PACKING


def chosen(plan, only, tiny=False):
    """Return the plan's jobs, or those of `only`. tiny: count no time or space. Raises BoxError for an unknown name."""
    if tiny:
        plan = plan | {"runs": [entry | {"work": 0.0, "disk": 0} for entry in plan["runs"]]}
    jobs = [box_jobs.Job(entry, ROOT) for entry in plan["runs"]]
    names = [job.name for job in jobs]
    if unknown := [name for name in only if name not in names]:
        raise BoxError(f"--only {unknown[0]}: the plan has no such run. It has {', '.join(names)}")
    jobs = [job for job in jobs if not only or job.name in only]
    for job in jobs:
        if job.finished():
            job.state = "done"
    return jobs


# --- surroundings ------------------------------------------------------------------------------------------------


def core_count():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def surroundings(device, jobs):
    """Return the runs' environment variables: JAX on the device, memory on demand, one cache of compiled programs."""
    threads = str(max(1, core_count() // (jobs or 4)))
    return os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu" if device == "cpu" else "cuda",
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / "outputs" / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONUNBUFFERED": "1",
        "FER_CACHE": str(ROOT / "outputs" / "cache"),
        **kernels.settings(),
    }


def places(report, device):
    """Return how many runs fit at once: three cores and 10 GB of device memory each. Raises BoxError if none fits."""
    if device == "cpu":
        return max(1, core_count() // 2)
    by_memory = int(report["memory_gb"] // GIGABYTES)
    if not by_memory:
        raise BoxError(
            f"The device has {report['memory_gb']:.1f} GB of memory, and a run takes up to {GIGABYTES}: use a larger"
        )
    return max(1, min(6, core_count() // 3, by_memory))


def rates(plan, report, device):
    """Return {architecture: multiply-adds per second}, on a GPU scaled by the measured rate of matrix products."""
    scale = report["matrix_tflops"] / plan["matrix_tflops"] if device == "gpu" else 1.0
    return {name: rate * scale for name, rate in plan["rates"][device].items()}


def unpack(environment):
    """Start to unpack the data sets from their sheets; returns the processes. A path that exists is complete."""
    steps = [("unpack-faces", "faces", "data/fer2013.csv"), ("unpack-source", "source", "data/source")]
    tool = ROOT / "tools" / "box" / "sheets.py"
    return [
        subprocess.Popen([sys.executable, tool, action, ROOT / "sheets" / sheets, ROOT / path], env=environment)
        for action, sheets, path in steps
        if (ROOT / "sheets" / sheets).is_dir() and not (ROOT / path).exists()
    ]


class SelfTest:
    """Runs tests of `self_test.py`, several at once, also while runs start. questions: one list of options per test."""

    def __init__(self, questions, device, environment, clock):
        self.waiting, self.running, self.device, self.environment = list(questions), {}, device, environment
        self.end = time.monotonic() + min(SELF_TEST, clock.left)

    def answers(self):
        """Return the results since the last call, as a dict. Raises BoxError if a test failed or took too long."""
        while self.waiting and len(self.running) < max(1, core_count() // 2):
            question = self.waiting.pop(0)
            command = [sys.executable, ROOT / "tools" / "box" / "self_test.py", "--device", self.device, *question]
            self.running[" ".join(question)] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        found = {}
        for question, process in list(self.running.items()):
            if process.poll() is None and time.monotonic() < self.end:
                continue
            late = process.poll() is None
            process.kill()
            printed, error = process.communicate()
            if late or process.returncode:
                self.stop()
                lines = [line for line in error.strip().splitlines() if line.strip()]
                raise BoxError(
                    f"The self-test ({question}) failed: {'took too long' if late else (lines or ['?'])[-1]}"
                )
            del self.running[question]
            found |= json.loads(printed.strip().splitlines()[-1])
        return found

    def wait(self):
        """Wait for all tests, and return their results."""
        found = {}
        while self.waiting or self.running:
            found |= self.answers()
            time.sleep(0.05)
        return found

    def stop(self):
        self.waiting = []
        for process in self.running.values():
            process.kill()


# --- the loop -------------------------------------------------------------------------------------------------------


def work(jobs, reckoning, environment, slots, clock, given, report, unpacking, steps):
    """Start, watch and pack runs until no run is left that can start, or the time is over."""
    last_line, reasons, out, part = 0.0, {}, given.out, given.part_mb * 2**20
    try:
        pack.write_home(out, ROOT, told(report, jobs, clock), [], part)
    except OSError as error:
        raise BoxError(f"--out {out}: cannot be written ({error.strerror}). Name a folder that can") from error
    while True:
        if steps.waiting or steps.running:
            report |= steps.answers()
            if not steps.running:
                say("self-test passed: a step of training runs on the device")
        ended = 0
        for job in (job for job in jobs if job.state == "running"):
            job.look()
            if job.state != "running":
                say(f"{job.state}: {job.name} after {job.ended - job.began:.0f} s {job.reason}".rstrip())
                ended += 1
        if ended:
            packed(out, jobs, told(report, jobs, clock), part)
        if clock.left <= 0:
            break
        free = shutil.disk_usage(ROOT).free
        job, reasons = box_jobs.startable(jobs, reckoning, clock.left, slots, free)
        if job:
            job.start(environment, given.tiny)
            continue
        running = [job for job in jobs if job.state == "running"]
        waiting = [job for job in jobs if job.state == "waiting"]
        if not running and all(process.poll() is not None for process in unpacking):
            # The data may have been unpacked just now.
            job, reasons = box_jobs.startable(jobs, reckoning, clock.left, slots, free)
            if not job:
                break
            continue
        if time.monotonic() - last_line >= EVERY:
            last_line = time.monotonic()
            say(line(clock, running, waiting, jobs, given.device))
        time.sleep(0.2)
    for job in jobs:
        if job.state == "waiting":
            job.reason = reasons.get(id(job), "the time was over")


def close(jobs, clock, given, report):
    """Stop what still runs, pack all results, and print each run's state and reason; returns the exit status.

    The status is 1 if a run failed, if no run is done, or if the results could not be packed; else 0.
    """
    on_signals(signal.SIG_IGN)
    why = "the time was over" if clock.left <= 0 else "all was ended"
    box_jobs.stop([job for job in jobs if job.state == "running"], why)
    for job in jobs:
        if job.state == "waiting":
            job.state, job.reason = "left out", job.reason or why
    whole = packed(given.out, jobs, told(report, jobs, clock), given.part_mb * 2**20, given.home_mb * 2**20)
    say("\nrun".ljust(44) + "state")
    for job in jobs:
        say(f"{job.name:43} {job.state}{', ' + job.reason if job.reason else ''}")
    states = [job.state for job in jobs]
    return int(not whole or "failed" in states or "done" not in states)


def packed(out, jobs, report, part, limit=None):
    """Pack the runs' files into `out`; returns whether that succeeded."""
    try:
        pack.write_home(out, ROOT, report, pack.contents(jobs, limit), part)
    except OSError as error:
        say(f"{out}: cannot be written ({error.strerror}), but what was packed before is still there. Make room")
        return False
    return True


def told(report, jobs, clock):
    """Return the report with the state of each run added."""
    rows = [
        {
            "name": job.name,
            "state": job.state,
            "reason": job.reason,
            "epochs": len(job.rows),
            "seconds": round((job.ended or time.monotonic()) - job.began, 1) if job.began else 0,
            "epoch_seconds": job.epoch_seconds(),
        }
        for job in jobs
    ]
    return report | {"python": platform.python_version(), "seconds": round(clock.gone, 1), "runs": rows}


def line(clock, running, waiting, jobs, device):
    done = sum(job.state == "done" for job in jobs)
    load = gpu_load() if device == "gpu" else ""
    shown = "; ".join(job.shown() for job in running) or "waiting for the data"
    return f"{clock.gone:4.0f} s, {clock.left:.0f} left{load}: {done} done, {len(waiting)} to go; {shown}"


def gpu_load():
    query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout.split("\n")[0]
        return f" (GPU {found.strip()})"
    except (OSError, subprocess.SubprocessError):
        return ""


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
