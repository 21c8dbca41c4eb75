"""Make pages of the package's public functions, which each subpackage's `__init__.py` lists, for Sphinx's autodoc."""

import ast
import re

from addresses import ROOT

SUBPACKAGES = ("runs", "sample", "data", "models", "training", "evaluation", "plotting", "comparison")
SUBPACKAGES += ("recognize", "score", "course")  # a study of the paper does not need these
CODE_OR_MARKUP = re.compile(r"``(.+?)``|`(.+?)`|([\\*_|:\-.])")


def pages(root=ROOT):
    """Return the text of each page: path -> Markdown. Subpackages that list nothing, or do not exist, have none."""
    listed = {name: public_names(root / "fer_utils" / name / "__init__.py") for name in SUBPACKAGES}
    return {f"reference/{name}.md": _page(name, names) for name, names in listed.items() if names}


def public_names(path):
    """Return the functions and classes that an `__init__.py` imports or defines; [] if the file does not exist."""
    if not path.is_file():
        return []
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = [name.asname or name.name for line in body if isinstance(line, ast.ImportFrom) for name in line.names]
    found += [line.name for line in body if isinstance(line, ast.FunctionDef | ast.ClassDef)]
    return [name for name in found if not name.isupper() and not name.startswith("_")]


def _page(subpackage, names):
    listed = f".. automodule:: fer_utils.{subpackage}\n   :members: {', '.join(names)}"
    return f"# fer_utils.{subpackage}\n\n```{{eval-rst}}\n{listed}\n```\n"


def as_rst(lines):
    """Return a plain text docstring as reStructuredText without warnings: `code` stays code, the layout stays.

    A paragraph with one indentation flows; one with several (a list, a table) keeps its lines.
    """
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip("\n"))
    shown = []
    for paragraph in paragraphs:
        own = paragraph.split("\n")
        indents = {len(line) - len(line.lstrip()) for line in own}
        flows = len(indents) == 1 and not re.match(r"\s*[-*•]|\s*\d+\.", paragraph)
        shown += [_escaped(line.strip()) for line in own] if flows else [f"| {_escaped(line)}" for line in own]
        shown.append("")
    return shown


def _escaped(text):
    """Escape the characters that are markup, except in `code`."""

    def escape(match):
        code = match[1] or match[2]
        return f"\\ ``{code}``\\ " if code else f"\\{match[3]}"

    return CODE_OR_MARKUP.sub(escape, text)
