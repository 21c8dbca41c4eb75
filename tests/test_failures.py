"""Failures for real: a full or read-only disk, a kernel killed or without memory, a cell that ends Python or stalls.

Each is named in the closing summary, the other runs finish, and once the cause is gone the same command completes.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from stand_ins import snakemake, write_notebook

pytestmark = pytest.mark.slow
COMMAND = ["--cores", "3", "--keep-going", "--rerun-triggers", "params", "input", "--scheduler", "greedy"]
COMMAND += ["--ignore-incomplete", "--config", "profile=small", "threads=1"]
ALL_ARMS = "architectures: [vgg16, resnet50]\nall: {EPOCHS: 3}\n"
TWO_RUNS = "architectures: []\nladder: [crop]\nall: {DATA: sample}\n"
LIMIT = 5  # seconds that a cell may take; that a kernel starts is no part of it


@contextmanager
def small_disk(folder, size="4m", options="rw"):
    """A file system of its own on `folder`; skips the test where this user may not mount one."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs Linux and root")
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},{options}", "tmpfs", str(folder)]
    refused = subprocess.run(mount, capture_output=True, text=True)
    if refused.returncode:
        pytest.skip(f"mount: {refused.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder, how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def failures(found):
    """The closing summary: name of the failed run -> cell and reason."""
    return dict(re.findall(r"^  (\S+): (.+)$", found.stdout, re.MULTILINE))


def made(found):
    return sorted(re.findall(r"  start +(\S+)", found.stdout))


CAUSES = {
    # arm, or "explore": what its third cell does while the cause is there
    "explore": "exit()  # which lets this cell end, and then the kernel\n    import time\n    time.sleep(1)",
    "vgg16-scratch": "import os\n    os._exit(3)",
    "resnet50-scratch": "import sys\n    sys.exit('enough')",
    "vgg16-transfer": "import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel's OOM killer does",
    "resnet50-transfer": "import signal, time\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    time.sleep(3600)",
    "vgg16-finetune": (
        "import resource\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "    too_much = bytearray(8 << 30)"
    ),
}
DIED = r"cell \[3\], DeadKernelError: Kernel died \(usually out of memory: try JOBS=1 .*, as exit\(\) does\)"
REASONS = {
    "explore": DIED.replace("3", "4"),
    "vgg16-scratch": DIED,
    "resnet50-scratch": r"cell \[3\], SystemExit: enough",
    "vgg16-transfer": DIED,
    "resnet50-transfer": (
        rf"cell \[3\], CellTimeoutError: .* after {LIMIT} seconds.* \(the cell took longer than TIMEOUT allows\)"
    ),
    "vgg16-finetune": r"cell \[3\], MemoryError",
}
STEMS = {"scratch": "03_train_from_scratch", "transfer": "04_transfer_learning", "finetune": "05_fine_tuning"}


def run_name(arm):
    return arm if arm == "explore" else f"{arm}-seed0"


def break_arms(project):
    """Each arm does what CAUSES says for as long as the file `cause` is there."""
    cell = f"from pathlib import Path\nif (Path.cwd().parent / 'cause').exists():\n    {CAUSES['explore']}\n"
    write_notebook(project, "01_explore_data", cell)
    for strategy, stem in STEMS.items():
        cell = "from pathlib import Path\ncause = (Path.cwd().parent / 'cause').exists()\n"
        for arm, what in CAUSES.items():
            if arm.endswith(strategy):
                cell += f"if cause and ARCHITECTURE == {arm.split('-')[0]!r}:\n    {what}\n"
        write_notebook(project, stem, cell)
    (project / "cause").touch()


def test_runs_that_end_badly_are_named_and_the_others_finish(project):
    (project / "profiles" / "small.yaml").write_text(ALL_ARMS)
    break_arms(project)
    command = [*COMMAND, f"timeout={LIMIT}"]
    first = snakemake(project, *command)
    assert first.returncode == 1, first.stdout
    found = failures(first)
    assert set(found) == {run_name(arm) for arm in CAUSES}, first.stdout
    for arm, reason in REASONS.items():
        assert re.fullmatch(reason, found[run_name(arm)]), (arm, found)
    assert "Runs not started, since they need what failed: 1" in first.stdout
    assert "Traceback" not in first.stdout
    for name in ("vgg16-pretrain", "resnet50-pretrain", "resnet50-finetune-seed0"):
        assert (project / "outputs" / "small" / name / "metrics.json").exists()

    (project / "cause").unlink()
    second = snakemake(project, *COMMAND)  # a limit is no part of what a run is: without it, no other is made again
    assert second.returncode == 0, second.stdout
    assert made(second) == sorted(["compare", *map(run_name, CAUSES)])


def test_a_read_only_disk_stops_a_study_before_it_starts_and_a_full_one_is_named_until_there_is_room(project):
    (project / "profiles" / "small.yaml").write_text(TWO_RUNS)
    with small_disk(project / "outputs", options="ro") as disk:
        refused = snakemake(project, *COMMAND)
        assert refused.returncode == 1, refused.stdout
        assert re.search(r"Nothing was started. outputs/small: Read-only file system. Make it writable", refused.stdout)
        assert "Traceback" not in refused.stdout and made(refused) == []
        remount(disk, "rw")
        subprocess.run(f"cat /dev/zero > {disk}/filler", shell=True, stderr=subprocess.DEVNULL)
        first = snakemake(project, *COMMAND)
        assert first.returncode == 1, first.stdout
        assert set(failures(first)) == {"explore", "crop-seed0"}, first.stdout
        for reason in failures(first).values():
            assert re.fullmatch("the disk of outputs/small/logs is full: make room", reason)
        assert "Traceback" not in first.stdout
        (disk / "filler").unlink()
        second = snakemake(project, *COMMAND)
        assert second.returncode == 0, second.stdout
        assert made(second) == ["crop-seed0", "explore"]


# Half of the disk is not enough for what this arm keeps; it leaves room for the others.
TOO_MUCH = """
import numpy as np
from fer_utils import runs
from pathlib import Path
folder = Path.cwd().parent / OUTPUT_DIR / f"ladder/{NAME or RECIPE}-seed{SEED}"
folder.mkdir(parents=True, exist_ok=True)
answers = np.random.default_rng(0).random((400_000, 7))
runs.save_predictions(folder, {"test": (np.arange(400_000), np.zeros(400_000), answers)})
"""

# It writes when the other has failed.
LATER = """
import time
from pathlib import Path
log = Path("../outputs/small/logs/crop-seed0.log")
for _ in range(600):
    if log.is_file() and "RunError" in log.read_text():
        break
    time.sleep(0.1)
"""


def test_a_run_that_needs_more_than_the_disk_has_leaves_it_to_the_others(project):
    (project / "profiles" / "small.yaml").write_text(TWO_RUNS)
    write_notebook(project, "08_beyond_the_paper", TOO_MUCH)
    write_notebook(project, "01_explore_data", LATER)
    with small_disk(project / "outputs") as disk:
        first = snakemake(project, *COMMAND)
        assert first.returncode == 1, first.stdout
        reason = failures(first)["crop-seed0"]
        assert "RunError: " in reason and "predictions.npz: cannot be written (No space left on device). Make" in reason
        assert list(failures(first)) == ["crop-seed0"]
        assert (disk / "small" / "explore" / "metrics.json").exists()
        assert not list(disk.rglob("*.part"))
        remount(disk, "size=64m")
        second = snakemake(project, *COMMAND)
        assert second.returncode == 0, second.stdout
        assert made(second) == ["crop-seed0"]


@contextmanager
def immutable(folder):
    """A folder that even root cannot write into, on file systems that know the flag; else the test is skipped."""
    folder.mkdir(parents=True)
    (folder / "notes.txt").touch()  # else Snakemake would remove the folder, since it is empty
    if subprocess.run(["chattr", "+i", str(folder)], capture_output=True).returncode:
        pytest.skip("no chattr here, or not on this file system")
    try:
        yield lambda: subprocess.run(["chattr", "-i", str(folder)], check=True)
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)


@pytest.mark.skipif(not shutil.which("chattr"), reason="chattr is part of Linux")
def test_a_runs_read_only_folder_fails_that_run_alone(project):
    (project / "profiles" / "small.yaml").write_text(TWO_RUNS)
    start = "runs.start_run(Path.cwd().parent / OUTPUT_DIR / 'ladder', f'{RECIPE}-seed{SEED}')"
    write_notebook(project, "08_beyond_the_paper", f"from pathlib import Path\nfrom fer_utils import runs\n{start}")
    with immutable(project / "outputs" / "small" / "ladder" / "crop-seed0") as writable:
        first = snakemake(project, *COMMAND)
        assert first.returncode == 1, first.stdout
        assert list(failures(first)) == ["crop-seed0"], first.stdout
        assert re.search(r"RunError: .*crop-seed0: cannot be written .*OUTPUT_DIR", failures(first)["crop-seed0"])
        assert (project / "outputs" / "small" / "explore" / "metrics.json").exists()
        writable()
        second = snakemake(project, *COMMAND)
        assert second.returncode == 0, second.stdout
        assert made(second) == ["crop-seed0"]
