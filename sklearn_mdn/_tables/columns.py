"""A table as its columns: which are numbers, which are categories, and what stands in them.

Data frames of pandas, polars, pyarrow and what else narwhals knows, and arrays. What a column is, its type
decides, or a user's list of categorical columns; what it holds comes out as float64 with NaN for gaps, or as
labels with None for gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, final

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_array

Labels = NDArray[np.object_]
Mask = NDArray[np.bool_]

# The types of columns that are categories by themselves.
CATEGORICAL_TYPES = (nw.Categorical, nw.Enum, nw.String)
LEAVE_IT_OUT = "Leave it out, or turn it into numbers."
WAY_OUT = {
    nw.Datetime: "Turn it into numbers first, such as days since a date, the hour or the month.",
    nw.Date: "Turn it into numbers first, such as days since a date, the weekday or the month.",
    nw.Time: "Turn it into numbers first, such as hours.",
    nw.Duration: "Turn it into numbers first, such as seconds.",
}


@final
@dataclass(frozen=True)
class Columns:
    """What a table holds: ``numbers`` (n, .) with NaN for gaps, ``labels`` with None for gaps.

    Numbers are float64, or float32 as they came.
    """

    names: tuple[str, ...]
    is_categorical: Mask
    numbers: NDArray[np.floating[Any]]
    labels: tuple[Labels, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def categorical_names(self) -> list[str]:
        return [name for name, chosen in zip(self.names, self.is_categorical, strict=True) if chosen]


def read_columns(X: Any, categorical: Any) -> Columns:
    """The columns of X.

    ``categorical`` is "from_dtype", None, or an array of bool, int or str that says which are categories.
    """
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed for X, but dense data is required. A one-hot step makes dense columns "
            "with sparse_output=False; categories can also be given as they are, in a data frame."
        )
    frame = nw.from_native(X, pass_through=True, eager_only=True)
    columns = _of_frame(frame, categorical) if isinstance(frame, nw.DataFrame) else _of_array(X, categorical)
    _check_finite(columns)
    return columns


def plain_columns(X: Any, is_categorical: Mask) -> Columns | None:
    """The columns of an array that is as it should be, or None where there is more to be said of X.

    It is what ``read_columns`` finds, without the many questions that decide what X might be.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in (np.float64, np.float32):
        return None
    if not len(X) or X.shape[1] != len(is_categorical) or is_categorical.any():
        return None
    columns = Columns(tuple(map(str, range(X.shape[1]))), is_categorical, X, ())
    _check_finite(columns)
    return columns


def _check_finite(columns: Columns) -> None:
    """Refuse infinite numbers; gaps are NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(columns.numbers.sum()):  # as it cannot be with an infinity among them
            return
    infinite = np.array([np.isinf(column).any() for column in columns.numbers.T], dtype=bool)
    if infinite.any():
        place = np.flatnonzero(~columns.is_categorical)[np.argmax(infinite)]
        raise ValueError(
            f"Input X contains infinity or a value too large for dtype('float64') in column "
            f"{columns.names[place]!r}. A gap is NaN, None or null."
        )


def _of_frame(frame: nw.DataFrame[Any], categorical: Any) -> Columns:
    names = tuple(str(name) for name in frame.columns)
    chosen = _declared(categorical, len(names), frame.columns)
    read = [
        _read_series(column, name, choice)
        for column, name, choice in zip(frame.iter_columns(), names, chosen, strict=True)
    ]
    return _assembled(names, read, len(frame))


def _of_array(X: Any, categorical: Any) -> Columns:
    given = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=0, input_name="X")
    if not isinstance(X, np.ndarray) and given.dtype.kind in "SU":
        # A list of lists may mix texts and numbers, which NumPy would all make texts.
        given = check_array(X, dtype=object, ensure_all_finite=False, ensure_min_samples=0)
    if given.dtype.kind in "mM":
        raise TypeError(f"X must hold numbers and categories, got an array of {given.dtype}. {LEAVE_IT_OUT}")
    names = tuple(str(i) for i in range(given.shape[1]))
    chosen = _declared(categorical, len(names), None)
    if given.dtype.kind not in "OSU":
        mask = np.array([choice is True for choice in chosen], dtype=bool)
        types = [np.float64, np.float32]
        numbers = check_array(given, dtype=types, ensure_all_finite=False, ensure_min_samples=0)
        labels = tuple(_number_labels(numbers[:, i]) for i in np.flatnonzero(mask))
        return Columns(names, mask, numbers[:, ~mask] if mask.any() else numbers, labels)
    read = [
        _read_objects(given[:, i].tolist(), name, chosen[i], str(given.dtype)) for i, name in enumerate(names)
    ]
    return _assembled(names, read, len(given))


def _assembled(names: tuple[str, ...], read: list[tuple[bool, NDArray[Any]]], n_rows: int) -> Columns:
    numbers = [values for is_category, values in read if not is_category]
    narrow = bool(numbers) and all(values.dtype == np.float32 for values in numbers)
    matrix = np.empty((n_rows, len(numbers)), dtype=np.float32 if narrow else np.float64)
    for i, values in enumerate(numbers):
        matrix[:, i] = values
    mask = np.array([is_category for is_category, _ in read], dtype=bool)
    return Columns(names, mask, matrix, tuple(values for is_category, values in read if is_category))


# ---------------------------------------------------------------------------------------- one column


def _read_series(column: Any, name: str, chosen: bool | None) -> tuple[bool, NDArray[Any]]:
    """Whether a column of a frame is of categories, and its values."""
    dtype = column.dtype
    if dtype == nw.Object:
        return _read_objects(_listed(column), name, chosen, "object")
    if dtype.is_numeric() or dtype == nw.Boolean:
        kind = np.float32 if dtype == nw.Float32 else np.float64
        values = column.cast(dtype if kind == np.float32 else nw.Float64)
        values = values.fill_null(np.nan).to_numpy().astype(kind, copy=False)
        return (True, _number_labels(values)) if chosen else (False, values)
    if dtype in CATEGORICAL_TYPES:
        if chosen is False:
            raise TypeError(_not_numbers(name, str(dtype)))
        return True, label_array(_listed(column))
    hint = next((text for kind, text in WAY_OUT.items() if dtype == kind), LEAVE_IT_OUT)
    raise TypeError(f"X must hold numbers and categories, but column {name!r} is of the type {dtype}. {hint}")


def _listed(column: Any) -> list[Any]:
    """Values as Python objects, None for gaps."""
    gaps = column.is_null().to_list()
    return [None if gap else value for value, gap in zip(column.to_list(), gaps, strict=True)]


def _read_objects(values: list[Any], name: str, chosen: bool | None, dtype: str) -> tuple[bool, NDArray[Any]]:
    """Whether a column of Python objects is of categories, and its values."""
    values = [None if _is_gap(value) else value for value in values]
    kinds = {type(value) for value in values if value is not None}
    if not kinds and chosen is None:  # as a category of gaps, which takes whatever comes later
        return True, label_array(values)
    if all(issubclass(kind, (Real, np.bool_)) for kind in kinds):
        numbers = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
        return (True, _number_labels(numbers)) if chosen else (False, numbers)
    if all(issubclass(kind, (str, bytes)) for kind in kinds):
        if chosen is False:
            raise TypeError(_not_numbers(name, dtype))
        return True, label_array(values)
    others = sorted(kind.__name__ for kind in kinds if not issubclass(kind, (str, bytes, Real, np.bool_)))
    if not others:
        raise TypeError(
            f"X must hold columns of numbers or of categories, but column {name!r} mixes numbers and texts. "
            "Turn all of its values into texts, for example by .astype(str), or into numbers."
        )
    if "complex" in others:
        raise ValueError(f"Complex data not supported: column {name!r} of X.")
    raise TypeError(
        f"X must hold numbers and categories, but column {name!r} of the type {dtype} holds values of "
        f"{', '.join(others)}: an argument must be a string or a number. {LEAVE_IT_OUT}"
    )


def _is_gap(value: Any) -> bool:
    """Whether it stands for no value: None, NaN, or what is not equal to itself."""
    if value is None or isinstance(value, (str, bytes)):
        return value is None
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA is neither equal to itself nor not
        return type(value).__name__ == "NAType"


def label_array(values: Iterable[Any]) -> Labels:
    """A flat array of objects, whatever they are."""
    listed = list(values)
    labels = np.empty(len(listed), dtype=object)
    labels[:] = listed
    return labels


def _number_labels(values: NDArray[np.float64]) -> Labels:
    return label_array(None if value != value else value for value in values.tolist())


def _not_numbers(name: str, dtype: str) -> str:
    return (
        f"X must hold numbers in column {name!r}, which is none of the categorical features, got the type "
        f"{dtype}."
    )


# ------------------------------------------------------------------------------ categorical_features


def _declared(categorical: Any, n_columns: int, names: Sequence[Any] | None) -> list[bool | None]:
    """For each column whether it is categorical: True, False, or None where its type decides."""
    if isinstance(categorical, str) and categorical == "from_dtype":
        return [None] * n_columns
    mask: list[bool | None] = [False] * n_columns
    given = np.asarray([] if categorical is None else categorical)
    if given.size == 0:
        return mask
    kind = given.dtype.kind
    if kind == "O" and all(isinstance(value, str) for value in given.flat):
        kind = "U"
    if given.ndim != 1 or kind not in "biuU":
        raise ValueError(
            "categorical_features must be 'from_dtype', None, or a flat array of bool, int or str, got "
            f"{categorical!r}."
        )
    if kind == "b":
        if len(given) != n_columns:
            raise ValueError(
                f"categorical_features must have an entry for each of the {n_columns} columns of X where it "
                f"is an array of bool, got {len(given)}."
            )
        return list(given.tolist())
    for value in given.tolist():
        mask[_place(value, n_columns, names)] = True
    return mask


def _place(value: str | int, n_columns: int, names: Sequence[Any] | None) -> int:
    """Where a column stands that ``categorical_features`` names."""
    if isinstance(value, str):
        if names is None:
            raise ValueError(
                f"categorical_features must hold bool or int where X has no names of columns, got {value!r}."
            )
        if value not in names:
            raise ValueError(
                f"categorical_features must name columns of X, got {value!r}, which is none of "
                f"{', '.join(map(repr, list(names)[:20]))}{', ...' if len(names) > 20 else ''}."
            )
        return list(names).index(value)
    if not 0 <= value < n_columns:
        raise ValueError(
            f"categorical_features must hold indices of the {n_columns} columns of X, from 0 to "
            f"{n_columns - 1}, got {value}."
        )
    return int(value)
