"""What a box sends home: one archive, dearest first, cut into parts where asked. Standard library only.

home.tar holds paths as they are below the project's root: `box.json` (what ran, on what), then of each finished run its
numbers, predictions and figures, of each that was cut off its history and log, and last, where they fit, the
checkpoints with which a later box can go on.
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
        if job.state == "cut off" and path.is_file() and path.stat().st_size <= room:
            files.append(path)
            room -= path.stat().st_size
    return files


def write_home(out, root, report, files, part_bytes=0):
    """Write `files` (below `root`) and the `report` as out/home.tar, in parts of `part_bytes` (0: whole), each whole or
    not at all; home.sha256 holds their checksums. Parts of an earlier archive are removed."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        text = (json.dumps(report, indent=1) + "\n").encode()
        member = tarfile.TarInfo(f"{report['output_dir']}/box.json")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
        for path in files:
            archive.add(path, path.relative_to(root).as_posix(), recursive=False)
    content = stream.getvalue()
    size = part_bytes or len(content)
    starts = range(0, len(content), size)
    names = {f"home.tar.{index:02d}": content[start : start + size] for index, start in enumerate(starts)}
    for name, part in names.items():
        (out / f".{name}").write_bytes(part)
        os.replace(out / f".{name}", out / name)
    for old in out.glob("home.tar.*"):
        if old.name not in names:
            old.unlink()
    sums = "".join(f"{hashlib.sha256(part).hexdigest()}  {name}\n" for name, part in names.items())
    (out / ".home.sha256").write_text(sums)
    os.replace(out / ".home.sha256", out / "home.sha256")
