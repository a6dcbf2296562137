"""Shingles against sets of tuples, MinHash against exact overlaps, bands against the formula."""

from random import Random

import datasketch
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamalite.tales.crawl import crawl
from llamalite.tales.telling import Tales
from llamalite.tales.world import World
from llamalite.text.data.lsh import (
    best_rows,
    candidates,
    caught,
    clusters,
    hash_bands,
    keep_first,
    similar_pairs,
)
from llamalite.text.data.minhash import draw_orders, minima, signatures, similarity, stream_signatures
from llamalite.text.data.shingles import hash_shingles, hash_words, jaccard

WORLD = World(1024, exponent=1.0, seed=7)
TOLD = {name: Tales(name, WORLD) for name in ("en", "ko", "es", "de", "code", "maths")}
RATES = {"clean": 0.6, "duplicate": 0.2, "near duplicate": 0.2}
DOCUMENTS = list(crawl(TOLD, Random(11), 1200, [], RATES))
TEXTS = [document.text for document in DOCUMENTS]


# --- words and shingles --------------------------------------------------------------------------------


@given(st.lists(st.text(), max_size=4))
def test_words_hash_alike_exactly_if_they_are_alike(texts):
    words = [word for text in texts for word in text.casefold().split()]
    hashes, counts = hash_words(texts)
    assert counts.tolist() == [len(text.casefold().split()) for text in texts]
    assert len(dict(zip(words, hashes.tolist(), strict=True))) == len(set(hashes.tolist())) == len(set(words))


@given(st.text("ab \n"), st.text("abA "), st.integers(1, 4))
def test_shingles_are_runs_of_words(a, b, n):
    def runs(text):
        words = text.casefold().split()
        return {tuple(words[i : i + n]) for i in range(max(len(words) - n + 1, 1))} if words else set()

    union = runs(a) | runs(b)
    assert jaccard(a, b, n) == (len(runs(a) & runs(b)) / len(union) if union else 1.0)


# --- MinHash -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [0.1, 0.5, 0.8, 0.95])
def test_the_error_is_the_theoretical_one(wanted):
    """300 pairs of sets with a known overlap: the error in units of sqrt(J(1-J)/128) has mean 0, spread 1."""
    rng, orders, off = np.random.default_rng(5), draw_orders(128, seed=3), []
    size = 200
    common = round(2 * size * wanted / (1 + wanted))
    exact = common / (2 * size - common)
    for _ in range(300):
        drawn = rng.integers(0, 2**64, size=2 * size - common, dtype=np.uint64)
        pair = np.concatenate([drawn[:size], drawn[size - common :]])
        a, b = minima(pair, np.array([size, size]), orders)
        off.append((similarity(a, b) - exact) / (exact * (1 - exact) / 128) ** 0.5)
    assert abs(np.mean(off)) < 4 / 300**0.5  # four standard errors of a mean
    assert 0.8 < np.std(off) < 1.2  # and of a spread: 4 / sqrt(600) = 0.16


def test_neighbouring_numbers_are_ordered_at_random_too():
    """Hashes that are no random numbers: a hash family that only shifts would fail by far."""
    orders = draw_orders(128, seed=4)
    a, b = (
        signatures([" ".join(f"w{i}" for i in part)], orders, n=1) for part in (range(300), range(100, 400))
    )
    assert abs(similarity(a, b)[0] - 0.5) < 4 * (0.25 / 128) ** 0.5


def test_signatures_of_pages_estimate_their_overlap():
    orders = draw_orders()
    known = signatures(TEXTS, orders)
    pairs = [(d.original, d.number) for d in DOCUMENTS if d.kind == "near duplicate"]
    exact = np.array([jaccard(TEXTS[i], TEXTS[j]) for i, j in pairs])
    found = np.array([similarity(known[i], known[j]) for i, j in pairs])
    inside = (exact > 0) & (exact < 1)
    off = (found - exact)[inside] / np.sqrt((exact * (1 - exact))[inside] / 128)
    assert inside.sum() > 150 and abs(off.mean()) < 0.5 and 0.8 < off.std() < 1.25
    assert (found[~inside] == exact[~inside]).all()


def test_datasketch_sees_the_same_overlap():
    """Another MinHash, with another hash: the two estimates differ by no more than two errors allow."""
    ours, off = signatures(TEXTS, draw_orders()), []
    for d in [d for d in DOCUMENTS if d.kind == "near duplicate"][:60]:
        theirs = [datasketch.MinHash(num_perm=128) for _ in range(2)]
        for minhash, number in zip(theirs, (d.original, d.number), strict=True):
            minhash.update_batch([h.tobytes() for h in hash_shingles([TEXTS[number]])[0]])
        off.append(similarity(ours[d.original], ours[d.number]) - theirs[0].jaccard(theirs[1]))
    assert np.std(off) < 1.5 * (2 * 0.2 / 128) ** 0.5 and abs(np.mean(off)) < 0.03


def test_batches_change_nothing_and_an_empty_text_resembles_nothing():
    orders, some = draw_orders(16), ["", *TEXTS[:40], "  \n", "one"]
    whole = signatures(some, orders)
    np.testing.assert_array_equal(np.concatenate(list(stream_signatures(some, orders, batch=7))), whole)
    assert (whole[0] == whole[-2]).all() and similarity(whole[0], whole[-1]) == 0


# --- LSH -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bands", "rows"), [(16, 8), (32, 4), (8, 16)])
def test_the_curve_is_that_of_the_formula(bands, rows):
    """4,000 pairs of signatures whose every number agrees with probability s."""
    rng = np.random.default_rng(bands)
    for s in (0.3, 0.5, 0.7, 0.8, 0.9):
        a = rng.integers(0, 2**32, size=(4000, bands * rows), dtype=np.uint32)
        b = np.where(rng.random(a.shape) < s, a, a + np.uint32(1))
        hit = (hash_bands(a, rows) == hash_bands(b, rows)).any(axis=1).mean()
        want = 1 - (1 - s**rows) ** bands
        assert caught(s, bands, rows) == pytest.approx(want)
        assert abs(hit - want) < 4 * (want * (1 - want) / 4000) ** 0.5 + 1e-9


def test_rows_are_as_many_as_the_threshold_allows():
    for threshold in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        rows = best_rows(threshold)
        assert caught(threshold, 128 // rows, rows) >= 0.5 > caught(threshold, 128 // (2 * rows), 2 * rows)
    with pytest.raises(ValueError, match="take a divisor of 128"):
        hash_bands(np.zeros((1, 128), np.uint32), 5)


def test_candidates_share_a_band_and_copies_do_not_explode():
    rng = np.random.default_rng(2)
    bands = rng.integers(0, 5, size=(30, 3), dtype=np.uint64)
    every = {(i, j) for i in range(30) for j in range(i + 1, 30) if (bands[i] == bands[j]).any()}
    assert set(map(tuple, candidates(bands, reach=30).tolist())) == every
    assert len(candidates(np.zeros((1000, 2), np.uint64))) < 9000 and len(candidates(bands[:0])) == 0


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda p: p[0] < p[1])))
def test_who_is_kept_resembles_nobody_kept_and_clusters_are_components(pairs):
    kept = keep_first(9, np.array(pairs, np.int64).reshape(-1, 2))
    assert not any(kept[i] and kept[j] for i, j in pairs)
    assert all(kept[j] or any(b == j and kept[a] for a, b in pairs) for j in range(9))  # none goes in vain
    label = list(range(9))
    for _ in range(9):  # another way: the smallest label spreads until nothing changes
        for i, j in pairs:
            label[i] = label[j] = min(label[i], label[j])
    assert clusters(9, np.array(pairs, np.int64).reshape(-1, 2)).tolist() == label


def test_near_duplicates_are_found_and_strangers_are_not():
    known = signatures(TEXTS, draw_orders())
    gone = set(np.flatnonzero(~keep_first(len(TEXTS), similar_pairs(known, 0.6))).tolist())
    copies = {d.number for d in DOCUMENTS if d.kind != "clean"}
    assert len(gone & copies) > 0.99 * len(gone) and len(gone & copies) > 0.9 * len(copies)
