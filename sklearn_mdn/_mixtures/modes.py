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
# Where z phi(z), (z^2 - 1) phi(z) or their signs turn.
TURNING_POINTS = (-math.sqrt(3.0), -1.0, 0.0, 1.0, math.sqrt(3.0))

MAX_ASCENTS = 500
ASCENT_TOLERANCE = 1e-9  # length of the last step, in local standard deviations
SAME_MODE = 1e-3  # modes this close, in local standard deviations, are one


def univariate_modes(mixture: Univariate) -> tuple[Tensor, Tensor]:
    """All modes of each of n mixtures in increasing order, (n, J), and the antimodes between (n, J - 1).

    Rows with fewer modes are padded with NaN.

    Notes
    -----
    A mixture of K univariate Gaussians has at most K modes, all where some component is within one
    standard deviation of its mean: elsewhere p'' > 0. The line is cut where the terms of p' and p''
    change sign or turn, so that on an interval each term is monotone and lies between its values at
    the ends. Intervals are halved until these bounds show that p' or p'' keeps its sign; then p' has
    at most one root, and its signs at the ends tell whether that is a mode.
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
    cuts, considered = cut_lines(mixture)
    terms = turning_terms(mixture.widen(), cuts)
    resolved, has_mode = inspect(
        TurningTerms(*(v[:, :-1] for v in terms)), TurningTerms(*(v[:, 1:] for v in terms))
    )
    row, place = torch.nonzero(has_mode & considered, as_tuple=True)
    found = [(row, cuts[row, place], cuts[row, place + 1])]
    row, place = torch.nonzero(~resolved & considered, as_tuple=True)
    lower, upper = cuts[row, place], cuts[row, place + 1]
    while len(row):
        middle = lower + 0.5 * (upper - lower)
        row = torch.cat([row, row])
        lower, upper = torch.cat([lower, middle]), torch.cat([middle, upper])
        part = mixture.take(row)
        ends = turning_terms(part, lower), turning_terms(part, upper)
        resolved, has_mode = inspect(*ends)
        unclear = torch.nonzero(~resolved).squeeze(-1)
        lengths = [shortest_length(part, end, unclear) for end in ends]
        rounding = 4 * EPS * torch.maximum(lower.abs(), upper.abs())[unclear]
        # The other way round, so that what overflows ends the search as well.
        short = ~((upper - lower)[unclear] > torch.maximum(RESOLUTION * torch.minimum(*lengths), rounding))
        is_turn = (ends[0].sign > 0) & (ends[1].sign <= 0)
        has_mode[unclear] = short & is_turn[unclear]
        found.append((row[has_mode], lower[has_mode], upper[has_mode]))
        unclear = unclear[~short]
        row, lower, upper = row[unclear], lower[unclear], upper[unclear]
    rows, lowers, uppers = zip(*found, strict=True)
    return torch.cat(rows), torch.cat(lowers), torch.cat(uppers)


def cut_lines(mixture: Univariate) -> tuple[Tensor, Tensor]:
    """The sorted turning points of each row, (n, C), and which intervals between them can hold a mode."""
    means, deviations = mixture.means.unsqueeze(-1), mixture.deviations.unsqueeze(-1)
    turns = means.new_tensor(TURNING_POINTS)
    # How many components are within one standard deviation of their means, just above each cut.
    opens = torch.tensor((0, 1, 0, -1, 0), device=means.device).expand(*means.shape[:-1], -1)
    cuts, order = (means + deviations * turns).flatten(1).sort(dim=-1, stable=True)
    within = opens.flatten(1).gather(1, order).cumsum(1)
    return cuts, (within[:, :-1] > 0) & (cuts[:, :-1] < cuts[:, 1:])


class TurningTerms(NamedTuple):
    """Terms of p' and p'' at points (...), divided by exp(shift)."""

    z: Tensor  # (..., K)
    shift: Tensor  # (...)
    terms: Tensor  # (..., K)
    slope: Tensor  # (..., K)
    curvature: Tensor  # (..., K)
    sign: Tensor  # that of p', (...)


def turning_terms(mixture: Univariate, y: Tensor) -> TurningTerms:
    """Terms of p' and p'' of each mixture at y."""
    z = mixture.standardise(y).clamp(-FAR, FAR)
    squared = z.square()
    log_terms = (mixture.log_weights - 2.0 * mixture.deviations.log()) - 0.5 * squared
    shift = log_terms.amax(-1)
    terms = (log_terms - shift.unsqueeze(-1)).exp()
    slope = -terms * z
    return TurningTerms(z, shift, terms, slope, terms * (squared - 1.0) / mixture.deviations, slope.sum(-1))


def inspect(first: TurningTerms, second: TurningTerms) -> tuple[Tensor, Tensor]:
    """Whether p' has at most one root between two points for sure; and if so, whether it is a mode.

    There is no turning point between the two, so that each term lies between its values there.
    """
    top = torch.maximum(first.shift, second.shift)
    factors = [(end.shift - top).exp().unsqueeze(-1) for end in (first, second)]

    def keeps_sign(at_first: Tensor, at_second: Tensor) -> Tensor:
        ends = at_first * factors[0], at_second * factors[1]
        return (torch.minimum(*ends).sum(-1) >= 0) | (torch.maximum(*ends).sum(-1) <= 0)

    resolved = keeps_sign(first.slope, second.slope) | keeps_sign(first.curvature, second.curvature)
    return resolved, resolved & (first.sign > 0) & (second.sign <= 0)


def shortest_length(mixture: Univariate, end: TurningTerms, index: Tensor) -> Tensor:
    """The shortest length over which a term that counts changes, at the points of an index."""
    lengths = mixture.deviations[index] / torch.clamp(end.z[index].abs(), min=1.0)
    return torch.where(end.terms[index] > 1e-17, lengths, torch.inf).amin(-1)


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
