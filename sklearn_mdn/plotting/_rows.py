"""Densities of one target in n rows, in the form that the displays draw from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite, check_array

from sklearn_mdn._distributions.checks import as_numbers
from sklearn_mdn._distributions.foreign import adapted
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn.metrics._forecast import DrawsForecast, Forecast, PredictiveForecast, as_forecast
from sklearn_mdn.plotting._names import check_names, in_order, target_index, target_label

N_GRID = 400
SHOWN = 0.995  # probability of the central intervals that a range of y is made to show


@dataclass(frozen=True)
class UnivariateRows:
    """Densities of one target, of whatever can be judged and has a density.

    Parameters
    ----------
    y_dist : object
        Distributions of n rows.
    chosen : ndarray of shape (m,), default=None
        Which of them are meant; None means all.
    """

    y_dist: Any
    chosen: NDArray[np.intp] | None = None

    @cached_property
    def forecast(self) -> Forecast:
        """All n rows."""
        return as_forecast(self.y_dist)

    @property
    def n_rows(self) -> int:
        """How many there are to choose from."""
        return self.forecast.shape[0]

    def pdf(self, grid: NDArray[np.float64]) -> NDArray[np.float64]:
        """Densities (G, m) on a common grid."""
        return self._pick(np.exp(self.forecast.logpdf(np.repeat(grid[:, None], self.n_rows, axis=1))))

    def quantiles(self, levels: ArrayLike) -> NDArray[np.float64]:
        """Quantiles (Q, m)."""
        return self._pick(self.forecast.quantiles(np.asarray(levels)) + np.zeros((1, self.n_rows)))

    def take(self, chosen: NDArray[np.intp]) -> UnivariateRows:
        """Some of the rows; of what cannot be indexed, the others are computed and left out."""
        if isinstance(self.y_dist, PredictiveDistribution):
            return UnivariateRows(self.y_dist[chosen])
        return UnivariateRows(self.y_dist, chosen)

    def _pick(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values if self.chosen is None else values[:, self.chosen]


@dataclass(frozen=True)
class OneTarget:
    """What is drawn of one target: its densities, what was observed, and what it is called."""

    densities: UnivariateRows
    y: NDArray[np.float64] | None
    label: str


def one_target(
    y_true: Any,
    y_dist: Any,
    target: int | str | None,
    target_names: ArrayLike | None,
    n_observed: int | None = None,
) -> OneTarget:
    """What ``target`` names, which it must where there are several, of distributions and observed values.

    There are as many of the one as of the other, unless ``n_observed`` says how many.
    """
    y_dist = adapted(y_dist)
    forecast = as_forecast(y_dist)
    shape: tuple[int, ...] = forecast.shape
    if isinstance(forecast, DrawsForecast):
        raise TypeError("y_dist must have densities to draw, got an array of draws.")
    if len(shape) == 2 and not isinstance(forecast, PredictiveForecast):
        raise ValueError(
            "y_dist must hold one univariate distribution a row, or mixtures of several targets, got "
            f"{type(y_dist).__name__} of the shape {shape}."
        )
    n_targets = shape[1] if len(shape) == 2 else 1
    names = check_names(target_names, y_true, n_targets)
    if target is None and n_targets > 1:
        known = "" if names is None else f" ({', '.join(map(repr, names))})"
        raise ValueError(f"target must say which of the {n_targets} targets{known} to draw, got None.")
    index = target_index(0 if target is None else target, n_targets, names)
    if len(shape) == 2:
        y_dist = y_dist.marginal(index)
    y = None
    if y_true is not None:
        n_observed = shape[0] if n_observed is None else n_observed
        y = _observed(in_order(y_true, names), n_observed, n_targets)[:, index]
    return OneTarget(UnivariateRows(y_dist), y, target_label(index, n_targets, names))


def _observed(y_true: Any, n_rows: int, n_targets: int) -> NDArray[np.float64]:
    """Observed values (n, D) of all targets."""
    y: NDArray[np.float64] = check_array(y_true, ensure_2d=False, dtype=np.float64, input_name="y_true")
    if y.shape == (n_rows,) and n_targets == 1:
        return y[:, None]
    if y.shape != (n_rows, n_targets):
        values = "one value" if n_targets == 1 else f"{n_targets} values"
        raise ValueError(f"y_true must hold {values} for each of the {n_rows} rows, got the shape {y.shape}.")
    return y


def grid_of(
    rows: UnivariateRows, y: NDArray[np.float64] | None, y_grid: ArrayLike | None
) -> NDArray[np.float64]:
    """The values of y that were asked for, rising, or else those that ``range_of`` chooses."""
    if y_grid is None:
        return range_of(rows, y)
    if np.ndim(y_grid) != 1:
        raise ValueError(f"y_grid must be a flat list of values, got an array of shape {np.shape(y_grid)}.")
    grid = np.unique(as_numbers(y_grid, "y_grid").astype(np.float64))
    assert_all_finite(grid, input_name="y_grid")
    if len(grid) < 2:
        raise ValueError(f"y_grid must hold at least two different values, got {y_grid!r}.")
    return grid


def range_of(rows: UnivariateRows, y: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """A grid of values that shows nearly all of nearly every density, and nearly every observed value."""
    low, high = rows.quantiles([0.5 - SHOWN / 2, 0.5 + SHOWN / 2])
    lowest, highest = np.quantile(low, 0.02), np.quantile(high, 0.98)
    if y is not None:
        lowest, highest = min(lowest, np.quantile(y, 0.01)), max(highest, np.quantile(y, 0.99))
    margin = 0.03 * (highest - lowest)
    first, last = lowest - margin, highest + margin
    if isinstance(rows.y_dist, PredictiveDistribution):
        # There is nothing to show beyond what a target can be.
        least, greatest = (end.reshape(len(rows.y_dist), -1) for end in rows.y_dist.support())
        first = first if first > least.min() else lowest
        last = last if last < greatest.max() else highest
    return np.linspace(first, last, N_GRID)


def check_rows(rows: ArrayLike | None, medians: NDArray[np.float64], n_default: int) -> NDArray[np.intp]:
    """Indices of rows; by default some that are spread evenly over the order of the medians."""
    n_rows = len(medians)
    if rows is None:
        return np.argsort(medians, kind="stable")[evenly(n_default, n_rows)]
    chosen = np.atleast_1d(np.asarray(rows))
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not len(chosen):
        raise ValueError(f"rows must be an index of a row or a list of them, got {rows!r}.")
    if (chosen < -n_rows).any() or (chosen >= n_rows).any():
        raise ValueError(f"rows must lie between {-n_rows} and {n_rows - 1}, got {rows!r}.")
    return (chosen % n_rows).astype(np.intp)


def evenly(n_chosen: int, n_places: int) -> NDArray[np.intp]:
    """Places out of a row of them, spread evenly; all where there are no more."""
    n_chosen = min(n_chosen, n_places)
    return np.round((np.arange(n_chosen) + 0.5) / n_chosen * n_places - 0.5).astype(np.intp)
