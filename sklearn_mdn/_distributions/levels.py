"""Modes and highest density regions of densities that are known by their values alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BISECTIONS = 55
GOLDEN = 0.5 * (5.0**0.5 - 1.0)
GOLDEN_STEPS = 45  # to about the square root of the spacing of numbers, beyond which a maximum is flat


class Heights(NamedTuple):
    """Log densities along lines, and what they turn at: (n, 2J + 1), lows and highs in turn, padded with NaN.

    ``log_height`` maps places (n, m) to log densities.
    """

    log_height: Callable[[Array], Array]
    turns: Array

    @property
    def modes(self) -> Array:
        """Places (n, J), highest first, padded with NaN."""
        places = self.turns[:, 1::2]
        heights = np.nan_to_num(self.log_height(places), nan=-np.inf)
        order = np.argsort(-heights, axis=1, kind="stable")
        return np.take_along_axis(places, order, axis=1)


def heights_of(log_height: Callable[[Array], Array], grid: Array) -> Heights:
    """The turns of log densities, of which a grid (n, G) shows at least one point of each flank.

    Between three points of the grid of which the middle one is the highest, or the lowest, golden sections
    find the turn. The ends of the grid are lows, and so highs with nothing between, where a density falls
    from its end.
    """
    values = np.nan_to_num(log_height(grid), nan=-np.inf)
    rows = []
    for x, v in zip(grid, values, strict=True):
        changes = np.flatnonzero(v[1:] != v[:-1])
        rises = v[changes + 1] > v[changes]  # between x[changes] and x[changes + 1]
        turns = [x[0]]
        if not len(changes) or not rises[0]:
            turns.append(x[0])
        places = [(x[changes[i]], x[changes[i + 1] + 1]) for i in np.flatnonzero(rises[1:] != rises[:-1])]
        turns += [np.nan] * len(places)
        if len(changes) and rises[-1]:
            turns.append(x[-1])
        turns.append(x[-1])
        rows.append((turns, places))
    width = max(len(turns) for turns, _ in rows)
    padded = np.full((len(grid), width), np.nan)
    lower, upper = padded.copy(), padded.copy()
    for i, (turns, places) in enumerate(rows):
        padded[i, : len(turns)] = turns
        open_ = np.flatnonzero(np.isnan(turns))
        for j, (low, high) in zip(open_, places, strict=True):
            lower[i, j], upper[i, j] = low, high
    found = _golden(log_height, lower, upper, np.where(np.arange(width) % 2 == 1, 1.0, -1.0))
    return Heights(log_height, np.where(np.isnan(lower), padded, found))


def _golden(log_height: Callable[[Array], Array], lower: Array, upper: Array, sign: Array) -> Array:
    """Where sign * log_height is highest between lower and upper (n, W), NaN where these are."""
    left, right = upper - GOLDEN * (upper - lower), lower + GOLDEN * (upper - lower)
    at_left, at_right = sign * log_height(left), sign * log_height(right)
    for _ in range(GOLDEN_STEPS):
        up = at_right > at_left
        lower, upper = np.where(up, left, lower), np.where(up, upper, right)
        new = np.where(up, lower + GOLDEN * (upper - lower), upper - GOLDEN * (upper - lower))
        value = sign * log_height(new)
        left, right = np.where(up, right, new), np.where(up, new, left)
        at_left, at_right = np.where(up, at_right, value), np.where(up, value, at_left)
    return np.asarray(0.5 * (lower + upper))


def region(
    heights: Heights, prob: Callable[[Array, Array], Array], confidence: float | Array
) -> tuple[Array, Array]:
    """Intervals (n, J, 2) that hold a probability where the density is highest, and log thresholds (n,).

    ``prob`` maps ends (n, m) of intervals to their probabilities. ``confidence`` is a number or one a row.
    """
    at_turns = np.nan_to_num(heights.log_height(heights.turns), nan=-np.inf)
    finite = np.where(np.isfinite(at_turns), at_turns, np.nan)
    highest = np.nanmax(finite, axis=1)
    lower, upper = highest - 800.0, highest  # e^-800 is nothing
    for _ in range(BISECTIONS):
        middle = 0.5 * (lower + upper)
        ends = crossings(heights, at_turns, middle)
        too_high = np.nan_to_num(prob(ends[..., 0], ends[..., 1])).sum(axis=1) < confidence
        lower, upper = np.where(too_high, lower, middle), np.where(too_high, middle, upper)
    log_threshold = 0.5 * (lower + upper)
    return crossings(heights, at_turns, log_threshold), log_threshold


def crossings(heights: Heights, at_turns: Array, log_threshold: Array) -> Array:
    """Ends (n, J, 2) of the intervals around modes where the density is at least the threshold."""
    level = log_threshold[:, None]
    modes, high = heights.turns[:, 1::2], at_turns[:, 1::2]
    ends = []
    for side in (slice(None, -1, 2), slice(2, None, 2)):
        outer, low = heights.turns[:, side], at_turns[:, side]
        below, above = outer, modes
        for _ in range(BISECTIONS):
            middle = 0.5 * (below + above)
            inside = heights.log_height(middle) >= level
            below, above = np.where(inside, below, middle), np.where(inside, middle, above)
        # A valley that is not below the threshold is inside.
        ends.append(np.where(low >= level, outer, above))
    found = np.stack(ends, axis=-1)
    return np.where(((high >= level) & ~np.isnan(modes))[..., None], found, np.nan)


def joined(intervals: Array) -> Array:
    """Neighbouring intervals (n, J, 2) that touch as one, those that are there first."""
    rows = []
    for row in intervals:
        kept: list[list[float]] = []
        for low, high in row[~np.isnan(row[:, 0])]:
            if kept and low <= kept[-1][1]:
                kept[-1][1] = max(kept[-1][1], high)
            else:
                kept.append([low, high])
        rows.append(kept)
    width = max((len(row) for row in rows), default=1)
    out = np.full((len(intervals), max(width, 1), 2), np.nan)
    for i, row in enumerate(rows):
        out[i, : len(row)] = np.array(row).reshape(-1, 2)
    return out
