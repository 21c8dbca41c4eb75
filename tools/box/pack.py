"""What a box sends home: one archive, in the order of worth, cut into parts where asked. Standard library only.

The archive holds paths as they are below the project's root: `box.json` (what ran, on what), then of each finished run
its numbers, predictions and figures, of each that was cut off its history and log, and last, where they fit, the
checkpoints with which a later box can go on: not those of runs that go on from the weights of every epoch, too.
"""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

NUMBERS = ("manifest.json", "metrics.json", "history.csv", "predictions.npz", "epochs.npz")
CHECKPOINT = "checkpoint.npz"


def contents(jobs, limit=None):
    """The files to send, as absolute paths in order. limit: bytes in all, above which no checkpoint is added."""
    files = [job.folder / name for name in NUMBERS for job in jobs if job.state == "done"]
    files += [path for job in jobs if job.state == "done" for path in sorted(job.folder.glob("figures/*.png"))]
    files += [job.folder / "history.csv" for job in jobs if job.state in ("cut off", "failed")]
    files += [job.log for job in jobs if job.state != "waiting"]
    files = [path for path in files if path.is_file()]
    room = (limit or 0) - sum(path.stat().st_size for path in files)
    for job in jobs:
        path = job.folder / CHECKPOINT
        resumes = job.entry.get("resumes", True) and path.is_file()
        if job.state == "cut off" and resumes and path.stat().st_size <= room:
            files.append(path)
            room -= path.stat().st_size
    return files


def write_home(out, root, report, files, part_bytes=0):
    """Write `files` (below `root`) and the `report` into the folder `out`, in parts of `part_bytes` (0: one whole).

    home.sha256 names the parts and is replaced last, so that whatever fails, what it names is whole. The parts of an
    earlier archive go then. Raises OSError where they cannot be written; the earlier archive stays.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    content = _archive(root, report, files)
    old = sorted(out.glob("home-*.tar.*"))
    number = max([int(path.name[5:9]) for path in old], default=0) + 1
    size = part_bytes or len(content)
    starts = range(0, len(content), size)
    parts = {
        out / f"home-{number:04d}.tar.{index:02d}": content[start : start + size] for index, start in enumerate(starts)
    }
    sums = "".join(f"{hashlib.sha256(part).hexdigest()}  {path.name}\n" for path, part in parts.items())
    try:
        for path, part in parts.items():
            path.write_bytes(part)
        (out / ".home.sha256").write_text(sums)
        os.replace(out / ".home.sha256", out / "home.sha256")
    except OSError:
        for path in [*parts, out / ".home.sha256"]:
            path.unlink(missing_ok=True)
        raise
    for path in old:
        path.unlink()


def _archive(root, report, files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        text = (json.dumps(report, indent=1) + "\n").encode()
        member = tarfile.TarInfo(f"{report['output_dir']}/box.json")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
        for path in files:
            archive.add(path, path.relative_to(root).as_posix(), recursive=False)
    return stream.getvalue()
