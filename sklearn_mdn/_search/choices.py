"""The arguments of a search that are known to be right only once they are used, refused by their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils.validation import _num_samples

from sklearn_mdn._estimators.arguments import naming

Split = tuple[NDArray[np.intp], NDArray[np.intp]]


def candidates_of(param_grid: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Mappings from names of parameters to values, at least one."""
    with naming("param_grid"):
        is_grid = isinstance(param_grid, (Mapping, list, tuple))
        candidates = list(ParameterGrid(param_grid) if is_grid else param_grid)
    for candidate in candidates:
        if not isinstance(candidate, Mapping) or not all(isinstance(name, str) for name in candidate):
            raise TypeError(
                "param_grid must be a dict of lists, a list of such dicts, or candidates that map names of "
                f"parameters to values, got {candidate!r} as a candidate."
            )
    if not candidates:
        raise ValueError(f"param_grid must have at least one candidate, got {param_grid!r}.")
    return candidates


def check_scoring(scoring: Any) -> None:
    """Refuse callables that cannot be called as scorers are, before anything is trained for them."""
    scorers = {"": scoring} if not isinstance(scoring, Mapping) else scoring
    for name, scorer in scorers.items():
        if not callable(scorer):
            continue
        try:
            inspect.signature(scorer).bind(None, None, None)
        except ValueError:  # of some builtins there is none
            continue
        except TypeError as error:
            raise TypeError(
                "scoring must be called as scorer(estimator, X, y) is, which "
                f"{scorer!r}{f' of {name!r}' * bool(name)} cannot be ({error}). Of scores of densities "
                "sklearn_mdn.metrics.make_density_scorer makes scorers, of scores of predictions "
                "sklearn.metrics.make_scorer does."
            ) from None


def splits_of(cv: Any, X: ArrayLike, y: ArrayLike, split_params: dict[str, Any]) -> list[Split]:
    """The pairs of training and test rows of a splitter, at least one."""
    if isinstance(cv, Iterable) and not isinstance(cv, str):
        cv = list(cv)
        _check_pairs(cv)
    with naming("cv"):
        splitter = check_cv(cv, y, classifier=False)
        n_splits = splitter.get_n_splits(X, y, **split_params)
        splits = list(splitter.split(X, y, **split_params))
    if len(splits) != n_splits:
        raise ValueError(
            "cv.split and cv.get_n_splits return inconsistent results. "
            f"Expected {n_splits} splits, got {len(splits)}"
        )
    if not splits:
        raise ValueError(f"cv must have at least one split, got {cv!r}.")
    _check_pairs(splits)
    n_rows = _num_samples(X)
    for split in splits:
        for part in split:
            rows = np.asarray(part)
            if rows.dtype.kind in "iu" and rows.size and not -n_rows <= rows.min() <= rows.max() < n_rows:
                raise ValueError(
                    f"cv must give rows from 0 to {n_rows - 1}, got rows from {rows.min()} to {rows.max()}."
                )
    return splits


def _check_pairs(splits: list[Any]) -> None:
    for split in splits:
        if not isinstance(split, (Sequence, np.ndarray)) or isinstance(split, str) or len(split) != 2:
            raise ValueError(f"cv must give pairs (training rows, test rows), got {split!r}.")


def chosen_by(refit: Callable[[dict[str, Any]], Any], results: dict[str, Any]) -> int:
    """The candidate that a callable chooses."""
    index, n_candidates = refit(results), len(results["params"])
    if not isinstance(index, Integral):
        raise TypeError(f"refit must return the index of a candidate, an integer, got {index!r}.")
    if not 0 <= int(index) < n_candidates:
        raise ValueError(f"refit must return the index of a candidate, 0 to {n_candidates - 1}, got {index}.")
    return int(index)
