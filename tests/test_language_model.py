import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from gradients import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llamalite.in_numpy import language_model as in_numpy
from llamalite.in_numpy.cross_entropy import cross_entropy, cross_entropy_backward
from llamalite.in_torch import language_model as in_torch

HALVES = pytest.mark.parametrize("half", [in_numpy, in_torch], ids=["numpy", "torch"])
V = 5
TOKENS = np.random.default_rng(0).integers(0, V, 60) * (np.arange(60) % 3 > 0)  # with a habit to learn


def give(half, *values):
    """Arrays as the half likes them."""
    return [torch.tensor(v) if half is in_torch else v for v in values]


def counted(half, tokens, length, vocab_size=V):
    (tokens,) = give(half, tokens)
    return half.count_ngrams(*half.windows(tokens, length, 0), vocab_size)


# --- counting ----------------------------------------------------------------------------------------


@HALVES
def test_windows_by_hand(half):
    contexts, targets = half.windows(*give(half, np.array([5, 6, 7])), 2, before=9)
    assert contexts.tolist() == [[9, 9], [9, 5], [5, 6]] and targets.tolist() == [5, 6, 7]
    contexts, targets = half.windows(*give(half, np.array([5, 6, 7])), 0, before=9)
    assert contexts.shape == (3, 0) and targets.tolist() == [5, 6, 7]


@HALVES
def test_bigrams_equal_a_loop(half):
    expected = np.zeros((V, V), dtype=int)
    for a, b in itertools.pairwise(TOKENS):
        expected[a, b] += 1
    assert half.count_bigrams(*give(half, TOKENS), V).tolist() == expected.tolist()


@HALVES
@pytest.mark.parametrize("length", [0, 1, 3])
def test_ngrams_equal_a_dictionary(half, length):
    padded = [0] * length + TOKENS.tolist()
    ngrams = counted(half, TOKENS, length)
    for k in range(length + 1):
        seen = Counter(tuple(padded[t - k : t + 1]) for t in range(length, len(padded)))
        assert sorted(ngrams.levels[k].counts.tolist()) == sorted(seen.values())
        contexts = Counter(gram[:-1] for gram in seen.elements())
        assert sorted(ngrams.levels[k].totals.tolist()) == sorted(contexts.values())
        kinds = Counter(gram[:-1] for gram in seen)
        assert sorted(ngrams.levels[k].kinds.tolist()) == sorted(kinds.values())


def probability(history: list[int], token: int, context: list[int], d: Fraction) -> Fraction:
    """Absolute discounting word for word, in exact fractions, by looking through the whole history."""
    shorter = probability(history, token, context[1:], d) if context else Fraction(1, V)
    k = len(context)
    followers = [history[t] for t in range(4, len(history)) if history[t - k : t] == context]
    if not followers:
        return shorter
    kept = max(followers.count(token) - d, 0)
    return (kept + d * len(set(followers)) * shorter) / len(followers)


@HALVES
@pytest.mark.parametrize("context", [[0, 1, 2, 0], [4, 4, 4, 4], [0, 0, 3, 1], TOKENS[20:24].tolist()])
def test_probabilities_equal_exact_fractions(half, context):
    ngrams, history = counted(half, TOKENS, 4), [0] * 4 + TOKENS.tolist()
    expected = [probability(history, token, context, Fraction(3, 8)) for token in range(V)]
    asked = give(half, np.tile(context, (V, 1)), np.arange(V))
    np.testing.assert_allclose(
        half.ngram_probs(ngrams, *asked, discount=0.375), [float(p) for p in expected], rtol=1e-14
    )
    assert sum(expected) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, V - 1), min_size=1, max_size=40), st.lists(st.integers(0, V - 1), max_size=3))
def test_probabilities_sum_to_one_after_any_context(tokens, context):
    """Seen or not, and of any length up to the longest counted."""
    for half in (in_numpy, in_torch):
        ngrams = counted(half, np.array(tokens), 3)
        asked = give(half, np.tile(np.array(context, dtype=np.int64), (V, 1)), np.arange(V))
        probs = half.ngram_probs(ngrams, *asked)
        assert abs(float(probs.sum()) - 1) < 1e-12 and (probs > 0).all()


@HALVES
def test_a_narrower_context_is_the_model_of_a_shorter_one(half):
    tokens, context = give(half, np.arange(V), np.tile([0, 3, 1], (V, 1)))
    for k in range(4):
        short = half.ngram_probs(counted(half, TOKENS, k), context[:, 3 - k :], tokens)
        narrow = half.ngram_probs(counted(half, TOKENS, 3), context[:, 3 - k :], tokens)
        assert short.tolist() == narrow.tolist()


def test_both_halves_agree():
    ours, theirs = (counted(half, TOKENS, 3) for half in (in_numpy, in_torch))
    for a, b in zip(ours.levels, theirs.levels, strict=True):
        assert [x.tolist() for x in a] == [x.tolist() for x in b]
    asked = in_numpy.windows(np.random.default_rng(1).integers(0, V, 200), 3, 0)
    twin = in_torch.ngram_probs(theirs, *(torch.tensor(a) for a in asked))
    np.testing.assert_allclose(in_numpy.ngram_probs(ours, *asked), twin.numpy(), rtol=1e-14)


def test_on_a_known_source_the_loss_falls_to_the_entropy_and_no_further():
    """Order 1, three letters. One context is enough, none is too little, and no length gets below."""
    P = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.5, 0.5, 0.0]])
    stationary = np.linalg.matrix_power(P, 200)[0]
    logs = np.log(np.where(P > 0, P, 1))
    rate, marginal = -stationary @ (P * logs).sum(1), -stationary @ np.log(stationary)
    rng, tokens = np.random.default_rng(0), [0]
    for u in rng.random(120_000):
        tokens.append(int(min(np.searchsorted(P[tokens[-1]].cumsum(), u), 2)))
    train, test = np.array(tokens[:60_000]), np.array(tokens[60_000:])
    contexts, targets = in_numpy.windows(test, 4, 0)
    ngrams = counted(in_numpy, train, 4, 3)
    loss = [-np.log(in_numpy.ngram_probs(ngrams, contexts[:, 4 - k :], targets)).mean() for k in range(5)]
    own = -logs[test[:-1], test[1:]].mean()  # what these very tokens cost whoever knows P
    assert loss[0] == pytest.approx(marginal, abs=0.01) and loss[1] == pytest.approx(rate, abs=0.01)
    assert all(own < x < own + 0.005 for x in loss[1:]) and loss[0] > rate + 0.2


# --- measuring ---------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_padding_has_no_say(data):
    """However wide the padding and whatever stands there: the mean is that of the real tokens."""
    lengths = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(any))
    width = max(lengths) + data.draw(st.integers(0, 5))
    loss = data.draw(arrays(float, (len(lengths), width), elements=st.floats(0, 100)))
    mask = np.arange(width) < np.array(lengths)[:, None]
    expected = math.fsum(loss[mask]) / sum(lengths)
    got, saved = in_numpy.masked_mean(loss, mask)
    assert got == pytest.approx(expected, abs=1e-9)
    assert float(in_torch.masked_mean(*map(torch.tensor, (loss, mask)))) == pytest.approx(expected, abs=1e-9)
    gradient = in_numpy.masked_mean_backward(3.0, saved)
    np.testing.assert_allclose(gradient, np.where(mask, 3 / sum(lengths), 0))


def test_not_even_infinite_padding_counts():
    loss, mask = np.array([1.0, np.inf]), np.array([True, False])
    assert in_numpy.masked_mean(loss, mask)[0] == 1
    loss = torch.tensor(loss, requires_grad=True)
    mean = in_torch.masked_mean(loss, torch.tensor(mask))
    mean.backward()
    assert mean.item() == 1 and loss.grad.tolist() == [1, 0]


@HALVES
def test_a_mean_over_nothing_is_refused(half):
    with pytest.raises(ValueError, match="False everywhere"):
        half.masked_mean(*give(half, np.ones(3), np.zeros(3, dtype=bool)))


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=30), st.lists(st.integers(0, 120), max_size=20))
def test_bits_per_byte_do_not_see_how_the_text_is_cut(text, cuts):
    """A model to which every byte is alike scores 8, in tokens of any sizes; its perplexity differs."""
    n_bytes = len(text.encode())
    edges = sorted({0, n_bytes, *(cut % n_bytes for cut in cuts)})
    loss = np.diff(edges) * math.log(256)  # of a token of several bytes: one 256th each
    assert in_numpy.bits_per_byte(loss, n_bytes) == pytest.approx(8)
    assert in_torch.bits_per_byte(torch.tensor(loss), n_bytes) == pytest.approx(8)
    want = 256.0 ** (n_bytes / len(loss))  # at most 256 ** 120, which float64 still holds
    assert in_numpy.perplexity(loss) == pytest.approx(want)
    assert in_torch.perplexity(torch.tensor(loss)) == pytest.approx(want)


# --- the neural model --------------------------------------------------------------------------------

CONTEXTS = np.array([[[0, 1, 1], [4, 0, 2]], [[3, 3, 3], [1, 0, 4]]])  # tokens repeat, within and across


def weights(seed=1):
    """No number here is a default, and the hidden layer is far from linear."""
    rng = np.random.default_rng(seed)
    shapes = {"tok_embeddings.weight": (V, 2), "hidden.weight": (7, 6), "output.weight": (V, 7)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def test_forward_and_every_gradient():
    names = list(weights())

    def named(half, contexts):
        return lambda *args: half.neural_lm(dict(zip(names, args, strict=True)), contexts)

    check_gradients(
        named(in_numpy, CONTEXTS),
        lambda dout, saved: tuple(in_numpy.neural_lm_backward(dout, saved)[name] for name in names),
        named(in_torch, torch.tensor(CONTEXTS)),
        tuple(weights().values()),
    )


def test_gradients_of_the_masked_loss_by_name():
    """The whole chain of a training step, against autograd through the module with the same names."""
    params, targets = weights(), np.array([[1, 2], [0, 4]])
    mask = np.array([[True, True], [True, False]])
    logits, saved = in_numpy.neural_lm(params, CONTEXTS)
    loss, saved_loss = cross_entropy(logits, targets)
    mean, saved_mean = in_numpy.masked_mean(loss, mask)
    dlogits = cross_entropy_backward(in_numpy.masked_mean_backward(1.0, saved_mean), saved_loss)
    by_hand = in_numpy.neural_lm_backward(dlogits, saved)

    model = in_torch.NeuralLM(V, 3, 2, 7).double()
    model.load_state_dict({name: torch.tensor(w) for name, w in params.items()})
    logits = model(torch.tensor(CONTEXTS))
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), torch.tensor(targets).flatten(), reduction="none"
    )
    theirs = in_torch.masked_mean(loss.view(2, 2), torch.tensor(mask))
    theirs.backward()
    assert mean == pytest.approx(theirs.item())
    assert by_hand.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(by_hand[name], parameter.grad.numpy(), rtol=1e-10, atol=1e-14)


@HALVES
def test_initial_weights_keep_activations_near_one(half):
    params = half.init_neural_lm(50, context=6, dim=40, hidden_dim=200, seed=3)
    assert [tuple(w.shape) for w in params.values()] == [(50, 40), (200, 240), (50, 200)]
    for w, std in zip(params.values(), (1, 240**-0.5, 200**-0.5), strict=True):
        assert float(w.std()) == pytest.approx(std, rel=0.05)
    again = half.init_neural_lm(50, context=6, dim=40, hidden_dim=200, seed=3)
    assert all((again[name] == w).all() for name, w in params.items())
    model = in_torch.NeuralLM(50, 6, 40, 200)
    assert {n: w.shape for n, w in model.state_dict().items()} == {n: w.shape for n, w in params.items()}


def test_bengios_model_by_hand():
    """One number a token, a context of two: tanh(2·1 + 3·5) = tanh(17), times 10."""
    params = {
        "tok_embeddings.weight": np.array([[1.0], [5.0]]),
        "hidden.weight": np.array([[2.0, 3.0]]),
        "output.weight": np.array([[10.0]]),
    }
    logits, _ = in_numpy.neural_lm(params, np.array([0, 1]))
    np.testing.assert_allclose(logits, [10 * math.tanh(17)])
    swapped, _ = in_numpy.neural_lm(params, np.array([1, 0]))
    np.testing.assert_allclose(swapped, [10 * math.tanh(13)])
