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
from sklearn.utils.validation import _num_samples, check_X_y, column_or_1d

from sklearn_mdn._distributions.records import Grid, Records, check_grid, found_step
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
    columns: Columns, y: Any, estimator: BaseEstimator, y_upper: Any = None, min_rows: int = 2
) -> NDArray[np.float64]:
    """Targets beside the columns of X, one a row; scikit-learn's own checks of the shapes of both.

    With ``y_upper`` they may be minus infinity.
    """
    check_lengths(len(columns), y)
    values = y
    if y_upper is not None:
        values = np.array(y, dtype=np.float64)
        values[np.isneginf(values)] = 0.0
    _, values = check_X_y(
        stand_in(columns), values, multi_output=True, ensure_min_samples=min_rows, estimator=estimator
    )
    return np.asarray(values if y_upper is None else y, dtype=np.float64).reshape(values.shape)


def grid_of(resolution: Any, records: Records, names: Sequence[str | int] | None) -> Grid:
    """The grids that recorded values lie on, one a target: as ``resolution`` says, or found."""
    n_targets = records.place.shape[1]
    steps = np.asarray(resolution, dtype=object)
    auto = isinstance(resolution, str)
    numbers = [isinstance(step, Real) and 0.0 <= float(step) < np.inf for step in steps.flat]
    if not (auto and resolution == "auto") and (not all(numbers) or steps.shape not in ((), (n_targets,))):
        raise ValueError(
            'resolution must be "auto", a number that is not negative, or one for each of the '
            f"{n_targets} targets (0 where values were recorded as they are), got {resolution!r}."
        )
    found, offsets = [], []
    for j, step in enumerate(np.broadcast_to(steps, n_targets)):
        values = records.place[records.exact[:, j], j]
        found.append(found_step(values) if auto else float(step))
        offsets.append(
            check_grid(values, found[-1], target=of_target(names, j, n_targets)) if found[-1] else 0.0
        )
    return Grid(np.array(found), np.array(offsets))


def check_on(grid: Grid, records: Records, names: Sequence[str | int] | None, argument: str) -> None:
    """Refuse values that do not lie on the grid of those before."""
    for j, (step, offset) in enumerate(zip(grid.step.tolist(), grid.offset.tolist(), strict=True)):
        values = records.place[records.exact[:, j], j]
        if step:
            check_grid(values, step, offset, argument, of_target(names, j, len(grid.step)))


def check_independent(table: Table, covariance_type: str) -> None:
    """Refuse intervals whose probabilities have no closed form."""
    n_targets = table.y.shape[1]
    if n_targets > 1 and covariance_type in ("full", "tied") and table.reach is not None:
        raise ValueError(
            "y_upper, resolution and limits need targets that are independent within components, "
            f"covariance_type='diag' or 'spherical', got {covariance_type!r} and {n_targets} targets."
        )


def of_target(names: Sequence[str | int] | None, number: int, n_targets: int) -> str:
    """Which target, if there are several."""
    return "" if n_targets == 1 else f" of target {number if names is None else names[number]!r}"


def check_lengths(n_rows: int, y: Any) -> None:
    """Refuse targets that are not one a row; scikit-learn's error does not say which is which."""
    if y is not None and (n_targets := _num_samples(y)) != n_rows:
        raise ValueError(
            f"y must have an entry for each row of X: X has {n_rows} rows, and y has {n_targets} entries."
        )


def stand_in(columns: Columns) -> NDArray[np.float64]:
    """An array of the shape of the table, for checks of its shape."""
    return np.broadcast_to(0.0, (len(columns), len(columns.names)))


def weighted_table(
    columns: Columns,
    records: Records,
    sample_weight: ArrayLike | None,
    encoding: Encoding | None,
    min_rows: int,
    group: NDArray[np.float64] | None = None,
    n_bins: int = 0,
) -> tuple[Table, Encoding]:
    """The rows in canonical order, and their categories; too few rows that count are refused."""
    if sample_weight is not None:
        sample_weight = check_row_weights(sample_weight, columns.numbers)
        n_rows = np.count_nonzero(present_rows(sample_weight, len(columns)))
        if n_rows < min_rows:
            raise ValueError(f"sample_weight must be positive for at least {min_rows} rows, got {n_rows}.")
    reach = None if records.exact.all() else records.reach
    return encoded_rows(columns, records.place, sample_weight, encoding, group, reach, n_bins)


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
    with naming("groups"):
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
