"""What cleaning a crawl is worth to a tiny Llama, and what a mix costs each language, for chapter 14.

    python tools/study_data.py data                          # writes data/studies/data.json
    python tools/study_data.py data --share 0.1 --out /tmp   # a trial

Stages: the same tiny Llama trained on a dirty crawl as it came, after each filter on top of those before,
after all of them, and on what the planted truth calls clean, always for the same number of tokens; scored
on clean tales that no crawl holds, and on tales that leaked into it. Mixes: English with growing shares of
code or of Korean. Three seeds of each stage, one of each mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from random import Random
from typing import Any

import numpy as np
import torch
from study_budget import conduct, origin, spread, train_for
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.cross_entropy import cross_entropy
from llamalite.in_torch.llama import build_table
from llamalite.tales.crawl import RUDE, Document, crawl, page
from llamalite.tales.telling import END, Tales
from llamalite.tales.world import World
from llamalite.text.corpus import DATA, read_text
from llamalite.text.data.decontamination import held_out_runs
from llamalite.text.data.deduplication import deduplicate
from llamalite.text.data.language_id import identify, learn_languages
from llamalite.text.data.mixing import mixed
from llamalite.text.data.quality import judge, learn_quality
from llamalite.text.data.records import Record
from llamalite.text.data.rules import broken
from llamalite.text.data.screening import Screen, screen
from llamalite.text.data.shingles import essence
from llamalite.text.data.unsafe import build_pattern
from llamalite.text.tokenization.tokenizer import load_tokenizer
from llamalite.train.runs import Run, build_data, load_run
from llamalite.train.training import Data, Settings, evaluate

LANGUAGES = ("en", "ko", "code")


@dataclass(frozen=True)
class Plan:
    seeds: tuple[int, ...] = (1, 2, 3)
    documents: int = 6000  # of the crawl
    leaks: int = 20  # texts a language that leak
    held_out: int = 80  # clean ones a language that do not
    exponent: float = 1.0
    common: float = 0.015  # lines in a larger share of the documents go
    labels: int = 1200  # English documents that the model judges
    bits: float = 1.0  # a byte: what it calls good costs it less
    code: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5)
    korean: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5)
    mix_bytes: int = 2_000_000
    mix_seeds: tuple[int, ...] = (1,)
    steps: int = 250
    dim: int = 64
    n_layers: int = 2
    n_heads: int = 4
    n_kv_heads: int = 2
    batch_size: int = 8
    seq_len: int = 128
    lr: float = 5e-3

    def scaled(self, share: float) -> Plan:
        """The same plan with fewer steps."""
        return replace(self, steps=max(10, round(self.steps * share)))


class Crawled:
    """A dirty crawl, the texts that leaked into it, and clean ones that nobody has seen."""

    def __init__(self, plan: Plan, seed: str = "study data"):
        world = World(4096, plan.exponent)
        self.told = {name: Tales(name, world) for name in LANGUAGES}
        self.leaked = {name: self.pages(name, plan.leaks, f"{seed} leaked") for name in LANGUAGES}
        self.fresh = {name: self.pages(name, plan.held_out, f"{seed} fresh") for name in LANGUAGES}
        exam = [tale for name in LANGUAGES for tale in self.tales(name, plan.leaks, f"{seed} leaked")]
        pages = [text for texts in self.leaked.values() for text in texts]
        fresh = {essence(text) for texts in self.fresh.values() for text in texts}
        found = crawl(self.told, Random(seed), plan.documents, exam)
        # A leak that is word for word the exam's is a page like any other: a sentence a line.
        found = (
            d._replace(text=pages[d.original]) if d.kind == "leak" and d.text in exam else d for d in found
        )
        self.documents = [d for d in found if essence(d.text) not in fresh]

    def tales(self, name: str, n: int, seed: str) -> list[str]:
        rng = Random(f"{seed} {name}")
        return [self.told[name].tell(rng).text for _ in range(n)]

    def pages(self, name: str, n: int, seed: str) -> list[str]:
        """The same tales, laid out as the crawl's pages are: what is scored must look like what is learnt."""
        rng = Random(f"{seed} {name}")
        return [page(self.told, rng, name).text for _ in range(n)]


def page_of(text: str) -> str:
    return " ".join(text.split())


# --- the labels of a model --------------------------------------------------------------------------


@torch.no_grad()
def bits_per_byte(run: Run, texts: Sequence[str], batch: int = 32) -> np.ndarray:
    """How badly the model predicts each text, up to the end of its context; lines are joined by blanks."""
    table = build_table(run.cfg)
    ids = [run.tokenizer.encode(page_of(text) + "\n", bos=True)[: run.cfg.max_seq_len + 1] for text in texts]
    order, out = sorted(range(len(ids)), key=lambda i: len(ids[i])), np.zeros(len(ids))
    for begin in range(0, len(order), batch):
        some = order[begin : begin + batch]
        x = torch.zeros(len(some), len(ids[some[-1]]), dtype=torch.long)
        counts = torch.zeros(x[:, 1:].shape)
        for row, i in enumerate(some):
            x[row, : len(ids[i])] = torch.tensor(ids[i])
            counts[row, : len(ids[i]) - 1] = 1
        nats = (cross_entropy(run.model(x[:, :-1], table=table), x[:, 1:]) * counts).sum(1).double()
        said = [len(run.tokenizer.decode(ids[i][1:]).encode()) for i in some]
        out[some] = nats.numpy() / np.log(2) / np.maximum(said, 1)
    return out


# --- the stages -------------------------------------------------------------------------------------

Filter = Callable[[list[Document]], list[Document]]


def stages(crawled: Crawled, plan: Plan) -> Iterator[tuple[str, list[Document]]]:
    """Name → what is left of the crawl: each on top of those before it, then three for comparison."""
    texts = {name: read_text(f"tales-{name}").split(END)[:400] for name in LANGUAGES}
    leaked = [text for each in crawled.leaked.values() for text in each]
    filters: dict[str, Screen] = {
        "rules": Screen(personal="keep"),
        "language": Screen(rules=(), personal="keep", languages=learn_languages(texts)),
        "unsafe": Screen(rules=(), personal="keep", unsafe=build_pattern(RUDE)),
        "personal": Screen(rules=(), personal="redact"),
        "held out": Screen(rules=(), personal="keep", held_out=held_out_runs(leaked)),
    }
    left = crawled.documents
    yield "raw", left
    for name, filters_of in filters.items():
        left = screened(left, filters_of)
        yield name, left
    for name, near in (("copies", None), ("near copies", 0.6)):
        left = distinct(left, near, 0)
        yield name, left
    unlined, limit = left, round(plan.common * len(left))
    left = distinct(left, None, limit)
    yield "common lines", left
    left = chosen(left, plan, filters["language"])
    yield "quality", left
    yield "the truth", [d for d in crawled.documents if d.kind == "clean"]
    yield "lines above 6", distinct(unlined, None, 6)
    yield "English words", [d for d in left if not broken(d.text, ["English words"])]


def screened(documents: Sequence[Document], filters: Screen) -> list[Document]:
    found = [(d, screen(Record(d.text, d.claimed), filters)) for d in documents]
    return [d._replace(text=s.text) for d, s in found if not s.reason]


def distinct(documents: Sequence[Document], near: float | None, limit: int) -> list[Document]:
    found = deduplicate([d.text for d in documents], near, limit)
    return [d._replace(text=text) for d, (text, why) in zip(documents, found, strict=True) if not why]


def chosen(documents: Sequence[Document], plan: Plan, filters: Screen) -> list[Document]:
    """Of the English ones, those that a classifier likes which has learnt a model's labels."""
    english = [i for i, d in enumerate(documents) if identify(d.text, filters.languages) == "en"]
    texts = [documents[i].text for i in english]
    sample = texts[: plan.labels]
    good = bits_per_byte(load_run(DATA / "tiny-llama3"), sample) < plan.bits
    if good.all() or not good.any():
        return list(documents)
    liked = judge(texts, learn_quality(sample, good)) >= 0.5
    gone = {i for i, like in zip(english, liked, strict=True) if not like}
    return [d for i, d in enumerate(documents) if i not in gone]


# --- training and scores ----------------------------------------------------------------------------


def joined(texts: Sequence[str]) -> str:
    return "".join(text + END for text in texts)


class Pupil:
    """Trains a new model on each text, and scores it on what is held out."""

    def __init__(self, plan: Plan, held_out: Mapping[str, Sequence[str]]):
        self.plan, self.held_out = plan, held_out
        self.tokenizer = load_tokenizer(DATA / "tokenizers" / "tales")
        self.cfg = LlamaConfig(
            dim=plan.dim, n_layers=plan.n_layers, n_heads=plan.n_heads, n_kv_heads=plan.n_kv_heads,
            vocab_size=self.tokenizer.vocab_size, max_seq_len=plan.seq_len, multiple_of=32, tied=True,
        )  # fmt: skip

    def data(self, texts: Sequence[str]) -> dict[str, Data]:
        """The same text to train on with each held-out set; it is encoded once."""
        build = partial(build_data, tokenizer=self.tokenizer, seq_len=self.plan.seq_len, documents=True)
        train = build(joined(texts), END)
        held = {name: build(joined(each), joined(each)) for name, each in self.held_out.items()}
        return {name: each._replace(train=train.train, starts=train.starts) for name, each in held.items()}

    def runs(self, texts: Sequence[str], seeds: Sequence[int]) -> list[dict[str, Any]]:
        """One run a seed: bits a byte on every held-out set."""
        plan, data, out = self.plan, self.data(texts), []
        for seed in seeds:
            s = Settings(
                steps=plan.steps, batch_size=plan.batch_size, seq_len=plan.seq_len, lr=plan.lr,
                warmup=plan.steps // 20, seed=seed,
            )  # fmt: skip
            forward = train_for(self.cfg, next(iter(data.values())), s).forward
            score = partial(evaluate, forward, s=replace(s, batch_size=32))
            out.append({"seed": seed} | {name: score(each).bits_per_byte for name, each in data.items()})
        return out


def summed(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = [name for name in runs[0] if name != "seed"]
    return {"runs": list(runs), "scores": {name: spread([run[name] for run in runs]) for name in names}}


def study(plan: Plan) -> dict[str, Any]:
    crawled = Crawled(plan)
    pages = {
        "fresh": [text for texts in crawled.fresh.values() for text in texts],
        **{name: crawled.fresh[name] for name in LANGUAGES},
        "leaked": [text for texts in crawled.leaked.values() for text in texts],
    }
    pages = {name: [lined(text) for text in texts] for name, texts in pages.items()}
    pupil = Pupil(plan, pages)
    record = origin(asdict(plan)) | {"n_params": pupil.cfg.n_params, "stages": [], "mixes": []}
    record["train_tokens"] = plan.steps * plan.batch_size * plan.seq_len
    for name, documents in stages(crawled, plan):
        texts = [lined(d.text) for d in documents]
        row = {"name": name, "documents": len(texts), "bytes": len(joined(texts).encode())}
        row |= summed(pupil.runs(texts, plan.seeds))
        record["stages"].append(row)
        tqdm.write(f"{name:16} {row['documents']:5} {row['bytes']:8} {row['scores']['fresh']}")
    for shares in mixes(plan):
        row = {"shares": shares} | summed(pupil.runs(mixture(crawled, shares, plan), plan.mix_seeds))
        record["mixes"].append(row)
        tqdm.write(f"{shares} {row['scores']}")
    return record


def lined(text: str) -> str:
    """A blank line would end the document."""
    return "\n".join(filter(str.strip, text.split("\n")))


def mixes(plan: Plan) -> Iterator[dict[str, float]]:
    for other, shares in (("code", plan.code), ("ko", plan.korean)):
        for share in shares:
            if share or other == "code":
                yield {"en": 1 - share, other: share}


def mixture(crawled: Crawled, shares: Mapping[str, float], plan: Plan) -> list[str]:
    """Clean tales, by their share of the bytes; the same Korean ones whatever else is in the mix."""
    sources = {name: crawled.pages(name, 6000, "study data mix") for name in shares}
    pages, size = [], 0
    for _, text in mixed(sources, shares, lambda text: len(text.encode())):
        pages.append(lined(text))
        size += len(text.encode())
        if size > plan.mix_bytes:
            return pages
    return pages


def main(argv: Sequence[str] | None = None) -> int:
    return conduct(__doc__, {"data": (Plan, study)}, argv)


if __name__ == "__main__":
    raise SystemExit(main())
