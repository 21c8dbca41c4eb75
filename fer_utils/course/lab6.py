"""Exercises of lab 6."""

EXERCISES = {}
