"""DensityFunctional: one number of the predicted density, as what a regressor predicts."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from sklearn_mdn._distributions.stored_state import StoredEstimator
from sklearn_mdn._distributions.untrained import check_target_transformers
from sklearn_mdn._distributions.unwrap import fit_argument, predict_distribution, unwrap
from sklearn_mdn._estimators.fit_context import fit_context

Array = NDArray[np.float64]

# What a name stands for.
FUNCTIONALS: dict[str, Callable[[Any], Array]] = {
    "mean": lambda dist: dist.mean(),
    "median": lambda dist: dist.median(),
    "mode": lambda dist: dist.mode(),
    "std": lambda dist: dist.std(),
    "var": lambda dist: dist.var(),
    "entropy": lambda dist: dist.entropy(),
    "aleatoric_std": lambda dist: np.sqrt(dist.variance_split()[0]),
    "epistemic_std": lambda dist: np.sqrt(dist.variance_split()[1]),
}


class DensityFunctional(MetaEstimatorMixin, RegressorMixin, StoredEstimator):
    """A regressor that predicts one number of a predicted density: its spread, a quantile, a probability.

    Whatever knows ``predict`` can then look at it: :func:`~sklearn.inspection.permutation_importance`,
    :class:`~sklearn.inspection.PartialDependenceDisplay` and tools of other projects explain by which
    features the uncertainty of a prediction goes.

    Parameters
    ----------
    estimator : estimator
        Predicts densities, also from inside scikit-learn's wrappers. ``fit`` fits a clone of it; wrap it in
        :class:`sklearn.frozen.FrozenEstimator` to keep it as it is.
    functional : str, float, tuple or callable, default="std"
        What to predict: "mean", "median", "mode", "std", "var", "entropy", "aleatoric_std" and
        "epistemic_std" (deviations within and between the members of an ensemble); a level inside (0, 1) for
        its quantile; ``("prob", a, b)`` for the probability of ``a < y <= b``; or a function of the predicted
        distribution that gives one number a row.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    n_features_in_ : int
        Features seen in ``fit``, where the estimator knows.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where the estimator has them.

    Notes
    -----
    ``score`` is R². Of a functional other than a location it says nothing against observed targets; against
    ``predict(X)`` itself it starts from 1, and what is lost of that when a feature is permuted is how much
    the functional hangs on it.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.inspection import permutation_importance
    >>> from sklearn_mdn import DensityFunctional, MDNRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> spread = DensityFunctional(MDNRegressor(max_iter=5, random_state=0), "std").fit(X, y)
    >>> spread.predict(X[:3]).shape
    (3,)
    >>> permutation_importance(spread, X, spread.predict(X), n_repeats=2).importances_mean.shape
    (10,)
    """

    __module__ = "sklearn_mdn"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "functional": [str, Real, tuple, list, callable],
    }

    # scikit-learn asks the tags; tools that are older than those (yellowbrick, say) ask for this.
    _estimator_type = "regressor"

    def __init__(self, estimator: Any, functional: Any = "std") -> None:
        self.estimator = estimator
        self.functional = functional

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        tags.regressor_tags.poor_score = True
        return tags

    @classmethod
    def from_fitted(cls, estimator: Any, functional: Any = "std") -> Self:
        """The functional of an estimator that is fitted already, as it is.

        Parameters
        ----------
        estimator : fitted estimator
            Predicts densities.
        functional : str, float, tuple or callable, default="std"
            As in the class.

        Returns
        -------
        functional : DensityFunctional
            Fitted.

        Raises
        ------
        TypeError
            If the estimator predicts no densities.
        ValueError
            If ``functional`` is none.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import DensityFunctional, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> DensityFunctional.from_fitted(model, 0.9).predict(X[:3]).shape
        (3,)
        """
        new = cls(estimator, functional)
        new._validate_params()
        as_functional(functional)
        check_is_fitted(estimator)
        return new._adopt(estimator)

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit a clone of the estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for an estimator that takes them.

        Returns
        -------
        self : DensityFunctional
            The fitted regressor.

        Raises
        ------
        TypeError
            If the estimator predicts no densities.
        ValueError
            If ``functional`` is none.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import DensityFunctional, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> network = MDNRegressor(max_iter=5, random_state=0)
        >>> risk = DensityFunctional(network, ("prob", 200, float("inf")))
        >>> bool((risk.fit(X, y).predict(X) <= 1).all())
        True
        """
        as_functional(self.functional)
        check_target_transformers(self.estimator, y)
        weights = (
            {} if sample_weight is None else {fit_argument(self.estimator, "sample_weight"): sample_weight}
        )
        return self._adopt(clone(self.estimator).fit(X, y, **weights))

    def predict(self, X: ArrayLike) -> Array:
        """The functional of the predicted density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        value : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            One number a row, or one for each of several targets.

        Raises
        ------
        ValueError
            If a function does not give an array with a number for each row.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import DensityFunctional, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> widths = DensityFunctional(
        ...     MDNRegressor(max_iter=5, random_state=0), lambda dist: dist.ppf(0.95) - dist.ppf(0.05)
        ... )
        >>> widths.fit(X, y).predict(X[:3]).shape
        (3,)
        """
        self._check_fitted("estimator_")
        dist = predict_distribution(self.estimator_, X)
        value = np.asarray(as_functional(self.functional)(dist))
        if value.ndim not in (1, 2) or len(value) != len(dist) or value.dtype.kind not in "fiub":
            raise ValueError(
                f"functional must give a number for each of the {len(dist)} rows, got an array of shape "
                f"{value.shape} and {value.dtype}."
            )
        return value.astype(np.float64)

    def _adopt(self, fitted: Any) -> Self:
        unwrap(fitted)  # which says what is wrong with an estimator without densities
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)  # what an earlier fit left
            if hasattr(fitted, name):
                setattr(self, name, getattr(fitted, name))
        self.estimator_ = fitted
        return self


def as_functional(given: Any) -> Callable[[Any], Any]:
    """The function of a distribution that a name, a level, an interval or a callable stands for."""
    if isinstance(given, str):
        if given in FUNCTIONALS:
            return FUNCTIONALS[given]
    elif callable(given):
        function: Callable[[Any], Any] = given
        return function
    elif isinstance(given, Real) and not isinstance(given, bool):
        if 0.0 < float(given) < 1.0:
            return lambda dist: dist.ppf(float(given))
    elif isinstance(given, (tuple, list)) and len(given) == 3 and given[0] == "prob":
        ends: Any = given[1:]
        if all(isinstance(end, Real) and not isinstance(end, bool) for end in ends) and ends[0] < ends[1]:
            return lambda dist: dist.prob(float(ends[0]), float(ends[1]))
        raise ValueError(
            f'functional ("prob", a, b) must have numbers a below b, infinities included, got {given!r}.'
        )
    raise ValueError(
        f"functional must be one of {', '.join(map(repr, FUNCTIONALS))}, a level inside (0, 1), "
        f'("prob", a, b) or a function of the predicted distribution, got {given!r}.'
    )
