"""Differential entropy of Gaussian mixtures.

With the component C as a second random variable, h(Y) = h(Y, C) - E[H(C | Y)]. The first term has a
closed form. What remains is an expectation between 0 and log K of a bounded function of y, the
entropy of the responsibilities: zero where components are far apart, whatever their scales.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklearn_mdn._mixtures.mixture import Mixture, log_normalize
from sklearn_mdn._mixtures.normal import HALF_LOG_2PI
from sklearn_mdn._mixtures.quadrature import rule_nodes, rule_sums
from sklearn_mdn._mixtures.univariate import Univariate

TOLERANCE = 1e-10  # of one cell, on the difference of two rules, of which the better one is used
CUTS = (-9.0, -4.0, -2.0, 0.0, 2.0, 4.0, 9.0)  # of each component, in standard deviations
CLOSE = 0.5  # standard deviations, the widest grid that cuts are moved to
MAX_HALVINGS = 60
LOWEST = -740.0  # logarithm of a density that is zero


def joint_entropy(mixture: Mixture) -> Tensor:
    """h(Y, C) of the target and its component, (n,)."""
    weights, log_weights = mixture.weights, mixture.log_weights
    each = mixture.scale.log_det() + mixture.n_targets * (0.5 + HALF_LOG_2PI)
    return (weights * (each - log_weights.clamp(min=-1e4))).sum(-1)  # 0 log 0 = 0


def component_entropy(log_terms: Tensor) -> Tensor:
    """H(C | y) from unnormalised log P(C, y), (..., K)."""
    log_shares = log_normalize(log_terms)
    return -(log_shares.exp() * log_shares.clamp(min=-1e4)).sum(-1)


def univariate_entropy(mixture: Mixture) -> Tensor:
    """Entropy of each of n mixtures of one target, by adaptive quadrature of E[H(C | Y)]."""
    univariate = mixture.univariate().map(lambda stored: stored.squeeze(1)).present()
    # Around zero numbers are as close as a narrow component needs them; entropy is the same anywhere.
    heaviest = univariate.log_weights.argmax(-1, keepdim=True)
    centred = univariate.means - univariate.means.gather(-1, heaviest)
    unknown = expected_component_entropy(Univariate(univariate.log_weights, centred, univariate.deviations))
    return joint_entropy(mixture) - torch.minimum(unknown, component_entropy(univariate.log_weights))


def estimated_entropy(mixture: Mixture, draws: Tensor) -> Tensor:
    """Entropy of each of n mixtures, with E[H(C | Y)] the mean over draws (n, M, D)."""
    wide = mixture.widen()
    log_terms = wide.log_weights + wide.component_log_prob(draws)
    return joint_entropy(mixture) - component_entropy(log_terms).mean(-1)


def expected_component_entropy(mixture: Univariate) -> Tensor:
    """E[H(C | Y)] of n mixtures, (n,)."""
    total = torch.zeros_like(mixture.means[:, 0])
    row, lower, upper = initial_cells(mixture)
    for halving in range(MAX_HALVINGS):
        if not len(row):
            break
        fine, coarse = cell_integrals(mixture.take(row).widen(), lower, upper)
        done = ((fine - coarse).abs() <= TOLERANCE) | (halving == MAX_HALVINGS - 1)
        total.index_add_(0, row[done], fine[done])
        row, lower, upper = row[~done], lower[~done], upper[~done]
        middle = lower + 0.5 * (upper - lower)
        row = torch.cat([row, row])
        lower, upper = torch.cat([lower, middle]), torch.cat([middle, upper])
    return total


def initial_cells(mixture: Univariate) -> tuple[Tensor, Tensor, Tensor]:
    """Cells between the components' cuts that hold a probability worth counting: row, lower, upper."""
    cuts = needed_cuts(mixture).sort(dim=1).values
    row, place = torch.nonzero(cuts[:, 1:] > cuts[:, :-1], as_tuple=True)
    lower, upper = cuts[row, place], cuts[row, place + 1]
    mass = mixture.take(row).prob(lower, upper)
    largest = math.log(max(2, mixture.means.shape[-1]))
    counts = mass * largest > 0.01 * TOLERANCE
    return row[counts], lower[counts], upper[counts]


def needed_cuts(mixture: Univariate) -> Tensor:
    """The components' cuts, (n, 7K), moved to a grid of a quarter to half a deviation, where many meet.

    Grids of halves of halves hold each other, so that members of an ensemble that agree share their cuts,
    and cells around a component are never much wider than it is.
    """
    cuts = mixture.means.unsqueeze(-1) + mixture.deviations.unsqueeze(-1) * mixture.means.new_tensor(CUTS)
    spacing = (CLOSE * mixture.deviations).log2().floor().exp2().unsqueeze(-1)
    return ((cuts / spacing).round() * spacing).flatten(1)


def cell_integrals(mixture: Univariate, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Integral of p(y) H(C | y) over each cell, by the finer and by the coarser rule."""
    half = 0.5 * (upper - lower)
    y = (lower + half).unsqueeze(-1) + half.unsqueeze(-1) * rule_nodes(lower)
    # With terms t and their sum s, s H = s log s - sum t log t; here in units of the largest of them.
    log_terms = mixture.component_log_prob(y)
    top = log_terms.amax(-1)
    log_terms.sub_(top.unsqueeze(-1)).clamp_(min=-1e4)  # 0 log 0 = 0
    terms = log_terms.exp()
    total = terms.sum(-1)
    values = total * total.log() - log_terms.mul_(terms).sum(-1)
    # So far from all components there may be no number.
    values = torch.where(top > LOWEST, values * top.exp(), 0.0)
    return rule_sums(values, half)
