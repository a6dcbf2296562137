"""The file of Llama 1 and 2's tokenizer: a protocol buffer, read and written by hand.

Source: ``sentencepiece_model.proto`` of SentencePiece. A protocol buffer is a list of fields; each begins
with a number that holds the field's number and how its value is laid out (its wire type). What is left
out: fields that Llama's files leave at their defaults, and kinds of model that they are not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # kinds of piece
BPE = 2  # a model_type: others are unigram (1), word (3) and char (4)

# Wire types: a number of any length, eight bytes, a length and so many bytes, four bytes.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Piece(NamedTuple):
    """A row of the vocabulary; of two possible merges, the one whose piece has the higher score is made."""

    text: str
    score: float
    kind: int = NORMAL


class Model(NamedTuple):
    """A piece's place in ``pieces`` is its id; ``dummy_prefix``: texts are encoded with a space in front."""

    pieces: tuple[Piece, ...]
    dummy_prefix: bool = True


def read_model(content: bytes) -> Model:
    """The vocabulary in a ``.model`` file. ValueError where it is damaged, or none that Llama could have."""
    pieces: list[Piece] = []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    try:
        for number, value in fields(content):
            if number == 1:
                pieces.append(read_piece(value))
            elif number == 2:
                trainer |= fields(value)  # one that comes twice is one message in two parts
            elif number == 3:
                normalizer |= fields(value)
    except (ValueError, TypeError, struct.error) as error:
        after = f"{len(pieces):,} pieces" if pieces else "its very beginning"
        raise ValueError(
            f"not a SentencePiece model, or a damaged one: after {after}: {error}; restore it from a copy"
        ) from error
    check(pieces, trainer, normalizer)
    return Model(tuple(pieces), bool(normalizer.get(3, True)))


def read_piece(value: bytes) -> Piece:
    found = dict(fields(value))
    score = struct.unpack("<f", found[2])[0] if 2 in found else 0.0
    if 1 not in found:
        raise ValueError("a piece has no text")
    return Piece(found[1].decode(), score, found.get(3, NORMAL))


def check(pieces: list[Piece], trainer: dict[int, Any], normalizer: dict[int, Any]) -> None:
    """Refuse what would be encoded in another way than here. Field numbers: facts D2."""
    if not pieces:
        raise ValueError("not a SentencePiece model: there are no pieces in it")
    if not trainer:
        raise ValueError(f"its settings are missing, after {len(pieces):,} pieces; is the file whole?")
    wrong = [
        (trainer.get(3, 1) != BPE, "it is not a BPE model but one of another type"),
        (bool(normalizer.get(2)), "it normalises its text, which Llama's files do not"),
        (normalizer.get(4, 1) != 0, "it removes extra spaces, which Llama's files do not"),
        (normalizer.get(5, 1) == 0, "it does not write a space as ▁"),
        (trainer.get(24, 0) != 0, "it puts spaces at the ends of words"),
        (sum(piece.kind == BYTE for piece in pieces) != 256, "it has not the 256 byte pieces"),
        (any(piece.kind == UNUSED for piece in pieces), "some of its pieces are switched off"),
    ]
    if reasons := [reason for is_wrong, reason in wrong if is_wrong]:
        raise ValueError(f"a SentencePiece model of another kind than Llama's: {reasons[0]}")


def fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: an int of a varint, bytes of everything else.

    >>> list(fields(b"\\x0a\\x02hi\\x18\\x96\\x01"))
    [(1, b'hi'), (3, 150)]
    """
    at = 0
    while at < len(content):
        key, at = read_varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = read_varint(content, at)
            yield number, value
            continue
        if wire == BYTES:
            length, at = read_varint(content, at)
        elif wire in (FIXED32, FIXED64):
            length = 4 if wire == FIXED32 else 8
        else:
            raise ValueError(f"byte {at:,} begins no field")
        if at + length > len(content):
            raise ValueError(f"field {number} needs {at + length - len(content):,} bytes more than there are")
        yield number, content[at : at + length]
        at += length


def read_varint(content: bytes, at: int) -> tuple[int, int]:
    """A number in base 128, the least digit first, and where the next thing begins.

    >>> read_varint(b"\\x96\\x01", 0)
    (150, 2)
    """
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise ValueError("it ends in the middle of a number")
        byte, at = content[at], at + 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError(f"a number that ends at byte {at:,} is too long")


def write_model(model: Model) -> bytes:
    """A ``.model`` file that ``sentencepiece`` opens, with Llama's own options (facts D1)."""
    texts = [piece.text for piece in model.pieces]
    users = [(31, piece.text.encode()) for piece in model.pieces if piece.kind == USER_DEFINED]
    trainer = [(3, BPE), (4, len(texts)), (10, 0.99995), (20, 16), (21, 1), (22, 1), (23, 1), (25, 1)]
    trainer += [(26, 1), *users, (35, 1), (40, 0), (41, 1), (42, 2), (43, -1)]
    normalizer = [(1, b"identity"), (3, int(model.dummy_prefix)), (4, 0), (5, 1)]
    return write_fields(
        [*((1, write_piece(piece)) for piece in model.pieces)]
        + [(2, write_fields(trainer)), (3, write_fields(normalizer))]
    )


def write_piece(piece: Piece) -> bytes:
    kind = [] if piece.kind == NORMAL else [(3, piece.kind)]
    return write_fields([(1, piece.text.encode()), (2, float(piece.score)), *kind])


def write_fields(values: Iterable[tuple[int, Any]]) -> bytes:
    """The inverse of ``fields``: an int as a varint, a float in four bytes, bytes after their length.

    >>> write_fields([(1, b"hi"), (3, 150)])
    b'\\n\\x02hi\\x18\\x96\\x01'
    """
    written = bytearray()
    for number, value in values:
        if isinstance(value, float):
            written += varint(number << 3 | FIXED32) + struct.pack("<f", value)
        elif isinstance(value, int):
            written += varint(number << 3 | VARINT) + varint(value)
        else:
            written += varint(number << 3 | BYTES) + varint(len(value)) + value
    return bytes(written)


def varint(number: int) -> bytes:
    """
    >>> varint(150), len(varint(-1))
    (b'\\x96\\x01', 10)
    """
    number &= (1 << 64) - 1  # a negative number as its complement of two
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes(digits + bytes([number]))
