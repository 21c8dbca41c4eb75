"""What the package's command lines share: their exit, the option --data, and times in words."""

import io
import os
import sys


def leave_with(main):
    """Call `main()` and exit with its status, or with 0 if a reader such as `| head` has closed the output."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may have letters that the terminal has not
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python's flush at exit would fail, too
        status = 0
    sys.exit(status)


def data_source(given):
    """Return --data as an absolute path, starting at the working folder. sample, kaggle, "" and None are kept."""
    return given if given in (None, "", "sample", "kaggle") else os.path.abspath(os.path.expanduser(given))


def duration(seconds):
    """Return seconds in readable form: "42 s", "3 min 05 s", "25 min", "2 h 07 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if seconds < 3600:
        return f"{min(59, round(seconds / 60))} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
