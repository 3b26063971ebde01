"""The prediction methods that follow from a predicted density, whoever predicts it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from numbers import Number
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import RegressorMixin
from sklearn.utils import _safe_indexing, assert_all_finite, check_array, check_random_state, indexable
from sklearn.utils.validation import _num_samples

from sklearn_mdn._distributions.checks import check_count, check_level_list
from sklearn_mdn._distributions.noise import child_generators
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.row_weights import row_mean
from sklearn_mdn._estimators.inputs import row_blocks
from sklearn_mdn._estimators.prediction import OUTPUT_BLOCK

# Rows whose densities may always be held at once.
FEW_ROWS = 64


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
                yield self.predict_distribution(_safe_indexing(X, rows))

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
                return np.concatenate([part.mean() for part in self._distributions(X)])
            means, deviations = zip(*((p.mean(), p.std()) for p in self._distributions(X)), strict=True)
            return np.concatenate(means), np.concatenate(deviations)
        if return_std:
            raise ValueError(
                "return_std=True and quantiles cannot be asked for together; call predict twice."
            )
        levels = check_level_list(quantiles, "quantiles")
        parts = [part.ppf(levels.reshape(-1, *(1,) * part.mean().ndim)) for part in self._distributions(X)]
        return np.moveaxis(np.concatenate(parts, axis=1), 0, -1)

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
        return np.concatenate([part.weights for part in self._distributions(X)])

    def sample(
        self,
        X: ArrayLike,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
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

        Returns
        -------
        y_samples : ndarray of shape (n_samples_X, n_samples) or (n_samples_X, n_outputs, n_samples)
            Draws in the units of the target, on the axes of
            :meth:`sklearn.gaussian_process.GaussianProcessRegressor.sample_y`.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer.

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
        return np.concatenate([part._draw(n_samples, *streams) for part in self._distributions(X)])

    def score_samples(self, X: ArrayLike, y: ArrayLike | None = None) -> NDArray[np.float64]:
        """Log density of each target given its row, log p(y_i | x_i).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, exactly as wide as in ``fit``. None scores the estimator's own ``predict(X)``:
            low where the mean falls between modes.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            In nats, for densities per unit of the target; joint over several targets.

        Raises
        ------
        ValueError
            If ``y`` has another shape than the target in ``fit``.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> model.score_samples(X[:3], y[:3]).shape
        (3,)
        """
        scores: list[NDArray[np.float64]] = []
        target, start = None, 0
        for part in self._distributions(X):
            center, stop = part.mean(), start + len(part)
            if y is not None and target is None:
                target = check_target(y, (_num_samples(X), *center.shape[1:]))
            scores.append(part.logpdf(center if target is None else target[start:stop]))
            start = stop
        return np.concatenate(scores)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Mean log-likelihood of the targets; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, exactly as wide as in ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.

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
        return float(row_mean(self.score_samples(X, y), sample_weight))


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """One integer that stands for ``random_state``; None gives fresh entropy, not the global stream."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
