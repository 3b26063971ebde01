"""Shortest intervals of predicted distributions: of all that hold a probability, over all modes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._distributions.nested import SMALLEST, NestedSets, smaller_tail

Array = NDArray[np.float64]

# Probabilities whose quantiles are the first knots of a distribution function.
TAIL = np.geomspace(1e-10, 0.01, 17)
BELOW = np.concatenate([TAIL, np.linspace(0.01, 0.5, 33)[1:]])
# More of them, where straight lines miss by most: so many for each of these parts of the way to the next.
KNOTS, PARTS = 48, (0.4, 0.6, 0.4, 0.6, 0.4, 0.6, 0.4)

LADDER = 1.0 / (1.0 + np.exp(-np.linspace(-6.0, 10.0, 49)))  # levels among which jumps are looked for
BISECTIONS, STEP = 20, 2.0**-20  # levels below the end of the ladder are multiples of it
BLOCK_ROWS = 256


class Polygons:
    """Distribution functions of n rows as straight lines between knots, with steps at their atoms.

    Parameters
    ----------
    dist : predicted distribution
        Of one target.
    """

    def __init__(self, dist: Any) -> None:
        places = np.concatenate([dist.ppf(BELOW[:, None]), dist.isf(BELOW[::-1, None])])
        values = dist.cdf(places)
        self.atoms, self.masses = (each.reshape(len(dist), -1).T for each in dist.atoms())
        top = dist.cdf(self.atoms) if len(self.atoms) else self.atoms
        self.places, self.values = _sorted([places, self.atoms, self.atoms], [values, top - self.masses, top])
        for part in PARTS:
            between = self.places[:-1] + part * np.diff(self.places, axis=0)
            value = dist.cdf(between)
            missed = np.abs(value - (self.values[:-1] + part * np.diff(self.values, axis=0)))
            missed = np.where(np.diff(self.places, axis=0) > 0.0, missed, -1.0)
            most = np.argpartition(missed, -KNOTS, axis=0)[-KNOTS:]
            more = (np.take_along_axis(each, most, axis=0) for each in (between, value))
            place, value = more
            self.places, self.values = _sorted([self.places, place], [self.values, value])

    def shortest(self, levels: Array) -> Array:
        """Ends (n, 2) of the shortest intervals that hold a probability (n,), NaN where none does.

        Between knots their length is linear in the probability below, so that one of the ends of a shortest
        interval is a knot.
        """
        blocks = range(0, self.places.shape[1], BLOCK_ROWS)
        parts = [self._shortest(slice(start, start + BLOCK_ROWS), levels) for start in blocks]
        ends = np.concatenate(parts) if parts else np.empty((0, 2))
        for place, mass in zip(self.atoms, self.masses, strict=True):
            alone = (mass >= levels) & (mass == self.masses.max(axis=0))  # the heaviest, where some would do
            ends[alone] = place[alone, None]
        return ends

    def _shortest(self, rows: slice, levels: Array) -> Array:
        places, values, level = self.places[:, rows].T, self.values[:, rows].T, levels[rows, None]
        row = 2.0 * np.arange(len(places))[:, None]  # so that the values of all rows rise

        def place_of(value: Array) -> Array:
            found = np.interp((value + row).ravel(), (values + row).ravel(), places.ravel())
            return found.reshape(value.shape)

        lower = np.hstack([places, place_of(values - level)])
        upper = np.hstack([place_of(values + level), places])
        held = np.hstack([values + level <= values[:, -1:], values - level >= values[:, :1]])
        best = np.where(held, upper - lower, np.inf).argmin(axis=1)[:, None]
        ends = np.hstack([np.take_along_axis(each, best, axis=1) for each in (lower, upper)])
        return np.where(np.take_along_axis(held, best, axis=1), ends, np.nan)


@final
class ShortestIntervals(NestedSets):
    """The shortest intervals that hold a probability, of a density of several modes as well.

    They need not be nested: a shortest interval may jump from one mode to another as its level falls. The
    level of y is the lowest from which on all of them hold y, so that the interval of a level holds all y of
    that level and below.
    """

    @cached_property
    def polygons(self) -> Polygons:
        return Polygons(self.dist)

    def level(self, y: Array) -> Array:
        return np.stack([self._level(values) for values in y]) if len(y) else np.empty(y.shape)

    def _level(self, y: Array) -> Array:
        low, high = np.zeros_like(y), np.ones_like(y)
        for level in LADDER:
            out = ~self.holds(y, np.full_like(y, level))
            low, high = np.where(out, level, low), np.where(out, 1.0, np.minimum(high, level))
        # Above the ladder the sets have equal tails as well.
        high = np.where(low == LADDER[-1], 1.0 - 2.0 * smaller_tail(self.dist, y[None])[0], high)
        between = low < LADDER[-1]
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            out = ~self.holds(y, middle)
            low, high = np.where(out & between, middle, low), np.where(out | ~between, high, middle)
        high = np.where(between, np.where(low > 0.0, np.ceil(high / STEP) * STEP, 0.0), high)
        return np.where(np.isnan(y), np.nan, high)

    def intervals(self, levels: Array) -> Array:
        inner = np.clip(np.floor(levels / STEP) * STEP, SMALLEST, LADDER[-1])
        ends = self.polygons.shortest(inner)
        beyond = np.flatnonzero(levels > LADDER[-1])
        if len(beyond):
            low, high = self.dist[beyond].interval(levels[beyond])
            ends[beyond, 0], ends[beyond, 1] = np.fmin(ends[beyond, 0], low), np.fmax(ends[beyond, 1], high)
        return ends[:, None]

    def holds(self, y: Array, levels: Array) -> NDArray[np.bool_]:
        """Whether the intervals of levels (n,) hold y (m, n)."""
        low, high = self.intervals(levels)[:, 0].T
        held: NDArray[np.bool_] = (low <= y) & (y <= high)
        return held


@final
class LadderIntervals(NestedSets):
    """The levels of :class:`ShortestIntervals`, linear between levels of a ladder: cheap for many values."""

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """Lower and upper ends (L, n) that the intervals of a level and of all higher ones have at least."""
        exact = ShortestIntervals(self.dist)
        found = np.stack([exact.intervals(np.full(len(self.dist), level))[:, 0] for level in LADDER])
        lower, upper = found[..., 0][::-1], found[..., 1][::-1]
        return np.maximum.accumulate(lower)[::-1], np.minimum.accumulate(upper)[::-1]

    def level(self, y: Array) -> Array:
        lower, upper = self.ends
        # Mirrored, the lower ends rise like the upper ones.
        level = np.maximum(_levels_along(-lower, -y), _levels_along(upper, y))
        tails = 1.0 - 2.0 * smaller_tail(self.dist, y)
        return np.where(level < LADDER[-1], level, np.maximum(tails, LADDER[-1]))

    def intervals(self, levels: Array) -> Array:
        return ShortestIntervals(self.dist).intervals(levels)


def _sorted(places: list[Array], values: list[Array]) -> tuple[Array, Array]:
    """Knots in order. Both rise with each other, so that each may be sorted on its own."""
    return np.sort(np.concatenate(places), axis=0), np.sort(np.concatenate(values), axis=0)


def _levels_along(ends: Array, y: Array) -> Array:
    """Levels at which ends (L, n), which rise, reach y (m, n): 0 where y is below all of them."""
    place = np.zeros(y.shape, dtype=np.intp)
    for end in ends:
        place += y > end
    columns, inside = np.arange(ends.shape[1]), np.clip(place, 1, len(ends) - 1)
    left, right = ends[inside - 1, columns], ends[inside, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.clip((y - left) / (right - left), 0.0, 1.0)
    level = LADDER[inside - 1] + np.nan_to_num(part) * (LADDER[inside] - LADDER[inside - 1])
    level = np.where(place == 0, 0.0, np.where(place == len(ends), LADDER[-1], level))
    return np.where(np.isnan(y), np.nan, level)
