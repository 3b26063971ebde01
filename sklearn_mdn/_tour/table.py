"""Tables for ``python -m sklearn_mdn``: a CSV file or the bundled data, and their columns as features."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

DELIMITERS = ",;\t|"
MISSING = {"", "?", "na", "n/a", "nan", "null", "none"}
MIN_ROWS = 20
MAX_CATEGORIES = 20
LARGEST = 1e150  # a sum of squares of such numbers is one that a float64 can hold


class TableError(ValueError):
    """What is wrong with a table, in one line for the person who brought it."""


@dataclass(frozen=True)
class Table:
    """Features and target of n rows.

    Parameters
    ----------
    name : str
        What the table is called in messages and file names.
    X : ndarray of shape (n, d)
        Numbers and texts, NaN where a value is missing.
    y : ndarray of shape (n,)
        The target, finite.
    columns : list of str
        Names of the features.
    numeric, categorical : list of int
        Which columns of X hold numbers and which hold texts.
    target : str
        Name of the target.
    notes : list of str
        What was left out or will be filled in, a sentence each.
    """

    name: str
    X: NDArray[Any]
    y: NDArray[np.float64]
    columns: list[str]
    numeric: list[int]
    categorical: list[int]
    target: str
    notes: list[str]


def diabetes_table() -> Table:
    """The diabetes data bundled with scikit-learn (Efron, Hastie, Johnstone and Tibshirani 2004)."""
    data = load_diabetes()
    columns = list(data.feature_names)
    target = "disease progression after one year"
    return Table("diabetes", data.data, data.target, columns, list(range(len(columns))), [], target, [])


def read_table(path: str | Path, target: str) -> Table:
    """Read a CSV file with a header line.

    Parameters
    ----------
    path : str or Path
        A UTF-8 text file, its fields separated by comma, semicolon, tab or bar.
    target : str
        Name of the column to be predicted. Rows without a value in it are left out.

    Returns
    -------
    Table
        Columns in which every value that is not missing is a finite number are numeric, others are
        categorical. Columns without a name or without any value are left out.

    Raises
    ------
    TableError
        When the file cannot be read as such a table.
    """
    header, rows, lines = _read_rows(path)
    position = _target_position(path, header, target)
    y = _target_values(path, [row[position] for row in rows], lines, target)
    known = ~np.isnan(y)
    if known.sum() < MIN_ROWS:
        raise TableError(
            f"{path}: {known.sum()} rows have a value of '{target}', at least {MIN_ROWS} are needed"
        )
    _check_size(path, target, y)
    if np.ptp(y[known]) == 0.0:
        raise TableError(f"{path}: '{target}' is {y[known][0]:g} in every row, there is nothing to predict")
    notes = []
    if not known.all():
        notes.append(f"{_count((~known).sum(), 'row')} without a value of '{target}' left out.")
    rows = [row for row, keep in zip(rows, known, strict=True) if keep]
    features, kinds = {}, {}
    for index, name in enumerate(header):
        if index == position:
            continue
        values, kinds[name], note = _column(name, [row[index] for row in rows])
        if kinds[name] == "numeric":
            _check_size(path, name, np.array(values))
        notes += [note] if note else []
        if values is not None:
            features[name] = values
    if not features:
        raise TableError(f"{path}: no column besides '{target}' holds any value")
    return Table(
        name=Path(path).stem,
        X=np.column_stack([np.array(values, dtype=object) for values in features.values()]),
        y=y[known],
        columns=list(features),
        numeric=[index for index, name in enumerate(features) if kinds[name] == "numeric"],
        categorical=[index for index, name in enumerate(features) if kinds[name] == "categorical"],
        target=target,
        notes=notes,
    )


def column_pipeline(table: Table) -> Pipeline:
    """From rows like those of ``table``, also in data frames, to complete, standardised features."""
    number = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    text = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", max_categories=MAX_CATEGORIES, sparse_output=False),
    )
    return make_pipeline(
        FunctionTransformer(np.asarray, kw_args={"dtype": object}),
        ColumnTransformer([("numeric", number, table.numeric), ("categorical", text, table.categorical)]),
    )


def _read_rows(path: str | Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and each row's line number."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            numbered = [([field.strip() for field in row], reader.line_num) for row in reader if any(row)]
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise TableError(f"{path}: not a text file in UTF-8") from None
    except csv.Error as error:
        raise TableError(f"{path}: not a CSV file ({error})") from None
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None
    if len(numbered) < 2:
        raise TableError(f"{path}: {'no rows below the header' if numbered else 'the file is empty'}")
    header, rows = numbered[0][0], numbered[1:]
    for row, line in rows:
        if len(row) != len(header):
            raise TableError(f"{path}, line {line}: {len(row)} fields, the header has {len(header)}")
    return header, [row for row, _ in rows], [line for _, line in rows]


def _target_position(path: str | Path, header: Sequence[str], target: str) -> int:
    named = [name for name in header if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise TableError(f"{path}: more than one column is called '{twice[0]}'")
    if target not in named:
        raise TableError(f"{path}: no column '{target}'; the columns are {', '.join(named)}")
    return header.index(target)


def _target_values(
    path: str | Path, texts: Sequence[str], lines: Sequence[int], target: str
) -> NDArray[np.float64]:
    values = [math.nan if _is_missing(text) else _number(text) for text in texts]
    for text, value, line in zip(texts, values, lines, strict=True):
        if value is None:
            raise TableError(f"{path}, line {line}: '{target}' must be a finite number, got '{text}'")
    return np.array(values, dtype=np.float64)


def _check_size(path: str | Path, name: str, values: NDArray[np.float64]) -> None:
    largest = np.nanmax(np.abs(values))
    if largest > LARGEST:
        raise TableError(f"{path}: '{name}' has values as large as {largest:g}, {LARGEST:g} is the most")


def _column(name: str, texts: Sequence[str]) -> tuple[list[float | str] | None, str, str]:
    """Values (None if the column is left out), kind, and what a reader should know of it."""
    if not name:
        return None, "", "A column without a name is left out."
    present = [text for text in texts if not _is_missing(text)]
    n_missing = len(texts) - len(present)
    if not present:
        return None, "", f"Column '{name}' has no values and is left out."
    numeric = all(_number(text) is not None for text in present)
    values: list[Any] = [
        math.nan if _is_missing(text) else _number(text) if numeric else text for text in texts
    ]
    note = ""
    if n_missing:
        filled = (
            "filled with the median of the training rows" if numeric else "kept as a category of their own"
        )
        note = f"Column '{name}': {_count(n_missing, 'missing value')}, {filled}."
    if not numeric and len(set(present)) > MAX_CATEGORIES:
        note += f" Column '{name}': {len(set(present))} different texts, rare ones taken together."
    return values, "numeric" if numeric else "categorical", note.strip()


def _is_missing(text: str) -> bool:
    return text.lower() in MISSING


def _number(text: str) -> float | None:
    """The finite number that ``text`` spells, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    # Python's float also takes digit groups, "1_000", which no other reader of CSV does.
    return value if math.isfinite(value) and "_" not in text else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
