"""Modes of Gaussian mixtures: all of them for one target, those reached from the means for several."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_mdn._mixtures.mixture import FAR, Mixture
from sklearn_mdn._mixtures.roots import EPS, solve_bracketed
from sklearn_mdn._mixtures.scale import take_components
from sklearn_mdn._mixtures.univariate import Univariate, log_derivatives

# A mode and an antimode closer than this, in units of the local length scale, count as neither.
RESOLUTION = 2.0**-10
# -z exp(-z^2 / 2) turns at -1 and 1, (z^2 - 1) exp(-z^2 / 2) at 0, where it is -1, and at the roots of 3.
SLOPE_TURN = math.exp(-0.5)
CURVATURE_TURN = 2.0 * math.exp(-1.5)
LOG_NEGLIGIBLE = math.log(1e-17)  # of a term beside the largest one

MAX_ASCENTS = 500
ASCENT_TOLERANCE = 1e-9  # length of the last step, in local standard deviations
SAME_MODE = 1e-3  # modes this close, in local standard deviations, are one


def univariate_modes(mixture: Univariate) -> tuple[Tensor, Tensor]:
    """All modes of each of n mixtures in increasing order, (n, J), and the antimodes between (n, J - 1).

    Rows with fewer modes are padded with NaN.

    Notes
    -----
    A mixture of K univariate Gaussians has at most K modes, all where some component is within one
    standard deviation of its mean: elsewhere p'' > 0. Intervals are halved until bounds on the terms of p'
    and p'' show that one of the two keeps its sign; then p' has at most one root, and its signs at the
    ends tell whether that is a mode.
    """
    mixture = mixture.present().resolvable()
    row, lower, upper = mode_brackets(mixture)
    modes = turns(mixture, row, lower, upper, sign=-1.0)
    order = torch.argsort(modes, stable=True)
    order = order[torch.argsort(row[order], stable=True)]
    row, modes = row[order], modes[order]
    pair = torch.nonzero(row[1:] == row[:-1]).squeeze(-1)
    antimodes = turns(mixture, row[pair], modes[pair], modes[pair + 1], sign=1.0)
    n_rows = len(mixture.means)
    return pad_rows(modes, row, n_rows), pad_rows(antimodes, row[pair], n_rows)


def highest_first(mixture: Univariate, modes: Tensor) -> Tensor:
    """Modes (n, J) in decreasing order of their densities, NaN last."""
    heights = mixture.widen().log_prob(modes).nan_to_num(nan=-torch.inf)
    return modes.gather(1, heights.argsort(dim=1, descending=True, stable=True))


def turns(mixture: Univariate, row: Tensor, lower: Tensor, upper: Tensor, sign: float) -> Tensor:
    """The root of p' in each interval of the mixtures of some rows: antimodes for sign 1, modes for -1."""
    parameters = (mixture.log_heights, mixture.means, mixture.deviations)
    return solve_bracketed(
        slope_equation,
        (*(v[row] for v in parameters), lower.new_full(row.shape, sign)),
        lower,
        upper,
        0.5 * (lower + upper),
        1e-9 * mixture.deviations.amin(-1)[row],
    )


def pad_rows(values: Tensor, row: Tensor, n_rows: int) -> Tensor:
    """Values of each row, in the order given, side by side; NaN where a row has fewer than others."""
    counts = torch.bincount(row, minlength=n_rows)
    starts = counts.cumsum(0) - counts
    padded = values.new_full((n_rows, int(counts.max()) if n_rows else 0, *values.shape[1:]), torch.nan)
    padded[row, torch.arange(len(row), device=row.device) - starts[row]] = values
    return padded


def slope_equation(
    y: Tensor, log_heights: Tensor, means: Tensor, deviations: Tensor, sign: Tensor
) -> tuple[Tensor, Tensor]:
    """sign * d log p / dy, and Newton's step; sign is 1 at an antimode and -1 at a mode."""
    _, slope, curvature = log_derivatives(y, log_heights, means, deviations)
    return sign * slope, -slope / curvature


def mode_brackets(mixture: Univariate) -> tuple[Tensor, Tensor, Tensor]:
    """Intervals with one mode each: their rows, lower and upper ends."""
    row, lower, upper = initial_intervals(mixture)
    signs = [slope_sign(mixture.take(row), end) for end in (lower, upper)]
    found = []
    while len(row):
        part = mixture.take(row)
        resolved, length = inspect(part, lower, upper)
        # The other way round, so that what overflows ends the search as well.
        rounding = 4 * EPS * torch.maximum(lower.abs(), upper.abs())
        resolved |= ~(upper - lower > torch.maximum(RESOLUTION * length, rounding))
        mode = resolved & (signs[0] > 0) & (signs[1] <= 0)
        found.append((row[mode], lower[mode], upper[mode]))
        row, lower, upper, *signs = (v[~resolved] for v in (row, lower, upper, *signs))
        middle = lower + 0.5 * (upper - lower)
        sign = slope_sign(mixture.take(row), middle)
        row = torch.cat([row, row])
        lower, upper = torch.cat([lower, middle]), torch.cat([middle, upper])
        signs = [torch.cat([signs[0], sign]), torch.cat([sign, signs[1]])]
    rows, lowers, uppers = zip(*found, strict=True)
    return torch.cat(rows), torch.cat(lowers), torch.cat(uppers)


def initial_intervals(mixture: Univariate) -> tuple[Tensor, Tensor, Tensor]:
    """The pieces of the line within one standard deviation of some mean: row, lower, upper."""
    lower, order = (mixture.means - mixture.deviations).sort(dim=-1)
    reach = (mixture.means + mixture.deviations).gather(-1, order).cummax(dim=-1).values
    begins = torch.ones_like(order, dtype=torch.bool)
    begins[:, 1:] = lower[:, 1:] > reach[:, :-1]
    ends = begins.roll(-1, dims=-1)
    ends[:, -1] = True
    row, place = torch.nonzero(begins, as_tuple=True)
    return row, lower[row, place], reach[ends]


def slope_sign(mixture: Univariate, y: Tensor) -> Tensor:
    """-1, 0 or 1: that of p' at y."""
    z = mixture.standardise(y).clamp_(-FAR, FAR)
    log_terms = log_slope_scale(mixture) - 0.5 * z.square()
    terms = log_terms.sub_(log_terms.amax(-1, keepdim=True)).exp_()
    return -terms.mul_(z).sum(-1).sign()


def log_slope_scale(mixture: Univariate) -> Tensor:
    """log of w / deviation^2: p' is a sum of -z phi(z), p'' of (z^2 - 1) phi(z) / deviation, times this."""
    return mixture.log_weights - 2.0 * mixture.deviations.log()


def inspect(mixture: Univariate, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Whether p' has at most one root in each interval for sure, and over what length its terms change.

    Each term lies between its values at the ends and those where it turns in between.
    """
    first, second = (mixture.standardise(end).clamp_(-FAR, FAR) for end in (lower, upper))
    nearest = torch.minimum(torch.maximum(first, torch.zeros_like(first)), second)
    scale = log_slope_scale(mixture)
    largest = scale - 0.5 * nearest.square()
    top = largest.amax(-1, keepdim=True)
    scale = scale - top
    ends = [(z, (scale - 0.5 * z.square()).exp_()) for z in (first, second)]
    # Where a term turns in an interval it is within a factor of its largest value, which counts at most 1.
    height = scale.clamp_(max=2.0).exp_()

    def turns_at(z: float) -> Tensor:
        return (first < z) & (z < second)

    values = [-z * density for z, density in ends]
    low = torch.where(turns_at(1.0), -SLOPE_TURN * height, torch.minimum(*values))
    high = torch.where(turns_at(-1.0), SLOPE_TURN * height, torch.maximum(*values))
    resolved = (low.sum(-1) >= 0) | (high.sum(-1) <= 0)
    values = [(z.square() - 1.0) * density for z, density in ends]
    low = torch.where(turns_at(0.0), -height, torch.minimum(*values)).div_(mixture.deviations)
    bends = turns_at(math.sqrt(3.0)) | turns_at(-math.sqrt(3.0))
    high = torch.where(bends, CURVATURE_TURN * height, torch.maximum(*values)).div_(mixture.deviations)
    resolved |= (low.sum(-1) >= 0) | (high.sum(-1) <= 0)
    lengths = mixture.deviations / torch.maximum(first.abs(), second.abs()).clamp_(min=1.0)
    return resolved, torch.where(largest - top > LOG_NEGLIGIBLE, lengths, torch.inf).amin(-1)


def multivariate_modes(mixture: Mixture) -> Tensor:
    """Modes of each of n mixtures that are reached uphill from the component means, (n, J, D).

    Highest first, padded with NaN.

    Notes
    -----
    The fixed-point iteration x <- (sum_k r_k Sigma_k^-1)^-1 sum_k r_k Sigma_k^-1 mu_k, with the
    responsibilities r at x, climbs p at every step (Carreira-Perpinan 2000, IEEE TPAMI 22). Newton's
    step takes its place once it is short and uphill. A mixture can have modes that no mean leads to.
    """
    n_rows, n_components, n_targets = mixture.means.shape
    row = torch.arange(n_rows, device=mixture.means.device).repeat_interleave(n_components)
    peaks = Peaks(mixture.log_weights - mixture.scale.log_det(), mixture.means, mixture.scale.precision())
    x = ascend(peaks, mixture.means.reshape(-1, n_targets), row)
    at = peaks.take(row).local(x)
    log_density, metric = at.log_density.view(n_rows, -1), torch.unflatten(at.metric, 0, (n_rows, -1))
    starts = (mixture.log_weights > -torch.inf) & is_maximum(at).view(n_rows, -1)
    log_density = torch.where(starts, log_density, -torch.inf)
    order = log_density.argsort(dim=1, descending=True, stable=True)
    modes = take_components(x.view(n_rows, -1, n_targets), order, trailing=1)
    metric = take_components(metric, order, trailing=2)
    kept = log_density.gather(1, order) > -torch.inf
    kept[:, 0] = True  # should every ascent have ended on a saddle
    for k in range(1, n_components):
        apart = modes[:, :k] - modes[:, k : k + 1]
        distance = squared_length(apart, metric[:, k : k + 1])
        kept[:, k] &= ~((distance < SAME_MODE**2) & kept[:, :k]).any(1)
    row, place = torch.nonzero(kept, as_tuple=True)
    return pad_rows(modes[row, place], row, n_rows)


class Local(NamedTuple):
    """The log density, but for a constant, and its shape at points (P, D)."""

    log_density: Tensor  # (P,)
    gradient: Tensor  # (P, D)
    metric: Tensor  # mean precision of the components, (P, D, D)
    hessian: Tensor  # (P, D, D)


class Peaks(NamedTuple):
    """The components as the ascent needs them."""

    log_peaks: Tensor  # log(weight / sqrt(det Sigma)), (P, K)
    means: Tensor  # (P, K, D)
    precision: Tensor  # (P, K or 1, D, D)

    def take(self, row: Tensor) -> Peaks:
        return Peaks(*(stored[row] for stored in self))

    def local(self, x: Tensor) -> Local:
        away = self.means - x.unsqueeze(-2)
        pulls = (self.precision * away.unsqueeze(-2)).sum(-1)
        log_terms = self.log_peaks - 0.5 * (pulls * away).sum(-1)
        shares = torch.softmax(log_terms, dim=-1)
        gradient = (shares.unsqueeze(-1) * pulls).sum(-2)
        metric = (shares[..., None, None] * self.precision).sum(-3)
        spread = pulls.unsqueeze(-1) * pulls.unsqueeze(-2)
        hessian = (shares[..., None, None] * spread).sum(-3) - metric
        hessian = hessian - gradient.unsqueeze(-1) * gradient.unsqueeze(-2)
        return Local(torch.logsumexp(log_terms, dim=-1), gradient, metric, hessian)


def ascend(peaks: Peaks, x: Tensor, row: Tensor) -> Tensor:
    """Where the density of some rows leads uphill from the points x (P, D)."""
    x = x.clone()
    active = torch.arange(len(x), device=x.device)
    for _ in range(MAX_ASCENTS):
        if not len(active):
            break
        part, start = peaks.take(row[active]), x[active]
        at = part.local(start)
        step = torch.linalg.solve(at.metric, at.gradient)
        factor, failed = torch.linalg.cholesky_ex(-at.hessian)
        newton = torch.cholesky_solve(at.gradient.unsqueeze(-1), factor).squeeze(-1)
        usable = (failed == 0) & (squared_length(newton, at.metric) < 0.25)
        usable &= part.local(start + newton).log_density >= at.log_density
        step = torch.where(usable.unsqueeze(-1), newton, step)
        x[active] = start + step
        active = active[squared_length(step, at.metric) > ASCENT_TOLERANCE**2]
    return x


def squared_length(step: Tensor, metric: Tensor) -> Tensor:
    """step^T metric step, (P,)."""
    return (step * (metric * step.unsqueeze(-2)).sum(-1)).sum(-1)


def is_maximum(at: Local) -> Tensor:
    """Whether the Hessian is negative definite, or flat to rounding."""
    failed: Tensor = torch.linalg.cholesky_ex(1e-6 * at.metric - at.hessian).info
    return failed == 0
