"""Copy a box's results into outputs/<profile>/, and what is worth keeping into outputs/reference/<profile>/.

    python tools/box/home.py DIR

DIR holds home.sha256 and the parts that it names. A run that was cut off has its checkpoint with it if the checkpoint
fitted; the next `make box` then packs that checkpoint. The reference gets the finished runs (the files that
``tools/reference.py`` keeps) and the learning curve of each run that was cut off. Its folder boxes/ gets the box's
report: the device, the rates, which runs ended, and why the others did not.
"""

import argparse
import hashlib
import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import reference  # noqa: E402

from fer_utils import runs  # noqa: E402


class HomeError(ValueError):
    """The box's results cannot be used. The message names the file and the fix."""


class UnfinishedError(HomeError):
    """The box's results can be used, but not all files could be put in place."""


STATED = {"output_dir": r"outputs/[\w-]+", "began": r"[\dT:+-]+"}  # values of box.json that become paths
NAME = r"[\w.-]+(/[\w.-]+)*"


def bring_home(folder, root=ROOT, rehearsal=False):
    """Unpack the archive in `folder` below `root`; returns {run: bytes kept in the reference}.

    rehearsal: accept runs at tiny settings. Nothing is written before every part's checksum and every file's path have
    been checked. A finished run at home stays as it is, unless the archive holds the same run.
    Raises HomeError (UnfinishedError if some files could not be put in place) or runs.RunError.
    """
    content, root = _joined(Path(folder)), Path(root)
    (root / "outputs").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root / "outputs", prefix=".home-") as part:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                if not member.isfile() or not member.name.startswith("outputs/") or ".." in Path(member.name).parts:
                    raise HomeError(
                        f"{folder}: holds {member.name}, which is no file of a run. Take what the box packed"
                    )
            archive.extractall(part, filter="data")
        report = _report(folder, Path(part))
        if report.get("tiny") and not rehearsal:
            raise HomeError(
                f"{folder}: is of a rehearsal at tiny settings. Bring home what a box packed without --tiny"
            )
        _check_data(folder, report, root)
        for path in [*Path(part).rglob("manifest.json"), *Path(part).rglob("metrics.json")]:
            reference.refuse_absolute_paths(path)
        try:
            _move(Path(part), root)
            return _keep(root, report)
        except (runs.RunError, OSError) as error:
            again = f"{error}. Fix that and bring it home again"
            raise UnfinishedError(f"Not all is in {report['output_dir']} and its reference yet: {again}") from error


def _report(folder, part):
    """Return box.json as a dict. Raises HomeError for a name in it that is not a plain path."""
    found = list(part.glob("outputs/*/box.json"))
    if len(found) != 1:
        raise HomeError(f"{folder}: has {len(found)} box.json, so it is no archive that run.sh packed")
    report = json.loads(found[0].read_text(encoding="utf-8"))
    stated = [(report[name], pattern) for name, pattern in STATED.items()]
    stated += [(row["name"], NAME) for row in report["runs"]]
    for text, pattern in stated:
        if not re.fullmatch(pattern, text) or ".." in text:
            raise HomeError(f"{folder}: box.json names {text!r}, which cannot be. Take what the box packed")
    return report


def _check_data(folder, report, root):
    """Raise HomeError if the runs were made from other data than the runs already in the reference."""
    kept = root / "outputs/reference" / Path(report["output_dir"]).name
    theirs = report.get("data", {}).get("checksum")
    for path in sorted(kept.rglob("manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if theirs and manifest.get("strategy") != "pretrain" and theirs != manifest.get("data_checksum"):
            raise HomeError(
                f"{folder}: was made of other data ({report['data']['what']}) than {path.parent}. Keep them apart"
            )


def _move(part, root):
    """Replace each run by a finished run that was sent; add the files of unfinished runs to what is there.

    A finished run is skipped, with a message, if the finished run at home has files that boxes do not send, such as
    weights. An unfinished run is skipped if the run at home is finished or has more epochs.
    """
    for metrics in sorted(part.rglob("metrics.json")):
        sent, run = metrics.parent, root / metrics.parent.relative_to(part)
        more = {path.name for path in run.glob("*")} - {path.name for path in sent.iterdir()}
        if more and (run / "metrics.json").is_file():
            print(f"{run.relative_to(root)}: stays as it is, since it has {', '.join(sorted(more))}, too")
        else:
            files = (path for path in sent.rglob("*") if path.is_file())
            reference.write_folder(run, {path.relative_to(sent): path.read_bytes() for path in files})
    for path in sorted(path for path in part.rglob("*") if path.is_file()):
        sent = path.parent.parent if path.parent.name == "figures" else path.parent
        run = root / sent.relative_to(part)
        if (run / "metrics.json").is_file() or _epochs(sent / "history.csv") < _epochs(run / "history.csv"):
            continue
        shutil.copyfile(path, _made(root / path.parent.relative_to(part)) / path.name)


def _joined(folder):
    """Join the parts to the archive, as bytes. Raises HomeError if a part is missing or damaged."""
    sums = folder / "home.sha256"
    if not sums.is_file():
        raise HomeError(f"{folder}: has no home.sha256. Give the folder that run.sh had as --out")
    content = b""
    for line in sums.read_text(encoding="ascii").splitlines():
        expected, name = line.split()
        part = folder / name
        if not part.is_file():
            raise HomeError(f"{part}: is missing. Fetch it from the box, too")
        block = part.read_bytes()
        if hashlib.sha256(block).hexdigest() != expected:
            raise HomeError(f"{part}: is damaged, or of another run. Fetch it from the box again")
        content += block
    return content


def _keep(root, report):
    output_dir = root / report["output_dir"]
    kept = root / "outputs/reference" / output_dir.name
    sizes = {}
    if any(output_dir.rglob("metrics.json")):
        sizes = reference.copy_reference(output_dir, kept)
    for row in report["runs"]:
        curve = output_dir / row["name"] / "history.csv"
        target = kept / "unfinished" / f"{row['name'].replace('/', '-')}.csv"
        if (kept / row["name"] / "metrics.json").is_file():
            target.unlink(missing_ok=True)  # an earlier box did not finish this run
        elif row["state"] == "cut off" and curve.is_file() and _epochs(curve) >= _epochs(target):
            _made(target.parent)
            target.write_bytes(curve.read_bytes())
    runs.write_json(_made(kept / "boxes") / f"{report['began'].replace(':', '')}.json", report)
    return sizes


def _epochs(path):
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    try:
        sizes = bring_home(parser.parse_args().folder)
    except (HomeError, runs.RunError, tarfile.TarError, OSError) as error:
        print(f"{'' if isinstance(error, UnfinishedError) else 'Nothing was brought home. '}{error}", file=sys.stderr)
        return 2
    for name, size in sizes.items():
        print(f"{name:46} {size / 1e3:8,.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
