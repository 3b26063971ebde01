"""Nested sets under predicted distributions: the level at which a value enters, and the set of a level."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Cells of probability whose middle quantiles stand for them: hundredths, and ever smaller ones in the tails.
TAIL = np.geomspace(1e-12, 1e-2, 21)
EDGES = np.concatenate([[0.0], TAIL, np.linspace(0.01, 0.99, 99)[1:-1], 1.0 - TAIL[::-1], [1.0]])
CELLS = np.diff(EDGES)
MIDDLES = EDGES[:-1] + 0.5 * CELLS

ROUNDING = 1e-12
SMALLEST = 1e-6  # level of a region that can be told from the mode


class NestedSets(ABC):
    """Sets that grow with their level from 0 to 1, for each of n rows.

    Parameters
    ----------
    dist : predicted distribution
        Of n rows.
    """

    def __init__(self, dist: Any) -> None:
        self.dist = dist

    @abstractmethod
    def level(self, y: Array) -> Array:
        """The level of the smallest set that holds y, (m, n) for y (m, n) or (m, n, D)."""

    @abstractmethod
    def intervals(self, levels: Array) -> Array:
        """The sets of levels (n,) inside (0, 1), as intervals (n, J, 2) padded with NaN."""

    def holds(self, y: Array, levels: Array) -> NDArray[np.bool_]:
        """Whether sets of levels (n,) hold y, (m, n)."""
        held: NDArray[np.bool_] = self.level(y) <= levels
        return held


@final
class HighestDensityRegions(NestedSets):
    """Regions of highest density, exact for one target; ``random_state`` is the seed of draws for several."""

    def __init__(self, dist: Any, random_state: int) -> None:
        super().__init__(dist)
        self.random_state = random_state

    def level(self, y: Array) -> Array:
        level: Array = self.dist.hdr_level(y, random_state=self.random_state)
        return level

    def intervals(self, levels: Array) -> Array:
        found: list[tuple[NDArray[np.intp], Array]] = []
        for level in np.unique(levels):
            rows = np.flatnonzero(levels == level)
            # The region of a level holds what is of just that level: an atom, say.
            above = np.nextafter(max(level, SMALLEST), 1.0)
            found.append((rows, self.dist[rows].hdr(above)[0]))
        n_pieces = max((part.shape[1] for _, part in found), default=1)
        intervals = np.full((len(levels), n_pieces, 2), np.nan)
        for rows, part in found:
            intervals[rows, : part.shape[1]] = part
        return intervals


@final
class RankedDensities(NestedSets):
    """Regions of highest density, their levels told from the densities at quantiles.

    The sets are those of :class:`HighestDensityRegions`; the levels that they go by, linear in the log
    density between quantiles, are good to some 1e-3, and cheap for many values.
    """

    @cached_property
    def ranked(self) -> tuple[Array, Array]:
        """Log densities at the quantiles in rising order, and what lies below each of them, (Q, n)."""
        heights = self.dist.logpdf(self.dist.ppf(np.clip(MIDDLES, 1e-300, None)[:, None]))
        order = np.argsort(heights, axis=0, kind="stable")
        share = CELLS[order]
        below = np.cumsum(share, axis=0) - 0.5 * share
        return np.take_along_axis(heights, order, axis=0), below

    def level(self, y: Array) -> Array:
        heights, below = self.ranked
        at = self.dist.logpdf(y)
        level = np.empty_like(at)
        for row in range(at.shape[1]):
            level[:, row] = 1.0 - np.interp(at[:, row], heights[:, row], below[:, row])
        with np.errstate(over="ignore"):
            lower = 1.0 - below[0] * np.exp(np.minimum(at - heights[0], 0.0))
            higher = (1.0 - below[-1]) * np.exp(np.minimum(heights[-1] - at, 0.0))
        level = np.where(at > heights[-1], higher, level)
        found: Array = np.where(at < heights[0], lower, level)
        return found

    def intervals(self, levels: Array) -> Array:
        return HighestDensityRegions(self.dist, 0).intervals(levels)


@final
class EqualTails(NestedSets):
    """Central intervals: the level of y is 2 |F(y) - 1/2|."""

    def level(self, y: Array) -> Array:
        level: Array = 1.0 - 2.0 * smaller_tail(self.dist, y)
        return level

    def intervals(self, levels: Array) -> Array:
        low, high = self.dist.interval(levels)
        inside = np.minimum(0.5 - 0.5 * levels + ROUNDING, 0.5)
        for place in self.dist.atoms()[0].reshape(len(levels), -1).T:
            # An end that is an atom belongs to the set or not, as its level says, whatever rounding did.
            held = self.level(place[None])[0] <= levels
            low = np.where(held, np.fmin(low, place), np.where(low == place, self.dist.ppf(inside), low))
            high = np.where(held, np.fmax(high, place), np.where(high == place, self.dist.isf(inside), high))
        ends: Array = np.stack([low, high], axis=-1)
        return ends[:, None]


def smaller_tail(dist: Any, y: Array) -> Array:
    """The smaller of P(Y <= y) and P(Y >= y), which at an atom add up to more than one."""
    places, probabilities = dist.atoms()
    upper: Array = dist.sf(y)
    for place, probability in zip(places.T, probabilities.T, strict=True):
        upper = upper + np.where(y == place, probability, 0.0)
    smaller: Array = np.minimum(np.minimum(dist.cdf(y), upper), 0.5)
    return smaller
