"""Rows of training data in one order whatever order they come in, and their standardisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_mdn._distributions.bounds import BoundTransformer
from sklearn_mdn._distributions.records import Grid
from sklearn_mdn._estimators.folds import row_keys
from sklearn_mdn._estimators.inputs import Inputs, index_type, row_blocks, sorted_rows
from sklearn_mdn._estimators.moments import fitted_scaler
from sklearn_mdn._mixtures.recorded import log_probability
from sklearn_mdn._tables.columns import Columns
from sklearn_mdn._tables.encoding import Encoding
from sklearn_mdn._tables.names import Names

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

    x: Inputs
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    group: NDArray[np.float64] | None = None
    reach: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.weight)

    def head(self, n_rows: int) -> Table:
        group = None if self.group is None else self.group[:n_rows]
        reach = None if self.reach is None else self.reach[:n_rows]
        return Table(self.x.head(n_rows), self.y[:n_rows], self.weight[:n_rows], group, reach)

    @property
    def expected(self) -> NDArray[np.float64]:
        """Targets, (n, D); where they lie in an interval, the mean there of a standard normal variable."""
        if self.reach is None:
            return self.y
        _, expected, _ = log_probability(torch.from_numpy(self.y), torch.from_numpy(self.reach))
        return np.asarray(expected.numpy())

    @property
    def observed(self) -> NDArray[np.float64]:
        """What a likelihood is of: targets (n, D), or places and reaches (n, 2 D)."""
        return self.y if self.reach is None else np.concatenate([self.y, self.reach], axis=1)


def canonical_rows(
    x: Inputs | NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    group: NDArray[np.float64] | None = None,
    reach: NDArray[np.float64] | None = None,
) -> Table:
    """Drop rows of weight 0, merge equal rows by adding their weights, sort, scale weights to mean 1.

    Weighted and repeated data, weights on any scale, and any order of rows become the same arrays, so
    that a fit to them is the same to the last bit. Equal rows of different groups stay apart.
    """
    x = x if isinstance(x, Inputs) else Inputs.of(x)
    present = np.flatnonzero(present_rows(weight, len(x)))
    weight = None if weight is None else weight / weight.max()
    observed = [y] if reach is None else [y, reach]
    columns = [*x.columns, *((values, place) for values in observed for place in range(y.shape[1]))]
    columns += [] if group is None else [(group[:, np.newaxis], 0)]
    n_values = len(columns)
    columns += [] if weight is None else [(weight[:, np.newaxis], 0)]
    order, differs = sorted_rows(columns, present.astype(index_type(len(x))), n_values)
    first = np.flatnonzero(differs)
    if weight is None:
        merged = counted(np.diff(first, append=len(order)).astype(np.float64))
    else:
        merged = counted(np.add.reduceat(weight[order], first))
    order = order[first]
    return Table(
        x=x.take(order),
        y=y[order] + 0.0,  # -0.0 becomes 0.0
        weight=alike(merged * (len(merged) / merged.sum())),
        group=None if group is None else group[order],
        reach=None if reach is None else reach[order] + 0.0,
    )


def alike(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights, as one number that takes no memory for each row where they are equal."""
    return np.broadcast_to(weight[0], weight.shape) if (weight == weight[0]).all() else weight


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
    n_bins: int = 0,
) -> tuple[Table, Encoding]:
    """The rows of a table in canonical order, and its categories, found here if they are not given.

    Which categories are rare is counted in distinct rows: a row of weight 2 is the row twice. Columns of
    numbers are looked at for names where ``n_bins`` are what a network sees of where a number lies.
    """
    if encoding is not None:
        return canonical_rows(inputs_of(columns, encoding), y, weight, group, reach), encoding
    every = Encoding.of(columns, present_rows(weight, len(columns)))
    inputs = inputs_of(columns, every)
    table = canonical_rows(inputs, y, weight, group, reach)
    distinct = table.x[:, every.n_numbers :].T.astype(np.int64)  # numbered from 1
    counts = [
        np.bincount(column, minlength=len(known) + 1)[1:]
        for column, known in zip(distinct, every.categories, strict=True)
    ]
    encoding = every.shared(counts)
    if n_bins:
        names = Names.of(lambda place: table.x[:, place], every.n_numbers, table.y, n_bins)
        encoding = replace(encoding, names=names)
    if not encoding.n_codes:
        return table, encoding
    # Again, now that rare categories share a code; 0 is of rows that do not count.
    recoded = [
        np.concatenate([[0], kept])[column]
        for kept, column in zip(encoding.codes, inputs.codes.T, strict=True)
    ]
    recoded += list(encoding.names.codes_of(columns.numbers).T)
    table = replace(table, x=table.x.recoded(np.stack(recoded, axis=1).astype(np.int32)))
    return table, encoding


def inputs_of(columns: Columns, encoding: Encoding) -> Inputs:
    """The rows of a table, its categories as codes."""
    return Inputs.of(columns.numbers, encoding.codes_of(columns))


def counted(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights in units of the smallest one, without the rounding that another scale would have left.

    Integers again where they were integers: which rows have reached just half of all weight, say, must not
    hang on the last bit.
    """
    mantissa, exponent = np.frexp(weight / weight.min())
    units: NDArray[np.float64] = np.ldexp(np.round(np.ldexp(mantissa, WEIGHT_BITS)), exponent - WEIGHT_BITS)
    return units


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
        y_scaler = fitted_scaler(table.y, table.weight, "y")
        x_scaler = fitted_scaler(table.x, table.weight, "X")
        y_offset, y_scale = y_scaler.mean, y_scaler.scale
        if table.reach is not None:
            least = spread_within(table.reach, table.weight)
            constant = (np.ptp(table.y, axis=0) == 0.0) & (least > 0.0)
            y_scale = np.where(constant, least, np.maximum(y_scale, least))
            y_offset, y_scale = normal_of_records(table, y_offset, y_scale)
        return cls(x_scaler.mean, x_scaler.scale, x_scaler.gaps, y_offset, y_scale)

    def x(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised numbers, and behind them the codes as they are."""
        n_numbers = len(self.x_offset)
        numbers = (values[:, :n_numbers] - self.x_offset) / self.x_scale
        numbers[np.isnan(numbers) & ~self.x_gaps] = 0.0
        return numbers if n_numbers == values.shape[1] else np.hstack([numbers, values[:, n_numbers:]])

    def inputs(self, parts: list[Inputs]) -> Inputs:
        """The same of tables one below the other, when they are asked for."""
        rows = Inputs(tuple(source for part in parts for source in part.parts))
        return replace(rows, offset=self.x_offset, scale=self.x_scale, gaps=self.x_gaps)

    def y(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values - self.y_offset) / self.y_scale

    def reach(self, parts: Sequence[Table]) -> NDArray[np.float64] | None:
        """Reaches of tables one below the other; None where all targets are values."""
        if all(part.reach is None for part in parts):
            return None
        reaches = [np.zeros_like(part.y) if part.reach is None else part.reach for part in parts]
        return np.concatenate(reaches) / self.y_scale


def number_range(x: Inputs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the largest of each column of numbers; of one of gaps its mean, 0."""
    low, high = np.full(x.n_numbers, np.inf), np.full(x.n_numbers, -np.inf)
    for part in row_blocks(len(x), x.at_once):
        numbers = x[part, : x.n_numbers]
        low, high = np.fmin(low, np.fmin.reduce(numbers)), np.fmax(high, np.fmax.reduce(numbers))
    known = low <= high
    return np.where(known, low, 0.0), np.where(known, high, 0.0)


def effective_rows(weight: NDArray[np.float64]) -> float:
    """So many rows of equal weight say as much of a mean (Kish 1965, "Survey sampling")."""
    return float(weight.sum() ** 2 / (weight @ weight))


@final
@dataclass(frozen=True)
class TrainingSet:
    """Standardised rows: ``n_train`` to train on, then those that only early stopping watches.

    ``number_range`` has the least and the largest numbers to train on, and they say as much of a mean as
    ``effective_rows`` of equal weight.
    """

    rows: Table
    n_train: int
    encoding: Encoding
    standardization: Standardization
    target_ndim: int
    column_names: tuple[str, ...]
    target_names: tuple[str, ...] | None
    number_range: tuple[NDArray[np.float64], NDArray[np.float64]]
    effective_rows: float
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
            x=standardization.inputs([part.x for part in parts]),
            y=standardization.y(np.concatenate([part.y for part in parts])),
            weight=np.concatenate([part.weight for part in parts]),
            group=table.group,
            reach=standardization.reach(parts),
        )
        names = column_names, target_names
        of_rows = number_range(rows.x.head(len(table))), effective_rows(table.weight)
        return cls(
            rows, len(table), encoding, standardization, target_ndim, *names, *of_rows, grid, transformer
        )

    def keys(self, seed: int) -> NDArray[np.float64]:
        """A number in [0, 1) for each training row, its group's or its own, on which its fold hangs.

        Standardised values count to a millionth, so that units, and how they are rounded, are nothing to it.
        """
        table, keys = self.rows, np.empty(self.n_train)
        if table.group is not None:
            return row_keys(table.group[:, np.newaxis], seed)
        for part in row_blocks(self.n_train, table.x.at_once):
            values = np.hstack([table.x[part], table.y[part]])
            keys[part] = row_keys(np.round(values * 2.0**20), seed)
        return keys

    @property
    def code_columns(self) -> list[NDArray[np.int64]]:
        """The codes of each categorical column, (n,)."""
        return list(self.rows.x[:, self.encoding.n_numbers :].astype(np.int64).T)

    @property
    def hidden(self) -> NDArray[np.float64]:
        """How often training hides each row's categories, (n, c): 1 / (r + 1) for one that has r rows.

        So each category stands once in an epoch, about, for one that is not known, whatever its size.
        """
        codes = self.code_columns
        counts = [np.bincount(column[: self.n_train], minlength=column.max() + 1) for column in codes]
        shares = [1.0 / (count[column] + 1.0) for count, column in zip(counts, codes, strict=True)]
        return np.stack(shares, axis=1) if shares else np.empty((len(self.rows), 0))

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
    def train(self) -> Table:
        """The rows to train on."""
        return self.rows.head(self.n_train)

    @property
    def n_watched(self) -> int:
        return len(self.rows) - self.n_train
