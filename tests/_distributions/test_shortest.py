"""The shortest intervals that hold a probability."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from sklearn_mdn import ClippedDistribution, MixtureDistribution, TransformedDistribution
from sklearn_mdn._distributions.shortest import LadderIntervals, ShortestIntervals


def mixtures(n_rows, n_components, seed):
    rng = np.random.default_rng(seed)
    weights, means = (
        rng.dirichlet(np.ones(n_components), n_rows),
        rng.normal(0.0, 3.0, (n_rows, n_components)),
    )
    return MixtureDistribution(weights, means, rng.gamma(2.0, 0.3, means.shape) ** 2 + 0.01)


SHORT = {
    "few modes": mixtures(6, 2, 2),
    "many modes": mixtures(8, 5, 0),
    "positive": TransformedDistribution(mixtures(6, 2, 1), FunctionTransformer(np.log, np.exp)),
}


@pytest.mark.parametrize("level", [0.05, 0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["few modes", "many modes", "positive"])
def test_the_shortest_interval_is_the_shortest(level, kind):
    """Against a search over many intervals of the same probability, over all modes."""
    dist = SHORT[kind]
    low, high = ShortestIntervals(dist).intervals(np.full(len(dist), level))[:, 0].T
    np.testing.assert_allclose(dist.prob(low, high), level, atol=5e-4)
    below = np.linspace(0.0, 1.0, 4001)[1:-1, None] * (1.0 - level)
    best = (dist.ppf(below + level) - dist.ppf(below)).min(0)
    np.testing.assert_allclose(high - low, best, rtol=2e-3)


def test_the_shortest_interval_jumps_between_modes():
    """A narrow mode of three tenths and a wide one of seven."""
    dist = MixtureDistribution([[0.3, 0.7]] * 2, [[-5.0, 5.0]] * 2, [[0.01, 1.0]] * 2)
    family = ShortestIntervals(dist)
    ends = family.intervals(np.array([0.25, 0.6]))[:, 0]
    assert (ends[0] < -4.0).all()
    assert (ends[1] > 2.0).all()
    # What the interval of a low level holds is left out by that of a higher one, and so is of a higher level.
    assert (family.level(np.array([[-5.0, 5.0]]))[0] > [0.69, 0.27]).all()


def test_the_interval_of_a_level_holds_what_has_it_or_less():
    dist = mixtures(60, 4, 3)
    family, y = ShortestIntervals(dist), dist.rvs(random_state=0)
    scores = family.level(y[None])[0]
    assert ((scores > 0.0) & (scores < 1.0)).all()
    assert family.holds(y[None], scores).mean() > 0.98
    lost = [
        ((scores < q) & ~family.holds(y[None], np.full(60, q))[0]).mean() for q in np.linspace(0.02, 0.98, 25)
    ]
    assert np.mean(lost) < 0.005


def test_atoms_are_held_or_not():
    """The heaviest that will do is the shortest; a continuous part is added to it where it will not."""
    latent = MixtureDistribution([[1.0]] * 3, [[0.3]] * 3, [[1.0]] * 3)
    dist = ClippedDistribution(latent, 0.0, 1.0)
    low, high = dist.cdf(np.zeros((1, 3)))[0, 0], dist.sf(np.ones(3) - 1e-12)[0]
    assert low > high
    family = ShortestIntervals(dist)
    ends = family.intervals(np.array([0.5 * high, 0.9 * low, 0.99]))[:, 0]
    np.testing.assert_array_equal(ends, [[0.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    inner = family.intervals(np.full(3, 0.6))[:, 0]
    np.testing.assert_allclose(dist.cdf(inner[:, 1]), 0.6, atol=1e-4)
    np.testing.assert_array_equal(inner[:, 0], 0.0)
    assert (family.level(np.zeros((1, 3))) < 1e-3).all()


def test_levels_of_many_values_are_near_those_of_one():
    dist = mixtures(20, 1, 4)
    y = dist.rvs(3, random_state=0).T
    exact, cheap = ShortestIntervals(dist).level(y), LadderIntervals(dist).level(y)
    np.testing.assert_allclose(cheap, exact, atol=0.01)
    assert np.isnan(ShortestIntervals(dist).level(np.full((1, 20), np.nan))).all()


@pytest.mark.parametrize("family", [ShortestIntervals, LadderIntervals])
def test_levels_far_out_are_told_apart(family):
    dist = mixtures(3, 2, 5)
    far = dist.isf(np.array([1e-6, 1e-9, 1e-12])[:, None])
    assert (np.diff(family(dist).level(far), axis=0) > 0.0).all()
