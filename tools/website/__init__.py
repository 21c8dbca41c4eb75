"""The web site (`make site`): make Sphinx's source tree from the repository's files, and check the finished pages.

links: point a page's links to a page or to the repository. executed: read the notebooks' outputs, and refuse those that
may show real faces. labs_pages: fold a lab's solutions. tree: write all pages into one folder. conf.py: Sphinx's
settings. checks: check the finished pages. `python -m website` (in tools/) does these in this order. try_page, npm and
try/: the page on which a reader tries the network. serving: serve a folder to a browser on this machine.
"""
