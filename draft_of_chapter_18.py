import sys; sys.path.insert(0,'/tmp/h18')
from lib import *

md("""
# 18 · RLHF: how does it learn what we prefer?

[Open this chapter on Binder](https://mybinder.org/v2/gh/llamalite/llamalite/main?urlpath=lab/tree/chapters/18_rlhf.ipynb), where it runs in your browser with nothing installed.
""")

md("""
## The question

Chapter 17 taught a model to answer by showing it answers. That has a ceiling: it imitates, and it imitates the weak answers of the teacher as faithfully as the good ones. It also never hears of its own mistakes, because it is only ever shown what others wrote. People, on the other hand, can do something that is much easier than to write a good answer: they can look at two answers *of the model* and say which is better. Can a model learn from that alone?

The road has three parts, and each holds a surprise. From comparisons one learns a **reward model**, a Llama whose last layer says a number instead of a word. With the number one can choose the best of several answers and learn from it, which is **rejection sampling**; Llama 2-Chat was made so up to its fourth version. Or one can change the probability of every token by how well the whole answer did, a little at a time and never far from where one began: **PPO**, the best known of the methods called *reinforcement learning from human feedback*.

In our worlds it is known exactly what is right: a cook whose soups we can taste will be trained here, before your eyes, and the judge of the tales watched over the full runs. So this chapter can show what a laboratory with human annotators can only suspect: how far the learned reward may be trusted, and what becomes of a model that follows it further than that.

**What you need**: chapters 09, 10 and 17.

**What you will be able to do**: derive the loss of a reward model from a table of wins; compute what the best of $n$ costs and brings without a single draw; write PPO and say what each of its parts is for; measure how far a policy went; and recognise a reward that is being hacked.

**Runtime**: about 40 seconds on one CPU core; no GPU, no network. The full runs behind the curves took longer; their numbers are stored and come from `tools/study_align.py`.
""")

code("""
import copy
import json
import math
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F

from llamalite.align.evaluation import sequence_kl
from llamalite.align.rlhf.ppo import SAFE, Estimator, explained_variance, gae, kl_estimates, policy_losses, value_losses, whiten
from llamalite.align.rlhf.ppo_training import Ppo, Rollout, ppo, values_of
from llamalite.align.rlhf.rejection import Kept, Rejection, best_of_n, best_of_n_kl, keep_best, rejection_sampling
from llamalite.align.rlhf.reward import Pair, RewardModel, pair_scores, reward_losses, train_reward, with_scalar_head
from llamalite.align.rlhf.rollouts import as_examples, sample
from llamalite.align.sft import Example, Rows, fine_tune, forward_of, logprobs_of, mean_over
from llamalite.align.tuning import Learner, Metrics, Tuning
from llamalite.config import LlamaConfig
from llamalite.exercises.engine import check, hint, solution
from llamalite.figures import rlhf as figures
from llamalite.figures.ladder import ladder
from llamalite.in_torch.llama import Llama, init_weights
from llamalite.tales.preferences import MARGINS, STRENGTHS
from llamalite.text.corpus import DATA

torch.set_num_threads(1)
study, table = (json.loads((DATA / "studies" / f"{name}.json").read_text(encoding="utf-8")) for name in ("rlhf", "align"))
""")

md(r"""
## From a count of wins to a loss

Four answers to one request were compared, two at a time, by several people who did not always agree. Row beats column:
""")
code(r"""
names = ["A: all as asked", "B: another ending", "C: cut off", "D: another hero"]
wins = np.array([[0, 6, 8, 9],
                 [2, 0, 5, 7],
                 [1, 4, 0, 6],
                 [0, 1, 3, 0]])  # fmt: skip
games = wins + wins.T
for name, row in zip(names, wins, strict=True):
    print(f"{name:20}{row}   won {row.sum()} of {row.sum() + wins[:, names.index(name)].sum()}")
""")
md(r"""
Bradley and Terry (1952; Zermelo had used the model for chess in 1929) give each answer one number $r_i$, its score, and let only differences count:

$$P(i \text{ is preferred to } j) = \sigma(r_i - r_j) = \frac{1}{1 + e^{-(r_i - r_j)}}$$

For two answers the scores can be read off the table: A beat B in 6 of 8 games, $\sigma(r_A - r_B) = 3/4$, so $r_A - r_B = \log 3$. For four answers no scores fit all six counts at once, and one looks for those under which the table as a whole is most probable. The probability of the table is a product with one factor $\sigma(r_i - r_j)$ for each win of $i$ over $j$; minus its logarithm is a sum with one term $-\log\sigma(r_i - r_j)$ for each win. **This sum is the loss of a reward model.** Nothing has been added to it by deep learning; a network will only take the place of the table of scores.

Its gradient is worth a look. The derivative of $-\log\sigma(x)$ is $-(1 - \sigma(x))$, so that $-\partial L/\partial r_i$ is the number of games that $i$ won, less the number it was expected to win: a score rises as long as its answer does better than the scores say.
""")
code(r"""
def expected(scores):
    return games / (1 + np.exp(-(scores[:, None] - scores[None, :])))


scores = np.zeros(4)
for _ in range(400):
    scores += 0.1 * (wins - expected(scores)).sum(1)            # observed wins less expected wins
print("scores       ", np.round(scores, 3))
print("wins observed", wins.sum(1), " expected", np.round(expected(scores).sum(1), 3))

strength = np.ones(4)                                            # Zermelo's way, without any gradient: strength = exp(score)
for _ in range(400):
    share = games / (strength[:, None] + strength[None, :])
    strength = wins.sum(1) / share.sum(1)
zermelo = np.log(strength)
assert np.allclose(expected(scores).sum(1), wins.sum(1))
assert np.allclose(scores - scores.mean(), zermelo - zermelo.mean())        # two ways, one answer
assert np.allclose(expected(scores + 100), expected(scores))                # and only differences mean anything
""")
md(r"""
The last line is easy to overlook and has consequences. To add 100 to every score changes nothing, so that the comparisons say nothing about where zero is, nor did anybody ever say how large a unit is in terms of what we care for. A score means something only beside other scores. This is why every method below first *whitens* the scores: mean 0, spread 1.

Here is the loss as the book uses it, with one argument more than we have needed so far.
""")
taught("llamalite/align/rlhf/reward.py", "preference_logits", "reward_losses")
md(r"""
**Llama 2's margin.** Its annotators did not only choose; they also said how clear the difference was, in four grades. A pair with a clear difference has a margin $m$, and the loss is $-\log\sigma(r_\text{chosen} - r_\text{rejected} - m)$: as if the chosen answer had to give its rival a lead of $m$ and win nevertheless. The arithmetic for a pair whose scores differ by $\log 3$, with the two sets of margins that the paper tried:
""")
code(r"""
grades = [words for _, words in STRENGTHS]
gap = torch.tensor([math.log(3)], dtype=torch.float64)
zero = torch.zeros_like(gap)
print(f"{'':8}{'':24}{'margin':>8}{'gap - margin':>14}{'loss':>8}{'pull on the gap':>17}")
for kind, by_grade in {"none": dict.fromkeys(grades, 0.0), **MARGINS}.items():
    for grade in grades if kind != "none" else grades[:1]:
        m = by_grade[grade]
        loss = reward_losses(gap, zero, zero + m).item()
        print(f"{kind:8}{grade if kind != 'none' else 'any':24}{m:8.2f}{gap.item() - m:14.2f}{loss:8.3f}{1 - math.exp(-loss):17.3f}")
assert math.isclose(reward_losses(gap, zero, zero).item(), math.log(4 / 3))          # σ(log 3) = 3/4
assert math.isclose(reward_losses(gap, zero, gap).item(), math.log(2))  # the lead is given away: a coin toss
small, large = (list(by_grade.values()) for by_grade in MARGINS.values())
assert small == [1, 2 / 3, 1 / 3, 0] and large == [3, 2, 1, 0]
figures.draw_margins({grade: MARGINS["small"][grade] for grade in grades} | {"significantly, large": 3.0})
""")
md(r"""
With a margin of 3, the gap of $\log 3$ that was a comfortable lead has become a deficit, and the pull on it is more than three times as strong. So scores of clearly different answers are driven further apart. There is a price that is easily forgotten: the scores stop being odds. Suppose that a kind of pair is decided one way in three of four cases. Without a margin, the best gap is $\log 3$ and $\sigma$ of it is $3/4$, as it should be. With one, the loss is smallest elsewhere:
""")
code(r"""
def best_gap(p, margin):
    # where p (1 - σ(g - m)) = (1 - p) σ(g + m): by bisection, since the difference only falls with g
    low, high = 0.0, 20.0
    for _ in range(60):
        g = (low + high) / 2
        pull = p / (1 + math.exp(g - margin)) - (1 - p) / (1 + math.exp(-g - margin))
        low, high = (g, high) if pull > 0 else (low, g)
    return g


for m in (0, 1 / 3, 2 / 3, 1, 3):
    g = best_gap(0.75, m)
    print(f"margin {m:.2f}: best gap {g:.2f}; the model would bet {1 / (1 + math.exp(-g)):.2f} on what happens in 0.75 of all cases")
assert math.isclose(best_gap(0.75, 0), math.log(3), rel_tol=1e-9)
assert best_gap(0.75, 1) > 1.3 * math.log(3) and best_gap(0.75, 3) > 2 * math.log(3)
""")


md(r"""
## A kitchen to try it in

To see the whole road in seconds we need a world that is smaller than the tales. Here is a cook, a Llama of 25 thousand parameters, who is asked for a soup and says one ingredient after the other, until it is served. How good a soup is, only we know: half a point for each kind of vegetable and one for each pinch of salt, and **with a fourth pinch nobody can eat it**. The cook has learnt from recipes by others, who never took more than two.
""")
code(r"""
WORDS = ["a", "soup", "please:", "leek", "carrot", "bean", "onion", "salt", "serve"]
ASK, VEGETABLES, SALT, SERVE = [0, 1, 2], [3, 4, 5, 6], 7, 8


def worth(soup):
    salt = soup.count(SALT)
    return 0.0 if salt > 3 else 0.5 * len(set(VEGETABLES) & set(soup)) + salt


def recipe(rng):
    size, salt = rng.integers(5, 10), rng.choice(3, p=[0.5, 0.35, 0.15])
    soup = np.r_[rng.choice(VEGETABLES, size - salt, p=[0.4, 0.3, 0.2, 0.1]), np.full(salt, SALT)]
    return [int(i) for i in rng.permutation(soup)] + [SERVE]


def told(soup):
    return " ".join(WORDS[i] for i in soup)


rng = np.random.default_rng(0)
cfg = LlamaConfig(dim=32, n_layers=2, n_heads=4, n_kv_heads=2, multiple_of=16, vocab_size=len(WORDS), max_seq_len=24)
cook = init_weights(Llama(cfg), seed=0)
recipes = [recipe(rng) for _ in range(1500)]
fine_tune(cook, as_examples([ASK] * 1500, recipes), Tuning(120, batch_size=64, lr=3e-3))

soups = sample(cook, [ASK] * 3072, 16, {SERVE}, generator=torch.Generator().manual_seed(1))
true = np.array([worth(soup) for soup in soups])
salts = np.bincount([soup.count(SALT) for soup in soups], minlength=5)
print(f"{cfg.n_params:,} parameters; a soup: {told(soups[0])}")
print(f"mean worth {true.mean():.2f}; soups with 0, 1, 2, 3 and more pinches: {salts[0]}, {salts[1]}, {salts[2]}, {salts[3]}, {salts[4:].sum()}")
assert 1.8 < true.mean() < 2.6 and salts[4:].sum() < 0.01 * len(soups)
""", ignore=True)

md(r"""
## A Llama that says a number

The network takes the place of the table of scores, so that answers which were never compared get a score, too. It is the chat model with its last layer replaced: instead of one logit for each token of the vocabulary, one number. It is read where the text ends, because only there everything has been read.
""")
taught("llamalite/align/rlhf/reward.py", "with_scalar_head", "scores_at_end")
md(r"""
Fifteen hundred pairs of the cook's soups are tasted. People do not always agree; whoever tastes prefers the better one with the probability that Bradley and Terry give it. From these comparisons, and from nothing else, the reward model learns. Three hundred of the pairs are kept to test it.
""")
code(r"""
examples = as_examples([ASK] * len(soups), soups)
pairs = []
for i in range(0, len(soups), 2):
    first_is_better = rng.random() < 1 / (1 + math.exp(true[i + 1] - true[i]))
    pairs.append(Pair(*((examples[i], examples[i + 1]) if first_is_better else (examples[i + 1], examples[i]))))
body = with_scalar_head(cook)
learnt = train_reward(body, pairs[300:], Tuning(100, batch_size=64, lr=2e-3))
reward = RewardModel(body).whitened(examples)                    # mean 0, spread 1 over the cook's own soups

chosen, rejected = pair_scores(reward, pairs[:300])
tasted = [[worth(e.ids) for e in (p.chosen, p.rejected)] for p in pairs]
knows_all = np.mean([(a > b) + 0.5 * (a == b) for a, b in tasted])
print(f"loss {learnt[0]['loss']:.3f} at first (log 2 = {math.log(2):.3f}); right in {(chosen > rejected).mean():.2f} of the pairs kept; the true worth would be right in {knows_all:.2f}")

print("pinches of salt   learned   true worth      (the same leek, carrot, bean and onion)")
by_salt = []
for salt in range(7):
    soup = [*VEGETABLES, *[SALT] * salt, *[3] * max(0, 4 - salt), SERVE]
    by_salt.append(reward(as_examples([ASK], [soup])).item())
    print(f"{salt:9}{by_salt[-1]:16.2f}{worth(soup):12.1f}")
assert (chosen > rejected).mean() > 0.6 and by_salt[0] < by_salt[1] < by_salt[2]
assert by_salt[5] > by_salt[1] and worth([SALT] * 5) == 0        # and what nobody ever tasted, it takes for good
""", ignore=True)
md(r"""
Two things are worth keeping. First, a reward model that is right in seven of ten comparisons may be nearly as good as one can be, because the people themselves agree no more often. (Llama 2's were right in 63 to 65% of the pairs of Meta's own test sets.) Second, look at the lower half of the table. That salt is good, it learnt well. Soups with four pinches it has hardly ever seen, and for all it knows, more is still better, or at least no worse. **No test on the cook's own soups can find this fault, because the cook does not make such soups. Yet.**

In the full study of the tales the same was done at a larger scale, with a Llama of two hundred thousand parameters that answers requests, and a judge in the place of the people. How often is it right, by how clear the difference was, and how often is it right when it is sure?
""")
code(r"""
for row in study["rewards"]:
    strengths = "  ".join(f"{name.split()[0]} {row['by_strength'][name][0]:.2f} of {row['by_strength'][name][1]}" for name in grades if name in row["by_strength"])
    print(f"seed {row['seed']}, margins {row['margins'] or 'none':6} right {row['accuracy']:.3f} of {row['n_pairs']:,} pairs, loss {row['nll']:.3f}   {strengths}")
plain = [row for row in study["rewards"] if not row["margins"]]
for row in plain:
    by_grade = [row["by_strength"][name][0] for name in grades if name in row["by_strength"]]
    assert by_grade[0] > by_grade[-1] and row["accuracy"] > 0.6
figures.draw_rewards(study)
""")
md(r"""
@@RM-READ
""")

md(r"""
## The best of n

The simplest use of a reward needs no training at all: write $n$ answers, give the best. What does it bring, and how far does it go? Both can be computed exactly. Take a **bandit**, which is what a model with one prompt and one token to say is called: five answers with probabilities $p$ and rewards, and all $5^n$ rows of $n$ draws can be visited.
""")
code(r"""
p = np.array([0.4, 0.3, 0.2, 0.07, 0.03])
rewards = np.array([0.0, 1.0, -1.0, 2.0, 4.0])


def shares(q):
    return "  ".join(f"{x:.3f}" for x in q)


def best_by_enumeration(n):
    found = np.zeros(len(p))
    for row in product(range(len(p)), repeat=n):
        found[max(row, key=lambda i: rewards[i])] += p[list(row)].prod()
    return found


def best_by_formula(p, rewards, n):
    order = np.argsort(rewards)
    found = np.empty(len(p))
    found[order] = np.diff(np.cumsum(p[order]) ** n, prepend=0)          # all n draws are no better: F to the n-th
    return found


def kl(q, p):
    return float((q * np.log(q / p)).sum())


print("n   probabilities of the best                     mean reward      KL   log n - (n-1)/n")
for n in (1, 2, 3, 4, 6):
    q = best_by_enumeration(n)
    assert np.allclose(q, best_by_formula(p, rewards, n)) and kl(q, p) <= best_of_n_kl(n) + 1e-12
    print(f"{n}   {shares(q)}   {q @ rewards:12.3f}{kl(q, p):8.3f}{best_of_n_kl(n):18.3f}")
""")
md(r"""
The last column bounds the one before it. Here is why. Forget the five answers for a moment and let every draw have a reward of its own; what counts is only its rank $u$ among all that could be drawn, a uniform number from 0 to 1. The best of $n$ is below $u$ if all $n$ are, so its rank has the distribution function $u^n$ and the density $n u^{n-1}$, against the density 1 of a single draw. The divergence is

$$\int_0^1 n u^{n-1} \log(n u^{n-1})\,du = \log n + (n-1)\int_0^1 n u^{n-1}\log u\,du = \log n - \frac{n-1}{n},$$

because $\int_0^1 n u^{n-1} \log u\,du = -1/n$. Rewards do not appear: it is the same for every reward and every model. Where answers repeat, ranks that belong to one answer are thrown together, and throwing together can only make a divergence smaller; so for a real model it is the most that it can be (Beirami and others, 2024). With more and more answers it is reached:
""")
taught("llamalite/align/rlhf/rejection.py", "best_of_n_kl")
code(r"""
for n in (2, 8, 64):
    found = []
    for size in (4, 64, 1024, 65536):
        even = np.full(size, 1 / size)
        q = best_by_formula(even, np.arange(size), n)
        found.append(figures.gone(q, even))
    assert found == sorted(found) and found[-1] < best_of_n_kl(n) < found[-1] + 1e-2
    print(f"best of {n:2}: " + "  ".join(f"{size} answers {x:.3f}" for size, x in zip((4, 64, 1024, 65536), found, strict=True)) + f"   bound {best_of_n_kl(n):.3f}")
""")
md(r"""
The best of 64 is only 3.2 nats away from the model that wrote them: choosing is a gentle way to become better. How good a bargain is it? Among *all* policies that are so many nats away, which gets the most reward? One looks for the largest $E_\pi[r] - \beta\,\mathrm{KL}(\pi\|p)$. At the optimum a little probability must be worth the same wherever it is put, so $r_i - \beta \log(\pi_i / p_i)$ is the same for every answer $i$, which means

$$\pi_i = \frac{p_i\, e^{r_i/\beta}}{\sum_j p_j\, e^{r_j/\beta}}.$$

(Chapter 19 begins with this formula.) One price $\beta$ gives one point; all prices give the frontier that nobody can cross.
""")
code(r"""
rng = np.random.default_rng(0)
many, gold = np.full(512, 1 / 512), rng.standard_normal(512)
optimum = [figures.tilt(many, gold, beta) for beta in np.geomspace(1000, 0.05, 300)]
frontier = np.array([(figures.gone(q, many), q @ gold) for q in optimum])
chosen = [best_by_formula(many, gold, n) for n in (1, 2, 4, 8, 16, 32, 64, 128)]
way = np.array([(figures.gone(q, many), q @ gold) for q in chosen])
at_same_kl = np.interp(way[:, 0], *frontier.T)
assert (way[:, 1] <= at_same_kl + 1e-3).all() and (at_same_kl - way[:, 1]).max() < 0.15
print("below the frontier by at most", round(float((at_same_kl - way[:, 1]).max()), 3), "standard deviations of the reward")
figures.draw_frontier({"no policy gets more": tuple(frontier.T), "best of 1, 2, 4 … 128": tuple(way.T)},
                      "Choosing the best of n is nearly as good a bargain as there is")
""")
md(r"""
This is the picture to keep in mind, reward and distance on common axes; we shall come back to it with a language model in place of the bandit. For a model one has no formula, but no luck is needed either: of $K$ answers that were written once, *every* choice of $n$ can be counted.
""")
taught("llamalite/align/rlhf/rejection.py", "best_of_n")
code(r"""
given = np.array([[0.3, -1.0, 2.0, 0.7]])                        # rewards of four answers to one prompt
by_hand = np.mean([max(given[0, list(choice)]) for choice in combinations(range(4), 2)])
assert math.isclose(best_of_n(given, given, 2), by_hand)
print(f"the best of 2 of these 4, over all 6 choices: {by_hand:.3f}")

sixteen = [sample(cook, [ASK] * 128, 16, {SERVE}, generator=torch.Generator().manual_seed(10 + k)) for k in range(16)]
said = np.stack([reward(as_examples([ASK] * 128, column)).double().numpy() for column in sixteen], axis=1)
tastes = np.array([[worth(soup) for soup in row] for row in zip(*sixteen, strict=True)])
NS = (1, 2, 4, 8, 16)
kitchen = {n: (best_of_n_kl(n), best_of_n(said, said, n), best_of_n(said, tastes, n)) for n in NS}
for n, (distance, learned_reward, true_worth) in kitchen.items():
    print(f"best of {n:2} soups: learned reward {learned_reward:5.2f}, true worth {true_worth:.2f}, at most {distance:.2f} nats away")
assert kitchen[1][2] < kitchen[4][2] < best_of_n(tastes, tastes, 4)
figures.draw_best_of_n(study)
""", ignore=True)
md(r"""
@@BON-READ
""")

md(r"""
## Rejection sampling: keep the best and learn from it

To write $n$ answers each time is dear. **Rejection sampling**, as Llama 2 and Llama 3 call it, pays once: to each of many prompts $K$ answers are written, the best by the reward model is kept, and the model is fine-tuned on what was kept, with the loss of chapter 17. Then comes the next round with the better model.

The name misleads, and some summaries say that "low-quality results are removed". That would be another method. Nothing is compared with a threshold here; of each prompt's $K$ answers exactly **one** stays, the best. On the bandit, both can be computed:
""")
code(r"""
above = np.where(rewards >= np.median(rewards), p, 0)
above /= above.sum()
best8 = best_by_formula(p, rewards, 8)
print(f"as it was             {shares(p)}   mean reward {p @ rewards:.2f}")
print(f"low ones removed      {shares(above)}   mean reward {above @ rewards:.2f}")
print(f"best of 8 kept        {shares(best8)}   mean reward {best8 @ rewards:.2f}")
assert best8 @ rewards > above @ rewards + 0.5 and best8.argmax() == 1
""")
md(r"""
With a threshold, the best answer stays as rare beside its neighbours as it was; with the best of $K$ it becomes the usual one.

And iterated? If each round learnt its kept answers perfectly, five rounds with $K = 8$ would do this:
""")
code(r"""
version = p
for number in range(1, 6):
    version = best_by_formula(version, rewards, 8)
    print(f"V{number}: {shares(version)}   like the best of {8**number:,}")
    assert np.allclose(version, best_by_formula(p, rewards, 8**number))
print(f"at most {best_of_n_kl(8**5):.1f} nats away after five rounds, {best_of_n_kl(8):.1f} after one")
""")
md(r"""
The best of eight that are each the best of eight is the best of 64: five rounds are the best of $8^5 = 32{,}768$. It is a strong medicine, whose strength comes from the rounds and not from a large $K$, and it presupposes that the reward can still be trusted so far out.

One detail of Llama 2's history is in the function that keeps. The third version learnt only from samples of the second and lost skills that the model had had; the paper names rhymes in poems. From then on the best answers of *all* earlier rounds were used.
""")
taught("llamalite/align/rlhf/rejection.py", "Kept", "keep_best")
code(r"""
def text(*ids):
    return Example(list(ids), [True] * len(ids))


kept, newest = {}, {}
rounds = [(0.2, 0.9), (0.4, 0.3)]                                # the second has forgotten how to rhyme
for number, scores_of_two in enumerate(rounds):
    two = [text(number, 0), text(number, 1)]
    kept = keep_best(kept, 7, two, list(scores_of_two), number)
    newest = keep_best({}, 7, two, list(scores_of_two), number)
print("best of all rounds:", kept[7].reward, "from round", kept[7].round, "  only the newest:", newest[7].reward)
assert (kept[7].reward, kept[7].round) == (0.9, 0) and newest[7].reward == 0.4
""")

md(r"""
In the kitchen: three rounds, each with eight soups to every one of 128 orders.
""")
code(r"""
def asked(one, n=512):
    made = sample(one, [ASK] * n, 16, {SERVE}, generator=torch.Generator().manual_seed(5))
    learned_reward = reward(as_examples([ASK] * n, made)).mean().item()
    return sequence_kl(one, cook, [ASK] * n, made), learned_reward, float(np.mean([worth(soup) for soup in made])), made


def after_rounds(rounds):
    one = copy.deepcopy(cook)
    settings = Rejection(Tuning(25, batch_size=32, lr=2e-3, warmup=3), k=8, rounds=rounds, max_tokens=16)
    rejection_sampling(one, lambda numbers, e: reward(e), [ASK] * 128, {SERVE}, settings)
    return asked(one)[:3]


way_of_rejection = [asked(cook)[:3], *(after_rounds(rounds) for rounds in (1, 2, 3))]
for rounds, (distance, learned_reward, true_worth) in enumerate(way_of_rejection):
    print(f"after {rounds} rounds: KL {distance:5.2f}   learned reward {learned_reward:5.2f}   true worth {true_worth:.2f}")
learned_way, true_way = [[row[i] for row in way_of_rejection] for i in (1, 2)]
assert learned_way == sorted(learned_way) and max(true_way) > true_way[0] + 0.7
assert true_way[3] < max(true_way) - 0.3
""", ignore=True)
md(r"""
@@RS-KITCHEN

And in the study of the tales, two rounds with 250 requests and $K = 8$ (PPO, which comes next, stands beside it):
""")
code(r"""
def rows_of(name, labels="reward model"):
    return [row for row in table["rows"] if row["name"] == name and row["labels"] == labels]


print("judge's score at temperature 1 of seeds 1, 2, 3; answers better than SFT's (share, 95% interval); mean KL")
for name, labels in (("SFT", ""), ("RS", "reward model"), ("PPO", "reward model")):
    found = [row["sampled"] for row in rows_of(name, labels)]
    scores_of = "  ".join(f"{one['score']:.3f}" for one in found)
    wins_of = "  ".join(f"{one['win']['rate']:.2f} [{one['win']['low']:.2f}, {one['win']['high']:.2f}]" for one in found)
    print(f"{name:5}{scores_of}   {wins_of if labels else '':56}  {np.mean([one['kl'] for one in found]):.1f}")
@@RS-ASSERT
""")
md(r"""
@@RS-READ
""")

md(r"""
## Learning from a number: the policy gradient

Rejection sampling throws away what it knows about the other seven answers. The alternative uses every answer and its number: *make what did well more probable, and what did badly less*. On a bandit we can see exactly what that does. Let the policy be a softmax of logits $\theta$. The mean reward $J = \sum_i \pi_i r_i$ has the gradient $\partial J / \partial \theta_i = \pi_i (r_i - J)$. Nobody can sum over all tales, but one can draw. Since $\nabla \pi_i = \pi_i \nabla \log \pi_i$,

$$\nabla J = \sum_i \pi_i\, r_i \nabla\log\pi_i = E_{i\sim\pi}\big[\,r_i \nabla \log\pi_i\,\big]:$$

draw an answer, and push its log-probability up by what it was worth. Any constant $b$ may be taken off the reward, because $E[\nabla\log\pi_i] = \sum_i \nabla\pi_i = \nabla 1 = 0$. It changes nothing on average and very much in a single draw:
""")
code(r"""
J = p @ rewards
exact = p * (rewards - J)
push = np.eye(len(p)) - p                                        # row i: the gradient of log p_i for the logits
for name, baseline in (("no baseline", 0.0), ("far off, +10", 10.0), ("the mean reward", J)):
    estimates = (rewards - baseline)[:, None] * push             # one row for each answer that may be drawn
    mean = p @ estimates
    variance = p @ ((estimates - mean) ** 2).sum(1)
    assert np.allclose(mean, exact)                              # right on average, whatever the baseline
    print(f"{name:18} mean {np.round(mean, 3)}   variance {variance:7.3f}")


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


theta, bump = np.log(p), 1e-6 * np.eye(len(p))
assert np.allclose([(softmax(theta + b) - softmax(theta - b)) @ rewards / 2e-6 for b in bump], exact)      # finite differences
""")
md(r"""
The reward less what was expected is called the **advantage**. It will be the word for the rest of the chapter.

Now the price. With $-\beta\,\mathrm{KL}(\pi\|p)$ added, each answer is worth $r_i - \beta\log(\pi_i/p_i)$: what the reward says, less a charge for being likelier than it used to be. Follow that gradient on the bandit, and it must arrive at the formula above.
""")
code(r"""
def climb(beta, sign=1, steps=4000):
    theta = np.log(p)
    for _ in range(steps):
        q = softmax(theta)
        worth_now = rewards - sign * beta * np.log(q / p)        # reward less the charge
        theta = theta + 0.2 * q * (worth_now - q @ worth_now)
    return softmax(theta)


for beta in (10.0, 2.0, 1.0):
    q = climb(beta)
    assert np.allclose(q, figures.tilt(p, rewards, beta), atol=1e-4)
    print(f"price {beta:4.1f}: {np.round(q, 3)}   mean reward {q @ rewards:.2f}   KL {kl(q, p):.2f}")
""")

md(r"""
## Credit for every token

An answer is not one choice but sixty. The reward comes once, at the end; the charge for leaving the reference comes at every token. What each token is paid:
""")
taught("llamalite/align/rlhf/ppo.py", "token_rewards")
md(r"""
(Llama 2's paper writes the reward of a whole answer, $R - \beta\,\mathrm{KL}$; to charge token by token is the usual way to carry that out, and the sum is the same.)

Now somebody has to say which token is to be praised. Let a second model, the **value model**, foresee what an answer is going to be paid from here on, $V_t$ before token $t$. It has the body of the policy and the head of the reward model. If the expectation rises while a token is written, the token was good:

$$\delta_t = r_t + \gamma V_{t+1} - V_t .$$

If $V$ were perfect, $\delta_t$ would be the advantage. It is not, least of all at the beginning. The other extreme is to trust nobody and to credit every token with all that really came after it, less what was expected: right on average, and as noisy as the whole rest of the answer. **Generalised advantage estimation** goes between, with a number $\lambda$ from 0 (trust the value model) to 1 (trust what happened):

$$\hat A_t = \delta_t + \gamma\lambda\,\delta_{t+1} + (\gamma\lambda)^2\delta_{t+2} + \dots + (\gamma\lambda)^{T-1-t}\,\delta_{T-1} = \delta_t + \gamma\lambda\,\hat A_{t+1}.$$
""")
taught("llamalite/align/rlhf/ppo.py", "gae")
code(r"""
r = torch.tensor([[-0.02, 0.01, -0.05, 1.0]], dtype=torch.float64)
V = torch.tensor([[0.30, 0.35, 0.60, 0.55]], dtype=torch.float64)
whole = torch.ones(1, 4, dtype=torch.bool)
deltas = r + torch.cat([V[:, 1:], torch.zeros(1, 1)], 1) - V
for lam in (0.0, 0.95, 1.0):
    print(f"λ = {lam:.2f}: {np.round(gae(r, V, whole, 1.0, lam)[0][0].numpy(), 4)}")
assert torch.allclose(gae(r, V, whole, 1.0, 0.0)[0], deltas)                                             # one step ahead
assert torch.allclose(gae(r, V, whole, 1.0, 1.0)[0], r.flip(1).cumsum(1).flip(1) - V)                    # all that came



def by_sum(last):
    # the definition, whose last term has the exponent last(t)
    early = [sum((gamma * lam) ** (k - t) * d[k] for k in range(t, T - 1)) for t in range(T)]
    return [early[t] + (gamma * lam) ** last(t) * d[T - 1] for t in range(T)]


gamma, lam, T = 0.9, 0.8, 4
d = (r + gamma * torch.cat([V[:, 1:], torch.zeros(1, 1)], 1) - V)[0].tolist()
recursion = gae(r, V, whole, gamma, lam)[0][0].numpy()
print("recursion          ", np.round(recursion, 4))
print("sum, T-1-t         ", np.round(by_sum(lambda t: T - 1 - t), 4))
print("printed, T-t+1     ", np.round(by_sum(lambda t: T - t + 1), 4))
assert 0.09 < 1 - (1.0 * 0.95) ** 2 < 0.1
assert np.allclose(recursion, by_sum(lambda t: T - 1 - t)) and not np.allclose(recursion, by_sum(lambda t: T - t + 1), atol=1e-2)
""")
md(r"""
The last two lines are there because of a misprint: equation 11 of the PPO paper gives the exponent of the last term as $T-t+1$. Whoever programs the sum as it is printed takes part of the reward away from every token, the last one not excepted, by a factor $(\gamma\lambda)^2$. The recursion cannot be misprinted so easily. (With $\gamma = 1$ and $\lambda = 0.95$, as here and in most programs, the difference is a tenth and would hardly be noticed.)

## A step, but not too far

To write answers is dear, so one wants to take several steps with the same ones. After the first step the policy is no longer the one that drew them. Each token is therefore weighed by the **ratio** $\rho = \pi(\text{token})/\pi_\text{old}(\text{token})$, which makes the average right again, as long as the two are near. PPO keeps them near in the simplest way: it takes the *lesser* of two objectives, one with the true ratio and one with the ratio held within $1 \pm \epsilon$.
""")
taught("llamalite/align/rlhf/ppo.py", "policy_losses", "value_losses")
code(r"""
print("ratio  advantage  objective  gradient")
cases = [(1.0, 1.0), (1.1, 1.0), (1.5, 1.0), (0.5, 1.0), (1.0, -1.0), (0.5, -1.0), (1.5, -1.0)]
for ratio, advantage in cases:
    logprob = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    loss = policy_losses(logprob, torch.zeros(1, dtype=torch.float64), torch.tensor([advantage], dtype=torch.float64))
    loss.sum().backward()
    print(f"{ratio:5.1f}{advantage:9.0f}{-loss.item():12.2f}{-logprob.grad.item():11.2f}")
    far = ratio > 1.2 if advantage > 0 else ratio < 0.8
    assert (logprob.grad.item() == 0) == far                     # gone far enough in the right direction: no more pull
figures.draw_clip(0.2)
""")
md(r"""
Read the right picture from right to left: a token that did badly and has nevertheless become *likelier* by half (another token's push may have carried it along) lies on the steep part, and is called back with full force. Only what has gone far in the **right** direction is left alone. At the first step the ratio is 1 and the gradient is that of the policy gradient above: clipping changes nothing until it is needed.

## How far is far?

The charge needs $\mathrm{KL}(\pi\|\pi_\text{ref})$ and has, for each token, nothing but the two log-probabilities of the one token that was drawn. With $x = \log\pi - \log\pi_\text{ref}$ there are three estimates in use:
""")
taught("llamalite/align/rlhf/ppo.py", "kl_estimates")
md(r"""
That $k_1 = x$ is right on average is the definition of the divergence. Why is $k_3$? Because $e^{-x} = \pi_\text{ref}/\pi$ has the mean 1 over draws from $\pi$, so that $e^{-x} - 1$ adds nothing on average, while in the single case it pulls against $x$. And it is never negative, because the exponential lies above its tangent. For distributions over 50 tokens, everything can be summed instead of drawn:
""")
code(r"""
rng = np.random.default_rng(1)
reference = np.exp(rng.standard_normal(50))
reference /= reference.sum()
drift = rng.standard_normal(50)
true, found = [], {name: [] for name in ("k1", "k2", "k3")}
for distance in (0.03, 0.1, 0.3, 1.0, 2.0, 3.0):
    q = softmax(np.log(reference) + distance * drift)
    true.append(kl(q, reference))
    for name in found:
        k = kl_estimates(torch.tensor(q).log(), torch.tensor(reference).log(), name).numpy()
        found[name].append((q @ k - true[-1], math.sqrt(q @ (k - q @ k) ** 2)))
found = {name: np.array(rows) for name, rows in found.items()}
print("true KL       " + "".join(f"{x:10.4f}" for x in true))
for name, rows in found.items():
    print(f"{name} bias       " + "".join(f"{x:10.4f}" for x in rows[:, 0]))
    print(f"{name} deviation  " + "".join(f"{x:10.4f}" for x in rows[:, 1]))
assert np.abs(found["k1"][:, 0]).max() < 1e-12 and np.abs(found["k3"][:, 0]).max() < 1e-12
assert abs(found["k2"][0, 0]) < 0.1 * true[0] and abs(found["k2"][-1, 0]) > 0.1 * true[-1]
assert found["k3"][1, 1] < found["k1"][1, 1] / 20 and abs(found["k2"][1, 0]) < 0.05 * true[1]
assert found["k3"][-1, 1] > 10 * found["k1"][-1, 1]
figures.draw_estimators(true, found)
""")
md(r"""
@@KL-READ
""")

md(r"""
## Whitening, and Llama 2's two rewards

One more small function is used twice: scores are whitened before PPO sees them, and advantages are whitened in every batch, so that the size of a step does not hang on the unit of the reward. It must look only at what counts; padding is no measurement.
""")
taught("llamalite/align/rlhf/ppo.py", "whiten", "llama2_reward")
md(r"""
The second function is an exhibit; our tales need no second reward. Llama 2 trained two reward models, one for helpfulness and one for safety, because the two pull in different directions. How are they made into one number? The safety model's word counts where the prompt is tagged as one about safety, or where it finds the answer unsafe, below **0.15**; everywhere else helpfulness counts. The threshold found unsafe answers with a precision of 0.89 and a recall of 0.55 on Meta's own test set: it is set so that it seldom cries wolf, and misses nearly half. Then the probability is turned back into a score (the logit) and whitened.
""")
code(r"""
helpful = torch.tensor([0.90, 0.90, 0.60, 0.20, 0.70])
safe = torch.tensor([0.95, 0.10, 0.16, 0.80, 0.40])
about_safety = torch.tensor([False, False, False, False, True])
combined = llama2_reward(helpful, safe, about_safety)
which = ["safety" if a or s < 0.15 else "helpfulness" for a, s in zip(about_safety, safe, strict=True)]
for h, s, a, w, c in zip(helpful, safe, about_safety, which, combined, strict=True):
    print(f"helpful {h:.2f}  safe {s:.2f}  {'about safety' if a else '':13} counts: {w:12} reward {c:6.2f}")
assert combined[0] > 0 > combined[1] and combined[1] == combined.min() and abs(combined.mean()) < 1e-6
""")
md(r"""
The second answer is as helpful as the first and gets the lowest reward of all. The third passes by a hair: at 0.16 its safety is no longer asked for at all.

## The loop

Now all parts are there. An iteration of PPO writes answers with the policy as it is, has them scored, charges for the distance, shares out the credit; and then takes a few steps on two models at once.
""")
taught("llamalite/align/rlhf/ppo_training.py", "learn_from")

md(r"""
Note the two things that are *not* learnt from: `counts` is false for the prompt and for padding, in both losses. `roll_out`, which makes the `Rollout`, is in the same file.

The cook learns from the reward model, at three prices; nobody tells it what the soups are really worth, but we look on.
""")
code(r"""
def taught_by_reward(price, rounds=25):
    policy, tasted, last = copy.deepcopy(cook), [], []

    def taste(done, rollout):
        tasted.append(float(np.mean([worth(e.ids) for e in rollout.examples])))
        last[:] = [rollout]

    how = Ppo(Tuning(rounds, batch_size=64, lr=1e-3, warmup=2, floor=1.0, seed=1), kl=price, minibatch=32, value_lr=2e-3, max_tokens=16)
    made = ppo(policy, lambda numbers, e: reward(e), [ASK] * 64, {SERVE}, how, after_step=taste)
    return policy, made, tasted, last[0]


PRICES = (0.0, 0.1, 0.5)
live = {price: taught_by_reward(price) for price in PRICES}
print(f"{'KL price':10}{'iteration':>10}{'learned':>9}{'true':>7}{'KL':>7}{'explained':>11}{'clipped':>9}")
for price, (_, made, tasted, _) in live.items():
    for i in (0, 4, 9, 24):
        m = made[i]
        print(f"{price:<10}{i:10}{m['reward']:9.2f}{tasted[i]:7.2f}{m['kl']:7.2f}{m['explained']:11.2f}{m['clipped']:9.2f}")
for price in PRICES:
    print(f"\nat a price of {price}: " + " | ".join(told(soup) for soup in asked(live[price][0])[3][:3]))
""", ignore=True)
code(r"""
ends = {price: asked(live[price][0])[:3] for price in PRICES}
start = way_of_rejection[0]
assert ends[0.0][1] > ends[0.1][1] > start[1] + 1                # the learned reward: the freer, the higher
assert ends[0.0][2] < start[2] - 1 < start[2] + 0.3 < ends[0.1][2]   # and what it is worth
assert ends[0.0][0] > 2 * ends[0.1][0] > 2 * ends[0.5][0]          # and how far away it is
ways = {"best of 1 … 16": tuple(map(np.array, zip(*kitchen.values(), strict=True)))}
ways["rejection sampling"] = tuple(map(np.array, zip(*way_of_rejection, strict=True)))
for price, (_, made, tasted, _) in live.items():
    ways[f"PPO, KL price {price:g}"] = tuple(figures.smooth(x) for x in ([m["kl"] for m in made], [m["reward"] for m in made], tasted))
figures.draw_ways(ways, "The kitchen: the same way, once with the learned reward and once with the truth", "true worth")
""", ignore=True)
md(r"""
**This is reward hacking, complete and in ten seconds.** Without a price the learned reward is the highest of all, and the soup is half salt, which nobody can eat. The reward model is the same in all three runs, and it was not bad: the run with a price of 0.1 used it to make soups that are clearly better than the cook's. Nor did anything warn of it on the left picture, which is all that one usually has. The left picture even says that the worst cook is the best.

How the credit is shared out can be looked at ingredient by ingredient. Here is one soup of the run with a price of 0.1, with the value model's expectation above:
""")
code(r"""
rollout = live[0.1][3]
row = max(range(64), key=lambda i: (rollout.examples[i].ids.count(SALT) in (2, 3), int(rollout.counts[i].sum())))
places = rollout.counts[row].nonzero()[:, 0]
score_at_end = rollout.scores[row] * (torch.arange(rollout.counts.shape[1]) == places[-1])
one_row = (score_at_end[None], rollout.values[row][None], rollout.counts[row][None])
credit = {f"λ = {lam:g}": gae(*one_row, 1.0, lam)[0][0, places].numpy() for lam in (1.0, 0.95, 0.0)}
one_step, all_of_it = credit["λ = 0"], credit["λ = 1"]
assert math.isclose(one_step.sum(), all_of_it[0], abs_tol=1e-4)                                    # the same sum, shared out
assert math.isclose(all_of_it[0], rollout.scores[row].item() - rollout.values[row, places[0]].item(), abs_tol=1e-4)
figures.draw_credit([WORDS[rollout.examples[row].ids[i + 1]] for i in places], rollout.values[row, places].numpy(), credit)
""", ignore=True)
md(r"""
With $\lambda = 0$ each ingredient gets the change of expectation that it brought: the pinches of salt stand out, and what came later is none of their business. With $\lambda = 1$ each gets everything that happened from there on, less what was expected, so that all ingredients of a lucky soup are praised alike. Both have the same sum over the soup, namely its surprise.

## The same with tales

The full study did this with the model that tells tales on request, 128 requests an iteration and 30 iterations. The reward model had been right in its test as you saw above; the judge looked on and was not heard.
""")
code(r"""
runs = figures.ppo_curves(study, table)
for price, seed, curve in runs:
    print(f"KL price {price:<4g} seed {seed}: learned reward {curve['reward'][0]:5.2f} → {curve['reward'][-1]:5.2f}   judge {curve['judge'][0]:.3f}, best {max(curve['judge']):.3f}, end {curve['judge'][-1]:.3f}   KL {curve['kl'][-1]:5.1f}")
@@HACK-ASSERT
figures.draw_hacking(study, table)
""")
md(r"""
@@HACK-READ
""")
code(r"""
for row in study["ppo"]:
    if row["kl_price"] == 0:
        print(f"seed {row['seed']}: of the answers {row['distinct']:.0%} differ from each other; perfect {row['sampled']['perfect']:.1%}")
        for request, answer in zip(row["requests"][:2], row["examples"][:2], strict=True):
            print(f"   {request}\n      {answer}")
figures.draw_ways(figures.ways_of_study(study, table), "The tales: all ways on common axes", "judge's score (0 to 1)")
""")
md(r"""
@@WAYS-READ
""")

md(r"""
## The equivalence ladder

Advantages, five ways: by the sum that defines them; by the recursion in NumPy; as the product of the $\delta$ with a triangle of powers of $\gamma\lambda$; by the book's function in PyTorch, for a batch with prompts in front and padding behind; and in float32.
""")
code(r"""
rng = np.random.default_rng(2)
T, before, behind, gamma, lam = 40, 7, 5, 0.99, 0.95
r, V = rng.standard_normal((2, T))
delta = r + gamma * np.append(V[1:], 0) - V
definition = np.array([sum((gamma * lam) ** (k - t) * delta[k] for k in range(t, T)) for t in range(T)])

recursive, ahead = np.zeros(T), 0.0
for t in reversed(range(T)):
    recursive[t] = ahead = delta[t] + gamma * lam * ahead
triangle = np.triu((gamma * lam) ** np.maximum(np.arange(T) - np.arange(T)[:, None], 0)) @ delta

counts = torch.tensor([[False] * before + [True] * T + [False] * behind])
around = [torch.full((1, before + T + behind), 1e3, dtype=torch.float64) for _ in range(2)]      # what must not matter
for tensor, inside in zip(around, (r, V), strict=True):
    tensor[counts] = torch.tensor(inside)
ladder(
    definition,
    {
        "recursion": ("float64", recursive),
        "triangle of powers": ("float64", triangle),
        "PyTorch, prompt and padding": ("float64", gae(*around, counts, gamma, lam)[0][counts].numpy()),
        "PyTorch, float32": ("float32", gae(*(x.float() for x in around), counts, gamma, lam)[0][counts].numpy()),
    },
)
""", ignore=True)

md(r"""
## Break it

**The sign of the price.** With one sign exchanged, leaving is not charged for but paid. Here are the cook's first 25 iterations at a price of 0.1 that was taken for a bonus, beside the right sign and no price at all:
""")
code(r"""
_, bonus, tasted_bonus, _ = taught_by_reward(-0.1)
print(f"{'':14}{'learned reward, iterations 0 4 9 24':>38}{'KL at the end':>16}{'surprise':>10}")
for name, made in (("right sign", live[0.1][1]), ("no price", live[0.0][1]), ("wrong sign", bonus)):
    some = "  ".join(f"{made[i]['reward']:6.2f}" for i in (0, 4, 9, 24))
    print(f"{name:14}{some:>38}{made[-1]['kl']:16.1f}{made[-1]['surprise']:10.2f}")
@@SIGN-ASSERT
""", ignore=True)
md(r"""
@@SIGN-READ

**Advantages that leak over padding.** In a batch, short answers are padded, and the value model says something at padding, too: it was never told what. If the recursion runs over it, the last token of a short answer is credited with a fantasy:
""")
code(r"""
def leaky(rewards, values, gamma, lam):
    return gae(rewards, values, torch.ones_like(rewards, dtype=torch.bool), gamma, lam)[0]


r = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
V = torch.tensor([[0.4, 0.5, 0.8, 2.0, 2.5, 3.0]], dtype=torch.float64)          # three tokens, then padding
counts = torch.tensor([[True] * 3 + [False] * 3])
print("right ", np.round(gae(r, V, counts, 1.0, 0.95)[0][0, :3].numpy(), 2))
print("leaked", np.round(leaky(r, V, 1.0, 0.95)[0, :3].numpy(), 2))
assert torch.allclose(gae(r, V, counts, 1.0, 0.95)[0][0, :3], gae(r[:, :3], V[:, :3], counts[:, :3], 1.0, 0.95)[0][0])
assert abs(leaky(r, V, 1.0, 0.95)[0, 2] - 0.2) > 0.1
""")
md(r"""
Which check sees it? The one in the ladder: the same answer, alone and in a batch with longer ones, must get the same advantages, even if padding says 1,000.

**A value loss on prompts.** Nobody chose the prompt, and nothing is to be expected of padding. A value model that is trained on all positions alike spends part of every step on them. How much does that cost? Two value models, one rollout, sixty steps each, and what they then foresee of the answers:
""")
code(r"""
rollout = live[0.5][3]
everything = torch.ones_like(rollout.counts)


def foreseen(returns, counts):
    value = with_scalar_head(cook)
    learner, forward = Learner.of(value, Tuning(60, lr=2e-3, warmup=2)), forward_of(value)
    for step in range(60):
        errors = value_losses(values_of(forward, rollout.rows), rollout.values, returns, clip=math.inf)
        learner.learn(mean_over(errors, counts), step)
    with torch.no_grad():
        return explained_variance(values_of(forward, rollout.rows), rollout.returns, rollout.counts)


odd = torch.where(rollout.counts, rollout.returns, 5.0)           # what stands where nothing counts should not matter
found = {name: [foreseen(returns, counts) for returns in (rollout.returns, odd)] for name, counts in (("answers only", rollout.counts), ("all positions", everything))}
print(f"{1 - rollout.counts.float().mean().item():.0%} of the positions are prompt or padding")
for name, (usual, strange) in found.items():
    print(f"{name:14} explained variance {usual:.2f};   with 5 where nothing counts {strange:.2f}")
right, wrong = found.values()
assert right[0] == right[1] and wrong[1] < wrong[0] - 0.1
""", ignore=True)
md(r"""
@@VALUE-READ

**A reference that is the policy.** If the reference is the same object and not a copy, it moves along. Then $x$ is 0 at every token, the charge is 0 at any price, and the log proudly reports that the policy has not moved by a nat. The symptom is a number that is too good: a KL of exactly 0 after the first update. A related bug is a reference left in training mode, where a model with dropout answers differently each time, so that there is a distance even at the first step. Llama as this book writes it has no dropout, and the mode changes nothing:
""")
code(r"""
same = copy.deepcopy(cook)
logprobs = logprobs_of(forward_of(same), rollout.rows)
with torch.no_grad():
    assert torch.equal(logprobs_of(forward_of(same.train()), rollout.rows), logprobs_of(forward_of(same.eval()), rollout.rows))
    nn.init.normal_(same.norm.weight)                            # the policy "learns" …
    moved = logprobs_of(forward_of(same), rollout.rows)


def distance(a, b):
    return mean_over(kl_estimates(a, b), rollout.counts).abs().item()


print(f"against a copy of what it was: {distance(moved, logprobs.detach()):.2f} nats a token; against itself: {distance(moved, moved):.2f}")
assert distance(moved, moved) == 0 < distance(moved, logprobs.detach())
""", ignore=True)
md(r"""
**The right estimate in the wrong place.** Some programs do not charge the KL in the reward but add $\beta$ times an estimate of it to the *loss*, and let autograd do the rest. Then it is not the estimate's mean that counts but the mean of its gradient, and for $k_1$ that is $E[\nabla\log\pi]$, which is 0, as we saw when we took off the baseline:
""")
code(r"""
q = softmax(np.log(reference) + drift)
gradient_of_kl = q * (np.log(q / reference) - kl(q, reference))                    # of KL(π ‖ ref), for the logits
for name in ("k1", "k2", "k3"):
    logits = torch.tensor(np.log(q), requires_grad=True)
    k = kl_estimates(logits.log_softmax(-1), torch.tensor(reference).log(), name)
    (torch.tensor(q) * k).sum().backward()                       # the mean over all draws; what was drawn carries no gradient
    ours = logits.grad.numpy()
    print(f"{name} in the loss: length of the mean gradient {np.linalg.norm(ours):.4f}, of the true one {np.linalg.norm(gradient_of_kl):.4f}, equal: {np.allclose(ours, gradient_of_kl)}")
    assert np.allclose(ours, gradient_of_kl) == (name == "k2") and (name != "k1" or np.abs(ours).max() < 1e-12)
""")
md(r"""
As a loss, $k_1$ charges nothing at all, and $k_3$ has the gradient of the *other* divergence, $\mathrm{KL}(\pi_\text{ref}\|\pi)$. Only the biased one, $k_2$, pulls in the right direction. In the reward, where this book has it, $k_1$ and $k_3$ are right and $k_2$ is off. An estimate is not good or bad; it is good for something.
""")

md(r"""
## See it

Why does a reward get hacked at all? Here is the smallest model of it that we know. Forty sensible answers share 99% of the probability; four thousand odd ones share the rest and are bad. The learned reward is right to within 0.3 for what it was taught on, and off by about 2 for what it has hardly ever seen. Among thousands of random errors, some are large and of the wrong sign. Move the price: at which is the true worth best, and what does the policy say beyond it?
""")
code(r"""
rng = np.random.default_rng(0)
likely, odd = 40, 4000
p_tales = np.r_[np.full(likely, 0.99 / likely), np.full(odd, 0.01 / odd)]
true_worth = np.r_[rng.normal(0, 1, likely), rng.normal(-3, 1, odd)]
learned = true_worth + np.r_[rng.normal(0, 0.3, likely), rng.normal(0, 2, odd)]
policies = {beta: figures.tilt(p_tales, learned, beta) for beta in figures.PRICES}
worth_at = {beta: q @ true_worth for beta, q in policies.items()}
best_price = max(worth_at, key=worth_at.get)
print(f"learned reward grows to {policies[0.02] @ learned:.2f}; true worth is {worth_at[100.0]:.2f} at first, {worth_at[best_price]:.2f} at its best (price {best_price:g}), {worth_at[0.02]:.2f} at the end")
assert worth_at[100.0] < worth_at[best_price] > 0 > worth_at[0.02]
assert (np.diff([q @ learned for q in policies.values()]) > 0).all()         # the learned reward only rises
figures.explore_price(p_tales, learned, true_worth)
""")
md(r"""
The learned reward rises at every step; that is what the optimum *is*. The true worth rises with it as long as the policy stays among answers of the kind that the reward was taught on. Then, within a small change of price, everything moves over to one of the odd answers. No step of this looks like a mistake from within, and a better optimiser only gets there sooner. What helps is to stay near (the price), to look at another measure than the one that is optimised (our judge; for others, people), and to go on teaching the reward model on what the policy says *now*: Llama 3 trained a new one in each of its six rounds.
""")

md(r"""
## The Llama connection

**Llama 2-Chat** collected 1,418,091 comparisons of its own in 14 weekly batches, with open ones 2,919,326. It trained its two reward models from the chat checkpoints for a single epoch. On Meta's own test sets the one for helpfulness was right in 63.2% of the pairs, the one for safety in 64.5%. Did the margin help?
""")
code(r"""
published = {"none": 62.5, "small": 63.0, "large": 62.9}                 # Llama 2, Table 28: average on Meta Helpful
ours = {row["margins"] or "none": 100 * row["accuracy"] for row in study["rewards"] if row["seed"] == plain[0]["seed"]}
for kind, accuracy in published.items():
    print(f"margins {kind:6} Llama 2: {accuracy:.1f}%   ours: {ours[kind]:.1f}%")
spread = max(100 * row["accuracy"] for row in plain) - min(100 * row["accuracy"] for row in plain)
print(f"largest effect of a margin: {max(published.values()) - published['none']:.1f} points there, {max(abs(ours[k] - ours['none']) for k in ours):.1f} here; our three seeds without margins lie {spread:.1f} apart")
assert max(published.values()) - published["none"] == 0.5

ours_how = Ppo()
print(f"\n{'':26}{'Llama 2-Chat':>26}{'our study':>14}")
for name, theirs, here in (
    ("prompts an iteration", "512", ours_how.policy.batch_size), ("mini-batch", "64", ours_how.minibatch),
    ("clip", "0.2", ours_how.clip), ("learning rate, constant", "1e-6", f"{ours_how.policy.lr:g}"),
    ("iterations", "200 to 400", table["settings"]["ppo_rounds"]),
    ("price of KL, β", "0.01 or 0.005, by size", table["settings"]["ppo_kl"]), ("γ and λ", "not published", f"{ours_how.gamma:g}, {ours_how.lam:g}"),
):  # fmt: skip
    print(f"{name:26}{theirs:>26}{here:>14}")
""")
md(r"""
@@LLAMA-READ

- **V1 to V5.** Until the fourth version Llama 2-Chat was made by rejection sampling alone; PPO came after it, on top of rejection sampling. Only the 70B wrote the answers; the smaller models learnt from its best. How many answers $K$ to a prompt is not published; the paper's figures go to 100, and with 10 to 100 answers the best temperature lay at 1.2 to 1.3. PPO then ran with $\beta = 0.01$ for the 7B and 13B and $0.005$ for the larger ones, for 200 to 400 iterations, ended early by watching.
- **Llama 3** (as the paper of July 2024 describes 3.1): six rounds, each with new preferences and a new reward model, trained without the margin and without pairs whose answers are too similar; some prompts have a third, *edited* answer, and edited is better than chosen is better than rejected. $K$ is 10 to 30.
- **PPO or not?** The announcement of April 2024 lists SFT, rejection sampling, **PPO** and DPO. The paper on 3.1 has no PPO in its recipe: DPO needed less compute at that scale and did better, above all at following instructions (chapter 19). Both sentences are true, of different models.
- **What for?** Meta wrote of Llama 3 that learning from preferences with PPO and DPO helped much in reasoning and coding: a model often knows how to produce the right answer and not how to select it, and comparisons teach it to select. Our best-of-$n$ curve is a small picture of that: the good answers were there before.
""")

md("""
## Exercises
""")
EX=[("rlhf.1","The loss of a reward model with Llama 2's margin; it must survive scores that are 900 apart.","margin_loss(chosen, rejected, margin)"),
("rlhf.2","With which probability each answer of a bandit is the best of $n$ draws. All rewards differ.","chances_of_best(p, rewards, n)"),
("rlhf.3","Generalised advantage estimation over one answer.","advantages(rewards, values, gamma, lam)"),
("rlhf.4","What PPO makes large, for each token.","surrogate(ratio, advantage, clip)"),
("rlhf.5","An estimate of KL(p ‖ q) from tokens that p drew, which is right on average and never negative.","k3(logp, logq)")]
for n,t,sig in EX:
    md(f"**{n}** {t}")
    f=sig.split('(')[0]
    alias = "their_best_of_n" if False else f
    code(f'''def {sig}:
    raise NotImplementedError


check("{n}", {f})   # stuck? hint("{n}"), and at the very end solution("{n}")''', ignore=True)

md(r"""
## What you can now say

- A reward model is Bradley and Terry's model of wins with a Llama in place of the table; its loss is minus the log-probability of the table, and its scores mean something only beside each other.
- A margin drives clearly different answers further apart, and takes from the scores that they are odds.
- The best of $n$ is at most $\log n - (n-1)/n$ nats away and nearly the best bargain there is; its price is to write $n$ answers.
- Rejection sampling keeps the best of $K$, one answer a prompt, and learns from it; iterated, it is the best of $K^\text{rounds}$, if it is learnt perfectly.
- PPO is the policy gradient with three brakes: a baseline (the value model, with GAE), the clip, and the price of leaving the reference.
- Of the estimates of KL, $k_1$ and $k_3$ are right on average; which of them serves depends on where it is put.
- Without a price, a policy finds where its reward model is wrong. The number that is optimised cannot tell you; another one has to.

## What could go wrong

- **The reward rises and rises**: look at the KL and at answers. A sign, a missing price or a hacked reward all look like success.
- **KL is exactly 0 after the first update**: the reference is the policy itself.
- **KL is not 0 at the very first step**: the sampler and the trainer disagree (temperature, top-p, dropout, precision).
- **Short answers learn worse than long ones, or the result changes with the batch size**: padding leaks into advantages or into the whitening.
- **The explained variance stays at 0 or below**: the value model learns prompts and padding, or its rate is wrong.
- **All answers sound alike**: the policy has found one answer that the reward likes; count how many are distinct.
- **Scores of two reward models are compared**: their zeros and units have nothing to do with each other; whiten.

## Sources

- Bradley and Terry, *Rank Analysis of Incomplete Block Designs* (1952); Zermelo, *Die Berechnung der Turnier-Ergebnisse als ein Maximumproblem der Wahrscheinlichkeitsrechnung* (1929).
- Llama 2, arXiv:2307.09288, section 3 and appendix A.3; Llama 3, arXiv:2407.21783, section 4; Meta's announcement of Llama 3 (April 2024).
- Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning* (1992); Schulman and others, *High-Dimensional Continuous Control Using Generalized Advantage Estimation*, arXiv:1506.02438, and *Proximal Policy Optimization Algorithms*, arXiv:1707.06347 (equation 7; equation 11 with the misprint).
- Schulman, *Approximating KL Divergence* (2020), for $k_1$, $k_2$, $k_3$; Beirami and others, *Theoretical guarantees on the best-of-n alignment policy*, arXiv:2401.01879; Gao and others, *Scaling Laws for Reward Model Overoptimization*, arXiv:2210.10760.
- Measurements: `data/studies/rlhf.json` and `align.json`, by `tools/study_align.py`; see `data/README.md`.
- Modules of this chapter: `llamalite/align/rlhf/` (`reward.py`, `rejection.py`, `rollouts.py`, `ppo.py`, `ppo_training.py`, `labelling.py`), `llamalite/figures/rlhf.py`; tests: `tests/test_reward.py`, `test_rejection.py`, `test_ppo.py`, `test_rlhf.py`.
""")
import re
SUB=dict(line.rstrip('\n').split('=',1) for line in open('/tmp/h18/sub.txt') if '=' in line and line.startswith('@@')) if Path('/tmp/h18/sub.txt').exists() else {}
TXT={}
if Path('/tmp/h18/text.md').exists():
    cur=None
    for line in open('/tmp/h18/text.md'):
        if line.startswith('@@'): cur=line.strip(); TXT[cur]=''
        elif cur: TXT[cur]+=line
for c in CELLS:
    for k,v in {**SUB,**TXT}.items():
        c['source']=c['source'].replace(k, v.strip('\n'))
save(sys.argv[1])
