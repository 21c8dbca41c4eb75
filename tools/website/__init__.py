"""The web site (`make site`): Sphinx's source tree from the repository's own files, and what must hold of its pages.

links: which of a page's links lead to a page, and which to the repository. executed: the notebooks' outputs, and whose
images they may show. labs_pages: a lab with its solutions folded. tree: all of that in one folder. conf.py: Sphinx's
settings. checks: of the finished pages. `python -m website` (in tools/) does it in this order. try_page, npm and
try/: the page on which anybody tries the network. serving: a folder for a browser on this machine.
"""
