"""English to Korean, by three architectures of one size. Stored for chapter 04.

    python tools/study_architectures.py architectures              # writes data/studies/architectures.json
    python tools/study_architectures.py architectures --share 0.1 --out /tmp   # a trial

An encoder–decoder, a decoder-only model that is prompted, and the same one whose prompt is seen both ways,
on the same pairs of sentences, with equally many parameters (within 1%) and three seeds. An answer is right
if it is any of the ways to say it; chrF is sacrebleu's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from random import Random
from typing import Any, NamedTuple

import torch
from sacrebleu.metrics import CHRF
from study_budget import conduct, origin, spread
from torch import nn
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.encoder_decoder import EncoderDecoder
from llamalite.in_torch.llama import Llama, init_weight
from llamalite.tales.sentences import SentencePair, sentence_pair
from llamalite.tales.telling import Tales
from llamalite.text.corpus import DATA
from llamalite.text.tokenization.tokenizer import Tokenizer, load_tokenizer
from llamalite.train.pairs import (
    Pair,
    encoder_decoder_answer,
    encoder_decoder_losses,
    fit,
    prompted_answer,
    prompted_losses,
)


class Way(NamedTuple):
    name: str
    build: Callable[[LlamaConfig], nn.Module]
    losses: Callable[..., Any]
    answer: Callable[..., list[int]]
    layers: int  # in one stack
    hidden_dim: int


WAYS = [
    Way("encoder-decoder", EncoderDecoder, encoder_decoder_losses, encoder_decoder_answer, 2, 176),
    Way("decoder-only", Llama, prompted_losses, prompted_answer, 4, 219),
    Way(
        "decoder-only, open prompt",
        Llama,
        partial(prompted_losses, prefix=True),
        partial(prompted_answer, prefix=True),
        4,
        219,
    ),
]


@dataclass(frozen=True)
class Plan:
    steps: tuple[int, ...] = (250, 500, 1000)
    seeds: tuple[int, ...] = (1, 2, 3)
    train_pairs: int = 8000
    held_out_pairs: int = 300
    dim: int = 64
    n_heads: int = 4
    batch_size: int = 24
    lr: float = 0.01
    longest: int = 64

    def scaled(self, share: float) -> Plan:
        """The same plan with fewer steps."""
        return replace(self, steps=tuple(max(1, round(n * share)) for n in self.steps))


def drawn(plan: Plan) -> tuple[list[SentencePair], list[SentencePair]]:
    """Pairs to learn from, and others, none of whose sources is among them."""
    tales, rng = (Tales("en"), Tales("ko")), Random("study architectures")
    train = [sentence_pair(*tales, rng) for _ in range(plan.train_pairs)]
    known, held_out = {pair.source for pair in train}, []
    while len(held_out) < plan.held_out_pairs:
        pair = sentence_pair(*tales, rng)
        if pair.source not in known:
            held_out.append(pair)
    return train, held_out


def new_model(plan: Plan, way: Way, vocab_size: int, seed: int) -> nn.Module:
    cfg = LlamaConfig(
        dim=plan.dim,
        n_layers=way.layers,
        n_heads=plan.n_heads,
        hidden_dim=way.hidden_dim,
        vocab_size=vocab_size,
        max_seq_len=2 * plan.longest,
    )
    model = way.build(cfg)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(init_weight(name, tuple(p.shape), 4, seed)))
    return model


def one_run(
    plan: Plan, way: Way, tokenizer: Tokenizer, pairs: Sequence[Pair], asked: Sequence[SentencePair],
    steps: int, seed: int, advance: Callable,
) -> dict[str, Any]:  # fmt: skip
    """Train once; share of right answers, chrF, CPU seconds of training and of one answer."""
    ids = dict(begin=tokenizer.bos_id, end=tokenizer.eos_id)
    model, began = new_model(plan, way, tokenizer.vocab_size, seed), time.process_time()
    losses_of = partial(way.losses, model, **ids)
    fit(model, losses_of, pairs, steps=steps, batch_size=plan.batch_size, lr=plan.lr, seed=seed,
        after_step=lambda *_: advance())  # fmt: skip
    trained = time.process_time()
    said = [
        tokenizer.decode(
            way.answer(model, tokenizer.encode(pair.source), **ids, longest=plan.longest)
        ).strip()
        for pair in asked
    ]
    right = [answer in pair.accepted for answer, pair in zip(said, asked, strict=True)]
    return {
        "seed": seed,
        "right": sum(right) / len(right),
        "chrf": chrf(said, asked),
        "train_seconds": trained - began,
        "answer_seconds": (time.process_time() - trained) / len(asked),
    }


def chrf(said: Sequence[str], asked: Sequence[SentencePair]) -> float:
    """Of the whole, each sentence against the accepted way that is nearest to it."""
    metric = CHRF()
    best = [
        max(sorted(pair.accepted), key=lambda way: metric.sentence_score(answer, [way]).score)
        for answer, pair in zip(said, asked, strict=True)
    ]
    return metric.corpus_score(list(said), [best]).score


def study(plan: Plan) -> dict[str, Any]:
    tokenizer = load_tokenizer(DATA / "tokenizers" / "tales")
    train, held_out = drawn(plan)
    pairs = [Pair(tokenizer.encode(pair.source), tokenizer.encode(pair.target)) for pair in train]
    record = origin(asdict(plan)) | {"vocab_size": tokenizer.vocab_size, "ways": []}
    total = len(WAYS) * len(plan.seeds) * sum(plan.steps)
    with tqdm(total=total, unit="step", disable=None) as bar:
        for way in WAYS:
            model = new_model(plan, way, tokenizer.vocab_size, 0)
            row = {"name": way.name, "n_params": sum(p.numel() for p in model.parameters()), "runs": []}
            for steps in plan.steps:
                found = [
                    one_run(plan, way, tokenizer, pairs, held_out, steps, seed, bar.update)
                    for seed in plan.seeds
                ]
                row["runs"].append(
                    {"steps": steps, "seeds": found}
                    | {name: spread([run[name] for run in found]) for name in ("right", "chrf")}
                )
                tqdm.write(f"{way.name}, {steps} steps: {row['runs'][-1]['right']}")
            record["ways"].append(row)
    return record


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"architectures": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
