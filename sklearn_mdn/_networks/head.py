"""From the outputs of the last layer to mixtures, and the gradient on the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import final

import torch
from torch import Tensor

from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.scale import (
    CholeskyScale,
    DiagonalScale,
    Scale,
    add_to_diagonal,
    add_to_diagonal_gradient,
)
from sklearn_mdn._networks.layers import softplus, softplus_derivative


def log_likelihood(mixture: Mixture, y: Tensor) -> Tensor:
    """log p(y) of targets y (..., D), or of what was recorded of them: places and reaches (..., 2 D)."""
    if y.shape[-1] == mixture.n_targets:
        return mixture.log_prob(y)
    return mixture.log_recorded(*y.chunk(2, dim=-1))


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
    def scale_shape(self) -> tuple[int, int]:
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
        scale_components, entries = self.scale_shape
        return [self.n_components, self.n_components * self.n_targets, scale_components * entries]

    def __call__(self, outputs: Tensor) -> Mixture:
        logits, means, raw = self._parts(outputs)
        return Mixture(logits, means, self._scale(self._positive(raw)))

    def _parts(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (S, n, K), means (S, n, K, D), and what makes the scale."""
        logits, means, raw = outputs.split_with_sizes(self.sizes, dim=-1)
        batch = outputs.shape[:-1]
        means = means.view(*batch, self.n_components, self.n_targets)
        # elementwise functions of a slice take four times as long
        return logits, means, raw.view(*batch, *self.scale_shape).contiguous()

    @property
    def diagonal(self) -> bool:
        return self.covariance_type in ("spherical", "diag") or self.n_targets == 1

    def _positive(self, raw: Tensor) -> Tensor:
        """The scale's entries: deviations, or lower triangles with a positive diagonal."""
        if self.diagonal:
            return softplus(raw)
        *_, on_diagonal = triangle_places(self.n_targets, raw.device)
        entries = raw.clone()
        entries[..., on_diagonal] = softplus(raw[..., on_diagonal])
        return entries

    def _triangle(self, entries: Tensor) -> Tensor:
        rows, columns, _ = triangle_places(self.n_targets, entries.device)
        factor = entries.new_zeros(*entries.shape[:-1], self.n_targets, self.n_targets)
        factor[..., rows, columns] = entries
        return factor

    def _scale(self, entries: Tensor) -> Scale:
        """The scale with ``reg_covar`` on the diagonal of its covariances."""
        if self.diagonal:
            return DiagonalScale(entries.square().add_(self.reg_covar).sqrt_(), self.n_targets)
        return CholeskyScale(add_to_diagonal(self._triangle(entries), self.reg_covar))

    def log_prob_gradient(self, outputs: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """log p(y) (S, n), and the derivative of sum(weight * log p(y)) by the outputs.

        For y see `log_likelihood`.
        """
        logits, means, raw = self._parts(outputs)
        entries = self._positive(raw)
        scale = self._scale(entries)
        mixture = Mixture(logits, means, scale)
        if y.shape[-1] == self.n_targets:
            log_prob, by_logit, by_mean, by_scale = mixture.log_prob_gradient(y, weight)
        else:
            place, reach = y.chunk(2, dim=-1)
            log_prob, by_logit, by_mean, by_scale = mixture.log_recorded_gradient(place, reach, weight)
        by_raw = self._scale_gradient(entries, scale, by_scale)
        return log_prob, torch.cat([by_logit, by_mean.flatten(-2), by_raw.flatten(-2)], dim=-1)

    def _scale_gradient(self, entries: Tensor, scale: Scale, by_scale: Tensor) -> Tensor:
        """Derivative by what makes the scale, given that by the tensor which the scale stores."""
        if isinstance(scale, DiagonalScale):
            # Of sqrt(s^2 + reg_covar) with s = softplus(raw).
            by_entries = (entries * by_scale).div_(scale.deviations)
            return by_entries.mul_(softplus_derivative(entries))
        assert isinstance(scale, CholeskyScale)
        rows, columns, on_diagonal = triangle_places(self.n_targets, entries.device)
        by_factor = add_to_diagonal_gradient(self._triangle(entries), scale.factor, by_scale)
        by_raw = by_factor[..., rows, columns]
        by_raw[..., on_diagonal] *= softplus_derivative(entries[..., on_diagonal])
        return by_raw

    def initial_outputs(self, centers: Tensor, spread: float) -> Tensor:
        """Outputs (of the bias) that put component k at ``centers[k]``, all with std ``spread``."""
        scale_components, entries = self.scale_shape
        raw = centers.new_full((scale_components, entries), math.log(math.expm1(spread)))
        if self.covariance_type in ("full", "tied"):
            rows, columns = torch.tril_indices(self.n_targets, self.n_targets, device=centers.device)
            raw = torch.where(rows == columns, raw, 0.0)
        return torch.cat([torch.zeros_like(centers[:, 0]), centers.flatten(), raw.flatten()])


@lru_cache
def triangle_places(size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and columns of a triangle's entries, and which of these lie on its diagonal: indices made once."""
    with torch.inference_mode(mode=False):
        rows, columns = torch.tril_indices(size, size, device="cpu")
        on_diagonal = (rows == columns).nonzero().squeeze(1)
        return rows.to(device), columns.to(device), on_diagonal.to(device)
