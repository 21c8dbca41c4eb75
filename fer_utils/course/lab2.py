"""Exercises of lab 2."""

EXERCISES = {}
