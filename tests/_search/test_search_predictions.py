"""A search predicts all that its best estimator does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV, predict_distribution


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    return X, X[:, 0] + rng.normal(size=60)


def search(pipeline=False, **options):
    network = MDNRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0)
    estimator = make_pipeline(StandardScaler(), network) if pipeline else network
    name = "mdnregressor__n_components" if pipeline else "n_components"
    return MDNSearchCV(estimator, {name: [1, 2]}, cv=2, **options)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("pipeline", [False, True])
@pytest.mark.parametrize("refit", [True, "stacking"])
def test_predictions_are_the_best_estimator_s(pipeline, refit, routing, data):
    X, y = data
    with config_context(enable_metadata_routing=routing):
        model = search(pipeline, refit=refit).fit(X, y)
        best = model.best_estimator_
        regressor, rows = best, X
        if pipeline and refit is True:
            regressor, rows = best[-1], best[0].transform(X)
        np.testing.assert_array_equal(model.predict(X), best.predict(X))
        mean, deviation = model.predict(X, return_std=True)
        expected = regressor.predict(rows, return_std=True)
        np.testing.assert_array_equal((mean, deviation), expected)
        quantiles = model.predict(X, quantiles=[0.1, 0.9])
        np.testing.assert_array_equal(quantiles, regressor.predict(rows, quantiles=[0.1, 0.9]))
        draws = model.sample(X, n_samples=3, random_state=0)
        np.testing.assert_array_equal(draws, regressor.sample(rows, n_samples=3, random_state=0))
        found = model.predict_distribution(X)
        np.testing.assert_array_equal(found.logpdf(y), predict_distribution(model, X).logpdf(y))
        with pytest.raises(ValueError, match="cannot be asked for together"):
            model.predict(X, return_std=True, quantiles=[0.5])


def test_inside_others(data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), search()).fit(X, y)
    assert pipeline.predict(X, quantiles=[0.1, 0.9]).shape == (60, 2)
    pool = DensityPool([pipeline]).fit(X, y)
    np.testing.assert_allclose(pool.predict(X), pipeline.predict(X))


@pytest.mark.parametrize("method", ["predict", "sample", "predict_distribution"])
def test_only_with_an_estimator(method, data):
    with pytest.raises(NotFittedError):
        getattr(search(), method)(data[0])
    without = search(refit=False).fit(*data)
    assert not hasattr(without, method)
    with pytest.raises(AttributeError, match=method):
        getattr(without, method)
    with pytest.raises(ValueError, match="refit=False"):
        predict_distribution(without, data[0])
