"""scikit-learn's own conformance checks, over estimators that train along different paths."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from sklearn_mdn import (
    ConformalDensityRegressor,
    DensityFunctional,
    DensityPool,
    MDNRegressor,
    MDNSearchCV,
)

TINY = MDNRegressor(hidden_layer_sizes=(8,), max_iter=10, random_state=0)

INSTANCES = {
    "default": MDNRegressor(),
    "mini-batches": MDNRegressor(batch_size=8, max_iter=10),
    "no early stopping": MDNRegressor(early_stopping=False, max_iter=20),
    "ensemble": MDNRegressor(n_estimators=3, max_iter=20),
    "full": MDNRegressor(covariance_type="full", max_iter=20),
    "float64": MDNRegressor(dtype="float64", max_iter=20),
    "search": MDNSearchCV(TINY, {"n_components": [1, 2]}, cv=2, error_score="raise"),
    "stacking": MDNSearchCV(TINY, {"n_components": [1, 2]}, cv=2, refit="stacking", error_score="raise"),
    "pool": DensityPool([TINY, TINY]),
    "functional": DensityFunctional(TINY),
    "conformal": ConformalDensityRegressor(TINY, cv=2),
    "split conformal": ConformalDensityRegressor(TINY, cv="split"),
}

PROPORTIONS = {"check_regressors_no_decision_function": "predict_proba gives the mixing proportions"}


@parametrize_with_checks(
    list(INSTANCES.values()),
    expected_failed_checks=lambda estimator: {} if isinstance(estimator, DensityFunctional) else PROPORTIONS,
    xfail_strict=True,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", [check_dataframe_column_names_consistency, check_param_validation])
def test_checks_outside_the_suite(check):
    check("MDNRegressor", MDNRegressor(max_iter=5))
