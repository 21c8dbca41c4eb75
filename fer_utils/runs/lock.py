"""Locks: only one process at a time writes a run's folder.

The lock is the operating system's (`flock`), on a file next to the folder. It ends with the process that holds it,
even if that process is killed. The file names the holder, for the message to other processes.
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

_held = {}  # path of the lock file -> the open file, which holds the lock


class HeldError(Exception):
    """Another process holds the folder. The message names that process."""


def hold(folder):
    """Lock `folder` until ``release`` or the end of this process. Locking it twice is the same as locking it once.

    Raises HeldError if another process holds it. Does nothing without such locks (Windows, some network disks).
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
        raise HeldError(f"is being written by {holder}. Wait for it, or end it (a notebook: stop its kernel)") from None
    except OSError:  # a network disk without locks
        stream.close()
        return
    now = datetime.datetime.now().isoformat(sep=" ", timespec="seconds")
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {socket.gethostname()} since {now}\n")
    stream.flush()
    _held[path] = stream


def release(folder):
    """Unlock a folder that this process holds. Does nothing for any other folder."""
    stream = _held.pop(_lock_path(folder), None)
    if stream is not None:
        with contextlib.suppress(OSError):  # its disk may be full or gone
            stream.truncate(0)
        stream.close()


def _lock_path(folder):
    folder = Path(folder).absolute()
    return folder.with_name(f".{folder.name}.lock")
