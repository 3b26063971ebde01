"""Rows of training data in one order whatever order they come in, and their standardisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from sklearn_mdn._distributions.bounds import BoundTransformer
from sklearn_mdn._distributions.records import Grid
from sklearn_mdn._estimators.folds import row_keys
from sklearn_mdn._mixtures.recorded import log_probability
from sklearn_mdn._tables.columns import Columns
from sklearn_mdn._tables.encoding import Encoding

# Weights of rows are known to so many bits relative to the smallest one, and those that are smaller than this
# share of the largest one are 0.
WEIGHT_BITS = 40

SMALLEST_WEIGHT = 1e-100

# The unit of a censored target is found in so many steps, by about so many rows.
UNIT_STEPS, RECORDS_OF_UNIT = 50, 10_000


@final
@dataclass(frozen=True)
class Table:
    """Rows in an order that depends only on the set of rows: x (n, d), y (n, D), weight (n,).

    The columns of x are numbers, NaN for a gap, and then codes of categories. ``group`` (n,) has a number for
    what each row belongs to. With ``reach`` (n, D), targets are records, of which y has the places.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    group: NDArray[np.float64] | None = None
    reach: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.weight)

    def head(self, n_rows: int) -> Table:
        group = None if self.group is None else self.group[:n_rows]
        reach = None if self.reach is None else self.reach[:n_rows]
        return Table(self.x[:n_rows], self.y[:n_rows], self.weight[:n_rows], group, reach)

    @property
    def observed(self) -> NDArray[np.float64]:
        """What a likelihood is of: targets (n, D), or places and reaches (n, 2 D)."""
        return self.y if self.reach is None else np.concatenate([self.y, self.reach], axis=1)


def canonical_rows(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    group: NDArray[np.float64] | None = None,
    reach: NDArray[np.float64] | None = None,
) -> Table:
    """Drop rows of weight 0, merge equal rows by adding their weights, sort, scale weights to mean 1.

    Weighted and repeated data, weights on any scale, and any order of rows become the same arrays, so
    that a fit to them is the same to the last bit. Equal rows of different groups stay apart.
    """
    present = present_rows(weight, len(x))
    weight = np.ones(len(x)) if weight is None else weight / weight.max()
    observed = y if reach is None else np.concatenate([y, reach], axis=1)
    parts = [x, observed, *([] if group is None else [group[:, None]]), weight[:, None]]
    rows = np.concatenate(parts, axis=1)[present]
    rows = rows + 0.0  # -0.0 becomes 0.0
    rows[np.isnan(rows)] = np.inf  # a gap equals a gap, and no other number of x is infinite
    rows = rows[np.lexsort(rows.T[::-1])]
    differs = np.any(rows[1:, :-1] != rows[:-1, :-1], axis=1)
    first = np.flatnonzero(np.concatenate([[True], differs]))
    merged = counted(np.add.reduceat(rows[:, -1], first))
    n_features, n_targets, n_values = x.shape[1], y.shape[1], x.shape[1] + observed.shape[1]
    observed = rows[first, n_features:n_values]
    kept = np.ascontiguousarray(rows[first, :n_features])
    kept[np.isinf(kept)] = np.nan
    return Table(
        x=kept,
        y=np.ascontiguousarray(observed[:, :n_targets]),
        weight=merged * (len(merged) / merged.sum()),
        group=None if group is None else rows[first, n_values].copy(),
        reach=None if reach is None else np.ascontiguousarray(observed[:, n_targets:]),
    )


def present_rows(weight: NDArray[np.float64] | None, n_rows: int) -> NDArray[np.bool_]:
    """Which rows count: those whose weight is not 0 beside the largest one."""
    return np.ones(n_rows, dtype=bool) if weight is None else weight / weight.max() > SMALLEST_WEIGHT


def encoded_rows(
    columns: Columns,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    encoding: Encoding | None = None,
    group: NDArray[np.float64] | None = None,
    reach: NDArray[np.float64] | None = None,
) -> tuple[Table, Encoding]:
    """The rows of a table in canonical order, and its categories, found here if they are not given.

    Which categories are rare is counted in distinct rows: a row of weight 2 is the row twice.
    """
    if encoding is not None:
        return canonical_rows(encoding.encode(columns), y, weight, group, reach), encoding
    every = Encoding.of(columns, present_rows(weight, len(columns)))
    table = canonical_rows(every.encode(columns), y, weight, group, reach)
    codes = table.x[:, every.n_numbers :].T.astype(np.int64)  # numbered from 1
    counts = [
        np.bincount(column, minlength=len(known) + 1)[1:]
        for column, known in zip(codes, every.categories, strict=True)
    ]
    encoding = every.shared(counts)
    for i, (column, kept) in enumerate(zip(codes, encoding.codes, strict=True)):
        table.x[:, every.n_numbers + i] = kept[column - 1]
    return table, encoding


def counted(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights in units of the smallest one, without the rounding that another scale would have left.

    Integers again where they were integers: which rows have reached just half of all weight, say, must not
    hang on the last bit.
    """
    mantissa, exponent = np.frexp(weight / weight.min())
    units: NDArray[np.float64] = np.ldexp(np.round(np.ldexp(mantissa, WEIGHT_BITS)), exponent - WEIGHT_BITS)
    return units


def fitted_scaler(values: NDArray[np.float64], weight: NDArray[np.float64], name: str) -> StandardScaler:
    """Weighted means and standard deviations of columns, gaps left out; 1 for a constant one."""
    present = np.isfinite(values)
    empty = ~present.any(axis=0)
    if empty.any():
        values, present = np.where(empty, 0.0, values), present | empty
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler().fit(values, sample_weight=weight)
        spread = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
    # StandardScaler takes a spread below n eps |mean| for rounding, and squares that underflow for none.
    hidden = (scaler.scale_ == 1.0) & (scaler.var_ != 1.0) & (spread > 0.0)
    if hidden.any():
        start = values[present.argmax(axis=0), np.arange(values.shape[1])]
        closer = StandardScaler().fit((values - start)[:, hidden] / spread[hidden], sample_weight=weight)
        scaler.mean_[hidden] = start[hidden] + spread[hidden] * closer.mean_
        scaler.scale_[hidden] = spread[hidden] * closer.scale_
    if not np.isfinite(scaler.var_).all():
        raise ValueError(
            f"{name} must have a variance that a float64 can hold, got values as large as "
            f"{np.nanmax(np.abs(values)):.3g}."
        )
    return scaler


def spread_within(reach: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of targets within the intervals that they lie in, (D,).

    That of uniform distributions; where an end is open nothing is known. A unit that is smaller would make
    intervals so wide that a network has to find out first where they end.
    """
    known = np.isfinite(reach)
    shares = np.where(known, weight[:, np.newaxis], 0.0)
    squares = (shares * np.where(known, reach, 0.0) ** 2).sum(0) / np.maximum(shares.sum(0), SMALLEST_WEIGHT)
    deviation: NDArray[np.float64] = np.sqrt(squares / 3.0)
    return deviation


def normal_of_records(
    table: Table, mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of targets that are censored, (D,) each; given those of places for a start.

    The most likely normal distribution by EM (Dempster, Laird and Rubin 1977, section 4.2): with a and b as
    `recorded.log_probability` has them, a record has the expectation mean + deviation a and the variance
    deviation^2 (1 + b - a^2). Where all that is known lies on one side, it does not get far.
    """
    assert table.reach is not None
    some = slice(None, None, max(1, len(table) // RECORDS_OF_UNIT))
    place, reach = torch.from_numpy(table.y[some]), torch.from_numpy(table.reach[some])
    weight = table.weight[some, np.newaxis] / table.weight[some].sum()
    censored = np.isinf(table.reach).any(axis=0)
    for _ in range(UNIT_STEPS if censored.any() else 0):
        start = torch.from_numpy(mean), torch.from_numpy(deviation)
        _, a, b = (t.numpy() for t in log_probability((place - start[0]) / start[1], reach / start[1]))
        found = mean + deviation * (weight * a).sum(0)
        variance = (weight * (1.0 + b - a**2)).sum(0) + (weight * (a - (found - mean) / deviation) ** 2).sum(
            0
        )
        scale = np.where(censored, deviation * np.sqrt(np.maximum(variance, 1e-6)), deviation)
        mean, deviation = np.where(censored, found, mean), scale
    return mean, deviation


@final
@dataclass(frozen=True)
class Standardization:
    """The affine maps of numbers and targets to mean 0 and standard deviation 1 on the training rows.

    ``x_gaps`` marks the columns of numbers in which training rows have gaps. A gap in another one is replaced
    by the mean.
    """

    x_offset: NDArray[np.float64]
    x_scale: NDArray[np.float64]
    x_gaps: NDArray[np.bool_]
    y_offset: NDArray[np.float64]
    y_scale: NDArray[np.float64]

    @classmethod
    def of(cls, table: Table, n_numbers: int) -> Standardization:
        numbers = table.x[:, :n_numbers]
        gaps, y_scaler = np.any(np.isnan(numbers), axis=0), fitted_scaler(table.y, table.weight, "y")
        y_offset, y_scale = y_scaler.mean_, y_scaler.scale_
        if table.reach is not None:
            least = spread_within(table.reach, table.weight)
            constant = (np.ptp(table.y, axis=0) == 0.0) & (least > 0.0)
            y_scale = np.where(constant, least, np.maximum(y_scale, least))
            y_offset, y_scale = normal_of_records(table, y_offset, y_scale)
        offset, scale = np.zeros(n_numbers), np.ones(n_numbers)
        if n_numbers:
            x_scaler = fitted_scaler(numbers, table.weight, "X")
            offset, scale = x_scaler.mean_, x_scaler.scale_
        return cls(offset, scale, gaps, y_offset, y_scale)

    def x(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised numbers, and behind them the codes as they are."""
        n_numbers = len(self.x_offset)
        numbers = (values[:, :n_numbers] - self.x_offset) / self.x_scale
        numbers[np.isnan(numbers) & ~self.x_gaps] = 0.0
        return numbers if n_numbers == values.shape[1] else np.hstack([numbers, values[:, n_numbers:]])

    def y(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values - self.y_offset) / self.y_scale

    def reach(self, parts: Sequence[Table]) -> NDArray[np.float64] | None:
        """Reaches of tables one below the other; None where all targets are values."""
        if all(part.reach is None for part in parts):
            return None
        reaches = [np.zeros_like(part.y) if part.reach is None else part.reach for part in parts]
        return np.concatenate(reaches) / self.y_scale


@final
@dataclass(frozen=True)
class TrainingSet:
    """Standardised rows: ``n_train`` to train on, then those that only early stopping watches."""

    rows: Table
    n_train: int
    encoding: Encoding
    standardization: Standardization
    target_ndim: int
    column_names: tuple[str, ...]
    target_names: tuple[str, ...] | None
    grid: Grid | None = None
    transformer: BoundTransformer | None = None

    @classmethod
    def of(
        cls,
        table: Table,
        watched: Table | None,
        encoding: Encoding,
        standardization: Standardization,
        target_ndim: int,
        column_names: tuple[str, ...],
        target_names: tuple[str, ...] | None,
        grid: Grid | None = None,
        transformer: BoundTransformer | None = None,
    ) -> TrainingSet:
        parts = [table] if watched is None else [table, watched]
        rows = Table(
            x=standardization.x(np.concatenate([part.x for part in parts])),
            y=standardization.y(np.concatenate([part.y for part in parts])),
            weight=np.concatenate([part.weight for part in parts]),
            group=table.group,
            reach=standardization.reach(parts),
        )
        names = column_names, target_names
        return cls(rows, len(table), encoding, standardization, target_ndim, *names, grid, transformer)

    def keys(self, seed: int) -> NDArray[np.float64]:
        """A number in [0, 1) for each training row, its group's or its own, on which its fold hangs.

        Standardised values count to a millionth, so that units, and how they are rounded, are nothing to it.
        """
        table = self.rows.head(self.n_train)
        if table.group is not None:
            return row_keys(table.group[:, np.newaxis], seed)
        return row_keys(np.round(np.hstack([table.x, table.y]) * 2.0**20), seed)

    @property
    def hidden(self) -> NDArray[np.float64]:
        """How often training hides each row's categories, (n, c): 1 / (r + 1) for one that has r rows.

        So each category stands once in an epoch, about, for one that is not known, whatever its size.
        """
        codes = self.rows.x[:, self.encoding.n_numbers :].astype(np.int64)
        counts = [np.bincount(column[: self.n_train], minlength=column.max() + 1) for column in codes.T]
        shares = [1.0 / (count[column] + 1.0) for count, column in zip(counts, codes.T, strict=True)]
        return np.stack(shares, axis=1) if shares else np.empty(codes.shape)

    def log_units(self, rows: NDArray[np.intp]) -> float:
        """What the mean log-likelihood of these rows gains in standardised units.

        A density has its unit, that of a probability is 1.
        """
        scaler, table = self.standardization, self.rows
        log_scale = np.log(scaler.y_scale)
        if not len(rows) or (table.reach is None and self.transformer is None):
            return float(log_scale.sum())
        weight = table.weight[rows]
        exact = np.full(table.y[rows].shape, True) if table.reach is None else table.reach[rows] == 0.0
        if self.transformer is None:
            return float(weight @ (exact @ log_scale) / weight.sum())
        z = scaler.y_offset + scaler.y_scale * table.y[rows]
        slope = self.transformer.derivative(self.transformer.inverse_transform(z))
        units = np.where(exact, log_scale - np.log(slope), 0.0).sum(axis=1)
        return float(weight @ units / weight.sum())

    @property
    def n_watched(self) -> int:
        return len(self.rows) - self.n_train
