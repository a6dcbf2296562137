"""How a conversation becomes ids: the formats of Llama 2-Chat and of Llama 3 (facts E1 and E2).

Both end where the assistant is to begin. What a user writes is always ordinary text: special tokens
are put round it, never read out of it. What it leaves out: tools; and what is learnt of it (``sft``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from llamalite.text.tokenization.tokenizer import Tokenizer


class Message(NamedTuple):
    """One turn of a conversation; ``role`` is system, user or assistant."""

    role: str
    content: str


class Format(NamedTuple):
    """A way to write conversations as ids, and the special tokens that end an answer.

    encode   messages up to a user's → ids that end where the assistant is to begin
    answer   messages up to an assistant's → the ids of that last one, with the token that ends it
    """

    encode: Callable[[Tokenizer, Sequence[Message]], list[int]]
    answer: Callable[[Tokenizer, Sequence[Message]], list[int]]
    ends: tuple[str, ...]

    def stop_ids(self, tokenizer: Tokenizer) -> set[int]:
        return {tokenizer.special_ids[end] for end in self.ends if end in tokenizer.special_ids}


def check_turns(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """The system's message (or none: "") and the turns, which must alternate and end with a user's.

    >>> check_turns([Message("system", "Be brief."), Message("user", "Hello")])
    ('Be brief.', [Message(role='user', content='Hello')])
    """
    turns = list(messages)
    system = turns.pop(0).content if turns and turns[0].role == "system" else ""
    for i, turn in enumerate(turns):
        expected = "assistant" if i % 2 else "user"
        if turn.role != expected:
            raise ValueError(
                f"chat: turn {i + 1} is the {turn.role}'s, and should be the {expected}'s; "
                "user and assistant take turns, after one system message at most"
            )
    if len(turns) % 2 == 0:
        raise ValueError("chat: the last turn must be the user's; the assistant answers that")
    return system, turns


# --- Llama 2-Chat: tags that are ordinary text ---------------------------------------------------------

TAGS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")


def encode_llama2(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """One <s> … </s> for each question and its answer; the system's message is part of the first question.

    Raises ValueError where a message contains one of the tags, as Meta's code does: nothing but
    their spelling tells them from what a user writes.
    """
    for message in messages:
        if found := [tag for tag in TAGS if tag in message.content]:
            raise ValueError(
                f"chat: a message contains {found[0]}, which Llama 2's format gives a meaning; leave it out"
            )
    system, turns = check_turns(messages)
    if system:
        turns[0] = Message("user", f"<<SYS>>\n{system}\n<</SYS>>\n\n{turns[0].content}")
    ids: list[int] = []
    for user, assistant in zip(turns[0:-1:2], turns[1::2], strict=True):
        pair = f"[INST] {user.content.strip()} [/INST] {assistant.content.strip()} "
        ids += tokenizer.encode(pair, bos=True, eos=True)
    return ids + tokenizer.encode(f"[INST] {turns[-1].content.strip()} [/INST]", bos=True)


def answer_llama2(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """What follows [/INST] in the pair that the last two messages are: the answer, a space and </s>.

    The pair is encoded as one text, as in training; a tokenizer that merged across [/INST] and what is
    said after it would leave no place to begin an answer, and is refused.
    """
    again = Message("user", "?")
    before = encode_llama2(tokenizer, messages[:-1])
    whole = encode_llama2(tokenizer, [*messages, again])
    whole = whole[: len(whole) - len(encode_llama2(tokenizer, [again]))]
    if whole[: len(before)] != before:
        raise ValueError("chat: this tokenizer joins [/INST] and the answer into one token; take another")
    return whole[len(before) :]


# --- Llama 3: special tokens ---------------------------------------------------------------------------

START, END, END_OF_TURN = "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"


def encode_header(tokenizer: Tokenizer, role: str) -> list[int]:
    """Who speaks. The empty line is encoded on its own, or it would merge with a content that begins so."""
    special = special_ids(tokenizer, START, END)
    return [special[0], *tokenizer.encode(role), special[1], *tokenizer.encode("\n\n")]


def encode_llama3(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """Begin of text once; each turn is a header, its content as it is, and <|eot_id|>; then a header."""
    system, turns = check_turns(messages)
    (end_of_turn,) = special_ids(tokenizer, END_OF_TURN)
    ids = [tokenizer.bos_id]
    for role, content in [Message("system", system)] * bool(system) + turns:
        ids += [*encode_header(tokenizer, role), *tokenizer.encode(content), end_of_turn]
    return ids + encode_header(tokenizer, "assistant")


def answer_llama3(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """The last message as it is, and <|eot_id|>."""
    return [*tokenizer.encode(messages[-1].content), *special_ids(tokenizer, END_OF_TURN)]


def special_ids(tokenizer: Tokenizer, *names: str) -> list[int]:
    if missing := [name for name in names if name not in tokenizer.special_ids]:
        raise ValueError(
            f"chat: this tokenizer has no {missing[0]}, which Llama 3's format needs; "
            "Llama 2's format makes do with <s> and </s>"
        )
    return [tokenizer.special_ids[name] for name in names]


FORMATS = {
    "llama2": Format(encode_llama2, answer_llama2, ("</s>",)),
    "llama3": Format(encode_llama3, answer_llama3, (END_OF_TURN, "<|eom_id|>", "<|end_of_text|>")),
}


def fit(
    format: Format, tokenizer: Tokenizer, messages: Sequence[Message], room: int
) -> tuple[list[int], list[Message]]:
    """Ids of the latest turns that fit into ``room`` tokens, and these turns.

    The oldest question is forgotten first, together with its answer; what the system said stays.
    """
    system = list(messages[:1]) if messages and messages[0].role == "system" else []
    turns = list(messages[len(system) :])
    while len(ids := format.encode(tokenizer, [*system, *turns])) > room:
        if len(turns) == 1:
            raise ValueError(
                f"chat: this message takes {len(ids)} tokens, and {room} are free; make it shorter"
            )
        turns = turns[2:]
    return ids, [*system, *turns]
