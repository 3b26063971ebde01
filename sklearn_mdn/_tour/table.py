"""Tables for ``python -m sklearn_mdn``: features as they are, a target, and what is worth knowing of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._tables.columns import read_columns
from sklearn_mdn._tour.reading import Source, TableError, doubt_about, read_source, table_name
from sklearn_mdn._tour.remarks import holds_dates, remarks_on_labels, remarks_on_numbers, spelling_hint

if TYPE_CHECKING:
    import pandas

MIN_ROWS = 20
MAX_NAMES = 20
LARGEST = 1e150  # a sum of squares of such numbers is one that a float64 can hold
WITHOUT_INFINITIES = ".replace([float('inf'), float('-inf')], float('nan'))"
UNNAMED = re.compile(r"Unnamed: \d+")  # what pandas calls a column without a name


@dataclass(frozen=True)
class Table:
    """Features and target of n rows.

    Parameters
    ----------
    name : str
        What the table is called in messages and file names.
    X : DataFrame or ndarray of shape (n, d)
        As MDNRegressor takes it.
    y : ndarray of shape (n,)
        The target, finite.
    columns : list of str
        Names of the features.
    target : str
        Name of the target.
    notes : list of str
        What was left out or may mislead, a sentence each.
    code : tuple of (str, str)
        Python: an import, and an expression for X that may use the fitted ``model``.
    """

    name: str
    X: Any
    y: NDArray[np.float64]
    columns: list[str]
    target: str
    notes: list[str]
    code: tuple[str, str]


def diabetes_table() -> Table:
    """The diabetes data bundled with scikit-learn (Efron, Hastie, Johnstone and Tibshirani 2004)."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    return Table(
        name="diabetes",
        X=data.data,
        y=data.target,
        columns=list(data.feature_names),
        target="disease progression after one year",
        notes=[],
        code=("from sklearn.datasets import load_diabetes", "load_diabetes().data"),
    )


def read_table(path: str | Path, target: str) -> Table:
    """Read a table from a file.

    Parameters
    ----------
    path : str or Path
        What :func:`read_source` takes.
    target : str
        Name of the column to be predicted. Rows without a value in it are left out.

    Returns
    -------
    Table
        Without columns that have no name, hold no value, or hold what is neither numbers nor categories.

    Raises
    ------
    TableError
        When the file cannot be read as such a table.
    """
    source = read_source(path)
    import pandas

    frame = source.frame
    y = _target_values(path, source, target)
    known = ~np.isnan(y)
    if known.sum() < MIN_ROWS:
        raise TableError(
            f"{path}: {known.sum()} rows have a value of '{target}', at least {MIN_ROWS} are needed"
        )
    _check_size(path, target, y)
    if np.ptp(y[known]) == 0.0:
        raise TableError(f"{path}: '{target}' is {y[known][0]:g} in every row, there is nothing to predict")
    notes = list(source.notes)
    if not known.all():
        notes.append(f"{_count((~known).sum(), 'row')} without a value of '{target}' left out.")
    if len(np.unique(y[known])) == 2:
        low, high = np.unique(y[known])
        notes.append(
            f"'{target}' is either {low:g} or {high:g}: a classifier predicts the probability of each."
        )
    kept, call = {}, source.call
    for name in frame.columns:
        if name != target:
            values, column_notes = _feature(path, name, frame[name][known])
            notes += column_notes
            if values is not None:
                kept[name] = values
    if any(_infinite(frame[name]).any() for name in kept):
        call += WITHOUT_INFINITIES
    if not kept:
        raise TableError(f"{path}: no column besides '{target}' holds what can be learned from")
    return Table(
        name=table_name(path),
        X=pandas.DataFrame(kept),
        y=y[known],
        columns=list(kept),
        target=target,
        notes=notes,
        code=("import pandas", f"{call}[model.feature_names_in_]"),
    )


# ------------------------------------------------------------------------------------------ target


def _target_values(path: str | Path, source: Source, target: str) -> NDArray[np.float64]:
    """The target as numbers, NaN for gaps."""
    import pandas

    named = [name for name in source.frame.columns if not UNNAMED.fullmatch(name)]
    if target not in named:
        shown = ", ".join(named[:MAX_NAMES]) + ", ..." * (len(named) > MAX_NAMES)
        raise TableError(f"{path}: no column '{target}'; the columns are {shown}{doubt_about(named)}")
    column = source.frame[target]
    if pandas.api.types.is_datetime64_any_dtype(column) or pandas.api.types.is_timedelta64_dtype(column):
        raise TableError(f"{path}: '{target}' must hold numbers, got the type {column.dtype}")
    given = column.astype(object)
    y = pandas.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.flatnonzero((np.isnan(y) & column.notna().to_numpy()) | np.isinf(y))
    if wrong.size:
        row, value = column.index[wrong[0]] + source.first_row, given.iloc[wrong[0]]
        hint = spelling_hint(str(value))
        if not hint and wrong.size == column.notna().sum():
            hint = " (it holds no numbers at all; classes are for a classifier)"
        raise TableError(f"{path}, row {row}: '{target}' must be a finite number, got '{value}'{hint}")
    return np.asarray(y)


# ---------------------------------------------------------------------------------------- features


def _feature(path: str | Path, name: str, values: pandas.Series) -> tuple[pandas.Series | None, list[str]]:
    """A column as the model takes it (None if it is left out), and remarks on it."""
    if UNNAMED.fullmatch(name):
        return None, ["A column without a name is left out."]
    notes = []
    infinite = _infinite(values)
    if infinite.any():
        notes.append(f"Column '{name}': {_count(infinite.sum(), 'infinite value')}, taken as missing.")
        values = values.mask(infinite)
    n_missing = int(values.isna().sum())
    if n_missing == len(values):
        return None, [*notes, f"Column '{name}' has no values and is left out."]
    if holds_dates(values):
        return None, [
            *notes,
            f"Column '{name}' holds dates and is left out. Turn it into numbers to use it, such as days "
            "since a date, the weekday or the month.",
        ]
    try:
        columns = read_columns(values.to_frame(), "from_dtype")
    except (TypeError, ValueError) as error:
        return None, [*notes, f"Column '{name}' is left out: {error}"]
    if columns.labels:
        labels = columns.labels[0]
        meaning, remarks = "taken as a category", remarks_on_labels(name, labels)
    else:
        numbers = columns.numbers.astype(np.float64)
        _check_size(path, name, numbers)
        meaning = "for which the network learns a number"
        remarks = remarks_on_numbers(name, numbers[:, 0])
    if n_missing:
        notes.append(f"Column '{name}': {_count(n_missing, 'missing value')}, {meaning}.")
    return values, notes + remarks


def _infinite(values: pandas.Series) -> pandas.Series:
    return values.isin([np.inf, -np.inf])


def _check_size(path: str | Path, name: str, values: NDArray[np.floating[Any]]) -> None:
    largest = np.nanmax(np.abs(values))
    if largest > LARGEST:
        raise TableError(f"{path}: '{name}' has values as large as {largest:g}, {LARGEST:g} is the most")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
