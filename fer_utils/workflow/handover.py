"""Pass settings unchanged from make to the workflow's command line, and from there to the Snakefile and its jobs.

    make DATA=...  ->  $FER_OPTION_DATA  ->  .snakemake/settings/<digest>.json  ->  the Snakefile, here or on a node

Shells, YAML and `snakemake --config` would each interpret such a text again: the path "/d/fer2013 #2" would become
another path, and "2013_10" a number.
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
READ_BY_SHELLS = "$`\\\"'"  # Snakemake does not quote these when it passes `--config` to a cluster's job


def from_make(name):
    """Return the value of a make variable exactly as it was typed; "" if there is none."""
    return os.environ.get(f"FER_OPTION_{name.upper()}", "")


def tell_surroundings():
    """Print which make variables come from the environment: a cluster may set $DATA for its own purposes."""
    given = [f"{name}={from_make(name)}" for name in from_make("environment").split() if from_make(name)]
    if given:
        print(f"Taken from the environment, not from your command: {', '.join(given)}", file=sys.stderr, flush=True)


def write_settings(settings, root):
    """Write the settings of a study for Snakemake's `--configfile` and return the path.

    settings: name -> value; each value is written as text. The file name is a digest of the content, so a study that
    waits in a cluster's queue keeps its own file. Raises ProfileError if the file cannot be written.
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
    """Return the text of each of SETTINGS; "" for those that are not given.

    config: Snakemake's, from `--configfile` and `--config`. typed: the words after `--config`, or None. Raises
    ProfileError for an unknown name, and for a value that Snakemake read differently than it was typed.
    """
    words = dict(word.split("=", 1) for word in typed or [])
    for name in config:
        if name not in SETTINGS:
            raise ProfileError(f"--config: unknown setting {name}{did_you_mean(name, SETTINGS)}")
    return {name: _as_typed(name, config.get(name), words.get(name)) for name in SETTINGS}


def _as_typed(name, value, word):
    """Return a setting as text. value: as Snakemake read it. word: as it was typed after `--config`, or None."""
    text = "" if value is None else str(value)
    if word is None:
        is_number = type(value) is int and name in ("seeds", "timeout", "threads")
        if value is None or isinstance(value, str) or is_number:
            return text
        raise ProfileError(f"--configfile: {name} was read as {value!r}. Put its text between quotes")
    if text == word and not set(word) & set(READ_BY_SHELLS):
        return text
    reason = f"reads it as {value!r}" if text != word else "may read it differently in a cluster's jobs"
    fix = f"Write {json.dumps({name: word}, ensure_ascii=False)} into a file study.json"
    raise ProfileError(f"--config {name}={word}: Snakemake {reason}. {fix} and give that as --configfile study.json")
