"""Modes and highest density regions of densities that are known by their values alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_STEPS = 60
SMALL = 1e-11  # of a root, or of the logarithm of what is to be zero: derivatives may be differences
DEEPEST = 800.0  # e^-800 is nothing
FLAT = 1e-9  # difference of log densities that may be rounding, of derivatives by differences
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
    values = np.maximum(np.nan_to_num(log_height(grid), nan=-np.inf), -1e6)
    rows = []
    for x, v in zip(grid, values, strict=True):
        changes = np.flatnonzero(np.abs(v[1:] - v[:-1]) > FLAT)
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
    highest = np.where(np.isfinite(at_turns), at_turns, -np.inf).max(axis=1)

    def excess(log_threshold: Array) -> Array:
        ends = crossings(heights, at_turns, log_threshold)
        inside = np.nan_to_num(prob(ends[..., 0], ends[..., 1])).sum(axis=1)
        # Nearly linear in log t, as log P(not in the region) is where that is small.
        return np.asarray(np.log1p(-np.minimum(inside, 1.0 - 1e-16)) - np.log1p(-np.asarray(confidence)))

    log_threshold = roots(excess, highest - DEEPEST, highest)
    return crossings(heights, at_turns, log_threshold), log_threshold


def probability_above(heights: Heights, prob: Callable[[Array, Array], Array], log_threshold: Array) -> Array:
    """Probability (n,) of densities above thresholds (n,)."""
    at_turns = np.nan_to_num(heights.log_height(heights.turns), nan=-np.inf)
    ends = crossings(heights, at_turns, log_threshold)
    return np.asarray(np.minimum(np.nan_to_num(prob(ends[..., 0], ends[..., 1])).sum(axis=1), 1.0))


def crossings(heights: Heights, at_turns: Array, log_threshold: Array) -> Array:
    """Ends (n, J, 2) of the intervals around modes where the density is at least the threshold."""
    level = log_threshold[:, None]
    modes, high = heights.turns[:, 1::2], at_turns[:, 1::2]
    ends = []
    for side in (slice(None, -1, 2), slice(2, None, 2)):
        outer, low = heights.turns[:, side], at_turns[:, side]
        crosses = (high > level) & (low < level)

        def above(z: Array, level: Array = level) -> Array:
            return np.clip(np.nan_to_num(heights.log_height(z) - level, nan=-DEEPEST), -DEEPEST, DEEPEST)

        found = roots(above, np.where(crosses, outer, modes), modes)
        # A valley that is not below the threshold is inside.
        ends.append(np.where(low >= level, outer, found))
    inside = (high >= level) & ~np.isnan(modes)
    return np.where(inside[..., None], np.stack(ends, axis=-1), np.nan)


def roots(function: Callable[[Array], Array], negative: Array, positive: Array) -> Array:
    """Roots of many functions, given where each is negative and where it is positive.

    Bisection in turns with regula falsi, the value at an end that stays being halved (Dowell and Jarratt
    1971, "A modified regula falsi method").
    """
    at_negative, at_positive = function(negative), function(positive)
    found = positive
    for step in range(MAX_STEPS):
        with np.errstate(invalid="ignore", divide="ignore"):
            share = at_negative / (at_negative - at_positive)
        share = np.where((share > 0) & (share < 1) & (step % 4 != 3), share, 0.5)
        found = negative + share * (positive - negative)
        value = function(found)
        below = value < 0
        at_positive = np.where(below, np.where(step % 4 == 3, at_positive, 0.5 * at_positive), value)
        at_negative = np.where(below, value, np.where(step % 4 == 3, at_negative, 0.5 * at_negative))
        negative, positive = np.where(below, found, negative), np.where(below, positive, found)
        width = np.abs(positive - negative)
        if not ((width > SMALL * np.maximum(np.abs(found), 1e-3)) & (np.abs(value) > SMALL)).any():
            break
    return np.asarray(found)


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
