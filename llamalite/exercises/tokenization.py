"""Exercises of chapter ``tokenization``: count pairs, learn merges, encode, decode, compare. The engine
compares numbers, so here a token is an id, and a text is its bytes."""

from collections import Counter
from itertools import pairwise

import numpy as np

from llamalite.exercises.engine import Exercise, Mistake, Property
from llamalite.text.tokenization.byte_pairs import learn_merges, merge, pairs
from llamalite.text.tokenization.merging import merge_symbols

# --- tokenization.1: the most frequent pair ----------------------------------------------------------


def best_pair(words):
    counts = {}
    for word, times in words.items():
        for i in range(len(word) - 1):
            pair = word[i], word[i + 1]
            counts[pair] = counts.get(pair, 0) + times
    left, right = max(sorted(counts), key=counts.get)  # on a tie max keeps the first, which is the smallest
    return left, right, counts[left, right]


def best_pair_by(weigh=lambda word, pair: pairs(word)[pair], sign=1):
    """``weigh`` says how often a pair comes in a word; the largest wins a tie if ``sign`` is -1."""

    def answer(words):
        counts = Counter()
        for word, times in words.items():
            counts.update({pair: times * weigh(word, pair) for pair in pairs(word)})
        best = min(counts, key=lambda pair: (-counts[pair], sign * pair[0], sign * pair[1]))
        return *best, counts[best]

    return answer


WORDS = ({b"baa": 3, b"aaa": 2, b"cb": 5, b"bac": 2}, {b"low": 5, b"banana": 3, b"can": 4},
         {b"bcab": 4, b"d": 9})  # fmt: skip
PAIR = Exercise(
    title="best_pair(words): the most frequent pair of neighbours in {word: how often it comes}, as (left "
    "byte, right byte, how often); on a tie the smallest pair",
    cases=lambda: [(words,) for words in WORDS],
    oracle=best_pair_by(),
    solution=best_pair,
    why="Every place where two bytes stand side by side counts, once for each time the word comes. No pair "
    "reaches across words, so each different word is looked at once, however long the text is.",
    hints=(
        "A word of bytes gives its bytes as numbers: b'low'[0] is 108. Its pairs are (word[i], word[i + 1]).",
        "b'aaa' holds the pair (97, 97) twice. If the word comes 5 times, that makes 10.",
        "max(sorted(counts), key=counts.get) is the pair with the highest count, the smallest on a tie.",
    ),
    mistakes=(
        Mistake("each word once", lambda words: best_pair(dict.fromkeys(words, 1)),
                "you count each word once: a pair comes as often as the words that hold it"),
        Mistake("across words", lambda words: best_pair({b"".join(w * n for w, n in words.items()): 1}),
                "you count the end of one word and the start of the next as a pair: keep the words apart"),
        Mistake("without overlap", best_pair_by(lambda word, pair: word.count(bytes(pair))),
                "b'aaa' holds the pair (97, 97) twice: str.count and re.findall skip what overlaps"),
        Mistake("once a word", best_pair_by(lambda word, pair: 1),
                "you count a pair once a word, but it may stand in a word several times"),
        Mistake("largest on a tie", best_pair_by(sign=-1),
                "on a tie you take the largest pair: take the smallest, so that everybody learns the same"),
        Mistake("first on a tie", best_pair_by(sign=0),
                "on a tie you take the pair seen first, an accident of the order: take the smallest"),
    ),
)  # fmt: skip

# --- tokenization.2: learn merges --------------------------------------------------------------------


def learn(ids, n):
    merges = []
    for new in range(256, 256 + n):
        counts = {}
        for i in range(len(ids) - 1):
            pair = ids[i], ids[i + 1]
            counts[pair] = counts.get(pair, 0) + 1
        best = max(sorted(counts), key=counts.get)
        merged, i = [], 0
        while i < len(ids):
            found = tuple(ids[i : i + 2]) == best
            merged.append(new if found else ids[i])
            i += 2 if found else 1
        ids = merged
        merges.append(best)
    return merges


def learn_by(merge):
    def answer(ids, n):
        merges = []
        for new in range(256, 256 + n):
            merges += learn_merges(ids, 1)
            ids = merge(ids, merges[-1], new)
        return merges

    return answer


def merge_overlapping(ids, pair, new):
    return [new if tuple(ids[i : i + 2]) == pair else ids[i] for i in range(len(ids))]


def merge_once(ids, pair, new):
    i = list(pairwise(ids)).index(pair)
    return [*ids[:i], new, *ids[i + 2 :]]


LEARN = Exercise(
    title="learn(ids, n): the first n merges (n, 2) of byte-pair encoding; number i is of the most frequent "
    "pair, the smallest on a tie, and becomes id 256 + i",
    cases=lambda: [(list(b"baaaabbba"), 4), (list(b"cabcccabc"), 3)],
    oracle=lambda ids, n: learn_merges(ids, n),
    solution=learn,
    why="Count, merge, and count again: what a merge made is a neighbour like any other, so later tokens "
    "grow out of earlier ones. In aaa only one aa can be merged, the one on the left.",
    hints=(
        "Count the pairs of ids, as in the exercise before, and choose one.",
        "Build a new list from left to right: where the pair stands, append 256 + i and go on by two places; "
        "elsewhere append what is there and go on by one.",
        "Then forget the old list and the old counts: the next round counts pairs in the new list.",
    ),
    mistakes=(
        Mistake("counted once", lambda ids, n: sorted(c := pairs(ids), key=lambda pair: (-c[pair], pair))[:n],
                "you count once and take the n best: after each merge the text is another, so count again"),
        Mistake("overlapping", learn_by(merge_overlapping),
                "after a merge you go on by one place, so that its second half is used again: go on by two"),
        Mistake("from the right", learn_by(lambda ids, pair, new: merge(ids[::-1], pair[::-1], new)[::-1]),
                "you merge from the right: of aaa it is the left pair that is merged"),
        Mistake("first place only", learn_by(merge_once),
                "you merge the pair where it stands first, and leave it in all other places"),
        Mistake("ids from 257", lambda ids, n: np.add(p := learn_merges(ids, n), np.array(p) > 255),
                "your new ids start at 257: bytes take 0 to 255, so the first new one is 256"),
    ),
)  # fmt: skip

# --- tokenization.3: encode a word -------------------------------------------------------------------


def encode(word, ranks):
    if word in ranks:
        return [ranks[word]]
    parts = [word[i : i + 1] for i in range(len(word))]
    while True:
        pairs = [parts[i] + parts[i + 1] for i in range(len(parts) - 1)]
        found = [(ranks[pair], i) for i, pair in enumerate(pairs) if pair in ranks]
        if not found:
            return [ranks[part] for part in parts]
        _, i = min(found)
        parts[i : i + 2] = [pairs[i]]


def encode_by_heap(word, ranks):
    parts = [word] if word in ranks else merge_symbols([bytes([byte]) for byte in word], ranks.get)
    return [ranks[part] for part in parts]


def encode_by(order):
    """Merge in another order: a function of ranks, place, left and right."""

    def answer(word, ranks):
        parts = [bytes([byte]) for byte in word]
        while places := [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in ranks]:
            _, i = min((order(ranks, i, *parts[i : i + 2]), i) for i in places)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return [ranks[part] for part in parts]

    return answer


def longest_match(word, ranks):
    ends = [n for n in range(1, len(word) + 1) if word[:n] in ranks]
    return [ranks[word[: ends[-1]]], *longest_match(word[ends[-1] :], ranks)] if ends else []


# Every mistake finds as many tokens as there should be, and others.
VOCABULARIES = {b"abcacac": b"a b c bc ca cac bcac", b"bbbbb": b"b bb bbb", b"ccaca": b"a c ca cc ac cac"}
ENCODE = Exercise(
    title="encode(word, ranks): the ids of a word, as Llama 3 finds them; ranks maps the bytes of a token "
    "to its rank, which is its id, too, and knows every single byte",
    cases=lambda: [(w, {t: i for i, t in enumerate(v.split())}) for w, v in VOCABULARIES.items()],
    oracle=encode_by_heap,
    solution=encode,
    why="A low rank was learnt early, so encoding repeats training in its order: of all neighbours that make "
    "a token, merge those of the lowest rank, the leftmost on a tie. But a word that is a token is never "
    "taken apart: 588 tokens of Llama 3 cannot be reached by merging.",
    hints=(
        "Start from single bytes: [word[i : i + 1] for i in range(len(word))].",
        "Of all neighbours that, put together, stand in ranks, merge the two of the lowest rank; look again.",
        "And before all this: is the whole word in ranks?",
    ),
    mistakes=(
        Mistake("longest match", longest_match,
                "you cut off the longest token that fits, from left to right: BPE merges by rank instead"),
        Mistake("longest first", encode_by(lambda ranks, i, a, b: (-len(a + b), ranks[a + b])),
                "you merge into the longest token first: the lowest rank comes first, whatever its length"),
        Mistake("by place", encode_by(lambda ranks, i, a, b: i),
                "you merge the first pair from the left: the lowest rank comes first, wherever it stands"),
        Mistake("rightmost", encode_by(lambda ranks, i, a, b: (ranks[a + b], -i)),
                "on a tie you merge the rightmost pair: take the leftmost"),
        Mistake("ranks of the parts", encode_by(lambda ranks, i, a, b: (ranks[a], ranks[b])),
                "you compare the ranks of the two parts: what counts is the rank of what they become"),
    ),
    properties=(
        Property("a word that is a token is that token, even if no merges lead there: look it up first, as "
                 "588 tokens of Llama 3 are found in no other way",
                 lambda f: f(b"abc", {b"a": 0, b"b": 1, b"c": 2, b"abc": 3}).tolist() == [3]),
    ),
)  # fmt: skip

# --- tokenization.4: from pieces back to text --------------------------------------------------------


def decode(pieces, size):
    data = b""
    for piece in pieces:
        if piece.startswith("<0x"):
            data += bytes([int(piece[3:5], 16)])
        elif piece not in ("<s>", "</s>"):
            data += piece.replace("▁", " ").encode()
    data = data.removeprefix(b" ")
    return list(data) + [0] * (size - len(data))


def decode_by(finish=lambda data: data.removeprefix(b" "), byte=lambda b: b, kept=(), space=" "):
    """Something else done to the whole, to byte pieces, to control tokens, or to spaces."""

    def read(piece):
        if piece in ("<s>", "</s>"):
            return piece.encode() if piece in kept else b""
        return byte(bytes.fromhex(piece[3:5])) if piece[:3] == "<0x" else piece.replace("▁", space).encode()

    return lambda pieces, n: np.frombuffer(finish(b"".join(map(read, pieces))).ljust(n, b"\0"), np.uint8)


DECODE = Exercise(
    title="decode(pieces, size): the text that Llama 2's pieces spell: its UTF-8 bytes, and zeros up to size",
    cases=lambda: [(["<s>", "▁", "▁so", "▁many", "▁lla", "mas"], 40),
                   (["▁", "<0xEC>", "<0x95>", "<0x88>", "녕", "▁", "</s>"], 60)],
    oracle=decode_by(),
    solution=decode,
    why="Encoding puts one space in front, so decoding takes one off, and no more: further spaces are the "
    "text's own. Byte pieces are joined as bytes, for a single one is no character. Control tokens are left "
    "out before the pieces are joined; later, nobody can tell them from text.",
    hints=(
        'A piece "<0xEC>" is the byte int(piece[3:5], 16); any other is piece.replace("▁", " ").encode().',
        'Leave out "<s>" and "</s>" as pieces, and join the rest as bytes.',
        'At the very end take off one space, if there is one: data.removeprefix(b" "). Then fill up with 0.',
    ),
    mistakes=(
        Mistake("strip", decode_by(bytes.strip),
                "strip() takes all spaces off both ends: one was put there, the others are the text's own"),
        Mistake("lstrip", decode_by(bytes.lstrip),
                "lstrip() takes all spaces off the front: one was put there, the others are the text's own"),
        Mistake("prefix kept", decode_by(lambda data: data), "you keep the space that encoding put in front"),
        Mistake("strip('<s>')", decode_by(lambda data: data.strip(b"<s>").removeprefix(b" "), kept=["<s>"]),
                "strip('<s>') takes letters, not a token, and eats the s of llamas: leave out the piece <s>"),
        Mistake("byte by byte", decode_by(byte=lambda b: b.decode(errors="replace").encode()),
                "you decode each byte piece alone, which gives U+FFFD: join the bytes first, then decode"),
        Mistake("control tokens as text", decode_by(kept=["<s>", "</s>"]),
                "you spell out <s> and </s>: they stand for no text, and hide the space put in front"),
        Mistake("no spaces", decode_by(space=""), "you drop every ▁ and words run together: it is a space"),
    ),
)  # fmt: skip

# --- tokenization.5: two tokenizers, one measure -----------------------------------------------------


def score(nats, tokens):
    return nats.sum() / np.log(2) / sum(len(token) for token in tokens)


BITS = Exercise(
    title="score(nats, tokens): bits per byte of a text, from the loss (T,) and the bytes of each token; the "
    "end of the text is a token of no bytes",
    cases=lambda: [(np.array([2.0, 0.5, 1.1, 3.0]), [b"The", b" owl", "을".encode(), b""]),
                   (np.array([4.0, 0.2, 0.3, 0.9, 0.1]), [b"\xec", b"\x95\x88", b" a", b"bcd", b""])],
    oracle=lambda nats, tokens: sum(np.log2(np.exp(x)) for x in nats) / len(b"".join(tokens)),
    solution=score,
    why="The surprise of all tokens, the end included, is that of the text, however it is cut; so are its "
    "bytes. Their ratio is fair to both vocabularies, and the loss a token favours the shorter tokens.",
    hints=("Add up the nats of all tokens; a nat is 1 / log 2 bits.", "Divide once, by the number of bytes."),
    mistakes=(
        Mistake("per token", lambda nats, tokens: nats.mean() / np.log(2),
                "those are bits a token, and shorter tokens have fewer: divide by bytes"),
        Mistake("per character", lambda nats, t: nats.sum() / np.log(2) / len(b"".join(t).decode()),
                "you divide by characters: a Korean syllable is one of them, and three bytes"),
        Mistake("nats", lambda nats, tokens: nats.sum() / len(b"".join(tokens)), "those are nats per byte"),
        Mistake("mean of ratios", lambda nats, t: np.mean([score(n, [b]) for n, b in zip(nats, t) if b]),  # noqa: B905
                "you average the tokens' ratios: add up bits and bytes first, and divide once"),
        Mistake("end forgotten", lambda nats, tokens: score(nats[:-1], tokens),
                "you leave out the token of no bytes: that the text ends was a surprise, too"),
        Mistake("end is a byte", lambda nats, tokens: score(nats, [token or b" " for token in tokens]),
                "you count the end as a byte: it costs bits, and holds no byte of the text"),
    ),
)  # fmt: skip

EXERCISES = {f"tokenization.{i}": e for i, e in enumerate((PAIR, LEARN, ENCODE, DECODE, BITS), start=1)}
