"""Exercises: one file a chapter, each with problems, checks, hints and solutions."""
