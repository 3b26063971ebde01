"""What a seed decides: the rows that each member of an ensemble holds out, and its random stream."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

# A fold that held out fewer rows than this would stop training on noise.
MIN_VALIDATION_ROWS = 10


def held_out_folds(n_rows: int, fraction: float, seed: int) -> list[NDArray[np.intp]]:
    """One shuffle of the rows, cut into round(1 / fraction) folds, or fewer if those would be too small.

    Of few rows half are held out at once: a network that nothing stops learns them by heart.
    """
    if n_rows < 2:
        return []
    n_folds = max(2, round(min(1.0 / fraction, n_rows // MIN_VALIDATION_ROWS)))
    order = np.random.default_rng(np.random.SeedSequence([seed])).permutation(n_rows)
    return [np.sort(fold) for fold in np.array_split(order, n_folds)]


def members_folds(folds: list[NDArray[np.intp]], n_members: int) -> list[NDArray[np.intp]]:
    """The fold that each member holds out: 0, 1, 0, 1, then 2, 3, 2, 3, and so on, and round again.

    It depends on the member's number alone. Two networks or more see every row, and of three or more there
    are two that hold out the same rows, which tell how good networks are together.
    """
    return [folds[(i // 4 * 2 + i % 2) % len(folds)] for i in range(n_members)]


def member_generator(seed: int, member: int) -> torch.Generator:
    """The random stream of a member: it depends on (seed, member) alone, and lives on the CPU."""
    (state,) = np.random.SeedSequence([seed, member]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
