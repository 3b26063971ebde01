"""MDNSearchCV gives what GridSearchCV gives, whatever the stacks; stacking finds the best weights."""

from __future__ import annotations

import copy
import pickle
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ParameterGrid,
    ParameterSampler,
    RepeatedKFold,
    ShuffleSplit,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV, MixtureDistribution
from sklearn_mdn._estimators.calibration import calibration_places
from sklearn_mdn._estimators.likelihood import FACTORS
from sklearn_mdn._estimators.plans import network_bytes
from sklearn_mdn._search import search as search_module
from sklearn_mdn._search import tasks
from sklearn_mdn._search.stacking import rounding_error, stacking_weights
from sklearn_mdn.metrics import log_likelihood_scorer

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0, "dtype": "float64"}


def small(**parameters) -> MDNRegressor:
    return MDNRegressor(**{**SMALL, **parameters})


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(101, 3))
    return X, X[:, 0] + 0.3 * rng.normal(size=101) * (1 + X[:, 1] ** 2)


def score_gap(ours, theirs) -> float:
    """Largest difference of two searches' scores, which must have the same keys."""
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    keys = [key for key in theirs.cv_results_ if "score" in key or "test" in key]
    ranks = [key for key in keys if "rank" in key]
    keys = [key for key in keys if "time" not in key and key not in ranks]
    assert keys
    assert ranks
    for rank in ranks:  # candidates that are level but for rounding may change places
        falling = theirs.cv_results_[rank.replace("rank", "mean")][np.argsort(ours.cv_results_[rank])]
        assert (np.diff(falling) < 1e-6).all()
    return max(np.abs(ours.cv_results_[key] - theirs.cv_results_[key]).max() for key in keys)


SHAPES = {"n_components": [1, 2, 5], "alpha": [0.0, 0.1], "dropout": [0.0, 0.2]}
CASES = {
    "several numbers of components": (small(), SHAPES, {}),
    "several shapes": (small(), {"hidden_layer_sizes": [(4,), (6, 3)], "activation": ["relu", "silu"]}, {}),
    "stopping and rates": (
        small(),
        {"max_iter": [2, 6], "learning_rate_init": [1e-3, 1e-2], "clip_grad_norm": [None, 0.1]},
        {},
    ),
    "seeds": (small(), {"random_state": [0, 1, 2]}, {}),
    "ensembles": (small(n_estimators=2), {"n_components": [1, 3], "n_estimators": [1, 3]}, {}),
    "no early stopping": (small(early_stopping=False), {"n_components": [1, 3]}, {}),
    "batch sizes": (small(), {"batch_size": [7, 32]}, {}),
    "several grids": (small(), [{"n_components": [1, 2]}, {"alpha": [0.1]}], {}),
    "overlapping test rows": (small(), {"alpha": [0.0, 1.0]}, {"cv": ShuffleSplit(4, random_state=0)}),
    "repeated folds": (
        small(),
        {"alpha": [0.0]},
        {"cv": RepeatedKFold(n_splits=2, n_repeats=2, random_state=0)},
    ),
    "unseeded shuffles of one seed": (
        small(),
        {"alpha": [0.0, 1.0]},
        {"cv": KFold(3, shuffle=True, random_state=1)},
    ),
    "several scorers": (
        small(),
        {"n_components": [1, 2]},
        {"scoring": ["r2", "neg_mean_squared_error"], "refit": "r2"},
    ),
    "a callable scorer": (
        small(),
        {"n_components": [1, 2]},
        {"scoring": lambda e, X, y: e.score(X, y) + 1.0},
    ),
    "a callable refit": (small(), {"n_components": [1, 2]}, {"refit": lambda results: 1}),
    "no refit": (small(), {"n_components": [1, 2]}, {"refit": False}),
    "pipeline": (
        make_pipeline(PolynomialFeatures(), StandardScaler(), small()),
        {"polynomialfeatures__degree": [1, 2], "mdnregressor__n_components": [1, 3]},
        {},
    ),
    "a step of the pipeline exchanged": (
        make_pipeline(StandardScaler(), small()),
        {"standardscaler": ["passthrough", PolynomialFeatures()], "mdnregressor__alpha": [0.0, 0.1]},
        {},
    ),
    "column transformer": (
        make_pipeline(ColumnTransformer([("scaled", StandardScaler(), [0, 2])]), small()),
        {"mdnregressor__n_components": [1, 3]},
        {},
    ),
    "another regressor among the candidates": (
        make_pipeline(StandardScaler(), small()),
        {"mdnregressor": [small(n_components=2), BayesianRidge()]},
        {"scoring": "r2"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_grid_search(name, data):
    estimator, grid, options = CASES[name]
    options = {"cv": 3, "return_train_score": True, **options}
    ours = MDNSearchCV(estimator, grid, **options).fit(*data)
    theirs = GridSearchCV(estimator, grid, **options).fit(*data)
    assert score_gap(ours, theirs) < 1e-6
    for attribute in ("best_index_", "best_params_", "best_score_", "multimetric_", "n_splits_"):
        assert hasattr(ours, attribute) == hasattr(theirs, attribute), attribute
        if (
            attribute != "best_score_"
            and hasattr(theirs, attribute)
            and "exchanged" not in name
            and "among" not in name
        ):
            assert getattr(ours, attribute) == getattr(theirs, attribute)
    if options.get("refit", True):
        np.testing.assert_allclose(ours.predict(data[0]), theirs.predict(data[0]), atol=1e-9)
        assert ours.score(*data) == pytest.approx(theirs.score(*data), abs=1e-9)
        assert ours.refit_time_ > 0.0
        if "exchanged" not in name:  # a pipeline that begins with "passthrough" knows no number of features
            assert ours.n_features_in_ == 3


def test_two_targets_and_full_covariances(data):
    X, y = data
    Y = np.column_stack([y, X[:, 1] + y])
    grid = {"n_components": [1, 3], "covariance_type": ["full", "tied", "diag"]}
    ours = MDNSearchCV(small(), grid, cv=2).fit(X, Y)
    assert score_gap(ours, GridSearchCV(small(), grid, cv=2).fit(X, Y)) < 1e-6


def test_no_stack_exceeds_its_bound(data, monkeypatch):
    sizes = []

    def record(plans, **options):
        largest = max(network_bytes(plan, "float64") for plan in plans)
        sizes.append((len(plans), sum(len(plan.train) for plan in plans) * largest))
        return train_plans(plans, **options)

    train_plans = tasks.train_plans
    monkeypatch.setattr(tasks, "train_plans", record)
    grid = [{"n_components": [1], "alpha": [0.0, 0.1, 0.2]}, {"n_components": [60], "n_estimators": [2]}]
    model = small()
    bound = 10 * network_bytes(model._build(model._validate(*data)), "float64")
    MDNSearchCV(small(), grid, cv=3, refit=False, max_stack_bytes=bound).fit(*data)
    assert sum(n_plans for n_plans, _ in sizes) == 12
    assert all(size <= bound or n_plans == 1 for n_plans, size in sizes)
    assert max(n_plans for n_plans, _ in sizes) > 1


def test_steps_that_cannot_be_compared(data):
    """Functions without a name are no key to what other candidates have prepared."""
    pipeline = Pipeline([("double", FunctionTransformer()), ("network", small())])
    grid = {"double__func": [None, lambda X: 2.0 * X], "network__n_components": [1, 2]}
    ours = MDNSearchCV(pipeline, grid, cv=2, error_score="raise").fit(*data)
    assert score_gap(ours, GridSearchCV(pipeline, grid, cv=2).fit(*data)) < 1e-6


@pytest.mark.parametrize(
    ("scoring", "refit"), [(None, "stackin"), ("r2", "stackin"), ("r2", "log_likelihood"), (None, "r2")]
)
def test_a_refit_that_names_nothing(scoring, refit, data):
    with pytest.raises(ValueError, match=f'refit must be a bool, "stacking", .* got {refit!r}'):
        MDNSearchCV(small(), {"alpha": [0.0]}, scoring=scoring, refit=refit).fit(*data)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [(small(), "weights"), (make_pipeline(StandardScaler(), small()), "mdnregressor__weights")],
)
def test_arguments_that_fit_does_not_know(estimator, name, data):
    with pytest.raises(
        TypeError, match=r"^MDNRegressor.fit\(\) got an unexpected keyword argument 'weights'"
    ):
        MDNSearchCV(estimator, {}, cv=2, error_score="raise").fit(*data, **{name: np.ones(len(data[1]))})


@pytest.mark.parametrize("options", [{"max_stack_bytes": 1}, {"max_stack_bytes": 200_000}, {"n_jobs": 2}])
def test_the_cut_into_stacks_changes_nothing(options, data):
    whole = MDNSearchCV(small(), SHAPES, cv=3).fit(*data)
    assert score_gap(MDNSearchCV(small(), SHAPES, cv=3, **options).fit(*data), whole) < 1e-9


def test_sample_weights_and_groups(data):
    """Groups are the splitter's alone here: with early stopping the networks hold out whole ones, too."""
    X, y = data
    weight, groups = np.random.default_rng(1).uniform(0, 2, len(y)), np.arange(len(y)) % 7
    grid = {"alpha": [0.0, 1.0]}
    whole, name = small(early_stopping=False), "mdnregressor"
    for estimator, names in [
        (whole, ("alpha", "sample_weight")),
        (make_pipeline(StandardScaler(), whole), (f"{name}__alpha", f"{name}__sample_weight")),
    ]:
        grid = {names[0]: [0.0, 1.0]}
        params = {names[1]: weight, "groups": groups}
        ours = MDNSearchCV(estimator, grid, cv=GroupKFold(3)).fit(X, y, **params)
        theirs = GridSearchCV(estimator, grid, cv=GroupKFold(3)).fit(X, y, **params)
        assert score_gap(ours, theirs) < 1e-6
        assert score_gap(ours, MDNSearchCV(estimator, grid, cv=GroupKFold(3)).fit(X, y, groups=groups)) > 1e-6


def test_metadata_routing(data):
    X, y = data
    weight = np.random.default_rng(1).uniform(0, 2, len(y))
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
        )
        grid = {"mdnregressor__alpha": [0.0, 1.0]}
        ours = MDNSearchCV(model, grid, cv=3).fit(X, y, sample_weight=weight)
        theirs = GridSearchCV(model, grid, cv=3).fit(X, y, sample_weight=weight)
    assert score_gap(ours, theirs) < 1e-6


def test_random_search_takes_any_iterable_of_candidates(data):
    sampler = ParameterSampler({"alpha": np.linspace(0, 1, 50)}, n_iter=3, random_state=0)
    search = MDNSearchCV(small(), sampler, cv=2).fit(*data)
    assert search.cv_results_["params"] == list(sampler)
    search = MDNSearchCV(small(), ParameterGrid({"alpha": [0.0, 1.0]}), cv=2).fit(*data)
    assert search.cv_results_["params"] == [{"alpha": 0.0}, {"alpha": 1.0}]


class TestFailures:
    GRID = {"alpha": [0.0, -1.0], "n_components": [1, 2]}

    def test_one_failure_leaves_the_others_alone(self, data):
        with (
            pytest.warns(FitFailedWarning, match=r"6 fits failed out of a total of 12"),
            pytest.warns(UserWarning, match="non-finite"),
        ):
            search = MDNSearchCV(small(), self.GRID, cv=3, error_score=np.nan).fit(*data)
        good = MDNSearchCV(small(), {"alpha": [0.0], "n_components": [1, 2]}, cv=3).fit(*data)
        scores = search.cv_results_["mean_test_score"]
        assert np.isnan(scores[2:]).all()
        np.testing.assert_allclose(scores[:2], good.cv_results_["mean_test_score"])

    def test_failing_in_training(self, data):
        # Steps of this length leave no finite loss behind.
        grid = {"learning_rate_init": [0.01, 1e30]}
        model = small(clip_grad_norm=None, early_stopping=False, max_iter=20, dtype="float32")
        with pytest.warns(FitFailedWarning, match="cannot be trained"):
            search = MDNSearchCV(model, grid, cv=2, error_score=-99.0).fit(*data)
        assert search.cv_results_["mean_test_score"][1] == -99.0
        assert search.cv_results_["mean_test_score"][0] > -10.0

    def test_raise(self, data):
        with pytest.raises(ValueError, match="alpha"):
            MDNSearchCV(small(), self.GRID, cv=3, error_score="raise").fit(*data)

    def test_all_failing(self, data):
        with pytest.raises(ValueError, match="All the 2 fits failed"):
            MDNSearchCV(small(), {"alpha": [-1.0]}, cv=2).fit(*data)

    def test_stacking_gives_a_failed_candidate_no_weight(self, data):
        with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
            search = MDNSearchCV(small(), self.GRID, cv=3, refit="stacking").fit(*data)
        np.testing.assert_array_equal(search.stacking_weights_[2:], 0.0)
        assert search.stacking_weights_.sum() == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("search", "error", "message"),
        [
            (MDNSearchCV(BayesianRidge(), {}), TypeError, "must be an MDNRegressor or a Pipeline"),
            (MDNSearchCV(small(), {"alpha": [0.0]}, max_stack_bytes=0), ValueError, "max_stack_bytes"),
            (MDNSearchCV(small(), {"alpha": [0.0]}, cv=200), ValueError, "n_splits=200"),
            (MDNSearchCV(small(), [{"no": [0.0]}, {"alpha": [0]}]), ValueError, "Invalid parameter 'no'"),
            (MDNSearchCV(small(), [{"alpha": [0]}, {"no": [0.0]}]), ValueError, "Invalid parameter 'no'"),
            (
                MDNSearchCV(
                    make_pipeline(StandardScaler(), small()),
                    {"mdnregressor": [small(), BayesianRidge()]},
                    scoring="r2",
                    refit="stacking",
                ),
                TypeError,
                r"end in, an MDNRegressor, got {'mdnregressor': BayesianRidge\(\)}",
            ),
            (MDNSearchCV(small(), iter([])), ValueError, "at least one candidate"),
        ],
    )
    def test_bad_input(self, search, error, message, data, monkeypatch):
        monkeypatch.setattr(MDNSearchCV, "_train", lambda *args: pytest.fail("training began"))
        with pytest.raises(error, match=message):
            search.fit(*data)


def stacked_by_hand(models, splits, X, y, weight, step):
    """Weights of candidates and factors of the networks of ``models[candidate][fold]``, in plain loops.

    ``step`` is the least step between two values of y.
    """
    n_folds, table = len(splits), np.array(FACTORS)
    places = [[calibration_places(model.calibration_) for model in of_one] for of_one in models]

    def densities(c, f, shift):
        model, test = copy.copy(models[c][f]), splits[f][1]
        model.calibration_ = table[np.clip(places[c][f] + shift, 0, len(table) - 1)]
        members = model.predict_distribution(X[test]).members()
        return [
            MixtureDistribution(d.weights, d.means, d.covariances + step**2 / 12).pdf(y[test])
            for d in members
        ]

    def expected(shares, f, shift):
        """Mean of the logarithm of the pool of all folds, to second order, from the networks of one fold."""
        per_network, p = [], []
        for c, share in enumerate(shares):
            if share > 0:
                own = densities(c, f, shift)
                per_network += [share / len(own)] * len(own)
                p += own
        w, p = np.array(per_network), np.array(p)
        mean, square = w @ p, w @ w
        spread = w @ (p - mean) ** 2 / mean**2 / (1 - square) if len(w) > 1 else 0.0
        return weight[splits[f][1]] @ (np.log(mean) + spread / 2 * (square - square / n_folds))

    def shift_of(shares):
        shifts = range(-len(table), len(table) + 1)
        totals = [sum(expected(shares, f, shift) for f in range(n_folds)) for shift in shifts]
        best = [s for s, total in zip(shifts, totals, strict=True) if total == max(totals)]
        return min(best, key=abs)

    def move(c, shift):
        places[c] = [np.clip(own + shift, 0, len(table) - 1) for own in places[c]]

    for c, shares in enumerate(np.eye(len(models))):
        move(c, shift_of(shares))
    columns = np.empty((len(y), len(models)))
    for c, f in product(range(len(models)), range(n_folds)):
        columns[splits[f][1], c] = np.log(np.mean(densities(c, f, 0), axis=0))
    weights = stacking_weights(columns, weight)
    together = shift_of(weights)
    for c in range(len(models)):
        move(c, together)
    return weights, [table[own] for c, of_one in enumerate(places) if weights[c] > 0 for own in of_one]


class TestStacking:
    def test_weights_maximise_the_likelihood(self):
        rng = np.random.default_rng(0)
        log_densities, weight = rng.normal(size=(200, 2)), rng.uniform(0, 2, 200)

        def loss(w):
            return -weight @ np.log(w * np.exp(log_densities[:, 0]) + (1 - w) * np.exp(log_densities[:, 1]))

        best = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}).x
        assert stacking_weights(log_densities, weight)[0] == pytest.approx(best, abs=1e-3)

    @pytest.mark.parametrize(
        ("n_rows", "n_densities", "noise"),
        [(300, 6, 1.0), (2000, 30, 0.02), (300, 10, 0.003), (500, 60, 0.5), (50, 20, 200.0), (1, 3, 1.0)],
    )
    def test_conditions_of_the_optimum(self, n_rows, n_densities, noise):
        rng = np.random.default_rng(1)
        log_densities = 5.0 * rng.normal(size=(n_rows, 1)) + noise * rng.normal(size=(n_rows, n_densities))
        weights = stacking_weights(log_densities, np.ones(n_rows))
        assert weights.sum() == pytest.approx(1.0)
        densities = np.exp(log_densities - log_densities.max(axis=1, keepdims=True))
        ratios = np.mean(densities / (densities @ weights)[:, None], axis=0)
        # Karush, Kuhn and Tucker: 1 for densities that contribute, at most 1 for the others; by concavity
        # the excess bounds what better weights could gain.
        np.testing.assert_allclose(ratios[weights > 0], 1.0, atol=2e-3)
        assert (ratios <= 1.0 + 1e-5).all()

    def test_impossible_rows(self):
        log_densities = np.array([[-np.inf, 0.0], [0.0, -np.inf], [-np.inf, -np.inf]])
        np.testing.assert_allclose(stacking_weights(log_densities, np.array([3.0, 1.0, 1.0])), [0.25, 0.75])
        np.testing.assert_allclose(stacking_weights(log_densities[2:], np.ones(1)), [0.5, 0.5])
        np.testing.assert_allclose(stacking_weights(log_densities, np.array([0.0, 0.0, 1.0])), [0.5, 0.5])

    def test_the_pool_is_the_weighted_mixture_of_all_folds(self, data):
        X, y = data
        grid = {"n_components": [1, 3], "alpha": [0.0, 5.0]}
        search = MDNSearchCV(small(max_iter=10), grid, cv=3, refit="stacking").fit(X, y)
        pool = search.best_estimator_
        assert isinstance(pool, DensityPool)
        assert search.stacking_weights_.shape == (4,)
        kept = search.stacking_weights_[search.stacking_weights_ > 0]
        np.testing.assert_allclose(pool.weights_, np.repeat(kept, 3) / 3)
        densities = [np.exp(estimator.score_samples(X, y)) for estimator in pool.estimators_]
        np.testing.assert_allclose(
            np.exp(search.best_estimator_.score_samples(X, y)), pool.weights_ @ densities
        )
        np.testing.assert_allclose(search.predict(X), pool.predict(X))
        assert search.score(X, y) == pytest.approx(pool.score(X, y))
        assert not hasattr(pool, "coefs_")

    def test_a_row_held_out_twice_counts_half_each_time(self, data):
        X, y = data
        splits = list(KFold(3).split(X))
        grid = {"alpha": [0.0, 5.0]}
        once = MDNSearchCV(small(), grid, cv=splits, refit="stacking").fit(X, y)
        twice = MDNSearchCV(small(), grid, cv=splits + splits, refit="stacking").fit(X, y)
        some = MDNSearchCV(small(), grid, cv=splits + splits[:1], refit="stacking").fit(X, y)
        np.testing.assert_allclose(twice.stacking_weights_, once.stacking_weights_, atol=1e-6)
        np.testing.assert_allclose(some.stacking_weights_, once.stacking_weights_, atol=1e-6)

    @pytest.mark.parametrize(
        ("n_estimators", "grid", "weighted", "step"),
        [
            (1, [{"alpha": [0.0, 5.0]}], False, 2**-20),
            (1, [{"random_state": [0, 1, 2]}], True, 2**-20),
            (2, [{"dropout": [0.0, 0.02]}], True, 2**-20),
            (2, [{"n_components": [1, 3]}, {"early_stopping": [False]}], False, 2**-20),
            (3, [{"early_stopping": [False], "max_iter": [10, 30]}], True, 2**-20),
            (2, [{"n_components": [1, 3]}, {"early_stopping": [False]}], True, 0.5),
        ],
    )
    def test_weights_and_factors_against_separate_fits(self, n_estimators, grid, weighted, step):
        """Each candidate as wide as is best for its networks, then weights, then the width of them all."""
        X = np.random.default_rng(0).uniform(-2, 2, (60, 2))
        y = step * np.round((X[:, 0] + 0.5 * np.sin(3 * X[:, 1])) / step)
        y[:2] = 0.0, step
        weight = np.random.default_rng(1).uniform(0.0, 2.0, 60) if weighted else np.ones(60)
        network = MDNRegressor(
            hidden_layer_sizes=16, max_iter=30, n_estimators=n_estimators, random_state=1, dtype="float64"
        )
        splits = list(KFold(3).split(X))
        search = MDNSearchCV(network, grid, cv=splits, refit="stacking").fit(X, y, sample_weight=weight)
        models = [
            [
                clone(network).set_params(**parameters).fit(X[train], y[train], sample_weight=weight[train])
                for train, _ in splits
            ]
            for parameters in search.cv_results_["params"]
        ]
        weights, factors = stacked_by_hand(models, splits, X, y, weight, step)
        np.testing.assert_allclose(search.stacking_weights_, weights, atol=1e-6)
        found = [estimator.calibration_ for estimator in search.best_estimator_.estimators_]
        np.testing.assert_array_equal(found, factors)
        own = [model.calibration_ for models_of_one in models for model in models_of_one]
        assert not np.array_equal(found, own)

    @pytest.mark.parametrize(
        ("y", "expected"),
        [
            ([3.0, 3.0, 3.0], [0.0]),
            ([7.0, 3.0, 4.0, 3.0], [1 / np.sqrt(12)]),
            ([0.0, 0.0, 0.0, 0.3, 0.30001, 5.0], [0.00001 / np.sqrt(12)]),
            ([0.1 + 0.2, 0.3, 0.7, 1.1 - 0.4, 0.5], [0.2 / np.sqrt(12)]),  # equal but for arithmetic
            ([1e9, 1e9 + 1e-6, 1e9 + 0.5, 1e9 + 1.0], [0.5 / np.sqrt(12)]),
            ([[1.0, 0.0], [3.0, 0.5], [1.0, 0.25]], [2 / np.sqrt(12), 0.25 / np.sqrt(12)]),
        ],
    )
    def test_rounding_error(self, y, expected):
        np.testing.assert_allclose(rounding_error(np.array(y)), expected, rtol=1e-5)

    def test_sample_weights_count(self, data):
        X, y = data
        weight, splits = np.where(np.arange(len(y)) < 50, 1.0, 1e-9), list(KFold(3).split(X))
        search = MDNSearchCV(small(max_iter=30), {"random_state": [0, 1, 2]}, cv=splits, refit="stacking")
        weights = search.fit(X, y, sample_weight=weight).stacking_weights_
        models = [
            [
                small(max_iter=30, random_state=seed).fit(X[train], y[train], sample_weight=weight[train])
                for train, _ in splits
            ]
            for seed in range(3)
        ]
        np.testing.assert_allclose(weights, stacked_by_hand(models, splits, X, y, weight, 0.0)[0], atol=1e-6)
        assert np.abs(weights - stacked_by_hand(models, splits, X, y, np.ones(len(y)), 0.0)[0]).max() > 1e-3

    def test_weights_are_found_by_the_name_that_a_network_asks_for(self, data):
        X, y = data
        weight, found = np.where(np.arange(len(y)) < 50, 1.0, 1e-6), []
        with config_context(enable_metadata_routing=True):
            for name, asked in (("sample_weight", True), ("row_weight", "row_weight")):
                network = small(max_iter=30).set_fit_request(sample_weight=asked)
                pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), network)
                grid = {"mdnregressor__random_state": [0, 1, 2]}
                scorer = copy.deepcopy(log_likelihood_scorer).set_score_request(sample_weight=False)
                search = MDNSearchCV(pipeline, grid, cv=3, refit="stacking", scoring=scorer)
                found.append(search.fit(X, y, **{name: weight}).stacking_weights_)
            unweighted = search.fit(X, y).stacking_weights_
        np.testing.assert_array_equal(*found)
        assert np.abs(found[0] - unweighted).max() > 1e-3

    def test_one_number_is_the_weight_of_every_row(self, data):
        X, y = data
        search = MDNSearchCV(small(), {"random_state": [0, 1]}, cv=2, refit="stacking")
        expected = search.fit(X, y).stacking_weights_
        np.testing.assert_array_equal(search.fit(X, y, sample_weight=2.0).stacking_weights_, expected)

    def test_factors_rise_where_no_row_was_held_out_to_choose_them(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(80, 2))
        y = X[:, 0] + rng.normal(size=80)
        network = MDNRegressor(
            hidden_layer_sizes=32, max_iter=120, early_stopping=False, random_state=0, dtype="float64"
        )
        search = MDNSearchCV(network, {"n_components": [2]}, cv=4, refit="stacking").fit(X, y)
        assert all(estimator.calibration_ > 1.0 for estimator in search.best_estimator_.estimators_)
        X_new = rng.normal(size=(500, 2))
        y_new = X_new[:, 0] + rng.normal(size=500)
        as_trained = [copy.copy(estimator) for estimator in search.best_estimator_.estimators_]
        for estimator in as_trained:
            estimator.calibration_ = np.ones(1)
        assert search.score(X_new, y_new) > DensityPool.from_fitted(as_trained).score(X_new, y_new) + 0.05
        # What is told of the candidate is what GridSearchCV would tell: of the networks as they were trained.
        splits = KFold(4).split(X)
        scores = [e.score(X[test], y[test]) for e, (_, test) in zip(as_trained, splits, strict=True)]
        assert search.best_score_ == pytest.approx(np.mean(scores), rel=1e-6)

    def test_several_scorers(self, data):
        search = MDNSearchCV(
            small(), {"alpha": [0.0, 1.0]}, cv=2, scoring=["r2", "neg_max_error"], refit="stacking"
        )
        search.fit(*data)
        assert not hasattr(search, "best_index_")
        assert search.score(*data) == pytest.approx(search.best_estimator_.score(*data))


def test_inside_other_things(data):
    X, y = data
    grid = {"n_components": [1, 3]}
    ours, theirs = MDNSearchCV(small(), grid, cv=2), GridSearchCV(small(), grid, cv=2)
    np.testing.assert_allclose(
        cross_val_score(ours, X, y, cv=3), cross_val_score(theirs, X, y, cv=3), atol=1e-6
    )
    nested = cross_validate(
        MDNSearchCV(small(), grid, cv=2, refit="stacking"), X, y, cv=2, return_estimator=True
    )
    assert all(isinstance(search.best_estimator_, DensityPool) for search in nested["estimator"])
    fitted = clone(ours).fit(X, y)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))
    assert clone(fitted).get_params(deep=False).keys() == ours.get_params(deep=False).keys()


def test_progress(data, capsys):
    MDNSearchCV(small(), {"alpha": [0.0, 0.1]}, cv=2, verbose=2).fit(*data)
    out = capsys.readouterr().out
    assert "Fitting 2 folds for each of 2 candidates, totalling 4 fits" in out
    assert "[stack 1/1] 4 networks" in out


class TaskLog:
    """A callback that writes down what it is told, from whichever process."""

    def __init__(self, path):
        self.path = path

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.write("begun", context.task_name)

    def on_fit_task_end(self, estimator, context):
        self.write("ended", context.task_name)

    def write(self, *words):
        with open(self.path, "a") as file:
            file.write(" ".join(words) + "\n")

    def count(self, *words):
        return self.path.read_text().splitlines().count(" ".join(words))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks_follow_the_epochs(data, tmp_path, n_jobs):
    log = TaskLog(tmp_path / "log")
    search = MDNSearchCV(small(), {"alpha": [0.0, 0.1]}, cv=2, n_jobs=n_jobs).set_callbacks(log)
    search.fit(*data)
    assert log.count("begun", "epoch") == 3 * n_jobs
    for task, times in {"stack": n_jobs, "search": 1, "refit": 1, "fit": 1}.items():
        assert log.count("begun", task) == log.count("ended", task) == times
    monitor = ScoringMonitor(scoring="r2")
    MDNSearchCV(small().set_callbacks(monitor), {"n_components": [1, 3]}, cv=2).fit(*data)
    assert [entry["task_name"] for entry in monitor.get_logs().data].count("epoch") == 3  # of the refit


class StopsAtTwo(TaskLog):
    """A callback that asks for the end after the second epoch."""

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and context.task_id == 1


def test_a_callback_ends_the_stack(data, tmp_path):
    search = MDNSearchCV(small(max_iter=50), {"n_components": [1, 3]}, cv=2, refit="stacking")
    search.set_callbacks(StopsAtTwo(tmp_path / "log")).fit(*data)
    assert {len(network.loss_curve_[0]) for network in search.best_estimator_.estimators_} == {2}


def test_a_search_leaves_nothing_of_the_one_before(data):
    X, y = data
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    search = MDNSearchCV(small(), {"n_components": [1, 3]}, cv=2, refit="stacking").fit(frame, y)
    assert list(search.feature_names_in_) == ["a", "b", "c"]
    search.set_params(refit=True).fit(X, y)
    assert not hasattr(search, "stacking_weights_")
    assert not hasattr(search, "feature_names_in_")
    search.set_params(refit=False).fit(X, y)
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search, "refit_time_")


def test_the_time_of_a_stack_is_shared_out_by_networks(data, monkeypatch):
    def in_400_seconds(plans, settings, context, caller):
        return train_stack(plans, settings, context, caller)[0], 400.0

    train_stack = search_module.train_stack
    monkeypatch.setattr(search_module, "train_stack", in_400_seconds)
    grid = [{"n_estimators": [1, 3]}]
    search = MDNSearchCV(small(), grid, cv=[next(KFold(2).split(data[0]))], refit=False).fit(*data)
    np.testing.assert_allclose(search.cv_results_["mean_fit_time"], [100.0, 300.0], rtol=0.05)


def test_callbacks_of_networks_that_stop_early(data, tmp_path):
    log = TaskLog(tmp_path / "log")
    early = small().set_params(early_stopping=True, n_iter_no_change=1, max_iter=60, tol=1.0)
    MDNSearchCV(early, {"alpha": [0.0, 0.1]}, cv=2).set_callbacks(log).fit(*data)
    assert 1 <= log.count("begun", "epoch") == log.count("ended", "epoch") < 60
    assert log.count("begun", "stack") == log.count("ended", "stack") == 1
