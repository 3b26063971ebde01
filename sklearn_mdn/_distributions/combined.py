"""Distributions made of several: pools of densities, and joint densities of independent targets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.records import Grid, common_grid
from sklearn_mdn._mixtures.mixture import independent

MAX_COMPONENTS = 4096  # of a product; a row of ten targets then takes some 700 kB


def pooled(parts: Sequence[PredictiveDistribution], weights: np.ndarray) -> PredictiveDistribution:
    """The weighted mixture of distributions; the members of the parts are its members."""
    shapes = {part._shape for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"estimators must predict targets of one shape, got {sorted(shapes)}.")
    kinds = sorted({type(part).__name__ for part in parts})
    if len(kinds) > 1:
        raise ValueError(
            f"estimators must predict distributions of one kind, got {' and '.join(kinds)}: give all of them "
            "the same support, limits or transform of the target."
        )
    return parts[0]._pooled(parts, weights)._on(common_grid([part._grid for part in parts]))


def joint(given: Sequence[PredictiveDistribution]) -> MixtureDistribution:
    """The density of several targets that are independent once x is known, a distribution (n,) of each."""
    parts = [part for part in given if isinstance(part, MixtureDistribution)]
    if len(parts) < len(given):
        raise TypeError(
            "estimator must have a Gaussian mixture for each of its targets: take what is predicted of one "
            "that is transformed or clipped from estimators_."
        )
    sizes = [part._mixture.n_components for part in parts]
    if math.prod(sizes) > MAX_COMPONENTS:
        raise ValueError(
            f"estimator has {len(parts)} targets of {', '.join(map(str, sizes))} components: their "
            f"joint mixture has {math.prod(sizes)}, more than {MAX_COMPONENTS}. Fit fewer components, "
            "take the density of each target from estimators_, or fit one MDNRegressor to all targets."
        )
    grids = [part._grid for part in parts if part._grid is not None]
    grid = None
    if len(grids) == len(parts):
        grid = Grid(
            *(np.concatenate(each) for each in zip(*((g.step, g.offset) for g in grids), strict=True))
        )
    mixture = independent([part._mixture for part in parts])
    return MixtureDistribution._from_mixture(mixture, one_dimensional=False)._on(grid)
