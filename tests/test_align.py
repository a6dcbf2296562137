"""``llamalite align``: from a run that continues texts, stage by stage, to the table; and what is refused."""

import io
import json

import pytest
from shell import refused, shell

from llamalite.align import runs
from llamalite.cli import main
from llamalite.text.corpus import DATA
from llamalite.train.metrics import read_metrics

QUICK = "--n 12 --steps 2 --batch-size 4 --tokens 6"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """base, and from it sft, reward, reject, ppo, dpo: two steps each, so that only the way is seen.

    A model that has learnt nothing answers nothing that a judge could prefer, so a file says what is better.
    """
    at = tmp_path_factory.mktemp("stages")
    line = "--device cpu --dim 32 --n-layers 1 --n-heads 2 --vocab-size bytes --seq-len 512 --batch-size 2"
    assert main(f"train --out {at}/base {line} --steps 2 --eval-every 0 --save-every 0".split()) == 0
    assert main(f"align sft {at}/base --out {at}/sft {QUICK}".split()) == 0
    pairs = [
        {"prompt": "p", "chosen": f"good {i}", "rejected": "bad", "strength": "better"} for i in range(12)
    ]
    (at / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in pairs))
    for kind, name, more in (
        ("reward", "rm", f"--margins large --data {at}/pairs.jsonl"),
        ("reject", "rs", f"--reward {at}/rm --samples 2 --rounds 2"),
        ("ppo", "ppo", f"--reward {at}/rm"),
        ("dpo", "dpo", f"--reward {at}/rm --samples 3 --mask-end --nll 0.2"),
    ):
        assert main(f"align {kind} {at}/sft --out {at}/{name} {QUICK} {more}".split()) == 0
    return at


def test_every_stage_is_a_run_that_says_where_it_is_from(folder):
    for name, kind, origin in (
        ("sft", "sft", "base"),
        ("rs", "reject", "sft"),
        ("ppo", "ppo", "sft"),
        ("dpo", "dpo", "sft"),
    ):
        record = json.loads((folder / name / "train.json").read_text())
        assert record["chat"] == "llama2" and record["align"]["stage"] == kind
        assert record["align"]["from"].endswith(origin) and record["args"]["dim"] == 32
        steps = [row["step"] for row in read_metrics(folder / name / "metrics.jsonl")]
        assert steps == list(range(1, 1 + len(steps))) and len(steps) == (4 if kind == "reject" else 2)
        assert runs.open_stage(folder / name).model.cfg.dim == 32


def test_stages_can_be_talked_to(folder, monkeypatch, capsys):
    for name in ("sft", "ppo", "dpo"):
        monkeypatch.setattr("sys.stdin", io.StringIO("Tell me about Mira.\n"))
        said = shell(f"chat {folder}/{name} --tokens 4 --device cpu", capsys)
        assert said.code == 0 and not said.err


def test_the_reward_model_opens_with_its_scale(folder):
    model = runs.load_reward(folder / "rm")
    assert model.model.output.weight.shape == (1, 32) and model.std > 0
    with pytest.raises(ValueError, match="no finished reward model"):
        runs.load_reward(folder / "sft")


def test_the_table(folder, capsys, tmp_path):
    said = shell(f"align eval {folder}/sft {folder}/dpo --n 4 --tokens 6 --out {tmp_path}/eval.json", capsys)
    assert said.code == 0 and said.out.count("\n") == 3 and "wins" in said.out
    rows = json.loads((tmp_path / "eval.json").read_text())
    assert rows[0]["win"]["rate"] == 0.5 and rows[0]["kl"] == pytest.approx(0, abs=1e-6)


def test_what_ships_can_be_learnt_from(folder, capsys):
    """The full tales are too long for this context, and the command says so."""
    line = f"align sft {folder}/base --out {folder}/own {QUICK} --data"
    refused(shell(f"{line} {DATA / 'tasks' / 'requests.jsonl'}", capsys), 2, "the model's context is 512")


def test_dialogues_and_pairs_of_a_file(folder, capsys, tmp_path):
    talk = [
        {"role": r, "content": c}
        for r, c in (("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    ]
    lines = [{"messages": talk}, {"request": "Hello", "answer": "Hi"}]
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = shell(
        f"align sft {folder}/base --out {tmp_path}/one {QUICK} --pack 64 --data {tmp_path}/talk.jsonl", capsys
    )
    assert (
        said.code == 0 and "2 dialogues, 13 tokens of answers" in said.out
    )  # " b </s>" twice 4, " Hi </s>" 5
    said = shell(f"align dpo {folder}/sft --out {tmp_path}/dpo {QUICK} --data {folder}/pairs.jsonl", capsys)
    assert said.code == 0 and "12 pairs" in said.out
    assert {p.margin for p in runs.read_pairs(folder / "rm" / "pairs.jsonl")} == {2}


def test_a_stage_goes_on_from_where_it_stopped(folder, capsys, tmp_path):
    """With the pairs that it made before it was stopped, and only with the settings it had."""
    line = f"align dpo {folder}/sft --reward {folder}/rm --n 12 --batch-size 4 --samples 3 --tokens 6 --out"
    assert shell(f"{line} {tmp_path}/whole --steps 3", capsys).code == 0
    assert shell(f"{line} {tmp_path}/parts --steps 3 --save-every 1", capsys).code == 0
    root = tmp_path / "parts" / "checkpoints"
    for path in (root / "step_000003").iterdir():
        path.unlink()
    (root / "step_000003").rmdir()
    assert shell(f"{line} {tmp_path}/parts --steps 3 --resume", capsys).code == 0
    rows = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    assert rows[0] == rows[1] and len(rows[0]) == 3
    refused(shell(f"{line} {tmp_path}/parts --steps 3", capsys), 2, "exists already", "--resume")
    refused(shell(f"{line} {tmp_path}/parts --steps 9 --resume", capsys), 2, "was begun with steps = 3")
    refused(
        shell(f"align sft {folder}/base --out {tmp_path}/parts --resume", capsys),
        2,
        "not a run of `llamalite align sft`",
    )


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("align sft {at}/none --out {tmp}/x", ["not the folder of a run"]),
        (
            "align sft {at}/base --out {tmp}/x --data nowhere.jsonl",
            ["there is no nowhere.jsonl", "short-tales"],
        ),
        ("align sft {at}/base --out {tmp}/x --format llama3", ["has no <|eot_id|>"]),
        ("align sft {at}/sft --out {tmp}/x --format llama3", ["was trained with --format llama2"]),
        ("align ppo {at}/sft --out {tmp}/x --data {at}/some.jsonl", ["nobody can judge", "--reward"]),
        ("align ppo {at}/sft --out {tmp}/x --reward {at}/sft", ["no finished reward model"]),
        ("align sft {at}/base --out {tmp}/x --steps 0", ["steps is 0"]),
        ("align eval", ["no run to ask"]),
        ("align dpo {at}/sft --out {tmp}/x --n 3 --samples 2 --tokens 6", ["no two answers", "--data"]),
        ("align reward {at}/sft --out {tmp}/x --n 3 --data {at}/pairs.jsonl", ["3 pairs are too few"]),
    ],
)
def test_refusals_say_the_way_out(folder, tmp_path, capsys, line, sentences):
    refused(shell(line.format(at=folder, tmp=tmp_path), capsys), 2, *sentences)
    assert not (tmp_path / "x").exists()  # so that the command can be given again, put right


@pytest.mark.parametrize("kind", ["sft", "reward", "reject", "ppo", "dpo", "eval"])
def test_help_teaches(kind, capsys):
    said = shell(f"align {kind} --help", capsys)
    assert said.code == 0 and "For example:" in said.out and f"llamalite align {kind} runs/" in said.out
