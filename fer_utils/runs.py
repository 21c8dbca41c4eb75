"""The run folder: what a notebook that runs leaves behind, and how it is written (``run_reader``: and read).

outputs/<profile>/<run>/
    manifest.json     parameters, seed, versions, environment, device, data checksum, git commit, seconds
    history.csv       one row an epoch
    predictions.npz   <split>_row_ids int64 (n,), <split>_labels uint8 (n,), <split>_probabilities float16 (n, 7)
    model.keras       takes raw uint8 faces
    figures/*.png
    metrics.json      written last and atomically: a run without it is not finished
    checkpoint.npz    and epochs/, only until then: what a training that was stopped goes on from
    executed.ipynb    put there by the workflow
"""

import ast
import contextlib
import datetime
import difflib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

from fer_utils import kernels, locks, parameters, project
from fer_utils.project import PROJECT_ROOT

CHECKPOINT, EPOCHS = "checkpoint.npz", "epochs"
AGAIN = "Restart the kernel and run all cells"
OF_NO_WEIGHT = ("OUTPUT_DIR", "PRECISION")  # parameters of notebook 02 that say nothing of what it makes
PACKAGES = ("tensorflow", "jax", "keras", "numpy", "pandas", "scikit-learn", "scipy", "matplotlib", "papermill")
DECIDING = (  # what may decide results, too, where somebody has set it in the environment
    *("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "TF_ENABLE_ONEDNN_OPTS", "TF_DETERMINISTIC_OPS"),
    *("TF_XLA_FLAGS", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE", "JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION"),
)


class RunError(ValueError):
    """A run folder, or a notebook's parameters, that cannot be used; the message names it, the reason and the mend."""


def resolve(path):
    """An absolute path, ~ and $VARIABLES filled in; relative ones count from the project's root, not the kernel's."""
    return PROJECT_ROOT / parameters.expand_path(path)


# --- parameters ------------------------------------------------------------------------------------------------------


def declared_parameters(notebook):
    """The names and default values in a notebook's cell tagged `parameters`, as a dict in their order.

    notebook: a stem such as "03_train_from_scratch", or a path. Raises RunError where the cell has more than literals.
    """
    path = Path(notebook) if str(notebook).endswith(".ipynb") else PROJECT_ROOT / "notebooks" / f"{notebook}.ipynb"
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    except FileNotFoundError:
        raise RunError(
            f"{path}: there is no such notebook. If the project (the folder with notebooks/) lies elsewhere, start "
            "Jupyter or papermill in it, or set FER_ROOT to it in the environment"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # half saved, or a merge that git left undecided
        raise RunError(f"{shown(path)}: is damaged or no notebook ({error}). Save it anew, or git restore it") from None
    if len(tagged) != 1:
        raise RunError(f"{shown(path)}: needs exactly one cell tagged `parameters`, has {len(tagged)}")
    return _literals(tagged[0], shown(path))


def _literals(text, place):
    """The assignments in a parameters cell's text, with or without annotations: name -> value. place: the notebook."""
    found = {}
    line, code, reason = 1, text, ""
    try:
        for item in ast.parse(text).body:
            line, code = item.lineno, ast.get_source_segment(text, item)
            match item:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    found[name] = ast.literal_eval(value)
                    if json.loads(json.dumps(found[name], allow_nan=False)) != found[name]:  # a manifest has to hold it
                        raise ValueError("a tuple, or a key that is no text")
                case _:
                    raise ValueError("no assignment to one name")
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:  # as literal_eval's page has it
        if isinstance(error, SyntaxError) and error.lineno:
            line, code, reason = error.lineno, text.splitlines()[error.lineno - 1], f" ({error.msg})"
        raise RunError(
            f"{place}: line {line} of the parameters cell is `{textwrap.shorten(code, 80)}`, but has to be NAME = a "
            f"number, text, True, False, None, list or dict{reason}. Write the value itself, all else in the next cell"
        ) from None
    return found


def collect_parameters(notebook, namespace):
    """The values that a notebook runs with, as a dict; call it in the cell after the parameters.

    notebook: its stem. namespace: the notebook's `globals()`. papermill injects whatever it is given and only warns of
    names that the notebook does not have, so a typing error would train for hours with the default: an UPPERCASE name
    that is not a declared parameter raises RunError here, unless one of IPython's start-up files made it, and so does a
    value that makes no sense (``parameters``).
    PARAMETERS is the notebook's name for the answer, and there when its cell is run again. Whatever is saved with the
    answer is held against the namespace once more (``check_declared``).
    """
    declared = declared_parameters(notebook)
    given = [name for name in namespace if name.isupper() and not name.startswith("_") and name != "PARAMETERS"]
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    before = getattr(shell, "user_ns_hidden", {})  # names of before the first cell, and their values
    for name in given:
        if name not in declared and not (name in before and before[name] is namespace[name]):
            close = difflib.get_close_matches(name, declared, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise RunError(f"{notebook} has no parameter {name}{hint}. Its parameters: {', '.join(declared)}")
    values = {name: namespace[name] for name in declared}
    values = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in values.items()}
    problems = [parameters.problem(name, values[name], default) for name, default in declared.items()]
    if wrong := next(filter(None, problems), "") or parameters.problem_together(values):
        raise RunError(f"{notebook}: {wrong}")
    return parameters.Collected(values, namespace)


def check_declared(collected):
    """Raise RunError if the notebook no longer goes by the parameters that ``collect_parameters`` returned."""
    reason = collected.departure() if isinstance(collected, parameters.Collected) else ""
    if reason:
        raise RunError(f"{reason}, so the manifest would describe another run than this one. {AGAIN}")


# --- writing ---------------------------------------------------------------------------------------------------------


def start_run(output_dir, name):
    """Make the folder of a new run, hold it for this process (``locks``), and return its path.

    What an earlier run left there is removed, except for what an unfinished training can go on from
    (``checkpoints``). Raises RunError if the folder cannot be written or another process is writing it.
    """
    if Path(name).name != name or name in ("", ".", ".."):  # what is there is removed, so it must lie below output_dir
        raise RunError(f"{name!r} is no name of a run. Give one without a path in it")
    folder = resolve(output_dir) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        locks.hold(folder)
        spared = () if (folder / "metrics.json").exists() else (CHECKPOINT, EPOCHS)
        (folder / "metrics.json").unlink(missing_ok=True)  # first: what is no longer whole must not count as finished
        for path in folder.iterdir():
            if path.name not in spared:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (folder / "figures").mkdir()
    except locks.HeldError as error:
        raise RunError(f"{shown(folder)}: {error}") from None
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written ({error.strerror}). Set OUTPUT_DIR to a writable folder"
        ) from error
    return folder


def shown(path):
    """A path as messages name it: from the project's root where it lies below it, so that it is short to read."""
    path = Path(path)
    return path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path


def write_json(path, content):
    """Write `content` as JSON atomically: the file is either the old one or the whole new one."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda stream: stream.write(text.encode("utf-8")))


def write_whole(path, write):
    """Let `write(stream)` write a file beside `path`, then put it there: it is either the old one or the whole new one.

    Raises RunError where the disk is full or read-only.
    """
    part = Path(f"{path}.part")
    try:
        with open(part, "wb") as stream:
            write(stream)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # of a read-only folder
            part.unlink(missing_ok=True)
        raise RunError(
            f"{shown(path)}: cannot be written ({error.strerror}). Make room, or set OUTPUT_DIR to a folder that can "
            "be written, and run the notebook again"
        ) from error


def save_predictions(folder, predictions):
    """Write predictions.npz.

    predictions: split name -> (row ids int64 (n,), labels (n,), probabilities (n, 7)). Probabilities are kept as
    float16: 0.05 % relative, which no metric here feels, at half the size.
    """
    arrays = {}
    for split, (row_ids, labels, probabilities) in predictions.items():
        if not len(row_ids) == len(labels) == len(probabilities):
            raise RunError(f"{folder}: {split} has {len(row_ids)} ids, {len(labels)} labels, {len(probabilities)} rows")
        arrays[f"{split}_row_ids"] = np.asarray(row_ids, np.int64)
        arrays[f"{split}_labels"] = np.asarray(labels, np.uint8)
        arrays[f"{split}_probabilities"] = np.asarray(probabilities, np.float16)
    write_whole(Path(folder) / "predictions.npz", lambda stream: np.savez_compressed(stream, **arrays))


def save_manifest(folder, *, notebook, parameters, seconds, data_checksum, **more):
    """Write manifest.json: everything that is needed to make the run again, and where it was made.

    seconds: of training, float. more: further JSON-able entries. Raises RunError if the notebook's parameters are no
    longer those that it began with.
    """
    check_declared(parameters)
    write_json(
        Path(folder) / "manifest.json",
        {
            "run": Path(folder).name,
            "notebook": notebook,
            "command": command(notebook, parameters),
            "parameters": parameters,
            "seed": parameters.get("SEED"),
            "seconds": round(float(seconds), 2),
            "data_checksum": data_checksum,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "git_commit": git_commit(),
            "versions": versions(),
            "environment": {name: os.environ[name] for name in DECIDING if name in os.environ},
            "device": device(),
            **more,
        },
    )


def save_figure(axes, folder, name):
    """Save the figure that `axes` (one Axes or an array of them) belongs to as figures/<name>.png, 150 dots an inch."""
    first = np.ravel(axes)[0]
    path = Path(folder) / "figures" / f"{name}.png"
    first.figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Software": None})


def checksum(*arrays):
    """SHA-256 of arrays' bytes, as hex: which data a run was trained on."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def file_checksum(path):
    """SHA-256 of a file as hex; a name that is no file ("imagenet") is returned as it is."""
    if not Path(path).is_file():
        return str(path)
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def finish_run(folder, metrics):
    """Write metrics.json, which makes the run count as finished, and let go of the folder. Call it last.

    What an unfinished training would go on from is removed; with FER_KEEP_CHECKPOINT in the environment it is left to
    whoever set that, and knows only later that the run's notebook has been saved as well.
    """
    write_json(Path(folder) / "metrics.json", metrics)
    if not os.environ.get("FER_KEEP_CHECKPOINT"):
        (Path(folder) / CHECKPOINT).unlink(missing_ok=True)
        shutil.rmtree(Path(folder) / EPOCHS, ignore_errors=True)
    locks.release(folder)


def identity(parameters, data_checksum, **more):
    """What a training has to have in common with a checkpoint that it goes on from: a dict (``checkpoints``).

    Raises RunError if the notebook's parameters are no longer those that it began with.
    """
    check_declared(parameters)
    keras = sys.modules.get("keras")
    found = {"parameters": parameters, "data": data_checksum, "versions": versions()}
    return found | {"backend": keras.backend.backend() if keras else ""} | more


def command(notebook, parameters):
    """The papermill command that runs `notebook` with the `parameters` that differ from its defaults."""
    from fer_utils.workflow import papermill_command  # which imports this module

    defaults = declared_parameters(notebook)
    changed = {name: value for name, value in parameters.items() if value != defaults.get(name)}
    return papermill_command(notebook, "executed.ipynb", changed)


def git_commit():
    """The code's commit, with "-dirty" if tracked files differ from it; "unknown: <why>" where it cannot be known.

    Of an archive without its history, that is what `git archive` wrote into .git_archival.txt, and of a package that
    was installed without `-e` what pip noted; the commit of another checkout around the code is not its.
    """
    code = project.CODE_ROOT
    if not project.is_root(code):
        return _noted_commit(code)
    # git reads no checkout of another user, as a container mounts it, unless told to; but this one's code runs already.
    git = ["git", "-c", f"safe.directory={code}", "-C", str(code)]
    top, problem = _answer([*git, "rev-parse", "--show-toplevel"])
    if top and Path(top).resolve() == code:
        described, problem = _answer([*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        return described or f"unknown: {problem}"
    try:
        stated = (code / ".git_archival.txt").read_text(encoding="utf-8").partition("node: ")[2].strip()
    except OSError:
        stated = ""
    if not stated or "$" in stated:
        return f"unknown: {'no checkout of its own, but inside another one' if top else problem}"
    commit, dash, rest = stated.partition("-")
    return stated if stated.startswith("unknown") else commit[:12] + dash + rest


def _noted_commit(packages):
    """The commit of the package in a folder of installed ones: pip notes it where it took the package from git."""
    found = importlib.metadata.distributions(name="fer-utils", path=[str(packages)])
    notes = [distribution.read_text("direct_url.json") for distribution in found]
    commit = json.loads(next(iter(notes), None) or "{}").get("vcs_info", {}).get("commit_id", "")
    return commit[:12] or "unknown: installed without its history, which pip install -e of a checkout keeps"


def versions():
    """Versions of Python and of the packages that decide results, by name."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def device():
    """What the run was computed on: backend ("" without Keras), processor, cores, and the GPU if one is used."""
    keras = sys.modules.get("keras")  # a notebook that trains nothing need not load it
    devices = keras.distribution.list_devices() if keras else []
    gpus = [name for name in devices if not name.lower().startswith("cpu")]
    smi = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]) if gpus else ""
    return {
        "backend": keras.backend.backend() if keras else "",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": (smi or ", ".join(gpus)).splitlines()[0] if gpus else "",
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _output(command_line):
    return _answer(command_line)[0]


def _answer(command_line):
    """(what a command prints, "") or ("", why there is no answer): its first line of error without the path in it."""
    try:
        done = subprocess.run(command_line, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"{command_line[0]} does not answer ({type(error).__name__})"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
    return "", f"{command_line[0]} says " + re.split(r" at '| \(or any", said.removeprefix("fatal: "))[0]


# --- weights from another run -----------------------------------------------------------------------------------------


def pretrained_backbone(weights, output_dir, architecture, **parameters):
    """What to pass as a backbone's weights: "imagenet", or the path of a file made by notebook 02.

    weights: the notebook's WEIGHTS. Empty means the backbone of `output_dir`; if it is not there yet, notebook 02 makes
    it now with `parameters`, so that a notebook opened on its own runs. Where the manifest beside a file says that it
    was made otherwise than notebook 02 would make it for this run, a printed line names how. Raises RunError where it
    cannot serve: for another ARCHITECTURE or WIDTH, and for another PREPROCESSING unless it is named in `weights`.
    """
    if weights == "imagenet":
        return weights
    path = resolve(weights or Path(output_dir) / f"{architecture}-pretrain" / "backbone.weights.h5")
    if not weights and not (path.parent / "metrics.json").exists():
        import papermill

        print(f"No pretrained backbone in {path.parent}: running notebook 02 first ...")
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        os.environ.update(kernels.settings())
        papermill.execute_notebook(
            PROJECT_ROOT / "notebooks" / "02_pretrain_backbone.ipynb",
            path.parent.parent / f"{architecture}-pretrain.ipynb",
            parameters={"ARCHITECTURE": architecture, "OUTPUT_DIR": str(output_dir), **parameters},
            kernel_name="python3",
            cwd=PROJECT_ROOT / "notebooks",
            progress_bar=False,
        )
    wanted = {**declared_parameters("02_pretrain_backbone"), "ARCHITECTURE": architecture, **parameters}
    _hold_against(path, wanted, needed=("ARCHITECTURE", "WIDTH", *(() if weights else ("PREPROCESSING",))))
    return str(path)


def _hold_against(path, wanted, needed):
    """Print how a backbone was made otherwise than `wanted`; raise RunError for one of the `needed` parameters."""
    try:
        made = dict(json.loads(path.with_name("manifest.json").read_text(encoding="utf-8"))["parameters"])
    except (OSError, ValueError, KeyError, TypeError):  # weights of one's own: they fit, or loading them says why not
        return
    unlike = [name for name in wanted if name not in OF_NO_WEIGHT and made.get(name, wanted[name]) != wanted[name]]
    words = ", ".join(f"{name}={made[name]!r} where this run has {wanted[name]!r}" for name in unlike)
    if not set(unlike).isdisjoint(needed):
        raise RunError(
            f"{shown(path)}: was made with {words}. Set OUTPUT_DIR to another folder, where notebook 02 makes one that "
            "fits, or WEIGHTS to the file that is meant"
        )
    if unlike:
        print(f"Backbone {shown(path)}: was made with {words}.")
