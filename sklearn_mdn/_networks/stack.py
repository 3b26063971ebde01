"""Stacks of S independent networks of one shape: every weight carries a leading axis S.

All parameters of a stack are one matrix (S, P), a row a member; the layers are views of it. A layer
is then one batched matrix product, and what concerns a member (clipping, its learning rate, its
best weights) is an operation on a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._networks.embedding import TableEmbedding
from sklearn_mdn._networks.head import MixtureHead
from sklearn_mdn._networks.layers import ACTIVATIONS, Trace, write_product

# Standard deviation of the numbers that stand for categories, at the start.
CATEGORY_SPREAD = 0.1


@final
@dataclass(frozen=True)
class StackedMLP:
    """Feed-forward networks with a mixture head, S at once.

    Immutable: it is the shape of a member; the numbers are the (S, P) matrix given to each call.
    """

    embedding: TableEmbedding
    hidden_layer_sizes: tuple[int, ...]
    activation: str
    head: MixtureHead

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter of a member, in the order of columns: weights first."""
        shapes = self.embedding.shapes()
        layers = [self.embedding.n_features, *self.hidden_layer_sizes, sum(self.head.sizes)]
        for i, (fan_in, fan_out) in enumerate(pairwise(layers)):
            shapes[f"coefs_{i}"] = (fan_in, fan_out)
            shapes[f"intercepts_{i}"] = (fan_out,)
        return dict(sorted(shapes.items(), key=lambda item: "coefs" not in item[0]))

    @property
    def n_layers(self) -> int:
        return len(self.hidden_layer_sizes) + 1

    @property
    def activations(self) -> list[int]:
        """Numbers that each operation gives for a row, or for a column of it."""
        return [
            shape[-1]
            for name, shape in self.shapes.items()
            if name not in ("category_coefs", "embedding_bins")
        ]

    @property
    def n_parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes.values())

    def split(self, params: Tensor) -> dict[str, Tensor]:
        """Views of the (S, P) matrix, one a parameter, each with leading axis S."""
        shapes = self.shapes
        pieces = torch.split(params, [math.prod(shape) for shape in shapes.values()], dim=-1)
        return {
            name: piece.view(-1, *shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }

    def join(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Inverse of ``split``: the (S, P) matrix."""
        return torch.cat([weights[name].flatten(1) for name in self.shapes], dim=1)

    def __call__(
        self,
        weights: Mapping[str, Tensor],
        x: Tensor,
        *,
        keep: Sequence[Tensor] | None = None,
    ) -> Mixture:
        """Densities at x (S, n, d); the arguments are those of ``outputs``."""
        return self.head(self.outputs(weights, x, keep))

    def outputs(
        self,
        weights: Mapping[str, Tensor],
        x: Tensor,
        keep: Sequence[Tensor] | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        """The last layer's outputs at x (S, n, d).

        ``keep`` holds, for each hidden layer, the factors (S, n, width) of dropout: 0, or 1 / (1 - p).
        ``trace`` is given what ``backward`` needs.
        """
        activation = ACTIVATIONS[self.activation]
        x = self.embedding.forward(weights, x, trace)
        for i in range(self.n_layers):
            linear = torch.baddbmm(weights[f"intercepts_{i}"].unsqueeze(1), x, weights[f"coefs_{i}"])
            if i == self.n_layers - 1:
                break
            if trace is None:
                value = activation.value(linear)
            else:
                value, derivative = activation.with_derivative(linear)
                trace.append((x, derivative))
            x = value if keep is None else value * keep[i]
        if trace is not None:
            trace.append((x,))
        return linear

    def backward(
        self,
        weights: Mapping[str, Tensor],
        keep: Sequence[Tensor] | None,
        trace: Trace,
        gradient: Tensor,
        by: Mapping[str, Tensor],
    ) -> None:
        """Write the gradient by each parameter into ``by``, given the one by the outputs (S, n, outputs).

        Backpropagation (Rumelhart, Hinton and Williams 1986) in half of the time that autograd takes for
        a step of a small network, which is mostly what each of its many small operations costs.
        """
        for i in reversed(range(self.n_layers)):
            inputs, *derivative = trace.pop()
            if derivative:
                gradient = gradient if keep is None else gradient * keep[i]
                gradient = gradient * derivative[0]
            write_product(inputs.mT, gradient, by[f"coefs_{i}"])
            torch.sum(gradient, dim=1, out=by[f"intercepts_{i}"])
            if i > 0:
                gradient = torch.bmm(gradient, weights[f"coefs_{i}"].mT)
        if self.embedding.piecewise is not None:
            by["embedding_bins"].zero_()
        if self.embedding.n_fixed < self.embedding.n_features:
            by_features = torch.bmm(gradient, weights["coefs_0"][:, self.embedding.n_fixed :].mT)
            self.embedding.backward(weights, trace, by_features, by)

    @cached_property
    def n_decayed(self) -> int:
        """Weight decay acts on so many columns of (S, P), the first ones: the weights."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if "coefs" in name)

    def initial(
        self, generator: torch.Generator, centers: Tensor, spread: float, bins: Tensor | None = None
    ) -> Tensor:
        """Parameters (P,) of one member, float64, from its own random stream; ``bins`` are as they stay.

        Hidden layers start uniform with the variance 1 / fan_in of LeCun et al. (1998); the last one ten
        times smaller, so that a component starts at its centre (K, D) for every x.
        """
        pieces = []
        for name, shape in self.shapes.items():
            if name == "embedding_bins":
                assert bins is not None
                piece = bins.to(device=centers.device)
            elif name == "embedding_frequencies":
                noise = torch.randn(shape, generator=generator, dtype=torch.float64, device=centers.device)
                piece = noise * self.embedding.periodic.frequency_scale  # type: ignore[union-attr]
            elif name == "category_coefs":
                noise = torch.randn(shape, generator=generator, dtype=torch.float64, device=centers.device)
                piece = noise * CATEGORY_SPREAD
            elif "coefs" in name:
                bound: float | Tensor = math.sqrt(3.0 / shape[-2])
                if name == "coefs_0" and self.embedding.piecewise is not None:
                    bound = math.sqrt(3.0) * self.embedding.first_deviations.to(centers.device)
                drawn = torch.rand(shape, generator=generator, dtype=torch.float64, device=centers.device)
                piece = (2.0 * drawn - 1.0) * bound
            else:
                piece = torch.zeros(shape, dtype=torch.float64, device=centers.device)
            if name == f"coefs_{self.n_layers - 1}":
                piece = 0.1 * piece
            elif name == f"intercepts_{self.n_layers - 1}":
                piece = self.head.initial_outputs(centers, spread)
            pieces.append(piece.flatten())
        return torch.cat(pieces)
