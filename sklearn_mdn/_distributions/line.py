"""Moments, scores, modes and regions of one target that is a monotone function of a Gaussian mixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_mdn._distributions.bounds import BoundTransformer
from sklearn_mdn._distributions.levels import Heights, heights_of, probability_above, region
from sklearn_mdn._distributions.mixture import stack_padded
from sklearn_mdn._distributions.quadrature import cells, integrals
from sklearn_mdn._mixtures import lognormal
from sklearn_mdn._mixtures.entropy import univariate_entropy
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.modes import highest_first, univariate_modes
from sklearn_mdn._mixtures.regions import highest_density_region, monotone_pieces
from sklearn_mdn._mixtures.univariate import Univariate

Array = NDArray[np.float64]

GRID = np.linspace(-5.0, 5.0, 41)  # where to look for modes, in deviations of each component
CLOSED_FORM = 1e5  # times the score at most are the terms of a closed form that still has nine digits


@dataclass(frozen=True)
class Line:
    """One target of n rows: z has a mixture, of which the values between two ends are those of y.

    Parameters
    ----------
    mixture : Mixture
        Of one target.
    inverse : callable (z (P,), row (P,)) -> (P,)
    log_slope : callable (y (P,), row (P,)) -> (P,)
        log |dz / dy|.
    low, high, inside : ndarray of shape (n,)
        Ends of z, and the probability between them.
    """

    mixture: Mixture
    inverse: Callable[[Array, NDArray[np.int64]], Array]
    log_slope: Callable[[Array, NDArray[np.int64]], Array]
    low: Array
    high: Array
    inside: Array

    @cached_property
    def latent(self) -> Univariate:
        """The mixture (n, K)."""
        return self.mixture.univariate().map(lambda stored: stored.squeeze(-2))

    def log_density(self, z: Array, row: NDArray[np.int64]) -> Array:
        """log p(z) of places (P, m) in some rows (P,), given that z is a value of the transform."""
        part = self.latent.take(torch.from_numpy(row)).widen()
        log_inside = np.log(self.inside)[row][:, None]
        log_density: Array = part.log_prob(torch.from_numpy(np.array(z))).numpy()
        return np.asarray(log_density - log_inside)

    def values(self, z: Array, row: NDArray[np.int64]) -> Array:
        """y of places (P, m) in some rows."""
        rows = np.repeat(row, z.shape[1])
        return np.asarray(self.inverse(z.ravel(), rows).reshape(z.shape))

    def log_height(self, z: Array, row: NDArray[np.int64]) -> Array:
        """log p(y) of the y of places (P, m) in some rows."""
        y = self.values(z, row)
        known = np.isfinite(y)
        rows = np.broadcast_to(row[:, None], z.shape)
        slope = np.full(z.shape, -np.inf)
        slope[known] = self.log_slope(y[known], rows[known])
        return np.asarray(self.log_density(z, row) + slope)

    def expectation(self, function: Callable[[Array, Array, NDArray[np.int64]], Array]) -> Array:
        """E[function(z, y, row)], (n,), by quadrature over z."""
        latent = self.latent.present()
        cuts = cells(latent.means.numpy(), latent.deviations.numpy(), self.low, self.high)

        def integrand(z: Array, row: NDArray[np.int64]) -> Array:
            density = np.exp(self.log_density(z, row))
            with np.errstate(over="ignore", invalid="ignore"):
                value = function(z, self.values(z, row), row) * density
            return np.where(density > 0, value, 0.0)

        return integrals(integrand, cuts)

    def mean(self) -> Array:
        return self.expectation(lambda z, y, row: y)

    def var(self) -> Array:
        mean = self.mean()
        center = np.where(np.isfinite(mean), mean, 0.0)
        found = self.expectation(lambda z, y, row: (y - center[row][:, None]) ** 2)
        return np.where(np.isfinite(mean), found, np.inf)

    def entropy(self) -> Array:
        """-E[log p(y)]."""
        return self.expectation(lambda z, y, row: -self.log_height(z, row))

    def _grid(self) -> Array:
        latent = self.latent.present()
        means, deviations = latent.means.numpy(), latent.deviations.numpy()
        places = (means[:, :, None] + deviations[:, :, None] * GRID).reshape(len(means), -1)
        return np.sort(np.clip(places, self.low[:, None], self.high[:, None]), axis=1)

    def modes(self) -> Array:
        """Places (n, J) of modes in z, highest first, padded with NaN."""
        return heights_of(lambda z: self.log_height(z, np.arange(len(z))), self._grid()).modes

    def _heights(self) -> Heights:
        return heights_of(lambda z: self.log_height(z, np.arange(len(z))), self._grid())

    def prob(self, lower: Array, upper: Array) -> Array:
        """Probability of intervals (n, m) in z; NaN are none."""
        ends = (torch.from_numpy(np.nan_to_num(end)) for end in (lower, upper))
        found = self.latent.widen().prob(*ends).numpy() / self.inside[:, None]
        return np.asarray(np.where(np.isnan(lower), 0.0, found))

    def regions(self, confidence: float) -> tuple[Array, Array]:
        """Intervals (n, J, 2) in z of the highest density region of y, and log thresholds (n,)."""
        return region(self._heights(), self.prob, confidence)

    def level(self, z: Array) -> Array:
        """Probability of a higher density of y than at z (m, n)."""
        heights, levels = self._heights(), self.log_height(z.T, np.arange(z.shape[1])).T
        return np.stack([probability_above(heights, self.prob, level) for level in levels])


@dataclass(frozen=True)
class BoundedLine(Line):
    """One target behind a logarithm or a logit: its density is a mixture along z."""

    bounds: BoundTransformer

    @property
    def _sign(self) -> int:
        """1 for y = low + e^z, -1 for y = high - e^-z, 0 for a logit."""
        return int(np.isinf(self.bounds.high)) - int(np.isinf(self.bounds.low))

    @property
    def _exponential(self) -> Univariate:
        """The mixture of the logarithm of the distance from the one bound."""
        latent = self.latent
        return Univariate(latent.log_weights, self._sign * latent.means, latent.deviations)

    @property
    def _origin(self) -> float:
        return self.bounds.low if self._sign > 0 else self.bounds.high

    def mean(self) -> Array:
        if not self._sign:
            return super().mean()
        distance: Array = lognormal.moment(self._exponential, 1).numpy()
        return self._origin + self._sign * distance

    def var(self) -> Array:
        if not self._sign:
            return super().var()
        variance: Array = lognormal.variance(self._exponential).numpy()
        return variance

    def entropy(self) -> Array:
        # h(Y) = h(Z) - E[log t'(Y)], and the logarithm of the derivative of a logarithm is -z.
        if not self._sign:
            return super().entropy()
        return np.asarray(self.latent_entropy() + self._sign * self.latent.mean().numpy())

    def latent_entropy(self) -> Array:
        from_mixture: Array = univariate_entropy(self.mixture).numpy()
        return from_mixture

    def tilted(self) -> tuple[Univariate, Array]:
        """The density of y along z, normalised, and the log of what it was divided by."""
        tilts = [(c, self.mixture.means.new_tensor([a])) for c, a in self.bounds.tilts]
        mixture, total = lognormal.tilted(self.mixture, tilts)
        return mixture.univariate().map(lambda stored: stored.squeeze(-2)), total.numpy()

    def modes(self) -> Array:
        mixture, _ = self.tilted()
        return stack_padded([highest_first(mixture, univariate_modes(mixture)[0])])

    def regions(self, confidence: float) -> tuple[Array, Array]:
        mixture, total = self.tilted()
        intervals, log_threshold = highest_density_region(self.latent, confidence, mixture)
        return stack_padded([intervals], 2), log_threshold.numpy() + total

    def level(self, z: Array) -> Array:
        mixture, _ = self.tilted()
        outside = monotone_pieces(self.latent, mixture).outside(torch.from_numpy(np.array(z)))
        return np.asarray(1.0 - outside.numpy())

    def crps(self, y: Array) -> Array:
        """Of y (m, n), in closed form; NaN where that would lose digits."""
        distance = self._sign * (y - self._origin)
        latent = self._exponential
        with np.errstate(divide="ignore"):
            log_distance = np.log(np.maximum(distance, 0.0))
        found = lognormal.crps(latent, torch.from_numpy(log_distance)).numpy()
        size = latent.means + 0.5 * latent.deviations.square()
        exists = torch.where(latent.log_weights > -torch.inf, size, -torch.inf).amax(-1).exp().numpy()
        found = np.where(exists > CLOSED_FORM * found, np.nan, found)
        return found + np.maximum(-distance, 0.0)
