"""One target: probabilities, quantiles, moments and scores against fifty digits and against integrals."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
import scoringrules
from scipy import integrate

from sklearn_mdn import MixtureDistribution
from tests._distributions.cases import UNIVARIATE, ExactMixture, relative_error, some_values, univariate

EPS = np.finfo(float).eps
LEVELS = np.array([1e-300, 1e-12, 1e-6, 0.01, 0.2, 0.4, 0.5])
ROWS = [(name, row) for name in UNIVARIATE for row in range(len(UNIVARIATE[name][0]))]
# Where an adaptive rule finds its way: scales within a few orders of each other.
TAME = [
    "one component",
    "overlapping",
    "a mode near no mean",
    "tiny scales",
    "huge scales",
    "two that just merge",
]


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(50):
        yield


def single(name, row):
    """The distribution of a row, and its oracle."""
    dist = univariate(name)
    return dist[row], ExactMixture.of(dist, row)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_logpdf_and_pdf(name, row):
    dist, exact = single(name, row)
    values = some_values(dist, 0)
    for y, log_density, density in zip(values, dist.logpdf(values), dist.pdf(values), strict=True):
        reference = mpmath.log(exact.pdf(y))
        assert abs(log_density - reference) < 1e-12 * max(1, abs(reference))
        if reference > -700:
            assert relative_error(density, exact.pdf(y)) < 2e-12


def log_of(probabilities, complements):
    pairs = zip(probabilities, complements, strict=True)
    return [mpmath.log(p) if p < 0.5 else mpmath.log1p(-q) for p, q in pairs]


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_both_tails_keep_their_relative_precision(name, row):
    dist, exact = single(name, row)
    values = some_values(dist, 0)
    lower, upper = [exact.cdf(y) for y in values], [exact.sf(y) for y in values]
    for got, reference in (
        (dist.cdf(values), lower),
        (dist.sf(values), upper),
        (dist.logcdf(values), log_of(lower, upper)),
        (dist.logsf(values), log_of(upper, lower)),
    ):
        for value, expected in zip(got, reference, strict=True):
            if abs(expected) > 1e-290:
                assert relative_error(value, expected) < 2e-12


@pytest.mark.parametrize("name", UNIVARIATE)
def test_probabilities_at_infinity(name):
    dist = univariate(name)
    assert (dist.cdf(-np.inf) == 0).all()
    assert (dist.sf(np.inf) == 0).all()
    np.testing.assert_allclose(dist.cdf(np.inf), 1, rtol=4 * EPS)
    np.testing.assert_allclose(dist.prob(-np.inf, np.inf), 1, rtol=4 * EPS)
    assert (dist.pdf(np.inf) == 0).all()


def hits(tail, level, x, slack):
    """Whether a decreasing or increasing tail passes the level between x - slack and x + slack."""
    left, right = tail(x - slack), tail(x + slack)
    low, high = min(left, right), max(left, right)
    return low <= level * (1 + 16 * EPS) and high >= level * (1 - 16 * EPS)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_quantiles_to_full_precision_from_both_sides(name, row):
    dist, exact = single(name, row)
    smallest = np.sqrt(dist.covariances[0][dist.weights[0] > 0].min())
    for quantiles, tail, levels in (
        (dist.ppf(LEVELS), exact.cdf, LEVELS),
        (dist.isf(LEVELS), exact.sf, LEVELS),
        (dist.ppf(1 - LEVELS[1:]), exact.sf, 1 - (1 - LEVELS[1:])),
        (dist.isf(1 - LEVELS[1:]), exact.cdf, 1 - (1 - LEVELS[1:])),
    ):
        for x, level in zip(quantiles, levels, strict=True):
            z = max(1.0, -np.log(level))  # a rounding of z moves the tail by z eps
            slack = 16 * EPS * (abs(x) + smallest * z)
            assert hits(tail, mpmath.mpf(level), mpmath.mpf(x), mpmath.mpf(slack))


@pytest.mark.parametrize("name", UNIVARIATE)
def test_quantiles_increase_with_the_level(name):
    levels = np.concatenate([LEVELS, np.linspace(0.01, 0.99, 99), 1 - LEVELS[1:]])
    quantiles = univariate(name).ppf(np.unique(levels)[:, None])
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=0) >= 0).all()


def test_median_and_interval_are_quantiles():
    dist = univariate("overlapping")
    np.testing.assert_array_equal(dist.median(), dist.ppf(0.5))
    lower, upper = dist.interval(0.9)
    np.testing.assert_allclose(dist.prob(lower, upper), 0.9, rtol=1e-14)
    np.testing.assert_allclose(dist.cdf(lower), dist.sf(upper), rtol=1e-13)
    lower, upper = dist.interval(np.array([0.5, 0.9])[:, None])
    assert lower.shape == upper.shape == (2, 2)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_prob_does_not_cancel(name, row):
    dist, exact = single(name, row)
    values = some_values(dist, 0)
    smallest = np.sqrt(dist.covariances[0].min())
    for width in (1e-5 * smallest, smallest, 100 * smallest):
        upper = values + width
        got = dist.prob(values, upper)
        for a, b, value in zip(values, upper, got, strict=True):
            expected = exact.prob(a, b)
            if expected > 1e-290:
                assert relative_error(value, expected) < 5e-12


@pytest.mark.parametrize("name", TAME)
def test_the_density_integrates_to_the_probability(name):
    dist = univariate(name)
    for row in range(len(dist)):
        one = dist[row]
        centre, spread = one.mean()[0], one.std()[0]
        cuts = centre + spread * np.array([-12.0, -1.0, 0.2, 1.7, 12.0])
        for a, b in itertools.pairwise(cuts):
            inside = [m for m in one.means[0] if a < m < b]
            area, _ = integrate.quad(
                lambda y, one=one: one.pdf(y)[0], a, b, points=inside or None, epsabs=0, epsrel=1e-10
            )
            np.testing.assert_allclose(one.prob(a, b), area, rtol=1e-8)
        np.testing.assert_allclose(one.prob(cuts[0], cuts[-1]), 1, rtol=1e-12)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_moments(name, row):
    dist, exact = single(name, row)
    mean = mpmath.fsum(w * m for w, m, _ in exact.parts)
    variance = mpmath.fsum(w * (s**2 + (m - mean) ** 2) for w, m, s in exact.parts)
    size = max(abs(m) for _, m, _ in exact.parts)
    assert abs(dist.mean()[0] - mean) < 8 * EPS * size
    assert relative_error(dist.var()[0], variance) < 1e-14
    assert relative_error(dist.std()[0], mpmath.sqrt(variance)) < 1e-14
    np.testing.assert_array_equal(dist.cov(), dist.var()[:, None, None])


def exact_crps(exact, y):
    """Integral of (F - 1[y <= .])^2 by the closed form of its pieces, in many digits."""

    def absolute(m, s):
        return m * mpmath.erf(m / s / mpmath.sqrt(2)) + 2 * s * mpmath.npdf(m / s)

    y = mpmath.mpf(y)
    distance = mpmath.fsum(w * absolute(y - m, s) for w, m, s in exact.parts)
    pairs = mpmath.fsum(
        w * v * absolute(m - n, mpmath.hypot(s, t)) for w, m, s in exact.parts for v, n, t in exact.parts
    )
    return distance - pairs / 2


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_crps_to_the_precision_of_its_terms(name, row):
    dist, exact = single(name, row)
    values = some_values(dist, 0)
    for y, score in zip(values, dist.crps(values), strict=True):
        terms = mpmath.fsum(w * (abs(y - m) + s) for w, m, s in exact.parts)
        assert abs(score - exact_crps(exact, y)) < 16 * EPS * terms
        assert score >= 0


@pytest.mark.parametrize("name", TAME)
def test_crps_is_the_integral_of_the_squared_difference(name):
    dist = univariate(name)[0]
    spread = dist.std()[0]
    for y in dist.mean()[0] + spread * np.array([-2.0, 0.1, 4.0]):
        reach = dist.mean()[0] + spread * np.array([-14.0, 14.0])
        below = integrate.quad(lambda t: dist.cdf(t)[0] ** 2, reach[0], y, epsabs=0, epsrel=1e-9)[0]
        above = integrate.quad(lambda t: dist.sf(t)[0] ** 2, y, reach[1], epsabs=0, epsrel=1e-9)[0]
        np.testing.assert_allclose(dist.crps(y), below + above, rtol=1e-7)


def test_crps_agrees_with_scoringrules():
    rng = np.random.default_rng(0)
    weights, means = rng.dirichlet(np.ones(4), 50), rng.normal(size=(50, 4))
    deviations, y = rng.uniform(0.2, 2.0, size=(50, 4)), rng.normal(scale=2, size=50)
    got = MixtureDistribution(weights, means, deviations**2).crps(y)
    np.testing.assert_allclose(got, scoringrules.crps_mixnorm(y, means, deviations, weights), rtol=1e-12)


@pytest.mark.parametrize("name", UNIVARIATE)
def test_the_order_of_the_components_does_not_matter(name):
    weights, means, deviations = (np.array(v) for v in UNIVARIATE[name])
    dist = MixtureDistribution(weights, means, deviations**2)
    turned = MixtureDistribution(weights[:, ::-1], means[:, ::-1], deviations[:, ::-1] ** 2)
    y = means[:, :1] + deviations[:, :1] * np.array([-2.0, 0.3, 5.0])
    for method in ("logpdf", "logcdf", "logsf", "crps"):
        first, second = getattr(dist, method)(y.T), getattr(turned, method)(y.T)
        scale = dist.std() if method == "crps" else 1.0
        np.testing.assert_allclose(first, second, rtol=1e-13, atol=1e-13 * np.max(scale))
    np.testing.assert_allclose(dist.mean(), turned.mean(), rtol=1e-14, atol=1e-9 * means.std())
    np.testing.assert_allclose(dist.entropy(), turned.entropy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dist.ppf(0.3), turned.ppf(0.3), rtol=1e-13, atol=1e-14 * deviations.max())


def test_a_component_cut_in_two_changes_nothing():
    dist = univariate("overlapping")
    weights = np.concatenate([dist.weights[:, :2], dist.weights[:, 2:] * [0.25, 0.75]], axis=1)
    double = MixtureDistribution(weights, dist.means[:, [0, 1, 2, 2]], dist.covariances[:, [0, 1, 2, 2]])
    y = np.linspace(-3, 5, 9)[:, None]
    for method in ("logpdf", "cdf", "sf", "crps"):
        np.testing.assert_allclose(getattr(double, method)(y), getattr(dist, method)(y), rtol=1e-13)
    np.testing.assert_allclose(
        double.ppf(np.array([0.01, 0.6])[:, None]), dist.ppf(np.array([0.01, 0.6])[:, None])
    )
    np.testing.assert_allclose(double.entropy(), dist.entropy(), atol=1e-9)
    np.testing.assert_allclose(double.modes(), dist.modes(), rtol=1e-9)


@pytest.mark.parametrize("name", ["overlapping", "far apart", "a mode near no mean"])
@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 1e-3), (40.0, 8.0), (-1e3, 1e3)])
def test_an_affine_map_of_y_is_the_change_of_variables(name, shift, stretch):
    dist = univariate(name)
    moved = MixtureDistribution(dist.weights, shift + stretch * dist.means, stretch**2 * dist.covariances)
    y = dist.rvs(20, random_state=0).T
    z = shift + stretch * y
    np.testing.assert_allclose(moved.logpdf(z), dist.logpdf(y) - np.log(stretch), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved.cdf(z), dist.cdf(y), rtol=1e-8)
    np.testing.assert_allclose(moved.crps(z), stretch * dist.crps(y), rtol=1e-8)
    q = np.array([1e-9, 0.3, 0.8])[:, None]
    tolerance = {"rtol": 1e-11, "atol": 1e-10 * stretch}
    np.testing.assert_allclose(moved.ppf(q), shift + stretch * dist.ppf(q), **tolerance)
    np.testing.assert_allclose(moved.entropy(), dist.entropy() + np.log(stretch), atol=1e-8)
    np.testing.assert_allclose(
        moved.hdr(0.7)[0], shift + stretch * dist.hdr(0.7)[0], rtol=1e-8, atol=1e-8 * stretch
    )
    np.testing.assert_allclose(moved.modes(), shift + stretch * dist.modes(), rtol=1e-7, atol=1e-7 * stretch)


def test_large_samples_agree():
    dist = univariate("overlapping")
    draws = dist.rvs(200_000, random_state=0)
    np.testing.assert_allclose(draws.mean(1), dist.mean(), atol=4.5 * (dist.std() / 200_000**0.5).max())
    for q in (0.05, 0.5, 0.9):
        share = (draws <= dist.ppf(q)[:, None]).mean(1)
        np.testing.assert_allclose(share, q, atol=4.5 * (q * (1 - q) / 200_000) ** 0.5)
    np.testing.assert_allclose(-dist.logpdf(draws.T[:20_000]).mean(0), dist.entropy(), atol=0.04)
