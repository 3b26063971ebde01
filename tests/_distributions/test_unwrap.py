"""Densities through the estimators that scikit-learn wraps around a regressor."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_mdn import (
    DensityPool,
    MDNRegressor,
    MDNSearchCV,
    MixtureDistribution,
    TransformedDistribution,
    predict_distribution,
)
from sklearn_mdn._distributions.unwrap import PredictsDistribution
from tests._distributions.linear_density import LinearDensity

GRID = {"spread": [1.0, 2.0]}


def data(n_targets=1):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    y = X @ rng.normal(size=(3, n_targets)) + rng.normal(size=(50, n_targets))
    return X, y[:, 0] if n_targets == 1 else y


def search(estimator=None):
    return GridSearchCV(estimator or LinearDensity(), GRID, scoring="neg_mean_squared_error", cv=2)


# Each with the function of X that the regressor inside ends up seeing.
WRAPPERS = {
    "none": LinearDensity(),
    "pipeline": make_pipeline(StandardScaler(), LinearDensity()),
    "pipeline of one": Pipeline([("regressor", LinearDensity())]),
    "passthrough": Pipeline([("a", "passthrough"), ("b", None), ("c", PCA()), ("d", LinearDensity())]),
    "pipeline of a pipeline": make_pipeline(PCA(), make_pipeline(StandardScaler(), LinearDensity())),
    "search": search(),
    "randomised search": RandomizedSearchCV(LinearDensity(), {"spread": [1.0]}, n_iter=1, scoring="r2", cv=2),
    "pipeline of a search": make_pipeline(StandardScaler(), search()),
    "search of a pipeline": GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("density", LinearDensity())]),
        {"density__spread": [1.0]},
        scoring="r2",
        cv=2,
    ),
}


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("name", list(WRAPPERS))
def test_linear_maps_of_the_features_change_nothing(name, n_targets):
    """Least squares does not see an invertible linear map of X, so each wrapper must end in one density."""
    X, y = data(n_targets)
    model = WRAPPERS[name].fit(X, y)
    expected = LinearDensity().fit(X, y).predict_distribution(X[:7])
    for wrapped in (model, FrozenEstimator(model), FrozenEstimator(FrozenEstimator(model))):
        found = predict_distribution(wrapped, X[:7])
        np.testing.assert_allclose(found.mean(), expected.mean(), rtol=1e-9)
        np.testing.assert_allclose(found.cov(), expected.cov(), rtol=1e-9)


def test_a_frozen_regressor_inside_a_pipeline():
    X, y = data()
    scaler = StandardScaler().fit(X)
    inner = LinearDensity().fit(scaler.transform(X), y)
    pipeline = make_pipeline(FrozenEstimator(scaler), FrozenEstimator(inner)).fit(X, y)
    expected = inner.predict_distribution(scaler.transform(X))
    np.testing.assert_array_equal(predict_distribution(pipeline, X).mean(), expected.mean())


def test_data_frames_keep_their_names():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), LinearDensity()).fit(frame, y)
    expected = make_pipeline(StandardScaler(), LinearDensity()).fit(X, y)
    np.testing.assert_allclose(
        predict_distribution(pipeline, frame).mean(), predict_distribution(expected, X).mean()
    )


def test_searches_and_pools_of_networks():
    X, y = data()
    network = MDNRegressor(2, max_iter=2, random_state=0)
    found = MDNSearchCV(network, {"n_components": [1, 2]}, cv=2).fit(X, y)
    np.testing.assert_array_equal(
        predict_distribution(make_pipeline("passthrough", FrozenEstimator(found)), X).mean(),
        found.best_estimator_.predict_distribution(X).mean(),
    )
    pool = DensityPool([network, make_pipeline(StandardScaler(), network)]).fit(X, y)
    np.testing.assert_array_equal(
        predict_distribution(FrozenEstimator(pool), X).mean(), pool.predict_distribution(X).mean()
    )


def test_what_predicts_distributions():
    """The class decides, so a wrapper that hands on attributes does not pass for what it wraps."""
    assert isinstance(MDNRegressor(), PredictsDistribution)
    assert isinstance(DensityPool([]), PredictsDistribution)
    assert isinstance(LinearDensity(), PredictsDistribution)
    assert not isinstance(FrozenEstimator(LinearDensity()), PredictsDistribution)
    assert not isinstance(LinearRegression(), PredictsDistribution)


class TestRefusals:
    @pytest.mark.parametrize(
        ("estimator", "name"),
        [
            (LinearRegression(), "LinearRegression has no predict_distribution"),
            (make_pipeline(PCA(), LinearRegression()), "LinearRegression inside Pipeline"),
            (BaggingRegressor(LinearRegression()), "LinearRegression has no predict_distribution"),
            (make_pipeline(PCA(), FunctionTransformer()), "FunctionTransformer inside Pipeline"),
        ],
    )
    def test_no_density_inside(self, estimator, name):
        X, y = data()
        with pytest.raises(TypeError, match=name):
            predict_distribution(estimator.fit(X, y), X)

    @pytest.mark.parametrize("wrap", [lambda e: e, lambda e: make_pipeline(PCA(), e), FrozenEstimator])
    def test_a_transformed_target(self, wrap):
        X, y = data()
        model = TransformedTargetRegressor(LinearDensity(), transformer=StandardScaler())
        assert isinstance(predict_distribution(wrap(model.fit(X, y)).fit(X, y), X), MixtureDistribution)
        model = TransformedTargetRegressor(LinearDensity(), func=np.arcsinh, inverse_func=np.sinh)
        assert isinstance(predict_distribution(wrap(model.fit(X, y)).fit(X, y), X), TransformedDistribution)

    def test_a_search_that_kept_nothing(self):
        X, y = data()
        with pytest.raises(ValueError, match="refit=False"):
            predict_distribution(search().set_params(refit=False).fit(X, y), X)

    @pytest.mark.parametrize(
        "estimator",
        [
            LinearDensity(),
            make_pipeline(StandardScaler(), LinearDensity()),
            search(),
            FrozenEstimator(LinearDensity()),
            TransformedTargetRegressor(LinearDensity()),
        ],
        ids=lambda estimator: type(estimator).__name__,
    )
    def test_not_fitted(self, estimator):
        with pytest.raises(NotFittedError):
            predict_distribution(estimator, data()[0])
