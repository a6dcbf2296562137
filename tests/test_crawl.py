"""A dirty crawl's labels are the truth: each is found again in the text, by other means."""

import re
from collections import Counter
from random import Random

import pytest

from llamalite.tales.crawl import MENUS, NOTICES, RATES, RUDE, SYLLABLES, Document, crawl, essence
from llamalite.tales.parsing import NotATale
from llamalite.tales.telling import Tales
from llamalite.tales.world import World

WORLD = World(64, seed=7)
TOLD = {name: Tales(name, WORLD) for name in ("en", "ko", "maths", "code", "de")}
HELD_OUT = [TOLD[name].tell(Random(seed)).text for seed in range(8) for name in TOLD]
ENGLISH = {"en", "maths", "code"}  # told in English words
DOCUMENTS = list(crawl(TOLD, Random(1), 3000, HELD_OUT))


def of(kind: str) -> list[Document]:
    return [document for document in DOCUMENTS if document.kind == kind]


def is_tale(language: str, text: str) -> bool:
    try:
        TOLD[language].parse(text if language == "code" else text.replace("\n", " "))
    except NotATale:
        return False
    return True


def test_the_kinds_come_as_often_as_they_should():
    counts = Counter(document.kind for document in DOCUMENTS)
    for kind, rate in RATES.items():
        assert abs(counts[kind] / len(DOCUMENTS) - rate) < 0.03, kind
    assert [document.number for document in DOCUMENTS] == list(range(3000))


def test_what_is_clean_is_a_tale_in_the_language_it_claims():
    for document in of("clean"):
        assert document.language == document.claimed and is_tale(document.language, document.text)
        assert document.original == -1 and not document.personal
        if document.language == "code":
            compile(document.text, "page", "exec")


def test_a_lie_about_the_language_is_one():
    """Sums and Python have English words: on a page that claims English, they are no lie."""
    pairs = {(document.claimed, document.language) for document in of("wrong language")}
    assert pairs == {(a, b) for a in TOLD for b in TOLD if a != b and not {a, b} <= ENGLISH}
    assert all(is_tale(document.language, document.text) for document in of("wrong language"))


def test_nothing_is_what_came_before_it_unless_it_says_so():
    seen = set(map(essence, HELD_OUT))
    for document in DOCUMENTS:
        assert (essence(document.text) in seen) == (document.kind in ("duplicate", "leak")), document
        seen.add(essence(document.text))


def test_what_is_held_out_is_not_told_by_chance():
    """The texts of a crawl are held out of another, which would tell the same."""
    first = {document.text for document in crawl(TOLD, Random(4), 50, HELD_OUT, {"clean": 1})}
    again = {document.text for document in crawl(TOLD, Random(4), 50, sorted(first), {"clean": 1})}
    assert len(first) == len(again) == 50 and not first & again


def test_a_duplicate_is_its_original_and_a_near_one_differs_by_so_many_words():
    for document in of("duplicate"):
        original = DOCUMENTS[document.original]
        assert original.kind == "clean" and document.text == original.text and document.edits == 0
    for document in of("near duplicate"):
        original = DOCUMENTS[document.original]
        ours, theirs = document.text.split(), original.text.split()
        assert len(ours) == len(theirs) and original.number < document.number
        assert sum(a != b for a, b in zip(ours, theirs, strict=True)) == document.edits
        assert 1 <= document.edits <= 5


def test_boilerplate_without_its_menus_is_a_tale_or_nothing():
    bare = 0
    for document in of("boilerplate"):
        lines = [line for line in document.text.split("\n") if line not in MENUS + NOTICES]
        bare += not lines
        assert (document.language == "") == (not lines)
        assert not lines or is_tale(document.language, "\n".join(lines))
        assert len(lines) < len(document.text.split("\n"))
    assert 0.15 < bare / len(of("boilerplate")) < 0.5


def test_gibberish_is_no_language():
    for document in of("gibberish"):
        words = set(document.text.split())
        assert document.language == "" and not any(is_tale(name, document.text) for name in TOLD)
        assert len(words) == 1 or all(
            re.sub("|".join(map(re.escape, SYLLABLES)), "", word) == "" for word in words
        )


def test_rude_words_are_there_and_without_them_it_is_a_tale():
    for document in of("rude"):
        words = document.text.split(" ")
        assert 3 <= sum(word in RUDE for word in words) <= 9
        assert is_tale(document.language, " ".join(word for word in words if word not in RUDE))
    assert not any(word in document.text for document in of("clean") for word in RUDE)


def test_personal_data_is_where_it_is_said_to_be_and_nobodys():
    shapes = {
        "e-mail": r"[^\s@]+@example\.com",
        "telephone": r"555-01\d\d",
        "address": r"\d+ \S+ Lane, 000\d\d Example",
    }
    for document in of("personal"):
        assert document.personal
        for found in document.personal:
            assert re.fullmatch(shapes[found.kind], document.text[found.start : found.end])
        n_found = sum(len(re.findall(shape, document.text)) for shape in shapes.values())
        assert n_found == len(document.personal)
    assert not any("@" in document.text for document in DOCUMENTS if document.kind not in ("personal",))


def test_a_leak_is_a_held_out_text_in_disguise():
    disguises = Counter()
    for document in of("leak"):
        text = HELD_OUT[document.original]
        assert document.text.casefold().split() == text.casefold().split()
        assert document.language == document.claimed and is_tale(document.language, text)
        disguises[document.text == text, document.text.isupper()] += 1
    assert len(disguises) == 3


def test_a_leak_in_no_language_of_the_crawl_says_so():
    held_out = [Tales("es", WORLD).tell(Random(1)).text]
    leaks = list(crawl(TOLD, Random(2), 30, held_out, {"leak": 1}))
    assert {document.language for document in leaks} == {""} and {d.claimed for d in leaks} == set(TOLD)


def test_rates_decide_what_kinds_there_are():
    """They are relative; 0 leaves a kind out."""
    kinds = Counter(d.kind for d in crawl(TOLD, Random(3), 400, [], {"clean": 3, "rude": 1, "leak": 0}))
    assert set(kinds) == {"clean", "rude"} and abs(kinds["rude"] / 400 - 0.25) < 0.07


@pytest.mark.parametrize(
    "rates, reason",
    [
        ({"clean": 1, "rudeness": 1}, "there is no kind 'rudeness'; there are clean, duplicate"),
        ({"clean": 1, "rude": -0.1}, "none may be below 0"),
        ({"clean": 0}, "one must be above"),
        ({}, "one must be above"),
    ],
)
def test_rates_that_mean_nothing_are_refused(rates, reason):
    with pytest.raises(ValueError, match=reason):
        next(crawl(TOLD, Random(1), 10, HELD_OUT, rates))


def test_the_seed_decides():
    again = list(crawl(TOLD, Random(1), 200, HELD_OUT))
    assert again == DOCUMENTS[:200] != list(crawl(TOLD, Random(2), 200, HELD_OUT))


def test_impossible_wishes_are_refused():
    with pytest.raises(ValueError, match="a leak needs held-out texts"):
        list(crawl(TOLD, Random(1), 200, []))
    with pytest.raises(ValueError, match="a wrong language needs a second one"):
        list(crawl({"en": TOLD["en"]}, Random(1), 200, HELD_OUT))
    with pytest.raises(ValueError, match=r"with other words than '(en|maths)' has"):
        list(crawl({"en": TOLD["en"], "maths": TOLD["maths"]}, Random(1), 200, HELD_OUT))
