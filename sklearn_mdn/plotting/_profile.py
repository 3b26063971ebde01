"""Rows that differ in one feature only, for displays of what an estimator says along it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

MAX_CATEGORIES = 40


@dataclass(frozen=True)
class Profile:
    """Rows along one feature.

    Parameters
    ----------
    rows : array-like of shape (m, d)
        What the estimator is asked about, of the type of X.
    x : ndarray of shape (m,)
        The feature in these rows; the number of the category where it holds no numbers.
    x_points : ndarray of shape (n,)
        The feature in the rows of X, NaN where it is missing.
    name : str
        What it is called.
    categories : tuple of m str, or None
        Its values where it holds no numbers.
    fixed : dict
        What the other features are held at, by their names.
    """

    rows: Any
    x: NDArray[np.float64]
    x_points: NDArray[np.float64]
    name: str
    categories: tuple[str, ...] | None = None
    fixed: dict[str, Any] = field(default_factory=dict)


def feature_profile(X: Any, feature: int | str, n_points: int) -> Profile:
    """Rows that differ in one feature only.

    Numbers run evenly over their range, anything else through the values it has. The other features stand at
    their median, or at their most frequent value where they are no numbers. Data frames of pandas, polars and
    what else narwhals knows stay what they are.
    """
    frame = nw.from_native(X, pass_through=True, eager_only=True)
    if isinstance(frame, nw.DataFrame):
        return _frame_profile(frame, feature, n_points)
    X = np.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"X must be of shape (n, n_features), got {X.shape}.")
    index = _column_index(feature, list(range(X.shape[1])))
    columns = [_as_numbers(column) for column in X.T]
    along, typical = _Along.of(columns[index], n_points, f"feature {index}"), [_typical(c) for c in columns]
    kind = np.float64 if all(column.dtype.kind == "f" for column in columns) else object
    rows = np.empty((len(along.x), X.shape[1]), dtype=kind)
    for j, value in enumerate(typical):
        rows[:, j] = along.values if j == index else value
    fixed = {f"feature {j}": value for j, value in enumerate(typical) if j != index}
    name = "x" if X.shape[1] == 1 else f"feature {index}"
    return Profile(rows, along.x, along.x_points, name, along.categories, fixed)


def _frame_profile(frame: nw.DataFrame[Any], feature: int | str, n_points: int) -> Profile:
    name = frame.columns[_column_index(feature, frame.columns)]
    own = frame.get_column(name)
    numeric = own.dtype.is_numeric()
    ordered = own.cat.get_categories().to_list() if isinstance(own.dtype, (nw.Categorical, nw.Enum)) else ()
    along = _Along.of(_numbers(own) if numeric else _objects(own), n_points, repr(name), ordered)
    columns: list[nw.Series[Any]] = []
    fixed: dict[str, Any] = {}
    for column in map(frame.get_column, frame.columns):
        if column.name == name and not numeric:
            # Taken from the rows of the frame, so that columns that are no numbers keep their types.
            columns.append(nw.maybe_reset_index(column[along.places]))
            continue
        if column.dtype.is_numeric():
            typical = _typical(_numbers(column))
            run = along.values if column.name == name else np.full(len(along.x), typical)
            columns.append(nw.new_series(column.name, run, nw.Float64, backend=frame.implementation))
        else:
            place = _most_frequent(_objects(column))
            typical = column.to_list()[place]
            columns.append(nw.maybe_reset_index(column[[place] * len(along.x)]))
        if column.name != name:
            fixed[str(column.name)] = typical
    rows = nw.maybe_reset_index(frame[[0] * len(along.x)]).with_columns(*columns).to_native()
    return Profile(rows, along.x, along.x_points, str(name), along.categories, fixed)


@dataclass(frozen=True)
class _Along:
    """The feature that is not held fixed: its values in the profile, and where they stand."""

    values: NDArray[Any]
    x: NDArray[np.float64]
    x_points: NDArray[np.float64]
    categories: tuple[str, ...] | None = None
    places: tuple[int, ...] = ()  # a row that holds each category

    @classmethod
    def of(cls, column: NDArray[Any], n_points: int, name: str, ordered: Sequence[Any] = ()) -> _Along:
        if column.dtype.kind == "f":
            if np.isnan(column).all():
                raise ValueError(f"feature must hold a value, got nothing but missing values in {name}.")
            run = np.linspace(np.nanmin(column), np.nanmax(column), n_points)
            return cls(run, run, column)
        keys = _keys(column)
        first = {key: place for place, key in reversed(list(enumerate(keys))) if key is not None}
        if not first or len(first) > MAX_CATEGORIES:
            raise ValueError(
                f"feature must hold numbers or at most {MAX_CATEGORIES} different values, got {len(first)} "
                f"in {name}."
            )
        order = [entry for entry in ordered if entry in first] or sorted(first, key=_rank)
        number = {key: float(position) for position, key in enumerate(order)}
        places = tuple(first[key] for key in order)
        values = np.empty(len(places), dtype=object)
        values[:] = [column[place] for place in places]
        points = np.array([np.nan if key is None else number[key] for key in keys])
        return cls(values, np.arange(len(places), dtype=np.float64), points, tuple(map(str, values)), places)


def _rank(value: Any) -> tuple[Any, ...]:
    """Categories in the order of the alphabet, those that are numbers in their own."""
    return (0, float(value), "") if isinstance(value, (int, float, np.number)) else (1, 0.0, str(value))


def _as_numbers(column: NDArray[Any]) -> NDArray[Any]:
    """A column of an array as float64 if it holds numbers, else as it is."""
    if any(isinstance(entry, str) for entry in column):
        return column.astype(object)
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return column.astype(object)


def _numbers(column: nw.Series[Any]) -> NDArray[np.float64]:
    return column.cast(nw.Float64).fill_null(np.nan).to_numpy()


def _objects(column: nw.Series[Any]) -> NDArray[Any]:
    """Entries of a column that holds no numbers, None where they are missing."""
    missing = column.is_null().to_list()
    entries = np.empty(len(column), dtype=object)
    entries[:] = [None if gap else entry for entry, gap in zip(column.to_list(), missing, strict=True)]
    return entries


def _keys(column: NDArray[Any]) -> list[Hashable]:
    """What tells the entries apart, None for a missing one; a list, say, has no hash but a description."""
    return [None if _is_missing(entry) else entry if _hashable(entry) else repr(entry) for entry in column]


def _is_missing(entry: object) -> bool:
    return entry is None or (isinstance(entry, float) and bool(np.isnan(entry)))


def _hashable(entry: object) -> bool:
    try:
        hash(entry)
    except TypeError:
        return False
    return True


def _most_frequent(column: NDArray[Any]) -> int:
    """The first row that holds the most frequent value."""
    keys = _keys(column)
    times: Iterable[Hashable] = [key for key in keys if key is not None] or keys
    (typical, _), *_ = Counter(times).most_common(1)
    return keys.index(typical)


def _typical(column: NDArray[Any]) -> Any:
    """The median of numbers, the most frequent of other values."""
    if column.dtype.kind != "f":
        return column[_most_frequent(column)]
    return np.nan if np.isnan(column).all() else float(np.nanmedian(column))


def _column_index(feature: int | str, columns: list[Any]) -> int:
    """Which column is meant by a name or an index."""
    if isinstance(feature, str) and feature in columns:
        return columns.index(feature)
    if isinstance(feature, Integral) and -len(columns) <= feature < len(columns):
        return int(feature) % len(columns)
    raise ValueError(
        f"feature must be one of the {len(columns)} columns of X, an index or a name of a data frame's, "
        f"got {feature!r}."
    )
