"""Distributions made of several: pools of densities, and joint densities of independent targets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._mixtures.mixture import independent, pool

MAX_COMPONENTS = 4096  # of a product; a row of ten targets then takes some 700 kB


def pooled(parts: Sequence[MixtureDistribution], weights: np.ndarray) -> MixtureDistribution:
    """The weighted mixture of mixtures; the members of the parts are its members."""
    shapes = {part.mean().shape for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"estimators must predict targets of one shape, got {sorted(shapes)}.")
    with np.errstate(divide="ignore"):
        log_weights = torch.from_numpy(np.log(weights))
    return MixtureDistribution._from_mixture(
        pool([part._mixture for part in parts], log_weights),
        one_dimensional=parts[0]._one_dimensional,
        member_sizes=[size for part in parts for size in part._member_sizes],
    )


def joint(parts: Sequence[MixtureDistribution]) -> MixtureDistribution:
    """The density of several targets that are independent once x is known, a distribution (n,) of each."""
    sizes = [part._mixture.n_components for part in parts]
    if math.prod(sizes) > MAX_COMPONENTS:
        raise ValueError(
            f"estimator has {len(parts)} targets of {', '.join(map(str, sizes))} components: their "
            f"joint mixture has {math.prod(sizes)}, more than {MAX_COMPONENTS}. Fit fewer components, "
            "take the density of each target from estimators_, or fit one MDNRegressor to all targets."
        )
    return MixtureDistribution._from_mixture(
        independent([part._mixture for part in parts]), one_dimensional=False
    )
