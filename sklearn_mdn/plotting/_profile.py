"""Rows that differ in one feature only, for displays of what an estimator says along it."""

from __future__ import annotations

from collections import Counter
from numbers import Integral

import narwhals.stable.v2 as nw
import numpy as np


def feature_profile(X, feature, n_points: int):
    """Rows that differ in one feature only, its values in X, and its name.

    The feature runs evenly over its range. The others stand at their median, or at their most frequent value
    where they are no numbers. Data frames of pandas, polars and what else narwhals knows stay what they are.
    """
    frame = nw.from_native(X, pass_through=True, eager_only=True)
    if isinstance(frame, nw.DataFrame):
        return _frame_profile(frame, feature, n_points)
    X = np.asarray(X, dtype=np.float64)
    index = _column_index(feature, list(range(X.shape[1])))
    profile = np.tile(np.nanmedian(X, axis=0), (n_points, 1))
    profile[:, index] = _range(X[:, index], n_points)
    return profile, X[:, index], "x" if X.shape[1] == 1 else f"feature {index}"


def _frame_profile(frame: nw.DataFrame, feature, n_points: int):
    name = frame.columns[_column_index(feature, frame.columns)]
    values = frame.get_column(name)
    if not values.dtype.is_numeric():
        raise ValueError(f"feature must be a column of numbers, got {name!r} of type {values.dtype}.")
    # Taken from the rows of the frame, so that columns that are no numbers keep their types and categories.
    profile = nw.maybe_reset_index(frame[[0] * n_points])
    columns, along = [], _numbers(values)
    for column in frame.iter_columns():
        if column.dtype.is_numeric():
            runs = column.name == name
            run = _range(along, n_points) if runs else np.full(n_points, np.nanmedian(_numbers(column)))
            columns.append(nw.new_series(column.name, run, nw.Float64, backend=frame.implementation))
        else:
            entries = column.to_list()
            times = Counter(entry for entry in entries if entry is not None) or Counter(entries)
            typical, _ = times.most_common(1)[0]
            columns.append(nw.maybe_reset_index(column[[entries.index(typical)] * n_points]))
    return profile.with_columns(*columns).to_native(), along, str(name)


def _numbers(column: nw.Series) -> np.ndarray:
    return column.cast(nw.Float64).fill_null(np.nan).to_numpy()


def _range(values: np.ndarray, n_points: int) -> np.ndarray:
    return np.linspace(np.nanmin(values), np.nanmax(values), n_points)


def _column_index(feature, columns: list) -> int:
    """Which column is meant by a name or an index."""
    if isinstance(feature, str) and feature in columns:
        return columns.index(feature)
    if isinstance(feature, Integral) and -len(columns) <= feature < len(columns):
        return int(feature) % len(columns)
    raise ValueError(
        f"feature must be one of the {len(columns)} columns of X, an index or a name of a data frame's, "
        f"got {feature!r}."
    )
