"""Whatever the parameters: answers that are finite, ordered and obey their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sklearn_mdn import MixtureDistribution

EPS = np.finfo(float).eps
LEVELS = np.array([1e-12, 1e-6, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-6, 1 - 1e-12])

parts = st.tuples(
    st.one_of(st.sampled_from([0.0, 1e-300, 1e-12, 1.0]), st.floats(1e-3, 1.0)),
    st.one_of(st.sampled_from([0.0, 1.0, -1e6, 1e6]), st.floats(-1e6, 1e6)),
    st.one_of(st.sampled_from([1e-8, 1.0, 1e8]), st.floats(-8, 8).map(lambda e: 10.0**e)),
)
mixtures = st.lists(parts, min_size=1, max_size=5).filter(lambda rows: any(row[0] >= 1e-3 for row in rows))


def build(mixture):
    weights, means, deviations = np.array(mixture).T
    return MixtureDistribution(weights[None] / weights.sum(), means[None], deviations[None] ** 2)


def present(dist):
    """Means and deviations of the components that have weight."""
    there = dist.weights[0] > 0
    return dist.means[0][there], np.sqrt(dist.covariances[0][there])


@settings(max_examples=150)
@given(mixtures)
@example([(1.0, 1e6, 1e-8), (1e-300, -1e6, 1e8), (0.0, 0.0, 1.0)])
@example([(1.0, 3.0, 2.0)] * 5)
@example([(1e-300, 0.0, 1.5), (1e-300, -1e6, 1e-8), (1.0, 0.0, 1e-8), (1.0, 467557.0, 1e-8)])
@example([(1e-300, 0.0, 1.0), (1e-12, 228773.0, 1e-8), (1.0, 0.0, 1e-8)])
def test_probabilities_and_quantiles(mixture):
    dist = build(mixture)
    quantiles = dist.ppf(LEVELS)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles) >= 0).all()
    np.testing.assert_array_equal(dist.isf(1 - LEVELS), dist.ppf(1 - (1 - LEVELS)))
    # The tail passes the level within the rounding of the quantile.
    _, deviations = present(dist)
    slack = 32 * EPS * (np.abs(quantiles) + 30 * deviations.min())
    low = LEVELS <= 0.5
    for tail, level, toward in (
        (dist.cdf, LEVELS[low], slack[low]),
        (dist.sf, 1 - LEVELS[~low], -slack[~low]),
    ):
        at = quantiles[low] if tail == dist.cdf else quantiles[~low]
        assert (tail(at - toward) <= level * (1 + 64 * EPS)).all()
        assert (tail(at + toward) >= level * (1 - 64 * EPS)).all()
    grid = np.unique(np.concatenate([quantiles, quantiles + deviations.min(), dist.means[0]]))
    for values in (dist.cdf(grid), dist.sf(grid), dist.logcdf(grid), dist.logsf(grid), dist.logpdf(grid)):
        assert not np.isnan(values).any()
    assert (np.diff(dist.cdf(grid)) >= -4 * EPS).all()
    assert (np.diff(dist.sf(grid)) <= 4 * EPS).all()
    np.testing.assert_allclose(dist.cdf(grid) + dist.sf(grid), 1, rtol=16 * EPS)
    between = dist.prob(grid[:-1], grid[1:])
    assert (between >= 0).all()
    np.testing.assert_allclose(between.sum(), dist.prob(grid[0], grid[-1]), rtol=1e-11)


@settings(max_examples=150)
@given(mixtures)
@example([(1.0, 1e6, 1e-8), (1e-300, -1e6, 1e8), (0.0, 0.0, 1.0)])
def test_moments_scores_and_entropy(mixture):
    dist = build(mixture)
    means, deviations = present(dist)
    assert means.min() - 1e-9 <= dist.mean()[0] <= means.max() + 1e-9
    assert deviations.min() * (1 - 1e-12) <= dist.std()[0]
    rounding = 4 * np.finfo(float).eps * np.abs(means).max()  # of the mean, from which components deviate
    assert dist.std()[0] <= deviations.max() * (1 + 1e-12) + np.ptp(means) + rounding
    y = np.concatenate([means, means + deviations, [0.0]])
    scores = dist.crps(y)
    assert (scores >= 0).all()
    assert (scores <= np.abs(y[:, None] - means).max(1) + deviations.max()).all()
    shares = dist.responsibilities(y)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-12)
    # The entropy lies between that of the components alone and that with their choice known.
    weights = dist.weights[0][dist.weights[0] > 0]
    inner = (weights * (np.log(deviations) + 0.5 * np.log(2 * np.pi * np.e))).sum()
    choice = -(weights * np.log(weights)).sum()
    assert inner - 1e-6 <= dist.entropy()[0] <= inner + choice + 1e-6
    assert np.isfinite(dist.rvs(20, random_state=0)).all()


@settings(max_examples=80)
@given(mixtures, st.sampled_from([0.01, 0.5, 0.9, 0.999999]))
@example([(1.0, 1e6, 1e-8), (1e-300, -1e6, 1e8), (0.0, 0.0, 1.0)], 0.9)
@example([(1.0, 3.0, 2.0)] * 5, 0.5)
@example([(0.5, 0.0, 1e-8), (0.5, 0.0, 1e8)], 0.9)
def test_modes_and_regions(mixture, confidence):
    dist = build(mixture)
    means, deviations = present(dist)
    modes = dist.modes()[0]
    assert 1 <= len(modes) <= len(means)
    rounding = 4 * EPS * (np.abs(means).max() + deviations.max())
    assert means.min() - rounding <= modes.min()
    assert modes.max() <= means.max() + rounding
    heights = dist.logpdf(modes)
    assert (np.diff(heights) <= 0).all()
    intervals, threshold = dist.hdr(confidence)
    assert np.isfinite(intervals).all()
    assert np.isfinite(threshold).all()
    assert (np.diff(intervals.ravel()) >= 0).all()
    assert np.log(threshold[0]) <= heights[0] + 1e-12 * abs(heights[0])
    held = dist.prob(*intervals[0].T).sum()
    worth = dist.pdf(intervals.ravel()) * 32 * EPS * np.abs(intervals.ravel())
    assert abs(held - confidence) <= 1e-6 + worth.sum()


# Components narrower than the spacing of the numbers around them, or so far apart that variances overflow.
EXTREME = {
    "narrower than rounding": [(1.0, 1e9, 1e-8)],
    "far narrower than rounding": [(1.0, -1e17, 1e-1)],
    "narrow beside wide": [(0.5, 0.0, 1.0), (0.5, 1e9, 1e-8)],
    "two at one place": [(0.5, 1e9, 1e-8), (0.5, 1e9, 1e-9)],
    "two nearly at one place": [(0.5, 1e9, 1e-8), (0.5, 1e9 + 1e-6, 1e-8)],
    "far apart": [(0.5, 0.0, 1.0), (0.5, 1e160, 1.0)],
    "farther apart": [(0.5, -1e200, 1.0), (0.5, 1e200, 1.0)],
    "far apart and wide": [(0.3, 1e160, 1.0), (0.7, 2e160, 1e150)],
    "far away without weight": [(1.0, 0.0, 1.0), (0.0, 1e200, 1.0)],
}


@pytest.mark.parametrize("confidence", [0.01, 0.4, 0.9])
@pytest.mark.parametrize("name", EXTREME)
def test_modes_and_regions_of_extremes(name, confidence):
    dist = build(EXTREME[name])
    means, _ = present(dist)
    assert dist.mode()[0] in dist.modes()[0]
    assert np.abs(dist.modes()[0][:, None] - means).min(axis=1) == pytest.approx(0.0, abs=EPS * means.max())
    intervals, threshold = dist.hdr(confidence)
    assert np.isfinite(intervals).all()
    assert threshold > 0
    draws = dist.rvs(2000, random_state=0)[0]
    inside = ((intervals[0, :, 0] <= draws[:, None]) & (draws[:, None] <= intervals[0, :, 1])).any(axis=1)
    assert inside.mean() >= confidence - 0.05


@pytest.mark.parametrize("name", EXTREME)
def test_answers_about_extremes(name):
    dist = build(EXTREME[name])
    means, deviations = present(dist)
    weights = dist.weights[0][dist.weights[0] > 0]
    inner = (weights * (np.log(deviations) + 0.5 * np.log(2 * np.pi * np.e))).sum()
    choice = -(weights * np.log(weights)).sum()
    assert inner - 1e-9 <= dist.entropy()[0] <= inner + choice + 1e-9
    for value in (dist.mean(), dist.median(), *dist.interval(0.5)):
        assert means.min() - 9 * deviations.max() <= value[0] <= means.max() + 9 * deviations.max()
    assert dist.std()[0] >= deviations.min()
    assert np.isfinite(dist.crps(means)).all()


def test_components_without_weight_count_nothing():
    plain, dist = build([(1.0, 2.0, 3.0)]), build([(1.0, 2.0, 3.0), (0.0, -1e308, 1e150)])
    for ask in ("mean", "var", "std", "cov", "entropy", "modes", "median"):
        np.testing.assert_allclose(getattr(dist, ask)(), getattr(plain, ask)(), rtol=1e-12)
    for y in (0.0, 5.0):
        for ask in ("logpdf", "cdf", "sf", "crps"):
            np.testing.assert_allclose(getattr(dist, ask)(y), getattr(plain, ask)(y), rtol=1e-12)
    within, between = MixtureDistribution.variance_split(dist)
    assert (within[0], between[0]) == (9.0, 0.0)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("y", [[np.inf, 0.0], [0.0, -np.inf], [np.inf, np.inf], [1e300, -1e300]])
def test_far_from_correlated_targets(y, correlation):
    covariance = 1e-20 * np.array([[1.0, correlation], [correlation, 1.0]])
    dist = MixtureDistribution([[0.5, 0.5]], [[[0.0, 0.0]] * 2], [[covariance, 4.0 * covariance]])
    assert dist.logpdf(y)[0] == -np.inf
    assert np.isnan(dist.logpdf([np.nan, 0.0])[0])


@pytest.mark.parametrize("confidence", [1e-6, 1e-9, 1e-12, 1e-16, 1e-20, 1e-300])
def test_tiny_regions_hold_the_mode(confidence):
    dist = MixtureDistribution([[0.3, 0.7], [1.0, 0.0]], [[-1.0, 2.0], [5.0, 0.0]], [[1.0, 0.25], [1.0, 1.0]])
    intervals, threshold = dist.hdr(confidence)
    modes = dist.mode()
    np.testing.assert_allclose(intervals, np.stack([modes, modes], axis=1)[:, None], atol=1e-5)
    assert (intervals[:, 0, 0] <= intervals[:, 0, 1]).all()
    np.testing.assert_allclose(threshold, dist.pdf(modes), rtol=1e-9)
    assert dist.in_hdr(modes, confidence).all()


@pytest.mark.parametrize("y", [1e3, 1e149, 1e150, 1e151, 1e200, 1e300, -1e300])
def test_responsibilities_far_away_go_to_the_widest(y):
    dist = MixtureDistribution([[0.5, 0.5], [0.9, 0.1]], [[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.25], [1e-4, 4.0]])
    np.testing.assert_allclose(dist.responsibilities(y), [[1.0, 0.0], [0.0, 1.0]], atol=1e-12)
    joint = MixtureDistribution([[0.5, 0.5]], [[[0.0, 3.0], [0.0, -3.0]]], [[np.eye(2), 0.25 * np.eye(2)]])
    np.testing.assert_allclose(joint.condition(0, y).mean(), [[3.0]], atol=1e-9)
