"""Texts that tokenizers go wrong on, for hypothesis to draw from."""

from hypothesis import strategies as st

SNIPPETS = [
    "the", " the", "'ll", "  ", "    ", "\n\n", "\t", "\r\n", "\0", "\x1b", "▁", "▁▁", "<s>", "</s>", "<unk>",
    "<0x0A>", "2023", "１２", "½", "안녕", "세계", "日本", "ひカー", "việc", "naïve", "e\u0301", "\u200d",
    "\ufeff", "\u00a0", "\u3000", "🦙", "👩‍👩‍👧‍👦", "\U0010ffff", "\ufffd", "!!!", "...", "http://", "Hello",
    "return x", "<user>", "[x] y", "<|eot_id|>",
]  # fmt: skip


def between(characters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Snippets and other characters in any order."""
    return st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(characters, max_size=6)), max_size=12).map(
        "".join
    )


texts = between(st.characters(exclude_categories=["Cs"]))
# Whether a character is a letter depends on the Unicode version of whoever is asked: U+323B0, new in
# Unicode 17, is one to the ``regex`` package of 2026 and none to tiktoken. These are old enough.
assigned_texts = between(st.characters(exclude_categories=["Cs", "Cn"]))
