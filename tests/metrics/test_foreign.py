"""Distributions of other projects: the same scores as the same distributions in SciPy's terms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from sklearn_mdn import MixtureDistribution
from sklearn_mdn._distributions.foreign import inverted
from sklearn_mdn.metrics import (
    coverage,
    crps,
    energy_score,
    hdr_coverage,
    interval_score,
    log_likelihood,
    pinball_loss,
    pit_values,
)

N = 12
rng = np.random.default_rng(0)
MEAN, DEVIATION = rng.normal(size=N), rng.uniform(0.5, 2.0, size=N)
Y = MEAN + DEVIATION * rng.normal(size=N)
SCORES = (
    log_likelihood,
    crps,
    energy_score,
    pinball_loss,
    interval_score,
    coverage,
    hdr_coverage,
    pit_values,
)


def tensor(array):
    return torch.from_numpy(np.array(array))


class Frames:
    """Frames in and out, of exactly one shape, as skpro has them."""

    def __init__(self, mean, deviation):
        self.mean, self.deviation = mean, deviation

    def _frame(self, method, argument):
        pandas = pytest.importorskip("pandas")
        argument = np.asarray(argument)
        if argument.shape not in ((), self.mean.shape):
            raise ValueError("one value for each place")
        return pandas.DataFrame(getattr(stats.norm(self.mean, self.deviation), method)(argument))

    def cdf(self, x):
        return self._frame("cdf", x)

    def log_pdf(self, x):
        return self._frame("logpdf", x)

    def ppf(self, p):
        return self._frame("ppf", p)


# Prediction of normal distributions, and the shape of the targets that it is for.
NORMAL = {
    "SciPy's newer": lambda: stats.Normal(mu=MEAN, sigma=DEVIATION),
    "a list of SciPy's newer": lambda: [
        stats.Normal(mu=m, sigma=s) for m, s in zip(MEAN, DEVIATION, strict=True)
    ],
    "a list of SciPy's older": lambda: [stats.norm(m, s) for m, s in zip(MEAN, DEVIATION, strict=True)],
    "torch": lambda: torch.distributions.Normal(tensor(MEAN), tensor(DEVIATION)),
    "torch, requiring gradients": lambda: torch.distributions.Normal(
        tensor(MEAN).requires_grad_(), tensor(DEVIATION)
    ),
}


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
@pytest.mark.parametrize("form", NORMAL)
def test_normal_distributions(form, score):
    expected = score(Y, stats.norm(MEAN, DEVIATION))
    np.testing.assert_allclose(score(Y, NORMAL[form]()), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("score", [s for s in SCORES if s not in (hdr_coverage,)], ids=lambda s: s.__name__)
def test_frames(score):
    y = Y[:, None]
    expected = score(y, stats.norm(MEAN[:, None], DEVIATION[:, None]))
    np.testing.assert_allclose(score(y, Frames(MEAN[:, None], DEVIATION[:, None])), expected, rtol=1e-9)


def test_a_list_of_mixtures():
    """SciPy's mixtures have no rows."""
    parts = [
        stats.Mixture([stats.Normal(mu=m), stats.Normal(mu=m + 3.0, sigma=s)], weights=[0.3, 0.7])
        for m, s in zip(MEAN[:4], DEVIATION[:4], strict=True)
    ]
    expected = MixtureDistribution(
        np.tile([0.3, 0.7], (4, 1)),
        np.column_stack([MEAN[:4], MEAN[:4] + 3.0]),
        np.column_stack([np.ones(4), DEVIATION[:4] ** 2]),
    )
    for score in (log_likelihood, crps, pinball_loss, pit_values):
        np.testing.assert_allclose(score(Y[:4], parts), score(Y[:4], expected), rtol=1e-6)


MIXTURES = {
    "one target": MixtureDistribution([[0.3, 0.7]] * 3, [[0.0, 3.0]] * 3, [[1.0, 4.0]] * 3),
    "independent within components": MixtureDistribution(
        [[0.3, 0.7]] * 3,
        [[[0.0, 1.0], [3.0, 2.0]]] * 3,
        [[[1.0, 4.0], [2.0, 1.0]]] * 3,
        covariance_type="diag",
    ),
    "dependent": MixtureDistribution(
        [[0.3, 0.7]] * 3, [[[0.0, 1.0], [3.0, 2.0]]] * 3, [[[[2.0, 1.0], [1.0, 2.0]]] * 2] * 3
    ),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_there_and_back(name):
    """What ``to_torch`` makes is judged as what it was made of."""
    distribution = MIXTURES[name]
    y = distribution.rvs(random_state=0)
    for score in (log_likelihood, crps, energy_score, hdr_coverage, pit_values):
        np.testing.assert_allclose(score(y, distribution.to_torch()), score(y, distribution), rtol=1e-12)


class NormalVectors:
    """Normal distributions of several targets as NGBoost predicts them."""

    def __init__(self, loc, cov):
        self.loc, self.cov = loc, cov

    def logpdf(self, y):
        rows = zip(y, self.loc, self.cov, strict=True)
        return np.array([stats.multivariate_normal(m, c).logpdf(v) for v, m, c in rows])


def test_normal_vectors():
    means = np.column_stack([MEAN, -MEAN])
    covariances = np.tile([[2.0, 0.5], [0.5, 1.0]], (N, 1, 1))
    y = np.column_stack([Y, MEAN])
    plain = MixtureDistribution(np.ones((N, 1)), means[:, None], covariances[:, None])
    vectors = NormalVectors(means, covariances)
    of_torch = torch.distributions.MultivariateNormal(tensor(means), tensor(covariances))
    assert log_likelihood(y, vectors) == pytest.approx(vectors.logpdf(y).mean())
    for score in (log_likelihood, crps, energy_score, hdr_coverage, pit_values):
        for forecast in (vectors, of_torch):
            np.testing.assert_allclose(score(y, forecast), score(y, plain), rtol=1e-12)
    several = torch.distributions.Independent(
        torch.distributions.Normal(tensor(means), tensor(np.ones((N, 2)))), 1
    )
    expected = stats.norm(means, 1.0)
    for score in (log_likelihood, crps, coverage, pit_values):
        np.testing.assert_allclose(score(y, several), score(y, expected), rtol=1e-8)


def test_without_quantiles():
    """Where torch has none, the cdf is inverted."""
    shape, rate = np.linspace(0.5, 8.0, N), np.linspace(3.0, 0.1, N)
    gamma = torch.distributions.Gamma(tensor(shape), tensor(rate))
    y = stats.gamma(shape, scale=1 / rate).rvs(random_state=0)
    expected = stats.gamma(shape, scale=1 / rate)
    for score in (log_likelihood, pinball_loss, interval_score, pit_values):
        np.testing.assert_allclose(score(y, gamma), score(y, expected), rtol=1e-7)


@pytest.mark.parametrize("q", [1e-12, 0.3, 1 - 1e-9])
def test_bisection(q):
    centers = np.array([0.0, 1e6, -5.0])
    found = inverted(lambda y: stats.norm.cdf(y, 2.0, 1e-3), np.full(3, q), centers, np.ones(3))
    np.testing.assert_allclose(found, stats.norm.ppf(q, 2.0, 1e-3), rtol=1e-9)


@pytest.mark.parametrize(
    ("y_dist", "error", "message"),
    [
        (stats.Normal(mu=0.0, sigma=1.0), ValueError, "one distribution a row.* list of them"),
        ([stats.norm(0.0), stats.norm([0.0, 1.0])], ValueError, "rv_continuous_frozen in row 1 of a list"),
        ([stats.norm(0.0)] * 3, ValueError, r"must have the shape \(3,\)"),
        ([stats.norm(0.0), 1.0], ValueError, "got float in row 1"),
        (
            torch.distributions.Dirichlet(torch.ones(2, 3)),
            TypeError,
            "y_dist must give the distribution of each",
        ),
        (NormalVectors(np.zeros(2), np.eye(2)), ValueError, r"means \(n, D\), got the shape \(2,\)"),
        ("abc", TypeError, "y_dist must be .* got 'abc'"),
        (b"abc", TypeError, "y_dist must be .* got b'abc'"),
        (None, TypeError, "y_dist must be .* got NoneType"),
        (3.0, TypeError, "y_dist must be .* got float"),
    ],
)
def test_what_is_no_prediction(y_dist, error, message):
    with pytest.raises(error, match=message):
        crps([0.0, 1.0], y_dist)


@pytest.mark.parametrize("y_true", [1.0, None, "1", np.array(1.0), np.float64(1)])
def test_what_is_no_target(y_true):
    with pytest.raises(ValueError, match="y_true must be an array of targets, one a row"):
        crps(y_true, stats.norm([0.0, 1.0]))


@pytest.mark.parametrize("weights", [[0.5, np.inf], [np.nan, 1.0], [-1.0, 2.0], [0.0, 0.0], [1.0], 1.0])
def test_weights_of_targets(weights):
    with pytest.raises(ValueError, match="multioutput must be"):
        crps(np.zeros((3, 2)), stats.norm(np.zeros((3, 2))), multioutput=weights)


def test_huge_weights_of_targets():
    y, y_dist = np.zeros((3, 2)), stats.norm(np.zeros((3, 2)), [1.0, 2.0])
    assert crps(y, y_dist, multioutput=[1e308, 1e308]) == pytest.approx(crps(y, y_dist))
