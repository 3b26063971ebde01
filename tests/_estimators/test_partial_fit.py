"""partial_fit: what one call takes over from the last, and the tools that call it."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone
from sklearn.model_selection import learning_curve

from sklearn_mdn import MDNRegressor

SETTINGS = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 2,
    "batch_size": 16,
    "random_state": 0,
    "dtype": "float64",
}

CASES = {
    "defaults": {},
    "ensemble": {"n_estimators": 3},
    "no embedding": {"numerical_embedding": None},
    "dropout": {"dropout": 0.2},
    "full": {"covariance_type": "full"},
}


def problem(n=160, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, np.column_stack([np.sin(X[:, 0]) + 0.3 * rng.normal(size=n), X[:, 1]])


def frame(n=160, seed=0):
    X, y = problem(n, seed)
    X[::7, 2] = np.nan
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    table["kind"] = np.random.default_rng(seed).choice(["x", "y", "z"], n)
    return table, y[:, 0]


def in_calls(model, X, y, size=40, **weights):
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        model.partial_fit(X[part], y[part], **{name: value[part] for name, value in weights.items()})
    return model


def assert_same_predictions(one, other, X, rtol=0.0):
    for part in ("weights", "means", "covariances"):
        found, expected = (getattr(model.predict_distribution(X), part) for model in (one, other))
        np.testing.assert_allclose(found, expected, rtol=rtol)


@pytest.mark.parametrize("parameters", CASES.values(), ids=CASES)
def test_calls_go_on_from_each_other(parameters):
    X, y = problem()
    model = in_calls(MDNRegressor(**(SETTINGS | parameters)), X, y)
    np.testing.assert_array_equal(model.n_iter_, np.full(model.n_estimators, 4))
    assert all(len(curve) == 4 for curve in model.loss_curve_)
    assert np.isnan(model.best_validation_score_).all()
    first = MDNRegressor(**(SETTINGS | parameters)).partial_fit(X[:40], y[:40])
    np.testing.assert_array_equal(model.X_offset_, first.X_offset_)
    np.testing.assert_allclose(model.X_offset_, X[:40].mean(0), rtol=1e-12)
    assert all(curve[0] == own[0] for curve, own in zip(model.loss_curve_, first.loss_curve_, strict=True))
    assert model.get_params() == MDNRegressor(**(SETTINGS | parameters)).get_params()
    assert_same_predictions(model, in_calls(clone(model), X, y), X)


def test_a_call_is_one_pass_in_mini_batches():
    X, y = problem(160)
    model = MDNRegressor(**SETTINGS).partial_fit(X, y)
    assert model._passed["n_updates"].tolist() == [10]
    model.partial_fit(X[:50], y[:50])
    assert model._passed["n_updates"].tolist() == [14]
    assert model._passed["n_rows"] == 210


def test_what_was_stored_goes_on_alike():
    X, y = problem()
    model = in_calls(MDNRegressor(**SETTINGS), X[:80], y[:80])
    stored = pickle.loads(pickle.dumps(model))
    assert_same_predictions(in_calls(model, X[80:], y[80:]), in_calls(stored, X[80:], y[80:]), X)


def test_a_table_keeps_the_categories_and_gaps_of_the_first_call():
    X, y = frame()
    model = in_calls(MDNRegressor(**SETTINGS), X, y)
    assert [list(known) for known in model.categories_] == [["x", "y", "z"]]
    assert model.X_gaps_.tolist() == [False, False, True]
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "kind"]
    assert model._passed["counts"][0].sum() == len(X)
    later = X.assign(kind="never seen")
    model.partial_fit(later, y)
    assert np.isfinite(model.score(later, y))
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(X[["b", "a", "c", "kind"]], y)


def test_a_row_of_weight_two_is_the_row_twice():
    X, y = problem(60)
    times = np.random.default_rng(1).integers(0, 3, 60)
    weighted = MDNRegressor(**SETTINGS).partial_fit(X, y, sample_weight=times)
    repeated = MDNRegressor(**SETTINGS).partial_fit(np.repeat(X, times, 0), np.repeat(y, times, 0))
    assert_same_predictions(weighted, repeated, X)


def test_it_goes_on_from_a_fit_and_a_fit_starts_anew():
    X, y = problem()
    fitted = MDNRegressor(**SETTINGS).fit(X, y)
    offset, factor, epochs = fitted.X_offset_, fitted.calibration_, fitted.n_iter_[0]
    before = fitted.score(X, y)
    for _ in range(3):
        fitted.partial_fit(X, y)
    assert fitted.score(X, y) > before
    np.testing.assert_array_equal(fitted.X_offset_, offset)
    np.testing.assert_array_equal(fitted.calibration_, factor)
    assert fitted.n_iter_.tolist() == [epochs + 3]
    assert_same_predictions(fitted.fit(X, y), MDNRegressor(**SETTINGS).fit(X, y), X)
    assert "_passed" not in vars(fitted)


def test_networks_may_be_added():
    X, y = problem()
    model = in_calls(MDNRegressor(**SETTINGS), X, y)
    model.set_params(n_estimators=2).partial_fit(X, y)
    assert model.n_iter_.tolist() == [5, 1]
    assert [len(curve) for curve in model.loss_curve_] == [5, 1]


def test_a_later_call_may_have_one_row():
    X, y = problem()
    model = MDNRegressor(**SETTINGS).partial_fit(X, y)
    assert model.partial_fit(X[:1], y[:1]).n_iter_.tolist() == [2]
    with pytest.raises(ValueError, match=r"minimum of 2"):
        MDNRegressor(**SETTINGS).partial_fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="3 features"):
        model.partial_fit(X[:, :2], y)


def test_a_failed_call_loses_nothing():
    X, y = problem()
    model = MDNRegressor(**SETTINGS).partial_fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X, np.full_like(y, np.nan))
    assert pickle.dumps(model) == before


def test_it_learns():
    X, y = problem(2000)
    model = in_calls(MDNRegressor(**(SETTINGS | {"hidden_layer_sizes": (16,)})), X, y[:, 0], size=500)
    for _ in range(3):
        in_calls(model, X, y[:, 0], size=500)
    # The noise is normal with the deviation 0.3: no density can have more than -0.21 on average.
    X, y = problem(500, seed=1)
    assert model.score(X, y[:, 0]) > -0.8


def test_learning_curves_may_go_on():
    X, y = problem(120)
    sizes, scores, _ = learning_curve(
        MDNRegressor(**SETTINGS), X, y, cv=2, train_sizes=[20, 40, 60], exploit_incremental_learning=True
    )
    assert sizes.tolist() == [20, 40, 60]
    assert np.isfinite(scores).all()
    expected = in_calls(MDNRegressor(**SETTINGS), X[60:120], y[60:120], size=20)
    np.testing.assert_allclose(scores[-1, 0], expected.score(X[60:120], y[60:120]))


def test_row_groups_of_parquet_come_one_by_one(tmp_path):
    X, y = frame()
    pq.write_table(pa.Table.from_pandas(X.assign(y=y)), tmp_path / "rows.parquet", row_group_size=40)
    model, file = MDNRegressor(**SETTINGS), pq.ParquetFile(tmp_path / "rows.parquet")
    for number in range(file.num_row_groups):
        table = file.read_row_group(number)
        model.partial_fit(table.drop_columns("y"), table["y"].to_numpy())
    assert_same_predictions(model, in_calls(MDNRegressor(**SETTINGS), X, y), X, rtol=1e-12)


def test_dask_goes_block_by_block():
    da = pytest.importorskip("dask.array")
    wrappers = pytest.importorskip("dask_ml.wrappers")
    X, y = problem()
    y = y[:, 0]
    incremental = wrappers.Incremental(MDNRegressor(**SETTINGS), shuffle_blocks=False)
    incremental.fit(da.from_array(X, chunks=(40, 3)), da.from_array(y, chunks=40))
    assert_same_predictions(incremental.estimator_, in_calls(MDNRegressor(**SETTINGS), X, y), X)


def test_rows_of_the_fit_before_count():
    X, y = problem(400)
    model = MDNRegressor(**SETTINGS).fit(X, y[:, 0])
    before = model.marginal_deviations_
    model.partial_fit(X[:1], y[:1, 0])
    np.testing.assert_allclose(model.marginal_deviations_, before, rtol=0.01)


def test_what_little_data_said_against_networks_says_less_in_time():
    X, y = problem(400)
    model = MDNRegressor(**SETTINGS).fit(X[:30], np.random.default_rng(1).normal(size=30))
    model.shrinkage_ = 1.0
    for _ in range(3):
        model.partial_fit(X, y[:, 0])
    assert 0.0 < model.shrinkage_ < 30 / 1000


def test_intervals_may_come_with_any_call():
    X, y = problem()
    y = y[:, 0]
    upper = np.where(np.arange(len(y)) % 3 == 0, np.inf, y)
    model = MDNRegressor(**SETTINGS)
    model.partial_fit(X[:40], y[:40]).partial_fit(X[40:80], y[40:80], y_upper=upper[40:80])
    model.partial_fit(X[80:], y[80:], y_upper=y[80:])
    assert model.n_iter_.tolist() == [3]
    # Targets that lie above a bound move densities up.
    assert model.predict(X).mean() > clone(model).partial_fit(X[:40], y[:40]).predict(X).mean()
    assert np.isfinite(model.score(X, y, y_upper=upper))
    values = clone(model).partial_fit(X, y)
    assert_same_predictions(values, clone(model).partial_fit(X, y, y_upper=y), X)
    with pytest.raises(ValueError, match="y_upper must not be below y"):
        model.partial_fit(X, y, y_upper=y - 1.0)
