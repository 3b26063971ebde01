"""GaussianDensity: what predicts a mean and a standard deviation, as a regressor of densities."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import stats
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import ARDRegression, BayesianRidge, LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_mdn import DensityPool, GaussianDensity, MDNRegressor, predict_distribution
from sklearn_mdn.metrics import crps, log_likelihood_scorer, neg_crps_scorer

KERNEL = RBF() + WhiteKernel()
MODELS = {
    "ridge": BayesianRidge(),
    "ARD": ARDRegression(),
    "process": GaussianProcessRegressor(KERNEL),
    "pipeline": make_pipeline(StandardScaler(), BayesianRidge()),
    "a network": MDNRegressor(2, hidden_layer_sizes=(4,), max_iter=2, random_state=0),
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    return X, X[:, 0] + 0.5 * rng.normal(size=50)


@pytest.mark.parametrize("name", MODELS)
def test_density_is_normal(name, data):
    X, y = data
    model = GaussianDensity(MODELS[name]).fit(X, y)
    mean, deviation = clone(MODELS[name]).fit(X, y).predict(X, return_std=True)
    expected = stats.norm(mean, deviation)
    np.testing.assert_allclose(model.score_samples(X, y), expected.logpdf(y), rtol=1e-9)
    np.testing.assert_allclose(model.predict(X), mean)
    np.testing.assert_allclose(model.predict(X, return_std=True)[1], deviation)
    assert neg_crps_scorer(model, X, y) == pytest.approx(-crps(y, expected), rel=1e-7)
    assert log_likelihood_scorer(make_pipeline(StandardScaler(with_std=False), model).fit(X, y), X, y) < 0
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))


def test_several_targets(data):
    X, y = data
    Y = np.column_stack([y, 3 * X[:, 1]])
    model = GaussianDensity(GaussianProcessRegressor(KERNEL)).fit(X, Y)
    mean, deviation = model.estimator_.predict(X, return_std=True)
    np.testing.assert_allclose(
        model.predict_distribution(X).logpdf(Y), stats.norm(mean, deviation).logpdf(Y).sum(axis=1), rtol=1e-9
    )


def test_in_pools_and_searches(data):
    X, y = data
    ridge, network = GaussianDensity(BayesianRidge()), MODELS["a network"]
    pool = DensityPool([("ridge", ridge), ("network", network)]).fit(X, y)
    parts = [clone(model).fit(X, y).predict_distribution(X).pdf(y) for model in (ridge, network)]
    np.testing.assert_allclose(pool.predict_distribution(X).pdf(y), np.mean(parts, axis=0), rtol=1e-9)
    pool.set_params(ridge__estimator__alpha_1=1e-3)
    assert ridge.estimator.alpha_1 == 1e-3
    search = GridSearchCV(GaussianDensity(BayesianRidge()), {"estimator__alpha_1": [1e-6, 1.0]}, cv=2).fit(
        X, y
    )
    assert len(predict_distribution(search, X)) == len(X)
    assert np.isfinite(cross_val_score(ridge, X, y, scoring=neg_crps_scorer, cv=2)).all()


def test_as_they_are(data):
    X, y = data
    fitted = BayesianRidge().fit(X, y)
    for model in (
        GaussianDensity.from_fitted(fitted),
        GaussianDensity(FrozenEstimator(fitted)).fit(X[:5], y[:5]),
    ):
        np.testing.assert_array_equal(model.predict(X), fitted.predict(X))
        assert model.n_features_in_ == 2
        assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("routing", [False, True])
def test_weights(routing, data):
    X, y = data
    weight = np.random.default_rng(1).uniform(size=50)
    expected = BayesianRidge().fit(X, y, sample_weight=weight).predict(X)
    with config_context(enable_metadata_routing=routing):
        ridge = BayesianRidge()
        if routing:
            ridge.set_fit_request(sample_weight=True).set_predict_request(return_std=True)
        for estimator in (ridge, make_pipeline(ridge)):
            model = GaussianDensity(estimator).fit(X, y, sample_weight=weight)
            np.testing.assert_allclose(model.predict(X), expected)


@pytest.mark.parametrize(
    "estimator", [LinearRegression(), RandomForestRegressor(), FrozenEstimator(LinearRegression())]
)
def test_no_deviations(estimator, data):
    with pytest.raises(TypeError, match="takes no return_std"):
        GaussianDensity(estimator).fit(*data)
    with pytest.raises(TypeError, match="takes no return_std"):
        GaussianDensity.from_fitted(estimator)


def test_a_deviation_of_zero(data):
    X, y = data
    model = GaussianDensity(GaussianProcessRegressor(RBF(), optimizer=None)).fit(X, y)
    model.estimator_.predict = lambda X, return_std: (np.zeros(2), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"(?s)got 0.0 in row 1 of GaussianProcessRegressor.*WhiteKernel"):
        model.predict_distribution(X[:2])


def test_not_fitted(data):
    with pytest.raises(NotFittedError):
        GaussianDensity(BayesianRidge()).predict(data[0])
    with pytest.raises(NotFittedError):
        GaussianDensity.from_fitted(BayesianRidge())


@parametrize_with_checks(
    [GaussianDensity(BayesianRidge())],
    expected_failed_checks=lambda _: {
        "check_regressors_no_decision_function": "predict_proba gives the mixing proportions",
        "check_dtype_object": "BayesianRidge itself has no standard deviation for such an X",
    },
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)
