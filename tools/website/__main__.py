"""``make site``: build the web site in outputs/site/html, from the runs of profiles/site.yaml."""

import argparse
import shutil
import subprocess
import sys

from addresses import ROOT, is_placeholder

from website import checks, executed, labs_pages, npm, reference, tree, try_page
from website.links import PageError

OUT = "outputs/site"
CONFIG = ROOT / "tools/website"


def notebooks(root=ROOT):
    """Return each notebook and lab as a page: path -> notebook. Raises PageError if a run's data are not the sample."""
    folders = {name: root / OUT / run for name, run in executed.STUDY.items()}
    folders |= {name: executed.execute_report(name, f"{OUT}/reports") for name in executed.REPORTS}
    found = {
        f"notebooks/{name}.ipynb": executed.with_outputs(name, folder, executed.allowed_checksums(name))
        for name, folder in sorted(folders.items())
    }
    for path in sorted((root / "course").glob("lab*.solution.py")):
        found[f"course/{path.name.replace('.solution.py', '.ipynb')}"] = labs_pages.page(path)
    return found


def build(out, texts, pages, loaded=None):
    """Build the site from Markdown `texts` and notebook `pages` in the folder `out`. Raises PageError for any fault.

    loaded: the files that docs/try-it.md loads (``try_page.files``), None for a site without them.
    """
    tree.write(out / "source", texts, pages)
    shutil.rmtree(out / "html", ignore_errors=True)  # an earlier build may hold pages that were removed since
    options = ["-W", "--keep-going", "-q", "-E", "-c", CONFIG, "-d", out / "doctrees"]
    if is_placeholder():
        options += ["-t", "placeholder"]
    command = [sys.executable, "-m", "sphinx", *options, out / "source", out / "html"]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise PageError(f"Sphinx failed (its warnings count as errors):\n{ran.stderr}")
    if loaded:
        try_page.put(out / "html", loaded)
    if faults := checks.faults(out / "html"):
        raise PageError("\n".join(["The finished pages have faults:", *faults]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before-the-runs", action="store_true", help="only delete the runs of changed notebooks")
    if parser.parse_args().before_the_runs:
        return executed.forget_other_code(OUT)
    texts = tree.documents() | reference.pages()
    try:
        loaded, texts = try_page.files(), try_page.with_panel(texts)
    except npm.NpmError as error:
        print(f"The page {try_page.PAGE} will not work on this copy of the site: {error}")
        loaded, texts = None, try_page.without_panel(texts, error)
    build(ROOT / OUT, texts, notebooks(), loaded)
    print(f"{OUT}/html/index.html")


if __name__ == "__main__":
    try:
        main()
    except PageError as error:
        sys.exit(f"make site: {error}")
