"""Strings to token ids to batches. No torch here."""
