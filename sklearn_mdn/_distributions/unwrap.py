"""From the estimators that scikit-learn wraps around a regressor down to the one that predicts densities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sklearn import get_config
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import check_is_fitted

from sklearn_mdn._distributions.mixture import MixtureDistribution


class PredictsDistribution(ABC):
    """An estimator that predicts conditional densities: any class that defines ``predict_distribution``.

    As with the classes in :mod:`collections.abc`, the method makes the instance; nothing needs to inherit.
    """

    @abstractmethod
    def predict_distribution(self, X) -> MixtureDistribution:
        """Conditional density of the target in each row of X."""

    @classmethod
    def __subclasshook__(cls, subclass):
        defined = any("predict_distribution" in base.__dict__ for base in subclass.__mro__)
        return True if cls is PredictsDistribution and defined else NotImplemented


@dataclass(frozen=True)
class Unwrapped:
    """What is left when every wrapper has done its part.

    Parameters
    ----------
    regressor : PredictsDistribution
        The fitted estimator at the core.
    X : array-like
        The rows as this estimator sees them.
    target_transformers : tuple of fitted transformers
        What was done to the target before the estimator saw it, in this order.
    """

    regressor: PredictsDistribution
    X: object
    target_transformers: tuple


def unwrap(estimator, X=None) -> Unwrapped:
    """The density regressor inside fitted wrappers, and its view of the rows of X where there are any."""
    outermost, target_transformers = estimator, []
    while True:
        # The wrapper goes first: a class that inherits from one knows what is inside as well as it does.
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, BaseSearchCV):
            estimator = _best_estimator(estimator)
        elif isinstance(estimator, Pipeline):
            check_is_fitted(estimator)
            for _, step in estimator.steps[:-1]:
                X = X if X is None or step in (None, "passthrough") else step.transform(X)
            estimator = estimator.steps[-1][1]
        elif isinstance(estimator, TransformedTargetRegressor):
            check_is_fitted(estimator)
            target_transformers.append(estimator.transformer_)
            estimator = estimator.regressor_
        elif isinstance(estimator, PredictsDistribution):
            return Unwrapped(estimator, X, tuple(target_transformers))
        else:
            inside = "" if estimator is outermost else f" inside {type(outermost).__name__}"
            raise TypeError(
                f"estimator must predict densities: {type(estimator).__name__}{inside} has no "
                "predict_distribution. Pipeline, GridSearchCV and other searches, FrozenEstimator and "
                "TransformedTargetRegressor are looked into."
            )


def _best_estimator(search: BaseSearchCV):
    """The estimator that a search has refitted."""
    if not search.refit:
        raise ValueError(
            f"estimator must be able to predict, but {type(search).__name__} was given refit=False "
            "and keeps no fitted estimator."
        )
    check_is_fitted(search)
    return search.best_estimator_


def weight_argument(estimator) -> str:
    """What the weights of the rows are called in ``fit``.

    Pipelines want the name of the step before it; where metadata are routed, the alias under which the
    innermost estimator asks for them.
    """
    prefix, inner = "", estimator
    while isinstance(inner, (BaseSearchCV, Pipeline)):
        if isinstance(inner, Pipeline):
            name, inner = inner.steps[-1]
            prefix += f"{name}__"
        else:
            inner = inner.estimator
    if not get_config()["enable_metadata_routing"]:
        return f"{prefix}sample_weight"
    routing = None if inner is estimator else inner.get_metadata_routing()
    alias = routing.fit.requests.get("sample_weight") if isinstance(routing, MetadataRequest) else None
    return alias if isinstance(alias, str) else "sample_weight"


def untransformed(estimator, X=None) -> Unwrapped:
    """What ``unwrap`` finds, if the regressor saw the target as it is."""
    unwrapped = unwrap(estimator, X)
    if unwrapped.target_transformers:
        raise TypeError(
            f"estimator must not transform its target: the density behind a TransformedTargetRegressor "
            f"({type(unwrapped.target_transformers[0]).__name__}) is no Gaussian mixture. Judge it by "
            "sklearn_mdn.metrics.log_likelihood_scorer, neg_crps_scorer, neg_pinball_scorer or "
            "coverage_scorer, which follow the transform."
        )
    return unwrapped


def predict_distribution(estimator, X) -> MixtureDistribution:
    """Conditional densities predicted by a fitted estimator, also from inside scikit-learn's wrappers.

    A pipeline or a search forwards only scikit-learn's own method names. This function goes through them: the
    steps of a :class:`~sklearn.pipeline.Pipeline` transform X on the way, a search such as
    :class:`~sklearn.model_selection.GridSearchCV` leads to its best estimator, and a
    :class:`~sklearn.frozen.FrozenEstimator` to the estimator it keeps.

    Parameters
    ----------
    estimator : estimator
        Fitted. A regressor with a method ``predict_distribution``, or wrappers around one.
    X : array-like of shape (n_samples, n_features)
        Rows to predict, as the outermost estimator was fitted with.

    Returns
    -------
    distribution : MixtureDistribution
        One mixture a row, in the units of the target.

    Raises
    ------
    TypeError
        If there is no density regressor inside, or a
        :class:`~sklearn.compose.TransformedTargetRegressor` is: a transformed target has no Gaussian
        mixture as its density. The scorers of :mod:`sklearn_mdn.metrics` judge such an estimator.
    ValueError
        If a search kept no fitted estimator (``refit=False``).
    sklearn.exceptions.NotFittedError
        If an estimator on the way is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_mdn import MDNRegressor, predict_distribution
    >>> X, y = load_diabetes(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), MDNRegressor(max_iter=5, random_state=0)).fit(X, y)
    >>> distribution = predict_distribution(pipeline, X[:4])
    >>> len(distribution)
    4
    """
    core = untransformed(estimator, X)
    return core.regressor.predict_distribution(core.X)
