"""Exercises of lab 5."""

EXERCISES = {}
