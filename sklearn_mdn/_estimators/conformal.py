"""ConformalDensityRegressor: sets of a guaranteed coverage out of predicted densities."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import Tags, _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklearn_mdn._distributions.families import nested_sets
from sklearn_mdn._distributions.row_weights import check_row_weights
from sklearn_mdn._distributions.sets import PredictionSets
from sklearn_mdn._distributions.stored_state import StoredEstimator
from sklearn_mdn._distributions.untrained import check_target_transformers
from sklearn_mdn._distributions.unwrap import fit_argument, predict_distribution
from sklearn_mdn._estimators.conformal_levels import (
    calibrated_levels,
    check_known_groups,
    check_level,
    row_groups,
    rows_needed,
    seen_rows,
    share_seen,
    votes_needed,
    warn_of_few_rows,
)
from sklearn_mdn._estimators.density import DensityRegressorMixin, check_target, draw_seed
from sklearn_mdn._estimators.fit_context import fit_context

Array = NDArray[np.float64]

FOLDS = 5
DEFAULT_LEVEL = 0.9


class ConformalDensityRegressor(MetaEstimatorMixin, DensityRegressorMixin, StoredEstimator):
    r"""Prediction sets that hold what they say, calibrated on rows that the densities have not seen.

    Any estimator of densities, however wrong, gives sets whose coverage is guaranteed if calibration rows and
    new rows are exchangeable. With the default method they are the regions of highest density at a calibrated
    level: several intervals where the density has several modes (HPD-split [1]_).

    Parameters
    ----------
    estimator : estimator
        Predicts densities, also from inside scikit-learn's wrappers: whatever
        :func:`predict_distribution` knows. ``fit`` fits clones of it.
    method : {"hdr", "interval", "width"}, default="hdr"
        The sets. "hdr" are regions of highest density; the score of a row is the probability of the smallest
        one that holds its target. "interval" are central intervals, with equal tails; the score is
        ``2 |F(y) - 1/2|`` [2]_. "width" are the shortest intervals, each inside those of higher levels; the
        score is the level of the first that holds the target. Several targets need "hdr".
    confidence_level : float, default=None
        Level that ``predict_set`` takes where it is given none. None means 0.9.
    cv : int, cross-validation generator, iterable, "split" or "prefit", default=None
        Where the rows come from that calibrate. Folds (None means 5, shuffled by ``random_state``, as is an
        int): all rows of ``fit`` under the densities of an estimator that was fitted without their fold, so
        that ``fit`` is all that is needed. "split": ``fit`` fits one estimator, and ``conformalize`` takes
        rows of its own. "prefit", and any :class:`~sklearn.frozen.FrozenEstimator`: the estimator is fitted
        already, only ``conformalize`` is needed.
    groups : int, str or callable, default=None
        Groups in each of which the coverage holds (Mondrian): a column of X, or a function of X that gives a
        label for each row. Each group is calibrated by its own rows.
    randomized : bool, default=False
        Whether chance decides, in each row anew, about values whose score equals a calibration score. The
        coverage is then the confidence level itself. Without, it is higher where scores have ties, as at
        atoms of the density, and by up to 1 / (m + 1). A set may hold nothing. Not for folds.
    random_state : int, RandomState instance or None, default=None
        Shuffles the folds, and seeds the draws that tell the regions of several targets, and those of
        ``randomized``, which go by the place of a row.

    Attributes
    ----------
    estimator_ : estimator
        Fitted to all rows of ``fit``: what ``predict`` and ``predict_distribution`` ask.
    estimators_ : list of estimators
        Fitted without a fold each; empty without folds.
    conformity_scores_ : ndarray of shape (m,)
        Scores of the calibration rows, levels from 0 to 1.
    n_features_in_ : int
        Features seen in ``fit``, where the estimator knows.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where the estimator has them.

    Notes
    -----
    What is guaranteed, for exchangeable rows, at confidence level :math:`1 - \alpha`, over the draws of
    calibration rows and new row together:

    * ``conformalize`` with m rows: at least :math:`1 - \alpha`, and at most
      :math:`1 - \alpha + 1 / (m + 1)` if no two scores are equal [3]_. Less than
      :math:`(1 - \alpha) / \alpha` rows cannot do: the sets are then the whole line, with a warning.
      "width" has the upper bound where the shortest intervals of a density are nested, as of one mode; where
      they jump between modes, some hold more.
    * ``randomized``: :math:`1 - \alpha`, whatever the ties [6]_.
    * Folds (CV+ [4]_): at least :math:`1 - 2 \alpha` less a term of at most :math:`\sqrt{2 / n}`, and in
      practice :math:`1 - \alpha` unless the fits are very unstable. "interval" and "width" fill what may be
      left out in between, which takes nothing from that.
    * ``groups``: the same in each group, with its own m.
    * Weights: :math:`1 - \alpha` for new rows whose features are distributed otherwise, if the weights are
      proportional to the ratio of the two densities of the features (covariate shift [5]_).

    This is the coverage on average over rows. That of rows of one kind may be another, which
    :func:`~sklearn_mdn.metrics.conditional_coverage` shows.

    The members of an ensemble of networks have held out rows as well, but those rows stopped their training
    and chose the factors on their deviations, so that no guarantee covers them. They do not serve here;
    a simulation (``benchmarks/held_out.py``) has shown no loss of coverage.

    References
    ----------
    .. [1] R. Izbicki, G. Shimizu and R. B. Stern, "CD-split and HPD-split: efficient conformal regions in
       high dimensions", Journal of Machine Learning Research 23, 2022.
    .. [2] V. Chernozhukov, K. Wüthrich and Y. Zhu, "Distributional conformal prediction", PNAS 118, 2021.
    .. [3] J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani and L. Wasserman, "Distribution-free predictive
       inference for regression", Journal of the American Statistical Association 113, 2018.
    .. [4] R. F. Barber, E. J. Candès, A. Ramdas and R. J. Tibshirani, "Predictive inference with the
       jackknife+", Annals of Statistics 49, 2021, theorem 4.
    .. [5] R. J. Tibshirani, R. F. Barber, E. J. Candès and A. Ramdas, "Conformal prediction under covariate
       shift", NeurIPS 32, 2019.
    .. [6] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world", Springer, 2005,
       chapter 2 (smoothed conformal predictors).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mdn import ConformalDensityRegressor, MDNRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = MDNRegressor(max_iter=5, random_state=0)
    >>> model = ConformalDensityRegressor(network, cv="split", random_state=0)
    >>> sets = model.fit(X[:200], y[:200]).conformalize(X[200:400], y[200:400]).predict_set(X[400:])
    >>> sets.intervals.shape[::2]
    (42, 2)
    >>> bool(sets.contains(y[400:]).mean() > 0.8)
    True
    """

    __module__ = "sklearn_mdn"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "method": [StrOptions({"hdr", "interval", "width"})],
        "cv": ["cv_object", StrOptions({"split", "prefit"})],
        "randomized": ["boolean"],
        "random_state": ["random_state"],
    }

    estimator_: Any
    estimators_: list[Any]
    conformity_scores_: Array

    def __init__(
        self,
        estimator: Any,
        *,
        method: Literal["hdr", "interval", "width"] = "hdr",
        confidence_level: float | None = None,
        cv: Any = None,
        groups: Any = None,
        randomized: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.confidence_level = confidence_level
        self.cv = cv
        self.groups = groups
        self.randomized = randomized
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        tags.regressor_tags.poor_score = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return "estimator_" in vars(self)

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the estimator, and with folds one for each of them, whose rows then calibrate.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. What is fitted already ("prefit") is not fitted again.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the fits, for an estimator that takes them. They do not weigh scores.

        Returns
        -------
        self : ConformalDensityRegressor
            The fitted estimator.

        Raises
        ------
        TypeError
            If the estimator predicts no densities.
        ValueError
            If a fold tests no rows, or a row twice, or an argument is wrong.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), cv=3, random_state=0)
        >>> len(model.fit(X, y).estimators_)
        3
        """
        self._check_settings()
        seed = draw_seed(self.random_state)
        if self._is_prefit:
            return self._adopt(self._prefit(), seed)
        X, y, sample_weight = indexable(X, y, sample_weight)
        check_target_transformers(self.estimator, y)
        splits = [] if _is_word(self.cv, "split") else self._splits(X, y, seed)
        self._adopt(_fitted(self.estimator, X, y, sample_weight), seed)
        rows = np.arange(_num_samples(X))
        self.estimators_ = [
            _fitted(self.estimator, *(_safe(part, train) for part in (X, y, sample_weight)))
            for train, _ in splits
        ]
        self._seen = seen_rows(X, y)
        if splits:
            folds = np.empty(len(rows), dtype=np.intp)
            for number, (_, test) in enumerate(splits):
                folds[test] = number
            self._calibrate(X, y, self.estimators_, folds, None)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def conformalize(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Calibrate the sets by rows that the estimator was not fitted to.

        With folds that is done by ``fit``; rows given here then take the place of those.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            Calibration rows.
        y : array-like of shape (m,) or (m, n_outputs)
            Their targets.
        sample_weight : array-like of shape (m,), default=None
            Under covariate shift: how much more likely such a row is among the new rows than among these, up
            to a factor. ``predict_set`` then needs the same of the new rows.

        Returns
        -------
        self : ConformalDensityRegressor

        Raises
        ------
        ValueError
            If there are no rows, or targets of another shape than in ``fit``.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Warns
        -----
        UserWarning
            If at least half of the rows are rows of ``fit``: their scores are too low. Which rows a "prefit"
            estimator was fitted to is not known.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.frozen import FrozenEstimator
        >>> from sklearn_mdn import ConformalDensityRegressor, MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> network = MDNRegressor(max_iter=5, random_state=0).fit(X[:200], y[:200])
        >>> model = ConformalDensityRegressor(FrozenEstimator(network)).conformalize(X[200:], y[200:])
        >>> model.conformity_scores_.shape
        (242,)
        """
        self._check_settings()
        if self._is_prefit:
            self._adopt(self._prefit(), draw_seed(self.random_state))
        self._check_fitted("estimator_")
        X, y = indexable(X, y)
        n_rows = _num_samples(X)
        if n_rows < 1:
            raise ValueError(f"X must hold at least 1 calibration row, got {n_rows}.")
        weights = None if sample_weight is None else check_row_weights(sample_weight, np.empty(n_rows))
        self._calibrate(X, y, [self.estimator_], np.zeros(n_rows, dtype=np.intp), weights)
        share = share_seen(self._seen, X, y)
        if share >= 0.5:
            warnings.warn(
                f"X and y hold rows that the estimator was fitted to ({share:.0%} of them): their scores are "
                "too low, and the sets too small. Calibrate by other rows, or give folds as cv.",
                UserWarning,
                stacklevel=2,
            )
        return self

    def predict_distribution(self, X: ArrayLike) -> Any:
        """Conditional density of the target in each row, as the estimator predicts it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        distribution : MixtureDistribution
            Not calibrated.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0).fit(X, y)
        >>> model.predict_distribution(X[:4])
        <MixtureDistribution: 4 rows, 1 component, 1-d target>
        """
        self._check_fitted("estimator_")
        return predict_distribution(self.estimator_, X)

    def predict_set(
        self,
        X: ArrayLike,
        confidence_level: float | None = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> PredictionSets:
        """Sets that hold the target with a probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.
        confidence_level : float, default=None
            The probability, inside (0, 1). None takes that of the estimator.
        sample_weight : array-like of shape (n_samples,), default=None
            Under covariate shift: the ratio of densities, as in ``conformalize``.

        Returns
        -------
        sets : PredictionSets
            One set a row.

        Raises
        ------
        ValueError
            If the confidence level lies outside (0, 1), a group was not calibrated, or weights are missing on
            one side.
        sklearn.exceptions.NotFittedError
            If nothing has been calibrated.

        Warns
        -----
        UserWarning
            If there are too few calibration rows for the level: those sets are the whole line.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0).fit(X, y)
        >>> model.predict_set(X[:4], confidence_level=0.5)
        <PredictionSets: 4 rows, confidence level 0.5, method 'hdr'>
        """
        level = self._level(confidence_level)
        self._check_calibrated()
        (X,) = indexable(X)
        n_rows = _num_samples(X)
        weights = self._row_weights(sample_weight, n_rows)
        labels = check_known_groups(row_groups(self.groups, X), self._labels, n_rows)
        needed = rows_needed(level)
        counts = np.array([np.count_nonzero(self._groups == g) for g in range(len(self._labels))])
        warn_of_few_rows(level, needed, counts, self._labels, np.unique(labels), randomized=self.randomized)
        models, crossed = ([self.estimator_], False) if not self._crossed else (self.estimators_, True)
        distributions = [predict_distribution(model, X) for model in models]
        if not crossed:
            uniform = np.random.default_rng(self._seed).uniform(size=n_rows) if self.randomized else None
            levels = calibrated_levels(
                self.conformity_scores_, self._weights, self._groups, level, weights, labels, uniform
            )
            return PredictionSets(distributions, self.method, level, seed=self._seed, levels=levels)
        scores = [
            [
                np.sort(self.conformity_scores_[(self._groups == group) & (self._folds == fold)])
                for fold in range(len(models))
            ]
            for group in range(len(self._labels))
        ]
        return PredictionSets(
            distributions,
            self.method,
            level,
            seed=self._seed,
            scores=scores,
            groups=labels,
            needed=votes_needed(level, counts)[labels],
        )

    def predict_interval(
        self,
        X: ArrayLike,
        confidence_level: float | None = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Array:
        """One interval a row that holds the target with a probability: from a set's first to its last value.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.
        confidence_level : float, default=None
            The probability, inside (0, 1). None takes that of the estimator.
        sample_weight : array-like of shape (n_samples,), default=None
            Under covariate shift: the ratio of densities, as in ``conformalize``.

        Returns
        -------
        intervals : ndarray of shape (n_samples, 2)
            Lower and upper ends. NaN for a set that holds nothing.

        Raises
        ------
        ValueError
            As in ``predict_set``, or if there are several targets.
        sklearn.exceptions.NotFittedError
            If nothing has been calibrated.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0).fit(X, y)
        >>> model.predict_interval(X[:4]).shape
        (4, 2)
        """
        intervals = self.predict_set(X, confidence_level, sample_weight=sample_weight).intervals
        return np.stack(
            [np.fmin.reduce(intervals[..., 0], axis=1), np.fmax.reduce(intervals[..., 1], axis=1)], axis=1
        )

    @property
    def _is_prefit(self) -> bool:
        return _is_word(self.cv, "prefit") or isinstance(self.estimator, FrozenEstimator)

    def _prefit(self) -> Any:
        check_is_fitted(self.estimator)
        return self.estimator

    def _check_settings(self) -> None:
        if self.confidence_level is not None:
            check_level(self.confidence_level)
        if self.randomized and not (self._is_prefit or _is_word(self.cv, "split")):
            raise ValueError(
                'randomized=True needs calibration rows of their own: give cv="split" and call conformalize, '
                f"got cv={self.cv!r}, which makes folds."
            )
        if self.groups is not None and not (isinstance(self.groups, (int, str)) or callable(self.groups)):
            raise ValueError(
                "groups must be a column of X, by number or name, or a function of X that gives a label for "
                f"each row, got {self.groups!r}."
            )

    def _level(self, given: float | None) -> float:
        if given is not None:
            return check_level(given)
        return DEFAULT_LEVEL if self.confidence_level is None else check_level(self.confidence_level)

    def _splits(self, X: Any, y: Any, seed: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Training and held-out rows of folds that hold out each row once."""
        n_splits, n_rows = FOLDS if self.cv is None else self.cv, _num_samples(X)
        if n_rows < 2:
            raise ValueError(f"X must hold at least 2 rows to be held out in turn, got n_samples = {n_rows}.")
        cv = (
            KFold(min(n_splits, n_rows), shuffle=True, random_state=seed)
            if isinstance(n_splits, (int, np.integer))
            else check_cv(n_splits)
        )
        splits = [(np.asarray(train), np.asarray(test)) for train, test in cv.split(X, y)]
        held_out = np.sort(np.concatenate([test for _, test in splits]))
        if not np.array_equal(held_out, np.arange(n_rows)):
            raise ValueError(f"cv must put each row into exactly one test fold, which {self.cv!r} does not.")
        return splits

    def _adopt(self, fitted: Any, seed: int) -> Self:
        """Keep a fitted estimator; what an earlier one was calibrated by does not go with it."""
        for name in ("n_features_in_", "feature_names_in_", "conformity_scores_"):
            self.__dict__.pop(name, None)
            if hasattr(fitted, name) and name != "conformity_scores_":
                setattr(self, name, getattr(fitted, name))
        self.estimator_, self.estimators_, self._seed, self._seen = fitted, [], seed, np.empty(0, np.int64)
        return self

    def _calibrate(
        self, X: Any, y: Any, models: Sequence[Any], folds: NDArray[np.intp], weights: Array | None
    ) -> None:
        """Score rows, each by the model of its fold."""
        labels = row_groups(self.groups, X)
        scores = np.empty(len(folds))
        target: Array | None = None
        for fold, model in enumerate(models):
            rows = np.flatnonzero(folds == fold)
            dist = predict_distribution(model, _safe_indexing(X, rows))
            shape = dist.mean().shape[1:]
            if target is None:
                target = check_target(y, (len(folds), *shape))
            if self.method != "hdr" and shape not in ((), (1,)):
                raise ValueError(
                    f'method={self.method!r} is for one target, got {shape[0]}; method="hdr" has regions of '
                    "several."
                )
            family = nested_sets(self.method, dist, crossed=len(models) > 1, random_state=self._seed)
            scores[rows] = np.clip(_of_rows(family.level(target[rows][None])), 0.0, 1.0)
        known, codes = (
            (np.array([None]), np.zeros(len(folds), dtype=np.intp))
            if labels is None
            else np.unique(labels, return_inverse=True)
        )
        self.conformity_scores_, self._folds, self._weights = scores, folds, weights
        self._labels, self._groups, self._crossed = known, codes.reshape(-1), len(models) > 1

    def _check_calibrated(self) -> None:
        self._check_fitted("estimator_")
        if "conformity_scores_" not in vars(self):
            check_is_fitted(
                self,
                "conformity_scores_",
                msg="This %(name)s is fitted but not calibrated: call conformalize with rows of their own.",
            )

    def _row_weights(self, given: ArrayLike | None, n_rows: int) -> Array | None:
        if (given is None) == (self._weights is None):
            return None if given is None else check_row_weights(given, np.empty(n_rows))
        raise ValueError(
            "sample_weight must be given to predict_set as it was to conformalize, for the new rows: a ratio "
            "of densities has to be known on both sides."
            if given is None
            else "sample_weight can be given to predict_set only if conformalize was given that of its rows."
        )


def _is_word(cv: Any, word: str) -> bool:
    return isinstance(cv, str) and cv == word


def _safe(part: Any, rows: NDArray[np.intp]) -> Any:
    return None if part is None else _safe_indexing(part, rows)


def _fitted(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    """A fitted clone."""
    weights = {} if sample_weight is None else {fit_argument(estimator, "sample_weight"): sample_weight}
    return clone(estimator).fit(X, y, **weights)


def _of_rows(level: Array) -> Array:
    """Levels (n,) of (1, n), or of (1, n, 1) where one target has an axis."""
    return level.reshape(level.shape[1])
