"""The project's root is found wherever the package and the process are, and the package is whole when installed."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from fer_utils import project, runs


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A project, a folder deep in it, an environment's packages, and a folder elsewhere; the process is in the last."""
    found = {name: tmp_path / name for name in ("project", "project/notebooks/deep", "packages", "elsewhere")}
    for folder in found.values():
        folder.mkdir(parents=True)
    (found["project"] / project.FIRST_NOTEBOOK).touch()
    monkeypatch.delenv("FER_ROOT", raising=False)
    monkeypatch.chdir(found["elsewhere"])
    return found


def test_this_checkout_is_the_root_of_its_own_package(places):
    assert project.find_root() == project.CODE_ROOT
    assert (project.CODE_ROOT / "fer_utils" / "project.py").is_file()


def test_the_projects_own_package_belongs_to_it_wherever_the_process_is(places):
    assert project.find_root(places["project"]) == places["project"]


@pytest.mark.parametrize("where", ["project", "project/notebooks/deep"])
def test_an_installed_packages_project_is_where_the_process_is(places, monkeypatch, where):
    monkeypatch.chdir(places[where])
    assert project.find_root(places["packages"]) == places["project"]


def test_without_a_project_relative_paths_start_where_the_process_is(places):
    assert project.find_root(places["packages"]) == places["elsewhere"]


@pytest.mark.parametrize("code", ["packages", "elsewhere"])
@pytest.mark.parametrize("given", ["{tmp}/project", "../project", "~/project", "../project/notebooks"])
def test_the_environment_names_the_project(places, monkeypatch, tmp_path, given, code):
    (places["elsewhere"] / project.FIRST_NOTEBOOK).parent.mkdir()
    (places["elsewhere"] / project.FIRST_NOTEBOOK).touch()  # another project, which would be found otherwise
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FER_ROOT", given.format(tmp=tmp_path))
    assert project.find_root(places[code]) == places["project"]


def test_a_notebook_without_its_project_asks_for_it_and_leaves_nothing_behind(places, monkeypatch):
    monkeypatch.setattr("fer_utils.project.PROJECT_ROOT", project.find_root(places["packages"]))
    said = "elsewhere/notebooks/01_explore_data.ipynb: there is no such notebook.*set FER_ROOT to it"
    with pytest.raises(runs.RunError, match=said):
        runs.collect_parameters("01_explore_data", {})
    assert list(places["elsewhere"].iterdir()) == []


def test_a_copy_of_the_project_does_not_write_into_the_first(places, monkeypatch):
    code = project.PROJECT_ROOT
    assert project.other_project() is None  # the process is in no project at all
    monkeypatch.chdir(code / "notebooks")
    assert project.other_project() is None
    monkeypatch.chdir(places["project/notebooks/deep"])
    assert project.other_project() == places["project"]
    with pytest.raises(runs.RunError, match="remove its .venv, run `make setup` in it") as raised:
        runs.collect_parameters("01_explore_data", {})
    assert f"{places['project']}: its notebooks would run the code of {code} and write there." in str(raised.value)
    monkeypatch.setenv("FER_ROOT", str(code))
    with pytest.raises(runs.RunError, match="has no value"):
        runs.collect_parameters("01_explore_data", {})


def test_a_wheel_holds_all_of_the_package(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(project.CODE_ROOT / name, tmp_path)
    shutil.copytree(
        project.CODE_ROOT / "fer_utils", tmp_path / "fer_utils", ignore=shutil.ignore_patterns("__pycache__")
    )
    build = "from setuptools import build_meta; build_meta.build_wheel('wheel')"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, env=environment, check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {
        path.relative_to(tmp_path).as_posix() for path in (tmp_path / "fer_utils").rglob("*") if path.is_file()
    }
