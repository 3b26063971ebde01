"""Scorers: objects that scikit-learn's searches and validation tools call with an estimator, X and y."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.metrics._scorer import _BaseScorer

from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn.metrics._scores import (
    DECILES,
    coverage_error,
    crps,
    energy_score,
    log_likelihood,
    pinball_loss,
)


class DensityScorer(_BaseScorer):
    """A score of predicted densities as ``scorer(estimator, X, y)``; greater is better.

    Made by :func:`make_density_scorer`, which says more.

    Examples
    --------
    >>> from sklearn_mdn.metrics import DensityScorer, log_likelihood_scorer
    >>> isinstance(log_likelihood_scorer, DensityScorer)
    True
    """

    def __init__(self, score_func: Callable[..., float], sign: int, kwargs: dict[str, Any]) -> None:
        # All regressors have ``predict``: by this name scikit-learn counts scorers that share a prediction.
        super().__init__(score_func, sign, kwargs, response_method="predict")

    def _score(
        self,
        method_caller: Callable[..., Any],
        estimator: Any,
        X: ArrayLike,
        y_true: ArrayLike,
        **kwargs: Any,
    ) -> float:
        self._warn_overlap("Parameters of the scorer are given again as metadata.", kwargs)
        density = method_caller(_DensityResponse(estimator), "predict_distribution", X)
        score: float = self._sign * self._score_func(y_true, density, **{**self._kwargs, **kwargs})
        return score

    @property
    def __name__(self) -> str:
        """What LearningCurveDisplay and ValidationCurveDisplay call the score, "neg_" for a loss."""
        return f"neg_{_name(self._score_func)}" if self._sign < 0 else _name(self._score_func)

    def __repr__(self) -> str:
        options = [f"{name}={value!r}" for name, value in self._kwargs.items()]
        options = ["greater_is_better=False"] * (self._sign < 0) + options
        return f"make_density_scorer({', '.join([_name(self._score_func), *options])})"


def _name(score_func: Callable[..., float]) -> str:
    """What a score is called; a partial function, or an object, has no name but what it prints."""
    name: str = getattr(score_func, "__name__", repr(score_func))
    return name


class _DensityResponse(BaseEstimator):
    """An estimator for scikit-learn's response cache: its one method goes through wrappers."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def predict_distribution(self, X: ArrayLike) -> PredictiveDistribution:
        return predict_distribution(self.estimator, X)


def make_density_scorer(
    score_func: Callable[..., float], *, greater_is_better: bool = True, **kwargs: Any
) -> DensityScorer:
    r"""Make a scorer from a score of predicted densities.

    Parameters
    ----------
    score_func : callable
        ``score_func(y_true, y_dist, **kwargs)`` that returns a number, such as the functions of
        :mod:`sklearn_mdn.metrics`. ``y_dist`` is a :class:`~sklearn_mdn.MixtureDistribution`, or for an
        estimator that transforms its target an object with the methods ``logpdf``, ``cdf`` and ``ppf``. With
        a parameter ``sample_weight`` it can be weighted.
    greater_is_better : bool, default=True
        False for a loss: the scorer then gives its negative.
    **kwargs : additional arguments
        Passed to ``score_func``, as in :func:`sklearn.metrics.make_scorer`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)``, for the parameter ``scoring`` of scikit-learn's
        searches and validation tools.

    Raises
    ------
    TypeError
        If ``score_func`` is not callable.

    Notes
    -----
    The scorer goes through the wrappers that :func:`~sklearn_mdn.look_inside` knows, and through
    :class:`~sklearn.compose.TransformedTargetRegressor`. Behind that the density of the target is that of the
    change of variables

    .. math:: p(y) = p_z(t(y))\, |\det(t'(y))|,

    with the derivative of scikit-learn's own transformers in closed form and that of others by differences.
    Scores that need more than the joint density and the distributions of single targets (the energy score
    of several targets, say) raise there. A transform whose values end where its training targets did, such
    as that of :class:`~sklearn.preprocessing.QuantileTransformer`, leaves no density beyond, so that the
    log-likelihood of a target there is minus infinity. Where the values of a transform have an end that a
    predicted density passes, the density is that given that z is a value of the transform.

    Several such scorers in one :func:`~sklearn.model_selection.cross_validate` or search share one
    prediction. As with scikit-learn's own scorers, ``set_score_request`` changes the object it is called
    on; call it on a ``copy.deepcopy`` of a scorer of this module to leave the original as it is.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mdn import MDNRegressor
    >>> from sklearn_mdn.metrics import coverage, make_density_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
    >>> scorer = make_density_scorer(coverage, confidence=0.5)
    >>> scorer
    make_density_scorer(coverage, confidence=0.5)
    >>> 0 < scorer(model, X, y) < 1
    True
    """
    if not callable(score_func):
        raise TypeError(f"score_func must be callable, got {score_func!r}.")
    return DensityScorer(score_func, 1 if greater_is_better else -1, kwargs)


def neg_pinball_scorer(levels: ArrayLike = DECILES) -> DensityScorer:
    """Scorer of the negative pinball loss at some levels.

    Parameters
    ----------
    levels : float or array-like of shape (Q,), default=(0.1, 0.2, ..., 0.9)
        Levels of the quantiles, as in :func:`pinball_loss`.

    Returns
    -------
    scorer : callable
        See :func:`make_density_scorer`.

    Examples
    --------
    >>> from sklearn_mdn.metrics import neg_pinball_scorer
    >>> neg_pinball_scorer([0.1, 0.9])
    make_density_scorer(pinball_loss, greater_is_better=False, levels=[0.1, 0.9])
    """
    return make_density_scorer(pinball_loss, greater_is_better=False, levels=levels)


def coverage_scorer(confidence: float = 0.9) -> DensityScorer:
    """Scorer of how near the coverage of the central intervals comes to what was asked for.

    It is ``-abs(coverage - confidence)``, at best zero, so that a search that maximises it does not choose
    the widest intervals. For the coverage itself: ``make_density_scorer(coverage, confidence=0.9)``.

    Parameters
    ----------
    confidence : float, default=0.9
        Probability inside the intervals, as in :func:`coverage`.

    Returns
    -------
    scorer : callable
        See :func:`make_density_scorer`.

    Examples
    --------
    >>> from sklearn_mdn.metrics import coverage_scorer
    >>> coverage_scorer(0.5)
    make_density_scorer(coverage_error, greater_is_better=False, confidence=0.5)
    """
    return make_density_scorer(coverage_error, greater_is_better=False, confidence=confidence)


log_likelihood_scorer = make_density_scorer(log_likelihood)
neg_crps_scorer = make_density_scorer(crps, greater_is_better=False)
neg_energy_scorer = make_density_scorer(energy_score, greater_is_better=False)
