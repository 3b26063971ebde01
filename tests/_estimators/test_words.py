"""A table of arguments, what is wrong about them and what is said, for every estimator."""

from __future__ import annotations

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import BayesianRidge, LinearRegression

import sklearn_mdn._estimators.density
import sklearn_mdn._estimators.plans
import sklearn_mdn._estimators.regressor
from sklearn_mdn import DensityPool, GaussianDensity, MDNRegressor, MDNSearchCV, MixtureDistribution
from sklearn_mdn._estimators.plans import train_plans
from sklearn_mdn._estimators.prediction import FittedNetworks
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.univariate import Univariate
from sklearn_mdn.metrics import crps

QUICK = {"n_components": 2, "hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
N = 40
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(N, 2))
y = X[:, 0] + GENERATOR.normal(size=N)

WORDS = np.full(N, "heavy")
DAYS = np.full(N, np.datetime64("2020-01-01"))
NO_NUMBERS = "sample_weight must be real numbers, got an array of"


def search(**changed):
    arguments = {"param_grid": {"alpha": [1e-4]}, "cv": 2} | changed
    return MDNSearchCV(MDNRegressor(**QUICK), **arguments)


def pool(**changed):
    return DensityPool([MDNRegressor(**QUICK)], **changed)


MAKERS = {
    "regressor": lambda: MDNRegressor(**QUICK),
    "search": search,
    "pool": pool,
    "gaussian": lambda: GaussianDensity(BayesianRidge()),
}


@pytest.fixture(scope="module")
def fitted():
    return {name: make().fit(X, y) for name, make in MAKERS.items()}


def no_index(results):
    return 7


def no_integer(results):
    return "best"


SEARCHES = [
    ("param_grid", "alpha", TypeError, "param_grid must be a dict of lists.* got 'a' as a candidate"),
    ("param_grid", 5, ValueError, "'param_grid' parameter .* Got 5"),
    ("param_grid", {"alpha": 1e-4}, TypeError, "param_grid: .*'alpha' needs to be a list"),
    ("param_grid", {"alpha": []}, ValueError, "param_grid: .*'alpha' need to be a non-empty sequence"),
    ("param_grid", [{"alpha": [1.0]}, 3], TypeError, r"param_grid: Parameter grid is not a dict \(3\)"),
    ("param_grid", {1: [2]}, TypeError, r"param_grid must be .* got {1: 2} as a candidate"),
    ("param_grid", [], ValueError, r"param_grid must have at least one candidate, got \[\]"),
    ("param_grid", {"nope": [1]}, ValueError, "Invalid parameter 'nope' for estimator MDNRegressor"),
    ("cv", 1, ValueError, "'cv' parameter .* Got 1"),
    ("cv", "five", ValueError, "'cv' parameter .* Got 'five'"),
    ("cv", N + 1, ValueError, "cv: Cannot have number of splits n_splits=41 greater than the number"),
    ("cv", [], ValueError, r"cv must have at least one split, got \[\]"),
    ("cv", [1, 2], ValueError, r"cv must give pairs \(training rows, test rows\), got 1"),
    ("cv", [(1, 2, 3)], ValueError, r"cv must give pairs .* got \(1, 2, 3\)"),
    ("cv", [([0, 1], [99])], ValueError, "cv must give rows from 0 to 39, got rows from 99 to 99"),
    ("refit", len, ValueError, "refit must return the index of a candidate, 0 to 0, got 10"),
    ("refit", no_index, ValueError, "refit must return the index of a candidate, 0 to 0, got 7"),
    ("refit", no_integer, TypeError, "refit must return the index of a candidate, an integer, got 'best'"),
    ("refit", "best", ValueError, "refit must be a bool, .* got 'best'"),
    ("n_jobs", 0, ValueError, "n_jobs == 0"),
    ("n_jobs", "all", ValueError, "'n_jobs' parameter .* Got 'all'"),
    ("error_score", "zero", ValueError, "'error_score' parameter .* Got 'zero'"),
    ("max_stack_bytes", 0, ValueError, "'max_stack_bytes' parameter .* Got 0"),
    ("scoring", "crps", ValueError, "'scoring' parameter"),
    ("scoring", len, TypeError, r"scoring must be called as scorer\(estimator, X, y\) is, which .*len"),
    ("scoring", crps, TypeError, "scoring must be .*function crps .*make_density_scorer makes scorers"),
    ("scoring", {"a": "r2", "b": lambda: 1.0}, TypeError, "scoring must be .*lambda.* of 'b' cannot be"),
]


@pytest.mark.parametrize(("name", "bad", "error", "message"), SEARCHES)
def test_bad_arguments_of_a_search(name, bad, error, message):
    if name == "refit" and bad is len:
        message = "refit must return the index of a candidate, 0 to 0, got [0-9]+"
    with pytest.raises(error, match=message):
        search(**{name: bad}).fit(X, y)


POOLS = [
    ("weights", ["a"], ValueError, "weights must be real numbers, got an array of <U1"),
    ("weights", [1.0, 2.0], ValueError, r"weights must be 1 non-negative numbers, .* got \[1.0, 2.0\]"),
    ("weights", [-1.0], ValueError, r"weights must be 1 non-negative numbers, .* got \[-1.0\]"),
    ("weights", [np.nan], ValueError, "weights must be 1 non-negative numbers"),
    ("weights", [0.0], ValueError, "weights must not all be zero"),
    ("estimators", [], ValueError, "estimators must hold at least one estimator, got none"),
    ("estimators", "mdn", ValueError, "'estimators' parameter .* Got 'mdn'"),
    ("estimators", ["mdn"], TypeError, "estimators must be a list of estimators.* got 'mdn' in it"),
    ("estimators", [MDNRegressor], TypeError, "estimators must be a list of estimators.* in it"),
    ("estimators", [LinearRegression()], TypeError, "LinearRegression"),
]


@pytest.mark.parametrize(("name", "bad", "error", "message"), POOLS)
def test_bad_arguments_of_a_pool(name, bad, error, message):
    with pytest.raises(error, match=message):
        pool().set_params(**{name: bad}).fit(X, y)


GAUSSIANS = [
    ("estimator", None, ValueError, "'estimator' parameter .* Got None"),
    ("estimator", LinearRegression(), TypeError, "estimator must predict standard deviations: .* return_std"),
]


@pytest.mark.parametrize(("name", "bad", "error", "message"), GAUSSIANS)
def test_bad_arguments_of_a_gaussian(name, bad, error, message):
    with pytest.raises(error, match=message):
        GaussianDensity(bad).fit(X, y)


@pytest.mark.parametrize("bad", [WORDS, WORDS.tolist(), DAYS, np.full(N, "1"), "balanced"])
@pytest.mark.parametrize("kind", ["regressor", "pool"])
def test_weights_that_are_no_numbers(kind, bad):
    with pytest.raises(ValueError, match=NO_NUMBERS):
        MAKERS[kind]().fit(X, y, sample_weight=bad)


CALLS = [
    ("predict", {"X": X[:, :1]}, "1 features?,? but .* 2 features"),
    ("predict", {"X": X, "quantiles": [95]}, "quantiles must lie strictly between 0 and 1, got 95"),
    ("predict", {"X": X, "quantiles": "median"}, "quantiles must be real numbers"),
    ("predict", {"X": X, "quantiles": [0.5], "return_std": True}, "cannot be asked for together"),
    ("sample", {"X": X, "n_samples": 0}, "n_samples must be an integer of at least 1, got 0"),
    ("sample", {"X": X, "n_samples": 2.5}, "n_samples must be an integer of at least 1, got 2.5"),
    ("sample", {"X": X, "random_state": "seed"}, "random_state|seed"),
    ("score", {"X": X, "y": None}, "score needs the targets y, got None"),
    ("score", {"X": X, "y": y[:, None]}, r"got \(40, 1\)\. Pass np\.asarray\(y\)\[:, 0\]\."),
    ("score", {"X": X, "y": y[:4]}, r"y must have the shape \(40,\), .* got \(4,\)\.$"),
    ("score", {"X": X, "y": WORDS}, "y must hold numbers, got the data type <U5"),
    ("score", {"X": X, "y": y, "sample_weight": WORDS}, NO_NUMBERS),
    ("score", {"X": X, "y": y, "sample_weight": DAYS}, NO_NUMBERS),
]


@pytest.mark.parametrize("kind", list(MAKERS))
@pytest.mark.parametrize(("method", "arguments", "message"), CALLS)
def test_bad_arguments_after_the_fit(fitted, kind, method, arguments, message):
    if kind == "search" and "sample_weight" in arguments:
        pytest.skip("only with routed metadata")
    with pytest.raises(ValueError, match=message):
        getattr(fitted[kind], method)(**arguments)


def test_a_column_in_fit_and_a_flat_target_in_score():
    model = MDNRegressor(**QUICK).fit(X, y[:, None])
    way = r"y must have the shape \(40, 1\), .* got \(40,\)\. Pass np\.asarray\(y\)\[:, np\.newaxis\]\."
    with pytest.raises(ValueError, match=way):
        model.score(X, y)
    assert np.isfinite(model.score(X, np.asarray(y)[:, np.newaxis]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alpha": 1000.0}, r"epoch \d+ of 40\. alpha=1000 times learning_rate_init=0.01 is above 2"),
        (
            {"learning_rate_init": 1e30},
            r"epoch \d+ of 40\. learning_rate_init=1e\+30 is likely to be",
        ),
        ({"reg_covar": 1e300}, r"epoch 1 of 40\. reg_covar=1e\+300 is likely to be too large"),
    ],
)
def test_what_cannot_be_trained_names_the_epoch_and_the_parameter(settings, words):
    with pytest.raises(FloatingPointError, match=f"Network 0 cannot be trained: .* {words}"):
        MDNRegressor(**(QUICK | {"max_iter": 40} | settings)).fit(X, y)


def test_memory_that_runs_out(monkeypatch):
    def train(*arguments, **named):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes\nmore")

    monkeypatch.setattr(sklearn_mdn._estimators.plans, "train", train)
    words = r"Memory ran out in training 1 network\(s\) of \d+ parameters. Smaller hidden_layer_sizes"
    with pytest.raises(MemoryError, match=words):
        MDNRegressor(**QUICK).fit(X, y)
    with pytest.raises(MemoryError, match="max_stack_bytes"):
        search(error_score="raise").fit(X, y)


def test_memory_that_runs_out_in_a_prediction(fitted, monkeypatch):
    """Whatever asks for it: the networks, the mixtures, or the arrays of answers."""

    def no_room(*arguments, **named):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes\nmore")

    model = fitted["regressor"]
    density = model.predict_distribution(X)
    of_models = r"^Memory ran out in .*\. Fewer .* need less of it\. \(\[enforce fail"
    calls = {
        (Mixture, "merge_members"): lambda: model.predict(X),
        (Univariate, "std"): lambda: model.predict(X, return_std=True),
        (Univariate, "quantile"): lambda: model.predict(X, quantiles=[0.5]),
        (Mixture, "draw"): lambda: model.sample(X, 3),
    }
    for (holder, name), call in calls.items():
        with monkeypatch.context() as patch:
            patch.setattr(holder, name, no_room)
            with pytest.raises(MemoryError, match=of_models):
                call()
    monkeypatch.setattr(Univariate, "crps", no_room)
    with pytest.raises(MemoryError, match=r"working on 40 mixtures\. Fewer rows at a time"):
        density.crps(y)


def test_other_errors_of_torch_stay_what_they_are(monkeypatch):
    def train(*arguments, **named):
        raise RuntimeError("something else")

    monkeypatch.setattr(sklearn_mdn._estimators.plans, "train", train)
    with pytest.raises(RuntimeError, match=r"^something else$"):
        MDNRegressor(**QUICK).fit(X, y)


@pytest.mark.skipif(torch.backends.cuda.is_built(), reason="this PyTorch has CUDA")
def test_cuda_without_cuda():
    with pytest.raises(ValueError, match=r"got 'cuda'\. PyTorch .* is built without CUDA: install a build"):
        MDNRegressor(**QUICK, device="cuda").fit(X, y)


@pytest.mark.parametrize("value", [1.7e308, -1.7e308])
def test_rows_too_far_to_predict(fitted, value, monkeypatch):
    far = X.copy()
    far[3, 1] = value
    for kind in ("regressor", "pool", "search"):
        assert np.isfinite(fitted[kind].predict(far)).all()
    words = r"X must not lie so far .* as large as 1.7e\+308 in row 3\."
    model = copy.copy(fitted["regressor"])
    model.X_min_, model.X_max_ = np.full(2, -np.inf), np.full(2, np.inf)  # as fits of version 0.1 have it
    with pytest.raises(ValueError, match=words):
        model.predict(far)
    with pytest.raises(ValueError, match=words) as caught:
        model.predict_distribution(far)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    monkeypatch.setattr(sklearn_mdn._estimators.density, "FEW_ROWS", 1)
    monkeypatch.setattr(FittedNetworks, "rows_at_once", 2)  # so that the row is in the second block
    with pytest.raises(ValueError, match=words):
        model.sample(far)


@pytest.mark.parametrize("unit", [1e-300, 1e-165, 1e-150, 1.0, 1e150, 1e160, 1e300])
def test_deviations_in_every_unit(unit):
    weights, means, variances = [[0.3, 0.7, 0.0]], np.array([[-1.0, 2.0, 50.0]]), [[1.0, 0.25, 9.0]]
    expected = MixtureDistribution(weights, means, variances).std()
    distribution = MixtureDistribution(weights, means, variances)
    tiny = type(distribution)._from_mixture(
        distribution._mixture.affine(
            torch.zeros(1, dtype=torch.float64), torch.tensor([unit], dtype=torch.float64)
        ),
        one_dimensional=True,
    )
    np.testing.assert_allclose(tiny.std() / unit, expected, rtol=1e-12)


def test_workers_get_arrays_that_cannot_be_written_to(tmp_path):
    model = MDNRegressor(**QUICK)
    plan = model._build(model._validate(X, y))
    joblib.dump(plan.data, tmp_path / "data.joblib")
    plan.data = joblib.load(tmp_path / "data.joblib", mmap_mode="r")
    assert not plan.data.rows.x.flags.writeable
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_plans([plan], device=torch.device("cpu"), dtype=torch.float64)


@pytest.mark.parametrize("n_far", [1, 3])
@pytest.mark.parametrize("weight", [None, 2.0])
def test_few_values_far_out(n_far, weight):
    """A corrupted value sets the unit of all others, and one that is no more than large says nothing."""
    table, target = (
        pd.DataFrame(GENERATOR.normal(size=(200, 2)), columns=["age", "mass"]),
        GENERATOR.normal(size=200),
    )
    target = pd.Series(target, name="price")
    words = r"has {} of 200 values far out in column '{}', up to 1e\+06 where half lie .*: correct"
    far = target.copy()
    far.iloc[:n_far] = 1e6
    with pytest.warns(UserWarning, match="y " + words.format(n_far, "price")):
        MDNRegressor(**QUICK).fit(table, far, sample_weight=weight)
    stretched = table.copy()
    stretched.iloc[:n_far, 1] = 1e6
    with pytest.warns(UserWarning, match="X " + words.format(n_far, "mass")):
        MDNRegressor(**QUICK).fit(stretched, target, sample_weight=weight)
    large = table.copy()
    large.iloc[0, 1] = 300.0
    MDNRegressor(**QUICK).fit(large, target, sample_weight=weight)
    spike = (target > 150) * 1e6  # most values are equal, and no unit is wrong for them
    MDNRegressor(**QUICK).fit(table, spike, sample_weight=weight)
