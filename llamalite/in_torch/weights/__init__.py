"""Weights of others: Meta's files, Hugging Face's files, and ours, each into each (facts C)."""
