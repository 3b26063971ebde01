"""DensityPool: fitted density regressors combined into one exact mixture."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.unwrap import predict_distribution, untransformed, weight_argument
from sklearn_mdn._estimators.density import DensityRegressorMixin
from sklearn_mdn._estimators.fit_context import fit_context
from sklearn_mdn._mixtures.mixture import pool


class DensityPool(DensityRegressorMixin, BaseEstimator):
    r"""Weighted pool of density regressors: their mixtures joined into one exact mixture.

    The pooled density is the linear opinion pool [1]_

    .. math:: p(y \mid x) = \sum_e w_e\, p_e(y \mid x),

    whose components are those of all estimators side by side.

    Parameters
    ----------
    estimators : list of estimators
        Density regressors: :class:`MDNRegressor`, pipelines that end in one, or other pools. ``fit`` fits
        clones of them; wrap one in :class:`sklearn.frozen.FrozenEstimator` to keep it as it is.
    weights : array-like of shape (n_estimators,), default=None
        Non-negative weights, scaled to sum to one. None weighs all alike.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted estimators.
    weights_ : ndarray of shape (n_estimators,)
        Their weights, which sum to one.
    n_features_in_ : int
        Features seen in ``fit``, where the estimators know.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where the first of the estimators has them.

    References
    ----------
    .. [1] M. Stone, "The opinion pool", Annals of Mathematical Statistics 32, 1961.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mdn import DensityPool, MDNRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> small = MDNRegressor(1, max_iter=5, random_state=0).fit(X, y)
    >>> large = MDNRegressor(5, max_iter=5, random_state=0).fit(X, y)
    >>> pool = DensityPool.from_fitted([small, large], weights=[1, 3])
    >>> pool.predict_proba(X[:4]).shape
    (4, 6)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimators": [list],
        "weights": ["array-like", None],
    }

    estimators_: list[Any]
    weights_: NDArray[np.float64]

    def __init__(self, estimators: list[Any], *, weights: ArrayLike | None = None) -> None:
        self.estimators = estimators
        self.weights = weights

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        inner = [get_tags(estimator).input_tags for estimator in self.estimators]
        for name in ("allow_nan", "categorical", "string"):
            setattr(tags.input_tags, name, bool(inner) and all(getattr(each, name) for each in inner))
        return tags

    @classmethod
    def from_fitted(cls, estimators: list[Any], *, weights: ArrayLike | None = None) -> Self:
        """Pool estimators that are fitted already, as they are.

        Parameters
        ----------
        estimators : list of fitted estimators
            All fitted to a target of the same shape.
        weights : array-like of shape (n_estimators,), default=None
            Non-negative weights, scaled to sum to one. None weighs all alike.

        Returns
        -------
        pool : DensityPool
            Fitted.

        Raises
        ------
        ValueError
            If there are no estimators, they were fitted to different numbers of features, or the weights do
            not fit them.
        TypeError
            If one of them is no estimator of densities.
        sklearn.exceptions.NotFittedError
            If one of them is not fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import DensityPool, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> networks = [MDNRegressor(max_iter=5, random_state=seed).fit(X, y) for seed in (0, 1)]
        >>> DensityPool.from_fitted(networks, weights=[3, 1]).weights_
        array([0.75, 0.25])
        """
        new = cls(estimators, weights=weights)
        new._validate_params()
        _check_estimators(estimators)
        return new._adopt(list(estimators))

    # The estimators decide what they are fitted with.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit a clone of each estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. All estimators must be able to take them; pipelines hand them to their last
            step (with metadata routing enabled, to whatever step asks for them).

        Returns
        -------
        self : DensityPool
            The fitted pool.

        Raises
        ------
        ValueError
            If there are no estimators, or the weights do not fit them.
        TypeError
            If one of them is no estimator of densities.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import DensityPool, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> networks = [MDNRegressor(n_components, max_iter=5, random_state=0) for n_components in (1, 3)]
        >>> DensityPool(networks).fit(X, y).weights_
        array([0.5, 0.5])
        """
        _check_estimators(self.estimators)
        _check_weights(self.weights, len(self.estimators))
        fitted = []
        for estimator in self.estimators:
            weights = {} if sample_weight is None else {weight_argument(estimator): sample_weight}
            fitted.append(clone(estimator).fit(X, y, **weights))
        return self._adopt(fitted)

    def _adopt(self, fitted: list[Any]) -> Self:
        """Keep fitted estimators and their weights, once all of them have been found fit for it."""
        weights = _check_weights(self.weights, len(fitted))
        for estimator in fitted:
            check_is_fitted(estimator)
            untransformed(estimator)
        # A pipeline for texts, say, has no number of features.
        widths = {each.n_features_in_ for each in fitted if hasattr(each, "n_features_in_")}
        if len(widths) > 1:
            raise ValueError(f"estimators must be fitted to the same features, got {sorted(widths)} of them.")
        names = getattr(fitted[0], "feature_names_in_", None)
        known = {"n_features_in_": next(iter(widths), None), "feature_names_in_": names}
        for name in known:
            self.__dict__.pop(name, None)  # what an earlier fit left
        self.__dict__.update({name: value for name, value in known.items() if value is not None})
        self.weights_, self.estimators_ = weights, fitted
        return self

    def predict_distribution(self, X: ArrayLike) -> MixtureDistribution:
        """Pooled conditional density of the target in each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        distribution : MixtureDistribution
            The weighted mixture of the estimators' mixtures; its ``members()`` are theirs.

        Raises
        ------
        ValueError
            If the estimators were fitted to targets of different shapes.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import DensityPool, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> pool = DensityPool([MDNRegressor(n, max_iter=5, random_state=0) for n in (1, 3)]).fit(X, y)
        >>> pool.predict_distribution(X[:4])
        <MixtureDistribution: 4 rows, 4 components, 1-d target, 2 members>
        """
        check_is_fitted(self)
        parts = [predict_distribution(estimator, X) for estimator in self.estimators_]
        shapes = {part.mean().shape for part in parts}
        if len(shapes) > 1:
            raise ValueError(f"estimators must predict targets of one shape, got {sorted(shapes)}.")
        with np.errstate(divide="ignore"):
            log_weights = torch.from_numpy(np.log(self.weights_))
        return MixtureDistribution._from_mixture(
            pool([part._mixture for part in parts], log_weights),
            one_dimensional=parts[0]._one_dimensional,
            member_sizes=[size for part in parts for size in part._member_sizes],
        )


def _check_estimators(estimators: list[Any]) -> None:
    """Refuse what cannot be fitted, such as the pairs (name, estimator) that other ensembles take."""
    for estimator in estimators:
        if isinstance(estimator, type) or not hasattr(estimator, "fit"):
            raise TypeError(
                f"estimators must be a list of estimators, without names; got {estimator!r} in it."
            )


def _check_weights(weights: ArrayLike | None, n_estimators: int) -> NDArray[np.float64]:
    """Weights of the estimators, scaled to sum to one."""
    if not n_estimators:
        raise ValueError("estimators must hold at least one estimator, got none.")
    values = np.ones(n_estimators) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.shape != (n_estimators,) or not np.all(np.isfinite(values)) or np.any(values < 0.0):
        raise ValueError(
            f"weights must be {n_estimators} non-negative numbers, one an estimator, got {weights!r}."
        )
    if not values.sum() > 0.0:
        raise ValueError("weights must not all be zero.")
    shares: NDArray[np.float64] = values / values.sum()
    return shares
