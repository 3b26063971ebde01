"""Every mistake is told apart by its error, and told before any training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import NotFittedError

import sklearn_mdn._estimators.regressor
from sklearn_mdn import MDNRegressor

QUICK = {"n_components": 2, "hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0}
N = 30
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.normal(size=(N, 3)), GENERATOR.normal(size=(N, 2))
y = Y[:, 0]
ONES = np.ones(N)


def put(array, value):
    """A copy of the array with one entry changed."""
    array = array.copy()
    array.flat[4] = value
    return array


def objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@pytest.fixture
def no_training(monkeypatch):
    def train_plans(*args, **kwargs):
        pytest.fail("training began")

    monkeypatch.setattr(sklearn_mdn._estimators.regressor, "train_plans", train_plans)


def test_the_guard_guards(no_training):
    with pytest.raises(pytest.fail.Exception, match="training began"):
        MDNRegressor(**QUICK).fit(X, y)


TOO_LARGE = "must have a variance that a float64 can hold, got values as large as"
BAD_X = {
    "infinity": (put(X, np.inf), ValueError, "Input X contains infinity"),
    "too large": (1e200 * X, ValueError, f"X {TOO_LARGE}"),
    "one too large": (put(X, 1e160), ValueError, f"X {TOO_LARGE} 1e\\+160"),
    "no columns": (X[:, :0], ValueError, r"0 feature\(s\) \(shape=\(30, 0\)\) while a minimum of 1"),
    "1 axis": (y, ValueError, "Expected 2D array, got 1D array"),
    "3 axes": (X[:, :, None], ValueError, "Found array with dim 3, while dim <= 2"),
    "sparse matrix": (sparse.csr_matrix(X), TypeError, "Sparse data was passed for X, but dense data"),
    "sparse array": (sparse.csr_array(X), TypeError, "Sparse data was passed for X, but dense data"),
    "dates": (np.full((N, 3), np.datetime64("2020-01-01")), TypeError, r"got an array of datetime64\[D\]"),
    "texts and numbers": (put(X.astype(object), "a"), TypeError, "column '.' mixes numbers and texts"),
    "complex": (X + 1j, ValueError, "Complex data not supported"),
}


@pytest.mark.parametrize(("bad", "error", "message"), BAD_X.values(), ids=BAD_X.keys())
def test_bad_rows(no_training, bad, error, message):
    with pytest.raises(error, match=message):
        MDNRegressor(**QUICK).fit(bad, y)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows(no_training, n):
    with pytest.raises(
        ValueError, match=rf"Found array with {n} sample\(s\) .* while a minimum of 2 is required"
    ):
        MDNRegressor(**QUICK).fit(X[:n], y[:n])


BAD_Y = {
    "none": (None, ValueError, "requires y to be passed, but the target y is None"),
    "NaN": (put(y, np.nan), ValueError, "Input y contains NaN"),
    "NaN of one target": (put(Y, np.nan), ValueError, "Input y contains NaN"),
    "infinity": (put(y, -np.inf), ValueError, "Input y contains infinity"),
    "too large": (1e200 * y, ValueError, f"y {TOO_LARGE}"),
    "missing": (objects([None, *y[1:]]), ValueError, "Input y contains NaN"),
    "NaN among objects": (objects([np.nan, *y[1:]]), ValueError, "Input y contains NaN"),
    "infinity among objects": (objects([np.inf, *y[1:]]), ValueError, "Input y contains infinity"),
    "complex among objects": (objects([1j, *y[1:]]), ValueError, "y must hold real numbers, got 1j"),
    "NA of pandas": (pd.Series([None, *range(N - 1)], dtype="Int64"), ValueError, "Input y contains NaN"),
    "sparse matrix": (sparse.csr_matrix(Y), TypeError, "y must be a dense array .* got a sparse matrix"),
    "sparse array": (sparse.csc_array(Y), TypeError, "y must be a dense array .* got a sparse matrix"),
    "strings": (np.full(N, "a"), ValueError, "y must hold numbers, got the data type <U1"),
    "numbers as strings": (y.astype("U5"), ValueError, "y must hold numbers, got the data type <U5"),
    "list of strings": (["a"] * N, ValueError, "y must hold numbers, got the data type <U1"),
    "bytes": (np.full(N, b"a"), ValueError, r"y must hold numbers, got the data type \|S1"),
    "strings among objects": (objects(["a", *y[1:]]), ValueError, "y must hold real numbers, got 'a'"),
    "dates": (
        np.full(N, np.datetime64("2020-01-01")),
        ValueError,
        r"y must hold numbers, got the data type datetime64\[D\]",
    ),
    "dicts": ([{}] * N, ValueError, "y must hold real numbers, got {}"),
    "unequal rows": (
        [[1.0]] * (N - 1) + [[1.0, 2.0]],
        ValueError,
        "y must be .* got rows of different lengths",
    ),
    "complex": (y + 1j, ValueError, "Complex data not supported"),
    "3 axes": (Y[:, :, None], ValueError, "Found array with dim 3, while dim <= 2 is required"),
    "a number": (3.0, ValueError, "y must be an array of numbers, got 3.0"),
    "no targets": (Y[:, :0], ValueError, r"0 feature\(s\) \(shape=\(30, 0\)\) while a minimum of 1"),
    "too short": (y[:-1], ValueError, "y must have .* X has 30 rows, and y has 29 entries"),
}


@pytest.mark.parametrize(("bad", "error", "message"), BAD_Y.values(), ids=BAD_Y.keys())
def test_bad_targets(no_training, bad, error, message):
    with pytest.raises(error, match=message):
        MDNRegressor(**QUICK).fit(X, bad)


BAD_WEIGHTS = {
    "negative": (put(ONES, -1.0), "Negative values in data passed to `sample_weight`"),
    "all zero": (0.0 * ONES, "sample_weight must not be zero for all of the 30 rows"),
    "too short": (ONES[:-1], r"sample_weight.shape == \(29,\), expected \(30,\)"),
    "2 axes": (ONES[:, None], r"sample_weight must be one number a row, got the shape \(30, 1\)"),
    "NaN": (put(ONES, np.nan), "Input sample_weight contains NaN"),
    "infinity": (put(ONES, np.inf), "Input sample_weight contains infinity"),
    "the number NaN": (np.nan, "Input sample_weight contains NaN"),
    "the number infinity": (np.inf, "Input sample_weight contains infinity"),
    "the number -1": (-1.0, "Negative values in data passed to `sample_weight`"),
    "strings": (np.full(N, "a"), "sample_weight must be real numbers, got an array of <U1"),
}


@pytest.mark.parametrize(("bad", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS.keys())
def test_bad_weights(no_training, bad, message):
    with pytest.raises(ValueError, match=message):
        MDNRegressor(**QUICK).fit(X, y, sample_weight=bad)
    with pytest.raises(ValueError, match=f"^sample_weight_val: .*{message}"):
        MDNRegressor(**QUICK).fit(X, y, X_val=X, y_val=y, sample_weight_val=bad)


@pytest.mark.parametrize(("bad", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS.keys())
def test_bad_weights_of_a_score(fitted, bad, message):
    with pytest.raises(ValueError, match=message):
        fitted["1-d"].score(X, y, sample_weight=bad)


def test_weights_that_leave_one_row(no_training):
    with pytest.raises(ValueError, match="must be positive for at least 2 rows, got 1"):
        MDNRegressor(**QUICK).fit(X, y, sample_weight=put(0.0 * ONES, 3.0))


BAD_VALIDATION = {
    "X alone": ({"X_val": X}, ValueError, "X_val and y_val must come together, got X_val alone"),
    "y alone": ({"y_val": y}, ValueError, "X_val and y_val must come together, got y_val alone"),
    "weights alone": ({"sample_weight_val": ONES}, ValueError, "sample_weight_val must come with the X_val"),
    "features": (
        {"X_val": X[:, :2], "y_val": y},
        ValueError,
        "X_val: X has 2 features, but MDNRegressor is expecting 3 features",
    ),
    "empty": ({"X_val": X[:0], "y_val": y[:0]}, ValueError, r"X_val: Found array with 0 sample\(s\)"),
    "infinity in X": ({"X_val": put(X, np.inf), "y_val": y}, ValueError, "X_val: Input X contains infinity"),
    "sparse X": ({"X_val": sparse.csr_array(X), "y_val": y}, TypeError, "X_val: Sparse data was passed"),
    "NaN in y": ({"X_val": X, "y_val": put(y, np.nan)}, ValueError, "Input y_val contains NaN"),
    "sparse y": ({"X_val": X, "y_val": sparse.csr_array(Y)}, TypeError, "y_val must be a dense array"),
    "strings": (
        {"X_val": X, "y_val": y.astype(str)},
        ValueError,
        "y_val must hold numbers, got the data type",
    ),
    "column": (
        {"X_val": X, "y_val": y[:, None]},
        ValueError,
        r"y_val must have the shape \(30,\), .* got \(30, 1\)",
    ),
    "too short": (
        {"X_val": X, "y_val": y[:5]},
        ValueError,
        r"y_val must have the shape \(30,\), .* got \(5,\)",
    ),
}


@pytest.mark.parametrize(("bad", "error", "message"), BAD_VALIDATION.values(), ids=BAD_VALIDATION.keys())
def test_bad_rows_to_watch(no_training, bad, error, message):
    with pytest.raises(error, match=message):
        MDNRegressor(**QUICK).fit(X, y, **bad)


def test_rows_to_watch_that_nobody_watches(no_training):
    with pytest.raises(ValueError, match="early_stopping must be True, got False"):
        MDNRegressor(**QUICK, early_stopping=False).fit(X, y, X_val=X, y_val=y)


SIZES = "hidden_layer_sizes must be a list of positive integers, got"
DEVICE = "device must name a device that this PyTorch can use, .* got"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_components", 0, r"an int in the range \[1, inf\). Got 0"),
        ("n_components", -3, r"an int in the range \[1, inf\). Got -3"),
        ("n_components", 2.5, r"an int in the range \[1, inf\). Got 2.5"),
        ("n_components", "5", r"an int in the range \[1, inf\). Got '5'"),
        ("covariance_type", "diagonal", r"a str among {.*'spherical'.*}. Got 'diagonal'"),
        ("n_estimators", 0, r"an int in the range \[1, inf\). Got 0"),
        ("activation", "swish", r"a str among {.*'silu'.*}. Got 'swish'"),
        (
            "numerical_embedding",
            "fourier",
            r"a str among {.*'both'.*} or None. Got 'fourier'",
        ),
        ("hidden_layer_sizes", [0], rf"{SIZES} \[0\]"),
        ("hidden_layer_sizes", [8, -1], rf"{SIZES} \[8, -1\]"),
        ("hidden_layer_sizes", [2.5], rf"{SIZES} \[2.5\]"),
        ("hidden_layer_sizes", ["a"], rf"{SIZES} \['a'\]"),
        ("hidden_layer_sizes", [True], rf"{SIZES} \[True\]"),
        ("hidden_layer_sizes", [[3, 4]], rf"{SIZES} \[\[3, 4\]\]"),
        ("hidden_layer_sizes", [[3, 4], [5]], rf"{SIZES} \[\[3, 4\], \[5\]\]"),
        ("hidden_layer_sizes", 0, r"an array-like or an int in the range \[1, inf\). Got 0"),
        ("hidden_layer_sizes", "big", r"an array-like or an int in the range \[1, inf\). Got 'big'"),
        ("alpha", -1.0, r"a float in the range \[0.0, inf\). Got -1.0"),
        ("batch_size", 0, r"a str among {'auto'} or an int in the range \[1, inf\). Got 0"),
        ("learning_rate_init", 0.0, r"a float in the range \(0.0, inf\). Got 0.0"),
        ("learning_rate_init", np.nan, r"a float in the range \(0.0, inf\). Got nan"),
        ("max_iter", 0, r"a str among {'auto'} or an int in the range \[1, 1000000000\]. Got 0"),
        ("max_iter", 10**30, r"an int in the range \[1, 1000000000\]. Got 1000000000000000"),
        ("hidden_layer_sizes", 10**30, "memory has no room for 1 networks with .* parameters"),
        ("hidden_layer_sizes", [10**7, 10**7], "memory has no room for 1 networks with .* parameters"),
        ("n_components", 10**30, "memory has no room for 1 networks with .* parameters"),
        ("n_estimators", 10**30, "memory has no room for 10+ networks with .* parameters"),
        ("tol", -1e-4, r"a float in the range \[0.0, inf\) or None. Got -0.0001"),
        ("n_iter_no_change", 0, r"an int in the range \[1, inf\) or None. Got 0"),
        ("early_stopping", "yes", "an instance of 'bool'.* Got 'yes'"),
        ("validation_fraction", 0.0, r"a float in the range \(0.0, 0.5\]. Got 0.0"),
        ("validation_fraction", 0.6, r"a float in the range \(0.0, 0.5\]. Got 0.6"),
        ("dropout", 1.0, r"a float in the range \[0.0, 1.0\). Got 1.0"),
        ("reg_covar", 0.0, r"a float in the range \(0.0, inf\). Got 0.0"),
        ("clip_grad_value", 0.0, r"a float in the range \(0.0, inf\) or None. Got 0.0"),
        ("clip_grad_norm", -5.0, r"a float in the range \(0.0, inf\) or None. Got -5.0"),
        ("warm_start", "no", "an instance of 'bool'.* Got 'no'"),
        ("random_state", "seed", "an instance of 'numpy.random.mtrand.RandomState' or None. Got 'seed'"),
        ("random_state", -1, r"an int in the range \[0, 4294967295\].* Got -1"),
        ("verbose", -1, r"an int in the range \[0, inf\).* Got -1"),
        ("device", "gpu", f"{DEVICE} 'gpu'"),
        ("device", "", f"{DEVICE} ''"),
        ("device", "meta", f"{DEVICE} 'meta'"),
        ("device", "hpu", f"{DEVICE} 'hpu'"),
        ("device", torch.device("cpu"), "an instance of 'str'. Got device"),
        ("dtype", "float16", r"a str among {.*'float32'.*}. Got 'float16'"),
        ("dtype", torch.float32, r"a str among {.*'float32'.*}. Got torch.float32"),
    ],
)
def test_bad_parameters(no_training, name, value, message):
    with pytest.raises(ValueError, match=message) as raised:
        MDNRegressor(**(QUICK | {name: value})).fit(X, y)
    assert name in str(raised.value)


# After the fit.


@pytest.fixture(scope="module")
def fitted():
    targets = {"1-d": y, "column": y[:, None], "two": Y}
    return {name: MDNRegressor(**QUICK).fit(X, target) for name, target in targets.items()}


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (X[:, :2], ValueError, "X has 2 features, but MDNRegressor is expecting 3 features"),
        (put(X, np.inf), ValueError, "Input X contains infinity"),
        (X.astype(str), TypeError, "X must hold numbers in column '0', which is none of the categorical"),
        (X[0], ValueError, "Expected 2D array, got 1D array"),
        (X[:0], ValueError, r"Found array with 0 sample\(s\)"),
        (sparse.csr_array(X), TypeError, "Sparse data was passed for X"),
    ],
)
def test_bad_rows_to_predict(fitted, bad, error, message):
    model = fitted["1-d"]
    for method in (model.predict, model.predict_proba, model.predict_distribution, model.sample):
        with pytest.raises(error, match=message):
            method(bad)
    with pytest.raises(error, match=message):
        model.score(bad, y)


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_distribution", "sample", "score_samples"]
)
def test_prediction_before_the_fit(method):
    with pytest.raises(NotFittedError, match="This MDNRegressor instance is not fitted yet"):
        getattr(MDNRegressor(), method)(X)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        MDNRegressor().score(X, y)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (0.0, "between 0 and 1, got 0.0"),
        ([0.5, 1.0], "between 0 and 1, got 1.0"),
        ([-0.1], "between 0 and 1, got -0.1"),
        ([0.5, 95], "between 0 and 1, got 95"),
        ([np.nan], "between 0 and 1, got nan"),
        ([], r"a flat list of levels, at least 1, got \[\]"),
        ([[0.5]], r"a flat list of levels, at least 1, got \[\[0.5\]\]"),
        ("median", "be real numbers, got an array of <U6"),
    ],
)
def test_bad_quantiles(fitted, bad, message):
    with pytest.raises(ValueError, match=f"quantiles must .*{message}"):
        fitted["two"].predict(X, quantiles=bad)


def test_std_and_quantiles_at_once(fitted):
    with pytest.raises(ValueError, match="return_std=True and quantiles cannot be asked for together"):
        fitted["1-d"].predict(X, return_std=True, quantiles=[0.5])


@pytest.mark.parametrize(
    ("name", "bad", "error", "message"),
    [
        ("1-d", y[:, None], ValueError, r"y must have the shape \(30,\), .* got \(30, 1\)"),
        ("1-d", y[:4], ValueError, r"y must have the shape \(30,\), .* got \(4,\)"),
        ("1-d", 1.0, ValueError, "y must be an array of numbers, got 1.0"),
        ("1-d", put(y, np.nan), ValueError, "Input y contains NaN"),
        ("1-d", y.astype(str), ValueError, "y must hold numbers, got the data type"),
        ("1-d", sparse.csr_array(Y), TypeError, "y must be a dense array of numbers, got a sparse matrix"),
        ("column", y, ValueError, r"y must have the shape \(30, 1\), .* got \(30,\)"),
        ("two", y, ValueError, r"y must have the shape \(30, 2\), .* got \(30,\)"),
        ("two", X, ValueError, r"y must have the shape \(30, 2\), .* got \(30, 3\)"),
        ("two", Y.T, ValueError, r"y must have the shape \(30, 2\), .* got \(2, 30\)"),
    ],
)
def test_bad_targets_to_score(fitted, name, bad, error, message):
    for method in (fitted[name].score_samples, fitted[name].score):
        with pytest.raises(error, match=message):
            method(X, bad)


def test_a_score_without_targets(fitted):
    with pytest.raises(ValueError, match="score needs the targets y, got None"):
        fitted["1-d"].score(X, None)


@pytest.mark.parametrize("bad", [0, -1, 2.5, "3", None, True])
def test_bad_numbers_of_draws(fitted, bad):
    with pytest.raises(ValueError, match=f"n_samples must be an integer of at least 1, got {bad!r}"):
        fitted["1-d"].sample(X, n_samples=bad)


@pytest.mark.parametrize("many", [10**9 + 1, 10**18, 10**30])
def test_more_draws_than_an_array_holds(fitted, many):
    with pytest.raises(ValueError, match=f"n_samples must be at most 1000000000, got {many}"):
        fitted["1-d"].sample(X, n_samples=many)
    with pytest.raises(ValueError, match=f"size must be at most 1000000000, got {many}"):
        fitted["1-d"].predict_distribution(X).rvs(many)
