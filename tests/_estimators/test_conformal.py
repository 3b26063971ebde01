"""ConformalDensityRegressor: sets of a guaranteed coverage."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import (
    ConformalDensityRegressor,
    GaussianDensity,
    MDNRegressor,
    MixtureDistribution,
    predict_distribution,
)

METHODS = ("hdr", "interval", "width")
LINEAR = GaussianDensity(BayesianRidge())


class TwoBranches(RegressorMixin, BaseEstimator):
    """A density with two branches, which needs no fit and is wrong by a factor on its deviations."""

    def __init__(self, factor=1.0, share=0.5):
        self.factor = factor
        self.share = share

    def fit(self, X, y):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict_distribution(self, X):
        x = np.asarray(X)[:, 0]
        weights = np.tile([self.share, 1.0 - self.share], (len(x), 1))
        deviations = np.column_stack([0.3 + 0.2 * x, 0.5 + 0.1 * x])
        means = np.column_stack([2.0 + x, -2.0 - 2.0 * x])
        return MixtureDistribution(weights, means, (self.factor * deviations) ** 2)

    def predict(self, X):
        return self.predict_distribution(X).mean()


def drawn(n_rows, seed, factor=1.0):
    X = np.random.default_rng(seed).uniform(0.0, 1.0, size=(n_rows, 1))
    return X, TwoBranches(factor).predict_distribution(X).rvs(random_state=seed)


def calibrated(method, n_rows, seed, factor=0.5, **options):
    model = ConformalDensityRegressor(
        FrozenEstimator(TwoBranches(factor).fit([[0.0]], [0.0])), method=method, **options
    )
    return model.conformalize(*drawn(n_rows, seed))


def in_intervals(intervals, y):
    return ((intervals[..., 0] <= y[:, None]) & (y[:, None] <= intervals[..., 1])).any(1)


# ----------------------------------------------------------------------------------------------- the bounds


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n_rows", "level"), [(19, 0.9), (50, 0.8), (99, 0.95)])
def test_split_coverage_lies_within_its_bounds(method, n_rows, level):
    """Given the calibration rows, coverage is Beta(k, m + 1 - k), k = ceil(level (m + 1)) (Vovk 2012).

    The mean of its exact values, over independent calibrations, must lie within four standard errors of
    k / (m + 1), which is between level and level + 1 / (m + 1).
    """
    repeats = 6 if method == "width" else 150
    rank = int(np.ceil(level * (n_rows + 1) - 1e-9))
    law = stats.beta(rank, n_rows + 1 - rank)
    X_new, y_new = drawn(600, 99)
    truth, frozen = TwoBranches(), TwoBranches(0.5).fit([[0.0]], [0.0])
    scored = ConformalDensityRegressor(FrozenEstimator(frozen), method=method).conformalize(X_new, y_new)
    new_scores = np.sort(scored.conformity_scores_)
    X, _ = drawn(repeats * n_rows, 7)
    y = truth.predict_distribution(X).rvs(random_state=8)
    scores = scored.conformalize(X, y).conformity_scores_.reshape(repeats, n_rows)
    levels = np.sort(scores, axis=1)[:, rank - 1]
    share = np.searchsorted(new_scores, levels, side="right") / len(new_scores)
    error = np.sqrt(law.var() / repeats + level * (1 - level) / len(new_scores))
    assert abs(share.mean() - law.mean()) < 4 * error
    assert level <= law.mean() <= level + 1 / (n_rows + 1)
    # And the sets do what that arithmetic says.
    model = scored.conformalize(X[:n_rows], y[:n_rows])
    sets = model.predict_set(X_new, level)
    np.testing.assert_array_equal(sets.levels, levels[0])
    assert sets.contains(y_new).mean() == pytest.approx(share[0], abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_out_of_fold_coverage_is_near_the_level(method):
    """At least 1 - 2 alpha by theorem, here 1 - alpha within four standard errors."""
    covered = []
    for seed in range(12 if method != "width" else 3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(160, 2))
        y = X[:, 0] + (0.3 + np.abs(X[:, 1])) * rng.standard_t(5, size=160)
        model = ConformalDensityRegressor(LINEAR, method=method, cv=4, random_state=0)
        model.fit(X[:60], y[:60])
        covered.append(model.predict_set(X[60:], 0.8).contains(y[60:]).mean())
    error = np.std(covered, ddof=1) / np.sqrt(len(covered))
    assert np.mean(covered) > 0.6
    assert np.mean(covered) > 0.8 - 4 * error
    assert np.mean(covered) < 0.8 + 1 / 15 + 4 * error


def test_groups_are_covered_each():
    """Where one group is noisier, sets that do not know of it cover it worse."""

    def rows(n_rows, seed):
        rng = np.random.default_rng(seed)
        X = np.column_stack([rng.normal(size=n_rows), rng.integers(0, 3, n_rows)])
        return X, X[:, 0] + (0.5 + X[:, 1]) * rng.normal(size=n_rows)

    X, y = rows(900, 0)
    X_new, y_new = rows(6000, 1)
    base = clone(LINEAR).fit(X[:300, :1].repeat(2, axis=1), y[:300])
    for groups, all_near in ((None, False), (1, True)):
        model = ConformalDensityRegressor(FrozenEstimator(base), groups=groups)
        sets = model.conformalize(X[300:], y[300:]).predict_set(X_new, 0.8)
        inside = sets.contains(y_new)
        shares = np.array([inside[X_new[:, 1] == group].mean() for group in range(3)])
        # Beta(161, 40) has a deviation of 0.028, and the share of 2000 rows one of 0.009.
        assert (np.abs(shares - 0.8) < 4 * 0.03).all() == all_near


def test_weights_make_up_for_other_features():
    """New rows come from where the density is too narrow; the ratio of the two densities of x is x to 1."""
    rng = np.random.default_rng(0)
    means, plain = [], []
    for seed in range(25):
        X = rng.uniform(size=(300, 1))
        y = X[:, 0] ** 2 * 3 * rng.normal(size=300)
        X_new = np.sqrt(rng.uniform(size=(400, 1))) ** (1 / 2)  # density 4 x^3
        y_new = X_new[:, 0] ** 2 * 3 * rng.normal(size=400)
        base = FrozenEstimator(Plain().fit(X, y))
        model = ConformalDensityRegressor(base, method="interval", random_state=seed)
        plain.append(model.conformalize(X, y).predict_set(X_new, 0.8).contains(y_new).mean())
        weighted = model.conformalize(X, y, sample_weight=4 * X[:, 0] ** 3)
        sets = weighted.predict_set(X_new, 0.8, sample_weight=4 * X_new[:, 0] ** 3)
        means.append(sets.contains(y_new).mean())
    error = np.std(means, ddof=1) / 5
    assert abs(np.mean(means) - 0.8) < 4 * error + 0.01
    assert np.mean(plain) < 0.7


class Plain(TwoBranches):
    """The same normal density everywhere."""

    def predict_distribution(self, X):
        n_rows = len(np.asarray(X))
        return MixtureDistribution(np.ones((n_rows, 1)), np.zeros((n_rows, 1)), np.ones((n_rows, 1)))


def test_regions_of_several_targets():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 2))
    Y = X + rng.normal(size=(800, 2)) * [0.5, 2.0]
    model = ConformalDensityRegressor(LINEAR_TWO, cv="split", random_state=0).fit(X[:200], Y[:200])
    sets = model.conformalize(X[200:400], Y[200:400]).predict_set(X[400:], 0.8)
    inside = sets.contains(Y[400:])
    assert abs(inside.mean() - 0.8) < 4 * np.hypot(0.028, 0.02)
    log_density = model.predict_distribution(X[400:]).logpdf(Y[400:])
    agree = (log_density >= np.log(sets.threshold)) == inside
    assert agree.mean() > 0.99
    with pytest.raises(ValueError, match="intervals are for one target"):
        sets.intervals  # noqa: B018
    crossed = ConformalDensityRegressor(LINEAR_TWO, cv=3, random_state=0).fit(X[:200], Y[:200])
    assert abs(crossed.predict_set(X[400:], 0.8).contains(Y[400:]).mean() - 0.8) < 0.1
    with pytest.raises(ValueError, match="is for one target"):
        ConformalDensityRegressor(LINEAR_TWO, cv=2, method="interval").fit(X, Y)


class TwoTargets(TwoBranches):
    """Independent normal targets around the features."""

    def predict_distribution(self, X):
        X = np.asarray(X)
        covariances = np.tile([0.25, 4.0], (len(X), 1, 1))
        return MixtureDistribution(np.ones((len(X), 1)), X[:, None], covariances, covariance_type="diag")


LINEAR_TWO = TwoTargets()


# ------------------------------------------------------------------------------------------------- the sets


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.3, 0.8, 0.99])
def test_intervals_are_what_contains_says(method, level):
    X_new, y_new = drawn(300, 3)
    sets = calibrated(method, 200, 1).predict_set(X_new, level)
    inside = sets.contains(y_new)
    assert (in_intervals(sets.intervals, y_new) == inside).mean() > 0.99
    lower, upper = sets.intervals[..., 0], sets.intervals[..., 1]
    there = ~np.isnan(lower)
    assert (lower[there] < upper[there]).all()
    assert (upper[:, :-1] < lower[:, 1:])[there[:, 1:]].all()
    np.testing.assert_allclose(sets.length(), np.nansum(upper - lower, axis=1))
    np.testing.assert_array_equal(sets.n_pieces(), there.sum(1))
    grid = np.linspace(-6.0, 6.0, 101)
    assert sets.contains(np.repeat(grid[:, None], 300, axis=1)).shape == (101, 300)
    assert not sets.contains(np.full(300, np.nan)).any()


@pytest.mark.parametrize("method", METHODS)
def test_sets_of_folds_are_what_contains_says(method):
    X, y = drawn(200, 3)
    model = ConformalDensityRegressor(TwoBranches(0.7), method=method, cv=3, random_state=0).fit(
        X[:150], y[:150]
    )
    sets = model.predict_set(X[150:], 0.8)
    assert (in_intervals(sets.intervals, y[150:]) == sets.contains(y[150:])).mean() > 0.99
    # Densities that do not hang on what they were fitted to: the folds vote as one split would.
    split = ConformalDensityRegressor(FrozenEstimator(TwoBranches(0.7).fit(X, y)), method=method)
    alike = split.conformalize(X[:150], y[:150]).predict_set(X[150:], 0.8)
    np.testing.assert_allclose(
        sets.length(), alike.length(), rtol={"hdr": 0.05, "width": 1e-3}.get(method, 1e-6)
    )


def test_two_branches_have_two_pieces_and_are_shorter():
    X_new, _ = drawn(50, 3)
    regions, central, shortest = (calibrated(m, 100, 1).predict_set(X_new, 0.8) for m in METHODS)
    assert (regions.n_pieces() == 2).all()
    assert (central.n_pieces() == 1).all()
    assert regions.length().mean() < 0.5 * central.length().mean()
    assert shortest.length().mean() <= central.length().mean() * 1.01


@pytest.mark.parametrize("method", ["hdr", "interval"])
def test_sets_grow_with_their_level(method):
    X_new, _ = drawn(40, 3)
    model = calibrated(method, 100, 1)
    grid = np.repeat(np.linspace(-6.0, 6.0, 201)[:, None], 40, axis=1)
    inside = [model.predict_set(X_new, level).contains(grid) for level in (0.2, 0.5, 0.8, 0.95)]
    for smaller, larger in itertools.pairwise(inside):
        assert (smaller <= larger).all()


def test_rows_and_pickles_of_sets():
    X_new, y_new = drawn(30, 3)
    for sets in (
        calibrated("hdr", 100, 1).predict_set(X_new, 0.8),
        ConformalDensityRegressor(TwoBranches(), cv=3, random_state=0)
        .fit(X_new, y_new)
        .predict_set(X_new, 0.8),
    ):
        again = pickle.loads(pickle.dumps(sets))
        assert b"sklearn_mdn._" not in pickle.dumps(sets)
        np.testing.assert_array_equal(again.intervals, sets.intervals)
        np.testing.assert_array_equal(sets[5:9].length(), sets.length()[5:9])
        np.testing.assert_array_equal(sets[[3, 1]].contains(y_new[[3, 1]]), sets.contains(y_new)[[3, 1]])
        assert len(sets[4]) == 1
        assert repr(sets) == "<PredictionSets: 30 rows, confidence level 0.8, method 'hdr'>"


def test_the_threshold_of_a_region():
    X_new, _ = drawn(10, 3)
    sets = calibrated("hdr", 100, 1).predict_set(X_new, 0.8)
    dist = TwoBranches(0.5).predict_distribution(X_new)
    np.testing.assert_allclose(dist.pdf(sets.intervals[:, 0, 0]), sets.threshold, rtol=1e-8)
    with pytest.raises(ValueError, match='threshold is for method="hdr"'):
        calibrated("width", 50, 1).predict_set(X_new).threshold  # noqa: B018


def test_predict_interval_is_from_end_to_end():
    X_new, _ = drawn(20, 3)
    model = calibrated("hdr", 100, 1)
    intervals = model.predict_set(X_new, 0.8).intervals
    np.testing.assert_array_equal(
        model.predict_interval(X_new, 0.8),
        np.column_stack([intervals[:, 0, 0], np.nanmax(intervals, (1, 2))]),
    )


@pytest.mark.parametrize(("n_rows", "level", "needed"), [(8, 0.9, 9), (98, 0.99, 99), (3, 0.8, 4)])
def test_too_few_rows_give_the_line(n_rows, level, needed):
    X_new, _ = drawn(5, 3)
    with pytest.warns(UserWarning, match=f"needs at least {needed} calibration rows, and there are {n_rows}"):
        sets = calibrated("hdr", n_rows, 1).predict_set(X_new, level)
    np.testing.assert_array_equal(sets.intervals, np.tile([[[-np.inf, np.inf]]], (5, 1, 1)))
    assert sets.contains(np.full(5, 1e9)).all()
    assert np.isinf(sets.length()).all()
    np.testing.assert_array_equal(sets.threshold, 0.0)
    enough = calibrated("hdr", needed, 1).predict_set(X_new, level)
    assert np.isfinite(enough.intervals[:, 0]).all()
    fold = ConformalDensityRegressor(TwoBranches(), cv=2, random_state=0).fit(*drawn(n_rows, 1))
    with pytest.warns(UserWarning, match="the whole line"):
        assert np.isinf(fold.predict_set(X_new, level).length()).all()


# ------------------------------------------------------------------------------- a citizen of scikit-learn


def test_what_goes_to_the_estimator():
    X, y = drawn(60, 1)
    inner = MDNRegressor(2, max_iter=3, random_state=0)
    model = ConformalDensityRegressor(inner, cv=2, random_state=0).fit(X, y)
    alone = clone(inner).fit(X, y)
    for ask in (
        lambda m: m.predict(X),
        lambda m: m.predict(X, return_std=True)[1],
        lambda m: m.predict(X, quantiles=[0.1, 0.9]),
        lambda m: m.sample(X, 3, random_state=0),
        lambda m: m.score(X, y),
        lambda m: m.score_samples(X, y),
        lambda m: predict_distribution(m, X).mean(),
    ):
        np.testing.assert_array_equal(ask(model), ask(alone))


def test_searches_clones_pickles_and_pipelines():
    X, y = drawn(80, 1)
    model = ConformalDensityRegressor(
        make_pipeline(StandardScaler(), MDNRegressor(max_iter=2, random_state=0)), cv="split", random_state=0
    )
    search = GridSearchCV(model, {"estimator__mdnregressor__n_components": [1, 2]}, cv=2).fit(X, y)
    best = search.best_estimator_.conformalize(*drawn(50, 2))
    again = pickle.loads(pickle.dumps(best))
    np.testing.assert_array_equal(again.predict_interval(X), best.predict_interval(X))
    assert "conformity_scores_" not in vars(clone(best))
    outside = make_pipeline(StandardScaler(), clone(model).set_params(cv=2)).fit(X, y)
    assert outside[-1].predict_set(outside[:-1].transform(X)).contains(y).mean() > 0.8


def test_the_same_seed_gives_the_same_sets():
    X, y = drawn(60, 1)
    first, again, other = (
        ConformalDensityRegressor(LINEAR, cv=3, random_state=seed).fit(X, y).predict_interval(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_splits_of_ones_own():
    X, y = drawn(60, 1)
    folds = np.arange(60) // 20
    model = ConformalDensityRegressor(LINEAR, cv=list(GroupKFold(3).split(X, y, folds))).fit(X, y)
    assert len(model.estimators_) == 3
    with pytest.raises(ValueError, match="cv must put each row into exactly one test fold"):
        ConformalDensityRegressor(LINEAR, cv=ShuffleSplit(3, random_state=0)).fit(X, y)


def test_weights_of_rows_reach_the_fits():
    X, y = drawn(60, 1)
    weight = np.where(np.arange(60) < 30, 0.0, 1.0)
    model = ConformalDensityRegressor(LINEAR, cv="split").fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.predict(X), clone(LINEAR).fit(X[30:], y[30:]).predict(X), rtol=1e-6)


def test_groups_by_name_by_number_and_by_function():
    X, y = drawn(120, 1)
    frame = pd.DataFrame({"x": X[:, 0], "side": np.where(X[:, 0] > 0.5, "right", "left")})
    fitted = FrozenEstimator(TwoBranches(0.5).fit(X, y))
    by_name = ConformalDensityRegressor(fitted, groups="side").conformalize(frame, y)
    by_function = ConformalDensityRegressor(fitted, groups=lambda X: X[:, 0] > 0.5).conformalize(X, y)
    assert set(by_name._labels) == {"left", "right"}
    np.testing.assert_array_equal(by_name.predict_interval(frame), by_function.predict_interval(X))
    right = X[:, 0] > 0.5
    alone = ConformalDensityRegressor(fitted).conformalize(X[right], y[right])
    np.testing.assert_array_equal(by_function.predict_interval(X[right]), alone.predict_interval(X[right]))
    with pytest.warns(UserWarning, match="group 'right' has"):
        by_name.predict_set(frame, 0.995)
    unknown = frame.assign(side="middle")
    with pytest.raises(
        ValueError, match="groups must be among those of the calibration rows, 'left', 'right'"
    ):
        by_name.predict_set(unknown)


def test_equal_weights_are_no_weights():
    X_new, _ = drawn(20, 3)
    model = calibrated("hdr", 57, 1)
    plain = [model.predict_set(X_new, level).levels for level in (0.3, 0.8, 0.9)]
    X, y = drawn(57, 1)
    model.conformalize(X, y, sample_weight=np.full(57, 2.5))
    for level, expected in zip((0.3, 0.8, 0.9), plain, strict=True):
        weighted = model.predict_set(X_new, level, sample_weight=np.full(20, 2.5))
        np.testing.assert_array_equal(weighted.levels, expected)


def test_a_new_row_that_outweighs_all_has_the_line():
    model = calibrated("hdr", 50, 1).conformalize(*drawn(50, 1), sample_weight=np.ones(50))
    sets = model.predict_set([[0.5], [0.5]], 0.9, sample_weight=[1.0, 1e6])
    assert np.isfinite(sets.length()).tolist() == [True, False]


# ------------------------------------------------------------------------------------------------- bad input

X60, Y60 = drawn(60, 1)


def split(**options):
    return ConformalDensityRegressor(LINEAR, cv="split", random_state=0, **options).fit(X60, Y60)


def on_others(**options):
    return split(**options).conformalize(*drawn(40, 2))


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda: on_others().predict_set(X60, 1.0), ValueError, "confidence_level must lie strictly between"),
        (lambda: on_others().predict_set(X60, [0.8, 0.9]), ValueError, "confidence_level must be one number"),
        (lambda: split(confidence_level=0.0), ValueError, "confidence_level must lie strictly between"),
        (lambda: split(method="area"), ValueError, "method"),
        (
            lambda: ConformalDensityRegressor(LINEAR, randomized=True).fit(X60, Y60),
            ValueError,
            'randomized=True needs calibration rows of their own: give cv="split"',
        ),
        (lambda: split(randomized="yes"), ValueError, "randomized"),
        (lambda: split(groups=3.5), ValueError, "groups must be a column of X"),
        (lambda: on_others(groups=7), ValueError, "groups must be a column of X, and there is no 7"),
        (lambda: on_others(groups=lambda X: [1]), ValueError, "groups must give a label for each of the 40"),
        (
            lambda: on_others(groups=lambda X: [None] * len(X)),
            ValueError,
            "groups must give a label for each row, got none in row 0",
        ),
        (lambda: split().conformalize(X60[:0], Y60[:0]), ValueError, "at least 1 calibration row, got 0"),
        (lambda: split().conformalize(X60, Y60[:, None]), ValueError, "y must have the shape"),
        (lambda: split().predict_set(X60), NotFittedError, "is fitted but not calibrated: call conformalize"),
        (lambda: ConformalDensityRegressor(LINEAR).predict_set(X60), NotFittedError, "not fitted"),
        (lambda: ConformalDensityRegressor(LINEAR, cv="prefit").fit(X60, Y60), NotFittedError, "not fitted"),
        (
            lambda: ConformalDensityRegressor(LinearRegression()).fit(X60, Y60),
            TypeError,
            "must predict densities",
        ),
        (lambda: ConformalDensityRegressor(LINEAR, cv="folds").fit(X60, Y60), ValueError, "cv"),
        (
            lambda: on_others().predict_set(X60, sample_weight=np.ones(60)),
            ValueError,
            "only if conformalize was given that",
        ),
        (
            lambda: split().conformalize(*drawn(40, 2), sample_weight=np.ones(40)).predict_set(X60),
            ValueError,
            "sample_weight must be given to predict_set",
        ),
        (lambda: split().conformalize(*drawn(40, 2), sample_weight=-np.ones(40)), ValueError, "[Nn]egative"),
        (lambda: on_others().predict_set(X60).contains(np.zeros(7)), ValueError, "cannot be broadcast"),
        (lambda: on_others().predict_set(X60).contains("a"), ValueError, "y must be real numbers"),
    ],
)
def test_bad_input_is_refused_by_name(ask, error, words):
    with pytest.raises(error, match=words):
        ask()


def test_rows_that_were_trained_on_are_noticed():
    with pytest.warns(UserWarning, match=r"rows that the estimator was fitted to \(100% of them\)"):
        split().conformalize(X60, Y60)
    with pytest.warns(UserWarning, match=r"\(75% of them\)"):
        split().conformalize(
            *(np.concatenate([a[:30], b[:10]]) for a, b in zip((X60, Y60), drawn(40, 2), strict=True))
        )


def test_an_error_leaves_the_estimator_as_it_was():
    model = on_others()
    before = model.predict_interval(X60)
    with pytest.raises(ValueError, match="y must have the shape"):
        model.conformalize(X60, Y60[:30].repeat(2).reshape(60, 1))
    np.testing.assert_array_equal(model.predict_interval(X60), before)


# -------------------------------------------------------------------------------- all kinds of distribution


@pytest.mark.parametrize("method", ["hdr", "interval"])
@pytest.mark.parametrize("options", [{"support": "positive"}, {"limits": (0.0, None)}], ids=str)
@pytest.mark.parametrize("cv", ["split", 2])
def test_other_kinds_of_distribution(method, options, cv):
    """Transformed and clipped ones, atoms included."""
    X, y = drawn(120, 1)
    y = np.exp(0.3 * y) if "support" in options else np.clip(y, 0.0, None)
    inner = MDNRegressor(2, max_iter=15, random_state=0, **options)
    model = ConformalDensityRegressor(inner, method=method, cv=cv, random_state=0).fit(X[:60], y[:60])
    if cv == "split":
        model.conformalize(X[60:100], y[60:100])
    sets = model.predict_set(X[100:], 0.7)
    inside = sets.contains(y[100:])
    assert (in_intervals(sets.intervals, y[100:]) == inside).mean() >= 0.95
    assert 0.4 < inside.mean() <= 1.0
    assert (sets.length() < 100.0).all()
