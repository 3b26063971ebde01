"""What was recorded of a target: a value, or an interval that it lies in, and the probability of that.

A record is a place and a reach. Reach 0 is a value that was observed exactly, a finite reach the interval
place - reach < y <= place + reach, an infinite one y > place or, if negative, y <= place. So a narrow
interval keeps its width however far from zero it lies.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from sklearn_mdn._mixtures import normal

# Of sinh(x) / x in powers of x^2: to float64's precision for x up to the bound of short intervals.
SINH_SERIES: Final = [1.0 / math.factorial(2 * j + 1) for j in range(7)]


def log_probability(place: Tensor, reach: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log of the probability of a record under the standard normal distribution, and what it changes with.

    Of an exact value it is the log density. Also returns (phi(a) - phi(b)) / P and
    (a phi(a) - b phi(b)) / P, for the interval from a to b, which for an exact value z are z and z^2 - 1: the
    derivatives by the mean and by the logarithm of the deviation.

    What lies above the mean is mirrored. With b the end nearer to the mean, d = (a^2 - b^2) / 2 and Mills'
    ratio R(t) = (1 - Phi(t)) / phi(t),

        P = phi(b) (R(|b|) - exp(-d) R(|a|)),

    and 1 - P = phi(b) (R(|b|) + exp(-d) R(|a|)) where the mean lies well inside. Nothing cancels unless the
    interval is short, for which `normal.short_series` is a series.
    """
    distance, censored = place.abs(), reach.isinf()
    beyond = torch.where(censored, place * -reach.sign(), -distance)
    middle = torch.where(censored, 0.0, -distance)
    half = torch.where(censored, 1.0, reach)
    near = torch.where(censored, beyond, half - distance)
    far = torch.where(censored, 0.0, half + distance)
    fade = torch.where(censored, 0.0, torch.exp(2.0 * middle * half))  # exp(-d)
    short = normal.is_short(distance, half) & ~censored
    # 1. Ends that are well apart
    inside = near > 0.0
    nearer, farther = normal.mills_ratio(near.abs()), fade * normal.mills_ratio(far)
    log_phi = normal.log_pdf(near)
    share = torch.where(inside, log_phi.exp(), 1.0)
    total = torch.where(inside, 1.0 - share * (nearer + farther), nearer - farther)
    log_p = torch.where(inside, torch.log1p(-share * (nearer + farther)), log_phi + total.log())
    height = share / total  # phi(b) / P
    by_place = (fade - 1.0) * height
    by_reach = -(far * fade + near) * height
    # 2. A short interval, or a value: with m its middle and h half its width,
    #    phi(a) - phi(b) = 2 phi(m) exp(-h^2 / 2) sinh(m h), and phi(a) + phi(b) has cosh in its place
    half, middle = torch.where(short, half, 0.0), torch.where(short, middle, 0.0)
    product = middle * half
    series = normal.short_series(middle, half)
    scaled = torch.exp(-0.5 * half.square()) / series
    short_log_p = normal.log_pdf(middle) + series.log()
    short_log_p = short_log_p + torch.where(half > 0.0, (2.0 * half).log(), 0.0)
    short_by_place = scaled * middle * sinh_ratio(product)
    short_by_reach = middle * short_by_place - scaled * 0.5 * (product.exp() + (-product).exp())
    sign = 1.0 - 2.0 * (torch.where(censored, reach, place) > 0.0).to(place.dtype)
    return (
        torch.where(short, short_log_p, log_p),
        sign * torch.where(short, short_by_place, by_place),
        torch.where(short, short_by_reach, by_reach),
    )


def sinh_ratio(x: Tensor) -> Tensor:
    """sinh(x) / x for short intervals' x; that of torch rounds by place in memory."""
    square, total = x.square(), torch.zeros_like(x)
    for coefficient in reversed(SINH_SERIES):
        total = total * square + coefficient
    return total
