"""The tests, tested: the field's real bugs are planted one by one, and a named test must catch each.

A mutant is a line or two of the package rewritten in a copy of it; the test runs there in a fresh
process. Chapters exhibit the same bugs in their "Break it" sections.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent


class Mutant(NamedTuple):
    name: str
    file: str
    right: str
    wrong: str
    killed_by: str


LOGITS = "tests/test_weights.py::test_logits_equal_hugging_face_in_float64"
MUTANTS = [
    Mutant(
        "query and key rows left in Hugging Face's layout",
        "in_torch/rope.py",
        '"half": [j for i in pairs for j in (i, i + head_dim // 2)]',
        '"half": list(range(head_dim))',
        f"{LOGITS}[llama1]",
    ),
    Mutant(
        "keys permuted with n_heads",
        "in_torch/weights/names.py",
        "return cfg.n_kv_heads if name.endswith",
        "return cfg.n_heads if name.endswith",
        f"{LOGITS}[llama3]",
    ),
    Mutant(
        "repeat for repeat_interleave",
        "in_numpy/attention.py",
        "x.reshape(*B, T, n_kv_heads, N // n_kv_heads, H), -4, -2)",
        "x.reshape(*B, T, N // n_kv_heads, n_kv_heads, H).swapaxes(-2, -3), -4, -2)",
        "tests/test_attention.py::test_both_halves_equal_the_loops[3-gqa]",
    ),
    Mutant(
        "cache position off by one",
        "in_torch/llama.py",
        "torch.arange(past, past + tokens.shape[1]",
        "torch.arange(past - 1, past - 1 + tokens.shape[1]",
        "tests/test_llama.py::test_cache_equals_no_cache_in_both_halves[llama1]",
    ),
    Mutant(
        "RoPE scaling off",
        "in_torch/rope.py",
        "return freqs if scaling is None else scale_frequencies(freqs, scaling)",
        "return freqs",
        f"{LOGITS}[llama3.1]",
    ),
    Mutant(
        "scaling factor 8 hard-coded",
        "in_torch/rope.py",
        "return (1 - keep) * freqs / scaling.factor + keep * freqs",
        "return (1 - keep) * freqs / 8 + keep * freqs",
        f"{LOGITS}[llama3.2]",
    ),
    Mutant(
        "gate and up swapped",
        "in_torch/swiglu.py",
        "return self.w_down(F.silu(self.w_gate(x)) * self.w_up(x))",
        "return self.w_down(F.silu(self.w_up(x)) * self.w_gate(x))",
        f"{LOGITS}[llama1]",
    ),
    Mutant(
        "mask after softmax",
        "in_numpy/attention.py",
        "scores = np.where(mask[..., None, None, :, :], scores, -np.inf)\n    weights = softmax(scores)",
        "weights = np.where(mask[..., None, None, :, :], softmax(scores), 0.0)\n"
        "    else:\n        weights = softmax(scores)",
        "tests/test_attention.py::test_a_later_key_never_changes_an_earlier_query",
    ),
    Mutant(
        "softmax over the wrong axis",
        "in_numpy/attention.py",
        "return weights / weights.sum(axis=-1, keepdims=True)",
        "return weights / weights.sum(axis=-2, keepdims=True)",
        "tests/test_attention.py::test_without_a_mask_everyone_is_seen",
    ),
    Mutant(
        "heads merged without a transpose",
        "in_torch/attention.py",
        "return out.transpose(-3, -2)",
        "return out.reshape(*out.shape[:-3], T, N, -1)",
        "tests/test_llama.py::test_same_logits_and_every_gradient_by_name[llama2-gqa]",
    ),
    Mutant(
        "eps outside the root",
        "in_numpy/rmsnorm.py",
        "1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)",
        "1 / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + eps)",
        "tests/test_rmsnorm.py::test_equals_torchs_own",
    ),
    Mutant(
        "gain multiplied before the cast back",
        "in_torch/rmsnorm.py",
        "return normed.to(x.dtype) * w",
        "return (normed * w).to(x.dtype)",
        "tests/test_rmsnorm.py::test_bfloat16_is_normalised_in_float32_and_gained_in_bfloat16",
    ),
    Mutant(
        "w_up divided at the start in place of w_down",
        "in_torch/llama.py",
        'name.endswith(("wo.weight", "w_down.weight"))',
        'name.endswith(("wo.weight", "w_up.weight"))',
        "tests/test_llama.py::"
        "test_initial_weights_are_the_same_numbers_in_both_halves_and_from_the_meta_device",
    ),
    Mutant(
        "final norm forgotten",
        "in_torch/llama.py",
        "        x = self.norm(x)\n",
        "",
        f"{LOGITS}[llama1]",
    ),
    Mutant(
        "a gradient that forgets repetitions",
        "in_numpy/llama.py",
        "np.add.at(dhead, tokens, dx)",
        "dhead[tokens] += dx",
        "tests/test_llama.py::test_same_logits_and_every_gradient_by_name[llama1]",
    ),
    Mutant(
        "cross-attention reads the decoder's own keys",
        "in_torch/encoder_decoder.py",
        "self.cross_attention(self.cross_norm(h), k, v, read_mask)",
        "self.cross_attention(self.cross_norm(h), *self.cross_attention.keys_values(self.cross_norm(h)), "
        "read_mask[..., :1].expand(-1, -1, h.shape[1]))",
        "tests/test_encoder_decoder.py::"
        "test_the_answer_depends_on_all_of_the_source_and_on_nothing_of_its_own_future",
    ),
    Mutant(
        "a decoder without its mask",
        "in_torch/encoder_decoder.py",
        "table, positions, None, cache, int(i))",
        "table, positions, torch.ones(tokens.shape[1], past + tokens.shape[1]).bool(), cache, int(i))",
        "tests/test_encoder_decoder.py::"
        "test_the_answer_depends_on_all_of_the_source_and_on_nothing_of_its_own_future",
    ),
    Mutant(
        "a step that is not told costs nothing",
        "tales/parsing.py",
        "total += math.log(step.probability if step.name in told else 1 - step.probability)",
        "total += math.log(step.probability) if step.name in told else 0",
        "tests/test_telling.py::test_the_probabilities_of_all_choices_sum_to_one",
    ),
    Mutant(
        "the judge forgets how many there were",
        "tales/judging.py",
        "yield name, not any(word.start in wrong_at for word in mentions)",
        "yield name, True",
        "tests/test_judging.py::test_what_is_not_kept_is_seen[count-others1]",
    ),
    Mutant(
        "loss averaged over padding",
        "in_numpy/language_model.py",
        "np.where(mask, loss, 0).sum() / mask.sum()",
        "np.where(mask, loss, 0).mean()",
        "tests/test_language_model.py::test_padding_has_no_say",
    ),
    Mutant(
        "top_k=1 that samples",
        "in_torch/sampling.py",
        "if 0 < top_k < probs.shape[-1]:",
        "if 1 < top_k < probs.shape[-1]:",
        "tests/test_sampling.py::test_top_k_of_one_is_the_likeliest_of_equals_the_first",
    ),
    Mutant(
        "left padding that shifts the positions",
        "in_torch/generation.py",
        "return (queries - pads[:, None]).clamp(min=0), mask",
        "return queries.expand(len(pads), -1), mask",
        "tests/test_generation.py::test_rows_count_their_own_positions_and_see_their_own_tokens",
    ),
    Mutant(
        "padding that is looked at",
        "in_torch/generation.py",
        "mask = (places <= queries[:, None]) & (places >= pads[:, None, None])",
        "mask = (places <= queries[:, None]) & (places >= 0 * pads[:, None, None])",
        "tests/test_generation.py::test_a_batch_of_unequal_prompts_is_each_of_them_alone[llama1-True]",
    ),
    Mutant(
        "a stop string that is cut in two is missed",
        "text/stopping.py",
        "free = len(held) - longest_beginning(held, stops)",
        "free = len(held)",
        "tests/test_stopping.py::test_a_stream_ends_where_the_finished_text_would_be_cut",
    ),
    Mutant(
        "heads merged that are no neighbours",
        "in_torch/gqa.py",
        "groups = w.reshape(n_groups, n_heads // n_groups, -1, w.shape[1])",
        "groups = w.reshape(n_heads // n_groups, n_groups, -1, w.shape[1]).transpose(0, 1)",
        "tests/test_gqa.py::test_neighbours_share[2]",
    ),
    Mutant(
        "Llama 3's embedding split as Llama 2's",
        "in_torch/weights/meta.py",
        "embedding_axis = 1 if cfg.rope_theta == OLD_THETA else 0",
        "embedding_axis = 1",
        "tests/test_conversion.py::test_the_embedding_is_split_by_width_until_llama_2_and_by_words_from_llama_3[llama3-0]",
    ),
    Mutant(
        "a file's rows of wq and wk taken as they are",
        "in_torch/weights/hugging_face.py",
        'relayout(found, heads, source="half")',
        "found",
        "tests/test_conversion.py::test_many_files_with_an_index",
    ),
    Mutant(
        "no space before the end of an answer",
        "align/chat.py",
        "{assistant.content.strip()} ",
        "{assistant.content.strip()}",
        "tests/test_chat.py::test_llama2_as_a_string",
    ),
    Mutant(
        "strip for the dummy prefix",
        "text/tokenization/pieces.py",
        "return text[1:] if prefixed and self.dummy_prefix else text",
        "return text.strip()",
        "tests/test_pieces.py::test_spaces_at_both_ends_come_back",
    ),
    Mutant(
        "two begin tokens",
        "text/tokenization/specials.py",
        "ids += [part] if isinstance(part, int)",
        "ids += [part, part] if isinstance(part, int)",
        "tests/test_ranked.py::test_a_dialogue_has_one_beginning",
    ),
    Mutant(
        "a word that is a token is merged all the same",
        "text/tokenization/ranked.py",
        "        if word in self.ranks:\n            return [self.ranks[word]]\n",
        "",
        "tests/test_ranked.py::test_a_word_that_is_a_token_is_never_taken_apart",
    ),
    Mutant(
        "pairs counted once a word, not once a time",
        "text/tokenization/learning.py",
        "self.counts[pair] += self.times[place]",
        "self.counts[pair] += 1",
        "tests/test_learning.py::test_a_frequent_word_counts_as_often_as_it_comes",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name for m in MUTANTS])
def test_mutant_is_killed(mutant, tmp_path):
    for name in ("llamalite", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data" / "tales", tmp_path / "data" / "tales")
    for name in ("conftest.py", "pyproject.toml", "data/README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    file = tmp_path / "llamalite" / mutant.file
    source = file.read_text(encoding="utf-8")
    assert source.count(mutant.right) == 1, f"{mutant.file} no longer has the line this mutant rewrites"
    file.write_text(source.replace(mutant.right, mutant.wrong), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", mutant.killed_by],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "1 failed" in done.stdout, f"the mutant lives: {mutant.killed_by} said\n{done.stdout}{done.stderr}"
    assert "1 failed" in done.stdout and "AssertionError" in done.stdout, (
        "killed by an accident, not by an assertion"
    )
