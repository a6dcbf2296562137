"""How many documents came in, how many stay, and why the others went: the report of a cleaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from llamalite.text.data import deduplication, screening

ORDER = screening.REASONS + deduplication.REASONS


class Funnel(NamedTuple):
    """``why``: reason → documents; sizes in characters; ``languages``: name → (documents in, out)."""

    n_in: int
    n_out: int
    size_in: int
    size_out: int
    why: dict[str, int]
    languages: dict[str, tuple[int, int]]


def count(rows: Iterable[tuple[str, str, str, int]]) -> Funnel:
    """From (reason or "", language, text as it stays, characters that came in), a row a document."""
    n_in = n_out = size_in = size_out = 0
    why: Counter[str] = Counter()
    came: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for reason, language, text, size in rows:
        n_in, size_in = n_in + 1, size_in + size
        came[language] += 1
        if reason:
            why[reason] += 1
        else:
            n_out, size_out = n_out + 1, size_out + len(text)
            left[language] += 1
    return Funnel(n_in, n_out, size_in, size_out, dict(why), {n: (came[n], left[n]) for n in sorted(came)})


def added(funnels: Iterable[Funnel]) -> Funnel:
    total = Funnel(0, 0, 0, 0, {}, {})
    for f in funnels:
        numbers = (a + b for a, b in zip(total[:4], f[:4], strict=True))
        why = dict(Counter(total.why) + Counter(f.why))
        names = sorted({*total.languages, *f.languages})
        pairs = [(total.languages.get(n, (0, 0)), f.languages.get(n, (0, 0))) for n in names]
        both = {n: (a[0] + b[0], a[1] + b[1]) for n, (a, b) in zip(names, pairs, strict=True)}
        total = Funnel(*numbers, why, both)
    return total


def steps(f: Funnel) -> list[tuple[str, int, int]]:
    """(reason, documents that went, documents still there), in the order of the filters.

    >>> steps(Funnel(5, 2, 0, 0, {"copy": 1, "rule: symbols": 2}, {}))
    [('rule: symbols', 2, 3), ('copy', 1, 2)]
    """
    ranked = sorted(f.why, key=lambda reason: (ORDER.index(reason.partition(":")[0]), reason))
    left, out = f.n_in, []
    for reason in ranked:
        left -= f.why[reason]
        out.append((reason, f.why[reason], left))
    return out


def as_dict(f: Funnel) -> dict[str, Any]:
    return {
        "documents": {"in": f.n_in, "out": f.n_out},
        "characters": {"in": f.size_in, "out": f.size_out},
        "steps": [{"why": why, "gone": gone, "left": left} for why, gone, left in steps(f)],
        "languages": {name: {"in": a, "out": b} for name, (a, b) in f.languages.items()},
    }


def from_dict(d: Mapping[str, Any]) -> Funnel:
    documents, characters = d["documents"], d["characters"]
    why = {step["why"]: step["gone"] for step in d["steps"]}
    languages = {name: (each["in"], each["out"]) for name, each in d["languages"].items()}
    sizes = (documents["in"], documents["out"], characters["in"], characters["out"])
    return Funnel(*sizes, why, languages)


def picture(f: Funnel, width: int = 40) -> str:
    """Bars of text: what is left after every filter.

    >>> print(picture(Funnel(4, 3, 0, 0, {"copy": 1}, {}), width=8))
    came in             4 ████████
    copy               -1 ██████
    stay                3 ██████
    """
    rows = [("came in", f"{f.n_in:,}", f.n_in)]
    rows += [(why, f"-{gone:,}", left) for why, gone, left in steps(f)]
    rows.append(("stay", f"{f.n_out:,}", f.n_out))
    size = max(len(name) for name, _, _ in rows) if f.why else 0
    size = max(size, 12)
    return "\n".join(
        f"{name:{size}} {n:>8} {'█' * round(width * left / max(f.n_in, 1))}" for name, n, left in rows
    )
