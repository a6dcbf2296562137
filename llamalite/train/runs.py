"""A run's folder: what a Llama was trained on, how, and the Llama itself. The glue round the loop.

RUN/config.json        the LlamaConfig
RUN/train.json         every setting of the training, and the text's sha256
RUN/tokenizer.model    or tokenizer.json, or both
RUN/metrics.jsonl      a line a step
RUN/checkpoints/       step_000200, …
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.text.files import write_whole
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.fast import fast
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.tokenizer import Tokenizer, load_tokenizer
from llamalite.train import checkpoint
from llamalite.train.batches import document_starts
from llamalite.train.interruption import RunFailed
from llamalite.train.training import Data, Forward, Score, Settings, train


class Run(NamedTuple):
    """A trained Llama, ready to be asked."""

    model: Llama
    tokenizer: Tokenizer
    cfg: LlamaConfig
    step: int


def load_run(folder: str | Path, device: torch.device | str = "cpu") -> Run:
    """Open the last checkpoint of a run for reading."""
    folder = Path(folder)
    cfg = read_config(folder)
    newest = checkpoint.latest(folder / "checkpoints")
    if newest is None:
        raise FileNotFoundError(f"{folder} has no checkpoint yet; continue the training with --resume")
    saved = checkpoint.load(newest, ["model"])  # the optimiser's memory is twice that, and of no use here
    model = empty_llama(cfg, device)
    try:
        model.load_state_dict(saved.tensors["model"])
    except (KeyError, RuntimeError) as error:
        raise RunFailed(f"{newest} does not fit {folder / 'config.json'}; one of them was changed") from error
    return Run(model.eval(), load_tokenizer(folder), cfg, saved.step)


def empty_llama(cfg: LlamaConfig, device: torch.device | str) -> Llama:
    """A Llama whose weights are about to be filled: room for them, and no number drawn in vain."""
    with torch.device("meta"):
        model = Llama(cfg)
    return model.to_empty(device=device)


def read_config(folder: Path) -> LlamaConfig:
    return LlamaConfig.from_dict(read_json(folder / "config.json"))


def read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} is not the folder of a run: there is no {path}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: it is not JSON ({error}); restore it from a copy") from error


def write_json(path: Path, values: dict[str, Any]) -> None:
    """All or nothing: a full disk leaves what was there."""
    write_whole(path, (json.dumps(values, indent=2) + "\n").encode())


def build_tokenizer(text: str, vocab_size: int) -> Tokenizer:
    """SentencePiece with that many pieces, learnt from ``text``; 0 means bytes."""
    return fast(PieceTokenizer.train(text, vocab_size)) if vocab_size else ByteTokenizer()


def build_data(
    train_text: str, held_out: str, tokenizer: Tokenizer, seq_len: int, documents: bool = False
) -> Data:
    """Both parts as ids, each behind a bos, so that the first token of each is predicted too.

    With ``documents``, windows begin where a document does: after a blank line.
    """
    ids = [torch.tensor(tokenizer.encode(part, bos=True)) for part in (train_text, held_out)]
    if len(ids[0]) <= seq_len or not held_out:
        raise ValueError(
            f"the text is too short: its training part has {len(ids[0])} tokens, and a context of {seq_len} "
            f"needs {seq_len + 1}; give a longer text, or a smaller --seq-len"
        )
    if not documents:
        return Data(*ids, len(held_out.encode()))
    newline = tokenizer.encode("\n")[-1]
    starts = [document_starts(part, newline, reach) for part, reach in zip(ids, (seq_len, 0), strict=True)]
    if not len(starts[0]):
        raise ValueError("the text has no blank line in it; leave --documents out")
    return Data(*ids, len(held_out.encode()), *starts)


def create_run(folder: Path, cfg: LlamaConfig, tokenizer: Tokenizer, record: dict[str, Any]) -> None:
    """Write all of a run that is known before its first step."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder)
    write_json(folder / "config.json", cfg.to_dict())
    write_json(folder / "train.json", record)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def train_llama(
    folder: Path,
    cfg: LlamaConfig,
    data: Data,
    settings: Settings,
    compiled: bool = False,
    resume: bool = False,
) -> Score | None:
    """Build the Llama that ``cfg`` describes and train it into ``folder``."""
    if resume and checkpoint.latest(folder / "checkpoints"):  # which brings the weights
        model = empty_llama(cfg, settings.device)
    else:
        model = init_weights(empty_llama(cfg, "cpu"), settings.seed).to(settings.device)
    table = build_table(cfg, settings.seq_len, device=settings.device)
    forward: Forward = partial(torch.compile(model) if compiled else model, table=table)
    return train(model, forward, data, settings, folder, resume)
