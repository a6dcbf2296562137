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
    Mutant(
        "a second begin of text",
        "align/chat.py",
        "*tokenizer.encode(content), end_of_turn]",
        "*tokenizer.encode(content, bos=True), end_of_turn]",
        "tests/test_sft.py::test_a_dialogue_is_what_the_format_writes_for_the_next_question[llama3]",
    ),
    Mutant(
        "the mask of the answers off by one",
        "align/sft.py",
        "return rows.trained[:, 1:] &",
        "return rows.trained[:, :-1] &",
        "tests/test_sft.py::test_the_loss_is_that_of_pytorch",
    ),
    Mutant(
        "the end of an answer is never trained",
        "align/sft.py",
        "[learnt] * len(answer)",
        "[learnt] * (len(answer) - 1) + [False]",
        "tests/test_sft.py::test_the_answers_are_learnt_with_their_ends_and_nothing_else_is[messages0]",
    ),
    Mutant(
        "packed dialogues read each other",
        "align/sft.py",
        "same = document[:, :, None] == document[:, None, :]",
        "same = document[:, :, None] >= document[:, None, :]",
        "tests/test_sft.py::test_packing_changes_neither_losses_nor_gradients[lengths0]",
    ),
    Mutant(
        "the loss of answers divided by all tokens",
        "align/sft.py",
        "(values * counts).sum() / counts.sum().clamp(min=1)",
        "(values * counts).sum() / counts.numel()",
        "tests/test_sft.py::test_the_loss_by_hand",
    ),
]
