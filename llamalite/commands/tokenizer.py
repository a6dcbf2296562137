"""``llamalite tokenizer``: train one, use it, look into it, hold two against each other."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

Name = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TOKENIZER")]
Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT")]
File = Annotated[str | None, tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True)
class TrainTokenizer:
    """Learn a vocabulary from a text, into files that sentencepiece or tiktoken read, too.

    For example:
      llamalite tokenizer train --data tales-en --vocab-size 1024 --out toks
      llamalite tokenizer train --kind ranked --data plays.txt --vocab-size 4096 --out toks
    """

    out: Path
    """Folder of the tokenizer, made here."""
    data: str = "tales-en"
    """A UTF-8 text file, a folder that `llamalite data` made, or the name of a text that ships."""
    kind: Literal["spm", "ranked"] = "spm"
    """spm: SentencePiece BPE, as in Llama 1 and 2; ranked: byte pairs with ranks, as in Llama 3."""
    vocab_size: int = 1024
    """How many ids there are to be, with bytes and special tokens."""
    user_symbols: tuple[str, ...] = ()
    """spm: strings that become one token wherever they stand."""
    special_tokens: tuple[str, ...] = ()
    """ranked: in place of <|begin_of_text|> and <|end_of_text|>; the first two begin and end a text."""


@dataclass(frozen=True)
class EncodeText:
    """Turn text into ids: to read, or into a NumPy file, as large as the text may be.

    For example:
      llamalite tokenizer encode runs/first --text "Once upon a time" --bos
      llamalite tokenizer encode llama3-tokenizer.model --file plays.txt --out plays.npy
    """

    tokenizer: Name
    """Folder of a run or of a tokenizer, or a file such as Meta's tokenizer.model."""
    text: Text = None
    """What to encode; or:"""
    file: File = None
    """A UTF-8 text file, a folder that `llamalite data` made, or the name of a text that ships."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A .npy file for the ids: uint16 if all ids fit, else uint32. Without it, they are printed."""
    bos: bool = False
    """Begin with the id that begins a text."""
    eos: bool = False
    """End with the id that ends one."""
    allow_special: bool = False
    """Take special strings in the text, such as <|eot_id|>, for what they stand for; else they are text."""


@dataclass(frozen=True)
class DecodeIds:
    """Turn ids back into text.

    For example:
      llamalite tokenizer decode runs/first 259 410 77
      llamalite tokenizer decode llama3-tokenizer.model --file plays.npy > plays.txt
    """

    tokenizer: Name
    """Folder of a run or of a tokenizer, or a file such as Meta's tokenizer.model."""
    ids: Annotated[tuple[int, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[ID …]")] = ()
    """What to decode; or:"""
    file: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A .npy file of ids."""


@dataclass(frozen=True)
class InspectTokenizer:
    """Show what is in a vocabulary, in one token, or in the tokens of a text.

    For example:
      llamalite tokenizer inspect llama2-tokenizer.model
      llamalite tokenizer inspect runs/first --token 300
      llamalite tokenizer inspect runs/first --text "Once upon a time"
    """

    tokenizer: Name
    """Folder of a run or of a tokenizer, or a file such as Meta's tokenizer.model."""
    token: Annotated[int | None, tyro.conf.arg(metavar="ID")] = None
    """Only this id."""
    text: Text = None
    """Only the tokens of this text."""


@dataclass(frozen=True)
class CompareTokenizers:
    """Hold two tokenizers against each other on the same text.

    For example:
      llamalite tokenizer compare llama2-tokenizer.model llama3-tokenizer.model --file plays.txt
      llamalite tokenizer compare runs/first toks --text "Once upon a time"
    """

    a: Annotated[Path, tyro.conf.Positional]
    """Folder of a run or of a tokenizer, or a file such as Meta's tokenizer.model."""
    b: Annotated[Path, tyro.conf.Positional]
    """The other one."""
    text: Text = None
    """What to encode; or:"""
    file: File = None
    """A UTF-8 text file, a folder that `llamalite data` made, or the name of a text that ships."""


Action = (
    Annotated[TrainTokenizer, tyro.conf.subcommand("train")]
    | Annotated[EncodeText, tyro.conf.subcommand("encode")]
    | Annotated[DecodeIds, tyro.conf.subcommand("decode")]
    | Annotated[InspectTokenizer, tyro.conf.subcommand("inspect")]
    | Annotated[CompareTokenizers, tyro.conf.subcommand("compare")]
)


@dataclass(frozen=True)
class Tokenizer:
    """Train a tokenizer, encode and decode with it, look into it, or compare two.

    For example:
      llamalite tokenizer train --data tales-en --vocab-size 1024 --out toks
      llamalite tokenizer inspect toks
      llamalite tokenizer encode toks --text "Once upon a time"
    """

    action: Annotated[Action, tyro.conf.arg(name="")]


def run(args: Tokenizer) -> None:
    actions = {
        TrainTokenizer: train,
        EncodeText: encode,
        DecodeIds: decode,
        InspectTokenizer: inspect,
        CompareTokenizers: compare,
    }
    actions[type(args.action)](args.action)


def opened(path: Path, fast: bool = True) -> Any:
    from llamalite.text.tokenization.tokenizer import load_tokenizer

    return load_tokenizer(path, fast)


# --- train ---------------------------------------------------------------------------------------------


def train(args: TrainTokenizer) -> None:
    from llamalite.text.corpus import read_text
    from llamalite.text.tokenization.pieces import PieceTokenizer
    from llamalite.text.tokenization.ranked import RankedTokenizer

    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise FileExistsError(f"{args.out} exists already; choose another --out")
    if args.kind == "spm" and args.special_tokens:
        raise ValueError("--special-tokens goes with --kind ranked; spm has --user-symbols")
    if args.kind == "ranked" and args.user_symbols:
        raise ValueError("--user-symbols goes with --kind spm; ranked has --special-tokens")
    text = read_text(args.data)
    if args.kind == "spm":
        tokenizer = PieceTokenizer.train(text, args.vocab_size, args.user_symbols)
    else:
        special = {"special_tokens": args.special_tokens} if args.special_tokens else {}
        tokenizer = RankedTokenizer.train(text, args.vocab_size, **special)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(args.out)
    print(f"{args.out}: {tokenizer.vocab_size:,} ids, learnt from {len(text):,} characters of {args.data}")
    print(f"next: llamalite tokenizer inspect {shlex.quote(str(args.out))}")


# --- encode and decode ---------------------------------------------------------------------------------


def encode(args: EncodeText) -> None:
    from tqdm import tqdm

    from llamalite.text.tokenization.ids_file import id_type, write_ids
    from llamalite.text.tokenization.streaming import encode_iterable

    tokenizer, chunks = opened(args.tokenizer), read(args.text, args.file)
    how: dict[str, Any] = {"bos": args.bos, "eos": args.eos}
    how["allowed_special"] = "all" if args.allow_special else ()
    if args.out is None:
        parts = encode_iterable(tokenizer, chunks, **how)
        for i, part in enumerate(part for part in parts if part):
            print(*([""] if i else []), *part, end="", flush=True)
        print()
        return
    size = size_of(args.text, args.file)
    with tqdm(total=size, unit="B", unit_scale=True, disable=None, desc="encoding") as bar:
        n_ids = write_ids(
            args.out, encode_iterable(tokenizer, watched(chunks, bar), **how), tokenizer.vocab_size
        )
    rate = f", {size / n_ids:.2f} bytes of text each" if n_ids else ""
    print(f"{args.out}: {n_ids:,} ids as {id_type(tokenizer.vocab_size).name}{rate}")


def read(text: str | None, file: str | None) -> Iterable[str]:
    """The text, in chunks."""
    from llamalite.text.tokenization.streaming import read_chunks

    if (text is None) == (file is None):
        raise ValueError("give either --text or --file")
    return [text] if file is None else chain.from_iterable(map(read_chunks, files(file)))


def files(source: str) -> list[Path]:
    from llamalite.text.corpus import MANIFEST, find_text, listed

    path = find_text(source)
    return [path / name for name, _ in listed(path / MANIFEST)] if path.is_dir() else [path]


def size_of(text: str | None, file: str | None) -> int:
    return sum(path.stat().st_size for path in files(file)) if file else len((text or "").encode())


def watched(chunks: Iterable[str], bar: Any) -> Iterator[str]:
    for chunk in chunks:
        bar.update(len(chunk.encode(errors="replace")))
        yield chunk


def decode(args: DecodeIds) -> None:
    from llamalite.text.tokenization.ids_file import read_ids
    from llamalite.text.tokenization.tokenizer import stream_text

    if bool(args.ids) == (args.file is not None):
        raise ValueError("give either ids or --file")
    tokenizer = opened(args.tokenizer, fast=False)
    for text in stream_text(tokenizer, args.ids or read_ids(args.file)):
        sys.stdout.write(text)
    if args.ids:  # a file's text ends as it ended
        print()


# --- inspect and compare -------------------------------------------------------------------------------


def inspect(args: InspectTokenizer) -> None:
    from llamalite.text.tokenization.inspection import entries, report, row

    tokenizer = opened(args.tokenizer, fast=False)
    if args.token is None and args.text is None:
        print(f"{args.tokenizer}: {report(tokenizer)}")
        return
    ids = tokenizer.encode(args.text or "") if args.token is None else [args.token]
    for found in entries(tokenizer, ids):
        print(row(found))


def compare(args: CompareTokenizers) -> None:
    from llamalite.text.tokenization import comparison

    a, b = opened(args.a), opened(args.b)
    again = partial(read, args.text, args.file)
    names = str(args.a), str(args.b)
    print(comparison.report(names, (a, b), comparison.compare(a, b, again)))
    line = next((line for line in comparison.lines(again()) if line.strip()), "")[:200]
    print(f"\nA |{comparison.shown(a, line)}|\nB |{comparison.shown(b, line)}|")
