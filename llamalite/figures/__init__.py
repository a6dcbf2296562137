"""Figures: one file a chapter, drawn by code, each with a static and an interactive form."""
