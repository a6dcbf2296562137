"""How fast the PyTorch half trains and writes, beside Hugging Face's Llama and one as it is usually written.

    python tools/bench_torch.py                                   # a quarter of an hour on one thread
    python tools/bench_torch.py --what decode --rounds 3          # a part of it
    python tools/bench_torch.py --out data/bench.json             # keep it, as `make bench` does
    python tools/bench_torch.py --device cuda                     # train the 110M shape on a GPU, with MFU

Every way runs in a process of its own, as it would for whoever uses it, and they work in turn, a step or
a text each, there and back, so that a busy machine slows all alike. Before that they must come to the same
losses or the same text from the same weights. What is compared is one way's time with another's, round by
round: the table shows the median of these ratios and their quartiles.

Training is a whole step (AdamW, clipping) on tokens drawn at random. Decoding is one text, greedy, from 8
tokens to 200 more, with weights that are bfloat16 numbers, as published ones are; all arithmetic is float32.
The limit of decoding is to read every weight once a token, in two bytes or in four.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from racers import OURS, Race, build
from study_budget import processor, rounded

from llamalite.config import preset
from llamalite.text.files import write_whole
from llamalite.train.device import peak_flops

TEXT = 200  # tokens that are written
CPU_RACES = (
    Race("train", "llama3-tiny", 16, 256),
    Race("train", "stories-15m", 4, 256),
    Race("decode", "stories-15m", 1, TEXT),
)
GPU_RACES = (Race("train", "stories-110m", 32, 1024),)
CPU_WAYS = {
    "train": (OURS, "ours, float32", "Hugging Face", "as usually written"),
    "decode": (
        OURS,
        "ours, weights in float32",
        "ours, not compiled",
        "ours, the model itself",
        "Hugging Face",
        "limit: weights read once",
        "limit: float32 weights read once",
    ),
}
GPU_WAYS = {"train": (OURS, "ours, eager", "Hugging Face")}

# --- a worker -----------------------------------------------------------------------------------------------


def work(way: str, race: Race, device: torch.device, threads: int) -> None:
    """Answer each line of the standard input, a unit's number, with a line: seconds, and what came out."""
    torch.set_num_threads(threads)
    unit_of_work = build(way, race, device)
    for line in sys.stdin:
        began = time.perf_counter()
        answer = unit_of_work(int(line))
        if device.type == "cuda":
            torch.cuda.synchronize()
        print(json.dumps({"seconds": time.perf_counter() - began, "answer": answer}), flush=True)


# --- the race ----------------------------------------------------------------------------------------------


class Worker:
    """One way, in a process of its own."""

    def __init__(self, way: str, race: Race, device: str, threads: int):
        command = [sys.executable, __file__, "--worker", way, "--race", json.dumps(race), "--device", device]
        command += ["--threads", str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, unit: int) -> dict[str, Any]:
        self.process.stdin.write(f"{unit}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("bench_torch: a worker has failed; what it said stands above")
        return json.loads(line)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        self.process.wait()


def run(race: Race, ways: Sequence[str], rounds: int, device: str, threads: int) -> Iterator[dict[str, Any]]:
    """One row a way, the first of which is ours."""
    with ExitStack() as stack:
        workers = {way: stack.enter_context(Worker(way, race, device, threads)) for way in ways}
        for unit in (0, 1):  # also warms up
            agree(race, {way: worker(unit)["answer"] for way, worker in workers.items()})
        found: dict[str, list[float]] = {way: [] for way in ways}
        for i in range(rounds):
            for way in list(ways)[:: -1 if i % 2 else 1]:
                found[way].append(workers[way](2 + i)["seconds"])
    for way, times in found.items():
        low, middle, high = statistics.quantiles(
            [theirs / our for our, theirs in zip(found[OURS], times, strict=True)], n=4
        )
        speed = race.batch * race.length / statistics.median(times)
        row = race._asdict() | {"threads": threads, "rounds": rounds, "way": way, "tokens_per_s": speed}
        row |= {"ours_is_times_as_fast": middle, "quartiles": [low, high]}
        yield row | share_of_peak(race, speed, device)


def agree(race: Race, answers: dict[str, Any]) -> None:
    """A race is fair between those that arrive at the same place."""
    for way, answer in answers.items():
        if race.what == "train":
            same = abs(answer - answers[OURS]) < 0.02  # bfloat16 has two to three digits
        else:
            same = answer is None or answer == answers[OURS]
        if not same:
            found = f"{way} comes to {answer}, ours to {answers[OURS]}"
            raise SystemExit(f"bench_torch: {found}; nothing to compare")


def share_of_peak(race: Race, tokens_per_s: float, device: str) -> dict[str, float]:
    peak = peak_flops(torch.device(device), torch.bfloat16)
    if peak is None or race.what != "train":
        return {}
    return {"mfu": tokens_per_s * preset(race.model).train_flops_per_token(race.length) / peak}


def table(record: dict[str, Any]) -> str:
    """The rows of a record in Markdown, as the README shows them."""
    lines = ["| | | tokens/s | ours is × as fast (quartiles) |", "|---|---|---|---|"]
    for row in record["rows"]:
        step = f"training step, {row['batch']} × {row['length']} tokens"
        work = {"train": step, "decode": "writing one text"}
        low, high = row["quartiles"]
        ratio = f"{row['ours_is_times_as_fast']:.2f} ({low:.2f} to {high:.2f})"
        mfu = f", {row['mfu']:.0%} MFU" if "mfu" in row else ""
        what = f"{row['model']}, {work[row['what']]}"
        lines.append(f"| {what} | {row['way']} | {row['tokens_per_s']:,.0f}{mfu} | {ratio} |")
    return "\n".join(lines)


def origin(device: str, threads: int) -> dict[str, Any]:
    name = torch.cuda.get_device_name() if device == "cuda" else f"{threads} thread of {processor()}"
    packages = {name: version(name) for name in ("torch", "transformers")}
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "device": name,
        "versions": {"python": platform.python_version()} | packages,
    }


def main(argv: Sequence[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--what", choices=("train", "decode", "both"), default="both")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="on the CPU (default: 1)")
    parser.add_argument("--rounds", type=int, default=11, help="the medians of so many (default: 11)")
    parser.add_argument("--out", type=Path, help="also write the rows to this file, as JSON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--race", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        work(args.worker, Race(*args.race), torch.device(args.device), args.threads)
        return 0
    races, ways = (GPU_RACES, GPU_WAYS) if args.device == "cuda" else (CPU_RACES, CPU_WAYS)
    record = origin(args.device, args.threads) | {"rows": []}
    for race in races:
        if args.what in (race.what, "both"):
            record["rows"] += run(race, ways[race.what], args.rounds, args.device, args.threads)
    print(f"{record['device']}, {record['date']}; {record['versions']}\n\n{table(record)}")
    if args.out:
        write_whole(args.out, (json.dumps(rounded(record, 4), indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
