"""pyproject.toml, requirements.lock and environment.yml say the same, and nothing names an index or a machine."""

import ast
import functools
import getpass
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CONDA = (ROOT / "environment.yml").read_text(encoding="utf-8")
PYTHONS = ("3.11", "3.12", "3.13")


def name_of(requirement):
    return canonicalize_name(requirement.name)


@functools.cache
def locked():
    """The lock's entries, as a list of Requirement, each with a version and perhaps a marker."""
    return [Requirement(line.rstrip("\\ ")) for line in LOCK.splitlines() if re.match(r"[A-Za-z0-9]", line)]


@functools.cache
def conda():
    """The environment's requirements, from its conda part and its pip part, by name; Python itself too."""
    entries = yaml.safe_load(CONDA)["dependencies"]
    plain = [entry for entry in entries if isinstance(entry, str)]
    pip = [line for entry in entries if isinstance(entry, dict) for line in entry["pip"] if not line.startswith("-")]
    return {name_of(requirement): requirement for requirement in map(Requirement, [*plain, *pip])}


EXTRA = [*EXTRAS["jax"], *EXTRAS["test"], *EXTRAS["photos"], *EXTRAS["export"], *EXTRAS["site"]]
INSTALLED = [Requirement(text) for text in [*PROJECT["dependencies"], *EXTRA]]


@pytest.mark.parametrize("requirement", INSTALLED, ids=str)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_each_dependency_on_each_python(requirement, python):
    environment = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
    versions = [
        next(iter(entry.specifier)).version
        for entry in locked()
        if name_of(entry) == name_of(requirement) and (entry.marker is None or entry.marker.evaluate(environment))
    ]
    assert len(versions) == 1, f"{requirement.name} is locked {len(versions)} times; run `make lock`"
    assert requirement.specifier.contains(versions[0])


def test_the_lock_is_hashed_and_names_no_index():
    blocks = re.split(r"\n(?=[A-Za-z0-9])", LOCK)
    assert all("--hash=sha256:" in block and "==" in block.split(" ")[0] for block in blocks)
    options = [line for line in LOCK.splitlines() if line.startswith("-")]
    assert options == []
    assert not re.search(r"https?://|file:|@ ", LOCK)


def test_the_lock_holds_what_builds_the_package():
    assert "setuptools" in {name_of(entry) for entry in locked()}


@pytest.mark.parametrize("requirement", INSTALLED, ids=str)
def test_the_conda_environment_has_each_dependency_with_the_same_bounds(requirement):
    assert conda()[name_of(requirement)].specifier == requirement.specifier


def test_the_conda_environment_has_nothing_else_and_a_reason_for_each_line():
    needed = {name_of(requirement) for requirement in INSTALLED} | {"python", "pip", "bash"}
    assert set(conda()) == needed
    assert conda()["python"].specifier == Requirement(f"python{PROJECT['requires-python']}").specifier
    lines = CONDA.split("dependencies:")[1].splitlines()
    assert [line for line in lines if line.strip().startswith("-") and "#" not in line and "- pip:" not in line] == []


def imported_modules(path):
    """The top-level names of all modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def test_every_module_that_the_package_imports_is_a_dependency():
    provides = {
        "sklearn": "scikit-learn",
        "PIL": "pillow",
        "yaml": "pyyaml",
        "cv2": "opencv-python-headless",
        "skimage": "scikit-image",
    }
    known = {name_of(requirement) for requirement in INSTALLED}
    known |= {"ai-edge-litert"}  # who scores such a network has it; fer_utils.score says so
    for path in (ROOT / "fer_utils").rglob("*.py"):
        foreign = imported_modules(path) - sys.stdlib_module_names - {"fer_utils"}
        for module in foreign:
            assert canonicalize_name(provides.get(module, module)) in known, f"{path.name} imports {module}"


def test_data_sets_and_runs_stay_out_of_git():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()  # "/data" is a link of that name, too
    assert {"outputs/*", "!outputs/reference/", "/data", ".venv/", ".snakemake/"} <= set(ignored)


def test_the_citation_names_the_paper_and_the_data_set():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper, data = citation["references"]
    assert (paper["volume"], paper["issue"], paper["start"], paper["end"]) == (6, 4, 1691, 1719)
    assert "1307.0414" in data["identifiers"][0]["value"]
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert citation["version"] == PROJECT["version"]


@pytest.mark.parametrize("home", [None, "/nonexistent", "a file", "usable"])
def test_make_gives_a_home_to_whom_lacks_one_and_hides_no_package(tmp_path, home):
    (tmp_path / "a file").touch()
    (tmp_path / "usable").mkdir()
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": "elsewhere", "PYTHONHOME": "elsewhere"}
    given |= {"HOME": str(tmp_path / home)} if home else {}
    shutil.copy(ROOT / "Makefile", tmp_path)
    show = "show: ; @echo $$HOME,$$LOGNAME,$$PYTHONPATH$$PYTHONHOME"
    make = ["make", "-s", "-C", str(tmp_path), "--eval", show, "show"]
    found = subprocess.run(make, capture_output=True, text=True, check=True, env=given).stdout.strip().split(",")
    expected = tmp_path / "usable" if home == "usable" else tmp_path / "outputs" / ".home"
    assert found == [str(expected), getpass.getuser(), ""]
    assert expected.is_dir()


def test_make_without_a_target_lists_the_targets():
    text = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("setup", "reproduce", "plan", "test", "lab", "lock"):
        assert f"make {target} " in text


@pytest.mark.parametrize("mistyped", ["PROFIL=cpu", "SORUCE=/data/tiny images", "data=kaggle"])
def test_make_refuses_a_setting_that_it_does_not_know(mistyped):
    done = subprocess.run(["make", "-n", "-C", str(ROOT), "plan", mistyped], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"There is no setting {mistyped.partition('=')[0]}. Known: PROFILE DATA SOURCE" in done.stderr


def test_make_takes_every_setting_of_its_help():
    names = [
        "PROFILE",
        "DATA",
        "SOURCE",
        "SEEDS",
        "JOBS",
        "TIMEOUT",
        "EXECUTOR",
        "KILLS",
        "STUDY",
        "BOX_BEYOND",
        "UPGRADE",
    ]
    given = [f"{name}=a b" for name in names]
    done = subprocess.run(["make", "-n", "-C", str(ROOT), "help", *given], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_locked_papermill_starts_without_compiling_a_grammar_of_addresses():
    """Importing it takes most of papermill's start, which is why pyproject.toml bounds jsonschema in the lock."""
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.search(r"^papermill==", locked, re.M) and not re.search(r"^(lark|rfc3987-syntax)\b", locked, re.M)


def test_the_page_of_the_package_names_what_is_there():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|[^|]*\|([^|]*)\|", page, re.MULTILINE)
    assert len(rows) == 16
    for rooms, names in rows:
        for name in re.findall(r"`([\w.]+)`", names):
            places = [f"fer_utils.{room}.{name}" for room in re.findall(r"`(\w+)`", rooms)] + [f"fer_utils.{name}"]
            assert any(exists(place) for place in places), name


def exists(place):
    try:
        return pkgutil.resolve_name(place) is not None
    except (ImportError, AttributeError):
        return False
