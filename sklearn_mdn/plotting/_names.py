"""What the targets are called: names of a series or data frame, those of the fit, or those given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike

from sklearn_mdn._distributions.checks import check_index
from sklearn_mdn._distributions.unwrap import unwrap


def names_of(y: object) -> tuple[str, ...] | None:
    """The name of a series, or those of a data frame's columns; None where there are none, or not of all."""
    native = nw.from_native(y, pass_through=True, eager_only=True, allow_series=True)
    if isinstance(native, nw.Series):
        found: Sequence[object] = [native.name]
    elif isinstance(native, nw.DataFrame):
        found = native.columns
    else:
        return None
    names = tuple(name for name in found if isinstance(name, str) and name)
    return names if names and len(names) == len(found) else None


def fitted_names(estimator: object) -> tuple[str, ...] | None:
    """Names of the targets that a fitted estimator was given, also inside wrappers, if it keeps them."""
    names = getattr(unwrap(estimator).regressor, "target_names_", None)
    return None if names is None else tuple(str(name) for name in names)


def in_order(y: Any, names: Sequence[str] | None) -> Any:
    """The columns of a data frame with these names, in this order; what has no such names stays as it is."""
    frame = nw.from_native(y, pass_through=True, eager_only=True, allow_series=True)
    columns = names_of(y)
    if (
        names is None
        or columns is None
        or not isinstance(frame, nw.DataFrame)
        or not set(names) & set(columns)
    ):
        return y
    if not set(names) <= set(columns):
        raise ValueError(
            f"y must have the columns {', '.join(map(repr, names))}, got {', '.join(map(repr, columns))}."
        )
    return frame.select(*names).to_native()


def as_fitted(estimator: object, y: Any, target_names: ArrayLike | None) -> tuple[Any, ArrayLike | None]:
    """Observed targets in the order of the fit, and what they are called: as given, or else as in the fit."""
    fitted = fitted_names(estimator)
    return in_order(y, fitted), fitted if target_names is None else target_names


def check_names(target_names: ArrayLike | None, y: object, n_targets: int) -> tuple[str, ...] | None:
    """Names of all targets: those that are given, or else those of y."""
    if target_names is None:
        names = names_of(y)
        return names if names is not None and len(names) == n_targets else None
    given = np.atleast_1d(np.asarray(target_names, dtype=object)).tolist()
    if len(given) != n_targets or not all(isinstance(name, str) for name in given):
        raise ValueError(
            f"target_names must hold a name for each target, {n_targets} in all, got {target_names!r}."
        )
    return tuple(str(name) for name in given)


def target_index(
    target: object, n_targets: int, names: Sequence[str] | None, argument: str = "target"
) -> int:
    """Which target is meant by its name or index."""
    if isinstance(target, str):
        if names is not None and target in names:
            return list(names).index(target)
        known = (
            "the targets have no names: a data frame as y brings them, or target_names"
            if names is None
            else f"the targets are called {', '.join(map(repr, names))}"
        )
        raise ValueError(
            f"{argument} must be an integer from {-n_targets} to {n_targets - 1} or a name, got {target!r}; "
            f"{known}."
        )
    index: int = check_index(target, n_targets, argument)
    return index


def target_label(index: int, n_targets: int, names: Sequence[str] | None) -> str:
    """What a target is called on an axis or in a legend."""
    if names is not None:
        return names[index]
    return "y" if n_targets == 1 else f"target {index}"
