"""Keep finished runs as a reference: numbers, predictions and figures without faces, small enough for git.

    python tools/reference.py outputs/cpu       copies its finished runs to outputs/reference/cpu/

With --answers, only the named predictions are copied; metrics.json has the results of all.

Models, weights and executed notebooks are not copied. FER-2013's images may not be redistributed, so only the figures
that this file lists as free of faces are copied. A training's own figures are not: its numbers are enough to draw them.
"""

import argparse
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

LIMIT = 20_000_000  # bytes of all references together, since git keeps them for ever
FILES = ("manifest.json", "metrics.json", "predictions.npz", "epochs.npz", "*.csv", "tables/*.csv")
FIGURES = ("accuracy", "time", "class_counts", "pairs", "verdicts", "collapse", "selection", "reliability", "recalls")
FIGURES += ("stated_counts", "stated_accuracies", "stated_costs", "scale", "without_twins", "class_weights")
FIGURES += ("agreement_by_class", "accuracy_by_agreement", "shared_confusions")
EXPLORE_FIGURES = ("class_counts", "architecture*")  # most others of notebook 01 show faces
# A path from the root of a disk or from a home folder, at the start of a string or of a word in it.
ABSOLUTE_PATH = re.compile(r"""(?:^|[\s"'=,;(\[])((?:file:/|~|[A-Za-z]:)?[/\\][^\s"']+)""")


def copy_reference(output_dir, destination=None, answers=()):
    """Copy each finished run below `output_dir`, at any depth; return {path of the run below it: bytes copied}.

    output_dir: such as outputs/cpu. destination: outputs/reference/<its name> by default. answers: the predictions to
    copy, such as "validation" and "validation-scales"; () for all. Everything is checked before anything is written,
    and a run's folder is replaced as a whole or not at all. Other runs in the destination stay.

    Raises RunError if there is no finished run, if one run is inside another, or if all references together would be
    larger than ``LIMIT``. Raises it, too, if a run has a damaged figure, if `answers` are damaged or missing, or if its
    manifest or metrics have an absolute path.
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
            raise runs.RunError(f"{inside}: is in another run's folder and would be replaced with it. Move it out")
        for name in ("manifest.json", "metrics.json"):
            refuse_absolute_paths(folder / name)
    contents = {}  # path of a run below `source` -> path of a file in it -> bytes
    for folder in folders:
        small = {path.relative_to(folder): small_enough(path, answers) for path in kept_files(folder)}
        contents[folder.relative_to(source).as_posix()] = small
    sizes = {name: sum(map(len, files.values())) for name, files in contents.items()}
    total = sum(sizes.values())
    if destination.parent == runs.resolve("outputs/reference"):
        replaced = {destination / name for name in contents}
        kept = [path for path in destination.parent.rglob("*") if replaced.isdisjoint(path.parents)]
        total += sum(path.stat().st_size for path in kept if path.is_file())
    if total > LIMIT:
        largest = max(sizes, key=sizes.get)
        raise runs.RunError(
            f"{output_dir}: all references together would have {total / 1e6:.1f} MB, more than the "
            f"{LIMIT / 1e6:.0f} MB allowed. Leave out a run: {largest} is the largest ({sizes[largest] / 1e6:.1f} MB)"
        )
    for name, files in contents.items():
        write_folder(destination / name, files)
    return sizes


def kept_files(folder):
    """Return the files of a run folder that may be kept, as sorted paths. Symbolic links are left out."""
    folder = Path(folder)
    allowed = EXPLORE_FIGURES if folder.name == "explore" else FIGURES
    files = [path for pattern in FILES for path in folder.glob(pattern)]
    files += [path for pattern in allowed for path in folder.glob(f"figures/{pattern}.png")]
    return sorted(path for path in files if path.is_file() and not path.is_symlink())


def small_enough(path, answers=()):
    """Return the bytes to keep of a file: a figure in colour gets a palette, which makes it a third as large.

    answers: the predictions of predictions.npz to keep; () for all. Other files are kept unchanged.
    """
    written = io.BytesIO()
    if answers and path.name == "predictions.npz":
        try:
            kept = runs.read_arrays(path)
        except ValueError as error:
            raise runs.RunError(f"{path.parent.name}/{error}. Run its notebook again") from error
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
            # In 53 figures, MAXCOVERAGE changes no colour by more than 15 of 255 levels; a median cut changes the edges
            # of letters by up to 48. Without dithering, a drawn area keeps one colour.
            method, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
            palette = image.convert("RGB").quantize(256, method=method, dither=dither)
    except (OSError, SyntaxError) as error:  # SyntaxError: a broken chunk
        raise runs.RunError(f"{path.parent.parent.name}/figures/{path.name}: is no readable PNG ({error})") from error
    palette.save(written, "PNG", optimize=True)
    return written.getvalue()


def left_out(folder):
    """Return the names of the figures of a run folder that are not kept."""
    kept = set(kept_files(folder))
    return [path.name for path in sorted(Path(folder).glob("figures/*")) if path not in kept]


def refuse_absolute_paths(path):
    """Raise RunError if a string in a JSON file has an absolute path, since it describes one person's machine."""
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
    """Yield (place, string) for every string and key in parsed JSON. A place is, for example, "parameters.DATA"."""
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
    """Write to a folder next to `target` and then swap the two, so that `target` is never half a run.

    files: path relative to `target` -> bytes.
    """
    part, old = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():  # killed between the two renames below
        old.rename(target)
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        for path, content in files.items():
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            (part / path).write_bytes(content)
    except BaseException:  # a full disk, or an interruption
        shutil.rmtree(part, ignore_errors=True)
        raise
    if target.exists():
        target.rename(old)
    part.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main(arguments=None):
    """Run the command line: copy, and print what was copied and left out. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python tools/reference.py", description=__doc__.splitlines()[0])
    parser.add_argument("output_dir", help="folder that holds the runs, such as outputs/cpu")
    parser.add_argument("--answers", nargs="+", default=(), help="names of predictions to copy; by default all")
    given = parser.parse_args(arguments)
    try:
        sizes = copy_reference(given.output_dir, answers=given.answers)
    except runs.RunError as error:
        print(f"Nothing was copied. {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Not all was copied. {error}. Fix that, and give the same command again", file=sys.stderr)
        return 1
    for name, size in sizes.items():
        skipped = left_out(runs.resolve(given.output_dir) / name)
        print(f"{name:46} {size / 1e3:8,.0f} kB" + (f"  left out: {', '.join(skipped)}" if skipped else ""))
    print(f"{'total':46} {sum(sizes.values()) / 1e3:8,.0f} kB")
    return 0


if __name__ == "__main__":
    leave_with(main)
