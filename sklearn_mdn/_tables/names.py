"""Numbers that name something, as an identity or a day does: what they are says more than where they lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

# Values that few rows share, or columns of more than so many values, name nothing that could be learned.
MIN_ROWS, MOST_VALUES = 2, 10_000

# Rows that are looked at first: where they have more values than that, the column has.
FIRST_LOOK = 4 * MOST_VALUES

# The chance at which a column whose values name nothing is taken for one whose values do, and the ratio of
# variances from which names are worth their numbers: below, most of the means at values is noise.
CHANCE, LEAST_RATIO = 1e-6, 2.5

# Of squares of scores, whose variance is one.
ROUNDING = 1e-12


@final
@dataclass(frozen=True)
class Names:
    """The columns of numbers whose values are names, by their place, and the sorted values of each.

    Values are those in single precision, so that a table means the same in either.
    """

    places: tuple[int, ...] = ()
    values: tuple[NDArray[np.float32], ...] = ()

    @classmethod
    def of(
        cls, column: Callable[[int], NDArray[np.float64]], n_columns: int, y: NDArray[np.float64], n_bins: int
    ) -> Names:
        """Those of a table of distinct rows; ``column(i)`` gives one (n,), ``y`` (n, D) are the targets."""
        scores, places, values = normal_scores(y), [], []
        for place in range(n_columns):
            found = named_values(column(place), scores, n_bins)
            if len(found):
                places.append(place)
                values.append(found)
        return cls(tuple(places), tuple(values))

    def codes_of(self, numbers: NDArray[np.floating]) -> NDArray[np.int32]:
        """1, 2, ... for the values, 0 for any other and for gaps, (n, columns)."""
        codes = np.zeros((len(numbers), len(self.places)), dtype=np.int32)
        for i, (place, known) in enumerate(zip(self.places, self.values, strict=True)):
            own = single(numbers[:, place])
            at = np.searchsorted(known, own).clip(0, len(known) - 1)
            codes[:, i] = np.where(known[at] == own, at + 1, 0)
        return codes


def single(values: NDArray[np.floating]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


def normal_scores(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal scores of the ranks of each target, (n, D): no value of them stands out."""
    scores: NDArray[np.float64] = special.ndtri((stats.rankdata(y, axis=0) - 0.5) / len(y))
    return scores


def named_values(
    column: NDArray[np.float64], scores: NDArray[np.float64], n_bins: int
) -> NDArray[np.float32]:
    """The values that are names: those of ``MIN_ROWS`` rows or more, if the column has any; else none.

    It has if the means of the scores at its values differ by more than chance from the line that fits them
    best in each of ``n_bins`` bins, by an F test of lack of fit (Draper and Smith 1998, "Applied regression
    analysis", section 2.1): what differs among rows of one value is the noise.
    """
    none, present = np.empty(0, dtype=np.float32), ~np.isnan(column)
    values = single(column[present])
    most = min(MOST_VALUES, len(values) // 2)
    if len(np.unique(values[:: max(1, len(values) // FIRST_LOOK)])) > most:
        return none
    known, place, count = np.unique(values, return_inverse=True, return_counts=True)
    if not n_bins + 1 < len(known) <= most:
        return none
    bins = np.minimum((np.cumsum(count) - count) * n_bins // len(values), n_bins - 1)
    exact, n_targets = known.astype(np.float64), scores.shape[1]
    for score in scores[present].T:
        ratio, chance = lack_of_fit(exact, place, count, bins, score)
        if ratio >= LEAST_RATIO and chance < CHANCE / n_targets:
            return known[count >= MIN_ROWS]
    return none


def lack_of_fit(
    known: NDArray[np.float64],
    place: NDArray[np.intp],
    count: NDArray[np.intp],
    bins: NDArray[np.intp],
    score: NDArray[np.float64],
) -> tuple[float, float]:
    """How much more the means at values vary about a line in each bin than by noise, and the chance of it."""
    means = np.bincount(place, score) / count
    noise = max(float(((score - means[place]) ** 2).sum()), ROUNDING * len(score))

    def per_bin(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(bins, values).astype(np.float64)

    weight = per_bin(count.astype(np.float64))
    weight = np.where(weight > 0.0, weight, 1.0)
    x = known - (per_bin(count * known) / weight)[bins]
    y = means - (per_bin(count * means) / weight)[bins]
    spread = per_bin(count * x**2)
    slope = per_bin(count * x * y) / np.where(spread > 0.0, spread, 1.0)
    lack = float((count * (y - slope[bins] * x) ** 2).sum())
    degrees = int(np.maximum(np.bincount(bins) - 2, 0).sum()), len(score) - len(known)
    if min(degrees) < 1:
        return 0.0, 1.0
    ratio = lack / degrees[0] / (noise / degrees[1])
    return ratio, float(special.fdtrc(*degrees, ratio))
