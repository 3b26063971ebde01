"""Targets between bounds on the whole line: the logarithm of the distance from one bound, or the logit."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sklearn_mdn._distributions.records import Records

Array = NDArray[np.float64]


class BoundTransformer:
    """From values between two bounds, of which one may be infinite, to the line, and back; rising.

    Its methods are those of a fitted transformer of scikit-learn. With u = y - low and v = high - y it is
    log u, -log v, or log u - log v.

    Parameters
    ----------
    low, high : float
        low < high, at least one of them finite.
    """

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = float(low), float(high)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundTransformer) and (self.low, self.high) == (other.low, other.high)

    def __hash__(self) -> int:
        return hash((self.low, self.high))

    def fit(self, y: Any, _: Any = None) -> Self:
        """Nothing is learned."""
        return self

    def transform(self, y: Array) -> Array:
        """NaN on a bound and outside."""
        with np.errstate(invalid="ignore", divide="ignore"):
            above, below = np.log(y - self.low), np.log(self.high - y)
            if np.isinf(self.high):
                z = above
            elif np.isinf(self.low):
                z = -below
            else:
                z = above - below
        return np.where((y > self.low) & (y < self.high), z, np.nan)

    def inverse_transform(self, z: Array) -> Array:
        """Values inside, as far as they can be told from a bound."""
        with np.errstate(over="ignore"):
            if np.isinf(self.high):
                return np.asarray(self.low + np.exp(z))
            if np.isinf(self.low):
                return np.asarray(self.high - np.exp(-z))
        near: Array
        width, near = self.high - self.low, special.expit(-np.abs(z))
        return np.where(z < 0, self.low + width * near, self.high - width * near)

    def records(self, records: Records) -> Records:
        """What records of y say of z; beyond a bound nothing is left to tell."""
        lower, upper = (self._placed(end) for end in records.ends)
        return Records.between(lower, upper)

    def _placed(self, y: Array) -> Array:
        z = self.transform(y)
        return np.where(y <= self.low, -np.inf, np.where(y >= self.high, np.inf, z))

    def derivative(self, y: Array) -> Array:
        """dz / dy."""
        with np.errstate(divide="ignore", invalid="ignore"):
            above = 0.0 if np.isinf(self.low) else 1.0 / (y - self.low)
            below = 0.0 if np.isinf(self.high) else 1.0 / (self.high - y)
        return np.asarray(above + below)

    @property
    def tilts(self) -> list[tuple[float, float]]:
        """Pairs (c, a) with dz / dy = sum exp(c + a z)."""
        if np.isinf(self.high):
            return [(0.0, -1.0)]
        if np.isinf(self.low):
            return [(0.0, 1.0)]
        c = -np.log(self.high - self.low)
        return [(c, -1.0), (c + np.log(2.0), 0.0), (c, 1.0)]
