"""Means and standard deviations of columns: of a table, of blocks one after the other, of shards."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._estimators.inputs import Inputs

# A table of so few numbers is copied whole.
SMALL_NUMBERS = 1 << 21

# Columns of a large table that are copied at once. A product with a vector rounds the same in groups of four.
GROUP = 4


@final
@dataclass(frozen=True)
class Moments:
    """Of columns, gaps (NaN) left out: weight (d,), mean, weighted squares about it, smallest and largest.

    ``gaps`` tells where there were any.
    """

    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    gaps: NDArray[np.bool_]

    @classmethod
    def of(cls, values: NDArray[np.float64], weight: NDArray[np.float64]) -> Moments:
        """Those of rows (n, d), which are overwritten.

        Squares by the corrected two-pass algorithm (Chan, Golub and LeVeque 1983, "Algorithms for computing
        the sample variance").
        """
        missing, weight = np.isnan(values), np.ascontiguousarray(weight)  # one number for all rows is slow
        lower = np.min(values, axis=0, initial=np.inf, where=~missing)
        upper = np.max(values, axis=0, initial=-np.inf, where=~missing)
        values[missing] = 0.0
        total, gaps = weight @ values, np.array(missing.any(axis=0))
        present = np.full(len(total), weight.sum() if len(total) == 1 else weight.cumsum()[-1])
        for column in np.flatnonzero(gaps):
            here = weight * ~missing[:, column]
            present[column] = here.sum() if len(total) == 1 else here.cumsum()[-1]
        mean = np.divide(total, present, out=np.zeros_like(total), where=present > 0.0)
        values -= mean
        values[missing] = 0.0
        correction = weight @ values
        values *= values
        squares = weight @ values
        squares -= np.divide(correction**2, present, out=np.zeros_like(total), where=present > 0.0)
        return cls(present, mean, squares, lower, upper, gaps)

    def with_others(self, other: Moments) -> Moments:
        """Those of both sets of rows (Chan, Golub and LeVeque 1983, equation 2.1)."""
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0.0)
        distance = np.where((self.weight > 0.0) & (other.weight > 0.0), other.mean - self.mean, 0.0)
        mean = np.where(self.weight > 0.0, self.mean + share * distance, other.mean)
        return Moments(
            weight,
            mean,
            self.squares + other.squares + self.weight * share * distance**2,
            np.minimum(self.lower, other.lower),
            np.maximum(self.upper, other.upper),
            self.gaps | other.gaps,
        )

    @property
    def variance(self) -> NDArray[np.float64]:
        return np.divide(self.squares, self.weight, out=np.zeros_like(self.squares), where=self.weight > 0.0)

    @property
    def spread(self) -> NDArray[np.float64]:
        """Largest less smallest value; 0 where there is none."""
        return np.maximum(self.upper - self.lower, 0.0)

    @property
    def scale(self) -> NDArray[np.float64]:
        """Standard deviations, 1 where it may be the rounding of equal values."""
        epsilon, variance = np.finfo(np.float64).eps, self.variance
        # As scikit-learn's StandardScaler: what n values of one number can leave.
        bound = self.weight * epsilon * variance + (self.weight * self.mean * epsilon) ** 2
        return np.where(variance <= bound, 1.0, np.sqrt(variance))


def joined(parts: list[Moments]) -> Moments:
    """Moments of groups of columns side by side."""
    names = ("weight", "mean", "squares", "lower", "upper", "gaps")
    return Moments(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def moments_of(values: NDArray[np.float64] | Inputs, weight: NDArray[np.float64]) -> Moments:
    """Moments of all columns, a few at a time; of ``Inputs`` of the numbers."""
    n_columns = values.n_numbers if isinstance(values, Inputs) else values.shape[1]
    groups = column_groups(len(weight), n_columns)
    return joined([Moments.of(np.array(values[:, group]), weight) for group in groups])


def column_groups(n_rows: int, n_columns: int) -> list[slice]:
    """All columns of a small table, else a few at a time."""
    if n_rows * n_columns <= SMALL_NUMBERS or n_columns < 2 * GROUP:
        return [slice(0, n_columns)]
    starts = [*range(0, n_columns - GROUP + 1, GROUP), n_columns]
    starts[-2:] = [n_columns] if n_columns - starts[-2] < GROUP else starts[-2:]
    return [slice(first, last) for first, last in pairwise(starts)]


@final
@dataclass(frozen=True)
class Scaler:
    """What standardises columns: means, standard deviations (1 for a constant one), and who has gaps."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    gaps: NDArray[np.bool_]


def fitted_scaler(values: NDArray[np.float64] | Inputs, weight: NDArray[np.float64], name: str) -> Scaler:
    """Weighted means and standard deviations of columns, gaps left out; of ``Inputs`` of the numbers."""
    n_columns = values.n_numbers if isinstance(values, Inputs) else values.shape[1]
    groups = column_groups(len(weight), n_columns)
    parts, scalers = [], []
    for group in groups:
        with np.errstate(over="ignore", invalid="ignore"):
            parts.append(Moments.of(np.array(values[:, group]), weight))
            mean, scale = parts[-1].mean.copy(), parts[-1].scale
            hidden = (scale == 1.0) & (parts[-1].variance != 1.0) & (parts[-1].spread > 0.0)
        if hidden.any():
            mean[hidden], scale[hidden] = _closer(values[:, group][:, hidden], weight)
        scalers.append((mean, scale))
    moments = joined(parts)
    check_variance(moments, name)
    mean, scale = (np.concatenate(arrays) for arrays in zip(*scalers, strict=True))
    return Scaler(mean, scale, moments.gaps)


def _closer(
    values: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and deviations of columns whose spread is small beside their size, or underflows when squared."""
    present = ~np.isnan(values)
    start = values[present.argmax(axis=0), np.arange(values.shape[1])]
    spread = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
    closer = Moments.of((values - start) / spread, weight)
    return start + spread * closer.mean, spread * closer.scale


def check_variance(moments: Moments, name: str) -> None:
    """Refuse columns whose spread float64 cannot hold."""
    if not np.isfinite(moments.variance).all():
        largest = np.maximum(np.abs(moments.lower), np.abs(moments.upper))
        raise ValueError(
            f"{name} must have a variance that a float64 can hold, got values as large as "
            f"{largest[np.isfinite(largest)].max():.3g}."
        )
