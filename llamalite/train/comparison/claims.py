"""Forty sentences that are said about Llama 1, 2 and 3, each held against its source.

They are those of the notes that this book grew out of, which repeat what is commonly told. ``verdict`` is
"holds", "in part" (true of some models, or of one document), "misleading" or "wrong". Where ``truth`` can be
computed, ``check`` computes it. Left out: what nobody can check, such as which change mattered most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from llamalite.config import preset
from llamalite.train.comparison.ledger import changed
from llamalite.train.comparison.published import TRAINING
from llamalite.train.parallel.published import PEAK, TABLE_4

VERDICTS = ("holds", "in part", "misleading", "wrong")


class Claim(NamedTuple):
    said: str
    verdict: str
    truth: str
    source: str
    check: Callable[[], bool] | None = None


def kv_heads(*names: str) -> list[int]:
    return [preset(name).n_kv_heads for name in names]


def contexts(*names: str) -> list[int]:
    return [preset(name).max_seq_len for name in names]


def tokens(*names: str) -> list[float]:
    return [TRAINING[name].tokens / 1e12 for name in names]


P1, P2, P3 = "Llama 1 paper", "Llama 2 paper", "Llama 3 paper"
B3, C3 = "Llama 3 announcement, April 2024", "Llama 3 model card"

CLAIMS = (
    Claim("Released in February 2023, July 2023 and April 2024.", "holds",
          "24 February (announced), 18 July and 18 April.", f"Llama 1 announcement, Llama 2 licence, {C3}"),
    Claim("Llama 1 was trained on 1.4T tokens.", "in part",
          "Only 33B and 65B were; 7B and 13B saw 1.0T.", f"{P1}, table 2",
          lambda: tokens("llama1-7b", "llama1-13b", "llama1-33b", "llama1-65b") == [1.0, 1.0, 1.4, 1.4]),
    Claim("Llama 2 was trained on 2T tokens.", "holds",
          "So says its own paper; the Llama 3 paper gives it 1.8T.", f"{P2}, 2.1; {P3}, 1"),
    Claim("Llama 3 was trained on 15T tokens.", "holds",
          "Over 15T; the 405B of Llama 3.1 on 15.6T.", f"{C3}; {P3}, 1"),
    Claim("Contexts of 2K, 4K and 8K.", "holds",
          "And 131,072 from Llama 3.1 on.", "papers and model cards",
          lambda: contexts("llama1-7b", "llama2-7b", "llama3-8b", "llama3.1-8b")
          == [2048, 4096, 8192, 131_072]),
    Claim("Llama 1 came as 7B, 13B, 33B, 65B.", "holds",
          "The folder of the 33B is called 30B.", f"{P1}; its download script",
          lambda: all(round(preset(f"llama1-{n}b").n_params / 1e9) == n for n in (7, 13, 33, 65))),
    Claim("Llama 2 came as 7B, 13B, 34B, 70B.", "in part",
          "34B was trained and reported, but not released: no time was left to red team it.", f"{P2}, 1"),
    Claim("Llama 3: 8B, 70B, and 400B is coming.", "in part",
          "It came, as the 405B of Llama 3.1, on 23 July 2024.", "Llama 3.1 model card"),
    Claim("Heads: MHA; MHA and for 34B and 70B GQA; GQA.", "holds",
          "Wherever there is GQA, there are 8 key/value heads.", f"{P2}, table 1; {P3}, 3.2",
          lambda: kv_heads("llama1-65b", "llama2-13b", "llama2-70b", "llama3-8b", "llama3.1-405b")
          == [64, 40, 8, 8, 8]),
    Claim("Llama 1 and 2 have the same SentencePiece tokenizer of 32K.", "holds",
          "Exactly 32,000 pieces.", f"{P2}, 2.2; the file itself",
          lambda: preset("llama1-7b").vocab_size == preset("llama2-70b").vocab_size == 32_000),
    Claim("Llama 3's tokenizer has 128K entries.", "in part",
          "128,000 and 256 special ones: 128,256; and it is of another kind, byte-level BPE.",
          "the file itself; Meta's tokenizer.py", lambda: preset("llama3-8b").vocab_size == 128_000 + 256),
    Claim("Llama 2 is a family from 7B to 70B, with chat models.", "holds", "Its abstract.", P2),
    Claim("Llama 2 had 40% more data and twice the context.", "holds",
          "2.0T beside 1.4T are 43% more; beside the 1.0T of the small ones it is twice as much.",
          f"{P2}, 1 and 2", lambda: round(100 * (2.0 / 1.4 - 1)) == 43),
    Claim("Llama 2 is decoder-only, like Llama 1.", "holds",
          "7B and 13B are even the same network, but for the context and one eps.", f"{P2}, 2.2",
          lambda: set(changed("llama1-13b", "llama2-13b")) == {"norm_eps", "max_seq_len"}),
    Claim("BERT is encoder-only, for classification and entities.", "holds",
          "Common knowledge.", "chapter 04"),
    Claim("An encoder–decoder needs an output embedding, a decoder does not.", "misleading",
          "A decoder-only model has an output head too; it lacks encoder and cross-attention.", "chapter 04"),
    Claim("Decoder-only models: GPT, LLaMA, Claude, PaLM.", "in part",
          "Claude's architecture is not published.", "–"),
    Claim("Llama 1 took pre-normalisation from GPT-3.", "holds",
          "So its paper says. The norm itself is RMSNorm, which the sentence leaves out.", f"{P1}, 2.2"),
    Claim("Llama 1 took SwiGLU from PaLM.", "holds",
          "With a hidden width of 2/3 · 4d instead of PaLM's 4d; the function is Shazeer's.", f"{P1}, 2.2"),
    Claim("Llama 1 took rotary embeddings from GPT-Neo.", "misleading",
          "The paper prints it, but GPT-Neo has learned positions; GPT-NeoX rotates. Su and others' idea.",
          f"{P1}, 2.2; both models' code"),
    Claim("Llama 2's only change is GQA for 34B and 70B.", "in part",
          "The paper names the longer context as well; and the data are new, and 40% more.", f"{P2}, 2"),
    Claim("Llama 2-Chat: pretraining, fine-tuning, then RLHF in rounds.", "holds",
          "Versions 1 to 5, with rejection sampling and at last PPO.", f"{P2}, 3"),
    Claim("GQA was of use for the small models, too.", "in part",
          "For inference: a cache of 128 KiB a token, not 512. No ablation at 8B was published.", B3,
          lambda: [preset(f"llama{n}b").kv_cache_bytes_per_token() // 2**10 for n in ("3-8", "2-7")]
          == [128, 512]),
    Claim("Llama 3's data hold four times more code.", "holds",
          "Than Llama 2's; and they are seven times as large.", B3),
    Claim("Over 5% of Llama 3's data are not English, in over 30 languages.", "holds",
          "In April 2024; the mix of 3.1 has about 8%.", f"{B3}; {P3}, 3.1.2"),
    Claim("Heuristic, NSFW and semantic filters, and text classifiers.", "holds",
          "The paper tells of MinHash and lines for pretraining, of semantics for fine-tuning.",
          f"{B3}; {P3}, 3.1.1, 4.2.3"),
    Claim("Llama 2 was the classifier of text quality.", "wrong",
          "It wrote the labels; the classifiers are fastText and DistilRoBERTa.", f"{B3}; {P3}, 3.1.1"),
    Claim("The mix was chosen to do well on trivia, STEM, code and history.", "holds", "So it says.", B3),
    Claim("The Llama 1 paper puts the optimum for 8B at 200B tokens.", "wrong",
          "That is in the Llama 3 announcement. Llama 1's has 200B for 10B; its 7B still improves after 1T.",
          f"{B3}; {P1}, 1"),
    Claim("8B and 70B improve log-linearly up to 15T.", "holds",
          "The 'two orders of magnitude' over 200B are a factor of 75.", B3, lambda: 15e12 / 200e9 == 75),
    Claim("Training time was reduced by more than 95%.", "wrong",
          "'Effective training time of more than 95%' is the share of hours spent training. 405B: over 90%.",
          f"{B3}; {P3}, 3.3.4"),
    Claim("Data, model and pipeline parallelism.", "holds",
          "The 405B also along the context.", f"{B3}; {P3}"),
    Claim("Over 400 TFLOPS on 16K GPUs.", "holds",
          "For each GPU and second, which is 40% of an H100's peak (printed: 41%).", f"{B3}; {P3}, table 4",
          lambda: TABLE_4[1].tflops == 400 and 0.40 < 400 / PEAK < 0.41),
    Claim("Two clusters of 24K GPUs.", "holds",
          "405B used at most 16K of one of them.", f"{B3}; {P3}, 3.3.1"),
    Claim("Errors found automatically, silent corruption, better storage.", "holds", "So it says.", B3),
    Claim("Training three times as efficient as Llama 2's.", "holds",
          "As Meta's claim. As a share of the chip's peak the two are alike: most of it is the newer chip.",
          f"{B3}; our reckoning from published GPU hours"),
    Claim("Post-training: SFT, rejection sampling, PPO and DPO.", "in part",
          "Of April 2024. The paper on 3.1 has no PPO and says why.", f"{B3}; {P3}, 4.1.4"),
    Claim("Rejection sampling removes the bad answers.", "misleading",
          "It samples K answers and trains on the best one, by the reward model.", f"{P2}, 3.2.3; {P3}, 4"),
    Claim("The quality of prompts and rankings mattered most in post-training.", "holds",
          "So it says.", B3),
    Claim("PPO and DPO helped much in reasoning and code.", "holds",
          "They teach the model to select what it can already produce.", B3),
)  # fmt: skip

# Where what Meta printed contradicts itself or other things it printed: (what, how it shows).
CONTRADICTIONS = (
    ("a list of Meta's own models gives Llama 2 7B and 13B eight key/value heads and theta 500,000",
     "paper, code and every checkpoint say otherwise"),
    ("Llama 3.2's RoPE factor: 32 in the Hugging Face configs, 8 in Meta's reference code", "unexplained"),
    ("Llama 3 paper, table 3: a vocabulary of 128,000", "the matrices have 128,256 rows"),
    ("Llama 3 paper: (α, A) of its scaling law in the text and in figure 3",
     "only those of the figure lead to its 16.55T tokens, nearly"),
    ("Llama 3 paper, table 5: 148 faulty GPUs of 419 are 30.1%",
     "they are 35.3%, and all GPU faults 64.0%, not 58.7%"),
    ("Llama 3 paper, 3.4.3: annealing on 40M tokens", "some 2.4 steps of the final batch"),
    ("Llama 2's tokens: 2.0T in its paper, 1.8T in that on Llama 3", "we take its own"),
    ("effective training time: over 95% announced, over 90% in the paper", "different models"),
    ("Llama 1 65B: 65.2B parameters printed", "65.29B computed"),
    ("Llama 1 on ARC-easy: 72.8 (7B) in the paper, 76.7 on the model card", "unexplained"),
    ("Llama 3.1 8B on WinoGrande: 60.5 on the model card, 75.7 in the paper", "unexplained"),
    ("Llama 2 70B on MMLU: 68.9 in 2023, 69.7 in 2024", "two evaluations by one company"),
)  # fmt: skip
