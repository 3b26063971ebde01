"""Distributions of other projects, NumPy in, NumPy out: with logpdf, cdf and ppf, or as mixtures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily, MultivariateNormal, Normal

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.predictive import PredictiveDistribution

Array = NDArray[np.float64]

MAX_DOUBLINGS, MAX_BISECTIONS = 1100, 1100  # from the smallest number to the largest


class Frozen(ABC):
    """Distributions with the methods of a frozen :mod:`scipy.stats` distribution that scores need.

    Attributes
    ----------
    shape : tuple
        That of the parameters: (n,), or (n, D) for independent targets. Arguments broadcast against it.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def logpdf(self, y: ArrayLike) -> Array:
        """Log density."""

    @abstractmethod
    def cdf(self, y: ArrayLike) -> Array:
        """P(Y <= y)."""

    @abstractmethod
    def ppf(self, q: ArrayLike) -> Array:
        """Quantiles."""


@runtime_checkable
class HasInverseCdf(Protocol):
    """A distribution of SciPy's newer kind, whose quantiles are called ``icdf``."""

    def cdf(self, x: Any, /) -> Any: ...
    def logpdf(self, x: Any, /) -> Any: ...
    def icdf(self, p: Any, /) -> Any: ...


@runtime_checkable
class HasLogPdf(Protocol):
    """A distribution of skpro: data frames in and out, of exactly its own shape."""

    def cdf(self, x: Any) -> Any: ...
    def log_pdf(self, x: Any) -> Any: ...
    def ppf(self, p: Any) -> Any: ...


@runtime_checkable
class HasLocationAndCovariance(Protocol):
    """Normal distributions of several targets as NGBoost predicts them, with a joint density alone."""

    loc: Any
    cov: Any

    def logpdf(self, Y: Any) -> Any: ...


class FrozenScipy(Frozen):
    """One of SciPy's newer distributions."""

    def __init__(self, distribution: HasInverseCdf) -> None:
        self._distribution = distribution
        self.shape = np.shape(distribution.icdf(0.5))

    def logpdf(self, y: ArrayLike) -> Array:
        return np.asarray(self._distribution.logpdf(y))

    def cdf(self, y: ArrayLike) -> Array:
        return np.asarray(self._distribution.cdf(y))

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(self._distribution.icdf(q))


class FrozenFrames(Frozen):
    """A distribution that takes and gives frames of its own shape."""

    def __init__(self, distribution: HasLogPdf) -> None:
        self._distribution = distribution
        self.shape = np.shape(distribution.ppf(0.5))

    def logpdf(self, y: ArrayLike) -> Array:
        return self._one_by_one(self._distribution.log_pdf, y)

    def cdf(self, y: ArrayLike) -> Array:
        return self._one_by_one(self._distribution.cdf, y)

    def ppf(self, q: ArrayLike) -> Array:
        return self._one_by_one(self._distribution.ppf, q)

    def _one_by_one(self, method: Callable[[Any], Any], argument: ArrayLike) -> Array:
        """Answers to an argument with leading axes, for each place along them."""
        array = np.asarray(argument, dtype=np.float64)
        array = np.broadcast_to(array, np.broadcast_shapes(array.shape, self.shape))
        places = array.reshape(-1, *self.shape)
        answers = [np.asarray(method(place.copy()), dtype=np.float64) for place in places]
        return np.stack(answers).reshape(array.shape)


class FrozenTorch(Frozen):
    """A distribution of PyTorch with single targets."""

    def __init__(self, distribution: Distribution) -> None:
        if distribution.event_shape:
            raise TypeError(
                "y_dist must give the distribution of each target: of a joint density, only that of torch's "
                "normal distributions, their mixtures and independent targets can be judged, got "
                f"{type(distribution).__name__}."
            )
        self._distribution = distribution
        self.shape = tuple(distribution.batch_shape)

    def logpdf(self, y: ArrayLike) -> Array:
        return self._of_values(self._distribution.log_prob, y, lambda y: np.full(y.shape, -np.inf))

    def cdf(self, y: ArrayLike) -> Array:
        return self._of_values(self._distribution.cdf, y, lambda y: (y > self._center).astype(np.float64))

    def ppf(self, q: ArrayLike) -> Array:
        levels = self._broadcast(q)
        try:
            return self._ask(self._distribution.icdf, levels)
        except NotImplementedError:
            spread: Array = self._distribution.stddev.double().numpy(force=True)
            return inverted(self.cdf, levels, self._center, spread)

    @property
    def _center(self) -> Array:
        return _numpy(self._distribution.mean)

    def _of_values(
        self, method: Callable[[Tensor], Tensor], argument: ArrayLike, beyond: Callable[[Array], Array]
    ) -> Array:
        """The method's answers; torch has none beyond the distribution's support."""
        y = self._broadcast(argument)
        support: Any = self._distribution.support
        known = (
            True if support is None else support.check(torch.from_numpy(y).to(self._device)).numpy(force=True)
        )
        return np.where(known, self._ask(method, np.where(known, y, self._center)), beyond(y))

    def _broadcast(self, argument: ArrayLike) -> Array:
        array = np.asarray(argument, dtype=np.float64)
        return np.array(np.broadcast_to(array, np.broadcast_shapes(array.shape, self.shape)))

    def _ask(self, method: Callable[[Tensor], Tensor], argument: Array) -> Array:
        with torch.no_grad():
            return _numpy(method(torch.from_numpy(argument).to(self._device)))

    @property
    def _device(self) -> torch.device:
        return self._distribution.mean.device


class FrozenRows(Frozen):
    """Distributions in a list, one a row."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = []
        for i, row in enumerate(rows):
            known = adapted(row)
            quantile = getattr(known, "ppf", None)
            if isinstance(known, PredictiveDistribution) or quantile is None or np.shape(quantile(0.5)) != ():
                raise ValueError(
                    "y_dist must be one object for all rows or a list with one univariate distribution a "
                    f"row, got {type(row).__name__} in row {i} of a list."
                )
            self._rows.append(known)
        self.shape = (len(rows),)

    def logpdf(self, y: ArrayLike) -> Array:
        return self._each("logpdf", y)

    def cdf(self, y: ArrayLike) -> Array:
        return self._each("cdf", y)

    def ppf(self, q: ArrayLike) -> Array:
        return self._each("ppf", q)

    def _each(self, method: str, argument: ArrayLike) -> Array:
        array = np.asarray(argument, dtype=np.float64)
        array = np.broadcast_to(array, np.broadcast_shapes(array.shape, self.shape))
        answers = [getattr(row, method)(array[..., i]) for i, row in enumerate(self._rows)]
        return np.stack(answers, axis=-1)


@singledispatch
def adapted(distribution: Any) -> Any:
    """A mixture, or an object with logpdf, cdf and ppf in NumPy's terms; what is neither is left as it is."""
    if isinstance(distribution, HasInverseCdf):
        return FrozenScipy(distribution)
    if isinstance(distribution, HasLogPdf):
        return FrozenFrames(distribution)
    has_quantiles = getattr(distribution, "ppf", None) is not None
    if isinstance(distribution, HasLocationAndCovariance) and not has_quantiles:
        return normal_mixture(np.asarray(distribution.loc), np.asarray(distribution.cov))
    return distribution


@adapted.register
def _(distribution: Distribution) -> Any:
    return FrozenTorch(distribution)


@adapted.register
def _(distribution: MultivariateNormal) -> Any:
    return normal_mixture(_numpy(distribution.loc), _numpy(distribution.covariance_matrix))


@adapted.register(Independent)
def _(distribution: Any) -> Any:
    if distribution.reinterpreted_batch_ndims == 1:
        return FrozenTorch(distribution.base_dist)
    return FrozenTorch(distribution)


@adapted.register
def _(distribution: MixtureSameFamily) -> Any:
    """Mixtures of normal distributions are what this package is about."""
    parts = distribution.component_distribution
    weights = _numpy(distribution.mixture_distribution.probs)
    if weights.ndim == 2 and isinstance(parts, Normal):
        return MixtureDistribution(weights, _numpy(parts.loc), _numpy(parts.scale) ** 2)
    if weights.ndim == 2 and isinstance(parts, Independent) and isinstance(parts.base_dist, Normal):
        base = parts.base_dist
        return MixtureDistribution(weights, _numpy(base.loc), _numpy(base.scale) ** 2, covariance_type="diag")
    if weights.ndim == 2 and isinstance(parts, MultivariateNormal):
        return MixtureDistribution(weights, _numpy(parts.loc), _numpy(parts.covariance_matrix))
    return FrozenTorch(distribution)


def normal_mixture(means: Array, covariances: Array) -> MixtureDistribution:
    """Normal distributions of several targets (n, D), as mixtures of one component."""
    if means.ndim != 2:
        raise ValueError(
            f"y_dist must hold one distribution a row, with means (n, D), got the shape {means.shape}."
        )
    return MixtureDistribution(np.ones((len(means), 1)), means[:, None], covariances[:, None])


def _numpy(tensor: Tensor) -> Array:
    array: Array = tensor.detach().double().numpy(force=True)
    return array


def inverted(cdf: Callable[[Array], Array], q: Array, center: Array, spread: Array) -> Array:
    """Quantiles by bisection, between ends that are moved outward from the center until they hold q."""
    shape = np.broadcast_shapes(q.shape, center.shape)
    ends = []
    for side in (-1.0, 1.0):
        end, step = np.array(np.broadcast_to(center, shape)), np.broadcast_to(spread, shape).copy()
        for _ in range(MAX_DOUBLINGS):
            short = side * (q - cdf(end)) > 0
            if not short.any():
                break
            end = np.where(short, end + side * step, end)
            step = 2.0 * step
        ends.append(end)
    low, high = ends
    for _ in range(MAX_BISECTIONS):
        middle = low + 0.5 * (high - low)
        if ((middle == low) | (middle == high)).all():
            break
        below = cdf(middle) < q
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high
