"""The command line: the whole path on a tiny run, and every mistake as one sentence."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from shell import refused, shell

from llamalite.text import files
from llamalite.text.tokenization.ranked import RankedTokenizer
from llamalite.train import checkpoint
from llamalite.train.metrics import read_metrics
from llamalite.train.runs import load_run

SMALL = "--vocab-size bytes --dim 16 --n-layers 1 --n-heads 2 --n-kv-heads 1 --seq-len 16 --batch-size 4"
SMALL += " --device cpu"
STORY = "Once upon a time a llama sat on a wall. The llama had a hat.\n\n" * 40


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(STORY)
    return path


@pytest.fixture
def llamalite(tmp_path, story, capsys):
    """Run a command line in this process: (exit code, stdout, stderr)."""

    def run(line: str) -> tuple[int, str, str]:
        line = line.replace("TRAIN", f"train --data {story} --out {tmp_path / 'run'} {SMALL}")
        line = line.replace("RUN", str(tmp_path / "run"))
        return shell(line, capsys)

    return run


@pytest.fixture
def trained(llamalite, tmp_path):
    assert llamalite("TRAIN --steps 4 --save-every 2 --eval-every 2")[0] == 0
    return tmp_path / "run"


# --- the path ------------------------------------------------------------------------------------


def test_train_writes_a_run(trained):
    assert {p.name for p in trained.iterdir()} == {
        "config.json",
        "train.json",
        "tokenizer.json",
        "data",
        "metrics.jsonl",
        "checkpoints",
    }
    assert len(read_metrics(trained / "metrics.jsonl")) == 4
    run = load_run(trained)
    assert (run.step, run.cfg.dim, run.cfg.max_seq_len, run.cfg.vocab_size) == (4, 16, 16, 258)


def test_generate_continues_the_prompt_and_the_seed_decides(llamalite, trained):
    command = "generate RUN --prompt Once --tokens 40 --temperature 2"
    first, again, other = (llamalite(f"{command} --seed {s}") for s in (1, 1, 2))
    assert first[0] == 0 and first[1].startswith("Once")
    assert first == again and first != other


def test_a_model_of_documents_gets_its_prompt_as_a_document_begins(llamalite, tmp_path, monkeypatch):
    from llamalite.in_torch import generation

    prompts = []

    def generate(model, ids, n, **how):
        prompts.append(bytes(ids))
        return iter(())

    monkeypatch.setattr(generation, "generate", generate)
    (tmp_path / "tales.txt").write_text("One tale of a fox.\n\nAnother of an owl.\n\n" * 20)
    shape = "--vocab-size bytes --dim 16 --n-layers 1 --seq-len 16 --steps 1"
    data = f"train --data {tmp_path / 'tales.txt'} {shape}"
    for flags, out in (("", "plain"), ("--documents", "documents")):
        assert llamalite(f"{data} --out {tmp_path / out} {flags}")[0] == 0
        assert llamalite(f"generate {tmp_path / out} --prompt One")[0] == 0
    assert llamalite(f"generate {tmp_path / 'plain'}")[0] == 0
    assert prompts == [b"One", b"\nOne", b"\n"]


def test_a_sentencepiece_run_generates_too(llamalite, tmp_path, story):
    assert llamalite("TRAIN --vocab-size 290 --steps 2")[0] == 0
    assert load_run(tmp_path / "run").tokenizer.vocab_size == 290
    assert llamalite("generate RUN --prompt Once --tokens 5")[1].startswith("Once")


def test_a_tokenizer_that_is_given_is_used(llamalite, tmp_path):
    (tmp_path / "words").mkdir()
    given = RankedTokenizer.train(STORY, 270)
    given.save(tmp_path / "words")
    assert llamalite(f"TRAIN --tokenizer {tmp_path / 'words'} --steps 2")[0] == 0
    run = load_run(tmp_path / "run")
    assert (run.cfg.vocab_size, run.tokenizer.encode(STORY)) == (270, given.encode(STORY))
    assert llamalite("generate RUN --tokens 5")[0] == 0
    line = f"TRAIN --out {tmp_path / 'other'} --tokenizer {tmp_path} --steps 2"
    refused(llamalite(line), 2, "holds no tokenizer")
    assert not (tmp_path / "other").exists()


def test_the_tokenizer_never_sees_the_held_out_text(llamalite, tmp_path, story):
    story.write_text(STORY + "zebra quagga zorilla\n\n" * 12)
    assert llamalite("TRAIN --vocab-size 290 --steps 1")[0] == 0
    tokenizer = load_run(tmp_path / "run").tokenizer
    assert not any(b"z" in tokenizer.token_bytes(i) for i in range(259, 290))


def test_a_finished_run_can_be_given_more_steps(llamalite, tmp_path, trained):
    assert llamalite("train --out RUN --resume --steps 8 --eval-every 4")[0] == 0
    assert load_run(trained).step == 8
    rows = read_metrics(trained / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 9))


def test_a_finished_run_resumes_to_nothing(llamalite, trained):
    before = (trained / "metrics.jsonl").read_bytes()
    assert llamalite("train --out RUN --resume")[0] == 0
    assert (trained / "metrics.jsonl").read_bytes() == before


# --- mistakes ------------------------------------------------------------------------------------


def test_missing_file(llamalite, tmp_path):
    refused(llamalite("TRAIN --data storey.txt"), 2, "no file storey.txt", "tales-en")
    assert not (tmp_path / "run").exists()


def test_empty_file(llamalite, story):
    story.write_text("")
    refused(llamalite("TRAIN"), 2, "story.txt is empty")


def test_not_utf8(llamalite, story):
    story.write_bytes(b"caf\xe9" * 100)
    refused(llamalite("TRAIN"), 2, "not UTF-8: byte 0xe9 at position 3", "iconv")


def test_text_shorter_than_a_context(llamalite, story, tmp_path):
    story.write_text("A llama.")
    refused(llamalite("TRAIN"), 2, "too short", "needs 17", "--seq-len")
    assert not (tmp_path / "run").exists()


def test_text_too_small_for_the_vocabulary(llamalite):
    refused(llamalite("TRAIN --vocab-size 9000"), 2, "too small for 9000 pieces; ask for at most")


def test_unknown_preset(llamalite):
    refused(llamalite("TRAIN --preset llama3-tinny"), 2, "no preset 'llama3-tinny'; did you mean llama3-tiny")
    refused(llamalite("info llama4"), 2, "no preset 'llama4'; did you mean")


def test_heads_that_do_not_divide(llamalite):
    refused(llamalite("TRAIN --n-heads 4 --n-kv-heads 3"), 2, "not divisible by n_kv_heads 3", "[1, 2, 4]")


@pytest.mark.parametrize(
    ("flag", "way_out"), [("--steps 0", "at least 1"), ("--device tpu9", "best here is")]
)
def test_impossible_settings(llamalite, flag, way_out):
    refused(llamalite(f"TRAIN {flag}"), 2, way_out)


def test_a_run_that_exists(llamalite, trained):
    before = {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}
    refused(llamalite("TRAIN"), 2, "exists already; continue it with --resume, or choose another --out")
    assert {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()} == before


def test_nothing_to_resume(llamalite):
    refused(llamalite("train --out RUN --resume"), 2, "is not the folder of a run")


def test_a_resumed_run_stays_the_same_run(llamalite, trained, story):
    refused(llamalite("train --out RUN --resume --dim 32"), 2, "was begun with --dim 16; leave --dim out")
    story.write_text(STORY + "More.")
    refused(llamalite("train --out RUN --resume"), 2, "is not the text")


def test_a_checkpoint_cut_in_half(llamalite, trained):
    path = trained / "checkpoints" / "step_000004" / "model.safetensors"
    os.truncate(path, path.stat().st_size // 2)
    for command in ("generate RUN", "train --out RUN --resume --steps 9"):
        refused(llamalite(command), 1, str(path), "remove the folder", "fall back on step_000002")
    assert len(read_metrics(trained / "metrics.jsonl")) == 4


@pytest.mark.parametrize("damage", [os.remove, lambda path: os.truncate(path, 100)])
def test_a_damaged_optimiser_stops_training_but_not_writing(llamalite, trained, damage):
    before = llamalite("generate RUN --prompt Once --tokens 20")
    path = trained / "checkpoints" / "step_000004" / "optimizer.safetensors"
    damage(path)
    assert before[0] == 0 and llamalite("generate RUN --prompt Once --tokens 20") == before
    refused(llamalite("train --out RUN --resume --steps 9"), 1, str(path), "remove the folder")


@pytest.mark.parametrize("name", ["config.json", "train.json"])
def test_a_damaged_json(llamalite, trained, name):
    (trained / name).write_text('{"dim": 1')
    refused(llamalite("generate RUN" if name[0] == "c" else "train --out RUN --resume"), 2, name, "damaged")


def test_a_prompt_longer_than_the_context(llamalite, trained):
    refused(llamalite(f"generate RUN --prompt {'x' * 17}"), 2, "17 tokens", "keep the last 16")


def test_generate_from_what_is_no_run(llamalite, tmp_path):
    refused(llamalite(f"generate {tmp_path}"), 2, "is not the folder of a run")


def test_a_loss_that_explodes(llamalite, tmp_path):
    refused(llamalite("TRAIN --lr 1e30 --warmup 0 --steps 50"), 1, "the loss is", "lower --lr")
    assert load_run_or_none(tmp_path / "run") is None


def load_run_or_none(folder):
    return checkpoint.latest(folder / "checkpoints")


def test_a_full_disk(llamalite, trained, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_durably", full)
    result = llamalite("train --out RUN --resume --steps 6")
    refused(result, 1, "No space left on device")
    monkeypatch.undo()
    assert load_run(trained).step == 4
    assert llamalite("train --out RUN --resume --steps 6")[0] == 0


def test_the_parser_refuses_a_misspelt_flag(llamalite):
    code, _, err = llamalite("TRAIN --stepz 3")
    assert code == 2 and "--steps" in err


# --- signals -------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_leaves(tmp_path, story, signum, code):
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "llamalite",
        "train",
        "--data",
        str(story),
        "--out",
        str(out),
        *SMALL.split(),
    ]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--steps", "1000000", "--save-every", "0"], stderr=subprocess.PIPE, text=True, env=env
    )
    while not read_metrics(out / "metrics.jsonl") and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signum)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == code, error
    assert "Traceback" not in error and f"continue with: llamalite train --out {out} --resume" in error
    saved = checkpoint.load(checkpoint.latest(out / "checkpoints"))
    assert saved.step == read_metrics(out / "metrics.jsonl")[-1]["step"]


def test_train_json_holds_every_setting(trained):
    record = json.loads((trained / "train.json").read_text())
    assert record["args"]["steps"] == 4 and len(record["sha256"]) == 64


def test_validation_on_real_text_starts_at_log_v(llamalite, real, tmp_path):
    """An untrained model knows nothing, and its logits are N(0, 1): (log 258 + 1/2) / log 2 = 8.73."""
    line = f"train --data {real / 'tinyshakespeare.txt'} --out RUN --vocab-size bytes --dim 16 --n-layers 1"
    assert llamalite(f"{line} --steps 1 --lr 1e-9 --seq-len 128 --batch-size 64")[0] == 0
    (row,) = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert row["val_bits_per_byte"] == pytest.approx(8.73, abs=0.15)
    assert torch.isfinite(torch.tensor(row["grad_norm"]))
