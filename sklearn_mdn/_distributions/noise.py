"""Random numbers that draws from distributions are made of."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from sklearn_mdn._distributions.typing import SeedLike


def check_seed(random_state: SeedLike) -> np.random.Generator | np.random.RandomState:
    """The generator that is given, not advanced, or the one that follows from a seed."""
    if isinstance(random_state, np.random.RandomState):
        return random_state
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError):
        raise ValueError(
            "random_state must be a non-negative integer, a RandomState, a Generator or None, "
            f"got {random_state!r}."
        ) from None


def child_generators(random_state: SeedLike, count: int) -> list[np.random.Generator]:
    """Independent generators that follow from a seed, or from one advance of a generator given."""
    generator = check_seed(random_state)
    if isinstance(generator, np.random.RandomState):
        seeds = generator.randint(0, 2**32, size=(count, 4), dtype=np.uint32)
    else:
        seeds = generator.integers(0, 2**32, size=(count, 4), dtype=np.uint32)
    return [np.random.default_rng(seed) for seed in seeds]


def balanced_noise(
    n_samples: int, n_targets: int, random_state: SeedLike, copies: int = 1
) -> list[tuple[Tensor, Tensor]]:
    """Pairs of uniform (M,) and normal (M, D) numbers from one scrambled Sobol sequence.

    Owen, A. B. (1998). Scrambling Sobol' and Niederreiter-Xing points. Journal of Complexity, 14.
    """
    (rng,) = child_generators(random_state, 1)
    sequence = stats.qmc.Sobol((n_targets + 1) * copies, scramble=True, rng=rng)
    points = sequence.random_base2(max(1, int(np.ceil(np.log2(n_samples)))))[:n_samples]
    points = np.clip(points, 2.0**-31, 1.0 - 2.0**-31)  # the points are multiples of 2^-30
    noise = []
    for copy in np.split(points, copies, axis=1):
        uniform, normal = torch.from_numpy(copy[:, 0].copy()), torch.from_numpy(stats.norm.ppf(copy[:, 1:]))
        noise.append((uniform, normal))
    return noise
