"""Estimators on a device that is not the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV
from tests._estimators.other_device import Elsewhere, other_device

SETTINGS = {
    "hidden_layer_sizes": (8,),
    "max_iter": 4,
    "batch_size": 16,
    "random_state": 0,
    "dtype": "float64",
}

CASES = {
    "defaults": {},
    "ensemble": {"n_estimators": 3},
    "members that leave early": {"n_estimators": 4, "max_iter": 20, "n_iter_no_change": 1},
    "no rows held out": {"early_stopping": False},
    "dropout": {"n_estimators": 2, "dropout": 0.2},
    "clipped": {"clip_grad_value": 0.01, "clip_grad_norm": 0.1},
    "without embedding": {"numerical_embedding": None, "activation": "tanh"},
    "spherical": {"covariance_type": "spherical"},
    "full": {"covariance_type": "full"},
    "tied": {"covariance_type": "tied"},
}


@pytest.fixture(scope="module")
def device():
    with other_device() as name:
        yield name


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 2))
    y = np.column_stack([np.sin(2 * X[:, 0]), X[:, 1]]) + 0.3 * generator.normal(size=(60, 2))
    return X, y, generator.uniform(0.5, 2.0, size=60)


def test_the_device_refuses_what_a_device_refuses(device):
    there = torch.ones(3, device=device)
    assert there.device.type == device
    assert (there * torch.tensor(2.0)).cpu().tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(RuntimeError, match="two devices"):
        there + torch.ones(3)
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()


@pytest.mark.parametrize("parameters", CASES.values(), ids=CASES)
def test_fits_and_densities_are_those_of_the_cpu(device, data, parameters):
    X, y, weight = data
    here, there = (
        MDNRegressor(**(SETTINGS | parameters | {"device": name})).fit(X, y, sample_weight=weight)
        for name in ("cpu", device)
    )
    np.testing.assert_array_equal(there.n_iter_, here.n_iter_)
    np.testing.assert_array_equal(there.calibration_, here.calibration_)
    density, expected = (model.predict_distribution(X) for model in (there, here))
    for part in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(density, part), getattr(expected, part), rtol=1e-8, atol=1e-10)


def test_warm_starts_are_those_of_the_cpu(device, data):
    X, y, _ = data
    models = [
        MDNRegressor(**(SETTINGS | {"device": name, "warm_start": True})) for name in ("cpu", device, device)
    ]
    for model in models:
        model.fit(X, y)
    models[2].set_params(device="cpu")
    expected, *scores = (model.fit(X, y).score(X, y) for model in models)
    np.testing.assert_allclose(scores, expected, rtol=1e-8)


@pytest.mark.parametrize("refit", [True, "stacking"])
def test_searches_are_those_of_the_cpu(device, data, refit):
    X, y, _ = data
    grid = {"n_components": [1, 3], "dropout": [0.0, 0.2], "hidden_layer_sizes": [(4,), (4, 4)]}
    here, there = (
        MDNSearchCV(MDNRegressor(**(SETTINGS | {"device": name})), grid, cv=2, refit=refit).fit(X, y)
        for name in ("cpu", device)
    )
    column = "mean_test_score"
    np.testing.assert_allclose(there.cv_results_[column], here.cv_results_[column], rtol=1e-8)
    np.testing.assert_allclose(there.score(X, y), here.score(X, y), rtol=1e-6)


def test_a_pool_may_have_members_on_several_devices(device, data):
    X, y, _ = data
    models = [MDNRegressor(**(SETTINGS | {"device": name})).fit(X, y) for name in ("cpu", device)]
    pool = DensityPool.from_fitted(models)
    np.testing.assert_allclose(pool.score(X, y), models[0].score(X, y), rtol=1e-8)


def test_steps_wait_for_nothing_on_the_device(device, data):
    X, y, _ = data
    fetched = []
    for batch_size in (4, 27, 54):
        Elsewhere.n_fetched = 0
        MDNRegressor(**(SETTINGS | {"device": device, "batch_size": batch_size, "dropout": 0.2})).fit(X, y)
        fetched.append(Elsewhere.n_fetched)
    assert 0 < fetched[0] == fetched[1] == fetched[2]


def test_fits_to_what_was_recorded_are_those_of_the_cpu(device, data):
    X, y, _ = data
    y_upper = np.where(y > 0.5, np.inf, y + 0.1 * (y < -0.2))
    fetched, scores = [], []
    for name, batch_size in (("cpu", 16), (device, 16), (device, 4)):
        model = MDNRegressor(**(SETTINGS | {"device": name, "batch_size": batch_size, "n_estimators": 3}))
        Elsewhere.n_fetched = 0
        scores.append(model.fit(X, y, y_upper=y_upper).score(X, y, y_upper=y_upper))
        fetched.append(Elsewhere.n_fetched)
    assert scores[1] == pytest.approx(scores[0], rel=1e-8)
    assert 0 < fetched[1] == fetched[2]
