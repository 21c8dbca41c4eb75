"""Exercises of lab 3."""

EXERCISES = {}
