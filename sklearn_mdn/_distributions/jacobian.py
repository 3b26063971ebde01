"""Derivatives of fitted target transformers: analytic for scikit-learn's own, numeric for any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
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

from sklearn_mdn._mixtures import normal

MAX_HALVINGS = 60
MAX_ORDER = 4  # extrapolations of one difference; more would only extrapolate rounding
PATIENCE = 10  # halvings that bring a converged derivative nothing, until it is final
GOOD_ENOUGH = 1e-11  # relative error estimates: of a derivative that is final at once,
CONVERGED = 1e-5  # of one that may only become more exact,
BAD = 1e-3  # and of one that is none
MIXING_TOLERANCE = 1e-9

# Derivatives of the functions that people hand to FunctionTransformer by name.
FUNCTION_DERIVATIVES: dict[Callable[..., Any], Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    np.log: np.reciprocal,
    np.log2: lambda y: 1.0 / (y * np.log(2.0)),
    np.log10: lambda y: 1.0 / (y * np.log(10.0)),
    np.log1p: lambda y: 1.0 / (1.0 + y),
    np.exp: np.exp,
    np.exp2: lambda y: np.exp2(y) * np.log(2.0),
    np.expm1: np.exp,
    np.sqrt: lambda y: 0.5 / np.sqrt(y),
    np.cbrt: lambda y: 1.0 / (3.0 * np.cbrt(y) ** 2),
    np.square: lambda y: 2.0 * y,
    np.reciprocal: lambda y: -1.0 / y**2,
    np.negative: lambda y: np.full_like(y, -1.0),
    np.sinh: np.cosh,
    np.arcsinh: lambda y: 1.0 / np.hypot(1.0, y),
    np.tanh: lambda y: 1.0 / np.cosh(y) ** 2,
    np.arctanh: lambda y: 1.0 / ((1.0 - y) * (1.0 + y)),
    special.logit: lambda y: 1.0 / (y * (1.0 - y)),
    special.expit: lambda y: special.expit(y) * special.expit(-y),
}


def apply(transformer: Any, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Targets (n, D) after a fitted transformer; the given array is left as it is."""
    if transformer is None or transformer == "passthrough":
        return y
    return np.asarray(transformer.transform(y.copy()), dtype=np.float64).reshape(len(y), -1)


def jacobian(transformer: Any, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivative of a fitted transformer of targets.

    Parameters
    ----------
    transformer : fitted transformer, "passthrough" or None
        Maps the rows of y one by one.
    y : ndarray of shape (n, D)

    Returns
    -------
    ndarray of shape (n, D) or (n, D, D)
        dz_a / dy_a where every target is transformed on its own, otherwise dz_a / dy_b. Analytic for
        the transformers in ``RULES``; for others, whose code may be the user's, by differences.
    """
    if transformer is None or transformer == "passthrough":
        return np.ones_like(y)
    # Of exactly these types: a subclass may transform in a way of its own.
    return RULES.get(type(transformer), numeric_jacobian)(transformer, y)


def log_abs_det(derivative: NDArray[np.float64]) -> NDArray[np.float64]:
    """log |det dz / dy| of each row, (n,), of what ``jacobian`` returns."""
    with np.errstate(divide="ignore"):
        if derivative.ndim == 2:
            logarithm: NDArray[np.float64] = np.log(np.abs(derivative)).sum(axis=1)
        else:
            logarithm = np.linalg.slogdet(derivative).logabsdet
    return logarithm


def numeric_jacobian(transformer: Any, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivative by extrapolated central differences."""
    n_targets = y.shape[1]
    full = np.stack([_difference(transformer, y, b) for b in range(n_targets)], axis=-1)
    if full.shape[1:] != (n_targets, n_targets):
        raise ValueError(
            "the transformer of the target must keep the number of targets, but "
            f"{type(transformer).__name__} makes {full.shape[1]} of {n_targets}."
        )
    diagonal = np.einsum("naa->na", full)
    # Change of z_a when y_b moves by its size, beside that when y_a does: rounding alone, or mixing?
    changes = np.abs(full) * np.abs(y).mean(axis=0)
    own = np.einsum("naa->na", changes)
    mixed = (changes > MIXING_TOLERANCE * own[:, :, None]) & ~np.eye(n_targets, dtype=bool)
    return full if mixed.any() else diagonal.copy()


def _difference(transformer: Any, y: NDArray[np.float64], target: int) -> NDArray[np.float64]:
    """dz / dy_target, (n, number of z), from differences over steps that are halved.

    Central differences are extrapolated to a step of zero, and the extrapolation that agrees best with those
    before it is kept (Ridders 1982, "Accurate computation of F'(x) and F'(x) F''(x)"; Press et al. 2007,
    Numerical Recipes, section 5.7). Steps start at half of each value's own size: what a row answers does not
    depend on the others, and a transform that bends on a scale far below that size is followed down to it.
    """
    size = np.abs(y[:, target])
    step = np.where(size > 0, 0.5 * size, 1.0)
    slope = np.empty((len(y), 0))  # until the number of z is known
    error, since = np.full(len(y), np.inf), np.zeros(len(y), dtype=int)
    rows = np.arange(len(y))
    before: list[NDArray[np.float64]] = []
    for _ in range(MAX_HALVINGS):
        estimates = [_central(transformer, y[rows], target, step[rows])]
        slope = slope if slope.size else np.full((len(y), estimates[0].shape[1]), np.nan)
        since[rows] += 1
        for order, coarser in enumerate(before, start=1):
            finer, relative = _extrapolated(estimates[-1], coarser, order)
            # Once there was a derivative, none at all is what rounding leaves of it.
            lost = (finer == 0).all(axis=1) & (error[rows] <= BAD)
            better = (relative < error[rows]) & ~lost
            slope[rows[better]], error[rows[better]] = finer[better], relative[better]
            since[rows[better]] = 0
            estimates.append(finer)
        final = (error[rows] <= CONVERGED) & (since[rows] >= PATIENCE)
        open_ = ~(final | (error[rows] <= GOOD_ENOUGH))
        rows, before = rows[open_], [estimate[open_] for estimate in estimates[:MAX_ORDER]]
        if not len(rows):
            return slope
        step *= 0.5
    rows = rows[~(error[rows] <= BAD)]
    if len(rows):
        raise ValueError(
            f"y_true must lie where the transformer of the target, {type(transformer).__name__}, has a "
            f"finite derivative, got {y[rows[0]].tolist()} in row {rows[0]}."
        )
    return slope


def _extrapolated(
    fine: NDArray[np.float64], coarse: NDArray[np.float64], order: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Richardson's extrapolation of two estimates, and how far it is from them, relative to its size."""
    with np.errstate(all="ignore"):  # differences outside of the domain are no numbers
        value = fine + (fine - coarse) / (4.0**order - 1.0)
        distance = np.maximum(np.abs(value - fine), np.abs(value - coarse)).max(axis=1)
        relative = np.where(distance > 0, distance / np.abs(value).max(axis=1), 0.0)
    return value, np.where(np.isfinite(value).all(axis=1), relative, np.inf)


def _central(
    transformer: Any, y: NDArray[np.float64], target: int, step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Central differences of z by y_target, over steps as they are once they were added."""
    lower, upper = y.copy(), y.copy()
    lower[:, target] -= step
    upper[:, target] += step
    with np.errstate(all="ignore"):  # a step may leave the domain; a smaller one is then tried
        rise = apply(transformer, upper) - apply(transformer, lower)
        return rise / (upper - lower)[:, target, None]


def _of_linear(stretch: NDArray[np.float64] | float | None, y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ones_like(y) if stretch is None else np.ones_like(y) / stretch


def _of_min_max_scaler(transformer: MinMaxScaler, y: NDArray[np.float64]) -> NDArray[np.float64]:
    slope = np.ones_like(y) * transformer.scale_
    inside = (y >= transformer.data_min_) & (y <= transformer.data_max_)
    return np.where(inside, slope, 0.0) if transformer.clip else slope


def _of_max_abs_scaler(transformer: MaxAbsScaler, y: NDArray[np.float64]) -> NDArray[np.float64]:
    slope = _of_linear(transformer.scale_, y)
    return np.where(np.abs(y) <= transformer.max_abs_, slope, 0.0) if transformer.clip else slope


def _of_power_transformer(transformer: PowerTransformer, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivatives of the Box-Cox and Yeo-Johnson transforms (Yeo and Johnson 2000, section 2)."""
    power = transformer.lambdas_
    slope: NDArray[np.float64]
    if transformer.method == "box-cox":
        slope = y ** (power - 1.0)
    else:
        slope = (1.0 + np.abs(y)) ** np.where(y >= 0, power - 1.0, 1.0 - power)
    if transformer.standardize:
        slope = slope / transformer._scaler.scale_
    return slope


def _of_quantile_transformer(transformer: QuantileTransformer, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope of the piecewise linear distribution function, and that of the normal quantile after it."""
    references, slope = transformer.references_, np.empty_like(y)
    for column, knots in enumerate(transformer.quantiles_.T):
        values = y[:, column]
        left = np.clip(np.searchsorted(knots, values, side="right") - 1, 0, len(knots) - 2)
        width = knots[left + 1] - knots[left]
        inside = (values >= knots[0]) & (values <= knots[-1])
        jumps = inside & ((width == 0) | ((left > 0) & (knots[left - 1] == values)))
        if jumps.any():
            raise ValueError(
                "y_true has no density behind this QuantileTransformer: several training targets equal "
                f"{values[np.argmax(jumps)]}, where the transform jumps. Use another transformer."
            )
        rise = references[left + 1] - references[left]
        slope[:, column] = np.where(inside, rise / np.where(width > 0, width, 1.0), 0.0)
    if transformer.output_distribution == "normal":
        slope = slope / normal.pdf(torch.from_numpy(apply(transformer, y))).numpy()
    return slope


def _of_function_transformer(transformer: FunctionTransformer, y: NDArray[np.float64]) -> NDArray[np.float64]:
    if transformer.func is None:
        return np.ones_like(y)
    known = [slope for function, slope in FUNCTION_DERIVATIVES.items() if function is transformer.func]
    return known[0](y) if known and not transformer.kw_args else numeric_jacobian(transformer, y)


def _of_pipeline(pipeline: Pipeline, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chain rule."""
    total = np.ones_like(y)
    for _, step in pipeline.steps:
        total = chain(jacobian(step, y), total)
        y = apply(step, y)
    return total


def chain(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivative of outer after inner."""
    if outer.ndim == inner.ndim == 2:
        return outer * inner
    return _as_matrices(outer) @ _as_matrices(inner)


def _as_matrices(derivative: NDArray[np.float64]) -> NDArray[np.float64]:
    return derivative if derivative.ndim == 3 else derivative[:, :, None] * np.eye(derivative.shape[1])


RULES: dict[type, Callable[[Any, NDArray[np.float64]], NDArray[np.float64]]] = {
    StandardScaler: lambda transformer, y: _of_linear(transformer.scale_, y),
    RobustScaler: lambda transformer, y: _of_linear(transformer.scale_, y),
    MinMaxScaler: _of_min_max_scaler,
    MaxAbsScaler: _of_max_abs_scaler,
    PowerTransformer: _of_power_transformer,
    QuantileTransformer: _of_quantile_transformer,
    FunctionTransformer: _of_function_transformer,
    Pipeline: _of_pipeline,
    FrozenEstimator: lambda transformer, y: jacobian(transformer.estimator, y),
}
