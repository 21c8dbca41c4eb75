"""Pack a box's results: one archive, the most valuable files first, cut into parts if asked. Standard library only.

Paths in the archive are relative to the project's root. First comes `box.json`, the report. Then come the numbers,
predictions and figures of the finished runs, the histories of runs that were cut off, and the logs. Last come, if they
fit, the checkpoints from which a later box can resume; not those that also need the weights of every epoch.
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
    """Return the files to send, as absolute paths in order. limit: bytes in all, above which no checkpoint is added."""
    files = [job.folder / name for name in NUMBERS for job in jobs if job.state == "done"]
    files += [path for job in jobs if job.state == "done" for path in sorted(job.folder.glob("figures/*.png"))]
    files += [job.folder / "history.csv" for job in jobs if job.state in ("cut off", "failed")]
    files += [job.log for job in jobs if job.state != "waiting"]
    files = [path for path in files if path.is_file()]
    room = (limit or 0) - sum(path.stat().st_size for path in files)
    for job in jobs:
        path = job.folder / CHECKPOINT
        useful = job.state == "cut off" and job.entry.get("resumes", True) and path.is_file()
        if useful and path.stat().st_size <= room:
            files.append(path)
            room -= path.stat().st_size
    return files


def write_home(out, root, report, files, part_bytes=0):
    """Write `files` (below `root`) and the `report` into the folder `out`, in parts of `part_bytes` (0: one part).

    home.sha256 names the parts. It is replaced last, so the parts that it names are always complete. Then the parts of
    an earlier archive are deleted. Raises OSError if a file cannot be written; the earlier archive then stays.
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
