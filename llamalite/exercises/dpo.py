"""Exercises of chapter ``dpo``: the loss, log π of an answer, the optimum, the pull, wrong labels."""

import numpy as np
import torch

from llamalite.align import dpo as module
from llamalite.exercises.engine import Exercise, Mistake, Property, normals

# --- dpo.1: the loss ---------------------------------------------------------------------------------


def dpo_loss(chosen, rejected, chosen_reference, rejected_reference, beta):
    logits = beta * ((chosen - chosen_reference) - (rejected - rejected_reference))
    return np.logaddexp(0, -logits).mean()


def by_module(chosen, rejected, chosen_reference, rejected_reference, beta):
    four = (torch.tensor(x) for x in (chosen, rejected, chosen_reference, rejected_reference))
    return module.dpo_losses(module.dpo_logits(*four, beta)).mean().item()


def loss_with(logits=lambda a, b, beta: beta * (a - b), of=lambda x: np.logaddexp(0, -x).mean(), reference=1):
    def answer(chosen, rejected, chosen_reference, rejected_reference, beta):
        moved = chosen - reference * chosen_reference, rejected - reference * rejected_reference
        return of(logits(*moved, beta))

    return answer


LOSS = Exercise(
    title="dpo_loss(chosen, rejected, chosen_reference, rejected_reference, beta): the mean over pairs",
    cases=lambda: [
        (*(-20 - 3 * x for x in normals((6,), (6,), (6,), (6,), seed=1)), 0.4),
        (*np.array([[-8.0, -30.0], [-13.0, -9.0], [-10.0, -12.0], [-12.0, -11.0]]), 0.5),
        (*np.array([[-4000.0], [-10.0], [-20.0], [-20.0]]), 2.0),
    ],
    oracle=by_module,
    solution=dpo_loss,
    why="How far each log-probability has moved from the reference, chosen less rejected, times β: the "
    "log-odds that Bradley and Terry give the pair. -log σ of them is the loss; logaddexp survives -8000.",
    hints=(
        "First the two movements: policy less reference, for the chosen and for the rejected answer.",
        "β times their difference is the logit.",
        "-log σ(z) is np.logaddexp(0, -z); then the mean over pairs.",
    ),
    mistakes=(
        Mistake("beta divides", loss_with(lambda a, b, beta: (a - b) / beta),
                "you divide by β; r = β log(π / π_ref): a larger β makes the same movement count for more"),
        Mistake("exchanged", loss_with(lambda a, b, beta: beta * (b - a)),
                "chosen and rejected are exchanged"),
        Mistake("no reference", loss_with(reference=0),
                "the reference is missing: what was unlikely from the start would count as disliked"),
        Mistake("reference added", loss_with(reference=-1), "the reference has the wrong sign"),
        Mistake("no beta", loss_with(lambda a, b, beta: a - b), "β is missing"),
        Mistake("sum", loss_with(of=lambda x: np.logaddexp(0, -x).sum()), "a sum over pairs: take the mean"),
        Mistake("mean first", loss_with(of=lambda x: np.logaddexp(0, -x.mean())),
                "the mean belongs around the logarithm: one loss a pair, then their mean"),
        Mistake("no logarithm", loss_with(of=lambda x: (1 / (1 + np.exp(x))).mean()),
                "that is 1 - σ, the chance of being wrong; the loss is -log σ"),
    ),
)  # fmt: skip

# --- dpo.2: the log-probability of an answer -----------------------------------------------------------


def answer_logprob(logprobs, answer, mask_end):
    places = np.flatnonzero(answer)
    return logprobs[places[:-1] if mask_end else places].sum()


def by_tensors(logprobs, answer, mask_end):
    counts = torch.tensor(answer)[None]
    kept = module.without_end(counts) if mask_end else counts
    return module.answer_logprobs(torch.tensor(logprobs)[None], kept).item()


def said_with(places=lambda at, mask_end: at[:-1] if mask_end else at, of=np.sum):
    return lambda logprobs, answer, mask_end: of(logprobs[places(np.flatnonzero(answer), mask_end)])


ANSWER = Exercise(
    title="answer_logprob(logprobs, answer, mask_end): log π(answer | prompt), or without its last token",
    cases=lambda: [
        (np.array([-1.0, -2.0, -4.0, -0.5, -50.0]), np.array([False, True, True, True, False]), False),
        (np.array([-1.0, -2.0, -4.0, -0.5, -50.0]), np.array([False, True, True, True, False]), True),
        (-np.abs(normals((9,), seed=2)[0]), np.arange(9) > 3, False),
        (-np.abs(normals((9,), seed=3)[0]), np.array([False] * 3 + [True] * 4 + [False] * 2), True),
    ],
    oracle=by_tensors,
    solution=answer_logprob,
    why="The probability of an answer is the product of those of its tokens, so its logarithm is their sum: "
    "over the answer alone, for nobody chose the prompt, and padding was never said.",
    hints=(
        "A product of probabilities is a sum of logarithms.",
        "np.flatnonzero(answer) are the places that count.",
        "With mask_end, leave out the last of these places.",
    ),
    mistakes=(
        Mistake("mean", said_with(of=np.mean),
                "a mean over tokens: that is length-normalised; log π(answer) is the sum"),
        Mistake("everything", said_with(lambda at, mask_end: slice(None)),
                "prompt and padding are in it: only the answer's tokens count"),
        Mistake("end kept", said_with(lambda at, mask_end: at), "with mask_end the last token stays out"),
        Mistake("end always out", said_with(lambda at, mask_end: at[:-1]), "without mask_end the end counts"),
        Mistake("first out", said_with(lambda at, mask_end: at[1:] if mask_end else at),
                "you leave out the first token of the answer; it is the last that ends the turn"),
        Mistake("shifted", said_with(lambda at, mask_end: (at[:-1] if mask_end else at) - 1),
                "you are one place too early: the prompt's last token is in, the answer's last is not"),
        Mistake("loss", said_with(of=lambda x: -x.sum()), "that is the negative log-likelihood: the sign"),
    ),
)  # fmt: skip

# --- dpo.3: the optimum --------------------------------------------------------------------------------


def optimum(reference, rewards, beta):
    logits = np.log(reference) + rewards / beta
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def by_ratios(reference, rewards, beta):
    """The oracle never sees Z: one over the sum of all odds against an answer."""
    return [
        1 / sum(q / p * np.exp((s - r) / beta) for q, s in zip(reference, rewards, strict=True))
        for p, r in zip(reference, rewards, strict=True)
    ]


def tilted(of):
    def answer(reference, rewards, beta):
        weights = of(reference, rewards, beta)
        return weights / weights.sum()

    return answer


BANDIT = (np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.0, 1.0, -1.0, 2.0]))
OPTIMUM = Exercise(
    title="optimum(reference, rewards, beta): the policy with the most E[r] - β KL(π ‖ reference)",
    cases=lambda: [(*BANDIT, 0.7), (*BANDIT, 3.0), (np.array([0.9, 0.1]), np.array([-2.0, 5.0]), 1.5)],
    oracle=by_ratios,
    solution=optimum,
    why="Each answer keeps its probability under the reference, times exp(r / β); Z makes the sum one. A "
    "small β is a cheap leash: rewards are divided by it, and so weigh more.",
    hints=(
        "π*(y) is proportional to π_ref(y) exp(r(y) / β).",
        "Divide by the sum; that is Z.",
        "In logarithms: log π_ref + r / β, less its maximum, then exp: nothing overflows.",
    ),
    mistakes=(
        Mistake("beta multiplies", tilted(lambda p, r, b: p * np.exp(r * b)),
                "β multiplies the reward here: a dear distance would then let the policy go further"),
        Mistake("no reference", tilted(lambda p, r, b: np.exp(r / b)),
                "the reference is missing: what it never says would be as likely as what it says daily"),
        Mistake("no beta", tilted(lambda p, r, b: p * np.exp(r)), "β is missing"),
        Mistake("sharpened", tilted(lambda p, r, b: (p * np.exp(r)) ** (1 / b)),
                "the reference is raised to 1/β, too; only the reward is divided by β"),
        Mistake("costs", tilted(lambda p, r, b: p * np.exp(-r / b)), "the reward has the sign of a cost"),
        Mistake("greedy", tilted(lambda p, r, b: np.eye(len(p))[np.argmax(r)]),
                "that is the optimum at no price at all: only the best answer is left"),
        Mistake("not divided", lambda p, r, b: p * np.exp(r / b), "Z is missing: divide by the sum"),
    ),
    properties=(
        Property("probabilities add up to one", lambda answer: np.isclose(answer(*BANDIT, 1.0).sum(), 1)),
    ),
)  # fmt: skip

# --- dpo.4: what pulls, and how hard -------------------------------------------------------------------


def pulls(chosen, rejected, chosen_reference, rejected_reference, beta):
    logits = beta * ((chosen - chosen_reference) - (rejected - rejected_reference))
    wrong = 1 / (1 + np.exp(logits))
    return np.stack([-beta * wrong, beta * wrong])


def by_autograd(chosen, rejected, chosen_reference, rejected_reference, beta):
    ours = [torch.tensor(x, requires_grad=True) for x in (chosen, rejected)]
    theirs = [torch.tensor(x) for x in (chosen_reference, rejected_reference)]
    module.dpo_losses(module.dpo_logits(*ours, *theirs, beta)).sum().backward()
    return np.stack([x.grad.numpy() for x in ours])


def pulled(of, reference=1):
    def answer(chosen, rejected, chosen_reference, rejected_reference, beta):
        gap = (chosen - reference * chosen_reference) - (rejected - reference * rejected_reference)
        return np.stack(of(1 / (1 + np.exp(beta * gap)), beta))

    return answer


PULL = Exercise(
    title="pulls(chosen, rejected, chosen_reference, rejected_reference, beta): the gradient of each pair's "
    "loss for its two log-probabilities, shape (2, pairs)",
    cases=lambda: [
        (*(-9 - 2 * x for x in normals((5,), (5,), (5,), (5,), seed=4)), 0.6),
        (*(-9 - 2 * x for x in normals((3,), (3,), (3,), (3,), seed=5)), 1.7),
    ],
    oracle=by_autograd,
    solution=pulls,
    why="The derivative of -log σ(z) is -(1 - σ(z)), the chance that the policy's own reward gets the pair "
    "wrong. β comes out of z, once; the two answers are pulled with the same force in opposite directions.",
    hints=(
        "Begin with z = β × (movement of the chosen less movement of the rejected).",
        "d(-log σ(z))/dz = -(1 - σ(z)) = -1 / (1 + exp(z)).",
        "dz/d chosen = β, and dz/d rejected = -β.",
    ),
    mistakes=(
        Mistake("no beta", pulled(lambda wrong, beta: [-wrong, wrong]), "β is missing: it comes out of z"),
        Mistake("right for wrong", pulled(lambda wrong, beta: [-beta * (1 - wrong), beta * (1 - wrong)]),
                "σ(z) for 1 - σ(z): pairs that are right already would be pulled most"),
        Mistake("uphill", pulled(lambda wrong, beta: [beta * wrong, -beta * wrong]),
                "the sign: the loss falls when the chosen answer becomes likelier"),
        Mistake("both alike", pulled(lambda wrong, beta: [-beta * wrong, -beta * wrong]),
                "both are pulled up: the rejected answer's log-probability enters z with a minus"),
        Mistake("unweighted", pulled(lambda wrong, beta: [-beta + 0 * wrong, beta + 0 * wrong]),
                "the weight 1 - σ(z) is missing: every pair would pull alike for ever"),
        Mistake("no reference", pulled(lambda wrong, beta: [-beta * wrong, beta * wrong], reference=0),
                "the weight is that of the movement from the reference; you left the reference out"),
        Mistake("chosen alone", pulled(lambda wrong, beta: [-beta * wrong, 0 * wrong]),
                "nothing pushes the rejected answer down"),
    ),
)  # fmt: skip

# --- dpo.5: wrong labels -------------------------------------------------------------------------------


def gap_at_the_end(p, flipped, beta):
    labelled = p * (1 - flipped) + (1 - p) * flipped
    return np.log(labelled / (1 - labelled)) / beta


def by_bisection(p, flipped, beta):
    """The oracle looks for the smallest expected loss and knows no formula for where it lies."""
    low, high = -200.0, 200.0
    for _ in range(200):
        g = (low + high) / 2
        slope = 0.0
        for chance, sign in ((p, 1), (1 - p, -1)):
            for share, turned in ((1 - flipped, 1), (flipped, -1)):
                side = sign * turned
                slope -= chance * share * side / (1 + np.exp(side * beta * g))
        low, high = (g, high) if slope < 0 else (low, g)
    return (low + high) / 2


def ended(of, scale=lambda x, beta: x / beta):
    def answer(p, flipped, beta):
        q = of(p, flipped)
        return scale(np.log(q / (1 - q)), beta)

    return answer


def mixed(p, f):
    return p * (1 - f) + (1 - p) * f


NOISE = Exercise(
    title="gap_at_the_end(p, flipped, beta): where the expected loss of a pair is smallest",
    cases=lambda: [(0.9, 0.2, 0.5), (0.75, 0.1, 2.0), (0.6, 0.4, 0.1), (0.2, 0.3, 1.0)],
    oracle=by_bisection,
    solution=gap_at_the_end,
    why="People prefer the first answer with probability p, and a share of the labels is turned round: of "
    "the labels, p (1 - f) + (1 - p) f name the first. Where σ(β gap) is just that, nothing pulls.",
    hints=(
        "What share of the labels names the first answer? Some are right, some wrong about the second.",
        "The loss is smallest where σ(β gap) equals that share.",
        "The inverse of σ is log(q / (1 - q)); then divide by β.",
    ),
    mistakes=(
        Mistake("no noise", ended(lambda p, f: p), "the labels that were turned round are missing"),
        Mistake("times beta", ended(mixed, lambda x, beta: x * beta),
                "you multiply by β: a larger β needs less movement for the same odds"),
        Mistake("no beta", ended(mixed, lambda x, beta: x), "β is missing: these are the log-odds"),
        Mistake("only lost", ended(lambda p, f: p * (1 - f)),
                "a label about the second answer that is turned round names the first: add (1 - p) f"),
        Mistake("turned wrong", ended(lambda p, f: p * f + (1 - p) * (1 - f)),
                "flipped is the share of wrong labels, and you take it for that of right ones"),
        Mistake("shrunk", lambda p, f, beta: (1 - 2 * f) * np.log(p / (1 - p)) / beta,
                "probabilities shrink by 1 - 2f, not their log-odds"),
    ),
)  # fmt: skip

EXERCISES = {"dpo.1": LOSS, "dpo.2": ANSWER, "dpo.3": OPTIMUM, "dpo.4": PULL, "dpo.5": NOISE}
