"""How far a Gaussian mixture and the values of a transform reach into each other."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal, norm

from sklearn_mdn._distributions.chain import Chain
from sklearn_mdn._distributions.decisions import Array
from sklearn_mdn._distributions.mixture import MixtureDistribution

FARTHEST = 8.3  # deviations of a component, beyond which it has a probability of 1e-16
LADDER = (0.5, 0.25, 0.75, 0.05, 0.95, 1e-3, 1.0 - 1e-3)  # quantiles among which some y is looked for
MAX_STARTS = 64
NEGLIGIBLE = 1e-12  # probability of a component outside a box that is not worth an integral


def some_value(chain: Chain, latent: MixtureDistribution) -> Array:
    """A row of z (D,) that is a value of the chain."""
    rows = np.unique(np.linspace(0, max(len(latent) - 1, 0), MAX_STARTS).astype(int))
    part = latent[rows]
    for level in LADDER:
        quantiles = part._quantile(np.full((1, len(part), latent._n_targets), level), False)[0]
        reached = chain.reached(quantiles)
        if reached.any():
            return np.asarray(quantiles[np.argmax(reached)])
    raise ValueError(
        f"y_dist lies outside the range of the transformer of the target, {chain.names}: no value of the "
        "target leads to where its densities are. (Is its inverse the inverse of its transform?)"
    )


def ends(chain: Chain, latent: MixtureDistribution, start: Array) -> tuple[Array, Array, Array]:
    """Ends (D,) of z, infinite where no density reaches them, and whether y rises with z."""
    means, deviations = latent._mixture.means, latent._mixture.scale.std
    farthest = (
        (means - FARTHEST * deviations).amin((0, 1)).numpy(),
        (means + FARTHEST * deviations).amax((0, 1)).numpy(),
    )

    def last(target: int, outside: float) -> float:
        """The last value of one target on the way to ``outside`` that the chain has, by bisection."""
        z = start.copy()
        inside = float(z[target])
        z[target] = outside
        if chain.reached(z[None])[0]:
            return float(outside)
        while (middle := 0.5 * (inside + outside)) not in (inside, outside):
            z[target] = middle
            inside, outside = (middle, outside) if chain.reached(z[None])[0] else (inside, middle)
        return inside

    found = [np.array([last(j, z[j]) for j in range(len(z))]) for z in farthest]
    rising = []
    for j in range(len(start)):
        z = np.repeat(start[None], 2, axis=0)
        z[:, j] = found[0][j], found[1][j]
        y = chain.inverse(z)[:, j]
        rising.append(y[0] <= y[1])
    low, high = (
        np.where(end == z, s * np.inf, end) for end, z, s in zip(found, farthest, (-1, 1), strict=True)
    )
    return low, high, np.array(rising)


def check_inside(probability: Array) -> None:
    if not (probability > 0).all():
        raise ValueError(
            "y_dist must have some probability in the range of the target's transformer, got none in "
            f"row {int(np.argmin(probability))}."
        )


def log_boxes(latent: MixtureDistribution, low: Array, high: Array) -> Array:
    """Logarithm of the probability (n, K) that each component has between ends (n, D)."""
    mixture = latent._mixture
    means, covariances = mixture.means.numpy(), mixture.scale.covariance().numpy()
    deviations = mixture.scale.std.numpy()
    sides = [(end[:, None] - means) / deviations for end in (low, high)]
    tails = norm.cdf(sides[0]) + norm.sf(sides[1])
    inside = np.prod(np.where(tails < 0.5, 1.0 - tails, norm.cdf(sides[1]) - norm.cdf(sides[0])), axis=-1)
    covariances = np.broadcast_to(covariances, (*means.shape, means.shape[-1]))
    dependent = (np.abs(covariances) > 0).sum(axis=(-2, -1)) > means.shape[-1]
    for row, k in np.argwhere(dependent & (tails.sum(axis=-1) > NEGLIGIBLE)):
        component = multivariate_normal(means[row, k], covariances[row, k], seed=0)
        inside[row, k] = component.cdf(high[row], lower_limit=low[row])
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(inside))
