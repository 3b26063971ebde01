"""DensityPool: fitted density regressors combined into one exact mixture."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.pipeline import _name_estimators
from sklearn.utils import Bunch, Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_mdn._distributions.checks import as_numbers
from sklearn_mdn._distributions.combined import pooled
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.stored_state import StoredEstimator
from sklearn_mdn._distributions.untrained import check_target_transformers
from sklearn_mdn._distributions.unwrap import fit_argument, predict_distribution, unwrap
from sklearn_mdn._estimators.density import DensityRegressorMixin
from sklearn_mdn._estimators.fit_context import fit_context


class DensityPool(DensityRegressorMixin, StoredEstimator):
    r"""Weighted pool of density regressors: their mixtures joined into one exact mixture.

    The pooled density is the linear opinion pool [1]_

    .. math:: p(y \mid x) = \sum_e w_e\, p_e(y \mid x),

    whose components are those of all estimators side by side.

    Parameters
    ----------
    estimators : list of estimators, or of pairs (str, estimator)
        Density regressors: :class:`MDNRegressor`, pipelines that end in one, other pools, or a
        :class:`GaussianDensity`. ``fit`` fits clones of them; wrap one in
        :class:`sklearn.frozen.FrozenEstimator` to keep it as it is. By its name an estimator, or a parameter
        of it, can be set as in :class:`sklearn.ensemble.VotingRegressor`, and ``"drop"`` in its place leaves
        it out; without names they are called as :func:`sklearn.pipeline.make_pipeline` calls its steps.
    weights : array-like of shape (n_estimators,), default=None
        Non-negative weights, scaled to sum to one. None weighs all alike. Those of dropped estimators do not
        count.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted estimators.
    named_estimators_ : Bunch
        The fitted estimators by name.
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

    __module__ = "sklearn_mdn"

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
        inner = [get_tags(each).input_tags for _, each in _named(self.estimators) if hasattr(each, "fit")]
        for name in ("allow_nan", "categorical", "string"):
            setattr(tags.input_tags, name, bool(inner) and all(getattr(each, name) for each in inner))
        return tags

    @classmethod
    def from_fitted(cls, estimators: list[Any], *, weights: ArrayLike | None = None) -> Self:
        """Pool estimators that are fitted already, as they are.

        Parameters
        ----------
        estimators : list of fitted estimators, or of pairs (str, fitted estimator)
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
        return new._adopt(_check_estimators(estimators))

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
            If there are no estimators, the weights do not fit them, or one of them puts a transformer before
            the target that is not monotone on y.
        TypeError
            If one of them is no estimator of densities, or a transformer of the target has no inverse.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import DensityPool, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> networks = [MDNRegressor(k, max_iter=5, random_state=0) for k in (1, 3)]
        >>> DensityPool(networks).fit(X, y).weights_
        array([0.5, 0.5])
        """
        named = _check_estimators(self.estimators)
        _check_weights(self.weights, named)
        for _, estimator in named:
            check_target_transformers(estimator, y)
        fitted = []
        for name, estimator in named:
            if isinstance(estimator, str):  # "drop"
                fitted.append((name, estimator))
                continue
            weights = (
                {} if sample_weight is None else {fit_argument(estimator, "sample_weight"): sample_weight}
            )
            fitted.append((name, clone(estimator).fit(X, y, **weights)))
        return self._adopt(fitted)

    def _adopt(self, named: list[tuple[str, Any]]) -> Self:
        """Keep fitted estimators and their weights, once all of them have been found fit for it."""
        weights = _check_weights(self.weights, named)
        kept = {name: estimator for name, estimator in named if not isinstance(estimator, str)}
        fitted = list(kept.values())
        for estimator in fitted:
            check_is_fitted(estimator)
            unwrap(estimator)
        # A pipeline for texts, say, has no number of features.
        widths = {each.n_features_in_ for each in fitted if hasattr(each, "n_features_in_")}
        if len(widths) > 1:
            raise ValueError(f"estimators must be fitted to the same features, got {sorted(widths)} of them.")
        names = getattr(fitted[0], "feature_names_in_", None)
        known = {"n_features_in_": next(iter(widths), None), "feature_names_in_": names}
        for name in known:
            self.__dict__.pop(name, None)  # what an earlier fit left
        self.__dict__.update({name: value for name, value in known.items() if value is not None})
        self.weights_, self.estimators_, self.named_estimators_ = weights, fitted, Bunch(**kept)
        return self

    def predict_distribution(self, X: ArrayLike) -> PredictiveDistribution:
        """Pooled conditional density of the target in each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        distribution : PredictiveDistribution
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
        self._check_fitted("estimators_", "weights_")
        parts = [predict_distribution(estimator, X) for estimator in self.estimators_]
        return pooled(parts, self.weights_)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the pool; with ``deep`` those of its estimators as well, by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether the estimators, and their parameters as ``name__parameter``, are among them.

        Returns
        -------
        params : dict
            By name.

        Examples
        --------
        >>> from sklearn_mdn import DensityPool, MDNRegressor
        >>> pool = DensityPool([("small", MDNRegressor(1)), ("large", MDNRegressor(9))])
        >>> pool.get_params()["large__n_components"]
        9
        """
        params: dict[str, Any] = super().get_params(deep=False)
        for name, estimator in _named(self.estimators) if deep else []:
            params[name] = estimator
            inner: dict[str, Any] = getattr(estimator, "get_params", dict)()
            params.update({f"{name}__{key}": value for key, value in inner.items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the pool, replace an estimator by its name, or set its parameters.

        Parameters
        ----------
        **params : dict
            As :meth:`get_params` names them. ``name="drop"`` leaves out an estimator that has a name.

        Returns
        -------
        self : DensityPool

        Examples
        --------
        >>> from sklearn_mdn import DensityPool, MDNRegressor
        >>> pool = DensityPool([("small", MDNRegressor(1)), ("large", MDNRegressor(9))])
        >>> pool = pool.set_params(small="drop", large__n_components=5)
        """
        if "estimators" in params:
            self.estimators = params.pop("estimators")
        names = [name for name, _ in _named(self.estimators)]
        replaced = {names.index(name): params.pop(name) for name in names if name in params}
        if replaced:
            given = [replaced.get(i, entry) for i, entry in enumerate(self.estimators)]
            if _have_names(self.estimators):
                given = [(names[i], entry) if i in replaced else entry for i, entry in enumerate(given)]
            self.estimators = given
        super().set_params(**params)
        return self


def _have_names(estimators: Any) -> bool:
    return isinstance(estimators, list) and any(isinstance(entry, tuple) for entry in estimators)


def _named(estimators: Any) -> list[tuple[str, Any]]:
    """Pairs of names and estimators, those that have one; others are called as make_pipeline would."""
    if not isinstance(estimators, list):
        return []
    if _have_names(estimators):
        return [entry for entry in estimators if isinstance(entry, tuple) and len(entry) == 2]
    named: list[tuple[str, Any]] = _name_estimators(estimators)
    return named


def _check_estimators(estimators: list[Any]) -> list[tuple[str, Any]]:
    """Estimators with their names, of which those that are dropped are "drop"."""
    named, own = _named(estimators), _have_names(estimators)
    if len(named) < len(estimators):
        raise TypeError(
            "estimators must be a list of estimators, or of pairs (name, estimator) throughout, got "
            f"{estimators!r}."
        )
    names = [name for name, _ in named]
    for name in names if own else []:
        if not isinstance(name, str) or "__" in name or name in ("estimators", "weights"):
            raise ValueError(
                "estimators must have names that are strings without '__', other than 'estimators' and "
                f"'weights', got {name!r}."
            )
    if len(set(names)) < len(names):
        raise ValueError(f"estimators must have different names, got {names!r}.")
    for _, estimator in named:
        dropped = own and isinstance(estimator, str) and estimator == "drop"
        if not dropped and (isinstance(estimator, type) or not hasattr(estimator, "fit")):
            raise TypeError(
                "estimators must be a list of estimators, or of pairs (name, estimator); "
                f"got {estimator!r} in it."
            )
    return named


def _check_weights(weights: ArrayLike | None, named: list[tuple[str, Any]]) -> NDArray[np.float64]:
    """Weights of the estimators that are not dropped, scaled to sum to one."""
    kept = np.array([not isinstance(estimator, str) for _, estimator in named], dtype=bool)
    if not kept.any():
        raise ValueError("estimators must hold at least one estimator, got none.")
    values = np.ones(len(kept)) if weights is None else as_numbers(weights, "weights").astype(np.float64)
    if values.shape != kept.shape or not np.all(np.isfinite(values)) or np.any(values < 0.0):
        raise ValueError(
            f"weights must be {len(kept)} non-negative numbers, one an estimator, got {weights!r}."
        )
    values = values[kept]
    if not values.sum() > 0.0:
        raise ValueError("weights must not all be zero.")
    shares: NDArray[np.float64] = values / values.sum()
    return shares
