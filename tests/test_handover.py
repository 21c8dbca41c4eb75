"""Settings on their way from make to papermill: nothing reads them again, nor takes them for something else."""

import os
import shlex
import shutil
import subprocess

import pytest
import yaml
from papermill import cli as papermill_cli
from snakemake.cli import parse_config
from snakemake.settings.types import ConfigSettings
from stand_ins import ROOT, snakemake

from fer_utils.workflow import __main__ as command_line
from fer_utils.workflow.__main__ import main
from fer_utils.workflow.handover import from_make, read_settings, tell_surroundings, write_settings
from fer_utils.workflow.profiles import ProfileError
from fer_utils.workflow.study import load_study

OPTIONS = ("PROFILE", "DATA", "SOURCE", "SEEDS", "JOBS", "TIMEOUT", "EXECUTOR")
WORDS = ["fer2013 #2", "a \\#b", "2013_10", "007", "1e5", "nan", "true", "null", "x: y", "[1, 2]", "a {b} {{c}} c"]
WORDS += [
    "{}",
    "it's",
    'say "so"',
    "a & b; c | d",
    "100 %",
    "$5 and $HOME $$",
    "$(unknown",
    "`id`",
    "~",
    "-x",
    "--data",
]
WORDS += ["a=b", "!x", "*", "back\\slash\\", "two  blanks ", "顔 Übung", "a,b"]


# --- from make to the command line -----------------------------------------------------------------------------------


@pytest.fixture
def make(tmp_path):
    """A function that runs the real Makefile with a Python that only tells its environment, as a dict."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml", ".venv/ready"):  # which is made when it is older than those
        (tmp_path / name).touch()
    (tmp_path / ".venv/bin/python").write_text("#!/bin/sh\nenv -0 > seen\n")
    (tmp_path / ".venv/bin/python").chmod(0o755)

    def run(*words, **environment):
        clean = {name: value for name, value in os.environ.items() if name not in OPTIONS and name != "MAKEFLAGS"}
        subprocess.run(["make", "-s", *words], cwd=tmp_path, env=clean | environment, check=True, timeout=60)
        return dict(entry.split("=", 1) for entry in (tmp_path / "seen").read_text().split("\0") if entry)

    return run


@pytest.mark.parametrize("action", ["reproduce", "plan", "box"])
def test_make_hands_every_value_over_as_it_was_typed(action, make):
    words = WORDS + WORDS[: -len(WORDS) % len(OPTIONS)]  # each option another one
    for first in range(0, len(words), len(OPTIONS)):
        typed = dict(zip(OPTIONS, words[first:]))
        seen = make(action, *(f"{name}={word}" for name, word in typed.items()))
        assert {name: seen[f"FER_OPTION_{name}"] for name in OPTIONS} == typed


def test_what_is_not_given_has_makes_own_defaults(make):
    assert (make("plan")["FER_OPTION_PROFILE"], make("box")["FER_OPTION_PROFILE"]) == ("sample", "gpu")
    assert make("plan")["FER_OPTION_DATA"] == ""


def test_what_nobody_typed_is_said(make, monkeypatch, capsys):
    seen = make("plan", "SEEDS=2", DATA="/scratch/data #1", JOBS="$(x", SEEDS="9", SOURCE="", OTHER="no matter")
    for name, value in seen.items():
        monkeypatch.setenv(name, value)
    tell_surroundings()
    assert capsys.readouterr().err == (
        "Taken from the environment, not from your command: DATA=/scratch/data #1, JOBS=$(x\n"
    )


@pytest.mark.parametrize(("user", "options"), [("0", ["--allow-root"]), ("1000", [])])
def test_jupyterlab_opens_the_project_also_for_root(user, options, make, tmp_path):
    (tmp_path / ".venv/bin/jupyter").write_text('#!/bin/bash\nargv="$*" env -0 > seen\n')
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {user}\n")
    for program in (".venv/bin/jupyter", "id"):
        (tmp_path / program).chmod(0o755)
    seen = make("lab", "ARGS=--port 8890", PATH=f"{tmp_path}:{os.environ['PATH']}")
    words = ["lab", f"--ServerApp.root_dir={tmp_path}", *options, "--port 8890", "notebooks/01_explore_data.ipynb"]
    assert seen["argv"] == " ".join(words)


# --- from the command line to papermill ------------------------------------------------------------------------------


def data_of(command):
    """What a notebook gets as DATA from a papermill command, as a person's shell and papermill read it."""
    given = papermill_cli.papermill.make_context("papermill", shlex.split(command)[1:]).params
    read = {name: papermill_cli._resolve_type(text) for name, text in given["parameters"]}
    return (read | dict(given["parameters_raw"]))["DATA"]


@pytest.mark.parametrize(("word", "executor"), [*((word, "") for word in WORDS), (WORDS[0], "slurm")])
def test_every_value_comes_to_papermill_as_it_is(word, executor, tmp_path, monkeypatch, capsys):
    data = tmp_path / word
    data.touch()
    started = []
    monkeypatch.setenv("PATH", os.environ["PATH"])  # which `reproduce` changes for what it becomes
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "my-cluster")
    monkeypatch.setenv("FER_OPTION_DATA", str(data))
    monkeypatch.setenv("FER_OPTION_SEEDS", "3,")
    monkeypatch.setenv("FER_OPTION_EXECUTOR", executor)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command_line, "ROOT", tmp_path)
    monkeypatch.setattr(command_line, "check_executor", lambda executor: None)
    monkeypatch.setattr(command_line, "check_data", lambda study: None)  # the file is empty
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))
    assert main(["reproduce"]) == 0
    file = started[0][started[0].index("--configfile") + 1]
    given = read_settings(ConfigSettings(configfiles=[tmp_path / file]).overwrite_config)
    study = load_study(given["profile"], given["data"], given["source"], given["seeds"])
    assert (data_of(study.papermill(study.once("explore"))), study.seeds) == (str(data), (3,))
    assert "SNAKEMAKE_PROFILE=my-cluster in the environment is ignored" in capsys.readouterr().out
    assert "SNAKEMAKE_PROFILE" not in os.environ


OUT = "o'ut & #2 100% x:y; (1)* ~ é"
# Says what it was given, and leaves what the Snakefile waits for.
PAPERMILL = f"""#!/bin/bash
printf '%s\\0' "$@" > argv
mkdir -p {shlex.quote(OUT)}/explore
touch {shlex.quote(OUT)}/explore/checkpoint.npz
echo {{}} | tee {shlex.quote(OUT)}/explore/metrics.json > "$2"
"""


@pytest.mark.slow
def test_through_snakemake_and_a_jobs_shells_too(project):
    data = project / "".join(word for word in WORDS if word != "~")
    data.touch()
    (project / "papermill").write_text(PAPERMILL)
    (project / "papermill").chmod(0o755)
    (project / "profiles/small.yaml").write_text(yaml.safe_dump({"all": {"OUTPUT_DIR": OUT}}))
    before = set(project.iterdir())
    settings = write_settings({"profile": "small", "data": data, "seeds": "0,", "threads": 1}, project)
    command = ["--executor", "wrapped", "--jobs", "1", "--seconds-between-status-checks", "1"]
    command += ["--configfile", str(settings), "--", f"{OUT}/explore/metrics.json"]
    found = snakemake(project, *command, modules=ROOT / "tests/executors")
    assert found.returncode == 0, found.stdout
    seen = (project / "argv").read_text().split("\0")[:-1]
    assert data_of(shlex.join(["papermill", *seen])) == str(data)
    assert {path.name for path in set(project.iterdir()) - before} == {OUT, "argv", ".snakemake"}
    assert {path.name for path in (project / OUT / "explore").iterdir()} == {"metrics.json", "executed.ipynb"}


# --- typed by hand ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", WORDS)
def test_what_snakemake_reads_as_something_else_is_refused(word):
    typed = [f"data={word}"]
    try:
        given = read_settings(parse_config(typed), typed)["data"]
    except ProfileError as error:
        assert str(error).startswith(f"--config data={word}: Snakemake ") and "--configfile study.json" in str(error)
    else:
        assert given == word


def test_plain_settings_may_be_typed():
    typed = ["profile=cpu", "data=/d/my faces.csv", "source=", "seeds=0 2", "timeout=90", "threads=4"]
    expected = {"profile": "cpu", "data": "/d/my faces.csv", "source": "", "seeds": "0 2", "timeout": "90"}
    expected["threads"] = "4"
    assert read_settings(parse_config(typed), typed) == expected
    assert read_settings({"seeds": 0})["seeds"] == "0"
    assert set(read_settings({}).values()) == {""}


@pytest.mark.parametrize(
    ("config", "typed", "message"),
    [
        ({"profle": "cpu"}, ["profle=cpu"], "--config: unknown setting profle; did you mean profile?"),
        ({"data": 201310}, ["data=2013_10"], "--config data=2013_10: Snakemake reads it as 201310. Write"),
        ({"data": "/d/a"}, ["data=/d/a #2"], "--config data=/d/a #2: Snakemake reads it as '/d/a'. Write"),
        ({"data": "/d/$x"}, ["data=/d/$x"], "may read it differently in a cluster's jobs"),
        ({"data": 201310}, None, "--configfile: data was read as 201310. Put its text between quotes"),
        ({"seeds": [0, 1]}, None, "--configfile: seeds was read as [0, 1]. Put its text between quotes"),
        ({"threads": True}, None, "--configfile: threads was read as True. Put its text between quotes"),
    ],
)
def test_each_setting_that_was_misread_is_one_message(config, typed, message):
    with pytest.raises(ProfileError) as caught:
        read_settings(config, typed)
    assert message in str(caught.value)


def test_settings_that_cannot_be_written_are_a_message(tmp_path):
    (tmp_path / ".snakemake").touch()
    with pytest.raises(ProfileError, match="settings.*: cannot be written .* Make the project's folder writable"):
        write_settings({"profile": "cpu"}, tmp_path)


def test_without_make_nothing_is_given(monkeypatch):
    monkeypatch.delenv("FER_OPTION_DATA", raising=False)
    assert from_make("data") == ""
