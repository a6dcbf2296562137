"""The tales that ship are exactly what their generator writes, and each keeps the object it introduced."""

import hashlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from random import Random

from llamalite.tales.first import HEROES, THINGS, tale, tales, with_article

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "data" / "tales-en.txt"
CARD = (ROOT / "data" / "README.md").read_text()


def sentences(text: str) -> list[str]:
    """Split after a full stop or a closed quotation; good enough for our own grammar."""
    return re.split(r"(?<=[.!?]) (?=[A-Z\"])|(?<=\.\") (?=[A-Z\"])", text)


def test_the_cards_command_writes_the_shipped_file(tmp_path):
    command = shlex.split(re.search(r"python (-m llamalite\.tales\.first .*?)`", CARD).group(1))
    command[command.index("--out") + 1] = str(tmp_path / "again.txt")
    subprocess.run([sys.executable, *command], check=True, cwd=ROOT)
    assert (tmp_path / "again.txt").read_bytes() == SHIPPED.read_bytes()


def test_the_card_is_true():
    shipped = SHIPPED.read_bytes()
    n_tales = shipped.count(b"\n\n")
    assert f"| {len(shipped)} bytes, {n_tales} tales, ASCII |" in CARD
    assert hashlib.sha256(shipped).hexdigest() in CARD
    assert shipped.isascii()


def test_a_tale_keeps_its_object():
    for text in SHIPPED.read_text().split("\n\n")[:-1]:
        named = [thing.name for thing in THINGS if re.search(rf"\b{thing.name}\b", text)]
        assert len(named) == 1, text
        told = sentences(text)
        assert 7 <= len(told) <= 8, told
        assert named[0] in told[1] and named[0] in " ".join(told[-3:]), text


def test_every_friend_is_a_hero_and_the_articles_are_right():
    assert all(HEROES[hero.friend].friend == hero.name for hero in HEROES.values())
    assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", SHIPPED.read_text())
    assert (with_article("owl"), with_article("fox")) == ("an owl", "a fox")


def test_the_seed_decides_and_the_size_is_kept():
    assert tale(Random(1)) == tale(Random(1)) != tale(Random(2))
    for n_bytes in (0, 100, 5000):
        size = sum(map(len, tales(n_bytes, seed=3)))
        assert n_bytes - 600 < size <= n_bytes or size == 0
