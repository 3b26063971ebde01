"""Random configurations: what is valid keeps the laws of a fit, what is not is refused by name.

A few of them, always the same, run with every test; ``pytest -m fuzz tests/test_fuzz.py`` runs 10,000, or as
many as FUZZ_EXAMPLES says, others each time or those of --hypothesis-seed, and counts them with
--hypothesis-show-statistics.
"""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from sklearn_mdn import MDNRegressor, MixtureDistribution

FEW = settings(max_examples=50, suppress_health_check=list(HealthCheck))
MANY = settings(
    FEW, max_examples=int(os.environ.get("FUZZ_EXAMPLES", "10000")), derandomize=False, print_blob=True
)
LEVELS = np.array([1e-6, 0.01, 0.3, 0.5, 0.9, 1 - 1e-6])

PARAMETERS = st.fixed_dictionaries(
    {
        "n_components": st.integers(1, 4),
        "covariance_type": st.sampled_from(["diag", "full", "tied", "spherical"]),
        "n_estimators": st.integers(1, 3),
        "hidden_layer_sizes": st.sampled_from([(), 3, (4,), [3, 2]]),
        "activation": st.sampled_from(["silu", "gelu", "relu", "tanh", "logistic", "identity"]),
        "numerical_embedding": st.sampled_from(["periodic", "piecewise_linear", "both", None]),
        "alpha": st.sampled_from([0.0, 1e-4, 1.0]),
        "batch_size": st.sampled_from(["auto", 1, 7, 1000]),
        "learning_rate_init": st.sampled_from([1e-4, 0.01, 0.1]),
        "max_iter": st.integers(1, 2),
        "tol": st.sampled_from([None, 0.0, 1e3]),
        "n_iter_no_change": st.sampled_from([None, 1]),
        "early_stopping": st.booleans(),
        "validation_fraction": st.sampled_from([0.1, 0.3, 0.5]),
        "dropout": st.sampled_from([0.0, 0.5]),
        "reg_covar": st.sampled_from([1e-6, 0.1]),
        "clip_grad_value": st.sampled_from([None, 0.1]),
        "clip_grad_norm": st.sampled_from([None, 5.0]),
        "random_state": st.integers(0, 9),
    }
)
TABLES = st.fixed_dictionaries(
    {
        "n": st.integers(8, 20),
        "n_numbers": st.integers(0, 3),
        "n_texts": st.integers(0, 2),
        "gaps": st.booleans(),
        "n_outputs": st.integers(0, 3),  # 0: a 1-d target
        "offset": st.sampled_from([0.0, 1e4]),
        "scale": st.sampled_from([1e-3, 1.0, 1e3]),
        "seed": st.integers(0, 99),
    }
).filter(lambda shape: shape["n_numbers"] + shape["n_texts"] > 0)


def drawn(shape: dict[str, Any]) -> tuple[Any, np.ndarray, np.ndarray]:
    """A table, targets and whole weights."""
    generator, n = np.random.default_rng(shape["seed"]), shape["n"]
    columns: dict[str, np.ndarray] = {}
    for i in range(shape["n_numbers"]):
        columns[f"number {i}"] = shape["offset"] + shape["scale"] * generator.normal(size=n)
        if shape["gaps"]:
            columns[f"number {i}"][generator.random(n) < 0.2] = np.nan
    for i in range(shape["n_texts"]):
        texts = generator.choice(np.array(["a", "b", "c"], dtype=object), n)
        texts[generator.random(n) < 0.2 * shape["gaps"]] = None
        columns[f"text {i}"] = texts
    X = pd.DataFrame(columns)
    if not shape["n_texts"] and shape["seed"] % 2:
        X = X.to_numpy()
    y = shape["offset"] + shape["scale"] * generator.normal(size=(n, max(1, shape["n_outputs"])))
    weights = generator.integers(0, 4, n)
    weights[:4] = 1
    return X, y if shape["n_outputs"] else y[:, 0], weights


def taken(X: Any, rows: np.ndarray) -> Any:
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def assert_same_density(
    found: MixtureDistribution, expected: MixtureDistribution, unit: float | None = None
) -> None:
    """The same bits, or in units of the target the same but for rounding."""
    for name, power in {"weights": 0, "means": 1, "covariances": 2}.items():
        one, other = getattr(found, name), getattr(expected, name)
        if unit is None:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7 * unit**power)


def check_one_target(density: MixtureDistribution) -> None:
    """Its density integrates to 1, its mean is the integral's, and a region holds its probability."""
    inner = density.ppf(np.linspace(1e-9, 1 - 1e-9, 9)[:, None])
    points = np.linspace(inner.min(0), inner.max(0), 2001)
    values = density.pdf(points)
    np.testing.assert_allclose(trapezoid(values, points, axis=0), 1.0, rtol=1e-3)
    middle, unit = density.mean(), density.std()
    np.testing.assert_allclose(trapezoid(values * (points - middle), points, axis=0) / unit, 0.0, atol=1e-3)
    intervals, threshold = density.hdr(0.8)
    lower, upper = np.moveaxis(intervals, (2, 1), (0, 1))
    probability = density.prob(*np.where(np.isnan(lower), 0.0, [lower, upper])).sum(0)
    np.testing.assert_allclose(probability, 0.8, rtol=1e-6)
    heights = density.pdf(np.where(np.isnan(lower), upper[0], [lower, upper]))
    np.testing.assert_allclose(heights / threshold, 1.0, rtol=1e-4)


def check_laws(parameters: dict[str, Any], shape: dict[str, Any]) -> None:
    X, y, weights = drawn(shape)
    everything, unit = np.arange(len(y)), shape["scale"]

    def density_of(rows: np.ndarray, table: Any = X, **options: Any) -> MixtureDistribution:
        model = MDNRegressor(**parameters, dtype="float64").fit(taken(table, rows), y[rows], **options)
        return model.predict_distribution(table)

    # 1. Finite answers
    weighted = MDNRegressor(**parameters, dtype="float64").fit(X, y, sample_weight=weights)
    density = weighted.predict_distribution(X)
    answers = *weighted.predict(X, return_std=True), weighted.score_samples(X, y), density.weights
    assert all(np.isfinite(values).all() for values in answers)
    # 2. The same bits again, stored and loaded, and from an array in place of a frame of numbers
    assert_same_density(density_of(everything, sample_weight=weights), density)
    assert_same_density(pickle.loads(pickle.dumps(weighted)).predict_distribution(X), density)
    if not shape["n_texts"]:
        assert_same_density(density_of(everything, np.asarray(X), sample_weight=weights), density)
    # 3. A row of weight 2 is the row twice, in whatever order
    order = np.random.default_rng(shape["seed"]).permutation(np.repeat(everything, weights))
    assert_same_density(density_of(order), density, unit)
    # 4. The quantiles of each target invert its distribution function
    levels = LEVELS.reshape(-1, *[1] * y.ndim)
    np.testing.assert_allclose(density.cdf(density.ppf(levels)) / levels, 1.0, rtol=1e-6)
    # 5. Marginal times conditional is joint, and what integrals say
    if shape["n_outputs"] > 1:
        rest = density.condition(0, y[:, 0]).logpdf(y[:, 1:])
        joint = density.marginal(0).logpdf(y[:, 0]) + rest
        np.testing.assert_allclose(joint, density.logpdf(y), rtol=1e-8, atol=1e-6)
    for j in range(max(1, shape["n_outputs"])):
        check_one_target((density.marginal(j) if shape["n_outputs"] else density)[:2])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@FEW
@given(PARAMETERS, TABLES)
def test_a_valid_configuration_keeps_the_laws(parameters, shape):
    check_laws(parameters, shape)


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@MANY
@given(PARAMETERS, TABLES)
def test_many_valid_configurations_keep_the_laws(parameters, shape):
    check_laws(parameters, shape)


# Invalid arguments

NONSENSE: list[Any] = [
    *("nonsense", "", b"bytes", "1"),
    *(-1, 0, 1, 2, 1.5, -0.5, 0.3, 1.0, 1j, True, False, None),
    *(float("nan"), float("inf"), -float("inf"), np.float32(0.5), np.int64(3)),
    *([], {}, (), set(), [0.5], [1, -1], [[1]], ["a"], [None]),
    *(np.zeros(3), np.array(["x"]), object(), len, MDNRegressor, range(2)),
]
NAMES = sorted(set(MDNRegressor._parameter_constraints) - {"categorical_features"})
ARGUMENTS = ("X_val", "y_val", "groups")
METHODS = {
    "quantiles": lambda model, X, value: model.predict(X, quantiles=value),
    "n_samples": lambda model, X, value: model.sample(X, value),
    "random_state": lambda model, X, value: model.sample(X, random_state=value),
}


@pytest.fixture(scope="module")
def model():
    X = np.random.default_rng(0).normal(size=(20, 2))
    return MDNRegressor(2, hidden_layer_sizes=2, max_iter=1, random_state=0).fit(X, X[:, 0])


def check_refusal(model: MDNRegressor, name: str, value: Any) -> None:
    """Works, or raises a ValueError or TypeError that says which argument it means."""
    X = np.random.default_rng(0).normal(size=(20, 2))
    arguments = {"y": X[:, 0]}
    settings = {"n_components": 2, "hidden_layer_sizes": 2, "max_iter": 1, "random_state": 0}
    try:
        if name in METHODS and name not in settings:
            METHODS[name](model, X, value)
        elif name in ARGUMENTS:
            MDNRegressor(**settings).fit(X, **{**arguments, name: value})
        else:
            MDNRegressor(**{**settings, name: value}).fit(X, **arguments)
    except (ValueError, TypeError) as error:
        if name not in str(error):
            pytest.fail(f"{name}={value!r} is not named: {error}")


INVALID = st.tuples(st.sampled_from([*NAMES, *ARGUMENTS, *METHODS]), st.sampled_from(NONSENSE))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@FEW
@given(INVALID)
def test_an_invalid_argument_is_named(model, invalid):
    check_refusal(model, *invalid)


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_invalid_argument_is_named(model):
    for name in [*NAMES, *ARGUMENTS, *METHODS]:
        for value in NONSENSE:
            check_refusal(model, name, value)
