"""What ``warm_start`` goes on from, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_mdn import MDNRegressor
from sklearn_mdn._estimators import regressor
from sklearn_mdn._estimators.folds import row_keys

SETTINGS = {
    "n_components": 3,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
    "dtype": "float64",
    "warm_start": True,
}
STILL = {"learning_rate_init": 1e-30}


def problem(n=150, n_outputs=None, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 3))
    y = np.sin(2 * X[:, :1]) + 0.3 * generator.normal(size=(n, 2))
    return X, y[:, 0] if n_outputs is None else y[:, :n_outputs]


def test_it_goes_on_from_the_stored_weights():
    X, y = problem()
    model = MDNRegressor(**SETTINGS).fit(X, y)
    before, prediction = [layer.copy() for layer in model.coefs_], model.predict(X)
    model.set_params(**STILL).fit(X, y)
    for layer, expected in zip(model.coefs_, before, strict=True):
        np.testing.assert_array_equal(layer, expected)
    np.testing.assert_array_equal(model.predict(X), prediction)
    model.set_params(learning_rate_init=0.01, early_stopping=False).fit(X, y)
    assert np.abs(model.coefs_[0] - before[0]).max() > 1e-3


def test_it_appends_to_the_curves():
    X, y = problem()
    model = MDNRegressor(**SETTINGS, n_estimators=2).fit(X, y)
    losses, scores, best = model.loss_curve_, model.validation_scores_, model.best_validation_score_
    model.n_skipped_steps_ = np.array([5, 0])
    model.set_params(max_iter=5).fit(X, y)
    assert model.n_iter_.tolist() == [8, 8]
    assert model.n_skipped_steps_.tolist() == [5, 0]
    for i in range(2):
        assert model.loss_curve_[i].shape == model.validation_scores_[i].shape == (8,)
        np.testing.assert_array_equal(model.loss_curve_[i][:3], losses[i])
        np.testing.assert_array_equal(model.validation_scores_[i][:3], scores[i])
    assert (model.best_validation_score_ >= best - 1e-12).all()


@pytest.mark.parametrize("random_state", [0, None])
def test_the_same_data_give_the_same_split(random_state):
    X, y = problem()
    model = MDNRegressor(**(SETTINGS | {"random_state": random_state}), n_estimators=2).fit(X, y)
    best = model.best_validation_score_
    model.set_params(**STILL, random_state=99).fit(X, y)
    for i in range(2):
        np.testing.assert_allclose(model.validation_scores_[i][3:], best[i], rtol=1e-12)


def test_scalers_stay_those_of_the_first_data():
    X, y = problem()
    model = MDNRegressor(**SETTINGS).fit(X, y)
    scalers = {name: getattr(model, name) for name in ("X_offset_", "X_scale_", "y_offset_", "y_scale_")}
    coefs = [values.copy() for values in model.coefs_]
    model.set_params(**STILL).fit(5.0 + 2.0 * X, 9.0 - y)
    for name, expected in scalers.items():
        np.testing.assert_array_equal(getattr(model, name), expected)
    for values, expected in zip(model.coefs_, coefs, strict=True):
        np.testing.assert_array_equal(values, expected)


def test_more_estimators_are_added():
    X, y = problem()
    settings = SETTINGS | {"early_stopping": False}
    model = MDNRegressor(**settings).fit(X, y)
    model.set_params(n_estimators=3).fit(X, y)
    assert model.n_iter_.tolist() == [6, 3, 3]
    assert [len(curve) for curve in model.loss_curve_] == [6, 3, 3]
    whole = MDNRegressor(**settings, n_estimators=3).fit(X, y)
    for layer, expected in zip(model.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(layer[1:], expected[1:], rtol=1e-6, atol=1e-9)
        assert np.abs(layer[0] - expected[0]).max() > 1e-3


def test_without_it_a_fit_begins_anew():
    X, y = problem()
    model = MDNRegressor(**(SETTINGS | {"warm_start": False})).fit(X, y)
    first = model.coefs_[0].copy()
    np.testing.assert_array_equal(model.fit(X, y).coefs_[0], first)
    assert model.n_iter_.tolist() == [3]
    X, y = problem(n_outputs=2)
    assert model.fit(X[:, :2], y).predict(X[:3, :2]).shape == (3, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_components": 4}, r"n_components=3, got 4"),
        ({"covariance_type": "full"}, r"covariance_type='diag', got 'full'"),
        ({"hidden_layer_sizes": (8, 8)}, r"hidden_layer_sizes=\[8\], got \[8, 8\]"),
        ({"activation": "tanh"}, r"activation='silu', got 'tanh'"),
        ({"numerical_embedding": None}, r"numerical_embedding='both', got None"),
        ({"n_estimators": 1}, r"keeps the 2 networks that are fitted, got n_estimators=1"),
    ],
)
def test_another_architecture_is_refused(change, message):
    X, y = problem()
    model = MDNRegressor(**SETTINGS, n_estimators=2).fit(X, y)
    prediction = model.predict(X)
    with pytest.raises(ValueError, match=message):
        model.set_params(**change).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), prediction)


def test_other_widths_of_data_are_refused():
    X, y = problem()
    model = MDNRegressor(**SETTINGS).fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but MDNRegressor is expecting 3 features"):
        model.fit(X[:, :2], y)
    with pytest.raises(ValueError, match=r"target of shape \(150,\), got \(150, 2\)"):
        model.fit(X, problem(n_outputs=2)[1])
    with pytest.raises(ValueError, match=r"target of shape \(150,\), got \(150, 1\)"):
        model.fit(X, y[:, None])
    two = MDNRegressor(**SETTINGS).fit(*problem(n_outputs=2))
    with pytest.raises(ValueError, match=r"target of shape \(150, 2\), got \(150, 1\)"):
        two.fit(X, y[:, None])


def test_a_fit_that_cannot_go_on_says_so_and_keeps_what_was():
    X, y = problem()
    model = MDNRegressor(**SETTINGS).fit(X, y)
    prediction = model.predict(X)
    with pytest.raises(
        FloatingPointError, match="Network 0 cannot be trained: loss or gradient was not finite"
    ):
        model.set_params(learning_rate_init=1e300, clip_grad_norm=None).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), prediction)
    assert model.n_iter_.tolist() == [3]


def roles(model, X, y):
    """Which rows, in the order given, the first network holds out."""
    standardization = model._standardization()
    values = np.hstack([standardization.x(X), standardization.y(y[:, None])])
    keys = row_keys(np.round(values * 2.0**20), model._seed)
    return np.searchsorted(model._folds["bounds"], keys, side="right") == 0


@pytest.mark.parametrize("n_more", [0, 1, 40])
@pytest.mark.parametrize("dropped", [0, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_row_changes_its_role(monkeypatch, n_more, dropped, weighted):
    """What was trained on is not held out later, whatever rows come, go, or count for nothing."""
    X, y = problem(250)
    model = MDNRegressor(**SETTINGS).fit(X[:200], y[:200])
    held_out = roles(model, X, y)
    assert held_out[:200].sum() == 20
    plans = []

    def spy(given, **settings):
        plans.extend(given)
        return train_plans(given, **settings)

    train_plans = regressor.train_plans
    monkeypatch.setattr(regressor, "train_plans", spy)
    rows = slice(dropped, 200 + n_more)
    weight = np.where(np.arange(250) % 9 == 0, 0.0, 1.0)[rows] if weighted else None
    model.fit(X[rows], y[rows], weight)
    (plan,) = plans
    found = model.X_offset_ + model.X_scale_ * plan.data.rows.x[plan.validation[0]]
    present = held_out[rows] if weight is None else held_out[rows] & (weight > 0)
    expected = X[rows][present]
    np.testing.assert_allclose(np.sort(found[:, 0]), np.sort(expected[:, 0]), rtol=1e-9)


def test_windows_that_move_on_do_not_flatter_themselves():
    """Six fits to overlapping windows: the held-out score says what new rows get, but for chance."""
    random = np.random.default_rng(1)
    X = random.normal(size=(3000, 8))
    y = X[:, 0] + random.normal(size=3000)
    model = MDNRegressor(warm_start=True, max_iter=100, random_state=0, dtype="float64")
    for k in range(6):
        model.fit(X[5 * k : 5 * k + 160], y[5 * k : 5 * k + 160])
    assert model.score(X[1000:], y[1000:]) > -2.4  # it was -2.8 where positions decided


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ({"early_stopping": False}, {}, "have been trained on all rows, so that none can be held out"),
        ({}, {"groups": np.arange(150) // 5}, "on all but rows held out without groups"),
        ({"groups": np.arange(150) // 5}, {}, "on all but rows held out by groups"),
    ],
)
def test_what_was_trained_on_cannot_be_held_out_otherwise(first, then, message):
    X, y = problem()
    groups = first.pop("groups", None) if "groups" in first else None
    model = MDNRegressor(**SETTINGS, **first).fit(X, y, groups=groups)
    before = model.predict(X)
    with pytest.raises(ValueError, match=f"warm_start=True goes on .* {message}"):
        model.set_params(early_stopping=True).fit(X, y, **then)
    np.testing.assert_array_equal(model.predict(X), before)
    model.fit(X, y, X_val=X[:20], y_val=y[:20])
    assert model.n_iter_.tolist() == [6]


def test_held_out_rows_alone_cannot_be_trained_on():
    X, y = problem()
    model = MDNRegressor(**SETTINGS).fit(X, y)
    held_out = roles(model, X, y)
    with pytest.raises(ValueError, match="earlier fits held out all of them"):
        model.fit(X[held_out], y[held_out])
