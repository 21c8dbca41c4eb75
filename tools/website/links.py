"""Links of a page: to another page they stay as they are, to any other file of the repository they lead there."""

import posixpath
import re

import addresses

CODE_OR_LINK = re.compile(r"(?P<code>`+)[^`].*?(?P=code)|(?P<image>!\[[^]]*)?\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"\s*(```|~~~)")
ELSEWHERE = re.compile(r"[a-z]+:|#")


class PageError(ValueError):
    """A page that cannot be made; the message names the file, the place in it and the mend."""


def rewrite(text, page, pages, images, root=addresses.ROOT, cell=""):
    """The Markdown `text` of a page with links that work on the site.

    page: its path in the repository, which its links start from. pages: the paths of all that become pages. images: a
    set to which the paths of images that it shows are added. cell: of a notebook, whose text this is, for messages.
    Raises PageError where a link leads nowhere.
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
    """Python code in a box that opens when asked, as Markdown."""
    return f"<details><summary>{summary}</summary>\n\n```python\n{code}\n```\n\n</details>"


def _link(found, place, page, pages, images, root):
    target = found["target"]
    if target is None or ELSEWHERE.match(target):
        return found[0]
    path, hash_sign, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    if path.startswith("..") or not (root / path).exists():
        raise PageError(f"{place}: there is no {target}. Mend the link, or put the file there")
    if found["image"]:
        images.add(path)
    elif path not in pages:
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"]({addresses.on_github(path, kind)}{hash_sign}{anchor})"
    return found[0]
