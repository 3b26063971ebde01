"""Arguments of ``fit``: what is refused before work starts, and what is made of the rest."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from numbers import Real
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_X_y, column_or_1d

from sklearn_mdn._distributions.row_weights import check_row_weights
from sklearn_mdn._estimators.rows import Table, encoded_rows, present_rows
from sklearn_mdn._tables.columns import Columns
from sklearn_mdn._tables.encoding import Encoding

# Quartiles of a normal distribution are so many standard deviations apart. A standard deviation that is so
# many times what they say is made by few values.
NORMAL_QUARTILES = 1.349
FAR = 100.0


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Put the argument's name before the errors of checks that know it as X or sample_weight."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{argument}: {error}") from None


def check_targets_of(
    columns: Columns, y: Any, estimator: BaseEstimator, min_rows: int = 2
) -> NDArray[np.float64]:
    """Targets beside the columns of X, one a row; scikit-learn's own checks of the shapes of both."""
    _, y = check_X_y(
        stand_in(columns), y, multi_output=True, ensure_min_samples=min_rows, estimator=estimator
    )
    return np.asarray(y, dtype=np.float64)


def stand_in(columns: Columns) -> NDArray[np.float64]:
    """An array of the shape of the table, for checks of its shape."""
    return np.broadcast_to(0.0, (len(columns), len(columns.names)))


def weighted_table(
    columns: Columns,
    y: NDArray[np.float64],
    sample_weight: ArrayLike | None,
    encoding: Encoding | None,
    min_rows: int,
    group: NDArray[np.float64] | None = None,
) -> tuple[Table, Encoding]:
    """The rows in canonical order, and their categories; too few rows that count are refused."""
    if sample_weight is not None:
        sample_weight = check_row_weights(sample_weight, columns.numbers)
        n_rows = np.count_nonzero(present_rows(sample_weight, len(columns)))
        if n_rows < min_rows:
            raise ValueError(f"sample_weight must be positive for at least {min_rows} rows, got {n_rows}.")
    return encoded_rows(columns, y.reshape(len(y), -1), sample_weight, encoding, group)


def names_of_targets(y: Any) -> tuple[str, ...] | None:
    """Names of the columns of y, or of the series that it is, where all are texts."""
    native = nw.from_native(y, pass_through=True, eager_only=True, allow_series=True)
    if isinstance(native, nw.DataFrame):
        names = list(native.columns)
    elif isinstance(native, nw.Series):
        names = [native.name]
    else:
        return None
    return tuple(names) if names and all(isinstance(name, str) and name for name in names) else None


def group_keys(groups: ArrayLike | None, n_rows: int) -> NDArray[np.float64] | None:
    """A number in [0, 1) for the group of each row, which hangs on its label alone; None for one group."""
    if groups is None:
        return None
    labels = column_or_1d(groups, input_name="groups").tolist()
    if len(labels) != n_rows:
        raise ValueError(f"groups must have an entry for each of the {n_rows} rows of X, got {len(labels)}.")
    different = set(labels)
    if any(label is None or label != label for label in different):
        raise ValueError("groups must have no gaps, got None or NaN.")
    if len(different) < 2:
        warnings.warn("groups hold one group only, of which rows are held out.", UserWarning, stacklevel=7)
        return None

    def key(label: Any) -> float:
        text = repr(float(label)) if isinstance(label, Real) else repr(label)
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2.0**64

    key_of = {label: key(label) for label in different}
    return np.array([key_of[label] for label in labels])


def warn_of_far_values(table: Table, names: Sequence[str], targets: Sequence[str | int]) -> None:
    """Say which columns a few values stretch so far that the others are all alike to a network.

    It sees columns in units of their standard deviations, and no deviation of the target is smaller than the
    square root of ``reg_covar``, 0.001 of these units.
    """
    for argument, labels, values in (("X", names, table.x), ("y", targets, table.y)):
        for column, label in enumerate(labels):
            own = values[:, column : column + 1][:, 0]
            with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of columns that are all gaps
                lower, middle, upper = np.nanquantile(own, [0.25, 0.5, 0.75])
                spread = (upper - lower) / NORMAL_QUARTILES
                far = spread > 0.0 and np.nanstd(own) > FAR * spread
            if not far:
                continue
            distance = np.abs(own - middle)
            n_far = np.count_nonzero(distance > FAR * spread)
            effect = "predicted densities may be far too wide" if argument == "y" else "it may tell nothing"
            warnings.warn(
                f"{argument} has {n_far} of {len(values)} values far out in column {label!r}, up to "
                f"{own[distance.argmax()]:.3g} where half lie between {lower:.3g} and "
                f"{upper:.3g}. They make its standard deviation, which is the unit of a fit, so that "
                f"{effect}: correct or drop them, clip them, or transform the column (its logarithm, say).",
                UserWarning,
                stacklevel=6,
            )
