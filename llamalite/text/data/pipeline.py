"""From files to clean files: every filter, any number of documents, some processes, and no work done twice.

OUT/parts/part-00000.npz    what is remembered of a part's survivors; part-00000.json, written last: they and
                           their reasons. A part that has one is not looked at again
OUT/clean-00000.txt …      what stays, a blank line after each document
OUT/removed.jsonl          what goes, and why
OUT/funnel.json            how many came in, went (and why), and stay
OUT/manifest.json          written last, as `llamalite train --data OUT --documents` reads it

First every document is screened alone, parts side by side; then buckets of parts are searched for copies;
then what stays is written. In memory: the parts in flight, and a kilobyte a document of one bucket. Left
out: shuffling, more than one machine, a bucket that remembers the one before.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llamalite.text.corpus import MANIFEST, UNFINISHED
from llamalite.text.data import funnel
from llamalite.text.data.deduplication import Marks, common_lines, joined, mark, reasons, trimmed
from llamalite.text.data.records import Record
from llamalite.text.data.screening import Screen, screen
from llamalite.text.files import fingerprint, write_whole

END = "\n\n"
Advance = Callable[[int], Any]


class Plan(NamedTuple):
    """What is asked of the stages that know more than one document."""

    near: float | None = 0.6
    common: int = 6  # a line in more documents of a bucket goes; 0: none does
    part: int = 2000  # documents that are screened, and kept, at once
    bucket: int = 250_000  # documents among which copies are looked for


def clean(
    records: Iterable[Record],
    out: Path,
    filters: Screen,
    plan: Plan,
    asked: dict[str, Any],
    processes: int = 1,
    advance: Advance = lambda n: None,
) -> funnel.Funnel:
    """Clean a stream into ``out``, or what is missing of it; ``asked`` tells this cleaning from others."""
    if done := begin(out, json.loads(json.dumps(asked))):
        return done
    work = out / "parts"
    n_parts = screen_all(records, work, filters, plan.part, processes, advance)
    funnels, shards = [], []
    with open(out / "removed.jsonl", "w", encoding="utf-8") as removed:
        for bucket in buckets(work, n_parts, plan.bucket):
            for number, rows in finished(work, bucket, plan):
                content = "".join(one_document(text) + END for text, why, _, _ in rows if not why).encode()
                name = f"clean-{number:05d}.txt"
                write_whole(out / name, content)
                shards.append({"name": name, **fingerprint(content)})
                funnels.append(
                    funnel.count((why, language, text, size) for text, why, language, size in rows)
                )
                removed.writelines(as_line(text, why) for text, why, _, _ in rows if why)
    total = funnel.added(funnels)
    write_whole(out / "funnel.json", as_json(funnel.as_dict(total)))
    write_whole(out / MANIFEST, as_json({"asked": asked, "shards": shards}))
    (out / UNFINISHED).unlink(missing_ok=True)
    shutil.rmtree(work)
    return total


def begin(out: Path, asked: dict[str, Any]) -> funnel.Funnel | None:
    """The report, if this was done before; a folder to work in, if not; strangers are left alone."""
    for name in (MANIFEST, UNFINISHED):
        if (out / name).is_file():
            try:
                known = json.loads((out / name).read_bytes())["asked"]
                report = json.loads((out / "funnel.json").read_bytes()) if name == MANIFEST else None
            except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
                raise ValueError(f"{out / name} tells of no cleaning; choose another --out") from error
            for key in asked:
                if known.get(key) != asked[key]:
                    raise FileExistsError(
                        f"{out} holds a cleaning with another {key}; give the same to go on with it, "
                        "or choose another --out"
                    )
            return funnel.from_dict(report) if report else None
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is in use for something else; choose another --out")
    (out / "parts").mkdir(parents=True, exist_ok=True)
    write_whole(out / UNFINISHED, as_json({"asked": asked}))
    return None


# --- one document at a time, parts side by side ------------------------------------------------------


def screen_all(
    records: Iterable[Record], work: Path, filters: Screen, size: int, processes: int, advance: Advance
) -> int:
    """Screen what was not screened before; return the number of parts."""
    parts = [0]

    def todo() -> Iterator[tuple[Path, list[Record]]]:
        stream = iter(records)
        while some := list(islice(stream, size)):
            path = work / f"part-{parts[0]:05d}.json"
            parts[0] += 1
            if path.is_file():
                advance(len(some))
            else:
                yield path, some

    if processes == 1:
        for path, some in todo():
            advance(screen_part(path, some, filters))
    else:
        side_by_side(todo(), filters, processes, advance)
    return parts[0]


def side_by_side(
    todo: Iterator[tuple[Path, list[Record]]], filters: Screen, processes: int, advance: Advance
) -> None:
    """A few parts in flight, never the whole stream. Children are spawned, so they share nothing with us."""
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=take_filters, initargs=(filters,))
    try:
        flying = {pool.submit(screen_with_taken, *job) for job in islice(todo, 2 * processes)}
        while flying:
            done, flying = wait(flying, return_when=FIRST_COMPLETED)
            for each in done:
                advance(each.result())
            flying |= {pool.submit(screen_with_taken, *job) for job in islice(todo, len(done))}
    finally:
        pool.shutdown(cancel_futures=True)  # what has begun is finished, and kept


TAKEN: list[Screen] = []  # in a child: the filters, sent once


def take_filters(filters: Screen) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; we finish our part
    TAKEN[:] = [filters]


def screen_with_taken(path: Path, records: Sequence[Record]) -> int:
    return screen_part(path, records, TAKEN[0])


def screen_part(path: Path, records: Sequence[Record], filters: Screen) -> int:
    """Write what became of a part's documents; its list of reasons last, which says that it is whole."""
    rows, texts = [], []
    for record in records:
        found = screen(record, filters)
        rows.append([found.text, found.reason, found.language, len(record.text or "")])
        if not found.reason:
            texts.append(found.text)
    with open(path.with_suffix(".npz"), "wb") as file:
        np.savez(file, **mark(texts)._asdict())
    write_whole(path, json.dumps(rows).encode())
    return len(records)


# --- buckets ------------------------------------------------------------------------------------------


def buckets(work: Path, n_parts: int, size: int) -> Iterator[list[tuple[int, Marks]]]:
    """Parts, with what is remembered of them, until a bucket is full."""
    bucket: list[tuple[int, Marks]] = []
    for number in range(n_parts):
        with np.load(work / f"part-{number:05d}.npz") as stored:
            marks = Marks(*(stored[name] for name in Marks._fields))
        if bucket and sum(len(each.whole) for _, each in bucket) + len(marks.whole) > size:
            yield bucket
            bucket = []
        bucket.append((number, marks))
    if bucket:
        yield bucket


def finished(
    work: Path, bucket: list[tuple[int, Marks]], plan: Plan
) -> Iterator[tuple[int, list[list[Any]]]]:
    """(number, rows) of every part of a bucket, with the reasons that only neighbours give."""
    marks = joined([each for _, each in bucket])
    why = reasons(marks, plan.near)
    banned = common_lines(marks, why, plan.common)
    verdicts = iter(why)
    for number, _ in bucket:
        rows = json.loads((work / f"part-{number:05d}.json").read_bytes())
        for row in rows:
            if not row[1]:
                row[0], row[1] = trimmed(row[0], next(verdicts), banned)
        yield number, rows


def one_document(text: str) -> str:
    """No blank line within: that is where a document ends."""
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip())


def as_line(text: str, why: str) -> str:
    return json.dumps({"why": why, "text": text}, ensure_ascii=True) + "\n"


def as_json(values: Any) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
