"""Fits whose numbers are encoded by bins: what the bins are, and the laws that hold for any fit."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_mdn import MDNRegressor, MDNSearchCV
from sklearn_mdn._estimators import architecture
from sklearn_mdn._tables.bins import bin_edges

N_BINS = 8
KINDS = ["piecewise_linear", "both"]
SETTINGS = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
    "dtype": "float64",
}


@pytest.fixture(autouse=True)
def _few_bins(monkeypatch):
    monkeypatch.setattr(architecture, "N_BINS", N_BINS)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def small(kind, **changes):
    return MDNRegressor(**(SETTINGS | {"numerical_embedding": kind} | changes))


def rows(n=120, seed=0):
    """Columns of many values, of four, of two, of one, and of many with gaps."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 5))
    X[:, 1] = random.integers(0, 4, size=n)
    X[:, 2] = X[:, 2] > 0
    X[:, 3] = 7.0
    X[random.random(n) < 0.2, 4] = np.nan
    y = np.sign(X[:, 0]) + X[:, 1] + np.nan_to_num(X[:, 4]) + 0.1 * random.normal(size=n)
    return X, y


def same(first, second, X):
    a, b = first.predict_distribution(X), second.predict_distribution(X)
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("weights", "means"))


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_bins_are_those_of_the_training_rows_and_stay(kind, n_estimators):
    X, y = rows()
    model = small(kind, n_estimators=n_estimators).fit(X, y)
    assert model._architecture["n_bins"] == [N_BINS, 4, 0, 0, N_BINS]
    starts, slopes = model.embedding_bins_.transpose(1, 0, 2)
    assert starts.shape == slopes.shape == (n_estimators, 4 + 2 * N_BINS)
    values = (X - model.X_offset_) / model.X_scale_
    first = 0
    for column, size in [(1, 4), (0, N_BINS), (4, N_BINS)]:  # those of few bins come first
        edges = bin_edges(values[:, column], np.ones(len(X)), N_BINS)
        own = len(edges) - 1
        for found, expected in [(starts, edges[:-1]), (slopes, 1.0 / np.diff(edges))]:
            np.testing.assert_allclose(found[:, first : first + own], np.tile(expected, (n_estimators, 1)))
        assert not slopes[:, first + own : first + size].any()
        first += size


def test_columns_that_need_no_bins_have_none(kind):
    X, y = rows()
    model = small(kind).fit(X[:, 2:4], y)
    assert not hasattr(model, "embedding_bins_")
    assert model.predict(X[:4, 2:4]).shape == (4,)
    assert "embedding_bins_" in vars(model.fit(X, y))
    assert "embedding_bins_" not in vars(model.fit(X[:, 2:4], y))


def test_a_step_is_learned_that_inputs_alone_do_not_show():
    """Up and down again, an eighth of the rows each."""
    x = np.random.default_rng(0).exponential(size=(600, 1))
    level = np.argsort(np.argsort(x[:, 0])) * 8 // 600 % 2
    y = level + 0.05 * np.random.default_rng(1).normal(size=600)
    shared = SETTINGS | {"n_components": 1, "max_iter": 60, "early_stopping": False}
    scores = [
        MDNRegressor(**shared | {"numerical_embedding": kind}).fit(x, y).score(x, y)
        for kind in ("piecewise_linear", None)
    ]
    assert scores[0] > scores[1] + 0.05


def test_beyond_the_training_rows_bins_say_nothing_new(kind):
    """What is far away differs from the end of the rows by the number itself (and its waves) alone."""
    X, y = rows()
    model = small(kind).fit(X, y)
    network = model._networks().network
    far = np.concatenate([X[:1], X[:1]])
    far[:, 0] = np.nanmax(X[:, 0]) * np.array([1.0, 100.0])
    features = network.embedding.forward(
        model._networks()._tensors, torch.from_numpy(model._standardization().x(far))[None]
    )[0]
    bins = features[:, 5 : 5 + network.embedding.piecewise.n_outputs]
    assert bool((bins[0] == bins[1]).all())


@pytest.mark.parametrize("early_stopping", [False, True])
def test_weights_are_repeated_rows_in_any_order(kind, early_stopping):
    X, y = rows()
    weight = np.random.default_rng(3).integers(0, 3, size=len(y))
    order = np.random.default_rng(4).permutation(weight.sum())
    settings = {"early_stopping": early_stopping, "n_estimators": 2}
    weighted = small(kind, **settings).fit(X, y, sample_weight=weight)
    repeated = small(kind, **settings).fit(np.repeat(X, weight, axis=0)[order], np.repeat(y, weight)[order])
    assert same(weighted, repeated, X)


def test_frames_are_arrays_and_categories_stay_apart(kind):
    X, y = rows()
    names = [f"x{i}" for i in range(5)]
    frame = pd.DataFrame(X, columns=names)
    assert same(small(kind).fit(X, y), small(kind).fit(frame.to_numpy(), y), X)
    frame["x1"] = frame["x1"].map({0: "a", 1: "b", 2: "c", 3: "d"})
    model = small(kind).fit(frame, y)
    assert model._architecture["n_bins"] == [N_BINS, 0, 0, N_BINS]
    assert same(model, pickle.loads(pickle.dumps(model)), frame)


def test_warm_start_keeps_the_bins_of_the_first_fit(kind):
    X, y = rows()
    model = small(kind, n_estimators=1, warm_start=True).fit(X, y)
    bins = model.embedding_bins_[0].copy()
    again = pickle.loads(pickle.dumps(model)).set_params(n_estimators=3).fit(2.0 * X + 1.0, y)
    np.testing.assert_array_equal(again.embedding_bins_, np.stack([bins] * 3))
    with pytest.raises(ValueError, match=f"numerical_embedding='{kind}', got None"):
        model.set_params(numerical_embedding=None).fit(X, y)


def test_each_fold_of_a_search_has_its_own_bins(kind):
    X, y = rows()
    search = MDNSearchCV(small(kind), {"alpha": [0.0, 0.1]}, cv=3, refit="stacking").fit(X, y)
    alone = MDNSearchCV(small(kind), {"alpha": [0.0, 0.1]}, cv=3, refit="stacking", max_stack_bytes=1).fit(
        X, y
    )
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], rtol=1e-9
    )


def test_rows_to_watch_have_no_say(kind):
    X, y = rows()
    model = small(kind).fit(X, y, X_val=X[:30] * 5.0, y_val=y[:30])
    assert np.array_equal(model.embedding_bins_, small(kind).fit(X, y).embedding_bins_)


def test_single_precision_sees_what_predictions_see(kind):
    X, y = rows()
    bins = [small(kind, dtype=dtype).fit(X, y).embedding_bins_ for dtype in ("float32", "float64")]
    assert bins[0].dtype == np.float32
    np.testing.assert_allclose(bins[0], bins[1], rtol=1e-6)
