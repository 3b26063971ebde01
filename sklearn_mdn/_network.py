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

# A masked component keeps a finite logit: -inf would make the gradient of the softmax NaN.
MASKED_LOGIT = -1e30


def write_product(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Put the products of S matrices where ``out`` (S, ...) is."""
    if out.is_contiguous():
        torch.bmm(left, right, out=out)
    else:  # torch would multiply one pair of matrices after the other
        out.copy_(torch.bmm(left, right))


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
        logits, means, raw = self._parts(outputs, used)
        return Mixture(logits, means, self._scale(raw))

    def _parts(self, outputs: Tensor, used: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (S, n, K), means (S, n, K, D), and what makes the scale."""
        logits, means, raw = outputs.split_with_sizes(self.sizes, dim=-1)
        if used is not None:
            logits = logits.masked_fill(~used, MASKED_LOGIT)
        batch = outputs.shape[:-1]
        means = means.view(*batch, self.n_components, self.n_targets)
        # softplus of a slice takes four times as long
        return logits, means, raw.view(*batch, *self._scale_shape).contiguous()

    def _scale(self, raw: Tensor) -> Scale:
        if self.covariance_type in ("spherical", "diag") or self.n_targets == 1:
            variances = functional.softplus(raw).square().add_(self.reg_covar)
            return DiagonalScale(variances.sqrt_(), self.n_targets)
        rows, columns = torch.tril_indices(self.n_targets, self.n_targets, device=raw.device)
        on_diagonal = rows == columns
        entries = torch.where(on_diagonal, functional.softplus(raw), raw)
        factor = raw.new_zeros(*raw.shape[:-1], self.n_targets, self.n_targets)
        factor[..., rows, columns] = entries
        return CholeskyScale(add_to_diagonal(factor, self.reg_covar))

    def log_prob_gradient(
        self, outputs: Tensor, y: Tensor, weight: Tensor, used: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """log p(y) (S, n), and the derivative of sum(weight * log p(y)) by the outputs."""
        logits, means, raw = self._parts(outputs, used)
        scale = self._scale(raw)
        mixture = Mixture(logits, means, scale)
        log_prob, by_logit, by_mean, by_scale = mixture.log_prob_gradient(y, weight)
        by_raw = self._scale_gradient(raw, scale, by_scale)
        return log_prob, torch.cat([by_logit, by_mean.flatten(-2), by_raw.flatten(-2)], dim=-1)

    def _scale_gradient(self, raw: Tensor, scale: Scale, by_scale: Tensor) -> Tensor:
        """Derivative by what makes the scale, given that by the tensor which the scale stores."""
        by_raw: Tensor
        if isinstance(scale, DiagonalScale):
            # Of sqrt(s^2 + reg_covar) with s = softplus(raw); torch's softplus is the identity above 20.
            by_softplus = functional.softplus(raw).mul_(by_scale).div_(scale.deviations)
            by_raw = ATEN.softplus_backward.default(by_softplus, raw, 1.0, 20.0)
            return by_raw
        with torch.inference_mode(mode=False), torch.enable_grad():
            leaf = raw.clone().requires_grad_()
            stored = self._scale(leaf)
            assert isinstance(stored, CholeskyScale)
            (by_raw,) = torch.autograd.grad(stored.factor, leaf, by_scale)
        return by_raw

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
        activation = ACTIVATIONS[self.activation].forward
        if self.embedding is not None:
            x = self.embedding.forward(weights, x, trace)
        for i in range(self.n_layers):
            linear = torch.baddbmm(weights[f"intercepts_{i}"].unsqueeze(1), x, weights[f"coefs_{i}"])
            if trace is not None:
                trace.append((x, linear))
            if i < self.n_layers - 1:
                x = activation(linear)
                if keep is not None:
                    x = x * keep[i]
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
        activation = ACTIVATIONS[self.activation].backward
        for i in reversed(range(self.n_layers)):
            inputs, linear = trace.pop()
            if i < self.n_layers - 1:
                if keep is not None:
                    gradient = gradient * keep[i]
                gradient = activation(gradient, linear)
            write_product(inputs.mT, gradient, by[f"coefs_{i}"])
            torch.sum(gradient, dim=1, out=by[f"intercepts_{i}"])
            if i > 0:
                gradient = torch.bmm(gradient, weights[f"coefs_{i}"].mT)
        if self.embedding is not None:
            by_embedded = torch.bmm(gradient, weights["coefs_0"][:, self.n_features :].mT)
            self.embedding.backward(weights, trace, by_embedded, by)

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
