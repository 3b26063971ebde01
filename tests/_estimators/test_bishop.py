"""Bishop's inverse problem (Bishop 1994, section 4): one x has several y, and the density shows them all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.linear_model import BayesianRidge

from sklearn_mdn import MDNRegressor

NOISE = 0.05


def forward(y):
    return y + 0.3 * np.sin(2.0 * np.pi * y)


def draw(n, seed):
    generator = np.random.default_rng(seed)
    y = generator.uniform(0.0, 1.0, n)
    return (forward(y) + NOISE * generator.normal(size=n))[:, None], y


def exact_log_density(X, y):
    """log p(y | x): the noise around the forward curve, normalised over y in (0, 1) by the midpoint rule."""
    grid = (np.arange(1000) + 0.5) / 1000
    evidence = norm(forward(grid), NOISE).pdf(X).mean(axis=1)
    return norm(forward(y), NOISE).logpdf(X[:, 0]) - np.log(evidence)


def branches(x):
    """All y in (0, 1) that the forward curve takes to x."""
    grid = np.linspace(0.0, 1.0, 200)
    excess = forward(grid) - x
    changes = np.flatnonzero(excess[:-1] * excess[1:] < 0)
    return [brentq(lambda y: forward(y) - x, grid[i], grid[i + 1]) for i in changes]


def peaks(density, grid):
    """Places of the maxima above a tenth of the highest one."""
    inner = density[1:-1]
    found = (inner > density[:-2]) & (inner > density[2:]) & (inner > 0.1 * density.max())
    return grid[1:-1][found]


@pytest.fixture(scope="module", params=[0, 1])
def models(request):
    X, y = draw(600, seed=0)
    settings = {"hidden_layer_sizes": (32,), "max_iter": 60, "random_state": request.param}
    return MDNRegressor(3, **settings).fit(X, y), MDNRegressor(1, **settings).fit(X, y)


def test_the_oracle_integrates_to_one():
    grid = np.linspace(0.0, 1.0, 1001)
    density = np.exp(exact_log_density(np.full((1001, 1), 0.5), grid))
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-3)
    assert len(branches(0.5)) == 3


def test_the_density_peaks_on_every_branch(models):
    mixture, single = models
    grid = np.linspace(-0.5, 1.5, 2001)
    density = mixture.predict_distribution([[0.5]]).pdf(grid[:, None])[:, 0]
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(peaks(density, grid), branches(0.5), atol=0.04)
    # Halfway between branches there is next to nothing, where the mean and a single Gaussian put most.
    assert mixture.predict([[0.5]]) == pytest.approx(0.5, abs=0.1)
    between = mixture.predict_distribution([[0.5]]).pdf([[0.35], [0.65]])
    assert between.max() < 0.3 * density.max()
    assert len(peaks(single.predict_distribution([[0.5]]).pdf(grid[:, None])[:, 0], grid)) == 1


@pytest.mark.parametrize("x", [0.05, 0.95])
def test_where_there_is_one_branch_there_is_one_peak(models, x):
    grid = np.linspace(-0.5, 1.5, 2001)
    density = models[0].predict_distribution([[x]]).pdf(grid[:, None])[:, 0]
    np.testing.assert_allclose(peaks(density, grid), branches(x), atol=0.04)


def test_held_out_rows_are_far_likelier_than_under_one_gaussian(models):
    mixture, single = models
    X, y = draw(2000, seed=1)
    exact = exact_log_density(X, y).mean()
    linear = BayesianRidge().fit(*draw(600, seed=0))
    mean, std = linear.predict(X, return_std=True)
    assert mixture.score(X, y) > single.score(X, y) + 0.4
    assert mixture.score(X, y) > norm(mean, std).logpdf(y).mean() + 0.8
    assert exact - 0.15 < mixture.score(X, y) < exact + 0.02
