"""Students' notebooks from the labs' solutions: ``python tools/labs.py`` writes course/lab*.ipynb.

course/labN.solution.py is the original (jupytext, percent format). What stands between ``### BEGIN SOLUTION`` and
``### END SOLUTION``, nbgrader's own markers, is taken out of the student's notebook: a function's body is left to be
written, and outside of functions the check below says what is missing.
"""

import re
from pathlib import Path

import jupytext
import nbformat

COURSE = Path(__file__).resolve().parents[1] / "course"
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION$", re.MULTILINE | re.DOTALL)
YOURS = "# YOUR CODE HERE"  # nbgrader's words


def solutions():
    """The originals, in the order of their numbers."""
    return sorted(COURSE.glob("lab*.solution.py"))


def with_solutions(path):
    """A lab with its solutions, as a notebook that can be run; cell ids follow from the lab and the cell's place."""
    notebook = jupytext.read(path)
    stem = path.name.removesuffix(".solution.py")
    for place, cell in enumerate(notebook.cells):
        cell["id"] = f"{stem}-{place:02d}"
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def is_exercise(cell):
    """Whether a student writes something in this cell."""
    return cell.cell_type == "code" and bool(SOLUTION.search(cell.source))


def stripped(source):
    """A cell's source without its solutions. Raises ValueError where a marker has no partner."""
    left = SOLUTION.sub(
        lambda found: f"{found[1]}{YOURS}" + (f"\n{found[1]}raise NotImplementedError" * bool(found[1])), source
    )
    if "### BEGIN SOLUTION" in left or "### END SOLUTION" in left:
        raise ValueError(f"a solution's marker without its partner in the cell:\n{source}")
    return left


def students(path):
    """The notebook that students get."""
    notebook = with_solutions(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = stripped(cell.source)
    return notebook


def students_path(path):
    return path.with_name(path.name.replace(".solution.py", ".ipynb"))


def text(notebook):
    """A notebook as the repository keeps it."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT, ensure_ascii=False).rstrip("\n") + "\n"


if __name__ == "__main__":
    for path in solutions():
        students_path(path).write_text(text(students(path)), encoding="utf-8")
        print(students_path(path).relative_to(COURSE.parent))
