"""Expectations of functions of the target, E[f(Y)], component by component.

Of one target by adaptive quadrature between cuts that are the same for each component in its own standard
deviations, and the points where f or its slope jumps. Of several by a product of Gauss rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.normal import pdf
from sklearn_mdn._mixtures.quadrature import hermite_rule, rule_nodes, rule_sums
from sklearn_mdn._mixtures.univariate import Univariate

Function = Callable[[Tensor], Tensor]

# Standard deviations; at the last one the normal density is the smallest number.
CUTS = (-38.0, -9.0, -4.0, -2.0, 0.0, 2.0, 4.0, 9.0, 38.0)
TOLERANCE = 1e-10  # of a row's E|f(Y)|, on the difference of two rules, of which the better one is used
MAX_HALVINGS = 45
MAX_CELLS = 4096  # of a row; what needs more is no function of y that quadrature could follow
RULES = {1: 128, 2: 48, 3: 16}  # targets, and nodes along each of them
NODES_AT_ONCE = 2**18  # numbers that the function is asked for in one call, but at least one cell's


def expectation(mixture: Univariate, function: Function, points: Tensor) -> tuple[Tensor, Tensor]:
    """E[f(Y)] of n mixtures of one target, and the part of E|f(Y)| in cells that have not settled, (n,).

    ``function`` maps y (m, n) to values (m, n); ``points`` (B, n) are where it or its slope jumps.
    """
    mixture = mixture.present()
    lower, upper, component = first_cells(mixture, points)
    total = torch.zeros_like(mixture.means[:, 0])
    doubtful, scale = torch.zeros_like(total), torch.zeros_like(total)
    for halving in range(MAX_HALVINGS):
        fine, coarse, size = cell_integrals(mixture, function, lower, upper, component)
        scale = torch.maximum(scale, size.sum(0))
        open_ = (fine - coarse).abs() > TOLERANCE * scale  # false of what is no number
        if halving == MAX_HALVINGS - 1 or int(open_.sum(0).max()) > MAX_CELLS:
            doubtful += torch.where(open_, (fine - coarse).abs(), 0.0).sum(0) / scale
            open_ = torch.zeros_like(open_)
        total += torch.where(open_, 0.0, fine).sum(0)
        if not open_.any():
            break
        # The open cells of each row in front, in as many places as the row with the most of them needs.
        order = open_.to(torch.uint8).argsort(dim=0, descending=True, stable=True)
        keep = order[: int(open_.sum(0).max())]
        lower, upper, component = (cells.gather(0, keep) for cells in (lower, upper, component))
        upper = torch.where(open_.gather(0, keep), upper, lower)  # of no width: nothing is left to integrate
        middle = lower + 0.5 * (upper - lower)
        lower, upper = torch.cat([lower, middle]), torch.cat([middle, upper])
        component = torch.cat([component, component])
    return total, doubtful


def first_cells(mixture: Univariate, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cells (P, n) of all components, in their standard deviations: lower and upper ends, components."""
    means, deviations = mixture.means.T.unsqueeze(1), mixture.deviations.T.unsqueeze(1)
    own = ((points - means) / deviations).clamp(CUTS[0], CUTS[-1])
    cuts = means.new_tensor(CUTS).reshape(1, -1, 1).expand(len(means), -1, means.shape[-1])
    edges = torch.cat([cuts, own], dim=1).sort(dim=1).values
    component = torch.arange(len(means), device=means.device).reshape(-1, 1, 1).expand_as(edges[:, 1:])
    return edges[:, :-1].flatten(0, 1), edges[:, 1:].flatten(0, 1), component.flatten(0, 1)


def cell_integrals(
    mixture: Univariate, function: Function, lower: Tensor, upper: Tensor, component: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Integrals of f p over cells (P, n) by the finer and the coarser rule, and that of |f p|."""
    weights, means, deviations = (
        stored.T.gather(0, component) for stored in (mixture.weights, mixture.means, mixture.deviations)
    )
    half, nodes = 0.5 * (upper - lower), rule_nodes(lower)
    parts = []
    for part in chunks(len(lower), len(nodes) * lower.shape[1]):
        z = (lower[part] + half[part]).unsqueeze(-1) + half[part].unsqueeze(-1) * nodes
        y = means[part].unsqueeze(-1) + deviations[part].unsqueeze(-1) * z
        values = function(y.mT.flatten(0, 1)).reshape(len(z), len(nodes), -1).mT
        density = weights[part].unsqueeze(-1) * pdf(z)
        # A cell of no width asks for nothing, even if the function is infinite there.
        counts = (density > 0) & (half[part] > 0).unsqueeze(-1)
        values = torch.where(counts, density * values, 0.0)
        parts.append((*rule_sums(values, half[part]), rule_sums(values.abs(), half[part])[0]))
    fine, coarse, size = (torch.cat(each) for each in zip(*parts, strict=True))
    return fine, coarse, size


def product_expectation(mixture: Mixture, function: Function) -> Tensor:
    """E[f(Y)] of n mixtures of up to three targets, (n,); ``function`` maps y (m, n, D) to values (m, n).

    With z standard normal, E[f(mean_k + L_k z)] of a component is the product rule's sum.
    """
    each, weight = hermite_rule(RULES[mixture.n_targets], mixture.means)
    z = torch.cartesian_prod(*(each,) * mixture.n_targets).reshape(-1, mixture.n_targets)
    share = torch.cartesian_prod(*(weight,) * mixture.n_targets).reshape(len(z), -1).prod(-1)
    n_rows = len(mixture.means)
    total = mixture.means.new_zeros(n_rows)
    for k in range(mixture.n_components):
        index = torch.full((n_rows, 1), k, device=total.device)
        scale, mean = mixture.scale.gather(index), mixture.means[:, k : k + 1]
        for part in chunks(len(z), n_rows * mixture.n_targets):
            y = mean + scale.color(z[part].expand(n_rows, -1, -1))
            inner = (share[part].unsqueeze(-1) * function(y.transpose(0, 1))).sum(0)
            total += torch.where(mixture.weights[:, k] > 0, mixture.weights[:, k] * inner, 0.0)
    return total


def mean_over_draws(draws: Tensor, function: Function) -> Tensor:
    """The mean of f over draws (n, M, D), (n,)."""
    values = [
        function(draws[:, part].transpose(0, 1)) for part in chunks(draws.shape[1], draws[:, 0].numel())
    ]
    return torch.cat(values).mean(0)


def chunks(length: int, width: int) -> Iterator[slice]:
    """Slices of an axis whose entries cost ``width`` numbers each."""
    step = max(1, NODES_AT_ONCE // max(1, width))
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
