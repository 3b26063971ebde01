"""Several targets: conditioning, modes, regions, entropy and the energy score."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from sklearn_mdn import MixtureDistribution
from tests._distributions.cases import SEVERAL, joint, joint_distribution


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_marginals_keep_the_axis_of_a_list_only(kind, dim):
    weights, means, _, full = joint(kind, dim)
    dist = joint_distribution(kind, dim)
    y = np.random.default_rng(0).normal(size=(3, dim))
    turned = dist.marginal([-1, 0])
    expected = MixtureDistribution(weights, means[..., [-1, 0]], full[..., [-1, 0], :][..., [-1, 0]])
    np.testing.assert_allclose(turned.logpdf(y[:, [-1, 0]]), expected.logpdf(y[:, [-1, 0]]), rtol=1e-10)
    plain = dist.marginal(1)
    assert plain.means.shape == (3, 3)
    np.testing.assert_allclose(plain.logpdf(y[:, 1]), dist.marginal([1]).logpdf(y[:, [1]]), rtol=1e-14)
    np.testing.assert_allclose(plain.ppf(0.2), dist.ppf(0.2)[:, 1], rtol=1e-12)
    np.testing.assert_allclose(plain.crps(y[:, 1]), dist.crps(y)[:, 1], rtol=1e-12)
    np.testing.assert_allclose(dist.marginal(range(dim)).logpdf(y), dist.logpdf(y), rtol=1e-10)


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_marginal_times_conditional_is_joint(kind, dim):
    dist = joint_distribution(kind, dim)
    y = np.random.default_rng(0).normal(size=(3, dim))
    for known in ([0], [dim - 1], list(range(1, dim))):
        rest = [j for j in range(dim) if j not in known]
        conditional = dist.condition(known, y[:, known])
        total = dist.marginal(known).logpdf(y[:, known]) + conditional.logpdf(y[:, rest])
        np.testing.assert_allclose(total, dist.logpdf(y), rtol=1e-10)
        shares = dist.marginal(known).responsibilities(y[:, known])
        np.testing.assert_allclose(conditional.weights, shares, rtol=1e-10)


def test_the_values_given_may_have_three_forms():
    dist = joint_distribution("full", 2)
    by_row = dist.condition([0], np.full((3, 1), 0.7))
    for same in (dist.condition([0], [0.7]), dist.condition(0, 0.7), dist.condition(0, [0.7] * 3)):
        np.testing.assert_array_equal(same.means, by_row.means)
        np.testing.assert_array_equal(same.weights, by_row.weights)
        assert same.means.shape == (3, 3, 1)
    wide = joint_distribution("full", 5)
    once = wide.condition([3, 0], [0.1, -0.4])
    twice = wide.condition(3, 0.1).condition(0, -0.4)
    y = np.zeros((3, 3))
    np.testing.assert_allclose(once.logpdf(y), twice.logpdf(y), rtol=1e-10)


def test_conditioning_on_what_is_hardly_possible_stays_finite():
    dist = joint_distribution("full", 2)
    for value in (1e3, -1e8, 1e155, 1e300):
        given = dist.condition(0, value)
        assert np.isfinite(given.weights).all()
        np.testing.assert_allclose(given.weights.sum(1), 1, rtol=1e-12)
        assert np.isfinite(given.means).all()


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_modes_are_maxima_highest_first(kind, dim):
    dist = joint_distribution(kind, dim, n_rows=6)
    modes = dist.modes()
    np.testing.assert_array_equal(dist.mode(), modes[:, 0])
    height = dist.logpdf(np.moveaxis(modes, 1, 0)).T  # NaN where a row has no further mode
    assert (np.isnan(height) == np.isnan(modes[..., 0])).all()
    assert (np.diff(height, axis=1)[~np.isnan(height[:, 1:])] <= 0).all()
    directions = np.random.default_rng(0).normal(size=(60, 1, dim))
    directions *= 1e-3 / np.linalg.norm(directions, axis=-1, keepdims=True)
    for j in range(modes.shape[1]):
        around = dist.logpdf(modes[:, j] + directions)
        there = ~np.isnan(height[:, j])
        assert (around[:, there] < height[there, j]).all()
    # None is higher than the highest: climb from every mean with another method.
    for row in range(len(dist)):
        one = dist[row]
        reached = [
            -optimize.minimize(lambda y, one=one: -one.logpdf(y)[0], start, method="Nelder-Mead").fun
            for start in dist.means[row]
        ]
        assert max(reached) <= height[row, 0] + 1e-6


def fixed_points(dist, row):
    """Where the plain iteration leads from each mean."""
    weights, means = dist.weights[row], dist.means[row]
    precision = np.linalg.inv(dist.covariances[row])
    x = means.copy()
    for _ in range(3000):
        away = means - x[:, None]
        log_terms = np.log(weights) + 0.5 * np.linalg.slogdet(precision)[1]
        log_terms = log_terms - 0.5 * np.einsum("ski,kij,skj->sk", away, precision, away)
        shares = np.exp(log_terms - log_terms.max(1, keepdims=True))
        metric = np.einsum("sk,kij->sij", shares, precision)
        pull = np.einsum("sk,kij,kj->si", shares, precision, means)
        x = np.linalg.solve(metric, pull[..., None])[..., 0]
    return x


# Rows in which Newton's method, given its head, leaves the hill it started on.
RUGGED = [
    ("full", 6, [0, 1, 15, 57, 479, 876, 916, 1421]),
    ("diag", 4, [0, 1, 1032]),
]


@pytest.mark.parametrize(("kind", "n_components", "rows"), RUGGED)
def test_modes_are_where_the_fixed_point_iteration_leads(kind, n_components, rows):
    dist = joint_distribution(kind, 2, n_rows=1500, n_components=n_components, seed=2)[rows]
    modes = dist.modes()
    for row in range(len(dist)):
        reached, found = fixed_points(dist, row), modes[row][~np.isnan(modes[row, :, 0])]
        gaps = np.linalg.norm(reached[:, None] - found, axis=-1)
        assert gaps.min(1).max() < 1e-4  # every limit is a mode found
        assert gaps.min(0).max() < 1e-4  # and every mode found is a limit


def test_separate_components_have_a_mode_each():
    means = np.array([[[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]]])
    dist = MixtureDistribution([[0.2, 0.3, 0.5]], means, np.ones((1, 3)), covariance_type="spherical")
    np.testing.assert_allclose(dist.modes(), means[:, ::-1], atol=1e-12)
    merged = MixtureDistribution([[0.2, 0.3, 0.5]], means / 50, np.ones((1, 3)), covariance_type="spherical")
    assert merged.modes().shape == (1, 1, 2)


def test_a_start_on_a_saddle_is_no_mode():
    means = np.array([[[-3.0, 0.0], [0.0, 0.0], [3.0, 0.0]]])
    weights = [[0.5 - 2.0**-31, 2.0**-30, 0.5 - 2.0**-31]]  # symmetric to the last bit
    dist = MixtureDistribution(weights, means, np.ones((1, 3)), covariance_type="spherical")
    modes = dist.modes()
    assert modes.shape == (1, 2, 2)
    np.testing.assert_allclose(np.abs(modes[0, :, 0]), 3, atol=1e-6)


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_regions_cover_their_confidence(kind, dim):
    dist = joint_distribution(kind, dim)
    y = np.moveaxis(dist.rvs(20_000, random_state=1), -1, 0)
    for confidence in (0.5, 0.9):
        share = dist.in_hdr(y, confidence).mean(0)
        # 4.5 standard errors of the share, and the error of the threshold
        np.testing.assert_allclose(share, confidence, atol=0.016 + 0.01)


def test_the_region_of_a_gaussian_is_its_ellipsoid():
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    dist = MixtureDistribution([[1.0]], [[[1.0, -1.0]]], covariance[None, None])
    for confidence in (0.5, 0.95):
        radius = np.sqrt(stats.chi2(2).ppf(confidence))
        angle = np.linspace(0, 6, 40)
        edge = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1) @ np.linalg.cholesky(covariance).T
        for n_samples, reach in ((1024, 0.1), (16_384, 0.02)):
            options = {"n_samples": n_samples}
            assert dist.in_hdr([1.0, -1.0] + edge * (1 - reach), confidence, **options).all()
            assert not dist.in_hdr([1.0, -1.0] + edge * (1 + reach), confidence, **options).any()


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_entropy_within_its_stated_error(kind, dim):
    dist = joint_distribution(kind, dim)
    count = 40_000
    log_density = dist.logpdf(np.moveaxis(dist.rvs(count, random_state=1), -1, 0))
    error = log_density.std(0) / count**0.5
    stated = np.log(3) / (2 * 1024**0.5)
    assert (np.abs(dist.entropy() + log_density.mean(0)) < 4.5 * error + stated).all()
    assert not np.array_equal(dist.entropy(), dist.entropy(random_state=1))
    np.testing.assert_allclose(dist.entropy(random_state=1), dist.entropy(), atol=2 * stated)


@pytest.mark.parametrize("question", ["entropy", "energy_score", "in_hdr"])
def test_draws_follow_their_seed_and_number(question):
    dist = joint_distribution("full", 2)
    y = np.moveaxis(dist.rvs(400, random_state=0), -1, 0)

    def ask(**options):
        given = {"entropy": (), "energy_score": (y,), "in_hdr": (y, 0.5)}[question]
        return getattr(dist, question)(*given, **{"n_samples": 64, **options})

    np.testing.assert_array_equal(ask(random_state=3), ask(random_state=3))
    np.testing.assert_array_equal(ask(), ask(random_state=0))
    for options in ({"random_state": 3}, {"n_samples": 128}, {"random_state": None}):
        assert not np.array_equal(ask(), ask(**options))


def test_entropy_where_it_is_known():
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    known = stats.multivariate_normal(cov=covariance).entropy()
    one = MixtureDistribution([[1.0]], np.zeros((1, 1, 2)), covariance[None, None])
    np.testing.assert_allclose(one.entropy(), known, rtol=1e-12)
    means = np.array([[[0.0, 0.0], [1e3, 0.0]]])
    apart = MixtureDistribution([[0.25, 0.75]], means, covariance[None], covariance_type="tied")
    expected = known - 0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    np.testing.assert_allclose(apart.entropy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_energy_score_of_large_samples(kind, dim):
    dist = joint_distribution(kind, dim)
    y, count = np.random.default_rng(0).normal(size=(3, dim)), 40_000
    first, second = (np.moveaxis(dist.rvs(count, random_state=seed), -1, 0) for seed in (1, 2))
    terms = np.linalg.norm(first - y, axis=-1) - 0.5 * np.linalg.norm(first - second, axis=-1)
    spread = np.linalg.norm(first - y, axis=-1).std(0)
    got = dist.energy_score(y)
    assert (np.abs(got - terms.mean(0)) < 4.5 * terms.std(0) / count**0.5 + 2 * spread / 1024**0.5).all()
    finer = dist.energy_score(y, n_samples=16_384)
    assert (np.abs(finer - terms.mean(0)) < 4.5 * terms.std(0) / count**0.5 + 2 * spread / 16_384**0.5).all()


def test_energy_score_of_one_target_is_the_crps():
    dist = joint_distribution("diag", 1)
    y = np.random.default_rng(0).normal(size=(5, 3, 1))
    np.testing.assert_array_equal(dist.energy_score(y), dist.crps(y)[..., 0])
    plain = dist.marginal(0)
    np.testing.assert_array_equal(plain.energy_score(y[..., 0]), plain.crps(y[..., 0]))


def test_the_right_distribution_scores_best():
    dist = joint_distribution("full", 2, n_rows=1)
    y = dist.rvs(4000, random_state=0)[0].T
    shifted = MixtureDistribution(dist.weights, dist.means + 0.5, dist.covariances)
    wider = MixtureDistribution(dist.weights, dist.means, 2 * dist.covariances)
    for score, sign in (("energy_score", 1), ("logpdf", -1)):
        right, *wrong = ((sign * getattr(d, score)(y)).mean() for d in (dist, shifted, wider))
        assert right < min(wrong)
