"""Where and with what a tool made its numbers, for the JSON that it writes beside them."""

import importlib.metadata
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import recognize, runs


def circumstances(*packages):
    """Command, commit, network that was asked, machine and versions; packages: whose versions are said, too."""
    return {
        "command": shlex.join(["python", *sys.argv]),
        "commit": runs.git_commit(),
        "network": recognize.facts()["run"],
        "device": runs.device(),
        "versions": runs.versions() | {name: importlib.metadata.version(name) for name in packages},
    }
