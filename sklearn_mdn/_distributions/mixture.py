"""Predicted densities: Gaussian mixtures, one a row, with NumPy arrays in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, wraps
from numbers import Integral
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sklearn_mdn._distributions.checks import (
    as_numbers,
    check_confidence,
    check_count,
    check_finite,
    check_levels,
    check_means,
    check_moments,
    check_order,
    check_targets,
    check_weights,
    make_scale,
    not_broadcast,
    warn_of_column,
)
from sklearn_mdn._distributions.decisions import Array, Decisions, on_tensors
from sklearn_mdn._distributions.noise import balanced_noise, check_seed, child_generators
from sklearn_mdn._distributions.stored_state import read_state, stamped
from sklearn_mdn._distributions.typing import CovarianceType, Rows, SeedLike, Targets
from sklearn_mdn._mixtures.entropy import estimated_entropy, univariate_entropy
from sklearn_mdn._mixtures.expectation import RULES, expectation, mean_over_draws, product_expectation
from sklearn_mdn._mixtures.mixture import EnergyDraws, Mixture, concatenate_rows
from sklearn_mdn._mixtures.modes import highest_first, multivariate_modes, univariate_modes
from sklearn_mdn._mixtures.moments import raw_moment, skewness_and_kurtosis
from sklearn_mdn._mixtures.regions import (
    Flanks,
    drawn_level,
    drawn_threshold,
    highest_density_region,
    monotone_pieces,
)
from sklearn_mdn._mixtures.scale import CholeskyScale, DiagonalScale
from sklearn_mdn._mixtures.univariate import Univariate
from sklearn_mdn._torch.threads import threads_for_numbers

BLOCK_NUMBERS = 2**17  # numbers in one temporary array of a block: about what stays in the cache

STATE_NAMES = ("logits", "means", "scale", "diagonal", "one_dimensional", "member_sizes")  # what is stored

Parameters = TypeVar("Parameters", Mixture, Univariate)
Answer = TypeVar("Answer")
Arguments = ParamSpec("Arguments")


def by_size(
    method: Callable[Concatenate[MixtureDistribution, Arguments], Answer],
) -> Callable[Concatenate[MixtureDistribution, Arguments], Answer]:
    """Put a method on as many threads as the numbers of the mixture are worth."""

    @wraps(method)
    def run(self: MixtureDistribution, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        with threads_for_numbers(len(self) * self._numbers_a_row):
            return method(self, *args, **kwargs)

    return run


class MixtureDistribution(Decisions):
    """Gaussian mixtures, one for each of n rows: the density of y given x, row by row.

    It has the methods of a frozen distribution of `scipy.stats`, under their names and with their
    conventions, and answers for all rows at once. :meth:`MDNRegressor.predict_distribution` returns one, and
    it can be made without any estimator.

    Parameters
    ----------
    weights : array-like of shape (n, K)
        Mixing proportions: not negative, each row summing to one within 1e-6 (renormalised). Zeros
        are fine.
    means : array-like of shape (n, K) or (n, K, D)
        Component means. Two axes stand for a 1-d target, three for D targets (D = 1 too).
    covariances : array-like
        Component variances (n, K) of a 1-d target, else covariance matrices (n, K, D, D), in the
        squared units of the target; or one of the other forms that `covariance_type` names.
    covariance_type : {"full", "tied", "diag", "spherical"}, default=None
        Form of `covariances` for D targets: "full" (n, K, D, D), "tied" (n, D, D), shared by the
        components, "diag" (n, K, D) or "spherical" (n, K). None means "full". For a 1-d target
        "tied" is (n,) and the others are (n, K).

    Raises
    ------
    ValueError
        If an array has a wrong shape or is not finite, weights are negative or do not sum to one,
        or a covariance is not positive definite.

    Notes
    -----
    Shapes. y broadcasts against (n,), or against (n, D) where D is the axis of the targets. So a grid
    of m points for every row is ``pdf(grid[:, None])`` of shape (m, n), or for D targets
    ``pdf(grid[:, None, :])``. A single row, as of ``dist[3]``, stretches as in NumPy: there ``pdf(grid)``
    of shape (m,) will do. :meth:`cdf`, :meth:`ppf` and their kin treat each target on its own and
    broadcast to (..., n) or (..., n, D).

    A column of n values for n rows of a 1-d target, as a frame with one column holds, is a grid by the same
    rule, with an answer of shape (n, n). It may well be meant as one value a row, ``y[:, 0]``, so there is a
    UserWarning; ``np.broadcast_to(grid[:, None], (n, n))`` is such a grid without the warning. Levels, which
    are rarely one a row, come without it.

    Probabilities never leave the range from 0 to 1. The density is positive everywhere, so the quantiles at
    the levels 0 and 1 are the infinities. Moments are those of each target on its own.

    A NaN in y gives NaN. Answers for a row do not depend on the other rows. Large inputs are worked
    through in blocks, so that memory beyond the output stays small.

    Rows. ``len(dist)`` is n, and ``dist[rows]`` the distribution of some of the rows, in the order asked for:
    an integer (n = 1), a slice, a 1-d array of indices or a boolean mask.

    References
    ----------
    Bishop, C. M. (1994). Mixture density networks. Technical report NCRG/94/004, Aston University.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mdn import MixtureDistribution
    >>> dist = MixtureDistribution(
    ...     weights=[[0.3, 0.7], [0.5, 0.5]],
    ...     means=[[-1.0, 2.0], [0.0, 4.0]],
    ...     covariances=[[1.0, 0.25], [0.04, 0.04]],
    ... )
    >>> dist
    <MixtureDistribution: 2 rows, 2 components, 1-d target>
    >>> dist.mean()
    array([1.1, 2. ])
    >>> dist.pdf([2.0, 4.0]).round(4)
    array([0.5598, 0.9974])
    >>> len(dist), dist[1].mean(), dist[[True, False]].mean()
    (2, array([2.]), array([1.1]))
    """

    __module__ = "sklearn_mdn"

    def __init__(
        self,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        *,
        covariance_type: CovarianceType | None = None,
    ) -> None:
        means = check_means(means)
        weights = check_weights(weights, means.shape[:2])
        scale = make_scale(covariances, means.shape, covariance_type)
        with np.errstate(divide="ignore"):
            log_weights = torch.from_numpy(np.log(weights))
        self._one_dimensional = means.ndim == 2
        means = torch.from_numpy(means)
        self._mixture = Mixture(log_weights, means.unsqueeze(-1) if self._one_dimensional else means, scale)
        self._member_sizes: tuple[int, ...] = (weights.shape[1],)

    @classmethod
    def _from_mixture(
        cls, mixture: Mixture, *, one_dimensional: bool, member_sizes: Sequence[int] | None = None
    ) -> Self:
        """The face of a float64 mixture on the CPU with one batch axis, the rows.

        ``member_sizes`` are the numbers of components of an ensemble's members, in order.
        """
        distribution = cls.__new__(cls)
        distribution._mixture = mixture
        distribution._one_dimensional = one_dimensional
        distribution._member_sizes = (mixture.n_components,) if member_sizes is None else tuple(member_sizes)
        return distribution

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
        if not distributions or not all(isinstance(part, cls) for part in distributions):
            got = [type(part).__name__ for part in distributions] if isinstance(given, Iterable) else given
            raise ValueError(
                f"distributions must be a sequence of at least one MixtureDistribution, got {got}."
            )
        targets = [part._targets for part in distributions]
        if len(set(targets)) > 1:
            raise ValueError(f"distributions must have the same targets, got {', '.join(targets)}.")
        kept = len({len(part._member_sizes) for part in distributions}) == 1
        sizes = [part._member_sizes if kept else (sum(part._member_sizes),) for part in distributions]
        widths = [max(size) for size in zip(*sizes, strict=True)]
        padded = [
            part._mixture.pad_members(slices(size), widths)
            for part, size in zip(distributions, sizes, strict=True)
        ]
        return cls._from_mixture(
            concatenate_rows(padded),
            one_dimensional=distributions[0]._one_dimensional,
            member_sizes=widths,
        )

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._mixture.logits)

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
        chosen = torch.from_numpy(np.arange(len(self))[rows].copy())
        return self._like(self._mixture.take(chosen))

    # With a length and rows, NumPy would take it for a sequence of sequences without end.
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float64]:
        """Refuse: a distribution is no array."""
        raise _no_array("be made an array")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Refuse: there is no arithmetic on distributions."""
        raise _no_array(f"go through numpy.{ufunc.__name__}")

    def __repr__(self) -> str:
        """Say the numbers of rows, components, targets and members."""
        n_members, n_components = len(self._member_sizes), self._mixture.n_components
        parts = [f"{len(self)} row{'s' * (len(self) != 1)}"]
        parts += [f"{n_components} component{'s' * (n_components != 1)}", self._targets]
        parts += [f"{n_members} members"] * (n_members > 1)
        return f"<MixtureDistribution: {', '.join(parts)}>"

    def __getstate__(self) -> dict[str, Any]:
        """Numbers and NumPy arrays alone, which any version of PyTorch and of this package can read."""
        mixture = self._mixture
        scale = mixture.scale
        stored = scale.deviations if isinstance(scale, DiagonalScale) else scale.cholesky()
        arrays = {"logits": mixture.logits, "means": mixture.means, "scale": stored}
        return stamped(
            {
                **{name: np.ascontiguousarray(tensor.numpy()) for name, tensor in arrays.items()},
                "diagonal": isinstance(scale, DiagonalScale),
                "one_dimensional": self._one_dimensional,
                "member_sizes": tuple(self._member_sizes),
            }
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what ``__getstate__`` gave; arrays are copied, for they may be read-only memory maps."""
        state = read_state(state, type(self).__name__, STATE_NAMES)
        logits, means, stored = (
            torch.from_numpy(np.array(state[name])) for name in ("logits", "means", "scale")
        )
        scale = DiagonalScale(stored, means.shape[-1]) if state["diagonal"] else CholeskyScale(stored)
        self._mixture = Mixture(logits, means, scale)
        self._one_dimensional = state["one_dimensional"]
        self._member_sizes = tuple(state["member_sizes"])

    @property
    @by_size
    def weights(self) -> NDArray[np.float64]:
        """Mixing proportions, (n, K).

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]]).weights
        array([[0.3, 0.7]])
        """
        return self._mixture.weights.numpy()

    @property
    def means(self) -> NDArray[np.float64]:
        """Component means, (n, K) or (n, K, D), in the units of the target.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]]).means
        array([[-1.,  2.]])
        """
        return self._squeeze(self._mixture.means.numpy().copy())

    @property
    @by_size
    def covariances(self) -> NDArray[np.float64]:
        """Component variances (n, K) of a 1-d target, or covariance matrices (n, K, D, D).

        Built on access, always in this expanded form.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]]).covariances
        array([[1.  , 0.25]])
        """
        scale = self._mixture.scale.expand_components(self._mixture.n_components)
        covariances = scale.covariance().numpy()
        return covariances[..., 0, 0] if self._one_dimensional else covariances

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
        return self._log_density(y)

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
        log_density = self._log_density(y)
        return np.exp(log_density, out=log_density)

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
        return self._per_target(clipped(Univariate.cdf), y=y)

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
        return self._per_target(clipped(Univariate.sf), y=y)

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
        return self._per_target(Univariate.log_cdf, y=y)

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
        return self._per_target(Univariate.log_sf, y=y)

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
        return self._per_target(clipped(Univariate.prob), a=a, b=b)

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
        return self._quantiles(Univariate.quantile, check_levels(q, "q", ends=True), -np.inf)

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
        return self._quantiles(Univariate.upper_quantile, check_levels(q, "q", ends=True), np.inf)

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
        lower = self._quantiles(Univariate.quantile, tail, -np.inf, "confidence")
        return lower, self._quantiles(Univariate.upper_quantile, tail, np.inf, "confidence")

    def support(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ends of the range in which the density is positive: the infinities.

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
        upper = self._squeeze(np.full((len(self), self._mixture.n_targets), np.inf))
        return -upper, upper

    @by_size
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
        return self._squeeze(self._mixture.mean().numpy())

    @by_size
    def var(self) -> NDArray[np.float64]:
        """Variance of each target, (n,) or (n, D).

        Returns
        -------
        variance : ndarray of shape (n,) or (n, D)

        See Also
        --------
        cov : Covariances of the targets as well.
        variance_split : The parts within and between the members of an ensemble.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.var()
        array([2.365])
        """
        return self._squeeze(self._marginals.var().numpy())

    @by_size
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
        return self._squeeze(self._marginals.std().numpy())

    @by_size
    def skewness(self) -> NDArray[np.float64]:
        """Skewness of each target, the third moment of the standardised target, (n,) or (n, D).

        Returns
        -------
        skewness : ndarray of shape (n,) or (n, D)

        Notes
        -----
        In closed form, from the deviations of the components from the mean, so that a large offset of the
        target costs no digits.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.skewness().round(4)
        array([-1.0133])
        """
        return self._squeeze(skewness_and_kurtosis(self._marginals)[0].numpy())

    @by_size
    def kurtosis(self) -> NDArray[np.float64]:
        """Excess kurtosis of each target, zero for a Gaussian, (n,) or (n, D).

        Returns
        -------
        kurtosis : ndarray of shape (n,) or (n, D)
            The fourth moment of the standardised target, less three: Fisher's, as ``stats`` of a frozen
            SciPy distribution has it.

        Notes
        -----
        In closed form as a cumulant, which loses no digits to the three either.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.kurtosis().round(4)
        array([-0.1191])
        """
        return self._squeeze(skewness_and_kurtosis(self._marginals)[1].numpy())

    def stats(self, moments: str = "mv") -> NDArray[np.float64] | tuple[NDArray[np.float64], ...]:
        """Some of mean, variance, skewness and excess kurtosis, of each target on its own.

        Parameters
        ----------
        moments : str, default="mv"
            The letters of those wanted: "m" the mean, "v" the variance, "s" the skewness, "k" the excess
            kurtosis.

        Returns
        -------
        moments : ndarray of shape (n,) or (n, D), or tuple of such
            As in SciPy: the array where one is wanted, else a tuple in the order m, v, s, k whatever the
            order of the letters.

        Raises
        ------
        ValueError
            If ``moments`` is not made of these letters, each at most once.

        See Also
        --------
        moment : Moments about zero, of any order.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.stats()
        (array([1.1]), array([2.365]))
        >>> dist.stats("k").round(4)
        array([-0.1191])
        """
        known = {"m": self.mean, "v": self.var, "s": self.skewness, "k": self.kurtosis}
        found = tuple(known[letter]() for letter in check_moments(moments))
        return found[0] if len(found) == 1 else found

    @by_size
    def moment(self, order: int) -> NDArray[np.float64]:
        """Moment about zero of each target, E[Y^order].

        Parameters
        ----------
        order : int
            From 0 to 200.

        Returns
        -------
        moment : ndarray of shape (n,) or (n, D)
            In the units of the target, to the power ``order``. Infinite where it is too large for a double.

        Raises
        ------
        ValueError
            If the order is not such an integer.

        See Also
        --------
        stats : Variance, skewness and kurtosis, which a large offset of the target does not spoil.

        Notes
        -----
        The moments of a component follow from each other,
        ``M_k = mean M_(k-1) + (k - 1) variance M_(k-2)``, without any cancellation.

        References
        ----------
        Winkelbauer, A. (2012). Moments and absolute moments of the normal distribution. arXiv:1209.4340.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.moment(2).round(4)
        array([3.575])
        """
        return self._squeeze(raw_moment(self._marginals, check_order(order)).numpy())

    @by_size
    def cov(self) -> NDArray[np.float64]:
        """Covariance matrix of the targets, (n, D, D); (n, 1, 1) for a 1-d target.

        Returns
        -------
        covariance : ndarray of shape (n, D, D)

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> weights, means = [[0.3, 0.7]], [[[-1.0, 0.0], [2.0, 1.0]]]
        >>> variances = [[[1.0, 0.25], [0.25, 1.0]]]
        >>> dist = MixtureDistribution(weights, means, variances, covariance_type="diag")
        >>> dist.cov()
        array([[[2.365, 0.63 ],
                [0.63 , 0.985]]])
        """
        return self._mixture.covariance().numpy()

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
        n_components, n_targets = self._mixture.n_components, self._mixture.n_targets
        if n_targets > 1:
            width = (n_components * n_targets) ** 2
            return stack_padded(self._by_rows(self._mixture, multivariate_modes, width), n_targets)
        modes = self._by_rows(
            self._single, lambda part: highest_first(part, univariate_modes(part)[0]), n_components**2
        )
        found = stack_padded(modes)
        return found if self._one_dimensional else found[..., None]

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
        if self._mixture.n_targets > 1:
            raise ValueError(
                f"hdr needs one target, got a distribution of {self._targets}; "
                "use in_hdr, or marginal(target).hdr."
            )
        found = self._regions(confidence)
        threshold = np.concatenate([np.empty(0), *(np.exp(part[1].numpy()) for part in found)])
        return stack_padded([part[0] for part in found], 2), threshold

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
        return self._log_density(y) >= self._log_thresholds(confidence, n_samples, random_state)

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
        return np.exp(self._log_thresholds(confidence, n_samples, random_state))

    def _log_thresholds(
        self, confidence: float, n_samples: int, random_state: SeedLike
    ) -> NDArray[np.float64]:
        """Log densities at the borders of the regions, (n,)."""
        if self._mixture.n_targets == 1:
            found = [part[1] for part in self._regions(confidence)]
        else:
            ((uniform, noise),) = balanced_noise(n_samples, self._mixture.n_targets, random_state)

            def threshold(part: Mixture) -> Tensor:
                return drawn_threshold(part.widen().log_prob(part.draw_alike(uniform, noise)), confidence)

            found = self._by_rows(self._mixture, threshold, self._draws_width(n_samples))
        return np.concatenate([np.empty(0), *(part.numpy() for part in found)])

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
        (aligned,), shape = self._aligned(exact=True, y=y)
        out, n_components = np.empty(aligned.shape[:2]), self._mixture.n_components
        if self._mixture.n_targets == 1:

            def outside(part: Flanks, y: Tensor) -> Tensor:
                return part.outside(y.squeeze(-1))

            self._blockwise(
                self._single, outside, [aligned], out, width=n_components**2, prepare=monotone_pieces
            )
            return (1.0 - out).reshape(shape[:-1])
        ((uniform, noise),) = balanced_noise(n_samples, self._mixture.n_targets, random_state)

        def drawn(part: Mixture) -> tuple[Mixture, Tensor]:
            return part, part.widen().log_prob(part.draw_alike(uniform, noise))

        def level(drawn: tuple[Mixture, Tensor], y: Tensor) -> Tensor:
            part, log_densities = drawn
            return drawn_level(log_densities, part.log_prob_anywhere(y))

        self._blockwise(
            self._mixture, level, [aligned], out, width=self._draws_width(n_samples), prepare=drawn
        )
        return out.reshape(shape[:-1])

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
        n_samples, n_components = check_count(n_samples, "n_samples"), self._mixture.n_components
        check_seed(random_state)
        if self._mixture.n_targets == 1:
            found = self._by_rows(self._mixture, univariate_entropy, 10 * n_components**2)
        else:
            ((uniform, noise),) = balanced_noise(n_samples, self._mixture.n_targets, random_state)

            def estimate(part: Mixture) -> Tensor:
                return estimated_entropy(part, part.draw_alike(uniform, noise))

            found = self._by_rows(self._mixture, estimate, self._draws_width(n_samples))
        return np.concatenate([np.empty(0), *(part.numpy() for part in found)])

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
        (aligned,), shape = self._aligned(exact=True, y=check_finite(y, "y"))
        out = np.empty((*aligned.shape[:2], self._mixture.n_components))
        self._blockwise(self._mixture, lambda part, y: part.log_responsibilities(y).exp(), [aligned], out)
        return out.reshape(*shape[:-1], out.shape[-1])

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
        return self._per_target(Univariate.crps, y=y)

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
        n_samples, n_targets = check_count(n_samples, "n_samples"), self._mixture.n_targets
        check_seed(random_state)
        (aligned,), shape = self._aligned(exact=True, y=y)
        out = np.empty(aligned.shape[:2])
        if n_targets == 1:
            self._blockwise(self._marginals, lambda part, y: part.crps(y).squeeze(-1), [aligned], out)
        else:
            first, second = balanced_noise(n_samples, n_targets, random_state, copies=2)

            def draws(part: Mixture) -> EnergyDraws:
                return EnergyDraws(part.draw_alike(*first), part.draw_alike(*second))

            width = self._draws_width(n_samples)
            self._blockwise(self._mixture, EnergyDraws.score, [aligned], out, width=width, prepare=draws)
        return out.reshape(shape[:-1])

    def rvs(self, size: int | None = None, random_state: SeedLike = None) -> NDArray[np.float64]:
        """Draws.

        Parameters
        ----------
        size : int, default=None
            Number of draws a row, M. None is one draw without an axis of its own.
        random_state : int, RandomState, Generator or None, default=None
            Seed or generator. None takes fresh entropy; NumPy's global state is neither read nor set.

        Returns
        -------
        draws : ndarray of shape (n,) or (n, D); with a size (n, M) or (n, D, M)

        Raises
        ------
        ValueError
            If the size is not a number of draws, or ``random_state`` no seed.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.rvs(3, random_state=0).shape
        (1, 3)
        """
        count = 1 if size is None else check_count(size, "size")
        # A stream each, so that blocks draw what one large call would have drawn.
        drawn = self._draw(count, *child_generators(random_state, 2))
        return drawn[..., 0] if size is None else drawn

    def _draw(
        self, count: int, uniform: np.random.Generator, noise: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draws (n, M) or (n, D, M) from two streams."""
        n_targets = self._mixture.n_targets
        drawn, width = np.empty((len(self), n_targets, count)), count * n_targets
        with threads_for_numbers(len(self) * max(width, self._mixture.n_components)):
            for rows in blocks(len(self), width):
                part = self._mixture.take(rows)
                n_rows = len(part.logits)
                draws = part.draw(
                    torch.from_numpy(uniform.random((n_rows, count))),
                    torch.from_numpy(noise.standard_normal((n_rows, count, n_targets))),
                )
                drawn[rows] = draws.mT.numpy()
        return drawn[:, 0] if self._one_dimensional else drawn

    @by_size
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
        chosen = check_targets(targets, self._mixture.n_targets)
        return self._from_mixture(
            self._mixture.marginal(chosen),
            one_dimensional=isinstance(targets, Integral),
            member_sizes=self._member_sizes,
        )

    @by_size
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
        chosen = check_targets(targets, self._mixture.n_targets)
        if len(chosen) == self._mixture.n_targets:
            raise ValueError(f"targets must leave at least one target unknown, got {targets!r}.")
        array, width = check_finite(values, "values"), len(chosen)
        if isinstance(targets, Integral) and array.shape in ((), (len(self),)):
            array = array[..., None]
        if array.shape not in ((width,), (len(self), width)):
            raise ValueError(
                f"values must have the shape {(len(self), width)} or {(width,)}, got {np.shape(values)}."
            )
        array = np.array(np.broadcast_to(array, (len(self), width)))
        return self._from_mixture(
            self._mixture.condition(chosen, torch.from_numpy(array)),
            one_dimensional=False,
            member_sizes=self._member_sizes,
        )

    @by_size
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
        return [
            self._from_mixture(self._mixture.member(part), one_dimensional=self._one_dimensional)
            for part in slices(self._member_sizes)
        ]

    @by_size
    def variance_split(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Variance of each target within the members of an ensemble, and between them.

        Returns
        -------
        aleatoric : ndarray of shape (n,) or (n, D)
            Mean variance of the members.
        epistemic : ndarray of shape (n,) or (n, D)
            Variance of the members' means; zero where there is no ensemble. The two add up to
            :meth:`var`.

        References
        ----------
        Lakshminarayanan, B., Pritzel, A. and Blundell, C. (2017). Simple and scalable predictive
        uncertainty estimation using deep ensembles. NeurIPS 30, section 2.4.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.variance_split()
        (array([2.365]), array([0.]))
        """
        within, between = self._mixture.variance_split(slices(self._member_sizes))
        return self._squeeze(within.numpy()), self._squeeze(between.numpy())

    @by_size
    def to_torch(self) -> torch.distributions.MixtureSameFamily:
        """The same mixtures as a distribution of PyTorch, with n as its batch.

        Returns
        -------
        distribution : torch.distributions.MixtureSameFamily
            Of float64 tensors on the CPU, with copies of the parameters.

        Examples
        --------
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.to_torch().mean
        tensor([1.1000], dtype=torch.float64)
        """
        mixture = self._mixture.map(torch.clone)
        check = None if len(self) else False  # torch's fail where there are no rows
        choice = torch.distributions.Categorical(logits=mixture.log_weights, validate_args=check)
        scale = mixture.scale.expand_components(mixture.n_components)
        components: torch.distributions.Distribution
        if self._one_dimensional:
            components = torch.distributions.Normal(
                mixture.means[..., 0], scale.std[..., 0], validate_args=check
            )
        elif isinstance(scale, DiagonalScale):
            components = torch.distributions.Normal(mixture.means, scale.std, validate_args=check)
            components = torch.distributions.Independent(components, 1, validate_args=check)
        else:
            cholesky = scale.cholesky()
            components = torch.distributions.MultivariateNormal(
                mixture.means, scale_tril=cholesky, validate_args=check
            )
        return torch.distributions.MixtureSameFamily(choice, components, validate_args=check)

    @cached_property
    @by_size
    def _marginals(self) -> Univariate:
        """The targets on their own, with the batch axes (n, D)."""
        return self._mixture.univariate()

    @property
    def _numbers_a_row(self) -> int:
        """Numbers that the mixture of a row is made of."""
        mixture = self._mixture
        entries = 1 if isinstance(mixture.scale, DiagonalScale) else mixture.n_targets
        return mixture.n_components * (1 + mixture.n_targets * (1 + entries))

    @property
    def _single(self) -> Univariate:
        """The one target, with the batch axis n."""
        return self._marginals.map(lambda stored: stored.squeeze(1))

    @property
    def _targets(self) -> str:
        """What the target is, in words."""
        count = self._mixture.n_targets
        return "1-d target" if self._one_dimensional else f"{count} target{'s' * (count != 1)}"

    @property
    def _n_targets(self) -> int:
        return self._mixture.n_targets

    @property
    def _has_target_axis(self) -> bool:
        return not self._one_dimensional

    def _expectation(
        self, function: Callable[[Array], Array], points: Array, n_samples: int, random_state: SeedLike
    ) -> tuple[Array, Array]:
        asked, settled = on_tensors(function), np.zeros(len(self))
        if not len(self):
            return settled, settled
        if self._n_targets == 1:
            value, doubtful = expectation(
                self._single, lambda y: asked(y.unsqueeze(-1)), torch.from_numpy(points.copy())
            )
            return value.numpy(), doubtful.numpy()
        if self._n_targets in RULES:
            return product_expectation(self._mixture, asked).numpy(), settled
        ((uniform, noise),) = balanced_noise(n_samples, self._n_targets, random_state)
        return mean_over_draws(self._mixture.draw_alike(uniform, noise), asked).numpy(), settled

    def _like(self, mixture: Mixture) -> Self:
        return self._from_mixture(
            mixture, one_dimensional=self._one_dimensional, member_sizes=self._member_sizes
        )

    def _squeeze(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Drop the axis of the target, the last one, where the target has none."""
        return array[..., 0] if self._one_dimensional else array

    def _log_density(self, y: ArrayLike) -> NDArray[np.float64]:
        (aligned,), shape = self._aligned(exact=True, y=y)
        out = np.empty(aligned.shape[:2])
        if self._mixture.n_targets == 1:
            self._blockwise(self._marginals, lambda part, y: part.log_prob(y).squeeze(-1), [aligned], out)
        else:
            self._blockwise(self._mixture, Mixture.log_prob_anywhere, [aligned], out)
        return out.reshape(shape[:-1])

    def _draws_width(self, n_samples: int) -> int:
        return n_samples * self._mixture.n_components * self._mixture.n_targets

    def _regions(self, confidence: float) -> list[tuple[Tensor, Tensor]]:
        return self._by_rows(
            self._single,
            lambda part: highest_density_region(part, confidence),
            self._mixture.n_components**2,
        )

    def _aligned(
        self, *, exact: bool, levels: bool = False, **arguments: ArrayLike
    ) -> tuple[list[NDArray[Any]], tuple[int, ...]]:
        """Arguments as views of one common shape (m, n, D), and the shape (..., n, D) that it stands for.

        As in NumPy, a single row stretches to as many as an argument has. With ``exact`` there must be a
        value for each target; ``levels`` are not observed values.
        """
        n_targets, views = self._mixture.n_targets, []
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

    def _blockwise(
        self,
        parameters: Mixture | Univariate,
        kernel: Callable[..., Tensor],
        arguments: Sequence[NDArray[Any]],
        out: NDArray[np.float64],
        width: int | None = None,
        prepare: Callable[[Any], Any] = lambda part: part,
    ) -> None:
        """Fill out (m, n, ...) with a kernel's answers to the arguments (m, n, D), block by block.

        A block costs ``width`` numbers for each of its entries. What the kernel gets in place of the
        parameters of a block of rows, ``prepare`` makes once.
        """
        n_lead, n_rows = out.shape[:2]
        width = self._mixture.n_components * self._mixture.n_targets if width is None else width
        with threads_for_numbers(n_lead * n_rows * width):
            for rows in blocks(n_rows, width):
                part = prepare(parameters.take(rows))
                for lead in blocks(n_lead, width * (rows.stop - rows.start)):
                    tensors = [torch.from_numpy(np.array(a[lead, rows], dtype=np.float64)) for a in arguments]
                    out[lead, rows] = kernel(part, *tensors).numpy()

    def _by_rows(
        self, parameters: Parameters, kernel: Callable[[Parameters], Answer], width: int
    ) -> list[Answer]:
        """A kernel's answers for blocks of rows; a row costs ``width`` numbers."""
        with threads_for_numbers(len(self) * width):
            return [kernel(parameters.take(rows)) for rows in blocks(len(self), width)]

    def _quantiles(
        self, kernel: Callable[..., Tensor], levels: NDArray[Any], at_zero: float, name: str = "q"
    ) -> NDArray[np.float64]:
        """Quantiles at levels in [0, 1]: ``at_zero`` is that at 0, minus it that at 1."""
        inside = (levels > 0) & (levels < 1)
        ends = np.where(levels == 0, at_zero, -at_zero)
        found = self._per_target(kernel, levels=True, **{name: np.where(inside, levels, 0.5)})
        return np.where(inside, found, ends)

    def _per_target(
        self, kernel: Callable[..., Tensor], *, levels: bool = False, **arguments: ArrayLike
    ) -> NDArray[np.float64]:
        """A kernel's answers for each target on its own, (..., n) or (..., n, D)."""
        aligned, shape = self._aligned(exact=False, levels=levels, **arguments)
        if "a" in arguments and np.any(aligned[0] > aligned[1]):
            raise ValueError("b must not be below a.")
        out = np.empty(aligned[0].shape)
        self._blockwise(self._marginals, kernel, aligned, out)
        return self._squeeze(out.reshape(shape))


def clipped(probability: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same from 0 to 1: rounded weights may sum to a little more than one."""
    return lambda *arguments: probability(*arguments).clamp_(0.0, 1.0)


def _no_array(what: str) -> TypeError:
    return TypeError(
        f"a MixtureDistribution cannot {what}: it holds densities, one a row. Its mean(), std(), ppf(level) "
        "and rvs(size) are arrays, and the scores of sklearn_mdn.metrics judge it as it is."
    )


def blocks(length: int, width: int) -> Iterator[slice]:
    """Slices of an axis whose entries cost ``width`` numbers each."""
    step = max(1, BLOCK_NUMBERS // max(1, width))
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def slices(sizes: Sequence[int]) -> list[slice]:
    """Neighbouring slices of given lengths."""
    stops = np.cumsum(sizes).tolist()
    return [slice(stop - size, stop) for stop, size in zip(stops, sizes, strict=True)]


def stack_padded(parts: Sequence[Tensor], *trailing: int) -> NDArray[np.float64]:
    """Arrays (r, J, *trailing) on top of each other, those of smaller J padded with NaN; J = 1 for none."""
    count = max((part.shape[1] for part in parts), default=1)
    stacked = np.full((sum(len(part) for part in parts), count, *trailing), np.nan)
    start = 0
    for part in parts:
        stacked[start : start + len(part), : part.shape[1]] = part.numpy()
        start += len(part)
    return stacked
