"""Out-of-fold densities of every row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, check_cv, cross_validate
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.untrained import check_target_transformers
from sklearn_mdn._distributions.unwrap import predict_distribution


def cross_val_predict_distribution(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cv: int | BaseCrossValidator | Iterable[tuple[ArrayLike, ArrayLike]] | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: Mapping[str, Any] | None = None,
    pre_dispatch: int | str = "2*n_jobs",
) -> PredictiveDistribution:
    """Predict the density of each row by an estimator that was fitted without its fold.

    What :func:`sklearn.model_selection.cross_val_predict` does for numbers. Calibration is judged on it, with
    :func:`pit_values`, :func:`distribution_report` or a display.

    Parameters
    ----------
    estimator : estimator
        What to fit: a regressor with a method ``predict_distribution``, or a pipeline or search around one.
    X : array-like of shape (n, n_features)
        Rows.
    y : array-like of shape (n,) or (n, D)
        Targets.
    groups : array-like of shape (n,), default=None
        Groups of the rows, for splitters that keep them together. With metadata routing enabled they are
        given in ``params``.
    cv : int, cross-validation generator or iterable, default=None
        Splits, as in :func:`sklearn.model_selection.cross_val_predict`: each row in exactly one test fold.
        None means five folds.
    n_jobs : int, default=None
        Fits at a time.
    verbose : int, default=0
        Verbosity of the parallel run.
    params : dict, default=None
        What to pass to ``fit`` (entries of n rows, such as ``sample_weight``, are split too) and, with
        metadata routing enabled, to the splitter.
    pre_dispatch : int or str, default="2*n_jobs"
        Fits dispatched ahead.

    Returns
    -------
    distribution : PredictiveDistribution
        One a row, in the order of X.

    Raises
    ------
    ValueError
        If the test folds are no partition of the rows.
    TypeError
        If the estimator predicts no densities, or transforms its target.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mdn import MDNRegressor
    >>> from sklearn_mdn.metrics import coverage, cross_val_predict_distribution
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = MDNRegressor(max_iter=5, random_state=0)
    >>> distribution = cross_val_predict_distribution(network, X, y, cv=3)
    >>> 0.8 < coverage(y, distribution, confidence=0.9) <= 1
    True
    """
    X, y = indexable(X, y)
    check_target_transformers(estimator, y)
    fitted = cross_validate(
        estimator,
        X,
        y,
        groups=groups,
        scoring=_no_score,
        cv=_Partition(check_cv(cv, y)),
        n_jobs=n_jobs,
        verbose=verbose,
        params=params,
        pre_dispatch=pre_dispatch,
        return_estimator=True,
        return_indices=True,
        error_score="raise",
    )
    folds = fitted["indices"]["test"]
    parts = [
        predict_distribution(model, _safe_indexing(X, fold))
        for model, fold in zip(fitted["estimator"], folds, strict=True)
    ]
    return PredictiveDistribution.concatenate(parts)[np.argsort(np.concatenate(folds))]


def _no_score(estimator: object, X: object, y: object) -> float:
    return 0.0


class _Partition:
    """A splitter whose test folds are checked, before anything is fitted, to hold each row once."""

    def __init__(self, cv: Any) -> None:
        self.cv = cv

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        n_splits: int = self.cv.get_n_splits(X, y, groups)
        return n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        splits = list(self.cv.split(X, y, groups))
        rows = np.sort(np.concatenate([test for _, test in splits]))
        if not np.array_equal(rows, np.arange(_num_samples(X))):
            raise ValueError(f"cv must put each row into exactly one test fold, which {self.cv!r} does not.")
        return splits

    def get_metadata_routing(self) -> Any:
        return self.cv.get_metadata_routing()
