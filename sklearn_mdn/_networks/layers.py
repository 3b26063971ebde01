"""What layers are made of: activations with their derivatives, and what the way back needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

ATEN = torch.ops.aten


@final
@dataclass(frozen=True)
class Activation:
    """A function of each unit, and the gradient by its input given the one by its output."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda x: x, lambda gradient, x: gradient),
    "logistic": Activation(
        torch.sigmoid, lambda gradient, x: ATEN.sigmoid_backward.default(gradient, x.sigmoid())
    ),
    "tanh": Activation(torch.tanh, lambda gradient, x: ATEN.tanh_backward.default(gradient, x.tanh())),
    "relu": Activation(torch.relu, lambda gradient, x: ATEN.threshold_backward.default(gradient, x, 0.0)),
    "silu": Activation(functional.silu, ATEN.silu_backward.default),
    "gelu": Activation(functional.gelu, ATEN.gelu_backward.default),
}

# What the way back needs of each layer, the first one first.
Trace = list[tuple[Tensor, ...]]


def write_product(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Put the products of S matrices where ``out`` (S, ...) is."""
    if out.is_contiguous():
        torch.bmm(left, right, out=out)
    else:  # torch would multiply one pair of matrices after the other
        out.copy_(torch.bmm(left, right))
