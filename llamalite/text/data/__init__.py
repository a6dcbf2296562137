"""Cleaning a crawl: documents in, documents out, one idea a file; NumPy and the standard library."""
