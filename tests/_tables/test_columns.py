"""What a column is, and what it holds, whatever the table is made of."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from sklearn_mdn._tables.columns import plain_columns, read_columns

N, NAN = None, np.nan
# One value a row of each kind of column, as Python objects: what it is, and what comes out.
VALUES = {
    "float": ([1.5, N, -2.0], False, [1.5, NAN, -2.0]),
    "int": ([3, 1, 2], False, [3.0, 1.0, 2.0]),
    "int with a gap": ([3, N, 2], False, [3.0, NAN, 2.0]),
    "bool": ([True, False, True], False, [1.0, 0.0, 1.0]),
    "bool with a gap": ([True, N, False], False, [1.0, NAN, 0.0]),
    "text": (["b", "a", "b"], True, ["b", "a", "b"]),
    "text with a gap": (["b", N, "a"], True, ["b", N, "a"]),
    "no number": ([N, N, N], False, [NAN, NAN, NAN]),
    "nothing": ([N, N, N], True, [N, N, N]),
}
ORDERED = pd.CategoricalDtype(["b", "z", "a"], ordered=True)
PANDAS = {
    "float": ["float64", "Float64", "double[pyarrow]", "object"],
    "int": ["int64", "Int64", "uint8", "int32[pyarrow]", "object"],
    "int with a gap": ["float64", "Int64", "int64[pyarrow]", "object"],
    "bool": ["bool", "boolean", "bool[pyarrow]", "object"],
    "bool with a gap": ["boolean", "bool[pyarrow]", "object"],
    "text": [
        "object",
        "string",
        "category",
        "string[pyarrow]",
        pd.CategoricalDtype(["b", "z", "a"], ordered=True),
    ],
    "text with a gap": ["object", "string", "category", "string[pyarrow]"],
    "no number": ["float64", "Float64"],
    "nothing": ["object", "string", "category"],
}
POLARS = {
    "float": [pl.Float64, pl.Float32],
    "int": [pl.Int64, pl.UInt8],
    "int with a gap": [pl.Int64, pl.Float32],
    "bool": [pl.Boolean],
    "bool with a gap": [pl.Boolean],
    "text": [pl.String, pl.Categorical, pl.Enum(["b", "z", "a"])],
    "text with a gap": [pl.String, pl.Categorical],
    "no number": [pl.Float64],
    "nothing": [pl.String, pl.Categorical],
}
FRAMES = [
    *(
        (kind, pd.DataFrame({"c": pd.Series(VALUES[kind][0], dtype=dtype)}))
        for kind in PANDAS
        for dtype in PANDAS[kind]
    ),
    *(
        (kind, pl.DataFrame({"c": pl.Series(VALUES[kind][0], dtype=dtype)}))
        for kind in POLARS
        for dtype in POLARS[kind]
    ),
    *(
        (kind, pl.DataFrame({"c": pl.Series(VALUES[kind][0])}).to_arrow())
        for kind in VALUES
        if not kind.startswith("no")
    ),
]


def content(columns):
    """What stands in the only column."""
    (values,) = columns.labels or columns.numbers.T
    return values.tolist()


@pytest.mark.parametrize(
    ("kind", "frame"), FRAMES, ids=lambda value: value if isinstance(value, str) else None
)
def test_frames_hold_what_they_show(kind, frame):
    _, is_category, expected = VALUES[kind]
    columns = read_columns(frame, "from_dtype")
    assert columns.names == ("c",)
    assert columns.is_categorical.tolist() == [is_category]
    np.testing.assert_equal(content(columns), expected)


@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind != "no number"])
@pytest.mark.parametrize("gap", [None, np.nan, pd.NA], ids=["None", "NaN", "NA"])
def test_arrays_of_objects_hold_what_frames_hold(kind, gap):
    values, is_category, expected = VALUES[kind]
    array = np.array([[gap if value is None else value] for value in values], dtype=object)
    columns = read_columns(array, "from_dtype")
    assert columns.is_categorical.tolist() == [is_category]
    np.testing.assert_equal(content(columns), expected)


def test_a_list_of_rows_may_mix_texts_and_numbers():
    columns = read_columns([["a", 1.5, True], ["b", None, False]], "from_dtype")
    assert columns.is_categorical.tolist() == [True, False, False]
    assert columns.labels[0].tolist() == ["a", "b"]
    np.testing.assert_array_equal(columns.numbers, [[1.5, 1.0], [NAN, 0.0]])


def test_arrays_of_texts_are_categories():
    assert read_columns(np.array([["a", "b"], ["c", "d"]]), "from_dtype").is_categorical.tolist() == [
        True,
        True,
    ]


def test_numbers_are_not_copied():
    X = np.random.default_rng(0).normal(size=(5, 2))
    assert np.shares_memory(read_columns(X, "from_dtype").numbers, X)


@pytest.mark.parametrize("declared", [[False, True], [1], ["k"], np.array([1]), np.array(["k"])])
def test_numbers_are_categories_where_the_user_says_so(declared):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "k": [7, 8, 7]})
    columns = read_columns(frame, declared)
    assert columns.is_categorical.tolist() == [False, True]
    assert columns.categorical_names == ["k"]
    assert columns.labels[0].tolist() == [7.0, 8.0, 7.0]
    if not isinstance(np.asarray(declared).flat[0], str):
        assert read_columns(frame.to_numpy(), declared).labels[0].tolist() == [7.0, 8.0, 7.0]


DATES = [datetime.datetime(2020, 1, day) for day in (1, 2)]
BAD_COLUMNS = {
    "pandas datetime": (pd.DataFrame({"d": DATES}), "column 'd' is of the type Datetime.* days since"),
    "polars date": (
        pl.DataFrame({"d": [d.date() for d in DATES]}),
        "column 'd' is of the type Date.* weekday",
    ),
    "polars time": (pl.DataFrame({"d": [datetime.time(1)] * 2}), "column 'd' is of the type Time. .* hours"),
    "duration": (
        pd.DataFrame({"d": pd.to_timedelta([1, 2])}),
        "'d' is of the type Duration.* seconds",
    ),
    "polars list": (
        pl.DataFrame({"l": [[1], [2]]}),
        r"'l' is of the type List\(Int64\). Leave it",
    ),
    "polars struct": (pl.DataFrame({"s": [{"a": 1}] * 2}), "column 's' is of the type Struct"),
    "objects": (pd.DataFrame({"o": [[1], {}]}), "column 'o' of the type object holds values of dict, list"),
    "dates as objects": (pd.DataFrame({"o": [d.date() for d in DATES]}), "column 'o' .* values of date"),
    "mixed": (pd.DataFrame({"m": ["a", 1.0]}), r"column 'm' mixes numbers and texts. Turn .* by \.astype"),
    "array of dates": (np.full((2, 1), np.datetime64("2020-01-01")), r"got an array of datetime64\[D\]"),
    "array of objects": (np.array([[{}], [{}]]), "column '0' of the type object holds values of dict"),
    "sparse": (sparse.eye_array(2), "Sparse data was passed .* sparse_output=False; categories can also"),
}


@pytest.mark.parametrize(("X", "message"), BAD_COLUMNS.values(), ids=BAD_COLUMNS.keys())
def test_other_columns_are_refused_by_name(X, message):
    with pytest.raises(TypeError, match=message):
        read_columns(X, "from_dtype")


@pytest.mark.parametrize("X", [pd.DataFrame({"a": [1.0, -np.inf]}), pl.DataFrame({"a": [np.inf, 1.0]})])
def test_infinity_is_no_gap(X):
    with pytest.raises(ValueError, match=r"Input X contains infinity .* in column 'a'\. A gap is NaN"):
        read_columns(X, "from_dtype")


def test_texts_that_are_no_categories_are_refused():
    with pytest.raises(TypeError, match="numbers in column 'a', which is none of the categorical features"):
        read_columns(pd.DataFrame({"a": ["u", "v"]}), None)


BAD_DECLARATIONS = {
    "unknown name": (["z"], "name columns of X, got 'z', which is none of 'x', 'k'"),
    "index": ([2], "indices of the 2 columns of X, from 0 to 1, got 2"),
    "negative": ([-1], "from 0 to 1, got -1"),
    "too short": ([True], "an entry for each of the 2 columns of X where it is an array of bool, got 1"),
    "floats": ([0.5], "a flat array of bool, int or str"),
    "nested": ([[0]], "a flat array of bool, int or str"),
    "a word": ("by_type", "'from_dtype', None, or a flat array"),
}


@pytest.mark.parametrize(("declared", "message"), BAD_DECLARATIONS.values(), ids=BAD_DECLARATIONS.keys())
def test_bad_declarations_are_refused(declared, message):
    with pytest.raises(ValueError, match=f"categorical_features must .*{message}"):
        read_columns(pd.DataFrame({"x": [1.0], "k": [2]}), declared)


def test_names_need_a_frame():
    with pytest.raises(ValueError, match="must hold bool or int where X has no names of columns, got 'k'"):
        read_columns(np.ones((2, 2)), ["k"])


def no_categories(n):
    return np.zeros(n, dtype=bool)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_arrays_are_read_as_others(dtype, order):
    X = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype, order=order)
    X[1, 2] = np.nan
    found, expected = plain_columns(X, no_categories(3)), read_columns(X, no_categories(3))
    assert (found.names, found.labels) == (expected.names, expected.labels)
    assert found.numbers.dtype == expected.numbers.dtype
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    np.testing.assert_array_equal(found.is_categorical, expected.is_categorical)


@pytest.mark.parametrize(
    "X",
    [
        [[1.0, 2.0]],
        np.ones((2, 2), dtype=int),
        np.ones((2, 3)),
        np.ones(2),
        np.ones((0, 2)),
        np.ma.masked_array(np.ones((2, 2))),
        pd.DataFrame({"a": [1.0], "b": [2.0]}),
    ],
)
def test_of_other_tables_there_is_more_to_be_said(X):
    assert plain_columns(X, no_categories(2)) is None
    assert plain_columns(np.ones((1, 2)), np.array([True, False])) is None


@pytest.mark.parametrize("gap", [False, True])
def test_infinity_in_a_plain_array_is_refused(gap):
    X = np.full((4, 2), 1e308)  # whose sum is infinite too
    assert plain_columns(X, no_categories(2)) is not None
    X[1, 1], X[0, 0] = -np.inf, np.nan if gap else 0.0
    with pytest.raises(ValueError, match=r"infinity .* in column '1'"):
        plain_columns(X, no_categories(2))
