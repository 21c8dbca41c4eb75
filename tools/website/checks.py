"""What must hold of the finished pages, from their HTML alone: alternative texts, links, nothing from elsewhere."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

FILE_NAME = re.compile(r"\S+\.(png|jpe?g|svg|gif|webp)|[0-9a-f]{32,}", re.IGNORECASE)
LOADED = dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed"), "src")
LOADED_LINKS = {"stylesheet", "preload", "icon", "modulepreload"}


class Page(HTMLParser):
    """What a page has that other pages can lead to (ids), what it leads to, and what is wrong with it by itself."""

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
        loaded = given.get(LOADED.get(tag, ""))
        if tag == "link" and LOADED_LINKS & set((given.get("rel") or "").split()):
            loaded = given.get("href")
        if loaded and (urlsplit(loaded).scheme not in ("", "data") or urlsplit(loaded).netloc):
            self.faults.append(f"line {line}: {loaded} would be loaded from elsewhere")
        self.links += [(line, address) for address in (loaded, given.get("href") if tag == "a" else "") if address]


def describes(text):
    """Whether an alternative text says something; Sphinx and myst-nb put the file's name where there is none."""
    return bool(text and text.strip()) and not FILE_NAME.fullmatch(text.strip().rpartition("/")[2])


def faults(folder):
    """All that is wrong with the HTML pages below `folder` (but for the theme's templates): a sentence each."""
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.html"))
        if "_static" not in path.parts
    }
    found = []
    for path, page in pages.items():
        broken = [text for line, href in page.links if (text := _broken(line, href, path, pages))]
        found += [f"{path.relative_to(folder)}, {text}" for text in page.faults + broken]
    return found


def _broken(line, href, path, pages):
    """What is wrong with a link, "" if nothing; where other sites are concerned nothing is asked."""
    parts = urlsplit(href)
    if parts.scheme or parts.netloc:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return f"line {line}: the link {href} leads to no file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].ids:
        return f"line {line}: the link {href} leads to a page without that place"
    return ""
