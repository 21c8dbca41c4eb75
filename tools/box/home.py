"""Bring home what a box sent: into outputs/<profile>/, and what is worth keeping into outputs/reference/<profile>/.

    python tools/box/home.py DIR

DIR holds home.sha256 and the parts of home.tar. A run that was cut off comes with its checkpoint where that fitted, and
the next `make box` sends it along. The reference gets finished runs (as ``fer_utils.reference`` keeps them), the curve
of each that was cut off, and in boxes/ what the box said of itself: device, rates, what ran, what did not, and why.
"""

import argparse
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from fer_utils import reference, runs  # noqa: E402


class HomeError(ValueError):
    """What came from the box cannot be used; the message names the file and the mend."""


def bring_home(folder, root=ROOT):
    """Unpack what `folder` holds below `root`; returns {run: bytes kept in the reference}. Raises HomeError, RunError.

    Nothing is written before every part has been held against its checksum and every name against outputs/.
    """
    content = _joined(Path(folder))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        for member in members:
            if not member.isfile() or not member.name.startswith("outputs/") or ".." in Path(member.name).parts:
                raise HomeError(f"{folder}: holds {member.name}, which is no file of a run. Take what the box packed")
        archive.extractall(root, members, filter="data")
    stated = next((name for name in (member.name for member in members) if name.endswith("/box.json")), None)
    if stated is None:
        raise HomeError(f"{folder}: has no box.json, so it is no archive that run.sh packed")
    return _keep(Path(root), json.loads((Path(root) / stated).read_text(encoding="utf-8")))


def _joined(folder):
    """The archive put together from its parts. HomeError for one that is missing or damaged."""
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
    output_dir, kept = Path(report["output_dir"]), root / "outputs/reference" / Path(report["output_dir"]).name
    sizes = {}
    if any((root / output_dir).rglob("metrics.json")):
        sizes = reference.copy_reference(root / output_dir, kept)
    for row in report["runs"]:
        curve = root / output_dir / row["name"] / "history.csv"
        target = kept / "unfinished" / f"{row['name'].replace('/', '-')}.csv"
        target.unlink(missing_ok=True)  # of an earlier box
        if row["state"] == "cut off" and curve.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(curve.read_bytes())
    runs.write_json(_made(kept / "boxes") / f"{report['began'].replace(':', '')}.json", report)
    return sizes


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    try:
        sizes = bring_home(parser.parse_args().folder)
    except (HomeError, runs.RunError, tarfile.TarError, OSError) as error:
        print(f"Nothing was brought home. {error}", file=sys.stderr)
        return 2
    for name, size in sizes.items():
        print(f"{name:46} {size / 1e3:8,.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
