"""Mixtures of clipped Gaussians: moments and the CRPS in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


def pdf(z: Array) -> Array:
    """phi(z)."""
    return np.asarray(np.exp(-0.5 * z * z - HALF_LOG_2PI))


def _times(value: Array, factor: Array) -> Array:
    """value * factor, 0 where the factor is, whatever the value."""
    return np.asarray(np.where(factor == 0.0, 0.0, value) * factor)


def clipped_mean(weights: Array, means: Array, deviations: Array, low: float, high: float) -> Array:
    """E[min(max(X, low), high)] of mixtures (..., K)."""
    a, b = (low - means) / deviations, (high - means) / deviations
    inside = means * (special.ndtr(b) - special.ndtr(a)) + deviations * (pdf(a) - pdf(b))
    each = _times(np.full_like(a, low), special.ndtr(a)) + _times(np.full_like(b, high), special.ndtr(-b))
    return np.asarray((weights * (each + inside)).sum(-1))


def clipped_variance(weights: Array, means: Array, deviations: Array, low: float, high: float) -> Array:
    """Var[min(max(X, low), high)]: squared distances from the mean, none of which cancels another."""
    center = clipped_mean(weights, means, deviations, low, high)[..., None]
    a, b = (low - means) / deviations, (high - means) / deviations
    away, held = means - center, special.ndtr(b) - special.ndtr(a)
    inside = (away**2 + deviations**2) * held + 2.0 * away * deviations * (pdf(a) - pdf(b))
    inside = inside + deviations**2 * (_times(a, pdf(a)) - _times(b, pdf(b)))
    with np.errstate(invalid="ignore"):
        ends = _times((low - center) ** 2 + 0.0 * a, special.ndtr(a))
        ends = ends + _times((high - center) ** 2 + 0.0 * b, special.ndtr(-b))
    return np.asarray(np.maximum((weights * (inside + ends)).sum(-1), 0.0))


def both_below(h: Array, k: Array, correlation: Array) -> Array:
    """P(U <= h, V <= k) of standard normal U and V, by Owen's function (Owen 1956, equation 2.1)."""
    root = np.sqrt((1.0 - correlation) * (1.0 + correlation))
    with np.errstate(all="ignore"):
        first = (k - correlation * h) / (h * root)
        second = (h - correlation * k) / (k * root)
        center = np.sqrt((1.0 - correlation) / (1.0 + correlation))  # where h = k = 0
    first, second = (np.where(np.isnan(each), center, each) for each in (first, second))
    with np.errstate(invalid="ignore"):
        opposite = (h * k < 0) | ((h * k == 0) & (h + k < 0))
    total = 0.5 * (special.ndtr(h) + special.ndtr(k)) - special.owens_t(h, first) - special.owens_t(k, second)
    return np.asarray(np.clip(total - 0.5 * opposite, 0.0, 1.0))


def spread_up_to(weights: Array, means: Array, deviations: Array, x: Array) -> Array:
    """Integral of F (1 - F) from minus infinity to x (...), for mixtures (..., K).

    By parts over all pairs of components, with I_ij = P(X_i <= x, X_j <= X_i) and J_ij the integral of the
    product of two densities.
    """
    total = np.zeros(np.broadcast_shapes(x.shape, means.shape[:-1]))
    z = (x[..., None] - means) / deviations
    cdf, density = special.ndtr(z), pdf(z) / deviations
    squares, finite = deviations**2, np.where(np.isinf(x), 0.0, x)
    for j in range(means.shape[-1]):
        near = slice(j, j + 1)
        apart = np.sqrt(squares + squares[..., near])
        difference = (means - means[..., near]) / apart
        both = both_below(z, np.broadcast_to(difference, z.shape), -deviations / apart)  # I_ij, for all i
        middle = (means * squares[..., near] + means[..., near] * squares) / apart**2
        product = pdf(difference) / apart
        with np.errstate(invalid="ignore"):
            place = (x[..., None] - middle) * apart / (deviations * deviations[..., near])
        product = product * special.ndtr(place)
        # Of the pair (i, j) and (j, i) together half belongs to each.
        term = finite[..., None] * cdf * special.ndtr(-z[..., near]) - means * cdf + squares * density
        term = term + 2.0 * means * both - squares * density * cdf[..., near] * 2.0 + 2.0 * squares * product
        total = total + weights[..., j] * (weights * term).sum(-1)
    return total


def clipped_crps(y: Array, weights: Array, means: Array, deviations: Array, low: float, high: float) -> Array:
    """CRPS at y (..., n) of mixtures (n, K) that are clipped.

    Between the bounds int F^2 below y and int (1 - F)^2 above it; F^2 = F - F (1 - F), and so on the other
    side. A y outside adds its distance from the bound.
    """
    inside = np.clip(y, low, high)
    center = (weights * means).sum(-1)  # an offset of all costs no digits
    near = means - center[..., None]

    def below(x: Array) -> Array:
        """Integral of F up to x."""
        z = (x[..., None] - near) / deviations
        part = _times(x[..., None] - near, special.ndtr(z)) + deviations * pdf(z)
        return np.asarray((weights * part).sum(-1))

    def above(x: Array) -> Array:
        """Integral of 1 - F from x."""
        z = (x[..., None] - near) / deviations
        part = deviations * pdf(z) - _times(x[..., None] - near, special.ndtr(-z))
        return np.asarray((weights * part).sum(-1))

    ends = [np.full(center.shape, bound) - center for bound in (low, high)]
    lower = 0.0 if np.isinf(low) else below(ends[0])
    upper = 0.0 if np.isinf(high) else above(ends[1])
    spread = spread_up_to(weights, near, deviations, ends[1])
    if not np.isinf(low):
        spread = spread - spread_up_to(weights, near, deviations, ends[0])
    score = below(inside - center) - lower + above(inside - center) - upper - spread
    return np.asarray(np.maximum(score, 0.0) + np.abs(y - inside))
