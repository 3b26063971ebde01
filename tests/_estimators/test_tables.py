"""Fits to tables with categories and gaps: the laws that hold for numbers hold for them."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV
from sklearn_mdn._estimators.likelihood import BIN_PRECISION, CATEGORY_PRECISION, MixtureLikelihood
from sklearn_mdn._estimators.plans import prior_share
from sklearn_mdn._tables.encoding import MIN_CATEGORY_ROWS
from sklearn_mdn.metrics import log_likelihood_scorer

SETTINGS = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
    "dtype": "float64",
}
LEVEL = {"north": -3.0, "south": 3.0, "west": 0.0}


def table(n=200, seed=0):
    """y hangs on the kind, on a number with gaps that say something, and on another one."""
    random = np.random.default_rng(seed)
    kind = random.choice(list(LEVEL), n)
    size, age = random.normal(size=(2, n))
    y = np.array([LEVEL[each] for each in kind]) + size + 0.2 * random.normal(size=n)
    gap = random.random(n) < 0.3
    y[gap] += 6.0
    frame = pd.DataFrame({"size": size, "kind": kind, "age": age, "flag": random.random(n) < 0.5})
    frame.loc[gap, "size"] = np.nan
    frame.loc[random.random(n) < 0.1, "kind"] = None
    frame.loc[frame.index[: MIN_CATEGORY_ROWS - 1], "kind"] = "rare"
    return frame, y


def small(**changes):
    return MDNRegressor(**(SETTINGS | changes))


def same(first, second, X, other=None):
    """Whether two estimators predict the same bits, each from a table of its own."""
    a, b = first.predict_distribution(X), second.predict_distribution(X if other is None else other)
    names = ("weights", "means", "covariances")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


@pytest.fixture(scope="module")
def data():
    return table()


@pytest.fixture(scope="module")
def fitted(data):
    return small().fit(*data)


def polars_of(frame):
    return pl.DataFrame(frame.astype(object).where(frame.notna(), None).to_dict("list"))


OTHER_TABLES = {
    "array of objects": lambda frame: frame.to_numpy(),
    "polars": lambda frame: polars_of(frame),
    "pyarrow": lambda frame: polars_of(frame).to_arrow(),
    "pandas category": lambda frame: frame.assign(kind=frame["kind"].astype("category")),
    "nullable": lambda frame: frame.convert_dtypes(),
    "pyarrow in pandas": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "list of rows": lambda frame: frame.to_numpy().tolist(),
}


@pytest.mark.parametrize("other", OTHER_TABLES.values(), ids=OTHER_TABLES.keys())
def test_tables_of_equal_values_give_the_same_fit(data, fitted, other):
    X, y = data
    assert same(fitted, small().fit(other(X), y), X, other(X))


def test_numbers_named_as_categories_are_those_of_texts(data):
    X, y = data
    codes = X["kind"].map({name: i for i, name in enumerate(sorted([*LEVEL, "rare"]))})
    numbers = X.assign(kind=codes)
    assert same(small().fit(X, y), small(categorical_features=["kind"]).fit(numbers, y), X, numbers)
    as_array = numbers.to_numpy(dtype=np.float64)
    assert same(small().fit(X, y), small(categorical_features=[1]).fit(as_array, y), X, as_array)


def test_what_was_fitted_is_said(data, fitted):
    assert fitted.is_categorical_.tolist() == [False, True, False, False]
    (categories,), (codes,) = fitted.categories_, fitted.category_codes_
    assert categories.tolist() == ["north", "rare", "south", "west", None]
    assert codes.tolist() == [1, 0, 2, 3, 4]  # of too few rows
    assert fitted.X_gaps_.tolist() == [True, False, False]
    X, _ = data
    np.testing.assert_allclose(fitted.X_offset_, X[["size", "age", "flag"]].mean())
    assert fitted.gap_values_.shape == (1, 3)


def test_the_table_is_learned():
    X, y = table(600)
    test, y_test = table(600, seed=1)
    settings = {"max_iter": 100, "hidden_layer_sizes": (16,)}
    whole = small(**settings).fit(X, y).score(test, y_test)
    without = small(**settings).fit(X.drop(columns="kind"), y).score(test.drop(columns="kind"), y_test)
    likely = pd.Series(np.random.default_rng(2).normal(size=600))  # one number for all would be a mark
    unmarked = X.fillna({"size": likely}), test.fillna({"size": likely})
    blind = small(**settings).fit(unmarked[0], y).score(unmarked[1], y_test)
    assert whole > without + 0.3
    assert whole > blind + 0.1


@pytest.mark.parametrize("n_estimators", [1, 3])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_weights_are_repeated_rows(data, n_estimators, early_stopping):
    X, y = data
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    model = small(n_estimators=n_estimators, early_stopping=early_stopping)
    repeated = np.repeat(np.arange(len(y)), weight)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    assert same(weighted, clone(model).fit(X.iloc[repeated], y[repeated]), X)
    assert same(weighted, clone(model).fit(X, y, sample_weight=0.7 * weight), X)


def test_order_of_rows_and_of_categories_changes_nothing(data, fitted):
    X, y = data
    order = np.random.default_rng(2).permutation(len(y))
    assert same(fitted, small().fit(X.iloc[order], y[order]), X)
    declared = pd.CategoricalDtype(["west", "unseen", "rare", "south", "north"], ordered=True)
    other = X.assign(kind=X["kind"].astype(declared))
    assert same(fitted, small().fit(other, y), X, other)


def test_unknown_categories_are_as_rare_ones(data, fitted):
    X, _ = data
    assert same(fitted, fitted, X.assign(kind="rare"), X.assign(kind="never seen"))
    assert not same(fitted, fitted, X.assign(kind="north"), X.assign(kind="never seen"))


def test_a_gap_where_there_was_none_is_the_mean(data, fitted):
    X, _ = data
    assert same(fitted, fitted, X.assign(age=np.nan), X.assign(age=fitted.X_offset_[1]))
    assert not same(fitted, fitted, X.assign(size=np.nan), X.assign(size=fitted.X_offset_[0]))


def test_a_gap_in_a_category_that_had_none_is_an_unknown_one(data):
    X, y = data
    whole = X.fillna({"kind": "west"})
    model = small().fit(whole, y)
    assert same(model, model, whole.assign(kind=None), whole.assign(kind="never seen"))


@pytest.mark.parametrize("times", [1, MIN_CATEGORY_ROWS])
def test_many_names_neither_break_nor_are_learned_by_heart(times):
    """As many names as rows share one vector; those that come up often enough have one each."""
    random = np.random.default_rng(0)
    n = 300 * times
    names = np.repeat([f"name {i}" for i in range(300)], times)
    X = pd.DataFrame({"x": random.normal(size=n), "name": names})
    model = small(max_iter=1).fit(X, X["x"])
    assert (model.category_codes_[0] > 0).sum() == (300 if times == MIN_CATEGORY_ROWS else 0)
    assert np.isfinite(model.score(X.assign(name="other"), X["x"]))


@pytest.mark.parametrize("watched", [False, True])
def test_each_category_is_hidden_about_once_an_epoch(data, watched):
    """With a share of 1 / (r + 1) of its r rows; rows that are only watched are not counted."""
    X, y = data
    X_val, y_val = table(80, seed=3)
    arguments = {"X_val": X_val, "y_val": y_val} if watched else {}
    set_of_rows = small()._validate(X, y, **arguments)
    codes = set_of_rows.rows.x[:, -1]
    counts = {code: np.count_nonzero(codes[: len(y)] == code) for code in codes}
    assert set_of_rows.hidden.shape == (len(y) + 80 * watched, 1)
    np.testing.assert_allclose(set_of_rows.hidden[:, 0], [1.0 / (counts[code] + 1.0) for code in codes])


def test_vectors_and_bins_have_a_prior_whose_weight_does_not_grow_with_the_rows(data):
    """The gradient of the loss is that of minus the mean log-likelihood and of precision |v|^2 / (2 n)."""
    model = small(n_estimators=2, max_iter=1).fit(*data)
    plan = model._build(model._validate(*data))
    params, rows, n_rows = plan.params, plan.data.rows, [50, 200]
    x, y = (torch.from_numpy(each[:6]).expand(2, -1, -1) for each in (rows.x, rows.y))
    weight = torch.full((2, 6), -1.0 / 6.0, dtype=torch.float64)
    with_prior, without = (
        MixtureLikelihood(plan.network, share).derivative(params)(x, y, weight, None)[1]
        for share in (prior_share(torch.tensor(n_rows).double()), None)
    )
    vectors = plan.network.split(params)["category_coefs"]
    expected = torch.zeros_like(params)
    n, embedding = torch.tensor(n_rows).double().view(2, 1), plan.network.embedding
    plan.network.split(expected)["category_coefs"][:] = CATEGORY_PRECISION / n * vectors
    bins = slice(embedding.n_numbers, embedding.n_numbers + embedding.piecewise.n_outputs)
    steps = plan.network.split(params)["coefs_0"][:, bins]
    plan.network.split(expected)["coefs_0"][:, bins] = BIN_PRECISION / n.unsqueeze(2) * steps
    assert steps.abs().max() > 0.0
    assert vectors.abs().min() > 0.0
    torch.testing.assert_close(with_prior - without, expected, rtol=1e-9, atol=1e-12)


def test_tables_of_categories_alone(data):
    X, y = data
    only = X[["kind"]]
    model = small().fit(only, y)
    assert model.X_offset_.shape == (0,)
    assert np.isfinite(model.score(only, y))


def test_columns_of_nothing_but_gaps(data, fitted):
    X, y = data
    model = small().fit(X.assign(empty=np.nan, void=None), y)
    assert np.isfinite(model.score(X.assign(empty=1.0, void=None), y))


# Everything else goes on working.


def test_rows_to_watch_have_the_categories_of_the_others(data):
    X, y = data
    X_val, y_val = table(80, seed=3)
    X_val["kind"] = X_val["kind"].replace("west", "another")
    model = small().fit(X, y, X_val=X_val, y_val=y_val)
    assert model.categories_[0].tolist() == ["north", "rare", "south", "west", None]
    unknown = small().fit(X, y, X_val=X_val.replace({"kind": {"another": "rare"}}), y_val=y_val)
    assert same(model, unknown, X)


def test_warm_start_goes_on_with_what_it_knows(data):
    X, y = data
    model = small(warm_start=True).fit(X, y)
    before = [known.tolist() for known in model.categories_]
    later, y_later = table(50, seed=4)
    model.fit(later.assign(kind="never seen", age=np.nan), y_later)
    assert [known.tolist() for known in model.categories_] == before
    assert model.n_iter_.tolist() == [6]
    assert np.isfinite(model.score(X, y))


@pytest.mark.parametrize("refit", [True, "stacking"])
def test_searches_score_as_scikit_learns_do(data, refit):
    X, y = data
    cv, grid = KFold(3, shuffle=True, random_state=0), {"n_components": [1, 2], "dropout": [0.0, 0.2]}
    expected = GridSearchCV(small(), grid, cv=cv, scoring=log_likelihood_scorer).fit(X, y)
    search = MDNSearchCV(small(), grid, cv=cv, refit=refit).fit(X, y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], rtol=1e-6
    )
    assert np.isfinite(search.predict(X.assign(kind="never seen"))).all()


def test_pools_take_tables(data):
    X, y = data
    pool = DensityPool([small(), small(n_components=1)]).fit(X, y)
    alone = [small().fit(X, y), small(n_components=1).fit(X, y)]
    expected = np.logaddexp.reduce([model.score_samples(X, y) for model in alone]) - np.log(2)
    np.testing.assert_allclose(pool.score_samples(X, y), expected, rtol=1e-12)


def test_tools_of_inspection_take_tables(data, fitted):
    X, y = data
    importance = permutation_importance(fitted, X, y, n_repeats=1, random_state=0)
    assert importance.importances.shape == (4, 1)
    for model in (fitted, make_pipeline(small()).fit(X.fillna({"kind": "west"}), y)):
        found = partial_dependence(
            model, X.fillna({"kind": "west"}), ["kind"], categorical_features=["kind"], kind="average"
        )
        assert found["average"].shape == (1, 4)
        by_hand = [model.predict(X.assign(kind=each)).mean() for each in found["grid_values"][0]]
        np.testing.assert_allclose(found["average"][0], by_hand, rtol=1e-6)


def test_frames_from_a_pipeline(data):
    X, y = data
    scaled = make_column_transformer((StandardScaler(), ["size", "age"]), remainder="passthrough")
    scaled.set_output(transform="pandas")
    model = make_pipeline(scaled, small()).fit(X, y)
    assert model[-1].is_categorical_.tolist() == [False, False, True, False]
    assert np.isfinite(model.score(X, y))


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_stored_models_predict_the_same(data, n_estimators, tmp_path):
    X, y = data
    model = small(n_estimators=n_estimators).fit(X, y)
    assert same(model, pickle.loads(pickle.dumps(model)), X)
    joblib.dump(model, tmp_path / "model")
    assert same(model, joblib.load(tmp_path / "model", mmap_mode="r"), X)
    skops_io = pytest.importorskip("skops.io")
    stored = skops_io.dumps(model)
    assert same(model, skops_io.loads(stored, trusted=skops_io.get_untrusted_types(data=stored)), X)


# Bad input.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X: X[["kind", "size", "age", "flag"]], ValueError, "in the same order as they were in fit"),
        (lambda X: X.drop(columns="age"), ValueError, "seen at fit time, yet now missing:\n- age"),
        (lambda X: X.rename(columns={"kind": "sort"}), ValueError, "unseen at fit time:\n- sort"),
        (lambda X: X.iloc[:0], ValueError, r"Found array with 0 sample\(s\)"),
        (lambda X: X.assign(kind=1.0), TypeError, "column 'kind' had texts in fit and has numbers now"),
        (lambda X: X.assign(age="old"), TypeError, "X must hold numbers in column 'age'"),
        (lambda X: X.assign(size=np.inf), ValueError, "infinity .* in column 'size'"),
    ],
)
def test_other_tables_are_refused_by_name(data, fitted, change, error, message):
    X, y = data
    with pytest.raises(error, match=message):
        fitted.predict(change(X))
    with pytest.raises(error, match=message):
        fitted.score(change(X), y)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_of_a_frame(data, n):
    X, y = data
    with pytest.raises(ValueError, match=rf"Found array with {n} sample\(s\) .* minimum of 2 is required"):
        small().fit(X.iloc[:n], y[:n])


def test_more_categories_than_memory_has_room_for(data):
    X, y = data
    with pytest.raises(ValueError, match="Column 'kind' alone has 5 categories"):
        small(n_estimators=10**11, hidden_layer_sizes=(2,)).fit(X, y)
