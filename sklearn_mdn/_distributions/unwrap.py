"""From the estimators that are wrapped around a regressor down to the one that predicts densities."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import AdaBoostRegressor, BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_mdn._distributions.combined import joint, pooled
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.stored_state import check_complete
from sklearn_mdn._distributions.transformed import transformed

# A guess about a wrapper is checked on so many rows, to this part of the size of its predictions.
GUESS_ROWS, GUESS_TOLERANCE = 8, 1e-5


class PredictsDistribution(ABC):
    """An estimator that predicts conditional densities: any class that defines ``predict_distribution``.

    As with the classes in :mod:`collections.abc`, the method makes the instance; nothing needs to inherit.
    """

    @abstractmethod
    def predict_distribution(self, X: Any) -> PredictiveDistribution:
        """Conditional density of the target in each row of X."""

    @classmethod
    def __subclasshook__(cls, subclass: type) -> bool:
        defined = any("predict_distribution" in base.__dict__ for base in subclass.__mro__)
        return True if cls is PredictsDistribution and defined else NotImplemented


@dataclass(frozen=True)
class Inside:
    """What is inside a fitted wrapper, one step in.

    What :func:`look_inside` answers, and what a rule for a wrapper of your own returns.

    Parameters
    ----------
    estimator : estimator
        The fitted estimator that the wrapper hands its rows to; another wrapper, or one with a method
        ``predict_distribution``.
    X : array-like or None
        The rows as this estimator sees them; None where there are none.
    target_transformer : fitted transformer, default=None
        What the wrapper did to the target before this estimator saw it.

    Examples
    --------
    >>> from sklearn_mdn import Inside, MDNRegressor
    >>> Inside(MDNRegressor()).target_transformer is None
    True
    """

    __module__ = "sklearn_mdn"

    estimator: Any
    X: Any = None
    target_transformer: Any = None


class NothingInsideError(TypeError):
    """A wrapper in which no estimator was found."""


@singledispatch
def look_inside(estimator: Any, X: Any = None) -> Inside:
    """Look into a fitted wrapper: the estimator that it hands its rows to, and those rows.

    :func:`predict_distribution`, the scorers, the displays and :class:`DensityPool` follow these steps to the
    estimator that predicts densities. scikit-learn's wrappers have a rule each. Others are known by
    what they hold: the ``best_estimator_`` of a search, a ``final_estimator_``, ``estimators_`` (a list is a
    pool with equal weights), an ``estimator_``, or an ``estimator`` that is fitted itself; a
    :class:`~sklearn.base.TransformerMixin` transforms X on the way. Such a guess must prove itself: on the
    first rows of X the wrapper must predict what was found inside predicts.

    It is a :func:`functools.singledispatch` function: ``look_inside.register`` adds a rule for a class of
    wrappers, and of its subclasses.

    Parameters
    ----------
    estimator : estimator
        A fitted wrapper.
    X : array-like, default=None
        Rows as the wrapper takes them. None where only the estimator is asked for.

    Returns
    -------
    inside : Inside
        What is one step further in.

    Raises
    ------
    TypeError
        If there is no estimator inside, or what is inside does not predict as the wrapper does.
    ValueError
        If a search kept no fitted estimator (``refit=False``).
    sklearn.exceptions.NotFittedError
        If the wrapper is not fitted.

    Examples
    --------
    A wrapper that takes the logarithm of its rows, and a rule for it:

    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, RegressorMixin, clone
    >>> from sklearn_mdn import Inside, MDNRegressor, look_inside, predict_distribution
    >>> class OnLogarithms(RegressorMixin, BaseEstimator):
    ...     def __init__(self, model):
    ...         self.model = model
    ...
    ...     def fit(self, X, y):
    ...         self.model_ = clone(self.model).fit(np.log(X), y)
    ...         return self
    ...
    ...     def predict(self, X):
    ...         return self.model_.predict(np.log(X))
    >>> @look_inside.register(OnLogarithms)
    ... def _(estimator, X=None):
    ...     return Inside(estimator.model_, X if X is None else np.log(X))
    >>> X = np.random.default_rng(0).uniform(1, 2, size=(50, 2))
    >>> model = OnLogarithms(MDNRegressor(max_iter=5, random_state=0)).fit(X, X[:, 0])
    >>> predict_distribution(model, X)
    <MixtureDistribution: 50 rows, 5 components, 1-d target>
    """
    if getattr(estimator, "refit", True) is False and not hasattr(estimator, "best_estimator_"):
        raise _kept_nothing(estimator)
    for attribute, step in GUESSES.items():
        held = getattr(estimator, attribute, None)
        if held is not None and callable(getattr(estimator, "predict", None)):
            found = step(estimator, held, X)
            if X is not None:
                _check_guess(estimator, X, found)
            return found
    raise NothingInsideError(f"{type(estimator).__name__} has no predict_distribution")


GUESS = look_inside.dispatch(object)  # what answers for every class without a rule


def _transformed(wrapper: Any, held: Any, X: Any) -> Inside:
    """Into an estimator that sees what the wrapper makes of the rows, where it makes something of them."""
    changes = X is not None and isinstance(wrapper, TransformerMixin)
    return Inside(held, wrapper.transform(X) if changes else X)


def _several(wrapper: Any, held: Any, X: Any) -> Inside:
    if not isinstance(held, list):
        raise NothingInsideError(
            f"{type(wrapper).__name__} keeps its estimators_ as {type(held).__name__}, not as a list"
        )
    return Inside(PooledEstimators(held), X)


def _itself_fitted(wrapper: Any, held: Any, X: Any) -> Inside:
    check_is_fitted(held if isinstance(held, BaseEstimator) else wrapper)
    return Inside(held, X)


def _of_data_op(wrapper: Any, held: Any, X: Any) -> Inside:
    """Into the last step of a learner of skrub, whose rows are what the node before it makes of X."""
    check_is_fitted(wrapper)
    last = held._skrub_impl
    before = copy.copy(wrapper)
    before.data_op = last.X
    return Inside(last.estimator_, X if X is None else before.transform(X))


# By which attribute of a wrapper the estimator inside is known, and how the rows get there. The first counts.
GUESSES: dict[str, Callable[[Any, Any, Any], Inside]] = {
    "predict_distribution": lambda wrapper, _, X: Inside(HandedOn(wrapper), X),
    "best_estimator_": _transformed,
    "final_estimator_": _transformed,
    "estimators_": _several,
    "estimator_": _transformed,
    "estimator": _itself_fitted,
    "data_op": _of_data_op,
}


def _check_guess(wrapper: Any, X: Any, found: Inside) -> None:
    """Refuse a guess by which the wrapper would predict something else than it does."""
    if isinstance(found.estimator, PooledEstimators):
        found.estimator.check()
    rows = slice(None if isinstance(X, Mapping) else GUESS_ROWS)  # a mapping to tables has no first rows
    expected = np.asarray(wrapper.predict(_first(X, rows)), dtype=np.float64)
    given = np.asarray(found.estimator.predict(_first(found.X, rows)), dtype=np.float64)
    size = np.abs(expected).max(initial=0.0)
    if expected.shape != given.shape or np.abs(expected - given).max(initial=0.0) > GUESS_TOLERANCE * size:
        raise TypeError(
            f"estimator must hand its rows on in a known way, but {type(wrapper).__name__} does not predict "
            f"what the {type(found.estimator).__name__} inside predicts. sklearn_mdn.look_inside.register "
            "takes a rule for it."
        )


def _first(X: Any, rows: slice) -> Any:
    return X if rows.stop is None else _safe_indexing(X, rows)


def _kept_nothing(search: Any) -> ValueError:
    return ValueError(
        f"estimator must be able to predict, but {type(search).__name__} was given refit=False "
        "and keeps no fitted estimator."
    )


@look_inside.register
def _(frozen: FrozenEstimator, X: Any = None) -> Inside:
    return Inside(frozen.estimator, X)


@look_inside.register
def _(search: BaseSearchCV, X: Any = None) -> Inside:
    if not search.refit:
        raise _kept_nothing(search)
    check_is_fitted(search)
    check_complete(search, ["best_estimator_"])
    return Inside(search.best_estimator_, X)


@look_inside.register
def _(pipeline: Pipeline, X: Any = None) -> Inside:
    check_is_fitted(pipeline)
    for _, step in pipeline.steps[:-1]:
        if X is not None and step not in (None, "passthrough") and hasattr(step, "transform"):
            X = step.transform(X)  # what has no transform resamples the training rows, and is skipped
    return Inside(pipeline.steps[-1][1], X)


@look_inside.register
def _(regressor: TransformedTargetRegressor, X: Any = None) -> Inside:
    check_is_fitted(regressor)
    return Inside(regressor.regressor_, X, regressor.transformer_)


@look_inside.register
def _(voting: VotingRegressor, X: Any = None) -> Inside:
    check_is_fitted(voting)
    return Inside(PooledEstimators(voting.estimators_, voting._weights_not_none), X)


@look_inside.register
def _(bagging: BaggingRegressor, X: Any = None) -> Inside:
    check_is_fitted(bagging)
    if X is not None:  # as its predict does
        X = validate_data(
            bagging, X, accept_sparse=["csr", "csc"], dtype=None, ensure_all_finite=False, reset=False
        )
    return Inside(PooledEstimators(bagging.estimators_, columns=bagging.estimators_features_), X)


@look_inside.register
def _(stacking: StackingRegressor, X: Any = None) -> Inside:
    check_is_fitted(stacking)
    return Inside(stacking.final_estimator_, X if X is None else stacking.transform(X))


@look_inside.register
def _(several: MultiOutputRegressor, X: Any = None) -> Inside:
    check_is_fitted(several)
    return Inside(IndependentEstimators(several.estimators_), X)


@look_inside.register
def _(chain: RegressorChain, X: Any = None) -> Inside:
    raise TypeError(
        "estimator must have a Gaussian mixture as its density. That of a RegressorChain, p(y_1 | x) "
        "p(y_2 | x, y_1) ..., is none: y_1 bends what is predicted of y_2. Its estimators_ can be judged one "
        "by one; MDNRegressor with covariance_type='full' predicts the joint density of all targets, and "
        "MultiOutputRegressor that of independent ones."
    )


@look_inside.register
def _(boosted: AdaBoostRegressor, X: Any = None) -> Inside:
    raise TypeError(
        "estimator must have a density. AdaBoostRegressor predicts the weighted median of estimators, each "
        "of which was fitted to rows that others missed: they are no pool, as those of BaggingRegressor, "
        "VotingRegressor and DensityPool are."
    )


class HandedOn:
    """A wrapper that hands any method's name on to the estimator inside."""

    def __init__(self, wrapper: Any) -> None:
        self.wrapper = wrapper

    def predict_distribution(self, X: Any) -> PredictiveDistribution:
        distribution = self.wrapper.predict_distribution(X)
        if not isinstance(distribution, PredictiveDistribution):
            raise TypeError(
                f"predict_distribution of {type(self.wrapper).__name__} must give a PredictiveDistribution, "
                f"got {type(distribution).__name__}."
            )
        return distribution

    def predict(self, X: Any) -> np.ndarray:
        mean: np.ndarray = self.predict_distribution(X).mean()
        return mean


class PooledEstimators:
    """Fitted estimators whose weighted mean is what their wrapper predicts: the linear pool of densities.

    ``columns`` are the features that each of them sees.
    """

    def __init__(
        self,
        estimators: Sequence[Any],
        weights: ArrayLike | None = None,
        columns: Sequence[np.ndarray] | None = None,
    ) -> None:
        self.estimators = estimators
        self.weights = np.ones(len(estimators)) if weights is None else np.asarray(weights, dtype=np.float64)
        self.columns = columns

    def check(self) -> None:
        """Refuse estimators that predict no densities."""
        for estimator in self.estimators:
            unwrap(estimator)

    def predict_distribution(self, X: Any) -> PredictiveDistribution:
        parts = [
            predict_distribution(each, rows)
            for each, rows in zip(self.estimators, self._rows(X), strict=True)
        ]
        return pooled(parts, self.weights / self.weights.sum())

    def predict(self, X: Any) -> np.ndarray:
        each = [e.predict(rows) for e, rows in zip(self.estimators, self._rows(X), strict=True)]
        mean: np.ndarray = np.average(each, axis=0, weights=self.weights)
        return mean

    def _rows(self, X: Any) -> list[Any]:
        if self.columns is None:
            return [X] * len(self.estimators)
        return [X[:, columns] for columns in self.columns]


class IndependentEstimators:
    """Fitted estimators, one a target."""

    def __init__(self, estimators: Sequence[Any]) -> None:
        self.estimators = estimators

    def check(self) -> None:
        """Refuse estimators that predict no densities."""
        for estimator in self.estimators:
            unwrap(estimator)

    def predict_distribution(self, X: Any) -> PredictiveDistribution:
        return joint([predict_distribution(estimator, X) for estimator in self.estimators])


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
    X: Any
    target_transformers: tuple[Any, ...]


def unwrap(estimator: Any, X: Any = None) -> Unwrapped:
    """The density regressor inside fitted wrappers, and its view of the rows of X where there are any."""
    outermost: Any = estimator
    target_transformers: list[Any] = []
    while True:
        # A rule goes first: a class that inherits from a wrapper knows what is inside as well as it does.
        ruled = look_inside.dispatch(type(estimator)) is not GUESS
        if not ruled and isinstance(estimator, PredictsDistribution):
            if isinstance(estimator, (PooledEstimators, IndependentEstimators)):
                estimator.check()
            return Unwrapped(estimator, X, tuple(target_transformers))
        try:
            inside = look_inside(estimator, X)
        except NothingInsideError as error:
            raise TypeError(_refusal(estimator, outermost, error)) from None
        estimator, X = inside.estimator, inside.X
        if inside.target_transformer is not None:
            target_transformers.append(inside.target_transformer)


def _refusal(estimator: Any, outermost: Any, error: NothingInsideError) -> str:
    inside = "" if estimator is outermost else f" inside {type(outermost).__name__}"
    # A name and what is the matter with it.
    name, _, reason = str(error).partition(" ")
    predict = getattr(type(estimator), "predict", None)
    gaussian = predict is not None and "return_std" in inspect.signature(predict).parameters
    hint = (
        "GaussianDensity makes one of the mean and standard deviation that it predicts."
        if gaussian
        else "Wrappers are looked into; sklearn_mdn.look_inside.register teaches it others."
    )
    return f"estimator must predict densities: {name}{inside} {reason}. {hint}"


def fit_argument(estimator: Any, name: str) -> str:
    """What an argument of the innermost estimator, such as the weights of the rows, is called in ``fit``.

    Pipelines want the name of the step before it; where metadata are routed, the alias under which the
    innermost estimator asks for them.
    """
    prefix, inner = "", estimator
    while isinstance(inner, Pipeline) or _hands_weights_on(inner):
        if isinstance(inner, Pipeline):
            step, inner = inner.steps[-1]
            prefix += f"{step}__"
        else:
            inner = inner.estimator
    if not get_config()["enable_metadata_routing"]:
        return f"{prefix}{name}"
    routing = None if inner is estimator else inner.get_metadata_routing()
    alias = routing.fit.requests.get(name) if isinstance(routing, MetadataRequest) else None
    return alias if isinstance(alias, str) else name


def _hands_weights_on(estimator: Any) -> bool:
    """Whether it wraps an estimator and gives what its ``fit`` is given to that one's."""
    if isinstance(estimator, BaseSearchCV):
        return True
    own_ways = isinstance(estimator, (FrozenEstimator, BaggingRegressor, PredictsDistribution))
    return not own_ways and getattr(estimator, "estimator", None) is not None


def predict_distribution(estimator: Any, X: Any) -> PredictiveDistribution:
    """Conditional densities predicted by a fitted estimator, also from inside scikit-learn's wrappers.

    A pipeline or a search forwards only scikit-learn's own method names. This function goes through them: the
    steps of a :class:`~sklearn.pipeline.Pipeline` transform X on the way, a search such as
    :class:`~sklearn.model_selection.GridSearchCV` leads to its best estimator, a
    :class:`~sklearn.frozen.FrozenEstimator` to the estimator it keeps. Bags and votes are pools of their
    estimators, and :class:`~sklearn.multioutput.MultiOutputRegressor` has the product of the densities of its
    targets. :func:`look_inside` takes the steps, and rules for others.

    Parameters
    ----------
    estimator : estimator
        Fitted. A regressor with a method ``predict_distribution``, or wrappers around one.
    X : array-like of shape (n_samples, n_features)
        Rows to predict, as the outermost estimator was fitted with.

    Returns
    -------
    distribution : PredictiveDistribution
        One a row, in the units of the target. Of a :class:`~sklearn.compose.TransformedTargetRegressor` a
        :class:`TransformedDistribution`; a :class:`MixtureDistribution` where the transform is affine.

    Raises
    ------
    TypeError
        If there is no density regressor inside, or a transformer of the target has no inverse.
    ValueError
        If a search kept no fitted estimator (``refit=False``), or a target has no density behind its
        transformer: one that is not monotone or jumps.
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
    core = unwrap(estimator, X)
    return transformed(core.regressor.predict_distribution(core.X), core.target_transformers)


look_inside.__module__ = predict_distribution.__module__ = "sklearn_mdn"
