"""A lab as its students get it, each solution folded below its exercise."""

import labs
import nbformat

from website.links import folded

MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")


def page(path):
    """The page of a lab: the student's notebook, not executed. path: of labN.solution.py."""
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
    """An exercise's code without nbgrader's markers, folded."""
    code = "\n".join(line for line in source.split("\n") if line.strip() not in MARKERS)
    return folded("Solution", code)
