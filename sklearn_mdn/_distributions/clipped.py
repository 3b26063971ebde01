"""Gaussian mixtures of which what lies beyond a bound is recorded as the bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special

from sklearn_mdn._distributions.decisions import Array
from sklearn_mdn._distributions.levels import Heights, heights_of, joined, probability_above, region
from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.noise import balanced_noise
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.quadrature import cells, integrals
from sklearn_mdn._distributions.records import Grid, Records
from sklearn_mdn._distributions.rectified import HALF_LOG_2PI, clipped_crps, clipped_mean, clipped_variance
from sklearn_mdn._distributions.stored_state import read_state, stamped
from sklearn_mdn._distributions.typing import SeedLike
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.scale import DiagonalScale

SEEN = 1e-6  # probability from which on an atom counts as a mode and as part of a region
GRID = np.linspace(-5.0, 5.0, 41)  # where to look for modes, in deviations of each component
STATE_NAMES = ("latent", "low", "high")


def censored(records: Records, low: float, high: float) -> Records:
    """What records say of the latent target: a value on a bound, that it lies there or beyond."""
    place, (lower, upper) = records.place, records.ends
    at_low, at_high = (place <= low) & records.exact, (place >= high) & records.exact
    lower = np.where((lower < low) | at_low, -np.inf, np.where(at_high, high, lower))
    upper = np.where(((upper >= high) & ~records.exact) | at_high, np.inf, np.where(at_low, low, upper))
    return Records.between(lower, upper)


@final
class ClippedDistribution(PredictiveDistribution):
    r"""Distributions of a latent target with a Gaussian mixture that is recorded between two bounds.

    .. math:: Y = \min(\max(Z, \mathrm{low}), \mathrm{high})

    What :meth:`MDNRegressor.predict_distribution` returns with ``limits``: rain of 0 mm, the top code of a
    survey. Between the bounds there is the density of the mixture, and each bound is an atom with the
    probability of what lies beyond (the Tobit model [1]_, with several components). It has the methods of
    every :class:`PredictiveDistribution`.

    Parameters
    ----------
    latent : MixtureDistribution
        Density of the latent target; several targets have to be independent within components.
    low, high : float
        The bounds, low < high, of which one may be infinite.

    Attributes
    ----------
    latent : MixtureDistribution
        Density of the latent target.

    Raises
    ------
    TypeError
        If the latent distribution is no mixture.
    ValueError
        If the bounds are no such pair, or targets depend on each other within components.

    Notes
    -----
    :meth:`logpdf` is the log density between the bounds and the log probability of an atom on them. Mean,
    variance and CRPS have a closed form, that of rectified Gaussians and, for the CRPS, of pairs of them by
    Owen's function [2]_. Atoms are likelier than any place between: :meth:`modes` lists those of a
    probability of at least 1e-6 first, the heaviest before the other, and a highest-density region takes in
    an atom (an interval without a width, unless it goes on inside) before anything that has a density.

    References
    ----------
    .. [1] J. Tobin, "Estimation of relationships for limited dependent variables", Econometrica 26, 1958.
    .. [2] D. B. Owen, "Tables for computing bivariate normal probabilities", Annals of Mathematical
       Statistics 27, 1956.

    Examples
    --------
    >>> from sklearn_mdn import ClippedDistribution, MixtureDistribution
    >>> latent = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
    >>> dist = ClippedDistribution(latent, 0.0, float("inf"))
    >>> places, probabilities = dist.atoms()
    >>> places, probabilities.round(4)
    (array([[0.]]), array([[0.2524]]))
    >>> dist.mean().round(4), dist.cdf([[-0.1], [0.0]]).round(4)
    (array([1.425]), array([[0.    ],
           [0.2524]]))
    """

    __module__ = "sklearn_mdn"

    def __init__(self, latent: MixtureDistribution, low: float, high: float) -> None:
        if not isinstance(latent, MixtureDistribution):
            raise TypeError(f"latent must be a MixtureDistribution, got {type(latent).__name__}.")
        if not float(low) < float(high) or (np.isinf(low) and np.isinf(high)):
            raise ValueError(f"low must be below high, and one of them finite, got {low!r} and {high!r}.")
        if latent._n_targets > 1 and not isinstance(latent._mixture.scale, DiagonalScale):
            raise ValueError(
                "latent must have targets that are independent within components (diagonal covariances): "
                "probabilities beyond bounds have no closed form for others."
            )
        self._set(latent, low, high)

    def _set(self, latent: MixtureDistribution, low: float, high: float) -> None:
        self.latent, self._low, self._high = latent, float(low), float(high)
        self._one_dimensional = latent._one_dimensional

    def _like(self, latent: MixtureDistribution) -> Self:
        new = type(self).__new__(type(self))
        new._set(latent, self._low, self._high)
        return new

    def __getstate__(self) -> dict[str, Any]:
        """Numbers and NumPy arrays."""
        grid = None if self._grid is None else self._grid.state
        state = {"latent": self.latent.__getstate__(), "low": self._low, "high": self._high, "grid": grid}
        return stamped(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what ``__getstate__`` gave."""
        state = read_state(state, type(self).__name__, STATE_NAMES)
        latent = MixtureDistribution.__new__(MixtureDistribution)
        latent.__setstate__(state["latent"])
        self._set(latent, state["low"], state["high"])
        self._on(Grid.from_state(state.get("grid")))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.latent)

    @property
    def _n_targets(self) -> int:
        return self.latent._n_targets

    @property
    def _n_components(self) -> int:
        return self.latent._n_components

    @property
    def _member_sizes(self) -> tuple[int, ...]:
        return self.latent._member_sizes

    @property
    def _numbers_a_row(self) -> int:
        return self.latent._numbers_a_row

    def _what_is_special(self) -> list[str]:
        return [f"limits {self._low:g} and {self._high:g}"]

    # Rows, members, targets.

    def _take(self, rows: NDArray[np.int64]) -> Self:
        return self._like(self.latent[rows])

    def _check_same(self, parts: Sequence[Self], name: str) -> None:
        limits = sorted({(part._low, part._high) for part in parts})
        if len(limits) > 1:
            raise ValueError(f"{name} must have the same limits, got {limits}.")

    def _joined(self, parts: Sequence[Self]) -> Self:
        self._check_same(parts, "distributions")
        return self._like(MixtureDistribution.concatenate([part.latent for part in parts]))

    def _pooled(self, parts: Sequence[Self], weights: Array) -> Self:
        self._check_same(parts, "estimators")
        return self._like(self.latent._pooled([part.latent for part in parts], weights))

    def _weights(self) -> Array:
        return self.latent.weights

    def _members(self) -> list[Self]:
        return [self._like(member) for member in self.latent.members()]

    def _marginal(self, targets: list[int], *, one_dimensional: bool) -> Self:
        return self._like(self.latent._marginal(targets, one_dimensional=one_dimensional))

    def _condition(self, targets: list[int], values: Array) -> Self:
        known = self._marginal(targets, one_dimensional=False)._component_log(values[None])[0]
        if np.isneginf(known).all(axis=1).any():
            raise ValueError(f"values must lie between the limits {self._low:g} and {self._high:g}.")
        rest = [j for j in range(self._n_targets) if j not in targets]
        mixture = self.latent._marginal(rest, one_dimensional=False)._mixture
        logits = mixture.log_weights + torch.from_numpy(known)
        left = self.latent._marginal(rest, one_dimensional=False)._like(
            Mixture(logits, mixture.means, mixture.scale)
        )
        return self._like(left)

    # Densities and probabilities.

    def _parameters(self) -> tuple[Array, Array, Array]:
        """Weights (n, 1, K), means and deviations (n, D, K)."""
        each = self.latent._marginals
        return each.weights.numpy(), each.means.numpy(), each.deviations.numpy()

    def _component_log(self, y: Array) -> Array:
        """Log density, or log probability of an atom, of each component at y (m, n, D), (m, n, K)."""
        _, means, deviations = self._parameters()
        z = (y[..., None] - means) / deviations
        found = -0.5 * z * z - HALF_LOG_2PI - np.log(deviations)
        found = np.where((y == self._low)[..., None], special.log_ndtr(z), found)
        found = np.where((y == self._high)[..., None], special.log_ndtr(-z), found)
        outside = (y < self._low) | (y > self._high)
        return np.asarray(np.where(outside[..., None], -np.inf, found).sum(axis=-2))

    def _log_density(self, y: Array) -> Array:
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.latent.weights)
        found = special.logsumexp(self._component_log(y) + log_weights, axis=-1)
        return np.where(np.isnan(y).any(axis=-1), np.nan, found)

    def _log_recorded(self, records: Records) -> Array:
        return self.latent._log_recorded(censored(records, self._low, self._high))

    def _blurred_log_density(self, y: Array, factor: float, noise: Array) -> Array:
        return self._like(self.latent._blurred(factor, noise))._log_recorded(Records.of(y))

    def _responsibilities(self, y: Array) -> Array:
        with np.errstate(divide="ignore"):
            log_terms = self._component_log(y) + np.log(self.latent.weights)
        return np.asarray(special.softmax(log_terms, axis=-1))

    def _centers(self) -> Array:
        return self._clip(self.latent._centers())

    def _clip(self, values: Array) -> Array:
        return np.asarray(np.clip(values, self._low, self._high))

    def _cdf(self, y: Array) -> Array:
        return np.where(y < self._low, 0.0, np.where(y >= self._high, 1.0, self.latent._cdf(y)))

    def _sf(self, y: Array) -> Array:
        return np.where(y < self._low, 1.0, np.where(y >= self._high, 0.0, self.latent._sf(y)))

    def _log_cdf(self, y: Array) -> Array:
        return np.where(y < self._low, -np.inf, np.where(y >= self._high, 0.0, self.latent._log_cdf(y)))

    def _log_sf(self, y: Array) -> Array:
        return np.where(y < self._low, 0.0, np.where(y >= self._high, -np.inf, self.latent._log_sf(y)))

    def _prob(self, a: Array, b: Array) -> Array:
        nothing = (b < self._low) | (a >= self._high)
        lower, upper = np.where(a < self._low, -np.inf, a), np.where(b >= self._high, np.inf, b)
        upper = np.maximum(lower, upper)
        return np.where(nothing, 0.0, self.latent._prob(lower, upper))

    def _quantile(self, level: Array, upper_tail: bool) -> Array:
        return self._clip(self.latent._quantile(level, upper_tail))

    def _support(self) -> tuple[Array, Array]:
        shape = (len(self), self._n_targets)
        return np.full(shape, self._low), np.full(shape, self._high)

    def _atoms(self) -> tuple[Array, Array]:
        places = np.array([bound for bound in (self._low, self._high) if np.isfinite(bound)])
        shape = (len(self), self._n_targets)
        beyond = [
            tail(np.full((1, *shape), bound))[0]
            for bound, tail in ((self._low, self.latent._cdf), (self._high, self.latent._sf))
            if np.isfinite(bound)
        ]
        return np.broadcast_to(places, (*shape, len(places))).copy(), np.stack(beyond, axis=-1)

    def _crps(self, y: Array) -> Array:
        weights, means, deviations = self._parameters()
        wide = np.broadcast_to(weights, means.shape)
        parts = [
            clipped_crps(y[..., j], wide[:, j], means[:, j], deviations[:, j], self._low, self._high)
            for j in range(self._n_targets)
        ]
        return np.stack(parts, axis=-1)

    # Moments, modes and regions.

    def _mean(self) -> Array:
        return clipped_mean(*self._parameters(), self._low, self._high)

    def _var(self) -> Array:
        return clipped_variance(*self._parameters(), self._low, self._high)

    def _heights(self) -> Heights:
        """The density of one target between the bounds, along y."""
        single = self.latent._single.present()
        means, deviations = single.means.numpy(), single.deviations.numpy()
        places = (means[:, :, None] + deviations[:, :, None] * GRID).reshape(len(means), -1)
        ends = [np.full((len(self), 1), bound) for bound in (self._low, self._high) if np.isfinite(bound)]
        grid = np.sort(np.hstack([self._clip(places), *ends]), axis=1)
        wide = single.widen()
        return heights_of(lambda y: wide.log_prob(torch.from_numpy(np.array(y))).numpy(), grid)

    def _within(self, lower: Array, upper: Array) -> Array:
        """Probability of intervals (n, m) between the bounds, without the atoms."""
        ends = [torch.from_numpy(np.nan_to_num(end)) for end in (lower, upper)]
        found = self.latent._single.widen().prob(*ends).numpy()
        return np.asarray(np.where(np.isnan(lower), 0.0, found))

    def _modes(self) -> Array:
        if self._n_targets > 1:
            return self._clip(self.latent._modes())
        (places, mass), inner = (each[:, 0] for each in self._atoms()), self._heights().modes
        inner = np.where((inner <= self._low) | (inner >= self._high), np.nan, inner)
        order = np.argsort(-mass, axis=1, kind="stable")
        first = np.where(mass >= SEEN, places, np.nan)
        listed = np.hstack([np.take_along_axis(first, order, axis=1), inner])
        listed = np.take_along_axis(listed, np.argsort(np.isnan(listed), axis=1, kind="stable"), axis=1)
        edge = np.where(mass.argmax(axis=1) == 0, places[:, 0], places[:, -1])
        listed[:, 0] = np.where(np.isnan(listed[:, 0]), edge, listed[:, 0])
        return listed[:, : max(int((~np.isnan(listed)).sum(axis=1).max(initial=1)), 1), None]

    def _regions(self, confidence: float) -> tuple[Array, Array]:
        places, mass = (each[:, 0] for each in self._atoms())
        order = np.argsort(-mass, axis=1, kind="stable")
        heavier = np.take_along_axis(mass, order, axis=1).cumsum(axis=1)
        # An atom is needed where those before it are not enough.
        needed = np.hstack([np.zeros((len(self), 1)), heavier[:, :-1]]) < confidence
        taken = np.take_along_axis(needed, np.argsort(order, axis=1), axis=1) & (mass >= SEEN)
        held = (mass * taken).sum(axis=1)
        left = np.clip(confidence - held, 0.0, None)
        intervals, log_threshold = region(self._heights(), self._within, np.minimum(left, 1.0 - 1e-12))
        enough = left <= 0.0
        intervals = np.where(enough[:, None, None], np.nan, intervals)
        atoms = np.where(taken, places, np.nan)[..., None].repeat(2, axis=-1)
        every = np.hstack([intervals, atoms])
        every = np.take_along_axis(every, np.argsort(every[..., 0], axis=1)[..., None], axis=1)
        return joined(every), np.where(enough, np.inf, log_threshold)

    def _in_region(self, y: Array, confidence: float) -> NDArray[np.bool_]:
        intervals, _ = self._regions(confidence)
        held = ((y >= intervals[..., 0]) & (y <= intervals[..., 1])).any(axis=-1)
        return np.asarray(held)

    def _level(self, y: Array) -> Array:
        places, mass = (each[:, 0] for each in self._atoms())
        heights, at = self._heights(), y[..., 0]
        inside = self._clip(at)
        log_density = self.latent._log_density(inside[..., None])
        above = np.stack([probability_above(heights, self._within, level) for level in log_density])
        level = above + mass.sum(axis=1)
        for place, own in zip(places.T, mass.T, strict=True):
            heavier = np.where(mass > own[:, None], mass, 0.0).sum(axis=1)
            level = np.where(at == place, heavier, level)
        outside = (at < self._low) | (at > self._high)
        return np.where(np.isnan(at), np.nan, np.where(outside, 1.0, np.minimum(level, 1.0)))

    def _entropy(self, n_samples: int, random_state: SeedLike) -> Array:
        if self._n_targets > 1:
            ((uniform, noise),) = balanced_noise(n_samples, self._n_targets, random_state)
            draws = np.moveaxis(self._draw_alike(uniform, noise), 1, 0)
            return np.asarray(-self._log_density(draws).mean(axis=0))
        single = self.latent._single.present()
        ends = (np.full(len(self), bound) for bound in (self._low, self._high))

        def integrand(y: Array, row: NDArray[np.int64]) -> Array:
            part = single.take(torch.from_numpy(row)).widen()
            log_density: Array = part.log_prob(torch.from_numpy(np.array(y))).numpy()
            return -np.exp(log_density) * np.maximum(log_density, -1e4)

        within = integrals(integrand, cells(single.means.numpy(), single.deviations.numpy(), *ends))
        _, mass = self._atoms()
        return np.asarray(within - special.xlogy(mass, mass)[:, 0].sum(axis=1))

    def _expectation(
        self, function: Callable[[Array], Array], points: Array, n_samples: int, random_state: SeedLike
    ) -> tuple[Array, Array]:
        bounds = np.array([bound for bound in (self._low, self._high) if np.isfinite(bound)])
        cuts = points
        if self._n_targets == 1:
            given = np.broadcast_to(points, (len(points), len(self)))
            cuts = np.vstack([given, np.broadcast_to(bounds[:, None], (len(bounds), len(self)))])
        return self.latent._expectation(lambda z: function(self._clip(z)), cuts, n_samples, random_state)

    def _draw(self, count: int, uniform: np.random.Generator, noise: np.random.Generator) -> Array:
        return self._clip(self.latent._draw(count, uniform, noise))

    def _draw_alike(self, uniform: torch.Tensor, noise: torch.Tensor) -> Array:
        return self._clip(self.latent._draw_alike(uniform, noise))
