"""Exercises of chapter ``sft``: what is learnt, its loss, who sees whom in a row, a conversation as ids."""

import re

import numpy as np
import torch
from torch.nn import functional as F

from llamalite.align import sft as in_torch
from llamalite.align.chat import END, END_OF_TURN, START, Message, encode_llama3
from llamalite.exercises.engine import Exercise, Mistake, Property, normals
from llamalite.text.tokenization.ranked import BEGIN, HEADERS, RankedTokenizer, byte_order
from llamalite.text.tokenization.ranked import END as END_OF_TEXT

# --- sft.1: what is learnt ---------------------------------------------------------------------------


def trained_mask(roles):
    return [
        role == "assistant" or (role == "end" and i > 0 and roles[i - 1] == "assistant")
        for i, role in enumerate(roles)
    ]


def by_turns(roles):
    """The oracle cuts the dialogue at the ends of turns and looks at who spoke in each."""
    found, turn = [], []
    for role in roles:
        turn.append(role)
        if role == "end":
            found += [turn[0] == "assistant"] * len(turn)
            turn = []
    return found


def mask_with(*learnt):
    def answer(roles):
        return [role in learnt for role in roles]

    return answer


def last_answer_only(roles):
    mask = trained_mask(roles)
    start = max((i for i, t in enumerate(mask) if t and (i == 0 or not mask[i - 1])), default=0)
    return [t and i >= start for i, t in enumerate(mask)]


def one_early(roles):
    return [*trained_mask(roles)[1:], False]


TALK = [
    "user",
    "user",
    "end",
    "assistant",
    "assistant",
    "assistant",
    "end",
    "user",
    "end",
    "assistant",
    "end",
]

MASK = Exercise(
    title="trained_mask(roles): for each token, is it learnt? a role a token: system, user, assistant, end",
    cases=lambda: [
        (TALK,),
        (["system", "end", "user", "end", "assistant", "end"],),
        (["user", "end", "assistant", "assistant", "end", *["user"] * 3, "end", "assistant", "end"],),
    ],
    oracle=by_turns,
    solution=trained_mask,
    why="What the assistant says is learnt, in every turn, and so is the token that ends it: without that "
    "the model would never be told when to stop. The user's end is the user's.",
    hints=(
        "Learn what the assistant says, and that it stops.",
        "An end token is the assistant's when the token before it is.",
    ),
    mistakes=(
        Mistake("never stops", mask_with("assistant"), "no end is learnt: such a model never stops"),
        Mistake("every end", mask_with("assistant", "end"), "you learn the ends of the user's turns as well"),
        Mistake("everything", lambda roles: [True] * len(roles), "you learn the questions, too"),
        Mistake("last only", last_answer_only, "only the last answer is learnt, as in Ghost Attention"),
        Mistake("one early", one_early, "the mask stands one token too early: the end drops out of it"),
    ),
)  # fmt: skip

# --- sft.2: the loss ---------------------------------------------------------------------------------


def answer_loss(logits, tokens, trained):
    shifted = logits[:-1] - logits[:-1].max(-1, keepdims=True)
    logprobs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    losses = -logprobs[np.arange(len(tokens) - 1), tokens[1:]]
    return (losses * trained[1:]).sum() / trained[1:].sum()


def by_pytorch(logits, tokens, trained):
    targets = torch.where(torch.tensor(trained), torch.tensor(tokens), -100)[1:]
    return F.cross_entropy(torch.tensor(logits)[:-1], targets, ignore_index=-100).item()


def loss_with(ahead=1, mask_ahead=1, divide="trained"):
    def answer(logits, tokens, trained):
        n = len(tokens)
        logprobs = torch.tensor(logits).log_softmax(-1).numpy()
        at = np.arange(n - 1) if ahead else np.arange(1, n)
        losses = -logprobs[at, tokens[1:]]
        counts = trained[1:] if mask_ahead else trained[:-1]
        below = {"trained": counts.sum(), "all": n - 1, "nothing": 1}[divide]
        return (losses * counts).sum() / below

    return answer


def loss_case(n, vocab, seed, first):
    rng = np.random.default_rng(seed)
    trained = np.arange(n) >= first
    trained[-2] = False
    return 2 * normals((n, vocab), seed=seed)[0], rng.integers(0, vocab, n), trained


LOSS = Exercise(
    title="answer_loss(logits, tokens, trained): mean loss of what is trained; shapes (T, V), (T,), (T,)",
    cases=lambda: [loss_case(9, 5, 0, 4), loss_case(7, 3, 1, 3), loss_case(12, 8, 2, 7)],
    oracle=by_pytorch,
    solution=answer_loss,
    why="The logits at t are about token t+1, so that tokens and mask are shifted alike: trained[t] is about "
    "predicting tokens[t]. Divide by how many tokens count, or the loss depends on the question's length.",
    hints=(
        "logits[t] is the prediction of tokens[t + 1].",
        "Take logits[:-1], tokens[1:] and trained[1:].",
        "Minus the log-softmax at the tokens, times the mask, summed, divided by the sum of the mask.",
    ),
    mistakes=(
        Mistake("not shifted", loss_with(ahead=0), "logits[t] predict tokens[t + 1], not tokens[t]"),
        Mistake("mask not shifted", loss_with(mask_ahead=0),
                "the mask is not shifted as tokens are: a token of the question is learnt, the end is not"),
        Mistake("mean over all", loss_with(divide="all"), "you divide by all tokens, not by those learnt"),
        Mistake("sum", loss_with(divide="nothing"), "a sum: long answers would take longer steps; divide"),
    ),
)  # fmt: skip

# --- sft.3: who sees whom ----------------------------------------------------------------------------


def document_mask(document):
    places = np.arange(len(document))
    return (document[:, None] == document[None, :]) & (places[:, None] >= places[None, :])


def by_module(document):
    return in_torch.document_mask(torch.tensor(document)[None])[0].numpy()


def seeing(rule):
    def answer(document):
        places = np.arange(len(document))
        return rule(document[:, None], document[None, :], places[:, None], places[None, :])

    return answer


ROWS = Exercise(
    title="document_mask(document): (T,) numbers of dialogues → (T, T), True where a row's token may look",
    cases=lambda: [
        (np.array([0, 0, 0, 1, 1, 2, -1]),),
        (np.array([0, 1, 1, 1]),),
        (np.array([0, 0, 0]),),
    ],
    oracle=by_module,
    solution=document_mask,
    why="Two conditions: it is no later than I am, and it belongs to my dialogue. Together they make "
    "triangles down the diagonal. (Padding gets one of its own; nothing is learnt there.)",
    hints=(
        "Compare document with itself, once as a column and once as a row.",
        "And with what chapter 03 says: nobody looks ahead.",
    ),
    mistakes=(
        Mistake("causal", seeing(lambda d, e, i, j: (i >= j) & (d == d)),
                "only causal: a dialogue reads what a stranger said before it"),
        Mistake("both ways", seeing(lambda d, e, i, j: d == e), "within a dialogue tokens look ahead"),
        Mistake("transposed", seeing(lambda d, e, i, j: (d == e) & (i <= j)),
                "rows and columns are exchanged: the row is who looks"),
        Mistake("not itself", seeing(lambda d, e, i, j: (d == e) & (i > j)),
                "a token has to see itself; the first of each dialogue would see nothing"),
        Mistake("earlier ones", seeing(lambda d, e, i, j: (d >= e) & (i >= j)),
                "earlier dialogues are open: d >= e should be d == e"),
    ),
    properties=(
        Property("every token must see itself", lambda answer: np.diag(answer(np.array([0, 1, 1]))).all()),
    ),
)  # fmt: skip

# --- sft.4: a conversation as ids --------------------------------------------------------------------


def chat_ids(roles, contents, length):
    ids = [0]
    for i in range(len(roles)):
        ids += [1, roles[i], 2, 4, *contents[i], 3]
    ids += [1, 7, 2, 4]
    return ids + [-1] * (length - len(ids))


NUMBERS = {BEGIN: 0, START: 1, END: 2, END_OF_TURN: 3, "\n\n": 4, "system": 5, "user": 6, "assistant": 7}


def by_format(roles, contents, length):
    """The oracle lets the book's own format write the conversation, and reads numbers out of its text."""
    tokenizer = RankedTokenizer(byte_order(), special_tokens=(BEGIN, END_OF_TEXT, *HEADERS.values()))
    named = {number: name for name, number in NUMBERS.items()}
    words = ["".join(chr(0x3000 + number) for number in row) for row in contents]
    said = [Message(named[role], text) for role, text in zip(roles, words, strict=True)]
    specials = {number: name.encode() for name, number in tokenizer.special_ids.items()}
    ids = encode_llama3(tokenizer, said)
    text = b"".join(specials.get(i) or tokenizer.token_bytes(i) for i in ids).decode()
    found = re.findall(r"<\|\w+\|>|\n\n|[a-z]+|[^\0-\x7f]", text)
    found = [NUMBERS[part] if part in NUMBERS else ord(part) - 0x3000 for part in found]
    return np.pad(found, (0, length - len(found)), constant_values=-1)


def ids_with(begin_each=False, empty_line=True, header=True, ends=True):
    def answer(roles, contents, length):
        ids = [] if begin_each else [0]
        for role, content in zip(roles, contents, strict=True):
            ids += [0] * begin_each + [1, role, 2] + [4] * empty_line + [*content] + [3] * ends
        ids += ([1, 7, 2] + [4] * empty_line) * header
        return ids + [-1] * (length - len(ids))

    return answer


FORMAT = Exercise(
    title="chat_ids(roles, contents, length): Llama 3's format, each turn a role and a row; -1 pads",
    cases=lambda: [
        ([6], np.array([[10, 11]]), 20),
        ([5, 6], np.array([[12, 13, 14], [10, 11, 13]]), 26),
        ([6, 7, 6], np.array([[10, 12], [14, 15], [16, 17]]), 32),
    ],
    oracle=by_format,
    solution=chat_ids,
    why="Begin of text once. Each turn: its header, an empty line, the content, the end of turn. At last "
    "the header of the assistant stands alone: what follows it is the answer.",
    hints=(
        "<|begin_of_text|> is 0 here and comes once; a header is 1, role, 2; the empty line is 4; eot is 3.",
        "Each turn is [1, role, 2, 4, *content, 3].",
        "The last four ids are the header of the assistant (role 7) and its empty line.",
    ),
    mistakes=(
        Mistake("double begin", ids_with(begin_each=True),
                "a text begins once; Llama 2 begins every question anew, Llama 3 does not"),
        Mistake("no empty line", ids_with(empty_line=False), "the empty line behind each header is missing"),
        Mistake("no header", ids_with(header=False), "the assistant's header is missing: whose turn is it?"),
        Mistake("no ends", ids_with(ends=False), "no turn ends: put 3 behind each content"),
    ),
)  # fmt: skip

EXERCISES = {"sft.1": MASK, "sft.2": LOSS, "sft.3": ROWS, "sft.4": FORMAT}
