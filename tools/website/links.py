"""Rewrite a page's links: links to other pages stay, links to other files lead to the repository on GitHub."""

import posixpath
import re

import addresses

CODE_OR_LINK = re.compile(r"(?P<code>`+)[^`].*?(?P=code)|(?P<image>!\[[^]]*)?\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"\s*(```|~~~)")
ELSEWHERE = re.compile(r"[a-z]+:|#")


class PageError(ValueError):
    """A page cannot be made. The message names the file, the place in it and the fix."""


def rewrite(text, page, pages, images, root=addresses.ROOT, cell=""):
    """Return the Markdown `text` of a page with links that work on the site.

    page: its path in the repository, from which its links start. pages: the paths of all pages of the site. images: a
    set, to which the paths of the page's images are added. cell: the id of a notebook's cell, for messages.
    Raises PageError for a link to a missing file.
    """
    lines, fenced = [], False
    for number, line in enumerate(text.split("\n"), start=1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            place = f"{page}, cell {cell}, line {number}" if cell else f"{page}, line {number}"
            line = CODE_OR_LINK.sub(lambda found: _link(found, place, page, pages, images, root), line)  # noqa: B023
        lines.append(line)
    return "\n".join(lines)


def folded(summary, code):
    """Return Markdown of Python code in a box that opens at a click on `summary`."""
    return f"<details><summary>{summary}</summary>\n\n```python\n{code}\n```\n\n</details>"


def _link(found, place, page, pages, images, root):
    target = found["target"]
    if target is None or ELSEWHERE.match(target):
        return found[0]
    path, hash_sign, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    if path.startswith("..") or not (root / path).exists():
        raise PageError(f"{place}: there is no {target}. Fix the link, or add the file")
    if found["image"]:
        images.add(path)
    elif path not in pages:
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"]({addresses.on_github(path, kind)}{hash_sign}{anchor})"
    return found[0]
