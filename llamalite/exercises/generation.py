"""Exercises of chapter ``generation``: temperature, Meta's top-p, a penalty, and positions under padding."""

import numpy as np
import torch

from llamalite.exercises.engine import Exercise, Mistake, Property, normals
from llamalite.in_torch import generation as in_torch
from llamalite.in_torch import sampling

# --- generation.1: temperature -----------------------------------------------------------------------


def tempered(logits, temperature):
    scaled = logits / temperature
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def by_torch(logits, temperature):
    return torch.softmax(torch.tensor(logits) / temperature, dim=-1).numpy()


def tempered_with(power=-1.0, after=False, axis=-1):
    def answer(logits, temperature):
        scaled = logits if after else logits * temperature**power
        weights = np.exp(scaled - scaled.max(axis=axis, keepdims=True))
        probs = weights / weights.sum(axis=axis, keepdims=True)
        return probs / temperature if after else probs

    return answer


TEMPERED = Exercise(
    title="tempered(logits, temperature): the distribution over the last axis that is drawn from",
    cases=lambda: [(8 * normals((3, 5))[0], t) for t in (0.5, 1.0, 1.7)] + [(np.array([0.0, 2000.0]), 1.0)],
    oracle=by_torch,
    solution=tempered,
    why="Division by a temperature below 1 stretches the distances between logits, above 1 it shrinks them; "
    "at 1 nothing changes. It has to happen before the exponential, or it would only change the sum.",
    hints=(
        "Logits first: divide them by the temperature.",
        "Take away the largest logit of each row before np.exp; the quotient stays the same.",
        "Divide by the sum over the last axis, with keepdims=True.",
    ),
    mistakes=(
        Mistake("times", tempered_with(power=1.0), "you multiply: heat must bring logits together"),
        Mistake("after", tempered_with(after=True),
                "you divide probabilities, which no longer add up to one: the logits are divided"),
        Mistake("wrong axis", tempered_with(axis=0), "each row is a distribution: sum over the last axis"),
    ),
)  # fmt: skip

# --- generation.2: top-p, Meta's rule ----------------------------------------------------------------


def top_p(probs, p):
    order = np.argsort(-probs, kind="stable")
    ranked = probs[order]
    likelier = np.cumsum(ranked) - ranked
    ranked = np.where(likelier > p, 0.0, ranked)
    kept = np.zeros_like(probs)
    kept[order] = ranked / ranked.sum()
    return kept


def meta_top_p(probs, p):
    return sampling.keep_top(torch.tensor(probs), p).numpy()


def top_p_with(crossing=True, renormalised=True, back=True, sign=-1, strict=True):
    def answer(probs, p):
        order = np.argsort(sign * probs, kind="stable")
        ranked = probs[order]
        before = np.cumsum(ranked) - ranked * crossing
        ranked = np.where(before > p if strict else before >= p, 0.0, ranked)
        ranked = ranked / ranked.sum() if renormalised and ranked.sum() else ranked
        kept = np.zeros_like(probs)
        kept[order if back else slice(None)] = ranked
        return kept

    return answer


def halves():
    """Sums that are exact in binary, so that “more than p” and “p or more” can be told apart."""
    return np.array([0.125, 0.5, 0.0625, 0.25, 0.0625])


TOP_P = Exercise(
    title="top_p(probs, p): drop a token when the likelier ones add up to more than p; the rest adds up to 1",
    cases=lambda: [(halves(), p) for p in (0.0, 0.3, 0.5, 0.6, 0.75, 0.9, 1.0)],
    oracle=meta_top_p,
    solution=top_p,
    why="The sum is taken before each token, so the one that crosses the line stays; the likeliest always "
    "does. Meta's rule says “more than”: at exactly p one more token is kept. Then everything goes back "
    "to its own place.",
    hints=(
        "np.argsort(-probs) gives the tokens from the likeliest to the least likely.",
        "np.cumsum(ranked) - ranked is the sum of all that are likelier.",
        "kept[order] = … puts the sorted values back where their tokens are.",
    ),
    mistakes=(
        Mistake("crossing dropped", top_p_with(crossing=False),
                "the token that crosses the line is gone: compare the sum of those before it"),
        Mistake("at least", top_p_with(strict=False),
                "at exactly p you drop one too early: Meta's rule is “more than p”"),
        Mistake("not renormalised", top_p_with(renormalised=False),
                "your probabilities add up to less than one: divide by their sum"),
        Mistake("sorted for ever", top_p_with(back=False),
                "your result is in the order of probability: each value belongs to its own token"),
        Mistake("upside down", top_p_with(sign=1), "you keep the least likely: sort from the likeliest down"),
    ),
    properties=(
        Property("with p = 0 the likeliest token must stay",
                 lambda answer: np.argmax(answer(halves(), 0.0)) == 1 and answer(halves(), 0.0).sum() > 0.99),
    ),
)  # fmt: skip

# --- generation.3: a penalty for repeating oneself ---------------------------------------------------


def penalised(logits, seen, penalty):
    new = logits.copy()
    for token in set(seen):
        new[token] = logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
    return new


def ctrl(logits, seen, penalty):
    return sampling.penalise_repeats(torch.tensor(logits), seen, penalty).numpy()


def penalised_with(always_divide=False, counted=False, inverse=False, everywhere=False):
    def answer(logits, seen, penalty):
        new, penalty = logits.copy(), 1 / penalty if inverse else penalty
        for token in seen if counted else range(len(logits)) if everywhere else set(seen):
            new[token] = new[token] / penalty if new[token] > 0 or always_divide else new[token] * penalty
        return new

    return answer


PENALISED = Exercise(
    title="penalised(logits, seen, penalty): logits in which every token of seen became less likely",
    cases=lambda: [(3 * normals((9,), seed=i)[0], [0, 1, 2, 3, 1, 1], p) for i in (0, 1) for p in (1.0, 1.3)],
    oracle=ctrl,
    solution=penalised,
    why="A logit has a sign: dividing a negative one by 1.3 brings it nearer to nought and makes the token "
    "likelier. So positive ones are divided and negative ones multiplied, each token once.",
    hints=(
        "set(seen) names each token once.",
        "Which way is “less likely” for 2.0, and which for -2.0?",
        "logits[token] / penalty if it is positive, else logits[token] * penalty.",
    ),
    mistakes=(
        Mistake("always divided", penalised_with(always_divide=True),
                "a negative logit divided by 1.3 rises: negative ones are multiplied"),
        Mistake("each time", penalised_with(counted=True),
                "a token that was seen three times is punished three times: once is the rule"),
        Mistake("rewarded", penalised_with(inverse=True), "what was seen becomes likelier: divide by it"),
        Mistake("all", penalised_with(everywhere=True), "you change tokens that were never seen"),
    ),
)  # fmt: skip

# --- generation.4: positions under left padding ------------------------------------------------------


def padded_positions(lengths, width):
    positions = np.zeros((len(lengths), width), dtype=int)
    for row, length in zip(positions, lengths, strict=True):
        row[width - length :] = np.arange(length)
    return positions


def by_mask(lengths, width):
    pads = width - torch.tensor(lengths)
    return in_torch.positions_and_mask(pads, width, width)[0].numpy()


def positions_with(how):
    def answer(lengths, width):
        places, pads = np.arange(width)[None], width - np.asarray(lengths)[:, None]
        return {
            "ignored": places + 0 * pads,
            "right": np.where(places < width - pads, places, 0),
            "from one": np.maximum(places - pads + 1, 0),
            "negative": places - pads,
        }[how]

    return answer


POSITIONS = Exercise(
    title="padded_positions(lengths, width): positions of a batch that is padded on the left; 0 for padding",
    cases=lambda: [([3, 5, 1], 5), ([4], 4), ([2, 2], 6)],
    oracle=by_mask,
    solution=padded_positions,
    why="A prompt's first token stands at position 0 wherever it is stored. RoPE sees distances "
    "only, so a shift of a whole row would change no attention in exact arithmetic; but it wastes "
    "positions, and a model with learned positions (GPT-2) would read another text.",
    hints=(
        "A prompt of 3 in a row of 5 has two places of padding: 0 0 0 1 2.",
        "The last `length` places of a row are np.arange(length).",
        "row[width - length:] = np.arange(length), and the rest stays 0.",
    ),
    mistakes=(
        Mistake("ignored", positions_with("ignored"), "padding is counted: each prompt begins at 0"),
        Mistake("on the right", positions_with("right"), "padded on the right: prompts must end together"),
        Mistake("from one", positions_with("from one"), "positions begin at 0, not at 1"),
        Mistake("negative", positions_with("negative"), "no table has negative positions: padding gets 0"),
    ),
)  # fmt: skip

EXERCISES = {
    "generation.1": TEMPERED,
    "generation.2": TOP_P,
    "generation.3": PENALISED,
    "generation.4": POSITIONS,
}
