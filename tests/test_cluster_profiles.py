"""profiles/slurm and profiles/kubernetes against the Snakefile and Snakemake; tests/slurm runs them on a real Slurm."""

import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from stand_ins import jobs_of, snakemake, write_notebook

from fer_utils.workflow.__main__ import main
from fer_utils.workflow.profiles import ProfileError
from fer_utils.workflow.snakemake import ALWAYS, check_executor, cluster_command, shell_prefix

ROOT = Path(__file__).resolve().parent.parent
SNAKEFILE = (ROOT / "Snakefile").read_text(encoding="utf-8")
RULES = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", SNAKEFILE, re.MULTILINE | re.DOTALL))
ON_A_GPU = {name for name, body in RULES.items() if "gpu=1" in body}
CLUSTERS = ("slurm", "kubernetes")


def read(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))


def without_plugin(name, folder, **changes):
    """The profile without its executor, whose package is not part of the environment; Snakemake refuses it without."""
    own = (f"{name}-", "executor", "container-image", "shared-fs-usage")
    kept = {key: value for key, value in read(name).items() if not key.startswith(own)}
    (folder / "config.yaml").write_text(yaml.safe_dump(kept | changes), encoding="utf-8")
    return ["--workflow-profile", str(folder / "config.yaml")]


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_profile_says_for_every_rule_what_it_asks_for(name):
    profile = read(name)
    assert set(profile["set-threads"]) == set(RULES) - {"all"}
    assert set(profile["set-resources"]) == ON_A_GPU == {"pretrain", "scratch", "transfer", "finetune", "recipe"}
    assert profile["executor"].partition("-")[0] == name


@pytest.mark.parametrize("name", CLUSTERS)
def test_one_line_takes_the_gpus_away(name):
    text = (ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8")
    assert text.count("{gpu: 1}") == text.count("&training {gpu: 1}") == 1
    changed = yaml.safe_load(text.replace("&training {gpu: 1}", "&training {gpu: 0}"))
    assert changed["set-resources"] == dict.fromkeys(ON_A_GPU, {"gpu": 0})


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_profile_keeps_finished_runs_as_the_local_command_does(name):
    profile = read(name)
    assert ["--rerun-triggers", *profile["rerun-triggers"]] == ALWAYS[:3]
    assert ALWAYS[3:] == ["--keep-going", "--ignore-incomplete", "--scheduler", profile["scheduler"]]
    assert profile["keep-going"] is profile["ignore-incomplete"] is True


def test_slurm_itself_starts_the_jobs_of_a_lost_node_again():
    assert read("slurm")["slurm-requeue"] is True  # without it, a preempted job is waited for without an end


@pytest.mark.parametrize("name", CLUSTERS)
def test_settings_of_the_plugin_are_ones_that_it_knows(name):
    plugin = f"snakemake_executor_plugin_{name}"
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"pip install -e '.[{name}]'")
    known = {field.name for field in dataclasses.fields(importlib.import_module(plugin).ExecutorSettings)}
    text = (ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8")
    used = re.findall(rf"^(?:# )?{read(name)['executor']}-([a-z-]+):", text, re.MULTILINE)  # commented ones too
    assert used and {key.replace("-", "_") for key in used} <= known


@pytest.mark.parametrize("name", CLUSTERS)
def test_snakemake_reads_the_profile_and_asks_for_its_resources(name, project):
    profile = without_plugin(name, project)
    found = snakemake(project, *profile, "--dry-run", "--cores", "8", "--config", "profile=small")
    assert found.returncode == 0, found.stdout
    assert jobs_of(found)["total"] == 11
    blocks = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^\[|\Z)", found.stdout, re.MULTILINE | re.DOTALL))
    for rule, block in blocks.items():
        if rule != "all":
            assert "threads: 4" in block
            assert re.search(r"mem_mb=8000\b", block) and (name != "slurm" or re.search(r"runtime=1440\b", block))
            assert ("gpu=1" in block) == (rule in ON_A_GPU)


FAILS_ONCE = """
from pathlib import Path
if not Path("failed").exists():
    Path("failed").touch()
    raise OSError("gone")
"""


@pytest.mark.slow
def test_a_run_that_fails_once_costs_a_retry_and_the_study_ends_well(project):
    write_notebook(project, "04_transfer_learning", FAILS_ONCE)
    (project / "profiles/small.yaml").write_text("architectures: [vgg16]\nall: {EPOCHS: 3}\n")
    profile = without_plugin("slurm", project, resources=["gpu=2"])
    found = snakemake(project, *profile, "--cores", "8", "--config", "profile=small")
    assert found.returncode == 0, found.stdout
    said = [" ".join(line.split()[1:]) for line in found.stdout.splitlines() if "vgg16-transfer-seed0" in line]
    said = [re.sub(r"[0-9]+ s(?= |:)", "N s", line).split(" (")[0] for line in said]
    assert said == [
        "start vgg16-transfer-seed0",
        "FAILED vgg16-transfer-seed0 after N s: cell [3], OSError: gone",
        "start vgg16-transfer-seed0 again",
        "done vgg16-transfer-seed0 in N s",
    ]
    assert "Done in" in found.stdout and "failed" not in found.stdout
    assert (project / "outputs/small/vgg16-transfer-seed0/metrics.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "expected"), [("default", "7"), ("remote", "7,8")])
@pytest.mark.skipif(shutil.which("flock") is None, reason="a run takes its GPU with flock (util-linux)")
def test_a_job_of_a_cluster_keeps_the_gpus_that_it_was_given(mode, expected, project, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,8")
    (project / "nvidia-smi").write_text('#!/bin/sh\nfor n in 7 8; do echo "GPU $n: one (UUID: GPU-$n)"; done\n')
    (project / "nvidia-smi").chmod(0o755)
    write_notebook(project, "01_explore_data", "import os; print('devices', os.environ['CUDA_VISIBLE_DEVICES'])")
    target = "outputs/small/explore/metrics.json"
    found = snakemake(project, "--mode", mode, "--cores", "1", "--config", "profile=small", "--nolock", "--", target)
    assert found.returncode == 0, found.stdout
    log = (project / "outputs/small/logs/explore.log").read_text()
    assert re.findall(r"devices (\S+)", log) == [expected]


@pytest.mark.skipif(not shutil.which("flock"), reason="flock is part of Linux, where the GPUs are")
def test_allocations_whose_gpus_have_the_same_number_do_not_wait_for_each_other(monkeypatch):
    gpu, environment = f"test-{os.getpid()}", {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(job, seconds, then="echo $CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        return ["timeout", str(seconds), "bash", "-c", shell_prefix([gpu]) + then]

    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    first = subprocess.Popen(command("41", 60, "echo $CUDA_VISIBLE_DEVICES; read line"), **options)
    try:
        assert first.stdout.readline().strip() == gpu
        other = subprocess.run(command("42", 10), capture_output=True, text=True, env=environment, check=False)
        assert (other.returncode, other.stdout.strip()) == (0, gpu)
        same = subprocess.run(command("41", 1), env=environment, check=False)
        assert same.returncode == 124  # the second run of one allocation does wait
    finally:
        first.kill()
        first.wait()
        for path in Path("/tmp").glob(f"fer-gpu-{os.getuid()}-*{gpu}.lock"):
            path.unlink()


# --- the command line ------------------------------------------------------------------------------------------------


def test_the_same_study_goes_to_a_cluster_by_its_profile():
    command = cluster_command("settings.json", "slurm")[1:]
    settings = ["--configfile", "settings.json"]
    assert command == ["-m", "snakemake", "--workflow-profile", "profiles/slurm", *settings, *ALWAYS]
    assert cluster_command("settings.json", "slurm", jobs=3)[5:7] == ["--jobs", "3"]


def test_an_executor_without_a_profile_is_a_message(capsys):
    assert main(["reproduce", "--executor", "slrum"]) == 2
    said = capsys.readouterr().err
    assert said == "Nothing was started. EXECUTOR: there is no profiles/slrum/config.yaml; did you mean slurm?\n"


def test_a_plugin_that_is_not_installed_is_named_with_the_mend(tmp_path):
    (tmp_path / "profiles/mine").mkdir(parents=True)
    (tmp_path / "profiles/mine/config.yaml").write_text("executor: absent")
    with pytest.raises(ProfileError, match="EXECUTOR=mine needs snakemake-executor-plugin-absent: .* -m pip install"):
        check_executor("mine", tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("executor: slurm\n\tjobs: 3", "is not readable as YAML: .*line 2"),
        (b"executor: \xff", "is not readable as YAML: "),
        ("- slurm", "has no line `executor: ...`"),
        ("executor: 5", "has no line `executor: ...`"),
    ],
)
def test_a_clusters_profile_that_was_edited_badly_is_named(tmp_path, content, said):
    (tmp_path / "profiles/mine").mkdir(parents=True)
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "profiles/mine/config.yaml").write_bytes(content)
    with pytest.raises(ProfileError, match=f"profiles/mine/config.yaml: {said}"):
        check_executor("mine", tmp_path)
