"""Make a lab's page: the students' notebook, with each solution folded below its exercise."""

import re

import labs
import nbformat

from fer_utils.course import checking, kinds
from website.links import folded

MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")
CHECKED = re.compile(r'course\.check\("([^"]+)"')


def page(path):
    """Return a lab's page as a notebook that is not executed. path: the file labN.solution.py."""
    notebook = labs.students(path)
    originals = {cell["id"]: cell for cell in labs.with_solutions(path).cells}
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if labs.is_exercise(originals[cell["id"]]):
            text = solution(originals[cell["id"]].source)
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"{cell['id']}-solution"))
    notebook.cells = cells
    return notebook


def solution(source):
    """Return an exercise's code, folded, without nbgrader's markers. Written answers are called an example."""
    code = "\n".join(line for line in source.split("\n") if line.strip() not in MARKERS)
    checked = checking.exercises()[CHECKED.search(source)[1]]
    return folded("An example, not the answer" if getattr(checked, "said", "") == kinds.WRITTEN else "Solution", code)
