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

# Levels at which shortest intervals are looked for; between them, their ends are straight lines.
LADDER = 1.0 / (1.0 + np.exp(-np.linspace(-4.0, 9.0, 21)))
SHARES = 1.0 / (1.0 + np.exp(-np.linspace(-8.0, 8.0, 17)))  # of what is outside, in the lower tail
ZOOMS, ZOOM = 1, np.linspace(-1.0, 1.0, 7)
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
            found.append((rows, self.dist[rows].hdr(max(level, SMALLEST))[0]))
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
        ends: Array = np.stack(self.dist.interval(levels), axis=-1)
        return ends[:, None]


@final
class ShortestIntervals(NestedSets):
    """Shortest intervals, each inside that of the next higher level on a ladder.

    Of a density with one mode they are the shortest of all. Of one with several, the shortest interval may
    jump from one mode to another as its level falls; here it stays inside what it was.
    """

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """Lower and upper ends (L, n) on the ladder of levels, the first of them of level 0."""
        below = above = np.zeros(len(self.dist))
        lower, upper = [], []
        for level in LADDER[::-1]:
            below, above = self._shortest(1.0 - level, below, above)
            lower.append(self.dist.ppf(below))
            upper.append(self.dist.isf(above))
        start = 0.5 * (lower[-1] + upper[-1])
        return (
            np.minimum.accumulate(np.stack([start, *lower[::-1]]), axis=0),
            np.maximum.accumulate(np.stack([start, *upper[::-1]]), axis=0),
        )

    def _shortest(self, outside: float, below: Array, above: Array) -> tuple[Array, Array]:
        """Probabilities below and above the shortest interval that leaves out so much, and no less there."""
        free, columns = outside - below - above, np.arange(len(self.dist))
        share = np.tile(SHARES[:, None], (1, len(self.dist)))
        for zoom in range(ZOOMS + 1):
            tails = below + free * share, above + free * (1.0 - share)
            best = np.argmin(self.dist.isf(tails[1]) - self.dist.ppf(tails[0]), axis=0)
            center = np.log(share[best, columns] / (1.0 - share[best, columns]))
            if zoom < ZOOMS:
                share = 1.0 / (1.0 + np.exp(-(center + ZOOM[:, None] / 3.0**zoom)))
        return tails[0][best, columns], tails[1][best, columns]

    def level(self, y: Array) -> Array:
        lower, upper = self.ends
        known = np.concatenate([[0.0], LADDER])
        # Mirrored, the lower ends rise like the upper ones.
        below, above = _levels_along(-lower, -y, known), _levels_along(upper, y, known)
        tails = 1.0 - 2.0 * smaller_tail(self.dist, y)
        level = np.maximum(below, above)
        return np.where(level < LADDER[-1], level, np.maximum(tails, LADDER[-1]))

    def intervals(self, levels: Array) -> Array:
        lower, upper = self.ends
        known, columns = np.concatenate([[0.0], LADDER]), np.arange(len(levels))
        place = np.clip(np.searchsorted(known, levels), 1, len(LADDER))
        part = np.clip((levels - known[place - 1]) / (known[place] - known[place - 1]), 0.0, 1.0)
        low, high = (
            ends[place - 1, columns] + part * (ends[place, columns] - ends[place - 1, columns])
            for ends in (lower, upper)
        )
        beyond = levels > LADDER[-1]
        wide = self.dist.interval(levels)
        low = np.where(beyond, np.minimum(low, wide[0]), low)
        high = np.where(beyond, np.maximum(high, wide[1]), high)
        return np.stack([low, high], axis=-1)[:, None]


def smaller_tail(dist: Any, y: Array) -> Array:
    """The smaller of P(Y <= y) and P(Y >= y), which at an atom add up to more than one."""
    places, probabilities = dist.atoms()
    upper: Array = dist.sf(y)
    for place, probability in zip(places.T, probabilities.T, strict=True):
        upper = upper + np.where(y == place, probability, 0.0)
    smaller: Array = np.minimum(np.minimum(dist.cdf(y), upper), 0.5)
    return smaller


def _levels_along(ends: Array, y: Array, known: Array) -> Array:
    """Levels at which ends (L, n), which rise, reach y (m, n): 0 where y is below all of them."""
    place = np.zeros(y.shape, dtype=np.intp)
    for end in ends:
        place += y > end
    columns, inside = np.arange(ends.shape[1]), np.clip(place, 1, len(ends) - 1)
    left, right = ends[inside - 1, columns], ends[inside, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.clip((y - left) / (right - left), 0.0, 1.0)
    level = known[inside - 1] + np.nan_to_num(part) * (known[inside] - known[inside - 1])
    level = np.where(place == 0, 0.0, np.where(place == len(ends), known[-1], level))
    return np.where(np.isnan(y), np.nan, level)


def nested_sets(method: str, dist: Any, *, crossed: bool, random_state: int) -> NestedSets:
    """The family that a method names; ``crossed`` ones are asked about many values."""
    if method == "interval":
        return EqualTails(dist)
    if method == "width":
        return ShortestIntervals(dist)
    if crossed and np.ndim(dist.mean()) == 1:
        return RankedDensities(dist)
    return HighestDensityRegions(dist, random_state)
