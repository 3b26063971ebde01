"""The density of a target that was transformed before it was learned: a change of variables."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from sklearn_mdn._distributions.jacobian import apply, chain, jacobian, log_abs_det
from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.unwrap import unwrap

Array = NDArray[np.float64]

FARTHEST = 8.3  # deviations of a component, beyond which it has a probability of 1e-16
LADDER = (0.5, 0.25, 0.75, 0.05, 0.95, 1e-3, 1.0 - 1e-3)  # quantiles among which some y is looked for
MAX_STARTS = 64
NEGLIGIBLE = 1e-12  # probability of a component outside a box that is not worth an integral


@dataclass(frozen=True)
class Range:
    """What the transform maps to, target by target (D,): z between low and high, and whether y rises with z.

    An end is infinite if it is farther out than any predicted density reaches.
    """

    low: Array
    high: Array
    rising: NDArray[np.bool_]

    @property
    def bounded(self) -> bool:
        """Whether there is an end that some density reaches."""
        return bool(np.isfinite(self.low).any() or np.isfinite(self.high).any())


class TransformedDensity:
    r"""Density of y where z = t(y) has a Gaussian mixture.

    .. math:: p(y) = p_z(t(y))\, |\det t'(y)| / P(z \in t(\cdot))

    A Gaussian mixture reaches everywhere, but the values of a transform may end somewhere: those of a Box-Cox
    transform with a positive exponent at -1 / lambda. No y belongs to what lies beyond, so the density is the
    one given that z is a value of t. It has the methods of a frozen :mod:`scipy.stats` distribution that
    scores need.

    Parameters
    ----------
    mixture : MixtureDistribution
        Density of z.
    transformers : tuple of fitted transformers
        What leads from y to z, in this order; monotone in each target.
    """

    def __init__(self, mixture: MixtureDistribution, transformers: tuple[Any, ...]) -> None:
        self.mixture = mixture
        self.transformers = transformers
        self.shape: tuple[int, ...] = mixture.mean().shape

    def logpdf(self, y: ArrayLike) -> Array:
        """Joint log density, (..., n) for y (..., n) or (..., n, D); -inf where the transform is flat."""
        y = np.asarray(y, dtype=np.float64)
        leading = y.shape if len(self.shape) == 1 else y.shape[:-1]
        log_density: Array = self.mixture.logpdf(self._forward(y)) - self._log_inside
        return log_density + log_abs_det(self._derivative(y)).reshape(leading)

    def cdf(self, y: ArrayLike) -> Array:
        """P(Y <= y) of each target, of the shape of y."""
        z, rising = self._forward(np.asarray(y, dtype=np.float64)), self._of_targets(self._range.rising)
        if not self._range.bounded:
            return np.where(rising, self.mixture.cdf(z), self.mixture.sf(z))
        low, high = self._ends
        z = np.clip(z, low, high)
        below = np.where(rising, self.mixture.prob(low, z), self.mixture.prob(z, high))
        return np.minimum(below / self._inside, 1.0)

    def ppf(self, q: ArrayLike) -> Array:
        """Quantiles of each target; q broadcasts as in :meth:`MixtureDistribution.ppf`."""
        q = np.asarray(q, dtype=np.float64)
        if not self._range.bounded:
            rising = self._of_targets(self._range.rising)
            return self._backward(np.where(rising, self.mixture.ppf(q), self.mixture.isf(q)))
        low, high = self._ends
        # From the end of z that is nearer, where the level keeps its digits.
        from_below = self._of_targets(self._range.rising) == (q < 0.5)
        part = np.minimum(q, 1.0 - q) * self._inside
        below, above = (np.clip(self._probability(end) + part, 1e-300, 1.0 - 1e-16) for end in (True, False))
        z = np.where(from_below, self.mixture.ppf(below), self.mixture.isf(above))
        return self._backward(np.clip(z, low, high))

    def _rows(self, values: Array) -> Array:
        """All axes but that of the targets as one."""
        return values.reshape(-1, 1 if len(self.shape) == 1 else self.shape[-1])

    def _of_targets(self, values: NDArray[Any]) -> Any:
        """Values (D,), or the one of a target without an axis."""
        return values[0] if len(self.shape) == 1 else values

    def _forward(self, y: Array) -> Array:
        value = self._values(self._rows(y))
        if value.size != y.size or not np.isfinite(value).all():
            raise ValueError("y_true must lie in the domain of the transformer of the target.")
        return value.reshape(y.shape)

    def _values(self, y: Array) -> Array:
        """What the transform makes of rows (m, D)."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for transformer in self.transformers:
                y = apply(transformer, y)
        return y

    def _derivative(self, y: Array) -> Array:
        """Derivative dz / dy, in one of the forms of ``jacobian``, of all rows along one axis."""
        value = self._rows(y)
        total = np.ones_like(value)
        for transformer in self.transformers:
            total = chain(jacobian(transformer, value), total)
            value = apply(transformer, value)
        return total

    def _inverse(self, z: Array) -> Array:
        """What rows (m, D) of z came from, as far as it is a number."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what is not finite afterwards is asked about
            for transformer in reversed(self.transformers):
                z = np.asarray(transformer.inverse_transform(z.copy()), dtype=np.float64).reshape(z.shape)
        return z

    def _backward(self, z: Array) -> Array:
        value = self._inverse(self._rows(z))
        if not np.isfinite(value).all():
            raise ValueError(
                "y_dist has quantiles for which the inverse transform of the target has no finite value."
            )
        return value.reshape(z.shape)

    def _reached(self, z: Array) -> bool:
        """Whether one row z (D,) is a value of the transform."""
        try:
            y = self._inverse(z[None])
            return bool(np.isfinite(y).all() and np.isfinite(self._values(y)).all())
        except (ValueError, ArithmeticError):  # as some transformers answer to what is outside
            return False

    @cached_property
    def _mixes(self) -> bool:
        """Whether the transform mixes targets."""
        if len(self.shape) == 1 or self.shape[-1] == 1:
            return False
        return self._derivative(self._inverse(self._start[None])).ndim == 3

    @cached_property
    def _start(self) -> Array:
        """A row of z that is a value of the transform."""
        rows = np.unique(np.linspace(0, max(len(self.mixture) - 1, 0), MAX_STARTS).astype(int))
        for level in LADDER:
            for z in self._rows(self.mixture[rows].ppf(level)):
                if self._reached(z):
                    return np.asarray(z)
        raise ValueError(
            "y_dist lies outside the range of the transformer of the target: no value of the target leads to "
            "where its densities are."
        )

    @cached_property
    def _range(self) -> Range:
        if self._mixes:
            raise ValueError(
                "y_dist has no distribution of single targets in closed form: the transformer of the target "
                "mixes them. Judge the joint density by its log-likelihood."
            )
        means, deviations = self.mixture._mixture.means, self.mixture._mixture.scale.std
        farthest = (
            (means - FARTHEST * deviations).amin((0, 1)).numpy(),
            (means + FARTHEST * deviations).amax((0, 1)).numpy(),
        )
        ends = [np.array([self._last(j, z[j]) for j in range(len(z))]) for z in farthest]
        low, high = (
            np.where(end == z, s * np.inf, end) for end, z, s in zip(ends, farthest, (-1, 1), strict=True)
        )
        start, rising = self._start, []
        for j in range(len(start)):
            z = np.repeat(start[None], 2, axis=0)
            z[:, j] = ends[0][j], ends[1][j]
            y = self._inverse(z)[:, j]
            rising.append(y[0] <= y[1])
        return Range(low, high, np.array(rising))

    def _last(self, target: int, outside: float) -> float:
        """The last value of one target on the way to ``outside`` that the transform has, by bisection."""
        z = self._start.copy()
        inside = float(z[target])
        z[target] = outside
        if self._reached(z):
            return float(outside)
        while (middle := 0.5 * (inside + outside)) not in (inside, outside):
            z[target] = middle
            inside, outside = (middle, outside) if self._reached(z) else (inside, middle)
        return inside

    @property
    def _ends(self) -> tuple[Any, Any]:
        return self._of_targets(self._range.low), self._of_targets(self._range.high)

    def _probability(self, of_below: bool) -> Array:
        """P(z < low) or P(z > high) of each target; zero where there is no end."""
        end = self._ends[0 if of_below else 1]
        number = np.where(np.isfinite(end), end, 0.0)
        beyond: Array = self.mixture.cdf(number) if of_below else self.mixture.sf(number)
        return np.where(np.isfinite(end), beyond, 0.0)

    @cached_property
    def _inside(self) -> Array:
        """Probability that each target's z is a value of the transform."""
        inside: Array = np.asarray(self.mixture.prob(*self._ends))
        self._check_inside(inside.reshape(len(inside), -1).min(axis=1))
        return inside

    @cached_property
    def _log_inside(self) -> Any:
        """Logarithm of the probability that all z of a row are values of the transform, (n,), or zero."""
        if self._mixes or not self._range.bounded:
            return 0.0
        if self._rows(self._inside).shape[1] == 1:
            return np.log(self._inside.reshape(-1))
        log_inside = log_box(self.mixture, self._range.low, self._range.high)
        self._check_inside(np.exp(log_inside))
        return log_inside

    def _check_inside(self, probability: Array) -> None:
        if not (probability > 0).all():
            raise ValueError(
                "y_dist must have some probability in the range of the target's transformer, got none in "
                f"row {int(np.argmin(probability))}."
            )


def log_box(mixture: MixtureDistribution, low: Array, high: Array) -> Array:
    """Logarithm of the probability of a box of D targets, (n,): by components."""
    covariances = mixture.covariances
    deviations = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    sides = [(end - mixture.means) / deviations for end in (low, high)]
    tails = norm.cdf(sides[0]) + norm.sf(sides[1])
    inside = np.prod(1.0 - tails, axis=-1)
    dependent = (np.abs(covariances) > 0).sum(axis=(-2, -1)) > len(low)
    for row, k in np.argwhere(dependent & (tails.sum(axis=-1) > NEGLIGIBLE)):
        component = multivariate_normal(mixture.means[row, k], covariances[row, k], seed=0)
        inside[row, k] = component.cdf(high, lower_limit=low)
    with np.errstate(divide="ignore"):
        answer: Array = logsumexp(np.log(mixture.weights) + np.log(inside), axis=1)
    return answer


def predict_density(estimator: Any, X: Any) -> PredictiveDistribution | TransformedDensity:
    """What a fitted estimator, also inside wrappers, predicts of the untransformed target."""
    unwrapped = unwrap(estimator, X)
    mixture = unwrapped.regressor.predict_distribution(unwrapped.X)
    if not unwrapped.target_transformers:
        return mixture
    if not isinstance(mixture, MixtureDistribution):
        raise TypeError(f"estimator must predict a MixtureDistribution, got {type(mixture).__name__}.")
    return TransformedDensity(mixture, unwrapped.target_transformers)
