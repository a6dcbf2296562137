"""What Meta printed about Llama 1, 2 and 3: training and scores, a table each, with the place it is from.

Numbers are as printed (facts A3, J); shapes come from ``config``. Scores are in percent. Left out: scores of
other families, safety, several languages, long context; and whatever was measured by anyone but Meta.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Training(NamedTuple):
    tokens: float
    gpu_hours: float
    gpu: str
    source: str


_L1, _L2 = "Llama 1 paper, tables 2 and 15", "Llama 2 paper, tables 1 and 2"
_L3, _L31 = "Llama 3 model card", "Llama 3 paper, section 1; Llama 3.1 model card"
TRAINING = {
    "llama1-7b": Training(1.0e12, 82_432, "A100", _L1),
    "llama1-13b": Training(1.0e12, 135_168, "A100", _L1),
    "llama1-33b": Training(1.4e12, 530_432, "A100", _L1),
    "llama1-65b": Training(1.4e12, 1_022_362, "A100", _L1),
    "llama2-7b": Training(2.0e12, 184_320, "A100", _L2),
    "llama2-13b": Training(2.0e12, 368_640, "A100", _L2),
    "llama2-34b": Training(2.0e12, 1_038_336, "A100", _L2),  # trained, never released
    "llama2-70b": Training(2.0e12, 1_720_320, "A100", _L2),
    "llama3-8b": Training(15e12, 1.3e6, "H100", _L3),  # "15T+"
    "llama3-70b": Training(15e12, 6.4e6, "H100", _L3),
    "llama3.1-405b": Training(15.6e12, 30.84e6, "H100", _L31),
}


class Table(NamedTuple):
    """Scores that one group measured with one program: what stands in it may be compared, row by row."""

    source: str
    harness: str  # whose program, and when: two tables with one name were measured together
    stage: str  # "base", or "chat" for models that were taught to answer
    settings: dict[str, str | None]  # benchmark → shots and way of asking; None: we do not know
    scores: dict[str, tuple[float, ...]]  # model → in the order of ``settings``
    intervals: Mapping[str, tuple[float | None, ...]] = MappingProxyType({})  # half of 95%, where printed


LLAMA_2_PAPER = Table(
    "Llama 2 paper, tables 3, 19, 20, 21, 25",
    "Meta, July 2023",
    "base",
    {
        "MMLU": "5-shot", "HumanEval": "0-shot, pass@1", "MBPP": "3-shot", "GSM8K": "8-shot",
        "MATH": "4-shot", "HellaSwag": "0-shot", "ARC-e": "0-shot",
        "ARC-c": "0-shot, likelihood of the answer", "BoolQ": "0-shot", "PIQA": "0-shot",
        "WinoGrande": "0-shot", "BBH": "3-shot", "AGIEval": None,
    },
    {
        "llama1-7b": (35.1, 10.5, 17.7, 11.0, 2.9, 76.1, 72.8, 47.6, 76.5, 79.8, 70.1, 30.3, 23.9),
        "llama1-13b": (46.9, 15.8, 22.0, 17.8, 3.9, 79.2, 74.8, 52.7, 78.1, 80.1, 73.0, 37.0, 33.9),
        "llama1-33b": (57.8, 21.7, 30.2, 35.6, 7.1, 82.8, 80.0, 57.8, 83.1, 82.3, 76.0, 39.8, 41.7),
        "llama1-65b": (63.4, 23.7, 37.7, 50.9, 10.6, 84.2, 78.9, 56.0, 85.3, 82.8, 77.0, 43.5, 47.6),
        "llama2-7b": (45.3, 12.8, 20.8, 14.6, 2.5, 77.2, 75.2, 45.9, 77.4, 78.8, 69.2, 32.6, 29.3),
        "llama2-13b": (54.8, 18.3, 30.6, 28.7, 3.9, 80.7, 77.3, 49.4, 81.7, 80.5, 72.8, 39.4, 39.1),
        "llama2-34b": (62.6, 22.6, 33.0, 42.2, 6.24, 83.3, 79.4, 54.5, 83.7, 81.9, 76.7, 44.1, 43.4),
        "llama2-70b": (68.9, 29.9, 45.0, 56.8, 13.5, 85.3, 80.2, 57.4, 85.0, 82.8, 80.2, 51.2, 54.2),
    },
)  # fmt: skip

LLAMA_3_CARD = Table(
    "Llama 3 model card",
    "Meta, April 2024",
    "base",
    {
        "MMLU": "5-shot", "AGIEval": "3–5-shot, in English", "CommonSenseQA": "7-shot",
        "WinoGrande": "5-shot", "BBH": "3-shot, chain of thought",
        "ARC-c": "25-shot, likelihood of the letter", "TriviaQA": "5-shot", "SQuAD": "1-shot",
        "BoolQ": "0-shot", "DROP": "3-shot, F1",
    },
    {
        "llama2-7b": (45.7, 28.8, 57.6, 73.3, 38.1, 53.7, 72.1, 72.2, 65.5, 37.9),
        "llama2-13b": (53.8, 38.7, 67.6, 75.4, 47.0, 67.6, 79.6, 72.1, 66.9, 49.8),
        "llama2-70b": (69.7, 54.8, 78.7, 81.8, 65.7, 85.3, 87.5, 82.6, 73.1, 70.2),
        "llama3-8b": (66.6, 45.9, 72.6, 76.1, 61.1, 78.6, 78.5, 76.4, 75.7, 58.4),
        "llama3-70b": (79.5, 63.0, 83.8, 83.1, 81.3, 93.0, 89.7, 85.6, 79.0, 79.7),
    },
)  # fmt: skip

LLAMA_3_PAPER = Table(
    "Llama 3 paper, tables 10 to 13",
    "Meta, July 2024",
    "base",
    {
        "MMLU": None, "HumanEval": None, "MBPP": None, "GSM8K": None, "MATH": None,
        "ARC-c": "25-shot, likelihood of the letter", "DROP": None, "PIQA": None, "WinoGrande": None,
        "BBH": None,
    },
    {
        "llama3.1-8b": (66.7, 37.2, 47.6, 57.2, 20.3, 79.7, 59.5, 81.0, 75.7, 64.2),
        "llama3.1-70b": (79.3, 58.5, 66.2, 83.7, 41.4, 92.9, 79.6, 83.8, 83.5, 81.6),
        "llama3.1-405b": (85.2, 61.0, 73.4, 89.0, 53.8, 96.1, 84.8, 85.6, 82.2, 85.9),
    },
    {
        "llama3.1-8b": (None, 7.4, 4.4, 2.7, 1.1, 2.3, 1.0, 1.8, 2.0, 1.2),
        "llama3.1-70b": (None, 7.5, 4.1, 2.0, 1.4, 1.5, 0.8, 1.7, 1.7, 0.9),
        "llama3.1-405b": (None, 7.5, 3.9, 1.7, 1.4, 1.1, 0.7, 1.6, 1.8, 0.8),
    },
)  # fmt: skip

CHAT_CARD = Table(
    "Llama 3 model card",
    "Meta, April 2024",
    "chat",
    {
        "MMLU": "5-shot", "HumanEval": "0-shot, pass@1", "GSM8K": "8-shot, chain of thought",
        "MATH": "4-shot, chain of thought", "GPQA": "0-shot",
    },
    {
        "llama2-7b": (34.1, 7.9, 25.7, 3.8, 21.7),
        "llama2-13b": (47.8, 14.0, 41.2, 6.7, 22.3),
        "llama2-70b": (52.9, 25.6, 57.5, 11.6, 21.0),
        "llama3-8b": (68.4, 62.2, 79.6, 30.0, 34.2),
        "llama3-70b": (82.0, 81.7, 93.0, 50.4, 39.5),
    },
)  # fmt: skip
TABLES = (LLAMA_2_PAPER, LLAMA_3_CARD, LLAMA_3_PAPER, CHAT_CARD)

# Benchmarks of which the Llama 3 paper found so much in its own training text that a score says little:
# share of the test counted as seen, and the points that this is thought to have gained (facts J3).
CONTAMINATED = {
    "HellaSwag": "85% of it counts as seen in training, worth some 14 points (Llama 3 paper, table 15)"
}
