"""Broken inputs, a table a kind: how each is made, what reads it, and the one error that it must give."""
