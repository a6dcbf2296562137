"""The museum of chapter ``rlhf``."""

from mutants.mutant import Mutant

PPO = "align/rlhf/ppo.py"
MUTANTS = [
    Mutant(
        "the price of leaving the reference has the wrong sign",
        PPO,
        "return -beta * kl * counts",
        "return beta * kl * counts",
        "tests/test_ppo.py::test_a_policy_that_left_pays",
    ),
    Mutant(
        "advantages leak over padding",
        PPO,
        "ahead = torch.where(here, delta + gamma * lam * ahead, 0.0)",
        "ahead = delta + gamma * lam * ahead",
        "tests/test_ppo.py::test_advantages_by_the_sum_whatever_stands_around_the_answer",
    ),
    Mutant(
        "padding is worth something",
        PPO,
        "value_ahead = torch.where(here, values[:, t], 0.0)",
        "value_ahead = values[:, t]",
        "tests/test_ppo.py::test_advantages_by_the_sum_whatever_stands_around_the_answer",
    ),
    Mutant(
        "the value is trained on prompts",
        "align/rlhf/ppo_training.py",
        "value.learn(mean_over(errors, counts), step)",
        "value.learn(errors.mean(), step)",
        "tests/test_ppo.py::test_nothing_is_learnt_from_prompts_and_padding",
    ),
    Mutant(
        "the reward is read at padding",
        "align/rlhf/reward.py",
        "device=values.device), lengths - 1, 0]",
        "device=values.device), -1, 0]",
        "tests/test_reward.py::test_a_score_is_read_at_the_end_and_not_at_padding",
    ),
    Mutant(
        "the newest answer is kept and not the best",
        "align/rlhf/rejection.py",
        "old is None or new.reward > old.reward",
        "old is None or new.round > old.round",
        "tests/test_rejection.py::test_the_best_of_all_rounds_is_kept",
    ),
    Mutant(
        "the worst of an order is kept",
        "align/rlhf/rejection.py",
        "best = max(range(len(rewards))",
        "best = min(range(len(rewards))",
        "tests/test_rejection.py::test_the_best_of_all_rounds_is_kept",
    ),
    Mutant(
        "the reference is the policy itself",
        "align/rlhf/ppo_training.py",
        "(reference or copy.deepcopy(policy)).eval()",
        "(reference or policy).eval()",
        "tests/test_rlhf.py::test_the_reference_stands_still",
    ),
    Mutant(
        "leaving is paid for, seen from where PPO ends",
        "align/rlhf/ppo_training.py",
        "token_rewards(scores, kl, counts, how.kl)",
        "token_rewards(scores, kl, counts, -how.kl)",
        "tests/test_rlhf.py::test_ppo_arrives_at_the_optimum_of_a_bandit[1.5]",
    ),
    Mutant(
        "an answer without an end keeps its reward",
        "align/rlhf/ppo_training.py",
        "scores.clamp(max=0) - how.unfinished",
        "scores - how.unfinished",
        "tests/test_rlhf.py::test_an_answer_without_an_end_is_worth_less_than_none",
    ),
    Mutant(
        "the margin is added",
        "align/rlhf/reward.py",
        "preference_logits(chosen, rejected) - margin",
        "preference_logits(chosen, rejected) + margin",
        "tests/test_reward.py::test_the_loss_by_hand",
    ),
    Mutant(
        "the greater of the two objectives",
        PPO,
        "-torch.minimum(ratio * advantages",
        "-torch.maximum(ratio * advantages",
        "tests/test_ppo.py::test_the_policys_loss_by_hand[1.5-2.0--2.4-False]",
    ),
    Mutant(
        "k3 the other way round",
        PPO,
        "torch.expm1(-x) + x",
        "torch.expm1(x) - x",
        "tests/test_ppo.py::test_the_estimators_by_enumeration",
    ),
]
