"""Write Sphinx's source tree: each page at its path in the repository, so that relative links work; the contents."""

import shutil

import addresses
import nbformat

from website import executed, reference
from website.links import rewrite

START = "tools/website/start.md"
LAUNCHERS = {"Colab": addresses.colab, "Kaggle": addresses.kaggle, "Binder": addresses.binder}
# Only these get a link to Binder, since they train nothing.
TRAINS_NOTHING = ("notebooks/06", "notebooks/07", "notebooks/09", "course/lab3", "course/lab5", "course/lab6")
# Caption -> its pages, in order. Pages that do not exist (yet) are left out; pages in no list go to OTHERS.
CONTENTS = {
    "The network": ["docs/try-it.md", "docs/model-card.md"],
    "The course": ["course/README.md", *[f"course/lab{number}.ipynb" for number in range(1, 10)], "course/answers.md"],
    "For teachers": ["course/teachers.md", *[f"course/teachers/lab{number}.md" for number in range(1, 10)]],
    "The notebooks": [f"notebooks/{name}.ipynb" for name in sorted(executed.STUDY | executed.REPORTS)],
    "Results": [
        f"docs/{name}.md" for name in ("results", "deviations", "full-scale", "beyond-the-paper", "private-test")
    ],
    "Look up": ["docs/glossary.md", "docs/data-and-licences.md"],
    "Run it": [
        f"docs/{name}.md" for name in ("running", "use-a-model", "on-your-photos", "exports", "score", "gpu-box")
    ],
    "How it is made": ["docs/architecture.md", "docs/guarantees.md", "docs/provenance.md", "docs/speed.md"],
    "The package": [f"reference/{name}.md" for name in reference.SUBPACKAGES],
    "The project": ["CONTRIBUTING.md", "CHANGELOG.md"],
}
OTHERS = "How it is made"


def write(source, texts, notebooks, root=addresses.ROOT):
    """Write the tree into the folder `source`, which is emptied first.

    texts: path -> Markdown. notebooks: path -> notebook. The paths are those in the repository. Raises PageError for a
    link to a missing file.
    """
    shutil.rmtree(source, ignore_errors=True)
    pages, images = {*texts, *notebooks}, set()
    for path, text in texts.items():
        _put(source / path, rewrite(text, path, pages, images, root))
    for path, notebook in notebooks.items():
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = rewrite(cell.source, path, pages, images, root, cell["id"])
        _with_buttons(notebook, path)
        _put(source / path, nbformat.writes(notebook))
    start = rewrite((root / START).read_text(encoding="utf-8"), "index.md", pages, images, root)
    _put(source / "index.md", f"{start}\n{contents(pages)}")
    for path in images:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, source / path)


def documents(root=addresses.ROOT):
    """Return the repository's own Markdown pages: path -> text."""
    found = [*sorted((root / "docs").glob("*.md")), *sorted((root / "course").rglob("*.md"))]
    found += [root / "CONTRIBUTING.md", root / "CHANGELOG.md"]
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in found}


def contents(pages):
    """Return the tables of contents of all `pages` (paths), as MyST."""
    known = {path for listed in CONTENTS.values() for path in listed}
    lines = []
    for caption, listed in CONTENTS.items():
        own = [path for path in listed if path in pages]
        if caption == OTHERS:
            own += sorted(pages - known)
        if own:
            names = [path.rpartition(".")[0] for path in own]
            lines += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```", ""]
    return "\n".join(lines)


def _with_buttons(notebook, path):
    """Add links below the title that open the notebook on Colab, Kaggle or Binder."""
    places = [name for name in LAUNCHERS if name != "Binder" or path.startswith(TRAINS_NOTHING)]
    links = " ".join(f'<a href="{LAUNCHERS[name](path)}">Open in {name}</a>' for name in places)
    title, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f'{title}\n\n<p class="launch">{links}</p>\n{rest}'


def _put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
