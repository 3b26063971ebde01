"""Networks of columns of numbers whose values are names."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sklearn_mdn import MDNRegressor, MDNSearchCV

SETTINGS = {"hidden_layer_sizes": (16,), "random_state": 0, "dtype": "float64"}


@pytest.fixture(scope="module")
def data():
    """Fifty names, as numbers, with an effect each; another column has none."""
    generator = np.random.default_rng(0)
    name = generator.integers(0, 50, size=500)
    X = np.column_stack([generator.normal(size=500), 10.0 * name, generator.integers(0, 50, size=500)])
    return X, generator.normal(size=50)[name] + 0.2 * generator.normal(size=500)


@pytest.fixture(scope="module")
def fitted(data):
    return MDNRegressor(**SETTINGS, max_iter=4).fit(*data)


def densities(model, X):
    density = model.predict_distribution(X)
    return [getattr(density, part) for part in ("weights", "means", "covariances")]


def assert_same(model, other, X):
    for found, expected in zip(densities(model, X), densities(other, X), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_a_name_stands_for_is_learned(data):
    X, y = data
    by_name, by_place = (
        MDNRegressor(**SETTINGS, max_iter=100, numerical_embedding=kind).fit(X[:400], y[:400])
        for kind in ("both", "periodic")
    )
    assert by_name.named_columns_.tolist() == [1]
    assert "named_columns_" not in vars(by_place)
    assert by_name.score(X[400:], y[400:]) > by_place.score(X[400:], y[400:]) + 0.3


def test_a_name_that_was_not_seen_counts_as_one_of_which_nothing_is_known(fitted, data):
    X = data[0][:4].copy()
    X[:, 1] = 123.0
    beside = X.copy()
    beside[:, 1] = 123.0 + 1e-3
    for found, expected in zip(densities(fitted, X), densities(fitted, beside), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)


def test_tables_in_single_precision_have_the_same_names(fitted, data):
    X, y = data
    X = X + np.array([0.0, 0.1, 0.0])  # a number that single precision rounds
    model, other = (MDNRegressor(**SETTINGS, max_iter=2).fit(X.astype(kind), y) for kind in (float, "f"))
    np.testing.assert_array_equal(other.named_values_[0], model.named_values_[0])
    for found, expected in zip(densities(model, X.astype(np.float32)), densities(model, X), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_weights_are_repeated_rows(data):
    X, y = data
    weight = np.random.default_rng(1).integers(1, 3, size=len(y))
    weighted = MDNRegressor(**SETTINGS, max_iter=4).fit(X, y, sample_weight=weight)
    repeated = MDNRegressor(**SETTINGS, max_iter=4).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert weighted.named_columns_.tolist() == [1]
    assert_same(weighted, repeated, X)


def test_pickles_and_warm_starts_keep_them(fitted, data):
    X, y = data
    assert_same(pickle.loads(pickle.dumps(fitted)), fitted, X)
    model = MDNRegressor(**SETTINGS, max_iter=4, warm_start=True).fit(X, y)
    model.fit(X[:300], y[:300])
    np.testing.assert_array_equal(model.named_values_[0], fitted.named_values_[0])
    model.set_params(warm_start=False, numerical_embedding=None).fit(X, y)
    assert "named_columns_" not in vars(model)


def test_a_partial_fit_learns_them_from_its_first_rows(data):
    X, y = data
    model = MDNRegressor(**SETTINGS).partial_fit(X[:400], y[:400])
    known = model.named_values_[0].copy()
    model.partial_fit(X[400:], y[400:])
    np.testing.assert_array_equal(model.named_values_[0], known)


@pytest.mark.parametrize("kind", ["periodic", None])
def test_without_bins_there_are_none(kind, data):
    model = MDNRegressor(**SETTINGS, max_iter=2, numerical_embedding=kind).fit(*data)
    assert "named_columns_" not in vars(model)


def test_new_groups_share_no_names(data):
    X, y = data
    assert "named_columns_" not in vars(MDNRegressor(**SETTINGS, max_iter=2).fit(X, y, groups=X[:, 1]))


def test_a_search_over_embeddings_reads_the_table_for_each(data):
    X, y = data
    grid = {"numerical_embedding": [None, "both"]}
    search = MDNSearchCV(MDNRegressor(**SETTINGS, max_iter=30), grid, cv=2).fit(X, y)
    none, both = search.cv_results_["mean_test_score"]
    assert both > none
    assert search.best_estimator_.named_columns_.tolist() == [1]


def test_names_stand_among_categories_and_gaps(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame(X, columns=["a", "name", "noise"])
    frame.loc[::7, "name"] = np.nan
    frame.insert(0, "word", np.where(X[:, 0] > 0.0, "up", "down"))
    model = MDNRegressor(**SETTINGS, max_iter=4).fit(frame, y)
    assert model.named_columns_.tolist() == [1]
    assert np.isfinite(model.predict(frame)).all()


def test_onnx_knows_them(fitted, data, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    X = data[0][:20].copy()
    X[0, 1], X[1, 1] = 123.0, np.nan
    fitted.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    weights, means, deviations = session.run(None, {"numbers": X})
    expected = fitted.predict_distribution(X)
    np.testing.assert_allclose(weights, expected.weights, atol=1e-5)
    np.testing.assert_allclose(means, expected.means, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(deviations**2, expected.covariances, rtol=1e-3, atol=1e-5)
