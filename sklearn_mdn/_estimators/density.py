"""The prediction methods that follow from a predicted density, whoever predicts it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from numbers import Number
from typing import Any, Literal, TypeVar, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import RegressorMixin
from sklearn.utils import _safe_indexing, assert_all_finite, check_array, check_random_state, indexable
from sklearn.utils.validation import _num_samples

from sklearn_mdn._distributions.checks import check_count, check_level_list
from sklearn_mdn._distributions.noise import child_generators
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.records import Records
from sklearn_mdn._distributions.row_weights import row_mean
from sklearn_mdn._estimators.inputs import row_blocks
from sklearn_mdn._estimators.prediction import OUTPUT_BLOCK, TooFarError
from sklearn_mdn._torch.memory import naming_memory

# Rows whose densities may always be held at once.
FEW_ROWS = 64

Method = TypeVar("Method", bound=Callable[..., object])


def check_numeric(y: object, name: str = "y") -> None:
    """Refuse targets that scikit-learn's validation lets through, or refuses without naming them."""
    if sparse.issparse(y):
        raise TypeError(f"{name} must be a dense array of numbers, got a sparse matrix.")
    try:
        values = np.asarray(y)
    except ValueError:
        raise ValueError(f"{name} must be an array of numbers, got rows of different lengths.") from None
    if values.dtype.kind in "USmMV":
        raise ValueError(f"{name} must hold numbers, got the data type {values.dtype}.")
    if values.ndim == 0 and y is not None:
        raise ValueError(f"{name} must be an array of numbers, got {y!r}.")
    if values.dtype.kind == "O" and y is not None:
        for value in values.flat:
            if isinstance(value, complex) or not (value is None or isinstance(value, Number)):
                raise ValueError(f"{name} must hold real numbers, got {value!r}.")
        assert_all_finite(values.astype(np.float64), input_name=name)


def check_target(y: ArrayLike, shape: tuple[int, ...], name: str = "y") -> NDArray[np.float64]:
    """Targets of exactly this shape; (n, 1) beside (n,) would broadcast in silence."""
    check_numeric(y, name)
    target: NDArray[np.float64] = check_array(
        y, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name=name
    )
    if target.shape != shape:
        ways = {(*shape, 1): f"np.asarray({name})[:, 0]", shape[:-1]: f"np.asarray({name})[:, np.newaxis]"}
        way = f" Pass {ways[target.shape]}." if target.shape in ways and target.size == np.prod(shape) else ""
        raise ValueError(
            f"{name} must have the shape {shape}, as the target in fit and the rows of X; got "
            f"{target.shape}.{way}"
        )
    return target


def check_records(
    y: ArrayLike, y_upper: ArrayLike | None, shape: tuple[int, ...], name: str = "y"
) -> Records:
    """What was recorded of targets of exactly this shape: values y, or that they lie up to ``y_upper``."""
    if y_upper is None:
        return Records.of(check_target(y, shape, name).reshape(shape[0], -1))
    upper_name = name.replace("y", "y_upper", 1)
    lower = _check_end(y, -np.inf, shape, name)
    upper = _check_end(y_upper, np.inf, shape, upper_name)
    for wrong, expected in (
        (upper < lower, f"{upper_name} must not be below {name}"),
        (
            np.isinf(lower) & np.isinf(upper),
            f"{name} and {upper_name} must not both be infinite, which says nothing of a target: leave such "
            "rows out",
        ),
    ):
        if wrong.any():
            first = tuple(int(i) for i in np.argwhere(wrong)[0])
            more = f", and so in {wrong.sum()} places" if wrong.sum() > 1 else ""
            raise ValueError(
                f"{expected}; got {name}={lower[first]:g} and {upper_name}={upper[first]:g} in row "
                f"{first[0]}{more}."
            )
    return Records.between(lower.reshape(shape[0], -1), upper.reshape(shape[0], -1))


def _check_end(values: ArrayLike, end: float, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """Ends of intervals, which may also be this infinity."""
    check_numeric(values, name)
    array = np.array(values, dtype=np.float64)
    open_ends = array == end
    array[open_ends] = 0.0
    array = check_target(array, shape, name)
    array[open_ends] = end
    return array


def naming_memory_of(method: Method) -> Method:
    """Say of memory that ran out in a method what needs less of it."""

    @wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> object:
        way_out = "Fewer rows at a time, a smaller n_samples or fewer quantiles need less of it."
        with naming_memory(f"{type(self).__name__}.{method.__name__}", way_out):
            return method(self, *args, **kwargs)

    return cast(Method, run)


class DensityRegressorMixin(RegressorMixin, ABC):
    """Point predictions, draws and scores of a regressor that predicts mixtures.

    A subclass provides ``predict_distribution``.
    """

    # scikit-learn asks the tags; tools that are older than those (yellowbrick, say) ask for this.
    _estimator_type = "regressor"

    @abstractmethod
    def predict_distribution(self, X: ArrayLike) -> PredictiveDistribution:
        """Conditional density of the target in each row of X."""

    def _rows_at_once(self, X: ArrayLike) -> int:
        """Rows whose mixtures are to be held at once; one of them tells how large they are."""
        numbers = self.predict_distribution(_safe_indexing(X, [0]))._numbers_a_row
        return FEW_ROWS * max(1, OUTPUT_BLOCK // (FEW_ROWS * numbers))

    def _distributions(self, X: ArrayLike) -> Iterator[PredictiveDistribution]:
        """Densities part by part, of neighbouring rows: what needs no mixtures in the end holds few."""
        (X,) = indexable(X)
        n_rows = _num_samples(X)
        at_once = n_rows if n_rows <= FEW_ROWS else self._rows_at_once(X)
        if n_rows <= at_once:
            yield self.predict_distribution(X)
        else:
            for rows in row_blocks(n_rows, at_once):
                try:
                    yield self.predict_distribution(_safe_indexing(X, rows))
                except TooFarError as error:
                    raise TooFarError(rows.start + error.row, error.value) from None

    @overload
    def predict(
        self, X: ArrayLike, return_std: Literal[False] = False, quantiles: ArrayLike | None = None
    ) -> NDArray[np.float64]: ...

    @overload
    def predict(
        self, X: ArrayLike, return_std: Literal[True], quantiles: None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

    @overload
    def predict(
        self, X: ArrayLike, return_std: bool, quantiles: None = None
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]: ...

    @naming_memory_of
    def predict(
        self, X: ArrayLike, return_std: bool = False, quantiles: ArrayLike | None = None
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean of the predicted density; on request its standard deviation, or quantiles instead.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.
        return_std : bool, default=False
            Whether to return the standard deviation of the predicted density as well.
        quantiles : array-like of shape (n_quantiles,), default=None
            Levels inside (0, 1). If given, the quantiles are returned instead of the mean, those
            of each target on its own where there are several.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Means in the units of the target. With ``quantiles``: (n_samples, n_quantiles) or
            (n_samples, n_outputs, n_quantiles), levels in the given order.
        y_std : ndarray of the shape of y_pred
            Standard deviations; only with ``return_std=True``.

        Raises
        ------
        ValueError
            If both ``return_std`` and ``quantiles`` are asked for, or a level lies outside (0, 1). The
            quantiles at 0 and 1 are the infinities, no predictions; ``predict_distribution(X).ppf`` has
            them.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> model.predict(X[:3]).shape
        (3,)
        >>> model.predict(X[:3], quantiles=[0.05, 0.5, 0.95]).shape
        (3, 3)
        """
        if quantiles is None:
            if not return_std:
                return in_one(((part.mean(),) for part in self._distributions(X)), X)[0]
            means, deviations = in_one(((part.mean(), part.std()) for part in self._distributions(X)), X)
            return means, deviations
        if return_std:
            raise ValueError(
                "return_std=True and quantiles cannot be asked for together; call predict twice."
            )
        levels = check_level_list(quantiles, "quantiles")

        def at_levels(part: PredictiveDistribution) -> NDArray[np.float64]:
            return np.moveaxis(part.ppf(levels.reshape(-1, *(1,) * len(part._shape))), 0, -1)

        return in_one(((at_levels(part),) for part in self._distributions(X)), X)[0]

    @naming_memory_of
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Mixing proportions of the components of the predicted mixtures.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_components)
            Rows sum to one. An ensemble has the columns of its members one after the other.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> MDNRegressor(3, max_iter=5, random_state=0).fit(X, y).predict_proba(X[:2]).shape
        (2, 3)
        """
        return in_one(((part.weights,) for part in self._distributions(X)), X)[0]

    @naming_memory_of
    def sample(
        self,
        X: ArrayLike,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
        *,
        rounded: bool = False,
    ) -> NDArray[np.float64]:
        """Draw targets from the predicted densities.

        Parameters
        ----------
        X : array-like of shape (n_samples_X, n_features)
            Rows to draw for.
        n_samples : int, default=1
            Draws a row.
        random_state : int, RandomState instance or None, default=None
            An int gives the same draws in every call, None fresh ones.
        rounded : bool, default=False
            Whether to round draws as the values were that an estimator with a ``resolution`` was fitted to.

        Returns
        -------
        y_samples : ndarray of shape (n_samples_X, n_samples) or (n_samples_X, n_outputs, n_samples)
            Draws in the units of the target, on the axes of
            :meth:`sklearn.gaussian_process.GaussianProcessRegressor.sample_y`.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer, or there is no resolution that draws could be rounded
            to.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> model.sample(X[:3], n_samples=100, random_state=0).shape
        (3, 100)
        """
        n_samples = check_count(n_samples, "n_samples")
        streams = child_generators(random_state, 2)
        parts = self._distributions(X)
        if rounded:
            return in_one(((part._draw_rounded(n_samples, *streams),) for part in parts), X)[0]
        return in_one(((part._draw(n_samples, *streams),) for part in parts), X)[0]

    @naming_memory_of
    def score_samples(
        self, X: ArrayLike, y: ArrayLike | None = None, *, y_upper: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Log density of each target given its row, log p(y_i | x_i).

        With a ``resolution`` it is the log probability of what was recorded.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, exactly as wide as in ``fit``. None scores the estimator's own ``predict(X)``:
            low where the mean falls between modes.
        y_upper : array-like of the shape of y, default=None
            Upper ends of the intervals in which targets lie above ``y``, as in ``fit``: what is scored of
            these is their probability.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            In nats, for densities per unit of the target; joint over several targets.

        Raises
        ------
        ValueError
            If ``y`` or ``y_upper`` has another shape than the target in ``fit``, intervals are none, or
            several targets are not independent within components.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> model.score_samples(X[:3], y[:3]).shape
        (3,)
        """
        if y is None and y_upper is not None:
            raise ValueError("y_upper must come with the y that lies below it, got it alone.")

        def scored() -> Iterator[tuple[NDArray[np.float64]]]:
            records, start = None, 0
            for part in self._distributions(X):
                center, stop = part.mean(), start + len(part)
                if y is not None and records is None:
                    records = check_records(y, y_upper, (_num_samples(X), *center.shape[1:]))
                own = Records.of(center.reshape(len(part), -1)) if records is None else records[start:stop]
                yield (part._log_score(own),)
                start = stop

        return in_one(scored(), X)[0]

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        y_upper: ArrayLike | None = None,
    ) -> float:
        """Mean log-likelihood of the targets; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, exactly as wide as in ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.
        y_upper : array-like of the shape of y, default=None
            Upper ends of the intervals in which targets lie above ``y``, as in ``fit``.

        Returns
        -------
        score : float
            Weighted mean of ``score_samples(X, y)``. R² is one word away: ``scoring="r2"``.

        Raises
        ------
        ValueError
            If ``y`` is None or has another shape than the target in ``fit``, or weights are negative.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> bool(model.score(X, y) > -7)
        True
        """
        if y is None:
            raise ValueError("score needs the targets y, got None; score_samples(X) scores predict(X).")
        return float(row_mean(self.score_samples(X, y, y_upper=y_upper), sample_weight))


def in_one(
    answers: Iterable[tuple[NDArray[np.float64], ...]], X: ArrayLike
) -> tuple[NDArray[np.float64], ...]:
    """Answers for the rows of X part by part as arrays that are made once.

    A list of small arrays, each behind the memory of a part that is freed again, would hold on to that.
    """
    whole: tuple[NDArray[np.float64], ...] = ()
    start = 0
    for found in answers:
        if not whole:
            n_rows = _num_samples(X)
            if len(found[0]) == n_rows:
                return found
            whole = tuple(np.empty((n_rows, *answer.shape[1:])) for answer in found)
        stop = start + len(found[0])
        for target, answer in zip(whole, found, strict=True):
            target[start:stop] = answer
        start = stop
    return whole


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """One integer that stands for ``random_state``; None gives fresh entropy, not the global stream."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
