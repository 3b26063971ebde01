"""Where rows say little, few of them or far from all of them, densities are no surer than they allow."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from scipy import stats

from sklearn_mdn import MDNRegressor
from sklearn_mdn._estimators.calibration import COST, FEW, SHARES, best_factor, factor_of_larger_pool
from sklearn_mdn._estimators.folds import held_out_folds
from sklearn_mdn._estimators.likelihood import CALIBRATIONS, FACTORS
from sklearn_mdn._estimators.marginal import FAR, NEAR, marginal_deviations, nearness
from sklearn_mdn._estimators.rows import TrainingSet, canonical_rows

SMALL = {"n_components": 3, "hidden_layer_sizes": (16,), "learning_rate_init": 0.03, "dtype": "float64"}


def noise(n, d, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, d)), generator.normal(3.0, 2.0, size=n)


def signal(n, seed=0, d=3, deviation=0.1):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, d))
    return X, np.sin(X[:, 0]) + X[:, 1] + deviation * generator.normal(size=n)


# The marginal density.


@pytest.mark.parametrize("n", [2, 3, 5, 10, 50])
def test_the_marginal_density_is_students(n):
    """The predictive density of n normal rows, whose standard deviation (over n) is 1."""
    deviations = marginal_deviations(n, 4000)
    y = np.array([0.3, 1.0, 2.0, 5.0])
    found = stats.norm.cdf(y[:, None] / deviations).mean(axis=1)
    scale = np.sqrt(n / (n - 1.0) * (1.0 + 1.0 / n))
    np.testing.assert_allclose(found, stats.t(n - 1, scale=scale).cdf(y), atol=2e-4)


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_many_rows_leave_the_normal_density(n_components):
    np.testing.assert_allclose(marginal_deviations(1e8, n_components), 1.0, atol=1e-3)


def test_the_outer_components_are_the_widest():
    deviations = marginal_deviations(5, 5)
    assert deviations.argmin() == 2
    assert set(np.argsort(deviations)[-2:]) == {0, 4}


# Few rows.


def with_new_rows(n, d, seed, make=noise, times=1):
    """Training rows, each so many times, and 200 new ones."""
    X, y = make(n + 200, d=d, seed=seed)
    return np.repeat(X[:n], times, axis=0), np.repeat(y[:n], times), X[n:], y[n:]


def equal_rows(n, d, seed):
    X, y = noise(n, d, seed)
    return np.ones_like(X), y


FEW_ROWS = {
    "noise, 20 rows": lambda seed: with_new_rows(20, 10, seed),
    "noise, 60 rows": lambda seed: with_new_rows(60, 10, seed),
    "two rows": lambda seed: with_new_rows(2, 3, seed),
    "three rows": lambda seed: with_new_rows(3, 3, seed),
    "ten rows, thirty times each": lambda seed: with_new_rows(10, 3, seed, times=30),
    "equal X": lambda seed: with_new_rows(30, 3, seed, equal_rows),
    "more columns than rows": lambda seed: with_new_rows(30, 200, seed),
}


@pytest.mark.parametrize("n_estimators", [1, 3])
@pytest.mark.parametrize("case", FEW_ROWS)
def test_little_is_not_taken_for_much(case, n_estimators):
    """On new rows no density falls behind the normal one of the target alone by much, on average."""
    losses, shares = [], []
    for seed in range(4):
        X, y, X_new, y_new = FEW_ROWS[case](seed)
        model = MDNRegressor(**SMALL, n_estimators=n_estimators, max_iter=40, random_state=seed).fit(X, y)
        losses.append(stats.norm(y.mean(), y.std()).logpdf(y_new).mean() - model.score(X_new, y_new))
        shares.append(1.0 - model.shrinkage_)
    assert np.mean(losses) < 0.1  # of four seeds; of twenty it is .05 (benchmarks/little_data.py)
    assert np.mean(shares) < 0.3


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_where_all_is_taken_the_targets_own_density_is_left(n_estimators):
    X, y = noise(10, 3)
    X, y = np.repeat(X, 30, axis=0), np.repeat(y, 30)  # which tell no more than once
    model = MDNRegressor(**SMALL, n_estimators=n_estimators, max_iter=20, random_state=0).fit(X, y)
    assert model.shrinkage_ == 1.0
    assert model.calibration_.tolist() == [1.0] * n_estimators
    distribution, deviations = model.predict_distribution(X[:2]), y.std() * marginal_deviations(10, 3)
    grid = np.linspace(y.min() - 3.0, y.max() + 3.0, 7)[:, None]
    expected = stats.norm(y.mean(), deviations).pdf(grid).mean(axis=1)
    np.testing.assert_allclose(distribution.pdf(grid), np.tile(expected[:, None], 2), rtol=1e-6)


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_of_much_nothing_is_taken(n_estimators):
    X, y = signal(200)
    model = MDNRegressor(**SMALL, n_estimators=n_estimators, max_iter=40, random_state=0).fit(X, y)
    assert model.shrinkage_ == 0.0
    bare = copy.copy(model)
    bare.X_min_, bare.X_max_ = np.full(3, -np.inf), np.full(3, np.inf)
    np.testing.assert_array_equal(model.predict_distribution(X).means, bare.predict_distribution(X).means)


@pytest.mark.parametrize(("n", "deviation"), [(24, 0.1), (30, 1.0), (60, 2.0), (200, 1.0)])
def test_the_share_is_that_which_held_out_rows_like_best(n, deviation):
    X, y = signal(n, deviation=deviation)
    model = MDNRegressor(**SMALL, max_iter=30, random_state=0).fit(X, y)
    table = canonical_rows(X, y[:, None], None)
    data = TrainingSet.of(table, None, model._encoding(), model._standardization(), 1, (), None)
    fold = held_out_folds(data.keys(model._seed), model._folds["bounds"])[0]

    def held_out(share, factor):
        other = copy.copy(model)
        other.shrinkage_, other.calibration_ = 1.0 - share, np.array([factor])
        return other.score_samples(table.x[fold], table.y[fold, 0])

    scores = []
    for share in SHARES[:-1]:
        gains = [held_out(share, factor) - held_out(0.0, 1.0) for factor in CALIBRATIONS]
        gain = max(gains, key=np.sum)
        scores.append(gain.sum() - np.sqrt(len(gain)) * gain.std() - COST * (1.0 + FEW / n) * share**2)
    scores.append(0.0)
    assert model.shrinkage_ == 1.0 - SHARES[int(np.argmax(scores))]


def test_without_held_out_rows_nothing_is_taken():
    model = MDNRegressor(**SMALL, max_iter=5, early_stopping=False, random_state=0).fit(*noise(20, 3))
    assert model.shrinkage_ == 0.0


# Far from all rows.

FUNCTIONS = {
    "line": lambda x, e: x + 0.2 * e,
    "wave": lambda x, e: np.sin(3.0 * x) + 0.05 * e,
    "funnel": lambda x, e: np.exp(0.5 * x) * e,
    "noise": lambda x, e: e,
    "step": lambda x, e: (x > 0.0) + 0.01 * e,
}


@pytest.mark.parametrize("n_estimators", [1, 10])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nowhere_far_out_is_a_density_surer_than_at_home(function, seed, n_estimators):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(120, 2))
    y = FUNCTIONS[function](X[:, 0], generator.normal(size=120))
    model = MDNRegressor(**SMALL, n_estimators=n_estimators, max_iter=25, random_state=seed).fit(X, y)
    home = np.median(model.predict_distribution(X).std())
    for distance in [10.0, 100.0, 1e6, 1e300]:
        directions = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, 1]])
        far = model.predict_distribution(distance * directions)
        assert (far.std() >= home).all()
        np.testing.assert_allclose(far.mean(), y.mean(), rtol=1e-6, atol=1e-6)


def test_nearness_falls_smoothly():
    excess = np.linspace(0.0, 8.0, 4001)
    share = nearness(excess)
    assert (share[excess <= NEAR] == 1.0).all()
    assert (share[excess >= FAR] == 0.0).all()
    slopes = np.diff(share) / np.diff(excess)
    assert (slopes <= 0.0).all()
    assert np.abs(np.diff(slopes)).max() < 2e-3


def test_a_step_beyond_the_rows_changes_little():
    """Up to one standard deviation beyond the training rows a density is the network's own."""
    X, y = signal(200)
    model = MDNRegressor(**SMALL, max_iter=40, random_state=0).fit(X, y)
    beyond = np.vstack([X.max(axis=0) + 0.9 * X.std(axis=0), X.min(axis=0) - 0.9 * X.std(axis=0)])
    bare = copy.copy(model)
    bare.X_min_, bare.X_max_ = np.full(3, -np.inf), np.full(3, np.inf)
    np.testing.assert_array_equal(model.predict(beyond), bare.predict(beyond))
    assert (model.predict(beyond + X.std(axis=0)) != bare.predict(beyond + X.std(axis=0))).any()


def test_gaps_and_categories_are_not_far():
    X, y = signal(200)
    X[::5, 0] = np.nan
    model = MDNRegressor(**SMALL, categorical_features=[2], max_iter=20, random_state=0)
    X[:, 2] = np.arange(200) % 4
    model.fit(X, y)
    assert model.X_min_.shape == model.X_max_.shape == (2,)
    np.testing.assert_allclose(model.X_max_, np.nanmax(X[:, :2], axis=0))
    rows = np.array([[np.nan, 0.0, 99.0], [0.0, 0.0, 1.0]])
    _, near = model._marginal().within_reach(model._standardization().x(rows))
    assert near.tolist() == [1.0, 1.0]


# Factors of ensembles.


@pytest.mark.parametrize("common", [1.0, 0.3])
@pytest.mark.parametrize("size", [2, 3, 10])
def test_the_factor_of_a_larger_pool(size, common):
    """Where members err on their own, the pool's variance is its mean squared error for every size."""
    alone, width = 0.2, 0.7

    def best(m):
        return np.sqrt((common + alone / m - (1.0 - 1.0 / m) * alone) / width)

    expected = max(best(size), np.sqrt(0.5) * best(2))
    assert factor_of_larger_pool(best(1), best(2), 2.0, size) == pytest.approx(expected)


def test_a_factor_is_never_less_than_the_pairs_by_much():
    assert factor_of_larger_pool(4.0, 1.0, 2.0, 10) == pytest.approx(np.sqrt(0.5))
    assert factor_of_larger_pool(1.0, 1.5, 2.0, 10) == pytest.approx(1.5)


@pytest.mark.parametrize("top", [0.3, 0.62, 1.0, 1.4, 3.3, 9.0])
def test_the_top_of_a_curve_of_factors(top):
    curve = -3.0 * np.log(np.array(FACTORS) / top) ** 2
    assert best_factor(curve) == pytest.approx(np.clip(top, FACTORS[0], FACTORS[-1]))
    curve[0] = np.nan
    assert best_factor(curve) == pytest.approx(np.clip(top, FACTORS[1], FACTORS[-1]))
