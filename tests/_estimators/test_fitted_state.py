"""What a fit leaves behind: arrays and numbers that can be pickled, mapped from disk and read elsewhere."""

from __future__ import annotations

import pickle
from numbers import Number

import joblib
import numpy as np
import pandas as pd
import pytest

from sklearn_mdn import MDNRegressor
from sklearn_mdn._estimators.architecture import N_BINS

SETTINGS = {"n_components": 3, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
CASES = {
    "default": {},
    "float64 ensemble": {"dtype": "float64", "n_estimators": 3},
    "full": {"covariance_type": "full"},
    "no embedding": {"numerical_embedding": None, "early_stopping": False},
    "periodic": {"numerical_embedding": "periodic"},
    "bins": {"numerical_embedding": "piecewise_linear"},
}
PERIODIC, BINS = ("periodic", "both"), ("piecewise_linear", "both")


def problem(n=120):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n, 3))
    return X, np.sin(2 * X[:, :1]) + 0.3 * generator.normal(size=(n, 2))


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def model(request):
    return MDNRegressor(**SETTINGS, **request.param).fit(*problem())


def not_plain(value, path):
    """Where, inside nested lists and dicts, there is anything but arrays, numbers, strings and None."""
    if isinstance(value, (list, tuple)):
        return [found for i, item in enumerate(value) for found in not_plain(item, f"{path}[{i}]")]
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in not_plain(item, f"{path}[{key!r}]")]
    if isinstance(value, np.ndarray):
        texts = all(isinstance(item, (str, type(None))) for item in value.ravel().tolist())
        return [] if value.dtype.kind in "fiub" or texts else [path]
    return [] if value is None or isinstance(value, (Number, str)) else [f"{path}: {type(value)}"]


def test_it_is_arrays_and_numbers_only(model):
    assert not_plain(vars(model), "model") == []


def test_attributes_have_the_shapes_they_say(model):
    n_members, n_features = model.n_estimators, 3
    embedding = model.numerical_embedding
    n_inputs = n_features * (1 + 4 * (embedding in PERIODIC) + N_BINS * (embedding in BINS))
    entries = {"diag": 2, "full": 3}[model.covariance_type]
    n_last = 3 * (1 + 2 + entries)
    assert [layer.shape for layer in model.coefs_] == [(n_members, n_inputs, 8), (n_members, 8, n_last)]
    assert [layer.shape for layer in model.intercepts_] == [(n_members, 8), (n_members, n_last)]
    assert all(layer.dtype == model.dtype for layer in model.coefs_ + model.intercepts_)
    assert hasattr(model, "embedding_bins_") is (embedding in BINS)
    if embedding in BINS:
        assert model.embedding_bins_.shape == (n_members, 2, n_features * N_BINS)
    assert hasattr(model, "embedding_coefs_") is (embedding in PERIODIC)
    if embedding in PERIODIC:
        assert model.embedding_frequencies_.shape == (n_members, n_features, 6)
        assert model.embedding_coefs_.shape == (n_members, 12, 4)
        assert model.embedding_intercepts_.shape == (n_members, 4)
    assert model.X_offset_.shape == model.X_scale_.shape == (n_features,)
    assert model.y_offset_.shape == model.y_scale_.shape == (2,)
    assert model.calibration_.shape == (n_members,)
    assert model.n_iter_.tolist() == [3] * n_members
    assert model.n_skipped_steps_.tolist() == [0] * n_members
    assert model.best_validation_score_.shape == (n_members,)
    assert len(model.loss_curve_) == len(model.validation_scores_) == n_members
    assert (model.n_outputs_, model.n_features_in_, model.target_ndim_) == (2, 3, 2)


def test_pickles_are_small_and_exact(model):
    X, y = problem()
    data = pickle.dumps(model)
    n_parameters = sum(layer.nbytes for layer in model.coefs_ + model.intercepts_)
    n_parameters += sum(v.nbytes for name, v in vars(model).items() if name.startswith("embedding_"))
    assert len(data) < n_parameters + 6_000
    assert b"torch" not in data
    loaded = pickle.loads(data)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.score_samples(X, y), model.score_samples(X, y))


def test_it_works_from_a_read_only_memory_map(model, tmp_path):
    X, y = problem()
    joblib.dump((model, X, y), tmp_path / "model.joblib")
    mapped, X_mapped, y_mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert isinstance(mapped.coefs_[0], np.memmap)
    assert not mapped.coefs_[0].flags.writeable
    np.testing.assert_array_equal(mapped.predict(X_mapped), model.predict(X))
    np.testing.assert_array_equal(mapped.score_samples(X_mapped, y_mapped), model.score_samples(X, y))
    np.testing.assert_array_equal(
        mapped.sample(X_mapped, 2, random_state=0), model.sample(X, 2, random_state=0)
    )
    mapped.set_params(warm_start=True).fit(X_mapped, y_mapped)
    model.set_params(warm_start=True).fit(X, y)
    np.testing.assert_array_equal(mapped.predict(X), model.predict(X))


def test_skops_reads_it_back(model):
    skops_io = pytest.importorskip("skops.io")
    data = skops_io.dumps(model)
    trusted = skops_io.get_untrusted_types(data=data)
    assert trusted == ["sklearn_mdn.MDNRegressor"]
    loaded = skops_io.loads(data, trusted=trusted)
    np.testing.assert_array_equal(loaded.predict(problem()[0]), model.predict(problem()[0]))


class Interrupts:
    """A callback that is Ctrl-C in the first epoch."""

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        raise KeyboardInterrupt


FAILURES = {
    "no finite step": ({"learning_rate_init": 1e30}, (), FloatingPointError),
    "interrupted": ({}, [Interrupts()], KeyboardInterrupt),
    "impossible parameter": ({"hidden_layer_sizes": [0.5]}, (), ValueError),
}


@pytest.mark.parametrize(("parameters", "callbacks", "error"), FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("fitted_before", [True, False])
@pytest.mark.parametrize("names", [["a", "b", "c"], None])
def test_a_fit_that_fails_leaves_what_was_fitted(names, fitted_before, parameters, callbacks, error):
    X, y = problem()
    X = X if names is None else pd.DataFrame(X, columns=names)
    model = MDNRegressor(**SETTINGS)
    if fitted_before:
        expected = model.fit(X, y).predict(X)
    before = {name for name in vars(model) if name.endswith("_")}
    model.set_params(**parameters).set_callbacks(*callbacks)
    other = pd.DataFrame(np.ones((50, 2)), columns=["d", "e"]) if names is None else np.ones((50, 2))
    with pytest.raises(error):
        model.fit(other, np.arange(50.0))
    assert {name for name in vars(model) if name.endswith("_")} == before
    if fitted_before:
        np.testing.assert_array_equal(model.predict(X), expected)


def test_a_fit_leaves_nothing_of_the_one_before():
    X, y = problem()
    model = MDNRegressor(**SETTINGS).fit(X, y).set_params(numerical_embedding=None).fit(X[:, :2], y)
    fresh = MDNRegressor(**SETTINGS, numerical_embedding=None).fit(X[:, :2], y)
    assert set(vars(model)) == set(vars(fresh))
