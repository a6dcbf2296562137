"""The training loop and its checkpoints. Knows any ``nn.Module`` that returns logits."""
