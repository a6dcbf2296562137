"""The PyTorch half: the same stems, function names and parameter names as ``in_numpy``; autograd."""
