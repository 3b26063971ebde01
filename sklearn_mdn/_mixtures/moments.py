"""Moments of univariate Gaussian mixtures beyond mean and variance, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_mdn._mixtures.univariate import Univariate, weighted_sum


def raw_moment(mixture: Univariate, order: int) -> Tensor:
    """E[Y^order].

    Integration by parts gives those of a component, M_k = mean M_(k-1) + (k - 1) deviation^2 M_(k-2), where
    no two terms differ in sign. (Winkelbauer, A. (2012). Moments and absolute moments of the normal
    distribution. arXiv:1209.4340, has them as a sum.)
    """
    unit = torch.maximum(mixture.means.abs(), mixture.deviations)
    mean, variance = mixture.means / unit, (mixture.deviations / unit).square()
    previous, moment = torch.zeros_like(mean), torch.ones_like(mean)
    for k in range(1, order + 1):
        previous, moment = moment, mean * moment + (k - 1) * variance * previous
    # A small weight meets half of a large power before the other half could overflow.
    half = order // 2
    terms = mixture.weights * unit**half * moment * unit ** (order - half)
    return torch.where((mixture.weights > 0) & (moment != 0), terms, 0.0).sum(-1)


def skewness_and_kurtosis(mixture: Univariate) -> tuple[Tensor, Tensor]:
    """E[Z^3] and E[Z^4] - 3 of Z, which is Y standardised: the third and the fourth cumulant.

    With a_k the standardised means and t_k the variances, in units of the whole variance, of the components,
    and t their mean, these are sum w a (a^2 + 3 (t_k - t)) and
    sum w a^4 - 3 (sum w a^2)^2 + 6 sum w a^2 (t_k - t) + 3 sum w (t_k - t)^2: the excess does not come from
    a difference to three. (Fruehwirth-Schnatter, S. (2006). Finite Mixture and Markov Switching Models,
    section 1.2.4, has the central moments that these follow from.)
    """
    mixture = mixture.present()
    heaviest = mixture.log_weights.argmax(-1, keepdim=True)
    # Relative to the heaviest component, so that a large offset of all leaves no rounding in the mean.
    relative = mixture.means - torch.take_along_dim(mixture.means, heaviest, dim=-1)
    unit = torch.maximum(relative.abs(), mixture.deviations).amax(-1, keepdim=True)
    near = Univariate(mixture.log_weights, relative / unit, mixture.deviations / unit)
    deviation, weights = near.var().sqrt().unsqueeze(-1), near.weights
    a = (near.means - near.mean().unsqueeze(-1)) / deviation
    variance = (near.deviations / deviation).square()
    excess = variance - weighted_sum(weights, variance).unsqueeze(-1)
    # Neither of these exceeds one, however small the weight and far the component.
    between, within = weights * a * a, weights * excess
    skewness = (a * (between + 3.0 * within)).sum(-1)
    kurtosis = (
        (between * a * a).sum(-1)
        - 3.0 * between.sum(-1).square()
        + 6.0 * (between * excess).sum(-1)
        + 3.0 * (within * excess).sum(-1)
    )
    return skewness, kurtosis
