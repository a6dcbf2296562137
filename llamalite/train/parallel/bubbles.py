"""When each stage of a pipeline works and when it waits: a simulation of the schedules, and the formula.

A forward pass of one micro-batch through a whole stage takes ``forward`` units of time, a backward pass
``backward``; sending takes none. Left out: schedules that split the backward pass (zero bubble).
"""

from __future__ import annotations

from typing import NamedTuple


class Job(NamedTuple):
    rank: int
    begin: float
    end: float
    kind: str  # "F" or "B"
    micro: int  # number of the micro-batch
    chunk: int  # which of the rank's stages, if it has several


def bubble_share(p: int, m: int, v: int = 1) -> float:
    """Share of the whole time in which a rank waits: p stages' ranks, m micro-batches, v stages a rank.

    >>> bubble_share(4, 4), round(bubble_share(16, 16, 1), 3)
    (0.42857142857142855, 0.484)
    """
    return (p - 1) / (v * m + p - 1)


def bubble_ratio(p: int, m: int, v: int = 1) -> float:
    """Waiting over *working* time, which is what the Llama 3 report prints: (PP-1)/(V·M) (facts F3).

    >>> bubble_ratio(4, 4)
    0.75
    """
    return (p - 1) / (v * m)


def order_of(schedule: str, rank: int, p: int, m: int, v: int = 1) -> list[tuple[str, int, int]]:
    """What a rank does, one thing after the other: (kind, micro-batch, chunk).

    >>> [f"{kind}{micro}" for kind, micro, _ in order_of("1f1b", 0, 2, 3)]
    ['F0', 'F1', 'B0', 'F2', 'B1', 'B2']
    """
    if schedule == "gpipe":
        return [("F", i, 0) for i in range(m)] + [("B", i, 0) for i in range(m)]
    if schedule == "1f1b":
        forwards, backwards = [("F", i, 0) for i in range(m)], [("B", i, 0) for i in range(m)]
        ahead = p - 1 - rank
    elif schedule == "interleaved":
        if m % p:
            raise ValueError(f"interleaved: {m} micro-batches must be a multiple of {p} ranks")
        forwards = [("F", i, c) for i, c in by_groups(p, m, range(v))]
        backwards = [("B", i, c) for i, c in by_groups(p, m, reversed(range(v)))]
        ahead = 2 * (p - 1 - rank) + (v - 1) * p
    else:
        raise ValueError(f"there is no schedule {schedule!r}; there are gpipe, 1f1b and interleaved")
    ahead = min(ahead, len(forwards))
    pairs = zip(forwards[ahead:], backwards, strict=False)
    return forwards[:ahead] + [job for pair in pairs for job in pair] + backwards[len(forwards) - ahead :]


def by_groups(p: int, m: int, chunks) -> list[tuple[int, int]]:
    """p micro-batches through the first chunk, the same p through the next, then the next p."""
    chunks = list(chunks)
    return [(i, c) for begin in range(0, m, p) for c in chunks for i in range(begin, begin + p)]


def simulate(
    schedule: str, p: int, m: int, v: int = 1, forward: float = 1.0, backward: float = 2.0
) -> list[Job]:
    """Every job with its time: it begins when its rank is free and what it needs has arrived."""
    queues = [order_of(schedule, rank, p, m, v) for rank in range(p)]
    cost, free, done, jobs = {"F": forward / v, "B": backward / v}, [0.0] * p, {}, []
    while any(queues):
        before = len(jobs)
        for rank, queue in enumerate(queues):
            while queue and (ready := ready_at(*queue[0], rank, p, v, done)) is not None:
                kind, micro, chunk = queue.pop(0)
                begin = max(free[rank], ready)
                free[rank] = done[kind, micro, chunk * p + rank] = begin + cost[kind]
                jobs.append(Job(rank, begin, free[rank], kind, micro, chunk))
        if len(jobs) == before:
            raise RuntimeError(f"the schedule {schedule} waits for itself")
    return jobs


def ready_at(kind: str, micro: int, chunk: int, rank: int, p: int, v: int, done: dict) -> float | None:
    """When what a job needs is there; None: not known yet."""
    stage, last = chunk * p + rank, v * p - 1
    if kind == "F":
        return 0.0 if stage == 0 else done.get(("F", micro, stage - 1))
    return done.get(("F", micro, last) if stage == last else ("B", micro, stage + 1))


def waiting_share(jobs: list[Job]) -> float:
    """Idle time over all time, of all ranks together."""
    ranks, end = 1 + max(job.rank for job in jobs), max(job.end for job in jobs)
    return 1 - sum(job.end - job.begin for job in jobs) / (ranks * end)


def most_in_flight(jobs: list[Job], rank: int = 0) -> int:
    """Micro-batches of whose forward pass a rank has to remember the activations, at the worst moment."""
    steps = sorted((job.begin, job.kind == "F", job) for job in jobs if job.rank == rank)
    held, worst = 0, 0
    for _, is_forward, _ in steps:
        held += 1 if is_forward else -1
        worst = max(worst, held)
    return worst
