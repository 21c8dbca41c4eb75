"""Make the students' notebooks from the labs' solutions: ``python tools/labs.py`` writes course/lab*.ipynb.

course/labN.solution.py is the original (jupytext, percent format). The lines between nbgrader's markers ``### BEGIN
SOLUTION`` and ``### END SOLUTION`` are removed. Students write the body of a function themselves; outside of functions,
the check below the exercise names what is missing.
"""

import re
from pathlib import Path

import jupytext
import nbformat

COURSE = Path(__file__).resolve().parents[1] / "course"
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION$", re.MULTILINE | re.DOTALL)
YOURS = "# YOUR CODE HERE"  # nbgrader's words


def solutions():
    """Return the paths of the originals, in the order of their numbers."""
    return sorted(COURSE.glob("lab*.solution.py"))


def with_solutions(path):
    """Return a lab with its solutions as a notebook; cell ids consist of the lab's name and the cell's number."""
    notebook = jupytext.read(path)
    stem = path.name.removesuffix(".solution.py")
    for place, cell in enumerate(notebook.cells):
        cell["id"] = f"{stem}-{place:02d}"
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def is_exercise(cell):
    """Return whether a student has to write something in this cell."""
    return cell.cell_type == "code" and bool(SOLUTION.search(cell.source))


def stripped(source):
    """Return a cell's source without its solutions. Raises ValueError if a marker has no partner."""

    def placeholder(solution):
        indent = solution[1]
        return f"{indent}{YOURS}\n{indent}raise NotImplementedError" if indent else YOURS

    left = SOLUTION.sub(placeholder, source)
    if "### BEGIN SOLUTION" in left or "### END SOLUTION" in left:
        raise ValueError(f"a solution's marker without its partner in the cell:\n{source}")
    return left


def students(path):
    """Return the notebook that students get."""
    notebook = with_solutions(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = stripped(cell.source)
    return notebook


def students_path(path):
    return path.with_name(path.name.replace(".solution.py", ".ipynb"))


def text(notebook):
    """Return a notebook as the text of its file."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT, ensure_ascii=False).rstrip("\n") + "\n"


if __name__ == "__main__":
    for path in solutions():
        students_path(path).write_text(text(students(path)), encoding="utf-8")
        print(students_path(path).relative_to(COURSE.parent))
