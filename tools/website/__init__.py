"""The web site (`make site`): make Sphinx's source tree from the repository's files, and check the finished pages.

`python -m website` (in tools/) does both. try/ holds the page on which a reader tries the network.
"""
