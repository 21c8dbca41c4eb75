"""How a command line of the package ends."""

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
