"""Measure what a larger vocabulary buys and costs, for chapter 02: train, and write what came out.

    python tools/study_vocabulary.py vocabulary   # data/studies/vocabulary.json
    python tools/study_vocabulary.py digits       # data/studies/digits.json

The same tiny Llama body learns the same tales through vocabularies of growing size, every run with the
same number of FLOPs: a larger head is paid for with fewer tokens. Bits per byte are what is compared,
since a token of one vocabulary is not a token of another.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from random import Random
from typing import Any

import study_digits
import torch
from study_budget import conduct, origin, spread, steps_within, train_flops, train_for
from tqdm import tqdm

from llamalite.config import LlamaConfig, preset
from llamalite.tales.floor import floor_of, n_bytes, n_tokens
from llamalite.tales.shards import language_choice, sample, stream
from llamalite.tales.telling import END, Tale, Tales
from llamalite.tales.world import World
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.tokenizer import Tokenizer
from llamalite.train.batches import document_starts
from llamalite.train.runs import build_data, build_tokenizer
from llamalite.train.training import Data, Settings, evaluate


@dataclass(frozen=True)
class Plan:
    """All that decides the numbers, down to the last digits, which are the machine's."""

    # 0: bytes. 512 are too few: five languages have more characters than that together.
    vocab_sizes: tuple[int, ...] = (0, 768, 1024, 2048, 4096, 8192, 16384)
    seeds: tuple[int, ...] = (1, 2, 3)
    budgets: tuple[float, ...] = (2e11, 8e11)  # FLOPs a run
    mix: dict[str, float] = field(default_factory=lambda: dict(en=0.6, ko=0.1, de=0.1, es=0.1, code=0.1))
    n_heroes: int = 4096
    exponent: float = 1.0  # names as common and as rare as words in books; the tales that ship have 2
    train_bytes: int = 6_000_000
    held_out_tales: int = 320
    dim: int = 64
    n_layers: int = 2
    n_heads: int = 4
    n_kv_heads: int = 2
    held_by_window: float = 0.95  # the share of tales that a window holds whole
    batch_size: int = 4  # windows a step
    lr: float = 1e-2  # one for all sizes; the card in data/README.md says how it was chosen
    warmup: int = 20

    def scaled(self, share: float) -> Plan:
        return replace(self, budgets=tuple(share * budget for budget in self.budgets))


class Corpus:
    """Tales to train on and others to hold out, from one stream each."""

    def __init__(self, plan: Plan):
        self.plan = plan
        world = World(plan.n_heroes, plan.exponent)
        self.told = {name: Tales(name, world) for name in plan.mix}
        self.language = language_choice(plan.mix, {name: sample(tales) for name, tales in self.told.items()})

    def stream(self, part: str) -> Iterator[Tale]:
        return stream(self.told, self.language, Random(f"study vocabulary {part}"))

    @cached_property
    def train(self) -> list[Tale]:
        tales, left = [], self.plan.train_bytes
        for tale in self.stream("train"):
            left -= n_bytes(tale.text)
            if left < 0:
                break
            tales.append(tale)
        return tales

    @cached_property
    def held_out(self) -> dict[str, list[Tale]]:
        """Language → its tales among the first of the stream."""
        tales = self.stream("held out")
        drawn = [next(tales) for _ in range(self.plan.held_out_tales)]
        return {name: [tale for tale in drawn if tale.language == name] for name in self.plan.mix}

    @cached_property
    def all_held_out(self) -> list[Tale]:
        return [tale for tales in self.held_out.values() for tale in tales]


def joined(tales: Sequence[Tale]) -> str:
    return "".join(tale.text + END for tale in tales)


def learnt(corpus: Corpus, vocab_size: int) -> Tokenizer:
    return build_tokenizer(joined(corpus.train), vocab_size)


def fingerprint(tokenizer: Tokenizer) -> str:
    """Of all tokens in order, whatever file they are kept in; the first three are specials."""
    tokens = [tokenizer.token_bytes(token).hex() for token in range(3, tokenizer.vocab_size)]
    return hashlib.sha256("\n".join(tokens).encode()).hexdigest()


# --- what can be counted without training ------------------------------------------------------------


def chars_per_token(tales: Sequence[Tale], tokenizer: Tokenizer) -> float:
    """Of a stream of tales, the blank lines between them included."""
    return len(joined(tales)) / sum(n_tokens(tale.text, tokenizer) for tale in tales)


def shape(plan: Plan, vocab_size: int, seq_len: int) -> LlamaConfig:
    body = {name: getattr(plan, name) for name in ("dim", "n_layers", "n_heads", "n_kv_heads")}
    return preset("llama3-tiny", vocab_size=vocab_size, max_seq_len=seq_len, **body)


def window(corpus: Corpus, tokenizer: Tokenizer) -> int:
    """Tokens that hold a tale whole, but for the longest few: the same text whatever the vocabulary."""
    lengths = sorted(n_tokens(tale.text, tokenizer) for tale in corpus.train[:1000])
    return lengths[int(corpus.plan.held_by_window * len(lengths))]


def counted(corpus: Corpus, tokenizer: Tokenizer) -> dict[str, Any]:
    """Sizes in tokens, parameters, FLOPs and bytes. The head's FLOPs are those of a forward pass."""
    tales, seq_len = corpus.all_held_out, window(corpus, tokenizer)
    cfg = shape(corpus.plan, tokenizer.vocab_size, seq_len)
    parts, chars = cfg.param_counts(), chars_per_token(tales, tokenizer)
    lengths = [n_tokens(tale.text, tokenizer) for tale in tales]
    head_flops = 2 * parts["output"]
    return {
        "vocab_size": tokenizer.vocab_size,
        "kind": "bytes" if isinstance(tokenizer, ByteTokenizer) else "pieces",
        "tokens_sha256": fingerprint(tokenizer),
        "chars_per_token": {name: chars_per_token(held, tokenizer) for name, held in corpus.held_out.items()}
        | {"all": chars},
        "bytes_per_token": sum(n_bytes(tale.text) for tale in tales) / sum(lengths),
        "tokens_per_tale": statistics.fmean(lengths),
        "embedding_and_head_params": parts["tok_embeddings"] + parts["output"],
        "body_params": cfg.n_params - parts["tok_embeddings"] - parts["output"],
        "head_flops_per_token": head_flops,
        "head_flops_per_char": head_flops / chars,
        "kv_cache_bytes_per_tale": cfg.kv_cache_bytes_per_token() * statistics.fmean(lengths),
        "seq_len": seq_len,
        "train_flops_per_token": train_flops(cfg, seq_len),
        "head_share_of_train_flops": 3 * head_flops / train_flops(cfg, seq_len),
    }


# --- what has to be trained --------------------------------------------------------------------------


def held_out_data(data: Data, tales: Sequence[Tale], tokenizer: Tokenizer) -> Data:
    """``data`` with these tales to validate on: each predicted from its start, after an end of line."""
    newline = tokenizer.encode("\n")
    ids = torch.tensor(newline[-1:] + tokenizer.encode("\n" + joined(tales))[len(newline) :])
    size = sum(n_bytes(tale.text) for tale in tales)
    starts = document_starts(ids, newline[-1], 0)
    return data._replace(held_out=ids, held_out_bytes=size, held_out_starts=starts)


class Pupil:
    """One vocabulary: its texts as ids, and the runs that learn from them."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer):
        self.plan, self.row = corpus.plan, counted(corpus, tokenizer)
        self.cfg = shape(self.plan, tokenizer.vocab_size, self.row["seq_len"])
        data = build_data(joined(corpus.train), END, tokenizer, self.cfg.max_seq_len, documents=True)
        self.data = {name: held_out_data(data, tales, tokenizer) for name, tales in corpus.held_out.items()}

    def steps(self, budget: float) -> int:
        return steps_within(budget, self.cfg, self.plan.batch_size, self.cfg.max_seq_len)

    def spend(self, budget: float, bar: tqdm) -> dict[str, Any]:
        """The runs of one budget."""
        tokens = self.steps(budget) * self.plan.batch_size * self.cfg.max_seq_len
        runs = [self.run(self.steps(budget), seed, bar) for seed in self.plan.seeds]
        languages = runs[0]["bits_per_byte"]
        return {
            "budget": budget,
            "steps": self.steps(budget),
            "train_tokens": tokens,
            "train_bytes": round(tokens * self.row["bytes_per_token"]),
            "train_flops": tokens * self.row["train_flops_per_token"],
            "bits_per_byte": {
                name: spread([run["bits_per_byte"][name] for run in runs]) for name in languages
            },
            "runs": runs,
        }

    def run(self, steps: int, seed: int, bar: tqdm) -> dict[str, Any]:
        """Bits per byte on the held-out tales of each language, and on all."""
        plan = self.plan
        s = Settings(
            steps=steps, batch_size=plan.batch_size, seq_len=self.cfg.max_seq_len, lr=plan.lr,
            warmup=plan.warmup, seed=seed,
        )  # fmt: skip
        began = time.process_time()
        trained = train_for(self.cfg, next(iter(self.data.values())), s, lambda *_: bar.update())
        seconds = time.process_time() - began
        whole = replace(s, batch_size=16)
        bits = {
            name: evaluate(trained.forward, data, whole).bits_per_byte for name, data in self.data.items()
        }
        sizes = {name: data.held_out_bytes for name, data in self.data.items()}
        bits["all"] = sum(bits[name] * sizes[name] for name in sizes) / sum(sizes.values())
        return {"seed": seed, "cpu_seconds": round(seconds, 1), "bits_per_byte": bits}


def floors(corpus: Corpus) -> dict[str, dict[str, float]]:
    """Bits per byte that a model which knew the generator would reach on these very tales.

    The error is that of another sample of tales; models scored on these tales share it.
    """
    parts = corpus.held_out | {"all": corpus.all_held_out}
    found = {name: floor_of(tales, ByteTokenizer()) for name, tales in parts.items()}
    return {
        name: {"bits_per_byte": f.bits_per_byte, "standard_error": f.bits_per_byte_error}
        for name, f in found.items()
    }


def study(plan: Plan) -> dict[str, Any]:
    corpus = Corpus(plan)
    record = origin(asdict(plan)) | {"floor": floors(corpus), "vocabularies": []}
    pupils = [Pupil(corpus, learnt(corpus, size)) for size in plan.vocab_sizes]
    steps = sum(pupil.steps(budget) for pupil in pupils for budget in plan.budgets)
    with tqdm(total=len(plan.seeds) * steps, unit="step", smoothing=0, disable=None) as bar:
        for pupil in pupils:
            pupil.row["trained"] = [pupil.spend(budget, bar) for budget in plan.budgets]
            record["vocabularies"].append(pupil.row)
            tqdm.write(summary(pupil.row))
    return record


def summary(row: dict[str, Any]) -> str:
    lines = [f"{row['vocab_size']:,} {row['kind']}: {row['chars_per_token']['all']:.2f} characters a token"]
    for spent in row["trained"]:
        bits = spent["bits_per_byte"]["all"]
        seconds = statistics.fmean(run["cpu_seconds"] for run in spent["runs"])
        lines.append(
            f"  {spent['budget']:.2g} FLOPs, {spent['train_tokens']:,} tokens, {seconds:.0f} CPU s: "
            f"{bits['mean']:.4f} ± {bits['std']:.4f} bits/byte"
        )
    return "\n".join(lines)


STUDIES = {"vocabulary": (Plan, study), "digits": (study_digits.Plan, study_digits.study)}


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, STUDIES, argv)


if __name__ == "__main__":
    raise SystemExit(main())
