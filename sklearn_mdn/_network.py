"""Stacks of S independent networks of one shape: every weight carries a leading axis S.

All parameters of a stack are one matrix (S, P), a row a member; the layers are views of it. A layer
is then one batched matrix product, and what concerns a member (clipping, its learning rate, its
best weights) is an operation on a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from sklearn_mdn._mixture import Mixture
from sklearn_mdn._scale import CholeskyScale, DiagonalScale, Scale, add_to_diagonal

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "silu": functional.silu,
    "gelu": functional.gelu,
}

# A masked component keeps a finite logit: -inf would make the gradient of the softmax NaN.
MASKED_LOGIT = -1e30


class Waves(torch.autograd.Function):
    """[sin(a), cos(a)], which are each other's derivatives: the way back evaluates neither again."""

    @staticmethod
    def forward(ctx, angle):  # type: ignore[no-untyped-def]
        waves = torch.cat([angle.sin(), angle.cos()], dim=-1)
        ctx.save_for_backward(waves)
        return waves

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        (sine, cosine), (by_sine, by_cosine) = ctx.saved_tensors[0].chunk(2, -1), gradient.chunk(2, -1)
        return (by_sine * cosine).addcmul_(by_cosine, sine, value=-1.0)


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

    def __call__(self, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Map (S, n, d) to (S, n, d + d * n_outputs)."""
        angle = x.unsqueeze(-1) * (2.0 * math.pi * weights["embedding_frequencies"]).unsqueeze(1)
        waves = Waves.apply(angle)
        intercepts, coefs = weights["embedding_intercepts"].unsqueeze(1), weights["embedding_coefs"]
        embedded = torch.relu(torch.baddbmm(intercepts, waves.flatten(1, 2), coefs))
        return torch.cat([x, embedded.view(*x.shape[:2], x.shape[2] * self.n_outputs)], dim=-1)


@final
@dataclass(frozen=True)
class MixtureHead:
    """From the last layer's outputs to a mixture: (S, n, outputs) -> Mixture with batch axes (S, n).

    The outputs are K logits, then K x D means, then the scales: K standard deviations
    ("spherical"), K x D ("diag"), the entries of K Cholesky factors ("full") or of one ("tied").
    """

    n_components: int
    n_targets: int
    covariance_type: str
    reg_covar: float

    @cached_property
    def _scale_shape(self) -> tuple[int, int]:
        """Components and entries of the scale block."""
        entries = {
            "spherical": 1,
            "diag": self.n_targets,
            "full": self.n_targets * (self.n_targets + 1) // 2,
            "tied": self.n_targets * (self.n_targets + 1) // 2,
        }[self.covariance_type]
        return (1 if self.covariance_type == "tied" else self.n_components), entries

    @cached_property
    def sizes(self) -> list[int]:
        scale_components, entries = self._scale_shape
        return [self.n_components, self.n_components * self.n_targets, scale_components * entries]

    def __call__(self, outputs: Tensor, used: Tensor | None = None) -> Mixture:
        """Build the mixture; ``used`` (S, 1, K) marks the components a padded member really has."""
        logits, means, raw = outputs.split(self.sizes, dim=-1)
        if used is not None:
            logits = logits.masked_fill(~used, MASKED_LOGIT)
        means = means.unflatten(-1, (self.n_components, self.n_targets))
        return Mixture(logits, means, self._scale(raw.unflatten(-1, self._scale_shape)))

    def _scale(self, raw: Tensor) -> Scale:
        raw = raw.contiguous()  # softplus of a slice takes four times as long
        if self.covariance_type in ("spherical", "diag") or self.n_targets == 1:
            variances = functional.softplus(raw).square() + self.reg_covar
            return DiagonalScale(variances.sqrt(), self.n_targets)
        rows, columns = torch.tril_indices(self.n_targets, self.n_targets, device=raw.device)
        on_diagonal = rows == columns
        entries = torch.where(on_diagonal, functional.softplus(raw), raw)
        factor = raw.new_zeros(*raw.shape[:-1], self.n_targets, self.n_targets)
        factor[..., rows, columns] = entries
        return CholeskyScale(add_to_diagonal(factor, self.reg_covar))

    def initial_outputs(self, centers: Tensor, spread: float) -> Tensor:
        """Outputs (of the bias) that put component k at ``centers[k]``, all with std ``spread``."""
        scale_components, entries = self._scale_shape
        raw = centers.new_full((scale_components, entries), math.log(math.expm1(spread)))
        if self.covariance_type in ("full", "tied"):
            rows, columns = torch.tril_indices(self.n_targets, self.n_targets, device=centers.device)
            raw = torch.where(rows == columns, raw, 0.0)
        return torch.cat([torch.zeros_like(centers[:, 0]), centers.flatten(), raw.flatten()])

    def columns_in(self, wider: MixtureHead) -> Tensor:
        """Where this head's outputs lie among those of a head with more components."""
        starts = accumulate(wider.sizes[:-1], initial=0)
        columns = [range(start, start + size) for size, start in zip(self.sizes, starts, strict=True)]
        return torch.tensor([*chain.from_iterable(columns)], device="cpu")


@final
@dataclass(frozen=True)
class StackedMLP:
    """Feed-forward networks with a mixture head, S at once.

    Immutable: it is the shape of a member; the numbers are the (S, P) matrix given to each call.
    """

    n_features: int
    hidden_layer_sizes: tuple[int, ...]
    activation: str
    head: MixtureHead
    embedding: PeriodicEmbedding | None = None

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter of a member, in the order of columns: weights first."""
        shapes: dict[str, tuple[int, ...]] = {}
        width = self.n_features
        if self.embedding is not None:
            shapes |= self.embedding.shapes(self.n_features)
            width += self.n_features * self.embedding.n_outputs
        layers = [width, *self.hidden_layer_sizes, sum(self.head.sizes)]
        for i, (fan_in, fan_out) in enumerate(pairwise(layers)):
            shapes[f"coefs_{i}"] = (fan_in, fan_out)
            shapes[f"intercepts_{i}"] = (fan_out,)
        return dict(sorted(shapes.items(), key=lambda item: "coefs" not in item[0]))

    @property
    def n_layers(self) -> int:
        return len(self.hidden_layer_sizes) + 1

    @property
    def n_parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes.values())

    def split(self, params: Tensor) -> dict[str, Tensor]:
        """Views of the (S, P) matrix, one a parameter, each with leading axis S."""
        shapes = self.shapes
        pieces = params.split([math.prod(shape) for shape in shapes.values()], dim=-1)
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
        used: Tensor | None = None,
    ) -> Mixture:
        """Densities at x (S, n, d); the arguments are those of ``outputs`` and of the head."""
        return self.head(self.outputs(weights, x, keep), used)

    def outputs(
        self, weights: Mapping[str, Tensor], x: Tensor, keep: Sequence[Tensor] | None = None
    ) -> Tensor:
        """The last layer's outputs at x (S, n, d).

        ``keep`` holds, for each hidden layer, the factors (S, n, width) of dropout: 0, or 1 / (1 - p).
        """
        activation = ACTIVATIONS[self.activation]
        if self.embedding is not None:
            x = self.embedding(weights, x)
        for i in range(self.n_layers):
            x = torch.baddbmm(weights[f"intercepts_{i}"].unsqueeze(1), x, weights[f"coefs_{i}"])
            if i < self.n_layers - 1:
                x = activation(x)
                if keep is not None:
                    x = x * keep[i]
        return x

    @cached_property
    def n_decayed(self) -> int:
        """Weight decay acts on so many columns of (S, P), the first ones: the weights."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if "coefs" in name)

    def initial(self, generator: torch.Generator, centers: Tensor, spread: float) -> Tensor:
        """Parameters (P,) of one member, float64, from its own random stream.

        Hidden layers start uniform with the variance 1 / fan_in of LeCun et al. (1998); the last one ten
        times smaller, so that a component starts at its centre (K, D) for every x.
        """
        pieces = []
        for name, shape in self.shapes.items():
            if name == "embedding_frequencies":
                noise = torch.randn(shape, generator=generator, dtype=torch.float64, device=centers.device)
                piece = noise * self.embedding.frequency_scale  # type: ignore[union-attr]
            elif "coefs" in name:
                bound = math.sqrt(3.0 / shape[-2])
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

    def widen(self, params: Tensor, wider: StackedMLP) -> Tensor:
        """Pad (S, P) to the layout of a network that differs in having more components, with zeros."""
        if wider == self:
            return params
        columns, weights = self.head.columns_in(wider.head).to(params.device), self.split(params)
        for name in (f"coefs_{self.n_layers - 1}", f"intercepts_{self.n_layers - 1}"):
            padded = params.new_zeros(len(params), *wider.shapes[name])
            padded[..., columns] = weights[name]
            weights[name] = padded
        return wider.join(weights)

    def narrow(self, params: Tensor, wider: StackedMLP) -> Tensor:
        """Inverse of ``widen``."""
        if wider == self:
            return params
        columns, weights = self.head.columns_in(wider.head).to(params.device), wider.split(params)
        for name in (f"coefs_{self.n_layers - 1}", f"intercepts_{self.n_layers - 1}"):
            weights[name] = weights[name][..., columns]
        return self.join(weights)
