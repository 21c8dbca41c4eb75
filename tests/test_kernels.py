"""The kernel is this environment's, on sockets of its own, and a user's settings decide nothing."""

import importlib.util
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import IPython
import nbformat
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient

from fer_utils import kernels, runs

ROOT = Path(__file__).resolve().parent.parent
FOREIGN = {"argv": [sys.executable, "-c", "", "{connection_file}"], "display_name": "another", "language": "python"}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user whose own kernels, in three places, are called python3 and never answer."""
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
        write(tmp_path / name / "kernels" / "python3" / "kernel.json", json.dumps(FOREIGN))
    write(tmp_path / ".local/share/jupyter/kernels/python3/kernel.json", json.dumps(FOREIGN))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # for the sockets' folders of what is never started
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    for name, value in kernels.settings().items():
        monkeypatch.setenv(name, value)
    return tmp_path


def prepared():
    """What would start a kernel, and the command; nothing is started."""
    manager = KernelManager(kernel_name="python3")
    command, _ = manager.pre_start_kernel()
    return manager, command


def test_python3_is_this_environments_kernel(user):
    _, command = prepared()
    assert command[:2] == [sys.executable, f"{ROOT}/fer_utils/kernels/python3/launch.py"]


def test_each_kernel_has_sockets_of_its_own_whose_paths_are_short_enough(user, monkeypatch):
    found = []
    for parent in (str(user), str(user), f"{user}/{'x' * 90}"):
        Path(parent).mkdir(exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", parent)
        manager, _ = prepared()
        manager.cleanup_connection_file()
        assert manager.transport == "ipc"
        assert len(f"{manager.ip}-{max(manager.ports)}") < 103
        found.append(Path(manager.ip).parent)
        assert found[-1].stat().st_mode & 0o777 == 0o700  # another user's processes may not connect
    assert len(set(found)) == 3
    found[-1].rmdir()


def test_without_the_project_installed_kernels_talk_over_tcp(monkeypatch):
    monkeypatch.setattr(kernels, "PROVISIONER", "unknown")
    assert list(kernels.settings()) == ["JUPYTER_PATH"]


CELL = """
import json, os, sys
import keras, matplotlib
import fer_utils
from fer_utils import models, runs

stem = "03_train_from_scratch"
PARAMETERS = runs.collect_parameters(stem, globals() | runs.declared_parameters(stem))
print(json.dumps({
    "python": sys.executable,
    "package": os.path.dirname(fer_utils.__file__),
    "keras": [keras.backend.backend(), keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon()],
    "figures": [*map(matplotlib.rcParams.get, ["text.usetex", "figure.dpi"]), "inline" in matplotlib.get_backend()],
    "onednn": __import__("tensorflow.python.util._pywrap_util_port", fromlist=["any"]).IsMklEnabled(),
    "names": sorted({"K", "DATA_DIR"} & set(globals())),
    "added": __import__("only_there").name,
    "sockets": os.path.dirname(get_ipython().kernel.parent.ip),
}))
"""


@pytest.mark.slow
def test_a_users_settings_decide_nothing(user, monkeypatch):
    settings = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first", "epsilon": 1e-3}
    write(user / ".keras" / "keras.json", json.dumps(settings))
    write(user / "matplotlibrc", "text.usetex: true\nfigure.dpi: 7\n")
    write(user / ".ipython/profile_default/startup/00.py", "K = 3")
    write(
        user / ".ipython/profile_default/ipython_config.py", "get_config().InteractiveShellApp.exec_lines = ['K = 3']"
    )
    write(user / "python.py", "DATA_DIR = 'here'")
    write(user / "path" / "fer_utils" / "__init__.py", "raise ImportError('of another project')")
    write(user / "path" / "only_there.py", "name = 'what PYTHONPATH adds'")
    paths = {
        "PYTHONPATH": "path",
        "PYTHONSTARTUP": "python.py",
        "IPYTHONDIR": ".ipython",
        "MATPLOTLIBRC": "matplotlibrc",
    }
    for name, path in paths.items():
        monkeypatch.setenv(name, str(user / path))
    monkeypatch.setenv("MPLBACKEND", "tkagg")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": ROOT / "notebooks"}}).execute()
    printed = "".join(output.get("text", "") for output in notebook.cells[0].outputs if output.get("name") == "stdout")
    found = json.loads(printed.splitlines()[-1])
    assert not Path(found.pop("sockets")).exists()
    assert found == {
        "python": sys.executable,
        "package": f"{ROOT}/fer_utils",
        "keras": ["tensorflow", "float32", "channels_last", 1e-7],
        "figures": [False, 100.0, True],
        "onednn": platform.machine() == "x86_64",
        "names": [],
        "added": "what PYTHONPATH adds",
    }


@pytest.mark.parametrize(
    ("machine", "given", "expected"), [("x86_64", None, "1"), ("AMD64", "0", "0"), ("aarch64", None, None)]
)
def test_onednn_is_used_on_x86_unless_the_user_forbids_it(machine, given, expected, monkeypatch):
    monkeypatch.setattr(os, "environ", {"TF_ENABLE_ONEDNN_OPTS": given} if given else {})
    monkeypatch.setattr(platform, "machine", lambda: machine)
    spec = importlib.util.spec_from_file_location("launch", ROOT / "fer_utils/kernels/python3/launch.py")
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.use_onednn()
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == expected


def test_names_of_start_up_files_are_no_parameters_and_a_cells_are(monkeypatch):
    stem = "06_compare_strategies"
    declared = runs.declared_parameters(stem)
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(user_ns_hidden={"K": "three"}))
    assert runs.collect_parameters(stem, {**declared, "K": "three"}) == declared
    for injected in ({"K": "four"}, {"L": "three"}):
        with pytest.raises(runs.RunError, match="has no parameter [KL]"):
            runs.collect_parameters(stem, {**declared, **injected})
