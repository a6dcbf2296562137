"""How fast tokenizers learn and encode: ours beside those that others wrote, in one run.

    python tools/bench_tokenization.py tinyshakespeare.txt --models folder
    python tools/bench_tokenization.py plays.txt --rounds 9 --sizes 512 1024

Every round measures each way once, in turn, so that a busy machine slows all alike; one thread each. The
naive way to learn counts the whole text anew for each merge (``byte_pairs``); it is measured once, at the
smallest size. ``--models``: where llama2-tokenizer.model and llama3-tokenizer.model lie.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # before tokenizers starts its threads
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from llamalite.text.tokenization.byte_pairs import learn_merges
from llamalite.text.tokenization.fast import FastPieceTokenizer, FastRankedTokenizer
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.ranked import BEGIN, END, LLAMA3_PATTERN, RankedTokenizer
from llamalite.text.tokenization.tokenizer import load_tokenizer

Way = Callable[[], object]
OURS = "ours"


# --- learning ------------------------------------------------------------------------------------------


def ways_to_learn(text: str, size: int) -> dict[str, dict[str, Way]]:
    """Family → name → way; "ours" is what the others are held against."""
    return {
        f"pieces, {size:,}": {
            OURS: lambda: PieceTokenizer.train(text, size),
            "sentencepiece": lambda: train_sentencepiece(text, size),
        },
        f"ranked, {size:,}": {
            OURS: lambda: RankedTokenizer.train(text, size),
            "tokenizers": lambda: train_tokenizers(text, size),
        },
    }


def train_sentencepiece(text: str, size: int) -> None:
    """With the options that Llama's was trained with (facts D1)."""
    from sentencepiece import SentencePieceTrainer

    SentencePieceTrainer.train(
        sentence_iterator=iter(text.split("\n")),
        model_writer=io.BytesIO(),
        model_type="bpe",
        vocab_size=size,
        character_coverage=0.99995,
        byte_fallback=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )


def train_tokenizers(text: str, size: int) -> None:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)


# --- encoding ------------------------------------------------------------------------------------------


def ways_to_encode(text: str, models: Path) -> Iterator[tuple[str, dict[str, Way]]]:
    pieces, ranked = models / "llama2-tokenizer.model", models / "llama3-tokenizer.model"
    if pieces.is_file():
        ours = load_tokenizer(pieces, fast=False)
        assert isinstance(ours, PieceTokenizer)
        yield "Llama 2", encoders_of_pieces(text, ours)
    if ranked.is_file():
        ours = load_tokenizer(ranked, fast=False)
        assert isinstance(ours, RankedTokenizer)
        yield "Llama 3", encoders_of_ranks(text, ours, ranked)


def encoders_of_pieces(text: str, ours: PieceTokenizer) -> dict[str, Way]:
    from sentencepiece import SentencePieceProcessor

    library, fast = SentencePieceProcessor(model_proto=ours.model), FastPieceTokenizer(ours)
    check(ours.encode(text), fast.encode(text), library.encode(text))
    return {
        OURS: lambda: ours.encode(text),
        "ours, fast": lambda: fast.encode(text),
        "sentencepiece": lambda: library.encode(text),
    }


def encoders_of_ranks(text: str, ours: RankedTokenizer, path: Path) -> dict[str, Way]:
    import tiktoken

    fast = FastRankedTokenizer(ours.tokens, ours.pattern, ours.special_tokens)
    library = tiktoken.Encoding(
        "Llama 3", pat_str=ours.pattern, mergeable_ranks=ours.ranks, special_tokens=dict(ours.special_ids)
    )
    hugging_face = by_tokenizers(path)
    check(ours.encode(text), fast.encode(text), library.encode_ordinary(text), hugging_face.encode(text).ids)
    return {
        OURS: lambda: ours.encode(text),
        "ours, fast": lambda: fast.encode(text),
        "tiktoken": lambda: library.encode_ordinary(text),
        "tokenizers": lambda: hugging_face.encode(text),
    }


def by_tokenizers(path: Path) -> Any:
    os.environ.setdefault("TIKTOKEN_CACHE_DIR", "")  # the converter reads with tiktoken, which keeps copies
    from transformers.convert_slow_tokenizer import TikTokenConverter

    return TikTokenConverter(vocab_file=str(path)).converted()


def check(*ids: list[int]) -> None:
    """A race is fair between those that arrive at the same place."""
    if any(other != ids[0] for other in ids):
        raise SystemExit("bench_tokenization: two of the encoders give different ids; nothing to compare")


# --- the race ------------------------------------------------------------------------------------------


def measure(ways: dict[str, Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(seconds(way))
    return found


def seconds(way: Way) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def rows(what: str, found: dict[str, list[float]], size: int) -> Iterator[str]:
    for name, times in found.items():
        median = statistics.median(times)
        # Round by round, as a load that comes and goes is the same for both.
        ratio = statistics.median(a / b for a, b in zip(times, found[OURS], strict=False))
        speed = size / 1e6 / median
        yield f"| {what} | {name} | {median:.3f} | {min(times):.3f} | {speed:.2f} | {ratio:.2f} |"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, help="a UTF-8 file to learn from and to encode")
    parser.add_argument("--models", type=Path, help="folder of the two Llamas' files (default: the text's)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 4096], help="vocabularies to learn")
    parser.add_argument("--rounds", type=int, default=5, help="the median is shown (default: 5)")
    args = parser.parse_args(argv)
    text = args.text.read_text(encoding="utf-8")
    n_bytes = len(text.encode())
    print("| | way | seconds | fastest | MB/s | seconds, to ours |\n|---|---|---|---|---|---|")
    for size in args.sizes:
        for what, ways in ways_to_learn(text, size).items():
            found = measure(ways, args.rounds)
            if size == min(args.sizes) and "ranked" in what:
                found["naive recount"] = [
                    seconds(lambda size=size: learn_merges([*text.encode()], size - 258))
                ]
            print("\n".join(rows(f"learn {what}", found, n_bytes)), flush=True)
    for what, ways in ways_to_encode(text, args.models or args.text.parent):
        print("\n".join(rows(f"encode, {what}", measure(ways, args.rounds), n_bytes)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
