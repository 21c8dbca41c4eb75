"""Check the HTML of the finished pages: images have alternative texts, links work, nothing loads from other sites."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

FILE_NAME = re.compile(r"\S+\.(png|jpe?g|svg|gif|webp)|[0-9a-f]{32,}", re.IGNORECASE)
LOADING = {"script", "img", "iframe", "source", "video", "audio", "embed"}  # tags that load their `src`
LOADED_LINKS = {"stylesheet", "preload", "icon", "modulepreload"}


class Page(HTMLParser):
    """A page's anchors (ids), its links as (line, address), and the faults found on the page alone."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.faults = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        line = self.getpos()[0]
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "img" and not describes(given.get("alt")):
            self.faults.append(f"line {line}: the image {given.get('src', '')[:80]} has no alternative text")
        loaded = given.get("src") if tag in LOADING else None
        if tag == "link" and LOADED_LINKS & set((given.get("rel") or "").split()):
            loaded = given.get("href")
        if loaded and (urlsplit(loaded).scheme not in ("", "data") or urlsplit(loaded).netloc):
            self.faults.append(f"line {line}: {loaded} would be loaded from elsewhere")
        address = given.get("href") if tag == "a" else loaded
        if address:
            self.links.append((line, address))


def describes(text):
    """Return whether an alternative text is more than the file's name, which Sphinx and myst-nb use by default."""
    return bool(text and text.strip()) and not FILE_NAME.fullmatch(text.strip().rpartition("/")[2])


def faults(folder):
    """Return the faults of the HTML pages below `folder`, except the theme's own files, as a list of sentences."""
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.html"))
        if "_static" not in path.parts
    }
    found = []
    for path, page in pages.items():
        texts = page.faults + [_broken(line, href, path, pages) for line, href in page.links]
        found += [f"{path.relative_to(folder)}, {text}" for text in texts if text]
    return found


def _broken(line, href, path, pages):
    """Return what is wrong with a link, or "". Links to other sites are not checked."""
    parts = urlsplit(href)
    if parts.scheme or parts.netloc:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return f"line {line}: the link {href} leads to no file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].ids:
        return f"line {line}: the link {href} leads to a page without that anchor"
    return ""
