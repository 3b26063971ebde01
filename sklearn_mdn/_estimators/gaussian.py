"""GaussianDensity: the density of regressors that predict a mean and a standard deviation."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.stored_state import StoredEstimator
from sklearn_mdn._distributions.unwrap import fit_argument
from sklearn_mdn._estimators.density import DensityRegressorMixin
from sklearn_mdn._estimators.fit_context import fit_context


class GaussianDensity(MetaEstimatorMixin, DensityRegressorMixin, StoredEstimator):
    r"""The normal density that a regressor with ``predict(X, return_std=True)`` stands for.

    .. math:: p(y \mid x) = N(y; \mu(x), \sigma(x)^2)

    :class:`~sklearn.linear_model.BayesianRidge`, :class:`~sklearn.linear_model.ARDRegression`,
    :class:`~sklearn.gaussian_process.GaussianProcessRegressor` and pipelines that end in one predict a mean
    and a standard deviation. Here they are regressors of densities, for scorers, displays and
    :class:`DensityPool`.

    Parameters
    ----------
    estimator : estimator
        A regressor whose ``predict`` takes ``return_std``. ``fit`` fits a clone of it; wrap it in
        :class:`sklearn.frozen.FrozenEstimator` to keep it as it is.

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
    The standard deviation is taken as that of an observation. Of a Gaussian process it is that of the
    function unless the kernel has a :class:`~sklearn.gaussian_process.kernels.WhiteKernel`: with ``alpha``
    alone, intervals are too narrow for observations, and have no width at all at training rows.

    Several targets are independent of each other once x is known.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import BayesianRidge
    >>> from sklearn_mdn import GaussianDensity
    >>> from sklearn_mdn.metrics import neg_crps_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GaussianDensity(BayesianRidge()).fit(X, y)
    >>> model.predict_distribution(X[:3])
    <MixtureDistribution: 3 rows, 1 component, 1-d target>
    >>> bool(neg_crps_scorer(model, X, y) > -32)
    True
    """

    __module__ = "sklearn_mdn"

    _parameter_constraints = {"estimator": [HasMethods(["fit", "predict"])]}

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        tags.regressor_tags.poor_score = True
        return tags

    @classmethod
    def from_fitted(cls, estimator: Any) -> Self:
        """The density of a regressor that is fitted already, as it is.

        Parameters
        ----------
        estimator : fitted estimator
            Its ``predict`` takes ``return_std``.

        Returns
        -------
        density : GaussianDensity
            Fitted.

        Raises
        ------
        TypeError
            If ``predict`` does not take ``return_std``.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import DensityPool, GaussianDensity, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> linear = GaussianDensity.from_fitted(BayesianRidge().fit(X, y))
        >>> network = MDNRegressor(2, max_iter=5, random_state=0).fit(X, y)
        >>> DensityPool.from_fitted([linear, network]).predict_distribution(X[:4])
        <MixtureDistribution: 4 rows, 3 components, 1-d target, 2 members>
        """
        new = cls(estimator)
        new._validate_params()
        _check_deviations(estimator)
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
        self : GaussianDensity
            The fitted estimator.

        Raises
        ------
        TypeError
            If ``predict`` of the estimator does not take ``return_std``.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> GaussianDensity(BayesianRidge()).fit(X, y).predict(X[:3], quantiles=[0.05, 0.95]).shape
        (3, 2)
        """
        _check_deviations(self.estimator)
        weights = (
            {} if sample_weight is None else {fit_argument(self.estimator, "sample_weight"): sample_weight}
        )
        return self._adopt(clone(self.estimator).fit(X, y, **weights))

    def predict_distribution(self, X: ArrayLike) -> MixtureDistribution:
        """Normal density of the target in each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        distribution : MixtureDistribution
            Of one component.

        Raises
        ------
        ValueError
            If a standard deviation is not positive.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> GaussianDensity(BayesianRidge()).fit(X, y).predict_distribution(X[:4])
        <MixtureDistribution: 4 rows, 1 component, 1-d target>
        """
        self._check_fitted("estimator_")
        mean, deviation = self.estimator_.predict(X, return_std=True)
        mean, deviation = np.asarray(mean, dtype=np.float64), np.asarray(deviation, dtype=np.float64)
        if mean.shape != deviation.shape:
            raise ValueError(
                f"estimator must predict means and standard deviations of one shape, got {mean.shape} and "
                f"{deviation.shape} of {type(self.estimator_).__name__}."
            )
        if not (deviation > 0).all():
            row = int(np.argwhere(~(deviation > 0))[0][0])
            raise ValueError(
                f"estimator must predict positive standard deviations, got {deviation[row]} in row {row} "
                f"of {type(self.estimator_).__name__}. A Gaussian process whose kernel has a WhiteKernel "
                "predicts that of an observation."
            )
        return MixtureDistribution(
            np.ones((len(mean), 1)), mean[:, None], deviation[:, None] ** 2, covariance_type="diag"
        )

    def _adopt(self, fitted: Any) -> Self:
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)  # what an earlier fit left
            if hasattr(fitted, name):
                setattr(self, name, getattr(fitted, name))
        self.estimator_ = fitted
        return self


def _check_deviations(estimator: Any) -> None:
    """Refuse an estimator whose ``predict`` cannot take ``return_std``."""
    kinds = {p.name: p.kind for p in inspect.signature(estimator.predict).parameters.values()}
    if "return_std" not in kinds and inspect.Parameter.VAR_KEYWORD not in kinds.values():
        raise TypeError(
            f"estimator must predict standard deviations: predict of {type(estimator).__name__} takes no "
            "return_std."
        )
