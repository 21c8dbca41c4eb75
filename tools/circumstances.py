"""Describe where and with what a tool made its numbers, for the JSON that it writes with them."""

import importlib.metadata
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also for the tools that import this

from fer_utils import runs


def circumstances(*packages, **entries):
    """Return command, commit, device and versions as a dict. packages: their versions are added. entries: more keys."""
    return {
        "command": shlex.join(["python", *sys.argv]),
        "commit": runs.git_commit(),
        **entries,
        "device": runs.device(),
        "versions": runs.versions() | {name: importlib.metadata.version(name) for name in packages},
    }
