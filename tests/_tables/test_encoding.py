"""Categories as codes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sklearn_mdn._tables.columns import read_columns
from sklearn_mdn._tables.encoding import MIN_CATEGORY_ROWS, SHARED, Encoding, room_for

FRAME = pd.DataFrame(
    {
        "x": [1.0, np.nan, 3.0, 4.0],
        "t": ["b", None, "a", "b"],
        "k": pd.Categorical([30, 10, None, 30], categories=[30, 20, 10]),
    }
)
EVERY = np.ones(4, dtype=bool)


def encoding_of(frame, present=None):
    columns = read_columns(frame, "from_dtype")
    return Encoding.of(columns, np.ones(len(columns), dtype=bool) if present is None else present)


def test_categories_are_sorted_and_a_gap_is_one():
    encoding = encoding_of(FRAME)
    assert [known.tolist() for known in encoding.categories] == [["a", "b", None], [10, 30, None]]
    expected = [[1.0, 2, 2], [np.nan, 3, 1], [3.0, 1, 3], [4.0, 2, 2]]
    np.testing.assert_array_equal(encoding.encode(read_columns(FRAME, "from_dtype")), expected)


def test_rows_that_are_not_present_bring_no_categories():
    encoding = encoding_of(FRAME, np.array([False, True, True, False]))
    assert [known.tolist() for known in encoding.categories] == [["a", None], [10, None]]


def test_order_of_rows_and_of_declared_categories_is_nothing():
    other = FRAME.iloc[::-1].assign(
        k=FRAME["k"].cat.reorder_categories([10, 20, 30], ordered=True).iloc[::-1]
    )
    pd.testing.assert_series_equal(other["x"], FRAME["x"].iloc[::-1])
    for found, expected in zip(encoding_of(other).categories, encoding_of(FRAME).categories, strict=True):
        assert found.tolist() == expected.tolist()


def test_rare_and_unknown_categories_share_a_code():
    counts = [np.array([MIN_CATEGORY_ROWS, MIN_CATEGORY_ROWS - 1, 0]), np.array([1, 99, 99])]
    encoding = encoding_of(FRAME).shared(counts)
    assert [codes.tolist() for codes in encoding.codes] == [[1, SHARED, SHARED], [SHARED, 1, 2]]
    assert encoding.n_codes == (2, 3)
    new = FRAME.assign(t=["new", "a", "b", None])
    assert encoding.encode(read_columns(new, "from_dtype"))[:, 1].tolist() == [SHARED, 1, SHARED, SHARED]


def test_arrays_of_categories_say_all():
    encoding = encoding_of(FRAME)
    texts, numbers = encoding.category_arrays
    assert texts.tolist() == ["a", "b", None]
    np.testing.assert_array_equal(numbers, [10.0, 30.0, np.nan])
    again = Encoding.from_attributes(encoding.attributes)
    columns = read_columns(FRAME, "from_dtype")
    np.testing.assert_array_equal(again.encode(columns), encoding.encode(columns))


@pytest.mark.parametrize(
    ("t", "message"),
    [([1, 2, 1, 2], "column 't' had texts in fit and has numbers now"), ([b"a"] * 4, "has bytes now")],
)
def test_categories_of_another_kind_are_refused(t, message):
    other = FRAME.assign(t=pd.Categorical(t))
    with pytest.raises(TypeError, match=message):
        encoding_of(FRAME).encode(read_columns(other, "from_dtype"))


def test_categories_of_two_kinds_are_refused():
    with pytest.raises(TypeError, match="column 'k' mixes numbers and texts"):
        encoding_of(pd.DataFrame({"k": pd.Categorical(["a", 1])}))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 17, 100, 1000, 99_999])
def test_there_is_room_for_all_and_little_more(n):
    assert n <= room_for(n) < 1.25 * n + 1
    assert room_for(room_for(n)) == room_for(n)
