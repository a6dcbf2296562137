"""A run's folder: what a Llama was trained on, how, and the Llama itself. The glue round the loop.

RUN/config.json        the LlamaConfig
RUN/train.json         every setting of the training, and the text's sha256
RUN/tokenizer.model    or tokenizer.json, or both
RUN/data/              both parts of the text as ids, read by memory map
RUN/metrics.jsonl      a line a step
RUN/checkpoints/       step_000200, …
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Integer
from torch import Tensor
from tqdm import tqdm

from llamalite.config import LlamaConfig
from llamalite.in_torch.llama import Llama, build_table, init_weights
from llamalite.text.files import write_whole
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.fast import fast
from llamalite.text.tokenization.ids_file import map_ids, write_ids
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.streaming import encode_iterable
from llamalite.text.tokenization.tokenizer import Tokenizer, load_tokenizer
from llamalite.train import checkpoint
from llamalite.train.batches import document_starts
from llamalite.train.interruption import RunFailed
from llamalite.train.training import Data, Forward, Score, Settings, train

CHUNK = 1 << 20  # characters that are encoded between two looks at the progress bar


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
    train_text: str,
    held_out: str,
    tokenizer: Tokenizer,
    seq_len: int,
    documents: bool = False,
    folder: Path | None = None,
) -> Data:
    """Both parts as ids, each behind a bos, so that the first token of each is predicted too.

    With ``documents``, windows begin where a document does: after a blank line. With a ``folder``, the
    ids lie in files there, two or four bytes each, and only what a step looks at is in memory.
    """
    paths = [None, None] if folder is None else [folder / "train.npy", folder / "held_out.npy"]
    texts = zip((train_text, held_out), paths, strict=True)
    ids = [as_ids(text, tokenizer, path) for text, path in texts]
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


def beyond_windows(data: Data, seq_len: int) -> float:
    """The share of the text that no window reaches, since each begins where a document does.

    >>> nothing = torch.zeros(0, dtype=torch.long)
    >>> beyond_windows(Data(torch.zeros(100), nothing, 1, starts=torch.tensor([0, 20])), seq_len=25)
    0.55
    """
    if data.starts is None:
        return 0.0
    ends = torch.cat((data.starts[1:], torch.tensor([len(data.train)])))
    return (ends - data.starts - seq_len).clamp(min=0).sum().item() / len(data.train)


def as_ids(text: str, tokenizer: Tokenizer, path: Path | None) -> Integer[Tensor, " n"]:
    """The ids of a text behind a bos; from the file, if they were written there before."""
    if path is None:
        return torch.tensor(tokenizer.encode(text, bos=True))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tqdm(total=len(text), unit=" characters", unit_scale=True, disable=None, leave=False) as bar:
            chunks = watched(text, bar)
            write_ids(path, encode_iterable(tokenizer, chunks, bos=True), tokenizer.vocab_size)
    ids = map_ids(path)
    if ids.max(initial=0) >= tokenizer.vocab_size:
        raise ValueError(f"{path} holds ids that this tokenizer does not know; remove it to encode again")
    return torch.from_numpy(ids)


def watched(text: str, bar: tqdm) -> Iterator[str]:
    for begin in range(0, len(text), CHUNK):
        yield text[begin : begin + CHUNK]
        bar.update(min(CHUNK, len(text) - begin))


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
    if resume and (folder / "sharded").is_dir():  # many ranks were here
        from llamalite.train.parallel.sharded import export

        export(folder)
    if resume and checkpoint.latest(folder / "checkpoints"):  # which brings the weights
        model = empty_llama(cfg, settings.device)
    else:
        model = init_weights(empty_llama(cfg, "cpu"), settings.seed).to(settings.device)
    table = build_table(cfg, settings.seq_len, device=settings.device)
    forward: Forward = partial(torch.compile(model) if compiled else model, table=table)
    work = cfg.train_flops_per_token(settings.seq_len)
    return train(model, forward, data, settings, folder, resume, flops_per_token=work)
