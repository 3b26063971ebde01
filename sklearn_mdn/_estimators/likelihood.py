"""The objective of training: the log-likelihood of rows under a stack of networks, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._networks.head import log_likelihood
from sklearn_mdn._networks.layers import Trace
from sklearn_mdn._networks.stack import StackedMLP

# Factors on the standard deviations that early stopping chooses from. None is below 1, so that reg_covar
# stays a lower bound of the variances.
CALIBRATIONS = (1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)

# The vectors of categories have the prior N(0, 1 / CATEGORY_PRECISION): those of few rows stay close to what
# stands for the average category, as random effects do.
CATEGORY_PRECISION = 30.0

# That of the first weights of bins: steps that few rows ask for stay small.
BIN_PRECISION = 30.0


# Those that mixtures of several networks choose from: what these disagree on is in their width already.
FACTORS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, *CALIBRATIONS)


def widen(mixture: Mixture, factor: Tensor) -> Mixture:
    """The mixture with standard deviations multiplied by ``factor``, which fits the batch axes."""
    batch_axes = mixture.logits.ndim - 1

    def stretch(stored: Tensor) -> Tensor:
        return stored * factor[(..., *(None,) * (stored.ndim - batch_axes))]

    return replace(mixture, scale=mixture.scale.map(stretch))


@final
@dataclass(frozen=True)
class MixtureLikelihood:
    """log p(y | x) of each row under each member.

    A calibration is a factor on the standard deviations: a network that has begun to fit noise is too sure
    of itself on rows it has not seen, and wider components mend that (Levi et al. 2022, "Evaluating and
    calibrating uncertainty prediction in regression tasks").

    Vectors of categories and the first weights of bins have normal priors, which add half their squares
    times their precision to the loss of a step, and times ``prior_share`` (S, 1): one over a member's rows.
    """

    network: StackedMLP
    prior_share: Tensor | None = None

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        return self.network.hidden_layer_sizes

    @property
    def n_decayed(self) -> int:
        return self.network.n_decayed

    def select(self, index: Tensor) -> MixtureLikelihood:
        share = self.prior_share
        return self if share is None else MixtureLikelihood(self.network, share[index])

    def derivative(self, params: Tensor) -> LikelihoodDerivative:
        return LikelihoodDerivative(self, params)

    @property
    def calibrations(self) -> Sequence[float]:
        return CALIBRATIONS

    @property
    def numbers_a_row(self) -> int:
        head = self.network.head
        entries = 1 if head.covariance_type in ("spherical", "diag") else head.n_targets
        return len(CALIBRATIONS) * head.n_components * head.n_targets * entries

    def calibrated(self, params: Tensor, x: Tensor, y: Tensor) -> Tensor:
        mixture = self.network(self.network.split(params), x)
        return log_likelihood(widen(mixture, x.new_tensor(CALIBRATIONS).view(-1, 1, 1)), y)


@final
class LikelihoodDerivative:
    """The log-likelihood of rows and its gradient, at parameters (S, P) that change in place.

    Parameters and gradient are cut into layers once, not in every step.
    """

    def __init__(self, likelihood: MixtureLikelihood, params: Tensor) -> None:
        self.network = likelihood.network
        self.gradient = torch.zeros_like(params)
        self.weights, self.by = self.network.split(params), self.network.split(self.gradient)
        # What has a prior: its gradient, itself, and how much of itself the prior adds.
        self.priors: list[tuple[Tensor, Tensor, Tensor]] = []
        share, embedding = likelihood.prior_share, self.network.embedding
        if share is not None and embedding.n_codes:
            by, vectors = self.by["category_coefs"], self.weights["category_coefs"]
            self.priors.append((by, vectors, CATEGORY_PRECISION * share))
        if share is not None and embedding.piecewise is not None:
            by, steps = (each["coefs_0"][:, embedding.bins] for each in (self.by, self.weights))
            self.priors.append((by, steps, (BIN_PRECISION * share).unsqueeze(2)))

    def __call__(
        self, x: Tensor, y: Tensor, weight: Tensor, keep: Sequence[Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        trace: Trace = []
        outputs = self.network.outputs(self.weights, x, keep, trace)
        log_prob, by_outputs = self.network.head.log_prob_gradient(outputs, y, weight)
        self.network.backward(self.weights, keep, trace, by_outputs, self.by)
        for by, weights, decay in self.priors:
            by.addcmul_(weights, decay)
        return log_prob, self.gradient
