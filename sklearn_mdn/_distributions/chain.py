"""What leads from a target to the variable that was learned: fitted transformers, one after the other."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_mdn._distributions.bounds import BoundTransformer
from sklearn_mdn._distributions.jacobian import FUNCTION_DERIVATIVES, apply, chain, jacobian, log_abs_det

Array = NDArray[np.float64]

# z less than this share of its size from where it came back to is a value of the transform.
SAME = 1e-7

# How far a value may be from where it comes back to, beside its size, before it is asked if there are two.
BACK = 1e-6
# Places on the way from a value to another one of the same z, where a monotone transform is the same.
BETWEEN = (0.5, 0.381966)

# Transformers that are monotone wherever they are defined, and functions with which FunctionTransformer is.
MONOTONE = (BoundTransformer, StandardScaler, RobustScaler, MaxAbsScaler, MinMaxScaler, PowerTransformer)
MONOTONE_FUNCTIONS = frozenset(FUNCTION_DERIVATIVES) - {np.square, np.reciprocal}

# Functions that people hand to FunctionTransformer with these inverses, as a logarithm of the distance from a
# bound (or a logit) times a factor.
LOGARITHMS = [
    (np.log, np.exp, (0.0, np.inf), 1.0),
    (np.log1p, np.expm1, (-1.0, np.inf), 1.0),
    (np.log2, np.exp2, (0.0, np.inf), 1.0 / np.log(2.0)),
    (np.log10, special.exp10, (0.0, np.inf), 1.0 / np.log(10.0)),
    (special.logit, special.expit, (0.0, 1.0), 1.0),
]


@dataclass(frozen=True)
class Chain:
    """Fitted transformers that are monotone in each target, on rows (m, D).

    Parameters
    ----------
    transformers : tuple
        From the target on.
    targets : tuple of int, default=None
        Which of the targets of the transformers these are; None means all.
    filling : tuple of float, default=None
        What all targets of the transformers are where only some of them are known.
    """

    transformers: tuple[Any, ...]
    targets: tuple[int, ...] | None = None
    filling: tuple[float, ...] | None = None

    @property
    def bounds(self) -> BoundTransformer | None:
        """The one transformer, if it is a logarithm or logit of known bounds."""
        only = self.transformers[0] if len(self.transformers) == 1 else None
        return only if isinstance(only, BoundTransformer) else None

    def same_as(self, other: Chain) -> bool:
        """Whether both do the same, as far as can be told."""
        alike = (self.targets, self.filling) == (other.targets, other.filling)
        return (
            alike
            and len(self.transformers) == len(other.transformers)
            and all(
                alike_in_all(one, two) for one, two in zip(self.transformers, other.transformers, strict=True)
            )
        )

    def some(self, targets: Sequence[int], inside: Array) -> Chain:
        """The chain of some targets, given a row (D,) of all that is inside of the domain."""
        if self.bounds is not None:
            return self
        filling = self._widened(inside[None])[0]
        chosen = np.arange(len(inside)) if self.targets is None else np.array(self.targets)
        return Chain(self.transformers, tuple(chosen[list(targets)].tolist()), tuple(filling.tolist()))

    def forward(self, y: Array) -> Array:
        """z of rows (m, D); NaN outside of the domain."""
        z = self._narrowed(self._forward(self._widened(y)))
        return np.where(np.isfinite(z), z, np.nan)

    @property
    def names(self) -> str:
        """What the transformers are called, in their order."""
        return ", ".join(map(called, self.transformers))

    @property
    def monotone(self) -> bool:
        """Whether nothing can be folded, whatever the values."""
        return all(map(known_monotone, self.transformers))

    def folded(self, y: Array, z: Array) -> NDArray[np.bool_]:
        """Which values (m, D) have the z of another one, where the inverse leads, unlike what is between."""
        found = np.zeros(y.shape, dtype=bool)
        if self.monotone or not len(y):
            return found
        try:
            back = self.inverse(z)
        except (ValueError, ArithmeticError, LookupError):  # who cannot go back cannot tell
            return found
        with np.errstate(invalid="ignore"):
            apart = np.isfinite(y) & np.isfinite(back) & (np.abs(back - y) > BACK * (1.0 + np.abs(y)))
        rows = np.flatnonzero(apart.any(axis=1))
        if len(rows):
            y, z, back = y[rows], z[rows], back[rows]
            ways = [self.forward(y + share * (back - y)) for share in BETWEEN]
            elsewhere = np.any([np.abs(way - z) > SAME * (1.0 + np.abs(z)) for way in ways], axis=0)
            same = np.abs(self.forward(back) - z) <= SAME * (1.0 + np.abs(z))
            found[rows] = apart[rows] & elsewhere & same
        return found

    def onto(self, y: Array) -> Array:
        """z of rows (m, D) that the inverse leads back to; NaN for others, and outside of the domain."""
        z = self.forward(y)
        return np.where(self.folded(y, z), np.nan, z)

    def inverse(self, z: Array) -> Array:
        """What rows (m, D) of z came from, as far as it is a number."""
        missing = np.isnan(z).any(axis=1)
        if missing.any():  # which transformers may refuse
            found = np.full_like(z, np.nan)
            found[~missing] = self.inverse(z[~missing])
            return found
        if not len(z):
            return z
        y = self._widened(z) if self.targets is None else self._fill_latent(z)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what is not finite afterwards is asked about
            for transformer in reversed(self.transformers):
                y = np.asarray(transformer.inverse_transform(y.copy()), dtype=np.float64).reshape(y.shape)
        return self._narrowed(y)

    def farthest(self, z: Array) -> Array:
        """What rows (m, D) of z came from; NaN for infinite ones of which the transformers cannot tell."""
        try:
            return self.inverse(z)
        except ValueError:
            found, known = np.full_like(z, np.nan), np.isfinite(z).all(axis=1)
            found[known] = self.inverse(z[known])
            return found

    def derivative(self, y: Array) -> Array:
        """dz / dy, (m, D), or (m, D, D) where targets are mixed; of rows inside of the domain."""
        if not len(y):
            return y
        value = self._widened(y)
        total = np.ones_like(value)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            for i, transformer in enumerate(self.transformers):
                total = chain(jacobian(transformer, value), total)
                value = apply(transformer, value) if i + 1 < len(self.transformers) else value
        if self.targets is None:
            return total
        if total.ndim == 3:
            total = np.diagonal(total, axis1=1, axis2=2)
        return total[:, list(self.targets)]

    def log_slope(self, y: Array) -> Array:
        """log |det dz / dy| of rows (m, D), (m,)."""
        return log_abs_det(self.derivative(y))

    def reached(self, z: Array) -> NDArray[np.bool_]:
        """Which rows (m, D) are values of the chain."""
        try:
            back = self.forward(self.inverse(z))
        except (ValueError, ArithmeticError, LookupError):  # as some answer to what is outside
            if len(z) == 1:
                return np.array([False])
            return np.concatenate([self.reached(row[None]) for row in z])
        return np.asarray((np.abs(back - z) <= SAME * (1.0 + np.abs(z))).all(axis=1))

    def _forward(self, y: Array) -> Array:
        if not len(y):
            return y
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                for transformer in self.transformers:
                    y = apply(transformer, y)
        except ValueError:
            if len(y) < 2:  # outside of a domain that the transformer checks itself, or nothing at all
                return np.full_like(y, np.nan)
            return np.concatenate([self._forward(half) for half in np.array_split(y, 2)])
        return y

    def _widened(self, y: Array) -> Array:
        if self.targets is None or self.filling is None:
            return y
        wide = np.tile(np.array(self.filling), (len(y), 1))
        wide[:, list(self.targets)] = y
        return wide

    def _fill_latent(self, z: Array) -> Array:
        wide = np.tile(self._forward(np.array([self.filling])), (len(z), 1))
        wide[:, list(self.targets or ())] = z
        return wide

    def _narrowed(self, values: Array) -> Array:
        return values if self.targets is None else values[:, list(self.targets)]


def alike_in_all(one: Any, two: Any) -> bool:
    """Whether two fitted things hold the same values, however deep."""
    if one is two:
        return True
    if type(one) is not type(two):
        return False
    if isinstance(one, np.ndarray):
        return one.shape == two.shape and bool(np.array_equal(one, two, equal_nan=one.dtype.kind == "f"))
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(alike_in_all(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(alike_in_all(one[key], two[key]) for key in one)
    if isinstance(one, BaseEstimator):
        return alike_in_all(vars(one), vars(two))
    return bool(one == two)


def flattened(transformers: Sequence[Any]) -> list[Any]:
    """The transformers, those in pipelines one by one, without those that do nothing."""
    flat: list[Any] = []
    for transformer in transformers:
        if isinstance(transformer, FrozenEstimator):
            flat += flattened([transformer.estimator])
        elif type(transformer) is Pipeline:
            flat += flattened([step for _, step in transformer.steps])
        elif (
            transformer is None
            or isinstance(transformer, str)
            or (
                type(transformer) is FunctionTransformer
                and transformer.func is transformer.inverse_func is None
            )
        ):
            continue
        else:
            flat.append(transformer)
    return flat


def called(transformer: Any) -> str:
    """The name of a transformer, with that of its function if it is one by name."""
    if isinstance(transformer, BoundTransformer):
        return f"support ({transformer.low:g}, {transformer.high:g})"
    kind = type(transformer).__name__
    function = transformer.func if isinstance(transformer, FunctionTransformer) else None
    return kind if function is None else f"{kind} of {getattr(function, '__name__', function)}"


def known_monotone(transformer: Any) -> bool:
    """Whether a transformer cannot be anything but monotone."""
    if type(transformer) is FunctionTransformer:
        plain = not (transformer.kw_args or transformer.inv_kw_args)
        return plain and any(transformer.func is function for function in MONOTONE_FUNCTIONS)
    return type(transformer) in (*MONOTONE, QuantileTransformer)


def affine(transformer: Any) -> tuple[Array | float, Array | float] | None:
    """(shift, stretch) where y = shift + stretch * z with positive stretch; None for what is no such map."""
    kind = type(transformer)
    if kind is StandardScaler:
        shift, stretch = transformer.mean_ if transformer.with_mean else None, transformer.scale_
    elif kind is RobustScaler:
        shift, stretch = transformer.center_, transformer.scale_
    elif kind is MaxAbsScaler and not transformer.clip:
        shift, stretch = None, transformer.scale_
    elif kind is MinMaxScaler and not transformer.clip:
        return -transformer.min_ / transformer.scale_, 1.0 / transformer.scale_
    else:
        return None
    return (0.0 if shift is None else shift), (1.0 if stretch is None else stretch)


def logarithm(transformer: Any) -> tuple[BoundTransformer, float] | None:
    """What a FunctionTransformer is a multiple of, and the factor, if it is a known logarithm or logit."""
    if type(transformer) is not FunctionTransformer or transformer.kw_args or transformer.inv_kw_args:
        return None
    for function, inverse, bounds, factor in LOGARITHMS:
        if transformer.func is function and transformer.inverse_func is inverse:
            return BoundTransformer(*bounds), factor
    return None


def check_transformer(transformer: Any) -> None:
    """Refuse a transformer behind which a target has no density."""
    name = type(transformer).__name__
    if not callable(getattr(transformer, "inverse_transform", None)):
        raise TypeError(f"transformer must have an inverse_transform, which {name} has not.")
    if type(transformer) is FunctionTransformer and transformer.inverse_func is None:
        raise TypeError(f"transformer must have an inverse: give the {called(transformer)} an inverse_func.")
    if isinstance(transformer, QuantileTransformer):
        for knots in transformer.quantiles_.T:
            again = np.flatnonzero(np.diff(knots) == 0)
            if len(again):
                raise ValueError(
                    f"the target has no density behind this {name}: several training targets equal "
                    f"{knots[again[0]]}, where the transform jumps, so that no number stands for the values "
                    "between. Use another transformer, or fewer n_quantiles."
                )
