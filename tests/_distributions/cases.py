"""The mixtures on which the laws of MixtureDistribution are tested, and slow ways to the right answers."""

from __future__ import annotations

import mpmath
import numpy as np

from sklearn_mdn import MixtureDistribution

# name: weights, means, standard deviations, one row a list entry; targets 1-d.
UNIVARIATE = {
    "one component": ([[1.0]], [[2.0]], [[0.5]]),
    "overlapping": (
        [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]],
        [[-1.0, 0.3, 1.5], [0.0, 1.0, 4.0]],
        [[0.7, 1.1, 0.4], [2.0, 0.3, 1.0]],
    ),
    "a mode near no mean": ([[0.279, 0.461, 0.260]], [[-0.363, 1.193, 1.821]], [[0.625, 0.860, 0.197]]),
    "far apart": ([[0.4, 0.6], [0.999, 0.001]], [[-500.0, 500.0], [0.0, 1e6]], [[1.0, 2.0], [1.0, 1e-8]]),
    "weights near zero": (
        [[1.0 - 1e-300, 1e-300, 0.0], [1e-13, 0.0, 1.0 - 1e-13]],
        [[0.0, 3.0, -2.0], [10.0, 1e6, -10.0]],
        [[1.0, 0.1, 2.0], [1.0, 1e-8, 2.0]],
    ),
    "tiny scales": ([[0.5, 0.5]], [[1e-8, 3e-8]], [[1e-8, 2e-8]]),
    "huge scales": ([[0.5, 0.5]], [[-1e8, 3e8]], [[1e8, 2e8]]),
    "scales sixteen orders apart": ([[0.3, 0.7], [0.5, 0.5]], [[0.0, 1.0], [1e6, 0.0]], [[1e-8, 1e8]] * 2),
    "equal components": ([[0.25, 0.25, 0.5]], [[3.0, 3.0, 3.0]], [[2.0, 2.0, 2.0]]),
    "two that just merge": ([[0.5, 0.5]], [[-1.0, 1.0]], [[1.0, 1.0]]),
}


def univariate(name: str) -> MixtureDistribution:
    weights, means, deviations = UNIVARIATE[name]
    return MixtureDistribution(weights, means, np.square(deviations))


def covariance_matrices(rng: np.random.Generator, *shape: int, dim: int) -> np.ndarray:
    factor = rng.normal(size=(*shape, dim, dim))
    return factor @ np.swapaxes(factor, -2, -1) + 0.2 * np.eye(dim)


def joint(covariance_type: str, dim: int, n_rows: int = 3, n_components: int = 3, seed: int = 0):
    """Weights, means, covariances in compact form, and the full covariances."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(n_components), n_rows)
    means = rng.normal(scale=1.5, size=(n_rows, n_components, dim))
    if covariance_type == "full":
        compact = full = covariance_matrices(rng, n_rows, n_components, dim=dim)
    elif covariance_type == "tied":
        compact = covariance_matrices(rng, n_rows, dim=dim)
        full = np.repeat(compact[:, None], n_components, axis=1)
    else:
        shape = (n_rows, n_components, dim) if covariance_type == "diag" else (n_rows, n_components)
        compact = rng.uniform(0.1, 2.0, size=shape)
        diagonal = compact if covariance_type == "diag" else compact[..., None]
        full = diagonal[..., None] * np.eye(dim)
    return weights, means, compact, full


JOINT = [(kind, dim) for kind in ("full", "tied", "diag", "spherical") for dim in (1, 2, 5)]
SEVERAL = [(kind, dim) for kind, dim in JOINT if dim > 1]


def joint_distribution(covariance_type: str, dim: int, **options) -> MixtureDistribution:
    weights, means, compact, _ = joint(covariance_type, dim, **options)
    return MixtureDistribution(weights, means, compact, covariance_type=covariance_type)


class ExactMixture:
    """One univariate mixture in 50 digits."""

    def __init__(self, weights, means, deviations):
        with mpmath.workdps(50):
            total = mpmath.fsum(map(mpmath.mpf, weights))
            self.parts = [
                (mpmath.mpf(w) / total, mpmath.mpf(m), mpmath.mpf(s))
                for w, m, s in zip(weights, means, deviations, strict=True)
                if w > 0
            ]

    @classmethod
    def of(cls, dist: MixtureDistribution, row: int) -> ExactMixture:
        """The mixture of a row, with the weights and deviations as the distribution holds them."""
        return cls(dist.weights[row], dist.means[row], np.sqrt(dist.covariances[row]))

    def pdf(self, y):
        return mpmath.fsum(w * mpmath.npdf(mpmath.mpf(y), m, s) for w, m, s in self.parts)

    def slope(self, y):
        """Derivative of the density."""
        y = mpmath.mpf(y)
        return mpmath.fsum(w * mpmath.npdf(y, m, s) * (m - y) / s**2 for w, m, s in self.parts)

    def cdf(self, y):
        return self.prob(-mpmath.inf, y)

    def sf(self, y):
        return self.prob(y, mpmath.inf)

    def prob(self, a, b):
        """P(a < y <= b)."""
        a, b = mpmath.mpf(a), mpmath.mpf(b)
        return mpmath.fsum(w * normal_prob((a - m) / s, (b - m) / s) for w, m, s in self.parts)


def normal_prob(a, b):
    """P(a < z <= b), from the side where the tails are small."""
    if a > 0:
        return normal_prob(-b, -a)
    return (mpmath.erfc(-b / mpmath.sqrt(2)) - mpmath.erfc(-a / mpmath.sqrt(2))) / 2


def some_values(dist: MixtureDistribution, row: int) -> np.ndarray:
    """Values from all parts of a row's density, its tails included."""
    z = np.array([-30.0, -8.0, -2.0, -0.3, 0.0, 1.0, 5.0, 30.0])
    means, deviations = dist.means[row], np.sqrt(dist.covariances[row])
    return np.unique(means + deviations * z[:, None])


def relative_error(value, exact) -> float:
    """|value - exact| / |exact| with an exact number in many digits."""
    if exact == 0:
        return abs(float(value))
    return float(abs((mpmath.mpf(float(value)) - exact) / exact))
