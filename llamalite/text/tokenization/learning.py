"""Learning merges fast: every word is looked at once, and again only when something in it is merged.

The naive way (``byte_pairs``) counts all pairs of the text anew for each merge. Here equal words are
counted together, the counts are kept and corrected, and a heap hands out the most frequent pair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any, Generic, TypeVar

from llamalite.text.tokenization.byte_pairs import merge

Symbol = TypeVar("Symbol", str, bytes)
Pair = tuple[int, int]


def by_age(pair: Pair, merged: str | bytes) -> Any:
    """Of equally frequent pairs, the one of older symbols: the rule of Hugging Face's ``tokenizers``."""
    return pair


def by_length(pair: Pair, merged: str | bytes) -> Any:
    """Of equally frequent pairs, the shortest, then the first in the order of characters: SentencePiece's."""
    return len(merged), merged


def any_piece(merged: str | bytes) -> bool:
    return True


def learn(
    words: Mapping[Sequence[Symbol], int],
    n_pieces: int,
    order: Callable[[Pair, Symbol], Any] = by_age,
    allowed: Callable[[Symbol], bool] = any_piece,
    alphabet: Sequence[Symbol] = (),
) -> list[tuple[Symbol, Symbol]]:
    """The merges that make up to ``n_pieces`` new symbols, each of the pair that is then most frequent.

    ``words`` maps a word's symbols to how often it comes; no merge crosses from one word to the next. A
    pair that ``allowed`` refuses when put together stays apart. ``alphabet``: the oldest symbols, in
    order (``by_age``). Two merges may make the same symbol (a + bc, ab + c): it is one piece then.

    >>> learn({("l", "o", "w"): 5, ("l", "o"): 2, ("n", "o", "w"): 4}, 2)
    [('o', 'w'), ('l', 'ow')]
    """
    learner = Learner(words, order, allowed, alphabet)
    merges, wanted = [], len(learner.symbols) + n_pieces
    while len(learner.symbols) < wanted and (pair := learner.most_frequent()):
        merges.append((learner.symbols[pair[0]], learner.symbols[pair[1]]))
        learner.merge(pair)
    return merges


class Learner(Generic[Symbol]):
    """Words as numbers, how often each pair of numbers stands in them, and in which of them."""

    def __init__(
        self,
        words: Mapping[Sequence[Symbol], int],
        order: Callable[[Pair, Symbol], Any],
        allowed: Callable[[Symbol], bool],
        alphabet: Sequence[Symbol],
    ):
        self.order, self.allowed = order, allowed
        known = {*alphabet}
        self.symbols = [*alphabet, *sorted({symbol for word in words for symbol in word} - known)]
        self.numbers = {symbol: number for number, symbol in enumerate(self.symbols)}
        self.words = [[self.numbers[symbol] for symbol in word] for word in words]
        self.times = list(words.values())
        self.counts: dict[Pair, int] = defaultdict(int)
        self.places: dict[Pair, set[int]] = defaultdict(set)
        for place in range(len(self.words)):
            self.count(place)
        self.heap = [entry for pair in self.counts if (entry := self.entry(pair))]
        heapify(self.heap)

    def count(self, place: int) -> None:
        for pair in pairwise(self.words[place]):
            self.counts[pair] += self.times[place]
            self.places[pair].add(place)

    def entry(self, pair: Pair) -> tuple[int, Any, Pair] | None:
        """What the heap sorts by: the most frequent first, then by ``order``."""
        merged = self.symbols[pair[0]] + self.symbols[pair[1]]
        return (-self.counts[pair], self.order(pair, merged), pair) if self.allowed(merged) else None

    def most_frequent(self) -> Pair | None:
        """The pair to merge next; None where there is no pair left.

        A count that has fallen is found out here: its entry goes back with what it is now. One that has
        risen was pushed anew by ``merge``.
        """
        while self.heap:
            counted, key, pair = heappop(self.heap)
            if -counted == self.counts[pair] > 0:
                return pair
            if 0 < self.counts[pair] < -counted:
                heappush(self.heap, (-self.counts[pair], key, pair))
        return None

    def merge(self, pair: Pair) -> None:
        """Replace the pair by one symbol wherever it stands, and correct the counts of its neighbours."""
        merged = self.symbols[pair[0]] + self.symbols[pair[1]]
        number = self.numbers.setdefault(merged, len(self.symbols))
        if number == len(self.symbols):
            self.symbols.append(merged)
        risen: set[Pair] = set()
        for place in self.places.pop(pair):
            for old in pairwise(self.words[place]):
                self.counts[old] -= self.times[place]
            self.words[place] = merge(self.words[place], pair, number)
            self.count(place)
            risen.update(new for new in pairwise(self.words[place]) if number in new)
        for new in risen:
            if entry := self.entry(new):
                heappush(self.heap, entry)
