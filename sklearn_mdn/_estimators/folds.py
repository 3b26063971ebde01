"""What a seed decides: the rows that each member of an ensemble holds out, and its random stream."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

# A fold that held out fewer rows than this would stop training on noise.
MIN_VALIDATION_ROWS = 10


# Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators": how its bits are mixed.
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64: each bit that goes in changes half of those that come out."""
    bits = (bits ^ (bits >> np.uint64(30))) * MIX[0]
    bits = (bits ^ (bits >> np.uint64(27))) * MIX[1]
    return bits ^ (bits >> np.uint64(31))


def row_keys(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each row of values (n, .), which hangs on its values and the seed alone."""
    keys = mixed(np.full(len(values), np.uint64(seed) + GOLDEN))
    bits = np.where(np.isnan(values), np.nan, values + 0.0).view(np.uint64)  # one NaN, no -0.0
    for column in bits.T:
        keys = mixed(keys ^ column) + GOLDEN
    return (mixed(keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def fold_bounds(keys: NDArray[np.float64], fraction: float) -> NDArray[np.float64]:
    """Keys at which folds but the first one begin: round(1 / fraction) folds, or fewer if those were small.

    Rows of one key stay together. Of few rows half are held out at once: a network that nothing stops learns
    them by heart. A row's fold hangs on its key alone, so that a later fit, to other rows, holds out no row
    that this one trains on.
    """
    n_folds = max(2, round(min(1.0 / fraction, len(keys) // MIN_VALIDATION_ROWS)))
    different, count = np.unique(keys, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    fold = np.floor(middle / len(keys) * n_folds)
    return different[1:][np.diff(fold) > 0]


def held_out_folds(keys: NDArray[np.float64], bounds: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """The rows of each fold."""
    fold = np.searchsorted(bounds, keys, side="right")
    return [np.flatnonzero(fold == number) for number in range(len(bounds) + 1)]


def members_folds(folds: list[NDArray[np.intp]], n_members: int) -> list[NDArray[np.intp]]:
    """The fold that each member holds out: 0, 1, 0, 1, then 2, 3, 2, 3, and so on, and round again.

    It depends on the member's number alone. Two networks or more see every row, and of three or more there
    are two that hold out the same rows, which tell how good networks are together.
    """
    return [folds[(i // 4 * 2 + i % 2) % len(folds)] for i in range(n_members)]


def rows_without(fold: NDArray[np.intp], n_rows: int) -> NDArray[np.intp]:
    """The rows below ``n_rows`` that are not in a fold."""
    kept = np.ones(n_rows, dtype=bool)
    kept[fold[fold < n_rows]] = False
    return np.flatnonzero(kept)


def member_generator(seed: int, member: int, part: int = 0) -> torch.Generator:
    """The random stream of a member for a part of the rows: it hangs on these alone, and lives on the CPU."""
    entropy = [seed, member, part] if part else [seed, member]
    (state,) = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
