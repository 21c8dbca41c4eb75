"""From a profile to papermill commands, and the Snakefile with small stand-ins for the notebooks."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from stand_ins import ROOT, jobs_of, snakemake, write_notebook

from fer_utils.data import DataWarning
from fer_utils.ladder import recipes
from fer_utils.runs.papermill import papermill_command, parameter_flag
from fer_utils.workflow import __main__ as command_line
from fer_utils.workflow import start
from fer_utils.workflow.__main__ import check_paths, main, placement, study_settings
from fer_utils.workflow.profiles import ProfileError
from fer_utils.workflow.snakemake import gpu_ids, shell_prefix, snakemake_command
from fer_utils.workflow.study import DATA_STAND_IN, load_study

# --- parameters ------------------------------------------------------------------------------------------------------


def test_the_architecture_beats_the_notebook_which_beats_all(project):
    study = load_study("small", root=project)
    vgg16, resnet50 = study.arm("vgg16", "scratch", 0).parameters, study.arm("resnet50", "scratch", 0).parameters
    assert (vgg16["EPOCHS"], vgg16["WIDTH"], "LEARNING_RATE" in vgg16) == (5, 0.25, False)
    assert (resnet50["EPOCHS"], resnet50["WIDTH"], resnet50["LEARNING_RATE"]) == (7, 0.25, 1e-4)
    assert study.arm("resnet50", "transfer", 0).parameters["EPOCHS"] == 3
    assert study.once("explore").parameters == {"OUTPUT_DIR": "outputs/small", "DATA": "sample"}


def test_every_run_of_a_study_and_its_names(project):
    study = load_study("small", seeds="0 2", root=project)
    arms = [
        f"{a}-{s}-seed{n}" for n in (0, 2) for a in ("vgg16", "resnet50") for s in ("scratch", "transfer", "finetune")
    ]
    names = [run.name for run in study.runs()]
    assert names == ["explore", "vgg16-pretrain", "resnet50-pretrain", *arms, "compare"]
    assert [run.parameters["SEED"] for run in study.arms()] == [0] * 6 + [2] * 6


RECIPES = """
architectures: []
ladder: [vgg16, crop]
finals:
  long: {RECIPE: crop, CHANGES: "epochs=60"}
trials:
  wide: {RECIPE: crop, CHANGES: "width=0.75"}
all: {DATA: sample}
"""


def test_a_profile_of_recipes_alone_has_no_arms_and_nothing_to_compare(project):
    (project / "profiles/rungs.yaml").write_text(RECIPES)
    study = load_study("rungs", seeds="0 1", root=project)
    names = [f"{name}-seed{seed}" for seed in (0, 1) for name in ("vgg16", "crop")]
    names += [f"{name}-seed{seed}" for name in ("wide", "long") for seed in (0, 1)]
    assert [run.name for run in study.runs()] == ["explore", *names]
    common = {"OUTPUT_DIR": "outputs/rungs", "DATA": "sample"}
    assert study.recipes("ladder")[3].parameters == {**common, "SEED": 1, "RECIPE": "crop"}
    final = {"RECIPE": "crop", "CHANGES": "epochs=60", "NAME": "long", "FINAL": True}
    assert study.recipes("finals")[0].parameters == {**common, "SEED": 0, **final}
    trial = {"RECIPE": "crop", "CHANGES": "width=0.75", "NAME": "wide"}  # and no FINAL: PrivateTest stays shut
    assert study.recipes("trials")[1].parameters == {**common, "SEED": 1, **trial}


@pytest.mark.parametrize(
    ("recipes", "name"),
    [
        ("trials: {vgg16-scratch: {RECIPE: crop}}", "vgg16-scratch"),
        ("finals: {x: {RECIPE: crop}}\ntrials: {x: {RECIPE: crop}}", "x"),
    ],
)
def test_two_runs_never_share_a_log(project, recipes, name):
    (project / "profiles/rungs.yaml").write_text(recipes)
    with pytest.raises(ProfileError, match=rf"profiles/rungs\.yaml: two runs are named {name}-seed0 and share a log"):
        load_study("rungs", root=project)


def test_all_of_the_ladder_is_what_has_to_be_trained(project):
    (project / "profiles/rungs.yaml").write_text("architectures: []\nladder: all\n")
    names = [run.parameters["RECIPE"] for run in load_study("rungs", root=project).recipes("ladder")]
    assert names == [rung.name for rung in recipes.LADDER if not rung.same_run]


def test_comparators_are_trained_from_scratch_only(project):
    (project / "profiles/more.yaml").write_text("architectures: [vgg16]\ncomparators: [deepcnn]\nall: {EPOCHS: 3}\n")
    study = load_study("more", root=project)
    assert [run.name for run in study.runs()][-3:] == ["vgg16-finetune-seed0", "deepcnn-scratch-seed0", "compare"]
    assert study.comparators()[0].parameters["ARCHITECTURE"] == "deepcnn"


@pytest.mark.slow
def test_snakemake_makes_the_ladder_and_then_its_finals(project):
    (project / "profiles/rungs.yaml").write_text(RECIPES)
    found = snakemake(project, "--cores", "2", "--scheduler", "greedy", "--config", "profile=rungs", "threads=1")
    assert found.returncode == 0, found.stdout
    folder = project / "outputs" / "rungs" / "ladder"
    for name in ("vgg16-seed0", "crop-seed0", "wide-seed0", "long-seed0"):
        assert (folder / name / "metrics.json").exists() and (folder / name / "executed.ipynb").exists()
    begun = re.findall(r"  start +(\S+)", found.stdout)
    assert begun.index("long-seed0") > max(begun.index("vgg16-seed0"), begun.index("crop-seed0"))
    assert "Results: outputs/rungs\n" in found.stdout
    more = ["-n", "--cores", "2", "--config", "profile=rungs", "threads=1", "seeds=0 1"]
    assert jobs_of(snakemake(project, *more)).get("recipe") == 4  # of seed 1: nothing finished is made again


def test_a_profile_names_the_reports_on_its_finished_runs(project):
    (project / "profiles/both.yaml").write_text("reports: [audit, labels]\n07_audit_the_paper: {THRESHOLD: 0.5}")
    study = load_study("both", root=project)
    compare, audit, labels = study.runs()[-3:]
    assert (compare.name, audit.name, labels.name) == ("compare", "audit", "labels")
    assert audit.parameters == {"OUTPUT_DIR": "outputs/both", "THRESHOLD": 0.5}
    assert study.papermill(labels).startswith("papermill notebooks/09_labels_and_errors.ipynb outputs/both/logs/labels")


def test_the_packaged_networks_notebook_waits_for_no_run(project):
    (project / "profiles/apart.yaml").write_text("architectures: [vgg16]\nreports: [photos]\n")
    study = load_study("apart", root=project)
    assert study.runs()[-1].notebook == "10_on_your_own_photos"
    assert study.runs()[-1].parameters == {"OUTPUT_DIR": "outputs/apart"}
    asked = ["--config", "profile=apart", "data=sample", "threads=1", "--", "outputs/apart/photos/metrics.json"]
    assert jobs_of(snakemake(project, "-n", "--cores", "1", *asked)) == {"packaged": 1, "total": 1}


def test_arms_that_transfer_start_from_the_pretrained_backbone_unless_weights_are_named(project):
    study = load_study("small", root=project)
    backbone = "outputs/small/vgg16-pretrain/backbone.weights.h5"
    assert study.arm("vgg16", "transfer", 0).parameters["WEIGHTS"] == backbone
    assert study.arm("vgg16", "finetune", 0).parameters["WEIGHTS"] == backbone
    section = "{resnet50: {WEIGHTS: imagenet}}"
    (project / "profiles/mixed.yaml").write_text(f"04_transfer_learning: {section}\n05_fine_tuning: {section}")
    mixed = load_study("mixed", root=project)
    assert mixed.arm("resnet50", "transfer", 0).parameters["WEIGHTS"] == "imagenet"
    assert mixed.arm("vgg16", "transfer", 0).parameters["WEIGHTS"] == "outputs/mixed/vgg16-pretrain/backbone.weights.h5"
    assert [run.name for run in mixed.runs() if "pretrain" in run.name] == ["vgg16-pretrain"]


def test_the_command_line_beats_the_profile(project):
    (project / "faces.csv").touch()
    (project / "things").mkdir()
    study = load_study("small", data="faces.csv", source="things", seeds="4,", root=project)
    assert study.once("explore").parameters["DATA"] == "faces.csv"
    assert study.pretrain("vgg16").parameters["SOURCE"] == "things"
    assert study.seeds == (4,)
    with pytest.raises(ProfileError, match="SOURCE: there is no file or folder elsewhere"):
        load_study("small", source="elsewhere", root=project)


def test_a_profiles_paths_are_filled_in_before_anything_runs(project, monkeypatch):
    (project / "w.h5").touch()
    monkeypatch.setenv("SCRATCH", str(project))
    monkeypatch.setenv("HOME", str(project))
    (project / "profiles/mine.yaml").write_text(
        "all: {OUTPUT_DIR: $SCRATCH/it's mine, DATA: ~/w.h5}\n05_fine_tuning: {WEIGHTS: ~/w.h5}\n"
        "02_pretrain_backbone: {SOURCE: $SCRATCH}\n"
    )
    study = load_study("mine", root=project)
    given = {"OUTPUT_DIR": f"{project}/it's mine", "DATA": f"{project}/w.h5"}
    assert study.once("explore").parameters == given
    assert study.arm("vgg16", "finetune", 0).parameters["WEIGHTS"] == f"{project}/w.h5"
    assert study.backbone("vgg16") == f"{project}/it's mine/vgg16-pretrain/backbone.weights.h5"
    assert study.pretrain("vgg16").parameters["SOURCE"] == str(project)
    check_paths(study, project)
    (project / "w.h5").unlink()
    with pytest.raises(ProfileError, match=r"mine\.yaml: 01_explore_data: DATA: there is no file or folder .*w\.h5"):
        check_paths(study, project)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("$NOWHERE/x", r"profiles/mine\.yaml: all: OUTPUT_DIR='\$NOWHERE/x': \$NOWHERE has no value here"),
        ("-x", r"profiles/mine\.yaml: OUTPUT_DIR=-x: begins with '-', which Snakemake, papermill or a shell would"),
        ("a {b}", r"OUTPUT_DIR=a \{b\}: holds '\{', which Snakemake, papermill or a shell"),
        ("5$", r"OUTPUT_DIR=5\$: holds '\$', which"),
    ],
)
def test_a_folder_that_would_be_taken_for_another_is_refused(folder, message, project, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    (project / "profiles/mine.yaml").write_text(f"all: {{OUTPUT_DIR: '{folder}'}}")
    with pytest.raises(ProfileError, match=message):
        load_study("mine", root=project)


def test_a_folder_that_cannot_be_written_stops_the_study_before_snakemake(tmp_path, capsys, monkeypatch):
    monkeypatch.delattr(os, "execv")
    (tmp_path / "file").touch()
    (tmp_path / "mine.yaml").write_text(f"all: {{DATA: sample, OUTPUT_DIR: {tmp_path}/file/in}}")
    assert main(["reproduce", "--profile", str(tmp_path / "mine.yaml")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Nothing was started. {tmp_path}/file/in: Not a directory. Make it writable, or set")


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("05_fine_tuning: {EPOCHS: 2, HEAD_EPOCHS: 2}", "vgg16-finetune-seed0: HEAD_EPOCHS=2 leaves none of EPOCHS=2"),
        ("comparators: [efficientnetb0]", "efficientnetb0-scratch-seed0: WIDTH=0.125: efficientnetb0 exists in"),
        ("all: {INPUT_SIZE: 16}", "vgg16-pretrain: INPUT_SIZE=16 is too small, since vgg16 halves the image 5 times"),
    ],
)
def test_parameters_that_do_not_fit_together_stop_the_study_before_hours_of_other_runs(profile, message, tmp_path):
    (tmp_path / "mine.yaml").write_text(profile)
    with pytest.raises(ProfileError, match=re.escape(f"{tmp_path}/mine.yaml: {message}")):
        load_study(str(tmp_path / "mine.yaml"), data="sample")


def test_a_notebook_that_is_missing_or_has_no_parameters_is_named(project):
    notebook = project / "notebooks/04_transfer_learning.ipynb"
    notebook.write_text(notebook.read_text().replace('"parameters"', '"other"'))
    with pytest.raises(ProfileError, match=r"notebooks/04_transfer_learning\.ipynb: needs exactly one cell"):
        load_study("small", root=project)
    notebook.unlink()
    with pytest.raises(ProfileError, match=r"notebooks/04_transfer_learning\.ipynb: there is no such notebook"):
        load_study("small", root=project)


# --- commands --------------------------------------------------------------------------------------------------------


def test_the_command_is_one_that_a_person_could_type(project):
    study = load_study("small", root=project)
    assert study.papermill(study.arm("resnet50", "scratch", 0)) == (
        "papermill notebooks/03_train_from_scratch.ipynb outputs/small/logs/resnet50-scratch-seed0.ipynb -k python3"
        " --cwd notebooks --log-output --autosave-cell-every 2 -p OUTPUT_DIR outputs/small -p DATA sample -p SEED 0"
        " -p ARCHITECTURE resnet50 -p WIDTH 0.25 -p EPOCHS 7 -p LEARNING_RATE 0.0001"
    )
    assert study.papermill(study.once("compare")) == (
        "papermill notebooks/06_compare_strategies.ipynb outputs/small/logs/compare.ipynb -k python3"
        " --cwd notebooks --log-output --autosave-cell-every 2 -p OUTPUT_DIR outputs/small"
    )


VALUES = [7, -1, 1e-5, 0.25, 1e20, True, False, None, "", "sample", "a b'c", "48", "1e-3", "nan", "True", "None"]


@pytest.mark.parametrize("value", [*VALUES, [], [1, "2", 1e-5], {"a": None}], ids=repr)
def test_papermill_reads_each_value_back_with_its_type(value):
    from papermill import cli

    command = shlex.split(papermill_command("01_explore_data", "out.ipynb", {"NAME": value}))
    given = cli.papermill.make_context("papermill", command[1:]).params
    read = {name: cli._resolve_type(text) for name, text in given["parameters"]}
    read |= dict(given["parameters_raw"])
    for text in given["parameters_yaml"]:
        read |= cli.yaml.load(text, Loader=cli.NoDatesSafeLoader)
    assert read == {"NAME": value}
    assert type(read["NAME"]) is type(value)


def test_only_what_looks_like_another_type_is_passed_raw():
    assert parameter_flag("SOURCE", "sample") == ["-p", "SOURCE", "sample"]
    assert parameter_flag("SOURCE", "2013") == ["-r", "SOURCE", "2013"]


@pytest.mark.parametrize(("jobs", "cores", "threads"), [("2", 9, 4), ("4", 2, 1)])
def test_cores_are_shared_among_the_runs_at_once(jobs, cores, threads, project, monkeypatch):
    monkeypatch.setattr(command_line, "gpu_ids", list)
    monkeypatch.setattr(command_line, "core_count", lambda: cores)
    assert placement(load_study("small", root=project), jobs) == (int(jobs), threads, [])


def test_no_more_runs_are_announced_than_there_are_gpus(project, monkeypatch):
    """Each run waits for a GPU of its own (``shell_prefix``)."""
    monkeypatch.setattr(command_line, "usable_gpus", lambda: ["a", "b"])
    monkeypatch.setattr(command_line, "core_count", lambda: 16)
    study = load_study("small", root=project)
    assert placement(study, "8") == placement(study) == (2, 8, ["a", "b"])
    assert placement(study, "1") == (1, 16, ["a", "b"])


@pytest.fixture
def keras_lists(tmp_path_factory, monkeypatch):
    """Makes a stand-in for Keras list these devices; with another backend than the notebooks', it fails."""

    def make(*devices):
        folder = tmp_path_factory.mktemp("modules")
        listing = f"assert os.environ['KERAS_BACKEND'] == 'tensorflow'\nlist_devices = lambda: {devices}"
        (folder / "keras").mkdir()
        (folder / "keras/__init__.py").write_text("from keras import distribution")
        (folder / "keras/distribution.py").write_text(f"import os\n{listing}")
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.delenv("KERAS_BACKEND", raising=False)

    return make


def test_without_cuda_the_study_says_that_it_trains_on_the_cpu(project, keras_lists, monkeypatch, capsys):
    monkeypatch.setattr(command_line, "gpu_ids", lambda: ["a", "b"])
    monkeypatch.setattr(command_line, "core_count", lambda: 2)
    study = load_study("small", root=project)
    keras_lists("cpu:0", "gpu:0")
    assert placement(study, "2") == (2, 1, ["a", "b"]) and capsys.readouterr().err == ""
    keras_lists("cpu:0")
    assert placement(study, "2") == (2, 1, [])
    assert "nvidia-smi lists 2 GPU(s), but Keras finds none: the runs train on the CPU." in capsys.readouterr().err


def test_keras_names_its_devices_as_the_stand_in_does():
    keras = pytest.importorskip("keras")
    kinds = {name.lower().partition(":")[0] for name in keras.distribution.list_devices()}
    assert kinds and kinds <= {"cpu", "gpu"}


def test_snakemake_has_the_cores_of_all_runs_and_counts_gpus():
    command = snakemake_command("settings.json", jobs=2, threads=4, gpus=[])
    assert command[3:7] == ["--cores", "8", "--configfile", "settings.json"]
    assert "--resources" not in command
    command = snakemake_command("settings.json", jobs=4, threads=1, gpus=["GPU-a", "GPU-b"])
    assert command[command.index("--resources") + 1] == "gpu=2"


def test_a_limit_is_a_setting_only_where_one_is_given(project):
    study, options = load_study("small", seeds="1", root=project), SimpleNamespace(profile="small", timeout="")
    given = {"profile": "small", "data": "sample", "source": "", "seeds": "0,"}
    assert study_settings(study, options) == given
    options.timeout = "90"
    assert study_settings(study, options) == given | {"timeout": 90}


LISTED = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aa-11)
  MIG 1g.10gb     Device  0: (UUID: MIG-cc-33)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bb-22)
"""


@pytest.mark.parametrize(
    ("listed", "visible", "expected"),
    [
        (None, None, []),
        (None, "0", []),  # no GPU at all, whatever the variable says
        ("", "0", []),
        (LISTED, None, ["GPU-aa-11", "GPU-bb-22"]),
        (LISTED, "1, 0", ["1", "0"]),
        (LISTED, "0,7", ["0"]),
        (LISTED, "GPU-bb", ["GPU-bb"]),
        (LISTED, "MIG-cc-33", ["MIG-cc-33"]),
        (LISTED, "-1", []),
        (LISTED, "", []),
    ],
)
def test_gpus_are_those_that_are_there_and_may_be_used(listed, visible, expected, tmp_path, monkeypatch):
    if listed is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n[ $1 = -L ] && printf '%s' '{listed}'\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_ids() == expected


def in_bash(script, **environment):
    everything = {**os.environ, "OMP_NUM_THREADS": "3", **environment}
    return subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE, text=True, env=everything)


def test_without_gpus_a_run_gets_threads_and_its_devices_are_left_alone():
    show = "echo $TF_NUM_INTRAOP_THREADS $TF_NUM_INTEROP_THREADS ${CUDA_VISIBLE_DEVICES-unset}"
    expected = os.environ.get("CUDA_VISIBLE_DEVICES", "unset")
    assert in_bash(shell_prefix([]) + show).communicate(timeout=30)[0].strip() == f"3 3 {expected}".strip()


def test_a_run_looks_for_its_kernel_in_this_project_first():
    found = in_bash(
        shell_prefix([]) + "echo $JUPYTER_PATH $JUPYTER_DEFAULT_PROVISIONER_NAME", JUPYTER_PATH="/elsewhere"
    )
    assert found.communicate(timeout=30)[0].split() == [f"{ROOT}/fer_utils", "fer-utils"]


@pytest.mark.skipif(not shutil.which("flock"), reason="flock is part of Linux, where the GPUs are")
def test_each_run_has_a_gpu_of_its_own_and_waits_for_a_free_one():
    gpus = [f"test-{os.getpid()}-{name}" for name in "ab"]
    script = shell_prefix(gpus) + "echo $CUDA_VISIBLE_DEVICES; read line"
    runs = [
        subprocess.Popen(
            ["bash", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for _ in range(2)
    ]
    try:
        assert sorted(run.stdout.readline().strip() for run in runs) == gpus
        third = in_bash(shell_prefix(gpus) + "echo $CUDA_VISIBLE_DEVICES")
        with pytest.raises(subprocess.TimeoutExpired):
            third.wait(timeout=1)
        runs[0].communicate("done\n", timeout=30)
        assert third.communicate(timeout=30)[0].strip() in gpus
    finally:
        for run in runs:
            run.kill()
            run.wait()
        for gpu in gpus:
            Path(f"/tmp/fer-gpu-{os.getuid()}-{gpu}.lock").unlink(missing_ok=True)


# --- the command line and the real profiles --------------------------------------------------------------------------


def test_the_plan_lists_every_command_and_runs_none(capsys, monkeypatch):
    monkeypatch.delenv("FER_DATA", raising=False)
    assert main(["plan", "--profile", "paper", "--seeds", "0 1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [line for line in lines if line.startswith("papermill ")]
    assert lines[0].startswith(f"# {DATA_STAND_IN} stands for")
    assert len(commands) == 1 + 12 + 1 + 2  # no pretraining: WEIGHTS is imagenet
    transfers = [command for command in commands if "04_transfer" in command or "05_fine" in command]
    assert all("-p WEIGHTS imagenet" in command and "-p WIDTH 1.0" in command for command in transfers)


def test_a_plan_names_data_that_are_not_there(capsys, monkeypatch):
    monkeypatch.setenv("FER_DATA", "nowhere.csv")
    assert main(["plan", "--profile", "paper"]) == 0
    assert "(FER_DATA: there is no file or folder nowhere.csv " in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(
    "arguments", [["--profile", "papre"], ["--profile", "cpu"], ["--jobs", "none"], ["--timeout", "soon"]]
)
def test_a_mistake_stops_the_study_before_anything_starts(arguments, capsys, monkeypatch):
    monkeypatch.delenv("FER_DATA", raising=False)
    assert main(["reproduce", *arguments]) == 2
    assert capsys.readouterr().err.startswith("Nothing was started. ")


def test_broken_data_stop_a_study_before_a_run_has_removed_anything(tmp_path, capsys, own_cache):
    (tmp_path / "bad.csv").write_text(f"emotion,pixels,Usage\n0,{' '.join(['256'] * 2304)},Training\n")
    (tmp_path / "mine.yaml").write_text(f"all: {{OUTPUT_DIR: {tmp_path}/runs}}\n")
    kept = tmp_path / "runs/vgg16-scratch-seed0/metrics.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    assert main(["reproduce", "--profile", str(tmp_path / "mine.yaml"), "--data", str(tmp_path / "bad.csv")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Nothing was started. {tmp_path}/bad.csv, row 1 (line 2): pixel 1 is '256'")
    assert said.count("256") == 1 and kept.read_text() == "{}"


def test_data_without_the_split_that_the_protocol_needs_stop_it_as_early(tmp_path, capsys, own_cache):
    pixels = " ".join(["7"] * 2303)
    (tmp_path / "train.csv").write_text(
        "emotion,pixels\n" + "".join(f"{row % 7},{row} {pixels}\n" for row in range(14))
    )
    (tmp_path / "mine.yaml").write_text(f"all: {{OUTPUT_DIR: {tmp_path}/runs}}\n")
    with pytest.warns(DataWarning):
        assert main(["reproduce", "--profile", str(tmp_path / "mine.yaml"), "--data", str(tmp_path / "train.csv")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Nothing was started. ") and "PublicTest" in said and "(PROTOCOL=official of 01_" in said


def test_finished_runs_of_other_data_are_told_of(tmp_path):
    (tmp_path / "mine.yaml").write_text(f"all: {{OUTPUT_DIR: {tmp_path}/runs}}\n")
    study = load_study(str(tmp_path / "mine.yaml"), data="sample")
    assert start.replaced(study) == ""
    for name, given in {"vgg16-scratch-seed0": "sample", "resnet50-scratch-seed0": "fer2013.csv"}.items():
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"parameters": {"DATA": given}}))
        (folder / "metrics.json").write_text("{}")
    assert start.replaced(study).startswith(f"1 finished run(s) in {tmp_path}/runs were made from other DATA")
    (tmp_path / "runs/resnet50-scratch-seed0/metrics.json").unlink()  # of a run that is not finished
    assert start.replaced(study) == ""
    unsaid = load_study(str(tmp_path / "mine.yaml"))  # no DATA: each notebook's own default, which its manifest states
    (tmp_path / "runs/vgg16-scratch-seed0/manifest.json").write_text('{"parameters": {"DATA": ""}}')
    assert start.replaced(unsaid) == ""
    (tmp_path / "runs/vgg16-scratch-seed0/manifest.json").write_text("[]")  # damaged
    assert start.replaced(unsaid) == ""


def test_a_study_of_real_faces_without_a_source_says_what_its_backbones_come_from():
    assert "since no SOURCE is given" in command_line.source_note(load_study("cpu", data=DATA_STAND_IN))
    assert command_line.source_note(load_study("cpu", data=DATA_STAND_IN, source="tests")) == ""
    assert command_line.source_note(load_study("sample")) == ""


def test_a_mistake_in_a_recipe_stops_it_too(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("architectures: []\nall: {DATA: sample}\ntrials: {mine: {RECIPE: crop, CHANGES: epohcs=3}}\n")
    assert main(["plan", "--profile", str(path)]) == 2
    assert "'epohcs=3' names no setting of a recipe; did you mean epochs?" in capsys.readouterr().err


def test_the_sample_profile_is_ten_notebook_runs():
    found = snakemake(ROOT, "--dry-run", "--forceall", "--nolock", "--cores", "2", "--config", "profile=sample")
    assert found.returncode == 0, found.stdout
    expected = {"explore": 1, "pretrain": 2, "scratch": 2, "transfer": 2, "finetune": 2, "compare": 1, "all": 1}
    assert jobs_of(found) == {**expected, "total": 11}


def test_a_mistake_in_a_profile_stops_snakemake_too(project):
    (project / "profiles/small.yaml").write_text("all: {EPOCH: 3}")
    found = snakemake(project, "--cores", "1", "--config", "profile=small")
    assert found.returncode == 1
    assert "profiles/small.yaml: all: unknown parameter EPOCH; did you mean EPOCHS?" in found.stdout
    assert "Traceback" not in found.stdout


@pytest.mark.slow
def test_a_failure_is_told_other_arms_go_on_and_the_same_command_mends_it(project):
    (project / "profiles/small.yaml").write_text("architectures: [vgg16]\nall: {EPOCHS: 3}\nreports: [audit]")
    write_notebook(project, "04_transfer_learning", "raise ValueError('too few faces')")
    write_notebook(project, "05_fine_tuning", "OUTPUT_DIR = 'elsewhere'")
    command = ["--cores", "2", "--keep-going", "--rerun-triggers", "params", "input", "--scheduler", "greedy"]
    command += ["--config", "profile=small", "threads=1"]
    first = snakemake(project, *command)
    outputs = project / "outputs" / "small"
    assert first.returncode == 1, first.stdout
    assert "Failed: 2 of 7 runs" in first.stdout
    ran_through = "vgg16-finetune-seed0: the notebook ran through, but did not write its metrics.json"
    assert ran_through in first.stdout, first.stdout
    assert "vgg16-transfer-seed0: cell [3], ValueError: too few faces" in first.stdout
    assert "      outputs/small/logs/vgg16-transfer-seed0.log" in first.stdout
    assert "Runs not started, since they need what failed: 2" in first.stdout
    assert "Traceback" not in first.stdout
    for name in ("explore", "vgg16-pretrain", "vgg16-scratch-seed0"):
        assert (outputs / name / "metrics.json").exists()
        assert json.loads((outputs / name / "executed.ipynb").read_text())["metadata"]["papermill"]["exception"] is None
    assert "epoch 1 of 1" in (outputs / "logs" / "vgg16-scratch-seed0.log").read_text()

    write_notebook(project, "04_transfer_learning")
    write_notebook(project, "05_fine_tuning")
    write_notebook(project, "03_train_from_scratch", "changed = 'a comment, say'")  # is not trained again
    second = snakemake(project, *command)
    assert second.returncode == 0, second.stdout
    made = re.findall(r"  start +(\S+)", second.stdout)
    assert sorted(made) == ["audit", "compare", "vgg16-finetune-seed0", "vgg16-transfer-seed0"]
    assert "Results: outputs/small/compare" in second.stdout

    (project / "profiles/small.yaml").write_text(
        "architectures: [vgg16]\nall: {EPOCHS: 3}\nreports: [audit]\n05_fine_tuning: {EPOCHS: 9}"
    )
    to_do = {"finetune": 1, "compare": 1, "report": 1, "all": 1, "total": 4}
    assert jobs_of(snakemake(project, "--dry-run", *command)) == to_do


def test_the_pages_command_for_one_arm_is_the_papers_profile():
    page = (ROOT / "docs/running.md").read_text(encoding="utf-8").replace("\\\n", " ")
    study = load_study("paper", data=DATA_STAND_IN)
    expected = shlex.split(study.papermill(study.arm("vgg16", "scratch", 0)).replace(DATA_STAND_IN, "kaggle"))
    paper = "papermill notebooks/03_train_from_scratch.ipynb outputs/paper"
    lines = [shlex.split(line) for line in page.splitlines() if line.startswith(paper)]
    assert lines == [expected]


def test_without_bash_a_study_is_not_begun_and_the_mend_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.delattr(os, "execv")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["reproduce"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Nothing was started. There is no bash, and Snakemake") and "fer_utils.workflow plan" in said
