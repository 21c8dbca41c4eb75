"""How a command line of the package speaks and ends."""

import os
import sys


def leave_with(main):
    """Call `main()` and exit with the status that it returns; quietly, if its reader has gone, as `| head` does."""
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still held back goes nowhere
        status = 0
    sys.exit(status)


def data_source(given):
    """What --data names: a path counts from the working folder. sample, kaggle and None stay as they are."""
    return given if given in (None, "", "sample", "kaggle") else os.path.abspath(os.path.expanduser(given))


def duration(seconds):
    """Seconds as people say them: "42 s", "3 min 05 s", "25 min", "2 h 07 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if seconds < 3600:
        return f"{min(59, round(seconds / 60))} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
