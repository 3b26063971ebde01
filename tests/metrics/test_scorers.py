"""Scorers wherever scikit-learn calls one, and behind transformed targets."""

from __future__ import annotations

import copy
import functools
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LearningCurveDisplay,
    RandomizedSearchCV,
    ValidationCurveDisplay,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    StandardScaler,
)

from sklearn_mdn import MDNRegressor, MDNSearchCV, MixtureDistribution, predict_distribution
from sklearn_mdn.metrics import (
    DensityScorer,
    calibration_error,
    coverage,
    coverage_scorer,
    crps,
    energy_score,
    log_likelihood,
    log_likelihood_scorer,
    make_density_scorer,
    neg_crps_scorer,
    neg_energy_scorer,
    neg_pinball_scorer,
    pinball_loss,
)
from tests._distributions.linear_density import LinearDensity

SCORERS = {
    "log_likelihood": log_likelihood_scorer,
    "neg_crps": neg_crps_scorer,
    "neg_energy": neg_energy_scorer,
    "neg_pinball": neg_pinball_scorer([0.1, 0.9]),
    "coverage": coverage_scorer(0.8),
    "calibration": make_density_scorer(calibration_error, greater_is_better=False),
}
# What each is to be, by the functions that the tests of the metrics are about.
VALUES = {
    "log_likelihood": lambda y, dist, **w: log_likelihood(y, dist, **w),
    "neg_crps": lambda y, dist, **w: -crps(y, dist, **w),
    "neg_energy": lambda y, dist, **w: -energy_score(y, dist, **w),
    "neg_pinball": lambda y, dist, **w: -pinball_loss(y, dist, levels=[0.1, 0.9], **w),
    "coverage": lambda y, dist, **w: (
        -np.abs(coverage(y, dist, confidence=0.8, multioutput="raw_values", **w) - 0.8).mean()
    ),
    "calibration": lambda y, dist, **w: -calibration_error(y, dist, **w),
}
CV = KFold(3)


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request):
    with config_context(enable_metadata_routing=request.param):
        yield request.param


def data(n=60, n_targets=1):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    y = X @ rng.normal(size=(3, n_targets)) + rng.normal(size=(n, n_targets))
    return X, y[:, 0] if n_targets == 1 else y


def pipeline(**parameters):
    return make_pipeline(StandardScaler(), LinearDensity(**parameters))


def expected_scores(name, X, y, estimator=None, rows=None, weight=None):
    """Each fold's value by hand."""
    scores = []
    for train, test in CV.split(X):
        model = clone(estimator or LinearDensity()).fit(X[train[:rows]], y[train[:rows]])
        weights = {} if weight is None else {"sample_weight": weight[test]}
        scores.append(VALUES[name](y[test], model.predict_distribution(X[test]), **weights))
    return scores


@pytest.mark.parametrize("name", list(SCORERS))
@pytest.mark.parametrize("n_targets", [1, 2])
class TestTools:
    def test_cross_val_score(self, name, n_targets, routing):
        X, y = data(n_targets=n_targets)
        scores = cross_val_score(pipeline(), X, y, scoring=SCORERS[name], cv=CV)
        np.testing.assert_allclose(scores, expected_scores(name, X, y), rtol=1e-8)

    def test_learning_curve(self, name, n_targets, routing):
        X, y = data(n_targets=n_targets)
        _, _, scores = learning_curve(pipeline(), X, y, train_sizes=[10, 30], scoring=SCORERS[name], cv=CV)
        for i, rows in enumerate((10, 30)):
            np.testing.assert_allclose(scores[i], expected_scores(name, X, y, rows=rows), rtol=1e-8)

    def test_validation_curve(self, name, n_targets, routing):
        X, y = data(n_targets=n_targets)
        spreads = [0.5, 1.0, 2.0]
        _, scores = validation_curve(
            pipeline(),
            X,
            y,
            param_name="lineardensity__spread",
            param_range=spreads,
            scoring=SCORERS[name],
            cv=CV,
        )
        for i, spread in enumerate(spreads):
            expected = expected_scores(name, X, y, LinearDensity(spread))
            np.testing.assert_allclose(scores[i], expected, rtol=1e-8)

    @pytest.mark.parametrize("refitted", [True, False])
    def test_grid_search(self, name, n_targets, routing, refitted):
        X, y = data(n_targets=n_targets)
        spreads = [1.0, 4.0, 0.25]
        search = GridSearchCV(
            pipeline(), {"lineardensity__spread": spreads}, scoring=SCORERS[name], cv=CV, refit=refitted
        ).fit(X, y)
        expected = [np.mean(expected_scores(name, X, y, LinearDensity(spread))) for spread in spreads]
        np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected, rtol=1e-8)
        assert search.best_params_ == {"lineardensity__spread": 1.0}  # the residuals' own
        if refitted:
            value = VALUES[name](y, predict_distribution(search, X))
            assert search.score(X, y) == pytest.approx(value, rel=1e-9)

    def test_permutation_importance(self, name, n_targets, routing):
        X, y = data(n_targets=n_targets)
        X = np.column_stack([X, np.random.default_rng(1).normal(size=len(X))])
        y[:] = y - 3 * X[:, :1] if n_targets == 2 else y - 3 * X[:, 0]
        found = permutation_importance(
            pipeline().fit(X, y), X, y, scoring=SCORERS[name], random_state=0, n_repeats=3
        )
        if name in ("coverage", "calibration"):  # not proper: a wrong feature need not cost anything
            assert found.importances.shape == (4, 3)
        else:
            assert np.argmax(found.importances_mean) == 0

    def test_estimators_around_the_regressor(self, name, n_targets):
        X, y = data(n_targets=n_targets)
        expected = VALUES[name](y, LinearDensity().fit(X, y).predict_distribution(X))
        grid = {"spread": [1.0]}
        for wrapped in (
            LinearDensity(),
            pipeline(),
            GridSearchCV(LinearDensity(), grid, scoring=SCORERS[name], cv=CV),
            make_pipeline(PCA(), GridSearchCV(LinearDensity(), grid, scoring=SCORERS[name], cv=CV)),
            FrozenEstimator(pipeline().fit(X, y)),
        ):
            assert SCORERS[name](wrapped.fit(X, y), X, y) == pytest.approx(expected, rel=1e-8)

    def test_weights(self, name, n_targets, routing):
        X, y = data(n_targets=n_targets)
        weight = np.random.default_rng(2).integers(0, 3, size=len(X))
        model = pipeline().fit(X, y)
        expected = VALUES[name](y, predict_distribution(model, X), sample_weight=weight)
        assert VALUES[name](y, predict_distribution(model, X)) != pytest.approx(expected)
        scorer = copy.deepcopy(SCORERS[name])
        if routing:
            scorer.set_score_request(sample_weight=True)
        assert scorer(model, X, y, sample_weight=weight) == pytest.approx(expected, rel=1e-9)

    def test_pickle(self, name, n_targets):
        X, y = data(n_targets=n_targets)
        model = pipeline().fit(X, y)
        again = pickle.loads(pickle.dumps(SCORERS[name]))
        assert again(model, X, y) == SCORERS[name](model, X, y)
        assert repr(again) == repr(SCORERS[name])


class TestOnePrediction:
    """Several scorers share one prediction a fold, through the cache that scikit-learn's scorers share."""

    def test_cross_validate(self, routing):
        X, y = data()
        LinearDensity.n_forward = 0
        found = cross_validate(pipeline(), X, y, scoring=SCORERS, cv=CV)
        assert LinearDensity.n_forward == CV.get_n_splits()
        for name in SCORERS:
            np.testing.assert_allclose(found[f"test_{name}"], expected_scores(name, X, y), rtol=1e-8)

    def test_beside_scores_of_point_predictions(self):
        X, y = data()
        LinearDensity.n_forward = 0
        found = cross_validate(LinearDensity(), X, y, scoring={**SCORERS, "r2": "r2"}, cv=CV)
        assert LinearDensity.n_forward == CV.get_n_splits()
        np.testing.assert_array_equal(
            found["test_r2"], cross_val_score(LinearDensity(), X, y, cv=CV, scoring="r2")
        )

    def test_one_scorer(self):
        X, y = data()
        LinearDensity.n_forward = 0
        cross_val_score(pipeline(), X, y, scoring=neg_crps_scorer, cv=CV)
        assert LinearDensity.n_forward == CV.get_n_splits()

    def test_search(self):
        X, y = data()
        LinearDensity.n_forward = 0
        search = GridSearchCV(
            LinearDensity(), {"spread": [1.0, 2.0]}, scoring=SCORERS, refit="log_likelihood", cv=CV
        )
        search.fit(X, y)
        assert LinearDensity.n_forward == 2 * CV.get_n_splits()
        for name in SCORERS:
            assert search.cv_results_[f"mean_test_{name}"][0] == pytest.approx(
                np.mean(expected_scores(name, X, y)), rel=1e-8
            )

    def test_permutation_importance(self):
        X, y = data()
        model = pipeline().fit(X, y)
        LinearDensity.n_forward = 0
        found = permutation_importance(model, X, y, scoring=SCORERS, n_repeats=2, random_state=0)
        assert LinearDensity.n_forward == 1 + 3 * 2
        alone = permutation_importance(model, X, y, scoring=neg_crps_scorer, n_repeats=2, random_state=0)
        np.testing.assert_allclose(found["neg_crps"].importances, alone.importances)

    def test_a_transformed_target(self):
        X, y = data()
        y = np.exp(y)
        model = TransformedTargetRegressor(LinearDensity(), func=np.log, inverse_func=np.exp)
        LinearDensity.n_forward = 0
        names = ("log_likelihood", "coverage", "neg_pinball")
        cross_validate(
            model, X, y, scoring={name: SCORERS[name] for name in names}, cv=CV, error_score="raise"
        )
        assert LinearDensity.n_forward == CV.get_n_splits()


class TestRouting:
    def test_weights_reach_the_scorers_that_ask_for_them(self):
        X, y = data()
        weight = np.random.default_rng(3).uniform(size=len(X))
        with config_context(enable_metadata_routing=True):
            weighted = copy.deepcopy(neg_crps_scorer).set_score_request(sample_weight=True)
            plain = copy.deepcopy(neg_crps_scorer).set_score_request(sample_weight=False)
            found = cross_validate(
                LinearDensity().set_fit_request(sample_weight=False),
                X,
                y,
                scoring={"weighted": weighted, "plain": plain},
                cv=CV,
                params={"sample_weight": weight},
            )
        np.testing.assert_allclose(
            found["test_weighted"], expected_scores("neg_crps", X, y, weight=weight), rtol=1e-8
        )
        np.testing.assert_allclose(found["test_plain"], expected_scores("neg_crps", X, y), rtol=1e-8)

    def test_weights_that_nobody_asked_for(self):
        X, y = data()
        with config_context(enable_metadata_routing=True), pytest.raises(ValueError, match="sample_weight"):
            cross_validate(
                LinearDensity().set_fit_request(sample_weight=True),
                X,
                y,
                scoring=neg_crps_scorer,
                cv=CV,
                params={"sample_weight": np.ones(len(X))},
            )

    def test_grid_search(self):
        X, y = data()
        weight = np.random.default_rng(4).uniform(size=len(X))
        with config_context(enable_metadata_routing=True):
            search = GridSearchCV(
                LinearDensity().set_fit_request(sample_weight=False),
                {"spread": [1.0]},
                scoring=copy.deepcopy(log_likelihood_scorer).set_score_request(sample_weight=True),
                cv=CV,
            ).fit(X, y, sample_weight=weight)
        assert search.best_score_ == pytest.approx(
            np.mean(expected_scores("log_likelihood", X, y, weight=weight))
        )

    def test_a_parameter_given_twice(self):
        with config_context(enable_metadata_routing=True):
            scorer = make_density_scorer(coverage, confidence=0.5)
            with pytest.warns(UserWarning, match="confidence"):
                scorer.set_score_request(confidence=True)

    def test_the_weights_of_permutation_importance(self):
        X, y = data()
        model = LinearDensity().fit(X, y)
        weight = np.random.default_rng(5).uniform(size=len(X))
        options = {"scoring": neg_crps_scorer, "n_repeats": 1, "random_state": 0}
        doubled = permutation_importance(model, X, y, sample_weight=2 * weight, **options)
        once = permutation_importance(model, X, y, sample_weight=weight, **options)
        np.testing.assert_allclose(doubled.importances, once.importances)
        assert not np.allclose(once.importances, permutation_importance(model, X, y, **options).importances)


class TestNetworks:
    """MDNRegressor and its search, in processes and under a monitor."""

    network = MDNRegressor(2, max_iter=2, hidden_layer_sizes=(4,), random_state=0, dtype="float64")

    def test_score_is_the_log_likelihood_scorer(self):
        X, y = data()
        model = self.network.fit(X, y)
        assert log_likelihood_scorer(model, X, y) == pytest.approx(model.score(X, y), rel=1e-12)

    def test_loky(self):
        X, y = data()
        model = make_pipeline(StandardScaler(), self.network)
        scoring = {name: SCORERS[name] for name in ("log_likelihood", "neg_crps", "neg_pinball", "coverage")}
        found = cross_validate(model, X, y, scoring=scoring, cv=2, n_jobs=2, error_score="raise")
        here = cross_validate(model, X, y, scoring=scoring, cv=2)
        for name in scoring:
            np.testing.assert_allclose(found[f"test_{name}"], here[f"test_{name}"], rtol=1e-9)

    def test_searches(self):
        X, y = data()
        grid = {"n_components": [1, 2]}
        found = MDNSearchCV(self.network, grid, scoring=neg_crps_scorer, cv=2).fit(X, y)
        expected = GridSearchCV(self.network, grid, scoring=neg_crps_scorer, cv=2).fit(X, y)
        assert neg_crps_scorer(found, X, y) == pytest.approx(neg_crps_scorer(expected, X, y), rel=1e-9)
        assert neg_crps_scorer(found, X, y) == pytest.approx(
            -crps(y, predict_distribution(found, X)), rel=1e-12
        )
        random = RandomizedSearchCV(
            self.network, grid, n_iter=1, random_state=0, scoring=log_likelihood_scorer, cv=2
        )
        assert np.isfinite(log_likelihood_scorer(random.fit(X, y), X, y))

    @pytest.mark.parametrize("scoring", [neg_crps_scorer, SCORERS], ids=["one", "several"])
    def test_scoring_monitor(self, scoring, routing):
        X, y = data()
        monitor = ScoringMonitor(scoring=scoring)
        # With rows held out, an epoch may leave the best weights as they are.
        model = clone(self.network).set_params(early_stopping=False).set_callbacks(monitor).fit(X, y)
        rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
        assert len(rows) == 2
        name = "score" if scoring is neg_crps_scorer else "neg_crps"
        assert all(np.isfinite(row[name]) for row in rows)
        assert len({row[name] for row in rows}) == 2
        assert isinstance(predict_distribution(model, X), MixtureDistribution)


class TestMakeScorer:
    def test_sign(self):
        X, y = data()
        model = LinearDensity().fit(X, y)
        assert make_density_scorer(crps)(model, X, y) == -neg_crps_scorer(model, X, y)

    def test_no_function(self):
        with pytest.raises(TypeError, match="score_func must be callable"):
            make_density_scorer("crps")

    def test_shape_of_the_target(self):
        X, y = data()
        with pytest.raises(ValueError, match="y_true must have the shape"):
            neg_crps_scorer(LinearDensity().fit(X, y), X, y[:, None])

    def test_repr(self):
        assert repr(log_likelihood_scorer) == "make_density_scorer(log_likelihood)"
        partial = make_density_scorer(functools.partial(crps, multioutput="uniform_average"))
        assert repr(partial).startswith("make_density_scorer(functools.partial(<function crps")
        assert repr(coverage_scorer(0.5)) == (
            "make_density_scorer(coverage_error, greater_is_better=False, confidence=0.5)"
        )

    @pytest.mark.parametrize(
        ("scorer", "label"),
        [
            (log_likelihood_scorer, "Log likelihood"),
            (neg_crps_scorer, "Negative crps"),
            (coverage_scorer(0.8), "Negative coverage error"),
        ],
    )
    def test_the_name_that_displays_of_scikit_learn_ask_for(self, scorer, label):
        X, y = data()
        curves = LearningCurveDisplay.from_estimator(
            LinearDensity(), X, y, scoring=scorer, train_sizes=[0.5, 1.0]
        )
        assert curves.score_name == label
        along = ValidationCurveDisplay.from_estimator(
            LinearDensity(), X, y, param_name="spread", param_range=[0.5, 1.0], scoring=scorer
        )
        assert along.score_name == label
        plt.close("all")

    def test_the_name_of_a_function_without_one(self):
        assert "crps" in make_density_scorer(functools.partial(crps)).__name__
        assert DensityScorer.__name__ == "DensityScorer"
