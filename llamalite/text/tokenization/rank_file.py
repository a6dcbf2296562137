"""The file of Llama 3's tokenizer: a line a token, its bytes in base64 and its rank (facts D3).

The format is tiktoken's. Special tokens and the pattern that cuts a text into words are not in it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence


def read_ranks(content: bytes) -> list[bytes]:
    """The tokens in the order of their ranks. ValueError names the line that is wrong.

    >>> read_ranks(write_ranks([bytes([byte]) for byte in range(256)] + [b"ab"]))[255:]
    [b'\\xff', b'ab']
    """
    ranks: dict[bytes, int] = {}
    lines: dict[int, int] = {}  # rank → the line it stood in
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        token, rank = read_line(line, number)
        if rank in lines:
            raise ValueError(f"line {number}: rank {rank} was given already, in line {lines[rank]}")
        if token in ranks:
            raise ValueError(
                f"line {number}: {token!r} is a token already, of rank {ranks[token]} in line "
                f"{lines[ranks[token]]}"
            )
        ranks[token], lines[rank] = rank, number
    return in_order(ranks, lines)


def read_line(line: bytes, number: int) -> tuple[bytes, int]:
    parts = line.split()
    if len(parts) != 2 or not parts[1].isdigit():
        raise ValueError(
            f'line {number}: {shown(line)} is not a token in base64 and its rank, such as "aGk= 123"; '
            "is the file whole?"
        )
    try:
        token = base64.b64decode(parts[0], validate=True)
    except binascii.Error as error:
        raise ValueError(f"line {number}: {shown(parts[0])} is not base64 ({error})") from error
    if not token:
        raise ValueError(f"line {number}: the token is empty")
    return token, int(parts[1])


def shown(line: bytes) -> str:
    """Enough of a line to find it by, whatever is in it."""
    return ascii(line[:40].decode(errors="replace")) + "…" * (len(line) > 40)


def in_order(ranks: dict[bytes, int], lines: dict[int, int]) -> list[bytes]:
    """Ranks are ids: they must run from 0 without a gap, and hold every byte, or some text had no ids."""
    if not ranks:
        raise ValueError("there is no token in it")
    if missing := sorted(set(range(len(ranks))) - lines.keys()):
        at = lines[min(rank for rank in lines if rank >= missing[0])]
        raise ValueError(f"line {at}: rank {missing[0]} is missing before it; is the file whole?")
    if absent := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        raise ValueError(
            f"the byte {absent[0]} (0x{absent[0]:02X}) is not among its tokens; is the file whole?"
        )
    return sorted(ranks, key=ranks.__getitem__)


def write_ranks(tokens: Sequence[bytes]) -> bytes:
    """
    >>> write_ranks([b"a", b"ab"])
    b'YQ== 0\\nYWI= 1\\n'
    """
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))
