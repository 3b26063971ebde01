"""Predicted densities: Gaussian mixtures, one a row, with NumPy arrays in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sklearn_mdn._distributions.checks import (
    check_means,
    check_moments,
    check_order,
    check_weights,
    make_scale,
)
from sklearn_mdn._distributions.decisions import Array, on_tensors
from sklearn_mdn._distributions.noise import balanced_noise
from sklearn_mdn._distributions.predictive import PredictiveDistribution, blocks
from sklearn_mdn._distributions.records import Grid, Records
from sklearn_mdn._distributions.stored_state import read_state, stamped
from sklearn_mdn._distributions.typing import CovarianceType, SeedLike
from sklearn_mdn._mixtures.entropy import estimated_entropy, univariate_entropy
from sklearn_mdn._mixtures.expectation import RULES, expectation, mean_over_draws, product_expectation
from sklearn_mdn._mixtures.mixture import Mixture, concatenate_rows, pool
from sklearn_mdn._mixtures.modes import highest_first, multivariate_modes, univariate_modes
from sklearn_mdn._mixtures.moments import raw_moment, skewness_and_kurtosis
from sklearn_mdn._mixtures.regions import Flanks, highest_density_region, monotone_pieces
from sklearn_mdn._mixtures.scale import CholeskyScale, DiagonalScale
from sklearn_mdn._mixtures.univariate import Univariate
from sklearn_mdn._torch.memory import naming_memory
from sklearn_mdn._torch.threads import threads_for_numbers

STATE_NAMES = ("logits", "means", "scale", "diagonal", "one_dimensional", "member_sizes")  # what is stored

LEADING = 16  # entries of a row that one block holds where there are so many
QUANTILE_NUMBERS = 4  # for each of which quantiles hold so many at once, beside what all of a row share

Parameters = TypeVar("Parameters", Mixture, Univariate)
Answer = TypeVar("Answer")
Arguments = ParamSpec("Arguments")


@contextmanager
def sized(n_rows: int, numbers: int) -> Iterator[None]:
    """Put work on mixtures on as many threads as its numbers are worth, and say if they are too many."""
    way_out = "Fewer rows at a time, as in distribution[:1000], values a row or draws need less of it."
    with naming_memory(f"working on {n_rows} mixtures", way_out), threads_for_numbers(n_rows * numbers):
        yield


def by_size(
    method: Callable[Concatenate[MixtureDistribution, Arguments], Answer],
) -> Callable[Concatenate[MixtureDistribution, Arguments], Answer]:
    """Put a method on as many threads as the numbers of the mixture are worth."""

    @wraps(method)
    def run(self: MixtureDistribution, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        with sized(len(self), self._numbers_a_row):
            return method(self, *args, **kwargs)

    return run


@final
class MixtureDistribution(PredictiveDistribution):
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
        self._sizes: tuple[int, ...] = (weights.shape[1],)

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
        distribution._sizes = (mixture.n_components,) if member_sizes is None else tuple(member_sizes)
        return distribution

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
                "member_sizes": tuple(self._sizes),
                "grid": None if self._grid is None else self._grid.state,
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
        self._sizes = tuple(state["member_sizes"])
        self._on(Grid.from_state(state.get("grid")))

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
        within, between = self._mixture.variance_split(slices(self._sizes))
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

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._mixture.logits)

    @property
    def _n_targets(self) -> int:
        return self._mixture.n_targets

    @property
    def _n_components(self) -> int:
        return self._mixture.n_components

    @property
    def _member_sizes(self) -> tuple[int, ...]:
        return self._sizes

    def _joined(self, parts: Sequence[Self]) -> Self:
        kept = len({len(part._sizes) for part in parts}) == 1
        sizes = [part._sizes if kept else (sum(part._sizes),) for part in parts]
        widths = [max(size) for size in zip(*sizes, strict=True)]
        padded = [
            part._mixture.pad_members(slices(size), widths) for part, size in zip(parts, sizes, strict=True)
        ]
        return self._from_mixture(
            concatenate_rows(padded), one_dimensional=self._one_dimensional, member_sizes=widths
        )

    def _pooled(self, parts: Sequence[Self], weights: Array) -> Self:
        with np.errstate(divide="ignore"):
            log_weights = torch.from_numpy(np.log(weights))
        return self._from_mixture(
            pool([part._mixture for part in parts], log_weights),
            one_dimensional=self._one_dimensional,
            member_sizes=[size for part in parts for size in part._sizes],
        )

    def _take(self, rows: NDArray[np.int64]) -> Self:
        return self._like(self._mixture.take(torch.from_numpy(rows)))

    @by_size
    def _weights(self) -> Array:
        return self._mixture.weights.numpy()

    def _centers(self) -> Array:
        return self._mixture.means.numpy()

    def _log_density(self, y: Array) -> Array:
        out = np.empty(y.shape[:2])
        if self._n_targets == 1:
            self._blockwise(self._marginals, lambda part, y: part.log_prob(y).squeeze(-1), [y], out)
        else:
            self._blockwise(self._mixture, Mixture.log_prob_anywhere, [y], out)
        return out

    def _log_recorded(self, records: Records) -> Array:
        mixture = self._mixture
        if isinstance(mixture.scale, CholeskyScale) and self._n_targets > 1:
            return super()._log_recorded(records)
        out: Array = np.empty((1, len(self)))
        single = Mixture(mixture.logits, mixture.means, DiagonalScale(mixture.scale.std, self._n_targets))
        self._blockwise(single, Mixture.log_recorded, [records.place[None], records.reach[None]], out)
        return out.reshape(len(self))

    def _blurred(self, factor: float, noise: Array) -> Self:
        """With the deviations of components times a factor, and independent normal noise (D,) added."""
        logits, means, scale = self._mixture.logits, self._mixture.means, self._mixture.scale
        mixture = Mixture(logits, means, scale.stretch(means.new_full((self._n_targets,), factor)))
        return self._like(mixture.blur(torch.from_numpy(noise)))

    def _blurred_log_density(self, y: Array, factor: float, noise: Array) -> Array:
        return self._blurred(factor, noise)._mixture.log_prob(torch.from_numpy(y)).numpy()

    def _responsibilities(self, y: Array) -> Array:
        out = np.empty((*y.shape[:2], self._n_components))
        self._blockwise(self._mixture, lambda part, y: part.log_responsibilities(y).exp(), [y], out)
        return out

    def _cdf(self, y: Array) -> Array:
        return self._each_target(clipped(Univariate.cdf), y)

    def _sf(self, y: Array) -> Array:
        return self._each_target(clipped(Univariate.sf), y)

    def _log_cdf(self, y: Array) -> Array:
        return self._each_target(Univariate.log_cdf, y)

    def _log_sf(self, y: Array) -> Array:
        return self._each_target(Univariate.log_sf, y)

    def _prob(self, a: Array, b: Array) -> Array:
        return self._each_target(clipped(Univariate.prob), a, b)

    def _quantile(self, level: Array, upper_tail: bool) -> Array:
        out, kernel = np.empty(level.shape), Univariate.upper_quantile if upper_tail else Univariate.quantile
        shared = -(-self._n_components // max(1, min(len(level), LEADING)))
        held = self._n_targets * max(QUANTILE_NUMBERS, shared)
        self._blockwise(self._marginals, kernel, (level,), out, held=held)
        return out

    def _crps(self, y: Array) -> Array:
        return self._each_target(Univariate.crps, y)

    def _support(self) -> tuple[Array, Array]:
        upper = np.full((len(self), self._n_targets), np.inf)
        return -upper, upper

    @by_size
    def _mean(self) -> Array:
        return self._mixture.mean().numpy()

    @by_size
    def _var(self) -> Array:
        return self._marginals.var().numpy()

    @by_size
    def _std(self) -> Array:
        return self._marginals.std().numpy()

    def _modes(self) -> Array:
        n_components, n_targets = self._n_components, self._n_targets
        if n_targets > 1:
            width = (n_components * n_targets) ** 2
            return stack_padded(self._by_rows(self._mixture, multivariate_modes, width), n_targets)
        modes = self._by_rows(
            self._single, lambda part: highest_first(part, univariate_modes(part)[0]), n_components**2
        )
        return stack_padded(modes)[..., None]

    def _regions(self, confidence: float) -> tuple[Array, Array]:
        found = self._by_rows(
            self._single, lambda part: highest_density_region(part, confidence), self._n_components**2
        )
        log_threshold = np.concatenate([np.empty(0), *(part[1].numpy() for part in found)])
        return stack_padded([part[0] for part in found], 2), log_threshold

    def _level(self, y: Array) -> Array:
        out, width = np.empty(y.shape[:2]), self._n_components**2

        def outside(part: Flanks, y: Tensor) -> Tensor:
            return part.outside(y.squeeze(-1))

        self._blockwise(self._single, outside, [y], out, width=width, prepare=monotone_pieces)
        return 1.0 - out

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

    def _entropy(self, n_samples: int, random_state: SeedLike) -> Array:
        if self._n_targets == 1:
            found = self._by_rows(self._mixture, univariate_entropy, 10 * self._n_components**2)
        else:
            ((uniform, noise),) = balanced_noise(n_samples, self._n_targets, random_state)

            def estimate(part: Mixture) -> Tensor:
                return estimated_entropy(part, part.draw_alike(uniform, noise))

            found = self._by_rows(self._mixture, estimate, self._draws_width(n_samples))
        return np.concatenate([np.empty(0), *(part.numpy() for part in found)])

    def _draw(self, count: int, uniform: np.random.Generator, noise: np.random.Generator) -> Array:
        n_targets = self._n_targets
        width = count * n_targets
        with sized(len(self), max(width, self._n_components)):
            drawn = np.empty((len(self), n_targets, count))
            for rows in blocks(len(self), width):
                part = self._mixture.take(rows)
                n_rows = len(part.logits)
                draws = part.draw(
                    torch.from_numpy(uniform.random((n_rows, count))),
                    torch.from_numpy(noise.standard_normal((n_rows, count, n_targets))),
                )
                drawn[rows] = draws.mT.numpy()
        return drawn[:, 0] if self._one_dimensional else drawn

    def _draw_alike(self, uniform: Tensor, noise: Tensor) -> Array:
        return self._mixture.draw_alike(uniform, noise).numpy()

    @by_size
    def _marginal(self, targets: list[int], *, one_dimensional: bool) -> Self:
        return self._from_mixture(
            self._mixture.marginal(targets), one_dimensional=one_dimensional, member_sizes=self._sizes
        )

    @by_size
    def _condition(self, targets: list[int], values: Array) -> Self:
        return self._from_mixture(
            self._mixture.condition(targets, torch.from_numpy(values)),
            one_dimensional=False,
            member_sizes=self._sizes,
        )

    @by_size
    def _members(self) -> list[Self]:
        return [
            self._from_mixture(self._mixture.member(part), one_dimensional=self._one_dimensional)
            for part in slices(self._sizes)
        ]

    def _each_target(self, kernel: Callable[..., Tensor], *arguments: Array) -> Array:
        """A kernel's answers for each target on its own."""
        out = np.empty(arguments[0].shape)
        self._blockwise(self._marginals, kernel, arguments, out)
        return out

    def _blockwise(
        self,
        parameters: Mixture | Univariate,
        kernel: Callable[..., Tensor],
        arguments: Sequence[NDArray[Any]],
        out: Array,
        width: int | None = None,
        prepare: Callable[[Any], Any] = lambda part: part,
        held: int | None = None,
    ) -> None:
        """Fill out (m, n, ...) with a kernel's answers to the arguments (m, n, D), block by block.

        A block costs ``width`` numbers for each of its entries, of which ``held``, or all, are there at once.
        What the kernel gets in place of the parameters of a block of rows, ``prepare`` makes once.
        """
        n_lead, n_rows = out.shape[:2]
        width = self._n_components * self._n_targets if width is None else width
        with sized(n_rows, n_lead * width):
            held = width if held is None else held
            for rows in blocks(n_rows, held * min(n_lead, LEADING)):
                part = prepare(parameters.take(rows))
                for lead in blocks(n_lead, held * (rows.stop - rows.start)):
                    tensors = [torch.from_numpy(np.array(a[lead, rows], dtype=np.float64)) for a in arguments]
                    out[lead, rows] = kernel(part, *tensors).numpy()

    def _by_rows(
        self, parameters: Parameters, kernel: Callable[[Parameters], Answer], width: int
    ) -> list[Answer]:
        """A kernel's answers for blocks of rows; a row costs ``width`` numbers."""
        with sized(len(self), width):
            return [kernel(parameters.take(rows)) for rows in blocks(len(self), width)]

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

    def _like(self, mixture: Mixture) -> Self:
        return self._from_mixture(mixture, one_dimensional=self._one_dimensional, member_sizes=self._sizes)


def clipped(probability: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same from 0 to 1: rounded weights may sum to a little more than one."""
    return lambda *arguments: probability(*arguments).clamp_(0.0, 1.0)


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
