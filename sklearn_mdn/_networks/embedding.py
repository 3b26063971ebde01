"""From columns of numbers to the features that the first layer sees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sklearn_mdn._networks.layers import ACTIVATIONS, Trace, write_product


@final
@dataclass(frozen=True)
class PeriodicEmbedding:
    """Learned periodic features of each input (Gorishniy et al. 2022, "PLR").

    A feature x becomes [x, relu(W [sin(2 pi c x), cos(2 pi c x)] + b)] with frequencies c that are its own,
    learned, and start from N(0, ``frequency_scale``^2). W and b serve all features, the "lite" form of
    Gorishniy et al. (2023, "TabR").
    """

    n_frequencies: int = 6
    n_outputs: int = 4
    frequency_scale: float = 0.1

    def shapes(self, n_features: int) -> dict[str, tuple[int, ...]]:
        return {
            "embedding_frequencies": (n_features, self.n_frequencies),
            "embedding_coefs": (2 * self.n_frequencies, self.n_outputs),
            "embedding_intercepts": (self.n_outputs,),
        }

    def forward(self, weights: Mapping[str, Tensor], x: Tensor, trace: Trace | None = None) -> Tensor:
        """Map (S, n, d) to (S, n, d + d * n_outputs)."""
        turns = (2.0 * math.pi * x).unsqueeze(-1)
        angle = turns * weights["embedding_frequencies"].unsqueeze(1)
        waves = torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(1, 2)
        linear = torch.baddbmm(
            weights["embedding_intercepts"].unsqueeze(1), waves, weights["embedding_coefs"]
        )
        if trace is not None:
            trace.append((turns, waves, linear))
        return torch.cat([x, torch.relu(linear).view(*x.shape[:2], x.shape[2] * self.n_outputs)], dim=-1)

    def backward(
        self,
        weights: Mapping[str, Tensor],
        trace: Trace,
        by_embedded: Tensor,
        by: Mapping[str, Tensor],
    ) -> None:
        """Write the gradient by each parameter into ``by``, given that by the embedded features."""
        turns, waves, linear = trace.pop()
        by_linear = ACTIVATIONS["relu"].backward(by_embedded.reshape(linear.shape), linear)
        write_product(waves.mT, by_linear, by["embedding_coefs"])
        torch.sum(by_linear, dim=1, out=by["embedding_intercepts"])
        by_waves = torch.bmm(by_linear, weights["embedding_coefs"].mT)
        # Sine and cosine are each other's derivatives: neither is evaluated again.
        (sine, cosine), (by_sine, by_cosine) = waves.chunk(2, -1), by_waves.chunk(2, -1)
        by_angle = (by_sine * cosine).addcmul_(by_cosine, sine, value=-1.0)
        by_angle = by_angle.view(*turns.shape[:-1], self.n_frequencies).mul_(turns)
        torch.sum(by_angle, dim=1, out=by["embedding_frequencies"])
