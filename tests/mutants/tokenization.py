"""The museum of chapter ``tokenization``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "strip for the dummy prefix",
        "text/tokenization/pieces.py",
        "return text[1:] if prefixed and self.dummy_prefix else text",
        "return text.strip()",
        "tests/test_pieces.py::test_spaces_at_both_ends_come_back",
    ),
    Mutant(
        "two begin tokens",
        "text/tokenization/specials.py",
        "ids += [part] if isinstance(part, int)",
        "ids += [part, part] if isinstance(part, int)",
        "tests/test_ranked.py::test_a_dialogue_has_one_beginning",
    ),
    Mutant(
        "a word that is a token is merged all the same",
        "text/tokenization/ranked.py",
        "        if word in self.ranks:\n            return [self.ranks[word]]\n",
        "",
        "tests/test_ranked.py::test_a_word_that_is_a_token_is_never_taken_apart",
    ),
    Mutant(
        "pairs counted once a word, not once a time",
        "text/tokenization/learning.py",
        "self.counts[pair] += self.times[place]",
        "self.counts[pair] += 1",
        "tests/test_learning.py::test_a_frequent_word_counts_as_often_as_it_comes",
    ),
]
