import numpy as np
import torch

from llamalite.in_numpy.adamw import adamw, adamw_state
from llamalite.in_torch import adamw as in_torch


def test_equals_torch_over_many_steps():
    """Matrices decay, gains do not; betas and eps are none of anybody's defaults."""
    rng = np.random.default_rng(0)
    params = {"w": rng.standard_normal((3, 4)), "norm": rng.standard_normal(4)}
    twins = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    groups = [{"params": [twins["w"]], "weight_decay": 0.3}, {"params": [twins["norm"]], "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(groups, lr=1.0, betas=(0.8, 0.7), eps=1e-3)
    state = adamw_state(params)
    ours = {name: torch.tensor(p) for name, p in params.items()}
    ours_state = in_torch.adamw_state(ours)
    how = {"betas": (0.8, 0.7), "eps": 1e-3, "weight_decay": 0.3}
    for step in range(20):
        lr = 0.05 * (step + 1)
        grads = {name: rng.standard_normal(p.shape) for name, p in params.items()}
        for group in theirs.param_groups:
            group["lr"] = lr
        for name, g in grads.items():
            twins[name].grad = torch.tensor(g)
        theirs.step()
        params, state = adamw(params, grads, state, lr, **how)
        tensors = {name: torch.tensor(g) for name, g in grads.items()}
        ours, ours_state = in_torch.adamw(ours, tensors, ours_state, lr, **how)
    for name, p in params.items():
        torch.testing.assert_close(ours[name], twins[name].detach(), rtol=1e-12, atol=0)
        np.testing.assert_allclose(p, twins[name].detach().numpy(), rtol=1e-12)


def test_the_first_step_is_the_sign_of_the_gradient():
    """m̂ / sqrt(v̂) = g / |g| at step one, whatever the betas: that is what bias correction is for."""
    params = {"w": np.zeros(3)}
    new, state = adamw(params, {"w": np.array([5.0, -0.01, 300.0])}, adamw_state(params), lr=0.1, eps=0.0)
    np.testing.assert_allclose(new["w"], [-0.1, 0.1, -0.1])
    assert state.step == 1
    assert params["w"].tolist() == [0, 0, 0], "the old parameters are not touched"
