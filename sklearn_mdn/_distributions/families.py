"""The families of nested sets by the names of conformal methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklearn_mdn._distributions.nested import (
    EqualTails,
    HighestDensityRegions,
    NestedSets,
    RankedDensities,
)
from sklearn_mdn._distributions.shortest import LadderIntervals, ShortestIntervals


def nested_sets(method: str, dist: Any, *, crossed: bool, random_state: int) -> NestedSets:
    """The family that a method names; ``crossed`` ones are asked about many values."""
    if method == "interval":
        return EqualTails(dist)
    if method == "width":
        return LadderIntervals(dist) if crossed else ShortestIntervals(dist)
    if crossed and np.ndim(dist.mean()) == 1:
        return RankedDensities(dist)
    return HighestDensityRegions(dist, random_state)
