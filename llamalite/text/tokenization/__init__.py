"""Strings to ids and back: one tokenizer a file, all with the interface of ``tokenizer.Tokenizer``."""
