"""Rows of training data in one order whatever order they come in, and their standardisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

# Weights of rows are known to so many bits relative to the smallest one, and those that are smaller than this
# share of the largest one are 0.
WEIGHT_BITS = 40

SMALLEST_WEIGHT = 1e-100


@final
@dataclass(frozen=True)
class Table:
    """Rows in an order that depends only on the set of rows: x (n, d), y (n, D), weight (n,)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.weight)

    def head(self, n_rows: int) -> Table:
        return Table(self.x[:n_rows], self.y[:n_rows], self.weight[:n_rows])


def canonical_rows(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> Table:
    """Drop rows of weight 0, merge equal rows by adding their weights, sort, scale weights to mean 1.

    Weighted and repeated data, weights on any scale, and any order of rows become the same arrays, so
    that a fit to them is the same to the last bit.
    """
    weight = np.ones(len(x)) if weight is None else weight / weight.max()
    rows = np.concatenate([x, y, weight[:, None]], axis=1)[weight > SMALLEST_WEIGHT]
    rows = rows + 0.0  # -0.0 becomes 0.0
    rows = rows[np.lexsort(rows.T[::-1])]
    differs = np.any(rows[1:, :-1] != rows[:-1, :-1], axis=1)
    first = np.flatnonzero(np.concatenate([[True], differs]))
    merged = counted(np.add.reduceat(rows[:, -1], first))
    n_features = x.shape[1]
    return Table(
        x=np.ascontiguousarray(rows[first, :n_features]),
        y=np.ascontiguousarray(rows[first, n_features:-1]),
        weight=merged * (len(merged) / merged.sum()),
    )


def counted(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights in units of the smallest one, without the rounding that another scale would have left.

    Integers again where they were integers: which rows have reached just half of all weight, say, must not
    hang on the last bit.
    """
    mantissa, exponent = np.frexp(weight / weight.min())
    units: NDArray[np.float64] = np.ldexp(np.round(np.ldexp(mantissa, WEIGHT_BITS)), exponent - WEIGHT_BITS)
    return units


def fitted_scaler(values: NDArray[np.float64], weight: NDArray[np.float64], name: str) -> StandardScaler:
    """Weighted means and standard deviations of columns, 1 for a constant one."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler().fit(values, sample_weight=weight)
        spread = np.ptp(values, axis=0)
    # StandardScaler takes a spread below n eps |mean| for rounding, and squares that underflow for none.
    hidden = (scaler.scale_ == 1.0) & (scaler.var_ != 1.0) & (spread > 0.0)
    if hidden.any():
        closer = StandardScaler().fit((values - values[0])[:, hidden] / spread[hidden], sample_weight=weight)
        scaler.mean_[hidden] = values[0, hidden] + spread[hidden] * closer.mean_
        scaler.scale_[hidden] = spread[hidden] * closer.scale_
    if not np.isfinite(scaler.var_).all():
        raise ValueError(
            f"{name} must have a variance that a float64 can hold, got values as large as "
            f"{np.abs(values).max():.3g}."
        )
    return scaler


@final
@dataclass(frozen=True)
class Standardization:
    """The affine maps of inputs and targets to mean 0 and standard deviation 1 on the training rows."""

    x_offset: NDArray[np.float64]
    x_scale: NDArray[np.float64]
    y_offset: NDArray[np.float64]
    y_scale: NDArray[np.float64]

    @classmethod
    def of(cls, table: Table) -> Standardization:
        x_scaler = fitted_scaler(table.x, table.weight, "X")
        y_scaler = fitted_scaler(table.y, table.weight, "y")
        return cls(x_scaler.mean_, x_scaler.scale_, y_scaler.mean_, y_scaler.scale_)

    def x(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values - self.x_offset) / self.x_scale

    def y(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values - self.y_offset) / self.y_scale

    @property
    def log_jacobian(self) -> float:
        """What a log density in standardised units loses in original ones."""
        return float(np.log(self.y_scale).sum())


@final
@dataclass(frozen=True)
class TrainingSet:
    """Standardised rows: ``n_train`` to train on, then those that only early stopping watches."""

    rows: Table
    n_train: int
    standardization: Standardization
    target_ndim: int

    @classmethod
    def of(
        cls, table: Table, watched: Table | None, standardization: Standardization, target_ndim: int
    ) -> TrainingSet:
        parts = [table] if watched is None else [table, watched]
        rows = Table(
            x=standardization.x(np.concatenate([part.x for part in parts])),
            y=standardization.y(np.concatenate([part.y for part in parts])),
            weight=np.concatenate([part.weight for part in parts]),
        )
        return cls(rows, len(table), standardization, target_ndim)

    @property
    def n_watched(self) -> int:
        return len(self.rows) - self.n_train
