"""Pages of the package's public functions: what each room's `__init__.py` lists, read by Sphinx's autodoc."""

import ast
import re

from addresses import ROOT

ROOMS = ("runs", "sample", "data", "models", "training", "evaluation", "plotting", "comparison")
ROOMS += ("recognize", "score", "course")  # those that a study of the paper does not need


def pages(root=ROOT):
    """The text of each page: path -> Markdown. Rooms that list nothing, or are not there, have none."""
    listed = {room: public_names(root / "fer_utils" / room / "__init__.py") for room in ROOMS}
    return {f"reference/{room}.md": _page(room, names) for room, names in listed.items() if names}


def public_names(path):
    """The functions and classes that a room's first page imports, or defines; [] where there is none."""
    if not path.is_file():
        return []
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = [name.asname or name.name for line in body if isinstance(line, ast.ImportFrom) for name in line.names]
    found += [line.name for line in body if isinstance(line, ast.FunctionDef | ast.ClassDef)]
    return [name for name in found if not name.isupper() and not name.startswith("_")]


def _page(room, names):
    listed = f".. automodule:: fer_utils.{room}\n   :members: {', '.join(names)}"
    return f"# fer_utils.{room}\n\n```{{eval-rst}}\n{listed}\n```\n"


def as_rst(lines):
    """A plain text docstring as reStructuredText that warns of nothing: `code` stays code, layout stays as typed.

    A paragraph of one indentation flows; one with several (a list, a table) keeps its lines.
    """
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip("\n"))
    shown = []
    for paragraph in paragraphs:
        own = paragraph.split("\n")
        indents = {len(line) - len(line.lstrip()) for line in own}
        flows = len(indents) == 1 and not re.match(r"\s*[-*•]|\s*\d+\.", paragraph)
        shown += [_escaped(line.strip()) for line in own] if flows else [f"| {_line(line)}" for line in own]
        shown.append("")
    return shown


def _line(line):
    text = line.lstrip()
    return " " * (len(line) - len(text)) + _escaped(text)


def _escaped(text):
    """Without markup but for code."""
    parts = re.split(r"``(.+?)``|`(.+?)`", text)
    words = [re.sub(r"([\\*_|:\-.])", r"\\\1", part or "") for part in parts[::3]]
    code = [first or second for first, second in zip(parts[1::3], parts[2::3], strict=True)]
    return "".join(f"{word}\\ ``{name}``\\ " for word, name in zip(words, code, strict=False)) + words[-1]
