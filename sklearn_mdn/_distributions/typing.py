"""Types that signatures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

SeedLike: TypeAlias = int | np.integer[Any] | np.random.RandomState | np.random.Generator | None
CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]
# One row, or some of them in an order, or a mask.
Rows: TypeAlias = int | np.integer[Any] | slice | Sequence[int] | NDArray[np.integer[Any] | np.bool_]
# One index, or several along one axis.
Targets: TypeAlias = int | np.integer[Any] | Sequence[int] | NDArray[np.integer[Any]]
# How scores of several targets become one number. ArrayLike would take any string.
MultiOutput: TypeAlias = Literal["uniform_average"] | Sequence[float] | NDArray[Any]


class FrozenDistribution(Protocol):
    """What scores need of a distribution: methods of a frozen one of :mod:`scipy.stats`, a row each."""

    def cdf(self, y: Any, /) -> Any:
        """P(Y <= y)."""

    def logpdf(self, y: Any, /) -> Any:
        """Log density at y."""

    def ppf(self, q: Any, /) -> Any:
        """Quantiles at the levels q."""


# A MixtureDistribution is a FrozenDistribution; arrays are draws.
DistributionLike: TypeAlias = FrozenDistribution | ArrayLike
