"""The folders of stages: runs that also know the format of their chat, and where they are from.

RUN/train.json     "chat": the format, so that `llamalite chat RUN` can hold a conversation;
                   "align": stage, settings, the run it began with; for a reward model its mean and spread
RUN/pairs.jsonl    what a stage learnt from, where it made that itself
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from llamalite.align.chat import FORMATS, START, Format, Message
from llamalite.align.evaluation import Asking
from llamalite.align.rlhf.reward import Pair, RewardModel, with_scalar_head
from llamalite.align.sft import Example, encode_dialogue, encode_pair
from llamalite.in_torch.llama import Llama
from llamalite.tales.preferences import MARGINS
from llamalite.tales.short import short_tales
from llamalite.tales.tasks import Request, request
from llamalite.tales.telling import Tales
from llamalite.text.files import write_whole
from llamalite.text.tokenization.tokenizer import Tokenizer
from llamalite.train import checkpoint
from llamalite.train.interruption import RunFailed
from llamalite.train.runs import create_run, empty_llama, load_run, read_config, read_json, write_json

# Worlds that can be asked for by name, as texts can: requests are made on the spot, and a judge is there.
WORLDS: dict[str, Callable[[], Tales]] = {"short-tales": short_tales, "tales": partial(Tales, "en")}


class Stage(NamedTuple):
    """An opened run, and the format of its chat."""

    model: Llama
    tokenizer: Tokenizer
    format: Format
    chat: str  # the name of the format


def open_stage(folder: Path, chat: str = "") -> Stage:
    """A run to go on from; ``chat`` is needed only where the run never saw a conversation."""
    run = load_run(folder)
    known = read_json(folder / "train.json").get("chat")
    usual = "llama3" if START in run.tokenizer.special_ids else "llama2"
    chat = chat or known or usual
    if known and chat != known:
        raise ValueError(f"{folder} was trained with --format {known}; leave --format out")
    FORMATS[chat].encode(run.tokenizer, [Message("user", "?")])  # better now than after the first step
    return Stage(run.model, run.tokenizer, FORMATS[chat], chat)


def create_stage(folder: Path, origin: Path, stage: Stage, kind: str, settings: Mapping[str, Any]) -> None:
    """Everything of the new run but its weights."""
    record = read_json(origin / "train.json")
    about = {"stage": kind, "from": str(origin), "settings": dict(settings)}
    create_run(folder, stage.model.cfg, stage.tokenizer, {**record, "chat": stage.chat, "align": about})


def check_folder(folder: Path, kind: str, settings: Mapping[str, Any], resume: bool) -> None:
    """A new stage wants an empty folder, a resumed one its own settings."""
    if not resume:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(f"{folder} exists already; go on with --resume, or choose another --out")
        return
    begun = read_json(folder / "train.json").get("align", {})
    if begun.get("stage") != kind:
        raise ValueError(f"{folder} is not a run of `llamalite align {kind}`; leave --resume out")
    for name, value in json.loads(json.dumps(dict(settings))).items():
        if begun["settings"].get(name) != value:
            raise ValueError(
                f"{folder} was begun with {name} = {begun['settings'].get(name)}; say the same, or start anew"
            )


# --- reward models -----------------------------------------------------------------------------------


def record_scores(folder: Path, model: RewardModel) -> None:
    """Note the mean and the spread of a trained reward model's scores."""
    record = read_json(folder / "train.json")
    record["align"] |= {"mean": model.mean, "std": model.std}
    write_json(folder / "train.json", record)


def load_reward(folder: Path) -> RewardModel:
    about = read_json(folder / "train.json").get("align", {})
    newest = checkpoint.latest(folder / "checkpoints")
    if about.get("stage") != "reward" or newest is None or "std" not in about:
        raise ValueError(f"{folder} is no finished reward model; make one with `llamalite align reward`")
    model = with_scalar_head(empty_llama(read_config(folder), "cpu"))
    try:
        model.load_state_dict(checkpoint.load(newest, ["model"]).tensors["model"])
    except (KeyError, RuntimeError) as error:
        raise RunFailed(f"{newest} does not fit {folder / 'config.json'}; one of them was changed") from error
    return RewardModel(model.eval(), about["mean"], about["std"])


# --- what is learnt from -----------------------------------------------------------------------------


def asking_of(stage: Stage, world: str, max_tokens: int = 96) -> Asking:
    if world not in WORLDS:
        raise ValueError(f"nobody can judge answers about {world!r}; worlds are: {', '.join(WORLDS)}")
    return Asking(stage.tokenizer, stage.format, WORLDS[world](), max_tokens)


def made_requests(tales: Tales, split: str, n: int) -> list[Request]:
    """Requests of one split; splits share no generator ("train", "validation", "test" …)."""
    return [request(tales, Random(f"{split} {i}")) for i in range(n)]


def read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}; give a .jsonl file, or one of {', '.join(WORLDS)}")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(json.loads(line)) if line.strip() else None
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number} is not JSON ({error}); write one object a line"
            ) from None
    return found


def read_dialogues(stage: Stage, data: str, n: int) -> list[Example]:
    """Requests and answers of a world, or of a file: {"request", "answer"} or {"messages"} a line."""
    encode = partial(encode_pair, stage.format, stage.tokenizer)
    if data in WORLDS:
        return [encode(made.request, made.answer) for made in made_requests(WORLDS[data](), "train", n)]
    found = []
    for line in read_lines(Path(data))[:n]:
        if "messages" in line:
            said = [Message(m["role"], m["content"]) for m in line["messages"]]
            found.append(encode_dialogue(stage.format, stage.tokenizer, said))
        elif {"request", "answer"} <= line.keys():
            found.append(encode(line["request"], line["answer"]))
        else:
            raise ValueError(f'{data}: a line has neither "messages" nor "request" and "answer"')
    return found


def read_preferences(stage: Stage, data: str, margins: str, n: int) -> list[Pair]:
    """Pairs of a file: {"prompt", "chosen", "rejected"} a line, and "strength" where it is known."""
    encode = partial(encode_pair, stage.format, stage.tokenizer)
    found = []
    for line in read_lines(Path(data))[:n]:
        if not {"prompt", "chosen", "rejected"} <= line.keys():
            raise ValueError(f'{data}: a line lacks "prompt", "chosen" or "rejected"')
        clear = line.get("strength", "")
        margin = MARGINS[margins].get(clear, 0.0) if margins else 0.0
        found.append(
            Pair(*(encode(line["prompt"], line[side]) for side in ("chosen", "rejected")), margin, clear)
        )
    return found


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    rows = (
        {side: e._asdict() for side, e in zip(("chosen", "rejected"), p[:2], strict=True)}
        | {"margin": p.margin, "strength": p.strength}
        for p in pairs
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def read_pairs(path: Path) -> Iterator[Pair]:
    for row in read_lines(path):
        yield Pair(Example(**row["chosen"]), Example(**row["rejected"]), row["margin"], row["strength"])
