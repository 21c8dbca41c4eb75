"""What may stand on the web site, and what its pages must have (tools/website)."""

import json
import re

import addresses
import labs
import nbformat
import pytest
from website import checks, executed, labs_pages, links, outputs, reference, tree, workflow_graph

NOTEBOOKS = sorted(executed.STUDY | executed.REPORTS)
OF_REAL_FACES = "0f6a2c1d4e5b7a8990112233445566778899aabbccddeeff0011223344556677"


def run_folder(folder, notebook, checksum, cells=()):
    """A finished run, as far as the site reads it."""
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"notebook": notebook, "data_checksum": checksum}))
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), folder / "executed.ipynb")
    return folder


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_run_of_other_data_than_the_drawn_faces_is_refused(notebook, tmp_path):
    folder = run_folder(tmp_path / "run", notebook, OF_REAL_FACES)
    with pytest.raises(links.PageError, match=f"{OF_REAL_FACES} is not the drawn sample's.*Delete"):
        executed.with_outputs(notebook, folder, executed.allowed_checksums(notebook))


def test_only_two_notebooks_may_name_the_data_of_the_reference_and_they_draw_no_image():
    real = {
        json.loads(path.read_text())["data_checksum"]
        for path in addresses.ROOT.glob(f"{executed.REFERENCE}/*-seed0/manifest.json")
    }
    assert real
    for notebook in NOTEBOOKS:
        reads_reference = notebook in ("06_compare_strategies", "07_audit_the_paper")
        assert (
            real <= executed.allowed_checksums(notebook)
            if reads_reference
            else not real & executed.allowed_checksums(notebook)
        )
        source = (addresses.ROOT / f"notebooks/{notebook}.ipynb").read_text(encoding="utf-8")
        assert not (reads_reference and re.search(r"\.images\b|sample_grid|imshow", source))


def test_a_manifest_of_another_notebook_vouches_for_nothing(tmp_path):
    (checksum,) = executed.allowed_checksums("01_explore_data")
    folder = run_folder(tmp_path / "run", "06_compare_strategies", checksum)
    with pytest.raises(links.PageError, match="a run of 06_compare_strategies, not of 01_explore_data"):
        executed.refuse_other_data("01_explore_data", folder, {checksum})


def project_with(tmp_path, source):
    """A project with one notebook, not executed, of one code cell."""
    cell = nbformat.v4.new_code_cell(source, id="one", metadata={"tags": ["parameters"]})
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks/n.ipynb")
    return tmp_path


def test_outputs_and_what_was_given_come_to_the_committed_cells(tmp_path):
    root = project_with(tmp_path, "A = 1")
    printed = nbformat.v4.new_output("stream", name="stdout", text=f"{root}/outputs/n\n")
    cells = [
        nbformat.v4.new_code_cell("A = 1", id="one", outputs=[printed]),
        nbformat.v4.new_code_cell("A = 2", id="two", metadata={"tags": ["injected-parameters"]}),
    ]
    page = executed.with_outputs("n", run_folder(tmp_path / "run", "n", "x", cells), {"x"}, root)
    assert page.cells[0].outputs[0].text == "outputs/n\n"  # no path of this machine
    assert page.cells[1].cell_type == "markdown" and "A = 2" in page.cells[1].source


def test_outputs_of_other_code_are_refused(tmp_path):
    root = project_with(tmp_path, "A = 1")
    folder = run_folder(tmp_path / "run", "n", "x", [nbformat.v4.new_code_cell("A = 3", id="one")])
    with pytest.raises(links.PageError, match="the code of n has changed. Delete"):
        executed.with_outputs("n", folder, {"x"}, root)


def test_a_run_of_other_code_is_made_again(tmp_path, monkeypatch):
    root = project_with(tmp_path, "A = 1")
    monkeypatch.setattr(executed, "STUDY", {"n": "run"})
    for source, stays in (("A = 1", True), ("A = 3", False)):
        folder = run_folder(tmp_path / "run", "n", "x", [nbformat.v4.new_code_cell(source, id="one")])
        executed.forget_other_code("", root)
        assert folder.exists() == stays


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("[a](results.md#x)", "[a](results.md#x)"),
        ("[a](#here) [b](https://example.org/)", "[a](#here) [b](https://example.org/)"),
        ("[a](../Makefile)", f"[a]({addresses.repository()}/blob/main/Makefile)"),
        ("[a](../outputs/reference/)", f"[a]({addresses.repository()}/tree/main/outputs/reference)"),
        ("[`a`](../Makefile#L3)", f"[`a`]({addresses.repository()}/blob/main/Makefile#L3)"),
        ("`[a](../Makefile)`", "`[a](../Makefile)`"),
        ("```\n[a](../none)\n```", "```\n[a](../none)\n```"),
    ],
)
def test_links_lead_to_a_page_or_to_the_repository(text, becomes):
    assert links.rewrite(text, "docs/running.md", {"docs/results.md"}, set()) == becomes


def test_images_are_taken_along():
    images, text = set(), "![a face](../outputs/reference/sample/faces.png)"
    assert links.rewrite(text, "docs/running.md", set(), images) == text
    assert images == {"outputs/reference/sample/faces.png"}


@pytest.mark.parametrize("target", ["none.md", "../../outside.md"])
def test_a_link_that_leads_nowhere_is_named_with_its_line(target):
    with pytest.raises(links.PageError, match=re.escape(f"docs/running.md, line 2: there is no {target}")):
        links.rewrite(f"\n[a]({target})", "docs/running.md", set(), set())


def test_each_page_stands_once_in_the_contents():
    pages = {*tree.documents(), *reference.pages(), "docs/of-somebody-else.md", "notebooks/01_explore_data.ipynb"}
    listed = [
        line for line in tree.contents(pages).splitlines() if "/" in line or line in ("CONTRIBUTING", "CHANGELOG")
    ]
    assert sorted(listed) == sorted(page.rpartition(".")[0] for page in pages)


# --- finished pages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<img src="a.png">', "a.png has no alternative text"),
        ('<img src="a.png" alt="../_images/0a1b.png">', "a.png has no alternative text"),
        ('<img src="a.png" alt="A curve that rises">', ""),
        ('<script src="https://example.org/x.js"></script>', "https://example.org/x.js would be loaded from elsewhere"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "would be loaded from elsewhere"),
        ('<a href="https://example.org/">b</a>', ""),
        ('<a href="other.html#there">b</a>', ""),
        ('<a href="other.html#gone">b</a>', "leads to a page without that anchor"),
        ('<a href="gone.html">b</a>', "leads to no file"),
        ('<link rel="stylesheet" href="gone.css">', "leads to no file"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(html, fault, tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "other.html").write_text('<h1 id="there">There</h1>')
    (tmp_path / "page.html").write_text(html)
    found = checks.faults(tmp_path)
    assert len(found) == bool(fault) and all(fault in text and text.startswith("page.html, line 1") for text in found)


def test_every_cell_that_draws_has_an_alternative_text():
    silent = []
    for name in NOTEBOOKS:
        for cell in nbformat.read(addresses.ROOT / f"notebooks/{name}.ipynb", as_version=4).cells:
            draws = cell.cell_type == "code" and re.search(
                r"^\s*(ax|axes|images?)? ?=? ?.*\bplot(s|ting)\.[a-z_]+\(|Image\(", cell.source, re.M
            )
            if draws and not checks.describes(cell.metadata.get("mystnb", {}).get("image", {}).get("alt")):
                silent.append(f"{name}, cell {cell['id']}")
    assert not silent


# --- what pages show otherwise than JupyterLab ------------------------------------------------------------------------


def test_a_solution_is_folded_below_its_exercise_and_a_guess_is_not_called_one():
    titles = {}
    for path in labs.solutions():
        cells = labs_pages.page(path).cells
        for place, cell in enumerate(cells):
            if cell.cell_type == "code" and "YOUR CODE HERE" in cell.source:
                text = cells[place + 1].source
                title = re.match("<details><summary>(.*)</summary>", text)[1]
                titles[re.search(r'course\.check\("([^"]+)"', cell.source)[1]] = title
                assert "SOLUTION\n" not in text and "```python" in text
    assert set(titles.values()) == {"Solution", "An example, not the answer"}
    assert {titles[name] for name in ("floor guess", "luck guess", "own labels", "own sentence")} == {
        "An example, not the answer"
    }
    assert {titles[name] for name in ("wilson", "copied", "luck", "faces apart")} == {"Solution"}


def test_logs_go_and_warnings_stay():
    text = "I0000 00:00:1795.1 2 port.cc:1] oneDNN\nDataWarning: 3 images lack\n"
    streams = [{"output_type": "stream", "name": "stderr", "text": text}, {"output_type": "stream", "text": "\n"}]
    assert [output["text"] for output in outputs.tidy(streams)] == ["DataWarning: 3 images lack\n"]


def test_the_graph_is_drawn_and_told_in_words():
    mermaid = (
        "```mermaid\nflowchart TB\n id0[all]\n id1[<b>arm]\n id2[data]\n id1 --> id0\n id2 --> id1\n id2 --> id0\n```"
    )
    drawing = workflow_graph.drawing(mermaid)
    assert "all waits for &lt;b&gt;arm; &lt;b&gt;arm waits for data." in drawing
    assert (
        drawing.count("<rect") == 3 and drawing.count('marker-end="url(#tip)"') == 2
    )  # all waits for data through arm


def test_docstrings_warn_of_nothing():
    lines = ["Do *it* with `a_b` and c_.", "", "x: one", "    two | three"]
    assert reference.as_rst(lines)[0] == "Do \\*it\\* with \\ ``a_b``\\  and c\\_\\."
    assert reference.as_rst(lines)[2:4] == ["| x\\: one", "|     two \\| three"]
