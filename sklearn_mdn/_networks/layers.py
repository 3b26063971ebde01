"""What layers are made of: activations with their derivatives, and what the way back needs.

A member's numbers must not hang on the stack around it, nor on the number of threads. torch's ``sigmoid``,
``silu``, ``gelu`` and ``softplus`` round an entry by its place in memory: most go through vector
instructions, the last few of a thread's share one by one through another routine. ``exp``, ``expm1``,
``log1p``, ``tanh`` and ``erf``, of which they are made here, and arithmetic do not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

from sklearn_mdn._mixtures import normal

# What the way back needs of each layer, the first one first.
Trace = list[tuple[Tensor, ...]]

# Above it softplus is the identity to float64's precision, and below it exp does not overflow.
SOFTPLUS_END = 40.0


class Activation(ABC):
    """A function of each unit."""

    @abstractmethod
    def value(self, x: Tensor) -> Tensor:
        """The function at x."""

    @abstractmethod
    def with_derivative(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The function at x, and its derivative."""


@final
class Identity(Activation):
    def value(self, x: Tensor) -> Tensor:
        return x

    def with_derivative(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, torch.ones_like(x)


@final
class Logistic(Activation):
    def value(self, x: Tensor) -> Tensor:
        return x.neg().exp_().add(1.0).reciprocal_()

    def with_derivative(self, x: Tensor) -> tuple[Tensor, Tensor]:
        value = self.value(x)
        return value, torch.addcmul(value, value, value, value=-1.0)


@final
class Tanh(Activation):
    def value(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def with_derivative(self, x: Tensor) -> tuple[Tensor, Tensor]:
        value = torch.tanh(x)
        return value, value.square().neg_().add_(1.0)


@final
class Relu(Activation):
    def value(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def with_derivative(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.relu(x), (x > 0.0).to(x.dtype)


@final
class Silu(Activation):
    """x s(x) with the logistic function s, of derivative s + x s (1 - s)."""

    def value(self, x: Tensor) -> Tensor:
        return x / x.neg().exp_().add(1.0)

    def with_derivative(self, x: Tensor) -> tuple[Tensor, Tensor]:
        share = x.neg().exp_().add_(1.0)
        value = x / share
        share.reciprocal_()
        return value, torch.addcmul(share, value, 1.0 - share)


@final
class Gelu(Activation):
    """x Phi(x) with the normal distribution function Phi."""

    def value(self, x: Tensor) -> Tensor:
        return self._share(x) * x

    def with_derivative(self, x: Tensor) -> tuple[Tensor, Tensor]:
        share = self._share(x)
        return x * share, share.addcmul_(x, normal.pdf(x))

    @staticmethod
    def _share(x: Tensor) -> Tensor:
        return (normal.SQRT_HALF * x).erf_().add_(1.0).mul_(0.5)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Identity(),
    "logistic": Logistic(),
    "tanh": Tanh(),
    "relu": Relu(),
    "silu": Silu(),
    "gelu": Gelu(),
}


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x))."""
    return torch.where(x > SOFTPLUS_END, x, x.exp().log1p())


def softplus_derivative(value: Tensor) -> Tensor:
    """The derivative of softplus where it has this value: 1 / (1 + exp(-x)) = 1 - exp(-softplus(x))."""
    return value.neg().expm1_().neg_()


def write_product(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Put the products of S matrices where ``out`` (S, ...) is."""
    if out.is_contiguous():
        torch.bmm(left, right, out=out)
    else:  # torch would multiply one pair of matrices after the other
        out.copy_(torch.bmm(left, right))
