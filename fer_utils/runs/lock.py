"""Locks: a run's folder is written by one process at a time.

The lock is the operating system's (`flock`) on a file beside the folder, so it goes with the process that holds it,
however that ends: what a dead process left is no lock. The file says who holds it, for whoever is refused.
"""

import contextlib
import datetime
import os
import socket
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None

_held = {}  # path of the lock file -> the open file


class HeldError(Exception):
    """The folder is held by another process; the message says by which."""


def hold(folder):
    """Hold `folder` until ``release`` or the end of this process; holding it twice is holding it once.

    Raises HeldError if another process does. Where there are no such locks (Windows, some network disks), it is held
    by nobody.
    """
    path = _lock_path(folder)
    if path in _held or fcntl is None:
        return
    stream = open(path, "a+", encoding="utf-8")  # noqa: SIM115  (open for as long as the lock is held)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        holder = stream.read().strip() or "another process"
        stream.close()
        raise HeldError(
            f"is being written by {holder}. Wait for it, or end it (a notebook: shut its kernel down)"
        ) from None
    except OSError:
        stream.close()
        return
    now = datetime.datetime.now().isoformat(sep=" ", timespec="seconds")
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {socket.gethostname()} since {now}\n")
    stream.flush()
    _held[path] = stream


def release(folder):
    """Let go of a folder that this process holds; of another, nothing happens."""
    stream = _held.pop(_lock_path(folder), None)
    if stream is not None:
        with contextlib.suppress(OSError):  # its disk may be gone, or full
            stream.truncate(0)
        stream.close()


def _lock_path(folder):
    folder = Path(folder).absolute()
    return folder.with_name(f".{folder.name}.lock")
