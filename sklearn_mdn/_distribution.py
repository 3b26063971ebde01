"""Predicted densities: Gaussian mixtures, one a row, with NumPy arrays in and out."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from sklearn_mdn._mixture import Mixture
from sklearn_mdn._scale import CholeskyScale, DiagonalScale, Scale
from sklearn_mdn._univariate import Univariate

BLOCK_NUMBERS = 2**15  # numbers in a temporary of one block: small enough for the cache


class MixtureDistribution:
    """Gaussian mixtures, one for each of n rows."""

    def __init__(self, weights, means, covariances, *, covariance_type=None):
        means = check_finite(means, "means")
        if means.ndim not in (2, 3):
            raise ValueError(
                "means must have the shape (n, K) for a 1-d target or (n, K, D) for D targets, "
                f"got {means.shape}."
            )
        weights = check_weights(weights, means.shape[:2])
        self._one_dimensional = means.ndim == 2
        scale = make_scale(covariances, means.shape, covariance_type)
        stored = means[:, :, None] if self._one_dimensional else means
        with np.errstate(divide="ignore"):
            logits = torch.from_numpy(np.log(weights))
        self._mixture = Mixture(logits, torch.from_numpy(stored), scale)
        self._member_sizes = (weights.shape[1],)

    @classmethod
    def _from_mixture(cls, mixture, *, one_dimensional, member_sizes=None):
        """The face of a float64 mixture on the CPU with one batch axis, the rows.

        ``member_sizes`` are the numbers of components of an ensemble's members, in order.
        """
        distribution = cls.__new__(cls)
        distribution._mixture = mixture
        distribution._one_dimensional = one_dimensional
        distribution._member_sizes = (mixture.n_components,) if member_sizes is None else tuple(member_sizes)
        return distribution

    def __len__(self):
        return len(self._mixture.logits)

    def __getitem__(self, rows):
        if isinstance(rows, Integral):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"row {rows} is out of range for {len(self)} rows.")
            rows = [rows]
        chosen = torch.from_numpy(np.arange(len(self))[rows])
        if chosen.ndim != 1:
            raise IndexError("rows must be an integer, a slice, or a 1-d array of indices or booleans.")
        return self._like(self._mixture.map(lambda stored: stored[chosen]))

    def _like(self, mixture):
        return self._from_mixture(
            mixture, one_dimensional=self._one_dimensional, member_sizes=self._member_sizes
        )

    @property
    def weights(self):
        """Mixing proportions, (n, K)."""
        return self._mixture.weights.numpy()

    @property
    def means(self):
        """Component means, (n, K) or (n, K, D)."""
        return self._squeeze(self._mixture.means.numpy().copy())

    @property
    def covariances(self):
        """Component variances (n, K), or covariance matrices (n, K, D, D)."""
        mixture = self._mixture
        if self._one_dimensional:
            return mixture.scale.std.square().expand(mixture.means.shape)[..., 0].numpy().copy()
        scale = mixture.scale.expand_components(mixture.n_components)
        return scale.covariance().numpy()

    def logpdf(self, y):
        """Log density of y."""
        return self._joint(Mixture.log_prob, y)

    def pdf(self, y):
        """Density of y."""
        return np.exp(self.logpdf(y))

    def cdf(self, y):
        """P(Y <= y), per target."""
        return self._per_target(Univariate.cdf, y=y)

    def sf(self, y):
        """P(Y > y), per target."""
        return self._per_target(Univariate.sf, y=y)

    def logcdf(self, y):
        """log P(Y <= y), per target."""
        return self._per_target(Univariate.log_cdf, y=y)

    def logsf(self, y):
        """log P(Y > y), per target."""
        return self._per_target(Univariate.log_sf, y=y)

    def prob(self, a, b):
        """P(a < Y <= b), per target."""
        return self._per_target(Univariate.prob, a=a, b=b)

    def ppf(self, q):
        """Quantiles: y with P(Y <= y) = q, per target."""
        return self._quantile(q, upper_tail=False)

    def isf(self, q):
        """Upper quantiles: y with P(Y > y) = q, per target."""
        return self._quantile(q, upper_tail=True)

    def median(self):
        """The median of each target."""
        return self.ppf(0.5)

    def interval(self, confidence):
        """Central interval of each target, (lower, upper)."""
        confidence = check_levels(confidence, "confidence")
        tail = 0.5 * (1.0 - confidence)
        return self.ppf(tail), self.isf(tail)

    def mean(self):
        """Mean, (n,) or (n, D)."""
        return self._squeeze(self._mixture.mean().numpy())

    def var(self):
        """Variance of each target, (n,) or (n, D)."""
        return self._squeeze(self._mixture.univariate().var().numpy())

    def std(self):
        """Standard deviation of each target, (n,) or (n, D)."""
        return np.sqrt(self.var())

    def crps(self, y):
        """Continuous ranked probability score, per target: (n,) or (n, D)."""
        return self._per_target(Univariate.crps, y=y)

    def rvs(self, size=None, random_state=None):
        """Draws: (n,) or (n, D), with a size (n, M) or (n, D, M)."""
        if size is not None and (not isinstance(size, Integral) or size < 0):
            raise ValueError(f"size must be None or a number of draws a row, got {size!r}.")
        count, n_targets = 1 if size is None else int(size), self._mixture.n_targets
        # A stream each, so that blocks draw what one large call would have drawn.
        uniform, noise = child_generators(random_state, 2)
        drawn = np.empty((len(self), n_targets, count))
        for rows in blocks(len(self), count * n_targets):
            mixture = self._mixture.map(lambda stored, rows=rows: stored[rows])
            n_rows = len(mixture.logits)
            draws = mixture.draw(
                torch.from_numpy(uniform.random((n_rows, count))),
                torch.from_numpy(noise.standard_normal((n_rows, count, n_targets))),
            )
            drawn[rows] = draws.mT.numpy()
        if self._one_dimensional:
            drawn = drawn[:, 0]
        return drawn[..., 0] if size is None else drawn

    def _squeeze(self, array):
        """Drop the axis of the target, the last one, where the target has none."""
        return array[..., 0] if self._one_dimensional else array

    def _aligned(self, arguments, *, exact):
        """Arguments as views of one common shape (m, n, D), and the leading shape m stands for."""
        n_targets, views = self._mixture.n_targets, []
        for name, value in arguments.items():
            array = as_numbers(value, name)
            if self._one_dimensional:
                array = array[..., None]
            elif exact and array.shape[-1:] != (n_targets,):
                raise ValueError(
                    f"{name} must have the {n_targets} targets on its last axis, got the shape {array.shape}."
                )
            views.append(array)
        try:
            views = np.broadcast_arrays(*views, np.broadcast_to(np.float64(0.0), (len(self), n_targets)))
        except ValueError:
            expected = f"({len(self)},)" if self._one_dimensional else f"({len(self)}, {n_targets})"
            shapes = ", ".join(f"{name} of shape {np.shape(value)}" for name, value in arguments.items())
            raise ValueError(f"{shapes} does not broadcast against {expected}.") from None
        lead = views[0].shape[:-2]
        return [view.reshape(-1, *view.shape[-2:]) if lead else view[None] for view in views[:-1]], lead

    def _blockwise(self, kernel, arguments, out):
        """Fill out (m, n, ...) with the kernel's answer for each block of arguments (m, n, D)."""
        mixture, (n_lead, n_rows) = self._mixture, out.shape[:2]
        width = mixture.n_components * mixture.n_targets
        for rows in blocks(n_rows, width):
            part = mixture.map(lambda stored, rows=rows: stored[rows])
            for lead in blocks(n_lead, width * len(part.logits)):
                tensors = [torch.from_numpy(np.array(a[lead, rows], dtype=np.float64)) for a in arguments]
                out[lead, rows] = kernel(part, *tensors).numpy()

    def _joint(self, kernel, y):
        (aligned,), lead = self._aligned({"y": y}, exact=True)
        out = np.empty(aligned.shape[:2])
        self._blockwise(kernel, [aligned], out)
        return out.reshape(*lead, len(self))

    def _per_target(self, kernel, **arguments):
        aligned, lead = self._aligned(arguments, exact=False)
        out = np.empty(aligned[0].shape)
        self._blockwise(lambda mixture, *tensors: kernel(mixture.univariate(), *tensors), aligned, out)
        return self._squeeze(out.reshape(*lead, *out.shape[-2:]))

    def _quantile(self, q, *, upper_tail):
        return self._per_target(
            lambda univariate, level: univariate.quantile(level, upper_tail), q=check_levels(q, "q")
        )


def blocks(length: int, width: int) -> Iterator[slice]:
    """Slices of an axis whose entries cost ``width`` numbers each."""
    step = max(1, BLOCK_NUMBERS // max(1, width))
    return (slice(start, start + step) for start in range(0, length, step))


def child_generators(random_state, count: int) -> list[np.random.Generator]:
    """Independent generators that depend on, and where it is one advance, a state given by the user."""
    if isinstance(random_state, np.random.RandomState):
        seeds = random_state.randint(0, 2**32, size=4 * count, dtype=np.uint32)
    else:
        seeds = np.random.default_rng(random_state).integers(0, 2**32, size=4 * count, dtype=np.uint32)
    return [np.random.default_rng(seed) for seed in seeds.reshape(count, 4)]


def as_numbers(value, name: str) -> np.ndarray:
    """An array of real numbers, not copied where it is one already."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        try:
            if array.dtype.kind == "c":
                raise TypeError
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be real numbers, got an array of {array.dtype}.") from None
    return array


def check_finite(value, name: str) -> np.ndarray:
    """A float64 copy of an array of finite numbers."""
    array = np.array(as_numbers(value, name), dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity.")
    return array


def check_levels(value, name: str) -> np.ndarray:
    """Levels strictly between zero and one."""
    array = as_numbers(value, name)
    inside = (array > 0) & (array < 1)
    if not inside.all():
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {array[~inside].flat[0]}.")
    return array


def check_weights(value, shape: tuple[int, int]) -> np.ndarray:
    """Mixing proportions that sum to one in each row, to rounding."""
    weights = check_finite(value, "weights")
    if weights.shape != shape or shape[1] == 0:
        raise ValueError(
            f"weights must have the shape (n, K) of the first two axes of means, {shape}, with K >= 1, "
            f"got {weights.shape}."
        )
    if (weights < 0).any():
        raise ValueError(f"weights must not be negative, got {weights.min()}.")
    total = weights.sum(axis=1, keepdims=True)
    wrong = np.abs(total - 1.0) > 1e-6
    if wrong.any():
        row = int(np.argmax(wrong[:, 0]))
        raise ValueError(f"weights must sum to 1 in each row, got a sum of {total[row, 0]} in row {row}.")
    return weights / total


def make_scale(covariances, means_shape: tuple[int, ...], covariance_type) -> Scale:
    """The scale of covariances in one of their four forms, checked."""
    n_rows, n_components = means_shape[:2]
    one_dimensional, dim = len(means_shape) == 2, 1 if len(means_shape) == 2 else means_shape[2]
    kind = "full" if covariance_type is None else covariance_type
    shapes: dict[str, tuple[int, ...]] = {
        "full": (n_rows, n_components, dim, dim),
        "tied": (n_rows, dim, dim),
        "diag": (n_rows, n_components, dim),
        "spherical": (n_rows, n_components),
    }
    if kind not in shapes:
        raise ValueError(f"covariance_type must be None or one of {sorted(shapes)}, got {covariance_type!r}.")
    expected = ((n_rows,) if kind == "tied" else (n_rows, n_components)) if one_dimensional else shapes[kind]
    array = check_finite(covariances, "covariances")
    if array.shape != expected:
        raise ValueError(
            f"covariances must have the shape {expected} for means of shape {means_shape} and "
            f"covariance_type={covariance_type!r}, got {array.shape}."
        )
    if one_dimensional or kind in ("diag", "spherical"):
        if not (array > 0).all():
            raise ValueError(f"covariances must be positive, got {array.min()}.")
        if one_dimensional:
            array = array.reshape(n_rows, -1, 1)
        elif kind == "spherical":
            array = array[..., None]
        return DiagonalScale(torch.from_numpy(array).sqrt(), dim)
    return CholeskyScale(check_cholesky(array if kind == "full" else array[:, None]))


def check_cholesky(matrices: np.ndarray) -> Tensor:
    """Cholesky factors of symmetric positive definite matrices (n, K, D, D)."""
    deviations = np.sqrt(np.abs(np.diagonal(matrices, axis1=-2, axis2=-1)))
    size = deviations[..., :, None] * deviations[..., None, :]
    if (np.abs(matrices - np.swapaxes(matrices, -2, -1)) > 1e-8 * size).any():
        raise ValueError("covariances must be symmetric matrices.")
    factor, info = torch.linalg.cholesky_ex(torch.from_numpy(matrices))
    if bool((info > 0).any()):
        row, component = np.argwhere(info.numpy() > 0)[0]
        raise ValueError(f"covariances must be positive definite; row {row}, component {component} is not.")
    return factor
