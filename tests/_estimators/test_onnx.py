"""Networks as ONNX models: a runtime that knows nothing of this package gives the same numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sklearn_mdn import MDNRegressor

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SETTINGS = {"n_components": 3, "hidden_layer_sizes": (8, 8), "max_iter": 4, "random_state": 0}

CASES = {
    "defaults": {},
    "ensemble": {"n_estimators": 3},
    "no embedding": {"numerical_embedding": None},
    "no layers": {"hidden_layer_sizes": ()},
    "spherical": {"covariance_type": "spherical"},
    **{name: {"activation": name} for name in ("gelu", "relu", "tanh", "logistic", "identity")},
}


def problem(n=200):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3)) * [1.0, 100.0, 1e-3] + [0.0, 1e6, 5.0]
    return X, np.column_stack([1e3 + np.sin(X[:, 0]) + 0.1 * rng.normal(size=n), X[:, 1]])


def assert_alike(model, path, X, inputs):
    model.to_onnx(path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    weights, means, deviations = session.run(["weights", "means", "deviations"], inputs)
    expected = model.predict_distribution(X)
    unit = model.y_scale_ if means.ndim == 3 else model.y_scale_[0]
    variances = expected.covariances if means.ndim == 2 else expected.covariances.diagonal(0, 2, 3)
    np.testing.assert_allclose(weights, expected.weights, atol=1e-5)
    np.testing.assert_allclose(means / unit, expected.means / unit, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(deviations / unit, np.sqrt(variances) / unit, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("parameters", CASES.values(), ids=CASES)
@pytest.mark.parametrize("n_targets", [1, 2])
def test_the_runtime_gives_the_same_mixtures(tmp_path, parameters, n_targets):
    X, y = problem()
    y = y[:, 0] if n_targets == 1 else y
    model = MDNRegressor(**(SETTINGS | parameters)).fit(X, y)
    assert_alike(model, tmp_path / "model.onnx", X, {"numbers": X})


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_covariances_of_one_target_are_deviations(tmp_path, covariance_type):
    X, y = problem()
    model = MDNRegressor(**SETTINGS, covariance_type=covariance_type).fit(X, y[:, 0])
    assert_alike(model, tmp_path / "model.onnx", X, {"numbers": X})
    with pytest.raises(ValueError, match="several targets"):
        MDNRegressor(**SETTINGS, covariance_type=covariance_type).fit(X, y).to_onnx(tmp_path / "no.onnx")


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_categories_and_gaps_are_inside(tmp_path, n_estimators):
    X, y = problem()
    rng = np.random.default_rng(1)
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    table.loc[::7, "b"] = np.nan
    table["text"] = rng.choice(["x", "y", None], len(X))
    table["number"] = pd.Categorical(rng.choice([1.0, 2.5, np.nan], len(X)))
    table["rare"] = ["only once", *rng.choice(["u", "v"], len(X) - 1)]
    model = MDNRegressor(**SETTINGS, n_estimators=n_estimators).fit(table, y[:, 0])
    later = table.copy()
    later.loc[3, "text"] = "never seen"
    later.loc[::5, "a"] = np.nan  # had no gaps in fit
    inputs = {
        "numbers": later[["a", "b", "c"]].to_numpy(),
        "text": later["text"].fillna("").to_numpy(dtype=object),
        "number": later["number"].astype(np.float32).to_numpy(),
        "rare": later["rare"].to_numpy(dtype=object),
    }
    assert_alike(model, tmp_path / "model.onnx", later, inputs)
