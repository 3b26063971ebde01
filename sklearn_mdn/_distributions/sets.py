"""PredictionSets: a set of values of the target for each row, calibrated to hold what it says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.checks import as_numbers
from sklearn_mdn._distributions.families import nested_sets
from sklearn_mdn._distributions.nested import NestedSets
from sklearn_mdn._distributions.stored_state import read_state, stamped
from sklearn_mdn._distributions.typing import Rows

Array = NDArray[np.float64]

BISECTIONS = 32
MARKS = 1.0 / (1.0 + np.exp(-np.linspace(-21.0, 21.0, 43)))
FARTHEST = 1e100  # what is held there is not bounded
BLOCK_ROWS = 512
STATE_NAMES = ("distributions", "method", "confidence_level", "seed", "levels", "scores", "groups", "needed")


class PredictionSets:
    """Sets of values of the target, one a row: what ``predict_set`` of a conformal estimator gives.

    Not made by hand. A set is a union of intervals, or for several targets a region that tells which values
    it holds.

    Attributes
    ----------
    confidence_level : float
        The probability that the sets were calibrated for.
    method : {"hdr", "interval", "width"}
        What they are made of.
    levels : ndarray of shape (n,) or None
        Levels of the regions under the predicted density, 1 for the whole line and below 0 for nothing; None
        for out-of-fold densities, where each fold has its own.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import BayesianRidge
    >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 1))
    >>> y = X[:, 0] + rng.normal(size=300)
    >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0).fit(X, y)
    >>> sets = model.predict_set([[0.0], [1.0]], confidence_level=0.8)
    >>> sets
    <PredictionSets: 2 rows, confidence level 0.8, method 'hdr'>
    >>> sets.contains([0.0, 5.0])
    array([ True, False])
    >>> sets.n_pieces()
    array([1, 1])
    """

    __module__ = "sklearn_mdn"

    def __init__(
        self,
        distributions: Sequence[Any],
        method: str,
        confidence_level: float,
        *,
        seed: int,
        levels: Array | None = None,
        scores: Sequence[Sequence[Array]] = (),
        groups: NDArray[np.intp] | None = None,
        needed: NDArray[np.intp] | None = None,
    ) -> None:
        # With one distribution each row has a level. With several (folds) each value of y gets the number of
        # scores of its group, of all folds, that are not below its own level under that fold's density, and
        # is in the set if there are ``needed`` of them.
        self._distributions = list(distributions)
        self.method = method
        self.confidence_level = confidence_level
        self.levels = levels
        self._seed = seed
        self._scores = [list(each) for each in scores]
        self._groups = groups
        self._needed = needed

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._distributions[0])

    def __getitem__(self, rows: Rows) -> Self:
        """The sets of some rows: an integer (n = 1), a slice, indices or a boolean mask."""
        chosen = np.arange(len(self))[[int(rows)] if isinstance(rows, Integral) else rows]
        levels, groups, needed = self.levels, self._groups, self._needed
        return type(self)(
            [dist[chosen] for dist in self._distributions],
            self.method,
            self.confidence_level,
            seed=self._seed,
            levels=None if levels is None else levels[chosen],
            scores=self._scores,
            groups=None if groups is None else groups[chosen],
            needed=None if needed is None else needed[chosen],
        )

    def __repr__(self) -> str:
        """Say the numbers of rows, the confidence level and the method."""
        rows = f"{len(self)} row{'s' * (len(self) != 1)}"
        return f"<PredictionSets: {rows}, confidence level {self.confidence_level:g}, method {self.method!r}>"

    def __getstate__(self) -> dict[str, Any]:
        """Arrays and distributions alone."""
        state = {name: getattr(self, f"_{name}", None) for name in STATE_NAMES}
        state |= {name: getattr(self, name) for name in ("method", "confidence_level", "levels")}
        return stamped(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what ``__getstate__`` gave."""
        read = read_state(state, type(self).__name__, STATE_NAMES)
        for name, value in read.items():
            public = name in ("method", "confidence_level", "levels")
            setattr(self, name if public else f"_{name}", value)

    @cached_property
    def intervals(self) -> Array:
        """The sets as intervals in increasing order, (n, J, 2), padded with NaN.

        For one target. The whole line is from minus infinity to infinity.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0).fit(X, y)
        >>> model.predict_set(X[:3]).intervals.shape
        (3, 1, 2)
        """
        if self._n_targets > 1:
            raise ValueError(
                f"intervals are for one target, got sets of {self._n_targets} targets; contains(y) tells "
                "which values they hold."
            )
        if self.levels is not None:
            return self._regions(self.levels)
        blocks = range(0, len(self), BLOCK_ROWS)
        parts = [self[start : start + BLOCK_ROWS]._voted_intervals() for start in blocks]
        return _stacked(parts)

    @property
    def threshold(self) -> Array:
        """Density at the border of the sets of method "hdr", (n,): 0 for the whole line, infinite for none.

        Of several targets it is told by seeded draws. NaN for out-of-fold densities, each of which has its
        own.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> inner = GaussianDensity(BayesianRidge())
        >>> model = ConformalDensityRegressor(inner, cv="split", random_state=0).fit(X[:200], y[:200])
        >>> sets = model.conformalize(X[200:], y[200:]).predict_set(X[:2])
        >>> bool((sets.threshold > 0).all())
        True
        """
        if self.method != "hdr":
            raise ValueError(f'threshold is for method="hdr", got {self.method!r}.')
        threshold = np.full(len(self), np.nan)
        if self.levels is None:
            return threshold
        threshold[self.levels >= 1.0] = 0.0
        threshold[self.levels < 0.0] = np.inf
        (dist,) = self._distributions
        for level in np.unique(self.levels[self._bounded]):
            rows = np.flatnonzero(self.levels == level)
            threshold[rows] = dist[rows].hdr_threshold(max(level, 1e-6), random_state=self._seed)
        return threshold

    def contains(self, y: ArrayLike) -> NDArray[np.bool_]:
        """Whether the sets hold values of the target.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D) with the D targets on its last axis.

        Returns
        -------
        inside : bool ndarray of shape (..., n)
            False where y is NaN.

        Raises
        ------
        ValueError
            If y does not broadcast.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0).fit(X, y)
        >>> bool(0.85 < model.predict_set(X, confidence_level=0.9).contains(y).mean() < 0.95)
        True
        """
        values = as_numbers(y, "y").astype(np.float64)
        shape = self._distributions[0].mean().shape
        try:
            full = np.broadcast_shapes(values.shape, shape)
            if len(self) != 1 and full[len(full) - len(shape) :] != shape:
                raise ValueError
        except ValueError:
            raise ValueError(f"y of shape {values.shape} cannot be broadcast against {shape}.") from None
        values = np.broadcast_to(values, full)
        lead = full[: len(full) - len(shape)]
        flat = values.reshape(-1, *full[len(lead) :])
        inside = self._inside(flat) & ~np.isnan(flat if len(shape) == 1 else flat.sum(-1))
        return inside.reshape(*lead, inside.shape[-1])

    def length(self) -> Array:
        """Total length of each set, (n,), in the units of the target; infinite for the whole line.

        Returns
        -------
        length : ndarray of shape (n,)

        Raises
        ------
        ValueError
            If there are several targets.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0).fit(X, y)
        >>> model.predict_set(X[:3]).length().shape
        (3,)
        """
        total: Array = np.nansum(self.intervals[..., 1] - self.intervals[..., 0], axis=1)
        return total

    def n_pieces(self) -> NDArray[np.intp]:
        """Number of intervals that each set is made of, (n,).

        Returns
        -------
        n_pieces : int ndarray of shape (n,)
            Zero for a set that holds nothing.

        Raises
        ------
        ValueError
            If there are several targets.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0).fit(X, y)
        >>> model.predict_set(X[:3]).n_pieces()
        array([1, 1, 1])
        """
        count: NDArray[np.intp] = (~np.isnan(self.intervals[..., 0])).sum(axis=1)
        return count

    @property
    def _n_targets(self) -> int:
        shape = self._distributions[0].mean().shape
        return 1 if len(shape) == 1 else int(shape[1])

    @cached_property
    def _families(self) -> list[NestedSets]:
        """Nested sets of each fold; of one distribution, in the rows that are neither the line nor empty."""
        crossed = self.levels is None
        rows = slice(None) if crossed else self._bounded
        return [
            nested_sets(self.method, dist[rows], crossed=crossed, random_state=self._seed)
            for dist in self._distributions
        ]

    @property
    def _bounded(self) -> NDArray[np.intp]:
        assert self.levels is not None
        return np.flatnonzero((self.levels >= 0.0) & (self.levels < 1.0))

    def _inside(self, y: Array) -> NDArray[np.bool_]:
        """Whether the sets hold y (m, n) or (m, n, D)."""
        if self.levels is not None:
            rows = self._bounded
            inside: NDArray[np.bool_] = np.tile(self.levels >= 1.0, (len(y), 1))
            if len(rows):
                y = y if y.shape[1] == len(self) else np.repeat(y, len(self), axis=1)
                inside[:, rows] = self._families[0].holds(y[:, rows], self.levels[rows])
            return inside
        assert self._needed is not None
        voted: NDArray[np.bool_] = self._votes(y) >= self._needed
        return voted

    def _votes(self, y: Array) -> NDArray[np.intp]:
        """How many scores are not below the level of y, each under the density of its own fold, (m, n)."""
        votes = np.zeros(y.shape[:2], dtype=np.intp)
        assert self._groups is not None
        for fold, family in enumerate(self._families):
            level = family.level(y)
            for group in np.unique(self._groups):
                rows = self._groups == group
                scores = self._scores[group][fold]  # in rising order
                votes[:, rows] += len(scores) - np.searchsorted(scores, level[:, rows], side="left")
        return votes

    def _regions(self, levels: Array) -> Array:
        """Regions of a level each: the whole line at 1, nothing below 0."""
        rows = self._bounded
        found = self._families[0].intervals(levels[rows]) if len(rows) else np.empty((0, 1, 2))
        intervals = np.full((len(levels), *found.shape[1:]), np.nan)
        intervals[rows] = found
        intervals[levels >= 1.0, 0] = [-np.inf, np.inf]
        return intervals

    def _voted_intervals(self) -> Array:
        """The sets between values where the vote turns, from marks of all folds and by bisection."""
        marks = np.sort(np.concatenate([self._marks(dist) for dist in self._distributions]), axis=0)
        inside = self._inside(marks)
        farthest = np.full((1, len(self)), FARTHEST)
        marks = np.concatenate([-farthest, marks, farthest])
        inside = np.concatenate([self._inside(-farthest), inside, self._inside(farthest)])
        row, place = np.nonzero((inside[1:] != inside[:-1]).T)
        rank = np.arange(len(row)) - np.searchsorted(row, row)  # of a turn among those of its row
        count = int(rank.max()) + 1 if len(row) else 0
        low, high = np.full((2, count, len(self)), np.nan)
        low[rank, row], high[rank, row] = marks[place, row], marks[place + 1, row]
        rises = np.zeros((count, len(self)), dtype=bool)
        rises[rank, row] = inside[place + 1, row]
        far = 1e3 * (1.0 + np.fmin(np.abs(low), np.abs(high)))
        low, high = (
            np.where(low <= -FARTHEST, high - far, low),
            np.where(high >= FARTHEST, low + far, high),
        )
        for _ in range(BISECTIONS if count else 0):
            middle = 0.5 * (low + high)
            moves_up = self._inside(np.nan_to_num(middle)) != rises
            low, high = np.where(moves_up, middle, low), np.where(moves_up, high, middle)
        # The outer of the two values, so that nothing of the set is lost; NaN behind the turns of a row.
        turns = [*np.where(rises, low, high), np.full(len(self), np.nan)]
        first = np.where(inside[0], -np.inf, np.nan)
        edges = in_front(np.stack([first, *turns], axis=1))
        odd = np.flatnonzero((~np.isnan(edges)).sum(axis=1) % 2)
        edges[odd, (~np.isnan(edges[odd])).sum(axis=1)] = np.inf
        edges = edges[:, : 2 * (edges.shape[1] // 2)]
        return self._as_one(edges.reshape(len(self), -1, 2))

    def _marks(self, dist: Any) -> Array:
        """Values (m, n) among which each piece of a set has some: quantiles, and the modes."""
        marks: Array = dist.ppf(MARKS[:, None])
        if self.method != "hdr":
            return marks
        modes = dist.modes().reshape(len(self), -1).T
        return np.concatenate([marks, np.where(np.isnan(modes), modes[:1], modes)])

    def _as_one(self, intervals: Array) -> Array:
        """One interval a row, where the method gives one, and no more pieces than some row has."""
        used = max(1, int((~np.isnan(intervals[..., 0])).sum(1).max(initial=0)))
        if self.method == "hdr":
            return intervals[:, :used]
        low = np.fmin.reduce(intervals[..., 0], axis=1)
        high = np.fmax.reduce(intervals[..., 1], axis=1)
        return np.stack([low, high], axis=-1)[:, None]


def in_front(values: Array) -> Array:
    """Each row with its NaN entries moved behind the others."""
    order = np.argsort(np.isnan(values), axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1)


def _stacked(parts: Sequence[Array]) -> Array:
    """Intervals (r, J, 2) on top of each other, those of smaller J padded with NaN."""
    n_pieces = max((part.shape[1] for part in parts), default=1)
    padded = [np.pad(p, ((0, 0), (0, n_pieces - p.shape[1]), (0, 0)), constant_values=np.nan) for p in parts]
    return np.concatenate(padded) if padded else np.empty((0, 1, 2))
