"""How settings travel unread: from make to the workflow's command line, and from there to the Snakefile and its jobs.

    make DATA=...  ->  $FER_OPTION_DATA  ->  .snakemake/settings/<digest>.json  ->  the Snakefile, here or on a node

Shells, YAML and `snakemake --config` would read such a text again, each in its own way: of the path "/d/fer2013 #2"
they make another, of "2013_10" a number.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from fer_utils.names import did_you_mean
from fer_utils.runs.folder import RunError, write_json
from fer_utils.workflow.profiles import ProfileError

SETTINGS = ("profile", "data", "source", "seeds", "timeout", "threads")
PREFIX = "FER_OPTION_"
READ_BY_SHELLS = "$`\\\"'"  # which Snakemake, passing `--config` on to a cluster's job, does not protect


def from_make(name):
    """The value of a variable of make, letter by letter; "" for none."""
    return os.environ.get(f"{PREFIX}{name.upper()}", "")


def tell_surroundings():
    """Print, in a line, which of make's variables nobody typed: a cluster may have set $DATA for reasons of its own."""
    given = [f"{name}={from_make(name)}" for name in from_make("environment").split() if from_make(name)]
    if given:
        print(f"Taken from the environment, not from your command: {', '.join(given)}", file=sys.stderr, flush=True)


def write_settings(settings, root):
    """Write the settings of a study for Snakemake's `--configfile` and return the path.

    settings: name -> value; a value goes as text. The file is named after its content, so a study that waits in a
    cluster's queue keeps its own. Raises ProfileError if it cannot be written.
    """
    texts = {name: str(value) for name, value in settings.items()}
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]
    path = Path(root) / ".snakemake" / "settings" / f"{digest}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, texts)
    except (OSError, RunError) as error:
        reason = (error.__cause__ or error).strerror
        raise ProfileError(f"{path}: cannot be written ({reason}). Make the project's folder writable") from None
    return path


def read_settings(config, typed=None):
    """The texts of all SETTINGS, "" for those that are not given.

    config: Snakemake's, from `--configfile` and `--config`. typed: the words after `--config`, or None. Raises
    ProfileError for an unknown name, and for a value that Snakemake did not take as it was meant.
    """
    words = dict(word.split("=", 1) for word in typed or [])
    for name in config:
        if name not in SETTINGS:
            raise ProfileError(f"--config: unknown setting {name}{did_you_mean(name, SETTINGS)}")
    return {name: _as_meant(name, config.get(name), words.get(name)) for name in SETTINGS}


def _as_meant(name, value, word):
    text = "" if value is None else str(value)
    if word is None:
        if value is None or isinstance(value, str) or type(value) is int and name in ("seeds", "timeout", "threads"):
            return text
        raise ProfileError(f"--configfile: {name} was read as {value!r}. Put its text between quotes")
    if text != word or set(word) & set(READ_BY_SHELLS):
        mend = f"Write {json.dumps({name: word}, ensure_ascii=False)} into a file study.json and give that"
        reason = f"reads it as {value!r}" if text != word else "may read it otherwise in a cluster's jobs"
        raise ProfileError(f"--config {name}={word}: Snakemake {reason}. {mend} as --configfile study.json")
    return text
