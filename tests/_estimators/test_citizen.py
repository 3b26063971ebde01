"""MDNRegressor among scikit-learn's own tools, each of them really run."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import Parallel, delayed
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.impute import IterativeImputer
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_mdn import MDNRegressor
from sklearn_mdn._estimators.likelihood import CALIBRATIONS

QUICK = {"n_components": 2, "hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}


def quick(**changes):
    return MDNRegressor(**(QUICK | changes))


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(120, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * generator.normal(size=120)


@pytest.fixture(scope="module")
def two_valued():
    """y is near +1 or near -1 at random: the mean says nothing, and one Gaussian little."""
    generator = np.random.default_rng(1)
    X = generator.normal(size=(150, 2))
    return X, generator.choice([-1.0, 1.0], size=150) + 0.1 * generator.normal(size=150)


@pytest.fixture(scope="module")
def table(data):
    X, y = data
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["kind"] = np.where(np.arange(len(X)) % 3 == 0, "x", "y")
    return frame, pd.Series(y, name="target")


def pipeline_of(regressor):
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["a", "b", "c"]),
            ("kinds", OneHotEncoder(sparse_output=False), ["kind"]),
        ]
    )
    return make_pipeline(columns, regressor)


# Pipelines.


def test_pipeline_with_columns(table):
    X, y = table
    pipeline = pipeline_of(quick()).fit(X, y)
    Z = pipeline[:-1].transform(X)
    model = quick().fit(Z, y)
    np.testing.assert_array_equal(pipeline.predict(X), model.predict(Z))
    np.testing.assert_array_equal(pipeline.predict_proba(X), model.predict_proba(Z))
    np.testing.assert_array_equal(pipeline.score_samples(X), model.score_samples(Z))
    assert pipeline.score(X, y) == model.score(Z, y)
    mean, std = pipeline.predict(X, return_std=True)
    assert mean.shape == std.shape == (120,)
    assert pipeline.predict(X, quantiles=[0.1, 0.9]).shape == (120, 2)


def test_pipeline_takes_weights(table):
    X, y = table
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = pipeline_of(quick()).fit(X, y, mdnregressor__sample_weight=weight)
    assert not np.array_equal(weighted.predict(X), pipeline_of(quick()).fit(X, y).predict(X))


def test_a_frozen_estimator_stays_as_it_was(data):
    X, y = data
    model = quick().fit(X, y)
    frozen = FrozenEstimator(model).fit(X[:50], y[:50])
    np.testing.assert_array_equal(frozen.predict(X), model.predict(X))
    assert frozen.score(X, y) == model.score(X, y)


# Searches.


def test_grid_search_picks_the_best_held_out_density(two_valued):
    X, y = two_valued
    model = MDNRegressor(hidden_layer_sizes=(), max_iter=15, learning_rate_init=0.05, random_state=0)
    cv = KFold(3)
    search = GridSearchCV(model, {"n_components": [1, 2]}, cv=cv).fit(X, y)
    by_hand = [
        np.mean(
            [
                clone(model).set_params(n_components=k).fit(X[train], y[train]).score(X[test], y[test])
                for train, test in cv.split(X)
            ]
        )
        for k in (1, 2)
    ]
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], by_hand)
    assert search.best_params_ == {"n_components": 2}
    assert search.best_score_ > by_hand[0] + 0.5
    assert search.score(X, y) == search.best_estimator_.score(X, y)
    assert search.predict(X).shape == (150,)
    assert search.predict_proba(X).shape == (150, 2)


@pytest.mark.parametrize("resource", ["n_samples", "max_iter"])
def test_halving_search(data, resource):
    X, y = data
    search = HalvingGridSearchCV(
        quick(max_iter=2) if resource == "n_samples" else quick(),
        {"alpha": [1e-4, 1e-2, 1.0], "n_components": [1, 2]},
        resource=resource,
        min_resources=20 if resource == "n_samples" else 1,
        max_resources=120 if resource == "n_samples" else 6,
        cv=2,
        random_state=0,
    ).fit(X, y)
    assert search.n_iterations_ == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(search.predict(X)).all()


def test_randomized_search_over_a_pipeline(table):
    X, y = table
    search = RandomizedSearchCV(
        pipeline_of(quick()),
        {"mdnregressor__covariance_type": ["diag", "full"], "mdnregressor__dropout": [0.0, 0.2]},
        n_iter=2,
        cv=2,
        random_state=0,
    ).fit(X, y)
    assert np.isfinite(search.best_score_)


def test_cross_validate_with_several_scorers(data):
    X, y = data
    scores = cross_validate(
        quick(), X, y, cv=3, scoring=["r2", "neg_mean_absolute_error", "explained_variance"]
    )
    for name in ("r2", "neg_mean_absolute_error", "explained_variance"):
        assert scores[f"test_{name}"].shape == (3,)
        assert np.isfinite(scores[f"test_{name}"]).all()


def test_cross_validation_without_scoring_is_the_log_likelihood(data):
    X, y = data
    folds = list(KFold(3).split(X))
    expected = [quick().fit(X[a], y[a]).score_samples(X[b], y[b]).mean() for a, b in folds]
    np.testing.assert_allclose(cross_val_score(quick(), X, y, cv=3), expected, rtol=1e-12)


def test_out_of_fold_classes_are_refused(data):
    """For ``predict_proba`` scikit-learn trains on label-encoded targets: better an error than such a fit."""
    with pytest.raises(AttributeError, match="classes_"):
        cross_val_predict(quick(), *data, cv=2, method="predict_proba")
    assert cross_val_predict(quick(), *data, cv=2).shape == (120,)


def test_learning_and_validation_curves(data):
    X, y = data
    sizes, train, test = learning_curve(quick(), X, y, cv=2, train_sizes=[0.5, 1.0])
    assert sizes.tolist() == [30, 60]
    assert np.isfinite(train).all()
    assert np.isfinite(test).all()
    train, test = validation_curve(quick(), X, y, param_name="alpha", param_range=[0.0, 1.0], cv=2)
    assert train.shape == test.shape == (2, 2)


# Estimators around it.


def test_transformed_target(data):
    X, y = data
    positive = np.exp(y)
    network = quick(dtype="float64")  # log(exp(y)) is y but for rounding, and float32 would not carry it on
    model = TransformedTargetRegressor(network, func=np.log, inverse_func=np.exp).fit(X, positive)
    np.testing.assert_allclose(model.predict(X), np.exp(network.fit(X, y).predict(X)), rtol=1e-6)


def test_transformed_target_with_a_transformer_and_two_targets(data):
    X, y = data
    Y = np.stack([y, 100.0 * y**2], axis=1)
    model = TransformedTargetRegressor(quick(), transformer=StandardScaler()).fit(X, Y)
    assert model.predict(X).shape == (120, 2)
    assert np.isfinite(model.score(X, Y))


def test_bagging(data):
    X, y = data
    bag = BaggingRegressor(quick(), n_estimators=3, max_features=2, random_state=0).fit(X, y)
    assert bag.predict(X).shape == (120,)
    members = [
        member.predict(X[:, features])
        for member, features in zip(bag.estimators_, bag.estimators_features_, strict=True)
    ]
    np.testing.assert_allclose(bag.predict(X), np.mean(members, axis=0))
    assert np.ptp(members, axis=0).max() > 1e-3


def test_stacking(data):
    X, y = data
    base = [("mdn", quick()), ("linear", LinearRegression())]
    stack = StackingRegressor(base, final_estimator=LinearRegression(), cv=2).fit(X, y)
    assert stack.score(X, y) > 0.3
    final = StackingRegressor([("linear", LinearRegression())], final_estimator=quick(), cv=2).fit(X, y)
    assert np.isfinite(final.predict(X)).all()


def test_voting(data):
    X, y = data
    model, linear = quick().fit(X, y), LinearRegression().fit(X, y)
    vote = VotingRegressor([("mdn", quick()), ("linear", LinearRegression())]).fit(X, y)
    np.testing.assert_allclose(vote.predict(X), (model.predict(X) + linear.predict(X)) / 2)


def test_one_regressor_a_target(data):
    X, y = data
    Y = np.stack([y, -y, y**2], axis=1)
    many = MultiOutputRegressor(quick()).fit(X, Y, sample_weight=np.ones(len(X)))
    expected = np.stack([quick().fit(X, column).predict(X) for column in Y.T], axis=1)
    np.testing.assert_array_equal(many.predict(X), expected)
    assert RegressorChain(quick()).fit(X, Y).predict(X).shape == (120, 3)


def test_imputation_by_draws_from_the_posterior(data):
    X, _ = data
    holes = X.copy()
    holes[::5, 0] = holes[2::7, 2] = np.nan
    imputer = IterativeImputer(quick(), sample_posterior=True, max_iter=2, random_state=0)
    filled = imputer.fit_transform(holes)
    assert np.isfinite(filled).all()
    known = ~np.isnan(holes)
    np.testing.assert_array_equal(filled[known], holes[known])
    again = IterativeImputer(quick(), sample_posterior=True, max_iter=2, random_state=1).fit_transform(holes)
    assert not np.array_equal(filled[~known], again[~known])


# Inspection.


def test_permutation_importance_finds_the_inputs_that_matter(data):
    X, y = data
    model = quick(max_iter=40).fit(X, y)
    importance = permutation_importance(model, X, y, n_repeats=3, random_state=0).importances_mean
    assert importance[1] > importance[2]
    assert importance[1] > 0.1


def test_partial_dependence(data):
    matplotlib_figure = pytest.importorskip("matplotlib.figure")
    X, y = data
    model = quick(max_iter=40).fit(X, y)
    curve = partial_dependence(model, X, [1], grid_resolution=5)["average"][0]
    assert (np.diff(curve) > 0).all()
    axes = matplotlib_figure.Figure().subplots()
    display = PartialDependenceDisplay.from_estimator(model, X, [0, 1], grid_resolution=5, ax=axes)
    assert len(display.pd_results) == 2


# Metadata routing.


def test_weights_are_routed_through_a_search(data):
    X, y = data
    weight = np.random.default_rng(0).uniform(0.2, 3.0, len(X))
    cv = KFold(2)
    with config_context(enable_metadata_routing=True):
        model = quick().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        search = GridSearchCV(pipeline, {"mdnregressor__n_components": [2]}, cv=cv)
        search.fit(X, y, sample_weight=weight)
    expected = []
    for train, test in cv.split(X):
        scaler = StandardScaler().fit(X[train])
        own = quick().fit(scaler.transform(X[train]), y[train], weight[train])
        expected.append(own.score(scaler.transform(X[test]), y[test], weight[test]))
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], [np.mean(expected)], rtol=1e-12)


def test_rows_to_watch_are_transformed_on_their_way(data):
    X, y = data
    with config_context(enable_metadata_routing=True):
        model = quick(dtype="float64").set_fit_request(X_val=True, y_val=True)
        steps = [("scale", StandardScaler()), ("mdn", model)]
        pipeline = Pipeline(steps, transform_input=["X_val"]).fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    best = pipeline[-1].best_validation_score_[0]
    mdn, scores = pipeline[-1], []
    mdn.shrinkage_, mdn.X_min_, mdn.X_max_ = (
        0.0,
        mdn.X_min_ - np.inf,
        mdn.X_max_ + np.inf,
    )  # as it was trained
    for factor in CALIBRATIONS:
        mdn.calibration_ = np.array([factor])
        scores.append(pipeline.score(X[80:], y[80:]))
    assert max(scores) == pytest.approx(best, rel=1e-9)


# Copies, workers, containers.


def test_clone_keeps_the_parameters_and_nothing_else(data):
    model = quick(covariance_type="full", hidden_layer_sizes=[3, 2], alpha=0.5)
    model.fit(*data)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert set(vars(copy)) == set(model.get_params())
    assert copy.set_params(n_components=4).n_components == 4
    assert model.n_components == 2


def fit_and_predict(seed, X, y):
    return quick(random_state=seed, n_estimators=2, dropout=0.1).fit(X, y).predict(X)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_give_the_bits_of_one_process(data, backend):
    alone = [fit_and_predict(seed, *data) for seed in range(4)]
    together = Parallel(n_jobs=2, backend=backend)(delayed(fit_and_predict)(seed, *data) for seed in range(4))
    np.testing.assert_array_equal(together, alone)


def test_threads_can_share_a_fitted_model(data):
    X, y = data
    model = quick().fit(X, y)
    expected = model.score_samples(X, y)
    found = Parallel(n_jobs=4, backend="threading")(delayed(model.score_samples)(X, y) for _ in range(8))
    assert all(np.array_equal(scores, expected) for scores in found)


def test_a_fitted_pipeline_survives_pickling(table):
    X, y = table
    pipeline = pipeline_of(quick()).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pipeline)).predict(X), pipeline.predict(X))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("n_outputs", [None, 1, 2])
def test_data_frames_are_arrays_with_names(data, frame, n_outputs):
    X, y = data
    names = ["a", "b", "c"]
    target = y if n_outputs is None else np.stack([y, y**2], axis=1)[:, :n_outputs]
    X_frame = frame(dict(zip(names, X.T, strict=True)))
    if n_outputs is None:
        y_frame = pd.Series(y) if frame is pd.DataFrame else pl.Series(y)
    else:
        y_frame = frame({f"y{j}": target[:, j] for j in range(n_outputs)})
    model, expected = quick().fit(X_frame, y_frame), quick().fit(X, target)
    np.testing.assert_array_equal(model.predict(X_frame), expected.predict(X))
    np.testing.assert_array_equal(model.score_samples(X_frame, y_frame), expected.score_samples(X, target))
    assert model.feature_names_in_.tolist() == names
    weight = np.linspace(0.5, 1.5, len(X))
    weight_frame = pd.Series(weight) if frame is pd.DataFrame else pl.Series(weight)
    weighted = quick().fit(
        X_frame, y_frame, sample_weight=weight_frame, X_val=X_frame[:20], y_val=y_frame[:20]
    )
    reference = quick().fit(X, target, sample_weight=weight, X_val=X[:20], y_val=target[:20])
    np.testing.assert_array_equal(weighted.predict(X_frame), reference.predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X_frame[["b", "a", "c"]])


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, object])
def test_any_real_dtype_will_do(data, dtype):
    X, y = data
    X, y = (4 * X).astype(dtype), (4 * y).astype(dtype)
    expected = quick().fit(X.astype(np.float64), y.astype(np.float64))
    np.testing.assert_array_equal(quick().fit(X, y).predict(X), expected.predict(X))
