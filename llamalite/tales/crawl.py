"""A dirty crawl: documents as the web would give them, each with the truth about it.

For filters, language identification and deduplication, which can then be scored with precision and
recall. Everything that is unpleasant here is invented: the rude words are no words, the addresses lead
nowhere (example.com, telephone numbers 555-01xx) and belong to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from llamalite.tales.parsing import hear
from llamalite.tales.plot import Weighted
from llamalite.tales.telling import Tales
from llamalite.tales.world import pick

# What share of the documents is of which kind. How dirty the real web is, nobody here claims to know.
RATES = {
    "clean": 0.45, "duplicate": 0.12, "near duplicate": 0.12, "boilerplate": 0.08, "gibberish": 0.05,
    "wrong language": 0.05, "rude": 0.04, "personal": 0.05, "leak": 0.04,
}  # fmt: skip

MENUS = (
    "Home | Tales | Heroes | About",
    "Skip to content",
    "Log in or register",
    "Share this tale",
    "Menu  Search",
)
NOTICES = (
    "This page uses biscuits. Accept all biscuits?",
    "Subscribe to our letter and never miss a tale!",
    "BUY ONE LANTERN, GET ONE FREE",
    "All rights reserved by nobody in particular.",
    "You have read 3 of 3 free tales this month.",
)
RUDE = ("snorkwump", "blatherguff", "mudgrobbler", "fnarkle", "pumplesnitch", "grizzlewort")
SYLLABLES = ("xq", "zzr", "vlk", "ghj", "qwe", "asdf", "jkl", "0O", "#%", "§§", "Ã¤", "â€")


class Personal(NamedTuple):
    """``text[start:end]`` is somebody's ``"e-mail"``, ``"telephone"`` or ``"address"``."""

    start: int
    end: int
    kind: str


class Document(NamedTuple):
    """``text`` as it was found, and what is true of it.

    number     its place in the crawl, from 0
    language   what it is written in ("" for gibberish, for menus without a tale, and for a leak that no
               language of the crawl tells)
    claimed    the language that its page claims
    kind       one of RATES
    original   the number of the document it copies, or of the held-out text that leaked; -1 for none.
               Two leaks of one text may be alike; no other document is what came before it, unless it says so
    edits      words that differ from the original
    personal   what a filter for personal data has to find
    """

    text: str
    number: int
    language: str
    claimed: str
    kind: str
    original: int = -1
    edits: int = 0
    personal: tuple[Personal, ...] = ()


def crawl(
    told: Mapping[str, Tales],
    rng: Random,
    n_documents: int,
    held_out: Sequence[str],
    rates: Mapping[str, float] = RATES,
) -> Iterator[Document]:
    """Documents of all kinds. A page claims a language of ``told`` and, unless it lies, is in that one."""
    kinds = kinds_at(rates)
    clean: list[Document] = []  # to be copied
    seen = {essence(text) for text in held_out}  # what none may be by chance: sums and gibberish are short
    for number in range(n_documents):
        kind = str(kinds.draw(rng, {})[0])
        claimed = pick(rng, list(told))
        if kind in ("duplicate", "near duplicate") and not clean:
            kind = "clean"
        found = make(kind, told, rng, claimed, held_out, clean)
        while kind not in ("duplicate", "leak") and essence(found.text) in seen:
            found = make(kind, told, rng, claimed, held_out, clean)
        seen.add(essence(found.text))
        found = found._replace(number=number, kind=kind)
        if kind == "clean":
            clean.append(found)
        yield found


def make(
    kind: str,
    told: Mapping[str, Tales],
    rng: Random,
    claimed: str,
    held_out: Sequence[str],
    clean: Sequence[Document],
) -> Document:
    """One document of that kind, which does not know its number yet."""
    if kind == "leak":
        return leak(told, rng, claimed, held_out)
    if "duplicate" in kind:
        return copy(rng, pick(rng, clean), near=kind != "duplicate")
    return MAKERS[kind](told, rng, claimed)


def essence(text: str) -> str:
    """What is left when letters are all small and lines do not count.

    >>> essence("ONCE upon\\n  a time")
    'once upon a time'
    """
    return " ".join(text.casefold().split())


def kinds_at(rates: Mapping[str, float]) -> Weighted:
    """What kind the next document is. Rates are relative; a rate of 0 leaves a kind out.

    >>> kinds_at({"clean": 3, "rude": 0}).options
    ['clean']
    """
    if unknown := sorted(set(rates) - set(RATES)):
        raise ValueError(f"rates: there is no kind {unknown[0]!r}; there are {', '.join(RATES)}")
    if min(rates.values(), default=0) < 0 or not any(rates.values()):
        raise ValueError("rates: none may be below 0, and one must be above; such as clean=0.9, rude=0.1")
    wanted = {kind: rate for kind, rate in rates.items() if rate}
    return Weighted(list(wanted), list(wanted.values()))


def page(told: Mapping[str, Tales], rng: Random, claimed: str) -> Document:
    """A tale, one sentence a line; a block of code keeps its indentation, or it would not run."""
    tales = told[claimed]
    text = tales.tell(rng).text
    lines = [text[s.start : s.end] for s in hear(tales.grammar, text).sentences]
    joiner = tales.grammar.joiner if "\n" in tales.grammar.joiner else "\n"
    return Document(joiner.join(lines), 0, claimed, claimed, "")


def boilerplate(told: Mapping[str, Tales], rng: Random, claimed: str) -> Document:
    """Menus and notices round a tale, or, one time in three, instead of one."""
    around = [pick(rng, pick(rng, (MENUS, NOTICES))) for _ in range(3 + int(rng.random() * 4))]
    if rng.random() < 1 / 3:
        return Document("\n".join(around), 0, "", claimed, "")
    inside = page(told, rng, claimed)
    return inside._replace(text="\n".join([*around[:2], inside.text, *around[2:]]))


def gibberish(told: Mapping[str, Tales], rng: Random, claimed: str) -> Document:
    """Keys hit at random, or one word without end."""
    if rng.random() < 0.5:
        words = ["".join(pick(rng, SYLLABLES) for _ in range(1 + int(rng.random() * 4))) for _ in range(60)]
    else:
        words = [pick(rng, told[claimed].tell(rng).text.split())] * 60
    return Document("\n".join(" ".join(words[i : i + 12]) for i in range(0, 60, 12)), 0, "", claimed, "")


def wrong_language(told: Mapping[str, Tales], rng: Random, claimed: str) -> Document:
    """A page in other words than it claims. Sums are no lie on a page in English, whose words they use."""
    others = [name for name in told if tongue(told[name]) != tongue(told[claimed])]
    if not others:
        raise ValueError(
            f"a wrong language needs a second one, with other words than {claimed!r} has; give one, "
            "or no 'wrong language' in rates"
        )
    return page(told, rng, pick(rng, others))._replace(claimed=claimed)


def tongue(tales: Tales) -> str:
    """The language whose words these tales use: "en" for sums and for Python."""
    return tales.grammar.language.header.get("words", tales.language)


def rude(told: Mapping[str, Tales], rng: Random, claimed: str) -> Document:
    """A stand-in for unsafe text: three to nine rude words that nobody has ever said."""
    found = page(told, rng, claimed)
    words = found.text.split(" ")
    for _ in range(3 + int(rng.random() * 7)):
        words.insert(int(rng.random() * len(words)), pick(rng, RUDE))
    return found._replace(text=" ".join(words))


def personal(told: Mapping[str, Tales], rng: Random, claimed: str) -> Document:
    """A tale, and a line that gives somebody away."""
    found = page(told, rng, claimed)
    name = told[claimed].name(int(rng.random() * told[claimed].world.n_heroes))
    data = {
        "e-mail": f"{name.lower()}{int(rng.random() * 90) + 10}@example.com",
        "telephone": f"555-01{int(rng.random() * 100):02d}",
        "address": f"{1 + int(rng.random() * 99)} {name} Lane, 000{int(rng.random() * 90) + 10} Example",
    }
    kinds = [kind for kind in data if rng.random() < 0.6] or ["e-mail"]
    text, spans = found.text + f"\nWritten by {name}", []
    for kind in kinds:
        text += ", "
        spans.append(Personal(len(text), len(text) + len(data[kind]), kind))
        text += data[kind]
    return found._replace(text=text, personal=tuple(spans))


def leak(told: Mapping[str, Tales], rng: Random, claimed: str, held_out: Sequence[str]) -> Document:
    """A text that models will be tested on: word for word, in other lines, or in capitals."""
    if not held_out:
        raise ValueError("a leak needs held-out texts; give some, or no 'leak' in rates")
    number = int(rng.random() * len(held_out))
    text = held_out[number]
    language = next((name for name, tales in told.items() if not hear(tales.grammar, text).problem), "")
    disguise = int(rng.random() * 3)
    if disguise == 1:
        words = text.split()
        text = "\n".join(" ".join(words[i : i + 9]) for i in range(0, len(words), 9))
    elif disguise == 2:
        text = text.upper()
    return Document(text, 0, language, language or claimed, "", original=number)


def copy(rng: Random, original: Document, near: bool) -> Document:
    """The same again; ``near``, with one to five of its words changed for others of its own."""
    lines = [line.split(" ") for line in original.text.split("\n")]
    places = [(i, j) for i, line in enumerate(lines) for j, word in enumerate(line) if word]  # no indentation
    words = sorted({word for line in lines for word in line if word})
    edits = 0
    for _ in range(1 + int(rng.random() * 5) if near else 0):
        i, j = places.pop(int(rng.random() * len(places)))
        lines[i][j] = pick(rng, [word for word in words if word != lines[i][j]])
        edits += 1
    text = "\n".join(" ".join(line) for line in lines)
    return original._replace(text=text, original=original.number, edits=edits)


MAKERS = {
    "clean": page,
    "boilerplate": boilerplate,
    "gibberish": gibberish,
    "wrong language": wrong_language,
    "rude": rude,
    "personal": personal,
}
