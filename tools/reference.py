"""Keep finished runs as a reference: numbers, predictions and figures without faces, small enough for git.

    python tools/reference.py outputs/cpu       copies its finished runs to outputs/reference/cpu/

With --answers, only those of predictions.npz come along; what the others came to is in metrics.json.

Models, weights and executed notebooks stay behind. Of the figures only those come along that are named here as free of
faces: FER-2013's images may not be redistributed, so whatever is not known to be harmless is left out.
"""

import argparse
import fnmatch
import io
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import runs
from fer_utils.command_line import leave_with

LIMIT = 20_000_000  # bytes of all references together: they enter git, where they stay for good
FILES = ("manifest.json", "metrics.json", "predictions.npz", "epochs.npz", "*.csv", "tables/*.csv")
FIGURES = ("history", "confusion_matrix", "roc", "accuracy", "time", "class_counts", "pairs", "verdicts", "collapse")
FIGURES += ("stated_counts", "stated_accuracies", "stated_costs", "selection", "reliability", "recalls")
FIGURES += (
    "agreement_by_class",
    "scale",
    "accuracy_by_agreement",
    "without_twins",
    "shared_confusions",
    "class_weights",
)
EXPLORE_FIGURES = ("class_counts", "architecture*")  # most others of notebook 01 show faces
# A path from the root of a disk or from a home folder, at the start of a string or of a word in it.
ABSOLUTE_PATH = re.compile(r"""(?:^|[\s"'=,;(\[])((?:file:/|~|[A-Za-z]:)?[/\\][^\s"']+)""")


def copy_reference(output_dir, destination=None, answers=()):
    """Copy each finished run below `output_dir`, however deep; return {path of the run below it: bytes copied}.

    output_dir: such as outputs/cpu. destination: outputs/reference/<its name> by default. answers: which of a run's
    predictions, such as "validation" and "validation-scales"; () for all. Everything is checked before
    anything is written, and a run's folder is replaced whole or not at all. Runs that the destination holds and
    `output_dir` does not are left alone.

    Raises RunError where there is no finished run, where a figure is damaged, where a manifest or metrics file holds an
    absolute path, where a run lacks one of `answers`, where one run lies in another, or where
    all would be more than ``LIMIT``, with what lies beside `destination`.
    """
    source = runs.resolve(output_dir)
    destination = runs.resolve(destination or Path("outputs/reference") / source.name)
    if source.resolve() == destination.resolve():
        raise runs.RunError(f"{output_dir}: is the reference itself. Name the folder that holds the runs")
    folders = [path.parent for path in sorted(source.rglob("metrics.json"))]
    if not folders:
        raise runs.RunError(f"{output_dir}: holds no finished run (no folder with metrics.json in it)")
    for folder in folders:
        if folder == source:
            raise runs.RunError(f"{output_dir}: is a run itself. Name the folder that holds it")
        if inside := next((other for other in folders if folder in other.parents), None):
            raise runs.RunError(f"{inside}: lies in another run's folder, with which it would be replaced. Move it out")
        for name in ("manifest.json", "metrics.json"):
            refuse_absolute_paths(folder / name)
    # Of an experiment's many runs, the numbers alone: its figures are drawn from all of them.
    chosen = {folder.relative_to(source).as_posix(): kept_files(folder, folder.parent == source) for folder in folders}
    contents = {
        name: {path.relative_to(source / name): small_enough(path, answers) for path in files}
        for name, files in chosen.items()
    }
    sizes = {name: sum(map(len, files.values())) for name, files in contents.items()}
    replaced = {destination / name for name in contents}
    kept = destination.parent.rglob("*") if destination.parent == runs.resolve("outputs/reference") else ()
    beside = [path for path in kept if path.is_file() and replaced.isdisjoint(path.parents)]
    total = sum(sizes.values()) + sum(path.stat().st_size for path in beside)
    if total > LIMIT:
        largest = max(sizes, key=sizes.get)
        raise runs.RunError(
            f"{output_dir}: {total / 1e6:.1f} MB with what lies beside it, more than the {LIMIT / 1e6:.0f} MB in all; "
            f"{largest} is the largest ({sizes[largest] / 1e6:.1f} MB)"
        )
    for name, files in contents.items():
        write_folder(destination / name, files)
    return sizes


def kept_files(folder, figures=True):
    """The files of a run folder that may be kept, as sorted paths, with figures or without; links are not followed."""
    folder = Path(folder)
    allowed = EXPLORE_FIGURES if folder.name == "explore" else FIGURES
    files = [path for pattern in FILES for path in folder.glob(pattern)]
    files += [
        path
        for path in folder.glob("figures/*.png")
        if figures and any(fnmatch.fnmatchcase(path.stem, pattern) for pattern in allowed)
    ]
    return sorted(path for path in files if path.is_file() and not path.is_symlink())


def small_enough(path, answers=()):
    """The bytes to keep of a file: its own, but a figure in colour gets a palette of 256, a third of the size.

    answers: those of predictions.npz that are kept; () for all.
    """
    written = io.BytesIO()
    if answers and path.name == "predictions.npz":
        with np.load(path) as kept:
            names = [f"{answer}_{part}" for answer in answers for part in ("row_ids", "labels", "probabilities")]
            if lacking := [name for name in names if name not in kept]:
                raise runs.RunError(f"{path.parent.name}/{path.name}: holds no {lacking[0]}. Give other --answers")
            np.savez_compressed(written, **{name: kept[name] for name in names})
        return written.getvalue()
    if path.suffix != ".png":
        return path.read_bytes()
    try:
        with Image.open(path) as image:
            if image.mode not in ("RGB", "RGBA"):
                return path.read_bytes()
            # This choice of colours moves none by more than 15 of 255 levels in 53 figures, where a median cut takes
            # up to 48 off the edges of letters; without dithering, a drawn area stays one colour.
            coverage, none = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
            palette = image.convert("RGB").quantize(256, method=coverage, dither=none)
    except OSError as error:
        raise runs.RunError(f"{path.parent.parent.name}/figures/{path.name}: is no readable PNG ({error})") from error
    palette.save(written, "PNG", optimize=True)
    return written.getvalue()


def left_out(folder, figures=True):
    """Names of the figures of a run folder that are not kept; figures: as for ``kept_files``."""
    kept = set(kept_files(folder, figures))
    return [path.name for path in sorted(Path(folder).glob("figures/*")) if path not in kept]


def refuse_absolute_paths(path):
    """Raise RunError if any string in a JSON file holds an absolute path: it would tell of one person's machine."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise runs.RunError(f"{path}: cannot be read ({error}). Run its notebook again") from error
    for place, text in _strings(content):
        found = ABSOLUTE_PATH.search(text)
        if found:
            raise runs.RunError(
                f"{Path(path).parent.name}/{Path(path).name}: {place} holds the absolute path {found[1]}. "
                "Make the run with paths relative to the project, or data found through FER_DATA"
            )


def _strings(content, place=""):
    """Pairs (place, string) of everything in parsed JSON, keys included; place reads "parameters.DATA"."""
    if isinstance(content, str):
        yield place, content
    elif isinstance(content, dict):
        for key, value in content.items():
            inner = f"{place}.{key}" if place else key
            yield inner, key
            yield from _strings(value, inner)
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from _strings(value, f"{place}[{index}]")


def write_folder(target, files):
    """Write to a neighbour of the folder `target` first and then swap, so that `target` is never half a run.

    files: path relative to `target` -> bytes.
    """
    part, old = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():  # killed between the two renames below
        old.rename(target)
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    for path, content in files.items():
        (part / path).parent.mkdir(parents=True, exist_ok=True)
        (part / path).write_bytes(content)
    if target.exists():
        target.rename(old)
    part.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main(arguments=None):
    """The command line: copy, say what was copied and what was left out; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python tools/reference.py", description=__doc__.splitlines()[0])
    parser.add_argument("output_dir", help="folder that holds the runs, such as outputs/cpu")
    parser.add_argument("--answers", nargs="+", default=(), help="of predictions.npz; by default all")
    given = parser.parse_args(arguments)
    output_dir = given.output_dir
    try:
        sizes = copy_reference(output_dir, answers=given.answers)
    except runs.RunError as error:
        print(f"Nothing was copied. {error}", file=sys.stderr)
        return 1
    for name, size in sizes.items():
        skipped = left_out(runs.resolve(output_dir) / name, figures="/" not in name)
        print(f"{name:46} {size / 1e3:8,.0f} kB" + (f"  left out: {', '.join(skipped)}" if skipped else ""))
    print(f"{'total':46} {sum(sizes.values()) / 1e3:8,.0f} kB")
    return 0


if __name__ == "__main__":
    leave_with(main)
