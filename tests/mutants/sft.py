"""The museum of chapter ``sft``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "no space before the end of an answer",
        "align/chat.py",
        "{assistant.content.strip()} ",
        "{assistant.content.strip()}",
        "tests/test_chat.py::test_llama2_as_a_string",
    ),
]
