"""A pair of quadrature rules with common nodes: what the finer one gives, and what the coarser one doubts."""

from __future__ import annotations

import torch
from torch import Tensor

# Gauss-Kronrod pair of 7 and 15 nodes on [-1, 1] (Piessens et al. 1983, QUADPACK): nodes from the
# outermost to the centre, their weights in both rules.
NODES = (
    0.991455371120812639206854697526329,
    0.949107912342758524526189684047851,
    0.864864423359769072789712788640926,
    0.741531185599394439863864773280788,
    0.586087235467691130294144691693013,
    0.405845151377397166906606412076961,
    0.207784955007898467600689403773245,
    0.0,
)
KRONROD = (
    0.022935322010529224963732008058970,
    0.063092092629978553290700663189204,
    0.104790010322250183839876322541518,
    0.140653259715525918745189590510238,
    0.169004726639267902826583426598550,
    0.190350578064785409913256402421014,
    0.204432940075298892414161999234649,
    0.209482141084727828012999174891714,
)
GAUSS = (
    0.0,
    0.129484966168869693270611432679082,
    0.0,
    0.279705391489276667901467771423780,
    0.0,
    0.381830050505118944950369775488975,
    0.0,
    0.417959183673469387755102040816327,
)


def rule_nodes(like: Tensor) -> Tensor:
    """The 15 nodes on [-1, 1]."""
    return like.new_tensor([-node for node in NODES] + list(NODES[-2::-1]))


def rule_sums(values: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Integrals over cells of half-widths (...) from values at their nodes (..., 15): finer, coarser."""
    fine, coarse = (
        half * (values * half.new_tensor(rule + rule[-2::-1])).sum(-1) for rule in (KRONROD, GAUSS)
    )
    return fine, coarse


def hermite_rule(n_nodes: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights of the Gauss rule for the standard normal density (Golub and Welsch 1969)."""
    beside = torch.arange(1, n_nodes, dtype=like.dtype, device=like.device).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return nodes, vectors[0].square()
