"""From the outputs of the last layer to mixtures, and the gradient on the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.scale import CholeskyScale, DiagonalScale, Scale, add_to_diagonal
from sklearn_mdn._networks.layers import ATEN

# A masked component keeps a finite logit: -inf would make the gradient of the softmax NaN.
MASKED_LOGIT = -1e30


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
