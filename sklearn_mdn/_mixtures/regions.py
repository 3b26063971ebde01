"""Highest-density regions of univariate Gaussian mixtures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklearn_mdn._mixtures.modes import univariate_modes
from sklearn_mdn._mixtures.normal import HALF_LOG_2PI, quantile
from sklearn_mdn._mixtures.roots import solve_bracketed
from sklearn_mdn._mixtures.univariate import Univariate, log_derivatives

ACCURACY = 1e-12  # of the region's probability, or of its complement where that is smaller, relative


def highest_density_region(
    mixture: Univariate, confidence: float, density: Univariate | None = None
) -> tuple[Tensor, Tensor]:
    """The smallest sets that hold a probability: intervals (n, J, 2), NaN-padded, and log thresholds (n,).

    Parameters
    ----------
    mixture : Univariate
        What tells probabilities.
    confidence : float
    density : Univariate, default=None
        What is to be high in the set, where that is another mixture.

    Notes
    -----
    The region is {y: p(y) >= t} (Hyndman 1996). Between a mode and the antimode, or the end of the
    line, beside it p is monotone and crosses a threshold once at most. So the region of a threshold
    is a set of bracketed roots, and the threshold that gives it its probability is one more root.
    """
    flanks = monotone_pieces(mixture, density)
    mixture = flanks.measure
    upper = flanks.log_peaks.nan_to_num(nan=-torch.inf).amax(-1)
    lower = threshold_below(mixture, confidence) if density is None else flanks.threshold_below(confidence)
    level = torch.full_like(lower, 0.5 * (1.0 - confidence))
    central = torch.stack([mixture.quantile(level), mixture.quantile(level, upper_tail=True)], dim=1)
    start = flanks.log_prob(central).mean(1)  # exact for one component

    def excess(log_threshold: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        return flanks.excess(log_threshold, row, confidence)

    log_threshold = solve_bracketed(
        excess,
        (torch.arange(len(lower), device=lower.device),),
        lower,
        upper,
        torch.minimum(torch.maximum(start, lower), upper),
        torch.full_like(lower, 1e-14),
    )
    ends = flanks.final_crossings(log_threshold)
    # A region so small that rounding leaves nothing of it is the mode.
    nothing = torch.isnan(ends).all(1)
    ends[nothing, :2] = flanks.highest[nothing].unsqueeze(1)
    count = int((~torch.isnan(ends)).sum(1).max()) if len(ends) else 0
    return torch.unflatten(in_front(ends)[:, :count], 1, (-1, 2)), log_threshold


def monotone_pieces(mixture: Univariate, density: Univariate | None = None) -> Flanks:
    """Each density in monotone pieces, which cross a threshold once at most."""
    mixture = mixture.present().resolvable()
    height = mixture if density is None else density.present().resolvable()
    return Flanks(height, *univariate_modes(height), mixture)


def drawn_level(log_densities: Tensor, log_density: Tensor) -> Tensor:
    """Probability of higher density than at y (m, n), from the log densities at draws (n, M).

    Linear in the log density between the draws, like ``drawn_threshold``; beyond the draw of the lowest
    density what is left falls with the density.
    """
    ordered = log_densities.contiguous().sort(dim=-1).values
    at = log_density.T.contiguous()  # (n, m)
    last = ordered.shape[-1] - 1
    above = torch.searchsorted(ordered, at).clamp(1, max(last, 1)).clamp(max=last)
    below = (above - 1).clamp(min=0)
    low, high = ordered.gather(-1, below), ordered.gather(-1, above)
    part = torch.where(high > low, (at - low) / (high - low), 1.0).clamp(0.0, 1.0)
    # M + 1 gaps: one of them is beyond each end.
    lower = (1.0 + below + part) / (last + 2)
    lower = torch.where(at < ordered[:, :1], (at - ordered[:, :1]).exp() / (last + 2), lower)
    higher = (ordered[:, -1:] - at).exp() / (last + 2)
    return torch.where(at > ordered[:, -1:], higher, 1.0 - lower).T


def drawn_threshold(log_densities: Tensor, confidence: float) -> Tensor:
    """Log threshold of the highest-density region from the log densities at draws (n, M) (Hyndman 1996)."""
    ordered = log_densities.sort(dim=-1).values
    place = (1.0 - confidence) * (ordered.shape[-1] - 1)
    below = int(place)
    above = min(below + 1, ordered.shape[-1] - 1)
    return torch.lerp(ordered[..., below], ordered[..., above], place - below)


def threshold_below(mixture: Univariate, confidence: float) -> Tensor:
    """Log thresholds with too large a region.

    Let the interval A leave out no more than half of 1 - confidence. The part of A where p < t holds
    less than t |A|, so with t = (1 - confidence) / (2 |A|) the region keeps ``confidence``.
    """
    outside = 1.0 - confidence
    reach = mixture.deviations * quantile(torch.full_like(mixture.means, 0.25 * outside)).abs()
    length = (mixture.means + reach).amax(-1) - (mixture.means - reach).amin(-1)
    return (0.5 * outside / length).log()


def in_front(values: Tensor) -> Tensor:
    """Each row with its NaN entries moved behind the others, whose order is kept."""
    order = torch.isnan(values).to(torch.uint8).sort(dim=-1, stable=True).indices
    return values.gather(-1, order)


class Flanks:
    """The monotone pieces of each density: a left and a right one for each mode, in order, (n, 2J).

    ``inner`` is the mode and ``outer`` the antimode or the end of the line. Pieces that a row does
    not have are NaN. ``measure`` tells probabilities.
    """

    def __init__(self, mixture: Univariate, modes: Tensor, antimodes: Tensor, measure: Univariate) -> None:
        self.mixture, self.measure = mixture, measure
        self.parameters = (mixture.log_heights, mixture.means, mixture.deviations)
        self.smallest = mixture.deviations.amin(-1)
        end = torch.full_like(modes[:, :1], torch.inf)
        last = torch.isnan(torch.cat([antimodes, torch.full_like(end, torch.nan)], dim=1))
        left = torch.cat([-end, antimodes], dim=1)
        right = torch.where(last, torch.inf, torch.cat([antimodes, end], dim=1))
        self.inner = modes.repeat_interleave(2, dim=1)
        self.outer = torch.stack([left, right], dim=-1).flatten(1)
        self.log_inner = self.log_prob(self.inner)
        self.log_outer = self.log_prob(self.outer)
        self.log_peaks = self.log_inner[:, ::2]
        top = self.log_peaks.nan_to_num(nan=-torch.inf).argmax(1, keepdim=True)
        self.highest = modes.gather(1, top).squeeze(1)
        self.sign = modes.new_tensor([1.0, -1.0]).repeat(modes.shape[1])
        self.latest = self.inner.clone()

    def log_prob(self, y: Tensor) -> Tensor:
        """log p(y) for y (n, ...)."""
        return self.mixture.widen().log_prob(y)

    def threshold_below(self, confidence: float) -> Tensor:
        """Log thresholds with too large a region: it holds a central interval, on which these are lowest."""
        level = torch.full_like(self.highest, 0.25 * (1.0 - confidence))
        lower, upper = self.measure.quantile(level), self.measure.quantile(level, upper_tail=True)
        ends = self.log_prob(torch.stack([lower, upper], dim=1)).amin(1)
        valleys = torch.where(torch.isfinite(self.outer), self.log_outer, torch.inf).amin(1)
        return torch.minimum(ends, valleys)

    def crossings(self, log_threshold: Tensor, row: Tensor, tolerance: float) -> Tensor:
        """Where the pieces of some rows cross their thresholds, (P, 2J), NaN where they do not.

        The search starts from where the rows crossed the threshold asked for before. Its last step is
        the cube root of its error, in units of the smallest deviation.
        """
        level = log_threshold.unsqueeze(-1)
        crosses = (self.log_outer[row] < level) & (level < self.log_inner[row])
        place, piece = torch.nonzero(crosses, as_tuple=True)
        owner, level = row[place], log_threshold[place]
        sign, inner = self.sign[piece], self.inner[owner, piece]
        outer = self.bounded(self.outer[owner, piece], owner, level, sign)
        lower, upper = torch.where(sign > 0, outer, inner), torch.where(sign > 0, inner, outer)
        start = torch.minimum(torch.maximum(self.latest[owner, piece], lower), upper)
        found = solve_bracketed(
            level_equation,
            (*(v[owner] for v in self.parameters), level, sign),
            lower,
            upper,
            start,
            tolerance * self.smallest[owner],
        )
        self.latest[owner, piece] = found
        ends = found.new_full(crosses.shape, torch.nan)
        ends[place, piece] = found
        return ends

    def final_crossings(self, log_threshold: Tensor) -> Tensor:
        """Where the pieces of all rows cross their thresholds, whatever was asked for before."""
        self.latest = self.inner.clone()
        row = torch.arange(len(log_threshold), device=log_threshold.device)
        return self.crossings(log_threshold, row, tolerance=1e-7)

    def bounded(self, outer: Tensor, owner: Tensor, level: Tensor, sign: Tensor) -> Tensor:
        """Outer ends, the infinite ones moved to where every component's density is below the level."""
        log_heights = -self.mixture.deviations.log()[owner] - HALF_LOG_2PI
        reach = torch.clamp(2.0 * (log_heights - level.unsqueeze(-1)), min=0.0).sqrt()
        far = sign.unsqueeze(-1) * self.mixture.means[owner] - self.mixture.deviations[owner] * reach
        return torch.where(torch.isinf(outer), sign * far.amin(-1), outer)

    def excess(self, log_threshold: Tensor, row: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
        """How far the probability of the region falls short of the confidence, and Newton's step.

        d P(region) / d log t = -sum p / |d log t / dy| over the ends of the region, where p = t for one
        mixture. Equations that are nearly linear in log t: log P(not in the region) where that is small, else
        P(region)^2.
        """
        ends = self.crossings(log_threshold, row, tolerance=1e-4)
        place, piece = torch.nonzero(~torch.isnan(ends), as_tuple=True)
        owner = row[place]
        there = ends[place, piece]
        _, slope, _ = log_derivatives(there, *(v[owner] for v in self.parameters))
        same = self.measure is self.mixture
        log_density = log_threshold[place] if same else self.measure.take(owner).log_prob(there)
        density = log_density.exp()
        rate = torch.zeros_like(log_threshold).index_add(0, place, density / slope.abs())
        ends = in_front(ends).nan_to_num(nan=torch.inf)
        if confidence > 0.5:
            outside = self.total_outside(ends, row)
            value = outside.log() - math.log1p(-confidence)
            step = -value * outside / rate
        else:
            inside = self.total_prob(ends, row)
            value = 1.0 - (inside / confidence).square()
            step = -value * confidence**2 / (2.0 * inside * rate)
        return torch.where(value.abs() < ACCURACY, 0.0, value), step

    def outside(self, y: Tensor) -> Tensor:
        """Probability of a density below that at y (m, n)."""
        level = self.mixture.log_prob(y)
        row = torch.arange(y.shape[1], device=y.device).expand_as(y).flatten()
        ends = in_front(self.crossings(level.flatten(), row, tolerance=1e-6)).nan_to_num(nan=torch.inf)
        outside = self.total_outside(ends, row).clamp(max=1.0).reshape(y.shape)
        outside = torch.where(torch.isinf(level), 0.0, outside)  # so far out that no density is left
        return torch.where(torch.isnan(y), torch.nan, outside)

    def total_outside(self, ends: Tensor, row: Tensor) -> Tensor:
        """Probability outside the union of intervals with alternating ends (P, 2J)."""
        part = self.measure.take(row)
        last = torch.where(torch.isinf(ends), -torch.inf, ends).amax(1)
        return part.cdf(ends[:, 0]) + part.sf(last) + self.total_prob(ends[:, 1:-1], row)

    def total_prob(self, ends: Tensor, row: Tensor) -> Tensor:
        """Probability of the union of intervals with alternating ends (P, 2J); those to infinity are none."""
        lower, upper = ends[:, ::2], ends[:, 1::2]
        place, piece = torch.nonzero(upper < torch.inf, as_tuple=True)
        owner = row[place]
        part = self.measure.take(owner)
        probabilities = part.prob(lower[place, piece], upper[place, piece])
        return ends.new_zeros(len(ends)).index_add(0, place, probabilities)


def level_equation(
    y: Tensor, log_heights: Tensor, means: Tensor, deviations: Tensor, level: Tensor, sign: Tensor
) -> tuple[Tensor, Tensor]:
    """sign * (log p(y) - level), and the step to the root of the parabola through value and derivatives.

    The sign is 1 where p rises. The parabola (Euler's method) is exact for one component.
    """
    log_density, slope, curvature = log_derivatives(y, log_heights, means, deviations)
    value = log_density - level
    discriminant = slope.square() - 2.0 * curvature * value
    root = torch.where(discriminant > 0, discriminant, slope.square()).sqrt()
    return sign * value, -2.0 * value / (slope + sign * root)
