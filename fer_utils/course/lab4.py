"""Exercises of lab 4."""

EXERCISES = {}
