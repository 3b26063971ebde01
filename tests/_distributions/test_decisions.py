"""Expectations of functions of the target, and actions of least expected loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from sklearn_mdn import MixtureDistribution
from tests._distributions.cases import SEVERAL, UNIVARIATE, joint_distribution, univariate


def random_mixtures(n_rows, n_components, seed=0):
    rng = np.random.default_rng(seed)
    return MixtureDistribution(
        rng.dirichlet(np.ones(n_components), n_rows),
        rng.normal(scale=2.0, size=(n_rows, n_components)),
        np.exp(rng.normal(-1.0, 1.0, size=(n_rows, n_components))),
    )


def by_components(dist, of_component):
    """sum_k w_k f(mean_k, deviation_k)."""
    return (dist.weights * of_component(dist.means, np.sqrt(dist.covariances))).sum(1)


SMOOTH = {
    "one": (np.ones_like, lambda m, s: np.ones_like(m)),
    "y": (lambda y: y, lambda m, s: m),
    "square": (np.square, lambda m, s: m**2 + s**2),
    "sine": (np.sin, lambda m, s: np.sin(m) * np.exp(-(s**2) / 2)),
    "exponential": (np.exp, lambda m, s: np.exp(m + s**2 / 2)),
    "a bump": (stats.norm.pdf, lambda m, s: stats.norm.pdf(m, 0, np.hypot(1, s))),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_have_their_closed_form(name):
    function, of_component = SMOOTH[name]
    dist = random_mixtures(20, 4)
    expected = by_components(dist, of_component)
    np.testing.assert_allclose(dist.expect(function), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("case", UNIVARIATE)
def test_moments_of_all_cases(case):
    dist = univariate(case)
    center = dist.mean()
    for order in (1, 2, 3):
        size = dist.expect(lambda y, order=order: np.abs(y) ** order, points=0.0)
        error = dist.expect(lambda y, order=order: y**order) - dist.moment(order)
        assert (np.abs(error) <= 1e-10 * size).all()
    np.testing.assert_allclose(dist.expect(lambda y: (y - center) ** 2), dist.var(), rtol=1e-9)


def test_a_row_has_its_own_numbers():
    dist, shift = random_mixtures(7, 3), np.linspace(-1.0, 1.0, 7)
    np.testing.assert_allclose(
        dist.expect(lambda y: (y - shift) ** 2), dist.var() + (dist.mean() - shift) ** 2, rtol=1e-10
    )
    each = [dist[i].expect(lambda y, i=i: (y - shift[i]) ** 2)[0] for i in range(7)]
    np.testing.assert_allclose(dist.expect(lambda y: (y - shift) ** 2), each, rtol=1e-12)


def test_kinks_that_are_given():
    dist, q = random_mixtures(12, 4), 0.8
    threshold = dist.ppf(0.3)
    np.testing.assert_allclose(dist.expect(lambda y: y <= threshold, points=threshold[None]), 0.3, rtol=1e-11)
    pinball = dist.expect(lambda y: np.maximum(q * (y - 1.0), (q - 1.0) * (y - 1.0)), points=1.0)
    for i in range(len(dist)):
        limits = dist.means[i].min() - 40, dist.means[i].max() + 40
        exact = integrate.quad(
            lambda y, i=i: max(q * (y - 1.0), (q - 1.0) * (y - 1.0)) * dist[i].pdf(y)[0],
            *limits,
            points=[1.0, *dist.means[i]],
            limit=500,
            epsabs=1e-11,
        )[0]
        assert pinball[i] == pytest.approx(exact, abs=1e-9)


def test_the_crps_is_an_expectation():
    """E|Y - y| - E|Y - Y'| / 2, where E|Y - Y'| is twice the integral of F (1 - F)."""
    dist, y = random_mixtures(3, 2), np.array([0.3, -1.0, 2.0])
    distance = dist.expect(lambda x: np.abs(x - y), points=y[None])
    apart = [
        integrate.quad(lambda t, i=i: 2 * dist[i].cdf(t)[0] * dist[i].sf(t)[0], -60, 60, limit=400)[0]
        for i in range(3)
    ]
    np.testing.assert_allclose(distance - 0.5 * np.array(apart), dist.crps(y), atol=1e-7)


def test_what_is_infinite_or_no_number_says_so():
    dist = random_mixtures(2, 2)
    assert np.isnan(dist.expect(lambda y: np.where(y > 0, np.nan, 0.0))).all()
    assert np.isposinf(dist.expect(lambda y: np.where(y > 0, np.inf, 0.0))).all()


def test_components_without_weight_are_not_asked():
    dist = MixtureDistribution([[1.0, 0.0]], [[0.0, 1e9]], [[1.0, 1.0]])
    assert dist.expect(lambda y: np.where(y > 1e6, np.inf, y**2))[0] == pytest.approx(1.0)


def test_what_does_not_settle_is_said():
    dist = MixtureDistribution([[1.0]], [[0.0]], [[1.0]])
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="has not settled: in 1 rows, the worst of them row 0"):
        dist.expect(lambda y: rng.uniform(size=y.shape))


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_several_targets(kind, dim):
    dist = joint_distribution(kind, dim)
    second = dist.cov() + dist.mean()[:, :, None] * dist.mean()[:, None]
    got = dist.expect(lambda y: y[..., 0] * y[..., 1])
    np.testing.assert_allclose(got, second[:, 0, 1], atol=1e-10 if dim < 4 else 0.2)
    got = dist.expect(lambda y: np.exp(0.3 * y.sum(-1)))
    ones = np.full(dim, 0.3)
    exact = (
        dist.weights
        * np.exp(dist.means @ ones + 0.5 * np.einsum("nkij,i,j->nk", dist.covariances, ones, ones))
    ).sum(1)
    np.testing.assert_allclose(got, exact, rtol=1e-10 if dim < 4 else 0.2)


def test_one_target_with_an_axis():
    flat = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
    deep = MixtureDistribution([[0.3, 0.7]], [[[-1.0], [2.0]]], [[[[1.0]], [[0.25]]]])
    np.testing.assert_array_equal(
        flat.expect(np.abs, points=0), deep.expect(lambda y: np.abs(y[..., 0]), points=0)
    )


def test_draws_follow_the_seed():
    dist = joint_distribution("diag", 5)
    first, again, other = (dist.expect(lambda y: y[..., 0], random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_action_of_least_pinball_loss_is_the_quantile():
    dist, q = random_mixtures(9, 3), 0.7

    def pinball(action, y):
        return np.maximum(q * (y - action), (q - 1.0) * (y - action))

    candidates = dist.ppf(np.array([0.5, 0.6, 0.65, 0.69, 0.7, 0.71, 0.75, 0.9])[:, None])
    np.testing.assert_array_equal(dist.argmin_expected(pinball, candidates), candidates[4])
    grid = np.linspace(-4.0, 4.0, 81)
    assert (np.abs(dist.argmin_expected(pinball, grid) - np.clip(dist.ppf(q), -4, 4)) < 0.1 + 1e-9).all()


def test_the_action_of_least_squared_loss_is_the_mean():
    dist = random_mixtures(9, 3)
    candidates = dist.mean() + np.array([-0.2, -0.01, 0.0, 0.01, 0.3])[:, None]
    got = dist.argmin_expected(lambda action, y: (y - action) ** 2, candidates)
    np.testing.assert_array_equal(got, dist.mean())


def test_the_newsvendor():
    dist = MixtureDistribution([[0.3, 0.7], [0.5, 0.5]], [[20.0, 50.0], [10, 12]], [[9.0, 25.0], [4, 1]])
    cost, price, stock = 1.0, 3.0, np.arange(80)
    got = dist.argmin_expected(lambda copies, y: cost * copies - price * np.minimum(copies, y), stock)
    assert (np.abs(got - dist.ppf(1 - cost / price)) <= 1.0).all()


def test_an_action_on_several_targets():
    dist = joint_distribution("full", 2)
    got = dist.argmin_expected(
        lambda a, y: (y.sum(-1) - a) ** 2, dist.mean().sum(1) + np.array([[-1], [0], [1]])
    )
    np.testing.assert_array_equal(got, dist.mean().sum(1))


DIST = MixtureDistribution([[1.0], [1.0]], [[0.0], [1.0]], [[1.0], [1.0]])


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda: DIST.expect(3), TypeError, "function must be callable, got 3"),
        (lambda: DIST.expect(lambda y: y[0]), None, ""),
        (lambda: DIST.expect(lambda y: y[:-1]), ValueError, "function must give values of the shape"),
        (lambda: DIST.expect(lambda y: "a"), ValueError, "the values of function must be real numbers"),
        (lambda: DIST.expect(np.abs, points=[np.nan]), ValueError, "points must be finite"),
        (
            lambda: DIST.expect(np.abs, points=np.zeros((2, 3))),
            ValueError,
            r"points must have the shape \(P,\)",
        ),
        (lambda: DIST.expect(np.abs, n_samples=0), ValueError, "n_samples must be an integer"),
        (lambda: DIST.expect(np.abs, random_state="a"), ValueError, "random_state"),
        (
            lambda: joint_distribution("diag", 2).expect(lambda y: y[..., 0], points=0),
            ValueError,
            "points are for one target",
        ),
        (lambda: DIST.argmin_expected(None, [1]), TypeError, "loss must be callable"),
        (lambda: DIST.argmin_expected(np.subtract, []), ValueError, "candidates must have the shape"),
        (
            lambda: DIST.argmin_expected(np.subtract, np.ones((3, 4))),
            ValueError,
            "candidates must have the shape",
        ),
        (lambda: DIST.argmin_expected(np.subtract, [np.inf]), ValueError, "candidates must be finite"),
        (
            lambda: DIST.argmin_expected(lambda a, y: y * np.nan, [1]),
            ValueError,
            "loss must have expectations",
        ),
    ],
)
def test_bad_questions_are_refused_by_name(ask, error, words):
    if error is None:
        ask()
    else:
        with pytest.raises(error, match=words):
            ask()


def test_no_rows():
    assert DIST[[]].expect(np.abs).shape == (0,)
    assert DIST[[]].argmin_expected(np.subtract, [1.0]).shape == (0,)
