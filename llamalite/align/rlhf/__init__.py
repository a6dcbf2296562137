"""Learning from what is preferred: the reward model, rejection sampling and PPO."""
