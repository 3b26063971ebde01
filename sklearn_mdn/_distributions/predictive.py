"""What all predicted distributions have in common: one a row, NumPy arrays in and out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.checks import (
    as_numbers,
    check_confidence,
    check_count,
    check_finite,
    check_levels,
    check_targets,
    not_broadcast,
    warn_of_column,
)
from sklearn_mdn._distributions.decisions import Array, Decisions
from sklearn_mdn._distributions.html import rows_as_html
from sklearn_mdn._distributions.noise import balanced_noise, check_seed, child_generators
from sklearn_mdn._distributions.records import Grid, Records, common_grid
from sklearn_mdn._distributions.typing import Rows, SeedLike, Targets
from sklearn_mdn._mixtures.mixture import EnergyDraws
from sklearn_mdn._mixtures.regions import drawn_level, drawn_threshold

BLOCK_NUMBERS = 2**17  # numbers in one temporary array of a block: about what stays in the cache


class PredictiveDistribution(Decisions):
    """Distributions of the target, one for each of n rows, whatever their kind.

    The abstract face of :class:`MixtureDistribution`, :class:`TransformedDistribution` and
    :class:`ClippedDistribution`: what scores, displays and searches ask of a predicted distribution. It has
    the methods of a frozen distribution of `scipy.stats`, under their names and with their conventions, and
    answers for all rows at once.

    Notes
    -----
    Shapes. y broadcasts against (n,), or against (n, D) where D is the axis of the targets. So a grid
    of m points for every row is ``pdf(grid[:, None])`` of shape (m, n), or for D targets
    ``pdf(grid[:, None, :])``. A single row, as of ``dist[3]``, stretches as in NumPy: there ``pdf(grid)``
    of shape (m,) will do. :meth:`cdf`, :meth:`ppf` and their kin treat each target on its own and
    broadcast to (..., n) or (..., n, D).

    Rows. ``len(dist)`` is n, and ``dist[rows]`` the distribution of some of the rows, in the order asked for:
    an integer (n = 1), a slice, a 1-d array of indices or a boolean mask.

    Examples
    --------
    >>> from sklearn_mdn import MixtureDistribution, PredictiveDistribution
    >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
    >>> isinstance(dist, PredictiveDistribution)
    True
    """

    __module__ = "sklearn_mdn"

    _one_dimensional: bool  # whether the target has no axis of its own
    _grid: Grid | None = None  # that recorded values of the targets lie on

    @classmethod
    def concatenate(cls, distributions: Iterable[Self]) -> Self:
        """One distribution with the rows of several, one after the other.

        Parameters
        ----------
        distributions : sequence of MixtureDistribution
            All with the same targets. Numbers of components may differ: rows with fewer get
            components of weight zero. The ensemble's members are kept where all have as many.

        Returns
        -------
        distribution : MixtureDistribution

        Raises
        ------
        ValueError
            If they are no MixtureDistributions, there is none, or their targets differ.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> one = MixtureDistribution([[1.0]], [[0.0]], [[1.0]])
        >>> two = MixtureDistribution([[0.5, 0.5]], [[-1.0, 1.0]], [[1.0, 1.0]])
        >>> MixtureDistribution.concatenate([one, two]).mean()
        array([0., 0.])
        """
        given = distributions
        distributions = list(given) if isinstance(given, Iterable) else []
        kinds = {type(part) for part in distributions}
        if not distributions or not all(isinstance(part, cls) for part in distributions) or len(kinds) > 1:
            got = [type(part).__name__ for part in distributions] if isinstance(given, Iterable) else given
            raise ValueError(f"distributions must be a sequence of at least one {cls.__name__}, got {got}.")
        targets = [part._targets for part in distributions]
        if len(set(targets)) > 1:
            raise ValueError(f"distributions must have the same targets, got {', '.join(targets)}.")
        joined = distributions[0]._joined(distributions)
        return joined._on(common_grid([part._grid for part in distributions]))

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, rows: Rows) -> Self:
        """The distribution of some rows: an integer (n = 1), a slice, indices or a boolean mask."""
        if isinstance(rows, Integral):
            row = int(rows)
            if not -len(self) <= row < len(self):
                raise IndexError(f"row {rows} is out of range for {len(self)} rows.")
            rows = [row]
        elif not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.ndim != 1 or not (rows.dtype.kind in "iub" or rows.size == 0):
                raise IndexError(
                    "rows must be an integer, a slice, or a 1-d array of integers or booleans, got an array "
                    f"of shape {rows.shape} and {rows.dtype}."
                )
            rows = rows if rows.size else rows.astype(np.int64)
        return self._take(np.arange(len(self))[rows].copy())._on(self._grid)

    # With a length and rows, NumPy would take it for a sequence of sequences without end.
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float64]:
        """Refuse: a distribution is no array."""
        raise self._no_array("be made an array")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Refuse: there is no arithmetic on distributions."""
        raise self._no_array(f"go through numpy.{ufunc.__name__}")

    def __repr__(self) -> str:
        """Say the numbers of rows, components, targets and members."""
        n_members, n_components = len(self._member_sizes), self._n_components
        parts = [f"{len(self)} row{'s' * (len(self) != 1)}"]
        parts += [f"{n_components} component{'s' * (n_components != 1)}", self._targets]
        parts += [f"{n_members} members"] * (n_members > 1)
        parts += self._what_is_special()
        if self._grid is not None:
            parts.append(f"resolution {', '.join(f'{step:g}' for step in self._grid.step)}")
        return f"<{type(self).__name__}: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """Show the first rows in a notebook."""
        return rows_as_html(self)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Mixing proportions, (n, K).

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]]).weights
        array([[0.3, 0.7]])
        """
        return self._weights()

    def logpdf(self, y: ArrayLike) -> NDArray[np.float64]:
        """Log density at y, of all targets together.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D) with the D targets on its last axis.

        Returns
        -------
        log_density : ndarray of shape (..., n)

        Raises
        ------
        ValueError
            If y does not broadcast, or does not have D entries on its last axis.

        References
        ----------
        Bishop, C. M. (1994). Mixture density networks, equations 22 and 23.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.logpdf(2.0).round(4)
        array([-0.5801])
        >>> dist.logpdf(np.linspace(-2, 2, 5)[:, None]).shape
        (5, 1)
        """
        return self._joint(self._log_density, y)

    def pdf(self, y: ArrayLike) -> NDArray[np.float64]:
        """Density at y, of all targets together.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D) with the D targets on its last axis.

        Returns
        -------
        density : ndarray of shape (..., n)
            In inverse units of the target (of the product of the targets).

        Raises
        ------
        ValueError
            If y does not broadcast, or does not have D entries on its last axis.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.pdf(2.0).round(4)
        array([0.5598])
        """
        log_density: Array = self._joint(self._log_density, y)
        return np.asarray(np.exp(log_density, out=log_density))

    def cdf(self, y: ArrayLike) -> NDArray[np.float64]:
        """P(Y <= y), of each target on its own.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D), each target on its own.

        Returns
        -------
        probability : ndarray of shape (..., n) or (..., n, D)

        Raises
        ------
        ValueError
            If y does not broadcast.

        See Also
        --------
        prob : Probability of an interval, without cancellation.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.cdf([2.0]).round(4)
        array([0.6496])
        """
        return self._per_target(self._cdf, y=y)

    def sf(self, y: ArrayLike) -> NDArray[np.float64]:
        """P(Y > y), to full relative precision in the upper tail, of each target on its own.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D), each target on its own.

        Returns
        -------
        probability : ndarray of shape (..., n) or (..., n, D)

        Raises
        ------
        ValueError
            If y does not broadcast.

        See Also
        --------
        prob : Probability of an interval, without cancellation.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> print(f"{dist.sf(20.0)[0]:.4e}")
        9.8378e-99
        """
        return self._per_target(self._sf, y=y)

    def logcdf(self, y: ArrayLike) -> NDArray[np.float64]:
        """log P(Y <= y), of each target on its own.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D), each target on its own.

        Returns
        -------
        log_probability : ndarray of shape (..., n) or (..., n, D)

        Raises
        ------
        ValueError
            If y does not broadcast.

        See Also
        --------
        prob : Probability of an interval, without cancellation.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.logcdf(-100.0).round(3)
        array([-4907.218])
        """
        return self._per_target(self._log_cdf, y=y)

    def logsf(self, y: ArrayLike) -> NDArray[np.float64]:
        """log P(Y > y), of each target on its own.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D), each target on its own.

        Returns
        -------
        log_probability : ndarray of shape (..., n) or (..., n, D)

        Raises
        ------
        ValueError
            If y does not broadcast.

        See Also
        --------
        prob : Probability of an interval, without cancellation.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.logsf(100.0).round(3)
        array([-5107.238])
        """
        return self._per_target(self._log_sf, y=y)

    def prob(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
        """P(a < Y <= b), of each target on its own, to full relative precision.

        Nothing cancels, neither in the tails nor for a short interval.

        Parameters
        ----------
        a, b : array-like
            Ends of the interval, a <= b, infinities included. They broadcast against each other and
            (n,), or (n, D).

        Returns
        -------
        probability : ndarray of shape (..., n) or (..., n, D)

        Raises
        ------
        ValueError
            If a or b does not broadcast, or some b is below its a.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.prob(0.0, 3.0).round(4)
        array([0.7316])
        >>> print(f"{dist.prob(20.0, 21.0)[0]:.4e}")
        9.8378e-99
        """
        return self._per_target(self._prob, a=a, b=b)

    def probabilities(self, values: ArrayLike) -> NDArray[np.float64]:
        """P(Y = v) for values v on the grid of a ``resolution``, of each target on its own.

        That is P(v - r / 2 < Y <= v + r / 2), for the probability that a target with the resolution r is
        recorded as v.

        Parameters
        ----------
        values : array-like of shape (V,), or number
            Values, the same for each row and target; a number is a list of one.

        Returns
        -------
        probabilities : ndarray of shape (n, V) or (n, D, V)
            Rows sum to one where the values are all those of the grid.

        Raises
        ------
        ValueError
            If the targets have no resolution, or the values are no list of numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = np.arange(100.0)[:, None], np.arange(100) % 3
        >>> model = MDNRegressor(2, resolution=1, max_iter=5, random_state=0).fit(X, y)
        >>> model.predict_distribution(X[:4]).probabilities([0, 1, 2]).shape
        (4, 3)
        """
        array, step = (
            np.atleast_1d(check_finite(values, "values")),
            self._steps("values have probabilities only"),
        )
        if array.ndim != 1:
            raise ValueError(f"values must be a list of numbers, got an array of shape {array.shape}.")
        shape = len(array), len(self), self._n_targets
        place = np.broadcast_to(array[:, np.newaxis, np.newaxis], shape)
        found = self._prob(place - 0.5 * step, place + 0.5 * step)
        return np.moveaxis(self._squeeze(found), 0, -1)

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles: y with P(Y <= y) = q, of each target on its own.

        Parameters
        ----------
        q : array-like
            Levels in [0, 1]. They broadcast against (n,), or (n, D): a scalar gives a quantile a
            row and target, ``q[:, None]`` (Q, n), and ``q[:, None, None]`` (Q, n, D).

        Returns
        -------
        quantiles : ndarray of shape (..., n) or (..., n, D)
            In the units of the target. Minus infinity at 0 and infinity at 1, the ends of
            the :meth:`support`.

        Raises
        ------
        ValueError
            If a level is not in [0, 1], or q does not broadcast.

        See Also
        --------
        isf : The same from the upper side, with levels close to one told apart.

        Notes
        -----
        Solved to full double precision by Halley's method on the logarithm of the nearer tail, inside a
        bracket of the components' own quantiles.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.ppf(0.5).round(4)
        array([1.7191])
        >>> dist.ppf(np.array([0.05, 0.95])[:, None]).round(4)
        array([[-1.9674],
               [ 2.7328]])
        >>> dist.ppf([0.0, 1.0])
        array([-inf,  inf])
        """
        return self._quantiles(check_levels(q, "q", ends=True))

    def isf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Upper quantiles: y with P(Y > y) = q, of each target on its own.

        Parameters
        ----------
        q : array-like
            Levels in [0, 1], broadcast as in :meth:`ppf`.

        Returns
        -------
        quantiles : ndarray of shape (..., n) or (..., n, D)
            In the units of the target. Infinity at 0 and minus infinity at 1.

        Raises
        ------
        ValueError
            If a level is not in [0, 1], or q does not broadcast.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.isf(1e-20).round(4)
        array([8.1329])
        """
        return self._quantiles(check_levels(q, "q", ends=True), upper_tail=True)

    def median(self) -> NDArray[np.float64]:
        """Median of each target, (n,) or (n, D).

        Returns
        -------
        median : ndarray of shape (n,) or (n, D)

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.median().round(4)
        array([1.7191])
        """
        return self.ppf(0.5)

    def interval(self, confidence: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Central interval of each target, with equal probabilities on both sides.

        Parameters
        ----------
        confidence : array-like
            Probability of the interval, in [0, 1]; broadcast as in :meth:`ppf`.

        Returns
        -------
        lower, upper : ndarray of shape (..., n) or (..., n, D)
            At 1 the infinities, at 0 the median twice.

        Raises
        ------
        ValueError
            If the confidence is not in [0, 1], or does not broadcast.

        See Also
        --------
        hdr : The smallest region of that probability.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> lower, upper = dist.interval(0.9)
        >>> lower.round(4), upper.round(4)
        (array([-1.9674]), array([2.7328]))
        """
        tail = 0.5 * (1.0 - check_levels(confidence, "confidence", ends=True))
        lower = self._quantiles(tail, name="confidence")
        return lower, self._quantiles(tail, upper_tail=True, name="confidence")

    def support(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ends of the range in which a value is possible: for Gaussian mixtures the infinities.

        Returns
        -------
        lower, upper : ndarray of shape (n,) or (n, D)

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.support()
        (array([-inf]), array([inf]))
        """
        lower, upper = self._support()
        return self._squeeze(lower), self._squeeze(upper)

    def atoms(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values that have a probability of their own, and those probabilities, of each target.

        Returns
        -------
        places, probabilities : ndarray of shape (n, J) or (n, D, J)
            J = 0 for a distribution with a density everywhere.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.atoms()[0].shape
        (1, 0)
        """
        places, probabilities = self._atoms()
        axis = (slice(None), 0) if self._one_dimensional else (slice(None),)
        return places[axis], probabilities[axis]

    def mean(self) -> NDArray[np.float64]:
        """Mean, (n,) or (n, D).

        Returns
        -------
        mean : ndarray of shape (n,) or (n, D)

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.mean()
        array([1.1])
        """
        return self._squeeze(self._mean())

    def var(self) -> NDArray[np.float64]:
        """Variance of each target, (n,) or (n, D).

        Returns
        -------
        variance : ndarray of shape (n,) or (n, D)

        See Also
        --------
        MixtureDistribution.cov : Covariances of the targets as well.
        MixtureDistribution.variance_split : The parts within and between the members of an ensemble.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.var()
        array([2.365])
        """
        return self._squeeze(self._var())

    def std(self) -> NDArray[np.float64]:
        """Standard deviation of each target, (n,) or (n, D).

        Returns
        -------
        deviation : ndarray of shape (n,) or (n, D)

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.std().round(4)
        array([1.5379])
        """
        return self._squeeze(self._std())

    def mode(self) -> NDArray[np.float64]:
        """The highest of the :meth:`modes`, (n,) or (n, D).

        Returns
        -------
        mode : ndarray of shape (n,) or (n, D)

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.mode().round(4)
        array([1.9982])
        """
        return self.modes()[:, 0]

    def modes(self) -> NDArray[np.float64]:
        """Modes of the density, highest first.

        Returns
        -------
        modes : ndarray of shape (n, J) or (n, J, D)
            Padded with NaN for rows with fewer than J.

        Notes
        -----
        For one target these are all modes: the sign changes of the derivative are bracketed by bounds
        that leave out none but pairs of a mode and an antimode closer than about a thousandth of the
        local standard deviation. For several targets they are the maxima that lie uphill from the
        component means (fixed-point iteration, finished by Newton's method); a Gaussian mixture can
        have others. Maxima closer than a thousandth of the local standard deviation count as one.

        References
        ----------
        Carreira-Perpinan, M. A. (2000). Mode-finding for mixtures of Gaussian distributions. IEEE
        Transactions on Pattern Analysis and Machine Intelligence, 22(11), 1318-1323.

        Examples
        --------
        A mode that is near none of the component means:

        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution(
        ...     [[0.279, 0.461, 0.260]], [[-0.363, 1.193, 1.821]], [[0.625**2, 0.860**2, 0.197**2]]
        ... )
        >>> dist.modes().round(3)
        array([[ 1.811, -0.047,  0.982]])
        """
        found = self._modes()
        return self._squeeze(found)

    def hdr(self, confidence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Highest-density region: the smallest set that holds a probability, for one target.

        Parameters
        ----------
        confidence : float
            Probability of the region, inside (0, 1).

        Returns
        -------
        intervals : ndarray of shape (n, J, 2)
            The region is the union of these intervals, in increasing order; rows with fewer than J
            are padded with NaN.
        threshold : ndarray of shape (n,)
            The region is where the density is at least this.

        Raises
        ------
        ValueError
            If the confidence is not inside (0, 1), or there are several targets.

        See Also
        --------
        in_hdr : Whether a value lies in the region, for any number of targets.

        Notes
        -----
        The probability of the region is exact to about 1e-12, relative to that outside the region where
        this is smaller. (Below a confidence of about 1e-4 the threshold is too close to the maximum of
        the density for that: the relative error grows to some 1e-6 at a confidence of 1e-6.)

        References
        ----------
        Hyndman, R. J. (1996). Computing and graphing highest density regions. The American
        Statistician, 50(2), 120-126.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> intervals, threshold = dist.hdr(0.9)
        >>> intervals.round(3)
        array([[[-2.067,  0.071],
                [ 0.891,  3.027]]])
        >>> threshold.round(4)
        array([0.0678])
        """
        confidence = check_confidence(confidence)
        if self._n_targets > 1:
            raise ValueError(
                f"hdr needs one target, got a distribution of {self._targets}; "
                "use in_hdr, or marginal(target).hdr."
            )
        intervals, log_threshold = self._regions(confidence)
        return intervals, np.exp(log_threshold)

    def in_hdr(
        self, y: ArrayLike, confidence: float, *, n_samples: int = 1024, random_state: SeedLike = 0
    ) -> NDArray[np.bool_]:
        """Whether y lies in the highest-density region of a probability.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D) with the D targets on its last axis.
        confidence : float
            Probability of the region, inside (0, 1).
        n_samples : int, default=1024
            Draws a row that tell the threshold of several targets; unused for one target.
        random_state : int, RandomState, Generator or None, default=0
            Seed of these draws, or a generator. An int gives the same answer in every call, None fresh draws.

        Returns
        -------
        inside : bool ndarray of shape (..., n)

        Raises
        ------
        ValueError
            If y does not broadcast or does not have D entries on its last axis, the confidence is not inside
            (0, 1), ``n_samples`` is not a positive integer, or ``random_state`` no seed.

        Notes
        -----
        Exact for one target. For several, the threshold is the quantile of the density at the draws.
        These are randomised quasi-Monte Carlo draws, the same for each row but for its components. Were
        they independent, the region would miss its probability by sqrt(confidence (1 - confidence) /
        n_samples), that is 0.009 at 0.9 and 1024 draws. Balanced as they are, it misses by about half of
        that (measured on five overlapping components: 0.004 for two targets, 0.006 for five).

        References
        ----------
        Hyndman, R. J. (1996). Computing and graphing highest density regions. The American
        Statistician, 50(2), 120-126.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.in_hdr([[-1.0], [0.5], [2.0]], 0.8)
        array([[ True],
               [False],
               [ True]])
        """
        confidence, n_samples = check_confidence(confidence), check_count(n_samples, "n_samples")
        check_seed(random_state)
        if self._n_targets == 1:
            return self._joint(lambda y: self._in_region(y, confidence), y)
        return self._joint(self._log_density, y) >= self._log_threshold(confidence, n_samples, random_state)

    def hdr_threshold(
        self, confidence: float, *, n_samples: int = 1024, random_state: SeedLike = 0
    ) -> NDArray[np.float64]:
        """Density at the border of the highest-density region of a probability, for any number of targets.

        Parameters
        ----------
        confidence : float
            Probability of the region, inside (0, 1).
        n_samples : int, default=1024
            Draws a row that tell the threshold of several targets; unused for one target.
        random_state : int, RandomState, Generator or None, default=0
            Seed of these draws, or a generator. An int gives the same answer in every call, None fresh draws.

        Returns
        -------
        threshold : ndarray of shape (n,)
            The region is where the density is at least this.

        Raises
        ------
        ValueError
            If the confidence is not inside (0, 1), ``n_samples`` is not a positive integer, or
            ``random_state`` no seed.

        See Also
        --------
        hdr : The region itself, for one target.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.hdr_threshold(0.9).round(4)
        array([0.0678])
        """
        confidence, n_samples = check_confidence(confidence), check_count(n_samples, "n_samples")
        check_seed(random_state)
        return np.exp(self._log_threshold(confidence, n_samples, random_state))

    def _log_threshold(self, confidence: float, n_samples: int, random_state: SeedLike) -> Array:
        """Log densities at the borders of the regions, (n,)."""
        if self._n_targets == 1:
            return self._regions(confidence)[1]
        ((uniform, noise),) = balanced_noise(n_samples, self._n_targets, random_state)
        found = [np.empty(0)]
        for rows in blocks(len(self), self._draws_width(n_samples)):
            part = self[rows]
            log_density = part._log_density(np.moveaxis(part._draw_alike(uniform, noise), 1, 0))
            found.append(drawn_threshold(torch.from_numpy(log_density.T), confidence).numpy())
        return np.concatenate(found)

    def hdr_level(
        self, y: ArrayLike, *, n_samples: int = 1024, random_state: SeedLike = 0
    ) -> NDArray[np.float64]:
        """Probability of the smallest highest-density region that holds y, P(p(Y) > p(y)).

        Zero at the mode, near one in the tails. y lies in the region of a confidence, :meth:`in_hdr`, if its
        level is not above that. Of a calibrated prediction the levels of what is observed are uniform.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D) with the D targets on its last axis.
        n_samples : int, default=1024
            Draws a row that tell the levels of several targets; unused for one target.
        random_state : int, RandomState, Generator or None, default=0
            Seed of these draws, or a generator. An int gives the same answer in every call, None fresh draws.

        Returns
        -------
        level : ndarray of shape (..., n)

        Raises
        ------
        ValueError
            If y does not broadcast or does not have D entries on its last axis, ``n_samples`` is not a
            positive integer, or ``random_state`` no seed.

        See Also
        --------
        hdr : The region of a level, for one target.

        Notes
        -----
        Exact for one target. For several it is the share of draws of higher density, linear in the log
        density between them; the draws are those of :meth:`in_hdr`. Beyond the draw of the lowest density the
        rest falls with the density, so that levels still tell which of two y is farther out.

        References
        ----------
        Izbicki, R., Shimizu, G. and Stern, R. B. (2022). CD-split and HPD-split: efficient conformal regions
        in high dimensions. Journal of Machine Learning Research, 23(87).

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.hdr_level([[2.0], [-1.0], [0.5]]).round(3)
        array([[0.002],
               [0.654],
               [0.961]])
        """
        n_samples = check_count(n_samples, "n_samples")
        check_seed(random_state)
        if self._n_targets == 1:
            return self._joint(self._level, y)
        ((uniform, noise),) = balanced_noise(n_samples, self._n_targets, random_state)

        def level(y: Array) -> Array:
            found = np.empty(y.shape[:2])
            for rows in blocks(len(self), self._draws_width(n_samples)):
                part = self[rows]
                drawn = part._log_density(np.moveaxis(part._draw_alike(uniform, noise), 1, 0))
                log_density = part._log_density(y[:, rows])
                found[:, rows] = drawn_level(torch.from_numpy(drawn.T), torch.from_numpy(log_density)).numpy()
            return found

        return self._joint(level, y)

    def entropy(self, *, n_samples: int = 1024, random_state: SeedLike = 0) -> NDArray[np.float64]:
        """Differential entropy of the targets together, in nats.

        Parameters
        ----------
        n_samples : int, default=1024
            Draws a row that tell the entropy of several targets; unused for one target.
        random_state : int, RandomState, Generator or None, default=0
            Seed of these draws, or a generator. An int gives the same answer in every call, None fresh draws.

        Returns
        -------
        entropy : ndarray of shape (n,)

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer, or ``random_state`` no seed.

        Notes
        -----
        With the component C as a second variable, h(Y) = h(Y, C) - E[H(C | Y)]. The first term has a
        closed form. The second is an integral of the entropy of the responsibilities, by adaptive
        quadrature to better than 1e-6 for one target. For several it is a mean over randomised
        quasi-Monte Carlo draws. Independent draws would have a standard error of at most
        log(K) / (2 sqrt(n_samples)), 0.025 for five components and 1024 draws; these have less (measured
        on five overlapping components: 0.002 for two targets, 0.004 for five), and none where the
        components do not overlap.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.entropy().round(6)
        array([1.493919])
        """
        n_samples = check_count(n_samples, "n_samples")
        check_seed(random_state)
        return self._entropy(n_samples, random_state)

    def responsibilities(self, y: ArrayLike) -> NDArray[np.float64]:
        """P(component | y) of each component.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D) with the D targets on its last axis. Finite.

        Returns
        -------
        responsibilities : ndarray of shape (..., n, K)
            They sum to one over the last axis.

        Raises
        ------
        ValueError
            If y does not broadcast, does not have D entries on its last axis or is not finite.

        References
        ----------
        Bishop, C. M. (1994). Mixture density networks, equation 33.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.responsibilities([0.5]).round(3)
        array([[0.862, 0.138]])
        """
        return self._joint(self._responsibilities, check_finite(y, "y"))

    def crps(self, y: ArrayLike) -> NDArray[np.float64]:
        """Continuous ranked probability score, of each target on its own; lower is better.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D), each target on its own.

        Returns
        -------
        score : ndarray of shape (..., n) or (..., n, D)
            In the units of the target.

        Raises
        ------
        ValueError
            If y does not broadcast.

        See Also
        --------
        energy_score : The same idea for the targets together.

        Notes
        -----
        In closed form, ``E|Y - y| - E|Y - Y'| / 2``, with K (K + 1) / 2 terms a row.

        References
        ----------
        Grimit, E. P., Gneiting, T., Berrocal, V. J. and Johnson, N. A. (2006). The continuous ranked
        probability score for circular variables and its application to mesoscale forecast ensemble
        verification. Quarterly Journal of the Royal Meteorological Society, 132, 2925-2942, equation 5.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.crps([1.5]).round(4)
        array([0.34])
        """
        return self._per_target(self._crps, y=y)

    def energy_score(
        self, y: ArrayLike, *, n_samples: int = 1024, random_state: SeedLike = 0
    ) -> NDArray[np.float64]:
        """Energy score of the targets together; lower is better.

        Parameters
        ----------
        y : array-like
            Broadcasts against (n,), or against (n, D) with the D targets on its last axis.
        n_samples : int, default=1024
            Draws a row, of each of two independent copies; unused for one target.
        random_state : int, RandomState, Generator or None, default=0
            Seed of these draws, or a generator. An int gives the same answer in every call, None fresh draws.

        Returns
        -------
        score : ndarray of shape (..., n)
            In the units of the targets, which should be comparable.

        Raises
        ------
        ValueError
            If y does not broadcast or does not have D entries on its last axis, ``n_samples`` is not a
            positive integer, or ``random_state`` no seed.

        Notes
        -----
        ``E|Y - y| - E|Y - Y'| / 2`` with Euclidean distances: the CRPS for one target, and then exact. For
        several, the means are over randomised quasi-Monte Carlo draws, the same for each row but for
        its components. With independent draws the standard error would be about the standard deviation
        of ``|Y - y|`` divided by sqrt(n_samples); these have about a fifth of that (measured on five
        overlapping components, two and five targets).

        References
        ----------
        Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and
        estimation. Journal of the American Statistical Association, 102, 359-378, section 4.3.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> weights, means = [[0.3, 0.7]], [[[-1.0, 0.0], [2.0, 1.0]]]
        >>> variances = [[[1.0, 0.25], [0.25, 1.0]]]
        >>> dist = MixtureDistribution(weights, means, variances, covariance_type="diag")
        >>> dist.energy_score([[0.0, 0.0]]).round(2)
        array([0.98])
        """
        n_samples, n_targets = check_count(n_samples, "n_samples"), self._n_targets
        check_seed(random_state)
        if n_targets == 1:
            return self._joint(lambda y: self._crps(y)[..., 0], y)
        first, second = balanced_noise(n_samples, n_targets, random_state, copies=2)
        width = self._draws_width(n_samples)

        def score(y: Array) -> Array:
            out = np.empty(y.shape[:2])
            for rows in blocks(len(self), width):
                part = self[rows]
                draws = EnergyDraws(*(torch.from_numpy(part._draw_alike(*each)) for each in (first, second)))
                for lead in blocks(len(y), width * len(part)):
                    out[lead, rows] = draws.score(torch.from_numpy(np.array(y[lead, rows]))).numpy()
            return out

        return self._joint(score, y)

    def rvs(
        self, size: int | None = None, random_state: SeedLike = None, *, rounded: bool = False
    ) -> NDArray[np.float64]:
        """Draws.

        Parameters
        ----------
        size : int, default=None
            Number of draws a row, M. None is one draw without an axis of its own.
        random_state : int, RandomState, Generator or None, default=None
            Seed or generator. None takes fresh entropy; NumPy's global state is neither read nor set.
        rounded : bool, default=False
            Whether to round draws as values were that the estimator with a ``resolution`` was fitted to.

        Returns
        -------
        draws : ndarray of shape (n,) or (n, D); with a size (n, M) or (n, D, M)

        Raises
        ------
        ValueError
            If the size is not a number of draws, ``random_state`` no seed, or the targets have no
            resolution that draws could be rounded to.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.rvs(3, random_state=0).shape
        (1, 3)
        """
        count = 1 if size is None else check_count(size, "size")
        # A stream each, so that blocks draw what one large call would have drawn.
        streams = child_generators(random_state, 2)
        drawn = self._draw_rounded(count, *streams) if rounded else self._draw(count, *streams)
        return drawn[..., 0] if size is None else drawn

    def marginal(self, targets: Targets) -> Self:
        """Distribution of some of the targets, whatever the others are.

        Parameters
        ----------
        targets : int or list of int
            An integer drops the axis of the targets, a list keeps it and tells the order.

        Returns
        -------
        distribution : MixtureDistribution

        Raises
        ------
        ValueError
            If a target does not exist or is named twice.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> weights, means = [[0.3, 0.7]], [[[-1.0, 0.0], [2.0, 1.0]]]
        >>> variances = [[[1.0, 0.25], [0.25, 1.0]]]
        >>> dist = MixtureDistribution(weights, means, variances, covariance_type="diag")
        >>> dist.marginal(1)
        <MixtureDistribution: 1 row, 2 components, 1-d target>
        >>> dist.marginal([1, 0]).means
        array([[[ 0., -1.],
                [ 1.,  2.]]])
        """
        chosen = check_targets(targets, self._n_targets)
        marginal = self._marginal(chosen, one_dimensional=isinstance(targets, Integral))
        return marginal if self._grid is None else marginal._on(self._grid.of(chosen))

    def condition(self, targets: Targets, values: ArrayLike) -> Self:
        """Distribution of the other targets, given the values of these.

        The weights change by how well each component explains the values.

        Parameters
        ----------
        targets : int or list of int
            The T targets that are known; not all of them.
        values : array-like of shape (n, T) or (T,)
            Their values, finite; for an integer `targets` also (n,) or a number.

        Returns
        -------
        distribution : MixtureDistribution
            Of the remaining targets in their order, with their axis.

        Raises
        ------
        ValueError
            If a target does not exist or is named twice, none would remain, or the values have another
            shape or are not finite.

        References
        ----------
        Bishop, C. M. (2006). Pattern Recognition and Machine Learning, section 2.3.1.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> weights, means = [[0.3, 0.7]], [[[-1.0, 0.0], [2.0, 1.0]]]
        >>> variances = [[[1.0, 0.25], [0.25, 1.0]]]
        >>> dist = MixtureDistribution(weights, means, variances, covariance_type="diag")
        >>> given = dist.condition(0, 2.0)
        >>> given.weights.round(3), given.means[..., 0]
        (array([[0.002, 0.998]]), array([[0., 1.]]))
        """
        chosen = check_targets(targets, self._n_targets)
        if len(chosen) == self._n_targets:
            raise ValueError(f"targets must leave at least one target unknown, got {targets!r}.")
        array, width = check_finite(values, "values"), len(chosen)
        if isinstance(targets, Integral) and array.shape in ((), (len(self),)):
            array = array[..., None]
        if array.shape not in ((width,), (len(self), width)):
            raise ValueError(
                f"values must have the shape {(len(self), width)} or {(width,)}, got {np.shape(values)}."
            )
        conditional = self._condition(chosen, np.array(np.broadcast_to(array, (len(self), width))))
        rest = [j for j in range(self._n_targets) if j not in chosen]
        return conditional if self._grid is None else conditional._on(self._grid.of(rest))

    def members(self) -> list[Self]:
        """Distributions that the members of an ensemble predict, each on its own.

        Returns
        -------
        members : list of MixtureDistribution
            One distribution where there is no ensemble.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.members()
        [<MixtureDistribution: 1 row, 2 components, 1-d target>]
        """
        return [member._on(self._grid) for member in self._members()]

    # What a kind of distribution tells of itself. Arrays of y are (m, n, D): m values for each row.

    @property
    @abstractmethod
    def _n_targets(self) -> int:
        """D."""

    @property
    @abstractmethod
    def _n_components(self) -> int:
        """K."""

    @property
    @abstractmethod
    def _member_sizes(self) -> tuple[int, ...]:
        """Numbers of components of an ensemble's members, in order."""

    @property
    @abstractmethod
    def _numbers_a_row(self) -> int:
        """Numbers that the distribution of a row is made of."""

    @abstractmethod
    def _joined(self, parts: Sequence[Any]) -> Self:
        """The rows of several of this kind with the same targets."""

    @abstractmethod
    def _pooled(self, parts: Sequence[Any], weights: Array) -> Self:
        """The mixture of several of this kind with these weights, whose members are theirs."""

    @abstractmethod
    def _take(self, rows: NDArray[np.int64]) -> Self:
        """The distribution of rows by index."""

    @abstractmethod
    def _weights(self) -> Array:
        """Mixing proportions (n, K)."""

    @abstractmethod
    def _centers(self) -> Array:
        """Medians of the components (n, K, D)."""

    @abstractmethod
    def _log_density(self, y: Array) -> Array:
        """Log density (m, n) of the targets together; of an atom the log of its probability."""

    def _log_recorded(self, records: Records) -> Array:
        """Log probability (n,) of records (n, D), in which values have densities."""
        if self._n_targets > 1:
            raise ValueError(
                f"The probability of an interval needs one target, or several that are independent within "
                f"components, got {self._targets}."
            )
        place, reach = records.place[np.newaxis], records.reach[np.newaxis]
        finite = np.where(np.isinf(reach), 0.0, reach)
        with np.errstate(divide="ignore"):
            within = np.log(self._prob(place - finite, place + finite))
        tails = np.where(reach > 0.0, self._log_sf(place), self._log_cdf(place))
        found: Array = np.where(np.isinf(reach), tails, within)
        found = np.where(reach == 0.0, self._log_density(place)[..., np.newaxis], found)
        return found.reshape(len(self))

    @abstractmethod
    def _blurred_log_density(self, y: Array, factor: float, noise: Array) -> Array:
        """Log density (n,) at y (n, D) once the components are wider by a factor and blurred.

        ``noise`` (D,) are standard deviations of independent normal noise that is added to y.
        """

    @abstractmethod
    def _responsibilities(self, y: Array) -> Array:
        """P(component | y), (m, n, K)."""

    @abstractmethod
    def _cdf(self, y: Array) -> Array:
        """P(Y <= y), (m, n, D)."""

    @abstractmethod
    def _sf(self, y: Array) -> Array:
        """P(Y > y), (m, n, D)."""

    @abstractmethod
    def _log_cdf(self, y: Array) -> Array:
        """log P(Y <= y), (m, n, D)."""

    @abstractmethod
    def _log_sf(self, y: Array) -> Array:
        """log P(Y > y), (m, n, D)."""

    @abstractmethod
    def _prob(self, a: Array, b: Array) -> Array:
        """P(a < Y <= b), (m, n, D)."""

    @abstractmethod
    def _quantile(self, level: Array, upper_tail: bool) -> Array:
        """y with P(Y <= y) = level, or P(Y > y) = level, for levels inside (0, 1), (m, n, D)."""

    @abstractmethod
    def _crps(self, y: Array) -> Array:
        """Continuous ranked probability score, (m, n, D)."""

    @abstractmethod
    def _support(self) -> tuple[Array, Array]:
        """Ends of the range, (n, D) each."""

    def _atoms(self) -> tuple[Array, Array]:
        """Places and probabilities of atoms, (n, D, J) each."""
        nothing = np.empty((len(self), self._n_targets, 0))
        return nothing, nothing

    @abstractmethod
    def _mean(self) -> Array:
        """Means (n, D)."""

    @abstractmethod
    def _var(self) -> Array:
        """Variances (n, D)."""

    def _std(self) -> Array:
        """Standard deviations (n, D)."""
        return np.sqrt(self._var())

    @abstractmethod
    def _modes(self) -> Array:
        """Modes (n, J, D), highest first, padded with NaN."""

    @abstractmethod
    def _regions(self, confidence: float) -> tuple[Array, Array]:
        """Intervals (n, J, 2) of the highest density region of the one target, and log thresholds (n,)."""

    def _in_region(self, y: Array, confidence: float) -> NDArray[np.bool_]:
        """Whether y (m, n, 1) lies in the highest density region, (m, n)."""
        held: NDArray[np.bool_] = self._log_density(y) >= self._regions(confidence)[1]
        return held

    @abstractmethod
    def _level(self, y: Array) -> Array:
        """Probability of higher density than at y (m, n, 1), (m, n)."""

    @abstractmethod
    def _entropy(self, n_samples: int, random_state: SeedLike) -> Array:
        """Differential entropy, (n,)."""

    @abstractmethod
    def _draw(self, count: int, uniform: np.random.Generator, noise: np.random.Generator) -> Array:
        """Draws (n, M) or (n, D, M) from two streams."""

    @abstractmethod
    def _draw_alike(self, uniform: torch.Tensor, noise: torch.Tensor) -> Array:
        """Draws (n, M, D) from the same uniform (M,) and normal (M, D) numbers for each row."""

    @abstractmethod
    def _marginal(self, targets: list[int], *, one_dimensional: bool) -> Self:
        """Distribution of some of the targets."""

    @abstractmethod
    def _condition(self, targets: list[int], values: Array) -> Self:
        """Distribution of the other targets given the values (n, T) of these."""

    @abstractmethod
    def _members(self) -> list[Any]:
        """Distributions of the members of an ensemble."""

    def _what_is_special(self) -> list[str]:
        """What there is to say of this kind, in words."""
        return []

    # What is the same for all kinds.

    def _on(self, grid: Grid | None) -> Self:
        """The same, as what was recorded on a grid; for a distribution that nobody has seen yet."""
        self._grid = grid
        return self

    def _steps(self, wanted: str) -> Array:
        """Steps of the grid (D,), which a fit with a resolution has."""
        if self._grid is None or not self._grid.step.all():
            raise ValueError(
                f"{wanted} with a resolution of each target, as a fit with resolution=1 or "
                'resolution="auto" to targets on a grid has it.'
            )
        return self._grid.step

    def _log_score(self, records: Records) -> Array:
        """Log probability (n,) of what was recorded, values (n, D) standing for what is rounded to them."""
        if self._grid is not None:
            records = records.rounded(self._grid.step)
        if records.exact.all():
            return self._log_density(records.place[np.newaxis]).reshape(len(self))
        return self._log_recorded(records)

    def _recorded_cdf(self, y: Array) -> tuple[Array, Array]:
        """P(Y < y) and P(Y <= y) of recorded values (m, n, D), which stand for what is rounded to them."""
        half = np.zeros(self._n_targets) if self._grid is None else 0.5 * self._grid.step
        upper = self._cdf(y + half)
        places, mass = self._atoms()
        at = np.where(places == y[..., np.newaxis], mass, 0.0).sum(axis=-1)
        lower = np.maximum(upper - at, 0.0)
        return (np.where(half > 0.0, self._cdf(y - half), lower) if half.any() else lower), upper

    def _draw_rounded(self, count: int, uniform: np.random.Generator, noise: np.random.Generator) -> Array:
        """Draws on the grid of recorded values."""
        self._steps("rounded draws can be had only")
        assert self._grid is not None
        drawn = self._draw(count, uniform, noise)
        if self._one_dimensional:
            return self._grid.rounded(drawn[..., np.newaxis])[..., 0]
        return np.moveaxis(self._grid.rounded(np.moveaxis(drawn, 1, -1)), -1, 1)

    @property
    def _has_target_axis(self) -> bool:
        return not self._one_dimensional

    @property
    def _shape(self) -> tuple[int, ...]:
        """That of one target, or one row of targets, for each row: (n,) or (n, D)."""
        return (len(self),) if self._one_dimensional else (len(self), self._n_targets)

    @property
    def _targets(self) -> str:
        """What the target is, in words."""
        count = self._n_targets
        return "1-d target" if self._one_dimensional else f"{count} target{'s' * (count != 1)}"

    def _no_array(self, what: str) -> TypeError:
        return TypeError(
            f"a {type(self).__name__} cannot {what}: it holds densities, one a row. Its mean(), std(), "
            "ppf(level) and rvs(size) are arrays, and the scores of sklearn_mdn.metrics judge it as it is."
        )

    def _squeeze(self, array: Array) -> Array:
        """Drop the axis of the target, the last one, where the target has none."""
        return array[..., 0] if self._one_dimensional else array

    def _draws_width(self, n_samples: int) -> int:
        return n_samples * self._n_components * self._n_targets

    def _aligned(
        self, *, exact: bool, levels: bool = False, **arguments: ArrayLike
    ) -> tuple[list[NDArray[Any]], tuple[int, ...]]:
        """Arguments as views of one common shape (m, n, D), and the shape (..., n, D) that it stands for.

        As in NumPy, a single row stretches to as many as an argument has. With ``exact`` there must be a
        value for each target; ``levels`` are not observed values.
        """
        n_targets, views = self._n_targets, []
        for name, value in arguments.items():
            array = as_numbers(value, name)
            if self._one_dimensional:
                if not levels:
                    warn_of_column(array, name, len(self))
                array = array[..., None]
            elif exact and array.shape[-1:] != (n_targets,):
                raise ValueError(
                    f"{name} must have the {n_targets} targets on its last axis, got the shape {array.shape}."
                )
            views.append(array)
        try:
            shape = np.broadcast_shapes(*(view.shape for view in views), (len(self), n_targets))
            if shape[-1] != n_targets:
                raise ValueError
        except ValueError:
            expected = (len(self),) if self._one_dimensional else (len(self), n_targets)
            raise not_broadcast(
                expected, {name: np.shape(value) for name, value in arguments.items()}
            ) from None
        size = int(np.prod(shape[:-1] if len(self) == 1 else shape[:-2]))
        return [np.broadcast_to(v, shape).reshape(size, len(self), n_targets) for v in views], shape

    def _joint(self, kernel: Callable[[Array], Any], y: ArrayLike) -> NDArray[Any]:
        """A kernel's answers for the targets together, (..., n) or (..., n, K)."""
        (aligned,), shape = self._aligned(exact=True, y=y)
        out = kernel(aligned)
        answer: NDArray[Any] = out.reshape(*shape[:-1], *out.shape[2:])
        return answer

    def _per_target(
        self, kernel: Callable[..., Array], *, levels: bool = False, **arguments: ArrayLike
    ) -> Array:
        """A kernel's answers for each target on its own, (..., n) or (..., n, D)."""
        aligned, shape = self._aligned(exact=False, levels=levels, **arguments)
        if "a" in arguments and np.any(aligned[0] > aligned[1]):
            raise ValueError("b must not be below a.")
        return self._squeeze(kernel(*aligned).reshape(shape))

    def _quantiles(self, levels: NDArray[Any], *, upper_tail: bool = False, name: str = "q") -> Array:
        """Quantiles at levels in [0, 1]; those at the ends are the ends of the support."""

        def kernel(levels: Array) -> Array:
            inside = (levels > 0) & (levels < 1)
            if inside.all():
                return self._quantile(levels, upper_tail)
            lowest, highest = self._support()
            ends = np.where((levels == 0) == upper_tail, highest, lowest)
            return np.where(inside, self._quantile(np.where(inside, levels, 0.5), upper_tail), ends)

        return self._per_target(kernel, levels=True, **{name: levels})


def blocks(length: int, width: int) -> Iterator[slice]:
    """Slices of an axis whose entries cost ``width`` numbers each."""
    step = max(1, BLOCK_NUMBERS // max(1, width))
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
