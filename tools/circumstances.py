"""Where and with what a tool made its numbers, for the JSON that it writes beside them."""

import importlib.metadata
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import runs


def circumstances(*packages, **asked):
    """Command, commit, machine and versions. packages: whose versions are said, too. asked: entries such as network."""
    return {
        "command": shlex.join(["python", *sys.argv]),
        "commit": runs.git_commit(),
        **asked,
        "device": runs.device(),
        "versions": runs.versions() | {name: importlib.metadata.version(name) for name in packages},
    }
