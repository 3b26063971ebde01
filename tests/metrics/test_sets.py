"""Scores of prediction sets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import BayesianRidge

from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
from sklearn_mdn.metrics import conditional_coverage, coverage_band, mean_set_size, set_coverage

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 2))
Y = X[:, 0] + (0.2 + np.abs(X[:, 1])) * rng.normal(size=400)
MODEL = ConformalDensityRegressor(
    FrozenEstimator(GaussianDensity(BayesianRidge()).fit(X[:100], Y[:100]))
).conformalize(X[100:200], Y[100:200])
SETS = MODEL.predict_set(X[200:], 0.8)
NAN = np.nan
PIECES = np.array(
    [[[0, 1], [3, 4]], [[0, 1], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]], [[-np.inf, np.inf], [NAN, NAN]]]
)


def test_sets_and_their_intervals_score_alike():
    y = Y[200:]
    assert set_coverage(y, SETS) == SETS.contains(y).mean() == set_coverage(y, SETS.intervals)
    assert mean_set_size(SETS) == pytest.approx(SETS.length().mean())
    assert mean_set_size(SETS) == pytest.approx(mean_set_size(SETS.intervals[:, 0]))


def test_pieces_and_gaps():
    assert set_coverage([3.5, 2.0, 0.0, 1e9], PIECES) == 0.5
    assert set_coverage([1.0, 0.0, 0.0, 0.0], PIECES) == 0.75  # ends are inside
    np.testing.assert_allclose(mean_set_size(PIECES[:3]), 1.0)
    assert mean_set_size(PIECES) == np.inf
    assert set_coverage([3.5, 2.0, 0.0, 1e9], PIECES, sample_weight=[3, 1, 0, 0]) == 0.75
    assert mean_set_size(PIECES[:3], sample_weight=[1, 0, 0]) == 2.0


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_the_band_holds_binomial_shares(level):
    count = np.array([10, 100, 5000])
    lower, upper = coverage_band(level, count, band=0.9)
    law = stats.binom(count, level)
    held = law.cdf(np.round(upper * count)) - law.cdf(np.round(lower * count) - 1)
    assert (held >= 0.9 - 1e-12).all()
    assert (np.diff(upper - lower) < 0).all()
    assert ((lower <= level) & (level <= upper)).all()


def test_parts_by_a_number():
    by = np.abs(X[200:, 1])
    parts = conditional_coverage(Y[200:], SETS, by=by, n_bins=4)
    inside = SETS.contains(Y[200:])
    assert parts.n_rows.tolist() == [50] * 4
    quarter = np.argsort(np.argsort(by)) // 50
    np.testing.assert_allclose(parts.coverage, [inside[quarter == i].mean() for i in range(4)])
    np.testing.assert_allclose(parts.size, [SETS.length()[quarter == i].mean() for i in range(4)])
    assert parts.coverage @ parts.n_rows == inside.sum()
    assert parts.confidence_level == 0.8
    assert parts.coverage[0] > parts.coverage[-1]  # one width for all does not fit all
    assert repr(parts).count("\n") == 4


def test_parts_by_groups_and_by_size():
    groups = np.where(X[200:, 0] > 0, "right", "left")
    parts = conditional_coverage(Y[200:], SETS, groups=groups)
    assert parts.labels == ("left", "right")
    assert conditional_coverage(Y[200:], SETS.intervals).confidence_level is None
    assert len(conditional_coverage(Y[200:203], SETS[:3]).labels) == 3  # fewer rows than tenths


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: set_coverage(Y[:3], SETS), "y_set must hold one set for each of the 3 targets"),
        (lambda: set_coverage(Y[:3], PIECES), "y_true must have the shape"),
        (lambda: set_coverage([1.0], [[2.0, 1.0]]), "upper ends are not below"),
        (lambda: set_coverage([1.0], [1.0]), "y_set must be PredictionSets, or intervals"),
        (lambda: mean_set_size("a"), "y_set must be real numbers"),
        (lambda: coverage_band(1.0, 10), "confidence_level must lie strictly"),
        (lambda: coverage_band(0.9, 10, band=0), "band must lie strictly"),
        (lambda: coverage_band(0.9, 0), "n_rows must be at least 1"),
        (lambda: conditional_coverage(Y[200:], SETS, by=[1.0]), "by must hold a number for each"),
        (lambda: conditional_coverage(Y[200:], SETS, by=np.full(200, NAN)), "with NaN"),
        (lambda: conditional_coverage(Y[200:], SETS, groups=[1]), "groups must hold a label for each"),
        (lambda: conditional_coverage(Y[200:], SETS, by=Y[200:], groups=Y[200:]), "cannot both be given"),
        (lambda: conditional_coverage(Y[200:], SETS, n_bins=0), "n_bins must be an integer"),
    ],
)
def test_bad_input_is_refused_by_name(ask, words):
    with pytest.raises(ValueError, match=words):
        ask()
