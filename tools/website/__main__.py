"""``make site``: the web site in outputs/site/html, from the runs of profiles/site.yaml."""

import argparse
import sys

import sphinx.cmd.build
from addresses import ROOT, is_placeholder

from website import checks, executed, labs_pages, reference, tree
from website.links import PageError

OUT = "outputs/site"
CONFIG = ROOT / "tools/website"


def notebooks(root=ROOT):
    """Every notebook and lab as a page: path -> notebook. Raises PageError where a run's data are not the sample's."""
    folders = {name: root / OUT / run for name, run in executed.STUDY.items()}
    folders |= {name: executed.execute_report(name, f"{OUT}/reports") for name in executed.REPORTS}
    found = {
        f"notebooks/{name}.ipynb": executed.with_outputs(name, folder, executed.allowed_checksums(name))
        for name, folder in sorted(folders.items())
    }
    for path in sorted((root / "course").glob("lab*.solution.py")):
        found[f"course/{path.name.replace('.solution.py', '.ipynb')}"] = labs_pages.page(path)
    return found


def build(out, texts, pages):
    """Make the site of Markdown `texts` and notebook `pages` in the folder `out`. Raises PageError for any fault."""
    tree.write(out / "source", texts, pages)
    tags = ["-t", "placeholder"] if is_placeholder() else []
    options = ["-W", "--keep-going", "-q", "-E", "-c", str(CONFIG), "-d", str(out / "doctrees"), *tags]
    if sphinx.cmd.build.main([*options, str(out / "source"), str(out / "html")]):
        raise PageError("Sphinx's warnings, above, are errors here")
    if faults := checks.faults(out / "html"):
        raise PageError("\n".join(["The finished pages have faults:", *faults]))


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    build(ROOT / OUT, tree.documents() | reference.pages(), notebooks())
    print(f"{OUT}/html/index.html")


if __name__ == "__main__":
    try:
        main()
    except PageError as error:
        sys.exit(f"make site: {error}")
