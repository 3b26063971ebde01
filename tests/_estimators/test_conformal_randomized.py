"""Levels of sets where scores have ties, and sets about which chance decides."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from sklearn_mdn import ClippedDistribution, ConformalDensityRegressor, MixtureDistribution
from sklearn_mdn._estimators.conformal_levels import calibrated_levels

METHODS = ("hdr", "interval", "width")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_levels_are_those_of_the_definition(weighted, tied):
    """Against p-values of candidate scores, one by one."""
    rng = np.random.default_rng(0)
    scores = rng.choice([0.0, 0.25, 0.5], 12) if tied else rng.uniform(size=12)
    weights = rng.uniform(0.5, 2.0, 12) if weighted else np.ones(12)
    new, uniform = rng.uniform(0.5, 2.0, 40) if weighted else np.ones(40), rng.uniform(size=40)
    groups, new_groups = np.zeros(12, dtype=int), np.zeros(40, dtype=int)
    values = np.unique(np.concatenate([scores, scores + 1e-9, scores - 1e-9, [0.0, 0.999]]))
    for level in (0.05, 0.5, 0.8, 0.9, 0.97):
        for u in (np.ones(40), uniform):
            found = calibrated_levels(scores, weights, groups, level, new, new_groups, u)
            for i in range(40):
                total = weights.sum() + new[i]
                p = [weights[scores > s].sum() + u[i] * (weights[scores == s].sum() + new[i]) for s in values]
                held = values <= found[i]
                np.testing.assert_array_equal(held, np.array(p) > (1.0 - level) * total + 1e-9 * total)


class Spiked(RegressorMixin, BaseEstimator):
    """Clipped at zero: an atom in each row, alike in all of them."""

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.predict_distribution(X).mean()

    def predict_distribution(self, X):
        n_rows = len(X)
        latent = MixtureDistribution(np.ones((n_rows, 1)), np.full((n_rows, 1), 0.3), np.ones((n_rows, 1)))
        return ClippedDistribution(latent, 0.0, np.inf)


@pytest.mark.parametrize("method", METHODS)
def test_randomized_coverage_is_the_level(method):
    """At an atom of 0.38 scores are tied: sets of 0.2 hold it always, or by chance, and then are right."""
    rng = np.random.default_rng(0)
    X, y = np.zeros((1000, 1)), np.clip(rng.normal(0.3, 1.0, 1000), 0.0, None)
    model = ConformalDensityRegressor(FrozenEstimator(Spiked().fit(X, y)), method=method, random_state=0)
    scores = model.conformalize(X, y).conformity_scores_.reshape(20, 50)
    covered = {}
    for randomized in (False, True):
        none, held = np.zeros(50, dtype=int), []
        for part in scores:
            u = rng.uniform(size=26) if randomized else None
            held.append(part[24:] <= calibrated_levels(part[:24], None, none[:24], 0.2, None, none[24:], u))
        means = np.mean(held, axis=1)
        covered[randomized] = means.mean(), means.std(ddof=1) / np.sqrt(len(means))
        # And the sets do what that arithmetic says.
        model.set_params(randomized=randomized).conformalize(X[:24], y[:24])
        sets = model.predict_set(X[24:50], 0.2)
        np.testing.assert_array_equal(sets.contains(y[24:50]), scores[0, 24:] <= sets.levels)
        np.testing.assert_array_equal(sets.contains(y[24:50]), in_intervals(sets.intervals, y[24:50]))
    mean, error = covered[True]
    assert abs(mean - 0.2) < 4 * error
    if method != "interval":
        assert covered[False][0] > 0.2 + 4 * covered[False][1]


def test_without_ties_chance_takes_what_is_above_the_level():
    """With 20 rows a set of 0.8 covers 17 / 21, by chance 0.8: within four standard errors of a mean."""
    rng = np.random.default_rng(1)
    scores, new, uniform = rng.uniform(size=(4000, 20)), rng.uniform(size=4000), rng.uniform(size=4000)
    one = np.zeros(1, dtype=int)
    for u, level in ((np.ones(4000), 17 / 21), (uniform, 0.8)):
        held = [
            s <= calibrated_levels(row, None, np.zeros(20, dtype=int), 0.8, None, one, u[i : i + 1])[0]
            for i, (row, s) in enumerate(zip(scores, new, strict=True))
        ]
        assert abs(np.mean(held) - level) < 4 * np.sqrt(level * (1 - level) / 4000)


def test_randomized_sets_are_repeated_stored_and_may_hold_nothing():
    X, y = np.zeros((40, 1)), np.clip(np.random.default_rng(0).normal(0.3, 1.0, 40), 0.0, None)
    model = ConformalDensityRegressor(FrozenEstimator(Spiked().fit(X, y)), randomized=True, random_state=0)
    sets = model.conformalize(X, y).predict_set(X, 0.2)
    again = pickle.loads(pickle.dumps(model)).predict_set(X, 0.2)
    np.testing.assert_array_equal(sets.levels, again.levels)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sets)).intervals, sets.intervals)
    assert set(sets.n_pieces()) == {0, 1}
    assert (sets.threshold[sets.n_pieces() == 0] == np.inf).all()
    assert not sets[np.flatnonzero(sets.n_pieces() == 0)].contains(0.0).any()


def in_intervals(intervals, y):
    return ((intervals[..., 0] <= y[:, None]) & (y[:, None] <= intervals[..., 1])).any(1)
