"""Make what ships in ``data/``: texts, task sets and tokenizers. The same command makes the same bytes.

    python tools/make_data.py                          # everything, into data/
    python tools/make_data.py tales-en.txt --out /tmp  # one file, somewhere else

Left out: tiny-llama3/, which is trained (its command is on its card in data/README.md).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from llamalite.tales import tasks
from llamalite.tales.crawl import crawl
from llamalite.tales.preferences import preference
from llamalite.tales.telling import END, Tales
from llamalite.text.corpus import DATA
from llamalite.text.tokenization.pieces import PieceTokenizer

# Bytes to train on, at most; a tenth more is told, from another seed, to validate on.
TEXTS = {"en": 500_000, "ko": 150_000, "es": 100_000, "de": 100_000, "code": 100_000, "maths": 50_000}
VALIDATION = 0.1
PIECES = {"tales-en": 1024, "tales": 2048}  # English alone, and all languages together


def text(language: str, part: str = "") -> bytes:
    """Tales in one language; each part is drawn from a generator of its own."""
    size = round(TEXTS[language] * (VALIDATION if part else 1))
    return b"".join(told(Tales(language), Random(f"{language} {part}"), size))


def told(tales: Tales, rng: Random, left: int) -> Iterator[bytes]:
    while len(tale := (tales.tell(rng).text + END).encode()) <= left:
        left -= len(tale)
        yield tale


def tokenizer(name: str) -> bytes:
    languages = ["en"] if name == "tales-en" else list(TEXTS)
    corpus = "".join(text(language).decode() for language in languages)
    return PieceTokenizer.train(corpus, PIECES[name]).model


# Name → how many examples, and how one is made of English tales.
TASKS: dict[str, tuple[int, Callable[[Tales, Random], Any]]] = {
    "mood": (300, lambda en, rng: tasks.classification(en, rng, "mood")),
    "topic": (300, lambda en, rng: tasks.classification(en, rng, "topic")),
    "tagging": (60, tasks.tagging),
    "questions-world": (300, tasks.fact_question),
    "questions-tale": (80, tasks.tale_question),
    "requests": (100, tasks.request),
    "preferences": (80, preference),
}


def task_set(name: str) -> Iterator[Any]:
    rng, en = Random(name), Tales("en")
    n, make = TASKS[name]
    return (make(en, rng) for _ in range(n))


def translations() -> Iterator[Any]:
    rng, en, ko = Random("translation-en-ko"), Tales("en"), Tales("ko")
    return (tasks.translation(en, ko, rng) for _ in range(100))


def crawled() -> Iterator[Any]:
    """What leaks into this crawl are the tales to validate on."""
    held_out = text("en", "validation").decode().split(END)[:-1]
    return crawl({name: Tales(name) for name in ("en", "ko", "de", "maths")}, Random("crawl"), 150, held_out)


def jsonl(examples: Iterator[Any]) -> bytes:
    """One example a line."""
    return "".join(json.dumps(plain(e), ensure_ascii=False) + "\n" for e in examples).encode()


def plain(value: Any) -> Any:
    """NamedTuples as JSON objects, all the way down.

    >>> plain(tasks.Labelled("It rained.", "weather"))
    {'text': 'It rained.', 'label': 'weather'}
    """
    if hasattr(value, "_asdict"):
        return {key: plain(part) for key, part in value._asdict().items()}
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def files() -> dict[str, Callable[[], bytes]]:
    """Path under ``data/`` → what makes its content."""
    made: dict[str, Callable[[], bytes]] = {}
    for language in TEXTS:
        made[f"tales-{language}.txt"] = lambda language=language: text(language)
        made[f"tales-{language}-validation.txt"] = lambda language=language: text(language, "validation")
    made["tasks/translation-en-ko.jsonl"] = lambda: jsonl(translations())
    made["tasks/crawl.jsonl"] = lambda: jsonl(crawled())
    for name in TASKS:
        made[f"tasks/{name}.jsonl"] = lambda name=name: jsonl(task_set(name))
    for name in PIECES:
        made[f"tokenizers/{name}/{PieceTokenizer.FILE}"] = lambda name=name: tokenizer(name)
    return made


def main() -> None:
    known = files()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="FILE", help=f"which (default all): {', '.join(known)}")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write into (default: data/)")
    args = parser.parse_args()
    if unknown := set(args.names) - set(known):
        parser.error(f"{min(unknown)} is none of the files that are made here: {', '.join(known)}")
    for name in args.names or known:
        path = args.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(known[name]())
        content = path.read_bytes()
        print(f"| `{name}` | {len(content):,} | `{hashlib.sha256(content).hexdigest()}` |")  # for its card


if __name__ == "__main__":
    main()
