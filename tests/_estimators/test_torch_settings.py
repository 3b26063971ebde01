"""What a program has set in torch for its own work is nothing to fits, predictions and distributions."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from sklearn_mdn import MDNRegressor, MDNSearchCV, MixtureDistribution
from tests._distributions.cases import joint_distribution, univariate

SETTINGS = {"n_components": 3, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(60, 2))
Y = np.column_stack([np.sin(2 * X[:, 0]), X[:, 1]]) + 0.3 * GENERATOR.normal(size=(60, 2))


@contextmanager
def while_set(function, value, before):
    function(value)
    try:
        yield
    finally:
        function(before)


# "meta" stands for a device that is not there for NumPy.
MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "gradients off": lambda: while_set(torch.set_grad_enabled, False, True),
    "default device": lambda: while_set(torch.set_default_device, "meta", None),
    "device as context": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu"),
    "float64": lambda: while_set(torch.set_default_dtype, torch.float64, torch.float32),
    "float16": lambda: while_set(torch.set_default_dtype, torch.float16, torch.float32),
}


def fit_twice(y, **parameters):
    """Predictions of a fit, and of one that goes on from it."""
    model = MDNRegressor(**SETTINGS, warm_start=True, **parameters)
    return np.stack([model.fit(X, y).predict(X), model.fit(X, y).predict(X)])


def search():
    grid = {"n_components": [1, 3], "dropout": [0.0, 0.2]}
    return MDNSearchCV(MDNRegressor(**SETTINGS), grid, cv=2, refit="stacking").fit(X, Y).predict(X)


def answers(dist):
    """One number for each question that a distribution answers."""
    y = dist.mean() + 0.1
    found = [dist.mode(), dist.rvs(3, random_state=0), dist.prob(y - 1.0, y), *dist.interval(0.8)]
    found += [dist.logpdf(y), dist.logcdf(y), dist.crps(y), dist.energy_score(y), dist.responsibilities(y)]
    found += [dist.entropy(), dist.in_hdr(y, 0.9), *dist.marginal(0).hdr(0.9), *dist.variance_split()]
    found += [dist.cov(), MixtureDistribution.concatenate([dist, dist]).std(), dist.to_torch().mean.numpy()]
    if y.ndim == 2 and y.shape[1] > 1:
        found.append(dist.condition(0, y[:, :1]).mean())
    return np.array([np.nansum(values) for values in found])


RUNS = {
    "ensemble": lambda: fit_twice(Y[:, 0], n_estimators=3, dropout=0.2),
    "fit of full": lambda: fit_twice(Y, covariance_type="full"),
    "fit of tied in float64": lambda: fit_twice(Y, covariance_type="tied", dtype="float64"),
    "search": search,
    "one target": lambda: answers(univariate("overlapping")),
    **{kind: lambda kind=kind: answers(joint_distribution(kind, 2)) for kind in ("full", "tied", "diag")},
}


@pytest.fixture(scope="module")
def expected():
    return {name: run() for name, run in RUNS.items()}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())
@pytest.mark.parametrize("name", RUNS)
def test_it_changes_nothing(expected, name, mode):
    with mode():
        found = RUNS[name]()
    np.testing.assert_array_equal(found, expected[name])


def test_what_is_made_in_inference_mode_can_be_used_outside():
    with torch.inference_mode():
        model = MDNRegressor(**SETTINGS).fit(X, Y)
        inside = model.predict_distribution(X[:5])
        assert torch.is_inference_mode_enabled()
    np.testing.assert_array_equal(answers(inside), answers(model.predict_distribution(X[:5])))
    model.set_params(warm_start=True).fit(X, Y)
