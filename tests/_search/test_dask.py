"""Searches, cross-validation and pools on the workers of a cluster."""

from __future__ import annotations

import os

import joblib
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV

distributed = pytest.importorskip("distributed")

NETWORK = MDNRegressor(hidden_layer_sizes=(8,), max_iter=3, random_state=0, dtype="float64")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two processes; what it sets for these in the environment is taken back."""
    before = dict(os.environ)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
    os.environ.clear()
    os.environ.update(before)


def problem(n=120):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    return X, X[:, 0] + 0.3 * rng.normal(size=n)


@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_one_process(cluster):
    X, y = problem()
    search = MDNSearchCV(NETWORK, {"n_components": [1, 2], "hidden_layer_sizes": [(4,), (8,)]}, cv=2)
    pool = DensityPool([NETWORK, NETWORK.set_params()])
    here = search.fit(X, y).cv_results_["mean_test_score"]
    scores = cross_val_score(NETWORK, X, y, cv=2)
    pooled = pool.fit(X, y).score(X, y)
    with joblib.parallel_config(backend="dask", n_jobs=2):
        there = search.set_params(n_jobs=2).fit(X, y).cv_results_["mean_test_score"]
        np.testing.assert_allclose(cross_val_score(NETWORK, X, y, cv=2, n_jobs=2), scores, rtol=1e-12)
        np.testing.assert_allclose(pool.fit(X, y).score(X, y), pooled, rtol=1e-12)
    np.testing.assert_allclose(there, here, rtol=1e-12)
