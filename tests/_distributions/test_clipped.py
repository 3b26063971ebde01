"""Laws of clipped mixtures, against integrals, large samples and scoringrules."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import integrate

from sklearn_mdn import ClippedDistribution, MixtureDistribution
from sklearn_mdn._distributions.records import Records

LIMITS = {"below": (0.0, np.inf), "above": (-np.inf, 1.2), "both": (-0.5, 1.5)}


def latent():
    weights, means = [[0.3, 0.7], [0.5, 0.5], [1.0, 0.0]], [[-1.0, 1.0], [0.0, 0.3], [0.5, 9.0]]
    return MixtureDistribution(weights, means, [[0.25, 0.09], [0.5, 0.04], [0.3, 1.0]])


@pytest.fixture(params=LIMITS)
def dist(request):
    return ClippedDistribution(latent(), *LIMITS[request.param])


def between(dist, function):
    """Integrals (n,) of function(y (m, n)) over what lies between the bounds, or far enough."""
    low, high = max(dist._low, -9.0), min(dist._high, 9.0)
    edges = np.linspace(low, high, 200)
    nodes, weights = np.polynomial.legendre.leggauss(10)
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    y = (middle[:, None] + half[:, None] * nodes).ravel()
    return (half[:, None] * weights).ravel() @ function(y[:, None] + np.zeros(len(dist)))


def with_atoms(dist, function):
    """E[function(Y)] by the density and the atoms."""
    places, mass = dist.atoms()
    atoms = sum(function(p + np.zeros((1, len(dist))))[0] * m for p, m in zip(places[0], mass.T, strict=True))
    return between(dist, lambda y: function(y) * dist.pdf(y)) + atoms


def test_density_and_atoms_are_one(dist):
    np.testing.assert_allclose(with_atoms(dist, np.ones_like), 1.0, rtol=1e-12)


def test_moments(dist):
    mean = with_atoms(dist, lambda y: y)
    np.testing.assert_allclose(dist.mean(), mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dist.var(), with_atoms(dist, lambda y: (y - mean) ** 2), rtol=1e-9)
    np.testing.assert_allclose(dist.std(), np.sqrt(dist.var()), rtol=1e-12)
    entropy = with_atoms(dist, lambda y: -dist.logpdf(y))
    np.testing.assert_allclose(dist.entropy(), entropy, rtol=1e-8)
    np.testing.assert_allclose(dist.expect(np.cos), with_atoms(dist, np.cos), rtol=1e-8)


@pytest.mark.parametrize("place", [-0.5, 0.0, 0.4, 1.2, 1.5])
def test_crps_is_the_integral_of_the_cdf(dist, place):
    y = np.clip(place, dist._low, dist._high)
    np.testing.assert_allclose(
        dist.crps(np.full(3, y)),
        [
            integrate.quad(lambda x, i=i: dist[i].cdf([x])[0] ** 2, max(dist._low, -9), y, epsabs=1e-12)[0]
            + integrate.quad(lambda x, i=i: dist[i].sf([x])[0] ** 2, y, min(dist._high, 9), epsabs=1e-12)[0]
            for i in range(3)
        ],
        rtol=1e-8,
    )
    outside = dist.crps(np.full(3, max(dist._low, -50.0) - 2.0))
    np.testing.assert_allclose(outside, dist.crps(np.full(3, max(dist._low, -50.0))) + 2.0, rtol=1e-9)


def test_crps_of_one_component():
    scoringrules = pytest.importorskip("scoringrules")
    mean, deviation, y = np.array([0.3, -1.0, 0.9]), np.array([0.5, 1.5, 0.3]), np.array([0.2, 0.0, 1.0])
    normal = MixtureDistribution(np.ones((3, 1)), mean[:, None], deviation[:, None] ** 2)
    found = ClippedDistribution(normal, 0.0, 1.0).crps(y)
    np.testing.assert_allclose(found, scoringrules.crps_cnormal(y, mean, deviation, 0.0, 1.0), rtol=1e-9)


def test_quantiles_and_the_cdf_with_its_jumps(dist):
    for bound in (dist._low, dist._high):
        if np.isfinite(bound):
            np.testing.assert_array_equal(dist.cdf(np.nextafter(bound, -np.inf)) < dist.cdf(bound), True)
    np.testing.assert_array_equal(dist.cdf(dist._high), 1.0)
    np.testing.assert_array_equal(dist.sf(np.nextafter(dist._low, -np.inf)), 1.0)
    levels = np.linspace(0.001, 0.999, 99)[:, None]
    q = dist.ppf(levels)
    assert (dist.cdf(q) >= levels - 1e-12).all()
    assert (dist.cdf(np.nextafter(q, -np.inf)) <= levels + 1e-12).all()
    np.testing.assert_allclose(dist.isf(levels), dist.ppf(1 - levels), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.exp(dist.logsf(q)), dist.sf(q), rtol=1e-12)
    np.testing.assert_allclose(dist.prob(-9.0, 9.0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(dist.prob(0.1, 0.9), dist.cdf(0.9) - dist.cdf(0.1), rtol=1e-9)
    assert dist.support()[0].tolist() == [dist._low] * 3


def test_draws(dist):
    draws, (places, mass) = dist.rvs(20_000, random_state=0), dist.atoms()
    for place, own in zip(places[0], mass.T, strict=True):
        np.testing.assert_allclose((draws == place).mean(axis=1), own, atol=0.015)
    np.testing.assert_allclose(draws.mean(axis=1), dist.mean(), atol=0.02)
    shares = dist.responsibilities(draws.T).mean(axis=0)
    np.testing.assert_allclose(shares, dist.weights, atol=0.02)


@pytest.mark.parametrize("confidence", [0.1, 0.5, 0.9])
def test_regions_take_in_atoms_first(dist, confidence):
    intervals, threshold = dist.hdr(confidence)
    places, mass = dist.atoms()
    lower, upper = (np.nan_to_num(intervals[..., side]).T for side in (0, 1))
    known = ~np.isnan(intervals[..., 0]).T
    # (a, b] leaves out an atom at a.
    at_a = (lower[..., None] == places[0]) * mass[None]
    held = np.where(known, dist.prob(lower, upper) + at_a.sum(axis=-1), 0.0).sum(axis=0)
    enough = np.isinf(threshold)
    np.testing.assert_allclose(held[~enough], confidence, rtol=1e-6)
    assert (held[enough] >= confidence).all()
    for i, row in enumerate(dist):
        if mass[i].max() >= confidence:
            heaviest = places[i][mass[i].argmax()]
            np.testing.assert_array_equal(intervals[i, 0], [heaviest, heaviest])
            assert np.isnan(intervals[i, 1:]).all()
            assert row.in_hdr([heaviest], confidence).all()
        assert row.in_hdr(row.mode(), confidence).all()
    grid = np.linspace(max(dist._low, -3), min(dist._high, 4), 101)[:, None] + np.zeros(3)
    inside, level = dist.in_hdr(grid, confidence), dist.hdr_level(grid)
    near = np.abs(level - confidence) < 1e-6
    smooth = ~np.isin(grid, places[0]) & ~enough
    assert ((inside == (level <= confidence)) | near)[smooth].all()


def test_modes():
    dist = ClippedDistribution(latent(), 0.0, np.inf)
    modes = dist.modes()
    np.testing.assert_array_equal(dist.mode(), 0.0)
    np.testing.assert_allclose(modes[0, 1], latent().modes()[0, 0], rtol=1e-6)
    nothing_beyond = ClippedDistribution(latent(), -50.0, np.inf)
    np.testing.assert_allclose(nothing_beyond.mode(), latent().mode(), rtol=1e-6)


def test_several_targets():
    rng = np.random.default_rng(0)
    mixture = MixtureDistribution(
        np.full((4, 2), 0.5), rng.normal(size=(4, 2, 2)), np.full((4, 2, 2), 0.4), covariance_type="diag"
    )
    dist = ClippedDistribution(mixture, 0.0, np.inf)
    for first in (np.zeros(4), np.full(4, 0.5)):
        y = np.column_stack([first, [0.3, 0.0, 0.7, 0.1]])
        rest = dist.condition(0, first)
        joint = dist.marginal(0).logpdf(first) + rest.logpdf(y[:, [1]])
        np.testing.assert_allclose(joint, dist.logpdf(y), rtol=1e-9)
    assert dist.energy_score(y).shape == dist.entropy().shape == (4,)
    with pytest.raises(ValueError, match="independent within components"):
        ClippedDistribution(
            MixtureDistribution([[1.0]], [[[0.0, 0.0]]], [[[[1.0, 0.5], [0.5, 1.0]]]]), 0.0, np.inf
        )


def test_recorded_and_stored(dist):
    y = dist.ppf(0.5)
    upper = dist.ppf(0.9)
    found = np.exp(dist._log_score(Records.between(y[:, None], upper[:, None])))
    exact = y == upper
    np.testing.assert_allclose(found[~exact], dist.prob(y, np.where(upper == dist._high, 99, upper))[~exact])
    twin = pickle.loads(pickle.dumps(dist))
    np.testing.assert_array_equal(twin.logpdf(y), dist.logpdf(y))
    both = ClippedDistribution.concatenate([dist[2], dist[:2]])
    np.testing.assert_array_equal(both.logpdf(y[[2, 0, 1]]), dist.logpdf(y)[[2, 0, 1]])
    with pytest.raises(ValueError, match="the same limits"):
        ClippedDistribution.concatenate([dist, ClippedDistribution(latent(), -9.0, 9.0)])


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (-np.inf, np.inf), (np.nan, 1.0)])
def test_bad_limits(low, high):
    with pytest.raises(ValueError, match="low must be below high"):
        ClippedDistribution(latent(), low, high)


def test_a_hurdle():
    """A component that lies wholly beyond the bound is a probability of its own."""
    mixture = MixtureDistribution([[0.4, 0.6]], [[-1e3, 2.0]], [[1.0, 0.01]])
    dist = ClippedDistribution(mixture, 0.0, np.inf)
    np.testing.assert_allclose(dist.atoms()[1], [[0.4]], rtol=1e-12)
    np.testing.assert_allclose(dist.mean(), [1.2], rtol=1e-12)
    np.testing.assert_allclose(dist.var(), [0.6 * (4 + 0.01) - 1.44], rtol=1e-10)
