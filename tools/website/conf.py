"""Sphinx's settings for the web site (``python -m website``)."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

import addresses  # noqa: E402

from website.reference import as_rst  # noqa: E402

project = "Emotions in faces, one study rebuilt"
author = "The fer_utils authors"
copyright = f"{author}. Text: CC BY 4.0, code: MIT"
extensions = ["myst_nb", "sphinx.ext.autodoc"]

nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r".*")]  # docstrings and signatures are plain text

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the notebooks come with their outputs
nb_merge_streams = True

autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"

html_theme = "sphinx_book_theme"
html_title = project
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/favicon.svg"
html_context = {"default_mode": "auto"}
html_copy_source = False
html_use_index = False  # the search finds what an index would list
html_theme_options = {
    "repository_url": addresses.repository(),
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the theme would put a second search button here; one is in the sidebar
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def plain_text(app, what, name, obj, options, lines):
    lines[:] = as_rst(lines)


def setup(app):
    app.connect("autodoc-process-docstring", plain_text)
