"""One face for everything that can be judged: mixtures, draws, and distributions from elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from sklearn.utils import check_array

from sklearn_mdn._distributions.foreign import Frozen, FrozenRows, adapted
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.quadrature import crps_of
from sklearn_mdn._distributions.records import Records

Array = NDArray[np.float64]

WHAT_IS_JUDGED = "a MixtureDistribution, an array of draws, or an object with the methods cdf, logpdf and ppf"
HDR_LEVELS = (np.arange(1024) + 0.5) / 1024


class UnavailableScoreError(TypeError):
    """The form of the prediction does not allow the score."""


class Forecast(ABC):
    """Predicted distributions of n rows, whatever form they come in.

    Attributes
    ----------
    shape : tuple
        That of the targets: (n,) or (n, D). "Per target" below means of this shape.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def logpdf(self, y: Array) -> Array:
        """Joint log density of each row, (n,)."""

    def log_score(self, y: Array) -> Array:
        """What a log-likelihood is the mean of: log densities, or log probabilities with a resolution."""
        return self.logpdf(y)

    @abstractmethod
    def pit(self, y: Array, uniform: Array) -> Array:
        """Probability integral transform, F(y), per target; across a jump of F as far as ``uniform`` says."""

    @abstractmethod
    def quantiles(self, levels: Array) -> Array:
        """Quantiles at Q levels, (Q, n) or (Q, n, D)."""

    def interval(self, confidence: float) -> tuple[Array, Array]:
        """Lower and upper ends of the central intervals, per target."""
        tail = 0.5 * (1.0 - confidence)
        lower, upper = self.quantiles(np.array([tail, 1.0 - tail]))
        return lower, upper

    @abstractmethod
    def crps(self, y: Array) -> Array:
        """Continuous ranked probability score, per target."""

    @abstractmethod
    def energy_score(self, y: Array) -> Array:
        """Energy score of each row, (n,)."""

    @abstractmethod
    def in_hdr(self, y: Array, confidence: float) -> NDArray[np.bool_]:
        """Whether each row lies in its highest density region, (n,)."""

    def _on_axes_of(self, levels: Array) -> Array:
        return levels.reshape(-1, *(1,) * len(self.shape))


class PredictiveForecast(Forecast):
    """Distributions of this package: everything is theirs to say."""

    def __init__(self, distribution: PredictiveDistribution) -> None:
        self._distribution = distribution
        self.shape = distribution._shape

    def logpdf(self, y: Array) -> Array:
        return self._distribution.logpdf(y)

    def log_score(self, y: Array) -> Array:
        return self._distribution._log_score(Records.of(y.reshape(len(y), -1)))

    def pit(self, y: Array, uniform: Array) -> Array:
        lower, upper = self._distribution._recorded_cdf(y.reshape(1, len(y), -1))
        return lower.reshape(y.shape) + uniform * (upper - lower).reshape(y.shape)

    def quantiles(self, levels: Array) -> Array:
        return self._distribution.ppf(self._on_axes_of(levels))

    def interval(self, confidence: float) -> tuple[Array, Array]:
        return self._distribution.interval(confidence)

    def crps(self, y: Array) -> Array:
        return self._distribution.crps(y)

    def energy_score(self, y: Array) -> Array:
        return self._distribution.energy_score(y)

    def in_hdr(self, y: Array, confidence: float) -> NDArray[np.bool_]:
        return self._distribution.in_hdr(y, confidence)


class DrawsForecast(Forecast):
    """M draws a row, (n, M) or (n, D, M), read as a sample of the predicted distribution.

    The scores are unbiased estimates of those of that distribution ("fair", Ferro 2014), so that they do
    not depend on M in expectation.
    """

    def __init__(self, draws: Any) -> None:
        draws = check_array(draws, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="y_dist")
        if draws.ndim not in (2, 3) or draws.shape[-1] < 2:
            raise ValueError(
                "y_dist must hold at least 2 draws a row, of shape (n, M) or (n, D, M), "
                f"got an array of shape {draws.shape}."
            )
        self._sorted = np.sort(draws, axis=-1)
        self._draws: Array = draws
        self.shape = draws.shape[:-1]

    def logpdf(self, y: Array) -> Array:
        raise UnavailableScoreError("y_dist must have a density for this score, got draws, which have none.")

    def pit(self, y: Array, uniform: Array) -> Array:
        """Mid-point of the share of the uniform distribution that the rank of y stands for."""
        y = y[..., None]
        n_equal = (self._draws == y).sum(-1)
        rank = (self._draws < y).sum(-1) + np.floor(uniform * (n_equal + 1.0))
        share: Array = (rank + 0.5) / (self._draws.shape[-1] + 1.0)
        return share

    def quantiles(self, levels: Array) -> Array:
        return np.asarray(np.quantile(self._sorted, levels, axis=-1))

    def crps(self, y: Array) -> Array:
        n_draws = self._draws.shape[-1]
        distance: Array = np.abs(self._draws - y[..., None]).mean(-1)
        # The sum of |x_i - x_j| over pairs i < j of a sorted sample is that of (2 i - M + 1) x_i, i from 0.
        order = 2.0 * np.arange(n_draws) - n_draws + 1.0
        apart = (self._sorted - self._sorted[..., :1]) @ order  # which sums to zero: no rounding of an offset
        return np.asarray(distance - apart / (n_draws * (n_draws - 1.0)))

    def energy_score(self, y: Array) -> Array:
        if len(self.shape) == 1:
            return self.crps(y)
        distance: Array = np.linalg.norm(self._draws - y[..., None], axis=1).mean(-1)
        return distance - 0.5 * np.array([pdist(draws.T).mean() for draws in self._draws])

    def in_hdr(self, y: Array, confidence: float) -> NDArray[np.bool_]:
        raise UnavailableScoreError(
            "y_dist must have a density for its regions to be found, got draws, which have none."
        )


class FrozenForecast(Forecast):
    """Distributions with the methods cdf, logpdf and ppf of a frozen :mod:`scipy.stats` distribution."""

    def __init__(self, distribution: Any, shape: tuple[int, ...] | None = None) -> None:
        try:
            self._cdf, self._logpdf, self._ppf = distribution.cdf, distribution.logpdf, distribution.ppf
        except AttributeError:
            raise TypeError(f"y_dist must be {WHAT_IS_JUDGED}, got {type(distribution).__name__}.") from None
        self.shape = np.shape(self._ppf(0.5)) if shape is None else shape
        if len(self.shape) not in (1, 2):
            raise ValueError(
                "y_dist must hold one distribution a row, with parameters of shape (n,) or (n, D), or be a "
                f"list of them, got the shape {self.shape}."
            )

    def logpdf(self, y: Array) -> Array:
        log_density = np.asarray(self._logpdf(y))
        # Densities per target are those of independent targets.
        return log_density.sum(-1) if len(self.shape) == 2 and log_density.ndim == y.ndim else log_density

    def pit(self, y: Array, uniform: Array) -> Array:
        return np.asarray(self._cdf(y))

    def quantiles(self, levels: Array) -> Array:
        return np.asarray(self._ppf(self._on_axes_of(levels)))

    def crps(self, y: Array) -> Array:
        return crps_of(self._cdf, self.quantiles, y)

    def energy_score(self, y: Array) -> Array:
        if len(self.shape) == 2 and self.shape[1] > 1:
            raise UnavailableScoreError(
                "y_dist must give the joint distribution of its targets: MixtureDistribution, or draws of "
                f"shape (n, D, M); {type(self._cdf.__self__).__name__} has a cdf for single targets."
            )
        return self.crps(y).reshape(len(y))

    def in_hdr(self, y: Array, confidence: float) -> NDArray[np.bool_]:
        """Compare the density at y with that at even quantiles (the density quantile, Hyndman 1996)."""
        if len(self.shape) == 2 and self.shape[1] > 1:
            raise UnavailableScoreError(
                "y_dist must be a distribution of sklearn_mdn for regions of several targets."
            )
        log_density, higher = self.logpdf(y), np.zeros(len(y))
        for levels in np.split(HDR_LEVELS, 16):  # a few at a time: there can be many rows
            higher += (self.logpdf(self.quantiles(levels)) > log_density).sum(axis=0)
        return np.asarray(higher < confidence * len(HDR_LEVELS))


def as_forecast(y_dist: Any) -> Forecast:
    """The face of a distribution of this package or another, or of an array-like of draws."""
    if isinstance(y_dist, (str, bytes)):
        raise TypeError(f"y_dist must be {WHAT_IS_JUDGED}, got {y_dist!r}.")
    if isinstance(y_dist, Sequence) and any(hasattr(row, "cdf") for row in y_dist):
        y_dist = FrozenRows(y_dist)
    y_dist = adapted(y_dist)
    if isinstance(y_dist, PredictiveDistribution):
        return PredictiveForecast(y_dist)
    if isinstance(y_dist, Frozen):
        return FrozenForecast(y_dist, y_dist.shape)
    if isinstance(y_dist, Sequence) or (hasattr(y_dist, "__array__") and not hasattr(y_dist, "cdf")):
        return DrawsForecast(y_dist)
    return FrozenForecast(y_dist)


def check_forecast(y_true: Any, y_dist: Any) -> tuple[Array, Forecast]:
    """Targets (n,) or (n, D) and distributions of one and the same shape."""
    if hasattr(y_true, "cdf"):
        raise TypeError(f"y_true must hold the targets, y_dist comes second; got {type(y_true).__name__}.")
    if y_true is None or np.isscalar(y_true) or getattr(y_true, "ndim", 1) == 0:
        raise ValueError(f"y_true must be an array of targets, one a row, got {y_true!r}.")
    forecast = as_forecast(y_dist)
    y = check_array(y_true, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="y_true")
    if y.shape != forecast.shape:
        raise ValueError(
            f"y_true must have the shape {forecast.shape} of the predicted distributions, got {y.shape}."
        )
    return y, forecast
