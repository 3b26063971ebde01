"""Bins of columns of numbers: between quantiles of the training rows, or between all values of a few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Bins narrower than this share of the numbers at their ends are one with the next: training in single
# precision would not see them.
NARROWEST = 1e-4

# Of cumulative shares of weight, which are sums of many numbers.
ROUNDING = 1e-12


def bin_edges(values: NDArray[np.float64], weight: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Ends of at most ``n_bins`` bins of a column (n,), gaps left out, each with about as much weight.

    They are values of the column, the first and the last one among them. One that has few values has them
    all. What a column of two values or one could say by its bins it says by itself: it has none.
    """
    present = np.isfinite(values)
    distinct, place = np.unique(values[present], return_inverse=True)
    if len(distinct) > n_bins + 1:
        reached = np.cumsum(np.bincount(place, weights=weight[present]))
        levels = np.arange(n_bins + 1) / n_bins - ROUNDING
        distinct = np.unique(
            distinct[np.searchsorted(reached / reached[-1], levels).clip(0, len(reached) - 1)]
        )
    edges: list[float] = []
    for edge in distinct.tolist():
        if not edges or edge - edges[-1] > NARROWEST * max(abs(edge), abs(edges[-1])):
            edges.append(edge)
    return np.array(edges if len(edges) > 2 else [])


def bins_of_columns(
    values: NDArray[np.float64], weight: NDArray[np.float64], n_bins: int
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Left ends and inverse widths of the bins of each column of ``values`` (n, d).

    There are 0, 2, 4, 8, ... of them in a column, or ``n_bins``, so that nearly equal rows have equally many:
    those beyond what a column needs have the inverse width 0.
    """
    starts, slopes = [], []
    for column in values.T:
        edges = bin_edges(column, weight, n_bins)
        own = max(0, len(edges) - 1)
        size = min(n_bins, 1 << (own - 1).bit_length()) if own else 0
        starts.append(np.concatenate([edges[:own], np.zeros(size - own)]))
        slopes.append(np.concatenate([1.0 / np.diff(edges), np.zeros(size - own)]) if own else edges)
    return starts, slopes
