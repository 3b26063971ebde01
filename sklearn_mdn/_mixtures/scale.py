"""Covariance structures of Gaussian components, each in the form that makes it cheap.

A scale stands for the covariance matrices Sigma of K Gaussian components over D targets, with any
leading batch axes. It knows a factor L of Sigma = L L^T: ``whiten`` applies L^-1 and ``color``
applies L. A K axis of length 1 is shared by all components.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor


class Scale(ABC):
    """Factor of the covariances of K components over D targets."""

    @property
    @abstractmethod
    def n_targets(self) -> int:
        """D."""

    @property
    @abstractmethod
    def std(self) -> Tensor:
        """Standard deviation of each target on its own, (..., K or 1, D)."""

    @abstractmethod
    def whiten(self, residual: Tensor) -> Tensor:
        """L^-1 r for residuals (..., K, D)."""

    @abstractmethod
    def color(self, noise: Tensor) -> Tensor:
        """L z for noise (..., K, D)."""

    @abstractmethod
    def log_det(self) -> Tensor:
        """log det L, half the log-determinant of Sigma, (..., K or 1)."""

    @abstractmethod
    def log_prob_gradient(self, whitened: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of sum(weight * log N(r; 0, Sigma)) by minus r, (..., K, D), and by the stored tensor.

        ``whitened`` (..., K, D) is z = L^-1 r, ``weight`` (..., K). By a mean, of which r is the distance:
        L^-T z; by the factor: the lower triangle of (L^-T z) z^T - L^-T.
        """

    @abstractmethod
    def covariance(self) -> Tensor:
        """Sigma itself, (..., K or 1, D, D)."""

    @abstractmethod
    def map(self, function: Callable[[Tensor], Tensor]) -> Scale:
        """The scale whose stored tensor is ``function`` of this one's."""

    @abstractmethod
    def precision(self) -> Tensor:
        """Inverse of Sigma, (..., K or 1, D, D)."""

    @abstractmethod
    def cholesky(self) -> Tensor:
        """Lower Cholesky factor of Sigma, (..., K or 1, D, D)."""

    @abstractmethod
    def stretch(self, factors: Tensor) -> Scale:
        """The scale of the targets multiplied by positive ``factors`` (D,)."""

    @abstractmethod
    def blur(self, deviations: Tensor) -> Scale:
        """The scale of the targets with independent noise of deviations (D,) or (..., K, D) added."""

    @abstractmethod
    def marginal(self, targets: list[int]) -> Scale:
        """The scale of some of the targets, in the order named."""

    @abstractmethod
    def regression(self, given: list[int], rest: list[int], whitened: Tensor) -> tuple[Tensor, Scale]:
        """Shift of the mean, and scale, of the targets ``rest`` once those ``given`` are known.

        ``whitened`` (..., K, T) are the residuals of the given targets as ``marginal(given)`` whitens
        them. The shift is (..., K, len(rest)).
        """

    @abstractmethod
    def expand_components(self, n_components: int) -> Scale:
        """The same scale with a K axis of full length; the stored tensor is not copied."""

    @abstractmethod
    def gather(self, components: Tensor) -> Scale:
        """The scale of the components named by an index (..., M), M taking the place of K."""


@final
class DiagonalScale(Scale):
    """Independent targets: standard deviations (..., K or 1, D), or (..., K or 1, 1) if all share one."""

    def __init__(self, deviations: Tensor, n_targets: int | None = None) -> None:
        self.deviations = deviations
        self._n_targets = deviations.shape[-1] if n_targets is None else n_targets

    @property
    def n_targets(self) -> int:
        return self._n_targets

    @property
    def std(self) -> Tensor:
        return self.deviations.expand(*self.deviations.shape[:-1], self.n_targets)

    def whiten(self, residual: Tensor) -> Tensor:
        return residual / self.deviations

    def color(self, noise: Tensor) -> Tensor:
        return noise * self.deviations

    def log_det(self) -> Tensor:
        return self.deviations.log().sum(-1).mul_(self.n_targets // self.deviations.shape[-1])

    def log_prob_gradient(self, whitened: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        weight = weight.unsqueeze(-1)
        weighted = whitened * weight
        by_deviation = (weighted * whitened).sub_(weight).div_(self.deviations)
        return weighted.div_(self.deviations), by_deviation.sum_to_size(self.deviations.shape)

    def covariance(self) -> Tensor:
        return torch.diag_embed(self.std.square())

    def map(self, function: Callable[[Tensor], Tensor]) -> DiagonalScale:
        return DiagonalScale(function(self.deviations), self.n_targets)

    def precision(self) -> Tensor:
        return torch.diag_embed(self.std.square().reciprocal())

    def cholesky(self) -> Tensor:
        return torch.diag_embed(self.std)

    def stretch(self, factors: Tensor) -> DiagonalScale:
        if bool((factors == factors[0]).all()):  # what is spherical stays so
            factors = factors[:1]
        return DiagonalScale(self.deviations * factors, self.n_targets)

    def blur(self, deviations: Tensor) -> DiagonalScale:
        return DiagonalScale(torch.hypot(self.deviations, deviations), self.n_targets)

    def marginal(self, targets: list[int]) -> DiagonalScale:
        shared = self.deviations.shape[-1] == 1
        return DiagonalScale(self.deviations if shared else self.deviations[..., targets], len(targets))

    def regression(self, given: list[int], rest: list[int], whitened: Tensor) -> tuple[Tensor, DiagonalScale]:
        return whitened.new_zeros(*whitened.shape[:-1], len(rest)), self.marginal(rest)

    def expand_components(self, n_components: int) -> DiagonalScale:
        *batch, _, width = self.deviations.shape
        return self.map(lambda stored: stored.expand(*batch, n_components, width))

    def gather(self, components: Tensor) -> DiagonalScale:
        return self.map(lambda stored: take_components(stored, components, trailing=1))


@final
class CholeskyScale(Scale):
    """Any positive definite Sigma: its lower Cholesky factor (..., K or 1, D, D)."""

    def __init__(self, factor: Tensor) -> None:
        self.factor = factor

    @property
    def n_targets(self) -> int:
        return self.factor.shape[-1]

    @property
    def std(self) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(self.factor, dim=-1)
        return norms

    def whiten(self, residual: Tensor) -> Tensor:
        # Forward substitution over columns: D is small and the batch large, where a batched
        # triangular solve would call LAPACK once a matrix.
        factor = self.factor
        solved: list[Tensor] = []
        for j in range(self.n_targets):
            inner = sum((factor[..., j, i] * solved[i] for i in range(j)), start=residual.new_zeros(()))
            solved.append((residual[..., j] - inner) / factor[..., j, j])
        return torch.stack(solved, dim=-1)

    def color(self, noise: Tensor) -> Tensor:
        return (self.factor * noise.unsqueeze(-2)).sum(-1)

    def log_det(self) -> Tensor:
        return torch.diagonal(self.factor, dim1=-2, dim2=-1).log().sum(-1)

    def log_prob_gradient(self, whitened: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        factor, weight = self.factor, weight.unsqueeze(-1)
        solved: dict[int, Tensor] = {}  # by back substitution, from the last target
        for j in reversed(range(self.n_targets)):
            inner = sum((factor[..., i, j] * solved[i] for i in solved), start=whitened.new_zeros(()))
            solved[j] = (whitened[..., j] - inner) / factor[..., j, j]
        by_mean = torch.stack([solved[j] for j in range(self.n_targets)], dim=-1).mul_(weight)
        by_factor = (by_mean.unsqueeze(-1) * whitened.unsqueeze(-2)).tril_()
        diagonal = torch.diagonal(by_factor, dim1=-2, dim2=-1)
        diagonal -= weight / torch.diagonal(factor, dim1=-2, dim2=-1)
        return by_mean, by_factor.sum_to_size(factor.shape)

    def covariance(self) -> Tensor:
        return self.factor @ self.factor.mT

    def map(self, function: Callable[[Tensor], Tensor]) -> CholeskyScale:
        return CholeskyScale(function(self.factor))

    def precision(self) -> Tensor:
        identity = torch.eye(self.n_targets, dtype=self.factor.dtype, device=self.factor.device)
        inverse: Tensor = torch.linalg.solve_triangular(self.factor, identity, upper=False)
        return inverse.mT @ inverse

    def cholesky(self) -> Tensor:
        return self.factor

    def stretch(self, factors: Tensor) -> CholeskyScale:
        return CholeskyScale(self.factor * factors.unsqueeze(-1))

    def blur(self, deviations: Tensor) -> CholeskyScale:
        enlarged = add_to_diagonal(self.factor, deviations.square())
        none = (deviations == 0.0).all(-1)[..., None, None]  # the same bits then
        return CholeskyScale(torch.where(none, self.factor, enlarged))

    def marginal(self, targets: list[int]) -> CholeskyScale:
        return CholeskyScale(triangularise(self.factor[..., targets, :]))

    def regression(self, given: list[int], rest: list[int], whitened: Tensor) -> tuple[Tensor, CholeskyScale]:
        # With the given targets first, L = [[L11, 0], [L21, L22]]: the conditional mean moves by
        # L21 L11^-1 r and the conditional covariance is L22 L22^T (Schur complement).
        factor, known = triangularise(self.factor[..., given + rest, :]), len(given)
        shift = (factor[..., known:, :known] * whitened.unsqueeze(-2)).sum(-1)
        return shift, CholeskyScale(factor[..., known:, known:])

    def expand_components(self, n_components: int) -> CholeskyScale:
        *batch, _, dim, _ = self.factor.shape
        return self.map(lambda stored: stored.expand(*batch, n_components, dim, dim))

    def gather(self, components: Tensor) -> CholeskyScale:
        return self.map(lambda stored: take_components(stored, components, trailing=2))


def take_components(stored: Tensor, components: Tensor, trailing: int) -> Tensor:
    """Entries (..., M, *trailing) of stored (..., K or 1, *trailing) at an index (..., M)."""
    axis = stored.ndim - trailing - 1
    if stored.shape[axis] == 1:
        return stored
    index = components.reshape(components.shape + (1,) * trailing)
    return torch.take_along_dim(stored, index, dim=axis)


def triangularise(rows: Tensor) -> Tensor:
    """Lower triangular L (..., T, T) with positive diagonal and L L^T = A A^T, for A (..., T, D).

    Householder reflections from the right (Golub and Van Loan, section 5.2), all matrices at once:
    A A^T is never formed, which would square the condition number.
    """
    columns = []
    for i in range(rows.shape[-2]):
        # What is left of A is (T - i, D - i); its first row is reflected onto the first axis.
        pivot = rows[..., :1, :]
        sign = torch.where(pivot[..., :1] < 0, -1.0, 1.0)
        length = torch.linalg.vector_norm(pivot, dim=-1, keepdim=True)
        head = pivot[..., :1] + sign * length
        mirror = torch.cat([head, pivot[..., 1:]], dim=-1) / length
        twice = 2.0 / mirror.square().sum(-1, keepdim=True)
        rows = rows - twice * (rows * mirror).sum(-1, keepdim=True) * mirror
        column = -sign * rows[..., :, :1]
        columns.append(torch.nn.functional.pad(column.squeeze(-1), (i, 0)))
        rows = rows[..., 1:, 1:]
    return torch.stack(columns, dim=-1)


def add_to_diagonal(factor: Tensor, amount: float | Tensor) -> Tensor:
    """Lower Cholesky factor of L L^T + diag(amount), for lower triangular L (..., D, D).

    ``amount`` is one number, or one of each target, (D,) or (..., D). It is R^T of a QR decomposition (Golub
    and Van Loan, section 5.2) of [L, diag(amount)^1/2]^T: forming the matrix would lose ``amount`` beside
    large entries.
    """
    if isinstance(amount, Tensor):
        root = amount.to(dtype=factor.dtype, device=factor.device).sqrt()
    else:
        root = torch.full((), amount, dtype=factor.dtype, device=factor.device).sqrt()
    below = torch.diag_embed(root.expand(factor.shape[:-1]))
    triangle: Tensor = torch.linalg.qr(torch.cat([factor.mT, below], dim=-2), mode="r").R.mT
    diagonal = torch.diagonal(triangle, dim1=-2, dim2=-1)
    return triangle * torch.copysign(torch.ones_like(diagonal), diagonal).unsqueeze(-2)


def add_to_diagonal_gradient(factor: Tensor, enlarged: Tensor, gradient: Tensor) -> Tensor:
    """Derivative by L, given the one by C = ``add_to_diagonal(L, amount)``, both lower triangular.

    With the lower triangle Phi of C^T dC, its diagonal halved, the derivative by C C^T is the symmetric part
    of C^-T Phi C^-1 (Murray 2016, "Differentiation of the Cholesky decomposition"), and that by L twice it
    times L.
    """
    inner = (enlarged.mT @ gradient).tril_()
    symmetric = inner + inner.mT
    torch.diagonal(symmetric, dim1=-2, dim2=-1).mul_(0.5)
    share = torch.linalg.solve_triangular(enlarged, factor, upper=False)
    by_factor: Tensor = torch.linalg.solve_triangular(enlarged.mT, symmetric @ share, upper=True)
    return by_factor.tril_()


def join(scales: Sequence[Scale], axis: int) -> Scale:
    """Scales with full K axes put side by side along an axis, -1 being K and -2 the axis before it.

    Scales of different structure take the least general form that holds them all.
    """
    if all(isinstance(scale, DiagonalScale) for scale in scales):
        diagonal = [scale for scale in scales if isinstance(scale, DiagonalScale)]
        if all(scale.deviations.shape[-1] == 1 for scale in diagonal):
            stored = [scale.deviations for scale in diagonal]
        else:
            stored = [scale.std for scale in diagonal]
        return DiagonalScale(torch.cat(stored, dim=axis - 1), scales[0].n_targets)
    return CholeskyScale(torch.cat([scale.cholesky() for scale in scales], dim=axis - 2))
