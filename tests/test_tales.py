"""What ships in ``data/`` is what its commands make, byte for byte, and its cards tell the truth."""

import hashlib
import json
import re

import make_data
import pytest

from llamalite.tales.language import language_names
from llamalite.tales.telling import END, Tales
from llamalite.text.corpus import DATA, shipped_texts
from llamalite.text.tokenization.tokenizer import load_tokenizer

CARDS = (DATA / "README.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([^`]+)` \| ([\d,]+ \| `\w+`) \|$", CARDS, re.M))
LANGUAGES = language_names()


@pytest.mark.parametrize("name", make_data.files())
def test_every_file_is_made_again_byte_for_byte(name):
    assert make_data.files()[name]() == (DATA / name).read_bytes()


def test_every_file_that_ships_is_on_a_card_with_its_size_and_checksum():
    for path in sorted(DATA.rglob("*")):
        name = str(path.relative_to(DATA))
        if path.is_dir() or name == "README.md" or DATA / "tales" in path.parents:
            continue
        content = path.read_bytes()
        assert ROWS.get(name) == f"{len(content):,} | `{hashlib.sha256(content).hexdigest()}`", name


def test_cards_name_no_file_that_is_gone():
    assert ROWS and all((DATA / name).is_file() for name in ROWS)


def test_all_languages_ship_and_all_together_are_small():
    assert set(shipped_texts()) == {f"tales-{name}" for name in LANGUAGES}
    made = sum((DATA / name).stat().st_size for name in make_data.files())
    assert 1_000_000 < made < 2_500_000


@pytest.mark.parametrize("name", LANGUAGES)
def test_shipped_texts_are_tales_and_no_tale_is_in_both_parts(name):
    tales = Tales(name)
    train, held_out = (
        (DATA / f"tales-{name}{part}.txt").read_text(encoding="utf-8").split(END)[:-1]
        for part in ("", "-validation")
    )
    assert len(train) > 8 * len(held_out) > 100
    for text in held_out:
        tales.parse(text)
    if name != "maths":  # sums are short, and the popular ones come again
        assert not set(train) & set(held_out)


def test_tokenizers_open_and_give_back_every_language():
    for folder in (DATA / "tokenizers").iterdir():
        tokenizer = load_tokenizer(folder)
        for name in LANGUAGES:
            text = (DATA / f"tales-{name}-validation.txt").read_text(encoding="utf-8")[:2000]
            assert tokenizer.decode(tokenizer.encode(text)) == text


def test_task_sets_are_lines_of_json_with_the_fields_of_their_kind():
    for path in (DATA / "tasks").iterdir():
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert len(rows) >= 60 and len({tuple(row) for row in rows}) == 1, path


def test_cards_explain_the_files_of_the_languages():
    for name in LANGUAGES:
        assert f"`tales/{name}.txt`" in CARDS
