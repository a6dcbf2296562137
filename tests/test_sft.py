"""What is learnt of a dialogue, and packing that changes nothing: against arithmetic and unpacked rows."""

import math
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import shape, sharp_weights
from torch.nn import functional as F

from llamalite.align.chat import FORMATS, Message
from llamalite.align.sft import (
    Example,
    as_rows,
    document_mask,
    encode_dialogue,
    encode_pair,
    encode_text,
    fine_tune,
    forward_of,
    held_out_loss,
    mean_over,
    pack,
    pad,
    predicted,
    sft_loss,
    sft_losses,
    token_logprobs,
)
from llamalite.align.tuning import Tuning
from llamalite.in_torch.llama import Llama, init_weights
from llamalite.text.tokenization.bytes import ByteTokenizer
from llamalite.text.tokenization.ranked import BEGIN, END, HEADERS, RankedTokenizer, byte_order
from llamalite.text.tokenization.tokenizer import load_tokenizer

SYSTEM = Message("system", "Be brief.")
DIALOGUE = [
    Message("user", "Hello"),
    Message("assistant", "Hi there!"),
    Message("user", "Bye"),
    Message("assistant", "So long."),
]
BYTES = RankedTokenizer(byte_order(), special_tokens=(BEGIN, END, *HEADERS.values()))  # Llama 3's, of bytes
TOKENIZERS = {"llama2": ByteTokenizer(), "llama3": BYTES}


def learnt(tokenizer, example: Example) -> list[str]:
    """The stretches of text that are trained, specials by name."""
    names = {i: name for name, i in tokenizer.special_ids.items()}
    found, before = [], False
    for i, trained in zip(example.ids, example.trained, strict=True):
        text = names.get(i) or tokenizer.token_bytes(i).decode()
        if trained:
            found = [*found[:-1], found[-1] + text] if before else [*found, text]
        before = trained
    return found


# --- the mask ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [DIALOGUE, [SYSTEM, *DIALOGUE]])
def test_the_answers_are_learnt_with_their_ends_and_nothing_else_is(messages):
    two, three = (encode_dialogue(FORMATS[n], TOKENIZERS[n], messages) for n in FORMATS)
    assert learnt(TOKENIZERS["llama2"], two) == [" Hi there! </s>", " So long. </s>"]
    assert learnt(BYTES, three) == ["Hi there!<|eot_id|>", "So long.<|eot_id|>"]
    last = encode_dialogue(FORMATS["llama3"], BYTES, messages, last_only=True)
    assert last.ids == three.ids and learnt(BYTES, last) == ["So long.<|eot_id|>"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_dialogue_is_what_the_format_writes_for_the_next_question(name):
    """So that what is learnt is what chat will show: no second bos, no lost space."""
    tokenizer, again = TOKENIZERS[name], Message("user", "?")
    whole = FORMATS[name].encode(tokenizer, [*DIALOGUE, again])
    ids = encode_dialogue(FORMATS[name], tokenizer, DIALOGUE).ids
    assert whole[: len(ids)] == ids
    assert ids.count(tokenizer.bos_id) == {"llama2": 2, "llama3": 1}[name]


def test_golden_ids_of_metas_tokenizers(real):
    """The two turns of facts E1; and the answer that follows the golden prompt of facts E2."""
    turns = [Message("user", "Hello"), Message("assistant", "Hi there!")]
    two = encode_dialogue(FORMATS["llama2"], load_tokenizer(real / "llama2-tokenizer.model"), turns)
    answer = [6324, 727, 29991, 29871, 2]
    assert two.ids == [1, 518, 25580, 29962, 15043, 518, 29914, 25580, 29962, *answer]
    assert two.trained == [False] * 9 + [True] * 5
    tokenizer = load_tokenizer(real / "llama3-tokenizer.model")
    three = encode_dialogue(FORMATS["llama3"], tokenizer, turns)
    assert three.ids[:10] == [128000, 128006, 882, 128007, 271, 9906, 128009, 128006, 78191, 128007]
    assert three.trained == [False] * 11 + [True] * (len(three.ids) - 11) and three.ids[-1] == 128009
    assert tokenizer.decode(three.ids[11:-1]) == "Hi there!"


def test_a_dialogue_without_an_answer_is_refused():
    with pytest.raises(ValueError, match="last turn must be the assistant's"):
        encode_dialogue(FORMATS["llama3"], BYTES, DIALOGUE[:3])


def test_of_a_text_everything_is_learnt_but_its_beginning():
    example = encode_text(BYTES, "ab")
    assert example.ids == [BYTES.bos_id, *BYTES.encode("ab"), BYTES.eos_id]
    assert example.trained == [False, True, True, True]


# --- the loss ------------------------------------------------------------------------------------------


def test_the_loss_by_hand():
    """Of four tokens after the first, two are trained, with probabilities 1/2 and 1/8: (1 + 3) ln 2 / 2."""
    table = torch.tensor([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]], dtype=torch.float64).log()
    logits = table[torch.tensor([[0, 1, 0, 0, 0]])]
    tokens = torch.tensor([[1, 0, 2, 1, 1]])
    logprobs = token_logprobs(logits, tokens)
    assert logprobs.exp()[0].tolist() == pytest.approx([0.5, 0.125, 0.25, 0.25])
    counts = torch.tensor([[True, True, False, False]])
    losses = sft_losses(logprobs, counts)
    assert losses[0].tolist() == pytest.approx([math.log(2), 3 * math.log(2), 0, 0])
    assert mean_over(losses, counts).item() == pytest.approx(2 * math.log(2))


def model(seed=0, **changes) -> Llama:
    cfg = shape("llama3").with_(max_seq_len=64, **changes)
    state = {k: torch.tensor(v) for k, v in sharp_weights(cfg, seed).items()}
    llama = Llama(cfg).double()
    llama.load_state_dict(state)
    return llama


def some(cfg, lengths, seed=0) -> list[Example]:
    rng = Random(seed)
    return [
        Example(rng.choices(range(cfg.vocab_size), k=n), [False, True] + rng.choices([False, True], k=n - 2))
        for n in lengths
    ]


@pytest.mark.parametrize("lengths", [[9, 4, 7, 3, 5], [2, 2, 2], [12]])
def test_packing_changes_neither_losses_nor_gradients(lengths):
    """In float64, with sharp weights: each trained token has the same loss, each weight the same gradient."""
    llama = model()
    examples = some(llama.cfg, lengths)
    forward, found = forward_of(llama), []
    for rows, packed in ((pad(examples), False), (as_rows(pack(examples, 16), 16), True)):
        llama.zero_grad()
        loss = sft_loss(forward, rows, packed)
        loss.backward()
        found.append((loss.item(), {n: p.grad.clone() for n, p in llama.named_parameters()}))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12) and found[0][0] > 1
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], gradient, rtol=1e-9, atol=1e-11)


def test_without_the_document_mask_packing_is_another_loss():
    """The test above can fail: what it holds is not so without the mask, nor without the positions."""
    llama = model()
    rows = as_rows(pack(some(llama.cfg, [9, 7]), 16), 16)
    assert (
        abs(sft_loss(forward_of(llama), rows).item() - sft_loss(forward_of(llama), rows, True).item()) > 1e-3
    )


def test_what_stands_before_in_the_row_does_not_predict_the_next_dialogue():
    rows = as_rows([[Example([1, 2], [True, True]), Example([3, 4], [True, True])]], 5)
    assert predicted(rows).tolist() == [[True, False, True, False]]
    assert rows.positions.tolist() == [[0, 1, 0, 1, 0]] and rows.document.tolist() == [[0, 0, 1, 1, -1]]


@given(st.lists(st.integers(1, 10), min_size=1, max_size=20))
@settings(deadline=None)
def test_packing_loses_no_token(lengths):
    examples = [Example([i] * n, [True] * n) for i, n in enumerate(lengths)]
    rows = pack(examples, 10)
    assert sorted(e.ids for row in rows for e in row) == sorted(e.ids for e in examples)
    assert all(sum(len(e.ids) for e in row) <= 10 for row in rows)
    assert len(rows) <= 2 * math.ceil(sum(lengths) / 10)  # first fit: at most one row is under half full


def test_the_mask_of_a_row_by_loops():
    document = torch.tensor([[0, 0, 1, 1, 1, -1, -1]])
    mask = document_mask(document)[0]
    for q in range(7):
        for k in range(7):
            assert mask[q, k].item() == (k <= q and document[0, q].item() == document[0, k].item())


def test_an_example_that_fits_into_no_row_is_refused():
    with pytest.raises(ValueError, match="has 5 tokens, and a row holds 4"):
        pack([Example([0] * 5, [True] * 5)], 4)
    llama = init_weights(Llama(shape("llama3").with_(max_seq_len=8)))
    with pytest.raises(ValueError, match="has 9 tokens, and the model's context is 8"):
        fine_tune(llama, some(llama.cfg, [9]), Tuning(1))
    with pytest.raises(ValueError, match="no example"):
        fine_tune(llama, [], Tuning(1))


# --- the stage -----------------------------------------------------------------------------------------


def test_fine_tuning_learns_the_answers_and_when_to_stop():
    """Four pairs are learnt by heart, packed; the loss over the answers' ends falls as well."""
    examples = [encode_pair(FORMATS["llama3"], BYTES, f"{i}?", "ab" * (i + 1)) for i in range(4)]
    cfg = shape("llama3", vocab_size=BYTES.vocab_size).with_(max_seq_len=80)
    llama = init_weights(Llama(cfg))
    before = held_out_loss(forward_of(llama), examples)
    made = fine_tune(llama, examples, Tuning(60, batch_size=4, lr=1e-2, warmup=5), length=80)
    after = held_out_loss(forward_of(llama), examples)
    assert after < 0.3 < 2 < before and made[-1]["loss"] == pytest.approx(after, abs=0.05)
    ends = [Example(e.ids, [False] * (len(e.ids) - 1) + [True]) for e in examples]
    assert held_out_loss(forward_of(llama), ends) < 1


def test_the_loss_is_that_of_pytorch():
    llama = model()
    rows = pad(some(llama.cfg, [6, 9, 3]))
    targets = torch.where(rows.trained[:, 1:], rows.tokens[:, 1:], -100)  # trained[t] is about tokens[t]
    logits = forward_of(llama)(rows.tokens)[:, :-1]
    theirs = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    assert sft_loss(forward_of(llama), rows).item() == pytest.approx(theirs.item(), rel=1e-12)
