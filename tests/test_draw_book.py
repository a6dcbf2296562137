"""The picture of the book: what the chapters say they need, and nothing that others imply."""

import doctest

import draw_book
from draw_book import columns, places, read_needs, reduced


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(draw_book).failed == 0


def test_a_chapter_needs_only_chapters_before_it():
    needs = read_needs()
    assert all(m < n for n, before in needs.items() for m in before)
    assert needs[8] >= {3, 5, 6, 7} and needs[11] >= {8}


def test_every_chapter_has_a_box_of_its_own_right_of_what_it_needs():
    needs = reduced(read_needs())
    where = places(needs)
    assert len(set(where.values())) == len(needs)
    assert all(where[m][0] < where[n][0] for n, before in needs.items() for m in before)


def test_what_is_implied_is_left_out_and_nothing_else():
    whole = {1: set(), 2: {1}, 3: {1}, 4: {1, 2, 3}, 5: {4, 1}}
    assert reduced(whole) == {1: set(), 2: {1}, 3: {1}, 4: {2, 3}, 5: {4}}
    assert columns(whole) == {1: 0, 2: 1, 3: 1, 4: 2, 5: 3}


def test_it_draws(tmp_path):
    needs = read_needs()
    figure = draw_book.draw_book(needs, {n: f"chapter_{n}" for n in needs})
    assert {text.get_text()[:2] for text in figure.axes[0].texts} == {f"{n:02d}" for n in needs}
