"""Mixtures of Gaussians on tensors: one data class, and every formula about it exactly once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_mdn._scale import Scale

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class Mixture:
    """p(y) = sum_k softmax(logits)_k N(y; means_k, Sigma_k), with any leading batch axes.

    Parameters
    ----------
    logits : Tensor of shape (..., K)
        Unnormalised log weights.
    means : Tensor of shape (..., K, D)
    scale : Scale
        Factors of the covariances Sigma_k.
    """

    logits: Tensor
    means: Tensor
    scale: Scale

    @property
    def log_weights(self) -> Tensor:
        """Normalised log weights, (..., K)."""
        return torch.log_softmax(self.logits, dim=-1)

    def map(self, function: Callable[[Tensor], Tensor]) -> Mixture:
        """The mixture whose tensors are ``function`` of this one's."""
        return Mixture(function(self.logits), function(self.means), self.scale.map(function))

    def component_log_prob(self, y: Tensor) -> Tensor:
        """log N(y; means_k, Sigma_k) for y (..., D), the result (..., K)."""
        z = self.scale.whiten(y.unsqueeze(-2) - self.means)
        constant = self.means.shape[-1] * HALF_LOG_2PI
        return -0.5 * z.square().sum(-1) - self.scale.log_det() - constant

    def log_prob(self, y: Tensor) -> Tensor:
        """log p(y) for y (..., D)."""
        return torch.logsumexp(self.log_weights + self.component_log_prob(y), dim=-1)
