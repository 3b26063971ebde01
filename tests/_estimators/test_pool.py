"""DensityPool: the exact weighted mixture of what its estimators predict."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_mdn import DensityPool, MDNRegressor


def small(**parameters):
    return MDNRegressor(**{"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    return X, X[:, 0] + rng.normal(size=60)


@pytest.fixture(scope="module", params=["1-d", "one column", "two columns"])
def fitted(request, data):
    """Estimators of different structure, fitted to one target."""
    X, y = data
    y = {"1-d": y, "one column": y[:, None], "two columns": np.column_stack([y, X[:, 1] - y])}[request.param]
    models = [
        small(n_components=2).fit(X, y),
        make_pipeline(StandardScaler(), small(covariance_type="full", n_components=3)).fit(X, y),
        FrozenEstimator(small(n_estimators=2, covariance_type="tied").fit(X, y)),
    ]
    return X, y, models


def test_density_is_the_weighted_sum(fitted):
    X, y, models = fitted
    pool = DensityPool.from_fitted(models, weights=[1, 2, 5])
    np.testing.assert_allclose(pool.weights_, [0.125, 0.25, 0.625])
    parts = [DensityPool.from_fitted([model]).score_samples(X, y) for model in models]
    np.testing.assert_allclose(np.exp(pool.score_samples(X, y)), pool.weights_ @ np.exp(parts), rtol=1e-10)
    np.testing.assert_allclose(
        pool.predict(X), np.tensordot(pool.weights_, [m.predict(X) for m in models], 1)
    )
    np.testing.assert_allclose(parts[0], models[0].score_samples(X, y))


def test_every_prediction_method(fitted):
    X, y, models = fitted
    pool = DensityPool.from_fitted(models)
    mean, std = pool.predict(X, return_std=True)
    assert mean.shape == std.shape == y.shape
    assert pool.predict(X, quantiles=[0.1, 0.9]).shape == (*y.shape, 2)
    assert pool.predict_proba(X).shape == (60, 2 + 3 + 10)
    np.testing.assert_allclose(pool.predict_proba(X).sum(axis=1), 1.0)
    assert pool.sample(X, 7, random_state=0).shape == (*y.shape, 7)
    assert pool.score_samples(X).shape == (60,)
    assert pool.score(X, y) == pytest.approx(pool.score_samples(X, y).mean())
    distribution = pool.predict_distribution(X)
    assert [member.weights.shape[1] for member in distribution.members()] == [2, 3, 5, 5]


def test_a_pool_in_a_pool(data):
    X, y = data
    a, b, c = (small(random_state=seed).fit(X, y) for seed in range(3))
    nested = DensityPool.from_fitted([DensityPool.from_fitted([a, b]), c], weights=[2, 1])
    np.testing.assert_allclose(
        nested.score_samples(X, y), DensityPool.from_fitted([a, b, c]).score_samples(X, y), rtol=1e-10
    )


def test_weight_zero_is_absence(data):
    X, y = data
    a, b = (small(random_state=seed).fit(X, y) for seed in range(2))
    pool = DensityPool.from_fitted([a, b], weights=[1, 0])
    np.testing.assert_allclose(pool.score_samples(X, y), a.score_samples(X, y))
    np.testing.assert_allclose(pool.predict(X, quantiles=[0.01]), a.predict(X, quantiles=[0.01]))


def test_estimators_without_a_number_of_features():
    texts, y = [f"word{i % 3} word{i % 5}" for i in range(30)], np.arange(30) % 3
    dense = FunctionTransformer(lambda matrix: matrix.toarray(), validate=False)
    pool = DensityPool([make_pipeline(TfidfVectorizer(), dense, small())] * 2).fit(texts, y)
    assert not hasattr(pool, "n_features_in_")
    assert np.isfinite(pool.predict(texts)).all()


def test_fit_fits_clones(data):
    X, y = data
    weight = np.random.default_rng(0).uniform(size=60)
    kept = small(n_components=2).fit(X, y)
    pool = DensityPool([small(), FrozenEstimator(kept)], weights=[1, 1])
    pool.fit(X, y, sample_weight=weight)
    assert not hasattr(pool.estimators[0], "coefs_")
    expected = small().fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(pool.estimators_[0].predict(X), expected.predict(X))
    np.testing.assert_array_equal(pool.estimators_[1].predict(X), kept.predict(X))
    assert np.isfinite(cross_val_score(clone(pool), X, y, cv=2)).all()
    copy = pickle.loads(pickle.dumps(pool))
    np.testing.assert_array_equal(copy.predict(X), pool.predict(X))


WRAPPED = {
    "network": lambda network: network,
    "pipeline": lambda network: make_pipeline(FunctionTransformer(), network),
    "pipeline of a pipeline": lambda network: make_pipeline(FunctionTransformer(), make_pipeline(network)),
    "search": lambda network: GridSearchCV(make_pipeline(network), {"mdnregressor__alpha": [1e-4]}, cv=2),
    "pool": lambda network: DensityPool([make_pipeline(network)]),
}


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_weights_reach_the_network(wrapped, routing, data):
    X, y = data
    weight = np.random.default_rng(0).uniform(size=60)
    with config_context(enable_metadata_routing=routing):
        network = small()
        if routing:
            network.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pool = DensityPool([WRAPPED[wrapped](network)]).fit(X, y, sample_weight=weight)
    expected = small().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(pool.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "2 non-negative numbers"),
        ([1.0, -1.0], "2 non-negative numbers"),
        ([np.nan, 1.0], "2 non-negative numbers"),
        ([0.0, 0.0], "not all be zero"),
    ],
)
def test_bad_weights(weights, message, data):
    X, y = data
    models = [small().fit(X, y)] * 2
    with pytest.raises(ValueError, match=message):
        DensityPool.from_fitted(models, weights=weights)
    with pytest.raises(ValueError, match=message):
        DensityPool(models, weights=weights).fit(X, y)


@pytest.mark.parametrize(
    ("estimators", "error", "message"),
    [
        ([], ValueError, "at least one"),
        (small(), TypeError, "must be an instance of 'list'"),
        ([("small", small()), small()], TypeError, "or of pairs .name, estimator. throughout"),
        ([("small", small(), 1)], TypeError, "throughout"),
        ([("small", None)], TypeError, "got None"),
        ([("small", "drop")], ValueError, "at least one"),
        (["drop"], TypeError, "got 'drop'"),
        ([("small", small()), ("small", small())], ValueError, "different names"),
        ([("a__b", small())], ValueError, "without '__'"),
        ([("weights", small())], ValueError, "got 'weights'"),
        ([(1, small())], ValueError, "got 1"),
        ([small(), None], TypeError, "got None"),
        ([MDNRegressor], TypeError, "got <class"),
    ],
)
def test_what_is_no_list_of_estimators(estimators, error, message, data):
    with pytest.raises(error, match=message):
        DensityPool(estimators).fit(*data)
    with pytest.raises(error, match=message):
        DensityPool.from_fitted(estimators)


def test_a_fit_that_fails_leaves_the_pool_as_it_was(data):
    X, y = data
    pool = DensityPool([small(), small(random_state=1)], weights=[1, 3]).fit(
        pd.DataFrame(X, columns=["a", "b"]), y
    )
    before, frame = pool.predict(pd.DataFrame(X, columns=["a", "b"])), pd.DataFrame(X, columns=["a", "b"])
    transformed = TransformedTargetRegressor(BayesianRidge(), func=np.arcsinh, inverse_func=np.sinh)
    pool.set_params(estimators=[small(), transformed], weights=[1, 0])
    with pytest.raises(TypeError, match="BayesianRidge inside TransformedTargetRegressor"):
        pool.fit(X, y)
    np.testing.assert_array_equal(pool.predict(frame), before)
    assert list(pool.feature_names_in_) == ["a", "b"]
    assert not hasattr(pool.set_params(estimators=[small()], weights=None).fit(X, y), "feature_names_in_")
    never = DensityPool([transformed])
    with pytest.raises(TypeError, match="BayesianRidge inside TransformedTargetRegressor"):
        never.fit(X, y)
    with pytest.raises(NotFittedError):
        never.predict(X)


def test_estimators_that_cannot_be_pooled(data):
    X, y = data
    one = small().fit(X, y)
    with pytest.raises(ValueError, match="targets of one shape"):
        DensityPool.from_fitted([one, small().fit(X, np.column_stack([y, y]))]).predict(X)
    with pytest.raises(ValueError, match=r"same features, got \[1, 2\]"):
        DensityPool.from_fitted([one, small().fit(X[:, :1], y)])
    with pytest.raises(NotFittedError, match="MDNRegressor"):
        DensityPool.from_fitted([one, small()])
    for regressor, message in (
        (BayesianRidge(), "BayesianRidge has no predict_distribution"),
        (make_pipeline(BayesianRidge()), "BayesianRidge inside Pipeline has no predict_distribution"),
        (
            TransformedTargetRegressor(BayesianRidge(), func=np.exp, inverse_func=np.log),
            "BayesianRidge inside TransformedTargetRegressor",
        ),
    ):
        with pytest.raises(TypeError, match=message):
            DensityPool([regressor]).fit(X, y)
        with pytest.raises(TypeError, match=message):
            DensityPool.from_fitted([one, regressor.fit(X, y)])


class TestNames:
    def named(self):
        return DensityPool([("one", small(n_components=1)), ("two", make_pipeline(small()))], weights=[1, 3])

    def test_parameters(self):
        pool = self.named()
        assert pool.get_params(deep=False) == {"estimators": pool.estimators, "weights": [1, 3]}
        params = pool.get_params()
        assert params["one"] is pool.estimators[0][1]
        assert params["two__mdnregressor__max_iter"] == 3
        copy = clone(pool).set_params(one__n_components=4, two__mdnregressor__alpha=0.5, weights=None)
        assert copy.estimators[0][1].n_components == 4
        assert copy.estimators[1][1][0].alpha == 0.5
        assert pool.estimators[0][1].n_components == 1
        with pytest.raises(ValueError, match="Invalid parameter 'three'"):
            pool.set_params(three__alpha=1)

    def test_an_estimator_is_replaced(self, data):
        pool, before = self.named(), small(n_components=1)
        given = pool.estimators = [("one", before), ("two", small())]
        pool.set_params(one=small(n_components=7), one__max_iter=1)
        assert given[0][1] is before
        assert (pool.estimators[0][1].n_components, pool.estimators[0][1].max_iter) == (7, 1)
        assert pool.fit(*data).named_estimators_.one is pool.estimators_[0]

    def test_an_estimator_is_dropped(self, data):
        X, y = data
        pool = self.named().set_params(one="drop").fit(X, y)
        expected = make_pipeline(small()).fit(X, y)
        np.testing.assert_array_equal(pool.predict(X), expected.predict(X))
        np.testing.assert_array_equal(pool.weights_, [1.0])
        assert list(pool.named_estimators_) == ["two"]
        three = DensityPool([("a", "drop"), ("b", small()), ("c", small())], weights=[9, 1, 3]).fit(X, y)
        np.testing.assert_array_equal(three.weights_, [0.25, 0.75])
        with pytest.raises(ValueError, match="weights must be 2 non-negative numbers"):
            pool.set_params(weights=[1]).fit(X, y)

    def test_names_change_nothing(self, data):
        X, y = data
        plain = DensityPool([small(n_components=1), make_pipeline(small())], weights=[1, 3]).fit(X, y)
        np.testing.assert_array_equal(self.named().fit(X, y).predict(X), plain.predict(X))
        fitted = DensityPool.from_fitted([("a", plain.estimators_[0]), ("b", plain)])
        np.testing.assert_array_equal(fitted.named_estimators_["b"].predict(X), plain.predict(X))

    def test_without_names_they_are_called_after_their_classes(self, data):
        pool = DensityPool([small(), small(), make_pipeline(small())])
        pool.set_params(**{"mdnregressor-2__n_components": 2, "pipeline__mdnregressor__max_iter": 1})
        assert [pool.estimators[0].n_components, pool.estimators[1].n_components] == [5, 2]
        pool.set_params(**{"mdnregressor-1": small(n_components=9)})
        assert pool.estimators[0].n_components == 9
        assert list(pool.fit(*data).named_estimators_) == ["mdnregressor-1", "mdnregressor-2", "pipeline"]

    def test_a_search(self, data):
        grid = {"one__n_components": [1, 2], "two": [small(), "drop"]}
        search = GridSearchCV(self.named(), grid, cv=2).fit(*data)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
