"""Mixtures of univariate Gaussians: what has a closed form, or a root, for one target only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_mdn._mixtures import normal
from sklearn_mdn._mixtures.roots import first_rounds, solve_guarded

SMALLEST_SQUARE = 1e-290  # squares of less have lost digits
MAX_BEND = 100.0  # a Halley step this much shorter than Newton's tells nothing of the root
CUBIC = 1e-5  # after a Halley step of this part of the smallest deviation the next is about its cube
LOG_NOTHING = -700.0  # of what is next to nothing, and takes exp several times as long
ROUNDS = 4  # after which all but a tenth of the roots of mixtures of many networks are known
TERMS = 1 << 15  # terms of an equation, one for each component, that are held at once: they stay in the cache


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
        return (y.unsqueeze(-1) - self.means).div_(self.deviations)

    @property
    def log_heights(self) -> Tensor:
        """log of the maximum of w_k N(y; means_k, deviations_k^2), (..., K)."""
        return (self.log_weights - self.deviations.log()).sub_(normal.HALF_LOG_2PI)

    def component_log_prob(self, y: Tensor) -> Tensor:
        """log w_k N(y; means_k, deviations_k^2), (..., K)."""
        return self.standardise(y).square_().mul_(-0.5).add_(self.log_heights)

    def log_prob(self, y: Tensor) -> Tensor:
        return torch.logsumexp(self.component_log_prob(y), dim=-1)

    def cdf(self, y: Tensor) -> Tensor:
        return (self.weights * normal.cdf(self.standardise(y))).sum(-1)

    def sf(self, y: Tensor) -> Tensor:
        return (self.weights * normal.cdf(-self.standardise(y))).sum(-1)

    def log_cdf(self, y: Tensor) -> Tensor:
        return self._log_tail(self.standardise(y))

    def log_sf(self, y: Tensor) -> Tensor:
        return self._log_tail(-self.standardise(y))

    def _log_tail(self, z: Tensor) -> Tensor:
        # A probability near one has its precision in the complement.
        complement = (self.weights * normal.cdf(-z)).sum(-1)
        log_tail = torch.logsumexp(self.log_weights + normal.log_cdf(z), dim=-1)
        return torch.where(complement < 0.5, torch.log1p(-complement), log_tail)

    def prob(self, lower: Tensor, upper: Tensor) -> Tensor:
        """P(lower < y <= upper), without cancellation in either tail."""
        width = (upper - lower).unsqueeze(-1) / self.deviations
        differences = normal.cdf_difference(self.standardise(lower), self.standardise(upper), width)
        return (self.weights * differences).sum(-1)

    def mean(self) -> Tensor:
        return weighted_sum(self.weights, self.means)

    def var(self) -> Tensor:
        spread = (self.means - self.mean().unsqueeze(-1)).square()
        return weighted_sum(self.weights, self.deviations.square() + spread)

    def std(self) -> Tensor:
        """The root of the variance, also where that underflows or overflows."""
        variance = self.var()
        plain = (variance > SMALLEST_SQUARE) & (variance < torch.inf)
        if plain.all():
            return variance.sqrt()
        mixture = self.present()
        distances = (mixture.means - mixture.mean().unsqueeze(-1)).abs()
        unit = torch.maximum(distances, mixture.deviations).amax(-1, keepdim=True)
        near = Univariate(mixture.log_weights, mixture.means / unit, mixture.deviations / unit)
        return torch.where(plain, variance.sqrt(), near.var().sqrt() * unit.squeeze(-1))

    def crps(self, y: Tensor) -> Tensor:
        """E|X - y| - E|X - X'| / 2, Grimit, Gneiting, Berrocal and Johnson (2006), equation 5."""
        mixture = self.present()
        distances = normal.mean_absolute(y.unsqueeze(-1) - mixture.means, mixture.deviations)
        distance = (mixture.weights * distances).sum(-1)
        return torch.clamp(distance - 0.5 * mixture._mean_difference(), min=0.0)

    def _mean_difference(self) -> Tensor:
        """E|X - X'| of two independent draws, over all pairs of components."""
        weights, means, deviations = self.weights, self.means, self.deviations
        squares = deviations.square()
        precise = bool(((squares > SMALLEST_SQUARE) & (squares < torch.inf)).all())
        # Of a component with itself the difference has twice its variance.
        total = math.sqrt(2.0) * normal.MEAN_ABSOLUTE * (weights.square() * deviations).sum(-1)
        for lag in range(1, weights.shape[-1]):
            first, second = slice(0, weights.shape[-1] - lag), slice(lag, None)
            if precise:
                spread = (squares[..., first] + squares[..., second]).sqrt_()
            else:
                spread = torch.hypot(deviations[..., first], deviations[..., second])
            pairs = normal.mean_absolute(means[..., first] - means[..., second], spread)
            total += 2.0 * pairs.mul_(weights[..., first]).mul_(weights[..., second]).sum(-1)
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

    def present(self) -> Univariate:
        """The same densities, components without weight having the place of the heaviest one."""
        exists = self.weights > 0
        heaviest = self.log_weights.argmax(-1, keepdim=True).expand(*self.means.shape[:-1], 1)

        def place(stored: Tensor) -> Tensor:
            return torch.where(exists, stored, torch.take_along_dim(stored, heaviest, dim=-1))

        log_weights = torch.where(exists, self.log_weights, -torch.inf)
        return Univariate(log_weights, place(self.means), place(self.deviations))

    def resolvable(self) -> Univariate:
        """The mixture with no component narrower than the spacing of the numbers around its mean."""
        spacing = torch.finfo(self.means.dtype).eps * self.means.abs()
        return Univariate(self.log_weights, self.means, torch.maximum(self.deviations, spacing))

    def quantile(self, level: Tensor, upper_tail: bool = False) -> Tensor:
        """y with P(Y <= y) = level, or P(Y > y) = level; ``level`` broadcasts with the batch axes.

        The root lies between the smallest and the largest of the components' own quantiles. It is found
        by Halley's method on the logarithm of the nearer tail; an upper tail is a lower one mirrored.
        """
        # 1 - level is exact above one half, so no tail is ever the complement of the other.
        in_upper = level < 0.5 if upper_tail else level > 0.5
        level = torch.minimum(level, 1.0 - level)
        sign = torch.where(in_upper, -1.0, 1.0).to(level)
        batch = self.means.shape[:-1]
        shape = (level + self.means[..., 0]).shape
        n_leading = math.prod(shape[: len(shape) - len(batch)])

        def equations(each: Tensor) -> Tensor:
            return each.expand(shape).reshape(n_leading, batch.numel())

        def components_first(stored: Tensor) -> Tensor:
            # All other axes are long, which is what vector instructions want.
            rows = stored.expand(self.means.shape).reshape(batch.numel(), self.means.shape[-1])
            return rows.T.contiguous().unsqueeze(1)

        mixture = self.present()
        stored = (mixture.log_weights, mixture.means, mixture.deviations)
        log_weights, means, deviations = map(components_first, stored)
        return tail_quantile(log_weights, means, deviations, equations(level), equations(sign)).view(shape)

    def upper_quantile(self, level: Tensor) -> Tensor:
        """y with P(Y > y) = level."""
        return self.quantile(level, upper_tail=True)


def weighted_sum(weights: Tensor, values: Tensor, dim: int = -1) -> Tensor:
    """Sum of what weights leave of values: 0 times infinity is 0 here, where IEEE 754 has NaN."""
    return (weights * torch.where(weights > 0, values, 0.0)).sum(dim)


def tail_quantile(
    log_weights: Tensor, means: Tensor, deviations: Tensor, level: Tensor, sign: Tensor
) -> Tensor:
    """Where the lower tails of mixtures (K, 1, N) are ``level`` (Q, N); the upper ones for a ``sign`` of -1.

    All is found in the coordinate sign * y, in which each tail is a lower one.
    """
    weights, z = log_weights.exp(), normal.quantile(level)
    lower, upper = component_range(means, deviations, z, sign)
    mean = sum_components(weights * means)
    variance = sum_components((means - mean).square_().add_(deviations.square()).mul_(weights))
    start = sign * mean + torch.where(z == 0, 0.0, variance.sqrt() * z)
    inverse = -normal.SQRT_HALF / deviations
    log_heights = inverse.neg().log_().add_(log_weights).sub_(0.5 * math.log(math.pi))
    parameters = (0.5 * weights, means, inverse, log_heights)
    log_level, tolerance = level.log(), (CUBIC * deviations.amin(0)).expand(level.shape)
    root, lower, upper, done = first_rounds(
        tail_equation,
        (*parameters, log_level, sign),
        lower,
        upper,
        torch.clamp(start, lower, upper),
        tolerance,
        rounds=ROUNDS,
    )
    index = torch.nonzero(~done.flatten()).squeeze(-1)
    if len(index):
        column = index % level.shape[-1]
        known = [each.squeeze(1).index_select(-1, column) for each in parameters]
        known += [each.flatten()[index] for each in (log_level, sign)]
        lower, upper, x, tolerance = (each.flatten()[index] for each in (lower, upper, root, tolerance))
        found = solve_guarded(tail_equation, tuple(known), lower, upper, x, tolerance, axis=-1)
        root.view(-1)[index] = found
    return sign * root


def component_range(means: Tensor, deviations: Tensor, z: Tensor, sign: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest and the largest of components' own quantiles, for deviates z (Q, N) of mirrored ones."""
    lower, upper = torch.empty_like(z), torch.empty_like(z)
    for part in columns(len(means), z):
        own = torch.addcmul(means[..., part], deviations[..., part], (sign * z)[..., part])
        ends = sign[..., part] * own.amin(0), sign[..., part] * own.amax(0)
        lower[..., part], upper[..., part] = torch.minimum(*ends), torch.maximum(*ends)
    return lower, upper


def columns(n_components: int, each: Tensor) -> Iterator[slice]:
    """Parts of the last axis, of which terms for each component stay in the cache."""
    length = each.shape[-1]
    width = n_components * max(1, each.numel() // max(1, length))
    step = max(1, TERMS * torch.get_num_threads() // width)
    return (slice(start, start + step) for start in range(0, length, step))


def tail_equation(
    x: Tensor,
    weights: Tensor,
    means: Tensor,
    inverse: Tensor,
    log_heights: Tensor,
    log_level: Tensor,
    sign: Tensor,
) -> tuple[Tensor, Tensor]:
    """Log of the lower tail less the level's, and Halley's step, with the components on the first axis.

    In u = -z / sqrt(2) the tail is the sum of ``weights`` erfc(u) and its slope that of exp(``log_heights`` -
    u^2): ``weights`` are half of a mixture's, ``inverse`` is the slope of u, and the heights are those of the
    components. With a ``sign`` of -1 the mixture is mirrored, and u with it.
    """
    sums = x.new_empty(3, *x.shape)
    y = sign * x
    for part in columns(len(inverse), x):
        slope_of_u = inverse[..., part]
        u = (y[..., part] - means[..., part]).mul_(slope_of_u)
        terms = u.new_empty(len(u), 3, *u.shape[1:])
        tails, slopes, bends = terms.unbind(1)
        torch.mul(u, sign[..., part], out=tails).erfc_().mul_(weights[..., part])
        torch.addcmul(log_heights[..., part], u, u, value=-1.0, out=slopes)
        torch.threshold_(slopes, LOG_NOTHING, -torch.inf).exp_()
        torch.mul(slopes, u.mul_(slope_of_u), out=bends)
        sums[..., part] = sum_components(terms)
    tail, slope, bend = sums.unbind()
    value, hazard = tail.log() - log_level, slope / tail
    newton = value / hazard
    # Minus the second derivative of log tail, over the first; that of the tail is 2 ``bend``.
    curvature = bend.mul_(sign).mul_(2.0).div_(slope).add_(hazard)
    shorter = curvature.mul_(newton).mul_(-0.5).sub_(1.0).clamp_(max=-0.5)
    # Far from the root, where the parabola bends back at once, Newton's step at least leaves the bracket.
    return value, newton / torch.threshold_(shorter, -MAX_BEND, -1.0)


def sum_components(terms: Tensor) -> Tensor:
    """The sum over the first axis, which is overwritten, in an order that nothing but its length decides.

    torch's order hangs on the other axes too, so that a row's last digit would hang on other rows.
    """
    count = len(terms)
    while count > 1:
        half = count // 2
        terms[:half].add_(terms[count - half : count])
        count -= half
    return terms[0]


def log_derivatives(
    y: Tensor, log_heights: Tensor, means: Tensor, deviations: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """log p(y) and its first two derivatives."""
    z = (y.unsqueeze(-1) - means) / deviations
    log_terms = log_heights - 0.5 * z.square()
    top = log_terms.amax(-1)
    terms = (log_terms - top.unsqueeze(-1)).exp()
    total = terms.sum(-1)
    slope = -(terms * z / deviations).sum(-1) / total
    curvature = (terms * (z.square() - 1.0) / deviations.square()).sum(-1) / total - slope.square()
    return top + total.log(), slope, curvature
