"""Answers that need no mixtures in the end are made in blocks of rows, and are the same in any blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import DensityPool, MDNRegressor
from sklearn_mdn._estimators import density, prediction

N_ROWS = 300


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(N_ROWS, 2)), columns=["first", "second"])
    y = X["first"].to_numpy() + rng.normal(size=N_ROWS)
    return X, y, np.column_stack([y, X["second"]])


def small(**params):
    return MDNRegressor(2, hidden_layer_sizes=(3,), max_iter=2, random_state=0, **params)


def answers(model, X, y):
    mean, deviation = model.predict(X, return_std=True)
    return [
        mean,
        deviation,
        model.predict(X),
        model.predict(X, quantiles=[0.2, 0.9]),
        model.predict_proba(X),
        model.sample(X, 3, random_state=1),
        model.score_samples(X),
        model.score_samples(X, y),
    ]


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("kind", ["network", "ensemble", "pool"])
def test_blocks_change_nothing(kind, n_targets, data, monkeypatch):
    X, y, Y = data
    target = y if n_targets == 1 else Y
    model = {
        "network": small(covariance_type="full"),
        "ensemble": small(n_estimators=3),
        "pool": DensityPool([small(), make_pipeline(StandardScaler(), small())]),
    }[kind].fit(X, target)
    expected = answers(model, X, target)
    distribution = model.predict_distribution(X)
    np.testing.assert_array_equal(expected[0], distribution.mean())
    np.testing.assert_array_equal(expected[5], distribution.rvs(3, random_state=1))
    monkeypatch.setattr(prediction, "PREDICTION_BLOCK", 1 << 10)
    monkeypatch.setattr(prediction, "OUTPUT_BLOCK", 1)
    monkeypatch.setattr(density, "OUTPUT_BLOCK", 1)
    sizes = [len(part) for part in model._distributions(X)]
    assert len(sizes) > 2
    assert sum(sizes) == N_ROWS
    for found, whole in zip(answers(model, X, target), expected, strict=True):
        assert found.shape == whole.shape
        np.testing.assert_allclose(found, whole, rtol=1e-12, atol=1e-12)


def test_targets_of_another_shape_are_refused_in_blocks_too(data, monkeypatch):
    X, y, _ = data
    model = small().fit(X, y)
    monkeypatch.setattr(prediction, "OUTPUT_BLOCK", 1)
    monkeypatch.setattr(prediction, "PREDICTION_BLOCK", 1 << 10)
    with pytest.raises(ValueError, match=r"y must have the shape \(300,\)"):
        model.score_samples(X, y[:-1])


def test_a_model_that_predicts_otherwise_is_asked(data):
    class Shifted(MDNRegressor):
        def predict_distribution(self, X):
            return super().predict_distribution(np.asarray(X) + 1.0)

    X, y, _ = np.asarray(data[0]), *data[1:]
    model = Shifted(2, hidden_layer_sizes=(3,), max_iter=2, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), small().fit(X, y).predict(X + 1.0))
