"""Mixtures of log-normal distributions: y = e^z where z has a mixture of univariate Gaussians."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklearn_mdn._mixtures import normal
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.scale import join
from sklearn_mdn._mixtures.univariate import Univariate, weighted_sum


def tilted(mixture: Mixture, tilts: list[tuple[float, Tensor]]) -> tuple[Mixture, Tensor]:
    """The mixture times sum_t exp(c_t + a_t . z), normalised, and the log of what it was divided by, (...).

    N(z; m, S) e^(a . z) = e^(a . m + a . S a / 2) N(z; m + S a, S): with the derivatives of logarithms or
    logits as the factor, a density of y is a Gaussian mixture along z.
    """
    covariance = mixture.scale.covariance()
    logits, means = [], []
    for c, a in tilts:
        shift = (covariance * a).sum(-1)
        logits.append(mixture.log_weights + c + (a * (mixture.means + 0.5 * shift)).sum(-1))
        means.append(mixture.means + shift)
    joined, scale = torch.cat(logits, dim=-1), mixture.scale.expand_components(mixture.n_components)
    return Mixture(joined, torch.cat(means, dim=-2), join([scale] * len(tilts), axis=-1)), torch.logsumexp(
        joined, dim=-1
    )


def moment(mixture: Univariate, order: int) -> Tensor:
    """E[e^(order z)]."""
    exponent = order * mixture.means + 0.5 * order**2 * mixture.deviations.square()
    return weighted_sum(mixture.weights, exponent.exp())


def variance(mixture: Univariate) -> Tensor:
    """Var[e^z]: sum w_k m_k^2 (e^(s_k^2) - 1) within the components, and sum w_k (m_k - m)^2 between them."""
    means = (mixture.means + 0.5 * mixture.deviations.square()).exp()
    within = means.square() * torch.expm1(mixture.deviations.square())
    between = (means - weighted_sum(mixture.weights, means).unsqueeze(-1)).square()
    return weighted_sum(mixture.weights, within + between)


def crps(mixture: Univariate, log_y: Tensor) -> Tensor:
    """E|Y - y| - E|Y - Y'| / 2 of Y = e^z.

    Baran and Lerch (2015), "Log-normal distribution based EMOS models". The partial expectation E[Y; Y > y]
    of a component is m Phi((mean + s^2 - log y) / s) with m = E[Y].
    """
    mixture = mixture.present()
    weights, y = mixture.weights, log_y.exp().unsqueeze(-1)
    each = (mixture.means + 0.5 * mixture.deviations.square()).exp()
    below = (log_y.unsqueeze(-1) - mixture.means) / mixture.deviations
    # |Y - y| = (Y - y)+ + (y - Y)+
    above_part = each * normal.cdf(mixture.deviations - below) - y * normal.cdf(-below)
    below_part = y * normal.cdf(below) - each * normal.cdf(below - mixture.deviations)
    distance = (weights * (above_part + below_part)).sum(-1)
    total = torch.zeros_like(distance)
    for k in range(weights.shape[-1]):  # E[Y_j; Y_j > Y_k] - E[Y_j; Y_j < Y_k], over all pairs
        spread = torch.hypot(mixture.deviations, mixture.deviations[..., k : k + 1])
        apart = mixture.means - mixture.means[..., k : k + 1] + mixture.deviations.square()
        differences = torch.erf(apart / spread * math.sqrt(0.5))
        total = total + weights[..., k] * (weights * each * differences).sum(-1)
    return torch.clamp(distance - total, min=0.0)
