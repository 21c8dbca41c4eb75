"""Make notebooks for Colab and Kaggle: ``python tools/launch.py`` writes outputs/launch/, a workflow the branch.

Each notebook is a copy of its original with one more cell at the start, which fetches the project.
"""

import json
import posixpath
import re
import shutil
import subprocess
from string import Template

import addresses

FOLDER = addresses.ROOT / "outputs" / "launch"
LACKING = ("imagehash", "papermill")  # the notebooks import these, and Colab lacks them; Kaggle has all

# Installing the project with its dependencies would replace packages that the running kernel has loaded, in Colab
# ipykernel and psutil. So the project is put on the path, and pip installs only the packages named here (--no-deps).
# Variables are in lower case, since a notebook refuses a name in capitals as a mistyped parameter.
CELL = Template("""\
# For Colab and Kaggle: this cell fetches the project and the missing packages. It replaces no package.
# On Kaggle, first switch Internet on (Settings). A data set that you add there is DATA = "/kaggle/input/<its name>".
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

address = "$address"
commit = "$commit"
folder = "$folder"  # of this notebook
packages = $packages

here = Path.cwd()
project = next((path for path in [here, *here.parents] if (path / "fer_utils").is_dir()), here / "$name")
commands = []
if not (project / "fer_utils").is_dir():
    commands.append(["git", "clone", "--quiet", "--no-checkout", address, str(project)])
    commands.append(["git", "-C", str(project), "checkout", "--quiet", commit])
missing = [package for package in packages if not importlib.util.find_spec(package.split("==")[0])]
if missing:
    commands.append([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *missing])
for command in commands:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", "") or str(error)).strip()
        fix = f"Is Internet switched on? If so, delete the folder {project.name}, and run this cell again."
        raise RuntimeError(f"{reason}\\n{fix}") from None
os.chdir(project / folder)
if str(project) not in sys.path:
    sys.path.insert(0, str(project))""")


def originals():
    """Return the notebooks and labs that are launched, as paths from the repository's root."""
    found = [*addresses.ROOT.glob("notebooks/*.ipynb"), *addresses.ROOT.glob("course/lab*.ipynb")]
    return sorted(path.relative_to(addresses.ROOT).as_posix() for path in found)


def locked(package):
    """Return a package with its version in requirements.lock, for pip: "imagehash==4.3.2"."""
    text = (addresses.ROOT / "requirements.lock").read_text(encoding="utf-8")
    return re.search(rf"^{package}==\S+", text, re.MULTILINE)[0]


def commit():
    """Return the commit that is checked out here. A saved copy of a notebook keeps fetching this commit."""
    git = ["git", "-C", str(addresses.ROOT), "rev-parse", "HEAD"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def front_cell(path, made_of):
    """Return the source of the first cell. path: the notebook, from the root. made_of: a commit."""
    return CELL.substitute(
        address=addresses.repository(),
        name=addresses.account_and_name().split("/")[1],
        commit=made_of,
        folder=posixpath.dirname(path),
        packages=json.dumps([locked(package) for package in LACKING]),
    )


def with_addresses(text, folder):
    """Return the text of a notebook in `folder`, with relative links changed to links to the repository."""

    def absolute(link):
        path, mark, anchor = link[1].partition("#")
        return f"]({addresses.on_github(posixpath.normpath(f'{folder}/{path}'))}{mark}{anchor})"

    return re.sub(r"\]\((?!\w+:|#)([^)\s]+)\)", absolute, text)


def launched(path, made_of):
    """Return the copy of a notebook as JSON text. path, made_of: as for `front_cell`."""
    notebook = json.loads((addresses.ROOT / path).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [with_addresses(line, posixpath.dirname(path)) for line in cell["source"]]
    source = front_cell(path, made_of).splitlines(keepends=True)
    front = {"cell_type": "code", "execution_count": None, "id": "launch", "metadata": {}, "outputs": []}
    notebook["cells"].insert(0, front | {"source": source})
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    made_of = commit()
    for path in originals():
        copy = FOLDER / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(launched(path, made_of), encoding="utf-8")
    print(f"{len(originals())} notebooks in outputs/launch/, which fetch commit {made_of[:12]}")


if __name__ == "__main__":
    main()
