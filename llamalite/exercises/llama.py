"""Exercises of chapter ``llama``: counting, the embedding's gradient, AdamW, the cost of a token."""

import numpy as np

from llamalite.config import LlamaConfig
from llamalite.exercises.engine import Exercise, Mistake, normals
from llamalite.in_numpy import adamw as in_numpy

# --- llama.1: how many parameters --------------------------------------------------------------------


def n_params(dim, n_layers, hidden_dim, vocab_size, kv_dim):
    attention = 2 * dim * dim + 2 * dim * kv_dim
    block = attention + 3 * dim * hidden_dim + 2 * dim
    return 2 * vocab_size * dim + n_layers * block + dim


def counted_by_config(dim, n_layers, hidden_dim, vocab_size, kv_dim):
    head_dim = 2
    cfg = LlamaConfig(
        dim=dim, n_layers=n_layers, n_heads=dim // head_dim, n_kv_heads=kv_dim // head_dim,
        hidden_dim=hidden_dim, vocab_size=vocab_size,
    )  # fmt: skip
    return sum(int(np.prod(shape)) for shape in cfg.param_shapes().values())


def count_with(attention=2, feed=3, norms=2, last=1, tables=2, kv=None):
    def answer(dim, n_layers, hidden_dim, vocab_size, kv_dim):
        pairs = 2 * dim * (kv_dim if kv is None else dim)
        block = attention * dim * dim + pairs + feed * dim * hidden_dim + norms * dim
        return tables * vocab_size * dim + n_layers * block + last * dim

    return answer


COUNT = Exercise(
    title="n_params(dim, n_layers, hidden_dim, vocab_size, kv_dim): all parameters, with a head of its own",
    cases=lambda: [(8, 3, 20, 50, 8), (12, 2, 32, 100, 4)],
    oracle=counted_by_config,
    solution=n_params,
    why="Queries and output are (dim, dim), keys and values (kv_dim, dim); the feed-forward layer has three "
    "matrices; a block has two norms, and there is one more before the head. No biases anywhere.",
    hints=(
        "A block: wq and wo, wk and wv, three matrices of the feed-forward layer, two gains of dim numbers.",
        "Outside the blocks: the embedding, the output head, and the last norm.",
    ),
    mistakes=(
        Mistake("kv as wide", count_with(kv="dim"), "keys and values have kv_dim outputs, not dim"),
        Mistake("two matrices", count_with(feed=2), "the feed-forward layer has three: gate, up, down"),
        Mistake("last norm", count_with(last=0), "the norm before the output head is missing"),
        Mistake("no norms", count_with(norms=0, last=0), "the gains of the norms are missing"),
        Mistake("one norm", count_with(norms=1),
                "a block has two norms, one before each of its layers"),
        Mistake("no head", count_with(tables=1),
                "the output head is missing: here it is a matrix of its own"),
        Mistake("wo", count_with(attention=1), "attention has four matrices: one, wq or wo, is missing"),
    ),
)  # fmt: skip

# --- llama.2: the embedding's gradient ----------------------------------------------------------------


def embedding_gradient(tokens, dx, vocab_size):
    dembedding = np.zeros((vocab_size, dx.shape[-1]))
    np.add.at(dembedding, tokens, dx)
    return dembedding


def by_one_hot(tokens, dx, vocab_size):
    return (np.arange(vocab_size)[:, None] == tokens) @ dx


def mean_per_token(tokens, dx, vocab_size):
    return (
        by_one_hot(tokens, dx, vocab_size) / np.maximum(np.bincount(tokens, minlength=vocab_size), 1)[:, None]
    )


def last_wins(tokens, dx, vocab_size):
    dembedding = np.zeros((vocab_size, dx.shape[-1]))
    dembedding[tokens] += dx
    return dembedding


EMBEDDING = Exercise(
    title="embedding_gradient(tokens, dx, vocab_size): from the gradient dx (T, D) of the looked-up rows",
    cases=lambda: [
        (np.array([2, 0, 2, 2, 4]), *normals((5, 3)), 6),
        (np.array([1, 1]), *normals((2, 4), seed=1), 3),
    ],
    oracle=by_one_hot,
    solution=embedding_gradient,
    why="A row that was used three times gets the sum of three gradients. table[tokens] += dx does not add "
    "them: it reads the row three times, adds once to each copy, and writes three times: the last stays.",
    hints=(
        "Row v of the answer is the sum of dx at all places where tokens is v.",
        "np.add.at(table, tokens, dx) adds as often as a token occurs; table[tokens] += dx does not.",
    ),
    mistakes=(
        Mistake("buffered", last_wins,
                "a token that occurs twice keeps only its last gradient: so it is with +=; use np.add.at"),
        Mistake("mean", mean_per_token, "you take the mean over a token's places: its gradients add up"),
        Mistake("next token", lambda t, dx, v: by_one_hot(np.roll(t, -1), dx, v),
                "your gradients go to the tokens that follow: they belong to the rows that were looked up"),
    ),
)  # fmt: skip

# --- llama.3: one step of AdamW -----------------------------------------------------------------------


def adamw_step(w, g, m, v, step, lr, decay):
    m = 0.9 * m + 0.1 * g
    v = 0.95 * v + 0.05 * g * g
    m_hat, v_hat = m / (1 - 0.9**step), v / (1 - 0.95**step)
    return w - lr * decay * w - lr * m_hat / (np.sqrt(v_hat) + 1e-8)


def by_package(w, g, m, v, step, lr, decay):
    state = in_numpy.AdamWState(step - 1, {"w": m}, {"w": v})
    return in_numpy.adamw({"w": w}, {"w": g}, state, lr, weight_decay=decay)[0]["w"]


def step_with(corrected=True, decoupled=True, root=True, square=True, betas=(0.9, 0.95)):
    def answer(w, g, m, v, step, lr, decay):
        g = g if decoupled else g + decay * w
        m, v = (
            betas[0] * m + (1 - betas[0]) * g,
            betas[1] * v + (1 - betas[1]) * (g * g if square else abs(g)),
        )
        if corrected:
            m, v = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
        return w - lr * (decay * w if decoupled else 0) - lr * m / ((np.sqrt(v) if root else v) + 1e-8)

    return answer


def adamw_cases() -> list[tuple]:
    w, g, m = normals((3, 2), (3, 2), (3, 2), seed=5)
    return [(w, g, 0 * w, 0 * w, 1, 0.1, 0.5), (w, g, 0.3 * m, 0.2 * m * m, 4, 0.1, 0.5)]


STEP = Exercise(
    title="adamw_step(w, g, m, v, step, lr, decay): the new w; betas 0.9 and 0.95, eps 1e-8, steps from 1",
    cases=adamw_cases,
    oracle=by_package,
    solution=adamw_step,
    why="Two running means, of the gradient and of its square. They start at nought and are too small at "
    "first, hence the division. The decay acts on the weight itself, not by way of the gradient.",
    hints=(
        "m = 0.9 m + 0.1 g, and v = 0.95 v + 0.05 g², then both are divided by 1 - beta^step.",
        "The new weight is w - lr · decay · w - lr · m_hat / (sqrt(v_hat) + 1e-8).",
    ),
    mistakes=(
        Mistake("no correction", step_with(corrected=False),
                "the means start at nought: divide them by 1 - beta^step, or the first steps are wrong"),
        Mistake("L2", step_with(decoupled=False),
                "your decay goes through the gradient and its size: AdamW takes it off the weight itself"),
        Mistake("no root", step_with(root=False), "you divide by the mean square: take its root"),
        Mistake("abs", step_with(square=False), "v is the mean of the squared gradient"),
        Mistake("0.999", step_with(betas=(0.9, 0.999)),
                "your second beta is 0.999, Adam's usual: Llama has 0.95"),
        Mistake("no decay", lambda w, g, m, v, step, lr, decay: step_with()(w, g, m, v, step, lr, 0),
                "the weight decay is missing"),
    ),
)  # fmt: skip

# --- llama.4: what a token costs ----------------------------------------------------------------------


def train_flops(n_params, n_layers, dim, seq_len):
    return 6 * n_params + 12 * n_layers * dim * seq_len


COST = Exercise(
    title="train_flops(n_params, n_layers, dim, seq_len): floating-point operations to train on one token",
    cases=lambda: [(1_000_000, 4, 64, 256), (5_000, 2, 8, 10)],
    oracle=lambda n, layers, dim, t: 3 * 2 * n + 3 * 2 * layers * 2 * dim * t,
    solution=train_flops,
    why="Each weight is one multiplication and one addition forward, and twice that backward: once for the "
    "gradient of what came in, once for its own. Scores and mixture take dim · seq_len products each.",
    hints=(
        "Forward: two operations for each weight. Backward: twice as many. Together six.",
        "Attention's own products, q·k and weights·v: 2 · dim · seq_len each, forward, in each layer.",
    ),
    mistakes=(
        Mistake("forward", lambda n, layers, d, t: 2 * n + 4 * layers * d * t,
                "that is the forward pass: training has a backward pass as well, which costs twice that"),
        Mistake("no attention", lambda n, layers, d, t: 6 * n,
                "attention's own products are missing: they have no weights, but they grow with seq_len"),
        Mistake("four", lambda n, layers, d, t: 4 * n + 8 * layers * d * t,
                "the backward pass has two products for each one forward, so it is six, not four"),
        Mistake("one layer", lambda n, layers, d, t: 6 * n + 12 * d * t,
                "every layer has scores and mixture of its own"),
        Mistake("products", lambda n, layers, d, t: 3 * n + 6 * layers * d * t,
                "you count a multiplication with its addition as one operation: they are two"),
    ),
)  # fmt: skip

EXERCISES = {f"llama.{i}": e for i, e in enumerate((COUNT, EMBEDDING, STEP, COST), start=1)}
