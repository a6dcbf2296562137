"""Scaling laws: planted constants come back, against torch and scipy; unseen heroes, against counts."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import poisson
from torch.nn import functional as F

from llamalite.tales.world import World
from llamalite.train.scaling.fit import (
    Runs,
    as_law,
    as_theta,
    bootstrap,
    fit,
    grid,
    interval,
    lbfgs,
    objective,
    residuals,
)
from llamalite.train.scaling.isoflop import power_law, profile
from llamalite.train.scaling.law import PUBLISHED, Law, llama3_tokens
from llamalite.train.scaling.unseen import local_exponent, unseen_exponent, unseen_limit, unseen_mass, zipf

PLANTED = Law(0.21, 80.0, 900.0, 0.55, 0.6)
SIZES, TOKENS = np.geomspace(5e3, 6e5, 7), 2.0 ** np.arange(15, 21)


def runs_of(law, noise=0.0, seed=0):
    n, d = (part.ravel() for part in np.meshgrid(SIZES, TOKENS))
    return Runs(n, d, law.loss(n, d) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(n))))


# --- the objective and its descent -------------------------------------------------------------------


def test_the_objective_and_its_gradient_are_torchs():
    """Huber's loss and logsumexp as torch has them, the gradient by autograd; residuals on both sides."""
    runs, rng = runs_of(PLANTED, 0.01), np.random.default_rng(1)
    weights = rng.integers(0, 3, (4, len(runs.losses))).astype(float)
    theta = as_theta(PLANTED) + rng.normal(0, [[1e-4], [1e-3], [1e-2], [1.0]], (4, 5))
    ours, slopes = objective(theta, runs, weights, delta=0.01)
    x = torch.tensor(theta, requires_grad=True)
    n, d, losses = (torch.tensor(part).log() for part in runs)
    e, a, b, alpha, beta = x.T[..., None]
    predicted = torch.logsumexp(torch.stack([e + 0 * n, a - alpha * n, b - beta * d]), 0)
    each = F.huber_loss(predicted, losses.expand_as(predicted), delta=0.01, reduction="none")
    theirs = (torch.tensor(weights) * each).sum(1)
    theirs.sum().backward()
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12)
    np.testing.assert_allclose(slopes, x.grad, rtol=1e-10, atol=1e-12)


def test_rows_descend_side_by_side_into_a_bent_valley():
    """Rosenbrock's function, whose lowest point is (1, 1)."""

    def f(x, which):
        u, v = x.T
        value = (1 - u) ** 2 + 100 * (v - u * u) ** 2
        return value, np.stack([2 * (u - 1) - 400 * u * (v - u * u), 200 * (v - u * u)], -1)

    x, value = lbfgs(f, np.array([[-1.2, 1.0], [3.0, -2.0], [0.0, 0.0], [1.0, 1.0]]), steps=100)
    np.testing.assert_allclose(x, 1, atol=1e-6)
    assert value.max() < 1e-12


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_no_start_of_scipys_gets_lower(noise):
    runs = runs_of(PLANTED, noise)
    law, low = fit(runs, grid()[::15])

    def f(x):
        value, slope = objective(x[None], runs, np.ones((1, len(runs.losses))))
        return 1e3 * value[0], 1e3 * slope[0]

    found = [minimize(f, x0, jac=True, method="BFGS") for x0 in grid()[::300]]
    assert low <= 1e-3 * min(each.fun for each in found) * (1 + 1e-6) + 1e-15
    if noise:  # where there is one lowest point, and not a valley of noughts
        np.testing.assert_allclose(law, as_law(min(found, key=lambda each: each.fun).x), rtol=1e-3)


def test_planted_constants_are_found_again():
    np.testing.assert_allclose(fit(runs_of(PLANTED), grid()[::15])[0], PLANTED, rtol=1e-6)


def test_intervals_hold_the_planted_constants_and_grow_with_the_noise():
    widths = []
    for noise in (0.005, 0.02):
        runs = runs_of(PLANTED, noise)
        law, _ = fit(runs, grid()[::15])
        found = np.array(bootstrap(runs, law, 60))
        for value, column in zip(PLANTED, found.T, strict=True):
            low, high = interval(column, 0.98)
            assert low < value < high
        widths.append(np.subtract(*interval(found[:, 0])[::-1]))
        assert np.abs(residuals(runs, law)).mean() < 1.2 * noise
    assert 2 < widths[1] / widths[0] < 8  # noise of four times the size


def test_a_run_that_failed_does_not_bend_the_law():
    runs = runs_of(PLANTED, 0.002)
    runs.losses[11] *= 3
    np.testing.assert_allclose(fit(runs, grid()[::15])[0], PLANTED, rtol=0.1)


def test_five_constants_need_six_runs():
    with pytest.raises(ValueError, match="5 runs cannot fix five constants; make at least six"):
        fit(Runs(*(part[:5] for part in runs_of(PLANTED))))


# --- what a law advises ------------------------------------------------------------------------------

LAWS = st.builds(
    Law, st.floats(0, 2), st.floats(1, 1e3), st.floats(1, 1e4), st.floats(0.2, 1.2), st.floats(0.2, 1.2)
)


@settings(max_examples=60, deadline=None)
@given(LAWS, st.floats(9, 26))
def test_the_optimum_is_the_lowest_point_along_equal_compute(law, log_flops):
    flops = 10**log_flops
    best = law.optimum(flops)
    assert math.isclose(6 * best.n_params * best.tokens, flops, rel_tol=1e-9)

    def excess(log_n):
        return law.A * math.exp(-law.alpha * log_n) + law.B * (flops / 6 / math.exp(log_n)) ** -law.beta

    middle = math.log(best.n_params)
    found = minimize_scalar(excess, bracket=(middle - 2, middle + 2.5), tol=1e-10)
    assert math.isclose(found.x, middle, abs_tol=1e-3 / min(law.alpha, law.beta))
    a, b = law.exponents()
    assert math.isclose(law.optimum(100 * flops).n_params, best.n_params * 100**a, rel_tol=1e-9)
    assert math.isclose(a + b, 1)


@pytest.mark.parametrize(
    ("name", "flops", "per_param"),
    [("printed", 1e21, 50), ("printed", 5.76e23, 93), ("printed", 3.8e25, 139), ("unrounded", 1e21, 34),
     ("unrounded", 5.76e23, 59), ("unrounded", 3.8e25, 85), ("epoch", 1e21, 22), ("epoch", 5.76e23, 18),
     ("epoch", 3.8e25, 16.5)],
)  # fmt: skip
def test_what_the_published_constants_recommend(name, flops, per_param):
    """Facts G1, the second table: computed there by another hand."""
    assert PUBLISHED[name].optimum(flops).tokens_per_param == pytest.approx(per_param, rel=0.025)


def test_llama_3s_tokens_by_the_figure_and_by_the_text():
    assert llama3_tokens(3.8e25) == pytest.approx(16.3e12, rel=0.01)  # facts L4
    assert llama3_tokens(3.8e25, "text") == pytest.approx(10.5e12, rel=0.01)


def test_training_long_enough_gets_to_the_loss_if_the_size_can():
    law = PUBLISHED["epoch"]
    tokens = law.tokens_for(2.1, np.array([1e9, 8e9, 1e11]))
    assert tokens[0] == math.inf
    np.testing.assert_allclose(law.loss(np.array([8e9, 1e11]), tokens[1:]), 2.1, rtol=1e-12)


def test_with_no_questions_the_cheapest_is_the_optimum_and_with_many_it_is_smaller_and_trained_longer():
    law = PUBLISHED["epoch"]
    best = law.optimum(1e23)
    loss = law.loss(*best)
    alone = law.cheapest(loss, 0)
    assert alone.n_params == pytest.approx(best.n_params, rel=0.05)
    assert law.total_flops(loss, alone.n_params, 0) == pytest.approx(1e23, rel=1e-4)
    sizes = [law.cheapest(loss, asked).n_params for asked in (0, 1e12, 1e13, 1e14)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0] / 2
    with pytest.raises(ValueError, match=r"no model gets to 1\.5 under this law"):
        law.cheapest(1.5, 0)


def test_parabolas_find_the_optimum_of_a_law():
    """A grid of exact losses; reading between its points costs a little."""
    law = Law(0.0, 80.0, 900.0, 0.55, 0.6)
    n, d = (p.ravel() for p in np.meshgrid(np.geomspace(3e3, 3e6, 13), 2.0 ** np.arange(11, 25, 0.5)))
    runs, budgets = Runs(n, d, law.loss(n, d)), np.geomspace(1e11, 1e12, 4)
    found = [profile(runs, flops) for flops in budgets]
    assert all(each.inside for each in found)
    bests = np.array([each.best for each in found])
    np.testing.assert_allclose(bests, [law.optimum(flops).n_params for flops in budgets], rtol=0.2)
    assert power_law(budgets, bests)[1] == pytest.approx(law.exponents()[0], abs=0.06)
    with pytest.raises(ValueError, match="a parabola needs 3"):
        profile(runs, 1e6)


# --- heroes that nobody has met ------------------------------------------------------------------------


@pytest.mark.parametrize("s", [1.5, 2.0, 2.5])
def test_the_unseen_mass_is_what_counting_finds(s):
    p, rng = zipf(4096, s), np.random.default_rng(0)
    for draws in (100, 5000):
        masses = []
        for _ in range(200):
            seen = np.unique(rng.choice(4096, size=draws, p=p))
            masses.append(1 - p[seen].sum())
        error = np.std(masses) / math.sqrt(len(masses))
        assert abs(np.mean(masses) - unseen_mass(p, draws)) < 4 * error
        assert unseen_mass(p, draws) == pytest.approx((p * (1 - p) ** draws).sum(), rel=0.02)


@pytest.mark.parametrize("s", [1.5, 2.0, 2.5])
def test_it_falls_with_the_power_that_theory_says(s):
    """In a world of a million heroes, far from its end; once met or ten times is the same power."""
    p, draws = zipf(1_000_000, s), np.array([1e4, 1e5])
    for fewer_than in (1, 10):
        masses = np.array([unseen_mass(p, n, fewer_than) for n in draws])
        assert local_exponent(draws, masses)[0] == pytest.approx(unseen_exponent(s), abs=0.02)
    assert unseen_mass(p, 1e5) == pytest.approx(unseen_limit(s, p[0], 1e5), rel=0.05)


def test_fewer_than_k_times_is_poissons():
    p = zipf(100, 1.5)
    assert unseen_mass(p, 700, 4) == pytest.approx((p * poisson.cdf(3, 700 * p)).sum(), rel=1e-12)
    with pytest.raises(ValueError, match="take more than 1"):
        unseen_exponent(1.0)


def test_the_world_is_zipfs():
    np.testing.assert_allclose(World(64, 1.7).popularity, zipf(64, 1.7), rtol=1e-12)
