"""One target: modes, highest-density regions and entropy."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from sklearn_mdn import MixtureDistribution
from tests._distributions.cases import UNIVARIATE, ExactMixture, univariate

EPS = np.finfo(float).eps
CONFIDENCES = [1e-3, 0.1, 0.5, 0.8, 0.95, 0.999, 1 - 1e-9]


def random_mixtures(n_rows, n_components, seed=0):
    rng = np.random.default_rng(seed)
    return MixtureDistribution(
        rng.dirichlet(np.ones(n_components), n_rows),
        rng.normal(scale=2.0, size=(n_rows, n_components)),
        np.exp(rng.normal(-1.0, 1.0, size=(n_rows, n_components))),
    )


@pytest.mark.parametrize("gap", [8, 16, 17, 18, 19, 40])
def test_components_as_narrow_as_the_rounding_of_their_means(gap):
    # A few doubles wide, around the gap at which two such components part.
    unit = np.spacing(1e6)
    dist = MixtureDistribution([[0.5, 0.5]], [[1e6, 1e6 + gap * unit]], [[(8.5 * unit) ** 2] * 2])
    modes = dist.modes()
    assert modes.shape[1] in ((1,) if gap < 16 else (2,) if gap > 19 else (1, 2))
    assert ((modes >= 1e6) & (modes <= 1e6 + gap * unit)).all()
    intervals, _ = dist.hdr(0.9)
    assert np.isfinite(intervals).all()


def density_slope(dist, y):
    """Derivative of the densities of all rows at y (m,): (m, n)."""
    deviations = np.sqrt(dist.covariances)
    z = (y[:, None, None] - dist.means) / deviations
    return (dist.weights * stats.norm.pdf(z) * -z / deviations**2).sum(-1)


def test_the_mode_that_no_component_mean_leads_to():
    (modes,) = univariate("a mode near no mean").modes()
    assert modes.round(3).tolist() == [1.811, -0.047, 0.982]


@pytest.mark.parametrize("name", UNIVARIATE)
def test_the_slope_changes_sign_at_a_mode(name):
    dist = univariate(name)
    modes = dist.modes()
    np.testing.assert_array_equal(dist.mode(), modes[:, 0])
    for row in range(len(dist)):
        exact, found = ExactMixture.of(dist, row), modes[row][~np.isnan(modes[row])]
        assert 1 <= len(found) <= np.count_nonzero(dist.weights[row])
        heights = dist[row].pdf(found)
        assert (np.diff(heights) <= 0).all()  # highest first
        smallest = np.sqrt(dist.covariances[row][dist.weights[row] > 0].min())
        # The flat top of two that just merge: p' is cubic there.
        reach = (1e-4 if name == "two that just merge" else 1e-9) * smallest
        with mpmath.workdps(50):
            for mode in found:
                step = mpmath.mpf(max(reach, 4 * EPS * abs(mode)))
                assert exact.slope(mode - step) > 0 > exact.slope(mode + step)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("one component", [1]),
        ("overlapping", [2, 1]),
        ("far apart", [2, 2]),
        ("weights near zero", [1, 2]),
        ("tiny scales", [1]),
        ("huge scales", [2]),
        ("scales sixteen orders apart", [2, 2]),
        ("equal components", [1]),
        ("two that just merge", [1]),
    ],
)
def test_the_number_of_modes(name, counts):
    modes = univariate(name).modes()
    assert (~np.isnan(modes)).sum(1).tolist() == counts
    assert modes.shape[1] == max(counts)


@pytest.mark.parametrize("n_components", [1, 2, 3, 5, 9])
def test_no_mode_is_missed_and_none_invented(n_components):
    dist = random_mixtures(100, n_components, seed=n_components)
    grid = np.linspace(-12, 12, 12_001)
    slopes = density_slope(dist, grid)
    peak = (slopes[:-1] > 0) & (slopes[1:] <= 0)
    modes = dist.modes()
    np.testing.assert_array_equal((~np.isnan(modes)).sum(1), peak.sum(0))
    for row in range(len(dist)):
        expected = grid[:-1][peak[:, row]] + 1e-3
        np.testing.assert_allclose(np.sort(modes[row])[: len(expected)], expected, atol=1.01e-3)


@pytest.mark.parametrize("gap", [1.9, 1.999, 2.001, 2.1])
def test_two_equal_components_part_at_two_deviations(gap):
    modes = MixtureDistribution([[0.5, 0.5]], [[-gap / 2, gap / 2]], [[1.0, 1.0]]).modes()
    assert modes.shape == (1, 2 if gap > 2 else 1)
    # m = h tanh(h m) with h half the gap
    half = gap / 2
    np.testing.assert_allclose(modes, half * np.tanh(half * modes), atol=1e-9)


@pytest.mark.parametrize("deviation", [0.9, 1.0, 2.5])
@pytest.mark.parametrize("separation", [0.3, 0.1, 0.03])
def test_a_shallow_mode_counts(deviation, separation):
    # The ratio of the weights at which y is a stationary point has an extremum where mode and antimode meet.
    # At a ratio just beside it, the two are a given distance apart.
    second = stats.norm(4.0 * max(1.0, deviation), deviation)
    y = np.linspace(1e-3, 1.6, 200_001)
    ratio = y * stats.norm.pdf(y) / (second.pdf(y) * (second.mean() - y) / deviation**2)
    fold = y[np.argmax(ratio)]
    assert y[0] < fold < y[-1]
    at = fold - separation / 2
    for place, count in ((at, 2), (fold, 1)):
        beyond = 1.0 if count == 2 else 1.0 + 1e-6
        odds = np.interp(place, y, ratio) * beyond
        weights = np.array([1.0, odds]) / (1.0 + odds)
        dist = MixtureDistribution([weights], [[0.0, second.mean()]], [[1.0, deviation**2]])
        modes = dist.modes()
        assert modes.shape == (1, count)
        if count == 2:
            np.testing.assert_allclose(np.min(modes), at, atol=1e-6)


def region_prob(dist, intervals):
    """Probability of the union of a row's intervals."""
    lower, upper = np.nan_to_num(intervals, nan=0.0).transpose(2, 1, 0)
    return dist.prob(lower, upper).sum(0)


def rounding_of(dist, intervals):
    """Probability that the rounding of the intervals' ends and of the log threshold is worth."""
    ends = intervals.reshape(len(dist), -1).T
    density = dist.pdf(ends)
    slope = np.stack([density_slope(one, ends[:, i])[:, 0] for i, one in enumerate(dist)], axis=1)
    log_density = np.abs(np.log(density))
    by_threshold = 16 * EPS * (1 + log_density) * density**2 / np.abs(slope)
    return np.nansum(density * 16 * EPS * np.abs(ends) + by_threshold, axis=0)


@pytest.mark.parametrize("name", UNIVARIATE)
@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_the_region_holds_its_probability_at_one_density(name, confidence):
    dist = univariate(name)
    intervals, threshold = dist.hdr(confidence)
    assert threshold.shape == (len(dist),)
    slack = 1e-11 + rounding_of(dist, intervals)
    assert (np.abs(region_prob(dist, intervals) - confidence) <= slack).all()
    for row in range(len(dist)):
        ends = intervals[row][~np.isnan(intervals[row, :, 0])].ravel()
        assert (np.diff(ends) >= 0).all()
        one = dist[row]
        step = 4 * EPS * np.abs(ends)
        change = np.maximum(*(np.abs(one.logpdf(ends + s) - one.logpdf(ends)) for s in (-step, step)))
        assert (np.abs(one.logpdf(ends) - np.log(threshold[row])) <= 1e-9 + change).all()


@pytest.mark.parametrize("confidence", [0.3, 0.8, 0.99])
@pytest.mark.parametrize("n_components", [1, 3, 6])
def test_the_region_is_where_the_density_is_high(confidence, n_components):
    dist = random_mixtures(60, n_components, seed=n_components)
    intervals, threshold = dist.hdr(confidence)
    grid = np.linspace(-14, 14, 14_001)
    density = dist.pdf(grid[:, None]).T
    inside = ((grid >= intervals[:, :, :1]) & (grid <= intervals[:, :, 1:])).any(1)
    clear = np.abs(density / threshold[:, None] - 1) > 1e-9
    np.testing.assert_array_equal(inside[clear], (density >= threshold[:, None])[clear])
    # Threshold by brute force: the densest cells of the grid that together hold the probability.
    order = np.sort(density, axis=1)[:, ::-1]
    held = np.cumsum(order, axis=1) * (grid[1] - grid[0])
    brute = np.array([order[i, np.searchsorted(held[i], confidence)] for i in range(len(dist))])
    np.testing.assert_allclose(threshold, brute, rtol=0.02)


def test_the_region_of_a_row_does_not_depend_on_the_others():
    dist = random_mixtures(400, 5, seed=1)
    for confidence in (0.5, 0.9):
        whole, threshold = dist.hdr(confidence)
        for rows in (slice(0, 7), slice(100, 300)):
            part, same = dist[rows].hdr(confidence)
            np.testing.assert_array_equal(part, whole[rows, : part.shape[1]])
            np.testing.assert_array_equal(same, threshold[rows])


def test_the_region_is_no_longer_than_the_central_interval():
    dist = random_mixtures(300, 4)
    intervals, _ = dist.hdr(0.9)
    lower, upper = dist.interval(0.9)
    length = np.nansum(intervals[..., 1] - intervals[..., 0], axis=1)
    assert (length <= (upper - lower) * (1 + 1e-12)).all()
    assert (length < 0.99 * (upper - lower)).any()


def test_the_region_of_one_component_is_the_central_interval():
    dist = univariate("one component")
    for confidence in CONFIDENCES:
        intervals, _ = dist.hdr(confidence)
        np.testing.assert_allclose(intervals[:, 0].T, dist.interval(confidence), rtol=1e-10)


@pytest.mark.parametrize("name", ["overlapping", "a mode near no mean", "far apart", "weights near zero"])
def test_in_hdr_agrees_with_the_intervals(name):
    dist = univariate(name)
    y = dist.rvs(500, random_state=0).T
    for confidence in (0.4, 0.9):
        intervals, _ = dist.hdr(confidence)
        expected = ((y[..., None] >= intervals[..., 0]) & (y[..., None] <= intervals[..., 1])).any(-1)
        np.testing.assert_array_equal(dist.in_hdr(y, confidence), expected)


def entropy_by_quadrature(dist, row):
    means, deviations = dist.means[row], np.sqrt(dist.covariances[row])
    cuts = np.unique(means + deviations * np.array([-12, -5, -2, 0, 2, 5, 12])[:, None])
    one = dist[row]

    def integrand(y):
        log_density = one.logpdf(y)[0]
        return -np.exp(log_density) * log_density

    return sum(
        integrate.quad(integrand, a, b, epsabs=1e-11, epsrel=1e-11)[0] for a, b in itertools.pairwise(cuts)
    )


@pytest.mark.parametrize(
    "name", ["one component", "overlapping", "a mode near no mean", "two that just merge"]
)
def test_entropy_is_the_integral(name):
    dist = univariate(name)
    expected = [entropy_by_quadrature(dist, row) for row in range(len(dist))]
    np.testing.assert_allclose(dist.entropy(), expected, atol=1e-9)


@pytest.mark.parametrize(("n_rows", "n_components"), [(12, 5), (2, 40)])
def test_entropy_of_random_mixtures_is_the_integral(n_rows, n_components):
    dist = random_mixtures(n_rows, n_components, seed=3)
    expected = [entropy_by_quadrature(dist, row) for row in range(len(dist))]
    np.testing.assert_allclose(dist.entropy(), expected, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_entropy_where_it_is_known(scale):
    one = np.log(scale) + 0.5 * np.log(2 * np.pi * np.e)
    apart = MixtureDistribution([[0.25, 0.75]], [[0.0, 100 * scale]], [[scale**2, scale**2]])
    expected = one - 0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    np.testing.assert_allclose(apart.entropy(), expected, rtol=1e-12)
    equal = MixtureDistribution([[0.25, 0.75, 0.0]], [[scale] * 3], [[scale**2] * 3])
    np.testing.assert_allclose(equal.entropy(), one, rtol=1e-9, atol=1e-9)


def test_entropy_with_scales_far_apart():
    # A spike on a broad bump: -p log p integrated over each on its own.
    dist = MixtureDistribution([[0.5, 0.5]], [[0.0, 0.0]], [[1e-12, 1.0]])
    bump = 0.5 * np.log(2 * np.pi * np.e)
    expected = 0.5 * bump + 0.5 * (bump + np.log(1e-6)) + np.log(2.0)
    np.testing.assert_allclose(dist.entropy(), expected, atol=1e-4)
    np.testing.assert_allclose(dist.entropy(), entropy_by_quadrature(dist, 0), atol=1e-8)


# Where a component is as narrow as the rounding of its mean, an end that is rounded has another level.
@pytest.mark.parametrize("name", sorted(set(UNIVARIATE) - {"far apart", "scales sixteen orders apart"}))
def test_the_level_of_the_ends_of_a_region_is_its_confidence(name):
    dist = univariate(name)
    for confidence in CONFIDENCES:
        intervals, _ = dist.hdr(confidence)
        for ends in np.moveaxis(intervals, 0, -1).reshape(-1, len(dist)):
            level = dist.hdr_level(ends)
            there = ~np.isnan(ends)
            np.testing.assert_allclose(level[there], confidence, atol=1e-6)
            assert np.isnan(level[~there]).all()


@pytest.mark.parametrize("name", ["one component", "overlapping", "a mode near no mean", "equal components"])
def test_levels_are_integrals_of_higher_density(name):
    dist = univariate(name)
    y = dist.ppf(np.array([0.01, 0.2, 0.37, 0.5, 0.8, 0.999])[:, None])
    grid = np.linspace(dist.ppf(1e-9), dist.ppf(1 - 1e-9), 200_001)
    heights = dist.pdf(grid)
    levels = dist.hdr_level(y)
    for at, level in zip(dist.pdf(y), levels, strict=True):
        expected = integrate.trapezoid(np.where(heights > at, heights, 0.0), grid, axis=0)
        np.testing.assert_allclose(level, expected, atol=1e-4)


def test_levels_order_values_as_the_density_does():
    dist = random_mixtures(20, 4)
    y = np.sort(dist.rvs(50, random_state=0).T, axis=0)
    order = np.argsort(-dist.pdf(y), axis=0)
    assert (np.diff(np.take_along_axis(dist.hdr_level(y), order, axis=0), axis=0) >= -1e-12).all()


def test_levels_agree_with_membership():
    dist = random_mixtures(200, 4)
    y = dist.rvs(random_state=0)
    for confidence in (0.01, 0.3, 0.9, 0.999):
        np.testing.assert_array_equal(dist.in_hdr(y, confidence), dist.hdr_level(y) <= confidence)


def test_levels_of_draws_are_uniform():
    dist = random_mixtures(2000, 3)
    assert stats.kstest(dist.hdr_level(dist.rvs(random_state=0)), "uniform").pvalue > 0.01


def test_levels_at_the_extremes():
    dist = random_mixtures(5, 3)
    np.testing.assert_allclose(dist.hdr_level(dist.mode()), 0.0, atol=1e-6)
    np.testing.assert_array_equal(dist.hdr_level(np.full(5, 1e200)), 1.0)
    assert np.isnan(dist.hdr_level(np.full(5, np.nan))).all()
