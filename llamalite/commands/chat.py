"""``llamalite chat``: questions in, answers out, until there are no more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from llamalite.commands.sampling import Sampling, rules, short_way

if TYPE_CHECKING:
    from llamalite.align.chat import Format, Message
    from llamalite.train.runs import Run

Answer = Callable[[list["Message"]], Iterator[str]]


@dataclass(frozen=True)
class Chat(Sampling):
    """Talk with a run that was trained on conversations.

    /reset begins anew, /exit (or the end of the input) ends. Ctrl-C stops an answer. When the context is
    full, the oldest question is forgotten with its answer. For example:
      llamalite chat runs/instruct
      llamalite chat runs/instruct --system "Answer in one sentence." --temperature 0
      llamalite chat runs/instruct < questions.txt > answers.txt
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a run that learned from conversations."""
    system: str = ""
    """What is said before all turns."""
    format: Literal["llama2", "llama3"] | None = None
    """How turns are written; a run knows the one it was trained with."""
    tokens: int = 256
    """The longest answer. So much of the context is kept free for it, at most a half."""
    stop: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """End an answer before this text too; may be given several times."""


def run(args: Chat) -> None:
    from llamalite.align.chat import FORMATS, Message
    from llamalite.train.device import pick_device
    from llamalite.train.runs import load_run, read_json

    name = args.format or read_json(args.run / "train.json").get("chat")
    if name is None:
        raise ValueError(
            f"{args.run} was trained to continue texts and has never seen a conversation; try "
            f"`llamalite generate {args.run}`, or say in which --format to ask it nevertheless"
        )
    opened = load_run(args.run, pick_device(args.device))
    FORMATS[name].encode(opened.tokenizer, [Message("user", "?")])  # better now than after a question
    talk(args, answering(args, opened, FORMATS[name]), sys.stdin, sys.stdin.isatty())


def answering(args: Chat, opened: Run, format: Format) -> Answer:
    """Turns → the parts of an answer; older turns than fit are left out."""
    import torch

    from llamalite.align.chat import fit
    from llamalite.in_torch.generation import generate
    from llamalite.in_torch.llama import build_cache
    from llamalite.text.stopping import until
    from llamalite.text.tokenization.tokenizer import stream_text

    model, tokenizer, cfg, _ = opened
    device = model.tok_embeddings.weight.device
    forward, cache = short_way(args, model), build_cache(cfg, 1, device=device)
    generator = torch.Generator(device).manual_seed(args.seed)
    free = min(args.tokens, cfg.max_seq_len // 2)

    def answer(messages: list[Message]) -> Iterator[str]:
        prompt, kept = fit(format, tokenizer, messages, cfg.max_seq_len - free)
        messages[:] = kept
        ids = generate(
            forward,
            prompt,
            free,
            max_seq_len=cfg.max_seq_len,
            cache=cache,
            stop_ids=format.stop_ids(tokenizer),
            generator=generator,
            device=device,
            **rules(args),
        )
        return until(stream_text(tokenizer, ids, continues=True), args.stop)

    return answer


def talk(args: Chat, answer: Answer, questions: Iterable[str], interactive: bool) -> None:
    """A line is a question; its answer appears as it is written and stays part of the conversation."""
    from llamalite.align.chat import Message

    beginning = [Message("system", args.system)] if args.system else []
    messages = list(beginning)
    show = partial(print, end="", flush=True)
    if interactive:
        show("Ask something; /reset begins anew, /exit ends.\n> ")
    for line in questions:
        question = line.strip()
        if question == "/exit":
            return
        if question == "/reset":
            messages = list(beginning)
        elif question:
            messages.append(Message("user", question))
            try:
                said = list(shown(answer(messages), show))
            except ValueError as error:  # too long, or a tag in it: the conversation goes on without it
                messages.pop()
                print(f"llamalite: {error}", file=sys.stderr)
            else:
                messages.append(Message("assistant", "".join(said).strip()))
        if interactive:
            show("> ")


def shown(parts: Iterator[str], show: Callable[[str], None]) -> Iterator[str]:
    """The parts of an answer, each after it was shown; Ctrl-C ends the answer and not the conversation."""
    try:
        for part in parts:
            show(part)
            yield part
    except KeyboardInterrupt:
        show(" …")
    show("\n")
