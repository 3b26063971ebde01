"""What can be said of transformers of the target before anything is trained behind them."""

from __future__ import annotations

import warnings
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_mdn._distributions.chain import Chain, check_transformer, flattened

Array = NDArray[np.float64]

MAX_ROWS = 10_000  # that are looked at: of more, a QuantileTransformer draws some
ROUNDING = 1e-9  # beside the spread of z


@singledispatch
def check_target_transformers(estimator: Any, y: Any) -> None:
    """Refuse an estimator that transforms its target so that there is no density, before it is fitted.

    Transformers are fitted to the targets y alone. What cannot be looked into is left to the fit.
    """


@check_target_transformers.register
def _(estimator: TransformedTargetRegressor, y: Any) -> None:
    values = _numbers(y)
    if values is None:
        return
    transformer = estimator.transformer
    if transformer is None:
        if (estimator.func is None) != (estimator.inverse_func is None):
            return  # which its own fit refuses
        transformer = FunctionTransformer(estimator.func, estimator.inverse_func, validate=True)
    z = check_invertible(transformer, values)
    if z is not None and estimator.regressor is not None:
        check_target_transformers(estimator.regressor, z)


@check_target_transformers.register
def _(pipeline: Pipeline, y: Any) -> None:
    check_target_transformers(pipeline.steps[-1][1], y)


@check_target_transformers.register(BaseSearchCV)
@check_target_transformers.register(BaggingRegressor)
def _(wrapper: Any, y: Any) -> None:
    check_target_transformers(wrapper.estimator, y)


@check_target_transformers.register
def _(voting: VotingRegressor, y: Any) -> None:
    for _, each in voting.estimators:
        check_target_transformers(each, y)


def check_invertible(transformer: Any, y: Array) -> Array | None:
    """Refuse a transformer that is not monotone on targets y (n, D), or not undone by its inverse; z (n, D).

    None where z is no array of numbers, as outside of a domain, which the fit refuses.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            fitted = clone(transformer).fit(y)
            z = np.asarray(fitted.transform(y), dtype=np.float64)
        except (ValueError, ArithmeticError):
            return None
    steps = flattened([fitted])
    for step in steps:
        check_transformer(step)
    if z.shape != y.shape or not np.isfinite(z).all():
        return None
    chain = Chain(tuple(steps))
    for j in range(y.shape[1]):
        _check_order(chain, y, j)
    return z


def _check_order(chain: Chain, y: Array, target: int) -> None:
    """Refuse a chain that does not keep, or turn, the order of one target, the others being held."""
    values = np.unique(y[:, target])
    rows = np.repeat(y[:1], len(values), axis=0)
    rows[:, target] = values
    z = chain.forward(rows)
    others = np.delete(z, target, axis=1)
    if not np.isfinite(z).all() or (others != others[:1]).any():
        return  # targets are mixed: there is no order
    single, back = z[:, target], chain.inverse(z)[:, target]
    spread = ROUNDING * np.ptp(single)
    rises = single[-1] >= single[0]
    wrong = np.flatnonzero(np.diff(single) * (1.0 if rises else -1.0) < -spread)
    if len(wrong):
        first = wrong[0]
        raise ValueError(
            "the transformer of the target must be strictly monotone on the training targets, which "
            f"{chain.names} is not: it takes {values[0]:.6g}, {values[first]:.6g} and "
            f"{values[first + 1]:.6g} to {single[0]:.6g}, {single[first]:.6g} and {single[first + 1]:.6g}."
        )
    apart = np.abs(back - values) > 1e-3 * np.ptp(values)
    if apart.any() or np.isnan(back).any():
        first = int(np.argmax(apart | np.isnan(back)))
        raise ValueError(
            f"the transformer of the target must have an inverse that undoes it, which {chain.names} has "
            f"not: it takes {values[first]:.6g} to {single[first]:.6g}, and its inverse takes that to "
            f"{back[first]:.6g}."
        )


def _numbers(y: Any) -> Array | None:
    """Targets (n, D) as numbers; None for what the fit refuses."""
    try:
        values = np.array(y, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
        return None
    return values.reshape(len(values), -1)[:: -(-len(values) // MAX_ROWS)]
