"""What Colab, Kaggle and Binder open: the cell in front, the branch with it, an environment without TensorFlow."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import addresses
import launch
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = addresses.ROOT
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob(".github/workflows/*.yml")
}
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@localhost"]


def git(folder, *words):
    done = subprocess.run(["git", *IDENTITY, "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# --- the cell in front -----------------------------------------------------------------------------------------------


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """The folder of a pip that only notes what it is asked for, in pip.txt."""
    folder = tmp_path / "modules" / "pip"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    note = f"open({str(tmp_path / 'pip.txt')!r}, 'a').write(' '.join(sys.argv[1:]))"
    (folder / "__main__.py").write_text(f"import sys\n{note}")
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch, pip):
    """A machine for which the repository's address leads to a folder of the test, and which lacks two packages.

    Returns run(folder, end, times), which executes notebook 06's front cell there and returns the finished process.
    """
    source = tmp_path / "source"
    for path in ("fer_utils/__init__.py", "notebooks/06_compare_strategies.ipynb"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).touch()
    git(tmp_path, "init", "-q", str(source))
    git(source, "add", ".")
    git(source, "commit", "-qm", "one")
    commit = git(source, "rev-parse", "HEAD")
    (source / "fer_utils" / "later.py").touch()
    git(source, "add", ".")
    git(source, "commit", "-qm", "two")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    git(tmp_path, "config", "--global", f"url.file://{source}.insteadOf", addresses.repository())
    monkeypatch.setattr(launch, "locked", lambda package: f"{package}_that_is_missing==1.0")

    def run(folder, end="import fer_utils; print(os.getcwd(), fer_utils.__file__)", times=1):
        cell = launch.front_cell("notebooks/06_compare_strategies.ipynb", commit)
        words = [sys.executable, "-c", "\n".join([cell] * times + [end])]
        return subprocess.run(words, cwd=folder, capture_output=True, text=True)

    return run


@pytest.fixture
def working(tmp_path):
    (tmp_path / "working").mkdir()
    return tmp_path / "working"


def test_the_cell_fetches_the_commit_and_only_what_is_missing(place, working, tmp_path):
    done = place(working)
    project = working / "fer-reproduction"
    assert done.stdout.split() == [str(project / "notebooks"), str(project / "fer_utils" / "__init__.py")], done.stderr
    assert not (project / "fer_utils" / "later.py").exists()  # main went on; a saved copy keeps its package
    missing = "imagehash_that_is_missing==1.0 papermill_that_is_missing==1.0"
    assert (tmp_path / "pip.txt").read_text() == f"install --quiet --no-deps {missing}"


def test_what_is_there_is_neither_fetched_nor_installed(place, working, tmp_path, monkeypatch):
    assert place(working).returncode == 0
    (tmp_path / "pip.txt").unlink()
    monkeypatch.setattr(launch, "locked", lambda package: "json==1.0")
    shutil.rmtree(tmp_path / "source")
    project = working / "fer-reproduction"
    for folder in (working, project, project / "fer_utils"):  # a kernel that starts again, and in the midst of it
        done = place(folder, times=2, end="print(os.getcwd(), sys.path.count(str(project)))")
        assert done.stdout.split() == [str(project / "notebooks"), "1"], done.stderr
    assert not (tmp_path / "pip.txt").exists()


MEND = "Is Internet switched on? If so, delete the folder fer-reproduction, and run this cell again."


def refusal(done):
    """What the cell's error says, without the traceback; the mend is its last line."""
    said = done.stderr.partition("RuntimeError: ")[2].strip().splitlines()
    assert (done.returncode, said[-1]) == (1, MEND), done.stderr
    return said[0]


def test_without_a_network_one_sentence_says_what_to_do(place, working, tmp_path):
    shutil.rmtree(tmp_path / "source")
    assert refusal(place(working)).startswith("fatal: ")


def test_without_git_one_sentence_says_what_to_do(place, working, monkeypatch):
    monkeypatch.setenv("PATH", str(working))
    assert refusal(place(working)) == "[Errno 2] No such file or directory: 'git'"


def test_a_package_that_cannot_be_had_is_named(place, working, pip):
    (pip / "__main__.py").write_text("raise SystemExit('ERROR: No matching distribution for x')")
    assert refusal(place(working)) == "ERROR: No matching distribution for x"


# --- the notebooks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", launch.originals())
def test_a_copy_has_the_cell_in_front_and_is_its_original_otherwise(path):
    original, copy = (
        json.loads(text) for text in ((ROOT / path).read_text(encoding="utf-8"), launch.launched(path, "c"))
    )
    front, *rest = copy.pop("cells")
    assert front["cell_type"] == "code" and f'folder = "{path.split("/")[0]}"' in "".join(front["source"])
    assert len({cell["id"] for cell in (front, *rest)}) == len(rest) + 1
    unlinked = [re.sub(r"\]\([^)]*\)", "](...)", json.dumps(cells)) for cells in (rest, original.pop("cells"))]
    assert unlinked[0] == unlinked[1] and copy == original
    assert copy["metadata"]["kernelspec"]["name"] == "python3"


def test_every_notebook_and_lab_is_launched():
    assert [path for path in launch.originals() if path.startswith("notebooks/")] == sorted(
        f"notebooks/{path.name}" for path in (ROOT / "notebooks").iterdir() if path.suffix == ".ipynb"
    )


def test_links_to_neighbours_lead_to_the_repository():
    text = "[06](06_compare_strategies.ipynb), [words](../docs/glossary.md#loss), [paper](https://x.org/a), [up](#top)"
    notebook = addresses.on_github("notebooks/06_compare_strategies.ipynb")
    words = addresses.on_github("docs/glossary.md")
    expected = f"[06]({notebook}), [words]({words}#loss), [paper](https://x.org/a), [up](#top)"
    assert launch.with_addresses(text, "notebooks") == expected


def test_the_cell_leaves_no_name_that_a_notebook_takes_for_a_parameter():
    assert not re.findall(r"^([A-Z_]+)\b.*=", launch.front_cell("notebooks/x.ipynb", "c"), re.MULTILINE)


def test_what_colab_lacks_is_pinned_to_the_lock():
    assert re.fullmatch(r"imagehash==[\d.]+", launch.locked("imagehash"))
    assert {Requirement(launch.locked(name)).name for name in launch.LACKING} == {"imagehash", "papermill"}


# --- the workflows ---------------------------------------------------------------------------------------------------


def steps(name):
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", ["launch", "test"])
def test_a_workflow_starts_on_main_and_takes_known_actions(name):
    triggers = WORKFLOWS[name][True]  # YAML reads the key `on` as true
    assert triggers["push"]["branches"] == [addresses.BRANCH]
    for step in steps(name):
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/(checkout|setup-python)@v\d+", step.get("uses", "actions/checkout@v5"))


@pytest.mark.parametrize("name", ["launch", "test"])
def test_the_commands_of_a_workflow_are_there(name):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = "\n".join(step["run"] for step in steps(name) if "run" in step)
    assert set(re.findall(r"\bg?make ([a-z-]+)", commands)) <= targets
    for path in re.findall(r"(?:tools|tests|notebooks)/[\w/]+\.\w+|requirements\.lock", commands):
        assert (ROOT / path).is_file(), path
    for module in re.findall(r"-m (fer_utils[.\w]+)", commands):
        assert (ROOT / module.replace(".", "/")).is_dir()


def test_the_workflow_makes_the_branch_that_addresses_open(tmp_path):
    """Its own commands, in a clone, with a repository of the test's as the one that is pushed to."""
    work, there = tmp_path / "work", tmp_path / "there.git"
    shutil.copytree(ROOT / ".github", work / ".github")
    for name in ("tools", "notebooks", "course"):
        shutil.copytree(ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, work)
    git(tmp_path, "init", "-q", "--bare", str(there))
    git(tmp_path, "init", "-q", "-b", "main", str(work))
    git(work, "add", ".")
    git(work, "commit", "-qm", "all")
    git(work, "remote", "add", "origin", str(there))
    search = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    for _ in range(2):  # the second push replaces the first
        for step in steps("launch"):
            if "run" in step:
                subprocess.run(["bash", "-e", "-c", step["run"]], cwd=work, env=search, check=True, capture_output=True)
    kept = git(there, "ls-tree", "-r", "--name-only", addresses.LAUNCH_BRANCH).splitlines()
    assert kept == launch.originals()
    assert git(there, "rev-list", "--count", addresses.LAUNCH_BRANCH) == "1"
    made_of = git(work, "rev-parse", "HEAD")
    assert f'commit = \\"{made_of}\\"' in git(there, "show", f"{addresses.LAUNCH_BRANCH}:{kept[0]}")
    assert git(there, "log", "-1", "--format=%s", addresses.LAUNCH_BRANCH) == f"Made of {made_of}"


# --- Binder ----------------------------------------------------------------------------------------------------------

BINDER = [Requirement(line) for line in (ROOT / ".binder/requirements.txt").read_text().splitlines() if line[0] != "#"]
ON_BINDER = ["notebooks/06*", "notebooks/07*", "notebooks/09*", *(f"course/lab{number}.ipynb" for number in (3, 5, 6))]


def test_binder_has_the_versions_of_the_lock():
    python = (ROOT / ".binder/runtime.txt").read_text().strip().removeprefix("python-")
    here = {"python_full_version": f"{python}.1", "python_version": python}
    lines = [line.rstrip("\\ ") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
    locked = [entry for entry in map(Requirement, lines) if not entry.marker or entry.marker.evaluate(here)]
    for wanted in BINDER:
        versions = [str(entry.specifier) for entry in locked if canonicalize_name(entry.name) == wanted.name]
        assert versions == [str(wanted.specifier)], wanted.name


def test_binder_installs_the_package_and_nothing_that_it_depends_on():
    script = ROOT / ".binder" / "postBuild"
    assert os.access(script, os.X_OK) and "pip install --quiet --no-deps -e ." in script.read_text()


def installed_with(requirements):
    """Names of all distributions that come with some, themselves included."""
    found, left = set(), {canonicalize_name(requirement.name) for requirement in requirements}
    while left:
        name = left.pop()
        found.add(name)
        needed = [Requirement(text) for text in importlib.metadata.requires(name) or []]
        needed = {canonicalize_name(one.name) for one in needed if not one.marker or one.marker.evaluate({"extra": ""})}
        left |= needed - found
    return found


ONLY = """
import sys

class Only:
    def find_spec(self, name, path=None, target=None):
        if name in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Only())
"""


def test_what_the_notebooks_import_is_on_binder():
    there = installed_with([*BINDER, Requirement("ipykernel")]) | {"fer-utils"}
    owners = importlib.metadata.packages_distributions()
    hidden = {name for name, of in owners.items() if not there & {canonicalize_name(one) for one in of}}
    assert {"tensorflow", "keras", "papermill"} <= hidden
    imports = []
    for pattern in ON_BINDER:
        notebook = json.loads(next(ROOT.glob(pattern)).read_text(encoding="utf-8"))
        cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        lines = [line.strip() for cell in cells for line in cell.splitlines()]
        imports += [*(line for line in lines if re.match(r"(import|from) \w", line)), f"print({pattern!r})"]
    words = [sys.executable, "-c", ONLY.format(hidden=hidden) + "\n".join(imports)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == list(ON_BINDER), done.stderr


# --- what the pages say ----------------------------------------------------------------------------------------------


OPENED = ["notebooks/03_train_from_scratch.ipynb", "notebooks/06_compare_strategies.ipynb", "course/lab3.ipynb"]


def test_the_page_opens_notebooks_at_the_addresses():
    text = (ROOT / "docs/running.md").read_text(encoding="utf-8")
    expected = {build(path) for build in (addresses.colab, addresses.kaggle) for path in OPENED}
    expected |= {addresses.binder(path) for path in OPENED[1:]}
    defined = dict(re.findall(r"^\[(\w+)\]: (\S+)$", text, re.MULTILINE))
    assert set(defined.values()) == expected
    assert set(re.findall(r"\]\[(\w+)\]", text)) == set(defined)
    assert all((ROOT / path).is_file() for path in OPENED)


def test_the_citation_names_the_repository():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == addresses.repository()


def test_windows_runs_what_the_page_says():
    page = (ROOT / "docs" / "running.md").read_text(encoding="utf-8").split("## On Windows")[1].split("\n## ")[0]
    commands = re.findall(r"^python -m .*$", page, re.MULTILINE)
    assert len(commands) == 3
    assert set(commands) <= {step.get("run") for step in WORKFLOWS["test"]["jobs"]["windows"]["steps"]}
