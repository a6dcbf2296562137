"""``llamalite tokenizer``: all five from end to end, and every wrong file as one sentence."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
import sentencepiece
import tiktoken
from shell import Result, refused, shell

from llamalite.cli import main
from llamalite.text.corpus import DATA, read_text
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.ids_file import read_ids, write_ids
from llamalite.text.tokenization.rank_file import read_ranks
from llamalite.text.tokenization.tokenizer import load_tokenizer

TEXT = "They'll pay 12345 for the cat,\n\nsay 안녕 안녕, and  pay 12345!\nThe 🦙 sat  on the mat.\n" * 9
ACTIONS = ["train", "encode", "decode", "inspect", "compare"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """``run("train", "--out", "toks")`` in a folder with plays.txt in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plays.txt").write_text(TEXT, encoding="utf-8")
    return lambda *words: shell_words(words, capsys)


def shell_words(words, capsys) -> Result:
    """As ``shell``, for words that have spaces in them."""
    code = main(["tokenizer", *map(str, words)])
    return Result(code, *capsys.readouterr())


@pytest.fixture(params=["spm", "ranked"])
def trained(request, run, tmp_path):
    done = run("train", "--data", "plays.txt", "--kind", request.param, "--vocab-size", 300, "--out", "toks")
    assert done.code == 0, done
    assert "toks: 300 ids, learnt from" in done.out and "next: llamalite tokenizer inspect toks" in done.out
    return tmp_path / "toks"


# --- the path ------------------------------------------------------------------------------------------


def test_what_it_trains_the_libraries_read(trained):
    ours = load_tokenizer(trained, fast=False)
    content = (trained / "tokenizer.model").read_bytes()
    if ours.dummy_prefix:
        theirs = sentencepiece.SentencePieceProcessor(model_proto=content).encode(TEXT)
    else:
        ranks = {token: rank for rank, token in enumerate(read_ranks(content))}
        library = tiktoken.Encoding("x", pat_str=ours.pattern, mergeable_ranks=ranks, special_tokens={})
        theirs = library.encode_ordinary(TEXT)
    assert ours.encode(TEXT) == theirs


def test_there_and_back_by_a_file(trained, run, tmp_path):
    done = run("encode", trained, "--file", "plays.txt", "--out", "plays.npy", "--bos", "--eos")
    ids, tokenizer = np.load(tmp_path / "plays.npy"), load_tokenizer(trained)
    assert ids.dtype == np.uint16 and ids.tolist() == tokenizer.encode(TEXT, bos=True, eos=True)
    rate = len(TEXT.encode()) / len(ids)
    assert done.out == f"plays.npy: {len(ids):,} ids as uint16, {rate:.2f} bytes of text each\n"
    assert run("decode", trained, "--file", "plays.npy") == (0, TEXT, "")
    assert {path.name for path in tmp_path.iterdir()} == {"plays.txt", "plays.npy", "toks"}


def test_there_and_back_by_hand(trained, run):
    done = run("encode", trained, "--text", "the cat", "--bos")
    ids = load_tokenizer(trained).encode("the cat", bos=True)
    assert done == (0, " ".join(map(str, ids)) + "\n", "")
    assert run("decode", trained, *ids) == (0, "the cat\n", "")


def test_a_special_string_is_text_unless_allowed(trained, run):
    tokenizer = load_tokenizer(trained)
    (name, token), *_ = tokenizer.special_ids.items()
    assert str(token) not in run("encode", trained, "--text", name).out.split()
    assert run("encode", trained, "--text", name, "--allow-special").out == f"{token}\n"


def test_shipped_texts_have_names(run, trained):
    assert run("encode", trained, "--file", "tales-maths", "--out", "maths.npy").code == 0
    assert run("decode", trained, "--file", "maths.npy").out == read_text("tales-maths")


def test_a_corpus_is_one_text(run, trained, capsys):
    assert shell("data tales --size 60KB --shard-size 20KB --out corpus", capsys).code == 0
    assert "ids as uint16" in run("encode", trained, "--file", "corpus", "--out", "corpus.npy").out
    assert run("decode", trained, "--file", "corpus.npy").out == read_text("corpus")


def test_symbols_and_special_tokens_of_ones_own(run, tmp_path):
    how = ("--data", "plays.txt", "--vocab-size", 300, "--out")
    assert run("train", *how, "a", "--user-symbols", "<user>", "<bot>").code == 0
    assert run("encode", "a", "--text", "<bot>").out.split()[-1] == "4"
    assert run("train", "--kind", "ranked", *how, "b", "--special-tokens", "<s>", "</s>", "<pad>").code == 0
    assert load_tokenizer(tmp_path / "b").special_ids == {"<s>": 297, "</s>": 298, "<pad>": 299}


def test_encoding_shows_how_far_it_is_and_stops_without_a_trace(trained, run, tmp_path, monkeypatch):
    from llamalite.text.tokenization import streaming

    def stop(tokenizer, chunks, **how):
        yield from ([1] for _ in chunks)
        raise KeyboardInterrupt

    monkeypatch.setattr(streaming, "encode_iterable", stop)
    refused(run("encode", trained, "--file", "plays.txt", "--out", "plays.npy"), 130, "stopped")
    assert {path.name for path in tmp_path.iterdir()} == {"plays.txt", "toks"}


# --- looking into it -----------------------------------------------------------------------------------


def inspected(*words) -> str:
    """Without the checks of types and shapes that tests run under: they take ten times as long as this."""
    command = [sys.executable, "-m", "llamalite", "tokenizer", "inspect", *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=UTF8).stdout


UTF8 = {**os.environ, "PYTHONIOENCODING": "utf-8"}
LLAMA2 = """\
SentencePiece BPE, as in Llama 1 and 2, 32,000 ids
begins a text with 1, ends it with 2
  3 to 258                 256  single bytes
  259 to 29,870         29,612  merged tokens
  29,871 to 31,999       2,129  single characters
  1 <s>, 2 </s>
  1 to 16
  10 of 1 digit
"""
LLAMA3 = """\
ranked byte pairs, as in Llama 3, 128,256 ids
begins a text with 128000, ends it with 128001
  256 to 127,999       127,744  merged tokens
  128,000 to 128,255       256  special tokens
  10 of 1 digit, 100 of 2 digits, 1,000 of 3 digits
"""


@pytest.mark.parametrize(("generation", "facts"), [(2, LLAMA2), (3, LLAMA3)])
def test_inspect_the_two_llamas(real, generation, facts):
    """Facts D1 and D3."""
    path = real / f"llama{generation}-tokenizer.model"
    out = inspected(path).removeprefix(f"{path}: ").splitlines()
    assert all(fact in out for fact in facts.splitlines()), out


def test_inspect_a_text(real):
    (row,) = inspected(real / "llama3-tokenizer.model", "--text", " việc").splitlines()
    assert [part.strip() for part in row.split("  ") if part.strip()] == [
        "100769", "merged token", "20 76 69 e1 bb 87 63", "' việc'", "rank 100769"
    ]  # fmt: skip


def test_inspect_a_token(trained, run):
    out = run("inspect", trained, "--token", 1).out
    assert out.startswith("      1  ") and out.count("\n") == 1
    refused(run("inspect", trained, "--token", 300), 2, "token 300 is not one of the 300 ids")


def test_inspect_bytes(run, tmp_path):
    ByteTokenizer().save(tmp_path)
    assert "bytes, 258 ids" in run("inspect", tmp_path).out


def test_compare_the_two_llamas(real, run):
    """Of facts D's vectors, the first has two tokens, the second 12 with a prefix, or 8."""
    files = real / "llama2-tokenizer.model", real / "llama3-tokenizer.model"
    out = run("compare", *files, "--text", "Hello world\n2023 was 12.5%").out
    assert "26 characters, 26 bytes, 2 lines" in out
    assert f"tokens               {2 + 1 + 11:>12} {2 + 1 + 8:>12}\n" in out  # and the line's end
    assert "fewer tokens                    0            1  lines; as many in 1\n" in out
    assert out.endswith("A | Hello| world|\\n|\nB |Hello| world|\\n|\n")


def test_compare_on_a_file(trained, run, tmp_path):
    ByteTokenizer().save(tmp_path)
    out = run("compare", tmp_path, trained, "--file", "plays.txt").out
    n_bytes, n_ids = len(TEXT.encode()), len(load_tokenizer(trained).encode(TEXT))
    assert f"{n_bytes:>12,} {n_ids:>12,}\n" in out and f"{1:>12.2f} {n_bytes / n_ids:>12.2f}\n" in out


# --- wrong files ---------------------------------------------------------------------------------------

LINES = [b"IQ== 0", b"Ig== 1", b"Iw== 2"]
WRONG = {
    "cut.model": (b"\n".join([*LINES, b"IHgx"]), "line 4: 'IHgx' is not a token in base64 and its rank"),
    "base64.model": (b"\n".join([*LINES, b"!!!! 3"]), "line 4: '!!!!' is not base64"),
    "twice.model": (b"\n".join([*LINES, b"IHg= 2"]), "line 4: rank 2 was given already, in line 3"),
    "gap.model": (b"\n".join([*LINES, b"IHg= 5"]), "rank 3 is missing"),
    "picture.png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not a SentencePiece model"),
    "letter.txt": (b"Dear reader,\n", "not a SentencePiece model"),
    "empty.model": (b"", "there are no pieces in it"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("action", ["inspect", "encode"])
def test_a_wrong_file_says_what_is_wrong_and_where(run, tmp_path, action, name):
    content, message = WRONG[name]
    (tmp_path / name).write_bytes(content)
    how = ("--text", "a") if action == "encode" else ()
    refused(run(action, name, *how), 2, name, message)


def test_half_of_a_model(run, trained, tmp_path):
    content = (trained / "tokenizer.model").read_bytes()
    (tmp_path / "half.model").write_bytes(content[: len(content) // 2])
    refused(run("inspect", "half.model"), 2, "half.model: ")


def npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no NumPy file"),
        (b"Dear reader,\n", "is no NumPy file"),
        (npy(np.arange(99))[:-8], "is damaged"),
        (npy(np.zeros(3)), "holds no ids, which are one row of whole numbers; it is float64"),
        (npy(np.zeros((3, 3), int)), "holds no ids"),
        (npy(np.array([1, 5000])), "token 5000 is not one of the 300 ids"),
        (npy(np.array([-1])), "token -1 is not one of the 300 ids"),
    ],
)
def test_a_wrong_file_of_ids(trained, run, tmp_path, content, message):
    (tmp_path / "ids.npy").write_bytes(content)
    refused(run("decode", trained, "--file", "ids.npy"), 2, message)


def test_wrong_orders(trained, run, tmp_path):
    refused(run("encode", trained), 2, "give either --text or --file")
    refused(run("encode", trained, "--text", "a", "--file", "plays.txt"), 2, "give either --text or --file")
    refused(run("decode", trained), 2, "give either ids or --file")
    refused(run("encode", trained, "--file", "playz.txt"), 2, "did you mean plays.txt?")
    refused(run("encode", "nowhere", "--text", "a"), 2, "there is no nowhere; give the folder of a run")
    refused(run("encode", tmp_path, "--text", "a"), 2, "holds no tokenizer")
    refused(run("train", "--out", trained), 2, "exists already; choose another --out")
    refused(run("train", "--out", "b", "--special-tokens", "<x>"), 2, "goes with --kind ranked")
    refused(run("train", "--out", "b", "--kind", "ranked", "--user-symbols", "<x>"), 2, "with --kind spm")
    refused(run("train", "--out", "b", "--vocab-size", 9), 2, "ask for at least")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 noir")
    refused(run("encode", trained, "--file", "latin.txt"), 2, "is not UTF-8: byte 0xe9 at position 3")
    assert not (tmp_path / "b").exists()


# --- help, and what it costs ---------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_help_teaches(capsys, action):
    code, out, _ = shell(f"tokenizer {action} --help", capsys)
    assert code == 0 and "For example:" in out and f"llamalite tokenizer {action}" in out


def test_it_needs_no_torch():
    path = str(DATA / "tokenizers" / "tales-en")
    line = ["tokenizer", "encode", path, "--text", "a"]
    code = f"import sys; from llamalite.cli import main; main({line}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=UTF8)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


@pytest.mark.parametrize(("vocab_size", "name"), [(65_536, "uint16"), (65_537, "uint32")])
def test_ids_take_as_few_bytes_as_they_can(tmp_path, vocab_size, name):
    path = tmp_path / "ids.npy"
    assert write_ids(path, ([i] * 10_000 for i in range(20)), vocab_size) == 200_000
    found = np.load(path)
    assert found.dtype.name == name and found.tolist() == [i for i in range(20) for _ in range(10_000)]
    assert list(read_ids(path)) == found.tolist()
