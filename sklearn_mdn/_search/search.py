"""MDNSearchCV: GridSearchCV's contract, with the networks of all folds and candidates trained as stacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from numbers import Integral
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, cast

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackContext
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _score,
    _warn_or_raise_about_fit_failures,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, indexable
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import _safe_split, available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, _num_samples

from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.row_weights import check_row_weights
from sklearn_mdn._distributions.stored_state import StoredEstimator
from sklearn_mdn._distributions.unwrap import fit_argument, unwrap
from sklearn_mdn._estimators.arguments import check_lengths
from sklearn_mdn._estimators.density import check_records
from sklearn_mdn._estimators.fit_context import fit_context
from sklearn_mdn._search.choices import Split, candidates_of, check_scoring, chosen_by, splits_of
from sklearn_mdn._search.stacking import HeldOut, check_alike, check_bounds_alike, rounding_error, stacked
from sklearn_mdn._search.tasks import Prepared, Task, network_of, prepare, stacks_of, train_stack

Scoring = str | Callable[..., Any] | Sequence[str] | Mapping[str, str | Callable[..., Any]] | None

# Attributes that only some settings of ``refit`` and ``scoring`` set.
CHOICES: tuple[str, ...] = ("best_index_", "best_score_", "best_params_", "best_estimator_", "refit_time_")
CHOICES += ("stacking_weights_", "feature_names_in_")


class Splitter(Protocol):
    """scikit-learn's cross-validation generators, and what is like them."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterable[tuple[Any, Any]]: ...

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int: ...


Method = TypeVar("Method", bound=Callable[..., object])


def _if_refitted(method: Method) -> Method:
    """A method that is there unless ``refit=False``, as GridSearchCV's are."""
    decorator = available_if(lambda search: bool(search.refit))
    return cast(Method, decorator(method))


class MDNSearchCV(StoredEstimator, BaseSearchCV):
    """Search over parameters of an MDNRegressor with cross-validation, all networks trained as stacks.

    A drop-in for :class:`sklearn.model_selection.GridSearchCV` where the estimator is an
    :class:`MDNRegressor` or a pipeline that ends in one: the same parameters, results and scores. The
    networks of all folds and all candidates of one shape train together, which takes a
    fraction of the time of training them one by one.

    Candidates train in one stack if they differ in nothing but ``alpha``, ``learning_rate_init``,
    ``dropout``, ``max_iter``, the stopping rule, the clipping thresholds, ``n_estimators`` and
    ``random_state`` (and in parameters of the pipeline's other steps); each other value of a parameter
    forms stacks of its own. The stopping rule is ``early_stopping``, ``validation_fraction``, ``tol`` and
    ``n_iter_no_change``. As in GridSearchCV, ``batch_size="auto"`` goes by the rows of each fold; where folds
    end up with different sizes, they form stacks of their own.

    What a network becomes does not hang on the stack it is in, and so not on ``n_jobs``,
    ``max_stack_bytes`` or the other candidates: scores are those of GridSearchCV. To the last bit that
    hangs on the products of matrices; the user guide says under "Reproducibility" for which it was seen.

    Parameters
    ----------
    estimator : MDNRegressor or Pipeline
        What to search for. A pipeline's transformers are fitted once for each fold and each of their
        settings.
    param_grid : dict, list of dict, or iterable of candidates
        Lists of values by parameter name, or several such grids. Any other iterable gives the candidates
        themselves, dicts of one value by parameter name;
        :class:`sklearn.model_selection.ParameterSampler` makes it a random search.
    scoring : str, callable, list, tuple or dict, default=None
        As in GridSearchCV. None is the mean held-out log-likelihood.
    n_jobs : int, default=None
        Processes that train stacks side by side. None means 1; a small stack keeps one core busy.
    refit : bool, str, callable or "stacking", default=True
        As in GridSearchCV. "stacking" refits nothing: it keeps all fold networks and gives each candidate
        the weight that maximises the log-likelihood of the pooled out-of-fold densities [1]_, whatever
        ``scoring`` says. The ``calibration_`` of the networks is chosen by the same densities: first a
        candidate's networks are made wider or narrower together, as is best for it alone, and in the end
        those of all candidates, as is best for the pool. Where targets were rounded, to whole numbers say,
        the densities are compared after the error of rounding was added to them [2]_. ``best_estimator_``
        is then a :class:`DensityPool`.
    cv : int, cross-validation generator or iterable, default=None
        As in GridSearchCV; None is 5-fold.
    verbose : int, default=0
        1 announces the search, 2 also tells about each stack.
    pre_dispatch : int or str, default="2*n_jobs"
        Stacks dispatched to processes at a time.
    error_score : "raise" or numeric, default=np.nan
        Score of a fit that fails; "raise" raises its error.
    return_train_score : bool, default=False
        Whether ``cv_results_`` has training scores.
    max_stack_bytes : int, default=2**28
        Bound on the memory that the networks of a stack take in training; a single fit is a stack of its
        own, however large. The rows, 20 bytes for each row of each network, and some 100 MB for scoring
        held-out rows come on top.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As in GridSearchCV. The fit time of a candidate is its share of its stack's.
    best_estimator_ : estimator
        Refitted on all rows, or the pool of ``refit="stacking"``.
    best_score_ : float
        Mean cross-validated score of the best candidate, also where ``refit="stacking"`` keeps all of them;
        not there with several scorers and no ``refit`` that chooses by one.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its place in ``cv_results_``.
    stacking_weights_ : ndarray of shape (n_candidates,)
        Weight of each candidate; 0 for those that failed. Only with ``refit="stacking"``.
    scorer_ : callable or dict
        What the held-out rows were scored with.
    n_splits_ : int
        Folds.
    refit_time_ : float
        Seconds that the refit, or finding the stacking weights, took.
    multimetric_ : bool
        Whether there were several scorers.
    n_features_in_, feature_names_in_ : int, ndarray of shape (n_features,)
        Features seen in ``fit``, and their names where ``X`` had string names for all of them. Only if
        ``best_estimator_`` has them.

    Notes
    -----
    The search forwards the methods that GridSearchCV forwards, such as ``predict``, with ``X`` alone. The
    function :func:`~sklearn_mdn.predict_distribution` gives densities, and with them intervals, quantiles and
    the log densities of targets: ``predict_distribution(search, X).logpdf(y)``.

    Callbacks of the search see the training as a task "search" with a subtask "stack" for each stack, which
    has a subtask "epoch" for each epoch, and then a task "refit". No fitted estimator comes with an epoch,
    which belongs to many; a callback that asks for the end there ends the stack. Callbacks of the estimator
    inside see the refit alone.

    References
    ----------
    .. [1] P. Smyth and D. Wolpert, "Linearly combining density estimators via stacking", Machine
       Learning 36, 1999.
    .. [2] W. F. Sheppard, "On the calculation of the most probable values of frequency-constants, for data
       arranged according to equidistant division of a scale", Proceedings of the London Mathematical
       Society 29, 1898.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mdn import MDNRegressor, MDNSearchCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> mdn = MDNRegressor(max_iter=10, random_state=0)
    >>> search = MDNSearchCV(mdn, {"n_components": [1, 3]}, cv=3, refit="stacking").fit(X, y)
    >>> search.stacking_weights_.shape
    (2,)
    >>> search.predict(X[:2]).shape
    (2,)
    """

    __module__ = "sklearn_mdn"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSearchCV._parameter_constraints,
        "param_grid": [dict, list, Iterable],
        "max_stack_bytes": [Interval(Integral, 1, None, closed="left")],
    }

    cv_results_: dict[str, Any]
    best_estimator_: Any
    best_score_: float
    best_params_: dict[str, Any]
    best_index_: int
    stacking_weights_: NDArray[np.float64]
    n_splits_: int
    refit_time_: float
    multimetric_: bool

    def __init__(
        self,
        estimator: BaseEstimator,
        param_grid: Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]],
        *,
        scoring: Scoring = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[[dict[str, Any]], int] = True,
        cv: int | Splitter | Iterable[tuple[ArrayLike, ArrayLike]] | None = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
        max_stack_bytes: int = 2**28,
    ) -> None:
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_grid = param_grid
        self.max_stack_bytes = max_stack_bytes

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = self.estimator.__sklearn_tags__()
        tags.target_tags, tags.regressor_tags = inner.target_tags, inner.regressor_tags
        tags.input_tags = inner.input_tags
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, **params: Any) -> Self:
        """Train every candidate on every fold, score them, and refit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **params : dict
            Passed on to the estimator's ``fit`` (``sample_weight``, ``y_upper``; split with the rows), the
            splitter (``groups``) and the scorers, as in GridSearchCV. The networks get the groups as well,
            and hold out whole ones for early stopping. With ``scoring=None``, ``y_upper`` goes to the score
            too.

        Returns
        -------
        self : MDNSearchCV
            The fitted search.

        Raises
        ------
        TypeError
            If the estimator is no MDNRegressor and no pipeline that ends in one, or with
            ``refit="stacking"`` a candidate replaces it by something else.
        ValueError
            If an argument is not as described, ``refit`` is a name that no scorer has, a candidate names a
            parameter that there is not, or every fit failed.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor, MDNSearchCV
        >>> X, y = load_diabetes(return_X_y=True)
        >>> mdn = MDNRegressor(max_iter=5, random_state=0)
        >>> search = MDNSearchCV(mdn, {"n_components": [1, 3]}, cv=2).fit(X, y)
        >>> search.cv_results_["mean_test_score"].shape
        (2,)
        """
        self._check_arguments()
        # 1. What to train, on what, and how to judge it
        check_scoring(self.scoring)
        scorers, refit_metric = self._get_scorers()
        check_lengths(_num_samples(X), y)
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        context = self._init_callback_context(max_subtasks=1 + (self.refit is not False))
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        fit_params = self._fit_params(routed.estimator.fit, params)
        score_params = self._score_params(routed.scorer.score, fit_params)
        candidates, splits = candidates_of(self.param_grid), splits_of(self.cv, X, y, routed.splitter.split)
        self.n_splits_ = len(splits)
        if self.verbose > 0:
            print(
                f"Fitting {len(splits)} folds for each of {len(candidates)} candidates, "
                f"totalling {len(splits) * len(candidates)} fits"
            )
        # 2. Train and score
        tasks = self._tasks(candidates, splits, X, y, fit_params)
        self._train(tasks, context)
        for task in tasks:
            self._score_task(task, splits[task.split], X, y, scorers, score_params)
        self.cv_results_ = self._results(tasks, candidates)
        # 3. Choose and refit; nothing of an earlier fit stays beside it
        for name in CHOICES:
            self.__dict__.pop(name, None)
        self._select(refit_metric, tasks)
        if self.refit:
            self._refit(tasks, X, y, fit_params, context)
        self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _check_arguments(self) -> None:
        """Refuse an estimator without a network, and a ``refit`` that means nothing."""
        if network_of(self.estimator) is None:
            steps = [self.estimator]
            while isinstance(steps[-1], Pipeline):
                steps.append(steps[-1].steps[-1][1])
            raise TypeError(
                "estimator must be an MDNRegressor or a Pipeline whose last step is one, "
                f"got {' that ends in '.join(type(step).__name__ for step in steps)}."
            )
        one_score = self.scoring is None or isinstance(self.scoring, str)
        if (
            isinstance(self.refit, str)
            and one_score
            and self.refit not in ("stacking", "score", self.scoring)
        ):
            raise ValueError(
                'refit must be a bool, "stacking", a callable or the name of a scorer, '
                f"got {self.refit!r} beside scoring={self.scoring!r}."
            )

    def _fit_params(self, routed: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """What goes to ``fit``, the splitter's groups with it: a network holds out whole ones as well.

        Where metadata are routed, what the network requests decides; its default is to have them.
        """
        if params.get("groups") is None or get_config()["enable_metadata_routing"]:
            return routed
        return {fit_argument(self.estimator, "groups"): params["groups"], **routed}

    def _tasks(
        self,
        candidates: list[Mapping[str, Any]],
        splits: list[Split],
        X: ArrayLike,
        y: ArrayLike,
        fit_params: dict[str, Any],
    ) -> list[Task]:
        """Every candidate on every split: planned, failed, or fitted where there is no network."""
        tasks: list[Task] = []
        cache: dict[tuple[int, str | int], Prepared] = {}
        base = clone(self.estimator)
        for (i, parameters), (j, (train, test)) in product(enumerate(candidates), enumerate(splits)):
            task = Task(clone(base).set_params(**clone(parameters, safe=False)), i, j, test)
            tasks.append(task)
            if self.refit == "stacking" and network_of(task.estimator) is None:
                raise TypeError(
                    'refit="stacking" needs candidates that are, or end in, an MDNRegressor, '
                    f"got {parameters}."
                )
            with task.attempt("fit_time", self.error_score):
                X_train, y_train = _safe_split(task.estimator, X, y, train)
                own_params = _check_method_params(X, params=fit_params, indices=train)
                if network_of(task.estimator) is None:
                    own_params.pop(fit_argument(self.estimator, "groups"), None)
                    task.estimator.fit(X_train, y_train, **own_params)
                else:
                    prepare(task, parameters, X_train, y_train, own_params, cache)
        if self.refit == "stacking":
            check_bounds_alike([task.network for task in tasks if task.plan is not None])
        return tasks

    def _train(self, tasks: list[Task], context: CallbackContext) -> None:
        """Train all plans, stack by stack, and store what comes of them."""
        planned = [task for task in tasks if task.plan is not None]
        n_jobs = joblib.effective_n_jobs(self.n_jobs)
        stacks = stacks_of(planned, self.max_stack_bytes, n_jobs)
        search = context.subcontext(task_name="search", max_subtasks=len(stacks), sequential_subtasks=False)
        search.call_on_fit_task_begin(estimator=self)
        # Made ahead, since a context cannot grow while a worker's copy of it is being pickled.
        contexts = [
            search.subcontext(
                task_name="stack",
                task_id=number,
                max_subtasks=max(task.pending.settings.max_iter for task in stack),
            )
            for number, stack in enumerate(stacks)
        ]
        outcomes = Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch)(
            delayed(train_stack)(
                [task.pending for task in stack],
                (stack[0].network.device, stack[0].network.dtype),
                stack_context,
                self,
            )
            for stack, stack_context in zip(stacks, contexts, strict=True)
        )
        for number, (stack, (result, seconds)) in enumerate(zip(stacks, outcomes, strict=True), start=1):
            n_members = sum(len(task.pending.train) for task in stack)
            if self.verbose > 1:
                print(f"[stack {number}/{len(stacks)}] {n_members} networks, {seconds:.1f}s")
            for place, task in enumerate(stack):
                task.fit_time += seconds * len(task.pending.train) / n_members
                with task.attempt("fit_time", self.error_score):
                    if isinstance(result, Exception):
                        raise result
                    task.network._store(task.pending, result[place])
                    task.plan = None
        search.call_on_fit_task_end(estimator=self)

    def _score_task(
        self,
        task: Task,
        split: Split,
        X: ArrayLike,
        y: ArrayLike,
        scorers: Callable[..., Any],
        score_params: dict[str, Any],
    ) -> None:
        """Score one fitted candidate as GridSearchCV does, a failed one by ``error_score``."""
        if task.error is not None:
            names = scorers._scorers if isinstance(scorers, _MultimetricScorer) else None
            failed: Any = self.error_score if names is None else dict.fromkeys(names, self.error_score)
            task.test_scores, task.train_scores = failed, failed
            return
        train, test = split
        start = time.perf_counter()

        def score(rows: NDArray[np.intp]) -> float | dict[str, float]:
            X_part, y_part = _safe_split(task.estimator, X, y, rows, train)
            own_params = _check_method_params(X, params=score_params, indices=rows)
            scores: float | dict[str, float] = _score(
                task.estimator, X_part, y_part, scorers, own_params, self.error_score
            )
            return scores

        task.test_scores = score(test)
        task.score_time = time.perf_counter() - start
        if self.return_train_score:
            task.train_scores = score(train)

    def _results(self, tasks: list[Task], candidates: list[Mapping[str, Any]]) -> dict[str, Any]:
        out: list[dict[str, Any]] = [
            {
                "fit_time": task.fit_time,
                "score_time": task.score_time,
                "test_scores": task.test_scores,
                "fit_error": task.traceback,
                **({"train_scores": task.train_scores} if self.return_train_score else {}),
            }
            for task in tasks
        ]
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(out[0]["test_scores"])
        results: dict[str, Any] = self._format_results(candidates, self.n_splits_, out)
        return results

    def _check_refit_for_multimetric(self, scores: dict[str, float]) -> None:
        if self.refit != "stacking":
            super()._check_refit_for_multimetric(scores)

    def _select(self, refit_metric: str, tasks: list[Task]) -> None:
        """Set ``best_index_`` and what follows from it, under GridSearchCV's conditions."""
        stacks = self.refit == "stacking"
        if self.multimetric_ and (stacks or not self.refit):
            return
        if callable(self.scoring) and self.multimetric_:
            refit_metric = self.refit
        chooser = True if stacks else self.refit
        if callable(chooser):
            self.best_index_ = chosen_by(chooser, self.cv_results_)
        else:
            self.best_index_ = self._select_best_index(chooser, refit_metric, self.cv_results_)
        if not callable(self.refit):
            self.best_score_ = self.cv_results_[f"mean_test_{refit_metric}"][self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit(
        self,
        tasks: list[Task],
        X: ArrayLike,
        y: ArrayLike,
        fit_params: dict[str, Any],
        context: CallbackContext,
    ) -> None:
        start = time.perf_counter()
        refit = context.subcontext(task_name="refit")
        if self.refit == "stacking":
            refit.call_on_fit_task_begin(estimator=self, X=X, y=y)
            held_out, n_candidates = self._held_out(tasks, X, y, fit_params), len(self.cv_results_["params"])
            row_weight = self._row_weights(fit_params, y)
            self.best_estimator_, self.stacking_weights_ = stacked(held_out, n_candidates, row_weight)
        else:
            self.best_estimator_ = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
            with refit.propagate_callback_context(self.best_estimator_):
                refit.call_on_fit_task_begin(estimator=self, X=X, y=y)
                self.best_estimator_.fit(X, y, **fit_params)
        self.refit_time_ = time.perf_counter() - start
        if getattr(self.best_estimator_, "feature_names_in_", None) is not None:
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        refit.call_on_fit_task_end(estimator=self, X=X, y=y)

    def _row_weights(self, fit_params: dict[str, Any], y: ArrayLike) -> NDArray[np.float64]:
        """Sample weights on their way to the network, or ones."""
        return check_row_weights(fit_params.get(fit_argument(self.estimator, "sample_weight")), y)

    def _held_out(
        self, tasks: list[Task], X: ArrayLike, y: ArrayLike, fit_params: dict[str, Any]
    ) -> list[HeldOut]:
        """What the candidates that did not fail say of the rows that they have not seen."""
        failed = {task.candidate for task in tasks if task.error is not None}
        kept = [task for task in tasks if task.candidate not in failed]
        if not kept:  # as a refit on all rows would
            raise next(task.error for task in tasks if task.error is not None)
        y_upper = fit_params.get(fit_argument(self.estimator, "y_upper"))
        records = check_records(y, y_upper, np.shape(y))
        noise = rounding_error(records.place) if y_upper is None else np.zeros(records.place.shape[1])
        check_alike([task.network._grid() for task in kept])
        held_out = []
        for task in kept:
            X_test, _ = _safe_split(task.estimator, X, y, task.test)
            rows = np.arange(len(records.place))[task.test]
            held_out.append(
                HeldOut(
                    *(task.estimator, task.network, task.candidate, task.split, rows),
                    *(X_test, records[rows], noise),
                )
            )
        return held_out

    def _score_params(self, routed: dict[str, Any], fit_params: dict[str, Any]) -> dict[str, Any]:
        """What goes to the scorer: the likelihood wants to know where targets end, as ``fit`` does.

        Where metadata are routed, what the scorer requests decides.
        """
        y_upper = fit_params.get(fit_argument(self.estimator, "y_upper"))
        if y_upper is None or get_config()["enable_metadata_routing"]:
            return routed
        if self.scoring is not None or isinstance(self.estimator, Pipeline):
            what = "a Pipeline" if self.scoring is None else f"scoring={self.scoring!r}"
            raise ValueError(
                f"y_upper does not reach {what} unless metadata are routed, and held-out targets would be "
                "judged as if they had been observed: set_config(enable_metadata_routing=True) helps; "
                "an MDNRegressor alone with scoring=None needs no routing."
            )
        return {"y_upper": y_upper, **routed}

    @_if_refitted
    def predict(
        self, X: ArrayLike, return_std: bool = False, quantiles: ArrayLike | None = None
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predictions of the best estimator, with the options of its ``predict``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.
        return_std : bool, default=False
            Whether to return the standard deviation of the predicted density as well.
        quantiles : array-like of shape (n_quantiles,), default=None
            Levels inside (0, 1). If given, the quantiles are returned instead of the mean.

        Returns
        -------
        y_pred : ndarray
            As :meth:`MDNRegressor.predict` returns them.
        y_std : ndarray of the shape of y_pred
            Only with ``return_std=True``.

        Raises
        ------
        AttributeError
            If ``refit=False``.
        TypeError
            If more than the mean is asked of a best estimator that predicts no densities.
        ValueError
            If both ``return_std`` and ``quantiles`` are asked for, or a level lies outside (0, 1).
        sklearn.exceptions.NotFittedError
            If ``fit`` has not been called.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor, MDNSearchCV
        >>> X, y = load_diabetes(return_X_y=True)
        >>> mdn = MDNRegressor(max_iter=5, random_state=0)
        >>> search = MDNSearchCV(mdn, {"n_components": [1, 3]}, cv=2).fit(X, y)
        >>> search.predict(X[:3], quantiles=[0.05, 0.5, 0.95]).shape
        (3, 3)
        """
        answer: NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]
        if quantiles is None and not return_std:  # which any candidate can tell
            self._check_fitted("best_estimator_")
            answer = super().predict(X)
        else:
            regressor, rows = self._regressor(X)
            answer = regressor.predict(rows, return_std=return_std, quantiles=quantiles)
        return answer

    @_if_refitted
    def predict_distribution(self, X: ArrayLike) -> PredictiveDistribution:
        """Conditional density of the target in each row, by the best estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        distribution : PredictiveDistribution
            What the function :func:`predict_distribution` finds.

        Raises
        ------
        AttributeError
            If ``refit=False``.
        sklearn.exceptions.NotFittedError
            If ``fit`` has not been called.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor, MDNSearchCV
        >>> X, y = load_diabetes(return_X_y=True)
        >>> mdn = MDNRegressor(max_iter=5, random_state=0)
        >>> MDNSearchCV(mdn, {"n_components": [3]}, cv=2).fit(X, y).predict_distribution(X[:4])
        <MixtureDistribution: 4 rows, 3 components, 1-d target>
        """
        regressor, rows = self._regressor(X)
        distribution: PredictiveDistribution = regressor.predict_distribution(rows)
        return distribution

    @_if_refitted
    def sample(self, X: ArrayLike, n_samples: int = 1, random_state: Any = None) -> NDArray[np.float64]:
        """Draw targets from the densities that the best estimator predicts.

        Parameters
        ----------
        X : array-like of shape (n_samples_X, n_features)
            Rows to draw for.
        n_samples : int, default=1
            Draws a row.
        random_state : int, RandomState instance or None, default=None
            An int gives the same draws in every call, None fresh ones.

        Returns
        -------
        y_samples : ndarray of shape (n_samples_X, n_samples) or (n_samples_X, n_outputs, n_samples)
            As :meth:`MDNRegressor.sample` returns them.

        Raises
        ------
        AttributeError
            If ``refit=False``.
        ValueError
            If ``n_samples`` is not a positive integer.
        sklearn.exceptions.NotFittedError
            If ``fit`` has not been called.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor, MDNSearchCV
        >>> X, y = load_diabetes(return_X_y=True)
        >>> mdn = MDNRegressor(max_iter=5, random_state=0)
        >>> search = MDNSearchCV(mdn, {"n_components": [1, 3]}, cv=2).fit(X, y)
        >>> search.sample(X[:3], n_samples=100, random_state=0).shape
        (3, 100)
        """
        regressor, rows = self._regressor(X)
        draws: NDArray[np.float64] = regressor.sample(rows, n_samples=n_samples, random_state=random_state)
        return draws

    def _regressor(self, X: ArrayLike) -> tuple[Any, Any]:
        """The regressor of densities in the best estimator, and the rows as it sees them."""
        core = unwrap(self, X)
        return core.regressor, core.X

    def score(self, X: ArrayLike, y: ArrayLike | None = None, **params: Any) -> float:
        """Score of the best estimator on the given rows, as in GridSearchCV.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **params : dict
            Passed on to the scorer.

        Returns
        -------
        score : float
            By ``scoring``; with several scorers the one named by ``refit``, or the mean
            log-likelihood with ``refit="stacking"``.

        Raises
        ------
        AttributeError
            If ``refit=False``.
        sklearn.exceptions.NotFittedError
            If ``fit`` has not been called.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor, MDNSearchCV
        >>> X, y = load_diabetes(return_X_y=True)
        >>> mdn = MDNRegressor(max_iter=5, random_state=0)
        >>> search = MDNSearchCV(mdn, {"n_components": [1, 3]}, cv=2).fit(X, y)
        >>> search.score(X, y) == search.best_estimator_.score(X, y)
        True
        """
        if self.refit:
            self._check_fitted("best_estimator_", "multimetric_", "scorer_")
        if self.refit == "stacking" and self.multimetric_:
            score: float = self.best_estimator_.score(X, y, **params)
        else:
            score = super().score(X, y, **params)
        return score
