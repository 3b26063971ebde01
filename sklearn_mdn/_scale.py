"""Covariance structures of Gaussian components, each in the form that makes it cheap.

A scale stands for the covariance matrices Sigma of K Gaussian components over D targets, with any
leading batch axes. It knows a factor L of Sigma = L L^T: ``whiten`` applies L^-1 and ``color``
applies L. A K axis of length 1 is shared by all components.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
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
    def covariance(self) -> Tensor:
        """Sigma itself, (..., K or 1, D, D)."""

    @abstractmethod
    def map(self, function: Callable[[Tensor], Tensor]) -> Scale:
        """The scale whose stored tensor is ``function`` of this one's."""


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
        repeats = self.n_targets // self.deviations.shape[-1]
        return self.deviations.log().sum(-1) * repeats

    def covariance(self) -> Tensor:
        return torch.diag_embed(self.std.square())

    def map(self, function: Callable[[Tensor], Tensor]) -> DiagonalScale:
        return DiagonalScale(function(self.deviations), self.n_targets)


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
        return torch.linalg.vector_norm(self.factor, dim=-1)

    def whiten(self, residual: Tensor) -> Tensor:
        # Forward substitution over columns: D is small and the batch large, where a batched
        # triangular solve would call LAPACK once a matrix.
        factor, solved = self.factor, []
        for j in range(self.n_targets):
            inner = sum((factor[..., j, i] * solved[i] for i in range(j)), start=residual.new_zeros(()))
            solved.append((residual[..., j] - inner) / factor[..., j, j])
        return torch.stack(solved, dim=-1)

    def color(self, noise: Tensor) -> Tensor:
        return (self.factor @ noise.unsqueeze(-1)).squeeze(-1)

    def log_det(self) -> Tensor:
        return torch.diagonal(self.factor, dim1=-2, dim2=-1).log().sum(-1)

    def covariance(self) -> Tensor:
        return self.factor @ self.factor.mT

    def map(self, function: Callable[[Tensor], Tensor]) -> CholeskyScale:
        return CholeskyScale(function(self.factor))


def add_to_diagonal(factor: Tensor, amount: float) -> Tensor:
    """Lower Cholesky factor of L L^T + amount * I, for lower triangular L (..., D, D).

    One rank-one update sqrt(amount) e_i a target, by Givens rotations (Gill, Golub, Murray and
    Saunders 1974, method C1): positive by construction at any magnitude, where forming the matrix
    would lose ``amount`` beside large entries.
    """
    dim = factor.shape[-1]
    columns = [factor[..., j:, j] for j in range(dim)]
    for i in reversed(range(dim)):  # so that every later column already has its positive diagonal
        carried = factor.new_zeros(dim - i)
        carried[0] = amount**0.5
        for j in range(i, dim):
            column = columns[j]
            radius = torch.hypot(column[..., :1], carried[..., :1])
            cosine, sine = column[..., :1] / radius, carried[..., :1] / radius
            columns[j] = cosine * column + sine * carried
            carried = (cosine * carried - sine * column)[..., 1:]
    padded = [torch.nn.functional.pad(column, (j, 0)) for j, column in enumerate(columns)]
    return torch.stack(padded, dim=-1)
