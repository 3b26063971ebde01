"""DensityFunctional: one number of a predicted density as the prediction of a regressor."""

from __future__ import annotations

import pickle

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import DensityFunctional, GaussianDensity, MDNRegressor, predict_distribution

rng = np.random.default_rng(0)
X = rng.uniform(-1.0, 1.0, size=(200, 3))
Y = X[:, 0] + (0.1 + 1.5 * (X[:, 1] > 0)) * rng.normal(size=200)
MODEL = MDNRegressor(2, hidden_layer_sizes=(16,), max_iter=40, n_estimators=2, random_state=0).fit(X, Y)
DIST = MODEL.predict_distribution(X)

FUNCTIONALS = {
    "mean": DIST.mean(),
    "median": DIST.median(),
    "mode": DIST.mode(),
    "std": DIST.std(),
    "var": DIST.var(),
    "entropy": DIST.entropy(),
    "aleatoric_std": np.sqrt(DIST.variance_split()[0]),
    "epistemic_std": np.sqrt(DIST.variance_split()[1]),
    0.9: DIST.ppf(0.9),
    ("prob", 0.5, np.inf): DIST.sf(0.5),
    ("prob", -0.3, 0.4): DIST.prob(-0.3, 0.4),
}


@pytest.mark.parametrize("functional", FUNCTIONALS)
def test_what_is_predicted(functional):
    model = DensityFunctional.from_fitted(MODEL, functional)
    np.testing.assert_allclose(model.predict(X), FUNCTIONALS[functional], rtol=1e-12)
    frozen = DensityFunctional(FrozenEstimator(MODEL), functional).fit(X, Y)
    np.testing.assert_array_equal(frozen.predict(X), model.predict(X))


def test_a_function_of_the_distribution():
    model = DensityFunctional.from_fitted(MODEL, lambda dist: dist.expect(np.abs, points=0.0))
    np.testing.assert_array_equal(model.predict(X), DIST.expect(np.abs, points=0.0))


def test_permutation_importance_finds_what_spread_hangs_on():
    model = DensityFunctional.from_fitted(MODEL, "std")
    found = permutation_importance(model, X, model.predict(X), n_repeats=3, random_state=0)
    assert found.importances_mean.argmax() == 1


def test_partial_dependence_of_spread_rises_with_its_cause():
    model = DensityFunctional.from_fitted(MODEL, "std")
    average = partial_dependence(model, X, [1], grid_resolution=5)["average"][0]
    assert average[-1] > 2 * average[0]


@pytest.mark.parametrize("kind", ["category", "str"])
def test_rows_as_explainers_pass_them(kind):
    """Explainers mix rows and pass frames whose columns hold objects, or arrays without names."""
    words = pandas.Series(np.where(X[:, 2] > 0, "u", "v"), dtype=kind)
    frame = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": words})
    model = DensityFunctional(MDNRegressor(2, max_iter=5, random_state=0), "std").fit(frame, Y)
    expected = model.predict(frame)
    objects = frame.to_numpy(dtype=object)
    np.testing.assert_array_equal(model.predict(pandas.DataFrame(objects, columns=frame.columns)), expected)
    with pytest.warns(UserWarning, match="feature names"):
        np.testing.assert_array_equal(model.predict(objects), expected)


def test_wrappers_inside_and_outside():
    pipeline = make_pipeline(StandardScaler(), clone(MODEL))
    model = DensityFunctional(pipeline, "std").fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), predict_distribution(model.estimator_, X).std())
    around = make_pipeline(StandardScaler(), DensityFunctional(clone(MODEL), "std")).fit(X, Y)
    assert around.predict(X).shape == (200,)
    search = GridSearchCV(
        DensityFunctional(GaussianDensity(BayesianRidge()), 0.5), {"functional": [0.1, 0.5]}, cv=2
    ).fit(X, Y)
    assert search.best_params_ == {"functional": 0.5}


def test_several_targets():
    both = np.column_stack([Y, -Y])
    inner = MDNRegressor(2, max_iter=3, random_state=0)
    assert DensityFunctional(inner, "std").fit(X, both).predict(X).shape == (200, 2)
    assert DensityFunctional(inner, "entropy").fit(X, both).predict(X).shape == (200,)


def test_clone_and_pickle():
    model = DensityFunctional.from_fitted(MODEL, ("prob", 0, 1))
    assert clone(model).functional == ("prob", 0, 1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("functional", "words"),
    [
        ("spread", "functional must be one of 'mean', 'median'"),
        (1.5, "a level inside"),
        (True, "a level inside"),
        (("prob", 2, 1), "must have numbers a below b"),
        (("prob", "a", 1), "must have numbers a below b"),
        (("cdf", 1, 2), "functional must be one of"),
        (("prob", 1), "functional must be one of"),
    ],
)
def test_what_is_no_functional_is_refused(functional, words):
    with pytest.raises(ValueError, match=words):
        DensityFunctional(MDNRegressor(max_iter=1), functional).fit(X, Y)


def test_other_refusals():
    with pytest.raises(ValueError, match="functional must give a number for each of the 200 rows"):
        DensityFunctional.from_fitted(MODEL, lambda dist: 3).predict(X)
    with pytest.raises(TypeError, match="estimator must predict densities"):
        DensityFunctional(LinearRegression(), "std").fit(X, Y)
    with pytest.raises(TypeError, match="estimator must predict densities"):
        DensityFunctional.from_fitted(LinearRegression().fit(X, Y))
    with pytest.raises(NotFittedError):
        DensityFunctional(MDNRegressor()).predict(X)
    with pytest.raises(NotFittedError):
        DensityFunctional.from_fitted(MDNRegressor())
    with pytest.raises(TypeError, match="does not predict what"):
        predict_distribution(DensityFunctional.from_fitted(MODEL, "std"), X)
