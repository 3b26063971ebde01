"""Mixtures of univariate Gaussians: what has a closed form, or a root, for one target only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_mdn import _normal
from sklearn_mdn._roots import solve_bracketed


@dataclass(frozen=True, slots=True)
class Univariate:
    """p(y) = sum_k w_k N(y; means_k, deviations_k^2), with any leading batch axes.

    Parameters
    ----------
    log_weights : Tensor of shape (..., K)
        Normalised; -inf is a component that does not exist.
    means, deviations : Tensor of shape (..., K)
    """

    log_weights: Tensor
    means: Tensor
    deviations: Tensor

    @property
    def weights(self) -> Tensor:
        return self.log_weights.exp()

    def standardise(self, y: Tensor) -> Tensor:
        """(y - means_k) / deviations_k, (..., K)."""
        return (y.unsqueeze(-1) - self.means) / self.deviations

    def component_log_prob(self, y: Tensor) -> Tensor:
        """log w_k N(y; means_k, deviations_k^2), (..., K)."""
        return _normal.log_pdf(self.standardise(y)) - self.deviations.log() + self.log_weights

    def log_prob(self, y: Tensor) -> Tensor:
        return torch.logsumexp(self.component_log_prob(y), dim=-1)

    def cdf(self, y: Tensor) -> Tensor:
        return (self.weights * _normal.cdf(self.standardise(y))).sum(-1)

    def sf(self, y: Tensor) -> Tensor:
        return (self.weights * _normal.cdf(-self.standardise(y))).sum(-1)

    def log_cdf(self, y: Tensor) -> Tensor:
        return self._log_tail(self.standardise(y))

    def log_sf(self, y: Tensor) -> Tensor:
        return self._log_tail(-self.standardise(y))

    def _log_tail(self, z: Tensor) -> Tensor:
        # A probability near one has its precision in the complement.
        complement = (self.weights * _normal.cdf(-z)).sum(-1)
        log_tail = torch.logsumexp(self.log_weights + _normal.log_cdf(z), dim=-1)
        return torch.where(complement < 0.5, torch.log1p(-complement), log_tail)

    def prob(self, lower: Tensor, upper: Tensor) -> Tensor:
        """P(lower < y <= upper), without cancellation in either tail."""
        width = (upper - lower).unsqueeze(-1) / self.deviations
        differences = _normal.cdf_difference(self.standardise(lower), self.standardise(upper), width)
        return (self.weights * differences).sum(-1)

    def mean(self) -> Tensor:
        return (self.weights * self.means).sum(-1)

    def var(self) -> Tensor:
        spread = (self.means - self.mean().unsqueeze(-1)).square()
        return (self.weights * (self.deviations.square() + spread)).sum(-1)

    def crps(self, y: Tensor) -> Tensor:
        """E|X - y| - E|X - X'| / 2, Grimit, Gneiting, Berrocal and Johnson (2006), equation 5."""
        distances = _normal.mean_absolute(y.unsqueeze(-1) - self.means, self.deviations)
        distance = (self.weights * distances).sum(-1)
        return torch.clamp(distance - 0.5 * self._mean_difference(), min=0.0)

    def _mean_difference(self) -> Tensor:
        """E|X - X'| of two independent draws."""
        weights, means, deviations = self.weights, self.means, self.deviations
        total = torch.zeros_like(weights[..., 0])
        for lag in range(weights.shape[-1]):
            first, second = slice(0, weights.shape[-1] - lag), slice(lag, None)
            pairs = _normal.mean_absolute(
                means[..., first] - means[..., second],
                torch.hypot(deviations[..., first], deviations[..., second]),
            )
            count = 1.0 if lag == 0 else 2.0
            total = total + count * (weights[..., first] * weights[..., second] * pairs).sum(-1)
        return total

    def map(self, function: Callable[[Tensor], Tensor]) -> Univariate:
        """The mixture whose tensors are ``function`` of this one's."""
        return Univariate(function(self.log_weights), function(self.means), function(self.deviations))

    def take(self, rows: Tensor | slice) -> Univariate:
        """The mixtures at an index of the first batch axis."""
        return self.map(lambda stored: stored[rows])

    def widen(self) -> Univariate:
        """The same with one more batch axis, the last one: y (n, m) then has m values for each of n."""
        return self.map(lambda stored: stored.unsqueeze(-2))

    def flatten(self, shape: torch.Size) -> Univariate:
        """One mixture for each entry of a shape that the batch axes broadcast to: one axis in all."""
        return self.map(lambda stored: stored.expand(*shape, stored.shape[-1]).reshape(-1, stored.shape[-1]))

    def quantile(self, level: Tensor, upper_tail: bool = False) -> Tensor:
        """y with P(Y <= y) = level, or P(Y > y) = level; ``level`` broadcasts with the batch axes."""
        shape = torch.broadcast_shapes(level.shape, self.means.shape[:-1])
        level = level.expand(shape).reshape(-1)
        # 1 - level is exact above one half, so neither tail is ever the complement of the other.
        in_upper = level < 0.5 if upper_tail else level > 0.5
        nearer = torch.minimum(level, 1.0 - level)
        return self.flatten(shape)._tail_quantile(nearer, in_upper).reshape(shape)

    def upper_quantile(self, level: Tensor) -> Tensor:
        """y with P(Y > y) = level."""
        return self.quantile(level, upper_tail=True)

    def _tail_quantile(self, level: Tensor, upper_tail: Tensor) -> Tensor:
        """y with P(Y <= y) = level, or P(Y > y) = level where ``upper_tail``, for flat problems.

        Parameters
        ----------
        level : Tensor of shape (P,)
            At most one half, so that no tail is ever the complement of the other one.
        upper_tail : bool Tensor of shape (P,)

        Notes
        -----
        The batch has one axis, P. The root lies between the smallest and the largest of the
        components' own quantiles. It is found by Halley's method on the logarithm of the tail.
        """
        sign = torch.where(upper_tail, -1.0, 1.0).to(level)
        weights = self.weights
        exists = weights > 0
        normal = (sign * _normal.quantile(level)).unsqueeze(-1)
        own = self.means + self.deviations * normal
        lower = torch.where(exists, own, torch.inf).amin(-1)
        upper = torch.where(exists, own, -torch.inf).amax(-1)
        start = self.mean() + self.var().sqrt() * normal.squeeze(-1)
        start = torch.minimum(torch.maximum(start, lower), upper)
        smallest = torch.where(exists, self.deviations, torch.inf).amin(-1)
        return solve_bracketed(
            tail_equation,
            (weights, self.means, self.deviations, level.log(), sign),
            lower,
            upper,
            start,
            1e-6 * smallest,
        )


def tail_equation(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, log_level: Tensor, sign: Tensor
) -> tuple[Tensor, Tensor]:
    """Log of the lower (sign 1) or upper (sign -1) tail less the level's, and Halley's step."""
    z = (x.unsqueeze(-1) - means) / deviations
    tail = (weights * _normal.cdf(sign.unsqueeze(-1) * z)).sum(-1)
    slopes = weights * _normal.pdf(z) / deviations
    hazard = slopes.sum(-1) / tail
    value = sign * (tail.log() - log_level)
    # The second derivative divided by the first; that of the tail is -sum_k slopes_k z_k / deviations_k.
    bend = -(slopes * z / deviations).sum(-1) / (tail * hazard) - sign * hazard
    newton = value / hazard
    return value, -newton / torch.clamp(1.0 - 0.5 * newton * bend, min=0.5)


def log_derivatives(
    y: Tensor, log_heights: Tensor, means: Tensor, deviations: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """log p(y) and its first two derivatives; ``log_heights`` are log(weights / deviations)."""
    z = (y.unsqueeze(-1) - means) / deviations
    log_terms = log_heights - 0.5 * z.square()
    top = log_terms.amax(-1)
    terms = (log_terms - top.unsqueeze(-1)).exp()
    total = terms.sum(-1)
    slope = -(terms * z / deviations).sum(-1) / total
    curvature = (terms * (z.square() - 1.0) / deviations.square()).sum(-1) / total - slope.square()
    return top + total.log() - _normal.HALF_LOG_2PI, slope, curvature
