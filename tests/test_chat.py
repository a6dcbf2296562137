"""Conversations as ids, equal to Meta's (golden ids, facts E1 and E2); and the command that holds one."""

import io
import json

import pytest
from shell import refused, shell

from llamalite.align.chat import FORMATS, Message, check_turns, encode_llama2, encode_llama3, fit
from llamalite.cli import main
from llamalite.commands.chat import Chat, talk
from llamalite.text.corpus import DATA
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.tokenizer import load_tokenizer

BRIEF = Message("system", "You are helpful.")
HELLO, HI, BYE = Message("user", "Hello"), Message("assistant", "Hi there!"), Message("user", "Bye")

# --- the formats ---------------------------------------------------------------------------------------

INST, END_INST = [518, 25580, 29962], [518, 29914, 25580, 29962]
SYS, END_SYS = [3532, 14816, 29903, 6778, 13], [13, 29966, 829, 14816, 29903, 6778, 13, 13]
GOLDEN_LLAMA2 = {
    "one": ([HELLO], [1, *INST, 15043, *END_INST]),
    "system": (
        [BRIEF, HELLO],
        [1, *INST, *SYS, 3492, 526, 8444, 29889, *END_SYS, 10994, *END_INST],
    ),
    "two": (
        [HELLO, HI, BYE],
        [1, *INST, 15043, *END_INST, 6324, 727, 29991, 29871, 2, 1, *INST, 2648, 29872, *END_INST],
    ),
}


@pytest.mark.parametrize("name", GOLDEN_LLAMA2)
def test_llama2_gives_the_ids_that_metas_code_gives(real, name):
    messages, ids = GOLDEN_LLAMA2[name]
    assert encode_llama2(load_tokenizer(real / "llama2-tokenizer.model"), messages) == ids


def test_llama3_gives_the_ids_that_metas_code_gives(real):
    tokenizer = load_tokenizer(real / "llama3-tokenizer.model")
    said = [2675, 527, 11190, 13, 128009, 128006, 882, 128007, 271, 9906, 128009, 128006, 78191, 128007, 271]
    assert encode_llama3(tokenizer, [BRIEF, HELLO]) == [128000, 128006, 9125, 128007, 271, *said]
    newline = encode_llama3(tokenizer, [Message("user", "\nHello")])
    assert newline[4:6] == [271, 198] and 1432 not in newline
    assert FORMATS["llama3"].stop_ids(tokenizer) >= {128001, 128009}


def test_a_special_token_in_a_message_is_text(real):
    tokenizer = load_tokenizer(real / "llama3-tokenizer.model")
    assert encode_llama3(tokenizer, [Message("user", "<|eot_id|>")]).count(128009) == 1


def test_llama2_as_a_string():
    """The string of facts E1, with bytes for tokens, so that every space can be seen."""
    tokenizer = ByteTokenizer()
    ids = encode_llama2(tokenizer, [BRIEF, HELLO, HI, BYE])
    names = {tokenizer.bos_id: b"<s>", tokenizer.eos_id: b"</s>"}
    text = b"".join(names.get(i) or tokenizer.token_bytes(i) for i in ids).decode()
    system = "<<SYS>>\nYou are helpful.\n<</SYS>>\n\nHello"
    assert text == f"<s>[INST] {system} [/INST] Hi there! </s><s>[INST] Bye [/INST]"


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "the last turn must be the user's"),
        ([BRIEF], "the last turn must be the user's"),
        ([HELLO, HI], "the last turn must be the user's"),
        ([HI], "turn 1 is the assistant's"),
        ([HELLO, BYE], "turn 2 is the user's"),
        ([HELLO, HI, BRIEF], "turn 3 is the system's"),
    ],
)
def test_turns_out_of_order_are_refused(messages, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_turns(messages)


def test_what_a_format_cannot_write_is_refused():
    with pytest.raises(ValueError, match=r"contains \[/INST\]"):
        encode_llama2(ByteTokenizer(), [Message("user", "a [/INST] b")])
    with pytest.raises(ValueError, match=r"has no <\|eot_id\|>"):
        encode_llama3(ByteTokenizer(), [HELLO])


def test_the_oldest_question_is_forgotten_with_its_answer():
    tokenizer, format = ByteTokenizer(), FORMATS["llama2"]
    long = [BRIEF, HELLO, HI, BYE]
    whole = format.encode(tokenizer, long)
    assert fit(format, tokenizer, long, len(whole)) == (whole, long)
    short = format.encode(tokenizer, [BRIEF, BYE])
    assert fit(format, tokenizer, long, len(whole) - 1) == (short, [BRIEF, BYE])
    with pytest.raises(ValueError, match=f"takes {len(short)} tokens, and 10 are free"):
        fit(format, tokenizer, long, 10)


# --- the command ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "one"
    line = "--device cpu --dim 32 --n-layers 1 --n-heads 2 --vocab-size bytes --steps 4 --eval-every 0"
    assert main(f"train --out {folder} {line} --save-every 0".split()) == 0
    return folder


def parrot(messages):
    """Answers with how many turns there were, and the last of them."""
    if "long" in messages[-1].content:
        raise ValueError("too long")
    yield f"{len(messages)} "
    yield messages[-1].content


def test_a_conversation(capsys):
    lines = ["one\n", "\n", "two\n", "a long one\n", "three\n", "/reset\n", "four\n", "/exit\n", "five\n"]
    talk(Chat(run=DATA, system="s"), parrot, lines, interactive=False)
    out, err = capsys.readouterr()
    assert out == "2 one\n4 two\n6 three\n2 four\n" and err == "llamalite: too long\n"
    talk(Chat(run=DATA), parrot, ["one\n"], interactive=True)
    assert capsys.readouterr().out.endswith("> 1 one\n> ")


def test_ctrl_c_stops_the_answer_and_not_the_conversation(capsys):
    def interrupted(messages):
        yield "so far"
        if len(messages) == 1:
            raise KeyboardInterrupt

    talk(Chat(run=DATA), interrupted, ["one\n", "two\n"], interactive=False)
    assert capsys.readouterr().out == "so far …\nso far\n"


def test_questions_come_from_a_pipe(run_folder, monkeypatch, capsys):
    line = f"chat {run_folder} --format llama2 --tokens 5 --device cpu"
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    first = shell(line, capsys)
    assert first.code == 0 and first.out.count("\n") >= 2 and not first.err
    record = json.loads((run_folder / "train.json").read_text())
    (run_folder / "train.json").write_text(json.dumps(record | {"chat": "llama2"}))
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    assert shell(line.replace("--format llama2 ", ""), capsys).out == first.out
    (run_folder / "train.json").write_text(json.dumps(record))


def test_a_run_that_never_saw_a_conversation_says_so(run_folder, capsys):
    refused(shell(f"chat {run_folder}", capsys), 2, "never seen a conversation", "generate", "--format")
    refused(shell(f"chat {run_folder} --format llama3 --device cpu", capsys), 2, "has no <|eot_id|>")
