"""The web site in a browser: nothing from elsewhere, nothing wider than a phone, no barrier that axe-core finds."""

import labs
import nbformat
import pytest
from website import __main__ as website
from website import labs_pages, npm, serving, tree

pytestmark = pytest.mark.slow

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SIZES = {"desktop": (1366, 900), "phone": (390, 844)}
PAGES = ["index", "notebooks/01_explore_data", "course/lab1", "docs/results", "docs/glossary", "search"]


def small_notebook():
    """What a notebook's page may hold: a figure, wide and long tables, long code, a long print, a summary in colour."""
    wide = "<table class='dataframe'><tr>" + "".join(f"<th>column number {n}</th>" for n in range(30)) + "</tr></table>"
    summary = (
        "<pre style='white-space:pre;overflow-x:auto'>" + "━" * 100 + "<span style='color: #0087ff'>64</span></pre>"
    )
    shown = [
        {"image/png": PIXEL},
        {"text/html": wide},
        {"text/html": f"<table>{'<tr><td>1</td></tr>' * 60}</table>"},
        {"text/html": summary},
    ]
    cell = nbformat.v4.new_code_cell("print('" + "x" * 115 + "')", metadata={"mystnb": {"image": {"alt": "One pixel"}}})
    cell.outputs = [nbformat.v4.new_output("display_data", data=data) for data in shown]
    cell.outputs.append(nbformat.v4.new_output("stream", name="stdout", text="y" * 300))
    cells = [nbformat.v4.new_markdown_cell(f"# 01 · A page\n\n## A part\n\n`{'z' * 90}`"), cell]
    return nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a site with all documents, a lab and a small notebook, built as `make site` builds it."""
    if serving.CHROMIUM is None:
        pytest.skip("needs Chromium, which is not on this machine")
    out = tmp_path_factory.mktemp("site")
    pages = {
        labs.students_path(path).relative_to(website.ROOT).as_posix(): labs_pages.page(path)
        for path in labs.solutions()[:1]
    }
    website.build(out, tree.documents(), {"notebooks/01_explore_data.ipynb": small_notebook(), **pages})
    with serving.served(out / "html") as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        yield (chromium := playwright.chromium.launch(executable_path=serving.CHROMIUM, args=["--no-sandbox"]))
        chromium.close()


@pytest.fixture(scope="module")
def axe():
    """axe-core's script, from npm; None where that cannot be had."""
    try:
        return npm.read("axe-core@4.14.1", ["axe.min.js"])["axe.min.js"].decode()
    except npm.NpmError:
        return None


def open_page(browser, address, size, scheme="light"):
    """A page at a size in a colour scheme, and the list of what it asked other addresses for."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    asked = []
    own = address.rpartition(":")[0]
    page.on("request", lambda request: None if request.url.startswith((own, "data:")) else asked.append(request.url))
    page.goto(address, wait_until="networkidle")
    return page, asked


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nobody_else_fits_a_phone_and_has_no_serious_barrier(site, browser, axe, name):
    for size, scheme in (("desktop", "light"), ("phone", "dark"), ("desktop", "dark")):
        page, asked = open_page(browser, f"{site}{name}.html", size, scheme)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert not asked and wider == 0, (size, asked, wider)
        found = []
        if axe:
            page.evaluate(axe)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)")
        page.close()
        barriers = [
            (fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")
        ]
        assert not barriers, (size, scheme)
    if not axe:
        pytest.skip("axe-core cannot be had from npm; all else was looked at")


def test_a_solution_opens_where_it_is_asked_for(site, browser):
    page, _ = open_page(browser, f"{site}course/lab1.html", "phone")
    folded = page.locator("details", has_text="Solution").first
    assert not folded.locator("pre").is_visible()
    folded.locator("summary").click()
    assert folded.locator("pre").is_visible()
    page.close()
