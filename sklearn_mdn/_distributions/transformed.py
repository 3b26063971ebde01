"""The density of a target that was transformed before it was learned: a change of variables."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.jacobian import apply, chain, jacobian, log_abs_det
from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.unwrap import unwrap


class TransformedDensity:
    """Density of y where z = t(y) has a Gaussian mixture: p(y) = p_z(t(y)) |det dt / dy|.

    It has the methods of a frozen :mod:`scipy.stats` distribution that scores need.

    Parameters
    ----------
    mixture : MixtureDistribution
        Density of z.
    transformers : tuple of fitted transformers
        What leads from y to z, in this order.
    """

    def __init__(self, mixture: MixtureDistribution, transformers: tuple[Any, ...]) -> None:
        self.mixture = mixture
        self.transformers = transformers
        self.shape = mixture.mean().shape

    def logpdf(self, y: ArrayLike) -> NDArray[np.float64]:
        """Joint log density, (..., n) for y (..., n) or (..., n, D); -inf where the transform is flat."""
        y = np.asarray(y, dtype=np.float64)
        leading = y.shape if len(self.shape) == 1 else y.shape[:-1]
        return self.mixture.logpdf(self._forward(y)) + log_abs_det(self._derivative(y)).reshape(leading)

    def cdf(self, y: ArrayLike) -> NDArray[np.float64]:
        """P(Y <= y) of each target, of the shape of y."""
        z = self._forward(np.asarray(y, dtype=np.float64))
        return np.where(self._rising(), self.mixture.cdf(z), self.mixture.sf(z))

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles of each target; q broadcasts as in :meth:`MixtureDistribution.ppf`."""
        return self._backward(np.where(self._rising(), self.mixture.ppf(q), self.mixture.isf(q)))

    def _rows(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """All axes but that of the targets as one."""
        return values.reshape(-1, 1 if len(self.shape) == 1 else self.shape[-1])

    def _forward(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        value = self._rows(y)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for transformer in self.transformers:
                value = apply(transformer, value)
        if value.size != y.size or not np.isfinite(value).all():
            raise ValueError("y_true must lie in the domain of the transformer of the target.")
        return value.reshape(y.shape)

    def _derivative(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivative dz / dy, in one of the forms of ``jacobian``, of all rows along one axis."""
        value = self._rows(y)
        total = np.ones_like(value)
        for transformer in self.transformers:
            total = chain(jacobian(transformer, value), total)
            value = apply(transformer, value)
        return total

    def _backward(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        value = self._rows(z)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is not finite afterwards is refused
            for transformer in reversed(self.transformers):
                value = np.asarray(transformer.inverse_transform(value), dtype=np.float64).reshape(
                    value.shape
                )
        if not np.isfinite(value).all():
            raise ValueError(
                "y_dist has quantiles for which the inverse transform of the target has no finite value: "
                "part of the predicted density lies outside the transform's range. Its log-likelihood can "
                "be judged."
            )
        return value.reshape(z.shape)

    def _rising(self) -> NDArray[np.bool_]:
        """Whether y rises with z, for each target."""
        low, high = self._backward(self.mixture.ppf(0.25)), self._backward(self.mixture.ppf(0.75))
        if len(self.shape) == 2 and self._derivative(low).ndim == 3:
            raise ValueError(
                "y_dist has no distribution of single targets in closed form: the transformer of the target "
                "mixes them. Judge the joint density by its log-likelihood."
            )
        return low <= high


def predict_density(estimator: Any, X: ArrayLike) -> MixtureDistribution | TransformedDensity:
    """What a fitted estimator, also inside scikit-learn's wrappers, predicts of the untransformed target."""
    unwrapped = unwrap(estimator, X)
    mixture = unwrapped.regressor.predict_distribution(unwrapped.X)
    if not unwrapped.target_transformers:
        return mixture
    return TransformedDensity(mixture, unwrapped.target_transformers)
