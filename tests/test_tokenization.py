"""Every tokenizer through the one interface, ours and the libraries' on the same vocabulary."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamalite.text.tokenization.byte_pairs import BytePairTokenizer
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.fast import fast
from llamalite.text.tokenization.pieces import PieceTokenizer
from llamalite.text.tokenization.ranked import RankedTokenizer
from llamalite.text.tokenization.tokenizer import Tokenizer, load_tokenizer, stream_text

TEXT = "The cat sat on the mat, and the 12 rats sat on the 34 hats.\nThat was that.\n" * 30
OURS = {
    "bytes": lambda: ByteTokenizer(),
    "byte pairs": lambda: BytePairTokenizer.train(TEXT, 280),
    "pieces": lambda: PieceTokenizer.train(TEXT, 300),
    "ranked": lambda: RankedTokenizer.train(TEXT, 275),
}
KINDS = [(name, twin) for name in OURS for twin in (False, True)]


def kind_id(kind: tuple[str, bool]) -> str:
    return "fast " * kind[1] + kind[0]


@pytest.fixture(scope="module", params=KINDS, ids=kind_id)
def tokenizer(request) -> Tokenizer:
    name, twin = request.param
    return fast(OURS[name]()) if twin else OURS[name]()


@pytest.fixture(scope="module")
def pieces() -> PieceTokenizer:
    return OURS["pieces"]()


anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁"))


def test_it_is_a_tokenizer(tokenizer):
    assert isinstance(tokenizer, Tokenizer)
    assert {tokenizer.bos_id, tokenizer.eos_id} <= set(tokenizer.special_ids.values())
    assert max(tokenizer.special_ids.values()) < tokenizer.vocab_size


@settings(max_examples=200, deadline=None)
@given(text=anything)
def test_round_trip(tokenizer, text):
    ids = tokenizer.encode(text, bos=True, eos=True)
    assert (ids[0], ids[-1]) == (tokenizer.bos_id, tokenizer.eos_id)
    assert tokenizer.decode(ids) == text
    assert all(0 <= i < tokenizer.vocab_size for i in ids)


@settings(max_examples=200, deadline=None)
@given(text=anything)
def test_a_stream_joins_to_the_text_and_never_splits_a_character(tokenizer, text):
    parts = list(stream_text(tokenizer, tokenizer.encode(text)))
    assert "".join(parts) == text
    assert ("�" in text) or not any("�" in part for part in parts)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_stream_joins_to_what_decoding_says_whatever_the_ids(tokenizer, data):
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=12))
    assert "".join(stream_text(tokenizer, ids)) == tokenizer.decode(ids)


def test_a_stream_waits_for_the_last_byte_of_a_character():
    taken = []
    ids = (taken.append(i) or i for i in "a🦙b".encode())
    stream = stream_text(ByteTokenizer(), ids)
    assert (next(stream), len(taken)) == ("a", 1)
    assert (next(stream), len(taken)) == ("🦙", 5)
    assert list(stream) == ["b"]


def test_a_stream_that_ends_within_a_character_says_so():
    assert list(stream_text(ByteTokenizer(), "é".encode()[:1])) == ["�"]


def test_a_continued_stream_keeps_its_first_space(pieces):
    ids = pieces.encode("cat")
    assert "".join(stream_text(pieces, ids)) == "cat"
    assert "".join(stream_text(pieces, ids, continues=True)) == " cat"


def test_special_strings_in_text_are_text(tokenizer):
    special = set(tokenizer.special_ids.values())
    for text in (*tokenizer.special_ids, "<unk>", "<0x0A>"):
        ids = tokenizer.encode(f"a {text}")
        assert not special & set(ids)
        assert tokenizer.decode(ids) == f"a {text}"


def test_a_special_string_that_is_allowed_is_its_id(tokenizer):
    mark = next(text for text, i in tokenizer.special_ids.items() if i == tokenizer.eos_id)
    ids = tokenizer.encode(f"cat{mark}sat", allowed_special={mark})
    assert ids == [*tokenizer.encode("cat"), tokenizer.eos_id, *tokenizer.encode("sat")]
    assert ids == tokenizer.encode(f"cat{mark}sat", allowed_special="all")
    with pytest.raises(ValueError, match="'<none>' is no special token"):
        tokenizer.encode("cat", allowed_special={"<none>"})


def test_a_special_token_has_no_bytes_and_others_have_some(tokenizer):
    special = set(tokenizer.special_ids.values())
    for token in range(tokenizer.vocab_size):
        assert bool(tokenizer.token_bytes(token)) != (token in special)


@pytest.mark.parametrize("token", [-1, 100_000])
def test_an_id_that_is_none_says_so(tokenizer, token):
    for use in (tokenizer.token_bytes, lambda i: tokenizer.decode([i])):
        with pytest.raises(ValueError, match=f"token {token} is not one of the"):
            use(token)


def test_half_a_surrogate_pair_is_no_trouble(tokenizer):
    assert tokenizer.decode(tokenizer.encode("a\ud83eb")) == "a\ufffdb"


@pytest.mark.parametrize("twin", [False, True])
def test_it_loads_as_it_was_saved(tokenizer, twin, tmp_path):
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path, fast=twin)
    assert isinstance(again, Tokenizer)
    assert again.encode(TEXT) == tokenizer.encode(TEXT)
    assert again.special_ids == tokenizer.special_ids
    again.save(tmp_path / "..")
    for path in tmp_path.iterdir():
        assert (tmp_path / ".." / path.name).read_bytes() == path.read_bytes()


def test_metas_files_open_by_their_content(real):
    """Both are called .model; a rank file alone has Llama 3's pattern and its special tokens."""
    llama2, llama3 = (load_tokenizer(real / f"llama{n}-tokenizer.model") for n in (2, 3))
    assert (llama2.vocab_size, llama3.vocab_size) == (32_000, 128_256)
    assert (llama2.bos_id, llama2.eos_id, llama3.bos_id, llama3.eos_id) == (1, 2, 128_000, 128_001)
    assert list(stream_text(llama2, llama2.encode("🦙 llama"))) == ["🦙", " ll", "ama"]
    assert list(stream_text(llama3, llama3.encode("🦙 llama"))) == ["🦙", " llama"]


def test_a_rank_file_that_ends_too_soon_after_a_line_is_noticed(real, tmp_path):
    tokenizer, path = RankedTokenizer.train(TEXT, 275), tmp_path / "tokenizer.model"
    tokenizer.save(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
    with pytest.raises(
        ValueError, match=r"it has 271 tokens, but tokenizer\.json says 273; is the file whole"
    ):
        load_tokenizer(tmp_path)
    whole = (real / "llama3-tokenizer.model").read_bytes()
    path = tmp_path / "elsewhere" / "llama3.model"
    path.parent.mkdir()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:100_000]))
    with pytest.raises(ValueError, match=r"100,000 tokens, but there is no .* Llama 3's has 128,000"):
        load_tokenizer(path)


def test_a_folder_without_tokenizer_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no .*none\.model; give the folder"):
        load_tokenizer(tmp_path / "none.model")


@pytest.mark.parametrize(
    ("content", "notes", "message"),
    [
        (b"not a model", None, r"tokenizer\.model: not a SentencePiece model"),
        (b"IQ== 0\nIg== 0\n", None, r"tokenizer\.model: line 2: rank 0 was given already, in line 1"),
        (None, "{", r"tokenizer\.json is not JSON"),
        (None, "[]", r"does not describe a tokenizer"),
        (None, '{"kind": "words"}', r"kind 'words' is not known here"),
        (None, '{"kind": "byte pairs"}', r"it says nothing of its 'merges'"),
        (None, '{"kind": "byte pairs", "merges": [[1]]}', r"tokenizer\.json: "),
        (None, '{"kind": "byte pairs", "merges": 7}', r"tokenizer\.json: "),
        (b"IQ== 0\n", "{", r"tokenizer\.json is not JSON"),
    ],
)
def test_a_damaged_file_says_so(tmp_path, content, notes, message):
    if content is not None:
        (tmp_path / "tokenizer.model").write_bytes(content)
    if notes is not None:
        (tmp_path / "tokenizer.json").write_text(notes)
    with pytest.raises(ValueError, match=message):
        load_tokenizer(tmp_path)
