"""The standard normal distribution on tensors, safe in both tails."""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
SQRT_HALF = math.sqrt(0.5)
SQRT_HALF_PI = math.sqrt(0.5 * math.pi)
MEAN_ABSOLUTE = math.sqrt(2.0 / math.pi)  # E|X| for X ~ N(0, 1)


def log_pdf(z: Tensor) -> Tensor:
    """log phi(z)."""
    return -0.5 * z.square() - HALF_LOG_2PI


def pdf(z: Tensor) -> Tensor:
    """phi(z)."""
    return log_pdf(z).exp_()


def cdf(z: Tensor) -> Tensor:
    """Phi(z), to full relative precision down to underflow (torch.special.ndtr is not)."""
    return torch.erfc(-SQRT_HALF * z).mul_(0.5)


def log_cdf(z: Tensor) -> Tensor:
    """log Phi(z)."""
    log_phi: Tensor = torch.special.log_ndtr(z)
    return log_phi


def quantile(level: Tensor) -> Tensor:
    """Phi^-1(level); full precision needs a level below one half, the other side being its mirror."""
    z: Tensor = torch.special.ndtri(level)
    return z


def mills_ratio(z: Tensor) -> Tensor:
    """(1 - Phi(z)) / phi(z) for z >= 0."""
    ratio: Tensor = torch.special.erfcx(SQRT_HALF * z)
    return ratio.mul_(SQRT_HALF_PI)


def is_short(middle: Tensor, half: Tensor) -> Tensor:
    """Where `short_series` has full precision for the interval middle +- half."""
    return half * torch.clamp(middle.abs(), min=1.0) < 0.3


def short_series(middle: Tensor, half: Tensor) -> Tensor:
    """Probability of a short interval middle +- half, over its width times phi(middle); 1 without a width.

    It is the integral of the Taylor series of phi about the middle m: with half-width h,
    2 phi(m) sum_j He_2j(m) h^(2j+1) / (2j+1)!, He being the probabilists' Hermite polynomials.
    """
    product, square = middle * half, half.square()
    total, previous, scaled = torch.ones_like(half), torch.ones_like(half), product
    for j in range(1, 7):  # scaled is He_n(m) h^n, which does not overflow, for n = 2j - 1 and then 2j
        previous, scaled = scaled, product * scaled - (2 * j - 1) * square * previous
        total = total + scaled / math.factorial(2 * j + 1)
        previous, scaled = scaled, product * scaled - 2 * j * square * previous
    return total


def cdf_difference(lower: Tensor, upper: Tensor, width: Tensor) -> Tensor:
    """Phi(upper) - Phi(lower) for lower <= upper, to full relative precision.

    ``width`` is upper - lower, which the caller may know better than the rounded ends do. Two upper
    tails are mirrored into lower ones, where the difference does not cancel.
    """
    flip = lower > 0
    left, right = torch.where(flip, -upper, lower), torch.where(flip, -lower, upper)
    half = 0.5 * width
    middle = 0.5 * left + 0.5 * right
    short = is_short(middle, half)
    middle, half = torch.where(short, middle, 0.0), torch.where(short, half, 0.0)
    series = pdf(middle) * width * short_series(middle, half)
    return torch.where(short, series, cdf(right) - cdf(left))


def mean_absolute(mean: Tensor, deviation: Tensor) -> Tensor:
    """E|X| for X ~ N(mean, deviation^2), the mean of the folded normal distribution."""
    z = mean / deviation
    shifted = torch.erf(SQRT_HALF * z).mul_(mean)
    return z.square_().mul_(-0.5).exp_().mul_(deviation).mul_(MEAN_ABSOLUTE).add_(shifted)
