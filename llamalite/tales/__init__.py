"""The synthetic world the book trains on: texts that ship, made by our own generator."""
